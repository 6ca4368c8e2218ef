"""Gates and states of every unit: what is drawn equals the trace, whatever the order, padding or size."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, OptionError
from lstm_trace.plot.coloured_text import BROKEN, FIRST, LEVELS, PADDING, symmetric
from lstm_trace.plot.figure import Figure

from ... import ROOT
from ...support.pictures import check, images, lstm, views
from ...support.table_cases import stacked

EXAMPLES = ROOT / "lstm_trace" / "examples"
GATES = ("i_t", "f_t", "o_t")


def columns(figure: Figure) -> dict[str, list[str]]:
    """The columns of each line, in the order of the frame."""
    found: dict[str, list[str]] = {}
    for name in figure.data.columns:
        if name != "token":
            found.setdefault(name.partition("[")[0], []).append(name)
    return found


def compare(figure: Figure) -> None:
    """Every pixel is the colour of its value in the frame."""
    drawn = images(figure.svg())
    lines = columns(figure)
    assert len(drawn) == len(lines)
    for (pixels, palette), (line, names) in zip(drawn, lines.items(), strict=True):
        values = figure.data[names].to_numpy(np.float64).T
        assert pixels.shape == values.shape
        finite = values[np.isfinite(values)]
        scale = (0.0, 1.0) if line.split("/")[-1] in GATES else (symmetric(finite).low, symmetric(finite).high)
        share = (np.clip(values, *scale) - scale[0]) / (scale[1] - scale[0])
        close = np.abs(pixels - FIRST - share * (LEVELS - 1)) <= 0.5 + 1e-9
        assert (close | ~np.isfinite(values)).all(), line
        assert (pixels[~np.isfinite(values)] < FIRST).all()
        assert len(palette) == 256


@pytest.mark.few(4)
@pytest.mark.parametrize("order", [None, "index", "cluster", "memory", "activity"])
@pytest.mark.parametrize("units", [3, 20])
def test_what_is_drawn_is_what_was_recorded(order: str | None, units: int) -> None:
    trace = lstm(9, units)
    figure = trace.plot.states(order=order)
    compare(figure)
    lines = columns(figure)
    assert list(lines) == ["i_t", "f_t", "o_t", "c_t", "h_t"]
    for line, names in lines.items():
        there = [int(name[len(line) + 1 : -1]) for name in names]
        assert sorted(there) == list(range(units))
        assert (figure.data[names].to_numpy() == trace[line][:, 0, there]).all()
        assert names == [f"{line}[{j}]" for j in there]
        assert there == [int(n[4:-1]) for n in lines["f_t"]]  # rows of all lines are of the same units
    if order == "index" or (order is None and units == 3):
        assert lines["c_t"] == [f"c_t[{j}]" for j in range(units)]
    else:
        assert "Units" in figure.caption


def test_layers_directions_and_a_row_of_the_batch() -> None:
    trace = stacked(lengths=[2, 4])
    figure = trace.plot.states(batch=0)
    compare(figure)
    names = [f"{scope}/{line}" for scope in trace.scopes if "joined" not in scope for line in (*GATES, "c_t", "h_t")]
    assert list(columns(figure)) == names
    column = figure.data["1/reverse/c_t[2]"]
    assert column[:2].tolist() == trace.at(layer=1, direction="reverse")["c_t"][:2, 0, 2].tolist()
    assert column[2:].isna().all()
    assert all((pixels[:, 2:] == PADDING).all() for pixels, _ in images(figure.svg()))
    assert figure.caption == "Grey: padding."
    assert "Layer 1, reverse" in figure.svg()
    compare(trace.plot.states(layer=0, direction="joined", batch=1, unit=[1, 4]))
    assert trace.plot.states().caption.startswith("This is sequence 0")


@pytest.mark.parametrize("kind", ["states", "unit", "text"])
def test_units_of_both_directions(kind: str) -> None:
    """Where the directions meet no unit is lacking: nothing is drawn of that if it was not asked for."""
    trace = stacked(layers=1)
    figure = getattr(trace.plot, kind)([2, 0], lines="c_t")
    there = [f"0/{direction}/c_t[{j}]" for direction in ("forward", "reverse") for j in (0, 2)]
    assert sorted(figure.data.columns) == there
    whole = getattr(trace.plot, kind)([2, 0]).data
    assert {name.split("/")[1] for name in whole.columns} == {"forward", "reverse"}
    with pytest.raises(MissingError, match="no unit 3 to draw: there are 0 to 2"):
        getattr(trace.plot, kind)([0, 3])


def test_a_unit_that_some_lines_have() -> None:
    trace = lt.run(EXAMPLES / "rnn-softmax.yaml")
    assert (trace["h_t"].shape[-1], trace["p_t"].shape[-1]) == (3, 4)
    assert list(trace.plot.states(unit=[3], lines=["h_t", "p_t"]).data.columns) == ["p_t[3]"]


def test_what_is_no_number_has_a_colour_and_is_told() -> None:
    cell = {"equations": "s_t = 1 * x_t\ny_t = s_t + s_prev\ncarry: s_prev <- s_t\noutput: y_t"}
    figure = lt.run({}, [[1.0], [np.nan], [-2.0], [np.inf]], cell=cell).plot.states(lines="s_t")
    ((pixels, _),) = images(figure.svg())
    assert pixels.tolist() == [[FIRST + 190, BROKEN, FIRST, BROKEN]]
    assert figure.caption == "Magenta: not a finite number."
    check(figure.to_vega())


def test_colours_that_end_before_the_values_are_told() -> None:
    cell = {"equations": "s_t = 1 * x_t\ny_t = s_t + s_prev\ncarry: s_prev <- s_t\noutput: y_t"}
    x = np.linspace(-1, 1, 400)[:, None]
    x[7] = 50.0
    figure = lt.run({}, x, cell=cell).plot.states(lines="s_t")
    compare(figure)
    said = r"Colours of s_t end at ±0\.99\d*: 0\.\d+\u00a0% of the values lie beyond, up to a size of 50\."
    assert re.fullmatch(said, figure.caption)
    size = np.sort(np.abs(x[:, 0]))
    reach = float(re.findall("±([^:]*):", figure.caption)[0])
    share = float(re.findall(r": (\S+)\u00a0%", figure.caption)[0])
    assert reach == pytest.approx(size[int(np.ceil(0.99 * 399))], abs=5e-4)
    assert share == pytest.approx(100 * np.mean(size > size[int(np.ceil(0.99 * 399))]), abs=0.005)
    assert "≥ " in figure.svg()


def test_labels_names_and_escapes() -> None:
    problem = {"names": {"h": ["<b>&", "second"]}, "weights": {"W_xi": [[1.0], [2.0]], "W_hi": [[0.5, 0], [0, 1.0]]}}
    trace = lt.run({**problem, "x": [[1.0], [2.0]], "ask": ["i_t"], "given": {"h_t": [0.0, 0.0]}})
    figure = trace.plot.states()
    root = ElementTree.fromstring(figure.svg())  # noqa: S314 - our own
    texts = ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "<b>&" in texts
    assert "second" in texts
    page = figure.html()
    assert "<b>" not in page
    data = json.loads(re.findall(r'type="application/json">(.*?)</script>', page)[0])
    assert data["panels"][0]["units"] == ["unit 0 (<b>&)", "unit 1 (second)"]
    labelled = lstm(3, labels=("</script>", "b", "c"))
    assert "</script>" not in re.findall(r'type="application/json">(.*?)</script>', labelled.plot.states().html())[0]
    assert labelled.plot.states().data["token"].tolist() == ["</script>", "b", "c"]


def test_a_large_trace_is_reduced_and_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_trace.plot.coloured_text.MOST", 4_000)
    trace = lstm(90, 30)
    figure = trace.plot.states(order="index")
    steps = int(re.findall(r"Each field covers (\d+) steps and shows the value", figure.caption)[0])
    drawn = images(figure.svg())
    assert sum(pixels.size for pixels, _ in drawn) <= 4_000
    for (pixels, _), line in zip(drawn, (*GATES, "c_t", "h_t"), strict=True):
        values = trace[line][:, 0].T
        middle = 0.5 if line in GATES else 0.0
        low, high = (0.0, 1.0) if line in GATES else (symmetric(values).low, symmetric(values).high)
        for at in range(0, 90, steps):
            block = np.clip(values[:, at : at + steps], low, high)
            far = np.take_along_axis(block, np.abs(block - middle).argmax(axis=1)[:, None], 1)[:, 0]
            read = low + (pixels[:, at // steps] - 2.0) / 253 * (high - low)
            assert np.abs(np.abs(read - middle) - np.abs(far - middle)).max() <= (high - low) / 253
    assert figure.data.shape == (90, 150)  # the frame has everything


@pytest.mark.few(0)
def test_the_size_of_a_large_trace() -> None:
    trace = lstm(300, 256)
    figure = trace.plot.states()
    assert len(figure.svg()) < 1_000_000
    assert len(figure.html()) < 1_000_000
    found = figure.to_vega()
    check(found)
    ((steps, units),) = re.findall(r"Each field covers (\d+) steps and (\d+) units", str(found["title"]["subtitle"]))
    for (view, values), line in zip(views(found), (*GATES, "c_t", "h_t"), strict=True):
        order = [int(name[len(line) + 1 : -1]) for name in columns(figure)[line]]
        middle = 0.5 if line in GATES else 0.0
        for row in values[:: max(len(values) // 50, 1)]:
            at = order.index(row["unit"])
            block = trace[line][row["t"] : row["t"] + int(steps), 0][:, order[at : at + int(units)]]
            assert row["value"] in block, view["title"]
            assert abs(row["value"] - middle) == np.abs(block - middle).max()


def test_the_specification_has_the_values() -> None:
    trace = lstm(7, 3)
    found = trace.plot.states().to_vega()
    check(found)
    for (view, values), line in zip(views(found), (*GATES, "c_t", "h_t"), strict=True):
        assert view["title"] == line
        assert {(row["t"], row["unit"]): row["value"] for row in values} == {
            (t, j): trace[line][t, 0, j] for t in range(7) for j in range(3)
        }


@pytest.mark.parametrize("example", ["q19", "q22", "gru", "custom-cell", "rnn-softmax", "batch", "three-steps"])
def test_any_cell(example: str) -> None:
    figure = lt.run(EXAMPLES / f"{example}.yaml").plot.states()
    drawn = images(figure.svg())
    assert [pixels.shape[::-1] for pixels, _ in drawn] == [(len(figure.data), len(n)) for n in columns(figure).values()]
    check(figure.to_vega())
    assert figure.html()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"order": "size"}, OptionError, "no order 'size'; expected index, cluster, memory"),
        ({"unit": 3}, MissingError, "no unit 3 to draw: there are 0 to 2"),
        ({"unit": "0"}, OptionError, "unit: expected a whole number, or a list of them"),
        ({"lines": "q_t"}, MissingError, "no line 'q_t'"),
        ({"layer": 1}, MissingError, "layer 1 is not among 0/forward"),
        ({"steps": 9}, MissingError, "9"),
    ],
)
def test_what_is_not_there(options: dict[str, Any], error: type[LstmTraceError], message: str) -> None:
    with pytest.raises(error, match=message):
        lstm().plot.states(**options)
