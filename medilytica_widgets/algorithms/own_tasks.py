"""What a registered estimator does: its tasks, the methods that they need, and how it shows progress."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..errors import SpecError
from ..parameters import ParameterTable
from .base import SUPERVISED, TASKS

GROWN, PASSES = "n_estimators", "epochs"
"""The parameters by which an estimator grows, and by which it goes over the rows again."""

_METHODS: dict[str, tuple[str, ...]] = {
    "classification": ("fit", "predict", "predict_proba"),
    "regression": ("fit", "predict"),
    "clustering": ("fit", "predict"),
    "anomaly": ("fit", "predict", "score_samples"),
    "transform": ("fit", "transform"),
}
_MIXINS = {
    "ClassifierMixin": "classification",
    "RegressorMixin": "regression",
    "ClusterMixin": "clustering",
    "OutlierMixin": "anomaly",
    "TransformerMixin": "transform",
}


def tasks_of(made: Any, given: Sequence[str] | None, staged: str | None, title: str) -> frozenset[str]:
    """Return the tasks of an estimator's class, or those that were given.

    Raises
    ------
    SpecError
        For tasks that it cannot do, or where nothing says which it does.
    """
    if given is not None:
        wanted = frozenset([given] if isinstance(given, str) else given)
        if not wanted or not (wanted <= SUPERVISED or (len(wanted) == 1 and wanted <= TASKS)):
            raise SpecError(
                f"{title} does {sorted(map(str, wanted))}; tasks takes 'classification', 'regression' or both, or one "
                "of 'clustering', 'anomaly' and 'transform'."
            )
    elif not isinstance(made, type):
        raise SpecError(f"{title} is a function; say what its estimator does: tasks=['classification'], for example.")
    else:
        wanted = _told(made)
    if isinstance(made, type):
        missing = missing_methods(made, wanted, staged)
        if missing:
            raise SpecError(f"{title} has no {' and no '.join(missing)}; {_ask(wanted, staged)}")
    return wanted


def _told(made: type) -> frozenset[str]:
    """Return what a class does by scikit-learn's mixins, else by its methods."""
    bases = {base.__name__ for base in made.__mro__}
    found = [task for mixin, task in _MIXINS.items() if mixin in bases]
    if supervised := SUPERVISED & set(found):
        return frozenset(supervised)
    if found:
        # k-means is a transformer too
        return frozenset(found[:1])
    if hasattr(made, "transform") and not hasattr(made, "predict"):
        return frozenset({"transform"})
    return frozenset({"classification" if hasattr(made, "predict_proba") else "regression"})


def missing_methods(made: Any, tasks: Collection[str], staged: str | None) -> list[str]:
    """Return the methods that an estimator, or its class, lacks for its tasks."""
    return [name for name in _needed(tasks, staged) if not callable(getattr(made, name, None))]


def refusal(called: str, made: Any, task: str, staged: str | None) -> str:
    """Say what an object lacks for a task; an empty string where it lacks nothing."""
    missing = missing_methods(made, [task], staged)
    if not missing:
        return ""
    return f"{called} gives a {type(made).__name__} without {' and '.join(missing)}; {_ask([task], staged)}"


def _needed(tasks: Collection[str], staged: str | None) -> list[str]:
    names = [name for task in sorted(tasks) for name in _METHODS[task]]
    return list(dict.fromkeys("partial_fit" if name == "fit" and staged == "partial_fit" else name for name in names))


def _ask(tasks: Collection[str], staged: str | None) -> str:
    needed = ", ".join(_needed(tasks, staged))
    return f"{' and '.join(sorted(tasks))} needs {needed}, as scikit-learn's estimators have them."


def grows(made: Any, arguments: Collection[str]) -> bool:
    """Whether more can be added to a fitted object of a class: it takes ``warm_start`` and ``n_estimators``."""
    return isinstance(made, type) and hasattr(made, "set_params") and {"warm_start", GROWN} <= set(arguments)


def staged_by(made: Any, arguments: Collection[str], table: ParameterTable) -> str | None:
    """Return how an estimator shows progress, see `medilytica_widgets.algorithms.base.Staged`."""

    def counts(name: str) -> bool:
        parameter = table.get(name)
        return parameter is not None and parameter.kind == "int" and not parameter.optional

    if counts(GROWN) and "warm_start" not in table and grows(made, arguments):
        return GROWN
    passes = isinstance(made, type) and callable(getattr(made, "partial_fit", None))
    return "partial_fit" if passes and counts(PASSES) else None


def takes_classes(estimator: Any) -> bool:
    """Whether ``partial_fit`` of an estimator, or of its class, is told of all classes."""
    return "classes" in inspect.signature(estimator.partial_fit).parameters


def looks_at_target(made: Any, tasks: Collection[str]) -> bool:
    """Whether the ``fit`` of a class that leaves targets aside asks for one all the same."""
    if SUPERVISED & set(tasks) or not isinstance(made, type):
        return False
    fit: Callable[..., Any] = getattr(made, "partial_fit" if not hasattr(made, "fit") else "fit")
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        taken = inspect.signature(fit).parameters.values()
    except (TypeError, ValueError):
        return False
    return len([p for p in taken if p.kind in positional and p.default is p.empty]) > 2  # beside self and X
