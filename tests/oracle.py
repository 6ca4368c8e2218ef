"""An LSTM, and any expression of the grammar, as scalar Python loops over plain lists; shares no code with the package.

Vectors are lists of floats, matrices lists of rows, sequences are [step][row][unit].
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

Vector = list[float]
Weights = Mapping[str, Any]


def sigmoid(z: float) -> float:
    """Right at both ends: exp never overflows."""
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def end_to_end(parts: Iterable[Vector]) -> Vector:
    """One vector after the other."""
    return list(chain.from_iterable(parts))


def matvec(matrix: Sequence[Vector], vector: Vector) -> Vector:
    """Each row's products, added up from left to right."""
    for row in matrix:
        assert len(row) == len(vector), f"a row of {len(row)} against {len(vector)} values"
    return [sum(w * v for w, v in zip(row, vector, strict=True)) for row in matrix]


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
        z = matvec(w[f"W_x{letter}"], x)
        for j, part in enumerate(matvec(w[f"W_h{letter}"], h)):
            z[j] += part
        for bias in (f"b_{letter}", f"b_x{letter}", f"b_h{letter}"):
            for j in range(len(z)):
                z[j] += w[bias][j] if bias in w else 0.0
        if peephole and cell is not None:
            for j in range(len(z)):
                z[j] += w[f"w_c{letter}"][j] * cell[j]
        lines[f"z_{letter}"] = z
        inside = [z_j if clip is None else min(max(z_j, -clip), clip) for z_j in z]
        lines[name] = [math.tanh(z_j) if letter == "c" else sigmoid(z_j) for z_j in inside]
        return lines[name]

    i = gate("i", "i_t", c)
    f = gate("f", "f_t", c) if not coupled else [1 - i_j for i_j in i]
    lines["f_t"] = f
    g = gate("c", "c_tilde", None)
    new = [f[j] * c[j] + i[j] * g[j] for j in range(len(c))]
    o = gate("o", "o_t", new)
    lines["c_t"] = new
    hidden = [o[j] * math.tanh(new[j]) for j in range(len(new))]
    lines["h_t"] = matvec(w["W_hr"], hidden) if "W_hr" in w else hidden
    return lines


def layer(
    w: Weights,
    xs: list[list[Vector]],
    h0: list[Vector],
    c0: list[Vector],
    lengths: list[int] | None = None,
    reverse: bool = False,
    **options: Any,
) -> dict[str, list[list[Vector]]]:
    """Every line of one layer and direction as [step][row][unit]; past a row's length the states stay."""
    steps, rows = len(xs), len(xs[0])
    found: dict[str, list[list[Vector]]] = {}
    for b in range(rows):
        h, c = h0[b], c0[b]
        end = steps if lengths is None else lengths[b]
        for t in reversed(range(steps)) if reverse else range(steps):
            lines = step(w, xs[t][b], h, c, **options)
            lines["y_t"] = lines["h_t"] if t < end else [0.0] * len(h)
            if t < end:
                h, c = lines["h_t"], lines["c_t"]
            for name, values in lines.items():
                found.setdefault(name, [[[]] * rows for _ in range(steps)])[t][b] = values
    return found


def network(
    weights: Weights,
    xs: list[list[Vector]],
    h0: list[list[Vector]],
    c0: list[list[Vector]],
    lengths: list[int] | None = None,
    **options: Any,
) -> dict[str, dict[str, list[list[Vector]]]]:
    """A stack of layers by `layer/direction`; weights by `layer/direction/W_xi`, outputs of both directions joined."""
    scopes = sorted({key.rsplit("/", 1)[0] for key in weights}, key=lambda s: (int(s.split("/")[0]), s))
    found: dict[str, dict[str, list[list[Vector]]]] = {}
    for k, scope in enumerate(scopes):
        number, direction = scope.split("/")
        w = {key.rsplit("/", 1)[1]: value for key, value in weights.items() if key.startswith(f"{scope}/")}
        below = [
            found[f"{int(number) - 1}/{d}"]["y_t"] for d in ("forward", "reverse") if f"{int(number) - 1}/{d}" in found
        ]
        inputs = (
            xs
            if not below
            else [[end_to_end(y[t][b] for y in below) for b in range(len(xs[0]))] for t in range(len(xs))]
        )
        found[scope] = layer(w, inputs, h0[k], c0[k], lengths, direction == "reverse", **options)
    return found


#: The named functions, by what mathematics says of them; constants follow the operand.
FUNCTIONS: dict[str, Any] = {
    "sigmoid": sigmoid,
    "tanh": math.tanh,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "relu": lambda z: z if z > 0 else 0.0,
    "affine": lambda z, alpha=1.0, beta=0.0: alpha * z + beta,
    "leaky_relu": lambda z, alpha=0.01: z if z >= 0 else alpha * z,
    "thresholded_relu": lambda z, alpha=1.0: z if z > alpha else 0.0,
    "scaled_tanh": lambda z, alpha=1.0, beta=1.0: alpha * math.tanh(beta * z),
    "hard_sigmoid": lambda z, alpha=0.2, beta=0.5: min(max(alpha * z + beta, 0.0), 1.0),
    "elu": lambda z, alpha=1.0: z if z >= 0 else alpha * (math.exp(z) - 1),
    "softsign": lambda z: z / (1 + abs(z)),
    "softplus": lambda z: math.log(1 + math.exp(z)),
    "clip": lambda z, low, high: min(max(z, low), high),
}


def evaluate(tree: Any, values: Mapping[str, Any]) -> Vector:
    """The value of an expression tree (see strategies.py): ('name', n), ('number', x), ('+', [(sign, tree), …]), …"""
    kind, *rest = tree
    if kind == "name":
        return list(values[rest[0]])
    if kind == "number":
        return [rest[0]]
    if kind == "@":
        return matvec(values[rest[0]], evaluate(rest[1], values))
    if kind == "+":
        total: Vector = [0.0]
        for sign, term in rest[0]:
            total = _pairs(lambda a, b, s=sign: a + s * b, total, evaluate(term, values))
        return total
    parts = [evaluate(part, values) for part in rest[0]]
    if kind == "concat":
        return end_to_end(parts)
    if kind in ("sum", "mean", "max1"):
        whole = {"sum": sum, "mean": lambda v: sum(v) / len(v), "max1": max}[kind]
        return [float(whole(parts[0]))]
    if kind == "where":
        wide = max(map(len, parts))
        test, yes, no = (part * wide if len(part) == 1 else part for part in parts)
        return [yes[j] if test[j] != 0 else no[j] for j in range(wide)]
    if kind in ("*", "/", "max"):
        rule = {"*": lambda a, b: a * b, "/": lambda a, b: a / b, "max": max}[kind]
        return _pairs(rule, *parts)
    if kind == "-":
        return [-value for value in parts[0]]
    return [FUNCTIONS[kind](value, *rest[1]) for value in parts[0]]


def _pairs(rule: Any, a: Vector, b: Vector) -> Vector:
    wide = max(len(a), len(b))
    a, b = (v * wide if len(v) == 1 else v for v in (a, b))
    assert len(a) == len(b), f"{len(a)} against {len(b)} values"
    return [rule(p, q) for p, q in zip(a, b, strict=True)]
