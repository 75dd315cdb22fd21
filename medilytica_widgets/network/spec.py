"""The declarative form of a network: layers in order, and the heads on top of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import SpecError, check_kwargs


class Layer(BaseModel):
    """One layer: its kind and the arguments of that kind.

    Parameters
    ----------
    kind : str
        An id of `medilytica_widgets.network.layer_kinds`, for example ``"linear"``.
    **options
        The kind's own arguments, for example ``units=64, activation="relu"`` or ``p=0.1``. They
        are checked when the stack is built, so that a form can hold a value on its way to being
        right.

    Examples
    --------
    >>> Layer("linear", units=64, activation="relu").options["units"]
    64
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    options: dict[str, Any] = Field(default_factory=dict)

    def __init__(self, kind: str = "", /, **values: Any) -> None:
        if kind:
            super().__init__(kind=kind, options=values)
        else:
            super().__init__(**values)

    def to_json(self) -> dict[str, Any]:
        """Return ``{"kind": …, "options": {…}}``."""
        return {"kind": self.kind, "options": dict(self.options)}


class Head(BaseModel):
    """What the network's last features are turned into.

    Parameters
    ----------
    task : {"classification", "regression"}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["classification", "regression"]

    def __init__(self, task: str = "", /, **values: Any) -> None:
        if task:
            check_kwargs("Head", values, ())
            values = {"task": task}
        # pydantic would wrap the error in its own, since ours is a ValueError
        if values.get("task") not in ("classification", "regression"):
            raise SpecError(f"A head's task is {values.get('task')!r}; it is 'classification' or 'regression'.")
        super().__init__(**values)

    def to_json(self) -> dict[str, Any]:
        """Return ``{"task": …}``."""
        return {"task": self.task}
