"""The lines of a standalone script that train a multilayer perceptron as the engine does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..network import Head, source_lines
from .base import CodeRequest
from .schedules import schedule_source

_OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop", "nadam": "NAdam"}


def perceptron_lines(request: CodeRequest) -> list[str]:
    """Return the network, its training loop and the prediction of X_test.

    Everything random comes as in the engine, bit for bit on the CPU: the initial weights from a
    generator seeded with ``seed``, dropout's masks from where that one was left, the order of the
    rows from one seeded with ``seed + 1``.
    """
    request = replace(request, changes=[change for change in request.changes if _acts(request, change[1])])
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
        *_loss_lines(request),
        *_optimizer_lines(request),
        "",
        *_loop(request),
        "",
        *_prediction(request),
    ]
    text = "\n".join(body)
    imports = [f"import {module}" for module in ("copy", "math") if f"{module}." in text]
    return [*imports, "import torch", "from torch import nn", "", *body]


_SWITCHED = ("weight_decay", "l1", "l2", "clip_value", "clip_norm", "patience")


def _acts(request: CodeRequest, name: str) -> bool:
    """Say whether changes of a parameter have an effect: not where it was off and stayed off."""
    if name == "dropout":
        return any(layer.kind == "dropout" for layer in request.layers)
    return name not in _SWITCHED or _used(request, name)


def _used(request: CodeRequest, name: str) -> bool:
    """Say whether a parameter that is off at first is on, or is turned on while the run trains."""
    return bool(request.values[name]) or any(change[1] == name and change[2] for change in request.changes)


def _changed(request: CodeRequest, name: str) -> bool:
    return any(change[1] == name for change in request.changes)


def _by_step(request: CodeRequest) -> bool:
    """Say whether the learning rate changes within an epoch by itself."""
    return bool(request.values["schedule"] == "one_cycle" or request.values["warmup"] > 0)


def _settings(request: CodeRequest) -> list[str]:
    values = request.values
    names = ["learning_rate", "batch_size", "epochs"]
    if values["accumulation"] > 1:
        names.append("accumulation")
    if values["warmup"] > 0:
        names.append("warmup")
    if values["schedule"] == "plateau":
        names.append("plateau_patience")
    names += [name for name in _SWITCHED if _used(request, name)]
    return [f"{name} = {values[name]!r}" for name in names]


def _layer_dropout(request: CodeRequest) -> list[str]:
    if not any(layer.kind == "dropout" for layer in request.layers):
        return []
    lines = []
    if any(name == "dropout" and value is None for _, name, value in request.changes):
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


def _validates(request: CodeRequest) -> bool:
    return request.values["patience"] is not None or request.values["schedule"] == "plateau"


def _tensors(request: CodeRequest) -> list[str]:
    lines = ["inputs = torch.as_tensor(X_train, dtype=torch.float32)"]
    if request.task == "classification":
        lines.append("targets = torch.tensor(y_train, dtype=torch.int64)")
    else:
        lines += [
            "# the network learns the target at mean 0 and spread 1",
            'y_mean, y_std = y_train.mean(dtype="float64"), y_train.std(dtype="float64") or 1.0',
            "targets = torch.as_tensor((y_train - y_mean) / y_std, dtype=torch.float32)[:, None]",
        ]
    if _validates(request):
        lines.append("validation_inputs = torch.as_tensor(X_validation, dtype=torch.float32)")
        lines.append(
            "validation_targets = torch.tensor(y_validation, dtype=torch.int64)"
            if request.task == "classification"
            else "validation_targets = torch.as_tensor((y_validation - y_mean) / y_std, dtype=torch.float32)[:, None]"
        )
    return lines


def _balances(request: CodeRequest) -> bool:
    return request.task == "classification" and request.values["class_weight"] == "balanced"


def _loss_lines(request: CodeRequest) -> list[str]:
    """Return what `balanced_weights` calculates, and the loss."""
    if request.task == "regression":
        return ["loss_function = nn.MSELoss()"]
    lines: list[str] = []
    arguments = []
    if _balances(request):
        lines += [
            "# every class weighs the same, however many rows it has; one without a row weighs as an average row",
            f"counts = torch.bincount(targets, minlength={request.n_classes})",
            "class_weights = (len(targets) / ((counts > 0).sum() * counts).double()).float()",
            "class_weights[counts == 0] = 1.0",
        ]
        if request.values["accumulation"] > 1:
            lines.append("row_weights = class_weights[targets]")
        arguments.append("weight=class_weights")
    if request.values["label_smoothing"]:
        arguments.append(f"label_smoothing={request.values['label_smoothing']!r}")
    return [*lines, f"loss_function = nn.CrossEntropyLoss({', '.join(arguments)})"]


def _optimizer_lines(request: CodeRequest) -> list[str]:
    values = request.values
    arguments = ["model.parameters()", "lr=learning_rate"]
    if values["optimizer"] == "sgd":
        arguments.append(f"momentum={values['momentum']!r}")
        if values["nesterov"]:
            arguments.append("nesterov=True")
    if _used(request, "weight_decay"):
        arguments.append("weight_decay=weight_decay")
    elif values["optimizer"] == "adamw":
        # torch's AdamW decays by 0.01 unless told otherwise
        arguments.append("weight_decay=0.0")
    start = f"optimizer = torch.optim.{_OPTIMIZERS[values['optimizer']]}("
    lines = [f"{start}{', '.join(arguments)})"]
    if len(lines[0]) > 100:
        lines = [start, f"    {', '.join(arguments)}", ")"]
    lines += [
        f"shuffle = torch.Generator().manual_seed({request.seed + 1})  # the order of the rows",
    ]
    if _used(request, "l1") or _used(request, "l2"):
        lines.append("weights = [p for p in model.parameters() if p.dim() > 1]  # of the linear layers, without biases")
    return lines


def _loop(request: CodeRequest) -> list[str]:
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
    if values["schedule"] not in ("constant", "one_cycle") and not _by_step(request):
        lines.append(f"    {_set_rate(request)}")
    lines += ["    model.train()", "    order = torch.randperm(len(inputs), generator=shuffle)"]
    size = "batch_size" if values["accumulation"] == 1 else "batch_size * accumulation"
    taken = f"order[start : start + {size}]"
    rows = f"rows = {taken}" if values["accumulation"] == 1 else f"batches = {taken}.split(batch_size)"
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
    lines += _indent(body, 2)
    if _validates(request):
        lines += _indent(_validation_lines(request))
    if values["schedule"] == "plateau":
        lines += _PLATEAU
    if values["patience"] is not None:
        lines += _PATIENCE
    return lines


def _loss(request: CodeRequest, share: str = "") -> list[str]:
    """Return the loss of the batch ``rows``, times its share in the loss of a step."""
    line = "loss = loss_function(model(inputs[rows]), targets[rows])"
    if share:
        line += f" * ({share})"
    return [_AUTOCAST + ":", f"    {line}"] if request.values["precision"] == "mixed" else [line]


_AUTOCAST = "with torch.autocast(inputs.device.type, torch.bfloat16)"


def _gradient_lines(request: CodeRequest) -> list[str]:
    lines = []
    if _normed(request):
        lines += ["if len(rows) == 1:", f"    continue  # {_LEFT_OVER}"]
    lines += _loss(request)
    if _used(request, "l1"):
        lines.append(f"loss = loss + {_L1}")
    if _used(request, "l2"):
        lines.append(f"loss = loss + {_L2}")
    return [*lines, "optimizer.zero_grad()", "loss.backward()"]


def _accumulation_lines(request: CodeRequest) -> list[str]:
    """Return the lines that add up the gradients of ``batches``.

    The loss of a step is the (weighted) mean over all its rows, so each batch's mean counts by the
    batch's share in the rows or in their weights.
    """
    lines = []
    if _normed(request):
        lines += [
            f"# {_LEFT_OVER}",
            "batches = [rows for rows in batches if len(rows) > 1]",
            "if not batches:",
            "    continue",
        ]
    weight = "row_weights[rows].sum()" if _balances(request) else "len(rows)"
    lines += [
        f"whole = sum({weight} for rows in batches)",
        "optimizer.zero_grad()",
        "for rows in batches:",
        *_indent(_loss(request, f"{weight} / whole")),
        "    loss.backward()",
    ]
    penalties = [term for name, term in (("l1", _L1), ("l2", _L2)) if _used(request, name)]
    if penalties:
        lines += [f"penalty = {' + '.join(penalties)}", "penalty.backward()"]
    return lines


_L1 = "l1 * sum(w.abs().sum() for w in weights)"
_L2 = "l2 * sum((w * w).sum() for w in weights)"
_LEFT_OVER = "batch normalisation cannot use a single row that is left over"


def _normed(request: CodeRequest) -> bool:
    return any(layer.kind == "batch_norm" for layer in request.layers)


def _clip_lines(request: CodeRequest) -> list[str]:
    lines = []
    for name, function in (("clip_value", "clip_grad_value_"), ("clip_norm", "clip_grad_norm_")):
        if _used(request, name):
            clip = f"nn.utils.{function}(model.parameters(), {name})"
            lines += [f"if {name} is not None:", f"    {clip}"] if _changed(request, name) else [clip]
    return lines


def _validation_lines(request: CodeRequest) -> list[str]:
    mixed = ", " + _AUTOCAST.removeprefix("with ") if request.values["precision"] == "mixed" else ""
    return [
        "model.eval()",
        f"with torch.no_grad(){mixed}:",
        "    validation_loss = loss_function(model(validation_inputs), validation_targets).item()",
    ]


_PLATEAU = [
    "    waited = 0 if validation_loss < lowest_loss else waited + 1",
    "    lowest_loss = min(lowest_loss, validation_loss)",
    "    if waited == plateau_patience:",
    "        factor, waited = max(factor / 2, 2**-30), 0",
]

_PATIENCE = [
    "    if validation_loss < best_loss:",
    "        best_loss, best_epoch = validation_loss, epoch",
    "        best_weights = copy.deepcopy(model.state_dict())",
    "    elif epoch - best_epoch >= patience:",
    "        break",
    "model.load_state_dict(best_weights)",
]


def _set_rate(request: CodeRequest) -> str:
    factor = "" if request.values["schedule"] == "constant" else " * factor"
    warming = " * warming" if request.values["warmup"] > 0 else ""
    return f'optimizer.param_groups[0]["lr"] = learning_rate{factor}{warming}'


def _rate_lines(request: CodeRequest) -> list[str]:
    """Return the lines that set the learning rate of a step, where it changes within an epoch."""
    if not _by_step(request):
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
            lines += _indent(_set_dropout(value))
            continue
        lines.append(f"    {name} = {value!r}")
        if name == "learning_rate" and not _by_step(request):
            lines.append(f"    {_set_rate(request)}")
        if name == "weight_decay":
            lines.append('    optimizer.param_groups[0]["weight_decay"] = weight_decay')
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
