"""From the steps of a specification to the plan by which a table is prepared."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError, SpecError, UnknownAlgorithmError, hint
from . import registry
from ._unsupervised import check_table, check_target, needs, recipe_of
from .base import Algorithm
from .calls import Call
from .columns import ENCODERS, FREQUENCY, IMPUTERS
from .step import Step, as_step

if TYPE_CHECKING:
    from ..data.plan import Plan


def check_steps(given: Iterable[Step | str | Mapping[str, Any]], task: str | None = None) -> list[Step]:
    """Return steps, each checked and holding only what differs from its defaults.

    Parameters
    ----------
    given : iterable of Step, str or mapping
        A bare id is a step with its defaults.
    task : {"classification", "regression"}, optional
        What the table's target asks for; None where it has none.

    Raises
    ------
    UnknownAlgorithmError, ParameterError
        For a step or an option that does not exist or is not allowed.
    TargetError
        For a step that looks at the target of a table without one.
    InputError
        For anything but a list of steps.
    SpecError
        For two encoders or two imputers, or a step that cannot be applied to new rows.
    """
    if isinstance(given, (str, Step, Mapping)) or not isinstance(given, Iterable):
        one = repr(given) if isinstance(given, str) else "step"
        raise InputError(
            f"preprocessing takes a list of mw.Step objects or ids, for example [mw.Step('pca')]; a "
            f"{type(given).__name__} came." + (f" Write [{one}]." if isinstance(given, (str, Step)) else "")
        )
    steps: list[Step] = []
    for item in given:
        step = as_step(item)
        algorithm = step_entry(step.id)
        check_target(algorithm, task)
        full, defaults = algorithm.validate(step.options), algorithm.parameters.defaults()
        steps.append(Step(step.id, **{name: value for name, value in full.items() if value != defaults[name]}))
    for kind, ids in (("encode the categories", ENCODERS), ("fill the gaps", IMPUTERS)):
        twice = [step.id for step in steps if step.id in ids]
        if len(twice) > 1:
            raise SpecError(f"{' and '.join(map(repr, twice))} both {kind}; keep one of them.")
    return steps


def step_entry(id: str) -> Algorithm:
    """Return the registry entry of a step.

    Raises
    ------
    UnknownAlgorithmError
        If there is none of that id, or it is no transformation.
    SpecError
        If it cannot be applied to new rows.
    """
    ids = [entry.id for entry in registry.list_(task="transform")]
    if id not in ids:
        known = any(entry.id == id for entry in registry.list_())
        said = f"{id!r} is no preprocessing step; it learns by itself." if known else f"There is no step {id!r}."
        raise UnknownAlgorithmError(f"{said} {hint(str(id), [name for name in ids if needs(name).places])}")
    algorithm = registry.get(id)
    if not needs(id).places:
        raise SpecError(
            f"{algorithm.name} cannot stand before another algorithm: it places the training rows only and has no "
            "rule for others. Take 'pca' or 'kernel_pca'."
        )
    return algorithm


def acts_on_columns(id: str) -> bool:
    """Whether a step takes the place of a part of the default preparation, as encoders and imputers do."""
    return id in ENCODERS or id in IMPUTERS


def plan_of(steps: Sequence[Step], task: str | None, n_classes: int, seed: int) -> Plan:
    """Return the plan that steps stand for; encoders and imputers come first wherever they stand.

    Parameters
    ----------
    steps : sequence of Step
        Checked by `check_steps`.
    task : {"classification", "regression"} or None
        Of the table's target.
    n_classes : int
        1 where the target is no class.
    seed : int
        The ``random_state`` of steps that draw.
    """
    from ..data.plan import Link, Plan

    encoder: Call | None = None
    imputer: Call | None = None
    links: list[Link] = []
    for step in check_steps(steps, task):
        algorithm = registry.get(step.id)
        values = algorithm.validate(step.options)
        if step.id in ENCODERS:
            encoder = ENCODERS[step.id](values, n_classes, task == "regression", seed)
        elif step.id in IMPUTERS:
            imputer = IMPUTERS[step.id](values, n_classes, task == "regression", seed)
        else:
            links.append(
                Link(
                    step.id,
                    algorithm.name,
                    functools.partial(_made, algorithm, values, n_classes, seed),
                    functools.partial(check_table, algorithm, values),
                    needs(step.id).target,
                )
            )
    ids = [step.id for step in steps]
    return Plan(
        encoder, imputer, FREQUENCY in ids, any(acts_on_columns(i) and needs(i).target for i in ids), tuple(links)
    )


class _Built:
    """A step that somebody registered without a recipe: its builder, and its script's own constructor line."""

    def __init__(self, algorithm: Algorithm, values: Mapping[str, Any], n_features: int, n_classes: int, seed: int):
        self._algorithm, self._values = algorithm, dict(values)
        self._sizes = (n_features, n_classes, seed)

    def build(self) -> Any:
        """Return the unfitted object."""
        n_features, n_classes, seed = self._sizes
        return self._algorithm.build(self._values, "transform", n_features, n_classes, seed)

    def source(self, indent: int = 0, used: int = 0) -> str:
        """Return what the script calls ``model``."""
        return "\n".join(self._lines()[1])

    def imports(self) -> list[str]:
        """Return the script's import lines."""
        return self._lines()[0]

    def _lines(self) -> tuple[list[str], list[str]]:
        n_features, n_classes, seed = self._sizes
        lines = self._algorithm.code(self._values, "transform", seed, n_features=n_features, n_classes=n_classes)
        imports = [line for line in lines if line.startswith(("import ", "from "))]
        begin = next(i for i, line in enumerate(lines) if line.startswith("model = "))
        end = next(
            (i for i in range(begin, len(lines)) if lines[i].startswith(("model.fit", "transformed"))), begin + 1
        )
        made = [line for line in lines[begin:end] if line.strip()]
        return imports, [made[0].removeprefix("model = "), *made[1:]]


def _made(algorithm: Algorithm, values: Mapping[str, Any], n_classes: int, seed: int, n_features: int) -> Any:
    recipe = recipe_of(algorithm.id)
    if recipe is None:
        return _Built(algorithm, values, n_features, n_classes, seed)
    return recipe(values, "transform", n_features, n_classes, seed)
