"""The steps of a perceptron: what is done in which order, one text for numpy and for numba.

As it stands the module runs with `arrays`, numpy's form of the single operations: that is the twin, which
trains while numba is still compiling. numba compiles the same functions with the loops of `loops` in their
place. Both give the same bits.

A batch goes through in blocks of rows that stay in the processor's cache, whose gradients add up. All values
of a block lie in one flat buffer, ``work``; ``nodes`` says where. `tables` has the named tuples and columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import arrays, ordering
from . import tables as t
from .tables import Block, Copies, Flat, Rows, Ways


def forward(block: Block, weights: Any, rows: int, masks: Any, at: int, batch: int, low: int) -> Any:
    """Fill the nodes' values from the gathered rows; return where the outputs lie.

    ``masks`` holds dropout's masks, those of this batch from ``at`` on, layer after layer; the block begins
    at the batch's row ``low``. Where ``batch`` is 0, dropout does nothing.
    """
    work = block.work
    source = block.shape[t.ROWS_AT]
    for k in range(len(block.nodes)):
        node = block.nodes[k]
        inputs, outputs, to = node[t.INPUTS], node[t.OUTPUTS], node[t.VALUES_AT]
        if node[t.KIND] == t.DROPOUT:
            if batch > 0 and node[t.ACTIVE] > 0:
                first, count = at + low * outputs, rows * outputs
                arrays.multiply(work[source : source + count], masks[first : first + count], work[to : to + count])
                at += batch * outputs
                source = to
            continue
        node[t.SOURCE] = source
        x = work[source : source + rows * inputs].reshape(rows, inputs)
        z = work[to : to + rows * outputs].reshape(rows, outputs)
        start, bias = node[t.WEIGHT], node[t.BIAS]
        arrays.forward_product(x, weights[start:bias].reshape(outputs, inputs), z)
        slope_at = node[t.SLOPE_AT]
        slope = work[slope_at : slope_at + rows * outputs].reshape(rows, outputs)
        arrays.activate(z, weights[bias : bias + outputs], node[t.ACTIVATION], slope)
        source = to
    return source


def backward(block: Block, flat: Flat, rows: int, masks: Any, at: int, batch: int, low: int) -> None:
    """Turn the gradient of the outputs into that of the weights; all blocks but the first add theirs."""
    nodes, shape, work = block.nodes, block.shape, block.work
    for k in range(len(nodes)):
        if nodes[k, t.KIND] == t.DROPOUT and nodes[k, t.ACTIVE] > 0:
            at += batch * nodes[k, t.OUTPUTS]
    flow, other = shape[t.FLOW_A], shape[t.FLOW_B]
    for k in range(len(nodes) - 1, shape[t.FIRST] - 1, -1):
        node = nodes[k]
        inputs, outputs = node[t.INPUTS], node[t.OUTPUTS]
        if node[t.KIND] == t.DROPOUT:
            if node[t.ACTIVE] > 0:
                at -= batch * outputs
                first, count = at + low * outputs, rows * outputs
                arrays.multiply(work[flow : flow + count], masks[first : first + count], work[flow : flow + count])
            continue
        g = work[flow : flow + rows * outputs].reshape(rows, outputs)
        h = work[node[t.SLOPE_AT] : node[t.SLOPE_AT] + rows * outputs].reshape(rows, outputs)
        x = work[node[t.SOURCE] : node[t.SOURCE] + rows * inputs].reshape(rows, inputs)
        start, bias, end = node[t.WEIGHT], node[t.BIAS], node[t.BIAS] + outputs
        target = flat.gradient[start:end]
        if low > 0:
            target = work[shape[t.PART] : shape[t.PART] + end - start]
        arrays.slope(g, h, node[t.ACTIVATION], target[bias - start :])
        arrays.weight_product(g, x, target[: bias - start].reshape(outputs, inputs))
        if low > 0:
            arrays.add(target, flat.gradient[start:end])
        if k > shape[t.FIRST]:
            back = work[other : other + rows * inputs].reshape(rows, inputs)
            arrays.input_product(g, flat.weights[start:bias].reshape(outputs, inputs), back)
            flow, other = other, flow


def loss_of(block: Block, ways: Ways, rows: int, at: int, over: float, loss: float, hits: float) -> Any:
    """Leave the gradient of the outputs that lie at ``at``, and return the sums of loss and hits continued."""
    shape, width = block.shape, block.shape[t.OUT_WIDTH]
    z = block.work[at : at + rows * width].reshape(rows, width)
    g = block.work[shape[t.FLOW_A] : shape[t.FLOW_A] + rows * width].reshape(rows, width)
    if shape[t.CLASSES] == 0:
        return arrays.squared_error(z, g, block.scratch, rows, over, loss, hits)
    smoothing, total = ways.numbers[t.SMOOTHING], ways.numbers[t.WEIGHT_TOTAL]
    labels = block.labels[:rows]
    return arrays.cross_entropy(z, g, block.scratch, labels, ways.class_weights, smoothing, total, over, loss, hits)


def gather(block: Block, data: Rows, chosen: Any) -> None:
    """Copy the chosen rows and their targets to where a block begins."""
    shape, rows = block.shape, len(chosen)
    at, features = shape[t.ROWS_AT], shape[t.FEATURES]
    arrays.gather(data.X, chosen, block.work[at : at + rows * features].reshape(rows, features))
    arrays.gather_targets(data.classes, data.values, chosen, block.labels, block.scratch, shape[t.CLASSES])


def train(
    block: Block,
    flat: Flat,
    data: Rows,
    ways: Ways,
    order: Any,
    start: int,
    batches: int,
    rates: Any,
    masks: Any,
    waiting: Any,
) -> int:
    """Carry out up to ``batches`` steps from ``order[start]`` on; return where it stopped.

    After a step it also stops where the number in ``waiting``, if there is one, is not 0.
    """
    nodes, gradient, numbers, sums = block.nodes, flat.gradient, ways.numbers, ways.sums
    n, at, most = len(order), 0, block.shape[t.BLOCK]
    for k in range(batches):
        if start >= n:
            break
        batch = min(ways.codes[t.BATCH], n - start)
        over = np.float64(batch)
        if block.shape[t.WEIGHTED] > 0:
            over = arrays.weight_sum(data.classes, ways.class_weights, order[start : start + batch])
        parts = (batch + most - 1) // most
        size = (batch + parts - 1) // parts
        loss, hits = 0.0, sums[t.HITS]
        for low in range(0, batch, size):
            rows = min(size, batch - low)
            gather(block, data, order[start + low : start + low + rows])
            out = forward(block, flat.weights, rows, masks, at, batch, low)
            loss, hits = loss_of(block, ways, rows, out, over, loss, hits)
            backward(block, flat, rows, masks, at, batch, low)
        for i in range(len(nodes)):
            if nodes[i, t.KIND] == t.DROPOUT:
                if nodes[i, t.ACTIVE] > 0:
                    at += batch * nodes[i, t.OUTPUTS]
            elif numbers[t.L1] != 0.0 or numbers[t.L2] != 0.0:
                here, until = nodes[i, t.WEIGHT], nodes[i, t.BIAS]
                arrays.penalise(flat.weights[here:until], gradient[here:until], numbers[t.L1], numbers[t.L2])
        if numbers[t.CLIP_VALUE] < np.inf:
            arrays.clip_value(gradient, numbers[t.CLIP_VALUE])
        if numbers[t.CLIP_NORM] < np.inf:
            arrays.clip_norm(gradient, numbers[t.CLIP_NORM])
        sums[t.STEP] += 1.0
        sums[t.MU] = arrays.optimize(flat, rates[k], sums[t.STEP], sums[t.MU], numbers, ways.codes)
        sums[t.LOSS] += loss / over * batch
        sums[t.HITS] = hits
        start += batch
        if len(waiting) > 0 and waiting[0] != 0:
            break
    return start


def evaluate(block: Block, weights: Any, data: Rows, ways: Ways, order: Any, start: int, end: int, masks: Any) -> Any:
    """Return the sums of loss and hits over the rows ``order[start:end]``."""
    count = end - start
    over = np.float64(count)
    if block.shape[t.WEIGHTED] > 0:
        over = arrays.weight_sum(data.classes, ways.class_weights, order[start:end])
    loss, hits = 0.0, 0.0
    for low in range(start, end, block.shape[t.BLOCK]):
        rows = min(block.shape[t.BLOCK], end - low)
        gather(block, data, order[low : low + rows])
        out = forward(block, weights, rows, masks, 0, 0, 0)
        loss, hits = loss_of(block, ways, rows, out, over, loss, hits)
    return loss / over * count, hits


def keep(flat: Flat, words: Any, copies: Copies, at: int) -> None:
    """Copy the state at an epoch's end, so that the call need not end there."""
    n, m = len(flat.weights), len(flat.first)
    copies.values[at, :n] = flat.weights
    copies.values[at, n : n + m] = flat.first
    copies.values[at, n + m :] = flat.second
    copies.words[at, :] = words


def make_run(stamp: str) -> Any:
    """Return the function through which all calls go.

    Parameters
    ----------
    stamp : str
        Stands for all sources: numba keeps what it compiled by the function's own text and what it closes over.
    """

    def run(
        block: Block,
        flat: Flat,
        data: Rows,
        validation: Rows,
        ways: Ways,
        order: Any,
        order_val: Any,
        span: Any,
        waiting: Any,
        rates: Any,
        masks: Any,
        words: Any,
        table: Any,
        copies: Copies,
    ) -> int:
        """Do one of three things; one function for all, since each one costs seconds to compile.

        With an empty ``table`` up to ``span[1]`` steps from ``order[span[0]]`` on; returns where it stopped.
        With empty ``words`` validation rows ``span[0]`` to ``span[1]`` are evaluated into the table's first row.
        Otherwise whole epochs, a row of the table each, validation in parts of ``span[2]`` rows; returns how many
        were done, fewer where a loss was not finite. ``waiting`` ends steps after one and epochs after one.
        """
        if len(stamp) == 0:
            return -1
        start, end, part = span[0], span[1], span[2]
        if len(table) > 0 and len(words) == 0:
            loss, hits = evaluate(block, flat.weights, validation, ways, order_val, start, end, masks)
            table[0, t.VAL_LOSS], table[0, t.VAL_HITS] = loss, hits
            return len(table)
        epochs, sums = max(len(table), 1), ways.sums
        for epoch in range(epochs):
            if len(table) > 0:
                ordering.shuffle(words, order)
                sums[t.LOSS], sums[t.HITS] = 0.0, 0.0
                end = len(rates) // epochs
            between = waiting[: len(waiting) * (len(table) == 0)]
            done = train(block, flat, data, ways, order, start, end, rates[epoch * end :], masks, between)
            if len(table) == 0:
                return done
            table[epoch, t.TRAIN_LOSS], table[epoch, t.TRAIN_HITS] = sums[t.LOSS], sums[t.HITS]
            table[epoch, t.TRAINED] = done
            if not np.isfinite(sums[t.LOSS]):
                return epoch + 1
            for low in range(0, len(order_val), part):
                high = min(low + part, len(order_val))
                loss, hits = evaluate(block, flat.weights, validation, ways, order_val, low, high, masks)
                table[epoch, t.VAL_LOSS] += loss
                table[epoch, t.VAL_HITS] += hits
            if not np.isfinite(table[epoch, t.VAL_LOSS]):
                return epoch + 1
            table[epoch, t.AFTER] = sums[t.MU]
            if table[epoch, t.COPY] > 0.0:
                keep(flat, words, copies, int(table[epoch, t.COPY]) - 1)
            if len(waiting) > 0 and waiting[0] != 0:
                return epoch + 1
        return epochs

    return run


COMPILED = (forward, backward, loss_of, gather, train, evaluate, keep, ordering.twist, ordering.shuffle)
"""What numba compiles as it stands, beside what `make_run` returns."""
