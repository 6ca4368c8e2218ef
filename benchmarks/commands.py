"""Every command on a trace of a trained model's size, with its processor time and its peak of memory.

    python benchmarks/commands.py [--steps 2000] [--units 256] [--only report] [--keep FOLDER]

Two layers, both directions, float32, T = 2000, H = 256 by default: 45 million values. Each command is a process of its
own with one BLAS thread. A row is marked where it takes more than 10 s of processor time or 1 GB of memory; a command
that refuses is one row too, with what it says.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

SECONDS, MEGABYTES = 10.0, 1024

#: Files of `made`, and their suffixes.
NAMES = {**dict.fromkeys(("model", "model2", "small", "trace", "other"), "safetensors"), "x": "npy", "y": "npy"}
#: What is measured, by words; {…} are those files, {out} is an empty folder.
COMMANDS = (
    "run {model} --input {x} -o {out}/t.safetensors",
    "run {model} --input {x} --by-plan planned -o {out}/t.safetensors",
    "run {model} --input {x} -o {out}/t.json",
    "inspect {model}",
    "show {trace}",
    "show {trace} --only c_t --layer 1 --direction forward --steps 100:110",
    "verify {trace}",
    "diff {trace} {trace}",
    "diff {trace} {other}",
    "diff {trace} {other} -o {out}/d.json",
    "report {trace} -o {out}/r.md",
    "report {trace} -o {out}/r.txt",
    "report {trace} -o {out}/r.html",
    "report {trace} -o {out}/r.tex",
    "report {trace} -o {out}/r.typ",
    "report {trace} -o {out}/r.pdf",
    "report {trace} --unit 3 --layer 0 --direction forward --steps 100:120 -o {out}/r.md",
    "export {trace} -o {out}/x.csv",
    "export {trace} --shape wide -o {out}/x.csv",
    "export {trace} -o {out}/x.parquet",
    "export {trace} --shape wide -o {out}/x.parquet",
    "export {trace} -o {out}/x.jsonl",
    "export {trace} -o {out}/x.xlsx",
    "explain memory {trace} --of 1/forward/1999/0/c_t[3]",
    "explain gates {trace}",
    "explain gradient {trace} --of 1/forward/1999/0/h_t[3] -o {out}/g.md",
    "explain gradient {trace} --of 1/forward/1999/0/h_t[3] -o {out}/g.csv",
    "explain gradient {trace} --of 1/forward/1999/0/h_t[3] --format text -o {out}/g.txt",
    "explain contribution {trace} --of 1/forward/1999/0/h_t[3] -o {out}/c.md",
    "explain contribution {trace} --of 1/forward/1999/0/h_t[3] -o {out}/c.csv",
    "plot {trace} --kind saturation -o {out}/p.svg",
    "plot {trace} --kind unit --unit 3 --layer 1 --direction forward -o {out}/p.svg",
    "plot {trace} --kind memory --of 1/forward/1999/0/c_t[3] -o {out}/p.svg",
    "plot {trace} --kind gradient --of 1/forward/1999/0/h_t[3] -o {out}/p.svg",
    "plot {trace} --kind contribution --of 1/forward/1999/0/h_t[3] -o {out}/p.svg",
    "explain ablation {trace} --of 1/forward/1999/0/h_t[3] -o {out}/a.md",
    "explain ablation {trace} --of 1/forward/1999/0/h_t[3] --over lines -o {out}/a.md",
    "identify {small} --input {x} --expected {y}",
)


def made(folder: Path, steps: int, units: int) -> dict[str, str]:
    """Two models that differ a little, an input, the traces of both; and one layer by itself with its output."""
    rng = np.random.default_rng(0)
    weights = {}
    for layer in range(2):
        for end in ("", "_reverse"):
            width = units if layer == 0 else 2 * units
            sizes = {"weight_ih": (4 * units, width), "weight_hh": (4 * units, units), "bias_ih": (4 * units,)}
            for name, size in (sizes | {"bias_hh": (4 * units,)}).items():
                weights[f"{name}_l{layer}{end}"] = (rng.normal(size=size) * units**-0.5).astype(np.float32)
    paths = {name: str(folder / f"{name}.{suffix}") for name, suffix in NAMES.items()}
    save_file(weights, paths["model"])
    save_file({k: v + rng.normal(size=v.shape).astype(np.float32) * 1e-3 for k, v in weights.items()}, paths["model2"])
    np.save(paths["x"], rng.normal(size=(steps, units)).astype(np.float32))
    for model, trace in (("model", "trace"), ("model2", "other")):
        _, _, code, said = measured(["run", paths[model], "--input", paths["x"], "-o", paths[trace]])
        if code:
            raise SystemExit(said)
    import lstm_trace as lt

    save_file({k: v for k, v in weights.items() if k.endswith("_l0")}, paths["small"])
    np.save(paths["y"], lt.run(paths["small"], np.load(paths["x"])).output)
    return paths


def measured(words: list[str]) -> tuple[float, float, int, str]:
    """Processor seconds (user and system) and megabytes at the peak of a command, its exit code and its last words."""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(  # noqa: S603  # our own words
            [sys.executable, "-m", "lstm_trace", *words], stdout=subprocess.DEVNULL, stderr=said, env=env
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode("utf-8", "replace").strip()
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, child.returncode, text


def main() -> None:
    """Measure and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=2000)
    options.add_argument("--units", type=int, default=256)
    options.add_argument("--only", default="", help="commands that contain this text")
    options.add_argument("--keep", type=Path, help="a folder for the models and traces, used again if they are there")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        there = {name: str(folder / f"{name}.{suffix}") for name, suffix in NAMES.items()}
        paths = there if all(map(os.path.exists, there.values())) else made(folder, given.steps, given.units)
        print(f"{'CPU s':>6} {'MB':>6}  command")
        for command in COMMANDS:
            if given.only not in command:
                continue
            with tempfile.TemporaryDirectory() as out:
                seconds, peak, code, said = measured(command.format(out=out, **paths).split())
            over = " !" if seconds > SECONDS or peak > MEGABYTES else ""
            shown = command.replace("{out}/", "").replace("{", "").replace("}", "")
            refused = f"  (exit {code}: {said[:160]})" if code > 1 or code < 0 else ""
            print(f"{seconds:6.1f} {peak:6.0f}  {shown}{over}{refused}", flush=True)


if __name__ == "__main__":
    main()
