"""Every path follows torch's modules, autograd and optimizers."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.engine.perceptron.plan import ACTIVATION_CODES
from medilytica_widgets.engine.stepping import SLOTS, StepSettings
from medilytica_widgets.network import Layer

PATHS = ("compiled", "written")
CLOSE = 1e-9
VARIANTS = {
    "adam": StepSettings(32, "adam", weight_decay=1e-2),
    "adamw": StepSettings(32, "adamw", weight_decay=1e-2),
    "rmsprop": StepSettings(32, "rmsprop", weight_decay=1e-3, clip_value=0.05),
    "nadam": StepSettings(32, "nadam", weight_decay=1e-3),
    "sgd": StepSettings(32, "sgd", weight_decay=1e-3),
    "plain sgd": StepSettings(32, "sgd", momentum=0.0),
    "nesterov": StepSettings(32, "sgd", momentum=0.8, nesterov=True, l1=1e-4, l2=1e-3, clip_norm=0.5),
}


@pytest.fixture(scope="module")
def double_reference(case, train_reference):
    """Return a function from a variant to its case and what 500 steps of torch make of it."""

    @functools.cache
    def trained(variant):
        training = case(settings=VARIANTS[variant], rate=3e-3)
        return training, train_reference(training, 500)

    return trained


@pytest.fixture(scope="module")
def single_reference(case, train_reference, flatten):
    """Return a function from an optimizer to a case, its weights after 500 exact steps, and torch's error."""

    @functools.cache
    def trained(optimizer):
        single = case(
            dtype=torch.float32,
            layers=(Layer("linear", units=16, activation="tanh"), Layer("linear", units=12, activation="silu")),
            settings=StepSettings(32, optimizer),
            rate=1e-3,
        )
        double = replace(single, dtype=torch.float64)
        # the same numbers, so that only the arithmetic differs
        double.data = tuple(part.astype(np.float64) if part.dtype == np.float32 else part for part in single.data)
        truth = flatten(train_reference(double, 500)[0])
        one = np.abs(flatten(train_reference(single, 500)[0]) - truth).max()
        other = np.abs(flatten(train_reference(single, 500, backwards=True)[0]) - truth).max()
        return single, truth, max(one, other)

    return trained


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", PATHS)
def test_500_steps_follow_torch_in_double_precision(
    double_reference, train_path, flatten, evaluate_reference, name, variant
):
    training, (module, wanted) = double_reference(variant)
    path = training.path(name)
    sums = train_path(path, training, 500)
    np.testing.assert_allclose(path.state.weights, flatten(module), atol=CLOSE, rtol=CLOSE)
    np.testing.assert_allclose(sums, wanted, rtol=1e-8)
    assert path.state.step == 500
    np.testing.assert_allclose(path.evaluate(3, 50), evaluate_reference(training, module, 3, 50), rtol=1e-8)


@pytest.mark.parametrize("optimizer", SLOTS)
@pytest.mark.parametrize("name", PATHS)
def test_500_steps_in_single_precision_stay_within_torchs_own_rounding(single_reference, train_path, name, optimizer):
    single, truth, spread = single_reference(optimizer)
    path = single.path(name)
    train_path(path, single, 500)
    ours = np.abs(path.state.weights.numpy() - truth).max()
    assert ours <= 2 * spread + 1e-7


@st.composite
def trainings(draw):
    """Return the arguments of a case: any shape, size, regulariser, rate and activation."""
    task = draw(st.sampled_from(("classification", "classification", "regression")))
    layers, dropped = [], []
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()) and len(dropped) < 2:
            layers.append(Layer("dropout", p=0.1))
            dropped.append(draw(st.sampled_from((0.0, 0.3, 0.9))))
        units = draw(st.sampled_from((1, 2, 5, 16, 33)))
        layers.append(Layer("linear", units=units, activation=draw(st.sampled_from(tuple(ACTIVATION_CODES)))))
    outputs = draw(st.sampled_from((2, 3, 33, 40))) if task == "classification" else 1
    weights = None
    if task == "classification" and draw(st.booleans()):
        weights = np.linspace(0.5, 2.0, outputs, dtype=np.float32)
    limit = st.sampled_from((None, 0.1, 1.0))
    return {
        "layers": tuple(layers),
        "task": task,
        "outputs": outputs,
        "features": draw(st.sampled_from((1, 4, 17))),
        "rows": draw(st.sampled_from((1, 2, 65, 700))),
        "class_weights": weights,
        "smoothing": draw(st.sampled_from((0.0, 0.1))) if task == "classification" else 0.0,
        "rate": draw(st.sampled_from((1e-4, 1e-2))),
        "seed": draw(st.integers(0, 5)),
        "settings": StepSettings(
            draw(st.sampled_from((1, 3, 64, 530, 5000))),
            draw(st.sampled_from(tuple(SLOTS))),
            weight_decay=draw(st.sampled_from((0.0, 0.01))),
            l1=draw(st.sampled_from((0.0, 1e-3))),
            l2=draw(st.sampled_from((0.0, 1e-3))),
            momentum=draw(st.sampled_from((0.5, 0.9))),
            nesterov=draw(st.booleans()),
            clip_norm=draw(limit),
            clip_value=draw(limit),
            dropout=tuple(dropped),
        ),
    }


@settings(max_examples=40, deadline=None, derandomize=True)
@given(trainings())
def test_any_perceptron_follows_torch(case, train_path, train_reference, flatten, evaluate_reference, training):
    training = case(**training)
    module, wanted = train_reference(training, 12)
    for name in PATHS:
        path = training.path(name)
        sums = train_path(path, training, 12)
        np.testing.assert_allclose(path.state.weights, flatten(module), atol=CLOSE, rtol=CLOSE)
        np.testing.assert_allclose(sums, wanted, rtol=1e-7, atol=CLOSE)
        wanted_val = evaluate_reference(training, module, 5, 60)
        np.testing.assert_allclose(path.evaluate(5, 60), wanted_val, rtol=1e-7, atol=CLOSE)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(trainings(), st.integers(0, 12))
def test_the_twin_and_the_compiled_path_agree_in_every_bit(case, train_path, training, switch):
    training = case(**training, dtype=torch.float32)
    twin, compiled, mixed = training.path("twin"), training.path("compiled"), training.path("twin")
    wanted = train_path(twin, training, 12, chunk=1)
    assert train_path(compiled, training, 12) == wanted
    steps = iter(range(12))
    train = mixed.train

    def until_switched(*arguments):
        mixed._twin = next(steps) < switch
        return train(*arguments)

    mixed.train = until_switched
    assert train_path(mixed, training, 12, chunk=1) == wanted
    for other in (compiled, mixed):
        for name in ("weights", "gradient"):
            mine, its = getattr(twin.state, name), getattr(other.state, name)
            np.testing.assert_array_equal(mine.numpy().view(np.int32), its.numpy().view(np.int32))
        for slot, values in twin.state.slots.items():
            assert torch.equal(values, other.state.slots[slot])
        assert (twin.state.step, twin.state.mu_product) == (other.state.step, other.state.mu_product)
        assert twin.evaluate(0, 61) == other.evaluate(0, 61)


def test_gelu_is_served_by_the_written_path_and_exact(case, train_path, train_reference, flatten):
    training = case(layers=(Layer("linear", units=16, activation="gelu"),))
    path = training.path("written")
    train_path(path, training, 100)
    np.testing.assert_allclose(path.state.weights, flatten(train_reference(training, 100)[0]), atol=CLOSE)


@pytest.mark.parametrize("name", PATHS)
def test_ten_thousand_classes(case, train_path, train_reference, flatten, name):
    training = case(
        layers=(Layer("linear", units=8),), outputs=10_000, rows=150, settings=StepSettings(64), smoothing=0.1
    )
    path = training.path(name)
    sums = train_path(path, training, 4)
    module, wanted = train_reference(training, 4)
    np.testing.assert_allclose(path.state.weights, flatten(module), atol=CLOSE)
    np.testing.assert_allclose(sums, wanted, rtol=1e-8)


@pytest.mark.parametrize("name", ("compiled", "twin", "written"))
def test_settings_may_change_between_two_chunks(case, train_reference, name):
    training = case(dtype=torch.float32)
    path = training.path(name)
    order, rates = np.arange(training.rows), training.rates(20)
    first = path.train(order, 0, 2, rates, StepSettings(32))
    assert (first.done, first.rows) == (64, 64)
    rest = path.train(order, first.done, 20, rates, StepSettings(50, clip_norm=1e-9), first.loss, first.hits)
    assert (rest.done, rest.rows) == (203, 139)
    assert path.state.step == 5
    assert float(torch.linalg.vector_norm(path.state.gradient)) == pytest.approx(1e-9, rel=1e-2)
