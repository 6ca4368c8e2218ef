"""Sums of values as what is explained: gradients, splits, paths and occlusion of them, all from one reading."""

from __future__ import annotations

import re

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.target import target
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.explanation.account import account
from lstm_trace.explanation.contribution import gradient_times_input, integrated_gradients
from lstm_trace.results.explanation import explanation

from ..support import plain_lstm
from ..support.walk_cases import case

#: A sum, and its terms: the sign and the address of each value.
SUMS = {
    "3/1/h_t[0] + 2/1/c_t[3] - 0/1/f_t[1]": [(1, "3/1/h_t[0]"), (1, "2/1/c_t[3]"), (-1, "0/1/f_t[1]")],
    "-3/1/h_t[0]": [(-1, "3/1/h_t[0]")],
    "3/1/h_t[0]-3/1/h_t[1]": [(1, "3/1/h_t[0]"), (-1, "3/1/h_t[1]")],
    "sum(3/1/h_t)": [(1, f"3/1/h_t[{j}]") for j in range(4)],
    "sum(*/1/f_t[2]) - sum( 2/1/h_t ) + sum(1..2/1/c_t[1..3])": [
        *((1, f"{t}/1/f_t[2]") for t in range(4)), *((-1, f"2/1/h_t[{j}]") for j in range(4)),
        *((1, f"{t}/1/c_t[{j}]") for t in (1, 2) for j in (1, 2, 3)),
    ],
    "sum(1..2/1/c_t[0,2..3]) - sum(0/1/h_t[3,1])": [
        *((1, f"{t}/1/c_t[{j}]") for t in (1, 2) for j in (0, 2, 3)), *((-1, f"0/1/h_t[{j}]") for j in (1, 3)),
    ],
}  # fmt: skip


def traced(seed: int, lengths: list[int] | None = None) -> lt.Trace:
    return case("plain", seed, steps=5, layers=1, both=False, lengths=lengths)[1]


@pytest.mark.few(0)
@pytest.mark.parametrize("text", SUMS)
def test_a_sum_is_the_sum_of_its_values_in_every_way(text: str) -> None:
    """Every way is linear in what it explains, but for where the experiments put it."""
    trace = traced(71, [5, 4])
    whole = account(trace, text)
    parts = [(sign, account(trace, address)) for sign, address in SUMS[text]]
    for name in ("value", "baseline", "difference"):
        expected = sum(sign * getattr(one.split, name) for sign, one in parts)
        assert getattr(whole.split, name) == pytest.approx(expected, abs=1e-14)
    assert abs(whole.split.residual) <= 1e-13
    for place, part in whole.split.parts.items():
        np.testing.assert_allclose(part, sum(s * one.split.parts[place] for s, one in parts), rtol=1e-9, atol=1e-14)
    for mine, *theirs in zip(whole.steps, *(one.steps for _, one in parts), strict=True):
        if mine.occlusion is not None:
            lost = [step.occlusion for step in theirs]
            expected = sum(s * value for (s, _), value in zip(parts, lost, strict=True) if value is not None)
            assert mine.occlusion == pytest.approx(expected, rel=1e-9, abs=1e-14)
    for way in (gradient_times_input, integrated_gradients):
        found, each = way(trace, text).parts["x"], [s * way(trace, address).parts["x"] for s, address in SUMS[text]]
        np.testing.assert_allclose(found, sum(each), rtol=1e-9, atol=1e-14)
    gradients = [(sign, lt.gradients(trace, of=address)) for sign, address in SUMS[text]]
    for name, found in lt.gradients(trace, of=text).items():
        np.testing.assert_allclose(found, sum(s * here[name] for s, here in gradients), rtol=1e-9, atol=1e-14)


@pytest.mark.few(0)
def test_occlusion_of_a_logit_difference_against_a_network_that_is_written_out() -> None:
    _, trace = case("plain", 72, steps=5)
    of = "1/joined/4/1/y_t[0] + 1/joined/2/1/y_t[6] - 1/joined/1/1/y_t[5]"
    weights = {f"{scope}/{name}": value for scope, here in trace.parameters.items() for name, value in here.items()}
    initial = {
        f"{scope}/{short}": here[name][1]
        for scope, here in trace.initial.items()
        for name, short in (("h_prev", "h0"), ("c_prev", "c0"))
    }

    def value(x: np.ndarray) -> float:
        y = plain_lstm.outputs(weights, x, initial)
        return float(y[4, 0] + y[2, 6] - y[1, 5])

    x = trace.x[:, 1]
    for step in account(trace, of).steps:
        other = x.copy()
        other[step.t] = 0
        assert step.occlusion == pytest.approx(value(x) - value(other), rel=1e-9)


def test_padding_is_no_part_of_a_sum_over_the_steps() -> None:
    trace = traced(73, [5, 3])
    found = target(trace, "sum(*/1/c_t[0])")
    assert str(found) == "sum(0/forward/0..2/1/c_t[0])"
    assert found.read(trace) == trace["c_t"][:3, 1, 0].sum()
    assert str(target(trace, "sum(*/0/c_t[*])")) == "sum(0/forward/0..4/0/c_t)"
    again = target(trace, str(found))
    assert (str(again), again.read(trace)) == (str(found), found.read(trace))


def test_a_line_with_signs_in_its_name_is_a_line_first() -> None:
    """`sum(x_t)` is a line of this cell, and so is `1 - a_t`."""
    cell = {"equations": "a_t = tanh(x_t)\nh_t = (1 - a_t) * sum(x_t)\noutput: h_t"}
    trace = lt.run({}, [[0.5, 1.0], [2.0, -1.5]], cell=cell)
    assert str(target(trace, "1/1 - a_t[0]")) == "0/forward/1/0/1 - a_t[0]"
    assert target(trace, "1/1 - a_t[0]").read(trace) == 1 - np.tanh(2.0)
    assert target(trace, "1/sum(x_t)[0]").read(trace) == 0.5
    assert target(trace, "sum(1/1 - a_t) + 0/h_t[1]").read(trace) == pytest.approx(
        2 - np.tanh(2.0) + np.tanh(1.5) + (1 - np.tanh(1.0)) * 1.5
    )


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("3/1/h_t[0] -", OptionError, "an address is missing; expected for example 3/h_t[0] - 3/h_t[1], or sum(3/h_t)"),
        ("sum()", OptionError, "'sum()': an address is missing"),
        ("3/1/h_t[0] + 3/0/h_t[0]", OptionError, "adds up values of the sequences 0 and 1; an explanation is of one"),
        ("sum(3/h_t)", MissingError, "sum(3/h_t): name one batch element; there are 0, 1"),
        ("sum(x_t)", MissingError, "'x_t' is not computed: name a line, for example 0/forward/4/0/h_t[0]"),
        ("sum(1..0/1/h_t)", MissingError, "sum(1..0/1/h_t): the range 1..0 is empty; write 0..1"),
        ("sum(3/0..1/h_t)", MissingError, "sum(3/0..1/h_t): name one batch element; there are 0, 1"),
        (
            "sum(3..9/1/h_t)",
            MissingError,
            "sum(3..9/1/h_t) is not an address here; expected layer/direction/t/b/line[j]",
        ),
        ("sum(3..9/1/h_t)", MissingError, "layer 0, direction forward, t 0 to 4, b 0 to 1"),
        ("sum(3/1/h_t[4])", MissingError, "sum(3/1/h_t[4]): there is no h_t[4]; h_t has [0] to [3]"),
        (
            "sum(3/1/h_t[1..])",
            MissingError,
            "sum(3/1/h_t[1..]): expected units as in [3], [3..7] or [1,4..6], found [1..]",
        ),
        ("3/1/h_t[0,2]", MissingError, "'3/1/h_t[0,2]' is not one value; several are added up by sum(3/1/h_t[0,2])"),
        ("1..2/1/h_t[0]", MissingError, "is not one value; several are added up by sum(1..2/1/h_t[0])"),
        ("3/1/c_t[0] - 3/1/h_t[0,2]", MissingError, "'3/1/h_t[0,2]' is not one value; several are added up by sum("),
        ("W_xi[1,2]", MissingError, "'W_xi[1,2]' is a premise, not computed: name a line, for example"),
        ("sum(W_xi[1,2])", MissingError, "'W_xi[1,2]' is not computed: name a line, for example"),
        ("3/1/h_t[x]", MissingError, "'3/1/h_t[x]': expected a unit, [3], or an entry of a matrix, [1,2]; found [x]"),
        ("3/1/h_t[0] + 9/1/h_t[0]", MissingError, "'9/1/h_t[0]' is not an address here"),
        ("3/1/h_t[0] + 3/1/q_t[0]", MissingError, "the trace has no 'q_t'"),
        ("3/1/h_t", MissingError, "is 4 values: name one unit, from 0/forward/3/1/h_t[0] to 0/forward/3/1/h_t[3]"),
        ("c_prev[1]", MissingError, "'c_prev[1]' is not an address here; expected t/b/c_prev[1] (or the full"),
        ("h_t[0] " + "+ h_t[0] " * 1000, OptionError, "a sum of 1,001 addresses; at most 1,000 can be added up"),
    ],
)
def test_what_is_no_sum_is_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        lt.explain(traced(74), text).to_frame()
    assert message in str(caught.value)


def test_the_layer_of_a_sum_is_named() -> None:
    _, trace = case("plain", 75)
    with pytest.raises(MissingError, match=r"sum\(h_t\): name one layer; there are 0, 1"):
        target(trace, "sum(h_t)")


def test_memory_is_of_one_value() -> None:
    with pytest.raises(OptionError, match="memory is the ledger of one value, not of a sum"):
        lt.explain(traced(76), "3/1/c_t[0] - 3/1/c_t[1]", "memory").to_frame()
    with pytest.raises(OptionError, match="memory is the ledger of one value, not of several; found '3/1/c_t"):
        lt.explain(traced(76), "3/1/c_t[0,1]", "memory").to_frame()
    with pytest.raises(OptionError, match="W_xi is not carried to the next step"):
        lt.explain(traced(76), "W_xi[1,2]", "memory").to_frame()


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("of", "title", "first"),
    [
        ("3/h_t[0] - 3/h_t[1]", "h_t[1] - h_t[2]", "L is the value h_t[1] - h_t[2] (step t = 4)"),
        (
            "3/h_t[0] - 2/h_t[1]",
            "0/forward/3/0/h_t[0] - 0/forward/2/0/h_t[1]",
            "L is a sum of values, each times its weight. It is",
        ),
    ],
)
def test_the_worked_split_of_a_sum(of: str, title: str, first: str) -> None:
    told, _ = case("plain", 77, layers=1, both=False)
    told["x"], told["initial"] = told["x"][:, 0], {k: v[:, 0] for k, v in told["initial"].items()}
    trace = lt.run(**told)
    text = explanation(trace, of, "contribution", count_from=1).report("text")
    assert text.startswith(f"Split of {title}\n")
    assert first in " ".join(text.split())
    split = account(trace, of).split
    last = " ".join(text.rsplit("ΔL =", 1)[1].split())
    value, base, gap = (float(word) for word in re.findall(r"-?[0-9.]+[0-9]", last)[:3])
    assert (value, base, gap) == pytest.approx((split.value, split.baseline, split.difference), abs=1e-4)
