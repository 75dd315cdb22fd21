"""Networks whose layers follow from their hyperparameters: tables, limits, and the accuracy of hand-written torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from medilytica_widgets import algorithms, network
from medilytica_widgets.algorithms import Algorithm
from medilytica_widgets.algorithms.base import ARCHITECTURE, SUPERVISED
from medilytica_widgets.algorithms.preset_rules import PRESETS, presets_of
from medilytica_widgets.data import Prepared, load_dataset, prepare, split
from medilytica_widgets.engine import Job, Trainer
from medilytica_widgets.errors import ParameterError, ShapeError, SpecError, UnknownParameterError
from medilytica_widgets.network import Head, Layer
from medilytica_widgets.parameters import Parameter

IDS = ("deep_mlp", "wide_and_deep", "conv1d", "lstm", "gru", "ft_transformer")
ENTRIES = [algorithms.get(id) for id in IDS]
LARGEST = 12


def test_all_that_is_promised_is_there() -> None:
    known = [entry.id for entry in algorithms.list(category="Neural networks")]
    assert known == ["mlp", *IDS, "autoencoder"]
    assert [entry.id for entry in algorithms.list(category="Neural networks", task="regression")] == ["mlp", *IDS]


@pytest.mark.parametrize("entry", [*ENTRIES, algorithms.get("autoencoder")], ids=lambda entry: entry.id)
def test_an_entry_is_documented(entry: Algorithm) -> None:
    for words in (entry.summary, entry.when, entry.when_not):
        assert len(words) > 40 and words[0].isupper() and words.endswith("."), words
    assert entry.references
    own = [p for p in entry.parameters.parameters if p.group == ARCHITECTURE]
    assert len(own) >= 4 and all(p.help.endswith(".") for p in own)
    assert {"fast", "accurate"} <= set(presets_of(entry))
    assert set(entry.presets) <= set(PRESETS)


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_training_is_described_once(entry: Algorithm) -> None:
    mlp = algorithms.parameters("mlp")
    assert entry.tasks == SUPERVISED and entry.engine == "torch" and not entry.uses_layers and entry.has_layers
    assert set(mlp) <= set(entry.parameters)
    assert all(entry.parameters[id] is mlp[id] for id in mlp if id not in ("learning_rate", "dropout"))


def some_value(parameter: Parameter) -> st.SearchStrategy[Any]:
    if parameter.kind == "choice":
        return st.sampled_from(list(parameter.choices))
    if parameter.kind == "bool":
        return st.booleans()
    low, high = parameter.low or 0.0, parameter.high or LARGEST
    if parameter.kind == "float":
        return st.floats(low, min(high, 4.0))
    numbers = st.integers(int(low), int(min(high, LARGEST)))
    return st.none() | numbers if parameter.optional else numbers


@settings(max_examples=12, deadline=None)
@given(data=st.data(), n_features=st.integers(1, 40))
@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_whatever_is_allowed_makes_layers_that_connect(entry: Algorithm, data: st.DataObject, n_features: int) -> None:
    own = {p.id: some_value(p) for p in entry.parameters.parameters if p.group == ARCHITECTURE}
    values = data.draw(st.fixed_dictionaries(own))
    # what two of them must be together has tests of its own
    if "heads" in values:
        values["token_width"] *= values["heads"]
    if "kernel" in values:
        values["kernel"] |= 1
    full = entry.validate(values, "classification")
    layers = entry.stack(full, n_features)
    found = network.analyse(layers, n_features, Head("classification"), 3)
    assert found.error is None
    assert layers == entry.stack(full, n_features)


@pytest.mark.parametrize(
    ("id", "values", "name", "nearest"),
    [
        ("ft_transformer", {"token_width": 30, "heads": 4}, "token_width", 28),
        ("ft_transformer", {"token_width": 31, "heads": 4}, "token_width", 32),
        ("ft_transformer", {"token_width": 3, "heads": 8}, "token_width", 8),
        ("conv1d", {"kernel": 4}, "kernel", 5),
        ("deep_mlp", {"optimizer": "sgd", "nesterov": True, "momentum": 0.0}, "nesterov", None),
        ("deep_mlp", {"normalisation": "group"}, "normalisation", "layer"),
        ("lstm", {"units": 0}, "units", 1),
        ("gru", {"dropout": None}, "dropout", 0.1),
    ],
)
def test_values_that_do_not_fit_are_refused(id: str, values: dict[str, Any], name: str, nearest: Any) -> None:
    with pytest.raises(ParameterError, match=name) as caught:
        algorithms.validate(id, values)
    assert caught.value.parameter == name and caught.value.nearest == nearest
    if nearest is not None:
        algorithms.validate(id, {**values, name: nearest})


def test_an_unknown_hyperparameter_names_the_nearest() -> None:
    with pytest.raises(UnknownParameterError, match="'token_width'"):
        algorithms.validate("ft_transformer", {"token_with": 8})


@pytest.mark.parametrize(("id", "most"), [("lstm", 10_000), ("gru", 10_000), ("ft_transformer", 1_000)])
def test_a_table_that_is_too_wide_is_refused(id: str, most: int) -> None:
    entry = algorithms.get(id)
    entry.check_features(most)
    with pytest.raises(ShapeError, match=f"at most {most:,} features, and the prepared table has {most + 1:,}"):
        entry.check_features(most + 1)


def test_only_a_network_of_torch_makes_its_layers() -> None:
    entry = algorithms.get("deep_mlp")
    with pytest.raises(SpecError, match="its engine is 'torch'"):
        replace(entry, uses_layers=True)
    mine = [Layer("linear", units=3)]
    assert algorithms.get("mlp").stack({}, 4, mine) == tuple(mine)
    assert entry.stack(entry.validate({}), 4, mine) != tuple(mine)


def test_a_script_sets_dropout_only_where_the_layers_have_another() -> None:
    def lines(id: str, values: dict[str, Any], layers: list[Layer] | tuple[Layer, ...] = ()) -> str:
        entry = algorithms.get(id)
        stack = entry.stack(entry.validate(values), 4, layers)
        return "\n".join(entry.code(values, "classification", 0, n_features=4, n_classes=2, layers=stack))

    assert "module.p" not in lines("deep_mlp", {"dropout": 0.3})
    assert "dropout=0.3" in lines("deep_mlp", {"dropout": 0.3})
    assert "module.p = 0.3" in lines("mlp", {"dropout": 0.3}, [Layer("residual", units=4)])
    assert "module.p = 0.3" in lines("mlp", {"dropout": 0.3}, [Layer("torch.nn.Dropout")])
    assert "module.p" not in lines("mlp", {"dropout": 0.3}, [Layer("linear", units=4)])
    assert "cannot use a single row" in lines("deep_mlp", {"normalisation": "batch"})


# --- the accuracy of the same network, written out and trained by hand -------------------------------------


@pytest.fixture(scope="module")
def rows() -> Prepared:
    data = load_dataset("breast_cancer")
    return prepare(data, split(data, seed=1))


def trained_by_hand(job: Job) -> nn.Module:
    """Train the printed module as any torch tutorial does."""
    with torch.random.fork_rng():
        torch.manual_seed(job.seed)
        names: dict[str, Any] = {}
        source = network.source_lines(job.layers, job.n_features, Head(job.task), job.n_classes)
        exec("\n".join(source), names)
        model: nn.Module = names["model"]
        inputs, targets = torch.tensor(job.prepared.X_train), torch.tensor(job.prepared.y_train)
        optimizer = torch.optim.Adam(model.parameters(), lr=job.values["learning_rate"])
        loss_function = nn.CrossEntropyLoss()
        model.train()
        for _ in range(job.values["epochs"]):
            order = torch.randperm(len(inputs))
            for start in range(0, len(inputs), job.values["batch_size"]):
                batch = order[start : start + job.values["batch_size"]]
                optimizer.zero_grad()
                loss_function(model(inputs[batch]), targets[batch]).backward()
                optimizer.step()
    return model.eval()


@pytest.mark.parametrize("id", ["mlp", "deep_mlp", "ft_transformer", "lstm"])
def test_the_engine_reaches_the_accuracy_of_torch_by_hand(id: str, rows: Prepared) -> None:
    values = {"epochs": 20, "batch_size": 64} | ({"token_width": 16} if id == "ft_transformer" else {})
    job = Job(algorithms.get(id), values, rows, layers=network.default_layers(), seed=1)
    trainer = Trainer(job)
    trainer.start()
    trainer.wait(120)
    right = trainer.predictor().predict(rows.X_test) == rows.y_test
    trainer.close()
    model = trained_by_hand(job)
    with torch.no_grad():
        by_hand = model(torch.tensor(rows.X_test)).argmax(1).numpy() == rows.y_test
    # of the difference between the two, row by row; one row where they agree on all
    error = max(float(np.std(right.astype(float) - by_hand)), 1 / np.sqrt(len(right))) / np.sqrt(len(right))
    assert abs(right.mean() - by_hand.mean()) <= 2 * error
    assert by_hand.mean() > 0.85
