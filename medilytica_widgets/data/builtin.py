"""Built-in tables: small drawn ones for learning, four that come with scikit-learn, and a sample of Kepler."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

SAMPLE = Path(__file__).parent / "samples" / "kepler.csv"


def spiral() -> pd.DataFrame:
    """Draw two arms that wind around each other."""
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 250)
    turn = np.tile(np.linspace(0.25, 3.0, 250), 2) * np.pi
    angle = turn + label * np.pi
    radius = turn / (3 * np.pi)
    x = radius * np.cos(angle) + rng.normal(0.0, 0.02, 500)
    y = radius * np.sin(angle) + rng.normal(0.0, 0.02, 500)
    return pd.DataFrame({"x": x, "y": y, "label": np.where(label == 1, "orange", "blue").astype(object)})


def moons() -> pd.DataFrame:
    """Draw two half circles, one inside the other's bend."""
    from sklearn.datasets import make_moons

    xy, label = make_moons(500, noise=0.2, random_state=0)
    return pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "label": np.where(label == 1, "orange", "blue").astype(object)})


def circles() -> pd.DataFrame:
    """Draw a ring around a disc."""
    from sklearn.datasets import make_circles

    xy, label = make_circles(500, noise=0.1, factor=0.5, random_state=0)
    return pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "label": np.where(label == 1, "orange", "blue").astype(object)})


def xor() -> pd.DataFrame:
    """Draw four quarters; opposite ones share a class."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, 500)
    y = rng.uniform(-1.0, 1.0, 500)
    return pd.DataFrame({"x": x, "y": y, "label": np.where((x > 0) != (y > 0), "orange", "blue").astype(object)})


def breast_cancer() -> pd.DataFrame:
    """Load Breast Cancer Wisconsin (Diagnostic), 569 tumours, from scikit-learn."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    frame: pd.DataFrame = bunch.data.assign(diagnosis=np.asarray(bunch.target_names, dtype=object)[bunch.target])
    return frame


def iris() -> pd.DataFrame:
    """Load Fisher's irises, 150 flowers of three species, from scikit-learn."""
    from sklearn.datasets import load_iris

    bunch = load_iris(as_frame=True)
    frame: pd.DataFrame = bunch.data.assign(species=np.asarray(bunch.target_names, dtype=object)[bunch.target])
    return frame


def wine() -> pd.DataFrame:
    """Load 178 wines of three cultivars, from scikit-learn."""
    from sklearn.datasets import load_wine

    bunch = load_wine(as_frame=True)
    frame: pd.DataFrame = bunch.data.assign(cultivar=np.asarray(bunch.target_names, dtype=object)[bunch.target])
    return frame


def diabetes() -> pd.DataFrame:
    """Load 442 patients and the progression of their diabetes after a year, in their own units, from scikit-learn."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(as_frame=True, scaled=False)
    frame: pd.DataFrame = bunch.data.assign(progression=bunch.target)
    return frame


_TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    table.__name__: table for table in (spiral, moons, circles, xor, breast_cancer, iris, wine, diabetes)
}

#: Built-in names and the column that is the target when none is given.
BUILTIN: dict[str, str] = {
    "kepler": "koi_disposition",
    "spiral": "label",
    "moons": "label",
    "circles": "label",
    "xor": "label",
    "breast_cancer": "diagnosis",
    "iris": "species",
    "wine": "cultivar",
    "diabetes": "progression",
}


def builtin_frame(name: str) -> pd.DataFrame:
    """Return a built-in table, the same one every time; "kepler" is read from the package's sample instead."""
    return _TABLES[name]()


def builtin_lines(name: str) -> list[str]:
    """Return Python lines that define ``frame`` as the built-in table; numpy is ``np`` and pandas ``pd`` there."""
    source = inspect.getsource(_TABLES[name])
    return [*source.rstrip().split("\n"), "", "", f"frame = {name}()"]
