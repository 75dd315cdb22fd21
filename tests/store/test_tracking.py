"""Runs forwarded to a real MLflow server, read back through MLflow's own client."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medilytica_widgets.store import RunRecord, RunStore, Tracker, default_store, tracker
from tests.store.conftest import Line, MlflowServer, free_port

pytestmark = pytest.mark.timeout(240)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def tracked(
    mlflow_server: MlflowServer, stores: Callable[..., RunStore], monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunStore]:
    # the client itself shall not try for minutes
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    said: list[str] = []
    told = Tracker(mlflow_server.uri, said.append)
    store = stores(tracker=told)
    store.on_problem = said.append
    yield store
    told.close()
    assert said == []


def on_server(server: MlflowServer, run_id: str) -> Any:
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`medilytica.run` = '{run_id}'")
    assert len(found) == 1
    return found[0], client


def record(run_id: str, **fields: Any) -> RunRecord:
    given = {"name": "run 1", "experiment": "cells", "algorithm": "mlp", "status": "running", "seed": 4}
    spec = {"hyperparameters": {"learning_rate": 0.003, "optimizer": "adam"}}
    return RunRecord(id=run_id, created=NOON, started=NOON, spec=spec, **(given | fields))


def test_a_run_is_tracked_from_start_to_end(tracked: RunStore, mlflow_server: MlflowServer) -> None:
    run_id = "00000000000a"
    tracked.post(record(run_id, author="Ada", tags=("good",)))
    rows = [{"epoch": e, "train_loss": 1 / e, "val_loss": float("nan") if e == 2 else 2 / e} for e in range(1, 2001)]
    tracked.log(run_id, rows[:2])
    assert tracked.tracker is not None and tracked.tracker.flush(60)
    run, client = on_server(mlflow_server, run_id)
    assert run.info.status == "RUNNING" and run.info.run_name == "run 1"
    assert client.get_experiment(run.info.experiment_id).name == "cells"
    assert run.data.params == {"algorithm": "mlp", "seed": "4", "learning_rate": "0.003", "optimizer": "adam"}
    assert run.data.tags["medilytica.tag.good"] == "true" and run.data.tags["mlflow.user"] == "Ada"
    assert "medilytica.version.torch" in run.data.tags
    tracked.log(run_id, rows[2:])
    tracked.post(run_id, path="compiled", epoch=2000.0)
    ended = NOON + timedelta(hours=1)
    tracked.post(run_id, status="finished", ended=ended, metrics={"accuracy": 0.83})
    assert tracked.tracker.flush(60)
    run, client = on_server(mlflow_server, run_id)
    assert run.info.status == "FINISHED" and run.info.end_time == ended.timestamp() * 1000
    assert run.data.metrics["accuracy"] == 0.83 and run.data.tags["medilytica.path"] == "compiled"
    curve = client.get_metric_history(run.info.run_id, "train_loss")
    assert [(m.step, m.value) for m in curve] == [(e, 1 / e) for e in range(1, 2001)]
    assert [m.step for m in client.get_metric_history(run.info.run_id, "val_loss")][:3] == [1, 3, 4]


def test_a_resumed_run_goes_on_under_the_same_entry(tracked: RunStore, mlflow_server: MlflowServer) -> None:
    run_id = "00000000000b"
    tracked.post(record(run_id))
    tracked.post(run_id, status="stopped", ended=NOON)
    assert tracked.tracker is not None and tracked.tracker.flush(60)
    assert on_server(mlflow_server, run_id)[0].info.status == "KILLED"
    other = Tracker(mlflow_server.uri)
    other.start(record(run_id, epoch=3.0))
    other.metrics(run_id, [{"epoch": 4, "train_loss": 0.25}])
    assert other.flush(60)
    run, _ = on_server(mlflow_server, run_id)
    assert run.info.status == "RUNNING" and run.data.metrics["train_loss"] == 0.25
    other.end(record(run_id, status="failed", error="it broke", ended=NOON))
    other.close()
    run, _ = on_server(mlflow_server, run_id)
    assert run.info.status == "FAILED" and run.data.tags["medilytica.error"] == "it broke"


def test_hostile_names_and_values_are_made_to_fit(tracked: RunStore, mlflow_server: MlflowServer) -> None:
    run_id = "00000000000c"
    hostile = record(run_id, name="<b>'; DROP\n\x00", experiment="../x %s 🙂", tags=("a=b; c", ".."), author="'" * 9000)
    hostile.spec["hyperparameters"]["../../etc/passwd " + "x" * 400] = "y" * 9000
    tracked.post(hostile)
    tracked.log(
        run_id, [{"epoch": "x", "loss on `é`": 1.0, "..": 2.0, "": 3.0, "text": "no number", "inf": float("inf")}]
    )
    assert tracked.tracker is not None and tracked.tracker.flush(60)
    run, _ = on_server(mlflow_server, run_id)
    assert run.data.metrics["loss on ___"] == 1.0 and "inf" not in run.data.metrics
    assert any(len(value) == 6000 for value in run.data.params.values())


def test_a_server_that_is_away_for_a_while_is_told_everything(
    mlflow_server: MlflowServer, stores: Callable[..., RunStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    said: list[str] = []
    line = Line(mlflow_server.port)
    told = Tracker(f"http://127.0.0.1:{line.port}", said.append)
    told._courier._patience = 0.0
    store = stores(tracker=told)
    run_id = "00000000000d"
    store.post(record(run_id))
    assert told.flush(60)
    line.cut()
    try:
        times = []
        for epoch in range(1, 301):
            before = time.perf_counter()
            store.log(run_id, [{"epoch": epoch, "train_loss": 1 / epoch}])
            times.append(time.perf_counter() - before)
        store.post(run_id, status="finished", ended=NOON)
        assert sorted(times)[-3] < 0.005
        assert not told.flush(1) and len(said) == 1
        assert "does not answer" in said[0] and "Training goes on" in said[0]
    finally:
        line.mend()
    assert told.flush(60)
    run, client = on_server(mlflow_server, run_id)
    assert run.info.status == "FINISHED"
    assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 300
    told.close()
    line.cut()
    assert len(said) == 2


def test_the_environment_decides_whether_runs_are_tracked(
    mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracker() is None and default_store().tracker is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "chosen")
    store = default_store()
    assert store.tracker is not None and store.tracker is tracker()
    store.post(record("00000000000e", status="finished", ended=NOON))
    assert store.tracker.flush(60)
    run, client = on_server(mlflow_server, "00000000000e")
    assert client.get_experiment(run.info.experiment_id).name == "chosen"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert default_store().tracker is None
    default_store().close()


def test_a_secret_in_the_address_is_not_said() -> None:
    said: list[str] = []
    told = Tracker(f"http://me:hidden@127.0.0.1:{free_port()}", said.append)
    told._courier._patience = 0.0
    told.start(record("00000000000f"))
    assert not told.flush(3)
    told.close(0)
    assert said and "***@127.0.0.1" in said[0] and "hidden" not in said[0]


def test_without_the_extra_the_log_says_once_what_to_install(tmp_path: Path) -> None:
    # None in this place is Python's own way to have a module not be found
    code = (
        "import sys; sys.modules['mlflow'] = None\n"
        "from medilytica_widgets.store import RunRecord, default_store\n"
        "for n in range(3): default_store().post(RunRecord(id=f'{n:012x}', status='finished'))\n"
        "print(len(default_store().list()))"
    )
    environment = os.environ | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=90
    )
    assert done.stdout.strip() == "3"
    assert done.stderr.count("medilytica-widgets[track]") == 1 and "Traceback" not in done.stderr
