"""A net in which one unit is known to count quotes, modulo 2, among others that are random; and texts with quotes."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from ..corpus.conftest import write_sequences

ALPHABET = 'abcdefghij .,"'
#: H, and the unit that is 1 inside quotes and 0 outside.
UNITS, COUNTER = 6, 4


def texts(count: int = 60) -> list[str]:
    """Words, some of them in quotes, which are always closed."""
    draw = random.Random(0)  # noqa: S311 - the same texts everywhere
    found = []
    for _ in range(count):
        text, opened = "", False
        for _ in range(draw.randint(2, 14)):
            begins = not opened and draw.random() < 0.2
            ends = (opened or begins) and draw.random() < 0.4
            word = "".join(draw.choices("abcdefghij", k=draw.randint(1, 6)))
            text += " " * bool(text) + '"' * begins + word + '"' * ends
            opened = (opened or begins) and not ends
        found.append(text + '"' * opened + draw.choice(".,"))
    return found


def inside(text: str) -> list[bool]:
    """For each character whether a quote is open after it."""
    return [text[: k + 1].count('"') % 2 == 1 for k in range(len(text))]


def weights() -> dict[str, np.ndarray]:
    """The counter writes 1 at a quote that finds it at 0 and drops what it holds at every quote; nothing else."""
    rng = np.random.default_rng(7)
    found = {f"W_x{gate}": rng.normal(size=(UNITS, len(ALPHABET))) for gate in "ifco"}
    found |= {f"W_h{gate}": rng.normal(size=(UNITS, UNITS)) for gate in "ifco"}
    found |= {f"b_{gate}": rng.normal(size=UNITS) for gate in "ifco"}
    quote = ALPHABET.index('"')
    for gate, always, at_quote, by_itself in (("i", -10, 20, -30), ("f", 10, -20, 0), ("c", 3, 0, 0), ("o", 5, 0, 0)):
        found[f"b_{gate}"][COUNTER] = always
        found[f"W_x{gate}"][COUNTER] = 0.0
        found[f"W_x{gate}"][COUNTER, quote] = at_quote
        found[f"W_h{gate}"][COUNTER], found[f"W_h{gate}"][:, COUNTER] = 0.0, 0.0
        found[f"W_h{gate}"][COUNTER, COUNTER] = by_itself
    return found


def write(path: Path, count: int = 60) -> list[str]:
    """The texts as Parquet, a row for each character: `seq_id, t, token, x_0 …, inside`."""
    found = texts(count)
    one_hot = np.eye(len(ALPHABET))
    every = {
        k: {"x": one_hot[[ALPHABET.index(c) for c in text]], "tokens": list(text), "inside": inside(text)}
        for k, text in enumerate(found)
    }
    write_sequences(every, path)
    return found
