"""The picture of a held run says what is held; that of two runs, in which of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.plot.figure import Figure
from lstm_trace.trace.trace import Trace

from ..support.pictures import lstm
from ..support.table_cases import stacked

HOLD = {"2..3/c_t[1]": "*0.5", "f_t[0]": -0.25}
SAID = "Held instead of computed: f_t[0] = −0.25; c_t[1] at 0.5 times its own value (t = 2–3)."
OF = {"memory": ["4/c_t[1]"], "gradient": ["4/h_t[1]"], "contribution": ["4/h_t[1]"]}


def drawn(trace: Trace, kind: str, **options: Any) -> Figure:
    figure: Figure = getattr(trace.plot, kind)(*OF.get(kind, []), **options)
    return figure


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", ["states", "unit", "text", "memory", "saturation", "gradient", "contribution"])
def test_a_picture_of_a_held_run_says_so(kind: str) -> None:
    figure = drawn(lstm(hold=HOLD), kind)
    assert SAID in figure.caption
    assert "0.5 times its own value" in " ".join(figure.svg().split("</text>"))
    assert "Held" not in drawn(lstm(), kind).caption
    german = drawn(lstm(hold=HOLD), kind, language="de").caption
    assert "Festgehalten statt berechnet: f_t[0] = −0.25; c_t[1] auf dem 0.5-Fachen des eigenen Werts" in german


def test_weights_are_those_of_any_run() -> None:
    assert "Held" not in lstm(hold=HOLD).plot.weights().caption


def test_of_two_runs_it_says_which() -> None:
    free, held, other = lstm(), lstm(hold=HOLD), lstm(hold={"h_t": 0})
    there = SAID.removeprefix("Held instead of computed: ")
    which = "a is the first source, b the second."
    assert free.plot.diff(held).caption.startswith(f"Held in b instead of computed: {there} {which} ")
    assert held.plot.diff(free).caption.startswith(f"Held in a instead of computed: {there} {which} ")
    both = f"Held in a instead of computed: {there} Held in b instead of computed: h_t = 0. {which} "
    assert held.plot.diff(other).caption.startswith(both)
    assert held.plot.diff(held).caption.startswith(f"{SAID} There is no difference.")
    assert which not in free.plot.diff(free).caption


def test_it_is_said_of_the_row_that_is_drawn_and_of_any_layer() -> None:
    trace = stacked(hold={"0/reverse/1/1/h_t[2]": 0.5, "1/forward/c_t": 0.0}, lengths=[4, 3])
    first, second = (trace.plot.states(batch=b, layer=1).caption for b in (0, 1))
    layer = "c_t = 0 (layer 1, forward)"
    assert first.startswith(f"Held instead of computed: {layer}.")
    row = "h_t[2] = 0.5 (layer 0, reverse, t = 1, sequence 1)"
    assert second.startswith(f"Held instead of computed: {row}; {layer}.")
    assert row in trace.plot.saturation().caption  # of all rows


def test_of_many_places_some_are_named() -> None:
    many = lt.run(
        {"W_xi": [[0.5]], "W_hi": [[0.5]], "W_xf": [[0.5]], "W_hf": [[1.0]], "W_xc": [[1.0]], "W_hc": [[1.0]],
         "W_xo": [[1.0]], "W_ho": [[1.0]]},
        np.ones((20, 1)),
        hold={f"{t}/{line}": 0.5 * t for t in (3, 9) for line in ("i_t", "f_t", "o_t")},
    )  # fmt: skip
    assert many.plot.unit().caption.count("(t = ") == 4
    assert "; …." in many.plot.unit().caption
