"""A pycrdt document that several threads of one process can use."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pycrdt
from pycrdt import NewTransaction, ReadTransaction, Transaction

from .update_check import check_update

_log = logging.getLogger(__name__)


class SharedDoc(pycrdt.Doc[Any]):
    """A document whose transactions belong to the thread that opened them.

    pycrdt's own document, even with ``allow_multithreading``, hands an open transaction of one thread to another that
    asks for one, which then writes under the first one's name and may find it closed. Here every thread waits for its
    turn. What is queued by `later` runs after the transaction, when other threads can work again.
    """

    def __init__(self, *, client_id: int | None = None) -> None:
        self._turn = threading.RLock()
        self._holder: int | None = None
        self._depth = 0
        self._ending: list[Callable[[], None]] = []
        self._queued: deque[Callable[[], None]] = deque()
        super().__init__(client_id=client_id, allow_multithreading=True)

    def transaction(self, origin: Any = None) -> Transaction:
        """Return this thread's open transaction, or a new one."""
        if self._holder == threading.get_ident() and self._txn is not None:
            return super().transaction(origin)
        return _Turn(self, origin=origin)

    def new_transaction(self, origin: Any = None, timeout: float | None = None) -> NewTransaction:
        """Return a new transaction; it waits for the one that is open.

        Raises
        ------
        RuntimeError
            Inside a transaction of this thread, which would wait for itself.
        """
        if self._holder == threading.get_ident():
            raise RuntimeError("This thread is inside a transaction of this document already.")
        return _NewTurn(self, origin=origin, timeout=timeout)

    def apply_update(self, update: bytes) -> None:
        """Merge what another copy of the document sent.

        Raises
        ------
        WorkspaceError
            For one that would exhaust the stack of the process: it is refused as a whole.
        """
        check_update(update)
        super().apply_update(update)

    def at_end(self, call: Callable[[], None]) -> None:
        """Run a call when the open transaction has ended and no other thread has begun one; its errors are logged."""
        self._ending.append(call)

    def later(self, call: Callable[[], None]) -> None:
        """Run a call after the open transaction, when other threads can work again; its errors are logged."""
        self._queued.append(call)

    def _read_transaction(self, _txn: Any) -> ReadTransaction:
        return _Reading(self, _txn)

    def _enter(self, timeout: float) -> None:
        if not self._turn.acquire(timeout=timeout):
            raise TimeoutError("Another thread's transaction did not end in time.")
        self._holder = threading.get_ident()
        self._depth += 1

    def _leave(self) -> None:
        outermost = self._depth == 1
        while outermost and self._ending:
            _run(self._ending.pop(0))
        self._depth -= 1
        if outermost:
            self._holder = None
        self._turn.release()
        while outermost and self._queued:
            try:
                call = self._queued.popleft()
            except IndexError:
                # another thread took it
                return
            _run(call)


def _run(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:
        _log.exception("What waits for changes of a workspace failed.")


class _Turn(Transaction):
    """A transaction that waits for its turn, and gives it back."""

    _doc: SharedDoc

    def __enter__(self, _acquire_transaction: bool = True) -> Self:
        self._doc._enter(self._timeout)
        try:
            return super().__enter__(_acquire_transaction)
        except BaseException:
            self._doc._leave()
            raise

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        try:
            super().__exit__(exc_type, exc_val, exc_tb)
        finally:
            self._doc._leave()


class _NewTurn(_Turn, NewTransaction):
    """The same for one that is asked for as a new one."""

    async def __aenter__(self, _acquire_transaction: bool = True) -> Self:
        # the wait for the lock happens in `__enter__`: other threads hold it for moments only
        return await Transaction.__aenter__(self, True)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        return await Transaction.__aexit__(self, exc_type, exc_val, exc_tb)


class _Reading(ReadTransaction):
    """The view inside an observer; the transaction around it is the document's again afterwards."""

    _doc: SharedDoc

    def __enter__(self, _acquire_transaction: bool = True) -> Self:
        if not self._leases:
            self._around = self._doc._txn
        return super().__enter__(_acquire_transaction)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        super().__exit__(exc_type, exc_val, exc_tb)
        if not self._leases:
            self._doc._txn = self._around
