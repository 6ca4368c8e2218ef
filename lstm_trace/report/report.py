"""The worked solution of a trace: premises, equations, every step, the answers, and what the gates did in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..backpropagation.training import Training
from ..errors import OptionError
from ..trace.trace import Trace
from .content import notations
from .content.view import View, view
from .content.way_back import on_paper, way_back
from .formats import latex, markdown, text, typst
from .options import Options, check, options_of
from .sections.sections import blocks
from .sections.training import symbols


def _html(shown: View, _: int) -> str:
    from .page.html import page  # with the picture of the cell 40 ms, which the other formats do not need

    return page(shown)


#: Format to its printer of what is shown, in so many columns where the format has columns.
PRINTERS: dict[str, Callable[[View, int], str]] = {
    "md": lambda shown, _: markdown.render(blocks(shown), shown.trace.header.symbols),
    "text": lambda shown, width: text.render(blocks(shown), shown.trace.header.symbols, width),
    "html": _html,
    "tex": lambda shown, _: latex.render(blocks(shown), shown.trace.header.symbols),
    "typ": lambda shown, _: typst.render(blocks(shown), shown.trace.header.symbols, shown.words.language),
}
#: File suffix to format.
SUFFIXES = {".md": "md", ".markdown": "md", ".txt": "text", ".html": "html", ".htm": "html", ".tex": "tex"}
SUFFIXES |= {".typ": "typ", ".pdf": "pdf"}


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
        raise OptionError("a PDF is not text: trace.pdf() gives its bytes")
    check("format", format, tuple(PRINTERS))
    chosen = options_of(**options)
    return PRINTERS[format](shown(trace, chosen), chosen.width)


def shown(trace: Trace, chosen: Options) -> View:
    """What is shown of a trace, with its way back where it has one. Raises OptionError, MissingError."""
    if chosen.count_from is not None:
        trace = replace(trace, header=replace(trace.header, count_from=chosen.count_from))
    trace, notes = notations.applied(trace, chosen.notation, chosen.selection, chosen.language)
    parts = chosen.detail, chosen.numbers(trace), chosen.selection, chosen.everything, chosen.language
    found = replace(view(trace, *parts), notes=notes)
    if not any(stage.cell.gradient for stage in trace.stages):
        return found
    found = replace(view(on_paper(trace, found.place), *parts), notes=notes, alone=chosen.alone)
    return replace(found, back=way_back(found, chosen.detail))


def course(done: Training, format: str = "md", **options: Any) -> str:
    """The worked solution of some updates of the weights. Format and options as for `report`."""
    check("format", format, tuple(PRINTERS))
    chosen = options_of(**options)
    views = tuple(_with_symbols(shown(trace, chosen), done) for trace in done.traces)
    return PRINTERS[format](replace(views[0], course=(done, views)), chosen.width)


def _with_symbols(found: View, done: Training) -> View:
    """The view with symbols for the weights after each update."""
    own = symbols(done, found.trace.header.symbols)
    return replace(found, trace=replace(found.trace, header=replace(found.trace.header, symbols=own)))


def pdf(trace: Trace, **options: Any) -> bytes:
    """The worked solution as a PDF; options are those of `report`. Raises OptionError without the extra `[pdf]`."""
    return typst.pdf(report(trace, "typ", **options))
