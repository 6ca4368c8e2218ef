"""Datasets of xarray: each variable against the arrays, padding, labels, and stages that do not agree."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError

from ..support.table_cases import QUESTION_19, same, stacked
from .test_types import TOKENS, named

LENGTHS = [4, 2]


@pytest.fixture(autouse=True)
def xr() -> Any:
    return pytest.importorskip("xarray")


@pytest.mark.few(1)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_stage(dtype: str) -> None:
    trace = stacked(4, 2, 1, 3, ("reverse",), lengths=LENGTHS, dtype=dtype)
    found = trace.to_xarray(all_lines=True)
    assert list(found.data_vars) == list(trace)
    inside = np.array([[t < n for n in LENGTHS] for t in range(4)])
    for name, values in trace.items():
        assert found[name].dims == ("t", "batch", "unit")
        assert found[name].dtype == dtype
        assert same(found[name].to_numpy()[inside], values[inside])
        assert np.isnan(found[name].to_numpy()[~inside]).all()
        assert same(trace.to_xarray(padding=True, only=name)[name].to_numpy(), values)
    assert (found["valid"].to_numpy() == inside).all()
    assert found["c_t"].attrs == {"op": "add", "layer": 0, "direction": "reverse"}
    assert "W_xi @ x_t" not in trace.to_xarray()
    assert found["h_t"].sel(t=1, batch=1, unit=2) == trace["h_t"][1, 1, 2]


def test_layers_and_directions_are_dimensions() -> None:
    trace = stacked(5, 2, 3, 3)
    found = trace.to_xarray()
    assert found["c_t"].dims == ("layer", "direction", "t", "batch", "unit")
    for scope, lines in trace.lines.items():
        layer, direction = scope.split("/")
        for name in set(lines) & set(found.data_vars):
            here = found[name].sel({"layer": int(layer)} | ({"direction": direction} if direction != "joined" else {}))
            assert same(here.to_numpy(), lines[name])
    assert found["y_t"].dims == ("layer", "t", "batch", "unit_6")
    assert found["y_t"].attrs["direction"] == "joined"
    assert trace.to_xarray(layer=1)["c_t"].dims == ("direction", "t", "batch", "unit")
    assert trace.to_xarray(direction="reverse")["c_t"].dims == ("layer", "t", "batch", "unit")


@pytest.mark.parametrize("layers", [1, 2])
def test_padded_directions_have_the_output_where_they_meet(layers: int) -> None:
    """The y_t of each direction is what is joined: only all lines have it, or that direction when it is chosen."""
    trace = stacked(4, 2, layers, 3, lengths=LENGTHS)
    found = trace.to_xarray(padding=True)
    assert [name for name in found if "y_t" in str(name)] == ["y_t"]
    assert found["y_t"].attrs["direction"] == "joined"
    assert same(found["y_t"].to_numpy(), np.squeeze([trace.lines[f"{k}/joined"]["y_t"] for k in range(layers)]))
    assert "0/forward/y_t" in trace.to_xarray(all_lines=True)
    reverse = trace.to_xarray(padding=True, layer=0, direction="reverse")["y_t"]
    assert same(reverse.to_numpy(), trace.lines["0/reverse"]["y_t"])


def test_stages_that_do_not_agree_have_variables_of_their_own() -> None:
    draw = np.random.default_rng(3)
    weights = {}
    for layer, (units, inputs) in enumerate(((3, 2), (4, 3))):
        for gate in "ifco":
            weights[f"{layer}/forward/W_x{gate}"] = draw.normal(size=(units, inputs))
            weights[f"{layer}/forward/W_h{gate}"] = draw.normal(size=(units, units))
    trace = lt.run(weights, draw.normal(size=(3, 2, 2)))
    found = trace.to_xarray()
    assert found["0/forward/c_t"].dims == ("t", "batch", "unit")
    assert found["1/forward/c_t"].dims == ("t", "batch", "unit_4")
    for layer in (0, 1):
        assert same(found[f"{layer}/forward/c_t"].to_numpy(), trace.lines[f"{layer}/forward"]["c_t"])
    assert "layer" not in found.dims


def test_parts_keep_their_coordinates() -> None:
    found = stacked(6, 3, 1, 4, ("forward",)).to_xarray(steps=slice(2, 5), batch=1, unit=3, only=["f_t", "c_t"])
    assert {name: found[name].to_numpy().tolist() for name in ("t", "batch", "unit")} == {
        "t": [2, 3, 4], "batch": [1], "unit": [3]
    }  # fmt: skip
    assert list(found.data_vars) == ["f_t", "c_t"]
    assert stacked().to_xarray(line="c_t", t=2).equals(stacked().to_xarray(only=["c_t"], steps=2))
    with pytest.raises(MissingError, match="no line 'c_tt'"):
        stacked().to_xarray(only="c_tt")


def test_labels_and_what_the_trace_says_of_itself() -> None:
    trace = named(stacked(layers=1, directions=("forward",)))
    found = trace.to_xarray(steps=slice(1, 3))
    assert found["token"].dims == ("t", "batch")
    assert found["token"].to_numpy().tolist() == [[TOKENS[b][t] for b in (0, 1)] for t in (1, 2)]
    assert found["h_t"].where(found.token.isin(["sat"]), drop=True).sizes["t"] == 1
    assert found.attrs["title"] == "Model A"
    assert json.loads(found.attrs["lstm_trace"])["steps"] == 4
    shared = named(stacked(3, 2, 1, 2, ("forward",)), tokens=(("x", "y", "z"),)).to_xarray()
    assert (shared["token"].dims, shared["token"].to_numpy().tolist()) == (("t",), ["x", "y", "z"])
    assert "token" not in stacked().to_xarray().coords


def test_it_shares_no_memory_with_the_trace() -> None:
    trace = stacked(2, 1, 1, 3, ("forward",))
    before = trace["h_t"].copy()
    for padding in (False, True):
        trace.to_xarray(padding=padding)["h_t"][:] = 9.0
        assert same(trace["h_t"], before)


def test_gradients_have_their_own_directions() -> None:
    trace = lt.backward(stacked(3, 1, 2, 2), of="1/forward/2/0/h_t[0]")
    found = trace.to_xarray(all_lines=True)
    for scope, lines in trace.lines.items():
        layer, direction = scope.split("/")
        for name, values in lines.items():
            here = found[f"{scope}/{name}"] if f"{scope}/{name}" in found else found[name]
            for dim, at in (("layer", int(layer)), ("direction", direction)):
                if dim in here.dims:
                    here = here.sel({dim: at})
                else:
                    assert here.attrs[dim] == at
            assert same(here.to_numpy(), values)


def test_without_xarray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(OptionError, match=r"to_xarray needs the package xarray.* 'xarray>=[\d.]+', or use to_frame$"):
        lt.run(QUESTION_19).to_xarray()
