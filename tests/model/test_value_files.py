"""Values of other programs by any door: files that csv, json, numpy, pandas and printf wrote are read back in place."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import FileError
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.model.given_values import GivenValues, given_values
from lstm_trace.model.value_files import is_values
from lstm_trace.trace.trace import Trace

T, I, H = 5, 3, 4  # noqa: E741
DRAW = np.random.default_rng(29)


@cache
def single(batch: int = 1, batch_first: bool = False) -> Trace:
    """One layer and direction."""
    draw = np.random.default_rng(7)
    weights = {f"W_{s}{g}": draw.normal(size=(H, I if s == "x" else H)) for s in "xh" for g in "ifco"}
    x = draw.normal(size=(batch, T, I) if batch_first else (T, batch, I))
    return lt.run(weights, x if batch > 1 else x.reshape(T, I), batch_first=batch_first and batch > 1)


@cache
def stacked() -> Trace:
    """Two layers of two directions, two sequences."""
    draw = np.random.default_rng(8)
    weights = {
        f"{layer}/{way}/W_{s}{g}": draw.normal(size=(H, H if s == "h" else 2 * H if layer else I))
        for layer in (0, 1) for way in ("forward", "reverse") for s in "xh" for g in "ifco"
    }  # fmt: skip
    return lt.run(weights, draw.normal(size=(T, 2, I)))


def line(trace: Trace, name: str, b: int = 0) -> Any:
    return trace[name][:, b]


def read(tmp_path: Path, text: str, trace: Trace, suffix: str = ".txt") -> GivenValues:
    path = tmp_path / f"port{suffix}"
    path.write_text(text, encoding="utf-8")
    return given_values(path, trace)


def numbers(values: Any, form: str = "%.6f", between: str = " ") -> str:
    return between.join(form % value for value in values)


def rows(form: str, name: str = "i_t", number: str = "%.6f", between: str = " ") -> str:
    """A row for each step: t, the numbers."""
    held = line(single(), name)
    return "\n".join(form.format(t=t, v=numbers(held[t], number, between)) for t in range(T))


def whole(name: str, **options: Any) -> str:
    with np.printoptions(**options):
        return str(line(single(), name))


#: What a port printed, with the lines that it printed and the largest half unit of their last digit.
TEXTS: dict[str, tuple[Callable[[], str], tuple[str, ...], float]] = {
    "an index": (lambda: rows("h[{t}] = {v}", "h_t"), ("h_t",), 5e-7),
    "an index for each": (
        lambda: "\n".join(f"h[{t}][{j}] = {line(single(), 'h_t')[t, j]:.4f}" for t in range(T) for j in range(H)),
        ("h_t",), 5e-5,
    ),
    "an index of step, sequence and unit": (
        lambda: "\n".join(f"h[{t},0,{j}]: {line(single(), 'h_t')[t, j]:.5f}" for t in range(T) for j in range(H)),
        ("h_t",), 5e-6,
    ),
    "a step before a name": (lambda: rows("step {t} i_t {v}"), ("i_t",), 5e-7),
    "a step behind a name": (lambda: rows("0/forward/i_t t={t} b=0: {v}"), ("i_t",), 5e-7),
    "a full address": (lambda: rows("0/forward/{t}/0/i_t: {v}"), ("i_t",), 5e-7),
    "a step as a heading": (
        lambda: "\n".join(
            f"--- step {t} ---\n i: {numbers(line(single(), 'i_t')[t], '%.3f', ', ')}\n"
            f" c = {numbers(line(single(), 'c_t')[t], '%.3f')}" for t in range(T)
        ), ("i_t", "c_t"), 5e-4,
    ),
    "a name as a heading": (lambda: "i_t:\n" + rows("  t = {t}: {v}"), ("i_t",), 5e-7),
    "a name of two words": (
        lambda: "\n".join(
            f"{head}\n" + "\n".join(numbers(row) for row in line(single(), name))
            for head, name in (("Forget gate:", "f_t"), ("cell state =", "c_t"))
        ), ("f_t", "c_t"), 5e-7,
    ),
    "no step, at each step": (lambda: rows("i_t: {v}", between=", "), ("i_t",), 5e-7),
    "significant digits": (lambda: rows("t={t} i_t {v}", number="%.3g"), ("i_t",), 5e-4),
    "powers of ten": (lambda: rows("t={t} i_t {v}", number="%.4e"), ("i_t",), 5e-6),
    "numbers of C": (lambda: rows("t={t} i_t = {{{v}}}", number="%.6ff", between=", "), ("i_t",), 5e-7),
    "hexadecimal numbers": (
        lambda: "\n".join(
            f"t={t} i_t " + " ".join(float(v).hex() for v in line(single(), "i_t")[t]) for t in range(T)
        ), ("i_t",), 0.0,
    ),
    "numpy": (lambda: whole("h_t", precision=5), ("h_t",), 5e-6),
    "numpy, floats of many sizes": (lambda: whole("c_t", precision=4, suppress=True).join(["c\n", ""]), ("c_t",), 5e-5),
    "numpy's repr": (lambda: f"c_t = {np.round(line(single(), 'c_t'), 7)!r}\ni = [1]"[:-8], ("c_t",), 5e-8),
    "tensors": (
        lambda: f"h: tensor({line(single(), 'h_t').round(4).tolist()}, dtype=torch.float64, grad_fn=<AddBackward0>)",
        ("h_t",), 5e-5,
    ),
    "lists": (lambda: str(line(single(), "h_t").round(6).tolist()), ("h_t",), 5e-7),
    "savetxt": (lambda: rows("{v}", "h_t", "%.18e"), ("h_t",), 5e-20),
    "words, and sentences": (
        lambda: "Cells of the hidden layer\n\n" + rows("time {t}\ninput_gate {v}") + "\nend of run\n", ("i_t",), 5e-7,
    ),
    "names of PyTorch": (
        lambda: rows("t={t} g {v}", "c_tilde") + "\n" + rows("t={t} i {v}"), ("c_tilde", "i_t"), 5e-7,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_is_read_as_it_is_meant(case: str, tmp_path: Path) -> None:
    made, lines, half = TEXTS[case]
    found = read(tmp_path, made(), single())
    assert {name for _, name in found.values} == {*lines}
    for key, values in found.values.items():
        off, rounding = np.abs(values - line(single(), key[1])[:, None]), found.rounding[key]
        assert found.given[key].all()
        assert (off <= rounding * (1 + 1e-9) + 1e-16).all(), "half a unit of the last digit covers what was cut off"
        assert rounding.max() <= 10 * half + 1e-16
    assert max(found.rounding[key].max() for key in found.values) >= half
    assert lt.diff(single(), found.as_trace(single())[0]).same


SHAPES: dict[str, Callable[[Any], Any]] = {
    "(T, B, width)": lambda h: h,
    "(B, T, width)": lambda h: np.swapaxes(h, 0, 1),
    "a row of numbers": lambda h: h.ravel(),
    "the last step": lambda h: h[-1],
}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".json", ".csv"])
def test_an_array_without_a_name_is_the_output(suffix: str, shape: str, batch: int, tmp_path: Path) -> None:
    trace, path = single(batch), tmp_path / f"h{suffix}"
    values = SHAPES[shape](trace["h_t"])
    if suffix == ".npy":
        np.save(path, values)
    elif suffix == ".npz":
        np.savez(path, values)
    elif suffix == ".json":
        path.write_text(json.dumps(values.tolist()))
    elif values.squeeze().ndim > 2:
        pytest.skip("a table has two axes")
    else:
        pd.DataFrame(values.squeeze()).to_csv(path, header=False, index=False)
    found = given_values(path, trace)
    (key,) = found.values
    given = found.given[key]
    assert key == ("0/forward", "h_t")
    assert (given.sum(axis=(1, 2)) > 0).tolist() == [shape != "the last step"] * (T - 1) + [True]
    assert np.array_equal(found.values[key][given], trace["h_t"][given])


def test_equal_axes_are_in_the_order_of_x() -> None:
    """T = B: an array fits both ways, and is read as x was."""
    for batch_first in (False, True):
        trace = single(T, batch_first)
        h = np.array(trace["h_t"])
        given = np.swapaxes(h, 0, 1) if batch_first else h
        assert np.array_equal(given_values(given, trace).values["0/forward", "h_t"], h)
        assert np.array_equal(given_values({"h": given.tolist()}, trace).values["0/forward", "h_t"], h)


def test_the_three_results_of_a_framework_in_one_file(tmp_path: Path) -> None:
    trace = single()
    h, c = trace["h_t"], trace["c_t"]
    np.savez(tmp_path / "port.npz", output=h, h_n=h[-1:], c_n=c[-1:])
    found = given_values(tmp_path / "port.npz", trace)
    assert np.array_equal(found.values["0/forward", "h_t"], h)
    assert np.array_equal(found.values["0/forward", "c_t"][-1], c[-1])
    np.savez(tmp_path / "port.npz", output=h, h_n=h[:1], c_n=c[-1:])
    with pytest.raises(FileError, match="h_n: the file already has another value for the same 0/forward/h_t"):
        given_values(tmp_path / "port.npz", trace)


def test_numpy_prints_the_output_of_both_directions(tmp_path: Path) -> None:
    trace = stacked()
    with np.printoptions(precision=8):
        found = read(tmp_path, str(trace.output), trace)
    assert np.abs(found.values["1/joined", "y_t"] - trace.output).max() < 1e-8


def test_indices_have_one_order_in_a_file(tmp_path: Path) -> None:
    """h[1][1] could be either way; h[1][4] cannot, so none is."""
    trace = single(2)
    text = "\n".join(f"h[{b}][{t}] = {numbers(trace['h_t'][t, b], '%.17g')}" for t in range(T) for b in range(2))
    found = read(tmp_path, text, trace)
    assert np.array_equal(found.values["0/forward", "h_t"], trace["h_t"])
    assert [note.key for note in found.notes] == ["diff.given.batch"]


def test_layers_and_directions(tmp_path: Path) -> None:
    trace, path = stacked(), tmp_path / "a.npz"
    lines = trace.lines
    np.savez(path, **{"0/forward/h_t": lines["0/forward"]["h_t"], "1/reverse/c_t": lines["1/reverse"]["c_t"]})
    found = given_values(path, trace).values
    assert {*found} == {("0/forward", "h_t"), ("1/reverse", "c_t")}
    assert np.array_equal(found["1/reverse", "c_t"], lines["1/reverse"]["c_t"])
    c = lines["1/reverse"]["c_t"]
    text = "\n".join(
        f"layer 1 backward\nstep {t} batch {b}\nc_t {numbers(c[t, b], '%.17g')}" for t in range(T) for b in range(2)
    )
    assert np.array_equal(read(tmp_path, text, trace).values["1/reverse", "c_t"], c)
    both = np.stack([lines["1/forward"]["h_t"], lines["1/reverse"]["h_t"]], axis=1)  # as ONNX has it
    found = given_values(both, trace).values
    assert np.array_equal(found["1/reverse", "h_t"], lines["1/reverse"]["h_t"])
    ends = [lines[f"{n}/{way}"]["h_t"][end] for n in (0, 1) for way, end in (("forward", -1), ("reverse", 0))]
    found = given_values({"output": lines["1/joined"]["y_t"], "h_n": np.stack(ends)}, trace).values
    assert np.array_equal(found["1/joined", "y_t"], lines["1/joined"]["y_t"])
    assert np.array_equal(found["0/reverse", "h_t"][0], ends[1])
    assert np.isnan(found["0/reverse", "h_t"][1:]).all()


@pytest.mark.few(6)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    "options",
    [
        {"shape": "long"}, {"shape": "long", "with_inputs": True}, {"shape": "wide"}, {"shape": "worked"},
        {"shape": "wide", "with_inputs": True, "names": "safe", "all_lines": True},
        {"shape": "wide", "names": "labels"},
        {"shape": "long", "dialect": "excel-eu"}, {"shape": "wide", "dialect": "excel-eu", "names": "safe"},
        {"shape": "wide", "dialect": "excel"},
    ],
    ids=str,
)  # fmt: skip
def test_our_own_exports(options: dict[str, Any], suffix: str, tmp_path: Path) -> None:
    if "dialect" in options and suffix not in (".csv", ".tsv"):
        pytest.skip("of text alone")
    trace = stacked()
    job = ExportJob.selected(trace, **{name: value for name, value in options.items() if name != "dialect"})
    export(replace(job, dialect=options.get("dialect", "plain")), tmp_path / f"e{suffix}")
    found = given_values(tmp_path / f"e{suffix}", trace)
    assert len(found.values) == (86 if options["shape"] != "wide" or "all_lines" in options else 42)
    for (scope, name), values in found.values.items():
        assert np.array_equal(values, trace.lines[scope][name])
    assert [note.key for note in found.notes] == ["diff.given.premises"] * ("with_inputs" in options)


def test_tables_of_pandas(tmp_path: Path) -> None:
    trace, path = single(), tmp_path / "p.csv"
    frame = pd.DataFrame(line(trace, "h_t"))
    for write in (frame.to_csv, lambda to: frame.to_csv(to, index=False)):
        write(path)
        assert np.array_equal(given_values(path, trace).values["0/forward", "h_t"], trace["h_t"])
    frame.columns = [f"h{k}" for k in range(H)]
    frame.to_csv(path, index=False)
    assert np.array_equal(given_values(path, trace).values["0/forward", "h_t"], trace["h_t"])
    frame.columns = [f"c_{k}" for k in range(H)]
    for suffix, write in ((".parquet", frame.to_parquet), (".feather", frame.to_feather)):
        write(path.with_suffix(suffix))
        found = given_values(path.with_suffix(suffix), trace).values["0/forward", "c_t"]
        assert np.array_equal(found, trace["h_t"])
    for records in (frame.to_dict("records"), {"c": line(trace, "h_t").tolist()}):
        rows = [{"t": t, **row} for t, row in enumerate(records)] if isinstance(records, list) else records
        found = read(tmp_path, json.dumps(rows), trace, ".json").values["0/forward", "c_t"]
        assert np.array_equal(found, trace["h_t"])


def test_float32_is_compared_as_such(tmp_path: Path) -> None:
    trace = single()
    np.save(tmp_path / "h.npy", trace["h_t"].astype(np.float32))
    assert given_values(tmp_path / "h.npy", trace).dtype == "float32"
    assert lt.diff(trace, tmp_path / "h.npy").same
    assert lt.diff(trace, np.array(trace["h_t"]).astype(np.float32)).same


@pytest.mark.parametrize("form", ["%.2f", "%.3f", "%.3g", "%.5e", "%.9g"])
def test_a_rounded_right_answer_is_the_same(form: str, tmp_path: Path) -> None:
    trace = single()
    for names in (("h_t",), ("i_t", "f_t", "c_tilde", "o_t", "c_t", "h_t")):
        text = "\n".join(f"t={t} {n} {numbers(line(trace, n)[t], form)}" for t in range(T) for n in names)
        (tmp_path / "right.txt").write_text(text)
        for tolerance in ({}, {"atol": 0.0}):
            found = lt.diff(trace, tmp_path / "right.txt", **tolerance)
            assert found.same, found


@pytest.mark.parametrize("digits", [2, 3, 6])
def test_a_wrong_answer_is_found_at_its_place(digits: int, tmp_path: Path) -> None:
    trace, names = single(), ("i_t", "f_t", "c_tilde", "o_t", "c_t", "h_t")
    for name in names:
        held = {n: np.array(line(trace, n)) for n in names}
        held[name][2, 1] += 40 * 10.0**-digits
        text = "\n".join(f"t={t} {n} {numbers(held[n][t], f'%.{digits}f')}" for t in range(T) for n in names)
        (tmp_path / "wrong.txt").write_text(text)
        first = lt.diff(trace, tmp_path / "wrong.txt").first
        assert first is not None
        assert str(first.first) == f"0/forward/2/0/{name}[1]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t=0 q_x 0.1 0.2 0.3 0.4", "row 1: the reference has no line 'q_x'; it has z_i, i_t"),
        ("t=0 it 0.1 0.2 0.3 0.4", "row 1: the reference has no line 'it'; did you mean 'i_t'?"),
        ("t=0 i_t 0.1 0.2", "row 1: 2 values; i_t has 4 units"),
        ("t=7 i_t 0.1 0.2 0.3 0.4", "row 1: t 7 does not exist; i_t has 0 to 4"),
        ("i_t 0.1 0.2 0.3 0.4", "row 1: i_t has no step, and there are 5: write t=0 before the values"),
        ("t=0 i_t[1] 0.1 0.2 0.3 0.4", "row 1: i_t[1] has the shape (4,)"),
        ("t=0 i_t 0,5 0,25 0,1 0,2", "row 1: 0,5 may be a number with a decimal comma, or two: write 0.5 or 0, 5"),
        ("h = [[0.1 0.2 ... 0.3 0.4]]", "row 1: cannot read '...': print all numbers, in numpy"),
        ("t=0 i_t 0.1 0.2 0.3 0.4\nt=0 i_t 0.1 0.2 0.3 0.4", "row 2: row 1 already has a value for the same 0/forward"),
        ("t=0 i_t 0.1 0.2 0.3 0.4\nt=1 0.1 0.2 0.3 0.4", "row 2: numbers without a name, in a text with names"),
        ("t=0 g 0.1 0.2 0.3 0.4", "'g' means c_tilde or i_t, which differs between notations: write c_tilde"),
        ("h = [[0.1 0.2 0.3 0.4]", "row 1: the brackets of these numbers are not closed"),
        ("h = [[0.1 0.2] [0.1]]", "row 1: value: the list is ragged"),
        ("t=0 i_t 0.1.2 0.2", "row 1: cannot read"),
        ("", "the file has no values"),
    ],
)
def test_what_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(FileError) as error:
        read(tmp_path, text, single())
    assert str(error.value).startswith(f"{tmp_path / 'port.txt'}: ")
    assert said in str(error.value)


def test_the_reference_is_not_printed(tmp_path: Path) -> None:
    single().save(tmp_path / "t.json")
    (tmp_path / "port.txt").write_text(rows("t={t} i_t {v}"))
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "port.txt"), str(tmp_path / "t.json")])
    assert done.exit_code == 2
    assert "values of another program are B; give the trace, problem or model as A, first" in done.stderr


def test_several_readings_are_refused() -> None:
    with pytest.raises(FileError, match=r"write 0/forward/h_t"):
        given_values({"h_t": np.zeros((T, 2, H))}, stacked())
    with pytest.raises(FileError, match=r"y_t has the shape \(2, 8\)"):  # of both directions: which step is the last?
        given_values(np.zeros((2, 2 * H)), stacked())
    with pytest.raises(FileError, match=r"expected \(T, B, width\) = \(5, 1, 4\)"):
        given_values(np.zeros((T, H + 1)), single())


def test_numbers_that_are_none(tmp_path: Path) -> None:
    found = read(tmp_path, "t=0 i_t nan -nan(ind) inf -Infinity\nt=1 i_t 0.5 0.5 0.25 0.5", single())
    values, key = found.values["0/forward", "i_t"][0, 0], ("0/forward", "i_t")
    assert np.isnan(values[:2]).all()
    assert values[2:].tolist() == [np.inf, -np.inf]
    assert found.given[key][:2].all()
    assert not found.given[key][2:].any()
    assert not lt.diff(single(), tmp_path / "port.txt").same


@pytest.mark.parametrize("language", ["c", "c++", "python"])
@pytest.mark.parametrize("real", ["float", "double"])
def test_what_a_snippet_prints_is_read(language: str, real: str, tmp_path: Path) -> None:
    trace, kind = stacked(), np.float32 if real == "float" else np.float64
    listed = lt.lines(trace)
    calls = [
        (one.key, t, b, trace.lines[one.stage.scope][one.line][t, b].astype(kind))
        for one in listed.named for t in range(T) for b in range(2)
    ]  # fmt: skip
    code = listed.snippet(language)  # type: ignore[arg-type]
    if language == "python":
        code += "\n".join(f"print_line({name!r}, {t}, {b}, {v.tolist()})" for name, t, b, v in calls)
        command = [sys.executable, str(tmp_path / "port.py")]
        (tmp_path / "port.py").write_text(code)
    else:
        compiler, suffix = ("gcc", "c") if language == "c" else ("g++", "cpp")
        if shutil.which(compiler) is None:
            pytest.skip(f"there is no {compiler}")
        arrays = (", ".join(float(n).hex() for n in v) for *_, v in calls)
        said = zip(calls, arrays, strict=True)
        body = (f'{{ {real} v[] = {{{a}}}; print_line("{n}", {t}, {b}, v, {len(v)}); }}' for (n, t, b, v), a in said)
        code += "int main(void) {\n" + "\n".join(body) + "\nreturn 0; }\n"
        (tmp_path / f"port.{suffix}").write_text(code)
        built = [compiler, f"-DREAL={real}", "-Wall", "-Werror", "-o", tmp_path / "port", tmp_path / f"port.{suffix}"]
        subprocess.run(built, check=True)  # noqa: S603
        command = [str(tmp_path / "port")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    found = read(tmp_path, printed, trace)
    assert {*found.values} == {(one.stage.scope, one.line) for one in listed.named}
    for (scope, name), values in found.values.items():
        assert np.array_equal(values.astype(kind), trace.lines[scope][name].astype(kind))


def test_lines_of_a_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", kernel=DRAW.normal(size=(I, 4 * H)), recurrent_kernel=DRAW.normal(size=(H, 4 * H)))
    done = CliRunner().invoke(main, ["lines", str(tmp_path / "w.npz"), "--layout", "keras", "--format", "json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["rows"]
    names = ["z_i", "i_t", "z_f", "f_t", "z_c", "c_tilde", "z_o", "o_t", "c_t", "h_t"]
    assert [row["line"] for row in found] == names
    assert {row["units"] for row in found} == {H}
    assert found[5]["aliases"] == "g_t (pytorch), s_tilde (goodfellow), C_tilde (olah)"
    assert found[5]["equation"] == "tanh(z_c)"
    done = CliRunner().invoke(main, ["lines", str(tmp_path / "w.npz"), "--layout", "keras", "--snippet", "c"])
    assert done.stdout.startswith("#include <stdio.h>\n")
    assert " * 0/forward/c_tilde 4\n" in done.stdout
    with pytest.raises(lt.OptionError, match="there is no snippet in 'rust'"):
        lt.lines(single()).snippet("rust")  # type: ignore[arg-type]


def test_a_terminal_shows_every_line_once(tmp_path: Path) -> None:
    """The lines of all layers and directions that have the same, with their equations, at 80 columns."""
    arrays = {}
    for layer, wide in (("l0", I), ("l1", 2 * H)):
        for end in (layer, f"{layer}_reverse"):
            arrays |= {
                f"weight_ih_{end}": DRAW.normal(size=(4 * H, wide)),
                f"weight_hh_{end}": DRAW.normal(size=(4 * H, H)),
            }
    np.savez(tmp_path / "w.npz", **arrays)
    shown = CliRunner().invoke(main, ["lines", str(tmp_path / "w.npz")]).stdout
    assert "\n0/forward, 0/reverse, 1/forward, 1/reverse\n  z_i = W_xi @ x_t + W_hi @ h_prev\n" in shown
    assert (
        f"  c_tilde = tanh(z_c)\n    {H} units; Candidate; g_t (pytorch), s_tilde (goodfellow), C_tilde (olah)\n"
        in shown
    )
    assert f"\n0/joined, 1/joined\n  y_t = concat(y_forward, y_reverse)\n    {2 * H} units\n" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_place_in_other_words_is_explained() -> None:
    trace = single()
    for name in ("0.forward.i_t", "layer0_forward_i_t", "gates i_t"):
        with pytest.raises(FileError, match=r"the layer and direction of i_t are written 0/forward/i_t"):
            given_values({name: trace.lines["0/forward"]["i_t"]}, trace)


def test_tables_as_programs_write_them(tmp_path: Path) -> None:
    """By columns as pandas writes JSON, with a spreadsheet's own first row, and with the joined directions in words."""
    trace = single()
    right = line(trace, "h_t")
    rows = [("h_t", t, j, float(right[t, j])) for t in range(T) for j in range(H)]
    frame = pd.DataFrame(rows, columns=["line", "t", "unit", "value"])
    frame.to_json(tmp_path / "p.json", double_precision=15)
    frame.to_csv(tmp_path / "p.csv", index=False, sep=";", decimal=",")
    (tmp_path / "p.csv").write_text("sep=;\n" + (tmp_path / "p.csv").read_text())
    for name in ("p.json", "p.csv"):
        found = given_values(tmp_path / name, trace)
        assert np.allclose(found.values["0/forward", "h_t"][:, 0], right, atol=1e-12), name
    rng = np.random.default_rng(1)
    weights = {f"0/{d}/W_{s}h": rng.normal(size=(2, 2)) for d in ("forward", "reverse") for s in "xh"}
    both = lt.run(weights, rng.normal(size=(3, 2)), cell="rnn")
    y = both.lines["0/joined"]["y_t"][:, 0]
    text = "\n".join(f"layer 0 joined t={t} y_t[{j}] = {y[t, j]:.9f}" for t in range(3) for j in range(4))
    (tmp_path / "p.txt").write_text(text)
    assert np.allclose(given_values(tmp_path / "p.txt", both).values["0/joined", "y_t"][:, 0], y, atol=1e-9)


def test_a_text_that_is_repeated_is_not_unpacked(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": range(T), "line": ["x" * 5000] * T, "value": 0.5})
    for suffix, write in ((".parquet", frame.to_parquet), (".feather", frame.astype({"line": "category"}).to_feather)):
        write(tmp_path / f"p{suffix}")
        with pytest.raises(FileError, match="line has texts of more than 1,000 characters"):
            given_values(tmp_path / f"p{suffix}", single())


def test_a_file_of_arrays_is_told_by_its_names(tmp_path: Path) -> None:
    """Values, weights under our names, those of a framework, and those that only a layout explains."""
    trace, path = single(), tmp_path / "a.npz"
    for names, values in (
        (("h",), True), (("0/forward/i_t", "0/forward/z_i"), True), (("output", "h_n"), True), (("s_tilde",), True),
        (("W_xi", "W_hi", "b_i"), False), (("kernel", "bias"), False), (("kernel", "recurrent_kernel", "bias"), False),
        (("weight_ih_l0", "weight_hh_l0"), False), (("W", "R", "b"), False), (("W_xi", "h_t"), False),
    ):  # fmt: skip
        np.savez(path, **dict.fromkeys(names, np.zeros((T, H))))
        assert is_values(path) is values, names
    np.savez(path, W_xf=np.array(trace.parameters["0/forward"]["W_xf"]))
    with pytest.raises(lt.LstmTraceError):
        lt.diff(trace, path)
