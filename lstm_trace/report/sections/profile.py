"""The profile of a trained model: its size, gates, units, steps and layers, and the commands that show more."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan
from operator import itemgetter
from typing import Any

import numpy as np

from ...base.display import visible
from ...documents.blocks import Block, Code, Heading, Items, Listing, Para, Table, Text
from ...documents.excerpt import largest
from ...explanation.activity import HIGH, LOW, LineStatistics
from ...explanation.profile import DEAD, SPARE, Profile, StageProfile
from ...formulas.numbers import percent
from ...formulas.tree import Num
from ...trace.address import Address, columns_of
from ...trace.labels import axis, labels, step_labels
from ...view.hand_size import TABLE
from ...view.line_groups import interventions
from ...view.view import UNNAMED, View

#: How many names a list contains; how many columns a token takes.
NAMED, TOKEN = 8, 12
EMPTY: Text = ("",)


@dataclass(frozen=True)
class ProfileCells:
    """The cells of the tables of one profile."""

    shown: View
    found: Profile

    @property
    def squashed(self) -> str:
        """What saturates, as the key of its words: `gates`, or the tanh `lines` of cells without gates."""
        return "gates" if any(part.stage.cell.gates for part in self.found.parts) else "lines"

    def table(self, columns: Sequence[str | Code], rows: Sequence[tuple[Text, ...]]) -> Table:
        """Rows below headings; empty columns are left out.

        Args:
            columns: keys of the headings, below `profile.column`; code is printed as it is.
            rows: the cells.
        """
        kept = [k for k in range(len(columns)) if any(row[k] != EMPTY for row in rows)]
        heads = (columns[k] for k in kept)
        head = tuple((x if isinstance(x, Code) else self.shown.words.word(f"profile.column.{x}"),) for x in heads)
        return Table(head, tuple(tuple(row[k] for k in kept) for row in rows))

    def number(self, value: float) -> Text:
        """A number; empty if it is not known."""
        return EMPTY if isnan(value) else (Num(self.shown.values.style.show(value), value),)

    def share(self, value: float) -> str:
        """A share in percent; 0 % and 100 % only if it is exactly that."""
        if isnan(value):
            return ""
        sign, n = percent(value)
        return sign + self.shown.words.word("profile.share", n=n)

    def half_life(self, steps: float) -> Text:
        """A half-life in steps; for a unit that hardly loses anything, that it is longer than can be measured."""
        most = self.found.foreseen
        return (f"> {most}",) if steps > most else self.number(steps)

    def many(self, n: int, all: int) -> Text:
        """A number of units out of all; empty for none."""
        return (f"{n}/{all}",) if n else EMPTY

    def address(
        self, line: str, part: StageProfile, t: int | None = None, b: int | None = None, j: int | None = None
    ) -> str:
        """The address of a line or unit, without the parts that the trace has only one of.

        Args:
            line: its name.
            part: the layer and direction.
            t: the position of the step in the trace's arrays; all steps if None.
            b: the row of the batch.
            j: the unit; all if None.
        """
        trace = self.found.trace
        there, step = trace.extents(line), None if t is None else trace.span[t]
        values = {"layer": part.stage.layer, "direction": part.stage.direction, "t": step, "b": b}
        known: dict[str, Any] = {key: value if len(there[key]) > 1 else None for key, value in values.items()}
        unit, columns = None if j is None else (j,), columns_of(trace, part.stage.scope, line)
        return self.shown.words.address(Address(line, unit=unit, columns=columns, **known))

    def unit(self, line: str, part: StageProfile, j: int, t: int | None = None, b: int | None = None) -> Text:
        """A unit by its address, which other commands take, and its label if it has one."""
        trace = self.found.trace
        name = Code(self.address(line, part, t, b, j))
        named = labels(trace, axis(trace, part.stage, line), trace.lines[part.stage.scope][line].shape[-1])
        return (name, self.shown.words.aside(named[j])) if named else (name,)

    def units(self, names: Sequence[Text]) -> Text:
        """A list of names, the first few if there are many; or that there is none."""
        words = self.shown.words
        if not names:
            return (words.word("profile.none"),)
        most = len(names) if self.shown.everything else NAMED
        rest = [words.text("profile.more", n=str(len(names) - most))] if len(names) > most + 1 else []
        kept = names[:most] if rest else names
        return words.listed([*kept, *rest], last="and" if rest else "list")

    def step(self, t: int, b: int) -> Text:
        """A step by its number and its token, with its row if there are several.

        Args:
            t: its position in the trace's arrays.
            b: the row.
        """
        named, number = step_labels(self.found.trace, b), str(self.shown.words.nth(self.found.trace.span[t]))
        step = f"{number} {self.token(named[t])}" if named and named[t] else number
        return (step, self.shown.words.aside(self.shown.row(b))) if len(self.found.rows) > 1 else (step,)

    def token(self, label: str) -> str:
        """A token in quotes, on one line and short enough for a table."""
        return self.shown.words.word("profile.token", name=visible(label, TOKEN - 2))

    def left(self, rows: int) -> Iterator[Block]:
        """The remark that rows were left out of a table."""
        if rows > TABLE and not self.shown.everything:
            option = Code("--detail profile --all")
            yield Para(self.shown.words.text("profile.cut", n=str(rows - TABLE), option=option))

    def tokens(self, found: Iterable[str], most: int = 5) -> str:
        """Some tokens; the first few if there are many."""
        every = list(found)
        more = f" … +{len(every) - most}" if len(every) > most else ""
        return " ".join(map(self.token, every[:most])) + more


def model(c: ProfileCells) -> Iterator[Block]:
    """The size of the model, how it was computed, and what the numbers cover."""
    trace, words, found = c.found.trace, c.shown.words, c.found
    sizes = sum(values.size for part in trace.parameters.values() for values in part.values())
    count = f"{sizes:,}".replace(",", "\u202f")  # a space between thousands is read in every language
    text = words.text("profile.size", n=count, dtype=trace.header.dtype, plan=Code(trace.header.plan))
    if trace.batch > 1 or trace.padded:
        key, row = "profile.rows" if len(found.rows) > 1 else "profile.row", c.shown.row(found.rows.start)
        text = (*text, *c.shown.said(key, row=row, steps=words.count("steps", found.counted), rows=len(found.rows)))
    yield Para(text)
    yield from interventions(c.shown)
    if found.not_finite is not None:
        yield Para(words.text("profile.infinite"))
    if found.missing:
        yield Para(words.text("profile.missing", lines=c.units([(Code(name),) for name in found.missing])))


def gates(c: ProfileCells) -> Iterator[Block]:
    """Mean and saturation of each gate, and how many of its units are always shut or open."""
    every = [(part, name, units) for part in c.found.parts for name, units in part.gates.items()]
    if not every:
        return
    gated = c.squashed == "gates"
    key, low, high = ("", LOW, HIGH) if gated else (".lines", 2 * LOW - 1, 2 * HIGH - 1)  # tanh: from -1 to 1
    yield Heading(2, c.shown.said(f"profile.{c.squashed}"))
    yield Para(c.shown.said(f"profile.saturation{key}", low=f"{low:g}", high=f"{high:g}"), leads=True)
    rows: list[tuple[Text, ...]] = []
    for part, name, units in every if c.shown.everything else every[:TABLE]:
        mean, left, right = (float(np.mean([getattr(u, key) for u in units])) for key in ("mean", "left", "right"))
        shut, wide = (sum(unit.state == state for unit in units) for state in ("shut", "open"))
        shares = (c.share(left),), (c.share(right),)
        line = (Code(c.address(name, part)),)
        rows.append((line, c.number(mean), *shares, c.many(shut, len(units)), c.many(wide, len(units))))
    table = c.table(("gate" if gated else "line", "mean", "left", "right", "shut", "open"), rows)
    yield table if c.shown.illustration is None else replace(c.shown.illustration, beside=table)
    yield from c.left(len(every))


def layers(c: ProfileCells) -> Iterator[Block]:
    """The quantities by which layers and directions are compared, if there are several."""
    parts = c.found.parts
    if len(parts) < 2:
        return
    gates = list(dict.fromkeys(name for part in parts for name in part.gates))
    rows: list[tuple[Text, ...]] = []
    for part in parts if c.shown.everything else parts[:TABLE]:
        facts = part.summary
        means = [c.number(facts[name]) if name in facts else EMPTY for name in gates]
        shares = [(c.share(facts[side]),) for side in ("left", "right")]
        lives = [c.half_life(facts[which]) for which in ("half_life", "longest")]
        last = c.number(facts["output"]), c.many(int(facts["dead"]), int(facts["units"]))
        rows.append(((Code(part.stage.scope),), *means, *shares, *lives, *last))
    yield Heading(2, c.shown.said("profile.layers"))
    yield Para(c.shown.said(f"profile.compared{'' if c.squashed == 'gates' else '.lines'}"), leads=True)
    names = [Code(name) for name in gates]
    yield c.table(("place", *names, "left", "right", "median", "longest", "output", "dead"), rows)
    yield from c.left(len(parts))


#: How many units a table contains.
UNITS = 5

Unit = tuple[StageProfile, LineStatistics, int]


def units(c: ProfileCells) -> Iterator[Block]:
    """Units with the longest memory and the largest values; those that follow the tokens; those that are dead."""
    words = c.shown.words
    states = [(part, state) for part in c.found.parts for state in part.states]
    rows, most = [*_lists(c)], None if c.shown.everything else UNITS
    remembered = long_memories(c.found)[:most]
    known = {(part.stage.scope, line.name, j) for part, line, j in remembered}
    values = large_values(c.found)[:most]
    large = [(part, line, j) for part, line, j in values if (part.stage.scope, line.name, j) not in known]
    if not (remembered or large or rows):
        return
    yield Heading(2, c.shown.said("profile.units"))
    if remembered or large:  # none where no unit has finite values alone
        names: list[Text] = [(Code(name),) for name in dict.fromkeys(state.name for _, state in states)]
        key = "profile.memory" if remembered else "profile.largest"
        yield Para(words.text(key, lines=words.listed(names), n=str(c.found.foreseen)), leads=True)
        yield c.table(("unit", "half", "kept", "largest", "at"), [_kept(c, unit) for unit in (*remembered, *large)])
    if following := followers(c.found):
        yield Para(c.shown.said("profile.follows"), leads=True)
        yield c.table(("unit", "follows", "high", "low"), [_follows(c, unit) for unit in following[:most]])
    elif any(any(step_labels(c.found.trace, b)) for b in c.found.rows):
        yield Para(c.shown.said("profile.unfollowed", n=str(SPARE)))
    if rows:
        yield Items(tuple(rows))


def long_memories(found: Profile) -> list[Unit]:
    """The units of carried lines, those with the longest half-life first; among equal ones, those that keep most."""
    lines = [(part, state, kept) for part in found.parts for state in part.states if (kept := state.kept) is not None]
    return _ranked(((p, s, zip(k.half_life.tolist(), k.mean.tolist(), strict=True)) for p, s, k in lines), (-1.0,))


def large_values(found: Profile) -> list[Unit]:
    """The units of carried lines, the one with the largest value in size first."""
    lines = ((part, state, np.abs(state.largest).tolist()) for part in found.parts for state in part.states)
    return _ranked(lines, -1.0)


def followers(found: Profile) -> list[Unit]:
    """The units that the token of a step predicts best, beginning with the best predicted.

    Each unit occurs once: with the line, c_t or h_t, that the token predicts better.
    """
    lines = [(part, line) for part in found.parts for line in part.lines if line.name in part.follows]
    best: dict[tuple[str, int, int], Unit] = {}
    for part, line, j in _ranked(((p, x, p.follows[x.name].share.tolist()) for p, x in lines), 0.0):
        best.setdefault((part.stage.scope, len(line.mean), j), (part, line, j))  # a projection has other units
    return [*best.values()]


def _ranked(lines: Iterable[tuple[StageProfile, LineStatistics, Iterable[Any]]], least: Any) -> list[Unit]:
    """The units of lines, each with its sizes, whose size exceeds `least`, the largest first; NaN is left out."""
    every = [(size, (part, line, j)) for part, line, sizes in lines for j, size in enumerate(sizes) if size > least]
    return [unit for _, unit in sorted(every, key=itemgetter(0), reverse=True)]  # of equal ones the first


def _kept(c: ProfileCells, unit: Unit) -> tuple[Text, ...]:
    """A unit with what it keeps, and the step at which it is largest."""
    part, line, j = unit
    half = EMPTY if line.kept is None else c.half_life(float(line.kept.half_life[j]))
    mean = "" if line.kept is None else c.share(float(line.kept.mean[j]))
    t, b = line.at[j].tolist()
    name = c.unit(line.name, part, j)
    return name, half, (mean,), c.number(float(line.largest[j])), c.step(t, b)


def _follows(c: ProfileCells, unit: Unit) -> tuple[Text, ...]:
    """A unit with the share that tokens explain, and the tokens above and below the middle of its range."""
    part, line, j = unit
    found = part.follows[line.name]
    means = found.means[:, j]
    middle = (means.max() + means.min()) / 2
    order = np.argsort(-means, kind="stable").tolist()
    high = c.tokens(found.tokens[k] for k in order if means[k] > middle)
    low = c.tokens(found.tokens[k] for k in reversed(order) if means[k] <= middle)
    return c.unit(line.name, part, j), (c.share(float(found.share[j])),), (high,), (low,)


def _lists(c: ProfileCells) -> Iterator[Text]:
    """Dead units, and gates that are always shut or open."""
    words = c.shown.words
    outputs = [(part, part.output) for part in c.found.parts if part.output is not None]
    if outputs:
        dead = [c.unit(line.name, part, j) for part, line in outputs for j in np.flatnonzero(part.dead).tolist()]
        yield words.text("profile.dead", share=c.share(DEAD), units=c.units(dead))
    gates = [(part, name, unit) for part in c.found.parts for name, every in part.gates.items() for unit in every]
    if gates and c.squashed == "gates":
        shut, wide = (
            c.units([c.unit(name, part, unit.unit) for part, name, unit in gates if unit.state == state])
            for state in ("shut", "open")
        )
        yield words.text("profile.always", shut=shut, open=wide)


#: How many steps the table contains; and how many without bounds.
STEPS, ALL = 6, 100

Event = tuple[StageProfile, int, int]


def steps(c: ProfileCells) -> Iterator[Block]:
    """The table of the most eventful steps."""
    found = events(c.found, ALL if c.shown.everything else STEPS)
    if not found:
        return
    words = c.shown.words
    names: list[Text] = [(Code(n),) for n in dict.fromkeys(p.moves.name for p, _, _ in found if p.moves is not None)]
    yield Heading(2, c.shown.said("profile.steps"))
    forgets = words.word("profile.forgets") if any(part.forgets is not None for part, _, _ in found) else ""
    yield Para(words.text("profile.eventful", lines=words.listed(names), forgets=forgets), leads=True)
    rows = [_row(c, *event) for event in found]
    yield c.table(("step", "change", "forgets", "unit", "from", "to"), rows)


def _row(c: ProfileCells, part: StageProfile, t: int, b: int) -> tuple[Text, ...]:
    moves, at = part.moves, (t, b - c.found.rows.start)
    assert moves is not None
    forgets = "" if part.forgets is None else c.share(float(part.forgets[at]))
    unit = c.unit(moves.name, part, int(moves.unit[at]), t, b)
    ends = [float(values[at]) for values in (moves.before, moves.after)]
    # a value smaller than a rounding error of the other end is not shown next to it
    rounding = float(np.finfo(c.found.trace.header.dtype).eps) * max(map(abs, ends))
    way = (c.number(0.0 if abs(value) <= rounding else value) for value in ends)
    return (c.step(t, b), c.number(float(moves.times[at])), (forgets,), unit, *way)


def events(found: Profile, most: int) -> list[Event]:
    """Layer and direction, step (in the trace's arrays) and row: those with the largest change first."""
    parts = [part for part in found.parts if part.moves is not None and part.moves.typical > 0]
    if not parts:
        return []
    times = np.stack([part.moves.times for part in parts if part.moves is not None])
    sizes = np.where(np.isfinite(times), times, -1.0).ravel()
    first = largest(sizes, min(most, sizes.size)).tolist()
    places = (np.unravel_index(at, times.shape) for at in first if sizes[at] > 0)
    return [(parts[int(k)], int(t), int(b) + found.rows.start) for k, t, b in places]


#: A command continues on the next line if it would be longer.
WIDTH = 78
#: The trace of the previous command is passed to the next one.
PIPE = "| lstm-trace"


#: What a command shows, as the key of its words, its arguments, and the unit that it names, if any.
Command = tuple[str, list[str], str]


def closer(c: ProfileCells) -> Iterator[Block]:
    """A command for each thing to look at, each below a comment that says what it shows."""
    yield from listing(c.shown, _commands(c))


def listing(shown: View, commands: Iterable[Command]) -> Iterator[Block]:
    """Commands below a heading."""
    rows = [f"# {shown.words.word('profile.command.source')}"] if shown.source == UNNAMED else []
    if shown.words.count_from:
        rows.append(f"# {shown.words.word('profile.command.counted')}")
    for key, arguments, unit in commands:
        rows += [f"# {shown.words.word(f'profile.command.{key}', unit=unit)}", *_wrapped(arguments)]
    yield Heading(2, shown.said("profile.closer"))
    yield Listing(tuple(rows))


def opened_as(shown: View) -> list[str]:
    """A source with the options that open it and count it as the report does."""
    source, options, _ = shown.source
    return [source, *options, *(["--count-from", "1"] if shown.words.count_from else [])]


def _commands(c: ProfileCells) -> Iterator[Command]:
    """The commands in order; only those whose data the trace has."""
    source, options, run = c.shown.source
    opened, nth = opened_as(c.shown), c.shown.words.nth
    units = long_memories(c.found) or large_values(c.found)
    if units and c.found.counted:
        part, line, j = unit = units[0]
        (t, b), at = line.at[j].tolist(), [*_place(c, unit), "--unit", str(nth(j))]
        key = "largest" if line.kept is None else "unit"
        yield key, ["plot", *opened, "--kind", "unit", *at, "-o", f"unit-{nth(j)}.svg"], ""
        yield "worked", ["report", *opened, *at], ""
        if line.kept is not None:
            yield "memory", ["explain", "memory", *opened, "--of", c.address(line.name, part, t, b, j)], ""
        if any(step_labels(c.found.trace, b)):
            part, line, j = told = (followers(c.found) or units)[0]
            chosen = [*_place(c, told), "--line", line.name, "--unit", str(nth(j))]
            yield "text", ["plot", *opened, "--kind", "text", *chosen], c.address(line.name, part, j=j)
    for _, t, b in events(c.found, 1):
        row = ["--batch", str(b)] if c.found.trace.batch > 1 else []
        yield "step", ["report", *opened, *row, "--steps", str(nth(c.found.trace.span[t]))], ""
    yield c.squashed, ["explain", "gates", *opened], ""
    yield "verify", ["run", source, *options, PIPE, "verify", "-"] if run else ["verify", source], ""


def _place(c: ProfileCells, unit: Unit) -> list[str]:
    """The options for a unit's layer and direction, and for the row in which it is largest, if there are several."""
    part, line, j = unit
    stages = [stage for stage in c.found.trace.stages if stage.cell.carry]
    known: tuple[tuple[str, Collection[Any], Any], ...] = (
        ("--layer", {stage.layer for stage in stages}, part.stage.layer),
        ("--direction", {stage.direction for stage in stages}, part.stage.direction),
        ("--batch", range(c.found.trace.batch), int(line.at[j, 1])),
    )
    return [text for option, every, value in known if len(every) > 1 for text in (option, str(value))]


def _wrapped(arguments: list[str]) -> Iterator[str]:
    """A command as a shell reads it, over several lines if it is long."""
    line, *options = ["lstm-trace"]
    for text in arguments:
        if text.startswith(("-", PIPE)):
            options.append(text if text == PIPE else shlex.quote(text))
        elif options:  # an option and its value stay together
            options[-1] += f" {shlex.quote(text)}"
        else:
            line += f" {shlex.quote(text)}"
    for option in options:
        if len(line) + len(option) + 3 > WIDTH:
            yield f"{line} \\"
            line = f"    {option}"
        else:
            line += f" {option}"
    yield line


def profile(shown: View) -> Iterator[Block]:
    """The model, its gates, units, steps and layers, and commands; nothing from a report of worked steps."""
    if shown.profile is not None:
        c = ProfileCells(shown, shown.profile)
        for section in (model, gates, units, steps, layers, closer):
            yield from section(c)
