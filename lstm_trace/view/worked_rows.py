"""A trace as worked lines: symbol, formula, numbers substituted, result; neutral to the format that shows them.

Numbers of equations, which no trace value stands behind, get their decimal comma here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

from ..formulas.numbers import Shown, Style
from ..formulas.plain import Plain
from ..formulas.tree import Call, Node, formula, heading, number
from ..formulas.values import Values
from ..trace.rows import Selection, parts
from ..trace.trace import Trace


def with_comma(part: Any) -> Any:
    """A block or tree with decimal commas in place of points."""
    if isinstance(part, Shown):
        return part._replace(digits=part.digits.replace(".", ","))
    if isinstance(part, tuple):
        return tuple(map(with_comma, part))
    if isinstance(part, Call):
        return Call(part.op, with_comma((*part.args, *map(number, part.constants))))
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: with_comma(getattr(part, f.name)) for f in fields(part)})
    return part


#: So many terms of a sum are written out; the first ones and the last where there are more.
TERMS = 8


class WorkedRow(NamedTuple):
    """One scalar of a trace; the columns of the shape `worked`.

    symbol, formula, substituted: plain text. substituted has the numbers that this unit reads, empty where one of
    them was not recorded. value: the recorded number, in the trace's dtype. valid: 1, or 0 for padding.
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
    trace: Trace,
    selection: Selection | None = None,
    digits: int | Style | None = None,
    padding: bool = False,
) -> Iterator[WorkedRow]:
    """A row for each scalar of the selection, in computing order.

    digits: decimals of the numbers in the texts, or a style; None for all, so that they read back as the floats that
    were used. padding: see `rows.parts`.
    Raises MissingError for a selection that is not there, with the nearest name.

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
