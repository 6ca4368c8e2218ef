"""What the header of a trace says of mistakes that it has on purpose: the equations that they replaced, new symbols."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..cell.lines import Cell
from ..formulas.symbols import Symbol, at, symbol
from ..formulas.tex import Tex
from ..formulas.tree import Sym
from .identify import ChangedEquation
from .programs import CARRY, LATE_SUFFIX, LATER, OUTPUT, PASSED, RewrittenCell, carried_line, cell_like
from .trees import tree
from .trials import Candidate


def late_symbols(changed: Iterable[ChangedEquation], own: Mapping[str, str]) -> dict[str, str]:
    """TeX for what changed equations read a step late: c_{t-1} for the c_t of the step before."""
    late = {name for one in changed for name in tree(one.wrong).names() if name.endswith(LATE_SUFFIX)}
    found = {name: _indexed(symbol(name.removesuffix(LATE_SUFFIX), own), 1) for name in late}
    return {name: r"\mathrm{later}_{t}" if name == LATER else text for name, text in found.items()}


def seeded_symbols(changed: Sequence[ChangedEquation], own: Mapping[str, str]) -> dict[str, str]:
    """TeX for what changed equations read a step late, and, with a hat, for states that they make another line than
    that of their name.
    """
    found = late_symbols(changed, own)
    for state in {one.name.removeprefix(CARRY) for one in changed if one.name.startswith(CARRY)}:
        read = symbol(state, own)
        read = read if read.tex or "t-1" in read.sub else read._replace(sub=",".join(filter(None, (read.sub, "t-1"))))
        found[state], found[carried_line(state)] = _indexed(read, 0, r"\hat"), _indexed(read, -1, r"\hat")
    return found


def _indexed(one: Symbol, back: int, accent: str = "") -> str:
    """A symbol in TeX, so many steps before."""
    steps = {0: ("t", "t-1"), 1: ("t-1", "t-2"), -1: ("t+1", "t")}[back]
    if one.tex or not one.base:
        return f"{accent}{{{at(one, steps).tex or Tex({})(Sym(one.name))}}}"
    index = at(one if {"t", "t-1"} & {*one.sub.split(",")} else one._replace(sub=f"{one.sub},t".strip(",")), steps).sub
    base = Tex({"base": one._replace(sub="")})(Sym("base"))
    return f"{accent}{{{base}}}_{{{index}}}" if accent else f"{base}_{{{index}}}"


def read_states(candidate: Candidate) -> frozenset[str]:
    """The states that become another line in some stage; what they become then has a name in every stage."""
    changed = (name for program in candidate.programs.values() for name, _ in program.changes)
    return frozenset(name.removeprefix(CARRY) for name in changed if name.startswith(CARRY))


def replaced(program: RewrittenCell, named: Collection[str]) -> dict[str, str]:
    """The equations of a cell of which the cell with mistakes has others: those, or the name of an equal one."""
    new, changes = program.rewritten(named).equations, dict(program.changes)
    changed = {*changes, *(f"{CARRY}{state}" for state in named)}
    rows = program.own.rows.items()
    return {name: str(right) for name, right in rows if name in changed or new.get(name, str(right)) != str(right)}


def model_cell(cell: Cell, replaced: Mapping[str, str]) -> Cell:
    """A cell with the equations that mistakes replaced in it. Raises CellError if they are none of it."""
    if not replaced:
        return cell
    added = {PASSED, *(carried_line(name.removeprefix(CARRY)) for name in replaced if name.startswith(CARRY))}
    rows = {name: replaced.get(name, right) for name, right in cell.equations.items() if name not in added}
    carry = {s: replaced.get(f"{CARRY}{s}", line) for s, line in cell.carry if not s.endswith(LATE_SUFFIX)}
    inputs = [name for name in cell.inputs if name != LATER]
    return cell_like(cell, inputs, rows, carry, replaced.get(OUTPUT, cell.output))


def same_cell(one: Cell, two: Cell) -> bool:
    """Whether two cells have the same equations."""
    return all(getattr(one, name) == getattr(two, name) for name in ("equations", "carry", "output"))
