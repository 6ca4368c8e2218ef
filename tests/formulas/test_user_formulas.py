"""Formulas between dollars, in titles and notes: what is a formula, how it is printed, and what is refused."""

import re
from dataclasses import replace

import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError
from lstm_trace.formulas.mathml import MathML
from lstm_trace.formulas.plain import Plain
from lstm_trace.formulas.symbols import Symbol
from lstm_trace.formulas.tex import Tex
from lstm_trace.formulas.tree import Written
from lstm_trace.formulas.typst import TypstMath
from lstm_trace.formulas.user_tex import LONGEST, pieces

PROBLEM = {"weights": {"W_xi": [[0.5]], "W_hi": [[0.3]]}, "x": [1.0], "ask": ["i_t"]}


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("from $5 to $10", []),
        (r"\$x\$ and $x$", ["x"]),
        ("$x$, $y$.", ["x", "y"]),
        ("it costs 5$-10$", []),
        ("$ x$ and $x $", []),
        ("$$x$$", []),
        ("$a$5", []),
        (r"$a = \$$", [r"a = \$"]),
        ("a $b\nc$ d", ["b\nc"]),
    ],
)
def test_what_is_a_formula_and_what_is_a_price(text: str, formulas: list[str]) -> None:
    found = list(pieces(text))
    assert [piece for piece, is_formula in found if is_formula] == formulas
    if not formulas:
        assert "".join(piece for piece, _ in found) == text


@pytest.mark.parametrize(
    ("text", "plain", "tex"),
    [
        ("h_t", "h_t", "h_t"),
        ("W_xi @ x_t + b_i", "W_xi x_t + b_i", r"W_{xi}\,x_t+b_i"),
        (r"W_{xi} x_t + W_{hi} h_{t-1}", "W_xi x_t + W_hi h_{t-1}", r"W_{xi}\,x_t+W_{hi}\,h_{t-1}"),
        ("i_t * c_tilde", "i_t ⊙ c̃_t", r"i_t\odot \tilde{c}_t"),
        (r"\tilde c_t = \tanh(z_c)", "c̃_t = tanh(z_c)", r"\tilde{c}_t=\tanh (z_c)"),
        (r"\hat y", "y\u0302", r"\hat{y}"),
        ("L = ½(h_2 - 0.5)^2", "L = ½(h_2 - 0.5)²", r"L=\frac{1}{2}(h_2-0.5)^{2}"),
        (r"\frac12", "½", r"\frac{1}{2}"),
        (r"\sigma(z) = \frac{1}{1 + \exp(-z)}", "σ(z) = 1/(1 + exp(-z))", r"\sigma (z)=\frac{1}{1+\exp (-z)}"),
        (r"W_{xi} \in \mathbb{R}^{2 \times 3}", "W_xi ∈ ℝ^{2×3}", r"W_{xi}\in \mathbf{R}^{2\times 3}"),
        (r"\sum_{t=1}^T L_t", "∑_{t=1}ᵀ L_t", r"\sum_{t=1}^{T}\,L_t"),
        (r"L = -\sum_t y_t \log p_t", "L = -∑_t y_t log p_t", r"L=-\sum_t\,y_t\,\mathrm{log} \,p_t"),
        (r"\partial L / \partial W_{xi}", "∂L/∂W_xi", r"\partial L/\partial W_{xi}"),
        (
            r"\frac{\partial L}{\partial c_t} \approx 0{,}25",
            "∂L/∂c_t ≈ 0,25",
            r"\frac{\partial L}{\partial c_t}\approx 0{,}25",
        ),
        ("x^\\top y, a < b", "xᵀ y, a < b", r"x^{\top}\,y,a<b"),
        (r"x_1, \dots, x_T \ge -1", "x_1, …, x_T ≥ -1", r"x_1,\ldots ,x_T\ge -1"),
        ("a^{<t>}", "a^⟨t⟩", r"a^{\langle t\rangle}"),
        (r"\frac{a}{\frac{b}{c}}", "a/(b/c)", r"\frac{a}{\frac{b}{c}}"),
        (r"\frac{a}{b}^2, \frac{a}{b}", "(a/b)², a/b", r"\frac{a}{b}^{2},\frac{a}{b}"),
        (r"x / \frac{a}{b} + \frac{1}{T} y", "x/(a/b) + (1/T) y", r"x/\frac{a}{b}+\frac{1}{T}\,y"),
        (r"\frac{1}{2x}", "1/(2x)", r"\frac{1}{2x}"),
        (
            r"\frac{1}{\sqrt{x_t}} - \frac{2}{\hat{y}_t}",
            "1/√(x_t) - 2/y\u0302_t",
            r"\frac{1}{\sqrt{x_t}}-\frac{2}{\hat{y}_t}",
        ),
        ("x_t^2_3", "x_t_3²", "{x_t}_3^{2}"),
        ("h_prev_{2+1} + c_tilde_{a+b}", "h_{t-1}_{2+1} + c̃_t_{a+b}", r"{h_{t-1}}_{2+1}+{\tilde{c}_t}_{a+b}"),
        ("a ≠ y\u0302_t", "a ≠ y\u0302_t", r"a\ne \hat{y}_t"),
        (r"\text{loss} = \ln 2", "loss = ln 2", r"\text{loss}=\ln \,2"),
    ],
)
def test_a_formula_as_text_and_as_tex(text: str, plain: str, tex: str) -> None:
    node = Written(text)
    assert (Plain()(node), Tex()(node)) == (plain, tex)


def test_a_symbol_that_has_a_power_can_be_raised() -> None:
    assert Tex({"h_t": "a^{<t>}"})(Written("h_t^2 - h_t_{2+1}")) == (
        r"{a^{\langle t\rangle}}^{2}-a^{\langle t\rangle}_{2+1}"
    )


def test_names_have_the_symbols_of_the_problem() -> None:
    own = {"W_xi": Symbol("W", "ii"), "target_t": r"\hat{q}_t"}
    assert Plain(own)(Written(r"W_{xi} x_t - target_t")) == "W_ii x_t - q̂_t"
    assert MathML(own)(Written("W_xi")) == "<msub><mi>W</mi><mrow><mi>i</mi><mi>i</mi></mrow></msub>"


REFUSED = {
    r"\input{/etc/passwd}": r"`\input`",
    r"a \color{red} b": r"`\color`",
    r"\href{javascript:x}{y}": r"`\href`",
    "x & y": "`&`",
    '#import "x"': "`#`",
    "a_{b": "the end",
    "a}": "`}`",
    r"\frac{a}": "the end",
    "x^2^3": "`^`",
    "{" * 10 + "x" + "}" * 10: "the brace inside 8 others",
    "x" * (LONGEST + 1): "since it is too long",
    "€": "`€`",
    "x_٣": "`٣`",
    r"\text{<script>}": "`<`",
}


@pytest.mark.parametrize(("text", "where"), REFUSED.items())
@pytest.mark.parametrize("field", ["title", "notes"])
def test_anything_else_is_refused_where_it_is(text: str, where: str, field: str) -> None:
    with pytest.raises(FileError) as error:
        lt.prepare({**PROBLEM, field: f"See ${text}$."})
    assert str(error.value).startswith(f"the problem: {field}: the formula `${text[:80]}")
    assert where in str(error.value)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_understood_in_a_trace_is_text(text: str) -> None:
    """A trace file may come from anywhere: its title is never handed on as markup."""
    assert Plain()(Written(text)) == text
    assert not re.search(r"\\(input|href|color)", Tex()(Written(text)))
    assert TypstMath()(Written(text)).startswith('upright("')
    assert MathML()(Written(f"{text}<b>")).count("<b>") == 0


@pytest.mark.parametrize("acting", ["\x1b", "\x9b", "\x07", "\u202e", "\n# "])
def test_what_is_not_understood_in_a_trace_controls_no_terminal(acting: str) -> None:
    text = f"a{acting}]0;pwned"
    assert not any(acting in printer(Written(text)) for printer in (Plain(), Tex(), TypstMath(), MathML()))
    trace = lt.run(PROBLEM)
    trace = replace(trace, header=replace(trace.header, notes=f"${text}$", title_tex=f"${text}$"))
    assert not any(acting in str(trace.report(format)) for format in ("text", "tex", "typ", "html"))
    assert f"a{acting}" not in trace.report("md")


def test_a_title_and_notes_in_every_format() -> None:
    notes = "It costs $5 and $10.\n\n- gate $i_t = \\sigma(W_xi x_t)$"
    trace = lt.run({**PROBLEM, "title": r"Loss $L = ½(h_2 - 0.5)^2$ for \$5", "notes": notes})
    assert trace.header.title == "Loss L = ½(h_2 - 0.5)² for $5"
    text, page, tex = (trace.report(form) for form in ("text", "html", "tex"))
    assert text.startswith("Loss L = ½(h_2 - 0.5)² for $5\n═")
    assert "It costs $5 and $10.\n\n- gate i_t = σ(W_xi x_t)\n" in text
    assert "# Loss $`L=\\frac{1}{2}(h_2-0.5)^{2}`$ for \\$5\n" in trace.report()
    assert "<title>Loss L = ½(h_2 - 0.5)² for $5</title>" in page
    assert re.search(r"<h1[^>]*>Loss <math><mrow><mi>L</mi><mo>=</mo><mfrac><mn>1</mn><mn>2</mn></mfrac>", page)
    assert r"Loss $L=\frac{1}{2}(h_2-0.5)^{2}$ for \$5" in tex
    assert "$L= inline(frac(1, 2))" in trace.report("typ")
    assert trace.report("text", title="Other").startswith("Other\n═════\n\nIt costs")
    assert lt.run(lt.problem(trace)).equals(trace)
    assert lt.edit(trace, {"W_xi[0,0]": 1.0}).header.title_tex == trace.header.title_tex
