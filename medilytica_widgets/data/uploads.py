"""Files that come in parts, as from a browser, and are kept under the SHA-256 of their content.

A name that a file came with is a label and never part of a path: the stored file is called by its hash and, so that
the reader knows its form, by one of the endings in `SUFFIXES`. What is on its way lies in the folder "partial" beside
the stored files. It is locked by the process that receives it, survives that process, and is removed after a day.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, StateError

#: Endings of tables; anything else is stored without an ending.
SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".tab", ".dat", ".data", ".json", ".jsonl", ".ndjson", ".zip"),
    *(".parquet", ".pq", ".feather", ".arrow", ".arrows", ".ipc", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
    *(".csv.gz", ".tsv.gz", ".txt.gz", ".tab.gz", ".dat.gz", ".data.gz", ".json.gz", ".jsonl.gz", ".ndjson.gz"),
)
#: What nobody goes on with for so long is removed.
EXPIRY_SECONDS = 86_400.0
#: Bytes of a file's beginning, and of its end, by which an interrupted upload is known again.
SAMPLE_BYTES = 64 * 1024
#: What an upload leaves free on the disk for everybody else.
SPARE_BYTES = 16_000_000
LONGEST_LABEL = 200
_PART = re.compile(r"[0-9a-f]{64}\.part")
_BLOCK = 1 << 20
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class UploadBusyError(StateError):
    """Another process or widget is receiving the same file."""


@dataclass(frozen=True)
class Uploaded:
    """A file that has arrived.

    Attributes
    ----------
    name : str
        What it was called where it came from: a label, not a path.
    size : int
        In bytes.
    path : Path
        Where it is stored; the same content always has the same place.
    sha256 : str
        Of the content, hexadecimal.
    """

    name: str
    size: int
    path: Path
    sha256: str


def label(name: str) -> str:
    """Return a file's name as it may be shown: one line of at most 200 characters, none of which turns the text."""
    # the one of these that is harmless joins emojis
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    plain = "".join("�" if unicodedata.category(c) in hidden and c != "\u200d" else c for c in name)
    if len(plain) > LONGEST_LABEL:
        # the ending says what it is
        plain = f"{plain[: LONGEST_LABEL - 21]}…{plain[-20:]}"
    return plain.strip() or "unnamed"


def suffix_of(name: str) -> str:
    """Return a name's ending if it is one of `SUFFIXES`, in small letters; otherwise an empty text."""
    lower = name.strip().lower()
    return next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")


def as_labelled(message: str, path: Path, name: str) -> str:
    """Return a message with the name that a person knows in place of the stored file's."""
    for stored in (str(path), path.name, path.stem):
        message = message.replace(stored, name)
    return message


def in_words(suffixes: Iterable[str]) -> str:
    """Return endings as a sentence names them: the compressed ones are not listed one by one."""
    given = list(suffixes)
    plain = [one for one in given if not one.endswith(".gz") or one.removesuffix(".gz") not in given]
    return ", ".join(plain) + ("; text also as .gz" if len(plain) < len(given) else "")


def megabytes(size: float) -> str:
    """Return a size in words, in steps of 1024 as the browser writes them: "1.5 MB"."""
    for unit, power in (("GB", 30), ("MB", 20), ("KB", 10)):
        if size >= 1 << power:
            number = size / (1 << power)
            return f"{number:.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"
    return f"{size:.0f} bytes"


class UploadStore:
    """The files of a folder, by their content.

    Parameters
    ----------
    folder : Path
        Made where it is missing, open to its owner only.

    Raises
    ------
    DataError
        If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.partial = folder, folder / "partial"
        try:
            self.partial.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"The folder {folder} for uploaded files cannot be made: {error.strerror}.") from error

    def begin(self, name: str, size: int, modified: int, sample: bytes) -> Part:
        """Return the part of a file that is here so far, ready for more.

        Parameters
        ----------
        name : str
        size : int
            In bytes, at least 1.
        modified : int
            When the file was changed, in milliseconds since 1970.
        sample : bytes
            Its first and its last bytes, `SAMPLE_BYTES` each.

        Raises
        ------
        UploadBusyError
            While somebody else receives it.
        DataError
            If there is no room for the rest, or the folder cannot be written to.
        """
        key = self.key_of(name, size, modified, sample)
        path = self.partial / f"{key}.part"
        try:
            descriptor = _locked(path)
        except OSError as error:
            raise DataError(f"An upload cannot be written to {self.partial}: {error.strerror}.") from error
        if descriptor is None:
            raise UploadBusyError(f"{label(name)!r} is being uploaded already. Wait for it, or cancel it there.")
        part = Part(self, path, descriptor, key, name, size)
        try:
            part.take_up(sample[:SAMPLE_BYTES])
            self._check_room(part)
        except BaseException:
            part.discard()
            raise
        return part

    def key_of(self, name: str, size: int, modified: int, sample: bytes) -> str:
        """Return what stands for the same file whoever sends it."""
        about = json.dumps([name, size, modified]).encode()
        return hashlib.sha256(hashlib.sha256(about).digest() + sample).hexdigest()

    def _check_room(self, part: Part) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < part.size - part.received + SPARE_BYTES:
            raise DataError(
                f"{part.label!r} has {megabytes(part.size)}, but the disk of {self.folder} has room for "
                f"{megabytes(max(0, free - SPARE_BYTES))}. Free some space and upload it again."
            )

    def keep(self, part: Path, sha256: str, size: int, suffix: str) -> Path:
        """Give a complete file its place; where its content is here already, that stays and the part goes."""
        wanted = self.folder / f"{sha256}{suffix}"
        if not _is_file(wanted, size):
            other = next((p for p in self.folder.glob(f"{sha256}*") if p != wanted and _is_file(p, size)), None)
            if other is not None:
                with contextlib.suppress(OSError):
                    wanted.unlink(missing_ok=True)
                    os.link(other, wanted)
        if _is_file(wanted, size):
            part.unlink(missing_ok=True)
        else:
            # nobody may change a file that is called by its content
            os.chmod(part, 0o400)
            os.replace(part, wanted)
            _sync_folder(self.folder)
        return wanted

    def expire(self, seconds: float = EXPIRY_SECONDS) -> int:
        """Remove what nobody has gone on with for so long, and return how many there were. Stored files stay."""
        found = 0
        for path in self.partial.iterdir():
            with contextlib.suppress(OSError):
                about = path.lstat()
                if not _PART.fullmatch(path.name) or time.time() - about.st_mtime < seconds:
                    continue
                descriptor = _locked(path, make=False)
                if descriptor is not None:
                    try:
                        path.unlink()
                        found += 1
                    finally:
                        os.close(descriptor)
        return found


class Part:
    """A file on its way. Made by `UploadStore.begin`; used by one thread at a time.

    Attributes
    ----------
    key : str
        Stands for the same file whoever sends it.
    name : str
    size : int
    received : int
        Bytes that are here.
    """

    def __init__(self, store: UploadStore, path: Path, descriptor: int, key: str, name: str, size: int) -> None:
        self.key, self.name, self.size, self.received = key, name, size, 0
        self._store, self._path, self._descriptor = store, path, descriptor
        self._hash = hashlib.sha256()

    @property
    def label(self) -> str:
        """Its name as it may be shown."""
        return label(self.name)

    def take_up(self, head: bytes) -> None:
        """Go on with what is here, unless it is of another file."""
        self.received, self._hash = 0, hashlib.sha256()
        here = os.fstat(self._descriptor).st_size
        begins = self._read(len(head), 0)
        if here > self.size or begins != head[: len(begins)]:
            os.ftruncate(self._descriptor, 0)
            return
        while block := self._read(_BLOCK, self.received):
            self._hash.update(block)
            self.received += len(block)

    def _read(self, count: int, place: int) -> bytes:
        # Windows has no pread
        os.lseek(self._descriptor, place, os.SEEK_SET)
        return os.read(self._descriptor, count)

    def write(self, offset: int, content: bytes | memoryview) -> int:
        """Add bytes that begin at ``offset`` and return how many are here now.

        Bytes that came before, or that leave a gap, change nothing.

        Raises
        ------
        DataError
            More than the file has; or the disk is full: then all of it is removed.
        StateError
            After `release`, `discard` or `finish`.
        """
        if self._descriptor < 0:
            raise StateError(f"The upload of {self.label!r} was stopped. Choose the file again.")
        if offset != self.received:
            return self.received
        rest = memoryview(content).cast("B")
        if offset + len(rest) > self.size:
            raise DataError(f"More came of {self.label!r} than the {self.size} bytes that were announced.")
        try:
            place = os.lseek(self._descriptor, offset, os.SEEK_SET)
            while len(rest):
                # a nearly full disk takes a part first and tells its error at the next call
                done = os.write(self._descriptor, rest)
                self._hash.update(rest[:done])
                rest, place = rest[done:], place + done
        except OSError as error:
            self.discard()
            raise self._unwritable(error) from error
        self.received = place
        return place

    def _unwritable(self, error: OSError) -> DataError:
        what = "the disk is full" if error.errno in _FULL else f"the disk says: {error.strerror}"
        return DataError(
            f"{self.label!r} could not be stored in {self._store.folder}: {what}, after "
            f"{megabytes(self.received)} of {megabytes(self.size)}. What had come was removed. Free some space and "
            "upload it again."
        )

    def finish(self) -> Uploaded:
        """Store the complete file.

        Raises
        ------
        StateError
            If bytes are missing.
        DataError
            If the disk does not take it; then all of it is removed.
        """
        if self._descriptor < 0 or self.received != self.size:
            raise StateError(f"Only {self.received} of {self.size} bytes of {self.label!r} have come.")
        sha256 = self._hash.hexdigest()
        try:
            os.fsync(self._descriptor)
            if os.name == "nt":
                # Windows renames no open file
                self.release()
            path = self._store.keep(self._path, sha256, self.size, suffix_of(self.name))
        except OSError as error:
            self.discard()
            raise self._unwritable(error) from error
        self.release()
        return Uploaded(self.label, self.size, path, sha256)

    def release(self) -> None:
        """Let go of it; what has come stays for a day. Safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Let go of it and remove what has come. Safe to call twice."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                if os.name == "nt":
                    self.release()
                self._path.unlink(missing_ok=True)
        self.release()


def _locked(path: Path, make: bool = True) -> int | None:
    """Open a file for this one alone; None where somebody else has it."""
    while True:
        flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags | (os.O_CREAT if make else 0), 0o600)
        try:
            if not _lock(descriptor):
                os.close(descriptor)
                return None
            there = os.stat(path)
            if os.path.samestat(there, os.fstat(descriptor)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        # it was stored or removed between the two calls
        os.close(descriptor)
        if not make:
            return None


def _lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            # a byte far behind any content: a locked one could not be written
            os.lseek(descriptor, 1 << 50, os.SEEK_SET)
            getattr(msvcrt, "locking")(descriptor, getattr(msvcrt, "LK_NBLCK"), 1)  # noqa: B009 (Windows only)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES, errno.EDEADLK}:
            return False
        if error.errno not in {errno.ENOLCK, errno.ENOTSUP, errno.EINVAL}:
            raise
        # this file system has no locks; two who send one file write the same bytes to the same places
    return True


def _is_file(path: Path, size: int) -> bool:
    try:
        about = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(about.st_mode) and about.st_size == size


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # some network file systems cannot
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
