"""What a widget shows of the workspace that its experiment belongs to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..collab.workspace import Workspace
    from ..experiment import Experiment


class SharedState:
    """Follows an experiment into the workspace that it is bound to, whenever that happens.

    Parameters
    ----------
    experiment : Experiment
    tell : callable
        Called when what `state` returns may have changed.
    """

    def __init__(self, experiment: Experiment, tell: Callable[..., Any]) -> None:
        self._experiment, self._tell = experiment, tell
        self._followed: Workspace | None = None

    def state(self) -> dict[str, Any] | None:
        """Return the workspace's state in plain values; None where the experiment is in none."""
        workspace: Workspace | None = getattr(self._experiment._elsewhere, "workspace", None)
        if workspace is not self._followed:
            self.close()
            if workspace is not None:
                workspace.changed.connect(self._on_change)
            self._followed = workspace
        return None if workspace is None else workspace.state()

    def close(self) -> None:
        """Follow no more. Safe to call twice."""
        if self._followed is not None:
            with contextlib.suppress(ValueError):
                self._followed.changed.disconnect(self._on_change)
        self._followed = None

    def _on_change(self, part: str) -> None:
        if part in ("status", "meta", "chat"):
            self._tell()
