"""The hook in front of every request: no handler is reached by a person whose role does not allow it.

jupyter_server's authorizer is asked only by handlers that choose to ask it (JupyterLab's settings, workspaces and
extension manager don't), so the guard stands where the application chooses the handler. With sharing off it hands on
what it was given.
"""

from __future__ import annotations

import base64
import functools
import inspect
import logging
from typing import Any, cast
from urllib.parse import unquote

from jupyter_server.auth import User
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado import web
from tornado.httputil import HTTPServerRequest, url_concat
from tornado.websocket import WebSocketHandler

from . import guard_policy as policy
from . import metrics
from .guard import WRITERS, Guard
from .guard_rooms import RoomGuard, is_room, room_refusal
from .people import GUEST, Role

log = logging.getLogger(__name__)

CLOSED = "While sharing is on, nobody is let to this address: the guard does not know what answers here."


class Refused(web.RequestHandler):
    """Answers what no guarded handler can."""

    def prepare(self) -> None:
        """Refuse."""
        self.set_status(403)
        self.finish({"message": CLOSED, "reason": "Forbidden"})


class GuardedHandler:
    """Stands before a handler's own class in its bases, and asks the guard first."""

    _guard: Guard
    _guarded_name: str
    _admitted: User | None = None

    async def prepare(self) -> None:
        """Ask the guard, then prepare as the handler does."""
        handler = cast(JupyterHandler, self)
        if not await admit(handler, self._guard, self._guarded_name):
            return
        result = super().prepare()  # type: ignore[misc]
        if inspect.isawaitable(result):
            await result
        now = getattr(handler, "_jupyter_current_user", None)
        if self._admitted is not None and (now is None or now.username != self._admitted.username):
            # the identity provider made up its mind anew
            raise web.HTTPError(403, "The server knows you by two names.")

    def on_finish(self) -> None:
        """Write down what was changed."""
        super().on_finish()  # type: ignore[misc]
        handler = cast(JupyterHandler, self)
        method, name = handler.request.method or "", self._guarded_name
        changed = method not in policy.GET and handler.get_status() < 400
        if changed and self._admitted is not None and name not in policy.QUIET and not policy.is_ours(name):
            self._guard.tally.accepted(self._admitted, f"http.{method.lower()}", _shown(handler))


async def admit(handler: JupyterHandler, guard: Guard, name: str) -> bool:
    """Let a request pass, or answer it; return whether its handler goes on.

    Raises
    ------
    tornado.web.HTTPError
        If it is refused.
    """
    method = handler.request.method or ""
    if policy.is_public(name, method) or _is_identity(handler, name) or _is_open_metrics(handler, name):
        return True
    if not handler.check_host():
        raise web.HTTPError(403)
    found = handler.identity_provider.get_user(handler)
    user = await found if inspect.isawaitable(found) else found
    handler.current_user = handler._jupyter_current_user = user
    ours = policy.is_ours(name)
    if user is None:
        if ours and getattr(getattr(handler, method.lower(), None), "__allow_unauthenticated", False):
            return True
        if isinstance(handler, APIHandler | WebSocketHandler) or method not in ("GET", "HEAD"):
            _refuse(handler, guard, None, "You are not signed in.")
        handler.redirect(url_concat(handler.get_login_url(), {"next": handler.request.uri or "/"}))
        return False
    handler._admitted = user  # type: ignore[attr-defined]
    role = guard.role(user)
    if ours:
        # they tell a person without a role why, and refuse everything else themselves
        return True
    if role is None:
        _refuse(handler, guard, user, guard.why(user))
    if role is Role.VIEWER and (name, method) == policy.LAYOUT:
        # JupyterLab saves at every click how its panels lie; a viewer's stay as they are in his page alone
        handler.set_status(204)
        handler.finish()
        return False
    if guard.enabled and role is not Role.OWNER and (name, method) == policy.RENAMING:
        _refuse(handler, guard, user, "While sharing is on, names are the owners' to give.")
    if role not in WRITERS and not policy.viewer_may(name, method):
        _refuse(handler, guard, user, "You are a viewer here: you may look at everything and change nothing.")
    if guard.enabled:
        reason = room_refusal(handler) if is_room(handler) else _session_refusal(name, handler)
        if reason:
            _refuse(handler, guard, user, reason)
    if isinstance(handler, WebSocketHandler) and role is not None:
        metrics.connections.opened(id(handler), user.username, role.value)
        if name.startswith("jupyter_server_terminals."):
            guard.tally.accepted(user, "terminal.open", _shown(handler))
    return True


def is_guarded(handler: Any) -> bool:
    """Return whether a handler came through the guard."""
    return isinstance(handler, GuardedHandler)


def may_open(handler: Any, role: Role) -> bool:
    """Return whether a person of this role may hold this socket."""
    return role in WRITERS or policy.viewer_may(handler._guarded_name, "GET")


class Dispatch:
    """Stands in for a web application's ``find_handler``.

    Parameters
    ----------
    guard : Guard
        Asked for every request.
    app : tornado.web.Application
        The server's.
    """

    def __init__(self, guard: Guard, app: Any) -> None:
        self.guard = guard
        self.app = app
        self._find = app.find_handler
        self._classes: dict[type, type] = {}

    def __call__(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return what answers a request."""
        delegate = self._find(request, **kwargs)
        try:
            wanted = getattr(delegate, "handler_class", None)
            if isinstance(wanted, type) and issubclass(wanted, WebSocketHandler):
                self._watch(delegate)
            if not (self.guard.enabled or perhaps_guest(request)):
                return delegate
            return self._guarded(delegate, wanted, request)
        except Exception:
            log.exception("medilytica: a request could not be guarded")
            return self._refused(request) if self._closed() else delegate

    def _guarded(self, delegate: Any, wanted: Any, request: HTTPServerRequest) -> Any:
        if not isinstance(wanted, type):
            return self._refused(request)
        name, method = policy.name_of(wanted), request.method or ""
        if issubclass(wanted, JupyterHandler):
            delegate.handler_class = self.guarded_class(wanted)
        elif not policy.is_public(name, method):
            return self._refused(request)
        return delegate

    def guarded_class(self, wanted: type) -> type:
        """Return a handler's class behind the guard."""
        found = self._classes.get(wanted)
        if found is None:
            before = (GuardedHandler, RoomGuard) if is_room(wanted) else (GuardedHandler,)
            found = self._classes[wanted] = type(
                wanted.__name__,
                (*before, wanted),
                {
                    "_guard": self.guard,
                    "_guarded_name": policy.name_of(wanted),
                    "__module__": wanted.__module__,
                    "__qualname__": wanted.__qualname__,
                },
            )
        return found

    def _watch(self, delegate: Any) -> None:
        execute = delegate.execute

        @functools.wraps(execute)
        def executed() -> Any:
            result = execute()
            self.guard.watch(delegate.handler)
            return result

        delegate.execute = executed

    def _refused(self, request: HTTPServerRequest) -> Any:
        return self.app.get_handler_delegate(request, Refused)

    def _closed(self) -> bool:
        try:
            return self.guard.enabled
        except Exception:
            return True


def perhaps_guest(request: HTTPServerRequest) -> bool:
    """Return whether a request may come from an invited person, whom a server without sharing lets do nothing.

    The log-in cookie is signed; what it says is only looked for here, and believed nowhere.
    """
    if "Cookie" not in request.headers:
        return False
    try:
        for cookie in request.cookies.values():
            for field in unquote(cookie.value).split("|"):
                said = base64.b64decode(field.partition(":")[2] + "==", validate=False)
                if f'"{GUEST}'.encode() in said:
                    return True
    except Exception:
        return True
    return False


def install(serverapp: ServerApp, guard: Guard) -> None:
    """Put the guard before every handler of a server, whenever it is added, and beside its authorizer."""
    app = serverapp.web_app
    app.find_handler = Dispatch(guard, app)  # type: ignore[method-assign]
    authorizer = app.settings["authorizer"]
    asked = authorizer.is_authorized

    # The administrator's own stays where it is; both must agree.
    @functools.wraps(asked)
    async def is_authorized(handler: Any, user: Any, action: str, resource: str) -> bool:
        role = guard.role(user)
        if role is None:
            return False
        if role not in WRITERS:
            name = getattr(handler, "_guarded_name", None)
            own = name is None or name.endswith(".IdentityHandler")
            readable = action == "read" and resource in policy.READABLE
            if not (readable if own else policy.viewer_may(str(name), handler.request.method or "")):
                return False
        result = asked(handler, user, action, resource)
        return bool(await result if inspect.isawaitable(result) else result)

    def either(handler: Any, user: Any, action: str, resource: str) -> Any:
        # some handlers cannot wait for an answer, and with sharing off they need not
        if guard.free(user):
            return asked(handler, user, action, resource)
        return is_authorized(handler, user, action, resource)

    authorizer.is_authorized = either


def _refuse(handler: JupyterHandler, guard: Guard, user: User | None, reason: str) -> None:
    action = (
        "socket.open" if isinstance(handler, WebSocketHandler) else f"http.{(handler.request.method or '').lower()}"
    )
    guard.tally.refused(user, action, _shown(handler), reason)
    raise web.HTTPError(403, reason)


def _shown(handler: JupyterHandler) -> str:
    return unquote(handler.request.path)


def _is_identity(handler: JupyterHandler, name: str) -> bool:
    """Return whether a handler is the identity provider's own way in, as a hub's is."""
    provider = handler.identity_provider
    return any(name == policy.name_of(found[1]) for found in provider.get_handlers() if isinstance(found[1], type))


def _is_open_metrics(handler: JupyterHandler, name: str) -> bool:
    asked = handler.settings.get("authenticate_prometheus", True)
    return name == "jupyter_server.base.handlers.PrometheusMetricsHandler" and not asked


def _session_refusal(name: str, handler: JupyterHandler) -> str:
    if name != "jupyter_server_ydoc.handlers.DocSessionHandler":
        return ""
    path = "/".join(str(part) for part in handler.path_args if part is not None)
    strange = "\x00" in path or "\\" in path or any(part in ("..", ".") for part in path.split("/"))
    return "There is no file of such a path." if strange else ""
