"""A comparison of two traces as Markdown, text, CSV rows and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...base.arrays import word
from ...cell.network import layer_and_direction
from ...documents.blocks import Code
from ...documents.markdown import code, legible
from ...documents.tables import shortest
from ...frames.frame import csv
from ...printable import json_text, printable
from ...trace.labels import label_at
from ...trace.sums import GATHERED
from ...verification.alignment import one_sided
from ...verification.compare import Comparison
from ...verification.measures import LineDifference
from . import units

if TYPE_CHECKING:
    import pandas as pd

    from ...plot.figure import Figure

#: Columns of the table, one row for each line of each layer and direction.
COLUMNS = (
    "layer", "direction", "line", "op", "values", "differing", "max_abs", "max_rel", "max_ulp", "rms", "cosine",
    "snr", "local", "inherited", "atol", "rtol", "first",
)  # fmt: skip
#: Steps that the error map shows side by side; more are put together, the largest of each group shown.
MAP_COLUMNS = 16

#: So many premises that differ are named.
PREMISES = 8

_MEANING = (
    "`local` is the line's own error (recomputed by a's equation from b's operands), `inherited` the error of its "
    "operands. The line would have passed with atol = max abs, or with rtol = max rel."
)


def rows(comparison: Comparison) -> Iterator[tuple[Any, ...]]:
    """One row of `COLUMNS` for each line."""
    for d in comparison.lines:
        layer, direction = layer_and_direction(d.scope)
        yield (
            layer, direction, d.line, d.op, d.values, d.differing, d.max_abs, d.max_rel, d.max_ulp, d.rms,
            d.cosine, d.snr, d.local, d.inherited, d.atol, d.rtol, "" if d.first is None else str(d.first),
        )  # fmt: skip


def frame(comparison: Comparison) -> pd.DataFrame:
    """The rows as a pandas frame."""
    import pandas as pd

    return pd.DataFrame(list(rows(comparison)), columns=list(COLUMNS))


def verdict(comparison: Comparison) -> list[str]:
    """In words: the verdict; the first value that differs, and whose fault it is; then premises and notes."""
    bound = max((d.bound for d in comparison.lines), default=0.0)
    rule = f"the rounding bound (at most {bound:.2g} in one line)" if comparison.tolerance.is_bound else "the tolerance"
    count = sum(d.values for d in comparison.lines)
    first = comparison.first
    if first is None or first.first is None or first.first_values is None:
        though = ""
        if comparison.premises:
            more = all(map(one_sided, comparison.premises))
            though = f", although inputs or weights {'are in one of the two only' if more else 'differ'}"
        those = f"all {count:,} common values agree" if count != 1 else "the one common value agrees"
        unsure = [d for d in comparison.lines if d.verdict == "inconclusive"]
        if comparison.undecided:
            told = [f"inconclusive: {those}, but {comparison.undecided}"]
        else:
            told = [f"inconclusive: {_unsure(those, unsure)}" if unsure else f"same: {those} within {rule}{though}"]
    else:
        a, b = first.first_values
        t, row = first.first.t, first.first.b
        label = "" if t is None else label_at(comparison.step_labels, t, row)
        called = f"; step {t} is ‘{label}’" if label else ""
        called += f"; a step of padding in {comparison.first_padding}" if comparison.first_padding else ""
        told = [
            f"different: first at {first.first} (in computing order{called}): a has {shortest(a)}, b has {shortest(b)}"
        ]
        told.append(_fault(first, abs(b - a), comparison))
        told += units.sentences(comparison)
    told += [f"input or weight: {premise}" for premise in comparison.premises[:PREMISES]]
    if len(comparison.premises) > PREMISES:
        told.append(f"input or weight: {len(comparison.premises) - PREMISES} more differ")
    told += [f"note: {note}" for note in comparison.notes]
    return told


def _unsure(those: str, lines: list[LineDifference]) -> str:
    """Why nothing follows from it that no value differs."""
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return (
        f"{those}, but the rounding bound of {lines[0].scope}/{lines[0].line}{more} is not finite (a value overflowed, "
        "or could not be derived). Compare inputs that do not overflow, or give a tolerance (rtol, atol or ulps)"
    )


def _fault(first: LineDifference, whole: float, comparison: Comparison) -> str:
    if comparison.first_held:
        return " and ".join(f"{side} holds it at {said}" for side, said in comparison.first_held)
    own, what = first.first_local, ("line", first.op)
    if first.op == GATHERED:
        what = "sum", "addition over all steps and rows"
    if comparison.shapes:
        return f"its operands have other shapes in b ({', '.join(comparison.shapes)}): these are not runs of one model"
    of_a = first.first_of_a is not None and first.first_of_a > 0.5 * whole and not first.first_moved
    if first.lacking and first.equations is not None and not of_a:
        a, b = first.equations
        why = f"b has no {', '.join(first.lacking)}, so a's equation cannot be evaluated for b"
        return f"its equation differs: a has {a}, b has {b}; {why}; the values are {whole:.3g} apart"
    if own is None and not of_a:
        return f"an operand of this {what[0]} was not recorded, so local and inherited error cannot be separated"
    if own is not None and own > 0.5 * whole and not first.first_moved:
        if first.equations is None:
            derived = f"the {what[0]} itself is off by {own:.3g} when recomputed from b's own operands"
            return f"{derived}: check its {what[1]}{_through(first.through)}"
        a, b = first.equations
        off = f"b's value is {own:.3g} off what a's equation gives for b's operands"
        return f"its equation differs: a has {a}, b has {b}; {off}"
    if of_a:
        off = f"{first.first_of_a:.3g} when recomputed from a's own operands"
        return f"a's value is off by {off}: check the reference"
    source = " (inputs or weights differ)" if comparison.premises else ""
    inherited = f"the difference of {whole:.3g} is inherited from its operands{source}"
    return f"the {what[0]} itself is correct (local error {own:.3g}); {inherited}"


def _through(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f", and at {', '.join(names[:5])}{more}: not in both, derived by a's equations"


class Section(NamedTuple):
    """A table with its heading: texts of the cells, what is said before and after it."""

    heading: str
    before: str
    head: tuple[str, ...]
    rows: list[tuple[str | Code, ...]]
    after: str = ""


def sections(comparison: Comparison) -> Iterator[Section]:
    """The units that differ, the measures of each line, and the map of differences by line and step."""
    if comparison.units:
        yield Section("Units", "", *units.table(comparison))
    if any(d.max_abs > 0 or d.differing for d in comparison.lines):
        head = ("line", "differ", "max abs", "max rel", "ulp", "local", "inherited", "cosine", "SNR dB")
        yield Section("By line", "", head, [_row(d) for d in comparison.lines], _MEANING)
        yield from _map(comparison)


def markdown(comparison: Comparison) -> str:
    """Verdict, table of measures, and the map of errors by layer, line and step."""
    out = ["# Difference", "", *(f"- {legible(row)}" for row in verdict(comparison)), ""]
    for part in sections(comparison):
        out += [f"## {part.heading}", "", *([part.before, ""] if part.before else []), _cells(part.head)]
        out += ["|---" + "|---:" * (len(part.head) - 1) + "|", *(_cells(row) for row in part.rows)]
        out += ["", part.after, ""] if part.after else [""]
    return printable("\n".join(out).rstrip("\n")) + "\n"


def _cells(cells: Iterable[str | Code]) -> str:
    texts = (legible(cell) if isinstance(cell, str) else code(cell.text) for cell in cells)
    return "| " + " | ".join(texts) + " |"


def _row(d: LineDifference) -> tuple[str | Code, ...]:
    numbers = (d.max_abs, d.max_rel, d.max_ulp, d.local, d.inherited)
    cells = [f"{d.differing}/{d.values}", *(_short(n) for n in numbers)]
    return Code(f"{d.scope}/{d.line}"), *cells, f"{d.cosine:.6f}", "∞" if math.isinf(d.snr) else f"{d.snr:.1f}"


def _short(value: float | None) -> str:
    return "?" if value is None else "0" if value == 0 else f"{value:.2g}"


def _map(comparison: Comparison) -> Iterator[Section]:
    """The largest |b - a| of each line at each step, or in groups of steps with the step of the largest of all."""
    steps = max((len(d.by_step) for d in comparison.lines), default=0)
    size = -(-steps // MAP_COLUMNS)
    groups = [range(at, min(at + size, steps)) for at in range(0, steps, max(size, 1))]
    begin = comparison.first_step
    heads = tuple(_head(comparison, begin + g[0]) if len(g) == 1 else f"{begin + g[0]}–{begin + g[-1]}" for g in groups)
    if size > 1:
        heads = ("at t", *heads)
        said = f"Largest |b − a| of each line, the step t at which it is, and the largest in each {size} steps."
    else:
        said = "Largest |b − a| of each line at each step t."
    rows: list[tuple[str | Code, ...]] = []
    for d in comparison.lines:
        if d.max_abs > 0 and d.by_step:
            cells = [str(begin + int(np.argmax(d.by_step)))] if size > 1 else []
            cells += [_short(max((d.by_step[t] for t in g if t < len(d.by_step)), default=0.0)) for g in groups]
            rows.append((Code(f"{d.scope}/{d.line}"), *cells))
    if rows:
        yield Section("By step", said, ("line", *heads), rows)


def _head(comparison: Comparison, t: int) -> str:
    """A step as the head of a column."""
    label = label_at(comparison.step_labels, t, None)
    return f"{t} {label}" if label else str(t)


def as_json(comparison: Comparison) -> str:
    """Verdict, rows and the map as JSON; infinities as words, as in our other files."""

    data = {
        "same": comparison.same,
        "verdict": verdict(comparison),
        "premises": list(comparison.premises),
        "notes": list(comparison.notes),
        **units.as_data(comparison),
        "lines": [
            {**{k: word(v) for k, v in zip(COLUMNS, row, strict=True)}, "by_step": list(map(word, d.by_step))}
            for row, d in zip(rows(comparison), comparison.lines, strict=True)
        ],
    }
    return json_text(data, indent=1) + "\n"


def render(comparison: Comparison, form: str, title: str = "Difference", figures: Iterable[Figure] = ()) -> str:
    """`md`, `html`, `csv` or `json`."""
    if form == "html":
        from .page import page

        return page(verdict(comparison), sections(comparison), title, figures)
    if form == "csv":
        return csv(frame(comparison))
    return as_json(comparison) if form == "json" else markdown(comparison)
