"""The declarative form of a network: layers in order, and the heads on top of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer

from ..errors import ParameterError, SpecError, check_kwargs, hint
from .losses import CUSTOM, LOSSES, losses_of
from .parts import json_value

INITIALISATIONS = ("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal")
"""Ways to draw a layer's first weights, by torch's own names; biases then begin at 0."""

_OWN = ("name", "inputs", "init", "frozen")


class Layer(BaseModel):
    """One layer: its kind, the arguments of that kind, and where it stands in the network.

    Parameters
    ----------
    kind : str
        An id of `medilytica_widgets.network.layer_kinds`, for example ``"linear"``; or a class of
        ``torch.nn`` such as ``"torch.nn.GLU"``, whose arguments follow as keywords.
    name : str
        Unique in the stack, and a name as Python knows them; other layers and heads refer to it. Of the kind
        ``activation`` the keyword ``name`` is the function, as in ``Layer("activation", name="relu")``; write
        ``Layer("activation", function="relu", name="bend")`` to name the layer too.
    inputs : sequence of str
        Names of earlier layers, or ``"input"`` for the table's features; the layer before when empty.
    init : str
        One of `INITIALISATIONS`, or empty for torch's own.
    frozen : bool
        Whether its weights stay as they are while the network trains.
    **options
        The kind's own arguments, for example ``units=64, activation="relu"`` or ``p=0.1``. They
        are checked when the stack is built, so that a form can hold a value on its way to being
        right.

    Examples
    --------
    >>> Layer("linear", units=64, activation="relu").options["units"]
    64
    >>> Layer("torch.nn.GLU", dim=1).to_json()
    {'kind': 'torch', 'options': {'class_': 'GLU', 'arguments': {'dim': 1}}}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    options: dict[str, Any] = Field(default_factory=dict)
    name: str = ""
    inputs: tuple[str, ...] = ()
    init: str = ""
    frozen: bool = False

    def __init__(self, kind: str = "", /, **values: Any) -> None:
        if kind:
            own, options = _apart(kind, values)
            values = {"kind": kind, "options": options, **own}
        given = values.get("inputs", ())
        if isinstance(given, str):
            values["inputs"] = (given,) if given else ()
        _check_own(values)
        super().__init__(**_as_torch(values))

    def with_options(self, **options: Any) -> Layer:
        """Return the layer with options changed; its name, inputs, initialisation and freezing stay."""
        plain = self.to_json()
        return Layer(**{**plain, "options": {**plain["options"], **options}})

    def to_json(self) -> dict[str, Any]:
        """Return ``{"kind": …, "options": {…}}``, and what else differs from a plain layer."""
        plain: dict[str, Any] = {"kind": self.kind, "options": json_value(self.options)}
        if self.name:
            plain["name"] = self.name
        if self.inputs:
            plain["inputs"] = list(self.inputs)
        if self.init:
            plain["init"] = self.init
        if self.frozen:
            plain["frozen"] = True
        return plain

    @model_serializer
    def _serialised(self) -> dict[str, Any]:
        return self.to_json()


def _apart(kind: str, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the fields of every layer from the options of its kind."""
    options = dict(values)
    own = {name: options.pop(name) for name in _OWN if name in options}
    if kind == "activation":
        # the function was called "name" before layers had names
        if "function" in options:
            options["name"] = options.pop("function")
        elif "name" in own:
            options["name"] = own.pop("name")
    return own, options


def _check_own(values: Mapping[str, Any]) -> None:
    """Refuse fields of a wrong type in our own words."""
    wanted = {"kind": str, "options": Mapping, "name": str, "inputs": (list, tuple), "init": str, "frozen": bool}
    words = {str: "text", Mapping: "options by name", bool: "True or False"}
    for field, kind in wanted.items():
        if field in values and not isinstance(values[field], kind):  # type: ignore[arg-type]
            needed = words.get(kind, "a list of layers' names")  # type: ignore[call-overload]
            raise SpecError(f"A layer's {field} is {values[field]!r}; it takes {needed}.")
    for name in values.get("inputs", ()):
        if not isinstance(name, str):
            raise SpecError(f"A layer's inputs hold {name!r}; they are names of earlier layers, or 'input'.")


def _as_torch(values: dict[str, Any]) -> dict[str, Any]:
    """Give a layer that names a class of torch.nn its one form."""
    kind = values.get("kind", "")
    options = dict(values.get("options") or {})
    if isinstance(kind, str) and kind.startswith("torch.nn."):
        arguments = {**options.pop("arguments", {}), **options} if "arguments" in options else options
        return {**values, "kind": "torch", "options": _torch_options(kind, arguments)}
    if kind == "torch" and isinstance(options.get("class_"), str):
        class_ = options.pop("class_")
        arguments = options.pop("arguments", {})
        return {**values, "options": {**_torch_options(class_, arguments), **options}}
    return values


def _torch_options(class_: str, arguments: Any) -> dict[str, Any]:
    return {"class_": class_.removeprefix("torch.").removeprefix("nn."), "arguments": arguments}


class Head(BaseModel):
    """What the network's features are turned into, and how its answers are judged.

    Parameters
    ----------
    task : {"classification", "regression"}
    name : str
        Unique among the heads; empty where there is only one.
    target : str
        The column it learns; empty for the experiment's own target.
    at : str
        The name of the layer it sits on; empty for the last one.
    loss : str
        One of `medilytica_widgets.network.LOSSES` that serves the task, or ``"custom:<registered name>"``; empty
        for cross entropy, or the mean squared error.
    weight : float or "uncertainty"
        How much the loss counts beside those of other heads; or learned (Kendall et al. 2018).
    **options
        The loss's own arguments, such as ``delta`` of "huber".

    Raises
    ------
    SpecError
        For a task or loss that is not there, a loss that does not serve the task, or a weight that is no
        positive number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["classification", "regression"]
    name: str = ""
    target: str = ""
    at: str = ""
    loss: str = ""
    weight: float | Literal["uncertainty"] = 1.0
    options: dict[str, Any] = Field(default_factory=dict)

    def __init__(self, task: str = "", /, **values: Any) -> None:
        fields = ("name", "target", "at", "loss", "weight", "options")
        if task:
            loss = values.get("loss", "")
            entry = LOSSES.get(loss) if isinstance(loss, str) else None
            own = {name: values.pop(name) for name in list(values) if name not in fields} if loss else {}
            if entry is not None:
                check_kwargs("Head", own, (*fields, *entry.parameters))
            check_kwargs("Head", values, fields)
            values = {"task": task, **values}
            if own:
                values["options"] = {**(values.get("options") or {}), **own}
        # pydantic would wrap the error in its own, since ours is a ValueError
        if values.get("task") not in ("classification", "regression"):
            raise SpecError(f"A head's task is {values.get('task')!r}; it is 'classification' or 'regression'.")
        super().__init__(**_checked_head(values))

    @property
    def loss_kind(self) -> str:
        """The loss in force: the one that was named, or the task's own."""
        return self.loss or ("cross_entropy" if self.task == "classification" else "mse")

    def loss_options(self) -> dict[str, Any]:
        """Return all arguments of the loss, those that were not given at their default."""
        entry = LOSSES.get(self.loss_kind)
        return dict(self.options) if entry is None else entry.parameters.validate(self.options)

    def to_json(self) -> dict[str, Any]:
        """Return ``{"task": …}``, and what else differs from a plain head."""
        plain: dict[str, Any] = {"task": self.task}
        for name in ("name", "target", "at", "loss"):
            if getattr(self, name):
                plain[name] = getattr(self, name)
        if self.weight != 1.0:
            plain["weight"] = self.weight
        if self.options:
            plain["options"] = json_value(self.options)
        return plain

    @model_serializer
    def _serialised(self) -> dict[str, Any]:
        return self.to_json()


def _checked_head(values: dict[str, Any]) -> dict[str, Any]:
    task = values["task"]
    for field in ("name", "target", "at", "loss"):
        if not isinstance(values.get(field, ""), str):
            raise SpecError(f"A head's {field} is {values[field]!r}; it takes text.")
    weight = values.get("weight", 1.0)
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not (weight == "uncertainty" or (number and math.isfinite(weight) and weight > 0)):
        raise SpecError(f"A head's weight is {weight!r}; it takes a positive number, or 'uncertainty' to learn it.")
    loss, options = values.get("loss", ""), values.get("options") or {}
    if not isinstance(options, Mapping):
        raise SpecError(f"A head's options are {options!r}; they are arguments of its loss by name.")
    if loss.startswith(CUSTOM) and len(loss) > len(CUSTOM):
        return {**values, "options": dict(options)}
    if loss and loss not in LOSSES:
        raise SpecError(f"A head has no loss {loss!r}. {hint(loss, losses_of(task))}")
    entry = LOSSES[loss or ("cross_entropy" if task == "classification" else "mse")]
    if task not in entry.tasks:
        raise SpecError(
            f"The loss {loss!r} is for {' and '.join(entry.tasks)}, but the head's task is {task}; "
            f"take one of {', '.join(losses_of(task))}."
        )
    try:
        entry.parameters.validate(options)
    except ParameterError as error:
        raise SpecError(f"In the head's loss {entry.id!r}: {error.message}") from None
    return {**values, "options": dict(options)}
