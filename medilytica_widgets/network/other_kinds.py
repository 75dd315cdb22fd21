"""Kinds that join, reshape and look up, and the one that stands for any class of torch.nn."""

from __future__ import annotations

from typing import Any

from ..parameters import Parameter, ParameterTable
from .kinds import LayerKind, Options, activation_parameter, activation_part, add_kind
from .parts import Misfit, Part, Shape, block, size_of, torch_part
from .plain_kinds import dropout_parameter, units_parameter

_NO_OPTIONS = ParameterTable(())
_SHAPES, _JOINS, _BLOCKS = "Shapes", "Joining", "Blocks and look-up"


def _tokens(options: Options, shape: Shape) -> list[Part]:
    if len(shape) != 1:
        raise Misfit(f"it got {shape} and needs one row of features; let it be the first layer.")
    named = {"class_token": True} if options["class_token"] else {}
    return [block("FeatureTokens", shape[0], options["units"], **named)]


add_kind(
    LayerKind(
        "tokens",
        "Feature tokens",
        "Makes a token of each feature: its value times a learned vector, plus another. Attention and recurrent "
        "layers can then relate the features of a table to each other.",
        ParameterTable(
            (
                units_parameter("The width of each token; attention needs one that its heads divide.", 32),
                Parameter(
                    "class_token",
                    "bool",
                    False,
                    help="Whether one more token is added at the end, in which attention gathers the answer; take it "
                    "with 'pool tokens' and how='last'.",
                ),
            )
        ),
        lambda options, shapes: _tokens(options, shapes[0]),
        group="Series and tokens",
    )
)


def _sequence(options: Options, shape: Shape) -> list[Part]:
    if len(shape) != 1:
        raise Misfit(f"it got {shape} and needs one row of features; put a flatten layer before it.")
    return [torch_part("Unflatten", 1, (1, shape[0]) if options["form"] == "channels" else (shape[0], 1))]


add_kind(
    LayerKind(
        "sequence",
        "Sequence",
        "Reads the features, in their order, as a series of single values, for layers that look along a series.",
        ParameterTable(
            (
                Parameter(
                    "form",
                    "choice",
                    "channels",
                    choices=("channels", "tokens"),
                    help="'channels' gives one channel (1, features), as 1-D convolution needs it; 'tokens' gives "
                    "(features, 1), as LSTM and GRU need it.",
                ),
            )
        ),
        lambda options, shapes: _sequence(options, shapes[0]),
        group=_SHAPES,
    )
)


def _reshape(options: Options, shape: Shape) -> list[Part]:
    wanted: list[int | None] = [options["channels"], options["height"]]
    if options["width"] is not None:
        wanted.append(options["width"])
    total = size_of(shape)
    known = size_of(tuple(size for size in wanted if size is not None))
    if (known != total) if None not in wanted else total % known:
        asked = " × ".join("?" if size is None else str(size) for size in wanted)
        raise Misfit(f"it got {shape}, {total} values, which cannot be laid out as {asked}. Change the sizes.")
    sizes = tuple(total // known if size is None else size for size in wanted)
    unflatten = torch_part("Unflatten", 1, sizes)
    return [unflatten] if len(shape) == 1 else [torch_part("Flatten"), unflatten]


def _side(id: str, help: str, default: int | None = None) -> Parameter:
    return Parameter(id, "int", default, low=1, high=1_000_000, scale="log", optional=default is None, help=help)


add_kind(
    LayerKind(
        "reshape",
        "Reshape",
        "Lays the values out anew, for example as an image; their number and order stay.",
        ParameterTable(
            (
                _side("channels", "The first size: channels, or tokens.", 1),
                _side("height", "The second size; what the others leave when it is off."),
                _side("width", "The third size; when it is off there are only two."),
            )
        ),
        lambda options, shapes: _reshape(options, shapes[0]),
        group=_SHAPES,
    )
)


def _transpose(shape: Shape) -> list[Part]:
    if len(shape) != 2:
        raise Misfit(f"it got {shape} and needs two sizes, (channels, length) or (tokens, width).")
    return [block("Transpose")]


add_kind(
    LayerKind(
        "transpose",
        "Transpose",
        "Swaps the two sizes, so that the channels of a convolution become the width of tokens, or the other way.",
        _NO_OPTIONS,
        lambda options, shapes: _transpose(shapes[0]),
        group=_SHAPES,
    )
)
add_kind(
    LayerKind(
        "flatten",
        "Flatten",
        "Puts all values into one row of features.",
        _NO_OPTIONS,
        lambda options, shapes: [torch_part("Flatten")],
        group=_SHAPES,
    )
)


def _add(shapes: tuple[Shape, ...]) -> list[Part]:
    for shape in shapes[1:]:
        if shape != shapes[0]:
            got = " and ".join(str(s) for s in dict.fromkeys(shapes))
            raise Misfit(f"it got {got} and needs inputs of one shape. Put a linear layer of that width before one.")
    return [block("Add")]


add_kind(
    LayerKind(
        "add",
        "Add",
        "Adds the outputs of several layers: with the output of an earlier layer it is a skip connection, over which "
        "deep stacks learn more easily.",
        _NO_OPTIONS,
        lambda options, shapes: _add(shapes),
        takes=(2, None),
        group=_JOINS,
    )
)


def _concatenate(options: Options, shapes: tuple[Shape, ...]) -> list[Part]:
    least = min(len(shape) for shape in shapes)
    if any(len(shape) != least for shape in shapes):
        got = " and ".join(str(s) for s in dict.fromkeys(shapes))
        raise Misfit(f"it got {got} and needs as many sizes in each. Put a flatten or pooling layer before one.")
    axis = 0 if options["along"] == "first" else least - 1
    for shape in shapes[1:]:
        if [s for i, s in enumerate(shape) if i != axis] != [s for i, s in enumerate(shapes[0]) if i != axis]:
            got = " and ".join(str(s) for s in dict.fromkeys(shapes))
            raise Misfit(f"it got {got} and needs inputs that differ in their {options['along']} size only.")
    return [block("Concatenate", axis + 1)]


add_kind(
    LayerKind(
        "concatenate",
        "Concatenate",
        "Puts the outputs of several layers one behind the other, so that the next layer sees all of them.",
        ParameterTable(
            (
                Parameter(
                    "along",
                    "choice",
                    "last",
                    choices=("last", "first"),
                    help="Along which size: 'last' is the features, or the width of tokens; 'first' the channels, or "
                    "the tokens themselves.",
                ),
            )
        ),
        _concatenate,
        takes=(2, None),
        group=_JOINS,
    )
)


def _residual(options: Options, shape: Shape) -> list[Part]:
    if options["normalisation"] == "batch" and len(shape) != 1:
        raise Misfit(f"it got {shape}; its batch normalisation needs one row of features. Take 'layer' in its place.")
    activation = activation_part(options["activation"])
    return [
        block(
            "ResidualBlock",
            shape[-1],
            options["units"],
            normalisation=options["normalisation"],
            activation=activation,
            dropout=float(options["p"]),
        )
    ]


add_kind(
    LayerKind(
        "residual",
        "Residual block",
        "Two linear layers whose result is added to what came in, so that each block only corrects the one before. "
        "Deep networks for tables are made of these.",
        ParameterTable(
            (
                units_parameter("The width between the two linear layers; what comes out is as wide as what came in."),
                activation_parameter(),
                Parameter(
                    "normalisation",
                    "choice",
                    "layer",
                    choices=("layer", "batch", "none"),
                    help="What steadies the values at its beginning; 'layer' does not depend on the batch.",
                ),
                dropout_parameter(),
            )
        ),
        lambda options, shapes: _residual(options, shapes[0]),
        group=_BLOCKS,
    )
)


def _group_norm(options: Options, shape: Shape) -> list[Part]:
    groups = int(options["groups"])
    if shape[0] % groups:
        raise Misfit(
            f"it got {shape} and needs a first size that {groups} groups divide evenly; take another number of groups."
        )
    if size_of(shape) == groups:
        raise Misfit(f"it got {shape}, one value for each of {groups} groups, which would all become 0; take fewer.")
    return [torch_part("GroupNorm", groups, shape[0])]


add_kind(
    LayerKind(
        "group_norm",
        "Group normalisation",
        "Scales groups of channels or features of each row to mean 0 and spread 1. It does not depend on the batch.",
        ParameterTable(
            (
                Parameter(
                    "groups",
                    "int",
                    2,
                    low=1,
                    high=1024,
                    scale="log",
                    help="Into how many groups the channels fall; 1 takes all of them together.",
                ),
            )
        ),
        lambda options, shapes: _group_norm(options, shapes[0]),
    )
)
add_kind(
    LayerKind(
        "embedding",
        "Embedding",
        "Looks up a learned vector for each whole number, such as the code of a category or a word. Values are cut to "
        "whole numbers; those beyond the table take its nearest end.",
        ParameterTable(
            (
                Parameter(
                    "categories",
                    "int",
                    100,
                    low=1,
                    high=1_000_000,
                    scale="log",
                    help="How many different numbers there are, counted from 0.",
                ),
                units_parameter("The width of each vector.", 16),
            )
        ),
        lambda options, shapes: [block("CodeEmbedding", options["categories"], options["units"])],
        group=_BLOCKS,
    )
)


def _any_class(options: Options, shapes: tuple[Shape, ...]) -> list[Part]:
    # finding the class loads torch
    from .torch_classes import torch_call

    arguments: dict[str, Any] = options["arguments"]
    return [torch_call(options["class_"], arguments)]


add_kind(
    LayerKind(
        "torch",
        "Any class of torch.nn",
        "A layer by the name of its class in torch.nn, with the arguments that the class takes.",
        _NO_OPTIONS,
        _any_class,
        takes=(1, None),
        group="Other",
        open=True,
    )
)
