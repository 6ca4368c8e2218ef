"""What holding units over a corpus has changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import counted
from ..explanation import Explanation
from .told import SHOWN

if TYPE_CHECKING:
    from ...corpus.sampled.ablate import Ablation

COLUMNS = ("held", "units", "value", "change", "low", "high")


def explanation(found: Ablation) -> Explanation:
    """The change by groups of units, and by tokens."""
    head = found.by_token.head(SHOWN)
    tokens = Explanation("Tokens", (), (*map(str, head.columns),), [*map(tuple, head.astype(object).to_numpy())])
    more = (tokens,) if len(head) else ()
    title = f"Ablation: {found.measure}"
    return Explanation(title, (*_said(found),), COLUMNS, found.rows, more=more, heading="Groups")


def _said(found: Ablation) -> Iterator[str]:
    _, units, value, change, low, high = next(row for row in found.rows if row[0] == "all")
    yield (
        f"{found.measure} over {counted(found.steps, 'step')} of {found.sequences:,} of "
        f"{counted(found.every, 'sequence')}; {counted(len(units.split()), 'unit')} held at {found.to}"
    )
    yield (
        f"{value - change:.4g} without a hold, {value:.4g} with all of them held: a change of {change:+.4g} (95 % "
        f"interval {low:+.4g} to {high:+.4g})"
    )
    others = [row[3] for row in found.rows if row[0].startswith("random")]
    if not others:
        yield "no control: the same lines do not have as many other units"
        return
    told = f"random groups of as many other units change it by {min(others):+.4g} to {max(others):+.4g}"
    yield f"no more than others do: {told}" if max(map(abs, others)) >= abs(change) else told
