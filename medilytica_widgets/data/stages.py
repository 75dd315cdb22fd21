"""A preparation step by step: what each step makes of the training rows, to look at.

It is fitted on training rows only, as for a run, on a sample of them where there are many.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .dataset import Dataset
from .layout import Layout, chosen, layout_of
from .plan import Link, Matrix, Plan, fit_links, output_names, sources_after
from .preprocess import Preprocessor
from .spec import Task
from .splits import Split, group_codes
from .target import class_names, target_of

#: The most training rows that are looked at, and the most cells of the table's features.
ROWS = 5_000
CELLS = 2_000_000
#: The most columns beside each other, rows below each other, bars, and names in the menu.
COLUMNS = 6
FIRST = 5
BINS = 16
NAMED = 300
CLASSES = 12
_LONGEST = 60


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns before or after a step.

    Parameters
    ----------
    names : list of str
    sources : list of str
        The table's column that each came from; empty for a mixture of several.
    values : callable
        ``values(place)`` returns a column's values.
    """

    names: list[str]
    sources: list[str]
    values: Callable[[int], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Stage:
    """What one step does.

    Parameters
    ----------
    form : {"default", "part", "link"}
        The default preparation, a step on the table's own columns, or one on the matrix.
    number : int
        Which of the plan's parts or links it is.
    width : int
        Columns of the whole matrix after it.
    before, after : Columns
        Those that it touches, and what came of them.
    """

    form: Literal["default", "part", "link"]
    number: int
    width: int
    before: Columns
    after: Columns


def sampled_rows(data: Dataset, split: Split) -> NDArray[np.int64]:
    """Return the training rows that are looked at, in the table's order; the same for the same split."""
    rows = np.sort(split.train)
    most = min(ROWS, max(200, CELLS // max(1, len(data.features))))
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(split.seed).choice(rows, most, replace=False))


def stages(
    data: Dataset, rows: NDArray[np.int64], plan: Plan, task: Task | None, without: Collection[str] = ()
) -> Iterator[Stage]:
    """Fit a plan step by step on some rows, and yield what each step does: the default preparation, parts, links.

    Parameters
    ----------
    data : Dataset
    rows : ndarray of int64
        Training rows, of `sampled_rows`.
    plan : Plan
    task : {"classification", "regression"} or None
        What the target asks for.
    without : collection of str
        Columns that are no features.

    Raises
    ------
    DataError, ParameterError, SpecError
        The step that would have come next cannot be fitted on these rows.
    """
    part = _of_rows(data, rows)
    y = _target(data, task)[rows]
    every = np.arange(len(rows), dtype=np.int64)
    before: Layout | None = None
    names: list[str] = []
    sources: list[str] = []
    matrix: NDArray[Any] = np.empty((0, 0), dtype=np.float32)
    for count in range(len(plan.parts) + 1):
        prefix = Plan(plan.parts[:count])
        layout = layout_of(part, prefix, without)
        fitted, matrix, _ = Preprocessor.fit_transform(part, every, without, prefix, y)
        names, sources = fitted.first_columns()
        touched = [entry.name for entry in layout.inputs]
        if before is not None:
            touched = [name for name in touched if _treated(before, name) != _treated(layout, name)]
        before = layout
        yield Stage(
            "part" if count else "default",
            max(0, count - 1),
            len(names),
            Columns(touched, touched, partial(_cells_of, part, touched)),
            _chosen_columns(matrix, names, sources, [k for k, source in enumerate(sources) if source in set(touched)]),
        )
    for number, link in enumerate(plan.links):
        resolved, steps, after = fit_links(
            Plan(links=(link,)), Matrix(matrix, names, sources), y, partial(_limits, part)
        )
        places = resolved.links[0].places
        new_names = output_names(steps[0], names)
        new_sources = sources_after(steps[0], names, sources, new_names)
        # where it acts on some columns, what came of them stands before the others
        made = len(new_names) if places is None else len(new_names) - (len(names) - len(places))
        acted = list(range(len(names))) if places is None else list(places)
        yield Stage(
            "link",
            number,
            len(new_names),
            _chosen_columns(matrix, names, sources, acted),
            _chosen_columns(after, new_names, new_sources, list(range(made))),
        )
        matrix, names, sources = after, new_names, new_sources


def said_alone(message: str) -> str:
    """Return what a failing step says without its number, which is that of another count than a person sees."""
    return re.sub(r"^Step \d+, (.+?), (is|cannot|leaves|gives) ", r"\1 \2 ", message)


def picture(stage: Stage, column: str = "") -> dict[str, Any]:
    """Return a column before a step and what came of it, as plain values.

    Parameters
    ----------
    stage : Stage
    column : str
        One of those before the step; the first that it touches when it is none of them.

    Returns
    -------
    dict
        ``column``; ``names``: those that can be asked for; ``unnamed``: how many more there are; ``before`` and
        ``after``: a list of columns, each with ``name``, ``cells`` of the first rows and ``bars``; ``more``: columns
        after the step that are left out.
    """
    before, after = stage.before, stage.after
    place = before.names.index(column) if column in before.names else 0
    if not before.names:
        return {"column": "", "names": [], "unnamed": 0, "before": [], "after": [], "more": 0}
    name, source = before.names[place], before.sources[place]
    same = [k for k, found in enumerate(after.names) if found == name]
    new = [
        k
        for k, found in enumerate(after.names)
        if k not in same and source and after.sources[k] == source and (found not in before.names)
    ]
    mixed = [k for k, found in enumerate(after.sources) if not found and k not in same]
    found = [*same, *new, *mixed]
    return {
        "column": name,
        "names": before.names[:NAMED],
        "unnamed": max(0, len(before.names) - NAMED),
        "before": [_shown(name, before.values(place))],
        "after": [_shown(after.names[k], after.values(k)) for k in found[:COLUMNS]],
        "more": max(0, len(found) - COLUMNS),
    }


def described(data: Dataset, split: Split, task: Task | None) -> dict[str, Any]:
    """Return a split in numbers, as plain values.

    Returns
    -------
    dict
        ``parts``: rows of train, validation and test; ``left_out``: rows in none; ``classes``: name and rows in each
        part of the most frequent ones; ``others``: classes left out of this list; ``groups``: how many are in each
        part, empty where no column tells groups; ``means``: of a numeric target in each part; ``stratified``;
        ``notes``.
    """
    parts = [split.train, split.validation, split.test]
    y = _target(data, task)
    classes: list[dict[str, Any]] = []
    names = class_names(data) if task == "classification" else []
    if names:
        counts = np.stack([np.bincount(y[rows].astype(np.int64), minlength=len(names)) for rows in parts])
        order = np.argsort(-counts.sum(axis=0), kind="stable")[:CLASSES]
        classes = [{"name": str(names[k])[:_LONGEST], "rows": [int(n) for n in counts[:, k]]} for k in order]
    groups: list[int] = []
    if split.method in ("grouped", "group_kfold"):
        codes = group_codes(pd.Series(data.cells[split.column].values))
        groups = [len(np.unique(codes[rows])) for rows in parts]
    return {
        "parts": [len(rows) for rows in parts],
        "left_out": len(data) - sum(map(len, parts)),
        "classes": classes,
        "others": max(0, len(names) - len(classes)),
        "groups": groups,
        "means": [float(y[rows].mean()) for rows in parts] if task == "regression" else [],
        "stratified": split.stratified,
        "notes": list(split.notes),
    }


def _of_rows(data: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """Return a view of some rows; kinds and roles are those of the whole table."""
    part = copy.copy(data)
    part.cells = {
        column.name: replace(data.cells[column.name], values=data.cells[column.name].values[rows])
        for column in data.columns
    }
    part.frame = data.frame.iloc[rows]
    return part


def _target(data: Dataset, task: Task | None) -> NDArray[Any]:
    if task is None:
        return np.full(len(data), -1, dtype=np.int64)
    return target_of(data, task)[0].astype(np.int64 if task == "classification" else np.float32)


def _treated(layout: Layout, name: str) -> tuple[Any, ...]:
    """Return what tells how a layout treats a column."""
    own = set(layout.dates.get(name, ())) | {name}
    block = next((block for block in layout.blocks if own & set(block.columns)), None)
    parts = tuple(layout.dates.get(name, {}).values())
    if block is None:
        return (parts,)
    return (block.treated, id(block.maker), id(block.filler), name in layout.shared, parts)


def _limits(data: Dataset, link: Link) -> list[str] | None:
    return chosen(data, link.where, link.name)


def _cells_of(data: Dataset, names: Sequence[str], place: int) -> NDArray[Any]:
    return data.cells[names[place]].values


def _chosen_columns(
    matrix: NDArray[Any], names: Sequence[str], sources: Sequence[str], places: Sequence[int]
) -> Columns:
    return Columns(
        [names[k] for k in places], [sources[k] for k in places], lambda place: np.asarray(matrix[:, places[place]])
    )


def _shown(name: str, values: NDArray[Any]) -> dict[str, Any]:
    return {"name": name, "cells": [_plain(value) for value in values[:FIRST]], "bars": _bars(values)}


def _plain(value: Any) -> str | float | None:
    if value is None or value != value:
        return None
    if isinstance(value, (int, float, np.integer, np.floating)):
        return float(f"{float(value):.6g}")
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[s]")).replace("T", " ").removesuffix(" 00:00:00")
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _bars(values: NDArray[Any]) -> dict[str, Any] | None:
    present = values[~np.asarray(pd.isna(values), dtype=bool)]
    if not len(present):
        return None
    if present.dtype == object:
        codes, words = pd.factorize(present)
        counts = np.bincount(codes)
        order = np.argsort(-counts, kind="stable")
        items = [[str(words[k])[:_LONGEST], int(counts[k])] for k in order[:COLUMNS]]
        rest = int(counts[order[COLUMNS:]].sum())
        return {"form": "categories", "items": items, "others": max(0, len(order) - COLUMNS), "rest": rest}
    dates = present.dtype.kind == "M"
    # milliseconds since 1970, as a page counts
    numbers = present.astype("datetime64[us]").astype(np.int64) / 1000 if dates else present.astype(np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    if not low + (high - low) / BINS > low:
        # one value, or neighbours too close for bars between them
        return {"form": "histogram", "log": False, "dates": dates, "edges": [low, high], "counts": [len(numbers)]}
    counts, edges = np.histogram(numbers, bins=BINS)
    return {
        "form": "histogram",
        "log": False,
        "dates": dates,
        "edges": [float(edge) for edge in edges],
        "counts": [int(count) for count in counts],
    }
