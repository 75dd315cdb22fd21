"""The roles that came by a hub's shares, kept fresh while people are here."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import MedilyticaError
from . import hub_shares
from .hub import role_from_scopes

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from .identity import Identity
    from .roles import Sharing

FRESH_SECONDS = 5.0
"""How long a share that was taken back may still count."""

ASKED_AGAIN_SECONDS = 0.5
STALE_SECONDS = 60.0
"""With no word from the hub for so long nobody has a role by a share any more."""

log = logging.getLogger(__name__)


class HubRoles:
    """Who holds which scopes of this server by a share.

    Parameters
    ----------
    identity : Identity
        Whose server it is.
    changed : callable
        Called, without arguments, when other people hold other scopes than before.
    """

    def __init__(self, identity: Identity, changed: Callable[[], None]) -> None:
        self.identity = identity
        self._changed = changed
        self._held: dict[tuple[str, str], frozenset[str]] = {}
        self._heard = float("-inf")
        self._asked = float("-inf")
        self._one = asyncio.Lock()
        self._said = ""

    def scopes_of(self, user: str, groups: Iterable[str] = ()) -> frozenset[str]:
        """Return the scopes that a person holds by shares of his own and of his groups."""
        if time.monotonic() - self._heard > STALE_SECONDS:
            return frozenset()
        found = [self._held.get(("user", user)), *(self._held.get(("group", name)) for name in groups)]
        return frozenset().union(*(scopes for scopes in found if scopes))

    def people(self) -> list[tuple[str, str]]:
        """Return the people with a role by a share of their own, and the role."""
        told = ((name, self.scopes_of(name)) for kind, name in list(self._held) if kind == "user")
        named = ((name, role_from_scopes(held, self.identity.owner, self.identity.server_name)) for name, held in told)
        return sorted((name, role) for name, role in named if role)

    async def refresh(self, oldest: float = FRESH_SECONDS, patient: bool = False) -> None:
        """Ask the hub, unless that was done in the last ``oldest`` seconds; with ``patient``, when these are over.

        It never raises.
        """
        came = time.monotonic()
        async with self._one:
            if self._asked > came:
                # somebody else's question has been answered meanwhile
                return
            rest = oldest - (time.monotonic() - self._asked)
            if rest > 0:
                if not patient:
                    return
                await asyncio.sleep(rest)
            self._asked = time.monotonic()
            try:
                told = await hub_shares.shares(self.identity)
                held = {
                    (str(share["kind"]), str(share[share["kind"]]["name"])): frozenset(map(str, share["scopes"]))
                    for share in told
                }
            except (MedilyticaError, LookupError, TypeError, ValueError) as error:
                if self._said != str(error):
                    self._said = str(error)
                    log.warning("medilytica: the hub did not tell who holds shares of this server: %s", error)
                return
            self._said = ""
            self._heard = time.monotonic()
            if held != self._held:
                self._held = held
                self._changed()


def keep_fresh(serverapp: ServerApp, sharing: Sharing) -> None:
    """Ask the hub for the shares whenever somebody comes, and every few seconds for those who are here."""
    from tornado.ioloop import PeriodicCallback

    roles = HubRoles(sharing.identity, sharing.tell)
    sharing.identity.shares.append(roles)
    provider: Any = serverapp.identity_provider
    asked = provider.get_user

    async def get_user(handler: Any) -> Any:
        found = asked(handler)
        user = await found if inspect.isawaitable(found) else found
        if user is not None:
            # somebody who accepted a share a moment ago comes at once
            known = sharing.role_of(user) is not None
            await roles.refresh(FRESH_SECONDS if known else ASKED_AGAIN_SECONDS, patient=not known)
        return user

    provider.get_user = get_user
    watch = PeriodicCallback(roles.refresh, FRESH_SECONDS * 1000)
    serverapp.io_loop.add_callback(watch.start)
