"""`verify` and `diff` against the traced forward of the compiled plan, memory reused. Ratios only.

    python benchmarks/verification.py [--quick] [--cpu]

One BLAS thread unless OPENBLAS_NUM_THREADS says otherwise; medians of runs that take turns. The issue's limit is a
ratio of 2 at H >= 128. `plans`: two traces of one input by two plans, which differ by rounding. `inputs`: two traces
of two inputs, which differ everywhere. `equal`: a trace and a copy of it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import lstm_trace as lt

SIZES = [(128, 1), (128, 32), (256, 1), (256, 32), (512, 1), (32, 1)]


def weights(rng: np.random.Generator, units: int, dtype: str) -> dict[str, np.ndarray]:
    """A plain cell with I = H and remembering forget gates."""
    found = {f"W_{s}{g}": rng.normal(size=(units, units)) * units**-0.5 for s in "xh" for g in "ifco"}
    found |= {f"b_{g}": rng.normal(size=units) + (2 if g == "f" else 0) for g in "ifco"}
    return {name: value.astype(dtype) for name, value in found.items()}


def measure(steps: int, units: int, batch: int, dtype: str, turns: int, clock: Callable[[], float]) -> None:
    """Print the ratios of one size."""
    rng = np.random.default_rng(0)
    model = lt.prepare(weights(rng, units, dtype))
    x = rng.normal(size=(steps, batch, units)).astype(dtype)
    trace = model.run(x, plan="compiled")
    planned, other = model.run(x, plan="planned"), model.run(x * x.dtype.type(0.99), plan="compiled")
    kept, copy = model.run(x, plan="compiled"), model.run(x, plan="compiled")
    works: dict[str, Callable[[], object]] = {
        "forward": lambda: model.run(x, plan="compiled", out=kept),
        "verify": lambda: lt.verify(trace),
        "diff of equal": lambda: lt.diff(trace, copy),
        "diff of plans": lambda: lt.diff(trace, planned),
        "diff of inputs": lambda: lt.diff(trace, other),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            begin = clock()
            work()
            taken[name].append(clock() - begin)
    base = median(taken["forward"])
    ratios = "  ".join(f"{name} {median(values) / base:5.2f}" for name, values in taken.items() if name != "forward")
    print(f"H={units:<4} B={batch:<3} T={steps:<5} {dtype:8} {ratios}", flush=True)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="H = 128 alone")
    options.add_argument("--cpu", action="store_true", help="processor time, where others use the machine")
    options.add_argument("--turns", type=int, default=5)
    chosen = options.parse_args()
    clock = time.process_time if chosen.cpu else time.perf_counter
    for dtype in ("float64", "float32"):
        for units, batch in SIZES[:2] if chosen.quick else SIZES:
            measure(1000, units, batch, dtype, chosen.turns, clock)


if __name__ == "__main__":
    main()
