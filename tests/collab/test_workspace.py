"""A workspace as people use it: the same experiments in several kernels, and in scripts without a server."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.acting import Person, acting
from medilytica_widgets.errors import InputError, SpecError, StateError, WorkspaceError
from tests.servers import Server

Open = Callable[..., mw.Workspace]
SOON = 30.0


def until(condition: Callable[[], Any], timeout: float = SOON) -> Any:
    end, pause = time.monotonic() + timeout, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < end, "the condition did not come true"
        pause.wait(0.005)
    return found


@pytest.fixture
def opened(server: Server, new_path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open the same workspace as another person each time, as kernels of their own do."""
    kept: list[mw.Workspace] = []

    def open_(person: str = "alice", path: str = new_path, **options: Any) -> mw.Workspace:
        options.setdefault("server", server.url)
        options.setdefault("token", f"token-of-{person}")
        kept.append(mw.Workspace(path, **options))
        return kept[-1]

    yield open_
    for each in kept:
        for exp in each.bound:
            exp.close()
        each.close()


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a workspace without any server."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "nothing runs"))
    kept: list[mw.Workspace] = []

    def open_(name: str = "alone.medilytica") -> mw.Workspace:
        kept.append(mw.Workspace(tmp_path / name))
        return kept[-1]

    yield open_
    for each in kept:
        each.close()


def made(name: str = "moons", **options: Any) -> mw.Experiment:
    return mw.Experiment(mw.load_dataset("moons"), name=name, **options)


def test_two_kernels_work_on_one_experiment(opened: Open) -> None:
    ann, bob = opened(), opened("bob")
    mine = ann.bind(made(hyperparameters={"epochs": 7}))
    until(lambda: bob.experiments)
    yours = bob.experiment("moons")
    assert yours.spec == mine.spec and yours is bob.experiment()
    mine.set("learning_rate", 0.02)
    yours.set("batch_size", 64)
    yours.add_layer(0, mw.Layer("linear", units=5))
    until(lambda: mine.spec == yours.spec and mine.hyperparameters["batch_size"] == 64)
    assert yours.hyperparameters["learning_rate"] == 0.02 and mine.layers[0].options["units"] == 5
    assert type(yours.hyperparameters["epochs"]) is int
    yours.select_algorithm("random_forest")
    until(lambda: mine.algorithm.id == "random_forest")
    yours.select_algorithm("mlp")
    until(lambda: mine.algorithm.id == "mlp" and mine.layers[0].options["units"] == 5)
    assert ann.problems == bob.problems == []


def test_one_person_takes_back_what_was_theirs(opened: Open) -> None:
    ann, bob = opened(), opened("bob")
    mine = ann.bind(made())
    until(lambda: bob.experiments)
    yours = bob.experiment()
    with acting(Person("ann", "Ann A.")):
        mine.set("epochs", 11)
    until(lambda: yours.hyperparameters["epochs"] == 11)
    with acting(Person("bob", "Bob")):
        yours.set("batch_size", 64)
        assert yours.can_undo
    until(lambda: mine.hyperparameters["batch_size"] == 64)
    with acting(Person("ann", "Ann A.")):
        mine.undo()
    until(lambda: yours.hyperparameters["epochs"] != 11)
    assert yours.hyperparameters["batch_size"] == mine.hyperparameters["batch_size"] == 64
    with acting(Person("ann", "Ann A.")):
        assert mine.can_redo and not mine.can_undo
        mine.redo()
    until(lambda: yours.hyperparameters["epochs"] == 11)
    told = [
        (one.author.name, one.changes[0].path[-1]) for one in ann.history() if "hyperparameters" in one.changes[0].path
    ]
    assert {("Ann A.", "epochs"), ("Bob", "batch_size")} <= set(told)


def test_a_run_is_indexed_with_its_metrics_and_never_with_its_course(opened: Open) -> None:
    ann, bob = opened(), opened("bob")
    exp = ann.bind(made(hyperparameters={"epochs": 5}))
    run = exp.train(wait=False)
    run.wait(60)
    key = until(lambda: bob.experiments)[0].id
    told = until(
        lambda: (found := bob.document.extra(key, "runs").get(run.id, {})).get("metrics", {}).get("accuracy") and found
    )
    assert told["status"] == "finished" and told["number"] == 1 and told["algorithm"] == "mlp"
    # it happened: no step of anybody's, and no earlier state takes it away
    assert not any("runs" in change.path for one in ann.history() for change in one.changes)
    ann.restore(ann.history()[-1])
    assert run.id in ann.document.extra(key, "runs")
    assert told["metrics"]["accuracy"] == pytest.approx(run.evaluate().metrics["accuracy"])
    assert len(str(ann.document.to_plain())) < 6000, "the history of a run is in the document"


def test_a_live_run_hears_what_another_kernel_changes(opened: Open) -> None:
    ann, bob = opened(), opened("bob")
    mine = ann.bind(made(hyperparameters={"epochs": 1_000_000}))
    until(lambda: bob.experiments)
    yours = bob.experiment()
    run = mine.train(wait=False)
    until(lambda: run.status == "running")
    yours.set("learning_rate", 0.0123)
    until(lambda: run.values["learning_rate"] == 0.0123)
    run.stop()
    run.wait(60)


def test_what_is_bound_later_takes_over_what_stands_there(opened: Open) -> None:
    ann, bob = opened(), opened("bob")
    ann.bind(made(hyperparameters={"epochs": 9}))
    until(lambda: bob.experiments)
    late = bob.bind(made(hyperparameters={"epochs": 1}))
    assert late.hyperparameters["epochs"] == 9
    with pytest.raises(StateError, match="name of its own"):
        bob.bind(made())
    other = bob.bind(made(), "second")
    assert [one.name for one in bob.experiments] == ["moons", "second"] and other in bob.bound
    circles = mw.Experiment(mw.load_dataset("circles"), name="moons")
    bob.release(late)
    with pytest.raises(SpecError, match="another table"):
        bob.bind(circles)
    assert circles not in bob.bound and circles._elsewhere is None
    with pytest.raises(StateError, match="in a workspace already"):
        ann.bind(other)
    late.set("epochs", 3)
    assert ann.experiment("moons").hyperparameters["epochs"] == 9


def test_changes_that_cannot_be_used_together_are_said_and_mended(opened: Open) -> None:
    ann, bob = opened(), opened("bob")
    mine = ann.bind(made(hyperparameters={"epochs": 5}))
    until(lambda: bob.experiments)
    key = bob.experiments[0].id
    good = bob.document.spec(key)
    bad = {**good, "hyperparameters": {"epochs": -4}}
    bob.document.set_spec(key, bad, author=bob.document.history()[0].author)
    said = until(lambda: ann.problems)
    assert "cannot be used together" in said[0] and mine.hyperparameters["epochs"] == 5
    # what else this person changes still goes out, and only that
    mine.set("batch_size", 64)
    until(lambda: bob.document.spec(key)["hyperparameters"].get("batch_size") == 64)
    assert bob.document.spec(key)["hyperparameters"]["epochs"] == -4
    mine.set("epochs", 6)
    until(lambda: not ann.problems and bob.document.spec(key)["hyperparameters"]["epochs"] == 6)


def test_two_people_edit_cells_of_one_table(opened: Open) -> None:
    frame = pd.DataFrame({"a": range(60), "b": [k % 7 for k in range(60)], "y": ["no", "yes"] * 30})
    ann, bob = opened(), opened("bob")
    mine = mw.Experiment(mw.load_dataset(frame, target="y"), name="cells")
    mine.edit_cell(3, "a", 300)
    ann.bind(mine)
    until(lambda: bob.experiments)
    yours = bob.experiment("cells", mw.load_dataset(frame, target="y"))
    until(lambda: yours.data.frame["a"][3] == 300)
    mine.edit_cell(5, "a", 500)
    with acting(Person("bob", "Bob")):
        yours.edit_cell(6, "b", 600)
    until(lambda: mine.spec == yours.spec and len(mine.spec.data.edits) == 3)
    # the specification is there a moment before the table that follows from it
    until(lambda: mine.data.frame["b"][6] == yours.data.frame["b"][6] == 600 and yours.data.frame["a"][5] == 500)
    with acting(Person("bob", "Bob")):
        yours.undo()
    until(lambda: mine.data.frame["b"][6] == yours.data.frame["b"][6] == 6)
    assert mine.data.frame["a"][5] == 500 and yours.data.frame["a"][3] == 300


def test_notes_names_and_an_earlier_state(opened: Open) -> None:
    ann, bob = opened(), opened("bob")
    exp = ann.bind(made(hyperparameters={"epochs": 5}))
    ann.notes = "# Plan\n- look"
    ann.name = "Team"
    until(lambda: bob.notes == "# Plan\n- look" and bob.name == "Team")
    state = ann.history()[0]
    exp.set("epochs", 50)
    bob.notes = ""
    until(lambda: ann.notes == "")
    ann.restore(state)
    until(lambda: bob.notes == "# Plan\n- look" and exp.hyperparameters["epochs"] == 5)
    with pytest.raises(WorkspaceError):
        ann.restore("nothing")


def test_an_experiment_that_is_removed_stays_with_its_kernel(opened: Open) -> None:
    ann, bob = opened(), opened("bob")
    mine = ann.bind(made())
    until(lambda: bob.experiments)
    bob.remove("moons")
    until(lambda: not ann.experiments)
    mine.set("epochs", 4)
    assert mine.hyperparameters["epochs"] == 4
    with pytest.raises(InputError, match="has no experiment 'moons'"):
        bob.experiment("moons")


def test_a_run_announces_itself_in_the_chat_when_asked_to(opened: Open) -> None:
    ann, bob = opened(), opened("bob")
    exp = ann.bind(made("a *b* <i>", hyperparameters={"epochs": 3}))
    exp.train(wait=False).wait(60)
    assert bob.chat.messages() == []
    bob.chat.announce = True
    until(lambda: ann.chat.announce)
    exp.train(wait=False).wait(60)
    said = until(lambda: bob.chat.messages())
    assert len(said) == 1 and said[0].bot
    assert "run 2" in said[0].body and r"a \*b\* \<i\>" in said[0].body and "accuracy" in said[0].body.lower()
    ann.chat.share(run=exp.runs[1].id, epoch=2)
    link = until(lambda: bob.chat.messages()[1:])[0].body
    assert "#medilytica=" in link
    assert ann.chat.flush() and ann.flush() and ann.saved


def test_two_scripts_share_a_file_without_a_server(alone: Open, tmp_path: Path) -> None:
    ann, bob = alone(), alone()
    mine = ann.bind(made(hyperparameters={"epochs": 7}))
    until(lambda: bob.experiments)
    yours = bob.experiment()
    yours.set("batch_size", 64)
    mine.set("epochs", 8)
    until(lambda: mine.spec == yours.spec and mine.hyperparameters["batch_size"] == 64 and ann.saved and bob.saved)
    assert yours.hyperparameters["epochs"] == 8
    with pytest.raises(StateError, match="without a Jupyter server"):
        ann.chat.messages()
    text = (tmp_path / "alone.medilytica").read_text()
    assert '"batch_size": 64' in text and text.endswith("}\n")
    ann.close()
    ann.close()
    with pytest.raises(StateError, match="was closed"):
        ann.bind(made("later"))
    # alone again, with an undo of one's own
    mine.set("epochs", 9)
    mine.undo()
    assert mine.hyperparameters["epochs"] == 8 and yours.hyperparameters["epochs"] == 8


def test_a_file_changed_by_hand_comes_in(alone: Open, tmp_path: Path) -> None:
    ws = alone()
    exp = ws.bind(made(hyperparameters={"epochs": 7}))
    ws.flush()
    path = tmp_path / "alone.medilytica"
    path.write_text(path.read_text().replace('"epochs": 7', '"epochs": 70'))
    until(lambda: exp.hyperparameters["epochs"] == 70)

    def spoil() -> list[str]:
        # a file written by hand at the very moment at which it is saved is written over
        path.write_text("{ not json")
        return ws.problems

    assert "no JSON" in until(spoil)[0]
    assert path.read_text() == "{ not json" and exp.hyperparameters["epochs"] == 70


def test_what_is_no_workspace_is_refused(alone: Open, tmp_path: Path, server: Server) -> None:
    with pytest.raises(WorkspaceError, match=r"ends in \.medilytica"):
        mw.Workspace(tmp_path / "team.json")
    with pytest.raises(WorkspaceError, match="make it first"):
        mw.Workspace(tmp_path / "nowhere" / "team.medilytica")
    (tmp_path / "newer.medilytica").write_text('{"version": 99}')
    with pytest.raises(WorkspaceError, match="version"):
        alone("newer.medilytica")
    assert (tmp_path / "newer.medilytica").read_text() == '{"version": 99}'
    with pytest.raises(WorkspaceError, match="token"):
        mw.Workspace("team.medilytica", server=server.url, token="wrong")
    with pytest.raises(InputError, match="takes an Experiment"):
        alone().bind(pd.DataFrame())  # type: ignore[arg-type]


def test_a_script_that_ends_at_once_has_saved(tmp_path: Path) -> None:
    code = (
        "import sys, medilytica_widgets as mw\n"
        "with mw.Workspace(sys.argv[1]) as ws:\n"
        "    ws.bind(mw.Experiment(mw.load_dataset('moons'), name='last')).set('epochs', 77)\n"
    )
    environment = {
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "nothing runs"),
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.medilytica"], check=True, timeout=110, env=environment)
    assert '"epochs": 77' in (tmp_path / "a.medilytica").read_text()


def test_a_workbench_shows_whether_everything_is_stored(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDILYTICA_HEADLESS", "1")
    exp = made()
    bench = mw.Workbench(exp)
    assert bench.shared is None
    ann = opened()
    ann.bind(exp)
    ann.flush()
    bench.update_view()
    assert bench.shared == {
        "name": ann.path.stem,
        "path": ann.path.name,
        "connected": True,
        "saved": True,
        "problems": [],
        "chat": f"{ann.path.stem}.chat",
        "experiment": ann.experiments[0].id,
    }
    with acting(Person("ann", "Ann *A.*")):
        bench._share({"view": {"row": 16}})
    said = until(lambda: ann.chat.messages())[0].body
    assert said.startswith(r"Ann \*A.\*: [row 16 of moons]") and "#medilytica=" in said
    with pytest.raises(InputError, match="holds no 'workspace'"):
        bench._share({"view": {"workspace": "/etc"}})
    ann.release(exp)
    bench.update_view()
    assert bench.shared is None
    with pytest.raises(StateError, match="bind the experiment"):
        bench._share({"view": {}})
    bench.close()
