"""A workspace as plain data: what it may hold, its version, and the text of its file."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.collab import schema
from medilytica_widgets.collab.encoding import MAX_DEPTH, decode, encode, same
from medilytica_widgets.errors import WorkspaceError

NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([1.0, 0.0, -0.0, 1e16, 1e300, 2.0**53, 2**53, 2**63, -(2**63), 5e-324]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(st.characters(), max_size=8))
KEYS = st.one_of(
    st.text(st.characters(), max_size=8),
    st.sampled_from(["__proto__", "constructor", "position", "$position", "$float", "$$float", "$u", '$u"', "", "😀"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
SPECS = st.fixed_dictionaries(
    {part: st.lists(OBJECTS, max_size=4) for part in ("preprocessing", "layers", "heads")},
    optional={
        "algorithm": st.sampled_from(["mlp", "svm", "knn"]),
        "hyperparameters": OBJECTS,
        "data": OBJECTS,
        "seed": st.integers(),
        "split": OBJECTS,
    },
)


def joined(value: Any) -> Any:
    """Return data as JSON carries it: two halves of a character that stand together are one."""
    if isinstance(value, str):
        return json.loads(json.dumps(value))
    if isinstance(value, list):
        return [joined(item) for item in value]
    return {joined(k): joined(v) for k, v in value.items()} if isinstance(value, dict) else value


def _javascript(text: str) -> int | float:
    return float(text) if abs(int(text)) < 2**53 else int(text)


def workspace(**fields: Any) -> dict[str, Any]:
    experiment = {"id": "e1", "name": "one", "spec": {"algorithm": "mlp", "layers": [{"kind": "linear"}]}}
    return {"version": schema.VERSION, "id": "w", "name": "team", "experiments": [experiment], **fields}


@given(VALUES)
@settings(deadline=None)
def test_every_value_comes_back_from_its_form_in_the_document(value: Any) -> None:
    value = joined(value)
    # a CRDT has one kind of number
    stored = json.loads(
        json.dumps(encode(value)), parse_int=lambda text: float(text) if abs(int(text)) < 2**53 else int(text)
    )
    assert same(decode(stored), value)


@given(SPECS, st.text(max_size=20))
@settings(deadline=None, max_examples=25)
def test_a_file_gives_back_what_was_written(spec: dict[str, Any], notes: str) -> None:
    plain = schema.check(joined(workspace(experiments=[{"id": "e", "spec": spec}], notes=notes)))
    text = schema.dumps(plain)
    assert same(schema.loads(text), plain)
    assert schema.dumps(schema.loads(text)) == text
    assert text.encode("utf-8")
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_file_begins_with_its_version_and_ends_with_a_newline() -> None:
    text = schema.dumps(workspace(notes="a\nb"))
    assert text.startswith('{\n  "version": 1,\n  "id": "w",')
    assert text.endswith("}\n")
    assert '    "a",\n    "b"\n' in text


def test_the_order_of_keys_never_changes() -> None:
    spec = {"seed": 1, "layers": [], "algorithm": "mlp", "hyperparameters": {"b": 1, "a": 2}, "zzz": 0, "version": 2}
    turned = dict(reversed([(k, dict(reversed(v.items())) if isinstance(v, dict) else v) for k, v in spec.items()]))
    one, other = (schema.dumps(workspace(experiments=[{"id": "e", "spec": each}])) for each in (spec, turned))
    assert one == other
    assert list(json.loads(one)["experiments"][0]["spec"]) == [
        "version",
        "algorithm",
        "hyperparameters",
        "layers",
        "seed",
        "zzz",
    ]


def test_a_newer_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(WorkspaceError, match="version 2; this package reads versions 1 to 1. Update"):
        schema.check({"version": 2, "anything": []})


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.0, True])
def test_a_version_that_is_none_is_refused(version: Any) -> None:
    with pytest.raises(WorkspaceError, match="whole number"):
        schema.check({"version": version})


def test_an_older_version_is_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "VERSION", 3)
    monkeypatch.setitem(schema.MIGRATIONS, 1, lambda old: {"version": 2, "name": old["name"], "notes": old["note"]})
    monkeypatch.setitem(schema.MIGRATIONS, 2, lambda plain: {**plain, "version": 3, "name": plain["name"].upper()})
    found = schema.check({"version": 1, "name": "team", "note": "x"})
    assert (found["version"], found["notes"], found["name"]) == (3, "x", "TEAM")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "A workspace is an object; a list came"),
        (workspace(nots=""), "no field 'nots'. Did you mean 'notes'"),
        (workspace(name=3), "'name' of the workspace is text"),
        (workspace(experiments={}), "'experiments' of a workspace is a list"),
        (workspace(experiments=[3]), "Experiment 0 of the workspace is an object"),
        (workspace(experiments=[{"spec": {}}]), "Experiment 0 of the workspace has no id"),
        (workspace(experiments=[{"id": "a", "spec": {}}] * 2), "Two experiments of the workspace have the id 'a'"),
        (workspace(experiments=[{"id": "a"}]), "'spec' of experiment 'a' is an object"),
        (workspace(experiments=[{"id": "a", "spec": {"layers": [1]}}]), "'layers' of experiment 'a' is a list"),
        (workspace(experiments=[{"id": "a", "spec": {}, "runs": []}]), "'runs' of experiment 'a' is an object"),
        (workspace(notes=3), "'notes' of a workspace is text"),
        (workspace(chat={"announce": 1}), "'chat.announce' is true or false"),
        (workspace(chat={"rooms": {"a": 1}}), "'chat.rooms' of a workspace holds a path"),
        (workspace(experiments=[{"id": "a", "spec": {"x": {1, 2}}}]), "plain data"),
        (workspace(experiments=[{"id": "a", "spec": {"x": {1: 2}}}]), "keys in a workspace are text"),
    ],
)
def test_what_is_wrong_is_named(wrong: Any, said: str) -> None:
    with pytest.raises(WorkspaceError, match=said):
        schema.check(wrong)


def test_text_that_is_no_json_is_refused_and_conflict_marks_are_named() -> None:
    with pytest.raises(WorkspaceError, match="no JSON.*Correct it"):
        schema.loads("{")
    with pytest.raises(WorkspaceError, match="conflict marks"):
        schema.loads('{\n<<<<<<< HEAD\n"version": 1\n=======\n"version": 1\n>>>>>>> other\n}')


def test_too_deep_and_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkspaceError, match="deep"):
        schema.loads('{"version": 1, "id": ' + "[" * 100_000 + "]" * 100_000 + "}")
    deep: Any = 1
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]
    with pytest.raises(WorkspaceError, match="deeper than"):
        schema.check(workspace(experiments=[{"id": "a", "spec": {"x": deep}}]))
    monkeypatch.setattr(schema, "MAX_CHARACTERS", 100)
    with pytest.raises(WorkspaceError, match="holds 101 characters; 100 are read"):
        schema.loads(" " * 101)


def test_numbers_keep_their_kind() -> None:
    spec = {"one": 1, "float": 1.0, "yes": True, "big": 2**80, "nan": math.nan, "inf": -math.inf, "small": 1e-300}
    found = schema.loads(schema.dumps(workspace(experiments=[{"id": "e", "spec": spec}])))["experiments"][0]["spec"]
    assert {key: repr(found[key]) for key in spec} == {key: repr(value) for key, value in spec.items()}


def test_the_schema_needs_the_standard_library_only() -> None:
    code = (
        "import sys, medilytica_widgets.collab.schema\n"
        "print(*{name.split('.')[0] for name in sys.modules} & {'pycrdt', 'numpy', 'pandas', 'torch', 'pydantic'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=90)
    assert not done.stdout.split()
