"""Estimators that came out of a file, looked at before they are used.

skops makes sure of the types in a file, not of their values, and scikit-learn's compiled code follows many values
unchecked: the children of a tree's node, the class of a neighbour, the shape of a support vector machine. A forged or
damaged file could read and write any memory that way, see
https://github.com/scikit-learn/scikit-learn/pull/34558.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError

_METRICS = frozenset(
    {
        "braycurtis",
        "canberra",
        "chebyshev",
        "cityblock",
        "cosine",
        "euclidean",
        "l1",
        "l2",
        "manhattan",
        "minkowski",
        "nan_euclidean",
        "sqeuclidean",
    }
)
"""Distances without parameters that compiled code would take on trust."""
_MOST_JOBS = 256
_KERNELS = frozenset({"linear", "poly", "rbf", "sigmoid"})
_GAPS = frozenset({"_fit_X", "categories_", "pvalues_", "scores_", "statistics_"})
"""Numbers of a sound model that may be none: gaps of the table, and what an imputer or a selection counted."""
Check = Callable[[Any], None]


def check_sound(stored: Any, n_features: int | None = None) -> None:
    """Refuse what would lead compiled code astray.

    Parameters
    ----------
    stored : object
        What came out of a file: an estimator, or a list or dict of such.
    n_features : int, optional
        The columns of the rows that it will be asked about; None where they are not known.

    Raises
    ------
    ModelFileError
        For a tree, a neighbourhood, a support vector machine, a k-means, a random state or an array that is damaged.
    """
    if n_features is not None and getattr(stored, "n_features_in_", n_features) != n_features:
        raise ModelFileError(
            f"The stored estimator was fitted on {stored.n_features_in_} columns, but the model has {n_features}."
        )
    waiting: list[tuple[str, Any]] = [("", stored)]
    # what was seen is held: the number of an object that is gone may be given to another
    seen: dict[int, Any] = {}
    owned: set[int] = set()
    late: list[tuple[Check, Any]] = []
    while waiting:
        name, item = waiting.pop()
        if id(item) in seen or isinstance(item, (str, bytes, int, float, type(None), type)):
            continue
        seen[id(item)] = item
        _check_plain(name, item)
        if (kind := type(item).__name__) in ("Tree", "TreePredictor") and id(item) not in owned:
            _require(False, f"a {kind} that belongs to nothing")
        for family, check, after in _checks():
            if isinstance(item, family):
                if after:
                    late.append((check, item))
                else:
                    check(item)
        owned.update(id(part) for part in _owned(item))
        waiting.extend(_parts(name, item))
    # these ask parts of the estimator, which are sound by now
    for check, item in late:
        check(item)


def _require(sound: Any, what: str) -> None:
    if not sound:
        raise ModelFileError(f"The stored model holds {what}; it is damaged. Save the model again.")


def _parts(name: str, item: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(item, dict):
        yield from ((str(key), part) for key, part in item.items())
    elif isinstance(item, (list, tuple, set, frozenset)):
        yield from ((name, part) for part in item)
    elif isinstance(item, np.ndarray):
        if item.dtype == object:
            yield from ((name, part) for part in item.flat)
    elif hasattr(item, "__dict__"):
        yield from vars(item).items()


def _check_plain(name: str, item: Any) -> None:
    """Refuse sparse matrices, search trees, endless numbers and random states that read beyond their end."""
    if isinstance(item, np.ndarray):
        # a border of a bin may be infinite
        numbers = item.dtype.kind == "f" and name not in _GAPS
        _require(not numbers or not np.isnan(item).any(), f"numbers that are none in {name or 'an array'}")
        return
    if isinstance(item, np.random.RandomState):
        place = item.get_state(legacy=False)["state"].get("pos", 0)
        _require(0 <= int(place) <= 624, "a random state that is none")
        return
    wanted = getattr(item, "__dict__", {}).get("n_jobs")
    few = wanted is None or (isinstance(wanted, int) and abs(wanted) <= _MOST_JOBS)
    _require(few, "a number of processes that is none")
    kind = type(item)
    foreign = kind.__module__.startswith("scipy.sparse") or kind.__name__ in ("KDTree", "BallTree", "cKDTree")
    _require(not foreign, f"a {kind.__name__}, which this package never writes")


def _owned(item: Any) -> Iterator[Any]:
    """Yield the compiled trees that were looked at with their owner."""
    from sklearn.tree._classes import BaseDecisionTree

    if isinstance(item, BaseDecisionTree):
        yield vars(item).get("tree_")
    elif "_predictors" in getattr(item, "__dict__", {}):
        yield from (predictor for stage in item._predictors for predictor in stage)


@cache
def _checks() -> tuple[tuple[type, Check, bool], ...]:
    """Return classes, what to look at in each, and whether its parts come first."""
    from sklearn.cluster._kmeans import _BaseKMeans
    from sklearn.ensemble import BaseEnsemble, IsolationForest
    from sklearn.ensemble._bagging import BaseBagging
    from sklearn.ensemble._forest import BaseForest
    from sklearn.ensemble._gb import BaseGradientBoosting
    from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
    from sklearn.neighbors._base import NeighborsBase
    from sklearn.preprocessing import PolynomialFeatures, QuantileTransformer
    from sklearn.svm._base import BaseLibSVM
    from sklearn.tree._classes import BaseDecisionTree

    assert issubclass(IsolationForest, BaseBagging) and issubclass(BaseBagging, BaseEnsemble)
    return (
        (BaseDecisionTree, _check_tree, False),
        (BaseForest, _check_members, False),
        (BaseBagging, _check_bagged, False),
        (BaseGradientBoosting, _check_members, False),
        (BaseGradientBoosting, _check_boosting, True),
        (BaseHistGradientBoosting, _check_histogram, False),
        (BaseLibSVM, _check_svm, False),
        (NeighborsBase, _check_neighbours, False),
        (_BaseKMeans, _check_kmeans, False),
        (PolynomialFeatures, _check_polynomials, False),
        (QuantileTransformer, _check_quantiles, False),
        (CountVectorizer, _check_words, False),
        (HashingVectorizer, _check_hashes, False),
    )


def _fitted(estimator: Any, mark: str) -> bool:
    """Whether an estimator was fitted: an ensemble keeps the one it makes members of, unfitted."""
    return mark in vars(estimator)


def _width(estimator: Any) -> int:
    """Return the columns that scikit-learn makes sure of; without the number it would let any row pass."""
    width = vars(estimator).get("n_features_in_")
    _require(isinstance(width, (int, np.integer)) and width > 0, "an estimator without its number of columns")
    return int(width)


def sound_nodes(
    left: NDArray[Any], right: NDArray[Any], feature: NDArray[Any], inner: NDArray[Any], width: int
) -> bool:
    """Whether from the first node on every way ends in a leaf.

    Parameters
    ----------
    left, right, feature : ndarray of int
        Of each node its children and the column it looks at; not read of a leaf.
    inner : ndarray of bool
        Which nodes are none of the leaves.
    width : int
        Number of columns.
    """
    if not len(inner):
        return False
    children = np.concatenate([left[inner], right[inner]]).astype(np.int64)
    asked = feature[inner].astype(np.int64)
    if ((children < 1) | (children >= len(inner))).any() or ((asked < 0) | (asked >= width)).any():
        return False
    # where the first node has no parent and no other has two, there is no way around in a circle
    return bool(np.bincount(children, minlength=len(inner)).max(initial=0) <= 1)


def _check_tree(owner: Any) -> None:
    from sklearn.tree._tree import Tree

    if not _fitted(owner, "tree_"):
        return
    tree, width, what = owner.tree_, _width(owner), "a damaged decision tree"
    _require(isinstance(tree, Tree), what)
    # scikit-learn takes the number of nodes from the file and allocates by the array
    _require(0 < tree.node_count == tree.capacity, what)
    _require(tree.n_features == width and tree.n_outputs == 1 and tree.max_n_classes >= 1, what)
    left, right = tree.children_left, tree.children_right
    inner, nodes = left != -1, np.arange(tree.node_count)
    _require(sound_nodes(left, right, tree.feature, inner, width), what)
    # its depths are counted from the first node to the last
    _require((np.minimum(left, right)[inner] > nodes[inner]).all() and 2 * inner.sum() == len(nodes) - 1, what)
    _require(int(tree.compute_node_depths().max()) - 1 <= tree.max_depth <= tree.node_count, what)
    _require(np.isfinite(tree.value).all() and not np.isnan(tree.threshold).any(), what)


def _check_members(ensemble: Any) -> None:
    """Refuse members that look at more columns than their ensemble, which alone checks the rows."""
    from sklearn.tree._classes import BaseDecisionTree

    if not _fitted(ensemble, "estimators_"):
        return
    width, members = _width(ensemble), np.ravel(np.asarray(ensemble.estimators_, dtype=object))
    _require(len(members) > 0, "an ensemble without members")
    for member in members:
        sound = isinstance(member, BaseDecisionTree) and _fitted(member, "tree_") and _width(member) == width
        _require(sound, "an ensemble with a foreign member")


def _check_bagged(ensemble: Any) -> None:
    if not _fitted(ensemble, "estimators_"):
        return
    width, members, columns = _width(ensemble), ensemble.estimators_, ensemble.estimators_features_
    _require(len(members) == len(columns) > 0, "an ensemble without members")
    for member, chosen in zip(members, columns, strict=True):
        plain = isinstance(chosen, np.ndarray) and chosen.ndim == 1 and chosen.dtype.kind in "iu"
        _require(plain and ((chosen >= 0) & (chosen < width)).all(), "an ensemble with foreign columns")
        _require(getattr(member, "n_features_in_", None) == len(chosen), "an ensemble with a foreign member")


def _check_boosting(ensemble: Any) -> None:
    if not _fitted(ensemble, "estimators_"):
        return
    trees, what = ensemble.estimators_, "a damaged gradient boosting"
    _require(isinstance(trees, np.ndarray) and trees.ndim == 2 and trees.dtype == object, what)
    # every tree of a stage adds to its own column of this
    start = ensemble._raw_predict_init(np.zeros((1, _width(ensemble)), dtype=np.float32))
    _require(start.shape == (1, trees.shape[1]), what)


def _check_histogram(ensemble: Any) -> None:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    if not _fitted(ensemble, "_predictors"):
        return
    width, what = _width(ensemble), "a damaged histogram gradient boosting"
    _require(getattr(ensemble, "_preprocessor", None) is None and not getattr(ensemble, "_in_fit", False), what)
    _require(not np.asarray(ensemble._bin_mapper.is_categorical_).any(), what)
    _require(isinstance(ensemble._predictors, list), what)
    for stage in ensemble._predictors:
        _require(isinstance(stage, list) and len(stage) == ensemble.n_trees_per_iteration_, what)
        for predictor in stage:
            _require(type(predictor) is TreePredictor, what)
            nodes = predictor.nodes
            _require(isinstance(nodes, np.ndarray) and nodes.ndim == 1 and nodes.dtype == PREDICTOR_RECORD_DTYPE, what)
            inner = nodes["is_leaf"] == 0
            _require(sound_nodes(nodes["left"], nodes["right"], nodes["feature_idx"], inner, width), what)
            _require(not nodes["is_categorical"].any() and np.isfinite(nodes["value"]).all(), what)


def _check_svm(machine: Any) -> None:
    if not _fitted(machine, "support_vectors_"):
        return
    width, what = _width(machine), "a damaged support vector machine"
    _require(machine.kernel in _KERNELS and machine._sparse is False and "_impl" not in vars(machine), what)
    classes = len(machine.classes_) if machine._impl in ("c_svc", "nu_svc") else 2
    pairs = classes * (classes - 1) // 2
    vectors = len(machine.support_)
    shapes = {
        "support_": ((vectors,), np.int32),
        "support_vectors_": ((vectors, width), np.float64),
        "_n_support": ((classes,), np.int32),
        "_dual_coef_": ((classes - 1, vectors), np.float64),
        "_intercept_": ((pairs,), np.float64),
    }
    _require(classes >= 2, what)
    for name, (shape, kind) in shapes.items():
        array = getattr(machine, name)
        _require(isinstance(array, np.ndarray) and array.shape == shape and array.dtype == kind, what)
        # the number of vectors is read from the strides, which a single row does not fix
        setattr(machine, name, np.array(array, order="C", copy=True))
    counts = machine._n_support.astype(np.int64)
    # of a regression the second number means nothing
    sums = machine._impl not in ("c_svc", "nu_svc") or counts.sum() == vectors
    _require((counts >= 0).all() and sums, what)
    _require(all(len(getattr(machine, name)) in (0, pairs) for name in ("_probA", "_probB")), what)
    # it is never asked for probabilities, which scikit-learn gives up, and says so with this word
    _require(machine.probability in (False, "deprecated"), what)


def _check_neighbours(model: Any) -> None:
    from sklearn.base import is_classifier

    if not _fitted(model, "_fit_X"):
        return
    width, rows, what = _width(model), model._fit_X, "damaged neighbours"
    # search trees hold raw memory
    _require(model._fit_method == "brute" and getattr(model, "_tree", None) is None, what)
    _require(isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind == "f", what)
    _require(rows.shape == (model.n_samples_fit_, width) and len(rows) > 0 and np.isfinite(rows).all(), what)
    _require(model.metric in _METRICS and model.effective_metric_ in _METRICS, what)
    _require(not model.metric_params and set(model.effective_metric_params_) <= {"p"}, what)
    for name in ("n_neighbors", "n_neighbors_"):
        number = getattr(model, name, None)
        within = isinstance(number, (int, np.integer)) and 1 <= number <= len(rows)
        # of the local outlier factor it is a wish, and n_neighbors_ what came of it
        _require(number is None or within or (name == "n_neighbors" and hasattr(model, "n_neighbors_")), what)
    _require(getattr(model, "weights", "uniform") in ("uniform", "distance"), what)
    if is_classifier(model):
        marks = model._y
        _require(isinstance(marks, np.ndarray) and marks.shape == (len(rows),) and marks.dtype == np.intp, what)
        _require(((marks >= 0) & (marks < len(model.classes_))).all(), what)
    elif hasattr(model, "_y"):
        _require(len(model._y) == len(rows) and np.isfinite(model._y).all(), what)


def _check_kmeans(model: Any) -> None:
    if not _fitted(model, "cluster_centers_"):
        return
    from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

    centres, what = model.cluster_centers_, "a damaged k-means"
    _require(isinstance(centres, np.ndarray) and centres.ndim == 2 and centres.dtype.kind == "f", what)
    _require(len(centres) > 0 and centres.shape[1] == _width(model), what)
    # so many threads are started, whatever the file says
    model._n_threads = _openmp_effective_n_threads()


def _check_polynomials(model: Any) -> None:
    if not _fitted(model, "n_output_features_"):
        return
    what = "damaged polynomial features"
    whole = isinstance(model.degree, int) and 0 <= model.degree <= 100
    _require(whole and type(model.interaction_only) is bool and type(model.include_bias) is bool, what)
    columns = model._num_combinations(_width(model), 0, model.degree, model.interaction_only, model.include_bias)
    # room is made for so many columns, and what nobody fills is whatever was in memory
    _require(model.n_output_features_ == columns == model._n_out_full, what)


def _check_quantiles(model: Any) -> None:
    if not _fitted(model, "quantiles_"):
        return
    parts, edges = model.references_, model.quantiles_
    sound = ((parts >= 0) & (parts <= 1)).all() and (np.diff(parts) >= 0).all() and (np.diff(edges, axis=0) >= 0).all()
    _require(sound and len(edges) == len(parts), "damaged quantiles")


_PATTERNS = frozenset({r"(?u)\b\w\w+\b", r"(?s).+"})
"""What a word is; any other expression could take for ever."""


def _check_text_reader(reader: Any, what: str) -> None:
    # functions, files or other ways to take a text apart are never written here
    plain = reader.input == "content" and reader.analyzer == "word" and reader.token_pattern in _PATTERNS
    own = (reader.preprocessor, reader.tokenizer, reader.strip_accents)
    _require(plain and own == (None, None, None) and reader.stop_words in (None, "english"), what)
    lengths = reader.ngram_range
    _require(isinstance(lengths, tuple) and len(lengths) == 2 and 1 <= lengths[0] <= lengths[1] <= 3, what)


def _check_words(reader: Any) -> None:
    if not _fitted(reader, "vocabulary_"):
        return
    what = "a damaged list of words"
    _check_text_reader(reader, what)
    words = reader.vocabulary_
    _require(isinstance(words, dict) and all(isinstance(word, str) for word in words), what)
    # room is made for so many columns, and a word writes into its own
    places = list(words.values())
    whole = all(isinstance(place, (int, np.integer)) for place in places)
    _require(whole and sorted(map(int, places)) == list(range(len(words))), what)
    if hasattr(reader, "_tfidf"):
        _require(np.shape(vars(reader._tfidf).get("idf_")) == (len(words),), what)


def _check_hashes(reader: Any) -> None:
    what = "damaged hashing"
    _check_text_reader(reader, what)
    _require(isinstance(reader.n_features, (int, np.integer)) and 1 <= reader.n_features <= 2**16, what)
