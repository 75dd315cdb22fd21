"""Which text of a shared file was written by its room: what tells an old version of our own from an edit by others.

jupyter-collaboration keeps every change in its store and writes the file a second later. If the server dies in between,
the next one finds a file that differs from the store and takes the file for somebody's edit: the changes of that second
would be undone for everybody, and a half-written file would empty the document. This keeps beside the server's data
which text was written last, and which was being written, and brings such a file up to the store before its room opens.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

KINDS = {"medilytica": ".medilytica", "chat": ".chat"}
"""The types of documents whose files are looked after, and how their names end; others are left to Jupyter."""


def digest(text: str) -> str:
    """Return what a text is known by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Journal:
    """What the rooms of this account's servers wrote, one small file for each shared file."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is None:
            from jupyter_core.paths import jupyter_data_dir

            folder = Path(jupyter_data_dir()) / "medilytica" / "written"
        self.folder = folder

    def _file(self, file_id: str) -> Path:
        return self.folder / f"{digest(file_id)[:32]}.json"

    def read(self, file_id: str) -> dict[str, str]:
        """Return the digests under ``written`` and ``writing``; a missing one is not there."""
        try:
            found = json.loads(self._file(file_id).read_text())
        except (OSError, ValueError):
            return {}
        return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}

    def note(self, file_id: str, **digests: str) -> None:
        """Write the digests, so that a power cut leaves the old or the new ones."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._file(file_id)
        fresh = path.with_suffix(f".{os.getpid()}.new")
        with fresh.open("w") as file:
            json.dump(digests, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def install(journal: Journal | None = None) -> None:
    """Let the rooms of this process keep the journal and read it; once is enough.

    Raises
    ------
    AttributeError
        If this jupyter-collaboration is built differently; nothing was changed then.
    """
    from jupyter_server_ydoc.loaders import FileLoader  # type: ignore[import-untyped]
    from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]

    save, initialize = FileLoader._save_content, DocumentRoom.initialize
    if getattr(save, "_medilytica", False):
        return
    kept = journal or Journal()

    @functools.wraps(save)
    async def noted(self: Any, model: dict[str, Any], done_saving: asyncio.Event, path: str) -> Any:
        text = model.get("content")
        if not path.endswith(tuple(KINDS.values())) or not isinstance(text, str):
            return await save(self, model, done_saving, path)
        new = digest(text)
        before = kept.read(self.file_id)
        with _reported(path):
            await asyncio.to_thread(kept.note, self.file_id, **{**before, "writing": new})
        saved = await save(self, model, done_saving, path)
        with _reported(path):
            await asyncio.to_thread(kept.note, self.file_id, written=new)
        return saved

    @functools.wraps(initialize)
    async def brought_up(self: Any) -> None:
        if not self.ready and self.file_type in KINDS and self.ystore is not None:
            with _reported(self.room_id):
                await _bring_up(self, kept)
        await initialize(self)

    noted._medilytica = True  # type: ignore[attr-defined]
    FileLoader._save_content, DocumentRoom.initialize = noted, brought_up


@contextlib.contextmanager
def _reported(what: str) -> Any:
    """Let what fails here be logged: without it a room works as it does without this package."""
    try:
        yield
    except Exception:
        log.exception("medilytica: the journal of %s failed", what)


async def _bring_up(room: Any, journal: Journal) -> None:
    """Write what the store holds into a file that this room itself left behind it."""
    from jupyter_ydoc import ydocs
    from pycrdt import Doc
    from pycrdt.store import YDocNotFound

    known = journal.read(room._file.file_id)
    if not known:
        return
    found = (await room._file.load_content(room.file_format, room.file_type))["content"]
    store = room.ystore
    async with store.start_lock:
        if not store.started.is_set():
            room.create_task(store.start())
            await store.started.wait()
    doc: Doc[Any] = Doc()
    try:
        await store.apply_updates(doc)
    except YDocNotFound:
        return
    text = ydocs[room.file_type](doc).get()
    if found == text or not isinstance(text, str) or not _left_behind(found, known):
        return
    log.warning(
        "medilytica: %s was left behind its document by a server that died; it is written anew", room._file.path
    )
    model = {"type": "file", "format": room.file_format, "content": text}
    await room._file._save_content(model, asyncio.Event(), room._file.path)


def _left_behind(found: str, known: dict[str, str]) -> bool:
    """Whether the text of the file is an older one of its room, or one that was being written when the server died."""
    if digest(found) in known.values():
        return True
    if "writing" not in known:
        return False
    try:
        json.loads(found)
    except ValueError:
        # cut off in the middle; an edit by somebody else would be whole
        return True
    return False
