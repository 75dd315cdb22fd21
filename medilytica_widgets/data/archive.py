"""The NASA Exoplanet Archive's tables, over its TAP service, with a copy kept on this machine.

The service is described at https://exoplanetarchive.ipac.caltech.edu/docs/TAP/usingTAP.html.
"""

from __future__ import annotations

import csv
import datetime
import os
import tempfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, InputError
from .download import fetch
from .wish import Progress

ADDRESS = "https://exoplanetarchive.ipac.caltech.edu/TAP/sync"


@dataclass(frozen=True)
class ArchiveTable:
    """One table of the archive.

    Attributes
    ----------
    name : str
        The archive's own name.
    mission : str
    target : str
        The column that says what a candidate turned out to be.
    """

    name: str
    mission: str
    target: str


#: By the names under which they load.
ARCHIVE: dict[str, ArchiveTable] = {
    "cumulative": ArchiveTable("cumulative", "Kepler", "koi_disposition"),
    "toi": ArchiveTable("toi", "TESS", "tfopwg_disp"),
    "tess": ArchiveTable("toi", "TESS", "tfopwg_disp"),
    "k2pandc": ArchiveTable("k2pandc", "K2", "disposition"),
    "k2": ArchiveTable("k2pandc", "K2", "disposition"),
}


def copies() -> Path:
    """Return the folder of the copies: ``archive`` in the package's home; it need not exist."""
    # the rooms above this one have the same two lines (store/home.py); a test holds them together
    given = os.environ.get("MEDILYTICA_HOME", "").strip()
    if given and "://" not in given:
        return Path(given).expanduser().absolute() / "archive"
    import platformdirs

    return platformdirs.user_data_path("medilytica_widgets", appauthor=False) / "archive"


def archive_table(name: str, refresh: bool, progress: Progress, folder: Path) -> tuple[bytes, Path, list[str]]:
    """Return a table as CSV, where its copy lies, and what a person should know.

    Parameters
    ----------
    name : str
        A key of `ARCHIVE`.
    refresh : bool
        Fetch it anew although there is a copy.
    progress : callable, False, or None
    folder : Path
        Where copies are kept.

    Raises
    ------
    DataError
        It cannot be fetched; the copy stays as it was. The message names the sample that needs no network.
    """
    table = ARCHIVE[name]
    copy = folder / f"{table.name}.csv"
    if not refresh:
        kept = _kept(copy, table)
        if kept is not None:
            day = datetime.date.fromtimestamp(copy.stat().st_mtime)
            return kept, copy, [f"NASA's copy of {day} on this machine was read; refresh=True fetches the table anew."]
    # the name is one of ours, never a person's
    query = urllib.parse.urlencode({"query": f"select * from {table.name}", "format": "csv"})
    shown = f"NASA's {table.mission} table {table.name!r}"
    try:
        content = fetch(f"{ADDRESS}?{query}", shown, progress)
        _check(content, table, shown)
    except DataError as error:
        old = " The copy on this machine was kept: load it without refresh=True." if copy.exists() else ""
        raise DataError(
            f"{error.message}{old} A sample of 2,000 rows of the Kepler table ships with the package and needs no "
            "network: load_dataset('kepler')."
        ) from None
    notes = ["The table was fetched from the NASA Exoplanet Archive."]
    try:
        _keep(content, copy)
    except (OSError, InputError) as error:
        notes.append(f"No copy of it could be kept ({error}); it will be fetched again.")
    return content, copy, notes


def _kept(copy: Path, table: ArchiveTable) -> bytes | None:
    try:
        content = copy.read_bytes()
        _check(content, table, "")
    except (OSError, DataError):
        # a damaged copy is none
        return None
    return content


def _check(content: bytes, table: ArchiveTable, shown: str) -> None:
    """Raise `DataError` for an answer that is not the table: the service reports errors as a document."""
    top = content[:200_000].decode("utf-8", "replace").lstrip("\ufeff").split("\n", 1)[0]
    names = next(csv.reader([top]), [])
    if table.target not in [name.strip() for name in names]:
        said = " ".join(top.split())[:120]
        raise DataError(f"{shown} came otherwise than expected: it begins with {said!r}. Try again later.")
    if content.count(b"\n") < 2:
        raise DataError(f"{shown} came without rows. Try again later.")


def _keep(content: bytes, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=copy.parent, prefix=f".{copy.stem}-", suffix=".part")
    try:
        with open(handle, "wb") as file:
            file.write(content)
        os.replace(part, copy)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
