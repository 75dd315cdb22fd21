"""Kinds that look at more than a row of features: convolution, recurrence, attention, and what leads there and back."""

from __future__ import annotations

from ..parameters import Parameter, ParameterTable
from .kinds import LayerKind, Options, activation_parameter, activation_part, add_kind, bent
from .parts import Misfit, Part, Shape, block, torch_part
from .plain_kinds import dropout_parameter, units_parameter

_KERNEL_HELP = (
    "How many neighbouring values each output looks at. Larger ones see wider patterns and hold more weights."
)


def _wants(shape: Shape, dimensions: int, words: str, remedy: str) -> None:
    if len(shape) != dimensions:
        raise Misfit(f"it got {shape} and needs {words}. {remedy}")


def _image(shape: Shape) -> None:
    remedy = "Put a reshape layer before it, with channels, height and width."
    _wants(shape, 3, "(channels, height, width)", remedy)


def _signal(shape: Shape) -> None:
    _wants(shape, 2, "(channels, length)", "Put a sequence layer with form 'channels' before it.")


def _tokens(shape: Shape) -> None:
    _wants(shape, 2, "(tokens, width)", "Put a tokens layer, or a sequence layer with form 'tokens', before it.")


def _conv(dimensions: int, options: Options, shape: Shape) -> list[Part]:
    (_signal if dimensions == 1 else _image)(shape)
    kernel, stride, step = (int(options[name]) for name in ("kernel", "stride", "dilation"))
    reach, same = step * (kernel - 1), options["padding"] == "same"
    if not same and min(shape[1:]) <= reach:
        raise Misfit(
            f"it got {shape}; a kernel that reaches over {reach + 1} values needs at least as many. "
            "Take a smaller kernel or dilation, or padding 'same'."
        )
    named: dict[str, object] = {name: value for name, value in (("stride", stride), ("dilation", step)) if value != 1}
    if same and reach:
        named["padding"] = reach // 2
        if min(shape[1:]) + 2 * (reach // 2) <= reach:
            raise Misfit(f"it got {shape}, which is too short for an even kernel; take an odd one.")
    part = torch_part(f"Conv{dimensions}d", shape[0], int(options["channels"]), kernel, **named)
    return bent(part, options["activation"])


_CONV = ParameterTable(
    (
        units_parameter("How many patterns the layer looks for; each makes a channel of its own.", 32, "channels"),
        Parameter("kernel", "int", 3, low=1, high=1024, scale="log", help=_KERNEL_HELP),
        Parameter(
            "stride",
            "int",
            1,
            low=1,
            high=64,
            help="How far the window moves at a time. At 2 the output is half as long and costs half as much.",
        ),
        Parameter(
            "dilation",
            "int",
            1,
            low=1,
            high=64,
            help="The distance between the values that a window looks at. Larger ones see further with equal weights.",
        ),
        Parameter(
            "padding",
            "choice",
            "same",
            choices=("same", "none"),
            help="'same' adds zeros at the edges so that the length stays (with an odd kernel and a stride of 1); "
            "'none' loses the edges.",
        ),
        activation_parameter(),
    )
)

add_kind(
    LayerKind(
        "conv1d",
        "Convolution, 1-D",
        "Looks for the same short patterns everywhere along a series of values. It fits measurements in a meaningful "
        "order, such as a signal over time.",
        _CONV,
        lambda options, shapes: _conv(1, options, shapes[0]),
        group="Convolution",
    )
)
add_kind(
    LayerKind(
        "conv2d",
        "Convolution, 2-D",
        "Looks for the same small patterns everywhere in an image or a grid.",
        _CONV,
        lambda options, shapes: _conv(2, options, shapes[0]),
        group="Convolution",
    )
)


def _pooling(options: Options, shape: Shape) -> list[Part]:
    if len(shape) not in (2, 3):
        raise Misfit(
            f"it got {shape} and needs (channels, length) or (channels, height, width). "
            "Put a convolution, or a sequence or reshape layer, before it."
        )
    size = int(options["size"])
    if min(shape[1:]) < size:
        raise Misfit(f"it got {shape}; windows of {size} need at least {size} values. Take a smaller size.")
    how = "MaxPool" if options["how"] == "max" else "AvgPool"
    return [torch_part(f"{how}{len(shape) - 1}d", size)]


add_kind(
    LayerKind(
        "pooling",
        "Pooling",
        "Puts one value in the place of several neighbours, so that the series or image becomes smaller.",
        ParameterTable(
            (
                Parameter(
                    "how",
                    "choice",
                    "max",
                    choices=("max", "mean"),
                    help="'max' keeps the strongest answer of the neighbours, 'mean' their average.",
                ),
                Parameter(
                    "size", "int", 2, low=1, high=1024, scale="log", help="How many neighbours become one value."
                ),
            )
        ),
        lambda options, shapes: _pooling(options, shapes[0]),
        group="Convolution",
    )
)


def _global_pooling(options: Options, shape: Shape) -> list[Part]:
    if len(shape) < 2:
        raise Misfit(f"it got {shape}, which is one row of features already; take this layer out.")
    return [block("Pool", options["how"], tuple(range(2, len(shape) + 1)))]


add_kind(
    LayerKind(
        "global_pooling",
        "Global pooling",
        "Makes one value of each channel, and so a row of features from a series or an image.",
        ParameterTable(
            (
                Parameter(
                    "how",
                    "choice",
                    "mean",
                    choices=("mean", "max"),
                    help="The mean of the channel, or its largest value.",
                ),
            )
        ),
        lambda options, shapes: _global_pooling(options, shapes[0]),
        group="Convolution",
    )
)


def _recurrent(cls: str, options: Options, shape: Shape) -> list[Part]:
    _tokens(shape)
    units, both = int(options["units"]), bool(options["bidirectional"])
    named: dict[str, object] = {"num_layers": options["layers"]} if options["layers"] != 1 else {}
    if both:
        named["bidirectional"] = True
    parts = [block(cls, shape[1], units, **named, batch_first=True)]
    if options["output"] == "last":
        parts.append(block("BothEnds", units) if both else block("Take", -1))
    return parts


_RECURRENT = ParameterTable(
    (
        units_parameter("How much the layer can remember at each step.", 32),
        Parameter("layers", "int", 1, low=1, high=16, help="How many such layers stand on top of each other."),
        Parameter("bidirectional", "bool", False, help="Whether it reads backwards too, and answers with both."),
        Parameter(
            "output",
            "choice",
            "last",
            choices=("last", "sequence"),
            help="'last' gives one row of features after the last step; 'sequence' the answer at every step.",
        ),
    )
)

for _id, _cls, _name, _help in (
    (
        "lstm",
        "SequenceLSTM",
        "LSTM",
        "Reads a series step by step and keeps a memory that it learns to fill and to clear.",
    ),
    (
        "gru",
        "SequenceGRU",
        "GRU",
        "Reads a series step by step with a simpler memory than an LSTM; has fewer weights and is often as good.",
    ),
):
    add_kind(
        LayerKind(
            _id,
            _name,
            _help,
            _RECURRENT,
            # the default binds this round's class
            lambda options, shapes, cls=_cls: _recurrent(cls, options, shapes[0]),  # type: ignore[misc]
            group="Series and tokens",
        )
    )


def _heads_fit(width: int, heads: int) -> None:
    if width % heads:
        raise Misfit(
            f"it got tokens of width {width} and needs a width that its {heads} heads divide evenly. Take another "
            "number of heads, or another width in the layer before."
        )


def _attention(options: Options, shapes: tuple[Shape, ...]) -> list[Part]:
    for shape in shapes:
        _tokens(shape)
    width, heads = shapes[0][1], int(options["heads"])
    _heads_fit(width, heads)
    other = shapes[-1][1]
    named = {"kdim": other, "vdim": other} if other != width else {}
    return [block("Attention", width, heads, **named, batch_first=True)]


_HEADS = Parameter(
    "heads",
    "int",
    4,
    low=1,
    high=256,
    scale="log",
    help="How many different things a token can look for at once; the width must be divisible by it.",
)

add_kind(
    LayerKind(
        "attention",
        "Multi-head attention",
        "Each token gathers from all others what matters to it. With a second input the tokens of the first gather "
        "from those of the second.",
        ParameterTable((_HEADS,)),
        _attention,
        takes=(1, 2),
        group="Series and tokens",
    )
)


def _transformer(options: Options, shape: Shape) -> list[Part]:
    _tokens(shape)
    _heads_fit(shape[1], options["heads"])
    return [
        block(
            "TransformerBlock",
            shape[1],
            options["heads"],
            options["units"],
            activation=activation_part(options["activation"]),
            dropout=float(options["p"]),
            first=options["normalisation"] == "first",
        )
    ]


add_kind(
    LayerKind(
        "transformer_block",
        "Transformer block",
        "Attention among the tokens, then two linear layers for each token; both are added to what came in, and both "
        "are normalised. Several of them after a tokens layer make a transformer for tables.",
        ParameterTable(
            (
                _HEADS,
                units_parameter("The width between the two linear layers; two to four times the tokens' is usual."),
                activation_parameter(default="gelu"),
                dropout_parameter(),
                Parameter(
                    "normalisation",
                    "choice",
                    "first",
                    choices=("first", "last"),
                    help="Where layer normalisation stands: 'first' trains steadily, 'last' is the original form.",
                ),
            )
        ),
        lambda options, shapes: _transformer(options, shapes[0]),
        group="Series and tokens",
    )
)


def _pool_tokens(options: Options, shape: Shape) -> list[Part]:
    _tokens(shape)
    how = options["how"]
    return [block("Pool", how, (1,)) if how in ("mean", "max") else block("Take", 0 if how == "first" else -1)]


add_kind(
    LayerKind(
        "pool_tokens",
        "Pool tokens",
        "Makes one row of features from a series of tokens.",
        ParameterTable(
            (
                Parameter(
                    "how",
                    "choice",
                    "mean",
                    choices=("mean", "max", "first", "last"),
                    help="The mean or the largest values over all tokens, or one token alone: 'last' is the class "
                    "token, where there is one, and the last step of a series.",
                ),
            )
        ),
        lambda options, shapes: _pool_tokens(options, shapes[0]),
        group="Series and tokens",
    )
)
