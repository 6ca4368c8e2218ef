"""An LSTM written as Keras writes it, `x_t @ W` and slices of one z, against scalar loops, and in every view."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.trace.trace import Trace

from ..support import oracle
from ..support.rounding import numbers, within

T, B, I, H = 4, 2, 2, 3  # noqa: E741
KERAS = """
z = x_t @ W + h_prev @ U + b
i_t = sigmoid(z[0:3])
f_t = sigmoid(z[3:6])
c_tilde = tanh(z[6:9])
o_t = sigmoid(z[9:12])
c_t = f_t * c_prev + i_t * c_tilde
h_t = o_t * tanh(c_t)
carry: h_prev <- h_t, c_prev <- c_t
"""
RNG = np.random.default_rng(17)
#: As Keras stores them: gates side by side in the order i, f, c, o.
STORED = {"W": RNG.normal(size=(I, 4 * H)), "U": RNG.normal(size=(H, 4 * H)), "b": RNG.normal(size=4 * H)}
X, H0, C0 = RNG.normal(size=(T, B, I)), RNG.normal(size=(B, H)), RNG.normal(size=(B, H))
CASE: dict[str, Any] = {"cell": {"equations": KERAS}, "initial": {"h_prev": H0, "c_prev": C0}}


def split() -> dict[str, Any]:
    """The same weights gate by gate, turned as `W @ x_t` wants them."""
    found: dict[str, Any] = {}
    for k, gate in enumerate("ifco"):
        units = slice(k * H, (k + 1) * H)
        found |= {f"W_x{gate}": STORED["W"][:, units].T, f"W_h{gate}": STORED["U"][:, units].T}
        found[f"b_{gate}"] = STORED["b"][units]
    return found


def traced(**options: Any) -> Trace:
    return lt.run(STORED, X, **{**CASE, **options})


@pytest.mark.parametrize("plan", ["lines", "planned", "auto"])
def test_scalar_loops_give_every_line(plan: str) -> None:
    trace = traced(plan=plan)
    w = {name: array.tolist() for name, array in split().items()}
    for b in range(B):
        h, c = H0[b], C0[b]
        for t in range(T):
            lines = oracle.step(w, numbers(X[t, b]), numbers(h), numbers(c))
            for name in ("i_t", "f_t", "c_tilde", "o_t", "c_t", "h_t"):
                within(trace[name][t, b], lines[name])
            within(trace["z"][t, b], [value for gate in "ifco" for value in lines[f"z_{gate}"]])
            within(trace["z[3:6]"][t, b], lines["z_f"])
            h, c = trace["h_t"][t, b], trace["c_t"][t, b]


def test_the_named_cell_gives_the_same() -> None:
    ours, named = traced(), lt.run(split(), X, h0=H0, c0=C0, cell={"kind": "lstm", "bias": "one"})
    for name in ("i_t", "f_t", "c_tilde", "o_t", "c_t", "h_t"):
        np.testing.assert_allclose(ours[name], named[name], rtol=0, atol=8 * np.finfo(float).eps)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_verify_proves_it_and_finds_each_change(dtype: str) -> None:
    trace = traced(dtype=dtype)
    assert lt.verify(trace).verdict == "verified"
    for name, array in trace.lines["0/forward"].items():
        before = array[2, 1, 1]
        array[2, 1, 1] = before + 1e-3
        found = lt.verify(trace)
        assert [str(f.address) for f in found.failures] == [f"0/forward/2/1/{name}[1]"], name
        array[2, 1, 1] = before
    part = trace.lines["0/forward"]["z[0:3]"][0, 0]  # an exact copy
    part[2:] = np.nextafter(part[2:], np.inf)
    assert [str(f.address) for f in lt.verify(trace).failures] == ["0/forward/0/0/z[0:3][2]"]


def test_by_hand_it_is_rounded_as_a_person_would() -> None:
    trace = traced(arithmetic="by-hand-2")
    from decimal import ROUND_HALF_UP, Decimal

    def rounded(value: Decimal) -> Decimal:
        return value.quantize(Decimal("0.01"), ROUND_HALF_UP)

    def product(vector: Any, matrix: Any, j: int) -> Decimal:
        terms = [
            rounded(Decimal(repr(float(v))) * Decimal(repr(float(w)))) for v, w in zip(vector, matrix, strict=True)
        ]
        return sum(terms, Decimal(0)) if j >= 0 else Decimal(0)

    for j in range(4 * H):
        x, h = product(X[0, 1], STORED["W"][:, j], j), product(H0[1], STORED["U"][:, j], j)
        assert trace["x_t @ W"][0, 1, j] == float(x)
        assert trace["h_prev @ U"][0, 1, j] == float(h)
    assert (trace["z[6:9]"] == trace["z"][..., 6:9]).all()
    assert lt.verify(trace).verdict == "verified"


def test_addresses_of_parts() -> None:
    trace = traced(ask=["z[0:3]", "0/forward/2/1/z[3:6][1]", "c_t"])
    assert [address.line for address in trace.asked()] == ["z[0:3]", "z[3:6]", "c_t"]
    address = trace.locate("2/1/z[3:6][1]")
    assert (str(address), address.line, address.unit) == ("0/forward/2/1/z[3:6][1]", "z[3:6]", (1,))
    assert str(trace.locate("0/forward/2/1/z[4]")) == "0/forward/2/1/z[4]"
    with pytest.raises(lt.LstmTraceError, match=r"z\[0:2\].*did you mean"):
        trace.locate("2/1/z[0:2][0]")
    with pytest.raises(lt.LstmTraceError, match=r"there is no z\[3:6\]\[3\]; z\[3:6\] has \[0\] to \[2\]"):
        traced(ask=["z[3:6][3]"])


def test_a_saved_trace_reads_back(tmp_path: Path) -> None:
    trace = traced()
    for suffix in ("json", "safetensors"):
        trace.save(tmp_path / f"t.{suffix}")
        loaded = lt.load(tmp_path / f"t.{suffix}")
        assert loaded.stages == trace.stages
        assert all((loaded[name] == trace[name]).all() for name in trace.lines["0/forward"])


#: What is done to a file that lacks W, and what is said.
PARTLY: dict[str, Any] = {
    "lines 0/forward/z[0:3]: width 2, expected 3": lambda d: narrowed(d["lines"]["0/forward"], "z[0:3]", 2),
    "lines 0/forward/h_prev @ U: width 11, expected 12": lambda d: narrowed(d["lines"]["0/forward"], "h_prev @ U", 11),
    "line `h_prev @ U`: the widths of its operands do not fit (h_prev: 3)": lambda d: d["parameters"][
        "0/forward"
    ].update(U=[[0.5] * 12] * 4),
    "line `z[9:12]` reads units 9 to 11 of z, which has width 10": lambda d: (
        narrowed(d["lines"]["0/forward"], "z", 10),
        d["parameters"]["0/forward"].pop("U"),
        d["parameters"]["0/forward"].pop("b"),
        [
            d["lines"]["0/forward"].pop(name)
            for name in ("x_t @ W", "h_prev @ U", "h_prev @ U + b")
            if name in d["lines"]
        ],
    ),
}


def narrowed(lines: dict[str, Any], name: str, width: int) -> None:
    lines[name] = [[units[:width] for units in rows] for rows in lines[name]]


@pytest.mark.parametrize("message", PARTLY)
def test_widths_that_contradict_each_other_in_a_file_are_told(tmp_path: Path, message: str) -> None:
    """Of a file without one of the weights, too: line by line."""
    traced().save(tmp_path / "t.json")
    data = json.loads((tmp_path / "t.json").read_text())
    del data["parameters"]["0/forward"]["W"]
    (tmp_path / "t.json").write_text(json.dumps(data))
    assert lt.verify(lt.load(tmp_path / "t.json")).verdict == "inconclusive"
    PARTLY[message](data)
    (tmp_path / "t.json").write_text(json.dumps(data))
    with pytest.raises(lt.LstmTraceError) as error:
        lt.load(tmp_path / "t.json")
    assert message in str(error.value)


def test_the_command_line_shows_reports_and_exports(tmp_path: Path) -> None:
    file, table = tmp_path / "t.json", tmp_path / "t.csv"
    traced().save(file)

    def told(*words: str) -> str:
        found = CliRunner().invoke(main, [*words])
        assert found.exit_code == 0, found.output
        return found.output

    trace = traced()
    assert "z[3:6]" in told("show", str(file), "--line", "z[3:6]")
    assert f"{trace['z[3:6]'][2, 1, 1]:.4f}" in told(
        "show", str(file), "--line", "z[3:6]", "--steps", "2", "--batch", "1"
    )
    told("verify", str(file))
    told("export", str(file), "-o", str(table))
    with table.open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["line"] == "z[3:6]" and row["t"] == "2"]
    assert [(row["op"], row["unit"]) for row in rows] == [("slice", str(j)) for _ in range(B) for j in range(H)]
    assert [float(row["value"]) for row in rows] == trace["z[3:6]"][2].ravel().tolist()
    assert "z[3:6]" in told("report", str(file), "--line", "z[3:6]", "--steps", "2")


@pytest.mark.few(0)
def test_the_report_turns_the_matrices_so_that_vectors_are_columns() -> None:
    text = lt.run(STORED, X, **CASE).report("md", detail="scalar")
    assert r"z = W^{\top}\,x_t + U^{\top}\,h_{t-1} + b" in text
    assert r"f_t = \sigma(z[3:6])" in text
    assert "is the part of z from unit 2 to unit 4, counted from 0" in text
    first = lt.run({}, [[1.0, 2.0]], cell={"equations": "h_t = x_t * (x_t[0] < x_t)"}).report("text", detail="scalar")
    assert "h_t = x_t ⊙ [x_t > x_t[0]]" in first
    assert "unit 1: (2)(1.0000) = 2.0000" in first
    assert "unit 1: [2 > 1] = 1.0000" in first
    assert "[a > b] is 1 where a is greater than b, and 0 elsewhere" in " ".join(first.split())
    plain = lt.run(STORED, X, **CASE).report("text")
    assert "z = Wᵀ x_t + Uᵀ h_{t-1} + b" in plain


def test_gradients_are_those_of_the_named_cell() -> None:
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(T, B, H))
    ours = lt.gradients(traced(), output=weights)
    named = lt.gradients(lt.run(split(), X, h0=H0, c0=C0, cell={"kind": "lstm", "bias": "one"}), output=weights)
    for k, gate in enumerate("ifco"):
        units = slice(k * H, (k + 1) * H)
        close = {"rtol": 1e-12, "atol": 1e-13}
        np.testing.assert_allclose(ours["0/forward/W"][:, units].T, named[f"0/forward/W_x{gate}"], **close)
        np.testing.assert_allclose(ours["0/forward/U"][:, units].T, named[f"0/forward/W_h{gate}"], **close)
        np.testing.assert_allclose(ours["0/forward/b"][units], named[f"0/forward/b_{gate}"], **close)
    for name in ("x", "h0", "c0"):
        np.testing.assert_allclose(ours[name], named[name], **close)
