"""A small tree for mathematics, neutral to the format: what stands on a printed line, not how it is set.

Two tables, keyed by operation, write a line as a tree: in symbols (`SYMBOLIC`) and, for one unit, with numbers
(`scalar.SCALAR`). Printers are tables keyed by the kinds of nodes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import combinations
from typing import Any, TypeVar, cast

from ..cell.lines import Cell, Line, Operand
from ..cell.ops import OPS
from ..cell.parse import parse
from ..errors import CellError
from .numbers import Shown, show

N = TypeVar("N")
Key = tuple[Any, ...]  # what a number is the value of; see `values.Values`


@dataclass(frozen=True)
class Sym:
    """A name: a line, input, state or parameter. steps: numbers that stand for the indices t and t - 1."""

    name: str
    steps: tuple[int, int] | None = None


@dataclass(frozen=True)
class Index:
    """Part of a value: `W_xi[5,:]`."""

    of: Node
    at: str


@dataclass(frozen=True)
class Num:
    """A number as it is shown; `value` is what was recorded, `key` says of what (None for a number of an equation)."""

    shown: Shown
    value: Any = None
    key: Key | None = None


@dataclass(frozen=True)
class Sum:
    """Terms with their signs, in order. goes_on: whether it stands after a sign, as the rest of a broken sum does."""

    signs: tuple[float, ...]
    terms: tuple[Node, ...]
    goes_on: bool = False


@dataclass(frozen=True)
class Prod:
    """A product of numbers, or element by element."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Factors:
    """Numbers multiplied, more than two or with sums among them: each in parentheses."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Square:
    """A number or vector squared, element by element."""

    of: Node


@dataclass(frozen=True)
class MatVec:
    """Matrix times vector."""

    matrix: Node
    vector: Node


@dataclass(frozen=True)
class Transposed:
    """A matrix with rows for columns."""

    of: Node


@dataclass(frozen=True)
class Baseline:
    """The same value in another trace, against which this one is held."""

    of: Node


@dataclass(frozen=True)
class Holds:
    """A comparison as a number: 1 where it holds, 0 elsewhere. sign: `>`, `≤`, `≠` or `=`."""

    left: Node
    right: Node
    sign: str = ">"


@dataclass(frozen=True)
class Gradient:
    """The gradient of L with respect to something; through: by which way it comes back, where there are several.

    between: whether it is the slope of L between two traces, and not the derivative.
    """

    of: Node
    through: str = ""
    between: bool = False


@dataclass(frozen=True)
class Quot:
    """A quotient."""

    over: Node
    under: Node


@dataclass(frozen=True)
class Neg:
    """A minus before something."""

    of: Node


@dataclass(frozen=True)
class Call:
    """A function, of the operation table or composite; constants are numbers that follow its operands."""

    op: str
    args: tuple[Node, ...]
    constants: tuple[float, ...] = ()


@dataclass(frozen=True)
class Fn:
    """The sign of a function alone, or that of the `product` element by element."""

    op: str


@dataclass(frozen=True)
class Vec:
    """A vector by its entries."""

    entries: tuple[Node, ...]


@dataclass(frozen=True)
class Mat:
    """A matrix by its rows."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Dots:
    """What was left out: across a row, `down` a column, or `diagonal`."""

    way: str = "across"


@dataclass(frozen=True)
class Blank:
    """An answer box. name: the address of what belongs in it; width: digits that it has room for."""

    name: str
    width: int = 8


@dataclass(frozen=True)
class Field:
    """An input field: a page lets the reader type; other formats show its value, or a blank where there is none."""

    name: str
    value: str = ""
    width: int = 8


Node = (
    Sym | Index | Num | Sum | Prod | Factors | Square | MatVec | Transposed | Baseline | Holds
    | Gradient | Quot | Neg | Call | Fn | Vec | Mat | Dots | Blank | Field
)  # fmt: skip


#: What stands for a function in the call of a line some of whose values are held; no cell can define one of that name.
HELD = "held*"

#: The sign of a comparison to what it asks.
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, "≤": operator.le, "≠": operator.ne, "=": operator.eq,
}  # fmt: skip


def number(value: float) -> Num:
    """A number of an equation, as it was written: 1 and not 1.0."""
    shown = show(value, None)
    return Num(shown._replace(digits=shown.digits.removesuffix(".0")), value)


# -- a line in symbols -----------------------------------------------------------------------------------------------

Parts = tuple[Node, ...]


def call(line: Line, parts: Parts) -> Node:
    """The function of a line, with its constants where they are not the default ones."""
    defaults = tuple(value for _, value in OPS[line.op].constants)
    return Call(line.op, parts, () if line.constants == defaults else line.constants)


def _slice(line: Line, parts: Parts) -> Node:
    begin, end = map(int, line.constants)
    return Index(parts[0], f"{begin}:{end}" if end > begin + 1 else f"{begin}")


#: Operation to the tree of a line, from the trees of its operands.
SYMBOLIC: dict[str, Callable[[Line, Parts], Node]] = {
    **{name: call for name, op in OPS.items() if op.function},
    "matvec": lambda line, parts: MatVec(*parts),
    "vecmat": lambda line, parts: MatVec(Transposed(parts[1]), parts[0]),  # vectors are columns on paper
    "add": lambda line, parts: Sum(line.constants, parts),
    "mul": lambda line, parts: Prod(*parts),
    "div": lambda line, parts: Quot(*parts),
    "neg": lambda line, parts: Neg(parts[0]),
    "copy": lambda line, parts: parts[0],
    "slice": _slice,
    "greater": lambda line, parts: Holds(parts[0], parts[1]),
}


def formula(line: Line, cell: Cell) -> Node:
    """What `line` computes, in symbols; operands without a name of their own by what they compute.

    The value of a composite function is its call; `written_out` has what that stands for.
    """

    def operand(o: Operand) -> Node:
        return value(o, cell) if isinstance(o, str) else number(o)

    if line.call:
        return Call(str(line.call[0]), tuple(map(operand, line.call[1:])))
    return SYMBOLIC[line.op](line, tuple(map(operand, line.operands)))


def value(name: str, cell: Cell) -> Node:
    """The symbol of a value of a cell, also of one that it is fed: its name, or what it computes without one."""
    if name.isidentifier():
        return Sym(name)
    if name in cell.by_name:
        return formula(cell.by_name[name], cell)
    matrices = frozenset(cell.parameters) | {of for new, of in cell.gradient if new in {s.name for s in cell.sums}}
    return _fed(name, tuple(function.text for function in cell.functions), matrices)


@lru_cache(4096)
def _fed(name: str, functions: tuple[str, ...], matrices: frozenset[str]) -> Node:
    """What a value is by its name alone.

    Of a product with unknown matrices the left side is one, or else whatever makes `name` an equation: of
    `x_t @ W + mean(x_t)` it is the right side, `W @ x_t @ V` has two.
    """
    left = {a for a, b in re.findall(r"(\w+) @ (\w*)", name) if b not in matrices}
    beside = [n for n in dict.fromkeys(re.findall(r"\w+(?= @)|(?<=@ )\w+", name)) if n not in matrices]
    others = (set(some) for count in range(len(beside) + 1) for some in combinations(beside, count))
    words = [n for n in dict.fromkeys(re.findall(r"[^\W\d]\w*\b(?!\()", name)) if n not in matrices]
    refused: CellError | None = None
    for unknown in (left, *others):
        names = [n for n in words if n not in unknown]
        fed = [f"input: {', '.join(names)}"] if names else []
        try:
            cell = parse("\n".join([*functions, *fed, f"v = {name}", "output: v"]))
        except CellError as error:
            refused = refused or error
        else:
            return formula(cell.by_name["v"], cell)
    assert refused is not None
    raise refused


def written_out(line: Line, cell: Cell) -> Node | None:
    """What the call of a composite function stands for; None for any other line."""
    return formula(line._replace(call=()), cell) if line.call and line.call[0] != HELD else None


def heading(line: Line, cell: Cell) -> Node:
    """The symbol of a line: its name, or what it computes where it has none."""
    return value(line.name, cell)


def kept(size: int, most: int | None) -> list[int | None]:
    """Which of `size` things are shown: all, or the first `most - 2`, None for dots, and the last.

    >>> kept(4, 5), kept(9, 5)
    ([0, 1, 2, 3], [0, 1, 2, None, 8])
    """
    if most is None or size <= most:
        return list(range(size))
    return [*range(max(most - 2, 1)), None, size - 1]


def numbers(node: Any) -> Iterator[Num]:
    """Every number that stands in a tree, in order."""
    if isinstance(node, Num):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from numbers(part)
    elif hasattr(node, "__dataclass_fields__"):
        for part in vars(node).values():
            yield from numbers(part)


def at_step(node: N, constant: Container[str], steps: tuple[int, int]) -> N:
    """A formula with numbers for the indices t and t - 1 of its symbols, but of those that are `constant`.

    >>> from .plain import Plain
    >>> Plain()(at_step(Sum((1.0, 1.0), (MatVec(Sym("W_hi"), Sym("h_prev")), Sym("x_t"))), {"W_hi"}, (2, 1)))
    'W_hi h_1 + x_2'
    """
    found: Any = node
    if isinstance(node, Sym):
        found = node if node.name in constant else replace(node, steps=steps)
    elif isinstance(node, tuple):
        found = tuple(at_step(part, constant, steps) for part in node)
    elif not isinstance(node, Num) and hasattr(node, "__dataclass_fields__"):
        found = replace(found, **{f.name: at_step(getattr(node, f.name), constant, steps) for f in fields(found)})
    return cast(N, found)


def broken(node: Node, size: Callable[[Node], float], room: float) -> list[tuple[str, Node]]:
    """A sum in pieces that each fit into `room`, with the sign before each piece but the first; others stay whole."""
    if not isinstance(node, Sum) or size(node) <= room:
        return [("", node)]
    pieces: list[tuple[str, Node]] = []
    start = 0
    for end in range(1, len(node.terms) + 1):
        last = end == len(node.terms)
        if last or size(Sum(node.signs[start : end + 1], node.terms[start : end + 1])) > room:
            sign = node.signs[start]
            first = 1.0 if start else sign
            piece = Sum((first, *node.signs[start + 1 : end]), node.terms[start:end], goes_on=start > 0)
            pieces.append(("" if not start else "+" if sign > 0 else "-", piece))
            start = end
    return pieces
