"""Bodies of the requests about who is where, and who holds the run controls."""

from __future__ import annotations

from typing import Any, TypedDict


class PresenceAt(TypedDict):
    """Where this page's person is: a place within the widget, such as ``hyperparameter:epochs``.

    An empty place means that they look at nothing in particular; ``gone`` that the page goes away. It changes
    nothing but what others see of this person, so a viewer may send it. ``name`` and ``color`` are what the page
    claims, for where no server verified anybody.
    """

    place: str
    gone: bool
    name: str
    color: str


class ChatShare(TypedDict):
    """Post a link into the workspace's chat that restores a view: ``row``, ``layer``, ``chart``, ``epoch``, ``run``.

    Without any it leads to the experiment.
    """

    view: dict[str, Any]


class HoldAnswer(TypedDict):
    """Give the run controls to whoever asked, by their id, or keep them."""

    to: str
    give: bool
