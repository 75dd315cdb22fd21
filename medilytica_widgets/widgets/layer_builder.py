"""The network's stack of layers, to be shaped by hand."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import traitlets
from pydantic import ValidationError

from .. import network, registered
from ..errors import InputError, SpecError, hint
from ..network.torch_classes import torch_classes
from ..network_editor import INITS
from ..report import card, escape, grouped, join, section, sentence
from ..report.html import Html
from ._base import BaseWidget, experiment_of, serves

if TYPE_CHECKING:
    import torch

    from ..algorithms import Algorithm
    from ..experiment import Experiment

_MOST_LAYERS = 500
_LONGEST_HELP = 400


class LayerBuilder(BaseWidget):
    """The layers of an experiment's network: add, remove, reorder, connect, name, and set their options.

    Shapes, parameter counts and memory follow at once. A stack that cannot be is kept as a draft and says
    what is wrong at the layer; training refuses it. Stacks are read from JSON or from a torch module (`load`)
    and written as code, JSON and a picture.

    Parameters
    ----------
    experiment : Experiment
    """

    network = traitlets.Dict(help="The stack, its shapes and counts, and its first error").tag(sync=True)
    kinds: traitlets.List[Any] = traitlets.List(help="The layer kinds with their parameter tables").tag(sync=True)
    inits: traitlets.List[Any] = traitlets.List(help="How a layer's weights may begin").tag(sync=True)
    templates: traitlets.List[Any] = traitlets.List(help="Stacks to start from: name and kinds of layers").tag(
        sync=True
    )
    uses_layers = traitlets.Bool(help="Whether the chosen algorithm has layers").tag(sync=True)
    fixed = traitlets.Unicode(help="Why the stack is only shown; empty where it can be edited").tag(sync=True)
    algorithm = traitlets.Unicode(help="Name of the chosen algorithm").tag(sync=True)
    pending = traitlets.Bool(help="Whether the stack was edited and counts only from the next run").tag(sync=True)
    revision = traitlets.Int(help="Another number whenever the standalone script may differ").tag(sync=True)
    can_undo = traitlets.Bool().tag(sync=True)
    can_redo = traitlets.Bool().tag(sync=True)

    def __init__(self, experiment: Experiment, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        super().__init__(**kwargs)
        with self.together():
            self.inits = list(INITS)
            self.templates = [
                {"name": name, "layers": [layer.kind for layer in layers]}
                for name, layers in network.templates().items()
            ]
            self.update_view()
        self.follow(experiment.changed, self.mark)
        self.follow(experiment.run_added, self.mark)
        self.follow(experiment.run_ended, self.mark)
        self.follow(experiment.run_ended, self.refresh_static)
        self.follow(registered.changed, self.mark)

    def update_view(self) -> None:
        """Bring the menu, the stack, its analysis and the undo state up to date."""
        with self.together():
            # somebody may register a layer or an activation while the menu is shown
            self.kinds = network.layer_kinds()
            experiment = self.experiment
            chosen = experiment.algorithm
            self.algorithm = chosen.name
            self.uses_layers = chosen.has_layers
            self.fixed = _fixed(chosen)
            self.network = self._network() if chosen.has_layers else {}
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
        plain = experiment.analysis(layers).to_json()
        return {
            **plain,
            "layers": [layer.to_json() for layer in layers],
            "heads": [head.to_json() for head in experiment.heads],
            "head_rows": plain["heads"],
            "inputs": inputs,
            "outputs": outputs,
            "task": experiment.task or "",
        }

    def load(self, module: torch.nn.Module) -> LayerBuilder:
        """Take the stack of a torch module, and return the builder.

        Parameters
        ----------
        module : torch.nn.Module
            Of layers that follow each other. Its weights are not taken, only what it is made of.

        Raises
        ------
        ShapeError, InputError
            For a module that is no stack of known layers; the stack that stood before stays.
        """
        layers_of = getattr(network, "layers_of", None)
        if layers_of is None:
            raise InputError("This version cannot read torch modules; give the layers as mw.Layer objects.")
        self.experiment.set_layers(layers_of(module), strict=False)
        self.update_view()
        return self

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

    @serves("layers.duplicate")
    def _duplicate(self, body: dict[str, Any]) -> None:
        self.experiment.duplicate_layer(body["index"], strict=False)
        self.update_view()

    @serves("layers.configure")
    def _configure(self, body: dict[str, Any]) -> None:
        self.experiment.configure_layer(body["index"], strict=False, **body["fields"])
        self.update_view()

    @serves("layers.connect")
    def _connect(self, body: dict[str, Any]) -> None:
        self.experiment.connect_layer(body["index"], body["source"], body["connected"], strict=False)
        self.update_view()

    @serves("layers.replace")
    def _replace(self, body: dict[str, Any]) -> None:
        given = body["layers"]
        if len(given) > _MOST_LAYERS:
            raise SpecError(f"{len(given):,} layers came; a stack has at most {_MOST_LAYERS}.")
        self.experiment.set_layers([_layer(plain) for plain in given], strict=False)
        self.update_view()

    @serves("layers.own")
    def _own(self, body: dict[str, Any]) -> None:
        self.experiment.to_layers()
        self.update_view()

    @serves("layers.signature")
    def _signature(self, body: dict[str, Any]) -> dict[str, Any]:
        classes = {known["name"]: known for known in torch_classes()}
        name = body["name"].strip().removeprefix("torch.").removeprefix("nn.")
        if not name:
            return {"names": list(classes)}
        if name not in classes:
            raise InputError(f"torch.nn has no layer {name!r}. {hint(name, classes)}")
        return {**classes[name], "help": classes[name]["help"][:_LONGEST_HELP]}

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
        if not chosen.has_layers:
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
        fixed = sentence(_fixed(chosen)) if chosen.network is not None else None
        return section("Network", card(total, fixed, _table(rows), problem))


def _fixed(chosen: Algorithm) -> str:
    """Say why a stack is only shown; an empty string where it can be edited."""
    if chosen.network is None:
        return ""
    return (
        f"These layers follow from the hyperparameters of {chosen.name}. Change those, or make the layers your own "
        "(in Python: exp.to_layers()): the algorithm is then a perceptron of these very layers."
    )


def _layer(plain: dict[str, Any]) -> network.Layer:
    try:
        return network.Layer.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "layer"
        said = str(first["msg"]).removeprefix("Value error, ").removesuffix(".")
        raise SpecError(f"A layer is a kind and its options; at {where}: {said}.") from None


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
