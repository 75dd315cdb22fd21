"""A training in a process of its own, behind the interface of `Trainer`."""

from __future__ import annotations

import atexit
import os
import platform
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError, MedilyticaError, StateError
from .channel import STATUS
from .checkpoints import TrainingState
from .facts import read_json
from .follower import CONNECT_SECONDS, END_SECONDS, Follower
from .job import Job
from .job_files import find_algorithm, read_job
from .keeper import Keeping
from .processes import Stranger
from .states import ENDED
from .trainer import _started
from .worker import SHEET_EVERY

ATTACH_SECONDS = 10.0
"""How long `RemoteTrainer.attach` waits for the run's process to answer."""

_detached: weakref.WeakSet[RemoteTrainer] = weakref.WeakSet()


@atexit.register
def _let_go() -> None:
    """Wait until the processes of detached runs have begun: a script may start one and end at once."""
    for trainer in list(_detached):
        if trainer._mailbox.thread is not None:
            trainer.begun.wait(60.0)
        trainer.close(timeout=END_SECONDS)


class RemoteTrainer(Follower):
    """A `Trainer` whose training happens in a process of its own.

    What it adds: a busy kernel does not slow the training down, `stop` ends any fit within 3 seconds, and a
    crash or the lack of memory ends the run as failed and not the kernel. An attached process ends with this one.
    A detached one trains on and can be attached from any kernel of the same user on the same machine, also from
    several at once; the commands of all act.

    Parameters
    ----------
    job, keeping, resume, sheet_every, priority
        As `Trainer`; the process that trains writes what is kept.
    folder : path, optional
        For the files of the process. An attached run without one gets a temporary folder that goes at the end.
    detached : bool
        Whether the training outlives this process; it needs a folder, that of ``keeping`` if none is given. One that
        still waits in the queue when this process ends is not begun.
    extra : mapping, optional
        JSON-able, for whoever attaches the run.

    Attributes
    ----------
    folder : Path or None
    detached : bool
    extra : dict
    pid : int or None
        Of the training process, once it is there.
    begun : threading.Event
        Set when the process was started, or could not be.

    Raises
    ------
    SpecError
        If another process could not find the algorithm.
    InputError
        For a detached run without a folder.
    """

    def __init__(
        self,
        job: Job,
        keeping: Keeping | None = None,
        resume: TrainingState | None = None,
        sheet_every: int | None = SHEET_EVERY,
        priority: int = 0,
        *,
        folder: str | os.PathLike[str] | None = None,
        detached: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if detached and folder is None:
            if keeping is None:
                raise InputError("A detached run needs a folder, by which another kernel finds it: give folder=….")
            folder = keeping.folder
        find_algorithm(job.algorithm)
        place = None if folder is None else Path(folder).absolute()
        super().__init__(job, keeping, resume, sheet_every, priority, place, detached, extra)

    @classmethod
    def attach(cls, folder: str | os.PathLike[str], job: Job | None = None) -> RemoteTrainer:
        """Return the run in a folder, whichever process began it and whether it still trains or has ended.

        Parameters
        ----------
        folder : path
        job : Job, optional
            The run's own, with its preprocessor; else it is read from the folder.

        Raises
        ------
        StateError
            If there is no run in the folder, or it trains on another machine.
        UnknownAlgorithmError
            If its algorithm is not registered here.
        """
        place = Path(folder).absolute()
        status = _await_status(place)
        extra: dict[str, Any] = {}
        if job is None:
            job, more = read_job(place)
            extra = more["about"]
        trainer = cls(job, folder=place, detached=True, extra=extra)
        trainer._join(status)
        trainer._synced.wait(ATTACH_SECONDS)
        return trainer

    @property
    def snapshot_interest(self) -> bool:
        """While True, snapshots are made and come at most 20 times a second."""
        return self._interest

    @snapshot_interest.setter
    def snapshot_interest(self, value: bool) -> None:
        self._interest = bool(value)
        self._bell.ring()

    def launch(self) -> None:
        """For the queue: start the thread that begins the process and hears from it."""
        super().launch()
        if self.detached:
            # the end of this process is not the end of the run
            _started.discard(self)
            _detached.add(self)

    def wait(self, timeout: float | None = None) -> None:
        """Return when the run has ended; Ctrl-C stops the run. See `Trainer.wait`.

        Raises
        ------
        StateError
            If a detached run was closed; it may train on, and can be attached again.
        """
        thread = self._mailbox.thread
        if self._leaving and self.status not in ENDED and thread is not None and not thread.is_alive():
            raise StateError("This run was let go of and may train on; attach it again to wait for it.")
        super().wait(timeout)

    def flush(self, timeout: float) -> bool:
        """Wait until the process of a run that has ended has written everything; return whether it has."""
        return self.status not in ENDED or self._written(timeout)

    def close(self, timeout: float | None = 10.0) -> None:
        """Stop and wait for the end; of a detached run, only let go: it trains on. Drops the subscriptions.

        Parameters
        ----------
        timeout : float or None
            The most seconds to wait.
        """
        if not self.detached:
            super().close(timeout)
            return
        self._leaving = True
        self._bell.ring()
        thread = self._mailbox.thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        for signal in self._signals:
            signal.disconnect()

    # -- attaching

    def _join(self, status: Mapping[str, Any]) -> None:
        """Begin to follow a process that is there, or was."""
        self._process = Stranger(int(status["pid"]), str(status["birth"]))
        self._late, self._in_queue = True, False
        self._mailbox.submit()
        self.launch()


def _await_status(place: Path) -> dict[str, Any]:
    """Return what the run's process wrote of itself; right after the start it may not have come to it yet."""
    until, pause = time.monotonic() + ATTACH_SECONDS, threading.Event()
    while True:
        try:
            told = read_json(place / STATUS)
            status, pid, host = str(told["status"]), int(told["pid"]), str(told["host"])
        except (MedilyticaError, KeyError, TypeError, ValueError) as error:
            raise StateError(f"There is no run to attach in {place}; give the folder of a detached run.") from error
        if status not in ENDED and host != platform.node():
            raise StateError(f"The run in {place} trains on the machine {host!r}; attach it from a kernel there.")
        if pid or status in ENDED or time.monotonic() > until:
            return told
        pause.wait(CONNECT_SECONDS)
