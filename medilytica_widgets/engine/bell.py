"""What wakes a thread that waits for a connection and for commands at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe

from .mailbox import Mailbox
from .states import Command


class Bell:
    """Wakes a thread that waits for connections, on every system."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: tuple[Connection, Connection] | None = None
        self._rung = False

    @property
    def line(self) -> Connection:
        """What to wait for, between `open` and `close`."""
        assert self._ends is not None
        return self._ends[0]

    def open(self) -> None:
        """Begin to listen."""
        with self._lock:
            self._ends = Pipe(duplex=False)

    def ring(self) -> None:
        """Wake the thread; nothing while nobody waits."""
        with self._lock:
            if self._ends is not None and not self._rung:
                self._rung = True
                self._ends[1].send_bytes(b"!")

    def hush(self) -> None:
        """Take note that it rang."""
        with self._lock:
            if self._ends is not None and self._rung:
                self._ends[0].recv_bytes()
                self._rung = False

    def close(self) -> None:
        """Free the pipe."""
        with self._lock:
            ends, self._ends, self._rung = self._ends, None, False
        for end in ends or ():
            end.close()


class WakingMailbox(Mailbox):
    """A mailbox whose reader waits for a connection as well."""

    def __init__(self, bell: Bell) -> None:
        super().__init__()
        self._bell = bell

    def post(self, command: Command, check: Callable[[], None] | None = None) -> None:
        """Leave a command and wake the reader."""
        super().post(command, check)
        self._bell.ring()
