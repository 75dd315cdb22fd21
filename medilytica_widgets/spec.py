"""The declarative form of an experiment: what people intend, in plain data."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .data import DataSpec
from .errors import SpecError, hint
from .network import Head, Layer

SPEC_VERSION = 1


class SplitSpec(BaseModel):
    """Shares of the rows held out; the rest is trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validation: Annotated[float, Field(gt=0, lt=1)] = 0.16
    test: Annotated[float, Field(gt=0, lt=1)] = 0.20


class ExperimentSpec(BaseModel):
    """Everything a person chose. A round trip through JSON loses nothing.

    ``hyperparameters`` holds only what differs from the algorithm's defaults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = SPEC_VERSION
    name: str = ""
    description: str = ""
    data: DataSpec
    algorithm: str = "mlp"
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    layers: list[Layer] = Field(default_factory=list)
    heads: list[Head] = Field(default_factory=list)
    split: SplitSpec = Field(default_factory=SplitSpec)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `load_spec` reads back."""
        return self.model_dump(mode="json")


def load_spec(plain: dict[str, Any] | ExperimentSpec) -> ExperimentSpec:
    """Return the specification that plain data states.

    Raises
    ------
    SpecError
        For unknown or missing fields and values of the wrong type, each by its name.
    """
    if isinstance(plain, ExperimentSpec):
        return plain
    if not isinstance(plain, dict):
        raise SpecError(f"A specification is a dictionary; a {type(plain).__name__} came.")
    version = plain.get("version", SPEC_VERSION)
    if version != SPEC_VERSION:
        raise SpecError(
            f"The specification is of version {version!r}; this package reads version {SPEC_VERSION}. "
            "Update medilytica-widgets to the release that wrote it."
        )
    try:
        return ExperimentSpec.model_validate(plain)
    except ValidationError as error:
        raise SpecError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    parts = []
    for problem in error.errors():
        where = ".".join(str(p) for p in problem["loc"]) or "the specification"
        if problem["type"] == "extra_forbidden":
            parts.append(f"there is no field {where!r}. {hint(where, ExperimentSpec.model_fields)}")
        elif problem["type"] == "missing":
            parts.append(f"the field {where!r} is missing")
        else:
            parts.append(f"{where}: {problem['msg']}")
    return "The specification cannot be read: " + "; ".join(parts)
