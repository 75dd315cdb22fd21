"""Token buckets: bursts, the rate after them, and a memory that does not grow."""

from __future__ import annotations

import pytest

from medilytica_widgets.server.limits import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate_counts() -> None:
    clock = Clock()
    limit = RateLimit(2.0, 3, clock=clock)
    assert [limit.take("anna") for _ in range(3)] == [0.0] * 3
    assert limit.take("anna") == pytest.approx(0.5)
    assert limit.wait("anna") == pytest.approx(0.5)
    assert limit.take("bert") == 0.0, "everybody has a bucket of his own"
    clock.now += 0.5
    assert limit.take("anna") == 0.0
    assert limit.take("anna") > 0
    clock.now += 3600
    assert [limit.take("anna") for _ in range(4)] == [0.0] * 3 + [pytest.approx(0.5)]


def test_being_refused_costs_nothing() -> None:
    clock = Clock()
    limit = RateLimit(1.0, 1, clock=clock)
    limit.take("anna")
    for _ in range(50):
        assert limit.take("anna") == pytest.approx(1.0)
    clock.now += 1.0
    assert limit.take("anna") == 0.0


def test_what_costs_more_than_the_bucket_passes_once_and_is_paid_off() -> None:
    clock = Clock()
    limit = RateLimit(10.0, 100, clock=clock)
    assert limit.take("anna", 1000) == 0.0
    assert limit.take("anna", 1) == pytest.approx(90.1)


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    clock = Clock()
    limit = RateLimit(1.0, 1, clock=clock)
    limit.take("anna")
    clock.now -= 100
    assert limit.take("anna") == pytest.approx(1.0)


def test_strangers_do_not_fill_the_memory() -> None:
    limit = RateLimit(1.0, 1, most=10, clock=Clock())
    limit.take("anna")
    for number in range(100):
        limit.take(number)
    assert len(limit) == 10
    assert limit.take(99) > 0, "who was here last is remembered"


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError):
        RateLimit(0, 1)
