"""How a run is carried out, beside what it learns: where, in which order, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .engine import Job, Keeping, Trainer, TrainingState
from .engine.job_files import check_travels
from .errors import InputError, SpecError

WORKERS = ("thread", "process")


@dataclass(frozen=True)
class TrainOptions:
    """The arguments of `Experiment.train` that are no hyperparameters; see there.

    Raises
    ------
    InputError
        For a value that cannot be.
    """

    worker: str | None = None
    detach: bool = False
    priority: int = 0
    checkpoint_seconds: float | None = 30.0
    checkpoint_epochs: int | None = None
    keep_epochs: int = 50
    keep_bytes: int = 2**30
    sheet_every: int | None = 50
    author: str | None = None
    tags: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.worker is not None and self.worker not in WORKERS:
            raise InputError(f"worker is {self.worker!r}; it is 'thread' or 'process', or None to have it chosen.")
        if self.detach and self.worker == "thread":
            raise InputError("A thread ends with its kernel; a detached run needs worker='process'.")
        if not isinstance(self.priority, int) or isinstance(self.priority, bool):
            raise InputError(f"priority is a whole number, larger ones go first; {self.priority!r} came.")
        every = self.sheet_every
        if every is not None and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
            raise InputError(f"sheet_every is a number of batches, at least 1, or None for no sheets; {every!r} came.")
        tags = (self.tags,) if isinstance(self.tags, str) else tuple(self.tags)
        object.__setattr__(self, "tags", tags)

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON, for `restored`."""
        return {**asdict(self), "tags": list(self.tags)}

    @classmethod
    def restored(cls, kept: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> TrainOptions:
        """Return the options of an earlier run.

        Parameters
        ----------
        kept : mapping
            What `to_json` gave, perhaps in another version of the package.
        given : mapping, optional
            What takes the place of some of them.

        Raises
        ------
        InputError
            For a given value that cannot be.
        """
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in kept.items() if name in known} | dict(given or {})
        if given and given.get("worker") == "thread" and "detach" not in given:
            # of two that exclude each other, the one that was asked for now
            values["detach"] = False
        if given and given.get("detach") and "worker" not in given:
            values["worker"] = None
        return cls(**values)

    def keeping(self, folder: Path, facts: dict[str, Any]) -> Keeping:
        """Return what the engine is to write into a run's folder, ``facts`` with every file."""
        return Keeping(
            folder,
            checkpoint_seconds=self.checkpoint_seconds,
            checkpoint_epochs=self.checkpoint_epochs,
            keep_epochs=self.keep_epochs,
            keep_bytes=self.keep_bytes,
            spec=facts,
        )

    def process(self, job: Job) -> bool:
        """Whether a job trains in a process of its own."""
        if self.worker is None:
            # a fit without stages cannot be stopped from within
            if self.detach or job.algorithm.engine != "estimator" or job.algorithm.staged is not None:
                return self.detach
            try:
                check_travels(job)
            except SpecError:
                return False  # such as one that a notebook's cell registered
            return True
        return self.worker == "process"

    def trainer(
        self, job: Job, folder: Path | None, facts: dict[str, Any], resume: TrainingState | None = None
    ) -> Trainer:
        """Return the trainer of a job.

        Parameters
        ----------
        job : Job
        folder : Path or None
            Of the run's files; nothing is written when None.
        facts : dict
            What every checkpoint carries.
        resume : TrainingState, optional
            Where it goes on.

        Raises
        ------
        InputError
            For a detached run without a folder.
        SpecError
            Where another process could not find what the job is made of.
        """
        keeping = self.keeping(folder, facts) if folder is not None else None
        if not self.process(job):
            return Trainer(job, keeping, resume, self.sheet_every, self.priority)
        check_travels(job)
        if self.detach and folder is None:
            raise InputError("A detached run needs a place for its files; set MEDILYTICA_HOME to a writable folder.")
        from .engine.remote import RemoteTrainer

        return RemoteTrainer(job, keeping, resume, self.sheet_every, self.priority, detached=self.detach, extra=facts)
