"""Numbers as text: `export --digits`, and decimal commas wherever a table has a number."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import MissingError
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.formulas.numbers import Style
from lstm_trace.trace.trace import Trace

from ..support.table_cases import QUESTION_19, filled, stacked

EQUATIONS = "h_t = max(0.5 * x_t, -0.25) + clip(w * x_t, -1.5, 0.75)\noutput: h_t"


def own() -> Trace:
    """A cell whose equations have numbers in them: as operands and as constants of functions."""
    return lt.run({"w": [0.1, -0.3]}, [[1.25, -2.5], [3.0, 1e-9]], cell={"equations": EQUATIONS}, ask=[])


def table(folder: Path, trace: Trace, suffix: str = ".csv", **job: Any) -> list[dict[str, str]]:
    export(ExportJob(trace, **job), folder / f"x{suffix}")
    separator = "\t" if suffix == ".tsv" else ";" if job.get("dialect") == "excel-eu" else ","
    text = (folder / f"x{suffix}").read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


def cli(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


# -- decimal commas ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trace", [own(), lt.run(QUESTION_19), stacked(2, 1, 1, 2, ("forward",))])
@pytest.mark.parametrize("shape", ["long", "wide", "worked"])
def test_no_number_of_excel_eu_has_a_point(tmp_path: Path, trace: Trace, shape: str) -> None:
    rows = table(tmp_path, trace, dialect="excel-eu", shape=shape)
    plain = table(tmp_path, trace, shape=shape)
    for row, before in zip(rows, plain, strict=True):
        for name, cell in row.items():
            if name != "line":  # the name of the line, as everywhere
                assert not re.search(r"\d\.\d", cell), (name, cell)
                assert len(re.findall(r"\d,\d", cell)) >= len(re.findall(r"\d\.\d", before[name.removeprefix("'")]))


def test_worked_rows_of_excel_eu_can_be_read(tmp_path: Path) -> None:
    (first, *_), rows = table(tmp_path, lt.run(QUESTION_19), dialect="excel-eu", shape="worked"), []
    assert first["substituted"] == "(-1,0)(1,0) + (0,0)(2,0) + (0,2)(3,0)"
    rows = {
        row["line"]: row for row in table(tmp_path, own(), dialect="excel-eu", shape="worked") if row["unit"] == "0"
    }
    assert rows["0.5 * x_t"]["formula"] == "0,5 x_t"
    clip = next(row for name, row in rows.items() if name.startswith("clip"))
    assert clip["formula"].endswith("; -1,5; 0,75)")  # not "-1,5, 0,75"
    assert clip["substituted"].count(";") == 2


def test_substituted_numbers_read_back(tmp_path: Path) -> None:
    """All digits stand there: the dot product of what is written is the value."""
    for row in table(tmp_path, stacked(2, 1, 1, 2, ("forward",)), dialect="excel-eu", shape="worked"):
        if row["line"].startswith("W_"):
            text = row["substituted"].removeprefix("'").replace(",", ".")
            pairs = re.findall(r"\(([^)]*)\)\(([^)]*)\)", text)
            total = sum(float(w) * float(x) for w, x in pairs)
            assert total == pytest.approx(float(row["value"].replace(",", ".")), rel=1e-12)


# -- digits ------------------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("digits", [0, 3, 8])
def test_digits_round_every_value(tmp_path: Path, suffix: str, digits: int) -> None:
    trace = stacked()
    for row, whole in zip(
        table(tmp_path, trace, suffix, digits=Style(digits)), table(tmp_path, trace, suffix), strict=True
    ):
        shown, exact = row.pop("value"), float(whole.pop("value"))
        assert row == whole
        if "e" in shown.lower():  # too little would be left of it
            assert float(shown) == pytest.approx(exact, rel=0.6 * 10.0**-digits)
            assert abs(exact) < {0: 1, 3: 1e-3, 8: 1e-6}[digits]
        else:
            assert len(shown.partition(".")[2]) <= max(digits, 1)
            assert abs(float(shown) - exact) <= 0.5 * 10.0**-digits * (1 + 1e-9)


def test_the_same_digits_as_in_a_report(tmp_path: Path) -> None:
    trace = lt.run(QUESTION_19)
    cells = [row["value"] for row in table(tmp_path, trace, digits=Style(3)) if row["line"] == "i_t"]
    assert cells == ["0.401", "0.168"]
    assert "≈ [0.401, 0.168]" in trace.report("text", digits=3, detail="summary")


def test_hard_numbers(tmp_path: Path) -> None:
    numbers = [0.125, -2.0, 1e-12, -4.2e-7, 1e300, np.nan, -np.inf, -0.0]
    trace = filled(lt.run(QUESTION_19), np.array(numbers))
    cells = [row["value"] for row in table(tmp_path, trace, digits=Style(2))]
    assert [float(cell) for cell in cells[:5]] == [0.12, -2.0, 1e-12, -4.2e-7, 1e300]
    assert cells[5:] == ["NaN", "-Infinity", "0.0"]  # the words that they have with all digits
    cells = [row["value"] for row in table(tmp_path, trace, digits=Style(2), dialect="excel-eu")]
    assert cells[0] == "0,12"
    small = filled(lt.run(QUESTION_19), np.array([0.1, 1 / 3], np.float32))
    assert [row["value"] for row in table(tmp_path, small, digits=Style(5))][:2] == ["0.1", "0.33333"]


def test_digits_of_one_line(tmp_path: Path) -> None:
    trace = lt.run({**QUESTION_19, "x": [1.0, 2.0, 1 / 3]})
    style = Style(None, lines={"i_t": 2})
    for suffix, name in ((".csv", "plain"), (".csv", "excel-eu")):
        for row in table(tmp_path, trace, suffix, digits=style, dialect=name):
            assert (len(row["value"]) == 4) is (row["line"] == "i_t")
    header, values = cli_rows(tmp_path, trace, "--shape", "wide", "--digits", "i_t=2", "--digits", "1")
    cells = dict(zip(header, values, strict=True))
    assert (cells["i_t[0]"], len(cells["z_i[0]"].lstrip("-"))) == ("0.28", 3)
    with pytest.raises(MissingError, match="digits of 'i_tt': there is no such line"):
        table(tmp_path, trace, digits=Style(None, lines={"i_tt": 2}))
    weights = table(tmp_path, trace, digits=Style(3, lines={"W_xi": 0}), with_inputs=True)
    assert {row["value"] for row in weights if row["line"] == "W_xi[:,0]"} == {"-1.0"}
    assert [row["value"] for row in weights if row["line"] == "x_t"] == ["1.0", "2.0", "0.333"]


def cli_rows(folder: Path, trace: Trace, *options: str) -> list[list[str]]:
    trace.save(folder / "t.json")
    return list(csv.reader(cli(folder / "t.json", *options).stdout.splitlines()))


def test_digits_of_worked_rows_are_those_of_all_their_numbers(tmp_path: Path) -> None:
    rows = table(tmp_path, stacked(2, 1, 1, 2, ("forward",)), shape="worked", digits=Style(2))
    for row in rows:
        for text in (row["substituted"], row["value"]):
            assert not re.search(r"\.\d{3}", text), text
    assert any(re.search(r"\.\d\d", row["substituted"]) for row in rows)


def test_the_option(tmp_path: Path) -> None:
    lt.run(QUESTION_19).save(tmp_path / "t.json")
    assert [row[-1] for row in cli_rows(tmp_path, lt.run(QUESTION_19), "--digits", "2", "--only", "i_t")] == [
        "value", "0.4", "0.17"
    ]  # fmt: skip
    for digits, message in (("18", "0<=x<=17"), ("=3", "LINE=NUMBER"), ("i_tt=3", "did you mean 'i_t'?")):
        result = cli(tmp_path / "t.json", "-o", tmp_path / "x.csv", "--digits", digits)
        assert result.exit_code == 2
        assert message in result.stderr
    result = cli("gone.yaml", "-o", tmp_path / "x.parquet", "--digits", "3")  # before anything is read
    assert result.exit_code == 2
    assert "--digits is for numbers as text; .parquet keeps every bit: leave it out, or write .csv" in result.stderr
    result = cli("gone.yaml", "-o", tmp_path / "x.xlsx", "--digits", "c_t=3")
    assert "--digits LINE=N is for .csv and .tsv; .xlsx takes one number for all values: --digits N" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]
