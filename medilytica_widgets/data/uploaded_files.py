"""Uploaded files as sources of tables: ``upload:<SHA-256>/<name>``, found by content in whatever place it is stored.

Beside the stored files lies ``names.jsonl``, which says what each was called; without it they are found all the same,
under the beginning of their hash.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from ..errors import DataError, MissingFileError
from .archive import copies
from .uploads import Uploaded, label, suffix_of

SCHEME = "upload:"
#: Beside the stored files; a line a name.
NAMES_FILE = "names.jsonl"
_SOURCE = re.compile(r"^upload:([0-9a-f]{64})/(.+)$", re.DOTALL)
_STORED = re.compile(r"^[0-9a-f]{64}$")
_LONGEST_NAMES = 16 << 20
_SHOWN = 12


def folder() -> Path:
    """Return where uploaded files are stored; it need not exist."""
    return copies().parent / "data" / "uploads"


def source_of(file: Uploaded) -> str:
    """Return what stands for an uploaded file in a specification, on any machine."""
    return f"{SCHEME}{file.sha256}/{file.name}"


def is_upload(source: Any) -> bool:
    """Tell whether a source names an uploaded file."""
    return isinstance(source, str) and source.startswith(SCHEME)


def find_upload(source: str) -> Uploaded:
    """Return the stored file that a source names.

    Raises
    ------
    DataError
        It is no such source; MissingFileError where the content is not here.
    """
    match = _SOURCE.match(source)
    if match is None:
        raise DataError(
            f"{source[:120]!r} names no uploaded file: it takes 'upload:', the file's SHA-256 (64 digits), a slash and "
            "its name."
        )
    sha256, name = match[1], label(match[2])
    there = folder()
    wanted = there / f"{sha256}{suffix_of(name)}"
    found = wanted if wanted.is_file() else next((p for p in there.glob(f"{sha256}*") if p.is_file()), None)
    if found is None:
        raise MissingFileError(
            f"The uploaded file {name!r} (SHA-256 {sha256[:_SHOWN]}…) is not stored here, in {str(there)!r}. Upload "
            "the same file again with mw.DataUpload(), or set MEDILYTICA_HOME to where it was uploaded."
        )
    return Uploaded(name, found.stat().st_size, found, sha256)


def remember(file: Uploaded) -> None:
    """Write down what a stored file was called; where the disk does not take it, it is found by its hash."""
    path = file.path.parent / NAMES_FILE
    line = json.dumps({"sha256": file.sha256, "name": file.name, "time": round(time.time(), 3)}) + "\n"
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            # one call, so that the lines of two kernels do not mix
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def stored(place: Path | None = None) -> list[Uploaded]:
    """Return the files that are stored, latest first, each under the names that it was uploaded with."""
    there = folder() if place is None else place
    paths: dict[str, Path] = {}
    with contextlib.suppress(OSError):
        for path in sorted(there.iterdir()):
            if _STORED.match(path.name[:64]) and path.is_file() and not path.is_symlink():
                paths.setdefault(path.name[:64], path)
    names = _names(there / NAMES_FILE)
    found: list[tuple[float, Uploaded]] = []
    for sha256, path in paths.items():
        about = path.stat()
        known = names.get(sha256) or {f"{sha256[:_SHOWN]}…{path.name[64:]}": about.st_mtime}
        for name, when in known.items():
            own = path.with_name(f"{sha256}{suffix_of(name)}")
            found.append((when, Uploaded(name, about.st_size, own if own.is_file() else path, sha256)))
    return [file for _, file in sorted(found, key=lambda one: one[0], reverse=True)]


def _names(path: Path) -> dict[str, dict[str, float]]:
    """Return of each stored file the names it came with and when; lines that cannot be read are passed over."""
    found: dict[str, dict[str, float]] = {}
    try:
        with open(path, "rb") as file:
            lines = file.read(_LONGEST_NAMES).splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            told = json.loads(line)
            found.setdefault(str(told["sha256"]), {})[label(str(told["name"]))] = float(told["time"])
        except (ValueError, KeyError, TypeError):
            continue
    return found
