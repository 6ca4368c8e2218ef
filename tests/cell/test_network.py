"""Layers, directions and what is between them: sources, joining, weights by address, what a question leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import lstm_trace as lt
from lstm_trace.cell.lines import with_holds
from lstm_trace.cell.named_cells import LSTM
from lstm_trace.cell.network import GIVEN, VALID, X, find, restrict, stack
from lstm_trace.cell.parse import parse
from lstm_trace.errors import LstmTraceError, MissingError, OptionError

from ..support import oracle
from ..support.rounding import numbers, total, within
from ..support.strategies import Case, cells

CELL = parse(LSTM().equations())


def weights(layers: int = 2, both: bool = True, units: int = 2, inputs: int = 3, seed: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    directions = ("forward", "reverse") if both else ("forward",)
    found = {}
    for layer in range(layers):
        width = inputs if layer == 0 else units * len(directions)
        for direction in directions:
            for gate in "ifco":
                found[f"{layer}/{direction}/W_x{gate}"] = rng.normal(size=(units, width))
                found[f"{layer}/{direction}/W_h{gate}"] = rng.normal(size=(units, units))
    return found


def test_stages_stand_in_computing_order_with_their_sources() -> None:
    stages = stack(CELL, layers=2, directions=("forward", "reverse"))
    assert [stage.scope for stage in stages] == [
        "0/forward", "0/reverse", "0/joined", "1/forward", "1/reverse", "1/joined",
    ]  # fmt: skip
    assert stages[1].sources == {"x_t": X}
    assert stages[2].sources == {"y_forward": "0/forward/h_t", "y_reverse": "0/reverse/h_t"}
    assert stages[4].sources == {"x_t": "0/joined/y_t"}
    padded = stack(CELL, padding="zero")
    assert padded[0].sources == {"x_t": X, "valid": VALID}
    assert padded[0].cell.output == "y_t"


def test_added_equations_stand_on_top_and_nowhere_else() -> None:
    for directions, home in ((("forward",), "1/forward"), (("forward", "reverse"), "1/joined")):
        read = "h_t" if home == "1/forward" else "y_t"
        stages = stack(CELL, layers=2, directions=directions, extra=f"p_t = sigmoid(W_p @ {read})")
        assert [stage.scope for stage in stages if "p_t" in stage.cell.by_name] == [home]
        assert all(stage.cell.output in ("h_t", "y_t") for stage in stages)
    both = {**weights(layers=1), "0/forward/W_p": np.ones((1, 4))}
    problem = {"weights": both, "x": np.ones((2, 3)), "extra": "p_t = sigmoid(W_p @ y_t)", "ask": ["p_t"]}
    trace = lt.run(problem)
    for t in range(2):
        whole = total(numbers(trace.at(direction="joined")["y_t"][t, 0]))
        within(trace["p_t"][t, 0], [oracle.call("sigmoid", whole)], "p_t")


def test_merge_none_leaves_two_outputs() -> None:
    assert [stage.scope for stage in stack(CELL, directions=("forward", "reverse"), merge="none")] == [
        "0/forward", "0/reverse",
    ]  # fmt: skip
    with pytest.raises(OptionError, match="merge: none leaves two outputs, so no layer can follow"):
        stack(CELL, layers=2, directions=("forward", "reverse"), merge="none")
    trace = lt.run(weights(layers=1), np.ones((2, 3)), cell={"kind": "lstm", "merge": "none"})
    with pytest.raises(MissingError, match=r"the directions are not joined; use trace\.at"):
        _ = trace.output
    assert trace.at(direction="reverse").output.shape == (2, 2)


@pytest.mark.parametrize(
    ("merge", "rule"),
    [
        ("concat", lambda f, r: np.concatenate([f, r], axis=-1)),
        ("sum", np.add),
        ("mean", lambda f, r: (f + r) / 2),
        ("product", np.multiply),
    ],
)
def test_the_directions_meet_in_the_line_y_t(merge: str, rule: Any) -> None:
    rng = np.random.default_rng(0)
    trace = lt.run(weights(layers=1), rng.normal(size=(3, 2, 3)), cell={"kind": "lstm", "merge": merge})
    forward, reverse = (trace.at(direction=d)["h_t"] for d in ("forward", "reverse"))
    np.testing.assert_array_equal(trace["y_t"], rule(forward, reverse))
    np.testing.assert_array_equal(trace.output, trace["y_t"])
    backwards = lt.run(
        {n.replace("reverse", "forward"): a for n, a in weights(layers=1).items() if "reverse" in n}, trace.x[::-1]
    )
    np.testing.assert_allclose(reverse, backwards["h_t"][::-1], rtol=1e-12)


def test_a_name_is_found_where_it_is() -> None:
    stages = stack(CELL, layers=2, directions=("forward", "reverse"))
    assert find(stages, "c_t") == ["0/forward", "0/reverse", "1/forward", "1/reverse"]
    assert find(stages, "y_t") == ["0/joined", "1/joined"]
    with pytest.raises(MissingError) as error:
        find(stages, "ct")
    assert str(error.value) == "there is no line 'ct'; did you mean 'c_t'?"
    with pytest.raises(MissingError) as error:
        find(stages, "loss")
    assert str(error.value).startswith("there is no line 'loss'; there are z_i, i_t, z_f,")


def test_a_question_leaves_the_stages_and_lines_it_needs() -> None:
    stages = stack(CELL, layers=3)
    kept = restrict(stages, [("1/forward", "i_t")], carried=False)
    assert [stage.scope for stage in kept] == ["0/forward", "1/forward"]
    assert kept[0].computed is not None
    assert "h_t" in kept[0].computed
    assert kept[1].computed == ("W_xi @ x_t", "W_hi @ h_prev", "z_i", "i_t")
    assert kept[1].parameters == ("W_xi", "W_hi")
    assert kept[1].states == ("h_prev",)
    carried = restrict(stages, [("1/forward", "i_t")], carried=True)
    assert carried[1].computed == tuple(line.name for line in CELL.lines)


@given(cells())
@settings(max_examples=60)
def test_a_closure_is_closed_and_least(case: Case) -> None:
    cell = parse(case.text)
    for name in cell.by_name:
        for carried in (False, True):
            closure = cell.closure([name], carried)
            reads = {r for line in closure for r in cell.by_name[line].reads}
            needed = {r for r in reads if r in cell.by_name} | {name}
            needed |= {cell.states[r] for r in reads if r in cell.states} if carried else set()
            assert closure == needed, "each line of it is the asked one, or is read or carried within it"


def test_supplied_lines_become_inputs_and_free_what_only_they_needed() -> None:
    stages = stack(CELL, layers=2, given={"1/forward": ["f_t", "i_t"]})
    assert stages[0].cell == CELL
    names = [line.name for line in stages[1].cell.lines]
    assert not {"z_f", "W_xf @ x_t", "z_i", "f_t", "i_t"} & set(names)
    assert {"z_o", "c_t", "h_t"} <= set(names)
    assert stages[1].sources["f_t"] == GIVEN
    for bad, message in (
        ({"2/forward": ["f_t"]}, "given lines name '2/forward', which is unknown"),
        ({"1/forward": ["ft"]}, "given 'ft' is not a line of the cell; did you mean 'f_t'?"),
    ):
        with pytest.raises(MissingError) as error:
            stack(CELL, layers=2, given=bad)
        assert message in str(error.value)


BAD_WEIGHTS: list[tuple[dict[str, Any], str]] = [
    ({"W_xi": 1, "0/forward/W_hi": 1}, "some weights have an address (0/forward/…) and some do not"),
    ({"0/backward/W_xi": 1}, "the weight '0/backward/W_xi': expected `W_xi`, or `layer/direction/W_xi`"),
    ({"one/forward/W_xi": 1}, "as in 1/reverse/W_xi"),
    ({"0/W_xi": 1}, "the weight '0/W_xi': expected"),
    ({"0/forward/W_xi": 1, "2/forward/W_xi": 1}, "no weights for 1/forward, only for 0/forward, 2/forward"),
    ({"0/forward/W_xi": 1, "1/reverse/W_xi": 1}, "no weights for 0/reverse, 1/forward, only for 0/forward, 1/reverse"),
    ({"0/forward/W_xq": 1}, "no equation of the cell reads the weight 'W_xq'"),
    ({"W_xi": [[1, 2], [3]]}, "W_xi: the list is ragged: row 1 has 1 number where row 0 has 2"),
    ({"W_xi": [["a"]]}, "W_xi: expected a number at [0,0], found the text 'a'"),
    ({"W_xi": None}, "W_xi: expected a number, found nothing"),
    ({"W_xi": [[1j]]}, "W_xi: expected a number at [0,0], found 1j"),
    ({"W_xi": np.array([[1j]])}, "W_xi: expected numbers, found the dtype complex128"),
    ({"W_xi": np.array([["a"]])}, "W_xi: expected numbers, found the dtype <U1"),
    ({"W_xi": [[np.nan]]}, "W_xi[0,0] is nan; expected finite numbers (--allow-nonfinite,"),
    ({"1/forward/W_xi": [[1, np.inf, -np.inf]], "0/forward/W_xi": [[1]]}, "1/forward/W_xi[0,1] is inf (and 1 more);"),
]


@pytest.mark.parametrize(("given_", "message"), BAD_WEIGHTS, ids=[message[:40] for _, message in BAD_WEIGHTS])
def test_weights_by_wrong_names_or_without_numbers(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(LstmTraceError) as error:
        lt.prepare(given_)
    assert message in str(error.value)


def test_several_faults_of_weights_are_told_at_once() -> None:
    with pytest.raises(LstmTraceError) as error:
        lt.prepare({"W_xj": [[1.0]], "W_xi": [[np.nan]], "Whf": [[1.0]]})
    assert len(error.value.problems) == 3
    with pytest.raises(LstmTraceError) as error:
        lt.prepare({"W_xi": [["a"]], "W_hi": [[1], [2, 3]]})
    assert len(error.value.problems) == 2


def test_nonfinite_weights_can_be_let_in() -> None:
    trace = lt.run({"W_xi": [[np.nan]], "W_hi": [[np.inf]]}, [1.0], ask="i_t", allow_nonfinite=True)
    assert np.isnan(trace["i_t"]).all()


@pytest.mark.parametrize(
    ("layers", "both", "rows", "shapes"),
    [
        (1, False, 1, [(2,), (1, 2), (1, 1, 2)]),
        (1, False, 3, [(3, 2), (1, 3, 2)]),
        (2, True, 1, [(4, 2), (4, 1, 2)]),
        (2, True, 3, [(4, 3, 2)]),
    ],
)
def test_initial_states_may_leave_out_what_there_is_one_of(layers: int, both: bool, rows: int, shapes: Any) -> None:
    rng = np.random.default_rng(0)
    model, x = lt.prepare(weights(layers, both)), rng.normal(size=(3, rows, 3))
    states = rng.normal(size=(2, layers * (1 + both), rows, 2))
    whole = model.run(x, h0=states[0], c0=states[1])
    for shape in shapes:
        trace = model.run(x, h0=states[0].reshape(shape), c0=states[1].reshape(shape))
        for scope, lines in whole.lines.items():
            np.testing.assert_array_equal(trace.lines[scope][list(lines)[-1]], list(lines.values())[-1])
    for shape in ((2, 1), (5, 2), (rows, layers * (1 + both), 2, 1)):
        with pytest.raises(LstmTraceError, match=r"expected .L·D, B, width. with L·D ="):
            model.run(x, h0=np.zeros(shape))


def test_messages_on_a_stack_name_the_layer() -> None:
    some = weights(layers=2, both=False)
    del some["1/forward/W_xf"]
    some["0/forward/W_xc"] = np.ones((3, 2))
    with pytest.raises(LstmTraceError) as error:
        lt.run(some, np.ones((2, 1, 3)))
    text = str(error.value)
    assert "line `W_xf @ x_t` needs 1/forward/W_xf, which the weights do not have" in text
    assert "0/forward: W_xc has shape (3, 2); line `W_xc @ x_t` needs (H, I) = (2, 3). It looks transposed." in text
    assert "0/reverse" not in text


def test_supplied_lines_of_a_stack_need_their_place() -> None:
    with pytest.raises(MissingError) as error:
        lt.run(weights(both=False), np.ones((1, 1, 3)), given={"f_t": [1.0, 1.0]})
    assert str(error.value) == "given 'f_t' is in 0/forward, 1/forward: write 0/forward/f_t"
    trace = lt.run(weights(both=False), np.ones((1, 1, 3)), given={"1/forward/f_t": [1.0, 0.0]})
    np.testing.assert_array_equal(trace.at(layer=1)["f_t"], [[[1.0, 0.0]]])
    with pytest.raises(MissingError, match="given '2/forward/f_t': there is no '2/forward'"):
        lt.run(weights(both=False), np.ones((1, 1, 3)), given={"2/forward/f_t": [1.0, 0.0]})


#: A choice of the author's own, with and without a name: no padding.
CHOICE = "g_t = W_g @ x_t > 0\na_t = 0.5 * c_prev + x_t\nb_t = 0.25 * c_prev"
NAMED = f"{CHOICE}\nc_t = where(g_t, a_t, b_t)\ncarry: c_prev <- c_t\noutput: c_t"
UNNAMED = f"{CHOICE}\ncarry: c_prev <- where(g_t, a_t, b_t)\noutput: a_t"


@pytest.mark.parametrize("padding", [None, "zero", "repeat"])
@pytest.mark.parametrize(
    ("cell", "carried", "output"),
    [(LSTM().equations(), ["h_t", "c_t"], "h_t"), (NAMED, ["c_t"], "c_t"), (UNNAMED, ["where(g_t, a_t, b_t)"], "a_t")],
    ids=["lstm", "named", "unnamed"],
)
def test_what_is_carried_but_for_padding(cell: str, carried: list[str], output: str, padding: Any) -> None:
    (stage,) = stack(parse(cell), padding=padding)
    wanted = [*carried, output] if padding == "repeat" else carried
    assert list(stage.carried) == list(dict.fromkeys(wanted))
    assert stage.unpadded(stage.cell.output) == output
    for line in (*stage.cell.by_name, "W_g"):
        assert (stage.unpadded(line) == line) == ("valid" not in line and line != "y_t"), line
    held = replace(stage, cell=with_holds(stage.cell, [*stage.carried, *stage.cell.states.values()]))
    assert held.carried == stage.carried
