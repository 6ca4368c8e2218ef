"""Notation presets and languages: other symbols and words, the same numbers; refused where they would not be true."""

from __future__ import annotations

import re

import numpy as np

import lstm_trace as lt
from lstm_trace.report.content.notations import applied

from .test_notations import _yaml
from .test_report import lstm


def test_joined_in_a_stack_and_in_part() -> None:
    draw = np.random.default_rng(5)
    weights = {}
    for layer, inputs in ((0, 3), (1, 4)):
        for direction in ("forward", "reverse"):
            for g in "ifco":
                weights[f"{layer}/{direction}/W_x{g}"] = draw.normal(size=(2, inputs)).round(2)
                weights[f"{layer}/{direction}/W_h{g}"] = draw.normal(size=(2, 2)).round(2)
                weights[f"{layer}/{direction}/b_{g}"] = draw.normal(size=2).round(2)
    trace = lt.run(weights, draw.normal(size=(3, 2, 3)).round(2))
    joined, notes = applied(trace, "joined")
    inner = joined.at(layer=1, direction="reverse")
    expected = np.concatenate([trace.operand("1/reverse", "h_prev"), trace.at(layer=0)["y_t"]], axis=-1)
    np.testing.assert_array_equal(inner["concat(h_prev, x_t)"], expected)
    assert len(notes) == 2
    for detail in ("scalar", "vector", "summary"):
        for format in ("md", "text", "tex", "typ", "html"):
            assert trace.report(format, notation="joined", detail=detail)


def test_chinese_fits_the_terminal() -> None:
    from lstm_trace.base.display import cells

    report = lstm().report("text", language="zh", width=60)
    assert max(map(cells, report.splitlines())) <= 60
    for width in range(40, 90):
        assert not re.search("（\n", lt.run(_yaml("three-steps")).report("text", language="zh", width=width))
