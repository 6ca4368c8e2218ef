"""What stands in the tables of a profile: units by their addresses, tokens, shares and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan

from ...base.text.visible import visible
from ...explanation.profile import Profile, StageProfile
from ...formulas.blocks import Code, Table, Text
from ...formulas.numbers import percent
from ...formulas.tree import Num
from ...trace.address import Address
from ...trace.labels import axis, labels, step_labels
from ...view.view import View

#: So many names stand in a list; a token takes so many columns.
NAMED, TOKEN = 8, 12
EMPTY: Text = ("",)


@dataclass(frozen=True)
class Cells:
    """The cells of the tables of one profile."""

    shown: View
    found: Profile

    def table(self, columns: Sequence[str | Code], rows: Sequence[tuple[Text, ...]]) -> Table:
        """Rows below headings, the columns left out in which nothing stands.

        Args:
            columns: keys of the headings, below `profile.column`; code stands as it is.
            rows: the cells.
        """
        kept = [k for k in range(len(columns)) if any(row[k] != EMPTY for row in rows)]
        heads = (columns[k] for k in kept)
        head = tuple((x if isinstance(x, Code) else self.shown.words.word(f"profile.column.{x}"),) for x in heads)
        return Table(head, tuple(tuple(row[k] for k in kept) for row in rows))

    def number(self, value: float) -> Text:
        """A number; nothing for one that is not known."""
        return EMPTY if isnan(value) else (Num(self.shown.values.style.show(value), value),)

    def share(self, value: float) -> str:
        """A share in percent; none and all only where it is just that."""
        if isnan(value):
            return ""
        sign, n = percent(value)
        return sign + self.shown.words.word("profile.share", n=n)

    def half_life(self, steps: float) -> Text:
        """A half-life in steps; of a unit that hardly loses anything, that it is longer than can be told."""
        most = self.found.foreseen
        return (f"> {most}",) if steps > most else self.number(steps)

    def many(self, n: int, all: int) -> Text:
        """So many of all; nothing for none."""
        return (f"{n}/{all}",) if n else EMPTY

    def address(self, line: str, part: StageProfile, t: int | None = None, b: int | None = None) -> Address:
        """The address of a line, without the parts of which the trace has only one.

        Args:
            line: its name.
            part: the layer and direction.
            t: where the step lies in the trace's arrays; all steps if None.
            b: the row of the batch.
        """
        there = self.found.trace.extents(line)
        step = None if t is None else self.found.trace.span[t]
        values = {"layer": part.stage.layer, "direction": part.stage.direction, "t": step, "b": b}
        return Address(line, **{key: value if len(there[key]) > 1 else None for key, value in values.items()})  # type: ignore[arg-type]

    def line(self, line: str, part: StageProfile) -> Text:
        """A line by its address."""
        return (Code(str(self.address(line, part))),)

    def unit(self, line: str, part: StageProfile, j: int, t: int | None = None, b: int | None = None) -> Text:
        """A unit by its address, which other commands take, and its label if it has one."""
        trace = self.found.trace
        name = Code(str(self.address(line, part, t, b)._replace(unit=(j,))))
        named = labels(trace, axis(trace, part.stage, line), trace.lines[part.stage.scope][line].shape[-1])
        return (name, self.shown.words.aside(named[j])) if named else (name,)

    def place(self, part: StageProfile) -> Text:
        """A layer and direction as addresses have them."""
        return (Code(part.stage.scope),)

    def units(self, names: Sequence[Text]) -> Text:
        """A list of names, the first ones of many; that there is none."""
        words = self.shown.words
        if not names:
            return (words.word("profile.none"),)
        most = len(names) if self.shown.everything else NAMED
        rest = [words.text("profile.more", n=str(len(names) - most))] if len(names) > most + 1 else []
        kept = names[:most] if rest else names
        return words.listed([*kept, *rest], last="and" if rest else "list")

    def step(self, t: int, b: int) -> Text:
        """A step by its number and its token, with its row where there are several.

        Args:
            t: where it lies in the trace's arrays.
            b: the row.
        """
        named = step_labels(self.found.trace, b)
        parts = [str(self.shown.words.nth(self.found.trace.span[t]))]
        parts += [self.token(named[t])] if named and named[t] else []
        row = [self.shown.row(b)] if len(self.found.rows) > 1 else []
        return (" ".join(parts), *(self.shown.words.aside(text) for text in row))

    def token(self, label: str) -> str:
        """A token in quotes, on one line and of a length that has room in a table."""
        return self.shown.words.word("profile.token", name=visible(label, TOKEN - 2))

    def tokens(self, found: Iterable[str], most: int = 5) -> str:
        """Some tokens; the first ones of many."""
        every = list(found)
        more = f" … +{len(every) - most}" if len(every) > most else ""
        return " ".join(map(self.token, every[:most])) + more
