"""The earlier epochs of a run: what it was then, and runs that go on from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .engine import TrainingState, kept_epochs, read_epoch
from .errors import StateError
from .moment import RunMoment
from .run_view import RunView

if TYPE_CHECKING:
    from .run import Run


class RunEpochs(RunView):
    """The part of a `medilytica_widgets.Run` that goes back in time; always a whole one."""

    folder: Path | None

    @property
    def epochs_kept(self) -> list[int]:
        """The epochs that `at` and `branch` can go back to, ascending."""
        return kept_epochs(self.folder) if self.folder is not None else []

    def at(self, epoch: int) -> RunMoment:
        """Return the run as it was at the end of an epoch.

        Parameters
        ----------
        epoch : int
            One of `epochs_kept`.

        Raises
        ------
        CheckpointError
            If that epoch is not kept; the nearest ones are named.
        StateError
            For an estimator, whose stages are not kept.
        """
        from .engine.network_state import predictor_of

        state = self._state_at(epoch)
        return RunMoment(cast("Run", self), int(epoch), predictor_of(self._job, state, best=False), state)

    def branch(self, epoch: int | None = None, *, wait: bool | None = None, **changes: Any) -> Run:
        """Start a new run that shares this one's history up to an epoch and goes on with other hyperparameters.

        Without changes it does bit for bit what this run did.

        Parameters
        ----------
        epoch : int, optional
            One of `epochs_kept`; the last of them when None.
        wait : bool, optional
            As of `Experiment.train`.
        **changes
            Hyperparameters of the new run, for example ``learning_rate=1e-4``; ``epochs`` counts from the very start.

        Returns
        -------
        Run
            Its `parent` is this run's id.

        Raises
        ------
        CheckpointError, StateError
            As `at`.
        ParameterError
            For a value that is not allowed.
        """
        if epoch is None:
            epoch = next(reversed(self.epochs_kept), 0)
        from .launching import branch

        return branch(cast("Run", self), self._state_at(epoch), int(epoch), changes, wait)

    def _state_at(self, epoch: int) -> TrainingState:
        if self._job.algorithm.engine != "torch":
            raise StateError(f"{self._job.algorithm.name} keeps no earlier stages; train it with fewer instead.")
        if self.folder is None:
            raise StateError("Nothing of this run is on disk; set MEDILYTICA_HOME to a folder that can be written.")
        # an epoch that ended just now may still be on its way to the disk
        self.trainer.flush(5.0)
        return read_epoch(self.folder, int(epoch))
