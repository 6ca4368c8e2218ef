"""`lstm-trace export`: a trace as a table in a file."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from ..options import digits_option, nonfinite_option, opened, output_option, selection_options, source_argument

#: Seconds of work before a progress bar is worth a look.
PATIENCE = 2.0


@click.command("export")
@source_argument
@output_option(
    "Write here; the suffix says how: .csv, .tsv, .parquet, .jsonl, .xlsx. Standard output (CSV) if not given."
)
@click.option("--shape", type=click.Choice(["long", "wide", "worked"]), default="long", show_default=True,
              help="long: a row for each value; wide: a row for each step, a column for each line and unit; "
                   "worked: a row for each value with its formula and the numbers in it.")  # fmt: skip
@click.option(
    "--with-inputs", is_flag=True, help="Include parameters, inputs, initial states and given lines (long shape)."
)
@click.option("--dialect", type=click.Choice(["plain", "excel", "excel-eu"]), default="plain", show_default=True,
              help="excel: opens by a double click; excel-eu: with semicolon and decimal comma.")  # fmt: skip
@click.option("--padding", is_flag=True, help="Keep steps beyond a row's length, with a column `valid` (1, or 0).")
@digits_option("Decimals in .csv and .tsv, or of one line: c_t=6 (repeatable); decimals that .xlsx shows (6).")
@click.option("--values", is_flag=True, help="Plain numbers in .xlsx, instead of formulas.")
@selection_options
@nonfinite_option
def command(
    source: str,
    output: str,
    shape: str,
    with_inputs: bool,
    dialect: str,
    padding: bool,
    digits: tuple[int | None, dict[str, int]],
    values: bool,
    allow_nonfinite: bool,
    **selection: Any,
) -> None:
    """Write the values of SOURCE (a trace, or a problem that is traced first) as a table.

    Columns of the long shape: layer, direction, t, batch, line, op, unit, value. All numbers read back to the last bit,
    unless --digits rounds them. Steps beyond a row's length are left out.
    """
    from dataclasses import replace

    from ...export.excel.limits import refuse
    from ...export.writers import Job, check, export
    from ...formulas.numbers import Style
    from ...trace.rows import Selection

    chosen, style = Selection(**selection), Style(digits[0], lines=digits[1])
    writer = check(output, shape, with_inputs, dialect, values, padding, style)  # before a long run, as the next lines
    before = (lambda model: refuse(model, chosen, not values, padding)) if writer.workbook else None
    trace = opened(source, allow_nonfinite, before)
    job = Job(trace, shape, chosen, with_inputs, dialect, values, padding, style)
    whole = replace(job, padding=padding or writer.workbook)  # a workbook may hold padding without being asked
    with _Progress(whole.rows) as progress:
        export(replace(job, progress=progress.advance), output)


class _Progress:
    """A bar on stderr, where that is a terminal, for work that takes longer than a moment."""

    def __init__(self, rows: int) -> None:
        self.rows, self.done, self.began = rows, 0, time.monotonic()
        self.bar: Any = None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *fault: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def advance(self, rows: int) -> None:
        """So many more rows are written."""
        self.done += rows
        if self.bar is None and time.monotonic() - self.began > PATIENCE and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.add_task("rows", total=self.rows)
            self.bar.start()
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=self.done)
