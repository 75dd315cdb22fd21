"""Where tables come from: files, addresses, frames in memory; built-in tables are in ``builtin.py``."""

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ..errors import DataError, EmptyTableError, MedilyticaError, MissingFileError, SpecError, hint, nearest_name
from ..parameters import OWN_FIRST
from ..registered import Entry, find
from .builtin import BUILTIN, SAMPLE, builtin_frame
from .spec import FRAME
from .text import TextFormat, read_text

Form = Literal["text", "parquet", "json", "builtin", "own", "frame"]

#: The largest answer read from an address, in bytes.
URL_LIMIT = 1 << 30
URL_SECONDS = 60
_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".data")


@dataclass
class Reading:
    """A table as it came, before any cleaning.

    Attributes
    ----------
    frame : DataFrame
        All cells are text when ``form`` is "text".
    columns : list
        The names as they came.
    source : str
        What goes into the spec.
    location : str
        The absolute path or the address; equal to ``source`` for others.
    form : str
    text : TextFormat, optional
        How a text file was read.
    fingerprint : str
        SHA-256 of the content; empty when it has to be taken from the cleaned frame.
    name : str
    notes : list of str
    options : dict
        Of a registered table, every argument.
    """

    frame: pd.DataFrame
    columns: list[Any]
    source: str
    location: str
    form: Form
    text: TextFormat | None = None
    fingerprint: str = ""
    name: str = ""
    notes: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


def read(source: Any, names: Sequence[str] | None, options: Mapping[str, Any] | None = None) -> Reading:
    """Read any supported source; ``options`` are the arguments of a registered table.

    Raises
    ------
    MissingFileError, EmptyTableError, EncodingError, DataError
    """
    own = find("dataset", source)
    if own is not None and not Path(source).exists():
        return _registered(own, names, options or {})
    if options:
        raise SpecError(f"No data set is registered as {source!r}. {OWN_FIRST}")
    if isinstance(source, pd.DataFrame):
        return _in_memory(source, names)
    if hasattr(source, "to_pandas") and hasattr(source, "column_names"):
        return _in_memory(source.to_pandas(), names)
    if not isinstance(source, (str, Path)):
        raise DataError(
            f"A table cannot be read from {type(source).__name__}. Give a path, an address, a pandas DataFrame, "
            f"an Arrow table, or the name of a built-in table ({', '.join(BUILTIN)})."
        )
    if isinstance(source, str) and source in BUILTIN and not Path(source).exists():
        return _built_in(source, names)
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        return _parse(_download(source), source, source, names)
    path = Path(source).expanduser()
    return _parse(_bytes_of(path, str(source)), str(source), str(path.resolve()), names)


def _in_memory(frame: pd.DataFrame, names: Sequence[str] | None) -> Reading:
    if not isinstance(frame.columns, pd.MultiIndex) and not isinstance(frame.index, pd.RangeIndex):
        # the index is no column; positions are what everything else speaks of
        frame = frame.reset_index(drop=True)
    columns = list(frame.columns) if names is None else _checked(names, frame.shape[1], "The frame")
    return Reading(frame, columns, FRAME, FRAME, "frame", name="table")


def _built_in(name: str, names: Sequence[str] | None) -> Reading:
    if names is not None:
        raise DataError(f"The built-in table {name!r} has its own column names; leave out names=….")
    if name == "kepler":
        reading = _parse(SAMPLE.read_bytes(), name, str(SAMPLE), None)
        reading.name = name
        return reading
    frame = builtin_frame(name)
    return Reading(frame, list(frame.columns), name, name, "builtin", name=name)


def _registered(entry: Entry, names: Sequence[str] | None, options: Mapping[str, Any]) -> Reading:
    if names is not None:
        raise DataError(f"The registered table {entry.id!r} has its own column names; leave out names=….")
    for name in options:
        if name not in entry.parameters:
            known = hint(str(name), entry.parameters) if entry.parameters else "It has no options."
            raise DataError(f"The registered table {entry.id!r} has no option {name!r}. {known}")
    full = entry.parameters.validate(options)
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
    return Reading(frame, list(frame.columns), entry.id, entry.id, "own", name=entry.id, options=full)


def _bytes_of(path: Path, given: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(_absent(path, given)) from None
    except IsADirectoryError:
        raise DataError(f"{given!r} is a folder. Give the path of one file in it.") from None
    except OSError as error:
        raise DataError(f"The file {given!r} cannot be read: {error.strerror or error}.") from None


def _absent(path: Path, given: str) -> str:
    if not path.suffix and path.name == given:
        near = nearest_name(given, BUILTIN)
        built_in = f"Built-in tables: {', '.join(BUILTIN)}. {OWN_FIRST}"
        tables = f"Did you mean the built-in table {near!r}?" if near else built_in
        return f"There is no file and no built-in table called {given!r}. {tables}"
    if not path.parent.is_dir():
        return f"There is no file {given!r}: the folder {str(path.parent)!r} does not exist. Check the path."
    near = nearest_name(path.name, [p.name for p in path.parent.iterdir()])
    there = f"Did you mean {near!r}?" if near else f"Looked in {str(path.parent.resolve())!r}."
    return f"There is no file {given!r}. {there}"


def _download(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "medilytica-widgets"})
    try:
        with urllib.request.urlopen(request, timeout=URL_SECONDS) as answer:
            content = bytes(answer.read(URL_LIMIT + 1))
    except urllib.error.HTTPError as error:
        raise MissingFileError(f"{url} cannot be read: the server answered {error.code} {error.reason}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(f"{url} cannot be read: {reason}. Check the address and the network.") from None
    if len(content) > URL_LIMIT:
        raise DataError(f"{url} is larger than {URL_LIMIT >> 30} GB. Download it and give the path.")
    return content


def _parse(content: bytes, source: str, location: str, names: Sequence[str] | None) -> Reading:
    clean = location.split("?")[0] if location.startswith("http") else location
    suffix = Path(clean).suffix.lower()
    shown = Path(clean).name or source
    if not content.strip():
        raise EmptyTableError(f"{shown!r} is empty: there is nothing to load. Check that the right file was saved.")
    fingerprint = hashlib.sha256(content).hexdigest()
    stem = Path(clean).stem or source
    if suffix in (".parquet", ".pq") or content[:4] == b"PAR1":
        frame, form = _typed(content, shown, "parquet"), "parquet"
    elif suffix == ".json":
        frame, form = _typed(content, shown, "json"), "json"
    elif suffix in (".xlsx", ".xls", ".ods"):
        raise DataError(f"{shown!r} is a spreadsheet. Save the sheet as CSV and load that file.")
    else:
        table, columns, text, notes = read_text(content, shown, suffix == ".tsv", names)
        return Reading(table, columns, source, location, "text", text, fingerprint, stem, notes)
    columns = list(frame.columns) if names is None else _checked(names, frame.shape[1], repr(shown))
    return Reading(frame, columns, source, location, form, None, fingerprint, stem)  # type: ignore[arg-type]


def _typed(content: bytes, shown: str, form: str) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(io.BytesIO(content)) if form == "parquet" else pd.read_json(io.BytesIO(content))
    except Exception as error:  # the parsers raise many kinds; all of them mean that the file is damaged
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{shown!r} is not a readable {form} table: {first}.") from None
    return frame.reset_index(drop=True)


def _checked(names: Sequence[str], count: int, shown: str) -> list[Any]:
    if len(names) != count:
        raise DataError(f"{shown} has {count} columns, but names=… gives {len(names)}. Give one name for each column.")
    return list(names)
