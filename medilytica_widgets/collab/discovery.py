"""Which Jupyter server serves a file, and with what credential this process may ask it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from ..errors import WorkspaceError

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class Server:
    """A Jupyter server and the credential to enter it.

    Attributes
    ----------
    url : str
        The address with the base URL; it ends in a slash.
    token : str
        Sent with every request; empty for a server that asks for none.
    root_dir : str, optional
        The folder on this machine that the server shows; None where that is not known.
    found : str
        How it was found: ``explicit``, ``hub``, ``kernel`` (it started this kernel) or ``running``.
    near : str
        The file that it was found for.
    """

    url: str
    token: str = field(default="", repr=False)
    root_dir: str | None = None
    found: str = "explicit"
    near: str = ""

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise WorkspaceError(f"{self.url!r} is no address of a Jupyter server; it begins with http:// or https://.")
        if not self.url.endswith("/"):
            object.__setattr__(self, "url", f"{self.url}/")

    @property
    def local(self) -> bool:
        """Whether the server is reached over the loopback address."""
        return urlsplit(self.url).hostname in LOOPBACK

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries to be let in."""
        return {"Authorization": f"token {self.token}"} if self.token else {}

    def endpoint(self, *parts: str, **query: str) -> str:
        """Return the address of an endpoint; its parts are quoted, slashes in them are kept."""
        path = "/".join(quote(part.strip("/"), safe="/:") for part in parts)
        return f"{self.url}{path}{'?' + urlencode(query) if query else ''}"

    def websocket(self, *parts: str, **query: str) -> str:
        """Return the same for a WebSocket."""
        return "ws" + self.endpoint(*parts, **query).removeprefix("http")

    def path_of(self, file: str | os.PathLike[str]) -> str | None:
        """Return the server's path of a file on this machine, or None when it lies outside the server's root."""
        if self.root_dir is None:
            return None
        # first as written: a folder linked into the root is inside it for the server
        for resolve in (os.path.abspath, os.path.realpath):
            with contextlib.suppress(ValueError):
                inside = Path(resolve(file)).relative_to(resolve(self.root_dir))
                return str(PurePosixPath(*inside.parts))
        return None

    def again(self) -> Server:
        """Look once more: after a restart the server may have another port or token. Returns what is found now."""
        if self.found == "explicit":
            return self
        return find_server(self.near) or self


def notebook_folder() -> Path | None:
    """Return the folder of the notebook that this kernel serves, if it says so."""
    name = os.environ.get("JPY_SESSION_NAME", "")
    folder = Path(name).parent
    return folder if name and folder.is_absolute() and folder.is_dir() else None


def locate(path: str | os.PathLike[str]) -> Path:
    """Return a file's absolute path; a relative one that is not here but beside the notebook is that one."""
    here = Path(path).expanduser()
    beside = notebook_folder()
    if not here.is_absolute() and beside is not None and not here.exists() and (beside / here).exists():
        return beside / here
    return Path(os.path.abspath(here))


def find_server(
    path: str | os.PathLike[str], *, url: str | None = None, token: str | None = None, root_dir: str | None = None
) -> Server | None:
    """Return the server that serves a file, or None when no server does.

    In this order: the one named by ``url``; JupyterHub's, when this process runs in a person's server there; the server
    that started this kernel; a running server of the same person whose root folder holds the file. Those found by
    themselves must hold the file in their root.

    Parameters
    ----------
    path : path
        The file on this machine.
    url, token, root_dir : str, optional
        A server by its address, its token, and the folder that it shows.
    """
    file = locate(path)
    if url is not None:
        return Server(url, token or "", root_dir, "explicit", str(file))
    candidates = [server for server in _candidates(file) if server.path_of(file) is not None]
    if not candidates:
        return None
    first = candidates[0]
    if first.found == "running":
        # several servers may show the file: the innermost root is the one whose users mean this file
        first = max(candidates, key=lambda server: len(Path(server.root_dir or "").parts))
    return first if token is None else replace(first, token=token)


def _candidates(file: Path) -> Iterator[Server]:
    running = list(_running())
    parent = os.environ.get("JPY_PARENT_PID", "")
    mine = [info for info in running if str(info.get("pid")) == parent]
    # given to the kernel by the server extension: it opens less than the server's own token
    scoped = os.environ.get("MEDILYTICA_KERNEL_TOKEN", "")
    hub = _hub(mine[0] if mine else None, scoped)
    if hub is not None:
        yield replace(hub, near=str(file))
    for info in mine:
        yield Server(
            str(info["url"]), scoped or str(info.get("token") or ""), info.get("root_dir"), "kernel", str(file)
        )
    for info in running:
        if info not in mine:
            yield Server(str(info["url"]), str(info.get("token") or ""), info.get("root_dir"), "running", str(file))


def _hub(info: dict[str, Any] | None, scoped: str) -> Server | None:
    """Return the person's server on a hub, by the environment that the hub gives it and its kernels."""
    prefix, token = os.environ.get("JUPYTERHUB_SERVICE_PREFIX"), os.environ.get("JUPYTERHUB_API_TOKEN")
    if not prefix or not token:
        return None
    address = os.environ.get("JUPYTERHUB_SERVICE_URL", "")
    if address:
        parts = urlsplit(address)
        # the address to listen on; every interface is reached over the loopback one
        host = parts.hostname if parts.hostname and parts.hostname not in ("0.0.0.0", "::") else "127.0.0.1"
        host = f"[{host}]" if ":" in host else host
        port = f":{parts.port}" if parts.port else ""
        address = urlunsplit((parts.scheme or "http", f"{host}{port}", prefix, "", ""))
    elif info is not None:
        address = str(info["url"])
    else:
        return None
    root = str(info["root_dir"]) if info and info.get("root_dir") else os.environ.get("JUPYTERHUB_ROOT_DIR") or None
    return Server(address, scoped or token, root or os.path.expanduser("~"), "hub")


def _running() -> Iterator[dict[str, Any]]:
    """Yield what this person's running servers wrote about themselves."""
    from jupyter_server.serverapp import list_running_servers

    with contextlib.suppress(OSError):
        for info in list_running_servers():
            # one that listens on a file socket alone cannot be asked over HTTP
            if isinstance(info, dict) and str(info.get("url", "")).startswith(("http://", "https://")):
                yield info
