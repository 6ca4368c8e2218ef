"""A PNG with a palette: every filter is undone, pixels stay as they are or nearly, and the file is small."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest

from lstm_trace.plot.png import repacked

from ..support.pictures import decoded

Pixels = np.ndarray[Any, Any]


def predicted(way: int, left: int, up: int, corner: int) -> int:
    """What a filter expects (PNG, 9.2)."""
    whole = left + up - corner
    nearest = min((left, up, corner), key=lambda value: abs(whole - value))
    return (0, left, up, (left + up) // 2, nearest)[way]


def filtered(pixels: Pixels) -> bytes:
    """A PNG of red, green, blue and opacity, whose rows have each filter in turn."""
    rows, columns, _ = pixels.shape
    values = np.concatenate([pixels, np.full((rows, columns, 1), 255, np.uint8)], axis=2).astype(int).tolist()
    data = b""
    for r in range(rows):
        way = r % 5
        data += bytes([way])
        for c in range(columns):
            for n in range(4):
                left, up = values[r][c - 1][n] if c else 0, values[r - 1][c][n] if r else 0
                corner = values[r - 1][c - 1][n] if r and c else 0
                data += bytes([(values[r][c][n] - predicted(way, left, up, corner)) % 256])
    packed = zlib.compress(data)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)),
              (b"IDAT", packed[:50]), (b"IDAT", packed[50:]), (b"IEND", b""))  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in chunks
    )


def read(png: bytes) -> Pixels:
    places, palette = decoded(png)
    return palette[places]


@pytest.mark.parametrize("shape", [(1, 1), (11, 1), (1, 9), (13, 8), (7, 21)])
def test_few_colours_stay_as_they_are(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(3)
    colours = draw.integers(0, 256, (40, 3), np.uint8)
    pixels = colours[draw.integers(0, 40, shape)]
    assert (read(repacked(filtered(pixels))) == pixels).all()


def test_of_many_colours_near_ones_become_one() -> None:
    draw = np.random.default_rng(4)
    pixels = np.stack([draw.integers(0, 256, (60, 40))] * 3, axis=2) + draw.integers(-2, 3, (60, 40, 3))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    pixels[10:30] = 255  # the ground is as it was
    whole = filtered(pixels)
    small = repacked(whole)
    found = read(small).astype(int)
    assert (found[10:30] == 255).all()
    assert np.abs(found - pixels).max() < 32
    assert len(small) < len(whole) / 2


@pytest.mark.few(0)
def test_a_large_picture_of_noise_is_a_small_file(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typst")
    from lstm_trace.plot import png

    from ..support.pictures import lstm

    monkeypatch.setattr(png, "HEAVY", 500_000)
    made = png.png(lstm(600, 80).plot.states(order="index", lines=["c_t", "h_t", "o_t", "f_t"]).svg())
    assert len(made) < 500_000
    assert made[25] == 3  # a palette
