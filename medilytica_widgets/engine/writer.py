"""One background thread of the process that writes files, so that no training thread waits for a disk."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

EXIT_SECONDS = 15.0
"""How long the end of the interpreter waits for files that are not written yet."""

Job = Callable[[], None]
_log = logging.getLogger(__name__)


class Line:
    """Jobs in the order given, and the thread that carries them out. Posting never waits, on any thread.

    Attributes
    ----------
    thread : Thread
        Ends when all who opened the line have released it.
    """

    def __init__(self, writer: Writer) -> None:
        # its put is one call in C without a lock of ours, and may even be used by a finalizer
        self._jobs: SimpleQueue[Job | threading.Event] = SimpleQueue()
        self._writer = writer
        self.thread = threading.Thread(target=self._work, name="medilytica-writer", daemon=True)

    def post(self, job: Job) -> None:
        """Have ``job`` carried out after all that was posted before; what it raises goes to the log."""
        self._jobs.put(job)

    def flush(self, timeout: float) -> bool:
        """Wait until all that was posted before is done; False if that takes longer, or on the line's own thread."""
        if threading.current_thread() is self.thread:
            return False
        reached = threading.Event()
        self._jobs.put(reached.set)
        return reached.wait(timeout)

    def release(self) -> threading.Event:
        """Say that no more will be posted by one who opened the line; the event is set when that is heard."""
        heard = threading.Event()
        self._jobs.put(heard)
        return heard

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if isinstance(job, threading.Event):
                last = self._writer.left()
                job.set()
                if last:
                    return
                continue
            try:
                job()
            except Exception:
                _log.exception("a job of the background writer raised")
            # the job would keep its arrays until the next one comes
            del job


class Writer:
    """Hands out the line; the thread lives as long as someone has it open."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew; for the child of a fork, in which the thread does not run."""
        self._lock = threading.Lock()
        self._line: Line | None = None
        self._users = 0

    def open(self) -> Line:
        """Return the line, with its thread running; every `open` needs a `Line.release`."""
        with self._lock:
            if self._line is None:
                self._line = Line(self)
                self._line.thread.start()
            self._users += 1
            return self._line

    def close(self, line: Line, timeout: float) -> bool:
        """Flush and release a line; when it was the last user's, wait for its thread to end as well."""
        until = time.monotonic() + timeout
        done = line.flush(timeout)
        heard = line.release()
        if done and heard.wait(max(0.0, until - time.monotonic())) and self._line is not line:
            line.thread.join(max(0.0, until - time.monotonic()))
        return done

    def left(self) -> bool:
        """Count a user less, on the line's thread; return whether it was the last."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._line = None
            return self._users == 0

    def finish(self) -> bool:
        """Wait up to `EXIT_SECONDS` for what is posted so far."""
        line = self._line
        return line is None or line.flush(EXIT_SECONDS)


WRITER = Writer()
atexit.register(WRITER.finish)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WRITER.forget)
