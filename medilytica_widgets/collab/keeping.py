"""Keeps a workspace's file up to date without a server: writes what was edited, takes in what others wrote."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from ..errors import MedilyticaError
from .discovery import find_server
from .document import DocumentChange, WorkspaceDocument
from .file import WorkspaceFile

_LOOK_SECONDS = 1.0
_SETTLE_SECONDS = 0.1
logger = logging.getLogger(__name__)


def held_by_server(path: Path) -> str | None:
    """Return why a file must be left alone: a server that was started since serves it."""
    server = find_server(path)
    if server is None:
        return None
    return (
        f"{path.name} is served by the Jupyter server at {server.url} now, and would be written past it. "
        "Close this workspace and open it anew: it joins the server."
    )


class Keeper:
    """Saves the document soon after each edit, and looks once a second whether somebody else wrote the file.

    Parameters
    ----------
    path : Path
    document : WorkspaceDocument
    say : callable
        Told in a sentence why nothing can be saved, and with an empty one when it can again.
    """

    def __init__(self, path: Path, document: WorkspaceDocument, say: Callable[[str], None]) -> None:
        self._say = say
        self._file = WorkspaceFile(path, document, held=held_by_server)
        self._edited = threading.Event()
        self._closed = False
        self._trouble = ""
        self._seen: tuple[int, int] | None = None
        self._file.open()
        self._seen = self._stamp()
        self._stop = document.observe(self._on_change)
        self._thread = threading.Thread(target=self._work, name=f"medilytica-file {path.name}", daemon=True)
        self._thread.start()

    @property
    def saved(self) -> bool:
        """Whether everything in the document is in the file."""
        return self._file.saved

    def save(self) -> None:
        """Write now.

        Raises
        ------
        WorkspaceError
            When that cannot be.
        """
        self._file.save()
        self._seen = self._stamp()

    def close(self) -> None:
        """Write what is not written yet, and let the file go. Safe to call twice.

        Raises
        ------
        WorkspaceError
            When it cannot be written; the document still holds it.
        """
        if not self._closed:
            self._closed = True
            self._stop()
            self._edited.set()
            if self._thread is not threading.current_thread():
                self._thread.join(30)
        self._file.close()

    def _on_change(self, change: DocumentChange) -> None:
        if change.local:
            self._edited.set()

    def _work(self) -> None:
        pause = threading.Event()
        while not self._closed:
            if self._edited.wait(_LOOK_SECONDS) and not self._closed:
                # what is dragged changes often: one write for all of it
                pause.wait(_SETTLE_SECONDS)
            self._edited.clear()
            if self._closed or (self._file.saved and self._stamp() == self._seen):
                continue
            try:
                self.save()
                self._tell("")
            except MedilyticaError as error:
                self._tell(error.message)
            except OSError as error:
                self._tell(f"{self._file.path.name} cannot be saved: {error.strerror or error}.")
            except Exception:
                logger.exception("%s could not be kept up to date", self._file.path.name)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            told = os.stat(self._file.path)
        except OSError:
            return None
        return told.st_mtime_ns, told.st_size

    def _tell(self, sentence: str) -> None:
        if sentence != self._trouble:
            self._trouble = sentence
            self._say(sentence)
