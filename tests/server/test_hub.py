"""A real JupyterHub with the configuration that is delivered: owner, editor, viewer, stranger, and share codes."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medilytica_widgets.server.hub import PREFIX, role_from_scopes, share_scopes
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "jupyter-config" / "jupyterhub_config.py"
PROXY = ROOT / "js" / "node_modules" / ".bin" / "configurable-http-proxy"
PASSWORD = "a password for trying"
START_SECONDS = 100

# a hub, a proxy and a server start before the first test
pytestmark = pytest.mark.timeout(400)

TEST_CONFIG = """
load_subconfig({config!r})
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.JupyterHub.services = [{{"name": "test", "api_token": {token!r}}}]
c.JupyterHub.load_roles.append(
    {{
        "name": "test",
        "scopes": ["admin:users", "admin:servers", "shares", "access:servers", "read:users:name"],
        "services": ["test"],
    }}
)
c.JupyterHub.load_roles.append(
    # what somebody holds at a server whose name begins like Alice's
    {{
        "name": "elsewhere",
        "scopes": [
            "access:servers!user=alice",
            "custom:medilytica:owner!user=al",
            "custom:medilytica:viewer!user=alicea",
        ],
        "users": ["eve"],
    }}
)
c.Spawner.environment["JUPYTER_CONFIG_DIR"] = {config_dir!r}
"""


class Hub:
    """The hub, its proxy and the servers that it starts."""

    def __init__(self, folder: Path, proxy: str) -> None:
        self.folder = folder
        self.port, hub, proxy_api = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.token = secrets.token_hex(16)
        config_dir = folder / "config"
        config_dir.mkdir()
        # the front end is not looked at here, and costs seconds
        extensions = {
            "medilytica_widgets.server": True,
            "jupyterlab": False,
            "jupyter_lsp": False,
            "notebook_shim": False,
        }
        (config_dir / "jupyter_server_config.json").write_text(
            json.dumps({"ServerApp": {"jpserver_extensions": extensions}})
        )
        (folder / "test_config.py").write_text(
            TEST_CONFIG.format(
                config=str(CONFIG), hub=hub, proxy=proxy_api, token=self.token, config_dir=str(config_dir)
            )
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
        self.log = folder / "terminal.txt"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "--config", "test_config.py"],
                cwd=folder,
                env={
                    **kept,
                    "HOME": str(folder),
                    "MEDILYTICA_HUB_TRY": "1",
                    "MEDILYTICA_HUB_PASSWORD": PASSWORD,
                    "MEDILYTICA_HUB_URL": self.url.rstrip("/"),
                    "MEDILYTICA_HUB_FOLDER": str(folder),
                    "MEDILYTICA_HUB_PROXY": proxy,
                    # the spawner finds the servers' program beside Python
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                },
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.until(lambda: httpx.get(f"{self.url}hub/api/", timeout=10, trust_env=False).status_code == 200)

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if true():
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"The hub did not get so far. It said:\n{self.log.read_text(errors='replace')[-8000:]}")

    def api(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return httpx.request(
            method,
            f"{self.url}hub/api/{path}",
            json=body,
            headers={"Authorization": f"token {self.token}"},
            timeout=60,
            trust_env=False,
        )

    def start_server(self, name: str) -> None:
        assert self.api("POST", f"users/{name}").status_code in (201, 409)
        assert self.api("POST", f"users/{name}/server").status_code in (201, 202)
        self.until(lambda: bool(self.api("GET", f"users/{name}").json()["servers"].get("", {}).get("ready")))

    def stop(self) -> None:
        # it stops its servers and its proxy then
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    proxy = str(PROXY) if PROXY.exists() else shutil.which("configurable-http-proxy")
    if proxy is None:
        pytest.skip("configurable-http-proxy is not installed; `npm ci` in js does it, as make test does")
    pytest.importorskip("jupyterhub", reason="JupyterHub is not installed (the extra named hub)")
    hub = Hub(tmp_path_factory.mktemp("hub"), proxy)
    try:
        hub.start_server("alice")
        yield hub
    finally:
        hub.stop()


class Person:
    """Somebody's browser, signed in at the hub."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        # what tells the hub that a person, not another site's script, opens a page
        headers = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
        self.client = httpx.Client(
            base_url=hub.url, timeout=60, follow_redirects=True, headers=headers, trust_env=False
        )
        page = self.client.get("hub/login")
        answer = self.client.post(
            "hub/login?next=/hub/home", data={"username": name, "password": PASSWORD, "_xsrf": xsrf_of(page)}
        )
        assert answer.status_code == 200, answer.text[:500]

    def visit(self) -> int:
        """Open Alice's server, through all that the hub asks on the way."""
        page = self.client.get("user/alice/")
        if page.status_code == 200 and page.url.path == "/hub/api/oauth2/authorize":
            # a guest is asked whether the server may learn who he is
            scopes = re.findall(r'<input[^>]*name="scopes"[^>]*value="([^"]+)"', page.text)
            page = self.client.post(page.url, data={"scopes": scopes, "_xsrf": xsrf_of(page)})
        return page.status_code

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        sent = next(
            (cookie.value for cookie in self.client.cookies.jar if cookie.name == "_xsrf" and "/user/" in cookie.path),
            "",
        )
        headers = {"X-XSRFToken": sent or "", "Sec-Fetch-Mode": "same-origin"}
        return self.client.request(method, f"user/alice/{path}", json=body, headers=headers)

    @property
    def me(self) -> dict[str, Any]:
        self.visit()
        return dict(self.ask("GET", "medilytica/api/me").json())

    def accept(self, link: str) -> httpx.Response:
        page = self.client.get(link)
        if page.status_code != 200:
            return page
        code = link.partition("code=")[2]
        return self.client.post("hub/accept-share", data={"code": code, "_xsrf": xsrf_of(page)})


def xsrf_of(page: httpx.Response) -> str:
    found = re.search(r'name="_xsrf"\s+value="([^"]+)"', page.text)
    assert found, page.text[:1000]
    return found[1]


@pytest.fixture(scope="module")
def alice(hub: Hub) -> Person:
    return Person(hub, "alice")


def share_code(alice: Person, role: str) -> dict[str, Any]:
    assert alice.me["role"] == "owner"
    answer = alice.ask("POST", "medilytica/api/invitations", {"role": role, "seconds": 3600})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_the_servers_own_user_is_its_owner_and_sharing_is_on_from_the_first_moment(alice: Person) -> None:
    me = alice.me
    assert (me["role"], me["user"]["id"], me["reason"]) == ("owner", "alice", "")
    assert me["sharing"]["kind"] == "hub"
    assert me["sharing"]["enabled"]
    assert me["sharing"]["invitations"] == "share code"
    assert me["sharing"]["available"]
    assert alice.ask("GET", "api/contents").status_code == 200


@pytest.mark.parametrize("role", ["editor", "viewer", "owner"])
def test_a_share_code_lets_in_with_its_role(hub: Hub, alice: Person, role: str) -> None:
    person = Person(hub, f"new-{role}")
    assert person.visit() == 403, "before the code a stranger stays out"
    made = share_code(alice, role)
    assert made["invitation"]["role"] == role
    assert person.accept(made["link"]).status_code in (200, 404)
    me = person.me
    assert (me["role"], me["user"]["id"]) == (role, f"new-{role}")
    assert person.ask("GET", "api/contents").status_code == 200
    wrote = person.ask("PUT", f"api/contents/{role}.txt", {"type": "file", "format": "text", "content": "x"})
    assert wrote.status_code == (403 if role == "viewer" else 201), wrote.text
    asked = person.ask("POST", "medilytica/api/invitations", {"role": "viewer"})
    assert asked.status_code == (201 if role == "owner" else 403)


def test_a_stranger_stays_out_and_no_cookie_or_header_helps(hub: Hub) -> None:
    stranger = Person(hub, "mallory")
    assert stranger.visit() == 403
    stranger.client.cookies.set(f"username-127-0-0-1-{hub.port}", '{"username": "alice"}')
    stranger.client.headers.update({"X-Forwarded-User": "alice", "Remote-User": "alice", "X-JupyterHub-User": "alice"})
    assert stranger.visit() == 403
    assert stranger.ask("GET", "medilytica/api/people").status_code == 403


def test_access_without_a_role_opens_nothing(hub: Hub, alice: Person) -> None:
    person = Person(hub, "dave")
    assert hub.api("POST", "shares/alice/", {"user": "dave"}).status_code == 200
    me = person.me
    assert me["role"] is None
    assert "no role on this server" in me["reason"]
    assert person.ask("GET", "api/contents").status_code == 403
    assert person.ask("GET", "medilytica/api/people").status_code == 403


def test_scopes_for_another_server_give_nothing_here(hub: Hub, alice: Person) -> None:
    eve = Person(hub, "eve")
    me = eve.me
    assert (me["user"]["id"], me["role"]) == ("eve", None)
    assert eve.ask("GET", "api/contents").status_code == 403


def test_a_code_that_was_taken_back_lets_nobody_in(hub: Hub, alice: Person) -> None:
    made = share_code(alice, "viewer")
    listed = alice.ask("GET", "medilytica/api/invitations").json()["invitations"]
    assert made["id"] in {one["id"] for one in listed}
    assert alice.ask("DELETE", f"medilytica/api/invitations?id={made['id']}").status_code == 200
    person = Person(hub, "frank")
    assert person.accept(made["link"]).status_code in (403, 404)
    assert person.visit() == 403


def test_a_person_is_removed_at_once_and_the_list_says_who_is_here(hub: Hub, alice: Person) -> None:
    person = Person(hub, "gina")
    assert person.accept(share_code(alice, "editor")["link"]).status_code in (200, 404)
    assert person.me["role"] == "editor"
    told = {one["id"]: one["role"] for one in alice.ask("GET", "medilytica/api/people").json()["people"]}
    assert (told["alice"], told["gina"]) == ("owner", "editor")
    assert person.ask("DELETE", "medilytica/api/people?id=alice").status_code == 403
    assert alice.ask("DELETE", "medilytica/api/people?id=gina").status_code == 200
    assert person.ask("GET", "medilytica/api/me").json()["role"] is None
    assert person.ask("GET", "api/contents").status_code == 403
    assert alice.ask("DELETE", "medilytica/api/people?id=alice").status_code == 400
    assert alice.ask("PUT", "medilytica/api/people", {"id": "gina", "role": "owner"}).status_code == 400


def test_a_share_that_is_taken_back_at_the_hub_counts_no_more(hub: Hub, alice: Person) -> None:
    person = Person(hub, "hank")
    assert person.accept(share_code(alice, "viewer")["link"]).status_code in (200, 404)
    assert person.me["role"] == "viewer"
    assert hub.api("PATCH", "shares/alice/", {"user": "hank"}).status_code == 200
    hub.until(lambda: person.ask("GET", "medilytica/api/me").json()["role"] is None)


def test_the_shared_folder_is_in_every_home(hub: Hub, alice: Person) -> None:
    assert alice.me["role"] == "owner"
    (hub.folder / "shared" / "table.csv").write_text("a,b\n")
    assert alice.ask("GET", "api/contents/shared/table.csv").json()["content"] == "a,b\n"


names = st.from_regex(r"[a-z][a-z0-9._@-]{0,8}", fullmatch=True)


@given(
    owner=names, other=names, server=st.sampled_from(["", "gpu"]), role=st.sampled_from(["owner", "editor", "viewer"])
)
def test_a_role_counts_for_exactly_the_server_that_its_filter_names(
    owner: str, other: str, server: str, role: str
) -> None:
    expected = role if other == owner else None
    assert role_from_scopes([f"{PREFIX}{role}!user={other}"], owner, server) == expected
    assert role_from_scopes([f"{PREFIX}{role}!server={other}/{server}"], owner, server) == expected
    assert role_from_scopes([f"{PREFIX}{role}!server={owner}/{server}x"], owner, server) is None
    assert role_from_scopes(share_scopes(role, owner, server), owner, server) == role


@pytest.mark.parametrize(
    "scope",
    [
        "",
        f"{PREFIX}owner",
        f"{PREFIX}owner!",
        f"{PREFIX}owner!user",
        f"{PREFIX}owner!user=",
        f"{PREFIX}owner!user=alicea",
        f"{PREFIX}owner!user=ALICE",
        f"{PREFIX}owner!server=alice",
        f"{PREFIX}owner!server=alice/gpu",
        f"{PREFIX}owner!group=alice",
        f"{PREFIX}owners!user=alice",
        "custom:other:owner!user=alice",
        "admin:servers",
    ],
)
def test_scopes_that_only_look_like_it_give_nothing(scope: str) -> None:
    assert role_from_scopes([scope], "alice") is None
    assert role_from_scopes([f"{PREFIX}owner!user="], "") is None


def test_the_strongest_role_counts() -> None:
    held = [f"{PREFIX}viewer!user=alice", f"{PREFIX}editor!server=alice/"]
    assert role_from_scopes(held, "alice") == "editor"
