"""Other premises: what an edited trace holds is what the edited problem gives, to the last bit."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.errors import CellError, LstmTraceError, MissingError, OptionError, ShapeError
from lstm_trace.examples import text

from ..support.strategies import Case, cells, networks
from ..support.walk_cases import CELLS, H, I, weights

LSTM = lt.prepare({}).cell.text


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def equal(found: lt.Trace, other: lt.Trace) -> None:
    """The same lines and sums, bit for bit."""
    for part in ("lines", "sums"):
        mine, theirs = (getattr(trace, part) for trace in (found, other))
        assert {s: set(here) for s, here in mine.items()} == {s: set(here) for s, here in theirs.items()}
        for scope, here in mine.items():
            for name, array in here.items():
                np.testing.assert_array_equal(array, theirs[scope][name], strict=True, err_msg=f"{scope}/{name}")


def picked(draw: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(draw(st.integers(0, n - 1)) for n in shape)


@pytest.mark.few(0)
@given(networks(), st.data())
@settings(max_examples=60, deadline=None)
def test_edits_of_a_network_are_the_run_of_the_edited_arguments(case: dict[str, Any], data: Any) -> None:
    arguments = {
        "x": case["x"], "h0": case["h0"], "c0": case["c0"], "lengths": case["lengths"],
        "options": {**case["options"], "projection": case["projection"]},
    }  # fmt: skip
    trace = lt.run(case["weights"], **arguments)
    scopes = [scope for scope in trace.scopes if not scope.endswith("joined")]
    edits: dict[str, Any] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        value = data.draw(st.floats(-2, 2))
        what = data.draw(st.sampled_from(["weight", "x", "h0", "c0", "whole"]))
        if what == "weight":
            key = data.draw(st.sampled_from(sorted(case["weights"])))
            at = picked(data.draw, case["weights"][key].shape)
            case["weights"][key][at] = value
            edits[f"{key}[{','.join(map(str, at))}]"] = value
        elif what == "x":
            t, b, k = picked(data.draw, case["x"].shape)
            case["x"][t, b, k] = value
            edits[f"{t}/{b}/x_t[{k}]"] = value
        elif what == "whole":
            key = data.draw(st.sampled_from(sorted(case["weights"])))
            case["weights"][key] = np.full_like(case["weights"][key], value)
            edits = {k: v for k, v in edits.items() if not k.startswith(f"{key}[")} | {key: case["weights"][key].copy()}
        else:
            n, b, j = picked(data.draw, case[what].shape)
            case[what][n, b, j] = value
            edits[f"{scopes[n]}/{b}/{what}[{j}]"] = value
    before = {scope: {n: a.copy() for n, a in here.items()} for scope, here in trace.lines.items()}
    found = lt.edit(trace, edits)
    equal(found, lt.run(case["weights"], **arguments))
    for scope, here in before.items():
        for name, array in here.items():
            np.testing.assert_array_equal(trace.lines[scope][name], array)  # the given trace is not changed


@given(cells(), st.data())
@settings(max_examples=60, deadline=None)
def test_edits_of_a_custom_cell_are_the_run_of_the_edited_problem(case: Case, data: Any) -> None:
    trace = lt.run(case.weights, case.x, cell={"equations": case.text}, initial=case.initial)
    problem = lt.problem(trace)
    edits: dict[str, Any] = {}
    for name in data.draw(st.lists(st.sampled_from(sorted([*problem["weights"], "x"])), unique=True, min_size=1)):
        value = np.array(problem["x"] if name == "x" else problem["weights"][name])
        value = value + data.draw(st.floats(-1, 1))
        (problem if name == "x" else problem["weights"])[name] = value.tolist()
        edits[name] = value.tolist()
    equal(lt.edit(trace, edits), lt.run(problem))


@pytest.mark.parametrize("steps", [1, 6])
def test_an_x_with_more_or_fewer_steps_keeps_all_else(steps: int) -> None:
    problem = yaml.safe_load(text("three-steps"))
    trace = lt.run(problem)
    x = (np.arange(steps * trace.x.shape[2]).reshape(steps, -1) / 8).tolist()
    found = lt.edit(trace, {"x": x, "0/forward/W_xi[0,0]": 0.125})
    problem["x"] = x
    problem["weights"]["W_xi"][0][0] = 0.125
    equal(found, lt.run(problem))
    assert found.header.title == trace.header.title
    assert found.header.names == trace.header.names


def test_sequences_end_where_a_shorter_x_does() -> None:
    weights = {f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ifco"}
    trace = lt.run(weights, np.ones((3, 2, 1)), lengths=[3, 1])
    for steps, lengths in ((2, [2, 1]), (1, [1, 1]), (4, [3, 1])):
        assert lt.edit(trace, {"x": np.ones((steps, 2, 1))}).lengths.tolist() == lengths  # type: ignore[union-attr]
    with pytest.raises(ShapeError, match="lengths has 3; expected 0 to T = 2"):
        lt.edit(trace, {"x": np.ones((2, 2, 1)), "lengths": [3, 1]})


def test_the_last_of_two_edits_of_one_place_wins() -> None:
    trace = lt.run(yaml.safe_load(text("q22")))
    whole = np.zeros(trace.parameters["0/forward"]["W_xi"].shape)
    first = lt.edit(trace, [("W_xi[0,0]", 1.0), ("W_xi", whole), ("W_xi[0,1]", 2.0), ("W_xi[0,1]", 3.0)])
    assert first.parameters["0/forward"]["W_xi"].ravel().tolist()[:2] == [0.0, 3.0]
    again = lt.edit(trace, [("W_xi", whole), ("W_xi[0,0]", 1.0)])
    assert again.parameters["0/forward"]["W_xi"][0, 0] == 1.0


def test_given_lines_rows_of_x_lengths_and_masks(rng: np.random.Generator) -> None:
    own = weights(rng, CELLS["plain"])
    x, f = rng.normal(size=(3, 2, I)), rng.uniform(size=(3, 2, H))
    arguments: dict[str, Any] = {"x": x, "given": {"f_t": f}, "lengths": [2, 3]}
    trace = lt.run(own, **arguments)
    f[1, 0, 2], x[2, 1] = 0.75, [1.0, 2.0, 3.0]
    equal(lt.edit(trace, {"1/0/f_t[2]": 0.75, "2/1/x_t": [1.0, 2.0, 3.0]}), lt.run(own, **arguments))
    f[...] = 0.5
    equal(lt.edit(trace, {"f_t": f, "x": x}), lt.run(own, **arguments))
    equal(lt.edit(trace, {"f_t": f, "x": x, "lengths": [1, 3]}), lt.run(own, **{**arguments, "lengths": [1, 3]}))
    mask = [[1, 0], [0, 1], [1, 1]]
    masked = lt.run(own, x, given={"f_t": f}, mask=mask)
    equal(lt.edit(trace, {"f_t": f, "x": x, "mask": mask}), masked)


def test_whole_initial_states_of_a_stack(rng: np.random.Generator) -> None:
    own, x = weights(rng, CELLS["plain"], 2), rng.normal(size=(3, I))
    h0 = rng.normal(size=(2, H))
    trace = lt.run(own, x)
    equal(lt.edit(trace, {"h0": h0}), lt.run(own, x, h0=h0))
    h0[0] = 0
    equal(lt.edit(trace, {"1/forward/h0": h0[1]}), lt.run(own, x, h0=h0))
    equal(lt.edit(trace, {f"1/h_prev[{j}]": h0[1, j] for j in range(H)}), lt.run(own, x, h0=h0))


def test_arithmetic_adjoints_and_dtype_are_kept() -> None:
    problem = yaml.safe_load(text("q22"))
    problem["weights"]["W_xi"][0][0] = 0.5
    edited = {"W_xi[0,0]": 0.5}
    for arithmetic in ("by-hand-4", "float16", "q4.12"):
        trace = lt.run(yaml.safe_load(text("q22")), arithmetic=arithmetic)
        found = lt.edit(trace, edited)
        assert found.header.arithmetic == arithmetic
        equal(found, lt.run(problem, arithmetic=arithmetic))
        longer = lt.edit(trace, {"x": [[1.0, 2.0, 3.0]] * 2})
        assert (longer.header.arithmetic, longer.steps) == (arithmetic, 2)
    back = lt.backward(lt.run(yaml.safe_load(text("q22"))), of="h_t[0]")
    equal(lt.edit(back, edited), lt.backward(lt.run(problem), of="h_t[0]"))
    single = lt.run({**problem, "dtype": "float32"})
    assert lt.edit(single, {"W_xi[0,0]": 0.1}).parameters["0/forward"]["W_xi"].dtype == np.float32


def test_other_equations_take_the_place_of_the_cell() -> None:
    problem = yaml.safe_load(text("q22"))
    trace = lt.run({**problem, "symbols": {"f_t": "\\phi_t"}})
    coupled = "\n".join(
        "f_t = 1 - i_t" if row.startswith("f_t") else row for row in LSTM.splitlines() if not row.startswith("z_f")
    )
    found = lt.edit(trace, {"W_xi[0,0]": 0.5}, coupled)
    problem["weights"]["W_xi"][0][0] = 0.5
    equal(found, lt.run({**problem, "cell": {"kind": "lstm", "coupled": True},
                         "weights": {k: v for k, v in problem["weights"].items() if not k.endswith("f")}}))  # fmt: skip
    assert found.header.symbols == {"f_t": "\\phi_t"}
    assert found.header.kind == "equations"
    added = lt.edit(trace, {"b": [1.0, 2.0]}, "h_t = tanh(W_xi @ x_t + W_hi @ h_prev + b)\ncarry: h_prev <- h_t")
    assert set(added.parameters["0/forward"]) == {"W_xi", "W_hi", "b"}


def test_a_fault_of_new_equations_keeps_its_caret() -> None:
    trace = lt.run(yaml.safe_load(text("q22")))
    with pytest.raises(CellError) as error:
        lt.edit(trace, {}, "h_t = tnh(W_xi @ x_t)")
    message = str(error.value).splitlines()
    assert message[1].index("tnh") == message[2].index("^")
    with pytest.raises(MissingError, match="needs W_new, which the weights do not have"):
        lt.edit(trace, {}, "h_t = tanh(W_new @ x_t)")


def test_the_equations_of_a_stack_keep_its_readout() -> None:
    rng = np.random.default_rng(3)
    own = weights(rng, CELLS["plain"], 2) | {"1/forward/W_hy": rng.normal(size=(2, H))}
    trace = lt.run(own, rng.normal(size=(3, I)), cell={"kind": "lstm", "extra": "y_t = W_hy @ h_t"})
    found = lt.edit(trace, {}, "h_t = tanh(W_xi @ x_t + W_hi @ h_prev)\ncarry: h_prev <- h_t")
    assert found.scopes == trace.scopes
    assert found.at(layer=1)["y_t"].shape == (3, 1, 2)


def test_labels_of_a_readout_go_with_it() -> None:
    rng = np.random.default_rng(3)
    own = {**weights(rng, {"kind": "lstm", "bias": "none"}), "0/forward/W_hy": rng.normal(size=(2, H))}
    before, declared = LSTM.split("carry:")
    read = f"{before}y_t = W_hy @ h_t\ncarry:{declared.replace('output: h_t', 'output: y_t')}"
    problem = {"weights": own, "x": rng.normal(size=(3, I)), "cell": {"equations": read}, "names": {"y": ["no", "yes"]}}
    trace = lt.run(problem)
    assert lt.edit(trace, {}, read.replace("tanh(c_t)", "c_t")).header.names == {"y": ["no", "yes"]}
    assert lt.edit(trace, {}, LSTM).header.names == {}


def test_a_direction_whose_lines_are_supplied_stays() -> None:
    own = {f"0/{d}/W_{n}": [[0.5]] for d in ("forward", "reverse") for n in ("xh", "hh")}
    trace = lt.run(own, [[1.0], [2.0]], [[0.3], [0.4]], cell="rnn", given={"0/reverse/h_t": [[1.0], [2.0]]})
    assert "0/reverse" not in trace.parameters
    equations = "h_t = relu(W_xh @ x_t + W_hh @ h_prev)\ncarry: h_prev <- h_t"
    found = lt.edit(trace, {}, equations)
    assert found.scopes == trace.scopes
    assert found["y_t"].ravel().round(9).tolist() == [0.65, 1.0, 1.325, 2.0]
    with pytest.raises(MissingError, match="in 0/reverse the equations use no weight and no supplied line"):
        lt.edit(trace, {}, equations.replace("h_t", "q_t"))


def test_the_equations_that_join_two_directions_are_no_cell() -> None:
    rng, own = np.random.default_rng(5), {}
    for direction in ("forward", "reverse"):
        own |= {key.replace("forward", direction): a for key, a in weights(rng, CELLS["plain"], 1).items()}
    trace = lt.run(own, rng.normal(size=(3, I)))
    with pytest.raises(CellError, match=r"merge the two directions.* change the equations of a direction, 0/forward"):
        lt.edit(trace, {}, trace.stage("0/joined").cell.text)


@pytest.mark.few(1)
@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
@pytest.mark.parametrize("extra", ["", "p_t = W_p @ h_t\n"])
def test_the_equations_of_a_stage_as_they_stand_there_change_nothing(padding: str, extra: str) -> None:
    rng = np.random.default_rng(4)
    for layers in (1, 2):
        own = weights(rng, CELLS["peephole"], layers)
        own |= {f"{layers - 1}/forward/W_p": rng.normal(size=(2, H))} if extra else {}
        cell = {**CELLS["peephole"], "extra": extra, "padding": padding}
        for lengths in ([2, 3], None):
            cell = cell if lengths else {**CELLS["peephole"], "extra": extra}
            first = rng.normal(size=(2, layers, 2, H))
            trace = lt.run(own, rng.normal(size=(3, 2, I)), *first, cell=cell, lengths=lengths)
            longer = lt.edit(trace, {"x": np.concatenate([trace.x, trace.x[:1]])}).lines["0/forward"]
            np.testing.assert_allclose(longer["c_t"][:3], trace.lines["0/forward"]["c_t"], rtol=1e-12)
            for stage in trace.stages:
                if extra and stage.layer == 0 and layers > 1 and lengths:
                    continue  # that text does not have the readout
                equal(lt.edit(trace, {}, stage.cell.text), trace)
                changed = lt.edit(trace, {}, stage.cell.text.replace("o_t * tanh(c_t)", "o_t * c_t"))
                assert "o_t * c_t" not in changed.lines[stage.scope]
                np.testing.assert_array_equal(
                    changed.lines["0/forward"]["h_t"],
                    changed.lines["0/forward"]["o_t"] * changed.lines["0/forward"]["c_t"],
                )


@pytest.mark.few(8)
@pytest.mark.parametrize(
    ("edits", "kind", "message"),
    [
        ({"c_t[0]": 1.0}, MissingError, r"c_t is computed, and only premises can be edited: W_xi, W_hi, .*, x_t, h0"),
        ({"W_xj[0,0]": 1.0}, MissingError, r"the trace has no 'W_xj'; did you mean 'W_xi'\?"),
        ({"W_xi[9,0]": 1.0}, MissingError, r"W_xi\[9,0\]: W_xi has shape \(2, 3\); there is no \[9,0\]"),
        ({"W_xi[0]": 1.0}, ShapeError, r"W_xi\[0\]: expected an array of shape \(3,\), found a number"),
        ({"W_xi": 3}, ShapeError, r"W_xi: expected an array of shape \(2, 3\), found a number"),
        ({"x_t[0]": [1.0, 2.0]}, ShapeError, r"x_t\[0\]: expected a number, found one of shape \(2,\)"),
        ({"W_xi[0,0]": np.nan}, ShapeError, r"W_xi\[0,0\]: a weight is a finite number; found nan"),
        ({"W_xi[0,0]": "two"}, ShapeError, r"W_xi\[0,0\]: expected a number, found the text 'two'"),
        ({"3/x_t[0]": 1.0}, MissingError, "'3/x_t\\[0\\]' is not an address here"),
        ({"W_xi": [[1.0, 2.0]]}, ShapeError, r"W_xi has shape \(1, 2\)"),
        ({"W_xz": [[1.0, 2.0]]}, MissingError, "no equation of the cell reads the weight 'W_xz'; none is missing"),
        ({"h0": [1.0, 2.0, 3.0, 4.0]}, ShapeError, "initial state"),
        ("W_xi", OptionError, "edits: expected a mapping of addresses"),
        ([1.0], OptionError, "edits: expected pairs of an address and a number or array"),
        ({"lengths": [9]}, ShapeError, "lengths has 9; expected 0 to T = 1"),
    ],
)
def test_what_cannot_be_edited_is_said(edits: Any, kind: type[LstmTraceError], message: str) -> None:
    trace = lt.run(yaml.safe_load(text("q22")))
    with pytest.raises(kind, match=message):
        lt.edit(trace, edits)


def test_an_edit_of_a_small_cell_takes_some_milliseconds() -> None:
    rng = np.random.default_rng(1)
    for units, steps, most in ((8, 10, 0.005), (64, 20, 0.015)):
        own = {}
        for gate in "ifco":
            own |= {f"W_x{gate}": rng.normal(size=(units, units)), f"W_h{gate}": rng.normal(size=(units, units))}
        trace = lt.run(own, rng.normal(size=(steps, units)))
        times = []
        for n in range(7):
            start = time.process_time()
            lt.edit(trace, {"W_xi[1,1]": float(n)})
            times.append(time.process_time() - start)
        assert min(times) < most


@pytest.mark.parametrize("pair", [("x_2[1]", "1/x_t[0]"), ("W_xh[1,1]", "0/forward/W_xh[0,0]"), ("h0", "h_0")])
def test_a_mapping_has_each_value_once(pair: tuple[str, str]) -> None:
    trace = lt.run({"cell": "rnn", "weights": {"W_xh": [[0.5]], "W_hh": [[0.5]]}, "x": [[1.0], [2.0]], "count_from": 1})
    with pytest.raises(OptionError, match=re.escape(f"{pair[0]} and {pair[1]} are the same value; give it once")):
        lt.edit(trace, dict.fromkeys(pair, 4.0))
    lt.edit(trace, {"x_2[1]": 4.0, "0/x_t[0]": 3.0})
