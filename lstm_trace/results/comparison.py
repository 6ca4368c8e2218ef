"""What a comparison of two traces found: the verdict and its cause, the units that differ, and every line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import word
from ..base.display import visible
from ..cell.network import layer_and_direction
from ..documents.blocks import Block, Code, Heading, Items, Para, Picture, Table, Text, marked
from ..documents.formats import Show
from ..errors import LstmTraceError
from ..formulas.numbers import shortest
from ..languages.strings import Words
from ..languages.strings import words as strings
from ..trace.derived import GATHERED
from ..trace.labels import label_at
from ..verification.compare import Comparison
from ..verification.measures import LineDifference, OutputDifference, UnitDifference, UnitShare
from .divergence import FROM

if TYPE_CHECKING:
    import pandas as pd

    from ..plot.figure import Figure

#: Columns of the rows, one for each line of each layer and direction; and of those of units that differ.
COLUMNS = (
    "layer", "direction", "line", "op", "values", "differing", "max_abs", "max_rel", "max_ulp", "rms", "cosine",
    "snr", "local", "inherited", "atol", "rtol", "first",
)  # fmt: skip
UNIT_COLUMNS = (
    "layer", "direction", "unit", "name", "line", "max_abs", "share", "a", "b", "t", "batch", "since", "since_batch",
)  # fmt: skip
#: Columns of the map of steps; more steps are put together, and the largest of each group is shown.
MAP_COLUMNS = 16
#: So many inputs and weights that differ are named.
PREMISES = 8
#: So many units of each layer and direction are in the table, and of all; and so many in a sentence.
OF_EACH, OF_ALL, NAMED = 3, 12, 3


# -- the readings ------------------------------------------------------------------------------------------------------


def blocks(result: Comparison, words: Words, show: Show) -> Iterator[Block]:
    """The verdict, the units that differ, the picture, the measures of each line, and a map by line and step."""
    title = words.word("diff.title.of", names=result.names) if result.names else words.word("diff.title")
    yield Heading(1, (title,))
    yield Items(tuple((sentence,) for sentence in sentences(result, words)))
    if result.units:
        yield Heading(2, (words.word("diff.units"),))
        yield _units(result, words)
    if show.pictured and (figure := result.picture(words.language)) is not None:
        yield Heading(2, (figure.title,))
        yield Picture(figure.svg, figure.title, figure.caption, show.file)
    if differing := [line for line in result.lines if line.max_abs > 0 or line.differing]:
        lines = result.lines
        if show.brief:  # those that are furthest apart, in computing order
            furthest = sorted(range(len(differing)), key=lambda k: -differing[k].max_abs)[: show.rows]
            lines = tuple(differing[k] for k in sorted(furthest))
        yield Heading(2, (words.word("diff.by.line"),))
        head = ("line", "differ", "max_abs", "max_rel", "ulp", "local", "inherited", "cosine", "snr_db")
        titles = tuple((words.word(f"column.{name}"),) for name in head)
        yield Table(titles, tuple(map(_measures, lines)), 1, frozenset({0}))
        if left := len(result.lines) - len(lines):
            told = words.word("rows.left.first", n=left)
            yield Para((f"{told}{words.word('stop')} {words.word('rows.all')}",))
        yield Para(marked(words.word("diff.meaning")))
        yield from _map(result, lines, words)


def frame(result: Comparison) -> pd.DataFrame:
    """One row of `COLUMNS` for each line."""
    import pandas as pd

    return pd.DataFrame(list(_rows(result)), columns=list(COLUMNS))


def units_frame(result: Comparison) -> pd.DataFrame:
    """One row of `UNIT_COLUMNS` for each unit that differs, the furthest first."""
    import pandas as pd

    return pd.DataFrame(list(_unit_rows(result)), columns=list(UNIT_COLUMNS))


def panels(result: Comparison, language: str = "en") -> Figure | None:
    """Where the lines differ, unit by step; None where the two have no units in common."""
    try:
        return None if result.drawing is None else result.drawing(language)
    except LstmTraceError:  # other steps, rows or lines: the tables say what is compared
        return None


def facts(result: Comparison) -> dict[str, Any]:
    """The verdict, units, output, and every line with its largest difference at each step."""
    rows = zip(_rows(result), result.lines, strict=True)
    units = [{key: word(value) for key, value in zip(UNIT_COLUMNS, row, strict=True)} for row in _unit_rows(result)]
    return {
        "same": result.same,
        "verdict": list(sentences(result, strings())),
        "premises": list(result.premises),
        "notes": list(result.notes),
        "units": units,
        "output": None if result.output is None else _output_facts(result.output),
        "lines": [
            {**{k: word(v) for k, v in zip(COLUMNS, row, strict=True)}, "by_step": list(map(word, line.by_step))}
            for row, line in rows
        ],
    }


def _output_facts(output: OutputDifference) -> dict[str, Any]:
    shares = [{"scope": one.scope, "unit": one.unit, "share": word(one.share)} for one in output.shares or ()]
    a, b = map(word, output.values)
    where = {"address": str(output.address), "a": a, "b": b, "max_abs": word(output.most), "shares": shares}
    return {**where, "end": str(output.end), "at_end": word(output.at_end)}


def _rows(result: Comparison) -> Iterator[tuple[Any, ...]]:
    for d in result.lines:
        measures = (d.values, d.differing, d.max_abs, d.max_rel, d.max_ulp, d.rms, d.cosine, d.snr, d.local)
        first = "" if d.first is None else str(d.first)
        yield (*layer_and_direction(d.scope), d.line, d.op, *measures, d.inherited, d.atol, d.rtol, first)


def _unit_rows(result: Comparison) -> Iterator[tuple[Any, ...]]:
    for u in result.units:
        numbers = (u.most, u.share, u.value, u.other, u.t, u.b, u.since, u.since_b)
        yield (*layer_and_direction(u.scope), u.unit, u.name, u.line, *numbers)


# -- the sentences -----------------------------------------------------------------------------------------------------


def sentences(result: Comparison, words: Words) -> Iterator[str]:
    """The verdict; the first value that differs and its cause; the units and the output; inputs, weights and notes."""
    first = result.first
    if first is None or first.first is None or first.first_values is None:
        yield _agreement(result, words)
    else:
        a, b = first.first_values
        t, row = first.first.t, first.first.b
        label = "" if t is None else label_at(result.step_labels, t, row)
        called = words.word("diff.step", t=t, label=label) if label else ""
        called += words.word(f"diff.padding.{result.first_padding}") if result.first_padding else ""
        values = {"a": shortest(a), "b": shortest(b)}
        yield words.word("diff.different", address=first.first, called=called, **values)
        yield _cause(first, abs(b - a), result, words)
        yield from unit_sentences(result, words)
    yield from (words.word("diff.premise", premise=premise) for premise in result.premises[:PREMISES])
    if len(result.premises) > PREMISES:
        yield words.word("diff.premise.more", n=len(result.premises) - PREMISES)
    yield from (words.word("diff.note", note=note) for note in result.notes)


def _agreement(result: Comparison, words: Words) -> str:
    """That no value differs, or why nothing follows from it."""
    count = sum(line.values for line in result.lines)
    those = words.count("diff.agree", count)
    unsure = [line for line in result.lines if line.verdict == "inconclusive"]
    if result.undecided:
        return words.word("diff.inconclusive", those=those, why=result.undecided)
    if unsure:
        line = words.some([f"{one.scope}/{one.line}" for one in unsure], 1)
        return words.word("diff.inconclusive", those=those, why=words.word("diff.not.finite", line=line))
    bound = max((line.bound for line in result.lines), default=0.0)
    rule = words.word("diff.rule.bound", bound=f"{bound:.2g}") if result.tolerance.is_bound else words.word("diff.rule")
    though = ""
    if result.premises:
        though = words.word("diff.though.one" if all(one.side for one in result.premise_differences) else "diff.though")
    return words.word("diff.same", those=those, rule=rule, though=though)


def _cause(first: LineDifference, whole: float, result: Comparison, words: Words) -> str:
    """Whether the first difference is the line's own or comes from its operands."""
    if result.first_held:
        held = [words.word("diff.held", side=side, value=value) for side, value in result.first_held]
        return words.table["and"].join(held)
    own, kind = first.first_local, ".sum" if first.op == GATHERED else ""
    size = f"{whole:.3g}"
    if result.shapes:
        return words.word("diff.shapes", shapes=", ".join(result.shapes))
    of_a = first.first_of_a is not None and first.first_of_a > 0.5 * whole and not first.first_moved
    if first.lacking and first.equations is not None and not of_a:
        a, b = first.equations
        return words.word("diff.lacking", a=a, b=b, names=", ".join(first.lacking), size=size)
    if own is None and not of_a:
        return words.word(f"diff.unrecorded{kind}")
    if own is not None and own > 0.5 * whole and not first.first_moved:
        if first.equations is None:
            check = words.word("diff.check.sum") if kind else first.op
            through = _through(first.through, words)
            return words.word(f"diff.own{kind}", size=f"{own:.3g}", check=check, through=through)
        a, b = first.equations
        return words.word("diff.equation", a=a, b=b, size=f"{own:.3g}")
    if of_a:
        return words.word("diff.reference", size=f"{first.first_of_a:.3g}")
    source = words.word("diff.source") if result.premises else ""
    return words.word(f"diff.inherited{kind}", own=f"{own:.3g}", size=size, source=source)


def _through(names: tuple[str, ...], words: Words) -> str:
    if not names:
        return ""
    return words.word("diff.through", names=words.some(names, 5))


# -- units and output --------------------------------------------------------------------------------------------------


def unit_sentences(result: Comparison, words: Words) -> Iterator[str]:
    """Which units differ, how the output changes, and whose weights explain it."""
    if result.units:
        far, every = sum(unit.since is not None for unit in result.units), result.every_unit
        free = next((unit for unit in result.units if not unit.held), None)
        if free is None:
            most = words.word("diff.units.held")
        else:
            but = "" if free is result.units[0] else ".free"
            most = words.word(f"diff.units.most{but}", unit=_unit(result, free, words))
        key = "diff.units.far.1" if far == 1 else "diff.units.far"
        units = words.count("counted.units", every)
        yield words.word(key, far=f"{far:,}", units=units, share=f"{FROM:.0%}", most=most)
    if result.output is not None:
        yield from _output(result.output, words)


def _unit(result: Comparison, unit: UnitDifference, words: Words) -> str:
    since = _since(result, unit, words)
    return words.word(
        "diff.unit" if not since else "diff.unit.since",
        unit=_called(unit, words),
        line=unit.line,
        most=f"{unit.most:.3g}",
        share=_share(unit.share),
        step=_step(result, unit.t, unit.b, words),
        from_=f"{FROM:.0%}",
        since=since,
    )


def _called(unit: UnitDifference | UnitShare, words: Words) -> str:
    name = f" ({visible(unit.name)})" if isinstance(unit, UnitDifference) and unit.name else ""
    return words.word("diff.unit.name", unit=f"{unit.unit}{name}", scope=unit.scope)


def _since(result: Comparison, unit: UnitDifference, words: Words) -> str:
    return "" if unit.since is None else _step(result, unit.since, unit.since_b, words)


def _step(result: Comparison, t: int, b: int | None, words: Words) -> str:
    label = label_at(result.step_labels, t, b)
    row = words.aside(words.word("diff.sequence", b=b)) if result.rows > 1 else ""
    return (f"t = {t} ‘{label}’" if label else f"t = {t}") + row


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.2%}" if share >= 0.001 else f"{share:.1g}"


def _output(output: OutputDifference, words: Words) -> Iterator[str]:
    held = ".held" if output.held else ""
    if not output.most:
        yield words.word(f"diff.output.same{held}", line=f"{output.address.scope}/{output.address.line}")
        return
    a, b = output.values
    whole = b - a
    end = words.word("diff.output.end", size=f"{output.at_end:.3g}", address=output.end) if output.at_end else ""
    values = {"change": f"{whole:+.3g}", "a": f"{a:.6g}", "b": f"{b:.6g}"}
    end = end or words.word("diff.output.end.same")
    yield words.word(f"diff.output{held}", address=output.address, end=end, **values)
    if output.shares is None:
        yield words.word("diff.output.split", change=f"{whole:+.3g}", address=output.address)
    elif output.shares:
        parts = [f"{_called(one, words)} {one.share:+.3g}" for one in output.shares[:NAMED]]
        if len(output.shares) > NAMED:
            others = sum(one.share for one in output.shares[NAMED:])
            parts.append(words.word("diff.others", n=f"{len(output.shares) - NAMED:,}", size=f"{others:+.3g}"))
        rest = whole - sum(one.share for one in output.shares)
        if abs(rest) > 1e-3 * max(abs(whole), *(abs(one.share) for one in output.shares)):
            parts.append(words.word("diff.rest", size=f"{rest:+.3g}"))
        yield words.word("diff.shares", change=f"{whole:+.3g}", parts=", ".join(parts))


def _units(result: Comparison, words: Words) -> Table:
    """The furthest units of each layer and direction."""
    head = ("unit", "line", "largest_change", "of_range", "at", "more_than")
    seen: dict[str, int] = {}
    rows: list[tuple[Text, ...]] = []
    for unit in result.units:
        seen[unit.scope] = seen.get(unit.scope, 0) + 1
        if seen[unit.scope] <= OF_EACH and len(rows) < OF_ALL:
            size, at = f"{unit.other - unit.value:+.3g}", _step(result, unit.t, unit.b, words)
            cells = (_called(unit, words), unit.line, size, _share(unit.share), at, _since(result, unit, words))
            rows.append(tuple((cell,) for cell in cells))
    titles = tuple((words.word(f"column.{name}", share=f"{FROM:.0%}"),) for name in head)
    return Table(titles, tuple(rows), 1, frozenset({0}))


# -- tables of lines and steps -----------------------------------------------------------------------------------------


def _measures(d: LineDifference) -> tuple[Text, ...]:
    numbers = (d.max_abs, d.max_rel, d.max_ulp, d.local, d.inherited)
    snr = "∞" if math.isinf(d.snr) else f"{d.snr:.1f}"
    cells = (f"{d.differing}/{d.values}", *map(_short, numbers), f"{d.cosine:.6f}", snr)
    return ((Code(f"{d.scope}/{d.line}"),), *((cell,) for cell in cells))


def _short(value: float | None) -> str:
    return "?" if value is None else "0" if value == 0 else f"{value:.2g}"


def _map(result: Comparison, lines: Sequence[LineDifference], words: Words) -> Iterator[Block]:
    """The largest |b − a| of each line at each step, or in groups of steps with the step of the largest of all."""
    steps, begin = max((len(d.by_step) for d in lines), default=0), result.first_step
    size = -(-steps // MAP_COLUMNS)
    groups = [range(at, min(at + size, steps)) for at in range(0, steps, max(size, 1))]
    heads = [_head(result, begin + g[0]) if len(g) == 1 else f"{begin + g[0]}–{begin + g[-1]}" for g in groups]
    rows: list[tuple[Text, ...]] = []
    for d in lines:
        if d.max_abs > 0 and d.by_step:
            cells = [str(begin + int(np.argmax(d.by_step)))] if size > 1 else []
            cells += [_short(max((d.by_step[t] for t in g if t < len(d.by_step)), default=0.0)) for g in groups]
            rows.append(((Code(f"{d.scope}/{d.line}"),), *((cell,) for cell in cells)))
    if not rows:
        return
    yield Heading(2, (words.word("diff.by.step"),))
    yield Para((words.word("diff.map.grouped", n=size) if size > 1 else words.word("diff.map"),))
    first = [words.word("column.line"), *([words.word("column.at_t")] if size > 1 else [])]
    yield Table(tuple((name,) for name in (*first, *heads)), tuple(rows), 1, frozenset({0}))


def _head(result: Comparison, t: int) -> str:
    """A step as the head of a column."""
    label = label_at(result.step_labels, t, None)
    return f"{t} {label}" if label else str(t)
