"""A cell some of whose lines can be held at other values than their own: an intervention in a run.

A line that is held becomes a choice, at every step, row and unit, between what its equation gives and another value:

    free_c_t = f_t * c_prev + i_t * c_tilde
    c_t = where(hold_c_t, to_c_t, free_c_t)

and what reads c_t reads the choice. `hold_c_t` (1 where it is held, 0 elsewhere) and `to_c_t` are inputs, so a run, its
plans, `verify`, gradients and the spreadsheet need nothing for it. A line that is scaled becomes
`where(scale_c_t, by_c_t * free_c_t, free_c_t)`. The text of such a cell is that of the cell without holds and a row
`hold: c_t` or `scale: c_t`, since lines without a name of their own, `tanh(c_t)`, can be held too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from .lines import Cell, Line, expression

#: The rows of the equations that name such lines.
HOLDS = ("hold", "scale")
#: Characters of a line without a name that the names made for it have.
MOST_CHARACTERS = 40


class HoldNames(NamedTuple):
    """The inputs that hold and scale a line, and the name of what its equation gives."""

    hold: str
    to: str
    scale: str
    by: str
    free: str


def names_of(cell: Cell) -> Mapping[str, HoldNames]:
    """Of every line that can be held or scaled its `Names`, which are no other value's.

    cell: one with holds, or one without, which has none.
    """
    if cell.plain is None:
        return {}
    plain = cell.plain
    taken = {*plain.by_name, *plain.inputs, *plain.states, *plain.parameters}
    found = {}
    for line in plain.lines:
        if line.name in cell.held or line.name in cell.scaled:
            stem = re.sub(r"\W+", "_", line.name).strip("_")[:MOST_CHARACTERS]
            found[line.name] = _new(stem, taken)
            taken |= set(found[line.name])
    return found


def _new(stem: str, taken: Iterable[str]) -> HoldNames:
    names, count = HoldNames(*(f"{field}_{stem}" for field in HoldNames._fields)), 1
    while not set(names).isdisjoint(taken):
        count += 1
        names = HoldNames(*(f"{field}_{stem}_{count}" for field in HoldNames._fields))
    return names


def with_holds(cell: Cell, held: Iterable[str], scaled: Iterable[str] = ()) -> Cell:
    """The cell with lines that can be held, and lines that can be scaled, in place of those that it has by now.

    >>> from .parse import parse
    >>> cell = with_holds(parse("c_t = 0.5 * c_prev + x_t\\ncarry: c_prev <- c_t\\noutput: c_t"), ["c_t"])
    >>> [line.name for line in cell.lines], cell.by_name["c_t"].operands
    (['0.5 * c_prev', 'free_c_t', 'c_t'], ('hold_c_t', 'to_c_t', 'free_c_t'))
    """
    plain = cell if cell.plain is None else cell.plain
    names_held, names_scaled = ({*names} for names in (held, scaled))
    order = [line.name for line in plain.lines]
    if names_held.isdisjoint(order) and names_scaled.isdisjoint(order):
        return plain
    found = replace(
        plain,
        plain=plain,
        held=tuple(name for name in order if name in names_held),
        scaled=tuple(name for name in order if name in names_scaled),
    )
    names = names_of(found)
    # a call of a composite function is no longer what it says where a line within it is held
    open_calls = {name for name, inner in plain.within.items() if not names.keys().isdisjoint(inner)}
    lines: list[Line] = []
    inputs = list(plain.inputs)
    for line in plain.lines:
        own = line._replace(call=()) if line.name in open_calls else line
        if line.name not in names:
            lines.append(own)
            continue
        new, last = names[line.name], names[line.name].free
        lines.append(own._replace(name=last))
        if line.name in found.scaled:
            inputs += [new.scale, new.by]
            product = Line("", "mul", (new.by, new.free))
            choice = Line("", "where", (new.scale, expression(product), new.free))
            last = expression(choice) if line.name in found.held else line.name
            lines += [product._replace(name=expression(product)), choice._replace(name=last)]
        if line.name in found.held:
            inputs += [new.hold, new.to]
            lines.append(Line(line.name, "where", (new.hold, new.to, last)))
    carry = tuple(
        (state, names[line].free if line in names and _is_choice_of_padding(plain, state) else line)
        for state, line in plain.carry
    )
    return replace(found, lines=tuple(lines), inputs=tuple(inputs), carry=carry)


def _is_choice_of_padding(cell: Cell, state: str) -> bool:
    """Whether what a state carries is also the output of a padded cell (`padding: carry`).

    Holding that output changes what the cell gives out, and not what it carries, as with the other rules of padding.
    """
    line = cell.by_name.get(cell.states[state])
    chosen = line is not None and line.op == "where" and line.operands[::2] == ("valid", state)
    return chosen and cell.states[state] == cell.output
