"""The endpoints of roles on a real server: who may ask what, invitations from link to revocation, limits, health."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers import Server

EXTENSION = {"medilytica_widgets.server": True}
API = "medilytica/api/"
XSRF = "0123456789abcdef" * 2


class Browser:
    """One person's browser: it keeps cookies and sends the XSRF token that pages send."""

    def __init__(self, server: Server, *, token: str = "") -> None:
        self.server = server
        # the XSRF token is what a page sends as its cookie says it; jupyter_server's own pages set the cookie first
        self.client = httpx.Client(base_url=server.url, timeout=60, cookies={"_xsrf": XSRF}, trust_env=False)
        if token:
            # as the link does that jupyter_server prints; the cookie stays, the token does not
            assert self.client.get(f"api/me?token={token}").status_code == 200

    def ask(self, method: str, path: str, body: Any = None, *, xsrf: bool = True) -> httpx.Response:
        headers = {"X-XSRFToken": XSRF} if xsrf else {}
        return self.client.request(method, path, json=body, headers=headers)

    def api(self, method: str, name: str, body: Any = None) -> httpx.Response:
        return self.ask(method, API + name, body)

    @property
    def me(self) -> dict[str, Any]:
        return dict(self.api("GET", "me").json())

    def join(self, link: str, name: str = "Gerd Gast") -> httpx.Response:
        address = f"http://127.0.0.1:{self.server.port}{link}"
        page = self.client.get(address)
        found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        sent = {"name": name} | ({"_xsrf": found[1]} if found else {})
        return self.client.post(address, data=sent) if found else page


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("roles"), extensions={**EXTENSION, "jupyterlab": True}, base_url="/base/")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def owner(server: Server) -> Browser:
    owner = Browser(server, token=server.token)
    answer = owner.api("PUT", "sharing", {"enabled": True})
    assert answer.status_code == 200, answer.text
    return owner


def invite(owner: Browser, role: str, **more: Any) -> str:
    answer = owner.api("POST", "invitations", {"role": role, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["link"])


@pytest.fixture
def guest(server: Server, owner: Browser) -> Callable[[str], Browser]:
    """Let somebody in with a role."""

    def come(role: str, name: str = "Gerd Gast") -> Browser:
        browser = Browser(server)
        answer = browser.join(invite(owner, role), name)
        assert answer.status_code == 303, answer.text
        return browser

    return come


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.05)


def newest(owner: Browser, **wanted: Any) -> dict[str, Any]:
    """Return the newest entry of the audit log that holds these values."""
    for entry in owner.api("GET", "audit?limit=500").json()["entries"]:
        if all(entry[name] == value for name, value in wanted.items()):
            return dict(entry)
    raise AssertionError(f"The audit log has no entry with {wanted}.")


@pytest.fixture(scope="module")
def unshared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server where sharing was never on; the second test that asks for it turns it on."""
    server = Server(tmp_path_factory.mktemp("unshared"), extensions=EXTENSION)
    yield server
    server.stop()


def test_before_sharing_the_token_opens_everything_and_nothing_is_written(unshared: Server) -> None:
    owner = Browser(unshared, token=unshared.token)
    me = owner.me
    assert (me["role"], me["reason"]) == ("owner", "")
    assert me["sharing"] == {
        "enabled": False,
        "viewers_chat": False,
        "always_on": False,
        "kind": "plain",
        "invitations": "link",
        "available": True,
    }
    assert owner.client.get("api/contents").status_code == 200
    assert owner.api("POST", "invitations", {"role": "viewer"}).status_code == 409
    assert not list((unshared.folder / "data").rglob("sharing/*.json"))
    stranger = Browser(unshared)
    assert stranger.api("GET", "me").status_code == 403
    assert stranger.client.get("medilytica/join/" + "A" * 43).status_code == 503


def test_a_guests_cookie_is_worth_nothing_without_the_book_that_names_him(unshared: Server) -> None:
    owner = Browser(unshared, token=unshared.token)
    assert owner.api("PUT", "sharing", {"enabled": True}).status_code == 200
    browser = Browser(unshared)
    assert browser.join(invite(owner, "editor")).status_code == 303
    assert browser.client.get("api/contents").status_code == 200
    assert owner.api("PUT", "sharing", {"enabled": False}).status_code == 200
    assert browser.client.get("api/contents").status_code == 403, "sharing off lets no guest do everything"
    assert owner.client.get("api/contents").status_code == 200
    # a server on the same port, with the same cookie secret, where this package is switched off
    unshared.stop()
    config = unshared.folder / "config" / "jupyter_server_config.json"
    switched = json.loads(config.read_text())
    switched["ServerApp"]["jpserver_extensions"] = dict.fromkeys(switched["ServerApp"]["jpserver_extensions"], False)
    config.write_text(json.dumps(switched))
    unshared.start()
    assert Browser(unshared).client.get(API + "health").status_code == 404
    assert browser.client.get("api/contents").status_code == 403
    assert Browser(unshared, token=unshared.token).client.get("api/contents").status_code == 200


def test_the_link_asks_for_a_name_and_lets_in_with_its_role(server: Server, owner: Browser) -> None:
    link = invite(owner, "viewer", path="analysis/team one.ipynb", label="for Gerd")
    assert link.startswith("/base/medilytica/join/")
    browser = Browser(server)
    address = f"http://127.0.0.1:{server.port}{link}"
    page = browser.client.get(address)
    assert page.status_code == 200
    assert "an editor can run code as the owner of this server" in page.text
    assert "<script" not in page.text
    assert "http" not in page.text.replace('http-equiv="', "")
    assert page.headers["Referrer-Policy"] == "strict-origin"
    assert page.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    came = browser.join(link, "Gerd Gast")
    assert (came.status_code, came.headers["Location"]) == (303, "/base/lab/tree/analysis/team%20one.ipynb")
    me = browser.me
    assert (me["role"], me["user"]["name"], me["user"]["initials"]) == ("viewer", "Gerd Gast", "GG")
    assert re.fullmatch("guest-[0-9a-f]{16}", me["user"]["id"])
    assert newest(owner, action="join", outcome="accepted")["name"] == "Gerd Gast"
    # the identity that JupyterLab and its presence show
    assert browser.client.get("api/me").json()["identity"]["display_name"] == "Gerd Gast"

    again = Browser(server).join(link)
    assert again.status_code == 410
    assert link.rpartition("/")[2] not in server.said()
    assert "used already" in again.text
    assert newest(owner, action="join", outcome="refused")["reason"].startswith("used up")


def test_a_name_sent_from_another_page_lets_nobody_in(server: Server, owner: Browser) -> None:
    link = invite(owner, "editor")
    address = f"http://127.0.0.1:{server.port}{link}"
    answer = Browser(server).client.post(address, data={"name": "Mallory"})
    assert answer.status_code == 403
    assert "username-" not in str(answer.headers)
    browser = Browser(server)
    browser.client.get(address)
    answer = browser.client.post(address, data={"name": "Mallory", "_xsrf": "forged"})
    assert answer.status_code == 403
    assert Browser(server).join(link).status_code == 303, "the invitation was not used up by that"


def test_a_name_that_cannot_be_seen_is_asked_for_again(server: Server, owner: Browser) -> None:
    link = invite(owner, "viewer")
    browser = Browser(server)
    answer = browser.join(link, "\u202e ")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert browser.join(link, "Gerd").status_code == 303


def test_the_owners_own_browser_uses_up_no_invitation(server: Server, owner: Browser) -> None:
    link = invite(owner, "viewer")
    assert owner.join(link).status_code == 303
    assert owner.me["role"] == "owner"
    assert Browser(server).join(link).status_code == 303


def test_who_is_no_owner_can_change_nothing_and_every_attempt_is_logged(
    owner: Browser, guest: Callable[[str], Browser]
) -> None:
    for role in ("viewer", "editor"):
        browser = guest(role)
        name = browser.me["user"]["id"]
        before = owner.api("GET", "people").json()["people"]
        for method, path, body in (
            ("PUT", "people", {"id": name, "role": "owner"}),
            ("DELETE", f"people?id={name}", None),
            ("GET", "invitations", None),
            ("POST", "invitations", {"role": "owner"}),
            ("DELETE", "invitations?id=x", None),
            ("PUT", "sharing", {"enabled": False}),
            ("GET", "audit", None),
        ):
            answer = browser.api(method, path, body)
            assert answer.status_code == 403, (method, path)
            assert "Only an owner" in answer.json()["message"]
            assert newest(owner, user=name)["action"] == f"{method.lower()} {path.partition('?')[0]}"
        assert owner.api("GET", "people").json()["people"] == before
        assert browser.me["role"] == role


def test_a_change_without_the_pages_xsrf_token_is_refused(owner: Browser) -> None:
    assert owner.ask("PUT", API + "sharing", {"viewers_chat": True}, xsrf=False).status_code == 403
    assert owner.me["sharing"]["viewers_chat"] is False
    assert owner.api("PUT", "sharing", {"viewers_chat": True}).status_code == 200
    assert owner.me["sharing"]["viewers_chat"] is True


def test_a_viewer_reads_names_and_roles_and_no_more(owner: Browser, guest: Callable[..., Browser]) -> None:
    browser = guest("viewer", "Vera")
    told = browser.api("GET", "people").json()
    assert {"Vera"} <= {one["name"] for one in told["people"]}
    assert all("by" not in one and "added" not in one for one in told["people"])
    assert told["you"] == browser.me["user"]["id"]
    assert any("by" in one for one in owner.api("GET", "people").json()["people"])
    assert "token or password" in told["note"]


def test_a_role_is_changed_and_taken_away_at_once(owner: Browser, guest: Callable[[str], Browser]) -> None:
    browser = guest("viewer")
    name = browser.me["user"]["id"]
    assert owner.api("PUT", "people", {"id": name, "role": "editor"}).json()["person"]["role"] == "editor"
    assert browser.me["role"] == "editor"
    entry = newest(owner, action="put people", object=name)
    assert (entry["before"], entry["after"], entry["role"]) == ("viewer", "editor", "owner")
    assert owner.api("DELETE", f"people?id={name}").status_code == 200
    me = browser.me
    assert me["role"] is None
    assert "took your access away" in me["reason"]
    assert browser.client.get("api/contents").status_code == 403


def test_the_servers_token_is_told_to_owners_alone(
    server: Server, owner: Browser, guest: Callable[[str], Browser]
) -> None:
    # JupyterLab writes it into its pages, and who has it is an owner
    page = owner.client.get("lab")
    assert page.status_code == 200
    assert server.token in page.text
    for role in ("viewer", "editor"):
        browser = guest(role)
        for path in ("lab", "lab/tree/some.ipynb", "lab/workspaces/x", "lab/doc/tree/some.ipynb"):
            page = browser.client.get(path)
            assert page.status_code == 200
            assert "jupyter-config-data" in page.text
            assert server.token not in page.text
        assert server.token not in browser.client.get("api/me").text
    assert server.token in owner.client.get("lab").text, "the pages of all are made from one configuration"


def test_a_guest_who_changes_his_name_is_still_himself(owner: Browser, guest: Callable[[str], Browser]) -> None:
    browser = guest("editor", "Gerd")  # type: ignore[call-arg]
    name = browser.me["user"]["id"]
    answer = browser.ask("PATCH", "api/me", {"display_name": "Anna A.", "name": "Anna A."})
    assert answer.status_code in (200, 403)
    assert (browser.me["user"]["id"], browser.me["user"]["name"]) == (name, "Gerd")
    assert "Anna A." not in {one["name"] for one in owner.api("GET", "people").json()["people"]}


def test_an_invitation_that_was_taken_back_lets_nobody_in(server: Server, owner: Browser) -> None:
    made = owner.api("POST", "invitations", {"role": "viewer", "uses": 5}).json()
    assert owner.api("DELETE", f"invitations?id={made['invitation']['id']}").json()["invitation"]["state"] == "revoked"
    assert Browser(server).join(made["link"]).status_code == 410
    assert owner.api("DELETE", "invitations?id=unknown").status_code == 400
    listed = owner.api("GET", "invitations").json()["invitations"]
    assert made["invitation"]["id"] in {one["id"] for one in listed}
    assert made["link"].rpartition("/")[2] not in str(listed)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "people", {"id": "x"}, 400),
        ("PUT", "people", {"id": "x", "role": "owner"}, 400),
        ("PUT", "people", {"id": 3, "role": ["owner"]}, 400),
        ("PUT", "people", [], 400),
        ("DELETE", "people?id=nobody", None, 400),
        ("DELETE", "people", None, 400),
        ("POST", "invitations", {"role": "king"}, 400),
        ("POST", "invitations", {"role": "viewer", "hurry": True}, 400),
        ("POST", "invitations", {"role": "viewer", "path": "//evil.example"}, 400),
        ("POST", "invitations", {"role": "viewer", "label": "x" * 70_000}, 413),
        ("PUT", "sharing", {}, 400),
        ("PUT", "sharing", {"enabled": "yes"}, 400),
        ("GET", "audit?limit=-1", None, 400),
        ("GET", "audit?before=99999999999", None, 400),
        ("PATCH", "people", {}, 405),
        ("GET", "unknown", None, 404),
    ],
)
def test_wrong_input_is_answered_with_a_sentence(
    owner: Browser, method: str, path: str, body: Any, status: int
) -> None:
    answer = owner.api(method, path, body)
    assert answer.status_code == status, answer.text
    if status in (400, 413):
        assert answer.json()["message"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 50_000, b"null", b'"x"'])
def test_a_body_that_is_no_json_object_is_refused(server: Server, owner: Browser, body: bytes) -> None:
    assert owner.me["role"] == "owner"
    status, answer = server.request("PUT", API + "sharing", body)
    assert status == 400
    assert answer["message"].startswith("The request")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["id", "role", "name", "seconds", "uses", "path", "label", "enabled", "viewers_chat"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["PUT people", "POST invitations", "PUT sharing", "DELETE people", "DELETE invitations"]),
    st.dictionaries(fields, anything | st.sampled_from(["viewer", "enabled"]), max_size=4) | anything,
)
def test_no_json_brings_an_endpoint_down(owner: Browser, where: str, body: Any) -> None:
    method, _, path = where.partition(" ")
    if isinstance(body, dict):
        # not the one change that would end sharing for the tests after this one
        body.pop("enabled", None)
    # never what the server would call its own mistake
    assert owner.api(method, path, body).status_code < 500
    assert owner.me["role"] == "owner"


def test_the_audit_log_is_read_in_pages(owner: Browser) -> None:
    seen, before = [], 0
    while before is not None and len(seen) < 30:
        page = owner.api("GET", f"audit?limit=7&before={before}").json()
        seen += page["entries"]
        before = page["next"]
    times = [entry["time"] for entry in seen]
    assert len(times) > 7
    assert times == sorted(times, reverse=True)


def test_metrics_stand_beside_the_servers_own(server: Server, owner: Browser) -> None:
    assert owner.me["role"] == "owner"
    text = server.api("GET", "metrics")
    for name in (
        "people_connected",
        "rooms",
        "messages_total",
        "refusals_total",
        "trainings_running",
        "invitations_used_total",
    ):
        assert f"medilytica_{name}" in text, name
    assert re.search(r"medilytica_rooms \d", text)
    assert "http_request_duration_seconds" in text


def test_too_many_invitations_and_attempts_have_to_wait(server: Server, owner: Browser) -> None:
    for _ in range(200):
        answer = owner.api("POST", "invitations", {"role": "viewer", "label": "many"})
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    told = answer.json()
    assert told["retry_after"] == int(answer.headers["Retry-After"]) >= 1
    assert str(told["retry_after"]) in told["message"]
    stranger = Browser(server)
    for _ in range(1000):
        answer = stranger.client.get("medilytica/join/" + "A" * 43)
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert newest(owner, action="join", outcome="refused")["reason"].startswith("too fast")


def test_roles_survive_a_restart_and_a_damaged_book_closes_everything(server: Server, owner: Browser) -> None:
    server.restart()
    assert owner.me["role"] == "owner"
    browser = Browser(server)
    assert browser.join(invite(owner, "editor")).status_code == 303
    assert Browser(server).client.get(API + "health").json() == {"status": "ok"}
    (book,) = (server.folder / "data").rglob("sharing/*.json")
    whole = book.read_bytes()
    book.write_bytes(whole[:100])
    assert owner.me["role"] is browser.me["role"] is None
    assert "mended" in owner.me["reason"]
    assert owner.api("PUT", "sharing", {"enabled": False}).status_code in (403, 503)
    assert owner.client.get("api/contents").status_code == 403
    health = owner.client.get(API + "health")
    assert (health.status_code, health.json()["status"]) == (503, "failed")
    stranger = Browser(server).client.get(API + "health")
    assert (stranger.status_code, stranger.json()) == (503, {"status": "failed"})
    book.write_bytes(whole)
    book.chmod(0o600)
    until(lambda: browser.me["role"] == "editor")
    assert owner.client.get(API + "health").status_code == 200


def test_a_kernel_enters_with_a_credential_of_its_own_that_changes_no_roles(server: Server, owner: Browser) -> None:
    assert owner.me["role"] == "owner"
    kernel = server.api("POST", "api/kernels", {"name": "python3"})["id"]
    found: list[str] = []

    def started() -> bool:
        for child in psutil.Process(server.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                found.append(child.environ().get("MEDILYTICA_KERNEL_TOKEN", ""))
        return any(found)

    until(started)
    server.api("DELETE", f"api/kernels/{kernel}")
    token = next(filter(None, found))
    assert token != server.token
    assert server.api("GET", API + "me", token=token)["role"] == "editor"
    assert server.api("GET", "api/contents", token=token)["type"] == "directory"
    assert server.request("PUT", API + "sharing", {"enabled": False}, token=token)[0] == 403
    assert server.request("POST", API + "invitations", {"role": "owner"}, token=token)[0] == 403
    assert server.request("GET", API + "me", token="A" * 43)[0] == 403
