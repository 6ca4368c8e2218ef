"""The blocks of a report as HTML: every computed number has an id on the page, and every use of it links there.

All text is escaped; a name or title of a problem cannot become markup.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..base.display import escape
from ..base.packaged import asset
from ..formulas.mathml import MATHML, MathML, input_field, math
from ..formulas.plain import Plain
from ..formulas.tree import Dots, Field, Key, Mat, Node, Num, Vec, broken
from ..trace.address import address, origin
from ..trace.labels import counted_address
from ..trace.trace import Trace
from . import blocks
from .drawings import unstyled
from .layout import FULL, Width, laid_out, sizes, widths, with_names

#: Maximum length of a sum that is kept on one line; a longer one may be broken.
ROOM = 26


@dataclass
class HtmlPrinter(blocks.BlockPrinter):
    """Prints the blocks of the report of `trace`, and remembers where each number was computed.

    own: symbols given by the author. made: number to the id of the element in which it was computed, and the number.
    making: whether the current output computes its numbers, or uses them. mark: prefix of the ids in one of several
    reports on a page, to keep them unique. lower: how far its headings are below those of the page. linked: whether
    numbers have ids and links at all. jumps: the ids of steps, by place. loose: the numbers that follow from values and
    have neither id nor link, whose elements have their places in this list; None if they are not collected.
    """

    trace: Trace | None
    own: Mapping[str, str] = field(default_factory=dict)
    made: dict[Key, tuple[str, Num]] = field(default_factory=dict)
    making: bool = False
    mark: str = ""
    lower: int = 0
    linked: bool = True
    jumps: Mapping[tuple[str, int, int], str] = field(default_factory=dict)
    loose: list[Num] | None = None

    def __post_init__(self) -> None:
        self.math = MathML(self.own, replace(MATHML, num=lambda p, node: self._number("mn", node)))
        self.size, self.width = sizes(Plain(self.own)), widths(Plain(self.own))

    def make(self, node: Node) -> str:
        """The MathML of newly computed numbers, which can be linked to from now on."""
        before, self.making = self.making, True
        try:
            return self.math(node)
        finally:
            self.making = before

    def named(self, node: Num) -> tuple[str, str]:
        """(attributes, link) of a number: one of them is empty; both if it is computed nowhere on the page."""
        if not node.key or not self.linked or self.trace is None:
            return "", ""
        key = origin(self.trace, node.key)
        if (known := self.made.get(key)) is None and self.making:
            ident = f"n{self.mark}{np.base_repr(len(self.made), 36).lower()}"
            self.made[key] = ident, node
            return f' id="{ident}" data-a="{escape(self.told(key))}"', ""
        # the same line of another run (for example in full precision) has another value: no link
        if known is None:
            return "", ""
        value = known[1].value
        return "", known[0] if value == node.value or (value != value and node.value != node.value) else ""

    def told(self, key: Key) -> str:
        """The address of a number, as printed; for a gradient that has slashes, of its variable."""
        assert self.trace is not None
        scope, name, *place = key
        said = counted_address(self.trace, full := address(self.trace, key))
        if said != full or not scope or not (stage := self.trace.stage(scope)).cell.gradient:
            return said
        of = dict(reversed(stage.cell.gradient)).get(name)
        owner = self.trace.stage(stage.owner)
        later = of in owner.cell.states and place[0] != self.trace.span[-owner.backwards]
        return said if of is None or later else f"∂L/∂ {address(self.trace, (owner.scope, of, *place))}"

    def _number(self, tag: str, node: Num) -> str:
        """A number as an element: a link to where it was computed, or with an id if it is computed here."""
        attributes, link = self.named(node)
        if self.loose is not None and node.key is not None and not (attributes or link):
            attributes = f' data-n="{len(self.loose)}"'
            self.loose.append(node)
        text = self.math.number(node.shown)
        return f'<{tag}><a href="#{link}">{text}</a></{tag}>' if link else f"<{tag}{attributes}>{text}</{tag}>"

    def head(self, level: int, html: str) -> str:
        """A heading at a level within the report."""
        return f"<h{level + self.lower}>{html}</h{level + self.lower}>"

    def text(self, text: blocks.Text, tall: bool = False) -> str:
        """Words and formulas in running text. tall: formulas as high as on a line of their own."""
        return "".join(self.inline(part, tall) for part in text)

    def inline(self, part: blocks.Inline, tall: bool = False) -> str:
        """Words or a formula."""
        if isinstance(part, Field):
            return input_field(part)
        if isinstance(part, blocks.Jump) and part.place in self.jumps:
            return f'<a href="#{self.jumps[part.place]}">{escape(part)}</a>'
        if isinstance(part, str):
            return escape(part)
        if isinstance(part, blocks.Code):
            return f"<code>{escape(part.text)}</code>"
        if isinstance(part, Dots):
            return "⋮" if part.way == "down" else "…"
        return math(self.math(part), tall)

    def heading(self, block: blocks.Heading) -> str:
        """A heading."""
        return self.head(block.level, self.text(block.text))

    def para(self, block: blocks.Para) -> str:
        """A paragraph."""
        kinds = ["leads"] * block.leads + ["tells"] * (block.of_values and self.loose is not None)
        attribute = f' class="{" ".join(kinds)}"' if kinds[1:] else f" class={kinds[0]}" if kinds else ""
        return f"<p{attribute}>{self.text(block.text)}</p>\n"

    def items(self, block: blocks.Items) -> str:
        """A list."""
        return f"<ul>{''.join(f'<li>{self.text(row)}</li>' for row in block.rows)}</ul>\n"

    def listing(self, block: blocks.Listing) -> str:
        """Literal lines."""
        return scrolled(f"<pre>{escape(chr(10).join(block.rows))}</pre>")

    def table(self, block: blocks.Table) -> str:
        """A table that scrolls; its numbers are computed there."""
        kinds = [' class="text"' if k in block.texts else "" for k in range(len(block.head or block.rows[0]))]
        heads = zip(block.head, kinds, strict=False)
        head = "".join(f'<th scope="col"{kind}>{self.text(cell)}</th>' for cell, kind in heads)
        head = f"<thead><tr>{head}</tr></thead>\n" if head else ""
        body = ""
        self.making = True
        for row in block.rows:
            places = zip(row[: block.places], kinds, strict=False)
            cells = [f'<th scope="row"{kind}>{self.text(cell)}</th>' for cell, kind in places]
            for cell, kind in zip(row[block.places :], kinds[block.places :], strict=True):
                one = cell[0] if len(cell) == 1 else None
                cells.append(self._number("td", one) if isinstance(one, Num) else f"<td{kind}>{self.text(cell)}</td>")
            body += f"<tr>{''.join(cells)}</tr>\n"
        self.making = False
        return scrolled(f"<table>{head}<tbody>\n{body}</tbody></table>")

    def derivation(self, block: blocks.Derivation) -> str:
        """Rows that belong together in a line."""
        lines = (f'<div class="line">{"".join(map(self._row, rows))}</div>' for rows in block.lines)
        kind = "derivation" if any(len(rows) > 1 for rows in block.lines) else "derivation tight"
        return f'<div class="{kind}">{"".join(lines)}</div>\n'

    def _row(self, row: blocks.Row) -> str:
        """Its subject, then its formulas; the last of them is computed here if it is a value."""
        last = len(row.parts) - 1
        value = row.parts and row.parts[last][0] in ("=", "≈") and isinstance(row.parts[last][1], Num | Vec | Mat)
        left = self.text(row.left, tall=True) + (":" if row.parts and row.parts[0][0] == ":" else "")
        pieces = self._formulas(row, self.size, ROOM, {last} if value else ())
        if row.under:
            return f'<div class="row under"><span class="what">{left}</span> <span>{"<wbr>".join(pieces)}</span></div>'
        return f'<div class="row">{"<wbr>".join([left, *pieces])}</div>'

    def _formulas(self, row: blocks.Row, size: Width, room: float, made: Container[int]) -> Iterator[str]:
        """The formulas of a row, each with its sign, in unbreakable pieces. made: those computed here."""
        for k, (sign, node) in enumerate(row.parts):
            lead = f'<mo form="infix">{sign}</mo>' if sign != ":" else ""
            for mark, piece in broken(node, size, room):
                lead += f'<mo form="infix">{mark.replace("-", "−")}</mo>' if mark else ""
                yield math(f"{lead}{(self.make if k in made else self.math)(piece)}", tall=True)
                lead = ""

    def premises(self, block: blocks.Premises) -> str:
        """Values side by side, defined here."""
        body = ""
        for items in block.rows:
            texts = (math(f"{self.math(left)}<mo>{sign}</mo>{self.make(right)}") for left, sign, right in items)
            spans = "".join(f'<span class="item">{text}</span>' for text in texts)
            body += f'<div class="premises">{spans}</div>'
        return body + "\n"

    def chains(self, block: blocks.Chains) -> str:
        """Chains in two columns if they fit on paper, otherwise each next to its name."""
        layout = laid_out(block, self.width)
        kind = "chains named" if layout.named else "chains"
        rows = ((" alone" if len(row) == 1 else "", chain) for row in layout.rows for chain in row)
        texts = (f'<div class="chain{alone}">{self._chain(chain)}</div>' for alone, chain in rows)
        return f'<div class="{kind}">{"".join(texts)}</div>\n'

    def _chain(self, chain: blocks.Chain) -> str:
        """A chain with its name; values that are not given are computed at their first occurrence."""
        rows = ""
        for row in chain.rows:
            pieces = self._formulas(row, self.width, FULL, range(1, len(row.parts)))
            stages = "<wbr>".join(f'<span class="stage">{text}</span>' for text in pieces)
            rows += f'<div class="row worked"><span>{self.text(row.left, tall=True)}</span><span>{stages}</span></div>'
        return f"<p>{self.text(chain.title)}</p><div>{rows}</div>"

    def boxed(self, block: blocks.Boxed) -> str:
        """A frame, in which blocks are side by side if they fit."""
        parts = ("".join(map(self, part)) for part in with_names(block)[0])
        return f'<div class="boxed">{"".join(f"<div>{part}</div>" for part in parts)}</div>\n'

    def picture(self, block: blocks.Picture) -> str:
        """The picture as a part of the page, and a table next to it."""
        note = f"<figcaption>{escape(block.caption)}</figcaption>" if block.caption else ""
        svg = scrolled(unstyled(block.drawing()))
        if block.beside is None:
            return f'<figure class="plot">{svg}{note}</figure>\n'
        return f'<div class="beside"><div>{self.table(block.beside)}</div><figure>{svg}{note}</figure></div>'


def notebook_part(body: str, language: str, styles: Sequence[str]) -> str:
    """A part of a notebook with the style of its contents. MathJax ignores it: a dollar does not start a formula.

    styles: names of style sheets, as for `base.packaged.asset`.
    """
    style = "\n".join(map(asset, styles))
    head = f'<div class="lstm-trace tex2jax_ignore mathjax_ignore" lang="{escape(language)}">'
    return f"{head}\n<style>.lstm-trace{{{style}}}</style>\n{body}</div>"


def scrolled(body: str) -> str:
    """A wide part with its own scroll bar, also usable with the keyboard."""
    return f'<div class="scroll" role="group" tabindex="0">{body}</div>'
