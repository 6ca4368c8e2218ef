"""Traces for the tests of tables, and the rows that they must give, by loops that share no code with the package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.trace.trace import Trace

QUESTION_19 = {
    "title": "Question 19",
    "weights": {"W_xi": [[-1.0, 0.0, 0.2], [-1.0, 0.0, -0.2]], "W_hi": [[0.0, 1.0], [0.0, -1.0]]},
    "x": [1.0, 2.0, 3.0],
    "h0": [0.0, 0.0],
    "ask": ["i_t"],
}


def stacked(
    steps: int = 4,
    batch: int = 2,
    layers: int = 2,
    width: int = 3,
    directions: tuple[str, ...] = ("forward", "reverse"),
    **arguments: Any,
) -> Trace:
    """A random LSTM with biases."""
    draw = np.random.default_rng(7)
    weights: dict[str, Any] = {}
    for layer in range(layers):
        for direction in directions:
            inputs = 5 if layer == 0 else width * len(directions)
            for gate in "ifco":
                here = f"{layer}/{direction}"
                weights[f"{here}/W_x{gate}"] = draw.normal(size=(width, inputs))
                weights[f"{here}/W_h{gate}"] = draw.normal(size=(width, width)) / width
                weights[f"{here}/b_{gate}"] = draw.normal(size=width)
    return lt.run(weights, draw.normal(size=(steps, batch, 5)), **arguments)


def expected(trace: Trace, padding: bool = False) -> Iterator[tuple[int, str, int, int, str, str, int, float]]:
    """Every row of the long shape, lines only; those beyond a row's length only with `padding`."""
    lengths = [trace.first + trace.steps] * trace.batch if trace.lengths is None else trace.lengths.tolist()
    for stage in trace.stages:
        arrays = trace.lines[f"{stage.layer}/{stage.direction}"]
        visited = list(range(trace.steps))
        if stage.direction == "reverse":
            visited.reverse()
        for t in visited:
            for b in range(trace.batch):
                if trace.first + t >= lengths[b] and not padding:
                    continue
                for line in stage.cell.lines:
                    if line.name in arrays:
                        for j in range(arrays[line.name].shape[2]):
                            value = arrays[line.name][t, b, j]
                            yield stage.layer, stage.direction, trace.first + t, b, line.name, line.op, j, value


def filled(trace: Trace, values: Any) -> Trace:
    """The same trace with other values in its lines, taken one after the other from `values`, again and again."""
    at = 0
    lines: dict[str, dict[str, Any]] = {}
    flat = np.asarray(values).ravel()
    for scope, arrays in trace.lines.items():
        for name, array in arrays.items():
            lines.setdefault(scope, {})[name] = np.take(flat, np.arange(at, at + array.size), mode="wrap").reshape(
                array.shape
            )
            at += array.size
    return replace(trace, header=replace(trace.header, dtype=flat.dtype.name), lines=lines)


def same(one: Any, other: Any) -> bool:
    """Whether two arrays have the same bits, any NaN counting as NaN."""
    a, b = np.asarray(one), np.asarray(other)
    assert a.dtype == b.dtype
    numbers = ~np.isnan(a)
    whole = f"u{a.dtype.itemsize}"
    return bool((np.isnan(a) == np.isnan(b)).all() and (a.view(whole) == b.view(whole))[numbers].all())
