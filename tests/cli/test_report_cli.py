"""`lstm-trace report`: formats, options, and what wrong ones get."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from lstm_trace.cli import main
from lstm_trace.examples import examples, text

from ..report.test_report import QUESTION_22
from ..support.profile_cases import CASES

TEXT = yaml.safe_dump(QUESTION_22)


def cli(*arguments: Any, **more: Any) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)], **more)


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    path = tmp_path / "q22.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_standard_input_and_output() -> None:
    result = cli("-", input=TEXT)
    assert result.exit_code == 0
    assert result.stdout.startswith("# Question 22\n")  # no terminal: Markdown
    assert cli("-", "--format", "text", input=TEXT).stdout.startswith("Question 22\n═══════════\n")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("name", "first"), [("a.md", "# Question 22"), ("a.MARKDOWN", "# Question 22"), ("a.txt", "Question 22")]
)
def test_the_suffix_chooses_the_format(problem: Path, tmp_path: Path, name: str, first: str) -> None:
    assert cli(problem, "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / name).read_text(encoding="utf-8").splitlines()[0] == first
    assert cli(problem, "--format", "md", "-o", tmp_path / "a.report").exit_code == 0


def test_a_trace_reads_like_its_problem(problem: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    assert CliRunner().invoke(main, ["run", str(problem), "-o", str(trace)]).exit_code == 0
    assert cli(trace).stdout == cli(problem).stdout


def test_options(problem: Path) -> None:
    report = cli(problem, "--format", "text", "--only", "i_t,c_t", "--unit", 1, "--digits", 3).stdout
    assert "    unit 1: σ(-1.600) ≈ 0.168\n" in report
    assert "unit 0" not in report
    assert "Output gate" not in report
    assert "  i_t ≈ [0.401, 0.168]\n" in cli(problem, "--format", "text", "--detail", "summary", "--digits", 3).stdout
    narrow = cli(problem, "--format", "text", "--width", 60).stdout
    assert max(len(line.replace("\u0303", "")) for line in narrow.splitlines()) <= 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "c_tt"], "did you mean 'c_t'?"),
        (["--only", "W_xi"], "'W_xi' is a premise"),
        (["--unit", "9"], "units 0 to 1"),
        (["--steps", "4"], "T = 1"),
        (["--layer", "3"], "0/forward"),
        (["--direction", "reverse"], "0/forward"),
        (["--batch", "1"], "B = 1"),
        (["--format", "text", "--width", "39"], "x>=40 of a text report"),
        (["--format", "textt"], "did you mean 'text'?"),
        (["--detail", "all"], "'scalar', 'compact', 'vector', 'summary'"),
        (["--digits", "40"], "0<=x<=17"),
    ],
)
def test_wrong_options(problem: Path, tmp_path: Path, options: list[str], message: str) -> None:
    target = tmp_path / "report.md"
    result = cli(problem, "-o", target, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not target.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_no_picture_beside_a_pipe_or_device(problem: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    result = cli(problem, "-o", tmp_path / "pipe")
    assert result.exit_code == 0
    assert os.read(reader, 1 << 16).startswith(b"# Question 22\n")
    os.close(reader)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe", problem.name]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text elsewhere")
def test_a_name_that_is_no_text(problem: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"b\xff.md")
    assert cli(problem, "-o", tmp_path / name).exit_code == 0
    assert "](b%FF.svg)" in (tmp_path / name).read_text(encoding="utf-8")
    assert (tmp_path / os.fsdecode(b"b\xff.svg")).exists()


def test_a_format_that_there_is_not(problem: Path, tmp_path: Path) -> None:
    result = cli(problem, "-o", tmp_path / "a.docx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "a.docx: reports are written as .md, .markdown, .txt" in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["q22.yaml"]


@pytest.mark.few(1)
@pytest.mark.parametrize("name", sorted(examples()))
def test_every_example_has_a_report(name: str) -> None:
    for format in ("md", "text"):
        result = cli("-", "--format", format, input=text(name))
        assert result.exit_code == 0, result.stderr
        assert "Answers" in result.stdout


# -- several problems, and a part of a document -----------------------------------------------------------------------


@pytest.fixture
def problems(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.yaml" for name in ("q19", "q20")]
    for path in paths:
        path.write_text(text(path.stem), encoding="utf-8")
    return paths


@pytest.mark.few(2)
@pytest.mark.parametrize("suffix", ["md", "txt", "tex", "typ", "html"])
def test_several_problems_in_one_document(problems: list[Path], tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"sheet.{suffix}"
    assert cli(*problems, "-o", target).exit_code == 0
    found = target.read_text(encoding="utf-8")
    places = [found.index(title) for title in ("Worked solutions", "Question 19", "Question 20")]
    assert places == sorted(places)
    assert not (tmp_path / "sheet.svg").exists()  # a picture belongs to one problem


def test_a_title_and_standard_input_among_several(problems: list[Path]) -> None:
    found = cli(problems[0], "-", "--title", "Homework 3", input=TEXT).stdout
    assert [row for row in found.splitlines() if row.startswith(("# ", "## "))] == [
        "# Homework 3", "## Question 19, the input gate", "## Question 22"
    ]  # fmt: skip
    assert cli(problems[0], "--title", "Mine").stdout.startswith("# Mine\n")
    result = cli("-", "-", input=TEXT)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "can be read only once" in result.stderr


def test_one_bad_file_of_several(problems: list[Path], tmp_path: Path) -> None:
    bad, gone, target = tmp_path / "bad.yaml", tmp_path / "gone.yaml", tmp_path / "sheet.md"
    bad.write_text(text("q21").replace("W_xf", "W_xq"), encoding="utf-8")
    result = cli(problems[0], bad, problems[1], "-o", target)
    assert result.exit_code == 2
    first, *each = result.stderr.splitlines()
    assert first == "error: 2 problems"
    assert each[0] == f"- {bad}: no equation of the cell reads the weight 'W_xq'; did you mean 'W_xf'?"
    assert not target.exists()
    result = cli(gone, problems[0], bad, "-o", target)
    assert str(gone) in result.stderr
    assert str(bad) in result.stderr
    result = cli(*problems, "--steps", "2", "-o", target)  # each has one step
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()[1:]] == [f"- {path}" for path in problems]
    assert not target.exists()


def test_no_input_of_several_is_overwritten(problems: list[Path]) -> None:
    before = problems[1].read_text(encoding="utf-8")
    result = cli(*problems, "-o", problems[1], "--format", "md")
    assert result.exit_code == 2
    assert "is an input, which would be lost" in result.stderr
    assert problems[1].read_text(encoding="utf-8") == before


def test_no_source() -> None:
    result = cli("-o", "x.md")
    assert result.exit_code == 2
    assert "SOURCE" in result.stderr


def test_a_fragment(problem: Path, tmp_path: Path) -> None:
    target = tmp_path / "part.tex"
    assert cli(problem, "--fragment", "--heading-level", "subsection", "-o", target).exit_code == 0
    assert r"\subsection{Question 22}" in target.read_text(encoding="utf-8")
    assert cli(problem, "--fragment", "--heading-level", "3", "-o", tmp_path / "part.md").exit_code == 0
    found = (tmp_path / "part.md").read_text(encoding="utf-8")
    assert found.startswith("### Question 22\n")
    assert found.index("\n#### The cell\n\n![") < found.index("\n#### Solution\n")  # the picture has its heading there
    assert (tmp_path / "part.svg").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fragment", "-o", "x.html"], "html is written as a whole"),
        (["--fragment", "-o", "x.pdf"], "pdf is written as a whole"),
        (["--heading-level", "section", "-o", "x.tex"], "only a fragment has a heading level"),
        (["--fragment", "--heading-level", "sction", "-o", "x.tex"], "did you mean 'section'?"),
    ],
)
def test_what_is_no_fragment(
    problem: Path, tmp_path: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli(problem, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [problem.name]


@pytest.mark.few(0)
def test_a_model_and_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with show and explain: what it prints is the report of the run."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(5)
    weights = {f"W_{s}{g}": draw.normal(size=(2, 3 if s == "x" else 2)) for s in "xh" for g in "ifco"}
    np.savez("m.npz", **weights)
    np.save("x.npy", draw.normal(size=(3, 3)))
    assert CliRunner().invoke(main, ["run", "m.npz", "--input", "x.npy", "-o", "t.json"]).exit_code == 0
    assert cli("m.npz", "--input", "x.npy").stdout == cli("t.json").stdout != ""
    profiled = cli("m.npz", "--input", "x.npy", "--detail", "profile")
    assert profiled.exit_code == 0
    assert "lstm-trace run m.npz --input x.npy | lstm-trace verify -" in profiled.stdout
    assert "lstm-trace verify t.json" in cli("t.json", "--detail", "profile").stdout
    assert "m.npz is a model: give its input with --input X" in cli("m.npz").stderr
    assert "t.json is a trace, which contains its weights and input; leave --input out" in (
        cli("t.json", "--input", "x.npy").stderr
    )
    assert "--input applies to one SOURCE, and there are 2: write one at a time" in (
        cli("m.npz", "m.npz", "--input", "x.npy").stderr
    )


@pytest.mark.few(0)
def test_the_picture_is_counted_as_the_report_is(tmp_path: Path) -> None:
    problem = tmp_path / "p.yaml"
    problem.write_text(text("three-steps"), encoding="utf-8")
    for first in (0, 1):
        assert cli(problem, "-o", tmp_path / "p.md", "--count-from", first).exit_code == 0
        found = (tmp_path / "p.md").read_text(encoding="utf-8")
        (named,) = re.findall(r"!\[(.*)\]\(p\.svg\)", found)
        assert f"t = {first})" in named
        assert f"t = {first})" in (tmp_path / "p.svg").read_text(encoding="utf-8").partition("</title>")[0]


def test_a_profile_has_its_picture_before_the_table_of_gates(tmp_path: Path) -> None:
    CASES["gru"]().save(tmp_path / "t.json")
    assert cli(tmp_path / "t.json", "--detail", "profile", "-o", tmp_path / "t.md").exit_code == 0
    found = (tmp_path / "t.md").read_text(encoding="utf-8")
    gates = found.partition("## Gates\n")[2].partition("\n## ")[0]
    assert re.search(r"\.\n\n!\[How often gates are saturated\]\(t\.svg\)\n\n\|", gates)
    assert "](t.svg)" not in found.replace(gates, "")
    drawing = (tmp_path / "t.svg").read_text(encoding="utf-8")
    assert drawing.startswith("<svg")
    assert drawing.endswith("</svg>\n")
    assert cli(tmp_path / "t.json", "-o", tmp_path / "u.md", "--no-diagram").exit_code == 0
    assert "![" not in (tmp_path / "u.md").read_text(encoding="utf-8")


@pytest.mark.few(0)
@pytest.mark.parametrize("detail", ["profile", "worked"])
def test_a_notebook_refers_to_no_file(detail: str) -> None:
    report = CASES["gru"]().report("md", detail=detail, file="t.svg")
    assert "](t.svg)" in report
    for shown in (report._repr_html_(), report._repr_markdown_()):
        assert "t.svg" not in shown


def test_a_file_that_begins_with_a_dash_is_no_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-o.yaml").write_text(text("three-steps"), encoding="utf-8")
    done = CliRunner().invoke(main, ["report", "--detail", "profile", "--", "-o.yaml"])
    assert done.exit_code == 0, done.stderr
    assert "lstm-trace plot ./-o.yaml --count-from 1 --kind unit" in " ".join(done.stdout.split())
