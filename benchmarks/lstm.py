"""Our full trace (every line of every step) against PyTorch, in turn in one process, on the same weights.

    python benchmarks/lstm.py --quick        a few sizes, a minute
    python benchmarks/lstm.py                the whole grid, about half an hour
    python benchmarks/lstm.py --part peers   tracing peers; also: grid, cells (GRU and RNN), disk, growth
    python benchmarks/lstm.py --part grid --steps 1000      T = 1000 alone, by the plan that users get
    OPENBLAS_NUM_THREADS=1 python …          on one thread, PyTorch as well; two are the default

Ratios: our time over the peer's time next to it, the median of the rounds (and its quartiles). PyTorch runs without
gradients, with as many threads as numpy's BLAS has; `nn.LSTM` stores h alone. `out=` is a trace whose memory is written
again, as a caller in a loop does; fresh memory costs page faults, which are the machine's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", str(min(os.cpu_count() or 1, 2)))
os.environ.setdefault("OMP_NUM_THREADS", os.environ["OPENBLAS_NUM_THREADS"])

import numpy as np
import peers
import torch

import lstm_trace as lt

SIZES = ((2, 3), (32, 32), (128, 128), (512, 512), (1024, 1024))
QUICK = ((2, 3, 1, 1), (2, 3, 1, 1000), (32, 32, 32, 100), (128, 128, 1, 1000), (128, 128, 32, 100), (512, 512, 1, 100))
LINES = 21  # of the plain cell
Call = Callable[[], Any]
PLAN: Any = "auto"
CLOCK = time.perf_counter
BURST, PAUSE = 0.03, 0.05
PARTS = ("grid", "cells", "peers", "disk", "growth")


class Ratio(NamedTuple):
    """Median and quartiles of the rounds' ratios."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def rounds(calls: dict[str, Call], budget: float, before: Call = lambda: None) -> dict[str, list[float]]:
    """Seconds of every call in each round, the calls in turn, for about `budget` seconds and at least 5 rounds.

    Each is called for `BURST` seconds on end, after a pause: the threads of the one before it, which go on waiting in
    a loop for a while, would take its core. before: done before each round, and not timed.
    """
    counts = {}
    for name, call in calls.items():
        call()
        begin = time.perf_counter()
        call()
        counts[name] = int(BURST / (time.perf_counter() - begin))
    found: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(next(iter(found.values()))) < 5:
        before()
        for name, call in calls.items():
            time.sleep(PAUSE)
            if counts[name] > 1:
                call()  # wakes its threads
            count = max(counts[name], 1)
            begin = CLOCK()
            for _ in range(count):
                call()
            found[name].append((CLOCK() - begin) / count)
    return found


def ratio(ours: list[float], peer: list[float]) -> Ratio:
    """Of each round, then the median."""
    every = [a / b for a, b in zip(ours, peer, strict=True)]
    low, _, high = statistics.quantiles(every, n=4)
    return Ratio(statistics.median(every), low, high)


def geometric(ratios: list[Ratio]) -> float:
    """The geometric mean of the medians."""
    return statistics.geometric_mean([r.median for r in ratios])


def table(rows: Iterator[list[str]], header: list[str]) -> None:
    """Print a Markdown table, each row as soon as it is there."""
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print(flush=True)


def case(units: int, inputs: int, rows: int, steps: int, dtype: str) -> tuple[Any, Any, torch.Tensor]:
    """PyTorch's module, our model of its weights, an input; checked to agree."""
    module = peers.lstm(inputs, units, dtype)
    x = torch.randn(steps, rows, inputs, dtype=getattr(torch, dtype))
    model = lt.prepare(peers.weights(module))
    few = x[:20]
    off = np.abs(model.run(few.numpy(), plan=PLAN).output - module(few)[0].numpy()).max()
    assert off < (1e-12 if dtype == "float64" else 1e-5), off
    return module, model, x


def fits(units: int, rows: int, steps: int, dtype: str, traces: int) -> bool:
    """Whether so many traces fit into the memory that is free, with room to spare."""
    from lstm_trace.base.resources import available

    size = LINES * units * rows * steps * np.dtype(dtype).itemsize
    return traces * size * 1.2 < (available() or 0)


def grid(cells: list[tuple[int, int, int, int]], dtype: str, budget: float) -> None:
    """The table of all sizes, and its geometric mean."""
    held: list[Ratio] = []

    def one(units: int, inputs: int, rows: int, steps: int) -> list[str]:
        size = [f"{units}", f"{inputs}", f"{rows}", f"{steps}"]
        if not fits(units, rows, steps, dtype, 1):
            return [*size, "too large for this machine's memory", "", "", ""]
        module, model, x = case(units, inputs, rows, steps, dtype)
        values = x.numpy()
        trace = model.run(values, plan=PLAN)
        calls: dict[str, Call] = {
            "torch": peers.plain(module, x),
            "out": lambda: model.run(values, out=trace, plan=PLAN),
        }
        small = units <= 32 and dtype == "float32"
        if small:
            calls["loop"] = peers.loop(module, x)
        if fits(units, rows, steps, dtype, 1):  # a second one
            calls["fresh"] = lambda: model.run(values, plan=PLAN)
        times = rounds(calls, budget)
        held.append(ratio(times["out"], times["torch"]))
        fresh = str(ratio(times["fresh"], times["torch"])) if "fresh" in times else "no memory"
        cell = str(ratio(times["out"], times["loop"])) if small else ""
        micro = f"{statistics.median(times['torch']) / steps * 1e6:.1f}"
        return [*size, micro, str(held[-1]), fresh, cell]

    header = ["H", "I", "B", "T", "nn.LSTM, µs a step", "out= / nn.LSTM", "fresh / nn.LSTM", "out= / LSTMCell loop"]
    print(f"### {dtype}, plan: {PLAN}\n")
    table((one(*cell) for cell in cells), header)
    print(f"Geometric mean of out= / nn.LSTM: {geometric(held):.2f}; largest {max(r.median for r in held):.2f}\n")


def other_cells(budget: float) -> None:
    """GRUs and plain RNNs of 128 units."""
    held: list[Ratio] = []

    def one(name: str, rows: int, steps: int, dtype: str) -> list[str]:
        torch.manual_seed(0)
        module = getattr(torch.nn, name)(128, 128, dtype=getattr(torch, dtype)).eval()
        x = torch.randn(steps, rows, 128, dtype=getattr(torch, dtype))
        model, values = lt.prepare(module), x.numpy()
        trace = model.run(values, plan=PLAN)
        off = np.abs(trace.output[:20] - module(x[:20])[0].numpy()).max()
        assert off < (1e-12 if dtype == "float64" else 1e-5), off
        times = rounds(
            {"torch": peers.plain(module, x), "out": partial(model.run, values, out=trace, plan=PLAN)}, budget
        )
        held.append(ratio(times["out"], times["torch"]))
        micro = f"{statistics.median(times['torch']) / steps * 1e6:.1f}"
        return [f"nn.{name}", f"{rows}", f"{steps}", dtype, trace.header.plan, micro, str(held[-1])]

    print("### GRU and RNN, H = I = 128\n")
    each = product(("GRU", "RNN"), (1, 32), (100, 1000), ("float64", "float32"))
    header = ["module", "B", "T", "dtype", "plan", "module, µs a step", "out= / module"]
    table((one(*size) for size in each), header)
    print(f"Geometric mean: {geometric(held):.2f}; largest {max(r.median for r in held):.2f}\n")


def against_tracers(budget: float) -> None:
    """Peers that trace: their time over ours."""

    def one(units: int, rows: int, dtype: str) -> list[str]:
        module, model, x = case(units, units, rows, 100, dtype)
        values = x.numpy()
        trace = model.run(values, plan=PLAN)
        calls = {
            "ours": lambda: model.run(values, out=trace, plan=PLAN),
            "hooks": peers.hooks(module, x),
            "loop": peers.loop(module, x),
        }
        times = rounds(calls, budget)
        slow = rounds(calls | {"lens": peers.lens(module, x)}, budget)
        found = [ratio(times[n], times["ours"]) for n in ("loop", "hooks")]
        lens = ratio(slow["lens"], slow["ours"])
        return [
            f"{units}",
            f"{rows}",
            dtype,
            *map(str, found),
            f"{lens.median:.0f} ({lens.low:.0f} to {lens.high:.0f})",
        ]

    print("### Tracing peers, T = 100: their time over that of our full trace\n")
    sizes = [(units, rows, dtype) for dtype in ("float64", "float32") for units, rows in ((32, 1), (128, 1), (128, 32))]
    header = ["H = I", "B", "dtype", "LSTMCell loop, nothing stored", "forward hooks on its 21 parts", "torchlens"]
    table((one(*size) for size in sizes), header)


def peak(work: Call) -> float:
    """MiB by which the largest resident memory during `work` is above that at its start; Linux only."""
    Path("/proc/self/clear_refs").write_text("5")  # the largest so far is forgotten

    def largest() -> float:
        rows = Path("/proc/self/status").read_text().splitlines()
        return next(int(row.split()[1]) for row in rows if row.startswith("VmHWM")) / 1024

    begin = largest()
    work()
    return largest() - begin


def disk(budget: float) -> None:
    """A trace of about 350 MB to a file, against tracing into held memory; then how much memory the stream takes."""

    def one(units: int, rows: int, dtype: str) -> list[str]:
        steps = int(350e6 / (LINES * units * rows * np.dtype(dtype).itemsize))
        _, model, x = case(units, units, rows, steps, dtype)
        values = x.numpy()
        with tempfile.TemporaryDirectory(dir=".") as folder:
            path = Path(folder) / "trace.safetensors"
            model.run(values[:64], plan=PLAN)  # stacked weights are the model's
            added = peak(partial(model.run, values, out=path, plan=PLAN))
            trace = model.run(values, plan=PLAN)
            size = path.stat().st_size / 1e6
            calls = {
                "file": lambda: model.run(values, out=path, plan=PLAN),
                "held": lambda: model.run(values, out=trace, plan=PLAN),
            }
            times = rounds(calls, budget, path.unlink)
        return [
            f"{units}",
            f"{rows}",
            f"{steps}",
            dtype,
            f"{size:.0f}",
            str(ratio(times["file"], times["held"])),
            f"{added:.0f}",
        ]

    print("### Streaming to .safetensors\n")
    sizes = ((128, 32, "float64"), (512, 1, "float64"), (32, 1, "float64"), (128, 32, "float32"))
    table((one(*s) for s in sizes), ["H = I", "B", "T", "dtype", "MB", "file / held memory", "peak memory added, MiB"])


def growth(budget: float) -> None:
    """Time per step of long sequences."""

    def one(units: int) -> list[str]:
        times = []
        for steps in (1_000, 10_000, 100_000):
            _, model, x = case(units, units, 1, steps, "float64")
            values, trace = x.numpy(), model.run(x.numpy(), plan=PLAN)
            found = rounds({"ours": partial(model.run, values, out=trace, plan=PLAN)}, budget)["ours"]
            times.append(statistics.median(found) / steps * 1e6)
        return [f"{units}", *(f"{t:.2f}" for t in times), f"{times[-1] / times[0]:.2f}"]

    print("### Growth: µs a step, B = 1, float64\n")
    table((one(units) for units in (2, 32)), ["H = I", "T = 1,000", "T = 10,000", "T = 100,000", "last / first"])


def main() -> None:
    """Measure and print Markdown."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="a few sizes")
    options.add_argument("--part", action="append", choices=[*PARTS], help="only this part")
    options.add_argument("--dtype", action="append", choices=["float64", "float32"], help="only this one in the grid")
    options.add_argument("--plan", choices=["auto", "planned", "compiled"], default="auto", help="which of ours")
    options.add_argument("--steps", type=int, action="append", help="only this T in the grid")
    options.add_argument("--cpu", action="store_true", help="processor time, where others use the machine")
    options.add_argument("--seconds", type=float, default=5.0, help="for each size")
    given = options.parse_args()
    globals().update(PLAN=given.plan, CLOCK=time.process_time if given.cpu else time.perf_counter)
    threads = int(os.environ["OPENBLAS_NUM_THREADS"])
    torch.set_num_threads(threads)
    parts = given.part or (["grid"] if given.quick else PARTS)
    every = [(h, i, b, t) for h, i in SIZES for b in (1, 32) for t in given.steps or (1, 100, 1000)]
    cells = list(QUICK) if given.quick else every
    clock = "processor time" if given.cpu else "wall clock"
    python = sys.version.split()[0]
    print(f"numpy {np.__version__}, torch {torch.__version__}, Python {python}, {threads} threads, {clock}\n")
    with torch.no_grad():
        if "grid" in parts:
            for dtype in given.dtype or ("float64", "float32"):
                grid(cells, dtype, given.seconds)
        if "cells" in parts:
            other_cells(given.seconds)
        if "peers" in parts:
            against_tracers(given.seconds)
        if "disk" in parts:
            disk(given.seconds)
        if "growth" in parts:
            growth(given.seconds)


if __name__ == "__main__":
    main()
