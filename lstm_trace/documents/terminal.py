"""Reports as plain text for a terminal of 80 columns, or of any other width."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise, zip_longest

from ..base.display import cells, wrapped
from ..formulas.plain import COLUMNS, PLAIN, Plain
from ..formulas.tree import Dots, Mat, Node, Vec, broken
from ..printable import printable
from . import blocks
from .layout import NARROW, fitting

_INDENT = "  "


@dataclass(frozen=True)
class TerminalPrinter(blocks.BlockPrinter):
    """Prints blocks in a given number of columns."""

    plain: Plain
    width: int
    tall: bool = False

    def inline(self, part: blocks.Inline) -> str:
        """Words or a formula on one line."""
        if isinstance(part, str | blocks.Code):
            return printable(part if isinstance(part, str) else part.text)
        return "⋮" if isinstance(part, Dots) and part.way == "down" else self.plain(part)

    def heading(self, block: blocks.Heading) -> str:
        """Two levels with a line below, one with lines on both sides."""
        title = self.text(block.text)
        if mark := {1: "═", 2: "─"}.get(block.level):
            rows = wrapped(title, self.width)
            return "\n".join([*rows, mark * max(map(cells, rows), default=0)])
        return "\n".join(wrapped(title if block.level >= 4 else f"── {title} ──", self.width))

    def para(self, block: blocks.Para) -> str:
        """A paragraph, wrapped."""
        return "\n".join(wrapped(self.text(block.text), self.width))

    def items(self, block: blocks.Items) -> str:
        """A list with hyphens."""
        return "\n".join(line for row in block.rows for line in wrapped(self.text(row), self.width, "- ", "  "))

    def listing(self, block: blocks.Listing) -> str:
        """Literal lines."""
        return "\n".join(_INDENT + printable(row) for row in block.rows)

    def derivation(self, block: blocks.Derivation) -> str:
        """Rows below each other."""
        every = [row for rows in block.lines for row in rows]
        if not self.tall:
            return "\n".join(chain.from_iterable(map(self._row, every)))
        drawn: list[list[str]] = []

        def matrix(rows: list[list[str]]) -> str:
            """Room for a matrix on its first line."""
            if min(len(rows), len(rows[0])) == 1:
                return str(PLAIN.matrix(rows))
            drawn.append(_drawn(rows))
            return chr(_FIRST + len(drawn) - 1) + _FILL * (cells(drawn[-1][0]) - 1)

        tall = replace(self, plain=Plain(self.plain.own, replace(PLAIN, matrix=matrix)))
        rows = ((row, [*tall._row(row)]) for row in every)
        fitted = (lines if max(map(cells, lines)) <= self.width else self._row(row) for row, lines in rows)
        return "\n".join(_with_matrices(chain.from_iterable(fitted), drawn))

    def _row(self, row: blocks.Row) -> Iterable[str]:
        """One row of a derivation; if it is too long, broken before its signs and then within its sums."""
        start = (_INDENT * 2 if row.under else _INDENT) + self.text(row.left)
        whole = start + "".join(f"{':' if sign == ':' else ' ' + sign} {self.plain(node)}" for sign, node in row.parts)
        if cells(whole) <= self.width:
            return [whole]
        lines = [start]
        indent = cells(start) + 1 if cells(start) < self.width // 3 else 6
        for at, (sign, node) in enumerate(row.parts):
            pieces = broken(node, lambda n: cells(self.plain(n)), self.width - indent - 4)
            text = (": " if sign == ":" else f" {sign} ") + self.plain(pieces[0][1])
            if at == 0 or (row.parts[0][0] == ":" and cells(lines[-1] + text) <= self.width):
                lines[-1] += text
            else:
                lines.append(" " * (indent - 1) + text)
            lines += [" " * indent + f"{mark} {self.plain(piece)}" for mark, piece in pieces[1:]]
        return _fitted(lines, self.width, indent)

    def premises(self, block: blocks.Premises) -> str:
        """Values side by side, those of equal height in a row."""
        rows: list[list[list[str]]] = []
        for items in block.rows:
            used = self.width
            for left, sign, right in items:
                box = self._box(f"{self.plain(left)} {sign} ", right)
                wide = max(map(cells, box)) + 3
                if used + wide > self.width or len(rows[-1][0]) != len(box):
                    rows.append([])
                    used = len(_INDENT)
                rows[-1].append(box)
                used += wide
        beside = ([(_INDENT + "   ".join(parts)).rstrip() for parts in zip(*boxes, strict=True)] for boxes in rows)
        gap = "\n\n" if any(len(boxes[0]) > 1 for boxes in rows) else "\n"
        return gap.join("\n".join(_fitted(lines, self.width, 4)) for lines in beside)

    def _box(self, label: str, node: Node) -> list[str]:
        """A matrix on as many lines as it has rows, everything else on one."""
        if not isinstance(node, Mat):
            return [label + self.plain(node)]
        if len(node.rows[0]) == 1:
            return [label + self.plain(Vec(tuple(row[0] for row in node.rows)))]
        lines = _drawn([list(map(self.inline, row)) for row in node.rows])
        return [(label if k == 0 else " " * cells(label)) + line for k, line in enumerate(lines)]

    def table(self, block: blocks.Table) -> str:
        """Columns next to each other; if they do not fit, words are wrapped, or the table is split into several."""
        columns, room = [], self.width - len(_INDENT)
        for k in range(len(block.head or block.rows[0])):
            head = [self.text(block.head[k])] if block.head else []
            texts = [self.text(row[k]) for row in block.rows]
            columns.append([*head, *(texts if k in block.texts else _aligned(texts))])
        widths = least = [max(map(cells, column)) for column in columns]
        if _taken(widths) > room:
            wraps = block.texts.difference(range(block.places))
            least = [_least(column, k in wraps) for k, column in enumerate(columns)]
        fits, tables = _taken(_narrowed(widths, least, room)) <= room, []
        for shown in [range(len(columns))] if fits else fitting(widths, block.places, room):
            narrow = _narrowed([widths[k] for k in shown], [least[k] for k in shown], room)
            rows, left = zip(*(columns[k] for k in shown), strict=True), [k in block.texts for k in shown]
            tables.append("\n".join(line for row in rows for line in _lines(row, narrow, left)))
        return "\n\n".join(tables)

    def chains(self, block: blocks.Chains) -> str:
        """Chains below each other."""
        gap = "\n\n" if any(chain.title for chain in block.chains) else "\n"
        return gap.join("\n".join(self._chain(chain)) for chain in block.chains)

    def _chain(self, chain: blocks.Chain) -> Iterable[str]:
        """A chain below its name, with the signs of each value below one another."""
        lines = wrapped(self.text(chain.title), self.width)
        marked = replace(self.plain.format, plus=f" {_TERM}+ ", less=f" {_TERM}- ", times=f" {_FACTOR}⊙ ")
        breaking = Plain(self.plain.own, marked)
        for row in chain.rows:
            start = _INDENT + self.text(row.left)
            indent = cells(start) if cells(start) < self.width // 3 else len(_INDENT) * 2
            lines.append(start)
            for at, (sign, node) in enumerate(row.parts):
                whole = f" {sign} {self.plain(node)}"
                if at and cells(lines[-1] + whole) > self.width:
                    lines.append(" " * indent)
                too_long = cells(lines[-1] + whole) > self.width
                first, *rest = _pieces(f" {sign} {breaking(node)}", self.width - indent - 5) if too_long else [whole]
                lines[-1] += first
                for piece in rest:
                    if cells(lines[-1] + piece.rstrip()) > self.width:
                        lines[-1] = lines[-1].rstrip()
                        lines.append(" " * (indent + 5))
                    lines[-1] += piece
        return _fitted(lines, self.width, 6)

    def boxed(self, block: blocks.Boxed) -> str:
        """The blocks in a frame."""
        inner = "\n\n".join(map(replace(self, width=self.width - 4), block.blocks))
        lines = padded(textwrap.dedent(inner).splitlines(), left=True)
        rule = "─" * (cells(lines[0]) + 2)
        return "\n".join([f"┌{rule}┐", *(f"│ {line} │" for line in lines), f"└{rule}┘"])


def render(bodies: Sequence[blocks.Body], width: int = 80) -> str:
    """Reports as plain text, `width` columns wide, one after the other."""
    texts = []
    for body in bodies:
        plain = Plain(body.own, COLUMNS if body.compact else PLAIN)
        printer = TerminalPrinter(plain, max(width, 40), body.tall and not body.compact)
        texts.append("\n\n".join(filter(None, map(printer, body.blocks))))
    return "\n\n\n".join(texts) + "\n"


#: Stands for the first of some matrices, and fills the room of one: characters that no text has.
_FIRST, _FILL = 0xF0000, "\U000ffffd"


def _drawn(rows: Sequence[Sequence[str]]) -> list[str]:
    """A matrix, on as many lines as it has rows."""
    columns = [padded(_aligned(list(column))) for column in zip(*rows, strict=True)]
    return [f"[ {'  '.join(row)} ]" for row in zip(*columns, strict=True)]


def _with_matrices(lines: Iterable[str], drawn: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with matrices in their room, which reach below them."""
    for line in lines:
        there = [(at.start(), drawn[ord(at[0]) - _FIRST]) for at in re.finditer(f"[^{_FILL}](?={_FILL})", line)]
        for k in range(max((len(matrix) for _, matrix in there), default=1)):
            text = line if k == 0 else " " * len(line)
            for at, matrix in there:
                row = matrix[k] if k < len(matrix) else " " * len(matrix[0])
                text = text[:at] + row + text[at + len(row) :]
            yield text.rstrip()


def _fitted(lines: Sequence[str], width: int, indent: int) -> Iterator[str]:
    """Lines; those that are still too long are broken at their spaces."""
    for line in lines:
        own = len(line) - len(line.lstrip())
        rest = " " * (max(indent, own) + 2)
        yield from [line] if cells(line) <= width else wrapped(line.strip(), width, " " * own, rest)


def _aligned(texts: list[str]) -> list[str]:
    """Numbers with equally many columns after the point, so that they are aligned."""
    marks = [re.search(r"(?<=\d)[.,]\d", text) for text in texts]
    places = [0 if mark is None else len(text) - mark.start() for text, mark in zip(texts, marks, strict=True)]
    most = max(places, default=0)
    return [text + " " * (most - n) if n else text for text, n in zip(texts, places, strict=True)]


def padded(texts: Sequence[str], left: bool = False, least: int = 0) -> list[str]:
    """The cells of a column, all as wide as the widest. left: for words; numbers are right-aligned."""
    wide = max(least, *map(cells, texts))
    return [text + " " * (wide - cells(text)) if left else " " * (wide - cells(text)) + text for text in texts]


#: Positions before the signs of sums and products in a formula, where a long one may be broken.
_TERM, _FACTOR = "\x1e", "\x1f"


def _pieces(text: str, room: int) -> list[str]:
    """A formula in pieces that fit: broken at the lowest nesting depth, into terms rather than factors."""
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


def _least(column: Sequence[str], words: bool) -> int:
    """The least width of a column. words: whether they are wrapped; otherwise only the heading is, the first text."""
    broken = column if words else column[:1]
    longest = max((cells(word) for text in broken for word in wrapped(text, 1)), default=0)
    return max(longest, min(NARROW, *map(cells, column)) if words else 0, *map(cells, column[len(broken) :]))


def _taken(widths: Sequence[int]) -> int:
    return sum(width + len(_INDENT) for width in widths)


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The widths of columns, the widest made narrower until they fit, or none can be."""
    found = list(widths)
    while _taken(found) > room and found != list(least):
        k = max(range(len(found)), key=lambda k: (found[k] > least[k]) * found[k])
        found[k] -= 1
    return found


def _lines(row: Sequence[str], widths: Sequence[int], words: Sequence[bool]) -> Iterator[str]:
    """The cells of a row next to each other, each wrapped below itself if it is too long. words: which are words."""
    pairs = zip(row, widths, strict=True)
    cut = [wrapped(text.strip(), wide) if cells(text) > wide else [text] for text, wide in pairs]
    for parts in zip_longest(*cut, fillvalue=""):
        texts = (padded([part], left, wide)[0] for part, left, wide in zip(parts, words, widths, strict=True))
        yield (_INDENT + "  ".join(texts)).rstrip()
