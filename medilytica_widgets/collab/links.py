"""Links to a view of a workspace: what a chat message carries, and what a click restores.

A link is ``#medilytica=`` and the reference as JSON in base64url, behind the address of the page or by itself. It comes
from other people, so what it says is checked before anything is done with it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import WorkspaceError

MARK = "#medilytica="
MAX_LINK = 4000
"""The longest reference that is read, in characters of base64."""
MAX_TEXT = 500
MAX_NUMBER = 2**53
NUMBERS = ("epoch", "row")
_LINK = re.compile(rf"{re.escape(MARK)}([A-Za-z0-9_-]{{1,{MAX_LINK}}})")


@dataclass(frozen=True)
class ViewReference:
    """What a link shows. Everything but the workspace may be missing.

    Attributes
    ----------
    workspace : str
        The path of the workspace's file on the server.
    experiment, run, chart, layer, explanation : str
        Ids in that workspace.
    epoch, row : int
        From 0.
    """

    workspace: str
    experiment: str | None = None
    run: str | None = None
    chart: str | None = None
    epoch: int | None = None
    layer: str | None = None
    row: int | None = None
    explanation: str | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is None and name != "workspace":
                continue
            if name in NUMBERS:
                if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MAX_NUMBER:
                    raise WorkspaceError(f"A link's {name} is a whole number from 0, not {value!r:.60}.")
            elif not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
                raise WorkspaceError(f"A link's {name} is a text of 1 to {MAX_TEXT} characters, not {value!r:.60}.")
        if self.workspace.startswith("/") or ".." in self.workspace.split("/") or "\\" in self.workspace:
            raise WorkspaceError(f"A link names a workspace by its path on the server, not {self.workspace!r:.60}.")

    def encode(self) -> str:
        """Return the reference as the end of an address: ``#medilytica=…``."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        packed = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
        return MARK + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, link: str) -> ViewReference:
        """Read the reference at the end of an address.

        Raises
        ------
        WorkspaceError
            If it is none, or damaged, or holds what no link may.
        """
        found = _LINK.search(link) if len(link) <= 2 * MAX_LINK else None
        if found is None:
            raise WorkspaceError("This is no link to a view of a workspace. Ask for a new one.")
        packed = found.group(1)
        try:
            said: Any = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        except (ValueError, binascii.Error, RecursionError):
            said = None
        if not isinstance(said, dict) or not isinstance(said.get("workspace"), str):
            raise WorkspaceError("The link is damaged: it was not copied whole. Ask for a new one.")
        # what a newer release adds is left out, not refused
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in said.items() if name in known})

    def markdown(self, text: str = "", page: str = "") -> str:
        """Return a Markdown link, for example ``[epoch 12 of run 3](…#medilytica=…)``.

        Parameters
        ----------
        text : str
            What is shown; made from the reference if left out.
        page : str
            The address before the mark.
        """
        shown = re.sub(r"([\\\[\]`*_<>])", r"\\\1", " ".join((text or self.describe()).split()))
        return f"[{shown}]({page}{self.encode()})"

    def describe(self) -> str:
        """Return the words for the view."""
        # people count from 1
        parts = [
            f"epoch {self.epoch + 1}" if self.epoch is not None else "",
            f"row {self.row + 1}" if self.row is not None else "",
            f"the explanation {self.explanation}" if self.explanation else "",
            f"the layer {self.layer}" if self.layer else "",
            f"the chart {self.chart}" if self.chart else "",
            f"run {self.run}" if self.run else "",
            self.experiment or "",
        ]
        said = [part for part in parts if part][:2]
        return " of ".join(said) or self.workspace
