"""The frames of a room's WebSocket, read strictly: whatever can be read in two ways is refused.

The room reads a frame's first two bytes, its handler a variable-length number: a frame that spells its kind in more
bytes than needed would be one thing to the guard and another to them. So only the shortest spelling counts, and a
frame must end where its payload does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import WireError

Kind = Literal["step1", "step2", "update", "awareness", "save", "other"]

SYNC, AWARENESS, RAW = 0, 1, 2
EMPTY_UPDATE = b"\x00\x00"
_SYNC_KINDS: tuple[Kind, ...] = ("step1", "step2", "update")
_LONGEST_NUMBER = 8
"""Numbers of JavaScript have 53 bits, which are eight bytes here."""


class FrameError(WireError):
    """A frame is not one of the room's protocol."""


@dataclass(frozen=True)
class Frame:
    """One frame: its kind, and its payload (for a save the number to answer with)."""

    kind: Kind
    payload: bytes = b""
    number: int = 0


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return the variable-length number at a place, and the place after it."""
    value = 0
    for index in range(_LONGEST_NUMBER):
        if at + index >= len(data):
            raise FrameError("A frame ends within a number.")
        byte = data[at + index]
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            if byte == 0 and index:
                raise FrameError("A frame spells a number longer than it needs.")
            return value, at + index + 1
    raise FrameError("A frame holds a number that is too large.")


def write_number(value: int) -> bytes:
    """Return a number in its shortest spelling."""
    spelled = bytearray()
    while value > 127:
        spelled.append(128 | (value & 127))
        value >>= 7
    spelled.append(value)
    return bytes(spelled)


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes that stand at a place behind their length, and the place after them."""
    length, start = read_number(data, at)
    if start + length > len(data):
        raise FrameError("A frame promises more than it holds.")
    return data[start : start + length], start + length


def write_bytes(data: bytes) -> bytes:
    """Return bytes with their length before them."""
    return write_number(len(data)) + data


def parse(message: object) -> Frame:
    """Read a frame.

    Raises
    ------
    FrameError
        If it is not bytes, is cut off, goes on after its end, or spells a number in another than the shortest way.
    """
    if not isinstance(message, bytes) or not message:
        raise FrameError("A room speaks in frames of bytes.")
    kind = message[0]
    if kind == SYNC:
        if len(message) < 2 or message[1] >= len(_SYNC_KINDS):
            raise FrameError("There is no such message of synchronization.")
        frame = Frame(_SYNC_KINDS[message[1]], _whole(message, 2))
        if frame.kind == "step1":
            _check_state(frame.payload)
        return frame
    if kind == AWARENESS:
        return Frame("awareness", _whole(message, 1))
    if kind == RAW:
        said, at = read_bytes(message, 1)
        if said != b"save":
            return Frame("other", said)
        number, at = read_number(message, at)
        if at != len(message):
            raise FrameError("A frame goes on after its end.")
        return Frame("save", number=number)
    if kind >= 128:
        raise FrameError("A frame spells its kind longer than it needs.")
    return Frame("other", message[1:])


def awareness_message(payload: bytes) -> bytes:
    """Return the frame that carries an awareness update."""
    return bytes([AWARENESS]) + write_bytes(payload)


def _whole(message: bytes, at: int) -> bytes:
    payload, end = read_bytes(message, at)
    if end != len(message):
        raise FrameError("A frame goes on after its end.")
    return payload


def _check_state(state: bytes) -> None:
    """Refuse a state vector that promises more clients than it names: memory is reserved by that number."""
    count, at = read_number(state, 0)
    if count > len(state):
        raise FrameError("A state promises more clients than it names.")
    for _ in range(2 * count):
        _, at = read_number(state, at)
    if at != len(state):
        raise FrameError("A state goes on after its end.")
