"""The tree of algorithms with their documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from .. import algorithms, registered
from ..report import card, section, sentence
from ._base import BaseWidget, experiment_of, serves

if TYPE_CHECKING:
    from ..experiment import Experiment
    from ..run import Run

_SCORE = {
    "classification": "accuracy",
    "regression": "r2",
    "clustering": "silhouette",
    "anomaly": "roc_auc",
    "transform": "trustworthiness",
}
_DOCUMENTED = ("id", "name", "category", "tasks", "summary", "when", "when_not", "references")


class AlgorithmBrowser(BaseWidget):
    """The algorithms by category, what each is good for, and how well its runs did; a click chooses one.

    One that cannot learn the experiment's target stays in the tree and says why.

    Parameters
    ----------
    experiment : Experiment
    """

    catalogue: traitlets.List[Any] = traitlets.List(
        help="Documentation of every algorithm, and why it is unavailable"
    ).tag(sync=True)
    selected = traitlets.Unicode(help="Id of the chosen algorithm").tag(sync=True)
    scores = traitlets.Dict(help="Best held-out metric of an ended run, by algorithm: value, metric, run").tag(
        sync=True
    )
    task = traitlets.Unicode(help="What the target asks for; empty without a target").tag(sync=True)

    def __init__(self, experiment: Experiment, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        self._shown: tuple[list[algorithms.Algorithm], str] | None = None
        super().__init__(**kwargs)
        with self.together():
            self.update_view()
        self.follow(experiment.run_added, self._follow_run)
        self.follow(experiment.changed, self.mark)
        self.follow(experiment.run_ended, self.refresh_static)
        self.follow(registered.changed, self.mark)
        for run in experiment.runs:
            self._follow_run(run)

    def update_view(self) -> None:
        """Bring the choice and the scores up to date."""
        with self.together():
            entries, task = algorithms.list_(), self.experiment.target_task or ""
            # somebody may register an algorithm while the tree is shown
            if (entries, task) != self._shown:
                self._shown = (entries, task)
                self.task = task
                self.catalogue = [_entry(algorithm, task) for algorithm in entries]
            self.selected = self.experiment.spec.algorithm
            self.scores = self._best()

    @serves("algorithm.select")
    def _select(self, body: dict[str, Any]) -> None:
        self.experiment.select_algorithm(body["id"])
        self.update_view()

    def static_html(self) -> str:
        """Return what the chosen algorithm is and when to use it."""
        chosen = self.experiment.algorithm
        score = self._best().get(chosen.id)
        note = f"{score['metric']} {score['value']:.3f} in {score['run']}" if score else None
        parts = (
            sentence(chosen.summary),
            sentence(f"Use it: {chosen.when}"),
            sentence(f"Better not: {chosen.when_not}"),
        )
        return section("Algorithm", card(chosen.name, *parts, note=note))

    def _follow_run(self, run: Run) -> None:
        # the evaluation comes a moment after the run's end
        self.follow(run.evaluated, self.mark)
        self.mark()

    def _best(self) -> dict[str, dict[str, Any]]:
        best: dict[str, dict[str, Any]] = {}
        for run in self.experiment.runs:
            found, metric = run.evaluation_if_ready(), _SCORE.get(run.task)
            if run.is_active or found is None or metric is None or metric not in found.metrics:
                continue
            value = float(found.metrics[metric])
            if run.algorithm not in best or value > best[run.algorithm]["value"]:
                best[run.algorithm] = {"value": value, "metric": metric, "run": run.name}
        return best


def _entry(algorithm: algorithms.Algorithm, task: str) -> dict[str, Any]:
    described = algorithm.describe()
    without = "" if task or algorithm.task_for(None) else f"{algorithm.name} learns a target; this table has none."
    return {
        **{name: described[name] for name in _DOCUMENTED},
        "parameters": [parameter["label"] for parameter in described["parameters"]],
        "unavailable": algorithm.unavailable(task or None) or without,
    }
