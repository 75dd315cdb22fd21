"""Hundreds of specifications and of runs, ten at once, a thousand commands: nothing grows, nothing hangs."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
from hypothesis import HealthCheck, given, settings

import medilytica_widgets as mw
from medilytica_widgets.store import default_store
from tests.benchmarks.harness import machine
from tests.soak.trials import TRIALS, Trial, check_same, outcome, storm

RESULTS = Path(__file__).with_name("RESULTS.md")
SPECIFICATIONS, RUNS, PROCESSES, AT_ONCE, COMMANDS = 300, 100, 10, 10, 1000


def _state() -> tuple[int, int, float]:
    """Return threads of runs and writers, open files and resident memory in MB."""
    # a store that still writes has its file open
    assert default_store().flush(60)
    gc.collect()
    process = psutil.Process(os.getpid())
    ours = ("medilytica-run", "medilytica-writer", "medilytica-evaluate", "medilytica-remote")
    threads = sum(thread.name.startswith(ours) for thread in threading.enumerate())
    return threads, process.num_fds(), process.memory_info().rss / 2**20


def _record(name: str, sentence: str) -> None:
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    kept = [line for line in lines if line.startswith("- ") and not line.startswith(f"- {name}:")]
    head = ["# Figures of `make soak`", "", f"Machine: {machine()}.", ""]
    RESULTS.write_text("\n".join([*head, *sorted([*kept, f"- {name}: {sentence}"])]) + "\n")
    print(sentence)


def _growth(before: tuple[int, int, float], after: tuple[int, int, float]) -> str:
    return (
        f"threads {before[0]} → {after[0]}, open files {before[1]} → {after[1]}, "
        f"memory {before[2]:.0f} → {after[2]:.0f} MB"
    )


def test_three_hundred_specifications() -> None:
    ends: Counter[str] = Counter()
    started = time.monotonic()

    @settings(max_examples=SPECIFICATIONS, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(TRIALS)
    def live(trial: Trial) -> None:
        ends[outcome(trial)] += 1

    live()
    counts = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    _record(
        "drawn specifications",
        f"{counts}, in {time.monotonic() - started:.0f} s; every one that was stopped amid went on bit for bit",
    )
    assert ends["finished"] > ends["refused"] > 0


def test_a_hundred_runs_leave_nothing_behind() -> None:
    data = mw.load_dataset("moons")
    marks = []
    for number in range(RUNS):
        exp = mw.Experiment(data, hyperparameters={"epochs": 5}, seed=number)
        assert exp.train().wait(60).status == "finished"
        exp.close()
        if number in (RUNS // 5 - 1, RUNS - 1):
            marks.append(_state())
    _record("a hundred runs", f"from run {RUNS // 5} to run {RUNS} {_growth(*marks)}")
    before, after = marks
    assert after[0] == before[0] == 0
    assert after[1] <= before[1]
    assert after[2] - before[2] < 30


def test_runs_in_processes_leave_nothing_behind() -> None:
    data = mw.load_dataset("moons")
    marks, metrics = [], []
    for number in range(PROCESSES):
        exp = mw.Experiment(data, hyperparameters={"epochs": 5}, seed=3)
        run = exp.train(worker="process").wait(120)
        assert run.status == "finished"
        metrics.append(run.evaluate().metrics)
        exp.close()
        if number in (PROCESSES // 5 - 1, PROCESSES - 1):
            marks.append(_state())
    children = psutil.Process().children()
    _record(
        "runs in processes of their own",
        f"from run {PROCESSES // 5} to run {PROCESSES} {_growth(*marks)}, children left {len(children)}",
    )
    before, after = marks
    assert after[0] == before[0] == 0 and not children
    assert after[1] <= before[1]
    assert after[2] - before[2] < 30
    assert all(found == metrics[0] for found in metrics)


def test_ten_runs_at_once_end_the_same() -> None:
    layers = [mw.Layer("linear", units=64), mw.Layer("dropout", p=0.1), mw.Layer("linear", units=32)]
    exp = mw.Experiment(mw.load_dataset("breast_cancer"), hyperparameters={"epochs": 40}, layers=layers, seed=1)
    alone = exp.train().wait(300)
    started = time.monotonic()
    for run in [exp.train() for _ in range(AT_ONCE)]:
        check_same(alone, run.wait(300))
    _record("ten runs at once", f"each bit for bit what one alone is, after {time.monotonic() - started:.1f} s")
    exp.close()


def test_a_thousand_commands_from_eight_threads() -> None:
    exp = mw.Experiment(
        mw.load_dataset("moons"),
        hyperparameters={"epochs": 1_000_000},
        layers=[mw.Layer("linear", units=16), mw.Layer("dropout", p=0.2)],
        seed=2,
    )
    found = storm(exp, COMMANDS, deadline=300)
    found.check()
    seen = ", ".join(f"{status} {count}×" for status, count in sorted(found.seen.items()))
    _record(
        "a thousand commands",
        f"{len(found.moves)} moves, all legal; seen after a command: {seen}; {len(found.run.marks)} marks in order, "
        f"{found.refused} refused; {found.seconds:.1f} s; ended as {found.run.status}",
    )
    assert {"running", "paused"} <= set(found.seen) and found.run.status == "stopped"
    exp.close()
