"""Whether the permutation that compiled code draws is the one of this torch."""

from __future__ import annotations

import numpy as np

from .ordering import STATE_BYTES, WORDS, read_state, shuffle, write_state

_follows: bool | None = None


def follows_torch() -> bool:
    """Whether the written-out permutation is the one that this torch draws; found out once."""
    global _follows
    if _follows is None:
        import torch

        generator = torch.Generator().manual_seed(20)
        kept = generator.get_state().numpy().copy()
        n = WORDS + 100
        wanted = torch.randperm(n, generator=generator).numpy()
        after = generator.get_state().numpy()
        order = np.empty(n, np.int64)
        _follows = len(kept) == STATE_BYTES
        if _follows:
            words = read_state(kept)
            shuffle(words, order)
            write_state(kept, words)
            _follows = bool(np.array_equal(order, wanted) and np.array_equal(kept, after))
    return _follows
