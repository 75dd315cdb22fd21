"""Which column goes through which transformer: a plan laid over the columns of one table."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ColumnNotFoundError, SpecError, hint
from .dataset import Dataset
from .inputs import Input, input_of
from .kinds import Column
from .plan import DEFAULT, Link, Maker, Part, Plan, Treated, Where
from .splits import Split

_ORDER: tuple[Treated, ...] = ("numbers", "flags", "categories", "text")


@dataclass(frozen=True)
class Block:
    """Columns that one transformer takes.

    Parameters
    ----------
    name : str
        Of the transformer, and of the list of columns in a script.
    treated : {"numbers", "flags", "categories", "text"}
    columns : list of str
    maker : Maker, optional
        None for the default.
    single : bool
        Whether it takes its one column as a list of texts and not as a table.
    filler : Maker, optional
        What fills the gaps of categories before the transformer.
    """

    name: str
    treated: Treated
    columns: list[str]
    maker: Maker | None = None
    single: bool = False
    filler: Maker | None = None

    @property
    def words(self) -> bool:
        """Whether its columns are words whose gaps are a word of their own."""
        return self.treated in ("categories", "text")


@dataclass(frozen=True)
class Layout:
    """A plan laid over one table.

    Attributes
    ----------
    inputs : list of Input
        The columns that are read.
    blocks : list of Block
    shared : list of str
        Columns of categories that become their shares before the transformer.
    dates : dict of str to dict of str to str
        Of each column of dates that is taken apart the new columns and which part each holds.
    """

    inputs: list[Input]
    blocks: list[Block]
    shared: list[str] = field(default_factory=list)
    dates: dict[str, dict[str, str]] = field(default_factory=dict)

    def names(self, treated: Treated) -> list[str]:
        """Return the columns that are treated so, by any transformer."""
        return [name for block in self.blocks if block.treated == treated for name in block.columns]


def view_of(data: Dataset, plan: Plan = DEFAULT, without: Collection[str] = ()) -> Dataset:
    """Return a data set whose features are what a plan reads.

    Free text and identifiers, which are set aside by themselves, are features where a step takes them; the columns of
    ``without`` are none.
    """
    taken = {column.name for part in plan.parts for column in _meant(data, part)}
    columns = [
        replace(column, role="set_aside")
        if column.name in without and column.role == "feature"
        else replace(column, role="feature")
        if column.name in taken and column.name not in without
        else column
        for column in data.columns
    ]
    if columns == data.columns:
        return data
    view = copy.copy(data)
    view.columns = columns
    return view


def read_view(data: Dataset, plan: Plan, split: Split) -> Dataset:
    """Return a data set whose features are all columns that a script reads: the plan's, and the one of the split."""
    view = view_of(data, plan)
    if not split.column:
        return view
    read = copy.copy(view)
    read.columns = [replace(c, role="feature") if c.name == split.column else c for c in view.columns]
    return read


def layout_of(data: Dataset, plan: Plan = DEFAULT, without: Collection[str] = ()) -> Layout:
    """Lay a plan over a table.

    Raises
    ------
    ColumnNotFoundError
        A step names a column that is not there.
    SpecError
        A step cannot treat a column that it names, nothing is of the kind that it names, or two steps treat one
        column the same way.
    """
    steps: list[Part | Link] = [*plan.parts, *plan.links]
    for step in steps:
        chosen(data, step.where, step.name)
    view = view_of(data, plan, without)
    inputs = [input_of(data, column.name, column.kind == "binary") for column in view.features]
    by_name = {entry.name: entry for entry in inputs}
    kinds = {column.name: column.kind for column in view.features}
    taken: dict[tuple[str, str], Part] = {}
    # steps for named columns choose first, then those for a kind; what they leave is for the others
    for part in sorted(plan.parts, key=lambda part: (not part.where.columns, not part.where.limited)):
        for name in (column.name for column in _meant(data, part) if column.name in by_name):
            way = _way(part, by_name[name], kinds[name])
            if way == "" and part.where.columns:
                raise SpecError(f"{part.name} cannot treat the column {name!r}: {_why(part, by_name[name])}.")
            first = taken.get((way, name))
            if way == "" or (first and (not part.where.limited or (first.where.columns and not part.where.columns))):
                continue
            if first:
                raise SpecError(f"{first.name} and {part.name} both treat the column {name!r}; keep one of them.")
            taken[way, name] = part
    dates: dict[str, dict[str, str]] = {}
    for (way, name), part in taken.items():
        if way == "dates":
            dates[name] = _parts_of(name, part.options, [column.name for column in data.columns])
    return Layout(
        inputs,
        _blocks(inputs, taken, dates),
        [name for (way, name), part in taken.items() if way == "encoded" and part.shares],
        dates,
    )


def chosen(data: Dataset, where: Where, step: str) -> list[str] | None:
    """Return the columns that a step is limited to; None for all.

    Raises
    ------
    ColumnNotFoundError, SpecError
        As `layout_of`.
    """
    known = [column.name for column in data.columns]
    for name in where.columns:
        if name not in known:
            raise ColumnNotFoundError(f"{step} is for the column {name!r}, which the table lacks. {hint(name, known)}")
        if name == data.target:
            raise SpecError(f"{step} is for the column {name!r}, which is the target. Name columns to learn from.")
    if where.columns:
        return list(where.columns)
    if not where.kind:
        return None
    found = [column.name for column in data.columns if _of_kind(column, where.kind)]
    if not found:
        there = ", ".join(sorted({column.kind for column in data.features}))
        raise SpecError(f"{step} is for columns of the kind {where.kind!r}, and there is none. There are: {there}.")
    return found


def _of_kind(column: Column, kind: str) -> bool:
    # free text is set aside by itself, for want of a step that reads it
    own = column.role == "feature" or (column.role == "set_aside" and _aside_by_itself(column))
    return own and column.kind == kind


def _aside_by_itself(column: Column) -> bool:
    return column.kind in ("text", "identifier") and column.reason != "excluded by hand"


def _meant(data: Dataset, part: Part) -> list[Column]:
    """Return the columns that a step is for, fitting or not."""
    if part.where.columns:
        return [c for c in data.columns if c.name in part.where.columns and c.name != data.target]
    if part.where.kind:
        return [c for c in data.columns if _of_kind(c, part.where.kind)]
    if part.treats == "text":
        return [c for c in data.columns if _of_kind(c, "text")]
    return data.features


def _way(part: Part, column: Input, kind: str) -> str:
    """Return what of a column a step takes over: "dates", "filled", "encoded"; empty where it cannot treat it."""
    words = column.storage == "text"
    if part.treats == "dates":
        return "dates" if column.storage == "datetime" else ""
    if part.treats == "text":
        return "encoded" if words else ""
    if part.treats == "categories":
        numbers = part.takes_numbers and part.where.limited and column.storage == "number"
        return "encoded" if (words or numbers) and (part.where.limited or kind != "text") else ""
    if words:
        return "filled" if part.filler is not None else ""
    return "filled" if column.block == "numbers" or part.where.columns else ""


def _why(part: Part, column: Input) -> str:
    wanted = {"dates": "dates", "text": "text", "categories": "categories", "numbers": "numbers"}[part.treats]
    has = {"number": "numbers", "datetime": "dates", "text": "words"}[column.storage]
    return f"it holds {has}, and the step is for {wanted}"


def _parts_of(name: str, options: Mapping[str, Any], known: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in options["parts"]:
        new = f"{name} {part}"
        while new in known:
            new += "_"
        found[new] = part
    return found


def _blocks(
    inputs: Sequence[Input], taken: Mapping[tuple[str, str], Part], dates: Mapping[str, Mapping[str, str]]
) -> list[Block]:
    grouped: dict[tuple[Treated, Part | None, Part | None], list[str]] = {}
    for entry in inputs:
        encoder, filler = taken.get(("encoded", entry.name)), taken.get(("filled", entry.name))
        if entry.name in dates:
            # the new columns are numbers like any other
            usual = next((part for part in taken.values() if part.treats == "numbers" and not part.where.limited), None)
            grouped.setdefault(("numbers", None, usual), []).extend(dates[entry.name])
        elif encoder is not None:
            fills = filler if encoder.treats == "categories" and not encoder.shares else None
            treated: Treated = "text" if encoder.each else "categories"
            if entry.storage != "text":
                treated = "flags"
            grouped.setdefault((treated, encoder, fills), []).append(entry.name)
        elif entry.storage != "text" and filler is not None:
            grouped.setdefault(("numbers", None, filler), []).append(entry.name)
        else:
            grouped.setdefault((entry.block, None, filler), []).append(entry.name)
    blocks: list[Block] = []
    for (treated, encoder, filler), columns in sorted(grouped.items(), key=lambda item: _rank(*item[0])):
        part = encoder if encoder is not None else filler if treated == "numbers" else None
        if part is not None and part.each:
            blocks += [
                Block(f"{part.id}_{number}", treated, [name], part.maker, True)
                for number, name in enumerate(columns, 1 + sum(b.name.startswith(f"{part.id}_") for b in blocks))
            ]
            continue
        own = filler if treated == "categories" else None
        limited = next((p for p in (part, own) if p is not None and p.where.limited), None)
        name = treated if limited is None else limited.id
        twice = sum(block.name.startswith(name) for block in blocks)
        maker = None if part is None else part.maker
        called = f"{name}_{twice + 1}" if twice else name
        blocks.append(Block(called, treated, columns, maker, filler=None if own is None else own.filler))
    return blocks


def _rank(treated: Treated, encoder: Part | None, filler: Part | None) -> tuple[int, bool]:
    limited = any(part is not None and part.where.limited for part in (encoder, filler))
    return _ORDER.index(treated), limited
