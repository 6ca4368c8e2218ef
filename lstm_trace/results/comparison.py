"""What a comparison of two traces found: the verdict and its cause, the units that differ, and every line."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import word
from ..base.display import visible
from ..base.remark import Remark, in_words
from ..cell.network import layer_and_direction
from ..documents.blocks import Block, Code, Heading, Items, Para, Picture, Table, marked
from ..documents.formats import Show
from ..documents.tables import LongTable
from ..errors import LstmTraceError
from ..formulas.numbers import shortest
from ..frames.differences import DifferenceTable
from ..frames.frame import frame as table_frame
from ..languages.strings import Words
from ..mistakes.in_words import sentence, stacked
from ..mistakes.on_purpose import late_symbols
from ..trace.derived import GATHERED
from ..trace.labels import label_at
from ..verification.compare import Comparison
from ..verification.measures import LineDifference, OutputDifference
from . import changes
from .divergence import FROM
from .explanation import counted

if TYPE_CHECKING:
    import pandas as pd

    from ..mistakes.cause import Cause
    from ..plot.figure import Figure
    from ..trace.trace import Trace

#: Columns of the rows, one for each line of each layer and direction; and of those of units that differ.
COLUMNS = (
    "layer", "direction", "line", "op", "values", "differing", "nonfinite", "max_abs", "max_rel", "max_ulp", "rms",
    "cosine", "snr", "local", "inherited", "atol", "rtol", "first",
)  # fmt: skip
UNIT_COLUMNS = (
    "layer", "direction", "unit", "name", "line", "max_abs", "of_range", "a", "b", "t", "batch", "since", "since_batch",
    "nonfinite",
)  # fmt: skip
#: Columns of the map of steps; more steps are put together, and the largest of each group is shown.
MAP_COLUMNS = 16
#: A distance in units in the last place is shown if it is smaller: of values that are near.
NEAR = 4096
#: So many mistakes that explain the first difference as well as the one that is named are said.
EQUAL = 2
#: In which steps, sequences and units alone a mistake was made.
PARTS = "steps", "rows", "units"
#: So many inputs and weights that differ are named.
PREMISES = 8
#: So many units of each layer and direction are in the table, and of all.
OF_EACH, OF_ALL = 3, 12


# -- the readings ------------------------------------------------------------------------------------------------------


def blocks(result: Comparison, words: Words, show: Show) -> Iterator[Block]:
    """What the weights are and what was changed, the verdict and its cause, the units that differ, the picture, the
    measures of each line, and a map by line and step.
    """
    yield Heading(1, (Remark("diff.title.of" if result.names else "diff.title", {"names": result.names}).said(words),))
    if tabled := result.changes is not None and _was_changed(result):
        if result.of_content:
            yield Items(tuple((remark.said(words),) for remark in result.of_content))
        yield from changes.blocks(result, result.changes, words)
    yield Items(tuple((sentence,) for sentence in sentences(result, words, changed=not tabled)))
    if result.cause is not None:
        yield from stacked(result.cause.equations, result.sides[0], words)
    if result.units:
        yield Heading(2, (words.word("diff.units"),))
        table = _units(result, words)
        yield table
        yield from _left(len(result.units) - len(table.rows), words)
    if show.pictured and (figure := result.picture(words.language)) is not None:
        yield Heading(2, (figure.title,))
        yield Picture(figure.svg, figure.title, figure.caption, show.file)
    if differing := [line for line in result.lines if line.max_abs > 0 or line.differing]:
        lines = result.lines
        if show.brief:  # those that are furthest apart, in computing order
            order = [(not line.nonfinite, -line.max_abs, k) for k, line in enumerate(differing)]
            lines = tuple(differing[k] for *_, k in sorted(sorted(order)[: show.rows], key=itemgetter(2)))
        yield Heading(2, (words.word("diff.by.line"),))
        head = "line", "differ", "not_finite", "max_abs", "max_rel", "ulp", "local", "inherited", "cosine", "snr_db"
        rows: list[tuple[str | Code, ...]] = []
        for d in lines:
            counts = f"{d.differing}/{d.values}", words.number(d.nonfinite) if d.nonfinite else ""
            ulp = _short(d.max_ulp) if 0 < d.max_ulp < NEAR else ""
            numbers = _short(d.max_abs), _short(d.max_rel), ulp, _short(d.local), _short(d.inherited)
            fit = f"{d.cosine:.6f}", "∞" if math.isinf(d.snr) else f"{d.snr:.1f}"
            known = (text.replace("nan", "?") for text in fit)  # squares may overflow
            rows.append((Code(words.address(f"{d.scope}/{d.line}")), *counts, *numbers, *known))
        there = [k for k in range(len(head)) if any(row[k] for row in rows)]
        yield _table([words.word(f"column.{head[k]}") for k in there], [[row[k] for k in there] for row in rows])
        yield from _left(len(result.lines) - len(lines), words)
        yield Para(marked(words.word("diff.meaning")))
        if any(line.nonfinite for line in lines):
            yield Para(marked(words.word("diff.meaning.nonfinite")))
        yield from _map(result, lines, words)


def _was_changed(result: Comparison) -> bool:
    """Whether it is said what was changed; a mistake that is named says more than that lines were not computed."""
    told = result.changes
    if told is None or result.cause is None:
        return told is not None and told.differences > 0
    return any(change.kind != "line" for change in told.most)


def own(result: Comparison) -> Mapping[str, Any]:
    """The symbols of its equations."""
    if result.cause is None:
        return {}
    symbols = result.sides[0].header.symbols
    return {**late_symbols(result.cause.equations, symbols), **symbols}


def frame(result: Comparison) -> pd.DataFrame:
    """The values that both have, in the shape of the comparison, with their places as columns."""
    return table_frame(DifferenceTable.between(*result.sides, shape=result.shape), flat=True)


def to_frame(result: Comparison, shape: str) -> pd.DataFrame:
    """The values that both have."""
    return table_frame(DifferenceTable.between(*result.sides, shape=shape))


def lines_frame(result: Comparison) -> pd.DataFrame:
    """One row of `COLUMNS` for each line."""
    return _lines(result).to_frame()


def units_frame(result: Comparison) -> pd.DataFrame:
    """One row of `UNIT_COLUMNS` for each unit that differs, the furthest first."""
    return _unit_table(result).to_frame()


def panels(result: Comparison, language: str = "en") -> Figure | None:
    """Where the lines differ, unit by step; None where the two have no units in common."""
    try:
        return None if result.drawing is None else result.drawing(language)
    except LstmTraceError:  # other steps, rows or lines: the tables say what is compared
        return None


def facts(result: Comparison) -> dict[str, Any]:
    """The verdict, units, output, and every line with its largest difference at each step."""
    output = None
    if (there := result.output) is not None:
        a, b = map(word, there.values)
        output = {"address": str(there.address), "a": a, "b": b, "max_abs": word(there.most)}
        output |= {"end": str(there.end), "at_end": word(there.at_end)}
        output["nonfinite"] = there.nonfinite and str(there.nonfinite)
    rows = zip(_lines(result).facts()["rows"], result.lines, strict=True)
    lines = [{**row, "by_step": list(map(word, line.by_step))} for row, line in rows]
    found: dict[str, Any] = {"same": result.same, "verdict": result.verdict}
    found |= {"sentences": list(sentences(result, result.words()))}
    units = _unit_table(result).facts()["rows"]
    found["cause"] = _cause_facts(result)
    found["changes"] = None if result.changes is None else changes.facts(result.changes)
    found["not_finite"] = [first and first.facts() for first in result.not_finite]
    said = {name: list(getattr(result, name)) for name in ("content", "premises", "notes")}
    return {**found, **said, "units": units, "output": output, "lines": lines}


def _cause_facts(result: Comparison) -> dict[str, Any] | None:
    if (cause := result.cause) is None:
        return None
    first, *others = ((one, sentence([one], result.words())) for one in cause.found)
    sides = {side: [f"{e.scope}/{e.name} = {getattr(e, side)}" for e in cause.equations] for side in ("right", "wrong")}
    only = {name: places and [*places] for name, places in zip(PARTS, cause.part, strict=True)}
    keys = {"key": first[0].mistake.key, "place": first[0].place, "line": cause.line, "sentence": first[1]}
    equal = [{"key": str(one), "sentence": what} for one, what in others]
    return {**keys, **sides, "equal": equal, "only": only, "rest": cause.rest}


def _lines(result: Comparison) -> LongTable:
    measures = attrgetter(*COLUMNS[2:-1])
    return LongTable(COLUMNS, [(*layer_and_direction(d.scope), *measures(d), str(d.first or "")) for d in result.lines])


def _unit_table(result: Comparison) -> LongTable:
    names = "unit", "name", "line", "most", "of_range", "value", "other", "t", "b", "since", "since_b", "nonfinite"
    facts = attrgetter(*names)
    table = LongTable(UNIT_COLUMNS, [(*layer_and_direction(unit.scope), *facts(unit)) for unit in result.units])
    return counted(result.sides[0], table) if result.sides else table


# -- the sentences -----------------------------------------------------------------------------------------------------


def sentences(result: Comparison, words: Words, changed: bool = True) -> Iterator[str]:
    """The verdict; the first value that differs and its cause; what the weights are and what was changed, if `changed`;
    the output and the units; the other premises, and notes.
    """
    first, premises, remarks = result.first, result.of_premises, result.remarks
    content = [remark.said(words) for remark in result.of_content] if changed else []
    if first is None or first.first is None or first.first_values is None:
        yield _agreement(result, words)
        yield from not_finite(result, words)
        yield from content
    else:
        (a, b), (one, two) = first.first_values, changes.numbers(*first.first_values)
        t, row = first.first.t, first.first.b
        label = "" if t is None else label_at(result.step_labels, t, row)
        called = words.word("diff.step", t=words.nth(t or 0), label=label) if label else ""
        called += words.word(f"diff.padding.{result.first_padding}") if result.first_padding else ""
        yield words.word("diff.different", address=first.first, called=called, a=one, b=two)
        yield from not_finite(result, words)
        yield _cause(first, abs(b - a), result, words)
        if result.cause is not None:
            others = dict.fromkeys(sentence([one], words) for one in result.cause.found[1:])
            yield from (words.word("diff.cause.equal", what=other) for other in [*others][:EQUAL])
        yield from content
        if result.changes is not None and _was_changed(result):
            if changed:
                yield changes.sentence(result, result.changes, words)
            premises = tuple(one for one in premises if not one.key.startswith("diff.values"))
            if not result.changes.following:  # otherwise the table has the option, and not what it changes
                remarks = tuple(one for one in remarks if one.key != "diff.cells")
        yield from unit_sentences(result, words)
        if words.count_from and "/" in words.address(first.first):
            yield words.word("diff.note", note=words.word("diff.counted"))
    yield from (words.word("diff.premise", premise=one.said(words)) for one in premises[:PREMISES])
    if (more := len(premises) - PREMISES) > 0:
        yield words.word("diff.premise.more", n=words.number(more))
    yield from (words.word("diff.note", note=remark.said(words)) for remark in remarks)


def not_finite(result: Comparison, words: Words) -> Iterator[str]:
    """The first value of each side that is NaN or infinite, and what made it so."""
    one, other = (first and first.said(words) for first in result.not_finite)
    for side, what in (("both", one),) if one == other else (("a", one), ("b", other)):
        if what:
            yield words.word(f"diff.in.{side}", what=what)


def _agreement(result: Comparison, words: Words) -> str:
    """That no value differs, or why nothing follows from it."""
    if result.weights_alone:
        return words.word(f"diff.weights.{result.verdict}")
    those = words.count("diff.agree", sum(line.values for line in result.lines))
    why = result.undecided and result.undecided.said(words)
    if not why and (unsure := [f"{x.scope}/{x.line}" for x in result.lines if x.verdict == "inconclusive"]):
        why = words.word("diff.not.finite", line=words.some([*map(words.address, unsure)], 1))
    if why and not result.lines:
        return words.word("diff.several.those", verdict=words.word("diff.verdict.inconclusive"), names=why)
    if why:
        return words.word("diff.inconclusive", those=those, why=why)
    bound = max((line.bound for line in result.lines), default=0.0)
    rule = words.word("diff.rule.bound" if result.tolerance.is_bound else "diff.rule", bound=f"{bound:.2g}")
    one = all("side" in remark.fields for remark in result.of_premises)
    though = words.word("diff.though.one" if one else "diff.though") if result.of_premises else ""
    return words.word("diff.same", those=those, rule=rule, though=though)


def _cause(first: LineDifference, whole: float, result: Comparison, words: Words) -> str:
    """Whether the first difference is the line's own or comes from its operands."""
    if result.first_held:
        return words.table["and"].join(one.said(words) for one in result.first_held)
    if result.shapes:
        return Remark("diff.shapes", {"shapes": result.shapes}).said(words)
    mistake = "" if result.cause is None else _mistake(result.cause, first, result, words)
    if not math.isfinite(whole):
        return mistake or _nonfinite(first, result, words)
    own, kind, size = first.first_local, ".sum" if first.op == GATHERED else "", f"{whole:.3g}"
    of_a = first.first_of_a is not None and first.first_of_a > 0.5 * whole and not first.first_moved
    a, b = (_equation(*pair, words) for pair in zip(first.equations or ("", ""), result.sides, strict=True))
    if first.lacking and a and not of_a:
        names = words.word("list").join(in_words(one, words) for one in first.lacking)
        return words.word("diff.lacking", a=a, b=b, names=names, size=size)
    if own is None and not of_a:
        return mistake or words.word(f"diff.unrecorded{kind}")
    if own is not None and own > 0.5 * whole and not first.first_moved:
        if first.equations is not None:
            return words.word("diff.equation", a=a, b=b, size=f"{own:.3g}")
        if mistake:
            return mistake
        if first.through:
            said = words.word("diff.between", size=f"{own:.3g}", names=words.some(_before(first, result), 5))
            outputs = {stage.unpadded(stage.cell.output) for stage in result.sides[0].stages}
            alone = outputs.issuperset(line.line for line in result.lines)
            return words.word("semicolon").join((said, words.word("diff.output.alone"))) if alone else said
        check, parts = words.word("diff.check.sum") if kind else first.op, _parts(first, result, words)
        return words.word(f"diff.own{'.parts' if parts else kind}", size=f"{own:.3g}", check=check, equation=parts)
    if of_a:
        return words.word("diff.reference", size=f"{first.first_of_a:.3g}")
    source, error = words.word("diff.source") if result.of_premises else "", f"{own:.3g}"
    by_hand = any(trace.header.arithmetic for trace in result.sides)
    if own and not by_hand and first.first_bound is not None and own > first.first_bound:
        return words.word("diff.inherited.part", own=error, size=size, source=source)
    error = words.word("diff.own.rounding", own=error) if own else error
    return words.word(f"diff.inherited{kind}", own=error, size=size, source=source)


def _parts(first: LineDifference, result: Comparison, words: Words) -> str:
    """The equation of a line if b did not give every operand of its last operation: no operation is wrong for sure."""
    cell, b = result.sides[0].stage(first.scope).cell, result.sides[1]
    reads = cell.by_name[first.line].reads if first.line in cell.by_name else ()
    given = b.lines.get(first.scope, {}).keys() | (set() if b.header.plan == "foreign" else cell.parameters)
    if given.issuperset({*reads} & {*cell.by_name, *cell.parameters}):
        return ""
    own = cell.equations.get(first.line)
    return _equation(first.line if own is None else f"{first.line} = {own}", result.sides[0], words)


def _before(first: LineDifference, result: Comparison) -> list[str]:
    """The named lines that the first line that differs reads, and that are not in both."""
    reads = re.findall(r"\w+", result.sides[0].stage(first.scope).cell.equations.get(first.line, first.line))
    return [name for name in first.through if name in reads] or [*first.through]


def _mistake(cause: Cause, first: LineDifference, result: Comparison, words: Words) -> str:
    """With which mistake the first line that differs follows from b's own operands."""
    where = []
    for name, places in zip(PARTS, cause.part, strict=True):
        if places is not None:
            where.append(words.word(f"diff.cause.{name}", at=words.some([str(words.nth(k)) for k in places], 5)))
    only = words.word("diff.cause.only", where=words.comma_list(*where)) if where else ""
    behind = [(e.scope, e.name) for e in cause.equations if e.name in first.through]
    several = len({scope for scope, _ in behind}) > 1
    names = [words.address("/".join(at)) if several else at[1] for at in behind] or _before(first, result)
    kind = ".rest" if cause.rest else ".between" if names else ""
    what, line, named = sentence(cause.found[:1], words), words.address(cause.line), words.some(names, 5)
    return words.word(f"diff.cause{kind}", what=what, line=line, only=only, names=named)


def _equation(equation: str | Remark, side: Trace, words: Words) -> str:
    """An equation, with what the author's code calls its line."""
    text = in_words(equation, words)
    alias = side.header.aliases.get(text.partition(" ")[0])
    return text if alias is None else f"{text}{words.word('line.alias', name=alias)}"


def _nonfinite(first: LineDifference, result: Comparison, words: Words) -> str:
    """Why a first difference is not finite: the equation, the line itself, or what it is computed from."""
    a, b = first.first_values or (0.0, 0.0)
    side, value, off = ("a", a, first.first_of_a) if math.isfinite(b) else ("b", b, first.first_local)
    if first.equations is not None:
        one, two = (in_words(equation, words) for equation in first.equations)
        return words.word("diff.nonfinite.equation", a=one, b=two, side=side, value=shortest(value))
    check = words.word("diff.check.sum") if first.op == GATHERED else first.op
    source = words.word("diff.source") if result.of_premises else ""
    parts = _parts(first, result, words) if side == "b" else ""
    key = "unrecorded" if off is None else "parts" if off and parts else "own" if off else "follows"
    known = {"side": side, "value": shortest(value), "check": check, "source": source, "equation": parts}
    return words.word(f"diff.nonfinite.{key}", **known)


# -- units and output --------------------------------------------------------------------------------------------------


def unit_sentences(result: Comparison, words: Words) -> Iterator[str]:
    """How the output changes, and how many units differ."""
    if result.output is not None:
        at = result.output.address
        own = [line for line in result.lines if (line.scope, line.line) == (at.scope, at.line)]
        yield from _output(result.output, words, any(own) and not any(line.differing for line in own))
    if result.units:
        far = sum(unit.since is not None for unit in result.units)
        every, share = words.count("counted.units", result.every_unit), _share(FROM, words, 0)
        yield words.count("diff.units.far", far, far=words.number(far), units=every, share=share)
        if all(unit.held for unit in result.units):
            yield words.word("diff.units.held")


def _step(result: Comparison, t: int, b: int | None, words: Words) -> str:
    label, step = label_at(result.step_labels, t, b), f"t = {words.nth(t)}"
    row = words.aside(words.word("diff.sequence", b=words.nth(b or 0))) if result.rows > 1 else ""
    return (f"{step} {words.word('quoted', text=label)}" if label else step) + row


def _share(share: float, words: Words, digits: int = 2) -> str:
    """A share in percent; digits: decimals of one below 10 %."""
    said = f"{100 * share:.{0 if share >= 0.1 else digits}f}"
    return words.word("profile.share", n=said) if share >= 0.001 else f"{share:.1g}"


def _output(output: OutputDifference, words: Words, same: bool) -> Iterator[str]:
    """How the output changes. same: whether none of its values differs beyond what counts as the same."""
    held, line = ".held" if output.held else "", words.address(f"{output.address.scope}/{output.address.line}")
    if output.nonfinite is not None:
        yield words.word("diff.output.nonfinite", line=line, address=output.nonfinite)
    if not output.most or same:
        if output.nonfinite is None:
            yield words.word(f"diff.output.same{held}", line=line)
        return
    a, b = output.values
    whole, key = b - a, "diff.output.end" if output.at_end else "diff.output.end.same"
    key = key if math.isfinite(output.at_end) else "diff.output.end.nonfinite"
    sides = dict(zip("ab", changes.numbers(a, b), strict=True))
    values = {"address": output.address, "change": f"{whole:+.3g}", **sides}
    end = words.word(key, size=f"{output.at_end:.3g}", address=output.end)
    yield words.word(f"diff.output{held}", end=end, **values)


def _units(result: Comparison, words: Words) -> Table:
    """The furthest units of each layer and direction."""
    head = ("unit", "line", "largest_change", "of_range", "at", "more_than")
    seen: Counter[str] = Counter()
    rows: list[tuple[str, ...]] = []
    for unit in result.units:
        seen[unit.scope] += 1
        if seen[unit.scope] <= OF_EACH and len(rows) < OF_ALL:
            size, at = f"{unit.other - unit.value:+.3g}", _step(result, unit.t, unit.b, words)
            since = "" if unit.since is None else _step(result, unit.since, unit.since_b, words)
            cells = [size, _share(unit.of_range, words), at, since]
            if unit.nonfinite is not None:
                others = cells[1:3] if unit.most else ["", ""]
                cells[:3] = [words.word("diff.unit.nonfinite", t=words.nth(unit.nonfinite)), *others]
            name = f"{words.nth(unit.unit)} ({visible(unit.name)})" if unit.name else words.nth(unit.unit)
            entry = unit.name.startswith(f"{unit.line}[")  # of a matrix
            of = words.word("unit", j=name)
            if entry or "/" in words.address(f"{unit.scope}/{unit.line}"):
                named = words.word("diff.unit.name", unit=name, scope=unit.scope)
                of = words.address(f"{unit.scope}/{unit.name}") if entry else named
            rows.append((of, unit.line, *cells))
    return _table([words.word(f"column.{name}", share=_share(FROM, words, 0)) for name in head], rows, {0, 1, 4, 5})


# -- tables of lines and steps -----------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Sequence[Sequence[str | Code]], words: Iterable[int] = (0,)) -> Table:
    """A table of numbers, each row after what it is called. words: the columns of words."""
    texts = tuple(tuple((cell,) for cell in row) for row in rows)
    return Table(tuple((name,) for name in head), texts, 1, frozenset(words))


def _left(count: int, words: Words) -> Iterator[Block]:
    """How many rows are left out, if any."""
    if count:
        told = words.count("rows.left.first", count)
        yield Para((f"{told}{words.word('stop')} {words.word('rows.all.json')}",))


def _short(value: float | None) -> str:
    return "?" if value is None else "0" if value == 0 else "∞" if math.isinf(value) else f"{value:.2g}"


def _map(result: Comparison, lines: Sequence[LineDifference], words: Words) -> Iterator[Block]:
    """The largest |b − a| of each line at each step, or in groups of steps with the step of the largest of all."""
    steps, begin = max((len(d.by_step) for d in lines), default=0), result.first_step
    size = -(-steps // MAP_COLUMNS)
    groups = [range(at, min(at + size, steps)) for at in range(0, steps, max(size, 1))]
    heads = []
    for g in groups:
        label = label_at(result.step_labels, begin + g.start, None) if len(g) == 1 else ""
        heads.append(f"{words.span(range(begin + g.start, begin + g.stop))} {label}".strip())
    rows: list[list[str | Code]] = []
    for d in lines:
        if any(d.by_step):
            cells = [str(words.nth(begin + int(np.argmax(d.by_step))))] if size > 1 else []
            cells += [_short(max((d.by_step[t] for t in g if t < len(d.by_step)), default=0.0)) for g in groups]
            rows.append([Code(words.address(f"{d.scope}/{d.line}")), *cells])
    if not rows:
        return
    yield Heading(2, (words.word("diff.by.step"),))
    yield Para((words.word("diff.map.grouped", n=size) if size > 1 else words.word("diff.map"),))
    first = ["column.line", "column.at_t"][: 2 if size > 1 else 1]
    yield _table([*map(words.word, first), *heads], rows)
