"""The role of a value in its cell, found from what reads what; colours, scales and charts follow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...base.arrays import runs
from ...cell.lines import Line
from ...cell.network import VALID, Stage
from ...cell.ops import OPS
from .formulas import area, column, recorded
from .grids import BlockColumns, places, rows, title
from .page import TEXTS, Page
from .sheets import ENTRIES, STEPS, TOP, Book, StepGrid, ValueBlock, left, place_names

#: In the order of the legend.
ROLES = ("weight", "input", "state", "product", "sum", "gate", "candidate", "cell", "output", "other")


def role(stage: Stage, name: str) -> str:
    """One of `ROLES`."""
    cell = stage.cell
    if name in cell.states:
        return "state"
    if name in cell.inputs:
        return "input"
    if name not in cell.by_name:
        return "weight"
    line = cell.by_name[name]
    if name == cell.output or (line.assigned and name not in cell.readers and name not in cell.states.values()):
        return "output"
    if name in cell.states.values() or name in stage.carried:
        return "cell"
    readers = cell.readers.get(name, ())
    if cell.is_gate(line):
        return "gate"
    if line.assigned and _activates(line) and (factors := [r for r in readers if r.op == "mul"]):
        return "gate" if any(product.operands[0] == name for product in factors) else "candidate"
    if line.op == "add" and any(map(_activates, readers)):
        return "sum"
    return "product" if line.op in ("matvec", "vecmat", "mul") else "other"


def _activates(line: Line) -> bool:
    op = OPS[line.op]
    return bool(op.function) and op.arity == 1 and op.width == "same"


def of_units(stage: Stage) -> list[str]:
    """The lines that a chart of one unit shows: gates, then what is carried."""
    gates = [line.name for line in stage.cell.lines if role(stage, line.name) == "gate"]
    return list(dict.fromkeys([*gates, *(name for name in stage.carried if name in stage.cell.by_name)]))


def line_looks(stage: Stage, names: Sequence[str], width: float) -> dict[str, dict[str, Any]]:
    """How charts draw each line: in a shade of its role, gates dashed. width: of lines that are not gates."""
    looks: dict[str, dict[str, Any]] = {}
    for name in names:
        kind = role(stage, name)
        shades = TEXTS["by_hand"]["lines"].get(kind, TEXTS["by_hand"]["entries"])
        color = shades[sum(role(stage, other) == kind for other in looks) % len(shades)]
        looks[name] = {"color": color, **({"width": 1.5, "dash_type": "dash"} if kind == "gate" else {"width": width})}
    return looks


def ends(stage: Stage) -> list[str]:
    """The lines whose entries a chart shows: what is given out, and read by no other line."""
    cell, shown = stage.cell, of_units(stage)
    found = [line.name for line in cell.lines if line.assigned and line.name not in cell.readers]
    return [name for name in dict.fromkeys([cell.output, *found]) if name in cell.by_name and name not in shown]


#: How many areas of a rule are written: each row of a batch has its own, because padding is not coloured.
MOST = 500


def write_scales(book: Book, grid: StepGrid, page: Page) -> None:
    """Colour the lines of a layer by their values, except at padding; the backward pass is left as it is."""
    inside = book.trace.valid[book.window, book.batch, 0] != 0
    there = runs(np.flatnonzero(inside.T[book.kept.T]))
    if grid.stage.is_adjoint or not 0 < len(there) <= MOST:
        return
    for block in grid.blocks.values():
        line, kind = grid.stage.cell.by_name.get(block.name), role(grid.stage, block.name)
        if line is None or not line.assigned or kind not in ("gate", "candidate", "cell", "output"):
            continue
        values = recorded(book, grid, block)[inside]
        values = values[np.isfinite(values)]
        largest = float(np.abs(values).max(initial=0.0))
        between = kind == "gate" and bool((values >= 0).all()) and largest <= 1
        areas = [area(TOP + run.start, block.first, TOP + run.stop - 1, block.columns[-1]) for run in there]
        if largest:
            low, high = (0.0, 1.0) if between else (-largest, largest)
            page.scaled(areas, TEXTS["scales"]["gate" if between else "signed"], low, high)


def unit_lines(grid: StepGrid) -> list[ValueBlock]:
    """The lines that the sheet shows: gates, then states, those with the most common number of units."""
    found = [block for name in of_units(grid.stage) if (block := grid.blocks.get(name)) and block.across is None]
    widest = max((block.width for block in found), default=0)
    return [block for block in found if block.width == widest > 1 and block.kind == "line"]


def has_unit_sheet(book: Book, grid: StepGrid) -> bool:
    """Whether a layer is too large for the sheet "By hand", has units to choose from, and has steps to see."""
    if not book.live or grid.stage.is_adjoint or len(book.steps) == 1:
        return False
    return any(block.width > ENTRIES or len(book.steps) > STEPS for block in unit_lines(grid))


def write_unit(book: Book, grid: StepGrid, page: Page) -> None:
    """The sheet; it begins with the unit whose state is largest."""
    shown, first = unit_lines(grid), left(book.trace)
    inside = book.trace.valid[book.window, book.batch] != 0
    values = [np.where(inside, recorded(book, grid, block), np.nan) for block in shown]
    unit = int(np.abs(np.where(np.isfinite(values[-1]), values[-1], 0.0)).max(axis=(0, 1)).argmax())
    right = first + len(shown) + 1
    chosen = f"${column(right + 1)}$1"
    page.write(0, 0, f"{title(grid)}: one unit", "title")
    page.write(0, right, "unit", "name")
    begin = book.trace.header.count_from
    ends = {"first": begin, "last": begin + shown[0].width - 1}
    page.write(0, right + 1, begin + unit, "input")
    page.write(1, 0, TEXTS["notes"]["unit"].format(sheet=grid.sheet, **ends), "note")
    for at, text in enumerate(place_names(book.trace)):
        page.write(4, at, text, "unit")
    for at, block in enumerate(shown):
        page.write(4, first + at, block.name, "unit")
    here = [
        BlockColumns(block._replace(first=first + at, width=1), (), numbers[:, :, unit : unit + 1], "copy")
        for at, (block, numbers) in enumerate(zip(shown, values, strict=True))
    ]
    padding = f"'{grid.sheet}'!{column(grid.blocks[VALID].first)}" if book.padded else ""
    for row, i, k, numbers in rows(book, here):
        places(book, page, row, i, k)
        for at, (block, (number,)) in enumerate(zip(shown, numbers, strict=True)):
            there = area(row, block.first, row, block.columns[-1])
            formula = f"INDEX('{grid.sheet}'!{there},1,{chosen}+{1 - begin})"
            formula = f"IF({padding}{row + 1}=0,NA(),{formula})" if padding else formula
            page.write(row, first + at, number, "copy", formula=formula)
    page.shown(TOP, book.height - 1, [range(first, first + len(shown))])
    page.worksheet.set_column(0, 1, 5)
    page.worksheet.set_column(first, first + len(shown) - 1, page.styles.digits + 8)
    page.printed(TOP, first, len(shown))
    count = {"validate": "integer", "criteria": "between", "minimum": ends["first"], "maximum": ends["last"]}
    page.worksheet.data_validation(0, right + 1, 0, right + 1, count)
    page.worksheet.insert_chart(TOP - 3, right, _chart(book, page, grid, shown, first), {"object_position": 3})


def _chart(book: Book, page: Page, grid: StepGrid, shown: list[ValueBlock], first: int) -> Any:
    """A line for each column: of the first sequence that has valid steps, from the first of these to the last."""
    chart = page.workbook.add_chart({"type": "line"})
    valid = book.trace.valid[book.window, book.batch, 0] != 0
    sequence = int(valid.any(axis=0).argmax())
    steps = np.flatnonzero(valid[:, sequence]) if valid.any() else np.arange(len(book.steps))
    top, last = (TOP + sequence * len(book.steps) + int(steps[k]) for k in (0, -1))
    step = 1 + book.trace.header.count_from  # the column t, or step
    for at, (name, look) in enumerate(line_looks(grid.stage, [block.name for block in shown], 2.25).items(), first):
        steps_at, values = [page.name, top, step, last, step], [page.name, top, at, last, at]
        chart.add_series({"name": name, "categories": steps_at, "values": values, "line": look})
    of = f", row {book.rows[sequence]}" if len(book.rows) > 1 else ""
    chart.set_x_axis({"name": f"t{of}", "label_position": "low"})
    chart.set_y_axis({"num_format": "General", "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9"}}})
    chart.set_legend({"position": "top"})
    chart.set_size({"width": 900, "height": 380})  # pixels
    chart.show_na_as_empty_cell()
    return chart
