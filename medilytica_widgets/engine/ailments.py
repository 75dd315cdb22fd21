"""The parts of a diagnosis: its words, the names of layers, and when it is told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..network.analysis import analyse
from ..network.kinds import checked
from ..network.spec import Head, Layer
from .log import Level

TOO_LARGE = ("diverging_loss", "exploding_gradients", "large_updates")
"""Kinds that have one cause, steps that are too large; only the first that shows is told."""

_OVER = {
    "vanishing_gradients": "The gradient reaches the early layers again.",
    "exploding_gradients": "The gradient is back to an ordinary size.",
    "large_updates": "The steps are back to an ordinary size.",
    "small_updates": "The steps are large enough to learn now.",
    "dead_units": "Fewer than 20 % of any layer's units are dead now.",
    "saturated_units": "Fewer than 20 % of any layer's units are saturated now.",
    "diverging_loss": "The training loss has come back down.",
    "overfitting": "The validation loss is back near its best.",
    "no_learning": "The network has begun to learn.",
    "plateau": "The training loss falls again.",
}


@dataclass(frozen=True)
class Diagnosis:
    """Something that was noticed about a run.

    Parameters
    ----------
    kind : str
        Stable, one of "vanishing_gradients", "exploding_gradients", "large_updates", "small_updates", "dead_units",
        "saturated_units", "diverging_loss", "overfitting", "no_learning", "plateau".
    level : {"info", "warning"}
        "info" also where one is over.
    message : str
        What was noticed, with layer and numbers.
    advice : str
        What to try; empty where one is over.
    """

    kind: str
    level: Level
    message: str
    advice: str


@dataclass(frozen=True)
class LayerNote:
    """A layer with weights, as a person knows it.

    Parameters
    ----------
    parameter : int
        Index of its weight among the network's parameters.
    title : str
        For example "layer 2 (64 units, relu)".
    activation : str
        What follows it; empty for none.
    """

    parameter: int
    title: str
    activation: str


def layer_notes(layers: Sequence[Layer], n_inputs: int, n_outputs: int) -> tuple[LayerNote, ...]:
    """Return the linear layers of a stack and the output layer, counted from 1 as in the stack's specification.

    Raises
    ------
    ShapeError
        For a layer that does not exist.
    """
    notes: list[LayerNote] = []
    parameter = 0
    rows = analyse(layers, n_inputs, Head("regression"), 1).rows
    for index, (layer, row) in enumerate(zip(layers, rows, strict=True)):
        options = checked(layer.kind, layer.options, index)[1]
        if layer.kind == "linear" and row.tensors:
            activation = _activation(options["activation"])
            notes.append(LayerNote(parameter, _title(index, options["units"], activation), activation))
        elif layer.kind == "activation" and notes and not notes[-1].activation:
            name = _activation(options["name"])
            before = notes[-1]
            notes[-1] = LayerNote(before.parameter, before.title.replace(" units)", f" units, {name})"), name)
        parameter += row.tensors
    outputs = "1 output" if n_outputs == 1 else f"{n_outputs} outputs"
    return (*notes, LayerNote(parameter, f"the output layer ({outputs})", ""))


def _activation(name: str) -> str:
    return "" if name == "none" else name


def _title(index: int, units: int, activation: str) -> str:
    width = "1 unit" if units == 1 else f"{units} units"
    return f"layer {index + 1} ({width}{f', {activation}' if activation else ''})"


@dataclass
class Watch:
    """When one ailment is told: after ``raise_after`` bad looks in a row, and over after ``clear_after`` fine ones.

    A higher severity than the one that was told is told again.
    """

    raise_after: int
    clear_after: int
    bad: int = 0
    good: int = 0
    told: int = 0

    def look(self, severity: int, fine: bool, at_once: bool = False) -> str:
        """Take in one look and return "told", "over" or "".

        Parameters
        ----------
        severity : int
            0 for none, 1, or 2 for severe.
        fine : bool
            Whether it is well on the healthy side; between the two nothing begins and nothing ends.
        at_once : bool
            Whether one bad look is enough.
        """
        if severity:
            self.bad, self.good = self.bad + 1, 0
            if severity > self.told and (self.bad >= self.raise_after or at_once):
                self.told = severity
                return "told"
            return ""
        self.bad = 0
        self.good = self.good + 1 if fine else 0
        if self.told and self.good >= self.clear_after:
            self.told = 0
            return "over"
        return ""


@dataclass
class Course:
    """What the doctor keeps of the losses so far."""

    rows: int = 0
    first: float = math.nan
    best: float = math.inf
    best_epoch: float = 0.0
    rising: int = 0
    last: float = math.nan
    rate: float = math.nan
    steps: int = 0
    validation: list[float] = field(default_factory=list)
    val_best: float = math.inf
    val_best_epoch: float = 0.0
    train_then: float = math.nan
    norms: list[float] = field(default_factory=list)
    born: list[float] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name; numbers that are not finite become "nan", "inf" or "-inf"."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Course:
        """Return the course that `to_json` gave; raises KeyError, TypeError or ValueError for anything else."""
        course = cls()
        for name, value in asdict(course).items():
            given = values[name]
            setattr(course, name, [float(v) for v in given] if isinstance(value, list) else type(value)(given))
        return course


def over(kind: str) -> str:
    """Return the sentence that says that an ailment is over."""
    return _OVER[kind]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def prior_loss(
    target: ArrayLike,
    n_classes: int,
    class_weights: ArrayLike | None = None,
    label_smoothing: float = 0.0,
) -> float:
    """Return the loss of the best constant answer, in the units of a run's history.

    Parameters
    ----------
    target : array of int, shape (rows,)
        Positions of classes; for regression it is not looked at.
    n_classes : int
        0 for regression, whose target is scaled to a variance of 1 and so to a prior loss of 1.
    class_weights : array of shape (n_classes,), optional
    label_smoothing : float
        As of `torch.nn.functional.cross_entropy`. Without both this is the entropy of the classes, in nats.
    """
    if not n_classes:
        return 1.0
    counts = np.bincount(np.asarray(target, dtype=np.int64), minlength=n_classes).astype(np.float64)
    weights = np.ones(n_classes) if class_weights is None else np.asarray(class_weights, dtype=np.float64)
    total = float(counts @ weights)
    if total <= 0:
        return 0.0
    share = (
        1 - label_smoothing
    ) * weights * counts / total + label_smoothing / n_classes * weights * counts.sum() / total
    kept = share[share > 0]
    return float(-(kept * np.log(kept / kept.sum())).sum())


def more_layers(layers: int) -> str:
    """Return the words for further layers of which the same is true."""
    return "" if layers < 1 else f" (and so it is in {layers} more layer{'s' if layers > 1 else ''})"


def tenth(settings: Mapping[str, Any]) -> str:
    """Return the words that name the learning rate and a tenth of it; nothing where it is not known."""
    rate = settings.get("learning_rate")
    return "" if rate is None else f", now {rate:g}, for example to {rate / 10:g}"


def raised(settings: Mapping[str, Any], update: float) -> str:
    """Return the words that name the learning rate and the power of ten with which ``update`` would be near 1e-3."""
    rate = settings.get("learning_rate")
    if not rate or not update > 0:
        return ""
    return f", now {rate:g}, for example to {10.0 ** round(math.log10(rate * 1e-3 / update)):g}"
