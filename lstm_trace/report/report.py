"""The worked solution of a trace: premises, equations, every step, the answers, and what the gates did in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from ..errors import OptionError, nearest
from ..formulas.blocks import Block, Heading
from ..formulas.numbers import DIGITS, Style
from ..trace.argument_types import checked
from ..trace.rows import Selection
from ..trace.trace import Trace
from .content import notations
from .content.view import Detail, view
from .formats import latex, markdown, text, typst
from .languages.strings import LANGUAGES
from .page import html
from .sections.answers import answers
from .sections.author_notes import author_notes
from .sections.given_section import equations, given
from .sections.in_words import sentences
from .sections.solution import solution

Format = Literal["md", "text", "html", "tex", "typ"]

#: Format to the printer of its blocks.
PRINTERS: dict[str, Callable[..., str]] = {"md": markdown.render, "text": text.render, "tex": latex.render}
#: Formats that arrange the report in their own way: from the trace and the options.
PAGES: dict[str, Callable[..., str]] = {
    "html": html.page,
    "typ": lambda trace, options: typst.render(blocks(trace, options), trace.header.symbols, language=options.language),
}
#: File suffix to format.
SUFFIXES = {".md": "md", ".markdown": "md", ".txt": "text", ".html": "html", ".htm": "html", ".tex": "tex"}
SUFFIXES |= {".typ": "typ", ".pdf": "pdf"}

#: Option of a report to the field of the style that it sets.
STYLE = {"significant": "significant", "digits_of": "lines", "decimal_comma": "comma"}


@checked
@dataclass(frozen=True)
class Options:
    """What a report shows, and how.

    detail: `scalar` (each term of each unit), `vector`, `summary` (gates and states only); None chooses by size.
    digits: decimals, or a `Style`, for display only. selection: lines, layer, direction, steps, row, unit. everything:
    no dots. width: columns of a text report. language: of headings and sentences. notation: a preset of symbols
    (`notations.NOTATIONS`). notes: what has to be said of it, after the equations.
    """

    detail: Detail | None = None
    digits: int | Style = DIGITS
    selection: Selection = field(default_factory=Selection)
    everything: bool = False
    width: int = 80
    language: str = "en"
    notation: str = "exercise"
    notes: tuple[Block, ...] = ()


def blocks(trace: Trace, options: Options) -> list[Block]:
    """The report as blocks, neutral to the format. Raises MissingError for a selection that is not there."""
    shown = view(trace, options.detail, options.digits, options.selection, options.everything, options.language)
    title = trace.header.title or shown.words.word("untitled")
    return [
        Heading(1, (title,)),
        *author_notes(trace.header.notes),
        *given(shown),
        *equations(shown),
        *options.notes,
        *solution(shown),
        *answers(shown),
        *sentences(shown),
    ]


def report(trace: Trace, format: str = "md", **options: Any) -> str:
    """The worked solution as text.

    format: `md` (Markdown with TeX math as GitHub renders it), `text` (for a terminal) or `html`. Options are those of
    `Options`, and those of a selection: only, layer, direction, steps, batch, unit. How numbers are shown: digits,
    significant (digits instead of decimals), digits_of (decimals of single lines, by name), decimal_comma.
    Raises OptionError for an unknown format or detail, MissingError for a selection that is not there.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[-1, 0, 0.2]], "W_hi": [[0.5]]}, [1, 2, 3], ask="i_t", h0=[0.0])
    >>> print(report(trace, "text", only="z_i,i_t".split(","), digits=4).partition("i_t ──")[2].partition("Ans")[0])
    <BLANKLINE>
    <BLANKLINE>
      z_i = W_xi x_t + W_hi h_{t-1}
        unit 0: -0.4 + 0.0 = -0.4
      i_t = σ(z_i)
        unit 0: σ(-0.4) ≈ 0.4013
    <BLANKLINE>
    <BLANKLINE>
    """
    if format == "pdf":
        raise OptionError("a PDF is no text: trace.pdf() gives its bytes")
    _check("format", format, (*PRINTERS, *PAGES))
    if options.get("detail") is not None:
        _check("detail", options["detail"], get_args(Detail))
    chosen = {name: options.pop(name) for name in tuple(Selection.__dataclass_fields__) if name in options}
    style = {field: value for name, field in STYLE.items() if (value := options.pop(name, None)) is not None}
    if style or not isinstance(options.get("digits"), Style):
        options["digits"] = Style(options.get("digits", DIGITS), **style)
    whole = Options(**options)
    if chosen:
        whole = replace(whole, selection=Selection(**chosen))
    _check("language", whole.language, tuple(LANGUAGES))
    trace, notes = notations.applied(trace, whole.notation, whole.selection, whole.language)
    whole = replace(whole, notes=notes)
    if format in PAGES:
        return PAGES[format](trace, whole)
    return PRINTERS[format](blocks(trace, whole), trace.header.symbols, whole.width)


def pdf(trace: Trace, **options: Any) -> bytes:
    """The worked solution as a PDF; options are those of `report`. Raises OptionError without the extra `[pdf]`."""
    return typst.pdf(report(trace, "typ", **options))


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise OptionError(f"there is no {what} {value!r}{nearest(value, known, 'expected')}")
