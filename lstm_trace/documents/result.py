"""The base of all results: a frozen record of facts with three readings, which everything else is made from.

A result is a class that derives from `Result` and defines, in one file:

- `blocks`: the document, with text from `languages/`; five printers render it, the page and the client get the tree;
- `frame`: the rows, for pandas and table files;
- `panels`: the picture, if there is one;
- `facts`: plain data for programs.

A record of a low room leaves these four to a module above it, which `base/conveniences.py`: `READINGS` names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, ClassVar, Generic

from ..base.conveniences import AT, READINGS, Convenience, R
from ..base.display import escape
from ..base.writing import Target, format_of, is_device, spare, written
from ..errors import MissingError, OptionError, TooLargeError, nearest, require_known
from ..languages import Language
from ..languages.strings import Words, words_for
from ..printable import json_text, message
from ..trace.argument_types import checked
from .blocks import Block, Body, Heading, Items, Picture, marked
from .formats import BINARY, BRIEF, DOCUMENTS, FORMATS, SUFFIXES, FileFormat, Format, Report, Show, rendered

if TYPE_CHECKING:
    import pandas as pd

    from ..plot.figure import Figure
    from ..trace.trace import Trace
    from .tables import LongTable


class _OtherReading(Generic[R]):
    """A reading that a class does not define: of a record of a low room, in the module that `READINGS` names.

    missing: the fallback if there is none.
    """

    def __init__(self, name: str, *missing: Callable[..., R]) -> None:
        self.name, self.missing = name, missing

    def __call__(self, result: Result, *given: Any) -> R:
        module = READINGS.get(type(result).__name__)
        read: Callable[..., R] = getattr(module and import_module(module), self.name, *self.missing)
        return read(result, *given)


#: The style sheet of a page, in addition to that of its pictures; also used in notebooks.
STYLES = ("documents/blocks.css", "documents/page.css")


class Result:
    """A result, with its report, files, frame, picture and JSON, and a view in a notebook."""

    __array_ufunc__ = None  # as for a trace
    #: The most columns of its text on a terminal.
    widest: ClassVar[int] = 100
    #: Further formats, by suffix.
    more: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @cached_property
    def language(self) -> str:
        """The language of a reading for which none is given: that of its trace, or English."""
        trace = getattr(self, "trace", None)
        return (trace and trace.header.language) or "en"

    @property
    def counted(self) -> Trace | None:
        """The trace whose problem decides how steps and units count; None if they count from 0."""
        return getattr(self, "trace", None)

    def words(self, language: str = "en") -> Words:
        """The strings of a language for every reading of the result."""
        return words_for(self.counted, language)

    def blocks(self, words: Words, show: Show) -> Iterator[Block]:
        """The document: a title (`Heading` of level 1), sentences, tables, formulas, pictures."""
        return _OtherReading["Iterator[Block]"]("blocks")(self, words, show)

    @cached_property
    def own(self) -> Mapping[str, Any]:
        """The symbols in its formulas that differ from the standard table."""
        return _OtherReading["Mapping[str, Any]"]("own", lambda _: {})(self)

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas frame."""
        return _OtherReading["pd.DataFrame"]("frame")(self)

    def panels(self, language: str = "en") -> Figure | None:
        """The picture, with its text in a language; None if there is none."""
        return _OtherReading["Figure | None"]("panels", lambda *_: None)(self, language)

    def facts(self) -> Any:
        """The facts as plain data, ready for JSON."""
        return _OtherReading[Any]("facts")(self)

    # -- from here on the same for every result --

    @checked
    def report(self, format: Format = "md", *, language: Language | None = None, width: int | None = None) -> Report:
        """Return the result as a document.

        Args:
            format: `md` (Markdown), `text` (for a terminal), `html`, `tex` or `typ`.
            language: language of the text: `en`, `de`, `fr`, `es`, `zh`; by default that of the result, English
                unless another one was chosen when it was made.
            width: width of `text` in columns (80).

        Returns:
            The text; a notebook displays it rendered.

        Raises:
            OptionError: if the format or language does not exist.
        """
        if str(format) == "pdf":  # a type checker knows that it is not
            raise OptionError("a PDF is not text: save('x.pdf') writes it")
        text = "".join(self.pieces(format, language=language, width=width))
        return Report(text, lambda kind: self._rendered(kind, language))

    def save(
        self, path: str | Path | IO[Any], format: FileFormat | None = None, *, language: Language | None = None
    ) -> None:
        """Write the result to a file, atomically, or to an open stream.

        Args:
            path: the suffix determines what is written: a document (`.md`, `.txt`, `.html`, `.tex`, `.typ`, `.pdf`),
                the facts (`.json`), the rows (`.csv`, `.parquet`; of a comparison also `.xlsx`) or the picture (`.svg`,
                `.png`). The picture of `x.md` is written next to it as `x.svg`. An open stream needs `format`.
            format: the format, if the suffix does not determine it.
            language: language of the document and of the picture; as for `report`.

        Raises:
            FileError: if the suffix is unknown, or the file cannot be written.
            OptionError: if the format or language does not exist, or the extra that the format needs is not installed.
            MissingError: if a picture is requested and there is none.
        """
        save(self, path, format, language=language or self.language)

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a pandas frame."""
        return self.frame()

    def plot(self, language: Language | None = None) -> Figure:
        """Return the picture, with its text in a language (by default that of the result). Raises MissingError if there
        is none.
        """
        if (figure := self.panels(language or self.language)) is None:
            instead = "write .csv for its numbers, .md or .html for its text"
            raise MissingError(f"there is no picture of this {type(self).__name__}: {instead}")
        return figure

    def as_json(self) -> str:
        """Return the facts as JSON, as written by `--format json` (schema: docs/results.md)."""
        return "".join(self.pieces("json"))

    def pieces(
        self, format: str, *, language: str | None = None, width: int | None = None, file: str = ""
    ) -> Iterator[str]:
        """The text in a format, piece by piece: even with millions of rows, only some thousand are in memory at once.

        Args:
            format: a text format.
            language, width: as for `report`.
            file: see `Show`.

        Raises:
            OptionError: immediately, if the format or language does not exist.
        """
        words = self.words(language or self.language)
        if format == "json":
            return self._json()
        if format == "csv":
            return self._csv()
        if format not in DOCUMENTS.values() or format in BINARY:
            known = [one for one in FORMATS if one not in BINARY]
            raise OptionError(f"there is no format {format!r}{nearest(format, known, 'expected')}")
        return iter([self.printed(words, Show(format, file=file), width or 80)])

    def printed(self, words: Words, show: Show, width: int = 80, math: str = "github") -> str:
        """The document in a text format.

        Args:
            words, show: as for `blocks`.
            width: width of `text` in columns.
            math: how formulas are marked in Markdown (`markdown.MATH`).
        """
        if show.format == "text" and (drawn := self.terminal(words, width, False)):
            return drawn
        body = self.body(words, show)
        if show.format == "html":
            return page(body, words)
        return rendered([body], show.format, words.language, width, math)

    def terminal(self, words: Words, columns: int, colours: bool) -> str:
        """The text for a terminal, with or without colours, if it is not that of the blocks."""
        return ""

    def body(self, words: Words, show: Show) -> Body:
        """The blocks with everything that their printers need. words, show: as for `blocks`."""
        return Body(tuple(self.blocks(words, show)), self.own, legible=True)

    def picture(self, language: str = "en") -> Figure | None:
        """The picture; None if there is none, or nothing to draw."""
        try:
            return self.panels(language)
        except (MissingError, TooLargeError):
            return None

    def _json(self) -> Iterator[str]:
        """The facts as JSON."""
        yield json_text(self.facts(), indent=1) + "\n"

    def _csv(self) -> Iterator[str]:
        """The rows as CSV, with enough digits to read back equal."""
        from .tables import frame_as_csv

        yield frame_as_csv(self.frame())

    def __str__(self) -> str:
        return str(self.report("text")).rstrip("\n")

    def _rendered(self, kind: str, language: str | None = None) -> str:
        """What a notebook displays, with short tables: `html` (part of its page), `markdown` or `plain`."""
        words = self.words(language or self.language)
        if kind != "html":
            show = Show("md" if kind == "markdown" else "text", rows=BRIEF, captions=False)
            return Result.printed(self, words, show, math="dollars")  # the tables of an explanation, too
        from .html import HtmlPrinter, notebook_part

        body = "".join(map(HtmlPrinter(None, self.own, linked=False, lower=2), self.blocks(words, Show(rows=BRIEF))))
        return notebook_part(body, words.language, STYLES[:1])

    def _repr_html_(self) -> str:
        return self._rendered("html")

    def _repr_markdown_(self) -> str:
        return self._rendered("markdown")


class Finding(Result):
    """A result made of a title, sentences, a picture and tables; the last table holds the rows."""

    def title(self, words: Words) -> str:
        """What was done, and to which value or trace."""
        raise NotImplementedError

    def sentences(self, words: Words) -> Iterator[str]:
        """The findings, most important first; text between backquotes is code."""
        raise NotImplementedError

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """The tables; the last one provides the rows of `frame` and of CSV."""
        raise NotImplementedError

    def shown_tables(self, words: Words) -> tuple[LongTable, ...]:
        """The tables as shown in a document."""
        return self.tables(words)

    def blocks(self, words: Words, show: Show) -> Iterator[Block]:
        """Title, sentences, picture and tables; long tables are shortened."""
        yield Heading(1, (self.title(words),))
        if said := tuple(marked(one) if isinstance(one, str) else one for one in self.sentences(words)):
            yield Items(said)
        captioned = show.captions and show.format in ("text", "tex")
        if (show.pictured or captioned) and (figure := self.picture(words.language)) is not None:
            yield Picture(figure.svg, figure.title, figure.caption, show.file)
        tables = self.shown_tables(words)
        for table in tables:
            if len(tables) > 1:
                yield Heading(2, (table.heading,))
            complete = "rows.all" if table is tables[-1] else "rows.all.json"
            yield from table.blocks(words, show.digits, show.rows, complete)

    def frame(self) -> pd.DataFrame:
        """The rows of the last table."""
        return self.rows.to_frame()

    def facts(self) -> Any:
        """Title, sentences and all rows, in English."""
        return self._facts(self.tables(self.words()))

    def _facts(self, tables: tuple[LongTable, ...]) -> dict[str, Any]:
        words = self.words()
        *others, last = tables
        sentences = ["".join(map(str, sentence)) for sentence in self.sentences(words)]
        facts = {"title": self.title(words), "sentences": sentences, **last.facts()}
        more = [{"title": table.heading, "sentences": [], **table.facts()} for table in others]
        return facts | ({"more": more} if more else {})

    def _json(self) -> Iterator[str]:
        """The facts as JSON; the rows of the last table are written in batches."""
        from .tables import JSON

        *others, last = self.tables(self.words())
        facts = self._facts((*others, replace(last, rows=())))
        before, rows, after = json_text(facts, indent=1).partition('\n "rows": [')
        yield before + rows
        for at, text in enumerate(last.texts(JSON)):
            yield (JSON.between if at else "\n") + text
        yield ("\n " if last.rows else "") + after + "\n"

    def _csv(self) -> Iterator[str]:
        """All rows of the last table."""
        from .tables import CSV

        table = self.rows
        yield CSV.row(table.columns, table.columns)
        yield from table.texts(CSV)

    @property
    def rows(self) -> LongTable:
        """The table that holds the rows."""
        return self.tables(self.words())[-1]

    def __repr__(self) -> str:
        return f"<{message(self.title(self.words()))}; print(…) shows it>"


def page(body: Body, words: Words) -> str:
    """A document as a self-contained page: one file that loads nothing."""
    from ..base.page import whole
    from .drawings import PICTURES, WIDER, wider
    from .html import HtmlPrinter

    printer = HtmlPrinter(None, body.own, linked=False)
    title = next(("".join(map(str, b.text)) for b in body.blocks if isinstance(b, Heading)), "")
    main = "".join(map(printer, body.blocks))
    footer = f"<footer><p>{escape(words.word('made'))}</p></footer>"
    content = f"<main>\n{main}</main>\n{footer}\n{wider(words.language)}"
    return whole(words.language, title, content, (*PICTURES, *STYLES), [WIDER])


def save(
    result: Result, path: Target, format: str | None = None, *, language: str = "en", picture: bool = True,
    spared: Iterable[str | Path] = (), width: int | None = None,
) -> None:  # fmt: skip
    """Write a result; see `Result.save`.

    picture: whether one goes next to Markdown. spared: files never replaced. width: of text, in columns.
    """
    chosen = format or format_of(path, {**SUFFIXES, **result.more}, "results", "md")
    require_known("format", chosen, (*FORMATS, *result.more.values()), "expected")
    if (writer := f"{type(result).__name__}.{chosen}") in AT:
        Convenience[None](writer)(result, path, chosen)
    elif chosen in ("svg", "png"):
        result.plot(language).save(path, chosen)  # type: ignore[arg-type]  # a text from the command line
    elif chosen in BINARY:
        with written(path, "wb") as file:
            file.write(content_of(result, chosen, language))
    else:
        picture = picture and isinstance(path, str | Path)
        beside = picture_beside(result, str(path), chosen, spared, language) if picture else None
        name = "" if beside is None else os.path.basename(beside[0])
        pieces = result.pieces(chosen, language=language, width=width, file=name)
        with written(path) as file:
            file.writelines(pieces)
            if beside is not None:  # before the text is in place: if one cannot be written, neither appears
                beside[1].save(beside[0])


def picture_beside(
    result: Result, output: str, format: str, spared: Iterable[str | Path] = (), language: str = "en"
) -> tuple[str, Figure] | None:
    """The file of the picture next to a Markdown file, and the picture; None if there is none.

    Raises FileError if that file would be one of `spared`.
    """
    if format != "md" or output == "-" or is_device(output) or (figure := result.picture(language)) is None:
        return None
    file = os.path.splitext(output)[0] + ".svg"
    spare(file, [*spared, output])
    return file, figure


def content_of(result: Result, format: str, language: str = "en") -> bytes:
    """A result as the bytes of a PDF or a Parquet file.

    Raises OptionError if the extra that it needs is not installed.
    """
    if format == "pdf":
        from . import typst

        return typst.pdf("".join(result.pieces("typ", language=language)))
    from ..base.extras import missing

    try:
        content: bytes = result.to_frame().to_parquet(index=False)
    except ImportError:
        raise OptionError(missing("Parquet", "pyarrow", "write .csv")) from None
    return content
