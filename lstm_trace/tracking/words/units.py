"""Units as a table for the terminal, with the columns that there is room for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...base.text.columns import cells
from ...errors import counted
from ...plot.furniture import shown_number
from ...tables.terminal import Table

if TYPE_CHECKING:
    import pandas as pd

    from ..units import Units

#: Columns of numbers as they are shown; and as they get room, after that of `--sort` and correlations.
SHOWN = ("mean", "sd", "least", "q05", "q25", "median", "q75", "q95", "most", "left", "right", "memory", "not_finite")
FIRST = ("sd", "memory", "mean", "left", "right", "least", "most")
#: Columns of a terminal that are kept for the tokens at which a unit moves.
TOKENS = 14


def table(found: Units, rows: pd.DataFrame, sort: str, width: int) -> Table:
    """The rows, with the columns that so many columns of a terminal have room for."""
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
        wide = max(map(cells, (*texts, name))) + 2
        if wide <= left:
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
    frame = found.frame
    rest, dead, broken = len(frame) - len(rows), int(frame["dead"].sum()), int(frame["not_finite"].sum())
    if rest > 0:
        yield f"{counted(rest, 'more unit')}: -n {len(frame)}, or -o units.csv, which has more columns too."
    if dead:
        yield f"{counted(dead, 'unit')} constant."
    if broken:
        yield f"{counted(broken, 'value')} not finite: {'it is' if broken == 1 else 'they are'} ignored."
