"""What being watched costs a run, what a busy main thread costs it, and how soon it begins."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import medilytica_widgets as mw

from .harness import Timing, cells, header, race, record, verdict
from .problem import Ours, normed, perceptron

NETWORKS = {
    "30→64→64→2": perceptron(64, 64),
    "the same with layer normalisation": normed("layer_norm", 64, 64),
}
READS_A_SECOND = 20
WATCHED_SECONDS = 5.0
BUSY_SECONDS = 2.0
FIRST_STEP_ROWS = 100_000


# -- being watched ---------------------------------------------------------------------------------


def overheads(rounds: int, quick: bool = False) -> None:
    """Measure runs with everything subscribed beside runs that nobody looks at.

    It happens in a real kernel, so that the widgets' messages go their whole way out of the process.
    """
    code = (
        f"import json\nfrom tests.benchmarks import overheads\nprint(json.dumps(overheads.watched({rounds}, {quick})))"
    )
    lines = [
        "In a kernel with a client. Watched: slots on every signal of the run, readers of telemetry, log and "
        f"weight sheets with a cursor {READS_A_SECOND} times a second, snapshots of the weights for pictures, and a "
        "Workbench. Not watched: nobody looks, and no weight sheets are made. "
        "Time from `train()` to the run's end; the share is the median of the rounds' own.",
        "",
        *header("network, batch 256", "not watched, s", "watched, s", "speed kept (spread)", "at least 97 %", "path"),
    ]
    found, read = json.loads(_in_a_kernel(code).splitlines()[-1])
    for name, (bare, watched, path) in found.items():
        kept = [100 * b / w for b, w in zip(bare, watched, strict=True)]
        share = statistics.median(kept)
        lines.append(
            cells(
                name,
                f"{statistics.median(bare):.2f}",
                f"{statistics.median(watched):.2f}",
                f"{share:.1f} % ({min(kept):.1f}–{max(kept):.1f})",
                verdict(share, 97),
                path,
            )
        )
    lines += ["", f"Read by cursor: {', '.join(read)}."]
    record("Training while everything is subscribed", lines, write=not quick)


def watched(rounds: int, quick: bool) -> tuple[dict[str, tuple[Sequence[float], Sequence[float], str]], list[str]]:
    """Return of every network the seconds of the runs not watched and watched, and the path; and what was read."""
    found: dict[str, tuple[Sequence[float], Sequence[float], str]] = {}
    read: list[str] = []
    for name, layers in NETWORKS.items():
        bare, seen = (Ours(2_000 if quick else 50_000, 30, 2, layers, 256) for _ in range(2))
        bench = mw.Workbench(seen.experiment)
        bare.run(2)
        count = 2 if quick else max(2, round(WATCHED_SECONDS / (bare.run(2)[1] / 2)))
        first, second = race(
            {
                "bare": lambda bare=bare, count=count: bare.run(count, sheet_every=None)[1],
                "watched": lambda seen=seen, count=count: _watched_run(seen, count),
            },
            rounds,
        )
        found[name] = (first.seconds, second.seconds, seen.path)
        assert seen.experiment.run is not None
        read = list(_books(seen.experiment.run))
        bench.close()
        bare.close()
        seen.close()
    return found, read


def _watched_run(ours: Ours, epochs: int) -> float:
    started = time.perf_counter()
    run = ours.start(epochs)
    run.trainer.snapshot_interest = True
    heard: list[Any] = []
    for signal in (run.telemetry_advanced, run.marked, run.status_changed):
        signal.connect(heard.append)
    ended = threading.Event()
    reader = threading.Thread(target=_read, args=(run, ended), daemon=True)
    reader.start()
    run.wait()
    seconds = time.perf_counter() - started
    ended.set()
    reader.join()
    ours.end(run)
    return seconds


def _books(run: mw.Run) -> dict[str, Any]:
    """Return what a run writes that can be followed from a cursor."""
    return {"telemetry": run.telemetry, "log": run.log, "weight sheets": run.sheets}


def _read(run: mw.Run, ended: threading.Event) -> None:
    cursors = {name: (book, 0) for name, book in _books(run).items()}
    while not ended.wait(1 / READS_A_SECOND):
        for name, (book, cursor) in cursors.items():
            cursors[name] = book, book.read(cursor)[1]
        run.progress()


def _in_a_kernel(code: str) -> str:
    """Return what the code printed in a fresh kernel."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(cwd=str(Path(__file__).parents[2]), stderr=subprocess.DEVNULL)
    printed: list[str] = []

    def note(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            printed.append(content["text"])
        elif message["msg_type"] == "stream":
            sys.stderr.write(content["text"])

    try:
        reply = client.execute_interactive(code, timeout=600, output_hook=note)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if reply["content"]["status"] != "ok":
        raise RuntimeError("\n".join(reply["content"]["traceback"]))
    return "".join(printed)


# -- a busy main thread ----------------------------------------------------------------------------


def busy(rounds: int, quick: bool = False) -> None:
    """Measure runs while the main thread computes in pure Python, beside runs while it waits."""
    lines = [
        "Thousand rows a second once a run is under way, so that starting a process or compiling is left out. Busy: "
        "the main thread counts in a Python loop. The share is the median of the rounds' own.",
        "",
        *header("network, batch 256", "worker", "main thread waits", "busy", "share (spread)", "target", "path"),
    ]
    for name, layers in NETWORKS.items():
        ours = Ours(2_000 if quick else 50_000, 30, 2, layers, 256)
        ours.run(2)
        length = 0.3 if quick else BUSY_SECONDS
        # more than it gets through: the run is stopped
        epochs = round(20 * length / ours.run(2)[0]) + 8
        for worker in ("thread", "process"):

            def pace(
                pass_time: Callable[[], None],
                ours: Ours = ours,
                epochs: int = epochs,
                length: float = length,
                worker: str = worker,
            ) -> float:
                return _seconds_an_epoch(ours, epochs, length, pass_time, worker)

            # a process begins anew with each run, so there is nothing to warm
            contestants = {"waits": partial(pace, _wait), "busy": partial(pace, _count)}
            count = rounds if worker == "thread" else min(rounds, 3)
            waits, works = race(contestants, count, warm_up=worker == "thread")
            # the general path's thread needs the interpreter for each operation: only a process is promised for it
            target = 80 if worker == "process" else 75 if ours.path == "compiled" else None
            lines.append(_busy_row(name, worker, len(ours.problem().X), waits, works, target, ours.path))
        ours.close()
    record("Training while the main thread is busy", lines, write=not quick)


def _busy_row(name: str, worker: str, rows: int, waits: Timing, works: Timing, target: int | None, path: str) -> str:
    shares = [100 * a / b for a, b in zip(waits.seconds, works.seconds, strict=True)]
    share = statistics.median(shares)
    return cells(
        name,
        worker,
        f"{rows / waits.median / 1000:.0f}",
        f"{rows / works.median / 1000:.1f}",
        f"{share:.1f} % ({min(shares):.1f}–{max(shares):.1f})",
        "none" if target is None else f"{target} %: {verdict(share, target)}",
        path,
    )


def _seconds_an_epoch(ours: Ours, epochs: int, length: float, pass_time: Callable[[], None], worker: str) -> float:
    """Return the pace of a run, measured over some ``length`` seconds after as many; the run is stopped then."""
    run = ours.start(epochs, worker=worker)
    first = last = None
    moving = changed = time.perf_counter()
    seen = 0.0
    while run.is_active:
        pass_time()
        now, epoch = time.perf_counter(), run.progress()["epoch"]
        if epoch == 0.0:
            moving = now
        if epoch == seen:
            continue
        # both ends are moments at which news came: it comes seldom while the main thread is busy
        seen, changed = epoch, now
        if first is None and changed - moving > length:
            first = (changed, epoch)
        elif first is not None:
            last = (changed, epoch)
            if changed - first[0] > length:
                break
    run.stop()
    ours.end(run)
    if first is None or last is None:
        raise RuntimeError(f"{epochs} epochs passed unseen; the run is too short to measure.")
    return (last[0] - first[0]) / (last[1] - first[1])


def _wait() -> None:
    time.sleep(0.005)


def _count() -> None:
    total = 0
    for number in range(100_000):
        total += number


# -- the first step ----------------------------------------------------------------------------------


def first_step(rounds: int, quick: bool = False) -> None:
    """Measure the time from ``train()`` to the first optimizer step on prepared rows."""
    rows = 2_000 if quick else FIRST_STEP_ROWS
    ours = Ours(rows, 30, 2, perceptron(64, 64), 256)
    (warm,) = race({"warm": lambda: to_first_step(ours)}, rounds)
    ours.close()
    code = (
        "from tests.benchmarks.problem import Ours, perceptron\n"
        "from tests.benchmarks.overheads import to_first_step\n"
        f"print(to_first_step(Ours({rows}, 30, 2, perceptron(64, 64), 256)))"
    )
    cold = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(min(rounds, 3))
    ]
    lines = [
        f"From `exp.train()` to the first optimizer step that `run.progress()` tells of, {rows:,} prepared rows, "
        "30→64→64→2, batch 256. Cold: in a process that has trained nothing and not loaded torch.",
        "",
        *header("process", "milliseconds (slowest)", "target"),
        cells("warm", f"{1000 * warm.median:.0f} ({1000 * max(warm.seconds):.0f})", f"50: {_under(warm.median, 0.05)}"),
        cells("cold", f"{1000 * statistics.median(cold):.0f} ({1000 * max(cold):.0f})", "none"),
    ]
    record("From train() to the first step", lines, write=not quick)


def _under(seconds: float, target: float) -> str:
    return verdict(seconds, target, at_most=True)


def to_first_step(ours: Ours) -> float:
    """Return the seconds from the call to the first optimizer step; the run is stopped then."""
    started = time.perf_counter()
    run = ours.start(50)
    while run.is_active and run.progress()["step"] < 1:
        time.sleep(0.0002)
    seconds = time.perf_counter() - started
    run.stop()
    ours.end(run)
    return seconds
