"""A spec to a run: what it holds, that it is the same again, and what is refused before it is made."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.cell.parse import parse
from lstm_trace.errors import CellError, FileError, LstmTraceError, MissingError, OptionError, TooLargeError
from lstm_trace.examples import examples, text
from lstm_trace.model.model import Model
from lstm_trace.runs import running
from lstm_trace.runs.asked import NotJsonError
from lstm_trace.runs.kept import Bounds

from ..support.kept_runs import BOUNDS, Kept

FLOATS = st.floats(-3, 3, allow_nan=False).map(lambda value: round(value, 3))


def q22() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text("q22"))
    return found


def loaded(kept: Kept, run: Any) -> lt.Trace:
    return lt.load(kept.path(run))


@pytest.mark.few(0)
def test_the_run_of_an_example_is_that_of_the_command_line(kept: Kept) -> None:
    for name in examples():
        run = kept.make(example=name)
        here, there = loaded(kept, run), lt.run(yaml.safe_load(text(name)))
        assert run["title"] == there.header.title
        assert run["asked"] == [str(address) for address in there.asked()]
        assert run["numbers"] == sum(a.size for lines in there.lines.values() for a in lines.values())
        for scope, lines in there.lines.items():
            for line, values in lines.items():
                np.testing.assert_array_equal(here.lines[scope][line], values)


def test_the_same_spec_is_the_same_run(kept: Kept) -> None:
    first = running.make(b'{"example": "q22"}', str(kept.folder), BOUNDS)
    again = running.make(json.dumps({"problem": q22()}).encode(), str(kept.folder), BOUNDS)
    assert (first.new, again.new, first.id) == (True, False, again.id)
    assert first.reply == again.reply == running.run(kept.path({"id": first.id}))
    other = kept.make(problem=q22() | {"x": [1.0, 2.0, 3.5]})
    assert other["id"] != first.id


def test_labels_of_steps(kept: Kept) -> None:
    run = kept.make(example="three-steps", tokens=["sun", " rain", "\n"])
    assert loaded(kept, run).header.step_labels == (("sun", " rain", "\n"),)
    assert run["step_labels"] == [["sun", "␣rain", "↵"]]
    assert kept.make(**kept.spec(run))["id"] == run["id"]
    assert kept.make(example="three-steps")["step_labels"] == []
    edited = kept.edit(run, {"x": [[1, 0], [0, 0], [2, 1], [1, 1]]})
    assert edited["step_labels"] == [["sun", "␣rain", "↵", ""]]
    batch = kept.make(example="batch", tokens=[["a", "b", "c"], ["d", "e"], ["f"]])
    assert batch["step_labels"] == [["a", "b", "c"], ["d", "e", ""], ["f", "", ""]]
    for tokens, message in (
        (["sun"], "tokens has 1 label; expected one for each of the T = 3 steps"),
        ([1, 2, 3], "the request: tokens: expected text at [0], found 1; write it in quotes"),
    ):
        with pytest.raises(LstmTraceError) as error:
            kept.make(example="three-steps", tokens=tokens)
        assert message in str(error.value)


@pytest.mark.few(0)
def test_a_run_of_many_steps_is_described_without_their_labels(kept: Kept) -> None:
    problem = {"weights": {"W_xi": [[1.0]], "W_hi": [[1.0]]}, "ask": ["i_t"], "given": {"h_t": [0.0]}}
    many = 9000
    problem |= {"x": [[1.0]] * many, "names": {"t": [str(t) for t in range(many)]}}
    run = kept.make(problem=problem)
    assert run["step_labels"] == []
    assert loaded(kept, run).header.step_labels[0][-1] == "8999"


def test_the_spec_of_a_run_makes_it_again(kept: Kept, tmp_path: Path) -> None:
    one = kept.edit(
        kept.make(example="three-steps"), {"0/forward/W_xi[0,0]": 0.5, "x": [[1, 0], [0, 0], [2, 1], [1, 1]]}
    )
    run = kept.edit(one, {"0/forward/W_xi[0,0]": -1.5, "0/forward/c0[1]": 2.0})
    (tmp_path / "elsewhere").mkdir()
    there = Kept(tmp_path / "elsewhere")
    again = there.make(**kept.spec(run))
    assert again["id"] == run["id"]
    assert lt.diff(loaded(kept, run), loaded(there, again)).lines_frame()["max_abs"].max() == 0
    assert [edit["address"] for edit in kept.spec(run)["edits"]] == ["x", "0/forward/W_xi[0,0]", "0/forward/c0[1]"]


@pytest.mark.few(0)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(st.sampled_from(["i", "f", "c", "o"]), st.integers(0, 1), st.integers(0, 2), FLOATS), max_size=4
    ),
    h0=st.lists(FLOATS, min_size=2, max_size=2),
)
def test_an_edited_run_is_that_of_the_edited_problem(kept: Kept, edits: list[Any], h0: list[float]) -> None:
    problem, changes = q22(), {f"h0[{k}]": value for k, value in enumerate(h0)}
    problem["h0"] = h0
    for gate, j, k, value in edits:
        problem["weights"][f"W_x{gate}"][j][k] = value
        changes[f"0/forward/W_x{gate}[{j},{k}]"] = value
    run = kept.edit(kept.make(example="q22"), changes)
    trace = lt.run(problem)
    for line, values in trace.lines["0/forward"].items():
        np.testing.assert_array_equal(loaded(kept, run)[line], values)
    before = lt.run(q22())
    moved = {line for line, values in trace.lines["0/forward"].items() if not np.array_equal(values, before[line])}
    assert {change["line"] for change in run["changed"]} == moved
    for change in run["changed"]:
        line = change["line"]
        assert change["largest"] == np.abs(trace[line] - before[line]).max()
        assert abs(trace[line] - before[line])[change["t"], change["b"], change["unit"]] == change["largest"]


def test_edits_after_each_other_are_those_at_once(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    steps = kept.edit(kept.edit(run, {"0/forward/b_f[0]": 2.0}), {"0/forward/W_hi[1,0]": -0.5})
    once = kept.edit(run, {"0/forward/b_f[0]": 2.0, "0/forward/W_hi[1,0]": -0.5})
    assert steps["id"] == once["id"]
    assert (
        kept.edit(steps, {"0/forward/b_f[0]": 0.25})["id"]
        == kept.edit(run, {"0/forward/W_hi[1,0]": -0.5, "0/forward/b_f[0]": 0.25})["id"]
    )
    assert once["parent"] == run["id"]


def test_another_arithmetic_and_back(kept: Kept) -> None:
    run = kept.edit(kept.make(example="three-steps"), {"0/forward/b_f[0]": 0.123})
    by_hand = kept.edit(run, arithmetic="by-hand-2")
    found = loaded(kept, by_hand)
    np.testing.assert_array_equal(found["i_t"], found["i_t"].round(2))
    assert by_hand["arithmetic"] == "by-hand-2"
    whole = kept.edit(by_hand, {"0/forward/b_f[1]": 0.5}, arithmetic=None)
    assert whole["id"] == kept.edit(run, {"0/forward/b_f[1]": 0.5})["id"]
    both = kept.edit(by_hand, {"0/forward/b_f[1]": 0.5})
    assert both["arithmetic"] == "by-hand-2"
    assert kept.make(**kept.spec(both))["id"] == both["id"]


@pytest.mark.parametrize(
    "change",
    [{"arithmetic": "float16"}, {"arithmetic": None}, {"equations": "z = W_xi @ x_t\nh_t = tanh(z)\noutput: h_t"}],
)
def test_a_run_that_is_there_is_not_computed_again(
    kept: Kept, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kept.make(example="three-steps", arithmetic="by-hand-2")
    body, ran = json.dumps({"edits": [], **change}).encode(), []
    run_of_model = Model.run

    def counted(self: Model, *args: Any, **more: Any) -> lt.Trace:
        ran.append(self)
        return run_of_model(self, *args, **more)

    monkeypatch.setattr(Model, "run", counted)
    first = running.edit(body, kept.path(run), BOUNDS)
    assert (first.new, len(ran) > 0) == (True, True)
    ran.clear()
    again = running.edit(body, kept.path(run), BOUNDS)
    assert (again.new, again.id, again.reply, ran) == (False, first.id, first.reply, [])


@pytest.mark.few(0)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    arithmetic=st.sampled_from(["by-hand-2", "by-hand-4", "float32", "float16", "bfloat16", "q4.12"]),
    numbers=st.lists(FLOATS, min_size=6, max_size=6),
)
@example("float32", "by-hand-4", [-0.11, 0.5, 0.0, -1.585, 0.0, 1.0])
def test_a_run_in_an_arithmetic_is_that_of_python(
    kept: Kept, dtype: str, arithmetic: str, numbers: list[float]
) -> None:
    own, recurrent, bias, *x = numbers
    problem = {"cell": "rnn", "dtype": dtype, "x": [[value] for value in x],
               "weights": {"W_xh": [[own]], "W_hh": [[recurrent]], "b_h": [bias]}}  # fmt: skip
    there = lt.run(problem, arithmetic=arithmetic)
    here = kept.make(problem=problem, arithmetic=arithmetic)
    later = kept.edit(kept.make(problem=problem), arithmetic=arithmetic)
    assert (here["id"], here["arithmetic"], here["dtype"]) == (later["id"], arithmetic, "float64")
    found = loaded(kept, here)
    for line, values in there.lines["0/forward"].items():
        np.testing.assert_array_equal(found[line], values)
    np.testing.assert_array_equal(found.x, there.x)


def test_other_equations_with_a_weight_of_their_own(kept: Kept) -> None:
    run = kept.make(problem={"weights": {"W_xi": [[0.5]], "W_hi": [[0.25]]}, "x": [[1.0], [2.0]], "ask": ["z_i"],
                             "given": {"h_t": [0.0]}})  # fmt: skip
    lines = "a_t = tanh(W_xi @ x_t + v)\noutput: a_t"
    with pytest.raises(MissingError, match="needs v"):
        kept.edit(run, equations=lines)
    other = kept.edit(run, {"v": [0.5]}, equations=lines)
    np.testing.assert_allclose(loaded(kept, other)["a_t"].ravel(), np.tanh([1.0, 1.5]), rtol=1e-15)
    assert other["cell"]["kind"] == "equations"
    back = kept.edit(other, equations=None)
    assert (back["id"], "edits" in kept.spec(back)) == (run["id"], False)  # it has no v
    with pytest.raises(MissingError, match="reads the weight 'w'"):
        kept.edit(other, {"w": [0.5]}, equations=None)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", examples())
def test_the_equations_that_are_said_of_a_run_are_taken_back(kept: Kept, name: str) -> None:
    run = kept.make(example=name)
    text = run["stages"][0]["equations"]
    again = kept.edit(run, equations=text)
    assert (again["changed"], [stage["equations"] for stage in again["stages"]]) == ([], [text])
    assert parse(text).output == run["stages"][0]["output"]
    doubled = kept.edit(run, equations=re.sub(r"(?m) = (?!where)([^/\n]*)$", r" = 2 * (\1)", text))
    assert max(change["largest"] for change in doubled["changed"]) > 0


@pytest.mark.few(1)
@pytest.mark.parametrize("rows", [{"lengths": [2, 3]}, {"mask": [[0, 1], [1, 1], [1, 0]]}, {}])
@pytest.mark.parametrize("layers", [1, 2])
def test_other_equations_keep_padding_readout_and_edits(kept: Kept, layers: int, rows: dict[str, Any]) -> None:
    rng = np.random.default_rng(7)
    top = f"{layers - 1}/forward"
    problem = {"x": rng.normal(size=(3, 2, 2)).tolist(), "extra": "p_t = W_p @ h_t", **rows}
    problem["weights"] = {f"{top}/W_p": [[1.0, -2.0]]} | {
        f"{layer}/forward/W_{source}{gate}": rng.normal(size=(2, 2)).tolist()
        for layer in range(layers)
        for source in "xh"
        for gate in "ifco"
    }
    run = kept.edit(kept.make(problem=problem), {f"{top}/W_p[0,1]": 3.0, "0/forward/W_xi[0,0]": 0.25})
    by_hand = copy.deepcopy(problem)
    by_hand["weights"][f"{top}/W_p"], by_hand["weights"]["0/forward/W_xi"][0][0] = [[1.0, 3.0]], 0.25
    plain = "o_t * c_t"  # instead of o_t * tanh(c_t)
    gates = [f"{g}_t = sigmoid(W_x{g} @ x_t + W_h{g} @ h_prev)" for g in "ifo"]
    rows_of_cell = [*gates, "c_tilde = tanh(W_xc @ x_t + W_hc @ h_prev)", "c_t = f_t * c_prev + i_t * c_tilde"]
    cell = "\n".join([*rows_of_cell, f"h_t = {plain}", "carry: h_prev <- h_t, c_prev <- c_t", "output: h_t"])
    there = lt.run(by_hand | {"cell": {"equations": cell}})
    for stage in run["stages"]:
        found = loaded(kept, kept.edit(run, equations=stage["equations"].replace("o_t * tanh(c_t)", plain)))
        for scope in there.scopes:
            for line in ("h_t", "c_t", "i_t"):
                np.testing.assert_array_equal(found.lines[scope][line], there.lines[scope][line])
        np.testing.assert_array_equal(found.lines[top]["p_t"], there.lines[top]["p_t"])


def test_wrong_equations_have_a_caret(kept: Kept) -> None:
    with pytest.raises(CellError, match=r"\n.*\^"):
        kept.edit(kept.make(example="q22"), equations="h_t = tanhh(x_t)\noutput: h_t")


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"{}", OptionError, "expected one of problem, example, item, model; found none"),
        (b'{"example": "q22", "layout": "keras"}', OptionError, "layout can only be given with a model"),
        (b'{"example": "q22", "problem": {"x": [1]}}', OptionError, "found problem and example"),
        (b'{"example": "q23"}', MissingError, "did you mean 'q"),
        (b'{"example": "q22", "x": [NaN]}', NotJsonError, 'write "NaN", in quotes'),
        (b'{"example": "q22", "example": "q21"}', NotJsonError, "duplicate key 'example'"),
        (b'{"example": "q22"', NotJsonError, "is it cut off"),
        (b"\xff", NotJsonError, "not UTF-8"),
        (b"[]", FileError, "expected a mapping"),
        (b'{"example": "q22", "exampel": 1}', FileError, "unknown key 'exampel'"),
        (b'{"example": 22}', FileError, "example: expected text, found 22"),
        (b'{"problem": {"weights": {"W_xi": [[1], [1, 2]]}}}', FileError, "problem.weights.W_xi"),
        (b'{"example": "q22", "edits": [{"address": "W_xi[9,9]", "value": 1}]}', MissingError, r"there is no \[9,9\]"),
        (b'{"example": "q22", "edits": [{"address": "i_t[0]", "value": 1}]}', MissingError, "only premises"),
        (b'{"example": "q22", "arithmetic": "by-foot-4"}', LstmTraceError, "by-foot-4"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(kept: Kept, body: bytes, kind: type[LstmTraceError], said: str) -> None:
    with pytest.raises(kind, match=said):
        running.make(body, str(kept.folder), BOUNDS)
    assert list(kept.folder.iterdir()) == []


def test_a_run_that_is_too_large_is_not_begun(
    bounded: Callable[[Bounds], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = bounded(BOUNDS._replace(values=42))
    run = kept.make(example="q22")  # exactly so many
    with pytest.raises(TooLargeError, match="would hold"):
        kept.edit(run, equations="\n".join(f"a_{k} = W_xi @ x_t + {k}" for k in range(50)) + "\noutput: a_1")
    monkeypatch.setattr(lt.Model, "run", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(TooLargeError, match=r"would hold 84 values.*at most 42.*values_per_run"):
        kept.make(problem=q22() | {"x": [[1.0, 2.0, 3.0]] * 2})
    with pytest.raises(TooLargeError, match="would hold 84 values"):
        kept.edit(run, {"x": [[1.0, 2.0, 3.0]] * 2})


def test_an_item_of_the_library(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = tmp_path_factory.mktemp("files")
    weights = {f"W_{a}{gate}": np.full((1, 1), 0.5) for a in "xh" for gate in "ifco"}
    np.savez(files / "0123.npz", **weights)  # type: ignore[arg-type]  # numpy: of its own keyword
    lt.run(q22()).save(files / "4567.safetensors")
    (files / "89ab.yaml").write_text(text("q22"))
    model = running.Item("m", str(files / "0123.npz"), "1" * 64, "mine.npz")
    trace = running.Item("t", str(files / "4567.safetensors"), "2" * 64, "kept.safetensors")
    problem = running.Item("p", str(files / "89ab.yaml"), "3" * 64, "q22.yaml")
    assert running.make(b'{"model": "m", "x": [[1], [2]]}', str(kept.folder), BOUNDS).wanted == "m"
    run = kept.make(model, model="m", x=[[1.0], [2.0]])
    np.testing.assert_array_equal(loaded(kept, run)["h_t"], lt.run(weights, [[1.0], [2.0]])["h_t"])
    for item in (trace, problem):
        np.testing.assert_array_equal(loaded(kept, kept.make(item, item=item.id))["h_t"], lt.run(q22())["h_t"])
    again = kept.make(model._replace(sha256="4" * 64), model="m", x=[[1.0], [2.0]])
    assert again["id"] != run["id"]  # another file under that id
    with pytest.raises(LstmTraceError) as error:
        kept.make(model, model="m")
    assert "0123" not in str(error.value)
    with pytest.raises(OptionError, match=r"kept\.safetensors: a trace has its own x"):
        kept.make(trace, item="t", x=[1.0])
    edits = json.dumps({"arithmetic": "float16"}).encode()
    assert running.edit(edits, kept.path(run), BOUNDS).wanted == "m"
    changed = running.edit(
        json.dumps({"edits": [{"address": "0/forward/W_xi[0,0]", "value": 1}]}).encode(), kept.path(run), BOUNDS
    )
    assert changed.new  # from the trace of its parent, without the item


def test_what_is_said_of_a_run(kept: Kept) -> None:
    run = kept.make(example="readout")
    premises = {premise["address"]: premise for premise in run["premises"]}
    assert premises["x"]["kind"] == "input"
    assert premises["0/forward/W_xi"]["gate"] == "i"
    assert premises["0/forward/W_hc"]["gate"] == "c"
    assert premises["0/forward/c0"]["kind"] == "initial"
    (stage,) = run["stages"]
    lines = {line["name"]: line for line in stage["lines"]}
    assert [name for name, line in lines.items() if line["gate"]] == ["i_t", "f_t", "o_t"]
    assert lines["W_xi @ x_t"] == {"name": "W_xi @ x_t", "op": "matvec", "width": 2, "assigned": False,
                                   "symbol": "W_xi x_t", "gate": False, "axis": "h"}  # fmt: skip
    assert stage["states"] == {"h_prev": "h_t", "c_prev": "c_t"}
    assert loaded(kept, run).locate(run["target"]).unit == (0,)
    assert run["live"]
    wide = copy.deepcopy(BOUNDS)._replace(live=1)
    assert not Kept(kept.folder / ".." / kept.folder.name, wide).make(example="q21", edits=[])["live"]
