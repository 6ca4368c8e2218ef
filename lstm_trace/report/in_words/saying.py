"""Facts as sentences: whole sentences of the language's file, with lists of values in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ...formulas.blocks import Text
from ...formulas.numbers import decimal
from .cases import STEPS, Case, Course, Told
from .gates import GateFact
from .readouts import Predicts
from .states import Is, Left, Made, Shows, Went

#: So many things are listed by name; of more, how many there are.
LISTED = 3


class Saying:
    """Says the facts of one stage."""

    def __init__(self, told: Told) -> None:
        self.told, self.words = told, told.shown.words
        self.kind = told.shown.trace.header.kind

    def __call__(self, fact: Any) -> Text:
        """A fact as one or more sentences."""
        return SAID[type(fact)](self, fact)

    # -- parts of sentences --------------------------------------------------------------------------------------------

    def subject(self, name: str, gate: bool = False) -> Text:
        """What a line is called in the middle of a sentence: `the input gate`, or its symbol."""
        if self.words.has(key := f"the.{self.kind}.{name}"):
            return (self.words.word(key),)
        return self.words.text("the.gate", gate=self.told.symbol(name)) if gate else (self.told.symbol(name),)

    def share(self, value: float, name: str) -> str:
        """A number between 0 and 1 in percent; none and all only where it is just that."""
        if 0 < value < 0.005:
            return self.words.word("share.little")
        if 0.995 < value < 1:
            return self.words.word("share.much")
        array = self.told.values(name)
        exact = decimal(value if array is None else array.dtype.type(value))
        return self.words.word("share", n=(100 * exact).quantize(Decimal(1), ROUND_HALF_UP))

    def course(self, texts: Sequence[Text]) -> Text:
        """Values over the steps: one, the same at each, or one after the other."""
        if len(texts) > 1 and len({tuple(map(str, text)) for text in texts}) == 1:
            return self.words.text("course.same", what=texts[0])
        return self.words.listed(list(texts), mark="then", last="then")

    def over_steps(self, course: Course, text: Callable[[float, int], Text]) -> Text:
        """A course in words; of many steps the least and the most, with their steps."""
        texts = [text(value, t) for value, t in zip(course.values, course.steps, strict=True)]
        if len(texts) <= STEPS:
            return self.course(texts)
        places = [course.values.index(end(course.values)) for end in (min, max)]
        least, most = (texts[at] for at in places)
        if tuple(map(str, least)) == tuple(map(str, most)):
            return self.words.text("course.same", what=least)
        first, second = (self.told.shown.step(course.steps[at]) for at in places)
        return self.words.text("course.range", least=least, most=most, first=first, second=second)

    def cases(self, name: str, texts: Sequence[tuple[Case, Text]], after: Sequence[Text] = ()) -> Text:
        """What is said of each case, with the case; cases of which the same is said together."""
        joined: dict[tuple[str, ...], list[Case]] = {}
        for at, (case, text) in enumerate(texts):
            joined.setdefault((*map(str, text), str(after[at]) if after else ""), []).append(case)
        firsts = {case: (text, after[at] if after else ()) for at, (case, text) in enumerate(texts)}
        every = len(joined) == 1 and len(texts) == self.told.width(name) > 1 and len(self.told.every_row) == 1
        found = []
        for those in joined.values():
            text, more = firsts[those[0]]
            who = self.words.word("the.every") if every else self.those(those, name)
            found.append((*(self.words.text("in", what=text, who=who) if who else text), *more))
        return self.list(found)

    def those(self, cases: Sequence[Case], name: str) -> str:
        """Cases in words, one after the other."""
        return "".join(map(str, self.words.listed([(self.told.who(case, name),) for case in cases])))

    def list(self, texts: Sequence[Text]) -> Text:
        """Texts one after the other, parted by semicolons where there are commas in them."""
        comma = self.words.word("list").strip()
        if any(comma in part for text in texts for part in text if isinstance(part, str)):
            return self.words.listed(list(texts), mark="semicolon", last="semicolon")
        return self.words.listed(list(texts), last="and" if len(texts) < 3 else "and.more")

    def when(self, places: Sequence[tuple[int, int]]) -> str:
        """When something is so, from (step, row): empty where there is one step only."""
        if self.told.shown.trace.steps == 1:
            return ""
        steps = {t for t, _ in places}
        if len(steps) > 1:
            return self.words.word("when.last")
        return self.words.word("when", step=self.told.shown.step(steps.pop()))

    def sentence(self, key: str, when: str = "", **fields: Any) -> Text:
        """The sentence of `key`, or of `key.at` where it says when."""
        if when:
            return self.words.sentence(self.words.text(f"{key}.at", when=when, **fields))
        return self.words.sentence(self.words.text(key, **fields))


# -- gates -------------------------------------------------------------------------------------------------------------


def _gate(say: Saying, fact: GateFact) -> Text:
    gate, words, told = fact.gate, say.words, say.told
    own = f"{say.kind}.{gate.name}"
    signal = told.symbol(gate.signal)
    fields: dict[str, Any] = {"gate": told.symbol(gate.name), "signal": signal}
    if gate.other is not None:
        fields["other"] = told.symbol(gate.other)
    steps = {t for course in fact.courses for t in course.steps}
    without = len(fact.idle) == len(steps)  # it is never of any effect
    active = [course if without else _active(told, fact, course) for course in fact.courses]
    active = [course for course in active if course.steps]
    if all(0 <= value <= 1 for course in active for value in course.values):
        text = [(c.case, say.over_steps(c, lambda v, t: (say.share(v, gate.name),))) for c in active]
        key = f"{own}.idle" if without else own
        fallback = "gate.idle" if without else "gate.mixed" if gate.other else "gate.kept" if gate.keeps else "gate.did"
        keys = [f"{own}.{gate.signal}.did", f"{own}.did"] if not without else [key]
        found = next((k for k in keys if words.has(k)), fallback)
        after = [] if without else _became(say, fact, active)
        fields = {"subject": say.subject(gate.name, True), **fields}
        said = say.sentence(found, shares=say.cases(gate.name, text, after), **fields)
    else:
        numbers = [(c.case, say.over_steps(c, lambda v, t, c=c: (told.num(gate.name, c.case, t),))) for c in active]  # type: ignore[misc]
        subject = say.subject(gate.name, True)
        said = say.sentence("gate.times", subject=subject, signal=signal, factors=say.cases(gate.name, numbers))
    if fact.idle and not without:
        key = f"{own}.rest" if words.has(f"{own}.rest") else "gate.rest"
        said = (*said, words.word("space"), *say.sentence(key, steps=_steps(say, fact.idle), signal=signal))
    return said
