"""`lstm-trace corpus units`: what every unit does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ...options import output_option
from .contexts import TABLES, note, write_table
from .options import states_argument

if TYPE_CHECKING:
    import pandas as pd

    from ....tables.terminal import Table
    from ....tracking import Units

#: Columns of numbers as they are shown; and as they get room, after that of `--sort` and correlations.
SHOWN = ("mean", "sd", "least", "q05", "q25", "median", "q75", "q95", "most", "left", "right", "memory", "not_finite")
FIRST = ("sd", "memory", "mean", "left", "right", "least", "most")
#: Columns of a terminal that are kept for the tokens at which a unit moves.
TOKENS = 14


@click.command("units")
@states_argument
@click.option("--line", help="Only the units of this line: c_t, or 1/reverse/c_t.")
@click.option("--sort", default="sd", show_default=True, metavar="COLUMN", help="Largest size first: memory, r_…")
@click.option("-n", "--count", type=click.IntRange(min=1), default=20, show_default=True, help="How many are shown.")
@output_option("Write all units and columns here: .parquet or .csv; a table to standard output if not given.")
def command(states: str, line: str | None, sort: str, count: int, output: str) -> None:
    """Say what every unit of STATES does: its values, its saturation and memory, what moves it.

    A file has columns that the terminal has no room for, and the texts around the highest and lowest values.
    """
    import shutil

    from ....base.files import format_of
    from ....corpus import open
    from ....errors import MissingError, nearest
    from ....tables.terminal import draw
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


def table(found: Units, rows: pd.DataFrame, sort: str, width: int) -> Table:
    """The rows, with the columns that so many columns of a terminal have room for."""
    from ....base.text.columns import cells
    from ....plot.furniture import shown_number
    from ....tables.terminal import Table

    frame = found.frame
    several = len(frame[["layer", "direction"]].drop_duplicates()) > 1
    scopes = rows["layer"].astype(str) + "/" + rows["direction"] + "/" if several else ""
    units = [*(scopes + rows["line"] + "[" + rows["unit"].astype(str) + "]")]
    moved = bool(frame["moves_at"].any())
    left = width - max(map(cells, units)) - (TOKENS if moved else 0)
    targets = [name for name in map(str, frame) if name.startswith("r_")]
    columns: dict[str, list[str]] = {}
    for name in dict.fromkeys((*({sort} & {*SHOWN}), *targets, *FIRST)):
        if frame[name].isna().all():
            continue
        texts = [shown_number(value, 3) for value in rows[name]]
        if (wide := max(map(cells, (*texts, name))) + 2) <= left:
            columns[name], left = texts, left - wide
    names = [name for name in (*SHOWN, *targets) if name in columns]
    cut = [(text if cells(text) <= left + TOKENS - 2 else f"{text[: left + TOKENS - 3]}…") for text in rows["moves_at"]]
    more = (cut,) if moved else ()
    return Table(
        f"{found.steps:,} steps", ("unit", *names, *(["moves_at"] if moved else [])),
        tuple(zip(units, *(columns[name] for name in names), *more, strict=True)), 0, frozenset(),
        " ".join(_notes(found, rows)), ("moves_at",),
    )  # fmt: skip


def _notes(found: Units, rows: pd.DataFrame) -> Iterator[str]:
    from ....errors import counted

    frame = found.frame
    if (rest := len(frame) - len(rows)) > 0:
        yield f"{counted(rest, 'more unit')}: -n {len(frame)}, or -o units.csv, which has more columns too."
    if dead := int(frame["dead"].sum()):
        yield f"{counted(dead, 'unit')} never moved."
    if broken := int(frame["not_finite"].sum()):
        yield f"{counted(broken, 'value')} not finite; they count for nothing."
