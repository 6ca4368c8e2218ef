"""Titles, labels of steps, named lines and safe names in every format, and files that were stacked."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import OptionError
from lstm_trace.export.formats import TABLE_FORMATS
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.trace import Trace

from ..frames.test_types import TOKENS, named
from ..support.given import read_external
from ..support.table_cases import expected, same, stacked
from .test_export import EXACT

TABLES = [suffix for suffix, each in TABLE_FORMATS.items() if not each.workbook]


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file as plain values, empty cells as None, by readers that share no code with the package."""
    if path.suffix == ".jsonl":
        return [json.loads(row) for row in path.read_bytes().decode().split("\n") if row]
    if path.suffix == ".parquet":
        found: list[dict[str, Any]] = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
        return found
    delimiter = {".csv": ",", ".tsv": "\t"}[path.suffix]  # of another format the reader stands above
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter=delimiter)
        texts = ("title", "direction", "token", "line", "op", "symbol", "formula", "substituted")
        return [
            {name: (cell if name in texts else float(cell)) if cell else None for name, cell in row.items()}
            for row in rows
        ]


def written(folder: Path, suffix: str, trace: Trace, **options: Any) -> list[dict[str, Any]]:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    export(ExportJob(trace, **options), folder / f"x{suffix}")
    found = read(folder / f"x{suffix}")
    if suffix in (".csv", ".tsv"):  # where no text may be a formula
        assert "=cat" not in {row["token"] for row in found}
        return [{key: "=cat" if cell == "'=cat" else cell for key, cell in row.items()} for row in found]
    return found


def cli(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


@pytest.mark.few(2)
@pytest.mark.parametrize("suffix", TABLES)
@pytest.mark.parametrize("padding", [False, True])
def test_long_has_title_and_labels(tmp_path: Path, suffix: str, padding: bool) -> None:
    trace = named(stacked(lengths=[4, 2]))
    found = written(tmp_path, suffix, trace, title=True, padding=padding)
    names = ["title", "layer", "direction", "t", "token", "batch", *(["valid"] if padding else []), "line", "op"]
    assert list(found[0]) == [*names, "unit", "value"]
    wanted = list(expected(trace, padding))
    assert len(found) == len(wanted)
    for row, (layer, direction, t, b, line, op, j, value) in zip(found, wanted, strict=True):
        token = (TOKENS[b][t] if t < len(TOKENS[b]) else "") or None
        place = {"title": "Model A", "layer": layer, "direction": direction, "t": t, "token": token, "batch": b}
        valid = {"valid": t < [4, 2][b]} if padding else {}
        assert row == {**place, **valid, "line": line, "op": op, "unit": j, "value": value}


@pytest.mark.few(3)
@pytest.mark.parametrize("suffix", TABLES)
@pytest.mark.parametrize("options", [{"names": "safe"}, {"all_lines": True, "names": "safe"}, {"all_lines": True}, {}])
def test_wide_has_a_column_for_each_named_line_or_all(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    trace = named(stacked(3, lengths=[3, 2]))
    found = written(tmp_path, suffix, trace, shape="wide", title="m", **options)
    every = {line.name: line.assigned for stage in trace.stages for line in stage.cell.lines}
    lines = [name for name, assigned in every.items() if assigned or options.get("all_lines")]
    safe = {"W_xi @ x_t": "W_xi_x_t", "c_t": "c_t", "y_t": "y_t", "f_t * c_prev": "f_t_c_prev"}
    assert list(found[0])[:6] == ["title", "layer", "direction", "t", "token", "batch"]
    widths = {name: 6 if name == "y_t" else 3 for name in lines}
    assert len(found[0]) == 6 + sum(widths.values())
    for row in found:
        at = trace.lines[f"{int(row['layer'])}/{row['direction']}"]
        for name, short in safe.items():
            for j in range(widths.get(name, 0)):
                cell = row[f"{short}_{j}" if "names" in options else f"{name}[{j}]"]
                here = name in at and j < at[name].shape[2]
                assert cell == (at[name][int(row["t"]), int(row["batch"]), j] if here else None)


@pytest.mark.few(0)
@pytest.mark.parametrize("suffix", TABLES)
def test_worked_has_title_and_labels(tmp_path: Path, suffix: str) -> None:
    found = written(tmp_path, suffix, named(stacked(2, lengths=[2, 1])), shape="worked", title=True, padding=True)
    names = ["title", "layer", "direction", "t", "token", "batch", "valid", "line", "unit", "symbol", "formula"]
    assert list(found[0]) == [*names, "substituted", "value"]
    assert {(row["t"], row["batch"], row["valid"], row["token"]) for row in found} == {
        (0, 0, 1, "the"), (1, 0, 1, "=cat"), (0, 1, 1, "a"), (1, 1, 0, None)
    }  # fmt: skip


def test_without_them_the_columns_are_as_ever(tmp_path: Path) -> None:
    export(ExportJob(stacked()), tmp_path / "x.csv")
    head = (tmp_path / "x.csv").read_text("utf-8").split("\n")[0]
    assert head == "layer,direction,t,batch,line,op,unit,value"


@pytest.mark.few(0)
def test_no_spreadsheet_runs_a_token(tmp_path: Path) -> None:
    """In every text format, shape and dialect; numbers, also negative ones, are numbers."""
    trace = named(stacked(layers=1))
    for suffix, separator in ((".csv", ","), (".tsv", "\t")):
        for shape in ("long", "wide", "worked"):
            path = tmp_path / f"x{suffix}"
            export(ExportJob(trace, shape, title="@SUM(1)"), path)
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file, delimiter=separator))
            cells = [cell for row in rows for cell in row]
            assert {"'=cat", "'@SUM(1)"} <= set(cells)
            for cell in cells:
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or float(cell) < 0


def test_a_guarded_line_is_read_back(tmp_path: Path) -> None:
    cell = {"equations": "h_t = tanh(-x_t)"}
    trace = lt.run({}, [[1.0], [2.0]], cell=cell)
    export(ExportJob(trace), tmp_path / "x.csv")
    assert ",'-x_t," in (tmp_path / "x.csv").read_text("utf-8")
    read_back, remarks = read_external(tmp_path / "x.csv", trace)
    assert remarks == []
    assert (read_back["-x_t"] == trace["-x_t"]).all()


def test_excel_runs_no_label(tmp_path: Path) -> None:
    for title in ("+1", "A;B"):
        export(ExportJob(named(stacked(layers=1)), dialect="excel-eu", title=title), tmp_path / "x.csv")
        with (tmp_path / "x.csv").open(encoding="utf-8-sig", newline="") as file:
            found = list(csv.DictReader(file, delimiter=";"))
        assert {row["title"] for row in found} == {"'+1" if title == "+1" else title}
        assert {row["token"] for row in found} == {"the", "'=cat", "sat", "3", "a", "", 'd"o,g\n'}


# -- files that were stacked -------------------------------------------------------------------------------------------


def test_pandas_stacks_csv(tmp_path: Path) -> None:
    one, two = named(stacked()), named(stacked(3, 1, 1, 2, ("forward",)), "Model B", ())
    for name, trace in (("one", one), ("two", two)):
        export(ExportJob(trace, title=True), tmp_path / f"{name}.csv")
    both = pd.concat([pd.read_csv(tmp_path / f"{name}.csv", **EXACT) for name in ("one", "two")])
    found = both[(both["title"] == "Model B") & (both["line"] == "c_t")]
    assert same(found["value"].to_numpy(), two["c_t"].ravel())
    assert found["token"].isna().all()


def test_polars_stacks_parquet(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    for name in ("one", "two"):
        export(ExportJob(named(stacked(), f"Model {name}"), title=True), tmp_path / f"{name}.parquet")
    both = pl.scan_parquet(tmp_path / "*.parquet").filter(pl.col("line") == "c_t").collect()
    assert dict(both.group_by("title").len().iter_rows()) == {"Model one": 96, "Model two": 96}
    assert (both.schema["layer"], both.schema["t"], both.schema["unit"]) == (pl.Int16, pl.Int32, pl.Int16)


@pytest.mark.few(0)
def test_duckdb_stacks_both(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    for suffix in (".csv", ".parquet"):
        for name in ("one", "two"):
            export(
                ExportJob(named(stacked(), name), shape="wide", names="safe", title=True), tmp_path / f"{name}{suffix}"
            )
        files = f"'{tmp_path}/*{suffix}'"
        found = duckdb.sql(f"select title, count(c_t_0), avg(f_t_1) from {files} group by title order by title")  # noqa: S608
        assert [row[:2] for row in found.fetchall()] == [("one", 32), ("two", 32)]


# -- Parquet -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["long", "wide"])
def test_numbers_are_split_and_have_no_dictionary(tmp_path: Path, shape: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    cell = {"equations": "h_t = clip(x_t, -0.5, 0.5) * tanh(x_t)\noutput: h_t"}
    trace = lt.run({}, np.random.default_rng(1).normal(size=(50, 2, 3)), cell=cell)
    export(ExportJob(trace, shape, all_lines=shape == "wide"), tmp_path / "x.parquet")
    group = parquet.read_metadata(tmp_path / "x.parquet").row_group(0)
    numbers = 0
    for k in range(group.num_columns):
        column = group.column(k)
        if column.physical_type == "DOUBLE":
            numbers += 1
            assert "BYTE_STREAM_SPLIT" in column.encodings
            assert not column.has_dictionary_page
        else:
            assert "BYTE_STREAM_SPLIT" not in column.encodings
        assert column.compression == "ZSTD"
    assert numbers == (1 if shape == "long" else 9)


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_options(tmp_path: Path) -> None:
    named(stacked()).save(tmp_path / "t.json")
    source = tmp_path / "t.json"
    head = cli(source, "--shape", "wide", "--names", "safe", "--title-column", "--unit", 1).stdout.split("\n")[0]
    assert head == (
        "title,layer,direction,t,token,batch,z_i_1,i_t_1,z_f_1,f_t_1,z_c_1,c_tilde_1,z_o_1,o_t_1,c_t_1,h_t_1,y_t_1"
    )
    every = cli(source, "--shape", "wide", "--all-lines", "--unit", 1).stdout.split("\n")[0]
    assert "W_xi @ x_t[1]" in every
    assert cli(source, "--title", "run 2").stdout.split("\n")[1].startswith("run 2,0,forward,0,the,0,W_xi @ x_t,")


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all-lines"], "--all-lines is for the shape wide; long has every line"),
        (["--names", "safe"], "--names safe is for the shape wide"),
        (["--title", " "], "the title is empty"),
        (["--title-column"], "the trace has no title for a column of it: give one, --title TEXT"),
        (["-o", "x.xlsx", "--title", "A"], "a column of the title is for tables; .xlsx has it on its first sheet"),
    ],
)
def test_what_has_no_meaning_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    stacked().save("t.json")
    result = cli("t.json", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.json"]


@pytest.mark.few(0)
def test_diff_reads_files_with_more_columns(tmp_path: Path) -> None:
    trace = named(stacked(lengths=[4, 2]))
    trace.save(tmp_path / "t.json")
    for suffix in (".csv", ".jsonl"):
        export(ExportJob(trace, title=True, padding=True), tmp_path / f"x{suffix}")
        result = CliRunner().invoke(main, ["diff", str(tmp_path / "t.json"), str(tmp_path / f"x{suffix}")])
        assert (result.exit_code, result.stderr) == (0, "")


def test_a_trace_without_title_is_refused_before_a_file_is_begun(tmp_path: Path) -> None:
    for suffix in TABLES:
        if suffix == ".parquet":
            pytest.importorskip("pyarrow")
        with pytest.raises(OptionError, match="no title for a column"):
            export(ExportJob(stacked(), title=True), tmp_path / f"x{suffix}")
        assert not list(tmp_path.iterdir())
