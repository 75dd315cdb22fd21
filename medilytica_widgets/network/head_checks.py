"""Whether the heads of a network can be: their names, layers, targets, losses and weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword

from ..errors import HeadError, ParameterError, SpecError, hint, nearest_name
from .losses import find_loss, losses
from .spec import Head, Layer

BY_UNCERTAINTY = "uncertainty"
"""The weight of a head that learns how much it counts (Kendall, Gal and Cipolla 2018)."""
LONGEST_NAME = 60
NAME_RULE = (
    f"it takes up to {LONGEST_NAME} letters (a to z), digits and _, a letter first, and is no word of Python's own"
)
INPUT = "input"
"""The name by which layers and heads take the network's own input."""


@dataclass(frozen=True)
class Target:
    """A column that a head may be asked to learn.

    Attributes
    ----------
    name : str
    tasks : tuple of str
        What can be learned of it, the natural task first; empty where nothing can.
    reason : str
        Why nothing can be learned of it; empty where something can.
    classes : int
        How many different values it has, where they are classes; 0 where that is not known.
    """

    name: str
    tasks: tuple[str, ...]
    reason: str = ""
    classes: int = 0


def check_heads(heads: Sequence[Head], layers: Sequence[Layer], targets: Mapping[str, Target], own: str) -> None:
    """Refuse heads that cannot be.

    Parameters
    ----------
    heads : sequence of Head
    layers : sequence of Layer
        The stack that they sit on.
    targets : mapping of str to Target
        The table's columns, by name.
    own : str
        The table's own target: that of a head that names none.

    Raises
    ------
    HeadError
        With the index of the head, the field that is wrong, and the nearest value that is right.
    """
    if not heads:
        raise HeadError("A network needs at least one head: without one it says nothing. Keep this one.", -1, "")
    for index, head in enumerate(heads):
        _check_name(heads, index)
        target = _checked_target(head, index, targets, own)
        _check_place(head, index, layers)
        _check_loss(head, index, target)
        _check_weight(head, index)


def usable(name: str) -> bool:
    """Tell whether a layer or a head may have this name."""
    return (
        name.isascii() and name.isidentifier() and name[0] != "_" and not iskeyword(name) and len(name) <= LONGEST_NAME
    )


def plain_name(wanted: str, otherwise: str) -> str:
    """Return a name that may be, as near as can be to the one wanted."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", wanted).strip("_")[:LONGEST_NAME]
    if not plain:
        return otherwise
    return plain if usable(plain) else f"{otherwise}_{plain}"[:LONGEST_NAME]


def title(head: Head, index: int) -> str:
    """Return the beginning of a message about a head, which is counted from 1, as a person does."""
    return f"In head {index + 1} ({head.name})" if head.name else f"In head {index + 1}"


def _check_name(heads: Sequence[Head], index: int) -> None:
    name = heads[index].name
    names = [head.name for head in heads]
    if name and not usable(name):
        free = unused(plain_name(name, "head"), names)
        raise HeadError(f"{name!r} cannot name a head: {NAME_RULE}. {free!r} would do.", index, "name", free)
    if names.count(name) > 1 and names.index(name) < index:
        free = unused(name or "head", names)
        said = f"Two heads are called {name!r}" if name else "Two heads have no name"
        raise HeadError(
            f"{said}; metrics and curves stand under the head's name, so each needs its own. {free!r} is free.",
            index,
            "name",
            free,
        )


def _checked_target(head: Head, index: int, targets: Mapping[str, Target], own: str) -> Target:
    where = title(head, index)
    name = head.target or own
    target = targets.get(name)
    if target is None:
        raise HeadError(
            f"{where}: the table has no column {name!r}. {hint(name, targets)}",
            index,
            "target",
            nearest_name(name, targets),
        )
    if index == 0 and name != own:
        raise HeadError(
            f"{where}: the first head learns the table's own target, {own!r}; rows are split by it. "
            f"Add another head for {name!r}.",
            index,
            "target",
            own,
        )
    if not target.tasks:
        raise HeadError(f"{where}: {name!r} cannot be learned: {target.reason}.", index, "target")
    if head.task not in target.tasks:
        can = " or ".join(target.tasks)
        raise HeadError(
            f"{where}: {name!r} is a target for {can}, not for {head.task}.", index, "task", target.tasks[0]
        )
    return target


def _check_place(head: Head, index: int, layers: Sequence[Layer]) -> None:
    names = [layer.name for layer in layers if layer.name]
    if head.at and head.at != INPUT and head.at not in names:
        known = hint(head.at, names) if names else "No layer has a name yet: name the one it shall sit on."
        raise HeadError(
            f"{title(head, index)}: there is no layer {head.at!r} to sit on. {known} "
            "Without a layer it sits on the last one.",
            index,
            "at",
            nearest_name(head.at, names) or "",
        )


def _check_loss(head: Head, index: int, target: Target) -> None:
    where = title(head, index)
    try:
        loss = find_loss(head.loss, head.task)
    except SpecError as error:
        near = nearest_name(head.loss, [known.id for known in losses(head.task)])
        raise HeadError(f"{where}: {error.message}", index, "loss", near or "") from None
    if loss.meaning_for(head.task) == "logit" and target.classes not in (0, 2):
        raise HeadError(
            f"{where}: the loss {loss.id!r} tells two classes apart, but {target.name!r} has {target.classes}. "
            "Take 'cross_entropy'.",
            index,
            "loss",
            "cross_entropy",
        )
    try:
        loss.validate(head.options)
    except ParameterError as error:
        raise HeadError(f"{where}: {error.message}", index, f"options.{error.parameter}", error.nearest) from None


def _check_weight(head: Head, index: int) -> None:
    weight = head.weight
    if weight == BY_UNCERTAINTY:
        return
    if isinstance(weight, (bool, str)) or not math.isfinite(weight) or weight <= 0:
        raise HeadError(
            f"{title(head, index)}: its weight is {weight!r}; it takes a number above 0, or 'uncertainty' to have it "
            "learned.",
            index,
            "weight",
            1.0,
        )


def unused(wanted: str, taken: Sequence[str]) -> str:
    """Return ``wanted``, or ``wanted_2``, ``wanted_3`` and so on: the first that is not taken."""
    if wanted not in taken:
        return wanted
    stem, _, number = wanted.rpartition("_")
    if not stem or not number.isdecimal():
        stem, number = wanted, "1"
    count = int(number) + 1
    while f"{stem}_{count}" in taken:
        count += 1
    return f"{stem}_{count}"
