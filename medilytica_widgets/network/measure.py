"""What modules make of shapes, found by running them on torch's meta device, where nothing is allocated."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .parts import Misfit, Part, Shape, size_of

if TYPE_CHECKING:
    import torch
    from torch import nn

MAX_VALUES = 50_000_000
"""Values of one row between two layers: 0.2 GB, and as much again for each row of a batch."""

_TRIED = (2_000_000, 20_000)
"""Weights, and values of the batch, up to which a class of somebody else is also tried with real numbers: attention
makes the square of the values."""

_ENDS = (slice(0, 1), slice(-1, None))
_ROWS = 7
"""Of the batch that is tried: a number that no layer makes by chance."""


@dataclass(frozen=True)
class Measured:
    """What some parts make of their inputs.

    Parameters
    ----------
    parts : tuple of Part
        As given, with those marked that return several things.
    shape : tuple of int
        Of the output.
    parameters, tensors, bytes : int
        Trainable values, their tensors, and the memory of these and of what else is kept.
    error : str
        Why it cannot be; then the rest is empty.
    """

    parts: tuple[Part, ...]
    shape: Shape = ()
    parameters: int = 0
    tensors: int = 0
    bytes: int = 0
    error: str = ""


def measure(parts: Sequence[Part], shapes: Sequence[Shape]) -> Measured:
    """Return what the parts make of inputs of these shapes.

    Raises
    ------
    Misfit
        Where a constructor or the first run on these shapes fails; with torch's own sentence.
    """
    found = _measured(tuple(parts), tuple(shapes))
    if found.error:
        raise Misfit(found.error)
    return found


def forget() -> None:
    """Let go of what was measured, after a registered class has changed."""
    _measured.cache_clear()


@functools.lru_cache(maxsize=4096)
def _measured(parts: tuple[Part, ...], shapes: tuple[Shape, ...]) -> Measured:
    import torch

    found = _measured_on(parts, shapes, "meta")
    if not found.error or not any(part.home == "registered" for part in parts):
        return found
    # not everything that people write runs on the meta device
    if max(size_of(shape) for shape in shapes) * _ROWS > _TRIED[1]:
        return found
    from .seeding import DrawsFrom

    with DrawsFrom(torch.Generator().manual_seed(0)):
        return _measured_on(parts, shapes, "cpu")


def _measured_on(parts: tuple[Part, ...], shapes: tuple[Shape, ...], device: str) -> Measured:
    import torch

    found: list[Part] = []
    try:
        with torch.device(device), torch.no_grad(), warnings.catch_warnings():
            # advice on a choice of arguments; it comes again when the network is made
            warnings.simplefilter("ignore")
            values: tuple[torch.Tensor, ...] = tuple(torch.zeros(_ROWS, *shape) for shape in shapes)
            counts = [0, 0, 0]
            for part in parts:
                module = _made(part)
                out = _run(part, module, values)
                if isinstance(out, tuple) and out:
                    part, out = replace(part, first=True), out[0]
                out = _checked(part, out)
                if part.foreign:
                    _try_alone(part, module, values, out.numel())
                found.append(part)
                values = (out,)
                for i, count in enumerate(_counted(module)):
                    counts[i] += count
    except Misfit as error:
        return Measured(parts, error=str(error))
    parameters, tensors, size = counts
    return Measured(tuple(found), tuple(values[0].shape[1:]), parameters, tensors, size)


def _counted(module: nn.Module) -> tuple[int, int, int]:
    trained = list(module.parameters())
    kept = sum(b.numel() * b.element_size() for b in module.buffers())
    return (
        sum(p.numel() for p in trained),
        len(trained),
        sum(p.numel() * p.element_size() for p in trained) + kept,
    )


def _made(part: Part) -> nn.Module:
    whole = replace(part, first=False)
    module: nn.Module = _sentence(whole.make, f"{_class(part)} cannot be made with these arguments")
    return module


def _run(part: Part, module: nn.Module, values: tuple[torch.Tensor, ...]) -> Any:
    got = " and ".join(str(tuple(value.shape[1:])) for value in values)
    return _sentence(lambda: module(*values), f"it got {got}, which does not fit {_class(part)}")


def _try_alone(part: Part, module: nn.Module, values: tuple[torch.Tensor, ...], made: int) -> None:
    """Make sure that a single row can be predicted, and that its answer does not depend on the other rows."""
    import torch

    module.eval()
    # with gradients, because torch's shortcuts without them do not know the meta device
    with torch.enable_grad():
        _run(part, module, tuple(value[:1] for value in values))
    weights, size = _counted(module)[0], max(made, *(value.numel() for value in values))
    if weights > _TRIED[0] or size > _TRIED[1]:
        return
    from .seeding import DrawsFrom

    generator = torch.Generator().manual_seed(0)
    with torch.device("cpu"), DrawsFrom(generator):
        real = replace(part, first=False).make().eval()
        inputs = [torch.rand(tuple(value.shape)) for value in values]
        whole = _first(_run(part, real, tuple(inputs)))
        # the first and the last, because what reads in order looks one way only
        apart = all(_same(whole, _first(_run(part, real, tuple(x[at] for x in inputs))), at) for at in _ENDS)
    if not apart:
        got = " and ".join(str(tuple(value.shape[1:])) for value in values)
        raise Misfit(
            f"it got {got}, of which {_class(part)} mixes the rows of the table: the answer for one would depend on "
            "the others. Give it the sizes that it is meant for, for example with a tokens, sequence or reshape layer "
            "before it."
        )


def _same(whole: Any, alone: Any, at: slice) -> bool:
    import torch

    if not isinstance(whole, torch.Tensor) or not whole.dim() or whole[at].shape != alone.shape:
        return False
    return torch.allclose(whole[at], alone, rtol=1e-3, atol=1e-4, equal_nan=True)


def _first(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) and out else out


def _sentence(call: Callable[[], Any], what: str) -> Any:
    try:
        return call()
    except Misfit:
        raise
    except Exception as error:  # whatever a class of somebody else raises
        lines = str(error).strip().splitlines()
        said = lines[0] if lines else type(error).__name__
        raise Misfit(f"{what}: {said[:300].rstrip('.')}. Change its arguments, or the layer before.") from None


def _checked(part: Part, out: Any) -> torch.Tensor:
    import torch

    if not isinstance(out, torch.Tensor):
        raise Misfit(f"{_class(part)} returns {type(out).__name__}; a layer needs to return a tensor.")
    shape = tuple(out.shape)
    if len(shape) < 2 or shape[0] != _ROWS:
        raise Misfit(
            f"{_class(part)} makes {shape} of {_ROWS} rows; a layer needs to keep each row apart, with one size more."
        )
    if min(shape) < 1:
        raise Misfit(f"{_class(part)} leaves nothing over: {shape[1:]}. Take smaller windows or steps.")
    if not out.is_floating_point():
        raise Misfit(f"{_class(part)} returns {out.dtype}; a layer needs to return decimal numbers.")
    if size_of(shape[1:]) > MAX_VALUES:
        raise Misfit(
            f"one row would become {size_of(shape[1:]):,} values; at most {MAX_VALUES:,} are allowed. "
            "Take smaller sizes."
        )
    return out


def _class(part: Part) -> str:
    return f"torch.nn.{part.cls}" if part.home == "nn" else part.cls
