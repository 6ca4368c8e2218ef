"""The columns `step` and `unit_name` say what the report says: read out of its Markdown by regular expressions."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
from lstm_trace.errors import OptionError
from lstm_trace.frames.terminal import ValueTable, table
from lstm_trace.trace.rows import Selection
from lstm_trace.trace.trace import Trace

RNG = np.random.default_rng(28)
X = RNG.normal(size=(3, 2))
CONCATENATED = """
a_t = concat(h_prev, x_t)
z_t = W @ a_t
h_t = tanh(z_t)
carry: h_prev <- h_t
output: h_t
"""
READOUT = "s_t = W_hs @ h_t + b_s"


def lstm(layers: int = 1, *directions: str, **options: Any) -> Trace:
    """I = 2, H = 3."""
    weights: dict[str, Any] = {}
    for layer, direction in product(range(layers), directions or ("forward",)):
        inputs = 2 if layer == 0 else 3 * max(len(directions), 1)
        for gate in "ifco":
            where = f"{layer}/{direction}/" if layers > 1 or directions else ""
            weights[f"{where}W_x{gate}"] = RNG.normal(size=(3, inputs))
            weights[f"{where}W_h{gate}"] = RNG.normal(size=(3, 3))
            weights[f"{where}b_{gate}"] = RNG.normal(size=3)
    if "extra" in options:
        weights |= {"W_hs": RNG.normal(size=(2, 3)), "b_s": RNG.normal(size=2)}
        arrays = {name: values.tolist() for name, values in weights.items()}
        return lt.run({"weights": arrays, "x": X.tolist(), **options})
    return lt.run(weights, X, **options)


def own(text: str, **weights: Any) -> Trace:
    return lt.run(weights, X, cell={"equations": text})


CASES = {
    "one layer": lambda: lstm(),
    "two layers": lambda: lstm(2),
    "both directions": lambda: lstm(1, "forward", "reverse"),
    "a readout": lambda: lstm(extra=READOUT),
    "joined": lambda: own(CONCATENATED, W=RNG.normal(size=(3, 5))),
}
NAMES: list[dict[str, Any]] = [
    {},
    {"h": ["any", "inside", "count"]},
    {"x": ["hours", "coffee"]},
    {"x": ["hours", "coffee"], "h": ["any", "inside", "count"], "y": ["praise", "blame"]},
]


def called(trace: Trace, names: Any, count_from: int, tokens: bool) -> Trace:
    there = {key: names[key] for key in names if key != "y" or "W_hs" in trace.parameters.get("0/forward", {})}
    labels = (("Mon", "Tue", "Wed"),) if tokens else ()
    return replace(
        trace, header=replace(trace.header, names=there, count_from=count_from, step_labels=labels)
    )  # as a problem sets them


def told(trace: Trace) -> Iterator[tuple[str, str]]:
    """(step, name of the unit) of every value that a report of every term works out, in order."""
    step = ""
    text = trace.report("md", detail="scalar", everything=True).partition("## Solution")[2]
    unit = r"\\text\{(?:unit|input|output) (\d+)(?: \((.*?)\))?\}(?:\\!:| =| \\approx)"
    for heading, number, name in re.findall(rf"^#+ .*[Ss]tep t = (\d+)|{unit}", text, re.M):
        if heading:
            step = heading
        else:
            yield step, name or number


@pytest.mark.few(2)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count_from", [0, 1])
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("names", NAMES, ids=["none", "h", "x", "all"])
def test_steps_and_units_are_those_of_the_report(case: str, count_from: int, tokens: bool, names: Any) -> None:
    trace = called(CASES[case](), names, count_from, tokens)
    expected = [*told(trace)]
    assert len(expected) >= 27
    if case == "joined" and not names:  # "unit 1" and "input 1" of one vector: in a table the numbers go on
        numbers = [str(k % 11 + count_from) for k in range(len(expected))]
        expected = [(step, numbers[k] if k % 11 < 5 else name) for k, (step, name) in enumerate(expected)]
    for shape in ("long", "worked"):
        rows = [*csv.DictReader(io.StringIO(trace.to_csv(shape=shape)))]
        assert ("step" in rows[0]) == bool(count_from)
        assert ("unit_name" in rows[0]) == bool(trace.header.names or count_from)
        assert [(row.get("step", row["t"]), row.get("unit_name", row["unit"])) for row in rows] == expected
        assert all(int(row["t"]) == int(row.get("step", row["t"])) - count_from for row in rows)
    shown = ValueTable(trace, Selection()).facts()["rows"]
    numbered = [row["unit_names"] or [str(j) for j in range(len(row["values"]))] for row in shown]
    steps = [str(row["step"]) for row in shown]
    assert [pair for step, units in zip(steps, numbered, strict=True) for pair in product([step], units)] == expected
    drawn = table(trace, height=None)
    assert (drawn.head.count("step"), drawn.head.count("t")) == (count_from, 1 - count_from)
    at = drawn.head.index("step" if count_from else "t")
    there, every = [int(row[at]) for row in drawn.rows if row[at]], range(count_from, trace.steps + count_from)
    parts = [there[k : k + len(every)] for k in range(0, len(there), len(every))]
    assert parts == [[*(every[::-1] if stage.backwards else every)] for stage in trace.stages]


def named() -> Trace:
    return called(lstm(2, "forward", "reverse"), NAMES[3], 1, True)


@pytest.mark.few(0)
@pytest.mark.parametrize("options", [{}, {"with_inputs": True}, {"unit": 1}, {"shape": "wide"}, {"shape": "worked"}])
def test_frame_arrow_and_file_agree(options: dict[str, Any]) -> None:
    trace = named()
    frame = trace.to_frame(**options, **({"flat": True} if options.get("shape") == "wide" else {}))
    read = pd.read_csv(io.StringIO(trace.to_csv(**options)), dtype={"unit_name": str})
    assert [*read.columns] == [*frame.columns]
    assert [*frame["step"].fillna(0)] == [*read["step"].fillna(0)]
    if "unit_name" in frame:
        assert [*frame["unit_name"]] == [*read["unit_name"]]
        assert frame["unit_name"].dtype == "category"
    pytest.importorskip("pyarrow")
    assert trace.to_arrow(**options).to_pandas()["step"].fillna(0).tolist() == frame["step"].fillna(0).tolist()


def test_premises_have_the_names_of_what_they_feed() -> None:
    frame = called(lstm(extra=READOUT), NAMES[3], 0, False).to_frame(with_inputs=True)
    names = frame.groupby("line", observed=True)["unit_name"].agg(lambda found: ",".join(dict.fromkeys(found)))
    assert names["x_t"] == "hours,coffee"
    assert names["h0"] == names["W_xi[:,1]"] == names["W_hi[:,0]"] == names["b_i"] == "any,inside,count"
    assert names["W_hs[:,2]"] == names["b_s"] == names["s_t"] == "praise,blame"
    trace = own("h_t = tanh(h_prev @ U + V @ x_t)\ncarry: h_prev <- h_t\noutput: h_t", U=np.eye(3), V=np.ones((3, 2)))
    rows = called(trace, {"x": ["hours", "coffee"]}, 0, False).to_frame(with_inputs=True)
    assert set(rows.loc[rows["line"] == "V[:,0]", "unit_name"]) == {"0", "1", "2"}  # one for each result
    lengths = replace(called(lstm(), {"x": ["only"]}, 1, False), lengths=np.array([2])).to_frame(with_inputs=True)
    assert [*lengths.loc[lengths["line"] == "lengths", "unit_name"]] == ["1"]  # it has no label of x


def test_what_is_counted_from_0_and_has_no_names_has_neither_column() -> None:
    trace = called(lstm(), {}, 0, True)
    assert "step" not in trace.to_frame()
    assert "unit_name" not in trace.to_frame()


def test_columns_with_labels() -> None:
    trace = called(lstm(extra=READOUT), NAMES[3], 1, False)
    frame = trace.to_frame("wide", line="c_t,s_t", names="labels")
    assert [*frame.columns] == ["step", "c_t[any]", "c_t[inside]", "c_t[count]", "s_t[praise]", "s_t[blame]"]
    np.testing.assert_array_equal(frame.iloc[:, 1:4], trace["c_t"][:, 0])
    text = trace.to_csv(None, "wide", line="c_t", names="labels", unit=1)
    assert text is not None
    assert text.splitlines()[0] == "layer,direction,t,step,batch,c_t[inside]"
    plain = called(lstm(), {"x": ["hours", "coffee"]}, 1, False).to_frame("wide", line="c_t", names="labels")
    assert [*plain.columns] == ["step", "c_t[0]", "c_t[1]", "c_t[2]"]  # without a label it is the number in addresses


def test_columns_of_weights_with_labels() -> None:
    """A weight has the labels of the unit that it feeds and of what it is multiplied by; so it is beside its
    gradients."""
    trace = called(lstm(extra=READOUT), NAMES[3], 1, False)
    frame = trace.to_frame("wide", names="labels", with_inputs=True)
    x, h, y = (NAMES[3][axis] for axis in "xhy")
    for name, down, across in (("W_xi", h, x), ("W_hi", h, h), ("W_hs", y, h)):
        for (j, row), (k, column) in product(enumerate(down), enumerate(across)):
            assert set(frame[f"{name}[{row},{column}]"].dropna()) == {trace.parameters["0/forward"][name][j, k]}
    back = lt.backward(trace, of="2/0/h_t[1]").to_frame("wide", names="labels", with_inputs=True)
    assert set(frame.filter(like="W_").columns) <= {*back.columns}
    with pytest.raises(OptionError, match=r"two units would have the column W_xi\[0,a\]; use --names plain"):
        called(lstm(), {"x": ["a", "a"]}, 0, False).to_frame("wide", line="W_xi", names="labels", with_inputs=True)


def test_columns_that_would_be_the_same_are_refused() -> None:
    with pytest.raises(OptionError, match=r"two units would have the column c_t\[a\]; use --names plain"):
        called(lstm(), {"h": ["a", "b", "a"]}, 0, False).to_frame("wide", line="c_t", names="labels")
    with pytest.raises(OptionError, match="--names labels is for the shape wide"):
        lstm().to_frame(names="labels")


def test_a_dataset_has_the_steps_as_a_coordinate() -> None:
    pytest.importorskip("xarray")
    assert called(lstm(), {}, 1, True).to_xarray()["step"].values.tolist() == [1, 2, 3]
    assert "step" not in called(lstm(), NAMES[1], 0, True).to_xarray().coords


def test_a_file_with_these_columns_is_compared(tmp_path: Any) -> None:
    trace = named()
    trace.save(tmp_path / "t.json")
    trace.to_csv(tmp_path / "t.csv")
    from ..support.given import read_external

    assert lt.diff(trace, read_external(tmp_path / "t.csv", trace)[0]).verdict == "same"
