"""The runs of an experiment: how they begin, which there are, and what became of them."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, cast

from psygnal import Signal

from . import algorithms
from .acting import acting_person
from .data import Dataset, Prepared
from .editor import SpecEditor
from .engine import ENDED, Job
from .engine.heads import named_heads
from .errors import check_kwargs
from .launching import begin
from .metrics import METRICS
from .options import TrainOptions
from .run import Run
from .spec import ExperimentSpec
from .spec_values import available, full_values

if TYPE_CHECKING:
    from .experiment import Experiment

_ACTIVITY_KEPT = 200


class ExperimentRuns(SpecEditor):
    """The half of a `medilytica_widgets.Experiment` that deals with its runs; always a whole one."""

    run_added = Signal(object)
    run_ended = Signal(object)

    data: Dataset
    _runs: list[Run]
    _activity: list[dict[str, Any]]

    @abstractmethod
    def prepared(self) -> Prepared:
        """Return the split and preprocessed table."""

    @property
    def runs(self) -> list[Run]:
        """All runs of this experiment, oldest first."""
        return list(self._runs)

    @property
    def run(self) -> Run | None:
        """The latest run; None before the first."""
        return self._runs[-1] if self._runs else None

    @property
    def active(self) -> Run | None:
        """The latest run while it is queued, running or paused."""
        run = self.run
        return run if run is not None and run.is_active else None

    @property
    def activity(self) -> list[dict[str, Any]]:
        """What happened, newest first: ``when``, ``who`` (None where not known) and ``what``."""
        with self._lock:
            return list(reversed(self._activity))

    def pending(self) -> dict[str, Any]:
        """Return what was edited since the active run began and counts only from the next one."""
        run = self.active
        if run is None:
            return {}
        spec = self._spec
        if run.algorithm != spec.algorithm:
            return {"algorithm": spec.algorithm}
        now, table = self.hyperparameters, self.algorithm.parameters
        # what can change while training was posted to the run when it was set
        names = {name: value for name, value in now.items() if run.values.get(name) != value and not table[name].live}
        if run._spec.layers != spec.layers and self.algorithm.uses_layers:
            names["layers"] = True
        if run._spec.data.edits != spec.data.edits:
            names["data"] = True
        return names

    def train(self, *, wait: bool | None = None, **options: Any) -> Run:
        """Start a run and return it at once; in a headless run, wait for its end first.

        Parameters
        ----------
        wait : bool, optional
            Whether to wait for the end; None means "only when headless".
        worker : {"thread", "process"}, optional
            Where it trains. A thread begins at once and shares memory with the kernel; a process is not slowed down
            by a busy kernel and can be stopped even in the middle of a fit. None takes a process only for estimators
            that have no stages.
        detach : bool
            Train in a process that survives the kernel; `medilytica_widgets.open_run` attaches it from another one.
        priority : int
            Where runs wait for a place (`medilytica_widgets.queue`), larger ones go first.
        checkpoint_seconds : float or None
            Time between two checkpoints, 30 by default; None for none by time.
        checkpoint_epochs : int or None
            A checkpoint after every so many epochs too.
        keep_epochs, keep_bytes : int
            How many epochs `Run.at` and `Run.branch` can go back to, 50 by default, and the most bytes they take.
        sheet_every : int or None
            The least number of batches between two weight sheets, 50 by default; None for no sheets.
        author : str, optional
            Who started it.
        tags : str or sequence of str
            Words to find the run by.

        Raises
        ------
        ShapeError
            When the stack of layers cannot be.
        InputError
            For an option that does not exist or cannot be.
        TrainingError
            When it waited and the run failed.
        """
        check_kwargs("Experiment.train", options, ("wait", *TrainOptions.__dataclass_fields__))
        person = acting_person()
        if person is not None:
            options.setdefault("author", person.name)
        return begin(cast("Experiment", self), TrainOptions(**options), wait=wait)

    def _job(self) -> Job:
        algorithm = available(self._spec.algorithm, self.target_task)
        if algorithm.has_layers:
            self.check_stack()
        return Job(
            algorithm=algorithm,
            values=self.hyperparameters,
            layers=self._spec.layers,
            head=self._head,
            prepared=self.prepared(),
            seed=self._spec.seed,
            heads=named_heads(self._spec.heads, self.data.target or ""),
        )

    def _add(self, run: Run) -> None:
        run._experiment = cast("Experiment", self)
        self._runs.append(run)
        run.marked.connect(lambda mark: self._note_mark(run, mark))

    def close(self) -> None:
        """Stop every run and free what they hold. Safe to call twice."""
        for run in self.runs:
            run.close()

    # --- inside -------------------------------------------------------------------------------------

    def _changed_from(self, before: ExperimentSpec, author: str | None) -> None:
        run = self.active
        if run is None or not run.algorithm == before.algorithm == self._spec.algorithm:
            return
        was, table = full_values(before), self.algorithm.parameters
        for name, value in self.hyperparameters.items():
            if table[name].live and value != was[name]:
                run.set(name, value, author)

    def _on_status(self, run: Run, status: str, defer: bool) -> None:
        if status in ENDED:
            self._note(run.name, f"failed: {run.error.message}" if run.error is not None else status)
            # what a failed run had learned before is no result
            if len(run.evaluated) and status != "failed":
                run.evaluated.connect(lambda: self._note_result(run))
                run.evaluate_soon()
            if not defer:
                self.run_ended.emit(run)
        self.changed.emit("meta")

    def _note_mark(self, run: Run, mark: Any) -> None:
        table = algorithms.parameters(run.algorithm)
        label = table[mark.name].to_json()["label"] if mark.name in table else mark.name
        self._note(f"epoch {mark.epoch:.0f}", f"{label} {mark.before} → {mark.after}", mark.author)

    def _note_result(self, run: Run) -> None:
        found = run.evaluation_if_ready()
        if found is not None:
            name, value = next(iter(found.metrics.items()))
            doubt = f" ± {found.intervals[name]:.3g}" if name in found.intervals else ""
            self._note(run.name, f"{METRICS[name].label} {value:.3g}{doubt} on {found.n} held-out rows")

    def _note(self, when: str, what: str, who: str | None = None) -> None:
        person = acting_person()
        who = who or (person.name if person is not None else None)
        with self._lock:
            self._activity.append({"when": when, "who": who, "what": what})
            del self._activity[:-_ACTIVITY_KEPT]
        self.changed.emit("activity")
