"""A text table too large for memory: read piece by piece, once, and a sample of its rows kept."""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import EncodingError
from . import lines
from .numerals import plain_numbers
from .read_options import ReadOptions
from .sampling import TEXT_FACTOR, Reservoir, Sample, blocks, budget, text_rows
from .text import TextFormat, more_rows, read_text
from .text_guess import BOMS
from .wish import Wish

#: So much of the top says how the file is written.
HEAD = 1 << 20
_PIECE = 16 << 20


def sampled_text(
    path: Path, shown: str, tabs: bool, wish: Wish
) -> tuple[pd.DataFrame, list[Any], TextFormat, list[str], str, Sample] | None:
    """Return a sample of a text table with all that `read_text` says, its SHA-256, and which sample it is.

    None where the file fits into memory.

    Raises
    ------
    EncodingError, DataError
    """
    size = path.stat().st_size
    if wish.rows == "all" or size * TEXT_FACTOR <= budget():
        return None
    with open(path, "rb") as file:
        head = file.read(HEAD)
    rows, forced = text_rows(head, wish.rows)
    if len(head) == HEAD:
        lines.check_lines(head, shown)
        head = _whole_rows(head, wish.read_as)
    top, columns, form, notes = read_text(head, shown, tabs, wish.names, (), wish.read_as)
    # what is detected in the numbers of the top is detected again in the whole sample
    notes = [note for note in notes if "numbers with a" not in note]
    try:
        kept, digest = _kept(path, form, top.shape[1], rows, wish.seed, shown)
    except UnicodeDecodeError:
        if not form.encoding.startswith("utf-8") or wish.read_as.encoding is not None:
            raise EncodingError(f"{shown!r} breaks as {form.encoding} text below its top. Save it as UTF-8.") from None
        form = replace(form, encoding="cp1252")
        notes.append("The file is read as cp1252, as it is no UTF-8 below its top; check letters with accents.")
        try:
            kept, digest = _kept(path, form, top.shape[1], rows, wish.seed, shown)
        except UnicodeDecodeError:
            raise EncodingError(f"{shown!r} is not text in UTF-8 or Windows-1252. Save it as CSV in UTF-8.") from None
    frame, styles, said = plain_numbers(kept.frame(), form.delimiter, wish.missing, form.decimal)
    sample = Sample(len(frame), kept.total, wish.seed, forced)
    return frame, columns, replace(form, styles=styles), [*notes, *said], digest, sample


def _whole_rows(head: bytes, options: ReadOptions) -> bytes:
    """Return the beginning of a file as far as its last whole row."""
    quote = '"' if options.quotechar is None else options.quotechar
    marked = next((encoding for mark, encoding in BOMS if head.startswith(mark)), None)
    encoding = options.encoding or marked
    if encoding is not None:
        text = codecs.getincrementaldecoder(encoding)("ignore").decode(head)
        return text[: _end(text, quote) or text.rfind("\n") + 1].encode(encoding) or head
    # one character a byte, so that places stay what they are
    return head[: _end(head.decode("latin-1"), quote) or max(head.rfind(b"\n"), head.rfind(b"\r")) + 1] or head


def _kept(path: Path, form: TextFormat, width: int, rows: int, seed: int, shown: str) -> tuple[Reservoir, str]:
    kept, digest, line = Reservoir(rows, seed), hashlib.sha256(), 0
    first = True
    for text in _pieces(path, form, digest, shown):
        part = more_rows(text, form, width, shown, line, first)
        kept.add(part.iloc[1:] if first and form.header else part)
        line += text.count("\n")
        first = False
    return kept, digest.hexdigest()


def _pieces(path: Path, form: TextFormat, digest: Any, shown: str) -> Iterator[str]:
    """Return texts that end where a row ends."""
    decoder = codecs.getincrementaldecoder(form.encoding)("strict")
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    rest = ""
    for piece in blocks(path, _PIECE):
        digest.update(piece)
        decoded = decoder.decode(piece)
        if "\0" in decoded:
            raise EncodingError(f"{shown!r} is not a text table: it holds a zero byte. Save it as CSV in UTF-8.")
        rest += newlines.decode(decoded)
        end = _end(rest, form.marks.quotechar)
        if not end and len(rest) > lines.LONGEST_LINE:
            # a quotation mark that is never closed; the parser says where it makes a row too long
            end = rest.rfind("\n") + 1
            if not end:
                lines.check_lines(rest.encode("utf-8"), shown)
        if end:
            yield rest[:end]
            rest = rest[end:]
    rest += newlines.decode(decoder.decode(b"", final=True), final=True)
    if rest.strip():
        yield rest


def _end(text: str, quote: str) -> int:
    """Return where the last whole row ends: after a line feed outside quotation marks."""
    end = text.rfind("\n") + 1
    if not quote or quote not in text:
        return end
    inside = text.count(quote, 0, end) % 2
    while end and inside:
        before = text.rfind("\n", 0, end - 1) + 1
        inside = (inside + text.count(quote, before, end)) % 2
        end = before
    return end
