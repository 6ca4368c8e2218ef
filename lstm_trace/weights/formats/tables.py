"""Embeddings that stand in model files beside their LSTMs: tables of which x may be rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError
from .arrays import arrays_of


def tables(path: Path, width: int) -> dict[str, Any]:
    """The embeddings with `width` columns in a file of arrays.

    An embedding is the only array of its module: a readout has a bias, and an LSTM several matrices. Where names have
    no modules, it is called so. Raises FileError, MissingError.
    """
    with arrays_of(path) as arrays:
        modules = Counter(map(_module, arrays))
        named = [name for name in arrays if "emb" in name.lower() or (_module(name) and modules[_module(name)] == 1)]
        wide = [name for name in named if len(arrays[name].shape) == 2 and arrays[name].shape[1] == width]
        return {name: table for name in wide if (table := _read(arrays[name])).dtype.kind in "fiu"}


def _read(stored: Any) -> Any:
    """The numbers of an array; none where it has them in a form that is not read (quantised, sparse)."""
    try:
        return np.asarray(stored)
    except FileError:
        return np.zeros(0, bool)


def _module(name: str) -> str:
    """`embedding` for `embedding.weight`, `layers/embedding/vars` for `layers/embedding/vars/0`."""
    return name.rpartition("/" if "/" in name else ".")[0]


def told_apart(a: Path, b: Path, width: int) -> list[str]:
    """What is said of two models that were given one x (…, width), where their embeddings differ.

    Those of one name are compared, or the only ones. Raises FileError, MissingError.
    """
    one, two = tables(a, width), tables(b, width)
    pairs = [(name, name) for name in one if name in two]
    if not pairs and len(one) == len(two) == 1:
        pairs = list(zip(one, two, strict=True))
    said = [text for mine, yours in pairs if (text := _apart(mine, yours, one[mine], two[yours]))]
    if not said:
        return []
    return [
        f"both models were given the same x, and have different embeddings ({'; '.join(said)}): where x holds rows of "
        "an embedding, run each model over rows of its own (lstm-trace run MODEL --input X -o TRACE) and compare the "
        "traces"
    ]


def _apart(mine: str, yours: str, one: Any, two: Any) -> str:
    """How far two tables are apart; nothing where they are equal."""
    name = mine if mine == yours else f"{mine} and {yours}"
    if one.shape != two.shape:
        return f"{name}: {one.shape} and {two.shape}"
    if np.array_equal(one, two, equal_nan=True):
        return ""
    with np.errstate(all="ignore"):
        return f"{name}: up to {np.nanmax(np.abs(one.astype(np.float64) - two.astype(np.float64))):.3g} apart"
