"""A run: one training of one specification, as a person holds it."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from ._either import either
from .code_styles import Style
from .data import Dataset, Preprocessor
from .engine import ENDED, Job, Trainer, TrainingState
from .engine.lock import FolderLock
from .errors import InputError, StateError
from .evaluate import Evaluation, evaluate
from .evaluate.heads import answers_of
from .options import TrainOptions
from .records import Recorder
from .run_epochs import RunEpochs
from .spec import ExperimentSpec
from .store import RunRecord, home, run_folder

if TYPE_CHECKING:
    from .experiment import Experiment

_log = logging.getLogger(__name__)


class Run(RunEpochs):
    """The façade over a `Trainer`: what `Experiment.train` returns.

    Attributes
    ----------
    id : str
        Unique.
    number : int
        1, 2, … within its experiment.
    status_changed, telemetry_advanced, marked : Signal
        From the training thread; slots must be quick.
    evaluated : Signal
        Emitted when the held-out evaluation is there.
    """

    status_changed = Signal(str)
    telemetry_advanced = Signal(int)
    marked = Signal(object)
    evaluated = Signal()

    def __init__(
        self,
        job: Job,
        spec: ExperimentSpec,
        data: Dataset,
        number: int,
        options: TrainOptions | None = None,
        *,
        run_id: str | None = None,
        resume: TrainingState | None = None,
        parent: str | None = None,
        remade: Sequence[str] = (),
        trainer: Trainer | None = None,
        folder: Path | None = None,
    ) -> None:
        self.id = run_id or uuid.uuid4().hex[:12]
        self.number = number
        self.parent = parent
        self.remade = tuple(remade)
        self.options = options or TrainOptions()
        # whoever gave it may go on changing theirs
        self._spec = spec.model_copy(deep=True)
        self.data = data
        self.algorithm = job.algorithm.id
        self.task = job.task
        self.preprocessor: Preprocessor = job.prepared.preprocessor
        self._job = job
        self._evaluating = threading.Lock()
        self._evaluation: tuple[int, Evaluation] | None = None
        self._evaluator: threading.Thread | None = None
        self._experiment: Experiment | None = None
        self.folder = folder or _folder(self.id)
        facts = {
            "run": self.id,
            "number": number,
            "parent": parent,
            "experiment": spec.to_json(),
            # from which another kernel makes the same run
            "options": self.options.to_json(),
            "start": dict(job.values),
            "remade": list(self.remade),
        }
        self.trainer = trainer or self.options.trainer(job, self.folder, facts, resume)
        self.trainer.status_changed.connect(self.status_changed.emit)
        self.trainer.telemetry_advanced.connect(self.telemetry_advanced.emit)
        self.trainer.marked.connect(self.marked.emit)
        self._recorder: Recorder | None = None
        self._held: FolderLock | None = None

    def hold(self, lock: FolderLock | None = None) -> None:
        """Take the folder's lock, unless it is given, until the run has ended; `Experiment.train` does it.

        Raises
        ------
        StateError
            While another process trains there.
        """
        held = lock or (FolderLock.take(self.folder) if self.folder is not None else None)
        if held is None:
            return
        held.passed_on = True
        self._held = held

        def at_end(status: str) -> None:
            if status in ENDED:
                held.release_after(self.trainer._mailbox.thread)

        self.trainer.status_changed.connect(at_end)

    def record(self, again: bool = False) -> None:
        """Write the run down in the run store and keep that up to date; `Experiment.train` does it.

        With ``again`` the store knows it from an earlier kernel.
        """
        self._recorder = Recorder(self, self.options.author, self.options.tags, self.parent)
        self._recorder.begin(again)
        self._keep_recording()

    def follow(self, known: RunRecord) -> None:
        """Keep the record of a run up to date that another process began; `open_run` does it."""
        self._recorder = Recorder(self, self.options.author, self.options.tags, self.parent)
        self._recorder.join(known)
        self._keep_recording()

    def _keep_recording(self) -> None:
        assert self._recorder is not None
        self.trainer.status_changed.connect(self._recorder.follow)
        self.trainer.telemetry_advanced.connect(lambda count: self._recorder.rows() if self._recorder else None)

    # --- commands -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; `Experiment.train` does it."""
        self.trainer.start()

    def pause(self) -> None:
        """Halt at the next chunk; no-op unless running."""
        self.trainer.pause()

    def _unpause(self) -> None:
        self.trainer.resume()

    @staticmethod
    def _go_on(
        source: str | PathLike[str], data: Dataset | None = None, *, wait: bool | None = None, **options: Any
    ) -> Run:
        """Go on: ``run.resume()`` with a paused run, ``Run.resume(source)`` with one of an earlier kernel.

        The latter goes on with a run that was interrupted or stopped, bit for bit where its checkpoint stands.

        Path, device and number of threads are those of the run before, and so are its id, its folder and its options;
        of a checkpoint that lies elsewhere, or of a kept epoch, a new run is made. Estimators without stages begin
        anew.

        Parameters
        ----------
        source : path or str
            A checkpoint, a run's folder, or a run's id.
        data : Dataset, optional
            The table, where it cannot be loaded again as the specification says.
        wait : bool, optional
            As of `Experiment.train`.
        **options
            Of `Experiment.train`, where they are to be others than before.

        Raises
        ------
        MissingFileError, CheckpointError
            If there is no such checkpoint, it is damaged, or the table has changed.
        StateError
            While the run still trains somewhere.
        """
        from .reopening import resume_run

        return resume_run(source, data, wait=wait, **options)

    resume = either(_unpause, _go_on)

    def stop(self) -> None:
        """End the run and keep what it learned; no-op once it has ended."""
        self.trainer.stop()

    def step(self, unit: str = "epoch") -> None:
        """Train one more "epoch" or "batch", then pause; no-op unless paused or running."""
        self.trainer.step(unit)  # type: ignore[arg-type]

    def set(self, name: str, value: Any, author: str | None = None) -> None:
        """Change a hyperparameter that can change while training; it acts at the next step.

        Raises
        ------
        ParameterError
            For a value that is not allowed, or a hyperparameter that counts only from the next run.
        """
        self.trainer.set(name, value, author)

    def wait(self, timeout: float | None = None) -> Run:
        """Wait for the end and return the run. Ctrl-C stops the run cleanly.

        Raises
        ------
        WaitTimeout
            When it is still training after ``timeout`` seconds.
        TrainingError
            When it failed; history and last weights are kept.
        """
        try:
            self.trainer.wait(timeout)
        except KeyboardInterrupt:
            self.stop()
            self.trainer.wait(timeout)
        finally:
            thread = self.trainer._mailbox.thread
            if self._held is not None and not self.is_active and (thread is None or not thread.is_alive()):
                # whoever waited may move the folder, or go on in it
                self._held.release()
        return self

    def close(self) -> None:
        """Stop and free the run's thread and memory; history and evaluation stay. Safe to call twice."""
        self.trainer.close()

    # --- what it learned ------------------------------------------------------------------------------

    def evaluate(self) -> Evaluation:
        """Evaluate on the held-out test rows; kept until the model learns more.

        Raises
        ------
        StateError
            Before anything is learned.
        """
        with self._evaluating:
            predictor = self.predictor()
            if self._evaluation is None or self._evaluation[0] != predictor.version:
                prepared = self._job.prepared
                others = answers_of(prepared)
                found = evaluate(predictor, prepared.X_test, prepared.y_test, self.task, self.classes, others)
                self._evaluation = (predictor.version, found)
                if self._recorder is not None and not self.is_active:
                    self._recorder.metrics(dict(found.metrics))
            return self._evaluation[1]

    def evaluation_if_ready(self) -> Evaluation | None:
        """Return the evaluation when it was made already; never computes."""
        found = self._evaluation
        return found[1] if found is not None else None

    def evaluate_soon(self) -> None:
        """Evaluate on a thread of its own and emit `evaluated`; nothing where nothing was learned.

        For those who wait for `evaluated`, as widgets do: a script that only trains needs no such thread,
        and its interpreter would have to end while the thread works.
        """

        def work() -> None:
            try:
                self.evaluate()
            except StateError:
                return
            self.evaluated.emit()

        if self._evaluator is None or not self._evaluator.is_alive():
            self._evaluator = threading.Thread(target=work, name=f"medilytica-evaluate-{self.id}")
            self._evaluator.start()

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the model, its preprocessing and its specification to one file, atomically.

        Returns
        -------
        Path
            Of the file, for `load_model`.

        Raises
        ------
        StateError
            Before anything is learned.
        """
        from .model import Model

        return Model.of_run(self).save(path)

    def to_code(self, style: Style = "script") -> str:
        """Return a standalone program for this run: its specification and its mid-run changes at the same steps.

        ``style`` is as of `Experiment.to_code`.

        Raises
        ------
        StateError
            For a branch that changed what cannot change while a run trains: no script begins one way and goes on
            another.
        """
        from .source_code import program

        if self.remade:
            raise StateError(
                f"This run branched from {self.parent} with another {', '.join(self.remade)}, which no script can "
                "replay. Train it from the start, or print the code of the experiment."
            )

        return program(self._spec, self.data, self._job.prepared, self._job.values, self.marks, style)

    def __repr__(self) -> str:
        return f"<Run {self.number} of {self._spec.name!r}: {self.algorithm}, {self.status}>"


def _folder(run_id: str) -> Path | None:
    """Return a run's folder; None where no home can be had, and then nothing is written."""
    try:
        # home() makes sure of the place, where run_folder only names it
        home()
        return run_folder(run_id)
    except InputError as error:
        _log.warning("Runs leave nothing on disk: %s", error.message)
        return None
