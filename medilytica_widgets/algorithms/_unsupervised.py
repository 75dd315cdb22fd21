"""What the algorithms without a target share: one recipe for estimator and script, and what a table must have."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ParameterError, TargetError
from .base import Algorithm, CodeRequest
from .calls import Call

Recipe = Callable[[Mapping[str, Any], str, int, int, int], Call]
Lines = Callable[[Call, CodeRequest], list[str]]


@dataclass(frozen=True)
class Needs:
    """What an algorithm needs of the rows that it is fitted on.

    Parameters
    ----------
    rows : mapping of str to int
        A parameter that counts rows, and how many rows there must be beyond it.
    columns : tuple of str
        Parameters that cannot be larger than the number of columns.
    target : bool
        Whether it looks at the target.
    places : bool
        Whether it can say something of rows that it was not fitted on.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    target: bool = False
    places: bool = True


_NEEDS: dict[str, Needs] = {}


def needs(algorithm: str) -> Needs:
    """Return what an algorithm needs; nothing for one that never said."""
    return _NEEDS.get(algorithm, Needs())


def set_needs(algorithm: str, needs: Needs | None) -> None:
    """Say what a registered algorithm needs; nothing more when None."""
    if needs is None:
        _NEEDS.pop(algorithm, None)
    else:
        _NEEDS[algorithm] = needs


def check_table(algorithm: Algorithm, values: Mapping[str, Any], n_rows: int, n_columns: int) -> None:
    """Raise `ParameterError` where hyperparameters ask for more rows or columns than there are."""
    wanted = needs(algorithm.id)
    for name, spare in wanted.rows.items():
        most = n_rows - spare
        if values[name] is not None and values[name] > most:
            raise ParameterError(
                f"{name} is {values[name]:g}, but {algorithm.name} has {n_rows} training rows only: {_at_most(most)}",
                name,
                max(most, 1),
            )
    for name in wanted.columns:
        if values[name] is not None and values[name] > n_columns:
            raise ParameterError(
                f"{name} is {values[name]}, but the prepared table has {n_columns} columns only: {_at_most(n_columns)}",
                name,
                n_columns,
            )


def _at_most(most: int) -> str:
    return f"take at most {most}." if most >= 1 else "give a larger table."


def check_target(algorithm: Algorithm, task: str | None) -> None:
    """Raise `TargetError` where an algorithm looks at the target and the table has none."""
    if task is None and needs(algorithm.id).target:
        raise TargetError(
            f"{algorithm.name} looks at the target, and the table has none. Load it with load_dataset(…, target=…)."
        )


def entry(*, recipe: Recipe, lines: Lines, needs: Needs | None = None, **about: Any) -> Algorithm:
    """Return a registry entry whose estimator and whose script come from one recipe.

    Parameters
    ----------
    recipe : callable
        ``(values, task, n_features, n_classes, seed) -> Call``; n_classes is 1 where the target is no class.
    lines : callable
        ``(Call, CodeRequest) -> lines`` of a script.
    needs : Needs, optional
        What it needs of the rows.
    **about
        The other fields of `medilytica_widgets.algorithms.Algorithm`.
    """

    def build(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Any:
        return recipe(values, task, n_features, n_classes, seed).build()

    def code(request: CodeRequest) -> list[str]:
        return lines(recipe(request.values, request.task, request.n_features, request.n_classes, request.seed), request)

    algorithm = Algorithm(engine="estimator", builder=build, coder=code, **about)
    if needs is not None:
        _NEEDS[algorithm.id] = needs
    _RECIPES[algorithm.id] = recipe
    return algorithm


_RECIPES: dict[str, Recipe] = {}


def recipe_of(algorithm: str) -> Recipe | None:
    """Return the recipe of an entry made here; None for any other."""
    return _RECIPES.get(algorithm)


def fit_lines(call: Call) -> list[str]:
    """Return imports, the estimator and one fit without a target."""
    return [*call.imports(), "", *f"model = {call.source()}".split("\n"), "model.fit(X_train)"]


def transform_lines(call: Call, request: CodeRequest) -> list[str]:
    """Return lines that fit a transformation and apply it to the test rows."""
    return [*fit_lines(call), "transformed = model.transform(X_test)"]


def supervised_transform_lines(call: Call, request: CodeRequest) -> list[str]:
    """Return lines that fit a transformation which looks at the target, and apply it to the test rows."""
    lines = transform_lines(call, request)
    return [line.replace("model.fit(X_train)", "model.fit(X_train, y_train)") for line in lines]


@dataclass(frozen=True)
class Reference(Call):
    """A function of an installed package, as an argument of another call."""

    def build(self) -> Any:
        """Return the function itself."""
        module, _, name = self.path.rpartition(".")
        return getattr(importlib.import_module(module), name)

    def source(self, indent: int = 0, used: int = 0) -> str:
        """Return the function's name."""
        return self.name


@dataclass(frozen=True)
class Experimental(Call):
    """A class that scikit-learn gives out only after another import."""

    enabled_by: str = ""

    def build(self) -> Any:
        """Return the object."""
        importlib.import_module(self.enabled_by)
        return super().build()

    def _own_imports(self) -> list[str]:
        """Return the import lines, the enabling one among them."""
        module, _, name = self.enabled_by.rpartition(".")
        # it is imported for what it does, and its name is not used
        return [f"from {module} import {name}  # noqa: F401", *super()._own_imports()]
