"""Gaussian processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import ParameterError
from ..parameters import Parameter, ParameterTable
from . import _shared
from ._estimator_code import estimator_entry
from .calls import Call

_KERNELS = "sklearn.gaussian_process.kernels"
_SMOOTHNESS = {"matern_3_2": 1.5, "matern_5_2": 2.5}
_MOST_ROWS = 20_000


def _kernel(values: Mapping[str, Any]) -> Call:
    length = values["length_scale"]
    kind = values["kernel"]
    if kind in _SMOOTHNESS:
        shape = Call(f"{_KERNELS}.Matern", {"length_scale": length, "nu": _SMOOTHNESS[kind]})
    elif kind == "rational_quadratic":
        shape = Call(f"{_KERNELS}.RationalQuadratic", {"length_scale": length})
    else:
        shape = Call(f"{_KERNELS}.RBF", {"length_scale": length})
    return Call(f"{_KERNELS}.Product", {}, (Call(f"{_KERNELS}.ConstantKernel", {}, (1.0,)), shape))


def _recipe(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    kernel = _kernel(values)
    arguments = {"n_restarts_optimizer": values["restarts"], "random_state": seed}
    if task == "classification":
        return Call("sklearn.gaussian_process.GaussianProcessClassifier", {"kernel": kernel, **arguments})
    noise = Call(f"{_KERNELS}.WhiteKernel", {"noise_level": values["noise"]})
    kernel = Call(f"{_KERNELS}.Sum", {}, (kernel, noise))
    # rows that are the same in float32 would make the matrix singular without the small alpha
    return Call(
        "sklearn.gaussian_process.GaussianProcessRegressor",
        {"kernel": kernel, "alpha": 1e-8, "normalize_y": True, **arguments},
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"


def _few_enough_rows(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    n, most = len(y), values["most_rows"]
    if n <= most:
        return
    closing = f"or raise most_rows to {n}" if n <= _MOST_ROWS else "which has no such limit"
    raise ParameterError(
        f"There are {n} training rows, and a Gaussian process compares each with each: its time grows with the cube of "
        f"the rows and its memory with the square ({_size(n * n * 8)} for one such matrix here), so it stops at "
        f"most_rows = {most}. Train on fewer rows, take the support vector machine with a kernel, {closing}.",
        "most_rows",
        n if n <= _MOST_ROWS else None,
    )


GAUSSIAN_PROCESS = estimator_entry(
    recipe=_recipe,
    id="gaussian_process",
    name="Gaussian process",
    category=("Neighbours, kernels and Bayes",),
    tasks=_shared.BOTH,
    summary=(
        "Takes the answer for a random smooth function, whose values at like rows are alike; a kernel says how alike. "
        "Given the training rows, it works out the most probable function and how the kernel's length and height "
        "should be, by maximising the probability of the rows, so that next to nothing needs tuning. For classes the "
        "function is squeezed into a probability (Laplace's approximation)."
    ),
    when=(
        "With up to some thousand rows, few features and a smooth relation, above all when rows are expensive: it "
        "makes much of little, and away from the training rows its probabilities become less sure."
    ),
    when_not=(
        "With more rows: time grows with their cube and memory with their square, so ten times the rows take a "
        "thousand times as long. With many or categorical features, or jumps in the answer, trees do better."
    ),
    references=(
        "Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, https://gaussianprocess.org/gpml/",
        _shared.SCIKIT + "gaussian_process.html",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "kernel",
                "choice",
                "rbf",
                choices=("rbf", "matern_5_2", "matern_3_2", "rational_quadratic"),
                help=(
                    "How smooth the answer is: rbf has no corner anywhere; matern_5_2 and matern_3_2 are rougher, in "
                    "this order, and often closer to measured things; rational_quadratic mixes long and short waves."
                ),
            ),
            Parameter(
                "length_scale",
                "float",
                1.0,
                low=0.01,
                high=100.0,
                scale="log",
                unit="standard deviations",
                label="length at the start",
                help=(
                    "How far apart two rows may be and still have like answers, before the fit improves it. It "
                    "decides only where the search begins; larger values begin with a smoother answer."
                ),
            ),
            Parameter(
                "noise",
                "float",
                1.0,
                low=1e-5,
                high=10.0,
                scale="log",
                label="noise at the start",
                tasks=_shared.NUMBERS,
                help=(
                    "The variance of the noise, as a part of the target's, before the fit improves it. It decides "
                    "only where the search begins; smaller values begin with an answer that follows each row."
                ),
            ),
            Parameter(
                "restarts",
                "int",
                0,
                low=0,
                high=20,
                unit="searches",
                label="further searches",
                group="Solver",
                help=(
                    "How often the search for length and height begins anew elsewhere; the best is kept. More guard "
                    "against a poor optimum and each costs the time of one more fit."
                ),
            ),
            Parameter(
                "most_rows",
                "int",
                2000,
                low=10,
                high=_MOST_ROWS,
                scale="log",
                unit="rows",
                group="Limits",
                label="most training rows",
                help=(
                    "With more training rows than this it refuses to start, because the time grows with their cube: "
                    "some seconds for 1000, minutes for 5000. Raise it when that wait is wanted."
                ),
            ),
        )
    ),
    row_checks=(_few_enough_rows,),
)
