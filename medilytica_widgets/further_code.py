"""The parts of a program that prepare and score what the further heads of a network learn."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Sequence
from typing import Literal

from .data import Dataset, DataSpec
from .data.source_code import load_lines
from .engine.heads import HeadPlan
from .metrics import score_lines


def with_roles(data: Dataset, role: Literal["feature", "set_aside"], plans: Sequence[HeadPlan]) -> Dataset:
    """Return the data set as it is, but with the columns that these heads learn in another role."""
    if not plans:
        return data
    names = {plan.head.target for plan in plans} - {data.target}
    view = copy.copy(data)
    view.columns = [dataclasses.replace(c, role=role) if c.name in names else c for c in data.columns]
    return view


def loading_lines(spec: DataSpec, data: Dataset, plans: Sequence[HeadPlan]) -> list[str]:
    """Return lines that define ``frame``, with the columns that the heads learn clean too."""
    lines = load_lines(spec, with_roles(data, "feature", plans))
    learned = [plan.head.target for plan in plans if data.cells[plan.head.target].storage == "number"]
    learned = [name for name in dict.fromkeys(learned) if name != data.target]
    if learned:
        names = ", ".join(map(json.dumps, learned))
        lines += ["# what heads learn is no feature", f"numbers = [name for name in numbers if name not in [{names}]]"]
    return lines


def further_lines(data: Dataset, plans: Sequence[HeadPlan]) -> list[str]:
    """Return lines that define ``<head>_train``, ``<head>_validation`` and ``<head>_test``; NaN where there is none.

    Of classes they hold positions in ``<head>_classes``.
    """
    lines: list[str] = []
    for plan in plans:
        name, column = plan.name, f"frame[{json.dumps(plan.head.target)}]"
        lines += ["", f"# what the head {name} learns"]
        values = column
        if plan.task == "classification":
            lines.append(f"{name}_classes = {list(plan.classes)!r}")
            numbers = data.cells[plan.head.target].storage != "text"
            there = f"sorted({column}.dropna().unique())" if numbers else f"{name}_classes"
            values = f"{column}.map({{value: index for index, value in enumerate({there})}})"
        parts = ", ".join(f"{name}_{part}" for part in ("train", "validation", "test"))
        lines += [
            f"column = {values}",
            f"{parts} = (column.iloc[rows].to_numpy(np.float32) for rows in (train, validation, test))",
        ]
    return lines


def further_scores(plan: HeadPlan) -> list[str]:
    """Return lines that print a head's metrics on the test rows whose answer is known, ``<head>_<metric> value``."""
    name = plan.name
    names = ["predicted", *(["probabilities"] if plan.task == "classification" else [])]
    lines = score_lines(plan.task, plan.n_classes)
    imports = [line for line in lines if line.startswith("from ")]
    body = [line.replace("print(name,", f'print("{name}_" + name,') for line in lines if line not in imports]
    kind = "np.int64" if plan.task == "classification" else "np.float64"
    return [
        *imports,
        "",
        f"known = ~np.isnan({name}_test)",
        f"y_test = {name}_test[known].astype({kind})",
        *(f"{one} = {name}_{one}[known]" for one in names),
        *([f"classes = {name}_classes"] if plan.task == "classification" else []),
        *body,
    ]
