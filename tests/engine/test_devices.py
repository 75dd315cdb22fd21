"""Devices, threads, and a cold import."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import torch

from medilytica_widgets.engine import devices
from medilytica_widgets.errors import StateError


def test_small_networks_stay_on_the_processor() -> None:
    assert devices.choose("auto", 6_000, 128).type == "cpu"
    assert devices.choose("auto", 10_000_000, 4096).type == devices.available()[0]


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available", lambda: ["cpu"])
    with pytest.raises(StateError, match="'cuda' is not there; this machine has cpu"):
        devices.choose("cuda", 10, 10)


def test_one_thread_here_changes_no_other_thread() -> None:
    counts: dict[str, int] = {}
    inside, leave = threading.Event(), threading.Event()

    def train() -> None:
        with devices.threads_for(torch.device("cpu"), 6_000, 128) as count:
            counts["training"] = count
            inside.set()
            leave.wait(30)

    before = torch.get_num_threads()
    trainer = threading.Thread(target=train)
    trainer.start()
    assert inside.wait(30)
    other = threading.Thread(target=lambda: counts.update(other=torch.get_num_threads()))
    other.start()
    other.join(30)
    counts["main"] = torch.get_num_threads()
    leave.set()
    trainer.join(30)
    assert counts == {"training": 1, "other": before, "main": before}


def test_large_networks_keep_their_threads() -> None:
    with devices.threads_for(torch.device("cpu"), 10_000_000, 4096) as count:
        assert count == torch.get_num_threads()


def test_importing_the_engine_loads_no_torch() -> None:
    code = "import sys, medilytica_widgets.engine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
