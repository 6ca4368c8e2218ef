"""What the command line computes is verified before it is written: a plan that is wrong at one unit ends the run."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_trace.verification.verify import LONG, first_failure

from ..verification.test_verify import traced
from .test_self_check import longer


@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (1, 9), (4, 2), (5, 1), (6, 9), (LONG, 9)])
def test_every_line_and_unit_is_looked_at_in_the_first_and_last_step(steps: int, rows: int) -> None:
    """Of the first and last row, in all layers and directions; the address is that in the whole trace."""
    trace = longer(traced({}), steps, rows)
    assert first_failure(trace) is None
    rng = np.random.default_rng(steps)
    for scope, here in trace.lines.items():
        for name, array in here.items():
            t, b = rng.choice([0, steps - 1]), rng.choice([0, rows - 1])
            unit = int(rng.integers(array.shape[2]))
            kept = array[t, b, unit]
            array[t, b, unit] = kept + 1e-3
            found = first_failure(trace)
            array[t, b, unit] = kept
            assert found is not None, (scope, name)
            address = found.address
            assert (f"{address.layer}/{address.direction}", address.line) == (scope, name)
            assert (address.t, address.b, address.unit) == (t, b, (unit,))


def test_two_other_steps_are_looked_at_and_not_always_the_same() -> None:
    trace = longer(traced({}), 9, 1)
    for array in trace.lines["0/forward"].values():
        array[1:-1] += 1e-3
    found = {failure.address.t for _ in range(60) if (failure := first_failure(trace)) is not None}
    assert len(found) > 4
    assert found <= set(range(1, 9))
