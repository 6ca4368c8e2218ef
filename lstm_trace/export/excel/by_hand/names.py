"""What stands in words and symbols on the sheet, as reports have it; an index is a text that stands lower."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ....cell.network import Stage
from ....formulas.plain import PLAIN, raised
from ....formulas.printer import Printer
from ....formulas.tree import value
from ....languages.strings import Words, words
from ....printable import printable
from ....trace.labels import axis, labels
from ....trace.trace import Trace
from ....view.view import Naming

#: Texts, and whether each stands lower.
Runs = tuple[tuple[str, bool], ...]

_LOW, _BACK = "\x02", "\x03"  # no text has them: they are made visible wherever a text comes from a file


_PLAIN = replace(PLAIN, minus="−", less=" − ", name=printable)
_LOWERED = replace(
    _PLAIN, scripts=lambda base, sub, sup: base + (f"{_LOW}{sub}{_BACK}" if sub else "") + (raised(sup) if sup else "")
)


@dataclass(frozen=True)
class SheetNames(Naming):
    """The names of the places and values of a trace, in English as the rest of the workbook."""

    trace: Trace
    words: Words

    def symbol(self, stage: Stage, name: str, t: int | None = None) -> Runs:
        """The symbol of a value, at a step with the index of that, or what it computes where it has no name."""
        node = value(name, stage.cell)
        node = node if t is None else self.at(stage, t, node)
        found: list[tuple[str, bool]] = []
        depth = 0  # an index within an index stands with it
        for part in re.split(f"([{_LOW}{_BACK}])", Printer(self.trace.header.symbols, _LOWERED)(node)):
            if part in (_LOW, _BACK):
                depth += 1 if part == _LOW else -1
            elif part:
                found.append((part, depth > 0))
        return tuple(found)

    def text(self, stage: Stage, name: str) -> str:
        """The symbol where no index can stand lower: `h_t`."""
        return Printer(self.trace.header.symbols, _PLAIN)(value(name, stage.cell))

    def title(self, name: str) -> str:
        """A line in words; empty where there are none."""
        key = f"{self.trace.header.kind}.{name}"
        return self.words.word(key) if self.words.has(key) else ""

    def entries(self, stage: Stage, name: str, width: int) -> list[str]:
        """The labels of a value's units, or their numbers where the problem has none for this width."""
        found = labels(self.trace, axis(self.trace, stage, name), width)
        return list(found) or [f"[{self.words.nth(j)}]" for j in range(width)]

    def one(self, j: int, width: int) -> str:
        """A hidden unit by its label, or in words."""
        found = labels(self.trace, "h", width)
        return found[j] if found else self.unit(j, width)


def names(trace: Trace) -> SheetNames:
    """The names of a trace."""
    return SheetNames(trace, words("en", trace.header.count_from))


def begun(text: str) -> str:
    """A text with a capital at its start."""
    return text[:1].upper() + text[1:]


def plain(text: Runs) -> str:
    """The text alone."""
    return "".join(part for part, _ in text)
