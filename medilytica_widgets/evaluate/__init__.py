"""What a model is worth: held-out metrics with intervals, predictions with confidence, decision boundaries."""

from .axes import boundary_columns, default_axes
from .grid import Boundary, BoundaryGrid, boundary
from .predict import predictions
from .report import Evaluation, evaluate

__all__ = [
    "Boundary",
    "BoundaryGrid",
    "Evaluation",
    "boundary",
    "boundary_columns",
    "default_axes",
    "evaluate",
    "predictions",
]
