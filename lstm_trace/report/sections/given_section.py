"""The first part of a report: what is given, and what is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...base.arrays import runs
from ...cell.network import GIVEN, Stage, X, extent, forward_stages
from ...documents.blocks import Block, Heading, Para, Premises, Text
from ...documents.layout import widths
from ...formulas.plain import Plain
from ...formulas.tree import Index, Node, Num, Sym, kept
from ...languages.strings import capital
from ...trace.labels import axis, labels, units
from ...view.view import TABLE, UNITS, View, interventions
from ..compact.plan import written
from ..content.value_blocks import beside, by_step, exact, matrix, name_of, read, vectors, wanted

#: Values that belong together: symbol, sign, vector or matrix.
Given = tuple[tuple[Node, str, Node], ...]
#: So many characters stand side by side.
ROOM = 95
#: So many rows of matrices are written out; beyond, and where paper is to be saved, their sizes.
MATRIX_ROWS = 150


def introduction(shown: View) -> Iterator[Block]:
    """What kind of problem it is, and what was done to its weights at import."""
    yield Para(_intro(shown))
    if notes := shown.trace.header.imported:
        yield Para(shown.said("imported", what=shown.words.word("semicolon").join(notes)))


def given(shown: View) -> Iterator[Block]:
    """Its weights, states and input, and what is wanted."""
    premises = [*_sequence(shown), *_parameters(shown)]
    if premises:
        yield Heading(2, shown.said("given"))
        yield from premises
    if wanted := _wanted(shown):
        yield Para(shown.words.text("wanted", lines=wanted))


def _intro(shown: View) -> Text:
    trace, words = shown.trace, shown.words
    kind = trace.header.kind if words.has(f"cell.{trace.header.kind}") else "equations"
    layers, directions = extent(stage.scope for stage in forward_stages(trace.stages))
    both = len(directions) > 1
    wide = next(filter(None, (units(trace, stage) for stage in forward_stages(trace.stages))), 0)
    several = "layers.directions" if both and layers > 1 else "directions" if both else "layers" if layers > 1 else ""
    fields = {
        "cell": words.word(f"cell.{kind}"),
        "units": words.count("units", wide) if wide else "",
        "steps": words.count("steps", trace.steps),
        "rows": words.word("rows", n=trace.batch) if trace.batch > 1 else "",
        "layers": words.word(several, n=layers) if several else "",
    }
    if trace.first:  # only some steps were recorded
        key = "intro.window" if trace.steps > 1 else "intro.window.1"
        window = shown.said(key, first=words.nth(trace.first), last=words.nth(trace.span[-1]))
    else:
        window = ()
    if trace.x is None:
        return (*shown.said("intro.noinput", **fields), *window)
    key = "intro.1" if trace.steps == 1 else "intro"
    return (*shown.said(key, inputs=words.count("inputs", trace.x.shape[-1]), **fields), *window)


# -- weights ---------------------------------------------------------------------------------------------------------


def _needed(shown: View, stage: Stage) -> list[str]:
    """The parameters that the shown lines read."""
    reads = {name for line in written(shown, stage) for name in line.reads}
    return [name for name in shown.trace.parameters.get(stage.scope, {}) if name in reads]


def _parameters(shown: View) -> Iterator[Block]:
    found = {stage.scope: _needed(shown, stage) for stage in shown.stages}
    arrays = [shown.trace.parameters[scope][name] for scope, needed in found.items() for name in needed]
    if not arrays:
        return
    heights = sum(a.shape[0] if shown.everything else min(a.shape[0], UNITS) for a in arrays)
    whole = shown.everything or (heights <= MATRIX_ROWS and not (shown.tight and not shown.filled))
    vectors_too = ".vectors" if any(a.ndim == 1 for a in arrays) else ""
    if shown.detail != "compact" or not whole:  # the symbols say it
        yield Para(shown.said(f"weights{'' if whole else '.long'}{vectors_too}"))
    for stage in shown.stages:
        needed = found[stage.scope]
        if needed and len(found) > 1:
            yield Para(capital(shown.said("label", what=shown.place(stage))))
        if needed and whole:
            rows = [tuple(_parameter(shown, stage, name) for name in row) for row in _together(shown, stage, needed)]
            yield Premises(tuple(_joined(rows) if shown.tight or shown.detail == "compact" else rows))
        elif needed:
            sizes = ["\u00a0×\u00a0".join(map(str, shown.trace.parameters[stage.scope][name].shape)) for name in needed]
            texts = [
                shown.words.text("size", name=Sym(name), size=size) for name, size in zip(needed, sizes, strict=True)
            ]
            yield Para(shown.words.sentence(shown.words.listed(texts, last="list")))


def _together(shown: View, stage: Stage, needed: list[str]) -> list[list[str]]:
    """The parameters by the group of lines that reads them first."""
    left, rows = list(needed), []
    for group in shown.grouped(stage):
        reads = {name for line in group.lines for name in line.reads}
        rows.append([name for name in left if name in reads])
        left = [name for name in left if name not in reads]
    return [row for row in rows if row]


def _joined(rows: list[Given]) -> list[Given]:
    """The weights of several gates in a row where they fit, as many in each row."""
    size = widths(Plain())
    wide = max(sum(5 + size(left) + size(right) for left, _, right in row) for row in rows)
    many = max(int((ROOM + 2) // wide), 1)  # without the space behind the last
    return [tuple(item for row in rows[at : at + many] for item in row) for at in range(0, len(rows), many)]


def _parameter(shown: View, stage: Stage, name: str) -> tuple[Node, str, Node]:
    """A matrix by rows, a vector as a matrix of one column; of a chosen unit its row alone."""
    array = shown.trace.parameters[stage.scope][name]
    columns = kept(array.shape[1], shown.units) if array.ndim == 2 else [0]
    symbol: Node = Sym(name)
    chosen = shown.chosen.unit
    if chosen is not None and chosen < array.shape[0] > 1:
        nth = shown.words.nth(chosen)
        symbol = Index(Sym(name), f"{nth},:" if array.ndim == 2 else f"{nth}")
        places: list[int | None] = [chosen]
    else:
        places = kept(array.shape[0], shown.units)

    def entry(j: int, k: int) -> Num:
        return shown.values.num(stage.scope, name, None, None, (j, k) if array.ndim == 2 else (j,))

    grid = matrix(places, columns, entry)
    alone = array.ndim == 1 and symbol != Sym(name)
    return symbol, exact(shown, grid), grid.rows[0][0] if alone else grid


# -- states, inputs, supplied lines ----------------------------------------------------------------------------------


def _sequence(shown: View) -> Iterator[Block]:
    """Input, lengths or mask, states and supplied lines."""
    if shown.single:
        yield from _start(shown)
        yield from interventions(shown)
    else:
        yield from _input(shown)
        yield from _padding(shown)
        yield from _states(shown)
        yield from _supplied(shown)
        yield from interventions(shown)


def _start(shown: View) -> Iterator[Block]:
    """Input, states and supplied lines of the only step there is."""
    for stage in shown.stages:
        names = read(shown, stage, written(shown, stage))
        for name in _labelled(shown, stage, names):
            names.remove(name)
            if stage.sources[name] == X:
                yield Para(shown.said("input"))
            else:
                yield Para(shown.words.text("supplied", lines=(Sym(name),)))
            yield by_step(shown, stage, name)
        if names:
            yield vectors(shown, stage, names, shown.trace.first, 0)


def _states(shown: View) -> Iterator[Block]:
    found: list[tuple[Stage, list[str], bool]] = []
    for stage in shown.stages:
        initial = shown.trace.initial.get(stage.scope, {})
        states = [name for name in read(shown, stage, written(shown, stage)) if name in initial]
        if states:
            found.append((stage, states, not any(np.any(initial[name]) for name in states)))
    if len(found) > 1 and all(zero for *_, zero in found):
        yield Para(shown.said("before.allzero"))
        return
    for stage, states, zero in found:
        place = shown.words.word("prefix", what=shown.place(stage)) if shown.place(stage) else ""
        first = shown.trace.span[-1 if stage.backwards else 0]
        symbols = shown.words.listed([(shown.at(stage, first, Sym(name)),) for name in states])
        if zero or shown.trace.batch > 1:
            key = "before.rows" if not zero else "before.zero" if len(states) > 1 else "before.zero.1"
            yield Para(capital((place, *shown.words.text(key, states=symbols))))
            continue
        yield Para(capital((place, *shown.said("before"))))
        yield vectors(shown, stage, states, first, 0)


def _labelled(shown: View, stage: Stage, names: Sequence[str]) -> list[str]:
    """The inputs, and targets of a readout, for whose entries the problem has labels."""
    found = []
    for name in names:
        values = shown.values.array(stage.scope, name)
        of = axis(shown.trace, stage, name)
        if name in stage.cell.inputs and values is not None and of != "h" and labels(shown.trace, of, values.shape[-1]):
            found.append(name)
    return found


def _input(shown: View) -> Iterator[Block]:
    stage = next(
        (s for s in shown.stages if X in s.sources.values() and "x_t" in read(shown, s, written(shown, s))), None
    )
    if shown.trace.x is not None and stage is not None:
        yield Para(shown.said("input"))
        yield _by_step(shown, stage, "x_t")


def _by_step(shown: View, stage: Stage, name: str) -> Block:
    """The values of an input: side by side in a compact report, where that says all."""
    found = beside(shown, stage, name) if shown.detail == "compact" else None
    return by_step(shown, stage, name) if found is None else found


def _supplied(shown: View) -> Iterator[Block]:
    for stage in shown.stages:
        names = [n for n in read(shown, stage, written(shown, stage)) if stage.sources.get(n) == GIVEN]
        if not names:
            continue
        texts: list[Text] = [(Sym(name),) for name in names]
        yield Para(shown.words.text("supplied", lines=shown.words.listed(texts)))
        yield from (_by_step(shown, stage, name) for name in names)


def _padding(shown: View) -> Iterator[Block]:
    """Which steps of each row are valid."""
    trace = shown.trace
    rows = [b for b in kept(trace.batch, None if shown.everything else TABLE) if b is not None]
    if trace.lengths is not None:
        counts = {b: int(trace.lengths[b]) for b in rows}
        texts: list[Text] = [
            (shown.words.word("length.1" if n == 1 else "length", n=n, b=shown.words.nth(b)),)
            for b, n in counts.items()
        ]
        yield Para(shown.words.text("lengths", lengths=shown.words.listed(texts)))
    if trace.mask is not None:
        spans = shown.words.word("semicolon").join(_masked(shown, b) for b in rows)
        yield Para(shown.said("mask", mask=spans))


def _masked(shown: View, b: int) -> str:
    """The valid steps of a row in words: `row 1: 0–2, 5`."""
    trace = shown.trace
    assert trace.mask is not None
    texts = [shown.words.span(trace.span[run.start : run.stop]) for run in runs(np.flatnonzero(trace.mask[:, b]))]
    if not texts:
        return shown.words.word("mask.none", b=shown.words.nth(b))
    few = texts if shown.everything or len(texts) <= TABLE else [*texts[:TABLE], "…"]
    return shown.words.word("mask.row", steps=shown.words.word("list").join(few), b=shown.words.nth(b))


def _wanted(shown: View) -> Text:
    return shown.words.listed([name_of(shown, stage, address) for stage, address in wanted(shown)])
