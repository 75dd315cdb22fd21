"""The standalone program that an experiment or a run stands for, in one of four styles.

Each room writes its own fragment: imports first, one a line, then a blank line, then the code. This
module chooses the fragments of a style and puts them in order; `code_styles` lays them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import algorithms
from .algorithms import Algorithm
from .code_styles import Section, as_notebook, as_script, check_style, pipelined
from .data import Dataset, Prepared
from .data.layout import read_view
from .data.plan import link_sources
from .data.source_code import pipeline_lines, prepare_lines
from .engine import Mark
from .engine.heads import HeadPlan, are_plain, named_heads, plans_of
from .errors import InputError
from .further_code import further_lines, further_scores, loading_lines, with_roles
from .metrics import score_lines
from .network import Layer
from .spec import ExperimentSpec


def program(
    spec: ExperimentSpec,
    data: Dataset,
    prepared: Prepared,
    values: Mapping[str, Any] | None = None,
    marks: Sequence[Mark] = (),
    style: str = "script",
) -> str:
    """Return the program, formatted.

    Parameters
    ----------
    spec : ExperimentSpec
    data : Dataset
        Its table.
    prepared : Prepared
        The table as split and preprocessed, for its widths and classes.
    values : mapping, optional
        Hyperparameters that the run started with, instead of the specification's.
    marks : sequence of Mark
        The run's mid-run changes; the program makes them at the same steps.
    style : {"script", "notebook", "sklearn", "torch"}
        "script" is one line after the other; "notebook" the same as the text of an ``.ipynb`` file; "sklearn" one
        `sklearn.pipeline.Pipeline`; "torch" a network with functions that train it and predict.
        A network stands in a pipeline as an estimator whose class the program defines.

    Raises
    ------
    InputError
        For an unknown style, or one that the algorithm cannot be told in.
    """
    check_style(style)
    algorithm = algorithms.get(spec.algorithm)
    _refuse(algorithm, style)
    full = algorithm.validate(spec.hyperparameters if values is None else values)
    task = str(algorithm.task_for(prepared.task))
    widths = prepared.preprocessor.widths
    layers = algorithm.stack(full, len(prepared.feature_names), spec.layers)
    heads = _heads(spec, prepared, style, layers) if algorithm.engine == "torch" else []
    learning = Section.of(
        "training",
        algorithm.name,
        algorithm.code(
            full,
            task,
            spec.seed,
            n_features=len(prepared.feature_names),
            n_classes=len(prepared.classes) or 1,
            layers=layers,
            changes=[(mark.step, mark.name, mark.after) for mark in marks],
            style=style,
            head=heads[0] if len(heads) == 1 and not heads[0].uncertain else None,
            heads=heads if len(heads) > 1 or any(plan.uncertain for plan in heads) else (),
        ),
    )
    preparing = "Split and preprocessing"
    read = read_view(data, prepared.plan, prepared.split)
    if style == "sklearn":
        lines = pipeline_lines(data, prepared.split, prepared.task, prepared.plan, widths)
        preparation = Section.of("preprocessing", preparing, lines)
        learning = _pipeline(learning, link_sources(prepared.plan, widths[: len(prepared.plan.links)]))
    else:
        kept = with_roles(data, "set_aside", heads[1:])
        lines = prepare_lines(kept, prepared.split, prepared.task, prepared.plan, widths)
        lines += further_lines(data, heads[1:])
        preparation = Section.of("preprocessing", preparing, lines)
    sections = [
        Section.of("table", "The table", loading_lines(spec.data, read, heads[1:])),
        preparation,
        learning,
        _scores(task, len(prepared.classes), heads[1:]),
    ]
    about = f"{algorithm.name.lower()}, seed {spec.seed}. Needs no package but the ones imported below."
    if style == "notebook":
        return as_notebook(spec.name, about[0].upper() + about[1:], sections)
    return as_script(f"{spec.name}: {about}", sections)


_DOUBLE = {
    "classification": [
        "if probabilities.dtype != np.float64:",
        "    probabilities = probabilities.astype(np.float64)",
        "    probabilities /= probabilities.sum(axis=1, keepdims=True)",
    ],
    "regression": ["y_test, predicted = y_test.astype(np.float64), predicted.astype(np.float64)"],
}
"""Some estimators answer in float32: a metric would be calculated in it, and probabilities do not quite add up.

Others stay as they are: rows that a forest finds equally likely would else be put in an order by rounding.
"""


def _scores(task: str, n_classes: int, further: Sequence[HeadPlan] = ()) -> Section:
    found = Section.of("scores", "Held-out test rows", score_lines(task, n_classes))
    lines, imports = [*_DOUBLE.get(task, ()), *found.lines], list(found.imports)
    for plan in further:
        one = Section.of("scores", "", further_scores(plan))
        lines += ["", *one.lines]
        imports += [line for line in one.imports if line not in imports]
    return Section(found.id, found.title, lines, imports)


def _heads(spec: ExperimentSpec, prepared: Prepared, style: str, layers: Sequence[Layer]) -> list[HeadPlan]:
    """Return what the heads of a network need; nothing for a plain one.

    Raises
    ------
    InputError
        For what a style cannot say of heads.
    """
    heads = named_heads(spec.heads, spec.data.target or "")
    if not heads or are_plain(heads, layers):
        return []
    plans = plans_of(heads, prepared)
    if style == "sklearn" and len(plans) > 1:
        raise InputError(
            f"This network has {len(plans)} heads, and an estimator of scikit-learn learns one target. Take "
            'style="torch" for functions that fit and predict all heads, or "script" or "notebook".'
        )
    if style == "sklearn" and plans[0].uncertain:
        raise InputError(
            "The head's weight is learned with the network, which an estimator of scikit-learn has no place for. Set "
            'the weight to a number, or take style="torch", "script" or "notebook".'
        )
    return plans


def _refuse(algorithm: Algorithm, style: str) -> None:
    if style == "torch" and algorithm.engine != "torch":
        raise InputError(
            f"{algorithm.name} is an estimator here: there is no network that learns a target, which functions could "
            'fit and ask. Take style="sklearn" for one pipeline with the preparation in it, or "script" or "notebook"; '
            "this style is for the algorithms of mw.algorithms.list(category='Neural networks')."
        )


_PIPELINE = ("from sklearn.pipeline import Pipeline", "from sklearn.preprocessing import FunctionTransformer")
_PREPARING = [
    "X_train = preprocess.fit_transform(frame.iloc[train], y_train)",
    "X_validation = preprocess.transform(frame.iloc[validation])",
    "X_test = preprocess.transform(frame.iloc[test])",
]


def _pipeline(learning: Section, links: Sequence[tuple[str, str, list[str]]] = ()) -> Section:
    """Return an estimator's section as one pipeline with its preparation.

    Where the estimator does more with its matrices than to fit one and to predict another, only the preparation is
    a pipeline.
    """
    steps = [f'("{name}", {source})' for name, source, _ in links]
    # a step may give float64; the run's matrix is float32
    steps += ['("float32", FunctionTransformer(np.float32))'] if links else []
    whole = pipelined(learning.lines, steps)
    if whole is None:
        parts = ['("columns", columns)', '("clip", FunctionTransformer(clipped))', *steps]
        whole = ["preprocess = Pipeline([", *(f"    {part}," for part in parts), "])", *_PREPARING, *learning.lines]
        if any("y_validation" in line for line in learning.lines):
            whole.insert(0, "y_validation = y.iloc[validation].to_numpy(y_train.dtype)")
    return Section(
        learning.id,
        learning.title,
        whole,
        (*learning.imports, *(line for _, _, own in links for line in own), *_PIPELINE),
    )
