"""Reports as a Typst document, and as the PDF that the `typst` package makes of it: no TeX, no network.

Typst's own fonts are embedded; system fonts are used only for characters that they lack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..base import fonts
from ..base.extras import missing
from ..errors import OptionError
from ..formulas.plain import Plain
from ..formulas.tree import Dots, Written
from ..formulas.typst import TypstMath, string
from . import blocks, layout
from .drawings import bare, expression, light, size_of
from .layout import FULL, SMALL, Level, PaperPrinter, laid_out, style_sheet, with_names
from .terminal import TerminalPrinter

#: Maximum widths on A4: of given matrices side by side, and of table columns, normally, of a `tall` table, and of one
#: of a document in small type.
ROOM, WIDE, TALL_WIDE, SMALL_WIDE = 88, 94, 104, 112
#: In small type also of one that has texts: these are wrapped.
WRAPPED = 1000

#: Maximum width and height, in centimetres, of a picture next to a table.
BESIDE = 11.0, 8.5
#: Padding of a table cell, normally and in small type; a table of more rows than LONG is `tall`.
INSET, SMALL_INSET, LONG = "4pt", "(x: 2.6pt, y: 2pt)", 15


@dataclass(frozen=True)
class TypstPrinter(PaperPrinter):
    """Prints blocks as Typst."""

    math: TypstMath

    def inline(self, part: blocks.Inline) -> str:
        """Words or a formula."""
        if isinstance(part, str):
            return f"#{string(part)};"
        if isinstance(part, blocks.Code):
            return f"#raw({string(part.text)});"
        if isinstance(part, Dots) and part.way == "across":
            return "…"
        text = self.math(part)  # an author's fraction is within a line
        return f"${text.replace('display(', 'inline(') if isinstance(part, Written) else text}$"

    def heading(self, block: blocks.Heading) -> str:
        """A heading; below the deepest level bold text."""
        if block.level > layout.DEEPEST:
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
        """Literal lines."""
        rows = " \\\n".join(f"#raw({string(row)})" for row in block.rows)
        return f"#block[#set text(size: 0.9em)\n#set par(leading: 0.45em)\n{rows}]"

    def table(self, block: blocks.Table) -> str:
        """Columns next to each other, words wrapped, and split into several tables if they do not fit."""
        tables, long = [], len(block.rows) > LONG
        room = WRAPPED if self.small and block.texts else WIDE if not long else SMALL_WIDE if self.small else TALL_WIDE
        for shown, cells in self.tables(block, room, wraps=True):
            rows = [", ".join(f"[{cell}]" for cell in row) for row in cells]
            head = [f"table.header({rows.pop(0)})", "table.hline(stroke: 0.5pt)"] if block.head else []
            texts = block.texts.intersection(shown)
            align = f"({', '.join('left' if k in texts else 'right' for k in shown)},)" if texts else "right"
            how = f"columns: {len(shown)}, align: {align}"
            inset, above = SMALL_INSET if self.small else INSET, "".join(f"{part}, " for part in head)
            if long:
                how = f"#tall({how}, head: ({above})"
            else:
                how = f"#table({how}, stroke: none, inset: {inset}"
                rows = [*head, *rows]
            tables.append(f"{how},\n  " + ",\n  ".join(rows) + ",\n)")
        return "\n\n".join(tables)

    def picture(self, block: blocks.Picture) -> str:
        """The picture in its light colours, with its caption, or to the right of its table."""
        svg = bare(block.drawing())
        if block.beside is None:
            image, caption = expression(light(svg), "85%" if self.small else "100%"), self.text((block.caption,))
            return f"#{image}\n\n{caption}" if block.caption else f"#{image}"
        wide, tall = size_of(svg)
        image = expression(light(svg), f"{min(BESIDE[0], BESIDE[1] * wide / tall):.2f}cm")
        return f"#grid(columns: 2, column-gutter: 1.6em, align: top,\n[{self.table(block.beside)}],\n{image})"

    def derivation(self, block: blocks.Derivation) -> str:
        """Each row as a formula within a line of text, which continues below at a sign if it is too long."""
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
        """Chains that are not split: two side by side, or one next to its name."""
        found = laid_out(block, self.size, self.room)
        cells = []
        for row in found.rows:
            for chain in row:
                title = f"*{self.text(chain.title)}*" if chain.title else ""
                left = layout.symbols_of(chain, self.size)
                lines = [line for value in chain.rows for line in self._stretched(value, found.room(row), left)]
                formulas = "$ " + " \\ ".join(lines) + " $"
                long = "(long: true)" * (layout.height(chain, self.size, found.room(row)) > layout.TALL)
                if found.named:
                    cells += [f"one{long}[{title}]", f"one{long}[{formulas}]"]
                else:
                    cells.append(f"{'one' if len(row) > 1 else 'wide'}{long}[{title} {formulas}]")
        return f"#chains({'named' if found.named else 'beside'},\n  " + ",\n  ".join(cells) + ",\n)"

    def _stretched(self, row: blocks.Row, room: float, left: float) -> list[str]:
        """One intermediate value, with the signs below one another."""
        lines = [""] * len(found := layout.stretches(row, self.size, room, left))
        lines[0] = "".join(self.math(part) for part in row.left if not isinstance(part, str | blocks.Code))
        for k, stretch in enumerate(found):
            for at, (sign, node) in enumerate(stretch):
                within = f"quad {sign}" if sign in layout.TEX_LEADS else sign
                lines[k] += f" {'&' if at == 0 else ''}{within} {self.math(node)}"
        return lines

    def boxed(self, block: blocks.Boxed) -> str:
        """A frame; tables are in two columns, each below its name."""
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
    titles = (block.text for block in bodies[0].blocks if isinstance(block, blocks.Heading))
    title = TerminalPrinter(Plain(bodies[0].own), 80).text(next(titles, ()))
    families = ", ".join(map(string, ("New Computer Modern", *fonts.families(title + body))))
    lang = language.partition("-")[0]  # Typst knows pt, not pt-BR
    above, below, height = ("1em", "0.55em", "26.7cm") if tight or small else ("1.6em", "0.9em", "25.7cm")
    style = style_sheet("blocks.typ")
    given = {"title": string(title), "fonts": families + ",", "lang": lang, "above": above, "below": below}
    head = style["document"].format(**given) + style["blocks"] + fonts.sized(title + body)
    head += style["tall"] if "#tall(" in body else ""
    head += style["small"] + style["fitted"] if small else ""
    head += style["tight"] + style["close"] if tight else ""
    head += style["together"].replace("HEIGHT", height) if several else ""
    return f"{head}\n{body}\n"


def fragment(bodies: Sequence[blocks.Body], part: Level, room: int | None = None) -> str:
    """Reports as a file for `#include`; part: the level of its highest heading, already applied to the blocks."""
    body = "\n\n".join(_body(body, part, room) for body in bodies)
    style = style_sheet("blocks.typ")
    tall = style["tall"] if "#tall(" in body else ""
    return f"{style['blocks']}{tall}{style['close'] if all(body.tight for body in bodies) else ''}\n{body}\n"


def _body(body: blocks.Body, part: Level | None = None, room: int | None = None) -> str:
    size = (layout.widths if body.tight else layout.sizes)(Plain(body.own))
    wide = room or round((FULL if body.tight else ROOM) * (SMALL if body.small else 1))
    return "\n\n".join(map(TypstPrinter(size, body.tight, part, wide, body.small, TypstMath(body.own)), body.blocks))


def pdf(source: str) -> bytes:
    """A document as PDF. Raises OptionError if the extra `[pdf]` or a font is missing."""
    try:
        import typst
    except ImportError:
        raise OptionError(missing("PDF", "typst", "write .html and print it")) from None
    fonts.check(source, "this report", ".html or .md")
    return bytes(typst.compile(source.encode(), format="pdf", ignore_system_fonts=not fonts.uncommon(source)))
