"""How a result is written: as a document in each format, in a notebook, and to a file with its picture beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.display import escape
from ..base.page import asset, whole
from ..base.writing import format_of, is_device, spare, written
from ..errors import OptionError, nearest
from ..languages.strings import Words
from .blocks import Body, Heading
from .formats import BINARY, BRIEF, FORMATS, SUFFIXES, Show

if TYPE_CHECKING:
    from ..plot.figure import Figure
    from .result import Result

#: The style of a page, beside that of its pictures; and what a notebook shows.
STYLES = ("documents/blocks.css", "documents/page.css")
#: MathJax leaves these alone: a dollar in a title is no formula.
_CLASSES = "lstm-trace tex2jax_ignore mathjax_ignore"


def page(body: Body, words: Words) -> str:
    """A document as a page of its own: one file that loads nothing."""
    from .drawings import PICTURES, WIDER, wider
    from .html import HtmlPrinter

    printer = HtmlPrinter(None, body.own, linked=False)
    title = next(("".join(map(str, b.text)) for b in body.blocks if isinstance(b, Heading)), "")
    main = "".join(map(printer, body.blocks))
    footer = f"<footer><p>{escape(words.word('made'))}</p></footer>"
    content = f"<main>\n{main}</main>\n{footer}\n{wider(words.language)}"
    return whole(words.language, title, content, (*PICTURES, *STYLES), [WIDER])


def in_notebook(result: Result, words: Words) -> str:
    """What a notebook shows of a result, with short tables, as part of its page."""
    from .html import HtmlPrinter

    printer = HtmlPrinter(None, result.own, linked=False, lower=2)
    body = "".join(map(printer, result.blocks(words, Show("md", rows=BRIEF))))
    style = asset("documents/blocks.css")
    return (
        f'<div class="{_CLASSES}" lang="{escape(words.language)}">\n<style>.lstm-trace{{{style}}}</style>\n{body}</div>'
    )


def save(
    result: Result,
    path: str | Path,
    format: str | None = None,
    *,
    language: str = "en",
    picture: bool = True,
    spared: Iterable[str | Path] = (),
) -> None:
    """Write a result; see `Result.save`. picture: whether one is written beside Markdown. spared: files not to lose."""
    chosen = format or format_of(path, SUFFIXES, "results", "md")
    if chosen not in FORMATS:
        raise OptionError(f"there is no format {chosen!r}{nearest(chosen, FORMATS, 'expected')}")
    if chosen in ("svg", "png"):
        result.plot(language).save(path, chosen)
    elif chosen in BINARY:
        content = content_of(result, chosen, language)
        with written(path, "wb") as file:
            file.write(content)
    else:
        beside = picture_beside(result, str(path), chosen, spared, language) if picture else None
        name = "" if beside is None else os.path.basename(beside[0])
        pieces = result.pieces(chosen, language=language, file=name)
        with written(path) as file:
            file.writelines(pieces)
            if beside is not None:  # while the text has not appeared: where one cannot be written, neither appears
                beside[1].save(beside[0])


def picture_beside(
    result: Result, output: str, format: str, spared: Iterable[str | Path] = (), language: str = "en"
) -> tuple[str, Figure] | None:
    """The file of the picture beside a Markdown file, and the picture; None where there is none.

    Raises FileError where that file would be one of `spared`.
    """
    if format != "md" or output == "-" or is_device(output) or (figure := result.picture(language)) is None:
        return None
    file = os.path.splitext(output)[0] + ".svg"
    spare(file, [*spared, output])
    return file, figure


def content_of(result: Result, format: str, language: str = "en") -> bytes:
    """A result in a format that is bytes, or any other as UTF-8.

    Raises OptionError without the extra that the format needs.
    """
    if format == "pdf":
        from . import typst

        return typst.pdf("".join(result.pieces("typ", language=language)))
    if format == "png":
        return result.plot(language).content("png")
    if format == "parquet":
        import io

        from ..base.extras import missing

        stream = io.BytesIO()
        try:
            result.to_frame().to_parquet(stream, index=False)
        except ImportError:
            raise OptionError(missing("Parquet", "pyarrow", "write .csv")) from None
        return stream.getvalue()
    return "".join(result.pieces(format, language=language)).encode()
