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
        self._thread: threading.Thread | None = None

    def mark(self, widget: Flushable) -> None:
        """Say that a widget has something new; any thread, returns at once."""
        with self._condition:
            self._dirty.add(widget)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="medilytica-pump", daemon=True)
                self._thread.start()
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._condition.wait_for(lambda: len(self._dirty) > 0, timeout=self._idle):
                    self._thread = None
                    return
                batch = list(self._dirty)
                self._dirty.clear()
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
