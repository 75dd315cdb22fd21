"""The lines of a script that wrap a network into an estimator of scikit-learn, for its pipelines."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from . import _perceptron_head as _head
from ._perceptron_asked import validates
from ._perceptron_text import indent
from .base import CodeRequest

_WHOLE = ("batch_size", "epochs", "accumulation", "plateau_patience", "patience")
"""Settings that are whole numbers; the others are numbers."""


def estimator_lines(
    request: CodeRequest,
    network: Sequence[str],
    settings: Mapping[str, Any],
    tensors: Sequence[str],
    training: Sequence[str],
) -> list[str]:
    """Return a class with ``fit`` and ``predict``, and its use on X_train and X_test.

    Parameters
    ----------
    request : CodeRequest
    network : sequence of str
        Lines that define ``model`` with its first weights.
    settings : mapping
        What the constructor takes, with its defaults.
    tensors : sequence of str
        Lines that make tensors of X_train and y_train.
    training : sequence of str
        Lines that fit ``model``.
    """
    classes = request.task == "classification"
    called, mixin = ("NetworkClassifier", "ClassifierMixin") if classes else ("NetworkRegressor", "RegressorMixin")
    answer = "NDArray[np.int64]" if classes else "NDArray[np.float32]"
    taken = {"X": "NDArray[np.float32]", "y": answer}
    if validates(request):
        taken |= {"X_validation": "NDArray[np.float32]", "y_validation": answer}
    fit = [
        "torch.manual_seed(self.seed)  # the initial weights, then dropout",
        "model = build_network()",
        *(f"{name} = self.{name}" for name in settings),
        *(re.sub(r"\b([Xy])_train\b", r"\1", line) for line in tensors),
        *(line.replace(f"manual_seed({request.seed + 1})", "manual_seed(self.seed + 1)") for line in training),
        "self.network_ = model",
        *([f"self.classes_ = np.arange({request.n_classes})"] if classes else []),
        *(["self.scale_ = y_std, y_mean"] if not classes and _head.scaled(request) else []),
        "return self",
    ]
    definitions, statements = _divided(network)
    given = ", ".join(f"{name}: {kind}" for name, kind in taken.items())
    passed = ", ".join({"X": "X_train", "y": "y_train"}.get(name, name) for name in taken)
    return [
        "from numpy.typing import NDArray",
        f"from sklearn.base import BaseEstimator, {mixin}",
        "",
        *definitions,
        "",
        "",
        "def build_network() -> nn.Module:",
        '    """Return the network with its first weights."""',
        *indent(statements),
        "    return model",
        "",
        "",
        f"class {called}({mixin}, BaseEstimator):",
        f'    """The network as an estimator{"; y holds positions in ``classes``" if classes else ""}."""',
        "",
        "    def __init__(",
        "        self,",
        *(f"        {name}: {_kind(name, value)} = {value!r}," for name, value in settings.items()),
        f"        seed: int = {request.seed},",
        "    ) -> None:",
        *(f"        self.{name} = {name}" for name in (*settings, "seed")),
        "",
        f'    def fit(self, {given}) -> "{called}":',
        '        """Fit the weights to rows of features and their targets."""',
        *indent(fit, 2),
        "",
        *indent(_answers(request)),
        "",
        "",
        f"model = {called}()",
        f"model.fit({passed})",
        "predicted = model.predict(X_test)",
        *(["probabilities = model.predict_proba(X_test)"] if classes else []),
    ]


def _answers(request: CodeRequest) -> list[str]:
    outputs = [
        "    self.network_.eval()",
        "    outputs = self.network_(torch.as_tensor(X, dtype=torch.float32)).double()",
    ]
    answer = f"{_head.answer(request)}.numpy()"
    if request.task == "classification":
        return [
            "@torch.no_grad()",
            "def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:",
            '    """Return the probability of each class, rows × classes."""',
            *outputs,
            f"    return np.asarray({answer})",
            "",
            "def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:",
            '    """Return the position of the likeliest class of each row."""',
            "    return np.asarray(self.predict_proba(X).argmax(axis=1))",
        ]
    scaled = ["    spread, mean = self.scale_"] if _head.scaled(request) else []
    return [
        "@torch.no_grad()",
        "def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:",
        '    """Return a number for each row, in the units of the target."""',
        *outputs,
        *scaled,
        f"    return np.asarray({answer}{' * spread + mean' if scaled else ''})",
    ]


def _divided(network: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide a network's lines into imports, classes and functions, and the statements that make ``model``."""
    lines = "\n".join(network).split("\n")
    apart: set[int] = set()
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.Import, ast.ImportFrom)):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            apart |= set(range(first, (node.end_lineno or first) + 1))
            # a comment above belongs to what follows
            while first > 1 and lines[first - 2].startswith("#"):
                first -= 1
                apart.add(first)
    definitions = [line for number, line in enumerate(lines, 1) if number in apart or not line.strip()]
    return definitions, [line for number, line in enumerate(lines, 1) if number not in apart and line.strip()]


def _kind(name: str, value: Any) -> str:
    kind = "int" if name in _WHOLE else "float"
    return f"{kind} | None" if value is None else kind
