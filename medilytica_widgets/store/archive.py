"""The file that a backup is: a zip whose manifest names every part with its size and checksum."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ..errors import InputError, MedilyticaError

FORMAT = "medilytica-backup"
VERSION = 1
MANIFEST = "manifest.json"
ROWS = "runs.jsonl"
_CHUNK = 1 << 20
_MANIFEST_LIMIT = 256 << 20
_PART = re.compile(r"runs/([0-9a-f]{12})/.+")
# They are as dense as they get: packing them would only take time.
_DENSE = (".safetensors", ".gz", ".zip", ".mw", ".skops", ".png")


@dataclass
class Packer:
    """Writes the parts of an archive one after the other, and the manifest last.

    Parameters
    ----------
    file : file object
        Seekable, open for writing.
    """

    file: IO[bytes]
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._zip = zipfile.ZipFile(self.file, "w", allowZip64=True)

    def add(self, name: str, source: IO[bytes]) -> None:
        """Copy what is left in an open file under a name, in pieces of 1 MB."""
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFREG | 0o600) << 16
        info.compress_type = zipfile.ZIP_STORED if name.endswith(_DENSE) else zipfile.ZIP_DEFLATED
        digest, size = hashlib.sha256(), 0
        with self._zip.open(info, "w", force_zip64=True) as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
        self.parts[name] = {"size": size, "sha256": digest.hexdigest()}

    def abandon(self) -> None:
        """Leave the file as it is; without this, a zip would be ended when it is collected."""
        self._zip.fp = None

    def close(self, **facts: Any) -> None:
        """Write the manifest with some facts in it, and what makes a zip of it all."""
        manifest = {"format": FORMAT, "version": VERSION, **facts, "parts": self.parts}
        self._zip.writestr(MANIFEST, json.dumps(manifest, indent=1), zipfile.ZIP_DEFLATED)
        self._zip.close()


class Unpacker:
    """Reads an archive, believing nothing in it; made by `open_archive`.

    Attributes
    ----------
    manifest : dict
    parts : dict
        Name → size and sha256.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._zip = archive
        self.manifest = self._read_manifest()
        self.parts: dict[str, dict[str, Any]] = self.manifest["parts"]
        self._check_names()

    @property
    def total(self) -> int:
        """Bytes of all parts, unpacked."""
        return sum(part["size"] for part in self.parts.values())

    def run_parts(self) -> Iterator[tuple[str, str, PurePosixPath]]:
        """Yield name, run id and path below the run's folder of every file."""
        for name in self.parts:
            if name != ROWS:
                _, run_id, *rest = name.split("/")
                yield name, run_id, PurePosixPath(*rest)

    def copy(self, name: str, target: IO[bytes]) -> None:
        """Copy one part into an open file, and check its size and checksum on the way.

        Raises
        ------
        InputError
            If it is not what the manifest says.
        """
        part = self.parts[name]
        digest, size = hashlib.sha256(), 0
        with self._zip.open(name) as source:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > part["size"]:
                    break
                digest.update(chunk)
                target.write(chunk)
        if size != part["size"] or digest.hexdigest() != part["sha256"]:
            raise damaged(self._path, f"{name} is not what its checksum says")

    def _read_manifest(self) -> dict[str, Any]:
        try:
            info = self._zip.getinfo(MANIFEST)
            if info.file_size > _MANIFEST_LIMIT:
                raise damaged(self._path, "its manifest is far too large")
            manifest = json.loads(self._zip.read(info))
        except (KeyError, ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise foreign(self._path) from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise foreign(self._path)
        version = manifest.get("version")
        if not isinstance(version, int) or version > VERSION:
            raise InputError(
                f"{self._path} was made by a later version of medilytica_widgets (format {version}, this version "
                f"reads {VERSION}). Upgrade the package to restore it."
            )
        parts = manifest.get("parts")
        if not isinstance(parts, dict) or not all(_is_part(part) for part in parts.values()):
            raise damaged(self._path, "its manifest names no parts")
        return manifest

    def _check_names(self) -> None:
        infos = self._zip.infolist()
        names = [info.filename for info in infos]
        if len(set(names)) != len(names) or set(names) != {*self.parts, MANIFEST} or ROWS not in self.parts:
            raise damaged(self._path, "its parts are not those that its manifest names")
        folded: set[str] = set()
        for info in infos:
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise damaged(self._path, f"{info.filename!r} is not a plain file")
            if info.filename in (MANIFEST, ROWS):
                continue
            if not is_safe(info.filename) or info.filename.casefold() in folded:
                raise InputError(
                    f"{self._path} holds the path {info.filename!r}, which no backup has; nothing was restored. "
                    "Do not use this file."
                )
            folded.add(info.filename.casefold())


def is_safe(name: str) -> bool:
    """Return whether a part's name is that of a file inside a run's folder, on any operating system."""
    pieces = name.split("/")
    return (
        _PART.fullmatch(name) is not None
        and not any(piece in ("", ".", "..") or piece != piece.rstrip(" .") for piece in pieces)
        and not set(name) & set('\\:*?"<>|\0')
        and name.isprintable()
    )


def _is_part(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and isinstance(part.get("size"), int)
        and part["size"] >= 0
        and isinstance(part.get("sha256"), str)
    )


def damaged(path: Path, what: str) -> InputError:
    """Return the error for a backup that is not whole."""
    return InputError(f"The backup {path} is damaged: {what}. Nothing was restored; use another copy of it.")


def foreign(path: Path) -> InputError:
    """Return the error for a file of another kind."""
    return InputError(f"{path} is not a backup made by medilytica_widgets; give a file that backup() wrote.")


@contextmanager
def open_archive(path: Path) -> Iterator[Unpacker]:
    """Open a backup; errors in it, also while it is read, are `InputError`."""
    if not path.is_file():
        raise InputError(f"There is no backup {path}." if not path.exists() else f"{path} is no file.")
    try:
        with zipfile.ZipFile(path) as archive:
            yield Unpacker(path, archive)
    except MedilyticaError:
        raise
    except zipfile.BadZipFile as error:
        raise (damaged(path, str(error)) if _begins_as_zip(path) else foreign(path)) from error
    except (zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError, struct.error) as error:
        raise damaged(path, str(error) or "it ends too early") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def _begins_as_zip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"PK"
