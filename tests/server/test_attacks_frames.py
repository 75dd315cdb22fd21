"""Frames that no program of ours sends: cut off, too large, ambiguous, or plain noise."""

from __future__ import annotations

import contextlib
import json
import random
import re
import select
import struct
from typing import Any

import pytest
import websocket
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text, create_awareness_message, create_sync_message

from medilytica_widgets.errors import WireError
from medilytica_widgets.server import guard_awareness, guard_frames, guard_messages, guard_viewer
from tests.server.attackers import V1, KernelSocket, RoomSocket, Shared

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=10), JSON, max_size=4)


@given(
    st.binary(max_size=200)
    | st.builds(lambda head, rest: bytes(head) + rest, st.lists(st.integers(0, 2), max_size=3), st.binary(max_size=60))
)
@settings(max_examples=300, deadline=None)
def test_a_rooms_frame_is_read_in_one_way_or_refused(noise: bytes) -> None:
    try:
        frame = guard_frames.parse(noise)
    except guard_frames.FrameError:
        return
    # what passes starts with the byte that the room looks at, and holds nothing behind its payload
    heads = {"step1": b"\x00\x00", "step2": b"\x00\x01", "update": b"\x00\x02", "awareness": b"\x01"}
    if frame.kind in heads:
        assert noise == heads[frame.kind] + guard_frames.write_bytes(frame.payload)
    elif frame.kind == "save":
        assert noise == b"\x02\x04save" + guard_frames.write_number(frame.number)
    else:
        assert 2 <= noise[0] < 128


@given(st.lists(st.tuples(st.integers(0, 2**53), st.integers(0, 2**32), st.none() | OBJECTS), max_size=5))
@settings(max_examples=100, deadline=None)
def test_presence_survives_being_written_and_read(told: list[tuple[int, int, Any]]) -> None:
    entries = [guard_awareness.Entry(*one) for one in told]
    assert guard_awareness.parse(guard_awareness.dump(entries)) == entries


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_noise_is_no_presence_and_no_message(noise: bytes) -> None:
    for read in (
        guard_awareness.parse,
        lambda data: guard_messages.parse(data, V1),
        lambda data: guard_messages.parse(data, None),
    ):
        try:
            read(noise)
        except WireError:
            continue


HEADERS = st.fixed_dictionaries(
    {"msg_id": st.text(min_size=1, max_size=9), "msg_type": st.text(min_size=1, max_size=9)}
)


@given(HEADERS, OBJECTS, OBJECTS, st.lists(st.binary(max_size=30), max_size=3), st.sampled_from(["", V1]))
@settings(max_examples=100, deadline=None)
def test_a_message_survives_being_written_and_read(
    header: Any, metadata: Any, content: Any, buffers: list[bytes], protocol: str
) -> None:
    message = guard_messages.Message("shell", header, {}, metadata, content=content, buffers=buffers)
    again = guard_messages.parse(guard_messages.dump(message, protocol), protocol)
    assert (again.header, again.metadata, again.buffers) == (header, metadata, buffers)
    assert again.opened() == content


@given(
    st.sampled_from(["shell", "control", "stdin"]), HEADERS | st.just({"msg_id": "1", "msg_type": "comm_msg"}), OBJECTS
)
@settings(max_examples=200, deadline=None)
def test_what_is_made_up_passes_for_no_viewer(channel: str, header: Any, content: Any) -> None:
    message = guard_messages.Message(channel, header, {}, {}, content=content)
    assert guard_viewer.judge(message).outcome == "refuse"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "[" * 100_000, '"\\ud800', "{}{}", "[]", "9" * 5000])
def test_json_that_others_stumble_over_is_refused(value: str) -> None:
    text = f'{{"a": {value}}}' if value[0] != "{" else value
    payload = b"\x01\x01\x01" + guard_frames.write_bytes(text.encode())
    frame = struct.pack("<8Q", 7, 64, 69, *(69 + len(text) * n for n in range(1, 5)), 69 + 4 * len(text))
    try:
        (entry,) = guard_awareness.parse(payload)
        # what can be read can be read by everybody
        json.dumps(entry.state, allow_nan=False)
    except guard_frames.FrameError:
        pass
    with pytest.raises(WireError):
        guard_messages.parse(frame + b"shell" + text.encode() * 4, V1)


@pytest.mark.parametrize("who", ["eddi", "vera"])
def test_noise_ends_neither_rooms_nor_kernels(shared: Shared, who: str) -> None:
    shared.ask("olga", "PUT", "api/contents/noise.txt", {"type": "file", "format": "text", "content": "whole"})
    kernel = shared.ask("olga", "POST", "api/kernels", {"name": "python3"})[1]["id"]
    chance = random.Random(7)
    room = shared.room(who, "noise.txt")
    sockets = [KernelSocket(shared, who, kernel, protocol) for protocol in ("", V1)]
    whole = [create_sync_message(Doc()), create_awareness_message(guard_awareness.dump([]))]
    for _ in range(150):
        noise = chance.randbytes(chance.randrange(80))
        cut = chance.choice(whole)[: chance.randrange(12)] + noise
        room.send(cut)
        room.send(bytes([chance.randrange(3)]) + noise)
        for socket in sockets:
            socket.socket.send_binary(noise)
            socket.socket.send_binary(chance.choice([7, 1, 2**63]).to_bytes(8, "little") + noise)
            socket.socket.send_binary((2**32 - 1).to_bytes(4, "big") + noise)
            socket.socket.send("".join(chance.choices('{}[]":,shelchannd01\u2028', k=20)))
        sockets[0].socket.send(
            json.dumps({"channel": chance.choice(["shell", 3, None, "x"]), "header": {"msg_type": 1}})
        )
    room.send(b"\x00\x00\x05\xff\xff\xff\xff\x0f")
    room.socket.send("text")
    room.sync()
    for socket in sockets:
        socket.settle()
        socket.close()
    room.close()
    assert shared.ask("olga", "GET", f"api/kernels/{kernel}")[0] == 200
    assert shared.entries(user=who, action="room.malformed", outcome="refused", object="noise.txt")
    assert shared.entries(user=who, action="kernel.malformed", outcome="refused", object=kernel)
    late = shared.room("olga", "noise.txt")
    assert str(late.doc.get("source", type=Text)) == "whole"
    late.close()
    shared.ask("olga", "DELETE", f"api/kernels/{kernel}")


@pytest.mark.parametrize(("who", "size"), [("eddi", 100_000_000), ("vera", 2_000_000)])
def test_a_message_that_is_too_large_closes_its_socket_with_a_code(shared: Shared, who: str, size: int) -> None:
    shared.ask("olga", "PUT", "api/contents/large.txt", {"type": "file", "format": "text", "content": ""})
    kernel = shared.ask("olga", "POST", "api/kernels", {"name": "python3"})[1]["id"]
    room, socket = shared.room(who, "large.txt"), KernelSocket(shared, who, kernel, V1)
    before = shared.memory()
    for one in (room.socket, socket.socket):
        if one is socket.socket and size < 20_000_000:
            size = 20_000_000
        # the beginning of a masked frame of bytes, which promises the rest
        one.sock.sendall(b"\x82\xff" + struct.pack("!Q", size) + b"\x00" * 4 + b"x" * 1000)
        while True:
            opcode, data = one.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                break
        assert struct.unpack("!H", data[:2]) == (1009,)
        assert b"too big" in data
    assert shared.memory() < before + 50_000_000
    shared.ask("olga", "DELETE", f"api/kernels/{kernel}")


@pytest.mark.parametrize("where", ["room", "kernel"])
def test_messages_that_come_too_fast_close_their_socket_and_say_for_how_long(shared: Shared, where: str) -> None:
    shared.set_people({**shared.people, "flood-token": {"username": f"flood-{where}", "name": "Flood"}})
    told = shared.ask("olga", "PUT", "medilytica/api/people", {"id": f"flood-{where}", "role": "viewer"})
    assert told[0] == 200
    if where == "room":
        socket = shared.open("flood", "api/collaboration/room/JupyterLab:globalAwareness")
        frame = b"\x00\x02\x02\x00\x00"
    else:
        kernel = shared.ask("olga", "POST", "api/kernels", {"name": "python3"})[1]["id"]
        socket, frame = KernelSocket(shared, "flood", kernel, V1).socket, b"noise"
    with contextlib.suppress(websocket.WebSocketException, OSError):
        for _ in range(20_000):
            socket.send_binary(frame)
            if select.select([socket.sock], [], [], 0)[0]:
                opcode, data = socket.recv_data(control_frame=True)
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    assert struct.unpack("!H", data[:2]) == (4429,)
                    assert re.fullmatch(rb"That was too fast. Wait \d+ seconds.", data[2:])
                    break
    refused = shared.entries(user=f"flood-{where}", action="socket.messages", outcome="refused")
    assert refused
    # nobody else waits for it
    other = RoomSocket(shared, "vera", "JupyterLab:globalAwareness")
    other.close()
    if where == "kernel":
        shared.ask("olga", "DELETE", f"api/kernels/{kernel}")
