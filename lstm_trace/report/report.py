"""The worked solution of a trace: premises, equations, every step, the answers, and what the gates did in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..documents import latex, typst
from ..documents.formats import Report, rendered
from ..documents.layout import FULL
from ..errors import Faults, OptionError, within
from ..trace.trace import Trace
from ..view.extent import view
from ..view.view import UNNAMED, Source, View
from .content import notations
from .content.backward import backward, on_paper
from .document import bodies, check_part, title, titled
from .illustrated import of_cell
from .options import Options, check, options_of
from .profiled import is_profile, profiled

#: The formats of a report that are text.
FORMATS = ("md", "text", "html", "tex", "typ")
#: Formats that go on pages of paper.
PAPER = frozenset({"tex", "typ", "pdf"})


def report(
    traces: Trace | Sequence[Trace], format: str = "md", sources: Sequence[str | Source] = (), **options: Any
) -> Report:
    """The worked solution of a trace, or those of several in one document, as text that a notebook shows rendered.

    format: `md` (Markdown with TeX math), `text` (for a terminal), `html`, `tex` or `typ`. Options are those of
    `Options`, and those of a selection: only, layer, direction, steps, batch, unit. How numbers are shown: digits
    (decimals), significant (digits instead of decimals), digits_of (decimals of single lines, by name), trim (no zeros
    at the end), decimal_comma. count_from: 0 or 1. Each of several traces has its title as its heading; title: that of
    the document. sources: the files of the traces, what a message calls each of several; a command has the options too
    with which they are opened.
    Raises OptionError for an unknown format or detail, MissingError for a selection that is not there.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[-1, 0, 0.2]], "W_hi": [[0.5]]}, [1, 2, 3], ask="i_t", h0=[0.0])
    >>> print(report(trace, "text", only="z_i,i_t".split(","), digits=4).partition("i_t ──")[2].partition("Ans")[0])
    <BLANKLINE>
    <BLANKLINE>
      z_i = W_xi x_t + W_hi h_{t-1} = -0.4000 + 0.0000 = -0.4000
      i_t = σ(z_i) = σ(-0.4000) ≈ 0.4013
    <BLANKLINE>
    <BLANKLINE>
    """
    if format == "pdf":
        raise OptionError("a PDF is not text: trace.pdf() gives its bytes, sheet.pdf() those of several reports")
    many = [traces] if isinstance(traces, Trace) else traces
    return document(lambda chosen: _views(many, format, sources, chosen), format, **options)


def document(views: Callable[[Options], Sequence[View]], format: str = "md", **options: Any) -> Report:
    """Reports as one document in a format. views: what is shown, for the options as they are read.

    Raises OptionError for an unknown format or option.
    """
    check("format", format, FORMATS)
    chosen = options_of(format, **options)
    check_part(format, chosen)
    shown = titled(views(chosen), chosen)
    return Report(_printed(shown, format, chosen), lambda kind: _rendered(shown, kind, chosen))


def pdf(traces: Trace | Sequence[Trace], sources: Sequence[str | Source] = (), **options: Any) -> bytes:
    """The worked solutions as a PDF; arguments are those of `report`. Raises OptionError without the extra `[pdf]`."""
    check_part("pdf", options_of("pdf", **options))
    return typst.pdf(report(traces, "typ", sources, **options))


def _printed(views: Sequence[View], format: str, chosen: Options) -> str:
    """What is shown in its format."""
    if format == "html":
        from .page.html import page  # with the picture of the cell 40 ms, which the other formats do not need

        return page(views, title(views, chosen))
    made = bodies(views, chosen)
    if chosen.fragment and format == "tex":
        return latex.fragment(made, chosen.level, chosen.width)
    if chosen.fragment and format == "typ":
        return typst.fragment(made, chosen.level, chosen.width)
    return rendered(made, format, chosen.language, chosen.width or 80, chosen.math or "github")


def _rendered(views: Sequence[View], kind: str, chosen: Options) -> str:
    """What is shown as a notebook asks for it, whatever its format: `html`, `markdown` or `plain`."""
    views = [*map(_without_file, views)]
    if kind == "plain":
        return _printed(views, "text", chosen)
    if kind == "markdown":
        return _printed(views, "md", replace(chosen, math="dollars"))
    from .page.fragment import fragment

    return "\n".join(fragment(shown, _printed([shown], "text", chosen)) for shown in views)


def _without_file(shown: View) -> View:
    """What a notebook shows, which has no file beside it."""
    if shown.illustration is None:
        return shown
    return replace(shown, illustration=replace(shown.illustration, file="") if shown.profile is not None else None)


def _views(traces: Sequence[Trace], format: str, sources: Sequence[str | Source], chosen: Options) -> Sequence[View]:
    """What is shown of each trace: its worked steps, with the same digits for all, or its profile."""
    worked = [trace for trace in traces if not is_profile(trace, chosen)]
    alike = replace(chosen, digits=chosen.numbers(worked)) if worked else chosen
    named = [Source(source) if isinstance(source, str) else source for source in sources]
    names = [source.name for source in named] or [
        trace.header.title or f"problem {n}" for n, trace in enumerate(traces, 1)
    ]
    views, faults = [], Faults()
    for n, (trace, name) in enumerate(zip(traces, names, strict=True)):
        with faults.gather(), within(name if len(names) > 1 else ""):
            if is_profile(trace, chosen):
                views.append(profiled(trace, chosen, named[n] if named else UNNAMED, paper=format in PAPER))
            else:
                views.append(shown(trace, alike, format))
    faults.tell()
    return views


def shown(trace: Trace, chosen: Options, format: str = "md") -> View:
    """What is shown of a trace, with its backward pass where it has one. Raises OptionError, MissingError."""
    drawn = of_cell(trace, chosen) if chosen.file and format == "md" else None
    trace, notes = notations.applied(chosen.counted(trace), chosen.notation, chosen.selection, chosen.language)
    parts = chosen.steps_in, chosen.numbers([trace]), chosen.selection, chosen.everything, chosen.language
    back = any(stage.cell.gradient for stage in trace.stages)
    found = replace(view(trace, *parts, paper=format in PAPER and not back), notes=notes, illustration=drawn)
    found = replace(found, breadth=_breadth(chosen, format))
    if format == "html" and chosen.steps_in is None and not back:
        found = replace(found, printed=replace(view(trace, *parts, paper=True), notes=notes))
    if not back:
        return found
    found = replace(view(on_paper(trace, found.place), *parts), notes=notes, alone=chosen.alone, illustration=drawn)
    found = replace(found, pictured=tuple(chosen.pictured))
    return replace(found, back=backward(found, chosen.steps_in))


def _breadth(chosen: Options, format: str) -> float:
    """The part of a line of A4 that there is for a formula."""
    if not chosen.fragment:
        return 1.0
    return (chosen.width or latex.NARROW) * latex.SPARE / FULL if format == "tex" else (chosen.width or FULL) / FULL
