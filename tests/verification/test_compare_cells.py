"""diff of two cells: the line whose equation differs is named; the same sum in another order is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.compare import Tolerance, compare

from ..engine.test_family import weights
from ..support.results import verdict
from ..support.tiers import some

T, B, I, H = 5, 2, 3, 4  # noqa: E741
BOTH = {"directions": 2}

#: name, options of a, options of b, the first line that differs, where it is not 0/forward/0/0.
CELLS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("forget bias", {}, {"forget_bias": 1.0}, "z_f"),
    ("forget bias elsewhere", {"forget_bias": 1.0}, {"forget_bias": 0.5}, "z_f"),
    ("clip meaning swapped", {"clip": 0.3}, {"cell_clip": 0.3}, "i_t"),
    ("cell clip", {}, {"cell_clip": 0.1}, "c_t"),
    ("clip before the output", {"cell_clip": 0.1}, {"output_clip": 0.1}, "c_t"),
    ("output clip", {}, {"output_clip": 0.1}, "h_t"),
    ("peephole", {}, {"peephole": True}, "z_i"),
    ("gate activation", {}, {"gate_activation": "hard_sigmoid"}, "i_t"),
    ("candidate activation", {}, {"candidate_activation": "softsign"}, "c_tilde"),
    ("output activation", {}, {"output_activation": "relu"}, "h_t"),
    ("coupled", {}, {"coupled": True}, "f_t"),
    ("lost biases", {}, {"bias": "none"}, "z_i"),
    ("one bias, the wrong one of two", {"bias": "two"}, {"bias": "wrong"}, "z_i"),
]


def traced(options: dict[str, Any], dtype: str = "float64", seed: int = 1, **run: Any) -> Trace:
    """The cell of `options` with the weights that all cells of one seed share, states that are not zero."""
    rng = np.random.default_rng(seed)
    whole = weights(rng, {"bias": "two", "peephole": True}, I, H)
    x, states = rng.normal(size=(T, B, I)), rng.normal(size=(2, 1, B, H))
    bias = options.get("bias", "one")
    held = {
        name: array for name, array in whole.items() if name[:2] in ("W_", *(["w_"] * bool(options.get("peephole"))))
    }
    for g in "ifco":
        one, two = whole[f"b_x{g}"], whole[f"b_h{g}"]
        held |= {
            "one": {f"b_{g}": one + two}, "wrong": {f"b_{g}": one}, "none": {}, "two": {f"b_x{g}": one, f"b_h{g}": two},
            "two-lost": {f"b_x{g}": one, f"b_h{g}": 0 * two},
        }[bias]  # fmt: skip
    if options.get("coupled"):
        held = {name: array for name, array in held.items() if not name.endswith("f")}
    cell = {"kind": "lstm", **{n: v for n, v in options.items() if n != "bias"}}
    return lt.run(held, x, cell=run.pop("cell", cell), dtype=dtype, h0=states[0], c0=states[1], **run)


@pytest.mark.few(3)
@pytest.mark.parametrize("tolerance", [Tolerance(), Tolerance(atol=1e-4)], ids=["bound", "atol"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("name", "one", "two", "line"), some(CELLS, 6), ids=lambda v: v if isinstance(v, str) else "")
def test_the_line_whose_equation_differs_is_named(
    name: str, one: dict[str, Any], two: dict[str, Any], line: str, turned: bool, dtype: str, tolerance: Tolerance
) -> None:
    a, b = (traced(options, dtype) for options in ((two, one) if turned else (one, two)))
    found = compare(a, b, tolerance)
    assert not found.same
    assert found.first is not None
    assert found.first.line == line
    assert found.first.first is not None
    assert found.first.first_values is not None
    assert found.first.first.t == 0
    x, y = found.first.first_values
    equations = [t.stages[0].cell.equations[line] for t in (a, b)]
    sides = f"its equation differs: a has {line} = {equations[0]}, b has {line} = {equations[1]}; "
    if two.get("coupled") and not turned:  # of a's f_t = sigmoid(z_f) the cell b has neither z_f nor its weights
        assert found.first.first_local is found.first.local is None
        why = "b has no z_f, so a's equation cannot be evaluated for b"
        assert verdict(found)[1] == f"{sides}{why}; the values are {abs(y - x):.3g} apart"
        return
    assert found.first.first_local is not None
    assert found.first.first_local == pytest.approx(abs(y - x), rel=1e-3)
    assert verdict(found)[1].startswith(f"{sides}b's value is ")


def test_one_of_two_biases_lost_is_a_premise() -> None:
    found = compare(traced({"bias": "two"}), traced({"bias": "two-lost"}))
    assert found.first is not None
    assert str(found.first.first) == "0/forward/0/0/z_i[0]"
    assert "is inherited from its operands (inputs or weights differ)" in verdict(found)[1]


@pytest.mark.few(2)
@pytest.mark.parametrize("dtypes", [("float64",) * 2, ("float32",) * 2, ("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_one_bias_for_two_is_the_same(dtypes: tuple[str, str], size: float) -> None:
    """b = b_x + b_h, also where the two nearly cancel and so round by more than their sum."""
    start = traced({"bias": "two"})
    rng = np.random.default_rng(5)
    two = dict(start.parameters["0/forward"])
    for g in "ifco":
        two[f"b_x{g}"] = size * rng.normal(size=H)
        two[f"b_h{g}"] = two[f"b_h{g}"] - two[f"b_x{g}"]
    one = {n: v for n, v in two.items() if n[0] == "W"} | {f"b_{g}": two[f"b_x{g}"] + two[f"b_h{g}"] for g in "ifco"}
    states = {short: start.initial["0/forward"][state] for short, state in (("h0", "h_prev"), ("c0", "c_prev"))}
    for weights_of in ((one, two), (two, one)):
        a, b = (lt.run(w, start.x, dtype=d, **states) for w, d in zip(weights_of, dtypes, strict=True))
        assert a.stages != b.stages
        found = compare(a, b)
        assert any(d.max_abs > 0 for d in found.lines)
        assert found.same, verdict(found)
        assert verdict(found)[0].endswith(" in one line), although inputs or weights are in one of the two only")
        side = "a" if weights_of[0] is two else "b"
        assert f"input or weight: 0/forward: only in {side}: b_xi, b_hi, b_x" in " ".join(verdict(found))
        assert "the cells differ in z_i" in " ".join(verdict(found))


@pytest.mark.few(1)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "gate",
    [
        "z_{g} = b_{g} + W_h{g} @ h_prev + W_x{g} @ x_t",
        "u_{g} = W_h{g} @ h_prev + b_{g}\nz_{g} = u_{g} + W_x{g} @ x_t",
        "u_{g} = 3 * b_{g}\nv_{g} = W_h{g} @ h_prev + u_{g}\nz_{g} = v_{g} + W_x{g} @ x_t - 2 * b_{g}",
    ],
)
def test_a_sum_in_another_order_is_the_same(gate: str, dtype: str) -> None:
    rows = [gate.replace("{g}", g) for g in "ifco"]
    for g, name in zip("ifco", ("i_t", "f_t", "c_tilde", "o_t"), strict=True):
        rows.append(f"{name} = {'tanh' if g == 'c' else 'sigmoid'}(z_{g})")
    rows += ["c_t = i_t * c_tilde + f_t * c_prev", "h_t = tanh(c_t) * o_t"]
    text = "\n".join([*rows, "carry: h_prev <- h_t, c_prev <- c_t", "output: h_t"])
    plain, other = traced({}, dtype), traced({}, dtype, cell={"equations": text})
    for a, b in ((plain, other), (other, plain)):
        found = compare(a, b)
        assert any(d.max_abs > 0 for d in found.lines)
        assert found.same, verdict(found)
    wrong = traced({}, dtype, cell={"equations": text.replace("c_prev <- c_t", "c_prev <- h_t")})
    found = compare(plain, wrong)
    assert found.first is not None
    assert str(found.first.first) == "0/forward/1/0/f_t * c_prev[0]"
    assert "its equation differs: a has c_prev <- c_t, b has c_prev <- h_t" in verdict(found)[1]


def stacked(**run: Any) -> Trace:
    """Two directions, two layers; both merges that are tried leave the width as it is."""
    rng = np.random.default_rng(4)
    arrays = {
        f"{layer}/{d}/{n}": v
        for layer, wide in ((0, I), (1, H))
        for d in ("forward", "reverse")
        for n, v in weights(rng, {}, wide, H).items()
    }
    return lt.run(arrays, rng.normal(size=(T, B, I)), **run)


def test_merge_and_padding_are_named_where_they_differ() -> None:
    found = compare(stacked(options={"merge": "sum"}), stacked(options={"merge": "mean"}))
    assert found.first is not None
    assert str(found.first.first) == "0/joined/0/0/y_t[0]"
    assert "a has y_t = y_forward + y_reverse, b has y_t = 0.5 * (y_forward + y_reverse)" in verdict(found)[1]
    zero, repeat = (traced({"padding": p}, lengths=[T, 3]) for p in ("zero", "repeat"))
    found = compare(zero, repeat)
    assert found.first is not None
    assert str(found.first.first) == "0/forward/3/1/y_t[0]"
    assert "b has y_t = where(valid, h_t, y_prev)" in verdict(found)[1]


def test_lengths_in_one_alone_differ_past_the_end() -> None:
    found = compare(traced({}), traced({}, lengths=[T, 3]))
    assert found.first is not None
    assert str(found.first.first) == "0/forward/4/1/W_hi @ h_prev[0]"
    assert "a has h_prev <- h_t, b has h_prev <- where(valid, h_t, h_prev)" in verdict(found)[1]
    part = compare(traced({"padding": "carry"}, lengths=[T, T]), traced({"padding": "carry"}, lengths=[T, 3]))
    assert part.first is not None
    assert part.first.first is not None
    assert (part.first.first.t, part.first.first.b) == (3, 1)


def test_an_error_in_the_reference_is_the_reference_s() -> None:
    a, b = traced({}), traced({})
    a.lines["0/forward"]["o_t"][2, 1, 3] += 1e-6
    found = compare(a, b)
    assert found.first is not None
    assert str(found.first.first) == "0/forward/2/1/o_t[3]"
    assert verdict(found)[1].startswith("a's value is off by 1e-06")


def test_what_only_one_has_is_no_difference() -> None:
    """Steps, rows and lines of one alone; but a fault in a line that is not in both still shows in those that are."""
    whole = traced({})
    part = traced({}, record={"lines": ["h_t", "c_t"]})
    found = compare(whole, part)
    assert found.same
    assert found.notes
    assert compare(part, whole).same
    assert compare(whole, whole.at(steps=slice(1, 4))).same
    forget = traced({"forget_bias": 1.0}, record={"lines": ["h_t", "c_t"]})
    for a, b in ((whole, forget), (forget, whole), (part, traced({"forget_bias": 1.0})), (part, forget)):
        found = compare(a, b)
        assert found.first is not None
        assert str(found.first.first) == "0/forward/0/0/c_t[0]"
        assert "z_f = W_xf @ x_t + W_hf @ h_prev + b_f + 1" in verdict(found)[1]


def test_a_wrong_line_that_only_the_reference_has_shows_in_what_follows_from_it() -> None:
    """Each line that both have is right by what its own program recorded."""
    rng = np.random.default_rng(3)
    held = {"W_xi": rng.normal(size=(H, I)), "W_hi": rng.normal(size=(H, H))}
    a, b = (lt.run(held, np.full((1, B, I), 0.5), ask="i_t") for _ in range(2))
    for name in ("W_xi @ x_t", "W_hi @ h_prev", "z_i"):
        del b.lines["0/forward"][name]
    assert compare(a, b).same
    a.lines["0/forward"]["z_i"][0, 1, 2] += 0.25
    a.lines["0/forward"]["i_t"][0, 1, 2] = 1 / (1 + np.exp(-a["z_i"][0, 1, 2]))
    for one, two in ((a, b), (b, a)):
        found = compare(one, two)
        assert found.first is not None
        assert str(found.first.first) == "0/forward/0/1/i_t[2]"
        assert found.first.differing == 1


def test_premises_that_differ_without_effect_are_told() -> None:
    a = traced({})
    x = a.x.copy()
    other = lt.run({**a.parameters["0/forward"], "W_hi": a.parameters["0/forward"]["W_hi"] + 1}, x[:1], ask="i_t")
    found = compare(lt.run(a.parameters["0/forward"], x[:1], ask="i_t"), other)  # one step from zero states: W_h h is 0
    assert found.same
    assert verdict(found)[0].endswith("although inputs or weights differ")
    assert verdict(found)[1] == "b has a's W_hi with 1 added"
    assert verdict(found)[2].startswith("input or weight: 0/forward/W_hi: 16 of 16 differ")


def test_nothing_in_common_is_trouble(tmp_path: Any) -> None:
    traced({}, record={"lines": ["h_t"]}).save(tmp_path / "a.json")
    traced({}, record={"lines": ["c_t"]}).save(tmp_path / "b.json")
    run = CliRunner().invoke(main, ["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert run.exit_code == 2
    assert "the traces have no value in common: a has 0/forward/h_t, b has 0/forward/c_t" in run.stderr


@pytest.mark.filterwarnings("error")
def test_zero_against_a_number_is_told_without_a_warning() -> None:
    cell = {"equations": "h_t = W @ x_t"}
    found = lt.diff(lt.run({"W": [[0.0]]}, [[1.0]], cell=cell), lt.run({"W": [[1e-3]]}, [[1.0]], cell=cell))
    assert not found.same
    assert found.lines[0].max_abs == 1e-3
    assert found.lines[0].max_rel == np.inf


@pytest.mark.parametrize(("dtype", "small"), [("float64", 1e-13), ("float32", 1e-5)])
def test_the_bound_hides_no_small_error(dtype: str, small: float) -> None:
    """A few tens of units in the last place are reported, also where no line but h_t was recorded."""
    found = compare(traced({}, dtype), traced({"forget_bias": small}, dtype))
    assert found.first is not None
    assert found.first.line == "z_f"
    lines = {"lines": ["h_t"]}
    found = compare(traced({}, dtype), traced({"forget_bias": 10 * small}, dtype, record=lines))
    assert found.first is not None
    assert found.first.line == "h_t"


SUM = "c_t = W @ x_t + 0.5 * c_prev\ns_t = sum({})\ncarry: c_prev <- c_t\noutput: s_t"
GRID = SUM.replace("W @ x_t", "outer(W @ x_t, x_t)").replace("c_", "C_")


@pytest.mark.parametrize("record", [None, {"lines": ["s_t"]}])
@pytest.mark.parametrize(
    "text", [SUM.format("c_t"), SUM.format("c_prev"), SUM.format("W @ x_t"), GRID.format("C_t"), GRID.format("C_prev")]
)
def test_a_line_that_reads_values_of_another_size_has_no_error_of_its_own(text: str, record: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 1, 2))
    a, b = (lt.run({"W": rng.normal(size=(n, 2))}, x, cell={"equations": text}, record=record) for n in (3, 2))
    line = next(line for line in compare(a, b).lines if line.line == "s_t")
    assert (line.differing > 0, line.local, line.inherited) == (True, pytest.approx(0, abs=1e-15), line.max_abs)


def test_operands_of_another_shape_and_the_same_number_of_entries_are_b_s_own() -> None:
    text = "C_t = outer(W @ x_t, V @ x_t) + 0.5 * C_prev\ns_t = sum(C_t)\ncarry: C_prev <- C_t\noutput: s_t"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 1, 2))
    a, b = (
        lt.run({"W": rng.normal(size=(n, 2)), "V": rng.normal(size=(6 // n, 2))}, x, cell={"equations": text},
               initial={"C_prev": rng.normal(size=(1, n, 6 // n))})
        for n in (3, 2)
    )  # fmt: skip
    line = next(line for line in compare(a, b).lines if line.line == "s_t")
    assert (line.differing, line.local) == (3, pytest.approx(0, abs=1e-14))
