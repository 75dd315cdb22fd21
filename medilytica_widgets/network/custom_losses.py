"""Losses that people register: functions of their own, called with care."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError, SpecError, hint
from ..parameters import Parameter, ParameterTable
from ..registered import Entry, printed, text_of
from .losses import CUSTOM, LOSSES, TASKS, Loss

if TYPE_CHECKING:
    from torch import Tensor


def register_loss(
    name: str,
    function: Callable[[Tensor, Tensor], Tensor] | None = None,
    *,
    tasks: tuple[str, ...] = TASKS,
    help: str = "",
    title: str = "",
    parameters: Sequence[Parameter] = (),
) -> Any:
    """Register a loss; heads then name it as ``"custom:<name>"``. Also a decorator.

    Parameters
    ----------
    name : str
        Letters, digits and underscores. One that is registered already is replaced, so that a cell can run again.
    function : callable, optional
        ``(outputs, targets) -> losses``, of shape (rows,). For classification outputs are logits of shape (rows,
        classes) and targets int64 classes; for regression both have the shape (rows,), the targets at mean 0 and
        spread 1. Without it, a decorator is returned.
    tasks : tuple of str
        What it serves.
    help : str
        A sentence for a person; the function's own docstring when empty.
    title : str
        Its name for a person; the name with spaces when empty.
    parameters : sequence of Parameter
        Keyword arguments of the function; heads set them as options.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    InputError
        For another name, task or something that cannot be called.

    Examples
    --------
    >>> @register_loss("log_cosh", tasks=("regression",))
    ... def log_cosh(outputs, targets):
    ...     return (outputs - targets).cosh().log()
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"A loss is registered by a name of letters, digits and underscores, not by {name!r}.")
    tasks = (tasks,) if isinstance(tasks, str) else tuple(tasks)
    for task in tasks:
        if task not in TASKS:
            raise InputError(f"The loss {name!r} names the task {task!r}. {hint(str(task), TASKS)}")

    def add(given: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        if not callable(given):
            raise InputError(f"The loss {name!r} has to be a function of outputs and targets; {given!r} came.")
        words = help or textwrap.shorten(inspect.getdoc(given) or "", 300) or f"The registered loss {name}."
        identity = CUSTOM + name
        entry = Entry("loss", name, title, words, given, text=text_of(given))
        LOSSES[identity] = Loss(
            identity,
            title or name.replace("_", " "),
            words,
            tasks,
            "value",
            _Called(name, given, tuple(p.id for p in parameters)),
            ParameterTable(tuple(parameters)),
            lines=lambda wanted, options: _lines(entry, wanted, options),
        )
        return given

    return add if function is None else add(function)


@dataclass(frozen=True)
class _Called:
    """Calls a registered function and looks at what it returns."""

    name: str
    function: Callable[..., Tensor]
    options: tuple[str, ...] = ()

    def __call__(self, outputs: Tensor, targets: Tensor, options: Mapping[str, Any]) -> Tensor:
        import torch

        given = outputs if not targets.is_floating_point() else outputs[:, 0]
        try:
            found = self.function(given, targets, **{option: options[option] for option in self.options})
        except Exception as error:
            # what memory does not suffice for is tried again with fewer rows
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                raise
            raise SpecError(f"The loss {self.name!r} raised {type(error).__name__}: {error}.") from error
        if not isinstance(found, torch.Tensor) or tuple(found.shape) != (len(targets),):
            what = f"shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else f"a {type(found).__name__}"
            raise SpecError(
                f"The loss {self.name!r} returned {what} for {len(targets)} rows; it has to return one loss for each "
                "row, a tensor of shape (rows,)."
            )
        return found


def try_loss(loss: Loss, task: str, n_classes: int) -> None:
    """Call a registered loss once on a few made-up rows, so that what is wrong with it shows before a run begins.

    Raises
    ------
    SpecError
        If it raises, or returns another shape or what has no gradient.
    """
    if not loss.custom:
        return
    import torch

    generator = torch.Generator().manual_seed(0)
    # 5 rows: more than most numbers of classes would hide a loss over the wrong axis
    outputs = torch.randn(5, loss.outputs(task, n_classes), generator=generator, requires_grad=True)
    if task == "classification":
        targets = torch.arange(5) % n_classes
    else:
        targets = torch.randn(5, generator=generator)
    found = loss.per_row(outputs, targets, loss.parameters.defaults())
    name = loss.id.removeprefix(CUSTOM)
    if not found.is_floating_point() or not found.requires_grad:
        raise SpecError(
            f"The loss {name!r} has no gradient, so nothing can be learned from it. Calculate it from the outputs with "
            "torch's functions, without detach() or numpy."
        )


def function_of(loss: Loss) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Return the function of a registered loss; None for another."""
    return loss.per_row.function if isinstance(loss.per_row, _Called) else None


def _lines(entry: Entry, wanted: str, options: Mapping[str, Any]) -> list[str]:
    """Return the function's own source, and one called ``wanted`` that gives it what it expects."""
    own, lines = getattr(entry.object, "__name__", ""), printed(entry)
    if own == wanted:
        own = f"{own}_of_rows"
        lines = [
            line.replace(f"def {wanted}(", f"def {own}(", 1) if line.startswith("def ") else line for line in lines
        ]
    given = "".join(f", {option}={value!r}" for option, value in options.items())
    return [
        *lines,
        "",
        "",
        f"def {wanted}(outputs, targets):",
        f"    return {own}(outputs[:, 0] if targets.is_floating_point() else outputs, targets{given})",
    ]
