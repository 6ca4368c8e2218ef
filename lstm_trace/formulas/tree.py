"""A small tree for mathematics, independent of the format: the content of a printed line, not its typesetting.

Two tables, keyed by operation, write a line as a tree: in symbols (`SYMBOLIC`) and, for one unit, with numbers
(`SCALAR`). Printers are tables keyed by the kinds of nodes.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import accumulate, chain, combinations
from operator import eq, gt, le, ne
from typing import Any, ClassVar, Literal, dataclass_transform

from ..cell.lines import Cell, Line, Operand
from ..cell.ops import OPS
from ..cell.parse import parse
from ..errors import CellError
from .numbers import Shown, show

Key = tuple[Any, ...]  # identifies the number that has a value; see `values.Values`


@dataclass_transform(frozen_default=True)
class TreeNode:
    """A node of a formula: each kind is a frozen dataclass of its parts."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)

    @property
    def pieces(self) -> Iterator[Node]:
        """Its pieces, in order; a number has none."""

        def inside(part: Any) -> Iterator[Any]:
            if isinstance(part, tuple):
                return chain.from_iterable(map(inside, part))
            return iter([part] if isinstance(part, TreeNode) else [])

        return inside(() if isinstance(self, Num) else tuple(vars(self).values()))

    def remade(self, change: Callable[[Any], Node]) -> Node:
        """The same node with changed pieces."""

        def each(part: Any) -> Any:
            if isinstance(part, tuple):
                return tuple(map(each, part))
            return change(part) if isinstance(part, TreeNode) else part

        node: Any = self
        made: Node = node if isinstance(self, Num) else replace(node, **{n: each(of) for n, of in vars(self).items()})
        return made


class Sym(TreeNode):
    """A name: a line, input, state or parameter. steps: numbers that replace the indices t and t - 1."""

    name: str
    steps: tuple[int, int] | None = None


class Index(TreeNode):
    """A part of a value: `W_xi[5,:]`."""

    of: Node
    at: str


class Num(TreeNode):
    """A displayed number; `value` is the recorded one, `key` identifies it.

    key: None for a number of an equation, () for one that was computed for the page from several values.
    """

    shown: Shown
    value: Any = None
    key: Key | tuple[()] | None = None


class Sum(TreeNode):
    """Terms with their signs, in order. goes_on: whether it follows a sign, as the rest of a broken sum does."""

    signs: tuple[float, ...]
    terms: tuple[Node, ...]
    goes_on: bool = False


class Prod(TreeNode):
    """A product of numbers, or element by element."""

    left: Node
    right: Node


class Factors(TreeNode):
    """More than two factors, or some that are sums: each in parentheses."""

    parts: tuple[Node, ...]


class Square(TreeNode):
    """A number or vector squared, element by element."""

    of: Node


class MatVec(TreeNode):
    """Matrix times vector, or a column times a row."""

    matrix: Node
    vector: Node


class Transposed(TreeNode):
    """A transposed matrix, or a vector as a row."""

    of: Node


class Baseline(TreeNode):
    """The same value in another trace, the baseline."""

    of: Node


class Holds(TreeNode):
    """A comparison as a number: 1 where it is true, 0 elsewhere. sign: `>`, `≤`, `≠` or `=`."""

    left: Node
    right: Node
    sign: str = ">"


class Gradient(TreeNode):
    """The gradient of L with respect to something; through: the path by which it comes back, if there are several.

    between: whether it is the slope of L between two traces instead of the derivative.
    """

    of: Node
    through: str = ""
    between: bool = False


class Quot(TreeNode):
    """A quotient."""

    over: Node
    under: Node


class Neg(TreeNode):
    """A minus before something."""

    of: Node


class Call(TreeNode):
    """A function, of the operation table or composite; constants are the numbers after its operands."""

    op: str
    args: tuple[Node, ...]
    constants: tuple[float, ...] = ()


class Fn(TreeNode):
    """The sign of a function alone, or that of the elementwise `product`."""

    op: str


class Vec(TreeNode):
    """A vector, given by its entries."""

    entries: tuple[Node, ...]


class Mat(TreeNode):
    """A matrix, given by its rows."""

    rows: tuple[tuple[Node, ...], ...]


class Dots(TreeNode):
    """Entries that are left out: across a row, `down` a column, or `diagonal`."""

    way: Literal["across", "down", "diagonal"] = "across"


class Blank(TreeNode):
    """An answer box. name: the address of the answer; width: number of digits that it has room for."""

    name: str
    width: int = 8


class Field(TreeNode):
    """An input field: a page lets the reader type; other formats show its value, or a blank if there is none."""

    name: str
    value: str = ""
    width: int = 8


class Written(TreeNode):
    """A formula as the author of a problem wrote it; see `user_tex.formula`."""

    text: str


Node = (
    Sym | Index | Num | Sum | Prod | Factors | Square | MatVec | Transposed | Baseline | Holds
    | Gradient | Quot | Neg | Call | Fn | Vec | Mat | Dots | Blank | Field | Written
)  # fmt: skip


#: Pseudo-function for a line with some held values; no cell can define a function with this name.
HELD = "held*"

#: The sign of a comparison to its meaning.
COMPARED: dict[str, Callable[[Any, Any], bool]] = {">": gt, "≤": le, "≠": ne, "=": eq}


def number(value: float) -> Num:
    """A number of an equation, as it was written: 1 and not 1.0."""
    shown = show(value, None)
    return Num(shown._replace(digits=shown.digits.removesuffix(".0")), value)


# -- a line in symbols -----------------------------------------------------------------------------------------------

Parts = tuple[Node, ...]


def call(line: Line, parts: Parts) -> Node:
    """The function of a line, with its constants if they are not the default ones."""
    defaults = tuple(value for _, value in OPS[line.op].constants)
    return Call(line.op, parts, () if line.constants == defaults else line.constants)


def _slice(line: Line, parts: Parts) -> Node:
    begin, end = map(int, line.constants)
    return Index(parts[0], f"{begin}:{end}" if end > begin + 1 else f"{begin}")


def as_row(vector: Node) -> Node:
    """A vector as a row."""
    if isinstance(vector, Vec) and len(vector.entries) > 1:
        return Mat((tuple(Dots() if isinstance(entry, Dots) else entry for entry in vector.entries),))
    return vector.entries[0] if isinstance(vector, Vec) else vector if isinstance(vector, Num) else Transposed(vector)


def _as_column(line: Line, parts: Parts) -> Node:
    """A vector times a matrix that is a value, as a column, as all vectors are on paper."""
    vector, matrix = parts
    turned = Mat(tuple(zip(*matrix.rows, strict=True))) if isinstance(matrix, Mat) else Transposed(matrix)
    return MatVec(turned, vector)


def plus(terms: Parts) -> Sum:
    """A sum without minus."""
    return Sum((1.0,) * len(terms), terms)


def minus(left: Node, right: Node) -> Sum:
    """A difference."""
    return Sum((1.0, -1.0), (left, right))


#: Operation to the tree of a line, from the trees of its operands.
SYMBOLIC: dict[str, Callable[[Line, Parts], Node]] = {
    **{name: call for name, op in OPS.items() if op.function},
    **dict.fromkeys(("matvec", "memvec"), lambda line, parts: MatVec(*parts)),
    "vecmat": lambda line, parts: MatVec(Transposed(parts[1]), parts[0]),  # vectors are columns on paper
    "outer": lambda line, parts: MatVec(parts[0], as_row(parts[1])),
    "vecmem": _as_column,
    "add": lambda line, parts: Sum(line.constants, parts),
    "mul": lambda line, parts: parts[1] if line.operands[0] == 1 else Prod(*parts),
    "div": lambda line, parts: Quot(*parts),
    "neg": lambda line, parts: Neg(parts[0]),
    "copy": lambda line, parts: parts[0],
    "slice": _slice,
    "greater": lambda line, parts: Holds(parts[0], parts[1]),
}


def formula(line: Line, cell: Cell, inner: Container[str] = ()) -> Node:
    """The expression of `line` in symbols; operands without a name, or in `inner`, are replaced by their expressions.

    The value of a composite function is its call; `written_out` expands it.
    """

    args = line.call[1:] if line.call else line.operands
    parts = tuple(value(arg, cell, inner) if isinstance(arg, str) else number(arg) for arg in args)
    return Call(str(line.call[0]), parts) if line.call else SYMBOLIC[line.op](line, parts)


def value(name: str, cell: Cell, inner: Container[str] = ()) -> Node:
    """The symbol of a value of a cell or of one of its inputs: its name, or its expression if it has none.

    inner: names that are replaced by their expressions as well.
    """
    if name.isidentifier() and name not in inner:
        return Sym(name)
    if name in cell.by_name:
        return formula(cell.by_name[name], cell, inner)
    matrices = frozenset(cell.parameters) | {of for new, of in cell.gradient if new in {s.name for s in cell.sums}}
    return _fed(name, tuple(function.text for function in cell.functions), matrices)


@lru_cache(4096)
def _fed(name: str, functions: tuple[str, ...], matrices: frozenset[str]) -> Node:
    """The meaning of a value, inferred from its name alone.

    In a product of unknown matrices the left side is one, or otherwise whichever makes `name` an equation: in
    `x_t @ W + mean(x_t)` it is the right side, `W @ x_t @ V` has two.
    """
    left = {a for a, b in re.findall(r"(\w+) @ (\w*)", name) if b not in matrices}
    beside = [n for n in dict.fromkeys(re.findall(r"\w+(?= @)|(?<=@ )\w+", name)) if n not in matrices]
    others = (set(some) for count in range(len(beside) + 1) for some in combinations(beside, count))
    words = [n for n in dict.fromkeys(re.findall(r"[^\W\d]\w*\b(?!\()", name)) if n not in matrices]
    for unknown in (left, *others):
        names = [n for n in words if n not in unknown]
        fed = [f"input: {', '.join(names)}"] if names else []
        with suppress(CellError):
            cell = parse("\n".join([*functions, *fed, f"v = {name}", "output: v"]))
            return formula(cell.by_name["v"], cell)
    raise CellError(f"{name} is not a value of a cell")


def written_out(line: Line, cell: Cell) -> Node | None:
    """The expanded call of a composite function; None for any other line."""
    return formula(line._replace(call=()), cell) if line.call and line.call[0] != HELD else None


def heading(line: Line, cell: Cell) -> Node:
    """The symbol of a line: its name, or its expression if it has none."""
    return value(line.name, cell)


def kept(size: int, most: int | None) -> list[int | None]:
    """Which of `size` items are shown: all, or the first `most - 2`, None for dots, and the last.

    >>> kept(4, 5), kept(9, 5)
    ([0, 1, 2, 3], [0, 1, 2, None, 8])
    """
    return list(range(size)) if most is None or size <= most else [*range(max(most - 2, 1)), None, size - 1]


def matrix(rows: Sequence[int | None], columns: Sequence[int | None], entry: Callable[[int, int], Node]) -> Mat:
    """Some rows and columns of a matrix, with dots for those that are left out."""

    def part(i: int | None, k: int | None) -> Node:
        if i is None or k is None:
            return Dots("diagonal" if i is None and k is None else "down" if i is None else "across")
        return entry(i, k)

    return Mat(tuple(tuple(part(i, k) for k in columns) for i in rows))


def parts_of(node: Node) -> Iterator[Node]:
    """A formula and all of its parts, in order."""
    yield node
    for piece in node.pieces:
        yield from parts_of(piece)


def numbers(node: Node) -> Iterator[Num]:
    """Every number in a tree, in order."""
    return (part for part in parts_of(node) if isinstance(part, Num))


def at_step(node: Node, constant: Container[str], steps: tuple[int, int]) -> Node:
    """A formula with numbers for the indices t and t - 1 of its symbols, except for those that are `constant`.

    >>> from .plain import Plain
    >>> Plain()(at_step(Sum((1.0, 1.0), (MatVec(Sym("W_hi"), Sym("h_prev")), Sym("x_t"))), {"W_hi"}, (2, 1)))
    'W_hi h_1 + x_2'
    """
    if isinstance(node, Sym):
        return node if node.name in constant else replace(node, steps=steps)
    return node.remade(partial(at_step, constant=constant, steps=steps))


def broken(node: Node, size: Callable[[Node], float], room: float) -> list[tuple[str, Node]]:
    """A sum in pieces that each fit into `room`, each except the first preceded by its sign; others stay whole."""
    if not isinstance(node, Sum) or size(node) <= room:
        return [("", node)]
    pieces: list[tuple[str, Node]] = []
    start = 0
    for end in range(1, len(node.terms) + 1):
        if end == len(node.terms) or size(Sum(node.signs[start : end + 1], node.terms[start : end + 1])) > room:
            sign = node.signs[start]
            first = 1.0 if start else sign
            piece = Sum((first, *node.signs[start + 1 : end]), node.terms[start:end], goes_on=start > 0)
            pieces.append(("" if not start else "+" if sign > 0 else "-", piece))
            start = end
    return pieces


@dataclass
class Terms:
    """The numbers that one unit of a line reads: `at(i)` is operand i at the unit, `all(i)` every unit of operand i.

    place: step and sequence. arrays: all values of each operand. num: the number of an operand at step and sequence
    (None for a parameter) and index, or a node that replaces it. most: maximum number of terms, beyond which dots are
    used.
    """

    line: Line
    place: tuple[int, int]
    unit: int
    arrays: Sequence[Any]
    num: Callable[[Operand, int | None, int | None, tuple[int, ...]], Node]
    most: int | None = None

    def width(self, i: int) -> int:
        """Number of units of operand i."""
        return int(self.arrays[i].shape[-1])

    def leaf(self, i: int, index: tuple[int, ...]) -> Node:
        """One number of operand i."""
        t, b = self.place if self.arrays[i].ndim == 3 else (None, None)
        return self.num(self.line.operands[i], t, b, index)

    def at(self, i: int) -> Node:
        """Operand i at this unit; a value of width 1 is used for every unit."""
        return self.leaf(i, (0 if self.width(i) == 1 else self.unit,))

    def over(self, width: int, term: Callable[[int], Node]) -> Parts:
        """A term for each of `width` numbers, with dots if there are too many."""
        return tuple(Dots() if k is None else term(k) for k in kept(width, self.most))

    def all(self, i: int) -> Parts:
        """Every unit of operand i."""
        return self.over(self.width(i), lambda k: self.leaf(i, (k,)))


def _products(line: Line, terms: Terms) -> Node:
    matrix, vector = (0, 1) if line.op in ("matvec", "memvec") else (1, 0)
    size = terms.width(vector)
    columns, flat = size if matrix == 0 else terms.width(matrix) // size, line.memory is not None

    def term(k: int) -> Node:
        row, column = (terms.unit, k) if matrix == 0 else (k, terms.unit)
        place = (row * columns + column,) if flat else (row, column)  # its rows lie one after the other
        return Prod(terms.leaf(matrix, place), terms.leaf(vector, (k,)))

    return plus(terms.over(size, term))


def _outer(line: Line, terms: Terms) -> Node:
    row, column = divmod(terms.unit, terms.width(1))
    return Prod(terms.leaf(0, (row,)), terms.leaf(1, (column,)))


def _part(line: Line, terms: Terms) -> Node:
    """The entry of a concatenation that is this unit."""
    begins = [*accumulate(map(terms.width, range(len(terms.arrays))), initial=0)]
    i = bisect(begins, terms.unit) - 1
    return terms.leaf(i, (terms.unit - begins[i],))


#: Operation to the tree of one unit of a line, with numbers: elementwise operations are written as in symbols.
SCALAR: dict[str, Callable[[Line, Terms], Node]] = {
    **{
        name: lambda line, terms: SYMBOLIC[line.op](line, tuple(map(terms.at, range(len(terms.arrays)))))
        for name, op in OPS.items()
        if op.width == "same"
    },
    **dict.fromkeys(("matvec", "vecmat", "memvec", "vecmem"), _products),
    "outer": _outer,
    "sum": lambda line, terms: plus(terms.all(0)),
    "mean": lambda line, terms: Quot(plus(terms.all(0)), number(terms.width(0))),
    "max": lambda line, terms: Call("max", terms.all(0)),
    "concat": _part,
    "slice": lambda line, terms: terms.leaf(0, (int(line.constants[0]) + terms.unit,)),
}


def substituted(
    line: Line, place: tuple[int, int], unit: int, array: Callable[[Operand], Any], num: Callable[..., Node],
    most: int | None = None,
) -> Node | None:  # fmt: skip
    """One unit of a line with numbers, see `Terms`; None if an operand has no values. array: all of an operand."""
    arrays = list(map(array, line.operands))
    known = all(values is not None for values in arrays)
    return SCALAR[line.op](line, Terms(line, place, unit, arrays, num, most)) if known else None
