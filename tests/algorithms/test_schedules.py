"""schedule_factor: the four curves, and that a script computes the same."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medilytica_widgets.algorithms import SCHEDULES, schedule_factor
from medilytica_widgets.algorithms.schedules import schedule_source
from medilytica_widgets.errors import ParameterError


def test_step_halves_at_each_third() -> None:
    assert [schedule_factor("step", e, 6) for e in range(6)] == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    assert [schedule_factor("step", e, 10) for e in range(10)] == [1.0] * 4 + [0.5] * 3 + [0.25] * 3


def test_exponential_ends_at_one_percent() -> None:
    factors = [schedule_factor("exponential", e, 50) for e in range(50)]
    assert factors[0] == 1.0
    assert factors[-1] == pytest.approx(0.01)
    ratios = [b / a for a, b in zip(factors, factors[1:], strict=False)]
    assert ratios == pytest.approx([ratios[0]] * 49)


def test_cosine_falls_towards_zero() -> None:
    assert schedule_factor("cosine", 0, 8) == 1.0
    assert schedule_factor("cosine", 4, 8) == pytest.approx(0.5)
    assert schedule_factor("cosine", 999_999, 1_000_000) == pytest.approx(0.0, abs=1e-10)


@given(st.sampled_from(SCHEDULES), st.integers(1, 500), st.integers(0, 600))
def test_a_factor_is_positive_never_rises_and_is_what_the_script_computes(name: str, epochs: int, epoch: int) -> None:
    factor = schedule_factor(name, epoch, epochs)
    assert 0.0 < factor <= 1.0
    assert factor >= schedule_factor(name, epoch + 1, epochs)
    inside = min(epoch, epochs - 1)
    assert eval(schedule_source(name), {"math": math, "epoch": inside, "epochs": epochs}) == factor


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(ParameterError, match="no schedule 'cosin'. Did you mean 'cosine'?"):
        schedule_factor("cosin", 0, 10)
