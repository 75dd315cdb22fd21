"""The hyperparameters of the multilayer perceptron, in the order of its form."""

from __future__ import annotations

from ..parameters import Menu, Parameter, ParameterTable
from ..registered import Ids
from .schedules import SCHEDULES

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "nadam")
OPTIMIZER_MENU = Menu(dict.fromkeys(OPTIMIZERS), Ids("optimizer"))
"""These and those that people register."""
PRECISIONS = ("auto", "float32", "mixed")

_SCHEDULE = "Learning rate schedule"
_REGULARISATION = "Against overfitting"
_STABILITY = "Stability and memory"

_BASIC = (
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
            "generalise better; large ones pass through an epoch faster. 32 to 512 is usual."
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
            "validation loss rises again, it was too many (see patience). 20 to 200 is usual for a table."
        ),
    ),
    Parameter(
        "optimizer",
        "choice",
        "adam",
        choices=OPTIMIZER_MENU,
        help=(
            "How gradients become steps. adam adapts the step of each weight and is a safe choice; adamw "
            "does the same with a cleaner weight decay; nadam is adam that looks one step ahead; rmsprop adapts "
            "without momentum; sgd is plain descent with momentum and needs its learning rate tuned. "
            "adam or adamw is usual."
        ),
    ),
    Parameter(
        "momentum",
        "float",
        0.9,
        low=0.0,
        high=0.999,
        only_if=("optimizer", "sgd"),
        help=(
            "For sgd only: the part of the last step that is carried into the next. Larger values roll "
            "through noise and small dents and may overshoot; 0 is plain descent. 0.9 is usual."
        ),
    ),
    Parameter(
        "nesterov",
        "bool",
        False,
        only_if=("optimizer", "sgd"),
        label="Nesterov momentum",
        help=(
            "For sgd with momentum only: takes the slope where the momentum is about to lead, not where the weights "
            "are, which brakes earlier before a rise. On is usual wherever sgd with momentum 0.9 is."
        ),
    ),
    Parameter(
        "class_weight",
        "choice",
        "none",
        choices=("none", "balanced"),
        tasks=("classification",),
        help=(
            "balanced weighs each row by the rarity of its class, so that small classes count as much as large ones: "
            "more of them are found, at the price of more false alarms and shifted probabilities. balanced is usual "
            "where one class has less than about a tenth of the rows and must not be missed."
        ),
    ),
)

_RATE = (
    Parameter(
        "schedule",
        "choice",
        "constant",
        choices=SCHEDULES,
        group=_SCHEDULE,
        label="learning rate schedule",
        help=(
            "How the learning rate changes: constant, not at all; step, halved at each third; exponential, falling "
            "evenly on a log scale to 1 %; cosine, along a cosine wave to almost 0; one cycle, up to the learning "
            "rate in the first 30 % and then down to almost 0, batch by batch; plateau, halved when the validation "
            "loss stops falling. Falling rates settle closer to a minimum; constant and cosine are usual."
        ),
    ),
    Parameter(
        "warmup",
        "float",
        0.0,
        low=0.0,
        high=1000.0,
        scale="log",
        smallest=0.01,
        unit="epochs",
        group=_SCHEDULE,
        label="warm-up",
        help=(
            "In its first so many epochs the learning rate rises evenly from almost 0, on top of any schedule. It "
            "keeps the first steps, whose gradients are the largest, from spoiling the weights. 0 is none; 1 to 5 is "
            "usual, 0.1 on very large tables."
        ),
    ),
    Parameter(
        "plateau_patience",
        "int",
        5,
        low=1,
        high=100_000,
        scale="log",
        unit="epochs",
        only_if=("schedule", "plateau"),
        group=_SCHEDULE,
        label="patience of the plateau",
        help=(
            "For the schedule plateau only: after so many epochs without a lower validation loss the learning rate "
            "is halved. Small values halve at every bump; large ones waste epochs. 3 to 10 is usual, and less than "
            "patience, or the run stops first."
        ),
    ),
)

_PENALTIES = (
    Parameter(
        "weight_decay",
        "float",
        0.0,
        low=0.0,
        high=1.0,
        scale="log",
        live=True,
        group=_REGULARISATION,
        help=(
            "Pulls all weights a little towards 0 in each step of the optimizer, as torch does it: apart "
            "from the gradient for adamw, as part of it for the others. Larger values give a smoother model. "
            "Usual is 0.01 to 0.1 for adamw, 0 to 0.001 for the others."
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
        group=_REGULARISATION,
        label="L1 penalty",
        help=(
            "Adds this times the sum of the absolute weights to the loss (biases left out). Larger values "
            "drive weights that matter little to almost 0. 0 is usual, else 0.00001 to 0.001."
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
        group=_REGULARISATION,
        label="L2 penalty",
        help=(
            "Adds this times the sum of the squared weights to the loss (biases left out). Larger values "
            "keep all weights small and guard against overfitting. 0 is usual, else 0.00001 to 0.01."
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
        group=_REGULARISATION,
        label="dropout of all dropout layers",
        help=(
            "While set, every dropout layer drops this part of its inputs instead of its own. Larger values "
            "guard more against overfitting and slow the learning. Without a dropout layer it has no effect. "
            "0.1 to 0.5 is usual."
        ),
    ),
    Parameter(
        "label_smoothing",
        "float",
        0.0,
        low=0.0,
        high=0.5,
        tasks=("classification",),
        group=_REGULARISATION,
        help=(
            "Asks for a little less than certainty: this part of each target is spread evenly over all classes. "
            "Larger values keep the network from growing overconfident and forgive wrong labels, but pull the "
            "probabilities towards each other. 0 is none; 0.05 to 0.1 is usual."
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
        group=_REGULARISATION,
        help=(
            "Stops after so many epochs without a lower validation loss and brings back the weights of the "
            "best epoch. Off trains all epochs and keeps the last weights. 5 to 20 is usual."
        ),
    ),
)

_STEPS = (
    Parameter(
        "clip_norm",
        "float",
        None,
        low=1e-3,
        high=1000.0,
        scale="log",
        live=True,
        optional=True,
        group=_STABILITY,
        label="gradient clipping",
        help=(
            "Shortens the gradient of all weights together to this length where it is longer. It keeps "
            "training from blowing up; very small values slow it down. 1 is usual, 0.5 to 5 where steps differ much."
        ),
    ),
    Parameter(
        "clip_value",
        "float",
        None,
        low=1e-3,
        high=1000.0,
        scale="log",
        live=True,
        optional=True,
        group=_STABILITY,
        label="clipping of each gradient",
        help=(
            "Cuts each single number of the gradient off at this size, before the whole is shortened. It stops "
            "single weights from jumping, but bends the direction of the step, so gradient clipping as a whole is "
            "the first choice. Off is usual, else 0.5 to 1."
        ),
    ),
    Parameter(
        "accumulation",
        "int",
        1,
        low=1,
        high=1024,
        scale="log",
        unit="batches",
        group=_STABILITY,
        label="batches per step",
        help=(
            "Adds up the gradients of so many batches before each step. A step is then that of one batch of all "
            "their rows, but only a single batch must fit into memory. 1 is usual; 2 to 16 where the batch you want "
            "does not fit. A batch normalisation layer still sees one batch at a time."
        ),
    ),
    Parameter(
        "precision",
        "choice",
        "auto",
        choices=PRECISIONS,
        group=_STABILITY,
        label="arithmetic",
        help=(
            "float32 calculates with about 7 digits. mixed multiplies with about 3 (bfloat16), which large networks on "
            "a GPU gain speed and memory from, while the weights keep theirs. auto, the usual choice, takes mixed "
            "where the device gains from it (CUDA with bfloat16) and float32 elsewhere."
        ),
    ),
)

PARAMETERS = ParameterTable((*_BASIC, *_RATE, *_PENALTIES, *_STEPS))
"""All of them. What stands without a group is always in sight."""
