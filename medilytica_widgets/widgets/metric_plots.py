"""Learning curves of the latest run, growing while it trains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import traitlets

from .. import algorithms, figures
from ..engine.heads import history_heads
from ..engine.telemetry import METRIC
from ..errors import StateError
from ..report import html, static
from ._base import Answer, experiment_of, serves
from ._latest_run import FollowsRuns, unit_of

if TYPE_CHECKING:
    from ..experiment import Experiment
    from ..run import Run

_HEIGHT = 230
_LETTERS = 28
_ROWS_AN_ANSWER = 50_000
_TITLES = {
    "classification": ("loss (cross entropy)", "accuracy"),
    "regression": ("loss (squared error)", "mean absolute error"),
    "clustering": ("loss (of the method itself)", "silhouette"),
    "anomaly": ("loss (none)", "part called unusual"),
    "transform": ("loss (way back, squared error)", "explained variance"),
}


@dataclass(frozen=True)
class _Head:
    """One of several heads: its name, its readable metric, and its weight where that is not learned."""

    name: str
    metric: str
    weight: float | None

    @property
    def columns(self) -> list[str]:
        """Of the history, those that a page draws."""
        curves = [f"{part}_{self.name}_{what}" for what in ("loss", self.metric) for part in ("train", "val")]
        return curves if self.weight is not None else [*curves, f"weight_{self.name}"]

    @property
    def panels(self) -> list[tuple[str, str]]:
        """The names and titles of its two curves."""
        # a title is one line of a chart that may be narrow
        name = self.name if len(self.name) <= _LETTERS else f"{self.name[: _LETTERS - 1]}…"
        words = self.metric.replace("_", " ")
        return [(f"{self.name}_loss", f"{name}: loss"), (f"{self.name}_{self.metric}", f"{name}: {words}")]


class MetricPlots(FollowsRuns):
    """Training and validation curves of the latest run: the loss, and accuracy or mean absolute error.

    Rows travel once: a page asks for the curve so far, then every new row reaches all pages in one small
    message. Changes made while training stand on the curve where they acted.

    Parameters
    ----------
    experiment : Experiment
    """

    DRAWS_BY_PLOTLY = True

    run = traitlets.Dict(allow_none=True, default_value=None, help="The latest run").tag(sync=True)
    columns = traitlets.List(traitlets.Unicode(), help="What the rows of a curve hold, in order").tag(sync=True)
    metric = traitlets.Unicode(help="The metric of the second chart").tag(sync=True)
    figures = traitlets.List(traitlets.Dict(), help="The two figures without rows").tag(sync=True)
    heads = traitlets.List(
        traitlets.Dict(),
        help="Of a run with several heads each one's name, two curves with their figures, and weight (null: learned)",
    ).tag(sync=True)

    def __init__(self, experiment: Experiment, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        # what the traits about the columns were made from
        self._told: tuple[str, list[_Head]] | None = None
        # what was sent to everyone: of which run, how many rows and how many marks
        self._sent: tuple[str, int, int] = ("", 0, 0)
        super().__init__(**kwargs)
        with self.together():
            self._show_task()
            self.set_trait("run", _run_state(experiment.run))
        latest = experiment.run
        if latest is not None:
            # a page that opens now asks for these rows itself
            self._sent = (latest.id, len(latest.telemetry), len(latest.marks))
        self.follow_runs(experiment, ("status_changed", "telemetry_advanced", "marked"))
        self.follow(experiment.run_ended, self.refresh_static)

    def _task(self) -> str:
        """Return what the latest run does, which decides on the metric; what the next one will do before the first."""
        run = self.experiment.run
        if run is None:
            return self.experiment.task
        return str(algorithms.get(run.algorithm).task_for(self.experiment.target_task))

    def _several(self) -> list[_Head]:
        """Return the heads of the latest run, where it has several; the first is the main one."""
        run = self.experiment.run
        heads = run.trainer.job.heads if run is not None else ()
        weights = [None if head.weight == "uncertainty" else float(head.weight) for head in heads]
        known = zip(history_heads(heads), weights, strict=False)
        return [_Head(name, metric, weight) for (name, metric), weight in known]

    def _show_task(self) -> None:
        task, several = self._task(), self._several()
        if self._told == (task, several):
            return
        self._told = (task, several)
        metric = METRIC[task]
        self.metric = metric
        self.columns = ["epoch", "train_loss", "val_loss", f"train_{metric}", f"val_{metric}"] + [
            column for head in several for column in head.columns
        ]
        self.heads = [
            {
                "name": head.name,
                "loss": f"{head.name}_loss",
                "metric": f"{head.name}_{head.metric}",
                "weight": head.weight,
                "figures": _skeletons(head.panels),
            }
            for head in several
        ]
        self.figures = _skeletons(_panels(task, several))

    def update_view(self) -> None:
        """Say which run is shown and send everyone its new rows and marks."""
        run = self.experiment.run
        with self.together():
            self._show_task()
            self.set_trait("run", _run_state(run))
        if run is None:
            return
        run_id, cursor, known = self._sent
        if run_id != run.id:
            cursor = known = 0
        rows, total = self._rows(run, cursor)
        marks = run.marks
        if total == cursor and len(marks) == known:
            return
        body: dict[str, Any] = {"run": run.id, "cursor": cursor}
        if len(marks) > known:
            body["marks"] = [_mark_json(mark) for mark in marks[known:]]
        self._sent = (run.id, total, len(marks))
        self.emit("curve.rows", body, {"rows": rows} if total > cursor else None)

    @serves("curve.read")
    def _read(self, body: dict[str, Any]) -> Answer:
        run = next((run for run in self.experiment.runs if run.id == body["run"]), None)
        if run is None:
            raise StateError("That run is not part of this experiment any more; run the cell again.")
        cursor = max(int(body["cursor"]), 0)
        rows, total = self._rows(run, cursor)
        marks = [_mark_json(mark) for mark in run.marks]
        answer = {"run": run.id, "cursor": cursor, "total": total, "marks": marks}
        return Answer(answer, {"rows": rows[:_ROWS_AN_ANSWER]})

    def _rows(self, run: Run, cursor: int) -> tuple[npt.NDArray[np.float64], int]:
        """Return the shown columns of the rows from ``cursor`` on, shape (n, columns), and how many rows there are."""
        read, total = run.telemetry.read(cursor)
        count = max(total - cursor, 0)
        missing = np.full(count, np.nan)
        table = np.column_stack([read.get(name, missing) for name in self.columns])
        return table.reshape(count, len(self.columns)), total

    def static_html(self) -> str:
        """Return both charts, interactive, of the latest run."""
        run = self.experiment.run
        if run is None or len(run.telemetry) == 0:
            return html.section("Curves", html.sentence("Nothing was trained, so there is no curve."))
        history, _ = run.telemetry.read(0)
        best = run.progress()["best_epoch"]
        several = self._several()
        cards = [
            html.card(
                "",
                static.figure(
                    figures.curves(history, name, title=title, marks=run.marks, best_epoch=best, height=_HEIGHT)
                ),
            )
            for name, title in [*_panels(self._task(), several), *(panel for head in several for panel in head.panels)]
        ]
        ended = f"{run.name}, {run.status}, {len(run.telemetry)} {unit_of(algorithms.get(run.algorithm))}s"
        return html.section("Curves", html.grid(*cards, narrowest=380), note=ended)


def _panels(task: str, several: list[_Head]) -> list[tuple[str, str]]:
    """Return the names and titles of a run's own two curves; of several heads the sum, and the main one's metric."""
    titles = _TITLES[task] if not several else ("total loss of all heads", several[0].panels[1][1])
    return list(zip(("loss", METRIC[task]), titles, strict=True))


def _skeletons(panels: list[tuple[str, str]]) -> list[figures.Figure]:
    return [figures.curves({}, name, title=title, height=_HEIGHT) for name, title in panels]


def _run_state(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    epochs = run.progress().get("epochs") or 0
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "epochs": int(epochs),
        "unit": unit_of(algorithms.get(run.algorithm)),
    }


def _mark_json(mark: Any) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)

    return {
        "epoch": float(mark.epoch),
        "name": str(mark.name),
        "before": plain(mark.before),
        "after": plain(mark.after),
        "author": mark.author,
    }
