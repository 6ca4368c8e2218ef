"""A run in chunks: the states that continue one, and the chunks joined into one trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np

from ..base.arrays import Array
from ..cell.network import Stage
from ..errors import OptionError, raise_all
from .address import address_of, columns_of, index_text
from .argument_types import checked
from .labels import step_labels
from .trace import Trace
from .window import arrays, joined, last_value


def last_states(trace: Trace) -> dict[str, list[Array]]:
    """The last value of each state that the trace carries: (B, width) for each layer and direction, in order.

    Raises OptionError for a direction that runs backwards in time, MissingError if a carried line was not recorded.
    """
    found: dict[str, list[Array]] = {}
    for stage, state in _states(trace):
        if stage.backwards:
            said = "ends at its first step, and cannot be continued forward in time; run the whole input"
            raise OptionError(f"the direction {stage.scope} {said}")
        found.setdefault(state, []).append(last_value(trace, stage, state))
    return found


@checked
def concat(traces: Iterable[Trace]) -> Trace:
    """Join chunks of one sequence, or of one batch of sequences, into the trace of the whole.

    Each chunk continues the one before: it was run with `state_from`, or both are windows of one trace (`trace.at`).
    Labels and padding are joined too; gradients are not, since those of chunks are not those of the whole.

    Args:
        traces: the chunks in order of time, with the same cell, weights and recorded lines.

    Returns:
        A new trace over all their steps. Its header is that of the first chunk.

    Raises:
        OptionError: if a chunk has other weights, lines or sequences than the first, or has gradients; if a chunk does
            not start from the states with which its neighbour ends, exactly: the first such place is named.
        MissingError: if a carried line was not recorded.
    """
    traces = tuple(traces) if isinstance(traces, Iterable) and not isinstance(traces, Trace) else traces
    if not isinstance(traces, tuple) or not traces or not all(isinstance(part, Trace) for part in traces):
        raise OptionError("concat joins the traces of a list, at least one: lt.concat([a, b])")
    first: Trace = traces[0]
    last: Trace = traces[-1]
    if any(stage.is_adjoint for part in traces for stage in part.stages):
        raise OptionError("gradients of chunks are not those of the whole: join the chunks, then call lt.backward")
    raise_all(OptionError, (said for n, part in enumerate(traces[1:], 2) for said in _unlike(first, part, n)))
    raise_all(OptionError, (said for n, (a, b) in enumerate(pairwise(traces), 1) for said in _apart(a, b, n)))
    initial = {s.scope: (last if s.backwards else first).initial.get(s.scope, {}) for s in first.stages}
    valid = np.concatenate([part.valid[:, :, 0] != 0 for part in traces])
    lengths = first.first + valid.sum(axis=0)
    at_end = bool((valid == (np.arange(len(valid))[:, None] + first.first < lengths)).all())
    labels = first.header.step_labels
    if any(part.header.step_labels for part in traces):
        labels = tuple(tuple(chain(*(step_labels(t, b) or [""] * t.steps for t in traces))) for b in range(first.batch))
        labels = tuple(("",) * first.first + row for row in labels)
    return replace(
        first,
        header=replace(first.header, step_labels=labels, agreement=()),
        steps=len(valid),
        x=None if first.x is None else np.concatenate([part.x for part in traces if part.x is not None]),
        lengths=lengths if first.padded and at_end else None,
        mask=valid if first.padded and not at_end else None,
        initial={scope: here for scope, here in initial.items() if here},
        given=joined(traces, "given"),
        lines=joined(traces, "lines"),
        sums={},
        memory=None,
    )


def _states(trace: Trace) -> Iterator[tuple[Stage, str]]:
    """Each state that a stage reads, and so carries."""
    for stage in trace.stages:
        yield from ((stage, state) for state in stage.cell.states if state in trace.initial.get(stage.scope, {}))


def _unlike(first: Trace, part: Trace, n: int) -> Iterator[str]:
    """What makes a chunk unlike the first."""
    for what in ("dtype", "arithmetic", "batched", "batch_first"):
        one, other = getattr(first.header, what), getattr(part.header, what)
        if one != other:
            yield f"{what} is {one} in chunk 1 and {other} in chunk {n}"
            return
    if first.batch != part.batch:
        yield f"chunk 1 has {first.batch} sequences and chunk {n} has {part.batch}"
    elif first.stages != part.stages:
        said = "run them alike, with lengths in both or in neither"
        yield f"chunks 1 and {n} differ in equations, layers or padding: {said}"
    elif (known := _named(first)) != (there := _named(part)):
        lacks = sorted(known.symmetric_difference(there))
        yield f"only one of chunks 1 and {n} has {', '.join(lacks[:5])}: record the same lines in each"
    else:
        for kind, scope, name, array in arrays(first, "parameters", "given", "lines"):
            other = getattr(part, kind)[scope][name]
            one, two = (each.shape if kind == "parameters" else each.shape[2:] for each in (array, other))
            if one != two:
                yield f"{scope}/{name} has the shape {one} in chunk 1 and {two} in chunk {n}"
                return
            if kind != "parameters":
                continue
            for at in map(tuple, _differ(array, other)[:1].tolist()):
                place = f"{scope}/{name}[{','.join(map(str, at))}]"
                yield f"{place} is {array[at]!s} in chunk 1 and {other[at]!s} in chunk {n}"
                return


def _named(trace: Trace) -> set[str]:
    """The lines, supplied lines and parameters of a trace, and its input."""
    every = {f"{scope}/{name}" for _, scope, name, _ in arrays(trace, "lines", "given", "parameters")}
    return every | ({"x"} if trace.x is not None else set())


def _differ(a: Array, b: Array) -> Array:
    """The places at which two arrays differ; NaN is equal to NaN."""
    return np.argwhere(~((a == b) | (np.isnan(a) & np.isnan(b))))


def _apart(a: Trace, b: Trace, n: int) -> Iterator[str]:
    """Where chunk `n`, `a`, and the next one, `b`, do not join: the first such state."""
    if b.first not in (0, a.span.stop):
        yield f"chunk {n + 1} begins at step {b.first}, and chunk {n} ends at step {a.span[-1]}"
        return
    for stage, state in _states(a):
        earlier, later = (b, a) if stage.backwards else (a, b)
        end, start = last_value(earlier, stage, state), later.initial[stage.scope][state]
        for row, j in _differ(end, start)[:1].tolist():
            index = index_text((j,), columns_of(a, stage.scope, state))
            last = address_of(earlier, stage, stage.cell.states[state], 0 if stage.backwards else -1, row, j)
            yield (
                f"chunks {n} and {n + 1} do not join: {state}{index} of {stage.scope}, sequence {row}, "
                f"starts at {start[row, j]!s}, and {last} is {end[row, j]!s}; run chunk {n + 1} with "
                f"state_from=chunk {n}"
            )
            return
