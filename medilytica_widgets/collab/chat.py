"""The chat of a workspace: jupyterlab-chat's own document in a room, from Python."""

from __future__ import annotations

# jupyterlab_chat first: whoever imports its documents before it meets a circular import
import jupyterlab_chat  # noqa: F401  isort: skip

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Self

from jupyterlab_chat.models import FileAttachment, Message, NewMessage, User
from jupyterlab_chat.ychat import YChat

from ..errors import WorkspaceError
from .discovery import Server
from .links import ViewReference
from .room import RoomClient
from .room_status import RoomError, RoomStatus
from .shared_doc import SharedDoc

log = logging.getLogger(__name__)

BOT = User(  # type: ignore[no-untyped-call]
    username="medilytica", name="Medilytica", display_name="Medilytica", initials="M", bot=True
)
"""Who posts what a run says by itself."""
MAX_BODY = 100_000


@dataclass(frozen=True)
class ChatMessage:
    """One message of a chat.

    Attributes
    ----------
    id, body : str
        Its id, and its text in Markdown.
    sender, sender_name : str
        Who sent it: the name that the server knows, and the one that is shown.
    time : float
        When, in seconds since 1970, on the server's clock.
    bot : bool
        Whether no person wrote it.
    mentions, attachments : tuple of str
        The people named in it, and the paths of the files that come with it.
    deleted, edited : bool
        What became of it.
    """

    id: str
    body: str
    sender: str
    sender_name: str
    time: float
    bot: bool = False
    mentions: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    deleted: bool = False
    edited: bool = False


class _Chat(YChat):
    """The document without what belongs to its server alone: setting the time of a message, and giving the chat an id.

    Both need an event loop on whatever thread edits, and done twice a message would be moved twice.
    """

    @property
    def dirty(self) -> bool | None:
        """Whether the server has yet to write the file; only the server says so, and it times no message meanwhile."""
        dirty: bool | None = self._ystate.get("dirty")
        return dirty

    @dirty.setter
    def dirty(self, value: bool) -> None:
        pass

    def _on_messages_change(self, event: Any) -> None:
        pass

    def _initialize(self, event: Any) -> None:
        pass


def chat_path(workspace: str) -> str:
    """Return the path of the chat that lies beside a workspace's file."""
    return str(PurePosixPath(workspace).with_suffix(".chat"))


class WorkspaceChat:
    """A chat of jupyterlab-chat, to write to and to listen to.

    Parameters
    ----------
    server : Server
        As `find_server` returns it.
    path : str
        The path of the ``.chat`` file on the server, or that of a workspace, beside whose file the chat then lies. A
        missing file is made.
    on_status : callable, optional
        As for `RoomClient`.
    """

    def __init__(self, server: Server, path: str, *, on_status: Callable[[RoomStatus], None] | None = None) -> None:
        self.path = path if path.endswith(".chat") else chat_path(path)
        self._doc = SharedDoc()
        self._chat = _Chat(self._doc)  # type: ignore[no-untyped-call]
        self._callbacks: list[Callable[[ChatMessage], None]] = []
        self._lock = threading.Lock()
        self._heard: set[str] | None = None
        self.room = RoomClient(self._doc, server, self.path, kind="chat", on_status=self._status_changed, initial="{}")
        self._on_status = on_status
        with self._doc._turn:
            self._chat.ymessages.observe(lambda event: self._doc.later(self._tell))

    def start(self) -> Self:
        """Begin; returns at once."""
        self.room.start()
        return self

    def close(self) -> None:
        """Leave the chat."""
        self.room.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def status(self) -> RoomStatus:
        """How the chat's room is doing."""
        return self.room.status

    def messages(self) -> list[ChatMessage]:
        """Return the messages, oldest first."""
        with self._doc.transaction():
            users: dict[str, Any] = self._chat.yusers.to_py() or {}
            attached: dict[str, Any] = self._chat.yattachments.to_py() or {}
            found = self._chat.ymessages.to_py() or []
        return [_message(each, users, attached) for each in found if isinstance(each, dict)]

    def send(
        self, text: str, *, as_bot: bool = True, mentions: Iterable[str] = (), attachments: Iterable[str] = ()
    ) -> str:
        """Post a message. Returns its id at once; it is kept and sent later while the server is away.

        Parameters
        ----------
        text : str
            Markdown. ``@Name`` in it mentions whoever has that name in the chat.
        as_bot : bool
            Whether the machine posts it; otherwise the person whose token this is.
        mentions : iterable of str
            People by the name that the server knows; those not named in the text are put in front of it.
        attachments : iterable of str
            Paths of files on the server.

        Raises
        ------
        WorkspaceError
            If the text is empty or too long, nobody of a name is here, or this person's name is not known yet.
        RoomError
            If the server does not let this person write here.
        """
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_BODY:
            raise WorkspaceError(f"A message is a text of 1 to {MAX_BODY} characters.")
        if not self.status.writable:
            raise RoomError(self.status.error or "You may not write in this chat. Ask an owner of the server.")
        sender = BOT if as_bot else self._me()
        files = [FileAttachment(value=_server_path(path)) for path in attachments]
        with self._doc.transaction():
            users = self._users()
            named = [users[self._known(name, users)] for name in mentions]
            missing = [f"@{user.mention_name}" for user in named if f"@{user.mention_name}" not in text]
            for user in (sender, *named):
                self._chat.set_user(user)
            ids = [self._chat.set_attachment(file) for file in files]

            def finish(message: Message, chat: YChat) -> None:
                message.attachments = ids or None

            from jupyterlab_chat.utils import find_mentions

            body = " ".join((*missing, text))
            return str(
                self._chat.add_message(
                    NewMessage(body=body, sender=sender.username), trigger_actions=[find_mentions, finish]
                )
            )

    def share(self, view: ViewReference, text: str = "", *, as_bot: bool = False, page: str = "") -> str:
        """Post a link that restores a view for whoever clicks it. Returns the message's id.

        Parameters
        ----------
        view : ViewReference
            What the link shows.
        text : str
            The words of the link; made from the view if left out.
        page : str
            The address before the link's mark; the page that is open if left out.
        """
        return self.send(view.markdown(text, page), as_bot=as_bot)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until the messages are stored; see `RoomClient.flush`."""
        return self.room.flush(timeout)

    def on_message(self, callback: Callable[[ChatMessage], None]) -> Callable[[], None]:
        """Call back with each message that comes from now on, one's own too. Returns what ends it."""
        with self._lock:
            self._callbacks.append(callback)

        def stop() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return stop

    # -- inside ------------------------------------------------------------------

    def _me(self) -> User:
        known = {name: self.room.user.get(name) for name in ("username", "name", "display_name", "initials", "color")}
        if not isinstance(known["username"], str):
            raise WorkspaceError("The server did not say yet who you are. Wait until the chat is connected.")
        return User(**known, avatar_url=self.room.user.get("avatar_url"))  # type: ignore[no-untyped-call]

    def _users(self) -> dict[str, User]:
        """Return who can be mentioned: those who wrote here, and those who are here."""
        found: dict[str, User] = {}
        for person in self.room.people():
            found[person.id] = User(  # type: ignore[no-untyped-call]
                username=person.id, name=person.name, display_name=person.name
            )
        found.update(self._chat.get_users())
        return found

    def _known(self, name: str, users: dict[str, User]) -> str:
        wanted = name.removeprefix("@")
        for username, user in users.items():
            if wanted in (username, user.mention_name, user.display_name):
                return username
        who = ", ".join(sorted(users)) or "nobody yet"
        raise WorkspaceError(
            f"Nobody of the name {name!r} is in this chat, so nobody can be mentioned by it. Known: {who}."
        )

    def _status_changed(self, status: RoomStatus) -> None:
        if status.synced:
            self._tell()
        if self._on_status is not None:
            self._on_status(status)

    def _tell(self) -> None:
        """Tell of the messages that were not told of; those of before the first connection are no news."""
        messages = self.messages()
        with self._lock:
            if self._heard is None:
                if self.status.synced:
                    self._heard = {message.id for message in messages}
                return
            news = [message for message in messages if message.id not in self._heard]
            self._heard |= {message.id for message in news}
            callbacks = list(self._callbacks)
        for message in news:
            for callback in callbacks:
                try:
                    callback(message)
                except Exception:
                    log.exception("A callback for messages failed.")


def _server_path(path: Any) -> str:
    if not isinstance(path, str) or not path or path.startswith("/") or ".." in path.split("/"):
        raise WorkspaceError(f"A file is attached by its path on the server, not {path!r}.")
    return path


def _message(found: dict[str, Any], users: dict[str, Any], attached: dict[str, Any]) -> ChatMessage:
    """Return a message; what others wrote into the document may be of any type."""
    user = users.get(str(found.get("sender")))
    user = user if isinstance(user, dict) else {}
    sender = str(found.get("sender", ""))
    files = (attached.get(str(key)) for key in _list(found.get("attachments")))
    time = found.get("time")
    return ChatMessage(
        id=str(found.get("id", "")),
        body=str(found.get("body", "")),
        sender=sender,
        sender_name=str(user.get("display_name") or user.get("name") or sender),
        time=float(time) if isinstance(time, int | float) else 0.0,
        bot=user.get("bot") is True,
        mentions=tuple(str(each) for each in _list(found.get("mentions"))),
        attachments=tuple(str(file["value"]) for file in files if isinstance(file, dict) and "value" in file),
        deleted=found.get("deleted") is True,
        edited=found.get("edited") is True,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
