"""What a trace costs: every line against h alone, and the whole run against its matrix products alone. Ratios only.

    python benchmarks/figures.py [--quick]

All by the default plan, memory reused, in turn in one process, on one thread unless OPENBLAS_NUM_THREADS says
otherwise; T = 1000, or fewer steps where a trace would take more than 0.5 GB. `all / h`: our run that stores all 21
lines over our run that stores h alone. `all / products`: the same run over numpy's BLAS products of the same sizes: one
of all inputs, then one a step, into memory that is there.
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import lstm
import numpy as np
import torch
from lstm import LINES, Call, Ratio, case, geometric, ratio, rounds, table

STEPS, MOST = 1000, 500e6
RECORDED = (32, 128, 512)
MULTIPLIED = (128, 512, 1024)


def products(units: int, rows: int, steps: int, dtype: str) -> Call:
    """The products of an LSTM with I = H, the four gates stacked as h @ W.

    For one row in float32 that takes 0.7 to 0.8 of W @ h, in float64 as long.
    """
    rng = np.random.default_rng(0)
    of_x, of_h = (np.asarray(rng.normal(size=(units, 4 * units)) / units, dtype) for _ in "xh")
    x = rng.normal(size=(steps * rows, units)).astype(dtype)
    states = list(rng.normal(size=(steps, rows, units)).astype(dtype))
    before = np.empty((steps * rows, 4 * units), dtype)
    step = np.empty((rows, 4 * units), dtype)
    if rows == 1:
        states, step = [state[0] for state in states], step[0]

    def call() -> None:
        np.dot(x, of_x, before)
        for state in states:
            np.dot(state, of_h, step)

    return call


def measured(units: int, rows: int, steps: int, dtype: str, budget: float) -> tuple[str, dict[str, Ratio]]:
    """The plan that ran, and the ratios of one size."""
    _, model, x = case(units, units, rows, steps, dtype)
    values = x.numpy()
    trace = model.run(values)
    calls: dict[str, Call] = {"all": partial(model.run, values, out=trace)}
    if units in RECORDED:
        calls["h"] = partial(model.run, values, record="h_t", out=model.run(values, record="h_t"))
    if units in MULTIPLIED:
        calls["products"] = products(units, rows, steps, dtype)
    times = rounds(calls, budget)
    return trace.header.plan, {name: ratio(times["all"], times[name]) for name in calls if name != "all"}


def main() -> None:
    """Measure and print Markdown."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="one size")
    options.add_argument("--cpu", action="store_true", help="processor time, where others use the machine")
    options.add_argument("--seconds", type=float, default=3.0, help="for each size")
    given = options.parse_args()
    lstm.CLOCK = time.process_time if given.cpu else time.perf_counter
    every: dict[str, list[Ratio]] = {"h": [], "products": []}

    def one(units: int, rows: int, dtype: str) -> list[str]:
        steps = min(STEPS, int(MOST / (LINES * units * rows * np.dtype(dtype).itemsize)))
        plan, found = measured(units, rows, steps, dtype, given.seconds)
        for name, each in found.items():
            every[name].append(each)
        return [f"{units}", f"{rows}", f"{steps}", dtype, plan, *(str(found.get(name, "")) for name in every)]

    units = (128,) if given.quick else sorted({*RECORDED, *MULTIPLIED})
    sizes: Any = [(h, b, dtype) for dtype in ("float64", "float32") for h in units for b in (1, 32)]
    table((one(*size) for size in sizes), ["H = I", "B", "T", "dtype", "plan", "all / h", "all / products"])
    for name, found in every.items():
        medians = [each.median for each in found]
        print(f"all / {name}: {min(medians):.2f} to {max(medians):.2f}, geometric mean {geometric(found):.2f}")


if __name__ == "__main__":
    with torch.no_grad():
        main()
