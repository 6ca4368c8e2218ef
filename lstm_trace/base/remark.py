"""What a room has found and people read as a sentence: facts, which a language says only where they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..languages.strings import Words

#: So many of several parts of a sentence are named; the rest is counted.
NAMED = 5


class Remark(NamedTuple):
    """A finding. key: which sentence of `languages/` says it; fields: what stands in that sentence.

    A field is a number, a text that is the same in every language, a remark, or several texts or remarks. A sentence
    that counts something has that as its field n.
    """

    key: str
    fields: Mapping[str, Any] = {}  # a proxy could not be pickled

    def said(self, words: Words) -> str:
        """The sentence in a language."""
        fields: dict[str, Any] = {"n": 0}
        for name, value in self.fields.items():
            fields[name] = words.address(value) if name == "address" else in_words(value, words)
        return words.count(self.key, **fields)


def in_words(field: Any, words: Words) -> Any:
    """A field of a remark as it stands in the sentence."""
    if isinstance(field, Remark):
        return field.said(words)
    if type(field) is tuple:  # and not an address, which is a text of its own
        return words.some([in_words(one, words) for one in field], NAMED, words.word("list"))
    return field
