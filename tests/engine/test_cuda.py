"""The graph's steps: the same curve as torch.optim. What needs a GPU is skipped without one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from medilytica_widgets.engine.cuda_graph import UNROLLED, WARM_STEPS, GraphPath
from medilytica_widgets.engine.flat import FlatModel
from medilytica_widgets.engine.general import GeneralPath
from medilytica_widgets.engine.stepping import Objective, StepSettings
from medilytica_widgets.engine.torch_model import SeededDropout

ROWS, FEATURES, CLASSES = 103, 6, 3
RATE = 2.0**-7
"""A power of two: CUDA's fused optimizers read it as float32."""

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: graphs can only be captured there"
)
on_each_device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])

OPTIMIZERS: dict[str, Callable[[Any, float, StepSettings], torch.optim.Optimizer]] = {
    "sgd": lambda p, lr, s: torch.optim.SGD(
        p, lr=lr, momentum=s.momentum, nesterov=s.nesterov, weight_decay=s.weight_decay
    ),
    "adam": lambda p, lr, s: torch.optim.Adam(p, lr=lr, weight_decay=s.weight_decay),
    "adamw": lambda p, lr, s: torch.optim.AdamW(p, lr=lr, weight_decay=s.weight_decay),
    "rmsprop": lambda p, lr, s: torch.optim.RMSprop(p, lr=lr, weight_decay=s.weight_decay),
    "nadam": lambda p, lr, s: torch.optim.NAdam(p, lr=lr, weight_decay=s.weight_decay),
}


def network(*extra: nn.Module, outputs: int = CLASSES) -> nn.Sequential:
    generator = torch.Generator().manual_seed(3)
    with torch.random.fork_rng(devices=[]):  # torch's own initialisation draws from the global generator
        module = nn.Sequential(nn.Linear(FEATURES, 8), *extra, nn.Tanh(), nn.Linear(8, outputs)).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-0.5, 0.5, generator=generator)
    return module


def table(outputs: int = CLASSES) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    X = torch.randn(ROWS, FEATURES, dtype=torch.float64, generator=generator)
    y = X[:, 0] * X[:, 1]
    return X, y if outputs == 1 else (y > 0).long() + (X[:, 2] > 0.5).long()


def path_of(
    module: nn.Sequential, settings: StepSettings, device: str, kind: type[GeneralPath] = GraphPath, **kept: Any
) -> tuple[GeneralPath, FlatModel]:
    outputs = int(module[-1].out_features)
    X, y = (t.to(device) for t in table(outputs))
    dropouts = [m for m in module if isinstance(m, SeededDropout)]
    model = FlatModel(module.to(device), settings.optimizer, settings.momentum)
    objective = Objective(outputs if outputs > 1 else 0, kept.pop("class_weights", None), kept.pop("smoothing", 0.0))
    notes: list[str] = kept.pop("notes", [])
    path = kind(
        model,
        objective,
        X,
        y,
        X[:20],
        y[:20],
        dropouts=dropouts,
        settings=settings,
        threads=1,
        mixed=False,
        part_rows=None,
        note=notes.append,
    )
    return path, model


def orders() -> Iterator[np.ndarray]:
    """Yield epoch after epoch the same orders."""
    generator = torch.Generator().manual_seed(5)
    while True:
        yield torch.randperm(ROWS, generator=generator).numpy()


def run_path(path: GeneralPath, settings: StepSettings, epochs: int, chunk: int) -> list[tuple[float, float]]:
    """Train some epochs in chunks; return each one's sums."""
    found, step = [], 0
    for order in itertools.islice(orders(), epochs):
        done, loss, hits = 0, 0.0, 0.0
        while done < ROWS:
            rates = RATE / (1.0 + np.arange(step, step + chunk) // 4)
            totals = path.train(order, done, chunk, rates, settings, loss, hits)
            step += -(-(totals.done - done) // settings.batch_size)
            done, loss, hits = totals.done, totals.loss, totals.hits
        found.append((loss, hits))
    return found


def textbook(
    module: nn.Sequential,
    settings: StepSettings,
    epochs: int,
    weights: torch.Tensor | None = None,
    smoothing: float = 0.0,
) -> list[float]:
    X, y = table(int(module[-1].out_features))
    optimizer = OPTIMIZERS[settings.optimizer](module.parameters(), RATE, settings)
    found, step = [], 0
    for order in itertools.islice(orders(), epochs):
        total = 0.0
        for start in range(0, ROWS, settings.batch_size):
            rows = torch.from_numpy(order[start : start + settings.batch_size])
            optimizer.zero_grad()
            out = module(X[rows])
            if out.shape[1] == 1:
                loss = functional.mse_loss(out[:, 0], y[rows])
            else:
                loss = functional.cross_entropy(out, y[rows], weight=weights, label_smoothing=smoothing)
            matrices = [p for p in module.parameters() if p.dim() > 1]
            penalty = sum(settings.l1 * p.abs().sum() + settings.l2 * p.square().sum() for p in matrices)
            (loss + penalty).backward()
            if settings.clip_value is not None:
                nn.utils.clip_grad_value_(module.parameters(), settings.clip_value)
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(module.parameters(), settings.clip_norm)
            optimizer.param_groups[0]["lr"] = RATE / (1.0 + step // 4)
            optimizer.step()
            total += loss.item() * len(rows)
            step += 1
        found.append(total)
    return found


def values(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().cpu().reshape(-1) for p in module.parameters()])


@on_each_device
@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        (StepSettings(16, "sgd", momentum=0.0), 1e-9),
        (StepSettings(16, "sgd", weight_decay=0.01), 1e-9),
        (StepSettings(16, "sgd", nesterov=True, clip_norm=0.1), 1e-9),
        (StepSettings(16, "adam"), 1e-9),
        (StepSettings(16, "adam", weight_decay=0.01, l1=1e-3, l2=1e-2), 1e-9),
        (StepSettings(16, "adam", clip_value=0.02, clip_norm=0.05), 1e-9),
        (StepSettings(16, "adamw", weight_decay=0.1, l2=1e-3), 1e-9),
        (StepSettings(16, "rmsprop", weight_decay=0.01), 1e-9),
        # torch keeps NAdam's product of momentum factors as float32
        (StepSettings(16, "nadam", weight_decay=0.01), 1e-6),
        (StepSettings(200, "adam"), 1e-9),
    ],
)
def test_steps_follow_torch_optim_to_the_last_digits(settings: StepSettings, tolerance: float, device: str) -> None:
    reference, module = network(), network()
    path, model = path_of(module, settings, device)
    epochs = 72 if settings == StepSettings(16, "adam") else 20  # 72 are 504 steps
    losses = textbook(reference, settings, epochs)
    found = run_path(path, settings, epochs, chunk=5)
    # on CUDA the coefficients are float32
    allowed = tolerance if device == "cpu" else max(tolerance, 1e-5)
    assert model.state.step == epochs * -(-ROWS // settings.batch_size)
    assert torch.allclose(values(module), values(reference), rtol=0, atol=allowed)
    assert np.allclose([loss for loss, _ in found], losses, rtol=allowed, atol=0)


@on_each_device
def test_regression_class_weights_and_smoothing_follow_too(device: str) -> None:
    settings = StepSettings(16, "adam")
    weights = np.array([0.5, 1.0, 3.0], dtype=np.float32)
    reference, module = network(), network()
    losses = textbook(reference, settings, 5, torch.from_numpy(weights).double(), 0.1)
    path, _ = path_of(module, settings, device, class_weights=weights.astype(np.float64), smoothing=0.1)
    found = run_path(path, settings, 5, chunk=3)
    assert np.allclose([loss for loss, _ in found], losses, rtol=1e-5 if device == "cuda" else 1e-9)

    reference, module = network(outputs=1), network(outputs=1)
    losses = textbook(reference, settings, 5)
    path, _ = path_of(module, settings, device)
    found = run_path(path, settings, 5, chunk=3)
    assert np.allclose([loss for loss, _ in found], losses, rtol=1e-5 if device == "cuda" else 1e-9)


@on_each_device
def test_hits_and_evaluation_are_those_of_the_general_path(device: str) -> None:
    settings = StepSettings(16, "adam")
    ours, theirs = (path_of(network(), settings, device, kind)[0] for kind in (GraphPath, GeneralPath))
    assert np.allclose(run_path(ours, settings, 4, 3), run_path(theirs, settings, 4, 3), rtol=1e-5)
    assert np.allclose(ours.evaluate(0, 20), theirs.evaluate(0, 20), rtol=1e-5)


@on_each_device
def test_how_an_epoch_is_cut_into_chunks_changes_nothing(device: str) -> None:
    settings = StepSettings(16, "adamw", weight_decay=0.01)
    curves = []
    for chunk in (1, 4, 100):
        path, _ = path_of(network(), settings, device)
        curves.append(run_path(path, settings, 5, chunk))
    if device == "cpu":
        assert curves[0] == curves[1] == curves[2]
    assert np.allclose(curves[0], curves[1], rtol=1e-5) and np.allclose(curves[0], curves[2], rtol=1e-5)


@on_each_device
def test_live_changes_take_effect_at_the_next_step(device: str) -> None:
    first, second = StepSettings(16, "adam"), StepSettings(32, "adam", weight_decay=0.1, l1=0.01, clip_norm=0.01)
    ours, theirs = (path_of(network(), first, device, kind) for kind in (GraphPath, GeneralPath))
    for path, _ in (ours, theirs):
        run_path(path, first, 3, 100)
        run_path(path, second, 3, 100)
        run_path(path, first, 3, 100)
    assert torch.allclose(ours[1].state.weights, theirs[1].state.weights, atol=1e-5 if device == "cuda" else 1e-9)


@on_each_device
def test_a_single_row_that_batch_normalisation_cannot_use_is_left_out(device: str) -> None:
    settings = StepSettings(ROWS - 1, "adam")
    path, model = path_of(network(nn.BatchNorm1d(8).double()), settings, device)
    totals = path.train(np.arange(ROWS), 0, 5, np.full(5, RATE), settings)
    assert (totals.done, totals.rows, model.state.step) == (ROWS, ROWS - 1, 1)
    assert int(model.buffers["1.num_batches_tracked"]) == 1


@on_each_device
def test_dropout_draws_from_its_own_generator_and_can_be_turned_off(device: str) -> None:
    def train(*parts: float) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator(device).manual_seed(9)
        path, model = path_of(network(SeededDropout(0.5, generator)), StepSettings(16, "adam", dropout=(0.5,)), device)
        for p in parts:
            run_path(path, StepSettings(16, "adam", dropout=(p,)), 4, 100)
        return model.state.weights.cpu(), generator.get_state()

    before = torch.get_rng_state()
    once, drawn = train(0.5, 0.5)
    again, drawn_again = train(0.5, 0.5)
    assert torch.equal(drawn, drawn_again) and torch.allclose(once, again, atol=1e-9)
    assert torch.equal(before, torch.get_rng_state())
    half, drawn_less = train(0.5, 0.0)
    assert not torch.equal(drawn_less, drawn) and not torch.allclose(half, once, atol=1e-3)


def test_what_does_not_fit_goes_on_in_parts_without_losing_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is torch's own: the module asks for more memory than any machine has, once."""

    class Hungry(nn.Module):
        fed = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if path._model.state.step == 3 and not self.fed:
                self.fed = True
                torch.empty(1 << 60)
            return x

    settings, notes = StepSettings(16, "adam"), []
    path, _ = path_of(network(Hungry()), settings, "cpu", notes=notes)
    theirs, _ = path_of(network(), settings, "cpu", GeneralPath)
    assert np.allclose(run_path(path, settings, 3, 100), run_path(theirs, settings, 3, 100), rtol=1e-9)
    assert len(notes) == 1 and "memory did not suffice" in notes[0]
    assert path._fallen


# -- what only a GPU shows


@needs_cuda
def test_long_chunks_replay_unrolled_graphs_and_short_ones_single_steps() -> None:
    settings = StepSettings(4, "adam")
    path, model = path_of(network(), settings, "cuda")
    order = next(orders())
    path.train(order, 0, WARM_STEPS, np.full(WARM_STEPS, RATE), settings)
    assert path.captured == ()
    path.train(order, WARM_STEPS * 4, UNROLLED + 2, np.full(UNROLLED + 2, RATE), settings)
    assert path.captured == (1, UNROLLED)
    assert model.state.step == WARM_STEPS + UNROLLED + 2
    path.close()
    assert path.captured == ()


@needs_cuda
def test_a_new_rate_needs_no_new_capture_and_a_new_batch_size_does() -> None:
    settings = StepSettings(4, "adam", weight_decay=0.01)
    path, _ = path_of(network(), settings, "cuda")
    run_path(path, settings, 2, 100)
    graphs = dict(path._graphs)
    run_path(path, StepSettings(4, "adam", weight_decay=0.02), 2, 100)
    assert path._graphs == graphs
    run_path(path, StepSettings(8, "adam", weight_decay=0.02), 2, 100)
    assert all(path._graphs[steps] is not graph for steps, graph in graphs.items())


@needs_cuda
def test_a_module_that_cannot_be_captured_trains_all_the_same() -> None:
    class Waiting(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * (1.0 if x.sum().item() > -1e30 else 0.0)  # .item() waits for the device

    settings, notes = StepSettings(16, "adam"), []
    path, _ = path_of(network(Waiting()), settings, "cuda", notes=notes)
    theirs, _ = path_of(network(), settings, "cuda", GeneralPath)
    assert np.allclose(run_path(path, settings, 3, 100), run_path(theirs, settings, 3, 100), rtol=1e-5)
    assert len(notes) == 1 and "not as a CUDA graph" in notes[0]


@needs_cuda
def test_another_thread_may_use_the_device_while_a_graph_is_captured() -> None:
    import threading

    settings, notes, over = StepSettings(4, "adam"), [], threading.Event()

    def predict() -> None:
        module = network().cuda()
        while not over.is_set():
            module(
                torch.randn(int(torch.randint(1, 4096, ())), FEATURES, dtype=torch.float64, device="cuda")
            ).sum().item()

    other = threading.Thread(target=predict)
    other.start()
    try:
        for _ in range(5):
            path, _ = path_of(network(), settings, "cuda", notes=notes)
            run_path(path, settings, 3, 100)
            assert path.captured == (1, UNROLLED)
    finally:
        over.set()
        other.join(30)
    assert notes == []
