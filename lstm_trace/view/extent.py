"""What a report or table is asked for, held against what the trace has."""

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
from ..trace.holds.held import plain_stage
from ..trace.rows import Selection, parts
from ..trace.trace import Trace
from .excerpt import ROWS, SCALARS, VECTORS, hand_size
from .view import UNITS, Detail, View, lines_of


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


T = TypeVar("T")

#: So many rows of a calculation are shown on paper, of what a person would not work out by hand: less than two pages.
PAPER = 80


def view(
    trace: Trace,
    detail: Detail | None,
    digits: int | Style,
    chosen: Selection,
    everything: bool,
    language: str = "en",
    paper: bool = False,
) -> View:
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
        detail or "scalar", everything,
        stages, tuple(steps), tuple(batch), paper=paper,
    )  # fmt: skip
    if detail is None:
        shown = replace(shown, detail=_detail(shown))
    elif chosen.unit is not None and (detail == "vector" or (detail == "compact" and not shown.filled)):
        shown = replace(shown, detail="scalar")  # one unit is no vector; its sums are too long within one another
    return shown if everything else _bounded(shown, chosen, detail is None)


def _detail(shown: View) -> Detail:
    """The detail for which there is room; on paper nothing is shown by single terms."""
    trace, chosen = shown.trace, shown.chosen
    if shown.paper and hand_size(trace, chosen):
        return "compact"
    if shown.everything:
        return "scalar"
    places = len(shown.steps) * len(shown.rows)
    if shown.paper:
        cost = sum(_cost(replace(shown, detail="compact"), stage) for stage in shown.stages)
        return "compact" if places * cost <= PAPER and chosen.unit is None else "summary"
    widths = [
        1 if chosen.unit is not None else trace.lines[stage.scope][line.name].shape[-1]
        for stage in shown.stages
        for line in shown.lines(stage)
    ]
    if places * sum(widths) <= SCALARS:
        return "scalar"
    return "vector" if places * len(widths) <= VECTORS else "summary"


def _bounded(shown: View, chosen: Selection, auto: bool) -> View:
    """The view with as many layers, steps and rows as fit; what the selection names stays whole."""
    by_hand = hand_size(shown.trace, chosen)
    bound = PAPER if auto and shown.paper and not by_hand else ROWS
    cost = {stage.scope: _cost(shown, stage) for stage in shown.stages}
    stages, steps, rows = shown.stages, shown.steps, shown.rows
    if chosen.layer is None:
        most = max(bound // max(max(cost.values(), default=1), 1), 1)
        stages = _first(stages, most)
    room = max(bound // max(sum(cost[stage.scope] for stage in stages), 1), 1)
    if chosen.batch is None and len(steps) * len(rows) > room:
        rows = _first(rows, max(room // len(steps), 1 if room < 4 else 2))
    if chosen.steps is None:
        steps = _first(steps, max(room // len(rows), 1))
    cut = {
        "layers": len(stages) < len(shown.stages),
        "steps": len(steps) < len(shown.steps),
        "rows": len(rows) < len(shown.rows),
        "detail": auto and shown.detail != "scalar" and not (shown.detail == "compact" and shown.filled),
        **_narrowed(shown, stages),
    }
    found = frozenset(key for key, is_cut in cut.items() if is_cut)
    return replace(shown, stages=stages, steps=steps, rows=rows, cut=found)


def _cost(shown: View, stage: Stage) -> int:
    """Rows that one step of a stage takes, with its heading."""
    return 4 + _content(shown, stage)


def _content(shown: View, stage: Stage) -> int:
    if shown.detail == "summary":
        return len(shown.groups(stage))
    if shown.detail == "vector":
        return len(shown.lines(stage))
    recorded = shown.trace.lines[stage.scope]
    heights = {line.name: len(shown.indices(recorded[line.name].shape[-1])) for line in shown.lines(stage)}
    if shown.detail == "compact":  # each group takes two rows of vectors, two groups stand beside each other
        return sum(1 + max(heights[line.name] for line in group.lines) for group in shown.groups(stage))
    return sum(1 + height for height in heights.values())


def _narrowed(shown: View, stages: tuple[Stage, ...]) -> dict[str, bool]:
    """Whether units, terms of sums, or rows and columns of matrices are left out."""
    lines = [(stage, line) for stage in stages for line in shown.lines(stage)]
    widest = max((shown.trace.lines[s.scope][line.name].shape[-1] for s, line in lines), default=0)
    terms = [
        values.shape[-1]
        for stage, line in lines
        if (line.product or OPS[line.op].reduces)
        and (values := shown.values.array(stage.scope, line.operands[line.summed])) is not None
    ]
    matrices = [
        (values.shape[0] > UNITS and shown.chosen.unit is None) or values.shape[-1] > UNITS
        for stage in stages
        for values in shown.trace.parameters.get(stage.scope, {}).values()
    ]
    return {
        "units": shown.chosen.unit is None and widest > (shown.units or 0),
        "terms": shown.detail == "scalar" and max(terms, default=0) > (shown.terms or 0),
        "matrices": any(matrices),
    }


def _first(items: tuple[T, ...], most: int) -> tuple[T, ...]:
    """The first ones and the last, at most `most`."""
    if len(items) <= most:
        return items
    return items[:1] if most == 1 else (*items[: most - 1], items[-1])
