"""The audit log: what a line holds, what cannot forge one, rotation, and that it never fails a request."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jupyter_server.auth import User

from medilytica_widgets.server import metrics
from medilytica_widgets.server.audit import FIELDS, AuditLog
from medilytica_widgets.server.roles import Role, Sharing

ANNA = User("anna", "Anna A.")


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def test_a_line_says_who_what_before_after_and_why(tmp_path: Path) -> None:
    sharing = Sharing(tmp_path, path=tmp_path / "book.json")
    sharing.turn_on(ANNA)
    log = AuditLog.beside(sharing)
    log.accepted(ANNA, "set role", "bert", before=Role.VIEWER, after={"role": "editor"})
    log.refused(User("bert"), "execute_request", "kernel 1", "You are a viewer here.")
    log.refused(None, "join", "invitation", "unknown")
    first, second, third = lines(log.path)
    assert tuple(first) == FIELDS
    assert str(first.pop("time")).endswith("+00:00")
    assert first == {
        "user": "anna",
        "name": "Anna A.",
        "role": "owner",
        "action": "set role",
        "object": "bert",
        "before": "viewer",
        "after": {"role": "editor"},
        "outcome": "accepted",
        "reason": "",
    }
    assert (second["user"], second["role"], second["outcome"]) == ("bert", None, "refused")
    assert third["user"] is None
    if os.name == "posix":
        assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_a_guests_line_bears_the_name_of_the_book_and_not_of_his_cookie(tmp_path: Path) -> None:
    sharing = Sharing(tmp_path, path=tmp_path / "book.json")
    sharing.turn_on(ANNA)
    sharing.set_role(ANNA, "bert", Role.VIEWER, display_name="Bert")
    log = AuditLog.beside(sharing)
    log.refused(User("bert", "Anna A.", "Anna A."), "x", "y", "")
    assert lines(log.path)[0]["name"] == "Bert"


texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=40) | st.sampled_from(
    ["\n", "\r\n", "\u2028{}", "\x85", '"}\n{"user": "anna"}', "\x00", "\x1b[2J", "\ud800"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts.filter(bool), texts, texts, st.one_of(texts, st.floats(), st.dictionaries(texts, texts)))
def test_nothing_that_is_written_can_forge_a_line(
    tmp_path: Path, name: str, action: str, object: str, value: object
) -> None:
    path = tmp_path / "audit.jsonl"
    path.unlink(missing_ok=True)
    log = AuditLog(path)
    log.accepted(User(name, name, name), action, object, value, value)
    assert log.lost == 0
    (entry,) = lines(path)
    assert (entry["user"], entry["action"], entry["object"]) == (name, action, object)
    assert entry["outcome"] == "accepted"
    assert not any(character < 0x20 or character > 0x7E for character in path.read_bytes().rstrip(b"\n"))
    assert len(log.entries()[0]) == 1


@pytest.mark.parametrize("value", ["x" * 10_000_000, list(range(100_000)), {"a": "\u2028" * 9000}])
def test_large_values_are_cut_and_say_how_large_they_were(tmp_path: Path, value: object) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.accepted(ANNA, "x" * 10_000, "y" * 10_000, value, value)
    assert log.path.stat().st_size < 20_000
    assert lines(log.path)[0]["after"]["size"] > 9000  # type: ignore[index]


def test_what_is_no_json_is_written_all_the_same(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    circle: list[object] = []
    circle.append(circle)
    log.accepted(ANNA, "x", "y", before=circle, after=float("nan"))
    log.accepted(ANNA, "x", "y", before=tmp_path)
    assert log.lost == 0
    assert [entry["before"] for entry in lines(log.path)] == ["<list>", str(tmp_path)]


def test_files_are_rotated_by_size_and_the_oldest_go(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", rotate_bytes=2000, keep=2)
    for number in range(60):
        log.accepted(ANNA, "step", str(number))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    entries, following = log.entries(limit=1000)
    numbers = [int(entry["object"]) for entry in entries]
    assert numbers == list(range(59, 59 - len(numbers), -1)), "the newest first, none twice, over all files"
    assert following is None


def test_pages_follow_one_another(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", rotate_bytes=2000, keep=5)
    for number in range(25):
        log.accepted(ANNA, "step", str(number))
    seen, before = [], None
    for _ in range(3):
        page, before = log.entries(limit=10, before=before)
        seen += [entry["object"] for entry in page]
    assert before is None
    assert seen == [str(number) for number in range(24, -1, -1)]


def test_a_damaged_line_hides_no_other(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.accepted(ANNA, "first", "")
    with log.path.open("ab") as file:
        file.write(b'{"user": \xff\n[]\n')
    log.accepted(ANNA, "second", "")
    assert [entry["action"] for entry in log.entries()[0]] == ["second", "first"]


def test_a_log_that_cannot_be_written_fails_no_request(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    log = AuditLog(tmp_path / "audit.jsonl")
    log.accepted(ANNA, "x", "y")
    log.refused(ANNA, "x", "y", "z")
    assert log.lost == 2
    assert log.entries() == ([], None)


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_the_log_is_not_written_through_a_link_that_somebody_laid(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "other")
    log = AuditLog(tmp_path / "audit.jsonl")
    log.accepted(ANNA, "x", "y")
    assert (log.lost, (tmp_path / "other").read_text()) == (1, "")


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", rotate_bytes=20_000, keep=50)

    def work(number: int) -> None:
        for turn in range(50):
            log.accepted(ANNA, f"{number}", f"{turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {(entry["action"], entry["object"]) for entry in log.entries(limit=1000)[0]}
    assert len(found) == 200
    assert log.lost == 0


def test_every_entry_is_counted_and_odd_actions_do_not_fill_the_memory(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.observe(metrics.count_entry)
    before = metrics.REFUSALS.labels(action="test refusal")._value.get()
    log.refused(ANNA, "test refusal", "x", "y")
    assert metrics.REFUSALS.labels(action="test refusal")._value.get() == before + 1
    for number in range(metrics.MOST_ACTIONS + 50):
        log.refused(ANNA, f"odd {number}", "x", "y")
    assert len(metrics.REFUSALS._metrics) <= metrics.MOST_ACTIONS + 2


def test_people_are_counted_and_not_their_tabs() -> None:
    connections = metrics.Connections()
    connections.opened(1, "anna", "owner")
    connections.opened(2, "anna", "owner")
    connections.opened(3, "bert", "viewer")
    assert (connections.count(), connections.count("owner"), connections.count("viewer")) == (2, 1, 1)
    assert metrics.PEOPLE.labels(role="owner").collect()
    connections.opened(3, "bert", "editor")
    connections.closed(1)
    assert (connections.count("owner"), connections.count("viewer"), connections.count("editor")) == (1, 0, 1)
