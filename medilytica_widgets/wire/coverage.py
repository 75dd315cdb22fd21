"""Whether one state of a shared document holds all of another: what a stored document must hold to be called stored.

Both states are what pycrdt writes: a state vector (how far each writer has come) and the deletions, which no state
vector counts. Standard library only, since the server extension reads it too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import WireError

MAX_BYTES = 4 * 1024 * 1024
"""The largest state vector or list of deletions that is read."""


def _numbers(data: bytes) -> list[int]:
    """Decode a run of variable-length integers: seven bits a byte, the lowest first."""
    if len(data) > MAX_BYTES:
        raise WireError(f"A document's state has {len(data)} bytes; at most {MAX_BYTES} are read.")
    found: list[int] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        if byte & 128:
            shift += 7
            if shift > 63:
                raise WireError("A document's state holds a number that is too large.")
        else:
            found.append(value)
            value = shift = 0
    if shift:
        raise WireError("A document's state ends in the middle of a number.")
    return found


@dataclass(frozen=True)
class State:
    """How far each writer has come, and the ranges that are deleted (first, one past the last) of each."""

    clocks: dict[int, int] = field(default_factory=dict)
    deleted: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, vector: bytes, deletions: bytes = b"") -> State:
        """Read a state vector and the deletions as `pycrdt.Doc.get_update` writes them for that very state vector.

        Raises
        ------
        WireError
            If either is not what it should be.
        """
        return cls(_clocks(vector), _deleted(deletions))

    def covers(self, other: State) -> bool:
        """Whether everything of the other state is in this one."""
        if any(self.clocks.get(writer, 0) < clock for writer, clock in other.clocks.items()):
            return False
        return all(_inside(ranges, self.deleted.get(writer, ())) for writer, ranges in other.deleted.items())


def _clocks(vector: bytes) -> dict[int, int]:
    numbers = _numbers(vector)
    if not numbers or len(numbers) != 1 + 2 * numbers[0]:
        raise WireError("This is no state vector of a shared document.")
    return dict(zip(numbers[1::2], numbers[2::2], strict=True))


def _deleted(update: bytes) -> dict[int, tuple[tuple[int, int], ...]]:
    if not update:
        return {}
    numbers = iter(_numbers(update))
    found: dict[int, tuple[tuple[int, int], ...]] = {}
    try:
        if next(numbers):
            raise WireError("The deletions come with changes; send those of the same state vector.")
        for _ in range(next(numbers)):
            writer, count = next(numbers), next(numbers)
            ranges = []
            for _ in range(count):
                first = next(numbers)
                ranges.append((first, first + next(numbers)))
            found[writer] = tuple(_joined(ranges))
    except StopIteration:
        raise WireError("The deletions end too early.") from None
    return found


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort ranges and join those that touch, so that equal sets look equal."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((first, end))
    return joined


def _inside(inner: tuple[tuple[int, int], ...], outer: tuple[tuple[int, int], ...]) -> bool:
    """Whether each range lies within one of the others; both are sorted and joined."""
    at = 0
    for first, end in inner:
        while at < len(outer) and outer[at][1] < end:
            at += 1
        if at == len(outer) or outer[at][0] > first:
            return False
    return True
