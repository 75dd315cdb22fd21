"""The REST interface of roles: who am I, who is here, invitations, sharing, the audit log, health.

All of it lies under ``<base_url>medilytica/api/``, speaks JSON, asks jupyter_server who somebody is, and answers an
error with ``{"message": sentence}``. Pages must send jupyter_server's XSRF token with every change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler

from ..errors import InputError, MedilyticaError
from . import hub_shares, metrics
from .book import BookError
from .invitations import USUAL_SECONDS
from .join import JoinHandler
from .parts import Parts, failure, parts_of, waiting
from .people import Role

if TYPE_CHECKING:
    from jupyter_server.auth import User

LARGEST_BODY = 64 * 1024
MOST_ENTRIES = 500


class RolesHandler(APIHandler):
    """What all of them have in common: the limit, the role that is needed, and errors in sentences."""

    needs: Role | None = None
    """The role without which nothing is answered; None for anybody who is signed in."""

    auth_resource = "medilytica"
    _track_activity = False

    @property
    def parts(self) -> Parts:
        """What the handlers of one server share."""
        return parts_of(self.settings)

    @property
    def user(self) -> User:
        """Whom jupyter_server verified."""
        return self.current_user  # type: ignore[no-any-return]

    async def prepare(self) -> None:  # type: ignore[override]
        """Let through who is signed in, not too fast, and has the role."""
        await super().prepare()
        if self._finished:
            return
        self.set_header("Cache-Control", "no-store")
        if self.current_user is None:
            self.answer_error(HTTPStatus.FORBIDDEN, "You are not signed in.")
            return
        wait = self.parts.asking.take(self.user.username)
        if wait:
            self.too_fast("api", wait)
            return
        if len(self.request.body or b"") > LARGEST_BODY:
            self.answer_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The request is larger than {LARGEST_BODY} bytes.")
            return
        role = self.parts.sharing.role_of(self.user)
        # whatever changes something here is the owners'
        needed = self.needs if self.request.method == "GET" else Role.OWNER
        if needed is not None and not may(role, needed):
            reason = self.parts.sharing.why(self.user) or f"Only an owner may do this; you are {role}."
            self.parts.audit.refused(self.user, self.action, self.request.path, reason)
            self.answer_error(HTTPStatus.FORBIDDEN, reason)

    @property
    def action(self) -> str:
        """What the audit log calls this request."""
        return f"{str(self.request.method).lower()} {self.request.path.rsplit('/', 1)[-1]}"

    def answer(self, content: Any, status: int = HTTPStatus.OK) -> None:
        """End the request with JSON."""
        self.set_status(status)
        self.finish(json.dumps(content))

    def answer_error(self, status: int, message: str, **more: Any) -> None:
        """End the request with a sentence."""
        self.answer({"message": message, **more}, status)

    def too_fast(self, what: str, wait: float) -> None:
        """End a request that came too soon, with the time to wait."""
        metrics.LIMITED.labels(what=what).inc()
        seconds = waiting(wait)
        self.parts.audit.refused(self.user, self.action, self.request.path, f"too fast, wait {seconds} s")
        self.set_header("Retry-After", str(seconds))
        self.answer_error(
            HTTPStatus.TOO_MANY_REQUESTS, f"That was too fast. Wait {seconds} seconds.", retry_after=seconds
        )

    def body(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
        """Return the request's JSON object, or raise `InputError` for missing or unknown fields."""
        try:
            plain = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError):
            raise InputError("The request is not JSON.") from None
        required, optional = set(required), set(optional)
        if not isinstance(plain, dict):
            raise InputError("The request is not a JSON object.")
        if missing := required - set(plain):
            raise InputError(f"The request lacks {', '.join(sorted(missing))}.")
        if unknown := set(plain) - required - optional:
            raise InputError(f"The request holds unknown fields: {', '.join(sorted(unknown))[:200]}.")
        return plain

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer the package's own errors with their sentence; the rest as jupyter_server does."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, MedilyticaError):
            self.fail(error)
            return
        super().write_error(status_code, **kwargs)

    def fail(self, error: MedilyticaError) -> None:
        """End the request with an error's sentence, and write down that it was refused."""
        if isinstance(error, BookError):
            status = HTTPStatus.SERVICE_UNAVAILABLE
        else:
            status = HTTPStatus.BAD_REQUEST if isinstance(error, InputError) else HTTPStatus.CONFLICT
        if self.request.method != "GET":
            self.parts.audit.refused(self.user, self.action, self.request.path, error.message)
        self.answer_error(status, error.message)

    def log_exception(self, *arguments: Any) -> None:
        """Leave out tracebacks of what is only a refusal."""
        if not isinstance(arguments[1], MedilyticaError):
            super().log_exception(*arguments)


class MeHandler(RolesHandler):
    """``GET me``: who the server takes the caller for."""

    def get(self) -> None:
        """Answer user, role, sharing and, without a role, the reason."""
        parts = self.parts
        sharing, person = parts.sharing, parts.sharing.person(self.user.username)
        role = sharing.role_of(self.user)
        if person is None and role is not None:
            parts.saw(self.user)
        name = person.name if person else self.user.display_name
        failed = failure(self.settings)
        self.answer(
            {
                "user": {
                    "id": self.user.username,
                    "name": name,
                    "initials": (person.initials if person else "") or self.user.initials or "",
                    "color": (person.color if person else "") or self.user.color or "",
                },
                "role": role,
                "sharing": {
                    "enabled": sharing.enabled,
                    "viewers_chat": sharing.viewers_chat,
                    "always_on": sharing.always_on,
                    "kind": sharing.identity.kind,
                    "invitations": invited_by(parts),
                    "available": not failed,
                },
                "reason": sharing.why(self.user) or failed,
            }
        )


class PeopleHandler(RolesHandler):
    """``people``: anybody with a role may read names and roles; owners change them."""

    needs = Role.VIEWER

    def get(self) -> None:
        """Answer the people, and for owners who gave them their roles."""
        parts = self.parts
        owner = parts.sharing.role_of(self.user) is Role.OWNER
        shown = ("id", "name", "role", "kind", "initials", "color") + (("added", "by") if owner else ())
        people = [{key: value for key, value in asdict(one).items() if key in shown} for one in parts.sharing.people()]
        if parts.sharing.role_of(self.user) is not None and parts.sharing.person(self.user.username) is None:
            parts.saw(self.user)
        for shares in parts.sharing.identity.shares:
            people += [
                {"id": name, "name": name, "role": role, "kind": "share", "initials": "", "color": ""}
                for name, role in shares.people()
            ]
        named = {one["id"] for one in people}
        for user in list(parts.seen.values()):
            role = parts.sharing.role_of(user)
            if user.username not in named and role is not None:
                people.append(
                    {
                        "id": user.username,
                        "name": user.display_name,
                        "role": role,
                        "kind": "server",
                        "initials": user.initials or "",
                        "color": user.color or "",
                    }
                )
        self.answer({"people": people, "you": self.user.username, "note": NOTES.get(parts.sharing.identity.kind, "")})

    def put(self) -> None:
        """Give a person a role: ``{id, role, name?}``."""
        plain, parts = self.body({"id", "role"}, {"name"}), self.parts
        before = parts.sharing.person(str(plain["id"]))
        if not isinstance(plain["role"], str) or not isinstance(plain.get("name", ""), str):
            raise InputError("Role and name are text.")
        person = parts.sharing.set_role(self.user, plain["id"], plain["role"], display_name=plain.get("name", ""))
        parts.audit.accepted(self.user, "put people", person.id, before and before.role, person.role)
        self.answer({"person": asdict(person)})

    async def delete(self) -> None:
        """Take a person's role away: ``?id=``; on a hub, the share."""
        parts = self.parts
        if parts.sharing.identity.kind == "hub":
            name = self.get_query_argument("id")
            before = dict(pair for shares in parts.sharing.identity.shares for pair in shares.people()).get(name)
            if before is None:
                raise InputError(f"{name!r} holds no share of this server; a hub's groups and roles are changed there.")
            await hub_shares.take_back(parts.sharing.identity, name)
            for shares in parts.sharing.identity.shares:
                await shares.refresh(0)
            parts.audit.accepted(self.user, "delete people", name, before, None)
            self.answer({"removed": name})
            return
        person = parts.sharing.remove(self.user, self.get_query_argument("id"))
        parts.audit.accepted(self.user, "delete people", person.id, person.role, None)
        self.answer({"removed": person.id})


class InvitationsHandler(RolesHandler):
    """``invitations``: for owners alone; on a hub they are its share codes."""

    needs = Role.OWNER

    async def get(self) -> None:
        """Answer all invitations, without their tokens."""
        if self.parts.sharing.identity.kind == "hub":
            self.answer({"invitations": await hub_shares.codes(self.parts.sharing.identity)})
            return
        self.answer({"invitations": [asdict(one) for one in self.parts.invitations.list(self.user)]})

    async def post(self) -> None:
        """Make one: ``{role, seconds?, uses?, path?, label?}``; the answer's link is told this once."""
        parts = self.parts
        # who comes with the server's token and no cookie is somebody else each time
        named = parts.sharing.identity.kind != "plain" or parts.sharing.is_guest(self.user)
        wait = parts.inviting.take(self.user.username if named else "")
        if wait:
            self.too_fast("invitations", wait)
            return
        plain = self.body({"role"}, {"seconds", "uses", "path", "label"})
        if not isinstance(plain["role"], str):
            raise InputError("The role is text.")
        if parts.sharing.identity.kind == "hub":
            made = await hub_shares.make(
                parts.sharing.identity, plain["role"], seconds=plain.get("seconds", USUAL_SECONDS)
            )
            parts.audit.accepted(self.user, "post invitations", made["id"], after={"role": made["role"]})
            self.answer(made, HTTPStatus.CREATED)
            return
        invitation, token = parts.invitations.create(
            self.user,
            plain["role"],
            seconds=plain.get("seconds", USUAL_SECONDS),
            uses=plain.get("uses", 1),
            path=plain.get("path", ""),
            label=plain.get("label", ""),
        )
        told = asdict(invitation)
        parts.audit.accepted(self.user, "post invitations", invitation.id, after=told)
        self.answer({"invitation": told, "link": f"{self.base_url}medilytica/join/{token}"}, HTTPStatus.CREATED)

    async def delete(self) -> None:
        """Take one back: ``?id=``."""
        name, parts = self.get_query_argument("id"), self.parts
        if parts.sharing.identity.kind == "hub":
            await hub_shares.revoke(parts.sharing.identity, name)
            parts.audit.accepted(self.user, "delete invitations", name)
            self.answer({"revoked": name})
            return
        invitation = parts.invitations.revoke(self.user, name)
        parts.audit.accepted(self.user, "delete invitations", invitation.id, "open", "revoked")
        self.answer({"invitation": asdict(invitation)})


class SharingHandler(RolesHandler):
    """``PUT sharing``: turn it on or off, let viewers chat."""

    needs = Role.OWNER

    def put(self) -> None:
        """Change ``{enabled?, viewers_chat?}``."""
        plain, parts = self.body((), {"enabled", "viewers_chat"}), self.parts
        sharing = parts.sharing
        if not plain or not all(type(value) is bool for value in plain.values()):
            raise InputError("Sharing takes enabled and viewers_chat, true or false.")
        failed = failure(self.settings)
        if failed and plain.get("enabled"):
            self.answer_error(HTTPStatus.SERVICE_UNAVAILABLE, failed)
            return
        before = {"enabled": sharing.enabled, "viewers_chat": sharing.viewers_chat}
        if "viewers_chat" in plain:
            sharing.set_viewers_chat(self.user, plain["viewers_chat"])
        if "enabled" in plain:
            (sharing.turn_on if plain["enabled"] else sharing.turn_off)(self.user)
        if plain.get("enabled") and parts.sharing.identity.takes_guests:
            # this browser's cookie is signed anew with the book's key, see cookies.py
            parts.sign_in(self, self.user)
        after = {"enabled": sharing.enabled, "viewers_chat": sharing.viewers_chat}
        parts.audit.accepted(self.user, "put sharing", "sharing", before, after)
        self.answer({"sharing": after})


class AuditHandler(RolesHandler):
    """``GET audit?limit=&before=``: the newest entries first, for owners."""

    needs = Role.OWNER

    def get(self) -> None:
        """Answer one page, and where the next begins."""
        limit, before = self._number("limit", 100), self._number("before", 0)
        entries, following = self.parts.audit.entries(min(max(1, limit), MOST_ENTRIES), before)
        self.answer({"entries": entries, "next": following, "lost": self.parts.audit.lost})

    def _number(self, name: str, otherwise: int) -> int:
        text = self.get_query_argument(name, str(otherwise))
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise InputError(f"{name} is a whole number.")
        return int(text)


class HealthHandler(APIHandler):
    """``GET health``: 200 while shared roles can be served, 503 and the reason otherwise."""

    _track_activity = False

    @allow_unauthenticated
    def get(self) -> None:
        """Answer a status for everybody; the reason only for people whom the server knows."""
        parts = parts_of(self.settings)
        wrong = failure(self.settings) or parts.sharing.broken
        told: dict[str, Any] = {"status": "failed" if wrong else "ok"}
        if self.current_user is not None:
            told |= {"reason": wrong, "sharing": parts.sharing.enabled, "audit_lost": parts.audit.lost}
        self.set_header("Cache-Control", "no-store")
        self.set_status(HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK)
        self.finish(json.dumps(told))


NOTES = {
    "plain": "Whoever has this server's own token or password is an owner.",
    "hub": "Roles come with the hub's shares and groups.",
}
MAY = {Role.OWNER: 2, Role.EDITOR: 1, Role.VIEWER: 0}


def may(role: Role | None, needed: Role) -> bool:
    """Return whether a role is as strong as the one needed."""
    return role is not None and MAY[role] >= MAY[needed]


def invited_by(parts: Parts) -> str:
    """Return how people are invited to this server: ``link``, ``share code``, or not at all."""
    if parts.sharing.identity.kind == "hub":
        return "share code"
    return "link" if parts.sharing.identity.takes_guests else ""


def handlers(base_url: str) -> list[tuple[str, type[Any]]]:
    """Return the routes of the roles for a server's web application."""
    base = re.escape(base_url.rstrip("/")) + "/medilytica"
    named = {
        "me": MeHandler,
        "people": PeopleHandler,
        "invitations": InvitationsHandler,
        "sharing": SharingHandler,
        "audit": AuditHandler,
        "health": HealthHandler,
    }
    routes: list[tuple[str, type[Any]]] = [(f"{base}/api/{name}", kind) for name, kind in named.items()]
    return [*routes, (f"{base}/join/([^/]{{1,200}})", JoinHandler)]
