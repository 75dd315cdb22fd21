"""Presets: hyperparameters that are set together, the package's own and those that a person saves.

A saved preset is a small JSON file of its own in ``MEDILYTICA_HOME/presets/<algorithm>``. Its name stands in the file
and never in the path, so it may hold any words; two kernels that save at once do not get in each other's way.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import logging
import os
import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import SignalInstance

from . import algorithms
from .algorithms.preset_rules import PRESETS, governed, presets_of
from .engine.atomic import replacing, write_all
from .errors import InputError, MedilyticaError, hint
from .store.home import home, home_path

if TYPE_CHECKING:
    from .editor import SpecEditor

__all__ = ["Preset", "changed", "delete", "find", "list", "save"]

LONGEST = 80
"""Characters of a name."""
MOST = 200
"""Saved presets of one algorithm."""
_FILE_BYTES = 1 << 20
_VERSION = 1

logger = logging.getLogger(__name__)

changed = SignalInstance((str,))
"""Emits the algorithm's id when a preset was saved or deleted by this process."""

_lock = threading.Lock()
_read: dict[Path, tuple[int, builtins.list[Preset]]] = {}


@dataclass(frozen=True)
class Preset:
    """Hyperparameters that are set together.

    Attributes
    ----------
    name, algorithm : str
    values : dict
        What applying it sets, by parameter id.
    own : bool
        Whether a person saved it.
    about : str
        What it is for; empty for a saved one.
    problem : str
        Why it cannot be applied any more; empty where it can.
    """

    name: str
    algorithm: str
    values: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False
    about: str = ""
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the plain form that crosses the wire."""
        return {
            "name": self.name,
            "values": dict(self.values),
            "own": self.own,
            "about": self.about,
            "problem": self.problem,
        }


def list(algorithm: str, task: str | None = None) -> builtins.list[Preset]:
    """Return an algorithm's presets: the package's own, then the saved ones by name.

    Parameters
    ----------
    algorithm : str
        The id of a registered algorithm.
    task : {"classification", "regression", …}, optional
        What has no meaning for it is left out.

    Raises
    ------
    UnknownAlgorithmError
        If there is none of that id; it names the nearest.
    """
    chosen = algorithms.get(algorithm)
    decided = sorted(governed(chosen, task))
    rest = {id: chosen.parameters[id].default for id in decided}
    stated = [
        Preset(name, algorithm, {**rest, **values}, about=PRESETS.get(name, ""))
        for name, values in presets_of(chosen, task).items()
    ]
    return stated + [_completed(preset, chosen, task) for preset in _saved(algorithm)]


def find(name: str, algorithm: str, task: str | None = None) -> Preset:
    """Return a preset that can be applied.

    Raises
    ------
    InputError
        If there is none of that name, which names the nearest, or its values are allowed no more.
    UnknownAlgorithmError
        If there is no such algorithm.
    """
    known = {preset.name: preset for preset in list(algorithm, task)}
    wanted = _tidy(name)
    if wanted not in known:
        there = hint(wanted, known) if known else "It has none yet: save one with presets.save(name, experiment)."
        raise InputError(f"{algorithms.get(algorithm).name} has no preset {wanted!r}. {there}")
    if problem := known[wanted].problem:
        raise InputError(f"The preset {wanted!r} cannot be applied: {problem}")
    return known[wanted]


def save(name: str, experiment: SpecEditor) -> Preset:
    """Save an experiment's hyperparameters under a name, for every later experiment with the same algorithm.

    A saved preset of the same name is replaced.

    Parameters
    ----------
    name : str
        Any words on one line, at most 80 characters, that are not the name of one of the package's presets.
    experiment : Experiment

    Raises
    ------
    InputError
        For a name that cannot be, or when the file cannot be written.
    """
    # one snapshot, so that algorithm and values belong together whoever edits meanwhile
    spec = getattr(experiment, "spec", None)
    if spec is None:
        raise InputError(f"presets.save takes an Experiment; a {type(experiment).__name__} came.")
    chosen = algorithms.get(spec.algorithm)
    wanted = _new_name(name, chosen)
    others = [preset for preset in _saved(chosen.id) if preset.name != wanted]
    if len(others) >= MOST:
        raise InputError(f"{chosen.name} has {MOST} saved presets already. Delete one with presets.delete(name).")
    content = {
        "version": _VERSION,
        "name": wanted,
        "algorithm": chosen.id,
        "values": dict(spec.hyperparameters),
    }
    folder = home() / "presets" / chosen.id
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(folder / _file_name(wanted)) as file:
            write_all(file, json.dumps(content, ensure_ascii=False, indent=1).encode())
    except OSError as error:
        raise InputError(f"The preset {wanted!r} cannot be written to {folder}: {error}.") from error
    _forget(folder)
    changed.emit(chosen.id)
    return find(wanted, chosen.id, experiment.task)


def delete(name: str, algorithm: str | None = None) -> None:
    """Delete a saved preset.

    Parameters
    ----------
    name : str
    algorithm : str, optional
        The id of its algorithm; needed only where several algorithms have a saved preset of that name.

    Raises
    ------
    InputError
        If there is none of that name, which names the nearest, or several; or if it is one of the package's own.
    """
    wanted = _tidy(name)
    entries = algorithms.list_() if algorithm is None else [algorithms.get(algorithm)]
    holders = [entry.id for entry in entries if any(preset.name == wanted for preset in _saved(entry.id))]
    if not holders:
        if wanted in PRESETS or any(wanted in entry.presets for entry in entries):
            raise InputError(f"The preset {wanted!r} belongs to the package and stays; only saved ones can be deleted.")
        known = sorted({preset.name for entry in entries for preset in _saved(entry.id)})
        there = hint(wanted, known) if known else "None has been saved yet."
        raise InputError(f"There is no saved preset {wanted!r}. {there}")
    if len(holders) > 1:
        raise InputError(
            f"Several algorithms have a saved preset {wanted!r}: {', '.join(holders)}. "
            f"Say whose: algorithm={holders[0]!r}."
        )
    folder = home_path() / "presets" / holders[0]
    try:
        (folder / _file_name(wanted)).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"The preset {wanted!r} cannot be deleted from {folder}: {error}.") from error
    _forget(folder)
    changed.emit(holders[0])


def _tidy(name: object) -> str:
    if not isinstance(name, str):
        raise InputError(f"A preset's name is a text; a {type(name).__name__} came.")
    # the same word typed on two systems may be coded in two ways
    return unicodedata.normalize("NFC", " ".join(name.split()))


def _new_name(name: object, algorithm: algorithms.Algorithm) -> str:
    tidy = _tidy(name)
    if not tidy:
        raise InputError("A preset needs a name.")
    if len(tidy) > LONGEST:
        raise InputError(f"A preset's name has at most {LONGEST} characters; this one has {len(tidy)}.")
    # control characters, marks that turn the direction of writing, and halves of a character
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn") for letter in tidy):
        raise InputError("A preset's name holds a character that cannot be shown. Use letters, digits and signs.")
    if tidy.casefold() in {known.casefold() for known in (*PRESETS, *algorithm.presets)}:
        raise InputError(f"{tidy!r} is the name of one of the package's presets. Choose another.")
    return tidy


def _file_name(name: str) -> str:
    return f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


def _forget(folder: Path) -> None:
    with _lock:
        _read.pop(folder, None)


def _saved(algorithm: str) -> builtins.list[Preset]:
    """Return what is saved for an algorithm, as it stands in its files; read again only when the folder changed."""
    try:
        folder = home_path() / "presets" / algorithm
        stamp = os.stat(folder).st_mtime_ns
    except (OSError, ValueError, MedilyticaError):
        return []
    with _lock:
        known = _read.get(folder)
        if known is None or known[0] != stamp:
            known = _read[folder] = (stamp, _read_folder(folder, algorithm))
        return known[1]


def _read_folder(folder: Path, algorithm: str) -> builtins.list[Preset]:
    found: dict[str, Preset] = {}
    for path in sorted(folder.glob("*.json"))[: 2 * MOST]:
        try:
            if path.stat().st_size > _FILE_BYTES or not path.is_file():
                raise ValueError("it is no file of a preset")
            content = json.loads(path.read_bytes())
            name, values = content["name"], content["values"]
            # a file that was renamed, or copied from elsewhere, could stand for another one and not be deleted
            if path.name != _file_name(name) or not isinstance(values, dict) or content["algorithm"] != algorithm:
                raise ValueError("name, algorithm and values do not fit the file")
            found[name] = Preset(name, algorithm, values, own=True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            logger.warning("The preset in %s is left out: %s", path, error)
    return sorted(found.values(), key=lambda preset: (preset.name.casefold(), preset.name))


def _completed(preset: Preset, algorithm: algorithms.Algorithm, task: str | None) -> Preset:
    """Return a saved preset with every hyperparameter's value, or with the reason why it has none."""
    table = algorithm.parameters
    meant = {
        id: value
        for id, value in preset.values.items()
        if task is None or id not in table or not table[id].tasks or task in table[id].tasks
    }
    try:
        full = algorithm.validate(meant, task)
    except InputError as error:
        return Preset(preset.name, algorithm.id, {}, own=True, problem=error.message)
    return Preset(preset.name, algorithm.id, full, own=True)
