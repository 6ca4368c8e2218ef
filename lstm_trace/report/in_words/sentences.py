"""The section "In words": facts as sentences, a table from the kind of a fact to what says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ...documents.blocks import Block, Code, Heading, Items, Para, Text
from ...formulas import numbers
from ...formulas.plain import Plain
from ...languages.strings import Words, capital
from ...trace.labels import axis, readout
from ...view.view import View
from .cases import FEW, STEPS, Case, CaseCourse, Described
from .gates import Gate, GateFact, Guess, Predicts, gate_facts, readout_facts
from .states import Is, Left, MadeOf, Moved, Shows, Went, state_facts


class Saying:
    """Says what is described of one stage."""

    def __init__(self, told: Described) -> None:
        self.told, self.words = told, told.shown.words
        self.kind = told.shown.trace.header.kind

    def subject(self, name: str, steps: Iterable[int]) -> Text:
        """What a line is called as the subject of a sentence: `the input gate`, or its symbol (see `Told.symbol`)."""
        key = f"the.{self.kind}.{name}"
        return (self.words.word(key),) if self.words.has(key) else (self.told.symbol(name, steps),)

    def gate(self, name: str, steps: Iterable[int]) -> Text:
        """The same of a gate: `the gate k_t`."""
        found = self.subject(name, steps)
        return found if isinstance(found[0], str) else self.words.text("the.gate", gate=found)

    def own(self, key: str, *names: str) -> str:
        """The key of the sentence for a line of this kind of cell; the general one where there is none."""
        found = (f"{key}.{self.kind}.{name}" for name in names)
        return next((own for own in found if self.words.has(own)), key)

    def share(self, value: float, name: str) -> str:
        """A number between 0 and 1 in percent; none and all only where it is just that."""
        array = self.told.values(name)
        return percent(self.words, value if array is None else array.dtype.type(value))

    def course(self, texts: Sequence[Text]) -> Text:
        """Values over the steps: one, the same at each, or one after the other."""
        if len(texts) > 1 and len({_printed(text) for text in texts}) == 1:
            return self.words.text("course.same", what=texts[0])
        return self.words.listed(list(texts), mark="then", last="then")

    def over_steps(self, course: CaseCourse, text: Callable[[float, int], Text]) -> Text:
        """A course in words; of many steps the least and the most, with their steps."""
        if len(course.steps) <= STEPS:
            return self.course([text(value, t) for value, t in zip(course.values, course.steps, strict=True)])
        places = [course.values.index(end(course.values)) for end in (min, max)]
        least, most = (text(course.values[at], course.steps[at]) for at in places)
        if _printed(least) == _printed(most):
            return self.words.text("course.same", what=least)
        first, second = (self.told.when(course.steps[at]) for at in places)
        return self.words.text("course.range", least=least, most=most, first=first, second=second)

    def cases(self, name: str, texts: Sequence[tuple[Case, Text, Text]]) -> Text:
        """What is said of each case, and a remark on it; cases of which the same is said together."""
        joined: dict[tuple[str, ...], list[Case]] = {}
        for case, text, remark in texts:
            joined.setdefault(_printed(text, remark), []).append(case)
        every = len(joined) == 1 and len(texts) == self.told.width(name) > 1 and len(self.told.every_row) == 1
        key, all_of = ("in.output", "the.every.output") if self.told.axis(name) == "y" else ("in", "the.every")
        found = []
        for _, text, remark in texts:
            those = joined.pop(_printed(text, remark), [])
            who = self.words.word(all_of) if every else self.those(those, name)
            if those:
                found.append((*(self.words.text(key, what=text, who=who) if who else text), *remark))
        return self.list(found)

    def those(self, cases: Sequence[Case], name: str) -> str:
        """Cases in words, one after the other."""
        return "".join(map(str, self.words.listed([(self.told.who(case, name),) for case in cases])))

    def list(self, texts: Sequence[Text]) -> Text:
        """Texts one after the other, parted by semicolons where there are commas in them."""
        comma = self.words.word("list").strip()
        if any(comma in part for text in texts for part in text if isinstance(part, str)):
            return self.words.listed(list(texts), mark="semicolon", last="semicolon")
        return self.words.listed(list(texts), last="and.two" if len(texts) < 3 else "and.more")

    def aside(self, key: str, **fields: Any) -> Text:
        """A remark in brackets."""
        return self.words.text("aside", text=self.words.text(key, **fields))

    def when(self, steps: Iterable[int]) -> str:
        """When something is so, at one step of each row: empty where there is one step only."""
        found = set(steps)
        if self.told.shown.trace.span == range(1):
            return ""
        return self.words.word("when.last" if len(found) > 1 else "when", step=self.told.when(min(found)))

    def sentence(self, key: str, when: str = "", **fields: Any) -> Text:
        """The sentence of `key`, or of `key.at` where it says when, without the full stop."""
        if when:
            return capital(self.words.text(f"{key}.at", when=when, **fields))
        return capital(self.words.text(key, **fields))


def percent(words: Words, value: Any) -> str:
    """A number between 0 and 1 in percent; none and all only where it is just that.

    >>> from ...languages.strings import words
    >>> percent(words("en"), 0.25), percent(words("en"), 0.001)
    ('25\xa0%', 'less than 1\xa0%')
    """
    sign, n = numbers.percent(value)
    return words.word({"<": "share.little", ">": "share.much", "": "share"}[sign], n=n)


def _printed(*texts: Text) -> tuple[str, ...]:
    """Texts as they are read: numbers that are shown alike are alike."""
    plain = Plain()
    return tuple(str(part) if isinstance(part, str | Code) else plain(part) for text in texts for part in text)


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


def _became(say: Saying, gate: Gate, course: CaseCourse) -> Text:
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


def _made(say: Saying, fact: MadeOf) -> Sentences:
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
    GateFact: _gate, Went: _went, Left: _left, Shows: _shows, MadeOf: _made, Is: _is, Predicts: _predicts,
}  # fmt: skip


#: So many layers and directions are described; of more, the first and the last.
STAGES = 3


def in_words(shown: View) -> Iterator[Block]:
    """The heading, and for each layer and direction a list of sentences."""
    found = [(told, rows) for stage in shown.stages if (rows := _rows(told := Described(shown, stage)))]
    if not found:
        return
    yield Heading(2, shown.said("gates"))
    if len(found) > STAGES:
        yield Para(shown.said("few.stages", n=len(found)))
        found = [found[0], found[-1]]
    for told, rows in found:
        if place := shown.place(told.stage):
            yield Para(capital(shown.said("label", what=place)))
        few = [part for text in _few(told) for part in (*text, " ")]
        if few:
            yield Para(tuple(few[:-1]))
        yield Items(rows)


def _few(told: Described) -> Iterator[Text]:
    """Which units and sequences are described, where that is not all of them."""
    words = told.shown.words
    if len(told.rows) < len(told.every_row):
        key = "few.rows.1" if len(told.rows) == 1 else "few.rows"
        yield words.text(key, rows=str(len(told.every_row)), n=str(len(told.rows)))
    for width, line in told.few.items():
        if width <= FEW:  # they are all there, of fewer sequences
            continue
        key = "few.outputs" if axis(told.shown.trace, told.stage, line) == "y" else "few.units"
        yield words.text(key, few=str(FEW), n=str(width), line=told.symbol(line))


def _rows(told: Described) -> tuple[Text, ...]:
    """What is described of a stage; nothing where that would only be values, which are among the answers."""
    say = Saying(told)
    named = _gated(say)
    carried = _states(say, named)
    found = [*gate_facts(told, named), *state_facts(told, carried), *readout_facts(told, carried)]
    return tuple(said(say, fact) for fact in found) if any(not isinstance(fact, Is) for fact in found) else ()


def remembered(shown: View) -> Iterator[Text]:
    """What is left, at the last chosen step, of what earlier ones wrote: a sentence for each unit that is described."""
    for stage in shown.stages:
        say = Saying(told := Described(shown, stage))
        found = state_facts(told, _states(say, _gated(say)))
        yield from (said(say, fact) for fact in found if isinstance(fact, Left))


def _gated(say: Saying) -> frozenset[str]:
    """The lines and inputs of which the cell says what they did."""
    cell = say.told.stage.cell
    return frozenset(name for name in (*cell.by_name, *cell.inputs) if say.words.has(f"did.{say.kind}.{name}"))


def _states(say: Saying, gated: frozenset[str]) -> Sequence[str]:
    """The states that are described, in computing order: of a named cell those that it names, of another all."""
    stage, cell = say.told.stage, say.told.stage.cell
    if not cell.carry:
        return ()
    found = {cell.output, *(line for _, line in cell.carry)}
    padded = [cell.by_name[name] for name in found & cell.by_name.keys() if stage.unpadded(name) != name]
    found |= set(map(stage.unpadded, found))
    if gated or say.words.has(f"the.{say.kind}.{cell.output}"):
        found = {line.name for line in cell.lines if say.words.has(f"the.{say.kind}.{line.name}")} - gated
    there = [line for line in cell.lines if line.assigned and line not in padded and line.name in found]
    return [line.name for line in there if line.name not in readout(cell)]
