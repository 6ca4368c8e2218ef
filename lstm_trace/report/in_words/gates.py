"""What every gate did, and what a readout shows: what a softmax predicts, or its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...cell.lines import Cell, Operand
from ...cell.network import Stage
from ...documents.blocks import Text
from ...explanation.memory import recurrences
from ...trace.labels import hidden, readout
from ...view.line_groups import gated, multiplied
from .cases import STEPS, Case, CaseCourse, Described

#: How many steps, or equal outputs, are named; of more, only their number is given.
NAMED = 3


class Gate(NamedTuple):
    """A gate of a cell.

    signal: what the gate multiplies. other: what the rest of the gate multiplies, if a sum has
    gate * signal + (1 - gate) * other. keeps: whether the signal is a state, part of which is kept in what is
    carried. writes: gate * signal, if that is written into a state.
    """

    name: str
    signal: str
    other: str | None = None
    keeps: bool = False
    writes: str | None = None


def gates(stage: Stage, named: frozenset[str]) -> Iterator[Gate]:
    """The gates of a stage, in the order of its equations; a gate that is supplied comes first.

    A gate is a value squashed into (0, 1) that multiplies something, a factor of a state in a sum that is carried, or
    a line that a named cell calls a gate (`named`), whatever its activation.
    """
    cell = stage.cell
    kept: dict[str, str] = {}
    written: set[Operand] = set()
    for _, rule in recurrences(stage, cell.states.values()):
        written |= {term for _, term in rule.writes}
        for _, gate in rule.keeps:
            if isinstance(gate, str) and gate.isidentifier() and (gate in cell.by_name or gate in cell.inputs):
                kept.setdefault(gate, rule.state)
    for name in (*cell.inputs, *cell.by_name):
        signal = kept.get(name) or (gated(cell.by_name[name], cell) if name in cell.by_name else None)
        signal = signal or (multiplied(name, cell) if name in named else None)
        if signal is None:
            continue
        if (mixed := _mixed(cell, name)) is not None:
            yield Gate(name, *mixed)
        else:
            product = next((p for p, factor in _factors(cell, name).items() if p in written and factor == signal), None)
            yield Gate(name, signal, keeps=kept.get(name) == signal, writes=product)


def _mixed(cell: Cell, name: str) -> tuple[str, str] | None:
    """(a, b) of a sum of gate * a and (1 - gate) * b."""
    for rest in cell.readers.get(name, ()):
        if rest.assigned or rest.op != "add" or rest.constants != (1.0, -1.0) or rest.operands != (1.0, name):
            continue
        mine, others = _factors(cell, name), _factors(cell, rest.name)
        for product, signal in mine.items():
            for beside, other in others.items():
                both = [r for r in cell.readers.get(product, ()) if r.op == "add" and beside in r.operands]
                if any(all(r.constants[r.operands.index(n)] > 0 for n in (product, beside)) for r in both):
                    return signal, other
    return None


def _factors(cell: Cell, name: str) -> dict[str, str]:
    """The products that `name` is a factor of, each with its other factor."""
    found = {}
    for product in cell.readers.get(name, ()):
        if product.op == "mul" and all(isinstance(operand, str) for operand in product.operands):
            first, second = map(str, product.operands)
            found[product.name] = second if first == name else first
    return found


def gate_sentences(told: Described, named: frozenset[str]) -> Iterator[Text]:
    """What each gate did, as far as it was recorded and chosen, in the cases that are described."""
    for gate in gates(told.stage, named):
        if not told.shown.chosen.has(gate.name) or told.values(gate.name) is None:
            continue
        if cases := [case for case in told.cases(gate.name) if told.is_finite(gate.name, case)]:
            yield _gate(told, gate, cases)


def _gate(told: Described, gate: Gate, cases: Sequence[Case]) -> Text:
    idle, every = _idle(told, gate, cases), {t for case in cases for t in told.steps[case.row]}
    without = len(idle) == len(every)  # no effect at any step
    idle = () if without else idle
    found = [told.course(gate.name, c, [t for t in told.steps[c.row] if t not in idle]) for c in cases]
    courses = [course for course in found if course.steps]
    steps = {t for course in courses for t in course.steps}
    within = all(0 <= value <= 1 for course in courses for value in course.values)

    def text(course: CaseCourse) -> Text:
        if within:
            return told.over_steps(course, lambda value, _: (told.share(value, gate.name),))
        return told.over_steps(course, lambda _, t: (told.num(gate.name, course.case, t),))

    key = "times"
    if within and without:
        key = told.own("idle", gate.name) or "idle"
    elif within:
        general = "did.mixed" if gate.other else "did.kept" if gate.keeps else "did.through"
        key = told.own("did", f"{gate.name}.{gate.signal}", gate.name) or general
    remarks = [_became(told, gate, course) if within and not without else () for course in courses]
    values = told.each(gate.name, [(c.case, text(c), remark) for c, remark in zip(courses, remarks, strict=True)])
    names = {"gate": gate.name, "signal": gate.signal, "other": gate.other or gate.signal}
    fields: dict[str, Any] = {of: told.symbol(name, steps) for of, name in names.items()}
    fields |= {"subject": told.gate(gate.name, steps), "shares": values, "factors": values}
    first = told.sentence(key, **fields)
    if not idle:
        return told.said(first)
    some = told.words.word("when.some", n=len(idle))
    if len(idle) <= NAMED:
        listed = told.words.listed([(told.words.word("when", step=told.when(t)),) for t in idle])
        some = "".join(map(str, listed))
    rest = told.own("rest", gate.name) or "rest"
    return told.said(first, told.sentence(rest, steps=some, signal=told.symbol(gate.signal, idle)))


def _idle(told: Described, gate: Gate, cases: Sequence[Case]) -> tuple[int, ...]:
    """The steps at which the signal of a gate is zero in every case."""
    if gate.other is not None or told.values(gate.signal) is None:
        return ()
    zero: dict[int, bool] = {}
    for case in cases:
        course = told.course(gate.signal, case, told.steps[case.row])
        for t, value in zip(course.steps, course.values, strict=True):
            zero[t] = zero.get(t, True) and value == 0
    return tuple(t for t, is_zero in zero.items() if is_zero)


def _became(told: Described, gate: Gate, course: CaseCourse) -> Text:
    """At a single step, for what is written into a state: its value before the gate and after it."""
    names = gate.signal, gate.writes or ""
    if not gate.writes or len(told.window) > 1 or any(told.values(name) is None for name in names):
        return ()
    before, behind = (told.num(name, course.case, course.steps[0]) for name in names)
    return told.aside("becomes", before=before, after=behind)


# -- readouts ----------------------------------------------------------------------------------------------------------

#: Functions whose arguments are worth stating besides their values.
_LOSSES = ("squared_error", "cross_entropy")


def readout_sentences(told: Described, others: Sequence[str] = ()) -> Iterator[tuple[str, Text]]:
    """What each readout shows, as far as it was recorded and chosen, and whether it `predicts` or is only a `value`.

    others: lines that are described as states.
    """
    for name in _described(told):
        if name in others or told.values(name) is None or not told.shown.chosen.has(name):
            continue
        if softmax(told.stage.cell, name) and told.width(name) > 1:
            guesses = dict(_guesses(told, name))
            if guesses:
                line = told.symbol(name, {t for _, t in guesses})
                texts = told.one_by_one([*guesses.values()])
                yield "predicts", told.said(told.sentence("predicts", line=line, guesses=texts))
        elif cases := [case for case in told.cases(name) if told.is_finite(name, case)]:
            yield "value", told.valued(name, cases, STEPS)


def _described(told: Described) -> Iterator[str]:
    """The named lines of the readout that are described: those that were asked for, softmaxes, losses and ends."""
    stage, cell = told.stage, told.stage.cell
    inner, units = hidden(cell), readout(cell)
    asked = {address.line for address in told.shown.asked if address.scope == stage.scope}
    arguments = {a for line in cell.lines if line.call and line.call[0] in _LOSSES for a in line.call[1:]}
    told_of = {*asked, *arguments}
    there = (x for x in cell.lines if x.assigned and x.name not in inner and stage.unpadded(x.name) == x.name)
    wanted = [x.name for x in there if x.name in told_of or softmax(cell, x.name) or not cell.readers.get(x.name)]
    scores = {n for name in wanted if softmax(cell, name) for n in cell.closure([name], carried=False)} - {*asked}
    for name in wanted:
        if (name in units or told.width(name) == 1) and (name not in scores or softmax(cell, name)):
            yield name


def softmax(cell: Cell, name: str) -> bool:
    """Whether a line is the exp of something divided by its sum, however it is written."""
    line = cell.by_name[name]
    if line.op != "div" or not all(operand in cell.by_name for operand in line.operands):
        return False
    over, under = (cell.by_name[str(operand)] for operand in line.operands)
    while under.op == "copy":
        under = cell.by_name[str(under.operands[0])]
    return over.op == "exp" and under.op == "sum" and under.operands == (over.name,)


def _guesses(told: Described, name: str) -> Iterator[tuple[tuple[int, int], Text]]:
    """By row and step what is predicted, at the last step if there are many; nothing for a chosen unit.

    The prediction is the output with the largest probability, or several that are equal.
    """
    values = told.values(name)
    if values is None or told.shown.chosen.unit is not None:
        return
    several = sum(len(told.steps[b]) for b in told.rows) > told.most
    for b in told.rows:
        for t in told.steps[b][-1:] if several else told.steps[b]:
            here = values[told.shown.trace.index(t), b]
            if not np.isfinite(here).all():
                continue
            most = str(told.num(name, Case(int(here.argmax()), b), t).shown)  # printed alike counts as equal
            near = np.flatnonzero(np.isclose(here, here.max(), rtol=0.1)).tolist()
            alike = [j for j in near if str(told.num(name, Case(j, b), t).shown) == most]
            yield (b, t), _guess(told, name, b, t, alike, told.share(float(here.max()), name))


def _guess(told: Described, line: str, b: int, t: int, outputs: Sequence[int], share: str) -> Text:
    words = told.words
    if len(outputs) > NAMED:
        text = words.text("guess.many", n=str(len(outputs)), share=share)
    else:
        named: list[Text] = [(told.unit(line, j),) for j in outputs]
        text = words.text("guess" if len(named) == 1 else "guess.alike", outputs=words.listed(named), share=share)
    after = ".after" if told.shown.trace.span != range(1) else ""
    key = f"guess{after}{'.row' if len(told.rows) > 1 else ''}"
    return text if key == "guess" else words.text(key, what=text, row=told.shown.row(b), step=told.step(t, b))
