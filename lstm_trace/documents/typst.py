"""Reports as a Typst document, and as the PDF that the `typst` package makes of it: no TeX, no network.

Typst's own fonts are embedded; those of the system serve only for characters that they lack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..base import fonts
from ..base.extras import missing
from ..errors import OptionError
from ..formulas.plain import Plain
from ..formulas.tree import Dots
from ..formulas.typst import TypstMath, string
from ..printable import printable
from . import blocks
from .drawings import bare, expression, light, size_of
from .layout import DEEPEST, FULL, Level, PaperPrinter, columns, laid_out, sizes, stretches, widths, with_names

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
class TypstPrinter(PaperPrinter):
    """Prints blocks as Typst. inset: the space around a cell of a table."""

    math: TypstMath
    inset: str

    def inline(self, part: blocks.Inline) -> str:
        """Words or a formula."""
        if isinstance(part, str):
            return f"#{string(part)};"
        if isinstance(part, blocks.Code):
            return f"#raw({string(part.text)});"
        return "…" if isinstance(part, Dots) and part.way == "across" else f"${self.math(part)}$"

    def heading(self, block: blocks.Heading) -> str:
        """A heading; below the deepest level bold text."""
        if block.level > DEEPEST:
            return f"#block(sticky: true, strong[{self.text(block.text)}])"
        number = ", numbering: none" if self.part is not None and self.part.starred else ""
        return f"#heading(level: {block.level}{number})[{self.text(block.text)}]"

    def para(self, block: blocks.Para) -> str:
        """A paragraph."""
        return f"#block(sticky: true)[{self.text(block.text)}]" if block.leads else self.text(block.text)

    def items(self, block: blocks.Items) -> str:
        """A list."""
        return f"#list({', '.join(f'[{self.text(row)}]' for row in block.rows)})"

    def listing(self, block: blocks.Listing) -> str:
        """Lines as they are."""
        rows = " \\\n".join(f"#raw({string(row)})" for row in block.rows)
        return f"#block[#set text(size: 0.9em)\n#set par(leading: 0.45em)\n{rows}]"

    def table(self, block: blocks.Table) -> str:
        """Columns next to each other, in several tables where they do not fit."""
        cells = [
            [f"[{self.text(cell)}]" for cell in row] for row in (*([block.head] if block.head else []), *block.rows)
        ]
        tables = []
        for shown in columns(block, self.size, WIDE):
            rows = [", ".join(row[k] for k in shown) for row in cells]
            head = [f"table.header({rows.pop(0)})", "table.hline(stroke: 0.5pt)"] if block.head else []
            inner, texts = ",\n  ".join([*head, *rows]), block.texts.intersection(shown)
            align = f"({', '.join('left' if k in texts else 'right' for k in shown)},)" if texts else "right"
            how = f"columns: {len(shown)}, align: {align}, stroke: none, inset: {self.inset}"
            tables.append(f"#table({how},\n  {inner},\n)")
        return "\n\n".join(tables)

    def picture(self, block: blocks.Picture) -> str:
        """The picture in its light colours, with its caption or to the right of its table."""
        svg = bare(block.drawing())
        if block.beside is None:
            return f"#{expression(light(svg), '100%')}\n\n{self.text((block.caption,))}"
        wide, tall = size_of(svg)
        image = expression(light(svg), f"{min(BESIDE[0], BESIDE[1] * wide / tall):.2f}cm")
        return f"#grid(columns: 2, column-gutter: 1.6em, align: top,\n[{self.table(block.beside)}],\n{image})"

    def derivation(self, block: blocks.Derivation) -> str:
        """Each row as a formula in a line of text, which goes on below at a sign where it is too long."""
        found = []
        for rows in block.lines:
            for row in rows:
                texts = (part.text if isinstance(part, blocks.Code) else part for part in row.left)
                left = "".join(string(part) if isinstance(part, str) else self.math(part) for part in texts)
                signs = (('":" quad ' if sign == ":" else f" {sign} ", node) for sign, node in row.parts)
                formula = left + "".join(sign + self.math(node) for sign, node in signs)
                found.append(f"#{'under' if row.under else 'first' if len(rows) > 1 else 'only'}[${formula}$]")
        return "#lines[\n" + "\n".join(found) + "\n]"

    def premises(self, block: blocks.Premises) -> str:
        """Values in a grid."""
        packed = self.packed(block)
        rows = [[f"[${self.math(left)} {sign} {self.math(right)}$]" for left, sign, right in items] for items in packed]
        most = max(map(len, rows))
        body = ",\n  ".join(", ".join(row + ["[]"] * (most - len(row))) for row in rows)
        return f"#given(columns: {most},\n  {body},\n)"

    def chains(self, block: blocks.Chains) -> str:
        """Chains that are not parted: two beside each other, or one beside its name."""
        layout = laid_out(block, self.size, self.room)
        cells = []
        for row in layout.rows:
            for chain in row:
                title = f"*{self.text(chain.title)}*" if chain.title else ""
                lines = [line for value in chain.rows for line in self._stretched(value, layout.room(row))]
                formulas = "$ " + " \\ ".join(lines) + " $"
                if layout.named:
                    cells += [f"one[{title}]", f"one[{formulas}]"]
                else:
                    cells.append(f"{'one' if len(row) > 1 else 'wide'}[{title} {formulas}]")
        return f"#chains({'named' if layout.named else 'beside'},\n  " + ",\n  ".join(cells) + ",\n)"

    def _stretched(self, row: blocks.Row, room: float) -> list[str]:
        """One value on the way, the signs below one another."""
        lines = [""] * len(found := stretches(row, self.size, room))
        lines[0] = "".join(self.math(part) for part in row.left if not isinstance(part, str | blocks.Code))
        for k, stretch in enumerate(found):
            for at, (sign, node) in enumerate(stretch):
                within = f"quad {sign}" if sign in "+-" else sign
                lines[k] += f" {'&' if at == 0 else ''}{within} {self.math(node)}"
        return lines

    def boxed(self, block: blocks.Boxed) -> str:
        """A frame; tables stand in two columns, each below its name."""
        named, several = with_names(block)
        parts = ["\n\n".join(map(self, part)) for part in named]
        if several:
            cells = ",\n".join(f"[{part}]" for part in parts)
            return f"#boxed(grid(columns: 2, column-gutter: 1.6em, row-gutter: 0.8em,\n{cells}))"
        return "#boxed[\n" + "\n\n".join(parts) + "\n]"


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
    room, inset = room or (FULL if body.tight else ROOM), _INSET if body.small else "4pt"
    return "\n\n".join(map(TypstPrinter(size, body.tight, part, room, TypstMath(body.own), inset), body.blocks))


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
