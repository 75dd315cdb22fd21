"""The run store: what was trained, when, by whom and how well, for every process that shares the database."""

from __future__ import annotations

import builtins
import contextlib
import functools
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..engine.processes import is_alive
from ..errors import InputError, StateError, UnknownArgumentError, hint
from . import frame as frames
from . import rows
from .database import Database, LaterVersionError
from .home import check_id, remove_folder
from .liveness import LIVE, resolve
from .record import FIELDS, STATUSES, RunRecord, of_row
from .writer import Backlog, Courier, HopelessError

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

    from .tracking import Tracker

_READ_PATIENCE = 2.0
_log = logging.getLogger("medilytica_widgets.store")


class RunStore:
    """The runs in one database. Any thread may use it.

    Opening costs nothing: the database is loaded, opened and migrated in the background when the first run
    is posted, or when something is read.

    Parameters
    ----------
    url : str, optional
        ``postgresql://…`` (extra ``postgres``) or ``sqlite:///…``; the environment's
        ``MEDILYTICA_DATABASE_URL`` if left out, and without that ``MEDILYTICA_HOME/runs.sqlite``.
    on_problem : callable, optional
        Told in a sentence when runs cannot be written, once, and when they can be again; from a background
        thread. The log "medilytica_widgets.store" is told in any case.
    tracker : Tracker, optional
        Where runs are forwarded to besides.

    Raises
    ------
    InputError
        For a URL of another kind of database.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        on_problem: Callable[[str], None] | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        self.on_problem = on_problem
        self.tracker = tracker
        self.database = Database(url)
        self._closed = False
        self._courier = Courier("medilytica-store", rows.merge, self._deliver, self._say)

    # --- writing --------------------------------------------------------------------------------------

    def post(self, run: RunRecord | str, **changes: Any) -> None:
        """Record a run, or what changed of one; returns in microseconds, the writing is done elsewhere.

        Nothing that happens to the database is raised here. Where it is away, what is posted waits in memory,
        merged to one entry a run and at most 10 000 runs, and is written when it is back.

        Parameters
        ----------
        run : RunRecord or str
            A record takes the place of what the store knows of that run; an id changes the fields named.
        **changes
            Fields of `RunRecord`.

        Raises
        ------
        InputError
            For what is no id, an unknown field or an unknown status, which are errors in the calling code.
        """
        record = run if isinstance(run, RunRecord) else None
        run_id = record.id if record is not None else check_id(run)
        for name in changes:
            if name not in FIELDS or name in ("id", "updated"):
                raise UnknownArgumentError(f"A record of a run has no field {name!r} to change. {hint(name, FIELDS)}")
        if "status" in changes and changes["status"] not in STATUSES:
            raise InputError(f"A run cannot be {changes['status']!r}. {hint(str(changes['status']), STATUSES)}")
        self._courier.put((run_id, record, changes))
        if self.tracker is not None:
            self.tracker.post(run_id, record, changes)

    def log(self, run_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Hand rows of a run's history to the tracking server; does nothing where there is none.

        Parameters
        ----------
        run_id : str
        rows : iterable of mapping
            One an epoch, with ``epoch`` and any number of named values.
        """
        if self.tracker is not None:
            self.tracker.metrics(run_id, rows)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was posted is in the database; return whether it is."""
        return self._courier.flush(timeout)

    def delete(self, run_id: str, *, files: bool = True) -> None:
        """Take a run out of the store, and remove its folder.

        Parameters
        ----------
        run_id : str
            An id, or the beginning of one.
        files : bool
            Whether its files go too.

        Raises
        ------
        StateError
            While the run lives, or if the database cannot be used.
        InputError
            If there is no such run, or its folder cannot be removed.
        """
        found = self._row(run_id)
        found |= resolve(found)
        if found["status"] in LIVE:
            raise StateError(f"Run {found['id']} is {found['status']}; stop it before it is deleted.")
        if files:
            remove_folder(found["id"])
        from .schema import runs

        with self.writing() as connection:
            connection.execute(runs.delete().where(runs.c.id == found["id"]))

    def put(self, records: Iterable[RunRecord]) -> None:
        """Write records at once and all or none, as a restored backup needs it; blocks, and raises what fails.

        Raises
        ------
        StateError
            If the database cannot be used; nothing was written.
        """
        with self.writing() as connection:
            rows.insert(connection, [rows.row_of(record) for record in records])

    # --- reading --------------------------------------------------------------------------------------

    def get(self, run_id: str) -> RunRecord:
        """Return what is known of a run.

        Parameters
        ----------
        run_id : str
            An id, or the beginning of one that no other id begins with.

        Raises
        ------
        InputError
            If there is no such run, or several.
        StateError
            If the database cannot be used.
        """
        return self._as_read(self._row(run_id))

    def records(
        self,
        *,
        status: str | Collection[str] | None = None,
        algorithm: str | Collection[str] | None = None,
        experiment: str | Collection[str] | None = None,
        since: Any = None,
        tag: str | None = None,
        text: str | None = None,
    ) -> builtins.list[RunRecord]:
        """Return the records that `list` would show, oldest first."""
        return self._find(frames.make_filter(status, algorithm, experiment, since, tag, text), short=False)

    def list(
        self,
        *,
        status: str | Collection[str] | None = None,
        algorithm: str | Collection[str] | None = None,
        experiment: str | Collection[str] | None = None,
        since: Any = None,
        tag: str | None = None,
        text: str | None = None,
        limit: int | None = None,
        order: str = "-created",
    ) -> pd.DataFrame:
        """Return the runs as a table.

        Parameters
        ----------
        status, algorithm, experiment : str or collection of str, optional
            One of them, or any of several.
        since : datetime, date, timedelta or str, optional
            Created then or later; a timedelta counts back from now.
        tag : str, optional
            Has this tag.
        text : str, optional
            Occurs, whatever its case, in name, experiment, algorithm, status, error, author, device, tags or id.
        limit : int, optional
            At most so many, in the order asked for.
        order : str
            A column's name, with "-" before it to begin with the largest.

        Returns
        -------
        DataFrame
            Indexed by id. The fields of `RunRecord` without specification and versions, and a column
            ``metric.<name>`` for each metric that any of the runs has.

        Raises
        ------
        InputError
            For an unknown status, column or kind of time.
        StateError
            If the database cannot be used.
        """
        wanted = frames.make_filter(status, algorithm, experiment, since, tag, text)
        frames.check_order(order)
        frames.check_limit(limit)
        return frames.sort(frames.make_frame(self._find(wanted, short=True)), order, limit)

    def close(self) -> None:
        """Write what waits, as far as that goes in five seconds, and close the database. Safe to call twice."""
        self._courier.close()
        self.database.close()
        self._closed = True

    def __repr__(self) -> str:
        return f"<RunStore at {self.database.label}>"

    # --- for the other modules of this room -----------------------------------------------------------

    def reading(self) -> contextlib.AbstractContextManager[Connection]:
        """Return a transaction to read in, which sees what was posted before; errors come as `StateError`."""
        return self._transaction(write=False)

    def writing(self) -> contextlib.AbstractContextManager[Connection]:
        """Return a transaction to write in; errors come as `StateError` and undo it."""
        return self._transaction(write=True)

    # --- inside ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self, write: bool) -> Iterator[Connection]:
        if self._closed:
            raise StateError("This run store is closed; open another one.")
        self.flush(_READ_PATIENCE)
        with self.database.told(), self.database.connect(write) as connection:
            yield connection

    def _find(self, wanted: frames.Filter, short: bool) -> builtins.list[RunRecord]:
        with self.reading() as connection:
            table = connection.execute(rows.select(wanted, short)).mappings().all()
        found, alive = [], functools.cache(is_alive)
        for row in table:
            try:
                record = self._as_read(dict(row), alive)
            except StateError as error:  # one bad row must not hide the others
                _log.warning(error.message)
                continue
            if wanted.matches(record):
                found.append(record)
        return found

    def _row(self, run_id: str) -> dict[str, Any]:
        from .schema import runs

        wanted = str(run_id).strip().lower()
        with self.reading() as connection:
            found = connection.execute(runs.select().where(runs.c.id == wanted)).mappings().all()
            if not found and wanted and set(wanted) <= set("0123456789abcdef"):
                beginning = runs.c.id.startswith(wanted)
                found = connection.execute(runs.select().where(beginning).order_by(runs.c.id).limit(6)).mappings().all()
            if len(found) == 1:
                return dict(found[0])
            latest = runs.select().with_only_columns(runs.c.id).order_by(runs.c.created.desc()).limit(10_000)
            known = [str(name) for name in connection.execute(latest).scalars()] if not found else []
        if found:
            names = ", ".join(row["id"] for row in found[:5])
            raise InputError(f"Several runs begin with {wanted!r}: {names}{', …' if len(found) > 5 else ''}.")
        advice = hint(wanted, known, limit=3) if known else "It holds no runs yet."
        raise InputError(f"The run store at {self.database.label} has no run {run_id!r}. {advice}")

    def _as_read(self, row: dict[str, Any], alive: Callable[..., bool] = is_alive) -> RunRecord:
        try:
            return of_row(row | resolve(row, alive))
        except (ValueError, TypeError, AttributeError) as error:
            raise StateError(
                f"What the run store at {self.database.label} holds of run {row['id']} is damaged: {error}. "
                "Take it out with delete(), or restore a backup."
            ) from error

    def _say(self, sentence: str) -> None:
        _log.warning(sentence)
        if self.on_problem is not None:
            self.on_problem(sentence)

    def _deliver(self, backlog: Backlog) -> None:
        """Write all that waits in one transaction; a row that can never be written is said and left out."""
        from sqlalchemy import exc

        waiting = list(backlog.items())
        poison = (exc.DataError, exc.IntegrityError, TypeError, ValueError, ArithmeticError)
        try:
            with self.database.connect(write=True) as connection:
                rows.write(connection, waiting)
        except LaterVersionError as error:
            raise HopelessError(error.message) from error
        except poison as error:
            if isinstance(error, InputError):  # the place, not the rows: it may become usable
                raise HopelessError(error.message) from error
            self._deliver_one_by_one(backlog, poison)
        except Exception as error:
            self.database.reopen()
            raise StateError(self.database.explain(error)) from error
        else:
            for run_id, _ in waiting:
                del backlog[run_id]

    def _deliver_one_by_one(self, backlog: Backlog, poison: tuple[type[Exception], ...]) -> None:
        for run_id, entry in list(backlog.items()):
            try:
                with self.database.connect(write=True) as connection:
                    rows.write(connection, [(run_id, entry)])
            except poison as error:
                self._say(f"What was posted about run {run_id} cannot be stored and is left out: {error}")
            del backlog[run_id]


_default: tuple[tuple[str, str], RunStore] | None = None
_choosing = threading.Lock()


def default_store() -> RunStore:
    """Return the store that the environment names; one a process, made anew when the environment changes.

    Raises
    ------
    InputError
        If ``MEDILYTICA_DATABASE_URL`` names no database that a store can live in.
    """
    from .database import VARIABLE as URL_VARIABLE
    from .home import VARIABLE as HOME_VARIABLE
    from .tracking import tracker

    global _default
    key = (os.environ.get(URL_VARIABLE, ""), os.environ.get(HOME_VARIABLE, ""))
    with _choosing:
        if _default is None or _default[0] != key or _default[1]._closed:
            before, _default = _default, None
            if before is not None:
                before[1].close()
            _default = (key, RunStore())
        store = _default[1]
        store.tracker = tracker()
        return store
