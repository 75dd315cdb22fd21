"""The single operations of `steps`, on whole numpy arrays: the twin's form. `loops` has the compiled form.

Sums run strictly from the first element to the last (``np.add.accumulate``), as a compiled loop's do; matrix
products come from the BLAS that numba calls too, scipy's, with the same arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import formulas
from .tables import ADAM, ADAMW, DECAY, MOMENTUM, NADAM, NARROW, NESTEROV, OPTIMIZER, RMSPROP

LANES = 8
FEW = 4
"""Up to so many units (but not for one) a loop is faster than BLAS, whose tiles are wider."""


def _running(start: float, values: Any) -> float:
    """Return start + values[0] + values[1] + …, one addition after the other."""
    return float(np.add.accumulate(np.concatenate(([start], values)))[-1])


def _blas(a: Any) -> Any:
    from scipy.linalg import blas

    kind = "s" if a.dtype == np.float32 else "d"
    return getattr(blas, kind + "gemm"), getattr(blas, kind + "gemv"), getattr(blas, kind + "dot")


def forward_product(x: Any, w: Any, out: Any) -> None:
    """Put x · wᵀ into ``out``; a single row or column goes to the vector routines, as numba sends it."""
    gemm, gemv, dot = _blas(x)
    rows, units = out.shape
    if units == 1 and rows == 1:
        out[0, 0] = dot(x[0], w[0])
    elif units == 1:
        gemv(1.0, x.T, w[0], y=out.reshape(-1), trans=1, overwrite_y=1)
    elif rows == 1:
        gemv(1.0, w.T, x[0], y=out[0], trans=1, overwrite_y=1)
    else:
        gemm(1.0, w.T, x.T, c=out.T, trans_a=1, overwrite_c=1)


def weight_product(g: Any, x: Any, out: Any) -> None:
    """Put gᵀ · x into ``out``."""
    gemm, gemv, dot = _blas(x)
    units, inputs = out.shape
    if units == 1 and inputs == 1:
        out[0, 0] = dot(g[:, 0], x[:, 0])
    elif inputs == 1:
        gemv(1.0, g.T, x[:, 0], y=out.reshape(-1), overwrite_y=1)
    elif units == 1:
        gemv(1.0, x.T, g[:, 0], y=out[0], overwrite_y=1)
    elif units <= FEW:
        out[:] = np.add.accumulate(g[:, :, None] * x[:, None, :], axis=0)[-1]
    else:
        gemm(1.0, x.T, g.T, c=out.T, trans_b=1, overwrite_c=1)


def input_product(g: Any, w: Any, out: Any) -> None:
    """Put g · w into ``out``."""
    gemm, gemv, dot = _blas(g)
    rows, inputs = out.shape
    if rows == 1 and inputs == 1:
        out[0, 0] = dot(g[0], w[:, 0])
    elif inputs == 1:
        gemv(1.0, g.T, w[:, 0], y=out.reshape(-1), trans=1, overwrite_y=1)
    elif rows == 1:
        gemv(1.0, w.T, g[0], y=out[0], overwrite_y=1)
    else:
        gemm(1.0, w.T, g.T, c=out.T, overwrite_c=1)


def gather(X: Any, rows: Any, out: Any) -> None:
    """Copy some rows."""
    out[:] = X[rows]


def gather_targets(classes: Any, values: Any, rows: Any, labels: Any, scratch: Any, n_classes: int) -> None:
    """Copy some rows' classes into ``labels``, or their numbers into the beginning of ``scratch``."""
    if n_classes > 0:
        labels[: len(rows)] = classes[rows]
    else:
        scratch[: len(rows)] = values[rows]


def weight_sum(classes: Any, class_weights: Any, rows: Any) -> Any:
    """Return the sum of the rows' class weights."""
    return np.float64(_running(0.0, class_weights[classes[rows]]))


def multiply(a: Any, b: Any, out: Any) -> None:
    """Put a · b into ``out``, element by element."""
    np.multiply(a, b, out=out)


def add(a: Any, out: Any) -> None:
    """Add to ``out``."""
    out += a


def activate(z: Any, bias: Any, code: int, slope: Any) -> None:
    """Add the bias and bend the sums in place; silu leaves its derivative in ``slope``."""
    z += bias
    if code == 1:
        z[:] = np.where(z < 0, z.dtype.type(0), z)
    elif code == 2:
        z[:] = np.where(z < 0, z * z.dtype.type(formulas.SLOPE), z)
    elif code == 3:
        wide = z.astype(np.float64)
        s = formulas.sigmoid(wide)
        slope[:] = formulas.silu_slope(wide, s)
        z[:] = wide * s
    elif code == 4:
        z[:] = formulas.tanh(z.astype(np.float64))
    elif code == 5:
        z[:] = formulas.sigmoid(z.astype(np.float64))
    elif code == 6:
        z[:] = formulas.elu(z.astype(np.float64))


def slope(g: Any, h: Any, code: int, bias: Any) -> None:
    """Multiply by the activation's derivative in place, and put the sums of the columns into ``bias``."""
    one = g.dtype.type(1)
    if code == 1:
        g[:] = np.where(h > 0, g, g.dtype.type(0))
    elif code == 2:
        g[:] = np.where(h > 0, g, g * g.dtype.type(formulas.SLOPE))
    elif code == 3:
        g *= h
    elif code == 4:
        g[:] = g * (one - h * h)
    elif code == 5:
        g[:] = g * (h * (one - h))
    elif code == 6:
        g[:] = np.where(h > 0, g, g * (h + one))
    bias[:] = np.add.accumulate(g, axis=0)[-1]


def squared_error(z: Any, g: Any, scratch: Any, rows: int, over: float, loss: float, hits: float) -> Any:
    """Regression: the target is in ``scratch``, the prediction in column 0."""
    error = z[:, 0].astype(np.float64) - scratch[:rows]
    g[:] = 0
    g[:, 0] = 2.0 * error / over
    return _running(loss, error * error), _running(hits, np.abs(error))


def cross_entropy(
    z: Any,
    g: Any,
    scratch: Any,
    labels: Any,
    class_weights: Any,
    smoothing: float,
    total: float,
    over: float,
    loss: float,
    hits: float,
) -> Any:
    """Cross entropy as torch's: weights, smoothing, and the mean over the sum of the weights of the rows.

    ``loss`` continues the sum over rows before it is divided.
    """
    rows, width = z.shape
    every = np.arange(rows)
    shifted = z.astype(np.float64)
    top = shifted[:, 0].copy()
    for c in range(1, width):
        top = np.where(shifted[:, c] > top, shifted[:, c], top)
    shifted -= top[:, None]
    p = formulas.exp(shifted)
    if width <= NARROW:
        sums = np.add.accumulate(p, axis=1)[:, -1]
    else:
        whole = width - width % LANES
        lanes = np.add.accumulate(p[:, :whole].reshape(rows, -1, LANES), axis=1)[:, -1]
        sums = np.add.accumulate(np.concatenate((lanes, p[:, whole:]), axis=1), axis=1)[:, -1]
    logs = formulas.log(sums)
    own = class_weights[labels]
    part = (1.0 - smoothing) * own
    losses = part * (logs - shifted[every, labels])
    scale = part / over
    if smoothing > 0.0:
        share = smoothing / width
        losses += share * (total * logs - np.add.accumulate(class_weights * shifted, axis=1)[:, -1])
        spread = share / over
        gradient = (p / sums[:, None]) * (scale + spread * total)[:, None] - spread * class_weights
    else:
        gradient = (p / sums[:, None]) * scale[:, None]
    gradient[every, labels] -= scale
    g[:] = gradient
    right = np.argmax(shifted == 0.0, axis=1) == labels
    return _running(loss, losses), hits + float(np.count_nonzero(right))


def penalise(weights: Any, gradient: Any, l1: float, l2: float) -> None:
    """Add the gradient of l2·Σw² + l1·Σ|w|."""
    kind = weights.dtype.type
    a, b, zero = kind(l1), kind(2.0 * l2), kind(0)
    gradient[:] = (gradient + b * weights) + np.where(weights > 0, a, np.where(weights < 0, -a, zero))


def clip_value(gradient: Any, limit: float) -> None:
    """Clamp each value."""
    high = gradient.dtype.type(limit)
    gradient[:] = np.where(gradient > high, high, np.where(gradient < -high, -high, gradient))


def clip_norm(gradient: Any, limit: float) -> None:
    """Scale all values, as torch.nn.utils.clip_grad_norm_ does."""
    factor = limit / (np.sqrt(np.float64(_blas(gradient)[2](gradient, gradient))) + 1e-6)
    if not factor >= 1.0:
        gradient *= gradient.dtype.type(factor)


def optimize(flat: Any, rate: float, step: float, mu: float, numbers: Any, codes: Any) -> float:
    """Change weights and slots; return NAdam's product of momentum factors."""
    weights, gradient, first, second = flat
    kind = weights.dtype.type
    which, decay, epsilon = codes[OPTIMIZER], kind(numbers[DECAY]), kind(formulas.EPSILON)
    if which == ADAM or which == ADAMW or which == NADAM:
        keep = kind(1.0)
        if which == ADAMW:
            keep, decay = kind(1.0 - rate * numbers[DECAY]), kind(0.0)
        g, m, v = formulas.moments(
            weights,
            gradient,
            first,
            second,
            decay,
            kind(1.0 - formulas.BETA1),
            kind(formulas.BETA2),
            kind(1.0 - formulas.BETA2),
        )
        first[:], second[:] = m, v
        if which == NADAM:
            now, after, mu, scale = formulas.nadam_factors(rate, step, mu)
            weights[:] = formulas.nadam(weights, g, m, v, kind(now), kind(after), kind(scale), epsilon)
        else:
            speed, scale = formulas.adam_factors(rate, step)
            weights[:] = formulas.adam(weights, m, v, keep, kind(speed), kind(scale), epsilon)
    elif which == RMSPROP:
        g, v = formulas.squares(weights, gradient, first, decay, kind(formulas.ALPHA), kind(1.0 - formulas.ALPHA))
        first[:] = v
        weights[:] = formulas.rmsprop(weights, g, v, kind(rate), epsilon)
    else:
        speed = kind(rate)
        if numbers[MOMENTUM] == 0.0:
            weights -= speed * (gradient + decay * weights)
        else:
            factor = kind(numbers[MOMENTUM])
            g, b = formulas.momentum(weights, gradient, first, decay, factor)
            first[:] = b
            weights -= speed * (g + factor * b if codes[NESTEROV] else b)
    return mu
