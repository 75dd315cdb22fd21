"""One thread that brings what happens in the kernel to the browsers, at most 20 times a second.

Training threads only mark a widget as dirty; the pump asks the widget to send what is new. However
fast a run is, its thread never waits for a socket and a widget never sends more than 20 times a second.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import Protocol

logger = logging.getLogger("medilytica_widgets")

INTERVAL = 0.05
"""Seconds between two updates of one widget."""


class Flushable(Protocol):
    """What the pump serves."""

    def flush(self) -> None:
        """Send what is new; called on the pump's thread."""


class Pump:
    """The thread and the set of widgets with something to send.

    It starts with the first mark and ends by itself once nothing was marked for a while, so that no
    thread outlives the widgets.
    """

    def __init__(self, idle_seconds: float = 2.0) -> None:
        self._idle = idle_seconds
        self._condition = threading.Condition()
        self._dirty: weakref.WeakSet[Flushable] = weakref.WeakSet()
        # widgets that asked for a later look, and when that is
        self._later: weakref.WeakKeyDictionary[Flushable, float] = weakref.WeakKeyDictionary()
        self._thread: threading.Thread | None = None

    def mark(self, widget: Flushable, after: float = 0.0) -> None:
        """Say that a widget has something new, or may have after so many seconds; any thread, returns at once.

        Of several later looks the first one counts.
        """
        with self._condition:
            if after > 0:
                due = time.monotonic() + after
                self._later[widget] = min(due, self._later.get(widget, due))
            else:
                self._dirty.add(widget)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="medilytica-pump", daemon=True)
                self._thread.start()
            self._condition.notify()

    def _take_due(self, now: float) -> None:
        # a method of its own: a name in the loop that waits would keep a widget alive
        for widget in [widget for widget, due in list(self._later.items()) if due <= now]:
            del self._later[widget]
            self._dirty.add(widget)

    def _next(self) -> list[Flushable] | None:
        """Wait for widgets with something to send and return them; None once nothing was marked for a while."""
        with self._condition:
            while True:
                now = time.monotonic()
                self._take_due(now)
                if self._dirty:
                    batch = list(self._dirty)
                    self._dirty.clear()
                    return batch
                soonest = min(self._later.values(), default=None)
                woken = self._condition.wait(self._idle if soonest is None else max(0.0, soonest - now))
                if not (woken or self._later or self._dirty):
                    self._thread = None
                    return None

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            started = time.monotonic()
            while batch:
                # Popped, so that the thread holds no widget alive while it waits.
                try:
                    batch.pop().flush()
                except Exception:
                    # One widget's failure must not leave all others without news.
                    logger.exception("A widget could not be brought up to date")
            time.sleep(max(0.0, INTERVAL - (time.monotonic() - started)))


PUMP = Pump()
"""The kernel's one pump."""
