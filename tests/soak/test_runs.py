"""A hundred runs one after another, ten at once, a thousand commands: nothing grows, nothing hangs."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from pathlib import Path

import psutil

import medilytica_widgets as mw
from tests.benchmarks.harness import machine

RESULTS = Path(__file__).with_name("RESULTS.md")
LEGAL = {"queued", "running", "paused", "finished", "stopped", "failed"}


def _state() -> tuple[int, int, float]:
    """Return threads of ours, open files and resident memory in MB."""
    gc.collect()
    process = psutil.Process(os.getpid())
    threads = sum(thread.name.startswith("medilytica") for thread in threading.enumerate())
    return threads, process.num_fds(), process.memory_info().rss / 2**20


def _record(name: str, sentence: str) -> None:
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    kept = [line for line in lines if line.startswith("- ") and not line.startswith(f"- {name}:")]
    head = ["# Figures of `make soak`", "", f"Machine: {machine()}.", ""]
    RESULTS.write_text("\n".join([*head, *sorted([*kept, f"- {name}: {sentence}"])]) + "\n")
    print(sentence)


def test_a_hundred_runs_leave_nothing_behind() -> None:
    data = mw.load_dataset("moons")
    marks = []
    for number in range(100):
        exp = mw.Experiment(data, hyperparameters={"epochs": 5}, seed=number)
        assert exp.train().wait(60).status == "finished"
        exp.close()
        if number in (19, 99):
            marks.append(_state())
    (threads, files, before), (threads_after, files_after, after) = marks
    _record(
        "a hundred runs",
        f"from the 20th to the 100th run threads {threads} → {threads_after}, open files {files} → {files_after}, "
        f"memory {before:.0f} → {after:.0f} MB",
    )
    assert threads_after == threads == 0
    assert files_after <= files
    assert after - before < 30


def test_ten_runs_at_once_end_the_same() -> None:
    exp = mw.Experiment(mw.load_dataset("breast_cancer"), hyperparameters={"epochs": 40}, seed=1)
    started = time.monotonic()
    runs = [exp.train() for _ in range(10)]
    metrics = [run.wait(300).evaluate().metrics for run in runs]
    _record("ten runs at once", f"all equal after {time.monotonic() - started:.1f} s")
    assert all(found == metrics[0] for found in metrics)
    exp.close()


def test_a_thousand_commands_from_eight_threads() -> None:
    exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 1_000_000}, seed=2)
    run = exp.train()
    seen: set[str] = set()

    def order(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(125):
            rate = rng.uniform(1e-4, 1e-2)
            rng.choice([run.pause, run.resume, run.step, lambda rate=rate: exp.set("learning_rate", rate)])()
            seen.add(run.status)

    threads = [threading.Thread(target=order, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    run.stop()
    run.wait(30)
    _record("a thousand commands", f"states seen: {', '.join(sorted(seen))}; ended as {run.status}")
    assert seen <= LEGAL and run.status == "stopped"
    exp.close()
