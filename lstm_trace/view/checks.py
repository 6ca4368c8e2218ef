"""What a report or table is asked for, held against what the trace has."""

from __future__ import annotations

from ..errors import MissingError, nearest
from ..formulas.numbers import Style
from ..trace.address import INITIAL
from ..trace.rows import Selection, parts
from ..trace.trace import Trace


def check_selection(trace: Trace, chosen: Selection) -> None:
    """Raise MissingError for a selection that names what is not there, or leaves nothing."""
    premises = {"x", "x_t", *INITIAL.values()}
    premises |= {n for part in (trace.parameters, trace.initial, trace.given) for found in part.values() for n in found}
    recorded = {name for lines in trace.lines.values() for name in lines}
    for name in chosen.names or ():
        if name in premises - recorded:
            raise MissingError(f"{name!r} is a premise, not a line that was computed; it is listed under Given")
    if any(trace.lines.values()) or chosen.names is not None:
        next(parts(trace, chosen, padding=True))


def check_style(trace: Trace, digits: int | Style) -> None:
    """Raise MissingError where decimals are given for a line that is not there."""
    known = [line.name for stage in trace.stages for line in stage.cell.lines]
    known += [n for part in (trace.parameters, trace.given) for here in part.values() for n in here]
    known += [n for stage in trace.stages for n in stage.cell.inputs]
    for name in digits.lines if isinstance(digits, Style) else ():
        if name not in known:
            raise MissingError(f"digits of {name!r}: there is no such line{nearest(name, known)}")
