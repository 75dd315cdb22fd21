"""Tables from SQL: a query or a table's name, over SQLAlchemy, ADBC, DBAPI or DuckDB, read only."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import DataError, MissingExtraError, MissingFileError, hint
from .sampling import Reservoir, within
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
    r"\binto\b|\bdelete\s+from\b|\bupdate\s+\S+\s+(?:as\s+\S+\s+)?set\b|\bfor\s+update\b|"
    r"\b(?:drop|create|alter|truncate)\s+(?:temp\w*\s+)?(?:table|view|index|schema|database|role|user|function)\b",
    re.IGNORECASE,
)
_SECRET = re.compile(r"pass|pwd|token|secret|key|credential", re.IGNORECASE)
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
    bare = "" if _is_name(sql) else _HIDDEN.sub(" ", _bare(sql))
    if ";" in bare or _WRITES.search(bare):
        raise DataError("Only one query that reads is run. Take out what follows the first, and what writes.")
    with _opened(wish.connection) as (connection, source):
        try:
            kept = within(_parts(connection, sql, wish.parameters), wish.rows, wish.seed, "the query")
            return kept.frame().infer_objects(), kept, source
        except (DataError, MissingExtraError):
            raise
        except Exception as error:  # every driver has its own tree of them
            raise DataError(f"The database refuses: {_reason(error)}") from None


def _is_name(sql: str) -> bool:
    return bool(_NAME.match(sql))


def _reason(error: Exception) -> str:
    error = getattr(error, "orig", None) or error
    said = " ".join(str(error).split())[:400] or type(error).__name__
    return said if said.endswith((".", "!", "?")) else f"{said}."


@contextlib.contextmanager
def _opened(connection: Any) -> Iterator[tuple[Any, str | None]]:
    """Open what an address names, and close it again; what is open already stays so."""
    if connection is None or connection == DUCKDB:
        import duckdb

        with duckdb.connect() as own:
            own.execute("set enable_progress_bar = false; set autoinstall_known_extensions = false")
            yield own, DUCKDB
        return
    if isinstance(connection, Path) or (isinstance(connection, str) and "://" not in connection):
        path = Path(connection).expanduser()
        suffix = path.suffix.lower()
        if suffix not in (*_DUCKDB_FILES, *_SQLITE_FILES):
            raise DataError(
                f"connection is {str(connection)!r}; it takes an address (dialect://…), a SQLAlchemy engine, an ADBC, "
                "DBAPI or DuckDB connection, or a file that ends in .duckdb, .sqlite or .db."
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
        raise DataError(f"connection is no address of a database: {_reason(error)}") from None
    try:
        yield engine
    finally:
        engine.dispose()


def without_password(url: Any) -> str:
    """Return a SQLAlchemy address without what is secret in it."""
    query = {name: value for name, value in url.query.items() if not _SECRET.search(name)}
    bare = url._replace(password=None, query=query)
    return str(bare.render_as_string(hide_password=False))


def _address(connection: Any) -> str | None:
    engine = getattr(connection, "engine", None) if type(connection).__module__.startswith("sqlalchemy") else None
    if engine is None:
        return None
    # a database in memory is another one for whoever opens it next
    memory = engine.url.drivername.startswith("sqlite") and engine.url.database in (None, "", ":memory:")
    return None if memory or "memory" in engine.url.query.get("mode", "") else without_password(engine.url)


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
        elif connection.dialect.name == "postgresql" and isinstance(source, sqlalchemy.Engine):
            connection.exec_driver_sql("set transaction read only")
        statement = _whole(connection, sql) if _is_name(sql) else sqlalchemy.text(_bare(sql))
        streamed = connection.execution_options(stream_results=True) if connection is not source else connection
        answer = streamed.execute(statement, dict(parameters or {}))
        if not answer.returns_rows:
            raise DataError("The query gives no rows. Only queries that read are run; begin it with SELECT.")
        names = list(answer.keys())
        while rows := answer.fetchmany(_CHUNK):
            yield _frame([tuple(row) for row in rows], names)
        yield _frame([], names)


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
    with contextlib.closing(connection.cursor()) as cursor:
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
