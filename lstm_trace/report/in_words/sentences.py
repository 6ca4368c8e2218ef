"""Facts as sentences: a table from the kind of a fact to what says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...documents.blocks import Text
from .cases import STEPS, Case, Course
from .gates import Gate, GateFact
from .readouts import Guess, Predicts
from .saying import Saying
from .states import Is, Left, Made, Moved, Shows, Went

#: So many steps, or outputs that are equal, are named; of more it is said how many they are.
NAMED = 3
#: A capital at the start, no full stop at the end.
Sentences = tuple[Text, ...]


def said(say: Saying, fact: Any) -> Text:
    """A fact as one or more sentences."""
    parts: list[Any] = []
    for sentence in SAID[type(fact)](say, fact):
        parts += [say.words.word("stop.next")] if parts else []
        parts += sentence
    return (*parts, say.words.word("stop"))


# -- gates -------------------------------------------------------------------------------------------------------------


def _gate(say: Saying, fact: GateFact) -> Sentences:
    gate, told = fact.gate, say.told
    without = len(fact.idle) == len({t for course in fact.courses for t in course.steps})  # no effect at any step
    idle = () if without else fact.idle
    courses = [told.course(gate.name, c.case, [t for t in c.steps if t not in idle]) for c in fact.courses]
    courses = [course for course in courses if course.steps]
    steps = {t for course in courses for t in course.steps}
    fields: dict[str, Any] = {"signal": told.symbol(gate.signal, steps)}
    if not all(0 <= value <= 1 for course in courses for value in course.values):
        numbers = [say.over_steps(c, _number(say, gate.name, c.case)) for c in courses]
        texts: list[tuple[Case, Text, Text]] = [(c.case, n, ()) for c, n in zip(courses, numbers, strict=True)]
        first = say.sentence("times", subject=say.gate(gate.name, steps), factors=say.cases(gate.name, texts), **fields)
    else:
        remarks = [() if without else _became(say, gate, course) for course in courses]
        texts = [
            (c.case, say.over_steps(c, lambda value, _: (say.share(value, gate.name),)), remark)
            for c, remark in zip(courses, remarks, strict=True)
        ]
        key = say.own("idle", gate.name) if without else say.own("did", f"{gate.name}.{gate.signal}", gate.name)
        if key == "did":
            key = "did.mixed" if gate.other else "did.kept" if gate.keeps else "did.through"
            fields["gate"] = told.symbol(gate.name, steps)
        if key == "idle":
            fields["subject"] = say.gate(gate.name, steps)
        if key == "did.mixed":
            fields["other"] = told.symbol(str(gate.other), steps)
        first = say.sentence(key, shares=say.cases(gate.name, texts), **fields)
    if not idle:
        return (first,)
    return first, say.sentence(
        say.own("rest", gate.name), steps=_steps(say, idle), signal=told.symbol(gate.signal, idle)
    )


def _became(say: Saying, gate: Gate, course: Course) -> Text:
    """At a single step, of what is written into a state: what it was before the gate, and what it is behind."""
    told = say.told
    if (
        gate.writes is None
        or len(told.window) > 1
        or told.values(gate.signal) is None
        or told.values(gate.writes) is None
    ):
        return ()
    (t,) = course.steps
    before, behind = (told.num(name, course.case, t) for name in (gate.signal, gate.writes))
    return say.aside("becomes", before=before, after=behind)


def _number(say: Saying, name: str, case: Case) -> Callable[[float, int], Text]:
    return lambda _, t: (say.told.num(name, case, t),)


def _steps(say: Saying, steps: Sequence[int]) -> str:
    """At which steps."""
    if len(steps) > NAMED:
        return say.words.word("when.some", n=len(steps))
    texts: list[Text] = [(say.words.word("when", step=say.told.when(t)),) for t in steps]
    return "".join(map(str, say.words.listed(texts)))


# -- states ------------------------------------------------------------------------------------------------------------


def _went(say: Saying, fact: Went) -> Sentences:
    steps = {move.step for move in fact.moves}
    when = say.when(steps)
    fields: dict[str, Any] = {"subject": say.subject(fact.line, steps)}
    if all(move.old.value == 0 for move in fact.moves):
        values = say.cases(fact.line, [(move.case, (move.new,), ()) for move in fact.moves])
        return (say.sentence("new", when, values=values, **fields),)
    moves = say.cases(fact.line, [_move(say, move) for move in fact.moves])
    return (say.sentence("went", when, moves=moves, **fields),)


def _move(say: Saying, move: Moved) -> tuple[Case, Text, Text]:
    text = say.words.text("move", old=move.old, new=move.new)
    return move.case, text, say.aside("parts", kept=move.kept, written=move.written)


def _left(say: Saying, fact: Left) -> Sentences:
    told, row = say.told, fact.case.row
    fields: dict[str, Any] = {
        "written": fact.written,
        "left": fact.left,
        "who": told.who(fact.case, fact.line, whole=True),
        "begin": told.step(fact.step, row) if not fact.start else told.when(fact.step),
        "end": told.when(fact.end),
    }
    key = "held" if fact.start else "left"
    if not all(0 <= factor <= 1 for factor in fact.factors):
        return (say.sentence(f"{key}.times", **fields),)
    if len(fact.factors) > STEPS:
        share = say.share(abs(fact.left.value / fact.written.value), fact.line)
        return (say.sentence(f"{key}.many", n=str(len(fact.factors)), share=share, **fields),)
    shares: list[Text] = [(say.share(factor, fact.line),) for factor in fact.factors]
    return (say.sentence(key, shares=say.words.listed(shares, mark="then", last="then"), **fields),)


def _shows(say: Saying, fact: Shows) -> Sentences:
    texts, steps = [], {part.step for part in fact.parts}
    for part in fact.parts:
        of = say.aside("of", share=say.share(part.share, fact.line), whole=part.whole)
        texts.append((part.case, (part.part,), of))
    subject, values = say.subject(fact.line, steps), say.cases(fact.line, texts)
    return (say.sentence("value", say.when(steps), subject=subject, values=values),)


def _made(say: Saying, fact: Made) -> Sentences:
    texts = []
    for case, _, value, brought in fact.sources:
        names = dict(zip(("input", "past", "bias"), brought, strict=False))
        texts.append((case, (value,), say.aside("brought.bias" if len(names) > 2 else "brought", **names)))
    steps = {source.step for source in fact.sources}
    fields = {"subject": say.subject(fact.line, steps), "function": fact.function}
    return (say.sentence("brings", say.when(steps), values=say.cases(fact.line, texts), **fields),)


def _is(say: Saying, fact: Is) -> Sentences:
    texts = [(case, say.course([(number,) for number in numbers]), ()) for case, _, numbers in fact.values]
    values = say.cases(fact.line, texts)
    steps = {t for _, there, _ in fact.values for t in there}
    when = say.when(steps) if all(len(there) == 1 for _, there, _ in fact.values) else ""
    return (say.sentence("value", when, subject=say.subject(fact.line, steps), values=values),)


# -- readouts ----------------------------------------------------------------------------------------------------------


def _predicts(say: Saying, fact: Predicts) -> Sentences:
    guesses = say.list([_guess(say, fact.line, guess) for guess in fact.guesses])
    line = say.told.symbol(fact.line, {guess.step for guess in fact.guesses})
    return (say.sentence("predicts", line=line, guesses=guesses),)


def _guess(say: Saying, line: str, guess: Guess) -> Text:
    told, words = say.told, say.words
    share = say.share(guess.share, line)
    if len(guess.outputs) > NAMED:
        text = words.text("guess.many", n=str(len(guess.outputs)), share=share)
    else:
        of, width = told.axis(line), told.width(line)
        the = "the.output" if of == "y" else "the.unit"
        named: list[Text] = [(words.word(the, unit=told.shown.unit(unit, width, of)),) for unit in guess.outputs]
        text = words.text("guess" if len(named) == 1 else "guess.alike", outputs=words.listed(named), share=share)
    rows, steps = len(told.rows) > 1, told.shown.trace.span != range(1)
    if not rows and not steps:
        return text
    key = "guess.after.row" if rows and steps else "guess.after" if steps else "guess.row"
    fields: dict[str, Any] = {"row": told.shown.row(guess.row)} if rows else {}
    if steps:
        fields["step"] = told.step(guess.step, guess.row)
    return words.text(key, what=text, **fields)


SAID: dict[type, Callable[[Saying, Any], Sentences]] = {
    GateFact: _gate, Went: _went, Left: _left, Shows: _shows, Made: _made, Is: _is, Predicts: _predicts,
}  # fmt: skip
