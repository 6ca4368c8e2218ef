"""A table with sentences: the form in which explanations are given, as Markdown, CSV, JSON or a pandas frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..arrays import word
from ..errors import OptionError
from ..printable import json_text, printable

if TYPE_CHECKING:
    import pandas as pd

#: Rows that Markdown shows; CSV and JSON have all.
SHOWN = 40


@dataclass(frozen=True)
class Explanation:
    """What was found, in sentences, and the rows that prove it.

    columns: names; rows: tuples of numbers, text or None, in the same order; shown: the columns of the Markdown table,
    all of them if empty. more: other tables of the same finding, before the main one in Markdown, and in JSON.
    """

    title: str
    sentences: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    shown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    more: tuple[Explanation, ...] = ()

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .notebook import explanation

        return explanation(self)

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def markdown(self, digits: int = 6) -> str:
        """Title, sentences and the table, long tables shortened; numbers with `digits` significant digits."""
        out = [f"# {self.title}", "", *(f"- {_cell(sentence)}" for sentence in self.sentences), ""]
        for part in self.more:
            out += [f"## {part.title}", "", *part._table(digits), ""]
        out += [*(["## Entries", ""] if self.more else []), *self._table(digits)]
        return printable("\n".join(out)) + "\n"

    def _table(self, digits: int) -> list[str]:
        names = self.shown or self.columns
        places = [self.columns.index(name) for name in names]
        numeric = [all(isinstance(row[k], int | float | None) for row in self.rows) for k in places]
        out = ["| " + " | ".join(names) + " |"]
        out.append("|" + "|".join("---:" if right else "---" for right in numeric) + "|")
        out += ["| " + " | ".join(_shown(row[k], digits) for k in places) + " |" for row in self.rows[:SHOWN]]
        if len(self.rows) > SHOWN:
            out += ["", f"{len(self.rows) - SHOWN} more rows; `-o FILE.csv` has all of them."]
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


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
