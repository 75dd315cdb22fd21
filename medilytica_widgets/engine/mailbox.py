"""The one place where threads meet: a run's status and the commands that wait for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .states import ENDED, Command, Status, check_move


class Mailbox:
    """Status and waiting commands under one lock, so that nothing is posted to a run that has ended.

    No foreign code runs while the lock is held, except the check given to `post`.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._commands: deque[Command] = deque()
        self._waiting = np.zeros(1, np.int64)
        self._status: Status = "queued"
        self._thread: threading.Thread | None = None
        self._submitted = False
        self._ended = threading.Event()

    @property
    def status(self) -> Status:
        """The run's status."""
        return self._status

    @property
    def thread(self) -> threading.Thread | None:
        """The training thread; None before the start."""
        return self._thread

    @property
    def submitted(self) -> bool:
        """Whether the run was started, or waits in a queue for its turn."""
        return self._submitted

    @property
    def ended(self) -> threading.Event:
        """Set when the run has ended."""
        return self._ended

    def submit(self) -> bool:
        """Note that the run is to start; False if that was asked before or the run has ended."""
        with self._condition:
            if self._submitted or self._status != "queued":
                return False
            self._submitted = True
            return True

    def launch(self, make: Callable[[], threading.Thread]) -> bool:
        """Start the thread; False if it was started before or the run has ended.

        Raises
        ------
        RuntimeError
            If the system gives no thread; nothing has changed then.
        """
        with self._condition:
            if self._thread is not None or self._status != "queued":
                return False
            thread = make()
            thread.start()
            self._thread = thread
            return True

    def cancel(self) -> bool:
        """End a run that was never started; False if it was."""
        with self._condition:
            if self._thread is not None or self._status != "queued":
                return False
            self._status = "stopped"
            self._ended.set()
            return True

    def finish(self, status: Status) -> None:
        """Set the end of a run that trained elsewhere or earlier; nothing will be launched."""
        with self._condition:
            self._status, self._submitted = status, True
            self._ended.set()

    def post(self, command: Command, check: Callable[[], None] | None = None) -> None:
        """Leave a command; nothing happens once the run has ended, nor, for most, before it was started.

        Parameters
        ----------
        command : Command
            A "set" also waits for a run that is not started yet.
        check : callable, optional
            Called under the lock just before; what it raises is raised and nothing is left.
        """
        with self._condition:
            if self._status in ENDED or (self._thread is None and command.kind != "set"):
                return
            if check is not None:
                check()
            self._commands.append(command)
            self._waiting[0] = 1
            self._condition.notify()

    @property
    def waiting(self) -> NDArray[np.int64]:
        """One number, not 0 while commands wait: compiled code reads it, which asks the interpreter for nothing."""
        return self._waiting

    def __len__(self) -> int:
        return len(self._commands)

    def take(self, wait: bool) -> list[Command]:
        """Take out all commands; with ``wait``, there is at least one."""
        with self._condition:
            if wait:
                self._condition.wait_for(lambda: len(self._commands) > 0)
            commands = list(self._commands)
            self._commands.clear()
            self._waiting[0] = 0
            return commands

    def move(self, status: Status) -> None:
        """Change the status, on the training thread.

        Raises
        ------
        StateError
            If the move is not legal.
        """
        with self._condition:
            check_move(self._status, status)
            self._status = status
            if status in ENDED:
                self._commands.clear()
                self._ended.set()
