"""The LSTM family as scalar Python loops, written from the papers; shares no code with the package.

A `Reading` is one way to read a set of weights; its defaults are the textbook's, and tests of the traps change one
field of it to get the wrong reading. Vectors are lists of numbers, matrices lists of rows. Numbers are floats, or of
another kind that rounding.py has; weights are floats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .rounding import dot, exp, expm1, log, log1p, sqrt, tanh, through, total

Vector = list[Any]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + exp(-z)) if z >= 0 else exp(z) / (1 + exp(z))


#: Activations as functions of z with their constants, from the ONNX operator's text and Keras's documentation.
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": lambda z: z if z > 0 else 0.0,
    "affine": lambda z, alpha=1.0, beta=0.0: alpha * z + beta,
    "leaky_relu": lambda z, alpha=0.01: z if z >= 0 else alpha * z,
    "thresholded_relu": lambda z, alpha=1.0: z if z > alpha else 0.0,
    "scaled_tanh": lambda z, alpha=1.0, beta=1.0: alpha * tanh(beta * z),
    "hard_sigmoid": lambda z, alpha=0.2, beta=0.5: min(max(alpha * z + beta, 0.0), 1.0),
    "hard_sigmoid_keras": lambda z: 0.0 if z <= -3 else 1.0 if z >= 3 else z / 6 + 0.5,
    "elu": lambda z, alpha=1.0: z if z >= 0 else alpha * expm1(z),
    "softsign": lambda z: z / (1 + abs(z)),
    "softplus": lambda z: max(z, 0.0) + log1p(exp(-abs(z))),
    "linear": lambda z: z,
    "exponential": exp,
    "hard_tanh": lambda z: -1.0 if z < -1 else 1.0 if z > 1 else z,
    "relu6": lambda z: min(max(z, 0.0), 6.0),
    "selu": lambda z: 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * expm1(z)),
    "silu": lambda z: z * sigmoid(z),
    "hard_silu": lambda z: 0.0 * z if z <= -3 else z if z >= 3 else z * (z / 6 + 0.5),
}


def activation(text: str) -> Callable[[Any], Any]:
    """'leaky_relu(0.1)' as a function of z."""
    name, _, rest = text.partition("(")
    constants = [float(part) for part in rest.rstrip(")").split(",")] if rest else []
    return lambda z: through(name, ACTIVATIONS[name], z, *constants)


@dataclass(frozen=True)
class Reading:
    """How the weights are read; the default is the plain cell."""

    peephole: bool = False
    output_peephole: str = "new"  # which cell state the output gate sees
    coupled: bool = False
    projection: bool = False
    forget_bias: float = 0.0
    clip: float | None = None
    output_clip: float | None = None
    cell_clip: float | None = None
    cell_clip_at: str = "update"  # or `carry`: h_t sees the cell state that is not clipped
    projection_clip: float | None = None
    gate_activation: str = "sigmoid"
    candidate_activation: str = "tanh"
    output_activation: str = "tanh"
    layer_norm: bool = False
    layer_norm_cell: bool = False
    layer_norm_carried: bool = False
    layer_norm_epsilon: float = 1e-5


def bound(value: Any, limit: float | None) -> Any:
    return value if limit is None else through("clip", lambda z: max(-limit, min(limit, z)), value)


def normalised(v: Vector, gain: Sequence[float], shift: Sequence[float], epsilon: float) -> Vector:
    """Layer normalisation, Ba, Kiros & Hinton 2016, equation 4, with epsilon beside the variance."""
    mean = total(v) / len(v)
    variance = total((a - mean) * (a - mean) for a in v) / len(v)
    deviation = through("sqrt", sqrt, variance + epsilon)
    return [g * ((a - mean) / deviation) + s for a, g, s in zip(v, gain, shift, strict=True)]


def step(w: dict[str, Any], x: Vector, h: Vector, c: Vector, r: Reading) -> tuple[Vector, Vector]:
    """One step: h_t and the c that is carried. Weights by name: W_xi, W_hi, b_i or b_xi and b_hi, w_ci, …"""
    squash = {
        "i": activation(r.gate_activation), "f": activation(r.gate_activation), "o": activation(r.gate_activation),
        "c": activation(r.candidate_activation),
    }  # fmt: skip
    units = range(len(w["W_xi"]))

    def gate(g: str, seen: Vector | None) -> Vector:
        z = []
        for j in units:
            terms = [dot(w[f"W_x{g}"][j], x), dot(w[f"W_h{g}"][j], h)]
            terms += [w[name][j] for name in (f"b_{g}", f"b_x{g}", f"b_h{g}") if name in w]
            if seen is not None:
                terms.append(w[f"w_c{g}"][j] * seen[j])
            z.append(total(terms))
        if r.layer_norm:
            z = normalised(z, w[f"gamma_{g}"], w[f"beta_{g}"], r.layer_norm_epsilon)
        if g == "f":
            z = [a + r.forget_bias for a in z]
        return [squash[g](bound(a, r.clip)) for a in z]

    i = gate("i", c if r.peephole else None)
    f = [1 - a for a in i] if r.coupled else gate("f", c if r.peephole else None)
    g = gate("c", None)
    free = [f[j] * c[j] + i[j] * g[j] for j in units]
    new = [bound(a, r.cell_clip) for a in free]
    seen = free if r.cell_clip_at == "carry" else new
    o = gate("o", (c if r.output_peephole == "old" else seen) if r.peephole else None)
    inner = normalised(seen, w["gamma_cell"], w["beta_cell"], r.layer_norm_epsilon) if r.layer_norm_cell else seen
    output = activation(r.output_activation)
    h = [o[j] * output(bound(inner[j], r.output_clip)) for j in units]
    if r.projection:
        shift = w.get("b_hr", [0.0] * len(w["W_hr"]))
        h = [bound(dot(row, h) + s, r.projection_clip) for row, s in zip(w["W_hr"], shift, strict=True)]
    return h, inner if r.layer_norm_carried else new


def sequence(
    w: dict[str, Any],
    xs: Sequence[Vector],
    h: Vector,
    c: Vector,
    r: Reading | None = None,
    reverse: bool = False,
    length: int | None = None,
) -> tuple[list[Vector | None], Vector, Vector]:
    """h at every position of one row (None past its length), then the last h and c."""
    length = len(xs) if length is None else length
    out: list[Vector | None] = [None] * len(xs)
    for t in reversed(range(length)) if reverse else range(length):
        h, c = step(w, xs[t], h, c, r or Reading())
        out[t] = h
    return out, h, c


def slstm(w: dict[str, Any], xs: Sequence[Vector], h: Vector, exponential: bool, stabilised: bool) -> list[Vector]:
    """h of every step of the sLSTM, Beck et al. 2024: equations 8 to 14, and 15 to 17 where stabilised.

    c, n and m begin at zero.
    """
    units = range(len(w["W_xi"]))
    c, n, m = ([0.0 for _ in units] for _ in range(3))
    out = []
    for x in xs:
        z = {
            g: [
                dot(w[f"W_x{g}"][j], x) + dot(w[f"W_h{g}"][j], h) + (w[f"b_{g}"][j] if f"b_{g}" in w else 0.0)
                for j in units
            ]
            for g in "ifco"
        }
        new = []
        for j in units:
            forget = exp(z["f"][j]) if exponential else sigmoid(z["f"][j])  # 13
            let_in = exp(z["i"][j])  # 12
            if stabilised:
                before, m[j] = m[j], max(log(forget) + m[j], log(let_in))  # 15
                let_in, forget = exp(log(let_in) - m[j]), exp(log(forget) + before - m[j])  # 16, 17
            c[j] = forget * c[j] + let_in * tanh(z["c"][j])  # 8, 11
            n[j] = forget * n[j] + let_in  # 9
            new.append(sigmoid(z["o"][j]) * c[j] / n[j])  # 10, 14
        h = new
        out.append(h)
    return out
