"""A run goes on where it was left, holds to its folder, and never gives other bytes."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.corpus import run
from lstm_trace.corpus.part_file import AGAIN, faults

from .test_running import HOW, content


def test_a_full_disk_ends_the_run_with_one_message(inputs: Path, weights: Any, tmp_path: Path) -> None:
    """A limit of the size of files stands for the full disk: the model is smaller, a part is not."""
    np.savez(tmp_path / "model.npz", **weights)
    out = tmp_path / "states"
    lines = "i_t,f_t,c_tilde,o_t,c_t,h_t"
    command = [sys.executable, "-m", "lstm_trace", "corpus", "run", str(tmp_path / "model.npz")]
    command += ["--inputs", str(inputs), "--record", lines, "-o", str(out)]

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    found = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, text=True, preexec_fn=limit, timeout=120
    )
    assert found.returncode == 2, found.stderr
    assert found.stderr.count("\n") == 1
    assert "part-00000.parquet: file too large; finished parts are kept: run it again" in found.stderr
    assert {path.name for path in out.iterdir()} == {"_manifest.json", "_model.safetensors", "_index.parquet"}
    run(weights, inputs, out, record=lines.split(","))
    assert len(content(out)["part-00000.parquet"]) > 30_000


@pytest.mark.parametrize("format", ["parquet", "safetensors"])
def test_any_flipped_bit_is_noticed_and_mended(model: lt.Model, inputs: Path, tmp_path: Path, format: Any) -> None:
    """In pages, their headers, the footer, the checksum itself, every 97th byte; in both files of a part."""
    how = HOW | {"record": ["0/forward/c_t"], "format": format}
    states = run(model, inputs, tmp_path, **how)
    before, told = content(tmp_path), list[str]()
    for k, name in enumerate([f"part-00001.{suffix}" for suffix in dict.fromkeys(("parquet", format))]):
        whole = before[name]
        for at in {*range(0, len(whole), 97), len(whole) - 1}:
            (tmp_path / name).write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
            assert faults(states, states.manifest.parts[1]), f"{name}: bit {at % 8} of byte {at}"
            if at % 5 == k:
                found = states.verify(1)
                assert (found.verdict, found.faults) == ("failed", [f"{name} is damaged: {AGAIN}"])
                run(model, inputs, tmp_path, **how, tell=told.append)
                assert content(tmp_path) == before
                assert told.pop() == f"{name} is damaged, and is made again"
        (tmp_path / name).write_bytes(whole)
    assert not told
