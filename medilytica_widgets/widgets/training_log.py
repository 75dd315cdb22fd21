"""What happened in a run, in words, as it happens."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import traitlets

from .. import algorithms
from ..errors import StateError
from ..report import html
from ._base import serves
from ._latest_run import FollowsRuns, source_of, unit_of

if TYPE_CHECKING:
    from ..engine import LogEntry
    from ..experiment import Experiment
    from ..run import Run

LINES_A_MESSAGE = 1000
LONGEST = 4000
"""Characters of a message that reach the page."""
LOOK_SECONDS = 0.5
"""While a run trains it is looked at so often: between two epochs no signal tells of a new line."""
_STATIC_LINES = 40
_WORDS = {"info": "Info", "warning": "Warning", "error": "Error", "training": "Progress"}


class TrainingLog(FollowsRuns):
    """The log of the latest run: progress, remarks, warnings with what to try, and errors.

    A page asks for the lines so far, then every new line reaches all pages once.

    Parameters
    ----------
    source : Experiment or Run
        An experiment, whose latest run is followed, or one run.
    """

    run = traitlets.Dict(allow_none=True, default_value=None, help="The run and how much was warned of").tag(sync=True)

    def __init__(self, source: Experiment | Run, **kwargs: Any) -> None:
        self.source = source_of(self, source)
        # what was sent to everyone: of which run, up to which line, and its warnings and errors up to there
        self._sent: tuple[str, int, int] = ("", 0, 0)
        self._status = ""
        super().__init__(**kwargs)
        latest = self.shown_run
        if latest is not None:
            # a page that opens now asks for these lines itself
            entries, total = latest.log.read(notices=False)
            self._sent = (latest.id, total, _count(entries))
        self.set_trait("run", self._run_state(latest))
        self.follow_source(self.source, ("status_changed", "telemetry_advanced"))

    def update_view(self) -> None:
        """Say which run is shown and send everyone its new lines."""
        run = self.shown_run
        if run is None:
            return
        status = run.status
        if status == "running" or status != self._status:
            # also once more after the end, whose last lines may come after the status
            self.mark_later(LOOK_SECONDS)
        self._status = status
        run_id, cursor, warned = self._sent
        if run_id != run.id:
            cursor = warned = 0
        entries, total = run.log.read(cursor, notices=False)
        self._sent = (run.id, total, warned + _count(entries))
        with self.together():
            self.set_trait("run", self._run_state(run))
        for start in range(0, len(entries), LINES_A_MESSAGE):
            part, rest = entries[start : start + LINES_A_MESSAGE], start + LINES_A_MESSAGE < len(entries)
            end = part[-1].number + 1 if rest else total
            self.emit("log.lines", {"run": run.id, "cursor": cursor, "next": end, "entries": _lines(part)})
            cursor = end

    @serves("log.read")
    def _read(self, body: dict[str, Any]) -> dict[str, Any]:
        run = self.run_of(body["run"])
        if run is None:
            raise StateError("That run is not part of this experiment any more; run the cell again.")
        cursor = max(int(body["cursor"]), 0)
        entries, total = run.log.read(cursor, notices=False)
        part = entries[:LINES_A_MESSAGE]
        end = part[-1].number + 1 if len(part) < len(entries) else total
        return {"run": run.id, "cursor": cursor, "next": end, "total": total, "entries": _lines(part)}

    def _run_state(self, run: Run | None) -> dict[str, Any] | None:
        if run is None:
            return None
        algorithm = algorithms.get(run.algorithm)
        return {
            "id": run.id,
            "name": run.name,
            "status": run.status,
            "unit": unit_of(algorithm),
            "warnings": self._sent[2],
            "algorithm": algorithm.name,
        }

    def static_html(self) -> str:
        """Return the last lines as a table; warnings and errors stand above it with their advice."""
        run = self.shown_run
        if run is None:
            return html.section("Log", html.sentence("Nothing was trained, so there is no log."))
        entries, _ = run.log.read(notices=False)
        if not entries:
            return html.section("Log", html.sentence(f"{run.name.capitalize()} wrote no log."))
        told = [
            html.sentence(f"{_WORDS[e.level]} at {_place(run, e)}: {e.message} {e.advice}".strip(), kind)
            for e in entries
            if (kind := _KINDS.get(e.level)) is not None
        ]
        shown = entries[-_STATIC_LINES:]
        lines = {
            f"{e.number + 1} · {clock(e.time)} · {_place(run, e)} · {_WORDS[e.level]}": _cut(f"{e.message} {e.advice}")
            for e in shown
        }
        left_out = f"The last {len(shown)} of {len(entries)} lines. " if len(shown) < len(entries) else ""
        card = html.card(run.name, *told[-_STATIC_LINES:], html.key_values(lines))
        return html.section("Log", card, note=f"{left_out}{run.name.capitalize()} {run.status}.")


_KINDS: dict[str, Any] = {"warning": "warning", "error": "error"}


def clock(seconds: float) -> str:
    """Return the time of day of a moment, where the kernel is."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _place(run: Run, entry: LogEntry) -> str:
    return f"{unit_of(algorithms.get(run.algorithm))} {entry.epoch:.4g}"


def _count(entries: list[LogEntry]) -> int:
    return sum(entry.level in ("warning", "error") for entry in entries)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _lines(entries: list[LogEntry]) -> list[dict[str, Any]]:
    return [
        {
            "number": entry.number,
            "time": entry.time,
            "level": entry.level,
            "epoch": entry.epoch if math.isfinite(entry.epoch) else 0.0,
            "step": entry.step,
            "message": _cut(entry.message),
            "advice": _cut(entry.advice),
        }
        for entry in entries
    ]
