"""Arrays as described binary buffers: ``{name, dtype, shape}``, little-endian, C order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from ..errors import WireError

DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "i8", "f4", "f8")
"""The dtypes that cross the wire: kind and bytes an item."""


class Buffer(TypedDict):
    """What a binary buffer holds. It stands in the envelope; the bytes travel beside it."""

    name: str
    dtype: str
    shape: list[int]


def describe(name: str, array: npt.NDArray[Any]) -> Buffer:
    """Return the description of an array.

    Raises
    ------
    WireError
        For a dtype that has no place on the wire: cast it where the loss can be judged.
    """
    code = f"{array.dtype.kind}{array.dtype.itemsize}"
    if code not in DTYPES:
        raise WireError(f"The array {name!r} is of dtype {array.dtype}; the wire carries {', '.join(DTYPES)}.")
    return {"name": name, "dtype": code, "shape": list(array.shape)}


def encode(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[list[Buffer], list[bytes]]:
    """Return the descriptions and the little-endian bytes of named arrays, in order."""
    descriptions, payload = [], []
    for name, array in arrays.items():
        descriptions.append(describe(name, array))
        payload.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return descriptions, payload


def decode(descriptions: Sequence[Buffer], payload: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays by name: read-only views of the bytes that came, at whatever offset they lie.

    Raises
    ------
    WireError
        When count, name, dtype, shape or length do not fit the description.
    """
    if len(descriptions) != len(payload):
        raise WireError(f"{len(descriptions)} buffers are described, {len(payload)} came.")
    arrays: dict[str, npt.NDArray[Any]] = {}
    for about, raw in zip(descriptions, payload, strict=True):
        name, code, shape = _checked(about)
        if name in arrays:
            raise WireError(f"Two buffers are called {name!r}.")
        dtype = np.dtype(code).newbyteorder("<")
        view = memoryview(raw)
        needed = math.prod(shape) * dtype.itemsize
        if view.nbytes != needed:
            raise WireError(f"The buffer {name!r} has {view.nbytes} bytes; {code} of shape {shape} needs {needed}.")
        # Strided bytes must be copied, and a memoryview without items cannot be cast.
        flat = view.cast("B") if view.c_contiguous and view.nbytes else view.tobytes()
        array = np.frombuffer(flat, dtype=dtype).reshape(shape)
        array.flags.writeable = False
        arrays[name] = array
    return arrays


def _checked(about: Buffer) -> tuple[str, str, list[int]]:
    name, code, shape = about.get("name"), about.get("dtype"), about.get("shape")
    if not isinstance(name, str):
        raise WireError("A buffer's description must name it.")
    if code not in DTYPES:
        raise WireError(f"The buffer {name!r} is of unknown dtype {code!r}.")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise WireError(f"The shape of the buffer {name!r} must be a list of whole numbers; it is {shape!r}.")
    return name, code, shape
