"""Built-in tables: drawn ones for learning, those that come with scikit-learn, and a sample of Kepler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..parameters import Parameter, ParameterTable

SAMPLE = Path(__file__).parent / "samples" / "kepler.csv"


def spiral(n: int = 500, noise: float = 0.02, seed: int = 0) -> pd.DataFrame:
    """Draw two arms that wind around each other."""
    rng = np.random.default_rng(seed)
    counts = [n // 2, n - n // 2]
    label = np.repeat([0, 1], counts)
    turn = np.concatenate([np.linspace(0.25, 3.0, count) for count in counts]) * np.pi
    angle = turn + label * np.pi
    radius = turn / (3 * np.pi)
    x = radius * np.cos(angle) + rng.normal(0.0, noise, n)
    y = radius * np.sin(angle) + rng.normal(0.0, noise, n)
    return pd.DataFrame({"x": x, "y": y, "label": np.where(label == 1, "orange", "blue").astype(object)})


def moons(n: int = 500, noise: float = 0.2, seed: int = 0) -> pd.DataFrame:
    """Draw two half circles, one inside the other's bend."""
    from sklearn.datasets import make_moons

    xy, label = make_moons(n, noise=noise, random_state=seed)
    return pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "label": np.where(label == 1, "orange", "blue").astype(object)})


def circles(n: int = 500, noise: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """Draw a ring around a disc."""
    from sklearn.datasets import make_circles

    xy, label = make_circles(n, noise=noise, factor=0.5, random_state=seed)
    return pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "label": np.where(label == 1, "orange", "blue").astype(object)})


def xor(n: int = 500, noise: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Draw four quarters; opposite ones share a class."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, n)
    y = rng.uniform(-1.0, 1.0, n)
    label = np.where((x > 0) != (y > 0), "orange", "blue").astype(object)
    return pd.DataFrame({"x": x + rng.normal(0.0, noise, n), "y": y + rng.normal(0.0, noise, n), "label": label})


def blobs(n: int = 500, noise: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Draw three round clouds; noise is their standard deviation."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 3
    x = np.array([-3.0, 3.0, 0.0])[label] + rng.normal(0.0, noise, n)
    y = np.array([-2.0, -2.0, 3.0])[label] + rng.normal(0.0, noise, n)
    return pd.DataFrame({"x": x, "y": y, "label": np.array(["blue", "orange", "green"], dtype=object)[label]})


def gaussian(n: int = 500, noise: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Draw two round clouds side by side; noise is their standard deviation."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    x = np.where(label == 1, 2.0, -2.0) + rng.normal(0.0, noise, n)
    y = np.where(label == 1, 2.0, -2.0) + rng.normal(0.0, noise, n)
    return pd.DataFrame({"x": x, "y": y, "label": np.where(label == 1, "orange", "blue").astype(object)})


def checkerboard(n: int = 500, noise: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Draw a board of four by four fields; neighbours have different classes."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 4.0, n)
    y = rng.uniform(0.0, 4.0, n)
    odd = (np.floor(x) + np.floor(y)) % 2 == 1
    label = np.where(odd, "orange", "blue").astype(object)
    return pd.DataFrame({"x": x + rng.normal(0.0, noise, n), "y": y + rng.normal(0.0, noise, n), "label": label})


def swiss_roll(n: int = 500, noise: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """Draw a sheet rolled up in space; the target is the place along the roll."""
    from sklearn.datasets import make_swiss_roll

    xyz, place = make_swiss_roll(n, noise=noise, random_state=seed)
    return pd.DataFrame({"x": xyz[:, 0], "y": xyz[:, 1], "z": xyz[:, 2], "place": place})


def friedman(n: int = 500, noise: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Draw Friedman's first regression problem: ten columns, of which five count."""
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(n, noise=noise, random_state=seed)
    return pd.DataFrame(x, columns=[f"x{number}" for number in range(1, 11)]).assign(y=y)


def plane(n: int = 500, noise: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """Draw points of a slanted plane; the target is the height."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, n)
    y = rng.uniform(-1.0, 1.0, n)
    return pd.DataFrame({"x": x, "y": y, "height": x + y + rng.normal(0.0, noise, n)})


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


def digits() -> pd.DataFrame:
    """Load 1 797 handwritten digits of eight by eight pixels, from scikit-learn."""
    from sklearn.datasets import load_digits

    bunch = load_digits(as_frame=True)
    frame: pd.DataFrame = bunch.data.assign(digit=bunch.target)
    return frame


def linnerud() -> pd.DataFrame:
    """Load 20 men's exercises and measures, from scikit-learn, in metric units; the target is their weight."""
    from sklearn.datasets import load_linnerud

    bunch = load_linnerud(as_frame=True)
    frame: pd.DataFrame = bunch.data.assign(Pulse=bunch.target["Pulse"])
    return frame.assign(
        **{"Waist (cm)": bunch.target["Waist"] * 2.54, "Weight (kg)": bunch.target["Weight"] * 0.45359237}
    )


_DRAWN: dict[str, Callable[..., pd.DataFrame]] = {
    table.__name__: table
    for table in (spiral, moons, circles, blobs, xor, gaussian, checkerboard, swiss_roll, friedman, plane)
}
_TABLES: dict[str, Callable[..., pd.DataFrame]] = {
    **_DRAWN,
    **{table.__name__: table for table in (breast_cancer, iris, wine, diabetes, digits, linnerud)},
}

#: Built-in names and the column that is the target when none is given.
BUILTIN: dict[str, str] = {
    "kepler": "koi_disposition",
    "spiral": "label",
    "moons": "label",
    "circles": "label",
    "blobs": "label",
    "xor": "label",
    "gaussian": "label",
    "checkerboard": "label",
    "swiss_roll": "place",
    "friedman": "y",
    "plane": "height",
    "breast_cancer": "diagnosis",
    "iris": "species",
    "wine": "cultivar",
    "diabetes": "progression",
    "digits": "digit",
    "linnerud": "Weight (kg)",
}


def _options(table: Callable[..., pd.DataFrame]) -> ParameterTable:
    noise = inspect.signature(table).parameters["noise"].default
    return ParameterTable(
        (
            Parameter("n", "int", 500, low=10, high=10_000_000, unit="rows", help="How many rows to draw."),
            Parameter("noise", "float", noise, low=0.0, high=100.0, help="The standard deviation of what is added."),
            Parameter("seed", "int", 0, low=0, high=2**32 - 1, help="The same seed draws the same table."),
        )
    )


#: What drawn tables are made with.
DRAWN: dict[str, ParameterTable] = {name: _options(table) for name, table in _DRAWN.items()}


def builtin_frame(name: str, options: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return a built-in table, the same one every time; "kepler" is read from the package's sample instead."""
    return _TABLES[name](**(options or {}))


def builtin_lines(name: str, options: Mapping[str, Any] | None = None) -> list[str]:
    """Return Python lines that define ``frame`` as the built-in table; numpy is ``np`` and pandas ``pd`` there."""
    source = inspect.getsource(_TABLES[name])
    given = ", ".join(f"{option}={value!r}" for option, value in (options or {}).items())
    return [*source.rstrip().split("\n"), "", "", f"frame = {name}({given})"]
