"""What lies in a run's folder: the latest checkpoint, the one before it, and the epochs that were kept.

``checkpoint.safetensors``, ``checkpoint-previous.safetensors`` and ``epochs/00000012.safetensors``.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection
from pathlib import Path

from ..errors import CheckpointError, MissingFileError
from .atomic import remove_partials
from .checkpoints import TrainingState, check_state, read_state

CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "checkpoint-previous.safetensors"
EPOCHS = "epochs"
STALE_SECONDS = 300.0
"""Where nothing in a folder was written for so long, a process of another machine that trained there counts as gone."""

_EPOCH = re.compile(r"^(\d{8,18})\.safetensors$")


def epoch_path(folder: str | os.PathLike[str], epoch: int) -> Path:
    """Return where an epoch's state is, or would be."""
    return Path(folder) / EPOCHS / f"{epoch:08d}.safetensors"


def kept_epochs(folder: str | os.PathLike[str]) -> list[int]:
    """Return the epochs of which a run's folder holds the state, ascending; empty where there is no folder."""
    try:
        names = os.listdir(Path(folder) / EPOCHS)
    except OSError:
        return []
    return sorted(int(match[1]) for match in map(_EPOCH.match, names) if match)


def read_epoch(folder: str | os.PathLike[str], epoch: int) -> TrainingState:
    """Return the state at the end of an epoch.

    Raises
    ------
    CheckpointError
        If that epoch is not kept (the message names the nearest that are), or its file is damaged.
    """
    try:
        return read_state(epoch_path(folder, epoch))
    except MissingFileError:
        pass
    kept = kept_epochs(folder)
    if not kept:
        raise CheckpointError(
            f"The weights of epoch {epoch} are not kept: {folder} holds no epochs. "
            "Train with keep_epochs above 0 and a keep_bytes that is larger than the weights."
        )
    near = [max((e for e in kept if e < epoch), default=None), min((e for e in kept if e > epoch), default=None)]
    named = [str(e) for e in near if e is not None]
    what = f"the nearest kept epochs are {named[0]} and {named[1]}" if len(named) == 2 else f"the nearest is {named[0]}"
    raise CheckpointError(f"The weights of epoch {epoch} are not kept; {what}. Name one of {len(kept)} kept epochs.")


def latest(folder: str | os.PathLike[str]) -> Path | None:
    """Return the newest checkpoint that can be read to its last byte.

    That is the latest one; if it is missing or damaged the one before; then the newest kept epoch.
    """
    for path in _newest_first(Path(folder)):
        with contextlib.suppress(MissingFileError, CheckpointError):
            check_state(path)
            return path
    return None


def read_latest(folder: str | os.PathLike[str]) -> tuple[Path, TrainingState] | None:
    """Return what `latest` names together with its content, reading it only once."""
    for path in _newest_first(Path(folder)):
        with contextlib.suppress(MissingFileError, CheckpointError):
            return path, read_state(path)
    return None


def last_touched(folder: str | os.PathLike[str]) -> float:
    """Return when something in a run's folder was written last, in seconds since 1970; 0 where there is no folder."""
    latest = 0.0
    for place in (Path(folder), Path(folder) / EPOCHS):
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    latest = max(latest, entry.stat().st_mtime)
    return latest


def drop_after(folder: str | os.PathLike[str], epoch: float) -> list[int]:
    """Remove kept epochs beyond ``epoch`` and return them: a run that goes on from there will learn others.

    Raises
    ------
    OSError
        If one cannot be removed.
    """
    gone = [kept for kept in kept_epochs(folder) if kept > epoch]
    for kept in gone:
        epoch_path(folder, kept).unlink(missing_ok=True)
    return gone


def prune(
    folder: str | os.PathLike[str],
    keep_epochs: int | None = None,
    keep_bytes: int | None = None,
    pinned: Collection[int] = (),
) -> int:
    """Remove kept epochs of a run that has ended, and partial files; what stays is spread evenly.

    Parameters
    ----------
    folder : path-like
        The run's folder. Its checkpoints stay.
    keep_epochs, keep_bytes : int, optional
        The most epochs, and the most bytes of epochs, to leave; None for no bound. The last epoch goes last.
    pinned : collection of int
        Epochs that stay in any case, and count.

    Returns
    -------
    int
        Bytes that were freed.

    Raises
    ------
    OSError
        If one cannot be removed.
    """
    folder = Path(folder)
    for place in (folder, folder / EPOCHS):
        remove_partials(place)
    sizes = {}
    for epoch in kept_epochs(folder):
        with contextlib.suppress(FileNotFoundError):
            sizes[epoch] = epoch_path(folder, epoch).stat().st_size
    free = [epoch for epoch in sizes if epoch not in pinned]
    room = len(free)
    if keep_epochs is not None:
        room = min(room, keep_epochs - (len(sizes) - len(free)))
    if keep_bytes is not None:
        rest = keep_bytes - sum(size for epoch, size in sizes.items() if epoch in pinned)
        room = min(room, rest // max(1, max((sizes[epoch] for epoch in free), default=1)))
    stay = spread(free, max(0, room))
    freed = 0
    for epoch in free:
        if epoch not in stay:
            epoch_path(folder, epoch).unlink(missing_ok=True)
            freed += sizes[epoch]
    return freed


def spread(epochs: list[int], room: int) -> set[int]:
    """Return ``room`` of ascending epochs, evenly spread, the last one among them."""
    if room >= len(epochs):
        return set(epochs)
    return {epochs[len(epochs) - 1 - place * len(epochs) // room] for place in range(room)}


def _newest_first(folder: Path) -> list[Path]:
    epochs = [epoch_path(folder, epoch) for epoch in reversed(kept_epochs(folder))]
    return [folder / CHECKPOINT, folder / PREVIOUS, *epochs]
