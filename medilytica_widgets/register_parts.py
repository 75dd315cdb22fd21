"""Parts of networks that people register: layers, activations, losses and optimizers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from . import registered
from .algorithms import own
from .algorithms.perceptron_parameters import OPTIMIZERS
from .errors import SpecError
from .network import LAYER_KINDS, LOSSES, register_loss
from .network.losses import CUSTOM
from .network.losses import TASKS as LOSS_TASKS
from .network.registering import activation_taken, install_activation, install_layer
from .parameters import Parameter, ParameterTable
from .signatures import arguments_of, check_callable, entry_of, table_of, try_optimizer

T = TypeVar("T", bound=Callable[..., Any])

_SIZES = {"in_features": "features", "shape": "shape", "input_shape": "shape", "shapes": "shapes"}
"""What the first argument of a layer's class may be called."""


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
        entry = entry_of("layer", id, name, help, made, table)
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
        entry = entry_of("activation", id, name, help, made, ParameterTable(()))
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
        entry = entry_of("loss", id, name, help, made, table)
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
        entry = entry_of("optimizer", id, name, help, made, table)
        registered.add(entry, OPTIMIZERS.__contains__, lambda before: own.offer(entry, before))
        return made

    return decorate
