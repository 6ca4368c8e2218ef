"""Our full trace of a cell with a matrix for a memory against a numpy loop that computes the step and keeps h alone.

    OPENBLAS_NUM_THREADS=1 python benchmarks/matrices.py [--quick]

The cell is the stabilised mLSTM of xLSTM (Beck et al. 2024, (19) to (27)), given q, k, v and the gates' inputs. In each
round every call runs once, in turn. Ratios: our time over the loop's in the same round; the median of the rounds, and
its quartiles. `out` writes into the memory of an earlier trace, as a caller in a loop does; `new` allocates it, and its
page faults are the machine's. The limit is 1.0 with `out`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median, quantiles

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import lstm_trace as lt

CELL = """
input: q_t, k_t, v_t, o_t, a_t, b_t
l_t = -softplus(-b_t)
m_t = max(l_t + m_prev, a_t)
i_t = exp(a_t - m_t)
f_t = exp(l_t + m_prev - m_t)
C_t = f_t * C_prev + i_t * outer(v_t, k_t)
n_t = f_t * n_prev + i_t * k_t
d_t = dot(n_t, q_t)
h_t = o_t * (C_t @ q_t) / max(max(d_t, -d_t), exp(-m_t))
carry: C_prev <- C_t, n_prev <- n_t, m_prev <- m_t
output: h_t
"""
#: (d, T, B, dtype)
SIZES = (
    (64, 100, 1, "float64"), (128, 100, 1, "float64"), (64, 100, 8, "float64"), (16, 1000, 1, "float64"),
    (64, 100, 1, "float32"), (128, 100, 1, "float32"),
)  # fmt: skip


def loop(given: dict[str, np.ndarray]) -> np.ndarray:
    """The step in numpy, one sequence after the other."""
    q, k, v, o, a, b = (given[f"{name}_t"] for name in "qkvoab")
    steps, batch, d = q.shape
    h = np.empty_like(q)
    for r in range(batch):
        C, n, m = np.zeros((d, d), q.dtype), np.zeros(d, q.dtype), np.zeros(1, q.dtype)
        for t in range(steps):
            decay = m - np.log1p(np.exp(-b[t, r]))
            m = np.maximum(decay, a[t, r])
            i, f = np.exp(a[t, r] - m), np.exp(decay - m)
            C = f * C + i * np.outer(v[t, r], k[t, r])
            n = f * n + i * k[t, r]
            h[t, r] = o[t, r] * (C @ q[t, r]) / np.maximum(np.abs(n @ q[t, r]), np.exp(-m))
    return h


def measure(d: int, steps: int, batch: int, dtype: str, rounds: int) -> None:
    """Print the ratios of one size."""
    rng = np.random.default_rng(0)
    widths = {"q_t": d, "k_t": d, "v_t": d, "o_t": d, "a_t": 1, "b_t": 1}
    given = {name: rng.normal(size=(steps, batch, width)).astype(dtype) for name, width in widths.items()}
    given["k_t"] /= np.sqrt(d).astype(dtype)
    model = lt.prepare({}, cell={"equations": CELL}, dtype=dtype)
    into = model.run(given=given)
    off = np.abs(into["h_t"] - loop(given)).max()

    def again() -> None:
        nonlocal into
        into = model.run(given=given, out=into)

    calls: dict[str, Callable[[], object]] = {
        "loop": lambda: loop(given),
        "out": again,
        "new": lambda: model.run(given=given),
    }
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            took[name].append(time.perf_counter() - begin)
    line = f"{d:5} {steps:5} {batch:3} {dtype} {into.header.plan:9}"
    for name in ("out", "new"):
        ratios = [ours / theirs for ours, theirs in zip(took[name][1:], took["loop"][1:], strict=True)]
        low, _, high = quantiles(ratios, n=4)
        line += f"{1e3 * median(took[name]):9.2f} ms, {median(ratios):.2f} ({low:.2f} to {high:.2f})"
    print(f"{line}{1e3 * median(took['loop']):9.2f} ms{off:10.0e}", flush=True)


def main() -> None:
    """Every size."""
    print("    d     T   B dtype   plan              out: time, ratio                new: time, ratio     loop   apart")
    for size in SIZES[: 2 if "--quick" in sys.argv else None]:
        measure(*size, rounds=60)


if __name__ == "__main__":
    main()
