"""The walker and the records of the formats: every kind of node is printed in every format, with its own pieces."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import replace
from typing import get_args

import pytest

from lstm_trace.cell.ops import OPS
from lstm_trace.formulas.mathml import MathML
from lstm_trace.formulas.plain import PLAIN, Plain
from lstm_trace.formulas.printer import NODES, Printer
from lstm_trace.formulas.symbols import Symbol
from lstm_trace.formulas.tex import Tex
from lstm_trace.formulas.tree import (
    Baseline,
    Blank,
    Call,
    Dots,
    Factors,
    Field,
    Fn,
    Gradient,
    Holds,
    Index,
    Mat,
    MatVec,
    Neg,
    Node,
    Prod,
    Quot,
    Square,
    Sum,
    Sym,
    Transposed,
    Vec,
    Written,
    number,
)
from lstm_trace.formulas.typst import TypstMath
from lstm_trace.formulas.user_tex import ACCENTS, NAMED, WORDS

#: Every format of formulas.
PRINTERS: tuple[type[Printer], ...] = (Plain, Tex, TypstMath, MathML)

A, B, W = Sym("a"), Sym("b"), Sym("W")
#: A node of each kind as plain text, TeX and Typst.
EACH: dict[Node, tuple[str, str, str]] = {
    Sym("W_xi"): ("W_xi", "W_{xi}", "W_(x i)"),
    Index(W, "5,:"): ("W[5,:]", "W[5,:]", 'W ["5,:"]'),
    number(-1.5e-12): ("-1.5e-12", r"-1.5 \times 10^{-12}", "-1.5 × 10^(-12)"),
    Sum((1.0, -1.0), (A, number(-2))): ("a - (-2)", "a - (-2)", "a - (-2)"),
    Prod(A, Sum((1.0, 1.0), (A, B))): ("a ⊙ (a + b)", r"a \odot \left(a + b\right)", "a ⊙ (a + b)"),
    Factors((A, number(2), B)): ("(a)(2)(b)", "(a)(2)(b)", "(a)(2)(b)"),
    Square(number(-2)): ("(-2)²", "(-2)^2", "(-2)^2"),
    Square(Call("tanh", (A,))): ("tanh(a)²", r"\tanh^2(a)", "tanh^2 (a)"),
    MatVec(W, A): ("W a", r"W\,a", "W thin a"),
    Index(Sum((1.0, 1.0), (A, B)), "0:2"): ("(a + b)[0:2]", r"\left(a + b\right)[0:2]", '(a + b) ["0:2"]'),
    Index(Sym("z_i"), "0:2"): ("z_i[0:2]", "z_i[0:2]", 'z_i ["0:2"]'),
    Transposed(Sym("W_xi")): ("W_xiᵀ", r"W_{xi}^{\top}", "W_(x i)^⊤"),
    Transposed(Sym("kernel")): ("kernelᵀ", r"\mathrm{kernel}^{\top}", 'upright("kernel")^⊤'),
    Transposed(Sym("_W")): ("_Wᵀ", r"{\mathtt{\_W}}^{\top}", 'mono("_W")^⊤'),
    MatVec(Transposed(W), Sum((1.0, 1.0), (A, B))): (
        "Wᵀ (a + b)",
        r"W^{\top}\,\left(a + b\right)",
        "W^⊤ thin (a + b)",
    ),
    Holds(A, Sum((1.0, -1.0), (B, number(2)))): ("[a > b - 2]", r"\left[a > b - 2\right]", "[a > b - 2]"),
    Prod(Holds(A, number(0)), B): ("[a > 0] ⊙ b", r"\left[a > 0\right] \odot b", "[a > 0] ⊙ b"),
    Quot(Sum((1.0, 1.0), (A, B)), number(-2)): (
        "(a + b) / (-2)",
        r"\frac{a + b}{-2}",
        "display(frac(a + b, -2))",
    ),
    Prod(Quot(A, B), Quot(A, B)): (
        "a / b ⊙ (a / b)",
        r"\frac{a}{b} \odot \frac{a}{b}",
        "display(frac(a, b)) ⊙ display(frac(a, b))",
    ),
    Neg(number(-2)): ("-(-2)", "-(-2)", "-(-2)"),
    Call("exp", (Quot(A, B),)): ("exp(a / b)", r"\exp\left(\frac{a}{b}\right)", "exp(display(frac(a, b)))"),
    Call("sqrt", (A,)): ("√(a)", r"\sqrt{a}", "sqrt(a)"),
    Call("sin", (A,)): ("sin(a)", r"\sin(a)", "sin(a)"),
    Call("floor", (Sum((1.0, 1.0), (A, B)),)): ("⌊a + b⌋", r"\left\lfloor a + b \right\rfloor", "floor(a + b)"),
    Prod(Call("abs", (number(-2),)), B): ("|-2| ⊙ b", r"\left\lvert -2 \right\rvert \odot b", "abs(-2) ⊙ b"),
    Call("min", (A, B)): ("min(a, b)", r"\min(a, b)", "min(a, b)"),
    Call("concat", (A, B)): (
        "[a; b]",
        r"\begin{bmatrix} a \\ b \end{bmatrix}",
        'display(mat(delim: "[", a; b))',
    ),
    Gradient(Sum((1.0, 1.0), (A, B))): (
        "∂L/∂(a + b)",
        r"\frac{\partial L}{\partial \left(a + b\right)}",
        "display(frac(∂ L, ∂ (a + b)))",
    ),
    Gradient(A, between=True): ("ΔL/Δa", r"\frac{\Delta L}{\Delta a}", "display(frac(Δ L, Δ a))"),
    Baseline(Sym("c_prev")): ("c_{t-1}⁰", "c_{t-1}^{0}", "c_(t - 1)^0"),
    Baseline(Sym("_W")): ("_W⁰", r"{\mathtt{\_W}}^{0}", 'mono("_W")^0'),
    Transposed(Sym("W̄")): ("W̄ᵀ", r"\bar{W}^{\top}", "macron(W)^⊤"),
    Call("sigmoid_slope", (A, B)): (
        "slope_σ(a, b)",
        r"\mathrm{slope}_{\sigma}(a, b)",
        'op("slope")_upright("σ")(a, b)',
    ),
    Gradient(A, "next"): (
        "∂L/∂a|next",
        r"\left.\frac{\partial L}{\partial a}\right|_{\text{next}}",
        'lr(display(frac(∂ L, ∂ a))|)_"next" ',
    ),
    Fn("product"): ("⊙", r"\odot", "⊙"),
    Vec((number(1), Dots("down"))): (
        "[1, …]",
        r"\begin{bmatrix} 1 \\ \vdots \end{bmatrix}",
        'display(mat(delim: "[", 1; dots.v))',
    ),
    Mat(((A, B), (B, A))): (
        "[[a, b], [b, a]]",
        r"\begin{bmatrix} a & b \\ b & a \end{bmatrix}",
        'display(mat(delim: "[", a, b; b, a))',
    ),
    Dots("across"): ("…", r"\cdots", "dots.c"),
    Blank("2/h_t[0]", 3): (
        "___",
        r"\boxed{\rule{0em}{1em}\hspace{1.8em}}",
        "#box(width: 1.8em, height: 1.4em, stroke: 0.5pt, baseline: 0.35em);",
    ),
    Prod(A, Blank("b", 1)): (
        "a ⊙ _",
        r"a \odot \boxed{\rule{0em}{1em}\hspace{0.6em}}",
        "a ⊙ #box(width: 0.6em, height: 1.4em, stroke: 0.5pt, baseline: 0.35em);",
    ),
    Written(r"\hat y = \frac{W_xi}{2} x_{t-1}"): (
        "y\u0302 = (W_xi/2) x_{t-1}",
        r"\hat{y}=\frac{W_{xi}}{2}\,x_{t-1}",
        "hat(y)= display(frac(W_(x i), 2)) thin x_(t- 1)",
    ),
    Field("0/c_t[0]", "0.25"): ("0.25", r"\mathrm{0.25}", 'upright("0.25")'),
    Field("0/c_t[0]", width=3): (
        "___",
        r"\boxed{\rule{0em}{1em}\hspace{1.8em}}",
        "#box(width: 1.8em, height: 1.4em, stroke: 0.5pt, baseline: 0.35em);",
    ),
}


@pytest.mark.parametrize("node", EACH, ids=lambda node: type(node).__name__)
def test_each_kind_of_node(node: Node) -> None:
    assert tuple(printer()(node) for printer in PRINTERS[:3]) == EACH[node]
    page = MathML()(node)
    assert page.startswith("<m")
    assert page.count("<") == 2 * page.count("</") + page.count("/>") + page.count("<input ")  # which has no end


def test_the_walker_and_these_examples_cover_every_kind() -> None:
    assert set(NODES) == set(get_args(Node)) == {type(node) for node in EACH}


@pytest.mark.parametrize("printer", PRINTERS)
def test_every_format_has_every_sign(printer: type[Printer]) -> None:
    letter = {name: "X" if way == "script" else "x" for name, way in WORDS.items()}
    own = {f"A{name}": rf"\{name}{{x}}" for name in ACCENTS} | {n: rf"\{n}{{{x}}}" for n, x in letter.items()}
    written = printer(own | {f"S{name}": rf"\{name}" for name in NAMED})
    signs = [Fn(name) for name, op in OPS.items() if op.function] + [
        Dots(way) for way in ("across", "down", "diagonal")
    ]
    assert all(written(sign) for sign in signs)
    symbols = {written(Sym(f"A{name}")) for name in ACCENTS}
    assert len(symbols) == len(ACCENTS)
    assert all(letter[name] in unicodedata.normalize("NFKC", written(Sym(name))) for name in WORDS)
    assert len({written(Sym(f"S{name}")) for name in NAMED}) == len(NAMED)


def test_a_squared_negative_number_stands_in_parentheses_on_a_page() -> None:
    assert MathML()(Square(number(-2))).startswith("<msup><mrow><mo form")


def test_a_blank_and_an_input_field_on_a_page() -> None:
    """A blank is as wide as what belongs in it; who types is told by the address where the number stands."""
    assert MathML()(Blank("0/c_t[0]", 2)) == f'<mtext class="blank">{"&#160;" * 4}</mtext>'
    for value in ("", "0.25", '"<'):
        page = MathML()(Field("0/c_t[0]", value, 5))
        attributes = dict(re.findall(r'(\w+)="(.*?)"', page))
        assert attributes | {"value": html.unescape(attributes["value"])} == {
            "name": "0/c_t[0]", "label": "0/c_t[0]", "size": "5", "value": value
        }  # fmt: skip


def test_a_symbol_that_stands_transposed_is_turned_back() -> None:
    """As Keras's kernels in that notation; an author's own symbol gets the sign behind it."""
    node = Transposed(Sym("W_xi"))
    kernel = {"W_xi": Symbol("kernel", "i", upright=True, power="T")}
    assert [printer(kernel)(node) for printer in PRINTERS[:2]] == ["kernel_i", r"\mathrm{kernel}_i"]
    assert [printer({"W_xi": r"\mathbf{W}_x"})(node) for printer in PRINTERS[:2]] == ["W_xᵀ", r"{\mathbf{W}_x}^{\top}"]


def test_symbols_may_be_given_after_the_printer_was_made() -> None:
    own: dict[str, str] = {}
    written = Tex(own)
    own["a"] = r"\alpha"
    assert written(A) == r"\alpha"


def test_a_format_that_differs_in_one_piece() -> None:
    class Dotted(Plain):
        format = replace(PLAIN, times=" · ")

    assert Dotted()(Prod(A, B)) == "a · b"
    assert Dotted()(Fn("product")) == "·"
