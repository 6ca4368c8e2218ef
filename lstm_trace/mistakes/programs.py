"""A cell as equations that can be rewritten, and the mistakes of the table in it.

A program is a cell with some of its equations replaced, and the words of the table that no equation says. Applying a
row of the table to a program gives another, so two mistakes at once are one applied after the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache, partial
from itertools import combinations, permutations
from typing import NamedTuple

from ..cell.lines import Cell, Line
from ..cell.network import VALID
from ..cell.parse import parse
from ..errors import CellError
from .table import FUNCTIONS, ROWS, MistakeRow, Rewriting, at_valid, functions_of
from .trees import ExpressionTree, Site, filled, rewritten, sites, tree

Equations = Mapping[str, ExpressionTree]
CARRY, OUTPUT = "carry ", "output"
LATE_SUFFIX = "_late"
ONE = "one"  # `late(1)`, an input that is 0 at the first step, then 1
LATER = f"{ONE}{LATE_SUFFIX}"
PASSED = "passed_t"  # a value that is passed on and has no name


class Mistake(NamedTuple):
    """A mistake in a cell: its key, the program with it, and what a sentence about it says.

    names: the equations that it changes. part: what each letter of its pattern stands for in the first of them. value:
    what stands for `{k}`, or what its word is given.
    """

    key: str
    program: RewrittenCell
    names: tuple[str, ...] = ()
    part: Mapping[str, str] = {}  # a proxy could not be pickled
    value: str = ""

    @property
    def row(self) -> MistakeRow:
        """Its row of the table."""
        return ROWS[self.key.partition(":")[0]]


@dataclass(frozen=True)
class RewrittenCell:
    """A cell, the equations that replace its own, and words of the table with what they are given."""

    own: CellEquations
    changes: tuple[tuple[str, ExpressionTree], ...] = ()
    words: tuple[tuple[str, str], ...] = ()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.changes, self.words))  # there are few cells, and thousands of programs in sets

    @property
    def same(self) -> object:
        """What it computes, but for the order in which terms are added."""
        return tuple((name, right.ordered()) for name, right in self.changes), self.words

    @cached_property
    def reads(self) -> frozenset[str]:
        """The names that the equations read which replace its own."""
        return frozenset(name for _, right in self.changes for name in right.names())

    @property
    def cell(self) -> Cell:
        """The cell without changes."""
        return self.own.cell

    @cached_property
    def rows(self) -> Mapping[str, ExpressionTree]:
        """Every equation: by the name that it assigns, `carry h_prev`, and `output`."""
        return {**self.own.rows, **dict(self.changes)}

    @cached_property
    def inlined(self) -> Mapping[str, ExpressionTree]:
        """The equations, with the values that one other equation reads, and those that are clipped, written out."""
        read = [n for right in self.rows.values() for n in right.names()]
        there = {n: right for n, right in self.rows.items() if read.count(n) == 1 or "clip" in right.calls()}
        return {name: filled(right, there) for name, right in self.rows.items()}

    def changed(self, rows: Mapping[str, ExpressionTree]) -> RewrittenCell | None:
        """The program with other equations; None if it is the same."""
        new = {**dict(self.changes), **rows}
        new = {name: right for name, right in new.items() if right != self.own.rows[name]}
        found = RewrittenCell(self.own, tuple(sorted(new.items())), self.words)
        return found if found.changes != self.changes else None

    @cached_property
    def mistakes(self) -> Mapping[str, Mistake]:
        """What the table makes of it, by key; of mistakes that do the same only the first."""
        return self.made(ROWS.values())

    @cached_property
    def usual(self) -> Mapping[str, Mistake]:
        """The mistakes by rows that are not rare."""
        return self.made([row for row in ROWS.values() if not row.rare])

    def made(self, rows: Iterable[MistakeRow]) -> Mapping[str, Mistake]:
        """What some rows make of it, by key."""
        found: dict[str, Mistake] = {}
        seen = {self.same}
        for row in rows:
            for mistake in row_mistakes(row, self):
                if (same := mistake.program.same) not in seen:
                    seen.add(same)
                    found.setdefault(mistake.key, mistake)
        return found

    def rewritten(self, named: Collection[str] = ()) -> Cell:
        """The cell with these equations. named: states for which what they become has a name, and so a symbol, of its
        own; also those for which it changes. Raises CellError if they are no cell.
        """
        if not self.changes and not {*named} & {*self.cell.states}:
            return self.cell
        lines, changed = self.cell.by_name, dict(self.changes)
        # what a state carries anyway is that state
        known = {f"{n}{LATE_SUFFIX}": s for n, s in becomes(self.cell).items() if f"{CARRY}{s}" not in changed}
        states = {ExpressionTree("name", late): ExpressionTree("name", s) for late, s in known.items()}
        every = {name: rewritten(right, states.get) for name, right in self.rows.items()}
        late = sorted({n for name in changed for n in every[name].names() if n.endswith(LATE_SUFFIX)})
        carry = {n.removeprefix(CARRY): str(right) for n, right in every.items() if n.startswith(CARRY)}
        before = {name: name.removesuffix(LATE_SUFFIX) for name in late if name != LATER}
        # a state may become a line, or an expression that is one
        carry |= {name: line if line in lines else f"1 * {line}" for name, line in before.items()}
        if VALID in self.cell.inputs:  # steps of padding change no state
            carry |= {name: f"where({VALID}, {line}, {name})" for name, line in before.items()}
        rows = {name: str(right) for name, right in every.items() if name in lines}
        for state in carry:
            if (name := f"{CARRY}{state}") in changed or state in named:
                rows[carried_line(state)], carry[state] = str(every[name]), carried_line(state)
        output = str(every[OUTPUT])
        if output not in lines:
            rows[PASSED], output = output, PASSED
        inputs = (*self.cell.inputs, *{LATER}.intersection(late))
        return cell_like(self.cell, inputs, rows, carry, output, _functions(every.values()))


def cell_like(
    cell: Cell, inputs: Iterable[str], rows: Mapping[str, str], carry: Mapping[str, str], output: str,
    functions: str = "",
) -> Cell:  # fmt: skip
    """A cell with other equations, carried values and output than one whose functions and matrices it has.

    functions: the text of more functions. Raises CellError if they are no cell.
    """
    text = [
        *(one.text for one in cell.functions if one.name not in FUNCTIONS),
        functions,
        f"input: {', '.join(inputs)}",
    ]
    text += [f"{name} = {right}" for name, right in rows.items()]
    text += [f"matrix: {', '.join(cell.declared)}"] if cell.declared else []
    text += [f"carry: {', '.join(f'{state} <- {line}' for state, line in carry.items())}"] if carry else []
    return parse("\n".join([*text, f"output: {output}"]))


@dataclass(frozen=True, eq=False)
class CellEquations:
    """The equations of a cell as trees, and which of its names belong to gates."""

    cell: Cell
    rows: Mapping[str, ExpressionTree]

    @cached_property
    def matrices(self) -> frozenset[str]:
        """The weights that are matrices."""
        return frozenset(line.product[0] for line in self.cell.lines if line.product)

    @cached_property
    def gates(self) -> tuple[str, ...]:
        """The letters of the gates, as the equations introduce them: those x W for a state or the input."""
        return tuple(dict.fromkeys(name[3:] for name in self.cell.parameters if re.fullmatch("W_[xh][a-z]", name)))

    @cached_property
    def starred(self) -> Mapping[str, str]:
        """Each name that belongs to a gate, with `*` in place of the gate: `W_x*`, `z_*`, `*_t`."""
        found: dict[str, str] = {}
        letters = "".join(self.gates)
        for name in (*self.cell.by_name, *self.cell.parameters):
            if letters and (m := re.fullmatch(rf"([A-Za-z]+_[xhc]?)([{letters}])", name)):
                found[name] = f"{m[1]}*"
            elif name in self.cell.gates and re.fullmatch(rf"[{letters or '-'}]_t", name):
                found[name] = "*_t"
        common = [*found.values()]
        return {name: star for name, star in found.items() if common.count(star) > 1}

    def allows(self, letter: str, node: ExpressionTree) -> bool:
        """Whether a letter of a pattern may stand for an expression."""
        name = node.value if node.kind == "name" else None
        if letter == "W":
            return name in self.matrices
        if letter in "pq":
            return name in self.cell.parameters and name not in self.matrices
        if letter in "vn":
            return name in self.cell.states if letter == "v" else node.kind == "number"
        return True

    def star(self, text: str) -> str:
        """A text in which the names that belong to a gate have `*` in its place."""
        return re.sub(r"\w+", lambda m: self.starred.get(m[0].removesuffix(LATE_SUFFIX), m[0]), text)


@lru_cache(maxsize=64)
def program_of(cell: Cell) -> RewrittenCell:
    """A cell without mistakes."""
    rows = {name: tree(right) for name, right in cell.equations.items()}
    rows |= {f"{CARRY}{state}": tree(line) for state, line in cell.carry}
    return RewrittenCell(CellEquations(cell, rows | {OUTPUT: tree(cell.output)}))


def row_mistakes(row: MistakeRow, program: RewrittenCell) -> Iterator[Mistake]:
    """What one row of the table makes of a program: at every place that it fits, and at those that belong together."""
    if row.word in RENAMINGS:
        for given, renamed in RENAMINGS[row.word](program.own, row.values):
            names = {old: ExpressionTree("name", new) for old, new in renamed.items()}
            made = program.changed({name: filled(right, names) for name, right in program.rows.items()})
            if made is not None and _is_cell(made):
                yield Mistake(f"{row.key}:{given}", made, _changed(program, made), value=given)
        return
    for value in row.values:
        if not row.word:
            yield from _rewritings(row, value, program)
        elif (row.word, value) not in program.words:
            made = RewrittenCell(program.own, program.changes, (*program.words, (row.word, value)))
            yield Mistake(row.key_of(value.replace(" ", "-")), made, value=value)


def _changed(before: RewrittenCell, after: RewrittenCell) -> tuple[str, ...]:
    """The equations in which two programs differ."""
    return tuple(name for name, right in after.rows.items() if right != before.rows[name])


def _rewritings(row: MistakeRow, value: str, program: RewrittenCell) -> Iterator[Mistake]:
    own, (change, *also) = program.own, row.rewritings(value)
    rows = program.inlined if row.inline else program.rows
    groups: dict[tuple[str, str], list[tuple[str, Site]]] = {}
    # what is written out in another equation is found in its own
    there = {site.node: name for name, site in _sites(program.rows, change, own)} if row.inline else {}
    for name, site in _sites(rows, change, own):
        if there.get(site.node, name) != name:
            continue
        bound = _bound(site)
        keys = [(name, bound), (own.star(name), own.star(bound))]
        if change.left.kind == "call":  # every function at once, as two activations say
            keys.append(("", ""))
        if name.startswith(CARRY):  # every state alike
            keys.append((f"{CARRY}*", re.sub(r"[a-z]+_(prev|t)", r"*_\1", bound)))
        for key in dict.fromkeys(keys) if not row.together else [("", "")]:
            groups.setdefault(key, []).append((name, site))
    for key, members in [*groups.items()] if row.subsets else ():
        for left_out in {name for name, _ in members} if "*" in key[0] and len(members) > 2 else ():
            rest = [member for member in members if member[0] != left_out]
            groups[f"{key[0]} but {left_out}", key[1]] = rest
    order = sorted(groups.items(), key=lambda item: -len({name for name, _ in item[1]}))  # those of every gate first
    several = Counter(name for name, _ in groups)
    for (place, bound), members in order:
        new = _replaced(rows, members, change)
        for other in also:
            every = {**rows, **new}
            new |= _replaced(every, _sites(every, other, own), other)
        made = program.changed({name: _delayed(right) for name, right in new.items()})
        if made is not None and _is_cell(made):
            said = row.key_of(place, bound if several[place] > 1 else "", value)
            names = _changed(program, made)
            first = next(site for name, site in members if name in names)
            part = {letter: str(node) for letter, node in first.found.items()}
            yield Mistake(said, made, names, part, value)


def _sites(rows: Equations, change: Rewriting, own: CellEquations) -> list[tuple[str, Site]]:
    """Where a change fits."""
    return [
        (name, site)
        for name, right in rows.items() if any(fnmatchcase(name, one) for one in change.of.split("|"))
        for site in sites(change.left, change.part(right), own.allows, change.whole)
    ]  # fmt: skip


def _replaced(rows: Equations, members: list[tuple[str, Site]], change: Rewriting) -> dict[str, ExpressionTree]:
    """The equations with what stands in place of these sites, where `y` is the value, or state, itself."""
    new = {name: rows[name] for name, _ in members}
    for name, site in members:
        itself = ExpressionTree("name", name.removeprefix(CARRY))
        part = change.part(whole := new[name])
        made = rewritten(part, {site.node: filled(change.right, {**site.found, "y": itself})}.get)
        new[name] = made if part is whole else whole._replace(parts=(whole.parts[0], made, whole.parts[2]))
    return new


def _bound(site: Site) -> str:
    """What the letters of a pattern stand for at a site, but not the terms that are left as they were."""
    return ",".join(str(part) for letter, part in sorted(site.found.items()) if letter not in ("s", "F"))


def carried_line(state: str) -> str:
    """The line that a state becomes, if a mistake changes that."""
    return f"{state.removesuffix('_prev')}_carried"


def becomes(cell: Cell) -> dict[str, str]:
    """The state that a value becomes at a step that is not padding, by the name of the value."""
    return {str(at_valid(tree(line))): state for state, line in cell.carry}


def _delayed(right: ExpressionTree) -> ExpressionTree:
    """`late(z)` becomes the state `z_late`, which carries z; `late(1)` an input."""

    def change(node: ExpressionTree) -> ExpressionTree | None:
        if node.kind != "call" or node.value != "late":
            return None
        part = node.parts[0]
        return ExpressionTree("name", (ONE if part.kind == "number" else str(part)) + LATE_SUFFIX)

    return rewritten(right, change)


def _functions(rights: Iterable[ExpressionTree]) -> str:
    return functions_of(name for right in rights for name in right.calls())


@lru_cache(maxsize=8192)
def equation_cell(cell: Cell, right: ExpressionTree) -> Cell | None:
    """One equation of a cell as a cell whose inputs are the other values; None if it is no equation."""
    known = {*cell.by_name, *cell.inputs, *cell.states, *(n for n in right.names() if n.endswith(LATE_SUFFIX))}
    inputs = tuple(dict.fromkeys(n for n in right.names() if n in known))
    functions = "".join(f"{function.text}\n" for function in cell.functions) + _functions([right])
    matrices = [name for name in dict.fromkeys(right.names()) if name in cell.matrices]
    declared = f"matrix: {', '.join(matrices)}\n" if matrices else ""
    try:
        return parse(f"{functions}{declared}value_ = {right}\noutput: value_", 1, inputs or ("x_t",))
    except CellError:
        return None


def equation_lines(cell: Cell, right: ExpressionTree) -> tuple[Line, ...] | None:
    """The lines of one equation of a cell, in which its other values are inputs; None if it is no equation."""
    found = equation_cell(cell, right)
    return None if found is None else found.expanded.lines


def _is_cell(program: RewrittenCell) -> bool:
    """Whether every changed equation reads values that there are before it, and is in the grammar."""
    cell = program.cell
    order = {name: k for k, name in enumerate(program.own.rows)}
    known = {ONE, *order, *cell.inputs, *cell.states, *cell.parameters}
    for name, right in program.changes:
        reads = {n.removesuffix(LATE_SUFFIX) for n in right.names()}
        before = all(order[n] < order[name] for n in right.names() if n in cell.by_name)
        if not (before and reads <= known) or equation_lines(cell, right) is None:
            return False
    return True


# -- weights under other names -----------------------------------------------------------------------------------------

Renamings = Iterable[tuple[str, Mapping[str, str]]]
#: The gates of a cell with more are exchanged in pairs alone: 6 have 720 orders.
MOST_PERMUTED = 5


def _weights(own: CellEquations, gates: Mapping[str, str], stems: Iterable[str]) -> dict[str, str]:
    """The weights of gates with those of others that are read in their place."""
    pairs = ((f"{stem}{gate}", f"{stem}{other}") for gate, other in gates.items() for stem in stems if gate != other)
    return {one: two for one, two in pairs if one in own.cell.parameters and two in own.cell.parameters}


def _copies(own: CellEquations, stems: Iterable[str]) -> Renamings:
    """The weights of one gate used in another as well: one of them, or all; or those of one gate in all."""
    for source in own.gates:
        for gate in own.gates:
            names = _weights(own, {gate: source}, stems)
            yield from ((f"{name},{new}", {name: new}) for name, new in names.items())
            if len(names) > 1:
                yield f"{gate},{source}", names
        yield f"*,{source}", _weights(own, dict.fromkeys(own.gates, source), stems)


def _gates(own: CellEquations, pairs: bool) -> Renamings:
    """The value of a gate read in place of another's; pairs: and the reverse."""
    names = [name for name in own.cell.by_name if own.starred.get(name) == "*_t"]
    for one, two in (combinations if pairs else permutations)(names, 2):
        yield f"{one},{two}", {one: two, two: one} if pairs else {one: two}


def _orders(own: CellEquations, stems: Iterable[str], pairs: bool) -> Renamings:
    """Gates whose weights are read as another's: every order, or exchanges of two."""
    gates = [gate for gate in own.gates if any(f"{stem}{gate}" in own.cell.parameters for stem in stems)]
    made = [{one: two, two: one} for one, two in combinations(gates, 2)]
    if not pairs and len(gates) <= MOST_PERMUTED:
        made = [{g: new for g, new in zip(gates, order, strict=True) if g != new} for order in permutations(gates)]
    for moved in made:
        if names := _weights(own, moved, stems):
            yield ",".join(moved) if len(moved) == 2 else "".join(moved.get(gate, gate) for gate in gates), names


#: Words that say which names are read in place of which, with how each names them; given how names of weights begin.
RENAMINGS: Mapping[str, Callable[[CellEquations, Iterable[str]], Renamings]] = {
    "order of gates": partial(_orders, pairs=False),
    "two gates exchanged": partial(_orders, pairs=True),
    "weights of another gate": _copies,
    "functions exchanged": lambda *_: [("sigmoid,tanh", {"sigmoid": "tanh", "tanh": "sigmoid"})],
    "gates exchanged": lambda own, _: _gates(own, pairs=True),
    "another gate": lambda own, _: _gates(own, pairs=False),
}
