"""The lines of a standalone script that train a multilayer perceptron as the engine does."""

from __future__ import annotations

from dataclasses import replace

from ..network import Head, batch_normed, source_lines
from ..registered import hoisted, printed
from . import _perceptron_head as _head
from . import _perceptron_heads as _heads
from ._dropouts import dropped_parts
from ._perceptron_text import AUTOCAST, L1, L2, LEFT_OVER, PATIENCE, PLATEAU, indent
from .base import CodeRequest
from .own import optimizer_call, own_optimizer
from .schedules import schedule_source

_BACK = " * y_std + y_mean"
_OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop", "nadam": "NAdam"}


def perceptron_lines(request: CodeRequest) -> list[str]:
    """Return the network, its training loop and the prediction of X_test.

    Everything random comes as in the engine, bit for bit on the CPU: the initial weights from a
    generator seeded with ``seed``, dropout's masks from where that one was left, the order of the
    rows from one seeded with ``seed + 1``.
    """
    request = replace(request, changes=[change for change in request.changes if _acts(request, change[1])])
    outputs = request.n_classes if request.task == "classification" else 1
    head = Head(request.task)
    if request.head is not None:
        (head,), (outputs,) = _heads.stand_ins([request.head])
    heads, widths = _heads.stand_ins(request.heads) if request.heads else ([head], [outputs])
    source = source_lines(request.layers, request.n_features, heads, widths)
    # its imports are replaced by the script's own
    network = [*source[source.index("") + 1 :], *_heads.variance_lines(request)]
    body = [f"torch.manual_seed({request.seed})  # the initial weights, then dropout", *network]
    body += _functions(request) if request.style == "torch" else _in_a_row(request)
    own = own_optimizer(request.values["optimizer"])
    body = [*printed(own), "", "", *body] if own is not None else body
    # what people registered brings imports of its own
    brought, body = hoisted(body) if any(line.startswith(("import ", "from ")) for line in body) else ([], body)
    text = "\n".join(body)
    imports = [f"import {module}" for module in ("copy", "math") if f"{module}." in text]
    imports += ["import torch", "from torch import nn"]
    imports += ["from torch.nn import functional"] if "functional." in text.replace("nn.functional.", "") else []
    imports = [*(["import numpy as np"] if "np." in text else []), *imports]
    return [*imports, *(line for line in brought if line not in imports), "", *body]


def _in_a_row(request: CodeRequest) -> list[str]:
    training = [*_optimizer_lines(request), "", *_loop(request)]
    if _heads.uncertain(request) and _used(request, "weight_decay"):
        training = _heads.without_decay(training)
    return [
        *_layer_dropout(request),
        "",
        *_settings(request),
        "",
        *_tensors(request),
        *_loss_lines(request),
        *training,
        "",
        *_prediction(request),
    ]


def _functions(request: CodeRequest) -> list[str]:
    """Return the same as `_in_a_row`, training and prediction as functions that take tensors."""
    names = ["inputs", "targets", *(["validation_inputs", "validation_targets"] if _validates(request) else [])]
    taken = ", ".join(f"{name}: torch.Tensor" for name in names)
    classes = request.task == "classification"
    known = (
        "the probability of each class, rows × classes" if classes else "what the network answers, before scaling back"
    )
    answer = "predict(model, torch.as_tensor(X_test, dtype=torch.float32)).numpy()"
    last = (
        [f"probabilities = {answer}", "predicted = probabilities.argmax(axis=1)"]
        if classes
        else [f"predicted = {answer}{_BACK if _head.scaled(request) else ''}"]
    )
    return [
        "",
        "",
        f"def fit(model: nn.Module, {taken}) -> None:",
        '    """Fit the weights to rows of features and their targets, in place."""',
        *indent([*_layer_dropout(request), *_settings(request), *_loss_lines(request), *_optimizer_lines(request)]),
        "",
        *indent(_loop(request)),
        "",
        "",
        "@torch.no_grad()",
        "def predict(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:",
        f'    """Return {known}."""',
        "    model.eval()",
        "    outputs = model(inputs).double()",
        f"    return {_head.answer(request)}",
        "",
        "",
        *_tensors(request),
        f"fit(model, {', '.join(names)})",
        "",
        *last,
    ]


_SWITCHED = ("weight_decay", "l1", "l2", "clip_value", "clip_norm", "patience")


def _acts(request: CodeRequest, name: str) -> bool:
    """Say whether changes of a parameter have an effect: not where it was off and stayed off."""
    if name == "dropout":
        return bool(dropped_parts(request.layers))
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
    if not dropped_parts(request.layers):
        return []
    lines = []
    if any(name == "dropout" and value is None for _, name, value in request.changes):
        lines.append("own_dropout = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]")
    # the layers of some algorithms have that value already
    if request.values["dropout"] is not None and dropped_parts(request.layers) != {request.values["dropout"]}:
        lines += _set_dropout(request.values["dropout"])
    return lines


def _set_dropout(value: float | None) -> list[str]:
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


def _validates(request: CodeRequest) -> bool:
    return request.values["patience"] is not None or request.values["schedule"] == "plateau"


def _tensors(request: CodeRequest) -> list[str]:
    lines = ["inputs = torch.as_tensor(X_train, dtype=torch.float32)"]
    if request.heads:
        lines += [*_heads.scale_lines(request), *_heads.target_lines(request, "targets", "train")]
        if _validates(request):
            lines.append("validation_inputs = torch.as_tensor(X_validation, dtype=torch.float32)")
            lines += _heads.target_lines(request, "validation_targets", "validation")
        return lines
    if request.task == "classification":
        lines.append("targets = torch.tensor(y_train, dtype=torch.int64)")
    else:
        if _head.scaled(request):
            lines += [
                "# the network learns the target at mean 0 and spread 1",
                'y_mean, y_std = y_train.mean(dtype="float64"), y_train.std(dtype="float64") or 1.0',
            ]
        lines.append(f"targets = {_head.target(request, 'y_train')}")
    if _validates(request):
        lines.append("validation_inputs = torch.as_tensor(X_validation, dtype=torch.float32)")
        lines.append(
            "validation_targets = torch.tensor(y_validation, dtype=torch.int64)"
            if request.task == "classification"
            else f"validation_targets = {_head.target(request, 'y_validation')}"
        )
    return lines


def _balances(request: CodeRequest) -> bool:
    return request.task == "classification" and request.values["class_weight"] == "balanced"


def _loss_lines(request: CodeRequest) -> list[str]:
    """Return what `balanced_weights` calculates, and the loss."""
    if request.heads:
        return _heads.loss_lines(request)
    if request.task == "regression":
        return _head.loss_lines(request) if _head.own_loss(request) else ["loss_function = nn.MSELoss()"]
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
    if _head.own_loss(request):
        return [*lines, *_head.loss_lines(request)]
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
    own = own_optimizer(values["optimizer"])
    if own is not None:
        name, further = optimizer_call(own, values, _used(request, "weight_decay"))
        arguments = [*arguments[:2], *further]
    else:
        name = f"torch.optim.{_OPTIMIZERS[values['optimizer']]}"
    start = f"optimizer = {name}("
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
    lines += indent(body, 2)
    if _validates(request):
        lines += indent(_validation_lines(request))
    if values["schedule"] == "plateau":
        lines += PLATEAU
    if values["patience"] is not None:
        lines += PATIENCE
    return lines


def _loss(request: CodeRequest, share: str = "") -> list[str]:
    """Return the loss of the batch ``rows``, times its share in the loss of a step."""
    line = "loss = loss_function(model(inputs[rows]), targets[rows])"
    if share:
        line += f" * ({share})"
    if _head.weight(request) != 1.0:
        line += f" * {_head.weight(request)!r}  # the head's weight"
    return [AUTOCAST + ":", f"    {line}"] if request.values["precision"] == "mixed" else [line]


def _gradient_lines(request: CodeRequest) -> list[str]:
    lines = []
    if _normed(request):
        lines += ["if len(rows) == 1:", f"    continue  # {LEFT_OVER}"]
    lines += _loss(request)
    if _used(request, "l1"):
        lines.append(f"loss = loss + {L1}")
    if _used(request, "l2"):
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
            "batches = [rows for rows in batches if len(rows) > 1]",
            "if not batches:",
            "    continue",
        ]
    weight = "row_weights[rows].sum()" if _balances(request) else "len(rows)"
    lines += [
        f"whole = sum({weight} for rows in batches)",
        "optimizer.zero_grad()",
        "for rows in batches:",
        *indent(_loss(request, f"{weight} / whole")),
        "    loss.backward()",
    ]
    penalties = [term for name, term in (("l1", L1), ("l2", L2)) if _used(request, name)]
    if penalties:
        lines += [f"penalty = {' + '.join(penalties)}", "penalty.backward()"]
    return lines


def _normed(request: CodeRequest) -> bool:
    return batch_normed(request.layers)


def _clip_lines(request: CodeRequest) -> list[str]:
    lines = []
    for name, function in (("clip_value", "clip_grad_value_"), ("clip_norm", "clip_grad_norm_")):
        if _used(request, name):
            clip = f"nn.utils.{function}(model.parameters(), {name})"
            lines += [f"if {name} is not None:", f"    {clip}"] if _changed(request, name) else [clip]
    return lines


def _validation_lines(request: CodeRequest) -> list[str]:
    mixed = ", " + AUTOCAST.removeprefix("with ") if request.values["precision"] == "mixed" else ""
    return [
        "model.eval()",
        f"with torch.no_grad(){mixed}:",
        "    validation_loss = loss_function(model(validation_inputs), validation_targets).item()",
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
            lines += indent(_set_dropout(value))
            continue
        lines.append(f"    {name} = {value!r}")
        if name == "learning_rate" and not _by_step(request):
            lines.append(f"    {_set_rate(request)}")
        if name == "weight_decay":
            lines.append('    optimizer.param_groups[0]["weight_decay"] = weight_decay')
    return lines


def _prediction(request: CodeRequest) -> list[str]:
    if request.heads:
        return _heads.prediction_lines(request)
    lines = [
        "model.eval()",
        "with torch.no_grad():",
        "    outputs = model(torch.as_tensor(X_test, dtype=torch.float32)).double()",
    ]
    if request.task == "classification":
        lines += [f"probabilities = {_head.answer(request)}.numpy()", "predicted = probabilities.argmax(axis=1)"]
    else:
        lines.append(f"predicted = {_head.answer(request)}.numpy(){_BACK if _head.scaled(request) else ''}")
    return lines
