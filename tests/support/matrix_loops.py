"""Cells whose memory is a matrix: their equations, weights of any size, and loops in plain numpy that share no code.

mLSTM: Beck et al. 2024, (19) to (27), stabilised. Gated DeltaNet: Yang et al. 2024, (10). S6: Gu and Dao 2023,
algorithm 2, with its discretisation. RWKV-7: Peng et al. 2025, (17) and (18). LTC: Hasani et al. 2021, one step of the
fused solver, with a sigmoid for each pair of units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

Weights = dict[str, np.ndarray]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def softplus(z: Any) -> Any:
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


class MatrixCell(NamedTuple):
    """text: its equations. shapes: of its weights, from (inputs, rows, columns). loop: from the weights, x (T, I) and
    the initial matrix to the output at each step, and the matrix after the last. state: the name of the matrix; empty
    if it carries none.
    """

    text: str
    shapes: Callable[[int, int, int], dict[str, tuple[int, ...]]]
    loop: Callable[[Weights, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    state: str

    @property
    def cell(self) -> dict[str, str]:
        return {"equations": self.text}

    def weights(self, rng: np.random.Generator, inputs: int, rows: int, columns: int) -> Weights:
        return {name: rng.normal(size=shape) / 2 for name, shape in self.shapes(inputs, rows, columns).items()}


def _mlstm(w: Weights, x: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, m, out = np.zeros(C.shape[1]), 0.0, []
    for u in x:
        q, k, v = w["W_q"] @ u, w["W_k"] @ u / np.sqrt(C.shape[1]), w["W_v"] @ u
        i, f = (w["w_i"] @ u)[0], -softplus(-(w["w_f"] @ u + w["b_f"]))[0]
        top = max(f + m, i)
        i, f, m = np.exp(i - top), np.exp(f + m - top), top
        C, n = f * C + i * np.outer(v, k), f * n + i * k
        out.append(sigmoid(w["W_o"] @ u) * (C @ q) / max(abs(n @ q), np.exp(-m)))
    return np.array(out), C


def _delta(w: Weights, x: np.ndarray, S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    out = []
    for u in x:
        q, k, v = w["W_q"] @ u, w["W_k"] @ u, w["W_v"] @ u
        k = k / np.sqrt(k @ k + 1e-6)
        S = np.exp(-softplus(w["w_g"] @ u)) * S
        S = S + np.outer(k, sigmoid(w["w_b"] @ u) * (v - k @ S))
        out.append(q @ S)
    return np.array(out), S


def _s6(w: Weights, x: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    out = []
    for u in x:
        step, z = softplus(w["W_dt"] @ u + w["b_dt"]), w["W_z"] @ u
        H = np.exp(step[:, None] * -np.exp(w["A_log"])) * H + np.outer(step * z, w["W_B"] @ u)
        out.append(H @ (w["W_C"] @ u) + w["D"] * z)
    return np.array(out), H


def _rwkv(w: Weights, x: np.ndarray, S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    out = []
    for u in x:
        r, k, v = w["W_r"] @ u, w["W_k"] @ u, w["W_v"] @ u
        decay, a, z = np.exp(-sigmoid(w["W_w"] @ u)), sigmoid(w["W_a"] @ u), k / np.sqrt(k @ k + 1e-6)
        S = S * decay[None, :] - np.outer(S @ z, a * z) + np.outer(v, k)
        out.append(S @ r)
    return np.array(out), S


def _ltc(w: Weights, x: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    v, out = np.zeros(len(w["W"])), []
    for u in x:
        gate = softplus(w["G"]) * sigmoid(w["sigma"] * (v[None, :] - w["mu"]))
        v = (w["c"] ** 2 * v + (gate * w["E"]).sum(axis=1) + w["W"] @ u) / (w["c"] ** 2 + gate.sum(axis=1) + 0.5)
        out.append(v)
    return np.array(out), np.zeros((0, 0))


MATRIX_CELLS = {
    "mlstm": MatrixCell(
        """q_t = W_q @ x_t
k_t = W_k @ x_t / sqrt(count(W_k @ x_t))
v_t = W_v @ x_t
a_t = w_i @ x_t
l_t = -softplus(-(w_f @ x_t + b_f))
m_t = max(l_t + m_prev, a_t)
i_t = exp(a_t - m_t)
f_t = exp(l_t + m_prev - m_t)
C_t = f_t * C_prev + i_t * outer(v_t, k_t)
n_t = f_t * n_prev + i_t * k_t
d_t = dot(n_t, q_t)
h_t = sigmoid(W_o @ x_t) * (C_t @ q_t) / max(max(d_t, -d_t), exp(-m_t))
carry: C_prev <- C_t, n_prev <- n_t, m_prev <- m_t
output: h_t""",
        lambda i, r, c: {"W_q": (c, i), "W_k": (c, i), "W_v": (r, i), "w_i": (1, i), "w_f": (1, i), "b_f": (1,),
                         "W_o": (r, i)},
        _mlstm, "C_prev",
    ),
    "delta": MatrixCell(
        """q_t = W_q @ x_t
a_t = W_k @ x_t
k_t = a_t / sqrt(dot(a_t, a_t) + 0.000001)
v_t = W_v @ x_t
D_t = exp(-softplus(w_g @ x_t)) * S_prev
e_t = sigmoid(w_b @ x_t) * (v_t - k_t @ D_t)
S_t = D_t + outer(k_t, e_t)
h_t = q_t @ S_t
carry: S_prev <- S_t
output: h_t""",
        lambda i, r, c: {"W_q": (r, i), "W_k": (r, i), "W_v": (c, i), "w_g": (1, i), "w_b": (1, i)},
        _delta, "S_prev",
    ),
    "s6": MatrixCell(
        """z_t = W_z @ x_t
B_t = W_B @ x_t
s_t = softplus(W_dt @ x_t + b_dt)
A = -exp(A_log)
H_t = exp(outer(s_t, ones(B_t)) * A) * H_prev + outer(s_t * z_t, B_t)
y_t = H_t @ (W_C @ x_t) + D * z_t
matrix: A_log
carry: H_prev <- H_t
output: y_t""",
        lambda i, r, c: {"W_z": (r, i), "W_B": (c, i), "W_dt": (r, i), "b_dt": (r,), "A_log": (r, c), "W_C": (c, i),
                         "D": (r,)},
        _s6, "H_prev",
    ),
    "rwkv": MatrixCell(
        """r_t = W_r @ x_t
k_t = W_k @ x_t
v_t = W_v @ x_t
w_t = exp(-sigmoid(W_w @ x_t))
a_t = sigmoid(W_a @ x_t)
z_t = k_t / sqrt(dot(k_t, k_t) + 0.000001)
S_t = S_prev * outer(ones(v_t), w_t) - outer(S_prev @ z_t, a_t * z_t) + outer(v_t, k_t)
h_t = S_t @ r_t
carry: S_prev <- S_t
output: h_t""",
        lambda i, r, c: {"W_r": (c, i), "W_k": (c, i), "W_v": (r, i), "W_w": (c, i), "W_a": (c, i)},
        _rwkv, "S_prev",
    ),
    "ltc": MatrixCell(
        """P_t = sigma * (outer(ones(v_prev), v_prev) - mu)
Z_t = softplus(G) * sigmoid(P_t)
r_t = (Z_t * E) @ ones(v_prev)
v_t = (c * c * v_prev + r_t + W @ x_t) / (c * c + Z_t @ ones(v_prev) + 0.5)
matrix: G
carry: v_prev <- v_t
output: v_t""",
        lambda i, r, _: {"W": (r, i), "G": (r, r), "sigma": (r, r), "mu": (r, r), "E": (r, r), "c": (r,)},
        _ltc, "",
    ),
}  # fmt: skip


@st.composite
def matrix_cells(draw: st.DrawFn) -> tuple[str, Weights, np.ndarray]:
    """A random cell with matrices of one shape: its equations, weights and x."""
    rows, columns, inputs = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shapes: dict[str, tuple[int, ...]] = {"W_a": (rows, inputs), "W_b": (columns, inputs), "W_s": (1, inputs)}
    text = ["a = W_a @ x_t + a_prev", "b = W_b @ x_t", "s = tanh(W_s @ x_t)", "M = outer(a, b) + 0.5 * M_prev"]
    known = {"matrix": ["M", "M_prev"], "row": ["a", "a_prev"], "column": ["b"], "number": ["s"]}

    def name(kind: str) -> str:
        return draw(st.sampled_from(known[kind]))

    def called(kind: str) -> str:
        function = draw(st.sampled_from(["tanh", "sigmoid", "relu", "softplus", "exp", "clip"]))
        return f"{function}(tanh({name(kind)}){', -0.5, 0.25' if function == 'clip' else ''})"

    def each(kind: str) -> Iterator[str]:
        """Expressions that act on each unit."""
        one, two, number = name(kind), name(kind), name("number") if draw(st.booleans()) else "0.75"
        yield called(kind)
        yield from (f"{one} {sign} {two}" for sign in ("+", "-", "*"))
        yield from (f"{one} * {number}", f"{number} - {one}", f"{one} / (1 + {two} * {two})")
        yield f"where({one} > {two}, {one}, {number})"
        yield f"max({one}, {two})"

    for k in range(draw(st.integers(2, 9))):
        kind = draw(st.sampled_from([*known]))
        choices = list(each(kind))
        if kind == "matrix":
            choices += [f"outer({name('row')}, {name('column')})", f"G{k} * {name(kind)}"]
        elif kind == "row":
            choices.append(f"{name('matrix')} @ {name('column')}")
        elif kind == "column":
            choices.append(f"{name('row')} @ {name('matrix')}")
        else:
            reduced = draw(st.sampled_from(["sum", "mean", "max"]))
            choices += [f"{reduced}({name(draw(st.sampled_from(['matrix', 'row', 'column'])))})"]
            choices.append(f"dot({name('row')}, {name('row')})")
        chosen = draw(st.sampled_from(choices))
        if chosen.startswith("G"):
            shapes[f"G{k}"] = (rows, columns)
        text.append(f"v{k} = {chosen}")
        known[kind].append(f"v{k}")
    text.append(f"y = {draw(st.sampled_from(known['matrix']))} @ {name('column')}")
    text.append(
        f"N = tanh({name('matrix')} + M)\nc = tanh({name('row')} + a)\ncarry: M_prev <- N, a_prev <- c\noutput: y"
    )
    weights = {name: rng.normal(size=shape) / 2 for name, shape in shapes.items()}
    x = rng.normal(size=(draw(st.integers(1, 4)), draw(st.integers(1, 3)), inputs))
    return "\n".join(text), weights, x
