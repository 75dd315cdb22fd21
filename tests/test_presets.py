"""Presets: the package's own for every algorithm, and those that a person saves under any words."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medilytica_widgets import algorithms, presets
from medilytica_widgets.algorithms.preset_rules import PRESETS, presets_of
from medilytica_widgets.data import load_dataset
from medilytica_widgets.errors import InputError, ParameterError, UnknownAlgorithmError, UnknownParameterError
from medilytica_widgets.experiment import Experiment
from medilytica_widgets.parameters import Parameter, ParameterTable

EVERY = [(entry.id, task) for entry in algorithms.list_() for task in sorted(entry.tasks)]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def shared() -> Iterator[Experiment]:
    made = Experiment(load_dataset("moons"))
    yield made
    made.close()


@pytest.fixture
def experiment(shared: Experiment) -> Experiment:
    shared.select_algorithm("mlp")
    shared.reset()
    return shared


def names(algorithm: str = "mlp") -> list[str]:
    return [preset.name for preset in presets.list(algorithm)]


# --- the package's own ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "task"), EVERY)
def test_every_preset_is_allowed_and_changes_something(id: str, task: str) -> None:
    entry = algorithms.get(id)
    for name, values in presets_of(entry, task).items():
        full = entry.validate(values, task)
        assert any(full[one] != entry.parameters[one].default for one in values), name


@pytest.mark.parametrize(("id", "task"), EVERY)
def test_what_an_entry_states_is_among_its_parameters(id: str, task: str) -> None:
    for name, values in algorithms.get(id).presets.items():
        assert set(values) <= set(algorithms.parameters(id)), name


@pytest.mark.parametrize("id", ["mlp", "logistic_regression", "random_forest", "gradient_boosting"])
def test_the_best_known_have_all_three(id: str) -> None:
    assert names(id) == list(PRESETS)


def derived(*parameters: Parameter, **more: object) -> dict[str, dict[str, object]]:
    made = dataclasses.replace(
        algorithms.get("logistic_regression"),
        **{"parameters": ParameterTable(parameters), "presets": {}, "staged": None, **more},  # type: ignore[arg-type]
    )
    return presets_of(made)


def test_well_known_hyperparameters_suggest_presets() -> None:
    trees = Parameter("n_estimators", "int", 100, low=1, high=300)
    alpha = Parameter("alpha", "float", 1.0, low=0.0, high=100.0)
    found = derived(trees, alpha, checks=())
    assert found == {"fast": {"n_estimators": 30}, "accurate": {"n_estimators": 300}, "regularised": {"alpha": 10.0}}


def test_a_preset_that_would_change_nothing_is_none() -> None:
    assert derived(Parameter("n_estimators", "int", 5, low=5, high=5), checks=()) == {}
    assert derived(Parameter("shape", "choice", "round", choices=("round", "square")), checks=()) == {}


def test_what_the_checks_forbid_is_no_preset() -> None:
    def refuse(values: object) -> None:
        if values["n_estimators"] != 100:  # type: ignore[index]
            raise ParameterError("Only 100 trees.", "n_estimators", 100)

    assert derived(Parameter("n_estimators", "int", 100, low=1, high=1000), checks=(refuse,)) == {}


def test_ids_that_mean_something_else_are_left_alone() -> None:
    assert derived(Parameter("alpha", "choice", "auto", choices=("auto", "none")), checks=()) == {}
    assert derived(Parameter("max_depth", "bool", False), checks=()) == {}
    assert derived(Parameter("alpha", "float", None, low=0.0, optional=True), checks=()) == {}


def test_without_a_target_there_is_nothing_to_hold_back() -> None:
    found = derived(Parameter("n_neighbors", "int", 5, low=1, high=99), checks=(), tasks=frozenset({"anomaly"}))
    assert found == {}


def test_what_has_an_effect_only_beside_another_choice_is_left_alone() -> None:
    kind = Parameter("penalty", "choice", "none", choices=("none", "l2"))
    strength = Parameter("alpha", "float", 1.0, low=0.0, high=100.0, only_if=("penalty", "l2"))
    assert derived(kind, strength, checks=()) == {}


# --- several at once --------------------------------------------------------------------------------------


def test_several_are_set_together_and_undone_in_one_step(experiment: Experiment) -> None:
    experiment.set("l1", 0.5)
    told: list[str] = []
    experiment.changed.connect(told.append)
    assert experiment.set_many({"epochs": 7.0, "optimizer": "sgd"}) == {"epochs": 7, "optimizer": "sgd"}
    experiment.changed.disconnect(told.append)
    assert told == ["hyperparameters"]
    assert experiment.spec.hyperparameters == {"l1": 0.5, "epochs": 7, "optimizer": "sgd"}
    experiment.undo()
    assert experiment.spec.hyperparameters == {"l1": 0.5}
    experiment.redo()
    assert experiment.hyperparameters["epochs"] == 7


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"epochs": 7, "l1": -1}, ParameterError),
        ({"epochs": 7, "learning_rat": 0.1}, UnknownParameterError),
        # each is allowed, both together are not
        ({"optimizer": "sgd", "nesterov": True, "momentum": 0.0}, ParameterError),
    ],
)
def test_one_wrong_value_leaves_all_as_they_were(
    experiment: Experiment, values: dict[str, object], error: type[Exception]
) -> None:
    before = experiment.spec
    with pytest.raises(error):
        experiment.set_many(values)
    assert experiment.spec == before


def test_values_that_only_fit_each_other_are_set(experiment: Experiment) -> None:
    experiment.set_many({"optimizer": "sgd", "nesterov": True})
    experiment.set_many({"momentum": 0.0, "nesterov": False})
    experiment.set_many({"momentum": 0.5, "nesterov": True})
    assert experiment.hyperparameters["momentum"] == 0.5


def test_setting_what_stands_is_no_step(experiment: Experiment) -> None:
    before = experiment.spec
    experiment.set_many({"epochs": 50, "l1": 0})
    assert experiment.spec == before


# --- applying -----------------------------------------------------------------------------------------------


def test_one_preset_leaves_nothing_of_another_but_what_none_decides(experiment: Experiment) -> None:
    experiment.set("class_weight", "balanced")
    experiment.apply_preset("regularised")
    experiment.apply_preset("accurate")
    values = presets_of(experiment.algorithm, "classification")["accurate"]
    assert experiment.spec.hyperparameters == {**values, "class_weight": "balanced"}
    experiment.undo()
    assert experiment.hyperparameters["weight_decay"] > 0
    experiment.undo()
    assert experiment.spec.hyperparameters == {"class_weight": "balanced"}


def test_a_saved_one_brings_back_all_values(experiment: Experiment) -> None:
    experiment.set_many({"epochs": 7, "l1": 0.5})
    presets.save("mine", experiment)
    experiment.reset()
    experiment.set("momentum", 0.5)
    experiment.apply_preset("mine")
    assert experiment.spec.hyperparameters == {"epochs": 7, "l1": 0.5}


def test_what_has_no_meaning_for_the_task_is_left_out(experiment: Experiment) -> None:
    experiment.set_many({"label_smoothing": 0.1, "epochs": 7})
    presets.save("mine", experiment)
    other = Experiment(load_dataset("diabetes"))
    other.apply_preset("mine")
    assert other.spec.hyperparameters == {"epochs": 7}
    other.apply_preset("regularised")
    assert other.hyperparameters["label_smoothing"] == 0


def test_an_unknown_name_is_refused_and_the_nearest_named(experiment: Experiment) -> None:
    before = experiment.spec
    with pytest.raises(InputError, match="Did you mean 'accurate'"):
        experiment.apply_preset("acurate")
    with pytest.raises(InputError, match="a int came"):
        experiment.apply_preset(3)  # type: ignore[arg-type]
    assert experiment.spec == before
    with pytest.raises(UnknownAlgorithmError, match="random_forest"):
        presets.list("random_forrest")


# --- saving and deleting ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(min_size=1, max_size=90))
@pytest.mark.parametrize("_", [0])
def test_any_name_is_kept_or_refused_and_never_becomes_a_path(
    own_home: Path, experiment: Experiment, name: str, _: int
) -> None:
    try:
        saved = presets.save(name, experiment)
    except InputError:
        return
    assert saved.name in names()
    (written,) = [path for path in own_home.rglob("*") if path.is_file()]
    assert written.parent == own_home / "presets" / "mlp"
    assert written.stem.isalnum() and written.stem.isascii()
    presets.delete(name)
    assert saved.name not in names()
    assert not [path for path in own_home.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/tmp/x", "a/b\\c", "..", "nul", "<script>", "'; drop table", "☃ " * 10]
)
def test_hostile_names_are_words(experiment: Experiment, own_home: Path, name: str) -> None:
    presets.save(name, experiment)
    presets.save("second", experiment)
    assert " ".join(name.split()) in names()
    folder = own_home / "presets" / "mlp"
    assert sorted(path for path in own_home.rglob("*") if path.is_file()) == sorted(folder.glob("*.json"))


@pytest.mark.parametrize("name", ["", "  \n ", "x" * 81, "a\x00b", "a\u202eb", "\ud800", "fast", " FAST ", 7, None])
def test_names_that_cannot_be_are_refused(experiment: Experiment, own_home: Path, name: object) -> None:
    with pytest.raises(InputError):
        presets.save(name, experiment)  # type: ignore[arg-type]
    assert names() == list(PRESETS)
    assert not own_home.exists()


def test_saving_again_replaces_and_the_same_word_is_one_name(experiment: Experiment) -> None:
    experiment.set("epochs", 7)
    presets.save("e\u0301tude", experiment)
    experiment.set("epochs", 8)
    presets.save("\u00e9tude", experiment)
    (saved,) = [preset for preset in presets.list("mlp") if preset.own]
    assert saved.values["epochs"] == 8


def test_each_algorithm_has_its_own(experiment: Experiment) -> None:
    presets.save("mine", experiment)
    experiment.select_algorithm("random_forest")
    assert "mine" not in names("random_forest")
    presets.save("mine", experiment)
    with pytest.raises(InputError, match=r"mlp, random_forest.*algorithm="):
        presets.delete("mine")
    presets.delete("mine", algorithm="mlp")
    assert "mine" not in names("mlp")
    presets.delete("mine")
    assert "mine" not in names("random_forest")


def test_only_saved_ones_can_be_deleted(experiment: Experiment) -> None:
    with pytest.raises(InputError, match="belongs to the package"):
        presets.delete("fast")
    presets.save("for the ward", experiment)
    with pytest.raises(InputError, match="Did you mean 'for the ward'"):
        presets.delete("for the wart")


def test_everybody_in_the_kernel_is_told(experiment: Experiment) -> None:
    told: list[str] = []
    presets.changed.connect(told.append)
    presets.save("mine", experiment)
    presets.delete("mine")
    presets.changed.disconnect(told.append)
    assert told == ["mlp", "mlp"]


def test_what_another_kernel_saves_is_found(experiment: Experiment, own_home: Path) -> None:
    presets.save("mine", experiment)
    folder = own_home / "presets" / "mlp"
    (path,) = folder.glob("*.json")
    content = path.read_bytes()
    path.unlink()
    os.utime(folder, ns=(1, 1))
    assert "mine" not in names()
    path.write_bytes(content)
    assert "mine" in names()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"null",
        b'{"name": "mine"}',
        b'{"name": "other", "algorithm": "mlp", "values": {}}',
        b'{"name": ["mine"], "algorithm": "mlp", "values": {}}',
        b"\xff\xfe",
        b" " * (1 << 21),
    ],
)
def test_a_damaged_file_is_left_out_and_the_others_stand(experiment: Experiment, own_home: Path, damage: bytes) -> None:
    presets.save("other one", experiment)
    presets.save("mine", experiment)
    folder = own_home / "presets" / "mlp"
    path = next(p for p in folder.glob("*.json") if json.loads(p.read_bytes())["name"] == "mine")
    path.write_bytes(damage)
    os.utime(folder, ns=(1, 1))
    assert names() == [*PRESETS, "other one"]


def test_values_that_are_allowed_no_more_are_listed_with_the_reason(experiment: Experiment, own_home: Path) -> None:
    presets.save("mine", experiment)
    (path,) = (own_home / "presets" / "mlp").glob("*.json")
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps({**content, "values": {"learning_rat": 1}}))
    os.utime(path.parent, ns=(1, 1))
    assert "learning_rate" in presets.list("mlp")[-1].problem
    before = experiment.spec
    with pytest.raises(InputError, match=r"cannot be applied.*learning_rate"):
        experiment.apply_preset("mine")
    assert experiment.spec == before
    presets.delete("mine")
    assert names() == list(PRESETS)


def test_a_place_that_cannot_be_written_is_said(
    experiment: Experiment, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_home.mkdir()
    (own_home / "presets").write_text("a file stands where the folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        presets.save("mine", experiment)
    assert names() == list(PRESETS)


def test_there_is_an_end_to_them(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "MOST", 2)
    presets.save("one", experiment)
    presets.save("two", experiment)
    with pytest.raises(InputError, match="2 saved presets already"):
        presets.save("three", experiment)
    presets.save("two", experiment)


def test_only_an_experiment_has_values_to_save() -> None:
    with pytest.raises(InputError, match="a dict came"):
        presets.save("mine", {})  # type: ignore[arg-type]
