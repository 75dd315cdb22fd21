"""Every loss against torch's own function or plain numpy: values, gradients, what is predicted, what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch.nn import functional

from medilytica_widgets.errors import InputError, ParameterError, SpecError, TargetError
from medilytica_widgets.network import Head, register_loss
from medilytica_widgets.network.custom_losses import function_of, try_loss
from medilytica_widgets.network.losses import (
    CUSTOM,
    LOSSES,
    check_target,
    default_loss,
    find_loss,
    losses,
    losses_of,
    predicted,
)

ROWS = 40
CLASSES = torch.arange(ROWS) % 3
PAIRS = torch.arange(ROWS) % 2
NUMBERS = torch.linspace(-3, 3, ROWS)
COUNTS = torch.arange(ROWS, dtype=torch.float32) % 7


def draw(outputs: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (2 * torch.randn(ROWS, outputs, generator=generator)).requires_grad_()


@pytest.fixture
def registered() -> Iterator[Callable[..., str]]:
    """Return ``add(name, function, **more) -> id``; what was added is gone afterwards."""
    names: list[str] = []

    def add(name: str, function: Callable[..., object], **more: object) -> str:
        register_loss(name, function, **more)  # type: ignore[arg-type]
        names.append(CUSTOM + name)
        return names[-1]

    yield add
    for name in names:
        LOSSES.pop(name, None)


# of each loss: outputs, targets, options, and torch's own mean
TORCH = {
    "cross_entropy": (3, CLASSES, {}, lambda o, y: functional.cross_entropy(o, y)),
    "binary_cross_entropy": (
        1,
        PAIRS,
        {},
        lambda o, y: functional.binary_cross_entropy_with_logits(o[:, 0], y.float()),
    ),
    "mse": (1, NUMBERS, {}, lambda o, y: functional.mse_loss(o[:, 0], y)),
    "mae": (1, NUMBERS, {}, lambda o, y: functional.l1_loss(o[:, 0], y)),
    "huber": (1, NUMBERS, {"delta": 0.4}, lambda o, y: functional.huber_loss(o[:, 0], y, delta=0.4)),
    "poisson": (1, COUNTS, {}, lambda o, y: functional.poisson_nll_loss(o[:, 0], y, full=False)),
    # the two that torch lacks, written another way
    "focal": (3, CLASSES, {"gamma": 2.0}, lambda o, y: _focal(o, y, 2.0)),
    "quantile": (1, NUMBERS, {"quantile": 0.8}, lambda o, y: _pinball(o[:, 0], y, 0.8)),
}


def _focal(outputs: torch.Tensor, targets: torch.Tensor, gamma: float) -> torch.Tensor:
    p = outputs.softmax(1)[torch.arange(len(targets)), targets]
    return (-((1 - p) ** gamma) * p.log()).mean()


def _pinball(outputs: torch.Tensor, targets: torch.Tensor, q: float) -> torch.Tensor:
    error = targets - outputs
    return torch.where(error >= 0, q * error, (q - 1) * error).mean()


def test_every_loss_of_the_package_is_compared() -> None:
    assert set(TORCH) == {loss.id for loss in losses() if not loss.custom}


@pytest.mark.parametrize("name", TORCH)
def test_values_and_gradients_are_torchs_own(name: str) -> None:
    width, targets, options, reference = TORCH[name]
    loss = LOSSES[name]
    assert loss.outputs(loss.tasks[0], 3 if width == 3 else 2) == width
    ours, theirs = draw(width), draw(width)
    found = loss.per_row(ours, targets, loss.validate(options))
    assert found.shape == (ROWS,)
    expected = reference(theirs, targets)
    torch.testing.assert_close(found.mean(), expected)
    found.mean().backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert float(ours.grad.abs().sum()) > 0


@pytest.mark.parametrize("name", TORCH)
def test_the_source_for_scripts_calculates_the_same(name: str) -> None:
    width, targets, options, _ = TORCH[name]
    loss = LOSSES[name]
    scope: dict[str, object] = {"torch": torch, "functional": functional}
    exec("\n".join(loss.source("loss_of_rows", options)), scope)
    written = scope["loss_of_rows"](draw(width), targets)  # type: ignore[operator]
    torch.testing.assert_close(written, loss.per_row(draw(width), targets, loss.validate(options)), rtol=0, atol=0)


def test_focal_quantile_and_poisson_by_hand() -> None:
    p = 0.8
    outputs = torch.tensor([[np.log(p), np.log(1 - p)]], dtype=torch.float32)
    for gamma in (0.0, 0.5, 2.0, 5.0):
        found = LOSSES["focal"].per_row(outputs, torch.tensor([0]), {"gamma": gamma})
        assert float(found) == pytest.approx(-((1 - p) ** gamma) * np.log(p), rel=1e-5)
    bounds = LOSSES["quantile"].per_row(torch.tensor([[1.0], [1.0]]), torch.tensor([3.0, 0.5]), {"quantile": 0.9})
    np.testing.assert_allclose(bounds.numpy(), [0.9 * 2.0, 0.1 * 0.5], rtol=1e-6)
    counts = LOSSES["poisson"].per_row(torch.tensor([[0.7], [0.7]]), torch.tensor([0.0, 4.0]), {})
    np.testing.assert_allclose(counts.numpy(), [np.exp(0.7), np.exp(0.7) - 4 * 0.7], rtol=1e-6)


def test_focal_has_a_finite_gradient_where_the_network_is_sure() -> None:
    outputs = torch.tensor([[60.0, -60.0]], requires_grad=True)
    LOSSES["focal"].per_row(outputs, torch.tensor([0]), {"gamma": 0.5}).sum().backward()
    assert torch.isfinite(outputs.grad).all()


def test_the_quantile_loss_is_least_at_the_quantile() -> None:
    values = torch.from_numpy(np.random.default_rng(0).gamma(2.0, size=2001).astype(np.float32))
    guesses = np.linspace(0.0, 8.0, 801)
    costs = [
        float(LOSSES["quantile"].per_row(torch.full((len(values), 1), float(g)), values, {"quantile": 0.9}).mean())
        for g in guesses
    ]
    assert guesses[int(np.argmin(costs))] == pytest.approx(float(values.quantile(0.9)), abs=0.02)


def test_what_outputs_say() -> None:
    logits = np.array([[0.0, np.log(3.0)], [800.0, -800.0]])
    np.testing.assert_allclose(predicted("logits", logits), [[0.25, 0.75], [1.0, 0.0]], atol=1e-12)
    single = np.array([[np.log(3.0)], [800.0], [-800.0]])
    np.testing.assert_allclose(predicted("logit", single), [[0.25, 0.75], [0.0, 1.0], [1.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(predicted("log_rate", [[0.0], [2.0]]), [1.0, np.exp(2.0)])
    np.testing.assert_allclose(predicted("value", [[1.5], [-2.0]]), [1.5, -2.0])


def test_the_default_is_the_tasks_own() -> None:
    assert find_loss("", "classification") is default_loss("classification") is LOSSES["cross_entropy"]
    assert find_loss("", "regression") is default_loss("regression") is LOSSES["mse"]
    assert losses_of("regression")[0] == "mse"
    assert {entry["loss"] for entry in (loss.to_json() for loss in losses("classification"))} == {
        "cross_entropy",
        "binary_cross_entropy",
        "focal",
    }


def test_a_loss_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="hubber.*Did you mean 'huber'"):
        find_loss("hubber", "regression")
    with pytest.raises(SpecError, match="focal.*classification"):
        find_loss("focal", "regression")
    with pytest.raises(ParameterError, match="no option 'detla'.*Did you mean 'delta'"):
        LOSSES["huber"].validate({"detla": 1.0})
    with pytest.raises(ParameterError, match="no option 'delta'.*no options"):
        LOSSES["mse"].validate({"delta": 1.0})


def test_targets_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(TargetError, match="two classes apart, but 'colour' has 3"):
        check_target(LOSSES["binary_cross_entropy"], "colour", 3, [])
    with pytest.raises(TargetError, match="'balance' goes down to -2"):
        check_target(LOSSES["poisson"], "balance", 1, [3.0, -2.0, np.nan])
    check_target(LOSSES["poisson"], "visits", 1, [0.0, 3.0, np.nan])
    check_target(LOSSES["binary_cross_entropy"], "sex", 2, [])


# -- registered losses


def test_a_registered_loss_is_a_loss_like_any_other(registered: Callable[..., str]) -> None:
    def log_cosh(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Squared near 0, absolute far away."""
        return (outputs - targets).cosh().log()

    name = registered("log_cosh", log_cosh, tasks=("regression",))
    loss = find_loss(name, "regression")
    assert loss.help == "Squared near 0, absolute far away."
    assert name in losses_of("regression") and name not in losses_of("classification")
    assert function_of(loss) is log_cosh
    found = loss.per_row(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0]), {})
    np.testing.assert_allclose(found.numpy(), [0.0, np.log(np.cosh(2.0))], rtol=1e-5)
    try_loss(loss, "regression", 1)
    scope: dict[str, object] = {"torch": torch, "functional": functional}
    exec("\n".join(loss.source("loss_of_rows", {})), scope)
    outputs, targets = draw(1), NUMBERS
    written = scope["loss_of_rows"](outputs, targets)  # type: ignore[operator]
    torch.testing.assert_close(written, loss.per_row(outputs, targets, {}))


def test_a_registered_loss_of_classes_gets_logits(registered: Callable[..., str]) -> None:
    name = registered(
        "hinge", lambda outputs, targets: functional.multi_margin_loss(outputs, targets, reduction="none")
    )
    loss = find_loss(name, "classification")
    assert loss.outputs("classification", 4) == 4 and loss.meaning_for("classification") == "logits"
    try_loss(loss, "classification", 4)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda o, y: (o - y).square().mean(), "returned shape \\(\\).*one loss for each row"),
        (lambda o, y: (o[:, None] - y).square(), "returned shape \\(5, 5\\)"),
        (lambda o, y: 3.0, "returned a float"),
        (lambda o, y: o[7] - y, "raised IndexError"),
        (lambda o, y: (o.detach() - y).square(), "has no gradient"),
    ],
)
def test_a_wrong_registered_loss_is_told_before_a_run(
    registered: Callable[..., str], function: Callable[..., object], words: str
) -> None:
    name = registered("wrong", function)
    with pytest.raises(SpecError, match=words):
        try_loss(find_loss(name, "regression"), "regression", 1)


def test_memory_that_does_not_suffice_stays_what_it_is(registered: Callable[..., str]) -> None:
    def greedy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    name = registered("greedy", greedy)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        find_loss(name, "regression").per_row(draw(1), NUMBERS, {})


def test_names_of_registered_losses_are_checked() -> None:
    with pytest.raises(InputError, match="letters, digits and underscores"):
        register_loss("log cosh", lambda outputs, targets: outputs)
    with pytest.raises(InputError, match="regresion.*Did you mean 'regression'"):
        register_loss("log_cosh", lambda outputs, targets: outputs, tasks=("regresion",))
    with pytest.raises(SpecError, match="No loss is registered as 'nobody'"):
        find_loss("custom:nobody", "regression")
    # a specification may be read before the cell that registers its loss has run
    assert Head("regression", loss="custom:nobody").loss == "custom:nobody"
