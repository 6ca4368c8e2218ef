"""Cells, weights and inputs for the tests of the reverse walk."""

from __future__ import annotations

from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.cell.lines import Cell
from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import named

#: An own cell with the operations that no member of the family has.
OWN = """
r_t = sigmoid(W_r @ x_t + U_r @ h_prev)
u_t = sigmoid(W_u @ x_t + U_u @ h_prev + b_u)
n_t = tanh(W_n @ x_t + r_t * (U_n @ h_prev))
q_t = n_t / (1 + exp(max(n_t)))
p_t = softsign(concat(mean(n_t * n_t), log(1 + u_t)))
v_t = tanh(x_t @ K + h_prev @ U_k)
k_t = concat(v_t[2:4], 0.5 * h_prev[1:3]) * (r_t > 0.45) + n_t * (v_t[1] < u_t)
s_t = u_t * h_prev + (1 - u_t) * n_t + q_t * sum(p_t) - 0.25 * max(u_t, n_t) + k_t
h_t = where(relu(s_t), s_t, elu(s_t, 0.5))
carry: h_prev <- h_t
"""

CELLS: dict[str, dict[str, Any]] = {
    "plain": {"kind": "lstm", "bias": "one"},
    "two biases": {"kind": "lstm", "bias": "two"},
    "peephole": {"kind": "lstm", "bias": "one", "peephole": True},
    "coupled": {"kind": "lstm", "bias": "none", "coupled": True},
    "projection": {"kind": "lstm", "bias": "one", "projection": True, "projection_bias": True},
    "layer norm": {"kind": "lstm", "bias": "one", "layer_norm": True, "layer_norm_cell": True},
    "clip": {"kind": "lstm", "bias": "one", "clip": 0.7, "cell_clip": 0.5, "output_clip": 0.4},
    "hard": {
        "kind": "lstm", "bias": "one", "gate_activation": "hard_sigmoid", "candidate_activation": "elu",
        "output_activation": "softsign",
    },
    "odd": {
        "kind": "lstm", "bias": "one", "gate_activation": "softplus", "candidate_activation": "leaky_relu",
        "output_activation": "scaled_tanh(1.2, 0.7)",
    },
    "slstm": {"kind": "slstm", "bias": "one"},
    "gru": {"kind": "gru", "bias": "one", "update": "write"},
    "gru, reset after": {"kind": "gru", "bias": "two", "reset_after": True},
    "rnn": {"kind": "rnn", "bias": "one"},
    "own": {"equations": OWN},
}  # fmt: skip
I, H, P = 3, 4, 2  # noqa: E741


def cell_of(options: dict[str, Any]) -> Cell:
    if "equations" in options:
        return parse(options["equations"])
    return named(options["kind"], {k: v for k, v in options.items() if k != "kind"})[0]


def weights(
    rng: np.random.Generator, options: dict[str, Any], layers: int = 1, directions: tuple[str, ...] = ("forward",)
) -> dict[str, np.ndarray]:
    """Distinct random weights for a stack, by full address."""
    cell = cell_of(options)
    reads = {line.product[0]: (line.product[1], line.op) for line in cell.lines if line.product}
    recurrent = P if options.get("projection") else H
    found = {}
    for layer in range(layers):
        for direction in directions:
            wide = {
                "x_t": I if layer == 0 else recurrent * len(directions),
                "h_prev": recurrent,
                "m_t": H,
                "r_t * h_prev": H,
            }
            for name in cell.parameters:
                high = P if options.get("projection") and name.endswith("hr") else H
                if name in reads:
                    vector, op = reads[name]
                    value = rng.normal(size=(high, wide[vector])) * 0.6
                    value = value if op == "matvec" else np.ascontiguousarray(value.T)
                else:
                    value = rng.normal(size=high) * 0.4 + (1 if "gamma" in name else 0)
                found[f"{layer}/{direction}/{name}"] = value
    return found


def states(rng: np.random.Generator, options: dict[str, Any], count: int, batch: int) -> dict[str, np.ndarray]:
    """Non-zero initial states (L·D, B, ·); a normaliser is positive."""
    projected = options.get("projection")
    found = {
        state: rng.normal(size=(count, batch, P if projected and state == "h_prev" else H))
        for state in cell_of(options).states
    }
    return {state: np.abs(v) + 0.5 if state == "n_prev" else v for state, v in found.items()}


def case(
    name: str, seed: int, steps: int = 4, batch: int = 2, layers: int = 2, both: bool = True, **arguments: Any
) -> tuple[dict[str, Any], lt.Trace]:
    """Arguments of a run and its trace."""
    rng = np.random.default_rng(seed)
    directions = ("forward", "reverse") if both else ("forward",)
    told: dict[str, Any] = {
        "source": weights(rng, CELLS[name], layers, directions),
        "x": rng.normal(size=(steps, batch, I)),
        "initial": states(rng, CELLS[name], layers * len(directions), batch),
        "cell": CELLS[name],
        **arguments,
    }
    return told, lt.run(**told)
