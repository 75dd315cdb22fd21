"""One process at a time trains in a run's folder: who does is written there, with a sign of life."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import StateError
from .processes import birth, is_alive
from .run_folder import STALE_SECONDS, last_touched

LOCK = ".lock"
PATIENCE_SECONDS = 3.0
"""How long `FolderLock.take` waits for one that is about to be given back."""
BEAT_SECONDS = 30.0
"""Time between two signs of life, for machines that cannot look at each other's processes."""

_LARGEST = 4096
_held: set[FolderLock] = set()
_changing = threading.Lock()
_wake = threading.Event()
_beating: threading.Thread | None = None


class FolderLock:
    """Says that this process trains in a folder; made by `take`.

    A process that dies leaves its lock behind, which counts no more: another process with its number has another
    birth. Of a process on another machine, such as a container that was replaced, only signs of life tell.

    Attributes
    ----------
    folder : Path
    passed_on : bool
        Whether somebody sees to it that it is given back.
    """

    def __init__(self, folder: Path, token: str) -> None:
        self.folder, self._token, self.passed_on = folder, token, False

    @classmethod
    def take(cls, folder: str | os.PathLike[str], patience: float = PATIENCE_SECONDS) -> FolderLock | None:
        """Take the lock of a folder, which is made where it is missing.

        Returns
        -------
        FolderLock or None
            None where the folder cannot be written: nobody can train there either.

        Raises
        ------
        StateError
            While somebody else has it.
        """
        place, until = Path(folder).absolute(), time.monotonic() + patience
        pause = threading.Event()
        while True:
            try:
                place.mkdir(parents=True, exist_ok=True)
                with _opened(place) as file:
                    holder = _living(place, _read(file))
                    if holder is None:
                        lock = cls(place, uuid.uuid4().hex)
                        _write(file, lock._about(os.getpid()))
                        _watch(lock)
                        return lock
            except OSError:
                return None
            if time.monotonic() > until:
                raise StateError(
                    f"The run in {place} is being trained already, by process {holder['pid']} on {holder['host']}. "
                    "Stop it there first, or look at it with mw.open_run if it is detached."
                )
            pause.wait(0.02)

    def hand_over(self, pid: int) -> None:
        """Let a process that this one began have the lock."""
        _unwatch(self)
        self._replace(self._about(pid))

    def release_after(self, thread: threading.Thread | None) -> None:
        """Give it back when a thread has ended; returns at once."""

        def work() -> None:
            if thread is not None:
                thread.join()
            self.release()

        if thread is None:
            self.release()
        else:
            threading.Thread(target=work, name="medilytica-unlock", daemon=True).start()

    def release(self) -> None:
        """Give it back, unless another process has it by now. Safe to call twice."""
        _unwatch(self)
        self._replace(None, os.getpid())

    def _about(self, pid: int) -> dict[str, Any]:
        mark, folder = birth(pid) or "", str(self.folder.resolve())
        return {"pid": pid, "birth": mark, "host": platform.node(), "folder": folder, "token": self._token}

    def _replace(self, content: dict[str, Any] | None, pid: int | None = None) -> None:
        with contextlib.suppress(OSError):
            # not made again where the folder is gone
            if not (self.folder / LOCK).exists():
                return
            with _opened(self.folder) as file:
                told = _read(file)
                if told.get("token") == self._token and pid in (None, told.get("pid")):
                    _write(file, content)


def hand_over(folder: Path, pid: int) -> None:
    """Let a process that this one began have the lock that this one holds on a folder; nothing where it holds none."""
    for lock in list(_held):
        if lock.folder == folder.absolute():
            lock.hand_over(pid)


def _living(folder: Path, told: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a lock says if its holder lives."""
    try:
        pid, mark, host = int(told["pid"]), str(told["birth"]), str(told["host"])
    except (KeyError, TypeError, ValueError):
        return None
    if host == platform.node():
        return told if is_alive(pid, mark) and _is_same(told.get("folder"), folder) else None
    return told if time.time() - last_touched(folder) < STALE_SECONDS else None


def _is_same(told: Any, folder: Path) -> bool:
    """Whether a lock is of the folder in which it lies, and not of one that was moved here."""
    try:
        return not isinstance(told, str) or os.path.samefile(told, folder)
    except OSError:
        return False


# -- the file: it is never removed, or two processes could each hold another file of that name


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[IO[bytes]]:
    """Open the lock's file for this process alone."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    # closing it gives the system's lock back
    with open(descriptor, "r+b", buffering=0) as file:
        _lock_file(descriptor)
        yield file


def _lock_file(descriptor: int) -> None:
    # a network drive without locks is used without
    with contextlib.suppress(OSError):
        if os.name == "nt":
            import msvcrt

            # the byte lies behind all that is written
            os.lseek(descriptor, 2**20, os.SEEK_SET)
            getattr(msvcrt, "locking")(descriptor, getattr(msvcrt, "LK_LOCK"), 1)  # noqa: B009 (Windows only)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _read(file: IO[bytes]) -> dict[str, Any]:
    file.seek(0)
    try:
        told = json.loads(file.read(_LARGEST))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _write(file: IO[bytes], content: dict[str, Any] | None) -> None:
    file.seek(0)
    file.truncate()
    if content is not None:
        file.write(json.dumps(content).encode())


# -- signs of life


def _watch(lock: FolderLock) -> None:
    global _beating
    with _changing:
        _held.add(lock)
        if _beating is None:
            _wake.clear()
            _beating = threading.Thread(target=_beat, name="medilytica-lock", daemon=True)
            _beating.start()


def _unwatch(lock: FolderLock) -> None:
    with _changing:
        _held.discard(lock)
        if not _held:
            _wake.set()


def _beat() -> None:
    """Touch every lock now and then, until none is held."""
    global _beating
    while True:
        _wake.wait(BEAT_SECONDS)
        with _changing:
            _wake.clear()
            if not _held:
                _beating = None
                return
            held = list(_held)
        for lock in held:
            with contextlib.suppress(OSError):
                os.utime(lock.folder / LOCK)


def _forget() -> None:
    """In a forked child: the runs and the thread are the parent's."""
    global _beating, _changing
    _changing, _beating = threading.Lock(), None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
