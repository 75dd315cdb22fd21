"""The registry: what is in it, its documentation, and how another package adds to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets import algorithms
from medilytica_widgets.algorithms import Algorithm, registry
from medilytica_widgets.algorithms.perceptron_parameters import OPTIMIZERS
from medilytica_widgets.errors import (
    ParameterError,
    SpecError,
    StateError,
    UnknownAlgorithmError,
    UnknownParameterError,
    hint,
)
from medilytica_widgets.parameters import Parameter, ParameterTable

IDS = ("mlp", "logistic_regression", "random_forest", "gradient_boosting")


def _nearest_centroid(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Any:
    from sklearn.neighbors import NearestCentroid

    return NearestCentroid(shrink_threshold=values["shrink_threshold"])


@pytest.fixture
def added() -> Iterator[Algorithm]:
    algorithm = algorithms.register(
        Algorithm(
            id="nearest_centroid",
            name="Nearest centroid",
            category=("Neighbours",),
            tasks=frozenset({"classification"}),
            summary="Assigns the class whose mean is nearest.",
            when="For a baseline.",
            when_not="For anything else.",
            references=("https://scikit-learn.org",),
            parameters=ParameterTable(
                (Parameter("shrink_threshold", "float", None, low=0.0, high=10.0, optional=True, help="Shrinks."),)
            ),
            engine="estimator",
            builder=_nearest_centroid,
            coder=lambda request: [f"# {request.values['shrink_threshold']}"],
        )
    )
    yield algorithm
    algorithms.unregister("nearest_centroid")


def test_lists_keep_the_order_of_registration() -> None:
    known = [a.id for a in algorithms.list()]
    assert [id for id in known if id in IDS] == list(IDS)
    numbers = [a.id for a in algorithms.list(task="regression")]
    assert [id for id in numbers if id in IDS] == ["mlp", "random_forest", "gradient_boosting"]
    trees = [a.id for a in algorithms.list(category="Trees and ensembles")]
    assert [id for id in trees if id in IDS] == ["random_forest", "gradient_boosting"]
    networks = [a.id for a in algorithms.list(category=("Neural networks",), task="regression")]
    assert [id for id in networks if id in IDS] == ["mlp"]


def test_one_call_adds_an_algorithm_to_every_list_and_face(added: Algorithm) -> None:
    assert algorithms.get("nearest_centroid") is added
    assert algorithms.list(category="Neighbours") == [added]
    assert added not in algorithms.list(task="regression")
    assert algorithms.describe("nearest_centroid")["summary"] == "Assigns the class whose mean is nearest."
    assert algorithms.validate("nearest_centroid", {"shrink_threshold": 1}) == {"shrink_threshold": 1.0}
    assert added.build({"shrink_threshold": 2}, "classification", 3, 2, 0).shrink_threshold == 2.0
    assert added.code({}, "classification", 0, n_features=3, n_classes=2) == ["# None"]
    assert added.stage_sizes({}) == []


def test_a_taken_id_is_refused_and_the_first_stays(added: Algorithm) -> None:
    with pytest.raises(SpecError, match="'nearest_centroid' is registered already"):
        algorithms.register(replace(added, name="Other"))
    assert algorithms.get("nearest_centroid") is added


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "two words"},
        {"tasks": frozenset()},
        {"tasks": frozenset({"ranking"})},
        {"builder": None},
        {"staged": "x"},
        {"staged": "callback"},
    ],
)
def test_an_entry_that_cannot_work_is_refused_when_it_is_written(added: Algorithm, wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        replace(added, **wrong)


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(UnknownAlgorithmError, match="Did you mean 'random_forest'?"):
        algorithms.get("random_forrest")
    for ask in (algorithms.describe, algorithms.parameters, algorithms.validate, algorithms.unregister):
        with pytest.raises(UnknownAlgorithmError):
            ask("nothing_like_it")
    with pytest.raises(UnknownAlgorithmError):
        algorithms.get(None)  # type: ignore[arg-type]


def test_only_an_id_like_no_other_may_be_one_of_your_own() -> None:
    with pytest.raises(UnknownAlgorithmError) as caught:
        algorithms.get("random_forrest")
    assert "registered first" not in caught.value.message
    with pytest.raises(UnknownAlgorithmError, match="'nope'. Known: mlp,.*registered first"):
        algorithms.get("nope")


@pytest.mark.parametrize("id", ["xgboost", "lightgbm", "catboost"])
def test_a_library_that_is_not_installed_is_said_to_be(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ABSENT", (id,))
    monkeypatch.delitem(registry._entries, id, raising=False)
    with pytest.raises(UnknownAlgorithmError, match=f"^{id} is not installed; install it with: pip install {id}"):
        algorithms.get(id)
    with pytest.raises(UnknownAlgorithmError, match=f"Did you mean '{id}'"):
        algorithms.get(id[:-2] + id[-1])


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("nope", "tsne"),
        ("n_estimators", "nesterov"),
        ("members", "bayes"),
        ("random_forest", "polynomial_features"),
        ("foo", "xavier_uniform"),
    ],
)
def test_a_far_fetched_name_is_not_suggested(given: str, known: str) -> None:
    assert hint(given, ["", known]) == f"Known: {known}."


@pytest.mark.parametrize("id", IDS)
def test_every_entry_is_documented(id: str) -> None:
    plain = algorithms.describe(id)
    assert json.loads(json.dumps(plain)) == plain
    for part in ("summary", "when", "when_not"):
        assert len(plain[part]) > 60
        assert plain[part].endswith(".")
    assert len(plain["references"]) >= 2
    for parameter in plain["parameters"]:
        assert len(parameter["help"]) > 40, parameter["id"]
        assert parameter["help"].endswith("."), parameter["id"]


def test_the_defaults_are_the_designs() -> None:
    full = algorithms.validate("mlp")
    assert (full["learning_rate"], full["batch_size"], full["epochs"]) == (3e-3, 128, 50)
    assert (full["optimizer"], full["schedule"], full["patience"], full["dropout"]) == ("adam", "constant", None, None)
    live = {p.id for p in algorithms.parameters("mlp").values() if p.live}
    assert live == {"learning_rate", "batch_size", "weight_decay", "l1", "l2", "dropout", "clip_norm", "clip_value"}
    assert (full["warmup"], full["plateau_patience"], full["accumulation"], full["precision"]) == (0.0, 5, 1, "auto")
    assert (full["class_weight"], full["label_smoothing"], full["nesterov"], full["clip_value"]) == (
        "none", 0.0, False, None,
    )  # fmt: skip


def test_a_class_weight_is_set_alike_wherever_there_is_one() -> None:
    tables = [algorithms.parameters(id)["class_weight"] for id in IDS]
    assert {(p.kind, p.default, p.choices) for p in tables} == {("choice", "none", ("none", "balanced"))}


def test_the_perceptrons_form_has_few_fields_in_sight_and_says_what_is_usual() -> None:
    table = algorithms.parameters("mlp").values()
    groups = [p.group for p in table]
    # fields of one group stand together
    assert [g for i, g in enumerate(groups) if i == 0 or groups[i - 1] != g] == list(dict.fromkeys(groups))
    in_sight = [p.id for p in table if not p.group and p.only_if is None]
    assert in_sight == ["learning_rate", "batch_size", "epochs", "optimizer", "class_weight"]
    assert [p.id for p in table if "usual" not in p.help.lower()] == []


@pytest.mark.parametrize(("name", "value"), [("class_weight", "balanced"), ("label_smoothing", 0.1)])
def test_what_means_nothing_for_the_task_is_refused_unless_at_its_default(name: str, value: Any) -> None:
    default = algorithms.parameters("mlp")[name].default
    for task in ("classification", None):
        assert algorithms.validate("mlp", {name: value}, task)[name] == value
    assert algorithms.validate("mlp", {name: default}, "regression")[name] == default
    with pytest.raises(ParameterError, match=f"{name} is .* for classification only.* Leave it at") as caught:
        algorithms.validate("mlp", {name: value}, "regression")
    assert (caught.value.parameter, caught.value.nearest) == (name, default)
    with pytest.raises(ParameterError, match="for classification only"):
        algorithms.get("mlp").code({name: value}, "regression", 0, n_features=3, n_classes=1)


@settings(deadline=None)  # the first call imports torch
@given(st.sampled_from(OPTIMIZERS), st.booleans(), st.sampled_from([0.0, 1e-3, 0.9]))
def test_nesterov_needs_momentum_exactly_where_torch_says_so(optimizer: str, nesterov: bool, momentum: float) -> None:
    import torch

    values = {"optimizer": optimizer, "nesterov": nesterov, "momentum": momentum}
    weights = [torch.zeros(1, requires_grad=True)]
    try:
        if optimizer == "sgd":
            torch.optim.SGD(weights, nesterov=nesterov, momentum=momentum)
    except ValueError:
        with pytest.raises(ParameterError, match="momentum is 0.*switch nesterov off"):
            algorithms.validate("mlp", values)
    else:
        assert algorithms.validate("mlp", values).items() >= values.items()


def test_wrong_values_are_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="learning_rate is -1; it takes a number from 1e-06 to 10"):
        algorithms.validate("mlp", {"learning_rate": -1})
    with pytest.raises(
        UnknownParameterError, match="Multilayer perceptron has no parameter 'learning_rat'.*learning_r"
    ):
        algorithms.validate("mlp", {"learning_rat": 0.1})


def test_checks_see_all_values(added: Algorithm) -> None:
    def refuse(values: Mapping[str, Any]) -> None:
        if values["shrink_threshold"] == 3.0:
            raise ParameterError("Not three.", "shrink_threshold")

    checked = replace(added, checks=(refuse,))
    assert checked.validate({"shrink_threshold": 2}) == {"shrink_threshold": 2.0}
    with pytest.raises(ParameterError, match="Not three"):
        checked.build({"shrink_threshold": 3}, "classification", 3, 2, 0)


def test_an_unavailable_algorithm_says_why() -> None:
    logistic = algorithms.get("logistic_regression")
    reason = "Logistic regression does classification only; this target asks for numbers (regression)."
    assert logistic.unavailable("regression") == reason
    assert logistic.unavailable("classification") == ""
    assert logistic.unavailable(None) == ""
    with pytest.raises(UnknownAlgorithmError, match="does classification only"):
        logistic.build({}, "regression", 3, 1, 0)
    with pytest.raises(UnknownAlgorithmError, match="does classification only"):
        logistic.code({}, "regression", 0, n_features=3, n_classes=1)


def test_the_perceptron_is_no_estimator() -> None:
    with pytest.raises(StateError, match=r"network\.build"):
        algorithms.get("mlp").build({}, "classification", 3, 2, 0)


def test_importing_the_registry_loads_neither_torch_nor_sklearn() -> None:
    code = (
        "import sys; from medilytica_widgets import algorithms as a; [a.describe(x.id) for x in a.list()];"
        "assert not {'torch', 'sklearn', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
