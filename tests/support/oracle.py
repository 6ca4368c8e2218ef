"""An LSTM, and any expression of the grammar, as scalar Python loops over plain lists; shares no code with the package.

Vectors are lists of numbers, matrices lists of rows, sequences are [step][row][unit]. Numbers are floats, or of
another kind that rounding.py has; weights are floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from .rounding import Near, dot, largest, near, numbers, through, total

Vector = list[Any]
Weights = Mapping[str, Any]


def sigmoid(z: float) -> float:
    """Right at both ends: exp never overflows."""
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def end_to_end(parts: Iterable[Vector]) -> Vector:
    """One vector after the other."""
    return list(chain.from_iterable(parts))


def matvec(matrix: Sequence[Vector], vector: Vector) -> Vector:
    """Each row's products, added up from left to right."""
    return [dot(row, vector) for row in matrix]


def vecmat(vector: Vector, matrix: Sequence[Vector]) -> Vector:
    """The vector's products with each column."""
    return [dot(column, vector) for column in zip(*matrix, strict=True)]


def step(
    w: Weights,
    x: Vector,
    h: Vector,
    c: Vector,
    peephole: bool = False,
    coupled: bool = False,
    clip: float | None = None,
) -> dict[str, Vector]:
    """Every named line of one step: z_i, i_t, …, c_t, h_t; `W_hr` projects, `b_*` or `b_x*` and `b_h*` are added."""
    lines: dict[str, Vector] = {}

    def gate(letter: str, name: str, cell: Vector | None) -> Vector:
        parts = [matvec(w[f"W_x{letter}"], x), matvec(w[f"W_h{letter}"], h)]
        parts += [w[bias] for bias in (f"b_{letter}", f"b_x{letter}", f"b_h{letter}") if bias in w]
        if peephole and cell is not None:
            parts.append([p * c_j for p, c_j in zip(w[f"w_c{letter}"], cell, strict=True)])
        lines[f"z_{letter}"] = [total(terms) for terms in zip(*parts, strict=True)]
        inside = [z if clip is None else call("clip", z, -clip, clip) for z in lines[f"z_{letter}"]]
        lines[name] = [call("tanh" if letter == "c" else "sigmoid", z) for z in inside]
        return lines[name]

    i = gate("i", "i_t", c)
    f = gate("f", "f_t", c) if not coupled else [1 - i_j for i_j in i]
    lines["f_t"] = f
    g = gate("c", "c_tilde", None)
    new = [f[j] * c[j] + i[j] * g[j] for j in range(len(c))]
    o = gate("o", "o_t", new)
    lines["c_t"] = new
    hidden = [o[j] * call("tanh", new[j]) for j in range(len(new))]
    lines["h_t"] = matvec(w["W_hr"], hidden) if "W_hr" in w else hidden
    return lines


def layer(
    w: Weights,
    xs: list[list[Vector]],
    h0: list[Vector],
    c0: list[Vector],
    recorded: Mapping[str, Any],
    lengths: list[int] | None = None,
    reverse: bool = False,
    **options: Any,
) -> dict[str, list[list[Vector]]]:
    """Every line of one layer and direction as [step][row][unit], near; past a row's length the states stay.

    recorded: h_t and c_t that a run found: each step begins with these.
    """
    steps, rows = len(xs), len(xs[0])
    found: dict[str, list[list[Vector]]] = {}
    for b in range(rows):
        h, c = h0[b], c0[b]
        end = steps if lengths is None else lengths[b]
        for t in reversed(range(steps)) if reverse else range(steps):
            lines = step(w, numbers(xs[t][b]), numbers(h), numbers(c), **options)
            lines["y_t"] = lines["h_t"] if t < end else [0.0] * len(h)
            if t < end:
                h, c = recorded["h_t"][t][b], recorded["c_t"][t][b]
            for name, values in lines.items():
                found.setdefault(name, [[[]] * rows for _ in range(steps)])[t][b] = values
    return found


def network(
    weights: Weights,
    xs: list[list[Vector]],
    h0: list[list[Vector]],
    c0: list[list[Vector]],
    recorded: Mapping[str, Mapping[str, Any]],
    lengths: list[int] | None = None,
    **options: Any,
) -> dict[str, dict[str, list[list[Vector]]]]:
    """A stack of layers by `layer/direction`; weights by `layer/direction/W_xi`, outputs of both directions joined.

    recorded: the lines that a run found: each step begins with its states, each layer with what is recorded below.
    """
    scopes = sorted({key.rsplit("/", 1)[0] for key in weights}, key=lambda s: (int(s.split("/")[0]), s))
    found: dict[str, dict[str, list[list[Vector]]]] = {}
    for k, scope in enumerate(scopes):
        number, direction = scope.split("/")
        w = {key.rsplit("/", 1)[1]: value for key, value in weights.items() if key.startswith(f"{scope}/")}
        inputs = xs if number == "0" else joined(recorded, int(number) - 1)
        found[scope] = layer(w, inputs, h0[k], c0[k], recorded[scope], lengths, direction == "reverse", **options)
    return found


def joined(lines: Mapping[str, Mapping[str, Any]], layer: int) -> list[list[Vector]]:
    """What a layer gives out: its directions end to end, as the next layer sees it."""
    halves = [lines[f"{layer}/{d}"] for d in ("forward", "reverse") if f"{layer}/{d}" in lines]
    outputs = [half.get("y_t", half["h_t"]) for half in halves]
    rows = range(len(outputs[0][0]))
    return [[end_to_end(y[t][b] for y in outputs) for b in rows] for t in range(len(outputs[0]))]


#: The named functions, by what mathematics says of them; constants follow the operand.
FUNCTIONS: dict[str, Any] = {
    "sigmoid": sigmoid,
    "tanh": math.tanh,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "floor": math.floor,
    "relu": lambda z: z if z > 0 else 0.0,
    "affine": lambda z, alpha=1.0, beta=0.0: alpha * z + beta,
    "leaky_relu": lambda z, alpha=0.01: z if z >= 0 else alpha * z,
    "thresholded_relu": lambda z, alpha=1.0: z if z > alpha else 0.0,
    "scaled_tanh": lambda z, alpha=1.0, beta=1.0: alpha * math.tanh(beta * z),
    "hard_sigmoid": lambda z, alpha=0.2, beta=0.5: min(max(alpha * z + beta, 0.0), 1.0),
    "elu": lambda z, alpha=1.0: z if z >= 0 else alpha * math.expm1(z),
    "softsign": lambda z: z / (1 + abs(z)),
    "softplus": lambda z: max(z, 0.0) + math.log1p(math.exp(-abs(z))),
    "clip": lambda z, low, high: min(max(z, low), high),
}


def call(name: str, z: Any, *constants: float) -> Any:
    """A named function of a number."""
    return through(name, FUNCTIONS[name], z, *constants)


def evaluate(tree: Any, values: Mapping[str, Any]) -> Vector:
    """The value of an expression tree (see strategies.py): ('name', n), ('number', x), ('+', [(sign, tree), …]), …"""
    kind, *rest = tree
    if kind == "name":
        return list(values[rest[0]])
    if kind == "number":
        return [near(rest[0])]
    if kind == "@":
        return matvec(values[rest[0]], evaluate(rest[1], values))
    if kind == "vecmat":
        return vecmat(evaluate(rest[1], values), values[rest[0]])
    if kind == "+":
        whole: Vector = [0.0]
        for sign, term in rest[0]:
            whole = _pairs(lambda a, b, s=sign: a + b if s > 0 else a - b, whole, evaluate(term, values))
        return whole
    parts = [evaluate(part, values) for part in rest[0]]
    if kind == "slice":
        return parts[0][slice(*rest[1])]
    if kind == "concat":
        return end_to_end(parts)
    if kind in ("sum", "mean", "max1"):
        return [{"sum": total, "mean": lambda v: total(v) / len(v), "max1": largest}[kind](parts[0])]
    if kind == "where":
        wide = max(map(len, parts))
        test, yes, no = (part * wide if len(part) == 1 else part for part in parts)
        return [_where(test[j], yes[j], no[j]) for j in range(wide)]
    if kind in ("*", "/", "max", ">"):
        rules = {"*": lambda a, b: a * b, "/": lambda a, b: a / b, "max": lambda *pair: largest(pair), ">": _greater}
        return _pairs(rules[kind], *parts)
    if kind == "-":
        return [-value for value in parts[0]]
    return [call(kind, value, *rest[1]) for value in parts[0]]


def _where(test: Any, yes: Any, no: Any) -> Any:
    """`yes` where the test is not zero; where that cannot be told, near both."""
    test, yes, no = near(test), near(yes), near(no)
    chosen = yes if test.value != 0 else no
    if 0 < test.off >= abs(test.value):
        return Near(chosen.value, abs(yes.value - no.value) + yes.off + no.off)
    return chosen


def _greater(a: Any, b: Any) -> Near:
    """1 or 0; where rounding decides, near both."""
    a, b = near(a), near(b)
    return Near(1.0 if a.value > b.value else 0.0, 1.0 if 0 < a.off + b.off >= abs(a.value - b.value) else 0.0)


def _pairs(rule: Any, a: Vector, b: Vector) -> Vector:
    wide = max(len(a), len(b))
    a, b = (v * wide if len(v) == 1 else v for v in (a, b))
    assert len(a) == len(b), f"{len(a)} against {len(b)} values"
    return [rule(p, q) for p, q in zip(a, b, strict=True)]
