"""Reading a trace: names, layers and directions, derived states, outputs, addresses, what was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.errors import MissingError

from ..cell.test_network import weights
from ..support.strategies import Case, cells


def traced(layers: int = 2, both: bool = True, **arguments: Any) -> lt.Trace:
    rng = np.random.default_rng(1)
    count = layers * (2 if both else 1)
    states = rng.normal(size=(2, count, 2, 2))
    x = rng.normal(size=(4, 2, 3))
    return lt.run(weights(layers, both), x, h0=states[0], c0=states[1], **arguments)


def test_a_name_that_one_place_has_is_enough() -> None:
    trace = traced(layers=1, both=False)
    np.testing.assert_array_equal(trace["i_t"], trace.lines["0/forward"]["i_t"])
    assert trace["i_t"].shape == (4, 2, 2)
    assert trace["W_xi @ x_t"].shape == (4, 2, 2)


def test_a_name_that_several_places_have_is_told_with_a_way_to_choose() -> None:
    trace = traced()
    with pytest.raises(MissingError) as error:
        _ = trace["i_t"]
    assert str(error.value) == (
        "i_t is in 0/forward, 0/reverse, 1/forward, 1/reverse: choose one, for example trace['0/forward/i_t']"
    )
    chosen = trace.at(layer=0, direction="forward")
    np.testing.assert_array_equal(chosen["i_t"], trace.lines["0/forward"]["i_t"])
    assert np.shares_memory(chosen["i_t"], trace.lines["0/forward"]["i_t"]), "a view"
    with pytest.raises(MissingError) as error:
        _ = trace["y_t"]
    assert "y_t is in 0/joined, 1/joined" in str(error.value)
    assert trace.at(layer=1)["y_t"].shape == (4, 2, 4)


@pytest.mark.few(1)
@pytest.mark.parametrize("padding", [{"lengths": [4, 2]}, {"mask": np.array([[0, 1], [1, 1], [1, 0], [1, 1]], bool)}])
def test_the_output_of_padded_directions_is_where_they_meet(padding: dict[str, Any]) -> None:
    """As in an address: `y_t` of a direction has to be chosen."""
    trace = traced(layers=1, **padding)
    assert np.shares_memory(trace["y_t"], trace.lines["0/joined"]["y_t"])
    assert trace.locate("2/1/y_t[3]").direction == "joined"
    assert np.shares_memory(trace.at(direction="reverse")["y_t"], trace.lines["0/reverse"]["y_t"])
    with pytest.raises(MissingError, match="y_t is in 0/joined, 1/joined: choose one, for example"):
        _ = traced(**padding)["y_t"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("it", "there is no line 'it'; did you mean 'i_t'?"),
        ("0/forward/it", "there is no line 'it'; did you mean 'i_t'?"),
        ("1/forward/c_t", "there is no line '1/forward/c_t'; "),
        ("loss", "there is no line 'loss'; there are z_i, i_t,"),
        ("h_prev", ""),
        ("z_f", "z_f was not recorded in 0/forward"),
    ],
)
def test_names_that_are_not_there(name: str, message: str) -> None:
    trace = traced(layers=1, both=False, ask=["i_t", "h_t"]) if message[:3] != "z_f" else small(ask="i_t")
    if not message:
        np.testing.assert_array_equal(trace[name][1:], trace["h_t"][:-1])
        return
    with pytest.raises(MissingError) as error:
        _ = trace[name]
    assert str(error.value).startswith(message)


def small(**arguments: Any) -> lt.Trace:
    return lt.run(weights(1, both=False), [[1.0, 2.0, 3.0]], **arguments)


def test_layers_and_directions_that_are_not_there() -> None:
    with pytest.raises(MissingError, match=r"no layer 7, direction None; there are 0/forward, 0/reverse, 0/joined"):
        traced().at(layer=7)
    with pytest.raises(MissingError, match="there is no '9/forward'; there are 0/forward"):
        traced().stage("9/forward")


def test_states_are_the_carried_line_one_step_before() -> None:
    trace = traced(layers=1)
    for direction, before in (("forward", slice(0, -1)), ("reverse", slice(1, None))):
        part = trace.at(direction=direction)
        initial = part.initial[f"0/{direction}"]
        for state, line in (("h_prev", "h_t"), ("c_prev", "c_t")):
            values = part[state]
            inner = values[1:] if direction == "forward" else values[:-1]
            np.testing.assert_array_equal(inner, part[line][before])
            np.testing.assert_array_equal(values[0 if direction == "forward" else -1], initial[state])
    assert "h_prev" not in trace.lines["0/forward"]


@given(cells(), st.data())
@settings(max_examples=60)
def test_operands_of_a_window_are_the_window_of_the_operands(case: Case, data: st.DataObject) -> None:
    direction = data.draw(st.sampled_from(["forward", "reverse"]))
    spec = {"equations": case.text, "direction": direction}
    trace = lt.run(case.weights, case.x, cell=spec, initial=case.initial)
    begin = data.draw(st.integers(0, trace.steps - 1))
    window = slice(begin, data.draw(st.integers(begin + 1, trace.steps)))
    scope = f"0/{direction}"
    for line in trace.stages[0].cell.lines:
        for name in line.reads:
            whole, part = trace.operand(scope, name), trace.operand(scope, name, window)
            assert whole is not None
            assert part is not None
            np.testing.assert_array_equal(part, whole if name in case.weights else whole[window])
    assert trace.operand(scope, "nothing") is None
    np.testing.assert_array_equal(trace.operand(scope, 2.5), 2.5)


def test_the_last_states_stand_in_the_order_of_layers_and_directions() -> None:
    trace = traced()
    assert trace.h_n.shape == (4, 2, 2)
    for k, scope in enumerate(("0/forward", "0/reverse", "1/forward", "1/reverse")):
        last = 0 if "reverse" in scope else -1
        np.testing.assert_array_equal(trace.h_n[k], trace.lines[scope]["h_t"][last])
        np.testing.assert_array_equal(trace.c_n[k], trace.lines[scope]["c_t"][last])
    with pytest.raises(MissingError, match="0/forward/h_t was not recorded, so that its last value is unknown"):
        _ = small(ask="i_t").h_n


def test_past_its_length_a_row_keeps_its_states() -> None:
    trace = traced(lengths=[3, 0])
    forward, reverse = trace.at(layer=0, direction="forward"), trace.at(layer=0, direction="reverse")
    np.testing.assert_array_equal(forward["valid"][:, :, 0], [[1, 0], [1, 0], [1, 0], [0, 0]])
    np.testing.assert_array_equal(forward["h_prev"][3, 0], forward["h_t"][2, 0])
    np.testing.assert_array_equal(trace.h_n[0, 1], forward.initial["0/forward"]["h_prev"][1])
    np.testing.assert_array_equal(reverse["h_prev"][2, 0], reverse.initial["0/reverse"]["h_prev"][0])
    assert not trace.output[3].any()
    assert not trace.output[:, 1].any()


def test_the_output_of_a_part_that_was_not_computed_is_told() -> None:
    with pytest.raises(MissingError, match="the output h_t of 0/forward was not recorded"):
        _ = small(ask="i_t").output


def test_what_was_asked_for_has_full_addresses() -> None:
    trace = traced(layers=2, both=False, ask=["c_t", "1/forward/2/0/i_t[1]", "0/h_t"])
    assert [str(address) for address in trace.asked()] == [
        "0/forward/c_t", "1/forward/c_t", "1/forward/2/0/i_t[1]", "0/forward/h_t",
    ]  # fmt: skip
    assert [str(address) for address in traced().asked()] == ["1/joined/y_t"]
    assert [address.line for address in small().asked()] == ["h_t"]
    given = small(given={"i_t": [1.0, 2.0]}, ask=["i_t", "c_t"])
    assert [address.line for address in given.asked()] == ["i_t", "c_t"]


def test_what_was_asked_for_and_not_recorded_is_left_out() -> None:
    trace = traced(layers=1, both=False, ask=["i_t", "1/0/c_t[1]", "h_t"])
    held = {name: values for name, values in trace.lines["0/forward"].items() if name != "c_t"}
    part = replace(trace, lines={"0/forward": held})
    assert [address.line for address in trace.asked()] == ["i_t", "c_t", "h_t"]
    assert [address.line for address in part.asked()] == ["i_t", "h_t"]
    wrong = replace(trace, header=replace(trace.header, ask=("it",)))
    with pytest.raises(MissingError, match="the trace has no 'it'"):
        wrong.asked()


def test_addresses_of_everything_in_a_trace() -> None:
    trace = traced()
    for text, full in (
        ("1/reverse/2/0/c_t[1]", "1/reverse/2/0/c_t[1]"),
        ("1/2/0/y_t[3]", "1/joined/2/0/y_t[3]"),
        ("1/reverse/W_xi[0,1]", "1/reverse/W_xi[0,1]"),
        ("3/1/x_t[2]", "3/1/x_t[2]"),
        ("1/reverse/1/h0[0]", "1/reverse/1/h0[0]"),
        ("1/reverse/1/c_prev[0]", "1/reverse/1/c_prev[0]"),
    ):
        assert str(trace.locate(text)) == full
    with pytest.raises(MissingError, match="the trace has no 'ct'; did you mean 'c_t'"):
        trace.locate("0/ct")
    with pytest.raises(MissingError, match=r"'2/c_t' is not an address here; expected layer/direction/t/b/"):
        trace.locate("2/c_t")


def test_a_part_of_a_trace_stands_alone() -> None:
    trace = traced(lengths=[4, 2])
    part = trace.at(layer=1, direction="reverse")
    assert part.scopes == ("1/reverse",)
    np.testing.assert_array_equal(part.given["1/reverse"]["x_t"], trace.at(layer=0, direction="joined")["y_t"])
    assert lt.verify(part).verdict == "verified"
    alone = lt.run(
        {name: trace.parameters["1/reverse"][name] for name in trace.parameters["1/reverse"]},
        part.given["1/reverse"]["x_t"], h0=part.initial["1/reverse"]["h_prev"], c0=part.initial["1/reverse"]["c_prev"],
        lengths=[4, 2], cell={"kind": "lstm", "direction": "reverse"},
    )  # fmt: skip
    np.testing.assert_allclose(alone["c_t"], part["c_t"], rtol=1e-12)


def test_a_trace_is_a_mapping_from_the_names_of_its_lines() -> None:
    trace = traced(layers=1, both=False, record={"lines": ["c_t", "h_t", "i_t"]})
    assert list(trace) == ["i_t", "c_t", "h_t"], "in computing order"
    assert list(trace.keys()) == list(trace)
    assert len(trace) == 3
    assert "h_t" in trace
    assert "f_t" not in trace
    assert "W_xi" not in trace
    assert 0 not in trace
    for name, values in dict(trace).items():
        np.testing.assert_array_equal(values, trace.lines["0/forward"][name])
    assert [name for name, _ in trace.items()] == list(trace)


def test_a_name_in_several_places_is_iterated_over_once() -> None:
    trace = traced()
    assert list(trace).count("i_t") == 1
    assert list(trace)[-1] == "y_t"
    assert set(trace) == {name for here in trace.lines.values() for name in here}
    with pytest.raises(MissingError, match="choose one"):
        dict(trace)
    assert "i_t" in dict(trace.at(layer=1, direction="reverse"))
