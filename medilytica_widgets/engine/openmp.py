"""OpenMP: how many threads the calling thread's operations take, and sending those home that wait for it."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from typing import Any

_SOFT = 1  # omp_pause_soft of OpenMP 5.0: what was set for the thread stays as it is
_lock = threading.Lock()
_found: list[Any] | None = None


def _libraries() -> list[Any]:
    """Return the OpenMP libraries of this process, looked for once: that takes milliseconds, many under load.

    Called through these handles they keep the interpreter's lock, which a busy main thread would hold for 5 ms
    each time that it is given up.
    """
    global _found
    with _lock:
        if _found is None:
            import torch  # noqa: F401 - brings the one that matters
            from threadpoolctl import ThreadpoolController

            paths = [c.filepath for c in ThreadpoolController().lib_controllers if c.user_api == "openmp"]
            _found = [ctypes.PyDLL(path) for path in paths]
        return _found


@contextlib.contextmanager
def limit(threads: int) -> Iterator[None]:
    """Within the block the calling thread's operations take so many threads; those of others are left alone."""
    before = [library.omp_get_max_threads() for library in _libraries()]
    for library in _libraries():
        library.omp_set_num_threads(threads)
    try:
        yield
    finally:
        for library, count in zip(_libraries(), before, strict=True):
            library.omp_set_num_threads(count)


def rest() -> None:
    """Send home the threads that wait for the calling thread's next operation; it will start others.

    GNU's OpenMP counts them as at work: where they and a training's own are more than there are cores, threads
    no longer wait for each other actively, and a training that uses all cores loses a third of its speed.
    """
    for library in _libraries():
        # before OpenMP 5.0 there was no such thing
        with contextlib.suppress(AttributeError):
            library.omp_pause_resource_all(_SOFT)
