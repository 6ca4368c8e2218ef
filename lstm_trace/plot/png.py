"""A minimal PNG writer and reader: one byte per pixel, an index into a palette; small, and read back exactly.

Portable Network Graphics, third edition (W3C 2025), colour type 3, no row filter, no interlace.
"""

from __future__ import annotations

import re
import struct
import zlib

import numpy as np

from ..base import fonts
from ..base.arrays import Array
from ..base.extras import missing
from ..documents.drawings import expression, light, size_of
from ..errors import OptionError


def encoded(pixels: Array, palette: Array, clear: int = 1) -> bytes:
    """A PNG.

    Args:
        pixels: (rows, columns), indices of colours.
        palette: (colours, 3), red, green and blue from 0 to 255; 256 colours at most.
        clear: number of colours at the beginning of the palette that are transparent.
    """
    rows, columns = pixels.shape
    filtered = np.zeros((rows, columns + 1), np.uint8)  # each row begins with the number of its filter: none
    filtered[:, 1:] = pixels
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0),
        b"PLTE": np.ascontiguousarray(palette, np.uint8).tobytes(),
        **({b"tRNS": bytes(clear)} if clear else {}),
        b"IDAT": zlib.compress(filtered.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


#: Colours of a palette.
_COLOURS = 256


def repacked(png: bytes) -> bytes:
    """Convert a PNG to one with a palette.

    Args:
        png: a PNG with 8 bits each for red, green, blue and opacity, fully opaque, without interlace.

    Returns:
        The same pixels if there are at most 256 colours; otherwise nearly equal colours are merged.
    """
    pixels = _pixels(png).astype(np.uint32)
    colours = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    every, at, counts = np.unique(colours, return_inverse=True, return_counts=True)
    palette, of = _palette(np.stack([every >> 16, every >> 8 & 255, every & 255], axis=1), counts)
    return encoded(of[at].reshape(colours.shape), palette, clear=0)


def _palette(colours: Array, counts: Array) -> tuple[Array, Array]:
    """At most 256 of some colours, (n, 3), and the one that represents each of them: the most frequent one near it.

    The most frequent of all, the background, represents only itself.
    """
    if len(colours) <= _COLOURS:
        return colours.astype(np.uint8), np.arange(len(colours), dtype=np.uint8)
    step = 2
    while len(np.unique(colours // step, axis=0)) >= _COLOURS:
        step += max(1, step // 4)
    _, block = np.unique(colours // step, axis=0, return_inverse=True)
    block = block.ravel() + 1
    order = np.argsort(counts, kind="stable")
    block[order[-1]] = 0
    chosen = np.zeros((int(block.max()) + 1, 3), np.uint8)
    chosen[block[order]] = colours[order]  # among several, the last one remains
    return chosen, block.astype(np.uint8)


def _pixels(png: bytes) -> Array:
    """(rows, columns, 3): a PNG without its filters.

    A pixel may be predicted from its left, upper and upper left neighbours, so the pixels on a diagonal that runs from
    the lower left to the upper right depend only on the two diagonals before it, and are computed together.
    """
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + size]
        at += 12 + size
    wide, tall = struct.unpack(">II", chunks[b"IHDR"][:8])
    raw = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(tall, 1 + 4 * wide)
    given = raw[:, 1:].reshape(-1, 4)[:, :3].astype(np.int16)
    found = np.zeros((tall * wide, 3), np.int16)
    ways = [np.repeat(raw[:, :1] == way, 3, axis=1) for way in range(5)]
    one, two = np.zeros((2, tall + 1, 3), np.int16)  # the last diagonal and the one before it; 0 above the first row
    for k in range(wide + tall - 1):
        low, high = max(0, k - wide + 1), min(k + 1, tall)
        left, up, corner = one[low + 1 : high + 1], one[low:high], two[low:high]
        whole = left + up
        far = np.abs(up - corner), np.abs(left - corner), np.abs(whole - 2 * corner)
        guess = np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], up, corner))
        for way, other in ((0, np.int16(0)), (1, left), (2, up), (3, whole >> 1)):
            np.copyto(guess, other, where=ways[way][low:high])
        line = slice(low * (wide - 1) + k, (high - 1) * (wide - 1) + k + 1, max(wide - 1, 1))
        found[line] = guess = (guess + given[line]) & 255
        two[:] = one
        one[:] = 0
        one[low + 1 : high + 1] = guess
    return found.reshape(tall, wide, 3)


#: Pixels of the PNG per pixel of the picture; one if the picture has more pixels than LARGE. They are integers, so that
#: the rows of a heat map have the same height.
SHARP, LARGE = 2, 1_000_000
#: Size in bytes from which a PNG gets a palette.
HEAVY = 2_000_000


def png(svg: str) -> bytes:
    """The PNG of a picture of `sheet.document`, in its light colours.

    Raises OptionError if the package, or a font for the letters of the picture, is missing.
    """
    try:
        import typst
    except ImportError:
        raise OptionError(missing("PNG", "typst", "write .svg or .html")) from None
    letters = re.sub(r"<style>.*?</style>|<[^>]*>", "", svg, flags=re.S)
    fonts.check(letters, "this picture", ".svg or .html")
    wide, tall = size_of(svg)
    scale = SHARP if wide * tall <= LARGE else 1
    page = f"#set page(width: {wide}pt, height: {tall}pt, margin: 0pt)\n{fonts.sized(letters)}#{expression(light(svg))}"
    made: bytes = typst.compile(page.encode(), format="png", ppi=72 * scale)
    return repacked(made) if len(made) > HEAVY else made
