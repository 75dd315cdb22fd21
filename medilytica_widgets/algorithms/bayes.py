"""Naive Bayes: three pictures of what a feature looks like within a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ParameterError
from ..parameters import Parameter, ParameterTable
from . import _shared
from ._estimator_code import estimator_entry
from .calls import Call

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CATEGORY = ("Neighbours, kernels and Bayes",)
_CLASSIFICATION = frozenset({"classification"})
_PAPER = (
    "Domingos and Pazzani (1997), On the optimality of the simple Bayesian classifier under zero-one loss, "
    "doi:10.1023/A:1007413511361"
)
_COUNTED = (
    "McCallum and Nigam (1998), A comparison of event models for naive Bayes text classification, AAAI workshop on "
    "learning for text categorization"
)


def _gaussian(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return Call("sklearn.naive_bayes.GaussianNB", {"var_smoothing": values["var_smoothing"]})


def _common(values: Mapping[str, Any]) -> dict[str, Any]:
    # balanced classes are equally probable beforehand
    return {"alpha": values["alpha"], "fit_prior": values["class_weight"] != "balanced"}


def _bernoulli(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    # its own binarize takes no negative threshold
    cut = Call("sklearn.preprocessing.Binarizer", {"threshold": values["threshold"]})
    bayes = Call("sklearn.naive_bayes.BernoulliNB", {**_common(values), "binarize": None})
    return Call("sklearn.pipeline.make_pipeline", {}, (cut, bayes))


def _multinomial(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    # it takes no negative number; a new row may lie below all training rows, so the scale is clipped
    scaler = Call("sklearn.preprocessing.MinMaxScaler", {"clip": True})
    return Call(
        "sklearn.pipeline.make_pipeline", {}, (scaler, Call("sklearn.naive_bayes.MultinomialNB", _common(values)))
    )


def _alpha() -> Parameter:
    return Parameter(
        "alpha",
        "float",
        1.0,
        low=1e-6,
        high=1000.0,
        scale="log",
        label="alpha (smoothing)",
        help=(
            "What is added to every count, so that a value never seen in a class does not rule the class out. Larger "
            "values draw all classes together and guard against chance; smaller ones trust the rows."
        ),
    )


def _rows_that_differ(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    if len(y) < 2:
        raise ParameterError(
            "There is one training row only, and Gaussian naive Bayes learns the spread of each feature from at least "
            "two. Give more rows, or hold fewer out.",
            "var_smoothing",
        )


GAUSSIAN_NB = estimator_entry(
    recipe=_gaussian,
    row_checks=(_rows_that_differ,),
    id="gaussian_nb",
    name="Gaussian naive Bayes",
    category=_CATEGORY,
    tasks=_CLASSIFICATION,
    summary=(
        "Describes each feature within each class by a bell curve, takes the features for independent of each other, "
        "and turns this around with Bayes' rule into the probability of each class. It needs one pass over the rows: "
        "a mean and a variance for each feature and class."
    ),
    when=(
        "As the quickest baseline, with few rows, and when features are numbers that say different things: it learns "
        "from little and never takes long."
    ),
    when_not=(
        "When features say the same thing: each is counted as new evidence, and the probabilities become far too sure. "
        "When good probabilities matter, take logistic regression."
    ),
    references=(_PAPER, _shared.SCIKIT + "naive_bayes.html#gaussian-naive-bayes"),
    parameters=ParameterTable(
        (
            Parameter(
                "var_smoothing",
                "float",
                1e-9,
                low=1e-12,
                high=1.0,
                scale="log",
                label="smoothing of the variances",
                help=(
                    "The part of the largest variance that is added to all variances. Larger values widen the bell "
                    "curves and make the answers less sure; near 0 the rows alone decide."
                ),
            ),
            _shared.class_weight(),
        )
    ),
    balances=True,
)

BERNOULLI_NB = estimator_entry(
    recipe=_bernoulli,
    id="bernoulli_nb",
    name="Bernoulli naive Bayes",
    category=_CATEGORY,
    tasks=_CLASSIFICATION,
    summary=(
        "Cuts each feature into yes and no at a threshold, learns how often each is yes within each class, takes the "
        "features for independent of each other, and turns this around with Bayes' rule into the probability of each "
        "class. Prepared numbers have the mean 0, so the usual threshold asks whether a value is above the mean."
    ),
    when=(
        "When most columns are flags or categories, such as symptoms that are there or not, and as a quick baseline "
        "that is hard to upset by outliers."
    ),
    when_not=(
        "When it matters how large a number is, not only whether it is large: cutting it in two throws that away. "
        "Features that say the same thing are counted twice."
    ),
    references=(_COUNTED, _PAPER, _shared.SCIKIT + "naive_bayes.html#bernoulli-naive-bayes"),
    parameters=ParameterTable(
        (
            _alpha(),
            Parameter(
                "threshold",
                "float",
                0.0,
                low=-5.0,
                high=5.0,
                unit="standard deviations",
                help=(
                    "Where a prepared feature becomes a yes. 0 is the mean of a number and sets a category's flags "
                    "right; larger values leave only unusually large numbers as yes."
                ),
            ),
            _shared.class_weight(),
        )
    ),
)

MULTINOMIAL_NB = estimator_entry(
    recipe=_multinomial,
    id="multinomial_nb",
    name="Multinomial naive Bayes",
    category=_CATEGORY,
    tasks=_CLASSIFICATION,
    summary=(
        "Takes a row for a bag of counts and learns which share of the bag each feature has within each class; Bayes' "
        "rule turns this around into the probability of each class. Every feature is first scaled to between 0 (the "
        "smallest training value) and 1 (the largest), because counts cannot be negative."
    ),
    when=(
        "When the columns are counts or amounts of many like things, such as words, visits or species: what matters "
        "then is their mixture."
    ),
    when_not=(
        "When columns measure different things in different units: their mixture means nothing, and the Gaussian kind "
        "or logistic regression fit better."
    ),
    references=(_COUNTED, _PAPER, _shared.SCIKIT + "naive_bayes.html#multinomial-naive-bayes"),
    parameters=ParameterTable((_alpha(), _shared.class_weight())),
)
