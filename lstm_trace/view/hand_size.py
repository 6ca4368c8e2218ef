"""Problems of hand size: how much is worked out number by number, with which decimals, and the worked lines.

A worked line is symbol, formula, numbers substituted and result, independent of the format that shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import decimals as rounded_to
from ..cell.network import forward_stages
from ..formulas.numbers import DIGITS, Shown, Style
from ..formulas.plain import Plain
from ..formulas.tree import Call, Node, formula, heading, number
from ..formulas.values import Values
from ..trace.labels import units
from ..trace.rows import Selection, parts
from ..trace.trace import Trace, derived
from ..trace.window import arrays

#: The largest matrix that is written out with its numbers, (rows, columns); maximum count of individual numbers.
MATRIX, SCALARS = (4, 6), 400
#: Maximum number of vectors shown individually; of rows of a calculation, whatever the detail (a page has 50).
VECTORS, ROWS = 300, 600
#: A model with more units per cell counts as trained, wherever its weights come from.
TRAINED = 16
#: Decimals of a problem of hand size: the first of these with which every printed line follows from the printed
#: numbers, or else the one with which most do.
FEW = (4, 5)
#: Half a unit of the last decimal, and the part of a number that rounding may be off by, with room for floats.
HALF, ROUNDING = 0.5000005, 1e-12


def hand_size(trace: Trace, chosen: Selection) -> bool:
    """Whether the `chosen` part of a trace is small enough to compute by hand.

    >>> import lstm_trace as lt
    >>> hand_size(lt.run({"W_xi": [[-1, 0, 0.2]], "W_hi": [[0.5]]}, [1, 2, 3], ask="i_t"), Selection())
    True
    """
    if not matrices_fit(trace):
        return False
    lines = (values for stage, line, values in trace.recorded() if chosen.has(line.name) and not stage.is_adjoint)
    widths = (1 if chosen.unit is not None else values.shape[-1] for values in lines)
    steps, rows = range(trace.steps)[chosen.window(trace)], range(trace.batch)[chosen.rows(trace)]
    return len(steps) * len(rows) * sum(widths) <= SCALARS


def trained(trace: Trace) -> bool:
    """Whether a trace counts as that of a trained model, by its weights alone and not by the number of its steps.

    Cells with more than 16 units, or more than 400 weights that were imported from a model.
    """
    widths = [units(trace, stage) for stage in forward_stages(trace.stages) if stage.cell.carry]
    weights = sum(array.size for *_, array in arrays(trace, "parameters")) if trace.header.imported else 0
    return bool(widths) and (max(widths) > TRAINED or weights > SCALARS)


def matrices_fit(trace: Trace) -> bool:
    """Whether every matrix of a trace is small enough to be written out with its numbers in a formula."""
    matrices = (array for *_, array in arrays(trace, "parameters") if array.ndim == 2)
    return all(size <= most for array in matrices for size, most in zip(array.shape, MATRIX, strict=True))


def usual_style(trace: Trace) -> Style:
    """The decimals of a report if none are requested: those of the problem; or few at hand size, those used by hand,
    or 8. A part of a trace has the decimals of the whole.
    """
    if trace.header.digits is not None:
        return Style(trace.header.digits)
    if (noted := rounded_to(trace.header.arithmetic)) > 0:
        return Style(noted, given=max(DIGITS, noted))
    if not _few_decimals(trace):
        return Style(DIGITS)
    if not hand_size(trace, Selection()):
        return Style(FEW[0])
    return Style(min(FEW, key=lambda digits: _astray(trace, digits)))


def _few_decimals(trace: Trace) -> bool:
    """Whether few decimals are enough: at hand size, and for such a cell over many steps, but not for its gradients."""
    back = any(stage.is_adjoint for stage in trace.stages)
    return trace.header.arithmetic is None and (hand_size(trace, Selection()) if back else matrices_fit(trace))


def _astray(trace: Trace, digits: int) -> int:
    """How many numbers, shown with this many decimals, do not follow from the numbers shown before them.

    A number follows if it is within half a unit of its last decimal: where the next one would be a 5, it may be rounded
    up or down. Floats decide that by their last digits, which depend on the dtype and the order of a sum.
    """

    def each(parts: dict[str, dict[str, Array]]) -> dict[str, dict[str, Array]]:
        return {scope: {name: shown(values) for name, values in part.items()} for scope, part in parts.items()}

    def shown(values: Array) -> Array:
        with np.errstate(over="ignore"):  # the largest floats remain unchanged
            return np.round(values.astype(np.float64), digits)

    printed = replace(
        trace, header=replace(trace.header, dtype="float64"), memory=None,
        lines=each(trace.lines), parameters=each(trace.parameters), initial=each(trace.initial),
        given=each(trace.given), x=None if trace.x is None else shown(trace.x),
    )  # fmt: skip
    found = 0
    for stage, line, values in printed.recorded():
        if (again := derived(printed, stage.scope, line)) is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                near = np.abs(again - values) <= HALF / 10**digits + ROUNDING * np.abs(again)
            found += int(np.count_nonzero(~near & (again != values)))
    return found


def with_comma(part: Any) -> Any:
    """A block or tree with points replaced by decimal commas."""
    if isinstance(part, Shown):
        return part._replace(digits=part.digits.replace(".", ","))
    if isinstance(part, tuple):
        return tuple(map(with_comma, part))
    if isinstance(part, Call):
        return Call(part.op, with_comma((*part.args, *map(number, part.constants))))
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: with_comma(getattr(part, f.name)) for f in fields(part)})
    return part


#: Maximum number of terms of a sum that are written out (the first ones and the last); of rows of a table.
TERMS, TABLE = 8, 12


class WorkedRow(NamedTuple):
    """One scalar of a trace; the columns of the shape `worked`.

    symbol, formula, substituted: plain text. substituted has the numbers that this unit uses, empty if one of them was
    not recorded. value: the recorded number, in the trace's dtype. valid: 1, or 0 for padding.
    """

    layer: int
    direction: str
    t: int
    batch: int
    valid: int
    line: str
    unit: int
    symbol: str
    formula: str
    substituted: str
    value: float


def worked_rows(
    trace: Trace, selection: Selection | None = None, digits: int | Style | None = None, padding: bool = False
) -> Iterator[WorkedRow]:
    """A row for each scalar of the selection, in order of computation.

    digits: decimals of the numbers in the texts, or a style; None for all, so that they read back as the floats that
    were used. padding: see `rows.parts`.
    Raises MissingError if the selection does not exist, and suggests the nearest name.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[-1, 0, 0.5]], "W_hi": [[0.5]]}, [1, 2, 3], ask="z_i", h0=[0.0])
    >>> for row in worked_rows(trace): print(row.symbol, "|", row.formula, "|", row.substituted, "|", row.value)
    W_xi x_t | W_xi x_t | (-1.0)(1.0) + (0.0)(2.0) + (0.5)(3.0) | 0.5
    W_hi h_{t-1} | W_hi h_{t-1} | (0.5)(0.0) | 0.0
    z_i | W_xi x_t + W_hi h_{t-1} | 0.5 + 0.0 | 0.5
    """
    values = Values(trace, digits)
    printed = Plain(trace.header.symbols)

    def plain(tree: Node) -> str:
        return printed(with_comma(tree) if values.style.comma else tree)

    for part in parts(trace, selection, padding=padding, by_step=True):
        stage = trace.stage(f"{part.layer}/{part.direction}")
        there = trace.lines[stage.scope]
        lines = [stage.cell.by_name[entry.line] for entry in part.lines]
        texts = [(plain(heading(line, stage.cell)), plain(formula(line, stage.cell))) for line in lines]
        steps, batch, valid = part.steps or range(0), part.batch or range(0), trace.valid
        for at, row in zip(*part.places, strict=True):
            t, b = steps[at], batch[row]
            place = stage.layer, stage.direction, t, b, int(valid[trace.index(t), b, 0])
            for entry, line, told in zip(part.lines, lines, texts, strict=True):
                for unit in entry.units:
                    tree = values.tree(stage, line, t, b, unit)
                    numbers = "" if tree is None else plain(tree)
                    value = there[entry.line][trace.index(t), b, unit]
                    yield WorkedRow(*place, entry.line, unit, *told, numbers, value)
