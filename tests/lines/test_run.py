"""Runs in the page: of the traces in the repository, and of random ones of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.trace.files.trace_file import to_json
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..support.page_modules import computed
from ..support.tiers import seeds, some
from .problems import KINDS, check, ran, random_trace

TRACES = sorted(path for path in (ROOT / "traces").glob("*/*.json") if path.name != "letters.json")
EXAMPLES = sorted((ROOT / "lstm_trace" / "examples").glob("*.yaml"))


def test_traces_of_the_repository_and_their_gradients() -> None:
    traces = [lt.load(path) for path in some(TRACES, 4)] + [lt.open_source(path) for path in some(EXAMPLES, 1)]
    traces += map(_backward, some(traces, 1))
    for trace, reply in zip(traces, ran(traces), strict=True):
        check(trace, reply, trace.header.title)


def _backward(trace: Trace) -> Trace:
    """With the adjoints of the sum of a line: the output, if it was computed."""
    stage = trace.stages[-1]
    lines = trace.lines[stage.scope]
    name = stage.cell.output if stage.cell.output in lines else [*lines][-1]
    return lt.backward(trace, seeds={f"{stage.scope}/{name}": np.ones_like(lines[name])})


def test_random_traces() -> None:
    # 127: a weight of one row and one column beside a matrix; 1178: a source that is not read, of a stage left out
    chosen = [*seeds(10 * len(KINDS), len(KINDS)), 127, 1178]
    traces = [random_trace(seed) for seed in chosen]
    for seed, trace, reply in zip(chosen, traces, ran(traces), strict=True):
        check(trace, reply, f"seed {seed}")


def _padded(**padding: Any) -> Trace:
    """Both directions over a batch with padding, in which the last output is repeated."""
    rng = np.random.default_rng(3)
    shapes = {f"W_x{g}": (3, 2) for g in "ifco"} | {f"W_h{g}": (3, 3) for g in "ifco"}
    both = {
        f"0/{way}/{name}": rng.normal(size=shape) for way in ("forward", "reverse") for name, shape in shapes.items()
    }
    h0, c0 = rng.normal(size=(2, 2, 2, 3))
    return lt.run(
        both, rng.normal(size=(6, 2, 2)), h0, c0, **(padding or {"lengths": [6, 3]}), options={"padding": "repeat"}
    )


def test_padding_between_steps() -> None:
    masked = _padded(mask=np.array([[1, 0], [0, 1], [1, 1], [0, 1], [1, 0], [1, 1]], bool))
    (reply,) = ran([masked])
    check(masked, reply, "mask")


def test_constants_and_weights_as_a_stage_reads_them() -> None:
    """Constants are rounded to float32; the gradient of a matrix that no vector multiplies has its rows and columns."""
    x = np.linspace(-2, 2, 12, dtype="float32").reshape(4, 3)
    clipped = lt.run({}, x, cell={"equations": "y_t = clip(x_t, -0.7, 0.1) + 0.3 * x_t\noutput: y_t"})
    text = "C_t = w * C_prev + outer(x_t, U @ x_t)\ny_t = sum(C_t)\ncarry: C_prev <- C_t\noutput: y_t"
    weights = {"w": [[0.5, 0.25], [1.0, -0.5], [0.1, 0.2]], "U": [[1.0, 2.0, 3.0], [0.5, 0.25, 0.0]]}
    matrix = lt.run(weights, x.astype("float64"), cell={"equations": text})
    traces = [clipped, lt.backward(matrix, of="3/y_t[0]")]
    for trace, reply in zip(traces, ran(traces), strict=True):
        check(trace, reply, trace.stages[0].cell.text)


def test_a_part_of_a_run_goes_on_from_its_states() -> None:
    part = _padded().at(steps=range(2, 5))
    (reply,) = ran([part])
    check(part, reply, "steps 2 to 4")


def test_states_that_are_not_given_are_zero() -> None:
    trace = _padded()
    zero = lt.run(lt.problem(trace) | {"h0": np.zeros((2, 2, 3)).tolist(), "c0": np.zeros((2, 2, 3)).tolist()})
    script = """
import { run } from "LINES/run.js";
import { read, written } from "LINES/trace.js";
export const answer = (text) => written(run({ ...read(text), initial: {} }));
"""
    found = lt.load(computed(script, to_json(trace)).encode())
    for scope, states in zero.initial.items():
        assert {*states} == {*found.initial[scope]}
        assert all((values == 0).all() for values in found.initial[scope].values())
    np.testing.assert_allclose(found["y_t"], zero["y_t"], 1e-12)


def test_some_stages_alone_are_run_on_the_lines_of_others() -> None:
    trace = _backward(_padded())
    script = """
import { run } from "LINES/run.js";
import { read, written } from "LINES/trace.js";
export const answer = (text) => {
  const trace = read(text), back = trace.stages.filter((stage) => stage.direction.startsWith("adjoint"));
  for (const stage of back) delete trace.lines[stage.scope];
  return [back.length, written(run(trace, back))];
};
"""
    count, text = computed(script, to_json(trace))
    found = lt.load(text.encode())
    assert count
    assert found.stages == trace.stages
    assert lt.verify(found).verdict == "verified"
    for scope, lines in trace.lines.items():
        limit = 1e-9 if "adjoint" in scope else 0
        for name, values in lines.items():
            np.testing.assert_allclose(found.lines[scope][name], values, limit, limit)


def test_names_that_every_object_of_javascript_has() -> None:
    text = "toString = constructor * x_t + __proto__\nvalueOf = hasOwnProperty @ toString\noutput: valueOf"
    weights = {"constructor": [2.0, 3.0], "__proto__": [0.5, 0.25], "hasOwnProperty": [[1.0, -1.0]]}
    trace = lt.run(weights, [[1.0, 2.0], [3.0, 4.0]], cell={"equations": text})
    (reply,) = ran([trace])
    check(trace, reply, "names")
