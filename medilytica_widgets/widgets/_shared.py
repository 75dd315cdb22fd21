"""What a widget shows of the workspace that its experiment belongs to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..acting import acting_person
from ..errors import InputError, StateError, hint

if TYPE_CHECKING:
    from ..collab.workspace import Workspace
    from ..experiment import Experiment


_PARTS = {"row", "layer", "chart", "epoch", "run"}


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
        if workspace is None:
            return None
        return {**workspace.state(), "experiment": getattr(self._experiment._elsewhere, "id", "")}

    def share(self, view: dict[str, Any]) -> None:
        """Post a link into the chat that restores a view of the experiment, in the name of whoever asked.

        Raises
        ------
        StateError
            Where the experiment is in no workspace.
        InputError
            For what no link can hold.
        """
        from ..collab.announcing import plain_text

        state = self.state()
        if state is None or self._followed is None:
            raise StateError(
                "Nobody else is here: bind the experiment to a workspace first, mw.Workspace(…).bind(exp)."
            )
        if unknown := sorted(set(view) - _PARTS):
            raise InputError(f"A link to a view holds no {unknown[0]!r}. {hint(unknown[0], _PARTS)}")
        person = acting_person()
        places = ", ".join(f"{name} {value}" for name, value in view.items() if name != "run")
        self._followed.chat.share(
            f"{places} of {self._experiment.name}" if places else self._experiment.name,
            experiment=state["experiment"],
            by=plain_text(person.name) if person is not None else "",
            **view,
        )

    def close(self) -> None:
        """Follow no more. Safe to call twice."""
        if self._followed is not None:
            with contextlib.suppress(ValueError):
                self._followed.changed.disconnect(self._on_change)
        self._followed = None

    def _on_change(self, part: str) -> None:
        if part in ("status", "meta", "chat"):
            self._tell()
