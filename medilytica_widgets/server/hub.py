"""JupyterHub: a person's role on somebody's server, from the custom scopes that the hub vouches for.

The scopes are ``custom:medilytica:owner``, ``…:editor`` and ``…:viewer``, always with a filter that names the server:
``custom:medilytica:editor!server=alice/`` or ``custom:medilytica:editor!user=alice`` for all of Alice's servers.
``jupyter-config/jupyterhub_config.py`` defines them and hands them out.
"""

from __future__ import annotations

from collections.abc import Iterable

PREFIX = "custom:medilytica:"
STRONGEST_FIRST = ("owner", "editor", "viewer")


def role_from_scopes(scopes: Iterable[str], owner: str, server_name: str = "") -> str | None:
    """Return the strongest role that these scopes give on one server, None for no role.

    Filters are compared whole, never by how they begin: Bob's viewer scope must not become a right on the server of
    a Bobby. A scope without a filter, or with one for a group, gives nothing.

    Parameters
    ----------
    scopes : iterable of str
        As the hub tells them of the person.
    owner : str
        The hub's name of the user whose server it is.
    server_name : str
        The server's name; empty for the default server.
    """
    if not owner:
        return None
    held = set(scopes)
    for role in STRONGEST_FIRST:
        if held & {f"{PREFIX}{role}!user={owner}", f"{PREFIX}{role}!server={owner}/{server_name}"}:
            return role
    return None


def share_scopes(role: str, owner: str, server_name: str = "") -> list[str]:
    """Return the scopes of a hub's share or share code that lets a person in with a role."""
    where = f"!server={owner}/{server_name}"
    return [f"access:servers{where}", f"{PREFIX}{role}{where}"]
