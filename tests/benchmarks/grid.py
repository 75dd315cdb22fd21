"""``python -m tests.benchmarks.grid``: the grid in real JupyterLab, beside quak, ipydatagrid, itables and perspective.

A million rows of ten columns as a DataFrame, and ten million from a Parquet file. Peers take part where they are
installed (``make bench`` installs them beside the package); what a peer cannot do at all is a dash. ``--million``
leaves the ten million out, ``--ten`` the million, ``--ours`` the peers, ``--keep`` leaves RESULTS.md alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Locator, sync_playwright

from tests.benchmarks.harness import cells, header, record, verdict
from tests.browser.lab import Lab, NotebookPage, new_context
from tests.conftest import CHROMIUM_FLAGS

SECTION = "The grid"
ROUNDS = 3
JUMPS = 20
MEASURES = ("first rows, s", "bytes, MB", "jump p95, ms", "sort a float, s", "filter, s", "kernel memory, MB")
TARGETS = {"1 M": (0.6, 0.4, 120.0, 0.3, 0.15, 80.0), "10 M": (1.5, 0.4, 150.0, 2.0, 0.5, 300.0)}
MAKE = """
import gc, os, numpy as np, pandas as pd, psutil
rng = np.random.default_rng(0)
n = {rows}
frame = pd.DataFrame({{**{{f"x{{k}}": rng.normal(size=n) for k in range(6)}},
    "group": rng.choice(["alpha", "beta", "gamma"], n), "name": pd.Series(np.arange(n)).astype("string[pyarrow]"),
    "count": rng.integers(0, 100, n),
    "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")}})
"""
WRITE = "frame.to_parquet('ten.parquet', row_group_size=122_880); del frame; gc.collect()"
# what the kernel holds beyond the data, the libraries that it had to import counted
MEMORY = "print('MB', (psutil.Process().memory_info().rss - before) / 1e6)"


@dataclass(frozen=True)
class Contestant:
    """How a grid is shown and where its first row and its controls are."""

    name: str
    module: str
    show: str
    first: str
    ours: bool = False


PEERS = (
    Contestant(
        "ours", "medilytica_widgets", "import medilytica_widgets as mw\nmw.DataGrid({data})", "tbody td bdi", True
    ),
    Contestant("quak", "quak", "import quak\nquak.Widget({data})", "table tbody tr td"),
    Contestant("ipydatagrid", "ipydatagrid", "import ipydatagrid\nipydatagrid.DataGrid({data})", "canvas"),
    Contestant("itables", "itables", "import itables\nitables.show({data}, connected=False)", "table tbody tr td"),
    Contestant(
        "perspective",
        "perspective",
        "import perspective.widget\nperspective.widget.PerspectiveWidget({data})",
        "regular-table td, perspective-viewer-datagrid td",
    ),
)


@dataclass
class Figures:
    """Every round's measures of one contestant; None where it cannot do it."""

    rounds: list[tuple[float | None, ...]] = field(default_factory=list)

    def median(self, place: int) -> float | None:
        values = [one[place] for one in self.rounds if one[place] is not None]
        return statistics.median(v for v in values if v is not None) if values else None

    def shown(self, place: int) -> str:
        """The median with its range."""
        values = [v for one in self.rounds if (v := one[place]) is not None]
        if not values:
            return "–"
        return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def borrow() -> None:
    """Let an environment that stands on another one (``make bench``) find the other's JupyterLab and widget manager."""
    own = Path(sys.prefix) / "share" / "jupyter"
    for base in {Path(entry).parents[2] for entry in sys.path if entry.endswith("site-packages")} - {Path(sys.prefix)}:
        for part in ("lab", "labextensions/@jupyter-widgets", "labextensions/anywidget"):
            there, here = base / "share" / "jupyter" / part, own / part
            if there.exists() and not here.exists():
                here.parent.mkdir(parents=True, exist_ok=True)
                here.symlink_to(there)
    # a kernel begins in another folder, where the package under test would not be found
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])


def our_jumps(notebook: NotebookPage, root: Locator, rows: int) -> float:
    """Return the 95th percentile, in milliseconds, of jumps of the scroll bar to rows not seen before."""
    area = root.locator(".mw-grid-area").element_handle()
    assert area is not None
    times = notebook.page.evaluate(
        """async ([area, rows, jumps]) => {
            const times = [];
            for (let k = 0; k < jumps; k++) {
                const share = 0.5 + 0.4 * Math.sin(k * 2.4);
                const started = performance.now();
                area.scrollTop = share * (area.scrollHeight - area.clientHeight);
                const near = share * rows;
                await new Promise((done) => {
                    const look = () => {
                        const drawn = [...area.querySelectorAll("tbody tr[aria-rowindex]")];
                        const row = drawn.find((tr) => tr.querySelector("td bdi"));
                        const at = row ? Number(row.getAttribute("aria-rowindex")) : -1;
                        const whole = !area.querySelector(".mw-grid-ghost");
                        if (whole && Math.abs(at - near) < rows * 0.001 + 60) done();
                        else requestAnimationFrame(look);
                    };
                    requestAnimationFrame(look);
                });
                times.push(performance.now() - started);
            }
            return times;
        }""",
        [area, rows, JUMPS],
    )
    return float(statistics.quantiles(times, n=20)[-1])


def our_sort(root: Locator) -> float:
    """Return the seconds from the click on a float column's name to the sorted first row."""
    grid = root.get_by_role("grid")
    root.locator(".mw-grid-area").evaluate("area => { area.scrollTop = 0; }")
    name = root.locator(".mw-grid-name", has_text="x1").first
    before = grid.locator("tr[aria-rowindex='2'] th").inner_text()
    started = time.perf_counter()
    name.click()
    grid.locator("tr[aria-rowindex='2'] th").filter(has_not_text=before).wait_for()
    seconds = time.perf_counter() - started
    root.get_by_role("button", name="Unsort").click()
    grid.locator("tr[aria-rowindex='2'] th", has_text=before).wait_for()
    return seconds


def our_filter(root: Locator) -> float:
    """Return the seconds from Enter in the WHERE box to the number of rows found; the condition is tried first."""
    root.get_by_role("button", name="SQL").click()
    box = root.get_by_label("WHERE")
    box.fill("x2 > 1")
    started = time.perf_counter()
    box.press("Enter")
    root.locator(".mw-grid-found", has_text="of").wait_for()
    return time.perf_counter() - started


def show(lab: Lab, chromium: Browser, who: Contestant, rows: int, lazy: bool) -> tuple[float | None, ...]:
    """Show a table once in a fresh kernel and measure."""
    data = "'ten.parquet'" if lazy else "frame"
    module = "medilytica_widgets" if who.ours else who.module
    setup = f"import psutil, {module}\n" + ("" if lazy else MAKE.format(rows=rows))
    if who.ours:
        # what an import costs is measured elsewhere (tests.benchmarks.start)
        setup += "\nimport duckdb, pyarrow.parquet, pyarrow.csv, pandas, medilytica_widgets.data"
        setup += "\nimport medilytica_widgets.widgets.data_grid"
    setup += "\nimport gc; gc.collect(); before = psutil.Process().memory_info().rss"
    notebook = NotebookPage(lab, new_context(chromium), lab.write_notebook([setup, who.show.format(data=data), MEMORY]))
    try:
        notebook.page.set_default_timeout(60_000)
        notebook.run(0)
        notebook.traffic.reset()
        started = time.perf_counter()
        notebook.select(1)
        notebook.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")
        output = notebook.output(1)
        output.locator(who.first).first.wait_for()
        first = time.perf_counter() - started
        size = notebook.traffic.total / 1e6
        jump = sort = found = None
        if who.ours:
            root = output.locator(".mw-root")
            root.locator(".mw-grid-bar").first.wait_for(state="attached")
            jump, sort, found = our_jumps(notebook, root, rows), our_sort(root), our_filter(root)
        notebook.wait_until_idle()
        notebook.run(2)
        words = notebook.output(2).inner_text().split()
        return first, size, jump, sort, found, float(words[1])
    finally:
        notebook.context.close()
        lab.shut_down_kernels()


def measure(rows: int, lazy: bool, rounds: int, ours: bool = False) -> dict[str, Figures]:
    """Show the table with every contestant in turn, ``rounds`` times."""
    there = [who for who in PEERS if importlib.util.find_spec(who.module) and (who.ours or not (lazy or ours))]
    figures = {who.name: Figures() for who in there}
    folder = Path(tempfile.mkdtemp())
    lab = Lab(folder)
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
            if lazy:
                page = NotebookPage(lab, new_context(chromium), lab.write_notebook([MAKE.format(rows=rows) + WRITE]))
                page.run(0)
                page.context.close()
                lab.shut_down_kernels()
            # a single round is a look only, so nothing goes before it
            for number in range(0 if rounds > 1 else 1, rounds + 1):
                for who in there:
                    try:
                        told = show(lab, chromium, who, rows, lazy)
                    except Exception as error:
                        print(f"{who.name} could not be measured: {str(error).splitlines()[0]}", flush=True)
                        continue
                    if number:
                        figures[who.name].rounds.append(told)
            chromium.close()
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return figures


def lines_of(what: str, figures: dict[str, Figures]) -> list[str]:
    """Return the table of one size."""
    lines = [f"{what} rows × 10 columns:", "", *header("", *MEASURES)]
    lines += [cells(name, *(one.shown(k) for k in range(len(MEASURES)))) for name, one in figures.items() if one.rounds]
    targets = TARGETS[what]
    lines.append(cells("target", *targets))
    met = []
    for place, target in enumerate(targets):
        value = figures["ours"].median(place)
        met.append("–" if value is None else verdict(value, target, at_most=True))
    return [*lines, cells("ours against it", *met), ""]


def main(given: list[str] | None = None) -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="leave the ten million out")
    parser.add_argument("--ten", action="store_true", help="leave the million out; nothing is recorded")
    parser.add_argument("--ours", action="store_true", help="leave the peers out; nothing is recorded")
    parser.add_argument("--keep", action="store_true", help="print only")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args(given)
    borrow()
    absent = [who.name for who in PEERS if not importlib.util.find_spec(who.module)]
    lines = [
        "Real JupyterLab, one round."
        if asked.rounds == 1
        else f"Real JupyterLab, medians of {asked.rounds} rounds in turn, with their range; one before does not count."
    ]
    if absent:
        lines.append(f"Not installed here, so not measured: {', '.join(absent)}.")
    lines.append("A peer's jump, sort and filter have no end that a page could be asked for, so only ours are timed.")
    lines.append("")
    if not asked.ten:
        lines += lines_of("1 M", measure(1_000_000, False, asked.rounds, asked.ours))
    if not asked.million:
        lines += lines_of("10 M", measure(10_000_000, True, asked.rounds))
    record(SECTION, lines, write=not (asked.keep or asked.ours or asked.ten))


if __name__ == "__main__":
    main()
