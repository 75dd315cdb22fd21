"""A widget that shows the latest run of an experiment: it follows each run in turn."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ._base import BaseWidget

if TYPE_CHECKING:
    from ..experiment import Experiment
    from ..run import Run

ENDED = ("finished", "stopped", "failed")


def unit_of(algorithm: Any) -> str:
    """Return what an algorithm's history counts: "epoch", "tree" or "iteration"."""
    if getattr(algorithm, "engine", "torch") == "torch":
        return "epoch"
    staged = getattr(algorithm, "staged", None)
    return "tree" if staged == "n_estimators" else "iteration" if staged == "callback" else "epoch"


def source_of(owner: BaseWidget, given: Any) -> Experiment | Run:
    """Return what a widget was given to follow: an Experiment, of which it shows the latest run, or one Run.

    Raises
    ------
    InputError
        Says what came and what to make of it.
    """
    from ..experiment import Experiment
    from ..run import Run

    if isinstance(given, (Experiment, Run)):
        return given
    name, kind = type(owner).__name__, type(given).__name__
    raise InputError(
        f"{name} follows an Experiment or a Run; a {kind} came. Give it one of both: mw.{name}(mw.Experiment(data))."
    )


class FollowsRuns(BaseWidget):
    """Root of the widgets that show the latest run."""

    source: Experiment | Run
    """What `shown_run` and `run_of` look into; set by the widgets that take either."""

    @property
    def shown_run(self) -> Run | None:
        """The run that the source shows: itself, or the latest one; None before the first."""
        from ..run import Run

        return self.source if isinstance(self.source, Run) else self.source.run

    def run_of(self, run_id: str) -> Run | None:
        """Return the run of this id; None where the source has none such."""
        from ..run import Run

        runs = [self.source] if isinstance(self.source, Run) else self.source.runs
        return next((run for run in runs if run.id == run_id), None)

    def follow_source(self, source: Experiment | Run, signals: Sequence[str] = ("status_changed",)) -> None:
        """As `follow_runs`, of an experiment; or be marked by these signals of one run.

        In a headless run, what was shown is brought up to date when a run ends.
        """
        from ..run import Run

        if not isinstance(source, Run):
            self.follow_runs(source, signals)
            self.follow(source.run_ended, self.refresh_static)
            return
        for name in signals:
            self.follow(getattr(source, name), self.run_advanced)
        self.follow(source.status_changed, self._refresh_at_end)

    def _refresh_at_end(self, status: str) -> None:
        if status in ENDED:
            self.refresh_static()

    def follow_runs(self, experiment: Experiment, signals: Sequence[str] = ("status_changed",)) -> None:
        """Be marked by these signals of the latest run, from now on; earlier runs are let go.

        Parameters
        ----------
        experiment : Experiment
        signals : sequence of str
            Names of signals of `Run`.
        """
        self._run_signals = tuple(signals)
        self._run_lock = threading.Lock()
        self._run_stops: list[Callable[[], None]] = []
        self.follow(experiment.run_added, self._attach)
        self._stops.append(self._detach)
        if experiment.run is not None:
            self._attach(experiment.run)

    def _attach(self, run: Run) -> None:
        self._detach()
        with self._run_lock:
            for name in self._run_signals:
                signal = getattr(run, name)
                signal.connect(self.run_advanced)
                self._run_stops.append(lambda signal=signal: signal.disconnect(self.run_advanced))  # type: ignore[misc]
        self.run_advanced()

    def _detach(self) -> None:
        with self._run_lock:
            for stop in self._run_stops:
                with contextlib.suppress(ValueError):
                    stop()
            self._run_stops.clear()

    def run_advanced(self, *_: Any) -> None:
        """Ask for a flush; the slot of the run's signals, so it runs on the training thread."""
        self.mark()
