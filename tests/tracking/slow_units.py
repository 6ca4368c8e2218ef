"""What the units do: any parts, merged in any order, against pandas over all rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings, strategies as st

from .parts_in_memory import cut, sequences
from .test_units import measured


def expected(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """The same of one unit, by pandas."""
    x = frame[name].astype(float).where(np.isfinite(frame[name]))
    before = x.groupby(frame["seq_id"]).shift()
    found: dict[str, Any] = {"mean": x.mean(), "sd": x.std(ddof=0), "least": x.min(), "most": x.max()}
    found |= {label: x.quantile(q) for label, q in (("q05", 0.05), ("q25", 0.25), ("median", 0.5), ("q95", 0.95))}
    place = x if name.startswith("f_t") else (np.tanh(x) + 1) / 2
    found["left"], found["right"] = (place < 0.1).sum() / x.count(), (place > 0.9).sum() / x.count()
    found["not_finite"] = len(x) - x.count()
    found |= {f"r_{label}": x.corr(frame[label].astype(float)) for label in ("depth", "quoted")}
    r = x.corr(before)
    found["kept"] = max(r, 0) if r == r else r
    if name.startswith("c_t") and np.isfinite(gate := frame[name.replace("c_t", "f_t")].astype(float)).all():
        found["kept"] = 0.5 ** (np.minimum(1, -np.log2(gate)).sum() / len(gate))
    moved = (x - before).abs().groupby(frame["token"]).agg(["mean", "count"])
    moved = moved[moved["count"] >= 5]["mean"].sort_values(ascending=False)
    moved = moved[moved >= moved.max() / 2]
    found["moves_at"] = " ".join({" ": "␣"}.get(token, token) for token in moved.index)
    return found


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 6), st.sampled_from([0.0, 1000.0]), st.booleans())
@settings(max_examples=60)
def test_any_split_merged_in_any_order_says_what_pandas_says_of_all(
    seed: int, count: int, parts: int, offset: float, broken: bool
) -> None:
    frame = sequences(seed, count, offset, 0.1 if broken else 0.0)
    found = measured(cut(frame, seed, parts), seed)
    with np.errstate(divide="ignore"):
        found["kept"] = 0.5 ** (1 / found["memory"])  # of two pairs r may be 1, but for rounding
    for name, row in found.iterrows():
        for label, value in expected(frame, str(name)).items():
            if isinstance(value, str):
                assert row[label] == value
            else:
                np.testing.assert_allclose(row[label], value, rtol=1e-8, atol=1e-8, err_msg=f"{name} {label}")
