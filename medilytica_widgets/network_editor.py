"""Layers and heads as people edit them: names, connections, copies, and several heads."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from . import algorithms, network
from .data.spec import DataSpec
from .data.target import MOST_CLASSES
from .engine.heads import check_learner, check_names, named_heads
from .errors import HeadError, ParameterError, ShapeError, SpecError, hint
from .network import Head, Layer
from .network.given import heads_of
from .network.head_checks import INPUT, NAME_RULE, Target, check_heads, plain_name, unused, usable
from .network.losses import LOSSES, default_loss, losses
from .network.spec import INITIALISATIONS
from .spec import ExperimentSpec

if TYPE_CHECKING:
    from threading import RLock

    from .data import Dataset

INITS = ("", *INITIALISATIONS)
"""How a layer's weights may begin; the empty text stands for torch's own way."""
_COMMON = ("name", "init", "frozen")


class NetworkEditor(ABC):
    """The part of `SpecEditor` that shapes the network beyond adding and removing layers."""

    _lock: RLock
    _spec: ExperimentSpec

    @property
    @abstractmethod
    def layers(self) -> list[Layer]:
        """The network's stack."""

    @abstractmethod
    def set_layers(self, layers: Sequence[Layer], *, strict: bool = True, merge: str | None = None) -> None:
        """Replace the stack."""

    @abstractmethod
    def _check_index(self, index: int) -> None: ...

    @abstractmethod
    def _replace(
        self, part: str | None, merge: str | None = None, author: str | None = None, **fields: Any
    ) -> None: ...

    @abstractmethod
    def _check_task(self, task: str) -> None:
        """Raise where the algorithm or its hyperparameters do not fit a task."""

    def targets(self) -> dict[str, Target]:
        """Return the columns that a head may be asked to learn, by name; empty where the table is not known."""
        return {}

    # --- layers -----------------------------------------------------------------------------------------

    def duplicate_layer(self, index: int, *, strict: bool = True) -> None:
        """Put a copy of the layer at ``index`` behind it; a name becomes one of its own."""
        with self._lock:
            self._check_index(index)
            stack = self.layers
            twin = stack[index]
            if twin.name:
                twin = twin.model_copy(update={"name": unused(twin.name, _names(stack))})
            self.set_layers([*stack[: index + 1], twin, *stack[index + 1 :]], strict=strict)

    def configure_layer(self, index: int, *, strict: bool = True, **fields: Any) -> None:
        """Change what every kind of layer has: ``name``, ``init``, ``frozen``.

        Who takes input from a layer, or sits on it, follows its new name.

        Raises
        ------
        ParameterError
            For a name that is taken or an initialisation that does not exist; it names the field.
        SpecError
            For a field that does not exist.
        """
        for name in fields:
            if name not in _COMMON:
                raise SpecError(f"A layer has no field {name!r} to set here. {hint(name, _COMMON)}")
        with self._lock:
            self._check_index(index)
            stack = self.layers
            before = stack[index]
            if "name" in fields:
                fields["name"] = _checked_name(fields["name"], stack, index)
            if fields.get("init", "") not in INITS:
                raise ParameterError(
                    f"There is no initialisation {fields['init']!r}. {hint(fields['init'], INITS)}", "init"
                )
            if not isinstance(fields.get("frozen", False), bool):
                raise ParameterError(
                    f"frozen is {fields['frozen']!r}; it takes True or False.", "frozen", before.frozen
                )
            stack[index] = before.model_copy(update=fields)
            old, new = before.name, stack[index].name
            if old and old != new:
                self._rename(stack, index, old, new, strict)
            else:
                self.set_layers(stack, strict=strict)

    def _rename(self, stack: list[Layer], index: int, old: str, new: str, strict: bool) -> None:
        followers = [k for k, layer in enumerate(stack) if old in layer.inputs]
        heads = [head.name or str(k + 1) for k, head in enumerate(self.heads) if head.at == old]
        if not new and (followers or heads):
            who = f"layer {followers[0] + 1} takes input from it" if followers else f"head {heads[0]} sits on it"
            raise ParameterError(f"{old!r} keeps its name, since {who}; give it another one.", "name", old)
        for k in followers:
            inputs = tuple(new if name == old else name for name in stack[k].inputs)
            stack[k] = stack[k].model_copy(update={"inputs": inputs})
        if not heads:
            self.set_layers(stack, strict=strict)
            return
        # one step of undo for both, since neither is right without the other
        moved = [head.model_copy(update={"at": new}) if head.at == old else head for head in self.heads]
        self._replace(None, layers=stack, heads=moved)

    def connect_layer(self, index: int, source: int | str, connected: bool = True, *, strict: bool = True) -> None:
        """Let the layer at ``index`` take input from ``source``, or no longer.

        A kind that takes one input only takes it from there instead. Layers without a name get one. A layer that
        takes no input by name takes that of the layer before it.

        Parameters
        ----------
        index : int
        source : int or str
            The place of an earlier layer, -1 for the network's input, or a name.
        connected : bool
        """
        with self._lock:
            self._check_index(index)
            stack = self.layers
            name = source if isinstance(source, str) else _named(stack, source, index)
            inputs = [given for given in stack[index].inputs if given != name]
            if connected:
                if not takes_several(stack[index].kind):
                    inputs = []
                elif not inputs:
                    inputs = [given for given in [_named(stack, index - 1, index)] if given != name]
                inputs.append(name)
            # the layer before, alone, goes without saying
            before = stack[index - 1].name if index else INPUT
            stack[index] = stack[index].model_copy(update={"inputs": () if inputs == [before] else tuple(inputs)})
            self.set_layers(stack, strict=strict)

    # --- heads -----------------------------------------------------------------------------------------

    @property
    def heads(self) -> list[Head]:
        """The network's heads; the first learns the table's own target."""
        return copy.deepcopy(self._spec.heads)

    def set_heads(self, heads: Sequence[Head]) -> None:
        """Replace the heads; where there are several, those without a name are named after their target.

        Raises
        ------
        HeadError
            For a head that cannot be, or that the algorithm cannot learn; the heads that stood before stay.
        InputError
            For anything but heads.
        """
        heads = heads_of(heads)
        with self._lock:
            own = self._spec.data.target or _by_hand(self._spec.data)
            wanted = _all_named(heads, own)
            if wanted == self.heads:
                return
            if not own:
                raise HeadError("A head learns a column, and the table has no target. Load it with one.")
            targets = self.targets() or {name: Target(name, (head.task,)) for head in heads for name in (own,)}
            check_heads(wanted, self.layers, targets, own)
            if len(wanted) > 1:
                check_names(named_heads(wanted, own))
            check_learner(algorithms.get(self._spec.algorithm), wanted, self._spec.layers)
            if not self.heads or wanted[0].task != self.heads[0].task:
                self._check_task(wanted[0].task)
            self._replace("heads", heads=wanted)

    def add_head(self, head: Head) -> None:
        """Add a head behind the others."""
        with self._lock:
            self.set_heads([*self.heads, head])

    def duplicate_head(self, index: int) -> None:
        """Put a copy of the head at ``index`` behind it.

        It gets a name of its own, and where the network learns the column by that loss already, another loss.
        """
        with self._lock:
            heads = self.heads
            twin = self._head_at(index)
            same = [head for head in heads if head.target == twin.target and head.task == twin.task]
            taken = {head.loss or default_loss(head.task).id for head in same}
            free = [loss.id for loss in losses(twin.task) if loss.id not in taken and loss.meaning != "logit"]
            if not free:
                raise HeadError(f"Every loss for {twin.task} has a head on this column already.", index, "loss")
            name = unused(twin.name or "head", [head.name for head in heads])
            twin = twin.model_copy(update={"name": name, "loss": free[0], "options": {}})
            self.set_heads([*heads[: index + 1], twin, *heads[index + 1 :]])

    def update_head(self, index: int, **fields: Any) -> None:
        """Change fields of the head at ``index``; the others stay.

        Raises
        ------
        HeadError
            It names the field; the heads that stood before stay.
        """
        with self._lock:
            heads = self.heads
            self._head_at(index)
            heads[index] = made_head({**heads[index].to_json(), **fields}, index)
            self.set_heads(heads)

    def place_head(self, index: int, layer: int) -> None:
        """Let the head at ``index`` sit on the layer at place ``layer``; one without a name gets one."""
        with self._lock:
            heads, stack = self.heads, self.layers
            self._head_at(index)
            self._check_index(layer)
            heads[index] = heads[index].model_copy(update={"at": _named(stack, layer, len(stack))})
            # one step of undo for both, since neither is right without the other
            self._replace(None, layers=stack, heads=heads)

    def remove_head(self, index: int) -> None:
        """Remove the head at ``index``; the last one stays."""
        with self._lock:
            heads = self.heads
            self._head_at(index)
            self.set_heads(heads[:index] + heads[index + 1 :])

    def _head_at(self, index: int) -> Head:
        heads = self._spec.heads
        if not 0 <= index < len(heads):
            raise HeadError(f"There is no head {index}; the network has {len(heads)}.", index)
        return heads[index]


def made_head(plain: Mapping[str, Any], index: int = -1) -> Head:
    """Return the head that plain data states.

    Raises
    ------
    HeadError
        For unknown fields and values of the wrong type, by the field's name.
    """
    known = list(Head.model_fields)
    for name in plain:
        if name not in known:
            raise HeadError(f"A head has no field {name!r}. {hint(name, known)}", index, str(name))
    task, loss = plain.get("task"), plain.get("loss") or ""
    entry = LOSSES.get(loss) if isinstance(loss, str) and loss else None
    if entry is not None and task not in entry.tasks:
        raise HeadError(
            f"{entry.name} is a loss for {' and '.join(entry.tasks)}; this head's task is {task}.", index, "loss", ""
        )
    if entry is None and not loss and task in ("classification", "regression"):
        entry = default_loss(task)
    try:
        if entry is not None:
            entry.validate(plain.get("options") or {})
    except ParameterError as error:
        raise HeadError(error.message, index, f"options.{error.parameter}", error.nearest) from None
    try:
        # not model_validate, which would wrap the sentence of a SpecError in words of its own
        return Head(**plain)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        raise HeadError(f"A head's {field or 'fields'}: {first['msg']}.", index, field) from None
    except SpecError as error:
        wrong = next((name for name in known if error.message.startswith(f"A head's {name} ")), "loss")
        raise HeadError(error.message, index, wrong, 1.0 if wrong == "weight" else None) from None


def takes_several(kind: str) -> bool:
    """Tell whether a kind of layer takes several inputs; what is not known is taken to."""
    entry = network.LAYER_KINDS.get(kind)
    return entry is None or entry.takes[1] != 1


def targets_of(data: Dataset) -> dict[str, Target]:
    """Return what can be learned of each column of a table, by name."""
    found: dict[str, Target] = {}
    for column in data.columns:
        reason = {
            "empty": "no cell has a value",
            "constant": "it has one value only",
            "identifier": "it tells rows apart and says nothing about them",
            "text": "it is free text",
            "datetime": "it holds dates; turn them into numbers first",
        }.get(column.kind, "")
        tasks: tuple[str, ...] = ()
        if column.name == data.target:
            tasks, reason = (str(data.task),), ""
        elif not reason and column.kind == "numeric":
            tasks = ("classification", "regression") if column.discrete else ("regression",)
        elif not reason and column.distinct > MOST_CLASSES:
            reason = f"it has {column.distinct:,} different values, too many to be classes"
        elif not reason:
            tasks = ("classification",)
        found[column.name] = Target(column.name, tasks, reason, column.distinct if "classification" in tasks else 0)
    return found


def _all_named(heads: Sequence[Head], own: str) -> list[Head]:
    """Return the heads, each with a name where there are several: metrics and curves stand under it."""
    if len(heads) < 2:
        return list(heads)
    named: list[Head] = []
    for head in heads:
        taken = [other.name for other in (*heads, *named)]
        name = head.name or unused(plain_name(head.target or own, "head"), taken)
        named.append(head.model_copy(update={"name": name}))
    return named


def _by_hand(data: DataSpec) -> str:
    return next((column for column, role in data.roles.items() if role == "target"), "")


def _names(stack: Sequence[Layer]) -> list[str]:
    return [INPUT, *(layer.name for layer in stack if layer.name)]


def _checked_name(given: Any, stack: Sequence[Layer], index: int) -> str:
    if not isinstance(given, str):
        raise ParameterError(f"A layer's name is a text; {given!r} came.", "name", stack[index].name)
    name = given.strip()
    others = _names([layer for k, layer in enumerate(stack) if k != index])
    if name and not usable(name):
        free = unused(plain_name(name, stack[index].kind), others)
        raise ParameterError(f"{name!r} cannot name a layer: {NAME_RULE}. {free!r} would do.", "name", free)
    if name in others:
        free = unused(name, others)
        what = "the network's own input is called" if name == INPUT else "another layer is called"
        raise ParameterError(f"{what.capitalize()} {name!r} already; {free!r} is free.", "name", free)
    return name


def _named(stack: list[Layer], source: int, index: int) -> str:
    """Return the name of an earlier layer; one without gets one, in the stack."""
    if source == -1:
        return INPUT
    if not 0 <= source < index:
        raise ShapeError(
            f"Layer {index + 1} can take input from earlier layers only, 1 to {index}; {source + 1} was asked for.",
            index,
        )
    layer = stack[source]
    if not layer.name:
        stack[source] = layer.model_copy(update={"name": unused(f"{layer.kind}_{source + 1}", _names(stack))})
    return stack[source].name
