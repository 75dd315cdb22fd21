"""Files that are either whole or absent: written under another name, made durable, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import threading
import time
import zlib
from collections.abc import Iterator
from io import FileIO
from itertools import count
from pathlib import Path

STALE_SECONDS = 3600.0
"""A partial file of another machine counts as abandoned when nothing was written to it for so long."""

_PARTIAL = re.compile(r"^\..+\.([0-9a-f]{8})-(\d{1,10})-\d+\.part$")
_HERE = f"{zlib.crc32(platform.node().encode()):08x}"
_numbers = count()
_mine: set[str] = set()
_cleaning = threading.Lock()


@contextlib.contextmanager
def replacing(path: Path, previous: Path | None = None, durable: bool = True, clean: bool = True) -> Iterator[FileIO]:
    """Open a file that takes the place of ``path`` when the block ends without an error.

    Whoever reads ``path`` finds the old content or the new one, also after ``kill -9`` at any moment and, if
    ``durable``, after a power cut. Partial files that a killed process left in the folder are removed.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    previous : Path, optional
        What stood at ``path`` stays under this name, in the same folder.
    durable : bool
        Wait until the content and the name are on the disk.
    clean : bool
        Look for partial files; who writes many at once looks for the first only.

    Yields
    ------
    FileIO
        Unbuffered; its ``write`` may write less than asked (see `write_all`).

    Raises
    ------
    OSError
        If it cannot be written; ``path`` is as before, and no partial file is left.
    """
    if clean:
        remove_partials(path.parent)
    with _partial(path) as partial:
        with open(partial, "xb", buffering=0) as file:
            yield file
            if durable:
                os.fsync(file.fileno())
        if previous is not None:
            _keep_as(path, previous)
        os.replace(partial, path)
        if durable:
            sync_folder(path.parent)


def write_all(file: FileIO, content: bytes | memoryview) -> None:
    """Write all of it, or raise the error that stands in the way."""
    rest = memoryview(content)
    while len(rest):
        # a nearly full disk takes a part first and tells its error at the next call
        rest = rest[file.write(rest) :]


def remove_partials(folder: Path) -> int:
    """Remove partial files that no living process is writing, and return how many there were."""
    found = 0
    # two threads of this process would otherwise race for the same leftover
    with _cleaning, contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _PARTIAL.match(entry.name)
            if match and _abandoned(entry, match[1], int(match[2])):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
                    found += 1
    return found


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # some network file systems cannot, and say so
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Yield a name for what shall become ``path``; whatever is left under it at the end is removed."""
    partial = path.with_name(f".{path.name}.{_HERE}-{os.getpid()}-{next(_numbers)}.part")
    _mine.add(partial.name)
    try:
        yield partial
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        _mine.discard(partial.name)


def _abandoned(entry: os.DirEntry[str], machine: str, pid: int) -> bool:
    if machine == _HERE and pid == os.getpid():
        # in a container every kernel may have the same number, so it can be a predecessor's
        return entry.name not in _mine
    if machine == _HERE and os.name == "posix":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            pass
    try:
        return time.time() - entry.stat().st_mtime > STALE_SECONDS
    except OSError:
        return False


def _keep_as(path: Path, previous: Path) -> None:
    # renaming does nothing where both names are one file already, hence the removal that `_partial` does
    with _partial(previous) as second:
        try:
            os.link(path, second)
            os.replace(second, previous)
        except FileNotFoundError:
            pass
        except OSError:
            # this file system has no hard links; between the two renames only the previous one is there
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, previous)
