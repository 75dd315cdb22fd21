"""What a viewer may ask the server for, and what anybody may: by the handler that answers, not by the path.

A path can be spelled in many ways, the class that jupyter_server chose for it cannot. What is not in these tables is
refused, so a further extension's endpoints stay closed to viewers until somebody looked at them.
"""

from __future__ import annotations

from collections.abc import Mapping

GET = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = __name__.rpartition(".")[0] + "."

PUBLIC: Mapping[str, frozenset[str]] = {
    "jupyter_server.base.handlers.FileFindHandler": GET,
    "jupyter_server.base.handlers.PublicStaticFileHandler": GET,
    # the way from the base URL to the page that asks who one is
    "jupyter_server.base.handlers.RedirectWithParams": GET,
    # a hub asks every server that it starts for its version, without signing in
    "jupyter_server.base.handlers.APIVersionHandler": GET,
    "jupyter_server.auth.login.LoginFormHandler": GET | {"POST"},
    "jupyter_server.auth.login.LegacyLoginHandler": GET | {"POST"},
    "jupyter_server.auth.logout.LogoutHandler": GET,
    # where a hub sends people back to, with the proof of who they are
    "jupyterhub.singleuser.extension.JupyterHubOAuthCallbackHandler": GET,
    "jupyterhub.singleuser.extension.JupyterHubLogoutHandler": GET,
}
"""What a person without a role needs to come in: log-in pages and files that every installation has."""

VIEWER: Mapping[str, frozenset[str]] = {
    # files, kernels and sessions are looked at
    "jupyter_server.base.handlers.AuthenticatedFileHandler": GET,
    "jupyter_server.files.handlers.FilesHandler": GET,
    "jupyter_server.view.handlers.ViewHandler": GET,
    "jupyter_server.services.contents.handlers.ContentsHandler": GET,
    "jupyter_server.services.contents.handlers.CheckpointsHandler": GET,
    "jupyter_server.services.kernels.handlers.MainKernelHandler": GET,
    "jupyter_server.services.kernels.handlers.KernelHandler": GET,
    "jupyter_server.services.sessions.handlers.SessionRootHandler": GET,
    "jupyter_server.services.sessions.handlers.SessionHandler": GET,
    "jupyter_server.services.kernelspecs.handlers.MainKernelSpecHandler": GET,
    "jupyter_server.services.kernelspecs.handlers.KernelSpecHandler": GET,
    "jupyter_server.kernelspecs.handlers.KernelSpecResourceHandler": GET,
    "jupyter_server_fileid.handler.FileIDHandler": GET,
    "jupyter_server_fileid.handler.FilePathHandler": GET,
    "jupyter_server_terminals.api_handlers.TerminalRootHandler": GET,
    # what a page asks for about the server and itself
    "jupyter_server.base.handlers.APIVersionHandler": GET,
    "jupyter_server.base.handlers.MainHandler": GET,
    "jupyter_server.base.handlers.TrailingSlashHandler": GET,
    "jupyter_server.base.handlers.Template404": GET,
    "jupyter_server.services.api.handlers.APISpecHandler": GET,
    "jupyter_server.services.api.handlers.APIStatusHandler": GET,
    "jupyter_server.services.api.handlers.IdentityHandler": GET,
    "jupyter_server.services.config.handlers.ConfigHandler": GET,
    "jupyter_server.services.nbconvert.handlers.NbconvertRootHandler": GET,
    "jupyter_server.services.security.handlers.CSPReportHandler": GET | {"POST"},
    "jupyterlab_server.handlers.LabHandler": GET,
    "jupyterlab_server.handlers.NotFoundHandler": GET,
    "jupyterlab_server.licenses_handler.LicensesHandler": GET,
    "jupyterlab_server.listings_handler.ListingsHandler": GET,
    "jupyterlab_server.settings_handler.SettingsHandler": GET,
    "jupyterlab_server.themes_handler.ThemesHandler": GET,
    "jupyterlab_server.translations_handler.TranslationsHandler": GET,
    "jupyterlab_server.workspaces_handler.WorkspacesHandler": GET,
    "jupyterlab.handlers.build_handler.BuildHandler": GET,
    # sockets; what may be said over the first two is another guard's
    "jupyter_server_ydoc.handlers.YDocWebSocketHandler": GET,
    "jupyter_server.services.kernels.websocket.KernelWebsocketHandler": GET,
    "jupyter_server.services.events.handlers.SubscribeWebsocket": GET,
    # it names the room of a file, and changes nothing
    "jupyter_server_ydoc.handlers.DocSessionHandler": frozenset({"PUT", "OPTIONS"}),
    "jupyter_server_ydoc.handlers.DocForkHandler": GET,
}

QUIET = frozenset(
    {
        "jupyter_server_ydoc.handlers.DocSessionHandler",
        "jupyter_server.services.security.handlers.CSPReportHandler",
        "jupyter_server.auth.login.LoginFormHandler",
        "jupyterlab_server.workspaces_handler.WorkspacesHandler",
    }
)
"""Requests that are no changes worth a line of the audit log, though their method is not GET."""

LAYOUT = ("jupyterlab_server.workspaces_handler.WorkspacesHandler", "PUT")
"""What is answered a viewer as if it had been done."""

RENAMING = ("jupyter_server.services.api.handlers.IdentityHandler", "PATCH")
"""By which people could call themselves by another's name, where the identity provider lets them."""

READABLE = frozenset({"contents", "kernels", "sessions", "kernelspecs", "config", "api", "events", "terminals"})
"""Resources that a viewer may read, for who asks the authorizer without a request of its own (``/api/me``)."""


def name_of(handler_class: type) -> str:
    """Return a handler's full name."""
    return f"{handler_class.__module__}.{handler_class.__qualname__}"


def is_ours(name: str) -> bool:
    """Return whether a handler is this package's; those ask for the role themselves."""
    return name.startswith(_OURS)


def is_public(name: str, method: str) -> bool:
    """Return whether anybody may make this request."""
    return method in PUBLIC.get(name, ())


def viewer_may(name: str, method: str) -> bool:
    """Return whether a viewer may make this request."""
    return method in VIEWER.get(name, ()) or is_public(name, method) or is_ours(name)
