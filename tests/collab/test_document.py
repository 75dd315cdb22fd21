"""One document: what is written comes back, changes are told, and a hostile one breaks nothing."""

from __future__ import annotations

import asyncio
import copy
import json
import sys
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from medilytica_widgets.collab.document import Author, DocumentChange, WorkspaceDocument
from medilytica_widgets.collab.encoding import same
from medilytica_widgets.collab.update_check import check_update
from medilytica_widgets.errors import WorkspaceError

from .test_schema import OBJECTS, SPECS, VALUES, joined

ALICE, BOB = Author("alice", "Alice A."), Author("bob", "Bob")


def layer(units: int, **others: Any) -> dict[str, Any]:
    return {"kind": "linear", "options": {"units": units, "activation": "relu"}, **others}


def spec_of(*layers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "version": 2,
        "name": "spiral",
        "data": {"source": "spiral", "target": "label", "missing": ["", "NA"], "names": None},
        "preprocessing": [{"id": "scale"}],
        "algorithm": "mlp",
        "hyperparameters": {"learning_rate": 0.003, "epochs": 50},
        "layers": list(layers),
        "heads": [{"task": "classification"}],
        "split": {"validation": 0.16, "test": 0.2},
        "seed": 0,
        **fields,
    }


def with_experiment(**fields: Any) -> tuple[WorkspaceDocument, str]:
    document = WorkspaceDocument()
    key = document.add_experiment(spec_of(layer(8), layer(4), layer(2), **fields), name="first", author=ALICE)
    return document, key


@given(SPECS, SPECS)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_any_specification_comes_back_as_it_was_written(first: dict[str, Any], second: dict[str, Any]) -> None:
    first, second = joined(first), joined(second)
    document = WorkspaceDocument()
    key = document.add_experiment(first, name="one", author=ALICE)
    assert same(document.spec(key), first)
    changed = document.set_spec(key, second, author=BOB)
    assert same(document.spec(key), second)
    assert bool(changed) == (not same(first, second))
    assert document.set_spec(key, copy.deepcopy(second), author=BOB) == []


@given(st.sampled_from(["presets", "kinds", "edits", "runs"]), OBJECTS)
@settings(deadline=None, max_examples=20)
def test_what_belongs_to_an_experiment_comes_back(part: Any, values: dict[str, Any]) -> None:
    values = {key: value for key, value in joined(values).items() if value is not None}
    document = WorkspaceDocument()
    key = document.add_experiment(spec_of(), name="one", author=ALICE)
    for name, value in values.items():
        document.set_extra(key, part, name, value, author=ALICE)
    assert same(document.extra(key, part), values)
    for name in values:
        document.set_extra(key, part, name, None, author=ALICE)
    assert document.extra(key, part) == {}


def test_the_changed_places_are_named_as_a_person_reads_them() -> None:
    document, key = with_experiment()
    spec = document.spec(key)
    spec["layers"][2]["options"]["units"] = 3
    spec["hyperparameters"]["epochs"] = 51
    assert document.set_spec(key, spec, author=ALICE) == ["hyperparameters.epochs", "layers[2].options.units"]
    spec["layers"].insert(1, {"kind": "dropout"})
    assert document.set_spec(key, spec, author=ALICE) == ["layers[1]"]
    spec["layers"].insert(0, spec["layers"].pop(3))
    assert document.set_spec(key, spec, author=ALICE) == ["layers[0]"]
    del spec["layers"][1]
    assert document.set_spec(key, spec, author=ALICE) == ["layers[1]"]
    assert document.spec(key) == spec


def test_one_number_costs_less_than_300_bytes_in_a_large_workspace() -> None:
    document = WorkspaceDocument()
    layers = [layer(index) for index in range(40)]
    keys = [document.add_experiment(spec_of(*layers), name=f"e{n}", author=ALICE) for n in range(20)]
    spec = document.spec(keys[7])
    updates: list[int] = []
    document.doc.observe(lambda event: updates.append(len(event.update)))
    for units in range(100, 106):
        spec["layers"][23]["options"]["units"] = units
        document.set_spec(keys[7], spec, author=BOB)
    spec["hyperparameters"]["learning_rate"] = 0.00125
    document.set_spec(keys[7], spec, author=BOB)
    assert len(updates) == 7
    assert max(updates) < 300
    assert document.spec(keys[7]) == spec


def test_the_text_grows_with_the_experiments_and_not_faster() -> None:
    def work(count: int) -> int:
        document = WorkspaceDocument()
        for n in range(count):
            document.add_experiment(spec_of(*[layer(index) for index in range(10)]), name=f"e{n}", author=ALICE)
        calls = 0

        def counting(frame: Any, event: str, arg: Any) -> None:
            nonlocal calls
            calls += event == "call"

        before = sys.getprofile()
        sys.setprofile(counting)
        try:
            document.to_plain()
        finally:
            sys.setprofile(before)
        return calls

    small, large = work(4), work(16)
    assert large < small * 5


def test_names_notes_and_chat_are_kept() -> None:
    document = WorkspaceDocument()
    document.rename(name="Team 😀", description="we \ud800 look", author=ALICE)
    assert (document.name, document.description, document.version) == ("Team 😀", "we \ud800 look", 1)
    document.set_notes("# Naïve 😀 notes", author=ALICE)
    document.insert_notes(9, "and ", author=ALICE)
    assert document.notes == "# Naïve 😀and  notes"
    document.delete_notes(9, 4, author=ALICE)
    document.insert_notes(10_000, "!", author=BOB)
    assert document.notes == "# Naïve 😀 notes!"
    document.set_chat(path="team.chat", announce=True, rooms={"results": "results.chat"})
    document.set_chat(rooms={"results": None, "ideas": "ideas.chat"})
    assert document.chat == {"path": "team.chat", "announce": True, "rooms": {"ideas": "ideas.chat"}}


def test_experiments_stand_in_the_order_they_came_and_say_what_they_are() -> None:
    document = WorkspaceDocument()
    keys = [document.add_experiment(spec_of(), name=f"e{n}", description="d", author=ALICE) for n in range(70)]
    assert [entry.id for entry in document.experiments()] == keys
    document.remove_experiment(keys[0], author=ALICE)
    document.rename_experiment(keys[1], name="other", description="why", author=ALICE)
    entry = document.experiments()[0]
    assert (entry.id, entry.name, entry.description) == (keys[1], "other", "why")
    with pytest.raises(WorkspaceError, match="already"):
        document.add_experiment(spec_of(), name="x", author=ALICE, id=keys[1])
    with pytest.raises(WorkspaceError, match=f"no experiment {keys[0]!r}"):
        document.spec(keys[0])


def test_changes_are_told_once_each_with_what_they_touched_and_who() -> None:
    document, key = with_experiment()
    other = WorkspaceDocument()
    other.doc.apply_update(document.doc.get_update())
    here: list[DocumentChange] = []
    there: list[DocumentChange] = []
    seen: list[int] = []
    document.observe(here.append)
    stop = other.observe(there.append)
    other.observe(lambda change: seen.append(other.spec(key)["seed"]))
    document.doc.observe(lambda event: other.doc.apply_update(event.update))
    spec = document.spec(key)
    spec["seed"] = 5
    spec["layers"][0]["options"]["units"] = 9
    document.set_spec(key, spec, author=BOB)
    whole = (frozenset({key}), frozenset({"spec", "layers", "history"}))
    assert [(c.experiments, c.parts, c.local, c.author) for c in here] == [(*whole, True, BOB)]
    assert [(c.experiments, c.parts, c.local, c.author) for c in there] == [(*whole, False, BOB)]
    assert seen == [5]
    stop()
    document.set_notes("x", author=ALICE)
    assert len(there) == 1
    assert here[-1].parts == {"notes", "history"}
    document.remove_experiment(key, author=ALICE)
    assert here[-1].parts == {"experiments", "history"}
    assert here[-1].experiments == {key}


def test_whoever_listens_can_write_and_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    document, key = with_experiment()
    document.observe(lambda change: 1 / 0)
    document.observe(lambda change: document.set_notes("seen", author=BOB))
    document.rename(name="x", author=ALICE)
    assert document.notes == "seen"
    assert "ZeroDivisionError" in caplog.text


def test_several_threads_write_and_read_the_same_document() -> None:
    document, key = with_experiment()
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for step in range(40):
                document.set_extra(key, "kinds", f"{name}{step}", {"loss": step}, author=Author(name, name))
                document.spec(key)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert len(document.extra(key, "kinds")) == 160
    assert {entry.author.id for entry in document.history()} == {"alice", "a", "b", "c", "d"}


def test_transactions_of_one_thread_nest_and_new_ones_wait_for_other_threads() -> None:
    document, key = with_experiment()
    told: list[DocumentChange] = []
    document.observe(told.append)
    with document.doc.transaction():
        document.rename(name="x", author=ALICE)
        document.set_notes("y", author=ALICE)
        with pytest.raises(RuntimeError, match="inside a transaction"):
            document.doc.new_transaction()
        assert not told
        errors: list[str] = []

        def impatient() -> None:
            try:
                with document.doc.new_transaction(timeout=0.01):
                    errors.append("it came in between")
            except TimeoutError as error:
                errors.append(str(error))

        other = threading.Thread(target=impatient)
        other.start()
        other.join(60)
        assert errors == ["Another thread's transaction did not end in time."]
    assert [change.parts for change in told] == [{"meta", "notes", "history"}]

    async def write() -> None:
        async with document.doc.new_transaction():
            document.rename(name="z", author=BOB)

    asyncio.run(write())
    assert (document.name, told[-1].author) == ("z", BOB)


def test_a_run_is_no_step_of_the_history_and_no_earlier_state_takes_it_away() -> None:
    document, key = with_experiment()
    first = document.history()[-1]
    document.set_extra(key, "presets", "mine", {"epochs": 3}, author=ALICE)
    before = document.history()
    document.set_extra(key, "runs", "r1", {"status": "finished"}, author=BOB)
    assert document.history() == before and not document.can_undo(BOB)
    document.restore(first.id, author=ALICE)
    assert document.extra(key, "presets") == {} and document.extra(key, "runs") == {"r1": {"status": "finished"}}


def test_a_change_that_came_in_is_never_taken_for_ones_own() -> None:
    document, key = with_experiment()
    other = WorkspaceDocument()
    other.doc.apply_update(document.doc.get_update())
    told: list[DocumentChange] = []
    document.observe(told.append)
    updates: list[bytes] = []
    other.doc.observe(lambda event: updates.append(event.update))
    for step in range(100):
        other.set_extra(key, "kinds", f"theirs{step}", step, author=BOB)

    def receive() -> None:
        for update in updates:
            document.doc.apply_update(update)

    def write() -> None:
        for step in range(100):
            document.set_extra(key, "presets", f"mine{step}", step, author=ALICE)

    threads = [threading.Thread(target=work) for work in (receive, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = [(change.local, change.author, sorted(change.parts)) for change in told]
    assert sorted(found, key=str) == sorted(
        [(False, BOB, ["history", "kinds"])] * 100 + [(True, ALICE, ["history", "presets"])] * 100, key=str
    )


def test_what_is_no_plain_data_is_refused_and_nothing_is_written() -> None:
    document, key = with_experiment()
    before = document.spec(key)
    for wrong in ({"x": object()}, {"a": 1, "b": {1: 2}}, {"layers": 3}, {"layers": ["linear"]}, {"x": {1, 2}}):
        with pytest.raises(WorkspaceError):
            document.set_spec(key, {**before, "seed": 77, **wrong}, author=ALICE)
        assert document.spec(key) == before
    with pytest.raises(WorkspaceError, match="no part 'presents'. Did you mean 'presets'"):
        document.extra(key, "presents")  # type: ignore[arg-type]


def test_a_newer_document_is_read_only() -> None:
    document, key = with_experiment()
    document.doc.get("meta", type=Map)["version"] = 7
    assert document.spec(key)["seed"] == 0
    with pytest.raises(WorkspaceError, match="version 7; this package writes version 1. Update"):
        document.rename(name="x", author=ALICE)
    assert not document.can_undo(ALICE)


@given(
    st.lists(
        st.tuples(
            st.lists(
                st.sampled_from(
                    [
                        "experiments",
                        "e",
                        "spec",
                        "layers",
                        "a",
                        "options",
                        "position",
                        "meta",
                        "version",
                        "name",
                        "error",
                        "chat",
                        "rooms",
                        "history",
                        "runs",
                        "hyperparameters",
                        "__proto__",
                        "$float",
                    ]
                ),
                min_size=2,
                max_size=5,
            ),
            VALUES,
        ),
        max_size=8,
    )
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_somebody_writes_past_the_schema_readers_say_so_or_read_on(writes: list[Any]) -> None:
    hostile: Doc[Any] = Doc()
    for path, value in writes:
        shared: Any = hostile.get(path[0], type=Array if path[0] == "history" else Map)
        if isinstance(shared, Array):
            shared.append(_crdt(value))
            continue
        for key in path[1:-1]:
            if not isinstance(shared.get(key), Map):
                shared[key] = Map({})
            shared = shared[key]
        shared[path[-1]] = _crdt(value)
    document = WorkspaceDocument()
    written: list[dict[str, Any]] = []
    document.doc.apply_update(hostile.get_update())
    readers = [
        document.experiments, document.to_plain, document.history, lambda: document.name, lambda: document.version,
        lambda: document.chat, lambda: document.notes, lambda: document.error, lambda: document.can_undo(ALICE),
        lambda: document.spec("e"), lambda: document.extra("e", "runs"),
        lambda: document.set_spec("e", spec_of(layer(1)), author=ALICE) and written.append(document.spec("e")),
    ]  # fmt: skip
    for reader in readers:
        try:
            reader()
        except WorkspaceError as error:
            assert len(error.message) > 20
    assert written in ([], [spec_of(layer(1))])


def _crdt(value: Any) -> Any:
    try:
        json.dumps(value).encode()
        text = json.dumps(value, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        return None
    return json.loads(text, parse_int=float)


def test_roots_of_another_kind_and_text_beyond_all_measure_break_nothing() -> None:
    hostile: Doc[Any] = Doc()
    hostile.get("experiments", type=Text).insert(0, "boo")
    hostile.get("meta", type=Array).append(3.0)
    hostile.get("chat", type=Text).insert(0, "x" * 100_000_000)
    document = WorkspaceDocument()
    document.doc.apply_update(hostile.get_update())
    assert document.experiments() == []
    assert document.name == ""
    key = document.add_experiment(spec_of(), name="one", author=ALICE)
    assert document.spec(key) == spec_of()
    document.doc.get("meta", type=Map)["name"] = "y" * 70_000_000
    with pytest.raises(WorkspaceError, match="characters"):
        document.to_plain()
    assert document.spec(key) == spec_of()


def nested_update(depth: int) -> bytes:
    doc: Doc[Any] = Doc(client_id=1)
    doc.get("meta", type=Map)["k"] = [["QQ"]]
    core = b"\x75\x01\x75\x01\x77\x02QQ"
    whole = doc.get_update()
    assert core in whole
    return whole.replace(core, b"\x75\x01" * depth + b"\x7e")


def test_an_update_that_would_exhaust_the_stack_is_not_merged() -> None:
    document, key = with_experiment()
    for depth in (110, 200_000):
        with pytest.raises(WorkspaceError, match="deeper than can be read"):
            document.doc.apply_update(nested_update(depth))
    document.doc.apply_update(nested_update(20))
    assert document.name == ""
    assert document.spec(key)["seed"] == 0
    with pytest.raises(WorkspaceError, match="cut off"):
        document.doc.apply_update(nested_update(90)[:-100] + b"u" * 110)


@pytest.mark.parametrize("together", [True, False])
def test_maps_inside_maps_without_an_end_are_refused(together: bool) -> None:
    hostile: Doc[Any] = Doc()
    inner: Any = hostile.get("experiments", type=Map)
    updates: list[bytes] = []
    handle = hostile.observe(lambda event: updates.append(event.update))
    for _ in range(400):
        inner["k"] = Map({})
        inner = inner["k"]
    hostile.unobserve(handle)
    document, key = with_experiment()
    if together:
        with pytest.raises(WorkspaceError, match="not merged"):
            document.doc.apply_update(hostile.get_update())
        assert document.spec(key)["seed"] == 0
        return
    for update in updates:
        document.doc.apply_update(update)
    for reader in (document.experiments, lambda: document.spec(key), document.to_plain, document.history):
        with pytest.raises(WorkspaceError, match="too deep"):
            reader()


@given(st.data())
@settings(deadline=None, max_examples=15)
def test_updates_that_this_package_writes_pass_the_check(data: st.DataObject) -> None:
    document = WorkspaceDocument()
    key = document.add_experiment(joined(data.draw(SPECS)), name="u" * 300 + "😀é", author=ALICE)
    document.set_spec(key, joined(data.draw(SPECS)), author=ALICE)
    document.set_notes("uv" * 200 + data.draw(st.text(max_size=5)).encode("utf-8", "replace").decode(), author=ALICE)
    document.undo(ALICE)
    check_update(document.doc.get_update())
