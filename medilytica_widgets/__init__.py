"""A Jupyter-native workbench for learning from tables.

Public names load on first use, so that importing the package costs next to nothing and a headless run
loads only what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import algorithms, presets, register
    from .algorithms.step import Step
    from .collab.workspace import Workspace
    from .data import Column, Dataset, Finding, load_dataset
    from .engine.queue import queue
    from .experiment import Experiment
    from .headless import is_headless
    from .model import Model, load_model
    from .network import Head, Layer
    from .parameters import Parameter
    from .records import prune, runs
    from .reopening import open_run
    from .run import Run
    from .store import backup, restore
    from .widgets.algorithm_browser import AlgorithmBrowser
    from .widgets.column_profile import ColumnProfile
    from .widgets.data_grid import DataGrid
    from .widgets.data_upload import DataUpload
    from .widgets.decision_boundary import DecisionBoundary
    from .widgets.head_editor import HeadEditor
    from .widgets.hyperparameter_panel import HyperparameterPanel
    from .widgets.layer_builder import LayerBuilder
    from .widgets.metric_plots import MetricPlots
    from .widgets.people_panel import PeoplePanel
    from .widgets.performance_dashboard import PerformanceDashboard
    from .widgets.preprocess_panel import PreprocessPanel
    from .widgets.quality_report import QualityReport
    from .widgets.run_controls import RunControls
    from .widgets.training_log import TrainingLog
    from .widgets.weight_sheet import WeightSheet
    from .widgets.workbench import Workbench

_NAMES = {
    "AlgorithmBrowser": "widgets.algorithm_browser",
    "Column": "data",
    "ColumnProfile": "widgets.column_profile",
    "DataGrid": "widgets.data_grid",
    "DataUpload": "widgets.data_upload",
    "Dataset": "data",
    "DecisionBoundary": "widgets.decision_boundary",
    "Experiment": "experiment",
    "Finding": "data",
    "Head": "network",
    "HeadEditor": "widgets.head_editor",
    "HyperparameterPanel": "widgets.hyperparameter_panel",
    "Layer": "network",
    "LayerBuilder": "widgets.layer_builder",
    "MetricPlots": "widgets.metric_plots",
    "Model": "model",
    "Parameter": "parameters",
    "PeoplePanel": "widgets.people_panel",
    "PerformanceDashboard": "widgets.performance_dashboard",
    "PreprocessPanel": "widgets.preprocess_panel",
    "QualityReport": "widgets.quality_report",
    "Run": "run",
    "RunControls": "widgets.run_controls",
    "Step": "algorithms.step",
    "TrainingLog": "widgets.training_log",
    "WeightSheet": "widgets.weight_sheet",
    "Workbench": "widgets.workbench",
    "Workspace": "collab.workspace",
    "backup": "store",
    "is_headless": "headless",
    "load_dataset": "data",
    "load_model": "model",
    "open_run": "reopening",
    "prune": "records",
    "queue": "engine",
    "restore": "store",
    "runs": "records",
}
_MODULES = ("algorithms", "errors", "presets", "register")

__all__ = [
    "AlgorithmBrowser",
    "Column",
    "ColumnProfile",
    "DataGrid",
    "DataUpload",
    "Dataset",
    "DecisionBoundary",
    "Experiment",
    "Finding",
    "Head",
    "HeadEditor",
    "HyperparameterPanel",
    "Layer",
    "LayerBuilder",
    "MetricPlots",
    "Model",
    "Parameter",
    "PeoplePanel",
    "PerformanceDashboard",
    "PreprocessPanel",
    "QualityReport",
    "Run",
    "RunControls",
    "Step",
    "TrainingLog",
    "WeightSheet",
    "Workbench",
    "Workspace",
    "__version__",
    "algorithms",
    "backup",
    "is_headless",
    "load_dataset",
    "load_model",
    "open_run",
    "presets",
    "prune",
    "queue",
    "register",
    "restore",
    "runs",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _NAMES:
        value = getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
        globals()[name] = value
        return value
    from .errors import hint

    raise AttributeError(f"medilytica_widgets has no name {name!r}. {hint(name, __all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
