"""The walk back against the traced forward: one value's gradients, all gradients, an attribution. Ratios only.

    python benchmarks/walk.py [--quick]

One BLAS thread unless OPENBLAS_NUM_THREADS says otherwise; medians of runs that take turns. The issue's limit is a
ratio of 3 at T = 10,000, H = 128.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import split


def weights(rng: np.random.Generator, units: int, dtype: str) -> dict[str, np.ndarray]:
    """A plain cell with I = H and remembering forget gates."""
    found = {f"W_{s}{g}": rng.normal(size=(units, units)) * units**-0.5 for s in "xh" for g in "ifco"}
    found |= {f"b_{g}": rng.normal(size=units) + (2 if g == "f" else 0) for g in "ifco"}
    return {name: value.astype(dtype) for name, value in found.items()}


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(steps: int, units: int, batch: int, dtype: str, turns: int) -> None:
    """Print the ratios of one size."""
    rng = np.random.default_rng(0)
    model = lt.prepare(weights(rng, units, dtype))
    x = rng.normal(size=(steps, batch, units)).astype(dtype)
    trace, other = model.run(x), model.run(x * 0.99)
    seed = np.ones(trace.output.shape)
    of = f"0/forward/{steps - 1}/0/h_t[0]"
    works: dict[str, Callable[[], object]] = {
        "forward": lambda: model.run(x),
        "one value": lambda: lt.gradients(trace, of=of),
        "all": lambda: lt.gradients(trace, output=seed),
        "attribute": lambda: split(other, trace, of),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            taken[name].append(seconds(work))
    base = median(taken["forward"])
    ratios = "  ".join(f"{name} {median(values) / base:5.2f}" for name, values in taken.items() if name != "forward")
    print(f"T={steps:<6} H={units:<4} B={batch:<3} {dtype:8} {ratios}   (ratio to the traced forward)")


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    for steps, units, batch, dtype in (
        (10_000, 128, 1, "float64"),
        (10_000, 128, 1, "float32"),
        (10_000, 32, 1, "float64"),
        (10_000, 2, 1, "float64"),
        (1_000, 128, 32, "float64"),
        (1_000, 512, 1, "float64"),
    ):
        measure(steps // 10 if quick else steps, units, batch, dtype, turns=5)
