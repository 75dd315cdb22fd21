"""The lines of a perceptron's script for a network with several heads.

The targets of all heads stand side by side in one tensor, NaN where a row has none, so that the training loop is that
of a network with one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..network import Head
from ..network.losses import uncertainty_factor
from ._perceptron_head import typed
from .base import CodeRequest


def stand_ins(plans: Sequence[Any]) -> tuple[list[Head], list[int]]:
    """Return heads and numbers of outputs for `medilytica_widgets.network.source_lines`."""
    heads = [Head("regression" if p.n_outputs == 1 else "classification", name=p.name, at=p.head.at) for p in plans]
    return heads, [plan.n_outputs for plan in plans]


def uncertain(request: CodeRequest) -> list[Any]:
    """Return the heads whose weight is learned."""
    return [plan for plan in request.heads if plan.uncertain]


def variance_lines(request: CodeRequest) -> list[str]:
    """Return the learned logarithms of variances, which belong to the model."""
    count = len(uncertain(request))
    if not count:
        return []
    return [
        "# the logarithm of each noise variance, learned with the weights",
        f"model.log_variances = nn.Parameter(torch.zeros({count}))",
    ]


def _of(request: CodeRequest, answers: str, index: int) -> str:
    """Return the source of one head's outputs: of a single head they come as they are."""
    return f"{answers}[{index}]" if len(request.heads) > 1 else answers


def _array(index: int, plan: Any, part: str) -> str:
    return f"y_{part}" if index == 0 else f"{plan.name}_{part}"


def scale_lines(request: CodeRequest) -> list[str]:
    """Return mean and spread of every number, as the network learns it."""
    lines = []
    for index, plan in enumerate(request.heads):
        if plan.task == "regression" and plan.loss.scaled:
            y = _array(index, plan, "train")
            lines += [
                f'{plan.name}_mean = np.nanmean({y}, dtype="float64")',
                f'{plan.name}_std = np.nanstd({y}, dtype="float64") or 1.0',
            ]
    return ["# the network learns numbers at mean 0 and spread 1", *lines] if lines else []


def target_lines(request: CodeRequest, name: str, part: str) -> list[str]:
    """Return the tensor of all heads' targets."""
    lines = [f"{name} = torch.stack(", "    ["]
    for index, plan in enumerate(request.heads):
        y = _array(index, plan, part)
        scaled = plan.task == "regression" and plan.loss.scaled
        values = f"({y} - {plan.name}_mean) / {plan.name}_std" if scaled else y
        # what pandas hands out cannot be written to, which as_tensor warns of
        made = "as_tensor" if scaled else "tensor"
        lines.append(f"        torch.{made}({values}, dtype=torch.float32),")
    return [*lines, "    ],", "    dim=1,", ")"]


def loss_lines(request: CodeRequest) -> list[str]:
    """Return ``loss_function``: the weighted sum of all heads' losses over the rows whose target is known."""
    lines = ['log_variances = model.get_parameter("log_variances")'] if uncertain(request) else []
    balanced = request.values["class_weight"] == "balanced"
    for index, plan in enumerate(request.heads):
        if balanced and plan.task == "classification":
            lines += [
                f"known = targets[~torch.isnan(targets[:, {index}]), {index}].long()",
                f"counts = torch.bincount(known, minlength={plan.n_classes})",
                f"{plan.name}_weights = (len(known) / ((counts > 0).sum() * counts).double()).float()",
                f"{plan.name}_weights[counts == 0] = 1.0",
            ]
        if not plan.loss.weighs:
            lines += ["", *typed(plan.loss.source(f"{plan.name}_losses", plan.options)), ""]
    accumulates = adds_up(request)
    kind = "tuple[torch.Tensor, ...]" if len(request.heads) > 1 else "torch.Tensor"
    if accumulates:
        lines += [
            "",
            "def loss_function(",
            f"    outputs: {kind}, targets: torch.Tensor, whole: torch.Tensor",
            ") -> torch.Tensor:",
            '    """Return what some rows add to the loss of a step whose rows have the targets ``whole``."""',
            "    total = torch.zeros(())",
        ]
    else:
        lines += [
            "",
            f"def loss_function(outputs: {kind}, targets: torch.Tensor) -> torch.Tensor:",
            "    total = torch.zeros(())",
        ]
    learned = 0
    for index, plan in enumerate(request.heads):
        truth = f"targets[known, {index}]" + (".long()" if plan.task == "classification" else "")
        lines += [
            f"    known = ~torch.isnan(targets[:, {index}])  # {plan.name}",
            "    if known.any():",
            f"        answers, truth = {_of(request, 'outputs', index)}[known].float(), {truth}",
            *_mean(request, plan, balanced),
            *(_share(index, plan, balanced) if accumulates else []),
        ]
        share = "share * " if accumulates else ""
        if plan.uncertain:
            s = f"log_variances[{learned}]"
            learned += 1
            factor = uncertainty_factor(plan.loss)
            times = f"{factor!r} * " if factor != 1.0 else ""
            term = f"{times}torch.exp(-{s}) * loss + 0.5 * {s}"
            lines.append(f"        total = total + {f'share * ({term})' if accumulates else term}")
        else:
            weight = float(plan.head.weight)
            lines.append(f"        total = total + {share}{'' if weight == 1.0 else f'{weight!r} * '}loss")
    return [*lines, "    return total", ""]


def _mean(request: CodeRequest, plan: Any, balanced: bool) -> list[str]:
    weighted = balanced and plan.task == "classification"
    if plan.loss.weighs:
        arguments = ["answers", "truth", *([f"weight={plan.name}_weights"] if weighted else [])]
        if request.values["label_smoothing"]:
            arguments.append(f"label_smoothing={request.values['label_smoothing']!r}")
        return [f"        loss = functional.cross_entropy({', '.join(arguments)})"]
    if weighted:
        return [
            f"        weights = {plan.name}_weights[truth]",
            f"        loss = ({plan.name}_losses(answers, truth) * weights).sum() / weights.sum()",
        ]
    return [f"        loss = {plan.name}_losses(answers, truth).mean()"]


def adds_up(request: CodeRequest) -> bool:
    """Say whether the gradients of several batches with several heads are added up for a step."""
    return bool(request.heads) and request.values["accumulation"] > 1


def _share(index: int, plan: Any, balanced: bool) -> list[str]:
    """Return the line for what the rows of a batch count of all rows of a step; it adds up to 1 over the batches."""
    there = f"~torch.isnan(whole[:, {index}])"
    if balanced and plan.task == "classification":
        weights = f"{plan.name}_weights"
        return [f"        share = {weights}[truth].sum() / {weights}[whole[{there}, {index}].long()].sum()"]
    return [f"        share = known.sum() / ({there}).sum()"]


def without_decay(lines: Sequence[str]) -> list[str]:
    """Return the training's lines such that weight decay leaves the learned variances alone."""
    groups = [
        "groups: list[dict[str, Any]] = [",
        '    {"params": [p for p in model.parameters() if p is not log_variances]},',
        '    {"params": [log_variances], "weight_decay": 0.0},',
        "]",
    ]
    found: list[str] = []
    for line in lines:
        rate = re.match(r'^( *)optimizer\.param_groups\[0\]\["lr"\] = (.*)$', line)
        if rate:
            found += [f"{rate[1]}for group in optimizer.param_groups:", f'{rate[1]}    group["lr"] = {rate[2]}']
        elif line.startswith(("optimizer = ", "    model.parameters(), lr=")):
            found += groups if line.startswith("optimizer = ") else []
            found.append(line.replace("model.parameters()", "groups", 1))
        else:
            found.append(line)
    return found


_ANSWERS = {
    "logits": "torch.softmax({}, dim=1)",
    "logit": "torch.cat((torch.sigmoid(-{0}), torch.sigmoid({0})), dim=1)",
    "value": "{}[:, 0]",
    "log_rate": "{}[:, 0].exp()",
}


def prediction_lines(request: CodeRequest) -> list[str]:
    """Return what every head answers for X_test: the first without a prefix, the others with their name's."""
    lines = [
        "model.eval()",
        "with torch.no_grad():",
        "    answers = model(torch.as_tensor(X_test, dtype=torch.float32))",
    ]
    for index, plan in enumerate(request.heads):
        lines += ["", f"outputs = {_of(request, 'answers', index)}.double()"]
        lines += _answer_lines(index, plan, _ANSWERS[plan.meaning].format("outputs"))
    return lines


def predict_lines(request: CodeRequest) -> list[str]:
    """Return a function that predicts with all heads."""
    answers = "model(inputs)" if len(request.heads) > 1 else "[model(inputs)]"
    return [
        "@torch.no_grad()",
        "def predict(model: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:",
        '    """Return what each head answers: probabilities, rows × classes, or numbers before scaling back."""',
        "    model.eval()",
        f"    outputs = [answer.double() for answer in {answers}]",
        "    return [",
        *(
            f"        {_ANSWERS[plan.meaning].format(f'outputs[{index}]')},  # {plan.name}"
            for index, plan in enumerate(request.heads)
        ),
        "    ]",
    ]


def answer_lines(request: CodeRequest) -> list[str]:
    """Return the call of `predict_lines` for X_test, and what it says of every head."""
    lines = ["answers = predict(model, torch.as_tensor(X_test, dtype=torch.float32))"]
    for index, plan in enumerate(request.heads):
        lines += _answer_lines(index, plan, f"answers[{index}]")
    return lines


def _answer_lines(index: int, plan: Any, tensor: str) -> list[str]:
    prefix = "" if index == 0 else f"{plan.name}_"
    if plan.task == "classification":
        return [
            f"{prefix}probabilities = {tensor}.numpy()",
            f"{prefix}predicted = {prefix}probabilities.argmax(axis=1)",
        ]
    back = f" * {plan.name}_std + {plan.name}_mean" if plan.loss.scaled else ""
    return [f"{prefix}predicted = {tensor}.numpy(){back}"]
