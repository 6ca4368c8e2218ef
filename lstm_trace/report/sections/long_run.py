"""A run of many steps: its states as a table, where its units forget, and its most eventful steps worked in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from heapq import nsmallest
from itertools import chain
from operator import itemgetter

import numpy as np

from ...base.arrays import Array
from ...cell.network import Stage
from ...documents.blocks import Block, Code, Heading, Jump, Para, Picture, Text
from ...documents.excerpt import excerpt, largest
from ...errors import MissingError
from ...explanation.activity import LineStatistics, keeping, kept_by_step
from ...explanation.memory import recurrence
from ...explanation.profile import StageProfile, profile
from ...formulas.tree import Sym, kept
from ...formulas.values import Values
from ...languages.strings import capital
from ...plot.kinds.maps import states
from ...view.hand_size import TABLE
from ...view.line_groups import interventions
from ...view.view import MORE, View, first, fitted
from ..content.value_blocks import over_steps, shortened, state_columns, wide_columns
from ..in_words.sentences import described
from .profile import EMPTY, PIPE, Command, ProfileCells, listing, opened_as

#: How many rows all tables have together, if there are many layers and sequences.
EVERY = 400
#: How many rows a table has; at how many steps a unit is said to forget; digits of half-lives.
ROWS, FORGETS, SIGNIFICANT = 60, 6, 3
#: By unit at how many steps it keeps less than half, and the least shares, with their sequences and steps.
Forgotten = dict[int, tuple[int, list[tuple[float, int, int]]]]
#: Of more layers and directions, only the most eventful step is worked.
PLACES = 2


def long_run(shown: View, full: int) -> View:
    """The view of a long run with what its units and steps did. full: how many of its steps are worked in full.

    On paper they are worked as compactly as in a report of few steps.
    """
    trace, part, shown = shown.trace, shown.chosen, replace(shown, tabled=True, rows=_with_stop(shown, shown.rows))
    if not wide_columns(shown):
        shown = replace(shown, cut=shown.cut - {"units"})
    with suppress(MissingError):  # no cell carries a state
        found = profile(trace, part.layer, part.direction, part.batch)  # type: ignore[arg-type]
        shown = replace(shown, overview=found)
    if not full:
        rows = {"rows"} if len(_rows(shown)) < len(shown.every_row) else set()
        return replace(shown, cut=(shown.cut - {"rows"}) | rows)
    moved = {b: changes(shown, _parts(shown), b) for b in shown.rows}
    row = next((b for b, sizes in moved.items() if sizes.any()), shown.rows[0])  # the first may be all padding
    row = row if shown.stop is None else shown.stop[1]
    most = full if len(shown.stages) <= PLACES else 1
    steps = sorted(shown.every_step[k] for k in largest(moved[row], most).tolist() if moved[row][k])
    if not steps:  # nothing moved, or it is not known: the first, the last, and one between them
        steps = sorted({shown.every_step[k] for k in (0, len(moved[row]) // 2, -1)})
    few = replace(shown, steps=tuple(steps), rows=(row,), detail="scalar", cut=frozenset(), tabled=False)
    eventful = fitted(few, "compact" if shown.paper and shown.filled else None)
    there = tuple(sorted({*shown.steps, *steps}))
    return replace(shown, eventful=eventful, steps=there, cut=shown.cut | (eventful.cut - {"steps", "detail"}))


def of_states(shown: View, file: str) -> Picture | None:
    """The picture of the gates that keep and of the states, over all steps. file: its name, if it is one of its own."""
    part = shown.chosen
    lines = [name for stage in shown.stages for name in (*sorted(keeping(stage)), *_lines(shown, stage))]
    try:
        figure = states(
            shown.trace, part.unit, [*dict.fromkeys(lines)], part.layer, part.direction, shown.rows[0], part.steps,
            language=shown.words.language,
        )  # fmt: skip
    except MissingError:  # nothing that is a finite number
        return None
    return Picture(figure.svg, figure.title, figure.caption, file)


def changes(shown: View, parts: Sequence[StageProfile], row: int) -> Array:
    """How far the states of layers and directions moved at each chosen step, as a multiple of their typical change.

    At the step of the first value that is not finite it is infinite: no other step is of more interest.
    """
    window, sizes = shown.chosen.window(shown.trace), np.zeros(len(shown.every_step))
    for part in parts:
        if shown.overview is not None and part.moves is not None and part.moves.typical > 0:
            times = part.moves.times[window, row - shown.overview.rows.start]
            sizes = np.maximum(sizes, np.where(np.isfinite(times), times, 0.0))
    if shown.stop is not None and shown.stop[1] == row:
        sizes[shown.every_step.index(shown.stop[0])] = np.inf
    return sizes


def in_full(shown: View, full: View) -> Text:
    """Which steps of a long run are worked, and why these."""
    row = full.rows[0]
    names = dict.fromkeys(part.moves.name for part in _parts(shown) if part.moves is not None)
    others = tuple(t for t in full.steps if (t, row) != shown.stop)
    lines = shown.words.listed([(Sym(name),) for name in names])
    of = shown.words.aside(shown.row(row) if len(shown.rows) > 1 else "")
    key = "over.full" if others == full.steps else "over.stop"
    key = key if others and changes(shown, _parts(shown), row).any() else "over.few"
    key = "over.gates" if full.detail == "summary" else key
    nth: list[Text] = [(str(shown.words.nth(t)),) for t in (others if key == "over.stop" else full.steps)]
    steps, n = (*shown.words.listed(nth), of), str(len(shown.every_step))
    stop = "" if shown.stop is None else str(shown.words.nth(shown.stop[0]))
    return shown.words.text(key, n=n, stop=stop, steps=steps, lines=lines)


def over_time(shown: View) -> Iterator[Block]:
    """The picture, and for each layer and direction the table of its states, and of what its units keep."""
    yield Heading(2, shown.said("over.time"))
    if shown.brief:
        yield from interventions(shown)
        yield from shortened(shown)
    if shown.illustration is not None:
        yield shown.illustration
    tabled = _rows(shown)
    high = TABLE if _is_wide(shown) else ROWS
    most = 0 if shown.everything else max(min(high, EVERY // (len(shown.stages) * len(tabled))), TABLE)
    for stage in shown.stages:
        part = next((part for part in _parts(shown) if part.stage.scope == stage.scope), None)
        names, kept_by = state_columns(shown, stage), _kept_by(shown, part)
        named = _named(shown, kept_by)
        if any(3 * sum(b == row for b, _ in named) > 2 * most for row in tabled):
            named = set()  # too many: those at which the states moved say more
        places = [place for b in tabled for place in _places(shown, part, b, most, named)]
        if not places:  # everything is padding
            continue
        lines = shown.words.listed([(Sym(name),) for name in names])
        key = ("over.named" if named else "over.some") if None in places else "over.rows"
        text = shown.words.text(key, lines=lines, all=Code("--detail summary --all"))
        place = shown.place(stage)
        yield Para((*capital(shown.said("prefix", what=place)), *text) if place else capital(text), leads=True)
        yield over_steps(shown, stage, names, places)
        for each in kept_by:
            yield from _units(shown, *each)


def _kept_by(shown: View, part: StageProfile | None) -> list[tuple[StageProfile, LineStatistics, Forgotten]]:
    """The states of a layer and direction of which it is known what they keep, and where their units forget."""
    states = () if part is None else [state for state in part.states if state.kept is not None]
    return [(part, state, _forgotten(shown, part, state)) for state in states if part is not None]


def _named(shown: View, kept_by: Sequence[tuple[StageProfile, LineStatistics, Forgotten]]) -> set[tuple[int, int]]:
    """The sequences and steps that the tables of the units name."""
    named = {(b, t) for *_, few in kept_by for _, least in few.values() for _, b, t in least}
    return named | {(b, shown.trace.span[t]) for _, state, few in kept_by for t, b in state.at[[*few]].tolist()}


def named_steps(shown: View) -> list[int]:
    """The steps of the sequences shown that are named in the tables of the units and in words, in order."""
    tables = {t for part in _parts(shown) for b, t in _named(shown, _kept_by(shown, part)) if b in shown.rows}
    told = {t for told, _ in described(shown)[1] for t in told.named}
    return sorted((tables | told).intersection(shown.every_step))


def _is_wide(shown: View) -> bool:
    """Whether a cell is too wide to be worked on paper, where tables are shorter so that four pages are enough."""
    return shown.paper and not shown.filled


def _rows(shown: View) -> tuple[int, ...]:
    """The sequences whose states are in the table, more than are worked: as many as there is room for."""
    room = EVERY // (len(shown.stages) * min(TABLE, len(shown.every_step)))
    return shown.every_row if shown.everything else _with_stop(shown, first(shown.every_row, max(room, 2)))


def _with_stop(shown: View, rows: tuple[int, ...]) -> tuple[int, ...]:
    """Some sequences in order, among them that of the first value that is not finite."""
    return rows if shown.stop is None or shown.stop[1] in rows else (*rows[:-1], shown.stop[1])


def _parts(shown: View) -> Sequence[StageProfile]:
    return () if shown.overview is None else shown.overview.parts


def _places(
    shown: View, part: StageProfile | None, b: int, most: int, named: set[tuple[int, int]]
) -> Iterator[tuple[int, int] | None]:
    """The steps of a sequence that have a row: those around which states moved furthest, or all of them if few.

    named: sequences and steps that have one in any case, since the table of the units names them.
    """
    there = [k for k, t in enumerate(shown.every_step) if shown.counts(t, b)]
    sizes = changes(shown, () if part is None else (part,), b)
    near = np.maximum(sizes, np.append(sizes[1:], 0.0))[there]  # the step before shows where a state came from
    near[[(b, shown.every_step[k]) in named for k in there]] += near.max(initial=0.0) + 1
    for entry in excerpt(near, most or len(there), timed=True, adds=False):
        yield None if isinstance(entry, range) else (shown.every_step[there[entry]], b)


def _forgotten(shown: View, part: StageProfile, state: LineStatistics) -> Forgotten:
    """Where the units of a state keep less than half of it."""
    width = len(state.mean)
    most = None if shown.everything else shown.units if _is_wide(shown) else MORE
    units = [shown.chosen.unit] if shown.chosen.unit is not None else kept(width, most)
    few: Forgotten = {j: (0, []) for j in units if j is not None and j < width}
    for b in shown.every_row:  # also those without a row in the table: the other columns are of all of them
        keeps = kept_by_step(shown.trace, part.stage, recurrence(part.stage, state.name), b, [*few])
        keeps = keeps[shown.chosen.window(shown.trace)]
        keeps[[not shown.counts(t, b) for t in shown.every_step]] = 1
        for j, share in zip(few, keeps.T, strict=True):
            there = [(float(share[k]), b, shown.every_step[k]) for k in np.flatnonzero(share < 0.5)]
            few[j] = few[j][0] + len(there), nsmallest(FORGETS, few[j][1] + there)
    return few


def _units(shown: View, part: StageProfile, state: LineStatistics, few: Forgotten) -> Iterator[Block]:
    """A table of the units of a state: what they keep, and at which steps they forget."""
    assert shown.overview is not None
    style = replace(shown.values.style, digits=None, significant=SIGNIFICANT)
    c = ProfileCells(replace(shown, values=Values(shown.trace, style)), shown.overview)
    words, width = shown.words, len(state.mean)
    rows: list[tuple[Text, ...]] = []
    for j, (lost, least) in few.items():
        least, several = sorted(least, key=itemgetter(1, 2)), len(shown.every_row) > 1
        scope, texts = part.stage.scope, dict[int, list[Text]]()
        for share, b, t in least:
            jump = Jump(str(words.nth(t)), (scope, t, b))
            shown_share = c.share(share) if share < 0.495 else f"<{c.share(0.5)}"  # not rounded to one half
            texts.setdefault(b, []).append((jump, words.aside(shown_share)))
        lists = [words.listed(there, last="list") for there in texts.values()]
        if several:
            heads = [words.word("prefix", what=shown.row(b)) for b in texts]
            lists = [(head, *there) for head, there in zip(heads, lists, strict=True)]
        more: list[Text] = [(words.word("profile.more", n=lost - len(least)),)] if lost > len(least) else []
        mark = "semicolon" if several else "list"
        at = words.listed(lists + more, mark, last=mark)
        assert state.kept is not None
        half, value = c.half_life(float(state.kept.half_life[j])), c.number(float(state.largest[j]))
        t, b = state.at[j].tolist()
        step, *row = c.step(t, b)
        largest_at = EMPTY if value == EMPTY else (Jump(str(step), (scope, shown.trace.span[t], b)), *row)
        name = shown.label(part.stage, state.name, j, width)
        rows.append(((name,), at or (words.word("over.none"),), half, value, largest_at))
    said = words.text("over.units", line=(Sym(state.name),), n=str(FORGETS))
    if shown.overview.not_finite is not None:
        said = (*said, " ", words.word("profile.infinite"))
    yield Para(said, leads=True)
    yield replace(c.table(("unit", "forgets.at", "half", "largest", "at"), rows), texts=frozenset({0, 1}))


def closer(shown: View) -> Iterator[Block]:
    """Commands for another step, for all of them, for the table as a file and for a picture of one unit."""
    yield from listing(shown, _commands(shown))


def _commands(shown: View) -> Iterator[Command]:
    source, options, _ = shown.source
    gates = ((stage, sorted(keeping(stage) & {*shown.trace.lines.get(stage.scope, {})})) for stage in shown.stages)
    each = ((*keep, *_lines(shown, stage)) for stage, keep in gates)  # their values are the shares that units keep
    opened, lines = opened_as(shown), dict.fromkeys(chain.from_iterable(each))
    part = shown.chosen
    place = [
        text
        for option, value in (("--layer", part.layer), ("--direction", part.direction), ("--batch", part.batch))
        if value is not None
        for text in (option, str(value))
    ]
    full = shown.eventful.steps if shown.eventful is not None else ()
    other = next((t for t in shown.every_step[len(shown.every_step) // 2 :] if t not in full), shown.every_step[0])
    yield "other", ["report", *opened, *place, "--steps", str(shown.words.nth(other))], ""
    yield "every", ["report", *opened, *place, "--detail", "scalar", "--all"], ""
    table = ["--line", ",".join(lines), *place, "--shape", "wide", "-o", "states.csv"]
    yield "table", ["run", source, *options, PIPE, "export", "-", *table] if options else ["export", source, *table], ""
    yield "states", ["plot", *opened, "--kind", "states", *place, "-o", "states.svg"], ""


def _lines(shown: View, stage: Stage) -> list[str]:
    """The lines of a stage that its table has, without the input."""
    return [name for name in state_columns(shown, stage) if name in stage.cell.by_name]
