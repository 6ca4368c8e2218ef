"""Plans: every line has the value that its definition gives on the recorded operands, whatever was hoisted or fused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from lstm_trace.cell.lines import Cell
from lstm_trace.cell.network import Stage
from lstm_trace.cell.ops import OPS
from lstm_trace.cell.parse import parse
from lstm_trace.cell.shapes import infer
from lstm_trace.cell.variants import masked, named
from lstm_trace.engine.plan import numpy_machine
from lstm_trace.engine.plan.kernels import KERNELS, Outside
from lstm_trace.engine.plan.numpy_machine import MOST_BLOCKS, MOST_BOUND, Machine
from lstm_trace.engine.plan.plan import NeighbourChains, Plan, make_plan
from lstm_trace.engine.run import run_lines
from lstm_trace.errors import LstmTraceError

from ...support.strategies import Case as Drawn, cells as shared_cells

Arrays = dict[str, Any]


def test_every_operation_has_a_kernel() -> None:
    assert set(KERNELS) == set(OPS)


# -- running one stage both ways ---------------------------------------------------------------------------------------


class Case:
    """A stage with weights, inputs and initial states drawn for it."""

    def __init__(
        self,
        cell: Cell,
        direction: str,
        parameters: Arrays,
        inputs: Arrays,
        initial: Arrays | None = None,
        seed: int = 0,
    ) -> None:
        self.cell, self.stage = cell, Stage(0, direction, cell, {})
        self.parameters = {name: parameters[name] for name in self.stage.parameters}
        self.inputs = {name: inputs[name] for name in self.stage.inputs}
        self.steps, self.batch = inputs["x_t"].shape[:2]
        self.dtype = inputs["x_t"].dtype
        shapes = {n: a.shape for n, a in self.parameters.items()}
        known = {n: (a.shape[2], "") for n, a in self.inputs.items()}
        known.update({s: (a.shape[1], "") for s, a in (initial or {}).items() if s in self.stage.states})
        self.sizes = infer(cell, [x.name for x in cell.lines], shapes, known)
        rng = np.random.default_rng(seed)
        shape = {s: (self.batch, self.sizes[s]) for s in self.stage.states}
        self.initial = {s: (initial or {}).get(s, rng.normal(size=shape[s])).astype(self.dtype) for s in shape}

    @classmethod
    def drawn(cls, cell: Cell, H: int, X: int, T: int, B: int, dtype: str, direction: str, seed: int) -> Case:
        """Arrays for a cell whose values are all H wide."""
        rng = np.random.default_rng(seed)
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(cell.parameters, (H,))
        for line in cell.lines:
            if line.product:
                matrix, vector = line.product
                shape = H, X if vector == "x_t" else H
                shapes[matrix] = shape if line.op == "matvec" else shape[::-1]
        parameters = {n: rng.normal(size=s).astype(dtype) for n, s in shapes.items()}
        lengths = rng.integers(0, T + 1, size=B)
        valid = (np.arange(T)[:, None] < lengths)[:, :, None]
        inputs = {"x_t": rng.normal(size=(T, B, X)).astype(dtype), "valid": valid.astype(dtype)}
        return cls(cell, direction, parameters, inputs, None, seed)

    @classmethod
    def of(cls, drawn: Drawn, direction: str) -> Case:
        """A case of the shared strategies."""
        return cls(parse(drawn.text), direction, drawn.weights, {"x_t": drawn.x}, drawn.initial)

    def plan(self) -> Plan:
        vectors = tuple((n, 0 if a.ndim == 2 else a.shape[0]) for n, a in self.parameters.items())
        inputs = tuple((n, a.shape[2]) for n, a in self.inputs.items())
        return make_plan(self.stage.lines, self.cell.carry, tuple(self.sizes.items()), inputs, vectors)

    def by_lines(self) -> Arrays:
        out = {x.name: np.empty((self.steps, self.batch, self.sizes[x.name]), self.dtype) for x in self.stage.lines}
        run_lines(self.stage, self.parameters, self.inputs, self.initial, out)
        return out

    def by_plan(self, small: bool, block: int) -> Arrays:
        machine = Machine(self.plan(), self.parameters, self.batch, self.dtype, self.stage.direction == "reverse")
        machine.small, machine.block = small, block
        slab = machine.slab(self.steps)
        for array in (slab.rows, slab.runs, slab.scratch):
            array.fill(np.nan)  # what is never written must show
        with np.errstate(all="ignore"):
            machine.run(self.steps, self.inputs, self.initial, slab)
        return {x.name: slab.line(x.name) for x in self.stage.lines}

    def operand(self, values: Arrays, name: Any) -> Any:
        """The recorded operand at every step: a line, an input, a parameter, or the carried line one step earlier."""
        if not isinstance(name, str):
            return name
        if name in self.stage.states:
            carried = values.get(self.cell.states[name], self.inputs.get(self.cell.states[name]))
            if self.stage.direction == "reverse":
                return np.concatenate([carried[1:], self.initial[name][None]])
            return np.concatenate([self.initial[name][None], carried[:-1]])
        return values[name] if name in values else {**self.inputs, **self.parameters}[name]


def check(case: Case, values: Arrays) -> None:
    """Each line against its definition on the operands that the plan recorded, within what rounding may explain."""
    eps = float(np.finfo(case.dtype).eps)
    for line in case.stage.lines:
        operands = [case.operand(values, name) for name in line.operands]
        found = values[line.name]
        with np.errstate(all="ignore"):
            expected = np.broadcast_to(OPS[line.op].array(operands, line.constants), found.shape)
            ulp = OPS[line.op].ulp
            if line.product:
                matrix, vector = operands if line.op == "matvec" else (operands[1].T, operands[0])
                bound = 2 * matrix.shape[1] * eps * (np.abs(vector) @ np.abs(matrix).T) + 1e-300
            elif ulp is None:
                bound = operands[0].shape[-1] * eps * np.sum(np.abs(operands[0]), axis=-1, keepdims=True)
            else:
                bound = ulp * np.spacing(np.abs(expected))
            wrong = ~((np.abs(found - expected) <= bound) | (found == expected) | ~np.isfinite(expected))
            wrong |= np.isfinite(expected) != np.isfinite(found)
        assert not wrong.any(), f"{line} differs at {np.argwhere(wrong)[0]}\n{case.plan()}"


# -- random cells ------------------------------------------------------------------------------------------------------

_UNARY = sorted(op.function for op in OPS.values() if op.function and op.arity == 1 and op.name != "clip")


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Equations that use earlier lines, states, inputs, parameters and numbers, with up to three carried states."""
    states = [f"s{k}_prev" for k in range(draw(st.integers(0, 3)))]
    names: list[str] = []
    rows: list[str] = []

    def value() -> str:
        return draw(st.sampled_from([*names, *states, "u_0", "u_1", "u_2"]))

    for k in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from(["sum", "product", "matrix", "unary", "other"]))
        if kind == "matrix" or not rows:
            vector = draw(st.sampled_from([*names, *states, "x_t"]))
            sides = [f"{'X' if vector == 'x_t' else 'W'}_{draw(st.integers(0, 3))}", vector]
            if draw(st.booleans()):  # from the other side; one matrix for each width of its vector
                sides = [vector, sides[0].replace("X", "Y")]
            right = " @ ".join(sides)
        elif kind == "sum":
            terms = draw(st.integers(2, 4))
            right = " ".join(f"{draw(st.sampled_from('+-'))} {value()}" for _ in range(terms)).removeprefix("+ ")
        elif kind == "product":
            right = f"{value()} {draw(st.sampled_from('*/'))} {value()}"
        elif kind == "unary":
            right = f"{draw(st.sampled_from(_UNARY))}({value()})"
        else:
            right = draw(
                st.sampled_from(
                    ["where({0}, {1}, {2})", "max({0}, {1})", "clip({0}, -0.5, 0.75)", "1 - {0}", "0.5 * {0} + {1}",
                     "{0} - mean({1})", "{0} + sum({1} * {2})", "-{0}", "{0} * {0} - max({1})", "{0} > {1}",
                     "({0} > 0) * {1}", "0.25 > {0}", "{0}[0:1] * {1}", "{0} + sum({1}[1:3])"]
                )
            ).format(value(), value(), value())  # fmt: skip
        names.append(f"v{k}")
        rows.append(f"v{k} = {right}")
    carry = ", ".join(f"{state} <- {draw(st.sampled_from(names))}" for state in states)
    rows += [f"carry: {carry}"] if carry else []
    rows.append(f"output: {names[-1]}")
    try:
        return parse("\n".join(rows))
    except LstmTraceError:
        assume(False)
        raise


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(
    cells(), st.integers(1, 4), st.integers(1, 3), st.integers(1, 7), st.sampled_from([1, 1, 3]),
    st.sampled_from(["float64", "float32"]), st.sampled_from(["forward", "reverse"]), st.booleans(),
    st.sampled_from([1, 2, 3, 64]), st.integers(0, 2**31),
)  # fmt: skip
def test_random_cells(
    cell: Cell, H: int, X: int, T: int, B: int, dtype: str, direction: str, small: bool, block: int, seed: int
) -> None:
    try:
        case = Case.drawn(cell, H, X, T, B, dtype, direction, seed)
    except LstmTraceError:
        assume(False)
        return
    check(case, case.by_plan(small, block))


@settings(max_examples=150)
@given(
    shared_cells(), st.sampled_from(["forward", "reverse"]), st.booleans(), st.sampled_from([1, 2, 3, 64]),
)  # fmt: skip
def test_cells_of_the_whole_grammar(drawn: Drawn, direction: str, small: bool, block: int) -> None:
    """Concatenations, values of width 1, reductions and states of several widths."""
    case = Case.of(drawn, direction)
    check(case, case.by_plan(small, block))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_kernel_is_its_operation(op: str, dtype: Any) -> None:
    """Bit for bit, infinities, NaN and zeros of both signs included."""
    special = [0.0, -0.0, 1.0, -1.0, 0.3, -0.3, 2.5, -2.5, 30.0, -30.0, 800.0, -800.0, np.inf, -np.inf, np.nan, 1e-310]
    a = np.array(special, dtype)
    table = OPS[op]
    count = 3 if table.arity is None else table.arity
    signs: list[tuple[float, ...]] = [tuple(c if c is not None else k for k, (_, c) in enumerate(table.constants))]
    if op == "add":
        signs = [(1.0, -1.0, 1.0), (-1.0, 1.0, 1.0)]
    operands = [np.roll(a, 3 * k)[None] for k in range(count)]
    if op in ("matvec", "vecmat"):
        matrix = np.arange(32, dtype=dtype).reshape(2, 16)
        operands = [matrix, np.ones((1, 16), dtype)] if op == "matvec" else [np.ones((1, 16), dtype), matrix.T]
    for constants in signs:
        with np.errstate(all="ignore"):
            expected = np.broadcast_to(table.array(operands, constants), np.shape(table.array(operands, constants)))
            out = np.empty_like(expected)
            bench = Outside(np.dtype(dtype))
            bench.started(out.shape)
            for function, arguments in KERNELS[op](bench, out, operands, constants):
                function(*arguments)
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(np.signbit(out), np.signbit(expected))


# -- the cells that we ship --------------------------------------------------------------------------------------------

FAMILY = {
    "plain": named("lstm", {})[0],
    "two biases": named("lstm", {"bias": "two"})[0],
    "peephole": named("lstm", {"bias": "one", "peephole": True})[0],
    "coupled": named("lstm", {"bias": "one", "coupled": True})[0],
    "layer norm": named("lstm", {"layer_norm": True, "layer_norm_cell": True})[0],
    "slstm": named("slstm", {"bias": "one"})[0],
    "lengths": masked(named("lstm", {"bias": "two"})[0], "repeat"),
    "hard": named("lstm", {"gate_activation": "hard_sigmoid", "candidate_activation": "softsign", "clip": 2.0})[0],
}


@pytest.mark.few(10)
@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize(("direction", "small"), [("forward", True), ("reverse", True), ("reverse", False)])
def test_family(name: str, B: int, direction: str, small: bool) -> None:
    case = Case.drawn(FAMILY[name], 5, 3, 11, B, "float64", direction, 7)
    values = case.by_plan(small, 4)
    check(case, values)
    for line, expected in case.by_lines().items():  # over so few steps the two may not drift apart
        assert np.abs(values[line] - expected).max() < 1e-12, line


def test_a_machine_remembers_the_views_of_a_few_lengths_only() -> None:
    """Runs of ever other lengths take no more memory, and each has the values of a fresh machine's."""
    case = Case.drawn(FAMILY["two biases"], 5, 3, 12, 1, "float64", "forward", 7)
    blocks = []

    def run(machine: Machine, steps: int) -> Any:
        machine.run(
            steps, {n: a[:steps] for n, a in case.inputs.items()}, case.initial, take=lambda *b: blocks.append(b)
        )
        return blocks[-1][0].line("h_t")[:steps].copy()

    def machine() -> Machine:
        return Machine(case.plan(), case.parameters, 1, case.dtype, False)

    kept = machine()
    for steps in (*range(1, 13), 2):
        np.testing.assert_array_equal(run(kept, steps), run(machine(), steps))
        run(kept, steps)
        assert 0 < len(blocks[-1][0].bound) <= MOST_BOUND


def test_a_trace_remembers_the_views_of_some_blocks_only() -> None:
    case = Case.drawn(FAMILY["two biases"], 5, 3, MOST_BLOCKS + 7, 3, "float64", "forward", 7)
    machine = Machine(case.plan(), case.parameters, 3, case.dtype, False)
    machine.small, machine.block = False, 1
    slab = machine.slab(case.steps)
    machine.run(case.steps, case.inputs, case.initial, slab)
    check(case, {line.name: slab.line(line.name) for line in case.stage.lines})
    assert 0 < len(slab.bound) <= MOST_BLOCKS


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_large_steps_with_nothing_outside_the_loop(direction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_machine, "KEPT", 0)  # every step is large
    case = Case.drawn(parse("h_t = tanh(W @ h_prev) * u\ncarry: h_prev <- h_t"), 5, 3, 9, 2, "float64", direction, 7)
    plan = case.plan()
    assert (plan.before, plan.after) == ((), ())
    machine = Machine(plan, case.parameters, 2, case.dtype, direction == "reverse")
    assert not machine.small
    slab = machine.slab(9)
    machine.run(9, case.inputs, case.initial, slab)
    check(case, {line.name: slab.line(line.name) for line in case.stage.lines})


def test_a_wrong_operand_is_seen() -> None:
    case = Case.drawn(FAMILY["plain"], 5, 3, 4, 1, "float64", "forward", 7)
    values = case.by_plan(True, 4)
    values["W_hi @ h_prev"], values["W_hf @ h_prev"] = values["W_hf @ h_prev"], values["W_hi @ h_prev"]
    with pytest.raises(AssertionError, match="differs at"):
        check(case, values)


# -- the rules, each by what the plan says -----------------------------------------------------------------------------


def calls(text: str, H: int = 5, X: int = 3) -> dict[str, list[tuple[str, ...]]]:
    """The lines of each call before, in and after the loop."""
    plan = Case.drawn(parse(text), H, X, 2, 1, "float64", "forward", 0).plan()
    return {part: [call.lines for call in getattr(plan, part)] for part in ("before", "loop", "after")}


def test_the_plain_cell_takes_eight_calls_a_step() -> None:
    plan = Case.drawn(FAMILY["two biases"], 5, 3, 2, 1, "float64", "forward", 0).plan()
    assert [(c.op, len(c.lines)) for c in plan.before] == [("matvec", 4), ("add", 4)]
    assert [(c.op, len(c.lines)) for c in plan.loop] == [
        ("matvec", 4), ("add", 4), ("sigmoid", 3), ("tanh", 1), ("mul", 2), ("add", 1), ("tanh", 1), ("mul", 1)
    ]  # fmt: skip
    assert plan.after == ()


def test_what_depends_on_no_state_is_computed_before() -> None:
    found = calls("a = tanh(W_x @ x_t)\nb = u * v\nh_t = a * h_prev + b\ncarry: h_prev <- h_t")
    assert found["before"] == [("W_x @ x_t",), ("a",), ("b",)]
    assert found["loop"] == [("a * h_prev",), ("h_t",)]


def test_what_no_later_step_needs_is_computed_after() -> None:
    found = calls("h_t = tanh(W_x @ x_t + W_h @ h_prev)\ny_t = W_y @ h_t + b_y\ncarry: h_prev <- h_t")
    assert found["after"] == [("W_y @ h_t",), ("y_t",)]


def test_only_leading_terms_are_added_before() -> None:
    leading = calls("h_t = W_x @ x_t - b + W_h @ h_prev + d\ncarry: h_prev <- h_t")
    assert leading["before"] == [("W_x @ x_t",), ("partial W_x @ x_t - b",)]
    later = calls("h_t = W_h @ h_prev + W_x @ x_t + b\ncarry: h_prev <- h_t")
    assert later["before"] == [("W_x @ x_t",)]


def test_a_state_that_cannot_share_its_line_is_copied() -> None:
    twice = "h_t = tanh(a_prev + b_prev * u)\ncarry: a_prev <- h_t, b_prev <- h_t"
    assert ("next b_prev",) in calls(twice)["loop"]
    assert ("next a_prev",) in calls("p = W @ x_t\nh_t = a_prev + u\ncarry: a_prev <- p")["loop"]


def test_a_step_may_not_wait_for_itself() -> None:
    """`b` reads `a`: they are of one kind, but cannot be one call."""
    found = calls("a = tanh(h_prev)\nb = tanh(a)\nh_t = a * b\ncarry: h_prev <- h_t")
    assert found["loop"] == [("a",), ("b",), ("h_t",)]


@pytest.mark.parametrize("refused", [("c", "x"), ("x", "d"), ("d", "b")], ids=["right taken", "left taken", "ring"])
def test_neighbours_that_cannot_all_stand_together_leave_no_trace(refused: tuple[str, str]) -> None:
    chains = NeighbourChains()
    assert chains.join([("b", "c"), ("c", "d")])
    assert not chains.join([("b", "c"), ("y", "z"), refused])
    assert (chains.right, chains.left) == ({"b": "c", "c": "d"}, {"c": "b", "d": "c"})
    assert chains.join([("y", "a"), ("a", "b")])
    assert list(chains.chain("y")) == ["y", "a", "b", "c", "d"]


def test_a_plan_is_a_value() -> None:
    case = Case.drawn(FAMILY["plain"], 5, 3, 4, 1, "float64", "forward", 7)
    assert case.plan() is case.plan()
    assert not any(isinstance(v, np.ndarray) for v in vars(case.plan()).values())
    text = str(case.plan())
    assert "each step: 17 lines in 8 calls" in text
    assert "c_t (read as c_prev) | c_tilde" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
