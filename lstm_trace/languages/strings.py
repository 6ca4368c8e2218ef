"""The strings of a report in one language, with numbers, symbols and texts in place of their fields."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, nearest
from . import languages

if TYPE_CHECKING:
    from ..documents.blocks import Inline, Text


@dataclass(frozen=True)
class Words:
    """The strings of one language. count_from: from which number steps, units and layers are counted."""

    language: str
    table: dict[str, str]
    count_from: int = 0

    def nth(self, place: int) -> int:
        """The number of the step, unit, row or layer at a place, as it is counted."""
        return place + self.count_from

    def span(self, places: range) -> str:
        """The first and the last of some places, as they are counted: `5–9`; one by its number."""
        return "–".join(dict.fromkeys(str(self.nth(places[k])) for k in (0, -1)))

    def has(self, key: str) -> bool:
        """Whether there is a string for `key`."""
        return key in self.table

    def text(self, key: str, **fields: Inline | Text) -> Text:
        """The string of `key` with formulas and texts in place of its fields."""
        parts: list[Inline] = []
        for at, piece in enumerate(re.split(r"\{(\w+)\}", self.table[key])):
            if at % 2 == 0:
                parts += [piece] if piece else []
            else:
                field = fields[piece]
                parts += field if isinstance(field, tuple) else [field]
        return tuple(parts)

    def word(self, key: str, **fields: object) -> str:
        """The string of `key` where every field is text or a number."""
        return self.table[key].format(**fields)

    def count(self, key: str, n: int, **fields: object) -> str:
        """The string for n things, with a form of its own for one."""
        return self.word(f"{key}.1" if n == 1 and self.has(f"{key}.1") else key, **{"n": n, **fields})

    def labelled(self, text: str) -> str:
        """A text that a colon follows, with the space that the language has before one."""
        return self.word("label", what=text)[:-1]

    def aside(self, text: str) -> str:
        """A text in brackets, to follow another; nothing where it is empty."""
        return self.word("aside", text=text) if text else ""

    def comma_list(self, *parts: str) -> str:
        """The parts that say something, one after the other."""
        return self.word("list").join(filter(None, parts))

    def some(self, names: Sequence[str], most: int, mark: str = ", ") -> str:
        """The first of some names, and how many more there are."""
        more = self.word("some.more", n=len(names) - most) if len(names) > most else ""
        return mark.join(names[:most]) + more

    def sentence(self, text: Text) -> Text:
        """The text with a capital at its start and a full stop at its end."""
        return (*capital(text), self.table["stop"])

    def listed(self, texts: list[Text], mark: str = "list", last: str = "and") -> Text:
        """Texts one after the other, with commas and an 'and' before the last."""
        parts: list[Inline] = []
        for at, text in enumerate(texts):
            if at:
                parts.append(self.table[last if at == len(texts) - 1 else mark])
            parts += text
        return tuple(parts)


@cache
def words(language: str = "en", count_from: int = 0) -> Words:
    """The strings of a language; those that it has not are the English ones. count_from: see `Words`.

    Raises OptionError for a language that has no file.
    """
    if language not in (known := languages()):
        raise OptionError(f"there is no language {language!r}{nearest(language, known, 'expected')}")
    return Words(language, {**_table("en"), **_table(language)}, count_from)


@cache
def _table(language: str) -> Any:
    return tomllib.loads((files(__package__) / f"{language}.toml").read_text(encoding="utf-8"))


def page_texts(language: str) -> dict[str, dict[str, str]]:
    """The texts of the service's page in one language, by tab and key.

    They have files of their own, since reports need none of them and TOML takes long to read; what a report says in the
    same words (`page/shared.toml`) comes from there.
    """
    own, shared = _table(f"page/{language}"), _table("page/shared")
    report = words(language).table
    return {
        tab: {**own[tab], **{key: report[key_there] for key, key_there in shared.get(tab, {}).items()}} for tab in own
    }


def capital(text: Text) -> Text:
    """The text with a capital at its start."""
    first = next((at for at, part in enumerate(text) if part != ""), 0)
    return tuple(
        part[:1].upper() + part[1:] if at == first and isinstance(part, str) else part for at, part in enumerate(text)
    )
