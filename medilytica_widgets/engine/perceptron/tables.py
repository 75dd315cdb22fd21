"""A plan as tables of numbers, and the buffers of a block of rows, which compiled code and its twin share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..stepping import Objective, StepSettings
from .plan import ACTIVATION_CODES, Plan

# columns of a node
KIND, INPUTS, OUTPUTS, WEIGHT, BIAS, ACTIVATION, ACTIVE, VALUES_AT, SLOPE_AT, SOURCE = range(10)
LINEAR, DROPOUT = 0, 1
# the numbers in `shape`: FIRST is the first linear node, FLOW_A and FLOW_B hold gradients on their way back
BLOCK, FEATURES, OUT_WIDTH, CLASSES, WEIGHTED, FIRST, ROWS_AT, FLOW_A, FLOW_B, PART = range(10)
# float settings
DECAY, L1, L2, MOMENTUM, CLIP_VALUE, CLIP_NORM, SMOOTHING, WEIGHT_TOTAL = range(8)
# integer settings
BATCH, OPTIMIZER, NESTEROV = range(3)
# what goes on from step to step
LOSS, HITS, STEP, MU = range(4)
# columns of an epoch: the first five are results; COPY says (from 1) which row of `Copies` takes the state at its end,
# AFTER what nadam's product of momenta is there
TRAIN_LOSS, TRAIN_HITS, TRAINED, VAL_LOSS, VAL_HITS, COPY, AFTER = range(7)
RESULTS, COLUMNS = 5, 7
SGD, ADAM, ADAMW, RMSPROP, NADAM = range(5)
OPTIMIZERS = {"sgd": SGD, "adam": ADAM, "adamw": ADAMW, "rmsprop": RMSPROP, "nadam": NADAM}

NARROW = 32
"""With at most so many classes the loss goes through a block class by class, else row by row."""
LARGEST_BLOCK = 512
"""Rows of a block, at the most: beyond, the products gain little, and small caches overflow."""
BLOCK_VALUES = 4_000_000
"""Values of all nodes together for one block, beyond which it has fewer rows (at least `SMALLEST_BLOCK`)."""
SMALLEST_BLOCK = 64
ALIGNMENT = 16
"""Values between which buffers begin, which is 64 bytes of float32."""


class Block(NamedTuple):
    """Where the values of a block of rows lie, and the buffers for them."""

    nodes: NDArray[np.int64]
    shape: NDArray[np.int64]
    work: NDArray[Any]
    scratch: NDArray[np.float64]
    labels: NDArray[np.int64]


class Flat(NamedTuple):
    """The flat buffers of a `medilytica_widgets.engine.stepping.FlatState`; slots that are not kept are empty."""

    weights: NDArray[Any]
    gradient: NDArray[Any]
    first: NDArray[Any]
    second: NDArray[Any]


class Copies(NamedTuple):
    """The flat buffers one behind the other, and the generator's words, as they are at the end of some epochs."""

    values: NDArray[Any]
    words: NDArray[np.int64]


class Rows(NamedTuple):
    """Rows and their targets, one of which is empty; all read-only."""

    X: NDArray[Any]
    classes: NDArray[np.int64]
    values: NDArray[Any]


class Ways(NamedTuple):
    """Settings, and the sums that go on from step to step."""

    class_weights: NDArray[np.float64]
    numbers: NDArray[np.float64]
    codes: NDArray[np.int64]
    sums: NDArray[np.float64]


def block_rows(plan: Plan) -> int:
    """Return how many rows go through at once; it depends on nothing but the plan, since results do on it."""
    width = 2 * plan.n_features + 4 * sum(stage.outputs for stage in plan.stages)
    return min(LARGEST_BLOCK, max(SMALLEST_BLOCK, BLOCK_VALUES // width))


def aligned(count: int, dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    """Return zeros that begin at a cache line."""
    spare = ALIGNMENT * 8 // dtype.itemsize
    whole = np.zeros(count + spare, dtype)
    skip = (-whole.ctypes.data % (ALIGNMENT * 4)) // dtype.itemsize
    return whole[skip : skip + count]


def block_of(plan: Plan, objective: Objective, dtype: np.dtype[np.floating]) -> Block:
    """Return the tables and buffers for a network whose weights have this dtype."""
    end = 0

    def take(count: int) -> int:
        nonlocal end
        start = end
        end += -(-count // ALIGNMENT) * ALIGNMENT
        return start

    rows = block_rows(plan)
    shape = np.zeros(10, np.int64)
    nodes = np.zeros((len(plan.stages), 10), np.int64)
    shape[BLOCK], shape[FEATURES], shape[OUT_WIDTH] = rows, plan.n_features, plan.n_outputs
    shape[CLASSES], shape[WEIGHTED] = objective.n_classes, objective.class_weights is not None
    shape[FIRST] = next(k for k, stage in enumerate(plan.stages) if stage.kind == "linear")
    shape[ROWS_AT] = take(rows * plan.n_features)
    for k, stage in enumerate(plan.stages):
        code = ACTIVATION_CODES[stage.activation]
        kind = LINEAR if stage.kind == "linear" else DROPOUT
        values = take(rows * stage.outputs)
        # all but silu find their derivative in the values
        slope = take(rows * stage.outputs) if stage.activation == "silu" else values
        nodes[k] = kind, stage.inputs, stage.outputs, stage.weight, stage.bias, code, 0, values, slope, 0
    widest = max(max(stage.inputs, stage.outputs) for stage in plan.stages)
    shape[FLOW_A], shape[FLOW_B] = take(rows * widest), take(rows * widest)
    shape[PART] = take(max((s.inputs + 1) * s.outputs for s in plan.stages if s.kind == "linear"))
    classes = objective.n_classes
    scratch = np.zeros(rows * (min(classes, NARROW) + 5) + classes)
    return Block(nodes, shape, aligned(end, dtype), scratch, np.zeros(rows, np.int64))


def settings_of(
    plan: Plan, objective: Objective, settings: StepSettings
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the float and the integer settings, and of each stage whether it drops anything."""
    weights = objective.class_weights
    total = float(objective.n_classes) if weights is None else float(np.asarray(weights, np.float64).sum())
    numbers = np.array(
        [
            settings.weight_decay,
            settings.l1,
            settings.l2,
            settings.momentum,
            np.inf if settings.clip_value is None else settings.clip_value,
            np.inf if settings.clip_norm is None else settings.clip_norm,
            objective.label_smoothing,
            total,
        ]
    )
    codes = np.array([settings.batch_size, OPTIMIZERS[settings.optimizer], settings.nesterov], np.int64)
    active = np.array([s.kind == "dropout" and settings.dropout[s.dropout] > 0.0 for s in plan.stages], np.int64)
    return numbers, codes, active
