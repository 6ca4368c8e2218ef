"""Units as a table for the terminal, with the columns that there is room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...base.display import cells
from ...errors import counted
from ...frames.terminal import Table
from ...plot.furniture import shown_number

if TYPE_CHECKING:
    import pandas as pd

    from ..units import Units

#: Columns of numbers as they are shown; and as they get room, both of a pair or none, after `--sort` and correlations.
SHOWN = ("mean", "sd", "least", "q05", "q25", "median", "q75", "q95", "most", "left", "right", "memory", "not_finite")
FIRST = (("sd",), ("memory",), ("mean",), ("left", "right"), ("least", "most"))
#: Columns of a terminal that are kept for the tokens at which a unit moves.
TOKENS = 14
#: Columns for which there is no room that are named: an input may bring hundreds.
NAMED = 12


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
    without: list[str] = []
    sorted_by = [pair for pair in FIRST if sort in pair] or [(sort,)]
    for pair in dict.fromkeys((*sorted_by, *((name,) for name in targets), *FIRST)):
        texts = {
            name: [shown_number(value, 3) for value in rows[name]] for name in pair if not frame[name].isna().all()
        }
        wide = sum(max(map(cells, (*column, name))) + 2 for name, column in texts.items())
        if wide <= left:
            columns, left = columns | texts, left - wide
        else:
            without += texts
    names = [name for name in (*SHOWN, *targets) if name in columns]
    cut = [(text if cells(text) <= left + TOKENS - 2 else f"{text[: left + TOKENS - 3]}…") for text in rows["moves_at"]]
    more = (cut,) if moved else ()
    return Table(
        f"{found.steps:,} steps", ("unit", *names, *(["moves_at"] if moved else [])),
        tuple(zip(units, *(columns[name] for name in names), *more, strict=True)), 0, frozenset(),
        " ".join(_notes(found, rows, without)), ("moves_at",),
    )  # fmt: skip


def _notes(found: Units, rows: pd.DataFrame, without: Sequence[str]) -> Iterator[str]:
    frame = found.frame
    rest, dead, broken = len(frame) - len(rows), int(frame["dead"].sum()), int(frame["not_finite"].sum())
    if rest > 0:
        yield f"{counted(rest, 'more unit')}: -n {len(frame)}."
    if dead:
        yield f"{counted(dead, 'unit')} constant."
    if broken:
        yield f"{counted(broken, 'value')} not finite: {'it is' if broken == 1 else 'they are'} ignored."
    if without:
        yield f"No room for {', '.join(without[:NAMED])}{', …' if without[NAMED:] else ''}."
    yield "-o units.csv has all units and columns."
