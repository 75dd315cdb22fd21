"""Slips with specifications, layers, heads and steps: each is said at once, and what stood before stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets import errors

LINEAR = mw.Layer("linear", units=8)


@pytest.fixture(scope="module")
def data() -> mw.Dataset:
    rows = range(60)
    frame = pd.DataFrame({"a": [k * 0.37 for k in rows], "b": [k % 7 + 0.5 for k in rows], "y": ["no", "yes"] * 30})
    return mw.load_dataset(frame, target="y")


@pytest.fixture
def exp(data: mw.Dataset) -> Iterator[mw.Experiment]:
    made = mw.Experiment(data, layers=[LINEAR], hyperparameters={"epochs": 5})
    yield made
    made.close()


TWO = [mw.Head("classification"), mw.Head("regression", target="a")]

# --- what is handed out is a copy -------------------------------------------------------------------


def test_what_is_read_cannot_change_the_experiment(exp: mw.Experiment) -> None:
    before = exp.spec.to_json()
    exp.spec.hyperparameters["epochs"] = -4
    exp.spec.layers.clear()
    exp.hyperparameters["epochs"] = -4
    exp.layers[0].options["units"] = -1
    exp.heads[0].options["delta"] = -1
    exp.head.options["delta"] = -1
    exp.spec.data.roles["a"] = "target"
    assert exp.spec.to_json() == before and exp.hyperparameters["epochs"] == 5


def test_layers_that_were_given_stay_the_giver_s(exp: mw.Experiment) -> None:
    mine = mw.Layer("linear", units=4)
    exp.set_layers([mine])
    mine.options["units"] = -1
    assert exp.layers[0].options["units"] == 4
    exp.undo()
    assert exp.layers == [LINEAR]


# --- what an algorithm does not have ----------------------------------------------------------------


def test_heads_that_only_a_network_learns_are_refused_at_once(data: mw.Dataset, exp: mw.Experiment) -> None:
    with pytest.raises(errors.HeadError, match="need a neural network"):
        mw.Experiment(data, "random_forest", heads=TWO)
    forest = mw.Experiment(data, "random_forest")
    for heads in (TWO, [mw.Head("classification", weight=2.0)]):
        with pytest.raises(errors.HeadError, match="need a neural network"):
            forest.set_heads(heads)
    with pytest.raises(errors.HeadError, match="need a neural network"):
        forest.spec = {**forest.spec.to_json(), "heads": [head.to_json() for head in TWO]}
    assert len(forest.heads) == 1 and not forest.can_undo
    exp.set_heads(TWO)
    before = exp.spec
    for change in (exp.select_algorithm, lambda id: exp.apply_parameters({"algorithm": id})):
        with pytest.raises(errors.HeadError, match="need a neural network"):
            change("random_forest")
    assert exp.spec == before
    exp.select_algorithm("deep_mlp")
    assert len(exp.heads) == 2


def test_layers_where_there_are_none_are_refused(data: mw.Dataset) -> None:
    with pytest.raises(errors.SpecError, match="Random forest has no layers"):
        mw.Experiment(data, "random_forest", layers=[LINEAR])
    with pytest.raises(errors.SpecError, match="follow from its hyperparameters"):
        mw.Experiment(data, "deep_mlp", layers=[LINEAR])
    forest = mw.Experiment(data, "random_forest")
    for change in (lambda: forest.set_layers([LINEAR]), lambda: forest.add_layer(0, LINEAR)):
        with pytest.raises(errors.StateError, match="Random forest has no layers"):
            change()


def test_layers_wait_while_a_forest_is_chosen(data: mw.Dataset, exp: mw.Experiment) -> None:
    exp.select_algorithm("random_forest")
    assert mw.Experiment.from_spec(exp.spec.to_json(), data).spec == exp.spec
    exp.select_algorithm("mlp")
    assert exp.layers == [LINEAR] and exp.hyperparameters["epochs"] == 5


# --- what is none -----------------------------------------------------------------------------------


class Module:
    """What looks like a module of torch, without torch."""

    state_dict = forward = None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["linear"], r"mw\.Layer\('linear'\)"),
        ([Module()], r"LayerBuilder\(exp\)\.load\(module\)"),
        (Module(), r"layers_of\(module\)"),
        (None, "None came"),
        (3, "3 came"),
        ("linear", "list of Layer objects.*'linear' came"),
        (LINEAR, r"single Layer came.*\[layer\]"),
        ([None], "at place 0 stands None"),
    ],
)
def test_what_is_no_stack(exp: mw.Experiment, data: mw.Dataset, given: Any, said: str) -> None:
    with pytest.raises(errors.InputError, match=said):
        exp.set_layers(given)
    if given is not None:
        with pytest.raises(errors.InputError, match=said):
            mw.Experiment(data, layers=given)
    assert exp.layers == [LINEAR] and not exp.can_undo


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (mw.Head("classification"), r"single Head came.*\[head\]"),
        (["classification"], r"mw\.Head\('classification'\)"),
        ("classification", "'classification' came"),
        (None, "None came"),
        ([{"task": "classification"}], "place 0 stands a dict"),
    ],
)
def test_what_is_no_list_of_heads(exp: mw.Experiment, data: mw.Dataset, given: Any, said: str) -> None:
    with pytest.raises(errors.InputError, match=said):
        exp.set_heads(given)
    if given is not None:
        with pytest.raises(errors.InputError, match=said):
            mw.Experiment(data, heads=given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([3], r"3 is no step.*mw\.Step"),
        ("pca", r"list of mw\.Step.*Write \['pca'\]"),
        (mw.Step("pca"), r"list of mw\.Step.*Write \[step\]"),
        (None, "NoneType came"),
        ([{"id": "pca", "optons": {}}], "is no step"),
    ],
)
def test_what_is_no_preprocessing(data: mw.Dataset, given: Any, said: str) -> None:
    with pytest.raises(errors.InputError, match=said):
        mw.Experiment(data, preprocessing=given)


def test_a_step_has_an_id_that_is_text() -> None:
    with pytest.raises(errors.SpecError, match="3 came"):
        mw.Step(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"task": "clasification"}, "Did you mean 'classification'"),
        ({"category": "Trees"}, "Did you mean 'Trees and ensembles'"),
        ({"category": "nothing"}, "no category 'nothing'"),
        ({"category": ("Preprocessing", "Scalings")}, "Did you mean 'Preprocessing / Scaling'"),
    ],
)
def test_lists_of_algorithms_name_the_nearest(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.InputError, match=said):
        mw.algorithms.list(**asked)
