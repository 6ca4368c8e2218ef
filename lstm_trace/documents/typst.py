"""Reports as a Typst document, and as the PDF that the `typst` package makes of it: no TeX, no network.

Typst's own fonts are embedded; those of the system serve only for characters that they lack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..base import fonts
from ..base.extras import missing
from ..errors import OptionError
from ..formulas.plain import Plain
from ..formulas.tree import Dots, Node
from ..formulas.typst import TypstMath, string
from ..printable import printable
from . import blocks
from .drawings import bare, expression, light, size_of
from .layout import CLOSE, DEEPEST, FULL, GAP, Level, columns, laid_out, packed, sizes, stretches, widths, with_names

#: So many characters stand side by side on A4: given matrices, and columns of a table.
ROOM, WIDE = 88, 84

#: Centimetres that a picture beside a table has at most, in width and in height.
BESIDE = 11.0, 8.5

_PREAMBLE = """\
#set document(title: {title}, date: none)
#set page(paper: "a4", margin: 2cm, numbering: "1 / 1")
#set text(font: ({fonts}), size: 10pt, lang: "{lang}")
#show math.equation: set text(font: ("New Computer Modern Math", {fonts}))
#show heading.where(level: 1): set text(size: 1.25em)
#show heading: set block(above: {above}, below: {below})
#set par(leading: 0.6em, spacing: 1.1em)
"""
_DEFINED = """\
#let edges = (top-edge: "bounds", bottom-edge: "bounds")
#let line(above, body, ..more) = block(above: above, below: 0.75em, ..more, {
  set text(..edges)
  par(hanging-indent: 2.5em, leading: 0.75em, body)
})
#let first(body) = line(1.2em, body, sticky: true)
#let only(body) = line(1.2em, body)
#let under(body) = line(0.75em, body, inset: (left: 1.5em))
#let lines(body) = block(above: 1.2em, below: 1.2em, body)
#let given(..args) = block(above: 1.2em, below: 1.2em, {
  set text(..edges)
  grid(column-gutter: 2em, row-gutter: 1em, align: left + horizon, ..args)
})
#let chains(columns, ..cells) = block(above: 0.8em, below: 0.8em, {
  show math.equation: set align(start)
  show math.equation.where(block: true): set block(above: 0.5em, below: 0em, breakable: false)
  grid(columns: columns, column-gutter: 1em, row-gutter: 0.5em, align: left + horizon, ..cells)
})
#let beside = (1fr, 1fr)
#let named = (15%, 1fr)
#let one(body) = grid.cell(breakable: false, body)
#let wide(body) = grid.cell(breakable: false, colspan: 2, body)
#let boxed(body) = block(stroke: 0.5pt, inset: 6pt, above: 0.9em, below: 0.9em, breakable: false, {
  set block(above: 0.6em, below: 0.6em)
  body
})
"""
#: Less space, in a document and in what the blocks are made of.
_TIGHT = """\
#set page(margin: (x: 2cm, y: 1.5cm))
#set par(spacing: 0.7em)
#show heading.where(level: 1): set text(size: 0.85em)
#show heading.where(level: 2): set text(size: 0.95em)
#show table: set block(breakable: false)
"""
#: Smaller letters, and less space within tables and between paragraphs.
_SMALL, _INSET = "#set text(size: 9pt)\n#set page(margin: (x: 2cm, y: 1.5cm))\n#set par(spacing: 0.7em)\n", "2.6pt"
#: One report is set so small that a page holds it, as long as it can be read; what needs more pages is not.
_FITTED = """\
#let fitted(body) = context {
  let fits(size) = measure(width: 17cm, text(size: size, body)).height <= 26.7cm
  let size = (9pt, 8.5pt, 8pt).find(fits)
  set text(size: if size == none { 9pt } else { size })
  body
}
"""
_CLOSE = """\
#let given(..args) = block({
  set text(..edges)
  grid(column-gutter: 1.3em, row-gutter: 0.5em, align: left + horizon, ..args)
})
"""
#: One of several reports goes on where it fits on the rest of the page, and begins on a new one where it does not.
_TOGETHER = """\
#let problem(body) = context {
  if measure(width: 17cm, body).height > HEIGHT {
    pagebreak(weak: true)
    body
  } else {
    block(above: 2.6em, breakable: false, body)
  }
}
"""


@dataclass(frozen=True)
class _Printer:
    """part: the level of a fragment, None in a document; room: how much of a formula stands on one row."""

    math: TypstMath
    size: Callable[[Node], float]
    tight: bool
    part: Level | None
    room: int
    inset: str = "4pt"

    def text(self, text: blocks.Text) -> str:
        """Words and formulas in running text."""
        return "".join(map(self._inline, text))

    def _inline(self, part: blocks.Inline) -> str:
        if isinstance(part, str):
            return f"#{string(part)};"
        if isinstance(part, blocks.Code):
            return f"#raw({string(part.text)});"
        return "…" if isinstance(part, Dots) and part.way == "across" else f"${self.math(part)}$"


def render(bodies: Sequence[blocks.Body], language: str = "en") -> str:
    """Reports as the source of a document."""
    several, tight, small = (len(bodies) > 1, all(body.tight for body in bodies), all(body.small for body in bodies))
    how = "#problem" if several else "#fitted" if small else ""
    body = "\n\n".join(f"{how}[\n{text}\n]" if how else text for text in map(_body, bodies))
    plain = Plain(bodies[0].own)
    title = printable(next((plain_text(b.text, plain) for b in bodies[0].blocks if isinstance(b, blocks.Heading)), ""))
    families = ", ".join(map(string, ("New Computer Modern", *fonts.families(title + body))))
    lang = language.partition("-")[0]  # of pt-BR Typst knows pt
    above, below, height = ("1em", "0.55em", "26.7cm") if tight or small else ("1.6em", "0.9em", "25.7cm")
    spaces = {"above": above, "below": below}
    head = _PREAMBLE.format(title=string(title), fonts=families + ",", lang=lang, **spaces) + _DEFINED
    head += fonts.sized(title + body)
    head += _SMALL + _FITTED if small else ""
    head += (_TIGHT + _CLOSE if tight else "") + (_TOGETHER.replace("HEIGHT", height) if several else "")
    return f"{head}\n{body}\n"


def fragment(bodies: Sequence[blocks.Body], part: Level, room: int | None = None) -> str:
    """Reports as a file for `#include`; part: the level of its highest heading, which the blocks have already."""
    body = "\n\n".join(_body(body, part, room) for body in bodies)
    return f"{_DEFINED}{_CLOSE if all(body.tight for body in bodies) else ''}\n{body}\n"


def _body(body: blocks.Body, part: Level | None = None, room: int | None = None) -> str:
    size = (widths if body.tight else sizes)(Plain(body.own))
    printer = _Printer(TypstMath(body.own), size, body.tight, part, room or (FULL if body.tight else ROOM))
    printer = replace(printer, inset=_INSET) if body.small else printer
    return "\n\n".join(BLOCKS[type(block)](printer, block) for block in body.blocks)


def _heading(p: _Printer, block: blocks.Heading) -> str:
    if block.level > DEEPEST:
        return f"#block(sticky: true, strong[{p.text(block.text)}])"
    number = ", numbering: none" if p.part is not None and p.part.starred else ""
    return f"#heading(level: {block.level}{number})[{p.text(block.text)}]"


def pdf(source: str) -> bytes:
    """A document as PDF. Raises OptionError where the extra `[pdf]` or a font is missing."""
    try:
        import typst
    except ImportError:
        raise OptionError(missing("PDF", "typst", "write .html and print it")) from None
    fonts.check(source, "this report", ".html or .md")
    common = not fonts.uncommon(source)
    found: bytes = typst.compile(source.encode(), format="pdf", ignore_system_fonts=common)
    return found


def plain_text(text: blocks.Text, plain: Plain) -> str:
    """Words and formulas as plain text."""
    return "".join(p if isinstance(p, str) else p.text if isinstance(p, blocks.Code) else plain(p) for p in text)


def _table(p: _Printer, block: blocks.Table) -> str:
    """Columns next to each other, in several tables where they do not fit."""
    cells = [[f"[{p.text(cell)}]" for cell in row] for row in (*([block.head] if block.head else []), *block.rows)]
    tables = []
    for shown in columns(block, p.size, WIDE):
        rows = [", ".join(row[k] for k in shown) for row in cells]
        head = [f"table.header({rows.pop(0)})", "table.hline(stroke: 0.5pt)"] if block.head else []
        inner, texts = ",\n  ".join([*head, *rows]), block.texts.intersection(shown)
        align = f"({', '.join('left' if k in texts else 'right' for k in shown)},)" if texts else "right"
        tables.append(f"#table(columns: {len(shown)}, align: {align}, stroke: none, inset: {p.inset},\n  {inner},\n)")
    return "\n\n".join(tables)


def _picture(p: _Printer, block: blocks.Picture) -> str:
    """The picture with its caption, or to the right of its table."""
    if block.beside is None:
        return f"#{_image(block.drawing(), '100%')}\n\n{p.text((block.caption,))}"
    wide, tall = size_of(bare(svg := block.drawing()))
    width = f"{min(BESIDE[0], BESIDE[1] * wide / tall):.2f}cm"
    return f"#grid(columns: 2, column-gutter: 1.6em, align: top,\n[{_table(p, block.beside)}],\n{_image(svg, width)})"


def _image(svg: str, width: str) -> str:
    """A picture, drawn by Typst itself in its light colours."""
    return expression(light(bare(svg)), width)


def _listing(p: _Printer, block: blocks.Listing) -> str:
    rows = (f"#raw({string(row)})" for row in block.rows)
    return "#block[#set text(size: 0.9em)\n#set par(leading: 0.45em)\n" + " \\\n".join(rows) + "]"


def _derivation(p: _Printer, block: blocks.Derivation) -> str:
    found = []
    for rows in block.lines:
        start = "first" if len(rows) > 1 else "only"
        found += [f"#{'under' if row.under else start}[{_row(p, row)}]" for row in rows]
    return "#lines[\n" + "\n".join(found) + "\n]"


def _row(p: _Printer, row: blocks.Row) -> str:
    """One row as a formula in a line of text, which goes on below at a sign where it is too long."""
    text = "".join(
        string(part) if isinstance(part, str) else string(part.text) if isinstance(part, blocks.Code) else p.math(part)
        for part in row.left
    )
    for sign, node in row.parts:
        text += '":" quad ' if sign == ":" else f" {sign} "
        text += p.math(node)
    return f"${text}$"


def _premises(p: _Printer, block: blocks.Premises) -> str:
    rows = [
        [f"[${p.math(left)} {sign} {p.math(right)}$]" for left, sign, right in items]
        for items in packed(
            block, p.size, p.room + 2 if p.tight and p.part is None else p.room, CLOSE if p.tight else GAP
        )
    ]
    most = max(map(len, rows))
    body = ",\n  ".join(", ".join(row + ["[]"] * (most - len(row))) for row in rows)
    return f"#given(columns: {most},\n  {body},\n)"


def _chains(p: _Printer, block: blocks.Chains) -> str:
    """Chains that are not parted: two beside each other, or one beside its name."""
    layout = laid_out(block, p.size, p.room)
    cells = []
    for row in layout.rows:
        for chain in row:
            title = f"*{p.text(chain.title)}*" if chain.title else ""
            formulas = _chain(p, chain, layout.room(row))
            if layout.named:
                cells += [f"one[{title}]", f"one[{formulas}]"]
            else:
                cells.append(f"{'one' if len(row) > 1 else 'wide'}[{title} {formulas}]")
    return f"#chains({'named' if layout.named else 'beside'},\n  " + ",\n  ".join(cells) + ",\n)"


def _chain(p: _Printer, chain: blocks.Chain, room: float) -> str:
    lines = [line for row in chain.rows for line in _stretched(p, row, room)]
    return "$ " + " \\ ".join(lines) + " $"


def _stretched(p: _Printer, row: blocks.Row, room: float) -> list[str]:
    """One value on the way, the signs below one another."""
    lines = []
    for k, stretch in enumerate(stretches(row, p.size, room)):
        text = "".join(p.math(part) for part in row.left if not isinstance(part, str | blocks.Code)) if k == 0 else ""
        for at, (sign, node) in enumerate(stretch):
            within = f"quad {sign}" if sign in "+-" else sign
            text += f" {'&' if at == 0 else ''}{within} {p.math(node)}"
        lines.append(text)
    return lines


def _boxed(p: _Printer, block: blocks.Boxed) -> str:
    """A frame; tables stand in two columns, each below its name."""
    parts = ["\n\n".join(BLOCKS[type(one)](p, one) for one in part) for part in with_names(block)]
    if len(parts) > 1 and all(isinstance(part[-1], blocks.Table) for part in with_names(block)):
        return (
            "#boxed(grid(columns: 2, column-gutter: 1.6em, row-gutter: 0.8em,\n"
            + ",\n".join(f"[{x}]" for x in parts)
            + "))"
        )
    return "#boxed[\n" + "\n\n".join(parts) + "\n]"


BLOCKS: dict[type, Callable[[_Printer, Any], str]] = {
    blocks.Heading: _heading,
    blocks.Para: lambda p, block: f"#block(sticky: true)[{p.text(block.text)}]" if block.leads else p.text(block.text),
    blocks.Items: lambda p, block: f"#list({', '.join(f'[{p.text(row)}]' for row in block.rows)})",
    blocks.Table: _table,
    blocks.Stacked: lambda p, block: _table(p, block.table),
    blocks.Listing: _listing,
    blocks.Derivation: _derivation,
    blocks.Premises: _premises,
    blocks.Chains: _chains,
    blocks.Boxed: _boxed,
    blocks.Picture: _picture,
}
