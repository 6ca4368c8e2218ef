"""Tables of Arrow: the cells and types of frames, in pieces, and what polars makes of them."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
import lstm_trace.frames.frame as tables
from lstm_trace.errors import MissingError, OptionError

from ..support.table_cases import QUESTION_19, expected, filled, same, stacked
from ..support.tiers import some
from .test_types import TOKENS, named

HARD = np.array([np.nan, np.inf, -0.0, 1e-40, 1 / 3, 2.5])


@pytest.fixture
def pa() -> Any:
    return pytest.importorskip("pyarrow")


@pytest.mark.few(1)
@pytest.mark.parametrize("piece", [5, 1 << 19])
@pytest.mark.parametrize("options", some([{}, {"shape": "wide"}, {"shape": "worked"}, {"with_inputs": True}], 2))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_it_has_the_cells_and_types_of_the_frame(
    pa: Any, monkeypatch: pytest.MonkeyPatch, dtype: Any, options: dict[str, Any], piece: int
) -> None:
    monkeypatch.setattr(tables, "PIECE", piece)
    monkeypatch.setattr(tables, "WORKED_PIECE", piece)
    trace = named(stacked(lengths=[4, 3], dtype=np.dtype(dtype).name))
    if "with_inputs" not in options:
        trace = filled(trace, HARD.astype(dtype))
    options = {**options, "padding": True, "title": "it"}
    found = trace.to_arrow(**options)
    stages = 1 if options.get("shape") == "worked" else len(trace.stages)
    assert found.column(0).num_chunks > stages if piece == 5 else found.column(0).num_chunks >= stages
    frame = trace.to_frame(**options, flat=options.get("shape") == "wide")
    assert found.column_names == list(frame.columns)
    read = found.to_pandas()
    for name, kind in frame.dtypes.items():
        if isinstance(kind, pd.CategoricalDtype):
            assert (read[name].dtype.ordered, list(read[name].cat.categories)) == (kind.ordered, list(kind.categories))
        elif kind.kind in "iu":
            assert str(found.schema.field(name).type) == str(kind).lower()
        if kind.kind == "f":
            assert same(found[name].to_numpy(), frame[name].to_numpy())
        else:
            assert found[name].to_pylist() == [None if pd.isna(cell) else cell for cell in frame[name]]
    about = json.loads(found.schema.metadata[b"lstm_trace"])
    assert about["title"] == "Model A"


def test_long_has_every_row(pa: Any) -> None:
    trace = stacked(lengths=[3, 4])
    assert list(zip(*trace.to_arrow().to_pydict().values(), strict=True)) == list(expected(trace))


@pytest.mark.parametrize("units", [1, 2])
def test_it_shares_no_memory_with_the_trace(pa: Any, units: int) -> None:
    trace = lt.run({"w": [1.0, 2.0][:units]}, [[1.0], [2.0]], cell={"equations": "h_t = x_t * w\noutput: h_t"})
    for shape in ("long", "wide"):
        found = trace.to_arrow(shape)
        before = found.to_pylist()
        trace.lines["0/forward"]["h_t"].flags.writeable = True
        trace.lines["0/forward"]["h_t"][:] += 1
        assert found.to_pylist() == before


def test_a_selection(pa: Any) -> None:
    trace = stacked()
    found = trace.to_arrow("wide", names="safe", only=["c_t", "h_t"], layer=1, direction="reverse", batch=1, unit=2)
    assert found.column_names == ["layer", "direction", "t", "batch", "c_t_2", "h_t_2"]
    assert found["c_t_2"].to_pylist() == trace.at(1, "reverse")["c_t"][::-1, 1, 2].tolist()
    with pytest.raises(MissingError, match="no line 'c_tt'"):
        trace.to_arrow(only="c_tt")
    with pytest.raises(OptionError, match="no shape 'width'"):
        trace.to_arrow("width")


@pytest.mark.parametrize("form", ["long", "wide"])
def test_polars_reads_it(pa: Any, form: str) -> None:
    pl = pytest.importorskip("polars")
    trace = named(stacked(lengths=[4, 3]))
    frame = pl.from_arrow(trace.to_arrow(form, title=True))
    kinds = {name: kind for name, kind in frame.schema.items() if name not in ("direction", "line", "op")}
    assert (kinds["layer"], kinds["t"], kinds["batch"]) == (pl.Int16, pl.Int32, pl.Int32)
    assert all(isinstance(frame.schema[name], (pl.Categorical, pl.Enum)) for name in ("title", "direction", "token"))
    tokens = frame.filter((pl.col("batch") == 1) & (pl.col("t") == 2))["token"].cast(pl.String).unique().to_list()
    assert tokens == [TOKENS[1][2]]
    if form == "long":
        found = frame.group_by("line").agg(pl.col("value").sum())
        sums = dict(zip(found["line"].cast(pl.String), found["value"], strict=True))
        assert sums["c_t"] == pytest.approx(sum(row[7] for row in expected(trace) if row[4] == "c_t"))
    else:
        assert frame.select(r"^c_t\[\d+\]$").width == 3


def test_tables_that_were_put_together_are_told_apart(pa: Any) -> None:
    both = pa.concat_tables([named(stacked()).to_arrow(title=name) for name in ("one", "two")])
    counts = both.to_pandas()["title"].value_counts()
    assert counts["one"] == counts["two"] == stacked().to_arrow().num_rows


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = r"to_arrow needs the package pyarrow, which is not installed: .* install 'pyarrow>=15', or use to_frame$"
    with pytest.raises(OptionError, match=said):
        lt.run(QUESTION_19).to_arrow()
