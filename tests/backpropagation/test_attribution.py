"""A difference splits exactly: on random pairs of every cell, with one weight changed, by hand, in wrong traces."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import split
from lstm_trace.errors import MissingError, ShapeError
from lstm_trace.results.difference import COLUMNS, frame_of
from lstm_trace.trace.address import Address

from .. import ROOT
from ..support.tiers import some
from ..support.walk_cases import CELLS, case


def test_a_product_is_shared_half_and_half() -> None:
    """h = W x from 2 * 3 to 5 * 7: W brings 3 * 5, x brings 4 * 3.5."""
    a, b = (lt.run({"W": [[w]]}, [[x]], cell={"equations": "h_t = W @ x_t"}) for w, x in ((2, 3), (5, 7)))
    found = split(a, b, "h_t[0]")
    assert found.difference == 29
    assert found.parts["0/forward/W"].tolist() == [[15]]
    assert found.parts["x"].tolist() == [[[14]]]
    back = split(b, a, "h_t[0]")
    assert back.difference == -29
    assert back.parts["0/forward/W"].tolist() == [[-15]]


@pytest.mark.few(0)
@pytest.mark.parametrize("name", some(CELLS, 4))
def test_one_changed_weight_gets_all(name: str) -> None:
    told, a = case(name, 31, steps=6)
    key = next(k for k in told["source"] if k.startswith("0/reverse/"))
    changed = told["source"][key].copy()
    changed.flat[1] += 0.3
    b = lt.run(**{**told, "source": {**told["source"], key: changed}})
    table = lt.attribute(a, b, of="1/joined/2/1/y_t[1]").to_frame()
    rows = table[table["contribution"] != 0]
    assert rows["address"].tolist() == [key + ("[0,1]" if changed.ndim == 2 else "[1]")]
    difference = b.output[2, 1, 1] - a.output[2, 1, 1]
    assert rows["contribution"].item() == pytest.approx(difference, rel=1e-10)
    assert abs(difference) > 1e-6


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["plain", "peephole", "coupled", "projection", "layer norm", "odd", "slstm", "own"])
def test_a_tiny_change_gives_the_derivative(name: str) -> None:
    """A change of 1e-8 gives seven digits and more, where differences of the values have hardly any left."""
    told, a = case(name, 32, steps=12)
    of = "1/joined/5/0/y_t[1]"
    moved = {k: v + 1e-8 * np.random.default_rng(1).choice([-1, 1], size=v.shape) for k, v in told["source"].items()}
    b = lt.run(**{**told, "source": moved})
    found = split(a, b, of)
    # the derivative half-way: what is left is of the order of the change squared
    ends = [lt.gradients(t, of=of) for t in (a, b)]
    for key in told["source"]:
        change = moved[key] - told["source"][key]
        halfway = (ends[0][key] + ends[1][key]) / 2
        largest = np.abs(halfway).max()
        np.testing.assert_allclose(found.parts[key] / change, halfway, rtol=1e-9, atol=1e-10 * largest, err_msg=key)


@pytest.mark.few(0)
def test_equal_traces_have_nothing_to_split() -> None:
    told, a = case("layer norm", 33)
    found = split(a, lt.run(**told), "1/joined/0/1/y_t[3]")
    assert found.difference == 0
    assert not any(part.any() for part in found.parts.values())
    assert found.residual == 0


@pytest.mark.parametrize("line", ["f_t", "z_o", "h_t", "W_hi @ h_prev"])
def test_a_wrong_value_is_local(line: str) -> None:
    """A value that its operands do not explain has a share of its own, and the split adds up."""
    told, a = case("plain", 34, steps=6, layers=1, both=False)
    b = lt.run(**told)
    b.lines["0/forward"][line][2, 1, 0] += 0.25
    shown = "3/1/h_t[2]"
    found = split(a, b, shown)
    assert "0/forward/" + line in found.local
    assert np.argwhere(found.local["0/forward/" + line]).tolist() == [[2, 0, 0]]
    assert found.difference == 0, "nothing else was computed again"
    assert abs(found.residual) <= 1e-12 * max(1, found.size)
    table = frame_of(found)
    local = table[table["kind"] == "local"]
    assert f"0/forward/2/1/{line}[0]" in local["address"].tolist()
    assert abs(table["contribution"].sum()) < 1e-14


def test_a_consistent_wrong_value_explains_the_whole() -> None:
    """A port whose c_t is off at one step, and everything after it follows from the wrong value."""
    told, a = case("plain", 35, steps=5, layers=1, both=False)
    wrong = a["c_t"].copy()
    wrong[1] += 0.5
    state = {"h_prev": (a["o_t"][1] * np.tanh(wrong[1]))[None], "c_prev": wrong[1][None]}
    later = lt.run(**{**told, "x": told["x"][2:], "initial": state})
    b = lt.run(**told)
    lines = b.lines["0/forward"]
    for name, values in lines.items():
        values[2:] = later.lines["0/forward"][name]
    lines["c_t"][1] = wrong[1]
    lines["tanh(c_t)"][1] = np.tanh(wrong[1])
    lines["h_t"][1] = lines["o_t"][1] * np.tanh(wrong[1])
    found = split(a, b, "4/0/h_t[1]")
    assert set(found.local) == {"0/forward/c_t"}
    assert float(found.local["0/forward/c_t"].sum()) == pytest.approx(found.difference, rel=1e-10)
    assert abs(found.difference) > 1e-4


@pytest.mark.few(0)
def test_float32_is_split_with_its_rounding() -> None:
    runs = [case("two biases", seed, steps=20, dtype="float32")[1] for seed in (36, 37)]
    found = split(*runs, "1/joined/9/1/y_t[0]")
    assert not found.local
    assert 1e-12 < abs(found.rounding) < 1e-5
    assert abs(found.residual) <= 1e-12 * max(1, found.size)
    table = frame_of(found)
    assert table["contribution"].sum() == pytest.approx(found.difference, abs=1e-12)
    assert table["kind"].iloc[-1] == "rounding"


@pytest.mark.few(0)
@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
def test_float32_is_split_in_float64(plan: Any) -> None:
    """The same numbers held in float64 have the same shares: nothing of the way back is rounded to float32."""
    if plan == "compiled":
        pytest.importorskip("llvmlite", reason="the extra jit is not installed")
    runs = [case("two biases", seed, steps=20, dtype="float32")[1] for seed in (36, 37)]
    narrow = [replace(trace, header=replace(trace.header, plan=plan)) for trace in runs]
    wide = [_in_float64(trace) for trace in narrow]
    one, other = (split(*pair, "1/joined/9/1/y_t[0]") for pair in (narrow, wide))
    for place, part in other.parts.items():
        np.testing.assert_allclose(one.parts[place], part, rtol=0, atol=1e-14 * other.size, err_msg=place)


def _in_float64(trace: lt.Trace) -> lt.Trace:
    def cast(part: Any) -> Any:
        return {scope: {name: v.astype(np.float64) for name, v in here.items()} for scope, here in part.items()}

    return replace(
        trace,
        header=replace(trace.header, dtype="float64"),
        x=np.asarray(trace.x, np.float64),
        parameters=cast(trace.parameters),
        initial=cast(trace.initial),
        given=cast(trace.given),
        lines=cast(trace.lines),
    )


def test_supplied_lines_have_shares() -> None:
    rng = np.random.default_rng(38)
    weights = {f"W_{s}{g}": rng.normal(size=(2, 2)) for s in "xh" for g in "co"}
    runs = [
        lt.run(weights, x, given={"f_t": rng.uniform(size=(3, 1, 2)), "i_t": rng.uniform(size=(3, 1, 2))})
        for x in rng.normal(size=(2, 3, 1, 2))
    ]
    found = split(*runs, "0/forward/2/0/h_t[1]")
    assert found.kinds["0/forward/f_t"] == "given"
    assert found.parts["0/forward/f_t"].any()
    assert abs(found.residual) < 1e-14


def test_rows_of_one_batch() -> None:
    _, trace = case("coupled", 39, batch=3)
    found = split(trace, trace, "1/joined/2/2/y_t[0]", row=0)
    assert found.difference == trace.output[2, 2, 0] - trace.output[2, 0, 0]
    assert abs(found.residual) < 1e-14
    assert not any(found.parts[k].any() for k, kind in found.kinds.items() if kind == "parameter")


@pytest.mark.few(0)
def test_frame_has_an_address_for_every_entry() -> None:
    runs = [case("peephole", seed, lengths=[4, n])[1] for seed, n in ((40, 3), (41, 2))]
    found = split(*runs, "1/joined/1/1/y_t[0]")
    table = frame_of(found)
    assert tuple(table.columns) == (*COLUMNS, "a", "b")
    entries = sum(part.size for part in found.parts.values())
    assert len(table) == entries
    assert table["address"].is_unique
    assert abs(table["contribution"].sum() - found.difference) <= 1e-12
    assert table.attrs["of"] == "1/joined/1/1/y_t[0]"
    assert table.attrs["difference"] == runs[1].output[1, 1, 0] - runs[0].output[1, 1, 0]
    by_address = table.set_index("address")["contribution"]
    assert by_address["1/reverse/W_xf[2,5]"] == found.parts["1/reverse/W_xf"][2, 5]
    assert by_address["3/1/x_t[2]"] == found.parts["x"][3, 0, 2]
    assert by_address["0/forward/1/c0[3]"] == found.parts["0/forward/c0"][0, 3]
    assert by_address["2/1/valid[0]"] == found.parts["lengths"][2, 0, 0]
    for text in ("0/forward/w_co[1]", "3/1/x_t[2]", "1/reverse/1/h0[0]"):
        assert isinstance(runs[0].locate(text), Address), "the addresses are those of the trace"
    row = table[table["address"] == "1/reverse/W_xf[2,5]"].iloc[0]
    assert (row["layer"], row["direction"], row["name"], row["unit"], row["input"]) == (1, "reverse", "W_xf", 2, 5)
    assert [row["a"], row["b"]] == [run.parameters["1/reverse"]["W_xf"][2, 5] for run in runs]
    row = table[table["address"] == "3/1/x_t[2]"].iloc[0]
    assert [row["a"], row["b"]] == [run.x[3, 1, 2] for run in runs]


@pytest.mark.few(0)
def test_the_documents_examples_run() -> None:
    text = (ROOT / "docs" / "attribution.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)  # noqa: S102 - our own document
    assert abs(names["table"].attrs["residual"]) < 1e-15
    assert names["table"].query("contribution != 0")["name"].unique().tolist() == ["W_xf"]
    assert names["found"].residual == pytest.approx(0, abs=1e-15)


def test_shapes_and_cells_must_match() -> None:
    told, a = case("plain", 42)
    other: dict[str, Any] = {
        "other steps": case("plain", 42, steps=5)[1],
        "other cell": case("peephole", 42)[1],
        "one layer": case("plain", 42, layers=1)[1],
        "lengths": case("plain", 42, lengths=[4, 4])[1],
    }
    texts = {
        "other steps": "the numbers of steps differ: a has T = 4, b has T = 5",
        "other cell": "0/forward: the cells differ in z_i, z_f",
        "one layer": "the layers and directions differ: a has 0/forward, 0/reverse, 0/joined, 1/forward",
        "lengths": "0/forward: the cells differ in y_t",
    }
    for name, b in other.items():
        with pytest.raises(ShapeError, match=texts[name]):
            split(a, b, "0/forward/0/0/h_t[0]")
    wide = replace(a, parameters={**a.parameters, "0/forward": {**a.parameters["0/forward"], "W_xi": np.ones((4, 5))}})
    with pytest.raises(ShapeError, match=r"0/forward/W_xi has the shape \(4, 5\) in a and \(4, 3\) in b"):
        split(wide, a, "0/forward/0/0/h_t[0]")
    with pytest.raises(ShapeError, match="the baseline has no row 7 of the batch; it has B = 2"):
        split(a, a, "0/forward/0/0/h_t[0]", row=7)
    b = lt.run(**told)
    del b.lines["1/forward"]["z_f"]
    with pytest.raises(MissingError, match="1/forward/z_f was not recorded"):
        split(a, b, "1/joined/0/0/y_t[0]")


@pytest.mark.few(0)
def test_what_is_not_finite_after_the_value_is_left_out() -> None:
    """The value does not depend on it, but 0 times NaN is NaN."""
    x = np.random.default_rng(2).normal(size=(6, 2))
    weights = {
        f"W_{s}{g}": np.random.default_rng(3).normal(size=(3, 3 if s == "h" else 2)) for s in "xh" for g in "ifco"
    }
    other, later = x.copy(), x.copy()
    other[1, 0] = later[1, 0] = 2.0
    later[4, 1] = np.nan
    whole, cut = (lt.attribute(lt.run(weights, x), lt.run(weights, y), "3/h_t[1]") for y in (other, later))
    assert cut.split.total == pytest.approx(whole.split.total, abs=1e-15)
    assert cut.split.parts["x"].shape == (4, 1, 2)
    np.testing.assert_allclose(cut.split.parts["x"], whole.split.parts["x"][:4], atol=1e-15)
    assert "nan" not in cut.report("text").lower().split("0/forward")[0]
