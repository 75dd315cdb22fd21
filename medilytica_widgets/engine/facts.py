"""Facts as JSON that gives them back exactly, and the small JSON files of a run's folder."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError, MissingFileError
from .atomic import replacing, write_all

LARGEST_JSON = 64 * 2**20
"""Bytes of a JSON file that is read."""

_FLOAT = "$float"
_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def dump_facts(facts: Mapping[str, Any], indent: int | None = None) -> str:
    """Return facts as strict JSON in ASCII; NaN and infinities become ``{"$float": "nan" | "inf" | "-inf"}``.

    A key that begins with ``$`` gets a second one, so that nothing a person calls ``$float`` is taken for that.
    numpy's scalars become Python's, tuples become lists.

    Raises
    ------
    CheckpointError
        For a value or key that JSON does not know.
    """
    try:
        return json.dumps(_plain(facts, "facts"), allow_nan=False, indent=indent)
    except RecursionError:
        raise CheckpointError("The facts of a state are nested too deeply, or hold themselves.") from None
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"The facts of a state cannot be written as JSON: {error}") from error


def load_facts(text: str | bytes) -> dict[str, Any]:
    """Return what `dump_facts` was given.

    Raises
    ------
    ValueError
        If it is no JSON object, or too deep.
    """
    try:
        facts = json.loads(text, object_hook=_restored)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(facts, dict):
        raise ValueError("not a JSON object")
    return facts


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any], *, durable: bool = True) -> int:
    """Write a small JSON file so that it is at every moment the old one or the new one, whole.

    Parameters
    ----------
    path : path-like
        In a folder that exists.
    content : mapping
        Facts, see `dump_facts`.
    durable : bool
        Wait for the disk; False suits what is written often and may be lost at a power cut.

    Returns
    -------
    int
        Bytes of the file.

    Raises
    ------
    CheckpointError
        For content that JSON does not know.
    OSError
        If the disk does not take it; ``path`` is as before.
    """
    text = dump_facts(content, indent=1).encode("ascii") + b"\n"
    with replacing(Path(path), durable=durable) as file:
        write_all(file, text)
    return len(text)


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises
    ------
    MissingFileError
        If there is no such file.
    CheckpointError
        If it is no JSON object, is larger than `LARGEST_JSON`, or cannot be read.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST_JSON + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(f"There is no file {path}. Check the path of the run's folder.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error
    if len(text) > LARGEST_JSON:
        raise CheckpointError(f"{path} is larger than {LARGEST_JSON} bytes and was not written by this package.")
    try:
        return load_facts(text)
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}. Remove it, or restore it from a backup.") from error


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_FLOAT: "nan" if math.isnan(value) else f"{value}"}
    if isinstance(value, Mapping):
        plain = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise CheckpointError(f"{where} has the key {key!r}: keys of facts are text. Use str({key!r}).")
            plain[f"${key}" if key.startswith("$") else key] = _plain(item, f"{where}[{key!r}]")
        return plain
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    advice = "Put it into the state's tensors." if isinstance(value, np.ndarray) else "Store what JSON knows."
    raise CheckpointError(f"{where} holds a {type(value).__name__}, which is no fact. {advice}")


def _restored(item: dict[str, Any]) -> Any:
    if len(item) == 1 and _FLOAT in item:
        try:
            return _NUMBERS[item[_FLOAT]]
        except (KeyError, TypeError):
            raise ValueError(f"{item[_FLOAT]!r} is no number") from None
    if any(key.startswith("$") for key in item):
        return {key[1:] if key.startswith("$") else key: value for key, value in item.items()}
    return item
