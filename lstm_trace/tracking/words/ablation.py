"""What holding units over a corpus has changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...corpus.told import FIRST, CorpusText
from ...documents.tables import LongTable
from ...errors import counted

if TYPE_CHECKING:
    from ..ablate import Ablation

COLUMNS = ("held", "units", "value", "change", "low", "high")


#: Units by name, in a cell and in the table of tokens.
NAMED = 4


def account(found: Ablation, most: int | None) -> CorpusText:
    """The change by groups of units, and by tokens. most: None for all units of a group by name."""
    head = found.by_token.head(FIRST)
    head = head[[*head.columns[: NAMED + 2], *(["all"] if len(head.columns) > NAMED + 2 else [])]]
    tokens = LongTable((*map(str, head.columns),), [*map(tuple, head.astype(object).to_numpy())], "Tokens")
    more = (tokens,) if len(head) else ()
    rows = [(name, units if most is None else _some(units), *numbers) for name, units, *numbers in found.groups]
    title = f"Ablation: {found.measure}"
    return CorpusText(title, (*_said(found),), (*more, LongTable(COLUMNS, rows, "Groups")))


def _some(units: str) -> str:
    names = units.split()
    return units if len(names) <= NAMED else f"{' '.join(names[: NAMED - 1])} … ({len(names)})"


def _said(found: Ablation) -> Iterator[str]:
    _, units, value, change, low, high = next(row for row in found.groups if row[0] == "all")
    yield (
        f"{found.measure} over {counted(found.steps, 'step')} of {found.sequences:,} of "
        f"{counted(found.every, 'sequence')}; {counted(len(units.split()), 'unit')} held at {found.to}"
    )
    free = f"{value - change:.4g} without a hold, " if value != change else ""
    held = "it held" if len(units.split()) == 1 else "all of them held"
    yield f"{free}{value:.4g} with {held}: {change:+.4g} (95 % interval {low:+.4g} to {high:+.4g})"
    others = [row[3] for row in found.groups if row[0].startswith("random")]
    if not others and not found.controls:
        yield "no control was asked for: whether other units change it as much is not known"
        return
    if not others:
        yield "no control: the same lines do not have as many other units"
        return
    most, least = (f"{one:+.4g}" for one in (max(others), min(others)))
    told = f"random groups of as many other units change it by {least} to {most}"
    if len(others) == 1:
        told = f"a random group of as many other units changes it by {most}"
    yield f"no more than others do: {told}" if max(map(abs, others)) >= abs(change) else told
