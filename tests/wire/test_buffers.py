"""Arrays as described buffers: round trips, odd offsets, wrong descriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medilytica_widgets import wire
from medilytica_widgets.errors import WireError
from medilytica_widgets.wire.buffers import DTYPES

GOLDEN = Path(__file__).parents[1] / "golden"

arrays = st.sampled_from([order + code for code in DTYPES for order in "<>"]).flatmap(
    lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
)


def about(**fields: Any) -> Any:
    return {"name": "x", "dtype": "f4", "shape": [2], **fields}


@given(array=arrays)
def test_a_round_trip_loses_nothing(array: np.ndarray[Any, Any]) -> None:
    descriptions, payload = wire.encode({"x": array})
    back = wire.decode(json.loads(json.dumps(descriptions)), payload)["x"]
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)


@given(array=arrays, offset=st.integers(0, 9))
def test_bytes_may_lie_at_any_offset(array: np.ndarray[Any, Any], offset: int) -> None:
    descriptions, [raw] = wire.encode({"x": array})
    inside = memoryview(b"\xff" * offset + raw + b"\xff")[offset : offset + len(raw)]
    np.testing.assert_array_equal(wire.decode(descriptions, [inside])["x"], array)


@given(array=arrays)
def test_strided_and_reversed_arrays_are_sent_as_they_read(array: np.ndarray[Any, Any]) -> None:
    turned = array.T[::-1] if array.ndim else array
    descriptions, payload = wire.encode({"x": turned})
    np.testing.assert_array_equal(wire.decode(descriptions, payload)["x"], turned)


def test_bytes_are_little_endian() -> None:
    _, [raw] = wire.encode({"x": np.array([1], dtype=">i4")})
    assert raw == b"\x01\x00\x00\x00"


def test_a_strided_memoryview_is_read_as_it_shows() -> None:
    view = memoryview(b"a0b0c0")[::2]
    assert bytes(wire.decode([about(dtype="u1", shape=[3])], [view])["x"]) == b"abc"


def test_an_empty_array_itself_is_a_buffer() -> None:
    assert wire.decode([about(shape=[0, 3])], [np.zeros((0, 3), "f4")])["x"].shape == (0, 3)


def test_decoded_arrays_are_read_only_whatever_came() -> None:
    decoded = wire.decode([about()], [bytearray(8)])["x"]
    with pytest.raises(ValueError, match="read-only"):
        decoded[0] = 1.0


@pytest.mark.parametrize("golden", json.loads((GOLDEN / "buffers.json").read_text("utf-8"))["buffers"])
def test_golden_buffers_are_read_as_the_browser_reads_them(golden: dict[str, Any]) -> None:
    content = memoryview((GOLDEN / "buffers.bin").read_bytes())
    raw = content[golden["offset"] : golden["offset"] + golden["bytes"]]
    decoded = wire.decode([golden["description"]], [raw])[golden["description"]["name"]]
    read = int if decoded.dtype.kind in "iu" else float
    np.testing.assert_array_equal(decoded.ravel(), np.array([read(v) for v in golden["values"]], decoded.dtype))


@given(length=st.integers(0, 40).filter(lambda n: n != 8))
def test_another_length_than_described_is_refused(length: int) -> None:
    with pytest.raises(WireError, match=f"'x' has {length} bytes.* needs 8"):
        wire.decode([about()], [bytes(length)])


@pytest.mark.parametrize(
    ("description", "said"),
    [
        (about(dtype="f2"), "unknown dtype 'f2'"),
        (about(dtype="O"), "unknown dtype 'O'"),
        (about(dtype=["f4"]), "unknown dtype"),
        (about(shape=[-1, -2]), "shape of the buffer 'x'"),
        (about(shape=[2.0]), "shape of the buffer 'x'"),
        (about(shape=[True, 2]), "shape of the buffer 'x'"),
        (about(shape=2), "shape of the buffer 'x'"),
        (about(shape=[2**40, 2**40]), "needs"),
        ({"dtype": "f4", "shape": [2]}, "must name it"),
        ({"name": "x", "dtype": "f4"}, "shape of the buffer 'x'"),
    ],
)
def test_a_wrong_description_is_refused_with_a_sentence(description: Any, said: str) -> None:
    with pytest.raises(WireError, match=said):
        wire.decode([description], [bytes(8)])


def test_the_count_must_fit() -> None:
    with pytest.raises(WireError, match="1 buffers are described, 2 came"):
        wire.decode([about()], [bytes(8), bytes(8)])


def test_two_buffers_of_one_name_are_refused() -> None:
    with pytest.raises(WireError, match="Two buffers are called 'x'"):
        wire.decode([about(), about()], [bytes(8), bytes(8)])


@pytest.mark.parametrize("dtype", ["?", "u8", "f2", "c8", "O", "M8[ns]", "U3"])
def test_a_dtype_without_a_place_on_the_wire_is_refused_by_name(dtype: str) -> None:
    with pytest.raises(WireError, match="'picture' is of dtype"):
        wire.encode({"picture": np.zeros(2, dtype)})
