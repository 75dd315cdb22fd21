"""The workspace's document type in Jupyter's rooms: import it from here.

jupyter_ydoc loads every registered type while it is imported, and ours needs jupyter_ydoc. With its import first here,
the type is loaded in the middle of that, whoever comes first.
"""

from __future__ import annotations

import jupyter_ydoc  # noqa: F401  isort: skip

from .yworkspace import YWorkspace

__all__ = ["YWorkspace"]
