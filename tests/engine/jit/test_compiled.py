"""The compiled plan: every line has the value that its definition gives on the recorded operands."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.cell.lines import Cell
from lstm_trace.cell.ops import OPS
from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import joined, named
from lstm_trace.engine import plan_choice
from lstm_trace.errors import LstmTraceError, OptionError

from ...support.strategies import Case as Drawn, cells as shared_cells
from ..plan.test_plan import FAMILY, Case, cells, check

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from lstm_trace.base import resources
from lstm_trace.engine import memory
from lstm_trace.engine.jit import machine
from lstm_trace.engine.jit.functions import ELEMENTWISE
from lstm_trace.engine.jit.runner import Runner
from lstm_trace.engine.jit.schedule import ACROSS, PRODUCTS, Task, declined

from ...support.tiers import some


def narrow(vector: int) -> machine.Cpu:
    """This CPU with vectors of so many bytes, or as they are where they are no wider."""
    host = machine.host()
    return host if host.vector < vector else replace(host, vector=vector, registers=16)


def generic() -> machine.Cpu:
    """The least that a CPU of this architecture has: 128-bit vectors, and on x86-64 no fused multiply-add."""
    x86 = "x86" in machine._llvm().get_default_triple()
    return machine.Cpu("x86-64" if x86 else "generic", "", 16, 16 if x86 else 32)


TARGETS = {
    "host": machine.host,
    "256 bits": lambda: narrow(32),
    "128 bits": lambda: narrow(16),
    "generic": generic,
}


def task_of(case: Case, part: int = 0) -> Task:
    return Task(
        case.stage.lines, case.cell.carry, tuple(case.sizes.items()),
        tuple((n, a.shape[2]) for n, a in case.inputs.items()), tuple((n, a.shape) for n, a in case.parameters.items()),
        case.batch, str(case.dtype), case.stage.direction == "reverse", part,
    )  # fmt: skip


def compiled(case: Case, target: str = "host", block: int = 0, part: int = 0) -> dict[str, Any]:
    """The lines' values; block: through blocks of so many steps, each copied out; part: so many rows for a thread."""
    task = task_of(case, part if part < case.batch else 0)
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
    assert {*ELEMENTWISE, *ACROSS, *PRODUCTS} == set(OPS)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(
    cells(), st.sampled_from([1, 2, 3, 5, 8, 13, 19]), st.integers(1, 3), st.integers(1, 7), st.sampled_from([1, 3, 9]),
    st.sampled_from(["float64", "float32"]), st.sampled_from(["forward", "reverse"]), st.sampled_from(list(TARGETS)),
    st.sampled_from([0, 0, 1, 3]), st.sampled_from([0, 0, 1, 2, 4]), st.integers(0, 2**31),
)  # fmt: skip
def test_random_cells(
    cell: Cell,
    H: int,
    X: int,
    T: int,
    B: int,
    dtype: str,
    direction: str,
    target: str,
    block: int,
    part: int,
    seed: int,
) -> None:
    try:
        case = Case.drawn(cell, H, X, T, B, dtype, direction, seed)
    except LstmTraceError:
        assume(False)
        return
    check(case, compiled(case, target, block, part))


@pytest.mark.few(0)
@settings(max_examples=40, deadline=None)
@given(
    shared_cells(), st.sampled_from(["forward", "reverse"]), st.sampled_from(list(TARGETS)), st.sampled_from([0, 0, 2])
)
def test_cells_of_the_whole_grammar(drawn: Drawn, direction: str, target: str, block: int) -> None:
    """Concatenations, values of width 1, reductions and states of several widths."""
    case = Case.of(drawn, direction)
    check(case, compiled(case, target, block))


MORE = {
    **FAMILY,
    "projection": named("lstm", {"bias": "two", "projection": True, "projection_clip": 0.5})[0],
    "activations": named(
        "lstm", {"gate_activation": "elu(0.7)", "candidate_activation": "softplus", "output_activation": "scaled_tanh"}
    )[0],
    "gru": parse("""r_t = sigmoid(W_xr @ x_t + W_hr @ h_prev + b_r)
        z_t = sigmoid(W_xz @ x_t + W_hz @ h_prev + b_z)
        n_t = tanh(W_xn @ x_t + W_hn @ (r_t * h_prev) + b_n)
        h_t = (1 - z_t) * n_t + z_t * h_prev
        y_t = W_hy @ h_t
        carry: h_prev <- h_t
        output: h_t"""),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", some(MORE, 5))
@pytest.mark.parametrize(("H", "B", "dtype", "direction", "target"), [
    (5, 3, "float64", "forward", "host"), (5, 3, "float32", "reverse", "host"), (33, 1, "float32", "forward", "host"),
    (21, 9, "float64", "reverse", "256 bits"), (13, 2, "float32", "forward", "generic"),
])  # fmt: skip
def test_family(name: str, H: int, B: int, dtype: str, direction: str, target: str) -> None:
    case = Case.drawn(MORE[name], H, 3, 11, B, dtype, direction, 7)
    values = compiled(case, target)
    check(case, values)
    if dtype == "float64":
        for line, expected in case.by_lines().items():  # over so few steps the two may not drift apart
            size = max(1.0, float(np.abs(expected).max()))
            assert np.abs(values[line] - expected).max() < (1e-9 if name == "activations" else 1e-12) * size, line


@pytest.mark.few(1)
@pytest.mark.parametrize("name", some(MORE, 3))
@pytest.mark.parametrize(("H", "B", "part", "dtype", "direction"), [
    (5, 7, 2, "float64", "forward"), (33, 9, 4, "float32", "reverse"), (256, 17, 9, "float32", "forward"),
])  # fmt: skip
def test_rows_shared_out_among_threads(name: str, H: int, B: int, part: int, dtype: str, direction: str) -> None:
    """To the last bit what one thread computes, also where the last part overlaps the one before."""
    case = Case.drawn(MORE[name], H, 3, 11, B, dtype, direction, 8)
    alone = compiled(case)
    for block in (0, 4):
        for line, values in compiled(case, block=block, part=part).items():
            np.testing.assert_array_equal(values, alone[line], line)


@pytest.mark.parametrize(
    ("batch", "seconds", "count", "rows"),
    [
        (32, 1.0, 2, 16), (32, 1.0, 3, 11), (32, 1.0, 64, 4), (9, 1.0, 8, 5),
        (32, 1e-4, 2, 0), (7, 1.0, 2, 0), (32, 1.0, 1, 0),
    ],
)  # fmt: skip
def test_how_many_rows_a_thread_has(
    monkeypatch: pytest.MonkeyPatch, batch: int, seconds: float, count: int, rows: int
) -> None:
    monkeypatch.setattr(memory, "threads", lambda: count)
    assert memory.thread_rows(batch, seconds) == rows


@pytest.mark.few(0)
def test_as_many_threads_as_numpy_has() -> None:
    """One setting holds for both; a trace that one thread wrote is written again by several, and the other way."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    model, x = lstm(32), inputs(300, 33)
    with threadpoolctl.threadpool_limits(1, "blas"):
        alone = model.run(x, plan="compiled")
        assert resources.threads() == 1
    kept = {name: values.copy() for name, values in alone.lines["0/forward"].items()}
    with threadpoolctl.threadpool_limits(2, "blas"):
        both = model.run(x, plan="compiled", out=alone)
    counts = [len(machine._threads) for machine in model._pool.machines.values() if isinstance(machine, Runner)]
    assert counts == [1, 2]
    assert both.lines["0/forward"]["h_t"] is alone.lines["0/forward"]["h_t"]
    for name, values in both.lines["0/forward"].items():
        np.testing.assert_array_equal(values, kept[name])


@pytest.mark.few(2)
@pytest.mark.parametrize("target", some(TARGETS, 2))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_a_vector_of_any_width_and_place(dtype: str, target: str) -> None:
    """Parts that begin where no vector of the whole does, and whose last vector begins where none of theirs does."""
    places = [(begin, begin + width) for width in (1, 2, 3, 5, 6, 7, 9, 13, 31) for begin in (0, 1, 2, 8)]
    parts = "".join(f"a{k} = tanh(z[{begin}:{end}])\n" for k, (begin, end) in enumerate(places))
    cell = parse(f"z = w @ x_t + u @ h_prev\n{parts}h_t = a0 * 2\ncarry: h_prev <- h_t\noutput: h_t")
    draw = np.random.default_rng(5)
    drawn = (draw.normal(size=shape).astype(dtype) for shape in ((48, 3), (48, 1), (5, 2, 3)))
    case = Case(cell, "forward", {"w": next(drawn), "u": next(drawn)}, {"x_t": next(drawn)})
    found = compiled(case, target)
    check(case, found)
    for begin, end in places:
        assert np.array_equal(found[f"z[{begin}:{end}]"], found["z"][..., begin:end]), (begin, end)


@pytest.mark.few(1)
@pytest.mark.parametrize(("H", "B"), some([(256, 3), (512, 1), (512, 34), (100, 17)], 2))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_sizes(H: int, B: int, dtype: str) -> None:
    """Loops over tiles, padded copies of h, blocks of products before the loop."""
    case = Case.drawn(FAMILY["two biases"], H, 64, 9, B, dtype, "forward", 3)
    check(case, compiled(case))


@pytest.mark.few(0)
def test_more_steps_than_one_block_of_products() -> None:
    for direction in ("forward", "reverse"):
        case = Case.drawn(FAMILY["lengths"], 4, 3, 20_001, 3, "float32", direction, 3)
        check(case, compiled(case))


@pytest.mark.few(4)
@pytest.mark.parametrize("text", [
    "h_t = W @ (U @ x_t)", "u_t = W @ x_t\nh_t = U @ u_t", "h_t = V @ (W @ (U @ x_t))", "h_t = (x_t @ U) @ W",
    "u_t = W @ x_t\nh_t = U @ u_t\ng_t = V @ u_t", "h_t = W @ x_t",
])  # fmt: skip
@pytest.mark.parametrize(("H", "B", "T", "dtype", "direction", "target"), some([
    (1, 1, 1, "float64", "forward", "host"), (5, 1, 2000, "float32", "forward", "host"),
    (3, 2, 700, "float64", "reverse", "generic"), (8, 9, 5, "float32", "reverse", "host"),
    (64, 40, 60, "float64", "forward", "host"),
], 3))  # fmt: skip
@pytest.mark.parametrize("block", [0, 3])
def test_products_alone(
    text: str, H: int, B: int, T: int, dtype: str, direction: str, target: str, block: int
) -> None:  # fmt: skip
    """A loop without a column: what comes before it and after it is all there is."""
    case = Case.drawn(parse(f"{text}\noutput: h_t"), H, 3, T, B, dtype, direction, 4)
    values = compiled(case, target, block)
    check(case, values)
    eps = float(np.finfo(dtype).eps)
    for line, expected in case.by_lines().items():
        assert np.abs(values[line] - expected).max() <= 1000 * H * eps * max(1.0, np.abs(expected).max()), line


def test_products_alone_are_a_run() -> None:
    x = np.random.default_rng(3).normal(size=(2000, 1, 3))
    weights = {"U": np.random.default_rng(4).normal(size=(5, 3)), "W": np.random.default_rng(5).normal(size=(4, 5))}
    model = lt.prepare(weights, cell={"equations": "h_t = W @ (U @ x_t)\noutput: h_t"})
    for plan in ("auto", "compiled"):
        trace = model.run(x, plan=plan)
        assert trace.header.plan == "compiled"
        assert lt.verify(trace).verdict == "verified"
        np.testing.assert_allclose(trace["h_t"][:, 0], x[:, 0] @ (weights["W"] @ weights["U"]).T, atol=1e-12)


def test_a_wrong_operand_is_seen() -> None:
    case = Case.drawn(FAMILY["plain"], 5, 3, 4, 1, "float64", "forward", 7)
    values = compiled(case)
    values["W_hi @ h_prev"], values["W_hf @ h_prev"] = values["W_hf @ h_prev"], values["W_hi @ h_prev"]
    with pytest.raises(AssertionError, match="differs at"):
        check(case, values)


# -- the functions -----------------------------------------------------------------------------------------------------


def spread(dtype: Any) -> Any:
    """Numbers of every size, with those at which a function changes its ways, infinities and NaN."""
    rng = np.random.default_rng(1)
    tiny = -44 if dtype == np.float32 else -320
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 88.7, 88.8, -87.3, -88.0, -103.9, -104.0, 709.7, 709.9]
    special += [-745.0, -746.0, 0.7071067811865476, 1.4142135623730951, float(np.finfo(dtype).max)]
    parts = [rng.uniform(-1, 1, 40_000), rng.normal(0, 5, 40_000), rng.uniform(-120, 120, 20_000)]
    parts += [rng.uniform(-800, 800, 20_000), rng.uniform(-1e4, 1e4, 5_000), np.linspace(-1.1, 1.1, 20_001)]
    parts += [10.0 ** rng.uniform(tiny, 38, 20_000) * rng.choice([-1, 1], 20_000), np.array(special)]
    with np.errstate(all="ignore"):
        return np.concatenate(parts).astype(dtype)


EXACT = {
    "sigmoid": lambda z, c: 1 / (1 + np.exp(-z)),
    "tanh": lambda z, c: np.tanh(z),
    "exp": lambda z, c: np.exp(z),
    "log": lambda z, c: np.log(z),
    "sin": lambda z, c: np.sin(z),
    "cos": lambda z, c: np.cos(z),
    "elu": lambda z, c: np.where(z < 0, c[0] * np.expm1(np.minimum(z, 0)), z),
    "softplus": lambda z, c: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))),
}


@pytest.mark.few(2)
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="needs a wider float to compare with")
@pytest.mark.parametrize("target", ["host", "generic"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", EXACT)
def test_functions_are_right_within_their_ulp(op: str, dtype: Any, target: str) -> None:
    x = spread(dtype)
    table = OPS[op]
    constants = tuple(float(c) for _, c in table.constants if c is not None)
    cell = parse(f"h_t = {table.function}(h_prev)\ncarry: h_prev <- h_t\noutput: h_t")
    case = Case(cell, "forward", {}, {"x_t": np.zeros((1, 1, 1), dtype)}, {"h_prev": x[None]})
    found = compiled(case, target)["h_t"][0, 0]
    with np.errstate(all="ignore"):
        exact = EXACT[op](x.astype(np.longdouble), constants)
        if op == "sigmoid":  # its definition gives 0 where exp(-z) overflows
            exact = np.where(np.isinf(np.exp(-x)), 0, exact)
        rounded = exact.astype(dtype)
        finite = np.isfinite(rounded) & np.isfinite(x)
        off = np.abs(found.astype(np.longdouble) - exact)[finite] / np.spacing(np.abs(rounded[finite]))
    assert table.ulp is not None
    assert off.max() <= table.ulp, (off.max(), x[finite][off.argmax()])
    np.testing.assert_array_equal(found[~finite], rounded[~finite])


# -- behind Model.run --------------------------------------------------------------------------------------------------


def lstm(H: int = 5, X: int = 3, layers: int = 1, both: bool = False, dtype: str = "float64") -> lt.Model:
    rng = np.random.default_rng(5)
    weights = {}
    for layer in range(layers):
        width = X if layer == 0 else H * (1 + both)
        for direction in ("forward", "reverse") if both else ("forward",):
            shapes = {f"W_x{g}": (H, width) for g in "ifco"} | {f"W_h{g}": (H, H) for g in "ifco"}
            shapes |= {f"b_{g}": (H,) for g in "ifco"}
            weights |= {f"{layer}/{direction}/{n}": rng.normal(size=s).astype(dtype) for n, s in shapes.items()}
    return lt.prepare(weights)


def inputs(T: int = 7, B: int = 4, X: int = 3, dtype: str = "float64") -> Any:
    return np.random.default_rng(6).normal(size=(T, B, X)).astype(dtype)


def assert_close(a: lt.Trace, b: lt.Trace, most: float = 1e-12) -> None:
    assert {s: set(n) for s, n in a.lines.items()} == {s: set(n) for s, n in b.lines.items()}
    for scope, here in a.lines.items():
        for name, values in here.items():
            np.testing.assert_allclose(values, b.lines[scope][name], rtol=0, atol=most, err_msg=f"{scope}/{name}")


@pytest.mark.few(0)
def test_a_network_by_all_three_plans() -> None:
    model, x = lstm(layers=2, both=True), inputs()
    states = np.random.default_rng(7).normal(size=(2, 4, 4, 5))
    for more in ({}, {"lengths": [3, 7, 0, 5]}, {"h0": states[0], "c0": states[1]}, {"ask": "1/reverse/i_t"}):
        traces = {plan: model.run(x, plan=plan, **more) for plan in ("lines", "planned", "compiled")}
        for plan, trace in traces.items():
            assert trace.header.plan == plan
            assert_close(trace, traces["lines"])
        assert lt.verify(traces["compiled"]).verdict == "verified"


def test_memory_is_written_again() -> None:
    model, x = lstm(layers=2, both=True), inputs()
    first = model.run(x, plan="compiled")
    arrays = {scope: dict(here) for scope, here in first.lines.items()}
    second = model.run(2 * x, plan="compiled", out=first)
    assert_close(second, model.run(2 * x, plan="lines"))
    assert all(second.lines[s][n] is a for s, here in arrays.items() for n, a in here.items())
    states = np.full((4, 4, 5), 0.3)
    third = model.run(x, h0=states, plan="compiled", out=second)
    assert_close(third, model.run(x, h0=states, plan="lines"))
    assert_close(model.run(x, plan="compiled", out=third), model.run(x, plan="lines"))  # from zero states again


def test_memory_of_another_plan_and_foreign_arrays() -> None:
    model, x = lstm(), inputs()
    expected = model.run(x, plan="lines")
    for before in ("lines", "planned", "compiled"):
        for after in ("lines", "planned", "compiled"):
            out = model.run(3 * x, plan=before)
            trace = model.run(x, plan=after, out=out)
            assert trace.header.plan == after
            assert_close(trace, expected)


def test_inputs_of_any_layout() -> None:
    model, x = lstm(), inputs(9, 4)
    expected = model.run(x, plan="lines")
    strided = np.swapaxes(np.ascontiguousarray(np.swapaxes(x, 0, 1)), 0, 1)
    unaligned = np.frombuffer(bytearray(x.nbytes + 1), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    for values in (strided, x[::-1][::-1], unaligned, np.asfortranarray(x), x.astype(">f8")):
        assert_close(model.run(values, plan="compiled"), expected)
    assert_close(model.run(np.swapaxes(x, 0, 1), batch_first=True, plan="compiled"), expected)


def test_progress_counts_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    model, x = lstm(both=True), inputs(50)
    model.run(x, plan="compiled", progress=lambda done, total: told.append((done, total)))
    assert told == [(50, 150), (100, 150), (150, 150)]
    monkeypatch.setattr("lstm_trace.engine.jit.runner.PART", 1)
    monkeypatch.setattr("lstm_trace.engine.jit.runner.BLOCK_BYTES", 1)
    other = lstm(both=True)  # parts of 16 steps: 64 rows
    told.clear()
    assert_close(other.run(x, plan="compiled", progress=lambda *now: told.append(now)), model.run(x, plan="lines"))
    assert told == [(k, 150) for k in (16, 32, 48, 50, 66, 82, 98, 100, 116, 132, 148, 150)]


def test_runs_in_threads_do_not_meet() -> None:
    model = lstm(33)
    xs = [inputs(40, 2) * k for k in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        traces = list(pool.map(lambda x: model.run(x, plan="compiled"), xs * 3))
    for x, trace in zip(xs * 3, traces, strict=True):
        assert_close(trace, model.run(x, plan="planned"))


def test_what_is_not_compiled_runs_by_the_numpy_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ELEMENTWISE, "tanh", None)
    monkeypatch.delitem(ELEMENTWISE, "tanh")
    case = Case.drawn(FAMILY["plain"], 5, 3, 4, 1, "float64", "forward", 7)
    assert declined(task_of(case)) == "line `c_tilde`: tanh is not compiled"
    model, x = lstm(), inputs()
    trace = model.run(x, plan="compiled")
    assert trace.header.plan == "planned"
    assert_close(trace, model.run(x, plan="lines"))


def test_reasons_to_decline() -> None:
    case = Case.drawn(FAMILY["plain"], 5, 3, 4, 1, "float16", "forward", 7)
    assert declined(task_of(case)) == "float16 is not compiled"
    assert declined(Task((), (), (), (), (), 1, "float64", False)) == "there is no line to compute"
    assert declined(Task(case.stage.lines, (), (("i_t", 0),), (), (), 1, "float64", False))
    twice = joined("concat")
    assert (
        declined(Task(twice.lines, (), (("y_t", 2),), (("y_forward", 1), ("y_reverse", 1)), (), 1, "float64", False))
        is None
    )


# -- when it runs ------------------------------------------------------------------------------------------------------


def test_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="there is no plan 'compield'; did you mean 'compiled'"):
        lstm().run(inputs(), plan="compield")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="plan must be one of 'auto', 'compiled', 'planned', 'lines', not False"):
        lstm().run(inputs(), plan=False)  # type: ignore[arg-type]
    monkeypatch.setattr(plan_choice, "installed", lambda: False)
    with pytest.raises(OptionError, match=r"'compiled' needs the package llvmlite, .* -m pip install 'llvmlite>=0.45'"):
        lstm().run(inputs(), plan="compiled")
    assert lstm().run(inputs(), plan="auto").header.plan == "planned"


@pytest.mark.parametrize(
    ("features", "triple", "expected"),
    [
        (("avx", "avx2", "avx512f", "avx512vl", "avx512dq"), "x86_64-pc-linux-gnu", (64, 32)),
        (("avx", "avx2", "avx512f"), "x86_64-pc-linux-gnu", (32, 16)),  # without 512-bit integers and masks
        (("sse2",), "x86_64-pc-linux-gnu", (16, 16)),
        (("neon",), "aarch64-apple-darwin", (16, 32)),
    ],
)
def test_vectors_and_registers_of_each_kind_of_cpu(
    features: tuple[str, ...], triple: str, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Features(dict[str, bool]):
        def flatten(self) -> str:
            return ",".join(f"+{name}" for name in self)

    fake = SimpleNamespace(
        get_host_cpu_features=lambda: Features.fromkeys(features, True),
        get_host_cpu_name=lambda: "cpu",
        get_default_triple=lambda: triple,
    )
    monkeypatch.setattr(machine, "_llvm", lambda: fake)
    target = machine.host.__wrapped__()
    assert (target.vector, target.registers) == expected
    assert (target.cpu, target.features) == ("cpu", Features.fromkeys(features, True).flatten())


def test_a_wrong_size_is_refused_before_the_call() -> None:
    case = Case.drawn(FAMILY["plain"], 5, 3, 4, 2, "float64", "forward", 7)
    code = machine.load(task_of(case))
    runner = Runner(code, case.parameters)
    for wrong in ((5, 2, 3), (4, 1, 3), (4, 2, 4)):
        with pytest.raises(RuntimeError, match="an input does not fit"):
            runner.run(4, {"x_t": np.zeros(wrong)}, case.initial, runner.slab(4))
    with pytest.raises(RuntimeError, match="a part does not fit"):  # the code computes a step before it looks
        runner.run(0, {"x_t": np.zeros((0, 2, 3))}, case.initial, runner.slab(0))
    with pytest.raises(RuntimeError, match="the memory does not fit"):
        runner.run(4, case.inputs, case.initial, runner.slab(3))
    other = Case.drawn(FAMILY["plain"], 6, 3, 4, 2, "float64", "forward", 7)
    with pytest.raises(RuntimeError, match="the memory does not fit"):
        runner.run(4, case.inputs, case.initial, Runner(machine.load(task_of(other)), other.parameters).slab(4))
    with pytest.raises(RuntimeError, match="does not fit the compiled code"):
        Runner(code, other.parameters)


# -- the cache ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LSTM_TRACE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def loaded_anew() -> tuple[Case, machine.Compiled]:
    case = Case.drawn(FAMILY["plain"], 4, 3, 5, 1, "float64", "forward", 7)
    machine._loaded.pop((task_of(case), machine.host()), None)
    code = machine.load(task_of(case))
    check(case, compiled(case))
    return case, code


def test_code_is_kept_and_found_again(fresh: Path) -> None:
    assert not loaded_anew()[1].cached
    entries = sorted(fresh.iterdir())
    assert [e.suffix or e.name for e in entries] == [".o", machine.KEY]
    assert fresh.stat().st_mode & 0o777 == 0o700
    assert all(entry.stat().st_mode & 0o077 == 0 for entry in entries)
    assert loaded_anew()[1].cached


def test_old_entries_go(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.mkdir(mode=0o700)
    monkeypatch.setattr(machine, "MOST", 4)
    for k in range(5):
        machine.write_entry(fresh, f"{k}.o", b"code")
        os.utime(fresh / f"{k}.o", (k, k))
    assert sorted(e.name for e in fresh.iterdir()) == ["2.o", "3.o", "4.o", machine.KEY]


def test_an_entry_that_another_process_removed_meanwhile_keeps_no_other(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = SimpleNamespace(
        name="gone.o", path=str(fresh / "gone.o"), stat=lambda follow_symlinks: SimpleNamespace(st_mtime=-1.0)
    )
    fresh.mkdir(mode=0o700)
    for k in range(5):
        machine.write_entry(fresh, f"{k}.o", b"code")
        os.utime(fresh / f"{k}.o", (k, k))
    found = os.scandir
    monkeypatch.setattr(machine, "MOST", 4)
    monkeypatch.setattr(os, "scandir", lambda place: [*found(place), gone])
    machine._tidy(fresh)
    assert sorted(os.listdir(fresh)) == ["2.o", "3.o", "4.o", machine.KEY]


@pytest.mark.few(0)
def test_the_oldest_code_leaves_memory_and_is_loaded_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that holds it still runs."""
    monkeypatch.setattr(machine, "_loaded", {})
    monkeypatch.setattr(machine, "MOST_LOADED", 2)
    cases = [Case.drawn(FAMILY["plain"], units, 3, 5, 1, "float64", "forward", 7) for units in (2, 3, 4)]
    codes = [machine.load(task_of(case)) for case in cases]

    def in_memory() -> list[bool]:
        return [(task_of(case), machine.host()) in machine._loaded for case in cases]

    assert in_memory() == [False, True, True]
    assert machine.load(task_of(cases[2])) is codes[2]
    runner = Runner(codes[0], cases[0].parameters)
    slab = runner.slab(5)
    runner.run(5, cases[0].inputs, cases[0].initial, slab)
    check(cases[0], {x.name: slab.line(x.name) for x in cases[0].stage.lines})
    assert machine.load(task_of(cases[0])) is not codes[0]
    assert in_memory() == [True, False, True]


@pytest.mark.few(1)
@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign"])
def test_a_damaged_entry_is_made_anew(fresh: Path, damage: str) -> None:
    loaded_anew()
    entry = next(fresh.glob("*.o"))
    whole = entry.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    entry.write_bytes({"empty": b"", "cut": whole[:-9], "flipped": bytes(flipped), "foreign": b"not code"}[damage])
    assert not loaded_anew()[1].cached
    assert entry.read_bytes() == whole


@pytest.mark.parametrize(
    ("platform", "base", "expected"),
    [
        ("linux", {}, ".cache/lstm-trace"),
        ("linux", {"XDG_CACHE_HOME": "xdg"}, "xdg/lstm-trace"),
        ("darwin", {"XDG_CACHE_HOME": "xdg"}, "Library/Caches/lstm-trace"),
        ("win32", {}, "AppData/Local/lstm-trace/cache"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/lstm-trace/cache"),
    ],
)
def test_where_code_is_kept_on_each_system(
    platform: str, base: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LSTM_TRACE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in base.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    found = machine.cache_directory()
    assert found == tmp_path / expected
    assert found.is_dir()


def test_a_relative_xdg_cache_home_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The specification has it ignored: code would be kept, and run, from wherever one stands."""
    monkeypatch.delenv("LSTM_TRACE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    assert machine.cache_directory() == tmp_path / ".cache" / "lstm-trace"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_a_directory_that_is_not_safe_is_not_used(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.mkdir(mode=0o700)
    assert machine.cache_directory() == fresh
    fresh.chmod(0o770)
    assert machine.cache_directory() is None
    assert not loaded_anew()[1].cached
    assert list(fresh.iterdir()) == []
    fresh.chmod(0o700)
    (tmp_path / "link").symlink_to(fresh)
    monkeypatch.setenv("LSTM_TRACE_CACHE", str(tmp_path / "link"))
    assert machine.cache_directory() is None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LSTM_TRACE_CACHE", str(tmp_path / "file"))
    assert machine.cache_directory() is None
    monkeypatch.setenv("LSTM_TRACE_CACHE", "")
    assert machine.cache_directory() is None
    monkeypatch.setenv("LSTM_TRACE_CACHE", str(fresh))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert machine.cache_directory() is None


def test_a_linked_entry_is_not_read(fresh: Path, tmp_path: Path) -> None:
    loaded_anew()
    entry = next(fresh.glob("*.o"))
    entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    assert machine.read_entry(fresh, entry.name) is None


#: Compiles a cell, closes the gaps between what is mapped, and loads its code with one small gap over 6 GB of nothing.
CROWDED = """
import ctypes, mmap
import numpy as np
import lstm_trace as lt
from lstm_trace.engine.jit import machine

cell = {"equations": "h_t = tanh(W @ x_t + U @ h_prev)\\ncarry: h_prev <- h_t"}
lt.run({"W": np.ones((64, 64)), "U": np.ones((64, 64))}, np.ones((200, 64)), cell=cell, plan="compiled")
(task, target), = machine._loaded
machine.load(task, target)
machine._loaded.clear()
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

def reserve(at, size, fixed=0):
    return libc.mmap(at, size, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000 | fixed, -1, 0)

def close_gaps():
    rows = [row.split() for row in open("/proc/self/maps")]
    ends = [[int(end, 16) for end in row[0].split("-")] for row in rows]
    grows = ["[stack]" in row or "[heap]" in row for row in rows]
    for k, ((_, end), (begin, _)) in enumerate(zip(ends, ends[1:])):
        if 0 < begin - end < 1 << 33 and not (grows[k] or grows[k + 1]):
            reserve(end, begin - end, 0x100000)  # MAP_FIXED_NOREPLACE

for pages in (1, 2, 3):
    close_gaps()
    high = reserve(None, 6 << 30)
    close_gaps()
    size = pages * mmap.PAGESIZE
    libc.munmap(high + (6 << 30) - size, size)
    machine._loaded.clear()
    machine.load(task, target)
print("loaded")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")
@pytest.mark.few(0)
def test_code_is_beside_its_constants_where_memory_has_few_gaps(tmp_path: Path) -> None:
    """They could be placed over 2 GB apart, and LLVM aborted the process: `Assertion isInt<32>(RealOffset) failed`."""
    script = tmp_path / "crowded.py"
    script.write_text(CROWDED)
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)  # noqa: S603
    assert (found.returncode, found.stdout) == (0, "loaded\n"), found.stderr
