"""One step of the preparation that a person puts in front of an algorithm, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from ..errors import SpecError


class Step(BaseModel):
    """One step before an algorithm: the id of a transformation and what differs from its defaults.

    Parameters
    ----------
    id : str
        An id of `medilytica_widgets.algorithms` with the task "transform", for example ``"pca"``.
    columns : sequence of str
        The columns that the step is for; without any, all that it can treat.
    kind : str
        Or those of one kind: "numeric", "categorical", "binary", "datetime", "text" or "identifier".
    **options
        Its hyperparameters, for example ``n_components=5``. They are checked when an experiment takes the step,
        so that a form can hold a value on its way to being right.

    Examples
    --------
    >>> Step("pca", n_components=5).to_json()
    {'id': 'pca', 'options': {'n_components': 5}}
    >>> Step("robust_scaler", columns=["income"]).to_json()
    {'id': 'robust_scaler', 'options': {}, 'columns': ['income']}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    options: dict[str, Any] = Field(default_factory=dict)
    columns: tuple[str, ...] = ()
    kind: str = ""

    def __init__(self, id: str = "", /, *, columns: Sequence[str] | str = (), kind: str = "", **values: Any) -> None:
        if not isinstance(id, str):
            raise SpecError(f"A step is named by the id of a transformation, for example mw.Step('pca'); {id!r} came.")
        names = (columns,) if isinstance(columns, str) else columns
        where = {"columns": names, "kind": kind}
        if id:
            super().__init__(id=id, options=values, **where)
        else:
            super().__init__(**values, **where)

    def to_json(self) -> dict[str, Any]:
        """Return ``{"id": …, "options": {…}}``, with ``columns`` or ``kind`` where the step is limited to some."""
        return {
            "id": self.id,
            "options": dict(self.options),
            **({"columns": list(self.columns)} if self.columns else {}),
            **({"kind": self.kind} if self.kind else {}),
        }

    @model_serializer(mode="wrap")
    def _without_defaults(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # a step for all columns is written as before there was a choice
        return {name: value for name, value in plain(self).items() if value or name in ("id", "options")}

    def __hash__(self) -> int:
        return hash((self.id, self.columns, self.kind, repr(sorted(self.options.items()))))


def as_step(given: Step | str | Mapping[str, Any]) -> Step:
    """Return a step; a bare id is one with its defaults, and plain data is what `Step.to_json` returned.

    Raises
    ------
    SpecError
        For anything else.
    """
    if isinstance(given, Step):
        return given
    if isinstance(given, str):
        return Step(given)
    try:
        return Step.model_validate(given)
    except ValidationError:
        raise SpecError(f"{given!r} is no step. Write mw.Step('pca'), or an id of a transformation.") from None
