"""Devices, threads, and a cold import."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from medilytica_widgets.engine import devices, openmp
from medilytica_widgets.engine.devices import Placement
from medilytica_widgets.engine.torch_model import SeededDropout
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


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in Linux's /proc")
@pytest.mark.skipif(torch.get_num_threads() < 2, reason="one core has no team to send home")
def test_a_threads_idle_team_is_sent_home_and_comes_back() -> None:
    def at_work() -> int:
        torch.ones(2000, 2000) @ torch.ones(2000, 2000)
        return len(os.listdir("/proc/self/task"))

    before = at_work()
    openmp.rest()
    # a thread that has ended may be listed a moment longer
    end = time.monotonic() + 10
    while len(os.listdir("/proc/self/task")) > before - torch.get_num_threads() + 1 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/task")) <= before - torch.get_num_threads() + 1
    assert at_work() > before - torch.get_num_threads() + 1


def test_large_networks_keep_their_threads() -> None:
    with devices.threads_for(torch.device("cpu"), 10_000_000, 4096) as count:
        assert count == torch.get_num_threads()


def test_importing_the_engine_loads_no_torch() -> None:
    code = "import sys, medilytica_widgets.engine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


# -- the probe


def network(*extra: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 64), *extra, nn.ReLU(), nn.Linear(64, 2))


def test_what_is_clear_is_not_probed() -> None:
    every = torch.get_num_threads()
    assert devices.candidates_for("cpu", 6_000, 128) == [Placement("cpu", 1)]
    if every > 1:
        assert devices.candidates_for("cpu", 1_000_000, 100) == [Placement("cpu", 1), Placement("cpu", every)]
        assert devices.candidates_for("cpu", 10_000_000, 4096) == [Placement("cpu", every)]
    assert devices.place("cpu", network(), 20, 32) == Placement("cpu", 1)


def test_an_accelerator_is_a_candidate_where_the_formula_is_not_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available", lambda: ["cuda", "cpu"])
    found = [[c.device for c in devices.candidates_for("auto", n, 100)] for n in (1_000, 50_000, 10_000_000)]
    assert found == [["cpu"], ["cpu", "cuda"], ["cuda"]]
    assert [c.device for c in devices.candidates_for("cuda", 1_000, 100)] == ["cuda"]


def test_the_probe_takes_real_steps_within_its_time() -> None:
    module = network()
    candidates = [Placement("cpu", 1), Placement("cpu", max(1, torch.get_num_threads()))]
    found = devices.probe(module, 20, 64, candidates)
    # a machine that is busy enough may leave no time for it, which is an answer too
    if found is not None:
        assert len(found) == 2 and sum(found) <= devices.PROBE_SECONDS


def test_the_probe_leaves_module_generators_and_threads_as_they_were() -> None:
    generator = torch.Generator().manual_seed(1)
    module = network(nn.BatchNorm1d(64), SeededDropout(0.5, generator), nn.Dropout(0.5))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    states, threads = (torch.get_rng_state(), generator.get_state()), torch.get_num_threads()
    devices.probe(module, 20, 64, [Placement("cpu", 1), Placement("cpu", 1)])
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters()) and module.training
    assert torch.equal(states[0], torch.get_rng_state()) and torch.equal(states[1], generator.get_state())
    assert torch.get_num_threads() == threads


class Slow(nn.Module):
    """Takes long, by arithmetic and not by sleeping, for as many rows as there are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        until = time.perf_counter() + devices.PROBE_SECONDS
        while time.perf_counter() < until:
            x = x + 0.0
        return x


def test_where_a_step_takes_longer_than_the_probe_may_the_formula_decides() -> None:
    module = network(Slow())
    assert devices.probe(module, 20, 64, [Placement("cpu", 1), Placement("cpu", 1)]) is None
    chosen = devices.place("cpu", module, 20, 64, candidates=[Placement("cpu", 2), Placement("cpu", 1)])
    assert chosen == Placement("cpu", 1)


def test_the_first_candidate_stays_unless_another_is_clearly_faster() -> None:
    one, two = Placement("cpu", 1), Placement("cpu", 2)
    assert devices._fastest([one, two], [1.0, 0.9]) == one
    assert devices._fastest([one, two], [1.0, 0.5]) == two
    assert devices._fastest([one, two], [1.0, 1.5]) == one


def test_a_probe_is_made_once_for_a_shape_and_a_size_of_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = devices.probe

    def counted(*arguments: Any) -> list[float] | None:
        calls.append(1)
        return real(*arguments)

    monkeypatch.setattr(devices, "probe", counted)
    monkeypatch.setattr(devices, "_probed", {})
    candidates = [Placement("cpu", 1), Placement("cpu", 2)]
    found = {devices.place("cpu", network(), 20, size, candidates=candidates) for size in (100, 128, 65)}
    assert len(found) == 1 and len(calls) == 1
    devices.place("cpu", network(), 20, 256, candidates=candidates)
    assert len(calls) == 2


def test_a_recorded_placement_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.place("auto", network(), 20, 32, forced=Placement("cpu", 3)) == Placement("cpu", 3)
    monkeypatch.setattr(devices, "available", lambda: ["cpu"])
    with pytest.raises(StateError, match="'cuda' is not there"):
        devices.place("auto", network(), 20, 32, forced=Placement("cuda", 1))


def test_threads_can_be_forced_and_are_given_back() -> None:
    before = torch.get_num_threads()
    with devices.limit_threads(torch.device("cpu"), before + 1) as count:
        assert count == torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with devices.limit_threads(torch.device("cpu"), 0) as count:
        assert count == before
