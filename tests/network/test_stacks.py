"""A sample of the random stacks; `make soak` draws thousands."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medilytica_widgets.network import Layer
from tests.network.stacks import WRONG, Stack, check_broken, check_stack, stacks

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(deadline=None, max_examples=60, suppress_health_check=_SLOW)
@given(stacks())
def test_a_stack_that_connects_builds_trains_prints_and_comes_back(stack: Stack) -> None:
    check_stack(stack)


@settings(deadline=None, max_examples=60, suppress_health_check=_SLOW)
@given(stacks(longest=3), st.sampled_from(WRONG), st.integers(0, 4))
def test_a_wrong_layer_is_named_wherever_it_stands(stack: Stack, wrong: Layer, at: int) -> None:
    check_broken(stack, wrong, at)
