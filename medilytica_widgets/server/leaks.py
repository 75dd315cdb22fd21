"""Where a server tells its own token to everybody, which a viewer must not learn: it makes whoever has it an owner."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .book import data_folder
from .people import Role

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from .roles import Sharing

HOOK = "page_config_hook"


def hide_token(serverapp: ServerApp, sharing: Sharing) -> None:
    """Leave the server's token out of JupyterLab's pages for everybody but owners.

    JupyterLab writes it into the configuration of each page that it serves. Pages work without it, by the log-in
    cookie. On a hub that place holds the person's own token instead, and is left alone.
    """
    if sharing.identity.given == "hub":
        return
    settings = serverapp.web_app.settings
    before = settings.get(HOOK)

    def hook(handler: Any, page_config: dict[str, Any]) -> dict[str, Any]:
        found = before(handler, page_config) if before is not None else page_config
        if sharing.role_of(getattr(handler, "current_user", None)) is Role.OWNER:
            return found
        # a copy: the server keeps one configuration for all its pages
        return {**found, "token": ""}

    settings[HOOK] = hook


def exposed_secrets(serverapp: ServerApp) -> str:
    """Return why viewers could read this server's secrets as files, or an empty string.

    The file that tells a running server's token, the cookie secret and the sharing book lie in folders that are
    hidden, or outside the root folder, on a usual installation.
    """
    from jupyter_core.paths import is_hidden

    root = Path(os.path.realpath(serverapp.root_dir))
    shown = bool(getattr(serverapp.contents_manager, "allow_hidden", False))
    for place in (serverapp.runtime_dir, os.path.dirname(serverapp.cookie_secret_file), data_folder()):
        folder = Path(os.path.realpath(place))
        if folder.is_relative_to(root) and (shown or not is_hidden(folder, root)):
            return (
                f"The folder {folder}, which holds this server's secrets, lies in the server's root folder and is not "
                "hidden, so a viewer could read them there. Start the server in another folder, or set "
                "JUPYTER_RUNTIME_DIR and JUPYTER_DATA_DIR to folders outside of it."
            )
    return ""
