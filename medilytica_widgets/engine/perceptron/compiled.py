"""The compiled path: a chunk of batches, or whole epochs, in one call that holds no lock of the interpreter."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, StateError
from ..held import copied
from ..stepping import SLOTS, EpochState, FlatState, Objective, StepSettings, Totals
from . import compiler, ordering, steps
from .blas import one_thread
from .permutation import follows_torch
from .plan import Plan
from .tables import (
    ACTIVE,
    AFTER,
    BATCH,
    COLUMNS,
    COPY,
    HITS,
    LOSS,
    MU,
    RESULTS,
    STEP,
    TRAIN_LOSS,
    VAL_HITS,
    VAL_LOSS,
    Copies,
    Flat,
    Rows,
    Ways,
    block_of,
    settings_of,
)

if TYPE_CHECKING:
    import torch

MASK_BYTES = 32 * 2**20
"""Memory for dropout's masks; a chunk that needs more goes in parts."""
VALIDATION_ROWS = 8192
"""Validation rows in one evaluation, unless said otherwise."""

_by_numpy = steps.make_run("twin")


class CompiledPath:
    """Trains a plain perceptron on one thread of the processor, see `medilytica_widgets.engine.stepping.Path`.

    Until `medilytica_widgets.engine.perceptron.compiler.ready` numpy carries out the same steps, with the
    same bits in the result.

    Parameters
    ----------
    plan : Plan
        One whose ``paths`` name this path.
    state : FlatState
        On the processor.
    objective : Objective
    X, X_val : ndarray of shape (n, n_features)
        In the weights' dtype, C-contiguous.
    y, y_val : ndarray of shape (n,)
        Classes as int64, or numbers in the weights' dtype.
    generator : torch.Generator, optional
        Draws dropout's masks, in the order of `medilytica_widgets.engine.torch_model.SeededDropout`.
    waiting : ndarray of int64, shape (1,), optional
        A call ends after the step or the whole epoch during which the number in it is no longer 0.
    twin : bool
        Whether to stay with numpy's form even when the compiled one is ready.

    Raises
    ------
    InputError
        If shapes, dtypes or classes do not fit the plan.
    """

    name = "compiled"
    threads = 1

    def __init__(
        self,
        plan: Plan,
        state: FlatState,
        objective: Objective,
        X: NDArray[Any],
        y: NDArray[Any],
        X_val: NDArray[Any],
        y_val: NDArray[Any],
        generator: torch.Generator | None = None,
        *,
        waiting: NDArray[np.int64] | None = None,
        twin: bool = False,
    ) -> None:
        self._plan, self._state, self._objective, self._generator = plan, state, objective, generator
        self._twin = twin
        self._weights: NDArray[Any] = state.weights.detach().numpy()
        self._dtype = self._weights.dtype
        if self._weights.shape != (plan.size,) or "compiled" not in plan.paths:
            raise InputError(
                f"The weights are {self._weights.size} values and the network has {plan.size}, or the compiled path "
                "does not serve its activations; take another path."
            )
        self._gradient: NDArray[Any] = state.gradient.numpy()
        self._data, self._validation = self._place(X, y, "training"), self._place(X_val, y_val, "validation")
        weights = objective.class_weights
        self._class_weights = np.ones(objective.n_classes) if weights is None else np.asarray(weights, np.float64)
        self._block = block_of(plan, objective, self._dtype)
        self._order_val = np.arange(len(X_val), dtype=np.int64)
        self._no_values = np.zeros(0, self._dtype)
        self._masks = self._no_values
        self._no_one = np.zeros(0, np.int64)
        self._waiting = self._no_one if waiting is None else waiting
        self._whole = False  # whether steps go on to the end of an epoch all the same
        self._no_words, self._no_table = np.zeros(0, np.int64), np.zeros((0, COLUMNS))
        self._no_copies = Copies(np.zeros((0, 0), self._dtype), np.zeros((0, 0), np.int64))
        self._sums, self._span = np.zeros(4), np.zeros(3, np.int64)
        self._settings: StepSettings | None = None
        self._order: NDArray[np.int64] | None = None
        self._checked: Any = None
        self._apply(StepSettings(1, dropout=(0.0,) * len(plan.dropouts)))

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
        """Carry out steps; without dropout no function of torch is called.

        An order that was given once must not be changed in place: it is looked through only the first time.
        """
        if settings is not self._settings:
            self._apply(settings)
        # masks are drawn for as many steps as were asked for
        waiting = self._no_one if self._dropped or self._whole else self._waiting
        ordered = self._ordered(order)
        rates = np.ascontiguousarray(rates, np.float64)
        batches = min(batches, len(rates))
        n, done, at = len(ordered), start, 0
        sums, state = self._sums, self._state
        sums[LOSS], sums[HITS], sums[STEP], sums[MU] = loss, hits, state.step, state.mu_product
        with one_thread():
            while at < batches and done < n:
                part = batches - at if self._dropped == 0 else self._draw_masks(n - done, batches - at)
                here = rates[at : at + part]
                done = self._call(ordered, done, part, 0, here, self._no_words, self._no_table, waiting=waiting)
                at += part
        state.step, state.mu_product = int(sums[STEP]), float(sums[MU])
        return Totals(done, done - start, float(sums[LOSS]), float(sums[HITS]))

    def evaluate(self, start: int, end: int) -> tuple[float, float]:
        """Return the sums of loss and hits over some validation rows, in evaluation mode."""
        end = min(end, len(self._order_val))
        if start >= end:
            return 0.0, 0.0
        table = np.zeros((1, COLUMNS))
        with one_thread():
            self._call(self._order_val, start, end, 0, self._sums, self._no_words, table)
        return float(table[0, VAL_LOSS]), float(table[0, VAL_HITS])

    def train_epochs(
        self,
        generator: torch.Generator,
        epochs: int,
        rates: NDArray[np.float64],
        settings: StepSettings,
        validation_rows: int = VALIDATION_ROWS,
        keep: Collection[int] = (),
    ) -> tuple[NDArray[np.float64], dict[int, EpochState]]:
        """Carry out whole epochs, each with an order of its own and with validation at its end.

        Compiled and without dropout it is one call; the result is the same otherwise.

        Parameters
        ----------
        generator : torch.Generator
            Draws the orders, as ``torch.randperm(n, generator=generator)``; left as that would leave it.
        epochs : int
        rates : ndarray of shape (epochs · steps per epoch,)
        settings : StepSettings
        validation_rows : int
            How many rows one evaluation takes; the sums over all are continued from one to the next.
        keep : collection of int
            Which of the epochs, from 0, leave a copy of the state at their end.

        Returns
        -------
        table : ndarray of shape (epochs done, 5)
            Sums of loss and hits, rows, and the sums of validation loss and hits. Fewer epochs were done where
            a loss was not finite: the last row says which.
        kept : dict of int to EpochState
        """
        if settings is not self._settings:
            self._apply(settings)
        n = len(self._data.X)
        rates = np.array(rates, np.float64)
        if epochs < 1 or n == 0 or len(rates) != epochs * -(-n // settings.batch_size):
            raise InputError("There must be a learning rate for each step of each epoch, and at least one epoch.")
        table = np.zeros((epochs, COLUMNS))
        kept_at = sorted(epoch for epoch in keep if 0 <= epoch < epochs)
        whole = self._dropped == 0 and self._compiled() is not None
        if not whole or n >= ordering.LARGEST or not follows_torch():
            return self._epoch_by_epoch(generator, table, rates, settings, validation_rows, kept_at)
        import torch

        before = generator.get_state().numpy()
        words = ordering.read_state(before)
        table[kept_at, COPY] = np.arange(1, len(kept_at) + 1)
        copies = self._no_copies
        if kept_at:
            flat = self._flat
            length = len(flat.weights) + len(flat.first) + len(flat.second)
            values = np.empty((len(kept_at), length), self._dtype)
            copies = Copies(values, np.empty((len(kept_at), len(words)), np.int64))
        order = np.empty(n, np.int64)
        sums, state = self._sums, self._state
        first_step = state.step
        sums[STEP], sums[MU] = state.step, state.mu_product
        with one_thread():
            done = self._call(order, 0, 0, validation_rows, rates, words, table, copies, self._waiting)
        state.step, state.mu_product = int(sums[STEP]), float(sums[MU])
        generator.set_state(torch.from_numpy(_state_of(words, before)))
        steps_ = len(rates) // epochs
        kept: dict[int, EpochState] = {}
        # an epoch whose loss is no number ended the call before its state was copied
        sound = done if np.isfinite(table[done - 1, [TRAIN_LOSS, VAL_LOSS]]).all() else done - 1
        for k, epoch in enumerate(kept_at):
            if epoch < sound:
                step, mu = first_step + (epoch + 1) * steps_, float(table[epoch, AFTER])
                kept[epoch] = self._kept(copies.values[k], _state_of(copies.words[k], before), step, mu)
        return table[:done, :RESULTS], kept

    # -- parts

    def _compiled(self) -> Any:
        return None if self._twin else compiler.compiled(self._dtype)

    def _kept(self, values: NDArray[Any], order_state: NDArray[np.uint8], step: int, mu: float) -> EpochState:
        """Return a row of `Copies` by the names of its parts."""
        assert self._settings is not None
        n = len(self._weights)
        names = [name for name in SLOTS[self._settings.optimizer] if name in self._state.slots]
        slots = {name: values[(k + 1) * n : (k + 2) * n] for k, name in enumerate(names)}
        return EpochState(values[:n], slots, order_state, step, mu)

    def _call(
        self,
        order: Any,
        start: int,
        count: int,
        part: int,
        rates: Any,
        words: Any,
        table: Any,
        copies: Copies | None = None,
        waiting: NDArray[np.int64] | None = None,
    ) -> int:
        run = self._compiled() or _twin_run
        self._span[:] = start, count, part
        done = run(
            self._block,
            self._flat,
            self._data,
            self._validation,
            self._ways,
            order,
            self._order_val,
            self._span,
            self._no_one if waiting is None else waiting,
            rates,
            self._masks,
            words,
            table,
            copies or self._no_copies,
        )
        return int(done)

    def _epoch_by_epoch(
        self,
        generator: torch.Generator,
        table: NDArray[np.float64],
        rates: Any,
        settings: StepSettings,
        part: int,
        kept_at: list[int],
    ) -> tuple[NDArray[np.float64], dict[int, EpochState]]:
        import torch

        n, steps_, state = len(self._data.X), len(rates) // len(table), self._state
        results = table[:, :RESULTS]
        kept: dict[int, EpochState] = {}
        for epoch, row in enumerate(results):
            order = torch.randperm(n, generator=generator).numpy()
            here = rates[epoch * steps_ : (epoch + 1) * steps_]
            self._whole = True
            try:
                _, row[2], row[0], row[1] = self.train(order, 0, steps_, here, settings)
            finally:
                self._whole = False
            if not np.isfinite(row[0]):
                return results[: epoch + 1], kept
            for low in range(0, len(self._order_val), part):
                row[3:] += self.evaluate(low, low + part)
            if not np.isfinite(row[3]):
                return results[: epoch + 1], kept
            if epoch in kept_at:
                flat = np.concatenate((self._flat.weights, self._flat.first, self._flat.second))
                kept[epoch] = self._kept(flat, generator.get_state().numpy(), state.step, state.mu_product)
            if self._waiting.any():
                return results[: epoch + 1], kept
        return results, kept

    def _apply(self, settings: StepSettings) -> None:
        """Take over settings that may have changed."""
        slots = self._state.slots
        for name in SLOTS[settings.optimizer]:
            if name not in slots and (settings.optimizer != "sgd" or settings.momentum != 0.0):
                slots[name] = self._state.weights.detach().clone().zero_()
        kept = [slots[name].numpy() for name in SLOTS[settings.optimizer] if name in slots]
        first, second = [*kept, self._no_values, self._no_values][:2]
        self._flat = Flat(self._weights, self._gradient, first, second)
        numbers, codes, active = settings_of(self._plan, self._objective, settings)
        self._ways = Ways(self._class_weights, numbers, codes, self._sums)
        self._block.nodes[:, ACTIVE] = active
        dropped = [stage.outputs for stage, on in zip(self._plan.stages, active, strict=True) if on]
        self._dropped = sum(dropped)
        if self._dropped and self._generator is None:
            raise StateError("Dropout needs a generator for its masks; give the path one.")
        self._settings = settings

    def _ordered(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return an epoch's order, looked through once: compiled code does not check where it reads."""
        if self._order is None or self._checked is not order:
            n = len(self._data.X)
            if len(order) and (order.min() < 0 or order.max() >= n):
                raise InputError(f"The order names rows beyond the {n} that there are; draw it again.")
            self._checked = order
            self._order = np.require(order, np.int64, ["C", "W"])
        return self._order

    def _draw_masks(self, rows: int, batches: int) -> int:
        """Draw the masks of as many batches as fit into the memory for them, and return how many these are."""
        import torch

        assert self._settings is not None
        size = int(self._ways.codes[BATCH])
        fitting = max(1, MASK_BYTES // (min(size, rows) * self._dropped * self._dtype.itemsize))
        batches = min(batches, fitting, -(-rows // size))
        needed = min(rows, batches * size) * self._dropped
        if len(self._masks) < needed:
            self._masks = np.empty(needed, self._dtype)
        masks, at = torch.from_numpy(self._masks), 0
        for k in range(batches):
            batch = min(size, rows - k * size)
            for stage in self._plan.dropouts:
                keep = 1.0 - self._settings.dropout[stage.dropout]
                if keep == 1.0:
                    continue
                end = at + batch * stage.outputs
                masks[at:end].view(batch, stage.outputs).bernoulli_(keep, generator=self._generator).div_(keep)
                at = end
        return batches

    def _place(self, X: NDArray[Any], y: NDArray[Any], which: str) -> Rows:
        """Return rows, classes and numbers as compiled code takes them: contiguous, read-only, within bounds."""
        classes = self._objective.n_classes
        if X.ndim != 2 or X.shape[1] != self._plan.n_features or y.shape != (len(X),):
            raise InputError(
                f"The {which} rows have the shape {X.shape} and their targets {y.shape}; the network takes "
                f"{self._plan.n_features} features and one target a row."
            )
        if classes and len(y) and (y.min() < 0 or y.max() >= classes or classes != self._plan.n_outputs):
            raise InputError(f"The {which} classes must be numbers from 0 to {self._plan.n_outputs - 1}.")
        rows = np.ascontiguousarray(X, self._dtype).view()
        none = np.zeros(0, np.int64 if not classes else self._dtype)
        target = np.ascontiguousarray(y, np.int64 if classes else self._dtype).view()
        placed = Rows(rows, target, none) if classes else Rows(rows, none, target)
        for array in placed:
            array.flags.writeable = False
        return placed


def _state_of(words: NDArray[np.int64], like: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a generator's state with other words in it."""
    state = copied(like)
    ordering.write_state(state, words)
    return state


def _twin_run(*arguments: Any) -> int:
    with np.errstate(all="ignore"):
        return int(_by_numpy(*arguments))
