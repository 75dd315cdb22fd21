"""torch.randperm of the processor, written out, so that whole epochs need no torch.

The generator is the Mersenne twister mt19937 (Matsumoto and Nishimura 1998). torch's own form is in
aten/src/ATen/core/MT19937RNGEngine.h, the permutation in aten/src/ATen/native/TensorFactories.cpp
(``randperm_cpu``), and the layout of a generator's state in aten/src/ATen/CPUGeneratorImpl.cpp.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WORDS, SHIFT = 624, 397
UPPER, LOWER, MATRIX = 0x80000000, 0x7FFFFFFF, 0x9908B0DF
LARGEST = (2**32 - 1) // 20
"""From so many rows on torch draws numbers of 64 bits."""
LEFT_BYTE, NEXT_BYTE, WORDS_BYTE = 8, 16, 24
STATE_BYTES = 5056


def read_state(state: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the words of ``generator.get_state()``, how many are left, and the next one's index."""
    left = state[LEFT_BYTE : LEFT_BYTE + 4].view(np.int32)
    rest = state[NEXT_BYTE : WORDS_BYTE + 8 * WORDS].view(np.int64)
    return np.concatenate((rest[1:], left.astype(np.int64), rest[:1]))


def write_state(state: NDArray[np.uint8], words: NDArray[np.int64]) -> None:
    """Put back what `read_state` returned."""
    state[LEFT_BYTE : LEFT_BYTE + 4].view(np.int32)[0] = words[WORDS]
    rest = state[NEXT_BYTE : WORDS_BYTE + 8 * WORDS].view(np.int64)
    rest[0] = words[WORDS + 1]
    rest[1:] = words[:WORDS]


def twist(words: Any) -> None:
    """Make the next 624 numbers."""
    for i in range(WORDS):
        y = (words[i] & UPPER) | (words[(i + 1) % WORDS] & LOWER)
        x = words[(i + SHIFT) % WORDS] ^ (y >> 1)
        if y & 1:
            x ^= MATRIX
        words[i] = x


def shuffle(words: Any, order: Any) -> None:
    """Put a permutation into ``order`` and advance the generator's words."""
    n = len(order)
    for i in range(n):
        order[i] = i
    for i in range(n - 1):
        words[WORDS] -= 1
        if words[WORDS] == 0:
            twist(words)
            words[WORDS] = WORDS
            words[WORDS + 1] = 0
        y = words[words[WORDS + 1]]
        words[WORDS + 1] += 1
        y ^= y >> 11
        y ^= (y << 7) & 0x9D2C5680
        y ^= (y << 15) & 0xEFC60000
        y ^= y >> 18
        # the remainder of 32 bits, which processors take faster than that of 64
        other = i + np.int64(np.uint32(y) % np.uint32(n - i))
        kept = order[i]
        order[i] = order[other]
        order[other] = kept
