"""Write the golden files that hold ``wire/messages.py`` and ``js/src/wire`` to one contract.

Run ``python tests/golden/make_golden.py`` after a change of the contract; both test suites read what it writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from medilytica_widgets import wire
from medilytica_widgets.errors import ParameterError

FOLDER = Path(__file__).parent

SAMPLES: dict[str, dict[str, Any]] = {
    "cancel": {"id": "page-3"},
    "grid.rows": {
        "start": 120,
        "count": 60,
        "sort": [["koi_period", True], ["naïve ☃", False]],
        "search": "KOI",
        "filters": [{"column": "koi_depth", "kind": "range", "low": 1.5, "high": None}],
        "where": "koi_period > 10",
        "state": 2,
    },
    "grid.summary": {"column": "koi_depth", "search": "", "filters": [], "where": ""},
    "grid.export": {"format": "csv", "columns": ["naïve ☃"], "sort": [], "search": "", "filters": [], "where": ""},
    "grid.export_read": {"job": 1, "offset": 0},
    "curve.read": {"run": "run-1", "cursor": 0},
    "log.read": {"run": "run-1", "cursor": 120},
    "sheet.read": {"run": "run-1", "cursor": 0},
    "boundary.ready": {"frame": -1},
    "code.read": {},
    "layers.signature": {"name": "Hardtanh"},
    "predict.row": {"values": {"age": 63, "sex": "m", "trestbps": None}},
    "quality.rows": {"finding": 3},
    "profile.read": {"column": "naïve ☃"},
    "profile.kind": {"column": "zip", "kind": "categorical"},
    "algorithm.select": {"id": "random_forest"},
    "hyperparameters.set": {"name": "learning_rate", "value": 0.003},
    "hyperparameters.reset": {"name": ""},
    "preset.apply": {"algorithm": "mlp", "name": "accurate"},
    "preset.save": {"algorithm": "mlp", "name": "../naïve ☃"},
    "preset.delete": {"algorithm": "mlp", "name": "../naïve ☃"},
    "layers.add": {"index": 1, "layer": {"kind": "linear", "options": {"units": 64, "activation": "relu"}}},
    "layers.remove": {"index": 0},
    "layers.move": {"index": 0, "to": 2},
    "layers.update": {"index": 1, "options": {"units": 32}},
    "layers.template": {"name": "bottleneck"},
    "layers.duplicate": {"index": 1},
    "layers.configure": {"index": 0, "fields": {"name": "naïve ☃", "init": "orthogonal", "frozen": True}},
    "layers.connect": {"index": 2, "source": "naïve ☃", "connected": True},
    "layers.replace": {"layers": [{"kind": "dropout", "options": {"p": 0.1}}]},
    "layers.own": {},
    "heads.add": {"head": {"task": "regression", "target": "koi_prad"}},
    "heads.duplicate": {"index": 0},
    "heads.remove": {"index": 1},
    "heads.update": {"index": 1, "fields": {"weight": 0.5}},
    "split.set": {"fields": {"method": "group_kfold", "column": "naïve ☃"}},
    "steps.add": {"step": {"id": "pca"}, "index": 0},
    "steps.remove": {"index": 1},
    "steps.move": {"index": 0, "to": 2},
    "steps.update": {"index": 1, "fields": {"options": {"n_components": 5}}},
    "steps.watch": {},
    "steps.stop": {},
    "steps.picture": {"step": -1, "column": "naïve ☃", "version": 3},
    "spec.undo": {},
    "spec.redo": {},
    "presence.at": {"place": "hyperparameter:naïve ☃", "gone": False, "name": "Ann <b>A.", "color": "#12ab34"},
    "run.command": {"command": "pause"},
    "run.ask": {},
    "chat.share": {"view": {"row": 17}},
    "run.answer": {"to": "guest-1", "give": True},
    "boundary.axes": {"x": "koi_period", "y": "koi_prad"},
    "model.save": {"path": "model.mw"},
    "grid.select": {"ranges": [[0, 10]], "sort": [], "search": "", "filters": [], "where": ""},
    "grid.edit": {"row": 3, "column": "naïve ☃", "value": None},
    "grid.undo": {},
    "upload.open": {"name": "../naïve ☃.csv", "size": 61_000_000, "modified": 1_700_000_000_000, "known": ""},
    "upload.chunk": {"upload": "0123456789abcdef", "offset": 524_288},
    "upload.cancel": {"upload": "0123456789abcdef"},
    "upload.preview": {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    "upload.adopt": {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "name": "☃.csv"},
    "upload.reread": {
        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "options": {"delimiter": ";", "decimal": ",", "header": None},
    },
}
"""A body of every request."""


def requests() -> dict[str, Any]:
    """Return every request: its access, its fields and one message."""
    told = {}
    for number, (kind, (access, body)) in enumerate(wire.REQUESTS.items()):
        message = {"v": wire.VERSION, "client": "page", "id": f"page-{number}", "kind": kind, "body": SAMPLES[kind]}
        told[kind] = {"access": access, "fields": list(body.__annotations__), "message": message}
    return told


def answers() -> dict[str, Any]:
    """Return one message of each answer and of each event."""
    request = wire.parse_request(requests()["hyperparameters.set"]["message"])
    refused = ParameterError("learning_rate must be at most 10; it is 11.", "learning_rate", 10.0)
    curve, _ = wire.encode({"epoch": np.array([1.0, 2.0])})
    return {
        "result": wire.reply(request, "result", {"applied": "now"}),
        "error": wire.reply(
            request,
            "error",
            {"message": refused.message, "type": "ParameterError", "parameter": "learning_rate", "nearest": 10.0},
        ),
        "progress": wire.reply(request, "progress", {"done": 0.5}),
        "cancelled": wire.reply(request, "cancelled", {}),
        "events": {
            kind: {**wire.event(kind, {"run": "run-1", "cursor": 2, "marks": []}), "buffers": curve}
            for kind in wire.EVENTS
        },
    }


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    """Return an array of every dtype on the wire, with its extremes, and odd shapes."""
    whole = {code: np.iinfo(code) for code in wire.buffers.DTYPES if code[0] in "ui"}
    told = {code: np.array([[about.min, 0, about.max]], dtype=code) for code, about in whole.items()}
    told["f4"] = np.array([0.1, -0.0, np.inf, np.nan], dtype="f4")
    told["f8"] = np.array([0.1, np.finfo("f8").max, -np.inf, np.nan])
    told["empty"] = np.zeros((0, 3), dtype="f4")
    told["scalar"] = np.array(7.25)
    told["cube"] = np.arange(24, dtype="i2").reshape(2, 3, 4)
    return told


def buffers() -> tuple[dict[str, Any], bytes]:
    """Return the descriptions with where their bytes lie, and the bytes; every buffer starts at an odd offset."""
    descriptions, payload = wire.encode(arrays())
    told, content = [], b""
    for about, raw in zip(descriptions, payload, strict=True):
        content += b"\xff" * (1 + len(content) % 2)
        values = [_plain(value) for value in arrays()[about["name"]].ravel()]
        told.append({"description": about, "offset": len(content), "bytes": len(raw), "values": values})
        content += raw
    return {"buffers": told}, content


def _plain(value: Any) -> str:
    # JSON has no NaN, and a number of 64 bits loses digits in JavaScript; float() and Number() read these words.
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(value), str(value.item()))


def files() -> dict[str, bytes]:
    """Return the golden files by name."""
    about, content = buffers()
    told = {"requests.json": requests(), "answers.json": answers(), "buffers.json": about}
    written = {
        name: (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
        for name, value in told.items()
    }
    return {**written, "buffers.bin": content}


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_bytes(content)
