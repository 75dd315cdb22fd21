"""Support vector machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import ParameterError
from ..parameters import Parameter, ParameterTable
from . import _shared
from ._estimator_code import estimator_entry
from .calls import Call

_CATEGORY = ("Neighbours, kernels and Bayes",)


def calibrated(machine: Call, folds: int) -> Call:
    """Return a classifier with probabilities made of one that knows distances from its boundary only.

    scikit-learn 1.9 says to do so in place of ``SVC(probability=True)``, which it gives up:
    https://scikit-learn.org/stable/modules/svm.html#scores-and-probabilities
    """
    return Call("sklearn.calibration.CalibratedClassifierCV", {"estimator": machine, "cv": folds, "ensemble": False})


def _linear(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {"C": values["C"]}
    closing = {"tol": values["tol"], "max_iter": values["max_iter"], "random_state": seed}
    squared = values["loss"] == "squared"
    if task == "regression":
        arguments |= {
            "epsilon": values["epsilon"],
            "loss": "squared_epsilon_insensitive" if squared else "epsilon_insensitive",
        }
        return _shared.in_standard_units(Call("sklearn.svm.LinearSVR", arguments | closing))
    arguments |= {
        "penalty": values["penalty"],
        "loss": "squared_hinge" if squared else "hinge",
        "class_weight": _shared.weight_of(values),
    }
    return calibrated(Call("sklearn.svm.LinearSVC", arguments | closing), values["folds"])


def _kernel(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    gamma = values["gamma_value"] if values["gamma"] == "set" else values["gamma"]
    arguments = {"kernel": values["kernel"], "C": values["C"], "gamma": gamma}
    if values["kernel"] == "poly":
        arguments["degree"] = values["degree"]
    if values["kernel"] != "rbf":
        arguments["coef0"] = values["coef0"]
    closing = {"tol": values["tol"], "max_iter": values["max_iter"]}
    if task == "regression":
        return _shared.in_standard_units(Call("sklearn.svm.SVR", arguments | {"epsilon": values["epsilon"]} | closing))
    machine = Call("sklearn.svm.SVC", arguments | {"class_weight": _shared.weight_of(values)} | closing)
    return calibrated(machine, values["folds"])


def _penalty_fits_loss(values: Mapping[str, Any]) -> None:
    if values["penalty"] == "l1" and values["loss"] == "linear":
        raise ParameterError(
            "penalty is 'l1', which goes with the squared loss only; set loss to 'squared', or penalty to 'l2'.",
            "loss",
            "squared",
        )


def _rows_for_probabilities(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    if _shared.is_classes(y):
        _shared.refuse_folds(values, y, "learning its probabilities", _shared.smallest_class(y))


def _c() -> Parameter:
    return Parameter(
        "C",
        "float",
        1.0,
        low=1e-4,
        high=1e4,
        scale="log",
        label="C (inverse of the penalty)",
        help=(
            "What a training row beyond its margin costs, against small weights. Smaller values hold the weights "
            "closer to 0 and make a smoother answer; larger values follow the training rows more closely and take "
            "longer."
        ),
    )


def _epsilon() -> Parameter:
    return Parameter(
        "epsilon",
        "float",
        0.1,
        low=0.0,
        high=2.0,
        unit="standard deviations of the target",
        label="error that costs nothing",
        tasks=_shared.NUMBERS,
        help=(
            "Errors up to this size are free. Larger values make a coarser, simpler answer with fewer support "
            "vectors; 0 counts every error."
        ),
    )


def _folds() -> Parameter:
    return _shared.folds(
        "How many parts the training rows are cut into to learn probabilities: each part is judged by a machine "
        "trained on the others. More give slightly better probabilities and cost a training each.",
        "Probabilities",
        _shared.CLASSES,
    )


SVM_LINEAR = estimator_entry(
    recipe=_linear,
    id="svm_linear",
    name="Linear support vector machine",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Draws the straight boundary that keeps the widest margin between the classes and lets only the rows in or "
        "beyond the margin pull at it; with more than two classes one boundary for each against the rest. For a number "
        "it draws the plane around which as many rows as possible lie within a free error. Probabilities are learned "
        "afterwards by cross-validation (Platt's sigmoid), and a number is scaled to variance 1 for the fit."
    ),
    when=(
        "With many features and rows, up to hundreds of thousands, where a kernel would be too slow, and beside "
        "logistic regression when rows near the boundary should decide and typical ones should not."
    ),
    when_not=(
        "When good probabilities matter more than the boundary: logistic regression learns them directly. When the "
        "boundary is curved: take the machine with a kernel, or trees."
    ),
    references=(
        "Fan et al. (2008), LIBLINEAR: a library for large linear classification, JMLR 9",
        "Platt (1999), Probabilistic outputs for support vector machines, in Advances in Large Margin Classifiers",
        _shared.SCIKIT + "svm.html",
        _shared.SCIKIT + "calibration.html",
    ),
    parameters=ParameterTable(
        (
            _c(),
            Parameter(
                "penalty",
                "choice",
                "l2",
                choices=("l2", "l1"),
                tasks=_shared.CLASSES,
                help=(
                    "What is penalised: l2, the squares of the weights, which keeps all features; or l1, their "
                    "absolute values, which sets many weights to exactly 0 and so chooses features."
                ),
            ),
            Parameter(
                "loss",
                "choice",
                "squared",
                choices=("squared", "linear"),
                help=(
                    "How an error beyond the margin grows: with its square, which is smooth and quick to solve, or "
                    "linearly (the classic hinge), which single outliers sway less."
                ),
            ),
            _epsilon(),
            _shared.class_weight(_shared.CLASSES),
            _shared.max_iter(10_000),
            _shared.tol(1e-4),
            _folds(),
        )
    ),
    checks=(_penalty_fits_loss,),
    row_checks=(_rows_for_probabilities,),
)

SVM = estimator_entry(
    recipe=_kernel,
    id="svm",
    name="Support vector machine with a kernel",
    category=_CATEGORY,
    tasks=_shared.BOTH,
    summary=(
        "Compares rows by a kernel, a measure of likeness, and draws the boundary with the widest margin in the space "
        "that the kernel stands for: curved boundaries in the table itself. Only some training rows, the support "
        "vectors, make up the answer. For a number it draws a curved surface with a free error around it. "
        "Probabilities are learned afterwards by cross-validation (Platt's sigmoid), and a number is scaled to "
        "variance 1 for the fit."
    ),
    when=(
        "On small and middling tables, up to some ten thousand rows, with smooth curved boundaries; with a tuned C and "
        "gamma it is among the best there."
    ),
    when_not=(
        "On large tables: time grows with the square of the rows or faster. With many features that do not matter, "
        "which count in the likeness like the others; or when an answer must be explained."
    ),
    references=(
        "Cortes and Vapnik (1995), Support-vector networks, doi:10.1007/BF00994018",
        "Chang and Lin (2011), LIBSVM: a library for support vector machines, doi:10.1145/1961189.1961199",
        "Platt (1999), Probabilistic outputs for support vector machines, in Advances in Large Margin Classifiers",
        _shared.SCIKIT + "svm.html#scores-and-probabilities",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "kernel",
                "choice",
                "rbf",
                choices=("rbf", "poly", "sigmoid"),
                help=(
                    "How likeness is measured: rbf falls off with the distance and fits any smooth boundary; poly "
                    "combines up to a number of features in a product; sigmoid resembles one layer of a network and "
                    "is rarely better."
                ),
            ),
            _c(),
            Parameter(
                "gamma",
                "choice",
                "scale",
                choices=("scale", "auto", "set"),
                help=(
                    "How quickly likeness falls off: scale, one over features times variance, which suits most "
                    "tables; auto, one over features; or set by hand."
                ),
            ),
            Parameter(
                "gamma_value",
                "float",
                0.1,
                low=1e-5,
                high=100.0,
                scale="log",
                label="gamma, set",
                only_if=("gamma", "set"),
                help=(
                    "How quickly likeness falls off with the distance. Larger values let each training row speak for "
                    "its close surroundings only, which overfits; smaller values make a nearly straight boundary."
                ),
            ),
            Parameter(
                "degree",
                "int",
                3,
                low=1,
                high=8,
                label="degree of poly",
                only_if=("kernel", "poly"),
                help=(
                    "How many features the kernel poly may multiply. 2 and 3 are usual; larger values overfit and "
                    "become unsteady."
                ),
            ),
            _epsilon(),
            _shared.class_weight(_shared.CLASSES),
            Parameter(
                "coef0",
                "float",
                0.0,
                low=-10.0,
                high=10.0,
                label="constant of poly and sigmoid",
                group="Kernel",
                help=(
                    "What the kernels poly and sigmoid add before they bend. For poly, 1 lets it use products of fewer "
                    "features too; rbf has no such constant."
                ),
            ),
            _shared.max_iter(
                1_000_000,
                "The solver stops here even if it has not converged. Raise it when a run says that it did not, or "
                "lower C, which is usually the better cure.",
            ),
            _shared.tol(1e-3),
            _folds(),
        )
    ),
    row_checks=(_rows_for_probabilities,),
)
