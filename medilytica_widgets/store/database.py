"""The database behind a run store: SQLite or PostgreSQL, its schema brought up to date when it is opened."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, MedilyticaError, MissingExtraError, StateError
from .home import home_path, make_home

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

VARIABLE = "MEDILYTICA_DATABASE_URL"
_BUSY_SECONDS = 2.0
# Any number, so long as nobody else's advisory lock has it: "medilyti" in ASCII.
_ADVISORY_LOCK = 0x6D6564696C797469
# alembic's context is one for the whole process
_migrating = threading.Lock()
_LATER = (
    "The run store at {label} was written by a later version of medilytica_widgets (its schema is {found}, this "
    "version knows up to {known}). Upgrade the package, or name another store with " + VARIABLE + "."
)


class LaterVersionError(StateError):
    """The store's schema is one that this version does not know."""


class Database:
    """Connections to one database, which is opened, and migrated where needed, at the first of them.

    Parameters
    ----------
    url : str, optional
        ``postgresql://…`` or ``sqlite:///…``; the environment's ``MEDILYTICA_DATABASE_URL`` if left out, and
        without that ``runs.sqlite`` in `home`.

    Raises
    ------
    InputError
        For a URL of another kind.
    """

    def __init__(self, url: str | None = None) -> None:
        given = (url if url is not None else os.environ.get(VARIABLE, "")).strip()
        scheme = given.partition("://")[0] if "://" in given else ""
        backend = scheme.partition("+")[0]
        if given and backend not in ("sqlite", "postgres", "postgresql"):
            # the URL may hold a password, so only its scheme is repeated
            raise InputError(
                f"A run store lives in PostgreSQL (postgresql://user@host/database) or SQLite (sqlite:///path); "
                f"{VARIABLE} names {scheme or 'no kind of database'!r}."
            )
        self.is_postgres = backend.startswith("postgres")
        self._given = given
        # now, and not when it is opened: the environment may have changed by then
        self._home = home_path()
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        self._ready = False
        _databases.add(self)

    @property
    def label(self) -> str:
        """Where it is, for messages: the file, or the URL without its password."""
        try:
            url = self._url()
        except MedilyticaError:
            return "its place"
        return url.render_as_string(hide_password=True) if self.is_postgres else str(url.database)

    @contextlib.contextmanager
    def connect(self, write: bool = False) -> Iterator[Connection]:
        """Yield a connection in a transaction, which is committed when the block ends without an error.

        Parameters
        ----------
        write : bool
            SQLite then locks at the beginning, so that a write never fails half way for a lock.
        """
        engine = self._open()
        with engine.execution_options(immediate=write).begin() as connection:
            yield connection

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Turn the database's errors into a `StateError` that says what to do."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            if isinstance(error, MedilyticaError):
                raise
            raise StateError(self.explain(error)) from error

    def explain(self, error: BaseException) -> str:
        """Return an error of the database as a sentence for the person."""
        if isinstance(error, MedilyticaError):
            return error.message
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        reason = cause[0].rstrip(".") if cause else type(error).__name__
        if self.is_postgres:
            advice = f"See that the server runs and that {VARIABLE} is right."
        elif "locked" in reason:
            advice = "Another process holds it; end that process if this does not pass."
        elif "not a database" in reason or "malformed" in reason:
            advice = "Move the file away to begin with an empty store, or restore a backup."
        else:
            advice = "See that its folder is there, writable and not full."
        return f"The run store at {self.label} cannot be used: {reason}. {advice}"

    def reopen(self) -> None:
        """Look at the schema again before the next use: the database may have been replaced meanwhile."""
        self._ready = False

    def close(self) -> None:
        """Close all connections; the next use opens them again."""
        with self._opening:
            if self._engine is not None:
                self._engine.dispose()

    def forget(self) -> None:
        """Leave the connections to the parent process; they are of no use in a forked child."""
        self._opening = threading.Lock()
        engine, self._engine, self._ready = self._engine, None, False
        if engine is not None:
            engine.dispose(close=False)

    # --- opening --------------------------------------------------------------------------------------

    def _url(self) -> URL:
        from sqlalchemy import URL, make_url
        from sqlalchemy.exc import SQLAlchemyError

        if not self._given:
            return URL.create("sqlite", database=str(self._home / "runs.sqlite"))
        try:
            url = make_url(self._given)
        except (SQLAlchemyError, ValueError):
            raise InputError(f"{VARIABLE} is no database's URL; write it like postgresql://user@host/name.") from None
        if self.is_postgres:
            return url.set(drivername="postgresql+psycopg")
        if not url.database or url.database == ":memory:":
            raise InputError(f"{VARIABLE} names no file; write sqlite:///path/to/runs.sqlite.")
        return url.set(drivername="sqlite", database=str(Path(url.database).expanduser().absolute()))

    def _open(self) -> Engine:
        if self._ready and self._engine is not None:
            return self._engine
        with self._opening:
            if self._engine is None:
                self._engine = self._make()
            if not self._ready:
                migrate(self._engine, self.label)
                self._ready = True
            return self._engine

    def _make(self) -> Engine:
        import sqlalchemy as sa

        url = self._url()
        if not self._given:
            make_home(self._home)
        if self.is_postgres:
            if find_spec("psycopg") is None:
                raise MissingExtraError(
                    "PostgreSQL needs psycopg. Install it with: pip install 'medilytica-widgets[postgres]'"
                )
            waits = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "application_name": "medilytica_widgets"}
            engine = sa.create_engine(
                url,
                pool_size=2,
                max_overflow=8,
                pool_timeout=10,
                pool_pre_ping=True,
                connect_args={name: value for name, value in waits.items() if name not in url.query},
            )
            sa.event.listen(engine, "connect", _set_postgres)
            return engine
        # Opening a file costs next to nothing, and a connection that is not kept survives forks and a moved file.
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": _BUSY_SECONDS})
        sa.event.listen(engine, "connect", _set_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine


def _set_postgres(connection: Any, _record: Any) -> None:
    # Text goes as UTF-8 whatever the client's locale says, and nobody waits for ever behind somebody's lock
    with connection.cursor() as cursor:
        cursor.execute("SET client_encoding TO 'UTF8'")
        cursor.execute("SET lock_timeout TO '10s'")
    connection.commit()


def _set_sqlite(connection: Any, _record: Any) -> None:
    # sqlite3 would begin transactions by itself, and only before some statements. The journal stays the
    # rollback journal: SQLite's write-ahead log is not for network drives, where many a hub keeps homes.
    connection.isolation_level = None


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def found_revision(connection: Connection) -> str | None:
    """Return the revision of the schema that a database has; None where it has none."""
    import sqlalchemy as sa

    from .schema import VERSION_TABLE

    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    rows = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()
    return str(rows[0]) if rows else None


def migrate(engine: Engine, label: str, revision: str | None = None) -> None:
    """Bring a database's schema to this version's, in one transaction and one process at a time.

    Parameters
    ----------
    engine : Engine
    label : str
        Names the store in messages.
    revision : str, optional
        Stop at this one.

    Raises
    ------
    LaterVersionError
        If a later version wrote it.
    """
    import sqlalchemy as sa

    from .schema import REVISIONS

    wanted = revision or REVISIONS[-1]

    def is_current(connection: Connection) -> bool:
        found = found_revision(connection)
        if found is not None and found not in REVISIONS:
            raise LaterVersionError(_LATER.format(label=label, found=found, known=REVISIONS[-1]))
        return found is not None and found >= wanted

    with engine.begin() as connection:
        if is_current(connection):
            return
    with engine.execution_options(immediate=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        if is_current(connection):  # another process has done it while this one waited
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        # a "%" in a path would be an interpolation to alembic's configuration
        folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
        config.set_main_option("script_location", folder)
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        with _migrating:
            command.upgrade(config, wanted)


_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def _forget_all() -> None:
    for database in list(_databases):
        database.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
