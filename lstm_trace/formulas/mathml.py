"""Trees as MathML, the core that browsers render without help; no text of a problem reaches the page unescaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.markup import escape
from . import user_tex
from .binding import RIGHT, loose, minus_first, signed
from .numbers import Shown
from .symbols import FUNCTIONS, Symbol, sign, symbol
from .tree import Call, Dots, Factors, Fn, Index, Mat, MatVec, Neg, Node, Num, Prod, Quot, Square, Sum, Sym, Vec
from .tree import number as written

_DOTS = {"across": "⋯", "down": "⋮", "diagonal": "⋱"}
_SPACE = '<mspace width="0.17em"/>'
_APPLY = "<mo>\u2061</mo>"
_ACCENTS = {"tilde": "~", "hat": "^", "bar": "¯", "dot": "˙", "vec": "→"}


@dataclass(frozen=True)
class MathML:
    """Prints a tree as MathML; `own` has the symbols that the author of the problem gave, number prints a number."""

    own: Mapping[str, Any] = field(default_factory=dict)
    number: Callable[[Num], str] = lambda node: f"<mn>{number(node.shown)}</mn>"

    def __call__(self, node: Node) -> str:
        """The MathML of a tree: one element."""
        return MATHML[type(node)](self, node)

    def inside(self, node: Node, least: int) -> str:
        """The MathML of a tree, in parentheses where it binds more loosely than `least`."""
        text = self(node)
        return f"<mrow>{parenthesised(text)}</mrow>" if loose(node, least) and not isinstance(node, Quot) else text


def parenthesised(body: str) -> str:
    """A row in parentheses, which grow only round what is tall; their form is said, or they would stand apart."""
    tall = "<mfrac" in body or "<mtable" in body
    rest = 'lspace="0" rspace="0"' + ("" if tall else ' stretchy="false"')
    return f'<mo form="prefix" {rest}>(</mo>{body}<mo form="postfix" {rest}>)</mo>'


def math(body: str, tall: bool = False) -> str:
    """A formula that stands in a line of HTML; tall: with fractions of full size.

    >>> math(MathML()(Sym("W_xi")))
    '<math><msub><mi>W</mi><mrow><mi>x</mi><mi>i</mi></mrow></msub></math>'
    """
    return f'<math displaystyle="true">{body}</math>' if tall and "<mfrac>" in body else f"<math>{body}</math>"


def number(shown: Shown) -> str:
    """A number as HTML text: a true minus, a power of ten raised."""
    digits = {"inf": "∞", "nan": "NaN"}.get(shown.digits, shown.digits)
    power = "" if shown.exponent is None else f"×10<sup>{str(shown.exponent).replace('-', '−')}</sup>"
    text = f"{'−' if shown.negative else ''}{digits}{power}"
    return f"<span>{text}</span>" if power else text  # a raised power directly in <mn> would stand below


def letters(found: Symbol) -> str:
    """A symbol in MathML."""
    if found.tex and (own := user_tex.translated(found.tex, _OWN)):
        return own
    if found.name:
        return f'<mtext class="name">{escape(found.name)}</mtext>'
    base = f"<mi>{escape(found.base)}</mi>"
    if found.tilde:
        base = f'<mover accent="true">{base}<mo stretchy="false">~</mo></mover>'
    if found.power:
        return f"<msubsup>{base}{_sub(found)}<mo>⊤</mo></msubsup>"
    return f"<msub>{base}{_sub(found)}</msub>" if found.sub else base


def _sub(found: Symbol) -> str:
    if found.word:
        return f"<mi>{escape(found.sub)}</mi>"
    parts = [_character(c) for c in found.sub]
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def _character(c: str) -> str:
    if c.isdigit():
        return f"<mn>{c}</mn>"
    if c in "()":
        return f'<mo stretchy="false">{c}</mo>'
    return f"<mo>{'−' if c == '-' else escape(c)}</mo>" if c in "-+*'," else f"<mi>{escape(c)}</mi>"


# -- symbols that an author wrote in TeX ------------------------------------------------------------------------------


def _scripts(base: str, sub: str, sup: str) -> str:
    kind = "msubsup" if sub and sup else "msub" if sub else "msup"
    return f"<{kind}>{base}{sub}{sup}</{kind}>"


def _letter(c: str) -> str:
    greek = user_tex.GREEK.get(c)
    return f"<mi>{greek}</mi>" if greek else _character(c)


_WORDS = {
    "upright": '<mi mathvariant="normal">{}</mi>',
    "bold": '<mi mathvariant="normal" class="bold">{}</mi>',
    "italic": '<mi class="italic">{}</mi>',
    "mono": '<mtext class="name">{}</mtext>',
}
_OWN = user_tex.Format(
    accent=lambda name, body: f'<mover accent="true">{body}<mo stretchy="false">{_ACCENTS[name]}</mo></mover>',
    word=lambda name, text: _WORDS[user_tex.WORDS[name]].format(text),
    scripts=_scripts,
    letter=_letter,
    row=lambda parts: parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>",
)


# -- the kinds of nodes ----------------------------------------------------------------------------------------------


def _row_of(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


_SIGNS = {"": "", "-": '<mo form="prefix">−</mo>', " + ": "<mo>+</mo>", " - ": "<mo>−</mo>"}


def _sum(p: MathML, node: Sum) -> str:
    terms = signed(node, p.inside, lambda part: _row_of(parenthesised(part)))
    return _row_of(*(part for mark, term in terms for part in (_SIGNS[mark], term) if part))


def _prod(p: MathML, node: Prod) -> str:
    if isinstance(node.left, Num) and isinstance(node.right, Num):
        return _row_of(*(parenthesised(p(n)) for n in (node.left, node.right)))
    left, right = p.inside(node.left, 3), p.inside(node.right, RIGHT)
    return _row_of(left, _SPACE if isinstance(node.left, Num) else "<mo>⊙</mo>", right)


def function(op: str) -> str:
    """The sign of a function."""
    if op == "product":
        return "<mo>⊙</mo>"
    if op not in FUNCTIONS:
        return f"<mi>{escape(sign(op)[1])}</mi>"
    base, _, sub = FUNCTIONS[op][1].partition("_")
    return f"<msub><mi>{base}</mi><mi>{sub}</mi></msub>" if sub else f"<mi>{base}</mi>"


def _call(p: MathML, node: Call) -> str:
    args = [p(a) for a in node.args] + [p(written(c)) for c in node.constants]
    if node.op == "concat":
        return matrix(p, Mat(tuple((a,) for a in node.args)))
    if node.op == "sqrt":
        return f"<msqrt>{args[0]}</msqrt>"
    return _row_of(function(node.op), _APPLY, parenthesised("<mo>,</mo>".join(args)))


def matrix(p: MathML, node: Mat) -> str:
    """A matrix; brackets are drawn by the style sheet, since most fonts have none that grow."""
    if len(node.rows) == len(node.rows[0]) == 1:
        return p(node.rows[0][0])
    rows = "".join(f"<mtr>{''.join(f'<mtd>{p(entry)}</mtd>' for entry in row)}</mtr>" for row in node.rows)
    return f"<mtable>{rows}</mtable>"


MATHML: dict[type, Callable[[MathML, Any], str]] = {
    Sym: lambda p, node: letters(symbol(node.name, p.own)),
    Index: lambda p, node: _row_of(p(node.of), f"<mtext>[{escape(node.at)}]</mtext>"),
    Num: lambda p, node: p.number(node),
    Sum: _sum,
    Prod: _prod,
    Factors: lambda p, node: _row_of(*(parenthesised(p(part)) for part in node.parts)),
    Square: lambda p, node: f"<msup>{p.inside(node.of, 5)}<mn>2</mn></msup>",
    MatVec: lambda p, node: _row_of(p.inside(node.matrix, 3), _SPACE, p.inside(node.vector, RIGHT)),
    Quot: lambda p, node: f"<mfrac>{p(node.over)}{p(node.under)}</mfrac>",
    Neg: lambda p, node: _row_of(
        '<mo form="prefix">−</mo>',
        parenthesised(p(node.of)) if isinstance(node.of, Num) or minus_first(node.of) else p.inside(node.of, 3),
    ),
    Call: _call,
    Fn: lambda p, node: function(node.op),
    Vec: lambda p, node: matrix(p, Mat(tuple((e,) for e in node.entries))),
    Mat: matrix,
    Dots: lambda p, node: f"<mo>{_DOTS[node.way]}</mo>",
}
