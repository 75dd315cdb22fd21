"""Dimensionality reduction: few new columns that say most of what many said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from ._preparing import choice, components, iterations, switch, tolerance
from ._unsupervised import Needs, entry, transform_lines
from .base import CodeRequest
from .calls import Call

_TASK = frozenset({"transform"})
_CATEGORY = ("Dimensionality reduction",)


def _pca(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {"n_components": values["n_components"], "whiten": values["whiten"], "random_state": seed}
    return Call("sklearn.decomposition.PCA", arguments)


def _kernel_pca(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return Call(
        "sklearn.decomposition.KernelPCA",
        {
            "n_components": values["n_components"],
            "kernel": values["kernel"],
            "gamma": values["gamma"],
            "degree": values["degree"],
            # the way back is learned too, so that what was lost can be measured
            "fit_inverse_transform": True,
            "alpha": values["alpha"],
            "random_state": seed,
        },
    )


def _svd(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {"n_components": values["n_components"], "n_iter": values["n_iter"], "random_state": seed}
    return Call("sklearn.decomposition.TruncatedSVD", arguments)


def _nmf(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    factors = Call(
        "sklearn.decomposition.NMF",
        {
            "n_components": values["n_components"],
            "init": "nndsvda",
            "alpha_W": values["alpha"],
            "l1_ratio": values["l1_ratio"],
            "max_iter": values["max_iter"],
            "tol": values["tol"],
            "random_state": seed,
        },
    )
    # parts add up only where nothing is negative
    scaled = Call("sklearn.preprocessing.MinMaxScaler", {"clip": True})
    return Call("sklearn.pipeline.Pipeline", positional=([("scale", scaled), ("nmf", factors)],))


def _ica(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {name: values[name] for name in ("n_components", "fun", "max_iter", "tol")}
    return Call("sklearn.decomposition.FastICA", {**arguments, "whiten": "unit-variance", "random_state": seed})


def _tsne(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    names = ("n_components", "perplexity", "early_exaggeration", "max_iter", "init")
    rate = "auto" if values["learning_rate"] is None else values["learning_rate"]
    arguments = {**{name: values[name] for name in names}, "learning_rate": rate, "random_state": seed}
    return Call("sklearn.manifold.TSNE", arguments)


def _tsne_lines(call: Call, request: CodeRequest) -> list[str]:
    return [
        *call.imports(),
        "",
        *f"model = {call.source()}".split("\n"),
        "# the training rows: t-SNE cannot place others",
        "transformed = model.fit_transform(X_train)",
    ]


PCA = entry(
    id="pca",
    name="Principal components (PCA)",
    category=_CATEGORY,
    tasks=_TASK,
    summary=(
        "Turns the columns into new ones that do not correlate: the first lies along the direction in which the rows "
        "differ most, each next one along the greatest difference that is left."
    ),
    when=(
        "As the first thing to try for a picture of a table, for fewer columns before another algorithm, or where "
        "columns say the same thing several times."
    ),
    when_not=(
        "When what matters lies along curves (kernel PCA, t-SNE), or when each new column should be easy to name: "
        "every one mixes all of the old."
    ),
    references=(
        "Jolliffe and Cadima (2016), Principal component analysis: a review and recent developments, "
        "doi:10.1098/rsta.2015.0202",
        "https://scikit-learn.org/stable/modules/decomposition.html#pca",
    ),
    parameters=ParameterTable(
        (
            components(2, "How many new columns. Off keeps as many as there can be.", optional=True),
            switch(
                "whiten",
                False,
                "Whether each new column is brought to the same spread, so that weak directions count as much as "
                "strong ones.",
            ),
        )
    ),
    recipe=_pca,
    lines=transform_lines,
    needs=Needs(rows={"n_components": 0}, columns=("n_components",)),
)

KERNEL_PCA = entry(
    id="kernel_pca",
    name="Kernel PCA",
    category=_CATEGORY,
    tasks=_TASK,
    summary=(
        "Principal components after the rows were bent into a space of many more dimensions by a kernel, so that new "
        "columns can follow curves of the old ones. A way back is learned too."
    ),
    when="When rows lie along curves or rings that straight components flatten, on up to some thousand rows.",
    when_not="On large tables: it compares every row with every other. Where straight components do, PCA is clearer.",
    references=(
        "Schölkopf, Smola and Müller (1998), Nonlinear component analysis as a kernel eigenvalue problem, "
        "doi:10.1162/089976698300017467",
        "https://scikit-learn.org/stable/modules/decomposition.html#kernel-pca",
    ),
    parameters=ParameterTable(
        (
            components(2, "How many new columns. Not more than there are training rows."),
            choice(
                "kernel",
                "rbf",
                ("rbf", "poly", "sigmoid", "cosine", "linear"),
                "How alike two rows are: rbf by their distance, poly by products of columns, cosine by direction; "
                "linear is plain PCA.",
            ),
            Parameter(
                "gamma",
                "float",
                None,
                low=1e-6,
                high=1e3,
                scale="log",
                label="closeness (gamma)",
                optional=True,
                help=(
                    "How near rows must be to count as alike, for rbf, poly and sigmoid; larger values look closer. "
                    "Off takes one over the number of columns."
                ),
            ),
            Parameter(
                "degree",
                "int",
                3,
                low=1,
                high=10,
                only_if=("kernel", "poly"),
                help="How many columns the poly kernel multiplies.",
            ),
            Parameter(
                "alpha",
                "float",
                1.0,
                low=1e-6,
                high=1e3,
                scale="log",
                label="smoothness of the way back",
                help="The penalty with which the way back to the old columns is learned. It changes no new column.",
            ),
        )
    ),
    recipe=_kernel_pca,
    lines=transform_lines,
    needs=Needs(rows={"n_components": 0}),
)

TRUNCATED_SVD = entry(
    id="truncated_svd",
    name="Truncated SVD",
    category=_CATEGORY,
    tasks=_TASK,
    summary=(
        "Finds the few directions that rebuild the table best, as PCA does, but measured from zero instead of from "
        "the columns' averages."
    ),
    when="When zero means something, as for counts or flags, and on wide tables: it is quick.",
    when_not="When columns differ by where their average lies: the first direction then only points there. Use PCA.",
    references=(
        "Halko, Martinsson and Tropp (2011), Finding structure with randomness, doi:10.1137/090771806",
        "https://scikit-learn.org/stable/modules/decomposition.html#truncated-singular-value-decomposition-and-"
        "latent-semantic-analysis",
    ),
    parameters=ParameterTable(
        (
            components(2, "How many new columns. Not more than there are columns or training rows."),
            Parameter(
                "n_iter",
                "int",
                5,
                low=1,
                high=100,
                unit="iterations",
                label="iterations",
                help="How often the directions are refined. More are more exact where directions are about as strong.",
            ),
        )
    ),
    recipe=_svd,
    lines=transform_lines,
    needs=Needs(rows={"n_components": 0}, columns=("n_components",)),
)

NMF = entry(
    id="nmf",
    name="Non-negative factors (NMF)",
    category=_CATEGORY,
    tasks=_TASK,
    summary=(
        "Describes each row as a sum of a few parts, of which each is there more or less, but never less than not at "
        "all. The columns are first brought between 0 and 1, since parts that only add up need numbers that are not "
        "negative."
    ),
    when="When rows are made of parts that add up: counts, amounts, shares; each part can be read and named.",
    when_not="When columns can point both ways: use PCA or independent components.",
    references=(
        "Lee and Seung (1999), Learning the parts of objects by non-negative matrix factorization, doi:10.1038/44565",
        "https://scikit-learn.org/stable/modules/decomposition.html#non-negative-matrix-factorization-nmf-or-nnmf",
    ),
    parameters=ParameterTable(
        (
            components(2, "How many parts, each a new column. Not more than there are columns or training rows."),
            Parameter(
                "alpha",
                "float",
                0.0,
                low=0.0,
                high=10.0,
                scale="log",
                smallest=1e-5,
                label="penalty",
                help="Holds the parts small. Larger values give simpler parts that rebuild the table less well.",
            ),
            Parameter(
                "l1_ratio",
                "float",
                0.0,
                low=0.0,
                high=1.0,
                label="share of L1",
                help="How much of the penalty makes parts vanish (1) instead of only shrinking them (0).",
            ),
            iterations(1000, "The fit ends here even if it still gains."),
            tolerance(1e-4, "The fit ends when an iteration gains less than this part of the first error."),
        )
    ),
    recipe=_nmf,
    lines=transform_lines,
    needs=Needs(rows={"n_components": 0}, columns=("n_components",)),
)

ICA = entry(
    id="ica",
    name="Independent components (ICA)",
    category=_CATEGORY,
    tasks=_TASK,
    summary=(
        "Takes the columns for mixtures of sources that know nothing of each other, and finds the sources: the "
        "directions along which the rows are least bell-shaped."
    ),
    when="When columns are mixtures of separate signals: electrodes, sensors, overlapping sources.",
    when_not=(
        "For a plain summary of a table: the components have no order and no sign. With bell-shaped columns, where "
        "there is nothing to tell sources apart by."
    ),
    references=(
        "Hyvärinen and Oja (2000), Independent component analysis: algorithms and applications, "
        "doi:10.1016/S0893-6080(00)00026-5",
        "https://scikit-learn.org/stable/modules/decomposition.html#independent-component-analysis-ica",
    ),
    parameters=ParameterTable(
        (
            components(2, "How many sources, each a new column. Not more than there are columns or training rows."),
            choice(
                "fun",
                "logcosh",
                ("logcosh", "exp", "cube"),
                "How a departure from the bell shape is measured: logcosh suits most, exp resists outliers, cube is "
                "quick and sensitive to them.",
                label="measure",
            ),
            iterations(500, "The fit ends here even if the directions still turn."),
            tolerance(1e-4, "The fit ends when no direction turns by more than this."),
        )
    ),
    recipe=_ica,
    lines=transform_lines,
    needs=Needs(rows={"n_components": 0}, columns=("n_components",)),
)

TSNE = entry(
    id="tsne",
    name="t-SNE",
    category=_CATEGORY,
    tasks=_TASK,
    summary=(
        "Lays the rows out on a map so that those that were close stay close. It moves the rows themselves and learns "
        "no rule, so new rows cannot be placed: its result is the map of the training rows."
    ),
    when="To see whether a table falls into groups, as a picture.",
    when_not=(
        "Before another algorithm, or for new rows: use PCA or kernel PCA. Distances between groups and their sizes "
        "on the map mean nothing, and other settings give other maps."
    ),
    references=(
        "van der Maaten and Hinton (2008), Visualizing data using t-SNE",
        "https://scikit-learn.org/stable/modules/manifold.html#t-distributed-stochastic-neighbor-embedding-t-sne",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "n_components",
                "int",
                2,
                low=1,
                high=3,
                unit="columns",
                label="new columns",
                help="Dimensions of the map: 2 for a picture.",
            ),
            Parameter(
                "perplexity",
                "float",
                30.0,
                low=1.0,
                high=500.0,
                scale="log",
                help=(
                    "About how many neighbours each row keeps an eye on. Small values show fine structure and tear "
                    "groups apart, large ones show the whole. It must be smaller than the number of training rows."
                ),
            ),
            Parameter(
                "learning_rate",
                "float",
                None,
                low=1.0,
                high=10_000.0,
                scale="log",
                optional=True,
                help=(
                    "How far rows move in a step; off takes one that fits the number of rows. Too large, and the map "
                    "is a ball; too small, and the rows crowd together."
                ),
            ),
            Parameter(
                "early_exaggeration",
                "float",
                12.0,
                low=1.0,
                high=100.0,
                label="early exaggeration",
                help="How strongly groups are pulled together at first. Larger values leave more space between them.",
            ),
            iterations(1000, "How many steps. More settle a map that still moves.", low=250),
            choice(
                "init",
                "pca",
                ("pca", "random"),
                "Where the rows start: along their principal components, which keeps the large picture, or at random.",
                label="start",
            ),
        )
    ),
    recipe=_tsne,
    lines=_tsne_lines,
    needs=Needs(rows={"perplexity": 1, "n_components": 0}, columns=("n_components",), places=False),
)

REDUCTION = (PCA, KERNEL_PCA, TRUNCATED_SVD, NMF, ICA, TSNE)
