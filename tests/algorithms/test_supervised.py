"""The supervised estimators: every value of every parameter, stages, rows that do not suffice, documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medilytica_widgets import algorithms
from medilytica_widgets.algorithms import Algorithm
from medilytica_widgets.algorithms.base import SUPERVISED
from medilytica_widgets.data import load_dataset, prepare, split
from medilytica_widgets.errors import ParameterError
from medilytica_widgets.parameters import Parameter

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # it is what max_iter = 1 and the like must say
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

ENTRIES = [a for a in algorithms.list() if a.engine == "estimator" and a.tasks & SUPERVISED]
OF_TASKS = [(a.id, task) for a in ENTRIES for task in sorted(a.tasks & SUPERVISED)]
ROWS = 40
GROWN = {"trees", "rounds", "members"}
"""Units of what is grown: how long ten thousand of them take says nothing about whether they can be built."""

# what 40 rows do not suffice for, 12 of them of the rarest species
REFUSED = {
    ("knn", "classification", "n_neighbors", 1000),
    ("knn", "regression", "n_neighbors", 1000),
    ("svm_linear", "classification", "folds", 20),
    ("svm", "classification", "folds", 20),
    ("stacking", "classification", "folds", 20),
    ("gaussian_process", "classification", "most_rows", 10),
    ("gaussian_process", "regression", "most_rows", 10),
    ("bagging", "classification", "max_samples", 0.05),
    ("bagging", "regression", "max_samples", 0.05),
}


@cache
def rows(task: str) -> tuple[NDArray[np.float32], NDArray[Any]]:
    data = load_dataset("iris" if task == "classification" else "diabetes")
    made = prepare(data, split(data))
    return made.X_train[:ROWS], made.y_train[:ROWS]


def fit(algorithm: Algorithm, values: dict[str, Any], task: str, most: int = 25) -> Any:
    """Fit as the engine does; what is grown beyond ``most`` is built, looked at, and fitted at that size."""
    X, y = rows(task)
    full = algorithm.validate(values, task)
    arguments = algorithm.fit_arguments(full, y)
    model = algorithm.build(full, task, X.shape[1], 3, 0)
    for p in algorithm.parameters.values():
        if p.unit in GROWN and full[p.id] > most:
            assert model.get_params()[p.id] == full[p.id]
            model.set_params(**{p.id: most})
    return model.fit(X, y, **arguments)


def answers(model: Any, X: NDArray[np.float32], task: str) -> NDArray[np.float64]:
    return np.asarray(model.predict_proba(X) if task == "classification" else model.predict(X))


# an ensemble of few quick members says the same about its other parameters, and about each member beside them
QUICK: dict[str, dict[str, Any]] = {
    "voting": {"forest": False, "boosting": False, "bayes": True, "tree": True},
    "stacking": {"forest": False, "boosting": False, "bayes": True, "tree": True, "folds": 2},
}


def ends(p: Parameter) -> Iterator[Any]:
    """Yield the ends of a parameter's range, or all of its choices."""
    if p.kind == "choice":
        yield from p.choices
    elif p.kind == "bool":
        yield from (False, True)
    else:
        yield from (p.low, p.high)
    if p.optional:
        yield None


EXTREMES = [
    pytest.param(id, task, p.id, value, id=f"{id}-{task[:5]}-{p.id}-{value}")
    for id, task in OF_TASKS
    for p in algorithms.parameters(id).values()
    for value in ends(p)
]


@pytest.mark.parametrize(("id", "task", "name", "value"), EXTREMES)
def test_every_end_and_choice_fits_or_is_refused_by_name(id: str, task: str, name: str, value: Any) -> None:
    algorithm = algorithms.get(id)
    parameter = algorithm.parameters[name]
    values = {**QUICK.get(id, {}), name: value}
    if parameter.only_if is not None:
        values[parameter.only_if[0]] = parameter.only_if[1]
    meant = not parameter.tasks or task in parameter.tasks or value == parameter.default
    if meant and (id, task, name, value) not in REFUSED:
        X, y = rows(task)
        model = fit(algorithm, values, task)
        found = answers(model, X, task)
        assert np.isfinite(found).all()
        if task == "classification":
            np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
            assert list(model.classes_) == list(np.unique(y))
        return
    with pytest.raises(ParameterError) as caught:
        fit(algorithm, values, task)
    assert caught.value.parameter == name
    # the nearest allowed value is one that works
    fit(algorithm, {**values, name: caught.value.nearest}, task)


STAGED = [
    ("random_forest", {"n_estimators": 20}),
    ("extra_trees", {"n_estimators": 40, "bootstrap": True, "max_features": "half"}),
    ("extra_trees", {"n_estimators": 20, "class_weight": "balanced"}),
    ("hist_gradient_boosting", {"max_iter": 40, "min_samples_leaf": 3}),
    ("hist_gradient_boosting", {"max_iter": 25, "max_features": 0.5, "l2_regularization": 1.0, "min_samples_leaf": 3}),
    ("hist_gradient_boosting", {"max_iter": 20, "class_weight": "balanced", "min_samples_leaf": 3}),
    ("bagging", {"n_estimators": 20, "max_features": 0.6, "max_samples": 0.7}),
    ("bagging", {"n_estimators": 20, "class_weight": "balanced"}),
    ("bagging", {"n_estimators": 8, "member": "linear"}),
    ("bagging", {"n_estimators": 8, "member": "neighbours"}),
]


@pytest.mark.parametrize(
    ("id", "values", "task"),
    [
        (id, v, task)
        for id, v in STAGED
        for task in sorted(SUPERVISED)
        if task != "regression" or "class_weight" not in v
    ],
)
def test_growing_in_stages_is_bit_for_bit_one_fit(id: str, values: dict[str, Any], task: str) -> None:
    algorithm = algorithms.get(id)
    X, y = rows(task)
    full = algorithm.validate(values, task)
    arguments = algorithm.fit_arguments(full, y)
    grown = algorithm.build(full, task, X.shape[1], 3, 0)
    between = (X[1:] + X[:-1]) / 2  # full-grown trees know the training rows by heart
    seen = []
    for size in algorithm.stage_sizes(full):
        grown.set_params(**{algorithm.staged: size}).fit(X, y, **arguments)
        seen.append(answers(grown, between, task))
    once = algorithm.build(full, task, X.shape[1], 3, 0).set_params(warm_start=False).fit(X, y, **arguments)
    assert np.array_equal(seen[-1], answers(once, between, task))
    assert not np.array_equal(seen[0], seen[-1])


def test_what_can_grow_in_stages_does() -> None:
    staged = {a.id: a.staged for a in ENTRIES if a.staged is not None}
    grown = {"random_forest", "extra_trees", "gradient_boosting", "bagging"}
    assert staged == {
        "logistic_regression": "callback",
        "hist_gradient_boosting": "max_iter",
        **dict.fromkeys(grown, "n_estimators"),
    }


@pytest.mark.parametrize(
    ("id", "values", "parameter", "nearest"),
    [
        ("svm_linear", {"penalty": "l1", "loss": "linear"}, "loss", "squared"),
        ("voting", {"linear": False, "forest": False}, "forest", True),
        ("voting", {"boosting": False, "forest": False}, "forest", True),
        ("stacking", {"linear": False, "boosting": False}, "linear", True),
        ("stacking", {"linear": False, "boosting": False, "forest": False}, "forest", True),
    ],
)
def test_values_that_exclude_each_other_name_the_way_out(
    id: str, values: dict[str, Any], parameter: str, nearest: Any
) -> None:
    with pytest.raises(ParameterError) as caught:
        algorithms.validate(id, values)
    assert (caught.value.parameter, caught.value.nearest) == (parameter, nearest)
    # following the advice, as often as it is given, ends at values that are allowed
    given = dict(values)
    for _ in range(2):
        try:
            algorithms.validate(id, given)
        except ParameterError as error:
            given[error.parameter] = error.nearest
    algorithms.validate(id, given)


@pytest.mark.parametrize(
    ("id", "values", "y", "match", "nearest"),
    [
        ("knn", {}, [0, 1, 0], "n_neighbors is 5, but there are only 3 training rows", 3),
        ("svm", {}, [0] * 9 + [1] * 3, "folds is 5, but the rarest class has 3 training rows", 3),
        ("svm_linear", {}, [0] * 9 + [1], "needs at least two parts.* the rarest class has 1 training row.", None),
        ("stacking", {}, [0] * 9 + [1] * 4, "folds is 5, but the rarest class has 4 training rows; stacking", 4),
        (
            "stacking",
            {"svm": True, "folds": 2},
            [0] * 9 + [1] * 4,
            "of the rarest it sees 2 here; switch it off",
            False,
        ),
        ("voting", {"svm": True}, [0] * 9 + [1] * 2, "of the rarest it sees 2 here; switch it off", False),
        ("voting", {"neighbours": True}, [0, 1, 0, 1], "need 5 training rows, and a member sees 4", False),
        ("bagging", {"max_samples": 0.3}, [0, 1] * 10, "draws 6 of 20 training rows", 0.525),
        ("bagging", {"max_samples": 0.5}, [0, 1] * 4, "draws 4 of 8 training rows", 1.0),
        ("bagging", {"member": "neighbours"}, [0, 1] * 2, "need 5 training rows, and there are 4", "tree"),
        ("qda", {}, [0, 0, 1], "A class has one training row only", None),
        ("gaussian_process", {}, [0, 1] * 1500, "3000 training rows.*time grows with the cube.*or raise most", 3000),
        ("gaussian_process", {}, [0, 1] * 15_000, "30000 training rows.*7.2 GB", None),
    ],
)
def test_rows_that_do_not_suffice_are_refused_before_the_fit(
    id: str, values: dict[str, Any], y: list[int], match: str, nearest: Any
) -> None:
    algorithm = algorithms.get(id)
    target = np.asarray(y, dtype=np.int64)
    with pytest.raises(ParameterError, match=match) as caught:
        algorithm.fit_arguments(algorithm.validate(values), target)
    assert caught.value.nearest == (nearest if not isinstance(nearest, float) else pytest.approx(nearest, abs=1e-3))
    if nearest is not None:
        algorithm.fit_arguments(algorithm.validate({**values, caught.value.parameter: caught.value.nearest}), target)


def test_a_regression_needs_rows_for_its_folds_and_not_for_its_classes() -> None:
    stacking, svm = algorithms.get("stacking"), algorithms.get("svm")
    few = np.linspace(0, 1, 4, dtype=np.float32)
    with pytest.raises(ParameterError, match="folds is 5, but there are 4 training rows only") as caught:
        stacking.fit_arguments(stacking.validate(), few)
    assert caught.value.nearest == 4
    assert svm.fit_arguments(svm.validate(), few) == {}


@pytest.mark.parametrize("id", ["lasso", "elastic_net", "svm", "svm_linear"])
def test_the_unit_of_the_target_does_not_change_what_a_penalty_means(id: str) -> None:
    X, y = rows("regression")
    model = algorithms.get(id).build({}, "regression", X.shape[1], 1, 0)
    as_is = np.asarray(model.fit(X, y).predict(X), dtype=np.float64)
    in_thousandths = np.asarray(model.fit(X, y * 1000).predict(X), dtype=np.float64)
    np.testing.assert_allclose(in_thousandths / 1000, as_is, rtol=1e-2)
    assert np.ptp(as_is) > 0.2 * np.ptp(y)


def test_an_l1_penalty_sets_weights_to_zero_and_an_l2_penalty_does_not() -> None:
    X, y = rows("classification")
    zeros = {}
    for penalty in ("l1", "l2", "elasticnet"):
        model = algorithms.get("logistic_regression").build({"penalty": penalty, "C": 0.1}, "classification", 4, 3, 0)
        zeros[penalty] = int((model.fit(X, y).coef_ == 0).sum())
    assert zeros["l2"] == 0 < zeros["elasticnet"] <= zeros["l1"]


@pytest.mark.parametrize("id", ["lda", "qda", "gaussian_process", "linear_regression", "ridge", "bayesian_ridge"])
def test_features_that_say_the_same_thing_do_no_harm(id: str) -> None:
    task = "regression" if "regression" in algorithms.get(id).tasks else "classification"
    X, y = rows(task)
    flags = np.repeat([[1.0, 0.0], [0.0, 1.0]], ROWS // 2, axis=0).astype(np.float32)
    twice = np.hstack([X, X[:, :1], flags, np.zeros((ROWS, 1), np.float32)])
    model = algorithms.get(id).build({}, task, twice.shape[1], 3, 0).fit(twice, y)
    found = answers(model, twice, task)
    assert np.isfinite(found).all()
    if task == "classification":
        assert (found.argmax(axis=1) == y).mean() > 0.9


@pytest.mark.parametrize("id", [a.id for a in ENTRIES])
def test_the_documentation_is_complete(id: str) -> None:
    plain = algorithms.describe(id)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["category"][0] in {"Linear models", "Neighbours, kernels and Bayes", "Trees and ensembles"}
    assert len(plain["summary"]) > 150
    for part in ("summary", "when", "when_not"):
        assert len(plain[part]) > 100
        assert plain[part].endswith(".")
        assert "  " not in plain[part]
    papers = [r for r in plain["references"] if not r.startswith("https://")]
    pages = [r for r in plain["references"] if r.startswith("https://")]
    assert papers and pages
    for p in plain["parameters"]:
        assert len(p["help"]) > 60, p["id"]
        assert p["help"].endswith("."), p["id"]
        assert "  " not in p["help"], p["id"]
        if p["kind"] in ("int", "float"):
            assert p["low"] is not None and p["high"] is not None, p["id"]
            assert p["scale"] == "log" or p["high"] <= 255, p["id"]
        if p["kind"] == "int":
            assert p["unit"] or p["id"] == "degree", p["id"]
    groups = [p["group"] for p in plain["parameters"]]
    # what is always in sight comes first, and the fields of one group stand together
    assert [g for i, g in enumerate(groups) if i == 0 or groups[i - 1] != g] == list(dict.fromkeys(["", *groups]))[
        0 if "" in groups else 1 :
    ]


def test_a_penalty_and_a_class_weight_are_there_wherever_scikit_learn_has_them() -> None:
    def having(name: str) -> set[str]:
        return {a.id for a in ENTRIES if name in a.parameters}

    without = {"lda", "qda", "knn", "gaussian_process"}
    classifiers = {a.id for a in ENTRIES if "classification" in a.tasks}
    assert having("class_weight") == classifiers - without
    assert having("C") >= {"logistic_regression", "svm", "svm_linear", "stacking"}
    assert having("alpha") >= {"ridge", "lasso", "elastic_net"}
    assert having("l1_ratio") >= {"elastic_net", "logistic_regression"}
