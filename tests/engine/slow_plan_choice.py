"""Which plan `auto` runs: a function of the call, never of history, so that the same call has the same bits."""

from __future__ import annotations

from dataclasses import replace

import lstm_trace as lt
from lstm_trace.engine.rerun import in_arithmetic, rerun

from .test_plan_choice import SIZES, WEIGHTS, jit


@jit
def test_what_no_plan_of_ours_computed_is_run_again_by_its_size() -> None:
    for plan, x in SIZES.items():
        trace = lt.prepare(WEIGHTS).run(x, plan="lines")
        foreign = replace(trace, header=replace(trace.header, plan="foreign"))
        assert rerun(foreign).header.plan == plan
        assert in_arithmetic(foreign, "float16").header.plan == "lines"
