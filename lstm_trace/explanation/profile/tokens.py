"""Which units follow the labels of the steps: how much of a unit's values its step's token alone says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...base.arrays import Array
from ...engine.plan_choice import pieces
from ...trace.labels import step_labels
from ...trace.trace import Trace

#: There must be so many more steps than different tokens: otherwise each token says what it says by chance.
SPARE = 10


class Follows(NamedTuple):
    """How far the units of a line follow the tokens that stand at several steps.

    tokens: (K,), those that stand at two steps or more. counts: (K,), at how many. share: (H,), the part of a unit's
    variance over those steps that lies between tokens, adjusted for their number (the adjusted R²: 0 by chance, 1 where
    the token alone says the value); NaN where nothing varies, or a value is not finite. means: (K, H).
    """

    tokens: tuple[str, ...]
    counts: Array
    share: Array
    means: Array


def follows(trace: Trace, scope: str, name: str, shift: Array, rows: slice) -> Follows | None:
    """How far the units of the line `name` follow the tokens; None where there are too few labels that come again.

    shift: (H,), about the mean of each unit; it is taken away before squares are added up. rows: of the batch.
    """
    batch = range(trace.batch)[rows]
    labels = np.array([list(step_labels(trace, b)) or [""] * trace.steps for b in batch], dtype=object).T
    inside = (trace.valid[:, rows, 0] != 0) & (labels != "")
    known, codes, counts = np.unique(labels[inside].astype(str), return_inverse=True, return_counts=True)
    again = counts > 1
    number = np.where(again, np.cumsum(again) - 1, -1)
    token = np.full(labels.shape, -1)
    token[inside] = number[codes]
    tokens, n = tuple(known[again].tolist()), int(counts[again].sum())
    if len(tokens) < 2 or n - len(tokens) < SPARE:
        return None
    values = trace.lines[scope][name]
    sums = np.zeros((len(tokens), values.shape[-1]))
    squares = np.zeros(values.shape[-1])
    for steps in pieces(trace.steps, len(batch) * values.shape[-1]):
        t, b = np.nonzero(token[steps] >= 0)
        here = np.asarray(values[steps, rows], np.float64)[t, b] - shift
        np.add.at(sums, token[steps][t, b], here)
        squares += (here * here).sum(axis=0)
    size = counts[again][:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = squares - sums.sum(axis=0) ** 2 / n
        within = squares - (sums * sums / size).sum(axis=0)
        share = 1 - (within / (n - len(tokens))) / (whole / (n - 1))
        flat = ~(whole > 1e-12 * np.maximum(squares, np.finfo(float).tiny))
        return Follows(tokens, counts[again], np.where(flat, np.nan, share), sums / size + shift)
