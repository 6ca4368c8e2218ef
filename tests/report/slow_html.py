"""The HTML report: every number on it, its structure, what it forbids, hostile text, its length."""

from __future__ import annotations

import numpy as np

import lstm_trace as lt

from .test_html import large, problem, weights


def test_length() -> None:
    assert len(problem("q22").report("html").encode()) < 200_000
    assert len(large().report("html", detail="worked").encode()) < 2_000_000
    long = lt.run(weights(12, 5), np.random.default_rng(4).normal(size=(400, 5)))
    html = long.report("html", detail="worked")
    assert len(html.encode()) < 2_000_000
    assert "Left out here: " in html
    assert len(long.report("html", detail="scalar").encode()) < 2_000_000
