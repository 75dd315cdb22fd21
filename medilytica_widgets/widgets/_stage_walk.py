"""Computing what each step of a preparation does, on a thread of its own; only the newest preparation counts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..algorithms.chain import acts_on_columns, plan_of
from ..errors import MedilyticaError, StateError

if TYPE_CHECKING:
    from ..algorithms import Step
    from ..data import Dataset
    from ..data.spec import Task
    from ..data.stages import Stage

logger = logging.getLogger("medilytica_widgets")
_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="medilytica-steps")


@dataclass(frozen=True, eq=False)
class Preparation:
    """What is computed: a table, the way its rows are divided, and the steps.

    Parameters
    ----------
    data : Dataset
    seed : int
    split : mapping
        Arguments of `medilytica_widgets.data.split`.
    steps : sequence of Step
    task : {"classification", "regression"} or None
    without : frozenset of str
        Columns that are no features.
    """

    data: Dataset
    seed: int
    split: Mapping[str, Any]
    steps: Sequence[Step]
    task: Task | None
    without: frozenset[str]


class StageWalk:
    """Walks through a preparation in the background and tells how far it is.

    Parameters
    ----------
    tell : callable
        Gets the facts so far: ``version``, ``state`` ("busy", "ready", "failed" or "stopped"), ``done`` of ``total``,
        ``rows`` that are looked at ``of`` so many training rows, ``split`` in numbers, ``width`` of the default
        preparation, ``widths`` after each step, and ``error`` with its ``step`` (-1 for the default preparation, -2
        for the split), ``message`` and ``parameter``. Called from any thread, one call at a time, and never again
        once `stop` or `begin` has returned for an older one.
    """

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell
        self._lock = Lock()
        self._turn = 0
        self._version = -1
        self._stages: dict[int, Stage] = {}
        self._facts: dict[str, Any] = {}

    def begin(self, version: int, preparation: Preparation) -> None:
        """Compute a version unless it is computed or under way; what was under way ends after its step."""
        with self._lock:
            if version == self._version and self._facts.get("state") in ("busy", "ready", "failed"):
                return
            turn = self._next_turn(version, len(preparation.steps))
            self._tell(dict(self._facts))
        _pool.submit(self._run, turn, preparation)

    def now(self, version: int, preparation: Preparation) -> dict[str, Any]:
        """Compute a version here and return its facts."""
        with self._lock:
            if version == self._version and self._facts.get("state") in ("ready", "failed"):
                return dict(self._facts)
            turn = self._next_turn(version, len(preparation.steps))
        self._run(turn, preparation)
        return dict(self._facts)

    def stop(self) -> None:
        """Let what is under way end after its step, and forget it."""
        with self._lock:
            if self._facts.get("state") == "busy":
                self._turn += 1
                self._facts = {**self._facts, "state": "stopped"}
                self._tell(dict(self._facts))

    def close(self) -> None:
        """Tell nothing more."""
        with self._lock:
            self._turn += 1
            self._stages = {}

    def picture(self, version: int, step: int, column: str) -> dict[str, Any]:
        """Return `medilytica_widgets.data.stages.picture` of a step; -1 is the default preparation.

        Raises
        ------
        StateError
            It is not computed, or the preparation is another one by now.
        """
        from ..data.stages import picture

        with self._lock:
            stage = self._stages.get(step) if version == self._version else None
        if stage is None:
            raise StateError("This step is not computed; it is shown as soon as it is.")
        return {"version": version, "step": step, **picture(stage, column)}

    def _next_turn(self, version: int, count: int) -> int:
        self._turn += 1
        self._version, self._stages = version, {}
        self._facts = {
            "version": version,
            "state": "busy",
            "done": 0,
            "total": count + 1,
            "rows": 0,
            "of": 0,
            "split": None,
            "width": None,
            "widths": [None] * count,
            "error": None,
        }
        return self._turn

    def _say(self, turn: int, **news: Any) -> bool:
        """Tell news; False where another turn has begun, and this one is to end."""
        with self._lock:
            if turn != self._turn:
                return False
            stage = news.pop("stage", None)
            if stage is not None:
                step, found = stage
                self._stages[step] = found
                if step >= 0:
                    widths = list(self._facts["widths"])
                    widths[step] = found.width
                    news["widths"] = widths
                else:
                    news["width"] = found.width
                news["done"] = self._facts["done"] + 1
            self._facts = {**self._facts, **news}
            self._tell(dict(self._facts))
        return True

    def _run(self, turn: int, asked: Preparation) -> None:
        from ..data import split
        from ..data.stages import described, sampled_rows, stages

        # steps on the table's own columns come first, wherever they stand
        places = sorted(range(len(asked.steps)), key=lambda place: not acts_on_columns(asked.steps[place].id))
        waiting = [-1, *places]
        at = -2
        try:
            parts = split(asked.data, seed=asked.seed, **asked.split)
            rows = sampled_rows(asked.data, parts)
            told = described(asked.data, parts, asked.task)
            if not self._say(turn, split=told, rows=len(rows), of=len(parts.train)):
                return
            at = waiting[0]
            plan = plan_of(asked.steps, asked.task, len(asked.data.classes) or 1, asked.seed)
            for stage in stages(asked.data, rows, plan, asked.task, asked.without):
                if not self._say(turn, stage=(waiting.pop(0), stage)):
                    return
                at = waiting[0] if waiting else -1
        except Exception as error:
            if not isinstance(error, MedilyticaError):
                logger.exception("A step of the preparation could not be computed")
            self._say(turn, state="failed", error=_told(error, at))
        else:
            self._say(turn, state="ready")


def _told(error: Exception, step: int) -> dict[str, Any]:
    from ..data.stages import said_alone

    message = error.message if isinstance(error, MedilyticaError) else f"{type(error).__name__}: {error}"
    return {"step": step, "message": said_alone(message), "parameter": getattr(error, "parameter", None)}
