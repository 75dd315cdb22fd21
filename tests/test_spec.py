"""A specification is checked whole, wherever it comes from; older ones are brought up to date."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets import errors
from medilytica_widgets.spec import SPEC_VERSION, load_spec
from medilytica_widgets.spec_migrations import MIGRATIONS, migrated

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def moons() -> mw.Dataset:
    return mw.load_dataset("moons")


@pytest.fixture
def exp(moons: mw.Dataset) -> Iterator[mw.Experiment]:
    experiment = mw.Experiment(moons, hyperparameters={"epochs": 5}, seed=1, name="first")
    yield experiment
    experiment.close()


@pytest.fixture
def told(exp: mw.Experiment) -> list[str]:
    parts: list[str] = []
    exp.changed.connect(parts.append)
    return parts


def golden(name: str) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads((GOLDEN / f"spec_v1_{name}.json").read_text(encoding="utf-8"))
    return plain


# --- versions ---------------------------------------------------------------------------------------


def test_a_network_of_version_1_is_the_same_experiment() -> None:
    plain = golden("mlp")
    found = mw.Experiment.from_spec(copy.deepcopy(plain))
    assert found.spec.version == SPEC_VERSION == 2
    assert found.spec.to_json() == plain | {"version": 2, "preprocessing": []}
    assert (found.hyperparameters["schedule"], found.seed) == ("cosine", 7)
    assert [layer.kind for layer in found.layers] == ["linear", "batch_norm", "dropout", "activation"]


def test_a_forest_of_version_1_keeps_the_roles_of_its_columns() -> None:
    rng = np.random.default_rng(0)
    ages, sexes = rng.integers(20, 90, 60), rng.choice(["f", "m"], 60)
    wards, days = rng.choice(["a", "b", "c"], 60), rng.gamma(2, 3, 60)
    plain = golden("forest")
    roles = {name: plain["data"][name] for name in ("target", "exclude", "roles", "missing")}
    frame = pd.DataFrame({"age": ages, "sex": sexes, "ward": wards, "days": days})
    found = mw.Experiment.from_spec(plain, mw.load_dataset(frame, **roles))
    assert found.spec.to_json() == plain | {"version": 2, "preprocessing": []}


def test_every_older_version_has_a_migration_that_changes_nothing_it_was_given() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SPEC_VERSION))
    plain = golden("mlp")
    before = copy.deepcopy(plain)
    assert migrated(plain)["version"] == SPEC_VERSION
    assert plain == before


def test_data_without_a_version_are_of_the_present_one(exp: mw.Experiment) -> None:
    plain = exp.spec.to_json()
    del plain["version"]
    assert load_spec(plain) == exp.spec


@pytest.mark.parametrize("version", [SPEC_VERSION + 1, 99])
def test_a_newer_version_is_refused(exp: mw.Experiment, version: int) -> None:
    with pytest.raises(errors.SpecError, match=f"version {version}.*Update medilytica-widgets"):
        load_spec(exp.spec.to_json() | {"version": version, "of_the_future": 1})


@pytest.mark.parametrize("version", [0, -1, "2", True, None, 1.5])
def test_what_is_no_version_is_refused(exp: mw.Experiment, version: object) -> None:
    with pytest.raises(errors.SpecError, match="version is"):
        load_spec(exp.spec.to_json() | {"version": version})


# --- fields -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"algoritm": "mlp"}, r"'algoritm'.*'algorithm'"),
        ({"split": {"validaton": 0.1}}, r"'split\.validaton'.*'validation'"),
        ({"layers": [{"kind": "linear", "option": {}}]}, r"'layers\.0\.option'.*'options'"),
        ({"preprocessing": [{"id": "pca", "optoins": {}}]}, r"'preprocessing\.0\.optoins'.*'options'"),
        ({"seed": -1}, "seed"),
        ({"data": None}, "data"),
    ],
)
def test_a_wrong_field_is_named(exp: mw.Experiment, change: dict[str, Any], words: str) -> None:
    for version in (1, 2):
        with pytest.raises(errors.SpecError, match=words):
            load_spec(exp.spec.to_json() | {"version": version} | change)


def test_an_unknown_field_of_the_data_is_named(exp: mw.Experiment) -> None:
    plain = exp.spec.to_json()
    plain["data"]["sorce"] = "moons"
    with pytest.raises(errors.SpecError, match=r"'data\.sorce'.*'source'"):
        load_spec(plain)


# --- assignment ---------------------------------------------------------------------------------------


def test_a_specification_is_assigned_whole_and_undone_in_one_step(exp: mw.Experiment, told: list[str]) -> None:
    before = exp.spec
    wanted = before.to_json() | {
        "name": "second",
        "hyperparameters": {"learning_rate": 0.01},
        "layers": [{"kind": "linear", "options": {"units": 5}}],
        "seed": 9,
    }
    exp.spec = wanted
    assert exp.spec.to_json() == wanted
    assert (exp.name, exp.seed, exp.hyperparameters["learning_rate"]) == ("second", 9, 0.01)
    assert set(told) == {"hyperparameters", "layers", "meta"}
    told.clear()
    exp.undo()
    assert exp.spec == before and not exp.can_undo
    assert set(told) == {"hyperparameters", "layers", "meta"}
    exp.redo()
    assert exp.spec.to_json() == wanted


def test_the_split_follows_an_assigned_seed(exp: mw.Experiment) -> None:
    first = exp.prepared()
    exp.spec = exp.spec.to_json() | {"seed": 2, "split": {"validation": 0.1, "test": 0.3}}
    second = exp.prepared()
    assert len(second.X_test) == 150 and len(first.X_test) == 100
    exp.undo()
    np.testing.assert_array_equal(exp.prepared().X_test, first.X_test)


def test_the_same_specification_is_no_step(exp: mw.Experiment, told: list[str]) -> None:
    exp.spec = exp.spec
    exp.spec = exp.spec.to_json()
    assert told == [] and not exp.can_undo


def test_hyperparameters_of_the_algorithm_before_are_found_again(exp: mw.Experiment) -> None:
    exp.spec = exp.spec.to_json() | {"algorithm": "random_forest", "hyperparameters": {"n_estimators": 7}, "layers": []}
    assert exp.hyperparameters["n_estimators"] == 7
    exp.select_algorithm("mlp")
    assert exp.hyperparameters["epochs"] == 5


def test_a_version_1_can_be_assigned(moons: mw.Dataset) -> None:
    exp = mw.Experiment(moons)
    exp.spec = golden("mlp")
    assert exp.spec.name == "Monde – ☾" and exp.spec.version == SPEC_VERSION


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"algorithm": "random_forrest", "hyperparameters": {}}, errors.UnknownAlgorithmError, "random_forest"),
        ({"hyperparameters": {"learning_rate": -1}}, errors.ParameterError, "learning_rate"),
        ({"hyperparameters": {"lerning_rate": 1}}, errors.UnknownParameterError, "learning_rate"),
        ({"layers": [{"kind": "linear", "options": {"units": 0}}]}, errors.ShapeError, "units"),
        ({"heads": [{"task": "regression"}]}, errors.SpecError, "regression"),
        ({"split": {"validation": 0.6, "test": 0.6}}, errors.SpecError, "validation"),
        ({"version": 3}, errors.SpecError, "Update"),
        ({"hyperparametres": {}}, errors.SpecError, "hyperparameters"),
    ],
)
def test_a_wrong_specification_leaves_everything_as_it_was(
    exp: mw.Experiment, told: list[str], change: dict[str, Any], error: type[Exception], words: str
) -> None:
    before = exp.spec
    with pytest.raises(error, match=words):
        exp.spec = before.to_json() | {"name": "other", "seed": 77} | change
    assert exp.spec == before and told == [] and not exp.can_undo
    assert exp.task == "classification"


def test_a_specification_of_another_table_is_refused(exp: mw.Experiment) -> None:
    before = exp.spec
    with pytest.raises(errors.SpecError, match=r"another table: data\.source is 'circles'.*from_spec"):
        exp.spec = mw.Experiment(mw.load_dataset("circles")).spec
    plain = before.to_json()
    plain["data"]["exclude"] = ["x"]
    with pytest.raises(errors.SpecError, match=r"data\.exclude"):
        exp.spec = plain
    assert exp.spec == before


def test_the_same_content_in_another_place_is_the_same_table(tmp_path: Path) -> None:
    frame = mw.load_dataset("moons").frame
    for name in ("one.csv", "two.csv"):
        frame.to_csv(tmp_path / name, index=False)
    one, two = (
        mw.Experiment(mw.load_dataset(tmp_path / name, "label"), seed=k)
        for k, name in enumerate(("one.csv", "two.csv"))
    )
    one.spec = two.spec
    assert one.seed == 1 and one.spec.data.source.endswith("one.csv")


@pytest.mark.parametrize("nothing", [None, 3, "mlp", ["mlp"]])
def test_what_is_no_specification_is_refused(exp: mw.Experiment, nothing: object) -> None:
    with pytest.raises(errors.SpecError, match="is a dictionary"):
        exp.spec = nothing


def test_an_assigned_rate_reaches_the_run_that_trains(exp: mw.Experiment) -> None:
    exp.set("epochs", 100_000)
    run = exp.train()
    exp.spec = exp.spec.to_json() | {"hyperparameters": {"epochs": 100_000, "learning_rate": 0.0005}, "seed": 8}
    run.stop()
    run.wait(30)
    assert [(mark.name, mark.after) for mark in run.marks] in ([("learning_rate", 0.0005)], [])
    assert run.values["learning_rate"] == 0.0005 or not run.marks
    assert run.spec.seed == 1


# --- what is handed out stays apart -----------------------------------------------------------------


def edit(spec: Any) -> None:
    """Change everything in a specification that can be changed in place."""
    spec.hyperparameters["epochs"] = 3
    spec.layers.append(mw.Layer("dropout", p=0.9))
    spec.layers[0].options["units"] = 1
    spec.heads[0].options["delta"] = 9.0
    spec.heads.clear()
    spec.preprocessing[0].options["n_components"] = 1
    spec.data.exclude.append("x")
    spec.data.roles["x"] = "set_aside"


def test_editing_what_was_handed_out_changes_neither_experiment_nor_run(moons: mw.Dataset) -> None:
    given = mw.Layer("linear", units=4)
    exp = mw.Experiment(
        moons,
        hyperparameters={"epochs": 2},
        layers=[given],
        heads=[mw.Head("classification", loss="focal", gamma=1.0)],
        preprocessing=[mw.Step("pca", n_components=2)],
    )
    try:
        before = exp.spec
        run = exp.train().wait(60)
        metrics, source = run.evaluate().metrics, run.to_code()
        given.options["units"] = 9
        for spec in (exp.spec, run.spec):
            edit(spec)
        exp.layers[0].options["units"] = 2
        exp.heads[0].options["gamma"] = 7.0
        exp.hyperparameters["epochs"] = 9
        run.values["epochs"] = 9
        run.classes.append("third")
        assert exp.spec == run.spec == before
        assert (run.values["epochs"], run.classes, run.to_code()) == (2, moons.classes, source)
        again = exp.train().wait(60)
        assert again.evaluate().metrics == pytest.approx(metrics, rel=1e-6)
        with pytest.raises(AttributeError):
            run.spec = before  # type: ignore[misc]
    finally:
        exp.close()


def test_an_assigned_specification_is_taken_as_it_was(exp: mw.Experiment) -> None:
    wanted = exp.spec.model_copy(update={"seed": 9, "layers": [mw.Layer("linear", units=3)]})
    exp.spec = wanted
    wanted.layers[0].options["units"] = 50
    wanted.hyperparameters["epochs"] = 1
    assert exp.layers == [mw.Layer("linear", units=3)]
    assert (exp.seed, exp.hyperparameters["epochs"]) == (9, 5)
    exp.undo()
    assert exp.seed == 1


def test_the_job_of_a_run_cannot_be_changed(moons: mw.Dataset) -> None:
    layers = [mw.Layer("linear", units=4), mw.Layer("torch.nn.Threshold", threshold=0.0, value=0.0)]
    heads = [mw.Head("classification", loss="focal", gamma=1.0)]
    exp = mw.Experiment(moons, hyperparameters={"epochs": 1}, layers=layers, heads=heads)
    try:
        job = exp.train().wait(60).trainer.job
        assert isinstance(job.layers, tuple) and isinstance(job.heads, tuple)
        for mapping in (
            job.values,
            job.layers[0].options,
            job.layers[1].options["arguments"],
            job.heads[0].options,
            job.head.options,
            job.head_plans[0].options,
        ):
            name = next(iter(mapping))
            for change in (
                lambda mapping=mapping, name=name: mapping.__setitem__(name, 5),
                lambda mapping=mapping, name=name: mapping.pop(name),
                lambda mapping=mapping: mapping.update(a=1),
                lambda mapping=mapping: mapping.clear(),
                lambda mapping=mapping: mapping.setdefault("a", 1),
            ):
                with pytest.raises(TypeError, match="started with cannot be changed.*copy with dict"):
                    change()
            mine = copy.deepcopy(mapping)
            mine[name] = "changed"
            assert mapping[name] != "changed"
        job.head_plans.clear()
        assert len(job.head_plans) == 1
        assert copy.copy(job.values) == job.values
        assert json.loads(json.dumps(job.values)) == dict(job.values)
    finally:
        exp.close()
