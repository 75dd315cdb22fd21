"""What a room asks of its server over HTTP."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass
from typing import Any

import httpx

from .discovery import Server
from .room_status import Refused, refusal

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
STORED_SECONDS = 8.0
"""How long the server may wait with its answer to whether something is stored."""


@dataclass(frozen=True)
class Session:
    """A file's room: the file's lasting id, the server's run, and the file's path."""

    file_id: str
    session_id: str
    path: str


def new_client(server: Server) -> httpx.AsyncClient:
    """Return an HTTP client for one server."""
    # a proxy of the environment is not asked for an address of this machine, nor is a certificate checked there:
    # nobody else answers on the port that the server itself wrote down
    checked = not (server.local and server.found in ("kernel", "running", "hub"))
    return httpx.AsyncClient(headers=server.headers, timeout=TIMEOUT, trust_env=not server.local, verify=checked)


class Rest:
    """The server's endpoints, with refusals as sentences."""

    def __init__(self, http: httpx.AsyncClient, server: Server) -> None:
        self._http = http
        self.server = server

    async def _ask(self, method: str, *parts: str, json: Any = None, **query: str) -> httpx.Response:
        return await self._http.request(method, self.server.endpoint(*parts, **query), json=json)

    async def refused(self, status: int, path: str) -> Refused:
        """Return the sentence for a refusal; find out whether it is the token or the role."""
        known = True
        if status in (401, 403):
            known = (await self._ask("GET", "api", "me")).status_code == 200
        return refusal(status, path, known=known)

    async def _answer(self, response: httpx.Response, path: str) -> Any:
        if not response.is_success:
            raise await self.refused(response.status_code, path)
        try:
            return response.json()
        except ValueError:
            # a login page, or a hub that says the server is asleep
            raise Refused(
                "The server answers with a page instead of data: it is asleep, or its address is wrong."
            ) from None

    async def me(self) -> tuple[dict[str, Any], str | None]:
        """Return whose this token is, as Jupyter's own clients show it, and the role where the server has roles."""
        told = await self._answer(await self._ask("GET", "api", "me"), "")
        identity = told.get("identity")
        response = await self._ask("GET", "medilytica", "api", "me")
        role = None
        if response.is_success:
            with contextlib.suppress(ValueError, AttributeError):
                role = response.json().get("role")
        return dict(identity) if isinstance(identity, dict) else {}, role if isinstance(role, str) else None

    async def open_session(self, path: str, file_id: str | None, kind: str, form: str, initial: str | None) -> Session:
        """Return the file's room; a file that was known by its id is found where it is now.

        ``initial`` is what a missing file begins with; None for one that must exist.
        """
        exists = (await self._ask("GET", "api", "contents", path, content="0")).status_code
        if exists == 404 and file_id is not None:
            moved = await self._ask("GET", "api", "fileid", "path", id=file_id)
            if moved.is_success:
                path = str(moved.json().get("path") or path)
                exists = (await self._ask("GET", "api", "contents", path, content="0")).status_code
        if exists == 404 and initial is not None and file_id is None:
            await self._create(path, initial)
        elif exists >= 400:
            raise await self.refused(exists, path)
        body = {"format": form, "type": kind}
        response = await self._ask("PUT", "api", "collaboration", "session", path, json=body)
        if response.status_code == 404:
            raise Refused("This server has no jupyter-collaboration. Install it there, or work without a server.", 404)
        answer = await self._answer(response, path)
        return Session(str(answer["fileId"]), str(answer["sessionId"]), path)

    async def _create(self, path: str, initial: str) -> None:
        """Make the file, unless somebody else just did: a plain PUT would overwrite what they wrote."""
        folder, _, name = path.rpartition("/")
        extension = f".{name.rpartition('.')[2]}" if "." in name else ""
        made = await self._ask("POST", "api", "contents", folder, json={"type": "file", "ext": extension})
        if made.status_code in (404, 500):
            raise Refused(f"The server has no folder {folder!r} to make {name!r} in. Make the folder first.", 404)
        draft = str((await self._answer(made, path))["path"])
        if initial:
            body = {"type": "file", "format": "text", "content": initial}
            written = await self._ask("PUT", "api", "contents", draft, json=body)
            if not written.is_success:
                raise await self.refused(written.status_code, path)
        named = await self._ask("PATCH", "api", "contents", draft, json={"path": path})
        if named.status_code == 409:
            await self._ask("DELETE", "api", "contents", draft)
        elif not named.is_success:
            raise await self.refused(named.status_code, path)

    async def stored(self, room: str, vector: bytes, deletions: bytes, *, urgent: bool) -> bool | None:
        """Whether the server has stored this state; None for a server that does not tell. It waits a while with "no".

        Raises
        ------
        Refused
            If this person may not change the file.
        """
        body = {
            "room": room,
            "state_vector": base64.b64encode(vector).decode(),
            "deletions": base64.b64encode(deletions).decode(),
            "timeout": STORED_SECONDS,
            "urgent": urgent,
        }
        response = await self._http.post(
            self.server.endpoint("medilytica", "api", "stored"), json=body, timeout=STORED_SECONDS + 10
        )
        # jupyter_server answers 404 for what it does not know, and 405 where something else holds the address
        if response.status_code in (404, 405):
            return None
        answer = await self._answer(response, room)
        if answer.get("stored") is not True and answer.get("reason"):
            raise Refused(str(answer["reason"])[:500])
        return answer.get("stored") is True
