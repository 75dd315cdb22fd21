"""What a viewer may say to a kernel: ask about it, and read what widgets show.

Whether a request to a widget reads or writes is told by the wire's own table, `medilytica_widgets.wire.access_of`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from .. import wire
from ..errors import WireError
from .guard_messages import Message

Outcome = Literal["pass", "refuse", "restore"]

LOOKING = frozenset({"kernel_info_request", "comm_info_request"})
SUBSHELLS = frozenset({"create_subshell_request", "delete_subshell_request", "list_subshell_request"})
MOST_SUBSHELLS = 32
"""Threads that one viewer may have in a kernel."""
CHANGES_NOTHING = "You are a viewer here: you may look at everything and change nothing."


@dataclass(frozen=True)
class Verdict:
    """What becomes of a message.

    Attributes
    ----------
    outcome : str
        ``pass`` as it is now, ``refuse``, or ``restore``: it was an update of a widget's state, and asks for the
        kernel's state instead, so that the page shows what holds.
    action : str
        What the audit log calls it.
    reason : str
        The sentence for the person where it is refused.
    request : dict, optional
        The request to a widget that was in it, as far as it could be read; it is owed an answer.
    """

    outcome: Outcome
    action: str
    reason: str = ""
    request: dict[str, Any] | None = None


def judge(message: Message, subshells: Collection[str] = ()) -> Verdict:
    """Decide about a viewer's message; what passes holds only what was looked at.

    Parameters
    ----------
    message : Message
        What came; changed to what may go on.
    subshells : collection of str
        Those that this person asked the kernel for.
    """
    action = f"kernel.{message.type}"
    if message.channel == "control":
        return _control(message, action, subshells)
    if message.channel != "shell":
        return Verdict("refuse", action, CHANGES_NOTHING)
    if message.type in LOOKING:
        message.buffers = []
        return Verdict("pass", action)
    if message.type != "comm_msg":
        return Verdict("refuse", action, CHANGES_NOTHING)
    return _comm(message)


def describe(message: Message) -> str:
    """Return what the audit log calls a message of somebody who may write, or an empty string for what is no change."""
    if message.type == "execute_request":
        return "kernel.execute_request"
    if message.channel in ("control", "stdin") and message.type not in LOOKING | SUBSHELLS:
        return f"kernel.{message.type}"
    if message.type != "comm_msg":
        return ""
    data = message.opened().get("data")
    if not isinstance(data, dict):
        return ""
    if data.get("method") == "update":
        return "widget.update"
    content = data.get("content")
    kind = content.get("kind") if data.get("method") == "custom" and isinstance(content, dict) else None
    known = wire.REQUESTS.get(kind) if isinstance(kind, str) else None
    return f"widget.{kind}" if known is not None and known[0] == "write" else ""


def _control(message: Message, action: str, subshells: Collection[str]) -> Verdict:
    # JupyterLab asks for a subshell of its own, so that a busy cell does not keep its widgets waiting
    if message.type == "create_subshell_request":
        if len(subshells) >= MOST_SUBSHELLS:
            return Verdict("refuse", action, "You have as many subshells as a viewer may have.")
        message.replace_content({})
        return Verdict("pass", action)
    if message.type == "delete_subshell_request":
        subshell = message.opened().get("subshell_id")
        if isinstance(subshell, str) and subshell in subshells:
            message.replace_content({"subshell_id": subshell})
            return Verdict("pass", action)
    return Verdict("refuse", action, CHANGES_NOTHING)


def _comm(message: Message) -> Verdict:
    content = message.opened()
    comm, data = content.get("comm_id"), content.get("data")
    if not isinstance(comm, str) or not 0 < len(comm) <= 200 or not isinstance(data, dict):
        return Verdict("refuse", "widget.malformed", "A message to a widget must name it.")
    method = data.get("method")
    if method in ("request_state", "request_states"):
        message.replace_content({"comm_id": comm, "data": {"method": method}})
        return Verdict("pass", f"widget.{method}")
    if method == "update":
        message.replace_content({"comm_id": comm, "data": {"method": "request_state"}})
        return Verdict("restore", "widget.update", CHANGES_NOTHING)
    if method != "custom":
        return Verdict("refuse", "widget.message", CHANGES_NOTHING)
    given = data.get("content")
    named = given if isinstance(given, dict) else None
    try:
        request = wire.parse_request(given)
        access = wire.access_of(request["kind"])
    except WireError as error:
        return Verdict("refuse", "widget.message", error.message, named)
    action = f"widget.{request['kind']}"
    if access != "read":
        return Verdict("refuse", action, CHANGES_NOTHING, dict(request))
    buffers = message.buffers
    # nothing but the request: another field could be a click to a widget of somebody else's library
    message.replace_content({"comm_id": comm, "data": {"method": "custom", "content": dict(request)}})
    message.buffers = buffers
    return Verdict("pass", action, request=dict(request))


def answer_to(request: dict[str, Any], reason: str) -> dict[str, Any] | None:
    """Return the error that a request to a widget is answered with, None where nobody could take it as one."""
    texts = {name: request.get(name) for name in ("client", "id", "kind")}
    if not all(isinstance(text, str) and len(text) <= 200 for text in texts.values()):
        return None
    body = {"message": reason, "type": "PermissionError"}
    return {"v": wire.VERSION, **texts, "kind": f"{texts['kind']}.error", "body": body}
