"""What a person reads in a formula, in every format: parentheses, the author's symbols, letters in italics."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.parse import parse
from lstm_trace.formulas.plain import Plain
from lstm_trace.formulas.tree import Prod, Sum, Sym, broken, number, value
from lstm_trace.report.diagram.diagram import diagram
from lstm_trace.trace.trace import Trace

FORMATS = ("md", "text", "html", "tex", "typ")

OWN = r"""
k_t = sigmoid(W_xk @ x_t + W_hk @ h_prev + b_k)
p_t = sigmoid(W_xp @ x_t - W_hp @ h_prev)
score = tanh(W_xs @ x_t + W_hs @ (p_t * h_prev) - b_s)
s_t = s_prev * k_t + score * (1 - k_t)
h_t = tanh(s_t) * p_t
y_t = W_out @ h_t - b_out - -0.5 * b_out
carry: h_prev <- h_t, s_prev <- s_t
output: y_t
"""


def own(**more: Any) -> Trace:
    """A cell of one's own: letters that no LSTM has, gates as second factors, numbers of either sign."""
    draw = np.random.default_rng(5)
    sizes = {f"W_x{g}": (2, 3) for g in "kps"} | {f"W_h{g}": (2, 2) for g in "kps"} | {"b_k": 2, "b_s": 2}
    sizes |= {"W_out": (1, 2), "b_out": 1}
    weights = {name: draw.normal(size=size).round(2) for name, size in sizes.items()}
    source = {
        "cell": {"equations": OWN},
        "weights": {name: value.tolist() for name, value in weights.items()},
        "x": draw.normal(size=(3, 3)).round(2).tolist(),
        "initial": {"h_prev": [0.5, -0.25], "s_prev": [-0.75, 1.5]},
        **more,
    }
    return lt.run(source)


def visible(page: str) -> str:
    """The text of a page without its markup."""
    page = re.sub(r"<(style|script|title)\b.*?</\1>", "", page, flags=re.S)
    page = page.replace("<mtable>", "[").replace("</mtable>", "]").replace("</mtd>", " ")
    return unescape(re.sub(r"<[^>]*>", "", page)).replace("−", "-").replace("\u2061", "")


# -- signs -----------------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("detail", ["scalar", "vector"])
@pytest.mark.parametrize("format", FORMATS)
def test_no_sign_stands_beside_a_sign(format: str, detail: str) -> None:
    report = own().report(format, detail=detail, width=60)
    text = visible(report) if format == "html" else report
    text = re.sub(r"</?\w+>|-{3,}|<-|[+-]\s*\n", " ", text)
    found = [m[0] for m in re.finditer(r".{0,25}[-+]\s*(thin|\\,)?\s*[-+]\s*[\d\\].{0,15}", text)]
    assert not [row for row in found if not re.search(r"\d+(e|10\^)", row)]


def test_a_broken_sum_keeps_the_parentheses_of_its_negative_terms() -> None:
    node = Sum((1.0, -1.0, 1.0), (number(-2.5), number(-0.25), Prod(number(-0.5), Sym("x_t"))))
    plain = Plain()
    assert plain(node) == "-2.5 - (-0.25) + (-0.5 x_t)"
    pieces = broken(node, lambda n: len(plain(n)), 12)
    assert [f"{lead} {plain(piece)}".strip() for lead, piece in pieces] == ["-2.5", "- (-0.25)", "+ (-0.5 x_t)"]
    page = visible(own().report("html", detail="scalar"))
    subtracted = re.findall(r"- ?\(-\d[.\d]*\)", page)
    assert len(subtracted) > 3  # b_s and W_hp h are negative somewhere, and are subtracted


def test_a_product_of_two_numbers_is_not_a_difference() -> None:
    """One unit in a vector report: W h = W (-0.5), a h = (2.0)(-0.5), never `W -0.5` or `2.0 -0.5`."""
    cell = {"equations": "a_t = W @ h_prev\nh_t = a_t * h_prev + x_t * -2\ncarry: h_prev <- h_t\noutput: h_t"}
    trace = lt.run({"W": [[-4.0]]}, [[1.0]], cell=cell, initial={"h_prev": [-0.5]})
    text = trace.report("text", detail="vector")
    assert "a_t = W h_{t-1} = W (-0.5) = 2.0000" in text
    assert "a_t ⊙ h_{t-1} = (2.0000)(-0.5) = -1.0000" in text
    assert "x_t ⊙ (-2) = (1)(-2) = -2.0000" in text
    assert r"(2.0000)(-0.5) = -1.0000" in trace.report("md", detail="vector")


# -- symbols ---------------------------------------------------------------------------------------------------------

SYMBOLS = {"score": r"\tilde{s}_t", "p_t": r"\pi_t^{(1)}", "W_xp": r"W_{x\pi}"}


@pytest.mark.few(0)
def test_the_authors_symbols_stand_in_every_format() -> None:
    trace = own(symbols=SYMBOLS)
    for format in FORMATS:
        report = trace.report(format)
        shown = visible(report) if format == "html" else report
        assert not re.search(r"\bscore\b|\bp_t\b|W_xp", shown), format
    assert "s̃_t = tanh(" in trace.report("text")
    assert "π_t⁽¹⁾ = σ(W_xπ x_t - W_hp h_{t-1})" in trace.report("text")
    assert "<msubsup><mi>π</mi><mi>t</mi><mrow>" in trace.report("html")


@pytest.mark.few(0)
def test_the_authors_symbols_stand_in_the_picture() -> None:
    picture = diagram(own(symbols=SYMBOLS))
    assert "s̃_t = tanh(" in picture  # the title of the node, for those who point at it
    assert '<tspan class="m">s\u0303</tspan><tspan class="s" dy="0.28em">t</tspan>' in picture
    assert '<tspan class="m">π</tspan><tspan class="s" dy="0.28em">t</tspan>' in picture
    assert ">score<" not in picture
    page = own(symbols=SYMBOLS).report("html")
    maps = page.partition("<title>Gates and states of every unit</title>")[2]
    assert "π_t⁽¹⁾: 3 steps, 2 units" in maps.partition("</desc>")[0]


@pytest.mark.few(0)
def test_nothing_stands_in_typewriter() -> None:
    trace = own()
    assert 'class="name"' not in trace.report("html")
    assert r"\mathtt" not in trace.report()
    assert "mono(" not in trace.report("typ")
    assert "<mi>score</mi>" in trace.report("html")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("W @ a", "W a"), ("W @ a @ V", "Vᵀ (W a)"), ("a @ V + mean(a)", "Vᵀ a + mean(a)"), ("W @ (U @ a)", "W (U a)")],
)
def test_a_value_that_another_stage_has_is_shown_by_its_name(name: str, shown: str) -> None:
    """An adjoint reads lines of its forward stage, whose matrices it does not know."""
    assert Plain()(value(name, parse("h_t = tanh(x_t)"))) == shown
