"""Frames: the three shapes against the arrays and against the exported files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
from lstm_trace.errors import OptionError
from lstm_trace.export.writers import ExportJob, export

from ..support.table_cases import QUESTION_19, expected, filled, same, stacked


def exact(path: Path) -> Any:
    old = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
    return pd.read_csv(path, **({"float_precision": "round_trip"} if old else {}))


def test_long_has_every_row() -> None:
    trace = stacked(lengths=[3, 4])
    frame = trace.to_frame()
    assert ",".join(frame.columns) == "layer,direction,t,batch,line,op,unit,value"
    assert list(frame.itertuples(index=False, name=None)) == list(expected(trace))


@pytest.mark.few(1)
@pytest.mark.parametrize("shape", ["long", "wide", "worked"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_frames_equal_the_files(tmp_path: Path, shape: str, dtype: Any) -> None:
    values = np.random.default_rng(3).normal(size=997).astype(dtype)
    trace = filled(stacked(), values)
    wide: dict[str, Any] = {"all_lines": True} if shape == "wide" else {}
    export(ExportJob(trace, shape, **wide), tmp_path / "x.csv")
    frame, read = trace.to_frame(shape, flat=shape == "wide", **wide), exact(tmp_path / "x.csv")
    numbers = frame.select_dtypes("float").columns
    assert len(numbers) == (1 if shape != "wide" else 21 * 3 + 6)  # y_t has six units where the directions meet
    for name in numbers:
        assert frame[name].dtype == dtype
        assert same(frame[name].to_numpy(), read[name].to_numpy(np.float64).astype(dtype))
    if shape == "worked":  # in the CSV a text that begins with a sign has a ' before it: a spreadsheet would compute it
        signed = frame["substituted"].str.startswith("-")
        assert signed.any()
        read["substituted"] = read["substituted"].mask(signed, read["substituted"].str.removeprefix("'"))
    small = {n: "int64" if kind.kind in "iu" else "str" for n, kind in frame.drop(columns=numbers).dtypes.items()}
    pd.testing.assert_frame_equal(frame.drop(columns=numbers).astype(small), read.drop(columns=numbers))


@pytest.mark.few(0)
def test_wide_equals_the_arrays() -> None:
    trace = stacked()
    frame = trace.to_frame("wide", flat=True, all_lines=True)
    assert list(frame.columns[:6]) == ["layer", "direction", "t", "batch", "W_xi @ x_t[0]", "W_xi @ x_t[1]"]
    for scope, arrays in trace.lines.items():
        layer, direction = scope.split("/")
        here = frame[(frame["layer"] == int(layer)) & (frame["direction"] == direction)].set_index(["t", "batch"])
        for name, array in arrays.items():
            for t, b, j in np.ndindex(array.shape):
                assert here[f"{name}[{j}]"][(t, b)] == array[t, b, j]
        missing = [name for name in here.columns[3:] if name.rsplit("[", 1)[0] not in arrays]
        assert here[missing].isna().all().all()


def test_a_frame_shares_no_memory_with_the_trace() -> None:
    trace = stacked(2, 1, 1, 3, ("forward",))
    before = trace["h_t"].copy()
    for shape, column in (("long", "value"), ("wide", "h_t[0]")):
        frame = trace.to_frame(shape, only="h_t")
        frame.iloc[:, list(frame.columns).index(column)] = 9.0
        assert same(trace["h_t"], before)


def test_inputs_have_empty_cells() -> None:
    frame = lt.run(QUESTION_19).to_frame(with_inputs=True)
    assert frame["t"].isna().sum() == 2 * 3 + 2 * 2 + 2
    assert frame["layer"].isna().sum() == 3
    assert frame["unit"].notna().all()
    assert list(frame.loc[frame["line"] == "W_xi[:,2]", "value"]) == [0.2, -0.2]
    assert list(lt.run(QUESTION_19).to_frame(with_inputs=True, only="h_prev")["line"]) == ["h0", "h0"]
    whole = lt.run(QUESTION_19).to_frame()
    kinds = [["int16", "int32", "int32", "int16"], ["Int16", "Int32", "Int32", "int16"]]
    assert [[str(f[name].dtype) for name in ("layer", "t", "batch", "unit")] for f in (whole, frame)] == kinds


def test_selection_by_name_or_names() -> None:
    trace = stacked()
    assert set(trace.to_frame(only="c_t")["line"]) == {"c_t"}
    assert set(trace.to_frame(only=["c_t", "h_t"], steps=2)["t"]) == {2}
    assert set(trace.to_frame(steps=slice(-2, None))["t"]) == {2, 3}
    with pytest.raises(OptionError, match="no shape 'Long'; did you mean 'long'"):
        trace.to_frame("Long")


def test_a_selection_may_be_given_as_the_command_gives_it() -> None:
    trace = stacked()
    for call in (trace.to_frame, trace.to_csv, trace.report):
        named = call(line="c_t, h_t", t=2, layer=1)
        assert str(named) == str(call(only=["c_t", "h_t"], steps=2, layer=1))
    one = trace.at(layer=0, direction="forward")
    held = [lt.explain(one, "3/0/h_t[0]", "ablation", **{name: "1/c_t[0],h_t"}) for name in ("only", "line")]
    assert held[0].to_frame().equals(held[1].to_frame())
    assert len(held[0].to_frame()) > 1
    with pytest.raises(OptionError, match="line is another name for only: give only one of them"):
        trace.to_frame(line="c_t", only="h_t")
    with pytest.raises(OptionError, match="expected comma-separated names of lines, found ' , '"):
        trace.to_frame(line=" , ")


def test_the_index_of_a_wide_frame_is_the_step_and_what_there_are_several_of() -> None:
    one = lt.run(QUESTION_19).to_frame("wide", only="i_t")
    assert one.index.names == ["t"]
    assert list(one.columns) == ["i_t[0]", "i_t[1]"]
    both = stacked().to_frame("wide", only="h_t")
    assert both.index.names == ["layer", "direction", "t", "batch"]
    assert stacked().to_frame("wide", layer=1, direction="reverse").index.names == ["t", "batch"]
    assert stacked().to_frame("wide", layer=1, direction="reverse", batch=1).index.names == ["t"]
    assert list(stacked().to_frame("wide", layer=1, direction="reverse", batch=1).index) == [3, 2, 1, 0]  # as visited
    pd.testing.assert_frame_equal(both.reset_index(), stacked().to_frame("wide", only="h_t", flat=True))


def test_a_window_keeps_its_steps_in_the_index() -> None:
    trace = stacked(2, 1, 1, 3, ("forward",))
    assert list(trace.to_frame("wide", steps=slice(1, None)).index) == list(range(1, trace.steps))


@pytest.mark.parametrize("shape", ["long", "worked"])
def test_flat_is_for_wide(shape: str) -> None:
    with pytest.raises(OptionError, match=f"flat=True is for the shape wide; the places of {shape} are columns"):
        lt.run(QUESTION_19).to_frame(shape, flat=True)


@pytest.mark.few(0)
def test_a_wide_frame_is_plotted_against_its_steps() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("svg")
    trace = stacked(layers=1, directions=("forward",))
    axes = trace.to_frame("wide", only=["i_t", "h_t"], batch=1).plot()
    assert axes.get_xlabel() == "t"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        f"{name}[{j}]" for name in ("i_t", "h_t") for j in range(3)
    ]
    for line, (name, j) in zip(axes.get_lines(), [(n, j) for n in ("i_t", "h_t") for j in range(3)], strict=True):
        assert list(line.get_xdata()) == list(range(trace.steps))
        assert same(np.asarray(line.get_ydata()), trace[name][:, 1, j])
    rows = trace.to_frame("wide", only="h_t")["h_t[0]"].unstack("batch").plot()
    assert [line.get_label() for line in rows.get_lines()] == [str(b) for b in range(trace.batch)]
    matplotlib.pyplot.close("all")
