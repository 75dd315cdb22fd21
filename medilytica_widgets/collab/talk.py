"""The chat of a workspace from Python: send, read, share a view, and have runs announce their result."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable
from typing import Any

from ..errors import MedilyticaError, WorkspaceError
from .chat import ChatMessage, WorkspaceChat, chat_path
from .discovery import Server
from .document import WorkspaceDocument
from .links import ViewReference

_SYNC_SECONDS = 20.0
logger = logging.getLogger(__name__)


class Talk:
    """What ``ws.chat`` gives; the chat's room is entered when it is used first.

    Parameters
    ----------
    document : WorkspaceDocument
    server : Server
    place : str
        The workspace's path on the server.
    """

    def __init__(self, document: WorkspaceDocument, server: Server, place: str) -> None:
        self._document, self._server, self._place = document, server, place
        self._lock = threading.Lock()
        self._room: WorkspaceChat | None = None

    @property
    def path(self) -> str:
        """The chat's path on the server."""
        return str(self._document.chat.get("path") or chat_path(self._place))

    @property
    def announce(self) -> bool:
        """Whether every run that ends says so here; assign True or False. It holds for everyone in the workspace."""
        return bool(self._document.chat.get("announce"))

    @announce.setter
    def announce(self, wanted: bool) -> None:
        self._document.set_chat(announce=bool(wanted))

    def messages(self) -> list[ChatMessage]:
        """Return the messages, oldest first."""
        return self._entered().messages()

    def send(
        self, text: str, *, as_bot: bool = True, mentions: Iterable[str] = (), attachments: Iterable[str] = ()
    ) -> str:
        """Post a message in Markdown and return its id.

        Parameters
        ----------
        text : str
        as_bot : bool
            Whether the machine posts it; otherwise the person whose token this kernel has.
        mentions : iterable of str
            People by the name that the server knows.
        attachments : iterable of str
            Paths of files on the server.

        Raises
        ------
        WorkspaceError
            For an empty or endless text, an unknown person, or a chat that cannot be entered or written in.
        """
        return self._entered().send(text, as_bot=as_bot, mentions=mentions, attachments=attachments)

    def share(self, text: str = "", *, by: str = "", **view: Any) -> str:
        """Post a link that restores a view for whoever clicks it, and return the message's id.

        Parameters
        ----------
        text : str
            The link's words; made from the view when left out.
        by : str, optional
            Markdown before it, for who shares it.
        **view
            ``experiment``, ``run``, ``chart``, ``epoch``, ``layer``, ``row``, ``explanation``; see `ViewReference`.
        """
        link = ViewReference(self._place, **view).markdown(text)
        return self.send(f"{by}: {link}" if by else link)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until what was sent is stored; return whether it is."""
        return self._entered().flush(timeout)

    def tell(self, text: str) -> None:
        """Post what a run says by itself, where that is wished; it waits for nobody and never raises."""

        def work() -> None:
            try:
                self.send(text)
            except MedilyticaError as error:
                logger.warning("A run could not say in the chat how it ended: %s", error.message)

        if self.announce:
            threading.Thread(target=work, name="medilytica-announce", daemon=True).start()

    def close(self) -> None:
        """Leave the chat. Safe to call twice."""
        with self._lock:
            room, self._room = self._room, None
        if room is not None:
            if room.status.connected:
                with contextlib.suppress(MedilyticaError):
                    room.flush(5)
            room.close()

    def _entered(self) -> WorkspaceChat:
        with self._lock:
            if self._room is None:
                room = WorkspaceChat(self._server, self.path).start()
                if not room.room.wait_synced(_SYNC_SECONDS):
                    said = room.status.error or "The server did not answer."
                    room.close()
                    raise WorkspaceError(f"The chat {self.path} could not be entered. {said}")
                self._room = room
                if self._document.chat.get("path") != self.path:
                    self._document.set_chat(path=self.path)
            return self._room
