"""Everything about one experiment on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from ..report import section
from ._base import BaseWidget, experiment_of, serves
from ._shared import SharedState
from .algorithm_browser import AlgorithmBrowser
from .data_grid import DataGrid
from .decision_boundary import DecisionBoundary
from .head_editor import HeadEditor
from .hyperparameter_panel import HyperparameterPanel
from .layer_builder import LayerBuilder
from .metric_plots import MetricPlots
from .performance_dashboard import PerformanceDashboard
from .preprocess_panel import PreprocessPanel
from .run_controls import RunControls
from .training_log import TrainingLog
from .weight_sheet import WeightSheet

if TYPE_CHECKING:
    from ..data import Dataset
    from ..experiment import Experiment

_ACTIVITY_SHOWN = 30
_FINDINGS_SHOWN = 30


class Workbench(BaseWidget):
    """Data, algorithm, network, knobs, boundary, curves and answers of an experiment on one screen.

    It reads from left to right (data, model, answer) and then down (over time), and rearranges itself
    to the width it is given. In JupyterLab it can be moved to a tab of its own.

    Parameters
    ----------
    experiment : Experiment
    x, y : str, optional
        The two columns of the decision boundary at first.
    """

    ARGUMENTS = ("x", "y")

    parts = traitlets.Dict(help="The child widgets by name").tag(sync=True, **ipywidgets.widget_serialization)
    meta = traitlets.Dict(help="Name, description and shape of the experiment").tag(sync=True)
    data = traitlets.Dict(help="The table in short: columns, histograms, what was set aside, findings").tag(sync=True)
    activity: Any = traitlets.List(help="What happened, newest first").tag(sync=True)
    history = traitlets.Dict(help="Whether there is something to undo and to redo").tag(sync=True)
    shared = traitlets.Dict(allow_none=True, default_value=None, help="The workspace that it is in").tag(sync=True)

    def __init__(self, experiment: Experiment, x: str | None = None, y: str | None = None, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        # of which table the card speaks: an edit of a cell makes another one
        self._table: Dataset | None = None
        self._shared = SharedState(self.experiment, self.mark)
        self._children: dict[str, BaseWidget] = {
            "controls": RunControls(experiment),
            "algorithms": AlgorithmBrowser(experiment),
            "layers": LayerBuilder(experiment),
            "heads": HeadEditor(experiment),
            "hyperparameters": HyperparameterPanel(experiment),
            "boundary": DecisionBoundary(experiment, x=x, y=y),
            "curves": MetricPlots(experiment),
            "performance": PerformanceDashboard(experiment),
            "rows": DataGrid(experiment, editable=True),
            "preparation": PreprocessPanel(experiment),
            "weights": WeightSheet(experiment),
            "log": TrainingLog(experiment),
        }
        self._describe()
        super().__init__(**kwargs)
        if not self._headless:
            self.parts = dict(self._children)
        self.follow(experiment.changed, self.mark)
        self.follow(experiment.run_ended, self.refresh_static)

    def update_view(self) -> None:
        """Bring name, activity and undo up to date; the parts follow the experiment themselves."""
        with self.together():
            self._describe()

    def _describe(self) -> None:
        experiment = self.experiment
        table = experiment.data
        if self._table is not table:
            self._table = table
            findings = table.quality().findings[:_FINDINGS_SHOWN]
            told = [{"message": finding.message, "advice": finding.advice} for finding in findings]
            self.data = {**table.summary(), "findings": told}
        self.meta = {"name": experiment.name, "description": experiment.description, "task": experiment.task}
        self.activity = experiment.activity[:_ACTIVITY_SHOWN]
        self.history = {"undo": experiment.can_undo, "redo": experiment.can_redo}
        self.set_trait("shared", self._shared.state())

    @serves("spec.undo")
    def _undo(self, body: dict[str, Any]) -> None:
        self.experiment.undo()

    @serves("spec.redo")
    def _redo(self, body: dict[str, Any]) -> None:
        self.experiment.redo()

    @serves("chat.share")
    def _share(self, body: dict[str, Any]) -> None:
        self._shared.share(body["view"])

    def close(self) -> None:
        """Close the parts as well."""
        if not self._closed:
            self._shared.close()
        for child in getattr(self, "_children", {}).values():
            child.close()
        super().close()

    def static_html(self) -> str:
        """Return all parts one under the other, as a report shows them."""
        # one head is no more than the target, which stands above already
        heads = ("heads",) if len(self.experiment.heads) > 1 else ()
        model = ("layers", *heads, "hyperparameters")
        order = ("controls", "rows", "preparation", *model, "boundary", "curves", "performance", "weights", "log")
        parts = [self._children[name].static_html() for name in order]
        return section(self.experiment.name, *parts)
