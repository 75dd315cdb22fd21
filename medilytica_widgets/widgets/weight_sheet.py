"""How a network's weights and gradients look and how they got there."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import traitlets

from .. import algorithms
from ..engine.ailments import layer_notes
from ..errors import MedilyticaError, StateError
from ..report import html
from ._base import Answer, serves
from ._latest_run import ENDED, FollowsRuns, source_of
from ._remarks import remarks, usual_gradient

if TYPE_CHECKING:
    from ..engine import WeightSheet as Sheet
    from ..experiment import Experiment
    from ..run import Run

GAP = 0.25
"""Seconds between two sheets on the wire."""
LOOK_SECONDS = 0.5
INTEREST_SECONDS = 60.0
"""For how long sheets are sent after a page last asked: one that shows them asks again in time."""
COURSE = ("norm", "gradient_norm", "update_ratio")
"""The columns whose course is drawn."""
POINTS = 96

HELP = (
    (
        "norm",
        "norm",
        "The size of all these weights together (Euclidean norm). It grows while a network learns; if it shoots up, "
        "the learning rate is too large.",
    ),
    (
        "gradient_norm",
        "gradient norm",
        "The size of the gradient that the last step followed: how steep the loss is here. It usually falls slowly. "
        "Where it is almost 0 in early layers only, it vanishes on its way back.",
    ),
    (
        "update_ratio",
        "update ratio",
        "How much one step changes the weights, as a part of their size. About 0.001 is healthy; above 0.1 what was "
        "learned is overwritten, below 0.00001 hardly anything is learned.",
    ),
    (
        "stuck",
        "stuck units",
        "The part of the units behind these weights that no longer reacts: dead ones (relu, always off) or saturated "
        "ones (tanh, sigmoid, at a flat end). Such units do not learn.",
    ),
    ("mean", "mean", "The average of these weights. It is near 0 as a rule."),
    (
        "std",
        "std",
        "How far the weights lie apart (standard deviation). 0 would mean that all units do the same.",
    ),
    ("min", "min", "The smallest weight."),
    ("max", "max", "The largest weight. One far from all others can rule its unit."),
)
"""The table's columns: id, heading, and what it tells a learner."""


class WeightSheet(FollowsRuns):
    """Statistics of every parameter of the latest run's network, with their course and what is unhealthy in them.

    Parameters
    ----------
    source : Experiment or Run
        An experiment, whose latest run is followed, or one run.
    """

    run = traitlets.Dict(allow_none=True, default_value=None, help="The run, and why it has no sheet").tag(sync=True)
    columns = traitlets.List(traitlets.Dict(), help="The columns: id, heading, and what it means").tag(sync=True)

    def __init__(self, source: Experiment | Run, **kwargs: Any) -> None:
        self.source = source_of(self, source)
        self._sent: tuple[str, int] = ("", 0)
        self._sent_at = self._asked_at = -math.inf
        self._usual: dict[str, float] = {}
        self._status = ""
        super().__init__(**kwargs)
        with self.together():
            self.columns = [{"id": name, "label": label, "help": words} for name, label, words in HELP]
            self.set_trait("run", _run_state(self.shown_run))
        self.follow_source(self.source, ("status_changed", "telemetry_advanced"))

    def update_view(self) -> None:
        """Say which run is shown; send the latest sheet to the pages that look at it, at most four times a second."""
        run = self.shown_run
        with self.together():
            self.set_trait("run", _run_state(run))
        if run is None:
            return
        now, status = time.monotonic(), run.status
        ended = status in ENDED and status != self._status
        watched = now - self._asked_at < INTEREST_SECONDS
        if watched and (status == "running" or status != self._status):
            self.mark_later(LOOK_SECONDS)
        self._status = status
        count, latest = len(run.sheets), run.sheets.latest
        if latest is None or not watched or self._sent == (run.id, count):
            return
        if now - self._sent_at < GAP and not ended:
            self.mark_later(self._sent_at + GAP - now)
            return
        self._sent, self._sent_at = (run.id, count), now
        self.emit("sheet.values", self._told(run, latest, count), {"values": latest.values.astype(np.float32)})

    @serves("sheet.read")
    def _read(self, body: dict[str, Any]) -> Answer:
        run = self.run_of(body["run"])
        if run is None:
            raise StateError("That run is not part of this experiment any more; run the cell again.")
        self._asked_at = time.monotonic()
        self.mark_later(GAP)
        cursor = max(int(body["cursor"]), 0)
        sheets, count = run.sheets.read(cursor)
        latest = run.sheets.latest
        if latest is None:
            return Answer({"run": run.id, "cursor": cursor, "count": 0, "epoch": 0.0, "step": 0, "remarks": []})
        told = {**self._told(run, latest, count), "cursor": cursor, "rows": _rows(run, latest)}
        # evenly over the course, both ends among them
        drawn = [sheets[k] for k in sorted({round(at) for at in np.linspace(0, len(sheets) - 1, POINTS)}) if sheets]
        course = np.array([[sheet.column(name) for name in COURSE] for sheet in drawn], dtype=np.float32)
        arrays: dict[str, npt.NDArray[Any]] = {
            "values": latest.values.astype(np.float32),
            "steps": np.array([sheet.step for sheet in drawn], dtype=np.float64),
            "course": course.reshape(len(drawn), len(COURSE), len(latest.names)),
        }
        return Answer(told, arrays)

    def _told(self, run: Run, sheet: Sheet, count: int) -> dict[str, Any]:
        return {
            "run": run.id,
            "count": count,
            "epoch": float(sheet.epoch),
            "step": int(sheet.step),
            "remarks": remarks(sheet, self._usual_of(run)),
        }

    def _usual_of(self, run: Run) -> float | None:
        if run.id not in self._usual:
            usual = usual_gradient(run.sheets.read(0)[0])
            if usual is None:
                return None
            self._usual = {run.id: usual}
        return self._usual[run.id]

    def static_html(self) -> str:
        """Return the last sheet as a table and what is to be said of it."""
        run = self.shown_run
        state = _run_state(run)
        latest = run.sheets.latest if run is not None else None
        if run is None or state is None or latest is None:
            words = state["none"] if state is not None else "Nothing was trained, so there are no weights."
            return html.section("Weights", html.sentence(words))
        import pandas as pd

        frame = pd.DataFrame({"parameter": [row["label"] for row in _rows(run, latest)]})
        frame["shape"] = [" × ".join(map(str, shape)) for shape in latest.shapes]
        for name, label, _ in HELP:
            if name != "stuck":
                frame[label] = [float(f"{value:.3g}") for value in latest.column(name).tolist()]
                continue
            pairs = zip(latest.column("dead").tolist(), latest.column("saturated").tolist(), strict=True)
            frame[label] = [_stuck_words(*pair) for pair in pairs]
        labels = {name: label for name, label, _ in HELP} | {"dead": "stuck units", "saturated": "stuck units"}
        said = [
            html.sentence(
                f"{frame['parameter'][found['row']]}, {labels[found['column']]}: {found['words']}",
                "warning" if found["level"] == "warning" else "note",
            )
            for found in remarks(latest, self._usual_of(run))
        ]
        caption = f"After {latest.step} steps, at epoch {latest.epoch:.4g}."
        table = html.table(frame, caption=caption, rows=60, index=False)
        return html.section("Weights", html.card(run.name, table, *said), note=f"{run.name}, {run.status}")


def _stuck_words(dead: float, saturated: float) -> str:
    told = [f"{share:.0%} {word}" for share, word in ((dead, "dead"), (saturated, "saturated")) if math.isfinite(share)]
    return ", ".join(told) or "–"


def _run_state(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {"id": run.id, "name": run.name, "status": run.status, "none": _none(run)}


def _none(run: Run) -> str:
    """Return why there is no sheet of a run; empty where there is one."""
    if len(run.sheets):
        return ""
    algorithm = algorithms.get(run.algorithm)
    if algorithm.engine != "torch":
        return f"{algorithm.name} has no weights that are learned in steps, so there is nothing to look at here."
    if run.status in ENDED:
        return "This run ended before its first sheet was made."
    return "The first sheet is on its way…" if run.status == "running" else "Sheets come while the run trains."


def _rows(run: Run, sheet: Sheet) -> list[dict[str, Any]]:
    """Return what to call each parameter: after its layer where that is known, else by its own name."""
    job = run.trainer.job
    try:
        notes = layer_notes(job.layers, job.n_features, job.n_classes)
    except MedilyticaError:
        notes = ()
    rows: list[dict[str, Any]] = [
        {"name": name, "label": name, "title": name, "shape": list(shape)}
        for name, shape in zip(sheet.names, sheet.shapes, strict=True)
    ]
    for note in notes:
        for at, what in ((note.parameter, "weights"), (note.parameter + 1, "biases")):
            if at < len(rows) and len(sheet.shapes[at]) == (2 if what == "weights" else 1):
                layer = note.title.split(" (")[0].removeprefix("the ")
                rows[at] |= {"label": f"{layer} {what}", "title": f"{rows[at]['name']}: {what} of {note.title}"}
    return rows
