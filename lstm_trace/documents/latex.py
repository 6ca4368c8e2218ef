"""Documents as a plain LaTeX article: amsmath and geometry, nothing more; long displays continue over pages.

Every text of a problem is escaped. Characters without a glyph in pdfTeX are written as their code in brackets, so that
the file compiles; Chinese needs the ctex package, which the preamble then loads.

A fragment is included by an author's own document with \\input: comments at its top list what it needs in the
preamble, and its settings are local to a group.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from ..formulas.plain import Plain
from ..formulas.tex import TEX, Tex
from ..formulas.tree import Dots
from ..formulas.user_tex import GREEK
from ..printable import printable
from . import blocks, layout
from .layout import NAMES, Level, PaperPrinter, style_sheet, tex_equations

#: Characters that T1 lacks, and mathematics has.
_MATH = {
    "≥": r"\geq", "≤": r"\leq", "≈": r"\approx", "←": r"\leftarrow", "→": r"\rightarrow", "⊙": r"\odot", "∞": r"\infty",
    "−": "-", "×": r"\times", "␣": r"\text{\textvisiblespace}", "↵": r"\hookleftarrow", "⇥": r"\mapsto", "◌": r"\circ",
    "⋮": r"\vdots",
    **{c: f"{{}}_{n}" for n, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}, **{c: f"{{}}^{n}" for n, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    "\u200c": "{}", "\u200d": "{}", "\u200e": "{}", **{c: rf"\{name}" for name, c in GREEK.items()},
}  # fmt: skip
_KNOWN = set(map(chr, range(0xA0, 0x180))) - set("ĦħĸĿŀŉŦŧſ¤¦¨¯´¸") | set("–—‘’‚“”„†‡•…‹›€")


def most_columns(body: str) -> list[int]:
    """The number of columns that a matrix must be able to have, if it exceeds the default of amsmath."""
    rows = re.findall(r"\\begin\{bmatrix\}(.*?)(?:\\\\|$)", body, re.M)
    found = max((row.count("&") + 1 for row in rows), default=0)
    return [found] if found > 10 else []  # no more than needed: each matrix costs time for every possible column


def packages(body: str) -> Iterator[str]:
    """The preamble lines required by the characters of a text."""
    foreign = sorted({c for c in body if ord(c) > 126})
    if wide := [c for c in foreign if unicodedata.east_asian_width(c) in "WF"]:
        yield "% East Asian text: needs the package ctex (texlive-lang-chinese); best compiled with xelatex"
        yield r"\usepackage[UTF8, scheme=plain]{ctex}"
    if foreign or r"\char34" in body:
        yield from (r"\ifdefined\Umathchar\else  % pdfTeX", r"\usepackage[T1]{fontenc}", r"\usepackage[utf8]{inputenc}")
        yield r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}"
        for c in (c for c in foreign if c not in _KNOWN and c not in wide):  # missing from pdfTeX's fonts
            shown = rf"\ensuremath{{{_MATH[c]}}}" if c in _MATH else rf"\texttt{{[U+{ord(c):04X}]}}"
            yield rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{{shown}}}"
        yield r"\fi"


#: Maximum length of a formula on one row of A4, and of a table row; maximum number of table rows in one piece.
ROOM, WIDE, LONG = 94, 84, 40
#: The same of tables in small type, whose pieces are side by side if they fit.
SMALL_WIDE, SMALL_LONG = 110, 20
#: Maximum length of a formula on one row of a fragment: the text of LaTeX's article is narrower.
NARROW = 66
#: Matrices with their brackets are wider than `widths` computes; on short lines that matters.
SPARE = 0.9
#: What stands beside the rest of a chain that is longer than its neighbour.
EMPTY = blocks.Chain((), ())
#: Reports with more source lines than this are longer than a page.
PAGE = 150

_SPECIAL = {
    **{c: "\\" + c for c in "_%#&${}"},
    **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}"},
    **{">": r"\textgreater{}", "|": r"\textbar{}", '"': r"{\char34}", "[": "{[}", "]": "{]}", "*": "{*}"},
    **{"\u202f": r"\,", "\u00a0": "~"},
    **{"-": "{-}", "`": "{`}", "'": "{'}"},  # no ligature, and no argument after the end of a line
}  # fmt: skip


@dataclass(frozen=True)
class LatexPrinter(PaperPrinter):
    """Prints blocks as LaTeX."""

    tex: Tex

    @property
    def given(self) -> int:
        """The room for given values; the brackets of six matrices are wider than `widths` computes (`rwkv7`)."""
        return self.room - 1 if self.tight and self.part is None else self.room

    def inline(self, part: blocks.Inline) -> str:
        """Words or a formula."""
        if isinstance(part, str):
            return literal(part)
        if isinstance(part, blocks.Code):
            return rf"\texttt{{{literal(part.text)}}}"
        return r"\dots" if isinstance(part, Dots) and part.way == "across" else f"${self.tex(part)}$"

    def heading(self, block: blocks.Heading) -> str:
        """A sectioning command, or bold text."""
        text = self.text(block.text)
        if self.part is None and block.level == 1:
            return rf"{{\{'Large' if self.tight else 'LARGE'}\bfseries {text}\par}}"
        level, star = (block.level - 1, "*") if self.part is None else (block.level, "*" if self.part.starred else "")
        deep = len(NAMES) if self.part is not None and level == self.part.number else NAMES.index("paragraph")
        return rf"\par\textbf{{{text}}}\par\nopagebreak" if level >= deep else rf"\{NAMES[level]}{star}{{{text}}}"

    def para(self, block: blocks.Para) -> str:
        """A paragraph."""
        return self.text(block.text)

    def items(self, block: blocks.Items) -> str:
        """A list."""
        rows = "\n".join(rf"\item {self.text(row)}" for row in block.rows)
        return f"\\begin{{itemize}}\n{rows}\n\\end{{itemize}}"

    def listing(self, block: blocks.Listing) -> str:
        """Literal lines."""
        indent = r"\ "
        rows = (indent * (len(row) - len(row.lstrip())) + literal(row.lstrip()) for row in block.rows)
        body = " \\\\\n".join(rows)
        return f"{{\\footnotesize\\ttfamily\\raggedright\\noindent\n{body}\\par}}"

    def table(self, block: blocks.Table) -> str:
        """Columns next to each other, split into several tables if they do not fit; long texts are wrapped."""
        tables, room = [], SMALL_WIDE if self.small else WIDE * self.room // ROOM
        for shown, cells in self.tables(block, room):
            rows = [" & ".join(row) + r" \\" for row in cells]
            head = [rows.pop(0), r"\hline"] if block.head else []
            long = {k for k, *column in zip(shown, *cells, strict=True) if max(map(len, column)) > room}
            words = {k: r"p{0.75\linewidth}" if k in long else "l" for k in block.texts}
            align = "".join(words.get(k, "r") for k in shown)
            most, tall = SMALL_LONG if self.small else LONG, self.small and len(rows) > SMALL_LONG
            inner = ("\n".join([*head, *rows[at : at + most]]) for at in range(0, len(rows), most))
            each = [f"\\begin{{tabular}}{'[t]' * tall}{{{align}}}\n{one}\n\\end{{tabular}}" for one in inner]
            pieces = "\n\\quad\n".join(each)
            tables += [f"{{\\raggedright\\clubpenalty0\n{pieces}\\par}}"] if tall else each
        return "\n\n".join(tables)

    def derivation(self, block: blocks.Derivation) -> str:
        """Lines in one display, which may be broken between pages after any of them."""
        how = self.tex, self.size, self.room, literal, r"\colon\quad", True
        lines = (" \\\\*\n".join(text for row in rows for text in layout.tex_rows(row, *how)) for rows in block.lines)
        body = " \\\\[4pt]\n".join(lines)
        return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"

    def premises(self, block: blocks.Premises) -> str:
        """Values in columns, if they fit; otherwise each row separately."""
        gap, found = layout.CLOSE if self.tight else layout.GAP, self.packed(block)
        rows = tex_equations(found, self.tex)
        most = max(map(len, rows))
        stacks = ([row[k] for row in found if k < len(row)] for k in range(most))
        widest = [max(2 + self.size(left) + self.size(right) for left, _, right in stack) for stack in stacks]
        aligned = sum(widest) + gap * (most - 1) <= self.given
        if self.tight:
            between = "$ & $" if aligned and most > 1 else r"\quad "
            align = r"@{}l" + r"@{\quad}l" * (most - 1 if aligned else 0) + "@{}"
            body = _below([f"${between.join(row)}$" for row in rows])
            return _close(f"\\begin{{tabular}}{{{align}}}\n{body}\n\\end{{tabular}}")
        kind, columns, between = ("alignat*", f"{{{most}}}", r" &\qquad &") if aligned else ("align*", "", r" \qquad ")
        body = " \\\\[8pt]\n".join(f"&{between.join(row)}" for row in rows)
        return f"\\begin{{{kind}}}{columns}\n{body}\n\\end{{{kind}}}"

    def chains(self, block: blocks.Chains) -> str:
        """Chains in boxes, so that none is split: two side by side, or one next to its name."""
        found = layout.laid_out(block, self.size, self.room)
        rows = []
        for row in found.rows:
            width, room = "0.49" if len(row) > 1 else "1", found.room(row)
            for beside in zip_longest(*(layout.on_pages(chain, self.size, room) for chain in row), fillvalue=EMPTY):
                names = [rf"\textbf{{{self.text(chain.title)}}}" if chain.title else "" for chain in beside]
                texts = [self._chain(chain, room) for chain in beside]
                if found.named:
                    # the lines of other chains are shorter
                    name, rest = ("0.15", "0.85") if self.part is None else ("0.2", "0.8")
                    rows.append(_box(name, rf"\raggedright{names[0]}\strut") + "%\n" + _box(rest, texts[0]))
                    continue
                named = (f"{name}\\\\[2pt]\n{text}" if name else text for name, text in zip(names, texts, strict=True))
                rows.append("%\n\\hfill\n".join(_box(width, text) for text in named))
        return _close("\n\n\\smallskip\n".join(rows))

    def _chain(self, chain: blocks.Chain, room: float) -> str:
        if not chain.rows:
            return ""
        body = " \\\\[2pt]\n".join(layout.tex_stretches(chain, self.tex, self.size, room, r"\rlap{$%s$}"))
        return f"$\\begin{{aligned}}[t]\n{body}\n\\end{{aligned}}$"

    def boxed(self, block: blocks.Boxed) -> str:
        """A frame as wide as its contents; tables are in two columns, each below its name."""
        named, several = layout.with_names(block)
        parts = [[row for one in part for row in self._in_box(one)] for part in named]
        if self.part is None and several:
            tables = [f"\\begin{{tabular}}[t]{{@{{}}l@{{}}}}\n{_below(rows)}\n\\end{{tabular}}" for rows in parts]
            parts = [[" \\qquad\n".join(tables[at : at + 2])] for at in range(0, len(tables), 2)]
        body = _below([row for rows in parts for row in rows])
        return _close(f"\\fbox{{\\begin{{tabular}}{{@{{\\,}}l@{{\\,}}}}\n{body}\n\\end{{tabular}}}}")

    def _in_box(self, block: blocks.Block) -> list[str]:
        """A block in rows of a table: displays become inline formulas."""
        if isinstance(block, blocks.Premises):
            rows = tex_equations(layout.packed(block, self.size, self.given, layout.CLOSE), self.tex)
            return [r"\qquad ".join(f"${text}$" for text in row) for row in rows]
        text = self(block)
        if isinstance(block, blocks.Derivation):
            return [f"${text.replace('{align*}', '{aligned}')}$"]
        return text.split("\n\n")

    def placed(self, before: blocks.Block | None, block: blocks.Block) -> str:
        """A block after another. A display belongs to the preceding paragraph; elsewhere TeX begins one with an empty
        line,
        which has no height."""
        text = self(block)
        if isinstance(block, blocks.Derivation) or (isinstance(block, blocks.Premises) and not self.tight):
            return f"\n{text}" if isinstance(before, blocks.Para) else f"\n\n\\nointerlineskip\n{text}"
        return f"\\par\\nopagebreak\n\n{text}" if isinstance(before, blocks.Para) and before.leads else f"\n\n{text}"


def _below(rows: list[str]) -> str:
    """Rows of a table with some space between them."""
    return " \\\\\\noalign{\\smallskip}\n".join(rows)


def _close(body: str) -> str:
    """A paragraph whose matrices have closely spaced columns."""
    return f"{{\\setlength{{\\arraycolsep}}{{3pt}}%\n{body}\\par}}"


def _box(width: str, body: str) -> str:
    return f"\\begin{{minipage}}[t]{{{width}\\linewidth}}\n{body}\n\\end{{minipage}}"


def literal(text: str) -> str:
    """Text that LaTeX prints literally.

    >>> literal("50 % of a_b"), literal("c\u0303_3")
    ('50 \\\\% of a\\\\_b', '\\\\~{c}\\\\_3')
    """
    text = unicodedata.normalize("NFC", printable(text).replace("\n", " ").replace("\t", " "))
    return re.sub("([A-Za-z])\u0303", r"\\~{\1}", "".join(_SPECIAL.get(c, c) for c in text))  # the candidate


def render(bodies: Sequence[blocks.Body]) -> str:
    """Reports as a LaTeX document."""
    several, tight, small = (len(bodies) > 1, all(body.tight for body in bodies), all(body.small for body in bodies))
    texts = [*map(_body, bodies)]
    if several:
        texts = [
            f"\\begin{{problem}}\n{text}\n\\end{{problem}}" if text.count("\n") < PAGE else f"\\newpage\n{text}"
            for text in texts
        ]
    body = "\n\n".join(texts)
    wide = [rf"\setcounter{{MaxMatrixCols}}{{{n}}}" for n in most_columns(body)]
    style = style_sheet("blocks.tex")
    head = style["document"].replace("MARGINS", "hmargin=2cm, vmargin=1.7cm" if tight else "margin=2cm")
    head = head.replace("SKIP", "3pt" if tight else "6pt") + (style["small"] if small else "")
    head += style["tight"] if tight else ""
    rows = [*([style["together"].rstrip()] if several else []), *wide, *packages(body)]
    preamble = head + "".join(f"{row}\n" for row in rows)
    return f"{preamble}\\begin{{document}}\n\n{body}\n\n\\end{{document}}\n"


def fragment(bodies: Sequence[blocks.Body], part: Level, room: int | None = None) -> str:
    r"""Reports as a file for `\input`; part: the level of its highest heading, already applied to the blocks."""
    body = "\n\n".join(_body(body, part, room or NARROW) for body in bodies)
    needed = "\n".join(f"%   {row}" for row in (r"\usepackage{amsmath}", *packages(body)))
    style = style_sheet("blocks.tex")
    group = style["fragment"] + (style["spaces"] if all(one.tight for one in bodies) else "")
    group += "".join(f"\\csname c@MaxMatrixCols\\endcsname={n}\\relax\n" for n in most_columns(body))
    return f"% Needed in the preamble:\n{needed}\n\\begingroup\n{group}\n{body}\n\n\\par\\endgroup\n"


def _body(body: blocks.Body, part: Level | None = None, room: int | None = None) -> str:
    format = replace(TEX, name=lambda name: rf"\text{{\ttfamily {literal(name)}}}")
    size = (layout.widths if body.tight else layout.sizes)(Plain(body.own))
    if room is None:
        room = round((layout.FULL if body.tight else ROOM) * (layout.SMALL if body.small else 1))
    elif body.tight:
        room = round(room * SPARE)
    printer = LatexPrinter(size, body.tight, part, room, body.small and part is None, Tex(body.own, format))
    return "".join(map(printer.placed, (None, *body.blocks), body.blocks)).lstrip("\n")
