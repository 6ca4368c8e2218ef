"""Nothing unexpected exits with 1, which is a verdict: strange files, closed streams, pipes that nobody reads on."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace import examples
from lstm_trace.cli import VERBS, main
from lstm_trace.errors import LstmTraceError, MissingError, OptionError
from lstm_trace.trace.files.trace_file import load_json, to_json

from ..support.tiers import some

Q22 = examples.text("q22")
GATE = "weights:\n  W_xi: [[1.0, 2.0]]\n  W_hi: [[0.5]]\nx: [1.0, 2.0]\nask: [i_t]\n"


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


def problem(seed: int = 11, **changes: Any) -> dict[str, Any]:
    """A whole cell over three steps, with states that are not zero."""
    rng = np.random.default_rng(seed)
    weights = {f"W_{side}{g}": rng.normal(size=(2, n)).tolist() for side, n in (("x", 3), ("h", 2)) for g in "ifco"}
    found = {"weights": weights, "x": rng.normal(size=(3, 3)).tolist(), "h0": [0.25, -0.5], "c0": [0.5, 0.75]}
    return {**found, **changes}


# -- the net ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyError("W_hi"), ValueError("a\nb" * 9_000), RecursionError(), AssertionError()])
def test_what_nobody_foresaw_is_one_message_and_exit_code_2(
    error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("lstm_trace.api.verify", broken)
    (tmp_path / "t.json").write_text(to_json(lt.run(problem())), encoding="utf-8")
    result = invoke("verify", str(tmp_path / "t.json"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: unexpected {type(error).__name__} (verdicts.py, line ")
    for said in ("please report it", f"lstm-trace {lt.__version__} on Python 3.", "LSTM_TRACE_DEBUG=1"):
        assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert len(result.stderr) < 1_000
    monkeypatch.setenv("LSTM_TRACE_DEBUG", "1")
    detailed = invoke("verify", str(tmp_path / "t.json"))
    assert detailed.exit_code == 2
    assert "Traceback (most recent call last)" in detailed.stderr
    assert detailed.stderr.splitlines()[-1] == result.stderr.rstrip("\n")


# -- texts -----------------------------------------------------------------------------------------------------------

#: Problems that once ended in a traceback, and what is said of them.
TEXTS: list[tuple[str, str]] = [
    ("a: !!timestamp no\n", "line 1: could not determine a constructor for the tag"),
    ("a: !!timestamp 2001-99-99\n", "line 1: could not determine a constructor for the tag"),
    ("batch_first: !!bool maybe\n", "line 1: expected true or false, found 'maybe'"),
    ("title: x\nx: !!int abc\n", "line 2: expected a whole number, found 'abc'"),
    ("x: !!float abc\n", "line 1: expected a number, found 'abc'"),
    ("x: !!set {a, b}\n", "line 1: could not determine a constructor for the tag"),
    (GATE + "given: {f_t: []}\n", "given f_t has shape (0,); expected (width,)"),
    (GATE + "given: {i_t: []}\n", "given i_t has shape (0,); expected (width,)"),
    (GATE + "given: {i_t: [[], []]}\n", "given i_t has shape (2, 0); expected (width,)"),
    (GATE + "x_t: [a, 2]\n", "x_t is given twice"),
    (GATE + "h0: [1]\nh_prev: [a]\n", "h_prev is given twice"),
    (GATE + 'title: "\\ud800"\n', r"\ud800 is half of a character"),
    (GATE + 'title: "\\uD83D\\uDE00"\n', r"\ud83d is half of a character"),
    (GATE + 'names: {h: ["\\U0000dfff"]}\n', r"\udfff is half of a character"),
    ('{"title": "\\udfff", ' + json.dumps(problem())[1:], r"\udfff is half of a character"),
    ('{"\\uD800": 1, ' + json.dumps(problem())[1:], r"\ud800 is half of a character"),
]  # fmt: skip


@pytest.mark.few(19)
@pytest.mark.parametrize(("text", "message"), TEXTS)
@pytest.mark.parametrize("verb", ["run", "report", "show", "export"])
def test_strange_texts_are_told_with_their_fault(verb: str, text: str, message: str) -> None:
    result = invoke(verb, "-", stdin=text)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert message in result.stderr


def test_tags_and_pairs_that_are_right_are_read() -> None:
    text = GATE + "title: !!str 5\nbatch_first: !!bool False\nc0: !!seq [!!float 3, !!int 004, .inf, !!null ]\n"
    from lstm_trace.base.files import read_data

    data = read_data("p.yaml", text.encode())
    assert (data["title"], data["batch_first"], data["c0"]) == ("5", False, [3.0, 4, float("inf"), None])
    pair = read_data("p.json", b'{"title": "\\ud83d\\ude00"}')
    assert pair["title"] == "\U0001f600"


@pytest.mark.few(6)
@pytest.mark.parametrize(
    "number", ["9" * 400, "9" * 5_000, "-" + "9" * 400, "1e999", "NaN", "true", '"x"', "null", "{}"]
)
@pytest.mark.parametrize("key", ["t", "batch", "layer", "unit", "value"])
def test_json_lines_with_numbers_beyond_all_bounds(key: str, number: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(to_json(lt.run(problem())), encoding="utf-8")
    entry = {"t": 0, "line": "i_t", "unit": 0, "value": 0.5, key: "@"}
    (tmp_path / "v.jsonl").write_text(json.dumps(entry).replace('"@"', number), encoding="utf-8")
    result = invoke("diff", str(tmp_path / "t.json"), str(tmp_path / "v.jsonl"))
    assert result.exit_code in (0, 1, 2), result.output
    assert "unexpected" not in result.stderr
    if len(number) >= 400:
        assert result.exit_code == 2
        assert "row 1" in result.stderr
        assert len(result.stderr) < 2_000


# -- traces ----------------------------------------------------------------------------------------------------------


def traced(change: Callable[[dict[str, Any]], object]) -> str:
    data = json.loads(to_json(lt.run(problem())))
    change(data)
    return json.dumps(data)


def _narrow(data: dict[str, Any], line: str, without: str) -> None:
    lines, parameters = data["lines"]["0/forward"], data["parameters"]["0/forward"]
    lines[line] = [[row[:-1] for row in step] for step in lines[line]]
    del parameters[without]


NARROW = [
    ("i_t", "W_xi"),
    ("z_i", "W_hf"),
    ("c_t", "W_xo"),
    ("h_t", "W_hi"),
    ("tanh(c_t)", "W_xi"),
    ("W_hi @ h_prev", "W_xi"),
]


@pytest.mark.few(8)
@pytest.mark.parametrize("verb", ["verify", "report", "show", "export", "explain"])
@pytest.mark.parametrize(("line", "without"), NARROW)
def test_a_line_that_is_too_narrow_is_told_where_a_parameter_is_missing(verb: str, line: str, without: str) -> None:
    """Each line is narrower by one unit than its operands, or than what reads it."""
    words = ["explain", "contribution", "-", "--of", "2/h_t[0]"] if verb == "explain" else [verb, "-"]
    result = invoke(*words, stdin=traced(lambda data: _narrow(data, line, without)))
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert "do not fit" in result.stderr or ": width " in result.stderr or "carried as" in result.stderr


def test_a_trace_without_a_parameter_is_inconclusive_and_no_traceback() -> None:
    text = traced(lambda data: data["parameters"]["0/forward"].pop("W_xi"))
    verified = invoke("verify", "-", stdin=text)
    assert verified.exit_code == 1
    assert "W_xi" in verified.stdout
    for verb in ("report", "show", "export"):
        assert invoke(verb, "-", stdin=text).exit_code == 0
    explained = invoke("explain", "contribution", "-", "--of", "2/h_t[0]", stdin=text)
    assert explained.exit_code == 2
    assert "the trace does not hold the parameters W_xi of 0/forward" in explained.stderr


@pytest.mark.parametrize("part", ["h0", "c0", "x"])
def test_running_again_names_the_premise_that_is_missing(part: str) -> None:
    text = traced(lambda data: data["inputs"].pop(part))
    trace = load_json("t.json", text.encode())
    with pytest.raises((MissingError, LstmTraceError)) as error:
        lt.explain(trace, "2/h_t[0]", "contribution", baseline="zero-state").to_frame()
    assert {"h0": "h_prev", "c0": "c_prev", "x": "x_t"}[part] in str(error.value)


@pytest.mark.few(0)
@pytest.mark.parametrize("scale", [1e308, -1e308, 1e200])
def test_traces_that_overflow_are_explained_without_a_warning(scale: float, tmp_path: Path) -> None:
    """Infinities that cancel have no sum: their shares are NaN, and nothing stands on stderr."""
    cell = {
        "equations": "a_t = W @ x_t + U @ h_prev\nb_t = a_t * a_t\nh_t = b_t - a_t\ncarry: h_prev <- h_t\noutput: h_t"
    }
    rng = np.random.default_rng(3)
    weights = {"W": (rng.uniform(-1, 1, (2, 3)) * scale).tolist(), "U": (rng.uniform(-1, 1, (2, 2)) * scale).tolist()}
    data = problem(weights=weights, cell=cell, c0=None)
    trace = lt.run(data)
    assert not all(np.isfinite(values).all() for values in trace.lines["0/forward"].values())
    trace.save(tmp_path / "t.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for how, of in (("gradient", "2/h_t[0]"), ("gates", None), ("contribution", "0/a_t[0]")):
            lt.explain(trace, of, how).to_frame()
        for baseline in ("zero-input", "zero-state"):
            with pytest.raises(OptionError, match="only a finite value can be explained"):
                lt.explain.contribution(trace, "2/h_t[0]", baseline=baseline)  # type: ignore[arg-type]
        lt.verify(trace)
        lt.diff(trace, trace)
        with pytest.raises(OptionError, match="only a difference of finite values can be split"):
            lt.attribute(trace, lt.run({**data, "h0": [0.5, 0.5]}), "2/h_t[0]")
        for format in ("md", "text", "html", "tex"):
            trace.report(format)
    for verb in ("show", "report", "export", "explain contribution --of 0/a_t[0]"):
        result = invoke(*verb.split(), str(tmp_path / "t.json"))
        assert (result.exit_code, result.stderr) == (0, "")


# -- model files -----------------------------------------------------------------------------------------------------


def _npy(array: Any) -> bytes:
    text = io.BytesIO()
    np.save(text, array)
    return text.getvalue()


def _archive(path: Path, name: str, content: bytes) -> None:
    shapes = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 2), "bias_ih_l0": (8,), "bias_hh_l0": (8,)}
    with zipfile.ZipFile(path, "w") as archive:
        for key, shape in shapes.items():
            archive.writestr(f"{key}.npy", _npy(np.random.default_rng(7).normal(size=shape)))
        archive.writestr(name, content)


HEADERS = [
    b"", b"{", b"[1, 2]", b"(" * 3_000, b"\x00\x00", b"{'descr': '<f8', ",
    b"{'descr': ('<f8',), 'fortran_order': False, 'shape': (2,), }",
    b"{'descr': '<f8', 'fortran_order': False, 'shape': 2, }",
    b"{'descr': '\xff', 'fortran_order': False, 'shape': (2,), }",
    b"{'descr': [()], 'fortran_order': False, 'shape': (2,), }",
    b"{'descr': 'S99999999999999999999', 'fortran_order': False, 'shape': (2,), }",
    b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999999,), }",
]  # fmt: skip


@pytest.mark.few(3)
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("version", [1, 2])
def test_a_broken_header_of_an_array_is_told(version: int, header: bytes, tmp_path: Path) -> None:
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    content = b"\x93NUMPY" + bytes([version, 0]) + length + header + bytes(16)
    _archive(tmp_path / "m.npz", "bad.npy", content)
    (tmp_path / "x.npy").write_bytes(content)
    (tmp_path / "q.yaml").write_text(Q22, encoding="utf-8")
    for arguments in (
        ["inspect", "m.npz"],
        ["run", "q.yaml", "--input", "x.npy"],
        ["run", "q.yaml", "--input", "m.npz"],
    ):
        result = invoke(*(str(tmp_path / part) if "." in part else part for part in arguments))
        assert (result.exit_code, result.stdout) == (2, "")
        assert "bug in lstm-trace" not in result.stderr
        assert result.stderr.startswith(f"error: {tmp_path / arguments[-1]}")


def test_an_entry_without_a_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    _archive(path, "ZZZZ.npy", _npy(np.ones(2)))
    path.write_bytes(path.read_bytes().replace(b"ZZZZ", b"\x00abc"))  # a name ends at a NUL
    result = invoke("inspect", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {path}: an entry of the archive has no name; the file is damaged\n"


def test_keras_metadata_that_are_not_utf_8_are_told(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {}}))
        archive.writestr("metadata.json", b"\xff\xfe{")
        archive.writestr("model.weights.h5", b"x")
    result = invoke("inspect", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {path}: the model's configuration is not JSON")


# -- streams ---------------------------------------------------------------------------------------------------------

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(lt.__file__).parents[1]), "L": f"{sys.executable} -m lstm_trace"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A problem, a trace, two traces that differ, one that is wrong, and one whose report is long."""
    found = tmp_path_factory.mktemp("streams")
    (found / "q.yaml").write_text(Q22, encoding="utf-8")
    trace = lt.run(problem())
    text = to_json(trace)
    (found / "t.json").write_text(text, encoding="utf-8")
    (found / "u.json").write_text(to_json(lt.run(problem(12))), encoding="utf-8")
    data = json.loads(text)
    data["lines"]["0/forward"]["i_t"][0][0][0] += 0.5
    (found / "wrong.json").write_text(json.dumps(data), encoding="utf-8")
    long = {**problem(), "x": np.random.default_rng(7).normal(size=(60, 3)).tolist()}
    (found / "long.json").write_text(to_json(lt.run(long)), encoding="utf-8")
    np.savez(
        found / "m.npz", **dict(zip(("weight_ih_l0", "weight_hh_l0"), (np.ones((8, 3)), np.ones((8, 2))), strict=True))
    )
    return found


def shell(line: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", line], cwd=folder, env={**ENVIRONMENT, **more}, capture_output=True, text=True,
        encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip


#: A call of each command that prints, and its exit code.
CALLS = {
    "run": ("run q.yaml", 0), "report": ("report long.json", 0), "show": ("show long.json --all", 0),
    "export": ("export long.json", 0), "verify": ("verify wrong.json", 1), "diff": ("diff t.json u.json", 1),
    "explain": ("explain gates t.json", 0), "inspect": ("inspect m.npz --format json", None),
    "identify": ("--help", 0), "lines": ("lines t.json", 0), "schema": ("schema trace", 0), "example": ("example", 0),
    "checker": ("checker", 0), "bench": ("bench", 0),
    "corpus": ("corpus --help", 0), "serve": ("serve --help", 0), "plot": ("plot long.json --kind unit", 0),
    "doctor": ("doctor --help", 0), "conformance": ("conformance --help", 0),
    "mistakes": ("mistakes q.yaml --row exchange", 0),
}  # fmt: skip


def test_there_is_a_call_of_every_command() -> None:
    assert set(CALLS) == set(VERBS)


@pytest.mark.few(0)
@pytest.mark.parametrize("verb", some(["report", "export", "show", "run"], 2))
def test_the_first_line_of_a_long_output_is_enough(verb: str, folder: Path) -> None:
    result = shell(f"{{ $L {CALLS[verb][0]}; echo $? >&2; }} | head -n 1", folder)
    assert result.stdout.count("\n") == 1
    assert result.stderr == "0\n"


@pytest.mark.few(2)
@pytest.mark.parametrize("detail", ["scalar", "vector", "summary"])
@pytest.mark.parametrize("form", ["md", "text", "html", "tex", "typ"])
def test_a_unit_that_only_some_lines_have_leaves_the_others_out(tmp_path: Path, form: str, detail: str) -> None:
    wide = "z_t = W @ x_t + s_prev\nm_t = mean(z_t)\ns_t = tanh(z_t - m_t)\nq_t = sum(s_t)\n"
    wide += "carry: s_prev <- s_t\noutput: q_t"
    path = tmp_path / "p.json"
    steps = [[1.0, 2.0, 3.0], [0.5, 1.0, -1.0], [0.25, -2.0, 1.5]]
    path.write_text(
        json.dumps({"cell": {"equations": wide}, "weights": {"W": [[1.5, 0.25, -2.0], [0.5, 1.0, 3.0]]}, "x": steps})
    )
    found = invoke("report", str(path), "--unit", "1", "--detail", detail, "--format", form)
    assert found.exit_code == 0, found.stderr
    whole = invoke("report", str(path), "--unit", "1", "--only", "s_t", "--format", "text")
    assert "unit 1" in whole.stdout
    with pytest.raises(MissingError, match="the selection is empty"):
        lt.run({"W": [[1.5, 0.25, -2.0], [0.5, 1.0, 3.0]]}, steps, cell={"equations": wide}).report(unit=2)


@pytest.mark.parametrize(
    "options",
    [
        ("show", "--steps", "9" * 5000),
        ("show", "--steps", f"-{'9' * 5000}:"),
        ("explain gradient", "--of", f"h_t[{'9' * 5000}]"),
        ("explain memory", "--of", f"{'9' * 5000}/h_t[0]"),
        ("explain contribution", "--of", "h_t[0]", "--baseline", "9" * 5000),
        ("report", "-o", "/"),
        ("report", "-o", ""),
        ("report", "--format", "md", "-o", "/"),
        ("report", "--format", "md", "-o", ""),
    ],
)
def test_a_number_or_a_name_that_cannot_be_is_reported(
    tmp_path: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "p.json"
    path.write_text(json.dumps(problem()))
    found = invoke(*options[0].split(), str(path), *options[1:])
    assert found.exit_code == 2
    assert found.stderr.startswith("error: ")
    assert "bug in lstm-trace" not in found.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.json"]


@pytest.mark.parametrize("layer", ["9" * 12, "9" * 5000, "00", "٣", "-1", "1e3"])
def test_a_layer_that_no_stack_has_is_reported_at_once(layer: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"weights": {f"{layer}/forward/W_xi": [[1.0]]}, "x": [[1.0]]}))
    found = invoke("report", str(path))
    assert found.exit_code == 2
    assert "expected `W_xi`, or `layer/direction/W_xi`" in found.stderr
    assert "bug in lstm-trace" not in found.stderr
