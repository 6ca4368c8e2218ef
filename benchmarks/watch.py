"""What a watch costs while nothing happens: training steps of an `nn.LSTM` in `lt.watch`, over the same steps alone.

    python benchmarks/watch.py [--quick] [--device cuda]

Equal models take turns, step by step, with Adam, two of them watched, on one thread. Times are those of the processor
(on a GPU: after synchronising), of which one in ten was shorter: other programs disturb them least. `checks`: without
samples, as a ratio and in microseconds. `all`: with samples, which take at most 1 % of the time by default; this ratio
is that of the sums.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch

import lstm_trace as lt

#: (T, B, H, layers)
SIZES = ((10, 1, 8, 1), (25, 16, 32, 1), (50, 32, 128, 1), (100, 32, 256, 2))


def trainer(steps: int, batch: int, units: int, layers: int, device: str) -> tuple[Any, Callable[[], None]]:
    """A model with I = H, and a function that takes one step of its training."""
    torch.manual_seed(0)
    model = torch.nn.LSTM(units, units, layers).to(device)
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.randn(2, steps, batch, units, device=device)

    def step() -> None:
        optimizer.zero_grad()
        ((model(x)[0] - y) ** 2).mean().backward()
        optimizer.step()

    return model, step


def measure(size: tuple[int, int, int, int], device: str, seconds: float) -> None:
    """Print the ratios of one size."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    steps: dict[str, Callable[[], None]] = {}
    with ExitStack() as blocks:
        for name, options in (("alone", None), ("checks", {"saturated": None}), ("all", {})):
            model, steps[name] = trainer(*size, device)
            if options is not None:
                blocks.enter_context(lt.watch(model, save=None, **options))
        taken: dict[str, list[float]] = {name: [] for name in steps}
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or len(taken["all"]) < 20:
            for name, step in steps.items():
                begin = clock()
                step()
                if device != "cpu":
                    torch.cuda.synchronize()
                taken[name].append(clock() - begin)
    alone, checks = (sorted(taken[name][5:])[len(taken[name]) // 10] for name in ("alone", "checks"))
    everything = sum(taken["all"][5:]) / sum(taken["alone"][5:])  # samples are rare: their share is in the mean
    sizes = "  ".join(f"{key}={value:<4}" for key, value in zip("TBHL", size, strict=True))
    added = f"checks {checks / alone:.3f} ({1e6 * (checks - alone):.0f} us)"
    print(f"{sizes} {1e3 * alone:8.2f} ms a step   {added}   all {everything:.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for size in SIZES:
        measure(size, given.device, 2.0 if given.quick else 20.0)
