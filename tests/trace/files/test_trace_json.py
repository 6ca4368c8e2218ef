"""Trace files: write then read is identity; truncated, foreign, newer and contradictory files are told apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
import lstm_trace.trace.files.trace_file as trace_json
from lstm_trace.base.files import require_once
from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.trace.files.schema import json_schema
from lstm_trace.trace.files.trace_file import load, save, to_json
from lstm_trace.trace.trace import Trace

from ...support.strategies import Case, cells, networks

PARTS = ("parameters", "initial", "given", "lines")


def same(one: Trace, other: Trace) -> None:
    """Assert that two traces are equal to the last bit, NaN included, and of the same types."""
    assert other.header == one.header
    assert other.stages == one.stages
    assert (other.steps, other.batch) == (one.steps, one.batch)
    pairs = [("x", one.x, other.x), ("lengths", one.lengths, other.lengths)]
    for part in PARTS:
        mine, theirs = ({s: a for s, a in getattr(t, part).items() if a} for t in (one, other))
        assert theirs.keys() == mine.keys(), part
        for scope, arrays in mine.items():
            assert list(theirs[scope]) == list(arrays), part
            pairs += [(f"{part} {scope}/{name}", array, theirs[scope][name]) for name, array in arrays.items()]
    for where, first, second in pairs:
        assert (first is None) == (second is None), where
        if first is not None:
            assert second.dtype == first.dtype, where
            assert second.shape == first.shape, where
            bits = f"u{first.dtype.itemsize}"
            finite = ~np.isnan(first) if first.dtype.kind == "f" else np.ones(first.shape, bool)
            mine, theirs = (np.ascontiguousarray(a)[finite].view(bits) for a in (first, second))
            np.testing.assert_array_equal(theirs, mine, err_msg=where)
            assert (np.isnan(second) == ~finite).all(), where


def again(trace: Trace) -> Trace:
    return load("trace.json", to_json(trace).encode())


@given(networks(), st.sampled_from(["float64", "float32"]))
@settings(max_examples=40)
def test_write_then_read_is_identity(case: dict[str, Any], dtype: str) -> None:
    options = {k: v for k, v in case["options"].items() if v}
    spec = {"kind": "lstm", "projection": case["projection"], **options}
    trace = lt.run(
        case["weights"], case["x"], h0=case["h0"], c0=case["c0"], lengths=case["lengths"], cell=spec, dtype=dtype
    )
    same(trace, again(trace))
    part = trace.at(layer=0, direction="forward")
    same(part, again(part))


@given(cells(), st.lists(st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308]), min_size=1))
@settings(max_examples=40)
def test_values_that_json_has_no_numbers_for_survive(case: Case, values: list[float]) -> None:
    trace = lt.run(case.weights, case.x, cell={"equations": case.text}, initial=case.initial, ask=list(case.trees)[:1])
    for k, array in enumerate([a for here in trace.lines.values() for a in here.values()]):
        array.flat[k % array.size] = values[k % len(values)]
    same(trace, again(trace))


def small(**arguments: Any) -> Trace:
    rng = np.random.default_rng(8)
    shapes = {f"W_x{g}": (2, 3) for g in "ifco"} | {f"W_h{g}": (2, 2) for g in "ifco"}
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return lt.run(weights, rng.normal(size=(3, 2, 3)), h0=rng.normal(size=(2, 2)), **arguments)


def test_a_header_with_everything_in_it_survives() -> None:
    problem = {
        "title": "Überschrift „σ“", "weights": {"W_xi": [[0.1]], "W_hi": [[1e-310]]}, "x": [[1.0], [2.0]],
        "given": {"h_t": [0.5]}, "ask": ["0/i_t[0]", "z_i"], "names": {"x": ["hours"], "h": ["ü1"]},
        "symbols": {"z_i": "\\zeta_i"},
    }  # fmt: skip
    trace = lt.run(problem)
    assert trace.header.names == {"x": ["hours"], "h": ["ü1"]}
    same(trace, again(trace))
    padded = small(lengths=[3, 1])
    assert padded.header.padding == "zero"
    same(padded, again(padded))


def test_a_trace_file_is_read_by_a_person_and_by_its_schema(tmp_path: Path) -> None:
    trace = small()
    save(trace, tmp_path / "t.json")
    text = (tmp_path / "t.json").read_text(encoding="utf-8")
    assert text.startswith('{\n "format": "lstm-trace/1",')
    assert max(map(len, text.splitlines())) < 700
    data = json.loads(text)
    assert set(data) <= set(json_schema("trace")["properties"])
    assert set(json_schema("trace")["required"]) <= set(data)
    assert data["lines"]["0/forward"]["f_t"] == trace["f_t"].tolist()
    assert data["inputs"]["h0"]["0/forward"] == trace.initial["0/forward"]["h_prev"].tolist()
    same(trace, lt.load(tmp_path / "t.json"))
    trace.save(tmp_path / "u.json")
    assert (tmp_path / "u.json").read_text(encoding="utf-8") == text


def damaged(change: Any) -> bytes:
    data = json.loads(to_json(small()))
    change(data)
    return json.dumps(data).encode()


#: What is done to a good file, and what is said.
DAMAGE: list[tuple[Any, str]] = [
    (lambda d: d.pop("format"), 'not a trace (no "format": "lstm-trace/1"); a problem is traced with `lstm-trace run`'),
    (lambda d: d.update(format="onnx/7"), 'not a trace (no "format": "lstm-trace/1")'),
    (lambda d: d.update(format="lstm-trace/2"), "written in the format lstm-trace/2; this version reads lstm-trace/1;"),
    (lambda d: d.update(stepz=3), "unknown key 'stepz'; did you mean 'steps'?"),
    (lambda d: d.pop("steps"), "steps is missing"),
    (lambda d: d.update(steps="three"), "steps: expected a whole number, found the text 'three'"),
    (lambda d: d.update(batch=True), "batch: expected a whole number, found"),
    (lambda d: d.update(steps=0), "steps: expected a number greater than or equal to 1, found 0"),
    (lambda d: d.update(steps=2), "inputs.x has shape (3, 2, 3); expected (T, B, I) with T, B = (2, 2)"),
    (lambda d: d.update(batch=3), "shape (3, 2, 2); expected (3, 3, width); likewise lines 0/forward/W_hi @ h_prev, "),
    (lambda d: d["names"].update(h=["a", "b", "c"]), "names.h has 3 labels; expected one for each unit of a line"),
    (lambda d: d["names"].update(x=["a"]), "names.x has 1 label; expected one for each of the I = 3 inputs"),
    (lambda d: d["names"].update(q=["a"]), "names.q: expected 'x', 'h', 'y' or 't', found the text 'q'"),
    (lambda d: d.update(title="T" * 1001), "title: expected text of at most 1,000 characters, found 1,001 characters"),
    (lambda d: d.update(dtype="int8"), "dtype: expected 'float16', 'float32' or 'float64', found the text 'int8'"),
    (lambda d: d["stages"][0].update(equations="h_t = tnh(x_t)"), "unknown function 'tnh'; did you mean 'tanh'?"),
    (
        lambda d: d["stages"][0].update(direction="up"),
        "stages.0.direction: expected 'forward', 'reverse', 'joined', 'adjoint-f",
    ),
    (lambda d: d["stages"][0].update(sources={}), "0/forward: the source of x_t is missing"),
    (lambda d: d["stages"][0].update(sources={"x_t": "7/forward/h_t"}), "0/forward: the source of x_t is missing"),
    (
        lambda d: d["stages"][0]["sources"].update(q="x"),
        "0/forward: sources names what is not an input of the equations",
    ),
    (lambda d: d["stages"][0].update(computed=["q_t"]), "computed names a line that the equations do not have"),
    (
        lambda d: (d["stages"].append(d["stages"][0] | {"computed": ["q_t"]}), d.update(cell={"kind": "equations"})),
        "computed names a line that the equations do not have",
    ),
    (lambda d: d["stages"].append(d["stages"][0]), "duplicate stage 0/forward"),
    (lambda d: d["lines"]["0/forward"].update(q_t=[[[1.0]]]), "lines 0/forward/q_t: the cell has no such line"),
    (lambda d: d["lines"].update({"1/forward": {}}), "lines: there is no stage '1/forward'"),
    (lambda d: d["parameters"].update({"1/forward": {}}), "parameters: there is no stage '1/forward'"),
    (lambda d: d["lines"]["0/forward"]["f_t"][1][0].append(2), "lines.0/forward.f_t: the list is ragged: [1,1] has 2"),
    (
        lambda d: d["lines"]["0/forward"]["f_t"][1][0].__setitem__(0, "x"),
        "f_t: expected a number at [1,0,0], found the",
    ),
    (lambda d: d["lines"]["0/forward"].update(f_t=[[[1.0]] * 2] * 3), "lines 0/forward/f_t: width 1, expected 2"),
    (
        lambda d: d["parameters"]["0/forward"].update(W_xf=[[1.0, 2.0]]),
        "W_xf has shape (1, 2); line `W_xf @ x_t` needs",
    ),
    (lambda d: d["inputs"]["h0"].update({"0/forward": [[1.0]]}), "initial 0/forward/h_prev has shape (1, 1); expected"),
    (lambda d: d["inputs"].update(lengths=[1]), "inputs.lengths: expected 2 whole numbers from 0 to 3"),
    (lambda d: d["inputs"].update(lengths=[1, 9]), "inputs.lengths: expected 2 whole numbers from 0 to 3"),
    (lambda d: d["parameters"]["0/forward"].update(W_q=[[1.0]]), "parameters 0/forward/W_q: no equation reads it"),
    (
        lambda d: d["inputs"].update(initial={"n_prev": {"0/forward": [[1.0], [1.0]]}}),
        "n_prev: the cell carries no such",
    ),
    (
        lambda d: d["inputs"].update(given={"0/forward": {"f_t": d["lines"]["0/forward"]["f_t"]}}),
        "given 0/forward/f_t: the cell takes no such line",
    ),
    (lambda d: d["stages"][0].update(computed=["W_xi @ x_t"]), "lines 0/forward/z_i: it is not among the lines that"),
    (lambda d: d["cell"].update(kind="mgu2"), "cell: unknown cell 'mgu2'; there are lstm, slstm, gru, rnn."),
    (
        lambda d: d["cell"]["options"].update(peepholes=True),
        "cell: the cell 'lstm' has no option peepholes (did you mean",
    ),
    (lambda d: d["cell"]["options"].update(clip=-1), "cell: option clip must be a positive number; found -1.0"),
    (lambda d: d["cell"].update(kind="equations"), "cell: equations have no options; found bias, peephole"),
    (lambda d: d.update(merge="max"), "merge: expected 'concat', 'sum', 'mean', 'product' or 'none', found the text"),
    (lambda d: d.update(padding="same"), "padding: expected 'zero', 'repeat' or 'carry', found the text 'same'"),
    (
        lambda d: d.update(plan="fast"),
        "plan: expected 'lines', 'planned', 'compiled' or 'foreign', found the text 'fast'",
    ),
    (lambda d: d.update(arithmetic="q99"), "cell: "),
    (lambda d: d.update(batched=False), "batched is false, and the trace has 2 rows"),
    (
        lambda d: d["inputs"].update(lengths=[3, 1]),
        "inputs.lengths is given, and padding does not say what is output there",
    ),
    (lambda d: d["inputs"].update(x="many"), "inputs.x: expected a number, found the text 'many'"),
    (
        lambda d: (d.update(dtype="float32"), d["lines"]["0/forward"]["f_t"][1][0].__setitem__(1, 1e300)),
        "0/forward/f_t: the number 1e+300 at [1,0,1] is too large for float32 (3.4e+38 at most); float64 holds it",
    ),
]


@pytest.mark.few(11)
@pytest.mark.parametrize(("change", "message"), DAMAGE, ids=[message[:45] for _, message in DAMAGE])
def test_a_file_that_contradicts_itself_is_refused(change: Any, message: str) -> None:
    with pytest.raises(FileError) as error:
        load("bad.json", damaged(change))
    assert message in str(error.value)
    assert all(problem.startswith("bad.json: ") for problem in error.value.problems)


@pytest.mark.parametrize("number", ["1e999", "-2.5E+308", "9" * 400 + ".0"])
def test_a_number_that_is_too_large_is_not_infinity(number: str) -> None:
    """Infinity is a word; the same number in a text is one as well, and means nothing."""
    told = lt.run({"W": [[2.0]]}, [[1.0], [np.inf]], cell={"equations": "z = W @ x_t"})
    text = to_json(replace(told, header=replace(told.header, title=f'a "[{number}]", [{number}]')))
    assert text.count('"Infinity"') == 2
    np.testing.assert_array_equal(load("t.json", text.encode()).lines["0/forward"]["z"], told["z"])
    large = text.replace('"Infinity"', number, 1)
    line = text[: text.index('"Infinity"')].count("\n") + 1
    for content in (large, large.replace('"Infinity"', "1.0")):
        with pytest.raises(FileError, match=rf't\.json: line {line}: the number .*; if infinity is meant, write "Infi'):
            load("t.json", content.encode())


def both(**arguments: Any) -> Trace:
    """Two layers of two directions, one length short."""
    rng = np.random.default_rng(9)
    weights = {
        f"{layer}/{d}/{name}": rng.normal(size=shape)
        for layer, wide in ((0, 3), (1, 2))
        for d in ("forward", "reverse")
        for g in "ifco"
        for name, shape in ((f"W_x{g}", (2, wide)), (f"W_h{g}", (2, 2)), (f"b_{g}", (2,)))
    }
    cell = {"merge": "sum", "padding": "repeat", **arguments.pop("options", {})}
    return lt.run(weights, rng.normal(size=(3, 2, 3)), lengths=[3, 1], options=cell, **arguments)


def save_unchecked(trace: Trace, path: Path) -> None:
    """Write a file that `save` would refuse."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lstm_trace.trace.files.manifest.faults", lambda trace: [])
        save(trace, path)


READOUT = "y_t = W_hy @ h_t"
#: What a trace says of itself, falsely, and what the message has of it.
CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"clip": 0.5}, "lstm (bias: one, clip: 0.5,"),
    ({"peephole": True}, "which has z_i = W_xi @ x_t + W_hi @ h_prev + w_ci * c_prev + b_i; its equations have z_i ="),
    ({"coupled": True}, "which has f_t = 1 - i_t; its equations have f_t = sigmoid(z_f)"),
    ({"gate_activation": "hard_sigmoid"}, "which has i_t = hard_sigmoid(z_i)"),
    ({"output_activation": "relu"}, "which has h_t = o_t * relu(c_t)"),
    ({"forget_bias": 1.0}, "which has z_f = W_xf @ x_t + W_hf @ h_prev + b_f + 1; its equations have z_f ="),
    ({"bias": "two"}, "which has z_i = W_xi @ x_t + b_xi + W_hi @ h_prev + b_hi; its equations have z_i ="),
]


@pytest.mark.few(2)
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize(("options", "message"), CLAIMS, ids=[next(iter(options)) for options, _ in CLAIMS])
def test_options_that_the_equations_do_not_bear_out_are_refused(
    options: dict[str, Any], message: str, suffix: str, tmp_path: Path
) -> None:
    trace = both()
    said = replace(trace, header=replace(trace.header, options={**trace.header.options, **options}))
    save_unchecked(said, tmp_path / f"t.{suffix}")
    with pytest.raises(FileError) as error:
        lt.load(tmp_path / f"t.{suffix}")
    assert "0/forward: the trace states that its cell is lstm (" in str(error.value)
    assert message in str(error.value)


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_merge_padding_and_kind_that_the_equations_do_not_bear_out_are_refused(suffix: str, tmp_path: Path) -> None:
    trace = both()
    for claim, message in (
        (
            {"merge": "mean"},
            "0/joined: the trace states that its cell is merge: mean, which has y_t = 0.5 * (y_forward +",
        ),
        ({"merge": "none"}, "0/joined: the directions are joined, and merge says none"),
        (
            {"padding": "zero"},
            "with padding: zero, which has y_t = where(valid, h_t, 0); its equations have y_t = where(",
        ),
        ({"padding": "carry"}, "with padding: carry, which has y_t = where(valid, h_t, h_prev); its equations have"),
        ({"padding": None}, "inputs.lengths is given, and padding does not say what is output there"),
        (
            {"kind": "slstm", "options": {"bias": "one"}},
            "which has log_f = -softplus(-z_f); its equations have nothing",
        ),
        (
            {"kind": "equations", "options": {}, "padding": "zero"},
            "padding says zero, and the output is y_t = where(val",
        ),
    ):
        save_unchecked(replace(trace, header=replace(trace.header, **claim)), tmp_path / f"t.{suffix}")
        with pytest.raises(FileError) as error:
            lt.load(tmp_path / f"t.{suffix}")
        assert message in str(error.value)


@pytest.mark.few(0)
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_what_a_run_says_of_itself_is_borne_out(suffix: str, tmp_path: Path) -> None:
    """Options, paddings, merges, supplied and added lines, parts: all that a run can make is loaded again."""
    rng = np.random.default_rng(4)
    readout = {"W_hy": rng.normal(size=(1, 2))}
    weights = {**small().parameters["0/forward"], **readout}
    problem = {
        "weights": {name: array.tolist() for name, array in weights.items()},
        "extra": READOUT,
        "x": [[1, 2, 3]] * 3,
    }
    supplied = {"f_t": rng.normal(size=(3, 2, 2)), "W_xi @ x_t": rng.normal(size=(3, 2, 2))}
    traces = [
        both(), both().at(layer=1), both().at(direction="reverse"), both(ask=["0/joined/y_t"]),
        both(ask="1/reverse/i_t"),
        both(options={"padding": "carry", "merge": "product", "clip": 0.7}), both(options={"padding": "zero"}),
        small(given=supplied), small(given={"f_t": supplied["f_t"]}, ask="c_t"), small(record={"steps": slice(1, 3)}),
        lt.run(problem), lt.run({**problem, "lengths": [2], "x": [[[1, 2, 3]]] * 3}), small(arithmetic="by-hand-3"),
        lt.run(problem).at(steps=slice(1, 2)), small(options={"gate_activation": "leaky_relu(0.1)", "cell_clip": 2}),
    ]  # fmt: skip
    for number, trace in enumerate(traces):
        path = tmp_path / f"{number}.{suffix}"
        save(trace, path)
        same(trace, lt.load(path))


def test_widths_are_checked_where_an_operand_is_missing() -> None:
    """Without W_xi (which verify cannot do without) the other lines and parameters still say how wide all must be."""

    def change(name: str, width: int) -> Any:
        def apply(data: dict[str, Any]) -> None:
            del data["parameters"]["0/forward"]["W_xi"]
            data["lines"]["0/forward"][name] = [[[0.5] * width] * 2] * 3

        return apply

    assert lt.verify(load("t.json", damaged(change("i_t", 2)))).verdict != "verified"
    for name, width, message in (
        ("W_xf @ x_t", 3, "lines 0/forward/W_xf @ x_t: width 3, expected 2"),
        ("W_hi @ h_prev", 1, "lines 0/forward/W_hi @ h_prev: width 1, expected 2"),
        ("z_i", 5, "lines 0/forward/z_i: width 5, expected 2"),
        ("i_t", 3, "lines 0/forward/i_t: width 3, expected 2"),
        ("c_t", 1, "lines 0/forward/c_t: width 1, expected 2"),
        ("h_t", 4, "lines 0/forward/h_t: width 4, expected 2"),
    ):
        with pytest.raises(FileError) as error:
            load("bad.json", damaged(change(name, width)))
        assert message in str(error.value)


def test_all_faults_of_a_trace_are_told_at_once() -> None:
    def change(data: dict[str, Any]) -> None:
        data["lines"]["0/forward"]["f_t"] = [[[1.0]]]
        data["lines"]["0/forward"]["i_t"] = [1.0]
        data["inputs"]["lengths"] = [5, 5]

    with pytest.raises(FileError) as error:
        load("bad.json", damaged(change))
    assert len(error.value.problems) == 3


def test_a_file_that_is_cut_off_is_told_at_every_place() -> None:
    whole = to_json(small()).encode()
    load("t.json", whole)
    for end in range(0, len(whole) - 3, 97):
        with pytest.raises(FileError) as error:
            load("t.json", whole[:end])
        message = str(error.value)
        assert "is the file cut off?" in message or "not a trace" in message


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"PK\x03\x04", b"\xff\xfe\x00", b'{"format": 3}', b"[" * 9999]
)
def test_foreign_files_are_no_traces(content: bytes) -> None:
    with pytest.raises(FileError, match="not a trace"):
        load("foreign.json", content)


def test_another_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="traces are written as"):
        save(small(), tmp_path / "t.pickle")
    assert not list(tmp_path.iterdir())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["x", "given"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
@settings(max_examples=100)
def test_a_mutated_trace_is_read_or_refused_and_never_crashes(data: st.DataObject) -> None:
    tree = json.loads(to_json(small(ask=["i_t", "c_t"], lengths=[3, 2])))
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = tree
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and node[key] and data.draw(st.integers(0, 3)):
                node = node[key]
                continue
            action = data.draw(st.sampled_from(["replace", "delete", "double"]))
            if action == "replace":
                node[key] = data.draw(JSON)
            elif action == "delete":
                del node[key]
            elif isinstance(node, list):
                node.append(node[key])
            else:
                node[data.draw(st.text(max_size=4))] = node[key]
            break
    try:
        trace = load("mutated.json", json.dumps(tree).encode())
    except LstmTraceError:
        return
    result = lt.verify(trace)
    assert result.verdict in ("verified", "failed", "inconclusive")


@pytest.mark.parametrize(("dtype", "bits"), [("float32", 0x7FA00000), ("float64", 0x7FF4 << 48)])
def test_a_signalling_nan_is_saved_without_a_warning(tmp_path: Path, dtype: str, bits: int) -> None:
    trace = lt.run({"W": [[1.0]]}, [[1.0], [2.0], [3.0]], cell={"equations": "v = W @ x_t"}, dtype=dtype)
    values = trace.lines["0/forward"]["v"]
    values.view(f"u{values.itemsize}")[1] = bits  # a flipped bit makes one of an infinity
    with np.errstate(all="raise"):
        trace.save(tmp_path / "t.json")
    assert np.isnan(lt.load(tmp_path / "t.json")["v"]).ravel().tolist() == [False, True, False]


def test_lines_said_to_be_computed_in_another_order_are_refused() -> None:
    def turned(data: dict[str, Any]) -> None:
        data["stages"][0]["computed"] = [line.name for line in small().stages[0].lines][::-1]

    with pytest.raises(FileError, match="0/forward: computed does not name the lines in the order of the equations"):
        load("bad.json", damaged(turned))


def test_a_first_step_that_no_table_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"bad\.json: first: .* 9007199254740991"):
        load("bad.json", damaged(lambda data: data.update(first=10**30)))
    late = load("late.json", damaged(lambda data: data.update(first=(1 << 53) - 1)))
    late.to_frame()
    late.save(tmp_path / "again.safetensors")


def test_a_title_of_spaces_is_reported() -> None:
    assert load("t.json", damaged(lambda data: data.update(title=" "))).report("text")


def test_a_large_trace_is_not_written_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_json, "MOST", 20)
    trace = lt.run({"W_xi": [[1.0]], "W_hi": [[1.0]]}, [[1.0], [2.0]], ask="i_t", given={"h_t": [[0.0], [0.0]]})
    trace.save(tmp_path / "small.json")
    larger = lt.run({"W_xi": [[1.0]], "W_hi": [[1.0]]}, np.ones((9, 1)), ask="i_t", given={"h_t": np.zeros((9, 1))})
    with pytest.raises(FileError, match=r"36 values; a trace as JSON has at most 20: write the trace as .safetensors"):
        larger.save(tmp_path / "large.json")
    assert not (tmp_path / "large.json").exists()


def own(equations: str, h_t: float, **more: Any) -> bytes:
    """The file of one step of a cell of its own equations, of x_t = 1."""
    stage = {"layer": 0, "direction": "forward", "equations": equations, "sources": {"x_t": "x"}}
    head = {"format": "lstm-trace/1", "cell": {"kind": "equations"}, "steps": 1, "batch": 1, "stages": [stage]}
    values = {"inputs": {"x": [[[1.0]]]}, "lines": {"0/forward": {"h_t": [[[h_t]]]}}}
    return json.dumps({**head, **values, **more}).encode()


DOUBLED = "".join(f"a{n + 1} = concat(a{n}, a{n})\n" for n in range(60)) + "h_t = sum(a60)"
INSIDE = f"f(z) = sum({'d(' * 9}z{')' * 9})\nd(z) = concat({', '.join('z' * 10)})\nh_t = f(x_t)"
CALLS = "g(z) = z * sigmoid(z)\nh_t = g(2 * x_t)"


def test_a_line_inside_a_call_is_recorded_only_if_it_was_computed() -> None:
    trace = lt.run({}, [[1.0]], cell={"equations": CALLS})
    data = json.loads(to_json(trace))
    data["stages"][0]["computed"] = ["2 * x_t", "h_t"]
    with pytest.raises(FileError) as error:
        load("bad.json", json.dumps(data).encode())
    said = "bad.json: lines 0/forward/sigmoid(2 * x_t): it is not among the lines that were computed"
    assert str(error.value) == said
    del data["lines"]["0/forward"]["sigmoid(2 * x_t)"]  # as earlier versions wrote it
    assert lt.verify(load("old.json", json.dumps(data).encode())).verdict == "verified"


@pytest.mark.parametrize("arithmetic", ["q4.12", "float16", "by-hand-2"])
def test_values_of_another_arithmetic_are_stored_in_float64(arithmetic: str) -> None:
    load("good.json", own("h_t = 2 * x_t", 2.0, arithmetic=arithmetic, dtype="float64"))
    with pytest.raises(FileError, match=f"dtype is float32; expected float64, in which values of {arithmetic} are"):
        load("bad.json", own("h_t = 2 * x_t", 2.0, arithmetic=arithmetic, dtype="float32"))


def test_what_is_read_although_another_reader_need_not() -> None:
    """docs/trace-format.md, "Refused"."""
    data = json.loads(own("h_t = 2 * x_t", 2.0, arithmetic="q04.12", first="0"))
    data["stages"][0]["layer"] = "0"
    data["steps"] = 1.0
    assert lt.verify(load("t.json", b"\xef\xbb\xbf" + json.dumps(data).encode())).verdict == "verified"


TOO_WIDE = {
    "a line": (f"a0 = concat(x_t, x_t)\n{DOUBLED}", "line `a52` would have more than 9,007,199,254,740,991 units"),
    "no weight": (f"a0 = concat(x_t, x_t)\n{DOUBLED} + b", "line `a52` would have more than 9,007,199,254,740,991"),
    "inside a call": (INSIDE, "1,111,111,110 values of lines inside calls are not in the file; at most 15,000,000 are"),
}


@pytest.mark.parametrize(("equations", "message"), TOO_WIDE.values(), ids=TOO_WIDE)
def test_a_short_text_cannot_make_us_derive_long_lines(equations: str, message: str) -> None:
    with pytest.raises(FileError) as error:
        load("bomb.json", own(equations, 2.0))
    assert str(error.value).startswith(f"bomb.json: 0/forward: {message}")


TWICE = {
    "lines": ('"h_t": [[[2.0]]]', '"h_t": [[[3.0]]], "h_t": [[[2.0]]]', "line 1: duplicate key 'h_t'"),
    "escaped": ('"h_t": [[[2.0]]]', '"h_t": [[[3.0]]],\n"h_\\u0074" : [[[2.0]]]', "line 2: duplicate key 'h_t'"),
    "outside": (
        '"dtype": "float64"',
        '"dtype": "float32", "sums": {}, "dtype": "float64"',
        "line 1: duplicate key 'dtype'",
    ),
    "after a quote": ('"title": ""', '"title": "\\\\\\"{", "title": ""', "line 1: duplicate key 'title'"),
    "after empty ones": (
        '"sums": {}',
        '"sums": {"a": {}, "b":{}}, "title": "}", "title": ""',
        "line 1: duplicate key 'title'",
    ),
}


@pytest.mark.parametrize(("once", "twice", "message"), TWICE.values(), ids=TWICE)
def test_a_key_that_is_twice_in_an_object_is_refused(once: str, twice: str, message: str) -> None:
    text = own("h_t = 2 * x_t", 2.0, dtype="float64", title="", sums={}).decode()
    assert lt.verify(load("once.json", text.encode())).verdict == "verified"
    assert once in text
    with pytest.raises(FileError) as error:
        load("twice.json", text.replace(once, twice).encode())
    assert str(error.value) == f"twice.json: {message}"


@given(
    st.recursive(st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)), st.data()
)
def test_keys_of_any_json_are_told_apart(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1])))
    require_once("any.json", text.encode("utf-8", "surrogatepass"))
    key, other = data.draw(st.text()), data.draw(st.text(max_size=3))
    text = f"[{text}, {{{json.dumps(key)}: {text}, {json.dumps(other)}: {text}}}]"
    if key != other:
        require_once("any.json", text.encode("utf-8", "surrogatepass"))
        return
    with pytest.raises(FileError, match="duplicate key"):
        require_once("any.json", text.encode("utf-8", "surrogatepass"))


def test_a_line_that_is_read_twice_is_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    count, operand = iter(range(2_000)), Trace.operand

    def counted(*arguments: Any) -> Any:
        next(count)  # StopIteration, and not 2 ** 40 more
        return operand(*arguments)

    monkeypatch.setattr(Trace, "operand", counted)
    trace = load("deep.json", own(f"h(z) = z - 1 + z\nf(z) = {'h(' * 40}z{')' * 40}\nh_t = f(x_t)", 1.0))
    assert lt.verify(trace).verdict == "verified"


@pytest.mark.parametrize("given", [{"lengths": [3, 1]}, {"mask": [[1, 0], [1, 1], [0, 1]]}], ids=str)
def test_padding_without_its_lengths_or_mask_is_refused(given: dict[str, Any]) -> None:
    data = json.loads(to_json(small(**given)))
    (name,) = given
    del data["inputs"][name]
    with pytest.raises(FileError) as error:
        load("bad.json", json.dumps(data).encode())
    (problem,) = error.value.problems
    assert problem == "bad.json: inputs has neither lengths nor a mask; 0/forward reads which steps are valid"


def test_arrays_that_are_wrong_alike_are_told_once() -> None:
    with pytest.raises(FileError) as error:
        load("bad.json", damaged(lambda d: d.update(steps=5)))
    assert len(error.value.problems) == 2, "x, and the lines"
    alike = ", ".join(f"lines 0/forward/{name}" for name in ("W_hi @ h_prev", "z_i", "i_t"))
    assert error.value.problems[1].endswith(f"shape (3, 2, 2); expected (5, 2, width); likewise {alike} and 17 more")
