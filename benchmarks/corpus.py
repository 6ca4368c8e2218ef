"""The states of a corpus: what its files, its parts and its workers cost, and what is left when processes are killed.

    python benchmarks/corpus.py [--sequences 20000] [--rounds 3] [--keep FOLDER]

Random sequences of 3 to 600 steps, I = 64, H = 128, float32, c_t and h_t recorded. In turn, each in a process of its
own on one thread, medians: (a) a plain loop, sequence by sequence, without files; (b) the same sequences as sorted
batches, without files; (c) the whole job in one process, from Parquet to Parquet; (d) the same with two workers. Steps
per second of processor time and of wall time; of (d) the processor time of the workers, their start included. `/ a` is
the ratio by processor time, which should be at least 0.8 for (c). Then one worker and the driver are killed, and the
run is started again: its parts must be those of (c), byte by byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import psutil
import pyarrow as pa
from pyarrow import parquet

import lstm_trace as lt
from lstm_trace import corpus
from lstm_trace.corpus.inputs import opened
from lstm_trace.corpus.job import Way, states
from lstm_trace.corpus.rows import cut
from lstm_trace.engine.request import RecordChoice

INPUTS, UNITS, LINES = 64, 128, ("c_t", "h_t")
#: Steps that are held in memory for (a) and (b).
MOST = 400_000
WAYS = {"a": "loop, no files", "b": "batches, no files", "c": "job, 1 process", "d": "job, 2 workers"}


def make(folder: Path, sequences: int) -> None:
    """A model and its input."""
    rng = np.random.default_rng(1)
    lengths = np.clip(rng.lognormal(4.2, 0.9, sequences).astype(int), 3, 600)
    steps = int(lengths.sum())
    letters = np.array(list('abcdefghijklmnopqrstuvwxyz ".,'))
    columns = {
        "seq_id": np.repeat(np.arange(sequences), lengths),
        "t": np.concatenate([np.arange(length) for length in lengths]).astype(np.int32),
        "token": letters[rng.integers(0, len(letters), steps)],
        **{f"x_{k}": rng.normal(size=steps).astype(np.float32) for k in range(INPUTS)},
    }
    parquet.write_table(pa.table(columns), folder / "x.parquet", row_group_size=1 << 16, use_dictionary=["token"])
    sizes = {"W_x": (UNITS, INPUTS), "W_h": (UNITS, UNITS), "b_": (UNITS,)}
    weights = {f"{kind}{gate}": rng.normal(0, 0.1, size) for gate in "ifco" for kind, size in sizes.items()}
    np.savez(folder / "model.npz", **{name: array.astype(np.float32) for name, array in weights.items()})


def measure(way: str, folder: Path) -> dict[str, Any]:
    """Compute the corpus in one way; steps, seconds of processor and wall, megabytes at most."""
    model = lt.prepare(folder / "model.npz")
    model.run(np.zeros((9, INPUTS), np.float32), record=LINES, plan="compiled")  # the code is on the disk then
    spans, rows = [], []
    if way in "ab":
        source = opened(folder / "x.parquet", INPUTS, folder)
        for span in cut(source.index(), 50_000):
            if sum(one.steps for one in spans) < MOST:
                spans.append(span)
                rows.append(source.read(span))
    wall, cpu = time.perf_counter(), time.process_time()
    if way == "a":
        for part in rows:
            for first, stop in zip(part.starts[:-1], part.starts[1:], strict=True):
                model.run(part.x[first:stop], record=LINES, plan="compiled")
    elif way == "b":
        for part in rows:
            states(model, part, Way("compiled", 64, RecordChoice(LINES)))
    else:
        out = folder / f"states-{way}"
        spans = corpus.run(model, folder / "x.parquet", out, record=LINES, workers=2 * (way == "d"), fresh=True).spans
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    who = resource.RUSAGE_CHILDREN if way == "d" else resource.RUSAGE_SELF
    used = resource.getrusage(who)
    cpu = used.ru_utime + used.ru_stime if way == "d" else cpu
    return {"steps": sum(one.steps for one in spans), "wall": wall, "cpu": cpu, "peak": used.ru_maxrss / 1024}


def killed(folder: Path) -> None:
    """A run that loses a worker after a third of the parts, and its driver after two thirds."""
    told: list[int] = []
    out = folder / "states-killed"

    def progress(done: int, total: int) -> None:
        told.append(done)
        if done > total / 3 and not (folder / "worker-killed").exists():
            (folder / "worker-killed").touch()
            workers = [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]
            workers[0].kill()
        if done > total * 2 / 3:
            os.kill(os.getpid(), signal.SIGKILL)

    corpus.run(folder / "model.npz", folder / "x.parquet", out, record=LINES, workers=2, progress=progress)


def resumed(folder: Path) -> dict[str, Any]:
    """The same run again; how many parts it computes."""
    told: list[tuple[int, int]] = []
    out = folder / "states-killed"
    spans = corpus.run(
        folder / "model.npz", folder / "x.parquet", out, record=LINES, workers=2, progress=lambda *now: told.append(now)
    ).spans
    return {"computed": len(told), "parts": len(spans)}


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each part."""
    found = {}
    for path in sorted(folder.glob("part-*")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def apart(what: str, folder: Path) -> dict[str, Any]:
    """One of the above in a process of its own."""
    command = [sys.executable, __file__, "--keep", str(folder), "--measure", what]
    said = subprocess.DEVNULL if what == "killed" else None
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=said, text=True)  # noqa: S603 - this file
    if found.returncode and what != "killed":
        sys.exit(f"{what} failed")
    return json.loads(found.stdout) if found.stdout else {}


def main(folder: Path, sequences: int, rounds: int) -> None:
    """Measure, and print."""
    if not (folder / "x.parquet").exists():
        make(folder, sequences)
    taken: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            taken[way].append(apart(way, folder))
    rates = {way: median(one["steps"] / one["cpu"] for one in found) for way, found in taken.items()}
    print(f"{'':20} steps/s of CPU   steps/s     / a     / b   peak MB")
    for way, called in WAYS.items():
        wall = median(one["steps"] / one["wall"] for one in taken[way])
        peak = max(one["peak"] for one in taken[way])
        ratios = "".join(f"{rates[way] / rates[other]:8.2f}" for other in "ab")
        print(f"{way} {called:18} {rates[way]:14,.0f} {wall:9,.0f}{ratios} {peak:9,.0f}", flush=True)
    whole = digests(folder / "states-c")
    rows = sum(parquet.read_metadata(folder / "states-c" / name).num_rows for name in whole)
    print(f"{rows:,} rows of {taken['c'][0]['steps']:,} steps: {rows - taken['c'][0]['steps']} of padding")
    size = sum((folder / "states-c" / name).stat().st_size for name in whole) / rows
    hours = 1e9 / rates["c"] / 3600
    print(f"{size:,.0f} bytes a step; 10^9 steps: {hours:.1f} hours of one core, {size * 1e9 / 1e12:.2f} TB")
    print(f"parts of 2 workers are those of 1 process: {digests(folder / 'states-d') == whole}")
    shutil.rmtree(folder / "states-killed", ignore_errors=True)  # of an earlier time
    (folder / "worker-killed").unlink(missing_ok=True)
    apart("killed", folder)
    kept = len(digests(folder / "states-killed"))
    found = apart("resumed", folder)
    print(
        f"killed worker and driver: {kept} of {found['parts']} parts kept, {found['computed']} computed again; ", end=""
    )
    print(f"byte-equal: {digests(folder / 'states-killed') == whole}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--measure")
    chosen = parser.parse_args()
    if chosen.measure == "killed":
        killed(chosen.keep)
    elif chosen.measure:
        print(json.dumps(resumed(chosen.keep) if chosen.measure == "resumed" else measure(chosen.measure, chosen.keep)))
    elif chosen.keep:
        chosen.keep.mkdir(parents=True, exist_ok=True)
        main(chosen.keep, chosen.sequences, chosen.rounds)
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made), chosen.sequences, chosen.rounds)
