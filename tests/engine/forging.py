"""Stored models with values changed at random, loaded and asked: run by test_forged_models in a process of its own."""

from __future__ import annotations

import io
import json
import os
import random
import re
import resource
import sys
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medilytica_widgets.engine import restore_predictor
from medilytica_widgets.errors import ModelFileError

OUTPUT = os.dup(1)
MEMORY = 16 * 2**30
NUMBERS = (0, -1, 1, 2, 7, 255, 624, 625, 10**6, 2**31 - 1, -(2**31), 2**40, 2**62)


def forge(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Return a stored estimator with one thing changed, and what that was."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return forge_text(content, chance)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    arrays = sorted(name for name in members if name.endswith(".npy"))
    if arrays and chance.random() < 0.6:
        name = chance.choice(arrays)
        members[name], said = forge_array(members[name], chance)
    else:
        schema = json.loads(members["schema.json"])
        said = forge_schema(schema, chance)
        members["schema.json"] = json.dumps(schema).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue(), said


def forge_array(stored: bytes, chance: random.Random) -> tuple[bytes, str]:
    array = np.load(io.BytesIO(stored), allow_pickle=False)
    way = chance.choice(("value", "value", "value", "bytes", "row", "transpose", "type"))
    if way == "value" and array.size:
        array = array.copy()
        place = chance.randrange(array.size)
        flat = array.reshape(-1)
        field = chance.choice(list(array.dtype.names)) if array.dtype.names else ...
        part = flat[field]
        value: float = chance.choice(NUMBERS)
        if part.dtype.kind == "f":
            value = chance.choice((*map(float, NUMBERS), np.nan, np.inf, -np.inf, 1e300, 5e-324))
        with np.errstate(all="ignore"):
            part[place] = np.array(value).astype(part.dtype) if part.dtype.kind in "iufb" else part[place]
        said = f"{field} of {place} = {value}"
    elif way == "bytes" and array.size:
        raw = bytearray(array.tobytes())
        for _ in range(chance.randint(1, 8)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        array, said = np.frombuffer(bytes(raw), dtype=array.dtype).reshape(array.shape), "bytes"
    elif way == "row" and array.ndim:
        array, said = array[: chance.randint(0, len(array))], "rows"
    elif way == "transpose":
        array, said = array.T.reshape(array.shape[::-1]), "transposed"
    else:
        array, said = (array.astype(np.float32) if array.dtype.kind in "iuf" else array), "type"
    made = io.BytesIO()
    np.save(made, array, allow_pickle=False)
    return made.getvalue(), f"{array.dtype} {array.shape}: {said}"


def _places(node: Any, path: str = "") -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield what holds a plain value or the parts of an object, the key, and where it stands."""
    if isinstance(node, dict):
        if node.get("__loader__") == "JsonNode":
            yield node, "content", path
        for name, part in node.items():
            if name == "content" and isinstance(part, dict):
                yield from ((part, key, f"{path}.{key}") for key in part)
            yield from _places(part, f"{path}.{name}" if name != "content" else path)
    elif isinstance(node, list):
        for number, part in enumerate(node):
            yield from _places(part, f"{path}[{number}]")


def forge_schema(schema: dict[str, Any], chance: random.Random) -> str:
    holder, key, path = chance.choice(list(_places(schema)))
    if key != "content" or holder.get("__loader__") != "JsonNode":
        others = [name for name in holder if isinstance(holder[name], dict)]
        if chance.random() < 0.5 or not others:
            del holder[key]
            return f"without {path}"
        other = chance.choice(others)
        holder[key] = holder[other]
        return f"{path} = {other}"
    holder[key] = json.dumps(chance.choice((*NUMBERS, None, True, False, "precomputed", 0.5, float("nan"))))
    return f"{path} = {holder[key]}"


def forge_text(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Change one number of a model that is text."""
    numbers = list(re.finditer(rb"(?<=[\s=,\[: ])-?\d+(\.\d+)?(?=[\s,\]])", content))
    found = chance.choice(numbers)
    value = str(chance.choice(NUMBERS)).encode()
    return content[: found.start()] + value + content[found.end() :], f"{found[0]!r} at {found.start()} = {value!r}"


def ask(content: bytes, facts: dict[str, Any], rows: Any) -> str:
    try:
        predictor = restore_predictor("estimator", content, facts, [], None)
    except ModelFileError:
        return "refused"
    classes = facts["task"] == "classification"
    try:
        found = np.asarray(predictor.predict_proba(rows) if classes else predictor.predict(rows))
    except ModelFileError:
        # damaged where only some rows look
        return "refused"
    except Exception as error:
        # that it cannot be asked is said; a transformation is not tried out when it is loaded
        return "raised" if facts["task"] == "transform" else f"wrong: {error!r}"
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        return "endless"
    return "answered"


def tell(text: str) -> None:
    os.write(OUTPUT, text.encode())


def main(folder: Path, seed: int, times: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # a model that was made talkative writes in between
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    ends: Counter[str] = Counter()
    for path in sorted(folder.glob("*.json")):
        facts, content = json.loads(path.read_text()), path.with_suffix(".bin").read_bytes()
        rows = np.load(path.with_suffix(".rows.npy"))
        assert ask(content, facts, rows) == "answered", path.stem
        for number in range(times):
            chance = random.Random(f"{path.stem} {seed} {number}")
            forged, said = forge(content, chance)
            # the last line that is printed tells what ended the process
            tell(f"{path.stem} {number} {said} -> ")
            end = ask(forged, facts, rows)
            tell(f"{end}\n")
            ends[end] += 1
    tell(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
