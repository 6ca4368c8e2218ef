"""Trees as MathML Core, which browsers render without help; no text of a problem reaches the page unescaped."""

from __future__ import annotations

from collections.abc import Iterable

from ..base.display import escape
from ..base.packaged import packaged
from .plain import PLAIN
from .printer import Format, Printer
from .symbols import FUNCTIONS, SLOPES, sign
from .tree import Field
from .user_tex import NAMED, SIGNS, WORDS

_ACCENTS = {"tilde": "~", "hat": "^", "bar": "¯", "dot": "˙", "vec": "→", "overleftarrow": "←"}
_WORDS: dict[str, str] = packaged("formulas/tables.toml")["words"]


def math(body: str, tall: bool = False) -> str:
    """A formula within a line of HTML; tall: with full-size fractions.

    >>> from lstm_trace.formulas.tree import Sym
    >>> math(MathML()(Sym("W_xi")))
    '<math><msub><mi>W</mi><mrow><mi>x</mi><mi>i</mi></mrow></msub></math>'
    """
    return f'<math displaystyle="true">{body}</math>' if tall and "<mfrac>" in body else f"<math>{body}</math>"


_OPERATORS = frozenset("-+,:;|/.[]") | frozenset(SIGNS.values()) - {"∂", "∇", "∞", "ℝ", "…"}


def _letter(c: str) -> str:
    c = NAMED.get(c, c)
    if c.isdigit():
        return f"<mn>{c}</mn>"
    if c in "()[]|⟨⟩":
        return f'<mo stretchy="false">{c}</mo>'
    return f"<mo>{'−' if c == '-' else escape(c)}</mo>" if c in _OPERATORS else f"<mi>{escape(c)}</mi>"


def _scripts(base: str, sub: str, sup: str) -> str:
    kind = "msubsup" if sub and sup else "msub" if sub else "msup"
    return f"<{kind}>{base}{sub}{sup}</{kind}>"


def _row(parts: Iterable[str]) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _parens(body: str, signs: str = "()") -> str:
    """In parentheses or other signs, which grow only around tall contents; their form is explicit, or they would be
    spaced apart.
    """
    tall = "<mfrac" in body or "<mtable" in body
    rest = 'lspace="0" rspace="0"' + ("" if tall else ' stretchy="false"')
    return f'<mo form="prefix" {rest}>{signs[0]}</mo>{body}<mo form="postfix" {rest}>{signs[1]}</mo>'


def _function(op: str) -> str:
    if op not in FUNCTIONS and op not in SLOPES:
        return f"<mi>{escape(sign(op)[1])}</mi>"
    base, _, sub = sign(op)[1].partition("_")
    return f"<msub><mi>{base}</mi><mi>{sub}</mi></msub>" if sub else f"<mi>{base}</mi>"


def _matrix(rows: list[list[str]]) -> str:
    """A matrix; brackets are drawn by the style sheet, since most fonts have none that grow."""
    body = "".join(f"<mtr>{''.join(f'<mtd>{entry}</mtd>' for entry in row)}</mtr>" for row in rows)
    return f"<mtable>{body}</mtable>"


def _gradient(of: str, through: str, d: str) -> str:
    d = f"<mo>{d}</mo>" if d == "∂" else f'<mi mathvariant="normal">{d}</mi>'  # an operator would be spaced apart
    text = f"<mfrac><mrow>{d}<mi>L</mi></mrow><mrow>{d}{of}</mrow></mfrac>"
    return f"<msub>{_row([text, '<mo>|</mo>'])}<mtext>{escape(through)}</mtext></msub>" if through else text


def input_field(node: Field) -> str:
    """An input field for the reader."""
    name = escape(node.name)
    return f'<input name="{name}" aria-label="{name}" size="{node.width}" value="{escape(node.value)}">'


MATHML = Format(
    negative="−",
    # HTML text, so that its power of ten is raised; directly in <mn> it would be placed below
    scaled=lambda number, exponent: f"<span>{number}×10<sup>{str(exponent).replace('-', '−')}</sup></span>",
    num=lambda p, node: f"<mn>{p.number(node.shown)}</mn>",
    dots={"across": "<mo>⋯</mo>", "down": "<mo>⋮</mo>", "diagonal": "<mo>⋱</mo>"},
    letter=_letter,
    word=lambda command, text: _WORDS[WORDS[command]].format(PLAIN.word(command, escape(text))),
    accent=lambda name, body: f'<mover accent="true">{body}<mo stretchy="false">{_ACCENTS[name]}</mo></mover>',
    scripts=_scripts,
    joined=lambda parts: _row(parts) if len(parts) > 1 else "".join(parts),
    upright=lambda text: f"<mi>{escape(text)}</mi>",
    transposed="<mo>⊤</mo>",
    name=lambda name: f'<mtext class="name">{escape(name)}</mtext>',
    minus='<mo form="prefix">−</mo>',
    plus="<mo>+</mo>",
    less="<mo>−</mo>",
    space='<mspace width="0.17em"/>',
    times="<mo>⊙</mo>",
    row=_row,
    parens=_parens,
    around=lambda body: _row([_parens(body)]),
    function=_function,
    apply="<mo>\u2061</mo>",
    arguments=lambda nodes, texts: _parens("<mo>,</mo>".join(texts)),
    at=lambda place: f"<mtext>[{escape(place)}]</mtext>",
    fraction="<mfrac>{}{}</mfrac>".format,
    holds=lambda left, sign, right: _row(["<mo>[</mo>", left, f"<mo>{escape(sign)}</mo>", right, "<mo>]</mo>"]),
    gradient=_gradient,
    squared="<msup>{}<mn>2</mn></msup>".format,
    tanh_squared="<msup><mi>tanh</mi><mn>2</mn></msup><mo>\u2061</mo>",
    enclosed={
        "sqrt": "<msqrt>{}</msqrt>".format,
        "floor": lambda body: _row([_parens(body, "⌊⌋")]),
        "abs": lambda body: _row([_parens(body, "||")]),
    },
    matrix=_matrix,
    blank=lambda width: f'<mtext class="blank">{"&#160;" * 2 * width}</mtext>',
    field=lambda node: f"<mtext>{input_field(node)}</mtext>",
)


class MathML(Printer):
    """Prints a tree as one element of MathML; `own` has the symbols given by the author of the problem."""

    format = MATHML
