"""Your own algorithms, layers, activations, losses, optimizers and data sets: one decorated function or class each.

What is registered is in the widgets, the specification, ``to_code()``, papermill and the workspace like what the
package brings. An id that is taken is refused; a cell that runs again replaces what it registered before.

Printed scripts hold the source of what they use, so that they run without this package: it may use modules and what is
imported from them, and no other name from outside. A specification names what it uses by id: to open it elsewhere,
register the same there first. What a training process is to use has to stand in a module that can be imported; what a
notebook's cell registers trains in a thread, and ``worker="process"`` is refused for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from . import registered
from .algorithms import own
from .algorithms import register as _add_algorithm
from .algorithms import unregister as _drop_algorithm
from .algorithms.base import Algorithm
from .algorithms.perceptron_parameters import OPTIMIZERS
from .algorithms.registry import list_ as _algorithms
from .algorithms.registry import replace as _replace_algorithm
from .data.builtin import BUILTIN
from .errors import InputError, SpecError, hint
from .network import LAYER_KINDS, LOSSES, register_loss
from .network.losses import CUSTOM
from .network.losses import TASKS as LOSS_TASKS
from .network.registering import (
    activation_taken,
    install_activation,
    install_layer,
    remove_activation,
    unregister_layer,
)
from .parameters import Parameter, ParameterTable
from .registered import Entry, text_of
from .signatures import arguments_of, check_callable, table_of, try_optimizer

__all__ = ["activation", "algorithm", "dataset", "layer", "list", "loss", "optimizer", "remove"]

T = TypeVar("T", bound=Callable[..., Any])

_SIZES = {"in_features": "features", "shape": "shape", "input_shape": "shape", "shapes": "shapes"}
"""What the first argument of a layer's class may be called."""


def algorithm(
    id: str,
    *,
    name: str = "",
    help: str = "",
    parameters: Sequence[Parameter] | None = None,
    tasks: str | Sequence[str] | None = None,
    category: str | Sequence[str] = own.OWN_CATEGORY,
    when: str = "Where its author recommends it.",
    when_not: str = "Where one of the package's own does as well.",
) -> Callable[[T], T]:
    """Register an estimator: a decorator of a class, or of a function that returns one.

    Parameters
    ----------
    id : str
        The name in specifications.
    name, help : str
        For a person; from the id and the docstring when empty.
    parameters : sequence of Parameter, optional
        Its hyperparameters; from the signature's annotations and defaults when left out.
    tasks : {"classification", "regression"} or both, optional
        What it does; for a class told from scikit-learn's mixins, or from ``predict_proba``.
    category : str or sequence of str
        Its place in the browser's tree.
    when, when_not : str
        When to use it, and when another is the better choice.

    Notes
    -----
    The class has ``fit(X, y)``, ``predict(X)`` and, for classification, ``predict_proba(X)`` and ``classes_``, with
    numpy arrays: X float32, y int64 positions of classes or float32 numbers. Its constructor takes the hyperparameters
    as keyword arguments, and the seed where it has an argument ``random_state`` or ``seed``. A function takes the same
    arguments, or a single one called ``values``: all of them as a dict.

    Raises
    ------
    SpecError
        For an id that is taken, or what cannot be an algorithm.

    Examples
    --------
    >>> @register.algorithm("nearest_mean", help="Takes the class with the nearest mean.")
    ... class NearestMean:
    ...     def __init__(self, shrink: float = 0.0): ...
    ...     def fit(self, X, y): ...
    ...     def predict(self, X): ...
    ...     def predict_proba(self, X): ...
    """

    def decorate(made: T) -> T:
        title = f"The algorithm {id!r}"
        check_callable(made, title)
        arguments = arguments_of(made)
        takes = "values" if not isinstance(made, type) and [*arguments] == ["values"] else "keywords"
        seed = next((s for s in own.SEEDS if s in arguments), "")
        table = table_of(made, parameters, () if takes == "keywords" else ("values",), (seed,), title)
        entry = _entry("algorithm", id, name, help, made, table, {"takes": takes, "seed": seed})
        path = (category,) if isinstance(category, str) else tuple(category)
        found = own.own_algorithm(entry, own.tasks_of(made, tasks, title), path, when, when_not)
        registered.add(
            entry,
            lambda id: any(a.id == id for a in _algorithms()),
            lambda before: _install_algorithm(found, before),
        )
        return made

    return decorate


def _install_algorithm(found: Algorithm, before: Entry | None) -> None:
    if before is None:
        _add_algorithm(found)
    else:
        _replace_algorithm(found)


def layer(
    id: str,
    *,
    name: str = "",
    help: str = "",
    parameters: Sequence[Parameter] | None = None,
    inputs: int | tuple[int, int | None] = 1,
) -> Callable[[T], T]:
    """Register a layer: a decorator of a class of ``torch.nn.Module``.

    Parameters
    ----------
    id, name, help, parameters
        As of `algorithm`; the parameters are keyword arguments of the constructor.
    inputs : int or (int, int or None)
        How many tensors ``forward`` takes: the number, or the least and the most.

    Notes
    -----
    The constructor's first argument says what it is told of its input: ``in_features``, the last size; ``shape``, all
    sizes without the batch; ``shapes``, those of several inputs as ``*shapes``; any other name, nothing. What comes out
    is found on torch's meta device, or by running a few rows of zeros.

    Raises
    ------
    SpecError
        For an id that is taken, or what cannot be a layer.

    Examples
    --------
    >>> @register.layer("scale", help="Multiplies each feature by a learned number.")
    ... class Scale(nn.Module):
    ...     def __init__(self, in_features: int, start: float = 1.0):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(torch.full((in_features,), start))
    ...     def forward(self, x):
    ...         return x * self.factor
    """
    takes = (inputs, inputs) if isinstance(inputs, int) else inputs

    def decorate(made: T) -> T:
        from torch import nn

        title = f"The layer {id!r}"
        if not (isinstance(made, type) and issubclass(made, nn.Module)):
            raise SpecError(f"{title} has to be a class of torch.nn.Module; {made!r:.80} came.")
        first = next(iter(arguments_of(made)), "")
        size = _SIZES.get(first)
        sized: bool | Literal["features"] = "features" if size == "features" else size is not None
        table = table_of(made, parameters, (first,) if size else (), (), title)
        own_names = {"name", "inputs", "init", "frozen", "kind", "options"} & set(table)
        if own_names:
            raise SpecError(f"{title} has a parameter {min(own_names)!r}, which every layer has; call it otherwise.")
        entry = _entry("layer", id, name, help, made, table)
        registered.add(entry, LAYER_KINDS.__contains__, lambda before: install_layer(entry, table, takes, sized))
        return made

    return decorate


def activation(id: str, *, name: str = "", help: str = "") -> Callable[[T], T]:
    """Register an activation: a decorator of a function of a tensor, or of a class of modules without arguments.

    It returns a tensor of the same shape, each row by itself.

    Raises
    ------
    SpecError
        For an id that is taken, or where it does something else with a few rows that it is tried on.

    Examples
    --------
    >>> @register.activation("soft_step", help="Bends softly at 0 and 1.")
    ... def soft_step(x):
    ...     return torch.sigmoid(4 * x - 2)
    """

    def decorate(made: T) -> T:
        check_callable(made, f"The activation {id!r}")
        entry = _entry("activation", id, name, help, made, ParameterTable(()))
        registered.add(entry, activation_taken, lambda before: install_activation(entry))
        return made

    return decorate


def loss(
    id: str,
    *,
    name: str = "",
    help: str = "",
    tasks: str | Sequence[str] = LOSS_TASKS,
    parameters: Sequence[Parameter] | None = None,
) -> Callable[[T], T]:
    """Register a loss: a decorator of a function of outputs and targets; heads name it ``"custom:<id>"``.

    Parameters
    ----------
    id, name, help
        As of `algorithm`.
    tasks : {"classification", "regression"} or both
        What it serves.
    parameters : sequence of Parameter, optional
        Its further arguments, which heads set; from the signature when left out.

    Notes
    -----
    It returns the loss of each row. For classification outputs are logits of shape (rows, classes) and targets int64
    classes; for regression both have the shape (rows,), the targets at mean 0 and spread 1.

    Raises
    ------
    SpecError
        For an id that is taken, or what cannot be a loss.

    Examples
    --------
    >>> @register.loss("log_cosh", tasks="regression", help="Squared near 0, absolute far away.")
    ... def log_cosh(outputs, targets, sharpness: float = 1.0):
    ...     return (sharpness * (outputs - targets)).cosh().log() / sharpness
    """
    served = (tasks,) if isinstance(tasks, str) else tuple(tasks)

    def decorate(made: T) -> T:
        title = f"The loss {id!r}"
        check_callable(made, title)
        first = tuple(arguments_of(made))[:2]
        if len(first) < 2:
            raise SpecError(f"{title} has to be a function of outputs and targets.")
        table = table_of(made, parameters, first, (), title)
        entry = _entry("loss", id, name, help, made, table)
        registered.add(
            entry,
            lambda id: id in LOSSES or CUSTOM + id in LOSSES,
            lambda before: register_loss(
                id, made, tasks=served, help=entry.help, title=entry.name, parameters=table.parameters
            ),
        )
        return made

    return decorate


def optimizer(
    id: str, *, name: str = "", help: str = "", parameters: Sequence[Parameter] | None = None
) -> Callable[[T], T]:
    """Register an optimizer: a decorator of a class of ``torch.optim.Optimizer``.

    It is then a choice of ``optimizer`` in every neural network; its parameters are further hyperparameters there,
    ``<id>_<parameter>``.

    Parameters
    ----------
    id, name, help, parameters
        As of `algorithm`; the constructor takes the parameters of the network first, then ``lr``, and
        ``weight_decay`` where it knows one. These are not among ``parameters``.

    Notes
    -----
    It gets the network's own tensors, layer by layer, and changes them in place in ``step()``, which is called without
    a closure. Schedules set ``lr`` in its groups before each step. What it keeps in ``state`` and ``param_groups``, as
    torch's own do, is in the checkpoints, so that a run goes on bit for bit; other attributes are not.

    Raises
    ------
    SpecError
        For an id that is taken, or where it changes nothing or raises in a step on a few weights.

    Examples
    --------
    >>> @register.optimizer("sign_descent", help="Steps of one size, in the direction of the gradient's sign.")
    ... class SignDescent(torch.optim.Optimizer):
    ...     def __init__(self, params, lr: float = 0.01):
    ...         super().__init__(params, {"lr": lr})
    ...     @torch.no_grad()
    ...     def step(self, closure=None):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 if p.grad is not None:
    ...                     p.add_(p.grad.sign(), alpha=-group["lr"])
    """

    def decorate(made: T) -> T:
        import torch

        title = f"The optimizer {id!r}"
        if not (isinstance(made, type) and issubclass(made, torch.optim.Optimizer)):
            raise SpecError(f"{title} has to be a class of torch.optim.Optimizer; {made!r:.80} came.")
        arguments = tuple(arguments_of(made))
        if "lr" not in arguments:
            raise SpecError(f"{title} has no argument lr; schedules set it before each step.")
        table = table_of(made, parameters, arguments[:1], ("lr", "weight_decay"), title)
        try_optimizer(made, table, title)
        entry = _entry("optimizer", id, name, help, made, table)
        registered.add(entry, OPTIMIZERS.__contains__, lambda before: own.offer(entry, before))
        return made

    return decorate


def dataset(
    id: str,
    *,
    name: str = "",
    help: str = "",
    target: str | None = None,
    parameters: Sequence[Parameter] | None = None,
) -> Callable[[T], T]:
    """Register a table: a decorator of a function that returns a DataFrame.

    ``mw.load_dataset(id, option=…)`` loads it; a specification names it by id and options, so that it is made again
    where the specification is opened. The same options have to give the same table.

    Parameters
    ----------
    id, name, help, parameters
        As of `algorithm`; the parameters are the options.
    target : str, optional
        The column that is the target when none is given.

    Raises
    ------
    SpecError
        For an id that is taken, or what cannot be a table.

    Examples
    --------
    >>> @register.dataset("waves", target="height", help="A sine wave with noise.")
    ... def waves(rows: int = 200, noise: float = 0.1):
    ...     rng = np.random.default_rng(0)
    ...     x = rng.uniform(0, 6, rows)
    ...     return pd.DataFrame({"x": x, "height": np.sin(x) + rng.normal(0, noise, rows)})
    """

    def decorate(made: T) -> T:
        title = f"The data set {id!r}"
        check_callable(made, title)
        table = table_of(made, parameters, (), (), title)
        reserved = {"source", "target", "names", "exclude", "roles", "missing", "name"} & set(table)
        if reserved:
            raise SpecError(f"{title} has an option {min(reserved)!r}, which load_dataset has too; call it otherwise.")
        entry = _entry("dataset", id, name, help, made, table, {"target": target})
        registered.add(entry, BUILTIN.__contains__, lambda before: None)
        return made

    return decorate


def remove(kind: str, id: str) -> None:
    """Take out what was registered; what trains with it goes on.

    Parameters
    ----------
    kind : {"algorithm", "layer", "activation", "loss", "optimizer", "dataset"}
    id : str

    Raises
    ------
    InputError
        Where there is nothing of the kind by that id.
    """
    registered.remove(kind, id, lambda entry: _REMOVERS[kind](entry))


def list(kind: str | None = None) -> Sequence[dict[str, str]]:
    """Return what was registered: ``{"kind", "id", "name", "help", "module"}`` of each, of one kind if it is given.

    Raises
    ------
    InputError
        For a kind that there is not.
    """
    if kind is not None and kind not in registered.KINDS:
        raise InputError(f"There is no kind {kind!r} to register. {hint(str(kind), registered.KINDS)}")
    return [
        {"kind": e.kind, "id": e.id, "name": e.name, "help": e.help, "module": e.module}
        for one in registered.KINDS
        if kind in (None, one)
        for e in registered.entries(one)
    ]


def _drop_own_algorithm(entry: Entry) -> None:
    # somebody may have taken it out of the registry itself
    if any(a.id == entry.id for a in _algorithms()):
        _drop_algorithm(entry.id)


_REMOVERS: dict[str, Callable[[Entry], Any]] = {
    "algorithm": _drop_own_algorithm,
    "layer": lambda entry: unregister_layer(entry.id),
    "activation": lambda entry: remove_activation(entry.id),
    "loss": lambda entry: LOSSES.pop(CUSTOM + entry.id, None),
    "optimizer": own.withdraw,
    "dataset": lambda entry: None,
}


def _entry(
    kind: registered.Kind, id: str, name: str, help: str, made: Any, table: ParameterTable, facts: Any = None
) -> Entry:
    registered.check_id(kind, id)
    words = help or re.sub(r"\s+", " ", (made.__doc__ or "").split("\n\n")[0]).strip()
    title = name or id.replace("_", " ").capitalize()
    return Entry(
        kind, id, title, words or f"{title}, registered by {made.__module__}.", made, table, text_of(made), facts or {}
    )
