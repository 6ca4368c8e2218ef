"""Reports as Markdown that GitHub renders: math in fences and in $`…`$, since plain dollars break on _ and \\{."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...formulas.blocks import (
    Body,
    Boxed,
    Chain,
    Chains,
    Code,
    Derivation,
    Heading,
    Items,
    Para,
    Premises,
    Table,
    Text,
)
from ...formulas.plain import Plain
from ...formulas.tex import Tex, escaped
from ...formulas.tree import Dots, Node, Num
from ...printable import printable
from ..compact.width import widths
from .levels import DEEPEST
from .line_breaking import FULL, TEX_SIGNS, packed, sizes, tex_rows, tex_stretches

#: So many characters of a formula, as plain text, stand on one row.
ROOM = 78

_BESIDE, _SPACE = r" &\qquad& ", r" \qquad "
#: What would make a list or a rule of the beginning of a paragraph.
_START = re.compile(r"^(\d*)([-+.)])")


@dataclass(frozen=True)
class _Printer:
    tex: Tex
    plain: Plain
    size: Callable[[Node], int]

    def text(self, text: Text, table: bool = False) -> str:
        """Words and formulas in running text."""
        return "".join(self._inline(part, table) for part in text)

    def _inline(self, part: str | Node | Code, table: bool) -> str:
        if isinstance(part, str):
            return literal(part)
        if isinstance(part, Code):
            return f"`{' '.join(printable(part.text).replace('`', chr(39)).split())}`"
        if table and isinstance(part, Num):
            return self.plain.number(part.shown)
        if isinstance(part, Dots):
            return "⋮" if part.way == "down" else "…"
        return f"$`{self.tex(part)}`$"


def literal(text: str) -> str:
    """Text that Markdown and HTML leave as it is.

    >>> literal("a*b <i> c_d | $5")
    'a\\\\*b &lt;i&gt; c\\\\_d \\\\| \\\\$5'
    """
    text = printable(text)
    text = re.sub(r"([\\`*_\[\]|$#~])", r"\\\1", " ".join(text.split()) if "\n" in text else text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def render(bodies: Sequence[Body]) -> str:
    """Reports as Markdown, one after the other."""
    return "\n\n".join(map(_body, bodies)) + "\n"


def _body(body: Body) -> str:
    plain = Plain(body.own)
    printer = _Printer(Tex(body.own), plain, sizes(plain))
    return "\n\n".join(MARKDOWN[type(block)](printer, block) for block in body.blocks)


def heading(level: int, text: str) -> str:
    """A heading; below the deepest level a line of bold text."""
    return f"{'#' * level} {text}" if level <= DEEPEST else f"**{text}**"


def _table(p: _Printer, block: Table) -> str:
    rows = [[p.text(cell, table=True) for cell in row] for row in (block.head, *block.rows)]
    rows.insert(1, ["---:"] * len(block.head))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _derivation(p: _Printer, block: Derivation) -> str:
    lines = [
        (r" \\" + "\n").join(text for row in rows for text in tex_rows(row, p.tex, p.size, ROOM, escaped, r"\!:\quad"))
        for rows in block.lines
    ]
    return _math(lines, "4pt")


def _premises(p: _Printer, block: Premises) -> str:
    rows = [
        [f"{p.tex(left)} {TEX_SIGNS[sign]} {p.tex(right)}" for left, sign, right in items]
        for items in packed(block, p.size, ROOM)
    ]
    return _math(["&" + _BESIDE.join(row) for row in rows], "8pt")


def _chains(p: _Printer, block: Chains) -> str:
    """Each chain under its name; those without one in one display."""
    if not any(chain.title for chain in block.chains):
        return _math([line for chain in block.chains for line in _chain(p, chain)], "4pt")
    texts = []
    for chain in block.chains:
        texts += [f"**{p.text(chain.title)}**"] if chain.title else []
        texts.append(_math(_chain(p, chain), "4pt"))
    return "\n\n".join(texts)


def _chain(p: _Printer, chain: Chain) -> list[str]:
    return [line for row in chain.rows for line in tex_stretches(row, p.tex, widths(p.plain), FULL)]


def _boxed(p: _Printer, block: Boxed) -> str:
    """A frame around each formula; a table has its own."""
    texts = []
    for one in block.blocks:
        text = MARKDOWN[type(one)](p, one)
        if isinstance(one, Premises | Derivation):
            inner = text.removeprefix("```math\n").removesuffix("\n```")
            text = f"```math\n\\boxed{{\n{inner}\n}}\n```"
        texts.append(text)
    return "\n\n".join(texts)


def _math(lines: list[str], gap: str) -> str:
    if len(lines) == 1 and "\n" not in lines[0]:
        return f"```math\n{lines[0].removeprefix('&').replace(_BESIDE, _SPACE)}\n```"
    body = f" \\\\[{gap}]\n".join(lines)
    return f"```math\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n```"


MARKDOWN: dict[type, Callable[[_Printer, Any], str]] = {
    Heading: lambda p, block: heading(block.level, p.text(block.text)),
    Para: lambda p, block: _START.sub(r"\1\\\2", p.text(block.text)),
    Items: lambda p, block: "\n".join(f"- {p.text(row)}" for row in block.rows),
    Table: _table,
    Derivation: _derivation,
    Premises: _premises,
    Chains: _chains,
    Boxed: _boxed,
}
