"""Five cells whose memory is a matrix: their equations, and each as a plain numpy loop that shares no code with ours.

The equations are those of the examples. A loop takes weights and states by name, and x (T, I); it returns the values of
the lines that it names, each (T, …), with matrices as (T, rows, columns). The loops assign to no entry of an array, so
that JAX can differentiate them (with `jax.numpy` for this module's `np`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace import examples
from lstm_trace.base.files import read_data
from lstm_trace.trace.trace import Trace

Values = Mapping[str, Any]
Lines = dict[str, Any]
Loop = Callable[[Values, Any, Values], Lines]


def problem(name: str) -> dict[str, Any]:
    """The problem file of an example, read."""
    return read_data(f"{name}.yaml", examples.text(name).encode())


def equations(name: str) -> str:
    """The equations of a cell, as its example has them."""
    return str(problem(name)["cell"]["equations"])


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _silu(z: Any) -> Any:
    return z * _sigmoid(z)


def _softplus(z: Any) -> Any:
    return np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0)


def _stacked(steps: list[Lines]) -> Lines:
    return {name: np.stack([step[name] for step in steps]) for name in steps[0]}


def mlstm(w: Values, x: Any, states: Values) -> Lines:
    """The stabilised mLSTM."""
    C, n, m = states["C_prev"], states["n_prev"], states["m_prev"]
    steps = []
    for x_t in x:
        q = w["W_q"] @ x_t + w["b_q"]
        k = w["W_k"] @ x_t / np.sqrt(len(q)) + w["b_k"]
        v = w["W_v"] @ x_t + w["b_v"]
        o = _sigmoid(w["W_o"] @ x_t + w["b_o"])
        i_tilde = w["w_i"] @ x_t + w["b_i"]
        log_f = -_softplus(-(w["w_f"] @ x_t + w["b_f"]))
        new = np.maximum(log_f + m, i_tilde)
        i, f, m = np.exp(i_tilde - new), np.exp(log_f + m - new), new
        C = f * C + i * np.outer(v, k)
        n = f * n + i * k
        h = o * (C @ q) / np.maximum(np.abs(n @ q), np.exp(-m))
        steps.append({"C_t": C, "n_t": n, "m_t": m, "h_t": h})
    return _stacked(steps)


def gated_deltanet(w: Values, x: Any, states: Values) -> Lines:
    """The gated delta rule as its paper writes it: S (alpha (I - beta k kᵀ)) + beta v kᵀ."""
    S = states["S_prev"]
    steps = []
    for x_t in x:
        q, k = (_silu(w[name] @ x_t) for name in ("W_q", "W_k"))
        q, k = q / np.sqrt(q @ q), k / np.sqrt(k @ k)
        v = _silu(w["W_v"] @ x_t)
        alpha = np.exp(-np.exp(w["A_log"]) * _softplus(w["W_a"] @ x_t + w["b_a"]))
        beta = _sigmoid(w["W_b"] @ x_t)
        S = S @ (alpha * (np.eye(len(k)) - beta * np.outer(k, k))) + beta * np.outer(v, k)
        steps.append({"S_t": S, "o_t": S @ q})
    return _stacked(steps)


def mamba(w: Values, x: Any, states: Values) -> Lines:
    """The selective state space, one channel after the other."""
    H = states["H_prev"]
    steps = []
    for x_t in x:
        delta = _softplus(w["W_d"] @ (w["W_s"] @ x_t) + w["b_d"])
        B, C = w["W_B"] @ x_t, w["W_C"] @ x_t
        channels = range(len(x_t))
        H = np.stack([np.exp(delta[d] * -np.exp(w["A_log"][d])) * H[d] + delta[d] * B * x_t[d] for d in channels])
        steps.append({"H_t": H, "y_t": np.stack([H[d] @ C + w["D"][d] * x_t[d] for d in channels])})
    return _stacked(steps)


def rwkv7(w: Values, x: Any, states: Values) -> Lines:
    """The time mixing of RWKV-7, one head, first layer."""
    S, last = states["S_prev"], states["x_prev"]
    steps = []
    for x_t in x:
        mixed = {letter: (1 - w[f"mu_{letter}"]) * x_t + w[f"mu_{letter}"] * last for letter in "rwkvag"}
        r, k, v = (w[f"W_{letter}"] @ mixed[letter] for letter in "rkv")
        decay = np.exp(-np.exp(-0.5) * _sigmoid(w["W_w2"] @ np.tanh(w["W_w1"] @ mixed["w"]) + w["b_w"]))
        a = _sigmoid(w["W_a2"] @ (w["W_a1"] @ mixed["a"]) + w["b_a"])
        g = w["W_g2"] @ _sigmoid(w["W_g1"] @ mixed["g"])
        kappa = k * w["xi"] / np.linalg.norm(k * w["xi"])
        k = (1 - w["alpha"]) * k + w["alpha"] * a * k
        S = S @ (np.diag(decay) - np.outer(kappa, a * kappa)) + np.outer(v, k)
        y = S @ r
        y = (y - y.mean()) / np.sqrt(y.var() + 64e-5) * w["g_n"] + w["b_n"] + (r * w["rho"] * k).sum() * v
        last = x_t
        steps.append({"S_t": S, "o_t": w["W_o"] @ (g * y)})
    return _stacked(steps)


def ltc(w: Values, x: Any, states: Values) -> Lines:
    """A liquid time-constant network, one unfold of the fused solver, synapse by synapse."""
    v = states["v_prev"]
    steps = []
    for x_t in x:
        new = []
        for j in range(len(v)):
            top, bottom = w["c_m"][j] * v[j] + w["g_leak"][j] * w["v_leak"][j], w["c_m"][j] + w["g_leak"][j]
            for source, side in ((x_t, "x"), (v, "v")):
                for i in range(len(source)):
                    g = w[f"w_{side}"][i, j] * _sigmoid(w[f"sigma_{side}"][i, j] * (source[i] - w[f"mu_{side}"][i, j]))
                    top, bottom = top + g * w[f"E_{side}"][i, j], bottom + g
            new.append(top / bottom)
        v = np.stack(new)
        steps.append({"v_t": v})
    return _stacked(steps)


#: The loops by the name of the example.
CELLS: dict[str, Loop] = {
    "mlstm": mlstm,
    "gated-deltanet": gated_deltanet,
    "mamba": mamba,
    "rwkv7": rwkv7,
    "ltc": ltc,
}


def shapes(name: str, inputs: int, rows: int, columns: int) -> tuple[dict[str, tuple[int, ...]], ...]:
    """Shapes of the weights and of the states of a cell whose memory has these rows and columns.

    The rows of `mamba` and of `rwkv7` are its inputs (of the latter its columns too); `ltc` has `rows` neurons.
    """
    i, r, c = inputs, rows, columns
    if name == "mlstm":
        square = {"W_q": (c, i), "b_q": (c,), "W_k": (c, i), "b_k": (c,), "W_v": (r, i), "b_v": (r,)}
        gates = {"w_i": (1, i), "b_i": (1,), "w_f": (1, i), "b_f": (1,), "W_o": (r, i), "b_o": (r,)}
        return square | gates, {"C_prev": (r, c), "n_prev": (c,), "m_prev": (1,)}
    if name == "gated-deltanet":
        projections = {"W_q": (c, i), "W_k": (c, i), "W_v": (r, i), "W_a": (1, i), "W_b": (1, i)}
        return projections | {"A_log": (1,), "b_a": (1,)}, {"S_prev": (r, c)}
    if name == "mamba":
        step = {"W_s": (r, i), "W_d": (i, r), "b_d": (i,)}
        return step | {"W_B": (c, i), "W_C": (c, i), "A_log": (i, c), "D": (i,)}, {"H_prev": (i, c)}
    if name == "rwkv7":
        mixes = {f"mu_{letter}": (i,) for letter in "rwkvag"}
        products = {f"W_{letter}": (i, i) for letter in "rkvo"}
        low = {f"W_{letter}{k}": ((r, i) if k == 1 else (i, r)) for letter in "wag" for k in (1, 2)}
        vectors = dict.fromkeys(("b_w", "b_a", "xi", "alpha", "rho", "g_n", "b_n"), (i,))
        return mixes | products | low | vectors, {"S_prev": (i, i), "x_prev": (i,)}
    synapses = {f"{name}_{side}": (n, r) for side, n in (("x", i), ("v", r)) for name in ("w", "sigma", "mu", "E")}
    return synapses | dict.fromkeys(("c_m", "g_leak", "v_leak"), (r,)), {"v_prev": (r,)}


#: Weights that must be positive.
POSITIVE = {"w_x", "w_v", "sigma_x", "sigma_v", "c_m", "g_leak"}


def drawn(name: str, rng: np.random.Generator, inputs: int, rows: int, columns: int) -> tuple[Lines, Lines]:
    """Random weights and states, by name."""
    weights, states = shapes(name, inputs, rows, columns)
    drawn = {name: rng.normal(0, 0.7, shape) for name, shape in weights.items()}
    for one in POSITIVE & drawn.keys():
        drawn[one] = np.abs(drawn[one]) + 0.1
    return drawn, {name: rng.normal(0, 0.7, shape) for name, shape in states.items()}


def traced(name: str, weights: Values, x: Any, states: Values, text: str = "", **how: Any) -> Trace:
    """The trace of a cell, by the equations of its example or by others."""
    return lt.run(dict(weights), x, cell={"equations": text or equations(name)}, initial=dict(states), **how)
