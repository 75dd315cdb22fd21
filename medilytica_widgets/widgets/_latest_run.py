"""A widget that shows the latest run of an experiment: it follows each run in turn."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

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


class FollowsRuns(BaseWidget):
    """Root of the widgets that show the latest run."""

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
