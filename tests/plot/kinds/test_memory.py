"""The memory of a value as bars: every bar is read back from the picture, against a loop over the gates."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.plot.figure import Figure
from lstm_trace.plot.furniture import shown_number
from lstm_trace.trace.trace import Trace

from ...support.pictures import check, units
from .picture_reader import Panel, caption, lstm, marks, panels

C0 = [[[0.5, -0.75, 1.0], [-1.0, 0.25, 0.5]], [[2.0, 0.5, -0.5], [1.0, 1.5, -2.0]]]


def account(trace: Trace, way: str, t: int, b: int, j: int) -> dict[int | None, tuple[float, float]]:
    """What each step wrote and what is left of it: i times the candidate, and that times all later f."""
    lines = trace.at(direction=way)
    i, f, new = (lines[name][:, b, j] for name in ("i_t", "f_t", "c_tilde"))
    order = list(range(t + 1)) if way == "forward" else list(range(trace.steps - 1, t - 1, -1))
    if trace.lengths is not None:
        order = [s for s in order if s < trace.lengths[b]]
    start = float(trace.initial[f"0/{way}"]["c_prev"][b, j])
    found: dict[int | None, tuple[float, float]] = {}
    for place, s in enumerate([None, *order]):
        written = start if s is None else float(i[s] * new[s])
        left = written
        for later in order[place:]:
            left *= float(f[later])
        found[s] = (written, left)
    return found


def drawn(figure: Figure) -> tuple[Panel, dict[int | None, tuple[float, float]]]:
    """By step, None for what was there before, the heights of the pale and of the full bar."""
    (panel,) = panels(figure)
    where = {x: None if "c0" in name else int(name) for name, x in marks(figure).items() if name != "t"}
    found: dict[int | None, tuple[float, float]] = {}
    for bar in panel.bars:
        at = where[min(where, key=lambda x: abs(x - bar.x))]
        value = bar.high if bar.high > panel.pixel else bar.low
        pale, full = found.get(at, (0.0, 0.0))
        found[at] = (value, full) if bar.kind.endswith(" faint") else (pale, value)
    return panel, found


@pytest.mark.parametrize(("way", "t", "b", "j"), [("forward", 5, 0, 1), ("forward", 3, 1, 2), ("reverse", 1, 0, 0)])
@pytest.mark.parametrize("lengths", [None, [6, 4]])
def test_every_bar_reads_back(way: str, t: int, b: int, j: int, lengths: list[int] | None) -> None:
    trace = lstm(reverse=True, c0=C0, lengths=lengths)
    figure = trace.plot.memory(f"0/{way}/{t}/{b}/c_t[{j}]")
    panel, found = drawn(figure)
    wanted = account(trace, way, t, b, j)
    assert found.keys() == wanted.keys()
    for step, pair in wanted.items():
        assert found[step] == pytest.approx(pair, abs=panel.pixel)
    value = float(trace.lines[f"0/{way}"]["c_t"][t, b, j])
    assert sum(left for _, left in wanted.values()) == pytest.approx(value, rel=1e-12)
    shown = f"{value:.6f}".rstrip("0").replace("-", "−")
    assert caption(figure).startswith(f"What is left adds up to the value, {shown}. The largest: ")
    before, first = marks(figure)["c0"], marks(figure)["0"]
    assert (before < first) == (way == "forward")  # where time runs backwards what was before stands behind


def test_the_rows_are_those_of_the_explanation() -> None:
    trace = lstm(c0=C0[0])
    figure = trace.plot.memory("4/1/c_t[2]")
    assert figure.data.equals(lt.explain(trace, "4/1/c_t[2]", "memory").to_frame())
    assert list(figure.data.columns) == ["t", "step", "source", "written", "part", "share", "running"]
    wanted = account(trace, "forward", 4, 1, 2)
    assert figure.data["written"].tolist() == pytest.approx([written for written, _ in wanted.values()], rel=1e-14)
    assert figure.data["part"].tolist() == pytest.approx([left for _, left in wanted.values()], rel=1e-14)


def test_the_legend_has_symbols_as_mathematics() -> None:
    svg = lstm(3, 2).plot.memory("2/0/c_t[0]").svg()
    entries = re.findall(r'<text class="entry"[^>]*>(.*?)</text>', svg)
    symbol = '<tspan class="m">i</tspan><tspan class="s" dy="0.28em">t</tspan>'
    assert sum(symbol in entry for entry in entries) == 2
    assert "left of it, i_t ⊙ c̃_t: " in svg  # what a bar says has no marks


def test_several_sources_are_stacked() -> None:
    cell = {"equations": "y_t = 2 * x_t\nc_t = 0.5 * c_prev + x_t + y_t\ncarry: c_prev <- c_t\noutput: c_t"}
    figure = lt.run({}, [[1.0], [-2.0]], cell=cell).plot.memory("1/c_t[0]")
    (panel,) = panels(figure)
    full = [bar for bar in panel.bars if not bar.kind.endswith(" faint")]
    ends = [(bar.kind, round(bar.low, 2), round(bar.high, 2)) for bar in full]
    assert sorted(ends) == [("c0", -2.0, 0.0), ("c0", 0.0, 0.5), ("c1", -6.0, -2.0), ("c1", 0.5, 1.5)]
    assert [bar.said for bar in full if bar.kind == "c1"] == [
        "step 0, left of it, y_t: 1",
        "step 1, left of it, y_t: −4",
    ]


def test_of_many_steps_those_that_matter_and_what_the_others_add_up_to() -> None:
    trace = lstm(400, 3, 1)
    figure = trace.plot.memory("399/c_t[1]")
    left = np.array([left for step, (_, left) in account(trace, "forward", 399, 0, 1).items() if step is not None])
    first = int(caption(figure).partition("Steps ")[2].split()[0])
    assert 1 < first < 390
    assert np.abs(left[:first]).sum() <= 0.01 * np.abs(left).sum()
    assert f"of all sizes: left: {shown_number(left[:first].sum())}." in figure.caption
    seen = [int(name) for name in marks(figure) if name.isdecimal()]
    assert min(seen) >= first
    assert len(figure.data) == 401


def test_columns_of_several_steps_hide_nothing_that_cancels_out() -> None:
    x = np.random.default_rng(2).normal(size=(1000, 1))
    cell = {"equations": "c_t = c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    figure = lt.run({}, x, cell=cell).plot.memory("999/c_t[0]")
    assert "A column covers 3 steps: above 0 the sum of everything positive there" in caption(figure)
    (panel,) = panels(figure)
    full = [bar for bar in panel.bars if bar.kind == "c0"]
    parts = [x[at : at + 3, 0] for at in range(0, 1000, 3)]
    above = [part[part > 0].sum() for part in parts if part[part > 0].sum() > 2 * panel.pixel]
    below = [part[part < 0].sum() for part in parts if part[part < 0].sum() < -2 * panel.pixel]
    full = [bar for bar in full if max(bar.high, -bar.low) > 2 * panel.pixel]
    assert [bar.high for bar in full if bar.high > panel.pixel] == pytest.approx(above, abs=panel.pixel)
    assert [bar.low for bar in full if bar.low < -panel.pixel] == pytest.approx(below, abs=panel.pixel)
    assert len(figure.svg()) < 300_000


def test_labels_of_steps_and_languages() -> None:
    trace = lstm(3, batch=1)
    trace = replace(trace, header=replace(trace.header, step_labels=(("the", " cat", "<s>"),)))
    figure = trace.plot.memory("2/c_t[0]", language="de")
    assert figure.title == "Gedächtnis von c_t, Einheit 0, Schritt t = 2 („<s>“)"
    assert "Schritt 1 („␣cat“)" in figure.caption
    assert "&lt;s&gt;" in figure.svg()
    assert "<s>" not in figure.svg()
    assert figure.data.equals(lt.explain(trace, "2/c_t[0]", "memory").to_frame())
    assert figure.data["token"].tolist()[1:] == ["the", " cat", "<s>"]


def test_labels_where_several_steps_stand_in_a_column() -> None:
    n = 800
    cell = {"equations": "c_t = c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({}, np.random.default_rng(2).normal(size=(n, 1)), cell=cell)
    labels = tuple(f"w{t}" for t in range(n))
    trace = replace(trace, header=replace(trace.header, step_labels=(labels,)))
    svg = trace.plot.memory(f"{n - 1}/c_t[0]").svg()
    found = [(float(x), name) for x, name in re.findall(r'translate\(([\d.]+) [\d.]+\) rotate\(-90\)">(w\d+)<', svg)]
    places = [x for x, _ in found]
    assert len(found) > 40
    assert min(np.diff(places)) >= 9  # they have room beside each other
    assert found[0][1] == "w0"


def test_a_value_that_nothing_is_written_to() -> None:
    cell = {"equations": "f_t = sigmoid(x_t)\nc_t = f_t * c_prev\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({}, [[1.0], [-2.0]], cell=cell, initial={"c_prev": [[3.0]]})
    figure = trace.plot.memory("1/c_t[0]")
    full = [bar for bar in panels(figure)[0].bars if not bar.kind.endswith(" faint")]
    assert [bar.kind for bar in full] == ["c7"]
    assert figure.data["part"].tolist() == pytest.approx([3 / (1 + np.exp(-1.0)) / (1 + np.exp(2.0))])


def test_values_that_are_no_numbers_leave_gaps_and_that_is_said() -> None:
    trace = lstm(3, batch=1)
    x = trace.x
    assert x is not None
    x = x.copy()
    x[1] = np.nan
    figure = lt.run(trace.parameters["0/forward"], x).plot.memory("2/c_t[0]")
    assert caption(figure) == "Values that are not finite numbers are left out."
    assert len(panels(figure)[0].bars) == 1  # what step 0 wrote


def test_a_trace_that_has_another_value_is_not_said_to_add_up() -> None:
    trace = lstm(3, batch=1)
    lines = {scope: dict(here) for scope, here in trace.lines.items()}
    lines["0/forward"]["c_t"] = lines["0/forward"]["c_t"].copy()
    lines["0/forward"]["c_t"][2, 0, 0] = 7.0
    assert "; the trace has 7." in replace(trace, lines=lines).plot.memory("2/c_t[0]").caption


def test_the_specification_has_the_same_bars() -> None:
    figure = lstm(c0=C0[0]).plot.memory("4/1/c_t[2]")
    found = figure.to_vega()
    check(found)
    rows = [row for _, data in units(found) for row in data["values"]]
    parts = {row["step"]: row["value"] for row in rows if row["what"].startswith("left of it")}
    assert list(parts.values()) == [part for part in figure.data["part"] if part]
    assert list(parts) == ["c0", *(f"step {t}" for t in range(5))]


@pytest.mark.parametrize(
    ("of", "error", "message"),
    [
        ("2/0/h_t[0]", OptionError, "h_t = o_t * tanh(c_t) is not a sum"),
        ("2/0/i_t[0]", OptionError, "i_t is not carried to the next step"),
        ("2/0/c_t[9]", MissingError, "the units are 0 to 2"),
        (3, OptionError, "of: expected text, found 3"),
    ],
)
def test_what_has_no_memory(of: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        lstm(3).plot.memory(of)
    assert message in str(caught.value)


def test_a_value_into_which_no_step_wrote() -> None:
    cell = {"equations": "f_t = sigmoid(x_t)\nc_t = f_t * c_prev\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({}, [[0.0], [0.0], [0.0]], cell=cell, initial={"c_prev": [8.0]})
    figure = trace.plot.memory("2/c_t")
    assert figure.data[["source", "part"]].to_numpy().tolist() == [["c0", 1.0]]
    panel, bars = drawn(figure)
    assert bars == {None: (pytest.approx(8.0, abs=panel.pixel), pytest.approx(1.0, abs=panel.pixel))}
