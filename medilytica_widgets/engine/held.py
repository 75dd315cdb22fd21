"""Small operations on arrays that keep the interpreter's lock.

numpy gives the lock up around every loop over more than 500 values. Where the main thread is busy in Python each such
moment costs a training thread 5 ms, a thousand times the work itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECE = 500
"""Values up to which numpy keeps the lock."""
SMALL = 40 * PIECE
"""Values beyond which the pieces would cost more than a moment without the lock."""


def copied(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy that may be written to."""
    if array.size == 0 or array.size > SMALL:
        return array.copy()
    # copying bytes is Python's own work
    return np.frombuffer(bytearray(array.tobytes()), dtype=array.dtype).reshape(array.shape)


def finite(array: NDArray[Any]) -> bool:
    """Whether all values of a flat array of floats are numbers."""
    if len(array) > SMALL:
        return bool(np.isfinite(array).all())
    return all(bool(np.isfinite(array[k : k + PIECE]).all()) for k in range(0, len(array), PIECE))
