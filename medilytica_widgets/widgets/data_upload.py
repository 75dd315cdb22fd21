"""Files from a browser to the kernel."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import traitlets
from psygnal import Signal

from ..data.read_options import NAMES, read_options
from ..data.upload_look import Look, look_at
from ..data.uploaded_files import remember, source_of, stored
from ..data.uploads import SAMPLE_BYTES, SUFFIXES, Uploaded, UploadStore, in_words, label, megabytes, suffix_of
from ..errors import InputError, StateError, WireError, hint
from ..report import grouped, key_values, section, sentence
from ..store.home import home
from ._arrivals import CHUNK_BYTES, Arrivals
from ._base import BaseWidget, serves

if TYPE_CHECKING:
    from ..data import Dataset

logger = logging.getLogger("medilytica_widgets")

LIMIT_MB = 500
#: Files uploaded before that are listed.
MOST_BEFORE = 50
_TOLD_SECONDS = 0.5


class DataUpload(BaseWidget):
    """A place to drop files on, or to choose them, in the browser; the kernel stores and reads them.

    A file comes in pieces, straight to the disk. What a lost connection or a closed page cut short goes on where it
    stopped when the same file is chosen again within a day. Files are stored under ``MEDILYTICA_HOME/data/uploads`` by
    their content, so that the same one twice takes its room once.

    Parameters
    ----------
    limit_mb : float, default 500
        The largest file, in MB of 1024 × 1024 bytes.
    accept : str or list of str, optional
        Endings of the files that are taken, as ``".csv"``; all that can be read where it is left out.

    Attributes
    ----------
    files : list of Uploaded
        What has arrived, oldest first.
    before : list of Uploaded
        What was uploaded before this widget was made, and is still stored, latest first: after a restart of the
        kernel, too. `dataset` takes their names as well.
    uploaded : psygnal.Signal of Uploaded
        Emitted once a file is stored, on a thread of the kernel's.

    Raises
    ------
    InputError
        The limit is no number above 0, or an ending is none of a table's.
    """

    ARGUMENTS = ("limit_mb", "accept")

    uploaded = Signal(object)

    limit = traitlets.Int(help="Bytes of the largest file").tag(sync=True)
    accept = traitlets.List(traitlets.Unicode(), help="Endings that are taken").tag(sync=True)
    arrived = traitlets.List(traitlets.Dict(), help="The files that have arrived, and what they hold").tag(sync=True)
    before_told = traitlets.List(traitlets.Dict(), help="Files that were uploaded before, latest first").tag(sync=True)
    arriving = traitlets.List(traitlets.Dict(), help="The files on their way, from whichever page").tag(sync=True)

    def __init__(self, limit_mb: float = LIMIT_MB, accept: str | Iterable[str] | None = None, **kwargs: Any) -> None:
        self._files: list[Uploaded] = []
        self._looks: dict[str, Look] = {}
        self._looking = threading.Lock()
        self._options: dict[str, dict[str, Any]] = {}
        self._readings: dict[str, int] = {}
        self._arrivals = Arrivals(lambda: UploadStore(home() / "data" / "uploads"), self._keep)
        self.limit, self.accept = _bytes_of(limit_mb), _endings(accept)
        self.before_told = [{"sha256": f.sha256, "name": f.name, "size": f.size} for f in stored()[:MOST_BEFORE]]
        super().__init__(**kwargs)

    @property
    def before(self) -> list[Uploaded]:
        """What was uploaded before and is still stored, latest first."""
        with self._lock:
            here = {(file.sha256, file.name) for file in self._files}
        return [file for file in stored() if (file.sha256, file.name) not in here]

    @property
    def files(self) -> list[Uploaded]:
        """What has arrived, oldest first; a file that came again stands last."""
        with self._lock:
            return list(self._files)

    def dataset(self, name: str | None = None, **options: Any) -> Dataset:
        """Load a file that has arrived.

        Parameters
        ----------
        name : str, optional
            What it was called; the latest of that name counts. The latest file of all where it is left out.
        **options
            What `load_dataset` takes. How the file is read, where a person said so in the widget, is taken from there.

        Returns
        -------
        Dataset
            Its spec names the stored file by its content, so that it is found again in any place where it is stored.

        Raises
        ------
        StateError
            Nothing has arrived, or that file is still on its way.
        InputError
            There is no file of that name, or it cannot be read.
        """
        from ..data import load_dataset

        file = self._file(name)
        with self._lock:
            said = dict(self._options.get(file.sha256, {}))
        stem = file.name[: -len(suffix_of(file.name)) or None]
        return load_dataset(source_of(file), **{"name": stem, **said, **options})

    def _file(self, name: str | None) -> Uploaded:
        files = self.files
        found = [file for file in files if name is None or file.name == label(name)]
        if found:
            return found[-1]
        for coming in self._arrivals.told():
            if name is None or coming["name"] == label(name):
                done = coming["received"] / coming["size"]
                raise StateError(f"{coming['name']!r} is still on its way: {done:.0%} have come. Wait for it.")
        before = self.before
        for file in before:
            if name is not None and file.name == label(name):
                self._keep(file)
                return file
        if name is not None and (files or before):
            known = dict.fromkeys(file.name for file in (*files, *before))
            raise InputError(f"No file {name!r} has arrived. {hint(name, known)}")
        if before:
            names = ", ".join(repr(file.name) for file in before[:5])
            raise StateError(f"No file has arrived yet. Uploaded before, and taken by name: {names}.")
        raise StateError(
            "No file has arrived yet. Drop one on the widget first; where nobody looks, give the path to "
            "mw.load_dataset instead."
        )

    # --- what pages ask -----------------------------------------------------------------------------

    @serves("upload.open")
    def _open(self, body: dict[str, Any], buffers: list[Any]) -> dict[str, Any]:
        name, size = body["name"], body["size"]
        sample = bytes(_single(buffers, 2 * SAMPLE_BYTES))
        shown = label(name)
        if suffix_of(name) not in self.accept:
            raise InputError(f"{shown!r} is not taken here: its name has to end in {in_words(self.accept)}.")
        if size <= 0:
            raise InputError(f"{shown!r} is empty: there is nothing to upload.")
        if size > self.limit:
            raise InputError(
                f"{shown!r} has {megabytes(size)}; {megabytes(self.limit)} are the most here. "
                "Set limit_mb=… to take more."
            )
        answer = self._arrivals.open(name, size, body["modified"], body["known"], sample)
        self.mark()
        return answer

    @serves("upload.chunk")
    def _chunk(self, body: dict[str, Any], buffers: list[Any]) -> dict[str, Any]:
        answer = self._arrivals.chunk(body["upload"], body["offset"], _single(buffers, CHUNK_BYTES))
        self.mark_later(_TOLD_SECONDS)
        return answer

    @serves("upload.cancel")
    def _cancel(self, body: dict[str, Any]) -> None:
        self._arrivals.cancel(body["upload"])
        self.mark()

    @serves("upload.preview")
    def _preview(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            look = self._looks.get(body["sha256"])
        if look is None:
            raise InputError("That file has not been read yet. Wait for its rows and columns.")
        return {name: look[name] for name in ("names", "kinds", "cells", "rows", "columns")}

    @serves("upload.adopt")
    def _adopt(self, body: dict[str, Any]) -> None:
        asked = (body["sha256"], body["name"])
        found = next((file for file in self.before if (file.sha256, file.name) == asked), None)
        if found is None:
            raise InputError(f"{label(body['name'])!r} is not stored any more. Upload it again.")
        self._keep(found)

    @serves("upload.reread")
    def _reread(self, body: dict[str, Any]) -> None:
        sha256, given = body["sha256"], body["options"]
        with self._lock:
            file = next((file for file in self._files if file.sha256 == sha256), None)
        if file is None:
            raise InputError("That file has not arrived here.")
        options = _reading_options(given)
        with self._lock:
            self._options[sha256] = options
            self._looks.pop(sha256, None)
            self._readings[sha256] = self._readings.get(sha256, 0) + 1
        self.mark()
        threading.Thread(target=self._look, args=(file,), name="medilytica-look", daemon=True).start()

    # --- what has come ------------------------------------------------------------------------------

    def _keep(self, file: Uploaded) -> None:
        remember(file)
        with self._lock:
            again = any(known.sha256 == file.sha256 for known in self._files)
            self._files = [known for known in self._files if known != file] + [file]
        self.mark()
        if not again:
            # a file may take minutes to read, and the next one must not wait for it
            threading.Thread(target=self._look, args=(file,), name="medilytica-look", daemon=True).start()
        try:
            self.uploaded.emit(file)
        except Exception:
            logger.exception("A listener to DataUpload.uploaded failed")
        self.refresh_static()

    def _look(self, file: Uploaded) -> None:
        with self._looking:
            if self._closed:
                return
            with self._lock:
                options, reading = dict(self._options.get(file.sha256, {})), self._readings.get(file.sha256, 0)
            found = look_at(file, options)
        with self._lock:
            if reading != self._readings.get(file.sha256, 0):
                # it was asked for in another way meanwhile, which reads it once more
                return
            self._looks[file.sha256] = found
        self.mark()

    def update_view(self) -> None:
        """Tell what has come and what is on its way."""
        coming = self._arrivals.told()
        with self.together():
            self.arrived = [self._told(file) for file in self._files]
            self.before_told = [one for one in self.before_told if not self._is_here(one)]
            self.arriving = coming
        if coming:
            self.mark_later(1.0)

    def _told(self, file: Uploaded) -> dict[str, Any]:
        look = self._looks.get(file.sha256)
        state = "reading" if look is None else "unreadable" if look["error"] else "read"
        return {
            "sha256": file.sha256,
            "name": file.name,
            "size": file.size,
            "state": state,
            "rows": look["rows"] if look else 0,
            "columns": look["columns"] if look else 0,
            "error": look["error"] if look else "",
            "options": self._options.get(file.sha256, {}),
            "found": look["found"] if look else {},
            "sheets": look["sheets"] if look else [],
        }

    def _is_here(self, told: dict[str, Any]) -> bool:
        return any((file.sha256, file.name) == (told["sha256"], told["name"]) for file in self._files)

    def close(self) -> None:
        """Close the widget; files on their way can be gone on with for a day. Safe to call twice."""
        if self._closed:
            return
        super().close()
        self._arrivals.release()

    def static_html(self) -> str:
        """Return what was uploaded: names, sizes, rows and columns."""
        told = [self._told(file) for file in self.files]
        if not told:
            return section("Uploaded files", sentence("Nothing was uploaded."))
        return section("Uploaded files", key_values({one["name"]: _in_words(one) for one in told}))


def _in_words(told: dict[str, Any]) -> str:
    size = megabytes(told["size"])
    if told["state"] == "unreadable":
        return f"{size} · {told['error']}"
    if told["state"] == "reading":
        return f"{size} · SHA-256 {told['sha256'][:12]}…"
    return f"{size} · {grouped(told['rows'])} rows × {grouped(told['columns'])} columns"


def _single(buffers: list[Any], most: int) -> memoryview:
    """Return the one buffer of a request."""
    if len(buffers) != 1:
        raise WireError(f"An upload's request comes with one buffer; {len(buffers)} came.")
    content = memoryview(buffers[0])
    if not 0 < content.nbytes <= most:
        raise WireError(f"The buffer of an upload's request has 1 to {most} bytes; {content.nbytes} came.")
    return content.cast("B")


def _bytes_of(limit_mb: Any) -> int:
    fits = isinstance(limit_mb, (int, float)) and not isinstance(limit_mb, bool) and 0 < limit_mb <= 1e9
    if not fits or not math.isfinite(limit_mb):
        raise InputError(f"limit_mb is the size of the largest file in MB, a number above 0; {limit_mb!r} was given.")
    return max(1, int(limit_mb * (1 << 20)))


def _reading_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return how a file is to be read, as `load_dataset` takes it; raise `DataError` where it cannot be."""
    sheet = given.get("sheet")
    if sheet is not None and not isinstance(sheet, str):
        raise InputError(f"sheet is {sheet!r}; it takes the name of a sheet.")
    for name in given:
        if name not in (*NAMES, "sheet"):
            raise InputError(f"There is no {name!r} in how a file is read. {hint(name, (*NAMES, 'sheet'))}")
    said = read_options({name: value for name, value in given.items() if name != "sheet"}).said
    return said if sheet is None else {**said, "sheet": sheet}


def _endings(accept: Any) -> list[str]:
    given = list(SUFFIXES) if accept is None else [accept] if isinstance(accept, str) else list(accept)
    wanted = [str(one).strip().lower() for one in given]
    wanted = [one if one.startswith(".") else f".{one}" for one in wanted]
    for one in wanted:
        if one not in SUFFIXES:
            raise InputError(f"accept=… takes endings of tables; {one!r} is none. {hint(one, SUFFIXES, limit=20)}")
    if not wanted:
        raise InputError(f"accept=… names no ending at all. Known: {in_words(SUFFIXES)}.")
    return list(dict.fromkeys(wanted))
