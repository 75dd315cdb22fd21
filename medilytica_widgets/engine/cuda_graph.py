"""The path of CUDA devices: whole steps captured in a graph, which one launch repeats without Python in between."""

from __future__ import annotations

import contextlib
import threading

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .capturable import Coefficients, adjust, coefficients, momentum_at, next_product, update
from .general import GeneralPath
from .memory import is_out_of_memory
from .stepping import StepSettings, Totals

WARM_STEPS = 3
"""Steps before a capture that run one by one, because libraries set themselves up in their first calls."""

UNROLLED = 8
"""Steps in the larger of the two graphs: one launch, and one release of the interpreter's lock, for all of them."""

CHUNK = 4096
"""Steps of one call for which there is room from the start; more make the graphs be captured anew."""

_CAPTURING = threading.Lock()
"""Only one capture may be under way in a process (https://docs.pytorch.org/docs/2.13/generated/torch.cuda.graph.html)."""


class GraphPath(GeneralPath):
    """Trains any module on a CUDA device by replaying a captured graph of whole steps.

    Rows, targets and the epoch's order stay on the device. Learning rates, weight decay, penalties and clipping are
    scalars on the device; a change of batch size, dropout, or of which of these are in use captures anew, after
    `WARM_STEPS` ordinary steps. A last, smaller batch runs step by step. Where a capture fails, or memory does not
    suffice, `GeneralPath` takes over for good, with a sentence to ``note``.

    On another device the same operations run one by one: that is for tests, it gains nothing.

    Parameters
    ----------
    model, objective, rows, target, validation_rows, validation_target
        As `GeneralPath`, the tensors on the device.
    dropouts, settings, threads, mixed, part_rows, note
        As `GeneralPath`.
    """

    name = "graph"

    def _set_up(self) -> None:
        self._captures = self._device.type == "cuda"
        self._stream = torch.cuda.Stream(self._device) if self._captures else None  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle() if self._captures else None
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._signature: tuple[object, ...] = ()
        self._warm = 0
        self._fallen = False
        state, on = self._model.state, self._device
        self._parameters = [p for p in self._module.parameters() if p.requires_grad]
        self._views = [span.of(state.gradient) for span in self._model.spans]
        self._scratch = torch.empty_like(state.weights)
        self._is_matrix = torch.zeros_like(state.weights)
        for span in self._matrices:
            span.of(self._is_matrix).fill_(1.0)
        # the fused kernels on CUDA read rate and step as float32, whatever the weights are
        numbers = torch.float32 if self._captures else state.weights.dtype
        self._table = torch.zeros(CHUNK, len(Coefficients._fields), dtype=numbers, device=on)
        self._now = torch.zeros(1, len(Coefficients._fields), dtype=numbers, device=on)
        self._use = Coefficients(*self._now[0])
        self._counter = torch.zeros(1, dtype=torch.int64, device=on)
        self._window = torch.zeros(0, dtype=torch.int64, device=on)
        self._place = torch.zeros(len(self._X), dtype=torch.int64, device=on)
        self._placed: NDArray[np.int64] | None = None
        self._loss_sum, self._hit_sum = self._totals[0], self._totals[1]

    @property
    def captured(self) -> tuple[int, ...]:
        """The numbers of steps for which there is a graph; empty before the first and after a fall back."""
        return tuple(sorted(self._graphs))

    def train(
        self,
        order: NDArray[np.int64],
        start: int,
        batches: int,
        rates: NDArray[np.float64],
        settings: StepSettings,
        loss: float = 0.0,
        hits: float = 0.0,
    ) -> Totals:
        """Carry out steps, see `medilytica_widgets.engine.stepping.Path`."""
        n, size, state = len(order), settings.batch_size, self._model.state
        if self._fallen or self.part_rows or (settings.part_rows or size) < size:
            return super().train(order, start, batches, rates, settings, loss, hits)
        before = state.step
        whole = min(batches, (n - start) // size)
        self._prepare(order, start, batches, rates, settings, loss, hits)
        failure = self._whole_batches(whole, settings)
        done = start + (state.step - before) * size
        if failure:
            self._fall_back(failure)
            sums, k = self._totals.tolist(), state.step - before
            rest = super().train(order, done, batches - k, rates[k:], settings, sums[0], sums[1])
            return rest._replace(rows=rest.rows + done - start)
        used = done - start
        left = n - done
        if whole < batches and left:
            if not (self._normed and left == 1):  # batch normalisation cannot use a single row that is left over
                self._next_coefficients()
                self._step(self._place[done:n], left, settings)
                self._count(settings)
                used += left
            done = n
        sums = self._totals.tolist()
        return Totals(done, used, sums[0], sums[1])

    def close(self) -> None:
        """Let go of the graphs and their memory; the path can still train, and captures anew."""
        for graph in self._graphs.values():
            graph.reset()
        self._graphs.clear()
        self._warm = 0

    # -- a chunk

    def _prepare(
        self,
        order: NDArray[np.int64],
        start: int,
        batches: int,
        rates: NDArray[np.float64],
        settings: StepSettings,
        loss: float,
        hits: float,
    ) -> None:
        """Put everything that the steps of this chunk read where the captured operations look for it."""
        n, size = len(order), settings.batch_size
        for layer, p in zip(self._dropouts, settings.dropout, strict=True):
            layer.p = p
        if _signature(settings) != self._signature:
            self.close()
            self._signature = _signature(settings)
            self._window = torch.zeros(size, dtype=torch.int64, device=self._device)
        if len(self._place) < n or len(self._table) < batches:
            self.close()  # a graph holds addresses, and these two are about to move
            self._place = torch.zeros(max(n, len(self._place)), dtype=torch.int64, device=self._device)
            longest = 1 << (max(batches, len(self._table)) - 1).bit_length()
            self._table = torch.zeros(longest, self._table.shape[1], dtype=self._table.dtype, device=self._device)
            self._placed = None
        if self._placed is not order or start == 0:
            self._place[:n].copy_(torch.from_numpy(order))
            self._placed = order
        numbers = coefficients(settings, rates[:batches], self._model.state.step, self._model.state.mu_product)
        self._table[:batches].copy_(torch.from_numpy(numbers).to(self._table.dtype))
        self._counter.zero_()
        torch.arange(start, start + size, out=self._window)
        self._totals.copy_(torch.tensor([loss, hits], dtype=self._totals.dtype))

    def _whole_batches(self, count: int, settings: StepSettings) -> str:
        """Carry out steps of whole batches; return why it ended early, in words, or nothing."""
        done = 0
        try:
            while done < count:
                steps = 1
                if not self._captures:
                    self._whole_step(settings)
                elif self._warm < WARM_STEPS:
                    self._aside(settings)
                    self._warm += 1
                else:
                    steps = UNROLLED if count - done >= UNROLLED else 1
                    graph = self._graphs.get(steps) or self._capture(steps, settings)
                    graph.replay()
                done += steps
                for _ in range(steps):
                    self._count(settings)
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                return "the device's memory did not suffice for it"
            if self._warm >= WARM_STEPS and self._captures and steps not in self._graphs:
                return str(error).splitlines()[0]
            raise
        return ""

    def _count(self, settings: StepSettings) -> None:
        state = self._model.state
        state.step += 1
        if settings.optimizer == "nadam":
            state.mu_product = next_product(state.mu_product, momentum_at(state.step))

    def _fall_back(self, reason: str) -> None:
        self._fallen = True
        self.close()
        if self._captures:
            torch.cuda.empty_cache()
        self._note(f"The steps run one by one from here on, not as a CUDA graph: {reason}. The result is the same.")

    # -- CUDA

    def _aside(self, settings: StepSettings) -> None:
        """Carry out a step on the stream on which the capture will be, where libraries then find their workspace."""
        assert self._stream is not None  # only on CUDA
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            self._whole_step(settings)
        current.wait_stream(self._stream)

    def _capture(self, steps: int, settings: StepSettings) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        for generator in {id(layer.generator): layer.generator for layer in self._dropouts}.values():
            graph.register_generator_state(generator)
        current = torch.cuda.current_stream(self._device)
        with _CAPTURING:
            try:
                # other threads may predict on the device meanwhile, which "global" would take for an error
                with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                    for _ in range(steps):
                        self._whole_step(settings)
            except BaseException:
                # torch.cuda.graph leaves its own stream current when the end of a capture raises
                torch.cuda.set_stream(current)
                with contextlib.suppress(RuntimeError):
                    graph.reset()
                raise
        self._graphs[steps] = graph
        return graph

    # -- one step

    def _whole_step(self, settings: StepSettings) -> None:
        """Carry out the next whole batch's step; everything it reads from the host is in its code."""
        self._next_coefficients()
        rows = self._place.index_select(0, self._window)
        self._window.add_(settings.batch_size)
        self._step(rows, settings.batch_size, settings)

    def _next_coefficients(self) -> None:
        torch.index_select(self._table, 0, self._counter, out=self._now)
        self._counter.add_(1)

    def _step(self, rows: Tensor, count: int, settings: StepSettings) -> None:
        x, y = self._X.index_select(0, rows), self._y.index_select(0, rows)
        with self._uncached_precision():
            out = self._module(x)
            loss = self._mean_loss(out, y)
        gradients = torch.autograd.grad(loss, self._parameters)
        with torch.no_grad():
            torch._foreach_copy_(self._views, gradients)
            self._loss_sum.add_(loss.detach(), alpha=count)
            self._hit_sum.add_(self._hits(out.detach(), y))
            state, use = self._model.state, self._use
            adjust(state, settings, use, self._is_matrix, self._scratch)
            update(state, settings, use, self._scratch)

    def _uncached_precision(self) -> contextlib.AbstractContextManager[object]:
        if not self._mixed:
            return contextlib.nullcontext()
        # the cache of cast weights would outlive the capture that made it
        return torch.autocast(self._device.type, dtype=torch.bfloat16, cache_enabled=False)


def _signature(settings: StepSettings) -> tuple[object, ...]:
    """Return what is part of the captured code, and not a scalar that it reads."""
    return (
        settings.batch_size,
        settings.optimizer,
        settings.momentum,
        settings.nesterov,
        settings.dropout,
        bool(settings.weight_decay),
        bool(settings.l1),
        bool(settings.l2),
        settings.clip_value is not None,
        settings.clip_norm is not None,
    )
