"""Where the package keeps its files: one folder, and in it one folder a run."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError

VARIABLE = "MEDILYTICA_HOME"
_ID = re.compile(r"[0-9a-f]{12}")


def home() -> Path:
    """Return the folder that holds the run store and the runs' files; it is made where it is missing.

    The environment variable ``MEDILYTICA_HOME`` names it; otherwise it is the folder "medilytica_widgets"
    among the platform's user data. A folder made here is open to its owner only.

    Raises
    ------
    InputError
        If it cannot be made or written to.
    """
    return make_home(home_path())


def home_path() -> Path:
    """Return where the home is, or will be; `InputError` if the environment names no folder."""
    given = os.environ.get(VARIABLE, "").strip()
    if "://" in given:
        raise InputError(f"{VARIABLE} is {given!r}, but it takes a folder of this machine. Give a path.")
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("medilytica_widgets", appauthor=False)


def make_home(folder: Path) -> Path:
    """Make the folder where it is missing and return it; `InputError` if it cannot be made or written to."""
    advice = f"Set {VARIABLE} to a folder that you may write to."
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InputError(f"The folder {folder} for runs cannot be made: {error}. {advice}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"The folder {folder} for runs is not writable. {advice}")
    return folder


def check_id(run_id: object) -> str:
    """Return the id, or raise `InputError`: it becomes the name of a folder, so nothing else will do."""
    if not isinstance(run_id, str) or _ID.fullmatch(run_id) is None:
        raise InputError(f"{run_id!r} is not the id of a run; an id is twelve digits of 0-9 and a-f.")
    return run_id


def run_folder(run_id: str) -> Path:
    """Return the folder of a run's files, ``MEDILYTICA_HOME/runs/<id>``; it need not exist.

    Raises
    ------
    InputError
        For what is no id.
    """
    return home_path() / "runs" / check_id(run_id)


def files_of(run_id: str, recorded: str | None) -> Path:
    """Return where a run's files are: in the folder that its record names, or in this home if that is no more."""
    if recorded and Path(recorded).is_dir():
        return Path(recorded)
    return run_folder(run_id)


def run_files(folder: Path) -> Iterator[Path]:
    """Yield the plain files in a run's folder, but not what is being written (hidden names)."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            with contextlib.suppress(FileNotFoundError):
                # a pipe would be waited for, and a link may lead anywhere
                if not name.startswith(".") and stat.S_ISREG(path.lstat().st_mode):
                    yield path


def folder_bytes(folder: Path) -> int:
    """Return what a run's files take on the disk; what vanishes meanwhile counts nothing."""
    total = 0
    for path in run_files(folder):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def remove_folder(run_id: str) -> None:
    """Remove a run's folder; whoever looks finds all of it or nothing. Nothing happens where there is none.

    Raises
    ------
    InputError
        If it cannot be removed.
    """
    folder = run_folder(run_id)
    if not os.path.lexists(folder):
        return
    going = folder.with_name(f".removed-{run_id}-{uuid.uuid4().hex[:8]}")
    try:
        os.rename(folder, going)
        if going.is_symlink():
            going.unlink()
        else:
            shutil.rmtree(going)
    except OSError as error:
        raise InputError(f"The files of run {run_id} in {folder} cannot be removed: {error}.") from error
