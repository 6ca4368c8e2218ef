"""The suffix of an output says how it is written: in every command another one is refused, with the list."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lstm_trace.cli import main
from lstm_trace.examples import text
from lstm_trace.export.formats import TABLE_FORMATS as TABLES

from ..support.tiers import some

#: The suffixes of every result.
RESULTS = ".md, .markdown, .txt, .html, .htm, .tex, .typ, .pdf, .json, .csv, .parquet, .svg, .png"
#: A command without its output, and the suffixes that its refusal lists.
WRITERS: dict[str, tuple[list[str], str]] = {
    "run": (["run", "q22.yaml"], ".json, .safetensors"),
    "report": (["report", "q22.yaml"], ".md, .markdown, .txt, .html, .htm, .tex, .typ, .pdf"),
    "export": (["export", "q22.yaml"], ", ".join(TABLES)),
    "diff": (["diff", "q22.yaml", "q22.yaml"], RESULTS),
    "diff --attribute": (
        ["diff", "q22.yaml", "q22.yaml", "--attribute", "h_t[0]"],
        RESULTS,
    ),
    "explain contribution": (
        ["explain", "contribution", "q22.yaml", "--of", "h_t[0]"],
        RESULTS,
    ),
    "explain": (
        ["explain", "gates", "q22.yaml"],
        RESULTS,
    ),
    "explain gradient": (
        ["explain", "gradient", "q22.yaml", "--of", "h_t[0]"],
        RESULTS,
    ),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "q22.yaml").write_text(text("q22"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(("output", "found"), [("x.docx", "not .docx"), ("x", "this name has no suffix")])
def test_an_unknown_suffix_is_refused_with_the_list(folder: Path, name: str, output: str, found: str) -> None:
    command, known = WRITERS[name]
    result = invoke(*command, "-o", output)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {output}: ")
    assert f" are written as {known}, " in result.stderr
    assert found in result.stderr
    assert result.stderr.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["q22.yaml"]


@pytest.mark.parametrize("name", WRITERS)
def test_refused_before_anything_is_read(name: str) -> None:
    command, known = WRITERS[name]
    gone = ["gone.yaml" if word == "q22.yaml" else word for word in command]
    assert known in invoke(*gone, "-o", "x.docx").stderr


@pytest.mark.few(0)
@pytest.mark.parametrize("name", some(WRITERS, 4))
def test_every_suffix_that_is_listed_is_written(folder: Path, name: str) -> None:
    command, known = WRITERS[name]
    for module, suffix in (("typst", ".pdf"), ("pyarrow", ".parquet"), ("xlsxwriter", ".xlsx")):
        if suffix in known.split(", "):
            pytest.importorskip(module)
    for suffix in known.split(", "):
        for output in some((f"x{suffix}", f"y{suffix.upper()}"), 1):
            result = invoke(*command, "-o", output)
            if command[0] == "diff" and suffix in (".svg", ".png"):  # of equal traces, and of a split
                assert (result.exit_code, "there is no picture of this" in result.stderr) == (2, True)
                continue
            assert result.exit_code == 0
            assert (folder / output).stat().st_size > 0


def test_what_is_not_a_format_of_a_report_or_a_verification_is_told_with_what_is() -> None:
    refused = invoke("report", "q22.yaml", "--format", "svg").stderr
    assert refused == "error: there is no format 'svg'; expected md, text, html, tex, typ, pdf\n"
    gone = {"verify": ["gone.json"], "inspect": ["gone.npz"], "example": [], "doctor": [], "corpus units": ["gone"]}
    gone["identify"] = ["--weights", "gone.npz", "--input", "x.npy", "--expected", "y.npy"]
    for command, rest in gone.items():  # before anything is read
        found = invoke(*command.split(), *rest, "-o", "v.svg")
        assert (found.exit_code, found.stdout) == (2, "")
        assert found.stderr.startswith("error: v.svg: results are written as .md, ")
        assert found.stderr.endswith(", .parquet, not .svg; choose one with --format\n")


@pytest.mark.few(0)
@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no devices here")
@pytest.mark.parametrize("name", WRITERS)
def test_a_device_needs_no_suffix(name: str) -> None:
    assert invoke(*WRITERS[name][0], "-o", os.devnull).exit_code == 0
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_the_help_of_what_has_no_picture_offers_none() -> None:
    plain, pictured = (CliRunner().invoke(main, [verb, "-h"]).output for verb in ("mistakes", "diff"))
    for one in ("svg", "--no-picture"):
        assert one not in plain
        assert one in pictured
