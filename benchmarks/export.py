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
from lstm_trace.export.writers import ExportJob, export


def trace_of(rows: int, width: int, batch: int) -> lt.Trace:
    """A plain LSTM of `width` units over as many steps as give about `rows` rows."""
    draw = np.random.default_rng(0)
    weights = {f"W_x{g}": draw.normal(size=(width, 8)) for g in "ifco"}
    weights |= {f"W_h{g}": draw.normal(size=(width, width)) / width for g in "ifco"}
    steps = max(rows // (21 * width * batch), 1)
    return lt.run(weights, draw.normal(size=(steps, batch, 8)))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """How long `work` takes: by the clock, and of this process alone, which other work on the machine changes less."""
    begin = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=5_000_000)
    options.add_argument("--width", type=int, default=128, help="units")
    options.add_argument("--batch", type=int, default=1)
    options.add_argument("--rounds", type=int, default=2)
    chosen = options.parse_args()
    trace = trace_of(chosen.rows, chosen.width, chosen.batch)
    job = ExportJob(trace)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.csv")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        export(job, path)
        added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"{job.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB; memory added by our export: {added:.0f} MiB")
        frame = trace.to_frame()
        rounds = [
            (seconds(lambda: export(job, path)), seconds(lambda: frame.to_csv(path, index=False)))
            for _ in range(chosen.rounds)
        ]
    for clock, name in enumerate(("clock", "process")):
        ours, pandas = ([both[side][clock] for both in rounds] for side in (0, 1))
        each = ", ".join(f"{theirs / own:.1f}" for own, theirs in zip(ours, pandas, strict=True))
        speeds = " and ".join(f"{job.rows / min(took) / 1e6:.2f}" for took in (ours, pandas))
        print(f"{name:8} {speeds} million rows/s (ours, pandas); ratio {min(pandas) / min(ours):.1f} (rounds: {each})")


if __name__ == "__main__":
    main()
