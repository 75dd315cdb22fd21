"""Invitations to a plain server: a link that gives a role to who opens it first, or to the first few.

The link's token is 256 random bits; the sharing book holds only its SHA-256, so that neither a copy of the book nor a
backup of it lets anybody in. Using one, counting it and writing the person down are one step of the book.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import InputError, StateError
from .people import GUEST, MOST_PEOPLE, Person, Role, entry_of, now, person_name, person_of, role_named

if TYPE_CHECKING:
    from jupyter_server.auth import User

    from .roles import Sharing

SHORTEST_SECONDS = 60
LONGEST_SECONDS = 90 * 24 * 3600
USUAL_SECONDS = 7 * 24 * 3600
MOST_USES = 100
MOST_INVITATIONS = 200
LONGEST_PATH = 1000
LONGEST_LABEL = 100
KEPT_SECONDS = 30 * 24 * 3600
COLOURS = 7

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_STRENGTH = {Role.VIEWER: 0, Role.EDITOR: 1, Role.OWNER: 2}


class InvitationError(InputError):
    """Something about a new invitation is wrong; none was made."""


class InvitationRefused(StateError):
    """The link lets nobody in: unknown, revoked, expired or used up.

    Attributes
    ----------
    reason : str
        ``unknown``, ``revoked``, ``expired``, ``used up``, ``off`` or ``not needed``.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Invitation:
    """What an owner may know of an invitation; the token is told once, when it is made.

    Attributes
    ----------
    id : str
    role : Role
    expires : float
        Seconds since 1970.
    uses, used : int
        How many people it lets in, and let in already.
    state : str
        ``open``, ``revoked``, ``expired`` or ``used up``.
    by, by_name : str
        Who made it.
    created : str
    path : str
        The notebook or folder that it leads to, empty for JupyterLab as it is.
    label : str
        A word for the list of invitations.
    people : tuple of str
        The user names of those who came by it.
    """

    id: str
    role: Role
    expires: float
    uses: int
    used: int
    state: str
    by: str
    by_name: str
    created: str
    path: str
    label: str
    people: tuple[str, ...]


class Invitations:
    """The invitations of one server.

    Parameters
    ----------
    sharing : Sharing
        Whose book they stand in.
    """

    def __init__(self, sharing: Sharing) -> None:
        self.sharing = sharing

    def create(
        self,
        owner: User,
        role: Role | str,
        *,
        seconds: float = USUAL_SECONDS,
        uses: int = 1,
        path: str = "",
        label: str = "",
    ) -> tuple[Invitation, str]:
        """Make an invitation and return it with its token, which is told nowhere else.

        Raises
        ------
        InvitationError
            If an argument is out of range.
        StateError
            If the person is no owner, sharing is off, or this server cannot let guests in.
        """
        wanted = role_named(role)
        if self.sharing.role_of(owner) is not Role.OWNER:
            raise StateError("Only an owner may invite. Ask one for it.")
        if not self.sharing.enabled:
            raise StateError("Sharing is off, so an invitation would let nobody in. Turn it on first.")
        if not self.sharing.identity.takes_guests:
            raise StateError(
                "This server's users come from elsewhere (a hub or an identity provider of its own), so a link cannot "
                "bring new ones. Give roles to the people it knows instead."
            )
        seconds = _number(seconds, "The time that an invitation lasts", SHORTEST_SECONDS, LONGEST_SECONDS)
        if type(uses) is not int or not 1 <= uses <= MOST_USES:
            raise InvitationError(f"An invitation can be used 1 to {MOST_USES} times.")
        token, name = secrets.token_urlsafe(32), secrets.token_hex(8)
        entry: dict[str, Any] = {
            "hash": _hash(token),
            "role": wanted.value,
            "expires": time.time() + seconds,
            "uses": uses,
            "people": [],
            "revoked": False,
            "by": owner.username,
            "by_name": owner.display_name,
            "created": now(),
            "path": shared_path(path),
            "label": _label(label),
        }

        def edit(book: dict[str, Any]) -> None:
            _forget_old(book)
            if len(book["invitations"]) >= MOST_INVITATIONS:
                raise StateError(f"There are {MOST_INVITATIONS} invitations, which is the most. Revoke some first.")
            book["invitations"][name] = entry

        book = self.sharing.change_book(edit)
        return _invitation(name, book["invitations"][name]), token

    def list(self, owner: User) -> list[Invitation]:
        """Return all invitations, the newest first; owners alone may ask."""
        if self.sharing.role_of(owner) is not Role.OWNER:
            raise StateError("Only an owner may see the invitations.")
        found = [_invitation(name, entry) for name, entry in self.sharing.book.read()["invitations"].items()]
        return found[::-1]

    def revoke(self, owner: User, name: str) -> Invitation:
        """Let nobody else in by this invitation; who came by it stays."""
        if self.sharing.role_of(owner) is not Role.OWNER:
            raise StateError("Only an owner may revoke an invitation.")

        def edit(book: dict[str, Any]) -> None:
            if name not in book["invitations"]:
                raise InvitationError("There is no such invitation any more. Look at the list again.")
            book["invitations"][name]["revoked"] = True

        return _invitation(name, self.sharing.change_book(edit)["invitations"][name])

    def look(self, token: str) -> Invitation:
        """Return the open invitation that this token belongs to, without using it.

        Raises
        ------
        InvitationRefused
            If it lets nobody in.
        BookError
            If the sharing book is damaged.
        """
        book = self.sharing.book.read()
        return _invitation(*self._open(book, token))

    def use(self, token: str, name: str, user: User | None = None) -> tuple[Invitation, Person]:
        """Let a person in: count the invitation and write the person into the book, as one step.

        Parameters
        ----------
        token : str
        name : str
            What the person wishes to be called.
        user : User, optional
            Who is signed in already: a guest whose role grows, or somebody whom the server knew without a role.

        Raises
        ------
        InvitationRefused
            If it lets nobody in, or the person has the role already.
        RoleError
            If the name cannot be a name.
        """
        shown = person_name(name)
        done: list[tuple[str, str]] = []

        def edit(book: dict[str, Any]) -> None:
            key, entry = self._open(book, token)
            role = Role(entry["role"])
            held = self.sharing.role_of(user)
            if held is not None and _STRENGTH[held] >= _STRENGTH[role]:
                raise InvitationRefused("You are in already. The invitation was not used.", "not needed")
            known = user is not None and (held is not None or self._keeps_name(user))
            person = user.username if user is not None and known else f"{GUEST}{secrets.token_hex(8)}"
            if person in book["people"]:
                book["people"][person] |= {"role": role.value, "by": entry["by"]}
            else:
                if len(book["people"]) >= MOST_PEOPLE:
                    raise StateError("This server's list of people is full. Ask an owner to remove some.")
                kind = "person" if known else "guest"
                book["people"][person] = {
                    **entry_of(shown, role, kind, entry["by"]),
                    "initials": initials(shown),
                    "color": f"var(--jp-collaborator-color{secrets.randbelow(COLOURS) + 1})",
                }
                book["removed"].pop(person, None)
            entry["people"].append(person)
            done.append((key, person))

        book = self.sharing.change_book(edit)
        key, person = done[-1]
        return _invitation(key, book["invitations"][key]), person_of(person, book["people"][person])

    def _keeps_name(self, user: User) -> bool:
        """Return whether somebody without a role is known to the server by another way than our invitations."""
        return self.sharing.identity.kind == "other" and not self.sharing.is_guest(user)

    def _open(self, book: Mapping[str, Any], token: str) -> tuple[str, dict[str, Any]]:
        if not (self.sharing.always_on or book["enabled"]):
            raise InvitationRefused("Sharing is off on this server. Ask the owner to turn it on again.", "off")
        if not self.sharing.identity.takes_guests:
            raise InvitationRefused("This server lets nobody in by invitations just now.", "off")
        wanted = _hash(token) if isinstance(token, str) and _TOKEN.fullmatch(token) else ""
        # every one is compared, in constant time, so that the time of the answer tells nothing
        found = [item for item in book["invitations"].items() if hmac.compare_digest(str(item[1]["hash"]), wanted)]
        if not found:
            raise InvitationRefused("This invitation is not known here. Ask for a new one.", "unknown")
        key, entry = found[0]
        state = _state(entry)
        if state != "open":
            told = {
                "revoked": "This invitation was taken back.",
                "expired": "This invitation is too old.",
                "used up": "This invitation was used already.",
            }
            raise InvitationRefused(f"{told[state]} Ask for a new one.", state)
        return key, entry


def shared_path(path: object) -> str:
    """Return a path under the server's root folder that an invitation may lead to, or raise `InvitationError`."""
    if not isinstance(path, str) or len(path) > LONGEST_PATH:
        raise InvitationError(f"The path that an invitation leads to has at most {LONGEST_PATH} characters.")
    text = path.strip()
    parts = text.split("/") if text else []
    bad = {"", ".", ".."}
    if "\\" in text or (text and not text.isprintable()) or any(part in bad for part in parts):
        raise InvitationError(
            "An invitation leads to a file or folder under the server's root folder, for example analysis/team.ipynb."
        )
    return text


def lab_address(base_url: str, path: str) -> str:
    """Return the address on this server that shows a path; it always begins with the server's own base."""
    return f"{base_url}lab" if not path else f"{base_url}lab/tree/{quote(path, safe='/')}"


def initials(name: str) -> str:
    """Return one or two letters for a person's picture."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()[:2]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


def _state(entry: Mapping[str, Any]) -> str:
    if entry["revoked"]:
        return "revoked"
    if len(entry["people"]) >= entry["uses"]:
        return "used up"
    return "expired" if time.time() >= entry["expires"] else "open"


def _invitation(name: str, entry: Mapping[str, Any]) -> Invitation:
    return Invitation(
        id=name,
        role=Role(entry["role"]),
        expires=float(entry["expires"]),
        uses=entry["uses"],
        used=len(entry["people"]),
        state=_state(entry),
        by=entry["by"],
        by_name=entry["by_name"],
        created=entry["created"],
        path=entry["path"],
        label=entry["label"],
        people=tuple(entry["people"]),
    )


def _forget_old(book: dict[str, Any]) -> None:
    old = [name for name, entry in book["invitations"].items() if entry["expires"] < time.time() - KEPT_SECONDS]
    for name in old:
        del book["invitations"][name]


def _number(value: object, what: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvitationError(f"{what} is {least} to {most} seconds.")
    return float(value)


def _label(label: object) -> str:
    text = " ".join(label.split()) if isinstance(label, str) else None
    if text is None or len(text) > LONGEST_LABEL or (text and not text.isprintable()):
        raise InvitationError(f"An invitation's label has at most {LONGEST_LABEL} characters that can be seen.")
    return text
