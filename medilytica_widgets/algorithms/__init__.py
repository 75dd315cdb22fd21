"""The algorithms: documentation, parameter tables, and how each is built.

Importing this room loads neither torch nor scikit-learn; building an estimator does.
"""

from .anomaly import ANOMALY
from .autoencoder import AUTOENCODER
from .base import Algorithm, CodeRequest, Staged
from .bayes import BERNOULLI_NB, GAUSSIAN_NB, MULTINOMIAL_NB
from .boosting import GRADIENT_BOOSTING
from .boosting_more import ADABOOST, HIST_GRADIENT_BOOSTING
from .clustering import CLUSTERING
from .columns import ENCODING
from .discriminant import LDA, QDA
from .ensembles import BAGGING, STACKING, VOTING
from .external import ENTRIES as EXTERNAL
from .features import FEATURES
from .forest import EXTRA_TREES, RANDOM_FOREST
from .gaussian import GAUSSIAN_PROCESS
from .imputers import IMPUTING
from .kernels import SVM, SVM_LINEAR
from .linear import BAYESIAN_RIDGE, ELASTIC_NET, LASSO, LINEAR_REGRESSION, RIDGE
from .logistic import LOGISTIC_REGRESSION
from .neighbours import KNN
from .neural import DEEP_MLP, WIDE_AND_DEEP
from .neural_sequences import SEQUENCES
from .perceptron import MLP
from .preprocessing import SCALERS
from .reduction import REDUCTION
from .registry import describe, get, list_, parameters, register, unregister, validate
from .schedules import SCHEDULES, Plateau, rate_factors, schedule_factor
from .step import Step
from .trees import DECISION_TREE
from .weights import balanced_weights
from .words_and_dates import WORDS_AND_DATES

_LINEAR = (LINEAR_REGRESSION, RIDGE, LASSO, ELASTIC_NET, BAYESIAN_RIDGE, LOGISTIC_REGRESSION, LDA, QDA)
_KERNELS = (KNN, SVM_LINEAR, SVM, GAUSSIAN_NB, BERNOULLI_NB, MULTINOMIAL_NB, GAUSSIAN_PROCESS)
_TREES = (
    DECISION_TREE,
    RANDOM_FOREST,
    EXTRA_TREES,
    GRADIENT_BOOSTING,
    HIST_GRADIENT_BOOSTING,
    ADABOOST,
    BAGGING,
    VOTING,
    STACKING,
    *EXTERNAL,
)

for _entry in (MLP, DEEP_MLP, WIDE_AND_DEEP, *SEQUENCES, AUTOENCODER, *_LINEAR, *_KERNELS, *_TREES):
    register(_entry)

for _entry in (*SCALERS, *ENCODING, *IMPUTING, *WORDS_AND_DATES, *FEATURES, *REDUCTION, *CLUSTERING, *ANOMALY):
    register(_entry)

list = list_

__all__ = [
    "SCHEDULES",
    "Algorithm",
    "CodeRequest",
    "Plateau",
    "Staged",
    "Step",
    "balanced_weights",
    "describe",
    "get",
    "list",
    "list_",
    "parameters",
    "rate_factors",
    "register",
    "schedule_factor",
    "unregister",
    "validate",
]
