"""A job as files, for a training in another process: JSON, and arrays that the reader maps into memory."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import algorithms
from ..algorithms import Algorithm
from ..errors import DataError, SpecError, StateError
from ..network.custom_losses import function_of
from ..network.losses import CUSTOM, find_loss
from ..network.spec import Head, Layer
from ..registered import find
from .atomic import replacing, write_all
from .channel import ADDRESS, KEY, KILLED, PRINTED, RECORD, RESUME, STATUS
from .job import Job

if TYPE_CHECKING:
    from ..data import Prepared

ARRAYS = ("X_train", "X_validation", "X_test", "y_train", "y_validation", "y_test")
_WRITTEN = frozenset({"algorithm", "values", "prepared", "layers", "head", "heads"})
_PARTS = ("train", "validation", "test")
_VERSION = 1


@dataclass(frozen=True, eq=False)
class Rows:
    """What the engine reads of `medilytica_widgets.data.Prepared`; the preprocessor stays with whoever wrote the job.

    It has a class of its own because importing that of the data room takes longer than importing torch.
    """

    X_train: NDArray[np.float32]
    X_validation: NDArray[np.float32]
    X_test: NDArray[np.float32]
    y_train: NDArray[Any]
    y_validation: NDArray[Any]
    y_test: NDArray[Any]
    feature_names: list[str]
    classes: list[str]
    task: str
    preprocessor: Any = None
    split: Any = None
    further: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FurtherRows:
    """The same of `medilytica_widgets.data.further.FurtherTarget`."""

    column: str
    task: str
    train: NDArray[Any]
    validation: NDArray[Any]
    test: NDArray[Any]
    classes: tuple[str, ...]
    mean: float
    std: float

    def part(self, name: str) -> NDArray[Any]:
        """Return "train", "validation" or "test"."""
        array: NDArray[Any] = getattr(self, name)
        return array


def write_job(folder: str | os.PathLike[str], job: Job, **extra: Any) -> None:
    """Write a job for `read_job`; the arrays go to their files without a copy in memory.

    Parameters
    ----------
    folder : path
        An existing folder; files of a job that lie there already are replaced.
    job : Job
    **extra
        JSON-able, handed back by `read_job`.

    Raises
    ------
    SpecError
        If another process could not find the algorithm, see `find_algorithm`, or a value has no form in JSON.
    DataError
        For arrays of Python objects.
    """
    place = Path(folder)
    data = job.prepared
    # the last file to appear is the one that says that all are there
    (place / "job.json").unlink(missing_ok=True)
    facts: dict[str, Any] = {
        "version": _VERSION,
        "algorithm": find_algorithm(job.algorithm),
        "values": dict(job.values),
        "layers": [layer.to_json() for layer in job.layers],
        "head": job.head.to_json() if job.head is not None else None,
        "heads": [head.to_json() for head in job.heads],
        "losses": {head.loss: find_loss_module(head) for head in job.heads if head.loss.startswith(CUSTOM)},
        "modules": find_modules(job),
        "further": [
            {name: getattr(found, name) for name in ("column", "task", "mean", "std")}
            | {"classes": list(found.classes)}
            for found in _further(job)
        ],
        "fields": {f.name: getattr(job, f.name) for f in dataclasses.fields(job) if f.name not in _WRITTEN},
        "feature_names": list(data.feature_names),
        "classes": list(data.classes),
        "task": job.task,
        "extra": extra,
    }
    try:
        text = json.dumps(facts, default=_plain)
    except (TypeError, ValueError) as error:
        raise SpecError(f"The job cannot be written for another process: {error}.") from error
    arrays = {name: getattr(data, name) for name in ARRAYS}
    arrays |= {_further_name(k, part): f.part(part) for k, f in enumerate(_further(job)) for part in _PARTS}
    for name, given in arrays.items():
        array = np.asarray(given)
        if array.dtype.hasobject:
            raise DataError(f"{name} holds Python objects; another process needs numbers.")
        # over a file that a training has mapped, it would change that training's data
        (place / f"{name}.npy").unlink(missing_ok=True)
        with open(place / f"{name}.npy", "wb") as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
    with replacing(place / "job.json", durable=False) as file:
        write_all(file, text.encode())


def read_job(folder: str | os.PathLike[str], *, imports: bool = False) -> tuple[Job, dict[str, Any]]:
    """Bring back a job that `write_job` wrote.

    Parameters
    ----------
    folder : path
    imports : bool
        Whether modules that the job names may be imported to find its algorithm. Only for a folder that this
        process was told to work on, since importing runs what is in them.

    Returns
    -------
    job : Job
        Its arrays are mapped, copy on write: no row is read before it is used, and the files never change. Its
        ``prepared`` has no preprocessor and no split.
    extra : dict

    Raises
    ------
    StateError
        If there is no job in the folder, or it is damaged.
    UnknownAlgorithmError
        If the algorithm is not registered here.
    """
    place = Path(folder)
    try:
        facts = json.loads((place / "job.json").read_bytes())
        if facts["version"] != _VERSION:
            raise StateError(
                f"The job in {place} has the format {facts['version']!r}, and this version of the package reads "
                f"{_VERSION}; use the version that wrote it."
            )
        arrays = {name: _mapped(place / f"{name}.npy") for name in ARRAYS}
        heads = tuple(Head(**plain) for plain in facts["heads"])
        further = {
            head.name: _further_rows(place, k, told)
            for k, (head, told) in enumerate(zip(heads[1:], facts["further"], strict=True))
        }
        rows = Rows(
            **arrays,
            feature_names=facts["feature_names"],
            classes=facts["classes"],
            task=facts["task"],
            further=further,
        )
        layers = tuple(Layer(**layer) for layer in facts["layers"])
        head = None if facts["head"] is None else Head(**facts["head"])
        entry, fields, extra = facts["algorithm"], facts["fields"], facts["extra"]
    except FileNotFoundError as error:
        raise StateError(f"There is no complete job in {place}: {Path(error.filename).name} is missing.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, StateError):
            raise
        raise StateError(f"The job in {place} is damaged: {error}") from error
    if imports:
        # first, since what they register may give the algorithm further hyperparameters
        for module in (*facts["losses"].values(), *facts.get("modules", ())):
            importlib.import_module(module)
    algorithm = _load_algorithm(entry, imports)
    job = Job(algorithm, facts["values"], cast("Prepared", rows), layers=layers, head=head, heads=heads, **fields)
    return job, dict(extra)


def remove_job(folder: str | os.PathLike[str]) -> None:
    """Remove what `write_job` wrote; a training that has it mapped keeps it. What cannot be removed stays."""
    for path in (Path(folder) / "job.json", *arrays_of(folder)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def arrays_of(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the files that hold a job's arrays."""
    place = Path(folder)
    return [*(place / f"{name}.npy" for name in ARRAYS), *sorted(place.glob("further_*.npy"))]


def remove_process_files(folder: str | os.PathLike[str]) -> None:
    """Remove what a training process left in a run's folder, all but its checkpoints; for one that goes on elsewhere.

    What cannot be removed stays.
    """
    remove_job(folder)
    for name in (STATUS, RECORD, KILLED, RESUME, ADDRESS, KEY, PRINTED):
        with contextlib.suppress(OSError):
            (Path(folder) / name).unlink(missing_ok=True)


def read_about(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what whoever wrote the job in a folder said about it; empty where there is no job."""
    try:
        about = json.loads((Path(folder) / "job.json").read_bytes())["extra"]["about"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(about) if isinstance(about, dict) else {}


def find_algorithm(algorithm: Algorithm) -> dict[str, Any]:
    """Return where another process finds an algorithm: JSON-able, for the job's file.

    An entry of this package is found by its id; another by the module whose attribute it is, or whose import
    registers it.

    Raises
    ------
    SpecError
        If it lives only in this process, in a notebook's cell for example.
    """
    registered = any(entry is algorithm for entry in algorithms.list_())
    names = _modules_of(algorithm)
    if registered and all(name.startswith(f"{algorithms.__name__}.") for name in names):
        return {"id": algorithm.id, "module": "", "attribute": ""}
    for name in names:
        module = sys.modules.get(name)
        if name == "__main__" or module is None:
            continue
        attribute = next((key for key, value in vars(module).items() if value is algorithm), "")
        if attribute or registered:
            return {"id": algorithm.id, "module": name, "attribute": attribute}
    raise SpecError(
        f"{algorithm.name} is known to this process only, so a training process could not find it. Move the entry "
        "into a module of its own and import it from there, or train with worker='thread'."
    )


def find_loss_module(head: Head) -> str:
    """Return the module whose import registers the loss of a head.

    Raises
    ------
    SpecError
        If the loss lives only in this process, in a notebook's cell for example.
    """
    function = function_of(find_loss(head.loss, head.task))
    name = str(getattr(function, "__module__", "") or "")
    if not name or name == "__main__" or name not in sys.modules:
        raise SpecError(
            f"The loss {head.loss.removeprefix(CUSTOM)!r} is known to this process only, so a training process could "
            "not find it. Move it into a module of its own and import it from there, or train with worker='thread'."
        )
    return name


def find_modules(job: Job) -> list[str]:
    """Return the modules whose import registers the layers, activations and the optimizer of a job.

    Raises
    ------
    SpecError
        If one of them lives only in this process, in a notebook's cell for example.
    """
    if job.algorithm.engine != "torch":
        return []
    used = [("optimizer", job.values.get("optimizer")), ("activation", job.values.get("activation"))]
    for layer in job.layers:
        used.append(("layer", layer.kind))
        used += [("activation", value) for value in layer.options.values()]
    modules = []
    for kind, id in used:
        entry = find(kind, id)
        if entry is None:
            continue
        if not entry.importable:
            raise SpecError(
                f"The {kind} {entry.id!r} is known to this process only, so a training process could not find it. Move "
                "it into a module of its own and import it from there, or train with worker='thread'."
            )
        modules.append(entry.module)
    return sorted(set(modules))


def check_travels(job: Job) -> None:
    """Raise `SpecError` where a job uses what was registered in this process only, so that no other can train it."""
    find_algorithm(job.algorithm)
    find_modules(job)
    for head in job.heads:
        if head.loss.startswith(CUSTOM):
            find_loss_module(head)


def _further(job: Job) -> list[Any]:
    """Return what the heads beside the first learn, in their order."""
    there = getattr(job.prepared, "further", {})
    return [there[head.name] for head in job.heads[1:]]


def _further_rows(place: Path, index: int, told: Mapping[str, Any]) -> FurtherRows:
    train, validation, test = (_mapped(place / f"{_further_name(index, part)}.npy") for part in _PARTS)
    classes, mean, std = tuple(told["classes"]), float(told["mean"]), float(told["std"])
    return FurtherRows(told["column"], told["task"], train, validation, test, classes, mean, std)


def _further_name(index: int, part: str) -> str:
    return f"further_{index}_{part}"


def _modules_of(algorithm: Algorithm) -> list[str]:
    """Return the names of the modules that the entry's functions come from."""
    names: list[str] = []
    for function in (algorithm.builder, algorithm.coder, *algorithm.checks):
        while isinstance(function, functools.partial):
            function = function.func
        name = getattr(function, "__module__", None)
        if isinstance(name, str) and name not in names:
            names.append(name)
    return names


def _load_algorithm(entry: Mapping[str, Any], imports: bool) -> Algorithm:
    module: ModuleType | None = None
    if entry["module"]:
        module = importlib.import_module(entry["module"]) if imports else sys.modules.get(entry["module"])
    found = getattr(module, entry["attribute"], None) if entry["attribute"] else None
    return found if isinstance(found, Algorithm) else algorithms.get(entry["id"])


def _mapped(path: Path) -> NDArray[Any]:
    try:
        # torch shares memory only with arrays that may be written to, and a private map may
        return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    except ValueError:
        # nothing can be mapped of an array without rows; damage raises once more
        return cast("NDArray[Any]", np.load(path, allow_pickle=False))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")
