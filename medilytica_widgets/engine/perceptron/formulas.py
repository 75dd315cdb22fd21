"""The arithmetic of single elements, written once for compiled loops and for whole arrays.

Every function is made of IEEE operations alone (no exp of a C library, whose last bit differs between
libraries), in one fixed order; so a scalar loop that numba compiled and numpy's array operations give the
same bits. Arguments are scalars or arrays of one dtype.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LOG2E = 1.0 / math.log(2.0)
# ln 2 in two parts, the first with so few digits that its product with a small integer is exact
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
ROUNDER = 1.5 * 2.0**52
"""Adding it leaves the nearest integer in a double's lowest bits."""
ONE_BITS = 0x3FF0000000000000
MANTISSA = 0x000FFFFFFFFFFFFF
SQRT2 = math.sqrt(2.0)
E2, E3, E4, E5, E6, E7, E8, E9, E10, E11, E12, E13 = (1.0 / math.factorial(k) for k in range(2, 14))
L3, L5, L7, L9, L11, L13, L15, L17, L19, L21 = (1.0 / k for k in range(3, 22, 2))

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""torch.optim's defaults for Adam, AdamW and NAdam; RMSprop has the same epsilon."""
ALPHA = 0.99
LOG_BETA1, LOG_BETA2 = math.log(BETA1), math.log(BETA2)
LOG_MOMENTUM_DECAY = 0.004 * math.log(0.96)
SLOPE = 0.01
"""Of leaky relu below 0."""


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """Return ``yes`` where the condition holds, else ``no``."""
    return np.where(condition, yes, no)


def bits_of(x: Any) -> Any:
    """Return the bits of float64 values as int64."""
    return x.view(np.int64)


def number_of(bits: Any) -> Any:
    """Return the float64 values with these bits."""
    return bits.view(np.float64)


def exp(x: Any) -> Any:
    """Return e to the power of float64 values, to 2e-16; between e^-708 and e^709 for anything outside."""
    x = choose(x < -708.0, -708.0, x)
    x = choose(x > 709.0, 709.0, x)
    t = x * LOG2E + ROUNDER
    n = t - ROUNDER
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = E7 + r * (E8 + r * (E9 + r * (E10 + r * (E11 + r * (E12 + r * E13)))))
    p = 1.0 + r * (1.0 + r * (E2 + r * (E3 + r * (E4 + r * (E5 + r * (E6 + r * p))))))
    return p * number_of((bits_of(t) << 52) + ONE_BITS)


def log(x: Any) -> Any:
    """Return the natural logarithm of float64 values that are at least 1 and finite; NaN stays NaN."""
    bits = bits_of(x)
    m = number_of((bits & MANTISSA) | ONE_BITS)
    high = m > SQRT2
    n = ((bits >> 52) - 1023) * 1.0 + choose(high, 1.0, 0.0)
    m = choose(high, m * 0.5, m)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = L11 + z * (L13 + z * (L15 + z * (L17 + z * (L19 + z * L21))))
    p = s + s * (z * (L3 + z * (L5 + z * (L7 + z * (L9 + z * p)))))
    return (n * LN2_HIGH + (2.0 * p + n * LN2_LOW)) + (x - x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + e^-x) of float64 values."""
    e = exp(-np.abs(x))
    return choose(x < 0.0, e, 1.0) / (1.0 + e)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of float64 values."""
    e = exp(-2.0 * np.abs(x))
    t = (1.0 - e) / (1.0 + e)
    return choose(x < 0.0, -t, t)


def elu(x: Any) -> Any:
    """Return x, or e^x - 1 below 0, of float64 values."""
    return choose(x < 0.0, exp(x) - 1.0, x)


def silu_slope(x: Any, s: Any) -> Any:
    """Return the derivative of x·sigmoid(x) where s is the sigmoid."""
    return s * (1.0 + x * (1.0 - s))


def power(log_base: float, exponent: float) -> Any:
    """Return a power of a fixed base between 0 and 1."""
    return exp(np.float64(exponent * log_base))


def adam_factors(rate: float, step: float) -> Any:
    """Return the learning rate over Adam's first bias correction, and 1 over the root of the second."""
    return rate / (1.0 - power(LOG_BETA1, step)), 1.0 / np.sqrt(1.0 - power(LOG_BETA2, step))


def nadam_factors(rate: float, step: float, product: float) -> Any:
    """Return NAdam's rates for the gradient and for the running mean, the new product, and 1 over a correction."""
    now = BETA1 * (1.0 - 0.5 * power(LOG_MOMENTUM_DECAY, step))
    after = BETA1 * (1.0 - 0.5 * power(LOG_MOMENTUM_DECAY, step + 1.0))
    product = product * now
    scale = 1.0 / (1.0 - power(LOG_BETA2, step))
    return rate * (1.0 - now) / (1.0 - product), rate * after / (1.0 - product * after), product, scale


def moments(w: Any, g: Any, m: Any, v: Any, decay: Any, b: Any, c: Any, d: Any) -> Any:
    """Return the gradient with weight decay and Adam's two running means.

    ``b`` is 1 - beta1, ``c`` beta2 and ``d`` 1 - beta2.
    """
    g = g + decay * w
    m = m + (g - m) * b
    return g, m, v * c + (g * g) * d


def adam(w: Any, m: Any, v: Any, keep: Any, rate: Any, scale: Any, epsilon: Any) -> Any:
    """Return the weights after a step of Adam.

    ``keep`` is what AdamW leaves of the weights, ``rate`` the learning rate over the first bias correction,
    ``scale`` 1 over the root of the second. The formula is torch's (torch/optim/adam.py, ``_single_tensor_adam``).
    """
    return w * keep - (rate * m) / (np.sqrt(v) * scale + epsilon)


def nadam(w: Any, g: Any, m: Any, v: Any, rate_g: Any, rate_m: Any, scale: Any, epsilon: Any) -> Any:
    """Return the weights after a step of NAdam; the rates hold the momentum schedule (torch/optim/nadam.py)."""
    root = np.sqrt(v * scale) + epsilon
    return (w - (rate_g * g) / root) - (rate_m * m) / root


def squares(w: Any, g: Any, v: Any, decay: Any, alpha: Any, rest: Any) -> Any:
    """Return the gradient with weight decay and RMSprop's running mean of squares."""
    g = g + decay * w
    return g, v * alpha + (g * g) * rest


def rmsprop(w: Any, g: Any, v: Any, rate: Any, epsilon: Any) -> Any:
    """Return the weights after a step of RMSprop."""
    return w - (rate * g) / (np.sqrt(v) + epsilon)


def momentum(w: Any, g: Any, b: Any, decay: Any, factor: Any) -> Any:
    """Return the gradient with weight decay and SGD's momentum buffer."""
    g = g + decay * w
    return g, b * factor + g


SHARED = (
    exp,
    log,
    sigmoid,
    tanh,
    elu,
    silu_slope,
    power,
    adam_factors,
    nadam_factors,
    moments,
    adam,
    nadam,
    squares,
    rmsprop,
    momentum,
)
"""What numba compiles as it stands; the other functions have their own form there."""
