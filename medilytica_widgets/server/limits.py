"""Limits of how often somebody may ask: token buckets, one for each person or address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class RateLimit:
    """A bucket of tokens for each key: so many at once, so many a second after that.

    Parameters
    ----------
    per_second : float
        How fast a bucket fills.
    burst : float
        How much it holds, and holds at the beginning.
    most : int
        How many keys are remembered; beyond that the one not seen for longest is forgotten.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self, per_second: float, burst: float, *, most: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not (per_second > 0 and burst > 0 and most > 0):
            raise ValueError("A rate limit needs a rate, a burst and a number of keys above zero.")
        self.per_second = per_second
        self.burst = burst
        self.most = most
        self._clock = clock
        self._mutex = threading.Lock()
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable, cost: float = 1.0) -> float:
        """Take ``cost`` tokens and return 0.0, or take none and return the seconds to wait.

        What costs more than the bucket holds is let through when the bucket is full, and leaves it in debt.
        """
        with self._mutex:
            tokens, now = self._filled(key)
            needed = min(cost, self.burst)
            if tokens >= needed:
                self._keep(key, tokens - cost, now)
                return 0.0
            self._keep(key, tokens, now)
            return (needed - tokens) / self.per_second

    def wait(self, key: Hashable) -> float:
        """Return how long this key has to wait for one token, without taking it."""
        with self._mutex:
            tokens, _ = self._filled(key)
            return max(0.0, (min(1.0, self.burst) - tokens) / self.per_second)

    def forget(self, key: Hashable) -> None:
        """Give the key a full bucket again."""
        with self._mutex:
            self._buckets.pop(key, None)

    def __len__(self) -> int:
        return len(self._buckets)

    def _filled(self, key: Hashable) -> tuple[float, float]:
        now = self._clock()
        tokens, then = self._buckets.get(key, (self.burst, now))
        return min(self.burst, tokens + max(0.0, now - then) * self.per_second), now

    def _keep(self, key: Hashable, tokens: float, now: float) -> None:
        self._buckets[key] = (tokens, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self.most:
            self._buckets.popitem(last=False)
