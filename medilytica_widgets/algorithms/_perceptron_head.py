"""The lines of a perceptron's script for a head with a loss, a weight or a place of its own."""

from __future__ import annotations

from ._perceptron_asked import balances
from .base import CodeRequest

_TENSORS = "outputs: torch.Tensor, targets: torch.Tensor"


def own_loss(request: CodeRequest) -> bool:
    """Say whether the loss is another one than torch's cross entropy or mean squared error."""
    return request.head is not None and request.head.loss.id not in ("cross_entropy", "mse")


def weight(request: CodeRequest) -> float:
    """Return what the loss is multiplied with."""
    return 1.0 if request.head is None else float(request.head.head.weight)


def scaled(request: CodeRequest) -> bool:
    """Say whether the network learns numbers at mean 0 and spread 1."""
    return request.head is None or request.head.loss.scaled


def target(request: CodeRequest, name: str) -> str:
    """Return the source of a tensor of numbers from an array."""
    values = f"({name} - y_mean) / y_std" if scaled(request) else name
    # torch's own loss compares columns, the others rows
    return f"torch.as_tensor({values}, dtype=torch.float32)" + ("" if own_loss(request) else "[:, None]")


def loss_lines(request: CodeRequest) -> list[str]:
    """Return ``loss_function`` of a head with its own loss; ``class_weights`` is there where classes are balanced."""
    head = request.head
    lines = typed(head.loss.source("row_losses", head.options))
    balanced = balances(request)
    body = ["    losses = row_losses(outputs.float(), targets)"]
    body += (
        ["    weights = class_weights[targets]", "    return (losses * weights).sum() / weights.sum()"]
        if balanced
        else ["    return losses.mean()"]
    )
    return ["", *lines, "", f"def loss_function({_TENSORS}) -> torch.Tensor:", *body, ""]


def typed(lines: list[str]) -> list[str]:
    """Return a function of outputs and targets with its types."""
    return [line.replace("(outputs, targets):", f"({_TENSORS}) -> torch.Tensor:", 1) for line in lines[:1]] + lines[1:]


def answer(request: CodeRequest) -> str:
    """Return the source of what ``outputs`` say: probabilities of the classes, or numbers before scaling back."""
    meaning = "logits" if request.task == "classification" else "value"
    return {
        "logits": "torch.softmax(outputs, dim=1)",
        "logit": "torch.cat((torch.sigmoid(-outputs), torch.sigmoid(outputs)), dim=1)",
        "value": "outputs[:, 0]",
        "log_rate": "outputs[:, 0].exp()",
    }[meaning if request.head is None else request.head.meaning]
