"""Reports as Markdown, in one of three dialects: how formulas are marked is all in which they differ.

GitHub's fences and $`…`$ keep its Markdown away from _ and \\{; dollars are what Jupyter, Pandoc, Obsidian and VS Code
read; without math, formulas are plain text as in a terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..base.display import cells as columns
from ..formulas.plain import Plain
from ..formulas.tex import Tex, escaped
from ..formulas.tree import Dots, Node, Num
from ..printable import printable
from . import blocks
from .layout import DEEPEST, FULL, TEX_SIGNS, packed, sizes, tex_rows, tex_stretches, widths
from .terminal import TEXT
from .terminal import Printer as TextPrinter

#: So many characters of a formula, as plain text, stand on one row.
ROOM = 78

_BESIDE, _SPACE = r" &\qquad& ", r" \qquad "
#: What would make a list or a rule of the beginning of a paragraph.
_START = re.compile(r"^(\d*)([-+.)])")
#: A dollar beside what would make it an amount of money, for Pandoc and VS Code, or two dollars of two formulas.
_MONEY = re.compile(r"\$[\w$]|\w\$", re.ASCII)
#: Signs that Markdown reads at their place: brackets of a link or picture, and what may end an emphasis.
_ACTING = re.compile(r"[\\`|$~<]|&(?=[#\w])|(?<=\S)\*|^\*|(?<=\S)_(?=[\W_]|$)|^\[|(?<=[!\[])\[|\](?=[(\[])")
_ENTITIES = {"<": "&lt;", "&": "&amp;"}


@dataclass(frozen=True)
class Dialect:
    """How formulas stand in Markdown; without `display` as plain text.

    inline, display: round a formula in a line and round one that stands alone. apart: keeps the end of a formula away
    from the text beside it. taken: characters of running text that would be read as math, to what stands for them.
    """

    inline: str = ""
    display: str = ""
    apart: str = ""
    taken: Mapping[str, str] = field(default_factory=dict)


#: Characters alone in an element: MathJax, which reads the page that Markdown has become, finds no formula there.
_ALONE = {"$": "<span>&#36;</span>", "\\": "<span>&#92;</span>"}
MATH = {
    "github": Dialect("$`{}`$", "```math\n{}\n```"),
    "dollars": Dialect("${}$", "$$\n{}\n$$", "<!-- -->", _ALONE),
    "none": Dialect(),
}


@dataclass(frozen=True)
class _Printer:
    tex: Tex
    plain: Plain
    size: Callable[[Node], int]
    dialect: Dialect
    legible: bool = False

    def text(self, text: blocks.Text, table: bool = False) -> str:
        """Words and formulas in running text."""
        whole = ""
        for piece in (self._inline(part, table) for part in text):
            whole += (self.dialect.apart if _MONEY.match(whole[-1:] + piece[:1]) else "") + piece
        return whole

    def _inline(self, part: blocks.Inline, table: bool) -> str:
        if isinstance(part, str):
            if self.legible:
                return legible(part) if table else legible(part).replace(r"\|", "|")
            return literal(part, self.dialect)
        if isinstance(part, blocks.Code):
            return code(part.text)
        if table and isinstance(part, Num):
            return self.plain.number(part.shown)
        if isinstance(part, Dots):
            return "⋮" if part.way == "down" else "…"
        if not self.dialect.inline:
            return code(self.plain(part)).replace("|", r"\|" if table else "|")
        tex = self.tex(part)
        return self.dialect.inline.format(tex.replace("|", r"\vert ") if table else tex)  # | would end the cell


def code(text: str) -> str:
    """A text as code."""
    return f"`{' '.join(printable(text).replace('`', chr(39)).split())}`"


def literal(text: str, dialect: Dialect = MATH["github"]) -> str:
    """Text that Markdown and HTML leave as it is.

    >>> literal("a*b <i> c_d | $5")
    'a\\\\*b &lt;i&gt; c\\\\_d \\\\| \\\\$5'
    """
    text = printable(text)
    text = " ".join(text.split()) if "\n" in text else text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[\\`*_\[\]|$#~]", lambda found: dialect.taken.get(found[0], "\\" + found[0]), text)


def legible(text: str) -> str:
    """The same for a text that is also read as it stands, in a terminal: escaped is only what would act at its place.

    Brackets are left that make no link or picture, as in an address, and stars and underscores that end no emphasis.

    >>> legible("![a](b) <i> *c* d_"), legible("i_t * c_tilde of 0/c_t[1]")
    ('!\\\\[a\\\\](b) &lt;i> *c\\\\* d\\\\_', 'i_t * c_tilde of 0/c_t[1]')
    """
    text = printable(text)
    text = " ".join(text.split()) if "\n" in text else text
    return _ACTING.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), text)


def render(bodies: Sequence[blocks.Body], math: str = "github") -> str:
    """Reports as Markdown, one after the other.

    Args:
        bodies: the reports.
        math: how formulas are marked, a key of `MATH`.
    """
    return "\n\n".join(_body(body, MATH[math]) for body in bodies) + "\n"


def _body(body: blocks.Body, dialect: Dialect) -> str:
    plain = Plain(body.own)
    printer = _Printer(Tex(body.own), plain, sizes(plain), dialect, body.legible)
    kinds = MARKDOWN if dialect.display else _WITHOUT_MATH
    return "\n\n".join(kinds[type(block)](printer, block) for block in body.blocks)


def heading(level: int, text: str) -> str:
    """A heading; below the deepest level a line of bold text."""
    return f"{'#' * level} {text}" if level <= DEEPEST else f"**{text}**"


def _table(p: _Printer, block: blocks.Table) -> str:
    many = len(block.rows[0]) if block.rows else len(block.head)
    rows = [[p.text(cell, table=True) for cell in row] for row in (block.head or ((),) * many, *block.rows)]
    if not p.legible:
        rows.insert(1, [":---" if k in block.texts else "---:" for k in range(many)])
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
    widths = [max(3, *map(columns, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * (wide + 2) if k in block.texts else f"{'-' * (wide + 1)}:" for k, wide in enumerate(widths)]
    padded = [
        (cell + room if k in block.texts else room + cell)
        for row in rows
        for k, (cell, wide) in enumerate(zip(row, widths, strict=True))
        for room in [" " * (wide - columns(cell))]
    ]
    lines = [f"| {' | '.join(padded[at : at + many])} |" for at in range(0, len(padded), many)]
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])


def _label(text: str) -> str:
    """A text within a formula; what KaTeX cannot write there is a letter that looks like it.

    Braces round what is no formula to a reader of Markdown that knows none: a tag, a link, a picture.
    """
    text = escaped(text.translate({ord("~"): "∼", ord("^"): "ˆ", ord("\\"): "∖"}))
    return re.sub(r"<|(?<=!)\[|\](?=\()", r"{\g<0>}", text)


def _derivation(p: _Printer, block: blocks.Derivation) -> str:
    lines = [
        (r" \\" + "\n").join(text for row in rows for text in tex_rows(row, p.tex, p.size, ROOM, _label, r"\!:\quad"))
        for rows in block.lines
    ]
    return _math(p, lines, "4pt")


def _premises(p: _Printer, block: blocks.Premises) -> str:
    rows = [
        [f"{p.tex(left)} {TEX_SIGNS[sign]} {p.tex(right)}" for left, sign, right in items]
        for items in packed(block, p.size, ROOM)
    ]
    return _math(p, ["&" + _BESIDE.join(row) for row in rows], "8pt")


def _chains(p: _Printer, block: blocks.Chains) -> str:
    """Each chain under its name; those without one in one display."""
    if not any(chain.title for chain in block.chains):
        return _math(p, [line for chain in block.chains for line in _chain(p, chain)], "4pt")
    texts = []
    for chain in block.chains:
        texts += [f"**{p.text(chain.title)}**"] if chain.title else []
        texts.append(_math(p, _chain(p, chain), "4pt"))
    return "\n\n".join(texts)


def _chain(p: _Printer, chain: blocks.Chain) -> list[str]:
    return [line for row in chain.rows for line in tex_stretches(row, p.tex, widths(p.plain), FULL)]


def _boxed(p: _Printer, block: blocks.Boxed) -> str:
    """A frame around each formula; a table has its own."""
    before, after = p.dialect.display.split("{}")
    texts = []
    for one in block.blocks:
        text = MARKDOWN[type(one)](p, one)
        if isinstance(one, blocks.Premises | blocks.Derivation):
            inner = text.removeprefix(before).removesuffix(after)
            text = p.dialect.display.format(f"\\boxed{{\n{inner}\n}}")
        texts.append(text)
    return "\n\n".join(texts)


def _math(p: _Printer, lines: list[str], gap: str) -> str:
    if len(lines) == 1 and "\n" not in lines[0] and lines[0].startswith("&"):
        return p.dialect.display.format(lines[0].removeprefix("&").replace(_BESIDE, _SPACE))
    body = f" \\\\[{gap}]\n".join(lines)
    return p.dialect.display.format(f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}")


def _aligned(p: _Printer, block: blocks.Block) -> str:
    """A block as in a terminal, where columns stand under columns."""
    text = TEXT[type(block)](TextPrinter(p.plain, ROOM), block)
    return _fenced(text)


def _fenced(text: str, language: str = "") -> str:
    fence = "`" * max([3, *(1 + len(run) for run in re.findall("`+", text))])
    return f"{fence}{language}\n{text}\n{fence}"


def _picture(p: _Printer, block: blocks.Picture) -> str:
    """The picture, if there is a file of it, and the table beside it; the caption where there is neither."""
    parts = [image(block)] if block.file else []
    parts += [_table(p, block.beside)] if block.beside is not None else []
    return "\n\n".join(parts) or p.text((block.caption,))


def image(block: blocks.Picture) -> str:
    """What shows the file beside the document, which has the caption."""
    return f"![{literal(block.title)}]({quote(os.fsencode(block.file))})"


MARKDOWN: dict[type, Callable[[_Printer, Any], str]] = {
    blocks.Heading: lambda p, block: heading(block.level, p.text(block.text)),
    blocks.Para: lambda p, block: _START.sub(r"\1\\\2", p.text(block.text)),
    blocks.Items: lambda p, block: "\n".join(f"- {p.text(row)}" for row in block.rows),
    blocks.Table: _table,
    blocks.Listing: lambda p, block: _fenced("\n".join(map(printable, block.rows)), "sh"),
    blocks.Derivation: _derivation,
    blocks.Stacked: lambda p, block: _table(p, block.table),
    blocks.Premises: _premises,
    blocks.Chains: _chains,
    blocks.Boxed: _boxed,
    blocks.Picture: _picture,
}
#: The same where there is no math: what is made of formulas stands in blocks of code.
_WORDS = (blocks.Heading, blocks.Para, blocks.Items, blocks.Table, blocks.Stacked, blocks.Listing, blocks.Picture)
_WITHOUT_MATH = {kind: p if kind in _WORDS else _aligned for kind, p in MARKDOWN.items()}
