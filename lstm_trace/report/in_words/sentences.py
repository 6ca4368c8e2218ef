"""The section "In words": what gates did, and what became of the states.

For a state it states what is left of what was written, what was kept, what it shows, or what its value is made of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from ...cell.lines import Cell, Line, Operand
from ...cell.ops import OPS
from ...documents.blocks import Block, Heading, Items, Para, Text
from ...errors import MissingError
from ...explanation.memory import Recurrence, flow, recurrences, terms
from ...formulas.tree import Call, Fn, Node, Num, call, number
from ...languages.strings import capital
from ...trace.labels import readout
from ...view.view import View
from .cases import FEW, STEPS, Case, Described
from .gates import gate_sentences, readout_sentences

#: How far an account may be off, as a share of its largest part, to be described; more if each result is rounded.
_OFF, _OFF_ROUNDED = 0.01, 0.1
#: How many layers and directions are described; of more, only the first and the last.
STAGES = 3

Terms = tuple[tuple[float, Operand], ...]
#: Whether a sentence states what is `left` of a state, something else, or only a `value`.
Said = tuple[str, Text]


def in_words(shown: View) -> Iterator[Block]:
    """The heading, and for each layer and direction a list of sentences."""
    many, found = described(shown)
    if not found:
        return
    yield Heading(2, shown.said("gates"))
    if many > len(found):
        yield Para(shown.said("few.stages", n=many))
    for told, rows in found:
        if place := shown.place(told.stage):
            yield Para(capital(shown.said("label", what=place)))
        few = [part for text in _few(told) for part in (*text, " ")]
        if few:
            yield Para(tuple(few[:-1]))
        yield Items(rows)


def described(shown: View) -> tuple[int, list[tuple[Described, tuple[Text, ...]]]]:
    """How many layers and directions have sentences, and these; of many only the first and the last."""
    found = [(told, rows) for stage in shown.stages if (rows := _rows(told := Described(shown, stage)))]
    return len(found), found if len(found) <= STAGES else [found[0], found[-1]]


def _few(told: Described) -> Iterator[Text]:
    """Which units and sequences are described, if not all of them are."""
    if len(told.rows) < len(told.steps):
        key = "few.rows.1" if len(told.rows) == 1 else "few.rows"
        yield told.words.text(key, rows=str(len(told.steps)), n=str(len(told.rows)))
    for size, line in told.few.items():
        if (width := math.prod(size)) > FEW:  # otherwise all units are described, of fewer sequences
            key = "few.entries" if len(size) > 1 else "few.outputs" if told.axis(line) == "y" else "few.units"
            yield told.words.text(key, few=str(FEW), n=str(width), line=told.symbol(line))


def _rows(told: Described) -> tuple[Text, ...]:
    """What is described of a stage; nothing if that would only be values that are among the answers."""
    gated = _gated(told)
    carried = _states(told, gated)
    found = [("gate", text) for text in gate_sentences(told, gated)]
    found += [*_state_sentences(told, carried), *readout_sentences(told, carried)]
    return tuple(text for _, text in found) if any(kind != "value" for kind, _ in found) else ()


def remembered(shown: View) -> Iterator[Text]:
    """What is left, at the last chosen step, of what earlier ones wrote: a sentence for each unit that is described."""
    for stage in shown.stages:
        told = Described(shown, stage)
        found = _state_sentences(told, _states(told, _gated(told)))
        yield from (text for kind, text in found if kind == "left")


def _gated(told: Described) -> frozenset[str]:
    """The lines and inputs for which the cell has a sentence about what they did."""
    cell = told.stage.cell
    return frozenset(name for name in (*cell.by_name, *cell.inputs) if told.own("did", name))


def _states(told: Described, gated: frozenset[str]) -> Sequence[str]:
    """The states that are described, in computing order: those that a named cell names; all of any other cell."""
    stage, cell = told.stage, told.stage.cell
    if not cell.carry:
        return ()
    found = {cell.output, *(line for _, line in cell.carry)}
    padded = [cell.by_name[name] for name in found & cell.by_name.keys() if stage.unpadded(name) != name]
    found |= set(map(stage.unpadded, found))
    if gated or told.own("the", cell.output):
        found = {line.name for line in cell.lines if told.own("the", line.name)} - gated
    there = [line for line in cell.lines if line.assigned and line not in padded and line.name in found]
    return [line.name for line in there if line.name not in readout(cell)]


def _state_sentences(told: Described, lines: Sequence[str]) -> Iterator[Said]:
    """What became of each state of `lines`, as far as it was recorded and chosen."""
    cell, states, rules = told.stage.cell, list[str](), dict(recurrences(told.stage, lines))
    for name in lines:
        cases = [case for case in told.cases(name) if math.isfinite(told.value(name, case, told.steps[case.row][-1]))]
        if not cases or not told.shown.chosen.has(name):
            continue
        found: list[Said] = []
        if (update := _update(cell, name)) is not None:
            states.append(name)
            several = [case for case in cases if len(told.steps[case.row]) > 1]
            pairs = ((case, _left(told, rules[name], case, len(rules) > 1)) for case in several if name in rules)
            left = {case: text for case, text in pairs if text is not None}
            found = [("left", text) for text in left.values()]
            found += _went(told, name, *update, [case for case in cases if case not in left])
        elif (way := _shown_state(cell, name, states)) is not None:
            found = [*_shows(told, name, *way, cases)]
        elif (sources := _sources(cell, name)) is not None:
            found = [*_made(told, name, sources, cases)]
        yield from found or [("value", told.valued(name, cases))]


# -- sums of what is kept and what is written --------------------------------------------------------------------------


def _added(told: Described, parts: Terms, case: Case, t: int, name: str) -> Num | None:
    """The sum of some terms of a line; None if one was not recorded."""
    if any(isinstance(term, str) and told.values(term) is None for _, term in parts):
        return None
    if len(parts) == 1 and parts[0][0] > 0 and isinstance(parts[0][1], str):
        return told.num(parts[0][1], case, t)
    values = [sign * (told.value(o, case, t) if isinstance(o, str) else o) for sign, o in parts]
    return told.shown.num(math.fsum(values) if all(map(math.isfinite, values)) else math.nan, name)


def _update(cell: Cell, name: str) -> tuple[str, Terms, Terms] | None:
    """The state that a line, carried or not, adds to, and which of its terms are kept and which are written."""
    line = cell.by_name[name]
    if line.op == "clip":
        line = cell.by_name.get(str(line.operands[0]), line)
    for state in sorted(cell.states, key=lambda state: cell.states[state] != name) if line.op == "add" else ():
        keeps, writes = terms(cell, line, state)
        if keeps and writes:
            others = {term for _, term in writes}
            kept = ((sign, o) for sign, o in zip(line.constants, line.operands, strict=True) if o not in others)
            return state, tuple(kept), writes
    return None


def _went(told: Described, name: str, state: str, kept: Terms, written: Terms, cases: Sequence[Case]) -> Iterator[Said]:
    """How the state of some cases changed in their last step, if its terms add up to the change."""
    moves: list[tuple[Case, Num, Num, Text]] = []
    for case in cases:
        t = told.steps[case.row][-1]
        parts = [_added(told, part, case, t, name) for part in (kept, written)]
        there = [part for part in parts if part is not None]
        new = told.num(name, case, t)
        if len(there) < 2 or told.values(state) is None or not _adds_up(told, new.value, [x.value for x in there]):
            return
        aside = told.aside("parts", kept=there[0], written=there[1])
        moves.append((case, told.num(state, case, t), new, aside))
    if not moves:
        return
    texts: list[tuple[Case, Text, Text]] = [(case, (new,), ()) for case, _, new, _ in moves]
    key = "new" if all(old.value == 0 for _, old, _, _ in moves) else "went"
    if key == "went":
        texts = [(case, told.words.text("move", old=old, new=new), aside) for case, old, new, aside in moves]
    yield "went", told.at_the_end(key, name, texts)


def _adds_up(told: Described, value: Any, parts: Sequence[Any]) -> bool:
    off = _OFF if told.shown.trace.header.arithmetic is None else _OFF_ROUNDED
    there = [*map(float, parts)]
    return all(map(math.isfinite, there)) and abs(float(value) - math.fsum(there)) <= off * max(map(abs, there))


# -- the ledger --------------------------------------------------------------------------------------------------------


def _left(told: Described, rule: Recurrence, case: Case, named: bool) -> Text | None:
    """The largest part of the last value of a case that an earlier step wrote, or that was there before.

    None if that is unknown, or not what remains: what is written into a state and formed from it may erase some of it.
    named: whether to name the line, as other states have the same units.
    """
    trace, end, line = told.shown.trace, told.steps[case.row][-1], rule.carried
    if rule.rewrites:
        return None
    try:
        found = flow(trace, told.stage, rule, trace.index(end), case.row, case.unit)
    except MissingError:
        return None
    steps = [s for s in found.order if not found.past[s]]
    if found.cut is not None and found.cut[steps].any():  # what a clip cut off belongs to no step
        return None
    start = found.order[0]
    before = found.first * float(found.keep[start]) * found.since[start]
    parts = {s: math.fsum(write.values[s] for write in found.writes) * found.since[s] for s in steps}
    if not _adds_up(told, told.value(line, case, end), [before, *parts.values()]):
        return None
    s = max(steps[:-1], key=lambda at: abs(parts[at]), default=start)
    first = s not in parts or abs(before) > abs(parts[s])
    part = before if first else parts[s]
    t = trace.span[steps[0] if first else s]
    written = told.num(rule.state, case, t) if first else _added(told, rule.writes, case, t, line)
    # a value that a hold puts in is not what the terms wrote, and what remains is not of that
    if part == 0 or written is None or (not first and any(write.put and write.values[s] for write in found.writes)):
        return None
    factors = [float(found.keep[at]) for at in (steps if first else steps[steps.index(s) + 1 :])]
    begin = told.when(t) if first else told.step(t, case.row)
    fields: dict[str, Any] = {"written": written, "left": told.shown.num(part, line), "begin": begin}
    who = told.who(case, line, whole=True)
    fields["who"] = told.words.text("the.of", who=who, line=told.symbol(line)) if named else who
    fields["end"] = told.when(end)
    key = "held" if first else "left"
    if not all(0 <= factor <= 1 for factor in factors):
        key = f"{key}.times"
    elif len(factors) > STEPS:
        key, fields["n"] = f"{key}.many", str(len(factors))
        fields["share"] = told.share(abs(part / written.value), line)
    else:
        shares: list[Text] = [(told.share(factor, line),) for factor in factors]
        fields["shares"] = told.words.listed(shares, mark="then", last="then")
    return told.said(told.sentence(key, **fields))


# -- what shows of a state ---------------------------------------------------------------------------------------------


def _shown_state(cell: Cell, name: str, states: Sequence[str]) -> tuple[str, str, str] | None:
    """The state that `name` is a gate times a function of, unit by unit; that function of it, or itself; the gate."""
    line = cell.by_name[name]
    if line.op == "mul" and len(line.reads) == 2:
        for factor, gate in (line.reads, line.reads[::-1]):
            state = factor if factor in states else _argument(cell.by_name.get(factor))
            if state in states:
                return str(state), factor, gate
    return None


def _argument(line: Line | None) -> str | None:
    """The argument of a line, if it is a function of a single value."""
    if line is None or (not line.call and not OPS[line.op].function):
        return None
    arguments = [a for a in (line.call[1:] if line.call else line.operands) if isinstance(a, str)]
    return arguments[0] if len(arguments) == 1 and (line.call or OPS[line.op].width == "same") else None


def _shows(told: Described, name: str, state: str, factor: str, gate: str, cases: Sequence[Case]) -> Iterator[Said]:
    """How much of a state its output shows at the last step: each value as a share of it, or of a function of it."""
    if told.values(gate) is None:
        return
    line, texts = told.stage.cell.by_name.get(factor), []
    for case in cases:
        t = told.steps[case.row][-1]
        share, whole = told.value(gate, case, t), told.num(state, case, t)
        if not 0 <= share <= 1:  # it is not a part of the state
            return
        of = whole if line is None or factor == state else _applied(line, whole)
        texts.append((case, (told.num(name, case, t),), told.aside("of", share=told.share(share, name), whole=of)))
    yield "shows", told.at_the_end("value", name, texts)


def _applied(line: Line, value: Num) -> Node:
    """The function of a line with a value in place of its argument."""
    if not line.call:
        return call(line, (value,))
    return Call(str(line.call[0]), tuple(value if isinstance(a, str) else number(a) for a in line.call[1:]))


# -- what a line without gates is made of ------------------------------------------------------------------------------


def _sources(cell: Cell, name: str) -> tuple[Terms, ...] | None:
    """The terms that bring the input, the previous states and the biases to a line that is a function of their sum."""
    total = cell.by_name.get(_argument(cell.by_name[name]) or "")
    if total is None or total.op != "add":
        return None
    found: tuple[list[tuple[float, Operand]], ...] = ([], [], [])
    for sign, term in zip(total.constants, total.operands, strict=True):
        names = [term] if isinstance(term, str) else []
        read = {*names, *(n for line in cell.closure(names, carried=False) for n in cell.by_name[line].reads)}
        of_x, of_h = (not read.isdisjoint(names) for names in (cell.inputs, cell.states))
        if of_x and of_h:
            return None
        found[0 if of_x else 1 if of_h else 2].append((sign, term))
    return tuple(map(tuple, found)) if found[0] and found[1] else None


def _made(told: Described, name: str, sources: tuple[Terms, ...], cases: Sequence[Case]) -> Iterator[Said]:
    """What values are made of at the last step: the parts of the input, the previous state and the bias."""
    line, texts = told.stage.cell.by_name[name], []
    for case in cases:
        t = told.steps[case.row][-1]
        brought = [_added(told, part, case, t, str(_argument(line))) for part in sources if part]
        names = {key: n for key, n in zip(("input", "past", "bias"), brought, strict=False) if n and n.shown.finite}
        if len(names) < len(brought):
            return
        aside = told.aside("brought.bias" if len(names) > 2 else "brought", **names)
        texts.append((case, (told.num(name, case, t),), aside))
    function = Fn(str(line.call[0]) if line.call else line.op)
    yield "made", told.at_the_end("brings", name, texts, function=function)
