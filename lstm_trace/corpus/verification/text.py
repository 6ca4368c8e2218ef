"""What a sample of a corpus that was computed again has shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...documents.tables import LongTable, shortest
from ...errors import counted
from ..told import FIRST, CorpusText

if TYPE_CHECKING:
    from .verify import CorpusVerification

COLUMNS = ("sequence", "t", "unit", "stored", "expected", "bound")


def account(found: CorpusVerification, most: int | None) -> CorpusText:
    """The verdict, and the values that are wrong. most: None for numbers instead of texts with all their digits."""
    right = "No value that was compared is wrong." if found.faults else "No value of the sample is wrong."
    notes = () if found.damages else (right if found.values else "No value was compared.",)
    rows: list[tuple[Any, ...]] = [tuple(one) for one in found.damages]
    if most is not None:
        rows = [(*place, shortest(stored), shortest(wanted), bound) for *place, stored, wanted, bound in rows]
    return CorpusText("Verification of a corpus", (*_said(found),), (LongTable(COLUMNS, rows, notes=notes),))


def _said(found: CorpusVerification) -> Iterator[str]:
    for k, fault in enumerate(found.faults[:FIRST]):  # the cause before what was compared
        yield f"{'failed: ' * (not k)}{fault}"
    if len(found.faults) > FIRST:
        yield f"{len(found.faults) - FIRST:,} more such faults"
    listed = f"; the first {len(found.damages)} are listed" if found.wrong > len(found.damages) else ""
    verdict = "" if found.faults else f"{found.status}: "
    if not found.steps:
        yield f"{verdict}nothing of the sample could be compared; the run has {counted(found.every, 'sequence')}"
        return
    differ = "differs" if found.wrong == 1 else "differ"
    yield (
        f"{verdict}{counted(found.values, 'value')} at {counted(found.steps, 'step')} of {found.sequences:,} of "
        f"{counted(found.every, 'sequence')} compared with a run line by line; {found.wrong:,} {differ} by more than "
        f"rounding explains{listed}"
    )
    yield (
        f"the largest deviation is {found.largest:.2g} times what rounding explains; {counted(found.lines, 'value')} "
        "of the runs line by line were derived again"
    )
    if found.undecided:
        yield f"at {counted(found.undecided, 'step')} rounding errors are too large to decide"
