"""How names are set: one letter with its indices in italics, words upright, the same in every format."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

import pytest

import lstm_trace as lt
from lstm_trace.formulas.mathml import MathML
from lstm_trace.formulas.plain import Plain
from lstm_trace.formulas.printer import Printer
from lstm_trace.formulas.tex import Tex
from lstm_trace.formulas.tree import Sym
from lstm_trace.formulas.typst import TypstMath
from lstm_trace.plot.furniture import MarkedPlain, spans
from lstm_trace.report.diagram.diagram import diagram

#: Name to plain text and TeX.
NAMES: dict[str, tuple[str, str]] = {
    "u": ("u", "u"),
    "q_t": ("q_t", "q_t"),
    "W_xk": ("W_xk", "W_{xk}"),
    "w_12": ("w_12", "w_{12}"),
    "k2": ("k_2", "k_2"),
    "Wx": ("W_x", "W_x"),
    "Wxh": ("W_xh", "W_{xh}"),
    "bh": ("b_h", "b_h"),
    "big": ("big", r"\mathrm{big}"),
    "h_new": ("h_new", r"h_{\mathrm{new}}"),
    "W_out1": ("W_out1", r"W_{\mathrm{out1}}"),
    "W_in": ("W_in", r"W_{\mathrm{in}}"),
    "W_x_i": ("W_{x,i}", "W_{x,i}"),
    "b_out_1": ("b_{out,1}", r"b_{\mathrm{out},1}"),
    "alpha": ("α", r"\alpha"),
    "alpha_t": ("α_t", r"\alpha_t"),
    "α_t": ("α_t", r"\alpha_t"),
    "beta1": ("β_1", r"\beta_1"),
    "gamma_cell": ("γ_cell", r"\gamma_{\mathrm{cell}}"),
    "Gamma_t": ("Γ_t", r"\Gamma_t"),
    "phi": ("ϕ", r"\phi"),
    "lambda_": ("λ", r"\lambda"),
    "W_xi": ("W_xi", "W_{xi}"),  # and no ξ
    "W_alpha": ("W_alpha", r"W_{\mathrm{alpha}}"),
    "y_hat": ("ŷ", r"\hat{y}"),
    "ŷ_t": ("ŷ_t", r"\hat{y}_t"),
    "y_hat_t": ("ŷ_t", r"\hat{y}_t"),
    "s_tilde": ("s̃_t", r"\tilde{s}_t"),
    "h\u0303_t": ("h̃_t", r"\tilde{h}_t"),
    "z_bar": ("z̄", r"\bar{z}"),
    "alpha_bar_t": ("ᾱ_t", r"\bar{\alpha}_t"),
    "n_prev": ("n_{t-1}", "n_{t-1}"),
    "phi_t_prev": ("ϕ_{t-1}", r"\phi_{t-1}"),
    "att_prev": ("att_{t-1}", r"\mathrm{att}_{t-1}"),
    "att": ("att", r"\mathrm{att}"),
    "score_t": ("score_t", r"\mathrm{score}_t"),
    "my_gate": ("my_gate", r"\mathrm{my\_gate}"),
    "my_gate_t": ("my_gate_t", r"\mathrm{my\_gate}_t"),
    "att_hat": ("att_hat", r"\mathrm{att\_hat}"),
    "h0": ("h_0", "h_0"),
    "log_f": ("log_f", r"\mathrm{log}_f"),
    "_x": ("_x", r"\mathtt{\_x}"),
    "W_": ("W_", r"\mathtt{W\_}"),
    "größe": ("größe", r"\mathtt{größe}"),
}

#: Name to Typst, one of each kind.
TYPST = {
    "W_xk": "W_(x k)",
    "w_12": "w_(12)",
    "b_out_1": 'b_(upright("out")\\, 1)',
    "alpha_bar_t": "macron(α)_t",
    "phi_t_prev": "ϕ_(t - 1)",
    "my_gate_t": 'upright("my_gate")_t',
    "größe": 'mono("größe")',
}
_OVER = {"^": "\u0302", "~": "\u0303", "¯": "\u0304"}


def read(page: Element) -> str:
    """MathML as plain text, read without our printer."""
    inner = [read(child) for child in page]
    if page.tag == "msub":
        return f"{inner[0]}_{inner[1] if inner[1].isalnum() else '{' + inner[1] + '}'}"
    if page.tag == "mover":
        return inner[0] + _OVER[inner[1]]
    return (page.text or "").replace("−", "-") + "".join(inner)


def same(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    plain, tex = NAMES[name]
    assert same(Plain()(Sym(name))) == same(plain)
    assert Tex()(Sym(name)) == tex
    page = fromstring(MathML()(Sym(name)))  # noqa: S314 - our own
    assert same(read(page)) == same(plain)
    # a letter that stands alone is set in italics by the browser; a word must be one element, or it would be, too
    words = re.findall(r"\\math(?:rm|tt)\{([^}]*)\}", tex)
    elements = [e.text for e in page.iter() if len(e.text or "") > 1 and not (e.text or "").isdigit()]
    assert elements == [word.replace("\\", "") for word in words]


@pytest.mark.parametrize("name", TYPST)
def test_names_in_typst(name: str) -> None:
    assert TypstMath()(Sym(name)) == TYPST[name]


def test_names_in_the_picture() -> None:
    assert spans(MarkedPlain()(Sym("alpha_t"))).startswith('<tspan class="m">α</tspan><tspan class="s" dy="0.28em">t<')
    assert spans(MarkedPlain()(Sym("att_t"))).startswith('<tspan class="u">att</tspan><tspan class="s" dy="0.28em">t<')
    assert spans(MarkedPlain()(Sym("W_"))) == '<tspan class="n">W_</tspan>'


def test_names_that_would_be_printed_alike() -> None:
    """Two values never stand under one symbol."""
    cell = {"equations": "k2 = W @ x_t\nk_2 = tanh(k2)\noutput: k_2"}
    trace = lt.run({"W": [[0.5]]}, [[1.0]], cell=cell)
    assert "k_2 = tanh(k2)" in trace.report("text")
    assert r"\mathtt{k\_2} = \tanh(k_2)" not in trace.report()
    assert r"k_2 = \tanh(\mathtt{k2})" in trace.report()


# -- what an author writes ---------------------------------------------------------------------------------------------

#: TeX of an author to plain text, TeX and Typst.
OWN = {
    r"\bar{z}_t": ("z̄_t", r"\bar{z}_t", "macron(z)_t"),
    r"\mathbf{W}_{xi}": ("W_xi", r"\mathbf{W}_{xi}", 'bold("W")_(x i)'),
    r"\boldsymbol{\alpha}_t": ("α_t", r"\boldsymbol{\alpha}_t", 'bold(italic("α"))_t'),
    r"\tilde{\mathbf h}": ("h̃", r"\tilde{\mathbf{h}}", 'tilde(bold("h"))'),
    r"\mathcal{L}": ("ℒ", r"\mathcal{L}", 'cal("L")'),
    r"\overleftarrow{h}_t": ("h\u20d6_t", r"\overleftarrow{h}_t", "arrow.l(h)_t"),
    "h'_t": ("h_t′", r"h_t^{\prime}", "h_t^′"),
    "h^{(t)}": ("h⁽ᵗ⁾", "h^{(t)}", r"h^(\( t \))"),
    "h_{t|t-1}": ("h_{t|t-1}", r"h_{t\vert t-1}", r"h_(t \| t - 1)"),
    r"a^{\langle t \rangle}": ("a^⟨t⟩", r"a^{\langle t\rangle}", "a^(⟨ t ⟩)"),
    "a^{<t>}": ("a^⟨t⟩", r"a^{\langle t\rangle}", "a^(⟨ t ⟩)"),
    r"W^\top": ("Wᵀ", r"W^{\top}", "W^⊤"),
    "x^*": ("x*", r"x^{\ast}", "x^∗"),
    "ŷ_t": ("ŷ_t", r"\hat{y}_t", "hat(y)_t"),
    "φ_{t−1}": ("φ_{t-1}", r"\varphi_{t-1}", "φ_(t - 1)"),
    r"\left(x\,\odot y\right)": ("(x⊙y)", r"(x\odot y)", r"\( x ⊙ y \)"),
    "h[t]": ("h[t]", "h{[}t{]}", r"h \[ t \]"),
}
#: What is no symbol: the name stands there instead.
NONE = (
    r"\evil", r"\href{x}{y}", r"\input{x}", "$x$", "a & b", r"a \\ b", "%", "#1", "x_1_2", "{", "}", "x^", r"\hat", "",
    "ж", r"\mathcal{l}", "{" * 12 + "x" + "}" * 12, "\x07", "`x`", '"', r"\mathbf{$}",
)  # fmt: skip


@pytest.mark.parametrize("tex", OWN)
def test_an_authors_tex(tex: str) -> None:
    plain, *rest = OWN[tex]
    own = {"n": tex}
    assert same(Plain(own)(Sym("n"))) == same(plain)
    assert [Tex(own)(Sym("n")), TypstMath(own)(Sym("n"))] == rest
    page = MathML(own)(Sym("n"))
    fromstring(page)  # noqa: S314 - our own
    assert "<mi>n</mi>" not in page


@pytest.mark.few(50)
@pytest.mark.parametrize("tex", NONE)
@pytest.mark.parametrize("printer", [Plain, Tex, TypstMath, MathML, MarkedPlain])
def test_what_is_no_symbol_reaches_no_document(printer: type[Printer], tex: str) -> None:
    assert printer({"n": tex})(Sym("n")) == printer()(Sym("n"))


def test_an_upper_index_and_a_parameter_in_the_picture() -> None:
    cell = {"equations": "a_t = h_prev * gain\nh_t = tanh(a_t)\ncarry: h_prev <- h_t\noutput: h_t"}
    symbols = {"h_t": "a^{<t>}", "gain": r"\gamma_1"}
    trace = lt.run({"gain": [2.0]}, [[1.0]], cell=cell, initial={"h_prev": [0.5]})
    picture = diagram(replace(trace, header=replace(trace.header, symbols=symbols)))
    assert '<tspan class="m">a</tspan><tspan class="s" dy="-0.5em">⟨t⟩</tspan>' in picture
    assert '⊙ <tspan class="m">γ</tspan><tspan class="s" dy="0.28em">1</tspan>' in picture
    assert "gain" not in picture.replace('data-line="gain"', "")
