"""What is shown of a trace: the detail that fits its size, and as many steps, sequences and layers as are read."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from ..cell.network import Stage, forward_stages
from ..cell.ops import OPS
from ..errors import MissingError, nearest
from ..formulas.numbers import Style
from ..formulas.values import Values
from ..languages.strings import words
from ..trace.address import INITIAL
from ..trace.held import plain_stage
from ..trace.rows import Selection, parts
from ..trace.trace import Trace
from ..trace.window import names
from .hand_size import ROWS, SCALARS, VECTORS, hand_size
from .view import UNITS, Detail, View, first, lines_of


def check_selection(trace: Trace, chosen: Selection) -> None:
    """Raise MissingError for a selection that names what is not there, or leaves nothing."""
    premises = {"x", "x_t", *INITIAL.values(), *names(trace, "parameters", "initial", "given")}
    recorded = names(trace, "lines")
    for name in chosen.names or ():
        if name in premises and name not in recorded:
            raise MissingError(f"{name!r} is a premise, not a line that was computed; it is listed under Given")
    if any(trace.lines.values()) or chosen.names is not None:
        next(parts(trace, chosen, padding=True))


def check_style(trace: Trace, digits: int | Style) -> None:
    """Raise MissingError where decimals are given for a line that is not there."""
    known = [name for stage in trace.stages for name in (*stage.cell.by_name, *stage.cell.inputs)]
    known += names(trace, "parameters", "given")
    for name in digits.lines if isinstance(digits, Style) else ():
        if name not in known:
            raise MissingError(f"digits of {name!r}: there is no such line{nearest(name, known)}")


V = TypeVar("V", bound=View)

#: So many rows of a calculation are shown on paper, of what a person would not work out by hand: less than two pages.
PAPER = 80


def view(
    trace: Trace, detail: Detail | None, digits: int | Style, chosen: Selection, everything: bool, language: str = "en",
    paper: bool = False,
) -> View:  # fmt: skip
    """What is shown of `trace`; without `detail` the size decides. Raises MissingError for a wrong selection.

    paper: whether it goes on pages of paper, where the terms of every single unit are too many.
    """
    check_selection(trace, chosen)
    check_style(trace, digits)
    plain = map(plain_stage, forward_stages(trace.stages))
    stages = tuple(s for s in plain if chosen.places(s) and lines_of(trace, s, chosen))
    steps, batch = trace.span[chosen.window(trace)], range(trace.batch)[chosen.rows(trace)]
    shown = View(
        trace, Values(trace, digits, noise=everything), words(language, trace.header.count_from), chosen,
        detail or "scalar", everything, stages, tuple(steps), tuple(batch), paper=paper,
    )  # fmt: skip
    return fitted(shown, detail)


def fitted(shown: V, detail: Detail | None) -> V:
    """The view in a detail, that for which there is room if None, and with as many layers, steps and rows as fit.

    What the selection names stays whole.
    """
    chosen = shown.chosen
    shown = replace(shown, detail=detail or _detail(shown))
    whole = detail == "vector" or (detail == "compact" and not shown.filled)
    if whole and chosen.unit is not None:
        shown = replace(shown, detail="scalar")  # one unit is no vector; its sums are too long within one another
    if shown.everything:
        return shown
    bound = PAPER if detail is None and shown.paper and not hand_size(shown.trace, chosen) else ROWS
    cost = {stage.scope: shown.cost(stage) for stage in shown.stages}
    stages, rows = shown.stages, shown.rows
    if chosen.layer is None:
        stages = shown.leading_stages(max(bound // max(max(cost.values(), default=1), 1), 1))
    room = max(bound // max(sum(cost[stage.scope] for stage in stages), 1), 1)
    longest = max((len(shown.walk(stage)) for stage in shown.stages), default=1)
    if chosen.batch is None and longest * len(rows) > room:
        rows = first(rows, max(room // longest, 1 if room < 4 else 2))
    most = max(room // max(len(rows), 1), 1)
    cut = {
        "layers": len(stages) < len(shown.stages),
        "steps": chosen.steps is None and longest > most,
        "rows": len(rows) < len(shown.rows),
        "detail": detail is None and shown.detail != "scalar" and not (shown.detail == "compact" and shown.filled),
        **_narrowed(shown, stages),
    }
    fewer = shown.at_most(most) if cut["steps"] else shown
    return replace(fewer, stages=stages, rows=rows, cut=frozenset(key for key, is_cut in cut.items() if is_cut))


def _detail(shown: View) -> Detail:
    """The detail for which there is room; on paper nothing is shown by single terms."""
    chosen = shown.chosen
    if shown.paper and hand_size(shown.trace, chosen):
        return "compact"
    if shown.everything:
        return "scalar"
    if shown.paper:
        cost = sum(replace(shown, detail="compact").cost(stage) for stage in shown.stages)
        fits = len(shown.steps) * len(shown.rows) * cost <= PAPER
        return "compact" if fits and chosen.unit is None else "summary"
    places = [(stage, len(shown.rows) * len(shown.walk(stage))) for stage in shown.stages]
    lines = [(times, shown.width(stage, x.name)) for stage, times in places for x in shown.lines(stage)]
    if sum(times * (1 if chosen.unit is not None else width) for times, width in lines) <= SCALARS:
        return "scalar"
    return "vector" if sum(times for times, _ in lines) <= VECTORS else "summary"


def _narrowed(shown: View, stages: tuple[Stage, ...]) -> dict[str, bool]:
    """Whether units, terms of sums, or rows and columns of matrices are left out."""
    lines = [(stage, line) for stage in stages for line in shown.lines(stage)]
    widest = max((shown.width(stage, line.name) for stage, line in lines), default=0)
    sums = [(stage, line) for stage, line in lines if line.product or OPS[line.op].reduces]
    terms = [shown.width(stage, str(line.operands[line.summed])) for stage, line in sums]
    matrices = [array for stage in stages for array in shown.trace.parameters.get(stage.scope, {}).values()]
    every = shown.chosen.unit is None
    return {
        "units": every and widest > (shown.units or 0),
        "terms": shown.detail == "scalar" and max([widest] if shown.whole else terms, default=0) > (shown.terms or 0),
        "matrices": any((every and array.shape[0] > UNITS) or array.shape[-1] > UNITS for array in matrices),
    }
