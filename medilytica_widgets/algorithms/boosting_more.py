"""Histogram gradient boosting and AdaBoost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from . import _shared, _trees
from ._estimator_code import estimator_entry
from .calls import Call

_CATEGORY = ("Trees and ensembles",)


def _histogram(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {
        "max_iter": values["max_iter"],
        "learning_rate": values["learning_rate"],
        "max_leaf_nodes": values["max_leaf_nodes"],
        "max_depth": values["max_depth"],
        "min_samples_leaf": values["min_samples_leaf"],
        "l2_regularization": values["l2_regularization"],
        "max_features": values["max_features"],
        "max_bins": values["max_bins"],
        # its own early stopping would take validation rows from the training rows
        "early_stopping": False,
        "random_state": seed,
    }
    if task == "regression":
        return Call("sklearn.ensemble.HistGradientBoostingRegressor", {"loss": values["loss"], **arguments})
    arguments["class_weight"] = _shared.weight_of(values)
    return Call("sklearn.ensemble.HistGradientBoostingClassifier", arguments)


def _adaboost(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    suffix = "Classifier" if task == "classification" else "Regressor"
    arguments = {
        "estimator": Call(f"sklearn.tree.DecisionTree{suffix}", {"max_depth": values["max_depth"]}),
        "n_estimators": values["n_estimators"],
        "learning_rate": values["learning_rate"],
        "random_state": seed,
    }
    if task == "regression":
        arguments["loss"] = values["loss"]
    return Call(f"sklearn.ensemble.AdaBoost{suffix}", arguments)


HIST_GRADIENT_BOOSTING = estimator_entry(
    recipe=_histogram,
    id="hist_gradient_boosting",
    name="Histogram gradient boosting",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Gradient boosting that first sorts each feature into at most 255 bins and then looks for splits between bins "
        "only, as LightGBM does. Trees grow leaf by leaf where the loss falls most. That makes it many times faster on "
        "large tables, at next to no cost in accuracy."
    ),
    when=(
        "As the first choice for accuracy on tables of mixed columns from a few thousand rows on; a million rows are "
        "no obstacle."
    ),
    when_not=(
        "On small tables, where its bins and its 20 rows a leaf are coarse: a forest or plain gradient boosting do "
        "better there. With very noisy labels, or when an answer must be explained by a formula."
    ),
    references=(
        "Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30",
        "Friedman (2001), Greedy function approximation: a gradient boosting machine, doi:10.1214/aos/1013203451",
        _shared.SCIKIT + "ensemble.html#histogram-based-gradient-boosting",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "max_iter",
                "int",
                100,
                low=1,
                high=10_000,
                scale="log",
                unit="rounds",
                label="rounds",
                help=(
                    "How many rounds; each adds one tree (one for each class when there are more than two). More fit "
                    "the training rows ever closer: watch for the validation loss to rise, and lower the learning rate."
                ),
            ),
            _trees.learning_rate(0.1),
            Parameter(
                "max_leaf_nodes",
                "int",
                31,
                low=2,
                high=4096,
                scale="log",
                unit="leaves",
                label="most leaves",
                optional=True,
                help=(
                    "How many leaves a tree may have, which is its main measure of size. Larger trees learn finer "
                    "detail and overfit sooner; off sets no limit."
                ),
            ),
            _trees.min_samples_leaf(
                "How many training rows each leaf must hold. Larger values guard against noise; take fewer on tables "
                "of a few hundred rows.",
                20,
            ),
            Parameter(
                "l2_regularization",
                "float",
                0.0,
                low=0.0,
                high=1000.0,
                scale="log",
                label="L2 penalty",
                help=(
                    "Draws the answer of each leaf towards 0, small leaves most. Larger values guard against "
                    "overfitting; 0 is usual, and 1 to 10 help with noisy labels."
                ),
            ),
            _trees.class_weight(_shared.CLASSES),
            Parameter(
                "loss",
                "choice",
                "squared_error",
                choices=("squared_error", "absolute_error"),
                tasks=_shared.NUMBERS,
                help=(
                    "What is lowered round by round: squared errors, which aims at the mean; or absolute errors, which "
                    "aims at the median and which outliers sway less."
                ),
            ),
            Parameter(
                "max_depth",
                "int",
                None,
                low=1,
                high=64,
                unit="levels",
                label="greatest depth",
                optional=True,
                group="Size",
                help=(
                    "How many questions a tree may ask in a row. Off leaves the size to the number of leaves, which is "
                    "usual; 1 lets no two features act together."
                ),
            ),
            Parameter(
                "max_features",
                "float",
                1.0,
                low=0.05,
                high=1.0,
                label="features per split",
                group="Sampling",
                help=(
                    "The part of the features, drawn anew, that each split may choose from. Below 1 the trees differ "
                    "more, train faster and often generalise better."
                ),
            ),
            Parameter(
                "max_bins",
                "int",
                255,
                low=2,
                high=255,
                unit="bins",
                label="bins per feature",
                group="Sampling",
                help=(
                    "Into how many bins each feature is sorted. Fewer train faster and smooth over small differences; "
                    "255 is the most and usual."
                ),
            ),
        )
    ),
    staged="max_iter",
    presets={
        "fast": {"max_iter": 40, "learning_rate": 0.2},
        "accurate": {"max_iter": 500, "learning_rate": 0.03},
        "regularised": {"learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 40, "l2_regularization": 10.0},
    },
)

ADABOOST = estimator_entry(
    recipe=_adaboost,
    id="adaboost",
    name="AdaBoost",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Trains small trees one after another; rows that the last tree got wrong weigh more in the next. In the end "
        "the trees vote, and better ones count more (SAMME for classes, AdaBoost.R2 with a weighted median for "
        "numbers). The first boosting that worked, and still a good one with the simplest trees."
    ),
    when=(
        "With clean labels and trees of one to three questions, when a simple ensemble is wanted that has little to "
        "tune."
    ),
    when_not=(
        "With wrong labels or outliers, on which it spends ever more weight, and when good probabilities are needed: "
        "its votes are far from them. Gradient boosting is usually more accurate."
    ),
    references=(
        "Freund and Schapire (1997), A decision-theoretic generalization of on-line learning and an application to "
        "boosting, doi:10.1006/jcss.1997.1504",
        "Hastie, Rosset, Zhu and Zou (2009), Multi-class AdaBoost, doi:10.4310/SII.2009.v2.n3.a8",
        "Drucker (1997), Improving regressors using boosting techniques, ICML",
        _shared.SCIKIT + "ensemble.html#adaboost",
    ),
    parameters=ParameterTable(
        (
            _trees.n_estimators(
                50,
                "How many trees at most; it ends sooner when a tree makes no error. More fit the training rows ever "
                "closer, and cost time in proportion.",
            ),
            _trees.learning_rate(1.0, high=2.0),
            Parameter(
                "max_depth",
                "int",
                1,
                low=1,
                high=20,
                unit="levels",
                label="depth of each tree",
                help=(
                    "How many questions each tree may ask in a row. 1 (a stump) is the classic; 2 or 3 let features "
                    "act together; deep trees overfit quickly. For a number, 3 is usual."
                ),
            ),
            Parameter(
                "loss",
                "choice",
                "linear",
                choices=("linear", "square", "exponential"),
                label="loss of a row",
                tasks=_shared.NUMBERS,
                help=(
                    "How the weight of a row grows with its error: in proportion, with the square, or exponentially "
                    "less beyond large errors. square looks hardest at the worst rows, and at outliers."
                ),
            ),
            _trees.class_weight(_shared.CLASSES),
        )
    ),
    balances=True,
    presets={
        "fast": {"n_estimators": 20},
        "accurate": {"n_estimators": 400, "learning_rate": 0.5, "max_depth": 2},
        "regularised": {"n_estimators": 100, "learning_rate": 0.1},
    },
)
