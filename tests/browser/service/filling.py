"""What the tests put into a library: two traces of one cell, one weight of which differs, and two sets of weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import lstm_trace as lt

STEPS, UNITS, INPUTS = 12, 4, 3
#: The weight of B that differs from A's: of the forget gate of unit 1, for input 2.
CHANGED, BY = (1, 2), 0.25


def weights(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes = {"x": (UNITS, INPUTS), "h": (UNITS, UNITS)}
    return {f"W_{side}{gate}": rng.normal(size=shape) / 2 for side, shape in shapes.items() for gate in "ifco"}


def inputs() -> Any:
    return np.random.default_rng(7).normal(size=(STEPS, INPUTS)).round(3)


def pair() -> tuple[lt.Trace, lt.Trace]:
    """A, and B with one weight changed."""
    a = weights()
    b = {name: array.copy() for name, array in a.items()}
    b["W_xf"][CHANGED] += BY
    return lt.run(a, inputs()), lt.run(b, inputs())


def files(folder: Path) -> dict[str, Path]:
    """Two traces and two weight files, by what they are called in the library."""
    found = {"Before": folder / "before.json", "After": folder / "after.json"}
    for trace, path in zip(pair(), found.values(), strict=True):
        trace.save(path)
    for title, seed in (("Weights one", 1), ("Weights two", 2)):
        found[title] = folder / f"{title.replace(' ', '-').lower()}.npz"
        np.savez(found[title], **weights(seed))
    return found


def kept(server: str, path: Path, title: str = "", tags: Iterable[str] = ()) -> str:
    """Put a file into the library; its id."""
    return str(lt.client(server).upload(path, title, list(tags))["id"])
