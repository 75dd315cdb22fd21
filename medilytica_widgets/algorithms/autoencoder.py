"""The autoencoder: what a row loses on its way through a few numbers says how unusual it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..network import source_lines
from ..parameters import Parameter, ParameterTable
from ._autoencoder_code import CodeStep, autoencoder_layers, linear_head, modules_to_code
from ._unsupervised import Needs, entry
from .base import CodeRequest
from .calls import Call
from .neural_parameters import activation, whole
from .perceptron_parameters import PARAMETERS as TRAINING

_FORWARDED = (
    "n_components",
    "width",
    "depth",
    "activation",
    "learning_rate",
    "weight_decay",
    "batch_size",
    "epochs",
    "contamination",
)


def _recipe(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {name: values[name] for name in _FORWARDED}
    path = "medilytica_widgets.algorithms.autoencoder_estimator.Autoencoder"
    if task == "transform":
        return CodeStep(path, {**arguments, "random_state": seed}, n_features=n_features)
    return Call(path, {**arguments, "random_state": seed, "warm_start": True})


def _lines(call: Call, request: CodeRequest) -> list[str]:
    if request.task == "transform":
        imports, *lines = (call.imports(), *map(str.splitlines, call.definitions()))
        body = [line for text in lines for line in ("", "", *text)]
        fitted = ["", "", *f"model = {call.source()}".split("\n"), "model.fit(X_train)"]
        return [*imports, *body, *fitted, "transformed = model.transform(X_test)"]
    values, n = request.values, request.n_features
    layers = autoencoder_layers(*(values[name] for name in ("width", "depth", "n_components", "activation")))
    source = source_lines(layers, n, linear_head(n), n)
    parts = modules_to_code(values)
    return [
        "import numpy as np",
        "import torch",
        "from torch import nn",
        "from torch.nn import functional",
        "",
        f"torch.manual_seed({request.seed})  # the first weights",
        *source[source.index("") + 1 :],
        *(f"{name} = {values[name]!r}" for name in ("learning_rate", "weight_decay", "batch_size", "epochs")),
        "inputs = torch.as_tensor(X_train, dtype=torch.float32)",
        "optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)",
        f"shuffle = torch.Generator().manual_seed({request.seed + 1})  # the order of the rows",
        "for epoch in range(epochs):",
        "    order = torch.randperm(len(inputs), generator=shuffle)",
        "    for start in range(0, len(inputs), batch_size):",
        "        batch = inputs[order[start : start + batch_size]]",
        "        loss = functional.mse_loss(model(batch), batch)",
        "        optimizer.zero_grad()",
        "        loss.backward()",
        "        optimizer.step()",
        "model.eval()",
        "",
        "",
        "@torch.no_grad()",
        "def reconstruction_error(rows: np.ndarray) -> np.ndarray:",
        '    """Return the mean squared difference between each row and what the code brings back of it."""',
        "    back = model(torch.as_tensor(rows, dtype=torch.float32)).numpy()",
        "    return np.mean((rows.astype(np.float64) - back) ** 2, axis=1)",
        "",
        "",
        f"limit = np.quantile(reconstruction_error(X_train), 1 - {values['contamination']!r})",
        "# a larger score means more unusual; True for an unusual row",
        "scores = reconstruction_error(X_test)",
        "predicted = scores > limit",
        "with torch.no_grad():",
        f"    codes = model[:{parts}](torch.as_tensor(X_test, dtype=torch.float32)).numpy()",
    ]


AUTOENCODER = entry(
    id="autoencoder",
    name="Autoencoder",
    category=("Neural networks",),
    tasks=frozenset({"anomaly", "transform"}),
    summary=(
        "A network that squeezes each row through a few numbers, its code, and learns to bring the row back from them. "
        "Rows that are unlike the others come back badly: how badly is their score. The code is told with it. As a "
        "step before another algorithm the code takes the place of the columns."
    ),
    when=(
        "When unusual rows break a pattern that several columns make together, which no column shows alone, and there "
        "are some thousand rows; or for a short description of each row that need not be linear."
    ),
    when_not=(
        "On small tables, where isolation forest or the local outlier factor is steadier, or when the short "
        "description is to be understood: PCA says what its components are made of."
    ),
    references=(
        "Hinton and Salakhutdinov (2006), Reducing the dimensionality of data with neural networks, "
        "doi:10.1126/science.1127647",
        "Sakurada and Yairi (2014), Anomaly detection using autoencoders with nonlinear dimensionality reduction, "
        "doi:10.1145/2689746.2689747",
    ),
    parameters=ParameterTable(
        (
            *(p if not p.live else replace(p, live=False) for p in TRAINING.parameters[:3] if p.id != "learning_rate"),
            replace(TRAINING["learning_rate"], default=1e-3, live=False),
            Parameter(
                "contamination",
                "float",
                0.05,
                low=1e-4,
                high=0.5,
                scale="log",
                label="part that is unusual",
                tasks=("anomaly",),
                help=(
                    "Which part of the training rows is to be called unusual. The scores and their order are the same "
                    "either way; only the line between usual and unusual moves. 0.01 to 0.1 is usual."
                ),
            ),
            whole(
                "n_components",
                2,
                1,
                4096,
                "How many numbers a row is squeezed into. Fewer bring only the strongest patterns back; with as many "
                "as there are columns nothing is unusual any more. A tenth to a third of the columns is usual.",
                label="numbers in the code",
            ),
            whole("width", 64, 1, 8192, "How wide the hidden layers before and after the code are.", unit="units"),
            whole("depth", 1, 1, 16, "How many hidden layers there are on each side of the code. 1 or 2 is usual."),
            activation(),
            replace(TRAINING["weight_decay"], live=False),
        )
    ),
    recipe=_recipe,
    lines=_lines,
    needs=Needs(columns=("n_components",)),
    staged="epochs",
)
