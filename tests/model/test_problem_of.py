"""A trace back to its problem: what that problem gives is the same trace again."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.cell.named_cells import KINDS
from lstm_trace.cell.network import forward_stages
from lstm_trace.errors import CellError, MissingError
from lstm_trace.examples import examples, text
from lstm_trace.model.problem import problem_text

from ..lines.problems import random_trace
from ..support.strategies import Case, cells, networks
from ..support.tiers import seeds
from ..support.walk_cases import CELLS, H, I, P, cell_of, states, weights

#: Cells beside those of the walks.
MORE: dict[str, dict[str, Any]] = {
    "no bias": {"kind": "lstm", "bias": "none", "forget_bias": 1.0},
    "carried norm": {
        "kind": "lstm", "bias": "one", "layer_norm_cell": True, "layer_norm_carried": True, "layer_norm_epsilon": 0.01,
    },
    "slstm, plain": {"kind": "slstm", "bias": "two", "stabilised": False, "forget_activation": "exp"},
    "gru, clip": {"kind": "gru", "bias": "none", "clip": 1.0},
    "rnn, silu": {"kind": "rnn", "bias": "two", "activation": "silu"},
}  # fmt: skip
HEADER = (
    "title", "notes", "kind", "options", "dtype", "merge", "padding", "ask", "batched", "batch_first", "symbols",
    "count_from", "arithmetic",
)  # fmt: skip


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def again(trace: lt.Trace) -> lt.Trace:
    """The trace of the problem of a trace, by way of JSON and of YAML."""
    data = lt.problem(trace)
    assert json.loads(json.dumps(data, allow_nan=False)) == data, "plain values only"
    model = lt.prepare(yaml.safe_load(problem_text(data)), allow_nonfinite=True)
    return model.run()


def same(found: lt.Trace, trace: lt.Trace) -> None:
    """Both hold the same lines, numbers and premises, bit for bit."""
    assert [s.scope for s in found.stages] == [s.scope for s in forward_stages(trace.stages)]
    for stage in found.stages:
        for part in ("lines", "parameters", "initial", "given", "sums"):
            mine, theirs = (getattr(one, part).get(stage.scope, {}) for one in (found, trace))
            assert mine.keys() == theirs.keys(), (stage.scope, part)
            for name, array in mine.items():
                np.testing.assert_array_equal(array, theirs[name], strict=True, err_msg=f"{stage.scope}/{name}")
                assert (np.signbit(array) == np.signbit(theirs[name])).all()
    np.testing.assert_array_equal(found.valid, trace.valid)
    if trace.x is not None:
        np.testing.assert_array_equal(found.x, trace.x, strict=True)
    for name in HEADER:
        assert getattr(found.header, name) == getattr(trace.header, name), name
    assert {k: list(v) for k, v in found.header.names.items()} == {k: list(v) for k, v in trace.header.names.items()}


@pytest.mark.few(3)
@pytest.mark.parametrize("name", examples())
def test_every_example_gives_its_trace_again(name: str) -> None:
    problem = yaml.safe_load(text(name))
    trace = lt.run(problem)
    same(again(trace), trace)
    rows = [row.split("#")[0].strip() for row in problem.get("extra", "").splitlines()]
    assert lt.problem(trace).get("extra", "").splitlines() == [row for row in rows if row]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("layers", "directions"), [(1, ("forward",)), (1, ("reverse",)), (2, ("forward", "reverse"))], ids=str
)
@pytest.mark.parametrize("cell", [*CELLS, *MORE])
def test_every_kind_of_cell_with_padding_and_a_readout(
    cell: str, layers: int, directions: tuple[str, ...], rng: np.random.Generator
) -> None:
    spec = {**CELLS, **MORE}[cell]
    assert KINDS.keys() <= {one.get("kind", "") for one in CELLS.values()}
    own = weights(rng, spec, layers, directions)
    read, wide = "y_t" if len(directions) > 1 else "h_t", P if spec.get("projection") else H
    own[f"{layers - 1}/{directions[0]}/W_p"] = rng.normal(size=(2, wide * len(directions)))
    extra = f"input: d_t\nread_t = W_p @ {read} - d_t\n"
    states = lt.prepare(own, cell={**spec, "extra": extra}).cell.states
    count = layers * len(directions)
    initial = {s: rng.normal(size=(count, 2, wide if s == "h_prev" else H)) for s in states}
    top = f"{layers - 1}/{'joined' if len(directions) > 1 else directions[0]}"
    trace = lt.run(
        own, rng.normal(size=(2, 4, I)), cell={**spec, "extra": extra}, initial=initial, batch_first=True,
        lengths=[2, 4], given={f"{top}/d_t": rng.normal(size=(2, 4, 2))}, name="a stack",
    )  # fmt: skip
    same(again(trace), trace)
    said = lt.problem(trace)
    if "kind" in spec:
        assert said["extra"] == extra
        assert said.get("cell", {"kind": "lstm"})["kind"] == spec["kind"]
    elif count > 1:
        assert said["extra"] == extra


def test_only_what_differs_from_the_plain_cell_is_said(rng: np.random.Generator) -> None:
    own = weights(rng, CELLS["peephole"])
    said = lt.problem(lt.run(own, rng.normal(size=(2, I)), options={"peephole": True}))
    assert said["cell"] == {"kind": "lstm", "peephole": True}
    assert {f"0/forward/{name}" for name in said["weights"]} == set(own)
    assert "cell" not in lt.problem(lt.run(weights(rng, CELLS["plain"]), rng.normal(size=(2, I))))


def test_biases_that_no_weight_shows_are_said() -> None:
    trace = lt.run({"W_xi": [[0.5]]}, [[1.0]], options={"bias": "two"}, ask="W_xi @ x_t")
    assert lt.problem(trace)["cell"] == {"kind": "lstm", "bias": "two"}
    same(again(trace), trace)


@pytest.mark.few(1)
@pytest.mark.parametrize("merge", ["concat", "sum", "mean", "product", "none"])
@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
def test_merges_paddings_and_a_reverse_direction_of_its_own(merge: str, padding: str, rng: np.random.Generator) -> None:
    options = {"reverse": {"gate_activation": "hard_sigmoid"}, "merge": merge, "padding": padding}
    own = weights(rng, CELLS["two biases"], 1, ("forward", "reverse"))
    mask, first = [[1, 0], [0, 1], [1, 1]], rng.normal(size=(2, 2, 2, H))
    trace = lt.run(own, rng.normal(size=(3, 2, I)), *first, options=options, mask=mask, dtype="float32")
    same(again(trace), trace)
    assert {*lt.problem(trace)} >= {"h0", "c0"}
    assert lt.problem(trace)["dtype"] == "float32"


def test_another_output_to_begin_with_at_padding_has_no_place_in_a_problem(rng: np.random.Generator) -> None:
    own, options = weights(rng, CELLS["rnn"]), {"padding": "repeat"}
    trace = lt.run(own, rng.normal(size=(3, I)), cell="rnn", options=options, mask=[0, 1, 1])
    found = lt.edit(trace, {"y_prev": [1.0, 2.0, 3.0, 4.0]})
    assert found["y_t"][0, 0].tolist() == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(MissingError, match="in 0/forward padding begins by repeating y_prev, which is not zero"):
        lt.problem(found)


@pytest.mark.parametrize("ask", ["0/reverse/h_t", "0/forward/1/0/i_t[1]"])
def test_what_was_asked_for_is_asked_for_again(ask: str, rng: np.random.Generator) -> None:
    own = weights(rng, CELLS["plain"], 1, ("forward", "reverse"))
    options = {"reverse": {"gate_activation": "hard_sigmoid"}, "merge": "sum"}
    trace = lt.run(own, rng.normal(size=(3, 2, I)), options=options, ask=ask)
    found = again(trace)
    assert found.header.ask == (ask,)
    assert found.scopes == trace.scopes
    for name, array in trace.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("seed", seeds(360, 6))
def test_a_random_run(seed: int) -> None:
    """Of any cell: with every rule of padding, states, directions, supplied lines, holds and arithmetics."""
    trace = random_trace(seed)
    if trace.header.ask and any(stage.cell.plain for stage in trace.stages):
        return  # a line may be held after the requested steps only
    try:
        found = again(trace)
    except MissingError as error:
        assert "which the requested lines do not need" in str(error)  # noqa: PT017 - or it is the same trace
        return
    meets = any(stage.direction == "joined" for stage in found.stages)
    same(found, trace if meets else replace(trace, header=replace(trace.header, merge=found.header.merge)))


@pytest.mark.few(0)
@given(networks(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_random_networks(case: dict[str, Any], major: bool) -> None:
    options = {**case["options"], "projection": case["projection"]}
    x = np.swapaxes(case["x"], 0, 1) if major else case["x"]
    fed = {name: case[name] for name in ("h0", "c0", "lengths")}
    trace = lt.run(case["weights"], x, options=options, batch_first=major, **fed)
    same(again(trace), trace)


@pytest.mark.few(0)
@given(cells(), st.booleans())
@settings(max_examples=120, deadline=None)
def test_random_cells(case: Case, padded: bool) -> None:
    lengths = {"lengths": [0] + [len(case.x)] * (case.x.shape[1] - 1)} if padded else {}
    trace = lt.run(case.weights, case.x, cell={"equations": case.text}, initial=case.initial, **lengths)
    same(again(trace), trace)


@pytest.mark.parametrize("rows", [1, 2])
def test_layers_of_two_widths_have_initial_states_of_their_own(rows: int, rng: np.random.Generator) -> None:
    own = {}
    for layer, (inputs, units) in enumerate(((3, 2), (2, 4))):
        for gate in "ifco":
            own[f"{layer}/forward/W_x{gate}"] = rng.normal(size=(units, inputs))
            own[f"{layer}/forward/W_h{gate}"] = rng.normal(size=(units, units))
    states = [rng.normal(size=(rows, n)) for n in (2, 4)]
    x = rng.normal(size=(3, rows, 3))
    trace = lt.run(own, x if rows > 1 else x[:, 0], h0=states, c0=states)
    same(again(trace), trace)


def test_functions_and_sums_of_a_custom_cell() -> None:
    cell = "mish(z) = z * tanh(softplus(z))\ns_t = mish(silu(W @ x_t)) + s_prev\ncarry: s_prev <- s_t\nsum: g <- s_t\n"
    trace = lt.run({"W": [[1.0, 2.0]]}, [[1.0, 2.0], [3.0, -1.0]], cell={"equations": cell})
    same(again(trace), trace)
    assert "silu(z) =" not in lt.problem(trace)["cell"]["equations"]


def test_lines_that_are_given(rng: np.random.Generator) -> None:
    own = weights(rng, CELLS["plain"], 2)
    supplied = {"0/forward/f_t": [0.25] * H, "1/forward/W_xi @ x_t": rng.normal(size=(3, H))}
    trace = lt.run(own, rng.normal(size=(3, I)), given=supplied)
    same(again(trace), trace)
    assert "z_f" not in again(trace).lines["0/forward"]
    cell = {"equations": lt.prepare(own).cell.text}
    one = lt.run(own, rng.normal(size=(3, I)), cell=cell, given={"0/forward/f_t": [0.25] * H})
    mine = again(one)
    np.testing.assert_array_equal(mine.output, one.output)
    with pytest.raises(CellError, match="do not have the equations of one cell"):
        lt.problem(lt.run(own, rng.normal(size=(3, I)), cell=cell, given=supplied))


@pytest.mark.parametrize("seed", seeds(150, 3))
def test_a_layer_or_direction_whose_lines_are_all_supplied(seed: int) -> None:
    """No line reads a weight there, and the network still has it."""
    pick, rng = Random(seed), np.random.default_rng(seed)  # noqa: S311 - it has to be the same each time
    both, spec = ("forward", "reverse"), CELLS[pick.choice([*CELLS])]
    layers, directions = pick.choice(((1, both), (2, both), (2, both[:1]), (3, both[1:])))
    merge = {"merge": pick.choice(("sum", "none", "concat")) if layers == 1 else "concat"} if directions[1:] else {}
    told: dict[str, Any] = {
        "source": weights(rng, spec, layers, directions), "x": rng.normal(size=(3, 2, I)), "lengths": [1, 3],
        "initial": states(rng, spec, layers * len(directions), 2),
        "cell": {**spec, **merge, "padding": pick.choice(("zero", "repeat", "carry"))},
    }  # fmt: skip
    whole, cell, given = lt.run(**told), cell_of(spec), {}
    scopes = [f"{layer}/{direction}" for layer in range(layers) for direction in directions]
    for scope in pick.sample(scopes, max(1, len(scopes) // 2)):
        before = [line.name for line in cell.lines if line.assigned and line.name.startswith("z_")]
        for name in pick.choice((dict(cell.carry).values(), before)):
            given[f"{scope}/{name}"] = rng.uniform(0.1, 0.9, size=whole.lines[scope][name].shape)
    same(again(trace := lt.run(**told, given=given)), trace)


def test_adjoints_are_left_out_and_another_arithmetic_is_part_of_it() -> None:
    q22 = yaml.safe_load(text("q22"))
    trace = lt.run(q22, arithmetic="by-hand-4")
    assert lt.problem(trace)["arithmetic"] == "by-hand-4"
    assert "arithmetic" not in lt.problem(lt.run(q22))
    same(again(trace), trace)
    full = lt.run(q22)
    same(again(lt.backward(full, of="h_t[0]")), full)


def test_the_steps_are_said_where_nothing_reads_x() -> None:
    trace = lt.run({}, np.zeros((4, 3)), cell={"equations": "s_t = s_prev + 1\ncarry: s_prev <- s_t"})
    assert again(trace)["s_t"].ravel().tolist() == [1.0, 2.0, 3.0, 4.0]


def test_words_stand_for_numbers_that_are_not_finite() -> None:
    trace = lt.run({"W_xi": [[np.inf, 1.0]], "W_hi": [[1.0]]}, [[np.nan, 1.0]], ask="i_t", allow_nonfinite=True)
    assert lt.problem(trace)["x"] == [["NaN", 1.0]]
    assert lt.problem(trace)["weights"]["W_xi"] == [["Infinity", 1.0]]
    same(again(trace), trace)


def test_what_cannot_be_a_problem_is_said(rng: np.random.Generator) -> None:
    own = weights(rng, CELLS["plain"], 2, ("forward", "reverse"))
    x = rng.normal(size=(3, I))
    trace = lt.run(own, x)
    with pytest.raises(MissingError, match="a problem begins at step 0, and the trace holds only steps 1 to 2"):
        lt.problem(trace.at(steps=slice(1, None)))
    with pytest.raises(MissingError, match="does not hold the weights of 0/forward, 0/reverse"):
        lt.problem(trace.at(layer=1))
    with pytest.raises(MissingError, match="adjoint stages only"):
        lt.problem(lt.backward(trace, of="1/joined/2/y_t[0]").at(direction="adjoint-forward"))
    with pytest.raises(MissingError, match="the weights of 1/reverse, which the requested lines do not need"):
        lt.problem(lt.run(own, x, ask="1/forward/h_t"))
    del trace.parameters["0/forward"]["W_xi"]
    with pytest.raises(MissingError, match="it does not hold the weight 0/forward/W_xi"):
        lt.problem(trace)


ACTING = "\u202a\u202d\u202e\u2066\u2069\u2028\x1b\x9b\x00\r"


@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(f'{ACTING}\n "\\:#')),
    st.text(st.sampled_from(f"ab \n\t\U0001fffe{ACTING}"), max_size=300),
)
@example("gates \u202e\x1b[2J of \x9b one", "two\nlines \u2066")
def test_what_would_act_on_a_screen_is_escaped_in_a_problem_file(title: str, notes: str) -> None:
    data = {"title": title, "notes": notes, "names": {"x": [title, "a"]}, "symbols": {notes: title}}
    written = problem_text(data)
    assert yaml.safe_load(written) == data
    assert not set(ACTING) & set(written)
    assert not {unicodedata.category(char) for char in written if char not in "\n\t"} & {"Cc", "Zl", "Zp"}


@pytest.mark.few(1)
@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
@pytest.mark.parametrize("name", ["y_t", "q_t"])
def test_a_readout_of_rows_with_padding(rng: np.random.Generator, padding: str, name: str) -> None:
    """A line of the readout has the name that the line at padding has else."""
    arrays = {**weights(rng, {"kind": "lstm"}), "0/forward/W_hy": rng.normal(size=(2, H))}
    model = lt.prepare(arrays, options={"padding": padding, "extra": f"{name} = softmax(W_hy @ h_t)"})
    trace = model.run(rng.normal(size=(4, 2, I)), lengths=[4, 2])
    same(again(trace), trace)
    assert lt.problem(trace)["extra"] == f"{name} = softmax(W_hy @ h_t)\n"
