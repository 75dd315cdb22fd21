"""Roles and the book that keeps them: who is who, what is refused, and what a damaged book means."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from jupyter_server.auth import User
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider

from medilytica_widgets.errors import MedilyticaError, StateError
from medilytica_widgets.server.book import BookError, book_path
from medilytica_widgets.server.cookies import use_book_key
from medilytica_widgets.server.identity import Identity
from medilytica_widgets.server.kernel_user import KernelUser
from medilytica_widgets.server.leaks import exposed_secrets
from medilytica_widgets.server.people import person_name
from medilytica_widgets.server.roles import Role, RoleError, Sharing

ANNA, BERT, CARA = User("anna", "Anna A."), User("bert"), User("cara")
GUEST = User("guest-0123456789abcdef", "Gerd")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "book.json"


@pytest.fixture
def sharing(tmp_path: Path, path: Path) -> Sharing:
    """A server that knows its users by name."""
    return Sharing(tmp_path, path=path)


def plain(tmp_path: Path, path: Path, token: str = "secret") -> Sharing:
    """A server with a token of its own, empty for one that lets everybody in."""
    return Sharing(tmp_path, Identity("plain", PasswordIdentityProvider(token=token)), path=path)


def test_nothing_changes_before_an_owner_turns_sharing_on(sharing: Sharing, path: Path) -> None:
    assert not sharing.enabled
    assert sharing.role_of(ANNA) is Role.OWNER
    assert sharing.role_of(BERT) is Role.OWNER
    assert sharing.role_of(None) is None
    assert not path.exists()


def test_who_turns_it_on_is_the_first_owner_and_nobody_else_has_a_role(sharing: Sharing) -> None:
    sharing.turn_on(ANNA)
    assert sharing.enabled
    assert sharing.role_of(ANNA) is Role.OWNER
    assert sharing.role_of(BERT) is None
    assert "no role" in sharing.why(BERT)
    assert sharing.why(ANNA) == ""


def test_on_a_plain_server_who_has_its_token_is_the_owner(tmp_path: Path, path: Path) -> None:
    sharing = plain(tmp_path, path)
    sharing.turn_on(ANNA)
    assert sharing.role_of(BERT) is Role.OWNER
    assert sharing.role_of(GUEST) is None
    with pytest.raises(RoleError, match="Invite"):
        sharing.set_role(ANNA, "bert", Role.VIEWER)


def test_a_server_that_lets_everybody_in_can_share_no_roles(tmp_path: Path, path: Path) -> None:
    sharing = plain(tmp_path, path, token="")
    with pytest.raises(StateError, match="token or a password"):
        sharing.turn_on(ANNA)
    plain(tmp_path, path).turn_on(ANNA)
    assert sharing.role_of(ANNA) is None


def test_a_subclass_of_the_identity_provider_is_not_taken_for_a_plain_server() -> None:
    class Generous(IdentityProvider):
        """Could let anybody in."""

    class App:
        def __init__(self, provider: IdentityProvider) -> None:
            self.identity_provider = provider

    assert Identity.of_server(App(Generous())).kind == "other"  # type: ignore[arg-type]
    assert Identity.of_server(App(PasswordIdentityProvider(token="x"))).kind == "plain"  # type: ignore[arg-type]


def test_a_guest_gets_nothing_while_sharing_is_off(tmp_path: Path, path: Path) -> None:
    sharing = plain(tmp_path, path)
    assert sharing.role_of(GUEST) is None
    sharing.turn_on(ANNA)
    sharing.turn_off(ANNA)
    assert sharing.role_of(GUEST) is None
    assert sharing.role_of(ANNA) is Role.OWNER


def test_roles_change_and_survive_a_restart(sharing: Sharing, tmp_path: Path, path: Path) -> None:
    sharing.turn_on(ANNA)
    sharing.set_role(ANNA, "bert", "editor", display_name="Bert  B.")
    sharing.set_role(ANNA, "cara", Role.VIEWER)
    sharing.set_viewers_chat(ANNA, True)
    again = Sharing(tmp_path, path=path)
    assert [(one.id, one.name, one.role) for one in again.people()] == [
        ("anna", "Anna A.", Role.OWNER),
        ("bert", "Bert B.", Role.EDITOR),
        ("cara", "cara", Role.VIEWER),
    ]
    assert again.viewers_chat
    again.remove(ANNA, "bert")
    assert sharing.role_of(BERT) is None
    assert "took your access away" in sharing.why(BERT)


@pytest.mark.parametrize("actor", [BERT, CARA, User("nobody")])
def test_only_owners_change_roles(sharing: Sharing, actor: User) -> None:
    sharing.turn_on(ANNA)
    sharing.set_role(ANNA, "bert", Role.EDITOR)
    sharing.set_role(ANNA, "cara", Role.VIEWER)
    before = sharing.people()
    for attempt in (
        lambda: sharing.set_role(actor, actor.username, Role.OWNER),
        lambda: sharing.remove(actor, "anna"),
        lambda: sharing.turn_off(actor),
        lambda: sharing.turn_on(actor),
        lambda: sharing.set_viewers_chat(actor, True),
    ):
        with pytest.raises(StateError):
            attempt()
    assert sharing.people() == before
    assert sharing.enabled


def test_an_owner_always_remains(sharing: Sharing) -> None:
    sharing.turn_on(ANNA)
    with pytest.raises(StateError, match="stay owner"):
        sharing.set_role(ANNA, "anna", Role.EDITOR)
    with pytest.raises(StateError, match="stay owner"):
        sharing.remove(ANNA, "anna")
    sharing.set_role(ANNA, "bert", Role.OWNER)
    sharing.remove(ANNA, "anna")
    assert [one.id for one in sharing.people()] == ["bert"]


@pytest.mark.parametrize("wrong", ["", " ", "a\nb", "x" * 201, "a\u202eb", None, 3])
def test_what_is_no_user_name_is_refused(sharing: Sharing, wrong: object) -> None:
    sharing.turn_on(ANNA)
    with pytest.raises(RoleError):
        sharing.set_role(ANNA, wrong, Role.VIEWER)  # type: ignore[arg-type]
    with pytest.raises(RoleError, match="owner, editor, viewer"):
        sharing.set_role(ANNA, "bert", "king")


@pytest.mark.parametrize("wrong", ["", "  ", "x" * 61, "An\u202ena", "a\x00b", "\u200b"])
def test_what_cannot_be_seen_is_no_name(wrong: str) -> None:
    with pytest.raises(RoleError):
        person_name(wrong)
    assert person_name(" Änne  Ørsted ") == "Änne Ørsted"


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        pytest.param("role", id="unknown role"),
        pytest.param("version", id="newer version"),
        pytest.param("field", id="unknown field"),
    ],
)
def test_a_damaged_book_refuses_everybody(sharing: Sharing, path: Path, damage: bytes | str) -> None:
    sharing.turn_on(ANNA)
    if isinstance(damage, str):
        book = json.loads(path.read_text())
        if damage == "role":
            book["people"]["anna"]["role"] = "king"
        else:
            book[damage] = 2
        damage = json.dumps(book).encode()
    path.write_bytes(damage)
    assert sharing.enabled
    assert sharing.role_of(ANNA) is None
    assert sharing.broken in sharing.why(ANNA)
    assert str(path) in sharing.broken
    with pytest.raises(MedilyticaError):
        sharing.set_role(ANNA, "bert", Role.EDITOR)
    assert path.read_bytes() == damage


def test_a_book_that_went_away_refuses_everybody(sharing: Sharing, path: Path) -> None:
    sharing.turn_on(ANNA)
    assert sharing.role_of(ANNA) is Role.OWNER
    path.unlink()
    assert sharing.enabled
    assert sharing.role_of(ANNA) is None


@pytest.mark.skipif(os.name != "posix", reason="other systems keep rights in another way")
def test_the_book_is_private_and_one_that_others_may_write_is_not_believed(sharing: Sharing, path: Path) -> None:
    sharing.turn_on(ANNA)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o622)
    assert sharing.role_of(ANNA) is None
    assert "chmod 600" in sharing.broken
    path.chmod(0o600)
    assert sharing.role_of(ANNA) is Role.OWNER


def test_a_write_that_fails_leaves_the_book_as_it_was(
    sharing: Sharing, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sharing.turn_on(ANNA)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(BookError, match="No space left"):
            sharing.set_role(ANNA, "bert", Role.EDITOR)
    assert path.read_bytes() == before
    assert sharing.role_of(ANNA) is Role.OWNER
    assert sharing.role_of(BERT) is None
    assert {one.name for one in path.parent.iterdir()} <= {path.name, f"{path.name}.lock"}


def test_many_threads_and_two_servers_lose_no_change(sharing: Sharing, tmp_path: Path, path: Path) -> None:
    sharing.turn_on(ANNA)
    other = Sharing(tmp_path, path=path)

    def work(number: int) -> None:
        for turn in range(5):
            (sharing if turn % 2 else other).set_role(ANNA, f"p{number}-{turn}", Role.VIEWER)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sharing.people()) == len(other.people()) == 31


def test_observers_hear_of_changes_here_and_elsewhere(sharing: Sharing, tmp_path: Path, path: Path) -> None:
    heard: list[str] = []

    def broken() -> None:
        raise RuntimeError("an observer that fails")

    sharing.observe(broken)
    stop = sharing.observe(lambda: heard.append("change"))
    sharing.turn_on(ANNA)
    assert heard == ["change"]
    assert not sharing.refresh()
    Sharing(tmp_path, path=path).set_role(ANNA, "bert", Role.EDITOR)
    assert sharing.refresh()
    assert heard == ["change"] * 2
    stop()
    sharing.set_role(ANNA, "bert", Role.VIEWER)
    assert heard == ["change"] * 2


def test_a_hub_gives_roles_by_its_scopes_and_the_servers_owner_needs_none(tmp_path: Path, path: Path) -> None:
    class HubUser(User):
        def __init__(self, name: str, *scopes: str, kind: str = "user") -> None:
            super().__init__(name)
            self.hub_user = {"name": name, "kind": kind, "scopes": list(scopes)}

    hub = Sharing(tmp_path, Identity("hub", None, "anna", ""), path=path, always_on=True)
    assert hub.role_of(HubUser("anna")) is Role.OWNER
    assert hub.role_of(HubUser("bert", "custom:medilytica:editor!server=anna/")) is Role.EDITOR
    assert hub.role_of(HubUser("cara", "access:servers!server=anna/")) is None
    assert hub.role_of(HubUser("anna", kind="service")) is None
    assert hub.role_of(User("anna")) is None, "a user whom the hub did not vouch for"
    with pytest.raises(RoleError, match="hub"):
        hub.set_role(HubUser("anna"), "bert", Role.OWNER)
    with pytest.raises(StateError, match="configuration"):
        hub.turn_off(HubUser("anna"))


def test_a_kernel_is_an_editor_and_nobody_becomes_one_by_its_name(sharing: Sharing) -> None:
    sharing.turn_on(ANNA)
    assert sharing.role_of(KernelUser("kernel")) is Role.EDITOR
    assert sharing.role_of(User("kernel")) is None
    with pytest.raises(StateError):
        sharing.set_role(KernelUser("kernel"), "bert", Role.OWNER)


@pytest.mark.parametrize(
    ("root", "hidden", "exposed"),
    [("home", False, False), ("home", True, True), ("elsewhere", True, False), ("home/.local/share", False, True)],
)
def test_secrets_that_a_viewer_could_read_as_files_allow_no_viewers(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch, root: str, hidden: bool, exposed: bool
) -> None:
    data = tmp_path / "home" / ".local" / "share" / "jupyter"
    (data / "runtime").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(data))

    class App:
        root_dir = str(tmp_path / root)
        runtime_dir = str(data / "runtime")
        cookie_secret_file = str(data / "runtime" / "jupyter_cookie_secret")
        contents_manager = type("Contents", (), {"allow_hidden": hidden})()

    reason = exposed_secrets(App())  # type: ignore[arg-type]
    assert bool(reason) is exposed
    sharing = Sharing(tmp_path, path=path)
    sharing.turn_on(ANNA)
    sharing.set_role(ANNA, "bert", Role.VIEWER)
    sharing.exposed = reason
    assert sharing.role_of(BERT) is (None if exposed else Role.VIEWER)
    assert sharing.why(BERT) == reason
    assert sharing.role_of(ANNA) is Role.OWNER
    if exposed:
        with pytest.raises(StateError, match="secrets"):
            sharing.turn_on(ANNA)


def test_one_root_folder_has_one_book_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "root")
    places = {book_path(tmp_path / name, tmp_path) for name in ("root", "link", "root/", "link/../root")}
    assert len(places) == 1
    assert book_path(tmp_path, tmp_path) not in places


def test_cookies_get_a_key_that_only_this_book_has(tmp_path: Path, path: Path) -> None:
    from tornado.web import create_signed_value, decode_signed_value

    sharing = plain(tmp_path, path)
    settings: dict[str, object] = {"cookie_secret": b"the account's own"}
    assert not use_book_key(settings, sharing), "nothing changes before sharing was ever on"
    sharing.turn_on(ANNA)
    assert use_book_key(settings, sharing)
    assert use_book_key(settings, sharing), "twice is as good as once"
    keys, version = settings["cookie_secret"], settings["key_version"]
    cookie = create_signed_value(keys, "username", "guest", key_version=version)  # type: ignore[arg-type]
    assert decode_signed_value(keys, "username", cookie) == b"guest"  # type: ignore[arg-type]
    assert decode_signed_value(b"the account's own", "username", cookie) is None
    older = create_signed_value(b"the account's own", "username", "anna")
    assert decode_signed_value(keys, "username", older) == b"anna"  # type: ignore[arg-type]


def command(root: Path, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medilytica_widgets.server", "sharing", *arguments, "--root", str(root)],
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, "JUPYTER_DATA_DIR": str(data)},
    )


def test_the_command_line_mends_what_nobody_can_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(data))
    sharing = Sharing(tmp_path)
    assert "never on" in command(tmp_path, data, "status").stdout
    sharing.turn_on(ANNA)
    assert "Anna A." in command(tmp_path, data, "status").stdout
    assert command(tmp_path, data, "owner", "bert").returncode == 0
    assert sharing.role_of(BERT) is Role.OWNER
    sharing.book.path.write_text("damaged")
    assert sharing.role_of(BERT) is None
    told = command(tmp_path, data, "status")
    assert told.returncode == 1
    assert "cannot be read" in told.stderr
    assert command(tmp_path, data, "off").returncode == 0
    assert not sharing.enabled
    assert sharing.role_of(CARA) is Role.OWNER
    assert sharing.book.path.with_suffix(".broken").read_text() == "damaged"
