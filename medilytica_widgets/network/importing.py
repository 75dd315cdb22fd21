"""An existing torch module as layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .kinds import ACTIVATIONS
from .parts import Misfit, Part, json_value, plain_value
from .spec import Layer
from .torch_classes import signature_of, torch_call

if TYPE_CHECKING:
    from torch import nn


def layers_of(module: nn.Module, *, without_head: bool = False) -> list[Layer]:
    """Return the layers of a module: its architecture, not its weights.

    Parameters
    ----------
    module : nn.Module
        A ``Sequential``, however nested, of classes of torch.nn; or one such class. A linear layer and the
        activation after it become one layer.
    without_head : bool
        Whether a linear layer at the very end is left out, because the experiment's head takes its place.

    Raises
    ------
    InputError
        For a submodule whose class is not one of torch.nn, or whose arguments cannot be read back; the message
        names it.
    """
    from torch import nn

    if not isinstance(module, nn.Module):
        raise InputError(f"layers_of takes a torch.nn.Module, not {type(module).__name__}.")
    found = [_layer(name, part) for name, part in _leaves(module, "")]
    if without_head and found and _bare_linear(found[-1]):
        found.pop()
    merged: list[Layer] = []
    for layer in found:
        if layer.kind == "activation" and merged and _bare_linear(merged[-1]):
            merged[-1] = merged[-1].with_options(activation=layer.options["name"])
        else:
            merged.append(layer)
    return merged


def _leaves(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    from torch import nn

    if type(module) is not nn.Sequential:
        yield name, module
        return
    for child, part in module.named_children():
        yield from _leaves(part, f"{name}.{child}" if name else child)


def _bare_linear(layer: Layer) -> bool:
    return layer.kind == "linear" and layer.options["activation"] == "none"


def _layer(name: str, module: nn.Module) -> Layer:
    from torch import nn

    cls = type(module)
    where = f"The submodule {name!r} ({cls.__name__})" if name else f"The module ({cls.__name__})"
    if getattr(nn, cls.__name__, None) is not cls:
        raise InputError(
            f"{where} is not a class of torch.nn, so its layers cannot be read. Import its parts, or register the "
            "class as a layer of your own."
        )
    arguments = _arguments(module, where)
    try:
        part = torch_call(cls.__name__, arguments)
        same = _same(part, module)
    except (Misfit, TypeError) as error:
        raise InputError(f"{where} cannot become a layer: {error}") from None
    if not same:
        raise InputError(f"{where} was made with arguments that it does not keep; write this layer by hand.")
    return _known(module, arguments)


def _arguments(module: nn.Module, where: str) -> dict[str, Any]:
    """Read the arguments back that differ from their default."""
    found: dict[str, Any] = {}
    for parameter in signature_of(type(module)).parameters.values():
        value = _argument(module, parameter.name)
        if parameter.name == "batch_first" and value is True:
            continue  # as every layer has it here
        if value is _ABSENT:
            if parameter.default is parameter.empty:
                raise InputError(f"{where} does not keep its argument {parameter.name!r}; write this layer by hand.")
            continue
        try:
            plain = json_value(plain_value(value))
        except TypeError:
            raise InputError(
                f"{where} has the argument {parameter.name!r} = {value!r:.60}, which a specification cannot hold."
            ) from None
        changed = not _plain(parameter.default) or plain != json_value(parameter.default)
        if changed or parameter.name == "batch_first":
            found[parameter.name] = plain
    return found


_ABSENT = object()


def _plain(value: Any) -> bool:
    try:
        plain_value(value)
    except TypeError:
        return False
    return True


def _argument(module: Any, name: str) -> Any:
    """Return the value with which a module was made, or `_ABSENT`."""
    from torch import nn

    if isinstance(module, nn.TransformerEncoderLayer):
        value = _of_encoder_layer(module, name)
        if value is not _ABSENT:
            return value
    if name == "num_parameters" and isinstance(module, nn.PReLU):
        return module.weight.numel()
    if isinstance(module, nn.MultiheadAttention):
        if name == "bias":
            return module.in_proj_bias is not None
        if name in ("kdim", "vdim") and getattr(module, name) == module.embed_dim:
            return None
    if name in ("bias", "elementwise_affine", "affine"):
        value = getattr(module, name, None)
        if name != "bias" and isinstance(value, bool):
            return value
        if isinstance(module, nn.RNNBase):
            return bool(module.bias)
        return value is not None
    if name in ("add_bias_kv", "add_zero_attn"):
        return bool(module.bias_k is not None if name == "add_bias_kv" else module.add_zero_attn)
    value = getattr(module, name, _ABSENT)
    sized = isinstance(value, tuple) and name in ("kernel_size", "stride", "padding", "dilation", "output_padding")
    # torch keeps one size as a tuple of equal ones
    return value[0] if sized and value and len(set(value)) == 1 else value


def _of_encoder_layer(module: Any, name: str) -> Any:
    from torch import nn

    if name == "activation":
        kind = {1: "relu", 2: "gelu"}.get(module.activation_relu_or_gelu)
        return kind if kind else _ABSENT
    values = {
        "d_model": module.self_attn.embed_dim,
        "nhead": module.self_attn.num_heads,
        "dim_feedforward": module.linear1.out_features,
        "dropout": module.dropout.p if isinstance(module.dropout, nn.Dropout) else _ABSENT,
        "layer_norm_eps": module.norm1.eps,
        "batch_first": module.self_attn.batch_first,
        "norm_first": module.norm_first,
        "bias": module.linear1.bias is not None,
    }
    return values.get(name, _ABSENT)


def _same(part: Part, module: nn.Module) -> bool:
    """Say whether the call makes such a module again."""
    import torch

    with torch.device("meta"):
        again = part.make()
    shapes = [{name: tuple(value.shape) for name, value in one.state_dict().items()} for one in (again, module)]
    return repr(again) == repr(module) and shapes[0] == shapes[1]


def _known(module: nn.Module, arguments: dict[str, Any]) -> Layer:
    """Return a layer of a kind of its own where there is one, otherwise of the kind ``torch``."""
    cls, given = type(module).__name__, dict(arguments)
    for name, (activation, values) in ACTIVATIONS.items():
        default = {"negative_slope": values[0]} if values else {}
        if cls == activation and (not given or given == default):
            return Layer("activation", name=name)
    if cls == "Linear" and set(given) == {"in_features", "out_features"}:
        return Layer("linear", units=given["out_features"], activation="none")
    if cls == "Dropout" and set(given) <= {"p"} and given.get("p", 0.5) <= 0.95:
        return Layer("dropout", p=given.get("p", 0.5))
    if cls in ("BatchNorm1d", "BatchNorm2d") and set(given) == {"num_features"}:
        return Layer("batch_norm")
    if cls == "LayerNorm" and set(given) == {"normalized_shape"} and len(given["normalized_shape"]) == 1:
        return Layer("layer_norm")
    if cls == "Flatten" and not given:
        return Layer("flatten")
    return Layer("torch", class_=cls, arguments=given)
