"""A comparison as a page of its own: one file that loads nothing; a table that is wider says so by a script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...base.page import whole
from ...base.text.markup import escape
from ...formulas.blocks import Code
from ...plot.figure import PICTURES, WIDER, framed, wider

if TYPE_CHECKING:
    from ...plot.figure import Figure
    from .diff import Section


def page(said: Sequence[str], sections: Iterable[Section], title: str, figures: Iterable[Figure] = ()) -> str:
    """The page: what is said, the pictures, and the tables. Everything is escaped.

    Args:
        said: the verdict, and what follows from it.
        sections: the tables.
        title: of the page.
        figures: pictures, which stand below the first table.
    """
    items = "".join(f"<li>{_marked(text)}</li>" for text in said)
    drawn = "".join(_figure(figure) for figure in figures)
    first, *others = [*map(_table, sections), ""]
    content = f"<h1>{escape(title)}</h1>\n<ul>{items}</ul>\n{first}{drawn}{''.join(others)}{wider('en')}"
    return whole("en", title, content, (*PICTURES, "plot/page.css", "tables/comparison/page.css"), [WIDER])


def _figure(figure: Figure) -> str:
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return f"<h2>{escape(figure.title)}</h2>\n<figure>{framed(figure.svg(), figure.language)}{caption}</figure>\n"


def _table(part: Section) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in part.head)
    rows = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>\n" for row in part.rows)
    before, after = (f"<p>{_marked(text)}</p>\n" if text else "" for text in (part.before, part.after))
    table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>"
    region = f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(part.heading)}">{table}</div>'
    return f"<h2>{escape(part.heading)}</h2>\n{before}{region}\n{after}"


def _cell(cell: str | Code) -> str:
    return escape(cell) if isinstance(cell, str) else f"<code>{escape(cell.text)}</code>"


def _marked(text: str) -> str:
    """Escaped, with code between backquotes as such."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))
