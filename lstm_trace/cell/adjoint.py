"""The adjoint of a cell: back-propagation through it, written as another cell; and its secants.

Going through the lines of a cell from last to first, this writes the equations of their gradients: the gradient of a
value is a sum over the lines that use it, with terms given by those lines' rows in `rules`. The resulting cell runs
against the time of the first and has its lines as inputs; a parameter's gradient is summed over all steps and sequences
(`sum:`).
The secants are made in the same way with the rules of `rules.SECANT`; they split a difference between two traces. Their
cell uses each value twice, from the trace (`c_t`) and from the baseline (`base_c_t`), and multiplies by the means of
the two traces' matrices (`mean_W_xi`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from typing import Any, ClassVar, Literal, NamedTuple

from ..errors import CellError
from .composites import BUILT_IN
from .lines import Cell, Line, Operand, as_name, ending, number
from .ops import OPS
from .parse import parse
from .rules import BETWEEN, DERIVATIVE, SECANT, Rule

#: Weighted values with the names of the inputs that hold their weights; widths of values.
Seeds = Mapping[str, Iterable[str]]
KnownWidths = Mapping[str, int]
#: The functions that a rule calls, and words in rules that are not functions.
_CALLED = re.compile(r"\b([a-z_]+)\(")
_WORD = re.compile(r"\b[a-z]+0?\b(?!\()")


def adjoint(cell: Cell, seeds: Seeds | None = None, widths: KnownWidths | None = None) -> Cell:
    """The gradients of a weighted sum of the cell's lines with respect to everything that they depend on, as a cell.

    Args:
        cell: the cell.
        seeds: maps each weighted line, or input, to the names of the inputs that hold its weights, (T, B, width); the
            output line with `seed_<name>` if None.
        widths: of every line, state, input and vector; needed for cells that concatenate. Without them a value is taken
            to be as wide as its co-operands, unless its equation shows that it is a single number.

    Returns:
        A cell whose inputs are the lines that a slope uses, and the seeds. Its `gradient` maps each line to the value
        that it is the gradient of; `sums` are the gradients of the parameters; a state `d_h_next` carries the next
        step's gradient.

    Raises:
        CellError: if a required width is not known.

    >>> cell = parse("z_t = W_h @ c_prev + W_x @ x_t\\nc_t = tanh(z_t)\\ncarry: c_prev <- c_t\\noutput: c_t")
    >>> print(adjoint(cell).text.partition("gradient: ")[0])
    input: seed_c_t, x_t, c_prev, c_t
    d_c_t = seed_c_t + d_c_next
    d_z_t = d_c_t * (1 - c_t * c_t)
    d_x_t = d_z_t @ W_x
    d_c_before = d_z_t @ W_h
    carry: d_c_next <- d_c_before
    sum: d_W_h <- outer(d_z_t, c_prev), d_W_x <- outer(d_z_t, x_t)
    <BLANKLINE>
    """
    return _derived(AdjointWriter, cell, seeds, widths, ()).cell


Side = Literal["own", "base", "mean"]


class Secants(NamedTuple):
    """The cell, and the origin of its inputs and parameters: `own` trace, `base` or `mean`, and the value's name."""

    cell: Cell
    reads: Mapping[str, tuple[Side, str]]


def _derived(
    kind: Callable[..., AdjointWriter], cell: Cell, seeds: Seeds | None, widths: KnownWidths | None, also: Iterable[str]
) -> Secants:
    if seeds is None:
        seeds = {cell.output: (f"seed_{cell.output}",)}
    named = (name for name in (*cell.by_name, *cell.inputs, *cell.states) if name in seeds)
    told = tuple((name, tuple(seeds[name])) for name in named)  # the same cell in whatever order they are given
    return _written(kind, cell, told, None if widths is None else tuple(widths.items()), tuple(also))


@lru_cache(maxsize=128)  # an adjoint takes 20 ms, as long as a walk of a thousand steps
def _written(writer: Any, cell: Cell, seeds: Any, widths: Any, also: tuple[str, ...]) -> Secants:
    made = writer(cell, dict(seeds), None if widths is None else dict(widths), also)
    return Secants(made.written(), {new: place for place, new in made.pairs.items()})


@dataclass(eq=False)
class AdjointWriter:
    """Writes the rows of one adjoint, given the derivatives.

    names: for each named value the name of its gradient, if no other value has it. gradients: for each value the name
    of its gradient. terms: the contributions of its consumers, by consumer. also, pairs: see `SecantWriter`.
    """

    table: ClassVar[Mapping[str, Rule]] = DERIVATIVE

    cell: Cell
    seeds: Mapping[str, tuple[str, ...]]
    widths: KnownWidths | None
    also: tuple[str, ...]
    gradients: dict[str, str] = field(default_factory=dict)
    terms: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    rows: list[str] = field(default_factory=list)
    helpers: dict[str, str] = field(default_factory=dict)
    pairs: dict[tuple[Side, str], str] = field(default_factory=dict)

    def written(self) -> Cell:
        """The adjoint. Raises CellError if a required width is not known."""
        cell, flows = self.cell, _flows(self.cell, self.seeds, self.table)
        self.narrow = narrow(cell)
        self.taken = {*cell.by_name, *cell.inputs, *cell.states, *cell.parameters, *chain(*self.seeds.values())}
        states = [state for state in cell.states if state in flows]
        named = (n for n in (*cell.by_name, *cell.inputs, *cell.states, *cell.parameters) if n.isidentifier())
        self.names = {name: self._new(name) for name in named if name in flows}
        self.next = {state: self._new(f"{state.removesuffix('_prev')}_next") for state in states}
        for at, line in reversed([*enumerate(cell.lines)]):
            if line.name in flows:
                self._pass(at, line, self._value(line.name))
        for name in (*cell.inputs, *states):
            if name in flows:
                self._value(name)
        rows, pairs = self.rows, [(self.next[s], cell.states[s]) for s in states]
        pairs += [(new, name) for name, new in self.gradients.items()]
        if states:
            rows.append("carry: " + ", ".join(f"{self.next[s]} <- {self.gradients[s]}" for s in states))
        read = (name for name in cell.parameters if name in self.terms)
        if sums := {name: " + ".join(text for _, text in sorted(self.terms[name])) for name in read}:
            rows.append("sum: " + ", ".join(f"{self.names[name]} <- {terms}" for name, terms in sums.items()))
            pairs += [(self.names[name], name) for name in sums]
        seeds = chain(*self.seeds.values())
        rows.append("gradient: " + ", ".join(f"{new} <- {name}" for new, name in pairs))
        rows.append("output: " + [*(self.gradients[n] for n in cell.inputs if n in flows), *self.gradients.values()][0])
        if matrices := self._matrices():
            rows.append(f"matrix: {', '.join(matrices)}")
        text = "\n".join([*self._functions(), f"input: {', '.join((*seeds, *self._fed()))}", *rows])
        return replace(parse(text), places={})  # these rows have no author

    def _matrices(self) -> Iterable[str]:
        """The inputs, weights and states that are matrices."""
        cell, widths = self.cell, self.widths or {}
        shown = [(seed, name) for name, seeds in self.seeds.items() for seed in seeds]
        shown += [(new, state) for state, new in self.next.items()]
        shown += [(new, name) for (_, name), new in self.pairs.items()]
        shown += [(n, n) for n in (*cell.inputs, *cell.states, *cell.by_name, *cell.parameters) if n in self.read]
        # an input or weight that is as wide as a matrix beside it
        beside = (x for x in cell.lines if x.name in cell.certain and OPS[x.op].keeps)
        wide = {n for x in beside for n in x.reads if widths.get(n) == widths.get(x.name, 0)}
        return [new for new, name in dict(shown).items() if name in cell.certain or name in wide & cell.matrices]

    def _functions(self) -> Iterable[str]:
        """The definitions of the functions that the rows call."""
        own = (BUILT_IN[name]._replace(name=new).text for name, new in self.helpers.items())
        return (*(function.text for function in self.cell.functions), *own)

    def _helper(self, name: str) -> str:
        """The function that a rule calls; renamed if the cell has a function with that name."""
        theirs = any(f.name == name and f != BUILT_IN.get(name) for f in self.cell.functions)
        if theirs and name not in self.helpers:
            self.helpers[name] = self._new(name, "rule_")
        return self.helpers.get(name, name) + "("

    def _fed(self) -> Iterable[str]:
        """The inputs that hold values of the cell."""
        return (n for n in (*self.cell.inputs, *self.cell.states, *self.cell.by_name) if n in self.read)

    def _new(self, name: str, prefix: str = "d_") -> str:
        """A name that is not in use: by default for the gradient of `name`."""
        stem = prefix + as_name(name.replace("_prev", "_before"))
        new = stem + ending([stem], self.taken)
        self.taken.add(new)
        return new

    def _value(self, name: str) -> str:
        """Add the row of the gradient of `name`, if it needs one; return the name of that gradient."""
        terms = [*self.seeds.get(name, ()), *(text for _, text in sorted(self.terms.pop(name, ())))]
        terms += [new for state, new in self.next.items() if self.cell.states[state] == name]
        if len(terms) == 1 and terms[0] in self.gradients.values():
            self.gradients[name] = terms[0]  # a term of a sum has the gradient of the sum
        else:
            self.gradients[name] = self.names.get(name) or self._new(name)
            self.rows.append(f"{self.gradients[name]} = {' + '.join(terms)}")
        return self.gradients[name]

    def _pass(self, at: int, line: Line, d: str) -> None:
        """Add the contributions of a line to the gradients of its operands."""
        for operand, rule in zip(line.operands, self._rules(line), strict=True):
            if isinstance(operand, str) and rule:
                text = _CALLED.sub(lambda found: self._helper(found[1]), rule)
                text = _WORD.sub(lambda found: self._word(found[0], line, d), text)
                narrower = operand in self.narrow and line.name not in self.narrow
                if self.widths is not None and {operand, line.name} <= self.widths.keys():
                    narrower = self.widths[operand] < self.widths[line.name]
                narrower |= line.name in self.cell.matrices and operand not in self.cell.matrices
                if narrower and OPS[line.op].keeps:  # a single number in a line of several units
                    text = f"sum({text})"
                self.terms.setdefault(operand, []).append((at, text))

    def _rules(self, line: Line) -> Sequence[str]:
        """The row of a line's operation."""
        if line.op == "add":
            return ["d" if sign > 0 else "-d" for sign in line.constants]
        if line.op == "concat":
            ends = [*accumulate((self._width(o, line) for o in line.operands), initial=0)]
            return [f"d[{begin}:{end}]" for begin, end in pairwise(ends)]
        if line.op == "slice":
            begin, end = map(int, line.constants)
            width = self._width(line.operands[0], line)
            parts = [f"where(0, a[0:{begin}], 0)"] * (begin > 0) + ["d"]
            return [f"concat({', '.join(parts + [f'where(0, a[{end}:{width}], 0)'] * (end < width))})"]
        return self.table[line.op]

    def _word(self, word: str, line: Line, d: str) -> str:
        """The expression that replaces a word of a rule for a line."""
        if word in ("d", "y"):
            return d if word == "d" else self._read(line.name)
        constants = dict(zip((name for name, _ in OPS[line.op].constants), line.constants, strict=False))
        return f"({number(constants[word])})" if word in constants else self._read(line.operands["abc".index(word)])

    def _read(self, operand: Operand) -> str:
        """A value of the cell as it is written in an equation of the adjoint."""
        if not isinstance(operand, str):
            return f"({number(operand)})"
        self.read.add(operand)
        return operand if operand.isidentifier() else f"({operand})"

    def _width(self, operand: Operand, line: Line) -> int:
        if not isinstance(operand, str):
            return 1
        if operand not in (self.widths or {}):
            needs = f"needs to know how wide {operand} is: give the widths of the cell's values"
            raise CellError(f"the adjoint of `{line.name}` {needs}")
        return (self.widths or {})[operand]


def _flows(cell: Cell, seeds: Iterable[str], table: Mapping[str, Rule]) -> set[str]:
    """The lines, inputs and states on which a weighted value depends along a path with a gradient."""
    found = set(seeds)
    while True:
        before = len(found)
        found |= {line for state, line in cell.carry if state in found}
        for line in reversed(cell.lines):
            if line.name in found:
                pairs = zip(line.operands, table.get(line.op, ("d",) * len(line.operands)), strict=True)
                found |= {o for o, rule in pairs if isinstance(o, str) and rule}
        if len(found) == before:
            return found


def narrow(cell: Cell) -> set[str]:
    """The lines and states that are a single number for any shapes of the arrays."""
    found = {*cell.states} - cell.matrices
    while True:
        for line in cell.lines:
            op = OPS[line.op]
            one = op.reduces or (op.width == "slice" and line.constants[1] - line.constants[0] == 1)
            if one or (op.width == "same" and found.issuperset(line.reads)):
                found.add(line.name)
            else:
                found.discard(line.name)
        if not (wide := {state for state, line in cell.carry if state in found and line not in found}):
            return found
        found -= wide


#: Operations that are linear if an operand is a number, with the position of that operand (None: any): they have the
#: same slope for all traces.
_LINEAR = {"mul": None, "div": 1, "where": 0}
#: Prefix of a value's name on each side; in the own trace only if it has no name.
_PREFIX: dict[Side, str] = {"own": "at_", "base": "base_", "mean": "mean_"}


def secants(
    cell: Cell, seeds: Seeds | None = None, widths: KnownWidths | None = None, also: Iterable[str] = ()
) -> Secants:
    """The slopes of a weighted sum of the cell's lines between two traces, as a cell; arguments as for `adjoint`.

    also: values whose baseline is an input even if no slope uses it.

    >>> from .parse import parse
    >>> print(secants(parse("y_t = x_t * x_t")).cell.text)
    middle(a, b) = 0.5 * (a + b)
    input: seed_y_t, x_t, base_x_t
    d_y_t = seed_y_t
    d_x_t = d_y_t * middle(x_t, base_x_t) + d_y_t * middle(x_t, base_x_t)
    gradient: d_y_t <- y_t, d_x_t <- x_t
    output: d_x_t
    <BLANKLINE>
    """
    return _derived(SecantWriter, cell, seeds, widths, also)


@lru_cache(maxsize=64)
def secant_names(cell: Cell) -> Mapping[tuple[Side, str], str]:
    """The names of a cell's values in its secants, on each side.

    >>> from .parse import parse
    >>> found = secant_names(parse("y_t = W @ tanh(x_t)"))
    >>> found["own", "x_t"], found["base", "x_t"], found["base", "tanh(x_t)"], found["mean", "W"]
    ('x_t', 'base_x_t', 'base_tanh_x_t', 'mean_W')
    """
    values = tuple(dict.fromkeys((*cell.by_name, *cell.inputs, *cell.states, *cell.parameters)))
    found: dict[tuple[Side, str], str] = {("own", name): name for name in values if name.isidentifier()}
    taken = set(found.values())
    for side, prefix in _PREFIX.items():
        for name in values:
            if (side, name) not in found:
                stem = prefix + (name if name.isidentifier() else as_name(name))
                found[side, name] = stem + ending([stem], taken)
                taken.add(found[side, name])
    return found


def read_by(cell: Cell, back: Cell) -> dict[str, tuple[Side, str]]:
    """The values that the secants `back` of a cell use from the baseline, or as a mean; empty if it has none."""
    there = {*back.inputs, *back.parameters}
    return {new: place for place, new in secant_names(cell).items() if new in there and place[0] != "own"}


class SecantWriter(AdjointWriter):
    """pairs: for each side and value used by the rows, its name there. also: see `secants`."""

    table = SECANT

    def _functions(self) -> Iterable[str]:
        """Only the functions called: the cell's values are inputs, whatever functions computed them."""
        called = set(re.findall(r"(\w+)\(", "\n".join(self.rows)))
        found = []
        for text in reversed(BETWEEN):  # called functions come before those that call them
            if text.partition("(")[0] in called:
                found.append(text)
                called |= set(re.findall(r"(\w+)\(", text.partition("=")[2]))
        return reversed(found)

    def _fed(self) -> Iterable[str]:
        for name in self.also:
            self._pair("base", name)
        return (new for (_, name), new in self.pairs.items() if name not in self.cell.parameters)

    def _rules(self, line: Line) -> Rule:
        numbers = [not isinstance(operand, str) for operand in line.operands]
        if line.op in _LINEAR and (any(numbers) if (at := _LINEAR[line.op]) is None else numbers[at]):
            return DERIVATIVE[line.op]
        return tuple(super()._rules(line))

    def _helper(self, name: str) -> str:
        return f"{name}("  # no function of the cell is there

    def _word(self, word: str, line: Line, d: str) -> str:
        operand = dict(zip("abc", line.operands, strict=False)).get(word.rstrip("0"))
        if not isinstance(operand, str):
            return super()._word(word.rstrip("0"), line, d)
        if line.product and operand == line.product[0]:
            return self._pair("mean", operand)
        return self._pair("base" if word.endswith("0") else "own", operand)

    def _read(self, operand: Operand) -> str:
        return self._pair("own", operand) if isinstance(operand, str) else super()._read(operand)

    def _pair(self, side: Side, name: str) -> str:
        return self.pairs.setdefault((side, name), secant_names(self.cell)[side, name])
