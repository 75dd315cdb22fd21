"""The lines of a standalone script that fit a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def estimator_lines(module: str, class_name: str, arguments: Mapping[str, Any], task: str, balance: bool) -> list[str]:
    """Return imports, the estimator with its arguments, one fit, and the prediction of X_test.

    Parameters
    ----------
    module, class_name : str
        Where the estimator is imported from.
    arguments : mapping
        Its constructor's arguments.
    task : {"classification", "regression"}
    balance : bool
        Whether the fit weights rows so that every class counts the same.
    """
    lines = [f"from {module} import {class_name}"]
    if balance:
        lines.append("from sklearn.utils.class_weight import compute_sample_weight")
    lines += ["", f"model = {class_name}("]
    lines += [f"    {name}={value!r}," for name, value in arguments.items()]
    lines.append(")")
    if balance:
        lines += [
            "# every class weighs the same, however many rows it has",
            'model.fit(X_train, y_train, sample_weight=compute_sample_weight("balanced", y_train))',
        ]
    else:
        lines.append("model.fit(X_train, y_train)")
    lines.append("predicted = model.predict(X_test)")
    if task == "classification":
        lines.append("probabilities = model.predict_proba(X_test)")
    return lines
