"""Saturation: every point is read back from the picture, against shares that are counted here."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, OptionError
from lstm_trace.plot.figure import Figure
from lstm_trace.trace.trace import Trace

from ...support.pictures import check, units
from .picture_reader import SVG, caption, lstm, root

GATES = ("i_t", "f_t", "o_t")


def shares(trace: Trace, scope: str, line: str, low: float = 0.1, high: float = 0.9) -> list[tuple[float, float]]:
    """Of each unit the share of valid steps and rows below `low` and above `high`."""
    found = []
    for j in range(trace.lines[scope][line].shape[2]):
        shut = opened = count = 0
        for t in range(trace.steps):
            for b in range(trace.batch):
                if trace.lengths is None or t < trace.lengths[b]:
                    value = trace.lines[scope][line][t, b, j]
                    shut, opened, count = shut + (value < low), opened + (value > high), count + 1
        found.append((float(shut / count), float(opened / count)))
    return found


def points(figure: Figure) -> list[list[tuple[float, float, float, str]]]:
    """Of each panel the points: their place by the marks of the axes, their radius and what they say."""
    found = []
    for group in root(figure).iter(f"{SVG}g"):
        floor = group.find(f"{SVG}path[@class='floor']")
        if floor is None:
            continue
        marks = [e for e in group.findall(f"{SVG}text") if e.text in ("0", "0.5", "1")]
        x = {float(str(e.text)): float(e.get("x", "")) for e in marks if e.get("class") == "mark"}
        y = {float(str(e.text)): float(e.get("y", "")) - 4 for e in marks if e.get("class") == "mark end"}
        assert x[0.5] == pytest.approx((x[0] + x[1]) / 2, abs=0.11)
        here = []
        for dot in group.findall(f"{SVG}circle"):
            across = (float(dot.get("cx", "")) - x[0]) / (x[1] - x[0])
            up = (float(dot.get("cy", "")) - y[0]) / (y[1] - y[0])
            here.append((across, up, float(dot.get("r", "")), str(dot[0].text)))
        found.append(here)
    return found


def named(figure: Figure) -> list[str]:
    """The texts in the free corners."""
    return [str(e.text) for e in root(figure).iter(f"{SVG}text") if e.get("class") == "named"]


@pytest.mark.parametrize("lengths", [None, [9, 5]])
def test_every_point_reads_back(lengths: list[int] | None) -> None:
    trace = lstm(9, 4, reverse=True, lengths=lengths)
    panels = points(trace.plot.saturation(0.3, 0.6))
    places = [(scope, line) for scope in ("0/forward", "0/reverse") for line in GATES]
    assert len(panels) == len(places)
    seen = 0
    for panel, (scope, line) in zip(panels, places, strict=True):
        wanted = shares(trace, scope, line, 0.3, 0.6)
        for x, y, radius, said in panel:
            members = [j for j, place in enumerate(wanted) if place == pytest.approx((x, y), abs=1e-3)]
            assert radius == pytest.approx(4 * len(members) ** 0.5, abs=0.01)
            assert said.startswith(", ".join(f"unit {j}" for j in members) + ": ")
            seen += len(members)
            assert x + y <= 1 + 1e-3
    assert seen == 2 * 3 * 4


def test_the_rows_are_those_of_the_explanation() -> None:
    trace = lstm(9, 4, reverse=True)
    figure = trace.plot.saturation(low=0.2, high=0.7)
    whole = lt.explain(trace, how="gates", low=0.2, high=0.7).to_frame()
    assert figure.data.equals(whole[whole["line"].isin(GATES)].reset_index(drop=True))
    one = trace.plot.saturation(lines=["f_t", "tanh(c_t)"], direction="reverse")
    assert set(zip(one.data["line"], one.data["direction"], strict=True)) == {
        ("f_t", "reverse"),
        ("tanh(c_t)", "reverse"),
    }
    assert len(points(one)) == 2


def test_units_in_one_place_are_one_point_that_names_them() -> None:
    weights = {name: np.zeros((5, 1 if "x" in name else 5)) for g in "ifco" for name in (f"W_x{g}", f"W_h{g}")}
    biases = {"b_i": np.full(5, 9.0), "b_f": np.array([9.0, 9, -9, -9, 0]), "b_c": np.zeros(5), "b_o": np.zeros(5)}
    figure = lt.run({**weights, **biases}, np.zeros((4, 1))).plot.saturation()
    i, f, o = points(figure)
    assert [(round(x, 3), round(y, 3), said) for x, y, _, said in i] == [
        (0.0, 1.0, "unit 0, unit 1, unit 2, unit 3, unit 4: 0, 1")
    ]
    assert [(round(x, 3), round(y, 3), round(r, 2)) for x, y, r, _ in f] == [
        (0.0, 1.0, 5.66),
        (1.0, 0.0, 5.66),
        (0.0, 0.0, 4.0),
    ]
    assert o[0][2] == pytest.approx(4 * 5**0.5, abs=0.01)
    assert named(figure) == [
        "unit 0: 100\u00a0% at 1",
        "unit 0: 100\u00a0% at 1",
        "unit 2: 100\u00a0% at 0",
    ]


def test_the_thresholds_are_said_and_units_have_their_names() -> None:
    trace = lt.run(
        {"W_xi": [[4.0], [-4.0]], "W_hi": np.zeros((2, 2))}, [[1.0], [2.0]], ask="i_t", given={"h_t": [0.0, 0.0]}
    )
    trace = replace(trace, header=replace(trace.header, names={"h": ["<quote>", "space"]}, count_from=1))
    figure = trace.plot.saturation(0.05, 0.95)
    assert caption(figure).startswith(
        "A gate is saturated at 0 (left-saturated) below 0.05, and at 1 (right-saturated) above 0.95."
    )
    assert named(figure) == ["unit 1 (<quote>): 100\u00a0% at 1", "unit 2 (space): 100\u00a0% at 0"]
    assert "<quote>" not in figure.svg()
    assert named(trace.plot.saturation(language="de"))[0] == "Einheit 1 (<quote>): 100\u00a0% bei 1"


def test_a_large_point_lies_on_no_number() -> None:
    """Of units that are never saturated one point lies on both axes, whose numbers make room for it."""
    zeros = {f"W_{side}{g}": np.zeros((60, 1 if side == "x" else 60)) for side in "xh" for g in "ifco"}
    svg = lt.run(zeros, np.zeros((4, 1))).plot.saturation().svg()
    circles = [tuple(map(float, c)) for c in re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', svg)]
    below = re.findall(r'<text class="mark" x="([\d.]+)" y="([\d.]+)">0<', svg)
    beside = re.findall(r'<text class="mark end" x="([\d.]+)" y="([\d.]+)">0<', svg)
    assert len(circles) == len(below) == len(beside) == 3
    for (x, y, r), (_, under), (left, _) in zip(circles, below, beside, strict=True):
        assert r > 10
        assert float(under) - 8 > y + r  # letters are 8 high
        assert float(left) < x - r


def test_lines_from_minus_1_have_thresholds_of_their_own() -> None:
    said = "A value from −1 to 1 counts by its place between these ends: saturated at the lower end below −0.8, "
    said += "at the upper end above 0.9."
    figure = lstm(6, 3).plot.saturation(0.1, 0.95, lines=["c_tilde", "tanh(c_t)"])
    assert said in figure.caption
    assert "−1 to 1" not in lstm(6, 3).plot.saturation().caption


def test_the_specification_has_the_points() -> None:
    trace = lstm(9, 4)
    figure = trace.plot.saturation(0.3, 0.6)
    found = figure.to_vega()
    check(found)
    views = [data["values"] for view, data in units(found) if view["mark"] != "rule"]
    for rows, line in zip(views, GATES, strict=True):
        wanted = shares(trace, "0/forward", line, 0.3, 0.6)
        assert {(row["left"], row["right"]) for row in rows} == set(wanted)
        assert sum(row["count"] for row in rows) == 4


@pytest.mark.few(0)
def test_a_large_layer_stays_small() -> None:
    trace = lstm(50, 512, 1)
    trace.lines["0/forward"]["i_t"][:] = 0.5
    figure = trace.plot.saturation()
    assert len(figure.svg()) < 300_000
    panels = points(figure)
    assert sum(len(panel) for panel in panels) <= 3 * 512
    side = (640 - 58 - 16 - 2 * 38) / 3
    assert panels[0][0][2] < side / 6, "the point of all units leaves the axes free"
    assert min(radius for *_, radius, _ in panels[1]) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"low": 0.9, "high": 0.1}, OptionError, "the thresholds must satisfy 0 <= low < high <= 1"),
        ({"lines": "c_t"}, MissingError, "there is nothing to draw: the selection has no gate that was recorded"),
        ({"lines": "q_t"}, MissingError, "no line 'q_t'"),
        ({"layer": 3}, MissingError, "layer 3"),
    ],
)
def test_what_there_is_not(options: dict[str, object], error: type[LstmTraceError], message: str) -> None:
    with pytest.raises(error) as caught:
        lstm(3).plot.saturation(**options)  # type: ignore[arg-type]
    assert message in str(caught.value)
