"""The forecast against what a real step takes, what there is to take, and errors of every allocator."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from medilytica_widgets.engine import memory
from medilytica_widgets.engine.flat import FlatModel
from medilytica_widgets.engine.general import GeneralPath
from medilytica_widgets.engine.memory import Forecast, forecast, is_out_of_memory, micro_batch
from medilytica_widgets.engine.stepping import SLOTS, Objective, StepSettings
from medilytica_widgets.engine.torch_model import seed_dropout
from medilytica_widgets.errors import InputError, OutOfMemoryError, ShapeError
from medilytica_widgets.network import Head, Layer, build

LEAST, MOST = 0.9, 1.5
"""The forecast as a share of the measured peak."""

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: there is no allocator to ask")

BLOCK = Layer("transformer_block", heads=4, units=32)
# with dropout of its own, which torch's fused attention on the processor does not know
ENCODER = Layer(
    "torch",
    class_="TransformerEncoderLayer",
    arguments={"d_model": 16, "nhead": 4, "dim_feedforward": 16, "batch_first": True},
)

STACKS: dict[str, tuple[list[Layer], int, int, int, str]] = {
    "small": ([Layer("linear", units=64)] * 2, 30, 2, 2048, "adam"),
    "relu": ([Layer("linear", units=256)] * 2, 100, 10, 1024, "adamw"),
    "gelu": ([Layer("linear", units=128, activation="gelu")] * 4, 100, 10, 1024, "adam"),
    "tanh": ([Layer("linear", units=128, activation="tanh")] * 4, 100, 10, 1024, "sgd"),
    "batch norm": ([Layer("linear", units=128), Layer("batch_norm")] * 3, 100, 10, 1024, "adam"),
    "layer norm": ([Layer("linear", units=128), Layer("layer_norm")] * 3, 100, 1, 1024, "rmsprop"),
    "dropout": ([Layer("linear", units=128), Layer("dropout", p=0.2)] * 3, 100, 10, 1024, "adam"),
    "wide": ([Layer("linear", units=512)] * 2, 100, 10, 8, "nadam"),
    "wide adam": ([Layer("linear", units=512)] * 2, 100, 10, 8, "adam"),
    "many classes": ([Layer("linear", units=8)], 10, 2000, 256, "adam"),
    "residual": ([Layer("linear", units=128)] + [Layer("residual", units=128)] * 3, 60, 3, 1024, "adam"),
    "convolution": (
        [Layer("sequence"), Layer("conv1d", channels=16), Layer("conv1d", channels=32), Layer("global_pooling")],
        60,
        3,
        256,
        "adam",
    ),
    "gru": ([Layer("tokens", units=8), Layer("gru", units=32)], 60, 3, 64, "adam"),
    "lstm": ([Layer("tokens", units=8), Layer("lstm", units=32)], 60, 3, 64, "adam"),
    "attention": ([Layer("tokens", units=16), Layer("attention"), Layer("pool_tokens")], 200, 3, 64, "adam"),
    "transformer": ([Layer("tokens", units=16), BLOCK, Layer("pool_tokens")], 200, 3, 64, "adam"),
    "transformers": ([Layer("tokens", units=16), *[BLOCK] * 3, Layer("pool_tokens")], 60, 3, 128, "adam"),
    "torch's encoder": ([Layer("tokens", units=16), ENCODER, Layer("pool_tokens")], 200, 3, 32, "adam"),
}

FUSED = ("attention", "transformer")
"""Stacks whose attention torch's fused kernels serve."""


def train_two_batches(stack: str, device: str, n_rows: int, X: torch.Tensor) -> None:
    layers, n_features, n_outputs, batch, optimizer = STACKS[stack]
    head = Head("classification" if n_outputs > 1 else "regression")
    module = build(layers, n_features, head, n_outputs, seed=0)
    dropouts = seed_dropout(module, torch.Generator(device).manual_seed(0))
    settings = StepSettings(batch, optimizer, dropout=tuple(layer.own for layer in dropouts))
    y = torch.zeros(n_rows, dtype=torch.int64 if n_outputs > 1 else torch.float32)
    path = GeneralPath(
        FlatModel(module.to(device), optimizer, settings.momentum),
        Objective(n_outputs if n_outputs > 1 else 0),
        X.to(device),
        y.to(device),
        X[:0].to(device),
        y[:0].to(device),
        dropouts=dropouts,
        settings=settings,
        threads=1,
        mixed=False,
        part_rows=None,
        note=pytest.fail,
    )
    path.train(np.random.default_rng(0).permutation(n_rows), 0, 2, np.full(2, 1e-3), settings)


def peak_on_cpu(stack: str, n_rows: int, X: torch.Tensor) -> int:
    """Return the most bytes that torch's allocator had given out at once, by its own record."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        train_two_batches(stack, "cpu", n_rows, X)
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    return int(np.cumsum([e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]).max())


def forecast_of(stack: str, device: str, n_rows: int, **kept: Any) -> Forecast:
    layers, n_features, n_outputs, batch, optimizer = STACKS[stack]
    head = Head("classification" if n_outputs > 1 else "regression")
    return forecast(layers, n_features, head, n_outputs, batch, optimizer, n_rows=n_rows, device=device, **kept)


@pytest.mark.parametrize("stack", STACKS)
def test_the_forecast_is_what_a_real_step_takes_on_the_cpu(stack: str) -> None:
    n_rows = 2 * STACKS[stack][3]
    X = torch.randn(n_rows, STACKS[stack][1], generator=torch.Generator().manual_seed(0))
    train_two_batches(stack, "cpu", n_rows, X)
    share = forecast_of(stack, "cpu", n_rows).total / peak_on_cpu(stack, n_rows, X)
    assert LEAST < share < MOST, f"forecast / measured = {share:.2f}"


@pytest.mark.parametrize("stack", FUSED)
def test_the_square_of_the_tokens_counts_where_torch_keeps_it(stack: str) -> None:
    # as on a device without fused attention
    n_rows = 2 * STACKS[stack][3]
    X = torch.randn(n_rows, STACKS[stack][1], generator=torch.Generator().manual_seed(0))
    with sdpa_kernel(SDPBackend.MATH):
        train_two_batches(stack, "cpu", n_rows, X)
        peak = peak_on_cpu(stack, n_rows, X)
    share = forecast_of(stack, "mps", n_rows).total / peak
    assert LEAST < share < MOST, f"forecast / measured = {share:.2f}"
    square = STACKS[stack][3] * 4 * STACKS[stack][1] ** 2 * 4
    assert forecast_of(stack, "mps", n_rows).activations > 2 * square > forecast_of(stack, "cpu", n_rows).activations


def test_cuda_keeps_the_square_only_for_heads_that_no_fused_kernel_takes() -> None:
    wide, narrow = (
        forecast(
            [Layer("tokens", units=16), Layer("attention", heads=heads), Layer("pool_tokens")],
            *(500, Head("classification"), 3, 32, "adam"),
            n_rows=64,
            device="cuda",
        ).activations
        for heads in (4, 8)
    )
    assert wide < 32 * 4 * 500**2 * 4 < narrow


@needs_cuda
@pytest.mark.parametrize("stack", STACKS)
def test_the_forecast_is_what_a_real_step_takes_on_cuda(stack: str) -> None:
    n_rows = 2 * STACKS[stack][3]
    X = torch.randn(n_rows, STACKS[stack][1], generator=torch.Generator().manual_seed(0))
    train_two_batches(stack, "cuda", n_rows, X)
    memory.free("cuda")
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    train_two_batches(stack, "cuda", n_rows, X)
    share = forecast_of(stack, "cuda", n_rows).total / (torch.cuda.max_memory_allocated() - before)
    assert LEAST < share < MOST, f"forecast / measured = {share:.2f}"


def test_every_part_is_counted_in_bytes() -> None:
    found = forecast([Layer("linear", units=7)], 5, Head("classification"), 3, 10, "adam", n_rows=100, device="cuda")
    weights = 5 * 7 + 7 + 7 * 3 + 3
    assert found.parameters == 4 * weights
    assert found.gradients == 4 * (weights + 5 * 7 + 7)
    assert found.optimizer == 2 * 4 * weights
    assert found.data == 100 * 5 * 4 + 100 * 16
    assert found.total == found.fixed + found.activations


def test_rows_that_stay_where_they_are_do_not_count_on_the_cpu() -> None:
    assert forecast_of("small", "cuda", 1000).data - forecast_of("small", "cpu", 1000).data == 1000 * 30 * 4


def test_half_precision_halves_the_activations_and_copies_the_weights() -> None:
    full, mixed = (forecast_of("relu", "cuda", 5000, precision=p) for p in ("float32", "bfloat16"))
    assert 0.5 < mixed.activations / full.activations < 0.7
    assert mixed.parameters == 1.5 * full.parameters
    assert mixed.optimizer == full.optimizer


def test_a_batch_is_never_larger_than_the_table() -> None:
    assert forecast_of("small", "cpu", 10).batch_size == 10


@pytest.mark.parametrize("optimizer", SLOTS)
def test_every_optimizer_is_known(optimizer: str) -> None:
    found = forecast([Layer("linear")], 5, Head("regression"), 1, 10, optimizer, n_rows=10, device="cpu")
    assert found.optimizer >= found.parameters


def test_what_cannot_be_forecast_says_so() -> None:
    stack, head = [Layer("linear")], Head("regression")
    with pytest.raises(InputError, match="no optimizer 'adamm'.*'adam"):
        forecast(stack, 5, head, 1, 10, "adamm", n_rows=10, device="cpu")
    with pytest.raises(InputError, match="no precision 'float8'"):
        forecast(stack, 5, head, 1, 10, "adam", precision="float8", n_rows=10, device="cpu")
    with pytest.raises(ShapeError):
        forecast([Layer("linear", units=0)], 5, head, 1, 10, "adam", n_rows=10, device="cpu")


def test_the_sentence_names_sizes_a_person_reads() -> None:
    sentence = Forecast(2_000_000_000, 1_000_000, 1_500_000, 2_000, 300_000_000, 4096).sentence()
    assert "data 2.0 GB" in sentence and "parameters 1.0 MB" in sentence and "optimizer 0.00 MB" in sentence
    assert "about 2.3 GB" in sentence and "a batch of 4096 300.0 MB" in sentence


# -- what fits


def linear(rows: int) -> Forecast:
    return Forecast(data=100, parameters=10, gradients=10, optimizer=20, activations=rows * 10, batch_size=rows)


@pytest.mark.parametrize(("free", "expected"), [(10_000, 128), (140 + 1280, 128), (140 + 1279, 64), (155, 1), (150, 1)])
def test_the_micro_batch_is_the_largest_halving_that_fits(free: int, expected: int) -> None:
    assert micro_batch(linear, 128, free) == expected


def test_odd_batches_are_halved_upwards() -> None:
    assert micro_batch(linear, 101, 140 + 510) == 51


@pytest.mark.parametrize(
    ("wanted", "advice"),
    [
        (Forecast(10**9, 10**6, 10**6, 10**6, 10, 1), "fewer rows"),
        (Forecast(10**3, 10**9, 10**9, 10**9, 10, 1), "narrower layers, or the optimizer 'sgd'"),
        (Forecast(10**3, 10**6, 10**6, 10**6, 10**9, 1), "Try narrower layers."),
    ],
)
def test_what_cannot_fit_says_what_to_change(wanted: Forecast, advice: str) -> None:
    with pytest.raises(OutOfMemoryError, match=r"even with a batch of one row it needs \d") as caught:
        micro_batch(lambda rows: wanted, 64, 10**8)
    assert advice in caught.value.message


# -- what there is


def test_the_processors_memory_is_part_of_the_machines() -> None:
    assert 0 < memory.available("cpu") <= psutil.virtual_memory().total


@needs_cuda
def test_a_devices_memory_counts_what_the_allocator_only_holds() -> None:
    memory.free("cuda")
    before = memory.available("cuda")
    held = torch.empty(1 << 26, dtype=torch.uint8, device="cuda")
    assert memory.available("cuda") <= before - (1 << 26)
    del held
    assert abs(memory.available("cuda") - before) < 1 << 24


def write_group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_the_limit_of_a_control_group_counts_in_either_version(tmp_path: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    write_group(root / "kernel", memory__max="max", memory__current=5, memory__stat="inactive_file 0")
    write_group(root / "kernel" / "a", memory__max=1000, memory__current=700, memory__stat="anon 1\ninactive_file 100")
    own.write_text("0::/kernel/a\n")
    assert memory.cgroup_free(root, own) == [400]

    write_group(
        root / "memory" / "docker",
        memory__limit_in_bytes=900,
        memory__usage_in_bytes=800,
        memory__stat="inactive_file 7\ntotal_inactive_file 50",
    )
    own.write_text("4:memory:/docker/of/the/host\n3:cpu:/x\nnot a line\n")
    assert memory.cgroup_free(root, own) == [150]

    assert memory.cgroup_free(root, tmp_path / "missing") == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_limit_of_the_address_space_is_seen_and_its_error_recognised() -> None:
    """In a process of its own: torch and numpy fail there as they do on a machine that is full."""
    code = """
import resource, sys
import numpy as np, psutil, torch
from medilytica_widgets.engine.memory import available, is_out_of_memory
limit = psutil.Process().memory_info().vms + (1 << 28)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
assert available("cpu") <= 1 << 28, available("cpu")
for allocate in (lambda: torch.empty(1 << 30), lambda: np.empty(1 << 30), lambda: bytearray(1 << 32)):
    try:
        allocate()
    except Exception as error:
        assert is_out_of_memory(error), repr(error)
    else:
        sys.exit("it was allocated")
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=100, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- errors


def test_errors_of_memory_are_told_from_others() -> None:
    for allocate in (lambda: np.empty(1 << 50), lambda: torch.empty(1 << 50), lambda: [0] * (1 << 62)):
        with pytest.raises((MemoryError, RuntimeError)) as caught:
            allocate()
        assert is_out_of_memory(caught.value)
    texts = (
        "CUDA error: out of memory",
        "MPS backend out of memory (MPS allocated: 17.9 GB)",
        "Invalid buffer size: 74.51 GiB",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    )
    assert all(is_out_of_memory(RuntimeError(text)) for text in texts)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(OutOfMemoryError("ours"))
    assert is_out_of_memory(OSError(12, "Cannot allocate memory"))
    for other in (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), OSError(28, "No space left on device")):
        assert not is_out_of_memory(other)
    assert not is_out_of_memory(ValueError("the word memory alone: out of memory"))


def test_free_collects_what_only_a_cycle_holds() -> None:
    import weakref

    class Holder:
        pass

    holder = Holder()
    holder.me = holder  # type: ignore[attr-defined]
    gone = weakref.ref(holder)
    del holder
    memory.free("cpu")
    assert gone() is None


@needs_cuda
def test_free_gives_a_devices_memory_back() -> None:
    held = torch.empty(1 << 28, dtype=torch.uint8, device="cuda")
    del held
    memory.free("cuda")
    assert torch.cuda.memory_reserved() < 1 << 28
