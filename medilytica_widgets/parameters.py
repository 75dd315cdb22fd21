"""One table describes a hyperparameter; form, validation, papermill and documentation read it."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .errors import ParameterError, SpecError, UnknownParameterError, hint, nearest_name

Kind = Literal["float", "int", "choice", "bool"]
Scale = Literal["linear", "log"]

OWN_FIRST = "One of your own has to be registered first: run the cell, or import the module, that does so."
"""The closing sentence of a message about an id that nobody knows."""


def _is_bool(value: Any) -> bool:
    # numpy's own bool is no subclass of bool; this room does not import numpy for it
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _as_number(value: Any) -> int | float | None:
    """Return a real number as int or float (an int keeps all its digits), None for anything else and for NaN."""
    if _is_bool(value) or isinstance(value, (str, bytes)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        pass
    if not hasattr(value, "__float__") or getattr(value, "shape", ()) != ():
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _plain(number: float) -> str:
    """Return a bound as a person writes it: 1000000 and 0.003, but 1e-06."""
    return str(int(number)) if number == int(number) and abs(number) < 1e12 else f"{number:g}"


def _shown(value: Any, longest: int = 60) -> str:
    """Return the value's repr, cut where a message would drown in it."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value)
    except ValueError:  # an int of more than 4300 digits inside
        text = f"a {type(value).__name__}"
    return text if len(text) <= longest else text[: longest - 1] + "…"


class Menu(Sequence[str]):
    """Choices that grow while people register their own: the keys of some tables, read anew at each look.

    Parameters
    ----------
    *tables : mapping of str
        In the order of the menu.
    """

    def __init__(self, *tables: Mapping[str, Any]) -> None:
        self._tables = tables

    def now(self) -> tuple[str, ...]:
        """Return the choices that there are at this moment."""
        return tuple(name for table in self._tables for name in tuple(table))

    def __getitem__(self, index: Any) -> Any:
        return self.now()[index]

    def __len__(self) -> int:
        return len(self.now())

    def __contains__(self, name: object) -> bool:
        return name in self.now()

    def __iter__(self) -> Iterator[str]:
        return iter(self.now())

    def __eq__(self, other: object) -> bool:
        return self.now() == (other.now() if isinstance(other, Menu) else other)

    # what may change has no hash of its contents
    __hash__ = object.__hash__

    def __deepcopy__(self, memory: dict[int, Any]) -> Menu:
        return self


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter.

    Parameters
    ----------
    id : str
        The name in specs, forms and keyword arguments, for example ``learning_rate``.
    kind : {"float", "int", "choice", "bool"}
    default : object
        A valid value; None only where ``optional``.
    low, high : float, optional
        Inclusive bounds of numbers.
    scale : {"linear", "log"}
        How a slider spreads the range. A log scale whose ``low`` is 0 starts at ``smallest``
        and keeps 0 as a stop of its own.
    smallest : float
        The smallest non-zero value of a log slider whose ``low`` is 0.
    choices : sequence of str
        The allowed values of a choice: a tuple, or a `Menu` of those to which people may add their own.
    unit : str
        For display, for example "epochs".
    help : str
        One or two sentences: what it does, and what larger and smaller values lead to.
    label : str
        The words beside the control; the id with spaces when empty.
    live : bool
        Whether it can change while a run trains.
    optional : bool
        Whether None (off) is allowed.
    group : str
        The heading under which a form folds it away; empty for what is always in sight.
    tasks : tuple of str
        The tasks for which it has a meaning; empty for all. For another task only the default is allowed.
    only_if : (str, str), optional
        The id of a choice in the same table and the value at which this parameter has an effect; a form
        may hide it at any other. The value stays valid either way.
    """

    id: str
    kind: Kind
    default: Any
    low: float | None = None
    high: float | None = None
    scale: Scale = "linear"
    smallest: float = 1e-6
    choices: Sequence[str] = ()
    unit: str = ""
    help: str = ""
    label: str = ""
    live: bool = False
    optional: bool = False
    group: str = ""
    tasks: tuple[str, ...] = ()
    only_if: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.kind == "choice" and not self.choices:
            raise SpecError(f"Parameter {self.id!r} is a choice without choices.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise SpecError(f"Parameter {self.id!r} has the range {self.low:g} to {self.high:g}, which is empty.")
        if self.scale == "log" and (self.low is None or self.low < 0 or self.smallest <= 0):
            raise SpecError(f"Parameter {self.id!r} has a log scale, which needs a lower bound of 0 or more.")
        try:
            valid = self.validate(self.default)
        except ParameterError as error:
            raise SpecError(f"Parameter {self.id!r} has a default that is not allowed: {error.message}") from None
        # an int given as the default of a float would differ in JSON from the same value validated
        object.__setattr__(self, "default", valid)

    def validate(self, value: Any) -> Any:
        """Return ``value`` as the parameter's own type.

        Raises
        ------
        ParameterError
            Of the wrong type or out of range; it carries the nearest allowed value.
        """
        if value is None:
            if self.optional:
                return None
            raise ParameterError(f"{self.id} needs a value; {self.allowed()}.", self.id, self.default)
        if self.kind == "bool":
            if _is_bool(value):
                return bool(value)
            raise self._refusal(value, self.default)
        if self.kind == "choice":
            if isinstance(value, str) and value in self.choices:
                return str(value)
            near = nearest_name(value, self.choices) if isinstance(value, str) else None
            question = f" Did you mean {near!r}?" if near is not None else ""
            if near is None and isinstance(self.choices, Menu):
                question = f" {OWN_FIRST}"
            raise self._refusal(value, self.default if near is None else near, question)
        return self._number(value)

    def _number(self, value: Any) -> int | float:
        number = _as_number(value)
        if number is None:
            raise self._refusal(value, self.default)
        if self.kind == "float":
            number = _as_float(number)
        outside = (self.low is not None and number < self.low) or (self.high is not None and number > self.high)
        # compared, not asked of math.isinf: that overflows on a large int
        infinite = number in (math.inf, -math.inf)
        if infinite and not outside:
            raise self._refusal(value, self.default)
        if self.kind == "int" and not infinite:
            whole = round(number)
            if whole != number:
                raise self._refusal(value, self._clip(whole))
            number = whole
        if outside:
            raise self._refusal(value, self._clip(number))
        return number

    def _refusal(self, value: Any, nearest: Any, closing: str = "") -> ParameterError:
        return ParameterError(f"{self.id} is {_shown(value)}; {self.allowed()}.{closing}", self.id, nearest)

    def _clip(self, number: float) -> int | float:
        if self.low is not None:
            number = max(number, self.low)
        if self.high is not None:
            number = min(number, self.high)
        return int(number) if self.kind == "int" else float(number)

    def allowed(self) -> str:
        """Say in words what values are allowed, without a closing full stop."""
        if self.kind == "bool":
            text = "it takes True or False"
        elif self.kind == "choice":
            text = "it takes one of " + ", ".join(repr(c) for c in self.choices)
        else:
            noun = "a whole number" if self.kind == "int" else "a number"
            low, high = self.low, self.high
            if low is not None and high is not None:
                text = f"it takes {noun} from {_plain(low)} to {_plain(high)}"
            elif low is not None:
                text = f"it takes {noun} of at least {_plain(low)}"
            elif high is not None:
                text = f"it takes {noun} of at most {_plain(high)}"
            else:
                text = f"it takes {noun}"
        return text + (", or None for off" if self.optional else "")

    def to_json(self) -> dict[str, Any]:
        """Return the plain form that crosses the wire and stands in documentation."""
        plain = asdict(self)
        plain["choices"] = list(self.choices)
        plain["tasks"] = list(self.tasks)
        plain["only_if"] = None if self.only_if is None else list(self.only_if)
        plain["label"] = self.label or self.id.replace("_", " ")
        return plain


@dataclass(frozen=True)
class ParameterTable(Mapping[str, Parameter]):
    """The parameters of one algorithm, in the order a form shows them."""

    parameters: tuple[Parameter, ...]
    _by_id: dict[str, Parameter] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id = {p.id: p for p in self.parameters}
        if len(by_id) < len(self.parameters):
            names = [p.id for p in self.parameters]
            twice = next(name for name in names if names.count(name) > 1)
            raise SpecError(f"The parameter {twice!r} stands twice in one table; each id names one parameter.")
        for p in self.parameters:
            if p.only_if is not None:
                name, value = p.only_if
                if name not in by_id or value not in by_id[name].choices:
                    raise SpecError(
                        f"Parameter {p.id!r} has an effect only if {name!r} is {value!r}, which it cannot be."
                    )
        object.__setattr__(self, "_by_id", by_id)

    def __getitem__(self, name: str) -> Parameter:
        try:
            return self._by_id[name]
        except KeyError:
            known = hint(name, self._by_id) if self._by_id else "There are no parameters to set."
            raise UnknownParameterError(f"There is no parameter {name!r}. {known}", str(name)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_id

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self.parameters)

    def get(self, name: str, default: Any = None, /) -> Any:
        """Return the parameter, or ``default`` where there is none of that id."""
        return self._by_id.get(name, default)

    def defaults(self) -> dict[str, Any]:
        """Return every parameter's default, by id."""
        return {p.id: p.default for p in self.parameters}

    def validate(self, values: Mapping[str, Any], task: str | None = None) -> dict[str, Any]:
        """Return all parameters, the given ones validated and the others at their default.

        Parameters
        ----------
        values : mapping
        task : str, optional
            Where it is known, a parameter that has no meaning for it must be at its default.

        Raises
        ------
        UnknownParameterError
            For a name that is not in the table; the message names the nearest one.
        ParameterError
            For a value that is not allowed.
        """
        full = self.defaults()
        for name, value in values.items():
            full[name] = self[name].validate(value)
        for p in self.parameters:
            if task is not None and p.tasks and task not in p.tasks and full[p.id] != p.default:
                raise ParameterError(
                    f"{p.id} is {_shown(full[p.id])}, which has a meaning for {' and '.join(p.tasks)} only; "
                    f"this target asks for {task}. Leave it at {p.default!r}.",
                    p.id,
                    p.default,
                )
        return full

    def to_json(self) -> list[dict[str, Any]]:
        """Return the plain form of every parameter, in order."""
        return [p.to_json() for p in self.parameters]
