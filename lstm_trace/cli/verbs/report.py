"""`lstm-trace report`: the worked solution."""

from __future__ import annotations

from typing import Any

import click

from ...report.languages import languages
from ..options import (
    FORMAT,
    arithmetic_options,
    nonfinite_option,
    number_options,
    opened,
    output_option,
    selection_options,
    source_argument,
)


@click.command("report")
@source_argument
@output_option("Write here; the suffix (.md, .txt, .html, .tex, .pdf) chooses the format.")
@click.option("--format", "format_", help="md, text, html, tex, typ or pdf; without -o text in a terminal, else md.")
@click.option(
    "--detail",
    type=click.Choice(["scalar", "vector", "summary"]),
    help="Every term of every unit, vectors, or gates and states only; chosen by size if not given.",
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
@click.option("--width", type=click.IntRange(min=40), help="Columns of a text report.")
@click.option("--count-from", type=click.IntRange(0, 1), help="Count steps, units and layers from 0 or 1.")
@click.option("--all", "everything", is_flag=True, help="Do not truncate.")
@click.option(
    "--no-diagram", is_flag=True, help="Do not write a picture of the cell (x.svg) next to a Markdown file x.md."
)
@number_options
@arithmetic_options
@selection_options
@nonfinite_option
def command(
    source: str,
    output: str,
    format_: str | None,
    detail: str | None,
    width: int | None,
    notation: str,
    language: str,
    count_from: int | None,
    everything: bool,
    no_diagram: bool,
    allow_nonfinite: bool,
    arithmetic: str | None,
    style: dict[str, Any],
    **selection: Any,
) -> None:
    """Write the worked solution of SOURCE (a trace, or a problem that is traced first).

    Every line with its symbol, its formula, numbers substituted, and the result; = where that is exact, ≈ where it is
    rounded. It ends with the answers that were asked for, and one sentence for each gate. With --by-hand or
    --arithmetic everything is computed again like that, and each answer stands beside its value in full precision.
    """
    import os
    import shutil
    import sys

    from ...base.files import format_of, is_device, spare, written
    from ...report.report import SUFFIXES, pdf, report

    picture = f"{os.path.splitext(output)[0]}.svg"
    terminal = output == "-" and sys.stdout.isatty()
    chosen = format_ or format_of(output, SUFFIXES, "reports", "text" if terminal else "md", FORMAT)
    beside = output not in ("-", picture) and not is_device(output)  # there is no place beside a device
    illustrate = chosen == "md" and beside and not no_diagram
    if illustrate:
        spare(picture, [source, output])
    columns = width or (min(shutil.get_terminal_size().columns, 100) if terminal else 80)
    trace = opened(source, allow_nonfinite)
    if arithmetic is not None:
        from ...engine.rerun import in_arithmetic

        trace = in_arithmetic(trace, arithmetic)
    options = {"detail": detail, "width": columns, "everything": everything, "notation": notation}
    options |= {"language": language, "count_from": count_from, **style, **selection}
    if chosen == "pdf":
        made = pdf(trace, **options)
        with written(output, "wb") as file:
            file.write(made)
        return
    text, svg = report(trace, chosen, **options), ""
    if illustrate:
        from ...report.illustrated import illustrated
        from ...trace.rows import Selection

        text, svg = illustrated(text, trace, picture, Selection(**selection), language, notation)
    with written(output) as file:
        file.write(text)
        if svg:  # while the report has not appeared yet: where one cannot be written, neither appears
            with written(picture) as drawing:
                drawing.write(svg)
