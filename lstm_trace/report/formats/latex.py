"""Reports as a plain LaTeX article: amsmath and geometry, nothing more; long displays go on over pages.

Every text of a problem is escaped. Characters that pdfTeX has no glyph for stand as their code in brackets, so that
the file compiles; Chinese needs the ctex package, which the preamble names then.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...formulas.blocks import (
    Block,
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
from ...formulas.tex import TEX, Tex
from ...formulas.tree import Dots, Node
from ...formulas.user_tex import GREEK
from ...printable import printable
from ..compact.width import widths
from .line_breaking import CLOSE, FULL, TEX_SIGNS, columns, laid_out, packed, sizes, tex_rows, tex_stretches, with_names

#: So many characters of a formula stand on one row of A4, and of a table; so many rows of a table on one page.
ROOM, WIDE, LONG = 78, 84, 40

_HEADINGS = {1: r"{\LARGE\bfseries %s\par}", 2: r"\section*{%s}", 3: r"\subsection*{%s}", 4: r"\subsubsection*{%s}"}
#: Less space around headings, displays and items, and smaller headings.
_TIGHT = (
    r"\makeatletter",
    *(
        rf"\renewcommand{{\{name}}}{{\@startsection{{{name}}}{{{level}}}{{0pt}}{{{above}}}{{2pt}}{{{font}}}}}"
        for name, level, above, font in (
            ("section", 1, r"7pt plus 2pt", r"\normalfont\large\bfseries"),
            ("subsection", 2, r"4pt plus 2pt", r"\normalfont\normalsize\bfseries"),
        )
    ),
    r"\renewcommand{\@listI}{\leftmargin\leftmargini \topsep 0pt \parsep 0pt \itemsep 2pt}",
    r"\let\@listi\@listI",
    r"\makeatother",
    r"\AtBeginDocument{%",
    *(rf"  \setlength{{\{side}displayskip}}{{4pt plus 2pt}}%" for side in ("above", "below")),
    *(rf"  \setlength{{\{side}displayshortskip}}{{4pt plus 2pt}}%" for side in ("above", "below")),
    r"}",
)
_TITLE = r"{\Large\bfseries %s\par}"
_SPECIAL = {
    **{c: "\\" + c for c in "_%#&${}"},
    **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}"},
    **{">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}"},
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
    tex: Tex
    plain: Plain
    size: Callable[[Node], float]
    tight: bool

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


def render(blocks: Iterable[Block], own: Mapping[str, Any], tight: bool = False) -> str:
    """The blocks as a LaTeX document. own: symbols of some names. tight: whether paper is to be saved."""
    plain = Plain(own)
    format = replace(TEX, name=lambda name: rf"\text{{\ttfamily {literal(name)}}}")
    printer = _Printer(Tex(own, format), plain, (widths if tight else sizes)(plain), tight)
    body = "\n\n".join(LATEX[type(block)](printer, block) for block in blocks)
    return f"{_preamble(body, tight)}\n\\begin{{document}}\n\n{body}\n\n\\end{{document}}\n"


def _preamble(body: str, tight: bool) -> str:
    rows = [
        r"\documentclass[fleqn]{article}",
        rf"\usepackage[a4paper, {'hmargin=2cm, vmargin=1.7cm' if tight else 'margin=2cm'}]{{geometry}}",
        r"\usepackage{amsmath}",
        r"\allowdisplaybreaks",
        r"\setlength{\parindent}{0pt}",
        rf"\setlength{{\parskip}}{{{'3pt' if tight else '6pt'}}}",
        r"\setlength{\mathindent}{1em}",
        r"\renewcommand{\labelitemi}{$\bullet$}",
        *(_TIGHT if tight else ()),
    ]
    columns = max(
        (row.count("&") + 1 for row in re.findall(r"\\begin\{bmatrix\}(.*?)(?:\\\\|$)", body, re.M)), default=0
    )
    if columns > 10:  # no more than needed: each matrix costs time for every column that it may have
        rows.append(rf"\setcounter{{MaxMatrixCols}}{{{columns}}}")
    foreign = sorted({c for c in body if ord(c) > 126})
    wide = [c for c in foreign if unicodedata.east_asian_width(c) in "WF"]
    if wide:
        rows += ["% East Asian text: needs the package ctex (texlive-lang-chinese); best compiled with xelatex"]
        rows += [r"\usepackage[UTF8, scheme=plain]{ctex}"]
    if foreign or r"\textquotedbl" in body:
        rows += [r"\ifdefined\Umathchar\else  % pdfTeX", r"\usepackage[T1]{fontenc}", r"\usepackage[utf8]{inputenc}"]
        rows += [r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}"]
        rows += [_declared(c) for c in foreign if c not in _KNOWN and c not in wide]
        rows += [r"\fi"]
    return "\n".join(rows)


def _declared(c: str) -> str:
    """What pdfTeX prints for a character that its fonts do not have."""
    shown = rf"\ensuremath{{{_MATH[c]}}}" if c in _MATH else rf"\texttt{{[U+{ord(c):04X}]}}"
    return rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{{shown}}}"


def _heading(p: _Printer, block: Heading) -> str:
    return (_TITLE if p.tight and block.level == 1 else _HEADINGS[block.level]) % p.text(block.text)


def _items(p: _Printer, block: Items) -> str:
    rows = "\n".join(rf"\item {p.text(row)}" for row in block.rows)
    return f"\\begin{{itemize}}\n{rows}\n\\end{{itemize}}"


def _table(p: _Printer, block: Table) -> str:
    """Columns next to each other, in several tables where they do not fit."""
    cells = [[p.text(cell) for cell in row] for row in (block.head, *block.rows)]
    tables = []
    for shown in columns(block, p.size, WIDE):
        head, *rows = [" & ".join(row[k] for k in shown) + r" \\" for row in cells]
        for at in range(0, len(rows), LONG):
            inner = "\n".join([head, r"\hline", *rows[at : at + LONG]])
            tables.append(f"\\begin{{tabular}}{{{'r' * len(shown)}}}\n{inner}\n\\end{{tabular}}")
    return "\n\n".join(tables)


def _derivation(p: _Printer, block: Derivation) -> str:
    lines = [
        (r" \\*" + "\n").join(
            text for row in rows for text in tex_rows(row, p.tex, p.size, ROOM, literal, r"\colon\quad")
        )
        for rows in block.lines
    ]
    body = " \\\\[4pt]\n".join(lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _premises(p: _Printer, block: Premises) -> str:
    if p.tight:
        rows = [[f"${p.tex(left)} {TEX_SIGNS[sign]} {p.tex(right)}$" for left, sign, right in items]
                for items in packed(block, p.size, FULL + 2, CLOSE)]  # fmt: skip
        body = _below([" & ".join(row) for row in rows])
        columns = r"@{}l" + r"@{\quad}l" * (max(map(len, rows)) - 1) + "@{}"
        return (
            f"{{\\setlength{{\\arraycolsep}}{{3pt}}%\n\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\\par}}"
        )
    rows = [
        [f"&{p.tex(left)} {TEX_SIGNS[sign]} {p.tex(right)}" for left, sign, right in items]
        for items in packed(block, p.size, ROOM)
    ]
    body = " \\\\[8pt]\n".join(r" &\qquad ".join(row) for row in rows)
    return f"\\begin{{alignat*}}{{{max(map(len, rows))}}}\n{body}\n\\end{{alignat*}}"


def _chains(p: _Printer, block: Chains) -> str:
    """Chains in boxes, so that none is parted: two beside each other, or one beside its name."""
    layout = laid_out(block, p.size)
    rows = []
    for row in layout.rows:
        width, texts = "0.49" if len(row) > 1 else "1", [_chain(p, chain, layout.room(row)) for chain in row]
        names = [rf"\textbf{{{p.text(chain.title)}}}" if chain.title else "" for chain in row]
        if layout.named:
            rows.append(_box("0.15", rf"\raggedright{names[0]}\strut") + "%\n" + _box("0.85", texts[0]))
            continue
        named = [f"{name}\\\\[2pt]\n{text}" if name else text for name, text in zip(names, texts, strict=True)]
        rows.append("%\n\\hfill\n".join(_box(width, text) for text in named))
    return _close("\n\n\\smallskip\n".join(rows))


def _close(body: str) -> str:
    """A paragraph whose matrices have their columns close to each other."""
    return f"{{\\setlength{{\\arraycolsep}}{{3pt}}%\n{body}\\par}}"


def _box(width: str, body: str) -> str:
    return f"\\begin{{minipage}}[t]{{{width}\\linewidth}}\n{body}\n\\end{{minipage}}"


def _chain(p: _Printer, chain: Chain, room: float) -> str:
    lines = [line for one in chain.rows for line in tex_stretches(one, p.tex, p.size, room)]
    body = " \\\\[2pt]\n".join(lines)
    return f"$\\begin{{aligned}}[t]\n{body}\n\\end{{aligned}}$"


def _boxed(p: _Printer, block: Boxed) -> str:
    """A frame as wide as what stands in it; tables stand in two columns, each below its name."""
    parts = [[row for one in part for row in _in_box(p, one)] for part in with_names(block)]
    if len(parts) > 1 and all(isinstance(part[-1], Table) for part in with_names(block)):
        tables = [f"\\begin{{tabular}}[t]{{@{{}}l@{{}}}}\n{_below(rows)}\n\\end{{tabular}}" for rows in parts]
        parts = [[" \\qquad\n".join(tables[at : at + 2])] for at in range(0, len(tables), 2)]
    body = _below([row for rows in parts for row in rows])
    return _close(f"\\fbox{{\\begin{{tabular}}{{@{{\\,}}l@{{\\,}}}}\n{body}\n\\end{{tabular}}}}")


def _below(rows: list[str]) -> str:
    """Rows of a table with some space between them."""
    return " \\\\\\noalign{\\smallskip}\n".join(rows)


def _in_box(p: _Printer, block: Block) -> list[str]:
    """A block in rows of a table: displays as formulas in a line."""
    if isinstance(block, Premises):
        rows = [[f"${p.tex(left)} {TEX_SIGNS[sign]} {p.tex(right)}$" for left, sign, right in items]
                for items in packed(block, p.size, FULL + 2, CLOSE)]  # fmt: skip
        return [r"\qquad ".join(row) for row in rows]
    text = LATEX[type(block)](p, block)
    if isinstance(block, Derivation):
        text = text.replace("{align*}", "{aligned}")
        return [f"${text}$"]
    return text.split("\n\n")


LATEX: dict[type, Callable[[_Printer, Any], str]] = {
    Heading: _heading,
    Para: lambda p, block: p.text(block.text) + (r"\par\nopagebreak" if block.leads else ""),
    Items: _items,
    Table: _table,
    Derivation: _derivation,
    Premises: _premises,
    Chains: _chains,
    Boxed: _boxed,
}
