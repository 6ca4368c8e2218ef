"""The way back: what L is, what each function passes back, and every shown step from the last to the first."""

from __future__ import annotations

from collections.abc import Iterator

from ...cell.lines import Line
from ...cell.network import Stage
from ...formulas.blocks import Block, Code, Derivation, Heading, Para, Row, Text
from ...formulas.tree import Baseline, Holds, Index, Node, Num, Sum, Sym, value
from ...languages.strings import capital
from ...view.line_groups import Group, titled
from ...view.view import Place, View
from ..content.backward import Back, Gradients, comes_back
from ..content.objective import made_for
from ..content.value_blocks import chain, result, vectors
from .equations import passed_back
from .gradients import summed
from .solution import rounding, units


def way_back(shown: View) -> Iterator[Block]:
    """A part for each shown place, in the order of the walk; nothing where there is no way back."""
    if not isinstance(back := shown.back, Back):
        return
    yield Heading(2, back.said("back.solution"))
    if not shown.alone:
        yield from opening(back)
    elif back.trace.header.arithmetic is not None:
        yield Para(rounding(back, back.trace.header.arithmetic))
    yield Para(back.said(back.key("how")))
    if back.between:
        yield Para(back.words.text("between.baseline", base=Baseline(Sym("c_t")), own=Sym("c_t")))
    yield from passed_back(back)
    yield from _notes(back)
    for place in back.places:
        level = 3
        where = back.where(back.trace.stage(place.stage.scope), place.t, place.b)
        if not back.single and where:
            yield Heading(3, capital((where,)))
            level = 4
        yield from _place(back, place, level)


def adjoint(shown: View) -> Iterator[Block]:
    """The equations of the way back: those of one step, what is carried to the step before, sums over all steps."""
    if not isinstance(back := shown.back, Back) or back.alone != "equations":
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


def _equations(back: Back, stage: Stage) -> Iterator[tuple[Row, ...]]:
    for line in stage.cell.lines:
        if line.assigned and back.chosen.has(line.name):
            yield (Row((Sym(line.name),), (("=", back.symbolic(stage, line)),)),)
    for state, carried in stage.cell.carry:
        yield (Row((Sym(state),), (("←", Sym(carried)),)),)
    for gathered in stage.cell.sums:
        yield (Row((Sym(gathered.name),), (("=", summed(back, stage, gathered.terms, "t")),)),)


def title(back: Back) -> Text:
    """Of what the gradient is."""
    found = back.objective
    of = Code(found.said) if found.said and not found.few else _named(back)
    if back.between:
        return back.words.text("between.title", of=of)
    if found.weighted and not found.few and not found.said:
        return back.words.text("back.title.sum" if found.is_output else "back.title.values")
    return back.words.text("back.title", of=of)


def _named(back: Back) -> Node:
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


def opening(back: Back) -> Iterator[Block]:
    """What L is, with its value, and what a gradient is."""
    words, found = back.words, back.objective
    if back.between:
        value_here, base = back.value_and_baseline
        gap = value_here.value - base.value
        shown = Num(back.values.style.show(gap), gap)
        several = found.weighted and not found.few
        at = words.aside(back.where(found.stage, found.t, found.b))
        formula = Sum((1.0, -1.0), (value_here, base))
        shares: dict[str, Node] = {
            "value": value_here,
            "base": base,
            "gap": Sym("ΔL"),
            "formula": formula,
            "difference": shown,
        }
        sign = back.values.between(formula, shown)
        if several:
            yield Para(words.text("between.weighted", sign=sign, **shares))
        else:
            yield Para(words.text("between.value", line=_named(back), at=at, sign=sign, **shares))
    elif found.few:
        at = words.aside(back.where(found.stage, found.t, found.b))
        yield Para(words.text("back.value", line=_named(back), at=at, sign="≈", value=back.worth))
    elif found.weighted and (found.said or not found.is_output):
        if found.said:
            yield Para(words.text("back.of", sum=Code(found.said), sign="≈", value=back.worth))
        else:
            yield Para(words.text("back.values"))
        lines = {seed: value(line, stage.cell) for seed, (stage, line, _) in zip(found.seeds, found.parts, strict=True)}
        told = [words.text("back.weights", w=Sym(seed), line=line) for seed, line in lines.items()]
        yield Para(words.sentence(words.listed(told)))
    elif found.unit is None or found.t is None:
        key = "back.sum" if found.weighted else "back.loss" if found.line == "L" else "back.total"
        yield Para(words.text(key, w=Sym(_weight(back)), line=value(found.line, found.stage.cell)))
    else:
        number = back.values.num(found.stage.scope, found.line, found.t, found.b, (found.unit,))
        at = words.aside(back.where(found.stage, found.t, found.b))
        sign = "=" if back.values.is_exact(number) else "≈"
        yield Para(words.text("back.value", line=_named(back), at=at, sign=sign, value=number))
    adjoint = next(s for s in back.trace.stages if s.cell.gradient and s.owner == found.stage.scope)
    example = found.line if found.line != "L" else found.stage.cell.output  # not the gradient of L with respect to L
    symbol = next((new for new, of in made_for(adjoint).items() if of == example), "")
    if symbol:
        line = value(example, found.stage.cell)
        yield Para(words.text(back.key("what"), gap=Sym("ΔL"), example=Sym(symbol), line=line))


def _weight(back: Back) -> str:
    return next(name for stage in back.trace.stages for name in stage.weights)


def _notes(back: Back) -> Iterator[Block]:
    """What the symbols need said, what was left out, and where nothing comes back to."""
    symbols = [
        node for place in back.places for x in back.lines(place.stage) for _, node in back.formulas(place.stage, x)
    ]
    if any(map(_conditional, symbols)):
        yield Para(back.said("back.holds"))
    if any(not back.live.at(p.stage, p.t, p.b).isdisjoint(p.stage.cell.states) for p in back.places):
        yield Para(back.words.text(back.key("next"), next=back.slope(Sym("h_t"), "next"), prev=Sym("h_prev")))
    if back.cut:
        options = {"steps": "--steps A:B", "rows": "--batch B", "layers": "--layer N", "units": "--unit J"}
        options |= {"terms": "", "detail": "--detail scalar"}
        what = [back.words.text(f"short.{key}", option=Code(options[key])) for key in options if key in back.cut]
        yield Para(back.words.text("short", what=back.words.listed(what), all=Code("--all")))
    for stage in back.trace.stages:
        if stage.cell.gradient and not comes_back(back.trace, stage) and stage not in back.stages:
            yield Para(back.said(back.key("nothing"), place=back.place(stage)))


def _conditional(node: object) -> bool:
    if isinstance(node, Holds):
        return True
    parts = vars(node).values() if hasattr(node, "__dataclass_fields__") else node if isinstance(node, tuple) else ()
    return any(map(_conditional, parts))


def _place(back: Back, place: Place, level: int) -> Iterator[Block]:
    if back.detail != "summary" and (names := back.reads(place)):
        yield Para(back.said(back.key("forward")))
        yield vectors(back, place.stage, names, place.t, place.b)
    flat: list[tuple[Row, ...]] = []
    for part in back.parts(place):
        lines = part.lines
        if back.detail == "summary" and isinstance(part.of, Group) and back.chosen.names is None:
            of = made_for(place.stage)
            lines = tuple(x for x in lines if part.of.leader is not None and of[x.name] == part.of.leader.name)
        if back.detail != "scalar":
            flat += [(_row(back, place, line),) for line in lines]
        elif found := tuple(rows for line in lines if (rows := units(back, place, line))):
            yield from _titled(back, place, part, level)
            yield Derivation(found)
    if flat:
        yield Derivation(tuple(flat))


def _row(back: Back, place: Place, line: Line) -> Row:
    """One gradient in one row: with its formula and vectors, or its value alone."""
    if back.detail == "vector":
        return chain(back, place, line)
    vector, sign = result(back, place, line)
    return Row((Sym(line.name),), ((sign, vector),))


def _titled(back: Back, place: Place, part: Gradients, level: int) -> Iterator[Heading]:
    """The heading of a group of the forward pass; of inputs and states what they are."""
    owner = back.trace.stage(place.stage.owner)
    if isinstance(part.of, Group):
        yield from titled(back, Place(owner, place.t, place.b), part.of, level)
    elif part.of == "input":
        yield Heading(level, back.said("back.input"))
    else:
        first = back.trace.span[-1 if owner.backwards else 0]
        yield Heading(level, back.said("back.initial" if place.t == first else "back.before"))
