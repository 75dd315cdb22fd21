"""Clustering: rows into groups that nobody named before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError
from ..parameters import Parameter, ParameterTable
from ._preparing import choice, iterations, tolerance
from ._unsupervised import Needs, entry, fit_lines
from .base import CodeRequest
from .calls import Call

_TASK = frozenset({"clustering"})
_METRICS = ("euclidean", "manhattan", "cosine")


def _clusters(help: str) -> Parameter:
    return Parameter(
        "n_clusters", "int", 3, low=1, high=1000, scale="log", unit="clusters", label="clusters", help=help
    )


def _kmeans(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    names = ("n_clusters", "n_init", "max_iter", "tol")
    return Call("sklearn.cluster.KMeans", {**{name: values[name] for name in names}, "random_state": seed})


def _dbscan(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    # rows are further apart the more columns they have
    eps = round(0.5 * math.sqrt(n_features), 4) if values["eps"] is None else values["eps"]
    return Call("sklearn.cluster.DBSCAN", {"eps": eps, **{name: values[name] for name in ("min_samples", "metric")}})


def _agglomerative(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return Call(
        "sklearn.cluster.AgglomerativeClustering", {name: values[name] for name in ("n_clusters", "linkage", "metric")}
    )


def _mixture(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    names = ("n_components", "covariance_type", "n_init", "max_iter", "tol", "reg_covar")
    return Call("sklearn.mixture.GaussianMixture", {**{name: values[name] for name in names}, "random_state": seed})


def _predict_lines(call: Call, request: CodeRequest) -> list[str]:
    return [*fit_lines(call), "predicted = model.predict(X_test)"]


def _dbscan_lines(call: Call, request: CodeRequest) -> list[str]:
    lines = fit_lines(call)
    metric = f', metric="{request.values["metric"]}"' if request.values["metric"] != "euclidean" else ""
    at = lines.index("")
    return [
        "import numpy as np",
        *lines[:at],
        "from sklearn.neighbors import NearestNeighbors",
        *lines[at:],
        "# a new row joins the cluster of the nearest core row, or none (-1) where that is further away than eps",
        "predicted = np.full(len(X_test), -1)",
        "if len(model.components_):",
        f"    nearest = NearestNeighbors(n_neighbors=1{metric}).fit(model.components_)",
        "    distance, core = nearest.kneighbors(X_test)",
        "    cluster = model.labels_[model.core_sample_indices_[core[:, 0]]]",
        "    predicted = np.where(distance[:, 0] <= model.eps, cluster, -1)",
    ]


def _agglomerative_lines(call: Call, request: CodeRequest) -> list[str]:
    lines = fit_lines(call)
    metric = f', metric="{request.values["metric"]}"' if request.values["metric"] != "euclidean" else ""
    at = lines.index("")
    return [
        *lines[:at],
        "from sklearn.neighbors import NearestNeighbors",
        *lines[at:],
        "# a new row joins the cluster of the nearest training row",
        f"nearest = NearestNeighbors(n_neighbors=1{metric}).fit(X_train)",
        "predicted = model.labels_[nearest.kneighbors(X_test, return_distance=False)[:, 0]]",
    ]


def _check_linkage(values: Mapping[str, Any]) -> None:
    if values["linkage"] == "ward" and values["metric"] != "euclidean":
        raise ParameterError(
            f"linkage is 'ward', which needs straight-line distances, but metric is {values['metric']!r}. Set metric "
            "to 'euclidean', or take the linkage 'average'.",
            "metric",
            "euclidean",
        )


KMEANS = entry(
    id="kmeans",
    name="k-means",
    category=("Clustering",),
    tasks=_TASK,
    summary=(
        "Looks for a given number of centres such that the squared distances of all rows to their nearest centre are "
        "as small as possible in sum. Each row belongs to its nearest centre. It starts several times from different "
        "places and keeps the best result."
    ),
    when=(
        "As the first thing to try when groups are about round and of similar size: it is quick even on large tables, "
        "and a centre is easy to describe."
    ),
    when_not=(
        "When clusters are long, nested, or of very different sizes, when rows of no cluster are to be left out "
        "(DBSCAN), or when you cannot say how many clusters to expect."
    ),
    references=(
        "Lloyd (1982), Least squares quantization in PCM, doi:10.1109/TIT.1982.1056489",
        "Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding",
        "https://scikit-learn.org/stable/modules/clustering.html#k-means",
    ),
    parameters=ParameterTable(
        (
            _clusters(
                "How many clusters to look for. More always fit closer; the silhouette says when they stop being "
                "distinct. Not more than there are training rows."
            ),
            Parameter(
                "n_init",
                "int",
                10,
                low=1,
                high=1000,
                scale="log",
                unit="starts",
                label="starts",
                help=(
                    "How many times it begins anew from other places; the best result is kept. More take longer and "
                    "find a good result more surely."
                ),
            ),
            iterations(300, "A start ends here even if the centres still move."),
            tolerance(1e-4, "A start ends when the centres move less than this. Smaller values are more exact."),
        )
    ),
    recipe=_kmeans,
    lines=_predict_lines,
    needs=Needs(rows={"n_clusters": 0}),
)

DBSCAN = entry(
    id="dbscan",
    name="DBSCAN",
    category=("Clustering",),
    tasks=_TASK,
    summary=(
        "Finds crowded regions: a row with enough others close by is a core row, core rows that are close to each "
        "other form a cluster, and their neighbours join it. Rows in sparse regions belong to no cluster; they are "
        "numbered -1. The number of clusters follows from the table."
    ),
    when=(
        "When clusters may have any shape, when some rows should stay out of every cluster, and when their number is "
        "unknown."
    ),
    when_not=(
        "With many columns, where all rows are about equally far from each other (reduce them with PCA first), or "
        "when clusters are crowded to different degrees: one distance cannot fit them all. New rows join the cluster "
        "of the nearest core row."
    ),
    references=(
        "Ester, Kriegel, Sander and Xu (1996), A density-based algorithm for discovering clusters in large spatial "
        "databases with noise",
        "https://scikit-learn.org/stable/modules/clustering.html#dbscan",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "eps",
                "float",
                None,
                low=1e-6,
                high=1e6,
                scale="log",
                label="neighbourhood (eps)",
                optional=True,
                help=(
                    "How close rows must be to be neighbours, in standard deviations of the prepared columns. Too "
                    "small, and most rows belong to no cluster; too large, and all fall into one. Off takes half the "
                    "square root of the number of columns, as a place to start from; cosine distances lie between 0 "
                    "and 2 and need a value of your own."
                ),
            ),
            Parameter(
                "min_samples",
                "int",
                5,
                low=1,
                high=10_000,
                scale="log",
                unit="rows",
                label="least rows nearby",
                help=(
                    "How many rows, itself among them, must be close to a row for it to be a core row. Larger values "
                    "ask for denser clusters and leave more rows out."
                ),
            ),
            choice("metric", "euclidean", _METRICS, "How the distance between two rows is measured.", label="distance"),
        )
    ),
    recipe=_dbscan,
    lines=_dbscan_lines,
)

AGGLOMERATIVE = entry(
    id="agglomerative",
    name="Agglomerative clustering",
    category=("Clustering",),
    tasks=_TASK,
    summary=(
        "Begins with each row as a cluster of its own and joins the two closest ones, again and again, until the "
        "wanted number is left."
    ),
    when=(
        "On tables of up to some ten thousand rows, when groups hold smaller groups, or when clusters are not round: "
        "single and average linkage can follow them."
    ),
    when_not=(
        "On large tables: memory grows with the square of the rows. When new rows must be placed often: it has no "
        "rule for them, so that they join the cluster of the nearest training row."
    ),
    references=(
        "Ward (1963), Hierarchical grouping to optimize an objective function, doi:10.1080/01621459.1963.10500845",
        "https://scikit-learn.org/stable/modules/clustering.html#hierarchical-clustering",
    ),
    parameters=ParameterTable(
        (
            _clusters("How many clusters are left when the joining ends. Not more than there are training rows."),
            choice(
                "linkage",
                "ward",
                ("ward", "complete", "average", "single"),
                "Which clusters count as closest: ward joins those whose union is tightest, complete looks at their "
                "two furthest rows, average at all pairs, single at the two nearest rows (which follows long shapes, "
                "but easily chains everything together).",
            ),
            choice(
                "metric",
                "euclidean",
                _METRICS,
                "How the distance between two rows is measured; ward goes with euclidean only.",
                label="distance",
            ),
        )
    ),
    recipe=_agglomerative,
    lines=_agglomerative_lines,
    checks=(_check_linkage,),
    needs=Needs(rows={"n_clusters": 0}),
)

GAUSSIAN_MIXTURE = entry(
    id="gaussian_mixture",
    name="Gaussian mixture",
    category=("Clustering",),
    tasks=_TASK,
    summary=(
        "Describes the table as a mixture of bell-shaped clouds, each with a centre, a width and a direction, and "
        "finds those under which the rows are most likely. Every row gets a probability for each cloud."
    ),
    when=(
        "When clusters overlap and you want to know how sure an assignment is, or when they are stretched in "
        "different directions, which k-means cannot follow."
    ),
    when_not=(
        "With few rows and many columns: a full cloud has about half the square of the columns in numbers to learn. "
        "Choose 'diag' there, or reduce the columns with PCA first."
    ),
    references=(
        "Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm",
        "https://scikit-learn.org/stable/modules/mixture.html#gaussian-mixture",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "n_components",
                "int",
                3,
                low=1,
                high=1000,
                scale="log",
                unit="clouds",
                label="clouds",
                help="How many clouds, and so clusters. More always fit closer; not more than there are training rows.",
            ),
            choice(
                "covariance_type",
                "full",
                ("full", "tied", "diag", "spherical"),
                "What shapes a cloud may have: any (full), one shape for all (tied), stretched along the columns only "
                "(diag), or round (spherical). Freer shapes need more rows.",
                label="shape",
            ),
            Parameter(
                "n_init",
                "int",
                1,
                low=1,
                high=1000,
                scale="log",
                unit="starts",
                label="starts",
                help="How many times it begins anew from other places; the most likely result is kept.",
            ),
            iterations(
                200, "A start ends here even if it has not converged. Raise it when a run says that it did not."
            ),
            tolerance(1e-3, "A start ends when the log-likelihood of a row gains less than this."),
            Parameter(
                "reg_covar",
                "float",
                1e-4,
                low=1e-9,
                high=10.0,
                scale="log",
                label="least width",
                help=(
                    "Added to the width of every cloud so that none shrinks to nothing, which happens with columns of "
                    "few different values. Raise it when a run says that a cloud is ill-defined."
                ),
            ),
        )
    ),
    recipe=_mixture,
    lines=_predict_lines,
    needs=Needs(rows={"n_components": 0}),
)

CLUSTERING = (KMEANS, DBSCAN, AGGLOMERATIVE, GAUSSIAN_MIXTURE)
