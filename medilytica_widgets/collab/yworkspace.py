"""The workspace as a document type of Jupyter's rooms: what the server loads, shares and saves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from jupyter_ydoc.ybasedoc import YBaseDoc
from pycrdt import Array, Awareness, Doc, Map, Text

from ..errors import WorkspaceError
from .document import WorkspaceDocument
from .encoding import decode, encode
from .loading import error_update
from .schema import dumps, loads

_EMPTY = "The workspace's file is empty now. Restore it, or delete it and make a new one."


class YWorkspace(YBaseDoc):
    """A `WorkspaceDocument` whose content is the text of its file.

    A text that cannot be read, or that a newer release wrote, is kept as it is: the document says why in
    ``meta.error``, nobody can change it, and the file is written back unchanged. It ends with the next text that can
    be read.
    """

    def __init__(self, ydoc: Doc[Any] | None = None, awareness: Awareness | None = None) -> None:
        super().__init__(ydoc, awareness)
        self.document = WorkspaceDocument(self._ydoc)
        self._meta: Map[Any] = self._ydoc.get("meta", type=Map)

    @property
    def version(self) -> str:
        """The version of this document type."""
        return "1.0.0"

    def get(self) -> str:
        """Return the text of the file; an empty document is an empty file.

        Raises
        ------
        WorkspaceError
            When somebody wrote what cannot be read, or with a newer release: the file stays as it was.
        """
        with self._ydoc.transaction():
            if "error" in self._meta:
                text = decode(self._meta["text"]) if "text" in self._meta else ""
                return text if isinstance(text, str) else ""
            if said := self.document.error:
                # of a newer release: this one would write less than there is
                raise WorkspaceError(said)
            return "" if self.document.is_empty else dumps(self.document.to_plain())

    def set(self, value: str) -> None:
        """Change the document to a file's text; only what differs is written."""
        with self._ydoc.transaction():
            if self._is(value):
                return
            try:
                if not value.strip():
                    if self.document.is_empty:
                        return
                    raise WorkspaceError(_EMPTY)
                plain = loads(value)
                self._clear_error()
                self.document.load_plain(plain)
            except WorkspaceError as error:
                if self.document.is_empty:
                    self._ydoc.apply_update(error_update(error.message, value))
                    return
                self._meta["error"] = encode(error.message)
                self._meta["text"] = encode(value)

    def observe(self, callback: Callable[[str, Any], None]) -> None:
        """Call back with the name of the part and the event whenever the document changes."""
        self.unobserve()
        self._subscriptions[self._ystate] = self._ystate.observe(partial(callback, "state"))
        kinds: dict[str, type[Map[Any] | Array[Any] | Text]]
        kinds = {"meta": Map, "experiments": Map, "notes": Text, "chat": Map, "history": Array}
        for name, kind in kinds.items():
            shared = self._ydoc.get(name, type=kind)
            self._subscriptions[shared] = shared.observe_deep(partial(callback, name))

    def _is(self, value: str) -> bool:
        try:
            return self.get() == value
        except WorkspaceError:
            return False

    def _clear_error(self) -> None:
        for key in ("error", "text"):
            if key in self._meta:
                del self._meta[key]
