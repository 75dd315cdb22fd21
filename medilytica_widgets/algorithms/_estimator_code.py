"""The lines of a standalone script that fit a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .base import Algorithm, CodeRequest
from .calls import Call

Recipe = Callable[[Mapping[str, Any], str, int, int, int], Call]
"""``(values, task, n_features, n_classes, seed) -> Call``: the estimator that hyperparameters stand for."""


def estimator_entry(*, recipe: Recipe, **about: Any) -> Algorithm:
    """Return a registry entry whose estimator and whose script come from one recipe.

    Parameters
    ----------
    recipe : callable
        See `Recipe`; of several tasks it looks at ``task``. Of an entry that grows in stages the estimator built has
        ``warm_start=True``, see `Staged`.
    **about
        The other fields of `medilytica_widgets.algorithms.Algorithm`.
    """
    grows = about.get("staged") not in (None, "callback")

    def build(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Any:
        estimator = recipe(values, task, n_features, n_classes, seed).build()
        # the engine grows it stage by stage; the script fits once and needs none of this
        return estimator.set_params(warm_start=True) if grows else estimator

    def code(request: CodeRequest) -> list[str]:
        call = recipe(request.values, request.task, request.n_features, request.n_classes, request.seed)
        balance = (
            about.get("balances", False)
            and request.task == "classification"
            and request.values.get("class_weight") == "balanced"
        )
        return call_lines(call, request.task, balance)

    return Algorithm(engine="estimator", builder=build, coder=code, **about)


_TO_ONE = "probabilities /= probabilities.sum(axis=1, keepdims=True)"


def call_lines(call: Call, task: str, balance: bool = False) -> list[str]:
    """Return the lines of a script that make an estimator, fit it and predict X_test."""
    lines = call.imports()
    if balance:
        lines.append("from sklearn.utils.class_weight import compute_sample_weight")
    lines += ["", *f"model = {call.source()}".split("\n")]
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
        if call.path.endswith("VotingClassifier"):
            lines += ["# the mean of members that reckon in float32: it sums to one only nearly", _TO_ONE]
    return lines
