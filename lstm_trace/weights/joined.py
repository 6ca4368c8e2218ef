"""Weights that multiply the joined vector [h; x] or [x; h], one matrix for each gate, to our names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..errors import ShapeError


def split_joined(
    weights: Mapping[str, Any], order: Literal["hx", "xh"] | None, transposed: bool = False
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Split each `W_g` of (H, H + I) into `W_hg` (H, H) and `W_xg` (H, I); biases keep their names.

    order: which of h and x stands first in the joined vector; None leaves matrices whole. transposed: matrices are
    (H + I, H). Gives the weights and, in words, what was done. Raises ShapeError.
    """
    found: dict[str, Any] = {}
    done: list[str] = []
    for key, value in weights.items():
        scope, slash, name = key.rpartition("/")
        array = np.asarray(value)
        if array.ndim < 2:
            found[key] = value
            continue
        if transposed:
            array = array.T
            done.append(f"{key} transposed")
        gate = name.removeprefix("W_")
        if order is None or len(gate) != 1:
            found[key] = array
            continue
        rows, columns = array.shape
        if columns <= rows:
            raise ShapeError(
                f"{key} has shape {np.shape(value)}; the joined vector [{order[0]}; {order[1]}] needs (H, H + I), "
                f"more columns than the H = {rows} rows"
            )
        parts = {"h": rows, "x": columns - rows}
        first, second = array[:, : parts[order[0]]], array[:, parts[order[0]] :]
        found[f"{scope}{slash}W_{order[0]}{gate}"] = first
        found[f"{scope}{slash}W_{order[1]}{gate}"] = second
        done.append(f"{key} split into W_{order[0]}{gate} and W_{order[1]}{gate}")
    return found, tuple(done)
