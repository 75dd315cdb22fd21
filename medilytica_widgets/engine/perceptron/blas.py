"""One thread for scipy's BLAS while a compiled call runs, whose small products several threads slow down."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from typing import Any

_lock = threading.Lock()
_libraries: list[Any] | None = None
_running = 0
_before: list[int] = []


def _found() -> list[Any]:
    """Return threadpoolctl's handles of the BLAS that scipy calls; looked for once, which takes milliseconds."""
    global _libraries
    if _libraries is None:
        # numba's matrix products go through scipy's Cython interface
        import scipy.linalg.cython_blas  # noqa: F401
        from threadpoolctl import ThreadpoolController

        blas = [c for c in ThreadpoolController().lib_controllers if c.user_api == "blas"]
        # wheels of numpy and scipy bring a library each; other distributions share one
        _libraries = [c for c in blas if "scipy.libs" in c.filepath or "scipy/.dylibs" in c.filepath] or blas
        for library in _libraries:
            # which keeps the interpreter's lock: a busy main thread would hold it for 5 ms at each call
            library.dynlib = ctypes.PyDLL(library.filepath)
    return _libraries


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Within the block scipy's BLAS uses one thread.

    The number holds for the whole process, so it is restored when the last of several concurrent blocks ends.
    """
    global _running
    with _lock:
        if _running == 0:
            _before[:] = [library.get_num_threads() for library in _found()]
            for library in _found():
                library.set_num_threads(1)
        _running += 1
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if _running == 0:
                for library, count in zip(_found(), _before, strict=True):
                    library.set_num_threads(count)
