"""Lines of the audit log about what repeats: the first at once, the rest counted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jupyter_server.auth import User

from medilytica_widgets.server.audit import AuditLog
from medilytica_widgets.server.guard_tally import MOST_KINDS, Tally


def told(audit: AuditLog) -> list[tuple[Any, ...]]:
    entries, _ = audit.entries(1000)
    return [(one["user"], one["action"], one["object"], one["after"], one["reason"]) for one in reversed(entries)]


def test_what_repeats_is_counted_for_each_person_and_place(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    ann, bob = User("ann"), User("bob")

    async def work() -> None:
        tally = Tally(audit, window=0.05)
        for _ in range(4):
            tally.accepted(ann, "document.update", "a.txt")
            tally.refused(bob, "room.update", "a.txt", "No.")
        tally.accepted(ann, "document.update", "b.txt")
        assert len(told(audit)) == 3
        while len(told(audit)) < 5:
            await asyncio.sleep(0.01)
        # a new window begins with a line of its own
        tally.accepted(ann, "document.update", "a.txt")

    asyncio.run(work())
    assert told(audit) == [
        ("ann", "document.update", "a.txt", None, ""),
        ("bob", "room.update", "a.txt", None, "No."),
        ("ann", "document.update", "b.txt", None, ""),
        ("ann", "document.update", "a.txt", {"times": 3}, ""),
        ("bob", "room.update", "a.txt", None, "No. (3 times)"),
        ("ann", "document.update", "a.txt", None, ""),
    ]


def test_nobody_floods_the_log(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    eve, ann = User("eve"), User("ann")

    async def work() -> None:
        tally = Tally(audit, window=600)
        for number in range(3 * MOST_KINDS):
            tally.refused(eve, "http.get", f"/{number}", "No.")
        tally.refused(ann, "http.get", "/0", "No.")

    asyncio.run(work())
    lines = told(audit)
    assert len(lines) == MOST_KINDS + 2
    assert lines[-1][0] == "ann"
    assert lines[-2][:3] == ("eve", "many", "")
