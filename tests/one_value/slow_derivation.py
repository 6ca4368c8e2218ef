"""One number at a time: what it was computed from, where it goes, whether it is right, and how L changes with it."""

from __future__ import annotations

import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError

from ..support.walk_cases import case
from .test_derivation import every_line


@pytest.mark.parametrize("name", ["plain", "slstm", "own"])
def test_the_gradient_with_respect_to_a_line_is_that_with_the_line_supplied(name: str) -> None:
    told, trace = case(name, 7, 2, 1, 1, False)
    target = f"1/{trace.stages[-1].cell.output}[1]"
    found = {address: lt.derivation(trace, address, of=target).gradient for address in every_line(trace)}
    for line, values in trace.items():
        if not line.isidentifier():
            continue
        try:
            supplied = lt.run(**told, given={line: values})
            expected = lt.gradients(supplied, of=target)
        except LstmTraceError:  # the target itself, which is no longer computed
            continue
        for t, b, j in ((1, 0, j) for j in range(values.shape[2])):  # an earlier one acts on later ones, too
            slope = found[f"0/forward/{t}/{b}/{line}[{j}]"]
            assert slope is not None
            assert slope.value == pytest.approx(expected[f"0/forward/{line}"][t, b, j], rel=1e-9, abs=1e-12)
    own = found[f"0/forward/{target.replace('1/', '1/0/')}"]
    assert own is not None
    assert own.value == 1.0
