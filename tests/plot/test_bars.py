"""Which of many steps bars are drawn of, and what their columns add up to."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from lstm_trace.plot.kinds.bars import LEAST, WHOLE, focus, summed

SIZES = st.lists(st.floats(0, 1e6), min_size=1, max_size=400)


@given(SIZES)
def test_what_is_left_out_is_little_and_spares_much(values: list[float]) -> None:
    sizes = np.array(values)
    kept = focus(sizes)
    shown = range(len(sizes))[kept]
    if len(sizes) <= WHOLE or len(shown) == len(sizes):
        assert list(shown) == list(range(len(sizes)))
    else:
        assert LEAST <= len(shown) <= len(sizes) / 2
        assert sizes.sum() - sizes[kept].sum() <= 0.0101 * sizes.sum()


def test_the_ends_that_hold_a_hundredth_are_left_out() -> None:
    sizes = np.zeros(1000)
    sizes[[200, 500, 540, 900]] = 4, 400, 400, 3
    assert focus(sizes) == slice(500, 541)
    sizes[200] = 9  # more than half a percent
    assert focus(sizes) == slice(200, 541)
    sizes[10] = 9
    assert focus(sizes) == slice(0, 1000)  # from 10 to 541 is more than half


def test_columns_add_up() -> None:
    values = np.array([1.0, -2.0, 3.0, 0.0, 0.0, 0.0, np.nan, -1.0])
    assert list(summed(values, 3)) == [(0, -2.0, 4.0), (2, -1.0, 0.0)]
    assert list(summed(values, 1))[:2] == [(0, 0.0, 1.0), (1, -2.0, 0.0)]
