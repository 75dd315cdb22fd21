"""Predictors as bytes: network weights in safetensors, estimators in skops; nothing is pickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ModelFileError
from ..network.spec import Head, Layer
from .predictors import EstimatorPredictor, Predictor

_TREE = "sklearn.tree._tree.Tree"
"""Not in skops' own list, because a forged tree can point anywhere; `_check_trees` looks before it is used."""


def store_predictor(predictor: Predictor) -> tuple[str, bytes, dict[str, Any]]:
    """Return what `restore_predictor` needs.

    Returns
    -------
    kind : str
        "network" or "estimator".
    content : bytes
        safetensors or skops.
    facts : dict
        JSON-able: task, sizes, epoch, and the scale of a regression's target.

    Raises
    ------
    ModelFileError
        For a predictor that was not made by this package.
    """
    facts: dict[str, Any] = {
        "task": predictor.task,
        "n_features": predictor.n_features,
        "n_classes": predictor.n_classes,
        "epoch": predictor.epoch,
    }
    if isinstance(predictor, EstimatorPredictor):
        return "estimator", dump_estimator(predictor.estimator), facts
    from .torch_model import TorchPredictor

    if not isinstance(predictor, TorchPredictor):
        raise ModelFileError(f"A {type(predictor).__name__} cannot be stored; save a model that a run has trained.")
    from safetensors.torch import save

    facts |= {"target_mean": predictor.target_mean, "target_std": predictor.target_std}
    return "network", save(predictor.state()), facts


def restore_predictor(
    kind: str, content: bytes, facts: Mapping[str, Any], layers: Sequence[Layer], head: Head
) -> Predictor:
    """Bring back a stored predictor; nothing in it is executed.

    Parameters
    ----------
    kind, content, facts
        What `store_predictor` returned.
    layers, head
        The network's specification; not read for an estimator.

    Raises
    ------
    ModelFileError
        If the parts are damaged, do not fit together or hold foreign types.
    """
    task, n_features, n_classes = str(facts["task"]), int(facts["n_features"]), int(facts["n_classes"])
    epoch = float(facts["epoch"])
    if kind == "estimator":
        return EstimatorPredictor(load_estimator(content, n_features), task, n_features, n_classes, epoch=epoch)
    if kind != "network":
        raise ModelFileError(f"The model is of the kind {kind!r}, which this version does not know.")
    if head.task != task:
        raise ModelFileError(f"The model's weights are for {task}, but its specification says {head.task}.")
    from safetensors import SafetensorError
    from safetensors.torch import load

    from .torch_model import TorchPredictor

    try:
        return TorchPredictor.from_state(
            layers,
            n_features,
            head,
            n_classes,
            load(content),
            target_mean=float(facts["target_mean"]),
            target_std=float(facts["target_std"]),
            epoch=epoch,
        )
    except (SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"The model's weights do not fit its layers: {error}") from error


def dump_estimator(estimator: Any) -> bytes:
    """Return a fitted estimator as skops has it."""
    import skops.io

    return bytes(skops.io.dumps(estimator))


def load_estimator(content: bytes, n_features: int) -> Any:
    """Bring back what `dump_estimator` returned; nothing in it is executed.

    Raises
    ------
    ModelFileError
        If it is damaged, holds foreign types, or trees that point outside of a row of ``n_features``.
    """
    import skops.io

    try:
        foreign = [name for name in skops.io.get_untrusted_types(data=content) if name != _TREE]
        if foreign:
            raise ModelFileError(f"The model holds types that this package never writes: {', '.join(foreign)}.")
        estimator = skops.io.loads(content, trusted=[_TREE])
        _check_trees(estimator, n_features)
    except ModelFileError:
        raise
    except Exception as error:  # a damaged zip, JSON or schema each raise their own kind
        raise ModelFileError(f"The stored estimator cannot be read: {error}") from error
    return estimator


def _check_trees(estimator: Any, n_features: int) -> None:
    """Refuse trees whose nodes point outside of the tree or the row: scikit-learn follows them unchecked."""
    from sklearn.base import BaseEstimator
    from sklearn.tree._tree import Tree

    waiting, seen = [estimator], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Tree):
            nodes = np.arange(item.node_count)
            left, right = item.children_left, item.children_right
            inner = left != -1
            sound = (left > nodes) & (left < len(nodes)) & (right > nodes) & (right < len(nodes))
            sound &= (item.feature >= 0) & (item.feature < n_features)
            if len(nodes) == 0 or item.n_features != n_features or not sound[inner].all():
                raise ModelFileError("The model holds a damaged decision tree; save the model again.")
        elif isinstance(item, BaseEstimator):
            waiting.extend(vars(item).values())
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple, set)) or (isinstance(item, np.ndarray) and item.dtype == object):
            waiting.extend(list(np.ravel(item)) if isinstance(item, np.ndarray) else item)
