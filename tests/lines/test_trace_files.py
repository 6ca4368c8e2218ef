"""Trace files in the page: what is refused, with which message, and how numbers are written."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError
from lstm_trace.trace.files.trace_file import to_json

from ..fuzz.damage import changed
from ..support.page_modules import computed
from ..support.tiers import seeds
from .problems import random_trace

READ = """
import { run } from "LINES/run.js";
import { read } from "LINES/trace.js";
export const answer = (texts) => texts.map((text) => {
  try {
    const trace = read(text);
    run(trace);
    return null;
  } catch (error) {
    const ours = ["FileError", "CellError", "ShapeError"].includes(error.name);
    return ours ? [error.name, error.message] : [error.stack, ""];
  }
});
"""


def data() -> dict[str, Any]:
    """A trace of two inputs and three units over two steps, as JSON."""
    rng = np.random.default_rng(8)
    weights = {f"W_x{g}": rng.normal(size=(3, 2)) for g in "ifco"} | {
        f"W_h{g}": rng.normal(size=(3, 3)) for g in "ifco"
    }
    found: dict[str, Any] = json.loads(to_json(lt.run(weights, rng.normal(size=(2, 2)))))
    return found


def put(whole: Any, path: str, value: Any) -> Any:
    """The same with another value at a path; a key that is not there is added."""
    at = whole
    *keys, last = (int(key) if key.isdigit() else key for key in path.split(" "))
    for key in keys:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return whole


W = "parameters 0/forward W_xi"
REFUSED: list[tuple[str, Any, str]] = [
    ("format", "lstm-trace/2", 'its format is "lstm-trace/2", expected "lstm-trace/1"; is it from a newer version'),
    ("format", None, "its format is not given.*a problem is opened with the lstm-trace program"),
    ("steps", 0, "steps: expected a whole number from 1, found 0"),
    ("steps", 10**9, "1000000000 steps of 1 sequences: open it with the lstm-trace program"),
    ("dtype", "int8", "dtype: expected float64, float32 or float16, found int8"),
    ("stages", [], "stages: expected a list"),
    ("stages 0 direction", "up", "there is no layer and direction 0/up"),
    ("stages 0 equations", "h_t = = x_t", "equation 1"),
    ("stages 0 sources x_t", "1/forward/h_t", "the source of x_t is 1/forward/h_t, which no earlier stage has"),
    ("stages 0 computed", ["h_t"], r"computed leaves out \S+.*, which h_t reads"),
    ("stages 0 computed", ["q_t"], "computed names q_t, a line that the equations do not have"),
    (f"{W} 0", [1.0], r"parameters 0/forward/W_xi has shape|is ragged"),
    (f"{W} 1", [1.0], "parameters 0/forward/W_xi is ragged: expected 2 entries at each place of axis 1"),
    (f"{W} 1 1", "two", 'parameters 0/forward/W_xi: expected a number, found "two"'),
    (f"{W} 1 1", True, "expected a number, found true"),
    (W, [[[1.0]]], r"has shape \(1, 1, 1\); expected \(width, columns\)"),
    (W, [[1.0, 2.0, 3.0]] * 3, r"W_xi has shape \(3, 3\); line `W_xi @ x_t` needs \(3, 2\), since x_t has width 2"),
    (W, [1.0, 2.0, 3.0], r"W_xi has shape \(3,\); line `W_xi @ x_t` needs a matrix \(rows, columns\)"),
    (W, [[1.0, 2.0]] * 4, r"line `z_i`: the widths of its operands do not fit \(W_xi @ x_t: 4, W_hi @ h_prev: 3\)"),
    (W, None, "the trace does not hold the parameters W_xi of 0/forward"),
    ("inputs x", [[[1.0, 2.0, 3.0]]] * 2, "0/forward: x_t has width 3; line `W_xi @ x_t` needs 2"),
    ("inputs x", [[[1.0, 2.0]]] * 3, r"inputs.x has shape \(3, 1, 2\); expected \(2, 1, width\)"),
    ("inputs x", None, "the trace does not hold the input x_t of 0/forward"),
    ("inputs c0 0/forward", [[1.0, 2.0]], "widths of its operands do not fit|carried as c_prev, which has width 2"),
    ("inputs lengths", [1, 2, 3], r"inputs.lengths has shape \(3\); expected \(1\)"),
    ("parameters", [1], "parameters: expected a mapping, as in {name: value}"),
]  # fmt: skip


def test_what_is_no_trace_is_refused_with_a_message() -> None:
    texts = [json.dumps(put(data(), path, value)) for path, value, _ in REFUSED]
    for (path, value, said), found in zip(REFUSED, computed(READ, texts), strict=True):
        name, message = found or ("", "")
        assert message, (path, value, name)
        with pytest.raises(AssertionError, match=said):
            raise AssertionError(message)


def test_what_is_no_json_is_refused() -> None:
    whole = json.dumps(data())
    texts = [whole[:-5], "", "[1, 2]", "null", '"text"', "title: a problem", "\ufeff" + whole]
    *messages, last = computed(READ, texts)
    assert all(name == "FileError" for name, _ in messages)
    assert last is None
    assert "not complete JSON" in messages[0][1]
    assert "not a trace" in messages[3][1]


def test_a_large_trace_is_for_the_program() -> None:
    ((name, message),) = computed(READ, [json.dumps(put(data(), "inputs x", [[[0] * 500_001]] * 2))])
    assert (name, message) == (
        "FileError",
        "the trace has more than 1000000 numbers: open it with the lstm-trace program",
    )


def test_a_small_file_may_not_compute_without_bound() -> None:
    whole = data()
    whole["stages"][0] |= {"equations": "a_t = outer(x_t, x_t)\ny_t = sum(a_t)\noutput: y_t\n", "computed": None}
    whole |= {"cell": {"kind": "equations"}, "parameters": {}, "lines": {}, "inputs": {"x": [[[0] * 4000]] * 2}}
    ((name, message),) = computed(READ, [json.dumps(whole)])
    assert name == "ShapeError"
    assert message == "the run has 32000002 numbers; here are at most 10000000: run it with the lstm-trace program"


def test_arrays_of_other_shapes_are_refused_where_python_refuses_them() -> None:
    texts, described = [], []
    for seed in seeds(500, 6):
        rng = random.Random(seed)  # noqa: S311 - it has to be the same each time
        whole = json.loads(to_json(random_trace(seed % 120))) | {"lines": {}, "sums": {}}
        inputs = whole["inputs"]
        holders = [
            *whole["parameters"].values(),
            *inputs.get("given", {}).values(),
            *inputs.get("initial", {}).values(),
        ]
        holders += [inputs.get("h0", {}), inputs.get("c0", {})]
        places = [(holder, name) for holder in holders for name in holder] + [(inputs, "x")] * ("x" in inputs)
        holder, name = rng.choice(places)
        array = np.array(holder[name], float)
        axis = rng.randrange(array.ndim) if array.ndim == 2 else array.ndim - 1
        size = array.shape[axis]
        other = rng.choice([n for n in (1, 2, 3, 4, size + 1, size - 1, 2 * size) if n not in (0, size)])
        holder[name] = np.take(array, np.arange(other) % size, axis).tolist()
        texts.append(json.dumps(whole))
        described.append((seed, name, array.shape, axis, other))
    for text, found, case in zip(texts, computed(READ, texts), described, strict=True):
        read = False
        with suppress(FileError):
            lt.load(text.encode())
            read = True
        assert (found is None) == read, (case, found)
        assert found is None or found[1], (case, found)


def test_numbers_are_written_as_python_writes_them() -> None:
    rng = np.random.default_rng(4)
    values = [*(rng.normal(size=400) * 10.0 ** rng.integers(-25, 25, 400)).tolist()]
    values += [
        0.0,
        -0.0,
        1.0,
        -3.0,
        1e16,
        9999999999999998.0,
        1e-4,
        1e-5,
        12345678.9,
        5e-324,
        1.7e308,
        0.1,
        100.0,
        1e22,
    ]
    script = """
import { float_text } from "LINES/trace.js";
export const answer = (all) => all.map((one) => float_text(Number(one)));
"""
    assert computed(script, [*map(repr, values)]) == [*map(repr, values)]
    assert computed(script, ["NaN", "Infinity", "-Infinity"]) == ['"NaN"', '"Infinity"', '"-Infinity"']


def test_a_damaged_file_is_read_or_refused() -> None:
    texts = []
    for seed in seeds(400, 6):
        rng = random.Random(seed)  # noqa: S311 - it has to be the same each time
        texts.append(json.dumps(changed(rng, json.loads(to_json(random_trace(seed % 12))))))
    for text, found in zip(texts, computed(READ, texts), strict=True):
        assert found is None or found[1], f"{found[0]}\n{text[:2000]}"
