"""Parameters and checks that several families of estimators share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from ..parameters import Parameter
from .calls import Call

SCIKIT = "https://scikit-learn.org/stable/modules/"
CLASSES = ("classification",)
NUMBERS = ("regression",)
BOTH = frozenset({"classification", "regression"})


def class_weight(tasks: tuple[str, ...] = (), price: str = "false alarms and shifted probabilities.") -> Parameter:
    """Return the choice to weigh rows by the rarity of their class; ``price`` ends the sentence on what it costs."""
    return Parameter(
        "class_weight",
        "choice",
        "none",
        choices=("none", "balanced"),
        tasks=tasks,
        help=(
            "balanced weighs each row by the rarity of its class, so that small classes count as much as large ones: "
            f"more of them are found, at the price of more {price}"
        ),
    )


def weight_of(values: Mapping[str, Any]) -> str | None:
    """Return scikit-learn's ``class_weight``."""
    return "balanced" if values["class_weight"] == "balanced" else None


def fit_intercept() -> Parameter:
    """Return the switch for the constant."""
    return Parameter(
        "fit_intercept",
        "bool",
        True,
        label="constant term",
        group="Model",
        help=(
            "Whether a constant is added to the weighted sum. Leave it on unless it is known that the target is 0 "
            "where all prepared features are 0."
        ),
    )


def positive() -> Parameter:
    """Return the switch that forbids negative weights."""
    return Parameter(
        "positive",
        "bool",
        False,
        label="no negative weights",
        group="Model",
        help=(
            "Whether every weight must be 0 or more. On for features that can only add to the target, such as doses "
            "or costs; the fit to the training rows becomes worse, the weights become easier to explain."
        ),
    )


def max_iter(default: int, help: str = "", group: str = "Solver") -> Parameter:
    """Return the most iterations of a solver."""
    return Parameter(
        "max_iter",
        "int",
        default,
        low=1,
        high=1_000_000,
        scale="log",
        unit="iterations",
        label="most iterations",
        group=group,
        help=help or "The solver stops here even if it has not converged. Raise it when a run says that it did not.",
    )


def tol(default: float, help: str = "", group: str = "Solver") -> Parameter:
    """Return a solver's tolerance."""
    return Parameter(
        "tol",
        "float",
        default,
        low=1e-10,
        high=0.1,
        scale="log",
        label="tolerance",
        group=group,
        help=help
        or (
            "The solver stops when a further iteration would change less than this. Smaller values cost iterations "
            "and rarely change a prediction."
        ),
    )


def folds(help: str, group: str = "", tasks: tuple[str, ...] = ()) -> Parameter:
    """Return the number of parts of a cross-validation inside the fit."""
    return Parameter("folds", "int", 5, low=2, high=20, unit="folds", group=group, tasks=tasks, help=help)


def in_standard_units(regressor: Call) -> Call:
    """Return a regressor that learns the target scaled to mean 0 and variance 1, and answers in its own units.

    Penalties and tolerances of such a regressor then mean the same for every table, whatever the target's units.
    """
    arguments = {
        "regressor": regressor,
        "transformer": Call("sklearn.preprocessing.StandardScaler"),
        # the check compares float32 targets to more digits than they have
        "check_inverse": False,
    }
    return Call("sklearn.compose.TransformedTargetRegressor", arguments)


def is_classes(y: NDArray[Any]) -> bool:
    """Say whether a training target is one of class indices."""
    return y.dtype.kind != "f"


def smallest_class(y: NDArray[Any]) -> int:
    """Return the number of training rows of the rarest class; of all rows for a regression."""
    return int(np.unique(y, return_counts=True)[1].min()) if is_classes(y) else len(y)


def refuse_folds(values: Mapping[str, Any], y: NDArray[Any], why: str, most: int) -> None:
    """Raise `ParameterError` where ``folds`` is more than the rows allow.

    Parameters
    ----------
    values : mapping
    y : ndarray
        The training target.
    why : str
        What the folds are for, as a noun.
    most : int
        The largest number of folds for these rows.
    """
    if values["folds"] <= most:
        return
    held = f"the rarest class has {_rows(smallest_class(y))}" if is_classes(y) else f"there are {_rows(len(y))} only"
    if most < 2:
        raise ParameterError(
            f"{why} needs at least two parts of the training rows, each with all classes, but {held}. Give more such "
            "rows, or take another algorithm.",
            "folds",
        )
    raise ParameterError(f"folds is {values['folds']}, but {held}; {why} takes at most {most} here.", "folds", most)


_FEWEST_DRAWN = 10


def refuse_draw(id: str, part: float, n: int, what: str) -> None:
    """Raise `ParameterError` where a part of the rows, drawn for each tree or the like, is next to none.

    Parameters
    ----------
    id : str
        The parameter that is this part.
    part : float
        1 draws all rows and is never refused.
    n : int
        The number of training rows.
    what : str
        What they are drawn for.
    """
    if part < 1 and int(part * n) < _FEWEST_DRAWN:
        raise ParameterError(
            f"{id} is {part:g}, which draws {int(part * n)} of {n} training rows for each {what}; that is too few to "
            f"learn from, take at least {_FEWEST_DRAWN}.",
            id,
            # a half more than needed: the part is multiplied out and rounded down again
            min(1.0, (_FEWEST_DRAWN + 0.5) / n),
        )


def _rows(n: int) -> str:
    return f"{n} training row{'' if n == 1 else 's'}"
