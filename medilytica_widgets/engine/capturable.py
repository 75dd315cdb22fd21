"""Penalties, clipping and optimizers as torch operations that a CUDA graph can hold.

Whatever may change from step to step is a scalar on the device, see `Coefficients`; nothing waits for the device.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .stepping import FlatState, StepSettings

_BETAS, _EPS = (0.9, 0.999), 1e-8
_ALPHA = 0.99
_MOMENTUM_DECAY = 4e-3
"""torch's defaults: Adam and NAdam, RMSprop, NAdam."""


class Coefficients(NamedTuple):
    """The numbers of one step that may change from step to step.

    On the device each is a scalar that the captured operations read, so that a new value needs no new capture.
    ``shrink`` is the share that AdamW adds to the weights, negative (as a factor near 1 it would lose its digits in
    float32); ``toward_gradient`` and ``toward_average`` are NAdam's two step
    sizes, negative; ``unbias`` is ``1 - beta2 ** step``.
    """

    rate: Any
    minus_rate: Any
    step: Any
    decay: Any
    shrink: Any
    l1: Any
    twice_l2: Any
    clip_low: Any
    clip_high: Any
    clip_norm: Any
    toward_gradient: Any
    toward_average: Any
    unbias: Any


def adjust(state: FlatState, settings: StepSettings, use: Coefficients, is_matrix: Tensor, scratch: Tensor) -> None:
    """Add the penalties' gradients, then clip, as `StepSettings` describes it.

    Parameters
    ----------
    state : FlatState
    settings : StepSettings
        Says only which of them are in use; their strengths come from ``use``.
    use : Coefficients
        Scalars on the device.
    is_matrix : Tensor of shape (n,)
        1 where the parameter has more than one dimension, else 0.
    scratch : Tensor of shape (n,)
        Is written over.
    """
    gradient = state.gradient
    if settings.l1 or settings.l2:
        matrices = torch.mul(state.weights, is_matrix, out=scratch)
        if settings.l2:
            gradient.addcmul_(matrices, use.twice_l2)
        if settings.l1:
            gradient.addcmul_(matrices.sign_(), use.l1)
    if settings.clip_value is not None:
        torch.clamp(gradient, use.clip_low, use.clip_high, out=gradient)
    if settings.clip_norm is not None:
        factor = use.clip_norm / (torch.linalg.vector_norm(gradient) + 1e-6)
        gradient.mul_(factor.clamp_(max=1.0))


def update(state: FlatState, settings: StepSettings, use: Coefficients, scratch: Tensor) -> None:
    """Carry out the optimizer's step on the flat buffers, as `torch.optim` defines it with its default betas.

    The counters in ``state`` stay; the parameters are those of `adjust`.
    """
    weights, gradient, slots, name = state.weights, state.gradient, state.slots, settings.optimizer
    if settings.weight_decay and name == "adamw":
        weights.addcmul_(weights, use.shrink)
    elif settings.weight_decay:
        gradient = torch.addcmul(gradient, weights, use.decay, out=scratch)
    if name == "sgd":
        _sgd(weights, gradient, slots.get("momentum_buffer"), use.rate, settings)
    elif name == "rmsprop":
        average = slots["square_avg"]
        average.mul_(_ALPHA).addcmul_(gradient, gradient, value=1.0 - _ALPHA)
        # addcdiv_ takes its factor only as a number of the host, so the divisor carries it
        weights.addcdiv_(gradient, average.sqrt().add_(_EPS).div_(use.minus_rate))
    elif name == "nadam":
        first, second = slots["exp_avg"], slots["exp_avg_sq"]
        first.lerp_(gradient, 1.0 - _BETAS[0])
        second.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1.0 - _BETAS[1])
        divisor = second.div(use.unbias).sqrt_().add_(_EPS)
        weights.addcdiv_(gradient * use.toward_gradient, divisor)
        weights.addcdiv_(first * use.toward_average, divisor)
    else:
        torch._fused_adam_(
            [weights],
            [gradient],
            [slots["exp_avg"]],
            [slots["exp_avg_sq"]],
            [],
            [use.step],
            lr=use.rate,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=0.0,
            eps=_EPS,
            amsgrad=False,
            maximize=False,
        )


def _sgd(weights: Tensor, gradient: Tensor, buffer: Tensor | None, rate: Tensor, settings: StepSettings) -> None:
    used = settings.momentum if buffer is not None else 0.0
    torch._fused_sgd_(
        [weights],
        [gradient],
        [] if buffer is None else [buffer],
        weight_decay=0.0,
        momentum=used,
        lr=rate,
        dampening=0.0,
        nesterov=settings.nesterov and used > 0.0,
        maximize=False,
        # the buffer starts with zeros, from which an ordinary step makes what torch's first step makes
        is_first_step=False,
    )


def coefficients(
    settings: StepSettings, rates: NDArray[np.float64], step: int, mu_product: float
) -> NDArray[np.float64]:
    """Return a row of `Coefficients` for each of the next steps, computed in float64 as `torch.optim` does.

    Parameters
    ----------
    settings : StepSettings
    rates : ndarray of float64, shape (steps,)
    step : int
        Steps done before.
    mu_product : float
        NAdam's product after them.

    Returns
    -------
    ndarray of float64, shape (steps, len(Coefficients._fields))
    """
    steps = step + 1.0 + np.arange(len(rates))
    toward_gradient, toward_average = np.zeros(len(rates)), np.zeros(len(rates))
    if settings.optimizer == "nadam":
        for k, rate in enumerate(rates.tolist()):
            mu, following = momentum_at(steps[k]), momentum_at(steps[k] + 1.0)
            mu_product = next_product(mu_product, mu)
            toward_gradient[k] = -rate * (1.0 - mu) / (1.0 - mu_product)
            toward_average[k] = -rate * following / (1.0 - mu_product * following)
    high = math.inf if settings.clip_value is None else settings.clip_value
    made = Coefficients(
        rate=rates,
        minus_rate=-rates,
        step=steps,
        decay=settings.weight_decay,
        shrink=-rates * settings.weight_decay,
        l1=settings.l1,
        twice_l2=2.0 * settings.l2,
        clip_low=-high,
        clip_high=high,
        clip_norm=settings.clip_norm or 0.0,
        toward_gradient=toward_gradient,
        toward_average=toward_average,
        unbias=1.0 - _BETAS[1] ** steps,
    )
    return np.stack([np.broadcast_to(np.asarray(c, dtype=np.float64), len(rates)) for c in made], axis=1)


def momentum_at(step: float) -> float:
    """Return NAdam's momentum factor of a step, counted from 1."""
    return float(_BETAS[0] * (1.0 - 0.5 * 0.96 ** (step * _MOMENTUM_DECAY)))


def next_product(product: float, mu: float) -> float:
    """Return NAdam's product of momentum factors after one more; torch keeps it as float32."""
    return float(np.float32(product) * np.float32(mu))
