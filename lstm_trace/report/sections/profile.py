"""The profile of a trained model: its size, gates, units, steps and layers, and the commands that show more."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from ...base.arrays import Array
from ...base.display import visible
from ...documents.blocks import Block, Code, Heading, Items, Listing, Para, Table, Text
from ...documents.excerpt import largest
from ...explanation.activity import HIGH, LOW, LineStatistics
from ...explanation.profile import DEAD, SPARE, Profile, StageProfile
from ...formulas.numbers import percent
from ...formulas.tree import Num
from ...trace.address import Address
from ...trace.labels import axis, labels, step_labels
from ...view.hand_size import TABLE
from ...view.line_groups import interventions
from ...view.view import UNNAMED, View

#: So many names stand in a list; a token takes so many columns.
NAMED, TOKEN = 8, 12
EMPTY: Text = ("",)


@dataclass(frozen=True)
class ProfileCells:
    """The cells of the tables of one profile."""

    shown: View
    found: Profile

    def table(self, columns: Sequence[str | Code], rows: Sequence[tuple[Text, ...]]) -> Table:
        """Rows below headings, the columns left out in which nothing stands.

        Args:
            columns: keys of the headings, below `profile.column`; code stands as it is.
            rows: the cells.
        """
        kept = [k for k in range(len(columns)) if any(row[k] != EMPTY for row in rows)]
        heads = (columns[k] for k in kept)
        head = tuple((x if isinstance(x, Code) else self.shown.words.word(f"profile.column.{x}"),) for x in heads)
        return Table(head, tuple(tuple(row[k] for k in kept) for row in rows))

    def number(self, value: float) -> Text:
        """A number; nothing for one that is not known."""
        return EMPTY if isnan(value) else (Num(self.shown.values.style.show(value), value),)

    def share(self, value: float) -> str:
        """A share in percent; none and all only where it is just that."""
        if isnan(value):
            return ""
        sign, n = percent(value)
        return sign + self.shown.words.word("profile.share", n=n)

    def half_life(self, steps: float) -> Text:
        """A half-life in steps; of a unit that hardly loses anything, that it is longer than can be told."""
        most = self.found.foreseen
        return (f"> {most}",) if steps > most else self.number(steps)

    def many(self, n: int, all: int) -> Text:
        """So many of all; nothing for none."""
        return (f"{n}/{all}",) if n else EMPTY

    def address(self, line: str, part: StageProfile, t: int | None = None, b: int | None = None) -> Address:
        """The address of a line, without the parts of which the trace has only one.

        Args:
            line: its name.
            part: the layer and direction.
            t: where the step lies in the trace's arrays; all steps if None.
            b: the row of the batch.
        """
        there = self.found.trace.extents(line)
        step = None if t is None else self.found.trace.span[t]
        values = {"layer": part.stage.layer, "direction": part.stage.direction, "t": step, "b": b}
        return Address(line, **{key: value if len(there[key]) > 1 else None for key, value in values.items()})  # type: ignore[arg-type]

    def line(self, line: str, part: StageProfile) -> Text:
        """A line by its address."""
        return (Code(str(self.address(line, part))),)

    def unit(self, line: str, part: StageProfile, j: int, t: int | None = None, b: int | None = None) -> Text:
        """A unit by its address, which other commands take, and its label if it has one."""
        trace = self.found.trace
        name = Code(str(self.address(line, part, t, b)._replace(unit=(j,))))
        named = labels(trace, axis(trace, part.stage, line), trace.lines[part.stage.scope][line].shape[-1])
        return (name, self.shown.words.aside(named[j])) if named else (name,)

    def place(self, part: StageProfile) -> Text:
        """A layer and direction as addresses have them."""
        return (Code(part.stage.scope),)

    def units(self, names: Sequence[Text]) -> Text:
        """A list of names, the first ones of many; that there is none."""
        words = self.shown.words
        if not names:
            return (words.word("profile.none"),)
        most = len(names) if self.shown.everything else NAMED
        rest = [words.text("profile.more", n=str(len(names) - most))] if len(names) > most + 1 else []
        kept = names[:most] if rest else names
        return words.listed([*kept, *rest], last="and" if rest else "list")

    def step(self, t: int, b: int) -> Text:
        """A step by its number and its token, with its row where there are several.

        Args:
            t: where it lies in the trace's arrays.
            b: the row.
        """
        named, number = step_labels(self.found.trace, b), str(self.shown.words.nth(self.found.trace.span[t]))
        step = f"{number} {self.token(named[t])}" if named and named[t] else number
        return (step, self.shown.words.aside(self.shown.row(b))) if len(self.found.rows) > 1 else (step,)

    def token(self, label: str) -> str:
        """A token in quotes, on one line and of a length that has room in a table."""
        return self.shown.words.word("profile.token", name=visible(label, TOKEN - 2))

    def left(self, rows: int) -> Iterator[Block]:
        """That rows were left out of a table."""
        if rows > TABLE and not self.shown.everything:
            option = Code("--detail profile --all")
            yield Para(self.shown.words.text("profile.cut", n=str(rows - TABLE), option=option))

    def tokens(self, found: Iterable[str], most: int = 5) -> str:
        """Some tokens; the first ones of many."""
        every = list(found)
        more = f" … +{len(every) - most}" if len(every) > most else ""
        return " ".join(map(self.token, every[:most])) + more


def model(c: ProfileCells) -> Iterator[Block]:
    """How large it is, how it was computed, and over what the numbers are."""
    trace, words, found = c.found.trace, c.shown.words, c.found
    sizes = sum(values.size for part in trace.parameters.values() for values in part.values())
    count = f"{sizes:,}".replace(",", "\u202f")  # a space between thousands is read in every language
    text = words.text("profile.size", n=count, dtype=trace.header.dtype, plan=Code(trace.header.plan))
    if trace.batch > 1 or trace.padded:
        key, row = "profile.rows" if len(found.rows) > 1 else "profile.row", c.shown.row(found.rows.start)
        text = (*text, *c.shown.said(key, row=row, steps=words.count("steps", found.counted), rows=len(found.rows)))
    yield Para(text)
    yield from interventions(c.shown)
    yield from (Para((f"{sentence[:1].upper()}{sentence[1:]}.",)) for sentence in trace.header.agreement)
    if trace.header.agreement:
        yield Para(words.text("profile.agreement"))
    if (bad := found.not_finite) is not None:
        yield Para(words.text("profile.infinite", address=Code(str(bad.address)), value=f"{bad.value:g}"))
    if found.missing:
        yield Para(words.text("profile.missing", lines=c.units([(Code(name),) for name in found.missing])))


def gates(c: ProfileCells) -> Iterator[Block]:
    """Mean and saturation of each gate, and how many of its units are always shut or open."""
    every = [(part, name, units) for part in c.found.parts for name, units in part.gates.items()]
    if not every:
        return
    yield Heading(2, c.shown.said("profile.gates"))
    yield Para(c.shown.said("profile.saturation", low=f"{LOW:g}", high=f"{HIGH:g}"), leads=True)
    rows: list[tuple[Text, ...]] = []
    for part, name, units in every if c.shown.everything else every[:TABLE]:
        mean, left, right = (float(np.mean([getattr(u, key) for u in units])) for key in ("mean", "left", "right"))
        shut, wide = (sum(unit.state == state for unit in units) for state in ("shut", "open"))
        shares = (c.share(left),), (c.share(right),)
        rows.append((c.line(name, part), c.number(mean), *shares, c.many(shut, len(units)), c.many(wide, len(units))))
    table = c.table(("gate", "mean", "left", "right", "shut", "open"), rows)
    yield table if c.shown.illustration is None else replace(c.shown.illustration, beside=table)
    yield from c.left(len(every))


def layers(c: ProfileCells) -> Iterator[Block]:
    """What layers and directions are compared by, where there are several."""
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
        rows.append((c.place(part), *means, *shares, *lives, *last))
    yield Heading(2, c.shown.said("profile.layers"))
    yield Para(c.shown.said("profile.compared"), leads=True)
    names = [Code(name) for name in gates]
    yield c.table(("place", *names, "left", "right", "median", "longest", "output", "dead"), rows)
    yield from c.left(len(parts))


#: So many units stand in a table.
UNITS = 5

Lines = Sequence[tuple[StageProfile, LineStatistics]]
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
    """The units of carried lines, those with the longest half-life first; of equal ones those that keep most."""
    lines = [(part, state, kept) for part in found.parts for state in part.states if (kept := state.kept) is not None]
    if not lines:
        return []
    times, means = (np.concatenate([getattr(kept, name) for *_, kept in lines]) for name in ("half_life", "mean"))
    order = np.lexsort((-np.nan_to_num(means, nan=-1.0), -np.nan_to_num(times, nan=-1.0)))
    return _placed([(part, state) for part, state, _ in lines], order[~np.isnan(times[order])])


def large_values(found: Profile) -> list[Unit]:
    """The units of carried lines, that with the value of the largest size first."""
    lines = [(part, state) for part in found.parts for state in part.states]
    return _by_size(lines, [np.abs(state.largest) for _, state in lines], -1.0)


def followers(found: Profile) -> list[Unit]:
    """The units of which the token of a step says most, beginning with the one of which it says the most.

    A unit stands there once: with the line, c_t or h_t, of which the token says more.
    """
    lines = [(part, line) for part in found.parts for line in part.lines if line.name in part.follows]
    best: dict[tuple[str, int, int], Unit] = {}
    for part, line, j in _by_size(lines, [part.follows[line.name].share for part, line in lines], 0.0):
        best.setdefault((part.stage.scope, len(line.mean), j), (part, line, j))  # a projection has other units
    return [*best.values()]


def _by_size(lines: Lines, sizes: Sequence[Array], least: float) -> list[Unit]:
    """The units of lines whose sizes are above `least`, the largest first."""
    if not lines:
        return []
    every = np.nan_to_num(np.concatenate(sizes), nan=-1.0)
    order = largest(every, len(every))
    return _placed(lines, order[every[order] > least])


def _placed(lines: Lines, order: Array) -> list[Unit]:
    """Layer and direction, line and unit of places in the units of several lines, one line after the other."""
    every = [(part, line, j) for part, line in lines for j in range(len(line.mean))]
    return [every[at] for at in order.tolist()]


def _kept(c: ProfileCells, unit: Unit) -> tuple[Text, ...]:
    """A unit with what it keeps, and where it is largest."""
    part, line, j = unit
    half = EMPTY if line.kept is None else c.half_life(float(line.kept.half_life[j]))
    mean = "" if line.kept is None else c.share(float(line.kept.mean[j]))
    t, b = line.at[j].tolist()
    name = c.unit(line.name, part, j)
    return name, half, (mean,), c.number(float(line.largest[j])), c.step(t, b)


def _follows(c: ProfileCells, unit: Unit) -> tuple[Text, ...]:
    """A unit with the share that tokens say, and the tokens above and below the middle of its range."""
    part, line, j = unit
    found = part.follows[line.name]
    means = found.means[:, j]
    middle = (means.max() + means.min()) / 2
    order = np.argsort(-means, kind="stable").tolist()
    high = c.tokens(found.tokens[k] for k in order if means[k] > middle)
    low = c.tokens(found.tokens[k] for k in reversed(order) if means[k] <= middle)
    return c.unit(line.name, part, j), (c.share(float(found.share[j])),), (high,), (low,)


def _lists(c: ProfileCells) -> Iterator[Text]:
    """Units that are dead, gates that are always shut or open."""
    words = c.shown.words
    outputs = [(part, part.output) for part in c.found.parts if part.output is not None]
    if outputs:
        dead = [c.unit(line.name, part, j) for part, line in outputs for j in np.flatnonzero(part.dead).tolist()]
        yield words.text("profile.dead", share=c.share(DEAD), units=c.units(dead))
    gates = [(part, name, unit) for part in c.found.parts for name, every in part.gates.items() for unit in every]
    if gates:
        shut, wide = (
            c.units([c.unit(name, part, unit.unit) for part, name, unit in gates if unit.state == state])
            for state in ("shut", "open")
        )
        yield words.text("profile.always", shut=shut, open=wide)


#: So many steps stand in the table; in one without bounds.
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
    yield Para(words.text("profile.eventful", lines=words.listed(names)), leads=True)
    rows = [_row(c, *event) for event in found]
    yield c.table(("step", "change", "forgets", "unit", "from", "to"), rows)


def _row(c: ProfileCells, part: StageProfile, t: int, b: int) -> tuple[Text, ...]:
    moves, at = part.moves, (t, b - c.found.rows.start)
    assert moves is not None
    forgets = "" if part.forgets is None else c.share(float(part.forgets[at]))
    unit = c.unit(moves.name, part, int(moves.unit[at]), t, b)
    ends = [float(values[at]) for values in (moves.before, moves.after)]
    # what is less than a rounding of the other end is no value beside it
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
    places = (
        np.unravel_index(at, times.shape) for at in largest(sizes, min(most, sizes.size)).tolist() if sizes[at] > 0
    )
    return [(parts[int(k)], int(t), int(b) + found.rows.start) for k, t, b in places]


#: A command goes on in the next line where it would be longer.
WIDTH = 78
#: The trace of the command before goes to the next one.
_PIPE = "| lstm-trace"


#: What a command shows, as the key of its words, its arguments, and the unit that is named, if any.
_Command = tuple[str, list[str], str]


def closer(c: ProfileCells) -> Iterator[Block]:
    """A command for each thing to look at, each below a comment that says what it shows."""
    rows = [f"# {c.shown.words.word('profile.command.source')}"] if c.shown.source == UNNAMED else []
    for key, arguments, unit in _commands(c):
        rows += [f"# {c.shown.words.word(f'profile.command.{key}', unit=unit)}", *_wrapped(arguments)]
    yield Heading(2, c.shown.said("profile.closer"))
    yield Listing(tuple(rows))


def _commands(c: ProfileCells) -> Iterator[_Command]:
    """The commands in their order; those for which the trace has what they need."""
    source, options, run = c.shown.source
    opened = [source, *options]
    units = long_memories(c.found) or large_values(c.found)
    if units and c.found.counted:
        _, line, j = unit = units[0]
        (t, b), at = line.at[j].tolist(), [*_place(c, unit), "--unit", str(j)]
        key = "largest" if line.kept is None else "unit"
        yield key, ["plot", *opened, "--kind", "unit", *at, "-o", f"unit-{j}.svg"], ""
        yield "worked", ["report", *opened, *at], ""
        if line.kept is not None:
            yield "memory", ["explain", "memory", *opened, "--of", _address(c, unit, t, b)], ""
        if any(step_labels(c.found.trace, b)):
            told = (followers(c.found) or units)[0]
            chosen = [*_place(c, told), "--line", told[1].name, "--unit", str(told[2])]
            yield "text", ["plot", *opened, "--kind", "text", *chosen], _address(c, told)
    for _, t, b in events(c.found, 1):
        yield "step", ["report", *opened, *_row_option(c, b), "--steps", str(c.found.trace.span[t])], ""
    yield "gates", ["explain", "gates", *opened], ""
    yield "verify", ["run", *opened, _PIPE, "verify", "-"] if run else ["verify", source], ""


def _address(c: ProfileCells, unit: Unit, t: int | None = None, b: int | None = None) -> str:
    part, line, j = unit
    return str(c.address(line.name, part, t, b)._replace(unit=(j,)))


def _place(c: ProfileCells, unit: Unit) -> list[str]:
    """The options for a unit's layer and direction, and for the row in which it is largest, where there are several."""
    part, line, j = unit
    trace = c.found.trace
    stages = [stage for stage in trace.stages if stage.cell.carry]
    layers = ["--layer", str(part.stage.layer)] if len({stage.layer for stage in stages}) > 1 else []
    ways = ["--direction", part.stage.direction] if len({stage.direction for stage in stages}) > 1 else []
    return [*layers, *ways, *_row_option(c, int(line.at[j, 1]))]


def _row_option(c: ProfileCells, b: int) -> list[str]:
    return ["--batch", str(b)] if c.found.trace.batch > 1 else []


def _wrapped(arguments: list[str]) -> Iterator[str]:
    """A command as a shell reads it, over several lines where it is long."""
    words: list[str] = []
    for text in arguments:
        if text == _PIPE:
            words.append(text)
        elif text.startswith("-") or not words or not words[-1].startswith("-"):
            words.append(shlex.quote(text))
        else:  # an option and its value stay together
            words[-1] += f" {shlex.quote(text)}"
    line = "lstm-trace"
    for word in words:
        if len(line) + len(word) + 3 > WIDTH and word.startswith(("-", "|")):
            yield f"{line} \\"
            line = f"    {word}"
        else:
            line += f" {word}"
    yield line


def profile(shown: View) -> Iterator[Block]:
    """What the model is, its gates, units, steps and layers, and commands; nothing of a report of worked steps."""
    if shown.profile is not None:
        c = ProfileCells(shown, shown.profile)
        for section in (model, gates, units, steps, layers, closer):
            yield from section(c)
