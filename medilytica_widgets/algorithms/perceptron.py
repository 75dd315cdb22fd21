"""The multilayer perceptron, trained by the torch engine."""

from __future__ import annotations

from ..parameters import Parameter, ParameterTable
from ._perceptron_code import perceptron_lines
from .base import Algorithm
from .schedules import SCHEDULES

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")

MLP = Algorithm(
    id="mlp",
    name="Multilayer perceptron",
    category=("Neural networks",),
    tasks=frozenset({"classification", "regression"}),
    summary=(
        "A neural network of layers in a row: each multiplies its input with weights and bends the result by an "
        "activation. All weights are learned together by gradient descent in small batches."
    ),
    when=(
        "When the boundary is smooth and curved, when many rows are at hand, or to see learning happen: it can be "
        "paused, changed and continued while it trains."
    ),
    when_not=(
        "On small tables of mixed columns, where gradient boosting is usually ahead with less tuning, or when every "
        "weight must be explained to someone: take logistic regression."
    ),
    references=(
        "Rumelhart, Hinton and Williams (1986), Learning representations by back-propagating errors, Nature 323",
        "Goodfellow, Bengio and Courville (2016), Deep Learning, chapters 6 to 8, https://www.deeplearningbook.org",
        "https://docs.pytorch.org/docs/stable/nn.html",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "learning_rate",
                "float",
                3e-3,
                low=1e-6,
                high=10.0,
                scale="log",
                live=True,
                help=(
                    "The length of each step. Too large and the loss jumps or becomes NaN; too small and it hardly "
                    "falls. Between 0.0001 and 0.01 is usual for adam, about ten times that for sgd."
                ),
            ),
            Parameter(
                "batch_size",
                "int",
                128,
                low=1,
                high=65536,
                scale="log",
                unit="rows",
                live=True,
                help=(
                    "How many rows each step looks at. Small batches make more, noisier steps in an epoch, which can "
                    "generalise better; large ones pass through an epoch faster."
                ),
            ),
            Parameter(
                "epochs",
                "int",
                50,
                low=1,
                high=1_000_000,
                scale="log",
                unit="epochs",
                help=(
                    "How often the network sees every training row. More lets the loss fall further; when the "
                    "validation loss rises again, it was too many (see patience)."
                ),
            ),
            Parameter(
                "optimizer",
                "choice",
                "adam",
                choices=OPTIMIZERS,
                help=(
                    "How gradients become steps. adam adapts the step of each weight and is a safe choice; adamw "
                    "does the same with a cleaner weight decay; sgd is plain descent with momentum and needs its "
                    "learning rate tuned; rmsprop adapts without momentum."
                ),
            ),
            Parameter(
                "momentum",
                "float",
                0.9,
                low=0.0,
                high=0.999,
                help=(
                    "For sgd only: the part of the last step that is carried into the next. Larger values roll "
                    "through noise and small dents and may overshoot; 0 is plain descent."
                ),
            ),
            Parameter(
                "schedule",
                "choice",
                "constant",
                choices=SCHEDULES,
                label="learning rate schedule",
                help=(
                    "How the learning rate changes from epoch to epoch: not at all; halved at each third; falling "
                    "evenly on a log scale to 1 %; or along a cosine wave to almost 0. Falling rates settle closer "
                    "to a minimum."
                ),
            ),
            Parameter(
                "weight_decay",
                "float",
                0.0,
                low=0.0,
                high=1.0,
                scale="log",
                live=True,
                help=(
                    "Pulls all weights a little towards 0 in each step of the optimizer, as torch does it: apart "
                    "from the gradient for adamw, as part of it for the others. Larger values give a smoother model."
                ),
            ),
            Parameter(
                "l1",
                "float",
                0.0,
                low=0.0,
                high=1.0,
                scale="log",
                live=True,
                label="L1 penalty",
                help=(
                    "Adds this times the sum of the absolute weights to the loss (biases left out). Larger values "
                    "drive weights that matter little to almost 0."
                ),
            ),
            Parameter(
                "l2",
                "float",
                0.0,
                low=0.0,
                high=1.0,
                scale="log",
                live=True,
                label="L2 penalty",
                help=(
                    "Adds this times the sum of the squared weights to the loss (biases left out). Larger values "
                    "keep all weights small and guard against overfitting."
                ),
            ),
            Parameter(
                "dropout",
                "float",
                None,
                low=0.0,
                high=0.95,
                live=True,
                optional=True,
                label="dropout of all dropout layers",
                help=(
                    "While set, every dropout layer drops this part of its inputs instead of its own. Larger values "
                    "guard more against overfitting and slow the learning. Without a dropout layer it has no effect."
                ),
            ),
            Parameter(
                "clip_norm",
                "float",
                None,
                low=1e-3,
                high=1000.0,
                scale="log",
                live=True,
                optional=True,
                label="gradient clipping",
                help=(
                    "Shortens the gradient of all weights together to this length where it is longer. It keeps "
                    "training from blowing up; very small values slow it down."
                ),
            ),
            Parameter(
                "patience",
                "int",
                None,
                low=1,
                high=100_000,
                scale="log",
                unit="epochs",
                optional=True,
                help=(
                    "Stops after so many epochs without a lower validation loss and brings back the weights of the "
                    "best epoch. Off trains all epochs and keeps the last weights."
                ),
            ),
        )
    ),
    engine="torch",
    coder=perceptron_lines,
    uses_layers=True,
)
