"""A gradient is a trace: its files, addresses, frames, verify and diff are those of any trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lstm_trace as lt
from lstm_trace.cell.network import DIRECTIONS
from lstm_trace.cell.parse import parse
from lstm_trace.cli import options as cli_options
from lstm_trace.engine.run import in_arithmetic, rerun
from lstm_trace.errors import FileError, MissingError, OptionError

from ..support.results import verdict
from ..support.tiers import some
from ..support.walk_cases import CELLS, case

BACK = "0/adjoint-forward"


def weighted(name: str = "plain", lengths: list[int] | None = None, **size: Any) -> tuple[lt.Trace, lt.Trace]:
    """A trace and the gradients of a weighted sum of its outputs."""
    _, trace = case(name, 5, lengths=lengths, **size)
    return trace, lt.backward(trace, output=np.random.default_rng(7).normal(size=trace.output.shape))


def one_layer() -> tuple[lt.Trace, lt.Trace]:
    _, trace = case("plain", 5, layers=1, both=False)
    return trace, lt.backward(trace, of="2/1/h_t[0]")


def same_gradients(a: lt.Trace, b: lt.Trace) -> None:
    assert a.gradients.keys() == b.gradients.keys()
    for key, value in a.gradients.items():
        np.testing.assert_array_equal(b.gradients[key], value, err_msg=key)


# -- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize(("name", "lengths"), [("plain", [4, 2]), ("projection", None), ("layer norm", [4, 2])])
def test_what_is_saved_is_read_back(name: str, lengths: list[int] | None, suffix: str, tmp_path: Path) -> None:
    trace, g = weighted(name, lengths)
    g.save(path := tmp_path / f"g{suffix}")
    again = lt.load(path)
    assert again.stages == g.stages
    same_gradients(g, again)
    same_gradients(g, lt.backward(trace, output=np.random.default_rng(7).normal(size=trace.output.shape)))
    assert lt.verify(again).as_json() == lt.verify(g).as_json()
    assert lt.verify(again).verdict == "verified"
    assert lt.diff(g, again, ulps=0).same


def test_a_part_of_it_stands_alone(tmp_path: Path) -> None:
    _, g = one_layer()
    part = g.at(direction="adjoint-forward")
    part.save(path := tmp_path / "part.json")
    again = lt.load(path)
    assert again.parameters.keys() == {"0/forward"}, "an adjoint reads the parameters of its forward stage"
    assert "W_xi" in again.parameters["0/forward"]
    assert "b_i" not in again.parameters["0/forward"], "and no others"
    assert lt.verify(again).verdict == "verified"
    np.testing.assert_array_equal(again["c_prev"], g["c_prev"])
    with pytest.raises(MissingError, match="lacks 0/forward, of which 0/adjoint-forward is the adjoint"):
        _ = again.gradients
    with pytest.raises(MissingError, match="has only adjoints"):
        _ = again.output
    some = g.at(steps=slice(1, 3))
    some.save(tmp_path / "some.safetensors")
    assert lt.verify(lt.load(tmp_path / "some.safetensors")).verdict == "verified"
    with pytest.raises(MissingError, match=r"it lacks 0/adjoint-forward/d_W_xi, .* and 9 more"):
        _ = some.gradients  # no sum over all steps


def damaged(change: Callable[[dict[str, Any]], Any], tmp_path: Path) -> str:
    _, g = one_layer()
    g.save(path := tmp_path / "g.json")
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(FileError) as refused:
        lt.load(path)
    return str(refused.value)


def _equations(data: dict[str, Any], old: str, new: str) -> None:
    text = data["stages"][1]["equations"]
    assert old in text
    data["stages"][1]["equations"] = text.replace(old, new)


REFUSED: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda d: d["stages"].pop(0), "the stage 0/forward does not come before it"),
    (lambda d: d["stages"].append(d["stages"][1]), "duplicate stage 0/adjoint-forward"),
    (lambda d: d["stages"].reverse(), "the stage 0/forward does not come before it"),
    (
        lambda d: d["stages"][1].update(direction="adjoint-reverse"),
        "0/adjoint-reverse: the source of c_prev is 0/forward/c_prev; an adjoint reads 0/reverse/c_prev",
    ),
    (
        lambda d: d["stages"][1].update(direction="adjoint-up"),
        "direction: expected 'forward', 'reverse', 'joined', 'adj",
    ),
    (lambda d: d["stages"][1]["sources"].update(i_t="x"), "the source of i_t is x; an adjoint reads 0/forward/i_t"),
    (lambda d: d["stages"][1]["sources"].update(i_t="0/forward/f_t"), "the source of i_t is 0/forward/f_t"),
    (lambda d: d["stages"][0]["sources"].update(x_t=f"{BACK}/d_x_t"), "the source of x_t is missing"),
    (lambda d: d["sums"][BACK].update(d_W_xx=[[1.0]]), "the cell gathers nothing of that name"),
    (lambda d: d["sums"][BACK].update(d_W_xi=[[1.0, 2.0]]), "d_W_xi has shape (1, 2); expected (4, 3)"),
    (lambda d: d["sums"][BACK].update(d_b_i=[[1.0, 2.0]]), "d_b_i has shape (1, 2); expected (4)"),
    (lambda d: d["sums"].update({"7/forward": {"d_W": [1.0]}}), "sums: there is no stage '7/forward'"),
    (lambda d: _equations(d, "d_z_i <- z_i", "d_z_i <- z_q"), "has the gradient of z_q, which 0/forward does not have"),
    (lambda d: _equations(d, "d_z_i <- z_i", "d_z_i <- x_t"), "d_z_i has shape (4,); expected (3,), that of x_t"),
    (lambda d: _equations(d, "d_b_i <- b_i", "d_b_i <- W_xi"), "d_b_i has shape (4,); expected (4, 3), that of W_xi"),
    (lambda d: _equations(d, "d_b_i <- b_i", "d_b_i <- c_t"), "d_b_i has no value at each step"),
    (lambda d: _equations(d, "d_b_i <- b_i", "d_z_i <- b_i"), "d_z_i has a value at each step"),
    (lambda d: _equations(d, "d_b_i <- d_z_i", "d_b_i <- d_z_i + d_x_t"), "d_b_i has shape (4,); expected (3)"),
]


@pytest.mark.few(3)
@pytest.mark.parametrize(("change", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
def test_a_file_that_contradicts_itself_is_refused(change: Callable[..., Any], said: str, tmp_path: Path) -> None:
    assert said in damaged(change, tmp_path)


# -- addresses -------------------------------------------------------------------------------------------------------


def test_everything_has_an_address() -> None:
    trace, g = one_layer()
    told = {
        "3/0/d_c_t[1]": f"{BACK}/3/0/d_c_t[1]",
        f"{BACK}/3/0/d_c_t[1]": f"{BACK}/3/0/d_c_t[1]",
        "d_W_xi[0,1]": f"{BACK}/d_W_xi[0,1]",
        f"{BACK}/d_b_f[2]": f"{BACK}/d_b_f[2]",
        "2/0/seed_h_t[0]": f"{BACK}/2/0/seed_h_t[0]",
        "3/0/c_t[1]": "0/forward/3/0/c_t[1]",  # what an adjoint reads of its forward stage is no second c_t
        "W_xi[0,1]": "0/forward/W_xi[0,1]",
        "0/c0[1]": "0/forward/0/c0[1]",
        "3/0/x_t[1]": "3/0/x_t[1]",
    }
    assert {text: str(g.locate(text)) for text in told} == told
    for name in ("c_t", "h_prev", "x_t", "tanh(c_t)"):
        np.testing.assert_array_equal(g[name], trace[name])
    np.testing.assert_array_equal(g["d_c_t"], g.at(direction="adjoint-forward")["d_c_t"])
    for one, two in ((g.output, trace.output), (g.h_n, trace.h_n), (g.c_n, trace.c_n)):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(MissingError, match=r"d_W_xi was summed over all steps: it is trace\.sums"):
        _ = g["d_W_xi"]
    with pytest.raises(MissingError, match="did you mean 'd_W_xi'"):
        g.locate("d_W_xii[0,0]")
    with pytest.raises(MissingError, match="the trace has no adjoints"):
        _ = trace.gradients


def test_of_several_layers_one_is_chosen() -> None:
    _, g = weighted(lengths=[4, 2])
    with pytest.raises(MissingError, match="d_c_t is in 1/adjoint-reverse, 1/adjoint-forward"):
        _ = g["d_c_t"]
    one = g.at(layer=1, direction="adjoint-reverse")
    np.testing.assert_array_equal(one["d_c_t"], g.lines["1/adjoint-reverse"]["d_c_t"])
    assert lt.verify(g.at(layer=0)).verdict == "verified"
    assert g.at(layer=0).scopes == tuple(f"0/{d}" for d in ("forward", "reverse", "joined", *DIRECTIONS[:2:-1]))
    assert cli_options.DIRECTIONS == DIRECTIONS


# -- verify ----------------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("lengths", [None, [4, 2]])
@pytest.mark.parametrize("name", some(CELLS, 6))
def test_every_gradient_is_proven(name: str, lengths: list[int] | None) -> None:
    _, g = weighted(name, lengths)
    found = lt.verify(g)
    assert found.verdict == "verified"
    values = [a.size for part in (g.lines, g.sums) for here in part.values() for a in here.values()]
    assert found.verified == sum(values)
    assert "1/adjoint-joined/seed_y_t (given)" in found.premises
    assert lt.verify(lt.backward(g, output=np.ones(g.output.shape, "float32"))).verdict == "verified"


@pytest.mark.few(0)
def test_float32_and_a_batch_of_many_terms() -> None:
    told, _ = case("plain", 5, steps=70, batch=5)
    trace = lt.run(**told, dtype="float32")
    g = lt.backward(trace, output=np.ones(trace.output.shape))
    assert lt.verify(g).verdict == "verified"
    exact = lt.backward(lt.run(**told), output=np.ones(trace.output.shape))
    assert lt.diff(exact, g).same


def test_the_bound_of_a_sum_is_not_blunt() -> None:
    """A change of a few times n eps of a gradient's terms is found, one of an ulp is not."""
    _, g = one_layer()
    sums = g.sums[BACK]
    for times, status in ((1, "verified"), (1e3, "failed")):
        kept = sums["d_W_xi"].copy()
        sums["d_W_xi"][1, 0] *= 1 + times * 2**-52
        assert lt.verify(g).verdict == status
        sums["d_W_xi"][:] = kept


@pytest.mark.few(0)
@given(st.data())
def test_any_tampered_gradient_is_found(data: st.DataObject) -> None:
    _, g = one_layer()
    part = data.draw(st.sampled_from((g.sums, g.lines)))
    name = data.draw(st.sampled_from(sorted(part[BACK])))
    array = part[BACK][name]
    at = tuple(data.draw(st.integers(0, size - 1)) for size in array.shape)
    array[at] += data.draw(st.sampled_from((1e-6, -1.0, 1e30)))
    found = lt.verify(g)
    unit = ",".join(map(str, at)) if part is g.sums else at[2]
    place = f"{BACK}/{name}[{unit}]" if part is g.sums else f"{BACK}/{at[0]}/{at[1]}/{name}[{unit}]"
    assert str(found.failures[0].address) == place
    assert len(found.failures) == 1, "what reads it is a consequence"


def test_consequences_are_followed_across_stages() -> None:
    _, g = one_layer()
    g.lines["0/forward"]["c_t"][1, 1, 0] += 1e-3
    (failure,) = lt.verify(g).failures
    assert str(failure.address) == "0/forward/1/1/c_t[0]"
    assert failure.consequences == ("0/forward/1/tanh(c_t)", "0/forward/2/f_t * c_prev", f"{BACK}/2/d_f_t")
    _, g = one_layer()
    g.lines[BACK]["d_z_i"][1, 1, 0] += 1e-3
    (failure,) = lt.verify(g).failures
    assert {f"{BACK}/1/d_z_i @ W_hi", f"{BACK}/d_W_xi", f"{BACK}/d_b_i"} <= set(failure.consequences)
    _, g = one_layer()
    g.sums[BACK]["d_b_i"] += 1.0
    g.lines[BACK]["d_z_i"][1, 1, 0] += 1e-3
    line, gathered = lt.verify(g).failures
    assert (str(line.address), str(gathered.address)) == (f"{BACK}/1/1/d_z_i[0]", f"{BACK}/d_b_i[0]")
    assert (gathered.op, gathered.values, gathered.consequences) == ("gathered", 4, ())


def test_a_tampered_seed_is_told_by_what_reads_it() -> None:
    _, g = one_layer()
    g.given[BACK]["seed_h_t"][2, 1, 0] += 1e-3
    assert [str(f.address) for f in lt.verify(g).failures] == [f"{BACK}/2/1/d_h_t[0]"]


def test_lines_that_follow_from_each_other_and_are_no_adjoint_prove_no_gradient(tmp_path: Path) -> None:
    """The wrong sign of a slope, with every value recomputed by the wrong equation."""
    _, g = one_layer()
    stage = g.stages[1]
    wrong = parse(stage.cell.text.replace("d_c_tilde * (1 - c_tilde * c_tilde)", "d_c_tilde * (1 + c_tilde * c_tilde)"))
    back = rerun(replace(g, stages=(g.stages[0], replace(stage, cell=wrong)), lines={}))
    found = lt.verify(back)
    assert (found.failed, found.verdict) == (0, "inconclusive")
    assert "not those of the adjoint of 0/forward: expected `d_z_c = d_c_tilde * (1 - c_" in found.unknown[0].reason
    back.save(path := tmp_path / "back.json")
    assert lt.verify(lt.load(path)).verdict == "inconclusive"
    swapped = parse(
        stage.cell.text.replace("d_W_xi <- W_xi", "d_W_xi <- W_xf").replace("d_W_xf <- W_xf", "d_W_xf <- W_xi")
    )
    assert lt.verify(replace(g, stages=(g.stages[0], replace(stage, cell=swapped)))).verdict == "inconclusive"


def test_the_order_of_the_sums_does_not_matter() -> None:
    """Versions had the weights of a cell, and so the sums of its gradients, in other orders."""
    _, g = one_layer()
    cell = g.stages[1].cell
    other = replace(cell, sums=cell.sums[::-1], gradient=cell.gradient[::-1])
    assert lt.verify(replace(g, stages=(g.stages[0], replace(g.stages[1], cell=other)))).verdict == "verified"


def test_what_was_not_recorded_cannot_be_told() -> None:
    _, g = one_layer()
    lines = {**g.lines, BACK: {n: a for n, a in g.lines[BACK].items() if n != "d_z_i"}}
    reasons = {u.place: u.reason for u in lt.verify(replace(g, lines=lines)).unknown}
    assert reasons[f"{BACK}/d_b_i"] == "the terms of its sum were not recorded"
    assert reasons[f"{BACK}/d_z_i @ W_xi"] == "d_z_i was not recorded"


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["plain", "gru", "layer norm"])
def test_by_hand_is_exact(name: str) -> None:
    trace, g = weighted(name, steps=3, batch=2)
    by_hand = in_arithmetic(g, "by-hand-3")
    same_gradients(
        by_hand,
        lt.backward(in_arithmetic(trace, "by-hand-3"), output=g.outward(g.given["1/adjoint-joined"]["seed_y_t"])),
    )
    assert lt.verify(by_hand).verdict == "verified"
    scope = next(scope for scope, here in by_hand.sums.items() if here)
    name, value = next(iter(by_hand.sums[scope].items()))
    np.testing.assert_array_equal(value, np.round(value, 3))
    value[(0,) * value.ndim] += 0.001
    assert [f.address.line for f in lt.verify(by_hand).failures] == [name]


# -- diff ------------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("name", some(CELLS, 4))
def test_plans_and_dtypes_differ_by_rounding_only(name: str) -> None:
    told, trace = case(name, 5, lengths=[4, 2])
    weights = np.random.default_rng(7).normal(size=trace.output.shape)
    one, two, coarse = (
        lt.backward(lt.run(**told, **how), output=weights) for how in ({"plan": "lines"}, {}, {"dtype": "float32"})
    )
    for other in (two, coarse):
        found = lt.diff(one, other)
        assert found.same, verdict(found)
        assert {d.line for d in found.lines} >= {*one.sums["1/adjoint-forward"], "d_h_before"}


def test_the_first_difference_is_told_in_computing_order() -> None:
    _, g = one_layer()
    for change, first, said in (
        (lambda o: o.sums[BACK]["d_W_xi"], f"{BACK}/d_W_xi[1,0]", "the sum itself is off by"),
        (lambda o: o.lines[BACK]["d_z_i"], f"{BACK}/1/0/d_z_i[0]", "the line itself is off by"),
        (lambda o: o.lines["0/forward"]["c_t"], "0/forward/1/0/c_t[0]", "the line itself is off by"),
    ):
        _, other = one_layer()
        array = change(other)
        array[(1, 0, 0)[: array.ndim]] += 1e-3
        found = lt.diff(g, other)
        assert found.first is not None
        assert str(found.first.first) == first
        assert said in verdict(found)[1]
        assert sum(d.differing for d in found.lines) == 1


def test_other_seeds_are_inherited() -> None:
    trace, g = one_layer()
    found = lt.diff(g, lt.backward(trace, of="2/1/h_t[1]"))
    assert str(found.first and found.first.first) == f"{BACK}/2/1/d_h_t[0]"
    assert "inherited from its operands (inputs or weights differ)" in verdict(found)[1]
    sums = [d for d in found.lines if d.op == "gathered"]
    assert len(sums) == 12
    assert all(d.differing and d.local is not None and d.local < 1e-15 for d in sums)
    notes = lt.diff(g, g.at(steps=slice(1, 3))).notes
    assert any("sums over all steps" in note or "only in a: d_W_xi" in note for note in notes)
    assert "0/adjoint-forward is only in a" in lt.diff(g, trace).notes


# -- tables ----------------------------------------------------------------------------------------------------------


def test_frames_have_the_sums_where_rows_have_no_step() -> None:
    _, g = weighted(lengths=[4, 2])
    frame = g.to_frame()
    sums = frame[frame.op == "gathered"]
    assert len(sums) == sum(a.size for here in g.sums.values() for a in here.values())
    assert sums.t.isna().all()
    assert sums.batch.isna().all()
    row = sums[
        (sums.direction == "adjoint-reverse") & (sums.layer == 1) & (sums.line == "d_W_xf[:,2]") & (sums.unit == 3)
    ]
    assert row.value.tolist() == [g.sums["1/adjoint-reverse"]["d_W_xf"][3, 2]]
    kept = frame[
        (frame.direction == "adjoint-forward") & (frame.layer == 0) & (frame.line == "d_c_t") & (frame.unit == 0)
    ]
    assert list(zip(kept.t, kept.batch, strict=True)) == [(3, 0), (2, 0), (1, 0), (1, 1), (0, 0), (0, 1)], "no padding"
    assert g.to_frame("wide").columns.str.startswith("d_W_xi").sum() == 0
    assert set(g.to_frame(only="d_b_i").line) == {"d_b_i"}
    with pytest.raises(MissingError, match="the selection is empty"):
        g.to_frame(only="d_b_i", steps=1)
    assert not g.to_frame(steps=1).op.eq("gathered").any()


# -- runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
@pytest.mark.parametrize("name", some(["plain", "projection", "own"], 2))
def test_it_can_be_run_again_with_other_premises(name: str, plan: str) -> None:
    if plan == "compiled":
        pytest.importorskip("llvmlite")
    told, _ = case(name, 5, lengths=[4, 2])
    trace = lt.run(**told, plan=plan)
    weights = np.random.default_rng(7).normal(size=trace.output.shape)
    assert trace.x is not None
    again = rerun(lt.backward(trace, output=weights), x=1.5 * trace.x)
    expected = lt.gradients(lt.run(**{**told, "x": 1.5 * told["x"]}), output=weights)
    for key, value in expected.items():
        np.testing.assert_allclose(again.gradients[key], value, rtol=1e-11, atol=1e-13, err_msg=key)
    assert lt.verify(again).verdict == "verified"


def test_the_adjoint_of_a_cell_is_printed_read_and_run_as_any_cell() -> None:
    _, trace = case("plain", 5, layers=1, both=False)
    back = lt.adjoint({"kind": "lstm", "bias": "one"})
    assert parse(str(back)) == back == lt.adjoint(str(trace.stages[0].cell)) == lt.adjoint(trace.stages[0].cell)
    assert back == lt.backward(trace, output=np.ones(trace.output.shape)).stages[1].cell
    weights = np.random.default_rng(7).normal(size=trace.output.shape)
    values = {n: weights if n.startswith("seed") else trace.operand("0/forward", n) for n in back.inputs}
    parameters = {n: a for n, a in trace.parameters["0/forward"].items() if n in back.parameters}
    found = lt.run(parameters, cell={"equations": str(back), "direction": "reverse"}, given=values)
    expected = lt.gradients(trace, output=weights)
    for name, value in found.sums["0/reverse"].items():
        np.testing.assert_allclose(value, expected[f"0/forward/{name[2:]}"], rtol=1e-12, atol=1e-14)
    assert lt.verify(found).verdict == "verified"


def test_an_adjoint_is_refused_by_name() -> None:
    for cell, said in (
        ("lstn", "did you mean 'lstm'"),
        ("h_t = foo(x_t)", "unknown function 'foo'"),
        ({"kind": "lstm", "layers": 2}, "has no option layers"),
        ({"kind": "lstm", "reverse": {"gate_activation": "hard_sigmoid"}}, "the adjoint is that of one direction"),
        (3, "expected a cell"),
    ):
        with pytest.raises((OptionError, lt.LstmTraceError), match=said):
            lt.adjoint(cell)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match="did you mean 'c_t'"):
        lt.adjoint("lstm", "c_tt")
    with pytest.raises(MissingError, match="widths: the cell has no value 'zz'; its values are"):
        lt.adjoint("lstm", widths={"zz": 2})
    with pytest.raises(OptionError, match="widths: x_t: expected a whole number from 1, found -1"):
        lt.adjoint("lstm", widths={"x_t": -1})
    assert lt.adjoint("lstm", widths={"x_t": 3}) == lt.adjoint("lstm")
    with pytest.raises(lt.CellError, match="needs to know how wide h_prev is"):
        lt.adjoint("u_t = concat(x_t, h_prev)\nh_t = W @ u_t\ncarry: h_prev <- h_t", widths={"x_t": 3})
    assert "input: seed_c_t, seed_z_o, " in str(lt.adjoint("lstm", ["c_t", "z_o"])) or "seed_z_o, seed_c_t" in str(
        lt.adjoint("lstm", ["c_t", "z_o"])
    )


@pytest.mark.parametrize(
    "equations",
    [
        "count(z) = sum(where(z > 0, 1, 0))\nh_t = mean(x_t) * x_t + count(x_t)",
        "expand(d, z) = 3 * d\nh_t = expand(x_t, x_t) * sum(x_t)",
        "expand(z) = 2 * z\nh_t = expand(x_t) * sum(x_t)",
        "quotient(a, b) = a * b\nh_t = log(2 + quotient(x_t, x_t))",
    ],
)
def test_own_functions_do_not_change_the_rules(equations: str) -> None:
    cell = {"equations": equations}
    x, step = np.array([[0.5, -0.6]]), 1e-6
    found = lt.gradients(lt.run({}, x, cell=cell), of="h_t[0]")["x"][0]
    for k in range(2):
        way = np.eye(2)[k] * step
        values = [lt.run({}, x + sign * way, cell=cell)["h_t"][0, 0, 0] for sign in (1, -1)]
        assert found[k] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)


def test_a_carried_input_has_a_gradient() -> None:
    cell = {"equations": "h_t = h_prev + x_t * x_prev\ncarry: h_prev <- h_t, x_prev <- x_t"}
    back = lt.backward(lt.run({}, [[1.0, 2.0], [3.0, 4.0]], cell=cell), of="1/h_t[0]")
    assert back.gradients["x"].tolist() == lt.gradients(back, of="1/h_t[0]")["x"].tolist() == [[3.0, 0.0], [1.0, 0.0]]


def test_an_adjoint_that_reads_something_else_is_no_gradient() -> None:
    trace = case("plain", 61)[1]
    back = lt.backward(trace, output=np.ones(trace.output.shape))

    def changed(scope: str, name: str, source: str) -> lt.Trace:
        stages = tuple(replace(s, sources={**s.sources, name: source}) if s.scope == scope else s for s in back.stages)
        return replace(back, stages=stages)

    other = changed("1/adjoint-forward", "h_prev", "1/reverse/h_prev")
    unknown = {one.place: one.reason for one in lt.verify(other).unknown}
    assert unknown["1/adjoint-forward"] == "its input h_prev is 1/reverse/h_prev; expected 1/forward/h_prev"
    name = next(n for n, s in back.stage("0/adjoint-joined").sources.items() if s == "1/adjoint-forward/d_x_t")
    other = changed("0/adjoint-joined", name, "1/adjoint-reverse/d_x_t")
    assert "comes from 1/adjoint-reverse/d_x_t; expected 1/adjoint-forward/d_x_t, 1/adjoint-reverse/d_x_t" in (
        next(one.reason for one in lt.verify(other).unknown if one.place == "0/adjoint-joined")
    )


def test_no_weights_at_all_are_refused() -> None:
    with pytest.raises(OptionError, match="nothing to differentiate"):
        lt.gradients(case("plain", 62)[1], seeds={})


@pytest.mark.parametrize(
    "equations",
    [
        "h_t = where(relu(h_prev) > h_prev @ U, x_t, 2 * x_t)\ncarry: h_prev <- h_t",
        "v_t = relu(x_t)\nh_t = (U @ v_t > v_t @ U) * x_t + h_prev\ncarry: h_prev <- h_t",
    ],
)
def test_what_stands_in_an_input_that_is_an_expression_is_not_read(equations: str) -> None:
    trace = lt.run({"U": [[0.5, -1.0], [2.0, 0.25]]}, [[1.0, 2.0], [3.0, -4.0]], cell={"equations": equations})
    assert lt.verify(lt.backward(trace, of="1/h_t[0]")).verdict == "verified"


@pytest.mark.few(0)
def test_a_file_without_one_of_its_sums_is_refused(tmp_path: Path) -> None:
    """It was called the same as the whole one, and its report fell over."""
    _, g = one_layer()
    for suffix in ("json", "safetensors"):
        g.save(tmp_path / f"whole.{suffix}")
    content = json.loads((tmp_path / "whole.json").read_text())
    del content["sums"][BACK]["d_W_hf"]
    (tmp_path / "less.json").write_text(json.dumps(content))
    wanted = rf"less\.json: sums {BACK}: d_W_hf missing; expected every sum in its equations, or none"
    with pytest.raises(FileError, match=wanted):
        lt.load(tmp_path / "less.json")
    whole = str(g.report("text"))
    del g.sums[BACK]["d_W_hf"]
    with pytest.raises(FileError, match="d_W_hf missing"):
        g.save(tmp_path / "less.safetensors")
    assert 0 < len(str(g.report("text"))) < len(whole)


@pytest.mark.few(0)
def test_a_gradient_without_any_sum_is_reported(tmp_path: Path) -> None:
    """That of some rows or steps, which has none."""
    _, g = one_layer()
    content = str(g.report("text"))
    g.sums.clear()
    g.save(tmp_path / "none.json")
    less = str(lt.load(tmp_path / "none.json").report("text"))
    assert 0 < len(less) < len(content)
