"""Recorded values that depart from their derivation by more than the rounding bound."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_trace.cell.lines import Line
from lstm_trace.cell.ops import OPS
from lstm_trace.verification.rounding import beyond, bound

LINES = [
    (Line("p", "matvec", ("W", "x")), (7, 5)),
    (Line("p", "vecmat", ("x", "W")), (5, 7)),
    (Line("s", "sigmoid", ("x",)), None),
    (Line("m", "mul", ("x", "x")), None),
    (Line("t", "sum", ("x",)), None),
]


@pytest.mark.few(33)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [0.0, 0.4, 0.8, 1.6, 1e3], ids=str)
@pytest.mark.parametrize("special", [None, np.nan, np.inf, "large"], ids=str)
@pytest.mark.parametrize(("line", "shape"), LINES, ids=lambda part: getattr(part, "op", ""))
def test_values_depart_that_are_beyond_their_bound(
    line: Line, shape: tuple[int, int], special: object, scale: float, dtype: type
) -> None:
    """Recorded values off by about `scale` bounds, where products cancel as well; some operands that overflow."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 3, 5)).astype(dtype)
    x[7, 1] *= 1e-12
    if special is not None:
        x[3, 2, 1] = np.finfo(dtype).max * 0.7 if special == "large" else special
    values = {"x": x[:, ::2], "W": None if shape is None else rng.normal(size=shape).astype(dtype) * dtype(1.5)}
    operands = [values[name] for name in line.operands]
    with np.errstate(all="ignore"):
        derived = np.asarray(OPS[line.op].array(operands, line.constants), dtype)
        limit = np.broadcast_to(bound(line, operands, derived), derived.shape)
        off = limit if np.any(limit) else np.finfo(dtype).eps * np.abs(derived)
        recorded = derived + (scale * rng.uniform(-1, 1, size=off.shape) * off).astype(dtype)
        recorded[0, 0, 0] = np.nan
    wrong, _ = beyond(recorded, derived, limit)
    assert wrong[0, 0, 0], "the NaN"
    assert (scale < 1) == (np.count_nonzero(wrong) == 1) or special is not None or line.op == "mul"


@pytest.mark.parametrize(("dtype", "small"), [(np.float64, 1e-155), (np.float32, 1e-20)])
@pytest.mark.parametrize("units", [1, 7])
def test_zero_passes_for_a_number_below_the_normal_range_however_many_are(
    units: int, dtype: type, small: float
) -> None:
    """As processors flush them: one value of many, which is looked at by itself, and all of a step."""
    rng = np.random.default_rng(0)
    matrix, x = rng.normal(size=(7, 32)).astype(dtype), rng.normal(size=(40, 3, 32)).astype(dtype)
    matrix[:units] *= dtype(small)
    steps = 1 if units == 1 else 40
    x[:steps, 0] *= dtype(small)
    line, operands = Line("p", "matvec", ("W", "x")), [matrix, x]
    recorded = np.array(OPS["matvec"].array(operands, {}), dtype)
    few = recorded[:steps, 0, :units]
    assert np.all((few != 0) & (np.abs(few) < np.finfo(dtype).tiny))
    normal = recorded.copy()
    few[...] = 0
    derived = np.asarray(OPS["matvec"].array(operands, {}), dtype)
    limit = np.broadcast_to(bound(line, operands, derived), derived.shape)
    assert not beyond(recorded, derived, limit)[0].any()
    normal[0, 1, units - 1] = 0
    wrong, _ = beyond(normal, derived, limit)
    assert np.argwhere(wrong).tolist() == [[0, 1, units - 1]], "a normal number is none"
