"""Where tables come from: files, folders, addresses, databases, objects in memory, built-in and registered tables."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import DataError, EmptyTableError, MedilyticaError, MissingFileError, SpecError, hint, nearest_name
from ..parameters import OWN_FIRST
from ..registered import Entry, find
from . import lines
from .archive import ARCHIVE, archive_table, copies
from .arrow_files import arrow_form, from_arrow, read_arrow, read_folder, speaks_arrow
from .builtin import BUILTIN, DRAWN, SAMPLE, builtin_frame
from .download import fetch
from .excel import is_workbook, read_workbook
from .json_files import read_json
from .lazy_frames import collected, is_lazy
from .reading import Form, Reading
from .sampling import Sample, budget, checked_rows, sampled, sampled_parquet
from .spec import FRAME
from .sql import is_query, read_sql
from .text import read_text
from .text_stream import sampled_text
from .unpacking import unpack
from .uploaded_files import find_upload, is_upload
from .uploads import as_labelled, suffix_of
from .wish import Wish

_JSON_LINES = (".jsonl", ".ndjson")
_PACKED = (".gz", ".zip")


def options_of(source: Any) -> tuple[str, ...]:
    """Return the keyword arguments that a registered, drawn or archive table takes of its own."""
    own = find("dataset", source)
    if own is not None:
        return tuple(own.parameters)
    if not isinstance(source, str):
        return ()
    return tuple(DRAWN[source]) if source in DRAWN else ("refresh",) if source in ARCHIVE else ()


def read(source: Any, wish: Wish) -> Reading:
    """Read any supported source, and take the sample of it that is wished for.

    Raises
    ------
    MissingFileError, EmptyTableError, EncodingError, MissingExtraError, DataError
    """
    rows = checked_rows(wish.rows)
    reading = _read(source, wish)
    if reading.sample is None:
        reading.frame, reading.sample = sampled(reading.frame, rows, wish.seed)
    if reading.sample is not None:
        reading.notes.append(reading.sample.note())
    return reading


def _read(source: Any, wish: Wish) -> Reading:
    own = find("dataset", source)
    if own is not None and not Path(source).exists():
        _refuse_options(wish, f"The registered table {own.id!r}")
        return _registered(own, wish)
    if wish.sql is not None:
        _refuse_options(wish, "The answer of a query")
        return _from_sql(wish)
    if isinstance(source, str) and not _there(source):
        if source in (*BUILTIN, *ARCHIVE):
            _refuse_options(wish, f"The table {source!r}")
        if source in BUILTIN:
            return _built_in(source, wish)
        if source in ARCHIVE:
            return _from_archive(source, wish)
    if wish.options:
        raise SpecError(f"No data set is registered as {source!r}. {OWN_FIRST}")
    if not isinstance(source, (str, Path)):
        _refuse_options(wish, f"A {type(source).__name__}")
    if is_lazy(source):
        frame, sample, skipped = collected(source, wish.exclude, wish.rows, wish.seed)
        reading = _in_memory(frame, wish)
        reading.sample, reading.skipped = sample, skipped
        reading.notes += [f"Not collected, as exclude=… says: {', '.join(map(repr, skipped[:20]))}."] if skipped else []
        return reading
    if isinstance(source, pd.DataFrame):
        return _in_memory(source, wish)
    if not isinstance(source, (str, Path)):
        if speaks_arrow(source):
            return _in_memory(from_arrow(source), wish)
        if hasattr(source, "to_pandas"):
            return _in_memory(source.to_pandas(), wish)
        raise DataError(
            f"A table cannot be read from {type(source).__name__}. Give a path, an address, a pandas DataFrame, "
            f"an Arrow table, or the name of a built-in table ({', '.join(BUILTIN)})."
        )
    if isinstance(source, str) and is_upload(source):
        return _uploaded(source, wish)
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        if "@" in source.split("/")[2]:
            raise DataError("The address holds a password, and specifications are shared. Download the file by hand.")
        return _parse(fetch(source, source, wish.progress), source, source, wish)
    return _from_path(Path(source).expanduser(), str(source), wish)


def is_sql(source: Any) -> bool:
    """Tell whether a source is a query, not the name of a file or of a table."""
    return is_query(source) and find("dataset", source) is None and not _there(source)


def _there(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):  # longer than a path may be
        return False


def _in_memory(frame: pd.DataFrame, wish: Wish) -> Reading:
    if not isinstance(frame.columns, pd.MultiIndex) and not isinstance(frame.index, pd.RangeIndex):
        # the index is no column; positions are what everything else speaks of
        frame = frame.reset_index(drop=True)
    columns = list(frame.columns) if wish.names is None else _checked(wish.names, frame.shape[1], "The frame")
    return Reading(frame, columns, FRAME, FRAME, "frame", name="table")


def _built_in(name: str, wish: Wish) -> Reading:
    if wish.names is not None:
        raise DataError(f"The built-in table {name!r} has its own column names; leave out names=….")
    if wish.options and name not in DRAWN:
        raise DataError(f"The built-in table {name!r} has no options; it is the same for everybody.")
    if name == "kepler":
        reading = _parse(SAMPLE.read_bytes(), name, str(SAMPLE), Wish(rows="all"))
        reading.name, reading.target = name, BUILTIN[name]
        return reading
    options = DRAWN[name].validate(wish.options) if wish.options else {}
    frame = builtin_frame(name, options)
    columns = list(frame.columns)
    return Reading(frame, columns, name, name, "builtin", name=name, options=options, target=BUILTIN[name])


def _from_archive(name: str, wish: Wish) -> Reading:
    if wish.names is not None:
        raise DataError(f"NASA's table {name!r} has its own column names; leave out names=….")
    refresh = wish.options.get("refresh", False)
    if not isinstance(refresh, bool):
        raise DataError(f"refresh is {refresh!r}; it takes True or False.")
    content, copy, notes = archive_table(name, refresh, wish.progress, copies())
    reading = _parse(content, name, str(copy), Wish(missing=wish.missing))
    reading.name, reading.target = name, ARCHIVE[name].target
    reading.notes = [*notes, *reading.notes]
    return reading


def _registered(entry: Entry, wish: Wish) -> Reading:
    if wish.names is not None:
        raise DataError(f"The registered table {entry.id!r} has its own column names; leave out names=….")
    for name in wish.options:
        if name not in entry.parameters:
            known = hint(str(name), entry.parameters) if entry.parameters else "It has no options."
            raise DataError(f"The registered table {entry.id!r} has no option {name!r}. {known}")
    full = entry.parameters.validate(wish.options)
    try:
        frame = entry.object(**full)
    except MedilyticaError:
        raise
    except Exception as error:  # whatever a function of somebody else raises
        raise DataError(
            f"The registered table {entry.id!r} could not be made; {entry.called} raised {type(error).__name__}: "
            f"{str(error)[:300]}."
        ) from error
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"The registered table {entry.id!r} came as {type(frame).__name__}; {entry.called} has to return a pandas "
            "DataFrame."
        )
    frame = frame.reset_index(drop=True)
    target, columns = entry.facts.get("target"), list(frame.columns)
    return Reading(frame, columns, entry.id, entry.id, "own", name=entry.id, options=full, target=target)


def _from_sql(wish: Wish) -> Reading:
    frame, kept, source = read_sql(wish)
    columns = list(frame.columns) if wish.names is None else _checked(wish.names, frame.shape[1], "The answer")
    sql = (wish.sql or "").strip()
    name = sql if len(sql.split()) == 1 else "query"
    sample = Sample(len(frame), kept.total, wish.seed, forced=False) if kept.total > len(frame) else None
    notes = ["The rows came through a live connection, which a specification cannot hold."] if source is None else []
    where, form = (FRAME, "frame") if source is None else (source, "sql")
    return Reading(frame, columns, where, where, form, name=name, notes=notes, sample=sample)  # type: ignore[arg-type]


def _from_path(path: Path, given: str, wish: Wish) -> Reading:
    try:
        if path.is_dir():
            return _from_folder(path, given, wish)
        with open(path, "rb") as file:
            head = file.read(1 << 12)
            size = os.fstat(file.fileno()).st_size
        large = _sampled(path, given, head, wish)
        if large is not None:
            return large
        if size > lines.LONGEST_LINE and _is_text(head, path.suffix.lower()):
            # before all of it is in memory
            with open(path, "rb") as file:
                lines.check_lines(file.read(lines.LONGEST_LINE + 1), path.name)
        if size > budget() and wish.rows != "all":
            raise DataError(
                f"{path.name!r} has {size / 1e9:,.1f} GB, which does not fit into memory. Save it as Parquet or as "
                "plain CSV, of which a sample is taken; rows='all' reads it all the same."
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(_absent(path, given)) from None
    except (OSError, ValueError) as error:
        if isinstance(error, MedilyticaError):
            raise
        raise DataError(f"The file {given!r} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    return _parse(content, given, str(path.resolve()), wish)


def _uploaded(source: str, wish: Wish) -> Reading:
    file = find_upload(source)
    try:
        reading = _from_path(file.path, source, wish)
    except DataError as error:
        error.args = (as_labelled(error.message, file.path, file.name), *error.args[1:])
        raise
    if reading.fingerprint and reading.fingerprint != file.sha256:
        raise DataError(f"The stored file of {file.name!r} was changed after it was uploaded. Upload it again.")
    reading.name = file.name[: -len(suffix_of(file.name)) or None]
    return reading


def _is_text(head: bytes, suffix: str) -> bool:
    binary = (b"\x1f\x8b", b"PK\x03\x04")
    return not (
        head.startswith(binary)
        or arrow_form(head, suffix)
        or is_workbook(head, suffix)
        or suffix in (".json", *_JSON_LINES, *_PACKED)
    )


def _sampled(path: Path, given: str, head: bytes, wish: Wish) -> Reading | None:
    """Return a sample of a file that does not fit into memory; None for all others."""
    suffix, location = path.suffix.lower(), str(path.resolve())
    if arrow_form(head, suffix) == "parquet":
        _refuse_options(wish, repr(path.name))
        try:
            found = sampled_parquet(path, checked_rows(wish.rows), wish.seed)
        except (OSError, ValueError):
            # damaged, which the reader says better
            return None
        if found is None:
            return None
        frame, sample = found
        columns = list(frame.columns) if wish.names is None else _checked(wish.names, frame.shape[1], repr(path.name))
        return Reading(frame, columns, given, location, "parquet", name=path.stem, sample=sample)
    if not _is_text(head, suffix) or not head.strip():
        return None
    text = sampled_text(path, path.name, suffix == ".tsv", wish)
    if text is None:
        return None
    frame, columns, form, notes, digest, sample = text
    return Reading(frame, columns, given, location, "text", form, digest, path.stem, notes, sample=sample)


def _from_folder(path: Path, given: str, wish: Wish) -> Reading:
    _refuse_options(wish, f"The folder {given!r}")
    frame, sample, notes = read_folder(path, given, checked_rows(wish.rows), wish.seed)
    columns = list(frame.columns) if wish.names is None else _checked(wish.names, frame.shape[1], repr(given))
    location = str(path.resolve())
    return Reading(frame, columns, given, location, "folder", name=path.resolve().name, notes=notes, sample=sample)


def _absent(path: Path, given: str) -> str:
    if not path.suffix and path.name == given:
        near = nearest_name(given, [*BUILTIN, *ARCHIVE])
        built_in = f"Built-in tables: {', '.join(BUILTIN)}. {OWN_FIRST}"
        tables = f"Did you mean the built-in table {near!r}?" if near else built_in
        return f"There is no file and no built-in table called {given!r}. {tables}"
    if not path.parent.is_dir():
        return f"There is no file {given!r}: the folder {str(path.parent)!r} does not exist. Check the path."
    near = nearest_name(path.name, [p.name for p in path.parent.iterdir()])
    there = f"Did you mean {near!r}?" if near else f"Looked in {str(path.parent.resolve())!r}."
    return f"There is no file {given!r}. {there}"


def _parse(content: bytes, source: str, location: str, wish: Wish) -> Reading:
    clean = location.split("?")[0] if location.startswith("http") else location
    suffix = Path(clean).suffix.lower()
    shown = Path(clean).name or source
    if not content.strip():
        raise EmptyTableError(f"{shown!r} is empty: there is nothing to load. Check that the right file was saved.")
    fingerprint = hashlib.sha256(content).hexdigest()
    stem = Path(clean).stem or source
    names = wish.names
    sheet, shape, packed = None, ("", ""), ""
    notes: list[str] = []
    form: Form
    arrow = arrow_form(content, suffix)
    workbook = arrow is None and is_workbook(content, suffix)
    if arrow is not None or workbook:
        _refuse_options(wish, repr(shown), ("header",) if workbook else ())
    if wish.sheet is not None and not workbook:
        raise DataError(f"{shown!r} is no spreadsheet, so it has no sheet {wish.sheet!r}; leave out sheet=….")
    if arrow is not None:
        frame, form = read_arrow(content, shown, arrow).reset_index(drop=True), arrow
    elif workbook:
        frame, sheet, notes, shape = read_workbook(content, shown, wish.sheet, names is not None, wish.read_as.header)
        form = "excel"
    else:
        content, suffix, stem, packed = _unpacked(content, shown, suffix, stem)
        if suffix not in (".json", *_JSON_LINES):
            lines.check_lines(content, shown)
            table, columns, text, notes = read_text(content, shown, suffix == ".tsv", names, wish.missing, wish.read_as)
            return Reading(table, columns, source, location, "text", text, fingerprint, stem, notes, packed=packed)
        _refuse_options(wish, repr(shown))
        frame, shape, notes = read_json(content, shown, suffix in _JSON_LINES)
        form = "json"
    columns = list(frame.columns) if names is None else _checked(names, frame.shape[1], repr(shown))
    return Reading(
        frame, columns, source, location, form, None, fingerprint, stem, notes, sheet=sheet, shape=shape, packed=packed
    )


def _unpacked(content: bytes, shown: str, suffix: str, stem: str) -> tuple[bytes, str, str, str]:
    """Return a text's content, its ending, its name without it, and how it was compressed."""
    packed = unpack(content, shown)
    if packed is None:
        return content, suffix, stem, ""
    how = "gzip" if content.startswith(b"\x1f\x8b") else "zip"
    inside, name = packed
    suffix, stem = Path(name).suffix.lower(), Path(name).stem
    binary = arrow_form(inside, suffix) or is_workbook(inside, suffix)
    if binary or (how == "zip" and suffix in (".json", *_JSON_LINES)):
        raise DataError(f"{shown!r} holds {name!r}, which is read unpacked only. Unpack it and load what is in it.")
    if not inside.strip():
        raise EmptyTableError(f"{shown!r} holds an empty file: there is nothing to load.")
    return inside, suffix, stem, how


def _refuse_options(wish: Wish, shown: str, taken: Sequence[str] = ()) -> None:
    """Raise `DataError` for what is said of a text table where there is none."""
    name = next((name for name in wish.read_as.said if name not in taken), None)
    if name is not None:
        raise DataError(f"{shown} is no text table, so {name}=… says nothing of it; leave it out.")


def _checked(names: Sequence[str], count: int, shown: str) -> list[Any]:
    if len(names) != count:
        raise DataError(f"{shown} has {count} columns, but names=… gives {len(names)}. Give one name for each column.")
    return list(names)
