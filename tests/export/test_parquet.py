"""Parquet: the same rows as the frame, typed, with the manifest in the metadata."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
import lstm_trace.frames.frame as tables
from lstm_trace.errors import OptionError
from lstm_trace.export.writers import ExportJob, export

from ..support.table_cases import QUESTION_19, expected, filled, same, stacked


@pytest.fixture
def parquet() -> Any:
    return pytest.importorskip("pyarrow.parquet")


@pytest.mark.few(1)
@pytest.mark.parametrize("piece", [5, 1 << 19])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parquet: Any, dtype: Any, piece: int) -> None:
    monkeypatch.setattr(tables, "PIECE", piece)
    hard = np.array([np.nan, np.inf, -0.0, 1e-40, 1 / 3], dtype)
    trace = filled(stacked(lengths=[4, 1]), hard)
    export(ExportJob(trace), tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    wanted = list(zip(*expected(trace), strict=True))
    for name, column in zip(("layer", "direction", "t", "batch", "line", "op", "unit"), wanted, strict=False):
        assert table[name].to_pylist() == list(column)
    assert same(table["value"].to_numpy(), np.array(wanted[7]))


def test_types_and_manifest(tmp_path: Path, parquet: Any) -> None:
    export(ExportJob(lt.run(QUESTION_19)), tmp_path / "x.parquet")
    schema = parquet.read_schema(tmp_path / "x.parquet")
    kinds = [str(field.type) for field in schema]
    text = "dictionary<values=string, indices=int8, ordered=1>"
    assert kinds == ["int16", text, "int32", "int32", text, text, "int16", "double"]
    about = json.loads(schema.metadata[b"lstm_trace"])
    assert about["format"].startswith("lstm-trace/")
    assert about["title"] == "Question 19"
    assert "z_i = W_xi @ x_t + W_hi @ h_prev" in about["stages"][0]["equations"]


@pytest.mark.few(0)
@pytest.mark.parametrize("shape", ["wide", "worked"])
def test_other_shapes_equal_the_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parquet: Any, shape: str
) -> None:
    monkeypatch.setattr(tables, "PIECE", 50)
    monkeypatch.setattr(tables, "WORKED_PIECE", 50)
    trace = stacked()
    seen: list[int] = []
    job = ExportJob(trace, shape, progress=seen.append)
    export(job, tmp_path / "x.parquet")
    found, frame = parquet.read_table(tmp_path / "x.parquet").to_pandas(), trace.to_frame(shape, flat=shape == "wide")
    assert list(found.columns) == list(frame.columns)
    assert sum(seen) == job.rows == len(found) == len(frame)
    for name in frame.columns:
        there = frame[name].notna()
        assert (found[name].notna() == there).all()
        assert list(found[name][there]) == list(frame[name][there])


def test_inputs_are_null_where_they_have_no_place(tmp_path: Path, parquet: Any) -> None:
    export(ExportJob(lt.run(QUESTION_19), with_inputs=True), tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table["layer"].null_count == table["direction"].null_count == 3
    assert table["t"].null_count == 12
    assert table["op"].to_pylist()[:3] == ["input"] * 3


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OptionError, match=r"-m pip install 'pyarrow>=15', or write .csv"):
        export(ExportJob(lt.run(QUESTION_19)), tmp_path / "x.parquet")
    assert not list(tmp_path.iterdir())
