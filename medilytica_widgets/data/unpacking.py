"""Compressed files: unpacked only as far as a limit, whatever they claim of themselves."""

from __future__ import annotations

import io
import zipfile
import zlib

from ..errors import DataError
from .sampling import TEXT_FACTOR, budget

#: The largest content of a compressed file, in bytes, whatever the memory.
UNPACKED_LIMIT = 2 << 30
#: So much is unpacked even where hardly any memory is free.
_LEAST = 8 << 20
_STEP = 1 << 20


def _limit() -> int:
    # what is unpacked is read as a table, which takes a multiple of it
    return min(UNPACKED_LIMIT, max(_LEAST, budget() // TEXT_FACTOR))


def _bomb(shown: str, packed: int, limit: int) -> DataError:
    return DataError(
        f"{shown!r} unpacks to more than {limit / 1e6:,.0f} MB from {packed / 1e6:,.1f} MB, which is more than is "
        "unpacked here. Files that grow so much are often made to fill memory; it was not loaded. If you trust it, "
        "unpack it and load what is in it."
    )


def check_zip(content: bytes, shown: str, advice: str = "Save or download it again.") -> None:
    """Raise `DataError` for an archive (a spreadsheet is one) that is damaged or unpacks to too much."""
    limit = _limit()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > limit:
                raise _bomb(shown, len(content), limit)
            # what it says of its size may be wrong; a byte unpacks to some 1 032 at most
            if sum(entry.compress_size for entry in entries) * 1032 <= limit:
                return
            total = 0
            for entry in entries:
                with archive.open(entry) as file:
                    while piece := file.read(_STEP):
                        total += len(piece)
                        if total > limit:
                            raise _bomb(shown, len(content), limit)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{shown!r} is damaged or cut off: {error}. {advice}") from None


def unpack(content: bytes, shown: str) -> tuple[bytes, str] | None:
    """Return what a gzip file, or a zip archive of one file, holds and its name; None for other files.

    Raises
    ------
    DataError
        Damaged, too large, protected by a password, or an archive of several files.
    """
    if content.startswith(b"\x1f\x8b"):
        return _gunzip(content, shown), shown.removesuffix(".gz").removesuffix(".GZ")
    if not content.startswith(b"PK\x03\x04"):
        return None
    check_zip(content, shown)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [e for e in archive.infolist() if not e.is_dir() and not e.filename.startswith("__MACOSX/")]
        if len(entries) != 1:
            names = ", ".join(repr(entry.filename) for entry in entries[:5]) or "none"
            raise DataError(f"{shown!r} holds {len(entries)} files ({names}). Unpack it and load one of them.")
        if entries[0].flag_bits & 1:
            raise DataError(f"{shown!r} is protected by a password. Unpack it and load what is in it.")
        try:
            return archive.read(entries[0]), entries[0].filename
        except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
            raise DataError(f"{shown!r} is damaged or cut off: {error}. Save or download it again.") from None


def _gunzip(content: bytes, shown: str) -> bytes:
    parts: list[bytes] = []
    total, rest, limit = 0, content, _limit()
    try:
        # a file may be several members, one after the other
        while rest:
            stream = zlib.decompressobj(wbits=31)
            pending = rest
            while pending and not stream.eof:
                piece = stream.decompress(pending, _STEP)
                total += len(piece)
                if total > limit:
                    raise _bomb(shown, len(content), limit)
                parts.append(piece)
                pending = stream.unconsumed_tail
            if not stream.eof:
                raise zlib.error("it ends in the middle")
            rest = stream.unused_data if stream.unused_data.startswith(b"\x1f\x8b") else b""
    except zlib.error as error:
        raise DataError(f"{shown!r} is damaged or cut off: {error}. Save or download it again.") from None
    return b"".join(parts)
