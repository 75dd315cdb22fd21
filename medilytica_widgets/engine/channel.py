"""How a kernel and its training process talk: framed messages over an authenticated local connection.

A message is a JSON object and named byte buffers behind it. Nothing is ever pickled or unpickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import struct
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

import numpy as np

from .. import errors
from ..errors import MedilyticaError, TrainingError
from .facts import read_json, write_json

ADDRESS, KEY, PRINTED = "address.json", "key", "child.log"
"""Where the process listens, what both ends know, and what it prints."""

STATUS = "status.json"
"""The file that says in a few words how the run is."""

RECORD = "record.bin"
"""The file that holds, as one message, all that a client would be told."""

KILLED = "killed"
"""The file that says that the process was killed because it did not stop."""

RESUME = "resume.safetensors"
"""The file that holds where the process is to go on."""

_LONGEST = 90
"""Bytes of a socket's path; macOS allows 103, Linux 107."""
_HEADER = struct.Struct("<I")

Buffer = bytes | memoryview


def pack(head: Mapping[str, Any], buffers: Mapping[str, Buffer] | None = None) -> bytes:
    """Return a message as bytes."""
    given = {} if buffers is None else dict(buffers)
    sizes = [[name, memoryview(content).nbytes] for name, content in given.items()]
    text = json.dumps({**head, "buffers": sizes}, default=_plain).encode()
    return b"".join([_HEADER.pack(len(text)), text, *given.values()])


def unpack(message: bytes) -> tuple[dict[str, Any], dict[str, memoryview]]:
    """Return head and buffers of what `pack` made.

    Raises
    ------
    TrainingError
        For anything else.
    """
    try:
        view = memoryview(message)
        (length,) = _HEADER.unpack_from(view)
        at = _HEADER.size + length
        head = json.loads(bytes(view[_HEADER.size : at]))
        buffers = {}
        for name, size in head.pop("buffers"):
            buffers[str(name)] = view[at : at + size]
            at += size
        if at != len(view):
            raise ValueError(f"{len(view)} bytes where {at} were announced")
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"What the training process sent or left is damaged ({error}).") from error
    return head, buffers


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


# -- errors


def error_to_json(error: MedilyticaError) -> dict[str, Any]:
    """Return the class, the sentence and the facts of an error, with its traceback for whoever looks deeper."""
    facts = {k: v for k, v in vars(error).items() if not k.startswith("_") and _is_plain(v)}
    trace = "".join(traceback.format_exception(error)).strip()
    return {"kind": type(error).__name__, "message": error.message, "facts": facts, "trace": trace}


def error_from_json(told: Mapping[str, Any]) -> MedilyticaError:
    """Return the error again; of a class that this version does not know, as a `TrainingError`."""
    kind = getattr(errors, str(told["kind"]), None)
    known = isinstance(kind, type) and issubclass(kind, MedilyticaError)
    error: MedilyticaError
    try:
        error = kind(told["message"]) if known and kind is not None else TrainingError(told["message"])
    except TypeError:
        error = TrainingError(told["message"])
    vars(error).update(told.get("facts", {}))
    if told.get("trace"):
        error.add_note(f"In the training process:\n{told['trace']}")
    return error


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


# -- the line


def listen(folder: Path) -> Listener:
    """Open the place where clients connect, and leave its address and its key in the folder.

    The socket lies in the folder, or, where the path is too long or the file system knows no sockets, in a
    temporary folder of its own. Only who can read the key (the user) gets further than the first bytes.
    """
    key = secrets.token_hex(32).encode()
    secret = folder / KEY
    secret.unlink(missing_ok=True)
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
    listener = _listener(folder)
    write_json(folder / ADDRESS, {"address": str(listener.address)}, durable=False)
    return listener


def _listener(folder: Path) -> Listener:
    if os.name == "nt":
        return Listener(rf"\\.\pipe\medilytica-{uuid.uuid4().hex}", "AF_PIPE")
    inside = os.path.abspath(folder / "socket")
    if len(os.fsencode(inside)) <= _LONGEST:
        with contextlib.suppress(OSError):
            Path(inside).unlink(missing_ok=True)
            return Listener(inside, "AF_UNIX", backlog=16)
    return Listener(os.path.join(tempfile.mkdtemp(prefix="medilytica-line-"), "socket"), "AF_UNIX", backlog=16)


def hang_up(listener: Listener, folder: Path) -> None:
    """Close the place and remove its files."""
    address = Path(str(listener.address))
    with contextlib.suppress(OSError):
        listener.close()
    for name in (ADDRESS, KEY):
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    remove_socket(address, folder)


def remove_socket(address: Path, folder: Path) -> None:
    """Remove a socket, also one whose process has died, and the temporary folder that was made for it."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        address.unlink(missing_ok=True)
        if address.parent.name.startswith("medilytica-line-"):
            address.parent.rmdir()


def address_of(folder: Path) -> str | None:
    """Return where the folder's process listens; None while it does not."""
    try:
        return str(read_json(folder / ADDRESS)["address"])
    except (MedilyticaError, KeyError):
        return None


def key_of(folder: Path) -> bytes:
    """Return the key that both ends must know."""
    return (folder / KEY).read_bytes()


def await_complete(folder: Path, alive: Callable[[], bool], timeout: float) -> bool:
    """Wait until the process of a run has written its last file, or is gone; False if it has not."""
    until, pause = time.monotonic() + timeout, threading.Event()
    while alive():
        with contextlib.suppress(MedilyticaError):
            if read_json(folder / STATUS).get("complete"):
                return True
        if time.monotonic() > until:
            return False
        pause.wait(0.01)
    return True


def connect(address: str) -> Connection:
    """Return a connection on which nothing is proven yet, see `prove_as_client`.

    Raises
    ------
    OSError
        If nobody listens there.
    """
    connection: Connection = Client(address, "AF_PIPE" if os.name == "nt" else "AF_UNIX")
    return connection


def prove_as_client(connection: Connection, key: bytes) -> None:
    """Show that this end knows the key and that the other does; the process speaks first.

    Raises
    ------
    EOFError, OSError
        If the other end went away or does not know the key.
    """
    try:
        answer_challenge(connection, key)
        deliver_challenge(connection, key)
    except AuthenticationError as error:
        raise ConnectionRefusedError("the training process has another key") from error


def prove_as_process(connection: Connection, key: bytes) -> None:
    """Do the same at the other end."""
    try:
        deliver_challenge(connection, key)
        answer_challenge(connection, key)
    except AuthenticationError as error:
        raise ConnectionRefusedError("the client has another key") from error
