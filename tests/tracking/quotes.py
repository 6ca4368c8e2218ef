"""The example `quotes`, whose unit 1 is high inside quotation marks, over texts; with targets of which it says one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import lstm_trace as lt
from lstm_trace import examples

from ..corpus.conftest import write_sequences
from . import planted

ALPHABET = 'etao ".x'
#: The unit that is planted, and how many there are.
INSIDE, UNITS = 1, 4


def model(dtype: str = "float64") -> lt.Model:
    return lt.prepare({**yaml.safe_load(examples.text("quotes")), "dtype": dtype})


def sequences(count: int = 80) -> dict[str, dict[str, Any]]:
    """By id: x (T, 8), tokens, inside (after the character), letter (its number); coin and noise, at random."""
    draw = random.Random(3)  # noqa: S311 - of texts
    found = {}
    for k in range(count):
        text = "".join(draw.choices(ALPHABET, [3, 3, 3, 3, 3, 4, 1, 1], k=draw.randint(2, 40)))
        found[f"s{k:03}"] = {
            "x": np.eye(len(ALPHABET))[[ALPHABET.index(letter) for letter in text]],
            "tokens": list(text),
            "inside": planted.inside(text),
            "coin": [draw.choice(["heads", "tails", "tails"]) for _ in text],
            "noise": [draw.gauss(2, 3) for _ in text],
            "letter": [ALPHABET.index(letter) for letter in text],
        }
    return found


def write(path: Path, every: dict[str, dict[str, Any]]) -> Path:
    """Parquet with a row for each step."""
    write_sequences(every, path)
    return path
