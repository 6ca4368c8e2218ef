"""Assertions for tests of other programs: the same numbers, or an AssertionError that says where they begin to differ.

Needs no test framework; in pytest the traceback ends at the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .api import diff, run
from .cell.network import forward_stages
from .engine.inputs import numbers
from .languages.strings import words
from .model.given_values import given_values
from .trace.argument_types import checked
from .weights.live_modules import as_array

#: Maximum number of lines of a comparison in a message.
LINES = 12
#: What a comparison notes of parts that only one side has, and that therefore were not compared.
LACKING = frozenset(
    f"diff.{one}" for one in ("common", "first.steps", "first.rows", "only", "only.several", "width", "shape")
)


@checked
def assert_same(
    a: Any, b: Any, *, rtol: float | None = None, atol: float | None = None, ulps: float | None = None
) -> None:
    """Assert that b has the same values as a, as `lt.diff` compares them, and that neither has more than the other.

    Args:
        a: the reference, as for `lt.diff`.
        b: what is compared with it.
        rtol: relative tolerance.
        atol: absolute tolerance.
        ulps: tolerance in units in the last place. If no tolerance is given, the rounding bound decides.

    Raises:
        AssertionError: with the beginning of the comparison: what was changed, and where it shows first; also if the
            rounding bound decides nothing, or if one of them lacks lines, steps, sequences or units of the other.

    >>> import lstm_trace as lt
    >>> weights = {"W_x": [[0.5]], "b": [0.0]}
    >>> a, b = (lt.run(weights, [[x]], cell={"equations": "h_t = tanh(W_x @ x_t + b)"}) for x in (1.0, 2.0))
    >>> assert_same(a, a)
    >>> assert_same(a, b)
    Traceback (most recent call last):
    ...
    AssertionError: ...
    """
    __tracebackhide__ = True
    found = diff(a, b, rtol=rtol, atol=atol, ulps=ulps)
    _check(found)
    if lacking := [remark.said(words()) for remark in found.remarks if remark.key in LACKING]:
        raise AssertionError("\n".join(lacking))


def _check(found: Any) -> None:
    __tracebackhide__ = True
    if found.verdict != "same":
        raise AssertionError("\n".join(str(found).partition("\n\n")[2].splitlines()[:LINES]))


@checked
def assert_matches(
    values: Any, model: Any, x: Any = None, *, rtol: float | None = None, atol: float | None = None,
    ulps: float | None = None, **arguments: Any,
) -> None:  # fmt: skip
    """Assert that another program's values are those of a model.

    Args:
        values: the output of the other program, or its values by line, `{"c_t": …, "1/reverse/h_t": …}`; all in the
            layout of x: (T, width) for x (T, I), (B, T, width) with `batch_first`; of a matrix, rows and
            columns may stand for the width. If one is in float32, all are compared with the precision of float32,
            whatever that of the model.
        model: a prepared model, or anything that `lt.run` takes.
        x: the input.
        rtol: relative tolerance.
        atol: absolute tolerance.
        ulps: tolerance in units in the last place. If no tolerance is given, the rounding bound decides.
        arguments: further ones of `lt.run`: h0, lengths, batch_first, ….

    Raises:
        AssertionError: with the beginning of the comparison, or the shape that was expected.
        LstmTraceError: if the model cannot be run, does not have a line, or the values are not numbers.

    >>> import numpy as np
    >>> import lstm_trace as lt
    >>> weights = {"W_x": [[0.5]], "b": [0.0]}
    >>> model = lt.prepare(weights, cell={"equations": "h_t = tanh(W_x @ x_t + b)"})
    >>> assert_matches(np.tanh([[0.5], [1.0]]), model, [[1.0], [2.0]])
    """
    __tracebackhide__ = True
    trace = run(model, x, **arguments)
    last = forward_stages(trace.stages)[-1]
    named = values if isinstance(values, Mapping) else {f"{last.scope}/{last.cell.output}": values}
    named = {name: numbers(as_array(array), name) for name, array in named.items()}
    for name, array in named.items():
        place = trace.locate(name, every=True)
        shape = trace.outward(trace.at(place.layer, place.direction)[place.line]).shape  # type: ignore[arg-type]
        if array.shape not in (shape, (*shape[:-1], *(trace.grid(place.scope, place.line) or shape[-1:]))):
            raise AssertionError(f"{name}: expected the shape {shape}, as the layout of x; found {array.shape}")
    found = given_values(named, trace)  # as exact as the dtype of the other program
    ours = replace(trace, header=replace(trace.header, dtype=found.dtype))
    _check(diff(ours, found.as_trace(ours)[0], rtol=rtol, atol=atol, ulps=ulps))
