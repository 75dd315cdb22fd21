"""The form of an algorithm's hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import traitlets

from .. import algorithms, presets, registered
from ..errors import InputError
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
    presets: traitlets.List[Any] = traitlets.List(
        help="The algorithm's presets: name, what each sets, whether a person saved it, why it cannot be applied"
    ).tag(sync=True)
    training = traitlets.Bool(help="Whether a run of this algorithm is going on, on which live changes act").tag(
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
        self.follow(presets.changed, self.mark)
        self.follow(registered.changed, self.mark)

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
            self.presets = [preset.to_json() for preset in presets.list(chosen.id, experiment.task)]
            active = experiment.active
            self.training = active is not None and active.algorithm == chosen.id
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

    @serves("preset.apply")
    def _apply_preset(self, body: dict[str, Any]) -> None:
        self._same_algorithm(body["algorithm"])
        self.experiment.apply_preset(body["name"])
        self.update_view()

    @serves("preset.save")
    def _save_preset(self, body: dict[str, Any]) -> dict[str, Any]:
        self._same_algorithm(body["algorithm"])
        saved = presets.save(body["name"], self.experiment)
        self.update_view()
        return {"name": saved.name}

    @serves("preset.delete")
    def _delete_preset(self, body: dict[str, Any]) -> None:
        presets.delete(body["name"], body["algorithm"])
        self.update_view()

    def _same_algorithm(self, asked: str) -> None:
        """Raise `InputError` where somebody chose another algorithm while this page still showed the old one."""
        chosen = self.experiment.algorithm
        if asked != chosen.id:
            raise InputError(f"The algorithm is {chosen.name} by now; look at its presets and choose again.")

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
        fitting = [p.name for p in presets.list(experiment.algorithm.id, task) if _holds(p, values)]
        note = f"preset: {fitting[0]}" if fitting else None
        cards = [card(group, key_values(rows)) for group, rows in groups.items() if group]
        first = card(experiment.algorithm.name, key_values(groups.get("", {})), note=note)
        return section("Hyperparameters", first, grid(*cards))


def _applies(parameter: Parameter, values: Mapping[str, Any], task: str) -> bool:
    """Whether a parameter has an effect; the form leaves it out otherwise, unless it was changed."""
    if parameter.tasks and task not in parameter.tasks:
        return False
    return parameter.only_if is None or values[parameter.only_if[0]] == parameter.only_if[1]


def _holds(preset: presets.Preset, values: Mapping[str, Any]) -> bool:
    """Whether the values are those that the preset sets."""
    return bool(preset.values) and all(values[name] == value for name, value in preset.values.items())


def _shown(value: Any) -> str:
    return "off" if value is None else format_value(value)
