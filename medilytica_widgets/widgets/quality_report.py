"""What may be wrong with a table, what to do about it, and the score that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from .. import figures
from ..errors import WireError
from ..report import Html, card, figure, format_value, grouped, join, key_values, section, sentence, table
from ._base import BaseWidget, serves

if TYPE_CHECKING:
    import pandas as pd

    from ..data import Dataset, Finding, Quality
    from ..experiment import Experiment

#: Findings that travel to a page; a table of thousands of columns may have thousands.
MOST_FINDINGS = 300
#: Example rows of one finding that are shown, and the columns beside those that it is about.
EXAMPLES = 12
COLUMNS_BESIDE = 5
_LONGEST = 160
_NAMES_SHOWN = 40
_STATIC_ROWS = 3
_STATIC_FINDINGS = 40
_WORDS = {"error": "Error", "warning": "Warning", "note": "Note"}
_KINDS: dict[str, Any] = {"error": "error", "warning": "warning", "note": "note"}


class QualityReport(BaseWidget):
    """The findings of `Dataset.quality` by severity, each with example rows and advice, and the score with its parts.

    Parameters
    ----------
    data : Dataset, DataFrame or Experiment
        A DataFrame, or anything else that `load_dataset` reads, is loaded as a dataset first.
    """

    title = traitlets.Unicode(help="The table's name").tag(sync=True)
    report = traitlets.Dict(help="Score, parts, memory and findings in plain values").tag(sync=True)

    def __init__(self, data: Dataset | pd.DataFrame | Experiment, **kwargs: Any) -> None:
        self.data: Dataset = dataset_of(data)
        quality = self.data.quality()
        self._findings = quality.findings[:MOST_FINDINGS]
        self.title = self.data.name
        self.report = _told(self.data, quality)
        super().__init__(**kwargs)

    @serves("quality.rows")
    def _rows(self, body: dict[str, Any]) -> dict[str, Any]:
        place = body["finding"]
        if not 0 <= place < len(self._findings):
            raise WireError(f"There is no finding {place}; the table has {len(self._findings)}.")
        rows, names = self._examples(self._findings[place])
        cells = [
            [format_value(value)[:_LONGEST] for value in values]
            for values in self.data.frame[names].iloc[rows].itertuples(index=False, name=None)
        ]
        about = set(self._findings[place].columns)
        return {"rows": rows, "columns": [{"name": name, "about": name in about} for name in names], "cells": cells}

    def _examples(self, finding: Finding) -> tuple[list[int], list[str]]:
        """Return the first rows of a finding, and its columns with some that help to recognise the rows."""
        known = [name for name in finding.columns if name in self.data.frame.columns][:EXAMPLES]
        ids = [c.name for c in self.data.columns if c.kind == "identifier"]
        target = [self.data.target] if self.data.target is not None else []
        aside = (c.name for c in self.data.columns if c.kind not in ("empty", "identifier"))
        others = [*ids[:1], *target, *(c.name for c in self.data.features), *aside]
        most = COLUMNS_BESIDE if known else EXAMPLES
        beside = [name for name in dict.fromkeys(others) if name not in known][:most]
        return finding.rows[:EXAMPLES], [*known, *beside]

    def static_html(self) -> str:
        """Return the score with its parts and every finding with its advice and some rows."""
        report, quality = self.report, self.data.quality()
        parts: list[Html] = [
            card(
                f"Quality score: {quality.score} of 100",
                figure(figures.score_parts(report["parts"])),
                key_values({part["name"]: _part_words(part) for part in report["parts"]}),
            )
        ]
        if not self._findings:
            parts.append(sentence("Nothing was found that needs attention."))
        for finding in self._findings[:_STATIC_FINDINGS]:
            parts.append(self._card(finding))
        left = len(quality.findings) - min(len(self._findings), _STATIC_FINDINGS)
        if left:
            parts.append(sentence(f"{grouped(left)} more findings are left out here."))
        shape = f"{grouped(report['rows'])} rows × {grouped(report['columns'])} columns."
        return section(f"Quality of {self.title}", *parts, note=shape)

    def _card(self, finding: Finding) -> Html:
        rows, names = self._examples(finding)
        shown: Html | None = None
        if rows:
            caption = f"Row{'s' if len(rows) > 1 else ''} concerned: {grouped(finding.count)}"
            shown = table(self.data.frame[names].iloc[rows[:_STATIC_ROWS]], caption=caption, rows=_STATIC_ROWS)
        return card(
            f"{_WORDS[finding.severity]}: {finding.kind.value.replace('_', ' ')}",
            sentence(finding.message, _KINDS[finding.severity]),
            join(sentence(f"What to do: {finding.advice}"), shown),
        )


def dataset_of(given: Any) -> Dataset:
    """Return the dataset to show: itself, an experiment's, or what `load_dataset` makes of anything else."""
    from ..data import Dataset, load_dataset
    from ..experiment import Experiment

    if isinstance(given, Experiment):
        return given.data
    return given if isinstance(given, Dataset) else load_dataset(given)


def _part_words(part: dict[str, Any]) -> str:
    return f"{part['points']:.3g} of {part['most']:g}{': ' if part['reason'] else ''}{part['reason']}"


def _told(data: Dataset, quality: Quality) -> dict[str, Any]:
    memory = quality.memory
    return {
        "score": quality.score,
        "rows": len(data),
        "columns": len(data.columns),
        "parts": [
            {"name": part.name, "points": round(part.points, 2), "most": part.most, "reason": part.reason}
            for part in quality.parts
        ],
        "memory": None
        if memory is None
        else {"table": memory.table, "training": memory.training, "available": memory.available},
        "total": len(quality.findings),
        "findings": [
            {
                "kind": finding.kind.value,
                "severity": finding.severity,
                "columns": finding.columns[:_NAMES_SHOWN],
                "message": finding.message,
                "advice": finding.advice,
                "count": finding.count,
                "examples": len(finding.rows[:EXAMPLES]),
            }
            for finding in quality.findings[:MOST_FINDINGS]
        ],
    }
