"""Trees as mathematics in Typst. Every text stands in a string, so that none can become markup or code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..printable import printable
from . import user_tex
from .binding import RIGHT, loose, neg_text, sum_text
from .numbers import Shown
from .symbols import FUNCTIONS, Symbol, sign, symbol
from .tree import Call, Dots, Factors, Fn, Index, Mat, MatVec, Neg, Node, Num, Prod, Quot, Square, Sum, Sym, Vec
from .tree import number as written

_DOTS = {"across": "dots.c", "down": "dots.v", "diagonal": "dots.down"}
_KNOWN = frozenset({"tanh", "exp", "ln", "max", "σ"})  # function names that need no quotes
_ACCENTS = {"tilde": "tilde", "hat": "hat", "bar": "macron", "dot": "dot", "vec": "arrow"}
_OWN = user_tex.Format(
    accent=lambda name, body: f"{_ACCENTS[name]}({body})",
    word=lambda name, text: f"{user_tex.WORDS[name]}({string(text)})",
    scripts=lambda base, sub, sup: base + (f"_({sub})" if sub else "") + (f"^({sup})" if sup else "") + " ",
    letter=lambda c: f"{user_tex.GREEK.get(c) or (c if c.isalnum() else string(c))} ",
)


@dataclass(frozen=True)
class TypstMath:
    """Prints a tree; `own` has the symbols that the author of the problem gave."""

    own: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, node: Node) -> str:
        """The source of a tree, without the dollars."""
        return TYPST[type(node)](self, node)

    def inside(self, node: Node, least: int) -> str:
        """The source of a tree, in parentheses where it binds more loosely than `least`."""
        text = self(node)
        return f"({text})" if loose(node, least) and not isinstance(node, Quot) else text


def string(text: str) -> str:
    r"""Any text as a string of Typst, on one line.

    >>> print(string('a "b" \\ c'))
    "a \"b\" \\ c"
    """
    escaped = printable(text).replace("\n", " ").replace("\t", " ").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def number(shown: Shown) -> str:
    """A number; one with a comma stands in quotes, since a comma parts arguments."""
    sign = "-" if shown.negative else ""
    if not shown.finite:
        return f"{sign}∞" if shown.digits == "inf" else 'upright("NaN")'
    digits = string(shown.digits) if "," in shown.digits else shown.digits
    return f"{sign}{digits}" + ("" if shown.exponent is None else f" × 10^({shown.exponent})")


def letters(found: Symbol) -> str:
    """A symbol."""
    if found.tex and (own := user_tex.translated(found.tex, _OWN)):
        return own.strip()
    if found.name:
        return f"mono({string(found.name)})"
    base = f"upright({string(found.base)})" if found.upright else found.base
    base = f"tilde({base})" if found.tilde else base
    sub = f"upright({string(found.sub)})" if found.word else " ".join(found.sub)
    text = base if not sub else f"{base}_{sub}" if len(sub) == 1 else f"{base}_({sub})"
    return f"{text}^⊤" if found.power else text


def _prod(p: TypstMath, node: Prod) -> str:
    if isinstance(node.left, Num) and isinstance(node.right, Num):
        return f"({p(node.left)})({p(node.right)})"
    left, right = p.inside(node.left, 3), p.inside(node.right, RIGHT)
    return f"{left} thin {right}" if isinstance(node.left, Num) else f"{left} ⊙ {right}"


def _square(p: TypstMath, node: Square) -> str:
    if isinstance(node.of, Call) and node.of.op == "tanh":
        return f"tanh^2 ({', '.join(map(p, node.of.args))})"
    base = p.inside(node.of, 5)
    return f"({base})^2" if isinstance(node.of, Num) else f"{base}^2"


def _call(p: TypstMath, node: Call) -> str:
    args = [p(a) for a in node.args] + [p(written(c)) for c in node.constants]
    if node.op == "concat":
        return _matrix(p, Mat(tuple((a,) for a in node.args)))
    if node.op == "sqrt":
        return f"sqrt({args[0]})"
    mark = "; " if any('"' in arg for arg in args) else ", "  # a decimal comma stands in quotes
    return f"{_function(node.op)}({mark.join(args)})"


def _function(op: str) -> str:
    name = sign(op)[1]
    if name in _KNOWN:
        return name
    base, _, sub = name.partition("_") if op in FUNCTIONS else (name, "", "")
    return f"{base}_upright({string(sub)})" if sub else f"op({string(name)})"


def _matrix(p: TypstMath, node: Mat) -> str:
    if len(node.rows) == len(node.rows[0]) == 1:
        return p(node.rows[0][0])
    rows = "; ".join(", ".join(map(p, row)) for row in node.rows)
    return f'display(mat(delim: "[", {rows}))'


TYPST: dict[type, Callable[[TypstMath, Any], str]] = {
    Sym: lambda p, node: letters(symbol(node.name, p.own)),
    Index: lambda p, node: f"{p(node.of)}[{string(node.at)}]",
    Num: lambda p, node: number(node.shown),
    Sum: sum_text,
    Prod: _prod,
    Factors: lambda p, node: "".join(f"({p(part)})" for part in node.parts),
    Square: _square,
    MatVec: lambda p, node: f"{p.inside(node.matrix, 3)} thin {p.inside(node.vector, RIGHT)}",
    Quot: lambda p, node: f"display(frac({p(node.over)}, {p(node.under)}))",
    Neg: neg_text,
    Call: _call,
    Fn: lambda p, node: "⊙" if node.op == "product" else _function(node.op),
    Vec: lambda p, node: _matrix(p, Mat(tuple((e,) for e in node.entries))),
    Mat: _matrix,
    Dots: lambda p, node: _DOTS[node.way],
}
