"""Long CSV of some million rows against `DataFrame.to_csv` of the same frame, the two in turn.

`python benchmarks/export.py` prints rows per second, the ratio, and how much memory our export added to the process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import lstm_trace as lt
from lstm_trace.export import Job, export


def trace_of(rows: int, width: int, batch: int) -> lt.Trace:
    """A plain LSTM of `width` units over as many steps as give about `rows` rows."""
    draw = np.random.default_rng(0)
    weights = {f"W_x{g}": draw.normal(size=(width, 8)) for g in "ifco"}
    weights |= {f"W_h{g}": draw.normal(size=(width, width)) / width for g in "ifco"}
    steps = max(rows // (21 * width * batch), 1)
    return lt.run(weights, draw.normal(size=(steps, batch, 8)))


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=5_000_000)
    options.add_argument("--width", type=int, default=128, help="units")
    options.add_argument("--batch", type=int, default=1)
    options.add_argument("--rounds", type=int, default=2)
    chosen = options.parse_args()
    trace = trace_of(chosen.rows, chosen.width, chosen.batch)
    job = Job(trace)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.csv")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        export(job, path)
        added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"{job.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB; memory added by our export: {added:.0f} MiB")
        frame = trace.to_frame()
        ours, pandas = [], []
        for _ in range(chosen.rounds):
            ours.append(seconds(lambda: export(job, path)))
            pandas.append(seconds(lambda: frame.to_csv(path, index=False)))
    best = min(ours), min(pandas)
    for name, took in zip(("lstm-trace export", "DataFrame.to_csv"), best, strict=True):
        print(f"{name:18} {took:6.2f} s {job.rows / took / 1e6:6.2f} million rows/s")
    each = ", ".join(f"{theirs / own:.1f}" for own, theirs in zip(ours, pandas, strict=True))
    print(f"ratio {best[1] / best[0]:.1f} (rounds: {each})")


if __name__ == "__main__":
    main()
