"""The first part of a report: what is given, and what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby

import numpy as np

from ...base.arrays import runs
from ...cell.network import GIVEN, Stage, X, extent, forward_stages
from ...documents.blocks import Block, Heading, Para, Premises, Text
from ...documents.layout import widths
from ...formulas.plain import Plain
from ...formulas.tree import Index, Node, Num, Sym, kept, matrix
from ...languages.strings import capital
from ...trace.labels import axis, labels, units
from ...view.hand_size import TABLE
from ...view.line_groups import interventions
from ...view.view import UNITS, View
from ..compact.plan import written
from ..content.value_blocks import beside, by_step, exact, name_of, read, state_columns, vectors, wanted

#: How many characters fit side by side.
ROOM = 95
#: How many rows of matrices are written out; beyond that, and if paper is to be saved, only their sizes.
MATRIX_ROWS = 150


def introduction(shown: View) -> Iterator[Block]:
    """What kind of problem it is, what was done to its weights at import, and what its values were compared with."""
    yield Para(_intro(shown))
    yield from shown.mistakes
    if notes := shown.trace.header.imported:
        yield Para(shown.said("imported", what=shown.words.word("semicolon").join(notes)))
    yield from (Para((f"{sentence[:1].upper()}{sentence[1:]}.",)) for sentence in shown.trace.header.agreement)
    if shown.trace.header.agreement:
        yield Para(shown.words.text("profile.agreement"))


def given(shown: View) -> Iterator[Block]:
    """Its weights, states and input, and what is asked for."""
    sequence = (_start,) if shown.single else (_input, _padding, _states, _supplied)
    premises = [*chain.from_iterable(part(shown) for part in sequence), *interventions(shown), *_parameters(shown)]
    if premises:
        yield Heading(2, shown.said("given"))
        yield from premises
    if asked := [name_of(shown, stage, address) for stage, address in wanted(shown)]:
        yield Para(shown.words.text("wanted", lines=shown.words.listed(asked)))


def _intro(shown: View) -> Text:
    trace, words = shown.trace, shown.words
    kind = trace.header.kind if words.has(f"cell.{trace.header.kind}") else "equations"
    layers, directions = extent(stage.scope for stage in forward_stages(trace.stages))
    both = len(directions) > 1
    wide = next(filter(None, (units(trace, stage) for stage in forward_stages(trace.stages))), 0)
    several = "layers.directions" if both and layers > 1 else "directions" if both else "layers" if layers > 1 else ""
    fields = {"cell": words.word(f"cell.{kind}"), "units": words.count("units", wide) if wide else ""}
    states = ((stage.scope, state) for stage in forward_stages(trace.stages) for state in stage.cell.states)
    if grids := dict.fromkeys(grid for state in states if (grid := trace.grid(*state))):
        sizes = ("\u00a0×\u00a0".join(map(str, grid)) for grid in grids)
        fields["units"] = words.word("units.matrix", sizes=words.comma_list(*sizes))
    fields |= {"steps": words.count("steps", trace.steps), "layers": words.word(several, n=layers) if several else ""}
    fields["rows"] = words.word("rows", n=trace.batch) if trace.batch > 1 else ""
    fields["inputs"] = "" if trace.x is None else words.count("inputs", trace.x.shape[-1])
    begin = shown.said("intro.noinput" if trace.x is None else "intro.1" if trace.steps == 1 else "intro", **fields)
    recorded, chosen = (
        trace.span if trace.first else (),
        shown.every_step if len(shown.every_step) < trace.steps else (),
    )
    for key, some in (("intro.window", recorded), ("intro.steps", chosen)):
        if some:
            ends = {"first": words.nth(some[0]), "last": words.nth(some[-1]), "n": trace.span.stop}
            begin = (*begin, *shown.said(f"{key}.1" if len(some) == 1 else key, **ends))
    return begin


# -- weights ---------------------------------------------------------------------------------------------------------


def _parameters(shown: View) -> Iterator[Block]:
    found: dict[str, list[str]] = {}
    for stage in shown.stages:  # the parameters that the shown lines read
        reads = {name for line in written(shown, stage) for name in line.reads}
        found[stage.scope] = [name for name in shown.trace.parameters.get(stage.scope, {}) if name in reads]
    arrays = [shown.trace.parameters[scope][name] for scope, needed in found.items() for name in needed]
    if not arrays:
        return
    heights = sum(a.shape[0] if shown.everything else min(a.shape[0], UNITS) for a in arrays)
    small = shown.filled or (shown.tabled and all(size <= (shown.units or size) for a in arrays for size in a.shape))
    whole = shown.everything or (heights <= MATRIX_ROWS and (small or not shown.tight))
    vectors_too = ".vectors" if any(a.ndim == 1 for a in arrays) else ""
    if shown.detail != "compact" or not whole:  # the symbols say it
        yield Para(shown.said(f"weights{'' if whole else '.long'}{vectors_too}"))
    for stage in shown.stages:
        needed = found[stage.scope]
        if needed and len(found) > 1:
            yield Para(capital(shown.said("label", what=shown.place(stage))))
        if needed and whole:
            first: dict[str, int] = {}  # parameters by the group of lines that reads them first
            for at, group in enumerate(shown.grouped(stage)):
                first = dict.fromkeys((name for line in group.lines for name in line.reads), at) | first
            names = sorted((name for name in needed if name in first), key=first.__getitem__)
            rows = [tuple(_parameter(shown, stage, name) for name in row) for _, row in groupby(names, first.get)]
            if shown.tight or shown.detail == "compact":  # several gates in a row where they fit, as many in each row
                size = widths(Plain())
                wide = max(sum(5 + size(left) + size(right) for left, _, right in row) for row in rows)
                many = max(int((ROOM + 2) // wide), 1)  # without the space behind the last
                rows = [tuple(chain.from_iterable(rows[at : at + many])) for at in range(0, len(rows), many)]
            yield Premises(tuple(rows))
        elif needed:
            each = ((name, shown.trace.parameters[stage.scope][name]) for name in needed)
            sizes = [(name, "\u00a0×\u00a0".join(map(str, array.shape))) for name, array in each]
            texts = [shown.words.text("size", name=Sym(name), size=size) for name, size in sizes]
            yield Para(shown.words.sentence(shown.words.listed(texts, last="list")))


def _parameter(shown: View, stage: Stage, name: str) -> tuple[Node, str, Node]:
    """A matrix by rows, a vector as a matrix of one column; for a chosen unit only its row."""
    array, chosen = shown.trace.parameters[stage.scope][name], shown.chosen.unit
    columns = kept(array.shape[1], shown.units) if array.ndim == 2 else [0]
    alone = chosen is not None and chosen < array.shape[0] > 1

    def entry(j: int, k: int) -> Num:
        return shown.values.num(stage.scope, name, None, None, (j, k)[: array.ndim])

    grid = matrix([chosen] if alone else kept(array.shape[0], shown.units), columns, entry)
    if chosen is None or not alone:
        return Sym(name), exact(shown, grid), grid
    symbol = Index(Sym(name), f"{shown.words.nth(chosen)}{',:' * (array.ndim == 2)}")
    return symbol, exact(shown, grid), grid if array.ndim == 2 else grid.rows[0][0]


# -- states, inputs, supplied lines ----------------------------------------------------------------------------------


def _start(shown: View) -> Iterator[Block]:
    """Input, states and supplied lines of the only step."""
    for stage in shown.stages:
        plain = []
        for name in read(shown, stage, written(shown, stage)):
            values, of = shown.values.array(stage.scope, name), axis(shown.trace, stage, name)
            # inputs, and targets of a readout, for whose entries the problem has labels
            labelled = values is not None and of != "h" and labels(shown.trace, of, values.shape[-1])
            if name not in stage.cell.inputs or not labelled:
                plain.append(name)
                continue
            key = "input" if stage.sources[name] == X else "supplied"
            yield Para(shown.words.text(key, lines=(Sym(name),)))
            yield by_step(shown, stage, name)
        if plain:
            yield vectors(shown, stage, plain, shown.trace.first, 0)


def _states(shown: View) -> Iterator[Block]:
    found: list[tuple[Stage, list[str], bool]] = []
    for stage in shown.stages:
        initial = shown.trace.initial.get(stage.scope, {})
        states = [name for name in read(shown, stage, written(shown, stage)) if name in initial]
        if states:
            found.append((stage, states, not any(np.any(initial[name]) for name in states)))
    if len(found) > 1 and all(zero for *_, zero in found):
        yield Para(shown.said("before.allzero"), of_values=True)
        return
    for stage, states, zero in found:
        place = shown.words.word("prefix", what=shown.place(stage)) if shown.place(stage) else ""
        first = shown.trace.span[-1 if stage.backwards else 0]
        symbols = shown.words.listed([(shown.at(stage, first, Sym(name)),) for name in states])
        if zero or shown.trace.batch > 1:
            key = "before.rows" if not zero else "before.zero" if len(states) > 1 else "before.zero.1"
            yield Para(capital((place, *shown.words.text(key, states=symbols))), of_values=True)
            continue
        yield Para(capital((place, *shown.said("before"))))
        yield vectors(shown, stage, states, first, 0)


def _input(shown: View) -> Iterator[Block]:
    fed = (stage for stage in shown.stages if X in stage.sources.values() and shown.trace.x is not None)
    for stage in [stage for stage in fed if "x_t" in read(shown, stage, written(shown, stage))][:1]:
        if shown.tabled and "x_t" in state_columns(shown, stage):
            yield Para(shown.said("over.input"))
            continue
        yield Para(shown.said("input"))
        yield _by_step(shown, stage, "x_t")


def _by_step(shown: View, stage: Stage, name: str) -> Block:
    """The values of an input: side by side in a compact report, if that shows everything."""
    found = beside(shown, stage, name) if shown.detail == "compact" else None
    return found or by_step(shown, stage, name)


def _supplied(shown: View) -> Iterator[Block]:
    for stage in shown.stages:
        names = [n for n in read(shown, stage, written(shown, stage)) if stage.sources.get(n) == GIVEN]
        if names:
            listed = shown.words.listed([(Sym(name),) for name in names])
            yield Para(shown.words.text("supplied", lines=listed))
        yield from (_by_step(shown, stage, name) for name in names)


def _padding(shown: View) -> Iterator[Block]:
    """Which steps of each row are valid."""
    trace, nth = shown.trace, shown.words.nth
    rows = [b for b in kept(trace.batch, None if shown.everything else TABLE) if b is not None]
    if trace.lengths is not None:
        texts = [shown.said("length.1" if (n := int(trace.lengths[b])) == 1 else "length", n=n, b=nth(b)) for b in rows]
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
