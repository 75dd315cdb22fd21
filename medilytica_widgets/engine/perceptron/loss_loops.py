"""The loss as loops for numba, in the place of the functions of `arrays`; see `loops`."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import arrays, formulas
from .loops import as_it_stands, instead_of
from .tables import NARROW

LANES = arrays.LANES


@instead_of(arrays.squared_error)
def _squared_error(z: Any, g: Any, scratch: Any, rows: int, over: float, loss: float, hits: float) -> Any:
    for i in range(rows):
        error = np.float64(z[i, 0]) - scratch[i]
        for j in range(z.shape[1]):
            g[i, j] = 0.0
        g[i, 0] = 2.0 * error / over
        loss += error * error
        hits += abs(error)
    return loss, hits


@instead_of(arrays.cross_entropy)
def _cross_entropy(
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
    if z.shape[1] <= NARROW:
        return by_class(z, g, scratch, labels, class_weights, smoothing, total, over, loss, hits)
    return by_row(z, g, scratch, labels, class_weights, smoothing, total, over, loss, hits)


@as_it_stands
def by_class(
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
    """Cross entropy where the inner loops run over rows, so that few classes fill the processor's vectors too."""
    rows, width = z.shape
    p = scratch[: rows * width].reshape(width, rows)
    rest = scratch[rows * width :]
    top, sums, best = rest[:rows], rest[rows : 2 * rows], rest[2 * rows : 3 * rows]
    own, mixed = rest[3 * rows : 4 * rows], rest[4 * rows : 5 * rows]
    for i in range(rows):
        top[i] = z[i, 0]
        best[i] = 0.0
        sums[i] = 0.0
        mixed[i] = 0.0
    for c in range(1, width):
        for i in range(rows):
            x = np.float64(z[i, c])
            higher = x > top[i]
            top[i] = x if higher else top[i]
            best[i] = np.float64(c) if higher else best[i]
    for c in range(width):
        weight = class_weights[c]
        for i in range(rows):
            x = np.float64(z[i, c]) - top[i]
            e = formulas.exp(x)
            p[c, i] = e
            sums[i] += e
        if smoothing > 0.0:
            for i in range(rows):
                mixed[i] += weight * (np.float64(z[i, c]) - top[i])
    share = smoothing / width
    spread = share / over
    for i in range(rows):
        own[i] = (1.0 - smoothing) * class_weights[labels[i]]
    for i in range(rows):
        # the rows' losses, which the sum below takes one after the other, lie where the highest values were
        shifted = np.float64(z[i, labels[i]]) - top[i]
        hits += 1.0 if best[i] == labels[i] and sums[i] == sums[i] else 0.0
        top[i] = shifted
    for i in range(rows):
        logs = formulas.log(sums[i])
        one = own[i] * (logs - top[i])
        if smoothing > 0.0:
            one += share * (total * logs - mixed[i])
        top[i] = one
        own[i] = own[i] / over
    for i in range(rows):
        loss += top[i]
    for c in range(width):
        weight = class_weights[c]
        for i in range(rows):
            q = p[c, i] / sums[i]
            scale = own[i]
            if smoothing > 0.0:
                q = q * (scale + spread * total) - spread * weight
            else:
                q = q * scale
            g[i, c] = q - scale if labels[i] == c else q
    return loss, hits


@as_it_stands
def by_row(
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
    """Cross entropy where the inner loops run over classes."""
    rows, width = z.shape
    p = scratch[:width]
    lanes = scratch[width : width + LANES]
    share = smoothing / width
    spread = share / over
    whole = width - width % LANES
    for i in range(rows):
        top, best = np.float64(z[i, 0]), 0
        for c in range(1, width):
            x = np.float64(z[i, c])
            if x > top:
                top, best = x, c
        for c in range(width):
            p[c] = formulas.exp(np.float64(z[i, c]) - top)
        for k in range(LANES):
            lanes[k] = p[k]
        for c in range(LANES, whole, LANES):
            for k in range(LANES):
                lanes[k] += p[c + k]
        sums = lanes[0]
        for k in range(1, LANES):
            sums += lanes[k]
        for c in range(whole, width):
            sums += p[c]
        label = labels[i]
        logs = formulas.log(sums)
        part = (1.0 - smoothing) * class_weights[label]
        one = part * (logs - (np.float64(z[i, label]) - top))
        scale = part / over
        if smoothing > 0.0:
            mixed = 0.0
            for c in range(width):
                mixed += class_weights[c] * (np.float64(z[i, c]) - top)
            one += share * (total * logs - mixed)
            factor = scale + spread * total
            for c in range(width):
                g[i, c] = (p[c] / sums) * factor - spread * class_weights[c]
            q = (p[label] / sums) * factor - spread * class_weights[label]
        else:
            for c in range(width):
                g[i, c] = (p[c] / sums) * scale
            q = (p[label] / sums) * scale
        g[i, label] = q - scale
        loss += one
        hits += 1.0 if best == label and sums == sums else 0.0
    return loss, hits
