"""Interleaved rounds, medians with spread, the machine named."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True)
class Timing:
    """Seconds of the rounds of one contestant."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        """Fastest and slowest round, as a share of the median."""
        return f"{min(self.seconds) / self.median:.2f}–{max(self.seconds) / self.median:.2f}"


def race(contestants: dict[str, Callable[[], float | None]], rounds: int = 5) -> list[Timing]:
    """Run all contestants in turn, ``rounds`` times, after one round that does not count.

    A contestant returns the seconds it measured itself, or None to have the call timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, work in contestants.items():
            gc.collect()
            started = time.perf_counter()
            own = work()
            if number:
                seconds[name].append(time.perf_counter() - started if own is None else own)
    return [Timing(name, tuple(values)) for name, values in seconds.items()]


def machine() -> str:
    """Name the processor, the cores in use and the Python."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def record(section: str, lines: list[str]) -> None:
    """Write a section of RESULTS.md, in place of what an earlier run left there, and print it."""
    text = RESULTS.read_text() if RESULTS.exists() else "# Measured\n"
    head, *sections = text.split("\n## ")
    kept = {part.split("\n", 1)[0]: part for part in sections}
    kept[section] = "\n".join([section, "", f"Machine: {machine()}.", "", *lines]) + "\n"
    RESULTS.write_text(head.rstrip() + "\n\n" + "\n".join("## " + kept[name].rstrip() + "\n" for name in sorted(kept)))
    print(f"## {kept[section]}")
