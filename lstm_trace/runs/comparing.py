"""Two runs side by side, what explains a value, and whether every line follows from its operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import as_plain, to_list, word
from ..documents.tables import LongTable
from ..errors import OptionError
from ..languages.strings import words
from ..printable import printable
from ..results.difference import difference
from ..results.explanation import Explanation, explanation
from ..results.verification import sentences
from ..tables.comparison import diff, divergence, units
from ..trace.trace import Trace
from ..verification.compare import Tolerance
from ..verification.gaps import Change, changes, gap
from ..verification.measures import LineDifference
from ..verification.verify import verify
from .asked import Question
from .kept import opened
from .reading import place
from .replies import as_json


def compared(
    paths: tuple[str, str], ids: tuple[str, str], rtol: float | None, atol: float | None, ulps: float | None
) -> bytes:
    """b compared with a, as `lstm-trace diff` does.

    Args:
        paths: of the traces of a, the reference, and b.
        ids: of the two runs, for the reply.
        rtol: relative tolerance.
        atol: absolute tolerance.
        ulps: tolerance in units in the last place; without any the rounding bound decides.

    Returns:
        JSON as `comparison_models.Diff` describes it: the verdict, the first difference, and every line.

    Raises:
        DroppedRunError: where a trace is no longer there, or damaged.
        OptionError: for a tolerance that is not a finite number of at least 0.
        ShapeError: where the two have no value in common.
    """
    a, b = map(opened, paths)
    found = divergence.compared(a, b, Tolerance(rtol, atol, ulps))
    places = {(change.scope, change.line): change for change in changes(a, b)}
    said = {
        "a": ids[0],
        "b": ids[1],
        "verdict": found.verdict,
        "text": printable("\n".join(diff.verdict(found))),
        "units": [printable(sentence) for sentence in units.sentences(found)],
        "first": None if found.first is None else _first(found.first),
        "lines": [_line(d, places.get((d.scope, d.line))) for d in found.lines],
    }
    return as_json(said)


def _first(found: LineDifference) -> dict[str, Any]:
    a, b = found.first_values or (float("nan"), float("nan"))
    return {
        "address": str(found.first),
        "a": word(a),
        "b": word(b),
        "difference": word(b - a),
        "bound": word(found.first_bound),
    }


def _line(found: LineDifference, at: Change | None) -> dict[str, Any]:
    """at: where its largest difference is, if there is one; padding, which is not compared, may have a larger one."""
    t, b, unit = (None, None, None) if at is None or at.largest != found.max_abs else (at.t, at.b, at.unit)
    sizes = {"largest": word(found.max_abs), "bound": word(found.bound)}
    return {"scope": found.scope, "line": found.line, **sizes, "t": t, "b": b, "unit": unit, "verdict": found.verdict}


def mapped(paths: tuple[str, str], line: str, layer: int | None, direction: str | None, batch: int, most: int) -> bytes:
    """|b - a| of a line by step and unit.

    Args:
        paths: of the traces of a, the reference, and b.
        line: its name.
        layer: from 0; None where there is one, or for the first.
        direction: `forward`, `reverse` or `joined`; None likewise.
        batch: which sequence, from 0.
        most: numbers of the map; of a larger one there are the first steps.

    Returns:
        JSON as `comparison_models.DiffMap` describes it, with the values [t][unit] and the largest of all steps.

    Raises:
        DroppedRunError: where a trace is no longer there, or damaged.
        MissingError: for a layer, direction or line that one of them does not have.
        ShapeError: for a sequence that one of them does not have, and where they have no step in common.
    """
    a, b = map(opened, paths)
    scope = place(a, layer, direction).scope
    found = gap(a, b, line, scope, batch)
    shown = found[: max(most // found.shape[-1], 1)]
    first, finite = max(a.first, b.first), found[np.isfinite(found)]
    said = {
        "scope": scope,
        "line": line,
        "steps": list(range(first, first + len(shown))),
        "units": found.shape[-1],
        "values": to_list(shown),
        "largest": float(finite.max(initial=0.0)),
        "left_out": len(found) - len(shown),
    }
    return as_json(said)


def explained(path: str, against: str | None, asked: Question, most: int) -> bytes:
    """An explanation as tables, each of at most so many rows, with its sentences."""
    trace, other = opened(path), None if against is None else opened(against)
    given = asked.model_dump(exclude={"run", "how", "of", "against"}, exclude_none=True)
    found = (
        _split(trace, other, asked.of, given) if asked.how == "attribution" else _explained(trace, other, asked, given)
    )
    *more, rows = found.tables(words())
    said = {
        "how": asked.how,
        "of": asked.of,
        **_table(rows, most),
        "text": printable("\n".join(found.sentences(words()))),
        "more": [{"title": part.heading, **_table(part, most)} for part in more],
    }
    return as_json(said)


def _table(found: LongTable, most: int) -> dict[str, Any]:
    rows = as_plain(found.rows[:most])
    return {"columns": list(found.columns), "rows": rows, "left_out": len(found.rows) - len(rows)}


def _split(trace: Trace, other: Trace | None, of: str | None, given: dict[str, Any]) -> Explanation:
    if given:
        raise OptionError(f"attribution has no option {', '.join(given)}; it takes of and against")
    if other is None or of is None:
        raise OptionError("attribution splits the difference of one value from another run: give of and against")
    return difference(other, trace, of)


def _explained(trace: Trace, other: Trace | None, asked: Question, given: dict[str, Any]) -> Explanation:
    if other is not None and asked.how != "contribution":
        raise OptionError(f"against is for attribution and contribution, not for {asked.how}")
    if other is not None and "baseline" in given:
        raise OptionError("against is a baseline itself: omit baseline")
    return explanation(trace, asked.of, asked.how, **given, **({} if other is None else {"baseline": other}))


def verified(path: str) -> bytes:
    """Whether each line can be derived again from its recorded operands, as `lstm-trace verify` says it."""
    found = verify(opened(path))
    failures = [
        {
            "address": str(failure.address),
            "recorded": word(failure.recorded),
            "derived": word(failure.derived),
            "bound": word(failure.bound),
        }
        for failure in found.failures
    ]
    checked = found.verified + found.failed + sum(unknown.values for unknown in found.unknown)
    return as_json(
        {
            "verdict": found.status,
            "text": "\n".join(sentences(found, words())),
            "checked": checked,
            "failures": failures,
        }
    )
