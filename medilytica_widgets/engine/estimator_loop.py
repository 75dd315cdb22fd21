"""The loop of scikit-learn estimators: grown in stages where the estimator can, else one fit."""

from __future__ import annotations

import copy
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..algorithms._unsupervised import needs
from ..algorithms.base import SUPERVISED
from ..algorithms.own_tasks import takes_classes
from ..errors import CheckpointError, DataError, TargetError
from . import unsupervised
from .checkpoints import TrainingState
from .job import Job
from .loop import Host
from .predictors import EstimatorPredictor, freeze, spread
from .progress_line import ProgressLines
from .storage import dump_estimator, load_estimator
from .telemetry import METRIC


class _Enough(Exception):
    """Ends a fit whose iterations are used up; the last iterate is the result."""


class EstimatorLoop:
    """Trains the estimator of a job; an "epoch" of its history is a stage: trees, rounds or iterations.

    Commands act between stages. During a fit without stages the run stays running and a stop is
    honoured right after it.

    Parameters
    ----------
    job : Job
    host : Host
    resume : TrainingState, optional
        Where an earlier run of the same job stood. One that grows in stages goes on from the last; of any other fit
        there is a state only when it is complete (see `state`), and it is taken as it is.
    """

    device = "cpu"

    def __init__(self, job: Job, host: Host, resume: TrainingState | None = None) -> None:
        self._job, self._host = job, host
        self._estimator = job.algorithm.build(job.values, job.task, job.n_features, job.n_classes, job.seed)
        self._supervised = job.task in SUPERVISED
        self._fit_arguments = job.algorithm.fit_arguments(job.values, job.prepared.y_train) if self._supervised else {}
        staged = job.algorithm.staged
        if staged == "partial_fit" and job.task == "classification" and takes_classes(self._estimator):
            self._fit_arguments = {**self._fit_arguments, "classes": np.arange(job.n_classes)}
        # other solvers than this one call back with no estimator that predicts, or not at all
        watched = hasattr(self._estimator, "set_callbacks") and getattr(self._estimator, "solver", "lbfgs") == "lbfgs"
        if staged == "callback" and not watched:
            staged = None
        self._staged = staged
        self.path = "single" if staged is None else "staged"
        self._scores: _Scores | unsupervised.Scores = _Scores(job) if self._supervised else unsupervised.Scores(job)
        stages = max(job.algorithm.stage_sizes(job.values), default=1)
        self._lines = ProgressLines(host.log, METRIC[job.task], stages, "Stage")
        self._ready: Any = None
        self._stage = 0
        self._watching = False
        if resume is not None:
            self._take_over(resume)

    def run(self) -> None:
        """Fit, stage by stage where there are stages."""
        self._host.checkpoint("batch")
        if self._staged == "partial_fit":
            self._fit_in_passes()
        elif self._staged not in (None, "callback"):
            self._fit_grown(self._staged)
        elif self._ready is not None:
            return  # the resumed state is the whole fit
        elif self._staged is None:
            self._fit_once()
        else:
            self._fit_watched()

    def set(self, name: str, value: Any) -> None:
        """Nothing: no hyperparameter of an estimator can change in the middle of a fit."""

    def snapshot(self, version: int) -> EstimatorPredictor | None:
        """Return the estimator as it was after the last stage; None before the first."""
        if self._ready is None:
            return None
        job = self._job
        return EstimatorPredictor(
            self._ready, job.task, job.n_features, job.n_classes, epoch=float(self._stage), version=version
        )

    def final(self, version: int) -> EstimatorPredictor | None:
        """Return the estimator after its last stage."""
        return self.snapshot(version)

    def state(self) -> TrainingState | None:
        """Return the estimator after its last stage; None before the first.

        None too in the midst of a fit that is watched: such a fit cannot be taken up again, and its estimator holds
        on to this loop.
        """
        if self._ready is None or self._watching:
            return None
        content = np.frombuffer(dump_estimator(self._ready), dtype=np.uint8)
        facts = {"kind": "estimator", "epoch": self._stage, "values": dict(self._job.values), "path": self.path}
        return TrainingState({"estimator": content}, facts)

    def _take_over(self, saved: TrainingState) -> None:
        self._estimator = predictor_of(self._job, saved).estimator
        self._stage = int(saved.facts["epoch"])
        self._ready = copy.deepcopy(self._estimator) if self._staged == "partial_fit" else freeze(self._estimator)

    def _fit_once(self) -> None:
        started = time.perf_counter()
        self._fit(self._estimator)
        self._finish_stage(1, self._estimator, time.perf_counter() - started)

    def _fit_grown(self, parameter: str) -> None:
        for size in self._job.algorithm.stage_sizes(self._job.values):
            if size <= self._stage:
                continue
            started = time.perf_counter()
            self._fit(self._estimator.set_params(**{parameter: size}))
            self._finish_stage(size, freeze(self._estimator), time.perf_counter() - started)

    def _fit_in_passes(self) -> None:
        for epoch in self._job.algorithm.stage_sizes(self._job.values):
            if epoch <= self._stage:
                continue
            started = time.perf_counter()
            self._fit(self._estimator)
            # a further pass may change arrays in place
            self._finish_stage(epoch, copy.deepcopy(self._estimator), time.perf_counter() - started)

    def _fit_watched(self) -> None:
        watcher = _Watcher(self, max(self._job.algorithm.stage_sizes(self._job.values)))
        self._estimator.set_callbacks(watcher)
        self._watching = True
        try:
            self._fit(self._estimator)
        except _Enough:
            self._host.note(
                f"Stopped after {self._stage} iterations, before the fit converged. Raise max_iter if the curves "
                "still move."
            )
            self._estimator = self._ready
        self._estimator.set_callbacks()
        if self._stage == 0:
            self._finish_stage(1, self._estimator, watcher.lap())
        self._ready, self._watching = self._estimator, False

    def _fit(self, estimator: Any) -> None:
        data = self._job.prepared
        if not self._supervised:
            self._fit_without_target(estimator)
            return
        try:
            self._method(estimator)(data.X_train, data.y_train, **self._fit_arguments)
        except ValueError as error:
            if self._job.task == "regression" or len(np.unique(data.y_train)) > 1:
                raise
            raise TargetError(
                f"All training rows are of one class, {data.classes[int(data.y_train[0])]!r}, so there is nothing to "
                "tell apart. Give more rows of the other classes, hold fewer rows out, or take another seed."
            ) from error

    def _method(self, estimator: Any) -> Any:
        return estimator.partial_fit if self._staged == "partial_fit" else estimator.fit

    def _fit_without_target(self, estimator: Any) -> None:
        data, algorithm = self._job.prepared, self._job.algorithm
        try:
            if needs(algorithm.id).target:
                self._method(estimator)(data.X_train, data.y_train)
            else:
                self._method(estimator)(data.X_train)
        except ValueError as error:
            said = " ".join(str(error).split())
            raise DataError(
                f"{algorithm.name} cannot be fitted on these rows: {said if said[-1:] in '.?!' else said + '.'}"
            ) from error
        unsupervised.complete(estimator, self._job)
        if self._staged is None and (remark := unsupervised.unfinished(estimator)):
            self._host.note(remark)

    def _finish_stage(self, stage: int, estimator: Any, seconds: float) -> None:
        self._ready, self._stage = estimator, stage
        n = self._job.samples_per_epoch
        self._host.advance(float(stage), stage)
        row = {
            "epoch": float(stage),
            **self._scores.measure(estimator),
            "learning_rate": float(self._job.values.get("learning_rate") or math.nan),
            "seconds": seconds,
            "samples_per_second": n / seconds if seconds > 0 else math.nan,
        }
        self._host.row(row)
        self._lines.row(row, stage)
        self._host.checkpoint("epoch")

    def watched_stage(self, estimator: Any, seconds: float) -> None:
        """Take in one iteration of a fit that is being watched."""
        estimator.set_callbacks()
        self._finish_stage(self._stage + 1, estimator, seconds)


def predictor_of(job: Job, saved: TrainingState) -> EstimatorPredictor:
    """Return what a checkpoint of an estimator predicts.

    Raises
    ------
    CheckpointError
        If it is of something else.
    """
    if saved.facts.get("kind") != "estimator" or "estimator" not in saved.tensors:
        raise CheckpointError("The checkpoint is not one of an estimator; take the run's own checkpoint.")
    estimator = load_estimator(saved.tensors["estimator"].tobytes(), job.n_features)
    return EstimatorPredictor(estimator, job.task, job.n_features, job.n_classes, epoch=float(saved.facts["epoch"]))


class _Watcher:
    """A `sklearn.callback.FitCallback` that turns each iteration into a stage."""

    def __init__(self, loop: EstimatorLoop, most: int) -> None:
        self._loop, self._most, self._count = loop, most, 0
        self._started = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last call."""
        now = time.perf_counter()
        seconds, self._started = now - self._started, now
        return seconds

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing to set up."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing to take down."""

    def on_fit_task_begin(self, estimator: Any, context: Any, **given: Any) -> None:
        """Nothing to do before an iteration."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None, **given: Any) -> bool:
        """Take in an iteration; scikit-learn calls once more for the whole fit, without a fitted estimator."""
        if fitted_estimator is None:
            return False
        self._count += 1
        self._loop.watched_stage(fitted_estimator, self.lap())
        # leaving here spares the person scikit-learn's ConvergenceWarning in whatever cell is running
        if self._count >= self._most:
            raise _Enough
        self.lap()
        return False


class _Scores:
    """Loss and metric of an estimator on the training and the validation rows."""

    def __init__(self, job: Job) -> None:
        data = job.prepared
        self._task, self._classes = job.task, job.n_classes
        self._splits = {"train": (data.X_train, data.y_train), "val": (data.X_validation, data.y_validation)}
        self._variance = 1.0 if job.task == "classification" else float(np.var(data.y_train, dtype=np.float64)) or 1.0
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._trees = 0

    def measure(self, estimator: Any) -> dict[str, float]:
        """Return ``train_loss``, ``val_loss`` and the metric's two columns; NaN for a split without rows.

        The loss is the log loss, or the squared error over the training target's variance, as the
        network's loop has it.
        """
        row: dict[str, float] = {}
        forest = _is_forest(estimator)
        for split, (X, y) in self._splits.items():
            metric = "accuracy" if self._task == "classification" else "mean_absolute_error"
            if len(X) == 0:
                row[f"{split}_loss"] = row[f"{split}_{metric}"] = math.nan
                continue
            answer = self._forest_answer(split, estimator, X) if forest else self._answer(estimator, X)
            if self._task == "classification":
                given = answer[np.arange(len(y)), np.asarray(y, dtype=np.int64)]
                row[f"{split}_loss"] = float(-np.log(np.maximum(given, np.finfo(np.float64).eps)).mean())
                row[f"{split}_{metric}"] = float((answer.argmax(axis=1) == y).mean())
            else:
                error = answer - np.asarray(y, dtype=np.float64)
                row[f"{split}_loss"] = float((error**2).mean() / self._variance)
                row[f"{split}_{metric}"] = float(np.abs(error).mean())
        if forest:
            self._trees = len(estimator.estimators_)
        return row

    def _answer(self, estimator: Any, X: NDArray[Any]) -> NDArray[np.float64]:
        if self._task == "classification":
            return spread(estimator.predict_proba(X), estimator.classes_, self._classes)
        return np.asarray(estimator.predict(X), dtype=np.float64).reshape(-1)

    def _forest_answer(self, split: str, forest: Any, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the forest's answer, asking only the trees that are new since the last stage."""
        rows = np.asarray(X, dtype=np.float32)
        total = self._sums.get(split)
        for tree in forest.estimators_[self._trees :]:
            if self._task == "classification":
                part = spread(tree.predict_proba(rows, check_input=False), forest.classes_, self._classes)
            else:
                part = np.asarray(tree.predict(rows, check_input=False), dtype=np.float64)
            total = part if total is None else total + part
        assert total is not None  # every stage adds trees
        self._sums[split] = total
        return total / len(forest.estimators_)


def _is_forest(estimator: Any) -> bool:
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        ExtraTreesRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )

    return isinstance(
        estimator, (RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor)
    )
