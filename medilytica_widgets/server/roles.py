"""Roles: who is owner, editor or viewer of this server, and who is nobody.

A kernel is all or nothing, so a role counts for the whole server. It is kept by the server and never in a shared
document, which an editor could change to promote himself. Whom a request comes from is told by jupyter_server's
identity provider alone; no name that a page sends is believed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import StateError
from .book import BookError, BookFile
from .identity import Identity
from .people import (
    GUEST,
    GUEST_ID,
    MOST_PEOPLE,
    Person,
    Role,
    RoleError,
    entry_of,
    now,
    owners_of,
    person_name,
    person_of,
    role_named,
    user_id,
    with_article,
)

__all__ = ["GUEST", "Person", "Role", "RoleError", "Sharing"]

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_server.auth import User
    from jupyter_server.serverapp import ServerApp

log = logging.getLogger(__name__)


class Sharing:
    """The roles of one server, kept in its sharing book.

    As long as no owner turned sharing on, whoever the server lets in may do everything, as without this package;
    only people who came by an invitation are refused. From then on a person without a role gets nothing, and so does
    everybody when the book is damaged.

    Parameters
    ----------
    root_dir : path
        The server's root folder.
    identity : Identity, optional
        How the server knows its users; one that knows nobody but the people in the book if left out.
    path : Path, optional
        Another place for the book than the Jupyter data folder.
    always_on : bool
        Sharing is on whatever the book says, as a hub's configuration may wish.
    """

    def __init__(
        self,
        root_dir: str | os.PathLike[str],
        identity: Identity | None = None,
        *,
        path: Path | None = None,
        always_on: bool = False,
    ) -> None:
        self.identity = identity or Identity("other")
        self.book = BookFile(root_dir, path)
        self.always_on = always_on
        self.exposed = ""
        """Why viewers could read this server's secrets; while there is a reason, there are no viewers."""
        self._observers: list[Callable[[], None]] = []
        self._mutex = threading.Lock()
        self._seen = self.book.signature()
        self._reported = ""

    @classmethod
    def of_server(cls, serverapp: ServerApp) -> Sharing:
        """Return the sharing of a running server."""
        always_on = os.environ.get("MEDILYTICA_SHARING", "").strip().lower() in {"1", "on", "true", "yes"}
        return cls(serverapp.root_dir, Identity.of_server(serverapp), always_on=always_on)

    # -- asking ------------------------------------------------------------------

    @property
    def broken(self) -> str:
        """Why the book cannot be used, or an empty string."""
        return self._read()[1]

    @property
    def enabled(self) -> bool:
        """Whether roles count. True for a damaged book: then everybody is refused."""
        book, _ = self._read()
        return self.always_on or book is None or book["enabled"]

    @property
    def viewers_chat(self) -> bool:
        """Whether viewers may write in chats."""
        book, _ = self._read()
        return book is not None and book["viewers_chat"]

    def role_of(self, user: User | None) -> Role | None:
        """Return the role of a user whom the server verified, None for nothing at all.

        With sharing off everyone whom the server lets in is an owner, except those who came by an invitation.
        """
        return self._judge(user)[0]

    def why(self, user: User | None) -> str:
        """Return the sentence that tells a person without a role why; empty for people with one."""
        return self._judge(user)[1]

    def is_guest(self, user: User | None) -> bool:
        """Return whether this user came by an invitation, to this server or another of the same account."""
        return user is not None and self.identity.given != "hub" and bool(GUEST_ID.fullmatch(user.username))

    def people(self) -> list[Person]:
        """Return the people in the book, owners first.

        Raises
        ------
        BookError
            If the book cannot be read.
        """
        found = [person_of(name, entry) for name, entry in self.book.read()["people"].items()]
        order = list(Role)
        return sorted(found, key=lambda person: (order.index(person.role), person.name.lower(), person.id))

    def person(self, name: str) -> Person | None:
        """Return the line of the book about one user, if there is one."""
        book, _ = self._read()
        entry = None if book is None else book["people"].get(name)
        return None if entry is None else person_of(name, entry)

    # -- changing ----------------------------------------------------------------

    def turn_on(self, owner: User) -> None:
        """Let roles count from now on; on a server with identities of its own ``owner`` becomes the first owner.

        Raises
        ------
        StateError
            If the server lets people in whom it cannot tell apart, or this person may not.
        """
        if self.identity.kind == "open":
            raise StateError(
                "This server lets everybody in without token or password, so roles would protect nothing. "
                "Start it with a token or a password, then turn sharing on."
            )
        if self.exposed:
            raise StateError(self.exposed)
        self._needs_owner(owner)

        def edit(book: dict[str, Any]) -> None:
            book["enabled"] = True
            if self.identity.kind == "other" and not owners_of(book):
                book["removed"].pop(owner.username, None)
                book["people"][owner.username] = entry_of(owner.display_name, Role.OWNER, "person", owner.username)

        self._change(edit)

    def turn_off(self, owner: User) -> None:
        """Let whoever the server knows do everything again; guests stay out until it is turned on again."""
        self._needs_owner(owner)
        if self.always_on:
            raise StateError("This server's configuration (MEDILYTICA_SHARING) keeps sharing on.")

        def edit(book: dict[str, Any]) -> None:
            book["enabled"] = False

        self._change(edit)

    def set_viewers_chat(self, owner: User, allowed: bool) -> None:
        """Let viewers write in chats, or not."""
        self._needs_owner(owner)

        def edit(book: dict[str, Any]) -> None:
            book["viewers_chat"] = bool(allowed)

        self._change(edit)

    def set_role(self, owner: User, name: str, role: Role | str, *, display_name: str = "") -> Person:
        """Give a person another role, or a role at all where the server has identities of its own.

        Raises
        ------
        RoleError
            If there is no such role, or nobody can be meant by the name.
        StateError
            If no owner would remain, or ``owner`` is none.
        """
        self._needs_owner(owner)
        wanted, name = role_named(role), user_id(name)
        shown = person_name(display_name) if display_name else ""

        def edit(book: dict[str, Any]) -> None:
            known = book["people"].get(name)
            if known is None:
                self._check_new(book, name)
                known = book["people"][name] = entry_of(shown or name, wanted, "person", owner.username)
                book["removed"].pop(name, None)
            known["role"] = wanted.value
            known["by"] = owner.username
            if shown:
                known["name"] = shown
            self._check_owner_remains(book)

        return person_of(name, self._change(edit)["people"][name])

    def remove(self, owner: User, name: str) -> Person:
        """Take a person's role away; open connections are closed by who observes.

        Raises
        ------
        RoleError
            If nobody of that user name is in the book.
        StateError
            If no owner would remain, or ``owner`` is none.
        """
        self._needs_owner(owner)
        gone: list[Person] = []

        def edit(book: dict[str, Any]) -> None:
            entry = book["people"].pop(name, None)
            if entry is None:
                raise RoleError(f"Nobody of the user name {name!r} has a role here. Look at the list of people again.")
            gone.append(person_of(name, entry))
            book["removed"][name] = {"name": entry["name"], "time": now(), "by": owner.username}
            self._check_owner_remains(book)

        self._change(edit)
        return gone[-1]

    # -- being told --------------------------------------------------------------

    def observe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back, without arguments, after every change of the book; the function returned ends it.

        The call comes in the thread that made the change, or in that of `refresh` for changes made elsewhere.
        """
        with self._mutex:
            self._observers.append(callback)

        def stop() -> None:
            with self._mutex:
                if callback in self._observers:
                    self._observers.remove(callback)

        return stop

    def refresh(self) -> bool:
        """Look whether another process changed the book, tell the observers then, and return whether it did."""
        with self._mutex:
            found = self.book.signature()
            changed, self._seen = found != self._seen, found
        if changed:
            self.tell()
        return changed

    def change_book(self, edit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Change the book in one step and tell the observers; for invitations, who share its file."""
        return self._change(edit)

    # -- inside ------------------------------------------------------------------

    def _read(self) -> tuple[dict[str, Any] | None, str]:
        try:
            return self.book.read(), ""
        except BookError as error:
            if self._reported != error.message:
                self._reported = error.message
                log.error("medilytica: %s", error.message)
            return None, error.message

    def _judge(self, user: User | None) -> tuple[Role | None, str]:
        role, reason = self._named(user)
        return (None, self.exposed) if role is Role.VIEWER and self.exposed else (role, reason)

    def _named(self, user: User | None) -> tuple[Role | None, str]:
        if user is None:
            return None, "You are not signed in."
        from .kernel_user import KernelUser

        book, wrong = self._read()
        if book is None:
            return None, wrong
        enabled, guest = self.always_on or book["enabled"], self.is_guest(user)
        if not enabled:
            if guest:
                return None, "Sharing is off. Ask the owner to turn it on again."
            return Role.OWNER, ""
        if isinstance(user, KernelUser):
            return Role.EDITOR, ""
        if self.identity.kind == "open":
            return None, "This server asks for no token or password, so it cannot tell people apart: roles need one."
        if self.identity.kind == "hub":
            role = self.identity.hub_role(user)
            return role, "" if role else (
                "The hub gives you no role on this server. Ask its owner for a share with a role, or the hub's "
                "administrator."
            )
        entry = book["people"].get(user.username)
        if entry is not None:
            return Role(entry["role"]), ""
        if user.username in book["removed"]:
            return None, "An owner took your access away. Ask for a new invitation if you need it."
        if self.identity.kind == "plain" and not guest:
            # there is no way in but the server's own token or password and our invitations
            return Role.OWNER, ""
        return None, "You have no role here. Ask an owner for an invitation."

    def _needs_owner(self, user: User) -> None:
        role, reason = self._judge(user)
        if role is not Role.OWNER:
            raise StateError(reason or f"Only an owner may change this; you are {with_article(role)}.")

    def _check_new(self, book: dict[str, Any], name: str) -> None:
        if self.identity.kind == "hub":
            raise RoleError(
                "On a hub roles come with the hub's shares and groups. Give the person a share with a role."
            )
        if self.identity.kind != "other" or GUEST_ID.fullmatch(name):
            raise RoleError(f"Nobody of the user name {name!r} has a role here. Invite the person instead.")
        if len(book["people"]) >= MOST_PEOPLE:
            raise RoleError(f"The book holds {MOST_PEOPLE} people, which is the most. Remove some first.")

    def _check_owner_remains(self, book: dict[str, Any]) -> None:
        if self.identity.kind == "other" and not owners_of(book):
            raise StateError("Somebody must stay owner. Make another person owner first.")

    def _change(self, edit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        book = self.book.change(edit)
        with self._mutex:
            self._seen = self.book.signature()
        self.tell()
        return book

    def tell(self) -> None:
        """Tell the observers that somebody's role may have changed."""
        with self._mutex:
            observers = list(self._observers)
        for callback in observers:
            try:
                callback()
            except Exception:
                # the others must hear of it all the same: one of them closes connections
                log.exception("medilytica: an observer of the roles failed")
