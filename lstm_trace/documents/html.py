"""The blocks of a report as HTML: every number that was made has a name on the page, every use of it is a link there.

All text is escaped; a name or title of a problem cannot become markup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..base.display import escape
from ..formulas.mathml import MATHML, MathML, input_field, math
from ..formulas.plain import Plain
from ..formulas.tree import Dots, Field, Key, Node, Num, Vec, broken
from ..trace.address import address, origin
from ..trace.trace import Trace
from . import blocks
from .drawings import unstyled
from .layout import FULL, laid_out, sizes, widths, with_names

#: So many characters of a sum stay together; a longer one may go on in the next line.
ROOM = 26
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Printer:
    """Prints blocks of the report of `trace`, and remembers where each number was made.

    own: symbols that the author gave. made: number to the id of the element in which it was made, and its value.
    making: whether what is printed now makes its numbers, or uses them. mark: what the ids of one of several reports on
    a page begin with, so that each is there once. lower: how far below those of a page its headings are. linked:
    whether numbers have names and links at all.
    """

    trace: Trace | None
    own: Mapping[str, str] = field(default_factory=dict)
    made: dict[Key, tuple[str, Any]] = field(default_factory=dict)
    making: bool = False
    mark: str = ""
    lower: int = 0
    linked: bool = True

    def __post_init__(self) -> None:
        self.math = MathML(self.own, replace(MATHML, num=lambda p, node: self._mn(node)))
        self.size, self.width = sizes(Plain(self.own)), widths(Plain(self.own))

    def __call__(self, block: object) -> str:
        """The HTML of a block."""
        return HTML[type(block)](self, block)

    def make(self, node: Node) -> str:
        """The MathML of what is made here: its numbers can be pointed at from now on."""
        before, self.making = self.making, True
        try:
            return self.math(node)
        finally:
            self.making = before

    def named(self, node: Num) -> tuple[str, str]:
        """(attributes, link) of a number: one of them is empty, both where it is made nowhere on the page."""
        if not node.key or not self.linked or self.trace is None:
            return "", ""
        key = origin(self.trace, node.key)
        known = self.made.get(key)
        if known is None and self.making:
            ident = f"n{self.mark}{_short(len(self.made))}"
            self.made[key] = ident, node.value
            return f' id="{ident}" data-a="{escape(self.told(key))}"', ""
        # the same line of another run (in full precision, say) has another value: no link
        same = known is not None and (known[1] == node.value or (known[1] != known[1] and node.value != node.value))
        return "", known[0] if known is not None and same else ""

    def told(self, key: Key) -> str:
        """The address of a number; of a gradient what it is the gradient of."""
        assert self.trace is not None
        scope, name, *place = key
        if not scope or not (stage := self.trace.stage(scope)).cell.gradient:
            return address(self.trace, key)
        of = dict(reversed(stage.cell.gradient)).get(name)
        return address(self.trace, key) if of is None else f"∂L/∂ {address(self.trace, (stage.owner, of, *place))}"

    def _mn(self, node: Num) -> str:
        attributes, link = self.named(node)
        text = self.math.number(node.shown)
        return f'<mn><a href="#{link}">{text}</a></mn>' if link else f"<mn{attributes}>{text}</mn>"

    def head(self, level: int, html: str) -> str:
        """A heading of a level within the report."""
        return f"<h{level + self.lower}>{html}</h{level + self.lower}>"

    def text(self, text: blocks.Text) -> str:
        """Words and formulas in running text."""
        return "".join(map(self._inline, text))

    def _inline(self, part: blocks.Inline, tall: bool = False) -> str:
        if isinstance(part, Field):
            return input_field(part)
        if isinstance(part, str):
            return escape(part)
        if isinstance(part, blocks.Code):
            return f"<code>{escape(part.text)}</code>"
        if isinstance(part, Dots):
            return "⋮" if part.way == "down" else "…"
        return math(self.math(part), tall)


def _short(n: int) -> str:
    text = _DIGITS[n % 36]
    while n := n // 36:
        text = _DIGITS[n % 36] + text
    return text


# -- the kinds of blocks ---------------------------------------------------------------------------------------------


def _heading(p: Printer, block: blocks.Heading) -> str:
    return p.head(block.level, p.text(block.text))


def _table(p: Printer, block: blocks.Table) -> str:
    head = "".join(f'<th scope="col"{_kind(block, k)}>{p.text(cell)}</th>' for k, cell in enumerate(block.head))
    head = f"<thead><tr>{head}</tr></thead>\n" if head else ""
    rows = []
    p.making = True
    for row in block.rows:
        cells = [f'<th scope="row">{p.text(cell)}</th>' for cell in row[: block.places]]
        rest = enumerate(row[block.places :], block.places)
        rows.append("".join([*cells, *(_cell(p, cell, _kind(block, k)) for k, cell in rest)]))
    p.making = False
    body = "".join(f"<tr>{row}</tr>\n" for row in rows)
    return scrolled(f"<table>{head}<tbody>\n{body}</tbody></table>")


def _kind(block: blocks.Table, column: int) -> str:
    return ' class="text"' if column in block.texts else ""


def _cell(p: Printer, cell: blocks.Text, kind: str = "") -> str:
    if len(cell) == 1 and isinstance(cell[0], Num):
        attributes, link = p.named(cell[0])
        text = p.math.number(cell[0].shown)
        return f'<td><a href="#{link}">{text}</a></td>' if link else f"<td{attributes}>{text}</td>"
    return f"<td{kind}>{p.text(cell)}</td>"


def scrolled(body: str) -> str:
    """A wide part that scrolls by itself, with the keyboard too."""
    return f'<div class="scroll" role="group" tabindex="0">{body}</div>'


def _derivation(p: Printer, block: blocks.Derivation) -> str:
    lines = [f'<div class="line">{"".join(_row(p, row) for row in rows)}</div>' for rows in block.lines]
    kind = "derivation" if any(len(rows) > 1 for rows in block.lines) else "derivation tight"
    return f'<div class="{kind}">{"".join(lines)}</div>\n'


def _row(p: Printer, row: blocks.Row) -> str:
    """One row: what it is about, then its formulas; the last value of it is made here."""
    last = len(row.parts) - 1
    pieces: list[str] = []
    for k, (sign, node) in enumerate(row.parts):
        values = sign in ("=", "≈") and isinstance(node, Num | Vec)
        made = p.make if k == last and values else p.math
        lead = f'<mo form="infix">{sign}</mo>' if sign != ":" else ""
        for mark, piece in broken(node, p.size, ROOM):
            lead += f'<mo form="infix">{mark.replace("-", "−")}</mo>' if mark else ""
            pieces.append(math(f"{lead}{made(piece)}", tall=True))
            lead = ""
    left = "".join(p._inline(part, tall=True) for part in row.left)
    left += ":" if row.parts and row.parts[0][0] == ":" else ""
    if row.under:
        return f'<div class="row under"><span class="what">{left}</span> <span>{"<wbr>".join(pieces)}</span></div>'
    return f'<div class="row">{"<wbr>".join([left, *pieces])}</div>'


def _premises(p: Printer, block: blocks.Premises) -> str:
    rows = []
    for items in block.rows:
        shown = [
            f'<span class="item">{math(f"{p.math(left)}<mo>{sign}</mo>{p.make(right)}")}</span>'
            for left, sign, right in items
        ]
        rows.append(f'<div class="premises">{"".join(shown)}</div>')
    return "".join(rows) + "\n"


def _chains(p: Printer, block: blocks.Chains) -> str:
    """Chains in two columns where they fit on paper, each beside its name otherwise."""
    layout = laid_out(block, p.width)
    kind = "chains named" if layout.named else "chains"
    rows = (
        f'<div class="chain{" alone" if len(r) == 1 else ""}">{_chain(p, one)}</div>' for r in layout.rows for one in r
    )
    return f'<div class="{kind}">{"".join(rows)}</div>\n'


def _chain(p: Printer, chain: blocks.Chain) -> str:
    """A chain with its name; what is not given is made where it stands first."""
    return f"<p>{p.text(chain.title)}</p><div>{''.join(_worked(p, row) for row in chain.rows)}</div>"


def _worked(p: Printer, row: blocks.Row) -> str:
    pieces = []
    for k, (sign, node) in enumerate(row.parts):
        lead = f'<mo form="infix">{sign}</mo>'
        for mark, piece in broken(node, p.width, FULL):
            lead += f'<mo form="infix">{mark.replace("-", "−")}</mo>' if mark else ""
            text = math(f"{lead}{(p.make if k else p.math)(piece)}", tall=True)
            pieces.append(f'<span class="stage">{text}</span>')
            lead = ""
    left = "".join(p._inline(part, tall=True) for part in row.left)
    return f'<div class="row worked"><span>{left}</span><span>{"<wbr>".join(pieces)}</span></div>'


def _boxed(p: Printer, block: blocks.Boxed) -> str:
    parts = ("".join(map(p, part)) for part in with_names(block))  # beside each other where they fit
    return f'<div class="boxed">{"".join(f"<div>{part}</div>" for part in parts)}</div>\n'


def _picture(p: Printer, block: blocks.Picture) -> str:
    """The picture as a part of the page, and a table beside it."""
    note = f"<figcaption>{escape(block.caption)}</figcaption>" if block.caption else ""
    svg = scrolled(unstyled(block.drawing()))
    if block.beside is None:
        return f'<figure class="plot">{svg}{note}</figure>\n'
    return f'<div class="beside"><div>{_table(p, block.beside)}</div><figure>{svg}{note}</figure></div>'


HTML: dict[type, Callable[[Printer, Any], str]] = {
    blocks.Heading: _heading,
    blocks.Para: lambda p, block: f"<p{' class=leads' if block.leads else ''}>{p.text(block.text)}</p>\n",
    blocks.Items: lambda p, block: f"<ul>{''.join(f'<li>{p.text(row)}</li>' for row in block.rows)}</ul>\n",
    blocks.Table: _table,
    blocks.Stacked: lambda p, block: _table(p, block.table),
    blocks.Listing: lambda p, block: scrolled(f"<pre>{escape(chr(10).join(block.rows))}</pre>"),
    blocks.Derivation: _derivation,
    blocks.Premises: _premises,
    blocks.Chains: _chains,
    blocks.Boxed: _boxed,
    blocks.Picture: _picture,
}
