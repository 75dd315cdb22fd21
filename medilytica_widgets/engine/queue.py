"""Which runs train and which wait for their turn."""

from __future__ import annotations

import heapq
import os
import threading
from itertools import count
from typing import Protocol

from ..errors import InputError


class Launchable(Protocol):
    """What a queue holds."""

    def launch(self) -> None:
        """Begin; called on whatever thread freed the place, must be quick and must not raise."""
        ...


class RunQueue:
    """Lets at most `width` runs train at once; the others wait by priority, then in the order they came.

    A run that is paused gives its place to the next one. When it is resumed it goes on at once, so that
    for a while more than `width` runs may train: a person who presses a button is not made to wait.

    Parameters
    ----------
    width : int, optional
        From the environment variable ``MEDILYTICA_QUEUE_WIDTH``, else the number of processor cores, at least 4.
    """

    def __init__(self, width: int | None = None) -> None:
        self._lock = threading.Lock()
        self._numbers = count()
        self._waiting: list[tuple[int, int, Launchable]] = []
        self._running: set[int] = set()
        self._closed = False
        self._width = _default_width() if width is None else _checked(width)

    @property
    def width(self) -> int:
        """How many runs train at once; a larger one takes effect at once, a smaller one as runs end."""
        return self._width

    @width.setter
    def width(self, value: int) -> None:
        self._width = _checked(value)
        self._fill()

    @property
    def running(self) -> int:
        """Number of runs that hold a place."""
        return len(self._running)

    @property
    def waiting(self) -> list[Launchable]:
        """The runs that wait, the next one first."""
        with self._lock:
            return [item for _, _, item in sorted(self._waiting, key=lambda entry: entry[:2])]

    def submit(self, item: Launchable, priority: int = 0) -> None:
        """Launch it now or when a place becomes free; higher priorities go first."""
        with self._lock:
            heapq.heappush(self._waiting, (-priority, next(self._numbers), item))
        self._fill()

    def discard(self, item: object) -> None:
        """Take a waiting one out; nothing if it does not wait."""
        with self._lock:
            self._waiting = [entry for entry in self._waiting if entry[2] is not item]
            heapq.heapify(self._waiting)

    def occupy(self, item: object) -> None:
        """Note that it trains, beyond the width if need be."""
        with self._lock:
            self._running.add(id(item))

    def release(self, item: object) -> None:
        """Free its place; nothing if it holds none."""
        self.decline(item)
        self._fill()

    def decline(self, item: object) -> None:
        """Free its place in `Launchable.launch`, after which the queue goes on to the next one by itself."""
        with self._lock:
            self._running.discard(id(item))

    def close(self) -> None:
        """Launch nothing more."""
        self._closed = True

    def _fill(self) -> None:
        while True:
            with self._lock:
                if self._closed or not self._waiting or len(self._running) >= self._width:
                    return
                item = heapq.heappop(self._waiting)[2]
                self._running.add(id(item))
            # outside of the lock: it starts a thread
            item.launch()


def _default_width() -> int:
    given = os.environ.get("MEDILYTICA_QUEUE_WIDTH")
    if given is None:
        return max(4, os.cpu_count() or 1)
    return _checked(int(given) if given.isdecimal() else given)


def _checked(width: object) -> int:
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise InputError(f"The queue's width is a whole number of runs, at least 1; {width!r} came.")
    return width


queue = RunQueue()
"""The one that all runs of this process share."""
