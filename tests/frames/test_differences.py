"""The table of differences: every row against loops over the arrays of the two traces; sums by other programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
import lstm_trace.export.text as text
import lstm_trace.frames.frame as tables
import lstm_trace.verification.differences as verification
from lstm_trace.errors import OptionError
from lstm_trace.frames.differences import DifferenceTable
from lstm_trace.frames.frame import frame
from lstm_trace.trace.trace import Trace

from ..support.table_cases import expected, same, stacked
from .test_frames import exact

COLUMNS = ["layer", "direction", "t", "batch", "line", "unit", "a", "b", "difference", "own", "inherited"]


def moved(trace: Trace, seed: int = 11) -> Trace:
    """The run of the same network with two weights and a bias changed."""
    draw = np.random.default_rng(seed)
    weights = {scope: {name: w.copy() for name, w in here.items() if scope} for scope, here in trace.parameters.items()}
    weights["0/forward"]["W_xf"][1, 0] += 0.5
    weights["0/forward"]["W_hc"][0, 2] *= -1.0
    weights["1/reverse"]["b_o"] += draw.normal(size=3)
    flat = {f"{scope}/{name}": w for scope, here in weights.items() for name, w in here.items()}
    return lt.run(flat, trace.x, lengths=trace.lengths)


@pytest.fixture(scope="module")
def pair() -> tuple[Trace, Trace]:
    """Two layers in both directions, random weights and inputs, a sequence of four steps and one of three."""
    a = stacked(lengths=[4, 3])
    return a, moved(a)


@pytest.mark.few(0)
def test_each_row_has_both_values_in_the_order_of_the_long_table(pair: tuple[Trace, Trace]) -> None:
    a, b = pair
    found = lt.diff(a, b).to_frame()
    assert list(found.columns) == COLUMNS
    rows = list(expected(a))
    assert list(found[COLUMNS[:6]].itertuples(index=False, name=None)) == [(*row[:5], row[6]) for row in rows]
    one, two = (np.array([row[-1] for row in expected(trace)]) for trace in pair)
    assert same(found["a"].to_numpy(), one)
    assert same(found["b"].to_numpy(), two)
    assert same(found["difference"].to_numpy(), two - one)
    assert (found["difference"] != 0).mean() > 0.5


@pytest.mark.few(0)
def test_own_and_inherited_against_the_equations(pair: tuple[Trace, Trace]) -> None:
    """b's value against a's equation over b's operands: products and sums by numpy, which round like any other."""
    a, b = pair
    wrong = replace(b, lines={s: {n: v.copy() for n, v in here.items()} for s, here in b.lines.items()})
    wrong.lines["0/reverse"]["c_t"][1, 0, 2] += 0.25
    wrong.lines["1/forward"]["i_t * c_tilde"][2, 1, 0] -= 0.5
    found = lt.diff(a, wrong).to_frame().set_index(["layer", "direction", "line", "t", "batch", "unit"])
    owns = 0
    for layer, direction in ((0, "forward"), (0, "reverse"), (1, "forward"), (1, "reverse")):
        one, two = (trace.lines[f"{layer}/{direction}"] for trace in (a, wrong))
        before = -1 if direction == "forward" else 1
        for t, row, j in np.ndindex(4, 2, 3):
            if row == 1 and t == 3:
                continue  # padding of the second sequence
            at, last = (t, row, j), t + before
            carried = two["where(valid, c_t, c_prev)"][last, row, j] if 0 <= last < 4 else 0.0
            lines = {
                "i_t * c_tilde": two["i_t"][at] * two["c_tilde"][at],
                "f_t * c_prev": two["f_t"][at] * carried,
                "c_t": two["f_t * c_prev"][at] + two["i_t * c_tilde"][at],
            }
            for name, derived in lines.items():
                place = found.loc[(layer, direction, name, t, row, j)]
                assert place["own"] == two[name][at] - derived
                assert place["inherited"] == derived - one[name][at]
                owns += place["own"] != 0
    assert owns == 3  # the two edits, and c_t, which does not follow the edited product
    whole = found["a"] + found["own"] + found["inherited"]
    limit = np.spacing(found[["a", "b", "own", "inherited"]].abs().max(axis=1)) * 2  # each of four roundings half of it
    assert ((whole - found["b"]).abs() <= limit).all()


@pytest.mark.few(0)
def test_in_pieces_it_is_the_same(pair: tuple[Trace, Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = lt.diff(*pair)
    whole, table = found.to_frame(), DifferenceTable.between(*found.sides)
    found.save(tmp_path / "whole.csv")
    monkeypatch.setattr(verification, "BLOCK", 50)  # a step at a time
    monkeypatch.setattr(tables, "PIECE", 7)
    monkeypatch.setattr(text, "PIECE", 7)
    _, pieces = tables.arrow(table, "to_arrow")
    parts = list(pieces)
    assert len(parts) > 28
    pd.testing.assert_frame_equal(pd.concat([p.to_pandas().astype({"line": str}) for p in parts], ignore_index=True)[
        ["t", "unit", *COLUMNS[6:]]], whole[["t", "unit", *COLUMNS[6:]]])  # fmt: skip
    pd.testing.assert_frame_equal(frame(table), whole)
    found.save(tmp_path / "parts.csv")
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert table.rows == len(whole)


@pytest.mark.few(0)
def test_wide_has_b_minus_a(pair: tuple[Trace, Trace]) -> None:
    a, b = pair
    found = lt.diff(a, b)
    wide = found.to_frame("wide")
    assert wide.index.names == ["layer", "direction", "t", "batch"]
    assert list(wide.columns) == list(a.to_frame("wide").columns)  # the lines with a name, as in an export
    for (layer, direction, t, row), cells in wide.iterrows():
        one, two = (trace.lines.get(f"{layer}/{direction}", {}) for trace in (a, b))
        for name in one.keys() & {"c_t", "h_t", "z_f"}:
            for j in range(one[name].shape[2]):
                assert cells[f"{name}[{j}]"] == two[name][t, row, j] - one[name][t, row, j]
    assert len(wide) == sum(7 if stage.scope in a.lines else 0 for stage in a.stages)


def test_each_column_has_the_type_of_its_trace() -> None:
    pa = pytest.importorskip("pyarrow")
    a = stacked(2, 1, 1, 3, ("forward",))
    weights = {f"{s}/{n}": w for s, here in a.parameters.items() for n, w in here.items()}
    b = lt.run(weights, a.x, dtype="float32")
    for one, two, kinds in ((a, b, ["float64", "float32"]), (b, a, ["float32", "float64"])):
        table = DifferenceTable.between(one, two)
        found = frame(table)
        assert [str(found[name].dtype) for name in COLUMNS[6:]] == [*kinds, *["float64"] * 3]
        assert same(found["difference"].to_numpy(), found["b"].to_numpy(np.float64) - found["a"].to_numpy(np.float64))
        schema, _ = tables.arrow(table, "to_arrow")
        names = {"float64": pa.float64(), "float32": pa.float32()}
        assert [schema.field(n).type for n in COLUMNS[6:]] == [names[k] for k in [*kinds, *["float64"] * 3]]
        assert str(frame(DifferenceTable.between(one, two, shape="wide"))["h_t[0]"].dtype) == "float64"


def test_operands_that_are_missing_leave_the_parts_empty(tmp_path: Path) -> None:
    weights = {"W_xi": [[0.5], [0.25]], "W_hi": [[0.25, 1.0], [-0.5, 0.75]]}
    a, b = (lt.run(weights, [[1.0], [x]], ask="i_t", given={"h_t": [[0.1, 0.2], [0.3, 0.4]]}) for x in (2.0, 3.0))
    found = lt.diff(*(replace(t, given={}, lines={"0/forward": {"i_t": t["i_t"]}}) for t in (a, b)))
    table = found.to_frame()
    last = table[table["t"] == 1]  # h of the step before is not there
    assert table["own"].notna().tolist() == [True, True, False, False]
    assert last["inherited"].isna().all()
    assert table["difference"].tolist() == (b["i_t"] - a["i_t"]).ravel().tolist()
    found.save(tmp_path / "d.csv")
    rows = (tmp_path / "d.csv").read_text().splitlines()[1:]
    assert [row.endswith(",,") for row in rows] == [False, False, True, True]


def test_of_two_equations_the_own_part_is_that_of_the_equation() -> None:
    """b's value against a's equation over b's operands, with a's parameters, which may mean something else in b."""
    weights, x = {"w": [0.75]}, [[1.0], [-2.0], [0.5]]
    text = "s_t = {} * s_prev + w * x_t\ncarry: s_prev <- s_t\noutput: s_t"
    a, b = (lt.run(weights, x, cell={"equations": text.format(n)}, initial={"s_prev": [0.3]}) for n in (0.5, 0.3))
    found = lt.diff(a, b).to_frame()
    found = found[found["line"] == "s_t"]
    before = np.array([0.3, *b["s_t"].ravel()[:-1]])
    derived = 0.5 * before + 0.75 * np.ravel(x)
    assert found["own"].tolist() == (b["s_t"].ravel() - derived).tolist()
    assert found["inherited"].tolist() == (derived - a["s_t"].ravel()).tolist()
    assert (found["own"] != 0).all()


def hard() -> tuple[Trace, Trace]:
    """A pair of which some values are NaN or infinite, in one or in both."""
    a = stacked(3, 1, 1, 3, ("forward",))
    b = replace(a, lines={s: {n: v.copy() for n, v in here.items()} for s, here in a.lines.items()})
    a = replace(a, lines={s: {n: v.copy() for n, v in here.items()} for s, here in a.lines.items()})
    one, two = (trace.lines["0/forward"] for trace in (a, b))
    one["i_t"][1, 0], two["i_t"][1, 0] = [np.nan, 1.0, np.inf], [np.nan, np.nan, np.inf]
    two["c_t"][2, 0] += [0.25, np.inf, -1e300]
    return a, b


def test_what_is_not_finite_is_an_empty_cell() -> None:
    table = lt.diff(*hard()).to_frame().set_index(["line", "t", "unit"])
    there = table.loc["i_t"].loc[1]
    assert np.isnan(there["a"][0])
    assert there["a"][2] == there["b"][2] == np.inf
    assert np.isnan(there["b"][1])
    assert there[["difference"]].isna().all().all()
    assert list(table.loc["c_t"].loc[2]["difference"].notna()) == [True, False, True]
    assert not np.isinf(table[["difference", "own", "inherited"]]).any().any()


@pytest.mark.few(0)
@pytest.mark.parametrize("shape", ["long", "wide"])
def test_files_hold_the_frame(pair: tuple[Trace, Trace], tmp_path: Path, shape: str) -> None:
    found = replace(lt.diff(*hard()), shape=shape)
    for suffix in ("csv", "parquet"):
        found.save(tmp_path / f"d.{suffix}")
    whole = found.frame()
    csv = exact(tmp_path / "d.csv")
    assert csv.columns.tolist() == whole.columns.tolist()
    for name in whole.select_dtypes("float").columns:
        assert same(csv[name].to_numpy(np.float64), whole[name].to_numpy())
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(tmp_path / "d.parquet")
    assert table.column_names == whole.columns.tolist()
    empties = whole["difference"].isna().sum() if shape == "long" else whole["c_t[1]"].isna().sum()
    assert table["difference" if shape == "long" else "c_t[1]"].null_count == empties > 0
    two = replace(lt.diff(*pair), shape=shape)
    two.save(tmp_path / "two.csv")  # in the shape wide some columns belong to some layers
    csv, frame = exact(tmp_path / "two.csv"), two.frame()
    for name in frame.select_dtypes("float").columns:
        assert same(csv[name].to_numpy(np.float64), frame[name].to_numpy())
    assert frame.isna().any().any() == (shape == "wide")
    if shape == "long":
        assert table["a"].null_count == 0
        assert table["b"].to_pandas().isna().sum() == 2
    assert "".join(found.pieces("csv")).count("\n") == len(whole) + 1


def pivot(pair: tuple[Trace, Trace]) -> dict[tuple[str, int], float]:
    """The sum of b - a over units and steps by line and sequence, by a loop."""
    a, b = pair
    sums: dict[tuple[str, int], float] = {}
    for one, two in zip(expected(a), expected(b), strict=True):
        off = float(two[-1]) - float(one[-1])
        if np.isfinite(off):
            sums[one[4], one[3]] = sums.get((one[4], one[3]), 0.0) + off
    return sums


@pytest.mark.parametrize("kind", ["plain", "hard"])
def test_other_programs_add_up_the_same(pair: tuple[Trace, Trace], tmp_path: Path, kind: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    traces = pair if kind == "plain" else hard()
    found, sums = lt.diff(*traces), pivot(traces)
    for suffix in ("csv", "parquet"):
        path = tmp_path / f"d.{suffix}"
        found.save(path)
        frame = pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)
        table = frame.pivot_table("difference", "line", "batch", "sum", observed=True)
        rows = duckdb.sql(f"select line, batch, sum(difference) from '{path}' group by all").fetchall()  # noqa: S608
        assert len(rows) == len(sums)
        for line, batch, total in rows:
            # a sum of at most 42 numbers, in another order: 42 roundings of at most its largest partial sum
            size = np.nansum(np.abs(frame["difference"][(frame["line"] == line) & (frame["batch"] == batch)]))
            limit = 42 * np.finfo(float).eps * size
            assert abs(total - sums[line, batch]) <= limit
            assert abs(table.loc[line, batch] - sums[line, batch]) <= limit


@pytest.mark.few(0)
def test_sums_over_all_steps_come_last() -> None:
    a = stacked(3, 1, 1, 3, ("forward",))
    b = lt.run({f"{s}/{n}": w * 1.5 for s, here in a.parameters.items() for n, w in here.items()}, a.x)
    one, two = (lt.backward(trace, of="2/h_t[0]") for trace in (a, b))
    found = lt.diff(one, two).to_frame()
    last = found[found["t"].isna()] if found["t"].isna().any() else found[found["line"].astype(str).str.contains(":")]
    scope = next(iter(one.sums))
    name, column = "d_W_xf", 4
    here = last[last["line"] == f"{name}[:,{column}]"]
    assert list(here["a"]) == one.sums[scope][name][:, column].tolist()
    assert list(here["difference"]) == (two.sums[scope][name] - one.sums[scope][name])[:, column].tolist()
    assert found.index[-1] in last.index
    wide: Any = lt.diff(one, two).to_frame("wide")
    assert not any(":" in name for name in wide.columns)


def test_another_shape_is_refused() -> None:
    found = lt.diff(*hard())
    with pytest.raises(OptionError, match="there is no shape 'worked'; expected long or wide"):
        found.to_frame("worked")
