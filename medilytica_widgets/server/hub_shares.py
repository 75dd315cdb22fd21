"""Shares and share codes of JupyterHub 5 and later, asked for with this server's own credential.

The hub must let servers do that: ``jupyter-config/jupyterhub_config.py`` gives them ``shares`` for themselves alone.
A code can be exchanged by anybody on the hub until it expires or is taken back; who did so holds a share. The log-in at
a server tells it nothing of the scopes that came by a share, hence it asks the hub who holds which.
"""

from __future__ import annotations

import datetime
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import StateError
from .hub import PREFIX, share_scopes
from .invitations import LONGEST_SECONDS, SHORTEST_SECONDS, InvitationError
from .people import Role, role_named

if TYPE_CHECKING:
    from .identity import Identity

SECONDS = 15.0
PAGE = 100
MOST = 5000


async def make(identity: Identity, role: str, *, seconds: float) -> dict[str, Any]:
    """Make a share code that gives a role on this server, and return it with the link to accept it.

    Raises
    ------
    InvitationError
        If role or time are out of range.
    StateError
        If the hub refuses.
    """
    wanted = role_named(role)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvitationError("The time that an invitation lasts is a number of seconds.")
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise InvitationError(f"An invitation lasts {SHORTEST_SECONDS} to {LONGEST_SECONDS} seconds.")
    body = {"scopes": share_scopes(wanted, identity.owner, identity.server_name), "expires_in": int(seconds)}
    told = await ask(identity, "POST", "share-codes", body=body)
    return {"invitation": _shown(told), "id": told["id"], "role": wanted.value, "link": told["accept_url"]}


async def codes(identity: Identity) -> list[dict[str, Any]]:
    """Return the share codes of this server; the codes themselves the hub told once."""
    return [_shown(item) for item in await _all(identity, "share-codes")]


async def revoke(identity: Identity, name: str) -> None:
    """Take a share code back; shares made by it stay, and are taken back at the hub."""
    await ask(identity, "DELETE", "share-codes", f"?id={quote(name, safe='')}")


async def take_back(identity: Identity, user: str) -> None:
    """Take a person's share of this server away, and with it the way in."""
    await ask(identity, "PATCH", "shares", body={"user": user})


async def shares(identity: Identity) -> list[dict[str, Any]]:
    """Return who holds a share of this server, as the hub tells it."""
    return await _all(identity, "shares")


async def _all(identity: Identity, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < MOST:
        told = await ask(identity, "GET", what, f"?offset={len(found)}&limit={PAGE}")
        found += told["items"]
        if not told["items"] or not told["_pagination"]["next"]:
            break
    return found


async def ask(identity: Identity, method: str, what: str, query: str = "", body: Any = None) -> Any:
    """Ask the hub's API for something of this server."""
    from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

    address = os.environ.get("JUPYTERHUB_API_URL", "").rstrip("/")
    where = f"{quote(identity.owner, safe='')}/{quote(identity.server_name, safe='')}"
    request = HTTPRequest(
        f"{address}/{what}/{where}{query}",
        method=method,
        headers={"Authorization": f"token {os.environ.get('JUPYTERHUB_API_TOKEN', '')}"},
        body=None if body is None else json.dumps(body),
        request_timeout=SECONDS,
    )
    try:
        answer = await AsyncHTTPClient().fetch(request)
    except HTTPClientError as error:
        if error.code == 404:
            raise InvitationError("The hub knows no such share any more. Look at the list again.") from error
        raise StateError(
            f"The hub refused to share this server ({error.code}). Its configuration must let servers make share "
            "codes; jupyter-config/jupyterhub_config.py shows how."
        ) from error
    except OSError as error:
        raise StateError(f"The hub cannot be reached ({error}). Try again in a moment.") from error
    return json.loads(answer.body or b"{}")


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    held = {scope.removeprefix(PREFIX).partition("!")[0] for scope in told["scopes"] if scope.startswith(PREFIX)}
    role = next((role.value for role in Role if role.value in held), "")
    until = told.get("expires_at")
    expires = datetime.datetime.fromisoformat(until).timestamp() if until else None
    return {
        "id": told["id"],
        "role": role,
        "expires": expires,
        "uses": None,
        "used": told.get("exchange_count", 0),
        "state": "open",
        "by": "",
        "by_name": "",
        "created": told.get("created_at", ""),
        "path": "",
        "label": "",
        "people": [],
    }
