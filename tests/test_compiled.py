"""The compiled plan: every line has the value that its definition gives on the recorded operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lstm_trace.cells import masked, named
from lstm_trace.errors import LstmTraceError
from lstm_trace.lines import Cell
from lstm_trace.ops import OPS
from lstm_trace.parse import parse

from .strategies import Case as Drawn
from .strategies import cells as shared_cells
from .test_plan import FAMILY, Case, cells, check

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from lstm_trace.compiled import machine
from lstm_trace.compiled.functions import ELEMENTWISE
from lstm_trace.compiled.runner import Runner
from lstm_trace.compiled.schedule import ACROSS, Task, declined


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """No test reads or leaves code in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTM_TRACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


TARGETS = {
    "host": machine.host,
    "256 bits": lambda: machine.narrow(machine.host(), 32) if machine.host().vector == 64 else machine.host(),
    "128 bits": lambda: machine.narrow(machine.host(), 16),
    "generic": machine.generic,
}


def task_of(case: Case) -> Task:
    return Task(
        case.stage.lines, case.cell.carry, tuple(case.sizes.items()),
        tuple((n, a.shape[2]) for n, a in case.inputs.items()), tuple((n, a.shape) for n, a in case.parameters.items()),
        case.batch, str(case.dtype), case.stage.direction == "reverse",
    )  # fmt: skip


def compiled(case: Case, target: str = "host", block: int = 0) -> dict[str, Any]:
    """The lines' values; block: through blocks of so many steps, each copied out."""
    task = task_of(case)
    assert declined(task) is None
    runner = Runner(machine.load(task, TARGETS[target]()), case.parameters)
    if not block:
        slab = runner.slab(case.steps)
        slab.rows.fill(np.nan)  # what is never written must show
        slab.runs.fill(np.nan)
        runner.run(case.steps, case.inputs, case.initial, slab)
        return {x.name: slab.line(x.name) for x in case.stage.lines}
    runner.block = block
    out = {x.name: np.full((case.steps, case.batch, case.sizes[x.name]), np.nan, case.dtype) for x in case.stage.lines}

    def take(rows: Any, first: int, count: int) -> None:
        for name, array in out.items():
            array[first : first + count] = rows.line(name)[:count]

    runner.run(case.steps, case.inputs, case.initial, None, take)
    return out


def test_every_operation_is_compiled() -> None:
    assert {*ELEMENTWISE, *ACROSS, "matvec"} == set(OPS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(
    cells(), st.sampled_from([1, 2, 3, 5, 8, 13, 19]), st.integers(1, 3), st.integers(1, 7), st.sampled_from([1, 3, 9]),
    st.sampled_from(["float64", "float32"]), st.sampled_from(["forward", "reverse"]), st.sampled_from(list(TARGETS)),
    st.sampled_from([0, 0, 1, 3]), st.integers(0, 2**31),
)  # fmt: skip
def test_random_cells(
    cell: Cell, H: int, X: int, T: int, B: int, dtype: str, direction: str, target: str, block: int, seed: int
) -> None:
    try:
        case = Case.drawn(cell, H, X, T, B, dtype, direction, seed)
    except LstmTraceError:
        assume(False)
        return
    check(case, compiled(case, target, block))
