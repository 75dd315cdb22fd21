"""The audit log: who changed what, and what was refused, one JSON object a line.

It lies beside the sharing book and is rotated by size. Writing it never fails the request that it tells of; what could
not be written is counted and said in the server's log.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_server.auth import User

    from .roles import Sharing

ROTATE_BYTES = 8 * 1024 * 1024
KEEP = 5
LARGEST_VALUE = 4096
LONGEST_TEXT = 500

FIELDS = ("time", "user", "name", "role", "action", "object", "before", "after", "outcome", "reason")

log = logging.getLogger(__name__)


class AuditLog:
    """JSON Lines in a private file; safe for threads, and for several processes as far as appending is.

    Parameters
    ----------
    path : Path
        The present file; older ones get ``.1``, ``.2`` and so on behind it.
    sharing : Sharing, optional
        Asked for the role and name of each user.
    rotate_bytes : int
        A file that grew beyond this is put aside.
    keep : int
        How many older files stay.
    """

    def __init__(
        self, path: Path, sharing: Sharing | None = None, *, rotate_bytes: int = ROTATE_BYTES, keep: int = KEEP
    ) -> None:
        self.path = path
        self.sharing = sharing
        self.rotate_bytes = rotate_bytes
        self.keep = keep
        self.lost = 0
        """How many entries could not be written."""
        self._mutex = threading.Lock()
        self._observers: list[Callable[[dict[str, Any]], None]] = []

    @classmethod
    def beside(cls, sharing: Sharing) -> AuditLog:
        """Return the audit log that belongs to a sharing book."""
        return cls(sharing.book.path.with_suffix(".audit.jsonl"), sharing)

    def accepted(self, user: User | None, action: str, object: str, before: Any = None, after: Any = None) -> None:
        """Record a change that was made; never raises."""
        self._record(user, action, object, before, after, "accepted", "")

    def refused(self, user: User | None, action: str, object: str, reason: str) -> None:
        """Record something that was not allowed; never raises."""
        self._record(user, action, object, None, None, "refused", reason)

    def observe(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Call back with every entry, whether it could be written or not; the metrics count by it."""
        self._observers.append(callback)

    def entries(self, limit: int = 100, before: int | None = None) -> tuple[list[dict[str, Any]], int | None]:
        """Return the newest entries first, and where the next page begins.

        Parameters
        ----------
        limit : int
            How many at most.
        before : int, optional
            What the page before this returned; the newest if left out. A rotation in between may repeat or skip a few.

        Returns
        -------
        list of dict
            Lines that cannot be read are left out.
        int or None
            The next page's ``before``, None after the last.
        """
        skip = max(0, before or 0)
        found: list[dict[str, Any]] = []
        seen = 0
        with self._mutex:
            for line in self._newest_first():
                seen += 1
                if seen <= skip:
                    continue
                if len(found) == limit:
                    return found, seen - 1
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    found.append({name: entry.get(name) for name in FIELDS})
        return found, None

    def _newest_first(self) -> Iterator[str]:
        for path in (self.path, *(self._older(number) for number in range(1, self.keep + 1))):
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            yield from reversed(text.split("\n")[:-1])

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _record(
        self, user: User | None, action: str, object: str, before: Any, after: Any, outcome: str, reason: str
    ) -> None:
        try:
            entry = self._entry(user, action, object, before, after, outcome, reason)
            for callback in self._observers:
                with contextlib.suppress(Exception):
                    callback(entry)
            # ASCII alone: no character of any script, and no line separator of Unicode, can end or forge a line
            line = json.dumps(entry, ensure_ascii=True, separators=(",", ":"), allow_nan=False) + "\n"
            with self._mutex:
                self._append(line.encode("ascii"))
        except Exception as error:
            self.lost += 1
            log.error("medilytica: an entry of the audit log could not be written: %s", error)

    def _entry(
        self, user: User | None, action: str, object: str, before: Any, after: Any, outcome: str, reason: str
    ) -> dict[str, Any]:
        role, name = None, "" if user is None else user.display_name
        if self.sharing is not None and user is not None:
            role = self.sharing.role_of(user)
            known = self.sharing.person(user.username)
            # a guest's cookie holds a name that he may change; the book holds the one that he came with
            name = known.name if known else name
        return {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "user": _text(user.username) if user is not None else None,
            "name": _text(name),
            "role": None if role is None else str(role),
            "action": _text(action),
            "object": _text(object),
            "before": bounded(before),
            "after": bounded(after),
            "outcome": outcome,
            "reason": _text(reason),
        }

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._opened() as file:
            size = os.fstat(file.fileno()).st_size
            if size and size + len(line) > self.rotate_bytes:
                self._rotate()
            else:
                file.write(line)
                return
        with self._opened() as file:
            file.write(line)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with open(os.open(self.path, flags, 0o600), "ab", buffering=0) as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) != 0o600:
                os.fchmod(file.fileno(), 0o600)
            yield file

    def _rotate(self) -> None:
        for number in range(self.keep - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._older(number), self._older(number + 1))
        if self.keep:
            os.replace(self.path, self._older(1))
        else:
            self.path.unlink()


def bounded(value: Any) -> Any:
    """Return a value that is JSON and small: what is too large becomes the beginning of its text and its size."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value if len(value) <= LARGEST_VALUE else {"cut": value[: LARGEST_VALUE // 2], "size": len(value)}
    try:
        text = json.dumps(value, ensure_ascii=True, allow_nan=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return f"<{type(value).__name__}>"
    if len(text) > LARGEST_VALUE:
        return {"cut": text[: LARGEST_VALUE // 2], "size": len(text)}
    return json.loads(text)


def _text(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
