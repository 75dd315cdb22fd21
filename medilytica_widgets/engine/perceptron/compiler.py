"""Compiling in the background: `warm` starts it, `ready` tells when, `compiled` returns the function."""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import logging
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import arrays, formulas, ordering, steps, tables

SWITCH_SECONDS = 0.0005
"""How soon threads take turns while this one compiles; Python's own are 5 ms."""

_logger = logging.getLogger(__name__)
# two, since compiling takes seconds for which nobody who only wants to start it should wait
_starting, _compiling = threading.Lock(), threading.Lock()
_thread: threading.Thread | None = None
_functions: dict[str, Callable[..., int]] = {}
_entry: Any = None
_leaving = threading.Event()


def warm() -> None:
    """Start compiling (the first time some seconds, later less than one from numba's cache); returns at once."""
    global _thread
    with _starting:
        if _thread is None:
            _thread = threading.Thread(target=_compile_quietly, name="medilytica-compile", daemon=True)
            # a thread inside of LLVM must not meet an interpreter that is going away
            atexit.register(_leave, _thread)
            _thread.start()


def ready() -> bool:
    """Whether the compiled function is there."""
    return "float32" in _functions


def wait(seconds: float | None = None) -> bool:
    """Compile now if need be, and wait for it; return whether it is there."""
    warm()
    assert _thread is not None
    _thread.join(seconds)
    return ready()


def compiled(dtype: np.dtype[np.floating]) -> Callable[..., int] | None:
    """Return `medilytica_widgets.engine.perceptron.steps.run`, compiled; None while it is not ready."""
    return _functions.get(dtype.name)


def compile_for(dtype: np.dtype[np.floating]) -> Callable[..., int]:
    """Compile for a dtype and return the function."""
    global _entry
    with _compiling:
        if _entry is None:
            _entry = _make_entry()
        _entry.disable_compile(False)
        _entry.compile(_signature(dtype))
        # a call with other types is a mistake of ours, and would compile for seconds on the training thread
        _entry.disable_compile()
        _functions[dtype.name] = _entry
        return _functions[dtype.name]


def _leave(thread: threading.Thread) -> None:
    """End the compiler when the interpreter ends: it would hold up the exit for seconds."""
    _leaving.set()
    unraisable = sys.unraisablehook
    # LLVM's callbacks swallow the exception and report it, so it is raised until the thread has met it elsewhere
    sys.unraisablehook = lambda what: None if what.exc_type is SystemExit else unraisable(what)
    while thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        thread.join(0.1)


def _compile_quietly() -> None:
    interval = sys.getswitchinterval()
    # meanwhile the twin trains, and numpy's calls would each wait for the lock that importing and linking holds
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        import numba  # noqa: F401

        if not _leaving.is_set():
            _fill_cache()
        if not _leaving.is_set():
            compile_for(np.dtype(np.float32))
    except Exception:
        # the twin goes on in its place, so that a broken numba costs speed and nothing else
        _logger.exception("numba could not compile the training step; it stays with numpy's form.")
    finally:
        sys.setswitchinterval(interval)


def _fill_cache() -> None:
    """Have another process compile into numba's cache, where that is empty.

    Compiling takes seconds in which the interpreter's lock is held most of the time; a process leaves it alone. It
    goes on if this one ends, so that the next kernel finds the cache filled.
    """
    global _entry
    with _compiling:
        if _entry is None:
            _entry = _make_entry()
        folder = _entry.stats.cache_path
    if folder is None or _marker(folder).exists():
        return
    code = f"from {__name__} import compile_into_cache; compile_into_cache()"
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        other = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True, **quiet)
    except OSError:
        return  # then it is compiled here
    while other.poll() is None:
        if _leaving.wait(0.05):
            # it is reaped by whoever reaps orphans
            other.returncode = 0
            return


def compile_into_cache() -> None:
    """Compile for float32 and leave word beside numba's cache."""
    if hasattr(os, "nice"):
        os.nice(5)
    folder = compile_for(np.dtype(np.float32)).stats.cache_path  # type: ignore[attr-defined]
    if folder is not None:
        _marker(folder).touch()


def _marker(folder: str) -> Path:
    """Return the file that says: what the present sources give is in numba's cache."""
    import numba

    versions = f"{_stamp()}-{numba.__version__}-{np.__version__}-{platform.machine()}-{sys.version_info[:2]}"
    return Path(folder) / f"medilytica-{hashlib.sha256(versions.encode()).hexdigest()[:16]}.compiled"


def _stamp() -> str:
    """Return what changes with any of the sources that numba compiles."""
    from . import loops, loss_loops

    modules = (arrays, formulas, loops, loss_loops, ordering, steps, tables)
    sources = [Path(str(module.__file__)) for module in modules]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _make_entry() -> Any:
    import numba

    from . import loops

    # numba's cache watches only the file of the entry function, so that carries a stamp of all sources
    stamp = _stamp()
    for function in steps.COMPILED:
        loops.as_it_stands(function)

    options: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    try:
        return numba.njit(**options)(steps.make_run(stamp))
    except RuntimeError:
        # numba found no folder that it may write to
        return numba.njit(**{**options, "cache": False})(steps.make_run(stamp))


def _signature(dtype: np.dtype[np.floating]) -> Any:
    from numba import types

    kind = types.float32 if dtype == np.float32 else types.float64

    def flat(of: Any) -> Any:
        return types.Array(of, 1, "C")

    def given(of: Any, dimensions: int = 1) -> Any:
        # data may be read-only, so it always comes that way
        return types.Array(of, dimensions, "C", readonly=True)

    integers, numbers, values = flat(types.int64), flat(types.float64), flat(kind)

    def together(of: tuple[Any, ...], named: type) -> Any:
        # as numba itself calls a tuple of equals
        uniform: Any = types.NamedUniTuple
        mixed: Any = types.NamedTuple
        return uniform(of[0], len(of), named) if len(set(of)) == 1 else mixed(of, named)

    block = together((types.Array(types.int64, 2, "C"), integers, values, numbers, integers), tables.Block)
    weights = together((values,) * 4, tables.Flat)
    rows = together((given(kind, 2), given(types.int64), given(kind)), tables.Rows)
    ways = together((numbers, numbers, integers, numbers), tables.Ways)
    table = types.Array(types.float64, 2, "C")
    copies = together((types.Array(kind, 2, "C"), types.Array(types.int64, 2, "C")), tables.Copies)
    orders = (integers,) * 4
    arguments = (block, weights, rows, rows, ways, *orders, numbers, values, integers, table, copies)
    return types.int64(*arguments)
