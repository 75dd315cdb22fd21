"""The credential that this server's own kernels enter its rooms with, made anew at each start.

A kernel inherits it in its environment. It stands for code that runs here, which is an editor's by definition: it opens
rooms and files and cannot change roles, and it is worth nothing at another server or after a restart.
"""

from __future__ import annotations

import hmac
import inspect
import os
import secrets
from typing import TYPE_CHECKING, Any

from jupyter_server.auth import User

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

VARIABLE = "MEDILYTICA_KERNEL_TOKEN"
NAME = "kernel"


class KernelUser(User):
    """A kernel of this server. Made only here, from the credential: no cookie and no name that is sent becomes one."""


def admit_kernels(serverapp: ServerApp) -> None:
    """Make the credential, give it to the kernels that start from now on, and let the server know it."""
    token = secrets.token_urlsafe(32)
    os.environ[VARIABLE] = token
    provider: Any = serverapp.identity_provider
    asked = provider.get_user

    async def get_user(handler: Any) -> User | None:
        # the identity provider itself has no say here, so that it works whatever provider it is
        words = handler.request.headers.get("Authorization", "").split()
        if len(words) == 2 and words[0].lower() in ("token", "bearer"):
            if hmac.compare_digest(words[1].encode("utf-8"), token.encode("ascii")):
                handler._token_authenticated = True
                return KernelUser(NAME, "Kernel", "Kernel", "K")
        found = asked(handler)
        user: User | None = await found if inspect.isawaitable(found) else found
        return user

    provider.get_user = get_user
