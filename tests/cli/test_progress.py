"""What a long run tells of how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

RNG = np.random.default_rng(40)


@pytest.mark.few(1)
@pytest.mark.parametrize("out", [None, "t.safetensors"])
@pytest.mark.parametrize("plan", ["planned", "compiled"])
@pytest.mark.parametrize("record", [None, {"steps": slice(100, 200)}])
def test_progress_grows_to_the_end(plan: Any, out: str | None, record: Any, tmp_path: Path) -> None:
    if plan == "compiled":
        pytest.importorskip("llvmlite")
    shapes = {f"{layer}/{d}/W_{s}{g}": (8, 4 if layer == 0 and s == "x" else 16 if s == "x" else 8)
              for layer in (0, 1) for d in ("forward", "reverse") for g in "ifco" for s in "xh"}  # fmt: skip
    model = lt.prepare({name: RNG.normal(size=shape) for name, shape in shapes.items()})
    told: list[tuple[int, int]] = []
    target = tmp_path / out if out else None
    trace = model.run(
        RNG.normal(size=(900, 4)), plan=plan, record=record, out=target, progress=lambda *n: told.append(n)
    )
    total = 900 * len(trace.stages)
    assert {whole for _, whole in told} == {total}
    assert told[-1] == (total, total)
    done = [n for n, _ in told]
    assert done == sorted(done)
    assert done[0] > 0
    assert {900 * k for k in range(1, len(trace.stages) + 1)} <= set(done), "every stage ends at its last step"
