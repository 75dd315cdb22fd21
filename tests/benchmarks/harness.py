"""Interleaved rounds, medians with spread, the machine named."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")

Contestant = Callable[[], float | Mapping[str, float] | None]


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


def race(contestants: Mapping[str, Contestant], rounds: int = 5, *, warm_up: bool = True) -> list[Timing]:
    """Run all contestants in turn, ``rounds`` times, after one round that does not count.

    Parameters
    ----------
    contestants : mapping of str to callable
        Each returns the seconds it measured itself, several of them by name, or None to have the call timed.
    rounds : int
    warm_up : bool
        False where the caller ran all of them before.
    """
    seconds: dict[str, list[float]] = {}
    for number in range(0 if warm_up else 1, rounds + 1):
        for name, work in contestants.items():
            gc.collect()
            started = time.perf_counter()
            own = work()
            if own is None:
                own = time.perf_counter() - started
            for part, value in (own if isinstance(own, Mapping) else {name: own}).items():
                kept = seconds.setdefault(part, [])
                if number:
                    kept.append(value)
    return [Timing(name, tuple(values)) for name, values in seconds.items()]


def machine() -> str:
    """Name the processor, the cores in use, the Python and the libraries that do the arithmetic."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numpy"))
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {libraries}"


def record(section: str, lines: list[str], *, write: bool = True) -> None:
    """Print a section, and unless told otherwise put it into RESULTS.md in place of what an earlier run left there."""
    body = "\n".join([section, "", f"Machine: {machine()}.", "", *lines]) + "\n"
    print(f"## {body}", flush=True)
    if not write:
        return
    text = RESULTS.read_text() if RESULTS.exists() else "# Measured\n"
    head, *sections = text.split("\n## ")
    kept = {part.split("\n", 1)[0]: part for part in sections}
    kept[section] = body
    RESULTS.write_text(head.rstrip() + "\n\n" + "\n".join("## " + kept[name].rstrip() + "\n" for name in sorted(kept)))


def cells(*values: object) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(str(value) for value in values) + " |"


def header(*names: str) -> list[str]:
    """Return the first two rows of a Markdown table."""
    return [cells(*names), cells(*("---" for _ in names))]


def verdict(value: float, target: float, *, at_most: bool = False) -> str:
    """Say whether a figure meets its target."""
    return "met" if (value <= target if at_most else value >= target) else "**missed**"
