"""Training: a state machine on a thread of its own, its telemetry, and snapshots that predict.

Importing this room does not load torch; the first network that trains does.
"""

from .checkpoints import TrainingState, read_state
from .job import DEVICES, Job
from .keeper import Keeping
from .log import LogEntry, TrainingLog
from .predictors import EstimatorPredictor, Predictor
from .queue import RunQueue, queue
from .run_folder import drop_after, kept_epochs, read_epoch, read_latest
from .states import ENDED, LEGAL, Status, Unit
from .storage import restore_predictor, store_predictor
from .telemetry import Mark, Telemetry, history_columns
from .trainer import Trainer
from .weight_sheet import SheetBook, WeightSheet

__all__ = [
    "DEVICES",
    "ENDED",
    "LEGAL",
    "EstimatorPredictor",
    "Job",
    "Keeping",
    "LogEntry",
    "Mark",
    "Predictor",
    "RunQueue",
    "SheetBook",
    "Status",
    "Telemetry",
    "Trainer",
    "TrainingLog",
    "TrainingState",
    "Unit",
    "WeightSheet",
    "drop_after",
    "history_columns",
    "kept_epochs",
    "queue",
    "read_epoch",
    "read_latest",
    "read_state",
    "restore_predictor",
    "store_predictor",
]
