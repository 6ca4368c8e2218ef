"""`--with-inputs` in the shape wide: pre-activations are computed again from their row alone, in pandas and in SQL."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.frames import table

from ..support.table_cases import stacked


def rows_of(trace: Any, **options: Any) -> pd.DataFrame:
    text = trace.to_csv(None, "wide", with_inputs=True, **options)
    return pd.read_csv(io.StringIO(text), **({"float_precision": "round_trip"} if pd.__version__ < "3.1" else {}))


def numbers(row: Any, name: str) -> list[float]:
    """The vector of a row, as long as it is there."""
    found = []
    while f"{name}[{len(found)}]" in row and not np.isnan(row[f"{name}[{len(found)}]"]):
        found.append(float(row[f"{name}[{len(found)}]"]))
    return found


@pytest.mark.few(0)
@pytest.mark.parametrize("options", [{}, {"lengths": [4, 2]}])
def test_every_row_gives_its_lines(options: dict[str, Any]) -> None:
    trace = stacked(**options)
    rows = rows_of(trace)
    assert (
        len(rows) == {0: 4 * 2, 2: 6}[len(options.get("lengths", ()))] * 6
    )  # with the two stages where directions meet
    checked = 0
    for _, row in rows[rows["direction"] != "joined"].iterrows():
        x, h, c = (numbers(row, name) for name in ("x_t", "h_prev", "c_prev"))
        assert (len(x), len(h), len(c)) == ((5 if row["layer"] == 0 else 6), 3, 3)
        z = {}
        for gate in "ifco":
            for j in range(3):
                terms = [row[f"W_x{gate}[{j},{k}]"] * x[k] for k in range(len(x))]
                terms += [row[f"W_h{gate}[{j},{k}]"] * h[k] for k in range(len(h))] + [row[f"b_{gate}[{j}]"]]
                bound = 2 * len(terms) * np.finfo(float).eps * sum(map(abs, terms))
                z[gate, j] = row[f"z_{gate}[{j}]"]
                assert abs(sum(terms) - z[gate, j]) <= bound
                checked += 1
        for j in range(3):
            i, f, o = (1 / (1 + np.exp(-z[gate, j])) for gate in "ifo")
            np.testing.assert_allclose(row[f"c_t[{j}]"], f * c[j] + i * np.tanh(z["c", j]), rtol=1e-13, atol=1e-15)
            np.testing.assert_allclose(row[f"h_t[{j}]"], o * np.tanh(row[f"c_t[{j}]"]), rtol=1e-13, atol=1e-15)
    assert checked == len(rows[rows["direction"] != "joined"]) * 12


def test_a_query_gives_the_pre_activations(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    trace = stacked(layers=1, directions=("forward",))
    trace.to_csv(tmp_path / "t.csv", "wide", with_inputs=True, names="safe")
    terms = [f"W_xf_r2c{k} * x_t_{k}" for k in range(5)] + [f"W_hf_r2c{k} * h_prev_{k}" for k in range(3)] + ["b_f_2"]
    query = f"select z_f_2, {' + '.join(terms)} from '{tmp_path}/t.csv' order by t, batch"  # noqa: S608
    found = np.array(duckdb.sql(query).fetchall())
    np.testing.assert_array_equal(found[:, 0], trace["z_f"][..., 2].ravel())
    np.testing.assert_allclose(found[:, 1], found[:, 0], rtol=1e-13, atol=1e-13)


def test_frame_arrow_and_file_agree() -> None:
    trace = stacked()
    frame, rows = trace.to_frame("wide", with_inputs=True, flat=True), rows_of(trace)
    assert [*frame.columns] == [*rows.columns]
    np.testing.assert_array_equal(frame.iloc[:, 4:], rows.iloc[:, 4:])
    pytest.importorskip("pyarrow")
    arrow = trace.to_arrow("wide", with_inputs=True).to_pandas()
    np.testing.assert_array_equal(arrow.iloc[:, 4:], rows.iloc[:, 4:])


def test_what_is_written_before_the_lines() -> None:
    columns = [*rows_of(stacked(layers=1, directions=("forward",)), line="x,c_prev,W_hi,z_i").columns]
    assert columns[4:] == [
        *(f"x_t[{k}]" for k in range(5)),
        *(f"c_prev[{k}]" for k in range(3)),
        *(f"W_hi[{j},{k}]" for k in range(3) for j in range(3)),
        *(f"z_i[{j}]" for j in range(3)),
    ]


def test_given_lines_and_windows() -> None:
    trace = lt.run(
        {"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0], [4.0]], ask="z_i", h0=[8.0], given={"h_t": [[1], [2], [3]]}
    )
    rows = rows_of(trace, t=slice(1, None))
    assert rows["h_prev[0]"].tolist() == [1, 2]
    assert rows["h_t[0]"].tolist() == [2, 3]
    assert rows["W_xi[0,0]"].tolist() == [0.5, 0.5]
    assert rows["z_i[0]"].tolist() == [0.5 * 2 + 0.25 * 1, 0.5 * 4 + 0.25 * 2]
    assert rows_of(trace.at(steps=slice(1, None)))["h_prev[0]"].tolist() == [1, 2]


def test_a_value_that_was_not_recorded_is_left_out() -> None:
    trace = stacked(layers=1, directions=("forward",), record=["c_t"])
    columns = [*rows_of(trace).columns]
    assert "x_t[0]" in columns and "c_prev[0]" in columns and "h_prev[0]" not in columns  # noqa: PT018


def test_the_backward_pass_has_what_it_reads() -> None:
    back = lt.backward(stacked(layers=1, directions=("forward",)), of="3/0/h_t[1]")
    rows = rows_of(back.at(direction="adjoint-forward"))
    assert {"i_t[0]", "f_t[2]", "W_hi[1,2]"} <= {*rows.columns}


def test_safe_names_stay_unique() -> None:
    names = [*rows_of(stacked(), names="safe").columns]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in names)
    plain = [*stacked().to_frame("wide", names="safe").columns]
    assert plain == [name for name in names[4:] if name in plain]  # a line has the same name without the inputs


def test_more_columns_than_a_spreadsheet_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = stacked(layers=1, directions=("forward",))
    count = trace.to_frame("wide", with_inputs=True).shape[1]
    monkeypatch.setattr(table, "WIDEST", count)
    assert trace.to_frame("wide", with_inputs=True).shape[1] == count
    monkeypatch.setattr(table, "WIDEST", count - 1)
    with pytest.raises(OptionError, match=rf"--with-inputs would make {count} columns, and at most {count - 1} are"):
        trace.to_frame("wide", with_inputs=True)
    assert trace.to_frame("wide", with_inputs=True, line="z_i,x_t").shape[1] == 8


def test_what_has_no_place_in_a_row_is_refused() -> None:
    with pytest.raises(OptionError, match="worked has the numbers in its formulas"):
        stacked().to_frame("worked", with_inputs=True)
    for name in ("h0", "lengths"):
        with pytest.raises(MissingError, match=f"the trace has no line '{name}'"):
            stacked(lengths=[4, 2]).to_frame("wide", with_inputs=True, line=name)
