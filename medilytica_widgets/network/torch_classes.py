"""Any class of torch.nn by name, its arguments checked against its signature. Loads torch when asked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from ..errors import hint
from .parts import Misfit, Part, plain_value

MOST_LAYERS = 100
"""Layers within one module: each is a module of its own, and millions of them would take minutes to make."""

_NOT_OURS = ("device", "dtype")
_COUNTS = ("num_layers", "num_encoder_layers", "num_decoder_layers")
_CONTAINERS = ("Module", "Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential")


@functools.cache
def _classes() -> dict[str, type]:
    from torch import nn

    return {
        name: value
        for name in dir(nn)
        if isinstance(value := getattr(nn, name), type)
        and issubclass(value, nn.Module)
        and name not in _CONTAINERS
        and not name.startswith(("_", "Lazy"))
        # losses judge answers, and the others spread one network over several devices
        and not name.endswith(("Loss", "DataParallel"))
    }


def torch_classes() -> list[dict[str, Any]]:
    """Return every class that a layer can name.

    Returns
    -------
    list of dict
        ``{"name", "help", "arguments"}`` in the order of the alphabet; an argument is
        ``{"name", "required", "default"}``, its default as it is written in Python.
    """
    found = []
    for name, cls in sorted(_classes().items()):
        text = inspect.getdoc(cls) or ""
        arguments = [
            {
                "name": p.name,
                "required": p.default is p.empty,
                "default": "" if p.default is p.empty else repr(p.default),
            }
            for p in signature_of(cls).parameters.values()
        ]
        found.append({"name": name, "help": " ".join(text.split("\n\n")[0].split()), "arguments": arguments})
    return found


def signature_of(cls: type) -> inspect.Signature:
    """Return the arguments of a class by name, without device and dtype, which are not the layer's business."""
    from torch import nn

    # LSTM, GRU and RNN hand everything on
    owner = nn.RNNBase if issubclass(cls, nn.RNNBase) else cls
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    left_out = {*_NOT_OURS, "self", *(("mode",) if owner is nn.RNNBase else ())}
    own = inspect.signature(owner.__init__).parameters.values()
    kept = [p.replace(annotation=p.empty) for p in own if p.name not in left_out and p.kind not in kinds]
    if cls is nn.RNN:
        kept.append(inspect.Parameter("nonlinearity", inspect.Parameter.KEYWORD_ONLY, default="tanh"))
    return inspect.Signature([p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in kept])


def torch_call(name: str, arguments: Mapping[str, Any]) -> Part:
    """Return the call of a class of torch.nn with arguments by name.

    Parameters
    ----------
    name : str
        With or without ``torch.nn.`` before it.
    arguments : mapping
        Plain values by name.

    Raises
    ------
    Misfit
        For a class that is not there, or arguments that it does not take.
    """
    name = name.removeprefix("torch.").removeprefix("nn.")
    classes = _classes()
    if name not in classes:
        if name.startswith("Lazy"):
            raise Misfit(f"torch.nn.{name} finds its sizes while it runs; name {name.removeprefix('Lazy')!r} instead.")
        raise Misfit(f"torch.nn has no layer {name!r}. {hint(name, classes)}")
    signature = signature_of(classes[name])
    for argument in arguments:
        if argument in _NOT_OURS:
            raise Misfit(f"{argument} is the experiment's to decide; take it out.")
        if argument not in signature.parameters:
            if not signature.parameters:
                raise Misfit(f"torch.nn.{name} takes no arguments, but {argument!r} was given; take it out.")
            raise Misfit(f"torch.nn.{name} takes no argument {argument!r}. {hint(argument, signature.parameters)}")
    for parameter in signature.parameters.values():
        if parameter.default is parameter.empty and parameter.name not in arguments:
            raise Misfit(f"torch.nn.{name} needs the argument {parameter.name!r}.")
    given = {argument: plain_value(value) for argument, value in arguments.items()}
    _check_rows(name, given, signature)
    if "batch_first" in signature.parameters:
        given["batch_first"] = True
    return Part(name, (), tuple(given.items()), foreign=True)


def _check_rows(name: str, given: Mapping[str, Any], signature: inspect.Signature) -> None:
    """Refuse what would mix the rows of a table, or take minutes to make."""
    if given.get("batch_first") is False:
        raise Misfit("its batch_first is False, but here the rows come first; leave it out.")
    for argument in ("dim", "start_dim"):
        if given.get(argument) == 0:
            raise Misfit(f"its {argument} is 0, which are the rows of the table; the first size of a row is 1.")
    if "dim" in signature.parameters and given.get("dim") is None and signature.parameters["dim"].default is None:
        raise Misfit(f"torch.nn.{name} needs dim: the size along which it works, -1 for the last.")
    for argument in _COUNTS:
        value = given.get(argument)
        if isinstance(value, int) and value > MOST_LAYERS:
            raise Misfit(f"its {argument} is {value}; at most {MOST_LAYERS} are allowed.")
