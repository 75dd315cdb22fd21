"""Loads torch while a person looks around, so that the first Train starts at once."""

from __future__ import annotations

import importlib
import sys
import threading

DELAY = 1.0
"""Seconds after the widgets were made: the page draws first."""

_lock = threading.Lock()
_started = False


def warm_up() -> None:
    """Import torch on a thread of its own, once a kernel; nothing where it is loaded already."""
    global _started
    with _lock:
        if _started or "torch" in sys.modules:
            return
        _started = True
    timer = threading.Timer(DELAY, importlib.import_module, ("torch",))
    timer.name = "medilytica-warm-up"
    timer.daemon = True
    timer.start()
