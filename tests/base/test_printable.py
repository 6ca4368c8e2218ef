"""Texts of strangers: whatever stands in a title, a label, a key or a tensor's name, no output acts on it."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import LstmTraceError
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.report.diagram.diagram import diagram
from lstm_trace.trace.trace import Trace

from ..support.page_reader import Page

#: One character of every kind that acts: C0, DEL, C1 (CSI, OSC, NEL), line separators, overrides of the direction,
#: half of a surrogate pair, no characters.
ACTS = "\x00\x07\x08\x1b\x1f\x7f\x80\x85\x9b\x9d\u2028\u2029\u202a\u202e\u2066\u2069"
ACTS += "\ud800\udfff\ufdd0\ufffe\uffff\U0001ffff"
#: What a file could do to a terminal: clear it, set its title, colour the next line.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m" + ACTS
#: Ordinary text of many scripts, which must come through: combining marks, joiners, wide letters, right to left.
HARMLESS = "Größe σ é नमस्ते 👩‍🔬 中文\u3000字 עברית\u200f 10\xa0%"

#: Categories of Unicode that no output of ours may have, but for tab and newline; Cf is judged one by one.
_BAD = {"Cc", "Cs", "Cn", "Zl", "Zp"}
_BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def acting(text: str) -> set[str]:
    """The characters of a text that act; found by their category, not by our list."""
    unknown = {c for c in text if unicodedata.category(c) in _BAD and c not in "\t\n"}
    return unknown | (set(text) & _BIDI)


def hostile(text: str) -> dict[str, Any]:
    """A problem with `text` in everything that a person may write as they like."""
    rng = np.random.default_rng(5)
    weights = {f"W_{side}{g}": rng.normal(size=(2, n)) for side, n in (("x", 3), ("h", 2)) for g in "ifco"}
    return {
        "title": f"Title {text} end",
        "weights": weights,
        "x": rng.normal(size=(3, 3)),
        "h0": [0.25, -0.5],
        "c0": [0.5, 0.75],
        "ask": ["h_t"],
        "names": {"x": [f"x{text}", "=cmd|' /C calc'!A0", "c"], "h": [f"h{text}", "u"]},
        "symbols": {"h_t": f"\\hat{{h}}{text}", "W_xi": f"`\n```\n<script>{text}"},
    }


def traced(text: str) -> Trace:
    return lt.run(hostile(text))


FORMATS = ("md", "text", "html", "tex", "typ")


@pytest.mark.few(0)
@pytest.mark.parametrize("format", FORMATS)
def test_no_format_of_a_report_has_a_character_that_acts(format: str) -> None:
    text = traced(HOSTILE).report(format, language="de")
    assert "owned" in text, "the text itself stays"
    assert not acting(text)
    back = lt.explain(traced(HOSTILE), "2/h_t[0]", "gradient").to_frame()
    assert not acting(back.to_csv())


@pytest.mark.few(0)
@pytest.mark.parametrize("format", FORMATS)
def test_ordinary_text_of_any_script_comes_through(format: str) -> None:
    harmless = HARMLESS if format != "typ" else HARMLESS.replace("中文\u3000字 ", "")  # it looks for a font first
    text = traced(harmless).report(format)
    for word in harmless.split(" ")[:-1]:
        assert unicodedata.normalize("NFC", word) in unicodedata.normalize("NFC", text), word


@pytest.mark.few(0)
@pytest.mark.parametrize("text", [HOSTILE, "<b>&\"'" + HOSTILE, "long " * 40_000, "x" * 200_000], ids=len)
def test_pictures_are_xml_and_pages_are_closed(text: str) -> None:
    trace = lt.run(hostile(text[:200]))
    trace = replace(trace, header=replace(trace.header, title=f"Title {text} end"))  # longer than in a file
    picture = ElementTree.fromstring(diagram(trace))  # noqa: S314 - our own picture
    title = picture.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text is not None
    assert title.text.startswith("Title ")
    assert len(title.text) > len(text)
    page = Page(trace.report("html"))
    assert page.every("h1")[0].text.startswith("Title ")
    maps = re.findall(r'<svg xmlns="http://www.w3.org/2000/svg" class="lstm-plot".*?</svg>', trace.report("html"), re.S)
    assert maps
    for drawn in maps:
        ElementTree.fromstring(drawn)  # noqa: S314


def test_the_picture_beside_a_markdown_report_is_xml(tmp_path: Path) -> None:
    problem = {**hostile("\x1b[2J\x00\x9b"), "x": [[1.0, 2.0, 3.0]]}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(problem, default=np.ndarray.tolist), encoding="utf-8")
    result = CliRunner().invoke(main, ["report", str(path), "-o", str(tmp_path / "r.md")])
    assert result.exit_code == 0, result.output
    ElementTree.parse(tmp_path / "r.svg")  # noqa: S314
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert not acting(text)
    assert text.count("```") % 2 == 0, "a symbol cannot end the block that it stands in"
    assert "<script" not in re.sub(r"```math.*?```|\$`.*?`\$", "", text, flags=re.S)


def test_typst_compiles_what_is_hostile() -> None:
    pytest.importorskip("typst")
    assert traced(HOSTILE).pdf().startswith(b"%PDF")


def test_show_and_notebooks_command_nothing() -> None:
    trace = traced(HOSTILE)
    result = CliRunner().invoke(main, ["show", "-"], input=json.dumps(hostile(HOSTILE[:20]), default=np.ndarray.tolist))
    assert result.exit_code == 0, result.output
    assert "owned" in result.output
    assert not acting(result.output)
    assert not acting(trace._repr_html_())
    assert not acting(repr(trace))


def test_json_keeps_the_text_in_escapes() -> None:
    """A title is data, so the file means the same; but it can be shown in a terminal."""
    text = HOSTILE.replace("\ud800", "").replace("\udfff", "")
    result = CliRunner().invoke(main, ["run", "-"], input=json.dumps(hostile(text), default=np.ndarray.tolist))
    assert result.exit_code == 0, result.output
    assert not acting(result.stdout)
    assert json.loads(result.stdout)["title"] == f"Title {text} end"


@pytest.mark.parametrize("dialect", ["plain", "excel", "excel-eu"])
@pytest.mark.parametrize("shape", ["long", "wide", "worked"])
def test_csv_has_no_character_that_acts_and_excel_no_formula(shape: str, dialect: str, tmp_path: Path) -> None:
    cell = {"equations": "c_t = -x_t * W + c_prev\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({**hostile(HOSTILE), "weights": {"W": [0.5, 2.0, 3.0]}, "cell": cell, "ask": [], "h0": None,
                    "c0": [1.0, 2.0, 3.0], "names": {}})  # fmt: skip
    labels = (f"=1+{HOSTILE}", *('@b;,"c\n', "-d")[: trace.steps - 1])
    trace = replace(trace, header=replace(trace.header, step_labels=(labels,)))
    path = tmp_path / "t.csv"
    export(ExportJob(trace, shape, dialect=dialect, title=True, all_lines=shape == "wide"), path)
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    assert not acting(text)
    rows = list(csv.reader(io.StringIO(text), delimiter=";" if dialect == "excel-eu" else ","))
    texts = [cell for row in rows for cell in row if cell and not re.fullmatch(r"-?[\d.,e+-]+", cell)]
    assert any("-x_t" in cell for cell in texts)
    assert {len(row) for row in rows} == {len(rows[0])}
    assert "owned" in rows[1][0]
    assert "owned" in rows[1][rows[0].index("token")]
    if dialect != "plain":
        assert not [cell for cell in texts if cell[0] in "=+-@\t\r"]


# -- messages --------------------------------------------------------------------------------------------------------


def test_every_error_is_printable_and_of_a_length_that_can_be_read() -> None:
    error = LstmTraceError(f"the key {HOSTILE}", "the key " + "k" * 100_000 + " is unknown", "word " * 100_000)
    assert not acting(str(error))
    assert "owned" in error.problems[0]
    assert len(error.problems[1]) < 400
    assert error.problems[1].startswith("the key kkk")
    assert error.problems[1].endswith(" is unknown")
    assert len(error.problems[2]) < 4_100
    again = LstmTraceError(*error.problems)
    assert again.problems == error.problems


LONG = "k" * 100_000


@pytest.mark.few(0)
@pytest.mark.parametrize(
    "problem",
    [
        {**hostile(""), LONG: 1},
        {**hostile(""), "ask": [LONG]},
        {**hostile(""), "given": {LONG: [1.0]}},
        {**hostile(""), "initial": {LONG: [1.0]}},
        {**hostile(""), "weights": {**hostile("")["weights"], LONG: [1.0]}},
        {**hostile(""), "weights": {**hostile("")["weights"], f"0/{LONG}/W": [1.0]}},
        {**hostile(""), "names": {LONG: ["a"]}},
        {**hostile(""), "layout": LONG},
        {**hostile(""), "dtype": LONG},
        {**hostile(""), "cell": LONG},
        {**hostile(""), "cell": {"equations": f"h_t = {LONG}(x_t)"[:60_000]}},
        {**hostile(""), "cell": {"equations": f"h_t = ({'+'.join(['x_t'] * 250)})(x_t)"}},
        {**hostile(""), "cell": {"equations": f"h_t = (0x{'f' * 5000})(x_t)"}},
        {**hostile(""), "cell": {"kind": "lstm", LONG: 1}},
        {**hostile(""), **{f"key {n}": 1 for n in range(500)}},
        {**hostile(""), "title\x1b]0;owned\x07": 1},
        {**hostile(""), "layout": "\x1b]0;owned\x07"},
        {**hostile(""), "cell": "\x1b]0;owned\x07"},
        {**hostile(""), "cell": {"equations": "h_t = x_t $ \x1b]0;owned\x07\x9b31m"}},
    ],
    ids=lambda problem: str(list(problem)[-1])[:12].replace("\x1b", ""),
)
def test_messages_on_strange_keys_are_bounded(problem: dict[str, Any]) -> None:
    result = CliRunner().invoke(main, ["run", "-"], input=json.dumps(problem, default=np.ndarray.tolist))
    assert (result.exit_code, result.stdout) == (2, ""), result.output[:500]
    assert result.stderr.startswith("error: ")
    assert "unexpected" not in result.stderr[:20]
    assert not acting(result.stderr)
    assert " object at 0x" not in result.stderr
    assert len(result.stderr) < 10_000


# -- names of tensors ------------------------------------------------------------------------------------------------


def model(name: str) -> dict[str, Any]:
    rng = np.random.default_rng(6)
    shapes = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 2), "bias_ih_l0": (8,), "bias_hh_l0": (8,)}
    return {f"{name}.{key}": rng.normal(size=shape) for key, shape in shapes.items()} | {f"{name}.other": np.ones(2)}


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_names_of_tensors_command_no_terminal(suffix: str, tmp_path: Path) -> None:
    name = "enc\x1b]0;owned\x07\x9b31m\u202e"
    path, x = tmp_path / f"m{suffix}", tmp_path / "x.npy"
    if suffix == ".npz":
        np.savez(path, **model(name))
    else:
        from safetensors.numpy import save_file

        save_file(model(name), path)
    np.save(x, np.ones((3, 3)))
    commands = (
        ["inspect", str(path)],
        ["inspect", str(path), "--format", "json"],
        ["inspect", str(path), "--name", "none"],
        ["inspect", str(path), "--layout", "keras"],
        ["run", str(path), "--input", str(x)],
        ["run", str(path), "--input", str(x), "--plan"],
        ["explain", "memory", str(path), "--input", str(x), "--of", "2/c_t[0]", "--format", "json"],
        ["diff", str(path), str(path), "--input", str(x), "--format", "json"],
    )
    for arguments in commands:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code in (0, 2), (arguments, result.output)
        assert not acting(result.output), arguments
    listed = CliRunner().invoke(main, ["inspect", str(path), "--format", "json"])
    assert json.loads(listed.stdout)[0]["name"] == name, "JSON has the name as it is"


@pytest.mark.few(0)
def test_a_name_cannot_pretend_to_be_a_line_of_inspect(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    np.savez(path, **model("a\nx: 9 LSTMs\nb" + "n" * 50_000))
    result = CliRunner().invoke(main, ["inspect", str(path)])
    assert result.exit_code == 0, result.output
    assert not [row for row in result.stdout.splitlines() if row.startswith(("x:", "b"))]
    assert len(result.stdout) < 10_000
