"""A comparison as a page of its own: one file that loads nothing and runs no script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...base.text.markup import escape
from ...plot.page import asset, framed
from ...printable import printable

if TYPE_CHECKING:
    from ...plot.figure import Figure
    from .diff import Section

_STYLE = (
    "body{max-width:76rem}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}"
    "th,td{padding:.2rem .6rem;border-bottom:1px solid var(--edge);text-align:right;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left;padding-left:0}th{color:var(--quiet);font-weight:600}"
    "h2{font-size:1.1rem;margin:1.8rem 0 .5rem}li{margin:.25rem 0}ul{padding-left:1.2rem}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


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
    style = asset("page.css") + asset("heat/heat.css") + _STYLE
    return printable(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="generator" content="lstm-trace">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n'
        f"<body>\n<h1>{escape(title)}</h1>\n<ul>{items}</ul>\n{first}{drawn}{''.join(others)}</body>\n</html>\n"
    )


def _figure(figure: Figure) -> str:
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return f"<h2>{escape(figure.title)}</h2>\n<figure>{framed(figure.svg(), figure.language)}{caption}</figure>\n"


def _table(part: Section) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in part.head)
    rows = "".join(f"<tr>{''.join(f'<td>{_marked(cell)}</td>' for cell in row)}</tr>\n" for row in part.rows)
    before, after = (f"<p>{_marked(text)}</p>\n" if text else "" for text in (part.before, part.after))
    table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>"
    region = f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(part.heading)}">{table}</div>'
    return f"<h2>{escape(part.heading)}</h2>\n{before}{region}\n{after}"


def _marked(text: str) -> str:
    """Escaped, with code between backquotes as such."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))
