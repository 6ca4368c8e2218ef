"""The test vectors of docs/trace-format.md: small traces, right and wrong in one place, with their verdicts.

    python -m schemas.vectors.make            writes the vectors that are missing, and verdicts.json
    python -m schemas.vectors.make NAME …     writes these again

Vectors are kept as they were written: the last digits of another machine may differ, and a vector that changes is no
vector. A wrong value is off by much more than its bound: every machine and every checker gives the same verdict.
"""

from __future__ import annotations

import copy
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lstm_trace as lt
from docs.trace_format import dumped
from lstm_trace.trace.files.trace_file import to_json

HERE = Path(__file__).parent
File = dict[str, Any]


EQUATIONS = """h_t = tanh(W @ x_t + U @ h_prev + b)
carry: h_prev <- h_t"""
FLAT = """s_t = (x_t + u) + v - -w * 2 + -0.5
r_t = x_t + (u - v) - (-(w * x_t))
p_t = x_t * u * v * (w * x_t)
q_t = -(x_t + u) + v
n_t = -x_t * u + -(v * w) * 100000.0
a_t = (x_t + u) * 1e-5
b_t = tanh(x_t + u)
d_t = (x_t > u + v) * (u < 0.25) + -(x_t * u)[0:2] * v[1]
e_t = x_t * u
g_t = 0.1
h_t = a_t + b_t + d_t + e_t * g_t + h_prev
carry: h_prev <- h_t"""
OPERATIONS = """a_t = sigmoid(z) + tanh(z) - exp(z) * log(k) + sqrt(k)
b_t = sin(z) * cos(k) - floor(z * 3) + relu(z)
d_t = elu(z) + elu(z, 0.7) * softplus(z) - clip(z, -0.3, 0.1)
e_t = where(z > 0.1, z, k) + max(z, k * 0.1)
q_t = z / k
g_t = concat(max(z), sum(z), mean(k), 0.1, a_t[1])
m_t = 0.1 * z + 0.2
k = x_t * x_t + 0.3
"""
COMPOSITES = """mish(z) = z * tanh(softplus(z))
swish(z, beta=1) = z * sigmoid(beta * z)
twice(z) = z
less(z) = z - 1
z_t = W @ x_t + U @ h_prev
a_t = mish(z_t) + swish(z_t) - swish(z_t, 1.5)
d_t = softmax(z_t) * hard_sigmoid(z_t) + twice(x_t) * less(z_t + x_t) * less(-x_t)
e_t = min(-z_t, x_t) + celu(z_t, 0.5) - selu(x_t)
g_t = log_softmax(z_t) + silu(x_t) * swish(x_t)
h_t = softsign(a_t + d_t) + gelu_tanh(e_t * g_t) * squared_error(g_t, x_t)
carry: h_prev <- h_t"""
MATRICES = """k_t = W_k @ x_t
v_t = W_v @ x_t
f_t = sigmoid(w_f @ x_t)
D = -exp(D_log)
C_t = f_t * C_prev + outer(v_t, k_t) + D * outer(ones(v_t), k_t)
r_t = C_t @ k_t
l_t = v_t @ C_t
u_t = u @ C_t
h_t = r_t * sum(C_t) + mean(C_t) * max(C_t) + tanh(r_t) * sum(l_t + u_t)
matrix: D_log
carry: C_prev <- C_t"""
ROWS = """z = x_t @ kernel + h_prev @ recurrent_kernel + bias
i_t = sigmoid(z[0:2])
f_t = sigmoid(z[2:4])
c_tilde = tanh(z[4:6])
o_t = sigmoid(z[6:8])
c_t = f_t * c_prev + i_t * c_tilde
h_t = o_t * tanh(c_t)
carry: h_prev <- h_t, c_prev <- c_t"""
GREEK = """γ_t = σ_0 * ψ_prev + x_t
ψ_t = tanh(γ_t)
carry: ψ_prev <- ψ_t"""
OVERFLOW = """q_t = x_t / (x_t - 1)
m_t = q_t * 1e200 * 1e200
n_t = m_t - m_t
r_t = sqrt(x_t - 1.5)
w_t = where(n_t, max(n_t, x_t), relu(r_t))
y_t = (n_t > 0) + (m_t > 0)"""
BIG = """z_t = W @ x_t
e_t = exp(z_t * 100)
h_t = tanh(e_t)"""


def numbers(seed: int, *shape: int, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Numbers of two decimals: short, and inexact in binary."""
    return np.round(np.random.default_rng(seed).normal(0, scale, shape), 2)


def weights(cell: str, inputs: int, units: int, seed: int, scope: str = "") -> dict[str, Any]:
    """Weights of a named cell, one bias for each gate."""
    gates = {"lstm": ["i", "f", "c", "o"], "rnn": ["h"]}[cell]
    found: dict[str, Any] = {}
    for k, gate in enumerate(gates):
        found[f"{scope}W_x{gate}"] = numbers(seed + 3 * k, units, inputs)
        found[f"{scope}W_h{gate}"] = numbers(seed + 3 * k + 1, units, units, scale=0.7)
        found[f"{scope}b_{gate}"] = numbers(seed + 3 * k + 2, units, scale=0.5)
    return found


def plain(batch: int = 2, **options: Any) -> lt.Trace:
    """An LSTM of 2 units with 3 inputs, over 3 steps, whose states do not begin at 0."""
    states = numbers(31, 1, batch, 2), numbers(32, 1, batch, 2)
    return lt.run(weights("lstm", 3, 2, 1), numbers(30, 3, batch, 3), *states, plan="lines", **options)


def two_ways(layers: int = 1, units: int = 2, cell: str = "rnn", **options: Any) -> lt.Trace:
    """Layers of two directions."""
    given: dict[str, Any] = {}
    for layer in range(layers):
        for k, way in enumerate(("forward", "reverse")):
            wide = 2 if layer == 0 else 2 * units
            given |= weights(cell, wide, units, 100 + 40 * layer + 20 * k, f"{layer}/{way}/")
    states = [numbers(33 + k, 2 * layers, 2, units) for k in range(1 + (cell == "lstm"))]
    other = {name: options.pop(name) for name in ("merge", "padding") if name in options}
    return lt.run(given, numbers(35, 3, 2, 2), *states, options=other, plan="lines", **options)


def own(text: str, given: dict[str, Any], x: Any, **options: Any) -> lt.Trace:
    """A cell with equations of its own."""
    return lt.run(given, x, cell={"equations": text}, plan="lines", **options)


def small(**options: Any) -> lt.Trace:
    """A plain recurrent cell, written out."""
    given = {"W": numbers(40, 3, 2), "U": numbers(41, 3, 3, scale=0.6), "b": numbers(42, 3)}
    return own(EQUATIONS, given, numbers(43, 3, 2, 2), **({"h0": numbers(44, 1, 2, 3)} | options))


def flat(**options: Any) -> lt.Trace:
    """Sums that flatten, and do not, and expressions that are equal."""
    given = {name: numbers(50 + k, 2) for k, name in enumerate("uvw")}
    return own(FLAT, given, numbers(54, 2, 2, 2), **options)


def operations(**options: Any) -> lt.Trace:
    """Every operation on units, in float32."""
    rows = OPERATIONS.splitlines()
    text = "\n".join([rows[-1], "z = W @ x_t", *rows[:-1], "output: a_t"])
    return own(text, {"W": numbers(60, 2, 2)}, numbers(61, 3, 1, 2), **({"dtype": "float32"} | options))


def matrices(steps: int = 2, **options: Any) -> lt.Trace:
    """Matrices that the cell computes, and products with them."""
    given = {
        "W_k": numbers(70, 3, 2), "W_v": numbers(71, 2, 2), "w_f": numbers(72, 1, 2), "D_log": numbers(73, 2, 3),
        "u": numbers(74, 2),
    }  # fmt: skip
    return own(MATRICES, given, numbers(75, steps, 1, 2), initial={"C_prev": numbers(76, 1, 2, 3)}, **options)


def held() -> lt.Trace:
    """Lines that are held and scaled, named and unnamed, at some steps, sequences and units."""
    hold = {
        "c_t[1]": 0.25,
        "0/forward/1/0/c_t[0]": "*0.5",
        "f_t": "*2",
        "2/tanh(c_t)": -0.75,
        "0/forward/0..1/1/W_xi @ x_t[0]": 0.5,
    }
    return plain(hold=hold)


def short(trace: lt.Trace, first: int, stop: int) -> lt.Trace:
    """Some steps of a trace."""
    from lstm_trace.trace.window import between

    return between(trace, range(first, stop))


def without(*names: str) -> Callable[[File], None]:
    """Remove recorded lines."""

    def change(file: File) -> None:
        for here in file["lines"].values():
            for name in names:
                here.pop(name, None)

    return change


def inside(file: File) -> None:
    """Remove the lines inside calls, as files of earlier versions."""
    lost = ("softplus(x_t)", "tanh(softplus(x_t))", "2 * u", "sigmoid(2 * u)")
    assert {*lost} <= {*file["lines"]["0/forward"]}
    without(*lost)(file)


def put(value: Any, *path: Any) -> Callable[[File], None]:
    """Replace one entry. value: the new one, or a function of the old one."""

    def change(file: File) -> None:
        here = file
        for key in path[:-1]:
            here = here[key]
        here[path[-1]] = value(here[path[-1]]) if callable(value) else value

    return change


def text(old: str, new: str, stage: int = 0) -> Callable[[File], None]:
    """Replace a part of the equations of a stage."""

    def replaced(before: str) -> str:
        assert old in before, before
        return before.replace(old, new)

    return put(replaced, "stages", stage, "equations")


def exchanged(scope: str, one: str, two: str, part: str = "lines") -> Callable[[File], None]:
    """Exchange the values of two lines."""

    def change(file: File) -> None:
        here = file[part][scope]
        here[one], here[two] = here[two], here[one]

    return change


def renamed(scope: str, old: str, new: str) -> Callable[[File], None]:
    """Give a line another name, in the same place."""

    def change(file: File) -> None:
        file["lines"][scope] = {new if n == old else n: values for n, values in file["lines"][scope].items()}

    return change


def both(*changes: Callable[[File], None]) -> Callable[[File], None]:
    """Several changes, one after the other."""

    def change(file: File) -> None:
        for one in changes:
            one(file)

    return change


def wrong_state(file: File) -> None:
    """The recurrent product of the last step reads the state of the step before the previous one."""
    lines = file["lines"]["0/forward"]
    matrix = np.array(file["parameters"]["0/forward"]["U"])
    lines["U @ h_prev"][2] = (np.array(lines["h_t"][0]) @ matrix.T).tolist()


def reassociated(file: File) -> None:
    """Add the terms of a sum from the right: the last digit differs."""
    lines = {name: np.array(values) for name, values in file["lines"]["0/forward"].items()}
    name = "W @ x_t + U @ h_prev + b"
    other = lines["W @ x_t"] + (lines["U @ h_prev"] + np.array(file["parameters"]["0/forward"]["b"]))
    assert (other != lines[name]).any()
    file["lines"]["0/forward"][name] = other.tolist()


def double(file: File) -> None:
    """Multiply by a constant that was not rounded to float32 before, and round once."""
    lines = file["lines"]["0/forward"]
    name = "0.1 * z"
    other = (0.1 * np.array(lines["z"])).astype(np.float32)
    assert (other != np.array(lines[name], np.float32)).any()
    lines[name] = other.tolist()


def transposed(file: File) -> None:
    """Write a matrix column by column."""
    values = np.array(file["lines"]["0/forward"]["outer(v_t, k_t)"])
    other = values.reshape(*values.shape[:-1], 2, 3).swapaxes(-1, -2).reshape(values.shape)
    file["lines"]["0/forward"]["outer(v_t, k_t)"] = other.tolist()


def cut_off(value: float) -> float:
    """The beginning of the series of tanh in place of its value."""
    x = float(np.arctanh(value))
    return x - x**3 / 3


def more(amount: float) -> Callable[[float], float]:
    """Add an amount."""
    return lambda value: value + amount


def times(factor: float) -> Callable[[float], float]:
    """Multiply."""
    return lambda value: value * factor


@dataclass(frozen=True)
class Vector:
    """One vector: the trace, how its file is changed, and what is right or wrong in it."""

    made: Callable[[], lt.Trace]
    why: str
    change: Callable[[File], None] = lambda _: None
    tensors: bool = False
    other: str = ""  # the verdict that a checker may also give


LINES = ("lines", "0/forward")
BACK = ("lines", "0/adjoint-forward")
RAGGED = {"lengths": [3, 2]}
MASK = {"mask": [[1, 0], [0, 1], [1, 1]]}
SEED = [[[1.0, 0.5, -0.25], [0.125, -1.0, 0.75]]]
BY_HAND = {"arithmetic": "by-hand-2"}

VECTORS: dict[str, Vector] = {
    # -- right ----------------------------------------------------------------------------------------------------
    "plain": Vector(plain, "an LSTM over three steps of two sequences"),
    "float32": Vector(lambda: small(dtype="float32"), "float32"),
    "small": Vector(small, "a cell with equations of its own"),
    "unicode": Vector(
        lambda: own(GREEK, {"σ_0": [0.3]}, numbers(38, 2, 1, 2)),
        "names in Greek letters",
    ),
    "layers": Vector(lambda: two_ways(2), "two layers of two directions, joined by concat"),
    "merged-lengths": Vector(
        lambda: two_ways(merge="mean", padding="repeat", **RAGGED), "lengths, padding: repeat; two directions, averaged"
    ),
    "mask-carry": Vector(lambda: two_ways(padding="carry", merge="sum", **MASK), "a mask with gaps; padding: carry"),
    "window": Vector(lambda: short(two_ways(padding="zero", **RAGGED), 1, 3), "two steps of a longer run: first is 1"),
    "held": Vector(held, "lines that are held and scaled"),
    "held-carry": Vector(
        lambda: two_ways(padding="carry", hold={"0/forward/1/0/y_t[0]": 0.5}, **RAGGED),
        "the output is held, and the state that carries it is not",
    ),
    "given": Vector(
        lambda: plain(batch=1, given={"f_t": numbers(39, 3, 1, 2), "W_xi @ x_t": numbers(45, 3, 1, 2)}),
        "a line with a name and one without are supplied",
    ),
    "computed": Vector(lambda: plain(batch=1, ask=["2/c_t"]), "only the lines that c_t depends on were computed"),
    "one-step": Vector(
        lambda: lt.run(weights("rnn", 1, 2, 1), numbers(92, 1, 1, 1), numbers(93, 1, 1, 2), ask=["W_hh @ h_prev"]),
        "one step: the line that a state carries was not computed, and is not read",
    ),
    "composites": Vector(
        lambda: own(COMPOSITES, {"W": numbers(46, 2, 2), "U": numbers(47, 2, 2)}, numbers(48, 2, 1, 2)),
        "composite functions: of the table, defined in the text, with default values, nested",
    ),
    "inside": Vector(
        lambda: own(
            "swish(z, k=1) = z * sigmoid(k * z)\na_t = mish(x_t)\ny_t = swish(u, 2) + a_t",
            {"u": [0.3, -1.2]},
            numbers(48, 2, 1, 2),
        ),
        "lines inside calls are not in the file, as in those of earlier versions",
        inside,
        other="inconclusive",  # it need not derive them
    ),
    "flat": Vector(flat, "sums that flatten, and do not; equal expressions; canonical names"),
    "operations": Vector(operations, "every operation on units, in float32"),
    "matrices": Vector(
        lambda: matrices(steps=3), "matrices that are values: outer, products from both sides, declared"
    ),
    "rows": Vector(
        lambda: own(
            ROWS,
            {"kernel": numbers(80, 3, 8), "recurrent_kernel": numbers(81, 2, 8), "bias": numbers(82, 8)},
            numbers(83, 3, 1, 3),
        ),
        "the notation of Keras: x_t @ kernel, and slices",
    ),
    "adjoint": Vector(
        lambda: lt.backward(plain(batch=1), h_n=numbers(84, 1, 1, 2), c_n=numbers(85, 1, 1, 2)),
        "a gradient: adjoint stage and sums",
    ),
    "adjoint-joined": Vector(
        lambda: lt.backward(two_ways(padding="zero", **RAGGED), output=numbers(86, 3, 2, 4)),
        "a gradient through two directions and padding",
    ),
    "adjoint-matrices": Vector(
        lambda: lt.backward(matrices(), of="1/0/h_t[1]"), "a gradient through matrices; a weight lies in one row"
    ),
    "adjoint-subtracted": Vector(
        lambda: lt.backward(
            own(
                "h_t = (x_t - mu) * h_prev\ncarry: h_prev <- h_t",
                {"mu": numbers(88, 2)},
                numbers(89, 3, 1, 2),
                h0=numbers(90, 1, 1, 2),
            ),
            of="2/h_t[1]",
        ),
        "the gradient of a parameter that is subtracted: a sum over steps of the line -a",
    ),
    "by-hand": Vector(lambda: plain(batch=1, **BY_HAND), "by hand, with two decimals"),
    "by-hand-premises": Vector(
        lambda: flat(arithmetic="by-hand-1"),
        "by hand with one decimal: weights and inputs have two, and are not rounded",
    ),
    "by-hand-operations": Vector(
        lambda: operations(dtype="float64", arithmetic="by-hand-3"), "every operation on units, by hand"
    ),
    "by-hand-adjoint": Vector(
        lambda: lt.backward(small(arithmetic="by-hand-3"), h_n=SEED),
        "a gradient by hand: the order of a sum",
    ),
    "float16": Vector(lambda: plain(batch=1, arithmetic="float16"), "float16"),
    "bfloat16": Vector(lambda: operations(dtype="float64", arithmetic="bfloat16"), "bfloat16, every operation"),
    "single": Vector(lambda: matrices(arithmetic="float32"), "the arithmetic float32, with matrices"),
    "q3.6": Vector(lambda: plain(batch=1, arithmetic="q3.6"), "fixed point with few bits"),
    "q1.7-operations": Vector(
        lambda: operations(dtype="float64", arithmetic="q1.7"),
        "fixed point without 1, which saturates; every operation on units",
    ),
    "q4.8-matrices": Vector(lambda: matrices(arithmetic="q4.8"), "fixed point, with matrices"),
    "not-finite": Vector(
        lambda: own(OVERFLOW, {}, [[[0.5, 1.0]], [[2.0, 1e200]]]), "NaN and infinity from exact operations"
    ),
    "tensors": Vector(lambda: two_ways(padding="zero", **RAGGED), "the file is .safetensors", tensors=True),
    "tensors-float32": Vector(
        lambda: lt.backward(small(dtype="float32"), h_n=SEED),
        "a gradient in float32, as .safetensors",
        tensors=True,
    ),
    # -- inconclusive -----------------------------------------------------------------------------------------------
    "overflow": Vector(
        lambda: own(BIG, {"W": [[1.0, 2.0]]}, [[3.0, 4.0], [0.01, 0.02]]), "exp overflows: its bound is not finite"
    ),
    "lacking": Vector(small, "a line was not recorded, and another reads it", without("U @ h_prev")),
    "lacking-state": Vector(
        small, "the initial value of a state was not recorded", lambda file: file["inputs"].pop("h0") and None
    ),
    "lacking-answer": Vector(
        small, "a requested line was not recorded", both(put(["h_t"], "ask"), without("h_t", "U @ h_prev"))
    ),
    # -- wrong in one place -----------------------------------------------------------------------------------------
    "wrong-product": Vector(small, "a product is off by 1e-9", put(more(1e-9), *LINES, "W @ x_t", 1, 1, 2)),
    "wrong-product-float32": Vector(
        lambda: small(dtype="float32"), "a product is off by 2e-5", put(more(2e-5), *LINES, "U @ h_prev", 2, 0, 1)
    ),
    "wrong-activation": Vector(small, "an activation is off by 1e-10", put(more(1e-10), *LINES, "h_t", 0, 1, 0)),
    "wrong-function": Vector(flat, "a tanh is cut off: x - x³ / 3", put(cut_off, *LINES, "b_t", 1, 0, 0)),
    "wrong-sum": Vector(small, "the terms of a sum were added from the right", reassociated),
    "wrong-constant": Vector(operations, "a constant was not rounded to float32 first", double),
    "wrong-nan": Vector(small, "a number was replaced by NaN", put("NaN", *LINES, "h_t", 2, 1, 1)),
    "wrong-state": Vector(small, "the state of an earlier step was read", wrong_state),
    "wrong-initial": Vector(small, "an initial state was changed", put(more(0.125), "inputs", "h0", "0/forward", 1, 0)),
    "wrong-length": Vector(
        lambda: two_ways(padding="zero", **RAGGED), "a length was changed", put(1, "inputs", "lengths", 1)
    ),
    "wrong-padding": Vector(
        lambda: two_ways(padding="zero", **RAGGED),
        "an output at padding is not zero",
        put(1e-3, "lines", "0/forward", "y_t", 2, 1, 0),
    ),
    "wrong-weight": Vector(small, "a weight was changed", put(more(0.01), "parameters", "0/forward", "U", 2, 1)),
    "wrong-input": Vector(small, "an input was changed", put(more(0.01), "inputs", "x", 1, 1, 0)),
    "wrong-names": Vector(small, "two lines have each other's values", exchanged("0/forward", "W @ x_t", "U @ h_prev")),
    "wrong-held": Vector(
        lambda: small(hold={"h_t[1]": 0.25}),
        "the value that a line was held at was changed",
        put(0.5, "inputs", "given", "0/forward", "to_h_t", 0, 0, 1),
    ),
    "wrong-equation": Vector(small, "an equation was changed", text("tanh(", "sigmoid(")),
    "wrong-definition": Vector(
        lambda: own("y_t = soft(x_t)\nsoft(z) = z * sigmoid(z) + 0.5", {}, numbers(49, 2, 1, 2)),
        "a definition was changed",
        text("+ 0.5", "+ 0.25"),
    ),
    "wrong-joined": Vector(
        lambda: two_ways(),
        "the directions were joined in the other order",
        put(lambda rows: [[row[2:] + row[:2] for row in step] for step in rows], "lines", "0/joined", "y_t"),
    ),
    "wrong-matrix": Vector(matrices, "an outer product was written column by column", transposed),
    "wrong-first": Vector(
        lambda: short(two_ways(padding="zero", **RAGGED), 1, 3),
        "first was changed, from which lengths are counted",
        put(2, "first"),
    ),
    "wrong-adjoint": Vector(
        lambda: lt.backward(small(arithmetic="by-hand-3"), h_n=SEED),
        "a line of an adjoint, by hand, is off by its last digit",
        put(lambda v: round(v + 0.001, 3), *BACK, "d_h_t", 1, 0, 1),
    ),
    "wrong-gradient": Vector(
        lambda: lt.backward(small(dtype="float32"), h_n=SEED),
        "the gradient of a weight is off by a tenth",
        put(times(0.9), "sums", "0/adjoint-forward", "d_W", 1, 1),
    ),
    "wrong-by-hand": Vector(
        lambda: small(**BY_HAND),
        "a result by hand is off by its last digit",
        put(lambda v: round(v + 0.01, 2), *LINES, "h_t", 2, 1, 1),
    ),
    "wrong-float16": Vector(
        lambda: small(arithmetic="float16"),
        "a result in float16 is off by its last bit",
        put(lambda v: float(np.nextafter(np.float16(v), np.float16(9))), *LINES, "U @ h_prev", 1, 1, 0),
    ),
    "wrong-fixed": Vector(
        lambda: small(arithmetic="q3.6"),
        "a result in fixed point is off by one step",
        put(more(-(2**-6)), *LINES, "U @ h_prev", 0, 0, 1),
    ),
    "wrong-tensors": Vector(
        lambda: small(dtype="float32"),
        "a line in a .safetensors file is off by 0.001",
        put(more(1e-3), *LINES, "h_t", 1, 0, 0),
        tensors=True,
    ),
    # -- refused ----------------------------------------------------------------------------------------------------
    "refused-name": Vector(small, "a line was renamed: the cell has no such line", renamed("0/forward", "h_t", "g_t")),
    "refused-shape": Vector(
        small,
        "a line has another width than its equation gives",
        put(lambda rows: [[row[:2] for row in step] for step in rows], *LINES, "W @ x_t"),
    ),
    "refused-equation": Vector(small, "an equation cannot be read", text("@ x_t", "@@ x_t")),
    "refused-carry": Vector(small, "a state is read and not carried", text("carry: h_prev <- h_t\n", "")),
    "refused-format": Vector(small, "the format of another version", put("lstm-trace/9", "format")),
}


#: Keys that no value depends on: they are left out, except in the vector `plain`.
STATEMENTS = (
    "title",
    "notes",
    "names",
    "symbols",
    "count_from",
    "imported",
    "batched",
    "batch_first",
    "plan",
    "agreement",
)


def shortest(value: Any) -> Any:
    """The shortest decimals that give back the same float32; a program may write those too."""
    if isinstance(value, dict):
        return {key: shortest(one) for key, one in value.items()}
    return [shortest(one) for one in value] if isinstance(value, list) else float(str(np.float32(value)))


def written(name: str, vector: Vector, folder: Path) -> Path:
    """Write one vector."""
    file = copy.deepcopy(json.loads(to_json(vector.made())))
    vector.change(file)
    if name != "plain":
        file = {key: value for key, value in file.items() if key not in STATEMENTS and value is not None}
        for stage in file["stages"]:
            if stage["computed"] == [*file["lines"].get(f"{stage['layer']}/{stage['direction']}", ())]:
                del stage["computed"]
    if file.get("dtype") == "float32" and name != "float32":
        file["lines"] = shortest(file["lines"])
    if not vector.tensors:
        path = folder / f"{name}.json"
        path.write_text(dumped(file) + "\n", encoding="utf-8")
        return path
    path = folder / f"{name}.safetensors"
    lt.load(io.StringIO(json.dumps(file))).save(path)
    return path


def verdict(path: Path) -> tuple[str, str | None]:
    """What `lt.load` and `lt.verify` say of a file: the verdict, and the address of the first wrong value."""
    try:
        found = lt.verify(lt.load(path))
    except lt.LstmTraceError:
        return "refused", None
    return found.verdict, str(found.failures[0].address) if found.failures else None


def make(folder: Path, names: list[str] | None = None) -> None:
    """Write the vectors that are missing, or those named, and the verdicts of all."""
    rows = []
    for name, vector in VECTORS.items():
        path = folder / f"{name}.{'safetensors' if vector.tensors else 'json'}"
        if name in (names or ()) or not path.exists():
            path = written(name, vector, folder)
        said, first = verdict(path)
        other = {"or": vector.other} if vector.other else {}
        rows.append({"file": path.name, "verdict": said, **other, "first": first, "why": vector.why})
    lines = ",\n ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "verdicts.json").write_text(f"[\n {lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    make(HERE, sys.argv[1:])
