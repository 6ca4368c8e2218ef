"""Where two traces differ: sizes as numpy has them, the first step, and the largest."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError
from lstm_trace.trace.trace import Trace

from ...support.pictures import check, images, lstm
from ...support.table_cases import stacked

LINES = ("i_t", "f_t", "o_t", "c_t", "h_t")


def changed(trace: Trace, t: int, by: float, line: str = "f_t", row: int = 0, unit: int = 1) -> Trace:
    """A copy in which one value is another."""
    lines = {scope: {name: array.copy() for name, array in here.items()} for scope, here in trace.lines.items()}
    scope = next(iter(lines))
    lines[scope][line][t, row, unit] += by
    return replace(trace, lines=lines)


@pytest.mark.parametrize("scale", [1e-12, 1.0])
def test_the_sizes_of_all_differences(scale: float) -> None:
    a = lstm(7, 4)
    b = lt.run(a.parameters["0/forward"], a.x + scale * np.random.default_rng(1).normal(size=a.x.shape))
    figure = a.plot.diff(b)
    drawn = images(figure.svg())
    every = np.stack([np.abs(b[line][:, 0] - a[line][:, 0]) for line in LINES])
    log = np.mean(every[every > 0] < every.max() / 100) > 0.1
    assert ("Colours are logarithmic" in figure.caption) == log
    low = float(re.findall("sizes up to ([^,]*),", figure.caption)[0].replace("−", "-")) if log else 0.0
    for (pixels, _), line, apart in zip(drawn, LINES, every, strict=True):
        assert (figure.data[[f"{line}[{j}]" for j in range(4)]].to_numpy() == apart).all()
        top = np.log10(every.max()) if log else every.max()
        bottom = np.log10(low) if log else 0.0
        share = ((np.log10(np.maximum(apart, low)) if log else apart) - bottom) / (top - bottom)
        assert np.abs(pixels.T - 2 - share * 253).max() <= 0.51
    place = np.unravel_index(every.argmax(), every.shape)
    said = f"in {LINES[int(place[0])]}, unit {place[2]}, step {place[1]}."
    assert f"The largest difference is {every.max():.4g}"[:28] in figure.caption or "e−" in figure.caption
    assert said in figure.caption
    check(figure.to_vega())
    assert a.plot.diff(b).data.equals(b.plot.diff(a).data)


def test_the_first_step_is_marked_and_told() -> None:
    trace = lstm(9, 3)
    figure = trace.plot.diff(changed(trace, 4, 0.125))
    assert (
        "Marks are at the first difference of each line; the first of these is in f_t, unit 1, step 4."
        in figure.caption
    )
    svg = figure.svg()
    marks = re.findall(r'<path class="first" d="M([\d.]+) ', svg)
    assert len(marks) == 1  # the other lines do not differ
    x, wide = map(float, re.findall(r'<image class="heat" x="([\d.]+)"[^>]* width="([\d.]+)"', svg)[1])
    assert float(marks[0]) == pytest.approx(x + 4.5 * wide / 9, abs=0.1)
    high, low = map(float, re.findall(r'<path class="tip" d="M[\d.]+ ([\d.]+)h8l-4 (-[\d.]+)z', svg)[0])
    y, tall = map(float, re.findall(r'<image class="heat"[^>]* y="([\d.]+)"[^>]* height="([\d.]+)"', svg)[1])
    assert high + low == pytest.approx(y + tall, abs=0.1)  # it points at the map from below: above is the line's name
    assert figure.data["f_t[1]"].tolist() == pytest.approx([0, 0, 0, 0, 0.125, 0, 0, 0, 0])


def test_the_title_names_both() -> None:
    trace = lstm(4, 3)
    a, b = (replace(trace, header=replace(trace.header, title=title)) for title in ("a8", "b8"))
    other = replace(changed(trace, 2, 0.125), header=b.header)
    assert a.plot.diff(other).title == "a8, b8 (Size of the differences)"
    assert a.plot.diff(replace(other, header=a.header)).title == "a8 (Size of the differences)"


def test_of_a_reverse_direction_the_first_step_is_that_which_it_visits_first() -> None:
    a = stacked(steps=6, lengths=[6, 4])
    b = stacked(steps=6, lengths=[6, 4])
    for t in (1, 3):
        b.lines["1/reverse"]["c_t"][t, 1, 2] += 1.0
    b.lines["1/reverse"]["c_t"][5, 1, 2] += 1.0  # padding
    figure = a.plot.diff(b, batch=1, layer=1, direction="reverse")
    assert "the first of these is in c_t, layer 1, reverse, unit 2, step 3." in figure.caption
    assert "Grey: padding." in figure.caption
    assert figure.data["c_t[2]"].isna().tolist() == [False] * 4 + [True] * 2


def test_padding_of_either_is_padding() -> None:
    """With lengths 6 and 3 what the first computes at steps 3 to 5 stands beside the second's padding."""
    x = np.random.default_rng(9).normal(size=(6, 2, 2))
    a, b = (lt.run(lstm().parameters["0/forward"], x, lengths=lengths) for lengths in ([6, 5], [3, 5]))
    for figure in (a.plot.diff(b), b.plot.diff(a)):
        assert "There is no difference." in figure.caption
        assert figure.data["h_t[0]"].isna().tolist() == [False] * 3 + [True] * 3
        assert (images(figure.svg())[0][0][:, 3:] == 0).all()
    moved = replace(
        b, lines={"0/forward": b.lines["0/forward"] | {"h_t": b["h_t"] + 0.5 * (np.arange(6) == 2)[:, None, None]}}
    )
    figure = a.plot.diff(moved)
    assert "The largest difference is 0.5, in h_t, unit" in figure.caption
    assert "step 2." in figure.caption
    assert "Grey: padding in one of the two." in figure.caption


def test_no_difference_and_numbers_that_are_none() -> None:
    trace = lstm(5, 2)
    assert trace.plot.diff(trace).caption == "There is no difference."
    assert not trace.plot.diff(trace).data.to_numpy().any()
    a, b = changed(trace, 1, np.nan), changed(trace, 2, np.inf)
    assert a.plot.diff(a).caption == b.plot.diff(b).caption == "There is no difference."
    figure = a.plot.diff(b)
    assert "Magenta: not a finite number in one of the two." in figure.caption
    assert "f_t, unit 1, step 1" in figure.caption
    assert images(figure.svg())[1][0][1].tolist() == [2, 1, 1, 2, 2]
    check(figure.to_vega())


@pytest.mark.parametrize(
    ("other", "options", "message"),
    [
        (lstm(4, 3), {}, "the two traces have different steps, 0 to 5 and 0 to 3: choose steps that both have, as 0:4"),
        (lstm(4, 3), {"steps": slice(2, 5)}, "different steps, 0 to 5 and 0 to 3: choose steps that both have, as 0:4"),
        (lstm(6, 3, batch=2), {}, "the two traces must have the same batch size: one has B = 1, the other 2"),
        (lstm(6, 4), {}, "nothing to compare: none of c_t, f_t, h_t, i_t, o_t is in both with the same width"),
        (lstm(6, 3), {"unit": 7}, "no unit 7 to draw: there are 0 to 2"),
        (lstm(6, 3), {"lines": "q_t"}, "no line 'q_t'"),
    ],
)
def test_what_is_refused(other: Trace, options: dict[str, Any], message: str) -> None:
    error: type[LstmTraceError] = MissingError
    with pytest.raises(error, match=message):
        lstm().plot.diff(other, **options)


@pytest.mark.parametrize(("steps", "there"), [(slice(None, 4), [0, 1, 2, 3]), (slice(1, 3), [1, 2]), (3, [3])])
def test_steps_of_traces_of_other_lengths(steps: Any, there: list[int]) -> None:
    a = lstm(6, 3)
    b = lt.run(a.parameters["0/forward"], a.x[:4] + 0.5)
    data = a.plot.diff(b, lines="c_t", steps=steps).data
    assert data.index.tolist() == there
    apart = np.abs(b["c_t"][:4, 0] - a["c_t"][:4, 0])[there]
    np.testing.assert_array_equal(data.to_numpy(), apart)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_without_a_choice_the_sequence_of_the_first_difference_is_drawn(direction: str) -> None:
    def pair() -> tuple[Trace, Trace]:
        return stacked(steps=6, lengths=[6, 5]), stacked(steps=6, lengths=[6, 5])

    a, b = pair()
    chosen: dict[str, Any] = {"layer": 1, "direction": direction}
    visits = (1, 4) if direction == "forward" else (4, 1)
    b.lines[f"1/{direction}"]["h_t"][visits[0], 1, 2] += 0.25
    b.lines[f"1/{direction}"]["c_t"][visits[1], 0, 1] += 9.0
    b.lines[f"1/{direction}"]["c_t"][5, 1, 0] += 9.0  # padding
    figure = a.plot.diff(b, **chosen)
    assert figure.caption.startswith("This is sequence 1;")
    assert f"h_t, layer 1, {direction}, unit 2, step {visits[0]}." in figure.caption
    assert figure.data.equals(a.plot.diff(b, batch=1, **chosen).data)
    assert a.plot.diff(b, unit=1, **chosen).caption.startswith("This is sequence 0;")
    assert a.plot.diff(b, steps=slice(visits[1], visits[1] + 1), **chosen).caption.startswith("This is sequence 0;")
    assert a.plot.diff(b, batch=0, **chosen).data["c_t[1]"].max() == 9.0
    assert (
        a.plot.diff(pair()[1], **chosen).caption
        == "This is sequence 0; batch (--batch) chooses another one. There is no difference."
    )


def test_of_a_hold_in_one_sequence_the_picture_shows_that_sequence_and_says_what_is_held() -> None:
    weights = lstm(6, 3).parameters["0/forward"]
    x = np.random.default_rng(3).normal(size=(6, 3, lstm(6, 3).x.shape[2]))
    a, b = (lt.run(weights, x, **held) for held in ({}, {"hold": {"4/2/c_t[1]": 0.5}}))
    caption = a.plot.diff(b).caption
    assert caption.startswith("This is sequence 2; batch (--batch) chooses another one. Held in b")
    assert "c_t, unit 1, step 4" in caption


def test_of_both_directions_the_first_of_all_is_the_earliest_of_the_first_stage() -> None:
    a, b = stacked(steps=6, lengths=[6, 5]), stacked(steps=6, lengths=[6, 5])
    for scope, line, t in (("1/forward", "i_t", 4), ("1/forward", "c_t", 2), ("1/reverse", "c_t", 5)):
        b.lines[scope][line][t, 0, 1] += 0.5
    figure = a.plot.diff(b, layer=1)
    assert len(re.findall('class="first"', figure.svg())) == 3
    assert "the first of these is in c_t, layer 1, forward, unit 1, step 2." in figure.caption


def test_the_largest_difference_is_none_of_what_is_held() -> None:
    a = lstm(6, 3)
    for hold in ({"c_t[1]": 40.0}, {"2/c_t[1]": 40.0}):
        b = lt.run(a.parameters["0/forward"], a.x, hold=hold)
        gaps = {line: np.abs(b[line][:, 0] - a[line][:, 0]) for line in LINES}
        for line in ("c_t", "h_t"):
            gaps[line][:, 1] = 0.0
        line = max(LINES, key=lambda name: float(gaps[name].max()))
        t, unit = np.unravel_index(gaps[line].argmax(), gaps[line].shape)
        for caption in (a.plot.diff(b).caption, b.plot.diff(a).caption):
            assert f"Apart from held values, the largest difference is {gaps[line].max():.3g}"[:-1] in caption
            assert f", in {line}, unit {unit}, step {t}." in caption
            assert "The largest difference" not in caption
    assert "Everything that differs is held." in a.plot.diff(b, unit=1, lines="c_t").caption
    b = lt.run(a.parameters["0/forward"], a.x, hold={"c_t[1]": "*1.0001"})
    b.lines["0/forward"]["i_t"][3, 0, 2] += 9.0  # larger than what is held
    assert "The largest difference is 9, in i_t, unit 2, step 3." in a.plot.diff(b).caption
