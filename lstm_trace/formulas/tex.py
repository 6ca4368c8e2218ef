"""Trees as TeX, within what GitHub's Markdown, KaTeX and plain LaTeX with amsmath all understand."""

from __future__ import annotations

from collections.abc import Sequence

from ..printable import printable
from .printer import Format, Printer, accented, upper
from .symbols import Symbol, sign
from .tree import Node, Quot
from .user_tex import GREEK

_LETTERS = {"γ": r"\gamma", "β": r"\beta", "Σ": r"\sum"}
_SPECIAL = {c: "\\" + c for c in "_%#&${}"} | {"\\": r"\backslash ", "^": r"\hat{\ }", "~": r"\sim ", "`": "'"}
_COMPARED = {">": ">", "≤": r"\le", "≠": r"\ne", "=": "="}
_NEXT = r" \\ "  # between two rows


def escaped(text: str) -> str:
    """Text that TeX reads as letters.

    >>> escaped("my_gate 50%")
    'my\\\\_gate 50\\\\%'
    """
    return "".join(_SPECIAL.get(c, c) for c in printable(text))


def _letters(f: Format, found: Symbol) -> str:
    base = f.upright(found.base) if found.upright else _LETTERS.get(found.base, found.base)
    base = accented(f, base, found)
    sub = f.upright(found.sub) if found.word else found.sub
    base, sub = (f"{base}_{sub}", "") if len(sub) == 1 else (base, sub)
    return f.scripts(base, sub, upper(f, found.power))


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
    digits=lambda digits: digits.replace(",", "{,}"),  # or TeX would put a space after it
    scaled=lambda number, exponent: rf"{number} \times 10^{{{exponent}}}",
    dots={"across": r"\cdots", "down": r"\vdots", "diagonal": r"\ddots"},
    letter=lambda c: c if c not in GREEK else rf"\{c} ",
    word=lambda command, text: rf"\{command}{{{text}}}",
    accent=lambda name, body: rf"\{name}{{{body}}}",
    scripts=lambda base, sub, sup: base + (f"_{{{sub}}}" if sub else "") + (f"^{{{sup}}}" if sup else ""),
    group=lambda body: f"{{{body}}}",
    upright=lambda text: rf"\mathrm{{{escaped(text)}}}",
    transposed=r"\top",
    name=lambda name: rf"\mathtt{{{escaped(name)}}}",
    letters=_letters,
    verbatim=True,
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
    root=lambda text: rf"\sqrt{{{text}}}",
    matrix=lambda rows: rf"\begin{{bmatrix}} {_NEXT.join(map(' & '.join, rows))} \end{{bmatrix}}",
)


class Tex(Printer):
    """Prints a tree as TeX; `own` has the symbols that the author of the problem gave."""

    format = TEX
