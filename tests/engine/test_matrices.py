"""Cells with a matrix for a memory: every plan computes what loops in plain numpy compute, at any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lstm_trace as lt
from lstm_trace.engine import jit
from lstm_trace.engine.jit.schedule import Task, make_schedule
from lstm_trace.errors import LstmTraceError

from ..support.matrix_loops import MATRIX_CELLS, Weights, matrix_cells

PLANS: tuple[Any, ...] = ("lines", "planned", "compiled") if jit.installed() else ("lines", "planned")
CELLS = pytest.mark.parametrize("name", MATRIX_CELLS)


def drawn(name: str, seed: int) -> tuple[Weights, np.ndarray, tuple[int, int]]:
    """Weights and x of random sizes, and the rows and columns of the matrices."""
    rng = np.random.default_rng(seed)
    rows, columns, inputs = (int(n) for n in rng.integers(1, 20, 3))
    columns = rows if name == "ltc" else columns
    x = rng.normal(size=(int(rng.integers(1, 6)), int(rng.integers(1, 6)), inputs))
    return MATRIX_CELLS[name].weights(rng, inputs, rows, columns), x, (rows, columns)


def small(name: str = "mlstm") -> tuple[Weights, np.ndarray]:
    rng = np.random.default_rng(0)
    return MATRIX_CELLS[name].weights(rng, 3, 4, 5 if name != "ltc" else 4), rng.normal(size=(6, 2, 3))


@CELLS
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.few(5)
def test_every_plan_computes_the_loop(name: str, seed: int) -> None:
    one = MATRIX_CELLS[name]
    weights, x, grid = drawn(name, seed)
    start = np.random.default_rng(seed).normal(size=(x.shape[1], *grid))
    for plan in PLANS:
        trace = lt.run(weights, x, cell=one.cell, initial={one.state: start} if one.state else None, plan=plan)
        assert trace.header.plan == plan
        assert lt.verify(trace).verdict == "verified"
        for b in range(x.shape[1]):
            out, last = one.loop(weights, x[:, b], start[b])
            assert np.abs(trace.output[:, b] - out).max() <= 1e-12 * np.abs(out).max()
            if one.state:
                line = trace.stages[0].cell.states[one.state]
                assert trace.grid("0/forward", line) == grid
                assert np.allclose(trace[line][-1, b].reshape(grid), last, rtol=1e-12, atol=1e-12)


@pytest.mark.few(3)
@CELLS
def test_single_precision_differs_by_its_rounding(name: str) -> None:
    weights, x = small(name)
    single = {key: value.astype(np.float32) for key, value in weights.items()}
    double = {key: value.astype(np.float64) for key, value in single.items()}
    x = x.astype(np.float32)
    a = lt.run(double, x.astype(np.float64), cell=MATRIX_CELLS[name].cell)
    for plan in PLANS:
        b = lt.run(single, x, cell=MATRIX_CELLS[name].cell, plan=plan)
        assert b.header.dtype == "float32"
        assert lt.verify(b).verdict == "verified"
        assert lt.diff(a, b).verdict == "same"


@pytest.mark.few(5)
@given(matrix_cells())
def test_random_cells_agree(case: tuple[str, Weights, np.ndarray]) -> None:
    text, weights, x = case
    agree(text, weights, x, PLANS)


def agree(text: str, weights: Weights, x: np.ndarray, plans: tuple[Any, ...]) -> lt.Trace:
    """The traces of a cell by all plans are verified, and have the same values to within a multiple of rounding."""
    traces = [lt.run(weights, x, cell={"equations": text}, plan=plan) for plan in plans]
    for trace, plan in zip(traces, plans, strict=True):
        assert trace.header.plan == plan
        assert lt.verify(trace).verdict == "verified", text
        assert lt.diff(traces[0], trace).verdict == "same", text
    return traces[0]


@pytest.mark.parametrize("plan", PLANS)
def test_windows_lengths_streams_and_reused_memory(plan: Any, tmp_path: Path) -> None:
    weights, x = small()
    model = lt.prepare(weights, cell=MATRIX_CELLS["mlstm"].cell)
    whole = model.run(x, plan=plan)
    part = model.run(x, plan=plan, record={"steps": slice(2, 5), "lines": ["C_t", "C_t @ q_t", "q_t"]})
    assert part["C_t"].shape == (3, 2, 20)
    assert (part["C_t"] == whole["C_t"][2:5]).all()
    assert part.initial["0/forward"]["C_prev"].shape == (2, 20)
    assert part.grid("0/forward", "C_t") == (4, 5)
    short = model.run(x, plan=plan, lengths=[6, 3])
    kept = short.operand("0/forward", "C_prev")
    assert lt.verify(short).verdict == "verified"
    assert (kept[3:, 1] == short["C_t"][2, 1]).all()
    again = model.run(2 * x, plan=plan, out=model.run(x, plan=plan))
    assert lt.verify(again).verdict == "verified"
    assert (again["C_t"] == model.run(2 * x, plan=plan)["C_t"]).all()
    continued = model.run(x[4:], plan=plan, state_from=model.run(x[:4], plan=plan))
    assert np.allclose(continued["C_t"], whole["C_t"][4:], rtol=1e-13)
    if plan != "lines":
        model.run(x, plan=plan, out=tmp_path / "t.safetensors")
        assert (lt.load(tmp_path / "t.safetensors")["C_t"] == whole["C_t"]).all()


def test_rows_of_a_batch_are_computed_alone() -> None:
    weights, x = small()
    x = np.concatenate([x] * 5, axis=1)
    for plan in PLANS[1:]:
        whole = lt.run(weights, x, cell=MATRIX_CELLS["mlstm"].cell, plan=plan)
        alone = lt.run(weights, x[:, 7:8], cell=MATRIX_CELLS["mlstm"].cell, plan=plan)
        assert np.allclose(whole["C_t"][:, 7:8], alone["C_t"], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("plan", PLANS)
def test_a_matrix_is_held(plan: Any) -> None:
    weights, x = small()
    values = np.arange(20.0)
    held = lt.run(
        weights, x, cell=MATRIX_CELLS["mlstm"].cell, plan=plan, hold={"3/C_t": values, "outer(v_t, k_t)": "*0.5"}
    )
    assert (held["C_t"][3] == values).all()
    assert lt.verify(held).verdict == "verified"
    assert np.allclose(held["f_t * C_prev"][4], held["f_t"][4] * values)


@pytest.mark.parametrize("arithmetic", ["by-hand-4", "bfloat16", "q4.12"])
def test_other_arithmetics(arithmetic: str) -> None:
    for name in MATRIX_CELLS:
        weights, x = small(name)
        assert (
            lt.verify(lt.run(weights, x[:2], cell=MATRIX_CELLS[name].cell, arithmetic=arithmetic)).verdict == "verified"
        )


def test_initial_matrices_are_rows_and_columns() -> None:
    weights, x = small()
    cell, start = MATRIX_CELLS["mlstm"].cell, np.arange(40.0).reshape(2, 4, 5) / 40
    for given_as in (start, start[None], start.reshape(2, 20), start.tolist()):
        trace = lt.run(weights, x, cell=cell, initial={"C_prev": given_as})
        assert (trace.initial["0/forward"]["C_prev"] == start.reshape(2, 20)).all()
    for given_as in (start[0], start[0].ravel(), start[:1]):
        trace = lt.run(weights, x[:, 0], cell=cell, initial={"C_prev": given_as})
        assert (trace.initial["0/forward"]["C_prev"] == start[:1].reshape(1, 20)).all()
    for wrong in (start[0].T, start[0, :3], start[:, None]):
        with pytest.raises(LstmTraceError, match="C_prev"):
            lt.run(weights, x[:, 0], cell=cell, initial={"C_prev": wrong})


def test_weights_beside_matrices_keep_their_shape(tmp_path: Path) -> None:
    weights, x = small("ltc")
    trace = lt.run(weights, x, cell=MATRIX_CELLS["ltc"].cell)
    trace.save(tmp_path / "t.json")
    for found in (trace, lt.load(tmp_path / "t.json")):
        assert (found.parameters["0/forward"]["G"] == weights["G"]).all()
    assert trace.operand("0/forward", "G").tolist() == weights["G"].ravel().tolist()


def test_products_alone_have_no_columns() -> None:
    """Two chained products have no value in the loop; this fell with a ZeroDivisionError."""
    cell = {"equations": "a_t = V @ x_t\ny_t = W @ a_t\noutput: y_t"}
    trace = lt.run({"V": np.ones((4, 4)), "W": np.ones((4, 4))}, np.ones((2000, 4)), cell=cell)
    assert (trace.output == 16).all()


@pytest.mark.skipif(not jit.installed(), reason="the extra jit is not installed")
@pytest.mark.few(0)
@pytest.mark.parametrize("target", ["256 bits", "128 bits", "generic"])
def test_narrower_vectors(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from lstm_trace.engine.jit import machine

    from .jit.test_compiled import TARGETS

    cpu = TARGETS[target]()
    monkeypatch.setattr(machine, "host", lambda: cpu)
    for name, one in MATRIX_CELLS.items():
        for seed in (0, 1):
            weights, x, _ = drawn(name, seed)
            agree(one.text, weights, x.astype("float32" if seed else "float64"), ("lines", "compiled"))


@pytest.mark.skipif(not jit.installed(), reason="the extra jit is not installed")
def test_an_outer_product_and_what_reads_it_are_one_loop() -> None:
    weights, x = small()
    model = lt.prepare(weights, cell=MATRIX_CELLS["mlstm"].cell)
    trace = model.run(x, plan="compiled")
    machine = next(iter(model._pool.machines.values()))
    task = machine.plan
    assert isinstance(task, Task)
    wide = [seg for seg in make_schedule(task, later=False).loop if trace[seg.lines[0].name].shape[-1] == 20]
    names = [{line.name for line in segment.lines} for segment in wide]
    assert names == [{"f_t * C_prev", "outer(v_t, k_t)", "i_t * outer(v_t, k_t)", "C_t"}]


@given(st.integers(1, 5), st.integers(1, 5))
def test_matrices_of_several_shapes_with_as_many_numbers(rows: int, columns: int) -> None:
    text = "a = W @ x_t\nb = V @ x_t\nA = outer(a, b)\nB = outer(b, a)\ny = A @ b + a @ B\noutput: y"
    if rows != columns:
        text = text.replace("a @ B", "b @ B")
    rng = np.random.default_rng(rows)
    weights = {"W": rng.normal(size=(rows, 2)), "V": rng.normal(size=(columns, 2))}
    agree(text, weights, rng.normal(size=(3, 2, 2)), PLANS)


def test_an_initial_matrix_without_weights_has_the_sizes_of_inputs() -> None:
    text = "l = 2 * {}\nS_t = 0.5 * S_prev + outer({}, l)\ncarry: S_prev <- S_t\noutput: S_t\ninput: {}"
    start = {"S_prev": [[1.0, 2.0], [3.0, 4.0]]}
    for name, fed in (("x_t", {"x": [[1.0, 2.0]]}), ("v_t", {"given": {"v_t": [1.0, 2.0]}})):
        trace = lt.run({}, cell={"equations": text.format(name, name, name)}, initial=start, **fed)
        assert trace["S_t"].ravel().tolist() == [2.5, 5.0, 5.5, 10.0]
        assert lt.run(lt.problem(trace))["S_t"].tolist() == trace["S_t"].tolist()
