"""What the model is, its gates, and its layers and directions compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...explanation.activity import HIGH, LOW
from ...formulas.blocks import Block, Code, Heading, Para, Text
from ...view.interventions import interventions
from ...view.view import TABLE
from .cells import EMPTY, Cells


def model(c: Cells) -> Iterator[Block]:
    """How large it is, how it was computed, and over what the numbers are."""
    trace, words, found = c.found.trace, c.shown.words, c.found
    sizes = sum(values.size for part in trace.parameters.values() for values in part.values())
    count = f"{sizes:,}".replace(",", "\u202f")  # a space between thousands is read in every language
    text = words.text("profile.size", n=count, dtype=trace.header.dtype, plan=Code(trace.header.plan))
    if trace.batch > 1 or trace.padded:
        key = "profile.rows" if len(found.rows) > 1 else "profile.row"
        fields = {"steps": words.count("steps", found.counted), "rows": len(found.rows)}
        text = (*text, *c.shown.said(key, row=c.shown.row(found.rows.start), **fields))
    yield Para(text)
    yield from interventions(c.shown)
    yield from (Para((f"{sentence[:1].upper()}{sentence[1:]}.",)) for sentence in trace.header.agreement)
    if trace.header.agreement:
        yield Para(words.text("profile.agreement"))
    if found.not_finite is not None:
        bad = found.not_finite
        yield Para(words.text("profile.infinite", address=Code(str(bad.address)), value=f"{bad.value:g}"))
    if found.missing:
        yield Para(words.text("profile.missing", lines=c.units([(Code(name),) for name in found.missing])))


def gates(c: Cells) -> Iterator[Block]:
    """Mean and saturation of each gate, and how many of its units are always shut or open."""
    every = [(part, name, units) for part in c.found.parts for name, units in part.gates.items()]
    if not every:
        return
    yield Heading(2, c.shown.said("profile.gates"))
    yield Para(c.shown.said("profile.saturation", low=f"{LOW:g}", high=f"{HIGH:g}"), leads=True)
    most = len(every) if c.shown.everything else TABLE
    rows: list[tuple[Text, ...]] = []
    for part, name, units in every[:most]:
        mean, left, right = (float(np.mean([getattr(u, key) for u in units])) for key in ("mean", "left", "right"))
        shut, wide = (sum(unit.state == state for unit in units) for state in ("shut", "open"))
        shares = (c.share(left),), (c.share(right),)
        rows.append((c.line(name, part), c.number(mean), *shares, c.many(shut, len(units)), c.many(wide, len(units))))
    table = c.table(("gate", "mean", "left", "right", "shut", "open"), rows)
    yield table if c.shown.illustration is None else replace(c.shown.illustration, beside=table)
    yield from _more(c, len(every) - most)


def layers(c: Cells) -> Iterator[Block]:
    """What layers and directions are compared by, where there are several."""
    parts = c.found.parts
    if len(parts) < 2:
        return
    gates = list(dict.fromkeys(name for part in parts for name in part.gates))
    most = len(parts) if c.shown.everything else TABLE
    rows: list[tuple[Text, ...]] = []
    for part in parts[:most]:
        facts = part.summary
        means = [c.number(facts[name]) if name in facts else EMPTY for name in gates]
        shares = [(c.share(facts[side]),) for side in ("left", "right")]
        lives = [c.half_life(facts[which]) for which in ("half_life", "longest")]
        last = c.number(facts["output"]), c.many(int(facts["dead"]), int(facts["units"]))
        rows.append((c.place(part), *means, *shares, *lives, *last))
    yield Heading(2, c.shown.said("profile.layers"))
    yield Para(c.shown.said("profile.compared"), leads=True)
    names = [Code(name) for name in gates]
    yield c.table(("place", *names, "left", "right", "median", "longest", "output", "dead"), rows)
    yield from _more(c, len(parts) - most)


def _more(c: Cells, left: int) -> Iterator[Block]:
    """That rows were left out of a table."""
    if left > 0:
        yield Para(c.shown.words.text("profile.cut", n=str(left), option=Code("--detail profile --all")))
