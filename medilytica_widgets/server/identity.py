"""How a server knows its users, which decides what the sharing book has to say about somebody it does not name."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from . import hub
from .people import Role

if TYPE_CHECKING:
    from jupyter_server.auth import User
    from jupyter_server.serverapp import ServerApp

    from .hub_roles import HubRoles

Kind = Literal["plain", "open", "hub", "other"]


@dataclass(frozen=True)
class Identity:
    """What is known of a server's identity provider.

    Attributes
    ----------
    given : str
        ``plain`` for the server's own token or password, ``hub`` for JupyterHub, ``other`` for a provider that names
        its users.
    provider : object
        The identity provider, asked whether it asks for a token or password at all.
    owner, server_name : str
        On a hub, whose server it is and what it is called.
    shares : list of HubRoles
        On a hub, what its shares give; see `medilytica_widgets.server.hub_roles.keep_fresh`.
    """

    given: Literal["plain", "hub", "other"]
    provider: Any = field(default=None, compare=False)
    owner: str = ""
    server_name: str = ""
    shares: list[HubRoles] = field(default_factory=list, compare=False)

    @classmethod
    def of_server(cls, serverapp: ServerApp) -> Identity:
        """Look how a running server knows its users."""
        from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider
        from jupyter_server.auth.login import LoginFormHandler

        provider: Any = serverapp.identity_provider
        if type(provider).__module__.partition(".")[0] == "jupyterhub":
            environment = os.environ
            return cls(
                "hub",
                provider,
                environment.get("JUPYTERHUB_USER", ""),
                environment.get("JUPYTERHUB_SERVER_NAME", ""),
            )
        # A subclass may let in whom it likes, and so may another log-in page: then only the book tells who is who.
        exactly = type(provider) in (IdentityProvider, PasswordIdentityProvider)
        if exactly and provider.login_handler_class is LoginFormHandler:
            return cls("plain", provider)
        return cls("other", provider)

    @property
    def kind(self) -> Kind:
        """Return ``plain``, ``hub`` or ``other``, or ``open`` for a plain server without token and password."""
        if self.given == "plain" and self.provider is not None and not self.provider.auth_enabled:
            return "open"
        return self.given

    @property
    def takes_guests(self) -> bool:
        """Whether an invitation can sign somebody in: the provider must know people by jupyter_server's own cookie."""
        if self.kind != "other":
            return self.kind == "plain"
        from jupyter_server.auth.identity import IdentityProvider

        own = ("get_user", "_get_user", "get_user_cookie", "set_login_cookie", "user_to_cookie", "user_from_cookie")
        kind = type(self.provider)
        return issubclass(kind, IdentityProvider) and all(
            getattr(kind, name) is getattr(IdentityProvider, name) for name in own
        )

    def hub_role(self, user: User) -> Role | None:
        """Return a person's role on this server of a hub; its owner needs no scope."""
        # only the hub's identity provider makes users with this attribute, from the hub's own answer
        told = getattr(user, "hub_user", None)
        if not isinstance(told, dict) or told.get("kind", "user") != "user" or told.get("name") != user.username:
            return None
        if self.owner and user.username == self.owner:
            return Role.OWNER
        held = set(told.get("scopes") or ())
        for shares in self.shares:
            held |= shares.scopes_of(user.username, told.get("groups") or ())
        role = hub.role_from_scopes(held, self.owner, self.server_name)
        return None if role is None else Role(role)
