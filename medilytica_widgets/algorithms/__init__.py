"""The algorithms: documentation, parameter tables, and how each is built.

Importing this room loads neither torch nor scikit-learn; building an estimator does.
"""

from .base import Algorithm, CodeRequest, Staged
from .boosting import GRADIENT_BOOSTING
from .forest import RANDOM_FOREST
from .linear import LOGISTIC_REGRESSION
from .perceptron import MLP
from .registry import describe, get, list_, parameters, register, unregister, validate
from .schedules import SCHEDULES, Plateau, rate_factors, schedule_factor
from .weights import balanced_weights

for _entry in (MLP, LOGISTIC_REGRESSION, RANDOM_FOREST, GRADIENT_BOOSTING):
    register(_entry)

list = list_

__all__ = [
    "SCHEDULES",
    "Algorithm",
    "CodeRequest",
    "Plateau",
    "Staged",
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
