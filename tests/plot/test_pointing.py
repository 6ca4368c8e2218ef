"""What a picture says of its places, from which a page reads the number that is pointed at."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, fromstring

import pytest

from lstm_trace.languages.strings import words
from lstm_trace.plot import svg
from lstm_trace.plot.figure import Figure
from lstm_trace.plot.kinds import bars as bars_of
from lstm_trace.plot.kinds.bars import axis_of_bars, panels_of_bars
from lstm_trace.plot.panels import Bar, Column, Grid

from .kinds.picture_reader import SVG, lstm, marks, root


def having(figure: Figure, name: str) -> list[Element]:
    return [node for node in root(figure).iter() if node.get(f"data-{name}") is not None]


def step_at(node: Element, x: float) -> int:
    """The step at a place across, as a page reads it."""
    first, start, pitch = (float(node.get(f"data-{name}", "")) for name in ("first", "start", "pitch"))
    return round(first + ((x - start) / pitch if pitch else 0))


def test_rows_of_a_map_name_their_units_in_the_order_that_is_drawn() -> None:
    figure = lstm(units=5, reverse=True).plot.states(order="memory")
    columns = [name.rpartition("[")[0] for name in figure.data.columns]
    found = [
        f"{node.get('data-line')}[{unit}]"
        for node in having(figure, "line")
        for unit in node.get("data-units", "").split()
    ]
    assert found == list(figure.data.columns)
    assert len(set(columns)) == len(having(figure, "line"))


@pytest.mark.parametrize("steps", [1, 2, 6, 40])
@pytest.mark.parametrize("kind", ["states", "unit", "gradient"])
def test_the_marks_stand_at_their_steps(kind: str, steps: int) -> None:
    figure = getattr(lstm(steps=steps).plot, kind)()
    nodes = having(figure, "first")
    assert len(nodes) > 1
    told = {int(name): x for name, x in marks(figure).items() if name.isdecimal()}
    for node in nodes:
        left, right = float(node.get("x", "")), float(node.get("x", "")) + float(node.get("width", ""))
        here = {step: x for step, x in told.items() if left <= x <= right}
        assert all(step_at(node, x) == step for step, x in here.items())


def test_points_of_a_curve_stand_at_their_steps() -> None:
    figure = lstm().plot.unit(unit=1, steps=slice(2, 6), layer=0)
    for group in root(figure).iter(f"{SVG}g"):
        panel = group.find(f"{SVG}rect[@data-first]")
        for point in group.findall(f"{SVG}circle") if panel is not None else ():
            said = point.findtext(f"{SVG}title") or ""
            assert step_at(panel, float(point.get("cx", ""))) == int(re.findall(r"t = (\d+)", said)[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["forward", "reverse"])
def test_bars_stand_at_their_steps(way: str) -> None:
    figure = lstm(reverse=True).plot.memory(f"0/{way}/{5 if way == 'forward' else 0}/0/c_t[1]")
    (panel,) = having(figure, "first")
    seen = set()
    for bar in root(figure).iter(f"{SVG}rect"):
        if found := re.match(r"step (\d+),", bar.findtext(f"{SVG}title") or ""):
            assert step_at(panel, middle(bar)) == int(found[1])
            seen.add(found[1])
    assert len(seen) == 6


@pytest.mark.parametrize("behind", [False, True])
def test_bars_that_steps_share_stand_at_one_of_them(behind: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars_of, "COLUMNS", 4)
    x, wide, _ = axis_of_bars(words("en"), range(4, 14), (), before="c0", behind=behind)
    bars = tuple(Bar(column, 1.0, "c0", "x") for column in range(4))
    tree = fromstring(svg.drawn("title", "", [Grid([Column(panels_of_bars(x, wide, {"": bars}))])]))  # noqa: S314 - our own
    panel = tree.find(f".//{SVG}rect[@data-first]")
    there = [bar for bar in tree.iter(f"{SVG}rect") if bar.get("class") == "c0"]
    assert panel is not None
    assert [(step_at(panel, middle(bar)) - 4) // 3 for bar in there] == [0, 1, 2, 3]


def middle(bar: Element) -> float:
    return float(bar.get("x", "")) + float(bar.get("width", "")) / 2


def test_parts_of_a_text_dots_and_weights() -> None:
    trace = lstm(units=4)
    steps = [node.get("data-t") for node in having(trace.plot.text(unit=1, steps=slice(2, None)), "t")]
    assert set(steps) == {"2", "3", "4", "5"}
    dots = having(trace.plot.saturation(lines="f_t"), "units")
    assert {node.get("data-line") for node in dots} == {"0/forward/f_t"}
    assert len({node.get("data-units") for node in dots}) == len(dots)
    shapes = {node.get("data-weight"): node.get("data-shape") for node in having(trace.plot.weights(), "weight")}
    assert (shapes["0/forward/W_xi"], shapes["0/forward/b_i"]) == ("4 2", "4")
    assert len(shapes) == 12
