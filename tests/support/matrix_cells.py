"""Cells with a matrix for a memory: those of five papers, and random ones, with the sizes of their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from lstm_trace.cell.lines import Cell
from lstm_trace.cell.ops import OPS

Array = np.ndarray[Any, Any]

#: mLSTM (xLSTM, Beck et al. 2024), stabilised.
MLSTM = """q_t = W_q @ x_t + b_q
k_t = 0.5 * (W_k @ x_t) + b_k
v_t = W_v @ x_t + b_v
i_raw = w_i @ x_t + b_i
f_raw = log_sigmoid(w_f @ x_t + b_f)
m_t = max(f_raw + m_prev, i_raw)
i_t = exp(i_raw - m_t)
f_t = exp(f_raw + m_prev - m_t)
o_t = sigmoid(W_o @ x_t + b_o)
C_t = f_t * C_prev + i_t * outer(v_t, k_t)
n_t = f_t * n_prev + i_t * k_t
r_t = C_t @ q_t
s_t = dot(n_t, q_t)
a_t = max(max(s_t, -s_t), exp(-m_t))
h_tilde = r_t / a_t
h_t = o_t * h_tilde
carry: C_prev <- C_t, n_prev <- n_t, m_prev <- m_t
output: h_t"""
#: Gated DeltaNet (Yang et al. 2024).
DELTA = """q_t = W_q @ x_t
k_t = W_k @ x_t
v_t = W_v @ x_t
b_t = sigmoid(w_b @ x_t)
a_t = exp(-softplus(w_a @ x_t))
D_t = a_t * S_prev
e_t = b_t * (v_t - D_t @ k_t)
S_t = D_t + outer(e_t, k_t)
o_t = S_t @ q_t
carry: S_prev <- S_t
output: o_t"""
#: The selective scan of Mamba (Gu and Dao 2023).
S6 = """A = -exp(A_log)
B_t = W_B @ x_t
C_t = W_C @ x_t
d_t = softplus(W_d @ x_t + b_d)
g_t = exp(outer(d_t, ones(B_t)) * A)
h_t = g_t * h_prev + outer(d_t * x_t, B_t)
y_t = h_t @ C_t + D * x_t
matrix: A_log
carry: h_prev <- h_t
output: y_t"""
#: The time mixing of RWKV-7 (Peng et al. 2025), without its lerps.
RWKV = """s_t = x_prev - x_t
r_t = W_r @ (x_t + s_t * mu_r)
w_t = exp(-0.606531 * sigmoid(w_0 + W_w2 @ tanh(W_w1 @ (x_t + s_t * mu_w))))
k_0 = W_k @ (x_t + s_t * mu_k)
v_t = W_v @ (x_t + s_t * mu_v)
a_t = sigmoid(a_0 + W_a2 @ (W_a1 @ x_t))
l_t = k_0 * k_k
n_t = max(sqrt(dot(l_t, l_t)), 0.000001)
u_t = l_t / n_t
k_t = k_0 * (1 + (a_t - 1) * k_a)
S_t = S_prev * outer(ones(v_t), w_t) - outer(S_prev @ u_t, u_t * a_t) + outer(v_t, k_t)
y_t = S_t @ r_t + sum(r_t * k_t * r_k) * v_t
carry: S_prev <- S_t, x_prev <- x_t
output: y_t"""
#: One step of a liquid time-constant network (Hasani et al. 2020): row i, column j is the synapse from i to j.
LTC = """p_t = w * sigmoid(sigma * (outer(v_prev, ones(g)) - mu))
q_t = w_x * sigmoid(sigma_x * (outer(x_t, ones(g)) - mu_x))
n_t = ones(v_prev) @ (p_t * erev) + ones(x_t) @ (q_t * erev_x) + g * v_leak + c * v_prev
d_t = ones(v_prev) @ p_t + ones(x_t) @ q_t + g + c + 0.00000001
v_t = n_t / d_t
carry: v_prev <- v_t
output: v_t"""

_LTC = {"w": "nn", "sigma": "nn", "mu": "nn", "erev": "nn", "g": "n", "v_leak": "n", "c": "n"}
_LTC |= {f"{name}_x": "in" for name in ("w", "sigma", "mu", "erev")}
#: By name the text, the axes of each weight (i inputs, d values, k keys, m inner units, 1), and those of some matrices.
PAPERS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "mlstm": (
        MLSTM,
        {"W_q": "ki", "b_q": "k", "W_k": "ki", "b_k": "k", "W_v": "di", "b_v": "d", "W_o": "di", "b_o": "d"}
        | {"w_i": "1i", "b_i": "1", "w_f": "1i", "b_f": "1"},
        {"C_t": "dk", "C_prev": "dk", "f_t * C_prev": "dk"},
    ),
    "delta": (
        DELTA,
        {"W_q": "ki", "W_k": "ki", "W_v": "di", "w_b": "1i", "w_a": "1i"},
        {"S_t": "dk", "D_t": "dk"},
    ),
    "s6": (
        S6,
        {"A_log": "ik", "W_B": "ki", "W_C": "ki", "W_d": "ii", "b_d": "i", "D": "i"},
        {"A_log": "ik", "A": "ik", "g_t": "ik", "h_prev": "ik"},
    ),
    "rwkv": (
        RWKV,
        {f"mu_{name}": "i" for name in "rwkv"} | {f"W_{name}": "ii" for name in "rkv"}
        | {"W_w1": "mi", "W_w2": "im", "W_a1": "mi", "W_a2": "im"}
        | dict.fromkeys(("w_0", "a_0", "k_k", "k_a", "r_k"), "i"),
        {"S_t": "ii", "outer(ones(v_t), w_t)": "ii"},
    ),
    "ltc": (LTC, _LTC, {"p_t": "nn", "q_t": "in", "mu": "nn", "mu_x": "in", "outer(x_t, ones(g))": "in"}),
}  # fmt: skip


def sized(axes: Mapping[str, str], sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The shapes for some sizes of the axes."""
    return {name: tuple({**sizes, "1": 1}[axis] for axis in letters) for name, letters in axes.items()}


# -- random cells -----------------------------------------------------------------------------------------------------


@dataclass
class RandomCell:
    """A random cell with matrices. shapes: of the weights; kinds: the axes of every value, () for a number."""

    random: Random
    sizes: tuple[int, ...] = ()
    rows: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    kinds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    text: str = ""

    def __post_init__(self) -> None:
        pick = self.random
        self.sizes = tuple(pick.randint(1, 4) for _ in range(3))
        self.kinds = {"x_t": (0,), "h_prev": (1,), "C_prev": (pick.randint(0, 2), pick.randint(0, 2))}
        for number in range(pick.randint(3, 9)):
            pick.choice([self.vector, self.matrix, self.matrix, self.read, self.one])(f"z_{number}")
        rows, columns = self.kinds["C_prev"]
        self.assign("u_t", self.projected(rows), (rows,))
        self.assign("v_t", self.projected(columns), (columns,))
        others = [name for name, kind in self.kinds.items() if kind == (rows, columns)]
        self.assign("C_t", f"0.5 * tanh({pick.choice(others)}) + outer(tanh(u_t), tanh(v_t))", (rows, columns))
        self.assign("h_t", f"tanh({self.projected(1)})", (1,))
        vectors = [name for name, kind in self.kinds.items() if len(kind) < 2 and name != "x_t"]
        last = " + ".join(f"sum({name})" for name in vectors)
        self.assign("y_t", f"{last} + sum(C_t)", ())
        read = set(re.findall(r"\w+", " ".join(self.rows)))
        self.shapes = {name: shape for name, shape in self.shapes.items() if name in read}
        self.text = "\n".join([*self.rows, "carry: C_prev <- C_t, h_prev <- h_t", "output: y_t"])

    def assign(self, name: str, right: str, kind: tuple[int, ...]) -> None:
        self.rows.append(f"{name} = {right}")
        self.kinds[name] = kind

    def some(self, rank: int) -> str:
        """A value of this rank."""
        return self.random.choice([name for name, kind in self.kinds.items() if len(kind) == rank] or ["C_prev"])

    def weight(self, *axes: int | None) -> str:
        """A new weight; None for an axis of one unit."""
        name = f"w_{len(self.shapes)}"
        self.shapes[name] = tuple(1 if axis is None else self.sizes[axis] for axis in axes)
        return name

    def projected(self, axis: int | None) -> str:
        """A vector with this axis, or a number."""
        other = self.some(1)
        if self.random.random() < 0.5:
            return f"{self.weight(axis, self.kinds[other][0])} @ {other} + {self.weight(axis)}"
        return f"{other} @ {self.weight(self.kinds[other][0], axis)}"

    def vector(self, name: str) -> None:
        axis = self.random.randint(0, 2)
        self.assign(name, f"tanh({self.projected(axis)})", (axis,))

    def one(self, name: str) -> None:
        right = self.random.choice(
            [f"sigmoid({self.projected(None)})", f"mean({self.some(2)})", f"max({self.some(2)})", "sum(x_t)"]
        )
        self.assign(name, right, ())

    def read(self, name: str) -> None:
        """A product with a matrix."""
        matrix = self.some(2)
        rows, columns = self.kinds[matrix]
        right = self.random.random() < 0.5
        axis, left = (columns, rows) if right else (rows, columns)
        vector = self.weight(axis) if self.random.random() < 0.25 else f"tanh({self.projected(axis)})"
        self.assign(name, f"{matrix} @ {vector}" if right else f"{vector} @ {matrix}", (left,))

    def matrix(self, name: str) -> None:
        pick, old = self.random, self.some(2)
        kind = self.kinds[old]
        alike = pick.choice([one for one, other in self.kinds.items() if other == kind])
        a, b = self.some(1), self.some(1)
        forms: list[Callable[[], tuple[str, tuple[int, ...]]]] = [
            lambda: (f"outer({a}, {b})", self.kinds[a] + self.kinds[b]),
            lambda: (f"tanh({old}) - {alike}", kind),
            lambda: (f"{old} * tanh({alike})", kind),
            lambda: (f"sigmoid({self.projected(None)}) * {old}", kind),
            lambda: (f"{old} * {self.weight(*kind)}", kind),
            lambda: (f"{self.weight(None)} * {old} - 0.5", kind),
            lambda: (f"where({old} > {alike}, {old}, 0.25)", kind),
            lambda: (f"max({old}, {alike})", kind),
            lambda: (f"{old} + outer({self.weight(kind[0])}, ones(tanh({self.projected(kind[1])})))", kind),
        ]
        self.assign(name, *pick.choice(forms)())

    @property
    def widths(self) -> dict[str, int]:
        """The width of every named value."""
        return {name: int(np.prod([self.sizes[axis] for axis in kind])) for name, kind in self.kinds.items()}

    @property
    def grids(self) -> dict[str, tuple[int, ...]]:
        """The rows and columns of the matrices."""
        two = {name: kind for name, kind in self.kinds.items() if len(kind) == 2}
        return {name: tuple(self.sizes[axis] for axis in kind) for name, kind in two.items()}


# -- a walk through the lines -----------------------------------------------------------------------------------------


def walk(
    cell: Cell, weights: Mapping[str, Array], inputs: Mapping[str, Array], widths: Mapping[str, int],
    backwards: bool = False, first: Mapping[str, Array] | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Every value of a cell at every step, (T, width), and its sums; from the operations' definitions alone."""
    products = {line.product[0] for line in cell.lines if line.product}
    flat = {name: value if name in products else value.reshape(-1) for name, value in weights.items()}
    steps = len(next(iter(inputs.values())))
    state = {name: np.zeros(widths[name]) for name in cell.states} | dict(first or {})
    found: dict[str, list[Array]] = {name: [None] * steps for name in (*cell.by_name, *cell.states)}  # type: ignore[list-item]
    for t in reversed(range(steps)) if backwards else range(steps):
        now: dict[Any, Array] = {**flat, **{name: values[t] for name, values in inputs.items()}, **state}
        for line in cell.lines:
            read = [now[o] if isinstance(o, str) else np.array([o]) for o in line.operands]
            now[line.name] = OPS[line.op].array(read, line.constants)
        for name, values in found.items():
            values[t] = now[name]
        state = {name: now[target] for name, target in cell.carry}
    values = {name: np.array(each) for name, each in found.items()} | dict(inputs)

    def at(name: str) -> Array:
        return values[name] if name in values else np.broadcast_to(flat[name], (steps, flat[name].size))

    for gathered in cell.sums:
        terms = [at(term[0]).T @ at(term[1]) if term[1:] else at(term[0]).sum(axis=0) for term in gathered.terms]
        values[gathered.name] = sum(terms[1:], terms[0])
    return values
