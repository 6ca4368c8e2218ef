"""Gradients of every cell against central finite differences of whole runs; layouts; what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation import run

from ..support.walk_cases import case


@pytest.mark.parametrize("steps", [41, 33])
def test_blocks_do_not_matter(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Carries cross the edges of blocks, in both directions; the last block may be a single step."""
    for name in ("plain", "layer norm", "slstm", "own"):
        _, trace = case(name, 11, steps=steps, lengths=[steps, 23])
        weights = np.random.default_rng(1).normal(size=trace.output.shape)
        monkeypatch.setattr(run, "GATHERED_ROWS", 1 << 20)
        whole = lt.gradients(trace, output=weights)
        monkeypatch.setattr(run, "GATHERED_ROWS", 1)
        parts = lt.gradients(trace, output=weights)
        for key, value in whole.items():
            np.testing.assert_allclose(parts[key], value, rtol=1e-11, atol=1e-13, err_msg=f"{name} {key}")
