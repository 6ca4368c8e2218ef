"""A table with sentences: the form in which explanations are given, as Markdown, CSV, JSON or a pandas frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import conveniences
from ..base.arrays import Array, word
from ..errors import OptionError
from ..printable import json_text, printable
from ..report.content.excerpt import excerpt, left_out

if TYPE_CHECKING:
    import pandas as pd

#: File suffix to format.
SUFFIXES = {".md": "md", ".markdown": "md", ".csv": "csv", ".json": "json"}
#: Lines of a table that Markdown shows; CSV and JSON have all.
SHOWN = 40


@dataclass(frozen=True)
class Explanation:
    """What was found, in sentences, and the rows that prove it.

    columns: names; rows: tuples of numbers, text or None, in the same order; shown: the columns of the Markdown table,
    all of them if empty. more: other tables of the same finding, before the main one in Markdown, and in JSON.

    Which rows of a long table are shown: ranked: the columns whose sizes decide, the first of them told of what is left
    out; timed: whether the rows run over time; adds: whether the values of `ranked` can be added up.
    """

    title: str
    sentences: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    shown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    more: tuple[Explanation, ...] = ()
    ranked: tuple[str, ...] = ()
    timed: bool = False
    adds: bool = True

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        html: str = conveniences.call("explanation.html", self)
        return html

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def markdown(self, digits: int = 6) -> str:
        """Title, sentences and the table, long tables shortened; numbers with `digits` significant digits."""
        out = [f"# {self.title}", "", *(f"- {_cell(sentence)}" for sentence in self.sentences), ""]
        for part in self.more:
            out += [f"## {part.title}", "", *part._table(digits, "json"), ""]
        out += [*(["## Entries", ""] if self.more else []), *self._table(digits, "csv")]
        return printable("\n".join(out)) + "\n"

    def excerpt(self, most: int) -> tuple[list[str], list[list[Any]], str]:
        """The columns that are shown, rows of their values in at most `most` lines, and what was left out in words.

        Where values can be added up a gap has a line, with their sums.
        """
        names = self.shown or self.columns
        ranked = {name: self._column(name) for name in self.ranked}
        sizes = np.max([np.abs(column) for column in ranked.values()], axis=0) if ranked else np.zeros(len(self.rows))
        entries = excerpt(sizes, most, self.timed, self.adds)
        places = [self.columns.index(name) for name in names]
        lines: list[list[Any]] = []
        for entry in entries:
            if isinstance(entry, int):
                lines.append([self.rows[entry][k] for k in places])
                continue
            if self.adds:
                sums = {name: float(column[list(entry)].sum()) for name, column in ranked.items()}
                lines.append([sums.get(name) if at else "⋮" for at, name in enumerate(names)])
        gone = left_out(entries)
        return list(names), lines, self._left({name: column[gone] for name, column in ranked.items()}, len(gone))

    def _column(self, name: str) -> Array:
        place = self.columns.index(name)
        return np.array([row[place] or 0.0 for row in self.rows], np.float64)

    def _left(self, ranked: dict[str, Array], rows: int) -> str:
        if not rows or not ranked:
            return ""
        largest = [float(np.abs(column).max()) for column in ranked.values()]
        if not self.adds:
            return f"{rows:,} rows are left out, none with {' or '.join(ranked)} above {max(largest):.3g}"
        name, column = next(iter(ranked.items()))
        total = float(column.sum()) + 0.0
        return f"{rows:,} rows are left out (⋮): {name} {total:.3g} in all, at most {largest[0]:.3g} in size each"

    def _table(self, digits: int, complete: str) -> list[str]:
        """complete: the suffix of the file that has every row."""
        names, lines, left = self.excerpt(SHOWN)
        texts = [names, *([_shown(value, digits) for value in line] for line in lines)]
        places = [self.columns.index(name) for name in names]
        numeric = [all(isinstance(row[k], int | float | None) for row in self.rows) for k in places]
        widths = [max(3, *(len(text) for text in column)) for column in zip(*texts, strict=True)]
        rule = [
            f"{'-' * (wide + 1)}:" if right else "-" * (wide + 2) for wide, right in zip(widths, numeric, strict=True)
        ]
        rows = [
            f"| {' | '.join(_aligned(*cell) for cell in zip(row, widths, numeric, strict=True))} |" for row in texts
        ]
        out = [rows[0], f"|{'|'.join(rule)}|", *rows[1:]]
        out += ["", f"{left}. `-o FILE.{complete}` has every row."] if left else []
        return out + (["", *self.notes] if self.notes else [])

    def csv(self) -> str:
        """All rows; floats with the digits that read back equal."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(
            ["" if v is None else repr(v) if isinstance(v, float) else v for v in row] for row in self.rows
        )
        return printable(text.getvalue())

    def data(self) -> dict[str, Any]:
        """Title, sentences and all rows as plain data; NaN and infinities as words."""
        rows = [{k: word(v) for k, v in zip(self.columns, row, strict=True)} for row in self.rows]
        found = {"title": self.title, "sentences": self.sentences, "notes": self.notes, "rows": rows}
        return found | ({"more": [part.data() for part in self.more]} if self.more else {})

    def json(self) -> str:
        """`data` as JSON."""
        return json_text(self.data(), indent=1) + "\n"

    def render(self, form: str) -> str:
        """`md`, `csv` or `json`. Raises OptionError for another."""
        forms = {"md": self.markdown, "csv": self.csv, "json": self.json}
        if form not in forms:
            raise OptionError(f"unknown format {form!r}; there are {', '.join(forms)}")
        return forms[form]()


def _shown(value: Any, digits: int) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value + 0.0:.{digits}g}"  # -0.0 is 0 to a reader
    return _cell(str(value))


def _aligned(text: str, wide: int, right: bool) -> str:
    return text.rjust(wide) if right else text.ljust(wide)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
