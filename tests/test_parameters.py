"""Parameter: what is accepted, what is refused, and what the refusal says."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medilytica_widgets.errors import ParameterError, SpecError, UnknownParameterError
from medilytica_widgets.parameters import Parameter, ParameterTable

RATE = Parameter("learning_rate", "float", 0.003, low=1e-6, high=10.0, scale="log")
EPOCHS = Parameter("epochs", "int", 50, low=1, high=1_000_000, scale="log")
OPTIMIZER = Parameter("optimizer", "choice", "adam", choices=("adam", "adamw", "sgd"))
FLAG = Parameter("shuffle", "bool", True)
DEPTH = Parameter("max_depth", "int", None, low=1, optional=True)
TABLE = ParameterTable((RATE, EPOCHS, OPTIMIZER, FLAG, DEPTH))


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1), Fraction(1), np.array(1.0)])
def test_a_float_takes_every_kind_of_number_and_becomes_a_float(value: object) -> None:
    accepted = RATE.validate(value)
    assert type(accepted) is float
    assert accepted == 1.0


@pytest.mark.parametrize("value", [7, 7.0, np.int32(7), np.float64(7)])
def test_an_int_takes_whole_numbers_and_becomes_an_int(value: object) -> None:
    accepted = EPOCHS.validate(value)
    assert type(accepted) is int
    assert accepted == 7


def test_an_int_keeps_digits_that_a_float_cannot_hold() -> None:
    assert Parameter("seed", "int", 0, low=0).validate(2**63 + 1) == 2**63 + 1


@pytest.mark.parametrize(
    "value", ["0.1", b"1", True, np.True_, math.nan, [1.0], np.array([1.0, 2.0]), np.array([1.0]), 1j, np.str_("1"), {}]
)
def test_a_number_refuses_what_is_none(value: object) -> None:
    with pytest.raises(ParameterError, match="it takes a number from 1e-06 to 10") as caught:
        RATE.validate(value)
    assert caught.value.parameter == "learning_rate"
    assert caught.value.nearest == 0.003


@pytest.mark.parametrize(
    ("parameter", "value", "nearest"),
    [
        (RATE, -1, 1e-6),
        (RATE, math.inf, 10.0),
        (RATE, -math.inf, 1e-6),
        (RATE, 10**400, 10.0),
        (EPOCHS, 0, 1),
        (EPOCHS, 2.5, 2),
        (EPOCHS, 0.4, 1),
        (EPOCHS, math.inf, 1_000_000),
    ],
)
def test_out_of_range_names_the_nearest_allowed_value(parameter: Parameter, value: object, nearest: object) -> None:
    with pytest.raises(ParameterError) as caught:
        parameter.validate(value)
    assert caught.value.nearest == nearest
    assert type(caught.value.nearest) is type(nearest)


def test_a_refusal_says_what_was_given_and_what_is_allowed() -> None:
    with pytest.raises(ParameterError) as caught:
        EPOCHS.validate(2.5)
    assert caught.value.message == "epochs is 2.5; it takes a whole number from 1 to 1000000."


def test_a_refusal_stays_short_whatever_was_given() -> None:
    for value in ("x" * 10_000, 10**5000, list(range(10_000))):
        with pytest.raises(ParameterError) as caught:
            EPOCHS.validate(value)
        assert len(caught.value.message) < 200


def test_an_integer_that_python_refuses_to_print_is_refused_in_words() -> None:
    with pytest.raises(ParameterError, match="an integer of 16610 bits") as caught:
        EPOCHS.validate(10**5000)
    assert caught.value.nearest == 1_000_000


def test_infinity_is_no_number_even_without_bounds() -> None:
    for value in (math.inf, -math.inf, 10**400):
        with pytest.raises(ParameterError):
            Parameter("x", "float", 0.0).validate(value)


def test_a_choice_names_the_nearest_one_once() -> None:
    with pytest.raises(ParameterError) as caught:
        OPTIMIZER.validate("adma")
    assert caught.value.nearest == "adam"
    assert caught.value.message.count("'sgd'") == 1
    assert "Did you mean 'adam'?" in caught.value.message


def test_a_choice_refuses_what_is_no_string() -> None:
    for value in (3, ["adam"], np.array(["adam"])):
        with pytest.raises(ParameterError):
            OPTIMIZER.validate(value)


def test_a_bool_takes_numpys_and_refuses_numbers() -> None:
    assert FLAG.validate(np.False_) is False
    for value in (0, 1, "True"):
        with pytest.raises(ParameterError, match="it takes True or False"):
            FLAG.validate(value)


def test_none_is_off_only_where_it_is_optional() -> None:
    assert DEPTH.validate(None) is None
    with pytest.raises(ParameterError, match="needs a value"):
        EPOCHS.validate(None)
    with pytest.raises(ParameterError, match="or None for off"):
        DEPTH.validate(0)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.text() | st.none() | st.booleans())
def test_whatever_is_given_is_validated_or_refused_with_a_nearest_that_is_valid(value: object) -> None:
    for parameter in (RATE, EPOCHS, OPTIMIZER, FLAG, DEPTH):
        try:
            accepted = parameter.validate(value)
        except ParameterError as error:
            assert parameter.validate(error.nearest) == error.nearest
        else:
            assert parameter.validate(accepted) == accepted


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "int", "default": 0, "low": 1},
        {"kind": "int", "default": None},
        {"kind": "choice", "default": "a"},
        {"kind": "choice", "default": "c", "choices": ("a", "b")},
        {"kind": "float", "default": 1.0, "low": 2.0, "high": 1.0},
        {"kind": "float", "default": 1.0, "scale": "log"},
    ],
)
def test_a_parameter_that_cannot_be_right_is_refused_when_it_is_written(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="'x'"):
        Parameter("x", **wrong)  # type: ignore[arg-type]


def test_validating_a_table_fills_in_the_defaults() -> None:
    full = TABLE.validate({"epochs": 3.0})
    assert full == {"learning_rate": 0.003, "epochs": 3, "optimizer": "adam", "shuffle": True, "max_depth": None}
    assert list(full) == list(TABLE)


def test_an_unknown_name_raises_and_names_the_nearest() -> None:
    for wrong in (lambda: TABLE.validate({"learning_rat": 1}), lambda: TABLE["learning_rat"]):
        with pytest.raises(UnknownParameterError, match="Did you mean 'learning_rate'?") as caught:
            wrong()
        assert caught.value.parameter == "learning_rat"
    with pytest.raises(UnknownParameterError, match="There are no parameters"):
        ParameterTable(()).validate({"x": 1})


def test_get_returns_the_default_for_an_unknown_name() -> None:
    assert TABLE.get("epochs") is EPOCHS
    assert TABLE.get("epoch") is None
    assert TABLE.get("epoch", RATE) is RATE


def test_a_table_refuses_the_same_id_twice() -> None:
    with pytest.raises(SpecError, match="'epochs' stands twice"):
        ParameterTable((EPOCHS, EPOCHS))


def test_a_condition_names_a_choice_of_the_same_table_and_one_of_its_values() -> None:
    momentum = Parameter("momentum", "float", 0.9, only_if=("optimizer", "sgd"))
    assert ParameterTable((momentum, OPTIMIZER)).to_json()[0]["only_if"] == ["optimizer", "sgd"]
    for others in ((), (EPOCHS,), (Parameter("optimizer", "choice", "adam", choices=("adam",)),)):
        with pytest.raises(SpecError, match="'momentum' has an effect only if 'optimizer' is 'sgd'"):
            ParameterTable((momentum, *others))


def test_a_parameter_of_another_task_must_be_at_its_default() -> None:
    table = ParameterTable((EPOCHS, Parameter("smoothing", "float", 0.0, tasks=("classification",))))
    for task in ("classification", None):
        assert table.validate({"smoothing": 0.5}, task)["smoothing"] == 0.5
    assert table.validate({"smoothing": 0, "epochs": 3}, "regression") == {"epochs": 3, "smoothing": 0.0}
    with pytest.raises(ParameterError, match=r"smoothing is 0.5.*classification only.*regression. Leave it at 0.0"):
        table.validate({"smoothing": 0.5}, "regression")


def test_the_plain_form_survives_json() -> None:
    plain = json.loads(json.dumps(TABLE.to_json()))
    assert plain == TABLE.to_json()
    assert [p["id"] for p in plain] == list(TABLE)
    assert plain[0]["label"] == "learning rate"
    assert plain[2]["choices"] == ["adam", "adamw", "sgd"]
