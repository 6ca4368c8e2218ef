"""Functions whose memory is a matrix: lifted equal to their own loop; a bug is an equation; the rest is refused."""

from __future__ import annotations

import linecache
import re
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LiftError, MissingError

from ..support import matrix_cells

T, INPUTS, R, C = 3, 5, 4, 3
#: Step functions as people write them, with the names of weights and states in `tests/support/matrix_cells.py`.
STEPS = {
    "mlstm": """
def step(x, C, n, m, W_q, b_q, W_k, b_k, W_v, b_v, w_i, b_i, w_f, b_f, W_o, b_o):
    q = W_q @ x + b_q
    k = W_k @ x / np.sqrt(len(q)) + b_k
    v = W_v @ x + b_v
    o = sigmoid(W_o @ x + b_o)
    i_tilde = w_i @ x + b_i
    log_f = np.log(sigmoid(w_f @ x + b_f))
    new_m = np.maximum(log_f + m, i_tilde)
    i, f = np.exp(i_tilde - new_m), np.exp(log_f + m - new_m)
    C = f * C + i * np.outer(v, k)
    n = f * n + i * k
    h = o * (C @ q) / np.maximum(np.abs(n @ q), np.exp(-new_m))
    return h, C, n, new_m
""",
    "gated-deltanet": """
def step(x, S, W_q, W_k, W_v, W_a, W_b, A_log, b_a):
    q, k, v = silu(W_q @ x), silu(W_k @ x), silu(W_v @ x)
    q, k = q / np.linalg.norm(q), k / np.sqrt((k * k).sum())
    alpha = np.exp(-np.exp(A_log) * np.logaddexp(0, W_a @ x + b_a))
    beta = sigmoid(W_b @ x)
    D = alpha * S
    e = beta * (v - np.einsum("ij,j->i", D, k))
    S = D + e[:, None] * k[None, :]
    o = S @ q
    return o, S
""",
    "mamba": """
def step(x, H, W_s, W_d, b_d, W_B, W_C, A_log, D):
    delta = np.logaddexp(0, W_d @ (W_s @ x) + b_d)
    B, C = W_B @ x, W_C @ x
    A = -np.exp(A_log)
    H = np.exp(delta[:, None] * A) * H + delta[:, None] * B * x[:, None]
    y = (H * C).sum(axis=1) + D * x
    return y, H
""",
    "rwkv7": """
def step(x, S, x_prev, **w):
    dx = x_prev - x
    xr, xw, xk, xv, xa, xg = (x + w["mu_" + letter] * dx for letter in "rwkvag")
    r, k, v = w["W_r"] @ xr, w["W_k"] @ xk, w["W_v"] @ xv
    decay = np.exp(-np.exp(-0.5) * sigmoid(w["W_w2"] @ np.tanh(w["W_w1"] @ xw) + w["b_w"]))
    a = sigmoid(w["W_a2"] @ (w["W_a1"] @ xa) + w["b_a"])
    g = w["W_g2"] @ sigmoid(w["W_g1"] @ xg)
    kappa = k * w["xi"]
    kappa = kappa / np.sqrt(np.sum(kappa**2))
    k = k * (1 + (a - 1) * w["alpha"])
    S = S * decay[None, :] - np.outer(S @ kappa, a * kappa) + np.outer(v, k)
    y = S @ r
    y = (y - y.mean()) / np.sqrt(y.var() + 64e-5) * w["g_n"] + w["b_n"]
    y = y + (r * k * w["rho"]).sum() * v
    o = w["W_o"] @ (g * y)
    return o, S, x
""",
    "ltc": """
def step(x, v, w_x, sigma_x, mu_x, E_x, w_v, sigma_v, mu_v, E_v, c_m, g_leak, v_leak):
    g_x = w_x * sigmoid(sigma_x * (x[:, None] - mu_x))
    g_v = w_v * sigmoid(sigma_v * (v[:, None] - mu_v))
    num = c_m * v + g_leak * v_leak + (g_x * E_x).sum(0) + (g_v * E_v).sum(0)
    den = c_m + g_leak + g_x.sum(0) + g_v.sum(0)
    return num / den
""",
}
#: What is exchanged in a step function, and the equation that is then another: a line, and a part of its text.
BUGS = {
    "v and k exchanged": ("mlstm", "np.outer(v, k)", "np.outer(k, v)", "C_t", "outer(k, v)"),
    "decay after the write": (
        "mlstm", "f * C + i * np.outer(v, k)", "f * (C + i * np.outer(v, k))", "C_t", "f * (C_prev + i * outer(v, k))"
    ),
    "transposed at the readout": ("mlstm", "(C @ q)", "(q @ C)", "h", "q @ C_t"),
    "no normaliser": ("mlstm", " / np.maximum(np.abs(n @ q), np.exp(-new_m))", "", "h", "o * (C_t @ q)"),
    "the error before the decay": ("gated-deltanet", '"ij,j->i", D, k', '"ij,j->i", S, k', "e", "S_prev @ k"),
    "the error, written under the value": (
        "gated-deltanet", "e[:, None] * k[None, :]", "e[None, :] * k[:, None]", "S_t", "outer(k, e)"
    ),
    "no decay": ("gated-deltanet", "D = alpha * S", "D = 1 * S", "e", "S_prev @ k"),
    "readout by k": ("gated-deltanet", "S @ q", "S @ k", "o", "S_t @ k"),
    "decay of what is written": (
        "mamba", "* H + delta[:, None] * B * x[:, None]", "* (H + delta[:, None] * B * x[:, None])", "H_t", "(H_prev +"
    ),
    "no exp": ("mamba", "-np.exp(A_log)", "-A_log", "A", "-A_log"),
    "readout by B": ("mamba", "(H * C)", "(H * B)", "y", "H_t @ B"),
    "no step in the input": ("mamba", "+ delta[:, None] * B * x", "+ B * x", "H_t", "outer(x_t, B)"),
    "decay of rows": ("rwkv7", "decay[None, :]", "decay[:, None]", "S_t", "outer(decay, ones("),
    "removal of k": ("rwkv7", "S @ kappa, a", "S @ k, a", "S_t", "S_prev @ k_2"),
    "no normalised removal key": ("rwkv7", "kappa / np.sqrt(np.sum(kappa**2))", "kappa * 1", "S_t", "S_prev @ kappa_2"),
    "sums of rows": ("ltc", "(g_v * E_v).sum(0)", "(g_v * E_v).sum(1)", "num", "g_v * E_v @ ones("),
    "a synapse reads its target": ("ltc", "v[:, None] - mu_v", "v[None, :] - mu_v", "g_v", "outer(ones(x_t), v_prev)"),
}  # fmt: skip


def compiled(text: str, **names: Any) -> Any:
    """The function `step` of some code."""

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    found = {"np": np, "sigmoid": sigmoid, "silu": lambda z: z * sigmoid(z), **names}
    linecache.cache["step.py"] = len(text), None, text.splitlines(), "step.py"
    exec(compile(text, "step.py", "exec"), found)  # noqa: S102
    return found["step"]


def lifted(name: str, text: str, sizes: tuple[int, int, int] = (INPUTS, R, C)) -> tuple[lt.Lifted, dict[str, Any]]:
    """A lifted cell at some sizes, and the values of the plain loop of its cell."""
    rng = np.random.default_rng(1)
    weights, states = matrix_cells.drawn(name, rng, *sizes)
    x = rng.normal(size=(T, sizes[0]))
    given = {one if one == "x_prev" else one.removesuffix("_prev"): value for one, value in states.items()}
    found = lt.lift(compiled(text), weights, x, states=given, returns="o, S, x_prev" if name == "rwkv7" else None)
    return found, matrix_cells.CELLS[name](weights, x, states)


@pytest.mark.few(1)
@pytest.mark.parametrize("sizes", [(INPUTS, R, C), (2, 2, 2), (1, 3, 1), (3, 1, 4)], ids=str)
@pytest.mark.parametrize("name", STEPS)
def test_a_step_function_is_its_cell(name: str, sizes: tuple[int, int, int]) -> None:
    found, theirs = lifted(name, STEPS[name], sizes)
    *memories, last = theirs
    output = {"mlstm": "h", "mamba": "y", "ltc": "v_t"}.get(name, "o")
    np.testing.assert_allclose(found.trace[output][:, 0], theirs[last], rtol=1e-10, atol=1e-12)
    assert 1 in sizes or found.cell.output == output  # a memory of one row is a vector
    for line in memories if 1 not in sizes else ():
        ours = found.trace["new_m" if line == "m_t" else line]
        np.testing.assert_allclose(ours.reshape(theirs[line].shape), theirs[line], rtol=1e-10, atol=1e-12)
    assert lt.verify(found).verdict == "verified"
    assert found.kind == ""
    with pytest.raises(MissingError, match=r"a cell of its own with the states .*: no named cell is like it"):
        assert found.named


@pytest.mark.few(0)
def test_the_equations_are_those_of_the_papers() -> None:
    said = {
        "mlstm": {"C_t": "f * C_prev + i * outer(v, k)"},
        "gated-deltanet": {"D": "alpha * S_prev", "e": "beta * (v - D @ k)", "S_t": "D + outer(e, k)", "o": "S_t @ q"},
        "mamba": {
            "A": "-exp(A_log)", "H_t": "exp(outer(delta, ones(x_t)) * A) * H_prev + outer(delta * x_t, B)",
            "y": "H_t @ C + D * x_t",
        },
        "rwkv7": {"S_t": "S_prev * outer(ones(x_t), decay) - outer(S_prev @ kappa, a * kappa) + outer(v, k_2)"},
        "ltc": {
            "g_x": "w_x * sigmoid(sigma_x * (outer(x_t, ones(x_t)) - mu_x))", "den":
            "c_m + g_leak + ones(x_t) @ g_x + ones(x_t) @ g_v",
        },
    }  # fmt: skip
    for name, equations in said.items():
        found, _ = lifted(name, STEPS[name], (3, 3, 3))
        assert found.cell.equations.items() >= equations.items()
        assert found.cell.declared == {
            "mamba": ("A_log",), "ltc": tuple(f"{one}_{side}" for side in "xv" for one in ("w", "sigma", "mu", "E"))
        }.get(name, ())  # fmt: skip


@pytest.mark.few(1)
@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_named_as_an_equation(bug: str) -> None:
    name, right, wrong, line, text = BUGS[bug]
    assert right in STEPS[name]
    one, two = (lifted(name, step, (3, 3, 3))[0] for step in (STEPS[name], STEPS[name].replace(right, wrong)))
    found = " ".join(lt.diff(one, two).report("text").split())
    said = re.search(rf"its equation differs: a has {line} = .*?, b has {line} = ([^;]*);", found)
    assert said
    assert text in said[1]


#: How people write what is written into a memory C from v and k, and what is read from it; and the equations.
WAYS = """
np.outer(v, k) | C @ k | outer(v, k) | C_t @ k
v[:, None] * k[None, :] | np.dot(C, k) | outer(v, k) | C_t @ k
v.reshape(-1, 1) @ k.reshape(1, -1) | (C @ k[:, None])[:, 0] | outer(v, k) | C_t @ k
np.einsum("i,j->ij", v, k) | np.einsum("ij,j->i", C, k) | outer(v, k) | C_t @ k
np.multiply.outer(v, k) | (C * k).sum(1) | outer(v, k) | C_t @ k
np.outer(k, v).T | C.T @ v | outer(v, k) | v @ C_t
np.outer(v, k) | np.einsum("ij,i->j", C, v) | outer(v, k) | v @ C_t
np.outer(v, k) | (C * v[:, None]).sum(0) | outer(v, k) | v @ C_t
np.outer(v, k) * M | C.sum(0) | outer(v, k) * M | ones(v) @ C_t
np.outer(v, k) * a[:, None] | C.mean(1) | outer(v * a, k) | C_t @ (0.3333333333333333 * ones(k))
np.outer(v, k) + C * b | np.tanh(C) @ b | outer(v, k) + C_prev * outer(ones(v), b) | tanh(C_t) @ u
np.outer(v, k) - np.outer(C @ k, k) | C @ (C.T @ v) | outer(v, k) - outer(C_prev @ k, k) | C_t @ (v @ C_t)
np.where(M > 0, np.outer(v, k), 0.0) | (M - C).T @ v | where(M > 0, outer(v, k), 0) | v @ (M - C_t)
np.outer(v, k) | C.sum() * v | outer(v, k) | sum(C_t) * v
np.outer(v, k) * M.T.T | v @ (C / np.sqrt((C * C).sum())) | outer(v, k) * M | v @ u
"""
TORCH = """
torch.outer(v, k) | C @ k | outer(v, k) | C_t @ k
v.unsqueeze(1) * k.unsqueeze(0) | torch.mv(C, k) | outer(v, k) | C_t @ k
torch.einsum("i,j->ij", v, k) | torch.einsum("ij,j->i", C, k) | outer(v, k) | C_t @ k
torch.addr(torch.zeros_like(C), v, k) | C.t() @ v | outer(v, k) | v @ C_t
torch.bmm(v[None, :, None], k[None, None])[0] | (C * k).sum(-1) | outer(v, k) | C_t @ k
torch.outer(v, k).mul_(M.exp()) | torch.relu(C) @ k | outer(v, k) * exp(M) | relu(C_t) @ k
"""
BATCHED = """
np.einsum("bi,bj->bij", v, k) | np.einsum("bij,bj->bi", C, k) | outer(v, k) | C_t @ k
v[:, :, None] * k[:, None, :] | (C @ k[:, :, None])[:, :, 0] | outer(v, k) | C_t @ k
v[..., None] @ k[:, None] | (C * k[:, None]).sum(-1) | outer(v, k) | C_t @ k
np.einsum("bi,bj->bij", v, k) * M | (v[:, None] @ C)[:, 0] | outer(v, k) * M | v @ C_t
np.einsum("bi,bj->bij", v, k) | C.swapaxes(1, 2) @ v[..., None] | outer(v, k) | v @ C_t
np.einsum("bi,bj->bij", v, k) | np.linalg.norm(C, axis=(1, 2))[:, None] * v | outer(v, k) | sqrt(sum(C_t * C_t)) * v
"""
RANDOM = np.random.default_rng(3)
WEIGHTS = {
    name: RANDOM.normal(size=size)
    for name, size in {"V": (R, INPUTS), "K": (C, INPUTS), "a": R, "b": C, "M": (R, C)}.items()
}


def remembering(write: str, read: str, batch: bool = False) -> str:
    """A step function that writes something into its memory, and reads it."""
    product = "x @ V.T, x @ K.T" if batch else "V @ x, K @ x"
    return (
        f"def step(x, C, V, K, a, b, M):\n    v, k = {product}\n"
        f"    C = 0.5 * C + {write}\n    y = {read}\n    return y, C\n"
    )


def cases(*texts: str) -> list[tuple[str, ...]]:
    return [tuple(part.strip() for part in row.split(" | ")) for text in texts for row in text.strip().splitlines()]


@pytest.mark.few(4)
@pytest.mark.parametrize(("write", "read", "written", "output"), cases(WAYS, TORCH, BATCHED))
def test_ways_to_write_and_to_read(write: str, read: str, written: str, output: str) -> None:
    batch = (write, read, written, output) in cases(BATCHED)
    x, begin = (RANDOM.normal(size=(T, *(2,) * batch, INPUTS)), RANDOM.normal(size=(*(2,) * batch, R, C)))
    weights, names = dict(WEIGHTS), {}
    if "torch" in write + read:
        torch = names["torch"] = pytest.importorskip("torch")
        weights, x, begin = {n: torch.tensor(one) for n, one in weights.items()}, torch.tensor(x), torch.tensor(begin)
    found = lt.lift(compiled(remembering(write, read, batch), **names), weights, x, states={"C": begin})
    decayed = "C_prev * 0.5" if names else "0.5 * C_prev"
    assert found.cell.equations["C_t"] == f"{decayed} + {written}"
    assert found.cell.equations[found.cell.output] == output
    assert lt.verify(found).verdict == "verified"


@pytest.mark.parametrize(
    ("write", "read", "line", "reason"),
    [
        ("np.outer(v, k)", "C @ C.T @ v", 4, "two computed matrices are multiplied"),
        ("np.outer(v, k) @ C.T @ C", "C @ k", 3, "two computed matrices are multiplied"),
        ("np.outer(v, k)", "np.diag(a) @ C @ k", 4, "a weight and a computed matrix are multiplied"),
        ("np.outer(v, k)", "np.linalg.inv(C.T @ C) @ k", 4, "no operation of a cell"),
        ("np.outer(v, k)", "np.cumsum(C, 0) @ k", 4, "np.cumsum is no operation of a cell"),
        ("np.outer(v, k)", "np.linalg.solve(C[:3], k)", 4, "np.solve is no operation of a cell"),
        ("np.outer(v, k)", "C[:, 0]", 3, "a part of a matrix is read, and an equation has the whole one"),
        ("np.outer(v, k)", "C @ k + C[:, 0]", 4, "a part of a matrix is read"),
        ("np.outer(v, k)", "C.max(axis=1)", 4, "a part of a matrix is read"),
        ("np.outer(v, k)", "C @ k + C.max(1, keepdims=True)[:, 0]", 4, "no row, no entry, no max of a row"),
        ("np.outer(v, k)", "C.ravel()", 3, "a matrix is read or returned as one vector"),
        ("np.outer(v, k)", "2 * C.ravel()", 4, "an equation has it in rows and columns"),
        ("np.outer(v, k)", "C[0, 1] * v", 4, "a part of a matrix is read"),
        ("np.tile(V @ x, 3).reshape(4, 3) * C", "C @ k", 3, "a matrix is a vector in another shape"),
        ("np.pad(np.outer(v[1:], k), 0)", "C @ k", 3, "np.pad is no operation of a cell"),
    ],
)
def test_what_no_equation_has_is_refused(write: str, read: str, line: int, reason: str) -> None:
    step = compiled(remembering(write, read))
    with pytest.raises(LiftError, match=rf"^step\.py, line {line}: `.*`: .*{re.escape(reason)}"):
        lt.lift(step, WEIGHTS, RANDOM.normal(size=(T, INPUTS)), states={"C": RANDOM.normal(size=(R, C))})


def test_a_memory_of_which_a_loop_reads_entries_is_no_long_vector() -> None:
    step = compiled(
        "def step(x, C, V, w):\n    v = V @ x\n    C = C.copy()\n"
        "    for i in range(4):\n        C[i] = C[i] * w + v[i] * v\n"
        "    y = np.zeros(4)\n    for i in range(4):\n        for j in range(4):\n            y[i] += C[i, j] * v[j]\n"
        "    return y, C\n"
    )
    weights = {"V": WEIGHTS["V"], "w": RANDOM.normal(size=R)}
    with pytest.raises(LiftError, match="a part of a matrix is read, and an equation has the whole one"):
        lt.lift(step, weights, RANDOM.normal(size=(T, INPUTS)), states={"C": np.eye(R)})


def test_a_memory_that_is_returned_transposed_is_refused() -> None:
    step = compiled("def step(x, C, V, K):\n    return (0.5 * C + np.outer(V @ x, K @ x)).T\n")
    weights, begin = {"V": WEIGHTS["V"], "K": WEIGHTS["V"] + 1}, RANDOM.normal(size=(R, R))
    with pytest.raises(LiftError, match="returned with its rows and columns exchanged"):
        lt.lift(step, weights, RANDOM.normal(size=(T, INPUTS)), states={"C": begin})


def test_as_many_steps_as_rows() -> None:
    step = compiled(remembering("np.outer(v, k)", "C @ k"))
    found = lt.lift(step, WEIGHTS, RANDOM.normal(size=(R, INPUTS)), states={"C": RANDOM.normal(size=(R, C))})
    assert found.cell.equations["C_t"] == "0.5 * C_prev + outer(v, k)"


def test_three_axes_are_refused_and_a_stack_of_vectors_is_one_vector() -> None:
    heads = (
        "def step(x, C, V):\n    v = (V @ x).reshape(2, 2)\n    C = 0.5 * C + v[:, :, None] * v[:, None]\n"
        "    return np.einsum('hij,hj->hi', C, v), C\n"
    )
    x = RANDOM.normal(size=(T, INPUTS))
    with pytest.raises(LiftError, match="C_prev has 3 axes, and equations have vectors and matrices: lift one head"):
        lt.lift(compiled(heads), {"V": WEIGHTS["V"]}, x, states={"C": np.ones((2, 2, 2))})
    layers = (
        "def step(x, h, V):\n    low = np.tanh(V @ x + h[0])\n"
        "    high = np.tanh(V @ x * low + h[1])\n    return np.stack([low, high])\n"
    )
    found = lt.lift(compiled(layers), {"V": WEIGHTS["V"]}, x, h=np.ones((2, R)))
    assert found.cell.equations["low"] == f"tanh(V @ x_t + h_prev[0:{R}])"


@pytest.mark.parametrize("axis", [0, 1])
def test_a_memory_that_a_loop_fills(axis: int) -> None:
    loop = "for k in range(3):\n        new[:, k] = f * C[:, k] + v * q[k]" if axis else (
        "for k in range(4):\n        new[k] = f * C[k] + v[k] * q"
    )  # fmt: skip
    step = compiled(
        f"def step(x, C, V, K, f):\n    v, q = V @ x, K @ x\n    new = np.zeros((4, 3))\n    {loop}\n"
        "    y = np.array([new[k] @ q for k in range(4)])\n    return y, new\n"
    )
    weights = {name: WEIGHTS[name] for name in "VK"} | {"f": np.array([0.3])}
    found = lt.lift(step, weights, RANDOM.normal(size=(T, INPUTS)), states={"C": RANDOM.normal(size=(R, C))})
    assert found.cell.equations["C_t"] == "f * C_prev + outer(v, q)"
    assert found.cell.equations["y"] == "C_t @ q"


def test_columns_beside_a_matrix() -> None:
    step = compiled(
        "def step(x, C, n, V, K):\n    v, k = V @ x, K @ x\n    C = 0.5 * C + v @ k.T\n    n = 0.5 * n + k\n"
        "    h = C @ k / (n.T @ k)\n    return h, C, n\n"
    )
    x, states = RANDOM.normal(size=(T, INPUTS, 1)), {"C": RANDOM.normal(size=(R, C)), "n": np.ones((C, 1))}
    found = lt.lift(step, {name: WEIGHTS[name] for name in "VK"}, x, states=states)
    assert found.cell.equations["c_t"] == "0.5 * c_prev + outer(v, k)"
    assert found.cell.equations["h"] == "c_t @ k / sum(n_t * k)"


@pytest.mark.few(0)
def test_a_batch_in_a_module_and_float32() -> None:
    torch = pytest.importorskip("torch")

    class Memory(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.key, self.value, self.query = (torch.nn.Linear(INPUTS, n) for n in (C, R, C))
            self.decay = torch.nn.Parameter(torch.randn(R, C))

        def forward(self, x: Any, S: Any) -> Any:
            k = torch.nn.functional.normalize(self.key(x), dim=-1)
            S = torch.exp(-self.decay.exp()) * S + self.value(x).unsqueeze(-1) * k.unsqueeze(-2)
            return torch.bmm(S, self.query(x).unsqueeze(-1)).squeeze(-1), S

    for dtype in (torch.float32, torch.float64):
        x, begin = torch.randn(T, 2, INPUTS, dtype=dtype), torch.randn(2, R, C, dtype=dtype)
        found = lt.lift(Memory().to(dtype), None, x, states={"S": begin})
        assert found.cell.equations["S_t"].startswith(
            "exp(-exp(decay)) * S_prev + outer(value_bias + value_weight @ x_t,"
        )
        assert found.cell.equations[found.cell.output] == "S_t @ (query_bias + query_weight @ x_t)"
        assert found.trace.header.dtype == str(dtype).removeprefix("torch.")


def fla(q: Any, k: Any, v: Any, g: Any, beta: Any, S: Any) -> Any:
    """The naive loop of flash-linear-attention for the gated delta rule: (B, H, T, …), the state (B, H, K, V)."""
    torch = pytest.importorskip("torch")
    o = torch.zeros(*v.shape, dtype=v.dtype)
    for i in range(q.shape[2]):
        b_q, b_k, b_v = q[:, :, i], k[:, :, i], v[:, :, i].clone()
        S = S.clone() * g[:, :, i].exp()[..., None, None]
        b_v = b_v - (S.clone() * b_k[..., None]).sum(-2)
        b_v = b_v * beta[:, :, i][..., None]
        S = S.clone() + b_k.unsqueeze(-1) * b_v.unsqueeze(-2)
        o[:, :, i] = torch.einsum("bhd,bhdm->bhm", b_q, S)
    return o, S


def scan(u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any, delta_bias: Any) -> Any:
    """The reference of Mamba's selective scan: (B, D, T), (D, N), (B, N, T)."""
    torch = pytest.importorskip("torch")
    delta = torch.nn.functional.softplus(delta + delta_bias[..., None])
    x = A.new_zeros((u.shape[0], *A.shape))
    deltaA = torch.exp(torch.einsum("bdl,dn->bdln", delta, A))
    deltaB_u = torch.einsum("bdl,bnl,bdl->bdln", delta, B, u)
    ys = []
    for i in range(u.shape[2]):
        x = deltaA[:, :, i] * x + deltaB_u[:, :, i]
        ys.append(torch.einsum("bdn,bn->bd", x, C[:, :, i]))
    return torch.stack(ys, dim=2) + u * D[:, None]


@pytest.mark.few(0)
@pytest.mark.parametrize("batch", [1, 2])
def test_naive_loops_over_a_sequence(batch: int) -> None:
    torch = pytest.importorskip("torch")

    def delta_rule(x: Any, S: Any, W_q: Any, W_k: Any, W_v: Any, W_a: Any, W_b: Any) -> Any:
        q, k, v = ((x @ W.T)[:, None] for W in (W_q, W_k, W_v))
        g, beta = -torch.exp(x @ W_a.T).mT, torch.sigmoid(x @ W_b.T).mT
        o, S = fla(q, k, v, g, beta, S[:, None])
        return o[:, 0], S

    def selective(x: Any, W_s: Any, W_d: Any, b_d: Any, W_B: Any, W_C: Any, A_log: Any, D: Any) -> Any:
        low, B, C = (x @ W.T for W in (W_s, W_B, W_C))
        return scan(x.mT, (low @ W_d.T).mT, -torch.exp(A_log), B.mT, C.mT, D, b_d).mT

    weights, _ = matrix_cells.drawn("gated-deltanet", RANDOM, INPUTS, R, C)
    given = {name: torch.tensor(one) for name, one in weights.items() if name.startswith("W")}
    x, begin = torch.randn(batch, T, INPUTS).double(), torch.randn(batch, C, R).double()
    found = lt.lift(delta_rule, given, x, states={"S": begin})
    equations = found.cell.equations
    state = "h" if batch == 1 else "S"  # a state with an axis for the layer is as large
    assert equations[f"{state}_t"] == "S + outer(b_k, b_v)"
    assert equations["S"] == f"{state}_prev * exp(-exp(W_a @ x_t))"
    assert equations["b_v"] == "b_v_2 * sigmoid(W_b @ x_t)"
    assert equations["b_v_2"] == "b_v_3 - b_k @ S"
    assert found.cell.equations[found.cell.output] == f"b_q @ {state}_t"
    np.testing.assert_allclose(found.trace.output, delta_rule(x, begin, **given)[0].mT.permute(2, 0, 1), rtol=1e-10)

    weights, _ = matrix_cells.drawn("mamba", RANDOM, INPUTS, R, C)
    given = {name: torch.tensor(one) for name, one in weights.items()}
    found = lt.lift(selective, given, x)
    assert found.cell.declared == ("A_log",)
    assert "h_t = exp(outer(" in found.cell.text
    np.testing.assert_allclose(found.trace.output, selective(x, **given).permute(1, 0, 2), rtol=1e-10)


def test_a_loop_over_a_sequence_in_numpy() -> None:
    step = compiled(
        "def step(x, V, K, C):\n    found = []\n    for x_t in x:\n        v, k = V @ x_t, K @ x_t\n"
        "        C = 0.5 * C + np.outer(v, k)\n        found.append(C @ k)\n    return np.array(found)\n"
    )
    x, begin = RANDOM.normal(size=(T, INPUTS)), RANDOM.normal(size=(R, C))
    found = lt.lift(step, {name: WEIGHTS[name] for name in "VK"}, x, states={"C": begin})
    assert found.cell.equations["C_t"] == "0.5 * C_prev + outer(v, k)"
    np.testing.assert_allclose(found.trace.output[:, 0], step(x, WEIGHTS["V"], WEIGHTS["K"], begin), rtol=1e-12)


def test_weights_that_are_read_transposed_say_so() -> None:
    def lifted(line: str, A: Any) -> Any:
        step = compiled(f"def step(x, S, A, V, W):\n    S = {line} + np.outer(V @ x, W @ x)\n    return S @ (W @ x), S")
        weights = {"A": A, "V": RANDOM.normal(size=(R, INPUTS)), "W": RANDOM.normal(size=(A.shape[0], INPUTS))}
        begin = RANDOM.normal(size=(R, len(A)))
        found = lt.lift(step, weights, RANDOM.normal(size=(T, INPUTS)), states={"S": begin})
        assert found.aliases["A_T"] == "A.T"
        np.testing.assert_array_equal(found.weights["A_T"], A.T)
        return found

    found = lifted("np.exp(A.T) * S", RANDOM.normal(size=(C, R)))
    assert found.cell.equations["S_t"].startswith("exp(A_T) * S_prev + ")
    A = RANDOM.normal(size=(R, R))
    found = lifted("A * S + A.T * S", A)
    assert found.cell.equations["S_t"].startswith("A * S_prev + A_T * S_prev + ")
    np.testing.assert_array_equal(found.weights["A"], A)
    assert "A = A" not in str(found)


def test_a_weight_that_is_read_both_ways_says_which_is_which() -> None:
    step = compiled("def step(x, h, A, V):\n    v = V @ x\n    return A @ v - v @ A + 0.5 * h")
    weights = {"A": RANDOM.normal(size=(R, R)), "V": RANDOM.normal(size=(R, INPUTS))}
    found = lt.lift(step, weights, RANDOM.normal(size=(T, INPUTS)), h=np.zeros(R))
    assert found.cell.equations["h_t"] == "A @ v - A_2 @ v + 0.5 * h_prev"
    assert found.aliases["A_2"] == "A.T"
    np.testing.assert_array_equal(found.weights["A_2"], weights["A"].T)


# -- comparisons -------------------------------------------------------------------------------------------------------

MEMORY = "def step(x, {M}, V):\n    k = V @ x\n    {M} = {f} * {M} + np.outer(k, k)\n    {y} = {M} @ k\n{end}"


@pytest.mark.few(1)
@pytest.mark.parametrize("names", [("M", "y"), ("mem", "y"), ("mem", "read"), ("M", "read")])
def test_outputs_and_states_are_compared_whatever_they_are_called(names: tuple[str, str]) -> None:
    def memory(state: str, y: str, f: str = "0.9", out: str = "") -> Any:
        end = f"    z = {out}({y})\n    return z, {state}" if out else f"    return {y}, {state}"
        step = compiled(MEMORY.format(M=state, f=f, y=y, end=end))
        return lt.lift(step, {"V": V}, x, states={state: np.eye(R)})

    V, x = RANDOM.normal(size=(R, INPUTS)), RANDOM.normal(size=(T, INPUTS))
    right = memory("M", "y")
    assert lt.diff(right, memory(*names)).verdict == "same"
    assert not lt.diff(right, memory(*names)).notes
    for wrong, line in ((memory(*names, f="0.8"), "M_t"), (memory(*names, out="np.tanh"), "y")):
        found = lt.diff(right, wrong)
        assert found.first is not None
        assert found.first.line == line
        assert not found.premises


def test_states_go_by_their_shapes_and_places() -> None:
    def one(x: Any, n: Any, C: Any, K: Any) -> Any:
        k = K @ x
        C, n = 0.9 * C + np.outer(k, k), 0.9 * n + k
        return C @ k / (1 + n @ n), n, C

    def two(x: Any, mem: Any, z: Any, K: Any) -> Any:
        k = K @ x
        mem, z = 0.9 * mem + np.outer(k, k), 0.9 * z + k
        return mem @ k / (1 + z @ z), mem, z

    K, x, C, n = (RANDOM.normal(size=size) for size in ((R, INPUTS), (T, INPUTS), (R, R), R))
    a, b = lt.lift(one, {"K": K}, x, states={"n": n, "C": C}), lt.lift(two, {"K": K}, x, states={"mem": C, "z": n})
    found = lt.diff(a, b)
    assert found.verdict == "same"
    assert not found.notes


@pytest.mark.few(0)
def test_least_squares_that_was_lifted_runs_without_its_first_matrices() -> None:
    def step(x: Any, S: Any, P: Any, W_k: Any, W_v: Any, W_q: Any) -> Any:
        k = W_k @ x
        P = P - np.outer(P @ k, k @ P) / (1 + k @ P @ k)
        S = S + np.outer(W_v @ x - S @ k, P @ k)
        return S @ (W_q @ x), S, P

    rng = np.random.default_rng(3)
    weights = {"W_k": rng.normal(size=(3, 2)), "W_v": rng.normal(size=(4, 2)), "W_q": rng.normal(size=(3, 2))}
    x = rng.normal(size=(5, 2))
    found = lt.lift(step, weights, x, states={"S": np.ones((4, 3)), "P": np.eye(3)})
    trace = found.run(x)
    assert {line: trace.grid("0/forward", line) for line in found.cell.states.values()} == {"S_t": (4, 3), "P": (3, 3)}
    assert lt.verify(trace).verdict == "verified"
