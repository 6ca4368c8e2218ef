"""Downloads are the files of the command line, under names that are only names."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, OptionError
from lstm_trace.runs import printing

from ..support.kept_runs import Kept


def content(kept: Kept, run: Any, file: str, **options: Any) -> bytes:
    found, _ = printing.download(kept.path(run), file, options)
    return Path(kept.path(run)).read_bytes() if found is None else found


@pytest.fixture
def run(kept: Kept) -> Any:
    return kept.edit(kept.make(example="three-steps"), {"0/forward/W_xf[0,0]": -1.0})


@pytest.mark.few(1)
@pytest.mark.parametrize("file", printing.FILES)
def test_every_file_is_what_its_suffix_says(kept: Kept, run: Any, file: str, tmp_path: Path) -> None:
    for module, suffix in (("typst", ".pdf"), ("pyarrow", ".parquet"), ("xlsxwriter", ".xlsx")):
        if file.endswith(suffix):
            pytest.importorskip(module)
    found, suffix = content(kept, run, file), Path(file).suffix
    begins = {
        ".pdf": b"%PDF-",
        ".parquet": b"PAR1",
        ".xlsx": b"PK",
        ".html": b"<!doctype html>",
        ".csv": b"layer,direction,t",
    }
    assert found.startswith(begins.get(suffix, b""))
    assert suffix in printing.MEDIA
    if suffix in (".yaml", ".json", ".safetensors"):
        (tmp_path / file).write_bytes(found)
        trace = lt.run(tmp_path / file) if suffix == ".yaml" else lt.load(tmp_path / file)
        for line, values in lt.load(kept.path(run)).items():
            np.testing.assert_array_equal(trace[line], values)
    elif suffix == ".xlsx":
        assert zipfile.ZipFile(io.BytesIO(found)).testzip() is None
    elif suffix == ".ipynb":
        cells = json.loads(found)["cells"]
        assert [cell["cell_type"] for cell in cells] == ["markdown", "code"]
        assert "$$" in "".join(cells[0]["source"])
        assert "".join(cells[1]["source"]) == content(kept, run, "run.py").decode()
    else:
        assert len(found) > 500


def test_the_problem_has_the_arithmetic_of_the_run(kept: Kept, run: Any, tmp_path: Path) -> None:
    by_hand = kept.edit(run, arithmetic="by-hand-3")
    (tmp_path / "problem.yaml").write_bytes(content(kept, by_hand, "problem.yaml"))
    trace = lt.run(tmp_path / "problem.yaml")
    assert trace.header.arithmetic == "by-hand-3"
    for line, values in lt.load(kept.path(by_hand)).items():
        np.testing.assert_array_equal(trace[line], values)


def test_a_report_has_its_options(kept: Kept, run: Any) -> None:
    found = content(kept, run, "report.md", language="de", digits=2, count_from=0).decode()
    assert found == lt.load(kept.path(run)).report("md", language="de", digits=2, count_from=0)
    assert "Gegeben" in found
    assert content(kept, run, "values.csv", digits=3) != content(kept, run, "values.csv")


def test_title_and_counting_become_part_of_the_files(kept: Kept, run: Any, tmp_path: Path) -> None:
    options = {"title": "Mine: = 2", "count_from": 1}
    assert yaml.safe_load(content(kept, run, "problem.yaml", count_from=0)).get("count_from", 0) == 0
    said = yaml.safe_load(content(kept, run, "problem.yaml", **options))
    assert (said["title"], said["count_from"]) == ("Mine: = 2", 1)
    program = content(kept, run, "run.py", **options).decode()
    assert "'count_from': 1" in program
    assert "Mine: = 2" in program
    assert content(kept, run, "report.md", **options).decode().startswith("# Mine: = 2\n")
    assert printing.download(kept.path(run), "problem.yaml", options)[1] == "Mine-2.yaml"


@pytest.mark.few(0)
@pytest.mark.parametrize("first", [0, 1])
def test_a_workbook_counts_as_it_is_told(kept: Kept, run: Any, tmp_path: Path, first: int) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("xlsxwriter")
    (tmp_path / "values.xlsx").write_bytes(content(kept, run, "values.xlsx", count_from=first, title="Mine"))
    sheet = openpyxl.load_workbook(tmp_path / "values.xlsx")["By hand"]
    texts = {str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value is not None}
    assert "Mine" in texts
    assert [f"Step {t}" in texts for t in range(5)] == [first <= t < first + 3 for t in range(5)]
    assert ({"h0", "x1"} <= texts) == (first == 1)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("file", "options", "kind", "said"),
    [
        ("report.doc", {}, MissingError, "there is no file 'report.doc'"),
        ("../x.json", {}, MissingError, "there is no file"),
        ("report.md", {"language": "xx"}, OptionError, "there is no language 'xx'"),
        ("report.md", {"notation": "torch"}, OptionError, "did you mean 'pytorch'"),
        ("report.md", {"detail": "tiny"}, OptionError, "there is no detail 'tiny'"),
        ("report.md", {"digits": 99}, OptionError, "digits"),
        ("report.html", {"count_from": 2}, OptionError, "expected 0 or 1"),
        ("problem.yaml", {"count_from": 2}, OptionError, "expected 0 or 1"),
        ("values.parquet", {"digits": 3}, OptionError, "it takes no options"),
        ("problem.yaml", {"language": "de"}, OptionError, "there is no option language"),
        ("values.csv", {"language": "de"}, OptionError, "it takes digits"),
    ],
)
def test_what_is_not_there_is_said(
    kept: Kept, run: Any, file: str, options: dict[str, Any], kind: type[LstmTraceError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        printing.download(kept.path(run), file, options)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Question 22, the whole step", "Question-22-the-whole-step-report.md"),
        ("../../etc/passwd\r\nX: y", "etc-passwd-X-y-report.md"),
        ("", "run-report.md"),
        ('"; rm -rf ~ #', "rm-rf-report.md"),
        ("Größe\u202e∑", "Größe-report.md"),
        ("x" * 500, "x" * 60 + "-report.md"),
    ],
)
def test_the_name_of_a_file_is_only_a_name(kept: Kept, title: str, name: str) -> None:
    problem = {"title": title, "weights": {"W_xi": [[0.5]], "W_hi": [[0.25]]}, "x": [1.0], "ask": ["i_t"]}
    run = kept.make(problem=problem)
    assert printing.download(kept.path(run), "report.md", {})[1] == name
    assert printing.download(kept.path(run), "problem.yaml", {})[1] == name.replace("-report.md", ".yaml")
