"""Texts of strangers in Markdown: what a renderer makes of the sentences and tables of explanations and comparisons."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.documents.markdown import legible, literal
from lstm_trace.examples import text
from lstm_trace.results.divergence import compared
from lstm_trace.results.explanation import explanation
from lstm_trace.trace.trace import Trace

from ..support.results import unpadded

HOSTILE = ["<script>s()</script>", "![x](//e.x/p)", "[a](//e.x)"]
#: What is escaped stands there otherwise; what acts does not.
ACTS = re.compile(r"(?<![\\{])<|(?<!\\)!\[|(?<!\\)\]\(")


def rendered(source: str) -> str:
    """As HTML by CommonMark with tables, raw HTML passed on."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True}).enable("table")
    found: str = parser.render(source)
    return found


@given(st.text(st.sampled_from("ab \\`*_[]()<>!|$~&#;:/\"'^{}-=0."), max_size=14))
@settings(max_examples=400, derandomize=True, deadline=None)
def test_a_renderer_shows_the_text_as_it_is(label: str) -> None:
    label = " ".join(label.split())
    shown = label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    for escape in (legible, literal):
        assert rendered(f"step 1 (‘{escape(label)}’) of c_t[1]") == f"<p>step 1 (‘{shown}’) of c_t[1]</p>\n"
        cell = rendered(f"| a |\n| --- |\n| ‘{escape(label)}’ |\n")
        assert f"<td>‘{shown}’</td>" in cell


def test_two_labels_do_not_act_together() -> None:
    for one, other in (
        ("*", "*"),
        ("[a]", "(//e.x)"),
        ("_", "_"),
        ("`", "`"),
        ("~~", "~~"),
        ("a*", "*b"),
        ("!", "[a](b)"),
    ):
        found = rendered(legible(f"from ‘{one}’ to ‘{other}’ and {one}{other}"))
        assert found == f"<p>from ‘{one}’ to ‘{other}’ and {one}{other}</p>\n"


@pytest.mark.parametrize(
    "told", ["0/forward/2/0/c_t[1]: it adds i_t * c_tilde to c_prev", "tanh(c_t) = W_xi @ x_t + b_i (a > b)"]
)
def test_our_own_words_stay_as_they_are(told: str) -> None:
    assert legible(told) == told


def hostile(scale: float = 1.0) -> Trace:
    problem: dict[str, Any] = yaml.safe_load(text("three-steps"))
    problem["weights"]["W_xi"] = [[scale * value for value in row] for row in problem["weights"]["W_xi"]]
    return lt.run({**problem, "title": HOSTILE[0], "names": {"h": HOSTILE[:2], "t": HOSTILE, "x": HOSTILE[:2]}})


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("gates", {}),
        ("memory", {}),
        ("contribution", {}),
        ("ablation", {}),
        ("ablation", {"over": "steps"}),
        ("gradient", {}),
        ("training", {"rate": 0.1}),
    ],
    ids=str,
)
def test_labels_in_an_explanation(how: str, options: dict[str, Any]) -> None:
    found = explanation(hostile(), None if how == "gates" else "2/c_t[1]", how, **options).report()
    assert "script" in found or "e.x" in found, "it names a step or a unit"
    assert not re.findall(ACTS, found)
    assert not re.findall("<(?:script|img|a) ?", rendered(found))


@pytest.mark.few(1)
@pytest.mark.parametrize("math", ["github", "dollars", "none"])
@pytest.mark.parametrize("detail", ["scalar", "compact", "profile"])
def test_labels_in_a_report(detail: str, math: str) -> None:
    found = str(hostile().report("md", detail=detail, math=math))
    assert "script" in found
    assert not re.findall("<(?:script|img|a) ?", rendered(found))


def test_labels_in_a_comparison() -> None:
    found = compared(hostile(), hostile(1.5)).report()
    assert "unit 1 (&lt;script>s()&lt;/script>) " in found
    assert "‘!\\[x\\](//e.x/p)’" in found
    assert "| `W_xi @ x_t` |" in unpadded(str(found)), "names of lines are code"
    assert not re.findall(ACTS, found)
    assert not re.findall("<(?:script|img|a) ?", rendered(found))
