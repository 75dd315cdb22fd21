"""The lines of a standalone script that train a multilayer perceptron as the engine does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..network import Head, source_lines
from ..registered import hoisted, printed
from . import _perceptron_head as _head
from . import _perceptron_heads as _heads
from ._dropouts import dropped_parts
from ._perceptron_asked import SWITCHED, acts, balances, used, validates
from ._perceptron_estimator import estimator_lines
from ._perceptron_loop import loop_lines, set_dropout
from ._perceptron_text import indent
from .base import CodeRequest
from .own import optimizer_call, own_optimizer

_BACK = " * y_std + y_mean"
_OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop", "nadam": "NAdam"}


def perceptron_lines(request: CodeRequest) -> list[str]:
    """Return the network, its training loop and the prediction of X_test.

    Everything random comes as in the engine, bit for bit on the CPU: the initial weights from a
    generator seeded with ``seed``, dropout's masks from where that one was left, the order of the
    rows from one seeded with ``seed + 1``.
    """
    request = replace(request, changes=[change for change in request.changes if acts(request, change[1])])
    outputs = request.n_classes if request.task == "classification" else 1
    head = Head(request.task)
    if request.head is not None:
        (head,), (outputs,) = _heads.stand_ins([request.head])
    heads, widths = _heads.stand_ins(request.heads) if request.heads else ([head], [outputs])
    source = source_lines(request.layers, request.n_features, heads, widths)
    # its imports are replaced by the script's own
    network = [*source[source.index("") + 1 :], *_heads.variance_lines(request)]
    body = [f"torch.manual_seed({request.seed})  # the initial weights, then dropout", *network]
    if request.style == "sklearn":
        training = [*_layer_dropout(request), *_loss_lines(request), *_training(request)]
        body = estimator_lines(request, network, _settings(request), _tensors(request), training)
    else:
        body += _functions(request) if request.style == "torch" else _in_a_row(request)
    own = own_optimizer(request.values["optimizer"])
    body = [*printed(own), "", "", *body] if own is not None else body
    # what people registered brings imports of its own
    brought, body = hoisted(body) if any(line.startswith(("import ", "from ")) for line in body) else ([], body)
    text = "\n".join(body)
    imports = [f"import {module}" for module in ("copy", "math") if f"{module}." in text]
    imports += ["from typing import Any"] if "dict[str, Any]" in text else []
    imports += ["import torch", "from torch import nn"]
    imports += ["from torch.nn import functional"] if "functional." in text.replace("nn.functional.", "") else []
    imports = [*(["import numpy as np"] if "np." in text else []), *imports]
    return [*imports, *(line for line in brought if line not in imports), "", *body]


def _in_a_row(request: CodeRequest) -> list[str]:
    return [
        *_layer_dropout(request),
        "",
        *_setting_lines(request),
        "",
        *_tensors(request),
        *_loss_lines(request),
        *_training(request),
        "",
        *_prediction(request),
    ]


def _training(request: CodeRequest) -> list[str]:
    lines = [*_optimizer_lines(request), "", *loop_lines(request)]
    return _heads.without_decay(lines) if _heads.uncertain(request) and used(request, "weight_decay") else lines


def _functions(request: CodeRequest) -> list[str]:
    """Return the same as `_in_a_row`, training and prediction as functions that take tensors."""
    names = ["inputs", "targets", *(["validation_inputs", "validation_targets"] if validates(request) else [])]
    taken = ", ".join(f"{name}: torch.Tensor" for name in names)
    classes = request.task == "classification"
    known = (
        "the probability of each class, rows × classes" if classes else "what the network answers, before scaling back"
    )
    answer = "predict(model, torch.as_tensor(X_test, dtype=torch.float32)).numpy()"
    predict = [
        "@torch.no_grad()",
        "def predict(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:",
        f'    """Return {known}."""',
        "    model.eval()",
        "    outputs = model(inputs).double()",
        f"    return {_head.answer(request)}",
    ]
    if request.heads:
        predict, last = _heads.predict_lines(request), _heads.answer_lines(request)
    elif classes:
        last = [f"probabilities = {answer}", "predicted = probabilities.argmax(axis=1)"]
    else:
        last = [f"predicted = {answer}{_BACK if _head.scaled(request) else ''}"]
    return [
        "",
        "",
        f"def fit(model: nn.Module, {taken}) -> None:",
        '    """Fit the weights to rows of features and their targets, in place."""',
        *indent(_layer_dropout(request)),
        *indent([*_setting_lines(request), *_loss_lines(request), *_training(request)]),
        "",
        "",
        *predict,
        "",
        "",
        *_tensors(request),
        f"fit(model, {', '.join(names)})",
        "",
        *last,
    ]


def _setting_lines(request: CodeRequest) -> list[str]:
    return [f"{name} = {value!r}" for name, value in _settings(request).items()]


def _settings(request: CodeRequest) -> dict[str, Any]:
    """Return what a person would turn knobs at."""
    values = request.values
    names = ["learning_rate", "batch_size", "epochs"]
    if values["accumulation"] > 1:
        names.append("accumulation")
    if values["warmup"] > 0:
        names.append("warmup")
    if values["schedule"] == "plateau":
        names.append("plateau_patience")
    names += [name for name in SWITCHED if used(request, name)]
    return {name: values[name] for name in names}


def _layer_dropout(request: CodeRequest) -> list[str]:
    if not dropped_parts(request.layers):
        return []
    lines = []
    if any(name == "dropout" and value is None for _, name, value in request.changes):
        lines.append("own_dropout = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]")
    # the layers of some algorithms have that value already
    if request.values["dropout"] is not None and dropped_parts(request.layers) != {request.values["dropout"]}:
        lines += set_dropout(request.values["dropout"])
    return lines


def _tensors(request: CodeRequest) -> list[str]:
    lines = ["inputs = torch.as_tensor(X_train, dtype=torch.float32)"]
    if request.heads:
        lines += [*_heads.scale_lines(request), *_heads.target_lines(request, "targets", "train")]
        if validates(request):
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
    if validates(request):
        lines.append("validation_inputs = torch.as_tensor(X_validation, dtype=torch.float32)")
        lines.append(
            "validation_targets = torch.tensor(y_validation, dtype=torch.int64)"
            if request.task == "classification"
            else f"validation_targets = {_head.target(request, 'y_validation')}"
        )
    return lines


def _loss_lines(request: CodeRequest) -> list[str]:
    """Return what `balanced_weights` calculates, and the loss."""
    if request.heads:
        return _heads.loss_lines(request)
    if request.task == "regression":
        return _head.loss_lines(request) if _head.own_loss(request) else ["loss_function = nn.MSELoss()"]
    lines: list[str] = []
    arguments = []
    if balances(request):
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
    if used(request, "weight_decay"):
        arguments.append("weight_decay=weight_decay")
    elif values["optimizer"] == "adamw":
        # torch's AdamW decays by 0.01 unless told otherwise
        arguments.append("weight_decay=0.0")
    own = own_optimizer(values["optimizer"])
    if own is not None:
        name, further = optimizer_call(own, values, used(request, "weight_decay"))
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
    if used(request, "l1") or used(request, "l2"):
        lines.append("weights = [p for p in model.parameters() if p.dim() > 1]  # of the linear layers, without biases")
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
