"""Bagging, voting and stacking: ensembles of other estimators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import ParameterError
from ..parameters import Parameter, ParameterTable
from . import _shared, _trees
from ._estimator_code import estimator_entry
from .calls import Call
from .kernels import calibrated

_CATEGORY = ("Trees and ensembles",)
_NEIGHBOURS = 5
_CALIBRATION_FOLDS = 3


def _weighted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a member with weights of its own takes; nothing where there are none to set."""
    return {"class_weight": "balanced"} if values.get("class_weight") == "balanced" else {}


def _member(name: str, values: Mapping[str, Any], task: str, seed: int) -> Call:
    """Return a member of an ensemble at its usual settings."""
    classes = task == "classification"
    weighted = _weighted(values) if classes else {}
    suffix = "Classifier" if classes else "Regressor"
    if name == "linear" and classes:
        return Call("sklearn.linear_model.LogisticRegression", {"max_iter": 1000, **weighted})
    if name == "linear":
        return Call("sklearn.linear_model.Ridge", {"solver": "svd"})
    if name == "bayes":
        return Call("sklearn.naive_bayes.GaussianNB" if classes else "sklearn.linear_model.BayesianRidge")
    if name == "neighbours":
        return Call(f"sklearn.neighbors.KNeighbors{suffix}", {"n_neighbors": _NEIGHBOURS, "algorithm": "brute"})
    if name == "tree":
        return Call(f"sklearn.tree.DecisionTree{suffix}", {"max_depth": 5, **weighted, "random_state": seed})
    if name == "forest":
        return Call(f"sklearn.ensemble.RandomForest{suffix}", {"n_estimators": 100, **weighted, "random_state": seed})
    if name == "boosting":
        arguments = {"early_stopping": False, **weighted, "random_state": seed}
        return Call(f"sklearn.ensemble.HistGradientBoosting{suffix}", arguments)
    if classes:
        return calibrated(Call("sklearn.svm.SVC", weighted), _CALIBRATION_FOLDS)
    return _shared.in_standard_units(Call("sklearn.svm.SVR"))


_MEMBERS: Mapping[str, tuple[bool, str, str]] = {
    "linear": (True, "linear model", "logistic regression for classes, ridge regression for numbers"),
    "bayes": (False, "Bayesian model", "Gaussian naive Bayes for classes, Bayesian ridge regression for numbers"),
    "neighbours": (False, "nearest neighbours", "the five nearest neighbours"),
    "tree": (False, "decision tree", "a decision tree of at most five levels"),
    "forest": (True, "random forest", "a random forest of 100 trees"),
    "boosting": (True, "gradient boosting", "histogram gradient boosting of 100 rounds"),
    "svm": (False, "support vector machine", "a support vector machine with the kernel rbf, slow on many rows"),
}


def _chosen(values: Mapping[str, Any]) -> list[str]:
    return [name for name in _MEMBERS if values[name]]


def _members(values: Mapping[str, Any], task: str, seed: int) -> list[tuple[str, Call]]:
    return [(name, _member(name, values, task, seed)) for name in _chosen(values)]


def _member_switches() -> tuple[Parameter, ...]:
    return tuple(
        Parameter(
            name,
            "bool",
            on,
            label=label,
            help=(
                f"Whether {what} is a member. Members that err in different ways help most; each further one costs its "
                "own training."
            ),
        )
        for name, (on, label, what) in _MEMBERS.items()
    )


def _two_members(values: Mapping[str, Any]) -> None:
    chosen = _chosen(values)
    if len(chosen) < 2:
        missing = next(name for name in ("forest", "linear") if name not in chosen)
        held = f"only {chosen[0]} is on" if chosen else "none is on"
        raise ParameterError(
            f"An ensemble needs at least two members, and {held}; switch on another, for example {missing}.",
            missing,
            True,
        )


def _rows_for_members(values: Mapping[str, Any], y: NDArray[Any], rows: int, fewest: int) -> None:
    """Raise `ParameterError` where a member cannot be trained on as few rows, the rarest class having ``fewest``."""
    if values["neighbours"] and rows < _NEIGHBOURS:
        raise ParameterError(
            f"The nearest neighbours need {_NEIGHBOURS} training rows, and a member sees {rows} here; switch them off.",
            "neighbours",
            False,
        )
    if values["svm"] and _shared.is_classes(y) and fewest < _CALIBRATION_FOLDS:
        raise ParameterError(
            f"The support vector machine needs {_CALIBRATION_FOLDS} training rows of each class to learn its "
            f"probabilities, and of the rarest it sees {fewest} here; switch it off.",
            "svm",
            False,
        )


def _rows_for_voting(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    _rows_for_members(values, y, len(y), _shared.smallest_class(y))


def _rows_for_stacking(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    fewest = _shared.smallest_class(y)
    _shared.refuse_folds(values, y, "stacking", fewest)
    folds = values["folds"]
    # the largest part is what a member does not see
    _rows_for_members(values, y, len(y) - -(-len(y) // folds), fewest - -(-fewest // folds))


def _voting(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    members = _members(values, task, seed)
    if task == "regression":
        return Call("sklearn.ensemble.VotingRegressor", {"estimators": members})
    return Call("sklearn.ensemble.VotingClassifier", {"estimators": members, "voting": "soft"})


def _stacking(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    # the members' numbers are in the target's units, and the penalty should mean the same in all of them
    ridge = Call("sklearn.linear_model.Ridge", {"alpha": 1.0 / values["C"], "solver": "svd"})
    last = Call("sklearn.pipeline.make_pipeline", {}, (Call("sklearn.preprocessing.StandardScaler"), ridge))
    if task == "classification":
        arguments = {"C": values["C"], "max_iter": 1000, **_weighted(values)}
        last = Call("sklearn.linear_model.LogisticRegression", arguments)
    suffix = "Classifier" if task == "classification" else "Regressor"
    stack = {
        "estimators": _members(values, task, seed),
        "final_estimator": last,
        "cv": values["folds"],
        "passthrough": values["passthrough"],
    }
    return Call(f"sklearn.ensemble.Stacking{suffix}", stack)


def _bagging(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    suffix = "Classifier" if task == "classification" else "Regressor"
    member = values["member"]
    if member == "tree":
        base = Call(f"sklearn.tree.DecisionTree{suffix}")
    elif member == "neighbours":
        base = Call(f"sklearn.neighbors.KNeighbors{suffix}", {"n_neighbors": _NEIGHBOURS, "algorithm": "brute"})
    else:
        base = _member("linear", {}, task, seed)
    arguments = {
        "estimator": base,
        "n_estimators": values["n_estimators"],
        # as many as there are is its default; the part 1.0 of few rows makes it warn
        **({"max_samples": values["max_samples"]} if values["max_samples"] < 1 else {}),
        "max_features": values["max_features"],
        "random_state": seed,
    }
    return Call(f"sklearn.ensemble.Bagging{suffix}", arguments)


def _rows_for_bagging(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    n = len(y)
    _shared.refuse_draw("max_samples", values["max_samples"], n, "member")
    if values["member"] == "neighbours" and n < _NEIGHBOURS:
        raise ParameterError(
            f"The nearest neighbours need {_NEIGHBOURS} training rows, and there are {n}; take trees.", "member", "tree"
        )


BAGGING = estimator_entry(
    recipe=_bagging,
    id="bagging",
    name="Bagging",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Trains the same kind of model many times, each time on a random sample of the rows (and, if wanted, of the "
        "features), and averages the answers. What each copy learned by chance cancels out; what all agree on stays."
    ),
    when=(
        "To steady a model that changes much with its rows, above all full-grown trees; and, with fewer features each, "
        "as random subspaces for tables of very many columns."
    ),
    when_not=(
        "With trees, a random forest is nearly always better, because its trees differ more. A model that is steady "
        "already, such as a linear one, gains next to nothing."
    ),
    references=(
        "Breiman (1996), Bagging predictors, doi:10.1007/BF00058655",
        "Ho (1998), The random subspace method for constructing decision forests, doi:10.1109/34.709601",
        _shared.SCIKIT + "ensemble.html#bagging-meta-estimator",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "member",
                "choice",
                "tree",
                choices=("tree", "neighbours", "linear"),
                label="kind of member",
                help=(
                    "What is trained again and again: a full-grown decision tree, the five nearest neighbours, or a "
                    "linear model (logistic regression for classes, ridge regression for numbers)."
                ),
            ),
            Parameter(
                "n_estimators",
                "int",
                50,
                low=1,
                high=10_000,
                scale="log",
                unit="members",
                label="members",
                help=(
                    "How many copies are averaged. More give steadier predictions and cost time and memory in "
                    "proportion; past a hundred little changes."
                ),
            ),
            Parameter(
                "max_samples",
                "float",
                1.0,
                low=0.05,
                high=1.0,
                label="rows per member",
                help=(
                    "How many rows are drawn for each member, with replacement, as a part of the training rows. Fewer "
                    "make the members more different and train faster."
                ),
            ),
            Parameter(
                "max_features",
                "float",
                1.0,
                low=0.05,
                high=1.0,
                label="features per member",
                help=(
                    "The part of the features that each member sees, drawn for it. Below 1 the members differ more, "
                    "which helps when many features say the same thing."
                ),
            ),
            _trees.class_weight(_shared.CLASSES),
        )
    ),
    staged="n_estimators",
    balances=True,
    row_checks=(_rows_for_bagging,),
)

VOTING = estimator_entry(
    recipe=_voting,
    id="voting",
    name="Voting",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Trains several different models on the same rows and averages what they say: their probabilities for classes, "
        "their predictions for numbers. Models of different kinds err on different rows, so that the average is often "
        "better than the best of them."
    ),
    when=(
        "When two or more models are about equally good and of different kinds, and the last bit of accuracy or "
        "steadier probabilities are worth the time of training them all."
    ),
    when_not=(
        "When one model is clearly better than the others, which then only dilute it: stacking learns whom to believe. "
        "Or when the answer must be explained or quick."
    ),
    references=(
        "Kittler, Hatef, Duin and Matas (1998), On combining classifiers, doi:10.1109/34.667881",
        _shared.SCIKIT + "ensemble.html#voting-classifier",
    ),
    parameters=ParameterTable((*_member_switches(), _shared.class_weight(_shared.CLASSES))),
    checks=(_two_members,),
    row_checks=(_rows_for_voting,),
)

STACKING = estimator_entry(
    recipe=_stacking,
    id="stacking",
    name="Stacking",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Trains several different models, lets each predict rows that it has not seen (by cross-validation), and "
        "trains a last, linear model on these predictions: it learns how much to believe whom. The last model is "
        "logistic regression for classes and ridge regression for numbers."
    ),
    when=(
        "When several models of different kinds are good and accuracy is worth more than time: it is rarely worse than "
        "the best member and often a little better."
    ),
    when_not=(
        "On small tables, where the last model has little to learn from; when training time counts, for each member is "
        "trained once for every fold and once more; or when the answer must be explained."
    ),
    references=(
        "Wolpert (1992), Stacked generalization, doi:10.1016/S0893-6080(05)80023-1",
        "Breiman (1996), Stacked regressions, doi:10.1007/BF00117832",
        _shared.SCIKIT + "ensemble.html#stacked-generalization",
    ),
    parameters=ParameterTable(
        (
            *_member_switches(),
            Parameter(
                "C",
                "float",
                1.0,
                low=1e-4,
                high=1e4,
                scale="log",
                label="C (inverse of the last model's L2 penalty)",
                help=(
                    "The inverse strength of the penalty on how much the last model believes each member. Smaller "
                    "values believe all about equally; larger ones follow the training rows more closely."
                ),
            ),
            _shared.class_weight(_shared.CLASSES),
            _shared.folds(
                "How many parts the training rows are cut into: each part is predicted by members trained on the "
                "others. More give the last model a truer picture and cost a training of all members each."
            ),
            Parameter(
                "passthrough",
                "bool",
                False,
                label="features for the last model",
                group="Last model",
                help=(
                    "Whether the last model sees the features beside the members' predictions. On lets it believe "
                    "different members for different rows; with few rows it overfits."
                ),
            ),
        )
    ),
    checks=(_two_members,),
    row_checks=(_rows_for_stacking,),
)
