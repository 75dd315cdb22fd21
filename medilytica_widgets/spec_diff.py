"""What differs between two specifications, field by field."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal, overload

from . import algorithms
from .errors import InputError, UnknownAlgorithmError
from .spec import ExperimentSpec, load_spec

_LISTS = {"preprocessing": "id", "layers": "kind", "heads": "task"}
"""Fields that are rows of parts, and what a part is called by."""
_SHOWN = 60
_NONE = "–"


@dataclass(frozen=True)
class Difference:
    """One field that differs.

    Attributes
    ----------
    path : str
        Where it is: ``hyperparameters.learning_rate``, ``layers[2].options.units``. A layer that was taken out has
        its position before, any other its position after.
    before, after : object
        Plain data. None where there was nothing, or is nothing any more; ``kind`` tells that from a None that was
        set.
    kind : {"changed", "added", "removed"}
    """

    path: str
    before: Any
    after: Any
    kind: Literal["changed", "added", "removed"] = "changed"

    def words(self) -> tuple[str, str]:
        """Return both values in short words."""
        before = _NONE if self.kind == "added" else _shown(self.before)
        return before, _NONE if self.kind == "removed" else _shown(self.after)

    def __repr__(self) -> str:
        before, after = self.words()
        return f"{self.path}: {before} → {after}"


class Differences(Sequence[Difference]):
    """The fields that differ, in the order of the specification; empty, and so false, when none does."""

    def __init__(self, found: Sequence[Difference]) -> None:
        self._found = tuple(found)

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Difference: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Difference, ...]: ...
    def __getitem__(self, index: int | slice) -> Difference | tuple[Difference, ...]:
        """Return one difference, or several."""
        return self._found[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Differences) and self._found == other._found

    def __hash__(self) -> int:
        return hash(tuple(map(repr, self._found)))

    def __repr__(self) -> str:
        if not self._found:
            return "Nothing differs."
        rows = [(d.path, *d.words()) for d in self._found]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        lines = [f"  {path:<{widths[0]}}  {before:<{widths[1]}} → {after}" for path, before, after in rows]
        return "\n".join([f"{len(rows)} difference{'s' if len(rows) > 1 else ''}", *lines])

    def _repr_html_(self) -> str:
        if not self._found:
            return "<p>Nothing differs.</p>"
        rows = [
            "<tr>" + "".join(f"<td>{html.escape(word)}</td>" for word in (d.path, *d.words())) + "</tr>"
            for d in self._found
        ]
        head = "<thead><tr><th>field</th><th>before</th><th>after</th></tr></thead>"
        return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def specification(given: Any) -> ExperimentSpec:
    """Return the specification of an experiment or a run (as it began), or the one given.

    Raises
    ------
    SpecError
        For a dictionary that is none.
    InputError
        For anything else.
    """
    found = given if isinstance(given, (ExperimentSpec, Mapping)) else getattr(given, "spec", None)
    if not isinstance(found, (ExperimentSpec, Mapping)):
        raise InputError(
            f"A {type(given).__name__} has no specification to compare with. "
            "Give an Experiment, a Run or a specification."
        )
    return load_spec(found if isinstance(found, ExperimentSpec) else dict(found))


def compare(before: ExperimentSpec, after: ExperimentSpec) -> Differences:
    """Return what differs between two specifications.

    Hyperparameters of one algorithm are compared as they count, defaults included; of two algorithms, those that
    were set. Layers, heads and steps are matched in order, so that one put between or taken out is said as such.
    """
    was, now = before.to_json(), after.to_json()
    if before.algorithm == after.algorithm:
        for plain in (was, now):
            plain["hyperparameters"] = _full(plain["algorithm"], plain["hyperparameters"])
    found: list[Difference] = []
    for name in ExperimentSpec.model_fields:
        if name in _LISTS:
            found += _rows(name, was[name], now[name], _LISTS[name])
        else:
            found += _values(name, was[name], now[name])
    return Differences(found)


def _full(algorithm: str, values: dict[str, Any]) -> dict[str, Any]:
    try:
        return {**algorithms.parameters(algorithm).defaults(), **values}
    except UnknownAlgorithmError:
        # an algorithm of a package that is not here: what was set can be compared all the same
        return values


def _values(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            place = f"{path}.{name}"
            if name not in after:
                yield Difference(place, before[name], None, "removed")
            elif name not in before:
                yield Difference(place, None, after[name], "added")
            else:
                yield from _values(place, before[name], after[name])
    # 1 and True, or 1 and 1.0, are written differently and read as different things
    elif before != after or type(before) is not type(after):
        yield Difference(path, before, after)


def _rows(name: str, before: list[Any], after: list[Any], kind: str) -> Iterator[Difference]:
    """Match whole parts first, then, of what stands between them, parts of one kind."""
    for tag, a, b, c, d in _opcodes([_key(part) for part in before], [_key(part) for part in after]):
        if tag == "equal":
            continue
        kinds = [[str(part.get(kind)) for part in parts] for parts in (before[a:b], after[c:d])]
        for inner, i, j, k, m in _opcodes(*kinds):
            if inner == "equal":
                for was, now in zip(range(a + i, a + j), range(c + k, c + m), strict=True):
                    yield from _values(f"{name}[{now}]", before[was], after[now])
                continue
            for position in range(a + i, a + j):
                yield Difference(f"{name}[{position}]", before[position], None, "removed")
            for position in range(c + k, c + m):
                yield Difference(f"{name}[{position}]", None, after[position], "added")


def _opcodes(before: list[str], after: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _key(part: Any) -> str:
    return json.dumps(part, sort_keys=True, default=str)


def _shown(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("options"), dict):
        called = next((str(value[kind]) for kind in _LISTS.values() if kind in value), "")
        others = {k: v for k, v in value.items() if k != "options" and v != called}
        text = f"{called}({', '.join(f'{k}={v!r}' for k, v in {**value['options'], **others}.items())})"
    else:
        text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
