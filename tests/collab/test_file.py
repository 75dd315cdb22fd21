"""The workspace's file without a server: several processes, edits by hand, and processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from medilytica_widgets.collab.document import Author, WorkspaceDocument
from medilytica_widgets.collab.file import WorkspaceFile
from medilytica_widgets.collab.schema import dumps, loads
from medilytica_widgets.errors import WorkspaceError

from .test_document import ALICE, BOB, layer, spec_of

BEGIN = """
import sys
from pathlib import Path
from medilytica_widgets.collab.document import Author
from medilytica_widgets.collab.file import WorkspaceFile
name = sys.argv[2]
file = WorkspaceFile(sys.argv[1], timeout=60).open()
document, author = file.document, Author(name, name)
key = document.experiments()[0].id
"""
WRITER = (
    BEGIN
    + """
print("ready", flush=True)
sys.stdin.readline()
for step in range(200):
    document.set_extra(key, "runs", f"{name}{step}", {"step": step}, author=author)
    spec = document.spec(key)
    spec["hyperparameters"][f"{name}"] = step
    if step % 40 == 0:
        spec["layers"].insert(0, {"kind": "linear", "options": {"units": step, "of": name}})
    document.set_spec(key, spec, author=author)
    if step % 10 == 9:
        file.save()
file.close()
"""
)
ENDLESS = (
    BEGIN
    + """
step = 1 + max((int(run[3:]) for run in document.extra(key, "runs")), default=-1)
while True:
    document.set_extra(key, "runs", f"{name}{step}", {"text": "x" * 20000}, author=author)
    file.save()
    print(step, flush=True)
    step += 1
    document.set_extra(key, "runs", f"{name}{step - 5}", None, author=author)
"""
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "team.medilytica"


def begun(path: Path) -> str:
    """Write a workspace with one experiment; return its id."""
    with WorkspaceFile(path) as file:
        return file.document.add_experiment(spec_of(layer(8), layer(4), layer(2)), name="one", author=ALICE)


def start(code: str, path: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def content(path: Path) -> dict[str, Any]:
    return loads(path.read_text(encoding="utf-8"))


def test_a_missing_file_is_made_and_read_again(path: Path) -> None:
    with WorkspaceFile(path) as file:
        assert file.saved
        key = file.document.add_experiment(spec_of(layer(8)), name="one", author=ALICE)
        file.document.set_notes("Grüße 😀", author=ALICE)
        assert not file.saved
    plain = content(path)
    assert (plain["name"], plain["notes"], len(plain["id"])) == ("team", "Grüße 😀", 16)
    assert path.read_text(encoding="utf-8") == dumps(plain)
    again = WorkspaceFile(path).open()
    assert again.document.spec(key) == spec_of(layer(8))
    assert [step.author for step in again.document.history()] == [ALICE, ALICE]
    assert again.document.undo(ALICE)
    assert again.document.notes == ""
    assert {file.name for file in path.parent.iterdir()} <= {
        "team.medilytica",
        ".team.medilytica.ystate",
        ".team.medilytica.lock",
    }


def test_saving_what_has_not_changed_writes_nothing(path: Path) -> None:
    begun(path)
    file = WorkspaceFile(path).open()
    times = [each.stat().st_mtime_ns for each in sorted(path.parent.iterdir()) if each.suffix != ".lock"]
    file.save()
    file.close()
    file.close()
    assert [each.stat().st_mtime_ns for each in sorted(path.parent.iterdir()) if each.suffix != ".lock"] == times
    with pytest.raises(WorkspaceError, match="closed"):
        file.save()


def test_two_that_are_open_at_once_have_what_both_wrote(path: Path) -> None:
    key = begun(path)
    one, other = WorkspaceFile(path).open(), WorkspaceFile(path).open()
    heard: list[Any] = []
    one.document.observe(heard.append)
    spec = one.document.spec(key)
    spec["layers"][0]["options"]["units"] = 80
    one.document.set_spec(key, spec, author=ALICE)
    spec = other.document.spec(key)
    spec["layers"].insert(0, layer(1))
    other.document.set_spec(key, spec, author=BOB)
    for file in (one, other, one):
        file.save()
    assert one.document.to_plain() == other.document.to_plain() == content(path)
    assert [each["options"]["units"] for each in one.document.spec(key)["layers"]] == [1, 80, 4, 2]
    assert (heard[-1].local, heard[-1].author) == (False, BOB)


@pytest.mark.parametrize("state", ["kept", "lost", "damaged"])
def test_an_edit_by_hand_is_merged_with_what_is_not_saved_yet(path: Path, state: str) -> None:
    key = begun(path)
    file = WorkspaceFile(path).open()
    file.document.set_extra(key, "runs", "mine", {"loss": 0.5}, author=ALICE)
    plain = json.loads(path.read_text())
    plain["experiments"][0]["spec"]["layers"][1]["options"]["units"] = 99
    del plain["experiments"][0]["spec"]["layers"][0]
    path.write_text(json.dumps(plain))
    beside = path.with_name(".team.medilytica.ystate")
    if state == "lost":
        beside.unlink()
    elif state == "damaged":
        beside.write_bytes(beside.read_bytes()[:-20] + b"?" * 20)
    file.save()
    assert [each["options"]["units"] for each in file.document.spec(key)["layers"]] == [99, 2]
    assert content(path)["experiments"][0]["runs"] == {"mine": {"loss": 0.5}}
    assert Author.file() in {step.author for step in file.document.history()}


@pytest.mark.parametrize(
    ("bad", "said"), [("{", "no JSON"), ('{"version": 9}', "of version 9"), ("\xff", "UTF-8"), ("", "is empty now")]
)
def test_a_file_that_cannot_be_read_is_left_as_it_is(path: Path, bad: str, said: str) -> None:
    key = begun(path)
    file = WorkspaceFile(path).open()
    file.document.set_extra(key, "runs", "mine", 1, author=ALICE)
    good = path.read_bytes()
    path.write_bytes(bad.encode("latin-1"))
    for write in (file.save, WorkspaceFile(path).open):
        with pytest.raises(WorkspaceError, match=said):
            write()
        assert path.read_bytes() == bad.encode("latin-1")
    assert not file.saved
    path.write_bytes(good)
    file.close()
    assert content(path)["experiments"][0]["runs"] == {"mine": 1}


def test_an_earlier_text_that_somebody_brings_back_is_taken_over(path: Path) -> None:
    key = begun(path)
    before = path.read_bytes()
    with WorkspaceFile(path) as file:
        file.document.set_extra(key, "runs", "mine", 1, author=ALICE)
    assert path.read_bytes() != before
    path.write_bytes(before)
    file = WorkspaceFile(path).open()
    assert path.read_bytes() == before
    assert file.document.extra(key, "runs") == {}
    assert file.document.history()[-1].author == Author.file()


def test_a_file_that_was_deleted_is_written_again(path: Path) -> None:
    begun(path)
    file = WorkspaceFile(path).open()
    path.unlink()
    file.save()
    assert content(path)["experiments"][0]["name"] == "one"


def test_a_file_whose_room_a_server_holds_is_left_alone(path: Path) -> None:
    begun(path)
    before = path.read_bytes()
    holder: list[str | None] = ["The server at http://localhost:8888 holds the room of this file. Join it."]
    with pytest.raises(WorkspaceError, match="localhost:8888 holds the room"):
        WorkspaceFile(path, held=lambda place: holder[0]).open()
    holder[0] = None
    file = WorkspaceFile(path, held=lambda place: holder[0]).open()
    file.document.rename(name="x", author=ALICE)
    holder[0] = "It is held now."
    with pytest.raises(WorkspaceError, match="held now"):
        file.save()
    assert path.read_bytes() == before


def test_a_process_that_keeps_the_file_is_named(path: Path) -> None:
    begun(path)
    code = (
        "import sys\nfrom medilytica_widgets.collab.file import WorkspaceFile\n"
        "with WorkspaceFile(sys.argv[1])._alone():\n    print('kept', flush=True)\n    sys.stdin.readline()"
    )
    other = start(code, path, "")
    try:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "kept"
        with pytest.raises(WorkspaceError, match=rf"Process {other.pid} \(-c\) on .* has kept the workspace's file"):
            WorkspaceFile(path, timeout=0.2).open()
    finally:
        other.communicate("\n", timeout=60)
    assert WorkspaceFile(path, timeout=30).open().document.experiments()
    with FileLock(path.with_name(".team.medilytica.lock")), pytest.raises(WorkspaceError, match="Another process"):
        WorkspaceFile(path, timeout=0.2).open()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no folder"):
        WorkspaceFile(tmp_path / "none" / "team.medilytica").open()


@pytest.mark.timeout(400)
def test_two_processes_that_write_at_the_same_time_lose_nothing(path: Path) -> None:
    key = begun(path)
    writers = [start(WRITER, path, name) for name in ("ann", "ben")]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline().strip() == "ready"
    threads = [threading.Thread(target=writer.communicate, args=("\n",)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert [writer.returncode for writer in writers] == [0, 0]
    plain = content(path)["experiments"][0]
    assert set(plain["runs"]) == {f"{name}{step}" for name in ("ann", "ben") for step in range(200)}
    assert {name: plain["spec"]["hyperparameters"][name] for name in ("ann", "ben")} == {"ann": 199, "ben": 199}
    added = [(each["options"]["of"], each["options"]["units"]) for each in plain["spec"]["layers"][:-3]]
    assert sorted(added) == [(name, step) for name in ("ann", "ben") for step in (0, 40, 80, 120, 160)]
    assert WorkspaceFile(path).open().document.spec(key) == plain["spec"]


@pytest.mark.timeout(400)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills like this here")
def test_a_process_that_is_killed_in_the_middle_leaves_a_file_that_can_be_read(path: Path) -> None:
    key = begun(path)
    acknowledged = -1
    caught = 0
    for attempt in range(12):
        with start(ENDLESS, path, "ann") as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline() for _ in range(1 + attempt % 3)]
            if attempt % 2:
                # half of them while a new file is written beside the old one
                end = time.monotonic() + 30
                while not list(path.parent.glob(".*part")) and time.monotonic() < end:
                    pass
            os.kill(writer.pid, signal.SIGKILL)
            said += writer.stdout.read().splitlines(keepends=True)
        caught += bool(list(path.parent.glob(".*part")))
        acknowledged = max(int(line) for line in said if line.endswith("\n"))
        plain = content(path)
        document = WorkspaceFile(path, timeout=30).open().document
        # what was said to be written is there, and nothing that was not
        steps = {int(name[3:]) for name in document.extra(key, "runs")}
        assert acknowledged in steps
        assert plain["experiments"][0]["spec"] == document.spec(key) == spec_of(layer(8), layer(4), layer(2))
    assert acknowledged > 10
    assert caught, "no process was killed while it was writing"
    with WorkspaceFile(path) as file:
        file.document.rename(name="after", author=ALICE)
    assert not list(path.parent.glob(".*part"))


def crash(path: Path, monkeypatch: pytest.MonkeyPatch, at: int, work: Callable[[], Any]) -> None:
    """Let the given replacement of a file fail, as if the process had ended before it."""
    count = 0
    whole = os.replace

    def replace(*places: Any) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise KeyboardInterrupt
        whole(*places)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            work()


@pytest.mark.parametrize("at", [1, 2])
def test_what_was_written_half_is_completed_with_its_author(
    path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    key = begun(path)
    file = WorkspaceFile(path).open()
    file.document.set_extra(key, "presets", "mine", 1, author=BOB)
    crash(path, monkeypatch, at, file.save)
    assert content(path)["experiments"][0]["presets"] == {}
    other = WorkspaceFile(path).open()
    assert other.document.extra(key, "presets") == ({} if at == 1 else {"mine": 1})
    assert [step.author for step in other.document.history()][1:] == ([] if at == 1 else [BOB])
    assert content(path) == other.document.to_plain()
    file.save()
    assert content(path)["experiments"][0]["presets"] == {"mine": 1}
    assert content(path) == file.document.to_plain()


def test_a_document_that_holds_something_already_is_merged_into_the_file(path: Path) -> None:
    key = begun(path)
    document = WorkspaceDocument()
    document.add_experiment(spec_of(), name="two", author=BOB)
    with WorkspaceFile(path, document):
        assert [entry.name for entry in document.experiments()] in (["one", "two"], ["two", "one"])
    assert {each["id"] for each in content(path)["experiments"]} > {key}
