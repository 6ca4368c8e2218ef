"""Addresses as printed: what stands on the page is read, counted as the problem counts, and denotes the same number."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lstm_trace as lt
from lstm_trace.errors import MissingError
from lstm_trace.trace.address import Address
from lstm_trace.trace.printed import ours, printed, slashed
from lstm_trace.trace.trace import Trace

from ..support.matrix_cells import problem as matrix_problem

RNG = np.random.default_rng(31)
WEIGHTS = {f"W_{a}{g}": RNG.normal(size=(2, 3 if a == "x" else 2)).tolist() for a in "xh" for g in "ifco"}
X = RNG.normal(size=(3, 3)).tolist()
#: 3 steps, 2 units, 3 inputs; every number differs from every other.
PROBLEM: dict[str, Any] = {
    "weights": WEIGHTS, "x": X, "h0": [0.1, -0.2], "c0": [0.3, 0.05], "extra": "L_t = sum(h_t * h_t)",
}  # fmt: skip


def traced(count_from: int, **more: Any) -> Trace:
    return lt.run({**PROBLEM, **more, "count_from": count_from})


@cache
def back(count_from: int) -> Trace:
    return lt.backward(traced(count_from), of="2/L_t")


#: An address as printed if counted from 1, and from 0; the address with slashes.
SAID = {
    "c_2[1]": ("c_1[0]", "0/forward/1/0/c_t[0]"),
    "c_2": ("c_1", "0/forward/1/0/c_t"),
    "h_T[2]": ("h_T[1]", "0/forward/2/0/h_t[1]"),
    "h_3[2]": ("h_2[1]", "0/forward/2/0/h_t[1]"),
    "c̃_2[1]": ("c_tilde_1[0]", "0/forward/1/0/c_tilde[0]"),
    "z_i_2[1]": ("z_i_1[0]", "0/forward/1/0/z_i[0]"),
    "x_2[3]": ("x_1[2]", "1/0/x_t[2]"),
    "L_2": ("L_1", "0/forward/1/0/L_t"),
    "W_xi[2,3]": ("W_xi[1,2]", "0/forward/W_xi[1,2]"),
    "c_0[1]": ("c0[0]", "0/forward/0/c0[0]"),
    "h_0[2]": ("0/h0[1]", "0/forward/0/h0[1]"),
    "∂L/∂c_2[1]": ("∂L/∂c_1[0]", "0/adjoint-forward/1/0/d_c_t[0]"),
    "dL/dW_xi[2,3]": ("dL/dW_xi[1,2]", "0/adjoint-forward/d_W_xi[1,2]"),
    "dL/dx_1[3]": ("∂L/∂x_0[2]", "0/adjoint-forward/0/0/d_x_t[2]"),
    "∂L/∂c_0[2]": ("0/adjoint-forward/0/d_c_before[1]", "0/adjoint-forward/0/0/d_c_before[1]"),
}


@pytest.mark.parametrize("said", SAID)
def test_what_is_printed_is_read_as_the_problem_counts(said: str) -> None:
    from_zero, full = SAID[said]
    wanted = back(0).locate(full)
    assert back(1).locate(said) == wanted
    assert back(0).locate(from_zero) == wanted
    assert back(1).locate(full) == wanted  # a slash counts from 0


def test_the_numbers_are_those_of_the_page() -> None:
    trace = traced(1)
    for said, value in (("c_2[1]", trace["c_t"][1, 0, 0]), ("h_T[2]", trace["h_t"][2, 0, 1]), ("c_0[1]", 0.3)):
        assert lt.derivation(trace, said).value == value
    assert lt.derivation(trace, "W_xi[2,3]").value == WEIGHTS["W_xi"][1][2]
    assert lt.derivation(trace, "x_2[1]").value == X[1][0]


def test_the_name_of_a_line_wins() -> None:
    text = "c_2 = 2 * x_t\nc_t = c_prev + c_2\ncarry: c_prev <- c_t\noutput: c_t"
    trace = lt.run({"cell": {"equations": text}, "weights": {}, "x": [[1.0, 5.0], [2.0, 7.0]], "count_from": 1})
    assert trace.locate("c_2[1]", every=True) == Address("c_2", 0, "forward", None, 0, (0,))
    assert trace.locate("c_1[2]") == Address("c_t", 0, "forward", 0, 0, (1,))
    # and what would be printed like it keeps its slashes
    assert printed(trace, "0/forward/1/0/c_t[1]") == "0/forward/1/0/c_t[1]"
    assert printed(trace, "0/forward/0/0/c_t[1]") == "c_1[2]"


REFUSED = {
    "c_4[1]": "there is no c_4: steps are counted 1 to 3",
    "h_0[3]": "there is no h_0[3]; h_0 has [1] to [2]",
    "c_2[0]": "there is no c_2[0]; c_2 has [1] to [2]",
    "c_2[3]": "there is no c_2[3]; c_2 has [1] to [2]",
    "c_2[1,2]": "there is no c_2[1,2]; c_2 has [1] to [2]",
    "W_xi[3,1]": "there is no W_xi[3,1]; W_xi is a matrix, W_xi[row,column], with rows 1 to 2 and columns 1 to 3",
    "c_t[1]": "c_t[1] has a value at each step: name one, from c_1[1] to c_3[1]",
    "∂L/∂c_2[1]": "there is no ∂L/∂c_2[1] in the trace: lt.backward(trace, of=…) adds gradients of a value "
    "or loss; on the command line, lstm-trace explain gradient … --of VALUE, or export … --gradient-of VALUE",
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_message_counts_as_the_address_was_written(said: str) -> None:
    with pytest.raises(MissingError) as error:
        traced(1).locate(said)
    assert str(error.value) == REFUSED[said]


def test_several_layers_and_sequences_are_named_with_slashes() -> None:
    deep = {f"{n}/forward/{name}": RNG.normal(size=(2, 2)) for n in range(2) for name in WEIGHTS}
    trace = lt.run({"weights": deep, "x": np.zeros((2, 3, 2)).tolist(), "batch_first": True, "count_from": 1})
    with pytest.raises(MissingError) as error:
        trace.locate("c_2[1]")
    assert str(error.value) == (
        "c_2[1]: there are 2 layers and 2 sequences; write layer/direction/t/b/c_t, which counts from 0: for example "
        "0/forward/1/0/c_t[0]"
    )
    with pytest.raises(MissingError, match=r"2 layers; write layer/direction/W_xi, .* 0/forward/W_xi\[1,0\]"):
        trace.locate("W_xi[2,1]")
    assert printed(trace, "1/forward/1/0/c_t[0]") == "1/forward/1/0/c_t[0]"


def test_the_initial_state_of_a_reverse_layer_is_printed_after_the_last_step() -> None:
    trace = traced(1, cell={"direction": "reverse"}, h0=[0.1, -0.2], extra="")
    assert trace.locate("c_4[1]") == trace.locate("0/reverse/0/c0[0]")
    assert printed(trace, "0/reverse/0/c0[0]") == "c_4[1]"
    with pytest.raises(MissingError, match="there is no c_0: steps are counted 1 to 3"):
        trace.locate("c_0[1]")


@cache
def drawn(case: str) -> Trace:
    """A trace with gradients, of one layer or two, of vectors or matrices, one sequence or two."""
    if case == "mlstm":
        trace = lt.run(matrix_problem("mlstm"))
    elif case == "gru":
        names = {f"W_{a}{g}": RNG.normal(size=(2, 3 if a == "x" else 2)) for a in "xh" for g in "ruh"}
        trace = lt.run({"cell": "gru", "weights": names, "x": X})
    elif case == "both":
        names = {f"0/{way}/{name}": w for way in ("forward", "reverse") for name, w in WEIGHTS.items()}
        trace = lt.run({"weights": names, "x": X})
    elif case == "batch":
        trace = lt.run(WEIGHTS, RNG.normal(size=(4, 2, 3)), lengths=[4, 2])
    else:
        trace = traced(0)
    return lt.backward(trace, output=RNG.normal(size=trace.output.shape))


@given(data=st.data(), case=st.sampled_from(["lstm", "gru", "both", "batch", "mlstm"]), first=st.integers(0, 1))
def test_what_is_printed_reads_back(data: st.DataObject, case: str, first: int) -> None:
    trace = drawn(case)
    trace = replace(trace, header=replace(trace.header, count_from=first))
    part = data.draw(st.sampled_from(["lines", "parameters", "sums", "initial"]))
    scope = data.draw(st.sampled_from([scope for scope, here in getattr(trace, part).items() if here]))
    name = data.draw(st.sampled_from(sorted(getattr(trace, part)[scope])))
    array = getattr(trace, part)[scope][name]
    index = tuple(data.draw(st.integers(0, n - 1)) for n in array.shape)
    places, unit = {"lines": 2, "initial": 1}.get(part, 0), index
    t, b = {2: index[:1] + index[1:2], 1: (None, index[0]), 0: (None, None)}[places]
    layer, _, direction = scope.partition("/")
    grid = trace.grid(scope, name)
    called = {"h_prev": "h0", "c_prev": "c0"}.get(name, name) if part == "initial" else name
    where = trace.span[t] if t is not None else None
    full = Address(called, int(layer), direction, where, b, unit[places:], None if grid is None else grid[1])
    said = printed(trace, full)
    assert trace.locate(said)._replace(unit=full.unit) == trace.locate(str(full))
    if "[" in said or array.shape[places:] != (1,):
        assert trace.locate(said).unit == full.unit
    if "/" not in said.removeprefix("∂L/∂"):
        assert slashed(trace, said) != said or not first
    if case == "lstm" and part == "lines" and name.isidentifier() and not direction.startswith("adjoint"):
        assert "/" not in said


def test_a_name_of_a_textbook_is_an_address_if_it_means_one_thing() -> None:
    rng = np.random.default_rng(4)
    weights = {f"W_{side}{gate}": rng.normal(size=(2, n)) for side, n in (("i", 3), ("h", 2)) for gate in "ifgo"}
    problem = {"weights": weights, "x": rng.normal(size=(3, 3)), "count_from": 1}
    trace = lt.run(problem)
    assert float(lt.derivation(trace, "W_ig[1,3]").value) == weights["W_ig"][0, 2]
    assert ours(trace.header, trace.stages, "q_2[1]") == "q_2[1]"  # a line is meant only in the notation of the problem
    assert lt.derivation(lt.run({**problem, "notation": "pytorch"}), "g_2[1]").address == "0/forward/1/0/c_tilde[0]"
    total = lt.run({**problem, "extra": "q_t = h_t * h_t"})
    assert ours(total.header, total.stages, "q_2[1]") == "q_2[1]"  # a line is called so


def test_a_matrix_that_is_printed_transposed_is_addressed_with_a_slash() -> None:
    weights = {"W_xh": [[0.1, 0.2], [0.3, 0.4]], "W_hh": [[0.5, 0.7], [0.6, 0.8]], "b_h": [0.0, 0.0]}
    problem = {"cell": "rnn", "notation": "d2l", "weights": weights, "x": [[1.0, 2.0]], "count_from": 1}
    trace = lt.run(problem)
    said = "is printed transposed in the notation d2l; write /W_xh[1,0], with our rows and columns, from 0"
    with pytest.raises(MissingError, match=re.escape(said)):
        lt.edit(trace, {"W_xh[1,2]": 9.0})
    with pytest.raises(MissingError, match=r"write /W_xh, with our rows"):
        lt.edit(trace, {"W_xh": weights["W_xh"]})
    with pytest.raises(MissingError, match=re.escape("write /d_W_xh[1,0]")):
        lt.derivation(lt.backward(trace, of="h_T[1]"), "∂L/∂W_xh[1,2]")
    changed = lt.edit(trace, {"/W_xh[1,0]": 9.0, "b_h[2]": 1.0}).parameters["0/forward"]
    assert (changed["W_xh"].tolist(), changed["b_h"].tolist()) == ([[0.1, 0.3], [9.0, 0.4]], [0.0, 1.0])
    assert printed(trace, "0/forward/W_xh[1,0]") == "0/forward/W_xh[1,0]"


@pytest.mark.parametrize("index", ["3..4", "4", "1,4"])
def test_a_unit_beyond_the_last_is_named_as_counted(index: str) -> None:
    weights = {"W_xh": [[0.1], [0.2], [0.3]], "W_hh": np.zeros((3, 3))}
    problem = {"cell": "rnn", "weights": weights, "x": [[1.0]], "count_from": 1}
    with pytest.raises(MissingError, match=re.escape("there is no h_t[4]; h_t has [1] to [3]")):
        lt.prepare(problem).run(hold={f"h_t[{index}]": 0.0})
    assert lt.prepare(problem).run(hold={"h_t[2..3]": 0.0})["h_t"].ravel()[1:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("theirs", "ours"), [("g_2[1]", "c_2[1]"), ("z_g_2[1]", "z_c_2[1]"), ("g_T", "c_T")])
def test_a_problem_asks_for_and_holds_lines_by_the_names_of_its_notation(theirs: str, ours: str) -> None:
    rng = np.random.default_rng(5)
    weights = {f"W_{side}{gate}": rng.normal(size=(2, n)) for side, n in (("i", 3), ("h", 2)) for gate in "ifgo"}
    problem = {"weights": weights, "x": rng.normal(size=(3, 3)), "count_from": 1, "notation": "pytorch"}
    own = ours if ours.startswith("z") else ours.replace("c", "c_tilde", 1)
    trace = lt.run(problem, ask=theirs)
    assert trace.header.ask == lt.run(problem, ask=own).header.ask
    held = lt.run(problem, hold={theirs: 0.25})
    assert held.output.tolist() == lt.run(problem, hold={own: 0.25}).output.tolist()
    assert held.output.tolist() != trace.output.tolist()
