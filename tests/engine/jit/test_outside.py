"""Compiled plan: products on either side of the loop, and inputs that are read where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lstm_trace.cell.parse import parse

from ..plan.test_plan import Case
from ..plan.test_products import adjoint, agree, keras
from .test_compiled import compiled, task_of

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from lstm_trace.engine.jit import machine
from lstm_trace.engine.jit.runner import Runner
from lstm_trace.engine.jit.schedule import Schedule, make_schedule

from ...support.tiers import some


@pytest.mark.few(2)
@pytest.mark.parametrize("cell", [keras, adjoint])
@pytest.mark.parametrize(("B", "dtype", "direction", "target", "block", "part"), [
    (1, "float64", "forward", "host", 0, 0), (1, "float32", "reverse", "256 bits", 0, 0),
    (1, "float64", "reverse", "generic", 4, 0), (3, "float64", "reverse", "host", 0, 0),
    (3, "float32", "forward", "128 bits", 3, 2), (9, "float64", "reverse", "host", 0, 4),
])  # fmt: skip
def test_every_line(cell: Any, B: int, dtype: str, direction: str, target: str, block: int, part: int) -> None:
    case = cell(B, dtype, direction)
    agree(case, compiled(case, target, block, part))


@pytest.mark.few(1)
@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("B", some([1, 2, 9], 2))
@pytest.mark.parametrize("H", some([32, 100], 2))
def test_many_blocks_of_steps(direction: str, B: int, H: int) -> None:
    """Products after the steps of a block, whose number is no multiple of a tile's rows."""
    case = adjoint(B, "float32", direction, H=H, I=33, T=203)
    agree(case, compiled(case))


@pytest.mark.few(2)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("I", some([12, 140, 152, 264], 2))
@pytest.mark.parametrize("B", some([2, 4, 6], 2))
def test_the_results_of_a_sequence_may_begin_amid_a_vector(B: int, I: int, dtype: str) -> None:  # noqa: E741
    """264 float64 numbers are whole vectors, 140 are not, though those of two sequences together are.

    The results of the second were once stored as if they began with a vector: the process died.
    """
    case = adjoint(B, dtype, "reverse", H=3, I=I, T=19)
    agree(case, compiled(case))


# -- what leaves the loop ----------------------------------------------------------------------------------------------


def schedule(text: str, later: bool = True) -> Schedule:
    return make_schedule(task_of(Case.drawn(parse(text), 5, 3, 4, 1, "float64", "forward", 0)), later)


def names(segments: Any) -> list[str]:
    return [line.name for segment in segments for line in segment.lines]


def test_a_readout_leaves_the_loop() -> None:
    text = """h_t = tanh(W_x @ x_t + W_h @ h_prev)
        y_t = softplus(W_y @ h_t + b_y)
        p_t = y_t @ V
        q_t = h_prev @ V
        g_t = h_t * h_t
        carry: h_prev <- h_t"""
    found = schedule(text)
    assert names(found.before) == ["W_x @ x_t"]
    assert names(found.after) == ["W_y @ h_t", "q_t"]
    assert names(found.again) == ["W_y @ h_t + b_y", "y_t", "p_t"]
    assert names(found.loop) == ["W_h @ h_prev", "W_x @ x_t + W_h @ h_prev", "h_t", "g_t"]
    assert not (found := schedule(text, later=False)).after + found.again
    case = Case.drawn(parse(text), 5, 3, 50, 1, "float64", "reverse", 0)
    agree(case, compiled(case))


def test_what_a_step_needs_stays() -> None:
    """Through another product, and through the copy for a second state."""
    found = schedule("h_t = V @ (W @ h_prev) + s_prev\ns_t = U @ h_t\ncarry: h_prev <- h_t, s_prev <- s_t")
    assert (found.after, found.again) == ((), ())
    found = schedule("h_t = tanh(h_prev)\np = W @ x_t\nq = p @ V\ncarry: h_prev <- h_t")
    assert names(found.after) == ["q"]


def test_many_rows_leave_products_in_the_loop() -> None:
    for rows, expected in ((7, 2), (8, 1)):
        program = machine.load(task_of(Case.drawn(parse(READOUT), 5, 3, 4, rows, "float64", "forward", 0)))
        assert len(program.program.runs) == (expected if machine.host().registers >= 32 else 1)


READOUT = "h_t = tanh(W_x @ x_t + W_h @ h_prev)\ny_t = W_y @ h_t\ncarry: h_prev <- h_t"


# -- inputs ------------------------------------------------------------------------------------------------------------


def laid(values: Any, layout: str) -> Any:
    """The same values in another layout."""
    T, B, width = values.shape
    if layout == "rows of a trace":
        memory = np.full((T, 2 * B * width + 3), np.nan, values.dtype)
        found = memory[:, 3 : 3 + B * width].reshape(T, B, width)
    elif layout == "backwards":
        found = np.empty_like(values)[::-1]
    elif layout == "batch first":
        found = np.empty((B, T, width), values.dtype).swapaxes(0, 1)
    elif layout == "part of a row":
        found = np.full((T, B, width + 2), np.nan, values.dtype)[:, :, 1:-1]
    elif layout == "unaligned":
        found = np.frombuffer(bytearray(values.nbytes + 1), np.uint8)[1:].view(values.dtype).reshape(values.shape)
    else:
        found = np.empty(values.shape, layout)
    found[...] = values
    return found


LAYOUTS = ["rows of a trace", "backwards", "batch first", "part of a row", "unaligned", ">f8", "float32"]


@pytest.mark.few(1)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_inputs_of_any_layout(layout: str, B: int, direction: str) -> None:
    for cell in (keras, adjoint):
        case = cell(B, "float64", direction)
        if layout == "float32":  # the same numbers must be in both
            case.inputs = {name: values.astype("float32").astype("float64") for name, values in case.inputs.items()}
        expected = compiled(case)
        case.inputs = {name: laid(values, layout) for name, values in case.inputs.items()}
        for block in (0, 4):
            for name, values in compiled(case, block=block).items():
                np.testing.assert_array_equal(values, expected[name], name)


def test_one_value_for_every_step() -> None:
    case = adjoint(2, "float64", "reverse")
    case.inputs["x_t"] = np.broadcast_to(np.arange(12.0).reshape(2, 6), (11, 2, 6))
    agree(case, compiled(case))


def test_lines_of_another_run_are_read_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of every line would cost a third of the run."""
    rows = Case.drawn(parse(READOUT.replace("tanh", "sigmoid")), 6, 3, 11, 2, "float64", "forward", 0)
    first = Runner(machine.load(task_of(rows)), rows.parameters)
    slab = first.slab(11)
    first.run(11, rows.inputs, rows.initial, slab)
    case = adjoint(2, "float64", "reverse")
    case.inputs = dict.fromkeys(case.inputs, slab.line("h_t"))
    monkeypatch.setattr(np, "require", None)
    agree(case, compiled(case))
