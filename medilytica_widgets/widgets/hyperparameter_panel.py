"""The form of an algorithm's hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import traitlets

from .. import algorithms
from ..report import card, format_value, grid, key_values, section
from ._base import BaseWidget, experiment_of, serves

if TYPE_CHECKING:
    from ..experiment import Experiment
    from ..parameters import Parameter


class HyperparameterPanel(BaseWidget):
    """The hyperparameters of an experiment's algorithm as a form.

    A change acts at once on a run that is training where the hyperparameter allows it; any other is
    marked "next run".

    Parameters
    ----------
    experiment : Experiment
    """

    algorithm = traitlets.Dict(help="Id and name of the chosen algorithm").tag(sync=True)
    form: traitlets.List[Any] = traitlets.List(help="The algorithm's parameter table").tag(sync=True)
    values = traitlets.Dict(help="Every hyperparameter's value, by id").tag(sync=True)
    task = traitlets.Unicode(help="The experiment's task: some parameters have a meaning for one only").tag(sync=True)
    pending: traitlets.List[Any] = traitlets.List(help="What was edited and counts only from the next run").tag(
        sync=True
    )
    can_undo = traitlets.Bool().tag(sync=True)
    can_redo = traitlets.Bool().tag(sync=True)

    def __init__(self, experiment: Experiment, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        super().__init__(**kwargs)
        self.update_view()
        self.follow(experiment.changed, self.mark)
        self.follow(experiment.run_added, self.mark)
        self.follow(experiment.run_ended, self.mark)
        self.follow(experiment.run_ended, self.refresh_static)

    def update_view(self) -> None:
        """Bring form, values and what is pending up to date."""
        with self.together():
            experiment = self.experiment
            # one snapshot, so that form and values belong together whoever edits meanwhile
            spec = experiment.spec
            chosen = algorithms.get(spec.algorithm)
            table = chosen.parameters
            pending = experiment.pending()
            self.algorithm = {"id": chosen.id, "name": chosen.name}
            self.form = table.to_json()
            self.task = experiment.task
            self.values = chosen.validate(spec.hyperparameters)
            # a live change is on its way to the run until its mark comes; it never waits for the next run
            self.pending = sorted(
                name for name in pending if name == "algorithm" or (name in table and not table[name].live)
            )
            self.can_undo = experiment.can_undo
            self.can_redo = experiment.can_redo

    @serves("hyperparameters.set")
    def _set(self, body: dict[str, Any]) -> dict[str, Any]:
        value = self.experiment.set(body["name"], body["value"])
        self.update_view()
        return {"value": value}

    @serves("hyperparameters.reset")
    def _reset(self, body: dict[str, Any]) -> None:
        self.experiment.reset(body["name"] or None)
        self.update_view()

    @serves("spec.undo")
    def _undo(self, body: dict[str, Any]) -> None:
        self.experiment.undo()
        self.update_view()

    @serves("spec.redo")
    def _redo(self, body: dict[str, Any]) -> None:
        self.experiment.redo()
        self.update_view()

    def static_html(self) -> str:
        """Return the values as tables, one a group; what departs from its default says what that is."""
        experiment = self.experiment
        values, task = experiment.hyperparameters, experiment.task
        groups: dict[str, dict[str, str]] = {}
        for parameter in experiment.algorithm.parameters.parameters:
            value = values[parameter.id]
            if value == parameter.default and not _applies(parameter, values, task):
                continue
            label = parameter.label or parameter.id.replace("_", " ")
            departs = f" (default {_shown(parameter.default)})" if value != parameter.default else ""
            groups.setdefault(parameter.group, {})[label] = f"{_shown(value)}{departs}"
        cards = [card(group, key_values(rows)) for group, rows in groups.items() if group]
        return section("Hyperparameters", card(experiment.algorithm.name, key_values(groups.get("", {}))), grid(*cards))


def _applies(parameter: Parameter, values: Mapping[str, Any], task: str) -> bool:
    """Whether a parameter has an effect; the form leaves it out otherwise, unless it was changed."""
    if parameter.tasks and task not in parameter.tasks:
        return False
    return parameter.only_if is None or values[parameter.only_if[0]] == parameter.only_if[1]


def _shown(value: Any) -> str:
    return "off" if value is None else format_value(value)
