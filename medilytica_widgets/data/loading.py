"""Loading a table: `load_dataset`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from ..errors import DataError, UnknownArgumentError, check_kwargs, hint
from .by_hand import checked_kinds
from .dataset import Dataset
from .read_options import NAMES, read_options
from .sampling import checked_rows
from .sources import is_sql, options_of, read
from .spec import DataSpec, Kind, Role
from .wish import Progress, Wish


def load_dataset(
    source: Any = None,
    target: str | None = None,
    *,
    names: Sequence[str] | None = None,
    exclude: Iterable[str] | str = (),
    roles: Mapping[str, Role] | None = None,
    missing: Iterable[str] = ("", "NA", "?"),
    kinds: Mapping[str, Kind] | None = None,
    name: str | None = None,
    sheet: str | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    quotechar: str | None = None,
    header: int | Literal["auto"] | None = "auto",
    encoding: str | None = None,
    comment: str | None = None,
    sql: str | None = None,
    connection: Any = None,
    parameters: Mapping[str, Any] | Sequence[Any] | None = None,
    rows: int | Literal["all"] | None = None,
    seed: int | None = None,
    progress: Progress = None,
    **unknown: Any,
) -> Dataset:
    """Load a table and find out what its columns are.

    Parameters
    ----------
    source : path, str, DataFrame or Arrow table
        One of

        - a path or an http(s) address of a text table: delimiter, quoting, encoding, decimal comma, separated
          thousands, comment lines and a missing header are detected, and said in `Dataset.notes`; gzip and zip files
          of one text table are unpacked;
        - of a spreadsheet (.xlsx, .xls, .xlsb, .ods; the extra ``excel``), of JSON (records, columns; nested objects
          become ``outer.inner``) or JSON Lines, of Parquet, Feather or Arrow IPC;
        - a folder of Parquet files, which are one table; folders in it called ``name=value`` become columns;
        - a pandas DataFrame, or any table that speaks Arrow (polars, pyarrow, a DuckDB relation); of a polars
          LazyFrame only the rows that ``rows`` asks for and the columns that ``exclude`` does not name are collected;
        - a SQL query, with ``connection`` or, over files, without;
        - a built-in table. Drawn: "spiral", "moons", "circles", "blobs", "xor", "gaussian", "checkerboard", and for
          regression "swiss_roll", "friedman", "plane". From scikit-learn: "breast_cancer", "iris", "wine", "diabetes",
          "digits", "linnerud". "kepler" is a sample of 2 000 rows of NASA's table;
        - a table of the NASA Exoplanet Archive, fetched once and kept in ``MEDILYTICA_HOME``: "cumulative" (Kepler),
          "toi" or "tess" (TESS), "k2pandc" or "k2" (K2);
        - a file that was uploaded with `DataUpload`, by its content: ``upload:<SHA-256>/<name>``;
        - the id of a registered table.
    target : str, optional
        The column to predict. Built-in tables know theirs.
    names : list of str, optional
        Column names for a file without a header line.
    exclude : list of str
        Columns to set aside.
    roles : dict of str to {"feature", "target", "set_aside"}
        Roles by hand; they win over what is detected.
    missing : list of str
        Cell contents that mean "no value", after blanks around them are stripped.
    kinds : dict of str to str, optional
        Kinds of columns by hand: "numeric", "categorical", "binary", "datetime", "text" or "identifier". They win over
        what is detected; `Dataset.with_kinds` changes them later.
    name : str, optional
        A name for display.
    sheet : str, optional
        Which sheet of a spreadsheet; the first one that is visible and holds cells when None.
    delimiter : str, optional
        One character that divides the cells of a text table, ``";"`` or a tab; ``" "`` stands for any run of blanks.
        This and the next five are detected where they are left out, and are given where the detection is wrong.
    decimal : {".", ","}, optional
        What stands before the decimals of a text table's numbers.
    quotechar : str, optional
        What encloses cells of a text table; ``""`` where quotation marks are part of the cells.
    header : int or None, default "auto"
        The row of the names of a text table or a spreadsheet, counted from 0 below comment and empty lines; what
        stands above it is left out. None where no row holds names.
    encoding : str, optional
        Of a text table: "utf-8", "latin-1", "cp1252", …
    comment : str, optional
        What begins a comment line of a text table, as ``"%"``; ``""`` where a ``#`` begins none.
    sql : str, optional
        A query that reads, or the name of a database's table or view; takes the place of ``source``.
    connection : optional
        Where SQL runs: an address as SQLAlchemy takes it (``postgresql+psycopg://…``), a SQLAlchemy engine, an ADBC,
        DBAPI or DuckDB connection, or a file that ends in .duckdb, .sqlite or .db. Without one the query runs in
        DuckDB, over files: ``select * from 'table.parquet'``. The specification keeps the address without its
        password; it cannot keep a live connection.
    parameters : dict or list, optional
        The query's parameters, as its driver writes them (SQLAlchemy ``:name``, DuckDB ``$name`` or ``?``). They are
        never pasted into the query.
    rows : int or "all", optional
        The most rows to load; of a larger table a sample is drawn. When None, a table that does not fit into half of
        the memory that is free is sampled, and `Dataset.notes` say so; "all" never samples.
    seed : int, optional
        What the sample is drawn with, 0 when None.
    progress : callable or False, optional
        Called while something is fetched, with the bytes that came and the bytes to come (None where the server does
        not say). None shows a bar when it takes more than a second, False none.
    **unknown
        The options of a drawn table (``n``, ``noise``, ``seed``), of a table of the archive (``refresh=True`` fetches
        it anew) or of a registered table; no other keyword argument is taken.

    Returns
    -------
    Dataset

    Raises
    ------
    MissingFileError, EmptyTableError, EncodingError, ColumnNotFoundError, TargetError, DataError
        Nothing was loaded.
    MissingExtraError
        A spreadsheet without the extra ``excel``, or a database without its driver.
    UnknownArgumentError
        For a keyword argument that does not exist.

    Warns
    -----
    MemoryWarning
        For a table of 5 000 columns or more.
    """
    options = options_of(source)
    known = (*_ARGUMENTS, *options)
    for key in unknown:
        if key in _OTHER_NAMES and key not in options:
            raise UnknownArgumentError(f"load_dataset takes no argument {key!r}. Did you mean {_OTHER_NAMES[key]!r}?")
    check_kwargs("load_dataset", {key: value for key, value in unknown.items() if key not in known}, known)
    if "seed" in options and seed is not None:
        unknown["seed"], seed = seed, None
    said: dict[str, Any] = {
        "delimiter": delimiter,
        "decimal": decimal,
        "quotechar": quotechar,
        "encoding": encoding,
        "comment": comment,
    }
    said = {key: value for key, value in said.items() if value is not None}
    said = said if isinstance(header, str) and header == "auto" else {**said, "header": header}
    unknown.update({key: said.pop(key) for key in list(said) if key in options})
    for key, value in (("rows", rows), ("sheet", sheet), ("sql", sql), ("parameters", parameters)):
        # what a registered table calls by the same name is its own
        if key in options and value is not None:
            unknown[key] = value
    rows = None if "rows" in options else rows
    sheet, sql = None if "sheet" in options else sheet, None if "sql" in options else sql
    parameters = None if "parameters" in options else parameters
    source, sql = _asked(source, sql, connection, parameters)
    wish = Wish(
        names=names,
        options=unknown,
        missing=[missing] if isinstance(missing, str) else [str(m) for m in missing],
        sheet=sheet,
        read_as=read_options(said),
        sql=sql,
        connection=connection,
        parameters=parameters,
        rows=checked_rows(rows),
        seed=_checked_seed(seed),
        exclude=[exclude] if isinstance(exclude, str) else [str(e) for e in exclude],
        progress=progress,
    )
    reading = read(source, wish)
    if target is None and "target" not in (roles or {}).values():
        target = reading.target
    forced = reading.sample.rows if reading.sample is not None and reading.sample.forced else None
    spec = DataSpec(
        source=reading.source,
        target=target,
        names=None if names is None else [str(n) for n in names],
        exclude=[column for column in wish.exclude if column not in reading.skipped],
        roles=_checked_roles(roles),
        missing=list(wish.missing),
        name=name,
        options=reading.options,
        kinds=checked_kinds(kinds),
        sheet=sheet if sheet is None else reading.sheet,
        read_as=wish.read_as,
        sql=sql,
        parameters=dict(parameters)
        if isinstance(parameters, Mapping)
        else None
        if parameters is None
        else list(parameters),
        rows=forced if forced is not None else wish.rows,
        seed=wish.seed,
    )
    return Dataset(reading, spec)


_ARGUMENTS = (
    *("source", "target", "names", "exclude", "roles", "missing", "kinds", "name", "sheet", "sql", "connection"),
    *("parameters", "rows", "seed", "progress", *NAMES),
)
#: What others call the same.
_OTHER_NAMES = {
    **{"sep": "delimiter", "separator": "delimiter", "delim": "delimiter", "quote": "quotechar", "sheet_name": "sheet"},
    **{"na_values": "missing", "dtype": "kinds", "nrows": "rows", "charset": "encoding", "columns": "names"},
}


def _asked(source: Any, sql: str | None, connection: Any, parameters: Any) -> tuple[Any, str | None]:
    """Tell a query from a source."""
    if sql is not None:
        if source is not None:
            raise DataError("Both a source and sql=… were given. Give one of them.")
        return None, str(sql)
    if connection is not None:
        if not isinstance(source, str):
            raise DataError("connection=… takes a query or a table's name as its source: load_dataset('select …', …).")
        return None, source
    if is_sql(source):
        return None, source
    if parameters is not None:
        raise DataError("parameters=… are those of a SQL query; there is none.")
    if source is None:
        raise DataError("There is no source. Give a path, a table, a query, or the name of a built-in table.")
    return source, None


def _checked_seed(seed: Any) -> int:
    if seed is None:
        return 0
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise DataError(f"seed is {seed!r}; it takes a whole number of at least 0.")
    return seed


def _checked_roles(roles: Mapping[str, Role] | None) -> dict[str, Role]:
    for column, role in (roles or {}).items():
        if role not in get_args(Role):
            raise DataError(
                f"The role of {column!r} is {role!r}; it is 'feature', 'target' or 'set_aside'. "
                f"{hint(str(role), get_args(Role))}"
            )
    return {str(column): role for column, role in (roles or {}).items()}
