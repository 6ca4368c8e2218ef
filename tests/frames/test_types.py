"""What a frame takes, which lines are columns, and the columns that tell tables and steps apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
from lstm_trace.errors import OptionError
from lstm_trace.trace.trace import Trace

from ..support.table_cases import QUESTION_19, expected, stacked

#: Each row its own labels; some are missing, and some are what readers take for something else.
TOKENS = (("the", "=cat", "sat", "3"), ("a", "", 'd"o,g\n', ""))


def named(trace: Trace, title: str = "Model A", tokens: Any = TOKENS) -> Trace:
    return replace(trace, header=replace(trace.header, title=title, step_labels=tokens))


def test_a_row_takes_23_bytes() -> None:
    trace = stacked(50, 4, 2, 9)
    frame = trace.to_frame()
    least = (2 + 1 + 4 + 4 + 1 + 1 + 2 + 8) * len(frame)
    assert least <= frame.memory_usage(index=False).sum() < 1.01 * least  # and the texts, once
    kinds = [str(kind) for kind in frame.dtypes]
    small = ["int16", "category", "int32", "int32", "category", "category", "int16", "float64"]
    assert kinds == small


def test_categories_stand_in_computing_order() -> None:
    trace = stacked()
    frame = trace.to_frame()
    wanted = list(expected(trace))
    for name, column in (("line", 4), ("op", 5), ("direction", 1)):
        kind = frame[name].dtype
        assert kind.ordered
        assert list(kind.categories) == list(dict.fromkeys(row[column] for row in wanted))
    means = frame.groupby("line", observed=True)["value"].mean()
    assert list(means.index) == list(dict.fromkeys(row[4] for row in wanted))
    for line, mean in means.items():
        assert mean == pytest.approx(np.mean([row[7] for row in wanted if row[4] == line]))
    assert list(trace.to_frame(only="c_t")["line"].cat.categories) == ["c_t"]  # only what is there


def test_more_units_than_fit_have_a_larger_type() -> None:
    cell = {"equations": "h_t = x_t * w\noutput: h_t"}
    for units, kind in ((1 << 15, "int16"), ((1 << 15) + 1, "int32")):
        frame = lt.run({"w": np.ones(units)}, [[1.0]], cell=cell).to_frame(only="h_t")
        assert str(frame["unit"].dtype) == kind
        assert frame["unit"].iloc[-1] == units - 1


def test_wide_has_the_lines_with_names() -> None:
    trace = stacked(lengths=[4, 2])
    lines = {line.name: line.assigned for stage in trace.stages for line in stage.cell.lines}
    found = {name.rpartition("[")[0] for name in trace.to_frame("wide").columns}
    assert found == {name for name, assigned in lines.items() if assigned}
    every = {name.rpartition("[")[0] for name in trace.to_frame("wide", all_lines=True).columns}
    assert every == set(lines)
    assert list(trace.to_frame("wide", only="W_xi @ x_t", layer=0, direction="reverse").columns) == [
        f"W_xi @ x_t[{j}]" for j in range(3)
    ]


def test_wide_has_what_was_asked_for() -> None:
    for ask in (["W_xi @ x_t"], ["0/forward/0/0/W_xi @ x_t[1]", "i_t"]):
        found = {name.rpartition("[")[0] for name in lt.run({**QUESTION_19, "ask": ask}).to_frame("wide").columns}
        assert found == {"W_xi @ x_t", *(["z_i", "i_t"] if len(ask) > 1 else [])}


def test_where_nothing_has_a_name_wide_has_all() -> None:
    frame = stacked(2, 1, 1, 2, ("forward",), record=["W_hi @ h_prev"]).to_frame("wide")
    assert list(frame.columns) == ["W_hi @ h_prev[0]", "W_hi @ h_prev[1]"]


def test_a_column_of_labels_stands_behind_t() -> None:
    trace = named(stacked())
    for shape in ("long", "worked"):
        frame = trace.to_frame(shape)
        assert list(frame.columns[:5]) == ["layer", "direction", "t", "token", "batch"]
        for t, b, token in zip(frame["t"], frame["batch"], frame["token"], strict=True):
            label = TOKENS[b][t] if t < len(TOKENS[b]) else ""
            assert token == label if label else pd.isna(token)
    wide = trace.to_frame("wide", layer=1, direction="reverse")
    assert wide.index.names == ["t", "batch"]
    assert wide["token"].dropna().to_dict() == {
        (t, b): text for b in (0, 1) for t, text in enumerate(TOKENS[b]) if text
    }
    assert "token" not in stacked().to_frame().columns


def test_labels_of_one_row_are_those_of_all() -> None:
    frame = named(stacked(3), tokens=(("x", "y", "z"),)).to_frame("wide", flat=True, steps=slice(1, None), batch=1)
    assert list(zip(frame["t"], frame["token"], strict=True))[:4] == [(1, "y"), (2, "z"), (2, "z"), (1, "y")]


def test_labels_of_a_part_are_those_of_its_steps() -> None:
    trace = named(stacked())
    pd.testing.assert_frame_equal(
        trace.at(steps=slice(2, 4)).to_frame().astype({"token": str}),
        trace.to_frame(steps=slice(2, 4)).astype({"token": str}),
    )


def test_premises_have_labels_where_they_have_steps() -> None:
    frame = named(stacked(lengths=[4, 3])).to_frame(with_inputs=True, padding=True)
    inputs = frame[frame["line"] == "x_t"]
    assert [inputs[inputs["t"] == t]["token"].iloc[0] for t in range(4)] == list(TOKENS[0])
    assert frame[frame["t"].isna()]["token"].isna().all()
    assert str(frame["valid"].dtype) == "boolean"


def test_the_title_is_the_first_column() -> None:
    trace = named(stacked())
    frames = [trace.to_frame(title=True), trace.to_frame(title=" Model\nB "), trace.to_frame("wide", title="x" * 300)]
    assert [frame.columns[0] for frame in frames] == ["title"] * 3
    assert [list(frame["title"].unique()) for frame in frames] == [["Model A"], ["Model B"], ["x" * 199 + "…"]]
    with pytest.raises(OptionError, match="the trace has no title for a column of it: give one, --title TEXT"):
        stacked().to_frame(title=True)


def test_frames_that_were_put_together_are_told_apart() -> None:
    one, two = named(stacked()), named(stacked(3, 1, 1, 2, ("forward",)), "Model B", (("u", "v", "w"),))
    both = pd.concat([one.to_frame(title=True), two.to_frame(title=True)])
    means = both[both["line"] == "h_t"].groupby("title", observed=True)["value"].mean()
    assert means["Model A"] == pytest.approx(one.to_frame(only="h_t")["value"].mean())
    assert means["Model B"] == pytest.approx(two["h_t"].mean())
    assert [str(both[name].dtype) for name in ("layer", "t", "batch", "unit")] == ["int16", "int32", "int32", "int16"]
    same = pd.concat([one.to_frame(title=True), one.to_frame(title="again")])
    assert str(same["line"].dtype) == "category"  # the same lines: still small
