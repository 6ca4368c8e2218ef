"""The HTML report: every number on it, its structure, what it forbids, hostile text, its length."""

from __future__ import annotations

import re

import numpy as np

import lstm_trace as lt

from ..support.page_reader import Page
from ..support.pictures import images
from .test_html import check_numbers, large, problem, weights


def test_length() -> None:
    assert len(problem("q22").report("html").encode()) < 200_000
    assert len(large().report("html", detail="worked").encode()) < 2_000_000
    long = lt.run(weights(12, 5), np.random.default_rng(4).normal(size=(400, 5)))
    html = long.report("html", detail="worked")
    assert len(html.encode()) < 2_000_000
    assert "Left out here: " in html
    assert len(long.report("html", detail="scalar").encode()) < 2_000_000


def test_every_number_of_a_stack_reads_back() -> None:
    trace = large()
    page = Page(trace.report("html", detail="worked"))
    check_numbers(trace, page, 5000)
    check_numbers(trace, Page(trace.report("html", layer=1, direction="reverse", detail="scalar", steps=3)), 500)


def test_maps_of_a_long_trace_are_small_and_say_how() -> None:
    trace = lt.run(weights(40, 2), np.random.default_rng(1).normal(size=(3_000, 2)), ask="c_t")
    page = trace.report("html")
    maps = images(page)
    assert [pixels.shape[0] for pixels, _ in maps] == [40] * len(maps)  # every unit has a row
    assert sum(pixels.size for pixels, _ in maps) <= 350_000
    assert re.findall(r"Each field covers \d+ steps and shows the value that is furthest from the middle", page)
    assert "Columns are steps t, rows are units." in page
