"""The exports of a grid: begun, looked at and read piece by piece by the page that asked."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from ..data.exporting import Export
    from ..data.relation import Relation

#: Bytes of one piece, exports at a time, and seconds after which one that nobody reads is thrown away.
PIECE_BYTES = 1 << 20
MOST_EXPORTS = 4
FORGOTTEN_SECONDS = 120.0


class Exports:
    """Files on their way to browsers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Export] = {}

    def begin(self, relation: Relation, order: Any, columns: list[str], format: Any) -> dict[str, Any]:
        """Begin to write a file and return its number and its rows.

        Raises
        ------
        InputError
            Too many are under way, or the table cannot be written so.
        """
        from ..data.exporting import Export

        with self._lock:
            now = time.monotonic()
            for number, job in list(self._jobs.items()):
                if now - job.touched > FORGOTTEN_SECONDS:
                    self._jobs.pop(number).close()
            if len(self._jobs) >= MOST_EXPORTS:
                raise InputError(
                    f"{MOST_EXPORTS} exports of this table are under way. Wait for one to end, or cancel it."
                )
            number = next(self._numbers)
            self._jobs[number] = Export(relation, order, columns, format).start()
            return {"job": number, "total": self._jobs[number].total}

    def read(self, number: int, offset: int) -> tuple[dict[str, Any], bytes]:
        """Return how far an export is and, once it is complete, its bytes from ``offset`` on; below 0 cancels it."""
        with self._lock:
            job = self._jobs.get(number)
            if job is None:
                raise InputError("This export is no more. Begin it anew.")
            job.touched = time.monotonic()
            if offset < 0 or job.error is not None:
                del self._jobs[number]
                job.close()
                if offset >= 0 and job.error is not None:
                    raise job.error
                return {"done": job.done, "total": job.total, "ready": False, "size": 0}, b""
            if not job.ready:
                return {"done": job.done, "total": job.total, "ready": False, "size": 0}, b""
            size = job.path.stat().st_size
            content = job.read(offset, PIECE_BYTES)
            if offset + len(content) >= size:
                del self._jobs[number]
                job.close()
            return {"done": job.done, "total": job.total, "ready": True, "size": size}, content

    def close(self) -> None:
        """Stop and delete all of them."""
        with self._lock:
            jobs, self._jobs = list(self._jobs.values()), {}
        for job in jobs:
            job.close()
