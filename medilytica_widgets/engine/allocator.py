"""Keeps the C library from giving memory back to the system between the steps of a training, and taking it anew.

A step through autograd frees all its activations and the next one wants them again. glibc hands large blocks, and the
free end of a thread's heap, back to the system at once, and each page that comes anew costs a fault: on a transformer
of a few megabytes more than a quarter of the step. See ``man 3 mallopt``.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

_TRIM, _PAD, _MMAP = -1, -2, -3
"""M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD of ``malloc.h``."""

_LARGEST = 32 << 20
"""The most that glibc takes for M_MMAP_THRESHOLD; larger blocks are always given back."""

_WHILE = {_MMAP: _LARGEST, _TRIM: 1 << 30, _PAD: 64 << 20}
# where glibc's own rule ends up once a block of 32 MB was freed; the rule itself is off after a first call
_AFTER = {_MMAP: _LARGEST, _TRIM: 2 * _LARGEST, _PAD: 128 << 10}

_SET_BY_HAND = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")

_lock = threading.Lock()
_holders = 0


@functools.cache
def _libc() -> Any:
    """Return glibc; None on other systems, with another allocator, or where a person has set it up by hand."""
    if any(name in os.environ for name in _SET_BY_HAND) or "malloc" in os.environ.get("LD_PRELOAD", ""):
        return None
    try:
        found = ctypes.CDLL(None)
        if not hasattr(found, "gnu_get_libc_version"):
            return None
        found.malloc_trim.argtypes = (ctypes.c_size_t,)
    except (OSError, AttributeError, TypeError):  # Windows takes no None
        return None
    return found


@contextlib.contextmanager
def held(wanted: bool = True) -> Iterator[None]:
    """Keep freed memory for the time of a training; afterwards the system gets it back.

    Parameters
    ----------
    wanted : bool
        Whether to do anything.
    """
    global _holders
    libc = _libc() if wanted else None
    if libc is None:
        yield
        return
    with _lock:
        _holders += 1
        _set(libc, _WHILE)
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _set(libc, _AFTER)
                libc.malloc_trim(0)


def _set(libc: Any, values: dict[int, int]) -> None:
    for option, value in values.items():
        libc.mallopt(option, value)
