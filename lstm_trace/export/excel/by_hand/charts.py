"""Charts of gates and states over the steps: one for each unit, live, over the columns of the layer's sheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..page import Page
from ..sheets import TOP, Block, Grid
from ..texts import TEXTS
from .layout import ROW, Layout, points
from .names import begun
from .roles import ends, of_units, role

#: Pixels of a chart: what it needs, and what it takes where there is room.
WIDTH, HEIGHT, WIDEST, TALLEST = 340, 220, 620, 300
GAP = 10
#: So many charts are shown.
MOST = 4


class Spot(NamedTuple):
    """Where a chart stands: a cell, pixels from there, and its size."""

    row: int
    column: int
    right: int
    down: int
    width: int
    height: int


class Arranged(NamedTuple):
    """A sheet with its charts. points: of a digit on one page. end: the last row."""

    layout: Layout
    spots: tuple[Spot, ...]
    points: float
    end: int


def arranged(layout: Layout) -> Arranged:
    """The charts where they leave the digits largest: where steps are missing, or below."""
    count = min(len(list(_charts(layout))), MOST) if len(layout.book.steps) > 1 else 0
    width, height = layout.size
    bare = Arranged(layout, (), points(width, height), layout.height - 1)
    if not count:
        return bare
    return _beside(layout, count, bare) or _below(layout, count)


def _beside(layout: Layout, count: int, bare: Arranged) -> Arranged | None:
    """In the last row of steps, beside the last of them, one below the other or in two columns."""
    top, bottom, steps = layout.panels[-1]
    if steps == layout.across:
        return None
    room, tall = sum(layout.columns[layout.starts[steps] :]), layout.pixels(top, bottom)
    for across in range(1, count + 1):
        down = -(-count // across)
        width, height = min(room // across - GAP, WIDEST), min(tall // down - GAP, TALLEST)
        if width >= WIDTH and height >= HEIGHT:
            spots = (
                Spot(top, layout.starts[steps], k % across * (width + GAP), k // across * (height + GAP), width, height)
                for k in range(count)
            )
            return bare._replace(spots=tuple(spots))
    return None


def _below(layout: Layout, count: int) -> Arranged:
    room, used = layout.size
    width = min(WIDEST, room // count - GAP)
    spots = tuple(Spot(layout.height, 0, 5 + k * (width + GAP), 2, width, HEIGHT) for k in range(count))
    return Arranged(layout, spots, points(room, used + HEIGHT + ROW), layout.height + -(-HEIGHT // ROW))


def draw(found: Arranged, page: Page) -> None:
    """Insert the charts."""
    charts = list(_charts(found.layout))
    for spot, (name, series) in zip(found.spots, charts, strict=False):
        chart = page.workbook.add_chart({"type": "line"})
        for one in series:
            chart.add_series(one)
        chart.set_title({"name": name, "name_font": {"size": 12}, "overlay": False})
        chart.set_x_axis({"name": _axis(found.layout), "num_font": {"size": 10}, "label_position": "low"})
        grid = {"visible": True, "line": {"color": "#D9D9D9"}}
        chart.set_y_axis({"num_format": "0.0", "num_font": {"size": 10}, "major_gridlines": grid})
        chart.set_legend({"position": "right", "font": {"size": 11}})
        chart.set_size({"width": spot.width, "height": spot.height})
        place = {"x_offset": spot.right, "y_offset": spot.down, "object_position": 3}
        page.worksheet.insert_chart(spot.row, spot.column, chart, place)


def _counted(layout: Layout) -> bool:
    """Whether the steps are numbered by their places: 1, 2, 3. The layer's sheet counts from 0 always."""
    return layout.called.words.nth(layout.book.steps.start) == 1


def _axis(layout: Layout) -> str:
    zero = layout.called.words.count_from == 0 or _counted(layout)
    return "step" if zero else "step, counted from 0"


def _charts(layout: Layout) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(title, series) of each: a unit with its gates and states, or a line of other width with its entries."""
    called = layout.called
    grids = [grid for grid in layout.book.grids.values() if not grid.stage.is_adjoint]
    for grid in grids:
        place = begun(f"{called.place(grid.stage)}: ") if len(grids) > 1 else ""
        blocks = [grid.blocks[name] for name in of_units(grid.stage) if name in grid.blocks]
        width = max((block.width for block in blocks), default=0)
        for j in range(width):
            yield (
                f"{place}{called.one(j, width)}",
                [_series(layout, grid, block, j) for block in blocks if block.width == width],
            )
        for block in (grid.blocks[name] for name in ends(grid.stage) if name in grid.blocks):
            yield (
                f"{place}{called.text(grid.stage, block.name)}",
                [_entry(layout, grid, block, j) for j in range(block.width)],
            )


def _series(layout: Layout, grid: Grid, block: Block, j: int) -> dict[str, Any]:
    """One unit of a line, in a shade of its role."""
    kind = role(grid.stage, block.name)
    shades = TEXTS["by_hand"]["lines"][kind]
    alike = [name for name in of_units(grid.stage) if role(grid.stage, name) == kind]
    look = {"color": shades[alike.index(block.name) % len(shades)]}
    look |= {"width": 1.5, "dash_type": "dash"} if kind == "gate" else {"width": 2.5}
    return _line(layout, grid, block, j, layout.called.text(grid.stage, block.name), look)


def _entry(layout: Layout, grid: Grid, block: Block, j: int) -> dict[str, Any]:
    """One entry of what is given out."""
    shades = TEXTS["by_hand"]["entries"]
    return _line(
        layout,
        grid,
        block,
        j,
        layout.called.entries(grid.stage, block.name, block.width)[j],
        {"color": shades[j % len(shades)], "width": 2},
    )


def _line(layout: Layout, grid: Grid, block: Block, j: int, name: str, look: dict[str, Any]) -> dict[str, Any]:
    last, colour = TOP + len(layout.book.steps) - 1, {"color": look["color"]}
    return {
        "name": name,
        **({"categories": [grid.sheet, TOP, 1, last, 1]} if not _counted(layout) else {}),
        "values": [grid.sheet, TOP, block.first + j, last, block.first + j],
        "line": look,
        "marker": {"type": "circle", "size": 5, "fill": colour, "border": colour},
    }
