"""Hyperparameters of a specification: all of them, those that were set, and the algorithms that can take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import algorithms
from .algorithms._unsupervised import check_target
from .algorithms.own import check_made
from .errors import TargetError, UnknownAlgorithmError
from .spec import ExperimentSpec


def full_values(spec: ExperimentSpec) -> dict[str, Any]:
    """Return every hyperparameter's value of a specification, by id."""
    return algorithms.validate(spec.algorithm, spec.hyperparameters)


def departures(algorithm: algorithms.Algorithm, values: Mapping[str, Any], task: str | None) -> dict[str, Any]:
    """Return the values, validated for the task that a target asks for, that differ from the algorithm's defaults.

    Of a registered algorithm they are those with which its constructor works.
    """
    full = algorithms.validate(algorithm.id, values, algorithm.task_for(task))
    check_made(algorithm.id, full, algorithm.task_for(task))
    defaults = algorithm.parameters.defaults()
    return {name: value for name, value in full.items() if value != defaults[name]}


def available(algorithm: str, task: str | None) -> algorithms.Algorithm:
    """Return the registry entry; ``task`` is what the target asks for, None where the table has none.

    Raises
    ------
    TargetError
        When it looks at the target and there is none.
    UnknownAlgorithmError
        When there is none of that id, or it cannot do the task.
    """
    chosen = algorithms.get(algorithm)
    if task is None and chosen.task_for(None) is None:
        raise TargetError(
            f"{chosen.name} learns a target, and the table has no target. Load it with load_dataset(…, target=…), or "
            "take an algorithm that needs none, for example 'kmeans'."
        )
    check_target(chosen, task)
    if reason := chosen.unavailable(task):
        raise UnknownAlgorithmError(reason)
    return chosen
