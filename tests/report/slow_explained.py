"""Explanations as documents: a page, Typst, Markdown with a picture beside it; the numbers are tested elsewhere."""

from __future__ import annotations

import re

import numpy as np

import lstm_trace as lt
from lstm_trace.documents.result import content_of
from lstm_trace.results.explanation import explanation


def test_of_a_trained_model_the_worked_steps_are_written_on_request() -> None:
    rng = np.random.default_rng(4)
    weights = {f"W_{s}{g}": rng.normal(size=(17, 2 if s == "x" else 17)) for s in "xh" for g in "ifco"}
    trace = lt.run(weights, rng.normal(size=(20, 2)))
    short = explanation(trace, "19/h_t[1]", "contribution")
    worked = explanation(trace, "19/h_t[1]", "contribution", detail="vector")
    said = "Worked steps are left out; --detail vector writes them, and so does any other option of a report."
    for form in ("text", "typ"):
        text, long = (" ".join(found.report(form).split()) for found in (short, worked))
        assert said in text.replace('";#raw("', "").replace('");#"', "")
        assert said not in long
        assert "By step" in text
        assert ("slope" in text, "slope" in long) == (False, True)
    pages = [len(re.findall(rb"/Type ?/Page\b", content_of(found, "pdf"))) for found in (short, worked)]
    assert pages[0] <= 4 < pages[1]
