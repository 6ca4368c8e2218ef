"""What the workbook says of itself: its sheets, and the page 'Read me'."""

from __future__ import annotations

from collections.abc import Iterator

from .page import Style
from .sheets import CHECK, INPUTS, README, START, Book

_GREY, _BLUE, _YELLOW, _GREEN, _RED = "#7F7F7F", "#9DC3E6", "#FFD966", "#A9D18E", "#F4B183"


def sheets(book: Book) -> list[tuple[str, str, str]]:
    """(name, colour of its tab, what it holds) of every sheet, in order."""
    found = [(README, _GREY, "this page")]
    if book.live and book.reads_x:
        found.append((INPUTS, _BLUE, "x_t: a row for each step of each row of the batch"))
    if book.starts:
        what = (
            "lengths and states before the first step"
            if book.starts[0].range == "lengths"
            else "states before the first step"
        )
        found.append((START, _BLUE, what))
    found += [
        (grid.weights, _YELLOW, "weights and biases") for scope, grid in book.grids.items() if book.tables.get(scope)
    ]
    what = "every line of the cell, a formula over its operands" if book.live else "every line of the cell"
    found += [(grid.sheet, _GREEN, what) for grid in book.grids.values()]
    checked = [grid for grid in book.grids.values() if grid.lines]
    if checked:
        found.append((CHECK, _RED, "how far the live cells are from the recorded numbers"))
    found += [
        (grid.recorded, _GREY, f"the numbers of the trace, cell for cell as on '{grid.sheet}'") for grid in checked
    ]
    return found


Row = tuple[tuple[str, ...], Style, str]


def about(book: Book) -> Iterator[Row]:
    """The rows of 'Read me': (texts, style of the first, sheet that it leads to)."""
    header = book.trace.header
    yield (header.title or f"The cell {header.kind}",), "title", ""
    yield (_extent(book),), "note", ""
    yield (), "text", ""
    if book.live:
        yield ("Change a weight or an input: everything that depends on it follows.",), "name", ""
        yield (), "text", ""
    yield ("Sheets",), "name", ""
    for name, _, what in sheets(book)[1:]:
        yield (name, what), "text", name
    yield (), "text", ""
    yield from _colours(book)
    yield from _reading(book)
    seen: dict[str, list[str]] = {}
    for grid in book.grids.values():
        seen.setdefault(grid.stage.cell.text, []).append(grid.stage.scope)
    for text, scopes in seen.items():
        many = f" of {', '.join(scopes)}" if len(seen) > 1 else ""
        yield (f"Equations{many}",), "name", ""
        for line in text.splitlines():
            yield ("", line), "text", ""
        yield (), "text", ""


def _extent(book: Book) -> str:
    trace = book.trace
    first, last = book.steps[0], book.steps[-1]
    steps = f"step {first}" if first == last else f"steps {first} to {last}"
    rows = "" if trace.batch == 1 else f", rows {book.rows[0]} to {book.rows[-1]} of {trace.batch}"
    steps += "" if trace.first else f" of {trace.steps}"
    return f"Cell: {trace.header.kind}; {steps}{rows}; {', '.join(book.grids)}; {trace.header.dtype}"


def _colours(book: Book) -> Iterator[Row]:
    yield ("Colours",), "name", ""
    if book.live:
        yield ("weight", "a weight: change it"), "weight", ""
        yield ("input", "an input, a mask, an initial state, or a line that was given: change it"), "input", ""
        yield ("copy", "the same number as in another cell, by reference"), "copy", ""
        yield ("part", "a formula: a part of a line, such as one product of a sum"), "part", ""
        yield ("result", "a formula: a line with a name"), "result", ""
    yield ("recorded", "a number of the trace that is not computed here"), "recorded", ""
    if book.padded:
        yield ("padding", "a step that is no part of its sequence (valid is 0)"), "padding", ""
    yield (), "text", ""


def _reading(book: Book) -> Iterator[Row]:
    yield ("How to read it",), "name", ""
    yield (
        ("", "t is the position in the input, also where a direction runs from the last step to the first."),
        "text",
        "",
    )
    yield (
        ("", "Units, steps, rows and layers count from 0; INDEX counts from 1, so INDEX(W,1,0) is the row of unit 0."),
        "text",
        "",
    )
    if book.live:
        yield ("", "Names such as W_xi_0f are ranges: W_xi of layer 0, forward (r: reverse, j: joined)."), "text", ""
        yield ("", "The sigmoid is 1/(1+EXP(-z)); below -700 EXP would overflow, and the result is 0."), "text", ""
    yield (
        (
            "",
            "NaN is #N/A. A spreadsheet has no infinity: it is an error (#DIV/0!, #NUM!), and so is all that reads it.",
        ),
        "text",
        "",
    )
    if book.live and book.trace.header.dtype != "float64":
        yield (
            ("", f"The trace is {book.trace.header.dtype}; a spreadsheet computes in float64, so last digits differ."),
            "text",
            "",
        )
    yield (), "text", ""
