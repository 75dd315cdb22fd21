"""Weight sheets: their numbers, the units that are stuck, their history, and what they may cost."""

from __future__ import annotations

import json
import math
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

from medilytica_widgets.engine.activations import FLAT, Activation, collect_activations, stuck_shares
from medilytica_widgets.engine.weight_sheet import COLUMNS, Budget, Layout, SheetBook, WeightSheet, sheet
from medilytica_widgets.errors import InputError

LAYOUT = Layout(("0.weight", "0.bias", "2.weight"), ((4, 3), (4,), (2, 4)))


def _buffers(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights, gradient, step = (rng.normal(size=LAYOUT.total).astype(np.float32) for _ in range(3))
    return weights, gradient, weights - np.float32(0.01) * step


def test_the_numbers_are_those_of_each_parameter() -> None:
    weights, gradient, before = _buffers()
    made = sheet(LAYOUT, weights, gradient, before, epoch=1.5, step=30, time=9.0)
    ends = np.cumsum(LAYOUT.sizes)[:-1]
    parts = zip(*(np.split(b.astype(np.float64), ends) for b in (weights, gradient, before)), strict=True)
    for i, (w, g, b) in enumerate(parts):
        expected = {
            "mean": w.mean(),
            "std": w.std(),
            "min": w.min(),
            "max": w.max(),
            "norm": np.linalg.norm(w),
            "gradient_norm": np.linalg.norm(g),
            "update_ratio": np.linalg.norm(w - b) / np.linalg.norm(b),
        }
        for name, value in expected.items():
            assert made.column(name)[i] == pytest.approx(value, rel=1e-5), (i, name)
    assert np.isnan(made.column("dead")).all()
    assert (made.epoch, made.step, made.time, made.names) == (1.5, 30, 9.0, LAYOUT.names)


def test_sums_are_exact_where_float32_would_overflow_or_lose() -> None:
    layout = Layout(("large", "many"), ((2,), (1 << 20,)))
    weights = np.concatenate([[3e30, 4e30], np.full(1 << 20, 0.1)]).astype(np.float32)
    made = sheet(layout, weights, weights)
    assert made.column("norm")[0] == pytest.approx(5e30, rel=1e-6)
    assert made.column("norm")[1] == pytest.approx(float(np.float32(0.1)) * 1024, rel=1e-12)
    assert made.column("std")[1] < 1e-8


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_show_in_their_parameter_only(bad: float) -> None:
    weights, gradient, before = _buffers()
    weights[-1] = gradient[0] = bad
    made = sheet(LAYOUT, weights, gradient, before)
    assert not np.isfinite(made.column("norm")[2]) and np.isfinite(made.column("norm")[:2]).all()
    assert not np.isfinite(made.column("gradient_norm")[0]) and np.isfinite(made.column("gradient_norm")[1:]).all()
    assert np.isnan(made.column("max")[2]) == np.isnan(bad)


@pytest.mark.filterwarnings("error")
def test_a_parameter_of_zeros_has_a_ratio_of_0_until_it_moves() -> None:
    weights, gradient, before = _buffers()
    before[:] = 0.0
    weights[:12] = 0.0
    made = sheet(LAYOUT, weights, gradient, before)
    assert made.column("update_ratio").tolist() == [0.0, math.inf, math.inf]
    assert np.isnan(sheet(LAYOUT, weights, gradient).column("update_ratio")).all()


def test_buffers_of_another_size_are_refused() -> None:
    weights, gradient, _ = _buffers()
    with pytest.raises(InputError, match="gradient.*24"):
        sheet(LAYOUT, weights, gradient[:-1])
    with pytest.raises(InputError, match="none of them empty"):
        Layout(("a",), ((0, 3),))


def test_json_brings_back_every_value() -> None:
    weights, gradient, before = _buffers()
    weights[0], gradient[-1] = np.nan, -np.inf
    made = sheet(LAYOUT, weights, gradient, before, epoch=2.0, step=7, time=1.0)
    again = WeightSheet.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False)))
    np.testing.assert_array_equal(again.values, made.values)
    assert (again.names, again.shapes, again.step) == (made.names, made.shapes, 7)
    with pytest.raises(InputError, match="no weight sheet"):
        WeightSheet.from_json({**made.to_json(), "mean": [1.0]})
    with pytest.raises(InputError, match="no column 'average'"):
        made.column("average")


def test_the_frame_has_a_row_for_each_parameter() -> None:
    frame = sheet(LAYOUT, *_buffers()).frame()
    assert list(frame.columns) == ["parameter", "shape", *COLUMNS]
    assert frame["shape"].tolist() == ["4 × 3", "4", "2 × 4"]


# -- stuck units


def test_units_are_dead_or_saturated_only_if_every_row_says_so() -> None:
    relu = np.array([[-1.0, -1.0, 0.0, 2.0], [-3.0, 1.0, 0.0, 2.0]], dtype=np.float32)
    tanh = np.array([[9.0, -9.0, 9.0, 0.0], [9.0, 9.0, 0.0, 0.0]], dtype=np.float32)
    dead, saturated = stuck_shares([Activation(0, "relu", relu), Activation(2, "tanh", tanh)], 4)
    np.testing.assert_array_equal(dead, [0.5, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(saturated, [np.nan, np.nan, 0.5, np.nan])
    made = sheet(LAYOUT, *_buffers(), stuck=stuck_shares([Activation(0, "relu", relu)], 3))
    assert made.column("dead")[0] == 0.5


@pytest.mark.parametrize("name", sorted(FLAT))
def test_the_slope_of_an_activation_is_small_beyond_its_bounds_and_not_before(name: str) -> None:
    function = {
        "relu": nn.ReLU(), "elu": nn.ELU(), "gelu": nn.GELU(), "silu": nn.SiLU(), "tanh": nn.Tanh(),
        "sigmoid": nn.Sigmoid(),
    }[name]  # fmt: skip
    x = torch.linspace(-20, 20, 40_001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(function(x).sum(), x)
    low, high = FLAT[name]
    inside = (x > low + 0.02) & (x < high - 0.02)
    assert (slope[~((x > low) & (x < high))].abs() < 1e-3).all()
    # gelu and silu turn around, so somewhere inside their slope is 0 as well
    assert slope[inside][[0]].abs() >= 9.5e-4


def test_what_goes_into_each_activation_is_collected_and_nothing_is_changed() -> None:
    stack = nn.Sequential(
        nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 4), nn.LeakyReLU(),
        nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2),
    )  # fmt: skip
    stack[4].eval()
    rows = torch.arange(30, dtype=torch.float32).reshape(10, 3)
    state = {name: value.clone() for name, value in stack.state_dict().items()}
    modes, generator = [part.training for part in stack.modules()], torch.get_rng_state()
    found = collect_activations(stack, rows)
    names = [name for name, _ in stack.named_parameters()]
    assert [(names[a.parameter], a.name, a.inputs.shape) for a in found] == [
        ("0.weight", "relu", (10, 5)),
        ("6.weight", "tanh", (10, 4)),
    ]
    assert [part.training for part in stack.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, state[name]) for name, value in stack.state_dict().items())
    assert all(parameter.grad is None for parameter in stack.parameters())
    with torch.no_grad():
        np.testing.assert_array_equal(found[0].inputs, stack[1].eval()(stack[0](rows)).numpy())


def test_the_modes_come_back_after_an_error() -> None:
    stack = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
    with pytest.raises(RuntimeError):
        collect_activations(stack, torch.zeros(2, 4))
    assert stack.training and stack[0].training


def test_the_pass_ends_at_the_last_activation_that_is_looked_at() -> None:
    passed: list[int] = []
    behind = nn.Linear(5, 2)
    behind.register_forward_pre_hook(lambda *_: passed.append(1))
    rows = torch.zeros(2, 3)
    assert len(collect_activations(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), behind), rows)) == 1
    # a pass costs a third of a step, and in such a network nobody would learn anything by it
    assert collect_activations(nn.Sequential(nn.Linear(3, 5), behind), rows) == []
    assert passed == []


# -- the book


def _numbered(n: int) -> WeightSheet:
    return WeightSheet(("w",), ((1,),), np.full((len(COLUMNS), 1), float(n)), epoch=float(n), step=n)


def test_a_reader_of_the_book_gets_what_is_new_and_always_the_last() -> None:
    book = SheetBook()
    assert book.latest is None and book.read() == ([], 0)
    book.add(_numbered(0))
    book.add(_numbered(1))
    sheets, cursor = book.read()
    assert ([s.step for s in sheets], cursor) == ([0, 1], 2)
    assert book.read(cursor) == ([], 2)
    book.add(_numbered(2))
    assert [s.step for s in book.read(cursor)[0]] == [2]
    assert book.latest is not None and book.latest.step == 2


def test_a_late_reader_gets_the_whole_course_evenly() -> None:
    book = SheetBook(limit=8)
    for n in range(1000):
        assert book.add(_numbered(n)) == n + 1
        assert [s.step for s in book.read(n)[0]] == [n]
    steps = [s.step for s in book.read()[0]]
    assert steps == [*range(0, 1000, 128), 999]
    assert [s.step for s in book.read(300)[0]] == [*range(384, 1000, 128), 999]
    assert len(book) == 1000


@pytest.mark.parametrize("count", [0, 1, 9, 100])
def test_a_book_comes_back_from_a_checkpoint_and_goes_on(count: int) -> None:
    book = SheetBook(limit=8)
    for n in range(count):
        book.add(_numbered(n))
    arrays, facts = book.export()
    again = SheetBook.restore(arrays, json.loads(json.dumps(facts)), limit=8)
    for n in range(count, count + 50):
        assert [s.step for s in again.read()[0]] == [s.step for s in book.read()[0]]
        book.add(_numbered(n))
        again.add(_numbered(n))
    assert len(again) == len(book)


def test_a_damaged_book_is_said() -> None:
    book = SheetBook()
    book.add(_numbered(0))
    arrays, facts = book.export()
    with pytest.raises(InputError, match="cannot be read"):
        SheetBook.restore({**arrays, "values": arrays["values"][:, :2]}, facts)
    with pytest.raises(InputError, match="cannot be read"):
        SheetBook.restore({}, facts)


def test_readers_beside_a_writer_see_the_sheets_in_order() -> None:
    book, wrong = SheetBook(limit=16), []

    def read() -> None:
        cursor, steps = 0, [-1]
        while cursor < 3000:
            sheets, cursor = book.read(cursor)
            steps += [s.step for s in sheets]
        if steps != sorted(set(steps)) or steps[-1] != 2999:
            wrong.append(steps)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(3000):
        book.add(_numbered(n))
    for reader in readers:
        reader.join(60)
    assert not any(reader.is_alive() for reader in readers)
    assert not wrong


# -- the budget


def test_a_sheet_is_due_after_enough_batches() -> None:
    budget = Budget(every=50)
    assert not budget.due(49, 0.0) and budget.due(50, 0.0)
    assert budget.next_step(0) == 50 and budget.next_step(70) == 70
    budget.made(50, 0.0, 0.0)
    assert budget.next_step(50) == 100
    assert not budget.due(99, 10.0) and budget.due(100, 10.0)


def test_sheets_take_at_most_a_hundredth_of_the_time_and_come_at_most_20_times_a_second() -> None:
    budget = Budget(every=1)
    budget.made(1, 5.0, 5.02)
    assert not budget.due(1000, 7.0) and budget.due(1000, 7.021)
    budget.made(1000, 8.0, 8.0001)
    assert not budget.due(2000, 8.049) and budget.due(2000, 8.051)


def test_a_resumed_run_counts_from_where_it_was_and_none_means_never() -> None:
    assert Budget(every=50, step=1000).next_step(1000) == 1050
    never = Budget(every=None)
    assert not never.due(10**9, 0.0) and never.next_step(3) == sys.maxsize
    with pytest.raises(InputError, match="every 0 batches"):
        Budget(every=0)
