"""Names of columns for programs that take letters, digits and `_` only: SQL, R, Stata, tables of Excel, attributes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from ..trace.trace import Trace

#: Stata takes 32 characters; a unit's number of up to five digits follows.
LONGEST = 26
#: The name of a product has its factors alone: `W_xi @ x_t` is `W_xi_x_t`.
_SPELLED = (("+", "plus"), ("-", "minus"), ("/", "over"), (">", "above"), ("<", "below"), ("=", "equals"))


def safe_names(trace: Trace) -> dict[str, str]:
    """For each line of the trace a name of ASCII letters, digits and `_`, at most 26 long, that begins with a letter.

    No two are alike, and none differ in case alone. They follow from the equations: a part of a trace has the same.

    >>> import lstm_trace as lt
    >>> safe_names(lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t"))["W_xi @ x_t"]
    'W_xi_x_t'
    """
    lines = dict.fromkeys(line for stage in trace.stages for line in stage.cell.lines)
    return resolved([*(line.name for line in lines if line.assigned), *(line.name for line in lines)])


def resolved(lines: Iterable[str]) -> dict[str, str]:
    """A safe name for each line; where several would have the same, the first keeps it and the others are counted."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for line in dict.fromkeys(lines):
        stem = name = _spelled(line)[:LONGEST].rstrip("_")
        while name.casefold() in taken:
            counts[stem] = counts.get(stem, 1) + 1
            number = f"_{counts[stem]}"
            name = stem[: LONGEST - len(number)] + number
        taken.add(name.casefold())
        found[line] = name
    return found


def _spelled(line: str) -> str:
    text = unicodedata.normalize("NFKD", line).encode("ascii", "ignore").decode()
    for sign, word in _SPELLED:
        text = text.replace(sign, f" {word} ")
    text = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    return text if text[:1].isalpha() else f"n{text}" if text else "line"


def columns(line: str, units: Sequence[int], safe: dict[str, str] | None) -> list[str]:
    """The columns of a line, one for each unit. safe: the names to use, where they are wanted."""
    if safe is None:
        return [f"{line}[{unit}]" for unit in units]
    return [f"{safe[line]}_{unit}" for unit in units]  # the number has no _, so that no two of these are alike either
