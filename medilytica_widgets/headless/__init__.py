"""A notebook run without a browser: how it is recognised, and what papermill may put into it.

It stands low in the house because `Experiment.train` asks it whether to wait and its constructor checks
what papermill injected; `report` builds on it.
"""

from .mode import is_headless
from .parameters import check_injected, check_notebook, check_parameters, declared_parameters, injected_parameters

__all__ = [
    "check_injected",
    "check_notebook",
    "check_parameters",
    "declared_parameters",
    "injected_parameters",
    "is_headless",
]
