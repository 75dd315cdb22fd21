"""Envelope, kinds and their bodies.

A request is ``{v, client, id, kind, body}``; it is answered by ``<kind>.result``, ``<kind>.error``,
``<kind>.progress`` or ``<kind>.cancelled`` with the same client and id. A kernel's output reaches
every browser, so a view ignores an answer whose ``client`` is not its own. An event goes to
everyone and has an empty ``client`` and ``id``.

Every request declares whether it reads or writes. A read changes nothing that others see.
"""

from __future__ import annotations

import types
from typing import Any, Literal, NotRequired, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

from ..errors import WireError, hint
from .buffers import Buffer
from .grid_messages import GridEdit, GridExport, GridExportRead, GridRows, GridSelect, GridSummary
from .layer_messages import (
    HeadAdd,
    HeadAt,
    HeadUpdate,
    LayerAdd,
    LayerConfigure,
    LayerConnect,
    LayerDuplicate,
    LayerMove,
    LayerRemove,
    LayerSignature,
    LayersReplace,
    LayersTemplate,
    LayerUpdate,
)
from .prepare_messages import SplitSet, StepAdd, StepAt, StepMove, StepPicture, StepUpdate
from .presence_messages import ChatShare, HoldAnswer, PresenceAt
from .profile_messages import ProfileKind, ProfileRead, QualityRows
from .upload_messages import UploadAdopt, UploadCancel, UploadChunk, UploadOpen, UploadPreview, UploadReread

VERSION = 1
Access = Literal["read", "write"]


class Envelope(TypedDict):
    """What every message looks like."""

    v: int
    client: str
    id: str
    kind: str
    body: dict[str, Any]
    buffers: NotRequired[list[Buffer]]


class Nothing(TypedDict):
    """No fields."""


class Cancel(TypedDict):
    """Withdraw the request of this id."""

    id: str


class CurveRead(TypedDict):
    """All history rows of a run from ``cursor`` on."""

    run: str
    cursor: int


class LogRead(TypedDict):
    """The lines of a run's log from ``cursor`` on, as many as one message holds; it says where to go on."""

    run: str
    cursor: int


class SheetRead(TypedDict):
    """The latest weight sheet of a run, and the course of some of its columns from sheet ``cursor`` on.

    Sheets are sent to everyone for a minute after somebody asked.
    """

    run: str
    cursor: int


class BoundaryReady(TypedDict):
    """The view has painted frame ``frame`` and can take another; -1 when it has none yet."""

    frame: int


class PredictRow(TypedDict):
    """Predict one row given by hand, by column name."""

    values: dict[str, Any]


class AlgorithmSelect(TypedDict):
    """Choose an algorithm."""

    id: str


class HyperparameterSet(TypedDict):
    """Set one hyperparameter."""

    name: str
    value: Union[float, str, bool, None]  # noqa: UP007 - read at run time by `_fits`


class HyperparameterReset(TypedDict):
    """Back to the default: one hyperparameter, or all when ``name`` is empty."""

    name: str


class PresetApply(TypedDict):
    """Set what a preset says; refused where the algorithm is another one by now."""

    algorithm: str
    name: str


class PresetSave(TypedDict):
    """Save the hyperparameters under a name; refused where the algorithm is another one by now."""

    algorithm: str
    name: str


class PresetDelete(TypedDict):
    """Delete a saved preset of an algorithm."""

    algorithm: str
    name: str


class RunCommand(TypedDict):
    """start, pause, resume, stop, or one epoch ("step")."""

    command: str


class BoundaryAxes(TypedDict):
    """Choose the two columns of the decision boundary."""

    x: str
    y: str


class ModelSave(TypedDict):
    """Save the latest run's model to a path in the kernel's working folder."""

    path: str


REQUESTS: dict[str, tuple[Access, type[Any]]] = {
    "cancel": ("read", Cancel),
    "grid.rows": ("read", GridRows),
    "grid.summary": ("read", GridSummary),
    "grid.export": ("read", GridExport),
    "grid.export_read": ("read", GridExportRead),
    "curve.read": ("read", CurveRead),
    "log.read": ("read", LogRead),
    "sheet.read": ("read", SheetRead),
    "boundary.ready": ("read", BoundaryReady),
    "code.read": ("read", Nothing),
    "layers.signature": ("read", LayerSignature),
    "predict.row": ("read", PredictRow),
    "quality.rows": ("read", QualityRows),
    "profile.read": ("read", ProfileRead),
    "profile.kind": ("write", ProfileKind),
    "algorithm.select": ("write", AlgorithmSelect),
    "hyperparameters.set": ("write", HyperparameterSet),
    "hyperparameters.reset": ("write", HyperparameterReset),
    "preset.apply": ("write", PresetApply),
    "preset.save": ("write", PresetSave),
    "preset.delete": ("write", PresetDelete),
    "layers.add": ("write", LayerAdd),
    "layers.remove": ("write", LayerRemove),
    "layers.move": ("write", LayerMove),
    "layers.update": ("write", LayerUpdate),
    "layers.template": ("write", LayersTemplate),
    "layers.duplicate": ("write", LayerDuplicate),
    "layers.configure": ("write", LayerConfigure),
    "layers.connect": ("write", LayerConnect),
    "layers.replace": ("write", LayersReplace),
    "layers.own": ("write", Nothing),
    "heads.add": ("write", HeadAdd),
    "heads.duplicate": ("write", HeadAt),
    "heads.remove": ("write", HeadAt),
    "heads.update": ("write", HeadUpdate),
    "split.set": ("write", SplitSet),
    "steps.add": ("write", StepAdd),
    "steps.remove": ("write", StepAt),
    "steps.move": ("write", StepMove),
    "steps.update": ("write", StepUpdate),
    "steps.watch": ("read", Nothing),
    "steps.stop": ("write", Nothing),
    "steps.picture": ("read", StepPicture),
    "spec.undo": ("write", Nothing),
    "spec.redo": ("write", Nothing),
    "presence.at": ("read", PresenceAt),
    "run.command": ("write", RunCommand),
    "run.ask": ("write", Nothing),
    "chat.share": ("write", ChatShare),
    "run.answer": ("write", HoldAnswer),
    "boundary.axes": ("write", BoundaryAxes),
    "model.save": ("write", ModelSave),
    "grid.select": ("write", GridSelect),
    "grid.edit": ("write", GridEdit),
    "grid.undo": ("write", Nothing),
    "upload.open": ("write", UploadOpen),
    "upload.chunk": ("write", UploadChunk),
    "upload.cancel": ("write", UploadCancel),
    "upload.preview": ("read", UploadPreview),
    "upload.adopt": ("write", UploadAdopt),
    "upload.reread": ("write", UploadReread),
}
"""What a browser may ask for: the access it needs and the body's type."""

WITH_BUFFERS = ("upload.open", "upload.chunk")
"""Requests that bring bytes; their handlers take them after the body."""

EVENTS = ("curve.rows", "log.lines", "sheet.values", "boundary.frame")
"""What the kernel says to everyone without being asked."""

ANSWERS = ("result", "error", "progress", "cancelled")


def access_of(kind: str) -> Access:
    """Return what a request needs; the guard of a shared session enforces exactly this.

    Raises
    ------
    WireError
        For a kind that is not in the contract.
    """
    if kind not in REQUESTS:
        raise WireError(f"There is no request {kind!r}. {hint(kind, REQUESTS)}")
    return REQUESTS[kind][0]


def parse_request(content: Any) -> Envelope:
    """Check a message from the browser against the contract and return it.

    Raises
    ------
    WireError
        Of another version, of an unknown kind, or with a body that does not fit its type.
    """
    if not isinstance(content, dict):
        raise WireError(f"A message must be an object; a {type(content).__name__} came.")
    version = content.get("v")
    if type(version) is not int or version != VERSION:
        raise WireError(
            f"The page speaks version {_short(version)} of the message contract, the kernel version {VERSION}. "
            "Reload the page; if that does not help, restart the kernel."
        )
    for name in ("client", "id", "kind"):
        if not isinstance(content.get(name), str) or not 0 < len(content[name]) <= 200:
            raise WireError(f"A message's {name!r} must be a short text.")
    kind = content["kind"]
    access_of(kind)
    body = content.get("body")
    if not isinstance(body, dict):
        raise WireError(f"The body of {kind!r} must be an object.")
    fields = get_type_hints(REQUESTS[kind][1])
    for name in body:
        if name not in fields:
            raise WireError(f"{kind!r} has no field {name!r}. {hint(name, fields)}")
    for name, expected in fields.items():
        if name not in body:
            raise WireError(f"{kind!r} lacks its field {name!r}.")
        if not _fits(body[name], expected):
            raise WireError(f"The field {name!r} of {kind!r} is of the wrong type: {_short(body[name])}.")
    return {"v": VERSION, "client": content["client"], "id": content["id"], "kind": kind, "body": body}


def _short(value: Any) -> str:
    """Return a value as a person may see it in a sentence, however much the browser sent."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _fits(value: Any, expected: Any) -> bool:
    origin = get_origin(expected)
    if expected is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in get_args(expected))
    if origin is list:
        return isinstance(value, list) and all(_fits(item, get_args(expected)[0]) for item in value)
    if origin is tuple:
        # JSON knows no tuples: a pair comes as a list of two.
        options = get_args(expected)
        return (
            isinstance(value, (list, tuple))
            and len(value) == len(options)
            and all(_fits(item, option) for item, option in zip(value, options, strict=True))
        )
    if origin is dict:
        return isinstance(value, dict) and all(isinstance(key, str) for key in value)
    if expected is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if is_typeddict(expected):
        return isinstance(value, dict)
    return isinstance(value, expected)


def reply(
    request: Envelope, answer: Literal["result", "error", "progress", "cancelled"], body: dict[str, Any]
) -> Envelope:
    """Return the answer to a request, addressed to the client that asked."""
    return {
        "v": VERSION,
        "client": request["client"],
        "id": request["id"],
        "kind": f"{request['kind']}.{answer}",
        "body": body,
    }


def event(kind: str, body: dict[str, Any]) -> Envelope:
    """Return a message for everyone.

    Raises
    ------
    WireError
        For a kind that is not in the contract.
    """
    if kind not in EVENTS:
        raise WireError(f"There is no event {kind!r}. {hint(kind, EVENTS)}")
    return {"v": VERSION, "client": "", "id": "", "kind": kind, "body": body}
