"""From cells as they came to clean columns: numbers, dates or text, with one way to say "missing".

The same functions read a table when it is loaded and a frame when it is predicted on, so that
``" 1"``, ``1`` and ``1.0`` mean the same in both places.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Storage = Literal["number", "datetime", "text"]

#: Row numbers travel to the browser under this name, so no column of the table may have it.
ROW = "__row__"

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INTEGER = r"^[+-]?\d{1,18}$"
_NOT_FINITE = r"^(?i)[+-]?(inf|infinity|nan)$"
_LEADING_ZERO = r"^0\d+$"
_DATE_LIKE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}.*)?$"
DATE_FORMATS = (
    "ISO8601",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
)
#: Numbers make up this share of a column, and are this varied, before the other cells count as missing.
NUMERIC_SHARE = 0.9
FEW_VALUES = 20
#: Larger numbers count as infinite, and so as missing: their squares, which variances are made of, would overflow.
LARGEST = 1e150


@dataclass(frozen=True)
class Cells:
    """A clean column.

    Attributes
    ----------
    values : ndarray
        float64 or int64 (storage "number"; missing is NaN), datetime64[us] (NaT) or object of
        str (None).
    storage : {"number", "datetime", "text"}
    format : str
        How dates were written, as `pandas.to_datetime` takes it; empty for other storages.
    odd : ndarray of int64
        Positions of cells that do not fit the rest: words among numbers, numbers among words.
    lost : int
        How many cells became missing because they could not be read as the column's storage.
    infinite : int
        How many cells were infinite, or larger than `LARGEST`; they are missing now.
    numeric_share : float
        The share of present text cells that read as numbers.
    """

    values: NDArray[Any]
    storage: Storage
    format: str = ""
    odd: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    lost: int = 0
    infinite: int = 0
    numeric_share: float = 0.0


def tidy_names(raw: Iterable[Any]) -> tuple[list[str], dict[str, str]]:
    """Return unique, non-empty column names and a sentence about each that had to change, by its new name.

    Blanks around a name go without a word. A nameless column becomes ``column 3`` (counted from
    1), a second ``age`` becomes ``age (2)``.
    """
    wanted: list[str] = []
    for name in raw:
        if isinstance(name, tuple):
            name = " ".join(str(part) for part in name if part == part and part is not None)
        absent = name is None or (isinstance(name, float) and math.isnan(name)) or name is pd.NA
        # pandas' own index cannot find a name that holds a zero character
        wanted.append("" if absent else (_clean_surrogates(str(name)) or "").replace("\0", "").strip())
    used = {name for name in wanted if name}
    names: list[str] = []
    changes: dict[str, str] = {}
    seen: set[str] = {ROW}
    for position, name in enumerate(wanted, start=1):
        base = name or f"column {position}"
        final, count = base, 1
        while final in seen or (final != name and final in used):
            count += 1
            final = f"{base} ({count})"
        if not name:
            changes[final] = f"Column {position} has no name; it is called {final!r}."
        elif final != name:
            changes[final] = f"Column {position} is another {name!r}; it is called {final!r}."
        seen.add(final)
        names.append(final)
    return names, changes


def _word(value: Any) -> str | None:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (float, np.floating)):
        if math.isnan(value):
            return None
        # a column of whole numbers turns to floats when one cell is missing: 1.0 and 1 are the same label
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def text_cells(series: pd.Series[Any], missing: Sequence[str]) -> Any:
    """Return the column as an Arrow string array, stripped, with nulls for missing."""
    try:
        if not isinstance(series.dtype, pd.StringDtype) and series.dtype != object:
            raise pa.ArrowTypeError("not text yet")
        cells = pa.array(series, type=pa.string(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        # objects of several types, or half a character: one by one
        cells = pa.array([_clean_surrogates(_word(v)) for v in series.astype(object)], type=pa.string())
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    cells = pc.utf8_trim_whitespace(cells)
    tokens = pa.array([token.strip() for token in missing], type=pa.string())
    return pc.if_else(pc.is_in(cells, value_set=tokens), pa.scalar(None, pa.string()), cells)


def _clean_surrogates(word: str | None) -> str | None:
    # a lone surrogate (half an emoji, from a bad decoder) has no UTF-8 form
    if word is None or word.isascii():
        return word
    return word.encode("utf-8", "replace").decode("utf-8")


def _objects(cells: Any) -> NDArray[Any]:
    values: NDArray[Any] = np.empty(len(cells), dtype=object)
    values[:] = cells.to_pylist()
    return values


def _floats(cells: Any, good: Any) -> NDArray[np.float64]:
    numbers = pc.if_else(good, cells, pa.scalar(None, pa.string())).cast(pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64).copy()


def _finite(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    infinite = np.abs(values) > LARGEST
    count = int(infinite.sum())
    if count:
        values = values.copy()
        values[infinite] = np.nan
    return values, count


def native_numbers(series: pd.Series[Any]) -> NDArray[Any] | None:
    """Return int64 or float64 values of a numeric dtype (timedeltas in days), else None."""
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return np.asarray(series.dt.total_seconds(), dtype=np.float64) / 86_400
    if pd.api.types.is_bool_dtype(series.dtype) or not pd.api.types.is_numeric_dtype(series.dtype):
        return None
    if pd.api.types.is_complex_dtype(series.dtype):
        return None
    if pd.api.types.is_integer_dtype(series.dtype) and not series.isna().any():
        whole = series.to_numpy()
        if whole.dtype != np.uint64 or not len(whole) or whole.max() <= np.iinfo(np.int64).max:
            return whole.astype(np.int64)
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _native_dates(series: pd.Series[Any]) -> NDArray[Any] | None:
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    if isinstance(series.dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
    if pd.api.types.is_datetime64_dtype(series.dtype):
        return series.to_numpy().astype("datetime64[us]")
    return None


def _plain(series: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.astype(series.dtype.categories.dtype if not series.isna().any() else object)
    if isinstance(series.dtype, pd.ArrowDtype):
        return series.convert_dtypes(dtype_backend="numpy_nullable")
    return series


def clean(series: pd.Series[Any], missing: Sequence[str]) -> Cells:
    """Read a column whose meaning is not known yet."""
    series = _plain(series)
    numbers = native_numbers(series)
    if numbers is not None:
        return _cells_of_numbers(numbers)
    dates = _native_dates(series)
    if dates is not None:
        return Cells(dates, "datetime", "ISO8601")
    cells = text_cells(series, missing)
    present = len(cells) - cells.null_count
    if present == 0:
        return Cells(np.full(len(cells), np.nan), "number")
    good = pc.fill_null(pc.match_substring_regex(cells, _NUMBER), False)
    share = (pc.sum(good).as_py() or 0) / present
    if share > 0 and not _are_codes(cells):
        found = _numbers_in(cells, good, present)
        if found is not None:
            return found
    if share < NUMERIC_SHARE:
        read = _dates_in(cells, present)
        if read is not None:
            return read
    return _words_in(cells, good, share)


def _cells_of_numbers(numbers: NDArray[Any]) -> Cells:
    if numbers.dtype == np.int64:
        return Cells(numbers, "number", numeric_share=1.0)
    values, infinite = _finite(numbers)
    return Cells(values, "number", infinite=infinite, numeric_share=1.0)


def _are_codes(cells: Any) -> bool:
    """Digits of one width of which some start with 0 (postal codes) are names, not numbers."""
    first = next((value for value in cells[:64].to_pylist() if value is not None), "")
    if first is not None and not first.isdigit() and first:
        return False
    zeros = pc.sum(pc.match_substring_regex(cells, _LEADING_ZERO)).as_py() or 0
    if zeros == 0:
        return False
    widths = pc.min_max(pc.utf8_length(cells)).as_py()
    return bool(widths["min"] == widths["max"] and pc.all(pc.match_substring_regex(cells, r"^\d+$")).as_py())


def _numbers_in(cells: Any, good: Any, present: int) -> Cells | None:
    endless = pc.fill_null(pc.match_substring_regex(cells, _NOT_FINITE), False)
    not_finite = pc.sum(endless).as_py() or 0
    count = pc.sum(good).as_py()
    others = present - count - not_finite
    if others:
        # few different numbers beside words are labels ("1", "2", "K"); many are a measurement with remarks in it
        if count < NUMERIC_SHARE * present:
            return None
        if pc.count_distinct(pc.filter(cells, good)).as_py() <= FEW_VALUES:
            return None
    if cells.null_count == 0 and count == present and pc.all(pc.match_substring_regex(cells, _INTEGER)).as_py():
        plain = pc.replace_substring_regex(cells, r"^\+", "")
        whole = np.asarray(plain.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64).copy()
        return Cells(whole, "number", numeric_share=1.0)
    values, infinite = _finite(_floats(cells, good))
    infinite += not_finite - (pc.sum(pc.match_substring_regex(cells, r"^(?i)[+-]?nan$")).as_py() or 0)
    odd = np.empty(0, dtype=np.int64)
    if others:
        odd = np.flatnonzero(pc.invert(pc.or_(pc.or_(good, endless), pc.is_null(cells))).to_numpy(zero_copy_only=False))
    return Cells(values, "number", odd=odd, lost=others, infinite=infinite, numeric_share=count / present)


def _dates_in(cells: Any, present: int) -> Cells | None:
    like = pc.sum(pc.match_substring_regex(cells, _DATE_LIKE)).as_py() or 0
    if like < NUMERIC_SHARE * present:
        return None
    words = pd.Series(_objects(cells), dtype=object)
    best: tuple[int, str, NDArray[Any]] | None = None
    for form in DATE_FORMATS:
        read = parse_dates(words, form)
        count = int((~np.isnat(read)).sum())
        if best is None or count > best[0]:
            best = (count, form, read)
        if count == present:
            break
    if best is None or best[0] < NUMERIC_SHARE * present:
        return None
    lost = np.flatnonzero(np.isnat(best[2]) & ~words.isna().to_numpy())
    return Cells(best[2], "datetime", best[1], odd=lost, lost=len(lost))


def parse_dates(words: pd.Series[Any], form: str) -> NDArray[Any]:
    """Read dates written as ``form``; what is not one becomes NaT. Zones are converted to UTC."""
    read = pd.to_datetime(words, format=form, errors="coerce", utc=True)
    return read.dt.tz_localize(None).to_numpy().astype("datetime64[us]")


def _words_in(cells: Any, good: Any, share: float) -> Cells:
    odd = np.empty(0, dtype=np.int64)
    if 0 < share < 1:
        rare = good if share < 0.5 else pc.invert(pc.or_(good, pc.is_null(cells)))
        odd = np.flatnonzero(rare.to_numpy(zero_copy_only=False))
    return Cells(_objects(cells), "text", odd=odd, numeric_share=share)


def read_as(series: pd.Series[Any], storage: Storage, form: str, missing: Sequence[str]) -> NDArray[Any]:
    """Read a column whose storage is known: float64 with NaN, datetime64[us] with NaT, or str with None."""
    series = _plain(series)
    if storage == "number":
        numbers = native_numbers(series)
        if numbers is not None:
            return _finite(numbers.astype(np.float64))[0]
        if pd.api.types.is_bool_dtype(series.dtype):
            return series.to_numpy(dtype=np.float64, na_value=np.nan)
        cells = text_cells(series, missing)
        return _finite(_floats(cells, pc.fill_null(pc.match_substring_regex(cells, _NUMBER), False)))[0]
    if storage == "datetime":
        dates = _native_dates(series)
        if dates is not None:
            return dates
        return parse_dates(pd.Series(_objects(text_cells(series, missing)), dtype=object), form)
    return _objects(text_cells(series, missing))


def as_frame(columns: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """Return a frame of clean columns whose text stays plain Python objects.

    pandas 3 would turn it into its own string dtype, whose missing value and stored form differ.
    """
    return pd.DataFrame(
        {name: pd.Series(values, dtype=values.dtype, copy=False) for name, values in columns.items()}, copy=False
    )


def labels(values: NDArray[Any], storage: Storage) -> NDArray[Any]:
    """Return the values as labels: str, with None for missing; ``2.0`` and ``2`` are both ``"2"``."""
    out: NDArray[Any] = np.empty(len(values), dtype=object)
    if storage == "text":
        out[:] = values
        return out
    unique, codes = np.unique(values, return_inverse=True)
    if storage == "datetime":
        words = [None if np.isnat(v) else str(v) for v in unique]
    else:
        words = [_word(float(v)) if values.dtype != np.int64 else str(int(v)) for v in unique]
    names: NDArray[Any] = np.empty(len(unique), dtype=object)
    names[:] = words
    out[:] = names[codes]
    return out


def content_hash(columns: Mapping[str, Cells]) -> str:
    """Return the SHA-256 of clean columns, hexadecimal."""
    digest = hashlib.sha256()
    for name, cells in columns.items():
        digest.update(f"{name}\0{cells.values.dtype}\0".encode("utf-8", "replace"))
        values = cells.values
        if values.dtype == object:
            plain = np.array([v if v is not None else "\0" for v in values], dtype=object)
            digest.update(pd.util.hash_array(plain, categorize=True).tobytes())
        else:
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
