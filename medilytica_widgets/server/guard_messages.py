"""Kernel messages as they travel over the WebSocket, in both protocols, read strictly and written anew.

What goes on to the kernel is always what was read here and written again, so that no frame means one thing to the
guard and another to the server.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

from ..errors import WireError

V1 = "v1.kernel.websocket.jupyter.org"
CHANNELS = ("shell", "control", "stdin", "iopub")
MOST_BUFFERS = 4096
LARGEST_HEADER = 64 * 1024


class MessageError(WireError):
    """A frame is no message of the kernel's protocol."""


@dataclass
class Message:
    """One message; ``content`` stays as it came until somebody looks into it."""

    channel: str
    header: dict[str, Any]
    parent_header: dict[str, Any]
    metadata: dict[str, Any]
    raw_content: bytes | None = None
    content: dict[str, Any] = field(default_factory=dict)
    buffers: list[bytes] = field(default_factory=list)

    @property
    def type(self) -> str:
        """The message's type."""
        return str(self.header["msg_type"])

    @property
    def id(self) -> str:
        """The message's id."""
        return str(self.header["msg_id"])

    def opened(self) -> dict[str, Any]:
        """Return the content.

        Raises
        ------
        MessageError
            If it is no JSON object.
        """
        if self.raw_content is not None:
            self.content, self.raw_content = _object(self.raw_content, "content"), None
        return self.content

    def replace_content(self, content: dict[str, Any]) -> None:
        """Put other content in, without buffers."""
        self.raw_content, self.content, self.buffers = None, content, []


def parse(frame: object, protocol: str | None) -> Message:
    """Read a frame of a kernel's WebSocket.

    Parameters
    ----------
    frame : str or bytes
        As it came.
    protocol : str, optional
        `V1`, or anything else for the default protocol.

    Raises
    ------
    MessageError
        If it is malformed.
    """
    message = _parse_v1(frame) if protocol == V1 else _parse_default(frame)
    for name in ("msg_id", "msg_type"):
        value = message.header.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= 200:
            raise MessageError(f"A message's {name!r} must be a short text.")
    if message.channel not in CHANNELS:
        raise MessageError("A message is for one of a kernel's channels.")
    return message


def dump(message: Message, protocol: str | None) -> str | bytes:
    """Write a message as a frame."""
    return _dump_v1(message) if protocol == V1 else _dump_default(message)


def _parse_v1(frame: object) -> Message:
    if not isinstance(frame, bytes) or len(frame) < 8:
        raise MessageError("This protocol speaks in frames of bytes.")
    count = int.from_bytes(frame[:8], "little")
    # channel, header, parent header, metadata, content, buffers, and where the last ends
    if not 6 <= count <= 6 + MOST_BUFFERS or len(frame) < 8 * (count + 1):
        raise MessageError("A frame has another number of parts than a message.")
    offsets = struct.unpack(f"<{count}Q", frame[8 : 8 * (count + 1)])
    if offsets[0] != 8 * (count + 1) or offsets[-1] != len(frame) or list(offsets) != sorted(offsets):
        raise MessageError("A frame's parts overlap or leave gaps.")
    parts = [frame[start:stop] for start, stop in zip(offsets, offsets[1:], strict=False)]
    try:
        channel = parts[0].decode("ascii")
    except UnicodeDecodeError as error:
        raise MessageError("A channel has a plain name.") from error
    header, parent, metadata = (
        _object(part, name, LARGEST_HEADER if name != "metadata" else None)
        for part, name in zip(parts[1:4], ("header", "parent_header", "metadata"), strict=True)
    )
    return Message(channel, header, parent, metadata, raw_content=parts[4], buffers=parts[5:])


def _dump_v1(message: Message) -> bytes:
    content = message.raw_content if message.raw_content is not None else _json(message.content)
    header, parent, metadata = (_json(part) for part in (message.header, message.parent_header, message.metadata))
    parts = [message.channel.encode("ascii"), header, parent, metadata, content, *message.buffers]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def _parse_default(frame: object) -> Message:
    buffers: list[bytes] = []
    if isinstance(frame, bytes):
        if len(frame) < 4:
            raise MessageError("A frame is cut off.")
        count = int.from_bytes(frame[:4], "big")
        if not 1 <= count <= 1 + MOST_BUFFERS or len(frame) < 4 * (count + 1):
            raise MessageError("A frame has another number of parts than a message.")
        offsets = (*struct.unpack(f"!{count}I", frame[4 : 4 * (count + 1)]), len(frame))
        if offsets[0] < 4 * (count + 1) or list(offsets) != sorted(offsets):
            raise MessageError("A frame's parts overlap or leave gaps.")
        first, *buffers = (frame[start:stop] for start, stop in zip(offsets, offsets[1:], strict=False))
    elif isinstance(frame, str):
        first = frame.encode("utf-8", "surrogatepass")
    else:
        raise MessageError("A frame is text or bytes.")
    given = _object(first, "frame")
    parts = []
    for name in ("header", "parent_header", "metadata", "content"):
        part = given.get(name) or {}
        if not isinstance(part, dict):
            raise MessageError(f"A message's {name} must be an object.")
        parts.append(part)
    channel = given.get("channel") or "shell"
    if not isinstance(channel, str):
        raise MessageError("A channel has a plain name.")
    header, parent, metadata, content = parts
    return Message(channel, header, parent, metadata, content=content, buffers=buffers)


def _dump_default(message: Message) -> str | bytes:
    told = {
        "channel": message.channel,
        "header": message.header,
        "parent_header": message.parent_header,
        "metadata": message.metadata,
        "content": message.opened(),
    }
    if not message.buffers:
        return json.dumps({**told, "buffers": []})
    parts = [_json(told), *message.buffers]
    offsets = [4 * (len(parts) + 1)]
    for part in parts[:-1]:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"!{len(parts) + 1}I", len(parts), *offsets) + b"".join(parts)


def _no_json(word: str) -> Any:
    # Python reads NaN, browsers don't, and a header comes back to all of them
    raise ValueError(word)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _object(data: bytes, name: str, largest: int | None = None) -> dict[str, Any]:
    if largest is not None and len(data) > largest:
        raise MessageError(f"A message's {name} has at most {largest} bytes.")
    try:
        value = json.loads(data, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"A message's {name} is no JSON.") from error
    if not isinstance(value, dict):
        raise MessageError(f"A message's {name} must be an object.")
    return value
