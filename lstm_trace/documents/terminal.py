"""Reports as plain text for a terminal of 80 columns, or as many as there are."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ..base.display import cells
from ..formulas.plain import COLUMNS, PLAIN, Plain
from ..formulas.tree import Dots, Mat, Node, Vec, broken
from ..printable import printable
from . import blocks
from .layout import fitting

_LINES = {1: "═", 2: "─"}
_INDENT = "  "


@dataclass(frozen=True)
class Printer:
    """Prints blocks in so many columns."""

    plain: Plain
    width: int

    def text(self, text: blocks.Text) -> str:
        """Words and formulas on one line."""
        return "".join(map(self._inline, text))

    def _inline(self, part: blocks.Inline) -> str:
        if isinstance(part, str | blocks.Code):
            return printable(part if isinstance(part, str) else part.text)
        return self.node(part)

    def node(self, node: Node) -> str:
        """A formula on one line."""
        return "⋮" if isinstance(node, Dots) and node.way == "down" else self.plain(node)


def render(bodies: Sequence[blocks.Body], width: int = 80) -> str:
    """Reports as plain text, `width` columns wide, one after the other."""
    return "\n\n\n".join(_body(body, max(width, 40)) for body in bodies) + "\n"


def _body(body: blocks.Body, width: int) -> str:
    printer = Printer(Plain(body.own, COLUMNS if body.compact else PLAIN), width)
    parts = [TEXT[type(block)](printer, block) for block in body.blocks]
    return "\n\n".join(part for part in parts if part)


def _heading(p: Printer, block: blocks.Heading) -> str:
    title = p.text(block.text)
    if mark := _LINES.get(block.level):
        rows = _wrapped(title, p.width).splitlines()
        return "\n".join([*rows, mark * max(map(cells, rows), default=0)])
    return _wrapped(title if block.level >= 4 else f"── {title} ──", p.width)


def _paragraph(p: Printer, block: blocks.Para) -> str:
    return _wrapped(p.text(block.text), p.width)


def narrowed(markdown: str, width: int) -> str:
    """Markdown for a terminal: what is said wrapped at `width` columns; tables, headings and formulas as they are.

    >>> print(narrowed("- one two three\\n\\n| a | b | c | d |", 10))
    - one two
      three
    <BLANKLINE>
    | a | b | c | d |
    """
    rows, within = [], False
    for row in markdown.split("\n"):
        fence = row.startswith("```")
        within ^= fence
        said = row and not fence and not within and row[0] not in "|# <"
        rest = _INDENT if row.startswith("- ") else ""
        rows.append(_wrapped(row, max(width, 40), rest=rest) if said else row)
    return "\n".join(rows)


def _wrapped(text: str, width: int, first: str = "", rest: str = "") -> str:
    if any(unicodedata.east_asian_width(c) in "WF" for c in text):
        return _wrapped_anywhere(text, width, first, rest)
    spare = sum(1 for c in text if unicodedata.combining(c))  # textwrap counts them
    return textwrap.fill(
        text, width + min(spare, 1), initial_indent=first, subsequent_indent=rest, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _wrapped_anywhere(text: str, width: int, first: str, rest: str) -> str:
    """Text with wide letters, which have no spaces between them: a line may end after each of them.

    It does not end before a mark that closes, nor after one that opens.
    """
    words = re.findall(r" +|（*[^ \u2e80-\uffef]+[，。；：、）]*|（*[\u2e80-\uffef][，。；：、）]*", text)
    lines = [first]
    for word in words:
        if cells(lines[-1] + word) > width and lines[-1].strip():
            lines.append(rest)
        if lines[-1].strip() or word.strip():
            lines[-1] += word
    return "\n".join(line.rstrip() for line in lines)


def _derivation(p: Printer, block: blocks.Derivation) -> str:
    return "\n".join(line for rows in block.lines for row in rows for line in _row(p, row))


def _row(p: Printer, row: blocks.Row) -> list[str]:
    """One row of a derivation, broken before its signs and then within its sums where it is too long."""
    start = (_INDENT * 2 if row.under else _INDENT) + p.text(row.left)
    whole = start + "".join(f"{':' if sign == ':' else ' ' + sign} {p.plain(node)}" for sign, node in row.parts)
    if cells(whole) <= p.width:
        return [whole]
    lines = [start]
    indent = cells(start) + 1 if cells(start) < p.width // 3 else 6
    for at, (sign, node) in enumerate(row.parts):
        lead = ": " if sign == ":" else f" {sign} "
        pieces = broken(node, lambda n: cells(p.plain(n)), p.width - indent - 4)
        text = lead + p.plain(pieces[0][1])
        if at == 0 or (row.parts[0][0] == ":" and cells(lines[-1] + text) <= p.width):
            lines[-1] += text
        else:
            lines.append(" " * (indent - 1) + text)
        lines += [" " * indent + f"{mark} {p.plain(piece)}" for mark, piece in pieces[1:]]
    return [part for line in lines for part in _fitted(line, p.width, indent)]


def _fitted(line: str, width: int, indent: int) -> list[str]:
    """A line that is still too long, broken at its spaces."""
    if cells(line) <= width:
        return [line]
    own = len(line) - len(line.lstrip())
    return _wrapped(line.strip(), width, " " * own, " " * (max(indent, own) + 2)).splitlines()


def _premises(p: Printer, block: blocks.Premises) -> str:
    rows: list[list[list[str]]] = []
    for items in block.rows:
        used = p.width
        for left, sign, right in items:
            box = _box(f"{p.plain(left)} {sign} ", right, p)
            wide = max(map(cells, box)) + 3
            if used + wide > p.width or len(rows[-1][0]) != len(box):
                rows.append([])
                used = len(_INDENT)
            rows[-1].append(box)
            used += wide
    texts = []
    for boxes in rows:
        beside = [(_INDENT + "   ".join(parts)).rstrip() for parts in zip(*boxes, strict=True)]
        texts.append("\n".join(line if cells(line) <= p.width else _broken(line, p.width) for line in beside))
    gap = "\n\n" if any(len(boxes[0]) > 1 for boxes in rows) else "\n"
    return gap.join(texts)


def _broken(line: str, width: int) -> str:
    return "\n".join(_fitted(line, width, 4))


def _box(label: str, node: Node, p: Printer) -> list[str]:
    """A matrix on as many lines as it has rows, everything else on one."""
    if not isinstance(node, Mat):
        return [label + p.plain(node)]
    if len(node.rows[0]) == 1:
        return [label + p.plain(Vec(tuple(row[0] for row in node.rows)))]
    texts = [[p.node(entry) for entry in row] for row in node.rows]
    columns = [_aligned([row[k] for row in texts]) for k in range(len(texts[0]))]
    texts = [list(row) for row in zip(*columns, strict=True)]
    widths = [max(cells(row[k]) for row in texts) for k in range(len(texts[0]))]
    lines = ["[ " + "  ".join(_right(t, w) for t, w in zip(row, widths, strict=True)) + " ]" for row in texts]
    return [(label if k == 0 else " " * cells(label)) + line for k, line in enumerate(lines)]


def _aligned(texts: list[str]) -> list[str]:
    """Numbers with as many columns after the mark, so that units stand under units."""
    marks = [re.search(r"(?<=\d)[.,]\d", text) for text in texts]
    places = [0 if mark is None else len(text) - mark.start() for text, mark in zip(texts, marks, strict=True)]
    return [text + " " * (max(places) - n) if n else text for text, n in zip(texts, places, strict=True)]


def _right(text: str, width: int) -> str:
    return " " * (width - cells(text)) + text


def _table(p: Printer, block: blocks.Table) -> str:
    """Columns next to each other, in several tables where they do not fit."""
    heads = [[p.text(cell)] for cell in block.head] or [[] for _ in block.rows[0]]
    texts = [[p.text(row[k]) for row in block.rows] for k in range(len(heads))]
    columns = [
        [*head, *(column if k in block.texts else _aligned(column))]
        for k, (head, column) in enumerate(zip(heads, texts, strict=True))
    ]
    widths = [max(map(cells, column)) for column in columns]
    columns = [
        [cell + " " * (wide - cells(cell)) if k in block.texts else _right(cell, wide) for cell in column]
        for k, (column, wide) in enumerate(zip(columns, widths, strict=True))
    ]
    rows = [*zip(*columns, strict=True)]
    return "\n\n".join(
        "\n".join((_INDENT + "  ".join(row[k] for k in table)).rstrip() for row in rows)
        for table in fitting(widths, block.places, p.width - len(_INDENT))
    )


# -- chains -----------------------------------------------------------------------------------------------------------

#: Stand before the signs of sums and of products within a formula, where a long one may be broken.
_TERM, _FACTOR = "\x1e", "\x1f"


def _chains(p: Printer, block: blocks.Chains) -> str:
    mark = "\n\n" if any(chain.title for chain in block.chains) else "\n"
    return mark.join("\n".join(_chain(p, chain)) for chain in block.chains)


def _chain(p: Printer, chain: blocks.Chain) -> list[str]:
    """A chain under its name, the signs of each value below one another."""
    lines = [_wrapped(p.text(chain.title), p.width)] if chain.title else []
    marked = replace(p.plain.format, plus=f" {_TERM}+ ", less=f" {_TERM}- ", times=f" {_FACTOR}⊙ ")
    breaking = Plain(p.plain.own, marked)
    for row in chain.rows:
        start = _INDENT + p.text(row.left)
        indent = cells(start) if cells(start) < p.width // 3 else len(_INDENT) * 2
        lines.append(start)
        for at, (sign, node) in enumerate(row.parts):
            whole = f" {sign} {p.plain(node)}"
            if at and cells(lines[-1] + whole) > p.width:
                lines.append(" " * indent)
            broken = cells(lines[-1] + whole) > p.width
            pieces = _pieces(f" {sign} {breaking(node)}", p.width - indent - 5) if broken else [whole]
            lines[-1] += pieces[0]
            for piece in pieces[1:]:
                if cells(lines[-1] + piece.rstrip()) > p.width:
                    lines[-1] = lines[-1].rstrip()
                    lines.append(" " * (indent + 5))
                lines[-1] += piece
    return [part for line in lines for part in _fitted(line, p.width, 6)]


def _pieces(text: str, room: int) -> list[str]:
    """A formula in pieces that fit: broken within few parentheses rather than many, into terms rather than factors."""
    whole = text.translate({ord(_TERM): "", ord(_FACTOR): ""})
    depth, marks = 0, list[tuple[int, str, int]]()
    for at, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c in (_TERM, _FACTOR):
            marks.append((depth, c, at))
    if cells(whole) <= room or not marks:
        return [whole]
    first = min(mark[:2] for mark in marks)
    places = [0, *(at for *kind, at in marks if tuple(kind) == first), len(text)]
    return [piece for a, b in pairwise(places) for piece in _pieces(text[a:b].lstrip(_TERM + _FACTOR), room)]


def _boxed(p: Printer, block: blocks.Boxed) -> str:
    """The blocks in a frame."""
    inner = replace(p, width=p.width - 4)
    lines = "\n\n".join(TEXT[type(one)](inner, one) for one in block.blocks).splitlines()
    lines = textwrap.dedent("\n".join(lines)).splitlines()
    wide = max(map(cells, lines))
    rows = [f"│ {line}{' ' * (wide - cells(line))} │" for line in lines]
    return "\n".join([f"┌{'─' * (wide + 2)}┐", *rows, f"└{'─' * (wide + 2)}┘"])


TEXT: dict[type, Callable[[Printer, Any], str]] = {
    blocks.Heading: _heading,
    blocks.Para: _paragraph,
    blocks.Items: lambda p, block: "\n".join(_wrapped(p.text(row), p.width, "- ", "  ") for row in block.rows),
    blocks.Table: _table,
    blocks.Listing: lambda p, block: "\n".join(_INDENT + printable(row) for row in block.rows),
    blocks.Derivation: _derivation,
    blocks.Stacked: lambda p, block: _table(p, block.table),
    blocks.Premises: _premises,
    blocks.Chains: _chains,
    blocks.Boxed: _boxed,
    blocks.Picture: lambda p, block: TEXT[type(block.instead)](p, block.instead),
}
