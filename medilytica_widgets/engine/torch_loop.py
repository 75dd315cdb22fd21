"""The training loop of networks: epochs, chunks of batches, schedules, patience. The steps are a path's work."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..algorithms.schedules import Plateau, rate_factors
from . import allocator, devices
from .checkpoints import TrainingState
from .choice import Choice
from .failures import diverged
from .flat import Weights
from .job import Job
from .loop import Host
from .memory import is_out_of_memory
from .network_parts import NetworkParts
from .network_state import export_state, import_state
from .observer import Observer
from .paths import choose_path, make_path
from .stepping import Path, StepSettings, Totals
from .torch_model import TorchPredictor

CHUNK_SECONDS = 0.02
"""How long the loop runs before it looks at its mailbox."""
COMPILED_CHUNK_SECONDS = 0.045
"""The same for the compiled path, which ends a chunk by itself when a command comes."""
CONTENDED_CHUNK_SECONDS = 0.4
"""As far as its chunks grow while others hold the interpreter's lock: each time between two chunks that it is given up,
a busy main thread keeps it for 5 ms."""
CONTENDED_SECONDS = 0.002
"""Who gets the lock back only after so long shares it."""
LARGEST_CHUNK = 4096
"""Batches between two looks into the mailbox, at the most."""
VALIDATION_ROWS = 8192


class TorchLoop:
    """Trains the network of a job.

    Parameters
    ----------
    job : Job
    host : Host
    resume : TrainingState, optional
        Where an earlier run of the same job stood; this one goes on from there.
    """

    def __init__(self, job: Job, host: Host, resume: TrainingState | None = None) -> None:
        facts = resume.facts if resume is not None else {}
        self._host, self.values = host, {**job.values, **facts.get("values", {})}
        self.parts = NetworkParts(job, self.values, facts.get("device"))
        self.device = self.parts.device.type
        self.settings: StepSettings = self.parts.settings(self.values)
        self.plateau = Plateau(int(self.values.get("plateau_patience") or 1))
        self._n = len(self.parts.X)
        # where the training stands: all of it is exported to a checkpoint
        self.epoch, self.done, self.seconds = 0, 0, 0.0
        self.sums = Totals(0, 0, 0.0, 0.0)
        self.rate = float(self.values["learning_rate"])
        self.waited, self.best_loss, self.best_epoch = 0, math.inf, 0
        self.best: Weights | None = None
        self.order_state = self.parts.order_generator.get_state()
        self._order: NDArray[np.int64] | None = None
        if resume is not None:
            import_state(self, resume)
        self._choice = choose_path(self.parts, self.values, facts.get("path"), facts.get("threads"), host.measured)
        self._chosen_for = self.values["batch_size"]
        self._path: Path = make_path(self._choice, self.parts, self.settings, self.values, self._host)
        self.observer = Observer(host, self.parts, self.values["epochs"])
        if "observer" in facts:
            self.observer.restore(facts["observer"])
        self._tell_memory(resumed=resume is not None)
        self._chunk, self._compiled_seconds = 1, COMPILED_CHUNK_SECONDS
        # of the last whole epoch: seconds of training and of validation
        self._pace: tuple[float, float] | None = None
        self._paced_for = 0
        self._steady: NDArray[np.float64] = np.zeros(0)

    @property
    def path(self) -> str:
        """The name of the path that carries out the steps."""
        return self._path.name

    @property
    def threads(self) -> int:
        """Processor threads of a step."""
        return self._choice.threads

    # -- what the trainer asks for

    def run(self) -> None:
        """Train all epochs, or until patience is over."""
        self._run()
        self.observer.end(self._position, self.values)

    def _run(self) -> None:
        if self.done == 0 and self._is_over:
            return  # a resumed run, whose patience was over at the last epoch's end
        while self.epoch < self.values["epochs"]:
            # a new batch size may ask for another path or number of threads; the choice holds for whole epochs
            with (
                devices.limit_threads(self.parts.device, self._choice.threads),
                allocator.held(self.parts.device.type == "cpu" and self._path.name != "compiled"),
            ):
                self._host.checkpoint("batch")
                while self.epoch < self.values["epochs"]:
                    count = self._whole_epochs()
                    over = self._train_epochs(count) if count > 1 else self._train_epoch()
                    if over:
                        return
                    if self._reconsider():
                        break

    def set(self, name: str, value: Any) -> None:
        """Change a live hyperparameter; a new learning rate is the new base of the schedule."""
        self.values[name] = value
        self.settings = self.parts.settings(self.values)

    def snapshot(self, version: int) -> TorchPredictor | None:
        """Return a copy of the weights; None before the first step and when they are not finite."""
        if self._position == 0:
            return None
        weights = self.parts.model.copy()
        return self.parts.predictor(weights, self._position, version) if weights.finite() else None

    def final(self, version: int) -> TorchPredictor | None:
        """Return the weights to keep: with patience the best epoch's, else the last."""
        if self.best is not None and self.values["patience"] is not None:
            return self.parts.predictor(self.best, float(self.best_epoch), version)
        if self._position == 0:
            return None
        weights = self.parts.model.copy()
        if not weights.finite():
            raise diverged(self.epoch + 1, "weights", math.inf, self.values)
        return self.parts.predictor(weights, self._position, version)

    def state(self) -> TrainingState:
        """Return everything from which another loop of the same job goes on bit for bit."""
        return export_state(self)

    # -- epochs

    @property
    def _steps(self) -> int:
        """Optimizer steps of a whole epoch."""
        return -(-self._n // self.settings.batch_size)

    @property
    def _position(self) -> float:
        return self.epoch + self.done / self._n

    @property
    def _is_over(self) -> bool:
        """Whether patience is over."""
        patience = self.values["patience"]
        return patience is not None and self.waited >= patience

    def _train_epoch(self) -> bool:
        """Train to the end of an epoch and validate; return whether patience is over."""
        if self._order is None:
            # after a resume in mid-epoch the generator stands where this epoch's order was drawn
            self.order_state = self.parts.order_generator.get_state()
            self._order = torch.randperm(self._n, generator=self.parts.order_generator).numpy()
        while self.done < self._n:
            self._train_chunk(self._order)
            self._host.advance(self._position, self.parts.model.state.step)
            self._host.checkpoint("batch")
        row = self._row(self.sums, self.seconds)
        started = time.perf_counter()
        row |= self._validate()
        self._keep_pace(self.seconds, time.perf_counter() - started)
        self._order, self.done, self.seconds, self.sums = None, 0, 0.0, Totals(0, 0, 0.0, 0.0)
        if self.parts.heads is not None:
            self.parts.heads.begin_epoch()
        self.order_state = self.parts.order_generator.get_state()
        self.epoch += 1
        return self._finish_epoch(row)

    def _train_chunk(self, order: NDArray[np.int64]) -> None:
        free = self.observer.free_batches(self.parts.model.state.step, self._position, self._steps)
        watched = free == 0
        batches = 1 if watched or self._host.stepping() == "batch" else min(self._chunk, free)
        if watched:
            self.observer.before_step()
        rates, step = self._rates(batches), self.parts.model.state.step
        started, ran = time.perf_counter(), time.thread_time()
        try:
            totals = self._path.train(order, self.done, batches, rates, self.settings, self.sums.loss, self.sums.hits)
        except (MemoryError, RuntimeError) as error:
            if not self._can_fall_back(error, step):
                raise
            self._fall_back()
            return
        elapsed = time.perf_counter() - started
        self._feel_contention(elapsed - (time.thread_time() - ran))
        if not math.isfinite(totals.loss):
            raise diverged(self.epoch + 1, "loss", totals.loss, self.values)
        trained = max(1, -(-(totals.done - self.done) // self.settings.batch_size))
        self.rate = float(rates[trained - 1])
        self.done, self.seconds = totals.done, self.seconds + elapsed
        self.sums = totals._replace(rows=self.sums.rows + totals.rows)
        if watched:
            self.observer.after_step(self._position, self.values, order)
            return
        # at most doubled at once: the first batches of a run are slow, a later one may have been interrupted
        fitting = trained * self._chunk_seconds / max(elapsed, 1e-9)
        # where an epoch has fewer batches than a chunk, the chunk would double without end
        self._chunk = int(max(1, min(2 * batches, fitting, LARGEST_CHUNK)))

    def _train_epochs(self, count: int) -> bool:
        """Train several short epochs in one call of the compiled path, and write their rows."""
        steps = self._steps
        rates = np.concatenate([self._rates(steps, epoch) for epoch in range(self.epoch, self.epoch + count)])
        keep = [epoch - self.epoch - 1 for epoch in self._host.kept_between(self.epoch, self.epoch + count)]
        step = self.parts.model.state.step
        started, ran = time.perf_counter(), time.thread_time()
        try:
            found, kept = self._path.train_epochs(  # type: ignore[attr-defined]
                self.parts.order_generator, count, rates, self.settings, keep=keep
            )
        except (MemoryError, RuntimeError) as error:
            if not self._can_fall_back(error, step):
                raise
            self.parts.order_generator.set_state(self.order_state)
            self._fall_back()
            return False
        elapsed = time.perf_counter() - started
        self._feel_contention(elapsed - (time.thread_time() - ran))
        assert self._pace is not None  # _whole_epochs asks for it
        # one clock around all of them: training has the share it had in the epoch that was measured apart
        seconds = elapsed / len(found) * self._pace[0] / sum(self._pace)
        self._keep_pace(seconds, elapsed / len(found) - seconds)
        self.order_state = self.parts.order_generator.get_state()
        for k, (loss, hits, rows, val_loss, val_hits) in enumerate(found.tolist()):
            for what, value in (("loss", loss), ("validation loss", val_loss)):
                if not math.isfinite(value):
                    raise diverged(self.epoch + 1, what, value, self.values)
            self.rate = float(rates[(k + 1) * steps - 1])
            row = self._row(Totals(self._n, int(rows), loss, hits), seconds) | self._validation_row(val_loss, val_hits)
            self.epoch += 1
            self._finish_epoch(row, look=k == len(found) - 1)
            if k in kept:
                self._host.keep(export_state(self, kept[k]))
        return False

    def _finish_epoch(self, row: dict[str, float], look: bool = True) -> bool:
        """Write a history row; with ``look``, carry out commands; return whether patience is over."""
        watched = row["train_loss"] if math.isnan(row["val_loss"]) else row["val_loss"]
        patience = self.values["patience"]
        if patience is not None:
            self.waited = 0 if watched < self.best_loss else self.waited + 1
            if watched < self.best_loss:
                self.best_loss, self.best, self.best_epoch = watched, self.parts.model.copy(), self.epoch
        if self.values["schedule"] == "plateau" and self.plateau.saw(watched):
            self._host.note(
                f"The loss had not fallen for {self.values['plateau_patience']} epochs: the learning rate is halved."
            )
        step = self.parts.model.state.step
        self._host.advance(self._position, step)
        self._host.row(row)
        self.observer.row(row, self.values)
        over = self._is_over
        if over:
            self._host.note(
                f"Stopped after epoch {self.epoch}: the validation loss had not fallen for {patience} epochs. "
                f"The weights are those of epoch {self.best_epoch}."
            )
        if look:
            self._host.checkpoint("epoch")
        return over

    def _whole_epochs(self) -> int:
        """Return how many epochs fit into one call; 1 where the path cannot or something waits for an end."""
        if not hasattr(self._path, "train_epochs") or self.parts.dropouts or self._pace is None or self.done:
            return 1
        if self.values["patience"] is not None or self.values["schedule"] == "plateau" or self._host.stepping():
            return 1
        fitting = self._chunk_seconds / max(sum(self._pace), 1e-9)
        free = self.observer.free_batches(self.parts.model.state.step, self._position, self._steps) // self._steps
        stop = self._host.next_stop(self.epoch)
        return int(min(fitting, free, self.values["epochs"] - self.epoch, 256, stop - self.epoch if stop else 256))

    # -- parts

    @property
    def _chunk_seconds(self) -> float:
        return self._compiled_seconds if self._path.name == "compiled" else CHUNK_SECONDS

    def _feel_contention(self, waited: float) -> None:
        """Let the compiled path's chunks grow while the interpreter's lock is contended.

        ``waited`` is for how long this thread did not run during a call: then it is worth a look at the lock.
        """
        if self._path.name == "compiled":
            contended = waited > CONTENDED_SECONDS and _seconds_for_the_lock() > CONTENDED_SECONDS
            wanted = self._compiled_seconds * (2.0 if contended else 0.5)
            self._compiled_seconds = min(max(wanted, COMPILED_CHUNK_SECONDS), CONTENDED_CHUNK_SECONDS)

    def _rates(self, batches: int, epoch: int | None = None) -> NDArray[np.float64]:
        """Return the learning rate of each of the next batches, or of an epoch's first ones."""
        base = self.values["learning_rate"] * self.plateau.factor
        name, warmup = self.values["schedule"], float(self.values.get("warmup") or 0.0)
        if name in ("constant", "plateau") and not warmup:
            if len(self._steady) < batches or self._steady[0] != base:
                self._steady = np.full(max(batches, LARGEST_CHUNK), base)
            return self._steady[:batches]
        first = self.done if epoch is None else 0
        starts = np.minimum((first + self.settings.batch_size * np.arange(batches)) / self._n, 1.0)
        at = self.epoch if epoch is None else epoch
        return np.asarray(base * rate_factors(name, at, self.values["epochs"], starts, warmup), dtype=np.float64)

    def _row(self, sums: Totals, seconds: float) -> dict[str, float]:
        return {
            "epoch": float(self.epoch + 1),
            "train_loss": sums.loss / sums.rows,
            f"train_{self.parts.metric}": self.parts.metric_value(sums.hits, sums.rows),
            "learning_rate": self.rate,
            "seconds": seconds,
            "samples_per_second": self._n / seconds if seconds > 0 else math.nan,
            **({} if self.parts.heads is None else self.parts.heads.train_row(self.parts.log_variances)),
        }

    def _validate(self) -> dict[str, float]:
        n = len(self.parts.X_val)
        loss = hits = 0.0
        for start in range(0, n, VALIDATION_ROWS):
            if start:
                self._host.checkpoint("validation")
            part = self._path.evaluate(start, min(start + VALIDATION_ROWS, n))
            loss, hits = loss + part[0], hits + part[1]
        if not math.isfinite(loss):
            raise diverged(self.epoch + 1, "validation loss", loss, self.values)
        return self._validation_row(loss, hits)

    def _validation_row(self, loss: float, hits: float) -> dict[str, float]:
        n = len(self.parts.X_val)
        if n == 0:
            return {"val_loss": math.nan, f"val_{self.parts.metric}": math.nan}
        heads = self.parts.heads
        if heads is not None:
            row = {"val_loss": heads.total(self.parts.log_variances), **heads.validation_row()}
            return {**row, f"val_{self.parts.metric}": self.parts.metric_value(hits, n)}
        return {"val_loss": loss / n, f"val_{self.parts.metric}": self.parts.metric_value(hits, n)}

    def _reconsider(self) -> bool:
        """Choose path and threads again where the batch size was changed; return whether they are others now."""
        if self.values["batch_size"] == self._chosen_for:
            return False
        self._chosen_for = self.values["batch_size"]
        choice = choose_path(self.parts, self.values, cache=self._host.measured)
        if (choice.path, choice.threads) == (self._choice.path, self._choice.threads):
            return False
        self._choice = choice
        self._path = make_path(choice, self.parts, self.settings, self.values, self._host)
        self._host.note(f"From epoch {self.epoch + 1} on the steps are carried out by the {choice.path} path.")
        return True

    def _can_fall_back(self, error: BaseException, step: int) -> bool:
        """Whether a path could not have its buffers, so that no step was begun since ``step``."""
        untouched = self.parts.model.state.step == step
        return untouched and self._path.name != "general" and is_out_of_memory(error)

    def _fall_back(self) -> None:
        """Leave the steps to the path that can take a batch in parts."""
        self._host.note(
            f"The memory did not suffice for the {self._path.name} path's buffers; the general path goes on."
        )
        self._choice = Choice("general", self._choice.threads, "The memory did not suffice.")
        self._chosen_for = self.values["batch_size"]
        self._path = make_path(self._choice, self.parts, self.settings, self.values, self._host)

    def _tell_memory(self, resumed: bool) -> None:
        parts = self.parts
        rows = parts.part_rows or min(self.settings.batch_size, self._n)
        sentence = parts.forecast(self.values, self.device, rows).sentence()
        if not resumed:
            self._host.log.append("info", f"{sentence} Path: {self.path} on {self.device}. {self._choice.reason}")
        if parts.part_rows is not None:
            self._host.note(
                f"A batch of {self.settings.batch_size} rows would not fit into memory; it goes through in parts of "
                f"{rows} rows whose gradients are added up. The result is the same."
            )

    def _keep_pace(self, training: float, validation: float) -> None:
        """Note how long an epoch took, where it was the fastest: others had to wait for the interpreter's lock."""
        if self._pace is None or training + validation < sum(self._pace) or self._paced_for != self.settings.batch_size:
            self._pace, self._paced_for = (training, validation), self.settings.batch_size


def _seconds_for_the_lock() -> float:
    """Give the interpreter's lock up and return how long it took to get it back."""
    started = time.perf_counter()
    time.sleep(0)
    return time.perf_counter() - started
