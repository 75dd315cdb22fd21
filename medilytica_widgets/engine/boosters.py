"""Models of boosting libraries beside scikit-learn, as text: taken apart, looked at, and put together anew.

Each library can write its model as text, but its compiled code follows the numbers in there unchecked. So nothing of a
file reaches a library as it stands: what is known of a model is read, checked and written again.
"""

from __future__ import annotations

import json
import math
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.soundness import sound_nodes
from ..errors import ModelFileError

_MARK = b"medilytica-booster 1\n"
_LIBRARIES = ("xgboost", "lightgbm", "catboost")
_DEEPEST = 16
Numbers = NDArray[np.float64]


def is_booster(estimator: Any) -> bool:
    """Whether an estimator is of one of the libraries."""
    return isinstance(estimator, RestoredBooster) or type(estimator).__module__.split(".")[0] in _LIBRARIES


def holds_booster(content: bytes) -> bool:
    """Whether bytes are what `dump_booster` returned."""
    return content.startswith(_MARK)


def dump_booster(estimator: Any) -> bytes:
    """Return a fitted estimator of one of the libraries as bytes."""
    if isinstance(estimator, RestoredBooster):
        return _MARK + json.dumps(estimator.plain).encode()
    library = type(estimator).__module__.split(".")[0]
    text = {"xgboost": _xgboost_text, "lightgbm": _lightgbm_text, "catboost": _catboost_text}[library](estimator)
    classes = getattr(estimator, "classes_", None) if hasattr(estimator, "predict_proba") else None
    plain = {
        "library": library,
        "n_features": int(estimator.n_features_in_),
        "classes": None if classes is None else [int(one) for one in classes],
        "model": text,
    }
    return _MARK + json.dumps(plain).encode()


def load_booster(content: bytes, n_features: int) -> RestoredBooster:
    """Bring back what `dump_booster` returned; nothing in it is executed.

    Raises
    ------
    ModelFileError
        If it is damaged, made for another number of columns, or its library is not installed.
    """
    try:
        plain = json.loads(content[len(_MARK) :])
        library, classes = plain["library"], plain["classes"]
        _require(library in _LIBRARIES and plain["n_features"] == n_features)
        _require(classes is None or (len(classes) > 1 and all(type(one) is int and one >= 0 for one in classes)))
        return RestoredBooster(plain)
    except ImportError as error:
        raise ModelFileError(
            f"The model was made by {plain['library']}, which is not installed here: pip install {plain['library']}."
        ) from error
    except ModelFileError:
        raise
    except Exception as error:  # each library raises its own kinds
        raise ModelFileError(f"The stored model cannot be read: {error}") from error


class RestoredBooster:
    """A model of a boosting library that came out of a file.

    Parameters
    ----------
    plain : dict
        What `dump_booster` wrote.

    Attributes
    ----------
    classes_ : ndarray of int
        Of a classification.
    n_features_in_ : int
    """

    def __init__(self, plain: dict[str, Any]) -> None:
        self.plain = plain
        self.n_features_in_ = int(plain["n_features"])
        self._classes = plain["classes"]
        if self._classes is not None:
            self.classes_ = np.array(self._classes, dtype=np.int64)
        make = {"xgboost": _xgboost_model, "lightgbm": _lightgbm_model, "catboost": _catboost_model}
        # of two classes there is one score
        groups = 1 if self._classes is None or len(self._classes) == 2 else len(self._classes)
        self._answer = make[plain["library"]](plain["model"], self.n_features_in_, groups, self._classes is not None)

    def predict_proba(self, X: ArrayLike) -> Numbers:
        """Return the probabilities of a classification's classes, a row each."""
        found = self._answer(np.asarray(X, dtype=np.float32))
        return np.column_stack([1.0 - found, found]) if found.ndim == 1 else found

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return a class or a number for each row."""
        if self._classes is None:
            return np.asarray(self._answer(np.asarray(X, dtype=np.float32))).reshape(-1)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]  # type: ignore[no-any-return]


def _require(sound: Any) -> None:
    if not sound:
        raise ModelFileError("The stored model's trees are damaged; save the model again.")


def _floats(values: Any, n: int) -> list[float]:
    numbers = [float(value) for value in values]
    _require(len(numbers) == n and all(math.isfinite(number) for number in numbers))
    return numbers


def _integers(values: Any, n: int) -> NDArray[np.int64]:
    numbers = np.array([int(value) for value in values], dtype=np.int64)
    _require(len(numbers) == n)
    return numbers


# --- xgboost --------------------------------------------------------------------------------------------------------


def _xgboost_text(estimator: Any) -> str:
    return bytes(estimator.get_booster().save_raw("json")).decode()


def _xgboost_model(text: str, width: int, groups: int, classes: bool) -> Any:
    learner = json.loads(text)["learner"]
    head, booster = learner["learner_model_param"], learner["gradient_booster"]
    objective = ("multi:softprob" if groups > 1 else "binary:logistic") if classes else "reg:squarederror"
    _require(learner["objective"]["name"] == objective and booster["name"] == "gbtree")
    # a number, or one for each class in brackets
    start = _floats(str(head["base_score"]).strip("[]").split(","), str(head["base_score"]).count(",") + 1)
    _require(len(start) in (1, groups) and int(head["num_feature"]) == width)
    trees = [_xgboost_tree(tree, width, number) for number, tree in enumerate(booster["model"]["trees"])]
    _require(trees and len(trees) % groups == 0)
    if groups > 1:
        more: dict[str, Any] = {"softmax_multiclass_param": {"num_class": str(groups)}}
    else:
        more = {"reg_loss_param": {"scale_pos_weight": "1"}}
    written = {
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": {
                "model": {
                    "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
                    "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
                    "iteration_indptr": list(range(0, len(trees) + 1, groups)),
                    "tree_info": [number % groups for number in range(len(trees))],
                    "trees": trees,
                },
                "name": "gbtree",
            },
            "learner_model_param": {
                "base_score": str(head["base_score"]),
                "boost_from_average": "1",
                "num_class": str(groups if groups > 1 else 0),
                "num_feature": str(width),
                "num_target": "1",
            },
            "objective": {"name": objective, **more},
        },
        "version": [int(part) for part in json.loads(text)["version"]],
    }
    xgboost = import_module("xgboost")

    model = xgboost.Booster(model_file=bytearray(json.dumps(written).encode()))

    def answer(rows: NDArray[np.float32]) -> Numbers:
        # what the library finds is 32 bits wide, and so is what its own classifier makes of it
        return np.asarray(model.inplace_predict(rows))

    return answer


def _xgboost_tree(tree: dict[str, Any], width: int, number: int) -> dict[str, Any]:
    n = len(tree["left_children"])
    left, right = _integers(tree["left_children"], n), _integers(tree["right_children"], n)
    feature, inner = _integers(tree["split_indices"], n), left != -1
    _require(sound_nodes(left, right, feature, inner, width) and not any(tree["split_type"]) and feature.min() >= 0)
    _require((right[~inner] == -1).all())
    parents = np.full(n, 2**31 - 1)
    parents[left[inner]] = parents[right[inner]] = np.flatnonzero(inner)
    # a node that is no child was cut off
    cut = int((parents[1:] == 2**31 - 1).sum())
    _require(cut == 0)
    floats = {
        name: _floats(tree[name], n) for name in ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
    }
    return {
        **floats,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": [int(bool(way)) for way in _integers(tree["default_left"], n)],
        "id": number,
        "left_children": left.tolist(),
        "parents": parents.tolist(),
        "right_children": right.tolist(),
        "split_indices": feature.tolist(),
        "split_type": [0] * n,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(width),
            "num_nodes": str(n),
            "size_leaf_vector": "1",
        },
    }


# --- lightgbm -------------------------------------------------------------------------------------------------------

_INNER = ("split_gain", "threshold", "internal_value", "internal_weight", "internal_count")
_LEAF = ("leaf_value", "leaf_weight", "leaf_count")


def _lightgbm_text(estimator: Any) -> str:
    return str(estimator.booster_.model_to_string())


def _lightgbm_model(text: str, width: int, groups: int, classes: bool) -> Any:
    head, *blocks = text.split("\nend of trees")[0].split("\nTree=")
    facts = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    multi = f"multiclass num_class:{groups}"
    objective = (multi if groups > 1 else "binary sigmoid:1") if classes else "regression"
    _require(facts["objective"] == objective and int(facts["max_feature_idx"]) == width - 1)
    _require(int(facts["num_tree_per_iteration"]) == groups and blocks and len(blocks) % groups == 0)
    names = [f"Column_{number}" for number in range(width)]
    lines = [
        "tree",
        "version=v4",
        f"num_class={groups}",
        f"num_tree_per_iteration={groups}",
        "label_index=0",
        f"max_feature_idx={width - 1}",
        f"objective={objective}",
        f"feature_names={' '.join(names)}",
        f"feature_infos={' '.join(['none'] * width)}",
        "",
    ]
    for number, block in enumerate(blocks):
        lines += [f"Tree={number}", *_lightgbm_tree(block, width), "", ""]
    lightgbm = import_module("lightgbm")

    model = lightgbm.Booster(model_str="\n".join([*lines, "end of trees", "", "parameters:", "end of parameters", ""]))

    def answer(rows: NDArray[np.float32]) -> Numbers:
        return np.asarray(model.predict(rows), dtype=np.float64)

    return answer


def _lightgbm_tree(block: str, width: int) -> list[str]:
    facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    leaves = int(facts["num_leaves"])
    _require(leaves >= 1 and int(facts["num_cat"]) == 0 and int(facts["is_linear"]) == 0)
    said = [f"num_leaves={leaves}", "num_cat=0"]
    if leaves == 1:
        return [*said, f"leaf_value={_floats([facts['leaf_value']], 1)[0]!r}", "is_linear=0", "shrinkage=1"]
    inner = leaves - 1
    whole = {
        name: _integers(facts[name].split(), inner)
        for name in ("split_feature", "decision_type", "left_child", "right_child")
    }
    # leaves are numbered from -1 downwards; here they follow the others
    left, right = (np.where(w < 0, inner - 1 - w, w) for w in (whole["left_child"], whole["right_child"]))
    rest = np.zeros(leaves, dtype=np.int64)
    _require(
        sound_nodes(
            np.append(left, rest),
            np.append(right, rest),
            np.append(whole["split_feature"], rest),
            np.arange(inner + leaves) < inner,
            width,
        )
    )
    # an odd one asks for categories
    kinds = whole["decision_type"]
    _require(((kinds >= 0) & (kinds < 16) & (kinds % 2 == 0)).all())
    said += [f"{name}={' '.join(map(str, numbers.tolist()))}" for name, numbers in whole.items()]
    for names, n in ((_INNER, inner), (_LEAF, leaves)):
        said += [f"{name}={' '.join(_shown(one) for one in _floats(facts[name].split(), n))}" for name in names]
    return [*said, "is_linear=0", "shrinkage=1"]


def _shown(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 2**31 else repr(number)


# --- catboost -------------------------------------------------------------------------------------------------------


def _catboost_text(estimator: Any) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        estimator.save_model(str(path), format="json")
        return path.read_text(encoding="utf-8")


def _catboost_model(text: str, width: int, groups: int, classes: bool) -> Any:
    given = json.loads(text)
    known = given["features_info"]
    _require(set(known) == {"float_features"} and len(known["float_features"]) == width)
    features, borders = [], []
    for number, feature in enumerate(known["float_features"]):
        _require(feature["feature_index"] == number == feature["flat_feature_index"])
        _require(feature["nan_value_treatment"] in ("AsIs", "AsFalse", "AsTrue"))
        own = _floats(feature["borders"], len(feature["borders"]))
        _require(own == sorted(set(own)))
        borders += [(number, border) for border in own]
        features.append(
            {
                "borders": own,
                "feature_id": "",
                "feature_index": number,
                "flat_feature_index": number,
                "has_nans": bool(feature["has_nans"]),
                "nan_value_treatment": feature["nan_value_treatment"],
            }
        )
    trees = [_catboost_tree(tree, borders, groups) for tree in given["oblivious_trees"]]
    scale, bias = given["scale_and_bias"]
    _require(trees)
    written = {
        "features_info": {"float_features": features},
        "model_info": {},
        "oblivious_trees": trees,
        "scale_and_bias": [_floats([scale], 1)[0], _floats(bias, groups)],
    }
    from scipy.special import expit, softmax

    catboost = import_module("catboost")

    model = catboost.CatBoost()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        path.write_text(json.dumps(written), encoding="utf-8")
        model.load_model(str(path), format="json")

    def answer(rows: NDArray[np.float32]) -> Numbers:
        raw = np.asarray(model.predict(rows, prediction_type="RawFormulaVal"), dtype=np.float64)
        if not classes:
            return raw
        return np.asarray(softmax(raw, axis=1) if groups > 1 else expit(raw))

    return answer


def _catboost_tree(tree: dict[str, Any], borders: list[tuple[int, float]], groups: int) -> dict[str, Any]:
    splits = tree["splits"] or []
    _require(len(splits) <= _DEEPEST)
    leaves, asked = 2 ** len(splits), []
    for split in splits:
        place = int(split["split_index"])
        _require(split["split_type"] == "FloatFeature" and 0 <= place < len(borders))
        feature, border = borders[place]
        _require(split["float_feature_index"] == feature and split["border"] == border)
        asked.append(
            {"border": border, "float_feature_index": feature, "split_index": place, "split_type": "FloatFeature"}
        )
    return {
        "leaf_values": _floats(tree["leaf_values"], leaves * groups),
        "leaf_weights": _floats(tree["leaf_weights"], leaves),
        "splits": asked,
    }
