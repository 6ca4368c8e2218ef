"""Back-propagation as a worked solution: its numbers are the gradients, and what is printed adds up as printed."""

from __future__ import annotations

import numpy as np

from ..support.table_cases import stacked
from .test_backward import check, worked
from .test_report import lstm


def test_layers_directions_and_a_weighted_output() -> None:
    trace = stacked(3, 2, 2, 2, lengths=[3, 2])
    check(worked(trace, "1/joined/1/0/y_t[1]", detail="scalar", everything=True), 200)
    seed = np.random.default_rng(4).normal(size=trace.output.shape)
    text = worked(trace, seed=seed, detail="scalar", everything=True)
    check(text, 700)
    assert r"\left.\frac{\partial L}{\partial x_t}\right|_{\text{layer 1, reverse}}" in text
    assert r"\left.\frac{\partial L}{\partial y_{\mathrm{forward}}}\right|_{\text{layer 1, joined}}" in text
    assert "### Layer 0, reverse, step t = 2, sequence 1" in text


def test_never_a_hundred_pages_by_accident() -> None:
    trace = stacked(50, 3, 2, 40)
    for options in ({}, {"detail": "scalar"}, {"detail": "vector"}, {"steps": slice(18, 21)}):
        text = worked(trace, "1/joined/20/1/y_t[7]", form="text", **options)
        assert len(text.splitlines()) < 2500
        assert max(len(line.replace("\u0303", "")) for line in text.splitlines()) <= 80
        assert "Layer 1, forward, step t = 20, sequence 1" in text
        assert "Left out here: " in text


def test_what_is_printed_comes_to_what_is_printed() -> None:
    check(worked(lstm(), "2/0/h_t[1]", detail="scalar", everything=True), 150)
