"""What papermill puts in is checked: which is wrong, what is nearest, what is allowed."""

from __future__ import annotations

import pytest

from medilytica_widgets.errors import ParameterError, UnknownParameterError
from medilytica_widgets.headless.parameters import UNKNOWN
from medilytica_widgets.parameters import Parameter, ParameterTable
from medilytica_widgets.report import check_notebook, check_parameters, declared_parameters

TABLE = ParameterTable(
    (Parameter("learning_rate", "float", 3e-3, low=1e-6, high=10), Parameter("epochs", "int", 50, low=1, high=1000))
)
DECLARED = {"dataset": "kepler", "algorithm": "mlp", "learning_rate": 3e-3, "epochs": 30}


def test_values_come_back_as_their_own_type_and_only_those_given() -> None:
    assert check_parameters({"epochs": 5.0, "seed": 1}, TABLE, ("seed",)) == {"epochs": 5}


def test_a_wrong_name_is_told_with_the_nearest_and_all_that_are_allowed() -> None:
    with pytest.raises(UnknownParameterError) as caught:
        check_parameters({"learning_rat": 1}, TABLE, ("seed",))
    assert caught.value.message == (
        "There is no parameter 'learning_rat'. Did you mean 'learning_rate'? Allowed: seed, learning_rate, epochs."
    )
    assert caught.value.nearest == "learning_rate"


def test_a_value_out_of_range_is_told_with_the_range() -> None:
    with pytest.raises(ParameterError, match=r"learning_rate is -1; it takes a number from 1e-06 to 10\."):
        check_parameters({"learning_rate": -1}, TABLE)


@pytest.mark.parametrize(
    ("source", "declared"),
    [
        ("a = 1\nb: str = 'x'\nc = -2.5\n", {"a": 1, "b": "x", "c": -2.5}),
        ("# settings\n'''what they mean'''\na = b = [1]", {"a": [1], "b": [1]}),
        ("%matplotlib inline\na = 1", {"a": 1}),
        ("import os\na = os.getcwd()", {"a": UNKNOWN}),
        ("a.b = 1\na[0] = 2\nif True:\n    c = 1", {}),
        ("a = (", {}),
    ],
)
def test_a_parameters_cell_declares_what_it_assigns(source: str, declared: dict[str, object]) -> None:
    assert declared_parameters(source) == declared


def test_a_notebook_takes_what_its_cell_declares() -> None:
    check_notebook({"dataset": "spiral", "epochs": 5}, DECLARED)
    with pytest.raises(UnknownParameterError, match="Did you mean 'epochs'.* takes: dataset, algorithm"):
        check_notebook({"epoch": 5}, DECLARED)


def test_a_notebook_without_a_parameters_cell_takes_none() -> None:
    check_notebook({}, None)
    with pytest.raises(UnknownParameterError, match="no cell tagged 'parameters'.*cannot take 'epochs'"):
        check_notebook({"epochs": 5}, None)


def test_values_are_checked_against_the_algorithm_that_the_cell_or_the_command_names() -> None:
    with pytest.raises(ParameterError, match="learning_rate is -1"):
        check_notebook({"learning_rate": -1}, DECLARED)
    with pytest.raises(ParameterError, match="n_estimators is 0"):
        check_notebook({"algorithm": "random_forest", "n_estimators": 0}, {**DECLARED, "n_estimators": 10})
