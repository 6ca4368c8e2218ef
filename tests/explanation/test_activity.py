"""How active each unit is: counted over the steps that a row has, not over its padding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError
from lstm_trace.explanation.activity import behaviour

RNG = np.random.default_rng(80)
WEIGHTS: dict[str, Any] = {f"W_x{g}": 3 * RNG.normal(size=(2, 3)) for g in "ifco"}
WEIGHTS |= {f"W_h{g}": RNG.normal(size=(2, 2)) for g in "ifco"}


@pytest.mark.parametrize("lengths", [None, [5, 2, 0], [1, 5, 3]])
def test_activity_is_that_of_the_steps_of_each_row(lengths: list[int] | None) -> None:
    trace = lt.run(WEIGHTS, RNG.normal(size=(5, 3, 3)), lengths=lengths)
    found = {(unit.line, unit.unit): unit for unit in behaviour(trace, 0.25, 0.75).units}
    for name in ("i_t", "f_t", "o_t", "c_tilde"):
        for j in range(2):
            values = [
                float(trace[name][t, b, j]) for b in range(3) for t in range(5 if lengths is None else lengths[b])
            ]
            places = values if name != "c_tilde" else [(v + 1) / 2 for v in values]
            unit = found[name, j]
            assert unit.mean == pytest.approx(sum(values) / len(values))
            assert (unit.least, unit.most) == (min(values), max(values))
            assert unit.left == pytest.approx(sum(v < 0.25 for v in places) / len(places))
            assert unit.right == pytest.approx(sum(v > 0.75 for v in places) / len(places))
            if name == "f_t":
                assert unit.half_life == pytest.approx(len(values) / sum(min(1.0, -math.log2(f)) for f in values))
                assert unit.state == ("shut" if max(values) <= 0.25 else "open" if min(values) >= 0.75 else "")
            else:
                assert unit.half_life is None


def test_a_unit_that_is_not_there_has_no_ledger() -> None:
    trace = lt.run(WEIGHTS, RNG.normal(size=(5, 3, 3)))
    with pytest.raises(MissingError, match=r"c_t\[2\]: the units are 0 to 1"):
        lt.explain(trace, "4/0/c_t[2]", "memory").to_frame()
    assert len(lt.explain(trace, "4/0/c_t[1]", "memory").to_frame()) == 6
    with pytest.raises(MissingError, match="choose one of the 2 units"):
        lt.explain(trace, "4/0/c_t", "memory").to_frame()
