"""What each class weighs in the loss of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced_weights(y: NDArray[np.integer], n_classes: int) -> NDArray[np.float32]:
    """Return the weight of each class such that all classes of the training rows count the same.

    A class of ``c`` rows weighs ``n / (k · c)``, where ``k`` classes have a row: scikit-learn's
    ``class_weight="balanced"`` (King and Zeng 2001). The weights of the n training rows then have the mean
    1. A class without a training row, which may still have validation rows, weighs 1, as an average
    row does; with 0 the mean loss of rows of such classes alone would be 0/0.

    Parameters
    ----------
    y : ndarray of int, shape (n,)
        The class of each training row, 0 to ``n_classes - 1``.
    n_classes : int
        At least 1.

    Returns
    -------
    ndarray of float32, shape (n_classes,)
        For ``torch.nn.functional.cross_entropy(weight=…)``.
    """
    counts = np.bincount(y, minlength=n_classes)
    held = counts > 0
    weights = np.ones(n_classes)
    weights[held] = len(y) / (held.sum() * counts[held])
    return weights.astype(np.float32)
