"""How many trainings run, told by the locks in the folders of the runs.

Whoever trains holds the lock of the run's folder (see ``engine/lock.py``); the server loads nothing of the engine, so
it reads those files itself. Kernels of all servers of this account count, and scripts: what is asked is how busy it is.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

LOCK = ".lock"
LARGEST_BYTES = 4096
STALE_SECONDS = 300.0
LOOK_SECONDS = 5.0


class Trainings:
    """Counts them, and looks at the disk at most every few seconds.

    Parameters
    ----------
    home : Path, optional
        The folder of run store and runs; the account's own if left out.
    """

    def __init__(self, home: Path | None = None) -> None:
        self.home = home
        self._looked = float("-inf")
        self._count = 0

    def running(self) -> int:
        """Return how many runs are being trained now; a paused one counts, one whose process died does not."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._count = sum(_is_held(folder) for folder in _folders(self.home or home_folder()))
            self._looked = time.monotonic()
        return self._count


def home_folder() -> Path:
    """Return the folder of the runs, as ``store/home.py`` finds it."""
    given = os.environ.get("MEDILYTICA_HOME", "").strip()
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("medilytica_widgets", appauthor=False))


def _folders(home: Path) -> list[Path]:
    try:
        with os.scandir(home / "runs") as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _is_held(folder: Path) -> bool:
    path = folder / LOCK
    try:
        with open(path, "rb") as file:
            told: Any = json.loads(file.read(LARGEST_BYTES) or b"null")
            touched = os.fstat(file.fileno()).st_mtime
        pid, birth, host = int(told["pid"]), str(told["birth"]), str(told["host"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
    if host != platform.node():
        return time.time() - touched < STALE_SECONDS
    return _lives(pid, birth)


def _lives(pid: int, birth: str) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
    except (psutil.Error, ValueError, OverflowError):
        return False
    if os.path.isdir("/proc/self"):
        # on Linux the lock tells boot and start; a later process with the same number has another start
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19] == birth.rpartition(":")[2]
        except (OSError, IndexError):
            return False
    return birth in ("", str(process.create_time()))
