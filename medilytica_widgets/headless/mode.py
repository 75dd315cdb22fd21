"""Whether anybody looks: a notebook run without a browser leaves static output behind."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import PureWindowsPath
from typing import Any

VARIABLE = "MEDILYTICA_HEADLESS"
_NO = frozenset({"0", "false", "no", "off"})


def is_headless() -> bool:
    """Whether this notebook runs without a browser that could show live widgets.

    The environment variable ``MEDILYTICA_HEADLESS`` decides where it is set: ``0``, ``false``, ``no`` or
    ``off`` means no, anything else yes. ``python -m medilytica_widgets.report`` sets it.

    Where it is not set, papermill is recognised. Papermill (2.7) sets no environment variable and puts nothing
    into the kernel unless there are parameters to inject, so two things it cannot help stand as its mark:

    - the kernel's parent process is the ``papermill`` command; or
    - papermill was called as a library: the cell was sent by a client that takes no answers to ``input()``
      (papermill and everything else built on nbclient says so in each request; JupyterLab, Notebook and VS Code
      take them) to a kernel that no Jupyter server started for a session (``JPY_SESSION_NAME`` is absent).

    Outside a kernel, in a script for example, the answer is False.
    """
    value = os.environ.get(VARIABLE, "").strip().lower()
    if value:
        return value not in _NO
    kernel = _kernel()
    if kernel is None:
        return False
    return _parent_is_papermill(os.getppid()) or _client_takes_no_input(kernel)


def _kernel() -> Any:
    # a process that never imported IPython is no kernel; importing it here would only cost time
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None)


def _client_takes_no_input(kernel: Any) -> bool:
    request = kernel.get_parent("shell") or {}
    return "JPY_SESSION_NAME" not in os.environ and request.get("content", {}).get("allow_stdin") is False


@functools.cache
def _parent_is_papermill(pid: int) -> bool:
    try:
        import psutil  # ipykernel brings it
    except ImportError:
        return False
    try:
        return is_papermill(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def is_papermill(command: list[str]) -> bool:
    """Whether a process's command line is that of papermill: its script, or ``python -m papermill``."""
    words = command[:1] + [word for word in command[1:] if not (word.startswith("-") and word != "-m")]
    # splits at both kinds of slash
    if [PureWindowsPath(word).stem.lower() for word in words[:2] if word != "-m"].count("papermill"):
        return True
    return words[1:3] == ["-m", "papermill"]
