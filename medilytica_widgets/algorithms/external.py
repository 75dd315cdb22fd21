"""Boosting libraries beside scikit-learn; each is in the registry only where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TargetError
from ..parameters import Parameter, ParameterTable
from . import _shared, _trees
from ._estimator_code import call_lines, estimator_entry
from .base import Algorithm, CodeRequest
from .calls import Call

_CATEGORY = ("Trees and ensembles",)


def _xgboost(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {
        "n_estimators": values["n_estimators"],
        "learning_rate": values["learning_rate"],
        # 0 is its way to say that the depth has no limit
        "max_depth": 0 if values["max_depth"] is None else values["max_depth"],
        "min_child_weight": values["min_child_weight"],
        "reg_lambda": values["reg_lambda"],
        "reg_alpha": values["reg_alpha"],
        "subsample": values["subsample"],
        "colsample_bytree": values["colsample_bytree"],
        "random_state": seed,
    }
    return Call("xgboost.XGBClassifier" if task == "classification" else "xgboost.XGBRegressor", arguments)


def _lightgbm(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {
        "n_estimators": values["n_estimators"],
        "learning_rate": values["learning_rate"],
        "num_leaves": values["num_leaves"],
        "max_depth": -1 if values["max_depth"] is None else values["max_depth"],
        "min_child_samples": values["min_child_samples"],
        "reg_lambda": values["reg_lambda"],
        "reg_alpha": values["reg_alpha"],
        "subsample": values["subsample"],
        # without it no row is ever left out
        "subsample_freq": 1,
        "colsample_bytree": values["colsample_bytree"],
        "deterministic": True,
        "force_row_wise": True,
        "random_state": seed,
        "verbose": -1,
    }
    return Call("lightgbm.LGBMClassifier" if task == "classification" else "lightgbm.LGBMRegressor", arguments)


def _catboost(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {
        "iterations": values["iterations"],
        "learning_rate": values["learning_rate"],
        "depth": values["depth"],
        "l2_leaf_reg": values["l2_leaf_reg"],
        "random_strength": values["random_strength"],
        "bootstrap_type": "Bernoulli",
        "subsample": values["subsample"],
        "random_seed": seed,
        "allow_writing_files": False,
        "verbose": False,
    }
    return Call("catboost.CatBoostClassifier" if task == "classification" else "catboost.CatBoostRegressor", arguments)


def _catboost_build(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Any:
    return _catboost(values, task, n_features, n_classes, seed).build()


def _catboost_code(request: CodeRequest) -> list[str]:
    call = _catboost(request.values, request.task, request.n_features, request.n_classes, request.seed)
    balance = request.task == "classification" and request.values["class_weight"] == "balanced"
    lines = call_lines(call, request.task, balance)
    # of several classes it returns a column where scikit-learn returns a row
    return [line.replace("model.predict(X_test)", "model.predict(X_test).reshape(-1)") for line in lines]


def _every_class(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    present = np.unique(y)
    if _shared.is_classes(y) and not np.array_equal(present, np.arange(len(present))):
        raise TargetError(
            "A class has no training row, and XGBoost needs some of each. Give more rows of that class, hold fewer "
            "rows out, or take histogram gradient boosting."
        )


def _enough_drawn(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    _shared.refuse_draw("subsample", values["subsample"], len(y), "tree")


def _rounds(id: str = "n_estimators") -> Parameter:
    return Parameter(
        id,
        "int",
        200,
        low=1,
        high=10_000,
        scale="log",
        unit="rounds",
        label="rounds",
        help=(
            "How many rounds; each adds one tree (or one for each class). More fit the training rows ever closer: "
            "lower the learning rate as you raise it, and compare the validation loss."
        ),
    )


def _part(id: str, label: str, help: str) -> Parameter:
    return Parameter(id, "float", 1.0, low=0.05, high=1.0, label=label, group="Sampling", help=help)


def _subsample() -> Parameter:
    return _part(
        "subsample",
        "rows per tree",
        "The part of the training rows, drawn anew, that each tree sees. Below 1 it trains faster and often "
        "generalises better.",
    )


def _columns() -> Parameter:
    return _part(
        "colsample_bytree",
        "features per tree",
        "The part of the features, drawn anew, that each tree sees. Below 1 the trees differ more, which helps with "
        "many features.",
    )


def _l2(id: str, default: float) -> Parameter:
    return Parameter(
        id,
        "float",
        default,
        low=0.0,
        high=1000.0,
        scale="log",
        label="L2 penalty",
        help=(
            "Draws the answer of each leaf towards 0, small leaves most. Larger values guard against overfitting; "
            "values from 1 to 10 are usual with noisy labels."
        ),
    )


def _l1() -> Parameter:
    return Parameter(
        "reg_alpha",
        "float",
        0.0,
        low=0.0,
        high=1000.0,
        scale="log",
        label="L1 penalty",
        help=(
            "Sets the answer of leaves with little evidence to exactly 0. Larger values silence more leaves; 0, which "
            "silences none, is usual."
        ),
    )


def _depth(default: int | None) -> Parameter:
    return Parameter(
        "max_depth",
        "int",
        default,
        low=1,
        high=32,
        unit="levels",
        label="greatest depth",
        optional=True,
        help=(
            "How many questions a tree may ask in a row, and so how many features can act together. 3 to 8 are usual; "
            "off sets no limit, and deep trees overfit."
        ),
    )


XGBOOST = estimator_entry(
    recipe=_xgboost,
    id="xgboost",
    name="XGBoost",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Gradient boosting of trees from the library xgboost. Each tree is fitted to the slope and the curvature of "
        "the loss, with L1 and L2 penalties on what its leaves answer, and on binned features, which makes it fast on "
        "large tables."
    ),
    when=(
        "When accuracy on a table of mixed columns is what counts, on small and large tables alike, and when penalties "
        "on the leaves are wanted."
    ),
    when_not=(
        "When an answer must be explained by a formula, with very noisy labels, or when one library fewer is worth "
        "more: histogram gradient boosting in scikit-learn is close in accuracy and speed."
    ),
    references=(
        "Chen and Guestrin (2016), XGBoost: a scalable tree boosting system, doi:10.1145/2939672.2939785",
        "https://xgboost.readthedocs.io/en/stable/parameter.html",
    ),
    parameters=ParameterTable(
        (
            _rounds(),
            _trees.learning_rate(0.1),
            _depth(6),
            Parameter(
                "min_child_weight",
                "float",
                1.0,
                low=0.0,
                high=1000.0,
                scale="log",
                label="least weight of a leaf",
                help=(
                    "How much curvature of the loss each leaf must hold; for a number, how many rows. Larger values "
                    "guard against leaves of single rows; 0 allows any."
                ),
            ),
            _l2("reg_lambda", 1.0),
            _l1(),
            _trees.class_weight(_shared.CLASSES),
            _subsample(),
            _columns(),
        )
    ),
    balances=True,
    row_checks=(_every_class,),
)

LIGHTGBM = estimator_entry(
    recipe=_lightgbm,
    id="lightgbm",
    name="LightGBM",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Gradient boosting of trees from the library lightgbm. Features are sorted into bins, and each tree grows leaf "
        "by leaf where the loss falls most, in place of level by level. That makes it one of the fastest on large "
        "tables."
    ),
    when=(
        "On large tables of mixed columns when accuracy counts and training time does too: it is often the quickest of "
        "the boosting libraries."
    ),
    when_not=(
        "On tables of a few hundred rows, where trees that grow leaf by leaf overfit; with very noisy labels; or when "
        "an answer must be explained by a formula."
    ),
    references=(
        "Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30",
        "https://lightgbm.readthedocs.io/en/stable/Parameters.html",
    ),
    parameters=ParameterTable(
        (
            _rounds(),
            _trees.learning_rate(0.1),
            Parameter(
                "num_leaves",
                "int",
                31,
                low=2,
                high=4096,
                scale="log",
                unit="leaves",
                label="most leaves",
                help=(
                    "How many leaves a tree may have, which is its main measure of size. Larger trees learn finer "
                    "detail and overfit sooner."
                ),
            ),
            _depth(None),
            Parameter(
                "min_child_samples",
                "int",
                20,
                low=1,
                high=10_000,
                scale="log",
                unit="rows",
                label="least rows in a leaf",
                help=(
                    "How many training rows each leaf must hold. Larger values guard against noise; take fewer on "
                    "tables of a few hundred rows."
                ),
            ),
            _l2("reg_lambda", 0.0),
            _l1(),
            _trees.class_weight(_shared.CLASSES),
            _subsample(),
            _columns(),
        )
    ),
    balances=True,
)

CATBOOST = Algorithm(
    engine="estimator",
    builder=_catboost_build,
    coder=_catboost_code,
    id="catboost",
    name="CatBoost",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Gradient boosting of trees from the library catboost. Its trees ask the same question everywhere on a level, "
        "which steadies them and makes predictions very fast, and it computes each row's slope from trees that have "
        "not seen the row (ordered boosting), against overfitting."
    ),
    when=(
        "On small and middling tables when accuracy counts and there is no time to tune: its usual settings are often "
        "good as they are."
    ),
    when_not=(
        "When training time counts, for it is slower than the other boosting libraries on most tables; or when an "
        "answer must be explained by a formula. Categories reach it here as flags, not as its own encoding."
    ),
    references=(
        "Prokhorenkova et al. (2018), CatBoost: unbiased boosting with categorical features, arXiv:1706.09516",
        "https://catboost.ai/docs/en/references/training-parameters/",
    ),
    parameters=ParameterTable(
        (
            _rounds("iterations"),
            _trees.learning_rate(0.1),
            Parameter(
                "depth",
                "int",
                6,
                low=1,
                high=12,
                unit="levels",
                label="depth of each tree",
                help=(
                    "How many questions each tree asks; it has two to the power of this many leaves. 4 to 8 are usual; "
                    "each further level doubles time and memory."
                ),
            ),
            Parameter(
                "l2_leaf_reg",
                "float",
                3.0,
                low=0.0,
                high=1000.0,
                scale="log",
                label="L2 penalty",
                help=(
                    "Draws the answer of each leaf towards 0, small leaves most. Larger values guard against "
                    "overfitting; 3 is its own default."
                ),
            ),
            Parameter(
                "random_strength",
                "float",
                1.0,
                low=0.0,
                high=100.0,
                label="randomness of splits",
                group="Sampling",
                help=(
                    "How much chance is mixed into the choice of each question. Larger values guard against "
                    "overfitting; 0 always takes the best question."
                ),
            ),
            _trees.class_weight(_shared.CLASSES),
            _subsample(),
        )
    ),
    balances=True,
    row_checks=(_enough_drawn,),
)

ENTRIES = tuple(entry for entry in (XGBOOST, LIGHTGBM, CATBOOST) if find_spec(entry.id) is not None)

ABSENT = tuple(entry.id for entry in (XGBOOST, LIGHTGBM, CATBOOST) if entry not in ENTRIES)
"""The ids, and packages, of those that are not installed."""
"""Those whose library, which has the entry's id for its name, is installed; asking for that imports nothing."""
