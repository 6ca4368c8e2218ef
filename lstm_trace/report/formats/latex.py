"""Reports as a plain LaTeX article: amsmath and geometry, nothing more; long displays go on over pages.

Every text of a problem is escaped. Characters that pdfTeX has no glyph for stand as their code in brackets, so that
the file compiles; Chinese needs the ctex package, which the preamble names then.

A fragment is what an author's own document takes by \\input: what it needs of the preamble is listed in comments at its
top, and what it sets is set within a group.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...formulas.blocks import Block, Body, Code, Derivation, Heading, Items, Para, Premises, Table, Text
from ...formulas.plain import Plain
from ...formulas.tex import TEX, Tex
from ...formulas.tree import Dots, Node
from ...formulas.user_tex import GREEK
from ...printable import printable
from .levels import NAMES, Level
from .line_breaking import TEX_SIGNS, columns, packed, sizes, tex_rows

#: So many characters of a formula stand on one row of A4, and of a table; so many rows of a table on one page.
ROOM, WIDE, LONG = 94, 84, 40
#: So many characters of a formula on one row of a fragment: the text of LaTeX's article is narrower.
NARROW = 66
#: Reports with more rows of source than this are longer than a page.
PAGE = 150

_CLASS = (
    r"\documentclass[fleqn]{article}",
    r"\usepackage[a4paper, margin=2cm]{geometry}",
    r"\usepackage{amsmath}",
    r"\allowdisplaybreaks",
    r"\setlength{\parindent}{0pt}",
    r"\setlength{\parskip}{6pt}",
    r"\setlength{\mathindent}{1em}",
    r"\renewcommand{\labelitemi}{$\bullet$}",
)
#: The same for a fragment, by assignments that end with its group: displays stand at the left, as with fleqn.
_LOCAL = (
    r"\allowdisplaybreaks",
    r"\setlength{\parindent}{0pt}",
    r"\setlength{\parskip}{4pt plus 1pt}",
    r"\csname @fleqntrue\endcsname\csname @mathmargin\endcsname=1em\relax  % formulas at the left",
)
#: One of several reports goes on where it fits on the rest of the page, and begins on a new one where it does not.
_TOGETHER = (
    r"\newsavebox{\problembox}",
    r"\newenvironment{problem}{\par\setbox\problembox=\vbox\bgroup}{\par\egroup",
    r"  \ifdim\ht\problembox>\textheight\newpage\unvbox\problembox\else\box\problembox\fi}",
)
_SPECIAL = {
    **{c: "\\" + c for c in "_%#&${}"},
    **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}"},
    **{">": r"\textgreater{}", "|": r"\textbar{}", '"': r"{\char34}", "[": "{[}", "]": "{]}", "*": "{*}"},
    **{"\u202f": r"\,", "\u00a0": "~"},
    **{"-": "{-}", "`": "{`}", "'": "{'}"},  # no ligature, no argument of a line's end
}  # fmt: skip
#: Characters that T1 has not, and mathematics has.
_MATH = {
    "≥": r"\geq", "≤": r"\leq", "≈": r"\approx", "←": r"\leftarrow", "→": r"\rightarrow", "⊙": r"\odot", "∞": r"\infty",
    "−": "-", "×": r"\times", **{c: rf"\{name}" for name, c in GREEK.items()},
}  # fmt: skip
_KNOWN = set(map(chr, range(0xA0, 0x180))) - set("ĦħĸĿŀŉŦŧſ¤¦¨¯´¸") | set("–—‘’‚“”„†‡•…‹›€")


@dataclass(frozen=True)
class _Printer:
    """part: the level of a fragment, None in a document; room: characters of a formula on one row."""

    tex: Tex
    plain: Plain
    size: Callable[[Node], int]
    part: Level | None
    room: int

    def text(self, text: Text) -> str:
        """Words and formulas in running text."""
        return "".join(map(self._inline, text))

    def _inline(self, part: str | Node | Code) -> str:
        if isinstance(part, str):
            return literal(part)
        if isinstance(part, Code):
            return rf"\texttt{{{literal(part.text)}}}"
        return r"\dots" if isinstance(part, Dots) and part.way == "across" else f"${self.tex(part)}$"


def literal(text: str) -> str:
    """Text that LaTeX prints as it is.

    >>> literal("50 % of a_b")
    '50 \\\\% of a\\\\_b'
    """
    text = unicodedata.normalize("NFC", printable(text).replace("\n", " ").replace("\t", " "))
    return "".join(_SPECIAL.get(c, c) for c in text)


def render(bodies: Sequence[Body]) -> str:
    """Reports as a LaTeX document."""
    several = len(bodies) > 1
    body = "\n\n".join(_together(text) if several else text for text in map(_body, bodies))
    wide = [rf"\setcounter{{MaxMatrixCols}}{{{n}}}" for n in _most_columns(body)]
    preamble = "\n".join([*_CLASS, *(_TOGETHER if several else ()), *wide, *_packages(body)])
    return f"{preamble}\n\\begin{{document}}\n\n{body}\n\n\\end{{document}}\n"


def fragment(bodies: Sequence[Body], part: Level, room: int | None = None) -> str:
    r"""Reports as a file for `\input`; part: the level of its highest heading, which the blocks have already."""
    body = "\n\n".join(_body(body, part, room or NARROW) for body in bodies)
    needed = "\n".join(f"%   {row}" for row in (r"\usepackage{amsmath}", *_packages(body)))
    rows = [*_LOCAL, *(rf"\csname c@MaxMatrixCols\endcsname={n}\relax" for n in _most_columns(body))]
    group = "\n".join(rows)
    return f"% Needed in the preamble:\n{needed}\n\\begingroup\n{group}\n\n{body}\n\n\\par\\endgroup\n"


def _body(body: Body, part: Level | None = None, room: int = ROOM) -> str:
    plain = Plain(body.own)
    format = replace(TEX, name=lambda name: rf"\text{{\ttfamily {literal(name)}}}")
    printer = _Printer(Tex(body.own, format), plain, sizes(plain), part, room)
    placed = (_placed(printer, before, block) for block, before in zip(body.blocks, (None, *body.blocks), strict=False))
    return "".join(placed).lstrip("\n")


def _placed(p: _Printer, before: Block | None, block: Block) -> str:
    """A block after another. A display belongs to the paragraph before it; elsewhere TeX begins one with an empty line,
    which has no height."""
    text = LATEX[type(block)](p, block)
    if not isinstance(block, Derivation | Premises):
        return f"\n\n{text}"
    return f"\n{text}" if isinstance(before, Para) else f"\n\n\\nointerlineskip\n{text}"


def _together(text: str) -> str:
    return f"\\begin{{problem}}\n{text}\n\\end{{problem}}" if text.count("\n") < PAGE else f"\\newpage\n{text}"


def _most_columns(body: str) -> list[int]:
    """How many columns a matrix must be able to have, where they are more than amsmath expects."""
    rows = re.findall(r"\\begin\{bmatrix\}(.*?)(?:\\\\|$)", body, re.M)
    found = max((row.count("&") + 1 for row in rows), default=0)
    return [found] if found > 10 else []  # no more than needed: each matrix costs time for every column it may have


def _packages(body: str) -> list[str]:
    """What the characters of a text need in the preamble."""
    rows: list[str] = []
    foreign = sorted({c for c in body if ord(c) > 126})
    wide = [c for c in foreign if unicodedata.east_asian_width(c) in "WF"]
    if wide:
        rows += ["% East Asian text: needs the package ctex (texlive-lang-chinese); best compiled with xelatex"]
        rows += [r"\usepackage[UTF8, scheme=plain]{ctex}"]
    if foreign or r"\char34" in body:
        rows += [r"\ifdefined\Umathchar\else  % pdfTeX", r"\usepackage[T1]{fontenc}", r"\usepackage[utf8]{inputenc}"]
        rows += [r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}"]
        rows += [_declared(c) for c in foreign if c not in _KNOWN and c not in wide]
        rows += [r"\fi"]
    return rows


def _declared(c: str) -> str:
    """What pdfTeX prints for a character that its fonts do not have."""
    shown = rf"\ensuremath{{{_MATH[c]}}}" if c in _MATH else rf"\texttt{{[U+{ord(c):04X}]}}"
    return rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{{shown}}}"


def _heading(p: _Printer, block: Heading) -> str:
    text = p.text(block.text)
    if p.part is None and block.level == 1:
        return rf"{{\LARGE\bfseries {text}\par}}"
    level, star = (block.level - 1, "*") if p.part is None else (block.level, "*" if p.part.starred else "")
    return rf"\{NAMES[level]}{star}{{{text}}}" if level < len(NAMES) else rf"\par\textbf{{{text}}}\par\nopagebreak"


def _items(p: _Printer, block: Items) -> str:
    rows = "\n".join(rf"\item {p.text(row)}" for row in block.rows)
    return f"\\begin{{itemize}}\n{rows}\n\\end{{itemize}}"


def _table(p: _Printer, block: Table) -> str:
    """Columns next to each other, in several tables where they do not fit."""
    cells = [[p.text(cell) for cell in row] for row in (block.head, *block.rows)]
    tables = []
    for shown in columns(block, p.size, WIDE * p.room // ROOM):
        head, *rows = [" & ".join(row[k] for k in shown) + r" \\" for row in cells]
        for at in range(0, len(rows), LONG):
            inner = "\n".join([head, r"\hline", *rows[at : at + LONG]])
            tables.append(f"\\begin{{tabular}}{{{'r' * len(shown)}}}\n{inner}\n\\end{{tabular}}")
    return "\n\n".join(tables)


def _derivation(p: _Printer, block: Derivation) -> str:
    lines = [
        (r" \\*" + "\n").join(
            text for row in rows for text in tex_rows(row, p.tex, p.size, p.room, literal, r"\colon\quad", page=True)
        )
        for rows in block.lines
    ]
    body = " \\\\[4pt]\n".join(lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _premises(p: _Printer, block: Premises) -> str:
    """Values in columns, where these fit; otherwise each row by itself."""
    found = packed(block, p.size, p.room)
    rows = [[f"{p.tex(left)} {TEX_SIGNS[sign]} {p.tex(right)}" for left, sign, right in items] for items in found]
    most = max(map(len, rows))
    widest = [max(6 + p.size(row[k][0]) + p.size(row[k][2]) for row in found if k < len(row)) for k in range(most)]
    align, gap = (f"alignat*}}{{{most}", r" &\qquad &") if sum(widest) <= p.room else ("align*", r" \qquad ")
    body = " \\\\[8pt]\n".join(f"&{gap.join(row)}" for row in rows)
    return f"\\begin{{{align}}}\n{body}\n\\end{{{align.partition('}')[0]}}}"


LATEX: dict[type, Callable[[_Printer, Any], str]] = {
    Heading: _heading,
    Para: lambda p, block: p.text(block.text),
    Items: _items,
    Table: _table,
    Derivation: _derivation,
    Premises: _premises,
}
