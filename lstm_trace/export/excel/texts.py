"""What the workbook says of itself: its sheets, and the page 'Read me'. The texts stand in texts.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator
from importlib.resources import files
from typing import Any

from .formulas import rounding
from .sheets import BY_HAND, CHECK, INPUTS, README, START, Book

TEXTS: dict[str, Any] = tomllib.loads((files(__package__) / "texts.toml").read_text(encoding="utf-8"))


def sheets(book: Book, by_hand: bool, units: Collection[str] = ()) -> list[tuple[str, str, str]]:
    """(name, colour of its tab, what it holds) of every sheet, in order.

    by_hand: whether it has the sheet "By hand". units: the sheets of one unit.
    """
    grids = list(book.grids.items())
    checked = [grid for _, grid in grids if grid.lines]
    lengths = bool(book.starts) and book.starts[0].range == "lengths"
    found = [
        *([(BY_HAND, BY_HAND, 0, "")] if by_hand else []),
        (README, README, 0, ""),
        *([(INPUTS, INPUTS, 0, "")] if book.live and book.reads_x else []),
        *([(START, START, lengths, "")] if book.starts else []),
        *((grid.weights, "Weights", 0, "") for scope, grid in grids if book.tables.get(scope)),
        *((grid.sheet, grid.kind, book.live, "") for _, grid in grids),
        *((name, "Unit", 0, "") for name in units),
        *((grid.totals, "Weight gradients", 0, "") for scope, grid in grids if book.totals.get(scope)),
        *([(CHECK, CHECK, 0, "")] if checked else []),
        *((grid.recorded, "Recorded", 0, grid.sheet) for grid in checked),
    ]
    tabs = TEXTS["tabs"]
    return [(name, tabs[kind][0], tabs[kind][1 + which].format(sheet=of)) for name, kind, which, of in found]


def about(book: Book, left_out: str, units: Collection[str] = ()) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """The rows of 'Read me': (texts, style of the first, sheet that it leads to).

    left_out: why there is no sheet "By hand"; empty where there is. units: the sheets of one unit.
    """
    header, said, blank = book.trace.header, TEXTS["read_me"], ((), "text", "")
    computed = header.dtype if rounding(header.arithmetic) is not None else header.arithmetic or header.dtype
    rounded = book.live and computed != "float64"
    flags = {"all": True, "live": book.live, "padded": book.padded, "rounded": rounded}
    flags["counted"] = header.count_from == 1 and not left_out
    yield (header.title or f"The cell {header.kind}",), "title", ""
    yield (_extent(book),), "note", ""
    yield blank
    if book.live:
        yield (said["change"],), "name", ""
        yield blank
    yield ("Sheets",), "name", ""
    yield from (((name, what), "text", name) for name, _, what in sheets(book, not left_out, units) if name != README)
    if left_out:
        yield (BY_HAND, said["left_out"].format(why=left_out)), "note", ""
    yield blank
    yield ("Colours",), "name", ""
    yield from (((style, what), style, "") for when, style, what in said["colours"] if flags[when])
    yield blank
    yield ("How to read it",), "name", ""
    yield from ((("", text.format(dtype=computed)), "text", "") for when, text in said["reading"] if flags[when])
    yield blank
    seen: dict[str, list[str]] = {}
    for grid in book.grids.values():
        seen.setdefault(grid.stage.cell.text, []).append(grid.stage.scope)
    for text, scopes in seen.items():
        yield (f"Equations of {', '.join(scopes)}" if len(seen) > 1 else "Equations",), "name", ""
        rows = (line for line in text.splitlines() if not line.startswith("gradient:"))  # the sheet's headings say it
        yield from ((("", line), "text", "") for line in rows)
        yield blank


def _extent(book: Book) -> str:
    trace = book.trace
    first, last = book.steps[0], book.steps[-1]
    steps = f"step {first}" if first == last else f"steps {first} to {last}"
    rows = "" if trace.batch == 1 else f", rows {book.rows[0]} to {book.rows[-1]} of {trace.batch}"
    steps += "" if trace.first else f" of {trace.steps}"
    return f"Cell: {trace.header.kind}; {steps}{rows}; {', '.join(book.grids)}; {trace.header.dtype}"
