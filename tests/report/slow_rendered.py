"""A report as an object: text everywhere, and in a notebook what that text describes."""

from __future__ import annotations

import lstm_trace as lt
from lstm_trace.model.problem import prepare_problem, read_problem
from lstm_trace.results.training import TrainingExplanation

from .. import ROOT
from .test_rendered import formulas


def test_updates_of_weights_render_too() -> None:
    problem = read_problem(ROOT / "lstm_trace" / "examples" / "squared-error.yaml")
    done = lt.train(prepare_problem(problem).run(), of="L", updates=2)
    page, text = (TrainingExplanation(done.traces[0], done.of, {}, done).report(form) for form in ("html", "md"))
    assert formulas(text._repr_html_())[:40] == formulas(page)[:40]
