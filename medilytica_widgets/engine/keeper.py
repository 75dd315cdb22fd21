"""What of a run goes to disk, and when: the training thread asks and hands over, a background thread writes."""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import numbers
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, InputError
from .atomic import sync_folder
from .checkpoints import TrainingState, write_state
from .run_folder import CHECKPOINT, EPOCHS, PREVIOUS, epoch_path, kept_epochs
from .writer import WRITER

QUEUE_BYTES = 256 * 2**20
"""Epochs of one run that wait for the disk take no more memory than this, or a single epoch."""

FIRST_SECONDS = 1.0
"""The first checkpoint by time comes so early: a kernel may be killed at once, and the weights alone are not a run."""

SMALL_EPOCH = 2**20
"""Bytes of a state up to which every epoch of the plan is kept, however fast they come."""
BYTES_A_SECOND = 4 * 2**20
"""Beyond it no more than so many bytes are written each second: hashing and writing them costs some 2 % of a core."""

HOLD_SECONDS = 1.0
"""Epochs are held back for so long and written together, without those that the plan has thinned out by then."""
HELD_BYTES = 16 * 2**20
"""More than this is not held back."""

_NEVER = 2**62
_HEADER = 4096
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keeping:
    """What a run leaves on disk.

    Parameters
    ----------
    folder : Path
        The run's folder; made at the first write.
    checkpoint_seconds : float, optional
        Time between two checkpoints, the first one coming after `FIRST_SECONDS`; None for none by time.
    checkpoint_epochs : int, optional
        A checkpoint at the end of every so many epochs too; None for none by epochs.
    keep_epochs : int
        The most epochs of which the weights are kept, 0 for none. The first ones all; each time they are that
        many every second one goes, so that the kept ones stay evenly spread.
    keep_bytes : int
        The most bytes that kept epochs take; large weights lower their number.
    spec : dict
        Facts that every file of the run carries as ``facts["spec"]``.

    Raises
    ------
    InputError
        For a value out of range.
    """

    folder: Path
    checkpoint_seconds: float | None = 30.0
    checkpoint_epochs: int | None = None
    keep_epochs: int = 50
    keep_bytes: int = 2**30
    spec: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.folder, (str, os.PathLike)) or not os.fspath(self.folder):
            raise InputError(f"folder must be the path of a folder, not {self.folder!r}.")
        object.__setattr__(self, "folder", Path(self.folder))
        seconds = self.checkpoint_seconds
        if seconds is not None and not (_is_number(seconds) and 0 < seconds < math.inf):
            raise InputError(
                f"checkpoint_seconds must be a time above 0, or None for no checkpoints by time, not {seconds!r}."
            )
        if self.checkpoint_epochs is not None and not _is_whole(self.checkpoint_epochs, 1):
            raise InputError(
                "checkpoint_epochs must be a whole number from 1, or None for no checkpoints by epochs, "
                f"not {self.checkpoint_epochs!r}."
            )
        for name in ("keep_epochs", "keep_bytes"):
            value = getattr(self, name)
            if not _is_whole(value, 0):
                raise InputError(f"{name} must be a whole number from 0 (0 keeps no epochs), not {value!r}.")
        if not isinstance(self.spec, dict):
            raise InputError(f"spec must be a dict of facts, not a {type(self.spec).__name__}.")


class Keeper:
    """A run's way to the disk.

    One thread, the training thread, asks ``wants_…`` and ``next_epoch`` and calls ``put_…``; none of them waits for
    anything. Every other method may be called from any thread. What is put must not change any more. A disk that
    does not take a file never ends the run: ``on_problem`` is told, and the next one is attempted when it is due.

    Parameters
    ----------
    keeping : Keeping
    on_problem : callable, optional
        Takes a sentence: once per kind of problem, and once when all is well again. Called on the writer's thread.
    queue_bytes : int
        Epochs that wait for the disk take at most so much memory; one more than that is not kept.
    """

    def __init__(
        self,
        keeping: Keeping,
        on_problem: Callable[[str], None] | None = None,
        *,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self.keeping = keeping
        self._on_problem = on_problem
        self._queue_bytes = queue_bytes
        self._line = WRITER.open()
        # the process's thread lives as long as a keeper does; one that nobody closed lets go of it all the same
        self._open = weakref.finalize(self, self._line.release)
        self._open.atexit = False
        # of the training thread
        self._due: float | None = None
        self._due_epoch: float = math.inf
        self._room = min(keeping.keep_epochs, keeping.keep_bytes)
        self._stride, self._stride_ends = 1, 0
        self._rested = -math.inf
        self._widen(0)
        self._queued = 0
        self._held_since = math.inf
        # between the two threads, by operations that are atomic: one appends, the other pops; one writes, one reads
        self._checkpoint: deque[TrainingState] = deque(maxlen=1)
        self._held: deque[tuple[int, TrainingState, int, int]] = deque()
        self._written = 0
        self._pinned: int | None = None
        # of the writer's thread
        self._told: dict[str, set[str]] = {}
        self._made = False

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wants_checkpoint(self, epoch: float, now: float, at_epoch_end: bool) -> bool:
        """Say whether a checkpoint is due; a yes sets the time of the next one.

        Parameters
        ----------
        epoch : float
            Epochs done.
        now : float
            Seconds on any clock that only goes forward, always the same one; the first question starts the count.
        at_epoch_end : bool
            Only then can one be due by ``checkpoint_epochs``.
        """
        due = self._due
        if due is None:
            return self._first(epoch, now, at_epoch_end)
        if now < due and not (at_epoch_end and epoch >= self._due_epoch):
            return False
        self._plan(epoch, now)
        return True

    def wants_epoch(self, epoch: int, now: float = math.inf) -> bool:
        """Say whether the state at the end of this epoch (from 1) is to be kept.

        Parameters
        ----------
        epoch : int
        now : float
            Seconds, as in `wants_checkpoint`. Large states of epochs that come fast are not all kept.
        """
        if epoch >= self._stride_ends:
            self._widen(epoch)
        return epoch > 0 and epoch % self._stride == 0 and now >= self._rested

    def next_epoch(self, epoch: int) -> int | None:
        """Return the next epoch whose state is to be kept; None if none is."""
        if not self._room:
            return None
        stride = self._stride
        while (epoch // stride + 1) > self._room:
            stride *= 2
        return (epoch // stride + 1) * stride

    def next_checkpoint(self, epoch: int) -> int | None:
        """Return the next epoch at whose end there is a checkpoint, whatever the clock says; None if there is none."""
        every = self.keeping.checkpoint_epochs
        return None if every is None else (epoch // every + 1) * every

    def put_checkpoint(self, state: TrainingState) -> bool:
        """Hand over the latest checkpoint; one that still waits is replaced. False after `close`."""
        if not self._open.alive:
            return False
        self._checkpoint.append(state)
        self._line.post(self._write_checkpoint)
        return True

    def put_epoch(self, epoch: int, state: TrainingState, now: float = -math.inf) -> bool:
        """Hand over an epoch's state; False if it is not kept because the disk is too slow or it is too large."""
        if not self._open.alive:
            return False
        size = state.nbytes + _HEADER
        room = min(self.keeping.keep_epochs, self.keeping.keep_bytes // size)
        if room != self._room:
            self._room, self._stride_ends = room, 0
            self._widen(epoch)
        if room == 0 and self.keeping.keep_epochs:
            self._line.post(partial(self._too_large, size))
        if room == 0:
            return False
        waiting = self._queued - self._written
        if waiting and waiting + size > self._queue_bytes:
            self._line.post(partial(self._tell, "speed", "slow", self._slow(epoch)))
            return False
        self._queued += size
        if size > SMALL_EPOCH:
            self._rested = now + size / BYTES_A_SECOND
        self._held_since = min(self._held_since, now)
        self._held.append((epoch, state, size, self._stride))
        if now - self._held_since >= HOLD_SECONDS or waiting + size > HELD_BYTES or now == -math.inf:
            self._held_since = math.inf
            self._line.post(self._write_epochs)
        return True

    def pin(self, epoch: int | None) -> None:
        """Have one kept epoch, say the best, stay beside the evenly spread ones; it takes the place of the last pin."""
        self._pinned = epoch

    def flush(self, timeout: float) -> bool:
        """Wait until all that was put before is on disk or has failed; False if that takes longer than ``timeout``."""
        if not self._open.alive:
            return True
        self._line.post(self._write_epochs)
        return self._line.flush(timeout)

    def close(self, timeout: float = 30.0) -> bool:
        """Flush, and let go of the writer's thread, which ends with the last keeper; return as `flush`."""
        if self._open.detach() is None:
            return True
        self._line.post(self._write_epochs)
        return WRITER.close(self._line, timeout)

    # -- the training thread's plan

    def _first(self, epoch: float, now: float, at_epoch_end: bool) -> bool:
        self._plan(epoch, now)
        seconds, every = self.keeping.checkpoint_seconds, self.keeping.checkpoint_epochs
        if seconds is not None:
            self._due = now + min(seconds, FIRST_SECONDS)
        return at_epoch_end and every is not None and epoch > 0 and epoch % every == 0

    def _plan(self, epoch: float, now: float) -> None:
        seconds, every = self.keeping.checkpoint_seconds, self.keeping.checkpoint_epochs
        self._due = math.inf if seconds is None else now + seconds
        self._due_epoch = math.inf if every is None else (epoch // every + 1) * every

    def _widen(self, epoch: int) -> None:
        """Find the stride of which there are at most ``_room`` multiples up to ``epoch``."""
        if self._room == 0:
            self._stride = self._stride_ends = _NEVER
            return
        stride = 1
        while epoch // stride > self._room:
            stride *= 2
        self._stride, self._stride_ends = stride, (self._room + 1) * stride

    # -- on the writer's thread

    def _write_checkpoint(self) -> None:
        try:
            state = self._checkpoint.popleft()
        except IndexError:
            return  # a newer one was written in its place already
        folder = self.keeping.folder
        with self._attempt("checkpoints"):
            self._make()
            write_state(folder / CHECKPOINT, self._with_spec(state), previous=folder / PREVIOUS)

    def _write_epochs(self) -> None:
        """Write what was held back, and remove what the plan does not keep any more."""
        while self._held:
            batch = [self._held.popleft() for _ in range(len(self._held))]
            stride = batch[-1][-1]
            wanted = [(epoch, state) for epoch, state, *_ in batch if epoch % stride == 0 or epoch == self._pinned]
            try:
                with self._attempt("epochs"):
                    self._write_batch(wanted, stride)
            finally:
                self._written += sum(size for _, _, size, _ in batch)

    def _write_batch(self, wanted: list[tuple[int, TrainingState]], stride: int) -> None:
        self._make()
        folder = self.keeping.folder
        _make_folder(folder / EPOCHS)
        written = {epoch for epoch, _ in wanted}
        for kept in kept_epochs(folder):
            # before the new ones are written, so that there are never more than was said
            if kept % stride and kept not in (self._pinned, *written):
                epoch_path(folder, kept).unlink(missing_ok=True)
        for epoch, state in wanted:
            # a power cut may take an epoch, which its checksum tells; what must not be lost is the checkpoint
            path, first = epoch_path(folder, epoch), epoch == wanted[0][0]
            write_state(path, self._with_spec(state), durable=False, clean=first)

    def _make(self) -> None:
        """Make the folder, but only once: whoever removes it later has a reason."""
        if not self._made:
            _make_folder(self.keeping.folder, parents=True)
            self._made = True

    def _with_spec(self, state: TrainingState) -> TrainingState:
        if not self.keeping.spec or "spec" in state.facts:
            return state
        return TrainingState(state.tensors, {**state.facts, "spec": self.keeping.spec})

    @contextlib.contextmanager
    def _attempt(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            _log.debug("%s of %s", what, self.keeping.folder, exc_info=True)
            self._tell(what, *self._explained(what, error))
        else:
            if self._told.pop(what, None):
                self._say(f"{what.capitalize()} are written again.")

    def _explained(self, what: str, error: Exception) -> tuple[str, str]:
        """Return the kind of problem and the sentence about it."""
        folder, on = self.keeping.folder, "The training goes on."
        lead = f"{what.capitalize()} cannot be written to {folder}"
        if isinstance(error, CheckpointError):
            return "content", f"{lead}: {error.message} {on}"
        if isinstance(error, MemoryError):
            return "memory", f"{lead}: the memory does not suffice. {on}"
        code = error.errno if isinstance(error, OSError) else None
        if code in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return "full", f"{lead}: the disk is full, or a limit on its use is reached. {on} Free some space there."
        if code == errno.EROFS:
            return "read-only", f"{lead}: it is read-only. {on} Set MEDILYTICA_HOME to a folder that can be written."
        if code in {errno.EACCES, errno.EPERM}:
            return "permission", f"{lead}: permission denied. {on} Allow writing there, or set MEDILYTICA_HOME."
        if code in {errno.ENOENT, errno.ENOTDIR}:
            gone = "the folder was removed" if self._made else "it is inside of something that is no folder"
            return "gone", f"{lead}: {gone}. {on} Make the folder again to go on with {what}."
        told = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        return f"{type(error).__name__} {code}", f"{lead}: {told}. {on}"

    def _too_large(self, size: int) -> None:
        self._tell(
            "size",
            "too large",
            f"No epochs are kept: the state of one takes {size / 2**20:.1f} MB, and keep_bytes allows "
            f"{self.keeping.keep_bytes / 2**20:.1f} MB for all. A larger keep_bytes makes earlier epochs available.",
        )

    def _slow(self, epoch: int) -> str:
        return (
            f"Epoch {epoch} is not kept, and others may follow: the disk under {self.keeping.folder} is slower than "
            "the training. The training goes on; fewer keep_epochs or a faster disk would help."
        )

    def _tell(self, what: str, kind: str, sentence: str) -> None:
        told = self._told.setdefault(what, set())
        if kind not in told:
            told.add(kind)
            self._say(sentence)

    def _say(self, sentence: str) -> None:
        _log.info(sentence)
        if self._on_problem is not None:
            try:
                self._on_problem(sentence)
            except Exception:
                _log.exception("the listener to a run's problems with the disk raised")


def _make_folder(folder: Path, parents: bool = False) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=parents, exist_ok=True)
        sync_folder(folder.parent)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
