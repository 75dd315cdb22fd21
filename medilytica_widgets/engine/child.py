"""A training process: ``python -m medilytica_widgets.engine.child <folder> [<pid of the kernel>]``.

It trains the job that `write_job` left in the folder and tells every client what is new. With the kernel's number
it ends as soon as the kernel does; without, it is detached and trains on whoever listens.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, MedilyticaError
from .atomic import replacing, write_all
from .channel import RECORD, RESUME, STATUS, hang_up, key_of, listen, pack, prove_as_process, unpack
from .checkpoints import read_state
from .facts import write_json
from .failures import explain
from .job import Job
from .job_files import arrays_of, read_job, remove_job
from .keeper import Keeping
from .processes import birth, die_with, orphaned
from .reporting import FailedStart, ReportingTrainer, Seen
from .states import ENDED
from .writer import WRITER

SEND_SECONDS = 0.05
"""The least time between two messages to a client."""
IDLE_SECONDS = 0.25
"""How long a client waits for what announces itself by no status: the snapshot made at a pause."""
STATUS_SECONDS = 2.0
RECORD_SECONDS = 10.0
"""The least time between two records of a detached run that is under way: so much is lost if it is killed."""
FAREWELL_SECONDS = 10.0
RECORD_SHARE = 0.02
"""The part of the time that records may take."""
OWNER_SECONDS = 60.0
"""How long the process waits for the kernel that began it to connect."""

_log = logging.getLogger(__name__)


class Session:
    """One client: a thread that hears it and a thread that tells it what is new.

    A client that is slow or dead keeps its own telling thread waiting and nothing else; what it missed it gets by
    its cursors.

    Parameters
    ----------
    server : Server
    connection : Connection
        On which nothing is proven yet.
    """

    def __init__(self, server: Server, connection: Connection) -> None:
        self._server, self._connection = server, connection
        self.seen = Seen()
        self.owner = False
        self._stirred = threading.Event()
        self._gone = threading.Event()
        self.over = threading.Event()
        threading.Thread(target=self._hear, name="medilytica-hear", daemon=True).start()

    def stir(self) -> None:
        """Look soon whether there is something to tell."""
        self._stirred.set()

    def _hear(self) -> None:
        said_goodbye = False
        try:
            prove_as_process(self._connection, key_of(self._server.folder))
            self._server.sessions.add(self)
            threading.Thread(target=self._tell, name="medilytica-tell", daemon=True).start()
            while not said_goodbye:
                head, _ = unpack(self._connection.recv_bytes())
                said_goodbye = bool(head.get("bye"))
                self._server.take(self, head)
        except (EOFError, OSError, MedilyticaError) as error:
            _log.info("a client went away: %r", error)
        finally:
            self._gone.set()
            self.stir()
            self.over.set()
            self._server.lost(self, said_goodbye)
            with contextlib.suppress(OSError):
                self._connection.close()

    def _tell(self) -> None:
        told = 0
        with contextlib.suppress(OSError):
            while not self._gone.is_set():
                source = self._server.source
                waits = source is None or getattr(source, "status", "failed") != "running"
                self._stirred.wait(IDLE_SECONDS if waits else SEND_SECONDS)
                self._stirred.clear()
                source, heard = self._server.source, self.seen.commands
                news = source.news(self.seen) if source is not None else None
                if news is not None and news.message is not None:
                    self._connection.send_bytes(news.message)
                if heard > told:
                    told = heard
                    self._connection.send_bytes(pack({"heard": heard}))
                if news is not None and news.last:
                    return
                self._gone.wait(SEND_SECONDS)


class Server:
    """The process's side of a run.

    Parameters
    ----------
    folder : Path
        Of the job.
    parent : int or None
        The kernel's number, unless detached.
    """

    def __init__(self, folder: Path, parent: int | None) -> None:
        self.folder, self._parent = folder, parent
        self.source: ReportingTrainer | FailedStart | None = None
        self.sessions: set[Session] = set()
        self._early: list[dict[str, Any]] = []
        self._ordered = threading.RLock()
        self._changed = threading.Event()
        self._owned = False
        self._temporary = self._described = False
        self._next_record = time.monotonic() + RECORD_SECONDS
        self._birth = birth(os.getpid())
        self._complained = False

    def run(self) -> None:
        """Train to the end, and tell it."""
        began = time.monotonic()
        listener = listen(self.folder)
        threading.Thread(target=self._accept, args=(listener,), name="medilytica-accept", daemon=True).start()
        try:
            self._begin()
        except BaseException as error:  # whatever it is, someone waits for this run
            logging.exception("the training could not begin")
            self.source = FailedStart(explain(error, "The training", 0.0, "cpu", {}))
            self._stir()
        self._write_status()
        while not self._ended():
            self._changed.wait(STATUS_SECONDS)
            self._changed.clear()
            if self._parent is not None:
                if orphaned(self._parent) or not (self._owned or time.monotonic() - began < OWNER_SECONDS):
                    self._vanish()
            elif time.monotonic() > self._next_record:
                self._record()
            if not self._ended():
                self._write_status()
        if isinstance(self.source, ReportingTrainer):
            self.source.close()
            # checkpoints that are being written
            WRITER.finish()
        self._record()
        if self._described:
            # whoever opens it brings the job along
            remove_job(self.folder)
        self._write_status(complete=True)
        for session in list(self.sessions):
            session.over.wait(FAREWELL_SECONDS)
        hang_up(listener, self.folder)

    def take(self, session: Session, head: Mapping[str, Any]) -> None:
        """Carry out what a client asks for."""
        if head.get("owner"):
            session.owner = self._owned = True
        if "interest" in head:
            session.seen.interest = bool(head["interest"])
            self._mind_interest()
        with self._ordered:
            for command in head.get("commands", ()):
                if self.source is None:
                    self._early.append(command)
                else:
                    self._carry_out(command)
        if head.get("snapshot"):
            session.seen.wanted = True
            if isinstance(self.source, ReportingTrainer):
                self.source.wish()
        session.seen.commands += 1
        session.stir()

    def lost(self, session: Session, said_goodbye: bool) -> None:
        """Take note that a client is gone; the kernel's end is the end of an attached run."""
        self.sessions.discard(session)
        if session.owner and self._parent is not None and not said_goodbye:
            self._vanish()
        self._mind_interest()

    # -- the run

    def _begin(self) -> None:
        job, extra = read_job(self.folder, imports=True)
        sys.path[:] = extra["path"]
        self._temporary, self._described = bool(extra["temporary"]), bool(extra["about"])
        self._write_status()
        if self._temporary and os.name != "nt":
            # they are mapped; should this process and the kernel be killed, nothing large stays behind
            for array in arrays_of(self.folder):
                array.unlink(missing_ok=True)
        _import_for(job)
        resume = read_state(self.folder / RESUME) if extra["resume"] else None
        with contextlib.suppress(OSError):
            (self.folder / RESUME).unlink(missing_ok=True)
        keeping = Keeping(**extra["keeping"]) if extra["keeping"] is not None else None
        trainer = ReportingTrainer(
            job, keeping=keeping, resume=resume, sheet_every=extra["sheet_every"], stir=self._stir
        )
        with self._ordered:
            for change in extra["changes"]:
                trainer.set(change["name"], change["value"], change["author"])
            self.source = trainer
            self._mind_interest()
            if extra["goal"] is None:
                trainer.start()
            else:
                trainer.step(extra["goal"])
            for command in self._early:
                self._carry_out(command)

    def _carry_out(self, command: Mapping[str, Any]) -> None:
        trainer = self.source
        if not isinstance(trainer, ReportingTrainer):
            return
        kind = command["kind"]
        try:
            if kind == "set":
                trainer.set(command["name"], command["value"], command["author"])
            elif kind == "step":
                trainer.step(command["unit"])
            elif kind in ("pause", "resume", "stop"):
                getattr(trainer, kind)()
        except MedilyticaError as error:
            # two clients may ask for what does not fit together; each of them had been told that it does
            trainer.log.append("warning", f"A change was not made: {error.message}")

    def _mind_interest(self) -> None:
        if isinstance(self.source, ReportingTrainer):
            self.source.snapshot_interest = any(session.seen.interest for session in list(self.sessions))

    def _stir(self) -> None:
        self._changed.set()
        for session in list(self.sessions):
            session.stir()

    def _ended(self) -> bool:
        return self._status() in ENDED

    def _status(self) -> str:
        if self.source is None:
            return "queued"
        return self.source.status if isinstance(self.source, ReportingTrainer) else "failed"

    # -- clients

    def _accept(self, listener: Listener) -> None:
        while True:
            try:
                connection = listener.accept()
            except OSError:
                # closed at the end; a client that gives up while it is let in is no reason to stop listening
                if self._ended():
                    return
                continue
            Session(self, connection)

    def _vanish(self) -> None:
        if self._temporary:
            for path in self.folder.glob("*"):
                with contextlib.suppress(OSError):
                    path.unlink()
            with contextlib.suppress(OSError):
                self.folder.rmdir()
        os._exit(1)

    # -- files

    def _write_status(self, complete: bool = False) -> None:
        if self._temporary:
            return
        source, status = self.source, self._status()
        error = source.error if source is not None else None
        progress = source.progress() if isinstance(source, ReportingTrainer) else {}
        facts = {
            "status": status,
            "pid": os.getpid(),
            "birth": self._birth,
            "host": platform.node(),
            "detached": self._parent is None,
            "epoch": progress.get("epoch", 0.0),
            "epochs": progress.get("epochs"),
            "step": progress.get("step", 0),
            "error": None if error is None else error.message,
            # all other files are written
            "complete": complete,
            "updated": time.time(),
        }
        with self._complaining():
            write_json(self.folder / STATUS, facts, durable=status in ENDED)

    def _record(self) -> None:
        """Write down what a client that knows nothing would be told, for those who come when this process is gone."""
        if self.source is None or self._temporary:
            return
        began = time.monotonic()
        message = self.source.news(Seen(), everything=True).message
        with self._complaining():
            if message is not None:
                with replacing(self.folder / RECORD) as file:
                    write_all(file, message)
        ended = time.monotonic()
        self._next_record = ended + max(RECORD_SECONDS, (ended - began) / RECORD_SHARE)

    @contextlib.contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except (OSError, CheckpointError) as error:
            if not self._complained and isinstance(self.source, ReportingTrainer):
                self._complained = True
                self.source.log.append("warning", f"The run's folder cannot be written ({error}); training goes on.")


def _import_for(job: Job) -> None:
    """Load what the training needs, so that a run that is running trains."""
    if job.algorithm.engine == "torch":
        from . import torch_loop  # noqa: F401

        return
    from . import estimator_loop  # noqa: F401

    # what is wrong with the values is said when the loop builds it again
    with contextlib.suppress(Exception):
        job.algorithm.build(job.values, job.task, job.n_features, job.n_classes, job.seed)


def main(arguments: Sequence[str]) -> int:
    """Train the job in a folder and return the exit code.

    Parameters
    ----------
    arguments : sequence of str
        The folder and, unless the run is detached, the number of the process that began this one.
    """
    logging.basicConfig(level=logging.WARNING)
    faulthandler.enable()
    parent = int(arguments[1]) if len(arguments) > 1 else None
    if parent is not None:
        die_with(parent)
    try:
        Server(Path(arguments[0]), parent).run()
    except Exception:
        _log.exception("the training process failed")
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    # everything is written; taking torch down in order would only keep the kernel waiting
    os._exit(code)
