"""The message contract between Python and the browser.

``js/src/wire/`` states the same contract in TypeScript; golden files in ``tests/golden`` hold the
two together.
"""

from .buffers import Buffer, decode, describe, encode
from .messages import (
    EVENTS,
    REQUESTS,
    VERSION,
    WITH_BUFFERS,
    Access,
    Envelope,
    access_of,
    event,
    parse_request,
    reply,
)

__all__ = [
    "EVENTS",
    "REQUESTS",
    "VERSION",
    "WITH_BUFFERS",
    "Access",
    "Buffer",
    "Envelope",
    "access_of",
    "decode",
    "describe",
    "encode",
    "event",
    "parse_request",
    "reply",
]
