"""A single decision tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from . import _shared, _trees
from ._estimator_code import estimator_entry
from .calls import Call


def _recipe(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {
        "max_depth": values["max_depth"],
        "max_leaf_nodes": values["max_leaf_nodes"],
        "min_samples_leaf": values["min_samples_leaf"],
        "min_samples_split": values["min_samples_split"],
        "ccp_alpha": values["ccp_alpha"],
        "random_state": seed,
    }
    if task == "regression":
        return Call("sklearn.tree.DecisionTreeRegressor", {"criterion": values["error"], **arguments})
    arguments["class_weight"] = _shared.weight_of(values)
    return Call("sklearn.tree.DecisionTreeClassifier", {"criterion": values["criterion"], **arguments})


DECISION_TREE = estimator_entry(
    recipe=_recipe,
    id="decision_tree",
    name="Decision tree",
    category=("Trees and ensembles",),
    tasks=_shared.BOTH,
    summary=(
        "Asks one question after another of the form 'is this feature at most that value?' and answers with what the "
        "training rows in the leaf had: their shares of the classes, or their mean. Each question is the one that "
        "makes the rows on its two sides most alike."
    ),
    when=(
        "When the answer must be followed by hand: a small tree can be printed on a page and argued about. It takes "
        "features of any scale, and features that only matter together."
    ),
    when_not=(
        "When accuracy counts: a forest or boosting of many trees is nearly always better. It is unsteady, a few other "
        "rows give another tree, and a full-grown one learns the training rows by heart."
    ),
    references=(
        "Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees",
        _shared.SCIKIT + "tree.html",
    ),
    parameters=ParameterTable(
        (
            _trees.max_depth(
                "How many questions may follow each other. 3 to 6 can be read and rarely overfit; off lets the tree "
                "grow until its leaves are pure."
            ),
            _trees.min_samples_leaf(
                "How many training rows each leaf must hold. Larger values smooth the answer and guard against noise; "
                "1 lets the tree fit single rows."
            ),
            Parameter(
                "criterion",
                "choice",
                "gini",
                choices=("gini", "entropy"),
                label="measure of mixture",
                tasks=_shared.CLASSES,
                help=(
                    "What a question should lower: the Gini impurity or the entropy of the classes on its two sides. "
                    "The trees rarely differ."
                ),
            ),
            Parameter(
                "error",
                "choice",
                "squared_error",
                choices=("squared_error", "absolute_error"),
                label="measure of error",
                tasks=_shared.NUMBERS,
                help=(
                    "What a question should lower, and what leaves answer with: squared errors, with the mean; or "
                    "absolute errors, with the median, which outliers sway less and which takes much longer."
                ),
            ),
            _trees.class_weight(_shared.CLASSES),
            Parameter(
                "ccp_alpha",
                "float",
                0.0,
                low=0.0,
                high=1.0,
                scale="log",
                label="pruning",
                group="Size",
                help=(
                    "Cuts off branches that lower the impurity by less than this for each leaf they add. Larger values "
                    "leave a smaller tree; 0 cuts nothing. For a number it is in the target's units squared."
                ),
            ),
            Parameter(
                "max_leaf_nodes",
                "int",
                None,
                low=2,
                high=100_000,
                scale="log",
                unit="leaves",
                label="most leaves",
                group="Size",
                optional=True,
                help=(
                    "How many leaves the tree may have; it then asks the most useful questions first. Smaller values "
                    "make a tree that can be read; off sets no limit."
                ),
            ),
            Parameter(
                "min_samples_split",
                "int",
                2,
                low=2,
                high=10_000,
                scale="log",
                unit="rows",
                label="least rows to split",
                group="Size",
                help=(
                    "How many training rows a node must hold to be split further. Larger values stop earlier and make "
                    "a smaller tree."
                ),
            ),
        )
    ),
)
