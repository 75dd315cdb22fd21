"""What differs between two specifications is said field by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import medilytica_widgets as mw
from medilytica_widgets import errors
from medilytica_widgets.spec import load_spec
from medilytica_widgets.spec_diff import Difference, compare

LINEAR, DROPOUT = mw.Layer("linear", units=64), mw.Layer("dropout", p=0.1)


@pytest.fixture(scope="module")
def moons() -> mw.Dataset:
    return mw.load_dataset("moons")


def spec(moons: mw.Dataset, **fields: Any) -> Any:
    return mw.Experiment(moons, **fields).spec


def test_nothing_differs(moons: mw.Dataset) -> None:
    exp = mw.Experiment(moons)
    found = exp.diff(mw.Experiment(moons))
    assert len(found) == 0 and not found
    assert repr(found) == "Nothing differs." and "Nothing differs" in found._repr_html_()


def test_fields_are_compared_one_by_one_with_defaults_where_the_algorithm_is_the_same(moons: mw.Dataset) -> None:
    first = mw.Experiment(moons, hyperparameters={"learning_rate": 0.01}, seed=1)
    second = mw.Experiment(moons, hyperparameters={"epochs": 7}, name="second", test=0.3)
    defaults = mw.algorithms.parameters("mlp").defaults()
    assert set(first.diff(second)) == {
        Difference("name", "moons", "second"),
        Difference("hyperparameters.learning_rate", 0.01, defaults["learning_rate"]),
        Difference("hyperparameters.epochs", defaults["epochs"], 7),
        Difference("split.test", 0.2, 0.3),
        Difference("seed", 1, 0),
    }


def test_of_two_algorithms_what_was_set_is_compared(moons: mw.Dataset) -> None:
    first = mw.Experiment(moons, algorithm="random_forest", hyperparameters={"n_estimators": 7})
    second = mw.Experiment(moons, algorithm="gradient_boosting", hyperparameters={"learning_rate": 0.5})
    assert list(first.diff(second)) == [
        Difference("algorithm", "random_forest", "gradient_boosting"),
        Difference("hyperparameters.n_estimators", 7, None, "removed"),
        Difference("hyperparameters.learning_rate", None, 0.5, "added"),
    ]


def test_a_layer_put_between_is_one_difference(moons: mw.Dataset) -> None:
    before = spec(moons, layers=[LINEAR, LINEAR])
    after = spec(moons, layers=[LINEAR, DROPOUT, LINEAR])
    assert list(compare(before, after)) == [Difference("layers[1]", None, DROPOUT.to_json(), "added")]
    assert list(compare(after, before)) == [Difference("layers[1]", DROPOUT.to_json(), None, "removed")]


def test_an_option_of_a_layer_is_found_behind_one_that_was_put_in(moons: mw.Dataset) -> None:
    before = spec(moons, layers=[LINEAR, LINEAR])
    after = spec(moons, layers=[DROPOUT, LINEAR, mw.Layer("linear", units=8)])
    assert list(compare(before, after)) == [
        Difference("layers[0]", None, DROPOUT.to_json(), "added"),
        Difference("layers[2].options.units", 64, 8),
    ]


def test_a_layer_of_another_kind_is_taken_out_and_one_put_in(moons: mw.Dataset) -> None:
    found = compare(spec(moons, layers=[LINEAR]), spec(moons, layers=[DROPOUT]))
    assert [(d.path, d.kind) for d in found] == [("layers[0]", "removed"), ("layers[0]", "added")]


def test_it_takes_a_run_a_specification_and_plain_data(moons: mw.Dataset) -> None:
    exp = mw.Experiment(moons, hyperparameters={"epochs": 1})
    run = exp.train().wait(60)
    exp.set("epochs", 2)
    wanted = [Difference("hyperparameters.epochs", 2, 1)]
    assert list(exp.diff(run)) == list(exp.diff(run.spec)) == list(exp.diff(run.spec.to_json())) == wanted
    assert list(exp.diff(exp.spec.to_json() | {"version": 1})) == []
    exp.close()


def test_what_has_no_specification_is_refused(moons: mw.Dataset) -> None:
    exp = mw.Experiment(moons)
    with pytest.raises(errors.InputError, match="Dataset has no specification"):
        exp.diff(moons)
    with pytest.raises(errors.SpecError, match="'algoritm'"):
        exp.diff(exp.spec.to_json() | {"algoritm": "mlp"})


def test_none_that_was_set_is_told_from_nothing(moons: mw.Dataset) -> None:
    before, after = spec(moons), spec(moons, hyperparameters={"patience": 3})
    (found,) = compare(before, after)
    assert (found.before, found.after, found.kind) == (None, 3, "changed")
    assert repr(found) == "hyperparameters.patience: None → 3"


def test_the_table_is_readable_and_escaped(moons: mw.Dataset) -> None:
    before = spec(moons, name="<img src=x onerror=alert(1)>", layers=[LINEAR])
    found = compare(before, spec(moons, name="b\nc", seed=2, layers=[LINEAR, DROPOUT]))
    first, *rows = repr(found).splitlines()
    assert first == "3 differences"
    assert [row.index("→") for row in rows] == [rows[0].index("→")] * 3
    assert "layers[1]" in rows[1] and rows[1].endswith("→ dropout(p=0.1)")
    assert "<img" not in found._repr_html_() and "&lt;img" in found._repr_html_()
    long = compare(before, spec(moons, name="x" * 500, layers=[LINEAR]))
    assert len(repr(long)) < 300


layers = st.lists(
    st.one_of(
        st.builds(lambda units: mw.Layer("linear", units=units), st.integers(1, 3)),
        st.builds(lambda p: mw.Layer("dropout", p=p), st.sampled_from([0.1, 0.2])),
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(layers, layers)
def test_the_differences_of_two_stacks_lead_from_one_to_the_other(
    before: list[mw.Layer], after: list[mw.Layer]
) -> None:
    moons = mw.load_dataset("moons")
    plain = spec(moons).to_json()
    one, two = (load_spec(plain | {"layers": [x.to_json() for x in s]}) for s in (before, after))
    found = compare(one, two)
    assert bool(found) == (before != after)
    stack = [layer.to_json() for layer in before]
    for difference in sorted((d for d in found if d.kind == "removed"), key=lambda d: -_position(d)):
        assert stack.pop(_position(difference)) == difference.before
    for difference in sorted((d for d in found if d.kind == "added"), key=_position):
        stack.insert(_position(difference), difference.after)
    for difference in (d for d in found if d.kind == "changed"):
        option = difference.path.rpartition(".")[2]
        options = stack[_position(difference)]["options"]
        assert options[option] == difference.before
        options[option] = difference.after
    assert stack == [layer.to_json() for layer in after]


def _position(difference: Difference) -> int:
    return int(difference.path.partition("[")[2].partition("]")[0])
