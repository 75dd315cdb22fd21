"""Who changed something in a workspace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Author:
    """One person, or the machine itself.

    Attributes
    ----------
    id : str
        What tells people apart: the name that the server knows, for example ``alice``.
    name : str
        What is shown, for example ``Alice A.``.
    """

    id: str
    name: str

    @classmethod
    def machine(cls) -> Author:
        """Return the author of what the kernel writes by itself, for example a run's final metrics."""
        return cls("machine", "Kernel")

    @classmethod
    def file(cls) -> Author:
        """Return the author of what came in by an edited file: nobody knows who edited it."""
        return cls("file", "The file")
