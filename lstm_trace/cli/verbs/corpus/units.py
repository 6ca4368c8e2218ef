"""`lstm-trace corpus units`: a summary of every unit."""

from __future__ import annotations

import click

from ...options import output_option
from .shared import TABLES, note, states_argument, write_table


@click.command("units")
@states_argument
@click.option("--line", help="Only the units of this line: c_t, or 1/reverse/c_t.")
@click.option("--sort", default="sd", show_default=True, metavar="COLUMN", help="Largest size first: memory, r_…")
@click.option("-n", "--count", type=click.IntRange(min=1), default=20, show_default=True, help="Units to show.")
@output_option("Write all units and columns here: .parquet or .csv; a table to standard output if not given.")
def command(states: str, line: str | None, sort: str, count: int, output: str) -> None:
    """Summarize every unit of STATES: its values, its saturation and memory, the tokens at which it changes.

    A file has all columns, and the texts around the highest and lowest values.
    """
    import shutil

    from ....base.writing import format_of
    from ....corpus import open
    from ....errors import MissingError, nearest
    from ....frames.terminal import draw
    from ....tracking.units import SHOWN, table
    from ...progress import Bar
    from ...screen import show

    form = format_of(output, TABLES, "units", "text")
    opened = open(states)
    known = [*SHOWN, *(f"r_{name}" for name in opened.targets)]
    if sort not in known:  # before the work
        raise MissingError(f"units have no numbers {sort!r} to sort by{nearest(sort, known, 'they have')}")
    with Bar("measuring") as bar:
        found = opened.units(line, progress=bar)
    note(opened)
    rows = found.sorted(sort)
    if form != "text":
        write_table(output, form, rows)
        return
    width = shutil.get_terminal_size().columns
    show(draw(table(found, rows.head(count), sort, width)), width)
