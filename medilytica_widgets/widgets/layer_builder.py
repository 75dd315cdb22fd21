"""The network's stack of layers, to be shaped by hand."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import traitlets
from pydantic import ValidationError

from .. import network
from ..errors import SpecError, hint
from ..report import card, escape, grouped, join, section, sentence
from ..report.html import Html
from ._base import BaseWidget, experiment_of, serves

if TYPE_CHECKING:
    from ..experiment import Experiment


class LayerBuilder(BaseWidget):
    """The layers of an experiment's network: add, remove, reorder, and set their options.

    Shapes and parameter counts follow at once. A stack that cannot be is kept as a draft and says what is
    wrong at the layer; training refuses it.

    Parameters
    ----------
    experiment : Experiment
    """

    network = traitlets.Dict(help="The stack, its shapes and counts, and its first error").tag(sync=True)
    kinds: traitlets.List[Any] = traitlets.List(help="The layer kinds with their parameter tables").tag(sync=True)
    templates: traitlets.List[Any] = traitlets.List(help="Stacks to start from: name and kinds of layers").tag(
        sync=True
    )
    uses_layers = traitlets.Bool(help="Whether the chosen algorithm has layers").tag(sync=True)
    algorithm = traitlets.Unicode(help="Name of the chosen algorithm").tag(sync=True)
    pending = traitlets.Bool(help="Whether the stack was edited and counts only from the next run").tag(sync=True)
    revision = traitlets.Int(help="Another number whenever the standalone script may differ").tag(sync=True)
    can_undo = traitlets.Bool().tag(sync=True)
    can_redo = traitlets.Bool().tag(sync=True)

    def __init__(self, experiment: Experiment, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        super().__init__(**kwargs)
        with self.together():
            self.kinds = network.layer_kinds()
            self.templates = [
                {"name": name, "layers": [layer.kind for layer in layers]}
                for name, layers in network.templates().items()
            ]
            self.update_view()
        self.follow(experiment.changed, self.mark)
        self.follow(experiment.run_added, self.mark)
        self.follow(experiment.run_ended, self.mark)
        self.follow(experiment.run_ended, self.refresh_static)

    def update_view(self) -> None:
        """Bring the stack, its analysis and the undo state up to date."""
        with self.together():
            experiment = self.experiment
            chosen = experiment.algorithm
            self.algorithm = chosen.name
            self.uses_layers = chosen.uses_layers
            self.network = self._network() if chosen.uses_layers else {}
            self.pending = "layers" in experiment.pending()
            self.revision = zlib.crc32(experiment.spec.model_dump_json().encode())
            self.can_undo = experiment.can_undo
            self.can_redo = experiment.can_redo

    def _network(self) -> dict[str, Any]:
        experiment = self.experiment
        # the analysis of exactly these layers: another thread may edit between two questions
        layers = experiment.layers
        prepared = experiment.prepared()
        inputs = len(prepared.feature_names)
        outputs = len(prepared.classes) if experiment.task == "classification" else 1
        analysis = network.analyse(layers, inputs, experiment.head, outputs)
        return {
            **analysis.to_json(),
            "layers": [layer.to_json() for layer in layers],
            "inputs": inputs,
            "outputs": outputs,
            "task": experiment.task,
        }

    @serves("layers.add")
    def _add(self, body: dict[str, Any]) -> None:
        self.experiment.add_layer(body["index"], _layer(body["layer"]), strict=False)
        self.update_view()

    @serves("layers.remove")
    def _remove(self, body: dict[str, Any]) -> None:
        self.experiment.remove_layer(body["index"], strict=False)
        self.update_view()

    @serves("layers.move")
    def _move(self, body: dict[str, Any]) -> None:
        self.experiment.move_layer(body["index"], body["to"], strict=False)
        self.update_view()

    @serves("layers.update")
    def _update(self, body: dict[str, Any]) -> None:
        self.experiment.update_layer(body["index"], strict=False, **body["options"])
        self.update_view()

    @serves("layers.template")
    def _template(self, body: dict[str, Any]) -> None:
        stacks = network.templates()
        if body["name"] not in stacks:
            raise SpecError(f"There is no template {body['name']!r}. {hint(body['name'], stacks)}")
        self.experiment.set_layers(stacks[body["name"]], strict=False)
        self.update_view()

    @serves("spec.undo")
    def _undo(self, body: dict[str, Any]) -> None:
        self.experiment.undo()
        self.update_view()

    @serves("spec.redo")
    def _redo(self, body: dict[str, Any]) -> None:
        self.experiment.redo()
        self.update_view()

    @serves("code.read")
    def _code(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"code": self.experiment.to_code()}

    def static_html(self) -> str:
        """Return the stack as a table, with shapes and counts."""
        chosen = self.experiment.algorithm
        if not chosen.uses_layers:
            return section("Network", sentence(f"{chosen.name} has no layers."))
        found = self._network()
        rows = [("Input", "", found["inputs"], 0, "")]
        for layer, row in zip(found["layers"], found["rows"], strict=True):
            options = ", ".join(f"{name} {value}" for name, value in layer["options"].items())
            rows.append((row["name"], options, _width(row), row["parameters"], row["error"]))
        head = found["head"]
        rows.append((head["name"], "", _width(head), head["parameters"], head["error"]))
        total = f"{grouped(found['total_parameters'])} parameters"
        problem = sentence(found["error"], "error") if found["error"] else None
        return section("Network", card(total, _table(rows), problem))


def _layer(plain: dict[str, Any]) -> network.Layer:
    try:
        return network.Layer.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "layer"
        raise SpecError(f"A layer is a kind and its options; at {where}: {first['msg']}.") from None


def _width(row: dict[str, Any]) -> Any:
    return row["output_shape"][0] if row["output_shape"] else None


def _table(rows: list[tuple[str, str, Any, int, str]]) -> Html:
    heads = join(*(Html(f'<th scope="col">{name}</th>') for name in ("layer", "options", "width", "parameters")))
    lines = []
    for name, options, width, parameters, _ in rows:
        cells = (
            escape(options),
            escape("–" if width is None else grouped(width)),
            escape(grouped(parameters) if parameters else "–"),
        )
        body = join(Html(f"<td>{cells[0]}</td>"), *(Html(f'<td class="mwr-number">{cell}</td>') for cell in cells[1:]))
        lines.append(join(Html('<tr><th scope="row">'), name, Html("</th>"), body, Html("</tr>")))
    return join(
        Html('<div class="mwr-scroll"><table class="mwr-table"><thead><tr>'),
        heads,
        Html("</tr></thead><tbody>"),
        *lines,
        Html("</tbody></table></div>"),
    )
