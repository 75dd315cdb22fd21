"""The page that an invitation's link opens: it asks for a name and lets the person in."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jupyter_server.auth import User
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError

from ..errors import MedilyticaError
from . import metrics
from .book import BookError
from .invitations import Invitation, InvitationRefused, lab_address
from .page import asking, page
from .parts import Parts, parts_of, waiting
from .people import RoleError

if TYPE_CHECKING:
    from .people import Person


class JoinHandler(JupyterHandler):
    """``<base_url>medilytica/join/<token>``: looking at it uses nothing, sending the name does."""

    @property
    def parts(self) -> Parts:
        """What the handlers of one server share."""
        return parts_of(self.settings)

    def set_default_headers(self) -> None:
        """Keep the token out of other sites' logs, and the page out of caches and frames."""
        super().set_default_headers()
        # with "no-referrer" browsers would say that the form comes from nowhere, and the server would refuse it
        self.set_header("Referrer-Policy", "strict-origin")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    async def prepare(self) -> None:  # type: ignore[override]
        """Keep the token out of the server's log as well."""
        self.request.uri = f"{self.base_url}medilytica/join/[secret]"
        await super().prepare()

    @property
    def content_security_policy(self) -> str:
        """Nothing is loaded and nothing framed; the form goes to this server alone."""
        return (
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    @allow_unauthenticated
    def get(self, token: str) -> None:
        """Show who invites to what, and ask for a name."""
        if self._too_fast():
            return
        user = self.current_user
        try:
            invitation = self.parts.invitations.look(token)
        except (InvitationRefused, BookError) as error:
            self._refuse(error)
            return
        role = self.parts.sharing.role_of(user)
        known = None if role is None else self.parts.sharing.person(user.username)
        self._write(asking(invitation, self.xsrf_token.decode("ascii"), role, known.name if known else ""))

    @allow_unauthenticated
    def post(self, token: str) -> None:
        """Let the person in, if the invitation is still open."""
        if self._too_fast():
            return
        user: User | None = self.current_user
        name = self.get_body_argument("name", "")[:1000]
        try:
            invitation, person = self.parts.invitations.use(token, name, user)
        except RoleError as error:
            self._ask_again(token, error.message)
            return
        except InvitationRefused as error:
            if error.reason == "not needed":
                self._go(self.parts.invitations.look(token))
                return
            self._refuse(error)
            return
        except MedilyticaError as error:
            self._refuse(error)
            return
        self._enter(user, person)
        self._go(invitation)

    def _enter(self, user: User | None, person: Person) -> None:
        parts = self.parts
        if user is None or user.username != person.id:
            user = User(person.id, person.name, person.name, person.initials or None, None, person.color or None)
            parts.sign_in(self, user)
        metrics.JOINED.labels(role=person.role.value).inc()
        parts.audit.accepted(user, "join", person.id, after={"name": person.name, "role": person.role.value})

    def _go(self, invitation: Invitation) -> None:
        self.redirect(lab_address(self.base_url, invitation.path), status=HTTPStatus.SEE_OTHER)

    def _ask_again(self, token: str, wrong: str) -> None:
        try:
            invitation = self.parts.invitations.look(token)
        except (InvitationRefused, BookError) as error:
            self._refuse(error)
            return
        self.set_status(HTTPStatus.BAD_REQUEST)
        self._write(asking(invitation, self.xsrf_token.decode("ascii"), None, "", wrong))

    def _refuse(self, error: MedilyticaError) -> None:
        reason = error.reason if isinstance(error, InvitationRefused) else "server"
        self.parts.audit.refused(self.current_user, "join", "invitation", f"{reason} ({self.request.remote_ip})")
        # a damaged book's place on the disk is nothing for strangers
        told = error.message if not isinstance(error, BookError) else "This server cannot let anybody in just now."
        gone = isinstance(error, InvitationRefused) and reason != "off"
        self.set_status(HTTPStatus.GONE if gone else HTTPStatus.SERVICE_UNAVAILABLE)
        self._write(page("This invitation lets nobody in", f"<p>{self._escaped(told)}</p>"))

    def _too_fast(self) -> bool:
        wait = self.parts.joining.take(self.request.remote_ip)
        if not wait:
            return False
        metrics.LIMITED.labels(what="join").inc()
        self.parts.audit.refused(self.current_user, "join", "invitation", f"too fast ({self.request.remote_ip})")
        seconds = waiting(wait)
        self.set_status(HTTPStatus.TOO_MANY_REQUESTS)
        self.set_header("Retry-After", str(seconds))
        self._write(page("A moment, please", f"<p>Too many attempts came from here. Wait {seconds} seconds.</p>"))
        return True

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what went wrong in the same plain page."""
        error = kwargs.get("exc_info", (None, None))[1]
        told = "Open the link from the invitation again."
        if isinstance(error, HTTPError) and status_code == HTTPStatus.FORBIDDEN:
            told = "The page was open for too long or came from elsewhere. Open the link from the invitation again."
        self._write(page("That did not work", f"<p>{told}</p>"))

    def _write(self, html: str) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(html)

    @staticmethod
    def _escaped(text: str) -> str:
        from tornado.escape import xhtml_escape

        return xhtml_escape(text)
