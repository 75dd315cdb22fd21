"""Algorithms and optimizers that people register: what the registry holds of them, and how scripts tell them."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import MedilyticaError, ParameterError, SpecError
from ..parameters import Menu, Parameter, ParameterTable
from ..registered import Entry, entries, find, hoisted, printed
from .base import SUPERVISED, Algorithm, CodeRequest
from .own_tasks import GROWN, PASSES, refusal, takes_classes
from .registry import get, list_, replace

OWN_CATEGORY = "Your own"
SEEDS = ("random_state", "seed")
"""What a constructor calls the seed."""
_MOST_PROVED = 1000
_PROVED: WeakKeyDictionary[Entry, set[tuple[str, str]]] = WeakKeyDictionary()
"""Tasks and values that are known to give an object."""


# -- algorithms


def own_algorithm(
    entry: Entry, tasks: frozenset[str], category: Sequence[str], when: str, when_not: str, staged: str | None = None
) -> Algorithm:
    """Return the registry's entry of a registered class or function.

    ``entry.facts`` holds ``"takes"``: "values" for a function that takes all values as one mapping, else
    "keywords"; ``"seed"``, the name of the seed's argument or an empty string; and ``"target"``, whether ``fit`` of a
    task without one asks for a target.
    """

    def build(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Any:
        made = _construct(entry, values, seed, staged)
        if said := refusal(f"{entry.called} ({entry.id!r})", made, task, staged):
            raise SpecError(said)
        return made

    def code(request: CodeRequest) -> list[str]:
        return _code(entry, request, staged)

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
        staged=staged,
    )


def _construct(entry: Entry, values: Mapping[str, Any], seed: int, staged: str | None) -> Any:
    if entry.facts["takes"] == "values":
        return _made(entry, values, lambda: entry.object(dict(values)))
    more = {"warm_start": True} if staged == GROWN else {}
    return _made(entry, values, lambda: entry.object(**_named(entry, values, seed), **more))


def _made(entry: Entry, values: Mapping[str, Any], make: Callable[[], Any], prefix: str = "") -> Any:
    """Return what a constructor gives; where it raises, say with which values, and name the one that it spoke of."""
    try:
        return make()
    except MedilyticaError:
        raise
    except Exception as error:  # whatever a constructor of somebody else raises
        said = " ".join(str(error).split())[:300].rstrip(".")
        named = next((name for name in entry.parameters if re.search(rf"\b{re.escape(name)}\b", said)), "")
        shown = ", ".join(f"{name}={values[name]!r}" for name in entry.parameters) or "no arguments"
        raise ParameterError(
            f"{entry.called} ({entry.id!r}) cannot be made with {shown}: {type(error).__name__}: {said}. Set other "
            "values, or mend its constructor and register it again.",
            f"{prefix}{named}" if named else "",
        ) from error


def check_made(algorithm: str, values: Mapping[str, Any], task: str) -> None:
    """Make sure that a registered algorithm or optimizer can be made with these values.

    Raises
    ------
    ParameterError
        Where its constructor raises; it names the parameter that the constructor spoke of.
    SpecError
        Where what comes of it lacks a method that the task needs.
    """
    entry = find("algorithm", algorithm)
    if entry is not None:
        _once(entry, task, values, lambda: get(algorithm).build(values, task, 1, 1, 0))
    optimizer = own_optimizer(values.get("optimizer"))
    if optimizer is not None:
        options = options_of(optimizer, values)
        _once(optimizer, "", options, lambda: _try_options(optimizer, options))


def _once(entry: Entry, task: str, values: Mapping[str, Any], make: Callable[[], Any]) -> None:
    """Make an object; what a form asks for at every key is made at the first only."""
    known = _PROVED.setdefault(entry, set())
    key = (task, repr(sorted(values.items())))
    if key in known:
        return
    make()
    if len(known) >= _MOST_PROVED:
        known.clear()
    known.add(key)


def _try_options(entry: Entry, options: Mapping[str, Any]) -> None:
    import torch

    groups = [{"params": [torch.nn.Parameter(torch.zeros(2, 2))]}]
    decay = {"weight_decay": 0.0} if decays(entry) else {}
    _made(entry, options, lambda: entry.object(groups, lr=0.1, **options, **decay), hyperparameter(entry.id, ""))


def own_types() -> set[str]:
    """Return the full names of registered classes that a stored model may hold."""
    classes = [entry.object for entry in entries("algorithm") if isinstance(entry.object, type)]
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in classes}


def _named(entry: Entry, values: Mapping[str, Any], seed: int) -> dict[str, Any]:
    given = {name: values[name] for name in entry.parameters}
    return {**given, **({entry.facts["seed"]: seed} if entry.facts["seed"] else {})}


def _code(entry: Entry, request: CodeRequest, staged: str | None) -> list[str]:
    imports, definition = hoisted(printed(entry))
    if entry.facts["takes"] == "values":
        call = f"{entry.called}({ {name: request.values[name] for name in entry.parameters}!r})"
    else:
        named = _named(entry, request.values, request.seed)
        call = f"{entry.called}({', '.join(f'{name}={value!r}' for name, value in named.items())})"
    rows = "X_train, y_train" if request.task in SUPERVISED or entry.facts["target"] else "X_train"
    fit = [f"model.fit({rows})"]
    if staged == "partial_fit":
        classes = ""
        if request.task == "classification" and takes_classes(entry.object):
            classes = f", classes=np.arange({request.n_classes})"
            imports = [*imports, *(["import numpy as np"] if "import numpy as np" not in imports else [])]
        fit = [f"for _ in range({request.values[PASSES]}):", f"    model.partial_fit({rows}{classes})"]
    return [*imports, "", "", *definition, "", "", f"model = {call}", *fit, *_ANSWERS[request.task]]


_ANSWERS = {
    "classification": ["predicted = model.predict(X_test)", "probabilities = model.predict_proba(X_test)"],
    "regression": ["predicted = model.predict(X_test)"],
    "clustering": ["predicted = model.predict(X_test)"],
    "anomaly": [
        "# True for an unusual row; a larger score means more unusual",
        "predicted = model.predict(X_test) == -1",
        "scores = -model.score_samples(X_test)",
    ],
    "transform": ["transformed = model.transform(X_test)"],
}


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
