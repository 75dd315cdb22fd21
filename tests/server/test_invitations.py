"""Invitations: what is kept of them, who gets in and who does not, and the races between."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.auth import User
from jupyter_server.auth.identity import PasswordIdentityProvider

from medilytica_widgets.errors import StateError
from medilytica_widgets.server import invitations as module
from medilytica_widgets.server.identity import Identity
from medilytica_widgets.server.invitations import (
    InvitationError,
    InvitationRefused,
    Invitations,
    initials,
    lab_address,
    shared_path,
)
from medilytica_widgets.server.page import asking
from medilytica_widgets.server.roles import Role, RoleError, Sharing

ANNA = User("anna", "Anna A.")


@pytest.fixture
def sharing(tmp_path: Path) -> Sharing:
    identity = Identity("plain", PasswordIdentityProvider(token="secret"))
    sharing = Sharing(tmp_path, identity, path=tmp_path / "book.json")
    sharing.turn_on(ANNA)
    return sharing


@pytest.fixture
def invitations(sharing: Sharing) -> Invitations:
    return Invitations(sharing)


def refused(invitations: Invitations, token: str, user: User | None = None) -> str:
    with pytest.raises(InvitationRefused) as caught:
        invitations.use(token, "Somebody", user)
    return caught.value.reason


def test_the_token_is_long_and_stands_nowhere(invitations: Invitations, sharing: Sharing, tmp_path: Path) -> None:
    invitation, token = invitations.create(ANNA, "editor", seconds=3600, path="a/team.ipynb", label="for  Bert")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert token not in sharing.book.path.read_text()
    assert token not in str(invitations.list(ANNA))
    assert (invitation.role, invitation.uses, invitation.used, invitation.state) == (Role.EDITOR, 1, 0, "open")
    assert (invitation.by_name, invitation.path, invitation.label) == ("Anna A.", "a/team.ipynb", "for Bert")
    assert invitation.expires == pytest.approx(time.time() + 3600, abs=60)


def test_it_lets_a_person_in_once_with_the_role_it_names(invitations: Invitations, sharing: Sharing) -> None:
    _, token = invitations.create(ANNA, Role.VIEWER)
    invitation, person = invitations.use(token, " Gerd   Gast ")
    assert re.fullmatch("guest-[0-9a-f]{16}", person.id)
    assert (person.name, person.role, person.kind, person.initials) == ("Gerd Gast", Role.VIEWER, "guest", "GG")
    assert re.fullmatch(r"var\(--jp-collaborator-color[1-7]\)", person.color)
    assert sharing.role_of(User(person.id)) is Role.VIEWER
    assert invitation.people == (person.id,)
    assert refused(invitations, token) == "used up"


def test_looking_uses_nothing(invitations: Invitations) -> None:
    _, token = invitations.create(ANNA, Role.VIEWER)
    for _ in range(3):
        assert invitations.look(token).used == 0
    invitations.use(token, "Gerd")


def test_two_people_and_one_use(invitations: Invitations, sharing: Sharing) -> None:
    _, token = invitations.create(ANNA, Role.VIEWER, uses=3)
    others = Invitations(Sharing(sharing.book.root_dir, sharing.identity, path=sharing.book.path))
    came: list[str] = []
    reasons: list[str] = []
    gate = threading.Barrier(10)

    def enter(number: int) -> None:
        gate.wait(30)
        try:
            came.append((invitations if number % 2 else others).use(token, f"Guest {number}")[1].id)
        except InvitationRefused as error:
            reasons.append(error.reason)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(came)) == 3
    assert reasons == ["used up"] * 7
    assert len([one for one in sharing.people() if one.kind == "guest"]) == 3


def test_one_that_is_too_old_or_taken_back_lets_nobody_in(
    invitations: Invitations, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, token = invitations.create(ANNA, Role.VIEWER, seconds=60, uses=5)
    invitations.use(token, "In time")
    monkeypatch.setattr(module.time, "time", lambda: old.expires)
    assert refused(invitations, token) == "expired"
    fresh, second = invitations.create(ANNA, Role.VIEWER)
    assert invitations.revoke(ANNA, fresh.id).state == "revoked"
    assert refused(invitations, second) == "revoked"
    with pytest.raises(InvitationRefused):
        invitations.look(second)
    assert [one.state for one in invitations.list(ANNA)] == ["revoked", "expired"]


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 10_000, "../..", "ä" * 43, "A" * 42 + "\n"])
def test_an_unknown_token_is_refused(invitations: Invitations, token: str) -> None:
    invitations.create(ANNA, Role.VIEWER)
    assert refused(invitations, token) == "unknown"


def test_the_hash_of_a_token_is_no_token(invitations: Invitations, sharing: Sharing) -> None:
    invitation, _ = invitations.create(ANNA, Role.VIEWER)
    assert refused(invitations, sharing.book.read()["invitations"][invitation.id]["hash"]) == "unknown"


def test_only_owners_invite_see_and_revoke(invitations: Invitations) -> None:
    for role in (Role.EDITOR, Role.VIEWER):
        invitation, token = invitations.create(ANNA, role)
        guest = User(invitations.use(token, "Gerd")[1].id)
        for attempt in (
            lambda guest=guest: invitations.create(guest, "owner"),
            lambda guest=guest: invitations.list(guest),
            lambda guest=guest, invitation=invitation: invitations.revoke(guest, invitation.id),
        ):
            with pytest.raises(StateError, match="owner"):
                attempt()
    _, token = invitations.create(ANNA, "owner")
    second = User(invitations.use(token, "Olga")[1].id)
    assert invitations.create(second, "owner")[0].by == second.username


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("uses", 0),
        ("uses", 101),
        ("uses", True),
        ("uses", 1.5),
        ("seconds", 59),
        ("seconds", 1e12),
        ("seconds", float("nan")),
        ("seconds", "3600"),
        ("path", "x" * 1001),
        ("path", 3),
        ("label", "x" * 101),
        ("label", "a\x00b"),
    ],
)
def test_arguments_out_of_range_make_none(invitations: Invitations, argument: str, value: object) -> None:
    with pytest.raises(InvitationError):
        invitations.create(ANNA, Role.VIEWER, **{argument: value})  # type: ignore[arg-type]
    assert invitations.list(ANNA) == []
    with pytest.raises(RoleError):
        invitations.create(ANNA, "king")


def test_a_name_that_cannot_be_seen_uses_nothing(invitations: Invitations) -> None:
    _, token = invitations.create(ANNA, Role.VIEWER)
    for name in ("", "   ", "x" * 61, "An\u202ena", "\x00"):
        with pytest.raises(RoleError):
            invitations.use(token, name)
    assert invitations.look(token).used == 0


def test_a_guest_keeps_identity_and_name_when_the_role_grows(invitations: Invitations, sharing: Sharing) -> None:
    guest = User(invitations.use(invitations.create(ANNA, "viewer")[1], "Gerd")[1].id)
    _, token = invitations.create(ANNA, "editor")
    assert invitations.use(token, "Another name", guest)[1].id == guest.username
    assert sharing.person(guest.username).name == "Gerd"  # type: ignore[union-attr]
    assert sharing.role_of(guest) is Role.EDITOR
    _, weaker = invitations.create(ANNA, "viewer")
    assert refused(invitations, weaker, guest) == "not needed"
    assert invitations.look(weaker).used == 0
    assert refused(invitations, weaker, ANNA) == "not needed"


def test_a_removed_guest_comes_back_as_another(invitations: Invitations, sharing: Sharing) -> None:
    guest = User(invitations.use(invitations.create(ANNA, "viewer")[1], "Gerd")[1].id)
    sharing.remove(ANNA, guest.username)
    assert sharing.role_of(guest) is None
    _, person = invitations.use(invitations.create(ANNA, "viewer")[1], "Gerd", guest)
    assert person.id != guest.username
    assert sharing.role_of(guest) is None


def test_somebody_whom_the_server_names_gets_the_role_under_his_own_name(tmp_path: Path) -> None:
    class Named(PasswordIdentityProvider):
        """Knows people by tokens of their own."""

    sharing = Sharing(tmp_path, Identity("other", Named(token="x")), path=tmp_path / "book.json")
    sharing.turn_on(ANNA)
    invitations = Invitations(sharing)
    _, person = invitations.use(invitations.create(ANNA, "editor")[1], "Bert", User("bert"))
    assert (person.id, person.kind) == ("bert", "person")


def test_nobody_comes_in_while_sharing_is_off(invitations: Invitations, sharing: Sharing) -> None:
    _, token = invitations.create(ANNA, "viewer")
    sharing.turn_off(ANNA)
    assert refused(invitations, token) == "off"
    with pytest.raises(StateError, match="off"):
        invitations.create(ANNA, "viewer")


def test_a_server_whose_users_come_from_elsewhere_invites_by_no_link(tmp_path: Path) -> None:
    class Own(PasswordIdentityProvider):
        """Does not read jupyter_server's cookie."""

        def get_user(self, handler: object) -> User | None:
            return None

    sharing = Sharing(tmp_path, Identity("other", Own(token="x")), path=tmp_path / "book.json")
    sharing.turn_on(ANNA)
    with pytest.raises(StateError, match="elsewhere"):
        Invitations(sharing).create(ANNA, "viewer")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//evil.example",
        "https://evil.example",
        "../up",
        "a/../../b",
        "a\\b",
        "a\nb",
        "./x",
        "a//b",
        "a/",
        "\u202e",
    ],
)
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    with pytest.raises(InvitationError):
        shared_path(path)


@given(st.text(max_size=60))
def test_an_invitation_leads_nowhere_but_to_this_server(text: str) -> None:
    try:
        path = shared_path(text)
    except InvitationError:
        return
    address = lab_address("/base/", path)
    assert re.fullmatch(r"/base/lab(/tree/[A-Za-z0-9_.~%/-]+)?", address)
    assert "/../" not in f"{address}/"
    assert "//" not in address


def test_the_page_escapes_what_people_wrote(invitations: Invitations) -> None:
    owner = User("olga", '<script>alert("1")</script>')
    invitation, _ = invitations.create(owner, "editor", path="<img src=x onerror=y>.ipynb")
    html = asking(invitation, '"><b>', None, "", "<i>")
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert "an editor can run code as the owner of this server" in html


def test_initials_are_of_the_first_and_last_word() -> None:
    assert [initials(name) for name in ("Ada", "ada lovelace", "Ada B C Lovelace", "ßeta")] == ["A", "AL", "AL", "SS"]
