"""A long table: a document shows the rows that matter, a file has all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array, word
from ..base.display import visible
from ..formulas.tree import Num
from ..languages.strings import Words
from .blocks import Block, Para, Table, Text, marked
from .excerpt import excerpt
from .rows import STEP_LABEL, UNIT_LABEL, Entries, RowStyle

if TYPE_CHECKING:
    import pandas as pd

#: Maximum number of rows of a long table in a document.
SHOWN = 40
#: Columns whose cells are clear without the column's name.
SPEAKING = ("address", "block", "source", "direction")
#: The first cell of a line that represents rows left out.
DOTS = "⋮"


@dataclass(frozen=True)
class LongTable:
    """A table with any number of rows, which are tuples of numbers, text or None, or are read from arrays.

    columns: their names. shown: the columns shown in a document; all if empty. notes: text below it, where names in
    backquotes are columns. heading: if it is one of several.

    Selection of rows if there are many: ranked: the columns whose magnitudes decide; the first is named in the note
    about the others. timed: whether the rows run over time. adds: whether the values of `ranked` can be added.
    bounds: by column the largest number that is shown; larger ones become `> 430`. said: by column a function that
    makes the text of a value in a document, in its language; files have the values unchanged.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    heading: str = ""
    shown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ranked: tuple[str, ...] = ()
    timed: bool = False
    adds: bool = True
    bounds: Mapping[str, float] = field(default_factory=dict)
    said: Mapping[str, Callable[[Any, Words], Any]] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The notes and the rows as plain data."""
        rows = [{k: word(v) for k, v in zip(self.columns, row, strict=True)} for row in self.rows]
        return {"notes": self.notes, "rows": rows}

    def to_frame(self) -> pd.DataFrame:
        """All rows as a pandas frame."""
        import pandas as pd

        if isinstance(self.rows, Entries):
            return self.rows.frame()
        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def blocks(self, words: Words, digits: int = 6, most: int = SHOWN, complete: str = "rows.all") -> Iterator[Block]:
        """At most `most` rows, and a note on what was left out; only the notes if there are none.

        digits: significant digits of its numbers. complete: key of the sentence that names the files with all rows.
        """
        if not self.rows:
            yield from (Para(marked(note)) for note in self.notes)
            return
        names, lines, left = self.excerpt(words, most)
        whole = [line for line in lines if line[0] != DOTS]
        numeric = {k for k in range(len(names)) if all(isinstance(line[k], int | float | Num | None) for line in whole)}
        texts = frozenset(k for k, name in enumerate(names) if name not in self.bounds and k not in numeric)
        rows = tuple(tuple(_text(value, digits) for value in line) for line in lines)
        yield Table(tuple((heading(name, words),) for name in names), rows, 1, texts)
        if left:
            yield Para((f"{left}{words.word('stop')} {words.word(complete)}",))
        yield from (Para(marked(note)) for note in self.notes)

    def excerpt(self, words: Words, most: int) -> tuple[list[str], list[list[Any]], str]:
        """The shown columns, rows of their values in at most `most` lines, and a note on what was left out.

        If values can be added, a gap has a line with their sums.
        """
        names = self.shown or self.columns
        ranked = {name: self._column(name) for name in self.ranked}
        sizes = np.max(np.abs([*ranked.values()]), axis=0) if ranked else np.ones(len(self.rows))
        entries = excerpt(sizes, most, self.timed, self.adds and bool(ranked))
        places = [self.columns.index(name) for name in names]
        rows = iter(self._take([entry for entry in entries if isinstance(entry, int)]))
        lines: list[list[Any]] = []
        for entry in entries:
            if isinstance(entry, int):
                row = next(rows)
                lines.append([self._seen(name, row[k], words) for name, k in zip(names, places, strict=True)])
            elif self.adds and ranked:
                sums = {name: float(column[entry.start : entry.stop].sum()) for name, column in ranked.items()}
                lines.append([self._seen(name, sums.get(name), words) if at else DOTS for at, name in enumerate(names)])
        return list(names), lines, self._left(words, ranked, [one for one in entries if isinstance(one, range)])

    def texts(self, style: RowStyle) -> Iterator[str]:
        """All rows as text, some at a time."""
        if isinstance(self.rows, Entries):
            yield from self.rows.texts(style)
        else:
            for row in self.rows:
                yield style.row(self.columns, [style.cell(value) for value in row])

    def _seen(self, name: str, value: Any, words: Words) -> Any:
        """A value as shown in a table: a label made visible, a number beyond its bound as such."""
        if name in self.said and value is not None:
            return self.said[name](value, words)
        if name in self.bounds and value is not None and value > self.bounds[name]:
            return f"> {self.bounds[name]:g}"
        return visible(value) if name in (STEP_LABEL, UNIT_LABEL) and isinstance(value, str) else value

    def _take(self, places: Sequence[int]) -> list[tuple[Any, ...]]:
        """The rows at some places, in ascending order."""
        return self.rows.take(places) if isinstance(self.rows, Entries) else [self.rows[at] for at in places]

    def _column(self, name: str) -> Array:
        if isinstance(self.rows, Entries):
            return self.rows.numbers(name)
        place = self.columns.index(name)
        return np.array([row[place] or 0.0 for row in self.rows], np.float64)

    def _left(self, words: Words, ranked: dict[str, Array], gaps: Sequence[range]) -> str:
        """The note on the rows in the gaps: how many, how large, and where the largest is."""
        if not gaps:
            return ""
        count = words.number(sum(map(len, gaps)))
        if not ranked:
            return words.word("rows.left.first", n=count)
        gone = {name: np.concatenate([column[g.start : g.stop] for g in gaps]) for name, column in ranked.items()}
        name, column = next(iter(gone.items()))
        if self.adds:
            sizes, total = np.abs(column), f"{float(column.sum()) + 0.0:.3g}"
            more = {"name": heading(name, words), "total": total}
        else:
            sizes = np.max(np.abs([*gone.values()]), axis=0)
            more = {"names": words.word("or").join(heading(name, words) for name in ranked)}
        told = words.word("rows.left.sum" if self.adds else "rows.left", n=count, most=f"{sizes.max():.3g}", **more)
        return told + self._where(words, gaps, sizes)

    def _where(self, words: Words, gaps: Sequence[range], sizes: Array) -> str:
        """The largest of the rows in the gaps by name: `(line f_t, unit 3)`; empty if all are 0."""
        at = int(np.argmax(sizes))
        if sizes[at] == 0:
            return ""
        row = self._take([next(islice(chain(*gaps), at, None))])[0]
        names = self.shown or self.columns
        names = names[: names.index(self.ranked[0])]
        cells = [(name, self._seen(name, row[self.columns.index(name)], words)) for name in names]
        said = ((name, value) for name, value in cells if isinstance(value, int | str))
        texts = (str(value) if name in SPEAKING else f"{heading(name, words)} {value}" for name, value in said)
        return f" ({', '.join(texts)})"


def heading(column: str, words: Words) -> str:
    """A column's name as shown in a table: in the language's words, or with spaces.

    >>> from lstm_trace.languages.strings import words
    >>> heading("integrated_gradients", words()), heading("gradient_x_input", words()), heading("c_t[3]", words())
    ('integrated gradients', 'gradient × input', 'c_t[3]')
    """
    if words.has(f"column.{column}"):
        return words.word(f"column.{column}")
    return column if column.endswith("]") else column.replace("_", " ")


def _text(value: Any, digits: int) -> Text:
    if value is None:
        return ()
    if isinstance(value, Num):
        return (value,)
    return (f"{value + 0.0:.{digits}g}" if isinstance(value, float) else str(value),)  # -0.0 is 0 to a reader
