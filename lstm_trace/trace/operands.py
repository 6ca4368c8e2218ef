"""What a walk over a trace needs to know: the widths of its values, single rows, sums that are rounded once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

import numpy as np

from ..base.arrays import Array
from ..base.resources import at_most
from ..cell.lines import Cell
from ..cell.network import scope_and_name
from ..cell.shapes import infer
from ..errors import MissingError
from .trace import Trace
from .window import rows

F = TypeVar("F", bound=Callable[..., Any])
#: Numbers in an array from which numpy computes products with it on several threads.
LARGE = 1 << 12


def total(parts: Iterable[Array | float]) -> float:
    """The sum of some arrays' sums, rounded once; NaN where infinities cancel.

    >>> total([np.array([1e16]), 1.0, -1e16]), total([np.array([np.inf]), -np.inf])
    (1.0, nan)
    """
    with np.errstate(all="ignore"):
        sums = [float(np.sum(part)) for part in parts]
        try:
            return math.fsum(sums)
        except (ValueError, OverflowError):  # inf - inf, or larger than any float
            return float(np.sum(sums))


def sizes(trace: Trace) -> dict[str, dict[str, int]]:
    """The width of every line, state, input and vector parameter, by scope.

    Raises MissingError for a parameter or input that a line needs and the trace does not hold.
    """
    found: dict[str, dict[str, int]] = {}
    for stage in trace.stages:
        known: dict[str, tuple[int, str]] = {}
        first = trace.initial.get(stage.scope, {})
        for name in stage.inputs:
            source = stage.sources[name]
            if "/" in source:
                scope, line = scope_and_name(source)
                known[name] = found[scope][line], f"from {source}"
            elif (values := trace.operand(stage.scope, name, slice(0, 1))) is not None:
                known[name] = values.shape[-1], f"from {name}"
            else:
                raise MissingError(f"the trace does not hold the input {name} of {stage.scope}")
        known.update({state: (first[state].shape[-1], f"from {state}") for state in stage.states if state in first})
        here = trace.parameters.get(stage.owner, {})
        lacking = [name for name in stage.parameters if name not in here]
        if lacking:
            raise MissingError(f"the trace does not hold the parameters {', '.join(lacking)} of {stage.scope}")
        shapes = {name: here[name].shape for name in stage.parameters}
        inferred = _inferred(stage.cell, stage.computed, tuple(shapes.items()), tuple(known.items()))
        vectors = {name: shape[0] for name, shape in shapes.items() if len(shape) == 1}
        found[stage.scope] = {**vectors, **{name: width for name, (width, _) in known.items()}, **inferred}
    return found


@lru_cache(maxsize=64)  # of an adjoint it takes 5 ms, as long as a walk of a hundred steps
def _inferred(
    cell: Cell,
    computed: tuple[str, ...] | None,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    known: tuple[tuple[str, tuple[int, str]], ...],
) -> Mapping[str, int]:
    return infer(cell, cell.by_name if computed is None else computed, dict(shapes), dict(known)).widths


def one_row(trace: Trace, b: int) -> Trace:
    """The trace of row `b` of the batch alone; arrays are views."""
    return rows(trace, slice(b, b + 1))


def one_thread(*traces: Trace) -> AbstractContextManager[None]:
    """While a walk multiplies blocks of traces: numpy's products on one thread, where they might have several."""
    parts = (here for trace in traces for part in (trace.parameters, trace.lines) for here in part.values())
    large = any(array.size >= LARGE for here in parts for array in here.values())
    return at_most(1) if large else nullcontext()


def on_one_thread(walk: F) -> F:
    """A walk over the traces among its first arguments, with `one_thread`."""

    @wraps(walk)
    def told(*arguments: Any, **named: Any) -> Any:
        with one_thread(*(a for a in (*arguments, *named.values()) if isinstance(a, Trace))):
            return walk(*arguments, **named)

    return cast(F, told)
