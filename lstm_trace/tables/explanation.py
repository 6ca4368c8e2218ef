"""A table with sentences: the form in which explanations are given, as Markdown, CSV, JSON or a pandas frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import conveniences
from ..base.arrays import Array, word
from ..base.display import cells as columns
from ..base.display import visible
from ..documents import typst
from ..documents.blocks import Block, Heading, Items, Para
from ..documents.excerpt import excerpt
from ..documents.markdown import legible
from ..documents.rows import CSV, JSON, STEP_LABEL, UNIT_LABEL, Entries, RowStyle
from ..errors import OptionError
from ..printable import json_text, printable
from ..report import explained

if TYPE_CHECKING:
    import pandas as pd

    from ..plot.figure import Figure
    from ..trace.trace import Trace

#: File suffix to format.
SUFFIXES = {".md": "md", ".markdown": "md", ".csv": "csv", ".json": "json"}
#: Lines of a table that Markdown shows; CSV and JSON have all.
SHOWN = 40
#: Columns whose cells say by themselves what they are.
SPEAKING = ("address", "block", "source", "direction")
#: The first cell of a line that stands for rows which are left out.
DOTS = "⋮"
#: Headings of columns whose names are no words.
HEADINGS = {"gradient_x_input": "gradient × input", "overshoot": "past the baseline"}


@dataclass(frozen=True)
class Explanation:
    """What was found, in sentences, and the rows that prove it.

    columns: names; rows: tuples of numbers, text or None, in the same order; shown: the columns of the Markdown table,
    all of them if empty. more: other tables of the same finding, before the main one in Markdown, and in JSON.
    heading: of the main table where there are others.

    Which rows of a long table are shown: ranked: the columns whose sizes decide, the first of them told of what is left
    out; timed: whether the rows run over time; adds: whether the values of `ranked` can be added up.

    bounds: of columns of which a table shows no number beyond: `> 430`.

    figure: makes the picture of it.
    """

    title: str
    sentences: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    shown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    more: tuple[Explanation, ...] = ()
    heading: str = "Entries"
    ranked: tuple[str, ...] = ()
    timed: bool = False
    adds: bool = True
    bounds: Mapping[str, float] = field(default_factory=dict)
    figure: Callable[[], Figure] | None = field(default=None, repr=False, compare=False)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        html: str = conveniences.call("explanation.html", self)
        return html

    def picture(self) -> Figure | None:
        """The picture of it, where it has one and there is something to draw."""
        return explained.drawn(self.figure)

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas frame."""
        import pandas as pd

        if isinstance(self.rows, Entries):
            return self.rows.frame()
        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def markdown(self, digits: int = 6, file: str = "") -> str:
        """Title, sentences and the table, long tables shortened; numbers with `digits` significant digits.

        file: what the text calls the file of the picture, which is beside it; the text has none if empty.
        """
        out = [f"# {legible(self.title)}", "", *(f"- {legible(sentence)}" for sentence in self.sentences), ""]
        out += explained.in_markdown(self.figure, file)
        for part in self.more:
            out += [f"## {part.title}", "", *part._table(digits, "json"), ""]
        out += [*([f"## {self.heading}", ""] if self.more else []), *self._table(digits, "csv")]
        return printable("\n".join(out)) + "\n"

    def blocks(self, digits: int = 6) -> Iterator[Block]:
        """Title, sentences, picture and tables, of which long ones are shortened, for a document."""
        yield Heading(1, (self.title,))
        if self.sentences:
            yield Items(tuple((sentence,) for sentence in self.sentences))
        yield from explained.pictured(self.figure)
        for part in self.more:
            yield Heading(2, (part.title,))
            yield from part.table(digits)
        if self.more:
            yield Heading(2, (self.heading,))
        yield from self.table(digits)

    def table(self, digits: int = 6) -> Iterator[Block]:
        """The rows that matter, and what was left out; where there are none, what is said of them."""
        if not self.rows:
            yield from (Para((note,)) for note in self.notes)
            return
        names, lines, left = self.excerpt(SHOWN)
        names = list(map(heading, names))
        rows = [[printable(_text(value, digits)) for value in line] for line in lines]
        more = [f"{left}. A .csv or .json file has every row."] if left else []
        yield from explained.table(names, rows, (*more, *self.notes))

    def excerpt(self, most: int) -> tuple[list[str], list[list[Any]], str]:
        """The columns that are shown, rows of their values in at most `most` lines, and what was left out in words.

        Where values can be added up a gap has a line, with their sums.
        """
        names = self.shown or self.columns
        ranked = {name: self._column(name) for name in self.ranked}
        sizes = np.max([np.abs(column) for column in ranked.values()], axis=0) if ranked else np.zeros(len(self.rows))
        entries = excerpt(sizes, most, self.timed, self.adds)
        places = [self.columns.index(name) for name in names]
        rows = iter(self._take([entry for entry in entries if isinstance(entry, int)]))
        lines: list[list[Any]] = []
        for entry in entries:
            if isinstance(entry, int):
                row = next(rows)
                lines.append([self._seen(name, row[k]) for name, k in zip(names, places, strict=True)])
                continue
            if self.adds:
                sums = {name: float(column[entry.start : entry.stop].sum()) for name, column in ranked.items()}
                lines.append([sums.get(name) if at else DOTS for at, name in enumerate(names)])
        return list(names), lines, self._left(ranked, [entry for entry in entries if isinstance(entry, range)])

    def _seen(self, name: str, value: Any) -> Any:
        """A value as a table has it: of a label what is seen, of a number beyond its bound that it is."""
        if name in self.bounds and value is not None and value > self.bounds[name]:
            return f"> {self.bounds[name]:g}"
        return visible(value) if name == STEP_LABEL and isinstance(value, str) else value

    def _take(self, places: Sequence[int]) -> list[tuple[Any, ...]]:
        """The rows at some places, which rise."""
        return self.rows.take(places) if isinstance(self.rows, Entries) else [self.rows[at] for at in places]

    def _column(self, name: str) -> Array:
        if isinstance(self.rows, Entries):
            return self.rows.numbers(name)
        place = self.columns.index(name)
        return np.array([row[place] or 0.0 for row in self.rows], np.float64)

    def _left(self, ranked: dict[str, Array], gaps: Sequence[range]) -> str:
        """What is said of the rows in the gaps: how many, how large, and where the largest is."""
        if not gaps or not ranked:
            return ""
        gone = {name: np.concatenate([column[g.start : g.stop] for g in gaps]) for name, column in ranked.items()}
        rows = sum(map(len, gaps))
        name, column = next(iter(gone.items()))
        if not self.adds:
            sizes = np.max([np.abs(column) for column in gone.values()], axis=0)
            where = self._where(gaps, sizes)
            return f"{rows:,} rows are left out, none with {' or '.join(ranked)} above {sizes.max():.3g}{where}"
        size = np.abs(column)
        told = f"{name} {float(column.sum()) + 0.0:.3g} in all, at most {size.max():.3g} in size each"
        return f"{rows:,} rows are left out (⋮): {told}{self._where(gaps, size)}"

    def _where(self, gaps: Sequence[range], sizes: Array) -> str:
        """The largest of the rows in the gaps by name: `(line f_t, unit 3)`; nothing where all are 0."""
        at = int(np.argmax(sizes))
        if sizes[at] == 0:
            return ""
        for gap in gaps:
            if at < len(gap):
                break
            at -= len(gap)
        row = self._take([gap[at]])[0]
        names = self.shown or self.columns
        names = names[: names.index(self.ranked[0])]
        cells = [(name, self._seen(name, row[self.columns.index(name)])) for name in names]
        texts = [str(v) if name in SPEAKING else f"{name} {v}" for name, v in cells if isinstance(v, int | str)]
        return f" ({', '.join(texts)})"

    def _table(self, digits: int, complete: str) -> list[str]:
        """complete: the suffix of the file that has every row."""
        if not self.rows:
            return [*self.notes]
        names, lines, left = self.excerpt(SHOWN)
        texts = [list(map(heading, names)), *([legible(_text(value, digits)) for value in line] for line in lines)]
        whole = [line for line in lines if line[0] != DOTS]
        numeric = [
            name in self.bounds or all(isinstance(line[k], int | float | None) for line in whole)
            for k, name in enumerate(names)
        ]
        widths = [max(3, *map(columns, column)) for column in zip(*texts, strict=True)]
        rule = [
            f"{'-' * (wide + 1)}:" if right else "-" * (wide + 2) for wide, right in zip(widths, numeric, strict=True)
        ]
        rows = [
            f"| {' | '.join(_aligned(*cell) for cell in zip(row, widths, numeric, strict=True))} |" for row in texts
        ]
        out = [rows[0], f"|{'|'.join(rule)}|", *rows[1:]]
        out += ["", f"{legible(left)}. `-o FILE.{complete}` has every row."] if left else []
        return out + (["", *self.notes] if self.notes else [])

    def csv(self) -> str:
        """All rows; floats with the digits that read back equal."""
        return self.render("csv")

    def json(self) -> str:
        """`data` as JSON."""
        return self.render("json")

    def data(self) -> dict[str, Any]:
        """Title, sentences and all rows as plain data; NaN and infinities as words."""
        return self._data([{k: word(v) for k, v in zip(self.columns, row, strict=True)} for row in self.rows])

    def _data(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        found = {"title": self.title, "sentences": self.sentences, "notes": self.notes, "rows": rows}
        return found | ({"more": [part.data() for part in self.more]} if self.more else {})

    def pdf(self) -> bytes:
        """The document as a PDF. Raises OptionError without the extra `[pdf]`."""
        return typst.pdf("".join(self.pieces("typ")))

    def pieces(self, form: str, file: str = "") -> Iterator[str]:
        """The text of `render` a piece at a time: of millions of rows no more than some thousand are held.

        file: in Markdown, see `markdown`. Raises OptionError, at once, for a format that there is not.
        """
        forms: dict[str, Callable[[], Iterator[str]]] = {
            "md": lambda: iter([self.markdown(file=file)]),
            "csv": self._csv,
            "json": self._json,
            **dict.fromkeys(explained.FORMATS, lambda: iter([explained.document(self.title, [*self.blocks()], form)])),
        }
        if form not in forms:
            raise OptionError(f"unknown format {form!r}; there are {', '.join(forms)}")
        return forms[form]()

    def render(self, form: str) -> str:
        """`md`, `csv`, `json`, or another format of a document. Raises OptionError where there is none."""
        return "".join(self.pieces(form))

    def _csv(self) -> Iterator[str]:
        yield CSV.row(self.columns, self.columns)
        yield from self._texts(CSV)

    def _json(self) -> Iterator[str]:
        """`data` in the layout of `json_text(…, indent=1)`."""
        before, rows, after = json_text(self._data([]), indent=1).partition('\n "rows": [')
        yield before + rows
        for at, text in enumerate(self._texts(JSON)):
            yield (JSON.between if at else "\n") + text
        yield ("\n " if self.rows else "") + after + "\n"

    def _texts(self, style: RowStyle) -> Iterator[str]:
        """The rows, some at a time."""
        if isinstance(self.rows, Entries):
            yield from self.rows.texts(style)
        else:
            for row in self.rows:
                yield style.row(self.columns, [style.cell(value) for value in row])


def heading(column: str) -> str:
    """A column's name as a table shows it.

    >>> heading("integrated_gradients"), heading("gradient_x_input"), heading("c_t[3]")
    ('integrated gradients', 'gradient × input', 'c_t[3]')
    """
    return HEADINGS.get(column, column if column.endswith("]") else column.replace("_", " "))


def shortest(value: float, trace: Trace | None = None) -> str:
    """The shortest decimal that reads back equal in the trace's dtype, or in float32 where the value is one.

    >>> shortest(0.1), shortest(float(np.float32(0.1))), shortest(1 / 3)
    ('0.1', '0.1', '0.3333333333333333')
    """
    with np.errstate(over="ignore"):
        single = np.float32(value)
    short = float(single) == value if trace is None else trace.header.dtype == "float32" and np.isfinite(single)
    return str(single) if short else repr(value)


def step_named(t: int, label: str | None) -> str:
    """A step by its number, with its label where it has one: `3 (‘cat’)`."""
    return f"{t} (‘{visible(label)}’)" if label else str(t)


def _seen(name: str, value: Any) -> Any:
    """A value as a table has it: of a label what is seen."""
    return visible(value) if name in (STEP_LABEL, UNIT_LABEL) and isinstance(value, str) else value


def _text(value: Any, digits: int) -> str:
    if value is None:
        return ""
    return f"{value + 0.0:.{digits}g}" if isinstance(value, float) else str(value)  # -0.0 is 0 to a reader


def _aligned(text: str, wide: int, right: bool) -> str:
    room = " " * (wide - columns(text))
    return room + text if right else text + room
