"""Compact solutions: what is printed, and whether a reader who computes from the page gets what is printed."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

import lstm_trace as lt

from ...support.chain_reader import chains, value
from ...support.strategies import Case, cells
from .test_chains import compact


@given(cells())
@settings(max_examples=60)
def test_any_cell_ends_in_its_recorded_value(case: Case) -> None:
    initial = {name: values[:1] for name, values in case.initial.items()}
    trace = lt.run(case.weights, case.x[:, :1], cell={"equations": case.text}, initial=initial)
    for printed in chains(compact(trace, digits=6, count_from=0)):
        t = int(printed.step.removeprefix("Step t = ") or 0)
        recorded = trace.lines["0/forward"].get(printed.symbol)
        if recorded is not None and np.isfinite(recorded[t, 0]).all():
            shown = [float(row[0]) for row in value(printed.stages[-1].text)]
            np.testing.assert_allclose(shown, recorded[t, 0], atol=6e-7, rtol=1e-6)
    for format in ("md", "tex", "typ", "html"):
        assert trace.report(format, detail="compact")
