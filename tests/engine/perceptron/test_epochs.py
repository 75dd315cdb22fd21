"""Whole epochs in one call: orders, validation, the interpreter's lock, and numbers that are none."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from medilytica_widgets.engine.perceptron import blas, compiled, compiler, ordering, permutation
from medilytica_widgets.engine.stepping import SLOTS, StepSettings
from medilytica_widgets.errors import InputError, StateError
from medilytica_widgets.network import Layer

FLOAT32 = np.dtype(np.float32)
RELU = (Layer("linear", units=16, activation="relu"),)
DROPPING = (*RELU, Layer("dropout", p=0.4), Layer("linear", units=8))


@pytest.fixture(scope="module", autouse=True)
def in_single_precision() -> None:
    compiler.compile_for(FLOAT32)


@pytest.mark.parametrize("rows", (1, 2, 3, 1000, 70_000))
@pytest.mark.parametrize("seed", (0, 7))
def test_the_orders_are_those_of_torch(case, rows, seed):
    assert permutation.follows_torch()
    training = case(dtype=torch.float32, layers=(), rows=rows, rows_val=0, settings=StepSettings(700))
    path, other = training.path("compiled"), training.path("compiled")
    mine, its = (torch.Generator().manual_seed(seed) for _ in range(2))
    steps = -(-rows // 700)
    path.train_epochs(mine, 2, training.rates(2 * steps), training.settings)
    for epoch in range(2):
        order = torch.randperm(rows, generator=its).numpy()
        other.train(order, 0, steps, training.rates(2 * steps)[epoch * steps :], training.settings)
    assert torch.equal(mine.get_state(), its.get_state())
    assert torch.equal(path.state.weights, other.state.weights)


@pytest.mark.parametrize("rows", (1, 2, 625, 3000))
def test_the_permutation_itself_is_that_of_torch(rows):
    generator = torch.Generator().manual_seed(11)
    words, drawn = ordering.read_state(generator.get_state().numpy()), np.empty(rows, np.int64)
    for _ in range(2):
        ordering.shuffle(words, drawn)
        np.testing.assert_array_equal(drawn, torch.randperm(rows, generator=generator))


@pytest.mark.parametrize("optimizer", ("sgd", "rmsprop", "nadam"))
@pytest.mark.parametrize("name", ("compiled", "twin"))
def test_copies_of_epochs_are_what_a_call_that_ends_there_leaves(case, name, optimizer):
    training = case(dtype=torch.float32, layers=RELU, settings=StepSettings(32, optimizer=optimizer))
    path, generator = training.path(name), torch.Generator().manual_seed(3)
    _, kept = path.train_epochs(generator, 5, training.rates(5 * 7), training.settings, keep=(0, 3, 9))
    assert sorted(kept) == [0, 3]
    for epoch, state in kept.items():
        other, its = training.path("compiled"), torch.Generator().manual_seed(3)
        rates = training.rates(5 * 7)[: (epoch + 1) * 7]
        other.train_epochs(its, epoch + 1, rates, training.settings)
        np.testing.assert_array_equal(state.weights, other.state.weights)
        np.testing.assert_array_equal(state.order_state, its.get_state())
        assert (state.step, state.mu_product) == (other.state.step, other.state.mu_product)
        assert tuple(state.slots) == SLOTS[optimizer]
        for slot, values in state.slots.items():
            np.testing.assert_array_equal(values, other.state.slots[slot])


@pytest.mark.parametrize("layers", (RELU, DROPPING))
@pytest.mark.parametrize("name", ("compiled", "twin"))
def test_whole_epochs_are_what_chunks_are_in_every_bit(case, name, layers):
    dropout = (0.4,) if layers is DROPPING else ()
    training = case(dtype=torch.float32, layers=layers, settings=StepSettings(32, dropout=dropout))
    whole, chunks = training.path(name), training.path("compiled")
    rates = training.rates(3 * 7)
    mine, its = (torch.Generator().manual_seed(3) for _ in range(2))
    table, _ = whole.train_epochs(mine, 3, rates, training.settings, validation_rows=40)
    assert table.shape == (3, 5)
    for epoch, (loss, hits, rows, val_loss, val_hits) in enumerate(table):
        order = torch.randperm(training.rows, generator=its).numpy()
        first = chunks.train(order, 0, 3, rates[epoch * 7 :], training.settings)
        rest = chunks.train(order, first.done, 9, rates[epoch * 7 + 3 :], training.settings, first.loss, first.hits)
        parts = [chunks.evaluate(0, 40), chunks.evaluate(40, 61)]
        assert (loss, hits, rows) == (rest.loss, rest.hits, training.rows)
        assert (val_loss, val_hits) == (parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])
    assert torch.equal(mine.get_state(), its.get_state())
    assert torch.equal(whole.state.weights, chunks.state.weights)
    assert whole.state.step == chunks.state.step == 21


def test_dropout_masks_do_not_depend_on_the_memory_for_them(case, train_path, monkeypatch):
    training = case(dtype=torch.float32, layers=DROPPING, settings=StepSettings(32, dropout=(0.4,)))
    roomy, tight = training.path("compiled"), training.path("compiled")
    wanted = train_path(roomy, training, 20, chunk=20)
    monkeypatch.setattr(compiled, "MASK_BYTES", 5000)
    assert train_path(tight, training, 20, chunk=20) == wanted
    assert torch.equal(roomy.state.weights, tight.state.weights)


@pytest.mark.parametrize("bad", (np.nan, np.inf, -np.inf))
@pytest.mark.parametrize("layers", (RELU, (Layer("linear", units=5, activation="silu"),)))
@pytest.mark.parametrize("name", ("compiled", "twin", "written"))
def test_a_diverging_training_says_so_in_its_loss(case, name, layers, bad):
    training = case(dtype=torch.float32, layers=layers, settings=StepSettings(32, clip_norm=1.0))
    training.data[0][100] = bad
    path = training.path(name)
    totals = path.train(np.arange(training.rows), 0, 7, training.rates(7), training.settings)
    assert totals.rows == training.rows
    assert not np.isfinite(totals.loss)


@pytest.mark.parametrize("name", ("compiled", "twin"))
def test_epochs_end_where_a_loss_is_not_finite(case, name):
    training = case(dtype=torch.float32, settings=StepSettings(32))
    path = training.path(name)
    path.state.weights[5] = np.nan
    generator = torch.Generator().manual_seed(0)
    table, kept = path.train_epochs(generator, 4, training.rates(28), training.settings, keep=range(4))
    assert len(table) == 1 and kept == {}
    assert np.isnan(table[0, 0])
    assert path.state.step == 7


@pytest.mark.parametrize("name", ("compiled", "twin"))
def test_a_call_ends_after_the_step_or_epoch_in_which_a_command_came(case, name):
    training = case(dtype=torch.float32, settings=StepSettings(32))
    waiting = np.zeros(1, np.int64)
    path, other = training.path(name, waiting), training.path(name)
    order = np.arange(training.rows)
    waiting[0] = 1
    first = path.train(order, 0, 7, training.rates(7), training.settings)
    assert (first.done, path.state.step) == (32, 1)
    waiting[0] = 0
    last = path.train(order, 32, 6, training.rates(7)[1:], training.settings, first.loss, first.hits)
    whole = other.train(order, 0, 7, training.rates(7), training.settings)
    assert (last.done, last.loss, last.hits) == (whole.done, whole.loss, whole.hits)
    # whole epochs end with an epoch, and the generator stands where the next one's order is drawn
    mine, its = (torch.Generator().manual_seed(3) for _ in range(2))
    waiting[0] = 1
    table, kept = path.train_epochs(mine, 4, training.rates(28), training.settings, keep=range(4))
    assert (len(table), path.state.step, list(kept)) == (1, 14, [0])
    waiting[0] = 0
    rest, _ = path.train_epochs(mine, 3, training.rates(28)[7:], training.settings)
    wanted, _ = other.train_epochs(its, 4, training.rates(28), training.settings)
    assert np.array_equal(np.concatenate((table, rest)), wanted)
    assert torch.equal(path.state.weights, other.state.weights)


def test_a_command_ends_a_call_that_would_take_long(case):
    training = case(dtype=torch.float32, layers=(Layer("linear", units=64),) * 2, rows=20_000)
    waiting = np.zeros(1, np.int64)
    path = training.path("compiled", waiting)
    timer = threading.Timer(0.2, waiting.fill, (1,))
    timer.start()
    epochs = 2000
    table, _ = path.train_epochs(
        torch.Generator().manual_seed(0), epochs, training.rates(625 * epochs), training.settings
    )
    timer.join()
    assert 0 < len(table) < epochs / 2


def test_the_masks_of_dropout_are_drawn_as_if_no_command_had_come(case):
    training = case(dtype=torch.float32, layers=DROPPING, settings=StepSettings(32, dropout=(0.4,)))
    disturbed, other = training.path("compiled", np.ones(1, np.int64)), training.path("compiled")
    order = np.arange(training.rows)
    for path in (disturbed, other):
        path.train(order, 0, 7, training.rates(7), training.settings)
    assert torch.equal(disturbed.state.weights, other.state.weights)


def test_other_threads_go_on_during_a_long_call(case):
    training = case(dtype=torch.float32, layers=(Layer("linear", units=64),) * 2, rows=20_000)
    path = training.path("compiled")
    # one call of the interpreter's lock: if it were kept, the other thread could not count
    over, counted, started = threading.Event(), [0], threading.Event()

    def count() -> None:
        started.set()
        while not over.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    thread.start()
    try:
        started.wait()
        # a thread that keeps the lock is never asked to give it up
        sys.setswitchinterval(1e-4)
        before = counted[0]
        epochs = 3
        path.train_epochs(torch.Generator().manual_seed(0), epochs, training.rates(epochs * 625), training.settings)
        during = counted[0] - before
    finally:
        sys.setswitchinterval(interval)
        over.set()
        thread.join()
    assert during > 10_000


def test_the_threads_of_blas_are_restored_when_the_last_of_two_calls_ends():
    libraries = blas._found()
    before = [library.get_num_threads() for library in libraries]
    try:
        for library in libraries:
            library.set_num_threads(2)
        with blas.one_thread():
            with blas.one_thread():
                assert [library.get_num_threads() for library in libraries] == [1] * len(libraries)
            assert [library.get_num_threads() for library in libraries] == [1] * len(libraries)
        assert [library.get_num_threads() for library in libraries] == [2] * len(libraries)
    finally:
        for library, count in zip(libraries, before, strict=True):
            library.set_num_threads(count)


LEAVE = """
import sys, threading
from medilytica_widgets.engine.perceptron import compiler
compiler.warm()
while {busy}:
    threading.Event().wait(0.001)
print(compiler.ready())
"""


@pytest.mark.parametrize("busy", ("False", "'numba' not in sys.modules", "not compiler._compiling.locked()"))
def test_an_interpreter_may_leave_while_the_compiler_runs(tmp_path, busy):
    done = subprocess.run(
        [sys.executable, "-c", LEAVE.format(busy=busy)],
        env={"NUMBA_CACHE_DIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


def test_what_was_compiled_in_the_background_is_ready_when_its_thread_ends():
    assert compiler.wait()
    assert compiler.ready()
    assert compiler.compiled(FLOAT32) is not None
    assert not any(thread.name == "medilytica-compile" for thread in threading.enumerate())


def test_neither_torch_nor_numba_is_imported_by_the_plan():
    script = "import sys, medilytica_widgets.engine.perceptron as p; print({'torch', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


def test_data_that_does_not_fit_is_refused(case):
    training = case(dtype=torch.float32)
    X, y, *validation = training.data
    for wrong in ((X[:, :5], y), (X, y[:-1]), (X, y + 1)):
        broken = replace(training)
        broken.data = (*wrong, *validation)
        with pytest.raises(InputError):
            broken.path("compiled")
    path = training.path("compiled")
    with pytest.raises(InputError, match="draw it again"):
        path.train(np.arange(204), 0, 1, training.rates(1), training.settings)


def test_dropout_without_a_generator_is_refused(case):
    training = case(dtype=torch.float32, layers=DROPPING, settings=StepSettings(32, dropout=(0.4,)))
    for name in ("compiled", "written"):
        path = training.path(name)
        path._generator = None
        with pytest.raises(StateError, match="generator"):
            path.train(np.arange(203), 0, 1, training.rates(1), training.settings)
