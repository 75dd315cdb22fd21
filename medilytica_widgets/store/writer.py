"""A background thread that delivers what others post, in batches, and keeps it while the receiver is away."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

Backlog = dict[str, Any]
"""What is not delivered yet: by run id, oldest first, one merged entry a run."""

_LONGEST_PAUSE = 30.0
_log = logging.getLogger("medilytica_widgets.store")


class HopelessError(Exception):
    """Raised by a delivery that trying again soon will not help; the sentence is for the person."""


class _Marker:
    """Goes through the queue behind what was posted, and is answered when all of that is delivered."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.delivered = False
        self.given_up = False

    def answer(self, delivered: bool) -> None:
        self.delivered = delivered
        self.answered.set()


class Courier:
    """Merges what is put in and hands it to ``deliver`` on a daemon thread of its own.

    Parameters
    ----------
    name : str
        Of the thread.
    merge : callable
        ``merge(backlog, item)`` works an item into the entry of its run.
    deliver : callable
        ``deliver(backlog)`` delivers entries and takes them out. Whatever it raises, it is called again
        later: after 0.1 s at first, after 30 s at last.
    say : callable
        Told in a sentence, once, when nothing could be delivered for ``patience`` seconds, and again when
        it succeeded. It runs on the courier's thread.
    linger : float
        Seconds between the first item ever and the first delivery, so that a run's first steps are not
        slowed down by what the delivery must load.
    pace : float
        Seconds from one delivery to the next.
    limit : int
        Runs the backlog holds; beyond it the oldest entries go, and that is said.
    """

    def __init__(
        self,
        name: str,
        merge: Callable[[Backlog, Any], None],
        deliver: Callable[[Backlog], None],
        say: Callable[[str], None],
        *,
        linger: float = 0.5,
        pace: float = 0.1,
        patience: float = 3.0,
        limit: int = 10_000,
    ) -> None:
        self.name = name
        self._merge = merge
        self._deliver = deliver
        self._say = say
        self._linger = linger
        self._pace = pace
        self._patience = patience
        self._limit = limit
        self._begin()
        _couriers.add(self)

    def _begin(self) -> None:
        # A SimpleQueue's put takes no lock that a waiting thread could hold
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, item: Any) -> None:
        """Take an item; returns in microseconds and never raises. Nothing happens once it is closed."""
        if self._closed:
            return
        self._queue.put(item)
        if self._thread is None:
            self._start()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was put in before is delivered; return whether it is.

        Waiting makes an attempt come at once, whatever pause the last failure asked for. Where that one fails
        for good, there is nothing to wait for.
        """
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return thread is None
        marker = _Marker()
        self._queue.put(marker)
        marker.given_up = not marker.answered.wait(timeout)
        return marker.delivered

    def close(self, timeout: float | None = 5.0) -> None:
        """Deliver what there is, as far as that goes within ``timeout``, and end the thread. Safe to call twice."""
        with self._starting:
            already, self._closed = self._closed, True
            thread = self._thread
        if thread is None or already:
            return
        self.flush(timeout)
        self._queue.put(None)
        if thread is not threading.current_thread():
            thread.join(timeout)

    def forget(self) -> None:
        """Begin anew in a forked child: the thread is the parent's, and the parent delivers."""
        self._begin()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
                self._thread.start()

    # --- on the thread --------------------------------------------------------------------------------

    def _work(self) -> None:
        backlog: Backlog = {}
        markers: list[_Marker] = []
        due = time.monotonic() + self._linger
        failing_since: float | None = None
        failures, said, dropped = 0, False, 0
        while True:
            wait = max(due - time.monotonic(), 0) if backlog else None
            for item in self._take(wait):
                if item is None:
                    return
                if isinstance(item, _Marker):
                    markers.append(item)
                    due = 0.0
                    continue
                try:
                    self._merge(backlog, item)
                except Exception as error:
                    self._tell(f"Something posted about a run cannot be kept: {error}")
            while len(backlog) > self._limit:
                del backlog[next(iter(backlog))]
                dropped += 1
            if backlog and time.monotonic() >= due:
                trouble = self._attempt(backlog)
                now = time.monotonic()
                if trouble is None:
                    due, failures, failing_since = now + self._pace, 0, None
                    if said:
                        lost = f" {dropped} older entries did not fit and are lost." if dropped else ""
                        self._tell(f"What waited has been written.{lost}")
                    said, dropped = False, 0
                else:
                    failures += 1
                    failing_since = failing_since or now
                    hopeless = isinstance(trouble, HopelessError)
                    due = now + (_LONGEST_PAUSE if hopeless else min(0.1 * 2.0 ** min(failures, 16), _LONGEST_PAUSE))
                    if not said and (hopeless or now - failing_since >= self._patience):
                        said = True
                        self._tell(f"{trouble} Training goes on; what is to be written waits in memory.")
                    for marker in markers if hopeless else ():
                        marker.answer(False)
            if not backlog:
                for marker in markers:
                    marker.answer(True)
            markers = [marker for marker in markers if not (marker.answered.is_set() or marker.given_up)]

    def _take(self, wait: float | None) -> list[Any]:
        items: list[Any] = []
        try:
            items.append(self._queue.get(timeout=wait))
            while True:
                items.append(self._queue.get_nowait())
        except Empty:
            return items

    def _attempt(self, backlog: Backlog) -> Exception | None:
        try:
            self._deliver(backlog)
        except Exception as error:
            _log.debug("%s could not deliver", self.name, exc_info=True)
            return error
        return None

    def _tell(self, sentence: str) -> None:
        try:
            self._say(sentence)
        except Exception:
            _log.exception("A listener to the run store's problems failed.")


_couriers: weakref.WeakSet[Courier] = weakref.WeakSet()


def _forget_all() -> None:
    for courier in list(_couriers):
        courier.forget()


def _close_all() -> None:
    for courier in list(_couriers):
        courier.close(2.0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)
