"""How far our result may be off: 8 times what the framework itself is off from a run in float64, plus 8 ulp of 1."""

from __future__ import annotations

from typing import Any

import numpy as np


def assert_agrees(ours: Any, theirs: Any, exact: Any, what: str = "") -> None:
    """`exact`: the framework's own result in float64, or ours for one that has no float64."""
    ours, theirs, exact = (np.asarray(a) for a in (ours, theirs, exact))
    assert ours.shape == theirs.shape == exact.shape, (what, ours.shape, theirs.shape, exact.shape)
    ulp = float(np.finfo(theirs.dtype).eps)
    scale = max(1.0, float(np.abs(exact).max()))
    own = float(np.abs(theirs - exact).max())
    assert own <= 1000 * ulp * scale, f"{what}: the framework itself is off by {own}"
    off = float(np.abs(ours - exact).max())
    assert off <= 8 * own + 8 * ulp * scale, f"{what}: off by {off}, the framework by {own}"
