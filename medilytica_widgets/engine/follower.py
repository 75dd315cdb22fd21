"""The thread of a run that trains in another process: it begins the process, passes wishes on and hears the news."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import platform
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from ..errors import MedilyticaError, TrainingError
from .bell import Bell, WakingMailbox
from .channel import (
    ADDRESS,
    KEY,
    KILLED,
    PRINTED,
    RECORD,
    RESUME,
    STATUS,
    address_of,
    await_complete,
    connect,
    key_of,
    pack,
    prove_as_client,
    remove_socket,
    unpack,
)
from .checkpoints import TrainingState, write_state
from .facts import read_json, write_json
from .failures import explain
from .job import Job
from .job_files import write_job
from .keeper import Keeping
from .lock import hand_over
from .loop import StopRequested
from .mirror import Mirror
from .processes import Child, Stranger, birth, explain_death, temporary_folder
from .queue import queue
from .states import ENDED, Command, Status

STOP_SECONDS = 3.0
"""How long a stop is left to the training process; then it is killed."""

STOP_SECONDS_SINGLE = 0.5
"""The same for a fit without stages, which hears of nothing before it is done."""

END_SECONDS = 2.0
FAREWELL_SECONDS = 15.0
"""How long a process that has told its end may write its last files, and wait for its other clients."""
CONNECT_SECONDS = 0.01
UNANSWERED = 8
"""Messages with commands that may be under way; more could fill the line of a process that does not listen."""


class Follower(Mirror):
    """The receiving thread's side of a run; `medilytica_widgets.engine.RemoteTrainer` is what others hold of it."""

    def __init__(
        self,
        job: Job,
        keeping: Keeping | None,
        resume: TrainingState | None,
        sheet_every: int | None,
        priority: int,
        folder: Path | None,
        detached: bool,
        extra: Mapping[str, Any] | None,
    ) -> None:
        self._bell = Bell()
        self._interest = False
        super().__init__(job, None, resume, sheet_every, priority)
        self.keeping = keeping
        self._mailbox = WakingMailbox(self._bell)
        self.folder, self.detached = folder, detached
        self.extra: dict[str, Any] = {} if extra is None else dict(extra)
        self.begun = threading.Event()
        self._place = folder if folder is not None else Path()
        self._process: Child | Stranger | None = None
        self._connection: Connection | None = None
        self._pending: list[Command] = []
        self._sent = self._heard = 0
        self._told_interest = False
        self._asked_version: int | None = None
        self._kill_at: float | None = None
        self._leaving = self._late = False
        self._synced = threading.Event()

    @property
    def pid(self) -> int | None:
        """Of the training process, once it is there."""
        process = self._process
        return None if process is None else process.pid

    # -- the receiving thread

    def _ask(self) -> None:
        self._bell.ring()

    def _work(self) -> None:
        self._bell.open()
        try:
            if self._process is None:
                self._process = self._begin()
            self.begun.set()
            self._follow()
        except StopRequested:
            self._become("stopped")
        except BaseException as error:
            # whatever it is, someone waits for this run
            self._error = explain(error, self.job.algorithm.name, self._position[0], self._device, self._values)
            self._tell("error", self._error.message)
            for told in (error, self._error):
                traceback.clear_frames(told.__traceback__)
            self._become("failed")
        finally:
            self.begun.set()
            self._clean_up()
            self._synced.set()
            queue.release(self)

    def _begin(self) -> Child:
        """Write the job and start the process."""
        self._take()
        if self._kill_at is not None:
            raise StopRequested
        changes = [dataclasses.asdict(command) for command in self._pending if command.kind == "set"]
        self._pending = [command for command in self._pending if command.kind != "set"]
        try:
            if self.folder is None:
                self._place = temporary_folder()
            self._place.mkdir(parents=True, exist_ok=True)
            for name in (RECORD, STATUS, KILLED, ADDRESS, PRINTED):
                (self._place / name).unlink(missing_ok=True)
            write_job(
                self._place,
                self.job,
                path=[entry or os.getcwd() for entry in sys.path],
                temporary=self.folder is None,
                goal=self._goals[0] if self._goals else None,
                changes=changes,
                keeping=None if self.keeping is None else dataclasses.asdict(self.keeping),
                resume=self._resume is not None,
                sheet_every=self.sheet_every,
                about=self.extra,
            )
            if self._resume is not None:
                write_state(self._place / RESUME, self._resume)
            self._resume = None
            self._write_status("queued")
            child = Child(self._place, self.detached)
            if self.detached:
                hand_over(self._place, child.pid)
            return child
        except OSError as error:
            raise TrainingError(
                f"The training process could not be started: {error.strerror or error} ({self._place}). Free some "
                "space, or take another folder."
            ) from error

    def _follow(self) -> None:
        """Hear and tell until the run has ended or is let go of."""
        assert self._process is not None
        while self.status not in ENDED and not self._leaving:
            self._connection = self._connect()
            while self._connection is not None and self.status not in ENDED and not self._leaving:
                if not self._forward() or not self._listen(self._connection):
                    break
            self._hang_up()
            if self.status in ENDED or self._leaving:
                return
            code = self._process.end(END_SECONDS)
            if not self._process.alive():
                self._mourn(code)

    def _connect(self) -> Connection | None:
        """Return a line to the process; None if it has ended or nobody wants it any more."""
        assert self._process is not None
        while self._process.alive() and not self._leaving:
            address = address_of(self._place)
            connection: Connection | None = None
            if address is not None:
                with contextlib.suppress(OSError):
                    connection = connect(address)
            try:
                if connection is not None and self._is_answered(connection):
                    prove_as_client(connection, key_of(self._place))
                    connection.send_bytes(pack({"owner": isinstance(self._process, Child)}))
                    # to one that comes back, what it knows is told again
                    self._late = self._late or self._synced.is_set()
                    self._sent, self._heard, self._told_interest, self._asked_version = 1, 0, False, None
                    return connection
            except (OSError, EOFError):
                pass
            if connection is not None:
                connection.close()
            self._await(CONNECT_SECONDS)
            self._take()
            if self._kill_at is not None and isinstance(self._process, Child):
                # nothing is learned yet
                self._kill()
                raise StopRequested
        return None

    def _is_answered(self, connection: Connection) -> bool:
        """Wait for the first bytes: a process in the midst of a long fit may take its time."""
        assert self._process is not None
        while self._process.alive() and not self._leaving:
            if self._await(self._left(END_SECONDS), connection):
                return True
            self._take()
            self._enforce()
        return False

    def _listen(self, connection: Connection) -> bool:
        """Wait for a message or a command, and take the message over; False if the line is dead."""
        if self._await(self._left(None), connection) and not self._receive(connection):
            return False
        self._enforce()
        return True

    def _receive(self, connection: Connection) -> bool:
        try:
            head, buffers = unpack(connection.recv_bytes())
        except (EOFError, OSError):
            return False
        self._heard = int(head.get("heard", self._heard))
        self._apply(head, buffers, briefly=self._late)
        if head.keys() != {"heard"}:
            self._late = False
            self._synced.set()
        return True

    def _forward(self) -> bool:
        """Send what is wished; False if the line is dead."""
        self._take()
        head: dict[str, Any] = {}
        if self._sent - self._heard >= UNANSWERED:
            return True
        if self._pending:
            head["commands"] = [dataclasses.asdict(command) for command in self._pending]
        if self._interest != self._told_interest:
            head["interest"] = self._interest
        version = -1 if self._stored is None else self._stored.version
        # one wish for each snapshot is enough, however often it was asked for
        if self._wanted and self._asked_version != version:
            head["snapshot"] = True
        if not head:
            return True
        assert self._connection is not None
        try:
            self._connection.send_bytes(pack(head))
        except OSError:
            return False
        self._sent += 1
        self._pending = []
        self._told_interest = head.get("interest", self._told_interest)
        if "snapshot" in head:
            self._wanted, self._asked_version = False, version
        return True

    def _take(self) -> None:
        """Take the commands out of the mailbox; a stop sets the time at which it is enforced."""
        for command in self._mailbox.take(wait=False):
            self._pending.append(command)
            if command.kind == "stop" and self._kill_at is None:
                algorithm = self.job.algorithm
                single = self._path == "single" or (algorithm.engine == "estimator" and algorithm.staged is None)
                self._kill_at = time.monotonic() + (STOP_SECONDS_SINGLE if single else STOP_SECONDS)

    def _await(self, seconds: float | None, connection: Connection | None = None) -> bool:
        """Wait until something comes in, or someone rings; return whether something came."""
        lines = [self._bell.line] if connection is None else [self._bell.line, connection]
        ready = wait(lines, seconds)
        if self._bell.line in ready:
            self._bell.hush()
        return connection in ready

    def _left(self, most: float | None) -> float | None:
        """Return how long to wait at the most."""
        if self._kill_at is None:
            return most
        left = max(0.0, self._kill_at - time.monotonic())
        return left if most is None else min(left, most)

    def _enforce(self) -> None:
        """Kill the process if it was to stop and did not."""
        if self._kill_at is None or time.monotonic() < self._kill_at or self.status in ENDED:
            return
        self._kill()
        connection = self._connection
        # what it had said before
        while connection is not None and self.status not in ENDED and connection.poll(END_SECONDS):
            if not self._receive(connection):
                break
        if self.status not in ENDED:
            self.note(
                "The training process did not stop by itself in time, as a single long fit cannot, and was ended. "
                "The model is that of the last snapshot, if there was one."
            )
            self._write_status("stopped")
            self._become("stopped")

    def _kill(self) -> None:
        assert self._process is not None
        if self.folder is not None:
            # for the run's other clients, who see the process go before they could be told
            with contextlib.suppress(OSError):
                (self._place / KILLED).touch()
        self._process.kill()
        self._process.end(END_SECONDS)

    def _mourn(self, code: int | None) -> None:
        """Learn from what the process left behind how the run ended."""
        with contextlib.suppress(FileNotFoundError):
            head, buffers = unpack((self._place / RECORD).read_bytes())
            self._apply(head, buffers, briefly=True)
        told = {}
        with contextlib.suppress(MedilyticaError):
            told = read_json(self._place / STATUS)
        if told.get("status") in ("finished", "stopped"):
            self._become(told["status"])
        elif (self._place / KILLED).exists():
            self._become("stopped")
        if self.status not in ENDED:
            epoch = max(self._position[0], float(told.get("epoch") or 0.0))
            where = f"at epoch {max(1, math.ceil(epoch))}"
            self._error = explain_death(self.job.algorithm.name, code, self._place, where)
            self._tell("error", self._error.message)
            self._write_status("failed")
            self._become("failed")

    def _write_status(self, status: Status) -> None:
        """Write what a dead process, or one that is not there yet, cannot."""
        if self.folder is None:
            return
        epoch, step = self._position
        facts = {
            "status": status,
            "pid": self.pid or 0,
            "birth": birth(self.pid) or "" if self.pid else "",
            "host": platform.node(),
            "detached": self.detached,
            "epoch": epoch,
            "epochs": self._epochs(),
            "step": step,
            "error": None if self._error is None else self._error.message,
            "updated": time.time(),
        }
        try:
            write_json(self._place / STATUS, facts)
        except OSError:
            # before the start it is told by the job's files; at the end there is nothing left to save
            if status == "queued":
                raise

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # without a goodbye an attached process ends at once
        if self.detached or self.status in ENDED:
            with contextlib.suppress(OSError):
                connection.send_bytes(pack({"bye": True}))
        connection.close()

    def _written(self, timeout: float) -> bool:
        """Wait until the process of a run that has ended has written its last file, or is gone; False if it has not."""
        process = self._process
        return process is None or self.folder is None or await_complete(self.folder, process.alive, timeout)

    def _clean_up(self) -> None:
        self._hang_up()
        self._bell.close()
        process = self._process
        if self.detached and self.status in ENDED and not self._leaving:
            # who waits for the run finds everything on disk
            self._written(FAREWELL_SECONDS)
        if isinstance(process, Child) and self.detached:
            process.leave()
        elif isinstance(process, Child) and process.end(FAREWELL_SECONDS) is None:
            self._kill()
        if process is not None and not process.alive():
            address = address_of(self._place)
            if address is not None:
                remove_socket(Path(address), self._place)
                for name in (ADDRESS, KEY):
                    (self._place / name).unlink(missing_ok=True)
        if self.folder is None and self._place != Path():
            shutil.rmtree(self._place, ignore_errors=True)
