"""What must hold before a workspace is there: a path that can be one, and a room that is entered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WorkspaceError

if TYPE_CHECKING:
    from .room import RoomClient

SUFFIX = ".medilytica"
_SYNC_SECONDS = 20.0
_REFUSALS = 12
"""So many quarters of a second may a server refuse or be away before that is said."""


def entered(room: RoomClient) -> bool:
    """Wait until a room is entered; a refusal that does not pass ends the waiting early."""
    until, wrong = time.monotonic() + _SYNC_SECONDS, 0
    while not room.wait_synced(0.25):
        status = room.status
        wrong = wrong + 1 if status.error and not status.connected else 0
        if wrong > _REFUSALS or time.monotonic() > until:
            return False
    return True


def checked_path(path: Path, remote: bool) -> Path:
    """Return the path of a workspace's file; raise `WorkspaceError` for what can be none."""
    if path.suffix != SUFFIX:
        raise WorkspaceError(f"A workspace is a file that ends in {SUFFIX}: mw.Workspace({path.stem + SUFFIX!r}).")
    if not remote and not path.parent.is_dir():
        raise WorkspaceError(f"There is no folder {path.parent}; make it first.")
    return path
