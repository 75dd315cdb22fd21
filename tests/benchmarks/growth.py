"""How the cost of training grows with the rows."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from .harness import cells, header, race, record, verdict
from .problem import LABEL, Ours, perceptron, table

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
QUICK = (1_000, 10_000)
FEATURES = 30
BATCH = 256
ROWS_A_ROUND = 1_000_000
"""Rows that a round trains on at least, in whole epochs."""
MEMORY_LIMIT = 2.0


def growth(rounds: int, quick: bool = False) -> None:
    """Measure time a row, and the memory beyond the data at the largest size."""
    sizes = QUICK if quick else SIZES
    ours = {rows: Ours(rows, FEATURES, 2, perceptron(64, 64), BATCH, direct=True) for rows in sizes}
    counts = {rows: 1 if quick else max(1, ROWS_A_ROUND // rows) for rows in sizes}

    def work(rows: int) -> dict[str, float]:
        seconds, whole = ours[rows].run(counts[rows])
        return {f"{rows}": seconds / counts[rows] / rows, f"{rows} whole": whole / counts[rows] / rows}

    timings = {t.name: t for t in race({str(rows): lambda rows=rows: work(rows) for rows in sizes}, min(rounds, 3))}
    for each in ours.values():
        each.close()
    lines = [
        f"30→64→64→2, batch {BATCH}, {FEATURES} float32 a row, on arrays that are prepared already. Whole run: "
        "from `train()` to its end. Preparing: `load_dataset` of a DataFrame and `Experiment.prepared`, in a process "
        "of its own.",
        "",
        *header(
            "rows", "epochs", "ns a row and epoch (spread)", "ns, whole run", "preparing, s", "its peak, GB", "path"
        ),
    ]
    for rows in sizes:
        timing, whole = timings[f"{rows}"], timings[f"{rows} whole"]
        made = _alone(f"growth.prepare({rows})")
        lines.append(
            cells(
                f"{rows:,}",
                counts[rows],
                f"{1e9 * timing.median:.0f} ({timing.spread})",
                f"{1e9 * whole.median:.0f}",
                f"{made['seconds']:.1f}",
                f"{made['peak']:.1f}",
                ours[rows].path,
            )
        )
    by_size = [timings[f"{rows}"].median for rows in sizes]
    ratio = by_size[-1] / statistics.median(by_size)
    used = _alone(f"growth.memory({sizes[-1]})")
    beyond = used["peak"] - used["data"]
    lines += [
        "",
        f"- The largest size costs {ratio:.2f} times the median size's time a row.",
        f"- Memory at {sizes[-1]:,} rows: the process's peak is {used['peak']:.2f} GB with everything loaded, the data "
        f"{used['data']:.2f} GB, so {beyond:.2f} GB beyond the data ({used['before']:.2f} GB of the peak were there "
        f"before the run began). Target below {MEMORY_LIMIT:g} GB: {verdict(beyond, MEMORY_LIMIT, at_most=True)}.",
    ]
    record("Training, cost by rows", lines, write=not quick)


def memory(rows: int) -> dict[str, float]:
    """Train two epochs and return in GB the process's peak, what it held before the run, and the data's size."""
    ours = Ours(rows, FEATURES, 2, perceptron(64, 64), BATCH, direct=True)
    problem, before = ours.problem(), _peak()
    ours.run(2)
    return {"peak": _peak(), "before": before, "data": (problem.X.nbytes + problem.y.nbytes) / 1e9}


def prepare(rows: int) -> dict[str, float]:
    """Load and prepare a table and return the seconds and the process's peak in GB."""
    import medilytica_widgets as mw

    frame = table(rows, FEATURES, 2)
    # what is loaded lazily is not the table's cost
    mw.Experiment(mw.load_dataset(frame[:1000], target=LABEL)).prepared()
    started = time.perf_counter()
    roles = {f"x{k}": "feature" for k in range(FEATURES)}
    mw.Experiment(mw.load_dataset(frame, target=LABEL, roles=roles)).prepared()
    return {"seconds": time.perf_counter() - started, "peak": _peak()}


def _alone(call: str) -> dict[str, float]:
    """Return what a function of this module returns in a process of its own."""
    code = f"import json\nfrom tests.benchmarks import growth\nprint(json.dumps({call}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _peak() -> float:
    """Return the most memory that this process has held, in GB."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss would begin at what the parent process holds
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    import resource

    # kilobytes, but on macOS bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
