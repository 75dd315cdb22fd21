"""The smallest PNG writer that serves a picture made of an array.

Format: Portable Network Graphics (PNG) Specification, W3C, third edition, https://www.w3.org/TR/png-3/.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPE = {1: 0, 3: 2, 4: 6}  # channels -> greyscale, RGB, RGBA


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file of an image.

    Parameters
    ----------
    pixels : ndarray of uint8
        Shape (height, width), (height, width, 3) or (height, width, 4): grey, RGB or RGBA with
        straight alpha; the first row is the top.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        Another dtype or shape, or no pixel at all.
    """
    image = np.asarray(pixels)
    if image.ndim == 2:
        image = image[:, :, None]
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in _COLOUR_TYPE or image.size == 0:
        raise ValueError(
            f"A PNG is made of uint8 pixels of shape (height, width[, 3 or 4]); got {image.dtype} {image.shape}."
        )
    height, width, channels = image.shape
    rows = np.zeros((height, 1 + width * channels), dtype=np.uint8)  # the leading 0 says: row stored unfiltered
    rows[:, 1:] = image.reshape(height, width * channels)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
    return (
        _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)) + _chunk(b"IEND", b"")
    )


def data_uri(png: bytes) -> str:
    """Return a PNG file as a ``data:`` address, to stand where an address of an image is asked for."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
