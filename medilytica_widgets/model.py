"""A trained model on its own: what a file holds and what `load_model` returns.

The file is a zip archive of JSON, skops (preprocessing, estimators) and safetensors (network weights).
Nothing in it is pickled, and nothing in it is executed when it is loaded.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import zipfile
import zlib
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .algorithms.base import SUPERVISED
from .data import Dataset, Preprocessor, class_names, target_of
from .engine import Predictor, restore_predictor, store_predictor
from .errors import InputError, MedilyticaError, MissingFileError, ModelFileError, TargetError
from .evaluate import Evaluation, evaluate, predictions
from .evaluate.heads import answers_in
from .spec import ExperimentSpec, load_spec

if TYPE_CHECKING:
    import pandas as pd

    from .run import Run

FORMAT = "medilytica-model"
FORMAT_VERSION = 1
_PACKAGES = ("numpy", "pandas", "scikit-learn", "skops", "torch", "safetensors")
_LARGEST_JSON = 64 * 2**20


class Model:
    """A trained model with its preprocessing and specification.

    Attributes
    ----------
    spec : ExperimentSpec
        What it was trained by.
    classes : list of str
        Of the target; empty for regression and without a target.
    task : str
        What it does: "classification", "regression", "clustering", "anomaly" or "transform".
    about : dict
        Package versions, Python version and the run's name at the time of saving.
    """

    def __init__(
        self,
        spec: ExperimentSpec,
        preprocessor: Preprocessor,
        predictor: Predictor,
        classes: list[str],
        task: str,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.spec = spec
        self.classes = list(classes)
        self.task = task
        self.about = dict(about or {})
        self._preprocessor = preprocessor
        self._predictor = predictor

    @classmethod
    def of_run(cls, run: Run, predictor: Predictor | None = None) -> Model:
        """Return a run's model as it is now, or as one of its earlier snapshots.

        Raises
        ------
        StateError
            Before anything is learned.
        """
        about = {
            "run": run.name,
            "medilytica_widgets": __version__,
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in _PACKAGES},
        }
        return cls(run.spec, run.preprocessor, predictor or run.predictor(), run.classes, run.task, about)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict new rows; see `Run.predict`."""
        return predictions(frame, self._preprocessor, self._predictor, self.classes, self.task)

    def evaluate(self, data: Dataset | pd.DataFrame) -> Evaluation:
        """Evaluate on labelled rows.

        Parameters
        ----------
        data : Dataset or DataFrame
            A Dataset with the specification's split: its test rows are used, so that rows the model was
            trained on do not count. A DataFrame: all its rows that have a target.

        Raises
        ------
        ColumnNotFoundError, TargetError
            When columns or the target are missing.
        """
        import numpy as np

        from .data import load_dataset, split

        if isinstance(data, Dataset):
            rows = split(data, seed=self.spec.seed, **self.spec.split.arguments()).test
            table = data
        else:
            wanted = self.spec.data.target
            # what leaves the target aside can be evaluated without it
            given = self.task in SUPERVISED or wanted in [str(name).strip() for name in data.columns]
            table = load_dataset(data, target=wanted if given else None)
            rows = None
        if table.target is None and self.task not in SUPERVISED:
            positions = np.arange(len(table)) if rows is None else rows
            X = self._preprocessor.transform(table.frame.iloc[positions])
            return evaluate(self._predictor, X, np.full(len(X), -1), self.task)
        y, known = target_of(table, "classification" if self.classes else "regression")
        positions = known.nonzero()[0] if rows is None else rows
        if self.classes:
            there = class_names(table)
            unknown = [name for name in there if name not in self.classes]
            if unknown:
                raise TargetError(f"The target holds classes that the model does not know: {unknown[:5]}.")
            y = np.asarray([self.classes.index(name) for name in there], dtype=np.int64)[y]
        X = self._preprocessor.transform(table.frame.iloc[positions])
        others = {name: values[positions] for name, values in answers_in(table, self._predictor).items()}
        return evaluate(self._predictor, X, y[positions], self.task, self.classes, others)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the model to one file, atomically: a reader sees the old file or the new one.

        Raises
        ------
        InputError
            When the path is a folder or cannot be written.
        """
        target = Path(path).expanduser()
        if target.is_dir():
            raise InputError(f"{target} is a folder; name a file in it, for example {target / 'model.mw'}.")
        transformer, plan = self._preprocessor.save_parts()
        kind, weights, facts = store_predictor(self._predictor)
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "spec": self.spec.to_json(),
            "classes": self.classes,
            "task": self.task,
            "predictor": {"kind": kind, **facts},
            "preprocessor": plan,
            "about": self.about,
        }
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        except OSError as error:
            raise _not_written(target, error) from error
        try:
            with os.fdopen(handle, "wb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr("model.json", json.dumps(header))
                    archive.writestr("preprocessor.skops", transformer)
                    archive.writestr("predictor.bin", weights)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        except OSError as error:
            Path(temporary).unlink(missing_ok=True)
            raise _not_written(target, error) from error
        return target

    def __repr__(self) -> str:
        return f"<Model {self.spec.name!r}: {self.spec.algorithm}, {self.task} of {self.spec.data.target!r}>"


def load_model(path: str | PathLike[str]) -> Model:
    """Return the model that a file holds.

    Raises
    ------
    MissingFileError
        When there is no such file.
    ModelFileError
        When the file is damaged, of another kind, of a later format, or holds foreign types.
    """
    source = Path(path).expanduser()
    if not source.exists():
        raise MissingFileError(f"There is no file {source}. Save one with run.save({str(source)!r}).")
    try:
        with zipfile.ZipFile(source) as archive:
            if archive.testzip() is not None:
                raise ModelFileError(f"{source} is damaged; save the model again.")
            if archive.getinfo("model.json").file_size > _LARGEST_JSON:
                raise ModelFileError(f"{source} is not a model of this package: its header is too large.")
            header = json.loads(archive.read("model.json"))
            transformer, weights = archive.read("preprocessor.skops"), archive.read("predictor.bin")
    except (zipfile.BadZipFile, zlib.error, KeyError, OSError, ValueError, EOFError, NotImplementedError) as error:
        raise ModelFileError(
            f"{source} is not a model of this package, or it is damaged; save the model again."
        ) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ModelFileError(f"{source} is not a model of this package.")
    if header.get("version") != FORMAT_VERSION:
        raise ModelFileError(
            f"{source} is of format version {header.get('version')}; this package reads version {FORMAT_VERSION}. "
            "Update medilytica-widgets to the release that wrote it."
        )
    try:
        facts = dict(header["predictor"])
        spec = load_spec(header["spec"])
        kind = facts.pop("kind")
        layers = spec.stack(int(facts["n_features"])) if kind == "network" else ()
        return Model(
            spec,
            Preprocessor.from_parts(transformer, header["preprocessor"]),
            restore_predictor(kind, weights, facts, layers, spec.heads[0] if spec.heads else None),
            [str(name) for name in header["classes"]],
            str(header["task"]),
            header.get("about"),
        )
    except MedilyticaError as error:
        raise ModelFileError(f"{source} cannot be read: {error.message}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{source} is damaged: {error!r} is missing or wrong.") from error


def _not_written(target: Path, error: OSError) -> InputError:
    return InputError(f"The model cannot be written to {target}: {error.strerror}. Choose another path.")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _umask() -> int:
    # the umask can only be read by setting it
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
