"""JSON lines: each row against the arrays by loops that share no code with the writer, or against the CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

import lstm_trace as lt
import lstm_trace.export.text as tables
from lstm_trace.cli import main
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.examples import text
from lstm_trace.export.formats import TABLE_FORMATS
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.formulas.numbers import Style
from lstm_trace.trace.rows import Selection
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..support.table_cases import QUESTION_19, expected, filled, same, stacked

COLUMNS = ["layer", "direction", "t", "batch", "line", "op", "unit", "value"]
WORDS = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


def strict(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, as a strict reader of JSON sees them."""
    content = path.read_text(encoding="utf-8")
    assert content.endswith("}\n")
    return [json.loads(row, parse_constant=strict) for row in content.split("\n")[:-1]]


def exported(folder: Path, trace: Trace, **job: Any) -> list[dict[str, Any]]:
    export(ExportJob(trace, **job), folder / "x.jsonl")
    return rows_of(folder / "x.jsonl")


def as_csv(folder: Path, trace: Trace, **job: Any) -> list[dict[str, str]]:
    export(ExportJob(trace, **job), folder / "x.csv")
    with (folder / "x.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def equal(cell: Any, written: str) -> bool:
    """Whether a cell is what the CSV has there: the type of each is that of its column.

    A worked text that begins with a sign has a ' before it in the CSV, for a spreadsheet would compute it.
    """
    if cell is None:
        return written == ""
    if isinstance(cell, float) or cell in WORDS:
        number = float(WORDS.get(cell, cell))
        return same(np.array(number), np.array(float(written)))
    if isinstance(cell, str) and cell[0] in "-+=@":
        return written == f"'{cell}"
    return type(cell) in (int, str) and str(cell) == written


def cli(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


@pytest.mark.few(1)
@pytest.mark.parametrize("piece", [1, 5, 1 << 12])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("padding", [False, True])
def test_each_row_is_a_value_of_the_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: Any, piece: int, padding: bool
) -> None:
    monkeypatch.setattr(tables, "PIECE", piece)
    hard = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-40, 1 / 3, 5e-324, 1e22, 2.0], dtype)
    trace = filled(stacked(lengths=[4, 1]), hard)
    seen: list[int] = []
    found = exported(tmp_path, trace, padding=padding, progress=seen.append)
    wanted = list(expected(trace, padding))
    assert len(found) == len(wanted) == sum(seen) == ExportJob(trace, padding=padding).rows
    for row, (layer, direction, t, b, line, op, j, value) in zip(found, wanted, strict=True):
        place = {"layer": layer, "direction": direction, "t": t, "batch": b}
        valid = {"valid": int(t < [4, 1][b])} if padding else {}
        number = row.pop("value")
        assert row == {**place, **valid, "line": line, "op": op, "unit": j}
        assert list(row) == [*place, *valid, "line", "op", "unit"]
        assert isinstance(number, str) == (not np.isfinite(value))
        assert same(np.array(WORDS.get(number, number), dtype), np.array(value, dtype))


@pytest.mark.few(1)
@pytest.mark.parametrize("job", [{"with_inputs": True}, {"shape": "wide"}, {"shape": "worked"},
                                 {"with_inputs": True, "padding": True}, {"shape": "wide", "padding": True},
                                 {"shape": "worked", "padding": True}])  # fmt: skip
@pytest.mark.parametrize("piece", [3, 1 << 12])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_shape_has_the_cells_of_the_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: dict[str, Any], piece: int, dtype: str
) -> None:
    monkeypatch.setattr(tables, "PIECE", piece)
    monkeypatch.setattr(tables, "WORKED_PIECE", piece)
    trace = stacked(3, 2, 2, 2, lengths=[3, 1], dtype=dtype)
    found, wanted = exported(tmp_path, trace, **job), as_csv(tmp_path, trace, **job)
    assert len(found) == len(wanted) > 10
    for row, other in zip(found, wanted, strict=True):
        assert list(row) == list(other)
        assert all(equal(row[name], other[name]) for name in row), (row, other)


def test_lines_that_a_layer_does_not_have_are_null(tmp_path: Path) -> None:
    trace = stacked(2, 1)  # joined directions have lines of their own
    found, wanted = exported(tmp_path, trace, shape="wide"), as_csv(tmp_path, trace, shape="wide")
    assert any(cell is None for row in found for cell in row.values())
    assert all(equal(row[name], other[name]) for row, other in zip(found, wanted, strict=True) for name in other)


def test_a_nan_is_no_empty_cell(tmp_path: Path) -> None:
    trace = filled(stacked(1, 1, 1, 1, ("forward",)), np.array([np.nan]))
    (row,) = exported(tmp_path, trace, shape="wide", selection=Selection(only="c_t"))
    assert row["c_t[0]"] == "NaN"


def test_selections(tmp_path: Path) -> None:
    trace = stacked()
    chosen = Selection(only=("c_t", "h_t"), layer=1, direction="reverse", steps=slice(1, 3), batch=1, unit=2)
    found = exported(tmp_path, trace, selection=chosen)
    assert [tuple(row[name] for name in COLUMNS) for row in found] == [
        row for row in expected(trace)
        if row[:2] == (1, "reverse") and row[2] in (1, 2) and row[3] == 1 and row[4] in ("c_t", "h_t") and row[6] == 2
    ]  # fmt: skip
    (tmp_path / "x.jsonl").unlink()
    with pytest.raises(MissingError, match="no batch row 7"):
        exported(tmp_path, trace, selection=Selection(batch=7))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"dialect": "excel-eu"}, r"dialect excel-eu is for \.csv and \.tsv, not for \.jsonl"),
        ({"digits": Style(3)}, r"for numbers as text; \.jsonl keeps every bit: leave it out, or write \.csv"),
        ({"digits": Style(lines={"c_t": 3})}, r"\.jsonl keeps every bit"),
        ({"values": True}, r"--values is for \.xlsx, whose cells are formulas otherwise; \.jsonl always has numbers"),
        ({"shape": "worked", "with_inputs": True}, "is for the shapes long and wide"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_there_is_refused(tmp_path: Path, job: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        exported(tmp_path, stacked(), **job)
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path: Path) -> None:
    stacked(lengths=[4, 2]).save(tmp_path / "t.json")
    out = tmp_path / "t.jsonl"
    assert cli(tmp_path / "t.json", "-o", out, "--only", "h_t", "--t", "1:3", "--padding").exit_code == 0
    assert {(row["t"], row["batch"], row["valid"]) for row in rows_of(out)} == {
        (1, 0, 1), (1, 1, 1), (2, 0, 1), (2, 1, 0)
    }  # fmt: skip
    before = out.read_bytes()
    result = cli(tmp_path / "t.json", "-o", out, "--digits", "3")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: --digits is for numbers as text; .jsonl keeps every bit: leave it out, or write .csv\n"
    )
    assert out.read_bytes() == before


def test_the_help_names_every_suffix() -> None:
    assert all(f" {suffix}" in cli("--help").stdout for suffix in TABLE_FORMATS)


@pytest.mark.few(0)
def test_diff_reads_it(tmp_path: Path) -> None:
    stacked().save(tmp_path / "t.json")
    assert cli(tmp_path / "t.json", "-o", tmp_path / "t.jsonl").exit_code == 0
    same = CliRunner().invoke(main, ["diff", str(tmp_path / "t.json"), str(tmp_path / "t.jsonl")])
    assert same.exit_code == 0, same.output
    rows = (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()
    changed = json.loads(rows[40])
    changed["value"] += 0.5
    rows[40] = json.dumps(changed)
    (tmp_path / "t.jsonl").write_text("\n".join(rows), encoding="utf-8")
    other = CliRunner().invoke(main, ["diff", str(tmp_path / "t.json"), str(tmp_path / "t.jsonl")])
    assert other.exit_code == 1
    assert changed["line"] in other.stdout


def test_the_row_of_the_documentation(tmp_path: Path) -> None:
    trace = lt.run(yaml.safe_load(text("q22")))
    export(ExportJob(trace, selection=Selection(only="i_t")), tmp_path / "q22.jsonl")
    first = (tmp_path / "q22.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert f"\n    {first}\n" in (ROOT / "docs" / "export.md").read_text(encoding="utf-8")


def test_nothing_half_written(tmp_path: Path) -> None:
    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(ExportJob(lt.run(QUESTION_19), progress=stop), tmp_path / "x.jsonl")
    assert not list(tmp_path.iterdir())
