"""The perceptron's script: it runs whatever the values are, and its numbers are those of the documented method."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import make_moons

from medilytica_widgets import algorithms
from medilytica_widgets.errors import ParameterError, ShapeError, UnknownParameterError
from medilytica_widgets.network import Head, Layer, build, default_layers, templates

pytestmark = pytest.mark.filterwarnings("error")

MLP = algorithms.get("mlp")
NORMED = [Layer("linear", units=8), Layer("batch_norm"), Layer("dropout", p=0.2)]
Change = tuple[int, str, Any]


def _tables(task: str = "classification", rows: int = 90) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    y: NDArray[Any] = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    if task == "regression":
        y = (1000 + 50 * x[:, 0] + 20 * x[:, 1] ** 2).astype(np.float32)
    parts = np.split(np.arange(rows), [rows * 6 // 10, rows * 8 // 10])
    names: dict[str, Any] = {}
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        names[f"X_{name}"], names[f"y_{name}"] = x[part], y[part]
    return names


def _script(
    values: dict[str, Any], task: str, layers: list[Layer], seed: int = 0, changes: tuple[Change, ...] = ()
) -> str:
    classes = 2 if task == "classification" else 1
    return "\n".join(MLP.code(values, task, seed, n_features=3, n_classes=classes, layers=layers, changes=changes))


def _run(
    values: dict[str, Any],
    task: str = "classification",
    layers: list[Layer] | None = None,
    changes: tuple[Change, ...] = (),
    tables: dict[str, Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    names = dict(tables or _tables(task))
    with torch.random.fork_rng():
        exec(_script(values, task, default_layers() if layers is None else layers, seed, changes), names)
    return names


values_strategy = st.fixed_dictionaries(
    {"epochs": st.integers(1, 3), "batch_size": st.sampled_from([1, 7, 53, 200])},
    optional={
        "optimizer": st.sampled_from(["adam", "adamw", "sgd", "rmsprop", "nadam"]),
        "schedule": st.sampled_from(algorithms.SCHEDULES),
        "learning_rate": st.sampled_from([1e-4, 1e-2]),
        "weight_decay": st.sampled_from([0.0, 0.01]),
        "l1": st.sampled_from([0.0, 1e-3]),
        "l2": st.sampled_from([0.0, 1e-3]),
        "dropout": st.sampled_from([None, 0.0, 0.5]),
        "clip_norm": st.sampled_from([None, 0.5]),
        "patience": st.sampled_from([None, 1, 5]),
        "momentum": st.sampled_from([0.1, 0.9]),
        "nesterov": st.booleans(),
        "warmup": st.sampled_from([0.0, 1.5]),
        "plateau_patience": st.sampled_from([1, 2]),
        "clip_value": st.sampled_from([None, 0.1]),
        "accumulation": st.sampled_from([1, 3]),
        "precision": st.sampled_from(["auto", "float32", "mixed"]),
    },
)
classes_strategy = st.fixed_dictionaries(
    {}, optional={"class_weight": st.just("balanced"), "label_smoothing": st.sampled_from([0.1, 0.5])}
)
change_strategy = st.tuples(
    st.integers(0, 12),
    st.sampled_from(
        [
            ("learning_rate", 1e-3),
            ("batch_size", 5),
            ("weight_decay", 0.1),
            ("l1", 0.01),
            ("l2", 0.0),
            ("dropout", 0.3),
            ("dropout", None),
            ("clip_norm", 1.0),
            ("clip_norm", None),
            ("clip_value", 0.01),
            ("clip_value", None),
        ]
    ),
).map(lambda pair: (pair[0], *pair[1]))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    values_strategy,
    classes_strategy,
    st.sampled_from(["classification", "regression"]),
    st.sampled_from([[], default_layers(), templates()["deep"], NORMED]),
    st.lists(change_strategy, max_size=4).map(tuple),
)
def test_the_script_runs_whatever_the_values_are(
    values: dict[str, Any], of_classes: dict[str, Any], task: str, layers: list[Layer], changes: tuple[Change, ...]
) -> None:
    if task == "classification":
        values = {**values, **of_classes}
    names = _run(values, task, layers, changes)
    rows = len(names["X_test"])
    assert names["predicted"].shape == (rows,)
    if task == "classification":
        assert names["probabilities"].shape == (rows, 2)
        assert names["probabilities"].dtype == np.float64
        np.testing.assert_allclose(names["probabilities"].sum(axis=1), 1.0)
        assert np.array_equal(names["probabilities"].argmax(axis=1), names["predicted"])


@settings(deadline=None, max_examples=40)
@given(
    values_strategy,
    classes_strategy,
    st.sampled_from([default_layers(), NORMED]),
    st.lists(change_strategy, max_size=2).map(tuple),
)
def test_the_script_imports_what_it_uses_and_nothing_else(
    values: dict[str, Any], of_classes: dict[str, Any], layers: list[Layer], changes: tuple[Change, ...]
) -> None:
    lines = _script({**values, **of_classes}, "classification", layers, changes=changes).split("\n")
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert lines[: len(imports)] == imports
    assert lines[len(imports)] == ""
    tree = ast.parse("\n".join(lines))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert {line.split()[-1] for line in imports} <= used
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert assigned - read <= {"epoch", "predicted"}
    assert max(map(len, lines)) <= 120


def test_it_starts_from_the_weights_that_build_makes() -> None:
    # a learning rate this small leaves float32 weights of this size almost as they were
    names = _run({"epochs": 1, "learning_rate": 1e-6, "optimizer": "sgd", "momentum": 0.0}, seed=5)
    built = build(default_layers(), 3, Head("classification"), 2, seed=5)
    for ours, start in zip(names["model"].parameters(), built.parameters(), strict=True):
        torch.testing.assert_close(ours, start, rtol=0, atol=1e-5)


def test_a_seed_is_one_result_and_another_seed_another() -> None:
    layers = templates()["shallow"]
    one, two, other = (_run({"epochs": 2}, layers=layers, seed=s)["probabilities"] for s in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_it_learns_what_no_straight_line_separates() -> None:
    x, y = make_moons(500, noise=0.15, random_state=0)
    x = np.hstack([x, np.zeros((500, 1))]).astype(np.float32)
    tables = {
        "X_train": x[:300], "y_train": y[:300], "X_validation": x[300:350], "y_validation": y[300:350],
        "X_test": x[350:],
    }  # fmt: skip
    names = _run({"epochs": 40, "batch_size": 32, "learning_rate": 0.01}, tables=tables)
    assert (names["predicted"] == y[350:]).mean() > 0.95


def test_regression_answers_in_the_targets_own_units() -> None:
    tables = _tables("regression", rows=600)
    predicted = _run({"epochs": 60, "batch_size": 32}, "regression", templates()["shallow"], tables=tables)["predicted"]
    error = np.abs(predicted - tables["y_test"]).mean()
    assert error < 0.2 * np.abs(tables["y_test"] - tables["y_train"].mean()).mean()


def test_a_constant_target_is_learned_and_divides_by_nothing() -> None:
    tables = _tables("regression")
    tables["y_train"] = np.full_like(tables["y_train"], 7.0)
    predicted = _run({"epochs": 30}, "regression", templates()["shallow"], tables=tables)["predicted"]
    assert np.abs(predicted - 7.0).max() < 1.0


def test_patience_stops_and_brings_the_best_weights_back() -> None:
    # labels of pure chance: the validation loss rises soon
    rng = np.random.default_rng(1)
    tables = _tables()
    tables["y_train"] = rng.integers(0, 2, len(tables["y_train"]))
    tables["y_validation"] = rng.integers(0, 2, len(tables["y_validation"]))
    layers = templates()["shallow"]
    values = {"epochs": 300, "learning_rate": 0.02, "batch_size": 16}
    names = _run({**values, "patience": 3}, layers=layers, tables=tables)
    best, last = names["best_epoch"], names["epoch"]
    assert last == best + 3 < 299
    alone = _run({**values, "epochs": best + 1}, layers=layers, tables=tables)
    assert np.array_equal(names["probabilities"], alone["probabilities"])


def test_a_change_acts_from_its_step_on() -> None:
    layers = templates()["shallow"]
    values = {"epochs": 4, "batch_size": 27}  # 54 rows: two steps an epoch
    plain = _run(values, layers=layers)["probabilities"]
    faster = _run({**values, "learning_rate": 0.1}, layers=layers)["probabilities"]
    at_once = _run(values, layers=layers, changes=((0, "learning_rate", 0.1),))
    late = _run(values, layers=layers, changes=((5, "learning_rate", 0.1),))["probabilities"]
    never = _run(values, layers=layers, changes=((8, "learning_rate", 0.1),))["probabilities"]
    assert np.array_equal(at_once["probabilities"], faster)
    assert at_once["step"] == 8
    assert np.array_equal(never, plain)
    assert not np.array_equal(late, plain)
    assert not np.array_equal(late, faster)


def test_a_batch_size_changes_in_the_middle_of_an_epoch_without_losing_a_row() -> None:
    names = _run({"epochs": 2, "batch_size": 50}, changes=((1, "batch_size", 2),))
    # 54 rows: one batch of 50, two of 2; then 27 of 2
    assert names["step"] == 3 + 27


def test_dropout_overrides_every_dropout_layer_and_gives_back_its_own() -> None:
    layers = [Layer("linear", units=4), Layer("dropout", p=0.1), Layer("dropout", p=0.2)]

    def rates(values: dict[str, Any], *changes: Change) -> list[float]:
        model = _run({"epochs": 2, **values}, layers=layers, changes=changes)["model"]
        return [module.p for module in model if isinstance(module, torch.nn.Dropout)]

    assert rates({}) == [0.1, 0.2]
    assert rates({"dropout": 0.5}) == [0.5, 0.5]
    assert rates({"dropout": 0.5}, (1, "dropout", None)) == [0.1, 0.2]
    assert rates({}, (1, "dropout", 0.3)) == [0.3, 0.3]


def test_batch_normalisation_leaves_out_a_single_last_row() -> None:
    tables = _tables()
    tables["X_train"], tables["y_train"] = tables["X_train"][:33], tables["y_train"][:33]
    layers = [Layer("linear", units=4), Layer("batch_norm")]
    assert np.isfinite(_run({"epochs": 2, "batch_size": 16}, layers=layers, tables=tables)["probabilities"]).all()


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"layer 1 \(linear\)"):
        _script({}, "classification", [Layer("linear", units=0)])
    with pytest.raises(ParameterError):
        _script({"epochs": 0}, "classification", [])
    with pytest.raises(ParameterError):
        _script({}, "classification", [], changes=((1, "learning_rate", -1),))
    with pytest.raises(UnknownParameterError):
        _script({}, "classification", [], changes=((1, "speed", 1),))
