"""Bodies of the requests that bring a file from a browser; `messages.REQUESTS` names their kinds."""

from __future__ import annotations

from typing import Any, TypedDict


class UploadOpen(TypedDict):
    """Begin to send a file, or go on with it. One buffer comes with it: the file's first and last bytes.

    ``known`` is what an earlier answer called this upload; empty for a file that a person just chose. ``modified`` is
    in milliseconds since 1970.
    """

    name: str
    size: int
    modified: int
    known: str


class UploadChunk(TypedDict):
    """The bytes of a file from ``offset`` on; one buffer comes with it."""

    upload: str
    offset: int


class UploadCancel(TypedDict):
    """Stop an upload and remove what came of it."""

    upload: str


class UploadAdopt(TypedDict):
    """List a file that was uploaded before."""

    sha256: str
    name: str


class UploadReread(TypedDict):
    """Read a file in another way: ``options`` are those of `load_dataset`, and what is absent is detected."""

    sha256: str
    options: dict[str, Any]


class UploadPreview(TypedDict):
    """The first rows of a file that has arrived."""

    sha256: str
