"""The part of a command's processor time in which it verifies what it computed: `lstm-trace run`, from start to end.

    OPENBLAS_NUM_THREADS=1 python benchmarks/self_check.py [--turns 5]

Each command is a process of its own; its time begins with the interpreter. Medians of some turns. The limit is 3 %.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

#: Units, steps, rows of each larger run; weights and x are random, and I = H.
SIZES = [(128, 1000, 1), (512, 20, 32), (512, 1000, 32)]


def child(arguments: list[str]) -> None:
    """Run a command, and print on stderr its seconds and those of the check."""
    from lstm_trace.cli import main, model_options, options

    spent, proven = [0.0], options.proven

    def timed(trace: Any) -> None:
        begin = time.process_time()
        proven(trace)
        spent[0] += time.process_time() - begin

    options.proven = model_options.proven = timed
    try:
        main(arguments)
    finally:
        print(spent[0], time.process_time(), file=sys.stderr)


def measured(arguments: list[str], turns: int) -> tuple[float, float]:
    """Median seconds of the check and of the command."""
    found = []
    for _ in range(turns):
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, __file__, "--child", *arguments], stderr=subprocess.PIPE, text=True, check=True
        )
        found.append(tuple(map(float, done.stderr.split()[-2:])))
    check, whole = zip(*found, strict=True)
    return median(check), median(whole)


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
        return
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--turns", type=int, default=5)
    turns = options.parse_args().turns
    with tempfile.TemporaryDirectory() as folder:
        there, rng, cases = Path(folder), np.random.default_rng(0), {}
        for name in ("q22", "three-steps"):
            source = there / f"{name}.yaml"
            shown = subprocess.check_output([sys.executable, "-m", "lstm_trace", "example", name])  # noqa: S603
            source.write_bytes(shown)
            cases[name] = [str(source)], ("json", "safetensors")
        for units, steps, rows in SIZES:
            model, x = there / f"{units}.npz", there / f"{units}-{steps}.npy"
            weights = {f"W_{s}{g}": rng.normal(size=(units, units)) * units**-0.5 for s in "xh" for g in "ifco"}
            np.savez(model, **{key: value.astype("float32") for key, value in weights.items()})
            np.save(x, rng.normal(size=(steps, rows, units)).astype("float32"))
            kinds = ("safetensors",) if steps * rows > 1000 or rows > 1 else ("json", "safetensors")
            cases[f"H={units} T={steps} B={rows}"] = [str(model), "--input", str(x)], kinds
        for name, (arguments, kinds) in cases.items():
            for kind in kinds:
                check, whole = measured(["run", *arguments, "-o", str(there / f"out.{kind}")], turns)
                print(
                    f"{name:20} .{kind:12} {check * 1e3:6.1f} of {whole * 1e3:8.1f} ms  {check / whole:6.2%}",
                    flush=True,
                )


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
