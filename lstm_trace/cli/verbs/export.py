"""`lstm-trace export`: a trace as a table in a file."""

from __future__ import annotations

from typing import Any

import click

from ...export.formats import TABLE_FORMATS
from ..options import (
    digits_option,
    hold_option,
    nonfinite_option,
    opened,
    output_option,
    selection_options,
    source_argument,
    tokens_option,
)
from ..progress import Bar


@click.command("export")
@source_argument
@output_option(f"Write here; the suffix says how: {', '.join(TABLE_FORMATS)}. Standard output (CSV) if not given.")
@click.option("--shape", type=click.Choice(["long", "wide", "worked"]), default="long", show_default=True,
              help="long: a row for each value; wide: a row for each step, a column for each line and unit; "
                   "worked: a row for each value with its formula and the numbers in it.")  # fmt: skip
@click.option(
    "--with-inputs", is_flag=True, help="Include parameters, inputs, initial states and given lines (long shape)."
)
@click.option("--dialect", type=click.Choice(["plain", "excel", "excel-eu"]), default="plain", show_default=True,
              help="excel: opens by a double click; excel-eu: with semicolon and decimal comma.")  # fmt: skip
@click.option("--padding", is_flag=True, help="Keep steps beyond a sequence's length, with a column `valid` (1, or 0).")
@click.option("--all-lines", is_flag=True, help="Columns for lines without a name of their own too, as W_xi @ x_t "
              "(wide shape).")  # fmt: skip
@click.option("--names", type=click.Choice(["plain", "safe"]), default="plain", show_default=True,
              help="Columns of the wide shape: c_t[0], or c_t_0 for SQL, R, Stata and tables of Excel.")  # fmt: skip
@click.option("--title-column", is_flag=True, help="A first column `title`, to tell stacked tables apart.")
@click.option("--title", metavar="TEXT", help="Another text for that column than the title of SOURCE.")
@digits_option("Decimals in .csv and .tsv, or of one line: c_t=6 (repeatable); decimals that .xlsx shows (6).")
@click.option("--gradient-of", metavar="ADDRESS", help="With the gradient of one value (2/h_t[0]) or of a loss "
              "(L): every line of the backward pass; live in .xlsx.")  # fmt: skip
@click.option("--values", is_flag=True, help="Plain numbers in .xlsx, instead of formulas.")
@selection_options
@hold_option
@tokens_option
@nonfinite_option
def command(
    source: str,
    output: str,
    shape: str,
    with_inputs: bool,
    dialect: str,
    padding: bool,
    all_lines: bool,
    names: str,
    title_column: bool,
    title: str | None,
    digits: tuple[int | None, dict[str, int]],
    gradient_of: str | None,
    values: bool,
    hold: dict[str, str],
    allow_nonfinite: bool,
    tokens: str | None,
    **selection: Any,
) -> None:
    """Write the values of SOURCE (a trace, or a problem that is traced first) as a table.

    Columns of the long shape: layer, direction, t, batch, line, op, unit, value. All numbers read back to the last bit,
    unless --digits rounds them. Steps beyond a sequence's length are omitted.
    """
    from dataclasses import replace

    from ...backpropagation.gradients import backward
    from ...export.excel.limits import refuse
    from ...export.writers import ExportJob, check, export
    from ...formulas.numbers import Style
    from ...trace.rows import Selection

    chosen = Selection(**selection)
    options: dict[str, Any] = {
        "shape": shape, "with_inputs": with_inputs, "padding": padding, "all_lines": all_lines, "names": names,
        "title": title_column if title is None else title, "dialect": dialect, "values": values,
        "digits": Style(digits[0], lines=digits[1]),
    }  # fmt: skip
    writer = check(output, **options)  # before a long run, as the next lines
    before = (lambda model: refuse(model, chosen, not values, padding)) if writer.workbook else None
    trace = opened(source, allow_nonfinite, before, tokens, hold)
    if gradient_of is not None:
        trace = backward(trace, of=gradient_of)
    job = ExportJob(trace, selection=chosen, **options)
    whole = replace(job, padding=padding or writer.workbook)  # a workbook may hold padding without being asked
    with Bar("writing", "rows", whole.rows) as bar:
        export(replace(job, progress=bar.advance), output)
