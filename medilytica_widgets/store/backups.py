"""Store and files in one file, and back, also into another kind of database."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from .. import _version
from ..engine.atomic import replacing
from ..engine.processes import this_process
from ..errors import InputError, StateError
from .archive import ROWS, Packer, Unpacker, damaged, is_safe, open_archive
from .home import check_id, home, run_files, run_folder
from .liveness import LIVE
from .record import RunRecord

if TYPE_CHECKING:
    from .store import RunStore

_PASSES = 20


def backup(path: str | PathLike[str], store: RunStore | None = None) -> Path:
    """Write all runs, their records and their files, to one file.

    It may be taken while runs train: the records are read in one transaction before the files, and each file
    is copied as it was at one moment, because the engine replaces files and never rewrites them. A file that
    the engine replaced or thinned out meanwhile is followed by what came in its place. The backup appears
    whole or not at all; one that is there already is replaced.

    Parameters
    ----------
    path : path-like
        Of the file, by custom with the suffix ``.zip``.
    store : RunStore, optional
        The default store if left out.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the file cannot be written, or a run's file cannot be read.
    StateError
        If the store cannot be read.
    """
    target = Path(path).expanduser().absolute()
    if target.is_dir():
        raise InputError(f"{target} is a folder; name a file in it, such as {target / 'runs.zip'}.")
    records = _store(store).records()
    runs = home() / "runs"
    try:
        with _writing(target) as file, _packing(file) as packer:
            lines = (json.dumps(record.to_json(), allow_nan=False) + "\n" for record in records)
            packer.add(ROWS, cast(BinaryIO, _Lines(lines)))
            for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
                if _is_run(folder):
                    _add_run(packer, folder)
            made = datetime.now(UTC).isoformat()
            packer.close(made=made, package=_version.__version__, host=this_process().host, runs=len(records))
    except OSError as error:
        raise InputError(f"The backup {target} cannot be written: {error}.") from error
    return target


def restore(path: str | PathLike[str], *, overwrite: bool = False, store: RunStore | None = None) -> list[str]:
    """Bring back the runs of a backup.

    Everything is unpacked beside the runs and checked against its checksums first; only then do the folders
    take their places and the records go into the store, in one transaction. If anything fails, all is as it
    was. A run that was training when the backup was made comes back as "interrupted": it can be resumed from
    its last checkpoint.

    Parameters
    ----------
    path : path-like
        Of a file that `backup` wrote.
    overwrite : bool
        Whether runs that are here already are replaced. Those that live never are.
    store : RunStore, optional
        Takes the records; the default store if left out.

    Returns
    -------
    list of str
        The ids of the runs that were brought back.

    Raises
    ------
    InputError
        If the file is missing, damaged or foreign, if there is no room for it, or if it holds runs that are
        here already. Nothing was changed.
    StateError
        If the store cannot be used, or a run that would be replaced lives. Nothing was changed.
    """
    source = Path(path).expanduser().absolute()
    keeper = _store(store)
    runs = home() / "runs"
    with open_archive(source) as archive, _staging(runs, archive.total) as stage:
        records = _read_rows(source, archive)
        folders = _unpack(archive, stage)
        ids = [record.id for record in records]
        _check_conflicts({*ids, *folders}, keeper, overwrite)
        with _moved(folders, stage):
            keeper.put([_as_restored(record, run_id in folders) for run_id, record in zip(ids, records, strict=True)])
    return ids


def _store(store: RunStore | None) -> RunStore:
    if store is not None:
        return store
    from .store import default_store

    return default_store()


# --- writing ----------------------------------------------------------------------------------------------


class _Lines(io.RawIOBase):
    """Lines of text as a file to read, made one after the other."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def read(self, _size: int = -1) -> bytes:
        return next(self._lines, "").encode()


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[BinaryIO]:
    with replacing(target) as raw:
        # what is unbuffered may write less than asked, which zipfile does not expect
        file = io.BufferedRandom(raw) if raw.readable() else io.BufferedWriter(raw)
        try:
            yield cast(BinaryIO, file)
        except BaseException:
            with contextlib.suppress(OSError):
                file.detach()
            raise
        file.flush()
        file.detach()


@contextlib.contextmanager
def _packing(file: BinaryIO) -> Iterator[Packer]:
    packer = Packer(file)
    try:
        yield packer
    except BaseException:
        packer.abandon()
        raise


def _is_run(folder: Path) -> bool:
    try:
        check_id(folder.name)
    except InputError:
        return False
    return folder.is_dir() and not folder.is_symlink()


def _add_run(packer: Packer, folder: Path) -> None:
    """Add a run's files, looking again until nothing new appeared while they were copied.

    A file that vanished between the look and the copy was replaced or thinned out, and the next look finds
    what came instead. A run that makes new files faster than they can be copied is left after some looks.
    """
    taken: set[Path] = set()
    for _ in range(_PASSES):
        new = sorted(set(run_files(folder)) - taken)
        if not new:
            return
        for path in new:
            name = f"runs/{folder.name}/{path.relative_to(folder).as_posix()}"
            if not is_safe(name):  # nobody could restore it everywhere
                taken.add(path)
                continue
            try:
                file = open(path, "rb")
            except FileNotFoundError:
                continue
            with file:
                packer.add(name, file)
            taken.add(path)


# --- reading ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _staging(runs: Path, size: int) -> Iterator[Path]:
    """Yield a folder on the runs' own disk, which is removed at the end."""
    try:
        runs.mkdir(mode=0o700, exist_ok=True)
        free = shutil.disk_usage(runs).free
        if size > free:
            raise InputError(f"Restoring takes {size:,} bytes, and {free:,} are free in {runs}. Nothing was restored.")
        stage = Path(tempfile.mkdtemp(prefix=".restore-", dir=runs))
    except OSError as error:
        raise InputError(f"Nothing can be restored to {runs}: {error}.") from error
    try:
        yield stage
    except OSError as error:
        if isinstance(error, (InputError, StateError)):
            raise
        raise InputError(f"The backup cannot be restored: {error}. Nothing was changed.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _read_rows(source: Path, archive: Unpacker) -> list[RunRecord]:
    with tempfile.TemporaryFile() as file:
        archive.copy(ROWS, file)
        file.seek(0)
        records = []
        for line in file:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise damaged(source, f"a record cannot be read: {error}") from error
            if not isinstance(row, dict):
                raise damaged(source, "a record is not one")
            records.append(RunRecord.from_json(row))
    if len({record.id for record in records}) != len(records):
        raise damaged(source, "a run occurs twice")
    return records


def _unpack(archive: Unpacker, stage: Path) -> dict[str, Path]:
    """Unpack all files below ``stage`` and return the folder of each run."""
    folders: dict[str, Path] = {}
    for name, run_id, inner in archive.run_parts():
        folders[run_id] = stage / run_id
        path = stage / run_id / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            archive.copy(name, file)
            file.flush()
            os.fsync(file.fileno())
    return folders


def _check_conflicts(ids: set[str], store: RunStore, overwrite: bool) -> None:
    present = {record.id: record for record in store.records() if record.id in ids}
    taken = sorted({*present, *(run_id for run_id in ids if os.path.lexists(run_folder(run_id)))})
    if taken and not overwrite:
        shown = ", ".join(taken[:5]) + (", …" if len(taken) > 5 else "")
        raise InputError(
            f"{len(taken)} of the backup's runs are here already: {shown}. Nothing was restored. With overwrite=True "
            "the backup's take their place."
        )
    for run_id, record in present.items():
        if record.status in LIVE:
            raise StateError(f"Run {run_id} is {record.status} here; stop it before it is replaced.")


@contextlib.contextmanager
def _moved(folders: dict[str, Path], stage: Path) -> Iterator[None]:
    """Put the folders into their places, and take them out again if what follows fails."""
    undo: list[tuple[Path, Path]] = []
    try:
        for run_id, folder in folders.items():
            place = run_folder(run_id)
            if os.path.lexists(place):
                aside = stage / f"before-{uuid.uuid4().hex}"
                os.rename(place, aside)
                undo.append((aside, place))
            os.rename(folder, place)
            undo.append((place, folder))
        yield
    except BaseException:
        for here, back in reversed(undo):
            os.rename(here, back)
        raise


def _as_restored(record: RunRecord, has_files: bool) -> RunRecord:
    folder = str(run_folder(record.id)) if has_files else ""
    if record.status not in LIVE:
        return record.changed(folder=folder)
    # no process trains this copy, which the store reads as "interrupted"
    return record.changed(folder=folder, host=this_process().host, pid=0, process_started=0.0)
