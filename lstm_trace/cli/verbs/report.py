"""`lstm-trace report`: the worked solution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import click

from ...base.option import Option
from ...cell.notations import NotationName
from ..commands import FILE, command
from ..counting import selected
from ..model_options import INPUTS, MODELS, STORED, model_options, opened_with
from ..options import FORMAT, Language, OfFile, arithmetic_options, default_format, number_options, selection_options

if TYPE_CHECKING:
    from ...trace.trace import Trace
    from ...view.view import Source


@command("report", epilog=MODELS)
@number_options
@arithmetic_options
@selection_options
@model_options
def report(
    sources: Annotated[tuple[str, ...], Option(metavar="SOURCE..."), FILE],
    *,
    output: OfFile = "-",
    form: Annotated[str | None, Option(flag="--format")] = None,
    detail: Literal["profile", "worked", "scalar", "compact", "vector", "summary"] | None = None,
    math: Literal["github", "dollars", "none"] | None = None,
    notation: NotationName | None = None,
    language: Language = None,
    title: str | None = None,
    fragment: bool,
    heading: Annotated[str | None, Option(flag="--heading-level", metavar="LEVEL")] = None,
    width: Annotated[int | None, Option(least=20)] = None,
    everything: Annotated[bool, Option(flag="--all")],
    no_diagram: bool,
    allow_nonfinite: bool,
    arithmetic: str | None,
    count_from: int | None,
    style: dict[str, Any],
    **given: Any,
) -> None:
    r"""Write the worked solution or profile of each SOURCE (a trace, a problem, or a model with --input) to one
    document.

    Each line is shown with its symbol, its formula, the numbers substituted and the result; = marks exact results, ≈
    rounded ones. The requested answers follow, and one sentence per gate. With --by-hand or --arithmetic everything is
    recomputed in that arithmetic, and each answer is shown next to its value in full precision.

    A trained model (a cell of more than 16 units, or a model file of more than 400 weights) gets a profile instead:
    what its gates and units do, the most eventful steps, and commands that open each of them.

    Args:
        output: Write to this file; the suffix (.md, .txt, .html, .tex, .pdf) chooses the format.
        form: Output format: md, text, html, tex, typ or pdf; without -o, text in a terminal, else md.
        detail: profile: what matters in a trained model; worked: worked steps, as many as fit; scalar: every term of
            every unit; compact: one chain per gate with the matrices filled in; vector: vectors; summary: gates and
            states only.
            Default: profile for more than 16 units, or more than 400 weights of a model file; else worked.
        math: Formulas in Markdown: for GitHub (the default), with dollars (Jupyter, Pandoc, Obsidian, VS Code), or as
            plain text.
        notation: Symbols of the exercises, with [h; x] concatenated, or those of a program or textbook; by default
            those that the problem names, or exercise.
        language: Language of headings and sentences (that of the first problem, or en).
        title: Title of the document, instead of the problem's.
        fragment: tex, typ, md: write a fragment, for example to be included by \input.
        heading: Headings of a fragment: section (default), section*, subsection, paragraph, …, a number, or bold.
        width: Width in columns of a text report (80), or of the formulas in a LaTeX fragment (66).
        everything: Do not truncate.
        no_diagram: Do not write a picture of the cell (x.svg) next to a Markdown file x.md.
    """
    import os
    import shutil

    from ...base.writing import format_of, is_device, spare, written
    from ...documents.formats import DOCUMENTS
    from ...errors import require_known
    from ...report.options import options_of
    from ...report.report import check_part, is_profile, pdf, report

    of_source = {name: given.pop(name) for name in (*INPUTS, *STORED, "hold")}
    if len(sources) > 1 and (said := [name for name in (*INPUTS, *STORED) if of_source[name] is not None]):
        option = said[0].replace("_", "-")
        raise click.UsageError(f"--{option} applies to one SOURCE, and there are {len(sources)}: write one at a time")
    if sources.count("-") > 1:
        raise click.UsageError("standard input, -, can be read only once")
    picture = f"{os.path.splitext(output)[0]}.svg"
    chosen = form or format_of(output, DOCUMENTS, "reports", "md" if math else default_format(output), FORMAT)
    require_known("format", chosen, tuple(dict.fromkeys(DOCUMENTS.values())), "expected")
    beside = output not in ("-", picture) and not is_device(output)  # a device has no neighbouring file
    if math is not None and chosen != "md":
        raise click.UsageError(
            f"--math {math} sets how formulas are marked in Markdown, but this report is {chosen}: leave --math out, "
            "or write Markdown (-o x.md, or --format md)"
        )
    illustrate = chosen == "md" and beside and not no_diagram and len(sources) == 1
    if illustrate:
        spare(picture, [*sources, output])
    if chosen == "text":
        if width is not None and width < 40:
            raise click.BadParameter(f"{width} is not in the range x>=40 of a text report.", param_hint="'--width'")
        width = width or (min(shutil.get_terminal_size().columns, 100) if output == "-" else None)
    options: dict[str, Any] = {
        "detail": detail, "width": width, "everything": everything, "notation": notation, "language": language,
        "title": title, "fragment": fragment, "heading": heading, "count_from": count_from, "math": math, **style,
        **given, "file": os.path.basename(picture) if illustrate else "",
    }  # fmt: skip
    asked = options_of(chosen, **options)
    check_part(chosen, asked)  # before a long run that would be wasted
    traces = _traces(sources, allow_nonfinite, arithmetic, of_source | {"count_from": count_from})
    first, *others = [selected(trace, given) for trace in traces]
    if any(other != first for other in others):
        differ = "the selection is not the same in all sources, which count from 0 and from 1, or end differently"
        raise click.UsageError(f"{differ}: give --count-from, or one source at a time")
    options |= first
    asked = options_of(chosen, **options)
    named = [_as_typed(click.get_current_context(), source) for source in sources]
    if chosen == "pdf":
        made = pdf(traces, named, **options)
        with written(output, "wb") as file:
            file.write(made)
        return
    text = report(traces, chosen, named, **options)
    svg = ""
    if illustrate:
        from ...report.report import of_gates, of_steps

        asked = asked.settled(traces[0])
        drawn = (of_gates if is_profile(traces[0], asked) else of_steps)(traces[0], asked)
        svg = "" if drawn is None else f"{drawn.drawing().rstrip()}\n"
    with written(output) as file:
        file.write(text)
        if svg:  # before the report is in place: if one cannot be written, neither appears
            with written(picture) as drawing:
                drawing.write(svg)


def _traces(
    sources: tuple[str, ...], allow_nonfinite: bool, arithmetic: str | None, given: dict[str, Any]
) -> list[Trace]:
    """The trace of each source. Raises LstmTraceError with the errors of all of them."""
    from ...engine.run import in_arithmetic
    from ...errors import Faults, within

    found, faults = [], Faults()
    for source in sources:
        with faults.gather():
            trace = opened_with(source, given, allow_nonfinite)
            with within(source if len(sources) > 1 else ""):
                found.append(trace if arithmetic is None else in_arithmetic(trace, arithmetic))
    faults.tell()
    return found


def _as_typed(context: click.Context, source: str) -> Source:
    """A source of a command, with the options that open it; standard input has no name."""
    from ...trace.files.trace_file import is_trace
    from ...view.view import UNNAMED, Source

    options = tuple(part for name in (*INPUTS, *STORED, "hold", "allow_nonfinite") for part in _typed(context, name))
    if "-" in (source, *options):
        return UNNAMED
    source = f"./{source}" if source.startswith("-") else source  # otherwise it would be parsed as an option
    return Source(source, options, bool(context.params["hold"]) or not is_trace(source))


def _typed(context: click.Context, name: str) -> Iterator[str]:
    """An option with its value; nothing if it was not given."""
    value: Any = context.params[name]
    if value is None or (value is False and name == "allow_nonfinite") or value == {}:
        return
    option = next(param for param in context.command.params if param.name == name)
    if isinstance(value, bool):
        yield (option.opts if value else option.secondary_opts)[0]
        return
    for text in [f"{address}={held}" for address, held in value.items()] if isinstance(value, dict) else [str(value)]:
        yield from (option.opts[0], text)
