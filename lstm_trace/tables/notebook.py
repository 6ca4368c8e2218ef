"""What a notebook shows of a result: a few lines and a small table, as HTML; everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..base.display import escape
from ..errors import counted
from ..formulas.numbers import show
from ..formulas.plain import number
from ..trace.trace import Trace
from .explanation import Explanation

#: Rows of a table, and numbers of a value.
ROWS, NUMBERS = 12, 4


def trace(found: Trace) -> str:
    """What was traced, and every line with its size and its last values."""
    window = f" ({found.first} to {found.span[-1]} of the input)" if found.first else ""
    facts = f"T = {counted(found.steps, 'step')}{window}, B = {found.batch}, {found.header.dtype}"
    rows, valid = [], np.flatnonzero(found.valid[:, 0, 0])  # of row 0: what is padding is not shown
    for stage, line, values in found.recorded():
        if line.assigned:
            last = values[valid[:1] if stage.backwards else valid[-1:], 0].ravel()
            name = line.name if len(found.stages) == 1 else f"{stage.scope}/{line.name}"
            rows.append((name, line.op, " × ".join(map(str, values.shape)), _values(last)))
    title = found.header.title or f"Trace of {found.header.kind}"
    layers = f"{len(found.stages)} layers and directions, " if len(found.stages) > 1 else ""
    return _told(title, [layers + facts], ("line", "operation", "T × B × width", "last step, row 0"), rows)


def explanation(found: Explanation) -> str:
    """Title, sentences and the rows that matter."""
    names, lines, left = found.excerpt(ROWS)
    left = f"{left}; to_frame() has every row" if left else ""
    return _told(found.title, found.sentences, names, [tuple(map(_cell, line)) for line in lines], left)


def _told(title: str, said: Iterable[str], head: Sequence[str], rows: Sequence[Sequence[str]], left: str = "") -> str:
    """A heading, a list and a table; longer tables are cut, and that is said: left: what was left out already."""
    items = "".join(f"<li>{escape(text)}</li>" for text in said)
    text = f"<div><b>{escape(title)}</b><ul>{items}</ul>" if items else f"<div><b>{escape(title)}</b>"
    if rows:
        top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows[:ROWS])
        text += f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    if len(rows) > ROWS:
        left = "; ".join([counted(len(rows) - ROWS, "more row"), *([left] if left else [])])
    if left:
        text += f"<p>{escape(left)}</p>"
    return text + "</div>"


def _values(vector: Any) -> str:
    texts = [number(show(value, 4)) for value in vector[:NUMBERS]]
    return ", ".join([*texts, "…"] if len(vector) > NUMBERS else texts)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value + 0.0:.6g}" if isinstance(value, float) else str(value)
