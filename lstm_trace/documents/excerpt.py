"""What fits: the rows shown of a long table, problems of hand size, and the decimals written down for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import decimals as rounded_to
from ..cell.network import forward_stages
from ..formulas.numbers import DIGITS, Style
from ..trace.labels import units
from ..trace.rows import Selection
from ..trace.trace import Trace, derived

#: Where sizes add up, the rows that are shown hold so much of the sum before smaller ones are left out.
ENOUGH = 0.999


def excerpt(sizes: Sequence[float] | Array, most: int, timed: bool = False, adds: bool = True) -> list[int | range]:
    """The rows of a table in order: the number of each that is shown, a range for those that are left out in between.

    All rows where there are at most `most`. Otherwise the largest of `sizes`. timed: the first and last rows stay
    whatever their size. adds: whether it makes sense to add the sizes up: then fewer rows are shown where the rest
    hardly counts, and a gap takes one of the `most` lines, for its sum; if not, fewer where the rest is 0. What is not
    a number counts as infinite.

    >>> excerpt([0, 0, 0, 0, 9, 0, 0, 0, 0], 7, timed=True)
    [0, range(1, 4), 4, range(5, 8), 8]
    """
    rows = len(sizes)
    if rows <= most:
        return list(range(rows))
    size = np.abs(np.nan_to_num(np.asarray(sizes, np.float64), nan=np.inf))
    ends = max(most // 10, 1) if timed else 0
    kept = {*range(ends), *range(rows - ends, rows)}
    least = len(kept) if timed else most // 4
    scale = np.max(size[np.isfinite(size)], initial=0.0) or 1.0
    little = (1 - ENOUGH) * float(np.sum(size / scale))
    left = float(np.sum(np.delete(size, sorted(kept)) / scale))
    for row in largest(size, most + len(kept) + 1).tolist():  # a row that is kept takes a line of its own
        if len(kept) >= least and (left <= little < np.inf if adds else size[row] == 0):
            break
        if row in kept:
            continue
        if (len(_lines(kept | {row}, rows)) if adds else len(kept) + 1) > most:
            break
        kept.add(row)
        left -= float(size[row] / scale)
    return _lines(kept, rows)


def largest(size: Array, count: int) -> Array:
    """Where the `count` largest are (all of fewer), the largest first, of equal ones the first; none is NaN.

    >>> largest(np.array([1.0, 3.0, 2.0, 3.0, 2.0]), 3).tolist()
    [1, 3, 2]
    """
    if count >= len(size):
        return np.argsort(-size, kind="stable")
    least = np.partition(size, -count)[-count]
    above = np.flatnonzero(size > least)
    found = np.concatenate([above, np.flatnonzero(size == least)[: count - len(above)]])
    return found[np.argsort(-size[found], kind="stable")]


def _lines(kept: set[int], rows: int) -> list[int | range]:
    """The rows that are kept with the gaps between them; a gap of one row is that row."""
    found: list[int | range] = []
    at = 0
    for row in (*sorted(kept), rows):
        if row - at == 1:
            found.append(at)
        elif row > at:
            found.append(range(at, row))
        if row < rows:
            found.append(row)
        at = row + 1
    return found


def left_out(entries: Sequence[int | range]) -> list[int]:
    """The numbers of the rows that are left out."""
    return [row for entry in entries if isinstance(entry, range) for row in entry]


#: The largest matrix that is written out with its numbers, (rows, columns); so many numbers are computed one by one.
MATRIX, SCALARS = (4, 6), 400
#: So many vectors are shown one by one; so many rows of a calculation, whatever the detail, of which a page has 50.
VECTORS, ROWS = 300, 600
#: A model is trained, and not worked out by hand, whose cells have more units, or which reads more steps.
TRAINED = 16
#: Decimals of a problem of hand size: the first of these with which every printed line follows from the printed ones,
#: or else the one with which most do.
FEW = (4, 5)


def hand_size(trace: Trace, chosen: Selection) -> bool:
    """Whether what is `chosen` of a trace is as much as a person computes by hand.

    >>> import lstm_trace as lt
    >>> hand_size(lt.run({"W_xi": [[-1, 0, 0.2]], "W_hi": [[0.5]]}, [1, 2, 3], ask="i_t"), Selection())
    True
    """
    if not matrices_fit(trace):
        return False
    widths = (
        1 if chosen.unit is not None else values.shape[-1]
        for stage, line, values in trace.recorded()
        if chosen.has(line.name) and not stage.is_adjoint
    )  # fmt: skip
    steps, rows = range(trace.steps)[chosen.window(trace)], range(trace.batch)[chosen.rows(trace)]
    return len(steps) * len(rows) * sum(widths) <= SCALARS


def trained(trace: Trace) -> bool:
    """Whether a trace is that of a trained model: of cells with more than 16 units, or over more than 16 steps."""
    widths = [units(trace, stage) for stage in forward_stages(trace.stages) if stage.cell.carry]
    return bool(widths) and max(trace.steps, *widths) > TRAINED


def matrices_fit(trace: Trace) -> bool:
    """Whether every matrix of a trace is small enough to be written out with its numbers in a formula."""
    matrices = (a for part in trace.parameters.values() for a in part.values() if a.ndim == 2)
    return all(size <= most for a in matrices for size, most in zip(a.shape, MATRIX, strict=True))


def usual_style(traces: Sequence[Trace]) -> Style:
    """The decimals of reports for which none were asked: few at hand size, those noted by hand, or 8.

    A part of a trace has the decimals of the whole, and all the problems of a sheet have as many.
    """
    if (noted := max(rounded_to(trace.header.arithmetic) for trace in traces)) > 0:
        return Style(noted, given=max(DIGITS, noted))
    if any(trace.header.arithmetic is not None or not hand_size(trace, Selection()) for trace in traces):
        return Style(DIGITS)
    astray = []
    for digits in FEW:
        astray.append(sum(_astray(trace, digits) for trace in traces))
        if not astray[-1]:
            break
    return Style(FEW[astray.index(min(astray))])


def _astray(trace: Trace, digits: int) -> int:
    """How many numbers, shown with so many decimals, are not what the numbers shown before them give."""

    def shown(values: Array) -> Array:
        with np.errstate(over="ignore"):  # the largest floats, which stay what they are
            return np.round(values, digits)

    def each(parts: dict[str, dict[str, Array]]) -> dict[str, dict[str, Array]]:
        return {scope: {name: shown(values) for name, values in part.items()} for scope, part in parts.items()}

    printed = replace(
        trace, lines=each(trace.lines), parameters=each(trace.parameters), initial=each(trace.initial),
        given=each(trace.given), x=None if trace.x is None else shown(trace.x), memory=None,
    )  # fmt: skip
    found = 0
    for stage, line, values in printed.recorded():
        follows = derived(printed, stage.scope, line)
        found += 0 if follows is None else int(np.count_nonzero(shown(follows) != values))
    return found
