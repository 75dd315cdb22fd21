"""The message contract: golden files, what is accepted, what is refused and how."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medilytica_widgets import wire
from medilytica_widgets.errors import WireError
from medilytica_widgets.wire.messages import ANSWERS

GOLDEN = Path(__file__).parents[1] / "golden"
REQUESTS = json.loads((GOLDEN / "requests.json").read_text("utf-8"))
ROWS = REQUESTS["grid.rows"]["message"]


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make_golden.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def changed(**fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(ROWS), **fields}


def with_body(**fields: Any) -> dict[str, Any]:
    return changed(body={**ROWS["body"], **fields})


@pytest.mark.parametrize("name", ["requests.json", "answers.json", "buffers.json", "buffers.bin"])
def test_golden_files_are_what_the_contract_writes(name: str) -> None:
    assert (GOLDEN / name).read_bytes() == maker().files()[name], "run python tests/golden/make_golden.py"


def test_golden_requests_cover_the_contract() -> None:
    assert list(REQUESTS) == list(wire.REQUESTS)
    assert {kind: told["access"] for kind, told in REQUESTS.items()} == {
        kind: wire.access_of(kind) for kind in wire.REQUESTS
    }


@pytest.mark.parametrize("kind", list(wire.REQUESTS))
def test_every_request_passes_as_the_browser_writes_it(kind: str) -> None:
    message = REQUESTS[kind]["message"]
    assert wire.parse_request(message) == message
    assert sorted(message["body"]) == sorted(REQUESTS[kind]["fields"])


@pytest.mark.parametrize("kind", [kind for kind, told in REQUESTS.items() if told["fields"]])
def test_every_field_is_needed(kind: str) -> None:
    for field in REQUESTS[kind]["fields"]:
        message = copy.deepcopy(REQUESTS[kind]["message"])
        del message["body"][field]
        with pytest.raises(WireError, match=f"'{field}'"):
            wire.parse_request(message)


@pytest.mark.parametrize("kind", list(wire.REQUESTS))
def test_a_field_too_many_is_refused_by_name(kind: str) -> None:
    message = copy.deepcopy(REQUESTS[kind]["message"])
    message["body"]["sneaked_in"] = 1
    with pytest.raises(WireError, match="'sneaked_in'"):
        wire.parse_request(message)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "must be an object"),
        ([ROWS], "must be an object"),
        (changed(v=2), "Reload the page"),
        (changed(v=True), "Reload the page"),
        (changed(v="1"), "Reload the page"),
        ({key: value for key, value in ROWS.items() if key != "v"}, "Reload the page"),
        (changed(client=""), "'client' must be a short text"),
        (changed(client="x" * 201), "'client' must be a short text"),
        (changed(id=7), "'id' must be a short text"),
        (changed(kind=["grid.rows"]), "'kind' must be a short text"),
        (changed(kind="grid.row"), "Did you mean 'grid.rows'"),
        (changed(body=None), "body of 'grid.rows' must be an object"),
        (changed(body=[]), "body of 'grid.rows' must be an object"),
        (with_body(start="0"), "'start'"),
        (with_body(start=True), "'start'"),
        (with_body(start=0.5), "'start'"),
        (with_body(sort=["koi_period"]), "'sort'"),
        (with_body(sort=[["koi_period"]]), "'sort'"),
        (with_body(sort=[["koi_period", 1]]), "'sort'"),
        (with_body(sort=[["koi_period", True, True]]), "'sort'"),
        (with_body(sort=[[3, True]]), "'sort'"),
        (with_body(search=None), "'search'"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(content: Any, said: str) -> None:
    with pytest.raises(WireError, match=said):
        wire.parse_request(content)


@pytest.mark.parametrize("value", [1, 0.5, "adam", True, None])
def test_a_hyperparameter_may_be_any_scalar(value: Any) -> None:
    message = copy.deepcopy(REQUESTS["hyperparameters.set"]["message"])
    message["body"]["value"] = value
    assert wire.parse_request(message)["body"]["value"] == value


@pytest.mark.parametrize("value", [[1], {"a": 1}])
def test_a_hyperparameter_is_no_list_and_no_object(value: Any) -> None:
    message = copy.deepcopy(REQUESTS["hyperparameters.set"]["message"])
    message["body"]["value"] = value
    with pytest.raises(WireError, match="'value'"):
        wire.parse_request(message)


def test_a_refusal_stays_short_however_much_was_sent() -> None:
    with pytest.raises(WireError) as refused:
        wire.parse_request(with_body(start="x" * 1_000_000))
    assert len(refused.value.message) < 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(content=json_values)
def test_any_json_is_accepted_or_refused_by_a_wire_error(content: Any) -> None:
    with pytest.raises(WireError):
        wire.parse_request(content)


@given(field=st.sampled_from(["v", "client", "id", "kind", "body"]), value=json_values)
def test_any_change_of_a_field_is_accepted_or_refused_by_a_wire_error(field: str, value: Any) -> None:
    try:
        message = wire.parse_request(changed(**{field: value}))
    except WireError:
        return
    assert message == changed(**{field: value})


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_addressed_to_the_client_that_asked(answer: Any) -> None:
    sent = wire.reply(ROWS, answer, {"x": 1})
    assert sent == {"v": 1, "client": ROWS["client"], "id": ROWS["id"], "kind": f"grid.rows.{answer}", "body": {"x": 1}}


def test_an_event_is_for_everyone() -> None:
    assert wire.event("curve.rows", {})["client"] == wire.event("curve.rows", {})["id"] == ""


def test_an_unknown_event_names_the_nearest() -> None:
    with pytest.raises(WireError, match=r"Did you mean 'curve\.rows'"):
        wire.event("curve.row", {})


def test_access_of_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(WireError, match=r"Did you mean 'layers\.move'"):
        wire.access_of("layer.move")
