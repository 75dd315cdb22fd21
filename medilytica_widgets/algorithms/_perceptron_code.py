"""The lines of a standalone script that train a multilayer perceptron as the engine does."""

from __future__ import annotations

from collections.abc import Sequence

from ..network import Head, source_lines
from .base import CodeRequest
from .schedules import schedule_source

_OPTIMIZERS = {
    "adam": "Adam(model.parameters(), lr=learning_rate{decay})",
    "adamw": "AdamW(model.parameters(), lr=learning_rate{decay_always})",
    "sgd": "SGD(model.parameters(), lr=learning_rate, momentum={momentum!r}{decay})",
    "rmsprop": "RMSprop(model.parameters(), lr=learning_rate{decay})",
}


def perceptron_lines(request: CodeRequest) -> list[str]:
    """Return the network, its training loop and the prediction of X_test.

    Everything random comes as in the engine, bit for bit on the CPU: the initial weights from a
    generator seeded with ``seed``, dropout's masks from where that one was left, the order of the
    rows from one seeded with ``seed + 1``.
    """
    outputs = request.n_classes if request.task == "classification" else 1
    # the import line and the blank line are replaced by the script's own
    network = source_lines(request.layers, request.n_features, Head(request.task), outputs)[2:]
    body = [
        f"torch.manual_seed({request.seed})  # the initial weights, then dropout",
        *network,
        *_layer_dropout(request),
        "",
        *_settings(request),
        "",
        *_tensors(request),
        "",
        *_loop(request),
        "",
        *_prediction(request),
    ]
    text = "\n".join(body)
    imports = [f"import {module}" for module in ("copy", "math") if f"{module}." in text]
    return [*imports, "import torch", "from torch import nn", "", *body]


def _used(request: CodeRequest, name: str) -> bool:
    """Say whether a parameter that is off at first is on, or is turned on while the run trains."""
    return bool(request.values[name]) or any(change[1] == name and change[2] for change in request.changes)


def _settings(request: CodeRequest) -> list[str]:
    values = request.values
    names = ["learning_rate", "batch_size", "epochs"]
    names += [name for name in ("weight_decay", "l1", "l2", "clip_norm", "patience") if _used(request, name)]
    return [f"{name} = {values[name]!r}" for name in names]


def _layer_dropout(request: CodeRequest) -> list[str]:
    if not any(layer.kind == "dropout" for layer in request.layers):
        return []
    lines = []
    if any(name == "dropout" for _, name, _ in request.changes):
        lines.append("own_dropout = [module.p for module in model if isinstance(module, nn.Dropout)]")
    if request.values["dropout"] is not None:
        lines += _set_dropout(request.values["dropout"])
    return lines


def _set_dropout(value: float | None) -> list[str]:
    if value is None:
        return [
            "for module, p in zip([m for m in model if isinstance(m, nn.Dropout)], own_dropout):",
            "    module.p = p",
        ]
    return [
        "for module in model:",
        "    if isinstance(module, nn.Dropout):",
        f"        module.p = {value!r}  # for all dropout layers",
    ]


def _tensors(request: CodeRequest) -> list[str]:
    lines = ["inputs = torch.as_tensor(X_train, dtype=torch.float32)"]
    validation = request.values["patience"] is not None
    if request.task == "classification":
        lines.append("targets = torch.as_tensor(y_train, dtype=torch.int64)")
        loss = "CrossEntropyLoss"
    else:
        lines += [
            "# the network learns the target at mean 0 and spread 1",
            'y_mean, y_std = y_train.mean(dtype="float64"), y_train.std(dtype="float64") or 1.0',
            "targets = torch.as_tensor((y_train - y_mean) / y_std, dtype=torch.float32)[:, None]",
        ]
        loss = "MSELoss"
    if validation:
        lines.append("validation_inputs = torch.as_tensor(X_validation, dtype=torch.float32)")
        lines.append(
            "validation_targets = torch.as_tensor(y_validation, dtype=torch.int64)"
            if request.task == "classification"
            else "validation_targets = torch.as_tensor((y_validation - y_mean) / y_std, dtype=torch.float32)[:, None]"
        )
    decay = ", weight_decay=weight_decay" if _used(request, "weight_decay") else ""
    # torch's AdamW decays by 0.01 unless told otherwise
    optimizer = _OPTIMIZERS[request.values["optimizer"]].format(
        decay=decay, decay_always=decay or ", weight_decay=0.0", momentum=request.values["momentum"]
    )
    lines += [
        f"loss_function = nn.{loss}()",
        f"optimizer = torch.optim.{optimizer}",
        f"shuffle = torch.Generator().manual_seed({request.seed + 1})  # the order of the rows",
    ]
    if _used(request, "l1") or _used(request, "l2"):
        lines.append("weights = [p for p in model.parameters() if p.dim() > 1]  # of the linear layers, without biases")
    return lines


def _loop(request: CodeRequest) -> list[str]:
    patience = request.values["patience"] is not None
    lines = []
    if request.changes:
        lines.append("step = 0")
    if patience:
        lines += ["best_loss, best_epoch = math.inf, 0", "best_weights = copy.deepcopy(model.state_dict())"]
    lines.append("for epoch in range(epochs):")
    lines += _indent(_schedule_lines(request))
    lines += [
        "    model.train()",
        "    order = torch.randperm(len(inputs), generator=shuffle)",
    ]
    if request.changes:
        # the batch size may change in the middle of an epoch
        lines += [
            "    start = 0",
            "    while start < len(inputs):",
            *_indent(_change_lines(request), 2),
            "        rows = order[start : start + batch_size]",
            "        start += batch_size",
        ]
    else:
        lines += [
            "    for start in range(0, len(inputs), batch_size):",
            "        rows = order[start : start + batch_size]",
        ]
    if any(layer.kind == "batch_norm" for layer in request.layers):
        lines += [
            "        if len(rows) == 1:",
            "            continue  # batch normalisation cannot use a single row that is left over",
        ]
    lines.append("        loss = loss_function(model(inputs[rows]), targets[rows])")
    if _used(request, "l1"):
        lines.append("        loss = loss + l1 * sum(w.abs().sum() for w in weights)")
    if _used(request, "l2"):
        lines.append("        loss = loss + l2 * sum((w * w).sum() for w in weights)")
    lines += ["        optimizer.zero_grad()", "        loss.backward()"]
    if _used(request, "clip_norm"):
        clip = "nn.utils.clip_grad_norm_(model.parameters(), clip_norm)"
        if any(name == "clip_norm" for _, name, _ in request.changes):
            lines += ["        if clip_norm is not None:", f"            {clip}"]
        else:
            lines.append(f"        {clip}")
    lines.append("        optimizer.step()")
    if request.changes:
        lines.append("        step += 1")
    if patience:
        lines += _PATIENCE
    return lines


_PATIENCE = [
    "    model.eval()",
    "    with torch.no_grad():",
    "        validation_loss = loss_function(model(validation_inputs), validation_targets).item()",
    "    if validation_loss < best_loss:",
    "        best_loss, best_epoch = validation_loss, epoch",
    "        best_weights = copy.deepcopy(model.state_dict())",
    "    elif epoch - best_epoch >= patience:",
    "        break",
    "model.load_state_dict(best_weights)",
]


def _schedule_lines(request: CodeRequest) -> list[str]:
    name = request.values["schedule"]
    changes_rate = any(change[1] == "learning_rate" for change in request.changes)
    if name == "constant":
        return ["factor = 1.0"] if changes_rate else []
    return [f"factor = {schedule_source(name)}", *_SET_RATE]


_SET_RATE = ["for group in optimizer.param_groups:", '    group["lr"] = learning_rate * factor']


def _change_lines(request: CodeRequest) -> list[str]:
    lines: list[str] = []
    has_dropout = any(layer.kind == "dropout" for layer in request.layers)
    for step, name, value in request.changes:
        if name == "dropout" and not has_dropout:
            continue
        lines.append(f"if step == {step}:  # changed while it trained")
        if name == "dropout":
            lines += _indent(_set_dropout(value))
            continue
        lines.append(f"    {name} = {value!r}")
        if name == "learning_rate":
            lines += _indent(_SET_RATE)
        if name == "weight_decay":
            lines += ["    for group in optimizer.param_groups:", '        group["weight_decay"] = weight_decay']
    return lines


def _prediction(request: CodeRequest) -> list[str]:
    lines = [
        "model.eval()",
        "with torch.no_grad():",
        "    outputs = model(torch.as_tensor(X_test, dtype=torch.float32)).double()",
    ]
    if request.task == "classification":
        lines += ["probabilities = torch.softmax(outputs, dim=1).numpy()", "predicted = probabilities.argmax(axis=1)"]
    else:
        lines.append("predicted = outputs[:, 0].numpy() * y_std + y_mean")
    return lines


def _indent(lines: Sequence[str], levels: int = 1) -> list[str]:
    return ["    " * levels + line for line in lines]
