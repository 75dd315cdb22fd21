"""The single operations of `steps` as loops for numba, each in the place of the function of `arrays` that it names.

Importing the module imports numba. Every loop does to an element what the array operation does, in the same
order; selections are written so that NaN comes through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba.extending
import numpy as np
from numba import types
from numba.extending import type_callable

from . import arrays, formulas
from .tables import ADAM, ADAMW, DECAY, MOMENTUM, NADAM, NESTEROV, OPTIMIZER, RMSPROP

SLOPE, EPSILON, ALPHA = formulas.SLOPE, formulas.EPSILON, formulas.ALPHA
BETA1, BETA2 = formulas.BETA1, formulas.BETA2
FEW = arrays.FEW
OPTIONS: dict[str, Any] = {"error_model": "numpy", "no_cfunc_wrapper": True, "no_cpython_wrapper": True}

F = TypeVar("F", bound=Callable[..., Any])


def as_it_stands(function: F) -> F:
    """Let numba compile a function where compiled code calls it."""
    numba.extending.register_jitable(**OPTIONS)(function)
    return function


def instead_of(function: Any) -> Callable[[F], F]:
    """Decorate the loop that numba puts in the place of a function on arrays."""

    def decorate(loop: F) -> F:
        given: Any = OPTIONS
        numba.extending.overload(function, jit_options=given, strict=False)(lambda *arguments: loop)
        return loop

    return decorate


def instructions(function: Any, *arguments: Any) -> Callable[[F], F]:
    """Decorate what writes a function as LLVM instructions."""

    def decorate(lower: F) -> F:
        how: Any = numba.extending.lower_builtin
        how(function, *arguments)(lower)
        return lower

    return decorate


for _shared in formulas.SHARED:
    as_it_stands(_shared)


def cast(like: Any, x: float) -> Any:
    """Return a number in an array's dtype."""
    return like.dtype.type(x)


# The smallest functions are written as instructions: numba needs a tenth of a second for every other one.


@type_callable(cast)
def _type_cast(context: Any) -> Any:
    return lambda like, x: like.dtype


@instructions(cast, types.Array, types.Float)
def _lower_cast(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return context.cast(builder, args[1], sig.args[1], sig.return_type)


@type_callable(formulas.choose)
def _type_choose(context: Any) -> Any:
    return lambda condition, yes, no: types.float64


@instructions(formulas.choose, types.Boolean, types.Float, types.Float)
def _lower_choose(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.select(*args)


@type_callable(formulas.bits_of)
def _type_bits_of(context: Any) -> Any:
    return lambda x: types.int64


@instructions(formulas.bits_of, types.Float)
def _lower_bits_of(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.bitcast(args[0], context.get_value_type(types.int64))


@type_callable(formulas.number_of)
def _type_number_of(context: Any) -> Any:
    return lambda bits: types.float64


@instructions(formulas.number_of, types.Integer)
def _lower_number_of(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.bitcast(args[0], context.get_value_type(types.float64))


@instead_of(arrays.forward_product)
def _forward_product(x: Any, w: Any, out: Any) -> None:
    np.dot(x, w.T, out)


@instead_of(arrays.weight_product)
def _weight_product(g: Any, x: Any, out: Any) -> None:
    rows, units, inputs = len(g), g.shape[1], x.shape[1]
    if units == 1 or units > FEW or inputs == 1:
        np.dot(g.T, x, out)
        return
    for c in range(units):
        for j in range(inputs):
            out[c, j] = g[0, c] * x[0, j]
        # four rows at a time, one after the other, since each store is followed by a load that waits for it
        for i in range(1, rows - 3, 4):
            a, b, d, e = g[i, c], g[i + 1, c], g[i + 2, c], g[i + 3, c]
            for j in range(inputs):
                out[c, j] = (((out[c, j] + a * x[i, j]) + b * x[i + 1, j]) + d * x[i + 2, j]) + e * x[i + 3, j]
        for i in range(rows - (rows - 1) % 4, rows):
            for j in range(inputs):
                out[c, j] += g[i, c] * x[i, j]


@instead_of(arrays.input_product)
def _input_product(g: Any, w: Any, out: Any) -> None:
    np.dot(g, w, out)


@instead_of(arrays.gather)
def _gather(X: Any, rows: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        row = rows[i]
        for j in range(out.shape[1]):
            out[i, j] = X[row, j]


@instead_of(arrays.gather_targets)
def _gather_targets(classes: Any, values: Any, rows: Any, labels: Any, scratch: Any, n_classes: int) -> None:
    if n_classes > 0:
        for i in range(len(rows)):
            labels[i] = classes[rows[i]]
    else:
        for i in range(len(rows)):
            scratch[i] = values[rows[i]]


@instead_of(arrays.weight_sum)
def _weight_sum(classes: Any, class_weights: Any, rows: Any) -> float:
    total = 0.0
    for row in rows:
        total += class_weights[classes[row]]
    return total


@instead_of(arrays.multiply)
def _multiply(a: Any, b: Any, out: Any) -> None:
    for i in range(len(a)):
        out[i] = a[i] * b[i]


@instead_of(arrays.add)
def _add(a: Any, out: Any) -> None:
    for i in range(len(a)):
        out[i] += a[i]


@instead_of(arrays.activate)
def _activate(z: Any, bias: Any, code: int, slope: Any) -> None:
    rows, width = z.shape
    zero, low = cast(z, 0.0), cast(z, SLOPE)
    if code == 0:
        for i in range(rows):
            for j in range(width):
                z[i, j] += bias[j]
    elif code == 1:
        for i in range(rows):
            for j in range(width):
                x = z[i, j] + bias[j]
                z[i, j] = zero if x < zero else x
    elif code == 2:
        for i in range(rows):
            for j in range(width):
                x = z[i, j] + bias[j]
                z[i, j] = x * low if x < zero else x
    elif code == 3:
        for i in range(rows):
            for j in range(width):
                wide = np.float64(z[i, j] + bias[j])
                s = formulas.sigmoid(wide)
                slope[i, j] = formulas.silu_slope(wide, s)
                z[i, j] = wide * s
    elif code == 4:
        for i in range(rows):
            for j in range(width):
                z[i, j] = formulas.tanh(np.float64(z[i, j] + bias[j]))
    elif code == 5:
        for i in range(rows):
            for j in range(width):
                z[i, j] = formulas.sigmoid(np.float64(z[i, j] + bias[j]))
    else:
        for i in range(rows):
            for j in range(width):
                z[i, j] = formulas.elu(np.float64(z[i, j] + bias[j]))


@instead_of(arrays.slope)
def _slope(g: Any, h: Any, code: int, bias: Any) -> None:
    rows, width = g.shape
    zero, one, low = cast(g, 0.0), cast(g, 1.0), cast(g, SLOPE)
    if code == 1:
        for i in range(rows):
            for j in range(width):
                g[i, j] = g[i, j] if h[i, j] > zero else zero
    elif code == 2:
        for i in range(rows):
            for j in range(width):
                g[i, j] = g[i, j] if h[i, j] > zero else g[i, j] * low
    elif code == 3:
        for i in range(rows):
            for j in range(width):
                g[i, j] *= h[i, j]
    elif code == 4:
        for i in range(rows):
            for j in range(width):
                g[i, j] *= one - h[i, j] * h[i, j]
    elif code == 5:
        for i in range(rows):
            for j in range(width):
                g[i, j] *= h[i, j] * (one - h[i, j])
    elif code == 6:
        for i in range(rows):
            for j in range(width):
                g[i, j] = g[i, j] if h[i, j] > zero else g[i, j] * (h[i, j] + one)
    for j in range(width):
        bias[j] = g[0, j]
    for i in range(1, rows - 3, 4):
        for j in range(width):
            bias[j] = (((bias[j] + g[i, j]) + g[i + 1, j]) + g[i + 2, j]) + g[i + 3, j]
    for i in range(rows - (rows - 1) % 4, rows):
        for j in range(width):
            bias[j] += g[i, j]


@instead_of(arrays.penalise)
def _penalise(weights: Any, gradient: Any, l1: float, l2: float) -> None:
    a, b, zero = cast(weights, l1), cast(weights, 2.0 * l2), cast(weights, 0.0)
    for i in range(len(weights)):
        w = weights[i]
        gradient[i] = (gradient[i] + b * w) + (a if w > zero else (-a if w < zero else zero))


@instead_of(arrays.clip_value)
def _clip_value(gradient: Any, limit: float) -> None:
    high = cast(gradient, limit)
    for i in range(len(gradient)):
        g = gradient[i]
        gradient[i] = high if g > high else (-high if g < -high else g)


@instead_of(arrays.clip_norm)
def _clip_norm(gradient: Any, limit: float) -> None:
    factor = limit / (np.sqrt(np.float64(np.dot(gradient, gradient))) + 1e-6)
    if not factor >= 1.0:
        by = cast(gradient, factor)
        for i in range(len(gradient)):
            gradient[i] *= by


@instead_of(arrays.optimize)
def _optimize(flat: Any, rate: float, step: float, mu: float, numbers: Any, codes: Any) -> float:
    weights, gradient, first, second = flat.weights, flat.gradient, flat.first, flat.second
    which, decay, epsilon = codes[OPTIMIZER], cast(weights, numbers[DECAY]), cast(weights, EPSILON)
    n = len(weights)
    b, c, d = cast(weights, 1.0 - BETA1), cast(weights, BETA2), cast(weights, 1.0 - BETA2)
    if which == ADAM or which == ADAMW:
        keep = cast(weights, 1.0)
        if which == ADAMW:
            keep, decay = cast(weights, 1.0 - rate * numbers[DECAY]), cast(weights, 0.0)
        fast, small = formulas.adam_factors(rate, step)
        speed, scale = cast(weights, fast), cast(weights, small)
        for i in range(n):
            g, m, v = formulas.moments(weights[i], gradient[i], first[i], second[i], decay, b, c, d)
            first[i] = m
            second[i] = v
            weights[i] = formulas.adam(weights[i], m, v, keep, speed, scale, epsilon)
    elif which == NADAM:
        now, after, mu, small = formulas.nadam_factors(rate, step, mu)
        rate_g, rate_m, scale = cast(weights, now), cast(weights, after), cast(weights, small)
        for i in range(n):
            g, m, v = formulas.moments(weights[i], gradient[i], first[i], second[i], decay, b, c, d)
            first[i] = m
            second[i] = v
            weights[i] = formulas.nadam(weights[i], g, m, v, rate_g, rate_m, scale, epsilon)
    elif which == RMSPROP:
        alpha, rest, speed = cast(weights, ALPHA), cast(weights, 1.0 - ALPHA), cast(weights, rate)
        for i in range(n):
            g, v = formulas.squares(weights[i], gradient[i], first[i], decay, alpha, rest)
            first[i] = v
            weights[i] = formulas.rmsprop(weights[i], g, v, speed, epsilon)
    elif numbers[MOMENTUM] == 0.0:
        speed = cast(weights, rate)
        for i in range(n):
            weights[i] -= speed * (gradient[i] + decay * weights[i])
    else:
        speed, factor, ahead = cast(weights, rate), cast(weights, numbers[MOMENTUM]), codes[NESTEROV] > 0
        for i in range(n):
            g, kept = formulas.momentum(weights[i], gradient[i], first[i], decay, factor)
            first[i] = kept
            weights[i] -= speed * (g + factor * kept if ahead else kept)
    return mu
