"""A run's log: lines that are only added, each with its level, place and advice, read by cursor."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["info", "warning", "error", "training"]

LEVELS: tuple[Level, ...] = get_args(Level)
"""What a line can be: news, something to look at, a failure, or a line of progress."""

CAPACITY = 10_000
"""Lines that a log keeps."""

MISSING = "missing"
"""The kind of the line that stands for lines which are no longer kept."""

_number = attrgetter("number")


@dataclass(frozen=True)
class LogEntry:
    """One line of a run's log.

    Parameters
    ----------
    number : int
        Its place among all lines of the run, from 0. Lines that are no longer kept leave a gap.
    time : float
        Seconds since 1970.
    level : {"info", "warning", "error", "training"}
        "training" is a line of progress.
    epoch : float
        Where the run was, in epochs.
    step : int
        Optimizer steps done.
    message : str
        One sentence or two.
    advice : str
        What to try; may be empty.
    kind : str
        A short, stable id such as "dead_units"; empty for plain lines.
    """

    number: int
    time: float
    level: Level
    epoch: float
    step: int
    message: str
    advice: str = ""
    kind: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LogEntry:
        """Return the line that `to_json` gave; fields of a later version are passed over.

        Raises
        ------
        InputError
            If a field is absent or of another type.
        """
        try:
            return cls(
                number=int(values["number"]),
                time=float(values["time"]),
                level=_checked(values["level"]),
                epoch=float(values["epoch"]),
                step=int(values["step"]),
                message=str(values["message"]),
                advice=str(values.get("advice", "")),
                kind=str(values.get("kind", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"A line of the log cannot be read ({type(error).__name__}: {error}); the file was damaged or written "
                "by something else. Leave the log out, or take an earlier checkpoint."
            ) from error


class TrainingLog:
    """Lines that are only added; any thread adds, any thread reads.

    A reader keeps the cursor of its last reading and receives only what is new. Memory is bounded: when the log
    is full, every second line of progress goes, the oldest of them again and again, so that recent ones stand
    close together and early ones far apart; where that is not enough, the oldest "info" lines go, then warnings,
    errors last. Cursors stay good: what is gone leaves a gap in the numbers, and the reader is told how much.

    Parameters
    ----------
    capacity : int
        Lines to keep, at least 8.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        if capacity < 8:
            raise InputError(f"A log cannot keep {capacity} lines; give it a capacity of 8 or more.")
        self._capacity = capacity
        self._lock = threading.Lock()
        self._entries: list[LogEntry] = []
        self._next = 0

    def __len__(self) -> int:
        """Lines that are kept."""
        return len(self._entries)

    @property
    def total(self) -> int:
        """Lines that were ever written: the cursor of a reader who has read everything."""
        return self._next

    def append(
        self,
        level: Level,
        message: str,
        *,
        epoch: float = 0.0,
        step: int = 0,
        advice: str = "",
        kind: str = "",
    ) -> LogEntry:
        """Add a line and return it; see `LogEntry` for the parameters.

        Raises
        ------
        InputError
            For a level that does not exist.
        """
        _checked(level)
        now = time.time()
        with self._lock:
            entry = LogEntry(self._next, now, level, float(epoch), int(step), message, advice, kind)
            self._next += 1
            self._entries.append(entry)
            if len(self._entries) > self._capacity:
                self._thin()
        return entry

    def receive(self, entries: Iterable[LogEntry], total: int = 0) -> None:
        """Take over lines of another log under their own numbers, in order; known ones are passed over.

        Parameters
        ----------
        entries : iterable of LogEntry
            What `read` gave there, without notices.
        total : int
            The cursor that `read` gave there; lines up to it that were not kept become a gap here too.
        """
        with self._lock:
            for entry in entries:
                if entry.number < self._next:
                    continue
                self._entries.append(entry)
                self._next = entry.number + 1
                if len(self._entries) > self._capacity:
                    self._thin()
            self._next = max(self._next, int(total))

    def read(self, cursor: int = 0, *, notices: bool = True) -> tuple[list[LogEntry], int]:
        """Return the lines from ``cursor`` on and the cursor for the next reading.

        Parameters
        ----------
        cursor : int
            0 for everything; past the end gives no lines.
        notices : bool
            Whether a line of kind "missing", numbered ``cursor``, stands first where some of the lines asked for
            are no longer kept. It says how many and is no line of the log.
        """
        with self._lock:
            start = min(max(int(cursor), 0), self._next)
            found = self._entries[bisect_left(self._entries, start, key=_number) :]
            end = self._next
        gone = end - start - len(found)
        if notices and gone:
            found.insert(0, _notice(start, gone, found))
        return found, end

    def frame(self) -> pd.DataFrame:
        """Return the kept lines as a DataFrame, one row a line; ``time`` is a UTC timestamp."""
        import pandas as pd

        entries, _ = self.read(notices=False)
        frame = pd.DataFrame([e.to_json() for e in entries], columns=[f.name for f in fields(LogEntry)])
        frame["time"] = pd.to_datetime(frame["time"].astype(float), unit="s", utc=True)
        return frame

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, for a checkpoint or another process."""
        entries, total = self.read(notices=False)
        return {"total": total, "entries": [entry.to_json() for entry in entries]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], capacity: int = CAPACITY) -> TrainingLog:
        """Return the log that `to_json` gave.

        Raises
        ------
        InputError
            If the values are not those of a log.
        """
        log = cls(capacity)
        try:
            entries, total = values["entries"], int(values["total"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"This is no training log ({type(error).__name__}: {error}); give what TrainingLog.to_json returned."
            ) from error
        log.receive((LogEntry.from_json(entry) for entry in entries), total)
        return log

    def _thin(self) -> None:
        """Take out at least an eighth of the lines, so that the cost of a new one stays the same on average."""
        by_level: dict[Level, list[LogEntry]] = {level: [] for level in LEVELS}
        # the newest line stays whatever it is: its reader may be on the way
        for entry in self._entries[:-1]:
            by_level[entry.level].append(entry)
        progress = by_level["training"]
        gone = {entry.number for entry in progress[1::2]}
        rest = (*progress[0::2], *by_level["info"], *by_level["warning"], *by_level["error"])
        gone.update(entry.number for entry in rest[: max(0, self._capacity // 8 - len(gone))])
        self._entries = [entry for entry in self._entries if entry.number not in gone]


def _notice(number: int, gone: int, found: list[LogEntry]) -> LogEntry:
    first = found[0] if found else None
    lines = "1 line" if gone == 1 else f"{gone} lines"
    return LogEntry(
        number=number,
        time=first.time if first else time.time(),
        level="info",
        epoch=first.epoch if first else 0.0,
        step=first.step if first else 0,
        message=f"{lines} from here on {'is' if gone == 1 else 'are'} no longer kept, progress first, warnings last.",
        kind=MISSING,
    )


def _checked(level: Any) -> Level:
    for known in LEVELS:
        if level == known:
            return known
    raise InputError(f"A line of the log has the level {level!r}; it is one of {', '.join(LEVELS)}.")
