"""The strings of a report in one language, with fields replaced by numbers, symbols and texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ..base.packaged import packaged
from ..errors import require_known
from ..trace.address import Address
from ..trace.labels import counted_address
from . import languages

if TYPE_CHECKING:
    from ..documents.blocks import Inline, Text
    from ..trace.trace import Trace


@dataclass(frozen=True)
class Words:
    """The strings of one language.

    count_from: the number of the first step, unit and layer. address: how a person reads an address.
    """

    language: str
    table: dict[str, str]
    count_from: int = 0
    address: Callable[[object], str] = str

    def nth(self, place: int) -> int:
        """The displayed number of a step, unit, row or layer, given its index."""
        return place + self.count_from

    def span(self, places: range) -> str:
        """The displayed first and last of some indices: `5–9`; a single one by its number."""
        return "–".join(dict.fromkeys(str(self.nth(places[k])) for k in (0, -1)))

    def has(self, key: str) -> bool:
        """Whether there is a string for `key`."""
        return key in self.table

    def text(self, key: str, **fields: Inline | Text) -> Text:
        """The string of `key`, with its fields replaced by formulas and texts."""
        parts: list[Inline] = []
        for at, piece in enumerate(re.split(r"\{(\w+)\}", self.table[key])):
            if at % 2 == 0:
                parts += [piece] if piece else []
            else:
                field = fields[piece]
                parts += field if isinstance(field, tuple) else [field]
        return tuple(parts)

    def word(self, key: str, **fields: object) -> str:
        """The string of `key` if every field is text, a number or an address."""
        said = {name: self.address(field) if isinstance(field, Address) else field for name, field in fields.items()}
        return self.table[key].format(**said)

    def count(self, key: str, n: int, **fields: object) -> str:
        """The string for n things, with a separate form for one."""
        return self.word(f"{key}.1" if n == 1 and self.has(f"{key}.1") else key, **{"n": self.number(n), **fields})

    def number(self, n: int) -> str:
        """A number of things, its thousands separated as is usual in the language."""
        return f"{n:,}".replace(",", self.table["thousands"][1])

    def labelled(self, text: str) -> str:
        """A text to be followed by a colon, with the space that the language puts before it."""
        return self.word("label", what=text)[:-1]

    def aside(self, text: str) -> str:
        """A text in brackets, to follow another; empty if the text is empty."""
        return self.word("aside", text=text) if text else ""

    def comma_list(self, *parts: str) -> str:
        """The nonempty parts, separated by commas."""
        return self.word("list").join(filter(None, parts))

    def some(self, names: Sequence[str], most: int, mark: str = ", ") -> str:
        """The first names, and how many more there are."""
        more = self.word("some.more", n=self.number(len(names) - most)) if len(names) > most else ""
        return mark.join(names[:most]) + more

    def sentence(self, text: Text) -> Text:
        """The text with an initial capital and a full stop."""
        return (*capital(text), self.table["stop"])

    def listed(self, texts: list[Text], mark: str = "list", last: str = "and") -> Text:
        """Texts as an enumeration, with commas and an 'and' before the last."""
        parts: list[Inline] = []
        for at, text in enumerate(texts):
            if at:
                parts.append(self.table[last if at == len(texts) - 1 else mark])
            parts += text
        return tuple(parts)


def words(language: str | None = None, count_from: int = 0) -> Words:
    """The strings of a language, English if None; missing ones are taken from English. count_from: see `Words`.

    Raises OptionError for a language without a file.
    """
    return _words(language or "en", count_from)


@cache
def _words(language: str, count_from: int) -> Words:
    require_known("language", language, languages(), "expected")
    return Words(language, {**_table("en"), **_table(language)}, count_from)


def words_for(trace: Trace | None, language: str | None = None) -> Words:
    """The strings of a language, that of the problem if None, for a result about a trace: they count, and write
    addresses, as its problem does.
    """
    if trace is None:
        return words(language)
    found = words(language or trace.header.language, trace.header.count_from)
    return replace(found, address=partial(counted_address, trace))


@cache
def _table(language: str) -> Any:
    return packaged(f"languages/{language}.toml")


def page_texts(language: str) -> dict[str, dict[str, str]]:
    """The texts of the service's page in one language, by tab and key.

    They are in separate files, since reports need none of them and TOML is slow to read; texts shared with reports
    (`page/shared.toml`) are taken from there. Those of a tab `values` say what a number is.
    """
    own, shared = _table(f"page/{language}"), _table("page/shared")
    report = words(language).table
    return {
        tab: {**own[tab], **{key: report[key_there] for key, key_there in shared.get(tab, {}).items()}} for tab in own
    } | {"values": number_texts(language)}


#: The strings of places, and of what a number is for.
_OF_NUMBERS = re.compile(
    r"(about|cell|direction|lstm|slstm|gru|rnn)\..*|share(\.\w+)?|(unit|entry|output)(\.named)?|unit\.matrix|step(\.named)?"
    r"|diagram(\.next|\.out)?|layer|place|row|list|aside|stop(\.next)?"
)


def number_texts(language: str) -> dict[str, str]:
    """The strings of a report that a page needs for a run that it computes itself, by key; `the.…` only for gates.

    >>> number_texts("de")["about.input"], number_texts("en").keys() == number_texts("de").keys()
    ('eine Eingabe: gegeben, nicht berechnet', True)
    """
    table = words(language).table

    def needed(key: str) -> bool:
        gate = key.startswith("the.") and f"did{key.removeprefix('the')}" in table
        return gate or _OF_NUMBERS.fullmatch(key) is not None

    return {key: text for key, text in table.items() if needed(key)}


def capital(text: Text) -> Text:
    """The text with an initial capital."""
    first = next((at for at, part in enumerate(text) if part != ""), 0)
    return tuple(
        part[:1].upper() + part[1:] if at == first and isinstance(part, str) else part for at, part in enumerate(text)
    )
