"""The declarative form of an experiment: what people intend, in plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from . import algorithms
from .algorithms import Step
from .data import DataSpec
from .data.splits import Method, check_way
from .errors import SpecError, hint
from .network import Head, Layer
from .spec_migrations import SPEC_VERSION, migrated

__all__ = ["SPEC_VERSION", "ExperimentSpec", "SplitSpec", "check_same_data", "load_spec"]


class SplitSpec(BaseModel):
    """How rows are divided, and the shares held out; the rest is trained on.

    ``method``, ``column``, ``folds`` and ``fold`` are those of `medilytica_widgets.data.split`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    validation: Annotated[float, Field(gt=0, lt=1)] = 0.16
    test: Annotated[float, Field(gt=0, lt=1)] = 0.20
    method: Method = "auto"
    column: str = ""
    folds: int = 5
    fold: int = 0

    @model_validator(mode="after")
    def _can_be(self) -> SplitSpec:
        try:
            check_way(self.method, self.column, self.folds, self.fold)
        except SpecError as error:
            raise ValueError(str(error)) from None
        return self

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        # one that is drawn by chance is written as before there was a choice
        fields = SplitSpec.model_fields
        return {n: v for n, v in plain.items() if n in ("validation", "test") or v != fields[n].default}

    def arguments(self) -> dict[str, Any]:
        """Return all fields, as keyword arguments of `medilytica_widgets.data.split`."""
        return {name: getattr(self, name) for name in SplitSpec.model_fields}


def made_split(plain: Mapping[str, Any]) -> SplitSpec:
    """Return the split that plain data state.

    Raises
    ------
    SpecError
        For unknown fields and values that cannot be, each by its name.
    """
    try:
        return SplitSpec.model_validate(dict(plain))
    except ValidationError as error:
        raise SpecError(_sentence(error, "The split cannot be", SplitSpec)) from None


class ExperimentSpec(BaseModel):
    """Everything a person chose. A round trip through JSON loses nothing.

    ``hyperparameters`` holds only what differs from the algorithm's defaults; ``preprocessing`` holds the steps
    between the prepared columns and the algorithm, in their order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = SPEC_VERSION
    name: str = ""
    description: str = ""
    data: DataSpec
    preprocessing: list[Step] = Field(default_factory=list)
    algorithm: str = "mlp"
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    layers: list[Layer] = Field(default_factory=list)
    heads: list[Head] = Field(default_factory=list)
    split: SplitSpec = Field(default_factory=SplitSpec)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `load_spec` reads back."""
        return self.model_dump(mode="json")

    def stack(self, n_features: int) -> list[Layer]:
        """Return the layers that train on so many columns: ``layers``, or those that follow from the hyperparameters.

        Raises
        ------
        UnknownAlgorithmError, ParameterError
            Where these cannot be.
        """
        chosen = algorithms.get(self.algorithm)
        return list(chosen.stack(chosen.validate(self.hyperparameters), n_features, self.layers))


def load_spec(plain: dict[str, Any] | ExperimentSpec) -> ExperimentSpec:
    """Return the specification that plain data state, of this version or an older one.

    Raises
    ------
    SpecError
        For a newer version, unknown or missing fields and values of the wrong type, each by its name.
    """
    if isinstance(plain, ExperimentSpec):
        return plain
    if not isinstance(plain, dict):
        raise SpecError(f"A specification is a dictionary; a {type(plain).__name__} came.")
    now = migrated(plain)
    try:
        return ExperimentSpec.model_validate(now)
    except ValidationError as error:
        raise SpecError(_sentence(error)) from None


def check_same_data(given: DataSpec, own: DataSpec) -> None:
    """Make sure that a specification is of the table that an experiment has.

    The same content may lie in another place or have another name for display.

    Raises
    ------
    SpecError
        Names the fields that differ.
    """
    # an edit of a cell leaves the table the same
    free = {"name", "edits"}
    if not (given.fingerprint and own.fingerprint):
        free.add("fingerprint")
    elif given.fingerprint == own.fingerprint:
        free.add("source")
    differ = [name for name in DataSpec.model_fields if name not in free and getattr(given, name) != getattr(own, name)]
    if not differ:
        return
    name, more = differ[0], f" ({len(differ) - 1} more fields differ)" if len(differ) > 1 else ""
    said = f"data.{name} is {getattr(given, name)!r} there and {getattr(own, name)!r} here{more}"
    if name == "fingerprint":
        said = "its content was another one when it was written"
    raise SpecError(
        f"The specification is of another table: {said}. Experiment.from_spec(…) makes an experiment of it."
    )


def _sentence(
    error: ValidationError, begin: str = "The specification cannot be read", root: type[BaseModel] | None = None
) -> str:
    parts = []
    for problem in error.errors():
        where = ".".join(str(p) for p in problem["loc"]) or "the specification"
        if problem["type"] == "extra_forbidden":
            near = hint(str(problem["loc"][-1]), _fields(problem["loc"][:-1], root))
            parts.append(f"there is no field {where!r}. {near}")
        elif problem["type"] == "missing":
            parts.append(f"the field {where!r} is missing")
        else:
            parts.append(f"{where}: {problem['msg']}")
    return f"{begin}: " + "; ".join(parts)


def _fields(place: Sequence[int | str], root: type[BaseModel] | None = None) -> list[str]:
    """Return the names of the fields that there are at a place, ``("layers", 0)``."""
    model: type[BaseModel] = root or ExperimentSpec
    for part in place:
        if isinstance(part, int):
            continue
        kind = model.model_fields[part].annotation if part in model.model_fields else None
        inner = next((k for k in (kind, *get_args(kind)) if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)
