"""Training processes: how one begins, whether it still lives, how it is ended, and what its death means."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import MedilyticaError, OutOfMemoryError, StateError, TrainingError

TEMPORARY = "medilytica-run-"
_PDEATHSIG = 1
_TAIL = 8
_LONGEST_TAIL = 20_000
# The kernel tells a process's start in ticks since boot, and the moment of boot shifts as the clock is set.
_TOLERANCE = 3.0


def birth(pid: int) -> str | None:
    """Return a mark of the process that has this number now; None if none has.

    With the number it tells a process for good: numbers are given out again. On Linux it is the time the process
    began and the machine's boot; elsewhere psutil knows it, which comes with ipykernel. An empty string stands for a
    living process of which nothing more is known.
    """
    if sys.platform == "linux":
        try:
            # the name, in brackets, may hold anything
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"
    try:
        import psutil
    except ImportError:
        return _merely_alive(pid)
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return None


def _merely_alive(pid: int) -> str | None:
    # on Windows this very call would end the process
    if os.name != "nt":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except OSError:
            pass
    return ""


@dataclass(frozen=True)
class Identity:
    """A process, told apart from a later one that got the same number.

    Attributes
    ----------
    host : str
        The machine's name.
    pid : int
    started : float
        Seconds since 1970, for people and databases.
    birth : str
        What `birth` returns.
    """

    host: str
    pid: int
    started: float
    birth: str


@functools.lru_cache(maxsize=4)
def _identity(pid: int) -> Identity:
    import psutil

    return Identity(platform.node(), pid, float(psutil.Process(pid).create_time()), birth(pid) or "")


def this_process() -> Identity:
    """Return the process that runs this; the same answer costs nothing the second time, also after a fork."""
    return _identity(os.getpid())


def is_alive(pid: int | None, mark: str | float | None) -> bool:
    """Return whether a process still runs on this machine, and is no later one with the same number.

    Parameters
    ----------
    pid : int or None
    mark : str, float or None
        Its `birth`, or its start in seconds since 1970; any process with that number counts if None.
    """
    if not pid or pid < 0:
        return False
    if mark is None or isinstance(mark, str):
        found = birth(pid)
        return found is not None and mark in (None, found)
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(float(process.create_time()) - mark) <= _TOLERANCE
    except (psutil.NoSuchProcess, OverflowError):
        return False
    except psutil.AccessDenied:  # it is there, and it is someone else's
        return True


class Process(Protocol):
    """A training process, as a client sees it."""

    pid: int

    def alive(self) -> bool:
        """Whether it runs."""
        ...

    def kill(self) -> None:
        """End it at once; nothing if it has ended."""
        ...

    def end(self, timeout: float) -> int | None:
        """Wait for its end, free what the system keeps of it, return its exit code; None while it runs or if unknown.

        The code is negative where a signal ended it, as `subprocess.Popen` has it.
        """
        ...


class Child:
    """A training process that this process begins.

    Parameters
    ----------
    folder : Path
        Of its job; what it prints goes into ``child.log`` there.
    detached : bool
        Whether it is to outlive this process.
    """

    def __init__(self, folder: Path, detached: bool) -> None:
        if not sys.executable:
            raise StateError("This Python was started by another program and names no interpreter, so it cannot start "
                             "a training process; train with worker='thread'.")  # fmt: skip
        command = [sys.executable, "-P", "-m", "medilytica_widgets.engine.child", str(folder)]
        if not detached:
            command.append(str(os.getpid()))
        # this very package first; the current folder last, or a person's queue.py would be the standard library's
        rest = [entry for entry in sys.path if entry not in ("", os.getcwd())]
        path = [str(Path(__file__).parents[2]), *rest, os.getcwd()]
        how: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            alone = subprocess.DETACHED_PROCESS if detached else subprocess.CREATE_NO_WINDOW
            how = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | alone}
        # a session of its own, since an interrupt of the kernel goes to the kernel's whole process group
        with open(folder / "child.log", "ab") as log:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
                **how,
            )
        self.pid = self._popen.pid

    def alive(self) -> bool:
        """Whether it runs."""
        return self._popen.poll() is None

    def kill(self) -> None:
        """End it at once, and with it the processes that its fit began."""
        if self.alive():
            _kill_group(self.pid)

    def end(self, timeout: float) -> int | None:
        """Wait for its end and return its exit code, see `Process`."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def leave(self) -> None:
        """Let it run on; a thread waits for its end, so that it stays no zombie."""
        if self.alive():
            name = f"medilytica-left-{self.pid}"
            threading.Thread(target=self._popen.wait, name=name, daemon=True).start()


class Stranger:
    """A training process that another one began.

    Parameters
    ----------
    pid : int
    mark : str
        What `birth` returned for it.
    """

    def __init__(self, pid: int, mark: str) -> None:
        self.pid, self._mark = pid, mark

    def alive(self) -> bool:
        """Whether it runs, and is still the same."""
        return is_alive(self.pid, self._mark)

    def kill(self) -> None:
        """End it at once."""
        if self.alive():
            _kill_group(self.pid)

    def end(self, timeout: float) -> int | None:
        """Wait for its end; its exit code is known to its parent only."""
        until = time.monotonic() + timeout
        pause = threading.Event()
        while self.alive() and time.monotonic() < until:
            pause.wait(0.01)
        return None


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            # each training process leads a group of its own
            os.killpg(pid, signal.SIGKILL)


def die_with(parent: int) -> None:
    """Let the system end this process as soon as the thread that began it has ended; on Linux only.

    The signal counts for the thread, not for the process (prctl(2)), so the one that calls `Child` must live as long
    as the child.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PDEATHSIG, signal.SIGKILL)
    if orphaned(parent):
        os._exit(1)


def orphaned(parent: int) -> bool:
    """Return whether the parent of this process has ended; never on Windows, where it cannot be told."""
    return os.name != "nt" and os.getppid() != parent


def explain_death(name: str, code: int | None, folder: Path, where: str) -> MedilyticaError:
    """Return the error of a run whose process ended without a word.

    Parameters
    ----------
    name : str
        The algorithm's.
    code : int or None
        What `Process.end` returned.
    folder : Path
        Of ``child.log``.
    where : str
        "at epoch 3", say.
    """
    tail = _tail(folder)
    kept = "The history and the last snapshot are kept."
    if code is not None and code < 0:
        try:
            word = signal.Signals(-code).name
        except ValueError:
            word = "unknown"
        if word == "SIGKILL":
            return OutOfMemoryError(
                f"{name} stopped {where}: its process was killed by signal {-code} (SIGKILL), as the system does when "
                "memory runs out, and as kill -9 does. If nobody ended it, try a smaller batch_size, fewer or smaller "
                f"trees, or a smaller table, and end what else uses memory. {kept}"
            )
        return TrainingError(
            f"{name} stopped {where}: its process was killed by signal {-code} ({word}). Start it again; if it "
            f"happens again, train with worker='thread' and report it. {kept}{tail}"
        )
    if code is None:
        return TrainingError(
            f"{name} stopped {where}: its process is gone. It was killed, or the machine was shut down. Start it "
            f"again, or resume it from its last checkpoint.{tail}"
        )
    return TrainingError(f"{name} stopped {where}: its process ended by itself with exit code {code}. {kept}{tail}")


def _tail(folder: Path) -> str:
    try:
        with open(folder / "child.log", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LONGEST_TAIL))
            text = file.read().decode(errors="replace").strip()
    except OSError:
        return ""
    # what faulthandler wrote begins with the reason and the innermost calls, and ends with what says little
    crash = text.rfind("Fatal Python error")
    lines = text[crash:].splitlines()[:_TAIL] if crash >= 0 else text.splitlines()[-_TAIL:]
    return "\nIts last output:\n" + "\n".join(lines) if lines else ""


def temporary_folder() -> Path:
    """Return a new folder for a run of this process, and remove those of processes that have ended."""
    base = Path(tempfile.gettempdir())
    for old in base.glob(f"{TEMPORARY}*"):
        owner = re.fullmatch(rf"{TEMPORARY}(\d+)-\w+", old.name)
        with contextlib.suppress(OSError):
            # another user's is left alone, and so is one whose child has not noticed yet that it is orphaned
            if owner and birth(int(owner[1])) is None and (os.name == "nt" or old.stat().st_uid == os.getuid()):
                shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-"))
