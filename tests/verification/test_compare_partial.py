"""Traces that lack lines: what is derived instead is what was computed, within its bound, and soon."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.trace.trace import Trace
from lstm_trace.verification import rederive
from lstm_trace.verification.rederive import Rederivation

from ..support.strategies import Case, cells
from .test_compare_blocks import less
from .test_verify import traced

LSTM = {f"W_{side}{g}": shape for g in "ifco" for side, shape in (("x", (3, 2)), ("h", (3, 3)))}


def weights(seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in LSTM.items()}


def inputs(steps: int) -> Any:
    return np.random.default_rng(2).normal(size=(steps, 1, 2))


def derives(whole: Trace, part: Trace, cut: int) -> None:
    """Each line of `whole` follows from `part`, of which the steps before `cut` are visited in a block of their own."""
    derivation = Rederivation(part, part, part.lines)
    for stage in part.stages:
        blocks = [block for block in (slice(0, cut), slice(cut, whole.steps)) if block.stop > block.start]
        for steps in reversed(blocks) if stage.backwards else blocks:
            with np.errstate(all="ignore"):  # as `compare` does: a random cell may divide by zero
                found = derivation.lines(stage, steps)
                assert found.keys() == set(stage.cell.by_name)
                for name, known in found.items():
                    expected = whole.lines[stage.scope][name][steps]
                    near = np.abs(known.value - expected) <= known.limit
                    assert (near | ~np.isfinite(known.limit) | ~np.isfinite(expected)).all(), name


@pytest.mark.few(0)
@settings(max_examples=60, deadline=None)
@given(cells(), st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_lines_that_were_not_recorded_follow_from_those_that_were(case: Case, seed: int, cut: int) -> None:
    whole = lt.run(case.weights, case.x, cell={"equations": case.text}, initial=case.initial)
    rng = np.random.default_rng(seed)
    kept = {scope: {n: a for n, a in here.items() if rng.random() < 0.3} for scope, here in whole.lines.items()}
    derives(whole, replace(whole, lines=kept), min(cut, whole.steps))


@pytest.mark.few(1)
@pytest.mark.parametrize("names", [("h_t",), ("c_t",), ("i_t", "o_t"), ()], ids=" ".join)
def test_in_both_directions_and_through_layers(names: tuple[str, ...]) -> None:
    whole = traced({})
    derives(whole, less(whole, *names), 2)


@pytest.mark.few(1)
@pytest.mark.parametrize(("names", "products"), [(("h_t",), 0), (("c_t",), 1), (("i_t",), 3)])
def test_one_step_after_the_other_are_only_lines_that_a_state_follows_from(
    names: tuple[str, ...], products: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """h from h through one gate where c is known, through three where only i is, and c from c through none."""
    trace, counted, steps = lt.run(weights(), inputs(50)), Counter[int](), 50
    derived = rederive.Derived

    def counting(line: Any, operands: Any, *more: Any) -> Any:
        found = derived(line, operands, *more)
        if line.op == "matvec":
            counted[len(found.value)] += 1
        return found

    monkeypatch.setattr(rederive, "Derived", counting)
    part = less(trace, *names)
    derives(trace, part, 0)
    assert counted == {length: count for length, count in ((1, products * steps), (steps, 8 - products)) if count}


def test_a_slope_without_end_is_no_matter_where_nothing_is_off() -> None:
    """The slope of sqrt at the initial 0 is infinite, and the 0 is exact."""
    cell = {"equations": "h_t = tanh(h_prev) + x_t\ny_t = sqrt(h_prev)\ncarry: h_prev <- h_t\noutput: y_t"}
    trace = less(lt.run({}, [[1.0], [2.0], [3.0]], cell=cell), "y_t")
    assert lt.diff(trace, trace).lines[0].bound < 1e-14


def test_a_product_of_premises_alone() -> None:
    cell = {"equations": "h_t = x_t + W @ b\noutput: h_t"}
    a, b = (lt.run({"W": np.eye(2), "b": [1.0, two]}, [[1.0, 2.0]], cell=cell) for two in (2.0, 3.0))
    found = lt.diff(a, b)
    assert str(found.first and found.first.first) == "0/forward/0/0/W @ b[1]"


@pytest.mark.few(0)
def test_the_bound_of_the_first_value_that_differs_is_its_own() -> None:
    """Bounds grow from step to step where h is derived; those of later steps say nothing of the first difference."""
    large = {name: 2 * values for name, values in weights().items()}
    a = less(lt.run(large, inputs(60)), "i_t")
    lines = {name: values.copy() for name, values in a.lines["0/forward"].items()}
    lines["i_t"][1, 0, 2] += 1e-12
    found = lt.diff(a, replace(a, lines={"0/forward": lines})).first
    assert found is not None
    assert str(found.first) == "0/forward/1/0/i_t[2]"
    assert found.first_bound is not None
    assert found.first_bound < 1e-12 < found.bound


# -- lines of which another program gave some values alone -------------------------------------------------------------


def both_ways() -> tuple[Any, Any, Any, Any]:
    """PyTorch's module, an input, and what it returns for it: every output, and the last states."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    module = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    x = torch.randn(6, 2, 3)
    y, (h, _) = module(x)
    return module, x, y.detach().numpy(), h.detach().numpy()


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path / "port.npz", **arrays)
    return path / "port.npz"


def test_outputs_and_last_states_of_a_right_port_are_the_same(tmp_path: Path) -> None:
    module, x, y, h = both_ways()
    found = lt.diff(lt.run(module, x), saved(tmp_path, output=y, h_n=h))
    assert found.verdict == "same", found


@pytest.mark.parametrize("network", ["lstm", "gru", "rnn"])
def test_so_are_those_of_numpy(network: str, tmp_path: Path) -> None:
    """Without PyTorch: our float64 run, rounded, as the port."""
    rng = np.random.default_rng(5)
    gates = {"lstm": "ifco", "gru": "ruh", "rnn": "h"}[network]
    shapes = {"W_x": (4, 3), "W_h": (4, 4)}
    w = {
        f"0/{direction}/{side}{gate}": rng.normal(size=shape)
        for direction in ("forward", "reverse") for side, shape in shapes.items() for gate in gates
    }  # fmt: skip
    x = rng.normal(size=(6, 1, 3))
    exact, trace = (lt.run(w, x, cell=network, dtype=dtype) for dtype in ("float64", "float32"))
    lines = exact.lines
    y, ends = (lines["0/joined"]["y_t"], [lines["0/forward"]["h_t"][-1], lines["0/reverse"]["h_t"][0]])
    given = {"output": y.astype(np.float32), "h_n": np.stack(ends).astype(np.float32)}
    assert lt.diff(trace, saved(tmp_path, **given)).verdict == "same"
    given["output"][2, 0, 5] += 1e-3
    found = lt.diff(trace, saved(tmp_path, **given))
    assert str(found.first and found.first.first) == "0/joined/2/0/y_t[5]"


def test_what_was_not_given_follows_from_what_was(tmp_path: Path) -> None:
    """c_t is wrong from step 2 on and h_t was given at one step: it inherits, and no operation after it is blamed."""
    rng = np.random.default_rng(3)
    w = {name: rng.normal(size=shape) for name, shape in LSTM.items()}
    trace = lt.run(w, inputs(5))
    own = {name: values.copy() for name, values in trace.lines["0/forward"].items()}
    own["c_t"][2] += 0.25
    for t in range(3, 5):
        own["c_t"][t] = own["f_t"][t] * own["c_t"][t - 1] + own["i_t"][t] * own["c_tilde"][t]
    h = own["o_t"] * np.tanh(own["c_t"])
    rows = [f"c_t,{t},{j},{float(own['c_t'][t, 0, j])!r}" for t in range(5) for j in range(3)]
    rows += [f"h_t,4,{j},{float(h[4, 0, j])!r}" for j in range(3)]
    path = tmp_path / "port.csv"
    path.write_text("\n".join(["line,t,unit,value", *rows]))
    found = lt.diff(trace, path)
    assert [line.line for line in found.lines if line.differing] == ["c_t", "h_t"]
    assert {line.line: line.differing for line in found.lines}["h_t"] == 3
