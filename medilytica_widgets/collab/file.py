"""The workspace's file without a server: read, merged and written under a lock.

Beside ``team.medilytica``, which is what git sees, lies ``.team.medilytica.ystate``: the same content with the identity
of everything in it, so that what several scripts write at the same time merges. It can be deleted at any time when
nobody works on the file; the history goes with it.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from ..errors import WorkspaceError
from .document import DocumentChange, WorkspaceDocument
from .schema import MAX_CHARACTERS, VERSION, dumps, loads

_MAGIC = b"medilytica workspace 1\n"
_DIGEST = 32


class WorkspaceFile:
    """A file that this process and others work on at the same time.

    Nobody holds it for longer than a moment: `save` reads what others wrote, merges it with the document, and writes
    the result.

    Parameters
    ----------
    path : str or Path
        The file; made where it is missing.
    document : WorkspaceDocument, optional
        What to keep in it; otherwise an empty one.
    held : callable, optional
        Asked before every access: a sentence about the server that holds the file's room, or None where none does.
        The file is then left alone, because the server would not see what is written past it.
    timeout : float
        Seconds to wait for another process that is reading or writing.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        document: WorkspaceDocument | None = None,
        *,
        held: Callable[[Path], str | None] | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.path = Path(path).absolute()
        self.document = document if document is not None else WorkspaceDocument()
        self._held, self._timeout = held, timeout
        self._lock = FileLock(self._beside("lock"), timeout=timeout)
        self._known: bytes | None = None
        self._edits = self._written = 0
        self._closed = False
        self._stop = self.document.observe(self._count)

    def open(self) -> Self:
        """Read the file into the document; a missing one is written.

        Raises
        ------
        WorkspaceError
            When it cannot be read, is of a newer version, another process keeps it, or a server holds its room.
        """
        self.save()
        return self

    def save(self) -> None:
        """Merge what others wrote into the document, and write the result.

        Raises
        ------
        WorkspaceError
            As `open`; the file is as it was then, and the document keeps what was not written.
        """
        with self._alone():
            text, digest = self._text()
            state, present, earlier = self._state()
            disk = self._on_disk(text, digest, state, present, earlier)
            if disk is not None:
                self.document.doc.apply_update(disk)
            if said := self.document.error:
                raise WorkspaceError(said)
            if self.document.is_empty:
                self.document.load_plain(self._new())
            self._write(digest)

    def close(self) -> None:
        """Write what is not written yet, and let the file go. Safe to call twice."""
        if self._closed:
            return
        if not self.saved:
            self.save()
        self._closed = True
        self._stop()

    @property
    def saved(self) -> bool:
        """Whether everything in the document is in the file."""
        return self._written == self._edits

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _count(self, change: DocumentChange) -> None:
        self._edits += change.local

    def _beside(self, kind: str) -> Path:
        return self.path.with_name(f".{self.path.name}.{kind}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._closed:
            raise WorkspaceError(f"The workspace's file {self.path.name} was closed here. Open it again.")
        if self._held is not None and (said := self._held(self.path)):
            raise WorkspaceError(said)
        if not self.path.parent.is_dir():
            raise WorkspaceError(f"There is no folder {self.path.parent} for the workspace's file. Make it first.")
        holder = self._beside("holder")
        try:
            self._lock.acquire()
        except Timeout:
            raise WorkspaceError(
                f"{_named(holder)} has kept the workspace's file {self.path.name} for more than {self._timeout:g} "
                "seconds. Wait for it, or end it, and try again."
            ) from None
        except OSError as error:
            raise WorkspaceError(f"The workspace's file {self.path.name} cannot be locked: {error}.") from None
        try:
            me = {"pid": os.getpid(), "host": socket.gethostname(), "program": Path(sys.argv[0] or "python").name}
            with suppress(OSError):
                holder.write_text(json.dumps(me), encoding="utf-8")
            yield
        finally:
            with suppress(OSError):
                holder.unlink()
            self._lock.release()

    def _text(self) -> tuple[str | None, bytes]:
        try:
            # a file of one gigabyte is none of ours: do not read it
            if self.path.stat().st_size > 4 * MAX_CHARACTERS:
                raise WorkspaceError(f"{self.path.name} is too large to be a workspace. Is it another file?")
            data = self.path.read_bytes()
            return data.decode("utf-8"), hashlib.sha256(data).digest()
        except FileNotFoundError:
            return None, b""
        except UnicodeDecodeError:
            raise WorkspaceError(f"{self.path.name} is no text in UTF-8. Is it another file?") from None
        except OSError as error:
            raise WorkspaceError(f"The workspace's file {self.path.name} cannot be read: {error}.") from None

    def _state(self) -> tuple[bytes | None, bytes, bytes]:
        """Return the state beside the file, and the digests of the text that belongs to it and of the one before."""
        try:
            data = self._beside("ystate").read_bytes()
        except OSError:
            data = b""
        start = len(_MAGIC)
        present, earlier, whole, state = (
            data[start : start + _DIGEST],
            data[start + _DIGEST : start + 2 * _DIGEST],
            data[start + 2 * _DIGEST : start + 3 * _DIGEST],
            data[start + 3 * _DIGEST :],
        )
        if not data.startswith(_MAGIC) or hashlib.sha256(state).digest() != whole:
            # missing or damaged: what this process saw last stands in for it
            return self._known, b"", b""
        return state, present, earlier

    def _on_disk(
        self, text: str | None, digest: bytes, state: bytes | None, present: bytes, earlier: bytes
    ) -> bytes | None:
        """Return the update that the files make, with what was edited by hand merged in; None for no file."""
        if text is None or not text.strip():
            if text is not None and state is not None:
                raise WorkspaceError(
                    f"The workspace's file {self.path.name} is empty now. Restore it, or delete it to have it written "
                    "again."
                )
            return state
        # the text of the state before: a process was killed after it wrote the state and before the text
        if state is not None and digest in (present, earlier):
            return state
        disk = WorkspaceDocument()
        if state is not None:
            disk.doc.apply_update(state)
        disk.load_plain(loads(text))
        return disk.doc.get_update()

    def _sweep(self) -> None:
        # what a process that was killed left half written; nobody else writes now
        for part in self.path.parent.glob(f".{glob.escape(self.path.name)}.*part"):
            part.unlink(missing_ok=True)

    def _new(self) -> dict[str, Any]:
        created = datetime.now(UTC).isoformat(timespec="seconds")
        return {"version": VERSION, "id": secrets.token_hex(8), "name": self.path.stem, "created": created}

    def _write(self, digest: bytes) -> None:
        with self.document.doc.transaction():
            edits = self._edits
            data = dumps(self.document.to_plain()).encode()
            state = self.document.doc.get_update()
        now = hashlib.sha256(data).digest()
        if now == digest and state == self._known:
            self._written = edits
            return
        # the state first: one that is newer than the text is known by the text's digest, the other way round it is not
        parts = (_MAGIC, now, digest or bytes(_DIGEST), hashlib.sha256(state).digest(), state)
        try:
            self._sweep()
            _write_whole(self._beside("ystate"), b"".join(parts))
            if now != digest:
                _write_whole(self.path, data)
                # from now on the text of before is one that somebody brought back
                with open(self._beside("ystate"), "r+b") as stream:
                    stream.seek(len(_MAGIC) + _DIGEST)
                    stream.write(bytes(_DIGEST))
        except OSError as error:
            raise WorkspaceError(f"The workspace's file {self.path.name} cannot be written: {error}.") from None
        self._known, self._written = state, edits


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is the old one or the new one whatever happens, and is on the disk afterwards."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name.lstrip('.')}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(OSError):
            os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _umask() -> int:
    # Python can only read it by setting it, which other threads would see
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("Umask:")), 8)
    except (OSError, StopIteration, ValueError):
        return 0o022


def _named(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text(encoding="utf-8"))
        return f"Process {int(who['pid'])} ({who['program']}) on {who['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "Another process"
