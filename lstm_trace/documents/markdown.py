"""Reports as Markdown, in one of three dialects that differ only in how formulas are marked.

GitHub's fences and $`…`$ keep its Markdown away from _ and \\{; Jupyter, Pandoc, Obsidian and VS Code read dollars;
without math, formulas are plain text as in a terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal
from urllib.parse import quote

from ..base.display import cells
from ..formulas.plain import Plain
from ..formulas.tex import Tex, escaped
from ..formulas.tree import Dots, Node, Num
from ..printable import printable
from . import blocks
from .layout import DEEPEST, FULL, packed, sizes, tex_equations, tex_rows, tex_stretches, widths
from .terminal import TerminalPrinter, padded

#: Maximum length of a formula on one row, as plain text.
ROOM = 78

_BESIDE, _SPACE = r" &\qquad& ", r" \qquad "
#: Characters that would turn the beginning of a paragraph into a list or a rule.
_START = re.compile(r"^(\d*)([-+.)])")
#: A dollar next to text that would make it an amount of money, for Pandoc and VS Code, or adjacent dollars of formulas.
_MONEY = re.compile(r"\$[\w$]|\w\$", re.ASCII)
#: Characters that are Markdown only in context: brackets of a link or picture, and possible ends of an emphasis.
_ACTING = re.compile(r"[\\`|$~<]|&(?=[#\w])|(?<=\S)\*|^\*|(?<=\S)_(?=[\W_]|$)|^\[|(?<=[!\[])\[|\](?=[(\[])")


@dataclass(frozen=True)
class Dialect:
    """How formulas are written in Markdown; without `display`, as plain text.

    inline, display: delimiters of a formula within a line and of one that stands alone. apart: separates the end of a
    formula from adjacent text. taken: characters of running text that would be read as math, with their replacements.
    """

    inline: str = ""
    display: str = ""
    apart: str = ""
    taken: Mapping[str, str] = field(default_factory=dict)


#: Characters alone in an element: MathJax finds no formula there in the rendered page.
_ALONE = {"$": "<span>&#36;</span>", "\\": "<span>&#92;</span>"}
#: How formulas are marked.
MathName = Literal["github", "dollars", "none"]
MATH: dict[str, Dialect] = {
    "github": Dialect("$`{}`$", "```math\n{}\n```"),
    "dollars": Dialect("${}$", "$$\n{}\n$$", "<!-- -->", _ALONE),
    "none": Dialect(),
}


@dataclass(frozen=True)
class MarkdownPrinter(blocks.BlockPrinter):
    """legible, tall: as for `Body`."""

    tex: Tex
    plain: Plain
    size: Callable[[Node], int]
    dialect: Dialect
    legible: bool = False
    tall: bool = False

    def __call__(self, block: blocks.Block) -> str:
        """A block; without math, formulas are printed as in a terminal, where columns are aligned."""
        formulas = blocks.Derivation | blocks.Premises | blocks.Chains | blocks.Boxed
        if isinstance(block, formulas) and not self.dialect.display:
            return _fenced(TerminalPrinter(self.plain, ROOM, self.tall)(block))
        return super().__call__(block)

    def text(self, text: blocks.Text, table: bool = False) -> str:
        """Words and formulas in running text, or in a cell of a table."""
        whole = ""
        for piece in (self.inline(part, table) for part in text):
            whole += (self.dialect.apart if _MONEY.match(whole[-1:] + piece[:1]) else "") + piece
        return whole

    def inline(self, part: blocks.Inline, table: bool = False) -> str:
        """Words or a formula."""
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

    def heading(self, block: blocks.Heading) -> str:
        """A heading; below the deepest level a line of bold text."""
        text = self.text(block.text)
        return f"{'#' * block.level} {text}" if block.level <= DEEPEST else f"**{text}**"

    def para(self, block: blocks.Para) -> str:
        """A paragraph whose beginning cannot become a list."""
        return _START.sub(r"\1\\\2", self.text(block.text))

    def items(self, block: blocks.Items) -> str:
        """A list with hyphens."""
        return "\n".join(f"- {self.text(row)}" for row in block.rows)

    def listing(self, block: blocks.Listing) -> str:
        """A block of code for a shell."""
        return _fenced("\n".join(map(printable, block.rows)), "sh")

    def table(self, block: blocks.Table) -> str:
        """A table; its columns are padded if it is also read unrendered."""
        many = len(block.rows[0]) if block.rows else len(block.head)
        rows = [[self.text(cell, table=True) for cell in row] for row in (block.head or ((),) * many, *block.rows)]
        words = [k in block.texts for k in range(many)]
        rule = f" {' | '.join(':---' if left else '---:' for left in words)} "
        if self.legible:
            columns = (padded(column, left, 3) for column, left in zip(zip(*rows, strict=True), words, strict=True))
            rows = [*map(list, zip(*columns, strict=True))]
            marks = ("-" if left else ":" for left in words)
            rule = "|".join("-" * (cells(cell) + 1) + mark for cell, mark in zip(rows[0], marks, strict=True))
        head, *lines = (f"| {' | '.join(row)} |" for row in rows)
        return "\n".join([head, f"|{rule}|", *lines])

    def derivation(self, block: blocks.Derivation) -> str:
        """Lines in one display, aligned at their signs."""
        made = [[tex_rows(row, self.tex, self.size, ROOM, _label, r"\!:\quad") for row in rows] for rows in block.lines]
        return self._display([" \\\\\n".join(chain.from_iterable(rows)) for rows in made], "4pt")

    def premises(self, block: blocks.Premises) -> str:
        """Values in one display, aligned in columns."""
        rows = tex_equations(packed(block, self.size, ROOM), self.tex)
        return self._display(["&" + _BESIDE.join(row) for row in rows], "8pt")

    def chains(self, block: blocks.Chains) -> str:
        """Each chain below its name; those without one in a single display."""
        size, texts = widths(self.plain), list[str]()
        made = [[*tex_stretches(one, self.tex, size, FULL)] for one in block.chains]
        if not any(one.title for one in block.chains):
            return self._display([*chain.from_iterable(made)], "4pt")
        for one, lines in zip(block.chains, made, strict=True):
            texts += [f"**{self.text(one.title)}**"] if one.title else []
            texts.append(self._display(lines, "4pt"))
        return "\n\n".join(texts)

    def boxed(self, block: blocks.Boxed) -> str:
        """A frame around each formula; a table has its own."""
        before, after = self.dialect.display.split("{}")
        texts = []
        for one in block.blocks:
            text = self(one)
            if isinstance(one, blocks.Premises | blocks.Derivation):
                inner = text.removeprefix(before).removesuffix(after)
                text = self.dialect.display.format(f"\\boxed{{\n{inner}\n}}")
            texts.append(text)
        return "\n\n".join(texts)

    def picture(self, block: blocks.Picture) -> str:
        """The picture, if there is a file of it, and the table next to it; the caption if there is neither."""
        parts = [f"![{literal(block.title)}]({quote(os.fsencode(block.file))})"] if block.file else []
        parts += [self.table(block.beside)] if block.beside is not None else []
        return "\n\n".join(parts) or self.text((block.caption,))

    def _display(self, lines: list[str], gap: str) -> str:
        if len(lines) == 1 and "\n" not in lines[0] and lines[0].startswith("&"):
            return self.dialect.display.format(lines[0].removeprefix("&").replace(_BESIDE, _SPACE))
        body = f" \\\\[{gap}]\n".join(lines)
        return self.dialect.display.format(f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}")


def code(text: str) -> str:
    """A text as code."""
    return f"`{' '.join(printable(text).replace('`', chr(39)).split())}`"


def literal(text: str, dialect: Dialect = MATH["github"]) -> str:
    """Text that Markdown and HTML leave unchanged.

    >>> literal("a*b <i> c_d | $5")
    'a\\\\*b &lt;i&gt; c\\\\_d \\\\| \\\\$5'
    """
    text = _on_one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[\\`*_\[\]|$#~]", lambda found: dialect.taken.get(found[0], "\\" + found[0]), text)


def legible(text: str) -> str:
    """The same for a text that is also read unrendered, in a terminal: only characters that would act are escaped.

    Brackets that form no link or picture, as in an address, and stars and underscores that end no emphasis are kept.

    >>> legible("![a](b) <i> *c* d_"), legible("i_t * c_tilde of 0/c_t[1]")
    ('!\\\\[a\\\\](b) &lt;i> *c\\\\* d\\\\_', 'i_t * c_tilde of 0/c_t[1]')
    """
    return _ACTING.sub(lambda found: {"<": "&lt;", "&": "&amp;"}.get(found[0], "\\" + found[0]), _on_one_line(text))


def _on_one_line(text: str) -> str:
    text = printable(text)
    return " ".join(text.split()) if "\n" in text else text


def render(bodies: Sequence[blocks.Body], math: str = "github") -> str:
    """Reports as Markdown, one after the other.

    Args:
        bodies: the reports.
        math: how formulas are marked, a key of `MATH`.
    """
    texts = []
    for body in bodies:
        plain = Plain(body.own)
        printer = MarkdownPrinter(Tex(body.own), plain, sizes(plain), MATH[math], body.legible, body.tall)
        texts.append("\n\n".join(map(printer, body.blocks)))
    return "\n\n".join(texts) + "\n"


def _label(text: str) -> str:
    """A text within a formula; characters that KaTeX cannot typeset there are replaced by similar ones.

    Braces break up text that a Markdown reader without math would interpret: a tag, a link, a picture.
    """
    text = escaped(text.translate({ord("~"): "∼", ord("^"): "ˆ", ord("\\"): "∖"}))
    return re.sub(r"<|(?<=!)\[|\](?=\()", r"{\g<0>}", text)


def _fenced(text: str, language: str = "") -> str:
    fence = "`" * max([3, *(1 + len(run) for run in re.findall("`+", text))])
    return f"{fence}{language}\n{text}\n{fence}"
