"""Symbols of back-propagation: gradients, transposed matrices, conditions; each with the TeX that printers look up."""

from __future__ import annotations

from collections.abc import Mapping

from ...formulas.binding import loose
from ...formulas.plain import Plain
from ...formulas.tex import Tex, escaped
from ...formulas.tree import Node, Sym

_SIGNS = {">": ">", "≥": r"\ge", "≤": r"\le", "<": "<", "≠": r"\ne", "=": "="}


class Notation:
    """Makes symbols; `own` then holds their TeX beside the symbols that the author of the problem gave.

    >>> notation = Notation({})
    >>> d = notation.gradient(Sym("c_t"))
    >>> d.name, notation.own[d.name]
    ('∂L/∂c_t', '\\\\frac{\\\\partial L}{\\\\partial c_t}')
    """

    def __init__(self, own: Mapping[str, str]) -> None:
        self.own = dict(own)
        self.tex, self.plain = Tex(self.own), Plain(self.own)

    def make(self, text: str, tex: str) -> Sym:
        """A symbol by its plain text and its TeX."""
        self.own[text] = tex
        return Sym(text)

    def gradient(self, of: Node, through: str = "") -> Sym:
        """∂L/∂of; through: only what comes back that way, after a bar."""
        text, tex = self._one(of)
        text, tex = f"∂L/∂{text}", rf"\frac{{\partial L}}{{\partial {tex}}}"
        if through:
            text, tex = f"{text}|{through}", rf"\left.{tex}\right|_{{\text{{{escaped(through)}}}}}"
        return self.make(text, tex)

    def transposed(self, of: Node) -> Sym:
        """A matrix, or a vector, transposed."""
        text, tex = self._one(of)
        return self.make(f"{text}ᵀ", rf"{tex}^{{\top}}")

    def _one(self, of: Node) -> tuple[str, str]:
        """Plain text and TeX of what a sign stands at, in parentheses where it is more than a name."""
        text, tex = self.plain(of), self.tex(of)
        return (f"({text})", f"({tex})") if loose(of, 5) else (text, tex)

    def holds(self, *parts: Node | str) -> Sym:
        """A condition in brackets, which is 1 where it holds and 0 elsewhere: nodes with signs between them."""
        texts = [part if isinstance(part, str) else self.plain(part) for part in parts]
        tex = [_SIGNS[part] if isinstance(part, str) else self.tex(part) for part in parts]
        return self.make(f"[{' '.join(texts)}]", f"[{' '.join(tex)}]")
