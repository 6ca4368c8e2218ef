"""What belongs to the backward pass alone: what L is, how gradients are found, the equations of the adjoint.

Its steps are printed as those of the forward pass, by `solution.steps`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...cell.network import Stage
from ...formulas.blocks import Block, Code, Derivation, Heading, Para, Row, Text
from ...formulas.tree import Baseline, Holds, Index, Node, Sum, Sym, value
from ...languages.strings import capital
from ..content.backward import Backward, comes_back
from ..content.objective import made_for
from .equations import parts_of, passed_back
from .gradients import summed
from .solution import rounding, shortened, steps


def backward_pass(back: Backward) -> Iterator[Block]:
    """The gradients at each shown place, from the last step to the first; before them the rules that they follow."""
    yield Heading(2, back.said("back.solution"))
    if not back.alone:
        yield from opening(back)
    elif back.trace.header.arithmetic is not None:
        yield Para(rounding(back, back.trace.header.arithmetic))
    yield Para(back.said(back.key("how")))
    if back.between:
        yield Para(back.words.text("between.baseline", base=Baseline(Sym("c_t")), own=Sym("c_t")))
    yield from passed_back(back)
    yield from _notes(back)
    yield from steps(back)


def adjoint(back: Backward) -> Iterator[Block]:
    """The equations of the adjoint: those of one step, what is carried to the step before, sums over all steps."""
    if back.alone != "equations":
        return
    yield Heading(2, back.said("back.solution"))
    yield Para(back.said(back.key("how")))
    several = len({stage.scope for stage in back.stages}) > 1
    seen: dict[tuple[tuple[Row, ...], ...], None] = {}
    for stage in back.stages:
        rows = tuple(_equations(back, stage))
        if rows in seen:
            continue
        seen[rows] = None
        if several:
            yield Heading(3, capital((back.place(stage),)))
        yield Derivation(rows)
    if back.objective.unit is not None:
        yield Para(back.words.text("back.weight", w=Sym(_weight(back)), line=_named(back)))
    if any(stage.cell.carry for stage in back.stages):
        yield Para(back.words.text(back.key("next"), next=back.slope(Sym("h_t"), "next"), prev=Sym("h_prev")))


def _equations(back: Backward, stage: Stage) -> Iterator[tuple[Row, ...]]:
    for line in stage.cell.lines:
        if line.assigned and back.chosen.has(line.name):
            yield (Row((Sym(line.name),), (("=", back.symbolic(stage, line)),)),)
    for state, carried in stage.cell.carry:
        yield (Row((Sym(state),), (("←", Sym(carried)),)),)
    for gathered in stage.cell.sums:
        yield (Row((Sym(gathered.name),), (("=", summed(back, stage, gathered.terms, "t")),)),)


def title(back: Backward) -> Text:
    """The heading of the backward pass alone: the gradient or the split of what it is."""
    found = back.objective
    of = Code(found.said) if found.said and not found.few else _named(back)
    if back.between:
        return back.words.text("between.title", of=of)
    if found.weighted and not found.few and not found.said:
        return back.words.text("back.title.sum" if found.is_output else "back.title.values")
    return back.words.text("back.title", of=of)


def _named(back: Backward) -> Node:
    """The symbol of what L is, with its unit where there are several; of a sum of a few its terms."""
    stage, name, *_ = found = back.objective
    symbol = value(name, stage.cell)
    if found.few:
        terms = tuple(Index(symbol, str(back.words.nth(unit))) for _, unit in found.few)
        return Sum(tuple(sign for sign, _ in found.few), terms)
    if found.weighted:
        return Sym("L")
    if found.unit is None or back.width(stage, name) == 1:
        return symbol
    return Index(symbol, str(back.words.nth(found.unit)))


def opening(back: Backward) -> Iterator[Block]:
    """What L is, with its value, and what a gradient is."""
    words, of = back.words, back.objective
    several = of.weighted and not of.few
    at = (words.aside(back.where(of.stage, of.t, of.b)),)
    if back.between:
        here, base = back.value_and_baseline
        formula, gap = Sum((1.0, -1.0), (here, base)), back.num(here.value - base.value)
        shares: dict[str, Node] = {"value": here, "base": base, "gap": Sym("ΔL"), "formula": formula, "difference": gap}
        named: dict[str, Node | Text] = {} if several else {"line": _named(back), "at": at}
        sign = back.values.between(formula, gap)
        yield Para(words.text("between.weighted" if several else "between.value", sign=sign, **named, **shares))
    elif several and (of.said or not of.is_output):
        if of.said:
            yield Para(words.text("back.of", sum=Code(of.said), sign="≈", value=back.worth))
        else:
            yield Para(words.text("back.values"))
        lines = {seed: value(line, stage.cell) for seed, (stage, line, _) in zip(of.seeds, of.parts, strict=True)}
        weights = [words.text("back.weights", w=Sym(seed), line=line) for seed, line in lines.items()]
        yield Para(words.sentence(words.listed(weights)))
    elif not of.few and (of.unit is None or of.t is None):
        key = "back.sum" if of.weighted else "back.loss" if of.line == "L" else "back.total"
        yield Para(words.text(key, w=Sym(_weight(back)), line=value(of.line, of.stage.cell)))
    else:
        number, sign = back.worth, "≈"
        if of.unit is not None:
            number = back.values.num(of.stage.scope, of.line, of.t, of.b, (of.unit,))
            sign = "=" if back.values.is_exact(number) else "≈"
        yield Para(words.text("back.value", line=_named(back), at=at, sign=sign, value=number))
    example = of.line if of.line != "L" else of.stage.cell.output  # not the gradient of L with respect to L
    stage = next(s for s in back.trace.stages if s.cell.gradient and s.owner == of.stage.scope)
    if symbol := next((new for new, name in made_for(stage).items() if name == example), ""):
        line = value(example, of.stage.cell)
        yield Para(words.text(back.key("what"), gap=Sym("ΔL"), example=Sym(symbol), line=line))


def _weight(back: Backward) -> str:
    return next(name for stage in back.trace.stages for name in stage.weights)


def _notes(back: Backward) -> Iterator[Block]:
    """What the symbols need said, what was left out, and where nothing comes back to."""
    symbols = [
        node for place in back.places for x in back.lines(place.stage) for _, node in back.formulas(place.stage, x)
    ]
    if any(isinstance(part, Holds) for symbol in symbols for part in parts_of(symbol)):
        yield Para(back.said("back.holds"))
    if any(not back.live.at(p.stage, p.t, p.b).isdisjoint(p.stage.cell.states) for p in back.places):
        yield Para(back.words.text(back.key("next"), next=back.slope(Sym("h_t"), "next"), prev=Sym("h_prev")))
    if back.cut:
        yield Para(shortened(back))
    for stage in back.trace.stages:
        if stage.cell.gradient and not comes_back(back.trace, stage) and stage not in back.stages:
            yield Para(back.said(back.key("nothing"), place=back.place(stage)))
