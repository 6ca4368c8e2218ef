"""Gates and states over time: every curve is read back from the picture, by the marks on its axes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError, MissingError, OptionError
from lstm_trace.plot.figure import Figure
from lstm_trace.plot.panels import marks
from lstm_trace.trace.trace import Trace

from ... import ROOT
from ...support.table_cases import stacked

SVG = "{http://www.w3.org/2000/svg}"
EXAMPLES = ROOT / "lstm_trace" / "examples"
#: A tenth of a pixel, to which places are rounded.
PIXEL = 0.051


@dataclass
class Panel:
    """What is drawn in a panel: for each stroke its runs of (x, y), and its points."""

    left: float
    top: float
    wide: float
    tall: float
    scale: dict[float, float]
    runs: dict[str, list[list[tuple[float, float]]]] = field(default_factory=dict)
    points: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def value(self, y: float) -> float:
        """The value at a height, by the marks of the scale."""
        (a, high), (b, low) = min(self.scale.items()), max(self.scale.items())
        return high + (low - high) * (y - a) / (b - a)

    @property
    def pixel(self) -> float:
        """What a tenth of a pixel is in values."""
        return PIXEL * abs(self.value(1.0) - self.value(0.0))


def tree(figure: Figure) -> ElementTree.Element:
    return ElementTree.fromstring(figure.svg())  # noqa: S314 - our own


def read(figure: Figure) -> tuple[list[Panel], dict[float, int], dict[str, str]]:
    """The panels in order, the marks of the steps (place to step), and the legend (stroke to label)."""
    root = tree(figure)
    panels: list[Panel] = []
    legend: dict[str, str] = {}
    times: dict[float, int] = {}
    for group in root.iter(f"{SVG}g"):
        box = group.find(f"{SVG}rect[@class='panel']")
        texts = group.findall(f"{SVG}text")
        if box is not None:
            left, top, wide, tall = (float(box.get(name, "")) for name in ("x", "y", "width", "height"))
            scale = {float(t.get("y", "")) - 4: float((t.text or "").replace("−", "-")) for t in texts}
            panel = Panel(left, top, wide, tall, scale)
            for path in group.findall(f"{SVG}path"):
                stroke = str(path.get("class")).split()[0]
                if stroke not in ("rule", "zero"):
                    runs = [re.findall(r"(\S+) (\S+)", run) for run in str(path.get("d")).split("M")[1:]]
                    panel.runs[stroke] = [[(float(x), float(y)) for x, y in run] for run in runs]
            for circle in group.findall(f"{SVG}circle"):
                stroke = str(circle.get("class"))
                panel.points.setdefault(stroke, []).append((float(circle.get("cx", "")), float(circle.get("cy", ""))))
            panels.append(panel)
        elif texts and texts[0].get("class") == "kind":
            strokes = [str(path.get("class")) for path in group.findall(f"{SVG}path")]
            legend |= dict(zip(strokes, ("".join(t.itertext()).replace("\u200b", "") for t in texts[1:]), strict=True))
        else:
            times |= {float(t.get("x", "")): int(t.text) for t in texts if t.text}
    return sorted(panels, key=lambda panel: (panel.top, panel.left)), times, legend


def step(panel: Panel, times: dict[float, int], x: float) -> float:
    """The step at a place, by the marks of the axis below the panel."""
    here = {at: t for at, t in times.items() if panel.left <= at <= panel.left + panel.wide}
    (a, first), (b, last) = min(here.items()), max(here.items())
    return first if a == b else first + (last - first) * (x - a) / (b - a)


def curve(panel: Panel, times: dict[float, int], stroke: str) -> dict[int, float]:
    """The values of a curve, by step."""
    drawn = [at for run in panel.runs.get(stroke, []) for at in run] + panel.points.get(stroke, [])
    found = {}
    for x, y in drawn:
        t = step(panel, times, x)
        assert t == pytest.approx(round(t), abs=0.02)
        found[round(t)] = panel.value(y)
    return found


def lstm(steps: int = 6, units: int = 3, batch: int = 1, seed: int = 5, **options: Any) -> Trace:
    draw = np.random.default_rng(seed)
    weights = {}
    for g in "ifco":
        weights |= {f"W_x{g}": draw.normal(size=(units, 2)), f"W_h{g}": draw.normal(size=(units, units))}
    return lt.run(weights, draw.normal(size=(steps, batch, 2)) * 2, **options)


def running(*values: float) -> Trace:
    """Of one line, the values of x."""
    cell = {"equations": "s_t = 1 * x_t\ny_t = s_t + s_prev\ncarry: s_prev <- s_t\noutput: y_t"}
    return lt.run({}, [[value] for value in values], cell=cell)


# -- what is drawn is what was recorded ------------------------------------------------------------------------------


def test_every_curve_reads_back() -> None:
    trace = lstm()
    panels, times, legend = read(trace.plot())
    assert list(legend.values()) == ["it", "ft", "ot", "c̃t", "ct", "ht"]
    assert len(panels) == 2 * 3
    assert sorted(set(times.values())) == list(range(6))
    names = dict(zip(legend, ("i_t", "f_t", "o_t", "c_tilde", "c_t", "h_t"), strict=True))
    for k, panel in enumerate(panels):
        there = list(legend)[:3] if k % 2 == 0 else list(legend)[3:]
        assert sorted(panel.runs) == sorted(there)
        for stroke in there:
            found = curve(panel, times, stroke)
            assert sorted(found) == list(range(6))
            for t, value in found.items():
                assert value == pytest.approx(trace[names[stroke]][t, 0, k // 2], abs=panel.pixel)


def test_gates_lie_between_0_and_1_and_states_share_a_scale() -> None:
    panels, _, _ = read(lstm().plot())
    for k, panel in enumerate(panels):
        assert [panel.top, panel.top + panel.tall] == pytest.approx([min(panel.scale), max(panel.scale)], abs=0.2)
        assert sorted(panel.scale.values()) == ([0, 0.5, 1] if k % 2 == 0 else sorted(panels[1].scale.values()))
    assert 0 in panels[1].scale.values()


@pytest.mark.parametrize(
    ("example", "gates", "values"),
    [
        ("gru", ["r_t", "u_t"], ["h_tilde", "h_t"]),
        ("custom-cell", ["f_t"], ["h_tilde", "h_t"]),
        ("rnn-softmax", [], ["h_t"]),
        ("batch", ["i_t", "f_t", "o_t"], ["c_tilde", "c_t", "h_t"]),
    ],
)
def test_the_lines_of_any_cell(example: str, gates: list[str], values: list[str]) -> None:
    figure = lt.run(EXAMPLES / f"{example}.yaml").plot()
    assert list(figure.data.columns[: len(gates + values)]) == [f"{name}[0]" for name in gates + values]
    headings = re.findall(r'class="kind"[^>]*>([^<]*)<', figure.svg())
    assert headings == [*(["Gates"] if gates else []), "Candidate and states" if len(values) > 1 else "States"]


def test_lines_that_are_chosen() -> None:
    trace = lstm()
    figure = trace.plot(lines=["z_i", "f_t"], unit=1)
    assert list(figure.data.columns) == ["f_t[1]", "z_i[1]"]
    assert re.findall(r'class="kind"[^>]*>([^<]*)<', figure.svg()) == ["Gates", "Values"]
    assert list(trace.plot(unit=[0, 2], lines="h_t").data.columns) == ["h_t[0]", "h_t[2]"]


def test_the_frame_behind_it() -> None:
    trace = lstm()
    data = trace.plot(unit=2, steps=slice(1, 4)).data
    assert isinstance(data, pd.DataFrame)
    assert list(data.index) == [1, 2, 3]
    assert data.index.name == "t"
    for name in ("i_t", "c_tilde", "h_t"):
        assert (data[f"{name}[2]"].to_numpy() == trace[name][1:4, 0, 2]).all()


def test_steps_are_positions_in_the_input() -> None:
    panels, times, legend = read(lstm(30).plot(unit=0, steps=slice(10, 30)))
    assert set(times.values()) <= set(range(10, 30))
    assert min(curve(panels[0], times, next(iter(legend)))) == 10


# -- what is not a value is not drawn --------------------------------------------------------------------------------


def test_padding_is_not_drawn() -> None:
    trace = lstm(6, batch=2, lengths=[3, 6])
    short, full = trace.plot(batch=0), trace.plot(batch=1)
    panels, times, legend = read(short)
    assert {t for panel in panels for stroke in legend for t in curve(panel, times, stroke)} == {0, 1, 2}
    assert short.data.iloc[3:].isna().all(axis=None)
    assert not full.data.isna().any(axis=None)
    assert sorted(set(times.values())) == list(range(6))  # the axis is that of the input


def test_padding_in_front_and_between() -> None:
    mask = np.array([[0], [1], [1], [0], [1], [1]])
    panels, times, legend = read(lstm(6, mask=mask).plot())
    for panel in panels:
        for runs in panel.runs.values():
            assert [[round(step(panel, times, x)) for x, _ in run] for run in runs] == [[1, 2], [4, 5]]
    assert legend


def test_a_value_that_is_no_number_leaves_a_gap_and_is_told() -> None:
    figure = running(1, 2, float("nan"), 4, float("inf"), 6, 7).plot(lines="s_t")
    (panel,), times, _ = read(figure)
    ((stroke, runs),) = panel.runs.items()
    assert [[round(step(panel, times, x)) for x, _ in run] for run in runs] == [[0, 1], [5, 6]]
    assert [round(step(panel, times, x)) for x, _ in panel.points[stroke]] == [0, 1, 3, 5, 6]  # 3 stands alone
    assert figure.caption == "Values that are not finite numbers are left out."
    assert figure.caption in figure.svg()


def test_one_step_is_a_point() -> None:
    trace = lt.run(EXAMPLES / "q22.yaml")
    panels, _, _ = read(trace.plot())
    assert not any(panel.runs for panel in panels)
    assert [len(points) for panel in panels for points in panel.points.values()] == [1] * 12
    assert panels[0].value(panels[0].points["c0"][0][1]) == pytest.approx(trace["i_t"][0, 0, 0], abs=panels[0].pixel)
    said = re.findall(r"<circle[^>]*><title>([^<]*)<", trace.plot().svg())
    assert said[0] == "i_t, unit 0, t = 0: 0.4013"


@pytest.mark.few(0)
def test_a_long_trace_stays_small_and_keeps_its_peaks() -> None:
    x = np.zeros(20_000)
    x[[7, 12_345]] = 5.0, -3.0
    figure = running(*x).plot(lines="s_t")
    (panel,), _, _ = read(figure)
    heights = [panel.value(y) for run in panel.runs["c4"] for _, y in run]
    assert max(heights) == pytest.approx(5, abs=panel.pixel)
    assert min(heights) == pytest.approx(-3, abs=panel.pixel)
    assert len(figure.svg()) < 20_000
    assert len(figure.data) == 20_000
    assert len(lstm(3000, 64).plot().svg()) < 400_000


def test_of_many_units_those_that_change_most() -> None:
    trace = lstm(20, 12)
    lines = [trace[name][:, 0] for name in ("i_t", "f_t", "o_t", "c_tilde", "c_t", "h_t")]
    wanted = sorted(np.argsort(-np.max([np.ptp(values, axis=0) for values in lines], axis=0))[:8])
    figure = trace.plot()
    assert list(dict.fromkeys(re.findall(r"\[(\d+)\]", " ".join(figure.data.columns)))) == [str(j) for j in wanted]
    assert figure.caption == "Shown are the 8 of 12 units whose values change most."
    assert figure.caption in figure.svg()
    assert len(trace.plot(unit=list(range(7))).data.columns) == 7 * 6
    assert not trace.plot(unit=11).caption


# -- several layers, directions, sequences ---------------------------------------------------------------------------


def test_layers_and_directions() -> None:
    trace = stacked()
    figure = trace.plot(batch=1)
    assert figure.data.columns[0] == "0/forward/i_t[0]"
    assert len(read(figure)[0]) == 2 * 8
    assert "layer 0, forward, unit 0" in figure.svg()
    one = trace.plot(layer=1, direction="reverse", batch=1)
    assert list(one.data.columns) == [
        f"{name}[{j}]" for j in range(3) for name in ("i_t", "f_t", "o_t", "c_tilde", "c_t", "h_t")
    ]
    assert (one.data["h_t[2]"].to_numpy() == trace.at(layer=1, direction="reverse")["h_t"][:, 1, 2]).all()
    assert trace.plot(layer=1, direction="joined", batch=0).data.columns[0] == "y_t[0]"


def test_of_a_batch_the_first_sequence_is_drawn_and_that_is_said() -> None:
    trace = lstm(batch=2)
    assert trace.plot().caption == "This is sequence 0; batch (--batch) chooses another one."
    assert (trace.plot().data["h_t[0]"].to_numpy() == trace["h_t"][:, 0, 0]).all()
    assert not trace.plot(batch=0).caption
    assert (trace.plot(batch=1).data["h_t[0]"].to_numpy() == trace["h_t"][:, 1, 0]).all()


def test_gradients_can_be_drawn() -> None:
    back = lt.backward(lstm(), of="5/h_t[0]")
    assert "i_t[0]" in back.plot().data.columns
    data = back.plot(direction="adjoint-forward", lines="d_c_t").data
    assert (data["d_c_t[1]"].to_numpy() == back.at(direction="adjoint-forward")["d_c_t"][:, 0, 1]).all()


# -- the file --------------------------------------------------------------------------------------------------------


def test_names_of_the_units_and_the_title() -> None:
    figure = lt.run(EXAMPLES / "three-steps.yaml").plot()
    assert "unit 1 (bright)" in figure.svg()
    root = tree(figure)
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == figure.title == "Three steps of two units, with biases (Gates and states over time)"
    assert root[1].tag == f"{SVG}desc"
    assert "h_t of unit 2 (wet): 0.0 to 0.5559." in str(root[1].text)
    assert "id=" not in figure.svg()  # several stand in one page


def test_steps_count_from_1_where_the_problem_says_so() -> None:
    figure = lt.run(EXAMPLES / "three-steps.yaml").plot(unit=0)
    assert sorted(set(read(figure)[1].values())) == [1, 2, 3]
    assert "h_t, unit 1 (bright), t = 3: 0.1923" in figure.svg()
    assert list(figure.data.index) == [0, 1, 2]  # as in addresses
    assert figure.data.columns[0] == "i_t[0]"


def test_names_are_escaped() -> None:
    problem = {"title": "a < b & <script>", "names": {"h": ["<b>&"]}, "weights": {"W_xi": [[1.0]], "W_hi": [[0.5]]}}
    figure = lt.run({**problem, "x": [[1.0], [2.0]], "ask": ["i_t"], "given": {"h_t": [0.0]}}).plot()
    assert "<script" not in figure.svg()
    assert "".join(tree(figure).itertext()).count("a < b & <script>") == 2


def test_other_languages() -> None:
    svg = lt.run(EXAMPLES / "three-steps.yaml").plot(language="de").svg()
    assert "Einheit 1 (bright)" in svg
    assert "Kandidat und Zustände" in svg


def test_save_and_show(tmp_path: Path) -> None:
    figure = lstm().plot()
    figure.save(tmp_path / "p.svg")
    assert (tmp_path / "p.svg").read_text("utf-8") == figure.svg() + "\n"
    assert figure._repr_svg_() == figure.svg()
    with pytest.raises(FileError, match=r"p\.gif: pictures are written as \.svg, \.png, \.html, \.htm, \.json, not"):
        figure.save(tmp_path / "p.gif")
    assert not (tmp_path / "p.gif").exists()
    assert len(repr(figure)) < 120


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lines": "q_t"}, MissingError, "no line 'q_t'"),
        ({"unit": 3}, MissingError, "no unit 3 to draw: there are 0 to 2"),
        ({"unit": "0"}, OptionError, "unit: expected a whole number, or a list of them"),
        ({"unit": 0.5}, OptionError, "unit: expected a whole number, or a list of them"),
        ({"layer": 1}, MissingError, "layer 1 is not among 0/forward"),
        ({"batch": 1}, MissingError, "no batch row 1"),
        ({"steps": 9}, MissingError, "9"),
        ({"language": "xx"}, OptionError, "no language 'xx'"),
        ({"lines": 4}, OptionError, "lines: expected a name, or a list of names"),
    ],
)
def test_what_is_not_there(options: dict[str, Any], error: type[LstmTraceError], message: str) -> None:
    with pytest.raises(error, match=message):
        lstm().plot(**options)


def test_nothing_to_draw() -> None:
    with pytest.raises(MissingError, match="nothing to draw: all steps of the selection are padding, or no value is"):
        running(float("nan"), float("inf")).plot()


def test_lines_without_gates_or_states_are_drawn_where_there_is_nothing_else() -> None:
    trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="z_i", given={"h_t": [0.0]})
    assert list(trace.plot().data.columns) == ["z_i[0]"]


@pytest.mark.parametrize(
    ("low", "high"), [(-0.4, 0.7), (0.0, 1e-9), (-1e12, 3.0), (0.0, 0.0), (-5.0, 0.0), (-1.7e308, 1.7e308), (0, 5e-324)]
)
def test_marks_reach_from_end_to_end(low: float, high: float) -> None:
    found = marks(low, high)
    assert 2 <= len(found) <= 7
    assert found[0] <= low
    assert found[-1] >= high
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()
