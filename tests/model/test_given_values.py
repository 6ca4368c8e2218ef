"""Values of a foreign program: read with each fault told by its row; a right port is the same, a wrong one named."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import FileError
from lstm_trace.languages.strings import words
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.compare import compare

from ..support.given import read_external
from ..support.results import verdict
from ..support.tiers import some
from ..verification.test_verify import traced


def test_values_of_a_foreign_program(tmp_path: Path) -> None:
    a = traced({}, layers=1, both=False)
    rows = [{"t": t, "b": b, "line": "i_t", "value": a["i_t"][t, b].tolist()} for t in range(4) for b in range(2)]
    rows[5]["value"][1] += 0.125  # type: ignore[index]
    path = tmp_path / "port.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    b, remarks = read_external(path, a)
    assert remarks == []
    found = compare(a, b)
    assert found.first is not None
    assert str(found.first.first) == "0/forward/2/1/i_t[1]"
    table = tmp_path / "port.csv"
    table.write_text("t,batch,line,unit,value\n1,0,h_t,3,0.5\n")
    b, remarks = read_external(table, a)
    digits = "the values are exact to half a unit of their last printed digit, up to 0.05; smaller errors"
    assert [remark.said(words()) for remark in remarks] == [
        f"{digits} cannot be detected",
        "0/forward/h_t: 1 of 40 values are in the file",
    ]
    assert b["h_t"][1, 0, 3] == 0.5


def test_foreign_values_that_run_away_do_not_hide_where_that_began(tmp_path: Path) -> None:
    a = traced({}, layers=1, both=False, dtype="float32")
    path = tmp_path / "port.csv"
    path.write_text("t,batch,line,unit,value\n1,0,c_t,3,7\n2,0,c_t,3,1e60\n")
    found = compare(a, read_external(path, a)[0])
    assert found.first is not None
    assert str(found.first.first) == "0/forward/1/0/c_t[3]"


@pytest.mark.few(15)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t,value\n0,1\n", "row 2: batch is missing, and h_t has 2 of them"),
        ("t,line,value\n0,i_t,1\n", "row 2: batch is missing, and i_t has 2 of them"),
        ("t,batch,line,value\n0,0,i_x,1\n", "row 2: the reference has no line 'i_x'; did you mean 'i_t'?"),
        ("t,batch,line,value\n9,0,i_t,1\n", "row 2: t 9 does not exist; i_t has 0 to 3"),
        ("t,batch,line,unit,value\n0,0,i_t,7,1\n", "row 2: unit 7 does not exist; i_t has 5"),
        ("t,batch,line,unit,value\n0,0,i_t,1,one\n", "row 2: value is 'one'; expected a number"),
        ("t,batch,line,unit,value\n0,0,i_t,1,\n", "row 2: value is ''; expected a number"),
        ("t,batch,line,unit,value\n0,0,i_t,1\n", "row 2: no value"),
        ("t,batch,line,unit,value\n0,0,i_t,1,0,5\n", "row 2: 6 cells, but there are 5 columns"),
        ("t,batch,line,value\n0,0,i_t,0.5\n", "row 2: unit is missing, and i_t has 5 of them"),
        ("t,batch,line,unit,value\n0.7,0,i_t,1,1\n", "row 2: t is '0.7'; expected a whole number"),
        ("t,batch,line,unit,value\n0,one,i_t,1,1\n", "row 2: batch is 'one'; expected a whole number"),
        ("t,batch,line,unit,value\n\n0,0,i_t,1.9,1\n", "row 3: unit is '1.9'; expected a whole number"),
        ("t,batch,line,unit,value\n0,0,i_t,-1,1\n", "row 2: unit -1 does not exist; i_t has 5"),
        (
            "t,batch,line,unit,value\n0,0,i_t,1,1\n0,1,i_t,1,1\n0.0,0,i_t,1,1\n",
            "row 4: row 2 already has a value for the same 0/forward/0/0/i_t[1]",
        ),
        ('{"t":0.5,"b":0,"line":"i_t","value":[1,2,3,4,5]}', "row 1: t is '0.5'; expected a whole number"),
        ('{"t":true,"b":0,"line":"i_t","value":[1,2,3,4,5]}', "row 1: t is True; expected a whole number"),
        ('{"t":0,"b":0,"line":"i_t","value":[1,2,null,4,5]}', "row 1: value is None; expected a number"),
        ('{"t":0,"b":0,"line":"i_t","value":[[1,2],[3,4]]}', "row 1: i_t has the shape (2, 2); expected "),
        ('{"t":0,"b":0,"line":"i_t","value":null}', "row 1: no value"),
        ('{"t":0,"b":0,"line":"i_t","unit":0,"value":true}', "row 1: value is True; expected a number"),
        (
            '{"t":0,"b":0,"line":"i_t","unit":3,"value":1}\n{"t":0,"b":0,"line":"i_t","value":[1,2,3,4,5]}',
            "row 2: row 1 already has a value for the same 0/forward/0/0/i_t",
        ),
        ("", "expected the columns layer,direction,t,batch,line,unit,value, or numbers; found none"),
        (
            "t,batch,line,unit,value\n",
            "the file has no values; expected JSON lines",
        ),
        ('{"t":0,"b":0,"line":"i_t","value":[1,2]}', "row 1: 2 values; i_t has 5 units"),
        ('{"t":0', "row 1: "),
    ],
)
def test_foreign_faults(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "port.csv"
    path.write_text(text)
    with pytest.raises(FileError) as error:
        read_external(path, traced({}, layers=1, both=False))
    assert message in str(error.value)


def test_an_empty_file_of_json_lines_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "port.jsonl"
    path.write_text("\n")
    with pytest.raises(FileError, match=r'the file has no values; expected JSON lines {"t": 0, "line": "i_t"'):
        read_external(path, traced({}, layers=1, both=False))


# -- ports -------------------------------------------------------------------------------------------------------------

T, I, H = 6, 3, 4  # noqa: E741
NAMED = ("z_i", "i_t", "z_f", "f_t", "z_c", "c_tilde", "z_o", "o_t", "c_t", "h_t")
#: What a port may have printed, and by which line each fault of FAULTS then shows.
PRINTED = {
    "every named line": NAMED,
    "gates and states": ("i_t", "f_t", "c_tilde", "o_t", "c_t", "h_t"),
    "gates alone": ("i_t", "f_t", "c_tilde", "o_t"),
    "states": ("c_t", "h_t"),
    "h alone": ("h_t",),
    "c alone": ("c_t",),
}
#: fault: the step, and the first line of `every named line`, that are wrong.
FAULTS = {
    "no b_o": (0, "z_o"),
    "W_h transposed": (0, "z_i"),
    "W_h transposed, h0 = 0": (1, "z_i"),
    "old c in h": (0, "h_t"),
    "forget bias": (0, "z_f"),
    "i and f swapped": (0, "i_t"),
    "tanh and sigmoid swapped": (0, "i_t"),
}
#: What is said of each; two mistakes at once are named one after the other.
MISTAKES = {
    "no b_o": ["bias-lost:z_o"],
    "W_h transposed": ["transposed:z_*,W_h*,h_prev"],
    "W_h transposed, h0 = 0": ["transposed:z_*,W_h*,h_prev"],
    "old c in h": ["old-cell:h_t"],
    "forget bias": ["constant:z_f,1"],
    "i and f swapped": ["order:i,f"],
    "tanh and sigmoid swapped": ["function:tanh", "function:*_tbutf_t,tanh", "functions-exchanged:sigmoid,tanh"],
}
#: Where a wrong line that was not printed shows first; what is wrong in h, at the next step.
READ_BY = {
    "z_i": "i_t", "i_t": "c_t", "z_f": "f_t", "f_t": "c_t", "c_t": "h_t", "z_o": "o_t", "o_t": "h_t", "h_t": "z_i",
}  # fmt: skip


def reference(dtype: str, zero: bool = False, seed: int = 7) -> Trace:
    rng = np.random.default_rng(seed)
    weights: dict[str, Any] = {}
    for g in "ifco":
        weights |= {
            f"W_x{g}": rng.normal(size=(H, I)),
            f"W_h{g}": rng.normal(size=(H, H)),
            f"b_{g}": rng.normal(size=H),
        }
    states = rng.normal(size=(2, H)) * (not zero)
    return lt.run(weights, rng.normal(size=(T, I)), dtype=dtype, h0=states[0], c0=states[1])


def port(a: Trace, fault: str = "", joined: bool = False) -> Iterator[tuple[int, dict[str, list[float]]]]:
    """The same cell, number by number; sums from the other end, with the bias first or in one product over [h, x]."""
    kind = np.dtype(a.header.dtype).type
    w = {name: array.tolist() for name, array in a.parameters["0/forward"].items()}
    h, c = (a.initial["0/forward"][name][0].tolist() for name in ("h_prev", "c_prev"))

    def gate(g: str, x: list[float]) -> list[Any]:
        out = []
        for j in range(H):
            recurrent = [w[f"W_h{g}"][k][j] if "transposed" in fault else w[f"W_h{g}"][j][k] for k in range(H)]
            bias = 0.0 if fault == "no b_o" and g == "o" else w[f"b_{g}"][j]
            total = kind(bias)
            parts = [*zip(recurrent, h, strict=True), *zip(w[f"W_x{g}"][j], x, strict=True)]
            if joined:
                for p, q in reversed(parts):
                    total = total + kind(p) * kind(q)
            else:
                for part in (parts[H:], parts[:H]):
                    added = kind(0)
                    for p, q in reversed(part):
                        added = added + kind(p) * kind(q)
                    total = total + added
            out.append(total + kind(1) if fault == "forget bias" and g == "f" else total)
        return out

    def sigmoid(z: Any) -> Any:
        return kind(1) / (kind(1) + np.exp(-z))

    for t in range(T):
        z = {g: gate(g, a.x[t, 0].tolist()) for g in "ifco"}
        other = fault == "tanh and sigmoid swapped"
        i, f, o = ([np.tanh(v) if other else sigmoid(v) for v in z[g]] for g in "ifo")
        g = [sigmoid(v) if other else np.tanh(v) for v in z["c"]]
        if fault == "i and f swapped":
            i, f = f, i
        new = [i[j] * g[j] + f[j] * kind(c[j]) for j in range(H)]
        h = [o[j] * np.tanh(kind(c[j]) if fault == "old c in h" else new[j]) for j in range(H)]
        c = new
        yield t, {
            "z_i": z["i"], "i_t": i, "z_f": z["f"], "f_t": f, "z_c": z["c"], "c_tilde": g, "z_o": z["o"], "o_t": o,
            "c_t": c, "h_t": h,
        }  # fmt: skip


def printed(path: Path, values: Iterator[tuple[int, dict[str, list[float]]]], names: tuple[str, ...]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("t", "line", "unit", "value"))
        for t, lines in values:
            writer.writerows((t, name, j, repr(float(v))) for name in names for j, v in enumerate(lines[name]))
    return path


@pytest.mark.few(4)
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("seed", some([7, 8, 9], 2))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("names", PRINTED.values(), ids=PRINTED)
def test_a_right_port_is_the_same(names: tuple[str, ...], dtype: str, seed: int, joined: bool, tmp_path: Path) -> None:
    a = reference(dtype, seed=seed)
    b, remarks = read_external(printed(tmp_path / "port.csv", port(a, joined=joined), names), a)
    assert remarks == []
    found = compare(a, b)
    assert any(d.max_abs > 0 for d in found.lines)  # it did round in another way
    assert found.same, verdict(found)


@pytest.mark.few(4)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("names", PRINTED.values(), ids=PRINTED)
def test_a_wrong_port_is_named(names: tuple[str, ...], fault: str, dtype: str, tmp_path: Path) -> None:
    step, line = FAULTS[fault]
    while line not in names:
        step, line = step + (line == "h_t"), READ_BY[line]
    a = reference(dtype, zero="h0 = 0" in fault)
    b, _ = read_external(printed(tmp_path / "port.csv", port(a, fault), names), a)
    found = compare(a, b)
    assert found.first is not None
    assert found.first.first is not None
    at = found.first.first
    assert (at.t, at.line) == (step, line)
    reason = verdict(found)[1]
    if found.cause is None:  # two mistakes at once, and weights of which each gate reads its own
        assert fault == "tanh and sigmoid swapped" or (fault, names) == ("i and f swapped", NAMED)
        assert reason.startswith("it is off by " if found.first.through else "the line itself is off by ")
    else:
        assert str(found.cause.found[0]) in MISTAKES[fault]
        assert ("what comes before" in reason) == bool(found.first.through)
    if fault == "no b_o" and line == "o_t":
        assert "o_t was not given" in reason
        assert reason.endswith("the port leaves out b_o in z_o. Print z_o to make sure")


def test_exit_codes_of_values(tmp_path: Path) -> None:
    a = reference("float64")
    a.save(tmp_path / "ref.json")
    for fault, code in (("", 0), ("no b_o", 1)):
        path = printed(tmp_path / "port.csv", port(a, fault), ("h_t",))
        run = CliRunner().invoke(main, ["diff", str(tmp_path / "ref.json"), str(path)])
        assert run.exit_code == code, run.output
    assert "different: first at 0/forward/0/0/h_t[0]" in run.output
    path.write_text("t,line,unit,value\n0,h_t,0,1\n0,h_t,0,1\n")
    run = CliRunner().invoke(main, ["diff", str(tmp_path / "ref.json"), str(path)])
    assert run.exit_code == 2
    assert "row 3: row 2 already has a value for the same 0/forward/0/0/h_t[0]" in run.stderr


@pytest.mark.few(0)
def test_values_of_a_stack_follow_from_the_layers_below(tmp_path: Path) -> None:
    """Only what the top layer gives out, of two layers and directions with rows of unequal length."""
    a = traced({}, dtype="float32", lengths=[4, 2])
    exact = traced({}, lengths=[4, 2])
    rows = [
        {
            "layer": 1,
            "t": t,
            "b": b,
            "line": "y_t",
            "direction": "joined",
            "value": exact.lines["1/joined"]["y_t"][t, b].tolist(),
        }
        for t in range(4)
        for b in range(2)
    ]
    path = tmp_path / "port.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = compare(a, read_external(path, a)[0])
    assert found.lines[0].max_abs > 0
    assert found.same, verdict(found)
    rows[3]["value"][7] += 1e-3
    path.write_text("\n".join(map(json.dumps, rows)))
    found = compare(a, read_external(path, a)[0])
    assert found.first is not None
    assert str(found.first.first) == "1/joined/1/1/y_t[7]"


def test_what_the_bound_cannot_tell_is_said(tmp_path: Path) -> None:
    """Of a port that printed one gate alone every step rests on all those before: soon any value is explained."""
    rng = np.random.default_rng(3)
    weights = {f"W_{s}{g}": rng.normal(size=(32, 1 if s == "x" else 32)) for s in "xh" for g in "ifco"}
    a = lt.run(weights, rng.normal(size=(40, 1)), dtype="float32")
    rows = [{"t": t, "line": "i_t", "value": a["i_t"][t, 0].astype(float).tolist()} for t in range(40)]
    path = tmp_path / "port.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = compare(a, read_external(path, a)[0])
    assert found.same
    assert "0/forward/i_t: the rounding bound is 1 here; smaller errors cannot be detected" in found.notes[-1]
    assert 0.9 < found.lines[0].bound < 1.01
    assert not any("rounding may explain" in note for note in compare(a, a).notes)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("1,1,1,b", "row 2: t 1, from 0, and step 1, from 1, are not the same step: leave one out"),
        ("1,2,0,b", "row 2: unit 0, from 0, is not b (unit_name) of i_t: leave one of the two out"),
        ("1,2,0,2", "row 2: unit 0, from 0, is not 2 (unit_name) of i_t: leave one of the two out"),
        (",2,,3", "row 2: i_t has no unit_name '3'; it has a, b"),
        ("1,2,1,b", ""),
        (",2,,b", ""),
        (",2,,2", ""),
    ],
)
def test_a_place_that_is_said_twice_is_one_place(tmp_path: Path, place: str, message: str) -> None:
    """A step and a unit may be named as the problem counts, by number where no label is one; but not contradict."""
    problem = {"weights": {"W_xi": [[0.5], [1.0]], "W_hi": [[0.25, 0.0], [0.5, 0.75]]}, "x": [[1.0], [2.0]]}
    a = lt.run(problem | {"ask": ["i_t"], "names": {"h": ["a", "b"]}, "count_from": 1}, given={"h_t": [0.0, 0.0]})
    path = tmp_path / "port.csv"
    path.write_text(f"t,step,unit,unit_name,line,value\n{place},i_t,0.5\n")
    if message:
        with pytest.raises(FileError) as error:
            read_external(path, a)
        assert message in str(error.value)
    else:
        assert read_external(path, a)[0]["i_t"][1, 0].tolist() == [a["i_t"][1, 0, 0], 0.5]


def test_an_output_that_differs_by_rounding_is_the_same(tmp_path: Path) -> None:
    """A gate of another program is wrong, and its output is that of the right gate, but for its last bit."""
    a = traced({}, layers=1, both=False)
    path = tmp_path / "port.jsonl"
    rows = [
        {"t": t, "b": b, "line": "i_t", "value": (a["i_t"][t, b] + 0.125).tolist()} for t in range(4) for b in (0, 1)
    ]
    rows += [{**row, "line": "h_t", "value": np.nextafter(a["h_t"][row["t"], row["b"]], 9).tolist()} for row in rows]
    path.write_text("\n".join(map(json.dumps, rows)))
    a.save(tmp_path / "a.json")
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "a.json"), str(path)])
    assert "output: 0/forward/h_t is the same at every valid step" in " ".join(done.output.split()), done.output
