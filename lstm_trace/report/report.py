"""The worked solution of a trace, or of several in one document: what is shown, with which picture, in which format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Unpack

from ..cell.network import forward_stages
from ..documents.blocks import Block, Body, Heading, Picture
from ..documents.formats import Format, Report, rendered
from ..documents.layout import FULL, SMALL, lowered
from ..errors import Faults, MissingError, OptionError, require_known, within
from ..languages.strings import words_for
from ..trace.trace import Trace
from ..view.hand_size import trained
from ..view.view import UNNAMED, Source, View, view
from .content.backward import backward, with_symbols
from .content.notations import applied
from .diagram.diagram import caption, diagram
from .options import Options, ReportOptions, options_of
from .sections.sections import blocks

#: The formats of a report that are text; those that can be part of another author's document.
FORMATS, PARTS = ("md", "text", "html", "tex", "typ"), ("tex", "typ", "md")
#: Formats that are printed on pages of paper.
PAPER = frozenset({"tex", "typ", "pdf"})
#: The significant digits of numbers in a profile, unless something else is requested.
SIGNIFICANT = 3
#: The number of layers and directions up to which gates are drawn.
PICTURED = 2
#: The most eventful steps of a long run, which are worked in full.
EVENTFUL = 3


def report(
    traces: Trace | Sequence[Trace], format: str = "md", sources: Sequence[str | Source] = (), **options: Any
) -> Report:
    """The worked solution of a trace, or of several in one document, as text that a notebook shows rendered.

    format: `md` (Markdown with TeX math), `text` (for a terminal), `html`, `tex` or `typ`. The options are those of
    `Options` and of a selection: only, layer, direction, steps, batch, unit. How numbers are shown: digits
    (decimals), significant (significant digits instead of decimals), digits_of (decimals of single lines, by name),
    trim (no trailing zeros), decimal_comma. count_from: 0 or 1. Each of several traces has its title as its heading;
    title: of the document. sources: the files of the traces, by which a message refers to each of several; a command
    also has the options with which they are opened.
    Raises OptionError for an unknown format or detail, MissingError for a selection that does not exist.

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
    require_known("format", format, FORMATS, "expected")
    chosen = options_of(format, **options)
    check_part(format, chosen)
    shown = list(views(chosen))
    chosen = chosen.settled(shown[0].trace)
    if len(shown) > 1 or chosen.title:  # each of several reports has a title
        called = chosen.title if len(shown) == 1 else None
        for n, one in enumerate(shown, 1):
            title = called or one.trace.header.title or one.words.word("problem", n=n)
            header = replace(one.trace.header, title=title, title_tex="" if called else one.trace.header.title_tex)
            shown[n - 1] = replace(one, trace=replace(one.trace, header=header))
    return Report(_printed(shown, format, chosen), lambda kind: _rendered(shown, kind, chosen))


def pdf(traces: Trace | Sequence[Trace], sources: Sequence[str | Source] = (), **options: Any) -> bytes:
    """The worked solutions as a PDF; arguments are those of `report`. Raises OptionError without the extra `[pdf]`."""
    from ..documents import typst

    check_part("pdf", options_of("pdf", **options))
    return typst.pdf(report(traces, "typ", sources, **options))


@dataclass(frozen=True, eq=False)
class Sheet:
    """Traces whose worked solutions are in one document.

    title: of the document; by default its kind, in the language of the report. sources: how a message refers to each
    trace, that is, the files they come from; by default the titles of the problems.
    """

    __array_ufunc__ = None  # as for a trace

    traces: Sequence[Trace]
    title: str | None = None
    sources: Sequence[str] = ()

    def report(self, format: Format = "md", **options: Unpack[ReportOptions]) -> str:
        """The worked solutions, one after the other, each with its title as its heading.

        Args:
            format: `md`, `text`, `html`, `tex` or `typ`.
            options: those of `trace.report`, the same for all. With `fragment=True` the document has no title above the
            solutions, unless it is given one.

        Raises:
            OptionError: for a format or option that does not exist.
            MissingError: for a selection that one of the traces does not have.
        """
        return report(self.traces, format, self.sources, **{"title": self.title, **options})

    def pdf(self, **options: Unpack[ReportOptions]) -> bytes:
        """The worked solutions as a PDF; needs the extra `[pdf]`.

        Args:
            options: those of `report`.

        Raises:
            OptionError: for an option that does not exist, or without the extra.
            MissingError: for a selection that one of the traces does not have.
        """
        return pdf(self.traces, self.sources, **{"title": self.title, **options})


def check_part(format: str, chosen: Options) -> None:
    """Raise OptionError if a fragment, a heading level or no title is requested that the format does not support."""
    if chosen.fragment and format not in PARTS:
        raise OptionError(f"a fragment is part of another document, in tex, typ or md; {format} is written as a whole")
    if not chosen.fragment and chosen.heading is not None:
        raise OptionError("only a fragment has a heading level; request a fragment too, or leave the level out")
    if not chosen.fragment and chosen.title == "":
        raise OptionError("a document needs a title; only a fragment can go without")
    if format != "tex" and chosen.fragment and chosen.level.number < 1:
        raise OptionError(f"the headings of {format} begin at level 1, section")


# -- what is shown -----------------------------------------------------------------------------------------------------


def _views(traces: Sequence[Trace], format: str, sources: Sequence[str | Source], chosen: Options) -> Sequence[View]:
    """What is shown of each trace: its worked steps, or its profile."""
    chosen = chosen.settled(traces[0])
    named = [Source(source) if isinstance(source, str) else source for source in sources]
    names = [s.name for s in named] or [trace.header.title or f"problem {n}" for n, trace in enumerate(traces, 1)]
    views, faults = [], Faults()
    for trace, name, source in zip(traces, names, named or [UNNAMED] * len(traces), strict=True):
        with faults.gather(), within(name if len(names) > 1 else ""):
            profiled = is_profile(trace, chosen)
            one = _profiled(trace, chosen, format) if profiled else shown(trace, chosen, format)
            views.append(replace(one, source=source))
    faults.tell()
    return views


def is_profile(trace: Trace, chosen: Options) -> bool:
    """Whether the report of a trace is its profile: as `detail` says, or by default for a trained model.

    The report has worked steps if an option selects some of them, if the trace is by hand or has a backward pass, and
    if something other than usual was asked for.
    """
    if chosen.detail is not None:
        return chosen.detail == "profile"
    by_hand = trace.header.arithmetic is not None or any(stage.is_adjoint for stage in trace.stages)
    last = forward_stages(trace.stages)[-1]
    asks = set(trace.header.ask) not in ({last.cell.output}, {*last.answers(trace.lines)})
    return not (chosen.of_steps or chosen.alone or by_hand or asks) and trained(trace)


def _profiled(trace: Trace, chosen: Options, format: str) -> View:
    """What is shown of a profile, with few digits unless decimals are requested.

    Raises OptionError for an option of worked steps, MissingError if no cell carries a state.
    """
    foreign = [name for name in chosen.of_steps if name != "everything"]
    if foreign:
        raise OptionError(
            f"a profile covers all lines at all steps, named as in addresses; {', '.join(foreign)} belong to worked "
            "steps: leave them out, or choose another detail"
        )
    part, trace = chosen.selection, chosen.counted(trace)
    from ..explanation.profile import profile

    found = profile(trace, part.layer, part.direction, part.batch)  # type: ignore[arg-type]
    style = chosen.numbers(trace)
    if chosen.digits is None:
        style = replace(style, digits=None, significant=SIGNIFICANT)
    shown = view(trace, "summary", style, part, chosen.everything, chosen.language, paper=format in PAPER)
    shown = replace(shown, profile=found, cut=frozenset(), illustration=of_gates(trace, chosen))
    shown = replace(shown, mistakes=_mistakes(trace, chosen))
    return replace(shown, printed=replace(shown, paper=True))


def _mistakes(trace: Trace, chosen: Options) -> tuple[Block, ...]:
    """What is said of the mistakes that a trace has on purpose."""
    if not trace.header.mistakes:
        return ()
    from ..mistakes.in_words import on_purpose  # with the table of mistakes, which few reports need

    return tuple(on_purpose(trace, words_for(chosen.counted(trace), chosen.language)))


def shown(trace: Trace, chosen: Options, format: str = "md") -> View:
    """What is shown of a trace, including its backward pass if it has one. Raises OptionError, MissingError."""
    drawn = of_steps(trace, chosen) if chosen.file and format == "md" else None
    wrong = _mistakes(trace, chosen)
    trace, notes = applied(chosen.counted(trace), chosen.notation, chosen.selection, chosen.language)
    parts = chosen.steps_in, chosen.numbers(trace), chosen.selection, chosen.everything, chosen.language
    back = any(stage.cell.gradient for stage in trace.stages)
    found = _whole(view(trace, *parts, paper=format in PAPER and not back), chosen, format)
    if back:
        found = replace(
            view(with_symbols(trace, found.place), *parts), alone=chosen.alone, pictured=tuple(chosen.pictured)
        )
    elif format == "html" and chosen.steps_in is None:
        paper = replace(_whole(view(trace, *parts, paper=True), chosen, format), notes=notes, mistakes=wrong)
        found = replace(found, printed=_broad(paper, SMALL if paper.small else 1.0))
    found = replace(found, notes=notes, mistakes=wrong, illustration=drawn or found.illustration)
    if back:
        return replace(found, back=backward(found, chosen.steps_in))
    width: float = chosen.width or FULL
    if format == "tex":
        from ..documents.latex import NARROW, SPARE

        width = (chosen.width or NARROW) * SPARE
    return _broad(found, width / FULL if chosen.fragment else SMALL if found.small else 1.0)


def _broad(found: View, breadth: float) -> View:
    """The view with formulas that fill this part of a line of A4."""
    return replace(found, breadth=breadth, eventful=found.eventful and replace(found.eventful, breadth=breadth))


def _is_long(found: View, chosen: Options) -> bool:
    """Whether states are a table over all steps, since a summary was asked for, or is all that fits.

    A backward pass reads the gates of every step, which are therefore listed step by step. So are those of a
    cell too wide to be worked on paper, if it is that of a trained model, or one of several layers, directions or
    sequences: its three pages would become eight.
    """
    back = any(stage.is_adjoint for stage in found.trace.stages)
    wide = found.paper and not found.filled
    many = wide and (trained(found.trace) or len(found.stages) * len(found.every_row) > 1)
    most = 1 if chosen.steps_in else len(found.every_step) if many else EVENTFUL
    return found.detail == "summary" and not back and len(found.every_step) > most


def _whole(found: View, chosen: Options, format: str) -> View:
    """The view; of a run of more steps than can be worked, with a table of all of them."""
    if not _is_long(found, chosen):
        return found
    from .sections.long_run import long_run, of_states

    picture = of_states(found, "") if format == "typ" else None
    return replace(long_run(found, EVENTFUL if chosen.steps_in is None else 0), illustration=picture)


# -- pictures ----------------------------------------------------------------------------------------------------------


def of_gates(trace: Trace, chosen: Options) -> Picture | None:
    """The picture of all gates; none for many layers, whose gates would take pages, and only one row of a batch."""
    trace, part = chosen.counted(trace), chosen.selection
    stages = [stage for stage in forward_stages(trace.stages) if stage.cell.carry and part.places(stage)]
    if len(stages) > PICTURED or (part.batch is not None and trace.batch > 1):
        return None
    from ..plot.kinds.saturation import saturation

    try:
        figure = saturation(trace, layer=part.layer, direction=part.direction, language=chosen.language)
    except MissingError:  # no gate lies between 0 and 1
        return None
    return Picture(figure.svg, figure.title, figure.caption, chosen.file)


def of_steps(trace: Trace, chosen: Options) -> Picture | None:
    """The gates that keep and the states over all steps, where these are a table; else the cell."""
    part = chosen.selection
    found = view(chosen.counted(trace), chosen.steps_in, chosen.numbers(trace), part, chosen.everything)
    if not _is_long(found, chosen):
        return of_cell(trace, chosen)
    from .sections.long_run import of_states

    return of_states(found, chosen.file)


def of_cell(trace: Trace, chosen: Options) -> Picture | None:
    """The cell of the first layer and direction of the selection, at its first step in computing order.

    None if nothing was selected.
    """
    trace, selection = chosen.counted(trace), chosen.selection
    stage = next(filter(selection.places, trace.stages), None)
    if stage is None:
        return None
    t = trace.span[selection.window(trace)][-1 if stage.backwards else 0]
    b = range(trace.batch)[selection.rows(trace)][0]
    trace, _ = applied(trace, chosen.notation, selection, chosen.language)
    title = caption(trace, stage, t, b, words_for(trace, chosen.language))
    return Picture(lambda: diagram(trace, stage.scope, t, b, chosen.language), title, "", chosen.file)


# -- as a document -----------------------------------------------------------------------------------------------------


def _title(views: Sequence[View], chosen: Options) -> str:
    """The title of the document: of several reports the title that was given, or their kind."""
    return views[0].title if len(views) == 1 else chosen.title or views[0].words.word("untitled.many")


def _printed(views: Sequence[View], format: str, chosen: Options) -> str:
    """What is shown in its format."""
    if format == "html":
        from .page.html import page  # with the picture of the cell 40 ms, which the other formats do not need

        return page(views, _title(views, chosen))
    made = _bodies(views, chosen)
    if chosen.fragment and format != "md":
        part = import_module(f"..documents.{'latex' if format == 'tex' else 'typst'}", __package__)
        return str(part.fragment(made, chosen.level, chosen.width))
    return rendered(made, format, chosen.language or "en", chosen.width or 80, chosen.math or "github")


def _bodies(views: Sequence[View], chosen: Options) -> list[Body]:
    """The reports as blocks, with headings at their levels in the document."""
    found = [
        Body(
            tuple(blocks(one)), one.trace.header.symbols, one.detail == "compact", one.tight,
            one.profile is not None or (one.small and not chosen.fragment),
            tall=any(stage.cell.matrices for stage in one.trace.stages),
        )
        for one in views
    ]  # fmt: skip
    if len(found) > 1 and (chosen.title or not chosen.fragment):
        found = [lowered(body, 1) for body in found]
        found[0] = replace(found[0], blocks=(Heading(1, (_title(views, chosen),)), *found[0].blocks))
    if not chosen.fragment:
        return found
    if len(found) == 1 and chosen.title == "":
        return [lowered(replace(found[0], blocks=found[0].blocks[1:]), chosen.level.number - 2)]
    return [lowered(body, chosen.level.number - 1) for body in found]


def _rendered(views: Sequence[View], kind: str, chosen: Options) -> str:
    """What is shown, in the form a notebook requests it, whatever its format: `html`, `markdown` or `plain`."""
    drawn = ((shown, shown.illustration if shown.profile is not None else None) for shown in views)
    without = [replace(shown, illustration=one and replace(one, file="")) for shown, one in drawn]  # no separate file
    if kind == "plain":
        return _printed(without, "text", chosen)
    if kind == "markdown":
        return _printed(without, "md", replace(chosen, math="dollars"))
    from .page.html import fragment

    return "\n".join(fragment(shown, _printed([shown], "text", chosen)) for shown in without)
