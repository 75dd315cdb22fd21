"""What runs in the Jupyter server: roles, invitations, and the guard that keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "medilytica_widgets.server"}]


def _load_jupyter_server_extension(serverapp: ServerApp) -> None:
    from .extension import load

    load(serverapp)
