"""Pixels as a PNG of our own: one byte of a palette each, which stays small and is read back exactly.

Portable Network Graphics, third edition (W3C 2025), colour type 3, no row filter, no interlace.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from ...base.arrays import Array

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(pixels: Array, palette: Array, clear: int = 1) -> bytes:
    """A PNG.

    Args:
        pixels: (rows, columns), numbers of colours.
        palette: (colours, 3), red, green and blue from 0 to 255; 256 colours at most.
        clear: so many colours at the beginning of the palette are transparent.
    """
    rows, columns = pixels.shape
    filtered = np.zeros((rows, columns + 1), np.uint8)  # each row begins with the number of its filter: none
    filtered[:, 1:] = pixels
    return _SIGNATURE + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
            (b"PLTE", np.ascontiguousarray(palette, np.uint8).tobytes()),
            (b"tRNS", bytes(clear)),
            (b"IDAT", zlib.compress(filtered.tobytes(), 9)),
            (b"IEND", b""),
        )
        if data or kind == b"IEND"
    )


def data_uri(png: bytes) -> str:
    """A PNG as the address of an image within a page or a picture."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
