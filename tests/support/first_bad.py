"""Three cells walked value by value in Python's floats, up to the first value that is NaN or infinite.

Shares no code with the package: every line is written out here, `math` raises where a float overflows, and what a value
came from is looked up by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Row = list[float]
#: From the unit: why its value is not finite, and the operand that says so, with its value.
Why = Callable[[int], tuple[str, str, float]]


class Bad(NamedTuple):
    """The first value that is not finite: its address and value, the cause, and the operand that made it so."""

    address: str
    value: float
    cause: str
    operand: str
    operand_value: float


class LineRow(NamedTuple):
    """One line at one step of one sequence."""

    name: str
    values: Row
    why: Why


def exp(v: float) -> float:
    try:
        return math.exp(v)
    except OverflowError:
        return math.inf


def sigmoid(v: float) -> float:
    return 1 / (1 + exp(-v))


def divided(a: float, b: float) -> float:
    if b != 0 or math.isnan(a):
        return a / b
    return math.nan if a == 0 else math.copysign(math.inf, a) * math.copysign(1.0, b)


def log(v: float) -> float:
    return math.nan if math.isnan(v) or v < 0 else -math.inf if v == 0 else math.log(v)


def product(weights: Sequence[Row], v: Row) -> Row:
    return [sum(w * x for w, x in zip(row, v, strict=True)) for row in weights]


def of_product(matrix: str, weights: Sequence[Row], vector: str, v: Row, kind: str) -> Why:
    """kind: what it is if a value of the vector is not finite."""

    def why(j: int) -> tuple[str, str, float]:
        for k, (w, x) in enumerate(zip(weights[j], v, strict=True)):
            if not math.isfinite(w):
                return "weight", f"{matrix}[{j},{k}]", w
            if not math.isfinite(x):
                return kind, f"{vector}[{k}]", x
        sizes = [abs(w * x) for w, x in zip(weights[j], v, strict=True)]
        k = sizes.index(max(sizes))
        return "overflow", f"{matrix}[{j},{k}]", weights[j][k]

    return why


def finite(*_: Any) -> tuple[str, str, float]:
    raise AssertionError("this line is finite where its operands are")


def lstm(w: Mapping[str, Any], x: Row, h: Row, c: Row, start: bool, below: str) -> Iterator[LineRow]:
    """The lines of an LSTM with biases; the last two are its new states."""
    z: dict[str, Row] = {}
    act: dict[str, Row] = {}
    for gate in "ifco":
        inputs, hidden = product(w[f"W_x{gate}"], x), product(w[f"W_h{gate}"], h)
        yield LineRow(f"W_x{gate} @ x_t", inputs, of_product(f"W_x{gate}", w[f"W_x{gate}"], "x_t", x, below))
        state = ("h0", "initial") if start else ("h_prev", "operand")
        yield LineRow(f"W_h{gate} @ h_prev", hidden, of_product(f"W_h{gate}", w[f"W_h{gate}"], state[0], h, state[1]))
        bias = w[f"b_{gate}"]
        z[gate] = [a + b + d for a, b, d in zip(inputs, hidden, bias, strict=True)]
        yield LineRow(f"z_{gate}", z[gate], lambda j, g=gate, b=bias: ("weight", f"b_{g}[{j}]", b[j]))  # type: ignore[misc]
        act[gate] = [math.tanh(v) if gate == "c" else sigmoid(v) for v in z[gate]]
        yield LineRow("c_tilde" if gate == "c" else f"{gate}_t", act[gate], finite)
    kept = [a * b for a, b in zip(act["f"], c, strict=True)]
    yield LineRow("f_t * c_prev", kept, lambda j: ("initial" if start else "operand", f"c0[{j}]", c[j]))
    written = [a * b for a, b in zip(act["i"], act["c"], strict=True)]
    yield LineRow("i_t * c_tilde", written, finite)
    new = [a + b for a, b in zip(kept, written, strict=True)]
    yield LineRow("c_t", new, finite)
    squashed = [math.tanh(v) for v in new]
    yield LineRow("tanh(c_t)", squashed, finite)
    yield LineRow("h_t", [a * b for a, b in zip(act["o"], squashed, strict=True)], finite)


EXPONENTIAL = """z_t = W @ x_t + b - d
e_t = exp(z_t + 0.5 * c_prev)
c_t = 0.25 * c_prev + tanh(e_t)
h_t = tanh(c_t)
carry: c_prev <- c_t
output: h_t"""


def exponential(w: Mapping[str, Any], x: Row, _: Row, c: Row, start: bool, __: str) -> Iterator[LineRow]:
    """The lines of `EXPONENTIAL`."""
    inputs = product(w["W"], x)
    yield LineRow("W @ x_t", inputs, of_product("W", w["W"], "x_t", x, "input"))
    z = [a + b - d for a, b, d in zip(inputs, w["b"], w["d"], strict=True)]

    def biased(j: int) -> tuple[str, str, float]:
        name = "d" if math.isfinite(w["b"][j]) else "b"
        return "weight", f"{name}[{j}]", w[name][j]

    yield LineRow("z_t", z, biased)
    half = [0.5 * v for v in c]
    yield LineRow("0.5 * c_prev", half, lambda j: ("initial", f"c_prev[{j}]", c[j]))
    s = [a + b for a, b in zip(z, half, strict=True)]
    yield LineRow("z_t + 0.5 * c_prev", s, finite)
    e = [exp(v) for v in s]
    yield LineRow("e_t", e, lambda j: ("exp", f"z_t + 0.5 * c_prev[{j}]", s[j]))
    new = [0.25 * a + math.tanh(b) for a, b in zip(c, e, strict=True)]
    yield LineRow("c_t", new, finite)
    yield LineRow("h_t", [math.tanh(v) for v in new], finite)


SOFTMAX = """input: x_t, g_t, k_t
e_t = exp(W @ x_t)
s_t = sum(e_t)
a_t = e_t / s_t
p_t = a_t / g_t
l_t = log(k_t)
q_t = 0.5 * q_prev + p_t + l_t
carry: q_prev <- q_t
output: q_t"""


def softmax(w: Mapping[str, Any], x: Row, given: Row, q: Row, start: bool, _: str) -> Iterator[LineRow]:
    """The lines of `SOFTMAX`. given: g_t, then k_t."""
    g, k = given[: len(q)], given[len(q) :]
    inputs = product(w["W"], x)
    yield LineRow("W @ x_t", inputs, of_product("W", w["W"], "x_t", x, "input"))
    e = [exp(v) for v in inputs]
    yield LineRow("e_t", e, lambda j: ("exp", f"W @ x_t[{j}]", inputs[j]))
    total = sum(e)
    yield LineRow("s_t", [total], finite)
    a = [divided(v, total) for v in e]
    yield LineRow("a_t", a, lambda j: ("division", "s_t[0]", total))
    p = [divided(v, u) for v, u in zip(a, g, strict=True)]

    def gated(j: int) -> tuple[str, str, float]:
        return "given" if not math.isfinite(g[j]) else "division", f"g_t[{j}]", g[j]

    yield LineRow("p_t", p, gated)
    logs = [log(v) for v in k]
    yield LineRow("l_t", logs, lambda j: ("given" if not math.isfinite(k[j]) else "log", f"k_t[{j}]", k[j]))
    half = [0.5 * v for v in q]
    yield LineRow("0.5 * q_prev", half, lambda j: ("initial", f"q_prev[{j}]", q[j]))
    yield LineRow("q_t", [u + v + r for u, v, r in zip(half, p, logs, strict=True)], finite)


def walked(
    scope: str, cell: Callable[..., Iterator[LineRow]], w: Mapping[str, Any], x: Any, first: Any, second: Any,
    valid: Sequence[Sequence[bool]], below: str, given: Any = None,
) -> Bad | list[list[Row]]:  # fmt: skip
    """One direction of one layer: the first bad value, or the outputs at every step and sequence.

    x: (T, B, I); first, second: the initial states, (B, H), of which only an LSTM has the first; valid: (T, B).
    """
    count = len(x)
    order = [*range(count)][:: -1 if scope.endswith("reverse") else 1]
    h, c = [list(row) for row in first], [list(row) for row in second]
    outputs = [[[0.0] * len(h[0]) for _ in h] for _ in range(count)]
    for t in order:
        rows = {b: list(cell(w, x[t][b], h[b] if given is None else given[t][b], c[b], t == order[0], below))
                for b in range(len(h)) if valid[t][b]}  # fmt: skip
        for n in range(len(next(iter(rows.values()), []))):
            for b, lines in rows.items():
                for j, value in enumerate(lines[n].values):
                    if not math.isfinite(value):
                        return Bad(f"{scope}/{t}/{b}/{lines[n].name}[{j}]", value, *lines[n].why(j))
        for b, lines in rows.items():
            by_name = {line.name: line.values for line in lines}
            outputs[t][b] = by_name.get("h_t", lines[-1].values)
            h[b], c[b] = outputs[t][b], by_name.get("c_t", lines[-1].values)
    return outputs
