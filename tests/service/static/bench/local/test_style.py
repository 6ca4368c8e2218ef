"""How many decimals a page and a report have by default: the same, whatever rounds a number that is halfway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.trace.files.trace_file import to_json
from lstm_trace.view.hand_size import usual_style
from tests.support.page_modules import computed
from tests.support.small_runs import runs

from .....support.tiers import ALL

STYLE = """
import { read } from "LINES/trace.js";
import { style_of } from "LINES/../service/static/bench/local/style.js";
export const answer = (texts) => texts.map((text) => style_of(read(text), null).digits);
"""
TIES = Path(__file__).with_name("decimals.yaml")


def hand(weight: Any, x: Any, dtype: str) -> lt.Trace:
    return lt.run({"W": weight}, x, cell={"equations": "z = W @ x_t"}, dtype=dtype)


def random_traces(count: int) -> list[lt.Trace]:
    """Runs with many numbers, of which few are halfway; in float32 for the other half."""
    rng = np.random.default_rng(3)
    found = [trace for _, trace in runs(7, count)]
    for _ in range(count):
        own = {f"W_{side}{gate}": rng.normal(size=(3, 3)) for side in "xh" for gate in "ifco"}
        found.append(lt.run(own, rng.normal(size=(4, 2, 3)), dtype="float32"))
    return found


def test_a_page_has_the_decimals_of_a_report() -> None:
    ties = [lt.run(problem) for problem in yaml.safe_load_all(TIES.read_text("utf-8"))]
    assert [usual_style(trace).digits for trace in ties] == [5, 4]
    every = [*ties, *random_traces(150 if ALL else 10)]
    wanted = [usual_style(trace).digits or 0 for trace in every]
    wanted = [n if trace.header.arithmetic else min(n, 5) for n, trace in zip(wanted, every, strict=True)]
    assert computed(STYLE, [to_json(trace) for trace in every]) == wanted
    assert {4, 5} <= {*wanted}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_number_that_is_halfway_follows_either_way(dtype: str) -> None:
    """0.0001 · 0.5 + 0.0002 · 0.5 = 0.00015 is printed as 0.0001 or as 0.0002."""
    for weights in ([0.0001, 0.0002], [0.00014, 0.00021], [0.0003, 0.0004]):
        assert usual_style(hand([weights], [[0.5, 0.5]], dtype)).digits == 4
    assert usual_style(hand([[0.00014, 0.00014]], [[1.0, 1.0]], dtype)).digits == 5, "0.0001 + 0.0001 is not 0.0003"
