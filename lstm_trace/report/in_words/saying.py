"""What sentences are made of: shares, courses over the steps, lists of units, the strings of a language's file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...documents.blocks import Code, Text
from ...formulas import numbers
from ...formulas.plain import Plain
from ...languages.strings import Words, capital
from .cases import STEPS, Case, Course, Told


class Saying:
    """Says what is described of one stage."""

    def __init__(self, told: Told) -> None:
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

    def over_steps(self, course: Course, text: Callable[[float, int], Text]) -> Text:
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
