"""Several people change a workspace at the same time, each in a copy of their own, and the copies merge."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medilytica_widgets.collab.document import Author, WorkspaceDocument
from medilytica_widgets.collab.positions import between, placed, spread
from medilytica_widgets.spec import load_spec

from .test_document import ALICE, BOB, layer, spec_of

CAROL = Author("carol", "Carol")


def copies(count: int, *layers: dict[str, Any], **fields: Any) -> tuple[list[WorkspaceDocument], str]:
    """Return documents that hold the same experiment."""
    first = WorkspaceDocument()
    key = first.add_experiment(
        spec_of(*(layers or (layer(8), layer(4), layer(2))), **fields), name="e", author=Author.machine()
    )
    rest = [WorkspaceDocument() for _ in range(count - 1)]
    for other in rest:
        other.doc.apply_update(first.doc.get_update())
    return [first, *rest], key


def exchange(documents: list[WorkspaceDocument], order: list[int] | None = None) -> None:
    """Let everyone have everything."""
    updates = [document.doc.get_update() for document in documents]
    for index in order or range(len(documents)):
        for document in documents:
            document.doc.apply_update(updates[index])
    specs = [document.to_plain() for document in documents]
    assert all(spec == specs[0] for spec in specs)


def edit(document: WorkspaceDocument, key: str, change: Callable[[dict[str, Any]], Any], author: Author) -> None:
    spec = document.spec(key)
    change(spec)
    document.set_spec(key, spec, author=author)


def units(spec: dict[str, Any]) -> list[Any]:
    return [each["options"]["units"] if each["kind"] == "linear" else each["kind"] for each in spec["layers"]]


def merged(
    alice: Callable[[dict[str, Any]], Any], bob: Callable[[dict[str, Any]], Any], *layers: dict[str, Any]
) -> dict[str, Any]:
    """Return the specification after two people changed it at the same time; it can be used."""
    documents, key = copies(2, *layers)
    edit(documents[0], key, alice, ALICE)
    edit(documents[1], key, bob, BOB)
    exchange(documents)
    spec = documents[0].spec(key)
    load_spec(spec)
    return spec


def setter(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(spec: Any) -> None:
        for key in path[:-1]:
            spec = spec[key]
        spec[path[-1]] = to

    return change


def test_two_hyperparameters() -> None:
    spec = merged(setter("hyperparameters", "epochs", to=7), setter("hyperparameters", "weight_decay", to=0.1))
    assert spec["hyperparameters"] == {"learning_rate": 0.003, "epochs": 7, "weight_decay": 0.1}


def test_fields_of_two_layers_and_of_one() -> None:
    def alice(spec: Any) -> None:
        spec["layers"][0]["options"]["units"] = 80
        spec["layers"][1]["options"]["units"] = 40

    spec = merged(alice, setter("layers", 1, "options", "activation", to="tanh"))
    assert units(spec) == [80, 40, 2]
    assert spec["layers"][1]["options"]["activation"] == "tanh"


def test_both_move_the_same_layer_and_it_is_there_once() -> None:
    spec = merged(
        lambda s: s["layers"].insert(0, s["layers"].pop(2)), lambda s: s["layers"].insert(1, s["layers"].pop(2))
    )
    assert sorted(units(spec)) == [2, 4, 8]


def test_one_moves_a_layer_that_another_changes() -> None:
    spec = merged(lambda s: s["layers"].insert(0, s["layers"].pop(2)), setter("layers", 2, "options", "units", to=3))
    assert units(spec) == [3, 8, 4]


def test_one_removes_a_layer_that_another_changes() -> None:
    spec = merged(lambda s: s["layers"].pop(1), setter("layers", 1, "options", "units", to=3))
    assert units(spec) == [8, 2]


def test_both_remove_the_same_layer() -> None:
    assert units(merged(lambda s: s["layers"].pop(1), lambda s: s["layers"].pop(1))) == [8, 2]


def test_both_add_at_the_same_place() -> None:
    spec = merged(lambda s: s["layers"].insert(1, layer(5)), lambda s: s["layers"].insert(1, layer(6)))
    assert units(spec) in ([8, 5, 6, 4, 2], [8, 6, 5, 4, 2])


def test_a_layer_that_was_changed_is_told_from_one_that_came_before_it() -> None:
    def alice(spec: Any) -> None:
        spec["layers"][1]["options"]["bias"] = False
        spec["layers"].insert(1, {"kind": "linear", "options": {"units": 5, "activation": "elu"}})

    spec = merged(alice, setter("layers", 1, "options", "units", to=40))
    assert units(spec) == [8, 5, 40, 2]
    assert spec["layers"][2]["options"] == {"units": 40, "activation": "relu", "bias": False}


def test_layers_that_are_alike_stay_apart() -> None:
    spec = merged(lambda s: s["layers"].insert(1, layer(4)), lambda s: s["layers"].pop(0), layer(4), layer(4), layer(4))
    assert units(spec) == [4, 4, 4]


def test_one_changes_a_layer_in_front_of_one_that_another_adds() -> None:
    def alice(spec: Any) -> None:
        spec["layers"][0]["options"]["units"] = 80
        spec["layers"].insert(1, {"kind": "dropout", "options": {"p": 0.5}})

    spec = merged(alice, setter("layers", 1, "options", "units", to=40))
    assert units(spec) == [80, "dropout", 40, 2]


def test_a_layer_of_another_kind_takes_no_options_of_the_old_one() -> None:
    spec = merged(
        setter("layers", 1, to={"kind": "dropout", "options": {"p": 0.5}}),
        setter("layers", 1, "options", "units", to=3),
    )
    assert spec["layers"][1] == {"kind": "dropout", "options": {"p": 0.5}}
    assert units(spec) == [8, "dropout", 2]


def test_another_algorithm_takes_no_hyperparameters_of_the_old_one() -> None:
    def alice(spec: Any) -> None:
        spec["algorithm"] = "random_forest"
        spec["hyperparameters"] = {"n_estimators": 10}

    for one, other in itertools.permutations((alice, setter("hyperparameters", "epochs", to=9))):
        spec = merged(one, other)
        assert (spec["algorithm"], spec["hyperparameters"]) == ("random_forest", {"n_estimators": 10})


def test_another_way_to_split_takes_no_fields_of_the_old_one() -> None:
    def alice(spec: Any) -> None:
        spec["split"] = {"validation": 0.2, "test": 0.2, "method": "grouped", "column": "patient"}

    spec = merged(alice, setter("split", "validation", to=0.3))
    assert spec["split"] == {"validation": 0.2, "test": 0.2, "method": "grouped", "column": "patient"}


def test_names_experiments_notes_and_extras_merge() -> None:
    (one, other), key = copies(2)
    one.rename(name="Team", author=ALICE)
    other.rename(description="about", author=BOB)
    one.rename_experiment(key, name="better", author=ALICE)
    second = other.add_experiment(spec_of(), name="two", author=BOB)
    third = one.add_experiment(spec_of(), name="three", author=ALICE)
    one.set_extra(key, "runs", "r1", {"name": "run 1"}, author=ALICE)
    other.set_extra(key, "runs", "r2", {"name": "run 2"}, author=BOB)
    one.set_extra(key, "kinds", "age", "numeric", author=ALICE)
    other.set_extra(key, "presets", "mine", {"epochs": 3}, author=BOB)
    exchange([one, other])
    assert (one.name, one.description) == ("Team", "about")
    assert {entry.id for entry in one.experiments()} == {key, second, third}
    assert set(one.extra(key, "runs")) == {"r1", "r2"}
    assert (one.extra(key, "kinds"), one.extra(key, "presets")) == ({"age": "numeric"}, {"mine": {"epochs": 3}})
    one.set_notes("# Notes\nfirst\nlast\n", author=ALICE)
    exchange([one, other])
    one.set_notes("# Notes\nfirst line\nlast\n", author=ALICE)
    other.set_notes("# Notes\nfirst\nlast line 😀\n", author=BOB)
    exchange([one, other])
    assert one.notes == "# Notes\nfirst line\nlast line 😀\n"
    one.remove_experiment(key, author=ALICE)
    edit(other, key, setter("seed", to=3), BOB)
    exchange([one, other])
    assert {entry.id for entry in other.experiments()} == {second, third}


def test_a_change_made_from_an_older_state_leaves_what_others_changed_since() -> None:
    (document,), key = copies(1)
    base = document.spec(key)
    edit(document, key, lambda s: s["layers"].insert(0, layer(16)), BOB)
    edit(document, key, lambda s: s["layers"].pop(2), BOB)
    edit(document, key, setter("hyperparameters", "epochs", to=9), BOB)
    mine = copy.deepcopy(base)
    mine["seed"] = 5
    mine["layers"][0]["options"]["units"] = 80
    mine["layers"][1]["options"]["units"] = 40
    mine["layers"].append(layer(1))
    changed = document.set_spec(key, mine, author=ALICE, base=base)
    assert units(document.spec(key)) == [16, 80, 2, 1]
    assert document.spec(key)["seed"] == 5
    assert document.spec(key)["hyperparameters"]["epochs"] == 9
    assert changed == ["seed", "layers[1].options.units", "layers[3]"]
    # all of it is there already
    assert document.set_spec(key, mine, author=ALICE, base={**mine, "seed": 4}) == []


def test_a_layer_of_an_older_state_is_known_again_whatever_became_of_it() -> None:
    (document,), key = copies(1)
    base = document.spec(key)
    # the second is another one now, and what it was stands first, changed
    edit(document, key, lambda s: s["layers"].insert(0, s["layers"].pop(1)), BOB)
    edit(document, key, setter("layers", 0, "options", "units", to=5), BOB)
    edit(document, key, lambda s: s["layers"].insert(2, layer(4)), BOB)
    assert units(document.spec(key)) == [5, 8, 4, 2]
    mine = copy.deepcopy(base)
    mine["layers"][1]["options"]["activation"] = "tanh"
    assert document.set_spec(key, mine, author=ALICE, base=base) == ["layers[0].options.activation"]
    assert units(document.spec(key)) == [5, 8, 4, 2]
    again = copy.deepcopy(mine)
    del again["layers"][1]
    document.set_spec(key, again, author=ALICE, base=mine)
    assert units(document.spec(key)) == [8, 4, 2]


def test_two_copies_that_were_filled_from_one_file_are_copies_of_one_document() -> None:
    (source,), key = copies(1)
    source.set_notes("note", author=ALICE)
    plain = source.to_plain()
    one, other = WorkspaceDocument(), WorkspaceDocument()
    one.load_plain(plain)
    other.load_plain(copy.deepcopy(plain))
    edit(one, key, setter("layers", 0, "options", "units", to=80), ALICE)
    edit(other, key, lambda s: s["layers"].insert(0, layer(1)), BOB)
    other.insert_notes(4, "s", author=BOB)
    exchange([one, other])
    assert units(one.spec(key)) == [1, 80, 4, 2]
    assert one.notes == "notes"
    assert len(one.experiments()) == 1


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60))
def test_there_is_always_a_place_between_two(steps: list[tuple[int, bool]]) -> None:
    places = spread(3)
    for at, edge in steps:
        index = 0 if edge else at % (len(places) + 1)
        left = places[index - 1] if index else ""
        places.insert(index, between(left, places[index] if index < len(places) else ""))
    assert places == sorted(set(places))
    assert all(place and place[-1] != "0" for place in places)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.text(st.sampled_from("0A~"), max_size=3)), st.randoms())
def test_every_order_can_be_had_whatever_the_places_were(known: dict[str, str], random: Any) -> None:
    order = [*known, "new"]
    random.shuffle(order)
    now = {**known, **placed(order, known)}
    assert sorted(order, key=lambda key: (now[key], key)) == order
    assert placed(order, now) == {}


def test_a_move_writes_one_place() -> None:
    known = dict(zip("abcdefghij", spread(10), strict=True))
    assert list(placed("acdefbghij", known)) == ["b"]
    assert list(placed("jabcdefghi", known)) == ["j"]


LAYERS = st.one_of(
    st.builds(layer, st.integers(1, 9)),
    st.builds(lambda p: {"kind": "dropout", "options": {"p": p}}, st.floats(0, 0.9)),
)
EDITS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 6), LAYERS),
    st.tuples(st.just("remove"), st.integers(0, 6), st.none()),
    st.tuples(st.just("move"), st.integers(0, 6), st.integers(0, 6)),
    st.tuples(st.just("tune"), st.integers(0, 6), st.integers(10, 19)),
    st.tuples(st.just("hyper"), st.sampled_from(["epochs", "patience"]), st.integers(1, 9)),
    st.tuples(st.just("drop"), st.sampled_from(["epochs", "learning_rate"]), st.none()),
    st.tuples(st.just("algorithm"), st.sampled_from(["mlp", "knn", "svm"]), st.integers(1, 9)),
    st.tuples(st.just("seed"), st.integers(0, 99), st.none()),
    st.tuples(st.just("undo"), st.none(), st.none()),
    st.tuples(st.just("send"), st.integers(0, 2), st.none()),
)


def perform(documents: list[WorkspaceDocument], who: int, what: Any, key: str, written: list[Any]) -> None:
    kind, where, value = what
    document, author = documents[who], (ALICE, BOB, CAROL)[who]
    if kind == "send":
        documents[where].doc.apply_update(document.doc.get_update())
        return
    if kind == "undo":
        document.undo(author)
        return
    spec = document.spec(key)
    layers = spec["layers"]
    if kind == "add":
        layers.insert(min(where, len(layers)), value)
    elif kind in ("remove", "move", "tune") and layers:
        at = where % len(layers)
        if kind == "tune":
            layers[at]["options"]["units" if layers[at]["kind"] == "linear" else "p"] = value
        else:
            taken = layers.pop(at)
            if kind == "move":
                layers.insert(value % (len(layers) + 1), taken)
    elif kind == "hyper":
        spec["hyperparameters"][where] = value
    elif kind == "drop":
        spec["hyperparameters"].pop(where, None)
    elif kind == "algorithm":
        spec["algorithm"], spec["hyperparameters"] = where, {f"of_{where}": value}
    elif kind == "seed":
        spec["seed"] = where
    document.set_spec(key, spec, author=author)
    assert document.spec(key) == spec
    written.append(copy.deepcopy(spec))


@given(st.lists(st.tuples(st.integers(0, 2), EDITS), max_size=25), st.permutations([0, 1, 2]), st.integers(0, 3))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_random_edits_of_three_people_end_the_same_everywhere(steps: list[Any], order: list[int], start: int) -> None:
    documents, key = copies(3, *[layer(n + 1) for n in range(start)])
    written = [documents[0].spec(key)]
    for who, what in steps:
        perform(documents, who, what, key, written)
    exchange(documents, order)
    exchange(documents)
    spec = documents[0].spec(key)
    assert spec["seed"] in {each["seed"] for each in written}
    assert spec["algorithm"] in {each["algorithm"] for each in written}
    for name, value in spec["hyperparameters"].items():
        assert any(each["hyperparameters"].get(name) == value for each in written)
    # whatever was said of another algorithm is not there
    assert all(not name.startswith("of_") or name == f"of_{spec['algorithm']}" for name in spec["hyperparameters"])
    for each in spec["layers"]:
        allowed = {"linear": {"units", "activation"}, "dropout": {"p"}}[each["kind"]]
        assert set(each["options"]) <= allowed
        for option, value in each["options"].items():
            assert any(one["options"].get(option) == value for state in written for one in state["layers"])


@pytest.mark.parametrize("count", [3, 12])
def test_nobody_doubles_a_layer_by_reordering_all_of_them(count: int) -> None:
    documents, key = copies(2, *[layer(n) for n in range(count)])
    edit(documents[0], key, lambda s: s["layers"].reverse(), ALICE)
    edit(documents[1], key, lambda s: s["layers"].sort(key=lambda each: -each["options"]["units"] % 3), BOB)
    exchange(documents)
    assert sorted(units(documents[0].spec(key))) == list(range(count))
