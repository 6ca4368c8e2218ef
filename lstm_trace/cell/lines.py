"""A cell is a list of lines: one line per operation, in order of computation, each with a value of its own.

A line can be held at other values than its own, an intervention in a run. It becomes a choice, at every step, sequence
and unit, between the value of its equation and another value:

    free_c_t = f_t * c_prev + i_t * c_tilde
    c_t = where(hold_c_t, to_c_t, free_c_t)

and consumers of c_t use the choice. `hold_c_t` (1 where it is held, 0 elsewhere) and `to_c_t` are inputs, so that runs,
plans, `verify`, gradients and the spreadsheet need nothing special for it. A line that is scaled becomes
`where(scale_c_t, by_c_t * free_c_t, free_c_t)`. The text of such a cell is that of the cell without holds and a row
`hold: c_t` or `scale: c_t`, since lines without a name of their own, such as `tanh(c_t)`, can be held too.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import chain, count
from typing import NamedTuple

from ..base.arrays import by_key
from .ops import OPS

Operand = str | float
_WIDE = 100  # maximum width of an equation in a message


class SourcePlace(NamedTuple):
    """Where a line was written: its row and row number, the column of its operation, and those of its operands."""

    number: int
    row: str
    column: int
    operands: Mapping[str, int] = {}

    def pointed(self, message: str, operand: str = "") -> str:
        """The message with the equation, and a caret below the operation, or below one of its operands."""
        place = f"equation {self.number}" if self.number > 0 else "the cell's own equations"
        row, column = self.row, self.operands.get(operand, self.column)
        if len(row) > _WIDE:  # only the part around the caret
            begin = max(min(column - _WIDE // 2, len(row) - _WIDE), 0)
            row = "…" * (begin > 0) + row[begin : begin + _WIDE] + "…" * (begin + _WIDE < len(row))
            column += (begin > 0) - begin
        return f"{place}: {message}\n    {row}\n    {_as_wide(row[:column])}^"


def _as_wide(text: str) -> str:
    """Blanks as wide as a text in a monospaced font: tabs for tabs, ideographic spaces for wide characters.

    >>> _as_wide("a\\t変")
    ' \\t\\u3000'
    """
    wide = {"\t": "\t", "W": "\u3000", "F": "\u3000"}
    letters = (c for c in text if not unicodedata.combining(c))
    return "".join(wide.get(c if c == "\t" else unicodedata.east_asian_width(c), " ") for c in letters)


def pointed(message: str, places: Mapping[str, SourcePlace], line: str, operand: str = "") -> str:
    """The message with a caret in the equation of `line` (see `Place`); unchanged if that line has no author."""
    return places[line].pointed(message, operand) if line in places else message


class Line(NamedTuple):
    """One operation: its name, the operation, the operands (names or numbers) and the operation's constants.

    For `add` the constants are the signs of the terms; for a named function the numbers after its operands.
    call: if the line is the value of a composite function, that function's name and arguments.
    """

    name: str
    op: str
    operands: tuple[Operand, ...]
    constants: tuple[float, ...] = ()
    call: tuple[Operand, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The operands that are names."""
        return tuple([o for o in self.operands if isinstance(o, str)])  # a list is twice as fast as a generator

    @property
    def product(self) -> tuple[str, str] | None:
        """(matrix, vector) if it is a product of the two, and the matrix a weight."""
        return self._factors("matvec", "vecmat")

    @property
    def memory(self) -> tuple[str, str] | None:
        """(matrix, vector) if it is a product of a computed matrix and a vector."""
        return self._factors("memvec", "vecmem")

    def _factors(self, first: str, last: str) -> tuple[str, str] | None:
        """(matrix, vector) if it is one of two operations, by whether the matrix is first or last."""
        if self.op not in (first, last):
            return None
        left, right = map(str, self.operands)
        return (left, right) if self.op == first else (right, left)

    @property
    def summed(self) -> int:
        """Index of the operand whose units a product or reduction sums."""
        return 0 if self.op in ("vecmat", "vecmem") else len(self.operands) - 1

    @property
    def squashed(self) -> bool:
        """Whether it is a smooth or hard sigmoid: between 0 and 1, like what authors call a gate."""
        return self.op == "sigmoid" or (self.op == "clip" and self.constants == (0.0, 1.0))

    @property
    def assigned(self) -> bool:
        """True if the author named it; other lines are named by their expression."""
        return self.name.isidentifier()


class Function(NamedTuple):
    """A composite function: its arguments, the default values of the last of them, and its expression."""

    name: str
    arguments: tuple[str, ...]
    defaults: tuple[float, ...]
    body: str

    @property
    def signature(self) -> str:
        """`celu(z, alpha=1)`."""
        values = ("",) * (len(self.arguments) - len(self.defaults)) + tuple(f"={number(v)}" for v in self.defaults)
        return f"{self.name}({', '.join(a + v for a, v in zip(self.arguments, values, strict=True))})"

    @property
    def text(self) -> str:
        """The definition as written among the equations."""
        return f"{self.signature} = {self.body}"


class GatheredSum(NamedTuple):
    """A sum over all steps and sequences; each term is a value, or the outer product of two.

    `outer(a, b)` is (width of a, width of b); a value is a vector.
    """

    name: str
    terms: tuple[tuple[str, ...], ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The values in the sum."""
        return tuple(name for term in self.terms for name in term)

    @property
    def text(self) -> str:
        """`d_W <- outer(d_z, x_t) + outer(d_q, h_prev)`."""
        terms = ((f"outer({', '.join(t)})" if len(t) > 1 else t[0]) for t in self.terms)
        return f"{self.name} <- {' + '.join(f'({term})' if _binding(term) < 2 else term for term in terms)}"


#: Characters of an unnamed line that are used in names made for it.
MOST_CHARACTERS = 40


def as_name(text: str) -> str:
    """The part of a name that is made from the text of an unnamed line."""
    return re.sub(r"\W+", "_", text).strip("_")[:MOST_CHARACTERS]


def ending(stems: Iterable[str], taken: Set[str]) -> str:
    """A suffix that makes all `stems` new names: nothing, or the first of `_2`, `_3`, …."""
    names = [*stems]
    return next(end for end in chain([""], (f"_{n}" for n in count(2))) if taken.isdisjoint(n + end for n in names))


_SIGN = {"matvec": " @ ", "vecmat": " @ ", "memvec": " @ ", "vecmem": " @ ", "mul": " * ", "div": " / "}


def number(value: float) -> str:
    """Write a number of an equation: the shortest text that reads back equal, without a redundant '.0'."""
    return repr(value).removesuffix(".0")


@lru_cache(4096)
def _binding(text: str) -> int:
    """How tightly an expression binds in Python's grammar, which the equations borrow."""
    match ast.parse(text, mode="eval").body:
        case ast.Compare():
            return 0
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return 1
        case ast.BinOp():
            return 2
        case ast.UnaryOp():
            return 3
    return 4


def expression(line: Line) -> str:
    """Write the expression of `line` in canonical form: single spaces around binary operators, fewest parentheses."""

    def argument(operand: Operand) -> str:
        return operand if isinstance(operand, str) else number(operand)

    def term(operand: Operand, least: int) -> str:
        text = argument(operand)
        return f"({text})" if _binding(text) < least else text

    if line.call:
        return f"{line.call[0]}({', '.join(map(argument, line.call[1:]))})"
    operands, one = line.operands, line.operands[0]
    if line.op == "add":
        first, *rest = zip(line.constants, operands, strict=True)
        text = ("-" if first[0] < 0 else "") + term(first[1], 2 if first[0] > 0 else 3)
        return text + "".join((" - " if s < 0 else " + ") + term(o, 2) for s, o in rest)
    if line.op == "neg":
        return "-" + term(one, 3)
    if line.op in _SIGN:
        return term(one, 2) + _SIGN[line.op] + term(operands[1], 3)
    if line.op == "copy":
        return argument(one)
    if line.op == "greater":
        return f"{term(one, 1)} > {term(operands[1], 1)}"
    if line.op == "slice":
        return f"{term(one, 4)}[{number(line.constants[0])}:{number(line.constants[1])}]"
    op = OPS[line.op]
    shown = () if line.constants == tuple(value for _, value in op.constants) else line.constants
    return f"{op.function}({', '.join([*map(argument, operands), *map(number, shown)])})"


@dataclass(frozen=True)
class Cell:
    """A checked list of lines with the states that are carried from step to step.

    inputs: the values supplied at each step (`x_t`; `valid` under padding; a supplied line, also an unnamed one).
    carry: pairs (state, line whose value it takes at the next step).
    output: the line passed to the next layer.
    functions: the composite functions that its equations define or call.
    sums: sums over all steps. gradient: for an adjoint (see `adjoint`), pairs (line, state or sum of this cell; the
    value of the other cell that it is the gradient of). places: where an author wrote the lines and states.
    plain: for a cell with lines that can be held (see above), the cell without holds; held, scaled: those lines.
    declared: the inputs, weights and states that the text declares to be matrices.
    """

    lines: tuple[Line, ...]
    carry: tuple[tuple[str, str], ...] = ()
    output: str = "h_t"
    inputs: tuple[str, ...] = ("x_t",)
    functions: tuple[Function, ...] = ()
    sums: tuple[GatheredSum, ...] = ()
    gradient: tuple[tuple[str, str], ...] = ()
    places: Mapping[str, SourcePlace] = field(default_factory=dict, compare=False, repr=False)
    plain: Cell | None = None
    held: tuple[str, ...] = ()
    scaled: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text.rstrip()

    @cached_property
    def by_name(self) -> dict[str, Line]:
        """The lines by name."""
        return {line.name: line for line in self.lines}

    @cached_property
    def states(self) -> dict[str, str]:
        """State name to the line that it carries."""
        return dict(self.carry)

    @cached_property
    def gradient_of(self) -> dict[str, str]:
        """For an adjoint, maps a value of the other cell to the line with its full gradient: the last; others are
        terms.
        """
        return {name: new for new, name in self.gradient}

    @cached_property
    def parameters(self) -> dict[str, tuple[Line, ...]]:
        """Each parameter (a name that is not a line, input or state) with the lines that use it.

        In the order of the equations, in each of which matrices come first: W_xh, W_hh, b_xh, b_hh.
        """
        values = {*self.by_name, *self.states, *self.inputs}
        found = {name: lines for name, lines in self.readers.items() if name not in values}
        matrices = {line.product[0] for line in self.lines if line.product}
        rows = (sorted(re.findall(r"\w+", row), key=lambda n: n not in matrices) for row in self.equations.values())
        return {name: found[name] for name in dict.fromkeys(chain(*rows, found)) if name in found}

    @cached_property
    def certain(self) -> frozenset[str]:
        """The values that the text alone shows to be matrices: outer products, those declared, and what they become."""
        found, before = {*self.declared, *(line.name for line in self.lines if line.op == "outer")}, 0
        while len(found) > before:
            before = len(found)
            for line in self.lines:
                if OPS[line.op].keeps and not found.isdisjoint(line.reads):
                    found.add(line.name)
            found |= {state for state, line in self.carry if line in found}
        return frozenset(found)

    @cached_property
    def matrices(self) -> frozenset[str]:
        """The values that are matrices; an input or weight that is only read beside matrices may be a number too."""
        beside: set[str] = set()
        elsewhere = {*self.by_name, *self.states}
        for line in self.lines if self.certain else ():
            if not OPS[line.op].reduces:
                (beside if OPS[line.op].keeps and line.name in self.certain else elsewhere).update(line.reads)
        return self.certain | (beside - elsewhere)

    @cached_property
    def within(self) -> dict[str, tuple[str, ...]]:
        """The value of each call of a composite function with the lines inside that call, in order of computation."""
        found = {}
        for line in (line for line in self.lines if line.call):
            given = {o for o in line.call[1:] if isinstance(o, str)}
            # a sum that is an argument may have become part of another sum
            own = [self.by_name[name] for name in given if not name.isidentifier() and name in self.by_name]
            given |= {o for inner in own for o in inner.reads}
            found[line.name] = tuple(name for operand in line.reads for name in self._brought(operand, given))
        return found

    @cached_property
    def inner(self) -> frozenset[str]:
        """The unnamed lines inside calls of composite functions."""
        return frozenset(n for names in self.within.values() for n in names if not self.by_name[n].assigned)

    @cached_property
    def readers(self) -> dict[str, tuple[Line, ...]]:
        """Each operand name with the lines that use it in the same step."""
        found = by_key((name, line) for line in self.lines for name in dict.fromkeys(line.reads))
        return {name: tuple(lines) for name, lines in found.items()}

    def is_gate(self, line: Line) -> bool:
        """Whether a line squashes into (0, 1), or is one minus such a line, and has a name."""
        return line.assigned and self.opens(line)

    @cached_property
    def gates(self) -> tuple[str, ...]:
        """The names of the lines that are gates, in order of computation."""
        return tuple(line.name for line in self.lines if self.is_gate(line))

    def opens(self, line: Line) -> bool:
        """Whether a line squashes into (0, 1), or is one minus such a line, named or not."""
        if line.op != "add" or line.constants != (1.0, -1.0) or line.operands[0] != 1.0:
            return line.squashed
        other = self.by_name.get(str(line.operands[1]))
        return other is not None and other.squashed

    @cached_property
    def equations(self) -> dict[str, str]:
        """Each assigned name with its right-hand side in canonical form, in order of computation."""
        return {line.name: expression(line) for line in self.lines if line.assigned}

    @cached_property
    def expanded(self) -> Cell:
        """The same cell with composite functions expanded."""
        if not self.functions:
            return self
        names: dict[Operand, str] = {}
        lines = []
        for line in self.lines:
            line = line._replace(operands=tuple(names.get(o, o) for o in line.operands), call=())
            names[line.name] = line.name if line.assigned else expression(line)
            lines.append(line._replace(name=names[line.name]))
        carry = tuple((state, names.get(line, line)) for state, line in self.carry)
        terms = (tuple(tuple(names.get(o, o) for o in term) for term in gathered.terms) for gathered in self.sums)
        sums = tuple(s._replace(terms=new) for s, new in zip(self.sums, terms, strict=True))
        output = names.get(self.output, self.output)
        return replace(self, lines=tuple(lines), carry=carry, output=output, functions=(), sums=sums)

    @cached_property
    def text(self) -> str:
        """The cell as equations; `parse` of this text returns an equal cell."""
        if self.plain is not None:
            said = {"hold": self.held, "scale": self.scaled}
            return self.plain.text + "".join(f"{key}: {', '.join(names)}\n" for key, names in said.items() if names)
        rows = [f"{name} = {right}" for name, right in self.equations.items()]
        if self.inputs != ("x_t",):
            rows.insert(0, f"input: {', '.join(self.inputs)}")
        rows[:0] = (function.text for function in self.functions)
        pairs: dict[str, Sequence[str]] = {
            "matrix": self.declared,
            "carry": [f"{state} <- {line}" for state, line in self.carry],
            "sum": [gathered.text for gathered in self.sums],
            "gradient": [f"{new} <- {name}" for new, name in self.gradient],
        }
        rows += (f"{what}: {', '.join(texts)}" for what, texts in pairs.items() if texts)
        return "\n".join([*rows, f"output: {self.output}"]) + "\n"

    def closure(self, wanted: Iterable[str], carried: bool = True) -> frozenset[str]:
        """Names of the lines that `wanted` depends on, including itself; through the carry if `carried`."""
        found: set[str] = set()
        open_names = list(wanted)
        while open_names:
            name = open_names.pop()
            if name in self.by_name and name not in found:
                found.add(name)
                open_names += self.by_name[name].reads
            elif carried and name in self.states:
                open_names.append(self.states[name])
        return frozenset(found)

    def written(self, names: Iterable[str]) -> Iterator[Line]:
        """The lines `names` in the order in which the equations introduce them."""
        others = self.by_name.keys() - set(names)
        for name in (*(line.name for line in self.lines if line.assigned), *self.ends, self.output):
            yield from map(self.by_name.__getitem__, self._brought(name, others))

    def _brought(self, name: str, ends: set[str]) -> Iterator[str]:
        """A line after its operands, each once, up to `ends`; they are added to `ends`."""
        if name in self.by_name and name not in ends:
            ends.add(name)
            for operand in self.by_name[name].reads:
                yield from self._brought(operand, ends)
            yield name

    @cached_property
    def ends(self) -> tuple[str, ...]:
        """The values that leave a step: carried values and summed ones."""
        return (*self.states.values(), *(name for gathered in self.sums for name in gathered.reads))


# -- lines that can be held --------------------------------------------------------------------------------------------

#: The declarations that name such lines.
HOLDS = ("hold", "scale")


class HoldNames(NamedTuple):
    """The inputs that hold and scale a line, and the name of the value that its equation gives."""

    hold: str
    to: str
    scale: str
    by: str
    free: str


def names_of(cell: Cell) -> Mapping[str, HoldNames]:
    """For every line that can be held or scaled its `HoldNames`, distinct from all other names.

    cell: one with holds; a cell without holds has none.
    """
    if cell.plain is None:
        return {}
    plain = cell.plain
    taken = {*plain.by_name, *plain.inputs, *plain.states, *plain.parameters}
    found = {}
    for line in plain.lines:
        if line.name in cell.held or line.name in cell.scaled:
            stems = [f"{part}_{as_name(line.name)}" for part in HoldNames._fields]
            end = ending(stems, taken)
            found[line.name] = HoldNames(*(stem + end for stem in stems))
            taken |= set(found[line.name])
    return found


def with_holds(cell: Cell, held: Iterable[str], scaled: Iterable[str] = ()) -> Cell:
    """The cell with exactly these lines made holdable, and these made scalable.

    >>> from .parse import parse
    >>> cell = with_holds(parse("c_t = 0.5 * c_prev + x_t\\ncarry: c_prev <- c_t\\noutput: c_t"), ["c_t"])
    >>> [line.name for line in cell.lines], cell.by_name["c_t"].operands
    (['0.5 * c_prev', 'free_c_t', 'c_t'], ('hold_c_t', 'to_c_t', 'free_c_t'))
    """
    plain = cell if cell.plain is None else cell.plain
    own, multiples = (tuple(x.name for x in plain.lines if x.name in chosen) for chosen in ({*held}, {*scaled}))
    if not own and not multiples:
        return plain
    found = replace(plain, plain=plain, held=own, scaled=multiples)
    names = names_of(found)
    # a call of a composite function no longer equals its definition if a line inside it is held
    open_calls = {name for name, inner in plain.within.items() if not names.keys().isdisjoint(inner)}
    lines: list[Line] = []
    inputs = list(plain.inputs)
    for line in plain.lines:
        free = line._replace(call=()) if line.name in open_calls else line
        if line.name not in names:
            lines.append(free)
            continue
        new, last = names[line.name], names[line.name].free
        lines.append(free._replace(name=last))
        if line.name in found.scaled:
            inputs += [new.scale, new.by]
            product = Line("", "mul", (new.by, new.free))
            choice = Line("", "where", (new.scale, expression(product), new.free))
            last = expression(choice) if line.name in found.held else line.name
            lines += [product._replace(name=expression(product)), choice._replace(name=last)]
        if line.name in found.held:
            inputs += [new.hold, new.to]
            lines.append(Line(line.name, "where", (new.hold, new.to, last)))
    carry = []
    for state, name in plain.carry:
        # the output of a padded cell may also be what it carries (`padding: carry`): holding it changes the output, but
        # not the carried value, as with the other padding rules
        carried = name == plain.output and name in names and plain.by_name[name]
        padded = carried and carried.op == "where" and carried.operands[::2] == ("valid", state)
        carry.append((state, names[name].free if padded else name))
    return replace(found, lines=tuple(lines), inputs=tuple(inputs), carry=tuple(carry))
