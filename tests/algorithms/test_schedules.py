"""The schedules of the learning rate: torch's own curves, and that a script computes the same."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.optim import lr_scheduler

from medilytica_widgets.algorithms import SCHEDULES, Plateau, rate_factors, schedule_factor
from medilytica_widgets.algorithms.schedules import PLATEAU_LEAST, schedule_source
from medilytica_widgets.errors import ParameterError

# a scheduler without an optimizer's steps between its own warns
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")

starts_strategy = st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=1, max_size=20).map(
    lambda found: np.asarray(sorted(found))
)


def _optimizer(rate: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)


def _rates(scheduler: lr_scheduler.LRScheduler, steps: int) -> list[float]:
    """Return the rate before each of the scheduler's steps."""
    found = []
    for _ in range(steps):
        found.append(float(scheduler.optimizer.param_groups[0]["lr"]))
        scheduler.step()
    return found


def _by_epoch(name: str, epochs: int, count: int | None = None) -> list[float]:
    return [schedule_factor(name, epoch, epochs) for epoch in range(count or epochs)]


def test_step_halves_at_each_third() -> None:
    assert _by_epoch("step", 6) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    assert _by_epoch("step", 10) == [1.0] * 4 + [0.5] * 3 + [0.25] * 3
    assert _by_epoch("step", 9) == _rates(lr_scheduler.StepLR(_optimizer(), 3, 0.5), 9)


def test_exponential_ends_at_one_percent() -> None:
    factors = _by_epoch("exponential", 50)
    assert factors[0] == 1.0
    assert factors[-1] == pytest.approx(0.01)
    assert factors == pytest.approx(_rates(lr_scheduler.ExponentialLR(_optimizer(), 0.01 ** (1 / 49)), 50))


@pytest.mark.parametrize("epochs", [1, 2, 8, 77])
def test_cosine_is_torchs(epochs: int) -> None:
    expected = _rates(lr_scheduler.CosineAnnealingLR(_optimizer(), T_max=epochs), epochs)
    assert _by_epoch("cosine", epochs) == pytest.approx(expected, abs=1e-12)


def test_cosine_falls_towards_zero() -> None:
    assert schedule_factor("cosine", 0, 8) == 1.0
    assert schedule_factor("cosine", 4, 8) == pytest.approx(0.5)
    assert schedule_factor("cosine", 999_999, 1_000_000) == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 50), (3, 7), (10, 100)])
def test_one_cycle_is_torchs(epochs: int, steps: int) -> None:
    total = epochs * steps
    scheduler = lr_scheduler.OneCycleLR(_optimizer(), max_lr=1.0, total_steps=total, cycle_momentum=False)
    expected = _rates(scheduler, total - 1) + [scheduler.get_last_lr()[0]]
    # torch puts the top on step 0.3·total - 1 and the end on step total - 1; ours is a function of the position
    top = 0.3 * total - 1
    parts = [0.3 * i / top if i <= top else 0.3 + 0.7 * (i - top) / (total - 1 - top) for i in range(total)]
    for part, rate in zip(parts, expected, strict=True):
        position = part * epochs
        epoch = min(int(position), epochs - 1)
        # the end itself lies behind the last epoch's last start
        start = min(position - epoch, math.nextafter(1.0, 0.0))
        assert rate_factors("one_cycle", epoch, epochs, np.array([start])) == pytest.approx([rate], abs=1e-9)


def test_one_cycle_rises_for_three_tenths_and_falls_to_almost_nothing() -> None:
    curve = np.concatenate([rate_factors("one_cycle", e, 10, np.arange(100) / 100) for e in range(10)])
    assert curve[0] == pytest.approx(1 / 25)
    assert curve.argmax() == 300
    assert curve[300] == 1.0
    assert (np.diff(curve[:301]) > 0).all()
    assert (np.diff(curve[300:]) < 0).all()
    assert rate_factors("one_cycle", 10, 10, np.array([0.0, 0.5])) == pytest.approx([4e-6, 4e-6])


@pytest.mark.parametrize("warmup", [0.4, 1.0, 2.5])
def test_warm_up_is_torchs_linear_rise(warmup: float) -> None:
    steps = 10
    scheduler = lr_scheduler.LinearLR(_optimizer(), start_factor=0.001, total_iters=int(warmup * steps))
    expected = _rates(scheduler, 4 * steps)
    found = [rate_factors("constant", e, 4, np.arange(steps) / steps, warmup) for e in range(4)]
    assert np.concatenate(found) == pytest.approx(expected)


@given(
    st.sampled_from(SCHEDULES),
    st.integers(1, 500),
    st.integers(0, 600),
    starts_strategy,
    st.sampled_from([0.0, 1e-3, 0.7, 3.0, 1000.0]),
)
def test_factors_are_positive_and_warm_up_multiplies(
    name: str, epochs: int, epoch: int, starts: NDArray[np.float64], warmup: float
) -> None:
    before = starts.copy()
    factors = rate_factors(name, epoch, epochs, starts, warmup)
    assert factors.dtype == np.float64
    assert factors.shape == starts.shape
    assert ((factors > 0.0) & (factors <= 1.0)).all()
    np.testing.assert_array_equal(starts, before)
    plain = rate_factors(name, epoch, epochs, starts, 0.0)
    np.testing.assert_allclose(factors, plain * rate_factors("constant", epoch, epochs, starts, warmup))
    if name != "one_cycle":
        np.testing.assert_array_equal(plain, schedule_factor(name, epoch, epochs))
    else:
        assert plain[0] == pytest.approx(schedule_factor(name, epoch, epochs)) or starts[0] > 0
    # one call for many steps is many calls for one
    np.testing.assert_array_equal(factors, [rate_factors(name, epoch, epochs, starts[i : i + 1], warmup)[0]
                                            for i in range(len(starts))])  # fmt: skip


@given(st.sampled_from(SCHEDULES), st.integers(1, 200), starts_strategy, st.sampled_from([0.0, 2.0, 1000.0]))
def test_the_last_value_is_kept(name: str, epochs: int, starts: NDArray[np.float64], warmup: float) -> None:
    end = rate_factors(name, epochs - 1, epochs, np.array([math.nextafter(1.0, 0.0)]), warmup)[0]
    for epoch in (epochs, epochs + 1, 10 * epochs):
        np.testing.assert_allclose(rate_factors(name, epoch, epochs, starts, warmup), end, rtol=1e-6, atol=1e-12)


@given(st.sampled_from(sorted(set(SCHEDULES) - {"one_cycle"})), st.integers(1, 500), st.integers(0, 600))
def test_a_schedule_of_whole_epochs_never_rises_and_is_what_the_script_computes(
    name: str, epochs: int, epoch: int
) -> None:
    factor = schedule_factor(name, epoch, epochs)
    assert factor >= schedule_factor(name, epoch + 1, epochs)
    if name != "plateau":
        inside = min(epoch, epochs - 1)
        assert eval(schedule_source(name), {"math": math, "epoch": inside, "epochs": epochs}) == factor


@given(st.integers(1, 500), st.data())
def test_the_script_computes_the_same_cycle(epochs: int, data: st.DataObject) -> None:
    epoch = data.draw(st.integers(0, epochs - 1))
    start = data.draw(st.floats(0.0, 1.0, exclude_max=True))
    names: dict[str, Any] = {"math": math, "part": (epoch + start) / epochs}
    found = rate_factors("one_cycle", epoch, epochs, np.array([start]))[0]
    assert eval(schedule_source("one_cycle"), names) == pytest.approx(found, abs=1e-12)


def test_an_unknown_schedule_is_named() -> None:
    for ask in (schedule_factor, lambda *given: rate_factors(*given, np.zeros(1))):
        with pytest.raises(ParameterError, match="no schedule 'cosin'. Did you mean 'cosine'?"):
            ask("cosin", 0, 10)


losses_strategy = st.lists(st.sampled_from([0.5, 0.7, 0.7000001, 1.0, 2.0, math.nan, math.inf]), max_size=60)


@given(st.integers(1, 6), losses_strategy)
def test_a_plateau_halves_in_the_epochs_of_torchs(patience: int, losses: list[float]) -> None:
    optimizer = _optimizer()
    theirs = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=patience - 1, threshold=0.0, eps=0.0)
    ours = Plateau(patience)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for loss in losses:
            before = optimizer.param_groups[0]["lr"]
            theirs.step(loss)
            rate = max(optimizer.param_groups[0]["lr"], PLATEAU_LEAST)
            assert ours.saw(loss) == (rate < before)
            assert ours.factor == rate


@given(st.integers(1, 4), losses_strategy, st.integers(0, 60))
def test_a_plateau_goes_on_from_its_state(patience: int, losses: list[float], cut: int) -> None:
    whole, begun = Plateau(patience), Plateau(patience)
    for loss in losses[:cut]:
        begun.saw(loss)
    resumed = Plateau.from_state(json.loads(json.dumps(begun.state(), allow_nan=False)))
    found = [resumed.saw(loss) for loss in losses[cut:]]
    assert [whole.saw(loss) for loss in losses][min(cut, len(losses)) :] == found
    assert (resumed.factor, resumed.patience) == (whole.factor, patience)


def test_a_plateau_never_ends_at_zero() -> None:
    plateau = Plateau(1)
    halved = [plateau.saw(1.0) for _ in range(2000)]
    assert plateau.factor == PLATEAU_LEAST > 0.0
    assert sum(halved) == 30
