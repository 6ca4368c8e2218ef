"""Panels are enough for charts that no kind of picture has: a histogram and a scatter plot, over numbers."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from lstm_trace.languages.strings import words
from lstm_trace.plot.figure import Figure
from lstm_trace.plot.panels import Bar, Column, Dot, Grid, Panel, number_axis, round_axis

from ..support.pictures import check, views

SVG = "{http://www.w3.org/2000/svg}"
VALUES = np.random.default_rng(4).normal(size=(200, 2))


def figure(panel: Panel) -> Figure:
    import pandas as pd

    return Figure("chart", "A chart", "What it shows.", (Grid([Column([panel])], top=8.0),), pd.DataFrame, words())


def ticks(root: ElementTree.Element, name: str, at: str) -> dict[float, float]:
    texts = [e for e in root.iter(f"{SVG}text") if e.get("class") == name and re.fullmatch(r"[−\d.]+", e.text or "")]
    return {float((e.text or "").replace("−", "-")): float(e.get(at, "")) - (4 if at == "y" else 0) for e in texts}


def value(scale: dict[float, float], at: float) -> float:
    (low, a), (high, b) = min(scale.items()), max(scale.items())
    return low + (high - low) * (at - a) / (b - a)


def test_a_histogram() -> None:
    counts, edges = np.histogram(VALUES[:, 0], bins=12, range=(-3, 3))
    bars = [Bar(left + 0.25, float(n), "c0", "values", wide=0.5) for n, left in zip(counts, edges[:-1], strict=True)]
    x_axis, y_axis = number_axis(-3, 3, title="h_t", field="h"), round_axis(0, counts.max(), field="count")
    panel = Panel(x_axis, y_axis, bars, "A histogram")
    made = figure(panel)
    root = ElementTree.fromstring(made.svg())  # noqa: S314 - our own
    x, y = ticks(root, "mark", "x"), ticks(root, "mark end", "y")
    assert (min(x), max(x), 0.0 in x) == (-2.0, 2.0, True)
    drawn = [e for e in root.iter(f"{SVG}rect") if e.get("class") == "c0"]
    assert len(drawn) == len(counts)
    for bar, n, left in zip(drawn, counts, edges[:-1], strict=True):
        top, middle = float(bar.get("y", "")), float(bar.get("x", "")) + float(bar.get("width", "")) / 2
        assert value(y, top) == pytest.approx(n, abs=0.3)
        assert value(x, middle) == pytest.approx(left + 0.25, abs=0.02)
    assert "h_t" in [e.text for e in root.iter(f"{SVG}text")]
    found = made.to_vega()
    check(found)
    ((view, rows),) = views(found)
    assert [row["value"] for row in rows] == counts.tolist()
    assert view["encoding"]["x"]["type"] == "quantitative"
    assert made.html().count("<svg") == 1


def test_a_scatter_plot() -> None:
    dots = [Dot(x, y, said=f"{x:.2f}, {y:.2f}") for x, y in VALUES]
    x_axis, y_axis = number_axis(-4, 4, title="c_t", field="c"), number_axis(-4, 4, title="h_t", field="h")
    panel = Panel(x_axis, y_axis, dots, "Two lines")
    made = figure(panel)
    root = ElementTree.fromstring(made.svg())  # noqa: S314 - our own
    x, y = ticks(root, "mark", "x"), ticks(root, "mark end", "y")
    circles = [(float(e.get("cx", "")), float(e.get("cy", ""))) for e in root.iter(f"{SVG}circle")]
    assert np.array([(value(x, a), value(y, b)) for a, b in circles]) == pytest.approx(VALUES, abs=0.02)
    found = made.to_vega()
    check(found)
    ((_, rows),) = views(found)
    assert [(row["c"], row["h"]) for row in rows] == list(map(tuple, VALUES.tolist()))
