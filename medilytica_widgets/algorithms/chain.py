"""From the steps of a specification to the plan by which a table is prepared."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import InputError, SpecError, UnknownAlgorithmError, hint
from . import registry
from ._unsupervised import check_table, check_target, needs, recipe_of
from .base import Algorithm
from .calls import Call
from .columns import ENCODERS, FREQUENCY, HASHING
from .imputers import IMPUTERS, word_filler
from .step import Step, as_step
from .words_and_dates import DATES, TEXT, parts_of, words_call

if TYPE_CHECKING:
    from ..data import Dataset
    from ..data.plan import Link, Part, Plan, Where

_KINDS = ("numeric", "categorical", "binary", "datetime", "text", "identifier")
_NUMBERS_TOO = ("one_hot_encoder", "target_encoder")
"""Encoders that take a column of numbers as categories where it is named."""


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
        changed = {name: value for name, value in full.items() if value != defaults[name]}
        _check_where(step, algorithm)
        steps.append(Step.model_validate({**step.to_json(), "options": changed}))
    for kind, ids in (("encode the categories", ENCODERS), ("fill the gaps", IMPUTERS)):
        twice = [step.id for step in steps if step.id in ids and not (step.columns or step.kind)]
        if len(twice) > 1:
            raise SpecError(
                f"{' and '.join(map(repr, twice))} both {kind}; keep one of them, or give each its columns=[…]."
            )
    return steps


def _check_where(step: Step, algorithm: Algorithm) -> None:
    if step.columns and step.kind:
        raise SpecError(f"The step {algorithm.name} is for columns or for a kind of them, not for both; leave one out.")
    if step.kind and step.kind not in _KINDS:
        raise SpecError(f"The step {algorithm.name} is for the kind {step.kind!r}. {hint(step.kind, _KINDS)}")
    twice = [name for place, name in enumerate(step.columns) if name in step.columns[:place]]
    if twice:
        raise SpecError(f"The step {algorithm.name} names the column {twice[0]!r} twice.")


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
    return id in ENCODERS or id in IMPUTERS or id in (TEXT, DATES)


def plan_of(steps: Sequence[Step], task: str | None, n_classes: int, seed: int) -> Plan:
    """Return the plan that steps stand for; those on the table's own columns come first wherever they stand.

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
    from ..data.plan import Link, Plan, Where

    parts: list[Part] = []
    links: list[Link] = []
    for number, step in enumerate(check_steps(steps, task)):
        algorithm = registry.get(step.id)
        values = algorithm.validate(step.options)
        where = Where(step.columns, step.kind)
        if acts_on_columns(step.id):
            parts.append(_part(algorithm, values, n_classes, task == "regression", seed, where))
        else:
            links.append(
                Link(
                    step.id,
                    algorithm.name,
                    functools.partial(_made, algorithm, values, n_classes, seed),
                    functools.partial(check_table, algorithm, values),
                    needs(step.id).target,
                    where,
                    number=number,
                )
            )
    return Plan(tuple(parts), tuple(links))


def check_columns(data: Dataset, steps: Sequence[Step], task: str | None, without: Mapping[str, str]) -> None:
    """Make sure that each step finds the columns that it is for; nothing is fitted.

    Parameters
    ----------
    data : Dataset
    steps : sequence of Step
    task : {"classification", "regression"} or None
    without : mapping of str to str
        Columns that are no features whatever their kind, and why.

    Raises
    ------
    ColumnNotFoundError
        A step names a column that the table lacks; the nearest name is told.
    SpecError
        A step names the target or a column that is no feature, cannot treat a column that it names, nothing is of its
        kind, or two steps treat one column the same way.
    """
    from ..data.layout import layout_of

    plan = plan_of(steps, task, len(data.classes) or 1, 0)
    read = {entry.name for entry in layout_of(data, plan, without).inputs}
    every: list[Part | Link] = [*plan.parts, *plan.links]
    for step in every:
        for name in step.where.columns:
            if name not in read:
                why = without.get(name) or data.set_aside.get(name, "it is no feature")
                raise SpecError(
                    f"{step.name} is for the column {name!r}, from which nothing is learned: {why}. Name other "
                    "columns, or leave the step out."
                )


def _part(
    algorithm: Algorithm, values: Mapping[str, Any], n_classes: int, regression: bool, seed: int, where: Where
) -> Part:
    """Return a step on the table's own columns."""
    from ..data.inputs import MISSING
    from ..data.plan import Part

    id, name = algorithm.id, algorithm.name
    if id == DATES:
        return Part(id, name, "dates", where=where, options={"parts": parts_of(values)})
    if id == TEXT:
        return Part(id, name, "text", words_call(values, n_classes, regression, seed), where, each=True)
    if id in IMPUTERS:
        maker = IMPUTERS[id](values, n_classes, regression, seed)
        return Part(id, name, "numbers", maker, where, filler=word_filler(id, MISSING))
    return Part(
        id,
        name,
        "categories",
        ENCODERS[id](values, n_classes, regression, seed),
        where,
        each=id == HASHING,
        shares=id == FREQUENCY,
        target=needs(id).target,
        takes_numbers=id in _NUMBERS_TOO,
    )


@dataclass(frozen=True)
class _Built(Call):
    """A step that somebody registered without a recipe: its builder, and its script's own lines.

    Parameters
    ----------
    algorithm : Algorithm
    values : mapping
        Its hyperparameters.
    sizes : tuple of int
        Columns, classes and seed.
    """

    algorithm: Algorithm | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[int, int, int] = (0, 1, 0)

    def build(self) -> Any:
        """Return the unfitted object."""
        assert self.algorithm is not None
        return self.algorithm.build(self.values, "transform", *self.sizes)

    def source(self, indent: int = 0, used: int = 0) -> str:
        """Return what the script calls ``model``."""
        return "\n".join(self._lines()[2])

    def _own_imports(self) -> list[str]:
        return self._lines()[0]

    def _own_definitions(self) -> list[str]:
        text = "\n".join(self._lines()[1]).strip("\n")
        return [text] if text else []

    def _lines(self) -> tuple[list[str], list[str], list[str]]:
        """Return the import lines, those before the constructor, and the constructor's."""
        assert self.algorithm is not None
        n_features, n_classes, seed = self.sizes
        lines = self.algorithm.code(self.values, "transform", seed, n_features=n_features, n_classes=n_classes)
        begin = next(i for i, line in enumerate(lines) if line.startswith("model = "))
        end = next(
            (i for i in range(begin, len(lines)) if lines[i].startswith(("model.fit", "transformed"))), begin + 1
        )
        imports = [line for line in lines[:begin] if line.startswith(("import ", "from "))]
        before = [line for line in lines[:begin] if line not in imports]
        made = [line for line in lines[begin:end] if line.strip()]
        return imports, before, [made[0].removeprefix("model = "), *made[1:]]


def _made(
    algorithm: Algorithm,
    values: Mapping[str, Any],
    n_classes: int,
    seed: int,
    n_features: int,
    places: tuple[int, ...] | None = None,
) -> Any:
    recipe = recipe_of(algorithm.id)
    if recipe is None:
        own: Any = _Built(algorithm.id, algorithm=algorithm, values=dict(values), sizes=(n_features, n_classes, seed))
    else:
        own = recipe(values, "transform", n_features, n_classes, seed)
    if places is None:
        return own
    # the columns that it acts on come first then
    rest = {"remainder": "passthrough", "sparse_threshold": 0}
    return Call("sklearn.compose.ColumnTransformer", rest, ([("chosen", own, list(places))],))
