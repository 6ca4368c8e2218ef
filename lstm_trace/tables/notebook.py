"""What a notebook shows of a result: a few lines and a small table, as HTML; everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..base.text.markup import escape
from ..errors import counted
from ..mistakes.identify import Identification
from ..verification.compare import Comparison

#: Rows of a table.
ROWS = 12


def comparison(found: Comparison) -> str:
    """The verdict, and the lines that differ most."""
    from .comparison.diff import verdict

    differing = sorted((d for d in found.lines if d.max_abs), key=lambda d: -d.max_abs)
    rows = [
        (f"{d.scope}/{d.line}", f"{d.differing} of {d.values}", _short(d.max_abs), _short(d.local), str(d.first or ""))
        for d in differing
    ]
    return _told("Difference", verdict(found), ("line", "differ", "max abs", "local error", "first"), rows)


def identification(found: Identification) -> str:
    """What the search found, in sentences, and the readings that come nearest."""
    from .identification import sentences

    rows = [(f"{m.error:.3g}", " ".join(m.reading.order), "explains") for m in found.matches]
    rows += [(f"{m.error:.3g}", " ".join(m.reading.order), "near") for m in found.nearest]
    return _told("Identification", list(sentences(found)), ("error", "gate order", ""), rows)


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


def _short(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}"
