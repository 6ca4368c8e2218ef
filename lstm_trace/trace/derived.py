"""Quantities derived from a trace: the widths of its values, and sums of a stage over all steps and sequences.

The sums of an adjoint stage are the gradients of the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache, wraps
from typing import Any, NamedTuple, cast

import numpy as np

from ..base.arrays import Array
from ..base.resources import at_most
from ..base.rounding import of_sum
from ..cell.arithmetic import Arithmetic, find
from ..cell.lines import Cell, GatheredSum, Line
from ..cell.network import Stage
from ..cell.ops import OPS
from ..cell.shapes import infer
from ..errors import MissingError
from .argument_types import F
from .trace import Trace
from .window import arrays, rows

#: Size of an array from which numpy computes its products on several threads.
LARGE = 1 << 12


def total(parts: Iterable[Array | float]) -> float:
    """The sum of the sums of some arrays, rounded once; NaN if infinities cancel.

    >>> total([np.array([1e16]), 1.0, -1e16]), total([np.array([np.inf]), -np.inf])
    (1.0, nan)
    """
    with np.errstate(all="ignore"):
        sums = [float(np.sum(part)) for part in parts]
        try:
            return math.fsum(sums)
        except (ValueError, OverflowError):  # inf - inf, or larger than any float
            return float(np.sum(sums))


def recomputed(trace: Trace, line: Line, operands: Sequence[Any]) -> Array:
    """A line from its operands, in the arithmetic of the trace."""
    if trace.header.arithmetic is not None:
        arithmetic = find(trace.header.arithmetic)
        return arithmetic.compute(line, [arithmetic.read(operand) for operand in operands])
    with np.errstate(all="ignore"):
        return np.asarray(OPS[line.op].array(operands, line.constants), trace.header.dtype)


def sizes(trace: Trace) -> dict[str, dict[str, int]]:
    """The width of every line, state, input and vector parameter, by scope.

    Raises MissingError if a line needs a parameter or input that the trace does not contain.
    """
    found: dict[str, dict[str, int]] = {}
    there: dict[str, int] = {}  # by address
    for stage in trace.stages:
        shapes, known = given_sizes(trace, stage, there)
        if lacking := [name for name in stage.inputs if name not in known]:
            raise MissingError(f"the trace does not hold the input {lacking[0]} of {stage.scope}")
        if lacking := [name for name in stage.parameters if name not in shapes]:
            raise MissingError(f"the trace does not hold the parameters {', '.join(lacking)} of {stage.scope}")
        inferred = _inferred(stage.cell, stage.computed, tuple(shapes.items()), tuple(known.items()))
        matrices = stage.cell.matrices
        vectors = {name: math.prod(shape) for name, shape in shapes.items() if len(shape) == 1 or name in matrices}
        found[stage.scope] = {**vectors, **{name: width for name, (width, _) in known.items()}, **inferred}
        there |= {f"{stage.scope}/{name}": width for name, width in found[stage.scope].items()}
    return found


def given_sizes(
    trace: Trace, stage: Stage, found: Mapping[str, int]
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, str]]]:
    """The shapes of a stage's parameters, and the widths of its inputs and states, as far as the trace contains them.

    found: widths of the lines of earlier stages, by address, including lines that were not recorded.
    """
    edge, known = slice(-1, None) if stage.backwards else slice(0, 1), {}
    for name in (*stage.inputs, *stage.states):
        values = trace.operand(stage.scope, name, edge)
        width = found.get(stage.sources.get(name, "")) if values is None else values.shape[-1]
        if width is not None:
            known[name] = width, f"from {name}"
    here = trace.parameters.get(stage.owner, {})
    return {name: here[name].shape for name in stage.parameters if name in here}, known


@lru_cache(maxsize=64)  # for an adjoint this takes 5 ms, as long as a walk of a hundred steps
def _inferred(
    cell: Cell, computed: tuple[str, ...] | None, shapes: tuple[tuple[str, tuple[int, ...]], ...],
    known: tuple[tuple[str, tuple[int, str]], ...],
) -> Mapping[str, int]:  # fmt: skip
    return infer(cell, cell.by_name if computed is None else computed, dict(shapes), dict(known))


def one_row(trace: Trace, b: int) -> Trace:
    """The trace of sequence `b` of the batch alone; arrays are views."""
    return rows(trace, slice(b, b + 1))


def one_thread(*traces: Trace) -> AbstractContextManager[None]:
    """Limit numpy's products to one thread while a walk multiplies blocks of traces that numpy would split."""
    held = (array for trace in traces for *_, array in arrays(trace, "parameters", "lines"))
    return at_most(1) if any(array.size >= LARGE for array in held) else nullcontext()


def on_one_thread(walk: F) -> F:
    """Run a walk over the traces among its first arguments under `one_thread`."""

    @wraps(walk)
    def told(*arguments: Any, **named: Any) -> Any:
        with one_thread(*(a for a in (*arguments, *named.values()) if isinstance(a, Trace))):
            return walk(*arguments, **named)

    return cast(F, told)


#: Maps the name of a value to its values at some steps, (steps, B, width).
Values = Callable[[str], Array]
#: Maximum size of the values of one step times the steps that are summed at once: some tens of megabytes.
BLOCK = 1 << 20
#: Name of the operation of a sum over all steps.
GATHERED = "gathered"


class Gathered(NamedTuple):
    """A sum, and the largest deviation of another correct computation of it from the same values."""

    value: Array
    limit: Array


def derived_sums(trace: Trace, scope: str, sums: Sequence[GatheredSum]) -> dict[str, Gathered]:
    """Sums of a stage, computed from the recorded values; all their operands are recorded (see `held_throughout`).

    The bound is that of a sum of this many products or terms (`base.rounding`); in another arithmetic the order of
    summation is fixed, and the bound is 0.
    """
    if not sums:
        return {}

    def at(steps: slice) -> Values:
        return lambda name: cast(Array, term(trace, scope, name, steps))

    with np.errstate(all="ignore"):
        if trace.header.arithmetic is not None:
            exact = shaped(trace, scope, gather_in(find(trace.header.arithmetic), sums, at(slice(None))))
            return {name: Gathered(value, np.zeros(value.shape)) for name, value in exact.items()}
        each = sum(at(slice(0, 1))(name).size for name in {n for one in sums for n in one.reads})
        count = max(BLOCK // max(each, 1), 1)
        found: dict[str, Array] = {}
        mass: dict[str, Array] = {}
        for begin in range(0, trace.steps, count):
            values = at(slice(begin, min(begin + count, trace.steps)))
            add(found, gather(sums, values))
            add(mass, gather(sums, lambda name: np.abs(values(name)).astype(np.float64)))  # noqa: B023 - called here
        rounded = {s.name: trace.steps * trace.batch * len(s.terms) - all(len(t) == 1 for t in s.terms) for s in sums}
        limits = {name: of_sum(size, rounded[name], trace.header.dtype) for name, size in mass.items()}
        found, limits = (shaped(trace, scope, part) for part in (found, limits))
        return {name: Gathered(value, limits[name]) for name, value in found.items()}


def shaped(trace: Trace, scope: str, sums: Mapping[str, Array]) -> dict[str, Array]:
    """Sums of a stage, each in the shape of the parameter that it is the gradient of."""
    stage = trace.stage(scope)
    weights, names = trace.parameters.get(stage.owner, {}), dict(stage.cell.gradient)
    like = {name: weights[names[name]] for name in sums if names.get(name) in weights}
    return {name: values.reshape(like[name].shape) if name in like else values for name, values in sums.items()}


def with_sums(trace: Trace) -> Trace:
    """The trace with the sums of its stages over all steps, if all their operands were recorded."""
    sums = {
        stage.scope: {name: one.value for name, one in derived_sums(trace, stage.scope, stage.cell.sums).items()}
        for stage in trace.stages
        if stage.cell.sums and all(held_throughout(trace, stage.scope, n) for s in stage.cell.sums for n in s.reads)
    }
    return replace(trace, sums=sums) if sums or trace.sums else trace


def add(total: dict[str, Array], part: Mapping[str, Array]) -> None:
    """Add sums over some steps to sums over other steps."""
    for name, value in part.items():
        total[name] = total[name] + value if name in total else value


def term(trace: Trace, scope: str, name: str, steps: slice) -> Array | None:
    """The values that a sum of a stage reads as `name`, (steps, B, width); a bias is the same at each step."""
    found = trace.operand(scope, name, steps)
    if found is None or found.ndim == 3:
        return found
    return np.broadcast_to(found, (len(range(trace.steps)[steps]), trace.batch, found.shape[-1]))


def held_throughout(trace: Trace, scope: str, name: str) -> bool:
    """Whether `name` was recorded at every step; for a state, its initial value and the line that it carries."""
    ends = slice(0, 1), slice(trace.steps - 1, trace.steps)
    return all(trace.operand(scope, name, end) is not None for end in ends)


def gather(sums: Iterable[GatheredSum], values: Values) -> dict[str, Array]:
    """Each sum over some steps: (width,), or (width of a, width of b) for outer products."""
    found: dict[str, Array] = {}
    for name, left, *right in ((one.name, *term) for one in sums for term in one.terms):
        columns = _flat(values(left))
        add(found, {name: columns.T @ _flat(values(right[0])) if right else columns.sum(axis=0)})
    return found


def gather_in(arithmetic: Arithmetic, sums: Iterable[GatheredSum], values: Values) -> dict[str, Array]:
    """The same in another arithmetic: one product per column of the right side, terms added in order."""
    found: dict[str, Array] = {}
    for gathered in sums:
        terms = []
        for left, *right in gathered.terms:
            matrix = arithmetic.read(_flat(values(left)).T)
            columns = _flat(values(right[0])).T if right else np.ones((1, matrix.shape[1]))
            line = Line("", "matvec", ("W", "x"))
            made = [arithmetic.compute(line, [matrix, arithmetic.read(column)]) for column in columns]
            terms.append(np.stack(made, axis=-1) if right else made[0])
        total = Line("", "add", ("a",) * len(terms), (1.0,) * len(terms))
        whole = arithmetic.compute(total, list(map(arithmetic.read, terms))) if terms[1:] else terms[0]
        found[gathered.name] = whole
    return found


def _flat(values: Array) -> Array:
    """Steps and sequences merged into one axis."""
    return values.reshape(-1, values.shape[-1])
