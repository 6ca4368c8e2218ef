"""Padding in tables: left out in every shape and format, kept with a column `valid` where that is asked for."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import lstm_trace.export.text as text_tables
from lstm_trace.cli import main
from lstm_trace.errors import MissingError
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.rows import Selection
from lstm_trace.trace.trace import Trace

from ..export.test_export import EXACT
from ..support.table_cases import expected, stacked
from ..support.tiers import some

#: Rows with 4, 2 and 0 steps: in T = 4.
LENGTHS = [4, 2, 0]
PLACES = ["layer", "direction", "t", "batch"]
SHAPES = ["long", "wide", "worked"]


#: Padding that no lengths can say: in front, and a gap.
MASK = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 1], [1, 1, 1]])


def inside(trace: Trace, t: int, b: int) -> bool:
    """Whether a step is part of its sequence, as these tests made it."""
    return bool(MASK[t, b]) if trace.lengths is None else t < LENGTHS[b]


@pytest.fixture(params=["lengths", "mask"])
def trace(request: pytest.FixtureRequest) -> Trace:
    return stacked(batch=3, mask=MASK) if request.param == "mask" else stacked(batch=3, lengths=LENGTHS)


def tables(folder: Path, trace: Trace, shape: str, **more: Any) -> Iterator[pd.DataFrame]:
    """The same table by each way out, as a frame."""
    yield trace.to_frame(shape, flat=shape == "wide", **more)
    for suffix, separator in ((".csv", ","), (".tsv", "\t")):
        export(ExportJob(trace, shape, **more), folder / f"x{suffix}")
        yield pd.read_csv(folder / f"x{suffix}", sep=separator, **EXACT)
    parquet = pytest.importorskip("pyarrow.parquet")
    export(ExportJob(trace, shape, **more), folder / "x.parquet")
    yield parquet.read_table(folder / "x.parquet").to_pandas()


@pytest.mark.few(1)
@pytest.mark.parametrize("shape", SHAPES)
def test_padding_is_left_out(tmp_path: Path, trace: Trace, shape: str) -> None:
    for frame in tables(tmp_path, trace, shape):
        assert "valid" not in frame.columns
        places = list(frame[PLACES].drop_duplicates().itertuples(index=False, name=None))
        assert places == [
            (stage.layer, stage.direction, t, b)
            for stage in trace.stages
            for t in (range(3, -1, -1) if stage.direction == "reverse" else range(4))
            for b in range(3)
            if inside(trace, t, b)
        ]
        assert len(frame) == ExportJob(trace, shape).rows


@pytest.mark.few(1)
@pytest.mark.parametrize("shape", SHAPES)
def test_padding_is_kept_where_that_is_asked_for(tmp_path: Path, trace: Trace, shape: str) -> None:
    for frame in tables(tmp_path, trace, shape, padding=True):
        assert list(frame.columns[:5]) == [*PLACES, "valid"]
        assert str(frame["valid"].dtype) in ("bool", "int64")  # a file of text has 1 and 0
        assert list(frame["valid"]) == [
            int(inside(trace, t, b)) for t, b in zip(frame["t"], frame["batch"], strict=True)
        ]
        assert len(frame[PLACES].drop_duplicates()) == 6 * 4 * 3
        assert len(frame) == ExportJob(trace, shape, padding=True).rows


@pytest.mark.few(0)
@pytest.mark.parametrize("shape", some(SHAPES, 3))
def test_what_is_kept_has_the_same_values(tmp_path: Path, trace: Trace, shape: str) -> None:
    for short, whole in zip(
        tables(tmp_path, trace, shape), list(tables(tmp_path, trace, shape, padding=True)), strict=True
    ):
        kept = whole[whole["valid"] == 1].drop(columns="valid").reset_index(drop=True)
        pd.testing.assert_frame_equal(kept.astype(short.dtypes), short)


def test_values_stand_at_their_places(trace: Trace) -> None:
    frame = trace.to_frame()
    for row in frame.itertuples(index=False):
        assert row.value == trace.lines[f"{row.layer}/{row.direction}"][row.line][row.t, row.batch, row.unit]
    if trace.lengths is not None:
        assert list(frame.itertuples(index=False, name=None)) == list(expected(trace))


@pytest.mark.few(1)
@pytest.mark.parametrize("piece", some([1, 5, 40], 2))
@pytest.mark.parametrize("shape", some(SHAPES, 3))
def test_pieces_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trace: Trace, shape: str, piece: int
) -> None:
    for padding in (False, True):
        export(ExportJob(trace, shape, padding=padding), tmp_path / "whole.csv")
        monkeypatch.setattr(text_tables, "PIECE", piece)
        export(ExportJob(trace, shape, padding=padding), tmp_path / "pieces.csv")
        monkeypatch.undo()
        assert (tmp_path / "pieces.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.few(0)
def test_premises_have_no_padding_either(tmp_path: Path, trace: Trace) -> None:
    """The input at padding is left out with the lines; what belongs to no step stays, with no `valid`."""
    for frame in tables(tmp_path, trace, "long", with_inputs=True):
        steps = frame[frame["t"].notna() & (frame["line"] != "mask")]  # a mask says what is padding: it stays whole
        assert "x_t" in set(steps["line"])
        assert all(inside(trace, int(t), int(b)) for t, b in zip(steps["t"], steps["batch"], strict=True))
        assert {"parameter", "initial"} <= set(frame[frame["t"].isna()]["op"])
    for frame in tables(tmp_path, trace, "long", with_inputs=True, padding=True):
        assert (frame["valid"].isna() == frame["t"].isna()).all()
        assert set(frame[frame["line"] == "x_t"]["valid"]) == {0, 1}


def test_some_steps_count_from_the_beginning() -> None:
    whole = stacked(batch=3, lengths=LENGTHS)
    part = whole.at(steps=slice(1, 3)).to_frame()
    pd.testing.assert_frame_equal(part, whole.to_frame(steps=slice(1, 3)))
    assert set(zip(part["t"], part["batch"], strict=True)) == {(1, 0), (2, 0), (1, 1)}


def test_without_padding_every_step_is_valid() -> None:
    frame = stacked().to_frame("wide", padding=True)
    assert set(frame["valid"]) == {1}
    pd.testing.assert_frame_equal(frame.drop(columns="valid"), stacked().to_frame("wide"))


@pytest.mark.few(1)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_selection_of_padding_alone_is_refused(tmp_path: Path, shape: str) -> None:
    trace = stacked(batch=3, lengths=LENGTHS)
    for chosen, message in (
        ({"batch": 1, "steps": slice(2, 4)}, "steps 2 to 3 are not part of the sequence of row 1"),
        ({"batch": 2, "steps": 0}, "step 0 is not part of the sequence of row 2"),
    ):
        job = ExportJob(trace, shape, Selection(**chosen))
        with pytest.raises(MissingError, match=message):
            export(job, tmp_path / "x.csv")
        assert not list(tmp_path.iterdir())
        assert set(trace.to_frame(shape, padding=True, **chosen)["valid"]) == {0}
    assert set(trace.to_frame(with_inputs=True, batch=2)["op"]) == {"input", "parameter", "initial"}  # its lengths


# -- the commands ------------------------------------------------------------------------------------------------------


def cli(*arguments: Any) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_the_option(tmp_path: Path) -> None:
    stacked(batch=3, lengths=LENGTHS).save(tmp_path / "t.json")
    short = list(csv.reader(cli("export", tmp_path / "t.json", "--only", "y_t").stdout.splitlines()))
    whole = list(csv.reader(cli("export", tmp_path / "t.json", "--only", "y_t", "--padding").stdout.splitlines()))
    assert whole[0] == ["layer", "direction", "t", "batch", "valid", "line", "op", "unit", "value"]
    assert [[*row[:4], *row[5:]] for row in whole if row[4] != "0"] == short
    assert len(short) < len(whole)


@pytest.mark.few(0)
def test_a_workbook_of_padding_alone_is_written(tmp_path: Path) -> None:
    """Its formulas are alive: a length can be changed. Plain numbers cannot."""
    pytest.importorskip("xlsxwriter")
    stacked(batch=3, lengths=LENGTHS).save(tmp_path / "t.json")
    words = "export", tmp_path / "t.json", "--batch", 2, "-o", tmp_path / "x.xlsx"
    assert cli(*words).exit_code == 0
    assert "not part of the sequence of row 2; export has --padding" in cli(*words, "--values").stderr
    assert cli(*words, "--values", "--padding").exit_code == 0


@pytest.mark.few(0)
@pytest.mark.parametrize("more", [[], ["--padding"]])
def test_what_is_exported_reads_back_as_the_same(tmp_path: Path, more: list[str]) -> None:
    stacked(batch=3, lengths=LENGTHS).save(tmp_path / "t.json")
    assert cli("export", tmp_path / "t.json", "-o", tmp_path / "x.csv", *more).exit_code == 0
    result = cli("diff", tmp_path / "t.json", tmp_path / "x.csv")
    assert result.exit_code == 0
    assert "same" in result.stdout
    assert result.stderr == ""  # no value of a sequence is missing


def test_show_leaves_padding_out_and_says_so(tmp_path: Path) -> None:
    stacked(batch=3, lengths=LENGTHS).save(tmp_path / "t.json")
    shown = cli("show", tmp_path / "t.json", "--layer", 0, "--direction", "forward", "--only", "c_t", "--all").stdout
    rows = [line.split()[:2] for line in shown.splitlines() if line.strip()[:1].isdigit()]
    assert rows == [["0", "0"], ["0", "1"], ["1", "0"], ["1", "1"], ["2", "0"], ["3", "0"]]
    assert "Padding is omitted; export --padding has it." in shown
    assert cli("show", tmp_path / "t.json", "--batch", 2).exit_code == 2
    assert "adding" not in cli("show", tmp_path / "t.json", "--batch", 0).stdout


@pytest.mark.few(0)
def test_a_report_of_padding_is_still_written() -> None:
    """It says in words what these steps are."""
    assert "length" in stacked(batch=3, lengths=LENGTHS).report(batch=2, steps=1, layer=0, direction="forward")
