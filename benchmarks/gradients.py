"""The way back against the traced forward, and against PyTorch's own: all gradients of weights, inputs and states.

    python benchmarks/gradients.py [--quick] [--cpu]

Columns: the adjoint with its sums over the traced forward run into the same memory; the same with every line of the
way back kept (`backward`); one value's attribution; PyTorch's backward of `nn.LSTM` with the same weights; and ours
over PyTorch's. One thread each; medians of runs that take turns. Limits: 3 times the forward at H >= 128, 8 times at
H = 32; of PyTorch's 0.7 in float64, 1.5 in float32. `--cpu`: processor time, where other programs run.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import split

#: (T, H, B)
SIZES = ((1_000, 32, 1), (10_000, 32, 1), (1_000, 128, 1), (10_000, 128, 1), (1_000, 128, 32), (1_000, 512, 1))
CLOCK = time.process_time if "--cpu" in sys.argv else time.perf_counter


def network(units: int, dtype: str) -> torch.nn.LSTM:
    """A plain cell with I = H."""
    torch.manual_seed(0)
    return torch.nn.LSTM(units, units, dtype=getattr(torch, dtype))


def measure(steps: int, units: int, batch: int, dtype: str, turns: int) -> None:
    """Print the ratios of one size."""
    rng = np.random.default_rng(0)
    net = network(units, dtype)
    model = lt.prepare(net)
    x = rng.normal(size=(steps, batch, units)).astype(dtype)
    trace, other = model.run(x, plan="compiled"), model.run(x * 0.99)
    into = model.run(x, plan="compiled")
    seed = np.ones(trace.output.shape, dtype)
    theirs = torch.tensor(x, requires_grad=True)
    held: dict[str, torch.Tensor] = {}
    of = f"0/forward/{steps - 1}/0/h_t[0]"

    def forward() -> None:
        nonlocal into
        into = model.run(x, plan="compiled", out=into)

    works: dict[str, Callable[[], object]] = {
        "forward": forward,
        "gradients": lambda: lt.gradients(trace, output=seed),
        "backward": lambda: lt.backward(trace, output=seed),
        "attribute": lambda: split(other, trace, of),
        "torch": lambda: held["sum"].backward(),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns + 1):
        held["sum"] = net(theirs)[0].sum()
        for name, work in works.items():
            begin = CLOCK()
            work()
            taken[name].append(CLOCK() - begin)
    typical = {name: median(values[1:]) for name, values in taken.items()}  # the first compiles
    ratios = "  ".join(f"{name} {value / typical['forward']:6.2f}" for name, value in typical.items())
    ours = typical["gradients"] / typical["torch"]
    print(f"T={steps:<6} H={units:<4} B={batch:<3} {dtype:8} {ratios}   gradients/torch {ours:5.2f}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    quick = "--quick" in sys.argv
    for dtype in ("float64", "float32"):
        for steps, units, batch in SIZES:
            measure(max(steps // 10, 100) if quick else steps, units, batch, dtype, turns=3 if quick else 5)
