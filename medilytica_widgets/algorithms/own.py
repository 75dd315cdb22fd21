"""Algorithms and optimizers that people register: what the registry holds of them, and how scripts tell them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ParameterError, SpecError
from ..parameters import Menu, Parameter, ParameterTable
from ..registered import Entry, entries, find, hoisted, printed
from .base import SUPERVISED, Algorithm, CodeRequest
from .registry import list_, replace

OWN_CATEGORY = "Your own"
SEEDS = ("random_state", "seed")
"""What a constructor calls the seed."""


# -- algorithms


def own_algorithm(entry: Entry, tasks: frozenset[str], category: Sequence[str], when: str, when_not: str) -> Algorithm:
    """Return the registry's entry of a registered class or function.

    ``entry.facts`` holds ``"takes"``: "values" for a function that takes all values as one mapping, else
    "keywords"; and ``"seed"``, the name of the seed's argument or an empty string.
    """

    def build(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Any:
        made = (
            entry.object(dict(values))
            if entry.facts["takes"] == "values"
            else entry.object(**_named(entry, values, seed))
        )
        needed = ["fit", "predict", *(["predict_proba"] if task == "classification" else [])]
        missing = [name for name in needed if not callable(getattr(made, name, None))]
        if missing:
            raise SpecError(
                f"{entry.called} ({entry.id!r}) gives a {type(made).__name__} without {' and '.join(missing)}; "
                f"{task} needs {', '.join(needed)}, as scikit-learn's estimators have them."
            )
        return made

    def code(request: CodeRequest) -> list[str]:
        return _code(entry, request)

    # by these a training process finds the module that registers it
    build.__module__ = code.__module__ = entry.module
    return Algorithm(
        id=entry.id,
        name=entry.name,
        category=tuple(category),
        tasks=tasks,
        summary=entry.help,
        when=when,
        when_not=when_not,
        references=(),
        parameters=entry.parameters,
        engine="estimator",
        coder=code,
        builder=build,
    )


def own_types() -> set[str]:
    """Return the full names of registered classes that a stored model may hold."""
    classes = [entry.object for entry in entries("algorithm") if isinstance(entry.object, type)]
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in classes}


def _named(entry: Entry, values: Mapping[str, Any], seed: int) -> dict[str, Any]:
    given = {name: values[name] for name in entry.parameters}
    return {**given, **({entry.facts["seed"]: seed} if entry.facts["seed"] else {})}


def _code(entry: Entry, request: CodeRequest) -> list[str]:
    imports, definition = hoisted(printed(entry))
    if entry.facts["takes"] == "values":
        call = f"{entry.called}({ {name: request.values[name] for name in entry.parameters}!r})"
    else:
        named = _named(entry, request.values, request.seed)
        call = f"{entry.called}({', '.join(f'{name}={value!r}' for name, value in named.items())})"
    lines = [*imports, "", "", *definition, "", "", f"model = {call}", "model.fit(X_train, y_train)"]
    lines.append("predicted = model.predict(X_test)")
    if request.task == "classification":
        lines.append("probabilities = model.predict_proba(X_test)")
    return lines


def tasks_of(made: Any, given: Sequence[str] | None, title: str) -> frozenset[str]:
    """Return the tasks of an estimator's class, or those that were given.

    Raises
    ------
    SpecError
        For tasks that it cannot do, or where nothing says which it does.
    """
    if given is not None:
        wanted = frozenset([given] if isinstance(given, str) else given)
        if not wanted or not wanted <= SUPERVISED:
            raise SpecError(
                f"{title} does {sorted(map(str, wanted))}; tasks takes 'classification', 'regression' or both."
            )
    else:
        if not isinstance(made, type):
            raise SpecError(
                f"{title} is a function; say what its estimator does: tasks=['classification'], for example."
            )
        bases = {base.__name__ for base in made.__mro__}
        wanted = frozenset(
            task
            for task, mixin in (("classification", "ClassifierMixin"), ("regression", "RegressorMixin"))
            if mixin in bases
        )
        if not wanted:
            wanted = frozenset({"classification" if hasattr(made, "predict_proba") else "regression"})
    if isinstance(made, type):
        needed = ["fit", "predict", *(["predict_proba"] if "classification" in wanted else [])]
        missing = [name for name in needed if not callable(getattr(made, name, None))]
        if missing:
            raise SpecError(
                f"{title} has no {' and no '.join(missing)}; {' and '.join(sorted(wanted))} needs "
                f"{', '.join(needed)}, as scikit-learn's estimators have them."
            )
    return wanted


# -- optimizers


def own_optimizer(id: Any) -> Entry | None:
    """Return the registered optimizer of that id; None for one of torch's own."""
    return find("optimizer", id)


def options_of(entry: Entry, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an optimizer among the hyperparameters of an algorithm."""
    return {name: values.get(hyperparameter(entry.id, name), p.default) for name, p in entry.parameters.items()}


def hyperparameter(optimizer: str, parameter: str) -> str:
    """Return the id under which an algorithm has an optimizer's parameter."""
    return f"{optimizer}_{parameter}"


def offer(entry: Entry, before: Entry | None) -> None:
    """Give every algorithm that has a choice of optimizers the parameters of a registered one.

    Raises
    ------
    SpecError
        Where an algorithm has one of that id already.
    """
    gone = _hyperparameters(before)
    new = [
        dataclasses.replace(
            p,
            id=hyperparameter(entry.id, p.id),
            label=p.label or p.id.replace("_", " "),
            only_if=("optimizer", entry.id),
            live=False,
        )
        for p in entry.parameters.parameters
    ]
    changes = []
    for algorithm in list_():
        if not _chooses(algorithm):
            continue
        kept = [p for p in algorithm.parameters.parameters if p.id not in gone]
        clash = {p.id for p in kept} & {p.id for p in new}
        if clash:
            raise SpecError(f"{algorithm.name} has a hyperparameter {min(clash)!r} already; give yours another id.")
        changes.append((algorithm, kept))
    if gone or new:
        for algorithm, kept in changes:
            replace(dataclasses.replace(algorithm, parameters=_table(kept, new)))


def withdraw(entry: Entry) -> None:
    """Take an optimizer's parameters away again."""
    gone = _hyperparameters(entry)
    for algorithm in list_() if gone else ():
        if _chooses(algorithm):
            kept = [p for p in algorithm.parameters.parameters if p.id not in gone]
            replace(dataclasses.replace(algorithm, parameters=_table(kept, [])))


def _table(kept: Sequence[Parameter], new: Sequence[Parameter]) -> ParameterTable:
    """Return the table with an optimizer's parameters behind those of the other optimizers."""
    at = max(
        (i + 1 for i, p in enumerate(kept) if p.id == "optimizer" or (p.only_if or ("",))[0] == "optimizer"), default=0
    )
    return ParameterTable((*kept[:at], *new, *kept[at:]))


def _hyperparameters(entry: Entry | None) -> set[str]:
    return set() if entry is None else {hyperparameter(entry.id, name) for name in entry.parameters}


def _chooses(algorithm: Algorithm) -> bool:
    parameter = algorithm.parameters.get("optimizer")
    return parameter is not None and isinstance(parameter.choices, Menu)


def check_decay(values: Mapping[str, Any]) -> None:
    """Raise `ParameterError` where weights are to decay and the registered optimizer knows nothing of it."""
    entry = own_optimizer(values["optimizer"])
    if entry is not None and values["weight_decay"] and not decays(entry):
        raise ParameterError(
            f"weight_decay is {values['weight_decay']:g}, but the optimizer {entry.id!r} has no such argument; leave "
            "it at 0, or take l2 in its place.",
            "weight_decay",
            0.0,
        )


def decays(entry: Entry) -> bool:
    """Whether a registered optimizer takes ``weight_decay``."""
    return "weight_decay" in inspect.signature(entry.object).parameters


def optimizer_call(entry: Entry, values: Mapping[str, Any], decayed: bool) -> tuple[str, list[str]]:
    """Return the name of a registered optimizer in a script, and its arguments beside parameters and rate."""
    arguments = [f"{name}={value!r}" for name, value in options_of(entry, values).items()]
    if decays(entry):
        arguments.append("weight_decay=weight_decay" if decayed else "weight_decay=0.0")
    return entry.called, arguments
