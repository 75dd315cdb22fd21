"""Networks that read a row's features one beside the other: convolution, recurrence and attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..network import Layer
from ..parameters import Parameter
from .base import ARCHITECTURE, Algorithm
from .neural import network_entry
from .neural_parameters import (
    activation,
    check_divides,
    check_odd,
    choice,
    expansion,
    normalisation,
    switch,
    table,
    whole,
)


def _conv1d(values: Mapping[str, Any], n_features: int) -> list[Layer]:
    layers, length = [Layer("sequence", form="channels")], n_features
    for _ in range(values["blocks"]):
        layers.append(
            Layer("conv1d", channels=values["filters"], kernel=values["kernel"], padding="same", activation="none")
        )
        if values["normalisation"] == "batch":
            layers.append(Layer("batch_norm"))
        elif values["normalisation"] == "group":
            layers.append(Layer("group_norm", groups=1))
        layers.append(Layer("activation", name=values["activation"]))
        # a short series is as short as it can be after some blocks
        if values["pooling"] != "none" and length >= 2:
            layers.append(Layer("pooling", how=values["pooling"], size=2))
            length //= 2
    ending = values["ending"]
    layers.append(Layer("flatten") if ending == "flatten" else Layer("global_pooling", how=ending))
    return [
        *layers,
        Layer("linear", units=values["width"], activation=values["activation"]),
        Layer("dropout", p=float(values["dropout"])),
    ]


CONV1D = network_entry(
    id="conv1d",
    name="1-D convolution",
    summary=(
        "Slides small windows along the features, in the order of their columns, and looks for the same patterns "
        "everywhere. Each block sees wider patterns than the one before; a hidden layer puts them together."
    ),
    when=(
        "When the columns are a series of measurements, such as a signal over time or a spectrum, so that neighbours "
        "belong together."
    ),
    when_not=(
        "When the order of the columns has no meaning, as in most tables of mixed columns: take a perceptron, the "
        "transformer for tables or gradient boosting."
    ),
    references=(
        "LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition, "
        "doi:10.1109/5.726791",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html",
    ),
    parameters=table(
        whole("blocks", 2, 1, 16, "How many convolutions follow each other. Each sees further; 1 to 4 is usual."),
        whole(
            "filters",
            32,
            2,
            2048,
            "How many patterns each convolution looks for. More find more and cost more; 16 to 128 is usual.",
        ),
        whole(
            "kernel",
            3,
            1,
            255,
            "How many neighbouring features a window covers, an odd number. 3 to 9 is usual.",
            label="window",
        ),
        choice(
            "pooling",
            "max",
            ("max", "mean", "none"),
            "What halves the series after each block: the larger of two neighbours, or their mean. It makes the "
            "network quicker and lets the next block see further; 'none' keeps the full length.",
        ),
        choice(
            "ending",
            "flatten",
            ("flatten", "mean", "max"),
            "'flatten' keeps where in the series a pattern was found; 'mean' and 'max' ask only how much of it there "
            "was, or whether, and hold far fewer weights.",
        ),
        whole("width", 64, 1, 8192, "How wide the hidden layer behind the convolutions is.", unit="units"),
        activation(),
        normalisation("none", ("none", "batch", "group")),
        learning_rate=1e-3,
        where="after the hidden layer",
    ),
    network=_conv1d,
    most_features=100_000,
    checks=(check_odd("kernel"),),
    presets={
        "fast": {"epochs": 15, "batch_size": 512, "filters": 16, "learning_rate": 0.003},
        "accurate": {"epochs": 200, "blocks": 3, "filters": 64, "schedule": "cosine", "patience": 30},
        "regularised": {"optimizer": "adamw", "weight_decay": 0.05, "dropout": 0.4, "patience": 15},
    },
)


def _recurrent(kind: str, values: Mapping[str, Any]) -> list[Layer]:
    width = values["token_width"]
    layers = [Layer("sequence", form="tokens") if width is None else Layer("tokens", units=width)]
    for index in range(values["depth"]):
        last = index == values["depth"] - 1
        layers.append(
            Layer(
                kind,
                units=values["units"],
                bidirectional=values["bidirectional"],
                output="last" if last else "sequence",
            )
        )
        layers.append(Layer("dropout", p=float(values["dropout"])))
    return layers


def _lstm(values: Mapping[str, Any], n_features: int) -> list[Layer]:
    return _recurrent("lstm", values)


def _gru(values: Mapping[str, Any], n_features: int) -> list[Layer]:
    return _recurrent("gru", values)


_RECURRENT = table(
    whole(
        "units",
        64,
        1,
        4096,
        "How much the network can remember from step to step. More can learn more and cost more; 32 to 128 is usual.",
        unit="units",
    ),
    whole("depth", 1, 1, 8, "How many such layers read one after the other. 1 or 2 is usual.", label="layers"),
    switch("bidirectional", False, "Whether it also reads from the last feature to the first, at twice the cost."),
    Parameter(
        "token_width",
        "int",
        8,
        low=1,
        high=1024,
        scale="log",
        unit="units",
        optional=True,
        group=ARCHITECTURE,
        label="width of a step",
        help=(
            "Each feature's value is turned into so many numbers by weights of its own, so that the network knows "
            "which feature it reads. Off reads the bare values, which suits a series of one and the same quantity."
        ),
    ),
    learning_rate=3e-3,
    where="after each layer",
)
_READ = 10_000
_RECURRENT_PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"epochs": 15, "batch_size": 512, "units": 32, "learning_rate": 0.01},
    "accurate": {
        "epochs": 150,
        "units": 128,
        "bidirectional": True,
        "learning_rate": 0.001,
        "schedule": "cosine",
        "clip_norm": 1.0,
        "patience": 30,
    },
    "regularised": {"optimizer": "adamw", "weight_decay": 0.05, "dropout": 0.3, "patience": 15},
}
_SERIES = (
    "When the columns are the steps of a series, in order, and what matters is how it develops: vital signs, a light "
    "curve, monthly values."
)
_NO_SERIES = (
    "When the order of the columns has no meaning: it then reads slowly what a perceptron sees at once. On long series "
    "it is slow as well; a 1-D convolution is many times quicker."
)

LSTM = network_entry(
    id="lstm",
    name="LSTM",
    summary=(
        "Reads the features one after the other, in the order of their columns, and keeps a memory that it learns to "
        "fill, to use and to clear. What it remembers after the last one gives the answer."
    ),
    when=_SERIES,
    when_not=_NO_SERIES,
    references=(
        "Hochreiter and Schmidhuber (1997), Long short-term memory, doi:10.1162/neco.1997.9.8.1735",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
    ),
    parameters=_RECURRENT,
    network=_lstm,
    most_features=_READ,
    presets=_RECURRENT_PRESETS,
)

GRU = network_entry(
    id="gru",
    name="GRU",
    summary=(
        "Reads the features one after the other as an LSTM does, with a simpler memory of two gates: it has a quarter "
        "fewer weights and is often as good. On a processor it need not be the quicker one."
    ),
    when=_SERIES,
    when_not=_NO_SERIES,
    references=(
        "Cho et al. (2014), Learning phrase representations using RNN encoder-decoder, arXiv:1406.1078",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html",
    ),
    parameters=_RECURRENT,
    network=_gru,
    most_features=_READ,
    presets=_RECURRENT_PRESETS,
)


def _transformer(values: Mapping[str, Any], n_features: int) -> list[Layer]:
    width = int(values["token_width"])
    block = Layer(
        "transformer_block",
        heads=values["heads"],
        units=max(1, round(width * values["expansion"])),
        activation=values["activation"],
        p=float(values["dropout"]),
        normalisation="first",
    )
    return [
        Layer("tokens", units=width, class_token=True),
        *([block] * values["blocks"]),
        Layer("pool_tokens", how="last"),
        Layer("layer_norm"),
        Layer("activation", name="relu"),
    ]


FT_TRANSFORMER = network_entry(
    id="ft_transformer",
    name="Transformer for tables",
    summary=(
        "Makes a vector of each feature (a token) and lets the tokens look at each other: attention finds which "
        "features matter together in this row. One more token gathers the answer."
    ),
    when=(
        "When features act on each other in ways that differ from row to row, with some thousand rows or more. It is "
        "the FT-Transformer, among the best networks for tables."
    ),
    when_not=(
        "On small tables or without an accelerator on wide ones: its cost grows with the square of the number of "
        "features. Gradient boosting is ahead with far less time."
    ),
    references=(
        "Gorishniy, Rubachev, Khrulkov and Babenko (2021), Revisiting deep learning models for tabular data, "
        "arXiv:2106.11959. Here each column of a category is a token of its own, a GELU stands for the ReGLU, and one "
        "dropout for the paper's three",
        "Vaswani et al. (2017), Attention is all you need, arXiv:1706.03762",
    ),
    parameters=table(
        whole("blocks", 2, 1, 32, "How often the tokens look at each other. 1 to 4 is usual."),
        whole(
            "token_width",
            32,
            1,
            2048,
            "How many numbers stand for a feature; divisible by the heads. 32 to 192 is usual.",
            unit="units",
            label="width of a token",
        ),
        whole(
            "heads", 4, 1, 64, "How many different things a token looks for at once; 4 or 8 is usual.", label="heads"
        ),
        expansion(2.0, "a token"),
        activation("gelu"),
        learning_rate=1e-3,
        where="after attention and within each block",
    ),
    network=_transformer,
    most_features=1_000,
    checks=(check_divides("token_width", "heads"),),
    presets={
        "fast": {"epochs": 10, "batch_size": 512, "blocks": 1, "learning_rate": 0.003},
        "accurate": {
            "epochs": 100,
            "blocks": 3,
            "token_width": 96,
            "heads": 8,
            "learning_rate": 3e-4,
            "optimizer": "adamw",
            "weight_decay": 1e-5,
            "warmup": 2.0,
            "schedule": "cosine",
            "patience": 20,
        },
        "regularised": {"optimizer": "adamw", "weight_decay": 0.01, "dropout": 0.3, "patience": 15},
    },
)

SEQUENCES: tuple[Algorithm, ...] = (CONV1D, LSTM, GRU, FT_TRANSFORMER)
