"""What the model answers over two columns, moving while it learns."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import traitlets

from .. import algorithms, figures
from ..algorithms.base import SUPERVISED
from ..engine import Predictor
from ..errors import ColumnNotFoundError, InputError, MedilyticaError, StateError, hint
from ..evaluate import BoundaryGrid, boundary_columns
from ..report import html, static
from ._base import Answer, error_body, experiment_of, serves
from ._latest_run import FollowsRuns, unit_of
from ._main_head import heads_of, learned_beside, main_head_sentence

if TYPE_CHECKING:
    from ..evaluate import Boundary
    from ..experiment import Experiment
    from ..network import Head
    from ..run import Run

logger = logging.getLogger("medilytica_widgets")

# resolutions: where only points are shown, while a run trains, once it rests, in a report
ROUGH, COARSE, FINE, REPORT = (2, 2), (64, 64), (200, 200), (160, 160)
_SHOWS = "The picture shows"
_INTERVAL = 0.05
_IDLE_SECONDS = 5.0
_POLL_SECONDS = 0.1
# While a run trains, the picture takes at most this share of a processor from it.
_SHARE = 0.5

Arrays = dict[str, npt.NDArray[Any]]
Frame = tuple[dict[str, Any], Arrays]


class DecisionBoundary(FollowsRuns):
    """The classes (or values) that the latest run predicts over two columns, under rows of the test split.

    The other columns are held at a stated value. While a run trains, a coarse picture moves along; once it
    rests, a fine one follows. Nothing is computed that nobody sees: each picture waits until a page has
    painted the one before.

    Parameters
    ----------
    experiment : Experiment
    x, y : str, optional
        Two columns of numbers; the most telling pair when left out. Everyone sees the same pair.

    Raises
    ------
    ColumnNotFoundError, InputError
        For a column that is not a feature of numbers, or the same one twice.
    """

    ARGUMENTS = ("x", "y")

    axes = traitlets.Dict(help="The two columns, those to choose from, and why nothing can be drawn").tag(sync=True)
    classes = traitlets.List(traitlets.Unicode(), help="Names of the classes; empty for regression").tag(sync=True)
    target = traitlets.Unicode(help="The column that is predicted").tag(sync=True)
    about = traitlets.Unicode(help="Which of several heads is shown; empty for one head").tag(sync=True)
    held = traitlets.Unicode(help="At what the other columns are held").tag(sync=True)
    run = traitlets.Dict(allow_none=True, default_value=None, help="The run that is shown").tag(sync=True)

    def __init__(self, experiment: Experiment, x: str | None = None, y: str | None = None, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        self._news = threading.Condition()
        self._events = 0
        self._worker: threading.Thread | None = None
        self._ready = self._failed = False
        # what the last frame shows: columns, run, version of the model, whether fine
        self._shown: tuple[Any, ...] = ()
        self._latest: Frame | None = None
        self._number = 0
        self._grids: dict[tuple[Any, ...], BoundaryGrid] = {}
        self._all_columns = boundary_columns(experiment.data, experiment.prepared().split)
        heads = heads_of(experiment, experiment.run)
        self._columns = self._inputs(heads)
        reason = _reason(self._columns, experiment.task)
        first, second = ("", "") if reason else self._pair(x, y)
        super().__init__(**kwargs)
        with self.together():
            self.classes = list(experiment.data.classes) if experiment.task == "classification" else []
            self.target = str(experiment.data.target)
            self.about = "" if reason else main_head_sentence(heads, _SHOWS)
            self.axes = {"x": first, "y": second, "columns": self._columns, "reason": reason}
            self.set_trait("run", _run_state(experiment.run))
        if not reason:
            self.follow_runs(experiment, ("status_changed", "telemetry_advanced"))
        self.follow(experiment.run_ended, self.refresh_static)

    # --- what is chosen ---------------------------------------------------------------------------

    def _inputs(self, heads: Sequence[Head]) -> list[str]:
        learned = learned_beside(heads)
        return [name for name in self._all_columns if name not in learned]

    def _follow_heads(self) -> None:
        """Leave out what the latest run's further heads learn: these columns are not among its inputs."""
        heads = heads_of(self.experiment, self.experiment.run)
        columns = self._inputs(heads)
        self.about = main_head_sentence(heads, _SHOWS)
        if columns == self._columns:
            return
        self._columns = columns
        reason = _reason(columns, self.experiment.task)
        known = [name if name in columns else None for name in (self.axes["x"], self.axes["y"])]
        x, y = ("", "") if reason else self._pair(*known)
        self.axes = {"x": x, "y": y, "columns": columns, "reason": reason}

    def _pair(self, x: str | None, y: str | None) -> tuple[str, str]:
        """Return the two columns, those left out taken in the order of what they tell."""
        for name in (x, y):
            if name is not None and name not in self._columns:
                raise ColumnNotFoundError(
                    f"The boundary cannot show {name!r}; it shows columns of numbers that are learned from. "
                    f"{hint(name, self._columns)}"
                )
        if x is not None and x == y:
            raise InputError(f"The boundary needs two different columns; {x!r} was given twice.")
        rest = [name for name in self._columns if name not in (x, y)]
        return x or rest.pop(0), y or rest.pop(0)

    @serves("boundary.axes")
    def _choose(self, body: dict[str, Any]) -> None:
        if self.axes["reason"]:
            raise InputError(self.axes["reason"])
        x, y = self._pair(body["x"], body["y"])
        with self.together():
            self.axes = {**self.axes, "x": x, "y": y}
        # whoever chose is looking
        self._tell(ready=True)

    # --- pages and frames ---------------------------------------------------------------------------

    @serves("boundary.ready")
    def _on_ready(self, body: dict[str, Any]) -> Answer | None:
        if self.axes["reason"]:
            return None
        latest = self._latest
        self._tell(ready=True)
        if body["frame"] >= 0:
            return None
        # a page that has just opened sees at once what the others see
        return Answer({"frame": -1}) if latest is None else Answer(*latest)

    def update_view(self) -> None:
        """Say which run is shown and at what the other columns are held."""
        with self.together():
            if not self.axes["reason"]:
                self._follow_heads()
            self.set_trait("run", _run_state(self.experiment.run))

    def run_advanced(self, *_: Any) -> None:
        """Bring traits up to date and wake the worker; the slot of the run's signals."""
        self.mark()
        self._tell()

    def _tell(self, ready: bool = False) -> None:
        """Wake the worker, or start it; any thread, returns at once."""
        with self._news:
            self._events += 1
            self._ready = self._ready or ready
            if self._worker is None and self._ready and not self._closed and not self._headless:
                self._worker = threading.Thread(target=self._work, name="medilytica-boundary", daemon=True)
                self._worker.start()
            self._news.notify_all()

    def close(self) -> None:
        """Stop the worker and following. Safe to call twice."""
        super().close()
        # a constructor that refused its arguments has made no worker
        if not hasattr(self, "_news"):
            return
        with self._news:
            self._ready = False
            self._news.notify_all()

    def _work(self) -> None:
        """Compute frames while pages ask for them; end when nothing happened for a while."""
        while True:
            with self._news:
                asked = self._news.wait_for(lambda: self._ready or self._closed, _IDLE_SECONDS)
                if not asked or self._closed:
                    self._worker = None
                    return
                seen = self._events
            started = time.monotonic()
            try:
                made = self._next_frame()
            except Exception as error:
                self._fail(error)
                return
            if made is None:
                if not self._wait_for_news(seen):
                    return
                continue
            with self._news:
                self._ready = False
                self._latest = made
            if self._failed:
                self._failed = False
                with self.together():
                    self.set_trait("failure", None)
            self.emit("boundary.frame", *made)
            took = time.monotonic() - started
            pause = took * (1 / _SHARE - 1) if self._is_running() else 0.0
            time.sleep(max(_INTERVAL - took, pause, 0.0))

    def _wait_for_news(self, seen: int) -> bool:
        """Wait until there may be something new; False when the worker is to end, since nothing is going on."""
        # a model learns within an epoch too, of which no signal tells
        running = self._is_running()
        with self._news:
            woken = self._news.wait_for(lambda: self._events != seen, _POLL_SECONDS if running else _IDLE_SECONDS)
            if not woken and not running:
                self._worker = None
                return False
        return True

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, MedilyticaError):
            logger.exception("the decision boundary could not be computed")
        with self._news:
            self._worker, self._ready = None, False
        self._failed = True
        with self.together():
            self.failure = error_body(error)

    def _is_running(self) -> bool:
        run = self.experiment.run
        return run is not None and run.status == "running"

    def _next_frame(self) -> Frame | None:
        """Return the next frame to show; None when the last one still holds."""
        run = self.experiment.run
        with self.together():
            self._follow_heads()
        if self.axes["reason"]:
            return None
        columns = (self.axes["x"], self.axes["y"])
        predictor = _predictor(run)
        if run is None or predictor is None:
            shows: tuple[Any, ...] = (columns, "", -1, True)
            return None if self._shown == shows else self._frame(shows, None, None, ROUGH)
        running = run.status in ("queued", "running")
        shown, state = self._shown, (columns, run.id, predictor.version)
        if shown[:3] == state and (running or shown[3]):
            return None
        # after other columns were chosen a coarse picture comes first, so that the choice is seen to act
        fine = not running and shown[:2] == state[:2]
        return self._frame((*state, fine), run, predictor, FINE if fine else COARSE)

    def _frame(
        self, shows: tuple[Any, ...], run: Run | None, predictor: Predictor | None, resolution: tuple[int, int]
    ) -> Frame:
        grid = self._grid(shows[0], run, resolution)
        found = grid.frame(predictor if predictor is not None else Untrained(self.experiment))
        self._number += 1
        self._shown = shows
        with self.together():
            self.held = found.held_sentence
        return frame_of(found, self._number, learned=predictor is not None)

    def _grid(self, columns: tuple[str, str], run: Run | None, resolution: tuple[int, int]) -> BoundaryGrid:
        """Return the prepared pixels; kept as long as columns and preprocessing stay."""
        prepared = run.trainer.job.prepared if run is not None else self.experiment.prepared()
        # the grid holds its preprocessor, so an id cannot be taken by another one
        key = (*columns, id(prepared.preprocessor))
        if any(known[:3] != key for known in self._grids):
            self._grids.clear()
        if (*key, resolution) not in self._grids:
            self._grids[(*key, resolution)] = BoundaryGrid(
                prepared.preprocessor, self.experiment.data, *columns, resolution=resolution, split=prepared.split
            )
        return self._grids[(*key, resolution)]

    # --- report -----------------------------------------------------------------------------------

    def static_html(self) -> str:
        """Return the boundary of the latest run that learned something, as an interactive figure."""
        if self.axes["reason"]:
            return html.section("Decision boundary", html.sentence(self.axes["reason"]))
        for run in reversed(self.experiment.runs):
            predictor = _predictor(run)
            if predictor is None:
                continue
            grid = self._grid((self.axes["x"], self.axes["y"]), run, REPORT)
            found = grid.frame(predictor)
            spec = figures.boundary(found, self.classes, value_range=found.value_range, target=self.target)
            unit = unit_of(algorithms.get(run.algorithm))
            about = main_head_sentence(heads_of(self.experiment, run), _SHOWS)
            note = " ".join(filter(None, (f"{run.name}, {unit} {predictor.epoch:.0f}.", found.held_sentence, about)))
            return html.section("Decision boundary", html.card("", static.figure(spec), note=note))
        return html.section("Decision boundary", html.sentence("Nothing was trained, so there is no boundary."))


class Untrained(Predictor):
    """Stands in before anything is learned, when only the points of a picture are shown."""

    def __init__(self, experiment: Experiment) -> None:
        prepared = experiment.prepared()
        super().__init__(experiment.task, prepared.X_train.shape[1], max(len(prepared.classes), 1))

    def _probabilities(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return np.full((len(rows), self.n_classes), 1 / self.n_classes)

    def _values(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return np.zeros(len(rows))


def frame_of(found: Boundary, number: int, learned: bool) -> Frame:
    """Return the wire form of a boundary: the body and the arrays; before anything is learned only the points."""
    points = found.points
    arrays: Arrays = {
        "px": np.asarray(points["x"], dtype=np.float32),
        "py": np.asarray(points["y"], dtype=np.float32),
    }
    if found.value_range is not None:
        arrays["value"] = np.asarray(points["value"], dtype=np.float32)
    else:
        arrays["label"] = np.minimum(points["label"], 255).astype(np.uint8)
    if learned:
        arrays["wrong"] = np.asarray(points["wrong"], dtype=np.uint8)
        arrays |= {"classes": found.classes, "confidence": found.confidence}
    body = {
        "frame": number,
        "epoch": float(found.epoch) if learned else None,
        "x": found.x,
        "y": found.y,
        "x_range": [float(v) for v in found.x_range],
        "y_range": [float(v) for v in found.y_range],
        "x_log": bool(found.x_log),
        "y_log": bool(found.y_log),
        "value_range": None if found.value_range is None else [float(v) for v in found.value_range],
    }
    return body, arrays


def _predictor(run: Run | None) -> Predictor | None:
    if run is None:
        return None
    try:
        found = run.predictor()
    except StateError:
        return None
    return found if found.task in SUPERVISED else None


def _reason(columns: list[str], task: str) -> str:
    if task not in SUPERVISED:
        return f"The boundary shows how a target is predicted; this algorithm does {task} and leaves a target aside."
    if len(columns) >= 2:
        return ""
    has = f"this table has one, {columns[0]}" if columns else "this table has none"
    return f"The boundary needs two columns of numbers; {has}."


def _run_state(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {"name": run.name, "status": run.status, "unit": unit_of(algorithms.get(run.algorithm))}
