"""Linear models of a number: least squares and its penalised and Bayesian forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from . import _shared
from ._estimator_code import estimator_entry
from .calls import Call

_CATEGORY = ("Linear models",)
_REGRESSION = frozenset({"regression"})


def _linear(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return Call("sklearn.linear_model.LinearRegression", dict(values))


def _ridge(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    # the usual solver squares the features, which float32 rows do not bear where features depend on each other
    solver = {} if values["positive"] else {"solver": "svd"}
    return Call("sklearn.linear_model.Ridge", {**values, **solver})


def _lasso(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return _shared.in_standard_units(Call("sklearn.linear_model.Lasso", {**values, "random_state": seed}))


def _elastic_net(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return _shared.in_standard_units(Call("sklearn.linear_model.ElasticNet", {**values, "random_state": seed}))


def _bayesian(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return Call("sklearn.linear_model.BayesianRidge", dict(values))


def _strength(default: float, label: str, help: str) -> Parameter:
    return Parameter("alpha", "float", default, low=1e-6, high=1e6, scale="log", label=label, help=help)


def _selection() -> Parameter:
    return Parameter(
        "selection",
        "choice",
        "cyclic",
        choices=("cyclic", "random"),
        label="order of updates",
        group="Solver",
        help=(
            "The order in which the solver improves the weights: one after the other, or drawn at random, which can "
            "be faster when many features are correlated. The result is the same up to the tolerance."
        ),
    )


LINEAR_REGRESSION = estimator_entry(
    recipe=_linear,
    id="linear_regression",
    name="Linear regression",
    category=_CATEGORY,
    tasks=_REGRESSION,
    summary=(
        "Weighs the features, adds them up with a constant, and chooses the weights for which the squared errors on "
        "the training rows are smallest (ordinary least squares). Each weight says by how much the prediction moves "
        "when its prepared feature grows by one standard deviation and the others stay."
    ),
    when=(
        "As the first thing to try for a number, and as the yardstick for everything else: it has nothing to tune, "
        "trains in an instant, and its weights can be read and reported."
    ),
    when_not=(
        "With about as many features as rows, or features that say the same thing: its weights then become huge and "
        "swing with every row, and ridge or the lasso do better. It cannot bend: curves and features that matter only "
        "together need trees or a network."
    ),
    references=(
        "Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, section 3.2",
        _shared.SCIKIT + "linear_model.html#ordinary-least-squares",
    ),
    parameters=ParameterTable((_shared.fit_intercept(), _shared.positive())),
)

RIDGE = estimator_entry(
    recipe=_ridge,
    id="ridge",
    name="Ridge regression",
    category=_CATEGORY,
    tasks=_REGRESSION,
    summary=(
        "Linear regression whose squared errors are minimised together with a penalty on the squares of the weights "
        "(L2). The penalty draws all weights towards 0 and shares them out between features that say the same thing, "
        "which keeps the predictions steady where plain least squares would swing."
    ),
    when=(
        "Whenever linear regression comes to mind and there are many features, correlated ones, or few rows: with a "
        "well chosen penalty it is rarely worse and often much better."
    ),
    when_not=(
        "When a short list of features is wanted: every weight stays a little away from 0, and the lasso or the "
        "elastic net choose instead. Like all linear models it cannot find curves."
    ),
    references=(
        "Hoerl and Kennard (1970), Ridge regression: biased estimation for nonorthogonal problems, "
        "doi:10.1080/00401706.1970.10488634",
        _shared.SCIKIT + "linear_model.html#ridge-regression-and-classification",
    ),
    parameters=ParameterTable(
        (
            _strength(
                1.0,
                "alpha (strength of the L2 penalty)",
                "How strongly the squares of the weights are penalised, against the sum of squared errors over all "
                "rows. Larger values make smaller, steadier weights and a flatter answer; near 0 it is plain linear "
                "regression.",
            ),
            _shared.fit_intercept(),
            _shared.positive(),
        )
    ),
)

LASSO = estimator_entry(
    recipe=_lasso,
    id="lasso",
    name="Lasso",
    category=_CATEGORY,
    tasks=_REGRESSION,
    summary=(
        "Linear regression with a penalty on the absolute values of the weights (L1), which sets many of them to "
        "exactly 0: it fits and chooses features in one step. The target is scaled to variance 1 for the fit, so that "
        "one strength of the penalty means the same in every table; predictions are in the target's own units."
    ),
    when=(
        "When there are many features and only some are thought to matter, and when a short formula with few features "
        "is worth more than the last bit of accuracy."
    ),
    when_not=(
        "When several features say the same thing: it keeps one of them almost by chance and drops the others, so that "
        "the choice says little; the elastic net keeps such groups together. Its weights are drawn towards 0 and are "
        "no estimates of effects."
    ),
    references=(
        "Tibshirani (1996), Regression shrinkage and selection via the lasso, doi:10.1111/j.2517-6161.1996.tb02080.x",
        _shared.SCIKIT + "linear_model.html#lasso",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "alpha",
                "float",
                0.01,
                low=1e-5,
                high=10.0,
                scale="log",
                unit="standard deviations of the target",
                label="alpha (strength of the L1 penalty)",
                help=(
                    "How strongly the absolute values of the weights are penalised. Larger values set more weights to "
                    "0; from 1 on nothing but the mean is left. Smaller values come close to linear regression."
                ),
            ),
            _shared.max_iter(10_000),
            _shared.tol(1e-4),
            _selection(),
            _shared.fit_intercept(),
            _shared.positive(),
        )
    ),
)

ELASTIC_NET = estimator_entry(
    recipe=_elastic_net,
    id="elastic_net",
    name="Elastic net",
    category=_CATEGORY,
    tasks=_REGRESSION,
    summary=(
        "Linear regression with both penalties: on the absolute values of the weights (L1), which sets many to 0, and "
        "on their squares (L2), which keeps features that say the same thing together. A ratio goes from ridge to the "
        "lasso. The target is scaled to variance 1 for the fit; predictions are in the target's own units."
    ),
    when=(
        "When features should be chosen but many of them are correlated, as laboratory values or genes are, and when "
        "there are more features than rows."
    ),
    when_not=(
        "When there are few features and many rows: linear regression or ridge have less to tune and lose nothing. It "
        "cannot find curves or features that matter only together."
    ),
    references=(
        "Zou and Hastie (2005), Regularization and variable selection via the elastic net, "
        "doi:10.1111/j.1467-9868.2005.00503.x",
        _shared.SCIKIT + "linear_model.html#elastic-net",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "alpha",
                "float",
                0.01,
                low=1e-5,
                high=10.0,
                scale="log",
                unit="standard deviations of the target",
                label="alpha (strength of both penalties)",
                help=(
                    "How strongly the weights are penalised in all. Larger values make smaller and fewer weights; "
                    "smaller values come close to linear regression."
                ),
            ),
            Parameter(
                "l1_ratio",
                "float",
                0.5,
                low=0.01,
                high=1.0,
                label="share of L1",
                help=(
                    "How the strength is shared out: 1 is the lasso (L1 only), values near 0 come close to ridge (L2 "
                    "only). Larger values set more weights to 0; smaller ones keep correlated features together."
                ),
            ),
            _shared.max_iter(10_000),
            _shared.tol(1e-4),
            _selection(),
            _shared.fit_intercept(),
            _shared.positive(),
        )
    ),
)


def _gamma(id: str, label: str, help: str) -> Parameter:
    return Parameter(id, "float", 1e-6, low=1e-10, high=1e3, scale="log", label=label, group="Priors", help=help)


BAYESIAN_RIDGE = estimator_entry(
    recipe=_bayesian,
    id="bayesian_ridge",
    name="Bayesian ridge regression",
    category=_CATEGORY,
    tasks=_REGRESSION,
    summary=(
        "Ridge regression that finds the strength of its penalty by itself: the weights and the noise have prior "
        "distributions, and the strength under which the training rows are most probable is taken. There is no "
        "penalty to tune and no row held out to choose it."
    ),
    when=(
        "When ridge regression is wanted without a search for its penalty, and with few rows, where such a search "
        "would be unsteady."
    ),
    when_not=(
        "With many thousand features, where its decomposition takes long, or when the noise is far from the bell "
        "curve: a few outliers then set the penalty. When features must be chosen, take the lasso."
    ),
    references=(
        "MacKay (1992), Bayesian interpolation, doi:10.1162/neco.1992.4.3.415",
        "Tipping (2001), Sparse Bayesian learning and the relevance vector machine, JMLR 1",
        _shared.SCIKIT + "linear_model.html#bayesian-ridge-regression",
    ),
    parameters=ParameterTable(
        (
            _shared.max_iter(
                300,
                "How often the strength of the penalty and the noise are estimated anew. It converges within some ten "
                "rounds on most tables.",
            ),
            _shared.tol(
                1e-3,
                "The fit ends when the weights together change by less than this in a round. Smaller values rarely "
                "change a prediction.",
            ),
            _gamma(
                "alpha_1",
                "noise prior, shape",
                "The shape of the gamma prior on the precision of the noise. Near 0 the rows alone decide, which is "
                "usual; larger values pull towards little noise.",
            ),
            _gamma(
                "alpha_2",
                "noise prior, rate",
                "The rate of the gamma prior on the precision of the noise. Near 0 the rows alone decide, which is "
                "usual; larger values pull towards more noise.",
            ),
            _gamma(
                "lambda_1",
                "weight prior, shape",
                "The shape of the gamma prior on the precision of the weights. Near 0 the rows alone decide, which is "
                "usual; larger values pull the weights towards 0.",
            ),
            _gamma(
                "lambda_2",
                "weight prior, rate",
                "The rate of the gamma prior on the precision of the weights. Near 0 the rows alone decide, which is "
                "usual; larger values allow larger weights.",
            ),
            _shared.fit_intercept(),
        )
    ),
)
