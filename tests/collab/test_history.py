"""Who changed what and when, undo of one's own steps, and the way back to an earlier state."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import Array

from medilytica_widgets.collab import history
from medilytica_widgets.collab.document import WorkspaceDocument
from medilytica_widgets.collab.encoding import same
from medilytica_widgets.errors import WorkspaceError

from .test_document import ALICE, BOB, layer, spec_of, with_experiment
from .test_merging import CAROL, EDITS, copies, edit, exchange, perform, setter, units
from .test_schema import SPECS, joined


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        monkeypatch.setattr(history.time, "time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_step_says_who_when_where_and_what(clock: Clock) -> None:
    document, key = with_experiment()
    clock.now += 100
    spec = document.spec(key)
    spec["hyperparameters"]["epochs"] = 60
    del spec["hyperparameters"]["learning_rate"]
    spec["hyperparameters"]["patience"] = None
    document.set_spec(key, spec, author=BOB, label="longer")
    added, step = document.history()
    assert (added.author, added.label) == (ALICE, "add the experiment 'first'")
    assert (step.author, step.time, step.experiment, step.label) == (BOB, clock.now, key, "longer")
    found = {change.path[3:]: (change.before, change.after) for change in step.changes}
    assert found == {
        ("hyperparameters", "epochs"): (50, 60),
        ("hyperparameters", "learning_rate"): (0.003, history.MISSING),
        ("hyperparameters", "patience"): (history.MISSING, None),
    }


def test_edits_of_one_field_by_one_person_in_two_seconds_are_one_step(clock: Clock) -> None:
    document, key = with_experiment()
    for value in (51, 52, 53):
        clock.now += 1.9
        edit(document, key, setter("hyperparameters", "epochs", to=value), ALICE)
    steps = document.history()[1:]
    assert [(c.before, c.after) for step in steps for c in step.changes] == [(50, 53)]
    clock.now += 2.1
    edit(document, key, setter("hyperparameters", "epochs", to=54), ALICE)
    edit(document, key, setter("hyperparameters", "epochs", to=55), BOB)
    edit(document, key, setter("seed", to=1), BOB)
    edit(document, key, setter("seed", to=2), BOB)
    assert [step.author.id for step in document.history()[1:]] == ["alice", "alice", "bob", "bob"]
    edit(document, key, setter("seed", to=0), BOB)
    assert len(document.history()) == 4, "what was taken back at once is no step"


def test_what_is_typed_into_the_notes_in_one_go_is_one_step(clock: Clock) -> None:
    document, key = with_experiment()
    document.set_notes("ab", author=BOB)
    clock.now += 5
    for index, letter in enumerate("hällo 😀"):
        clock.now += 0.5
        document.insert_notes(1 + index, letter, author=ALICE)
    document.delete_notes(7, 1, author=ALICE)
    document.set_notes("ahello b", author=ALICE)
    assert document.notes == "ahello b"
    assert [(c.path, c.before, c.after) for c in document.history()[-1].changes] == [(("notes", "1"), "", "hello ")]
    clock.now += 5
    document.insert_notes(0, "x", author=ALICE)
    document.insert_notes(9, "y", author=ALICE)
    assert document.notes == "xahello by"
    assert len(document.history()) == 5
    for notes in ("xahello b", "ahello b", "ab"):
        assert document.undo(ALICE)
        assert document.notes == notes


def test_two_peoples_steps_are_all_there_after_a_merge(clock: Clock) -> None:
    documents, key = copies(2)
    for value in range(5):
        clock.now += 5
        edit(documents[0], key, setter("seed", to=value + 1), ALICE)
        edit(documents[1], key, setter("hyperparameters", "epochs", to=value), BOB)
    exchange(documents)
    one, other = (document.history() for document in documents)
    assert one == other
    assert sorted(step.author.id for step in one) == ["alice"] * 5 + ["bob"] * 5 + ["machine"]


def test_old_steps_are_dropped(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "HISTORY_LIMIT", 10)
    document, key = with_experiment()
    for value in range(30):
        clock.now += 5
        edit(document, key, setter("seed", to=value + 1), ALICE)
    assert [step.changes[0].after for step in document.history()] == list(range(21, 31))
    assert document.state_at(document.history()[0].id)["experiments"][0]["spec"]["seed"] == 21


def test_undo_takes_back_ones_own_last_step_only(clock: Clock) -> None:
    document, key = with_experiment()
    clock.now += 5
    edit(document, key, setter("layers", 0, "options", "units", to=80), ALICE)
    edit(document, key, setter("layers", 0, "options", "activation", to="tanh"), BOB)
    edit(document, key, setter("seed", to=4), BOB)
    assert document.undo(ALICE)
    spec = document.spec(key)
    assert (units(spec), spec["layers"][0]["options"]["activation"], spec["seed"]) == ([8, 4, 2], "tanh", 4)
    assert document.can_redo(ALICE)
    assert not document.can_redo(BOB)
    assert document.redo(ALICE)
    assert units(document.spec(key)) == [80, 4, 2]
    assert document.undo(BOB)
    assert document.undo(BOB)
    assert not document.undo(BOB)
    assert not document.can_undo(BOB)
    assert document.can_redo(BOB)
    assert document.spec(key)["layers"][0]["options"] == {"units": 80, "activation": "relu"}
    assert document.history()[-1].author == BOB


def test_what_somebody_else_wrote_over_is_not_taken_back(clock: Clock) -> None:
    document, key = with_experiment()
    clock.now += 5
    edit(document, key, setter("seed", to=4), ALICE)
    clock.now += 5
    edit(document, key, setter("hyperparameters", "epochs", to=7), ALICE)
    edit(document, key, setter("hyperparameters", "epochs", to=8), BOB)
    assert document.undo(ALICE)
    assert (document.spec(key)["hyperparameters"]["epochs"], document.spec(key)["seed"]) == (8, 0)


def test_a_layer_that_was_taken_out_comes_back_where_it_was(clock: Clock) -> None:
    document, key = with_experiment()
    clock.now += 5
    edit(document, key, lambda s: s["layers"].pop(1), ALICE)
    edit(document, key, lambda s: s["layers"].append(layer(1)), BOB)
    assert document.undo(ALICE)
    assert units(document.spec(key)) == [8, 4, 2, 1]
    edit(document, key, lambda s: s["layers"].insert(0, s["layers"].pop(3)), ALICE)
    assert document.undo(ALICE)
    assert units(document.spec(key)) == [8, 4, 2, 1]


def test_another_algorithm_is_taken_back_with_its_hyperparameters_or_not_at_all(clock: Clock) -> None:
    def alice(spec: Any) -> None:
        spec["algorithm"], spec["hyperparameters"] = "knn", {"n_neighbors": 3}

    (document,), key = copies(1)
    clock.now += 5
    before = document.spec(key)
    edit(document, key, alice, ALICE)
    edit(document, key, setter("hyperparameters", "n_neighbors", to=5), BOB)
    assert document.undo(ALICE)
    assert document.spec(key) == before
    assert document.redo(ALICE)
    assert document.spec(key)["hyperparameters"] == {"n_neighbors": 5}
    edit(document, key, setter("algorithm", to="svm"), BOB)
    assert not document.undo(ALICE)
    assert document.spec(key)["algorithm"] == "svm"


def test_undo_works_in_another_copy_and_after_it_was_stored() -> None:
    documents, key = copies(2)
    edit(documents[0], key, setter("seed", to=4), ALICE)
    exchange(documents)
    assert documents[1].undo(ALICE)
    exchange(documents)
    assert documents[0].spec(key)["seed"] == 0
    assert documents[0].redo(ALICE)


def test_experiments_names_notes_and_extras_can_be_undone(clock: Clock) -> None:
    document, key = with_experiment()
    clock.now += 5
    before = document.to_plain()
    steps = [
        lambda: document.remove_experiment(key, author=ALICE),
        lambda: document.rename(name="x", author=ALICE),
        lambda: document.set_notes("one\ntwo 😀\nthree", author=ALICE),
        lambda: document.insert_notes(6, "wo, t", author=ALICE),
        lambda: document.delete_notes(0, 4, author=ALICE),
        lambda: document.add_experiment(spec_of(), name="two", author=ALICE),
    ]
    states = []
    for step in steps:
        clock.now += 5
        states.append(document.to_plain())
        step()
    for state in reversed(states):
        assert document.undo(ALICE)
        assert document.to_plain() == state
    assert document.to_plain() == before


@given(st.lists(st.tuples(st.integers(0, 2), EDITS), max_size=15), st.integers(0, 20))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_restoring_brings_back_exactly_the_earlier_state(steps: list[Any], back: int) -> None:
    (document,), key = copies(1, layer(3), layer(2))
    # all three work on the same copy: what stands in it is what the history says
    states = {document.history()[-1].id: document.to_plain()}
    for who, what in steps:
        perform([document] * 3, who, what, key, [])
        document.set_notes(f"{document.notes}{who} {what[0]}\n", author=(ALICE, BOB, CAROL)[who])
        states[document.history()[-1].id] = document.to_plain()
    chosen = list(states)[back % len(states)]
    assert document.state_at(chosen) == states[chosen]
    latest = document.to_plain()
    document.restore(chosen, author=BOB)
    assert document.to_plain() == states[chosen]
    if latest != states[chosen]:
        assert document.history()[-1].label == "restore an earlier state"
        assert document.undo(BOB)
        assert document.to_plain() == latest


@given(SPECS, SPECS)
@settings(deadline=None, max_examples=20)
def test_undo_brings_back_any_specification(first: dict[str, Any], second: dict[str, Any]) -> None:
    first, second = joined(first), joined(second)
    document = WorkspaceDocument()
    key = document.add_experiment(first, name="one", author=ALICE)
    document.set_spec(key, second, author=BOB)
    if not same(first, second):
        assert document.undo(BOB)
    assert same(document.spec(key), first)


def test_a_workspace_without_a_step_says_so() -> None:
    document = WorkspaceDocument()
    assert not document.has_history
    document.rename(name="x", author=ALICE)
    assert document.has_history


def test_a_step_that_is_not_there_is_named() -> None:
    document, key = with_experiment()
    with pytest.raises(WorkspaceError, match="no step 'nothing'"):
        document.restore("nothing", author=ALICE)


def test_what_is_no_step_is_left_out(clock: Clock) -> None:
    document, key = with_experiment()
    shared = document.doc.get("history", type=Array)
    good = copy.deepcopy(shared[0])
    wrong_fields = [
        {"author": "bob"},
        {"changes": [{"path": "x"}]},
        {"time": "now"},
        {"id": 3.0},
        {"changes": [{"path": ["notes", "1"], "before": 1.0, "after": None}]},
    ]
    for wrong in (3.0, "x", {}, *({**good, **fields} for fields in wrong_fields)):
        shared.append(wrong)
        assert len(document.history()) == 1
    clock.now += 5
    edit(document, key, setter("seed", to=3), ALICE)
    assert document.undo(ALICE)
    assert document.spec(key)["seed"] == 0
