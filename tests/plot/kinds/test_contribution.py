"""Contributions: both rows of bars are read back, occlusion against runs of our own."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.languages.strings import words
from lstm_trace.plot.figure import Figure
from lstm_trace.plot.furniture import shown_number
from lstm_trace.plot.kinds.bars import opposed as _opposed
from lstm_trace.trace.trace import Trace

from ...support.pictures import check, units
from ...support.table_cases import stacked
from .picture_reader import SVG, Panel, caption, lstm, marks, panels, root


def by_step(panel: Panel, figure: Figure, steps: int) -> list[float]:
    """The values of a panel's bars at each step; 0 where there is none."""
    where = {int(name): x for name, x in marks(figure).items() if name.isdecimal()}
    (first, a), (last, b) = min(where.items()), max(where.items())
    found = [0.0] * steps
    for bar in panel.bars:
        t = round(first + (last - first) * (bar.x - a) / (b - a))
        found[t] = bar.high if bar.high > panel.pixel else bar.low
    return found


def occluded(trace: Trace, t: int, b: int, j: int) -> list[float]:
    """What h_t[j] of row b at step t loses when the input of each step is 0, each by a run."""
    x = np.asarray(trace.x)
    found = []
    for s in range(trace.steps):
        without = x.copy()
        without[s] = 0.0
        parameters = {f"0/forward/{name}": value for name, value in trace.parameters["0/forward"].items()}
        found.append(float(trace["h_t"][t, b, j] - lt.run(parameters, without)["h_t"][t, b, j]))
    return found


def test_shares_and_occlusion_read_back() -> None:
    trace = lstm(8, 3, 2)
    figure = trace.plot.contribution("6/1/h_t[2]")
    split, lost = panels(figure)
    shares = figure.data["together"]
    assert by_step(split, figure, 8) == pytest.approx(shares.tolist(), abs=2 * split.pixel)
    assert by_step(lost, figure, 8) == pytest.approx(occluded(trace, 6, 1, 2), abs=2 * lost.pixel)
    value, base = float(trace["h_t"][6, 1, 2]), float(trace["h_t"][6, 1, 2] - shares.sum())
    assert caption(figure).startswith("The contributions add up to the value less that of the baseline: ")
    assert shown_number(value, 6) in figure.caption
    assert shown_number(base, 6) in figure.caption
    assert split.pixel == lost.pixel  # one scale, so that they can be compared


def test_the_rows_are_those_of_the_explanation() -> None:
    trace = lstm(8, 3, 1, tokens=list("abcdefgh"))
    figure = trace.plot.contribution("6/h_t[2]")
    assert figure.data["token"].tolist() == list("abcdefgh")
    from lstm_trace.results.contribution import contribution

    table = contribution(trace, "6/h_t[2]").tables(words())[-2]
    assert figure.data[figure.data["t"] <= 6].equals(table.to_frame().sort_values("t", ignore_index=True))
    late = figure.data[figure.data["t"] > 6]
    assert late[["inputs", "occlusion"]].to_numpy().tolist() == [[0, 0]], "the picture has all of the time"
    assert table.notes == ("Step 7 is left out: the value does not depend on it.",)
    assert figure.data["occlusion"].tolist() == pytest.approx(occluded(trace, 6, 0, 2), rel=1e-9, abs=1e-15)
    assert "occlusion" not in trace.plot.contribution("6/h_t[2]", occlusion="none").data
    assert len(panels(trace.plot.contribution("6/h_t[2]", occlusion="none"))) == 1


def test_steps_at_which_both_disagree_are_shaded() -> None:
    """c = x0 - 3 * x0 * x1, against 0: without x1 the value grows by all that x1 takes away; half of that is x0's."""
    cell = {"equations": "c_t = c_prev + x_t - 3 * (c_prev * x_t)\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({}, [[1.0], [1.0]], cell=cell)
    figure = trace.plot.contribution("1/c_t[0]")
    data = figure.data
    assert data["together"].tolist() == [-0.5, -0.5]
    assert data["occlusion"].tolist() == [-2.0, -2.0]
    assert not _opposed(np.array([1.0, -1.0, 0.01]), np.array([1.0, -1.0, -1.0]))
    assert _opposed(np.array([1.0, -1.0, 0.1]), np.array([1.0, 1.0, -1.0])) == [1, 2]
    x = np.array([[1.0], [0.25]])
    figure = lt.run({}, x, cell=cell).plot.contribution("1/c_t[0]")  # 1 + 0.25 - 0.75
    assert figure.data["occlusion"].tolist() == [0.25, -0.5]
    assert figure.data["together"].tolist() == [0.625, -0.125]
    assert not [e for e in root(figure).iter(f"{SVG}rect") if e.get("class") == "shaded"]
    x = np.array([[1.0], [0.5]])
    figure = lt.run({}, x, cell=cell).plot.contribution("1/c_t[0]")  # 1 + 0.5 - 1.5 = 0
    assert figure.data["together"].tolist() == [0.25, -0.25]
    assert figure.data["occlusion"].tolist() == [-0.5, -1.0]
    (shaded,) = [e for e in root(figure).iter(f"{SVG}rect") if e.get("class") == "shaded"]
    assert float(shaded.get("x", "")) + float(shaded.get("width", "")) / 2 == pytest.approx(marks(figure)["0"], abs=0.1)
    assert "Shaded: both are notable, and of opposite sign." in caption(figure)


def test_states_are_told_in_words() -> None:
    trace = lstm(3, 2, 1, c0=[[1.0, -1.0]])
    figure = trace.plot.contribution("2/h_t[0]", "zero-state")
    without = lt.run({f"0/forward/{n}": v for n, v in trace.parameters["0/forward"].items()}, trace.x)
    share = shown_number(float(trace["h_t"][2, 0, 0] - without["h_t"][2, 0, 0]))  # all of it, since h0 is 0
    assert f"Initial states: 0/forward/c0: {share} (lost without it: {share})." in caption(figure)
    assert not panels(figure)[0].bars


@pytest.mark.few(0)
def test_layers_directions_rows_and_languages() -> None:
    trace = stacked(lengths=[4, 3])
    figure = trace.plot.contribution("1/reverse/0/1/h_t[2]", language="de")
    assert (
        figure.title
        == "Was jeder Schritt beigetragen hat: h_t, Einheit 2, Schicht 1, rückwärts, Schritt t = 0, Sequenz 1"
    )
    assert "Verdeckung" in figure.svg()
    assert np.isnan(figure.data["occlusion"].iloc[3])  # padding


def test_a_long_text_is_shown_where_it_matters() -> None:
    trace = lstm(500, 3, 1)
    figure = trace.plot.contribution("499/h_t[0]", occlusion=60)
    assert "Occlusion was measured for 60 of 500 steps and states." in caption(figure)
    assert "Steps 4" in figure.caption
    assert len(figure.data) == 500
    assert len(figure.svg()) < 100_000


def test_the_specification_has_the_same_bars() -> None:
    figure = lstm(8, 3, 1).plot.contribution("6/h_t[2]")
    found = figure.to_vega()
    check(found)
    for (_, data), name in zip(units(found), ("together", "occlusion"), strict=True):
        wanted = {f"step {t}": v for t, v in enumerate(figure.data[name]) if v}
        assert {row["step"]: row["value"] for row in data["values"]} == wanted


def test_what_is_refused() -> None:
    trace = lstm(3, 2, 1)
    with pytest.raises(OptionError, match="there is no baseline 'zero'"):
        trace.plot.contribution("2/h_t[0]", "zero")
    with pytest.raises(OptionError, match="occlusion must be auto, all, none, or how many steps"):
        trace.plot.contribution("2/h_t[0]", occlusion="some")
    with pytest.raises(MissingError, match="is 2 values: name one unit"):
        trace.plot.contribution("2/h_t")


def test_where_nothing_differs_it_is_said() -> None:
    trace = lstm(4, 2)
    said = "Nothing that the value depends on differs in the baseline; choose another one."
    assert trace.plot.contribution("3/0/h_t[1]", baseline="zero-state").caption.endswith(said)
    assert said not in trace.plot.contribution("3/0/h_t[1]").caption
