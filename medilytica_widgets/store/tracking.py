"""Runs forwarded to an MLflow server, through MLflow's own client and on a thread of its own."""

from __future__ import annotations

import logging
import math
import os
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..engine.states import ENDED
from ..errors import MissingExtraError
from .record import RunRecord
from .writer import Backlog, Courier

if TYPE_CHECKING:
    from mlflow import MlflowClient

VARIABLE = "MLFLOW_TRACKING_URI"
TAG = "medilytica.run"
"""The tag by which a run is found on the server, also from another process that goes on with it."""

_STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "queued": "SCHEDULED"}
_TAGGED = ("algorithm", "task", "path", "device", "author", "data_hash", "parent", "error", "host")
# What MLflow allows: https://mlflow.org/docs/latest/rest-api.html#request-limits
_METRICS_A_CALL, _TAGS_A_CALL = 1000, 100
_KEY_LIMIT, _PARAM_LIMIT, _TAG_LIMIT = 250, 6000, 8000
_FOREIGN = re.compile(r"[^A-Za-z0-9_\-. /]")
_REFUSALS = ("BAD_REQUEST", "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE")
_ROWS_KEPT = 20_000
_log = logging.getLogger("medilytica_widgets.store")


@dataclass
class _Pending:
    """What is to be told of one run."""

    record: RunRecord | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)


class Tracker:
    """Tells an MLflow server of runs; never blocks, and never raises for what happens to the server.

    A run becomes one of MLflow's, in the experiment of the record's name (or ``MLFLOW_EXPERIMENT_NAME``): its
    hyperparameters, algorithm and seed become params, the rows of its history metrics by epoch, its tags,
    author, versions and so on tags, its status and times MLflow's. A run that is resumed, in this process or
    another, goes on under the same entry.

    Parameters
    ----------
    uri : str
        As in ``MLFLOW_TRACKING_URI``.
    on_problem : callable, optional
        Told in a sentence, once, when the server cannot be reached; the log is told in any case.
    """

    def __init__(self, uri: str, on_problem: Any = None) -> None:
        self.uri = uri
        self.on_problem = on_problem
        self._client: MlflowClient | None = None
        self._known: dict[str, str] = {}
        # two rounds a second are slow enough for a server that many people share
        self._courier = Courier("medilytica-track", _merge, self._deliver, self._say, linger=1.0, pace=0.5)

    def post(self, run_id: str, record: RunRecord | None, changes: Mapping[str, Any]) -> None:
        """Forward what `RunStore.post` was given, which calls this."""
        self._courier.put((run_id, record, dict(changes), ()))

    def start(self, record: RunRecord) -> None:
        """Make a run known, or tell that it goes on."""
        self.post(record.id, record, {})

    def metrics(self, run_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Forward rows of the history.

        Parameters
        ----------
        run_id : str
        rows : iterable of mapping
            With ``epoch``, which becomes MLflow's step, and named numbers; what is no finite number is left out.
        """
        self._courier.put((run_id, None, {}, [dict(row) for row in rows]))

    def end(self, record: RunRecord) -> None:
        """Forward a run's final status, time and metrics."""
        self.post(record.id, record, {})

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until the server knows everything; return whether it does."""
        return self._courier.flush(timeout)

    def close(self, timeout: float | None = 5.0) -> None:
        """Forward what waits, as far as that goes within ``timeout``, and end the thread."""
        self._courier.close(timeout)

    # --- on the thread --------------------------------------------------------------------------------

    def _say(self, sentence: str) -> None:
        _log.warning(sentence)
        if self.on_problem is not None:
            self.on_problem(sentence)

    def _deliver(self, backlog: Backlog) -> None:
        from mlflow.exceptions import MlflowException

        client = self._connected()
        for run_id, pending in list(backlog.items()):
            try:
                self._tell(client, run_id, pending)
            except MlflowException as error:
                if error.error_code not in _REFUSALS:
                    raise ConnectionError(self._sentence(error)) from error
                # asking again would get the same answer
                self._known.pop(run_id, None)
                self._say(f"The MLflow server at {self._shown()} refused what it was told of run {run_id}: {error}")
            except OSError as error:
                raise ConnectionError(self._sentence(error)) from error
            del backlog[run_id]

    def _connected(self) -> MlflowClient:
        # Nothing the user did not ask for leaves the machine, and MLflow's client would report its use
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        if self.uri.startswith(("http://", "https://")):
            # MLflow's client tries for minutes before it tells that nobody is there
            import requests

            try:
                requests.get(f"{self.uri.rstrip('/')}/health", timeout=5)
            except requests.RequestException as error:
                raise ConnectionError(self._sentence(error)) from error
        if self._client is None:
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri=self.uri)
        return self._client

    def _tell(self, client: MlflowClient, run_id: str, pending: _Pending) -> None:
        from mlflow.entities import Metric, Param, RunTag

        record = pending.record
        known = self._find(client, run_id)
        if known is None:
            if record is None:  # it began before there was a server to tell
                return
            known = self._create(client, record)
            for param in _params(record):
                client.log_batch(known, params=[Param(*param)])
        name = pending.changes.get("name")
        tags = dict(_tags(record) if record is not None else _changed_tags(pending.changes))
        if name:
            tags["mlflow.runName"] = str(name)
        items = [RunTag(_key(key), str(value)[:_TAG_LIMIT]) for key, value in tags.items()]
        for start in range(0, len(items), _TAGS_A_CALL):
            client.log_batch(known, tags=items[start : start + _TAGS_A_CALL])
        now = int(time.time() * 1000)
        last = _epoch(pending)
        points = [Metric(_key(key), value, now, step) for step, row in pending.rows for key, value in row.items()]
        final = pending.changes.get("metrics") or (record.metrics if record is not None else {})
        points += [Metric(_key(key), value, now, last) for key, value in _numbers(final).items()]
        for start in range(0, len(points), _METRICS_A_CALL):
            client.log_batch(known, metrics=points[start : start + _METRICS_A_CALL])
        self._tell_status(client, known, pending)

    def _tell_status(self, client: MlflowClient, known: str, pending: _Pending) -> None:
        record = pending.record
        status = pending.changes.get("status", record.status if record is not None else None)
        if status is None:
            return
        if status in ENDED:
            ended = pending.changes.get("ended") or (record.ended if record is not None else None)
            moment = int(ended.timestamp() * 1000) if isinstance(ended, datetime) else None
            client.set_terminated(known, _STATUS[status], moment)
        else:
            client.update_run(known, _STATUS.get(status, "RUNNING"))

    def _find(self, client: MlflowClient, run_id: str) -> str | None:
        if run_id not in self._known:
            experiments = [experiment.experiment_id for experiment in client.search_experiments()]
            found = client.search_runs(experiments, f"tags.`{TAG}` = '{run_id}'", max_results=1) if experiments else []
            if not found:
                return None
            self._known[run_id] = found[0].info.run_id
        return self._known[run_id]

    def _create(self, client: MlflowClient, record: RunRecord) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or record.experiment or "medilytica"
        experiment = client.get_experiment_by_name(name)
        home = experiment.experiment_id if experiment is not None else client.create_experiment(name)
        began = record.started or record.created
        run = client.create_run(
            home, start_time=int(began.timestamp() * 1000), tags={TAG: record.id}, run_name=record.name or record.id
        )
        self._known[record.id] = run.info.run_id
        return str(run.info.run_id)

    def _sentence(self, error: BaseException) -> str:
        reason = type(error).__name__ if isinstance(error, OSError) else str(error).splitlines()[0]
        return f"The MLflow server at {self._shown()} does not answer ({reason}); see that {VARIABLE} is right."

    def _shown(self) -> str:
        parts = urlsplit(self.uri)
        if "@" not in parts.netloc:
            return self.uri
        return parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]).geturl()


def _merge(backlog: Backlog, item: tuple[str, RunRecord | None, dict[str, Any], Iterable[Mapping[str, Any]]]) -> None:
    run_id, record, changes, rows = item
    pending: _Pending = backlog.setdefault(run_id, _Pending())
    if record is not None:
        pending.record, pending.changes = record, dict(changes)
    else:
        pending.changes |= changes
    for row in rows:
        pending.rows.append((_step(row.get("epoch")), _numbers({k: v for k, v in row.items() if k != "epoch"})))
    while len(pending.rows) > _ROWS_KEPT:
        # a curve of half as many points says the same
        pending.rows = pending.rows[::2] if len(pending.rows) % 2 else pending.rows[1::2]


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for key, value in values.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            found[str(key)] = number
    return found


def _step(epoch: Any) -> int:
    try:
        return max(0, int(epoch))
    except (TypeError, ValueError, OverflowError):
        return 0


def _epoch(pending: _Pending) -> int:
    record = pending.record
    return _step(pending.changes.get("epoch", record.epoch if record is not None else None))


def _key(name: str) -> str:
    """Return a name as MLflow allows it."""
    cleaned = _FOREIGN.sub("_", str(name)).strip("/. ").replace("//", "/")[:_KEY_LIMIT]
    return "_" if not cleaned or ".." in cleaned.split("/") else cleaned


def _params(record: RunRecord) -> list[tuple[str, str]]:
    given = record.spec.get("hyperparameters")
    values = {"algorithm": record.algorithm, "seed": record.seed, "epochs": record.epochs}
    if isinstance(given, Mapping):
        values |= dict(given)
    return [(_key(key), str(value)[:_PARAM_LIMIT]) for key, value in values.items() if value not in (None, "")]


def _tags(record: RunRecord) -> dict[str, str]:
    tags = {f"medilytica.{name}": str(getattr(record, name) or "") for name in _TAGGED}
    tags |= {f"medilytica.version.{name}": version for name, version in record.versions.items()}
    tags |= {f"medilytica.tag.{tag}": "true" for tag in record.tags}
    if record.author:
        tags["mlflow.user"] = record.author
    return {name: value for name, value in tags.items() if value}


def _changed_tags(changes: Mapping[str, Any]) -> dict[str, str]:
    tags = {f"medilytica.{name}": str(changes[name]) for name in _TAGGED if changes.get(name)}
    return tags | {f"medilytica.tag.{tag}": "true" for tag in changes.get("tags") or ()}


_current: Tracker | None = None
_missing_said: set[str] = set()
_choosing = threading.Lock()


def tracker() -> Tracker | None:
    """Return the tracker for the server that ``MLFLOW_TRACKING_URI`` names; None where it names none.

    One a process, made anew when the variable changes. Where the extra ``track`` is not installed, the log is
    told once what to install, and there is none.
    """
    global _current
    uri = os.environ.get(VARIABLE, "").strip()
    with _choosing:
        if _current is not None and _current.uri != uri:
            before, _current = _current, None
            threading.Thread(target=before.close, name="medilytica-track-close", daemon=True).start()
        if not uri:
            return None
        if find_spec("mlflow") is None:
            if uri not in _missing_said:
                _missing_said.add(uri)
                error = MissingExtraError(
                    f"{VARIABLE} is set, but mlflow-skinny is not installed, so no run is tracked. "
                    "Install it with: pip install 'medilytica-widgets[track]'"
                )
                _log.warning(error.message)
            return None
        if _current is None:
            _current = Tracker(uri)
        return _current
