"""Findings of other rooms about runs, as JSON: comparisons, explanations, verifications, and details of one number."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ..base.arrays import as_plain, to_list, word
from ..documents.formats import Show
from ..documents.result import Result
from ..documents.tables import LongTable
from ..documents.wire import encoded
from ..errors import OptionError
from ..one_value.derivation import ValueDerivation, derivation
from ..printable import printable
from ..results import comparison, divergence
from ..results.difference import difference
from ..results.explanation import Explanation, explanation
from ..results.verification import sentences as verdict_of
from ..verification.compare import LineChange, Tolerance, changes, gap
from ..verification.measures import LineDifference, Verdict
from ..verification.verify import verify
from .asked import Pair, Question
from .describing import HeldLine, holding_of
from .kept import opened
from .reading import LOOK, Look, place, style
from .records import Number, ReadRoute, Record, as_json, doc

#: The blocks of a result as JSON (`documents/wire.py`).
Document = list[dict[str, Any]] | None


class FirstDifference(Record):
    """The first value, in order of computation, that differs."""

    address: str
    a: Number
    b: Number
    difference: Number
    bound: Annotated[Number, doc("the rounding bound of this value; other values of the line may have a larger one")]


class LineDiff(Record):
    """A line of both runs; t, b, unit: where it differs most."""

    scope: str
    line: str
    largest: Number
    bound: Annotated[Number, doc("the largest rounding bound of its values; each value is compared with its own")]
    t: int | None
    b: int | None
    unit: int | None
    verdict: Verdict


class DiffReply(Record):
    """A comparison; text: the output of `lstm-trace diff`."""

    verdict: Verdict
    text: str
    first: FirstDifference | None
    lines: list[LineDiff]
    document: Annotated[Document, doc("its blocks, if a language was given")]


class DiffMap(Record):
    """|b - a| of one line, [t][unit]."""

    scope: str
    line: str
    steps: list[int]
    units: int
    values: list[list[Number]]
    largest: float
    left_out: Annotated[int, doc("number of steps left out")]


class TitledTable(Record):
    """One of several tables, and the number of rows left out."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    left_out: int


class ExplanationReply(Record):
    """A table with its sentences, and the number of rows left out."""

    how: str
    of: str | None
    columns: list[str]
    rows: list[list[Any]]
    left_out: int
    text: str
    more: Annotated[list[TitledTable], doc("further tables: for a split the sums by block and by step")]
    document: Annotated[Document, doc("its blocks, if a language was given")]


class FailedValue(Record):
    """A value that does not follow from its operands."""

    address: str
    recorded: Number
    derived: Number
    bound: Number


class VerificationReply(Record):
    """The output of `lstm-trace verify`."""

    verdict: Literal["verified", "failed", "inconclusive"]
    text: str
    checked: int
    failures: list[FailedValue]
    document: Annotated[Document, doc("its blocks, if a language was given")]


class NumberReply(Record, ValueDerivation, eq=False, repr=False):
    """One value; `relation` is = or ≈, between `substituted` and the displayed value."""

    held: Annotated[HeldLine | None, doc("the hold that sets it to another value than its equation gives")]


def compared(of_a: str, of_b: str, asked: Pair) -> bytes:
    """Compare b with a, as `lstm-trace diff` does.

    Args:
        of_a: path of the trace of a, the reference.
        of_b: path of the trace of b.
        asked: the request, with the tolerance and the language of the document.

    Returns:
        JSON as described by `DiffReply`: the verdict, the first difference, and every line.

    Raises:
        DroppedRunError: if a trace is no longer available, or damaged.
        OptionError: if a tolerance is negative or not finite.
        ShapeError: if the two have no value in common.
    """
    a, b = opened(of_a), opened(of_b)
    found = divergence.compared(a, b, Tolerance(asked.rtol, asked.atol, asked.ulps))
    places = {(change.scope, change.line): change for change in changes(a, b)}
    text = printable("\n".join(comparison.sentences(found, found.words())))
    first = None
    if (differs := found.first) is not None:
        one, other = differs.first_values or (float("nan"), float("nan"))
        first = FirstDifference(str(differs.first), *map(word, (one, other, other - one, differs.first_bound)))
    lines = [_line(one, places.get((one.scope, one.line))) for one in found.lines]
    return as_json(DiffReply(found.verdict, text, first, lines, _document(found, asked.language)))


def _line(found: LineDifference, change: LineChange | None) -> LineDiff:
    """change: its largest one, if there is one; padding, which is not compared, may have a larger one."""
    known = change is not None and change.largest == (np.inf if found.nonfinite else found.max_abs)
    at = {name: getattr(change, name) if known else None for name in ("t", "b", "unit")}
    return LineDiff.from_attributes(found, largest=word(found.max_abs), **at)


def mapped(of_a: str, of_b: str, line: str, layer: int | None, direction: str | None, batch: int, most: int) -> bytes:
    """Compute |b - a| of a line by step and unit.

    Args:
        of_a: path of the trace of a, the reference.
        of_b: path of the trace of b.
        line: name of the line.
        layer: from 0; None if there is only one, or for the first.
        direction: `forward`, `reverse` or `joined`; None likewise.
        batch: the sequence, from 0.
        most: maximum number of values; of a larger map only the first steps are returned.

    Returns:
        JSON as described by `DiffMap`, with the values [t][unit] and the largest over all steps.

    Raises:
        DroppedRunError: if a trace is no longer available, or damaged.
        MissingError: if one of them does not have the layer, direction or line.
        ShapeError: if one of them does not have the sequence, or they have no step in common.
    """
    a, b = opened(of_a), opened(of_b)
    scope = place(a, layer, direction).scope
    found = gap(a, b, line, scope, batch)
    shown = found[: max(most // found.shape[-1], 1)]
    first, finite = max(a.first, b.first), found[np.isfinite(found)]
    steps, largest = list(range(first, first + len(shown))), float(finite.max(initial=0.0))
    return as_json(DiffMap(scope, line, steps, found.shape[-1], to_list(shown), largest, len(found) - len(shown)))


def explained(path: str, against: str | None, asked: Question, most: int) -> bytes:
    """An explanation as tables, each of at most `most` rows, with its sentences."""
    trace, other = opened(path), None if against is None else opened(against)
    given = asked.model_dump(exclude={"run", "how", "of", "against", "language"}, exclude_none=True)
    if asked.how == "attribution":
        if given:
            raise OptionError(f"attribution has no option {', '.join(given)}; it takes of and against")
        if other is None or asked.of is None:
            raise OptionError("attribution splits the difference of one value from another run: give of and against")
        found: Explanation = difference(other, trace, asked.of)
    else:
        if other is not None and asked.how != "contribution":
            raise OptionError(f"against applies to attribution and contribution, not to {asked.how}")
        if other is not None and "baseline" in given:
            raise OptionError("against is a baseline itself: omit baseline")
        found = explanation(trace, asked.of, asked.how, **given, **({} if other is None else {"baseline": other}))
    *others, rows = found.tables(found.words())
    more = [TitledTable(part.heading, *_table(part, most)) for part in others]
    text = printable("\n".join(map(str, found.sentences(found.words()))))
    document = _document(found, asked.language)
    return as_json(ExplanationReply(asked.how, asked.of, *_table(rows, most), text, more, document))


def _table(found: LongTable, most: int) -> tuple[list[str], list[list[Any]], int]:
    """Its columns, its first rows, and the number of rows left out."""
    rows = as_plain(found.rows[:most])
    return list(found.columns), rows, len(found.rows) - len(rows)


def _document(found: Result, language: str | None) -> Document:
    """The blocks of a result in a language, in wire form; without its picture, which has its own route."""
    return None if language is None else encoded(found.body(found.words(language), Show()))


def verified(path: str, language: str | None = None) -> bytes:
    """Verify that each line can be derived again from its recorded operands, like `lstm-trace verify`."""
    found = verify(opened(path))
    failures = [FailedValue.from_attributes(failure, address=str(failure.address)) for failure in found.failures]
    checked = found.verified + found.failed + sum(unknown.values for unknown in found.unknown)
    verdict: Any = found.verdict
    text, document = "\n".join(verdict_of(found, found.words())), _document(found, language)
    return as_json(VerificationReply(verdict, text, checked, failures, document))


def at(
    path: str,
    address: str,
    of: Annotated[str | None, Field(max_length=400, description="address of a value to take the gradient of")] = None,
    look: Look = LOOK,
) -> bytes:
    """Return one value: its equation in symbols and numbers, its operands, its consumers, its gradient."""
    trace = opened(path)
    how = {"notation": look.notation, "language": look.language, "count_from": look.count_from}
    found = derivation(trace, address, of=of, digits=style(trace, look), **how)
    return as_json({**found.facts(), "held": (holding_of(trace, found.address) if found.kind == "line" else None)})


#: Views of a run (GET `/runs/{id}/…`) that other rooms compute.
VIEWS = (ReadRoute("at/{address:path}", at, NumberReply),)
