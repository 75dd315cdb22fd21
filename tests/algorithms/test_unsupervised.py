"""Entries without a target: their documentation, their limits, and parity with bare scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from medilytica_widgets import algorithms
from medilytica_widgets.algorithms._unsupervised import check_table, check_target, needs
from medilytica_widgets.algorithms.chain import check_steps, plan_of, step_entry
from medilytica_widgets.algorithms.step import Step
from medilytica_widgets.data import load_dataset, prepare, split
from medilytica_widgets.engine import Job
from medilytica_widgets.errors import (
    ParameterError,
    SpecError,
    StateError,
    TargetError,
    UnknownAlgorithmError,
    UnknownParameterError,
)

ENTRIES = [entry for entry in algorithms.list_() if entry.tasks & {"clustering", "anomaly", "transform"}]
IDS = [entry.id for entry in ENTRIES]


def test_all_that_is_promised_is_there() -> None:
    assert {"pca", "kernel_pca", "truncated_svd", "nmf", "ica", "tsne"} <= set(IDS)
    assert {entry.id for entry in algorithms.list_(task="clustering")} == {
        "kmeans",
        "dbscan",
        "agglomerative",
        "gaussian_mixture",
    }
    assert {entry.id for entry in algorithms.list_(task="anomaly")} == {
        "isolation_forest",
        "one_class_svm",
        "local_outlier_factor",
        "autoencoder",
    }
    parts = {entry.category[1] for entry in algorithms.list_("Preprocessing")}
    assert parts == {"Scaling", "Encoding", "Missing values", "Text", "Dates", "New columns", "Selection"}


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_an_entry_is_documented(entry: algorithms.Algorithm) -> None:
    about = entry.describe()
    for words in (about["summary"], about["when"], about["when_not"]):
        assert len(words) > 40 and words[0].isupper() and words.endswith("."), words
    assert about["references"]
    # of an autoencoder the code is a step, and how badly a row comes back an answer of its own
    assert entry.tasks == {"anomaly", "transform"} if entry.id == "autoencoder" else len(entry.tasks) == 1
    for parameter in about["parameters"]:
        assert parameter["help"].endswith("."), (entry.id, parameter["id"])


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_a_target_is_left_aside(entry: algorithms.Algorithm) -> None:
    own = sorted(entry.tasks)[0]
    assert [entry.task_for(asked) for asked in ("classification", "regression", None)] == [own] * 3
    assert entry.unavailable("regression") == ""


@pytest.mark.parametrize(
    "name", ["kmeans", "gaussian_mixture", "pca", "ica", "nmf", "isolation_forest", "one_class_svm"]
)
def test_the_engine_answers_as_the_bare_estimator_does(name: str) -> None:
    from medilytica_widgets.engine import Trainer

    data = load_dataset("iris")
    prepared = prepare(data, split(data))
    job = Job(algorithms.get(name), {}, prepared)
    trainer = Trainer(job)
    trainer.start()
    trainer.wait(60)
    bare: Any = clone(job.algorithm.build(job.values, job.task, job.n_features, job.n_classes, job.seed))
    bare.fit(prepared.X_train)
    found = trainer.predictor().predict(prepared.X_test)
    trainer.close()
    if job.task == "transform":
        assert np.array_equal(found, bare.transform(prepared.X_test))
    else:
        answer = bare.predict(prepared.X_test)
        assert np.array_equal(found, answer == -1 if job.task == "anomaly" else answer)


def test_dbscan_and_agglomerative_place_their_own_rows_where_the_fit_did() -> None:
    from medilytica_widgets.engine import unsupervised

    data = load_dataset("iris")
    prepared = prepare(data, split(data))
    for name in ("dbscan", "agglomerative"):
        job = Job(algorithms.get(name), {}, prepared)
        model = job.algorithm.build(job.values, job.task, job.n_features, 1, 0).fit(prepared.X_train)
        unsupervised.complete(model, job)
        core = getattr(model, "core_sample_indices_", np.arange(len(prepared.X_train)))
        assert np.array_equal(unsupervised.clusters(model, prepared.X_train)[core], model.labels_[core])
    far = np.full((1, 4), 100, dtype=np.float32)
    model = algorithms.get("dbscan").build({}, "clustering", 4, 1, 0).fit(prepared.X_train)
    assert unsupervised.clusters(model, far).tolist() == [-1]
    nothing = algorithms.get("dbscan").build({"eps": 1e-6}, "clustering", 4, 1, 0).fit(prepared.X_train[:5])
    assert unsupervised.clusters(nothing, far).tolist() == [-1]


def test_tsne_names_what_can_place_new_rows() -> None:
    from medilytica_widgets.engine import unsupervised

    model = algorithms.get("tsne").build({}, "transform", 4, 1, 0)
    with pytest.raises(StateError, match="PCA"):
        unsupervised.transformed(model, np.zeros((1, 4), dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("kmeans", {"n_clusters": 0}, "whole number from 1"),
        ("kmeans", {"n_clusters": 97}, "take at most 96"),
        ("agglomerative", {"n_clusters": 500}, "take at most 96"),
        ("gaussian_mixture", {"n_components": 97}, "96 training rows"),
        ("pca", {"n_components": 5}, "4 columns only: take at most 4"),
        ("nmf", {"n_components": 5}, "take at most 4"),
        ("local_outlier_factor", {"n_neighbors": 96}, "take at most 95"),
        ("tsne", {"perplexity": 96}, "take at most 95"),
        ("tsne", {"max_iter": 10}, "whole number from 250"),
        ("isolation_forest", {"contamination": 0.9}, "number from"),
        ("agglomerative", {"metric": "cosine"}, "ward"),
        ("min_max_scaler", {"lowest": 1.0, "highest": 0.0}, "smaller"),
    ],
)
def test_values_that_do_not_fit_the_table_are_told_in_a_sentence(name: str, values: dict[str, Any], words: str) -> None:
    data = load_dataset("iris")
    prepared = prepare(data, split(data))
    with pytest.raises(ParameterError, match=words) as told:
        Job(algorithms.get(name), values, prepared)
    assert told.value.nearest is not None


def test_what_looks_at_the_target_asks_for_one() -> None:
    wanting = [name for name in IDS if needs(name).target]
    assert wanting == ["target_encoder", "select_k_best", "select_from_model", "recursive_elimination"]
    with pytest.raises(TargetError, match="the table has none"):
        check_target(algorithms.get("select_k_best"), None)
    check_target(algorithms.get("pca"), None)
    check_table(algorithms.get("pca"), {"n_components": None}, 1, 1)


def test_a_step_is_plain_data() -> None:
    step = Step("pca", n_components=5)
    assert Step.model_validate(step.to_json()) == step
    assert len({step, Step("pca", n_components=5), Step("pca")}) == 2
    assert check_steps(["pca", {"id": "ica", "options": {}}, step]) == [Step("pca"), Step("ica"), step]
    assert check_steps([Step("pca", n_components=2)]) == [Step("pca")]


@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        (["pcaa"], UnknownAlgorithmError, "Did you mean 'pca'"),
        (["random_forest"], UnknownAlgorithmError, "learns by itself"),
        (["kmeans"], UnknownAlgorithmError, "learns by itself"),
        (["tsne"], SpecError, "Take 'pca'"),
        ([Step("pca", components=2)], UnknownParameterError, "n_components"),
        ([Step("pca", n_components=0)], ParameterError, "whole number"),
        (["one_hot_encoder", "ordinal_encoder"], SpecError, "both encode"),
        (["mean_imputer", "pca", "knn_imputer"], SpecError, "both fill"),
        (["target_encoder"], TargetError, "the table has none"),
    ],
)
def test_steps_that_cannot_be(steps: list[Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check_steps(steps)


def test_somebody_elses_transformation_is_a_step_too() -> None:
    from sklearn.preprocessing import Binarizer

    from medilytica_widgets.parameters import ParameterTable

    def build(values: Any, task: str, n_features: int, n_classes: int, seed: int) -> Any:
        return Binarizer(threshold=0.5)

    def code(request: algorithms.CodeRequest) -> list[str]:
        made = ["model = Binarizer(", "    threshold=0.5", ")", "model.fit(X_train)"]
        return ["from sklearn.preprocessing import Binarizer", "", *made, "transformed = model.transform(X_test)"]

    entry = algorithms.Algorithm(
        id="own_binarizer",
        name="Own binariser",
        category=("Preprocessing",),
        tasks=frozenset({"transform"}),
        summary="S.",
        when="W.",
        when_not="N.",
        references=(),
        parameters=ParameterTable(()),
        engine="estimator",
        builder=build,
        coder=code,
    )
    algorithms.register(entry)
    try:
        maker = plan_of([Step("own_binarizer")], None, 1, 0).links[0].make(4)
        assert isinstance(maker.build(), Binarizer)
        assert maker.source() == "Binarizer(\n    threshold=0.5\n)"
        assert maker.imports() == ["from sklearn.preprocessing import Binarizer"]
        assert step_entry("own_binarizer") is entry
    finally:
        algorithms.unregister("own_binarizer")
