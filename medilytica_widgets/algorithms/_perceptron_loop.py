"""The training loop of a multilayer perceptron's script: as the engine's, step by step."""

from __future__ import annotations

from ..network import batch_normed
from . import _perceptron_head as _head
from . import _perceptron_heads as _heads
from ._perceptron_asked import balances, by_step, changed, used, validates
from ._perceptron_text import AUTOCAST, L1, L2, LEFT_OVER, PATIENCE, PLATEAU, indent
from .base import CodeRequest
from .schedules import schedule_source


def loop_lines(request: CodeRequest) -> list[str]:
    """Return the epochs and their steps, with the changes of hyperparameters that were made while it trained."""
    values = request.values
    lines = []
    if request.changes:
        lines.append("step = 0")
    if values["schedule"] == "plateau":
        lines.append("factor, lowest_loss, waited = 1.0, math.inf, 0")
    if values["patience"] is not None:
        lines += ["best_loss, best_epoch = math.inf, 0", "best_weights = copy.deepcopy(model.state_dict())"]
    lines.append("for epoch in range(epochs):")
    if values["schedule"] in ("step", "exponential", "cosine"):
        lines.append(f"    factor = {schedule_source(values['schedule'])}")
    if values["schedule"] not in ("constant", "one_cycle") and not by_step(request):
        lines.append(f"    {_set_rate(request)}")
    lines += ["    model.train()", "    order = torch.randperm(len(inputs), generator=shuffle)"]
    size = "batch_size" if values["accumulation"] == 1 else "batch_size * accumulation"
    taken = f"order[start : start + {size}]"
    rows = f"batch = {taken}" if values["accumulation"] == 1 else f"batches = list({taken}.split(batch_size))"
    if request.changes:
        # the batch size may change in the middle of an epoch
        lines += ["    start = 0", "    while start < len(inputs):"]
        body = [*_change_lines(request), *_rate_lines(request), rows, f"start += {size}"]
    else:
        lines.append(f"    for start in range(0, len(inputs), {size}):")
        body = [*_rate_lines(request), rows]
    body += _gradient_lines(request) if values["accumulation"] == 1 else _accumulation_lines(request)
    body += _clip_lines(request)
    body.append("optimizer.step()")
    if request.changes:
        body.append("step += 1")
    lines += indent(body, 2)
    if validates(request):
        lines += indent(_validation_lines(request))
    if values["schedule"] == "plateau":
        lines += PLATEAU
    if values["patience"] is not None:
        lines += PATIENCE
    return lines


def _loss(request: CodeRequest, share: str = "") -> list[str]:
    """Return the loss of the rows ``batch``, times its share in the loss of a step."""
    whole = ", whole" if _heads.adds_up(request) else ""
    line = f"loss = loss_function(model(inputs[batch]), targets[batch]{whole})"
    if share:
        line += f" * ({share})"
    if _head.weight(request) != 1.0:
        line += f" * {_head.weight(request)!r}  # the head's weight"
    return [AUTOCAST + ":", f"    {line}"] if request.values["precision"] == "mixed" else [line]


def _gradient_lines(request: CodeRequest) -> list[str]:
    lines = []
    if _normed(request):
        lines += ["if len(batch) == 1:", f"    continue  # {LEFT_OVER}"]
    lines += _loss(request)
    if used(request, "l1"):
        lines.append(f"loss = loss + {L1}")
    if used(request, "l2"):
        lines.append(f"loss = loss + {L2}")
    return [*lines, "optimizer.zero_grad()", "loss.backward()"]


def _accumulation_lines(request: CodeRequest) -> list[str]:
    """Return the lines that add up the gradients of ``batches``.

    The loss of a step is the (weighted) mean over all its rows, so each batch's mean counts by the
    batch's share in the rows or in their weights.
    """
    lines = []
    if _normed(request):
        lines += [
            f"# {LEFT_OVER}",
            "batches = [batch for batch in batches if len(batch) > 1]",
            "if not batches:",
            "    continue",
        ]
    weight = "row_weights[batch].sum()" if balances(request) else "len(batch)"
    # of several heads each counts the rows whose target it knows
    share = "" if _heads.adds_up(request) else f"{weight} / whole"
    lines += [
        f"whole = sum({weight} for batch in batches)" if share else "whole = targets[torch.cat(batches)]",
        "optimizer.zero_grad()",
        "for batch in batches:",
        *indent(_loss(request, share)),
        "    loss.backward()",
    ]
    penalties = [term for name, term in (("l1", L1), ("l2", L2)) if used(request, name)]
    if penalties:
        lines += [f"penalty = {' + '.join(penalties)}", "penalty.backward()"]
    return lines


def _normed(request: CodeRequest) -> bool:
    return batch_normed(request.layers)


def _clip_lines(request: CodeRequest) -> list[str]:
    lines = []
    for name, function in (("clip_value", "clip_grad_value_"), ("clip_norm", "clip_grad_norm_")):
        if used(request, name):
            clip = f"nn.utils.{function}(model.parameters(), {name})"
            lines += [f"if {name} is not None:", f"    {clip}"] if changed(request, name) else [clip]
    return lines


def _validation_lines(request: CodeRequest) -> list[str]:
    mixed = ", " + AUTOCAST.removeprefix("with ") if request.values["precision"] == "mixed" else ""
    given = "model(validation_inputs), validation_targets"
    whole = ", validation_targets" if _heads.adds_up(request) else ""
    return [
        "model.eval()",
        f"with torch.no_grad(){mixed}:",
        f"    validation_loss = loss_function({given}{whole}).item()",
    ]


def _set_rate(request: CodeRequest) -> str:
    factor = "" if request.values["schedule"] == "constant" else " * factor"
    warming = " * warming" if request.values["warmup"] > 0 else ""
    return f'optimizer.param_groups[0]["lr"] = learning_rate{factor}{warming}'


def _rate_lines(request: CodeRequest) -> list[str]:
    """Return the lines that set the learning rate of a step, where it changes within an epoch."""
    if not by_step(request):
        return []
    lines = ["done = epoch + start / len(inputs)  # epochs"]
    if request.values["schedule"] == "one_cycle":
        rising, falling = schedule_source("one_cycle").split(" else ")
        rising, condition = rising.split(" if ")
        lines += [
            "part = done / epochs",
            f"if {condition}:",
            f"    factor = {rising}",
            "else:",
            f"    factor = {falling}",
        ]
    if request.values["warmup"] > 0:
        lines.append("warming = min(1.0, 0.001 + 0.999 * (done / warmup))")
    return [*lines, _set_rate(request)]


def _change_lines(request: CodeRequest) -> list[str]:
    lines: list[str] = []
    for step, name, value in request.changes:
        lines.append(f"if step == {step}:  # changed while it trained")
        if name == "dropout":
            lines += indent(set_dropout(value))
            continue
        lines.append(f"    {name} = {value!r}")
        if name == "learning_rate" and not by_step(request):
            lines.append(f"    {_set_rate(request)}")
        if name == "weight_decay":
            lines.append('    optimizer.param_groups[0]["weight_decay"] = weight_decay')
    return lines


def set_dropout(value: float | None) -> list[str]:
    """Return the lines that give all dropout layers one share, or with None each its own again."""
    if value is None:
        return [
            "for module, p in zip([m for m in model.modules() if isinstance(m, nn.Dropout)], own_dropout):",
            "    module.p = p",
        ]
    return [
        "for module in model.modules():",
        "    if isinstance(module, nn.Dropout):",
        f"        module.p = {value!r}  # for all dropout layers",
    ]
