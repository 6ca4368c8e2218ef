"""What stands round an explanation in a document: its picture, tables of texts; and a document of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..documents import latex, markdown, typst
from ..documents import terminal as text
from ..documents.blocks import Block, Body, Heading, Para, Picture, Table
from ..errors import MissingError, TooLargeError
from ..plot.figure import Figure

#: The formats of a document of blocks alone.
FORMATS = ("text", "html", "tex", "typ")
#: Those that hold a picture themselves.
HOLDING = ("html", "typ")

Drawing = Callable[[], Figure]


def drawn(figure: Drawing | None) -> Figure | None:
    """The picture; None where there is none, or nothing to draw."""
    try:
        return figure() if figure is not None else None
    except (MissingError, TooLargeError):
        return None


def pictured(figure: Drawing | None, file: str = "") -> tuple[Block, ...]:
    """The picture as a block, if any. file: what a document calls the file of it, which is beside it."""
    found = drawn(figure)
    return () if found is None else (Picture(found.svg, found.title, found.caption, file),)


def before_worked(figure: Drawing | None, form: str, file: str = "") -> tuple[Block, ...]:
    """What stands before a worked solution: its picture below a heading, in the formats that can have it."""
    there = pictured(figure, file) if form in HOLDING or file else ()
    found = drawn(figure) if there else None
    return () if found is None else (Heading(2, (found.words.word("plot.section"),)), *there)


def in_markdown(figure: Drawing | None, file: str) -> list[str]:
    """The picture in Markdown, where its file is beside the text."""
    there = pictured(figure, file) if file else ()
    return [markdown.render([Body(there)])] if there else []


def table(head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> Iterator[Block]:
    """A table of texts and what is said of it; in notes, names of columns are marked as in Markdown."""
    yield Table(tuple((name,) for name in head), tuple(tuple((cell,) for cell in row) for row in rows))
    for note in notes:
        yield Para((note.replace("`", ""),))


def document(title: str, blocks: Sequence[Block], form: str) -> str:
    """A document in one of the `FORMATS`."""
    if form == "html":
        from .page import html

        return html.document(blocks, title, "en")
    body = Body(tuple(blocks))
    return text.render([body]) if form == "text" else latex.render([body]) if form == "tex" else typst.render([body])
