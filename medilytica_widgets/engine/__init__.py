"""Training: a state machine on a thread of its own, its telemetry, and snapshots that predict.

Importing this room does not load torch; the first network that trains does.
"""

from .job import DEVICES, Job
from .predictors import EstimatorPredictor, Predictor
from .states import ENDED, LEGAL, Status, Unit
from .storage import restore_predictor, store_predictor
from .telemetry import Mark, Telemetry, history_columns
from .trainer import Trainer

__all__ = [
    "DEVICES",
    "ENDED",
    "LEGAL",
    "EstimatorPredictor",
    "Job",
    "Mark",
    "Predictor",
    "Status",
    "Telemetry",
    "Trainer",
    "Unit",
    "history_columns",
    "restore_predictor",
    "store_predictor",
]
