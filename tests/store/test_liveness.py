"""What a run's status is read as when the process that trained it may be gone."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest

from medilytica_widgets.engine.processes import birth
from medilytica_widgets.store import RunRecord, RunStore, run_folder
from tests.store.conftest import until

ID = "0123456789ab"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until it is told to end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def gone() -> dict[str, Any]:
    """A process that is no more."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        facts = facts_of(process)
        process.kill()
    return facts


def facts_of(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    return {"pid": process.pid, "process_started": psutil.Process(process.pid).create_time()}


def told_of(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What a training process writes of itself."""
    return {"pid": process.pid, "birth": birth(process.pid), "host": platform.node(), "detached": True}


def tell(**status: Any) -> None:
    folder = run_folder(ID)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "status.json").write_text(json.dumps({"updated": time.time() + 1, "step": 5, "error": None, **status}))


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_a_run_whose_process_is_gone_was_interrupted(
    stores: Callable[..., RunStore], child: subprocess.Popen[bytes], status: str
) -> None:
    store = stores()
    store.post(RunRecord(id=ID, status=status, **facts_of(child)))
    assert store.get(ID).status == status
    child.kill()
    # not waited for: a zombie trains nothing
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert store.get(ID).status == "interrupted"
    assert store.list(status="interrupted").index.tolist() == [ID]
    assert len(store.list(status=status)) == 0


def test_a_pid_that_another_process_has_now_is_not_the_run(
    stores: Callable[..., RunStore], child: subprocess.Popen[bytes]
) -> None:
    store = stores()
    started = psutil.Process(child.pid).create_time() - 3600
    store.post(RunRecord(id=ID, status="running", pid=child.pid, process_started=started))
    assert store.get(ID).status == "interrupted"


def test_of_another_machine_nothing_is_known(stores: Callable[..., RunStore], gone: dict[str, Any]) -> None:
    store = stores()
    store.post(RunRecord(id=ID, status="running", host="elsewhere", **gone))
    assert store.get(ID).status == "running"


@pytest.mark.parametrize("status", ["finished", "stopped", "failed"])
def test_a_detached_child_that_ended_leaves_its_status(
    stores: Callable[..., RunStore], gone: dict[str, Any], status: str
) -> None:
    store = stores()
    store.post(RunRecord(id=ID, status="running", epoch=2.0, **gone))
    store.flush(30)
    tell(status=status, epoch=7.5, **gone, error="it broke" if status == "failed" else None)
    found = store.get(ID)
    assert (found.status, found.epoch) == (status, 7.5)
    assert found.ended is not None and abs(found.ended - datetime.now(UTC)) < timedelta(minutes=1)
    assert found.error == ("it broke" if status == "failed" else None)
    assert store.list(status=status)["epoch"].tolist() == [7.5]


def test_a_detached_child_that_trains_is_alive_though_the_kernel_is_gone(
    stores: Callable[..., RunStore], gone: dict[str, Any], child: subprocess.Popen[bytes]
) -> None:
    store = stores()
    store.post(RunRecord(id=ID, status="running", **gone))
    store.flush(30)
    tell(status="paused", epoch=3, **told_of(child))
    assert store.get(ID).status == "paused"
    child.kill()
    child.wait()
    assert (store.get(ID).status, store.get(ID).epoch) == ("interrupted", 3.0)


def test_a_child_that_trains_is_believed_though_the_kernel_wrote_last(
    stores: Callable[..., RunStore], gone: dict[str, Any], child: subprocess.Popen[bytes]
) -> None:
    store = stores()
    tell(status="running", epoch=3, **told_of(child), updated=time.time() - 60)
    store.post(RunRecord(id=ID, status="running", epoch=1.0, **gone))
    assert (store.get(ID).status, store.get(ID).epoch) == ("running", 3.0)


def test_a_pid_in_a_status_that_another_process_has_now_is_not_the_run(
    stores: Callable[..., RunStore], gone: dict[str, Any], child: subprocess.Popen[bytes]
) -> None:
    store = stores()
    store.post(RunRecord(id=ID, status="running", **gone))
    store.flush(30)
    tell(**{**told_of(child), "birth": "another boot:17"}, status="running", epoch=3)
    assert store.get(ID).status == "interrupted"


def test_a_detached_child_is_believed_though_the_kernel_that_let_it_go_lives(
    stores: Callable[..., RunStore], child: subprocess.Popen[bytes]
) -> None:
    store = stores()
    store.post(RunRecord(id=ID, status="running"))
    store.flush(30)
    # what the kernel writes before there is a process says nothing
    tell(**{**told_of(child), "pid": 0, "birth": ""}, status="queued", epoch=0)
    assert store.get(ID).status == "running"
    tell(**told_of(child), status="paused", epoch=3)
    assert store.get(ID).status == "paused"
    child.kill()
    child.wait()
    assert store.get(ID).status == "interrupted"
    tell(**told_of(child), status="finished", epoch=9)
    assert (store.get(ID).status, store.get(ID).epoch) == ("finished", 9.0)


def test_a_killed_child_is_gone_though_the_kernel_that_followed_it_lives_and_wrote_last(
    stores: Callable[..., RunStore], child: subprocess.Popen[bytes]
) -> None:
    store = stores()
    tell(**told_of(child), status="running", epoch=3, updated=time.time() - 60)
    store.post(RunRecord(id=ID, status="running", epoch=4.0))
    assert store.get(ID).status == "running"
    child.kill()
    child.wait()
    assert (store.get(ID).status, store.get(ID).epoch) == ("interrupted", 4.0)


def test_a_status_older_than_the_record_is_an_earlier_life(
    stores: Callable[..., RunStore], gone: dict[str, Any]
) -> None:
    store = stores()
    tell(status="stopped", epoch=3, pid=1, process_started=0.0, updated=time.time() - 60)
    store.post(RunRecord(id=ID, status="running", epoch=1.0, **gone))
    assert (store.get(ID).status, store.get(ID).epoch) == ("interrupted", 1.0)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"status": "dancing"}', b"\xff\xfe", b'{"status": []}'])
def test_a_damaged_status_says_nothing(stores: Callable[..., RunStore], gone: dict[str, Any], content: bytes) -> None:
    store = stores()
    run_folder(ID).mkdir(parents=True)
    (run_folder(ID) / "status.json").write_bytes(content)
    store.post(RunRecord(id=ID, status="running", **gone))
    assert store.get(ID).status == "interrupted"
