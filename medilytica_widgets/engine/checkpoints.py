"""The state of a training as one file: tensors in the safetensors layout, facts as JSON, a checksum over both."""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError, MissingFileError
from .atomic import replacing, write_all
from .facts import dump_facts, load_facts

FORMAT = "medilytica-state"
VERSION = 1
LARGEST_HEADER = 100_000_000
"""Bytes of names, shapes and facts; safetensors reads no more either."""

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {code: name for name, code in _DTYPES.items()}
_START = b'{"__metadata__":{"checksum":"'
_ZEROS = "0" * 64
_CHUNK = 4 * 2**20
_SMALL = 2**20
# hashlib gives the interpreter's lock up for more bytes than this, and a busy main thread keeps it for 5 ms then
_HASHED_AT_ONCE = 2047
_ELSE = "Go on from another checkpoint of the run, or start the run anew."


@dataclass(eq=False)
class TrainingState:
    """What a run needs to go on where it was, or what it knew at the end of an epoch.

    Parameters
    ----------
    tensors : dict of str to ndarray
        Floating (16 to 64 bits), integer or boolean arrays of any shape; bfloat16 as its bits in uint16. Whatever
        is long, such as a history, belongs here.
    facts : dict
        Everything else: str, int, float (also NaN and infinite), bool, None, and lists and dicts of these.
    """

    tensors: dict[str, NDArray[Any]]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(array.nbytes for array in self.tensors.values())


def write_state(
    path: str | os.PathLike[str],
    state: TrainingState,
    *,
    previous: Path | None = None,
    durable: bool = True,
    clean: bool = True,
) -> int:
    """Write a state so that ``path`` is at every moment the old file or the new one, whole.

    Contiguous arrays are written from where they are, without a copy. safetensors' own tools can read the file:
    https://github.com/huggingface/safetensors#format

    Parameters
    ----------
    path : path-like
        In a folder that exists.
    state : TrainingState
        Must not change until this returns.
    previous : Path, optional
        The file that is replaced stays under this name, in the same folder.
    durable, clean : bool
        See `medilytica_widgets.engine.atomic.replacing`.

    Returns
    -------
    int
        Bytes of the file.

    Raises
    ------
    CheckpointError
        If the state holds what the format cannot: other dtypes, objects, names that are no text.
    OSError
        If the disk does not take it; ``path`` is as before.
    """
    arrays = dict(_little_endian(state.tensors))
    facts = dump_facts(state.facts)
    about = {"checksum": _ZEROS, "format": FORMAT, "version": str(VERSION), "facts": facts}
    entries: dict[str, Any] = {"__metadata__": about}
    # dict order is the file's order of names; by falling item size, every array begins where its dtype may
    placed, offset = sorted(arrays, key=lambda name: -arrays[name].itemsize), 0
    spans = {}
    for name in placed:
        spans[name] = [offset, offset + arrays[name].nbytes]
        offset += arrays[name].nbytes
    for name, array in arrays.items():
        entries[name] = {
            "dtype": _NAMES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": spans[name],
        }
    header = json.dumps(entries, separators=(",", ":")).encode("ascii")
    header += b" " * (-len(header) % 8)
    if len(header) > LARGEST_HEADER:
        raise CheckpointError(
            f"The facts and names of a state take {len(header)} bytes, and {LARGEST_HEADER} are allowed. "
            "Put what is long into tensors."
        )
    head = struct.pack("<Q", len(header)) + header
    contents = [_bytes_of(np.ascontiguousarray(arrays[name])) for name in placed]
    if len(head) + offset <= _SMALL:
        whole = bytearray(b"".join((head, *contents)))
        digest = hashlib.blake2b(digest_size=32)
        for start in range(0, len(whole), _HASHED_AT_ONCE):
            digest.update(whole[start : start + _HASHED_AT_ONCE])
        whole[8 + len(_START) : 8 + len(_START) + 64] = digest.hexdigest().encode("ascii")
        with replacing(Path(path), previous, durable, clean) as file:
            write_all(file, memoryview(whole))
        return len(whole)
    digest = hashlib.blake2b(head, digest_size=32)
    with replacing(Path(path), previous, durable, clean) as file:
        write_all(file, head)
        for content in contents:
            for start in range(0, len(content), _CHUNK):
                piece = content[start : start + _CHUNK]
                digest.update(piece)
                write_all(file, piece)
        file.seek(8 + len(_START))
        write_all(file, digest.hexdigest().encode("ascii"))
    return len(head) + offset


def read_state(path: str | os.PathLike[str]) -> TrainingState:
    """Read what `write_state` wrote, and nothing else.

    Returns
    -------
    TrainingState
        Tensors in the order in which they were given, each with memory of its own.

    Raises
    ------
    MissingFileError
        If there is no such file.
    CheckpointError
        If it is damaged anywhere, is something else, comes from a later version, or cannot be read.
    """
    path = Path(path)
    with _Reader(path) as reader:
        tensors = reader.read(keep=True)
        return TrainingState(tensors, reader.facts())


def check_state(path: str | os.PathLike[str]) -> None:
    """Do all that `read_state` checks, with a few MB of memory; raises the same."""
    with _Reader(Path(path)) as reader:
        reader.read(keep=False)
        reader.facts()


def _little_endian(tensors: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, given in tensors.items():
        if not isinstance(name, str) or name == "__metadata__" or not _is_text(name):
            raise CheckpointError(f"A tensor cannot be called {name!r}. Give it another name.")
        array = np.asarray(given)
        code = array.dtype.newbyteorder("<").str
        if code not in _NAMES:
            known = ", ".join(np.dtype(dtype).name for dtype in _NAMES)
            raise CheckpointError(f"The tensor {name!r} has the dtype {array.dtype}. Convert it to one of {known}.")
        yield name, array.astype(code, copy=False)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


class _Entry(NamedTuple):
    """Where a tensor lies in the data, and what it is."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


class _Reader:
    """One pass over an open file: the header, then every byte of the data, then the checksum."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, keep: bool) -> dict[str, NDArray[Any]]:
        """Return the tensors, or nothing if they are not to be kept; raises unless all of the file is sound."""
        try:
            head, header = self._header()
            entries = self._entries(header, os.fstat(self._file.fileno()).st_size - len(head))
            begin = 8 + len(_START)
            told = head[begin : begin + 64]
            head[begin : begin + 64] = _ZEROS.encode("ascii")
            digest = hashlib.blake2b(head, digest_size=32)
            found = {}
            scratch = memoryview(bytearray(0 if keep else _CHUNK))
            for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
                target = None
                if keep:
                    try:
                        array = found[entry.name] = np.empty(entry.shape, entry.dtype)
                    except ValueError as error:
                        raise self.damaged(f"the tensor {entry.name!r} has an impossible shape") from error
                    target = _bytes_of(array)
                for start in range(0, entry.end - entry.begin, _CHUNK):
                    size = min(_CHUNK, entry.end - entry.begin - start)
                    piece = scratch[:size] if target is None else target[start : start + size]
                    self._fill(piece)
                    digest.update(piece)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if told != digest.hexdigest().encode("ascii"):
            raise self.damaged("its checksum does not fit its content")
        return {entry.name: found[entry.name] for entry in entries if keep}

    def facts(self) -> dict[str, Any]:
        """Return the facts; only after `read`."""
        try:
            return load_facts(self._facts)
        except ValueError as error:
            raise self.damaged(f"its facts are {error}") from error

    def damaged(self, what: str) -> CheckpointError:
        return CheckpointError(f"The checkpoint {self.path} is damaged: {what}. {_ELSE}")

    def foreign(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"{self.path} is no checkpoint of medilytica_widgets but {what}. Name the checkpoint.safetensors of a "
            "run's folder, or a file in its folder epochs."
        )

    def _header(self) -> tuple[bytearray, dict[str, Any]]:
        """Return the file's bytes before the data, and the JSON they hold."""
        size = os.fstat(self._file.fileno()).st_size
        if size == 0:
            raise self.damaged("it is empty")
        start = bytearray(min(size, 8 + len(_START)))
        self._fill(memoryview(start))
        ours = start[8:] == _START[: len(start) - 8] and len(start) > 8
        if not ours and start.startswith(b"PK"):
            raise self.foreign("a zip archive (a saved model perhaps)")
        if not any(start):
            raise self.damaged("it begins with zeros only")
        length = int.from_bytes(start[:8], "little")
        if not 2 <= length <= min(size - 8, LARGEST_HEADER):
            raise self.damaged("it is cut off") if ours or size <= 8 else self.foreign("something else")
        head = bytearray(8 + length)
        head[: len(start)] = start[: len(head)]
        self._fill(memoryview(head)[len(start) :])
        try:
            header = json.loads(head[8:])
            about = header["__metadata__"]
        except (ValueError, RecursionError, KeyError, TypeError):
            raise self.damaged("its header is no JSON") if ours else self.foreign("something else") from None
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            raise self.damaged("its header was changed") if ours else self.foreign("a safetensors file of others")
        version = str(about.get("version"))
        if version.isdecimal() and len(version) < 10 and int(version) > VERSION:
            raise CheckpointError(
                f"The checkpoint {self.path} was written by a later version of medilytica_widgets (its format is "
                f"{version}, this version reads {VERSION}). Upgrade with: pip install -U medilytica-widgets"
            )
        if not ours or version != str(VERSION) or not isinstance(about.get("facts"), str):
            raise self.damaged("its header was changed")
        self._facts: str = about["facts"]
        return head, header

    def _entries(self, header: dict[str, Any], size: int) -> list[_Entry]:
        entries = []
        for name, told in header.items():
            if name == "__metadata__":
                continue
            try:
                begin, end = map(_natural, told["data_offsets"])
                shape = tuple(map(_natural, told["shape"]))
                entry = _Entry(name, np.dtype(_DTYPES[told["dtype"]]), shape, begin, end)
            except (KeyError, TypeError, ValueError):
                raise self.damaged(f"the entry of the tensor {name!r} makes no sense") from None
            if end - begin != math.prod(shape) * entry.dtype.itemsize:
                raise self.damaged(f"the size of the tensor {name!r} does not fit its shape")
            entries.append(entry)
        reached = 0
        for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
            if entry.begin != reached:
                raise self.damaged("its tensors overlap or leave gaps")
            reached = entry.end
        if reached != size:
            raise self.damaged("it is cut off" if reached > size else "there is more behind its end")
        return entries

    def _fill(self, target: memoryview) -> None:
        while len(target):
            count = self._file.readinto(target)
            if not count:
                raise self.damaged("it is cut off")
            target = target[count:]


def _natural(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def _open(path: Path) -> FileIO:
    try:
        if path.is_file():
            return open(path, "rb", buffering=0)
        if path.exists():
            raise CheckpointError(f"{path} is no file. Name the checkpoint.safetensors inside of a run's folder.")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unreadable(path, error) from error
    raise MissingFileError(f"There is no checkpoint {path}. Check the path, or list the runs that are there.")


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"The checkpoint {path} cannot be read: {error.strerror or error}. {_ELSE}")
