"""Predictors as bytes: network weights in safetensors, estimators in skops; nothing is pickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..algorithms.own import own_types
from ..errors import MedilyticaError, ModelFileError
from ..network.spec import Head, Layer
from ..parameters import OWN_FIRST
from .predictors import EstimatorPredictor, Predictor

_TRUSTED = frozenset(
    {
        # not in skops' own list, because forged ones can point anywhere; `check_sound` looks before they are used
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        # plain Python around arrays
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Matern",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.RationalQuadratic",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.utils._bunch.Bunch",
        # numbers, texts and arrays in an object of this package
        "medilytica_widgets.algorithms.autoencoder_estimator.Autoencoder",
        # a discretiser remembers its dtype, and a selector the function that scores columns: arrays and names
        "functools.partial",
        "numpy.dtype",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.feature_selection._mutual_info.mutual_info_regression",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.impute._iterative.IterativeImputer",
        "sklearn.impute._iterative._ImputerTriplet",
    }
)


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
    if predictor.plans:
        facts["heads"] = [plan.to_json() for plan in predictor.plans]
    return "network", save(predictor.state()), facts


def restore_predictor(
    kind: str, content: bytes, facts: Mapping[str, Any], layers: Sequence[Layer], head: Head | None
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
    try:
        task, n_features, n_classes = str(facts["task"]), int(facts["n_features"]), int(facts["n_classes"])
        epoch = float(facts["epoch"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"The model's description is damaged ({error!r}); save the model again.") from error
    if kind == "estimator":
        estimator = load_estimator(content, n_features)
        restored = EstimatorPredictor(estimator, task, n_features, n_classes, epoch=epoch)
        _try_out(restored)
        restored.stored = True
        return restored
    if kind != "network":
        raise ModelFileError(f"The model is of the kind {kind!r}, which this version does not know.")
    if head is None or head.task != task:
        said = head.task if head is not None else "nothing"
        raise ModelFileError(f"The model's weights are for {task}, but its specification says {said}.")
    try:
        return _restored_network(content, facts, layers, head, n_features, n_classes, epoch)
    except ModelFileError:
        raise
    except MedilyticaError as error:
        raise ModelFileError(f"The model's network cannot be made: {error.message}") from error
    except Exception as error:  # safetensors, torch and plain values each raise their own kind
        raise ModelFileError(f"The model's weights do not fit its layers: {error}") from error


def _restored_network(
    content: bytes,
    facts: Mapping[str, Any],
    layers: Sequence[Layer],
    head: Head,
    n_features: int,
    n_classes: int,
    epoch: float,
) -> Predictor:
    from safetensors.torch import load

    from .heads import HeadPlan, check_names, check_scale
    from .torch_model import TorchPredictor

    state = load(content)
    endless = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if endless:
        raise ModelFileError(f"The model's weights {endless[0]!r} hold NaN or infinite values; save the model again.")
    if facts.get("heads"):
        from .heads_model import HeadsPredictor

        plans = [HeadPlan.from_json(plain) for plain in facts["heads"]]
        check_names([plan.head for plan in plans])
        if plans[0].task != head.task:
            raise ModelFileError(
                f"The model's first head is for {plans[0].task}, but its specification says otherwise."
            )
        return HeadsPredictor.restored(layers, n_features, plans, state, epoch)
    mean, std = float(facts["target_mean"]), float(facts["target_std"])
    check_scale(mean, std)
    return TorchPredictor.from_state(
        layers, n_features, head, n_classes, state, target_mean=mean, target_std=std, epoch=epoch
    )


def _try_out(predictor: EstimatorPredictor) -> None:
    """Refuse what cannot answer a few plain rows with numbers, so that damage shows now and not in somebody's table."""
    rows = np.random.default_rng(0).normal(size=(8, predictor.n_features))
    rows[0] = 0
    try:
        found = predictor.predict_proba(rows) if predictor.task == "classification" else predictor.predict(rows)
    except Exception as error:
        if predictor.task == "transform":
            return  # some take positive numbers only, and t-SNE no new rows at all
        raise ModelFileError(f"The stored estimator is damaged: {error}") from error
    found = np.asarray(found)
    if found.shape[:1] != rows.shape[:1] or (found.dtype.kind == "f" and not np.isfinite(found).all()):
        raise ModelFileError("The stored estimator is damaged: it does not answer with numbers. Save the model again.")


def dump_estimator(estimator: Any) -> bytes:
    """Return a fitted estimator as skops has it; one of a boosting library in that library's own text."""
    from . import boosters

    if boosters.is_booster(estimator):
        return boosters.dump_booster(estimator)
    import skops.io

    return bytes(skops.io.dumps(estimator))


def load_estimator(content: bytes, n_features: int) -> Any:
    """Bring back what `dump_estimator` returned; nothing in it is executed.

    Raises
    ------
    ModelFileError
        If it is damaged, holds foreign types, or values that would lead compiled code astray for rows of
        ``n_features``.
    """
    from . import boosters

    if boosters.holds_booster(content):
        return boosters.load_booster(content, n_features)
    import skops.io

    from ..data.soundness import check_sound

    try:
        named = skops.io.get_untrusted_types(data=content)
        trusted = _TRUSTED | own_types()
        foreign = [name for name in named if name not in trusted]
        if foreign:
            raise ModelFileError(
                f"The model holds types that this package never writes: {', '.join(foreign)}. {OWN_FIRST}"
            )
        if "sklearn.impute._iterative.IterativeImputer" in named:
            from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        estimator = skops.io.loads(content, trusted=sorted(trusted))
        check_sound(estimator, n_features)
    except ModelFileError:
        raise
    except Exception as error:  # a damaged zip, JSON or schema each raise their own kind
        raise ModelFileError(f"The stored estimator cannot be read: {error}") from error
    return estimator
