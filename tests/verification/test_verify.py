"""verify proves what run made, finds any single change that rounding cannot explain, and never passes silently."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.cell.named_cells import KINDS
from lstm_trace.cli import main
from lstm_trace.errors import OptionError
from lstm_trace.languages.strings import words
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.rounding import derive

CELLS: list[dict[str, Any]] = [
    {},
    {"peephole": True, "clip": 1.5},
    {"coupled": True, "gate_activation": "hard_sigmoid_keras"},
    {"layer_norm": True, "forget_bias": 1.0},
    {"cell_clip": 0.5, "candidate_activation": "softsign", "output_activation": "elu"},
    {"kind": "slstm"},
    {"kind": "gru", "reset_after": True},
    {"kind": "gru", "update": "write"},
]


def traced(
    options: dict[str, Any], seed: int = 1, layers: int = 2, both: bool = True, dtype: str = "float64", **run: Any
) -> Trace:
    """A random trace: 4 steps, 2 rows, 3 inputs, 5 units, states not zero."""
    rng = np.random.default_rng(seed)
    spec = {"kind": "lstm", **options}
    directions = ("forward", "reverse") if both else ("forward",)
    weights: dict[str, Any] = {}
    for layer in range(layers):
        width = 3 if layer == 0 else 5 * len(directions)
        for direction in directions:
            for gate in "ico" if spec.get("coupled") else KINDS[spec["kind"]].gates:
                part = {f"W_x{gate}": (5, width), f"W_h{gate}": (5, 5), f"b_{gate}": (5,)}
                if spec.get("peephole") and gate != "c":
                    part[f"w_c{gate}"] = (5,)
                if spec.get("layer_norm"):
                    part |= {f"gamma_{gate}": (5,), f"beta_{gate}": (5,)}
                weights |= {f"{layer}/{direction}/{n}": rng.normal(size=s) for n, s in part.items()}
    states = rng.normal(size=(2, layers * len(directions), 2, 5))
    x = rng.normal(size=(4, 2, 3))
    c0 = states[1] if "c" in KINDS[spec["kind"]].gates else None
    return lt.run(weights, x, cell=spec, dtype=dtype, h0=states[0], c0=c0, **run)


@pytest.mark.few(4)
@pytest.mark.parametrize("options", [*CELLS, {"kind": "rnn"}], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_run_made_is_proven(options: dict[str, Any], dtype: str) -> None:
    trace = traced(options, dtype=dtype, lengths=[4, 2])
    result = lt.verify(trace)
    assert result.verdict == "verified"
    assert result.verified == sum(a.size for lines in trace.lines.values() for a in lines.values())
    gate = KINDS[options.get("kind", "lstm")].gates[0]
    assert {"x_t", "lengths", "0/forward/h0", f"1/reverse/W_x{gate}"} <= set(result.premises)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_that_rounding_cannot_explain_is_found(data: st.DataObject) -> None:
    trace = traced(data.draw(st.sampled_from(CELLS)), seed=data.draw(st.integers(0, 5)), lengths=[4, 3])
    scope = data.draw(st.sampled_from(list(trace.lines)))
    name = data.draw(st.sampled_from(list(trace.lines[scope])))
    array = trace.lines[scope][name]
    at = tuple(data.draw(st.integers(0, n - 1)) for n in array.shape)
    line = trace.stage(scope).cell.by_name[name]
    limit = derive(trace, trace.stage(scope), line, slice(at[0], at[0] + 1))[1][0][at[1:]]
    before = float(array[at])
    array[at] = np.nextafter(before + data.draw(st.sampled_from([-1, 1])) * 2.01 * limit, np.inf) + 5e-324
    if float(array[at]) == before:
        array[at] = np.nextafter(before, np.inf)
    result = lt.verify(trace)
    assert result.verdict == "failed"
    layer, direction = scope.split("/")
    first = result.failures[0].address
    assert (first.line, first.layer, first.direction) == (name, int(layer), direction)
    assert (first.t, first.b, first.unit) == (at[0], at[1], (at[2],))


def test_consequences_are_not_blamed() -> None:
    trace = traced({})
    trace.lines["0/forward"]["h_t"][1, 1, 3] += 1e-6
    result = lt.verify(trace)
    (failure,) = result.failures
    assert str(failure.address) == "0/forward/1/1/h_t[3]"
    assert set(failure.consequences) == {
        *(f"0/forward/2/W_h{gate} @ h_prev" for gate in "ifco"), "0/joined/1/y_t",
    }  # fmt: skip
    assert failure.recorded - failure.derived == pytest.approx(1e-6)


def test_a_value_wrong_from_the_start_has_no_consequences() -> None:
    """Later lines were computed from the wrong value: they hold, and putting it right would break them."""
    trace = traced({}, layers=1, both=False)
    lines = trace.lines["0/forward"]
    lines["o_t"][2] *= 0.5
    lines["h_t"][2] = lines["o_t"][2] * lines["tanh(c_t)"][2]
    for gate in "ifco":
        W = trace.parameters["0/forward"][f"W_h{gate}"]
        lines[f"W_h{gate} @ h_prev"][3] = lines["h_t"][2] @ W.T
        lines[f"z_{gate}"][3] = (
            lines[f"W_x{gate} @ x_t"][3] + lines[f"W_h{gate} @ h_prev"][3] + trace.parameters["0/forward"][f"b_{gate}"]
        )
    result = lt.verify(trace)
    assert str(result.failures[0].address) == "0/forward/2/0/o_t[0]"
    assert result.failures[0].consequences == ()


def test_a_changed_weight_is_hinted_at() -> None:
    trace = traced({})
    weight = trace.parameters["1/forward"]["W_xf"].copy()
    weight[2, 1] += 0.1
    trace.parameters["1/forward"] = {**trace.parameters["1/forward"], "W_xf": weight}
    result = lt.verify(trace)
    assert result.verdict == "failed"
    assert {f.address.line for f in result.failures} == {"W_xf @ x_t"}
    assert "every failing line reads W_xf" in result.hint


def test_a_changed_input_is_hinted_at_with_a_backward_pass_too() -> None:
    """Its sums read x from the forward stage, whose lines fail with them."""
    trace = lt.backward(traced({}, layers=1, both=False), of="3/0/h_t[0]")
    assert trace.x is not None
    trace.x[1, 0, 0] += 0.5
    result = lt.verify(trace)
    assert {failure.op for failure in result.failures} >= {"matvec", "gathered"}
    assert "every failing line reads x_t" in result.hint


def test_cannot_tell_is_no_pass() -> None:
    trace = traced({})
    del trace.lines["0/forward"]["z_i"]
    result = lt.verify(trace)
    assert result.verdict == "inconclusive"
    assert [(u.place, u.reason) for u in result.unknown] == [("0/forward/i_t", "z_i was not recorded")]
    weights = {"W_xi": [[1e300]], "W_hi": [[1.0]]}
    for x in (1e300, np.nan, np.inf):
        found = lt.verify(lt.run(weights, [[x]], ask="i_t", allow_nonfinite=True))
        assert found.verdict == "inconclusive"
        said = "the rounding bound is not finite (a value is NaN, infinite or too large)"
        assert found.unknown[0].reason == said


def test_a_reader_of_what_was_not_recorded_says_nothing_of_a_culprit() -> None:
    trace = traced({})
    del trace.lines["0/forward"]["c_tilde"]
    trace.lines["0/forward"]["i_t"][1, 1, 2] += 1e-6
    result = lt.verify(trace)
    (failure,) = result.failures
    assert str(failure.address) == "0/forward/1/1/i_t[2]"
    assert failure.consequences == ()
    assert {u.place for u in result.unknown} == {"0/forward/i_t * c_tilde"}


def test_what_was_asked_for_and_is_not_there_cannot_be_told() -> None:
    """No value of the line is counted: there is none. A line that was supplied is there."""
    trace = lt.run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0]], ask=["0/0/i_t[0]", "z_i"])
    for name in ("i_t", "z_i"):
        del trace.lines["0/forward"][name]
    result = lt.verify(trace)
    assert result.verdict == "inconclusive"
    said = "it was requested but not recorded"
    found = tuple((unknown.place, unknown.reason, unknown.values) for unknown in result.unknown)
    assert found == (("0/0/i_t[0]", said, 0), ("z_i", said, 0))
    assert result.verified == 2, "both products"
    supplied = lt.run({}, given={"f_t": [0.5], "i_t": [1.0], "c_tilde": [0.5]}, c0=[2.0], ask=["c_t", "f_t"])
    assert lt.verify(supplied).unknown == ()


def test_given_lines_are_premises() -> None:
    trace = lt.run({}, given={"f_t": [0.5, 1.0], "i_t": [1.0, 0.25], "c_tilde": [0.5, 4.0]}, c0=[2.0, -1.0], ask="c_t")
    result = lt.verify(trace)
    assert result.verdict == "verified"
    assert "0/forward/f_t (given)" in result.premises
    assert "0/forward/c0" in result.premises


def test_command(tmp_path: Path) -> None:
    trace = traced({}, layers=1, both=False)
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    trace.save(good)
    trace.lines["0/forward"]["i_t"][1, 0, 2] += 0.25
    trace.save(bad)
    run = CliRunner().invoke(main, ["verify", str(good)])
    assert run.exit_code == 0
    assert run.output.startswith("Verification\n════════════\n\n- verified: 840 values\n")
    assert "W_xi" in run.output
    run = CliRunner().invoke(main, ["verify", str(bad)])
    assert run.exit_code == 1
    assert "- failed: 0/forward/1/0/i_t[2]\n- failing only because they read 0/forward/1/0/i_t[2]:" in run.output
    assert "0/forward/1/i_t * c_tilde" in run.output
    assert re.search(r"address +operation +recorded +derived *\n", run.output)
    assert re.search(r"address +off by +bound +values\n  0/forward/1/0/i_t\[2\] +0\.25 +\d\S+e-16 +1\n", run.output)


def test_premises_of_a_stack_stand_by_layer_and_direction_in_80_columns(tmp_path: Path) -> None:
    traced({}, lengths=[4, 2]).save(tmp_path / "stack.json")
    output = CliRunner().invoke(main, ["verify", str(tmp_path / "stack.json")]).output
    assert "\n- premises, not verified: 0/forward: W_xi, " in output
    assert "\n- premises, not verified: 1/reverse: W_xi, " in output
    assert "\n- premises, not verified: x_t, lengths\n" in output
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize("plan", ["auto", "lines"])
def test_what_a_lower_layer_gives_out_can_be_supplied(plan: str) -> None:
    whole = traced({}, both=False)
    weights = {f"{s}/{n}": v for s, here in whole.parameters.items() for n, v in here.items()}
    states = [np.stack([whole.initial[s][n] for s in whole.initial]) for n in ("h_prev", "c_prev")]
    given = {"0/forward/h_t": whole.lines["0/forward"]["h_t"]}
    trace = lt.run(weights, whole.x, given=given, h0=states[0], c0=states[1], plan=plan)
    np.testing.assert_allclose(trace.lines["1/forward"]["h_t"], whole.lines["1/forward"]["h_t"], rtol=0, atol=1e-15)
    assert lt.verify(trace).verdict == "verified"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_comparison_that_says_otherwise_is_found_however_close_the_two_are(dtype: str) -> None:
    x = np.array([[1.0, np.nextafter(*np.array([1, 2], dtype))], [2.0, -1.0]], dtype)
    trace = lt.run({}, x, cell={"equations": "m_t = x_t > 1\nh_t = m_t * x_t"}, dtype=dtype)
    assert trace["m_t"][:, 0].tolist() == [[0, 1], [1, 0]]
    assert lt.verify(trace).verdict == "verified"
    for unit in (0, 1):
        trace.lines["0/forward"]["m_t"][0, 0, unit] = 1 - trace["m_t"][0, 0, unit]
        (failure,) = lt.verify(trace).failures
        assert (str(failure.address), failure.bound) == (f"0/forward/0/0/m_t[{unit}]", 0)
        trace.lines["0/forward"]["m_t"][0, 0, unit] = 1 - trace["m_t"][0, 0, unit]


def test_lines_without_a_finite_bound_are_one_sentence() -> None:
    """Each is still in the facts; the sentence below the verdict says where the first came from."""
    weights = {f"W_{a}{g}": np.full((2, 2), 1e200) for a in "xh" for g in "ifco"}
    trace = lt.run(weights, [[1.0, 0.0], [1e200, 1e200]])
    result = lt.verify(trace)
    assert result.verdict == "inconclusive"
    assert [one.kind for one in result.unknown] == ["bound"] * 4
    assert trace.not_finite is not None
    text = result.report("text", width=1000)
    said = [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]
    assert said[1] == trace.not_finite.said(words())
    (bounds,) = [line for line in said if "rounding bound" in line]
    count = 4
    assert bounds.startswith(f"inconclusive: {count} lines, the first 0/forward/W_xi @ x_t: the rounding bound")
    assert len(json.loads(result.as_json())["inconclusive"]) == len(result.unknown)
    assert json.loads(result.as_json())["not_finite"]["address"] == "0/forward/1/0/W_xi @ x_t[0]"


@pytest.mark.parametrize(("roundings", "verdict"), [(510, "verified"), (511, "inconclusive"), (900, "inconclusive")])
def test_a_bound_as_large_as_the_sum_itself_decides_nothing(roundings: int, verdict: str) -> None:
    """A product of n terms is rounded n times, their sum n - 1 times."""
    for name, terms in (("h_t = W @ x_t", roundings), ("h_t = sum(x_t)", roundings + 1)):
        stage = {"layer": 0, "direction": "forward", "equations": name, "sources": {"x_t": "x"}}
        head = {"format": "lstm-trace/1", "cell": {"kind": "equations"}, "dtype": "float16", "steps": 1, "batch": 1}
        weights = {"0/forward": {"W": [[1.0] * terms]}} if "W" in name else {}
        values = {"inputs": {"x": [[[1.0] * terms]]}, "lines": {"0/forward": {"h_t": [[[float(terms)]]]}}}
        text = json.dumps({**head, "stages": [stage], "parameters": weights, **values})
        assert lt.verify(lt.load(text.encode())).verdict == verdict, name


def test_an_adjoint_that_cannot_be_derived_is_compared_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = lt.backward(lt.run({"W": [[0.5]]}, [[1.0]], cell={"equations": "h_t = W @ x_t"}), of="0/h_t[0]")

    def fails(*_: object) -> None:
        raise OptionError("there is no rule")

    monkeypatch.setattr("lstm_trace.verification.verify.adjoint", fails)
    result = lt.verify(trace)
    assert (result.verdict, result.failures) == ("inconclusive", ())
    assert [one.kind for one in result.unknown] == ["adjoint"]
    assert "the adjoint of 0/forward cannot be derived to compare with: there is no rule" in result.report(
        "text", width=1000
    )
