"""Back-propagation through time as a worked solution: the steps from the last to the first, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

from ...backward.reverse import Seeds
from ...cell.lines import Line
from ...cell.network import Stage
from ...errors import OptionError, nearest
from ...formulas.blocks import Block, Code, Derivation, Heading, Para, Premises, Row
from ...formulas.tree import Dots, Node, Num, Sym, Vec, heading, numbers
from ...trace.rows import Selection
from ...trace.trace import Trace
from ..content.view import ROWS, SCALARS, UNITS, VECTORS, Detail, Place, view
from ..sections.equations import equations
from ..sections.solution import titled
from .adjoints import Flow
from .backward_rules import rules
from .backward_terms import Signed, at_unit, in_symbols, relation, total, with_vectors
from .derivatives import BACKWARD
from .notation import Notation
from .readings import Back, Symbols

#: Rows that the sum behind one unit of a state or input takes, or a row with several vectors.
WRAPPED = 6


def backward(
    trace: Trace,
    seeds: Seeds,
    detail: Detail | None = None,
    digits: int = 8,
    selection: Selection | None = None,
    everything: bool = False,
    weighted: bool = False,
    language: str = "en",
) -> Back:
    """The walk back from `seeds` with what of it is shown. Raises OptionError, MissingError."""
    if detail is not None and detail not in get_args(Detail):
        raise OptionError(f"there is no detail {detail!r}{nearest(detail, get_args(Detail), 'expected')}")
    chosen = selection or Selection()
    shown = view(trace, detail or "scalar", digits, chosen, everything=True, language=language)
    back = Back(replace(shown, everything=everything), Flow(trace, seeds), Notation(trace.header.symbols), {}, weighted)
    rows = tuple(b for b in shown.rows if any(w[:, b].any() for here in seeds.values() for w in here.values()))
    reached = [s for s in reversed(trace.stages) if s in shown.stages and any(back.flow.live[s.scope].values())]
    stages = tuple(s for s in reached if len(reached) == 1 or back.flow.any(s))
    back = replace(back, shown=replace(back.shown, rows=rows, stages=stages))
    return _bounded(back, detail)


def _bounded(back: Back, detail: Detail | None) -> Back:
    """Fewer steps, rows and layers where there are too many, and the detail that fits."""
    shown, chosen, rows = back.shown, back.shown.chosen, back.shown.rows
    widths = {s.scope: [back.width(s, name) for name in _names(back, s)] for s in shown.stages}
    steps = {
        s.scope: tuple(t for t in back.flow.order(s) if t in shown.steps and back.flow.live[s.scope][t])
        for s in shown.stages
    }
    auto = detail is None and not shown.everything
    if auto:
        rest = 1 if chosen.unit is not None else None
        scalars = len(rows) * sum(len(steps[s]) * sum(rest or width for width in w) for s, w in widths.items())
        vectors = len(rows) * sum(len(steps[s]) * len(w) for s, w in widths.items())
        detail = "scalar" if scalars <= SCALARS else "vector" if vectors <= VECTORS else "summary"
    shown = replace(shown, detail=detail or "scalar")
    if shown.everything:
        return replace(back, shown=shown, steps=steps)
    cost = {s.scope: _cost(back, s, shown.detail) for s in shown.stages}
    stages = shown.stages
    if chosen.layer is None:
        stages = stages[: max(ROWS // max(max(cost.values(), default=1), 1), 1)]
    room = max(ROWS // max(sum(cost[stage.scope] for stage in stages), 1), 1)
    longest = max((len(found) for found in steps.values()), default=1)
    if chosen.batch is None and longest * len(rows) > room:
        rows = rows[: max(room // max(longest, 1), 1)]
    most = max(room // max(len(rows), 1), 1)
    if chosen.steps is None:
        steps = {
            scope: t if len(t) <= most else (*t[: max(most - 1, 1)], *t[-1:][: most - 1]) for scope, t in steps.items()
        }
    widest = max((width for found in widths.values() for width in found), default=1)
    cut = {
        "detail": auto and shown.detail != "scalar",
        "units": chosen.unit is None and widest > (shown.units or 0),
        "terms": shown.detail == "scalar" and widest > (shown.terms or 0),
        "steps": chosen.steps is None and longest > most,
        "rows": len(rows) < len(shown.rows),
        "layers": len(stages) < len(shown.stages),
    }
    found = frozenset(key for key, is_cut in cut.items() if is_cut)
    return replace(back, shown=replace(shown, rows=rows, stages=stages, cut=found), steps=steps)


def _names(back: Back, stage: Stage) -> list[str]:
    """The names that have a row of their own at a step of a stage."""
    live: set[str] = set().union(*set(back.flow.live[stage.scope].values()))
    found = [x.name for x in back.shown.lines(stage) if x.name in live and back.flow.passed(stage, x) is None]
    return found + [n for n in (*stage.cell.states, *stage.cell.inputs) if n in live and back.shown.chosen.has(n)]


def _cost(back: Back, stage: Stage, detail: Detail) -> int:
    """About how many rows a step takes; the many products behind a state or an input go over several rows."""
    names = _names(back, stage)
    if detail == "summary":
        return 6 + len(names)
    if detail == "vector":
        return 6 + sum(WRAPPED if back.width(stage, name) > 3 else 2 for name in names)
    most = 1 if back.shown.chosen.unit is not None else UNITS
    ends = {*stage.cell.states, *stage.cell.inputs}
    return 6 + sum(1 + min(back.width(stage, name), most) * (WRAPPED if name in ends else 1) for name in names)


# -- the steps ---------------------------------------------------------------------------------------------------------


def steps(back: Back) -> Iterator[Block]:
    """The equations, the rules, and every shown step from the last to the first."""
    shown = back.shown
    yield from equations(replace(shown, stages=tuple(reversed(shown.stages))))
    yield Heading(2, shown.said("back.solution"))
    yield Para(shown.said("back.how"))
    yield from rules(back)
    if any(name.startswith("[") for name in back.notation.own):
        yield Para(shown.said("back.holds"))
    if any(
        back.flow.carried(s, target, t) for s in shown.stages for t in back.steps[s.scope] for _, target in s.cell.carry
    ):
        yield Para(shown.words.text("back.next", next=back.notation.gradient(Sym("h_t"), "next"), prev=Sym("h_prev")))
    if shown.cut:
        options = {"steps": "--steps A:B", "rows": "--batch B", "layers": "--layer N", "units": "--unit J"}
        options |= {"terms": "", "detail": "--detail scalar"}
        what = [shown.words.text(f"short.{key}", option=Code(options[key])) for key in options if key in shown.cut]
        yield Para(shown.words.text("short", what=shown.words.listed(what), all=Code("--all")))
    for other in reversed(shown.trace.stages):
        if other not in shown.stages and any(back.flow.live[other.scope].values()) and not back.flow.any(other):
            yield Para(shown.said("back.nothing", place=shown.place(other)))
    alone = shown.single
    for stage in shown.stages:
        for t in back.steps[stage.scope]:
            for b in shown.rows:
                yield from _place(back, Place(stage, t, b), alone)


def _place(back: Back, place: Place, alone: bool) -> Iterator[Block]:
    shown, (stage, t, b) = back.shown, place
    where = shown.where(stage, t, b)
    level = 3
    if not alone and where:
        yield Heading(3, (where[:1].upper() + where[1:],))
        level = 4
    live = back.flow.live[stage.scope][t]
    if shown.detail != "summary":
        yield from _forward(back, place)
    flat: list[tuple[Row, ...]] = []
    for group in reversed(shown.groups(stage, shown.idle(place))):
        lines = [x for x in reversed(group.lines) if x.name in live and back.flow.passed(stage, x) is None]
        if shown.detail == "summary":
            lines = [x for x in lines if shown.chosen.names is not None or x is group.leader]
        found = [rows for x in lines if (rows := _rows(back, place, x.name))]
        if shown.detail != "scalar":
            flat += found
        elif found:
            yield from titled(shown, place, group, level)
            yield Derivation(tuple(found))
    ends = _ends(back, place, level)
    if shown.detail == "scalar":
        yield from (block for pair in ends for block in pair)
    else:
        flat += [rows for _, derivation in ends for rows in derivation.lines]
        if flat:
            yield Derivation(tuple(flat))


def _ends(back: Back, place: Place, level: int) -> list[tuple[Heading, Derivation]]:
    """The inputs of a step and the states that came into it."""
    shown, stage, t = back.shown, place.stage, place.t
    live = back.flow.live[stage.scope][t]
    first = shown.trace.span[-1 if stage.direction == "reverse" else 0]
    found = []
    for key, names in (
        ("back.input", stage.cell.inputs),
        ("back.initial" if t == first else "back.before", tuple(stage.cell.states)),
    ):
        rows = [_rows(back, place, name) for name in names if name in live and shown.chosen.has(name)]
        if any(rows):
            found.append((Heading(level, shown.said(key)), Derivation(tuple(r for r in rows if r))))
    return found


def _forward(back: Back, place: Place) -> Iterator[Block]:
    """The values of the forward pass that the derivatives of a step read."""
    shown, (stage, t, b) = back.shown, place
    read: dict[str, None] = {}
    live = back.flow.live[stage.scope][t]
    for line in stage.lines:
        if line.name in live and shown.chosen.has(line.name):
            used = _Used(back, stage, line, line, {})
            BACKWARD[line.op](used)
            read |= used.names
    items: list[tuple[Node, str, Node]] = []
    for name in (*stage.cell.inputs, *stage.cell.states, *(line.name for line in stage.lines)):
        values = shown.values.array(stage.scope, name) if name in read else None
        if values is not None and values.ndim == 3:
            vector = shown.values.vector(stage.scope, name, t, b, shown.units)
            same = all(shown.values.is_exact(entry) for entry in vector.entries if isinstance(entry, Num))
            made = stage.cell.by_name.get(name)
            symbol = Sym(name) if made is None else heading(made, stage.cell)
            items.append((symbol, "=" if same else "≈", vector))
    if items:
        yield Para(shown.said("back.forward"))
        yield Premises((tuple(items),))


class _Used(Symbols):
    """A reading that notes which values a rule reads."""

    names: dict[str, None]

    def __init__(self, back: Back, stage: Stage, line: Line, origin: Line, names: dict[str, None]) -> None:
        super().__init__(back, stage, line, origin)
        object.__setattr__(self, "names", names)

    @property
    def y(self) -> Node:
        self.names[self.line.name] = None
        return super().y

    def x(self, k: int) -> Node:
        operand = self.line.operands[k]
        if isinstance(operand, str):
            self.names[operand] = None
        return super().x(k)


# -- one gradient ------------------------------------------------------------------------------------------------------


def _rows(back: Back, place: Place, name: str) -> tuple[Row, ...]:
    """The gradient of a line, input or state in symbols, then with its numbers."""
    shown, (stage, t, b) = back.shown, place
    line = stage.cell.by_name.get(name)
    symbol = back.notation.gradient(Sym(name) if line is None else heading(line, stage.cell))
    width = back.width(stage, name)
    formula = in_symbols(back, place, name)
    first: tuple[tuple[str, Node], ...] = (("=", total(formula)),) if formula else ()
    if shown.detail != "scalar":
        return _chain(back, place, name, Row((symbol,), first if shown.detail == "vector" else ()))
    rows = [Row((symbol,), first)]
    for unit in shown.indices(width):
        if unit is None:
            rows.append(Row((Dots("down"),), under=True))
            continue
        rows.append(unit_row(back, at_unit(back, place, name, unit), back.num(stage.scope, name, t, b, unit), width))
    return tuple(rows) if len(rows) > 1 else ()


def unit_row(back: Back, terms: list[Signed], result: Num, width: int) -> Row:
    """One unit: the terms with numbers substituted, and their sum."""
    assert result.key is not None
    tree = total(terms)
    sign = relation(back, result, tree)
    label = (back.shown.unit(result.key[5][0], width),)
    if isinstance(tree, Num):
        return Row(label, ((sign, result),), under=True)
    return Row(label, ((":", tree), (sign, result)), under=True)


def _chain(back: Back, place: Place, name: str, row: Row) -> tuple[Row, ...]:
    """Symbol = formula = formula with vectors ≈ value."""
    shown, (stage, t, b) = back.shown, place
    width = back.width(stage, name)
    units = shown.indices(width)
    if not units:
        return ()
    signs = {
        relation(back, back.num(stage.scope, name, t, b, u), total(at_unit(back, place, name, u)))
        for u in units
        if u is not None
    }
    sign = "≈" if "≈" in signs else "="
    entries = tuple(Dots("down") if u is None else back.num(stage.scope, name, t, b, u) for u in units)
    result: Node = Vec(entries) if width > 1 and len(entries) > 1 else entries[0]
    parts = list(row.parts)
    if shown.detail == "vector" and shown.chosen.unit is None:
        put_in = total(with_vectors(back, place, name))
        if not isinstance(put_in, Vec | Num):
            exact = all(back.leaf(n) is not None for n in numbers(put_in))
            parts.append(("=" if exact else "≈", put_in))
    return (Row(row.left, (*parts, (sign, result))),)
