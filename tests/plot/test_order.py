"""The order of units: against definitions written out in loops."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import OptionError
from lstm_trace.plot.kinds.maps import clustered as _clustered, ordered
from lstm_trace.plot.subject import subject
from lstm_trace.trace.trace import Trace

from ..support.pictures import lstm


def order(trace: Trace, how: str, **chosen: object) -> list[int]:
    found = subject(trace, **chosen)  # type: ignore[arg-type]
    units, _ = ordered(found, found.shown.stages[0], how)
    return [int(j) for j in units]


@pytest.mark.parametrize("lengths", [None, [7, 20]])
def test_memory_is_that_of_the_gate_that_keeps(lengths: list[int] | None) -> None:
    trace = lstm(20, 9, batch=2, lengths=lengths)
    kept = [sum(max(math.log(f), -math.log(2)) for f in trace["f_t"][: (lengths or [20])[0], 0, j]) for j in range(9)]
    assert order(trace, "memory") == sorted(range(9), key=lambda j: -kept[j])
    assert ordered(subject(trace), trace.stages[0], "memory")[1] == "f_t"


def test_activity_is_the_first_step_at_half_of_the_largest_size() -> None:
    trace = lstm(20, 9)
    values = np.abs(trace["c_t"][:, 0])
    first = [next(t for t in range(20) if values[t, j] >= values[:, j].max() / 2) for j in range(9)]
    assert order(trace, "activity") == sorted(range(9), key=lambda j: first[j])


def test_units_that_move_together_stand_together() -> None:
    """Three groups of units, each the same curve with signs and sizes of its own, shuffled."""
    draw = np.random.default_rng(8)
    curves = draw.normal(size=(3, 40))
    group = np.array([0, 1, 2] * 4)
    values = np.stack([curves[g] * draw.uniform(0.5, 2) + 1e-3 * draw.normal(size=40) for g in group], axis=1)
    values = np.column_stack([values, np.full(40, 0.25)])  # one that never moves
    found = _clustered(values)
    assert sorted(found.tolist()) == list(range(13))
    assert found[-1] == 12
    groups = [int(group[j]) for j in found[:-1]]
    assert sum(a != b for a, b in pairwise(groups)) == 2


@pytest.mark.parametrize(("steps", "units"), [(1, 5), (2, 5), (3, 40), (40, 3), (5, 1), (0, 4)])
def test_every_unit_has_a_place(steps: int, units: int) -> None:
    values = np.random.default_rng(1).normal(size=(steps, units))
    for scale in (1.0, 0.0, 1e300, 1e-300):
        with np.errstate(all="raise", under="ignore"):
            assert sorted(_clustered(values * scale).tolist()) == list(range(units))


def test_few_steps_and_many_units_have_the_axes_of_the_correlations() -> None:
    values = np.random.default_rng(4).normal(size=(6, 30))
    centred = values - values.mean(axis=0)
    scaled = centred / np.sqrt((centred**2).sum(axis=0))
    _, vectors = np.linalg.eigh(scaled.T @ scaled)
    angle = np.arctan2(vectors[:, -2], vectors[:, -1])
    ring = np.argsort(angle).tolist()
    found = _clustered(values).tolist()
    turned = [ring[k:] + ring[:k] for k in range(30)]
    assert found in turned or found[::-1] in turned


def test_a_cell_without_what_an_order_needs() -> None:
    trace = lt.run({"W": [[1.0]]}, [[1.0], [2.0]], cell={"equations": "y_t = W @ x_t\noutput: y_t"})
    with pytest.raises(OptionError, match="order='cluster': 0/forward has no state that was recorded; order='index'"):
        order(trace, "cluster")
    with pytest.raises(OptionError, match="order='memory': 0/forward has no gate that keeps a state"):
        order(trace, "memory")
