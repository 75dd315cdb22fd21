"""What the Jupyter server loads: roles, the hooks that keep them, and the endpoints of both.

With sharing off the hooks hand everything on. Where one cannot be put in place sharing is refused, and if the sharing
book says that it is on, so is everybody: a server that cannot keep roles serves nobody.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tornado.web import RequestHandler

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

log = logging.getLogger(__name__)

SUPPORTED = {
    "jupyter_server": ("2.21",),
    "jupyter_server_ydoc": ("3.0",),
    "pycrdt-websocket": ("0.16",),
    "tornado": ("6.6",),
}
"""The versions that the hooks were tested against; with another sharing is refused."""

NEEDED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("tornado.web", "_HandlerDelegate", ("execute",)),
    ("tornado.web", "Application", ("find_handler", "get_handler_delegate")),
    ("jupyter_server.base.handlers", "JupyterHandler", ("prepare", "check_host", "get_login_url")),
    (
        "jupyter_server.services.kernels.connection.channels",
        "ZMQChannelsWebsocketConnection",
        ("prepare", "handle_incoming_message", "_on_zmq_reply"),
    ),
    ("jupyter_server_ydoc.handlers", "YDocWebSocketHandler", ("on_message", "on_close", "prepare", "send", "open")),
    ("jupyter_server_ydoc.websocketserver", "JupyterWebsocketServer", ("room_exists",)),
    ("pycrdt", "Awareness", ("states", "meta")),
)
"""What the hooks stand on in other people's code: module, class, and its members."""


class Locked(RequestHandler):
    """Answers everything where sharing is on and the guard could not be put in place."""

    def prepare(self) -> None:
        """Refuse."""
        self.set_status(503)
        self.finish({"message": "Sharing is on, and this server could not put the guard in place. Its log says why."})


def problems() -> list[str]:
    """Return why the hooks could not be trusted on this installation; empty if all is well."""
    found = []
    for name, known in SUPPORTED.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name} is not installed. Install jupyter-collaboration to share with roles.")
            continue
        if not any(version == one or version.startswith(f"{one}.") for one in known):
            found.append(
                f"{name} {version} is installed, and roles were tested with {' and '.join(known)} only. Install that "
                "version, or a medilytica-widgets that knows yours."
            )
    for module, name, members in NEEDED:
        try:
            owner = getattr(importlib.import_module(module), name)
        except Exception as error:
            found.append(f"{module}.{name} is not there ({error}), so roles cannot be kept.")
            continue
        missing = [member for member in members if not hasattr(owner, member)]
        if missing:
            found.append(f"{module}.{name} has no {' and no '.join(missing)} any more, so roles cannot be kept.")
    return found


def load(serverapp: ServerApp) -> None:
    """Put roles, guard and endpoints into a server. Never raises: a plain server must start without them."""
    try:
        _install(serverapp)
    except Exception:
        log.exception("medilytica: the guard could not be put in place")
        serverapp.log.error("medilytica: the guard that keeps roles could not be put in place; sharing is refused.")
        if _perhaps_shared(serverapp):
            app = serverapp.web_app
            setattr(app, "find_handler", lambda request, **_: app.get_handler_delegate(request, Locked))  # noqa: B010


def _install(serverapp: ServerApp) -> None:
    from . import guard_http, guard_kernels, parts
    from .guard import Guard

    sharing_parts = parts.attach(serverapp)
    guard = Guard(sharing_parts.sharing, sharing_parts.audit)
    guard.problems = problems()
    wrong = guard_kernels.unsuitable(serverapp.web_app.settings.get(guard_kernels.SETTING))
    if wrong:
        guard.problems.append(wrong)
    guard_http.install(serverapp, guard)
    if not wrong:
        guard_kernels.install(serverapp, guard)
    serverapp.web_app.settings[parts.GUARD] = guard
    for name in ("handlers", "durable"):
        _add_handlers(serverapp, name)
    guard.start()
    for problem in guard.problems:
        serverapp.log.warning("medilytica: sharing is refused. %s", problem)
    if guard.problems and guard.enabled:
        serverapp.log.error("medilytica: the sharing book says that sharing is on, so everybody is refused.")


def _add_handlers(serverapp: ServerApp, module: str) -> None:
    # without them less can be asked for, and nothing more be done
    try:
        made = importlib.import_module(f"{__package__}.{module}")
        routes = cast(Callable[[str], Iterable[Any]], made.handlers)(serverapp.web_app.settings["base_url"])
        serverapp.web_app.add_handlers(".*$", list(routes))  # type: ignore[no-untyped-call]
    except Exception:
        log.exception("medilytica: the endpoints of %s could not be added", module)


def _perhaps_shared(serverapp: ServerApp) -> bool:
    """Return whether this server has a book that says, or may say, that sharing is on."""
    try:
        from .roles import Sharing

        return Sharing.of_server(serverapp).enabled
    except Exception:
        log.exception("medilytica: the sharing book could not be looked at")
    from jupyter_core.paths import jupyter_data_dir

    return any((Path(jupyter_data_dir()) / "medilytica" / "sharing").glob("*.json"))
