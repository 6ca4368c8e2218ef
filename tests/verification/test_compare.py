"""diff: aligned by address, first difference in computing order, local error apart from inherited."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import OptionError, ShapeError
from lstm_trace.results.comparison import COLUMNS
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.compare import Tolerance, compare

from ..support.results import unpadded, verdict
from .test_verify import traced


def changed(trace: Trace, scope: str, name: str, by: float) -> Trace:
    """The same trace with one value of a line changed."""
    lines = {s: {n: a.copy() for n, a in values.items()} for s, values in trace.lines.items()}
    lines[scope][name][2, 1, 3] += by
    return replace(trace, lines=lines)


def test_the_same_run_is_the_same() -> None:
    found = compare(traced({}), traced({}))
    assert found.same
    assert all(d.max_abs == 0 and d.cosine == pytest.approx(1) and d.snr == np.inf for d in found.lines)
    assert verdict(found)[0].startswith("same: all ")
    assert all(not d.inherited for d in found.lines), "of what is equal nothing is inherited"


def test_what_is_equal_inherits_nothing_beside_what_differs() -> None:
    """Sums of many terms, which re-deriving rounds otherwise than the run did."""
    draw = np.random.default_rng(2)
    weights = {f"W_{s}{g}": draw.normal(size=(40, 60 if s == "x" else 40)) for s in "xh" for g in "ifco"}
    other = {**weights, "W_hf": weights["W_hf"] * 1.5}
    x = draw.normal(size=(9, 60))
    found = {d.line: d for d in compare(lt.run(weights, x), lt.run(other, x)).lines}
    for gate in "ifco":
        assert found[f"W_x{gate} @ x_t"].max_abs == 0
        assert found[f"W_x{gate} @ x_t"].inherited == 0
    assert found["W_hi @ h_prev"].inherited


def test_a_float32_run_differs_by_rounding_alone() -> None:
    found = compare(traced({}), traced({}, dtype="float32"))
    assert found.same
    assert 0 < max(d.max_abs for d in found.lines) < 1e-4


def test_one_wrong_value_is_named_and_its_own_fault() -> None:
    a = traced({})
    found = compare(a, changed(a, "1/forward", "i_t", 1e-6))
    assert not found.same
    assert found.first is not None
    assert str(found.first.first) == "1/forward/2/1/i_t[3]"
    assert found.first.local == pytest.approx(1e-6)
    assert found.first.inherited == 0
    assert [d.line for d in found.lines if d.differing] == ["i_t"]
    assert "the line itself is off by 1e-06" in verdict(found)[1]


def test_a_changed_weight_is_a_premise_and_all_else_inherits() -> None:
    a, b = traced({}), traced({})
    weight = b.parameters["0/reverse"]["W_hf"] + 0.0
    weight[1, 2] += 0.01
    import lstm_trace as lt

    weights = {f"{s}/{n}": v for s, here in b.parameters.items() for n, v in here.items()}
    weights["0/reverse/W_hf"] = weight
    rng_states = [np.stack([b.initial[s][n] for s in b.initial]) for n in ("h_prev", "c_prev")]
    b = lt.run(weights, a.x, h0=rng_states[0], c0=rng_states[1])
    found = compare(a, b)
    assert found.premises == ("0/reverse/W_hf: 1 of 25 differ, by at most 0.01; first [1,2]",)
    assert found.first is not None
    assert found.first.line == "W_hf @ h_prev"
    assert found.first.first is not None
    assert found.first.first.t == 3  # the reverse direction begins at the last step
    assert max(d.local or 0 for d in found.lines) < 1e-14
    assert "is inherited from its operands (inputs or weights differ)" in verdict(found)[1]


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("tolerance", "same"),
    [
        (Tolerance(atol=1.1e-6), True), (Tolerance(atol=0.9e-6), False), (Tolerance(rtol=1.0), True),
        (Tolerance(ulps=4), False), (Tolerance(ulps=1e12), True), (Tolerance(rtol=0.0), False),
    ],
)  # fmt: skip
def test_tolerances(tolerance: Tolerance, same: bool) -> None:
    a = traced({})
    assert compare(a, changed(a, "0/forward", "f_t", 1e-6), tolerance).same is same


@pytest.mark.few(0)
def test_what_cannot_be_aligned_is_a_note() -> None:
    a, b = traced({}), traced({"peephole": True}, layers=1)
    notes = compare(a, b).notes
    assert any("1/forward is only in a" in note for note in notes)
    assert any("the cells differ in z_i" in note for note in notes)
    assert not any("only in b: w_ci" in note for note in notes)  # a part of those equations
    texts = (f"h_t = W @ x_t\n{more}output: h_t" for more in ("", "q_t = h_t * h_t\n"))
    one, two = (lt.run({"W": [[1.0]]}, [[1.0]], cell={"equations": text}) for text in texts)
    assert "0/forward: only in b: q_t" in compare(one, two).notes
    assert "- note: " in compare(a, b).report()


def test_nan_on_one_side_differs() -> None:
    a = traced({})
    found = compare(a, changed(a, "0/forward", "c_t", np.nan))
    assert found.first is not None
    assert found.first.line == "c_t"


def test_views_agree() -> None:
    a = traced({})
    found = compare(a, changed(a, "1/reverse", "o_t", 1e-3))
    frame = found.lines_frame()
    assert list(frame.columns) == list(COLUMNS)
    assert frame.loc[frame.differing > 0, "line"].tolist() == ["o_t"]
    data = json.loads(found.as_json())
    assert data["same"] is False
    assert [row["line"] for row in data["lines"] if row["differing"]] == ["o_t"]
    assert "| `1/reverse/o_t` | 1/40 | 0.001 |" in unpadded(found.report())


@pytest.mark.few(2)
@pytest.mark.parametrize("option", ["--rtol", "--atol", "--ulps"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1"])
def test_a_tolerance_that_is_none_is_trouble(tmp_path: Any, option: str, value: str) -> None:
    """Not "different", of a file and itself: the command and `lt.diff` have one check."""
    path = str(tmp_path / "a.json")
    traced({}).save(path)
    run = CliRunner().invoke(main, ["diff", path, path, option, value])
    assert run.exit_code == 2
    assert run.stdout == ""
    found = float(value)
    assert run.stderr == f"error: {option[2:]}: expected a finite number of at least 0, found {found!r}\n"
    with pytest.raises(OptionError, match=f"{option[2:]}: expected a finite number"):
        compare(traced({}), traced({}), Tolerance(**{option[2:]: found}))


def test_models_of_other_sizes_are_said_to_be_that() -> None:
    """No line is to blame where its operands have other shapes; without a common value the widths are reported."""

    def sized(units: int, wide: int) -> Trace:
        rng = np.random.default_rng(units)
        weights = {f"W_x{g}": rng.normal(size=(units, wide)) for g in "ifco"}
        weights |= {f"W_h{g}": rng.normal(size=(units, units)) for g in "ifco"}
        return lt.run(weights, np.ones((3, wide)))

    said = verdict(compare(sized(2, 3), sized(2, 4)))
    assert "its operands have other shapes in b (W_xi (2, 3) and (2, 4), x_t (3,) and (4,))" in said[1]
    with pytest.raises(ShapeError, match=r"no value in common: 0/forward/W_xi @ x_t: a has width 2, b has width 5, "):
        compare(sized(2, 3), sized(5, 3))


def test_a_supplied_line_that_neither_trace_holds() -> None:
    """Such a trace is read: verify cannot tell, and diff compares what does not read the line."""
    supplied = {"f_t": [[0.5], [0.25]], "i_t": [[0.5], [0.1]], "c_tilde": [[0.3], [0.2]]}
    told = {"weights": {"W_xo": [[0.5, 1.0]], "W_ho": [[0.25]]}, "x": [[1.0, 2.0], [0.0, 1.0]], "given": supplied}
    whole, less = lt.run(told), lt.run(told)
    del less.given["0/forward"]["f_t"]
    for a, b in ((less, less), (whole, less), (less, whole)):
        assert lt.diff(a, b).same
    less.lines["0/forward"]["o_t"][0] += 0.1
    found = lt.diff(less, lt.run(told))
    assert found.first is not None
    assert found.first.line == "o_t"


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 0x7D00), ("float32", 0x7FA00000), ("float64", 0x7FF4 << 48)])
def test_a_signalling_nan_is_compared_without_a_warning(dtype: str, bits: int) -> None:
    cell = {"equations": "v = W @ x_t\nw = tanh(v)"}
    arithmetic: dict[str, Any] = {"arithmetic": "float16"} if dtype == "float16" else {"dtype": dtype}
    trace = lt.run({"W": [[1.0]]}, [[1.0], [2.0], [3.0]], cell=cell, **arithmetic)
    held = trace.lines["0/forward"]
    held["w"] = held["w"].astype(dtype)  # a file may hold a line in another precision
    held["w"].view(f"u{held['w'].itemsize}")[1] = bits
    with np.errstate(all="raise"):
        assert lt.diff(trace, trace).same
