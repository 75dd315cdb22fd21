"""Tables from SQL: a query or a table's name, over SQLAlchemy, ADBC, DBAPI or DuckDB, read only."""

from __future__ import annotations

import contextlib
import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import DataError, MissingExtraError, MissingFileError, hint
from .sampling import Reservoir, within
from .secrecy import redacted, without_secrets
from .wish import Wish

#: Where a query runs that names no connection: in this process, over files.
DUCKDB = "duckdb"
_CHUNK = 50_000
_QUERY = re.compile(r"^\s*(select|with|values|from|table|describe|show|summarize)\b\s*\S", re.IGNORECASE)
#: A file may be called "table 1.csv" or "from home.csv"; these are no file's names.
_SURELY = re.compile(r"^(select\s+\S|with\s.*\bselect\b|from\s+[\"'])", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(r"^\s*[^\s;'()]+\s*$")
_COMMENT = re.compile(r"^\s*(--[^\n]*(\n|$)|/\*.*?\*/)", re.DOTALL)
_HIDDEN = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`", re.DOTALL)
_WRITES = re.compile(
    r"\binto\b|\bdelete\s+from\b|\bupdate\b[\s\S]*?\bset\b|\bfor\s+(?:no\s+key\s+)?update\b|"
    r"\b(?:drop|create|alter|truncate)\s+(?:temp\w*\s+)?(?:table|view|index|schema|database|role|user|function)\b",
    re.IGNORECASE,
)
#: Where databases differ about what ends a text or a comment, nothing is taken for hidden.
_UNSURE = re.compile(r"\\['\"]|\$\w*\$|/\*!|/\*(?:(?!\*/)[\s\S])*/\*|#")
#: They read any file, not only tables.
_FILE_READERS = re.compile(r"\b(read_text|read_blob|glob|sniff_csv)\b\W*\(", re.IGNORECASE)
_TEXTS = re.compile(r"'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"")
_TABLE_FILES = re.compile(r"\.(csv|tsv|txt|tab|dat|data|json|jsonl|ndjson|parquet|pq)(\.(gz|zst|bz2))?$", re.IGNORECASE)
_DUCKDB_FILES = (".duckdb", ".ddb")
_SQLITE_FILES = (".sqlite", ".sqlite3", ".db")

Parameters = Mapping[str, Any] | Sequence[Any] | None


def is_query(source: Any) -> bool:
    """Tell whether a text is a query rather than a path or a name."""
    if not isinstance(source, str):
        return False
    return bool(_SURELY.match(_bare(source)))


def _bare(text: str) -> str:
    while match := _COMMENT.match(text):
        text = text[match.end() :]
    return text.strip().rstrip(";").strip()


def read_sql(wish: Wish) -> tuple[pd.DataFrame, Reservoir, str | None]:
    """Run a query, or read a table by its name.

    Parameters
    ----------
    wish : Wish
        With ``sql`` and ``connection``.

    Returns
    -------
    frame : DataFrame
    kept : Reservoir
        What was let go.
    source : str or None
        Where it was read, without a password; None for a live connection that no spec can hold.

    Raises
    ------
    DataError
        Not a query that reads, or the database refuses; MissingFileError where its file is absent.
    """
    sql = wish.sql or ""
    if not _bare(sql):
        raise DataError("sql is empty. Give a query that begins with SELECT, or a table's name.")
    if not _is_name(sql) and not _QUERY.match(_bare(sql)):
        word = _bare(sql).split()[0]
        raise DataError(
            f"The query begins with {word!r}. Only queries that read are run; begin it with SELECT or WITH."
        )
    # what stands in quotation marks and comments is no command
    bare = "" if _is_name(sql) else _bare(sql) if _UNSURE.search(sql) else _HIDDEN.sub(" ", _bare(sql))
    if ";" in bare or _WRITES.search(bare):
        raise DataError("Only one query that reads is run. Take out what follows the first, and what writes.")
    address = _address_of(wish.connection)
    with _opened(wish.connection, sql, wish.parameters) as (connection, source):
        try:
            kept = within(_parts(connection, sql, wish.parameters), wish.rows, wish.seed, "the query")
            return kept.frame().infer_objects(), kept, source
        except (DataError, MissingExtraError):
            raise
        except Exception as error:  # every driver has its own tree of them
            said = redacted(_reason(error), address)
            if "disabled by configuration" in said:
                said += " A query without a connection reads the table files that it names, as 'table.parquet'."
            raise DataError(f"The database refuses: {said}") from None


def _address_of(connection: Any) -> str:
    """Return what a connection says of where it leads, with the passwords in it: for taking these out of messages."""
    if isinstance(connection, (str, Path)):
        return str(connection)
    url = connection if hasattr(connection, "render_as_string") else _url(connection)
    return "" if url is None else str(url.render_as_string(hide_password=False))


def _url(connection: Any) -> Any:
    """Return the address of what SQLAlchemy opened; None for all others."""
    engine = getattr(connection, "engine", None) if type(connection).__module__.startswith("sqlalchemy") else None
    return None if engine is None else engine.url


def _is_name(sql: str) -> bool:
    return bool(_NAME.match(sql))


def _reason(error: Exception) -> str:
    error = getattr(error, "orig", None) or error
    said = " ".join(str(error).split())[:400] or type(error).__name__
    return said if said.endswith((".", "!", "?")) else f"{said}."


@contextlib.contextmanager
def _opened(connection: Any, sql: str, parameters: Parameters) -> Iterator[tuple[Any, str | None]]:
    """Open what an address names, and close it again; what is open already stays so."""
    if connection is None or connection == DUCKDB:
        import duckdb

        with duckdb.connect() as own:
            own.execute("set enable_progress_bar = false; set autoinstall_known_extensions = false")
            _shut(own, sql, parameters)
            yield own, DUCKDB
        return
    if isinstance(connection, Path) or (isinstance(connection, str) and "://" not in connection):
        path = Path(connection).expanduser()
        suffix = path.suffix.lower()
        if suffix not in (*_DUCKDB_FILES, *_SQLITE_FILES):
            raise DataError(
                f"connection is {redacted(str(connection), str(connection))!r}; it takes an address (dialect://…), a "
                "SQLAlchemy engine, an ADBC, DBAPI or DuckDB connection, or a file that ends in .duckdb, .sqlite or "
                ".db."
            )
        if not path.exists():
            raise MissingFileError(f"There is no database file {str(connection)!r}. Check the path.")
        if suffix in _DUCKDB_FILES:
            import duckdb

            try:
                opened = duckdb.connect(str(path), read_only=True)
            except duckdb.Error as error:
                raise DataError(f"{str(connection)!r} cannot be opened: {_reason(error)}") from None
            with opened as own:
                own.execute("set enable_progress_bar = false")
                yield own, str(connection)
            return
        with _engine(f"sqlite:///{path}") as engine:
            yield engine, str(connection)
        return
    if isinstance(connection, str) or type(connection).__name__ == "URL":
        with _engine(connection) as engine:
            _check_sqlite(engine.url)
            yield engine, without_password(engine.url)
        return
    yield connection, _address(connection)


@contextlib.contextmanager
def _engine(url: Any) -> Iterator[Any]:
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(url)
    except ImportError as error:
        raise MissingExtraError(f"The database needs a driver that is not installed: {error}.") from None
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        said = redacted(_reason(error), _address_of(url))
        raise DataError(f"connection is no address of a database: {said}") from None
    try:
        yield engine
    finally:
        engine.dispose()


def without_password(url: Any) -> str:
    """Return a SQLAlchemy address without what is secret in it."""
    return without_secrets(str(url.render_as_string(hide_password=False)))


def _check_sqlite(url: Any) -> None:
    """Raise `MissingFileError` for a file that is not there: SQLite would make an empty one."""
    path = url.database
    if url.drivername.startswith("sqlite") and path and path != ":memory:" and not path.startswith("file:"):
        if not Path(path).exists():
            raise MissingFileError(f"There is no database file {path!r}. Check the path.")


def _shut(connection: Any, sql: str, parameters: Parameters) -> None:
    """Leave a connection of DuckDB's nothing but the table files that a query or its parameters name."""
    given = parameters.values() if isinstance(parameters, Mapping) else parameters or ()
    named = [(match[1] or match[2] or "").replace("''", "'") for match in _TEXTS.finditer(sql)]
    paths: list[str] = []
    for path in [*named, *(value for value in given if isinstance(value, str))]:
        if not _TABLE_FILES.search(path) or "\0" in path:
            continue
        whole = str(Path(path).expanduser())
        # of a pattern, itself and what fits it
        paths += [path, whole, *(glob.glob(whole, recursive=True) if glob.has_magic(whole) else ())]
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in dict.fromkeys(paths))
    connection.execute(f"set allowed_paths = [{listed}]")
    for setting in (
        "python_enable_replacements = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"set {setting}")


def _address(connection: Any) -> str | None:
    url = _url(connection)
    if url is None:
        return None
    # a database in memory is another one for whoever opens it next
    memory = url.drivername.startswith("sqlite") and url.database in (None, "", ":memory:")
    return None if memory or "memory" in url.query.get("mode", "") else without_password(url)


def _parts(connection: Any, sql: str, parameters: Parameters) -> Iterator[pd.DataFrame]:
    module = type(connection).__module__.split(".")[0]
    if module == "sqlalchemy":
        yield from _alchemy(connection, sql, parameters)
    elif module in ("duckdb", "_duckdb"):
        yield from _duckdb(connection, sql, parameters)
    elif hasattr(connection, "cursor"):
        yield from _dbapi(connection, sql, parameters)
    else:
        raise DataError(
            f"connection is a {type(connection).__name__}; it takes an address (dialect://…), a SQLAlchemy engine, an "
            "ADBC, DBAPI or DuckDB connection, or the path of a database file."
        )


def _alchemy(source: Any, sql: str, parameters: Parameters) -> Iterator[pd.DataFrame]:
    import sqlalchemy

    if isinstance(parameters, Sequence):
        raise DataError("SQLAlchemy takes parameters by name: write :name in the query and give {'name': value}.")
    with contextlib.ExitStack() as stack:
        connection = source
        if isinstance(source, sqlalchemy.Engine):
            connection = stack.enter_context(source.connect())
            # whatever a query did is taken back
            stack.callback(connection.rollback)
        # what the look at the words lets through (a function that writes), the database itself refuses
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("pragma query_only = on")
            stack.callback(connection.exec_driver_sql, "pragma query_only = off")
        elif connection.dialect.name == "postgresql":
            _read_only(connection, stack, own=isinstance(source, sqlalchemy.Engine))
        statement = _whole(connection, sql) if _is_name(sql) else sqlalchemy.text(_bare(sql))
        streamed = connection.execution_options(stream_results=True) if connection is not source else connection
        answer = streamed.execute(statement, dict(parameters or {}))
        if not answer.returns_rows:
            raise DataError("The query gives no rows. Only queries that read are run; begin it with SELECT.")
        names = list(answer.keys())
        while rows := answer.fetchmany(_CHUNK):
            yield _frame([tuple(row) for row in rows], names)
        yield _frame([], names)


def _read_only(connection: Any, stack: contextlib.ExitStack, own: bool) -> None:
    """Have PostgreSQL refuse to write until the stack ends: a CTE that deletes and a function that does are queries."""
    if connection.get_isolation_level() == "AUTOCOMMIT":
        connection.exec_driver_sql("begin read only")
        stack.callback(connection.exec_driver_sql, "rollback")
        return
    if not own:
        # what a person began goes on writable after it
        stack.callback(connection.begin_nested().rollback)
    connection.exec_driver_sql("set transaction read only")


def _whole(connection: Any, name: str) -> Any:
    import sqlalchemy

    schema, _, table = name.strip().rpartition(".")
    looking = sqlalchemy.inspect(connection)
    if not looking.has_table(table, schema=schema or None):
        known = [*looking.get_table_names(schema=schema or None), *looking.get_view_names(schema=schema or None)]
        raise DataError(f"The database has no table {name.strip()!r}. {hint(table, known)}")
    return sqlalchemy.select(sqlalchemy.text("*")).select_from(sqlalchemy.table(table, schema=schema or None))


def _duckdb(connection: Any, sql: str, parameters: Parameters) -> Iterator[pd.DataFrame]:
    import duckdb

    if _is_name(sql):
        relation = connection.table(sql.strip())
        reader = relation.to_arrow_reader(_CHUNK)
    else:
        if _FILE_READERS.search(sql):
            raise DataError("A query that is read here takes its rows from tables, not from the text of any file.")
        statements = duckdb.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise DataError("Only one query that reads is run; it begins with SELECT, FROM or WITH.")
        given = dict(parameters) if isinstance(parameters, Mapping) else list(parameters or ())
        reader = connection.sql(sql, params=given or None).to_arrow_reader(_CHUNK)
    yield from (batch.to_pandas() for batch in reader)
    yield reader.schema.empty_table().to_pandas()


def _dbapi(connection: Any, sql: str, parameters: Parameters) -> Iterator[pd.DataFrame]:
    query = _bare(sql)
    if _is_name(sql):
        quoted = ".".join('"' + part.replace('"', '""') + '"' for part in sql.strip().split("."))
        query = f"select * from {quoted}"
    with contextlib.ExitStack() as stack:
        cursor = stack.enter_context(contextlib.closing(connection.cursor()))
        if type(connection).__module__ == "sqlite3":
            was = connection.execute("pragma query_only").fetchone()[0]
            connection.execute("pragma query_only = on")
            stack.callback(connection.execute, f"pragma query_only = {was}")
        given = dict(parameters) if isinstance(parameters, Mapping) else tuple(parameters or ())
        cursor.execute(query, given) if given else cursor.execute(query)
        if cursor.description is None:
            raise DataError("The query gives no rows. Only queries that read are run; begin it with SELECT.")
        if hasattr(cursor, "fetch_record_batch"):
            reader = cursor.fetch_record_batch()
            yield from (batch.to_pandas() for batch in reader)
            yield reader.schema.empty_table().to_pandas()
            return
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(_CHUNK):
            yield _frame([tuple(row) for row in rows], names)
        yield _frame([], names)


def _frame(rows: list[tuple[Any, ...]], names: list[str]) -> pd.DataFrame:
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    # two columns may have one name
    frame = pd.DataFrame({at: pd.Series(list(cells), dtype=object) for at, cells in enumerate(columns)})
    frame.columns = pd.Index(names, dtype=object)
    return frame
