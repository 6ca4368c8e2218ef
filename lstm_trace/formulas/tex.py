"""Trees as TeX, within the subset that GitHub's Markdown, KaTeX and plain LaTeX with amsmath all understand."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..printable import printable
from .printer import Format, Printer
from .symbols import sign
from .tree import Node, Quot
from .user_tex import NAMED

#: A letter or sign by its command or character, the sign of a sum, and characters special to tables and ends of rows.
_LETTERS = {**{at: rf"\{name} " for name, c in NAMED.items() for at in (name, c)}, "Σ": r"\sum "}
_LETTERS |= {"lt": "<", "gt": ">", "eq": "=", "reals": r"\mathbf{R}"}  # which needs no package
_LETTERS |= {"|": r"\vert ", "[": "{[}", "]": "{]}"}
_SPECIAL = {c: "\\" + c for c in "_%#&${}"} | {"\\": r"\backslash ", "^": r"\hat{\ }", "~": r"\sim ", "`": "'"}
_COMPARED = {">": ">", "≤": r"\le", "≠": r"\ne", "=": "="}
_NEXT = r" \\ "  # between two rows


def escaped(text: str) -> str:
    """Text that TeX reads as letters.

    >>> escaped("my_gate 50%")
    'my\\\\_gate 50\\\\%'
    """
    return "".join(_SPECIAL.get(c, c) for c in printable(text))


def _scripts(base: str, sub: str, sup: str) -> str:
    sub, sup = sub.strip(), sup.strip()
    outside = base
    while (inner := re.sub(r"\{[^{}]*\}", "", outside)) != outside:
        outside = inner
    if (sub and "_" in outside) or (sup and "^" in outside):  # TeX has one of each
        base = f"{{{base.strip()}}}"
    lower = f"_{sub}" if len(sub) == 1 else f"_{{{sub}}}" if sub else ""
    return base.rstrip() + lower + (f"^{{{sup}}}" if sup else "")


def _arguments(nodes: Sequence[Node], texts: list[str]) -> str:
    tall = any(isinstance(node, Quot) or r"\begin" in text for node, text in zip(nodes, texts, strict=True))
    listed = ("; " if any("{,}" in text for text in texts) else ", ").join(texts)
    return TEX.around(listed) if tall else f"({listed})"


def _gradient(of: str, through: str, d: str) -> str:
    d = {"∂": r"\partial", "Δ": r"\Delta"}[d]
    text = rf"\frac{{{d} L}}{{{d} {of}}}"
    return rf"\left.{text}\right|_{{\text{{{escaped(through)}}}}}" if through else text


TEX = Format(
    infinity=r"\infty",
    nan=r"\mathrm{NaN}",
    digits=lambda digits: digits.replace(",", "{,}"),  # otherwise TeX would add a space after it
    scaled=lambda number, exponent: rf"{number} \times 10^{{{exponent}}}",
    dots={"across": r"\cdots", "down": r"\vdots", "diagonal": r"\ddots"},
    letter=lambda c: _LETTERS.get(c, c),
    word=lambda command, text: rf"\{command}{{{''.join(_LETTERS.get(c, c) for c in text).strip()}}}",
    accent=lambda name, body: rf"\{name}{{{body.strip()}}}",
    scripts=_scripts,
    group=lambda body: f"{{{body}}}",
    upright=lambda text: rf"\mathrm{{{escaped(text)}}}",
    transposed=r"\top",
    name=lambda name: rf"\mathtt{{{escaped(name)}}}",
    symbol=str.strip,
    space=r"\,",
    times=r" \odot ",
    around=r"\left({}\right)".format,
    function=lambda op: sign(op)[0],
    arguments=_arguments,
    fraction=lambda over, under: rf"\frac{{{over}}}{{{under}}}",
    holds=lambda left, sign, right: rf"\left[{left} {_COMPARED[sign]} {right}\right]",  # a bare [ after \\ is an option
    gradient=_gradient,
    squared="{}^2".format,
    tanh_squared=r"\tanh^2",
    enclosed={
        "sqrt": lambda text: rf"\sqrt{{{text}}}",
        "floor": r"\left\lfloor {} \right\rfloor".format,
        "abs": r"\left\lvert {} \right\rvert".format,
    },
    blank=lambda width: rf"\boxed{{\rule{{0em}}{{1em}}\hspace{{{0.6 * width:g}em}}}}",
    matrix=lambda rows: rf"\begin{{bmatrix}} {_NEXT.join(map(' & '.join, rows))} \end{{bmatrix}}",
)


class Tex(Printer):
    """Prints a tree as TeX; `own` has the symbols given by the author of the problem."""

    format = TEX
