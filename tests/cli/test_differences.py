"""`diff` into files of values: the table of differences, its shapes and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace.cli import main

DRAW = np.random.default_rng(28)
WEIGHTS = {f"W_{s}{g}": DRAW.normal(size=(3, 3 if s == "h" else 2)).round(2) for s in "xh" for g in "ifco"}
PROBLEM = {"x": DRAW.normal(size=(5, 2)).round(2).tolist(), "h0": [0.5, -0.25, 0.125], "c0": [1.0, 0.5, -0.5]}


def problem(path: str, **changed: float) -> None:
    """The problem, with the entry [1, 0] of some weights changed."""
    weights = {name: values.copy() for name, values in WEIGHTS.items()}
    for name, value in changed.items():
        weights[name][1, 0] = value
    Path(path).write_text(yaml.safe_dump({**PROBLEM, "weights": {n: w.tolist() for n, w in weights.items()}}))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    problem("a.yaml")
    problem("b.yaml", W_xf=0.75)
    return tmp_path


def diff(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["diff", *arguments])


@pytest.mark.few(0)
def test_the_table_goes_into_a_file_or_a_pipe(here: Path) -> None:
    assert diff("a.yaml", "b.yaml", "-o", "d.csv").exit_code == 1
    assert diff("a.yaml", "a.yaml", "-o", "same.csv").exit_code == 0
    table = pd.read_csv("d.csv")
    whole = lt.diff(lt.run("a.yaml"), lt.run("b.yaml")).to_frame()
    assert list(table.columns) == list(whole.columns)
    assert table["difference"].tolist() == whole["difference"].tolist()
    assert (pd.read_csv("same.csv")["difference"] == 0).all()
    assert diff("a.yaml", "b.yaml", "--format", "csv").stdout == Path("d.csv").read_text()


@pytest.mark.few(0)
def test_the_wide_shape(here: Path) -> None:
    assert diff("a.yaml", "b.yaml", "-o", "d.csv", "--shape", "wide").exit_code == 1
    assert diff("a.yaml", "b.yaml", "-o", "d.parquet", "--shape", "wide").exit_code == 1
    one, two = (lt.run(name)["c_t"] for name in ("a.yaml", "b.yaml"))
    for table in (pd.read_csv("d.csv"), pd.read_parquet("d.parquet")):
        assert table["t"].tolist() == [0, 1, 2, 3, 4]
        assert table[["c_t[0]", "c_t[1]", "c_t[2]"]].to_numpy().tolist() == (two - one)[:, 0].tolist()


@pytest.mark.few(0)
def test_the_workbook_is_named_after_the_files(here: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("xlsxwriter")
    assert diff("a.yaml", "b.yaml", "-o", "d.xlsx").exit_code == 1
    sheet = openpyxl.load_workbook("d.xlsx", data_only=True)["Difference"]
    assert sheet["A1"].value == "Difference of a.yaml and b.yaml"
    assert [cell.value for cell in sheet[5]][:3] == ["0/forward/W_xf[1,0]", WEIGHTS["W_xf"][1, 0], 0.75]
    CliRunner().invoke(main, ["run", "a.yaml", "-o", "t.json"])
    for said, *other in (
        ("results are written as .md, ", "verify", "t.json"),
        ("results are written as .md, ", "explain", "gates", "a.yaml"),
        ("write .csv for its rows", "diff", "a.yaml", "b.yaml", "--attribute", "4/h_t[0]"),
    ):
        found = CliRunner().invoke(main, [*other, "-o", "x.xlsx"])
        assert (found.exit_code, found.stderr.count("\n")) == (2, 1), found.output
        assert said in found.stderr
        assert not Path("x.xlsx").exists()


@pytest.mark.parametrize(
    "more", [(), ("-o", "d.xlsx"), ("-o", "d.md"), ("--format", "json"), ("-o", "d.csv", "--attribute", "4/h_t[0]")]
)
def test_a_shape_without_a_table_is_refused(here: Path, more: tuple[str, ...]) -> None:
    found = diff("a.yaml", "b.yaml", "--shape", "wide", *more)
    assert found.exit_code == 2
    assert "--shape is for the table of the values, -o d.csv or -o d.parquet; leave it out" in found.stderr
    assert not Path("d.csv").exists()


@pytest.mark.few(0)
def test_several_are_compared_with_the_first(here: Path) -> None:
    problem("c.yaml", W_ho=-2.0)
    found = diff("a.yaml", "b.yaml", "c.yaml", "a.yaml", "--format", "text")
    assert found.exit_code == 1
    assert "- different: b.yaml, c.yaml\n- same: a.yaml\n" in found.stdout
    assert diff("a.yaml", "a.yaml", "./a.yaml").exit_code == 0
    assert diff("b.yaml", "a.yaml", "b.yaml").exit_code == 1
    assert diff("a.yaml", "b.yaml", "c.yaml", "-o", "m.csv").exit_code == 1
    table = pd.read_csv("m.csv")
    assert table["set"].unique().tolist() == ["b.yaml", "c.yaml"]
    for name, here_ in table.groupby("set"):
        alone = lt.diff(lt.run("a.yaml"), lt.run(str(name))).to_frame()
        assert here_["difference"].tolist() == alone["difference"].tolist()


@pytest.mark.few(0)
def test_the_first_is_opened_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path("a.yaml").read_text()
    found = CliRunner().invoke(main, ["diff", "-", "b.yaml", "a.yaml", "--format", "text"], input=text)
    assert "- different: b.yaml\n- same: a.yaml\n" in found.stdout
    CliRunner().invoke(main, ["run", "b.yaml", "-o", "b.json"])
    CliRunner().invoke(main, ["export", "b.yaml", "-o", "other.csv"])
    found = diff("a.yaml", "other.csv", "b.json", "a.yaml", "--format", "text")
    assert "- different: other.csv, b.json\n- same: a.yaml\n" in found.stdout


def test_a_set_that_is_given_twice_is_refused(here: Path) -> None:
    found = diff("gone.yaml", "b.yaml", "gone.yaml", "b.yaml")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith("error: b.yaml is given twice: give each B once")
    assert diff("a.yaml", "b.yaml", "a.yaml").exit_code == 1, "it may be the reference itself"


def test_sets_of_one_name_have_their_paths(here: Path) -> None:
    for folder in ("one", "two"):
        Path(folder).mkdir()
        problem(f"{folder}/w.yaml", W_xf=1.0 if folder == "one" else 2.0)
    assert "- different: one/w.yaml, two/w.yaml\n" in diff("a.yaml", "one/w.yaml", "two/w.yaml").stdout


@pytest.mark.parametrize(("more", "said"), [
    (("-o", "d.xlsx"), "a workbook has two runs, and here are 3: give one B at a time"),
    (("--attribute", "4/h_t[0]"), "--attribute splits the difference of two, and here are 3: give one B at a time"),
])  # fmt: skip
def test_what_needs_a_pair_is_refused(here: Path, more: tuple[str, ...], said: str) -> None:
    found = diff("a.yaml", "b.yaml", "a.yaml", *more)
    assert (found.exit_code, found.stderr) == (2, f"error: {said}\n")
