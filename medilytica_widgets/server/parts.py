"""What the handlers of one server share, found in the web application's settings."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from . import metrics
from .audit import AuditLog
from .cookies import use_book_key
from .hub_roles import keep_fresh
from .invitations import Invitations
from .kernel_user import admit_kernels
from .leaks import exposed_secrets, hide_token
from .limits import RateLimit
from .roles import Sharing
from .trainings import Trainings

if TYPE_CHECKING:
    from jupyter_server.auth import User
    from jupyter_server.base.handlers import JupyterHandler
    from jupyter_server.serverapp import ServerApp

SHARING = "medilytica_sharing"
AUDIT = "medilytica_audit"
PARTS = "medilytica_parts"
GUARD = "medilytica_guard"
"""Where the guard is found, which says why shared roles cannot be served if so."""

MOST_SEEN = 500


@dataclass
class Parts:
    """Roles, audit log, invitations and limits of one server."""

    sharing: Sharing
    audit: AuditLog
    invitations: Invitations
    asking: RateLimit = field(default_factory=lambda: RateLimit(50, 500))
    inviting: RateLimit = field(default_factory=lambda: RateLimit(1 / 6, 30))
    # a class of forty behind one address opens the link and sends its names within a minute
    joining: RateLimit = field(default_factory=lambda: RateLimit(1, 120))
    seen: OrderedDict[str, User] = field(default_factory=OrderedDict)
    """People whom the book does not name and who were here since the server began, for the list of people."""

    def saw(self, user: User) -> None:
        """Remember that a person is here."""
        self.seen[user.username] = user
        self.seen.move_to_end(user.username)
        while len(self.seen) > MOST_SEEN:
            self.seen.popitem(last=False)

    def sign_in(self, handler: JupyterHandler, user: User) -> None:
        """Give the browser the identity provider's own log-in cookie."""
        handler.identity_provider.set_login_cookie(handler, user)


def attach(serverapp: ServerApp, sharing: Sharing | None = None, audit: AuditLog | None = None) -> Parts:
    """Put the roles of a running server into its settings, where its handlers and the guard find them.

    The handlers themselves are `medilytica_widgets.server.handlers.handlers`.
    """
    settings = serverapp.web_app.settings
    sharing = sharing or settings.get(SHARING) or Sharing.of_server(serverapp)
    audit = audit or settings.get(AUDIT) or AuditLog.beside(sharing)
    parts = Parts(sharing, audit, Invitations(sharing))
    settings |= {SHARING: sharing, AUDIT: audit, PARTS: parts}
    sharing.exposed = exposed_secrets(serverapp)
    hide_token(serverapp, sharing)
    admit_kernels(serverapp)
    if sharing.identity.given == "hub":
        keep_fresh(serverapp, sharing)
    audit.observe(metrics.count_entry)
    metrics.ask(metrics.ROOMS, lambda: _rooms(serverapp))
    metrics.ask(metrics.TRAININGS, Trainings().running)

    def signed() -> None:
        use_book_key(settings, sharing)

    signed()
    sharing.observe(signed)
    serverapp.log.info(
        "medilytica: sharing is %s (%s)", "on" if sharing.enabled else "off", sharing.broken or sharing.identity.kind
    )
    return parts


def _rooms(serverapp: ServerApp) -> int:
    apps = serverapp.extension_manager.extension_apps.get("jupyter_server_ydoc", ())
    return sum(len(app.ywebsocket_server.rooms) for app in apps)


def parts_of(settings: Mapping[str, Any]) -> Parts:
    """Return what was put into a web application's settings by `attach`."""
    return cast(Parts, settings[PARTS])


def failure(settings: Mapping[str, Any]) -> str:
    """Return why this server cannot keep roles, or an empty string."""
    guard = settings.get(GUARD)
    if guard is None:
        return "The guard that keeps roles is not in place on this server; its log says why."
    return " ".join(guard.problems)


def waiting(seconds: float) -> int:
    """Return whole seconds to wait, at least one."""
    return max(1, math.ceil(seconds))
