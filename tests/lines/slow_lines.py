"""2,000 random traces of every kind, run in the page; and how long runs take there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.trace.files.trace_file import to_json

from .. import ROOT
from ..support.page_modules import computed
from .problems import check, ran, random_trace

COUNT, BLOCK = 2_000, 100
SPEED = """
import { run } from "LINES/run.js";
import { read } from "LINES/trace.js";
export const answer = (texts) => texts.map((text) => {
  const trace = read(text), took = [];
  for (let k = 0; k < 100; k++) {
    const begin = performance.now();
    run(trace);
    took.push(performance.now() - begin);
  }
  return took;
});
"""


@pytest.mark.parametrize("first", range(0, COUNT, BLOCK))
def test_random_traces(first: int) -> None:
    traces = [random_trace(seed) for seed in range(first, first + BLOCK)]
    for seed, (trace, reply) in enumerate(zip(traces, ran(traces), strict=True), first):
        check(trace, reply, f"seed {seed}")


def test_a_run_is_seen_within_a_frame(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    shapes = (
        {f"W_x{g}": (32, 16) for g in "ifco"}
        | {f"W_h{g}": (32, 32) for g in "ifco"}
        | {f"b_{g}": (32,) for g in "ifco"}
    )
    weights = {name: rng.normal(size=shape) * 0.3 for name, shape in shapes.items()}
    q22 = lt.load(ROOT / "traces" / "q22" / "trace.json")
    large = lt.run(weights, rng.normal(size=(50, 16)))
    found: list[list[float]] = computed(SPEED, [to_json(q22), to_json(large)])
    limits: Any = {"question 22": 1.0, "32 units, 50 steps": 15.0}
    for (name, most), took in zip(limits.items(), found, strict=True):
        median = float(np.median(took))
        with capsys.disabled():
            print(f"{name}: first {took[0]:.2f} ms, median {median:.3f} ms")
        assert median < most
