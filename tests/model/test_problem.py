"""Problem files: three formats of one problem, every form of its parts, and what each kind of bad input gets."""

from __future__ import annotations

import copy
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace import examples
from lstm_trace.base.files import read_data
from lstm_trace.errors import FileError, LstmTraceError, OptionError, ShapeError
from lstm_trace.model.problem import EXAMPLE, prepare_problem, problem_of, read_problem, with_weights
from lstm_trace.trace.files.problem_file import Problem

Q22: dict[str, Any] = read_data("q22.yaml", examples.text("q22").encode())


def toml(value: Any) -> str:
    """A problem as TOML, by hand: tables for mappings, JSON for the rest (which TOML reads alike)."""
    plain = {key: item for key, item in value.items() if not isinstance(item, dict)}
    rows = [f"{key} = {json.dumps(item, ensure_ascii=False)}" for key, item in plain.items()]
    for key, item in value.items():
        if isinstance(item, dict):
            rows += [f"[{key}]", *(f"{json.dumps(name)} = {json.dumps(v)}" for name, v in item.items())]
    return "\n".join(rows)


WRITERS = {"yaml": lambda data: yaml.safe_dump(data, sort_keys=False), "json": json.dumps, "toml": toml}


def run(data: dict[str, Any], kind: str = "json", **arguments: Any) -> lt.Trace:
    """The trace of a problem that is written to a file of that kind."""
    content = WRITERS[kind](data).encode()
    return prepare_problem(read_problem(f"p.{kind}", content), f"p.{kind}", **arguments).run()


def refused(data: dict[str, Any]) -> list[str]:
    """The messages on a problem, each without the file's name before it."""
    with pytest.raises(LstmTraceError) as error:
        run(data)
    assert all(problem.startswith("p.json: ") for problem in error.value.problems)
    return [problem.removeprefix("p.json: ") for problem in error.value.problems]


@pytest.mark.few(2)
@pytest.mark.parametrize("name", list(examples.examples()))
def test_yaml_json_and_toml_are_one_problem(name: str) -> None:
    data = read_data("p.yaml", examples.text(name).encode())
    traces = [run(data, kind) for kind in WRITERS]
    for trace in traces[1:]:
        assert trace.header == traces[0].header
        assert trace.stages == traces[0].stages
        for scope, lines in traces[0].lines.items():
            for line, values in lines.items():
                np.testing.assert_array_equal(trace.lines[scope][line], values)


@pytest.mark.few(6)
@pytest.mark.parametrize("name", list(examples.examples()))
def test_every_example_has_a_title_and_is_proven(name: str) -> None:
    first = examples.text(name).splitlines()[0]
    assert first == f"title: {examples.examples()[name]}"
    assert 15 < len(examples.examples()[name]) < 68, "it fits a row of the list"
    trace = run(read_data("p.yaml", examples.text(name).encode()))
    assert trace.header.title == examples.examples()[name]
    assert lt.verify(trace).verdict == "verified"
    assert trace.asked()


def test_the_examples_do_what_their_comments_say() -> None:
    spelled = run(read_data("p.yaml", examples.text("rnn-softmax").encode()))
    assert ["helo"[k] for k in spelled["p_t"][:, 0].argmax(axis=1)] == ["e", "l", "l", "o"]
    assert spelled["p_t"].max(axis=-1).min() > 0.93
    praise = read_data("p.yaml", examples.text("readout").encode())
    found = {}
    for words in ("not bad", "not good", "good", "bad"):
        praise["x"] = [[float(word == w) for w in ("not", "good", "bad")] for word in words.split()]
        found[words] = run(praise)["p_t"][-1, 0, 0]
    assert all(found[words] > 0.95 for words in ("not bad", "good"))
    assert all(found[words] < 0.05 for words in ("not good", "bad"))
    batch = run(read_data("p.yaml", examples.text("batch").encode()))
    assert batch.output.shape == (3, 3, 1)
    assert (batch.output[:, :, 0] != 0).tolist() == [[True, True, True], [True, True, False], [True, False, False]]
    days = run(read_data("p.yaml", examples.text("three-steps").encode()))
    assert days["c_t"][2, 0, 0] > 0.3, "the sun of the first day is remembered"
    letters = run(read_data("p.yaml", examples.text("cross-entropy").encode()))
    right = letters["p_t"][[0, 1, 2], 0, [1, 0, 2]]  # of b, a and c
    np.testing.assert_allclose(letters["L"][:, 0, 0], -np.log(right), rtol=1e-14)


def test_the_states_have_two_names() -> None:
    one = run({**Q22, "h0": [0.5, -1.0], "c0": [2.0, 1.0]})
    data = {"x_t": Q22["x"], "h_prev": [0.5, -1.0], "c_prev": [2.0, 1.0]}
    other = run({key: value for key, value in Q22.items() if key not in ("x", "h0", "c0")} | data)
    np.testing.assert_array_equal(one["h_t"], other["h_t"])
    assert refused({**Q22, "x_t": Q22["x"]}) == ["x_t is given twice: as x_t and as x"]
    assert refused({**Q22, "h_prev": [0, 0]}) == ["h_prev is given twice: as h_prev and as h0"]


def test_with_one_unit_and_one_input_scalars_will_do() -> None:
    weights = {f"W_{s}{g}": 0.1 * (k + 1) for k, (s, g) in enumerate((s, g) for s in "xh" for g in "ifco")}
    biases = {f"b_{g}": 0.3 for g in "ifco"}
    short = run({"weights": weights | biases, "x": 2.0, "h0": 0.5, "c0": -1.0})
    lists = {n: [[v]] if n[0] == "W" else [v] for n, v in (weights | biases).items()}
    long = run({"weights": lists, "x": [[[2.0]]], "h0": [[[0.5]]], "c0": [[[-1.0]]]})
    np.testing.assert_array_equal(short["h_t"], long["h_t"])
    i_t = 1 / (1 + np.exp(-(0.1 * 2.0 + 0.5 * 0.5 + 0.3)))
    np.testing.assert_allclose(short["i_t"][0, 0, 0], i_t, rtol=1e-14)


@pytest.mark.parametrize("order", ["hx", "xh"])
@pytest.mark.parametrize("transposed", [False, True])
def test_weights_that_multiply_the_joined_vector(order: str, transposed: bool) -> None:
    rng = np.random.default_rng(2)
    parts = {f"W_{s}{g}": rng.normal(size=(2, 3 if s == "x" else 2)) for s in "xh" for g in "ifco"}
    biases = {f"b_{g}": rng.normal(size=2).tolist() for g in "ifco"}
    joined = {f"W_{g}": np.concatenate([parts[f"W_{s}{g}"] for s in order], axis=1) for g in "ifco"}
    joined = {name: (array.T if transposed else array).tolist() for name, array in joined.items()}
    common = {"x": rng.normal(size=(3, 3)).tolist(), "h0": [0.5, -0.5]}
    layout = {"joined": order, **({"transposed": True} if transposed else {})}
    one = run({**common, "weights": joined | biases, "layout": layout})
    two = run({**common, "weights": {n: a.tolist() for n, a in parts.items()} | biases})
    np.testing.assert_array_equal(one["h_t"], two["h_t"])
    np.testing.assert_array_equal(one.parameters["0/forward"]["W_xf"], parts["W_xf"])
    assert f"one kernel for [{order[0]}; {order[1]}]" in one.header.imported[0]


def test_supplied_lines_and_other_states_come_from_the_file() -> None:
    data = {"c0": [2.0], "given": {"f_t": [0.5], "i_t": [1.0], "c_tilde": [0.25]}, "ask": ["c_t"]}
    assert run(data)["c_t"].tolist() == [[[1.25]]]
    text = "s_t = s_prev + x_t\ncarry: s_prev <- s_t"
    data = {"cell": {"equations": text}, "x": [[1.0], [2.0]], "initial": {"s_prev": [10.0]}}
    assert run(data)["s_t"].tolist() == [[[11.0]], [[13.0]]]


# -- what bad input gets ---------------------------------------------------------------------------------------------

GATE: dict[str, Any] = {
    "weights": {"W_xi": [[1, 2], [3, 4], [5, 6]], "W_hi": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]},
    "x": [1, 2], "ask": ["i_t"],
}  # fmt: skip


def gate(**changes: Any) -> dict[str, Any]:
    """The problem of one gate, with weights and other keys changed; None takes one away."""
    weights = {**GATE["weights"], **changes.pop("weights", {})}
    data = {**GATE, "weights": {n: w for n, w in weights.items() if w is not None}, **changes}
    return {key: value for key, value in data.items() if value is not None}


BOUND = "Known sizes: T=1 B=1, I=2 (from x), H=3 (from W_hi)."
#: What is wrong with the problem of one gate (3 units, 2 inputs), and all that is said.
BAD: list[tuple[dict[str, Any], list[str]]] = [
    (gate(weights={"W_hi": None}), [
        "line `W_hi @ h_prev` needs W_hi, which the weights do not have"]),
    (gate(x=None), ["line `W_xi @ x_t` needs the input x_t, which is not given: add x"]),
    (gate(weights={"W_xi": [[1, 2, 3], [4, 5, 6]]}), [
        f"W_xi has shape (2, 3); line `W_xi @ x_t` needs (H, I) = (3, 2). It looks transposed. {BOUND}"]),
    (gate(weights={"W_xi": [[1, 2]] * 4}), [
        f"W_xi has shape (4, 2); line `W_xi @ x_t` needs (H, I) = (3, 2). {BOUND}"]),
    (gate(weights={"W_xi": [1, 2]}), ["W_xi has shape (2,); line `W_xi @ x_t` needs a matrix (rows, columns)"]),
    (gate(weights={"W_xi": [[1] * 4] * 3, "W_hi": [[1] * 3] * 2}), [
        "W_xi has shape (3, 4); line `W_xi @ x_t` needs (H, I) = (3, 2). "
        "Twice the numbers: are there decimal commas? Write 0.5, not 0,5. Or is x wrong? "
        "Known sizes: T=1 B=1, I=2 (from x), H=3 (from W_xi).",
        "W_hi has shape (2, 3); line `W_hi @ h_prev` needs (H, H) = (3, 3). "
        "Known sizes: T=1 B=1, I=2 (from x), H=3 (from W_xi)."]),
    (gate(h0=[1, 2]), [
        "h0 has width 2; line `W_hi @ h_prev` needs H = 3. h0 is h_prev at the first step. "
        "Known sizes: T=1 B=1, I=2 (from x), H=3 (from W_xi)."]),
    (gate(h0=[[1], [2]]), [
        "h0 has shape (2, 1); expected (L·D, B, width) with L·D = 1, B = 1: (width,) or (1, width) or (1, 1, width); "
        "write its 2 numbers in one list: [1, 2] (h0 is h_prev at the first step)"]),
    (gate(initial={"n_prev": [1]}), ["the cell carries no state n_prev; it carries h0, c0"]),
    (gate(weights={"W_xk": [[1]]}), ["no equation of the cell reads the weight 'W_xk'; none is missing: leave it out"]),
    (gate(weights={"w_ci": [1]}), [
        "no equation of the cell reads the weight 'w_ci': it needs the option peephole: true"]),
    (gate(ask=["it"]), ["ask: there is no line 'it'; did you mean 'i_t'?"]),
    (gate(ask=["7/i_t"]), [
        "ask: '7/i_t' is not an address here; expected i_t[j] (or the full layer/direction/t/b/…): "
        "layer 0, direction forward, t 0, b 0"]),
    (gate(ask=["i_t[3]"]), ["ask: there is no i_t[3]; i_t has [0] to [2]"]),
    (gate(ask=["h_prev"]), ["ask: h_prev is the carried state, not a line; ask for h_t"]),
    (gate(ask=["x_t"]), ["ask: x_t is an input, not a line"]),
    (gate(weights={"W_xi": [[1, 2], [3]]}), ["weights.W_xi: the list is ragged: row 1 has 1 number where row 0 has 2"]),
    (gate(weights={"W_xi": [[1, 2], 3]}), [
        "weights.W_xi: the list is ragged: row 1 is a single value where row 0 has 2"]),
    (gate(weights={"W_xi": [[1, "two"], [3, 4]]}), ["weights.W_xi: expected a number at [0,1], found the text 'two'"]),
    (gate(weights={"W_xi": [[1, 2], [3, 4]]}), [
        f"W_xi has shape (2, 2); line `W_xi @ x_t` needs (H, I) = (3, 2). {BOUND}"]),
    (gate(weights={"W_xi": [[1, True]]}), ["weights.W_xi: expected a number at [0,1], found true"]),
    (gate(weights={"W_xi": [[1, 1]]}), [
        f"W_xi has shape (1, 2); line `W_xi @ x_t` needs (H, I) = (3, 2). {BOUND}"]),
    (gate(weights={"W_xi": [[1, [2]]]}), [
        "weights.W_xi: the list is ragged: [0,1] has 1 number where [0,0] is a single value"]),
    (gate(weights={"W_xi": {"a": 1}}), ["weights.W_xi: expected a number, found a mapping"]),
    (gate(x=["a", 1]), ["x: expected a number at [0], found the text 'a'"]),
    (gate(x=[]), ["the sequence is empty: x needs at least one step of numbers"]),
    (gate(x=[[]]), ["x has shape (1, 0), which is empty: x needs at least one step of numbers"]),
    (gate(x=[[[[1, 2]]]]), ["x has shape (1, 1, 1, 2); expected (T, I) or (T, B, I)"]),
    (gate(weights={"W_xi": [["NaN", 2], [3, 4], [5, "Infinity"]]}), [
        "W_xi[0,0] is nan (and 1 more); expected finite numbers (--allow-nonfinite, in Python allow_nonfinite=True, "
        "accepts them)"]),
    (gate(dtype="float32", weights={"W_xi": [[1, 2], [3, -1e39], [1e300, 6]]}, h0=[1e40, 0, 0]), [
        "W_xi: the number -1e+39 at [1,1] (and 1 more) is too large for float32 (3.4e+38 at most); float64 holds it",
        "h0: the number 1e+40 at [0] is too large for float32 (3.4e+38 at most); float64 holds it"]),
    (gate(lengths=[2]), ["lengths has 2; expected 0 to T = 1"]),
    (gate(lengths=[-1]), ["lengths has -1; expected 0 to T = 1"]),
    (gate(lengths=[1, 1]), ["lengths has shape (2,); expected one for each of the B = 1 rows"]),
    (gate(lengths=[0.5]), ["lengths.0: expected a whole number, found 0.5"]),
    (gate(given={"ft": [1]}), ["given: there is no line 'ft'; did you mean 'f_t'?"]),
    (gate(given={"f_t": [[[[1]]]]}), [
        "given f_t has shape (1, 1, 1, 1); expected (width,), (T, width) or (T, B, width) with T = 1, B = 1"]),
    (gate(akk=["i_t"]), ["unknown key 'akk'; 'ask' is there already"]),
    (gate(layout={"joind": "hx"}), ["unknown key 'layout.joind'; did you mean 'joined'?"]),
    (gate(ask="i_t"), ["ask: expected a list, as in [a, b], found the text 'i_t'"]),
    (gate(title=3), ["title: expected text, found 3"]),
    (gate(batch_first="maybe"), ["batch_first: expected true or false, found the text 'maybe'"]),
    (gate(cell=[1]), ["cell: expected a name or a mapping, found a list"]),
    (gate(cell="lsmt"), ["unknown cell 'lsmt'; did you mean 'lstm'? A custom cell is given as {equations: …}"]),
    (gate(cell={"equations": "i_t = x_t\ni_t = tnh(x_t)"}), [
        "equation 2: i_t is assigned twice (first in equation 1); choose another name\n    i_t = tnh(x_t)\n    ^"]),
    (gate(cell={"direction": "sideways"}), ["option direction must be one of forward, reverse; found 'sideways'"]),
    (gate(cell={"merge": "mean"}), [
        "option merge has no effect with one direction (forward); found 'mean'"]),
    (gate(cell={"padding": "repeat"}), [
        "option padding has no effect without lengths or a mask: give lengths or mask, or leave it out; "
        "found 'repeat'"]),
    (gate(names={"q": ["a"], "H": ["b"]}), [
        "names.q: expected 'x', 'h', 'y' or 't', found the text 'q'",
        "names.H: expected 'x', 'h', 'y' or 't', found the text 'H'"]),
    (gate(names={"x": ["hours"], "h": ["a", "b"]}), [
        "names.x has 1 label; expected one for each of the I = 2 inputs",
        "names.h has 2 labels; expected one for each unit of a line, and lines have 3"]),
    (gate(names={"x": ["a", "b", "c"]}), ["names.x has 3 labels; expected one for each of the I = 2 inputs"]),
    (gate(title="T" * 1001), ["title: expected text of at most 1,000 characters, found 1,001 characters"]),
    (gate(symbols={"i_t": "s" * 1001}), [
        "symbols.i_t: expected text of at most 1,000 characters, found 1,001 characters"]),
    (gate(names={"h": ["a", "b" * 1001, "c"]}), [
        "names.h: expected text of at most 1,000 characters at [1], found 1,001 characters"]),
    (gate(lengths=[True]), ["lengths.0: expected a whole number, found true"]),
    (gate(dtype="int8"), ["dtype: expected 'float16', 'float32' or 'float64', found the text 'int8'"]),
    ({"weights": {"W_xi": 1, "W_hi": 1}, "x": [1, 2, 3, 4], "ask": ["i_t"]}, [
        "x has 4 numbers in one list, which is one step of 4 inputs, but the weights take I = 1 input; "
        "for 4 steps write [[1], [2], [3], …]"]),
    # several faults of one stage, all in one message: of the form
    (gate(weights={"W_xi": [[1, 2], [3]]}, akk=1), [
        "weights.W_xi: the list is ragged: row 1 has 1 number where row 0 has 2",
        "unknown key 'akk'; 'ask' is there already"]),
    (gate(weights={"W_xi": [[1, "a"], [3]], "W_hi": None, "W_xg": [[1]]}, colour="red"), [
        "weights.W_xi: expected a number at [0,1], found the text 'a'",
        "unknown key 'colour'; is it a weight? Indent it under `weights:`. "
        "Most used are title, cell, weights, x, h0, c0, ask"]),
    (gate(x=["a", 1], weights={"W_hi": None}, given={"i_t": {"a": 1}}, ask=["0/i_t", "j_t"]), [
        "x: expected a number at [0], found the text 'a'", "given.i_t: expected a number, found a mapping"]),
    ({"weights": {"W_xi": [[1, 2], [3]], "W_hi": [["abc", 0], [0, "NaN"]], "W_hx": [[1]]}, "x": [], "ask": ["i_q"]}, [
        "weights.W_xi: the list is ragged: row 1 has 1 number where row 0 has 2",
        "weights.W_hi: expected a number at [0,0], found the text 'abc'"]),
    (gate(layout={"joined": "hx"}, weights={"W_f": {"a": 1}}, x=[1, "b"]), [
        "weights.W_f: expected a number, found a mapping", "x: expected a number at [1], found the text 'b'"]),
    ({"weights": {"0/forward/W_xi": [[1], [2, 3]], "0/forward/W_hi": [["NaN"]], "1/forward/W_xi": [[1]]},
      "x": [1], "ask": ["0/i_t[1]", "2/i_t"]}, [
        "weights.0/forward/W_xi: the list is ragged: row 1 has 2 numbers where row 0 has 1"]),
    # of the layout, and of the cell
    (gate(layout="tensorflow", x=[], ask=["it"]), ["layout 'tensorflow' is not known; there are"]),
    (gate(cell="lsmt", weights={"1/W_xi": [["NaN", 1]], "W": [[1]]}, x=[]), [
        "the weight '1/W_xi': expected `W_xi`, or `layer/direction/W_xi` as in 1/reverse/W_xi",
        "some weights have an address (0/forward/…) and some do not; give all of them one",
        "unknown cell 'lsmt'; did you mean 'lstm'? A custom cell is given as {equations: …}"]),
    (gate(cell={"peephole": "yes", "merge": "add"}, weights={"1/W_xi": [[1]]}), [
        "the weight '1/W_xi': expected `W_xi`, or `layer/direction/W_xi` as in 1/reverse/W_xi",
        "some weights have an address (0/forward/…) and some do not; give all of them one",
        "option merge must be one of concat, sum, mean, product, none; found 'add'",
        "option peephole must be true or false; found 'yes'"]),
    (gate(cell={"peephole": "yes", "merge": "mean"}, x=[], ask=["it"]), [
        "option merge has no effect with one direction (forward); found 'mean'",
        "option peephole must be true or false; found 'yes'"]),
    # of the arrays
    (gate(weights={"W_xi": [["NaN", 2]] * 3, "W_xq": [[1]], "W_hi": [[1] * 3] * 2}, ask=["i_t", "q"]), [
        "no equation of the cell reads the weight 'W_xq'; none is missing: leave it out",
        "W_xi[0,0] is nan (and 2 more); expected finite numbers (--allow-nonfinite, in Python allow_nonfinite=True, "
        "accepts them)"]),
    (gate(lengths=[9], h0=[[1], [2]], given={"ft": 1}, ask=["it"]), [
        "lengths has 9; expected 0 to T = 1",
        "h0 has shape (2, 1); expected (L·D, B, width) with L·D = 1, B = 1: (width,) or (1, width) or (1, 1, width); "
        "write its 2 numbers in one list: [1, 2] (h0 is h_prev at the first step)",
        "given: there is no line 'ft'; did you mean 'f_t'?"]),
    (gate(weights={"W_hx": [[1]]}, lengths=[9], h0=[[1], [2]], cell={"padding": "repeat"}), [
        "no equation of the cell reads the weight 'W_hx'; none is missing: leave it out",
        "lengths has 9; expected 0 to T = 1",
        "h0 has shape (2, 1); expected (L·D, B, width) with L·D = 1, B = 1: (width,) or (1, width) or (1, 1, width); "
        "write its 2 numbers in one list: [1, 2] (h0 is h_prev at the first step)"]),
    ({"weights": {"W_xi": [[1, 2], [3, 4]], "W_hi": [[0, 0], [0, "NaN"]], "W_hx": [[1]]}, "x": [], "ask": ["i_q"]}, [
        "no equation of the cell reads the weight 'W_hx'; none is missing: leave it out",
        "W_hi[1,1] is nan; expected finite numbers (--allow-nonfinite, in Python allow_nonfinite=True, accepts them)",
        "the sequence is empty: x needs at least one step of numbers"]),
    (gate(weights={"W_xi": [["NaN", 1]] * 3}, x=[]), [
        "W_xi[0,0] is nan (and 2 more); expected finite numbers (--allow-nonfinite, in Python allow_nonfinite=True, "
        "accepts them)",
        "the sequence is empty: x needs at least one step of numbers"]),
    (gate(weights={"W_xi": [["NaN", 1]]}, x=[]), [
        "W_xi[0,0] is nan; expected finite numbers (--allow-nonfinite, in Python allow_nonfinite=True, accepts them)",
        "the sequence is empty: x needs at least one step of numbers"]),
    (gate(layout={"joined": "hx"}, weights={"W_xi": None, "W_hi": None, "W_i": [[1] * 5] * 3}, x=[], ask=["1/it"]), [
        "the sequence is empty: x needs at least one step of numbers"]),
    ({"weights": {"0/forward/W_xi": [[1]], "0/forward/W_hi": [["NaN"]], "1/forward/W_xi": [[1]]},
      "x": [1], "ask": ["0/i_t[1]", "2/i_t"]}, [
        "0/forward/W_hi[0,0] is nan; expected finite numbers (--allow-nonfinite, in Python allow_nonfinite=True, "
        "accepts them)"]),
    # of what is asked for, and of what that needs
    (gate(weights={"W_hi": None}, ask=["i_t", "q_t"]), [
        "ask: there is no line 'q_t'; did you mean 'o_t'? It is q_t in the notation goodfellow",
        "line `W_hi @ h_prev` needs W_hi, which the weights do not have"]),
    (gate(weights={"W_hi": None}, ask=["0/i_t", "j_t"]), [
        "ask: there is no line 'j_t'; did you mean 'i_t'?",
        "line `W_hi @ h_prev` needs W_hi, which the weights do not have"]),
    (gate(weights={"W_xi": None, "W_hi": None}), [
        "line `W_xi @ x_t` needs W_xi, which the weights do not have",
        "line `W_hi @ h_prev` needs W_hi, which the weights do not have"]),
    (gate(weights={"W_hi": [[1] * 3] * 2}, ask=["i_t", "q"]), [
        "ask: there is no line 'q'; there are",
        "W_hi has shape (2, 3); line `W_hi @ h_prev` needs (H, H) = (3, 3). Known sizes: T=1 B=1, I=2 (from x), "
        "H=3 (from W_xi)."]),
    (gate(ask=["i_q"]), ["ask: there is no line 'i_q'; did you mean 'i_t'?"]),
    (gate(layout={"joined": "hx"}, weights={"W_xi": None, "W_hi": None, "W_i": [[1] * 5] * 3}, ask=["1/it"]), [
        "ask: there is no line 'it'; did you mean 'i_t'?"]),
    ({"weights": {"0/forward/W_xi": [[1]], "0/forward/W_hi": [[1]], "1/forward/W_xi": [[1]]},
      "x": [1], "ask": ["0/i_t[1]", "2/i_t"]}, [
        "ask: '2/i_t' is not an address here; expected layer/i_t[j] (or the full layer/direction/t/b/…): "
        "layer 0..1, direction forward, t 0, b 0"]),
]  # fmt: skip


@pytest.mark.few(31)
@pytest.mark.parametrize(("data", "messages"), BAD, ids=[m[0][:50] for _, m in BAD])
def test_every_fault_of_a_stage_is_told_at_once(data: dict[str, Any], messages: list[str]) -> None:
    found = refused(data)
    assert len(found) == len(messages), found
    for message, expected in zip(found, messages, strict=True):
        assert message == expected or (expected.endswith("there are") and message.startswith(expected))
        assert "?." not in message
        assert "?;" not in message
        assert ".." not in message.replace("0..", "")


#: Faults that hang on no other, as changes of the problem of one gate, by the stage that finds them.
APART: list[list[dict[str, Any]]] = [
    [
        {"weights": {"W_xi": [[1, 2], [3]]}},
        {"h0": [1, 2, "a"]},
        {"given": {"z_f": [1, "b", 2]}},
        {"lengths": [0.5]},
        {"title": 3},
        {"colour": "red"},
        {"tokenz": "red"},
        {"dtype": "int8"},
        {"names": {"x": 3}},
        {"symbols": 3},
    ],
    [{"layout": "tensorflow"}],
    [{"weights": {"W_xf": [[]]}}, {"cell": {"peephole": "yes"}}],
    [
        {"weights": {"W_hi": [["NaN", 1, 2], [1, 2, 3], [0, 0, 0]]}},
        {"weights": {"w_ci": [1, 1, 1]}},
        {"initial": {"n_prev": [1]}},
        {"lengths": [9]},
    ],
    [{"ask": ["i_t", "it"]}, {"names": {"x": ["hours"]}}, {"weights": {"W_xi": None}}],
]


def together(*faults: dict[str, Any]) -> dict[str, Any]:
    """The problem of one gate with several faults; of two in one place the first."""
    merged = {key: value for fault in reversed(faults) for key, value in copy.deepcopy(fault).items()}
    merged["weights"] = {name: a for fault in reversed(faults) for name, a in fault.get("weights", {}).items()}
    return gate(**merged)


def test_no_fault_hides_another_of_its_stage_and_none_brings_another() -> None:
    alone = [[refused(gate(**copy.deepcopy(fault))) for fault in stage] for stage in APART]
    assert {len(messages) for stage in alone for messages in stage} == {1}
    for stage, told in zip(APART, alone, strict=True):
        for (one, first), (other, second) in combinations(zip(stage, told, strict=True), 2):
            assert sorted(refused(together(one, other))) == sorted(first + second)
        everything = sorted(message for messages in told for message in messages)
        assert sorted(refused(together(*stage))) == everything
        with pytest.raises(LstmTraceError) as error:
            lt.run(together(*stage))
        assert len(error.value.problems) == len(stage)


def test_a_stage_that_finds_a_fault_is_the_last() -> None:
    for (at, stage), (later, after) in combinations(enumerate(APART), 2):
        assert at < later
        for one in stage:
            for other in after:
                assert refused(together(one, other)) == refused(together(one))


def test_an_x_that_cannot_be_read_is_told_with_the_weights_and_before_what_must_fit_it() -> None:
    nothing = "the sequence is empty: x needs at least one step of numbers"
    assert refused(gate(x=[])) == [nothing]
    assert refused(gate(x=[], lengths=[9], h0=[[1], [2]], ask=["it"])) == [nothing]
    assert refused(gate(x=[], weights={"W_hx": [[1]]})) == [
        "no equation of the cell reads the weight 'W_hx'; none is missing: leave it out",
        nothing,
    ]


def test_the_problem_of_one_gate_is_right_as_it_stands() -> None:
    assert run(gate()).steps == 1


def test_nothing_is_said_of_what_hangs_on_a_key_that_cannot_be_read() -> None:
    assert refused(gate(cell={"kind": "lstm", "equations": 3}, weights={"W_hi": None})) == [
        "cell.equations: expected text, found 3"
    ]
    assert refused(gate(ask="i_t", weights={"W_hi": None})) == [
        "ask: expected a list, as in [a, b], found the text 'i_t'"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"",
            "p.yaml: expected a problem (title, weights, x, …), found an empty file; " + EXAMPLE,
        ),
        (
            b"{}",
            "p.yaml: expected a problem (title, weights, x, …), found an empty file; " + EXAMPLE,
        ),
        (
            b"hello",
            "p.yaml: expected a problem (title, weights, x, …), found the text 'hello'; " + EXAMPLE,
        ),
        (
            b"[1, 2]",
            "p.yaml: expected a problem (title, weights, x, …), found a list; " + EXAMPLE,
        ),
        (b"weights:\n  W_xi: 1\n  W_xi: 2", "p.yaml: line 3: duplicate key 'W_xi' (first in line 2)"),
        (b"title: \xe9", "p.yaml: not UTF-8 (byte 7); save it as UTF-8"),
    ],
)
def test_files_that_are_no_problems(content: bytes, message: str) -> None:
    with pytest.raises(LstmTraceError) as error:
        read_problem("p.yaml", content)
    assert str(error.value) == message


@pytest.mark.parametrize("name", ["p.toml", "p.json", "p.yaml"])
def test_an_empty_file_is_said_to_be_empty(name: str) -> None:
    contents = {
        "p.toml": [b"", b"# only a note\n"],
        "p.json": [b"", b" \n", b"{}"],
        "p.yaml": [b"", b"# only a note\n"],
    }
    for content in contents[name]:
        with pytest.raises(LstmTraceError) as error:
            read_problem(name, content)
        assert str(error.value) == f"{name}: expected a problem (title, weights, x, …), found an empty file; {EXAMPLE}"


def test_nonfinite_weights_can_be_let_in_and_nonfinite_inputs_are_values() -> None:
    data = gate(weights={"W_xi": [["NaN", 2], [3, 4], [5, 6]]})
    assert np.isnan(run(data, allow_nonfinite=True)["i_t"][0, 0]).tolist() == [True, False, False]
    assert np.isnan(run(gate(x=["NaN", 1]))["i_t"]).all()


def test_labels_symbols_and_notes_are_kept(tmp_path: Path) -> None:
    data = {**Q22, "names": {"x": ["a", "b", "c"], "h": ["u", "v"]}, "symbols": {"z_i": "\\zeta"}, "notes": "by hand"}
    header = run(data).header
    assert header.names == {"x": ["a", "b", "c"], "h": ["u", "v"]}
    assert header.notes == "by hand"
    assert header.symbols == {"z_i": "\\zeta"}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(data))
    np.testing.assert_array_equal(lt.run(path)["h_t"], lt.run(str(path))["h_t"])
    np.testing.assert_array_equal(lt.run(path)["h_t"], lt.run(data)["h_t"])
    np.testing.assert_array_equal(lt.run(path)["h_t"], lt.run(problem_of(data, "p"))["h_t"])


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.floats()
    | st.sampled_from(["x", "i_t", "lstm", "", "h_t = x_t"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["W_xi", "kind", "i_t"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*vars(Problem()), "x_t", "h_prev", "wat"]), VALUES, max_size=6))
@settings(max_examples=120)
def test_no_problem_raises_anything_but_our_error(data: dict[str, Any]) -> None:
    try:
        trace = run(json.loads(json.dumps({**gate(), **data})))
    except LstmTraceError as error:
        messages = error.problems
    else:
        messages = (trace.header.kind,)
    assert all(messages)


def test_a_weight_without_a_number_is_reported_by_its_name() -> None:
    weights = {"W_xi": [[0.5, -1.0]], "W_hi": [[]]}
    with pytest.raises(ShapeError, match=r"W_hi has shape \(1, 0\), which is empty"):
        lt.run(weights, [[1.0, 2.0]], ask="i_t")


def test_a_problem_names_its_arithmetic_and_an_argument_comes_first() -> None:
    by_hand, q22 = {**Q22, "arithmetic": "by-hand-3"}, lt.prepare(Q22)
    expected = q22.run(arithmetic="by-hand-3")
    assert expected["h_t"].ravel().tolist() == [0.039, 0.002]
    for trace in (run(by_hand), run(by_hand, "yaml"), lt.run(by_hand), lt.prepare(by_hand).run(plan="auto")):
        assert trace.header.arithmetic == "by-hand-3"
        np.testing.assert_array_equal(trace["h_t"], expected["h_t"])
    half = lt.run(by_hand, arithmetic="float16")
    assert half.header.arithmetic == "float16"
    np.testing.assert_array_equal(half["h_t"], q22.run(arithmetic="float16")["h_t"])
    for full in (lt.run(by_hand, arithmetic="float64"), lt.run({**by_hand, "arithmetic": "float64"})):
        assert full.header.arithmetic is None
        np.testing.assert_array_equal(full["h_t"], q22.run()["h_t"])


def test_an_arithmetic_that_there_is_not_or_that_does_not_fit_is_refused() -> None:
    (said,) = refused({**Q22, "arithmetic": "by-foot-3"})
    assert said.startswith("arithmetic: there is no arithmetic 'by-foot-3'; expected by-hand-N (N decimals), float32")
    (said,) = refused({**Q22, "arithmetic": "q0.4"})
    assert said == "arithmetic: q0.4: expected at least 1 bit (the sign) before the point and 32 in all"
    assert refused({**Q22, "arithmetic": 3}) == ["arithmetic: expected text, found 3"]
    (said,) = refused({**Q22, "arithmetic": "by-hand-3", "dtype": "float32"})
    assert said.endswith("dtype float32 would round them first; leave dtype out")
    with pytest.raises(LstmTraceError, match="in the arithmetic by-hand-3 a run goes line by line, in memory"):
        lt.run({**Q22, "arithmetic": "by-hand-3"}, plan="planned")


def test_a_notation_that_does_not_have_the_cell_is_refused(tmp_path: Path) -> None:
    lstm = {"weights": {"W_xi": [[1.0]], "W_hi": [[1.0]]}, "x": [[1.0]], "ask": ["i_t"]}
    with pytest.raises(OptionError, match=r"'cho' has no names for the cell 'lstm'; it has those of a GRU"):
        lt.run({**lstm, "notation": "cho"})
    own = {"cell": {"equations": "h_t = tanh(x_t)\noutput: h_t"}, "weights": {}, "x": [[1.0]]}
    with pytest.raises(OptionError, match=r"'keras' has no names for a cell of equations"):
        lt.run({**own, "notation": "keras"})
    lt.run({**own, "notation": "exercise"})
    trace = lt.run({**lstm, "notation": "olah"})
    edited = lt.edit(trace, {}, "i_t = W_xi @ x_t + W_hi @ h_prev\nh_t = i_t\ncarry: h_prev <- h_t\noutput: h_t")
    assert edited.header.notation is None
    trace.save(tmp_path / "t.json")
    for key, value in (("notation", "x"), ("language", "../../x")):
        data = json.loads((tmp_path / "t.json").read_text())
        (tmp_path / "u.json").write_text(json.dumps({**data, key: value}))
        with pytest.raises(FileError, match=f"u.json: {key}: expected .*, found the text '{value}'"):
            lt.load(tmp_path / "u.json")


def test_weights_that_were_transposed_are_written_as_ours(tmp_path: Path) -> None:
    weights = {"W_xh": [[0.1, 0.2], [0.3, 0.4]], "W_hh": [[0.5, 0.7], [0.6, 0.8]]}
    data = {"cell": "rnn", "notation": "d2l", "weights": weights, "x": [[1.0, 2.0]], "notes": "From a book."}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(data))
    trace = lt.run(data)
    ours = {f"0/forward/{name}": value for name, value in trace.parameters["0/forward"].items()}
    again = yaml.safe_load(with_weights(str(tmp_path / "p.yaml"), ours, "after 1 update"))
    assert "notation" not in again
    assert again["notes"].startswith("From a book.\n\nThe matrices multiply from the left, W x")
    assert np.array_equal(lt.run(again)["h_t"], trace["h_t"])


def test_notes_have_a_limited_number_of_formulas() -> None:
    with pytest.raises(FileError, match="the problem: notes: it has 30000 formulas; at most 1000 are read"):
        lt.prepare({**Q22, "notes": "$a$ " * 30_000})
