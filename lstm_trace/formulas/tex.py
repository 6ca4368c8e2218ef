"""Trees as TeX, within what GitHub's Markdown, KaTeX and plain LaTeX with amsmath all understand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..printable import printable
from .binding import RIGHT, loose, neg_text, sum_text
from .numbers import Shown
from .symbols import Symbol, sign, symbol
from .tree import Call, Dots, Factors, Fn, Index, Mat, MatVec, Neg, Node, Num, Prod, Quot, Square, Sum, Sym, Vec
from .tree import number as written

_LETTERS = {"γ": r"\gamma", "β": r"\beta"}
_SPECIAL = {c: "\\" + c for c in "_%#&${}"} | {"\\": r"\backslash ", "^": r"\hat{\ }", "~": r"\sim ", "`": "'"}
_DOTS = {"across": r"\cdots", "down": r"\vdots", "diagonal": r"\ddots"}


@dataclass(frozen=True)
class Tex:
    """Prints a tree as TeX; `own` has the symbols that the author of the problem gave, typewriter sets other names."""

    own: Mapping[str, str] = field(default_factory=dict)
    typewriter: Callable[[str], str] = lambda name: rf"\mathtt{{{escaped(name)}}}"

    def __call__(self, node: Node) -> str:
        """The TeX of a tree."""
        return TEX[type(node)](self, node)

    def inside(self, node: Node, least: int) -> str:
        """The TeX of a tree, in parentheses where it binds more loosely than `least`."""
        text = self(node)
        return rf"\left({text}\right)" if loose(node, least) and not isinstance(node, Quot) else text


def escaped(text: str) -> str:
    """Text that TeX reads as letters.

    >>> escaped("my_gate 50%")
    'my\\\\_gate 50\\\\%'
    """
    return "".join(_SPECIAL.get(c, c) for c in printable(text))


def number(shown: Shown) -> str:
    """A number in TeX."""
    sign = "-" if shown.negative else ""
    if not shown.finite:
        return sign + (r"\infty" if shown.digits == "inf" else r"\mathrm{NaN}")
    digits = shown.digits.replace(",", "{,}")  # or TeX would put a space after it
    return sign + digits + ("" if shown.exponent is None else rf" \times 10^{{{shown.exponent}}}")


def letters(found: Symbol, typewriter: Callable[[str], str]) -> str:
    """A symbol in TeX."""
    if found.tex:
        return found.tex
    if found.name:
        return typewriter(found.name)
    base = rf"\mathrm{{{escaped(found.base)}}}" if found.upright else _LETTERS.get(found.base, found.base)
    base = rf"\tilde{{{base}}}" if found.tilde else base
    sub = rf"\mathrm{{{found.sub}}}" if found.word else found.sub
    text = base if not sub else f"{base}_{sub}" if len(sub) == 1 else f"{base}_{{{sub}}}"
    return rf"{text}^{{\top}}" if found.power else text


def _prod(p: Tex, node: Prod) -> str:
    if isinstance(node.left, Num) and isinstance(node.right, Num):
        return f"({p(node.left)})({p(node.right)})"
    left, right = p.inside(node.left, 3), p.inside(node.right, RIGHT)
    return rf"{left}\,{right}" if isinstance(node.left, Num) else rf"{left} \odot {right}"


def _square(p: Tex, node: Square) -> str:
    if isinstance(node.of, Call) and node.of.op == "tanh":
        return rf"\tanh^2({', '.join(map(p, node.of.args))})"
    base = p.inside(node.of, 5)
    return f"({base})^2" if isinstance(node.of, Num) else f"{base}^2"


def _call(p: Tex, node: Call) -> str:
    args = [p(a) for a in node.args] + [p(written(c)) for c in node.constants]
    if node.op == "concat":
        return _matrix(p, Mat(tuple((a,) for a in node.args)))
    if node.op == "sqrt":
        return rf"\sqrt{{{args[0]}}}"
    tall = any(isinstance(a, Quot) or r"\begin" in text for a, text in zip(node.args, args, strict=False))
    left, right = (r"\left(", r"\right)") if tall else ("(", ")")
    mark = "; " if any("{,}" in arg for arg in args) else ", "
    return f"{sign(node.op)[0]}{left}{mark.join(args)}{right}"


def _matrix(p: Tex, node: Mat) -> str:
    if len(node.rows) == len(node.rows[0]) == 1:
        return p(node.rows[0][0])
    rows = r" \\ ".join(" & ".join(map(p, row)) for row in node.rows)
    return rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}"


TEX: dict[type, Callable[[Tex, Any], str]] = {
    Sym: lambda p, node: letters(symbol(node.name, p.own), p.typewriter),
    Index: lambda p, node: f"{p(node.of)}[{node.at}]",
    Num: lambda p, node: number(node.shown),
    Sum: sum_text,
    Prod: _prod,
    Factors: lambda p, node: "".join(f"({p(part)})" for part in node.parts),
    Square: _square,
    MatVec: lambda p, node: rf"{p.inside(node.matrix, 3)}\,{p.inside(node.vector, RIGHT)}",
    Quot: lambda p, node: rf"\frac{{{p(node.over)}}}{{{p(node.under)}}}",
    Neg: neg_text,
    Call: _call,
    Fn: lambda p, node: r"\odot" if node.op == "product" else sign(node.op)[0],
    Vec: lambda p, node: _matrix(p, Mat(tuple((e,) for e in node.entries))),
    Mat: _matrix,
    Dots: lambda p, node: _DOTS[node.way],
}
