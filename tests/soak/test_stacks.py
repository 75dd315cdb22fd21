"""Thousands of random stacks of layers: each builds, trains a step, prints and comes back, or names what is wrong."""

from __future__ import annotations

import time
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medilytica_widgets.network import LAYER_KINDS, Layer
from tests.network.stacks import WRONG, Stack, check_broken, check_stack, stacks
from tests.soak.test_runs import _record

STACKS, BROKEN = 2000, 1000
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def test_two_thousand_stacks() -> None:
    kinds: Counter[str] = Counter()
    seen = Counter(stacks=0, joined=0, frozen=0, drawn=0)
    started = time.monotonic()

    @settings(max_examples=STACKS, deadline=None, database=None, suppress_health_check=_SLOW)
    @given(stacks(longest=9))
    def live(stack: Stack) -> None:
        check_stack(stack)
        kinds.update(layer.kind for layer in stack.layers)
        seen["stacks"] += 1
        seen["joined"] += any(layer.inputs for layer in stack.layers)
        seen["frozen"] += any(layer.frozen for layer in stack.layers)
        seen["drawn"] += any(layer.init for layer in stack.layers)

    live()
    _record(
        "random stacks of layers",
        f"{seen['stacks']} of {kinds.total()} layers of {len(kinds)} kinds in {time.monotonic() - started:.0f} s, "
        f"{seen['joined']} with branches, {seen['frozen']} with frozen layers, {seen['drawn']} with an initialisation; "
        "each trained a step, and its printed source made the same weights and the same outputs, bit for bit",
    )
    assert set(kinds) == set(LAYER_KINDS)
    assert min(seen.values()) > STACKS / 20


def test_a_thousand_broken_stacks() -> None:
    found: Counter[str] = Counter()
    started = time.monotonic()

    @settings(max_examples=BROKEN, deadline=None, database=None, suppress_health_check=_SLOW)
    @given(stacks(), st.sampled_from(WRONG), st.integers(0, 8))
    def live(stack: Stack, wrong: Layer, at: int) -> None:
        check_broken(stack, wrong, at)
        found[wrong.kind] += 1

    live()
    _record(
        "broken stacks of layers",
        f"{found.total()} with one of {len(WRONG)} wrong layers in {time.monotonic() - started:.0f} s; "
        "each error named the layer, and none before it",
    )
    assert found.total() >= BROKEN
