"""The presets of every algorithm: its own, and what well-known hyperparameters suggest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ParameterError
from ..parameters import Parameter
from .base import SUPERVISED, Algorithm

PRESETS: Mapping[str, str] = {
    "fast": "An answer soon: fewer steps and coarser ones. For a first look, or to try out a change.",
    "accurate": "Takes its time: more and smaller steps, or more trees. For the model that is to be kept.",
    "regularised": "Holds the model back: stronger penalties, simpler trees. For few or noisy rows.",
}
"""What each preset is for, in words for its reader."""

Rule = Callable[[Parameter], Any]


def _is_number(p: Parameter) -> bool:
    return p.kind in ("int", "float")


def _times(factor: float) -> Rule:
    """Return the default times a factor; a default that is off has nothing to multiply."""

    def rule(p: Parameter) -> Any:
        if not _is_number(p) or p.default is None:
            return p.default
        # 1e-4 * 0.01 is 1.0000000000000002e-06, which nobody wants to read
        return round(p.default * factor) if p.kind == "int" else float(f"{p.default * factor:.6g}")

    return rule


def _at_least(value: float) -> Rule:
    return lambda p: p.default if not _is_number(p) else value if p.default is None else max(value, p.default)


def _at_most(value: float) -> Rule:
    return lambda p: p.default if not _is_number(p) else value if p.default is None else min(value, p.default)


def _choice(value: str) -> Rule:
    return lambda p: value if value in p.choices else p.default


_RULES: Mapping[str, Mapping[str, Rule]] = {
    "fast": {
        "n_estimators": _times(0.3),
        "iterations": _times(0.3),
        "max_iter": _times(0.2),
        "epochs": _times(0.3),
        "batch_size": _times(4),
        "n_init": _at_most(1),
        "tol": _times(100),
        "subsample": _at_most(0.5),
    },
    "accurate": {
        "n_estimators": _times(5),
        "iterations": _times(5),
        "max_iter": _times(10),
        "epochs": _times(4),
        "patience": _at_least(20),
        "n_init": _at_least(10),
        "restarts": _at_least(5),
        "tol": _times(0.01),
    },
    "regularised": {
        "alpha": _times(10),
        "reg_alpha": _at_least(1.0),
        "reg_lambda": _at_least(10.0),
        "l2_leaf_reg": _times(3),
        "l2_regularization": _at_least(1.0),
        "C": _times(0.1),
        "l1": _at_least(1e-4),
        "l2": _at_least(1e-3),
        "weight_decay": _at_least(0.01),
        "dropout": _at_least(0.2),
        "shrinkage": _choice("auto"),
        "max_samples": _at_most(0.5),
        "var_smoothing": _times(1000),
        "n_neighbors": _times(3),
        "max_depth": _at_most(6),
        "depth": _at_most(4),
        "num_leaves": _at_most(15),
        "max_leaf_nodes": _at_most(15),
        "min_samples_leaf": _at_least(10),
        "min_child_samples": _at_least(40),
        "min_child_weight": _at_least(5.0),
    },
}
# Where trees correct each other, their number and the weight of each belong together.
_BOOSTED: Mapping[str, Rule] = {"fast": _times(2), "accurate": _times(0.4), "regularised": _times(0.5)}


def presets_of(algorithm: Algorithm, task: str | None = None) -> dict[str, dict[str, Any]]:
    """Return an algorithm's presets that change something, by name: the values that differ from the defaults.

    Those that the algorithm states stand as they are; the others follow from the ids of its hyperparameters. All are
    allowed together for the task.

    Parameters
    ----------
    algorithm : Algorithm
    task : str, optional
        A hyperparameter without a meaning for it is left out.
    """
    stated = algorithm.presets
    found = {name: dict(stated[name]) if name in stated else _derived(algorithm, name) for name in PRESETS}
    found |= {name: dict(values) for name, values in stated.items() if name not in PRESETS}
    kept = {}
    for name, values in found.items():
        meant = {id: value for id, value in values.items() if _has_meaning(algorithm.parameters[id], task)}
        full = algorithm.validate(meant, task)
        changed = {id: full[id] for id in meant if full[id] != algorithm.parameters[id].default}
        if changed:
            kept[name] = changed
    return kept


def governed(algorithm: Algorithm, task: str | None = None) -> frozenset[str]:
    """Return the hyperparameters that a preset decides; the others stay as a person set them."""
    return frozenset(id for values in presets_of(algorithm, task).values() for id in values)


def _derived(algorithm: Algorithm, name: str) -> dict[str, Any]:
    if name == "regularised" and not algorithm.tasks & SUPERVISED:
        # without a target there is nothing that could be learned by heart
        return {}
    rules = dict(_RULES[name])
    table = algorithm.parameters
    if "learning_rate" in table and ("n_estimators" in table or "iterations" in table or "max_iter" in table):
        rules["learning_rate"] = _BOOSTED[name]
    values = {}
    for id, rule in rules.items():
        parameter = table.get(id)
        # one that has an effect only beside another choice would change nothing here
        if parameter is not None and _is_in_force(parameter, algorithm):
            values[id] = _nearest_allowed(parameter, rule(parameter))
    try:
        algorithm.validate(values)
    except ParameterError:
        # the algorithm's own checks forbid the combination; it can state a preset that they allow
        return {}
    return values


def _nearest_allowed(parameter: Parameter, value: Any) -> Any:
    """Return the value, or the nearest one that the parameter allows."""
    try:
        return parameter.validate(value)
    except ParameterError as error:
        return error.nearest


def _is_in_force(parameter: Parameter, algorithm: Algorithm) -> bool:
    if parameter.only_if is None:
        return True
    other, value = parameter.only_if
    return bool(algorithm.parameters[other].default == value)


def _has_meaning(parameter: Parameter, task: str | None) -> bool:
    return task is None or not parameter.tasks or task in parameter.tasks
