"""`lstm-trace report`: the worked solution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...languages import languages
from ..model_options import INPUTS, MODELS, STORED, model_options
from ..options import (
    FORMAT,
    arithmetic_options,
    number_options,
    output_option,
    selection_options,
)

if TYPE_CHECKING:
    from ...trace.trace import Trace


@click.command("report", epilog=MODELS)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(allow_dash=True))
@output_option("Write here; the suffix (.md, .txt, .html, .tex, .pdf) chooses the format.")
@click.option("--format", "format_", help="md, text, html, tex, typ or pdf; without -o text in a terminal, else md.")
@click.option(
    "--detail",
    type=click.Choice(["profile", "worked", "scalar", "compact", "vector", "summary"]),
    help="What matters in a trained model; or worked steps, as many as fit; by every term of every unit; one chain for "
    "each gate with the matrices filled in; vectors; gates and states only. If not given: profile for more than 16 "
    "units or steps, else worked.",
)
@click.option(
    "--math",
    type=click.Choice(["github", "dollars", "none"]),
    help="Formulas in Markdown: as GitHub reads them (the default), with dollars (Jupyter, Pandoc, Obsidian, VS Code), "
    "or as plain text.",
)
@click.option(
    "--notation",
    type=click.Choice(["exercise", "joined", "pytorch", "keras"]),
    default="exercise",
    show_default=True,
    help="Symbols of the exercises, with [h; x] concatenated, of PyTorch or of Keras.",
)
@click.option(
    "--language",
    type=click.Choice(languages()),
    default="en",
    show_default=True,
    help="Language of headings and sentences.",
)
@click.option("--title", help="Title of the document, instead of the problem's.")
@click.option("--fragment", is_flag=True, help=r"tex, typ, md: a part of a document, as \input takes it.")
@click.option(
    "--heading-level",
    "heading",
    metavar="LEVEL",
    help="Of a fragment: section (default), section*, subsection, paragraph, …, a number, or bold.",
)
@click.option(
    "--width",
    type=click.IntRange(min=20),
    help="Columns of a text report (80), or of a LaTeX fragment's formulas (66).",
)
@click.option("--count-from", type=click.IntRange(0, 1), help="Count steps, units and layers from 0 or 1.")
@click.option("--all", "everything", is_flag=True, help="Do not truncate.")
@click.option(
    "--no-diagram", is_flag=True, help="Do not write a picture of the cell (x.svg) next to a Markdown file x.md."
)
@number_options
@arithmetic_options
@selection_options
@model_options
def command(
    sources: tuple[str, ...],
    output: str,
    format_: str | None,
    detail: str | None,
    math: str | None,
    width: int | None,
    notation: str,
    language: str,
    count_from: int | None,
    everything: bool,
    no_diagram: bool,
    title: str | None,
    fragment: bool,
    heading: str | None,
    allow_nonfinite: bool,
    arithmetic: str | None,
    style: dict[str, Any],
    **given: Any,
) -> None:
    """Write the worked solution, or the profile, of each SOURCE (a trace, or a problem; or a model with --input) in one
    document.

    Every line with its symbol, its formula, numbers substituted, and the result; = where that is exact, ≈ where it is
    rounded. It ends with the answers that were asked for, and one sentence for each gate. With --by-hand or
    --arithmetic everything is computed again like that, and each answer stands beside its value in full precision.

    A trained model, with more than 16 units or steps, has its profile instead: what its gates and units do, the most
    eventful steps, and commands that open one of them.
    """
    import os
    import shutil
    import sys

    from ...base.writing import format_of, is_device, spare, written
    from ...documents.formats import DOCUMENTS
    from ...report.options import options_of
    from ...report.report import check_part, is_profile, pdf, report
    from ..as_typed import source_as_typed

    of_source = {name: given.pop(name) for name in (*INPUTS, *STORED, "hold")}
    if len(sources) > 1 and (said := [name for name in (*INPUTS, *STORED) if of_source[name] is not None]):
        option = said[0].replace("_", "-")
        raise click.UsageError(f"--{option} is of one SOURCE, and there are {len(sources)}: report them one by one")
    if sources.count("-") > 1:
        raise click.UsageError("standard input, -, can be read once only")
    picture = f"{os.path.splitext(output)[0]}.svg"
    terminal = output == "-" and sys.stdout.isatty()
    chosen = format_ or format_of(output, DOCUMENTS, "reports", "text" if terminal and math is None else "md", FORMAT)
    beside = output not in ("-", picture) and not is_device(output)  # there is no place beside a device
    if math is not None and chosen != "md":
        raise click.UsageError(
            f"--math {math} says how formulas are marked in Markdown, but this report is {chosen}: leave --math away, "
            "or write Markdown (-o x.md, or --format md)"
        )
    illustrate = chosen == "md" and beside and not no_diagram and len(sources) == 1
    if illustrate:
        spare(picture, [*sources, output])
    if chosen == "text":
        if width is not None and width < 40:
            raise click.BadParameter(f"{width} is not in the range x>=40 of a text report.", param_hint="'--width'")
        width = width or (min(shutil.get_terminal_size().columns, 100) if terminal else None)
    options: dict[str, Any] = {
        "detail": detail,
        "width": width,
        "everything": everything,
        "notation": notation,
        "language": language,
    }
    options |= {"title": title, "fragment": fragment, "heading": heading, "count_from": count_from}
    options |= {"math": math, **style, **given, "file": os.path.basename(picture) if illustrate else ""}
    asked = options_of(chosen, **options)
    check_part(chosen, asked)  # before a long run would be in vain
    traces = _traces(sources, allow_nonfinite, arithmetic, of_source)
    named = [source_as_typed(click.get_current_context(), source) for source in sources]
    if chosen == "pdf":
        made = pdf(traces, named, **options)
        with written(output, "wb") as file:
            file.write(made)
        return
    text = report(traces, chosen, named, **options)
    svg = ""
    if illustrate:
        from ...report.report import of_cell, of_gates

        drawn = (of_gates if is_profile(traces[0], asked) else of_cell)(traces[0], asked)
        svg = "" if drawn is None else f"{drawn.drawing().rstrip()}\n"
    with written(output) as file:
        file.write(text)
        if svg:  # while the report has not appeared yet: where one cannot be written, neither appears
            with written(picture) as drawing:
                drawing.write(svg)


def _traces(
    sources: tuple[str, ...], allow_nonfinite: bool, arithmetic: str | None, given: dict[str, Any]
) -> list[Trace]:
    """The trace of each source. Raises LstmTraceError with the faults of all of them."""
    from ...engine.rerun import in_arithmetic
    from ...errors import Faults, within
    from ..model_options import opened_with

    found, faults = [], Faults()
    for source in sources:
        with faults.gather():
            trace = opened_with(source, given, allow_nonfinite)
            with within(source if len(sources) > 1 else ""):
                found.append(trace if arithmetic is None else in_arithmetic(trace, arithmetic))
    faults.tell()
    return found
