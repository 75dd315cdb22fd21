"""The heads of the network: what it answers, by which column and loss, and how much each counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from .. import network, registered
from ..errors import HeadError
from ..network.head_checks import plain_name, unused
from ..network.losses import LOSSES, default_loss, losses
from ..network_editor import made_head
from ..report import card, escape, join, section, sentence
from ..report.html import Html
from ._base import BaseWidget, experiment_of, serves

if TYPE_CHECKING:
    from ..experiment import Experiment


class HeadEditor(BaseWidget):
    """The heads of an experiment's network, each with its target, layer, loss and weight.

    A change that cannot be is refused with its reason at the field; the heads that stood before stay.

    Parameters
    ----------
    experiment : Experiment
    """

    heads: traitlets.List[Any] = traitlets.List(help="The heads, every field written out").tag(sync=True)
    layers: traitlets.List[Any] = traitlets.List(help="The layers a head may sit on: kind and name").tag(sync=True)
    targets: traitlets.List[Any] = traitlets.List(help="The table's columns, and what can be learned of each").tag(
        sync=True
    )
    losses: traitlets.List[Any] = traitlets.List(help="The losses with their parameter tables").tag(sync=True)
    uses_layers = traitlets.Bool(help="Whether the chosen algorithm has a network").tag(sync=True)
    algorithm = traitlets.Unicode(help="Name of the chosen algorithm").tag(sync=True)
    own = traitlets.Unicode(help="The table's own target").tag(sync=True)
    can_undo = traitlets.Bool().tag(sync=True)
    can_redo = traitlets.Bool().tag(sync=True)

    def __init__(self, experiment: Experiment, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        super().__init__(**kwargs)
        with self.together():
            self.targets = [
                {"name": target.name, "tasks": list(target.tasks), "reason": target.reason}
                for target in experiment.targets().values()
            ]
            self.own = str(experiment.data.target or "")
            self.update_view()
        self.follow(experiment.changed, self.mark)
        self.follow(experiment.run_ended, self.refresh_static)
        self.follow(registered.changed, self.mark)

    def update_view(self) -> None:
        """Bring heads, layers and the undo state up to date."""
        with self.together():
            experiment = self.experiment
            chosen = experiment.algorithm
            self.algorithm = chosen.name
            self.uses_layers = chosen.has_layers
            self.losses = [
                {
                    "id": loss.id,
                    "name": loss.name,
                    "help": loss.help,
                    "tasks": list(loss.tasks),
                    "parameters": loss.parameters.to_json(),
                }
                for loss in losses()
            ]
            names = {kind["kind"]: kind["name"] for kind in network.layer_kinds()}
            self.layers = [
                {"kind": names.get(layer.kind, layer.kind), "name": layer.name} for layer in experiment.layers
            ]
            self.heads = [_full(head) for head in experiment.heads]
            self.can_undo = experiment.can_undo
            self.can_redo = experiment.can_redo

    @serves("heads.add")
    def _add(self, body: dict[str, Any]) -> None:
        experiment = self.experiment
        heads = experiment.heads
        taken = {head.target or self.own for head in heads}
        free = [target for target in experiment.targets().values() if target.tasks and target.name not in taken]
        given = dict(body["head"])
        if "target" not in given:
            if not free:
                raise HeadError("Every column that can be learned has a head already.", len(heads), "target")
            # a number beside classes, or classes beside a number, is what one most often adds
            other = [target for target in free if target.tasks[0] != heads[0].task]
            given["target"] = (other or free)[0].name
        target = experiment.targets().get(given["target"])
        if "task" not in given:
            given["task"] = target.tasks[0] if target is not None and target.tasks else heads[0].task
        given.setdefault("name", unused(plain_name(str(given["target"]), "head"), [head.name for head in heads]))
        experiment.add_head(made_head(given, len(heads)))
        self.update_view()

    @serves("heads.duplicate")
    def _duplicate(self, body: dict[str, Any]) -> None:
        self.experiment.duplicate_head(body["index"])
        self.update_view()

    @serves("heads.remove")
    def _remove(self, body: dict[str, Any]) -> None:
        self.experiment.remove_head(body["index"])
        self.update_view()

    @serves("heads.update")
    def _update(self, body: dict[str, Any]) -> None:
        index, fields = body["index"], dict(body["fields"])
        experiment = self.experiment
        if list(fields) == ["at"] and type(fields["at"]) is int:
            experiment.place_head(index, fields["at"])
        else:
            heads = experiment.heads
            before = heads[index] if 0 <= index < len(heads) else heads[0]
            experiment.update_head(index, **self._fitting(before, fields))
        self.update_view()

    def _fitting(self, before: network.Head, fields: dict[str, Any]) -> dict[str, Any]:
        """Take along what a change leaves without sense: the task of another column, a loss of another task."""
        told = dict(fields)
        if "target" in fields and "task" not in fields:
            target = self.experiment.targets().get(fields["target"] or self.own)
            if target is not None and target.tasks and before.task not in target.tasks:
                told["task"] = target.tasks[0]
        task = told.get("task", before.task)
        if "loss" not in told and before.loss:
            entry = LOSSES.get(before.loss)
            if entry is not None and task not in entry.tasks:
                told["loss"] = ""
        if told.get("loss", before.loss) != before.loss and "options" not in fields:
            told["options"] = {}
        elif isinstance(fields.get("options"), dict):
            told["options"] = {**before.options, **fields["options"]}
        return told

    @serves("spec.undo")
    def _undo(self, body: dict[str, Any]) -> None:
        self.experiment.undo()
        self.update_view()

    @serves("spec.redo")
    def _redo(self, body: dict[str, Any]) -> None:
        self.experiment.redo()
        self.update_view()

    def static_html(self) -> str:
        """Return the heads as a table."""
        experiment = self.experiment
        if not experiment.algorithm.has_layers:
            return section("Heads", sentence(f"{experiment.algorithm.name} has no heads to choose."))
        columns = ("head", "target", "task", "on", "loss", "weight")
        top = join(*(Html(f'<th scope="col">{name}</th>') for name in columns))
        lines = []
        for number, head in enumerate(experiment.heads):
            loss = LOSSES.get(head.loss) or default_loss(head.task)
            options = ", ".join(f"{name} {value}" for name, value in head.options.items())
            weight = "by uncertainty" if head.weight == "uncertainty" else f"{head.weight:g}"
            cells = (
                head.target or self.own,
                head.task,
                head.at or "the last layer",
                loss.name + (f" ({options})" if options else ""),
                weight,
            )
            body = join(*(join(Html("<td>"), escape(cell), Html("</td>")) for cell in cells))
            lines.append(
                join(Html('<tr><th scope="row">'), escape(head.name or f"head {number + 1}"), Html("</th>"), body)
            )
        table = join(
            Html('<div class="mwr-scroll"><table class="mwr-table"><thead><tr>'),
            top,
            Html("</tr></thead><tbody>"),
            *lines,
            Html("</tbody></table></div>"),
        )
        count = len(experiment.heads)
        return section("Heads", card(f"{count} head{'' if count == 1 else 's'}", table))


def _full(head: network.Head) -> dict[str, Any]:
    """Return every field of a head, as a form shows it."""
    return {
        "task": head.task,
        "name": head.name,
        "target": head.target,
        "at": head.at,
        "loss": head.loss,
        "usual_loss": default_loss(head.task).name,
        "weight": head.weight,
        "options": dict(head.options),
    }
