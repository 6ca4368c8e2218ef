"""Parentheses: one table of formulas with negative numbers, and the same parentheses in every format.

The formats are read back by small readers of their own into one notation, that of the second column: `frac(a, b)` is a
fraction that stands on two levels, which needs no parentheses; in plain text a quotient has them.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, fromstring

import pytest

from lstm_trace.formulas.mathml import MathML
from lstm_trace.formulas.numbers import Style
from lstm_trace.formulas.plain import Plain
from lstm_trace.formulas.tex import Tex
from lstm_trace.formulas.tree import (
    Baseline,
    Call,
    Dots,
    Factors,
    Gradient,
    Index,
    Mat,
    MatVec,
    Neg,
    Node,
    Num,
    Prod,
    Quot,
    Square,
    Sum,
    Sym,
    Transposed,
    Vec,
    broken,
    number,
)
from lstm_trace.formulas.typst import TypstMath

X, A, W = Sym("x"), Sym("a"), Sym("W")
M, P, TINY = number(-0.3), number(0.5), number(-1.5e-9)
COMMA = Num(Style(4, comma=True).show(-0.3), -0.3)
V = Vec((number(-1), number(2)))
ONE, MINUS = Vec((P,)), Vec((M,))


def plus(*terms: Node) -> Sum:
    return Sum((1.0,) * len(terms), terms)


def less(left: Node, right: Node) -> Sum:
    return Sum((1.0, -1.0), (left, right))


#: A formula, as it is read in every format; and in plain text, where that differs.
TABLE: list[tuple[Node, str] | tuple[Node, str, str]] = [
    # sums
    (plus(P, M), "0.5 + (-0.3)"),
    (less(P, M), "0.5 - (-0.3)"),
    (plus(M, P), "-0.3 + 0.5"),
    (Sum((-1.0, 1.0), (M, P)), "-(-0.3) + 0.5"),
    (Sum((-1.0, 1.0), (P, M)), "-0.5 + (-0.3)"),
    (plus(P, TINY), "0.5 + (-1.5×10^(-9))", "0.5 + (-1.5e-9)"),
    (plus(Dots(), M), "… + (-0.3)"),
    (plus(number(1), number(float("-inf"))), "1 + (-∞)"),
    (plus(X, Neg(A)), "x + (-a)"),
    (less(X, Neg(A)), "x - (-a)"),
    (less(X, less(A, X)), "x - (a - x)"),
    (plus(ONE, MINUS), "0.5 + (-0.3)"),
    (less(MINUS, MINUS), "-0.3 - (-0.3)"),
    (plus(V, V), "[-1, 2] + [-1, 2]"),
    (plus(P, Call("exp", (M,))), "0.5 + exp(-0.3)"),
    # products as terms
    (Prod(P, M), "(0.5)(-0.3)"),
    (plus(Prod(P, M), Prod(M, P)), "(0.5)(-0.3) + (-0.3)(0.5)"),
    (Prod(M, X), "-0.3 x"),
    (plus(X, Prod(M, X)), "x + (-0.3 x)"),
    (less(X, Prod(Prod(M, A), X)), "x - (-0.3 a ⊙ x)"),
    (plus(X, MatVec(M, X)), "x + (-0.3 x)"),
    (plus(X, Prod(Neg(A), X)), "x + (-a) ⊙ x"),
    (Prod(X, M), "x ⊙ (-0.3)"),
    (Prod(A, Neg(X)), "a ⊙ (-x)"),
    (Prod(A, Prod(M, X)), "a ⊙ (-0.3 x)"),
    (Prod(number(-2e-9), TINY), "(-2×10^(-9))(-1.5×10^(-9))", "(-2e-9)(-1.5e-9)"),
    (Factors((M, P, less(number(1), M))), "(-0.3)(0.5)(1 - (-0.3))"),
    (Prod(MINUS, V), "-0.3 [-1, 2]"),
    (MatVec(W, M), "W (-0.3)"),
    (MatVec(W, MINUS), "W (-0.3)"),
    (MatVec(Mat(((M,),)), ONE), "(-0.3)(0.5)"),
    (plus(MatVec(Mat(((P,),)), MINUS), MINUS), "(0.5)(-0.3) + (-0.3)"),
    # a minus before
    (Neg(M), "-(-0.3)"),
    (Neg(MINUS), "-(-0.3)"),
    (Neg(Prod(M, X)), "-(-0.3 x)"),
    (Neg(Prod(M, P)), "-(-0.3)(0.5)"),
    (Neg(plus(X, M)), "-(x + (-0.3))"),
    (Neg(Neg(A)), "-(-a)"),
    # quotients
    (Quot(M, P), "frac(-0.3, 0.5)", "-0.3 / 0.5"),
    (Quot(P, M), "frac(0.5, -0.3)", "0.5 / (-0.3)"),
    (Quot(X, Neg(A)), "frac(x, -a)", "x / (-a)"),
    (Quot(plus(X, M), M), "frac(x + (-0.3), -0.3)", "(x + (-0.3)) / (-0.3)"),
    (plus(X, Quot(M, P)), "x + frac(-0.3, 0.5)", "x + (-0.3 / 0.5)"),
    (plus(X, Prod(Quot(M, P), X)), "x + frac(-0.3, 0.5) ⊙ x", "x + (-0.3 / 0.5 ⊙ x)"),
    (Neg(Quot(M, P)), "-frac(-0.3, 0.5)", "-(-0.3 / 0.5)"),
    # powers
    (Square(M), "(-0.3)^2", "(-0.3)²"),
    (Square(TINY), "(-1.5×10^(-9))^2", "(-1.5e-9)²"),
    (Square(Neg(A)), "(-a)^2", "(-a)²"),
    (Square(Quot(X, P)), "(frac(x, 0.5))^2", "(x / 0.5)²"),
    (Square(Gradient(A)), "(frac(∂L, ∂a))^2", "(∂L/∂a)²"),
    (Transposed(M), "(-0.3)^⊤", "(-0.3)ᵀ"),
    (Baseline(Neg(A)), "(-a)^0", "(-a)⁰"),
    (Index(Neg(A), "0"), "(-a)[0]"),
    # functions
    (Call("sigmoid", (M,)), "σ(-0.3)"),
    (Call("sigmoid", (MINUS,)), "σ(-0.3)"),
    (Call("exp", (Neg(M),)), "exp(-(-0.3))"),
    (Call("clip", (M, number(-1), P)), "clip(-0.3, -1, 0.5)"),
    (Gradient(Neg(A)), "frac(∂L, ∂(-a))", "∂L/∂(-a)"),
    # a decimal comma
    (plus(P, COMMA), "0.5 + (-0,3)"),
    (Prod(P, COMMA), "(0.5)(-0,3)"),
    (Call("sigmoid", (COMMA,)), "σ(-0,3)"),
]


def bare(text: str) -> str:
    """Without spaces, which are not the same in two formats."""
    return re.sub(r"\s", "", text)


def from_tex(text: str) -> str:
    text = re.sub(r"\\begin\{bmatrix\} (.*?) \\end\{bmatrix\}", lambda m: "[" + m[1].replace(r"\\", ",") + "]", text)
    text = re.sub(r"\\(?:left|right)\b ?", "", text).replace(r"\,", " ").replace("{,}", ",")
    text = re.sub(r" \\times 10\^\{(.*?)\}", r"×10^(\1)", text)
    for command, sign in {"odot": "⊙", "cdots": "…", "infty": "∞", "sigma": "σ", "exp": "exp", "partial": "∂"}.items():
        text = re.sub(rf"\\{command}\b ?", sign, text)
    text = text.replace(r"\mathrm{clip}", "clip").replace(r"\top", "⊤")
    while (found := re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"frac(\1, \2)", text)) != text:
        text = found
    return re.sub(r"[{}]", "", text)


def from_typst(text: str) -> str:
    text = re.sub(r'display\(mat\(delim: "\[", (.*?)\)\)', lambda m: f"[{m[1].replace(';', ',')}]", text)
    while (found := re.sub(r"display\((frac\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))\)", r"\1", text)) != text:
        text = found
    text = text.replace(" thin ", " ").replace("dots.c", "…").replace('op("clip")', "clip")
    return text.replace('"', "")


def from_mathml(page: Element) -> str:
    inner = [from_mathml(child) for child in page]
    if page.tag == "mfrac":
        return f"frac({inner[0]}, {inner[1]})"
    if page.tag == "msup":
        return f"{inner[0]}^{inner[1]}"
    if page.tag == "mtable":
        return f"[{', '.join(inner)}]"
    if page.tag == "sup":
        return f"^({page.text or ''})"
    if page.tag == "mspace":
        return " "
    text = (page.text or "") + "".join(inner)
    return text.replace("−", "-").replace("⋯", "…").replace("\u2061", "")


@pytest.mark.parametrize("row", TABLE, ids=[row[-1] for row in TABLE])
def test_parentheses(row: tuple[Node, str]) -> None:
    node, expected, plain = (*row, row[1])[:3]
    assert Plain()(node) == plain
    page = fromstring(MathML()(node))  # noqa: S314 - our own
    found = [from_tex(Tex()(node)), from_typst(TypstMath()(node)), from_mathml(page)]
    assert list(map(bare, found)) == [bare(expected)] * 3


@pytest.mark.parametrize("room", [4, 12, 25])
def test_a_broken_sum_has_the_parentheses_of_the_whole(room: int) -> None:
    """As a page and a narrow terminal break it: what follows the sign is what would follow it in one row."""
    node = Sum((1.0, -1.0, 1.0, 1.0), (M, M, Prod(M, X), Quot(M, P)))
    for printer in (Plain(), Tex(), TypstMath(), MathML()):
        pieces = broken(node, lambda part: len(Plain()(part)), room)
        assert len(pieces) > 1
        text = "".join(f" {mark} {printer(piece)}" for mark, piece in pieces)
        written = [re.sub(r"<[^>]*>|\s", "", part).replace("−", "-") for part in (text, printer(node))]
        assert written[0] == written[1]
