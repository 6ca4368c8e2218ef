"""What stands before a LaTeX document and within a fragment: packages, spaces, and characters that are declared."""

from __future__ import annotations

import re
import unicodedata

from ...formulas.user_tex import GREEK

#: Characters that T1 has not, and mathematics has.
_MATH = {
    "≥": r"\geq", "≤": r"\leq", "≈": r"\approx", "←": r"\leftarrow", "→": r"\rightarrow", "⊙": r"\odot", "∞": r"\infty",
    "−": "-", "×": r"\times", "␣": r"\text{\textvisiblespace}", "↵": r"\hookleftarrow", "⇥": r"\mapsto", "◌": r"\circ",
    **{c: f"{{}}_{n}" for n, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}, **{c: f"{{}}^{n}" for n, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    "\u200c": "{}", "\u200d": "{}", "\u200e": "{}", **{c: rf"\{name}" for name, c in GREEK.items()},
}  # fmt: skip
_KNOWN = set(map(chr, range(0xA0, 0x180))) - set("ĦħĸĿŀŉŦŧſ¤¦¨¯´¸") | set("–—‘’‚“”„†‡•…‹›€")


def document_class(tight: bool) -> list[str]:
    """The class of a document, and how it is set. tight: whether paper is to be saved."""
    return [
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


#: How a fragment is set, by assignments that end with its group: displays stand at the left, as with fleqn.
LOCAL = (
    r"\allowdisplaybreaks",
    r"\setlength{\parindent}{0pt}",
    r"\setlength{\parskip}{4pt plus 1pt}",
    r"\emergencystretch=2em  % a number in a sentence cannot be broken",
    r"\csname @fleqntrue\endcsname\csname @mathmargin\endcsname=1em\relax  % formulas at the left",
)
#: One of several reports goes on where it fits on the rest of the page, and begins on a new one where it does not.
TOGETHER = (
    r"\newsavebox{\problembox}",
    r"\newenvironment{problem}{\par\setbox\problembox=\vbox\bgroup}{\par\egroup",
    r"  \ifdim\ht\problembox>\textheight\newpage\unvbox\problembox\else\box\problembox\fi}",
)
#: Less space around displays.
SPACES = tuple(
    rf"\setlength{{\{side}display{kind}skip}}{{4pt plus 2pt}}" for kind in ("", "short") for side in ("above", "below")
)
#: Less space around headings, displays and items, and smaller headings.
_TIGHT = (
    r"\makeatletter",
    *(
        rf"\renewcommand{{\{name}}}{{\@startsection{{{name}}}{{{level}}}{{0pt}}{{{above}}}{{2pt}}{{{font}}}}}"
        for name, level, above, font in (
            ("section", 1, r"7pt plus 2pt", r"\normalfont\large\bfseries"),
            ("subsection", 2, r"4pt plus 2pt", r"\normalfont\normalsize\bfseries"),
            ("subsubsection", 3, r"3pt plus 2pt", r"\normalfont\normalsize\bfseries"),
        )
    ),
    r"\renewcommand{\@listI}{\leftmargin\leftmargini \topsep 0pt \parsep 0pt \itemsep 2pt}",
    r"\let\@listi\@listI",
    r"\makeatother",
    r"\AtBeginDocument{%",
    *(f"  {row}%" for row in SPACES),
    r"}",
)


def most_columns(body: str) -> list[int]:
    """How many columns a matrix must be able to have, where they are more than amsmath expects."""
    rows = re.findall(r"\\begin\{bmatrix\}(.*?)(?:\\\\|$)", body, re.M)
    found = max((row.count("&") + 1 for row in rows), default=0)
    return [found] if found > 10 else []  # no more than needed: each matrix costs time for every column it may have


def packages(body: str) -> list[str]:
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
