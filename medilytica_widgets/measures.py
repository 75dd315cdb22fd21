"""What is measured of clusterings, anomaly scores and transformations; the functions are those of `sklearn.metrics`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SILHOUETTE_ROWS = 5000
"""The silhouette compares each row with every other, so that more rows are sampled."""
NEIGHBOUR_ROWS = 2000
"""Likewise for the trustworthiness."""
NEIGHBOURS = 5

Rows = NDArray[Any]


def silhouette(X: Rows, labels: NDArray[np.int64]) -> float:
    """Return the silhouette of rows in clusters, of at most 5 000 drawn rows; NaN where it is not defined.

    Rows numbered below 0 are in no cluster and do not count. It is defined from two clusters on, one of which has
    more than one row.
    """
    from sklearn.metrics import silhouette_score

    kept = np.flatnonzero(labels >= 0)
    chosen = kept[np.random.default_rng(0).permutation(len(kept))[:SILHOUETTE_ROWS]]
    if not 1 < len(np.unique(labels[chosen])) < len(chosen):
        return float("nan")
    return float(silhouette_score(X[chosen], labels[chosen]))


def clustering(X: Rows, labels: NDArray[np.int64], truth: NDArray[np.int64] | None = None) -> dict[str, float]:
    """Return the measures of a clustering that are defined for these rows; ``truth`` are known classes."""
    from sklearn import metrics as sk

    kept = labels >= 0
    values = {}
    if 1 < len(np.unique(labels[kept])) < kept.sum():
        found = silhouette(X, labels)
        if np.isfinite(found):
            values["silhouette"] = found
        values["davies_bouldin"] = float(sk.davies_bouldin_score(X[kept], labels[kept]))
        values["calinski_harabasz"] = float(sk.calinski_harabasz_score(X[kept], labels[kept]))
    values["part_clustered"] = float(kept.mean())
    if truth is not None:
        values["adjusted_rand"] = float(sk.adjusted_rand_score(truth, labels))
        values["normalized_mutual_information"] = float(sk.normalized_mutual_info_score(truth, labels))
    return values


def anomaly(
    flagged: NDArray[np.bool_], scores: NDArray[np.float64], truth: NDArray[np.bool_] | None
) -> dict[str, float]:
    """Return the measures of anomaly scores; ``truth`` says which rows are known to be unusual."""
    from sklearn import metrics as sk

    values = {"part_flagged": float(flagged.mean())}
    if truth is not None and truth.any() and not truth.all():
        values["roc_auc"] = float(sk.roc_auc_score(truth, scores))
        values["average_precision"] = float(sk.average_precision_score(truth, scores))
    return values


def restored(model: Any, transformed: Rows) -> Rows | None:
    """Return the rows that a transformation came from, as far as it can tell; None where there is no way back."""
    if not hasattr(model, "inverse_transform"):
        return None
    back = np.asarray(model.inverse_transform(transformed))
    return back if np.isfinite(back).all() else None


def reconstruction(original: Rows, back: Rows) -> tuple[float, float]:
    """Return the part of the rows' variance that is still there, and the mean squared difference."""
    from sklearn.metrics import mean_squared_error, r2_score

    part = float(r2_score(original, back, multioutput="variance_weighted")) if len(original) > 1 else float("nan")
    return part, float(mean_squared_error(original, back))


def transform(model: Any, original: Rows, transformed: Rows) -> dict[str, float]:
    """Return the measures of a transformation that are defined for these rows."""
    values = {}
    back = restored(model, transformed)
    if back is not None and len(original) > 1:
        values["explained_variance"], values["reconstruction_error"] = reconstruction(original, back)
    if len(original) > 2 * NEIGHBOURS:
        from sklearn.manifold import trustworthiness

        chosen = np.random.default_rng(0).permutation(len(original))[:NEIGHBOUR_ROWS]
        values["trustworthiness"] = float(
            trustworthiness(original[chosen], transformed[chosen], n_neighbors=NEIGHBOURS)
        )
    values["new_columns"] = float(transformed.shape[1])
    return values


_PRINT = ["for name, value in measures.items():", "    print(name, repr(float(value)))"]


def lines(task: str, n_classes: int) -> list[str]:
    """Return lines of a standalone script that print the same measures, ``name repr(value)`` a line.

    They expect ``X_train``, ``X_test`` and ``model``; for clustering ``predicted``, for anomalies ``predicted`` and
    ``scores``, for transformations ``transformed``; and ``y_train``, ``y_test`` where there are classes.
    """
    return {"clustering": _clustering_lines, "anomaly": _anomaly_lines}.get(task, _transform_lines)(n_classes)


def _clustering_lines(n_classes: int) -> list[str]:
    functions = ["calinski_harabasz_score", "davies_bouldin_score", "silhouette_score"]
    compared = []
    if n_classes:
        functions += ["adjusted_rand_score", "normalized_mutual_info_score"]
        compared = [
            'measures["adjusted_rand"] = adjusted_rand_score(y_test, predicted)',
            'measures["normalized_mutual_information"] = normalized_mutual_info_score(y_test, predicted)',
        ]
    return [
        "import numpy as np",
        f"from sklearn.metrics import {', '.join(sorted(functions))}",
        "",
        "measures = {}",
        "# rows numbered -1 are in no cluster",
        "kept = np.flatnonzero(predicted >= 0)",
        "if 1 < len(np.unique(predicted[kept])) < len(kept):",
        f"    chosen = kept[np.random.default_rng(0).permutation(len(kept))[:{SILHOUETTE_ROWS}]]",
        "    if 1 < len(np.unique(predicted[chosen])) < len(chosen):",
        '        measures["silhouette"] = silhouette_score(X_test[chosen], predicted[chosen])',
        '    measures["davies_bouldin"] = davies_bouldin_score(X_test[kept], predicted[kept])',
        '    measures["calinski_harabasz"] = calinski_harabasz_score(X_test[kept], predicted[kept])',
        'measures["part_clustered"] = len(kept) / len(predicted)',
        *compared,
        *_PRINT,
    ]


def _anomaly_lines(n_classes: int) -> list[str]:
    if n_classes != 2:
        return ['measures = {"part_flagged": predicted.mean()}', *_PRINT]
    return [
        "import numpy as np",
        "from sklearn.metrics import average_precision_score, roc_auc_score",
        "",
        'measures = {"part_flagged": predicted.mean()}',
        "# the class with fewer training rows counts as the unusual one",
        "truth = y_test == np.bincount(y_train, minlength=2).argmin()",
        "if truth.any() and not truth.all():",
        '    measures["roc_auc"] = roc_auc_score(truth, scores)',
        '    measures["average_precision"] = average_precision_score(truth, scores)',
        *_PRINT,
    ]


def _transform_lines(n_classes: int) -> list[str]:
    return [
        "import numpy as np",
        "from sklearn.manifold import trustworthiness",
        "from sklearn.metrics import mean_squared_error, r2_score",
        "",
        "measures = {}",
        "# what cannot place new rows has placed those that it was fitted on",
        'original = X_test if hasattr(model, "transform") else X_train',
        'if hasattr(model, "inverse_transform") and len(original) > 1:',
        "    back = model.inverse_transform(transformed)",
        "    if np.isfinite(back).all():",
        '        measures["explained_variance"] = r2_score(original, back, multioutput="variance_weighted")',
        '        measures["reconstruction_error"] = mean_squared_error(original, back)',
        f"if len(original) > {2 * NEIGHBOURS}:",
        f"    chosen = np.random.default_rng(0).permutation(len(original))[:{NEIGHBOUR_ROWS}]",
        '    measures["trustworthiness"] = trustworthiness(',
        f"        original[chosen], transformed[chosen], n_neighbors={NEIGHBOURS}",
        "    )",
        'measures["new_columns"] = transformed.shape[1]',
        *_PRINT,
    ]
