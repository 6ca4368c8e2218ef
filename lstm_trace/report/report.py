"""The worked solution of a trace: premises, equations, every step, the answers, and what the gates did in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..backpropagation.training import Training
from ..documents import latex, markdown, typst
from ..documents import terminal as text
from ..documents.layout import FULL
from ..documents.rendered import Report
from ..errors import Faults, OptionError, within
from ..explanation.account import Account
from ..trace.trace import Trace
from ..view.extent import view
from ..view.view import UNNAMED, Source, View
from .content import notations
from .content.backward import backward, on_paper
from .document import bodies, check_part, title, titled
from .illustrated import of_cell
from .options import Options, check, options_of
from .profiled import is_profile, profiled
from .sections.training import symbols


def _html(views: Sequence[View], chosen: Options) -> str:
    from .page.html import page  # with the picture of the cell 40 ms, which the other formats do not need

    return page(views, title(views, chosen))


def _fragment(views: Sequence[View], chosen: Options) -> str:
    from .page.fragment import fragment

    return "\n".join(fragment(shown, PRINTERS["text"]([shown], chosen)) for shown in views)


def _latex(views: Sequence[View], chosen: Options) -> str:
    found = bodies(views, chosen)
    return latex.fragment(found, chosen.level, chosen.width) if chosen.fragment else latex.render(found)


def _typst(views: Sequence[View], chosen: Options) -> str:
    found = bodies(views, chosen)
    return (
        typst.fragment(found, chosen.level, chosen.width) if chosen.fragment else typst.render(found, chosen.language)
    )


#: Format to its printer of what is shown, of one report or of several in one document.
PRINTERS: dict[str, Callable[[Sequence[View], Options], str]] = {
    "md": lambda views, chosen: markdown.render(bodies(views, chosen), chosen.math or "github"),
    "text": lambda views, chosen: text.render(bodies(views, chosen), chosen.width or 80),
    "html": _html,
    "tex": _latex,
    "typ": _typst,
}
#: How a notebook shows a report, whatever its format: what it may ask for, to the printer.
RENDERED: dict[str, Callable[[Sequence[View], Options], str]] = {
    "html": _fragment,
    "markdown": lambda views, chosen: PRINTERS["md"](views, replace(chosen, math="dollars")),
    "plain": PRINTERS["text"],
}
#: Formats that go on pages of paper.
PAPER = frozenset({"tex", "typ", "pdf"})
#: File suffix to format.
SUFFIXES = {".md": "md", ".markdown": "md", ".txt": "text", ".html": "html", ".htm": "html", ".tex": "tex"}
SUFFIXES |= {".typ": "typ", ".pdf": "pdf"}


def report(trace: Trace, format: str = "md", **options: Any) -> Report:
    """The worked solution as text, which a notebook shows rendered.

    format: `md` (Markdown with TeX math), `text` (for a terminal), `html`, `tex` or `typ`. Options are those of
    `Options`, and those of a selection: only, layer, direction, steps, batch, unit. How numbers are shown: digits
    (decimals), significant (digits instead of decimals), digits_of (decimals of single lines, by name), trim (no zeros
    at the end), decimal_comma. count_from: 0 or 1.
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
    return reports([trace], format, **options)


def reports(
    traces: Sequence[Trace], format: str = "md", sources: Sequence[str | Source] = (), **options: Any
) -> Report:
    """The worked solutions of several traces in one document. Format, options and errors as for `report`.

    Each has its title as its heading. title: that of the document. sources: their files, what a message calls each of
    several; a command has the options too with which they are opened.
    """
    if format == "pdf":
        raise OptionError("a PDF is not text: trace.pdf() gives its bytes, sheet.pdf() those of several reports")
    check("format", format, tuple(PRINTERS))
    chosen = options_of(format, **options)
    check_part(format, chosen)
    worked = [trace for trace in traces if not is_profile(trace, chosen)]
    alike = replace(chosen, digits=chosen.numbers(worked)) if worked else chosen
    of = [Source(source) if isinstance(source, str) else source for source in sources]
    names = [source.name for source in of] or [
        trace.header.title or f"problem {n}" for n, trace in enumerate(traces, 1)
    ]
    views, faults = [], Faults()
    for n, (trace, name) in enumerate(zip(traces, names, strict=True)):
        with faults.gather(), within(name if len(names) > 1 else ""):
            if is_profile(trace, chosen):
                views.append(profiled(trace, chosen, of[n] if of else UNNAMED, paper=format in PAPER))
            else:
                views.append(shown(trace, alike, format))
    faults.tell()
    return _printed(titled(views, alike), format, alike)


def _printed(views: Sequence[View], format: str, chosen: Options) -> Report:
    """What is shown in its format, and as a notebook asks for it."""
    return Report(PRINTERS[format](views, chosen), lambda kind: RENDERED[kind]([*map(_without_file, views)], chosen))


def _without_file(shown: View) -> View:
    """What a notebook shows, which has no file beside it."""
    if shown.illustration is None:
        return shown
    return replace(shown, illustration=replace(shown.illustration, file="") if shown.profile is not None else None)


def shown(trace: Trace, chosen: Options, format: str = "md") -> View:
    """What is shown of a trace, with its way back where it has one. Raises OptionError, MissingError."""
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


def course(done: Training, format: str = "md", **options: Any) -> Report:
    """The worked solution of some updates of the weights. Format and options as for `report`."""
    check("format", format, tuple(PRINTERS))
    chosen = options_of(format, **options)
    check_part(format, chosen)
    if chosen.detail == "profile":
        raise OptionError("a profile is of a run; updates of weights have worked steps: choose another detail")
    chosen = replace(chosen, digits=chosen.numbers(done.traces[:1]))
    views = tuple(_with_symbols(shown(trace, chosen), done) for trace in done.traces)
    return _printed([replace(views[0], course=(done, views))], format, chosen)


def split(trace: Trace, told: Account | None, format: str = "md", **options: Any) -> Report:
    """The worked solution of a split, which `trace` has, and what experiments say of it. Options as for `report`."""
    check("format", format, tuple(PRINTERS))
    chosen = options_of(format, **options)
    check_part(format, chosen)
    chosen = replace(chosen, digits=chosen.numbers([trace]))
    return _printed([replace(shown(trace, chosen, format), told=told)], format, chosen)


def _with_symbols(found: View, done: Training) -> View:
    """The view with symbols for the weights after each update."""
    own = symbols(done, found.trace.header.symbols)
    return replace(found, trace=replace(found.trace, header=replace(found.trace.header, symbols=own)))


def pdf(trace: Trace, **options: Any) -> bytes:
    """The worked solution as a PDF; options are those of `report`. Raises OptionError without the extra `[pdf]`."""
    return pdf_of([trace], **options)


def pdf_of(traces: Sequence[Trace], sources: Sequence[str | Source] = (), **options: Any) -> bytes:
    """The worked solutions of several traces as one PDF. Arguments and errors as for `reports`."""
    check_part("pdf", options_of("pdf", **options))
    return typst.pdf(reports(traces, "typ", sources, **options))
