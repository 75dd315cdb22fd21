"""Anomaly detection: rows that are unlike the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from ._preparing import choice
from ._trees import n_estimators
from ._unsupervised import Needs, entry, fit_lines
from .base import CodeRequest
from .calls import Call

_TASK = frozenset({"anomaly"})


def _contamination(how: str) -> Parameter:
    return Parameter(
        "contamination",
        "float",
        None,
        low=1e-4,
        high=0.5,
        scale="log",
        label="part that is unusual",
        optional=True,
        help=(
            f"Which part of the training rows is to be called unusual. {how} The scores and their order are the same "
            "either way; only the line between usual and unusual moves."
        ),
    )


def _share(values: Mapping[str, Any]) -> Any:
    return "auto" if values["contamination"] is None else values["contamination"]


def _forest(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return Call(
        "sklearn.ensemble.IsolationForest",
        {
            "n_estimators": values["n_estimators"],
            # scikit-learn warns of a number larger than the table, "auto" takes 256 or all rows
            "max_samples": values["max_samples"] or "auto",
            "contamination": _share(values),
            "random_state": seed,
        },
    )


def _one_class(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    gamma = values["gamma"] if values["gamma"] is not None else "scale"
    arguments = {"kernel": values["kernel"], "nu": values["nu"], "gamma": gamma, "tol": values["tol"]}
    return Call("sklearn.svm.OneClassSVM", arguments)


def _local(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return Call(
        "sklearn.neighbors.LocalOutlierFactor",
        {
            "n_neighbors": values["n_neighbors"],
            "metric": values["metric"],
            "contamination": _share(values),
            # a search tree has no form in a model's file
            "algorithm": "brute",
            "novelty": True,
        },
    )


def _lines(call: Call, request: CodeRequest) -> list[str]:
    return [
        *fit_lines(call),
        "# True for an unusual row; a larger score means more unusual",
        "predicted = model.predict(X_test) == -1",
        "scores = -model.score_samples(X_test)",
    ]


ISOLATION_FOREST = entry(
    id="isolation_forest",
    name="Isolation forest",
    category=("Anomaly detection",),
    tasks=_TASK,
    summary=(
        "Grows trees that divide small samples of the rows at random until each row stands alone. An unusual row is "
        "alone after few divisions; the average number over all trees gives its score."
    ),
    when=(
        "As the first thing to try, on tables of any size and with many columns: it is quick, has little to set and "
        "does not depend on the columns' scales."
    ),
    when_not=(
        "When a row is unusual only among its neighbours, in a table of regions of very different density: the local "
        "outlier factor looks there."
    ),
    references=(
        "Liu, Ting and Zhou (2008), Isolation forest, doi:10.1109/ICDM.2008.17",
        "https://scikit-learn.org/stable/modules/outlier_detection.html#isolation-forest",
    ),
    parameters=ParameterTable(
        (
            n_estimators(100, "How many trees vote. More make the scores steadier and take longer."),
            Parameter(
                "max_samples",
                "int",
                None,
                low=2,
                high=1_000_000,
                scale="log",
                unit="rows",
                label="rows per tree",
                optional=True,
                help=(
                    "How many rows each tree is grown on; off takes 256, or all of a smaller table. More hide unusual "
                    "rows that lie close together."
                ),
            ),
            _contamination("Off draws the line at a fixed score, as its authors propose."),
        )
    ),
    recipe=_forest,
    lines=_lines,
    needs=Needs(rows={"max_samples": 0}),
)

ONE_CLASS_SVM = entry(
    id="one_class_svm",
    name="One-class SVM",
    category=("Anomaly detection",),
    tasks=_TASK,
    summary=(
        "Draws a smooth border around the region in which most training rows lie; what falls outside is unusual. The "
        "distance from the border gives the score."
    ),
    when="When the training rows are almost all usual ones, there are up to some ten thousand, and columns are scaled.",
    when_not=(
        "On large tables: time grows with the square of the rows. When many training rows are unusual themselves: the "
        "border then encloses them too."
    ),
    references=(
        "Schölkopf, Platt, Shawe-Taylor, Smola and Williamson (2001), Estimating the support of a high-dimensional "
        "distribution, doi:10.1162/089976601750264965",
        "https://scikit-learn.org/stable/modules/outlier_detection.html#overview-of-outlier-detection-methods",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "nu",
                "float",
                0.1,
                low=0.001,
                high=1.0,
                scale="log",
                label="part outside (nu)",
                help=(
                    "The part of the training rows that may at most lie outside of the border. Smaller values enclose "
                    "more rows."
                ),
            ),
            choice(
                "kernel",
                "rbf",
                ("rbf", "linear", "poly", "sigmoid"),
                "The border's form: rbf follows any smooth shape, linear is a plane.",
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
                    "How closely the border follows the rows; larger values draw it tighter around each. Off takes one "
                    "over the number of columns times their variance. It has no effect on the linear kernel."
                ),
            ),
            Parameter(
                "tol",
                "float",
                1e-3,
                low=1e-10,
                high=0.1,
                scale="log",
                label="tolerance",
                help="The fit ends when less than this can be gained. Smaller values take longer.",
            ),
        )
    ),
    recipe=_one_class,
    lines=_lines,
)

LOCAL_OUTLIER_FACTOR = entry(
    id="local_outlier_factor",
    name="Local outlier factor",
    category=("Anomaly detection",),
    tasks=_TASK,
    summary=(
        "Compares how crowded the surroundings of a row are with how crowded those of its neighbours are. About 1 is "
        "usual; a row in a much emptier place than its neighbours gets a larger factor."
    ),
    when="When regions of the table differ in density, and a row is unusual against its own neighbourhood.",
    when_not=(
        "With many columns, where distances say little, or on large tables: each new row is compared with every "
        "training row."
    ),
    references=(
        "Breunig, Kriegel, Ng and Sander (2000), LOF: identifying density-based local outliers, "
        "doi:10.1145/335191.335388",
        "https://scikit-learn.org/stable/modules/outlier_detection.html#local-outlier-factor",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "n_neighbors",
                "int",
                20,
                low=1,
                high=10_000,
                scale="log",
                unit="rows",
                label="neighbours",
                help=(
                    "With how many neighbours a row is compared. It should be larger than the smallest group of rows "
                    "that is not to count as unusual."
                ),
            ),
            choice(
                "metric",
                "euclidean",
                ("euclidean", "manhattan", "cosine"),
                "How the distance between two rows is measured.",
                label="distance",
            ),
            _contamination("Off draws the line at a factor of 1.5."),
        )
    ),
    recipe=_local,
    lines=_lines,
    needs=Needs(rows={"n_neighbors": 1}),
)

ANOMALY = (ISOLATION_FOREST, ONE_CLASS_SVM, LOCAL_OUTLIER_FACTOR)
