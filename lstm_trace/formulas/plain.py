"""Trees as plain text: one line of Unicode, for a terminal and for the cells of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import user_tex
from .binding import RIGHT, loose, neg_text, sum_text
from .numbers import Shown
from .symbols import Symbol, sign, symbol
from .tree import Call, Dots, Factors, Fn, Index, Mat, MatVec, Neg, Node, Num, Prod, Quot, Square, Sum, Sym, Vec
from .tree import number as written

#: Accents as marks that stand over the letter before them, and the characters that there are raised.
ACCENTS = {"tilde": "\u0303", "hat": "\u0302", "bar": "\u0304", "dot": "\u0307", "vec": "\u20d7"}
_RAISED = {ord(c): raised for c, raised in zip("0123456789+-−()nTt*'", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿᵀᵗ*′", strict=True)}


def raised(text: str) -> str:
    """A power or upper index, in raised characters where there are such; after ^ otherwise."""
    return text.translate(_RAISED) if all(ord(c) in _RAISED for c in text) else f"^{_braced(text)}"


def _braced(text: str) -> str:
    return text if text.isalnum() else f"{{{text}}}"


#: Symbols that an author wrote in TeX.
OWN = user_tex.Format(
    accent=lambda name, body: body + ACCENTS[name],
    word=lambda name, text: text,
    scripts=lambda base, sub, sup: base + (f"_{_braced(sub)}" if sub else "") + (raised(sup) if sup else ""),
    letter=lambda c: "′" if c == "'" else user_tex.GREEK.get(c, c),
)


@dataclass(frozen=True)
class Plain:
    """Prints a tree as text; `own` has the symbols that the author of the problem gave."""

    own: Mapping[str, Any] = field(default_factory=dict)  # TeX text, or a Symbol

    def __call__(self, node: Node) -> str:
        """The text of a tree."""
        return PLAIN[type(node)](self, node)

    def inside(self, node: Node, least: int) -> str:
        """The text of a tree, in parentheses where it binds more loosely than `least`."""
        text = self(node)
        return f"({text})" if loose(node, least) else text


def number(shown: Shown) -> str:
    """A number as text; infinity as ∞."""
    return {"inf": "-∞" if shown.negative else "∞", "nan": "NaN"}.get(shown.digits, str(shown))


def letters(found: Symbol) -> str:
    """A symbol as text."""
    if found.tex and (own := user_tex.translated(found.tex, OWN)):
        return own
    if found.name:
        return found.name
    base = found.base + ("\u0303" if found.tilde else "")
    text = base if not found.sub else f"{base}_{{{found.sub}}}" if "-" in found.sub else f"{base}_{found.sub}"
    return f"{text}ᵀ" if found.power else text


def _prod(p: Plain, node: Prod) -> str:
    if isinstance(node.left, Num) and isinstance(node.right, Num):
        return f"({p(node.left)})({p(node.right)})"
    left, right = p.inside(node.left, 3), p.inside(node.right, RIGHT)
    return f"{left} {right}" if isinstance(node.left, Num) else f"{left} ⊙ {right}"


def _square(p: Plain, node: Square) -> str:
    base = p.inside(node.of, 5)
    return f"({base})²" if isinstance(node.of, Num) else f"{base}²"


def _call(p: Plain, node: Call) -> str:
    args = [p(a) for a in node.args] + [p(written(c)) for c in node.constants]
    if node.op == "concat":
        return f"[{'; '.join(args)}]"
    return f"{sign(node.op)[1]}({_listed(args)})"


def _vector(p: Plain, node: Vec) -> str:
    """The entries in brackets; of a single one the number."""
    return p(node.entries[0]) if len(node.entries) == 1 else f"[{_listed([p(e) for e in node.entries])}]"


def _listed(texts: list[str]) -> str:
    """One after the other, with semicolons where there are decimal commas."""
    return ("; " if any(re.search(r"\d,\d", text) for text in texts) else ", ").join(texts)


def _rows(p: Plain, node: Mat) -> str:
    """The rows as vectors in brackets; a single row with its entries apart."""
    if len(node.rows) == 1:
        return f"[ {'  '.join(map(p, node.rows[0]))} ]"
    return f"[{', '.join(p(Vec(row)) for row in node.rows)}]"


PLAIN: dict[type, Callable[[Plain, Any], str]] = {
    Sym: lambda p, node: letters(symbol(node.name, p.own)),
    Index: lambda p, node: f"{p(node.of)}[{node.at}]",
    Num: lambda p, node: number(node.shown),
    Sum: sum_text,
    Prod: _prod,
    Factors: lambda p, node: "".join(f"({p(part)})" for part in node.parts),
    Square: _square,
    MatVec: lambda p, node: f"{p.inside(node.matrix, 3)} {p.inside(node.vector, RIGHT)}",
    Quot: lambda p, node: f"{p.inside(node.over, 3)} / {p.inside(node.under, RIGHT)}",
    Neg: neg_text,
    Call: _call,
    Fn: lambda p, node: "⊙" if node.op == "product" else sign(node.op)[1],
    Vec: _vector,
    Mat: _rows,
    Dots: lambda p, node: "…",
}
