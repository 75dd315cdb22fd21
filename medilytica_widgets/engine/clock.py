"""How long a run has trained, how fast it goes, and when it may be done."""

from __future__ import annotations

import time
from collections import deque

SPACING = 0.1
"""Seconds between two measured points; with the 64 that are kept the pace looks back over some 6 s or more."""


class Clock:
    """Time of a run without its pauses. One thread runs it, any thread reads.

    Parameters
    ----------
    before : float
        Seconds that it ran in an earlier process.
    """

    def __init__(self, before: float = 0.0) -> None:
        self._before = before
        self._since: float | None = None
        self._points: deque[tuple[float, float]] = deque(maxlen=64)

    def run(self) -> None:
        """Go on, and forget the pace of before."""
        self._points.clear()
        self._since = time.perf_counter()

    def rest(self) -> None:
        """Halt."""
        since, self._since = self._since, None
        if since is not None:
            self._before += time.perf_counter() - since

    @property
    def seconds(self) -> float:
        """Seconds that it ran."""
        since = self._since
        return self._before + (time.perf_counter() - since if since is not None else 0.0)

    def reached(self, epoch: float) -> None:
        """Note how far the training is."""
        now = self.seconds
        if not self._points or now - self._points[-1][0] >= SPACING:
            self._points.append((now, epoch))

    def pace(self, epoch: float) -> float | None:
        """Return epochs a second: lately where that is known, else since the start; None before any progress."""
        points = list(self._points)
        if len(points) > 1 and points[-1][1] > points[0][1]:
            return (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])
        seconds = self.seconds
        return epoch / seconds if epoch > 0 and seconds > 0 else None
