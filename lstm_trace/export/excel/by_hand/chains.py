"""The content of the sheet By hand: lines as chains on a blackboard, the columns they share, bands of them, and names.

A chain is what is multiplied, the sign, the result, and what is then done with it. The columns are a row of slots
into which each chain fits, as short as possible. Names and symbols are those of reports; an index is a subscript.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from operator import itemgetter
from typing import NamedTuple

from ....cell.lines import Line, Operand, number
from ....cell.network import GIVEN, VALID, Stage, X
from ....cell.ops import OPS
from ....formulas.plain import PLAIN, raised
from ....formulas.printer import Printer
from ....formulas.symbols import sign
from ....formulas.tree import value
from ....languages.strings import Words, words
from ....printable import printable
from ....trace.labels import axis, labels
from ....trace.trace import Trace
from ....view.line_groups import groups
from ....view.naming import Naming
from ..sheets import Book, StepGrid

#: Texts, and whether each is a subscript.
Runs = tuple[tuple[str, bool], ...]

_LOW, _BACK = "\x02", "\x03"  # no text has them: they are made visible wherever a text comes from a file


_PLAIN = replace(PLAIN, minus="−", less=" − ", name=printable)
_LOWERED = replace(
    _PLAIN, scripts=lambda base, sub, sup: base + (f"{_LOW}{sub}{_BACK}" if sub else "") + (raised(sup) if sup else "")
)


@dataclass(frozen=True)
class SheetNames(Naming):
    """The names of the places and values of a trace, in English as the rest of the workbook."""

    trace: Trace
    words: Words

    def symbol(self, stage: Stage, name: str, t: int | None = None) -> Runs:
        """The symbol of a value, at a step with that step's index, or what it computes if it has no name."""
        node = value(name, stage.cell)
        node = node if t is None else self.at(stage, t, node)
        found: list[tuple[str, bool]] = []
        depth = 0  # an index within an index stays with it
        for part in re.split(f"([{_LOW}{_BACK}])", Printer(self.trace.header.symbols, _LOWERED)(node)):
            if part in (_LOW, _BACK):
                depth += 1 if part == _LOW else -1
            elif part:
                found.append((part, depth > 0))
        return tuple(found)

    def text(self, stage: Stage, name: str) -> str:
        """The symbol if no index can be a subscript: `h_t`."""
        return Printer(self.trace.header.symbols, _PLAIN)(value(name, stage.cell))

    def title(self, name: str) -> str:
        """A line in words; empty if there are none."""
        key = f"{self.trace.header.kind}.{name}"
        return self.words.word(key) if self.words.has(key) else ""

    def entries(self, stage: Stage, name: str, width: int) -> list[str]:
        """The labels of a value's units, or their numbers where the problem has none for this width."""
        found = labels(self.trace, axis(self.trace, stage, name), width)
        return list(found) or [f"[{self.words.nth(j)}]" for j in range(width)]

    def one(self, j: int, width: int) -> str:
        """A hidden unit by its label, or in words."""
        return found[j] if (found := labels(self.trace, "h", width)) else self.unit(j, width)


def names(trace: Trace) -> SheetNames:
    """The names of a trace."""
    return SheetNames(trace, words("en", trace.header.count_from))


def begun(text: str) -> str:
    """A text with a capital at its start."""
    return text[:1].upper() + text[1:]


def plain(text: Runs) -> str:
    """The text alone."""
    return "".join(part for part, _ in text)


#: Operations that are written between their two operands.
BETWEEN = {"matvec": "×", "vecmat": "×", "memvec": "×", "vecmem": "×", "mul": "⊙", "div": "÷", "greater": ">"}
#: Operations that may be terms of a sum, each followed by its own result.
_TERMS = ("matvec", "vecmat", "memvec", "vecmem", "mul", "div")
#: A chain continues with its last result as long as that has no more values than this.
LONGEST = 12


class Piece(NamedTuple):
    """A part of a chain: a `matrix`, a `vector`, or a text: a `sign`, or a `symbol` for a matrix.

    `grid`: a value that is a matrix. name: of the value, or the text. fresh: whether it is computed here. flipped:
    whether a matrix is transposed.
    """

    kind: str
    name: str
    fresh: bool = False
    flipped: bool = False

    @property
    def is_value(self) -> bool:
        """Whether it has numbers."""
        return self.kind in ("matrix", "vector", "grid")


Chain = tuple[Piece, ...]
#: The free space between two chains: a sign and a value.
GAP = (Piece("sign", ""), Piece("vector", ""))


def chains(stage: Stage, lines: Sequence[Line], alone: frozenset[str] = frozenset()) -> list[Chain]:
    """The lines of a group as chains: a sum with the products that are its terms, then what is done with its result.

    Args:
        stage: whose lines they are.
        lines: those of a group, in computing order.
        alone: lines of which only the result is shown, because what they read is not on the sheet.

    Returns:
        The chains in computing order; each begins with values that occur in an earlier one, or elsewhere.
    """
    whole = {line.name: line for line in lines if line.name not in alone}
    sums = {name for name, line in whole.items() if line.op == "add"}
    products = (name for name, line in whole.items() if line.op in _TERMS)
    # the only line that reads a term is a sum of the same group
    terms = {name for name in products if [r.name in sums for r in stage.cell.readers.get(name, ())] == [True]}
    found: list[Chain] = []
    for line in lines:
        if line.name in terms:
            continue
        bare = (Piece("vector", line.name, fresh=True),)
        chain = _joined(_spelled(line, whole, terms)) if line.name in whole else bare
        last = found[-1] if found else ()
        values = sum(piece.is_value for piece in (*last, *chain))
        if last and chain[0] == last[-1]._replace(fresh=False) and values <= LONGEST + 1:
            found[-1] = (*last, *chain[1:])
        else:
            found.append(chain)
    return [gridded(stage, chain) for chain in found]


def gridded(stage: Stage, chain: Chain) -> Chain:
    """The chain with rows and columns for the values that are matrices."""
    return tuple(p._replace(kind="grid") if p.kind == "vector" and p.name in stage.cell.matrices else p for p in chain)


def _joined(chain: Chain) -> Chain:
    """The chain with signs that follow each other, `1` and `−`, as one."""
    found: list[Piece] = []
    for piece in chain:
        if found and found[-1].kind == piece.kind == "sign":
            piece = Piece("sign", f"{found.pop().name} {piece.name}")
        found.append(piece)
    return tuple(found)


def _spelled(line: Line, own: dict[str, Line], terms: set[str]) -> Chain:
    """One line: its operands with the signs between them, and its result."""

    def operand(o: Operand) -> Chain:
        if not isinstance(o, str):
            return (Piece("sign", number(o)),)
        return _spelled(own[o], own, terms) if o in terms else (Piece("vector", o),)

    text, result = partial(Piece, "sign"), Piece("vector", line.name, fresh=True)
    if line.op == "add":
        parts: list[Piece] = []
        for k, (sign_, term) in enumerate(zip(line.constants, line.operands, strict=True)):
            parts += [text("−" if sign_ < 0 else "+")] if k or sign_ < 0 else []
            parts += operand(term)
        return (*parts, text("Σ =" if terms & set(line.reads) else "="), result)  # the last product is not a sum
    if line.product:
        matrix, vector = line.product
        first = Piece("matrix", matrix, flipped=line.op == "vecmat")
        return (first, text(BETWEEN[line.op]), *operand(vector), text("="), result)
    if line.op in BETWEEN:
        left, right = map(operand, line.operands)
        return (*left, text(BETWEEN[line.op]), *right, text("="), result)
    if line.op == "neg":
        return (text("−"), *operand(line.operands[0]), text("="), result)
    if line.op == "copy":
        return (*operand(line.operands[0]), text("="), result)
    if line.op == "slice":
        begin, end = map(int, line.constants)
        return (*operand(line.operands[0]), text(f"[{begin}:{end}] ="), result)
    return _function(line, tuple(map(operand, line.operands)), result)


def _function(line: Line, operands: tuple[Chain, ...], result: Piece) -> Chain:
    """A named function: between its only operand and the result; several operands are in parentheses."""
    name = sign(line.op)[1]
    defaults = tuple(value for _, value in OPS[line.op].constants)
    constants = () if line.constants == defaults else tuple(map(number, line.constants))
    if len(operands) == 1:
        name += f"({', '.join(constants)})" if constants else ""
        return (*operands[0], Piece("sign", name), result)
    parts = [piece for operand in operands for piece in (Piece("sign", ";"), *operand)][1:]
    return (Piece("sign", f"{name} ("), *parts, Piece("sign", ") ="), result)


#: The size of a slot, in widths of a number.
_WIDTH = {"vector": 1.0, "sign": 0.4, "symbol": 0.9}


class Slot(NamedTuple):
    """A place for a piece. width: of a matrix, its columns; 1 otherwise."""

    kind: str
    width: int = 1

    @property
    def size(self) -> float:
        """How much room it takes."""
        return self.width * _WIDTH.get(self.kind, 1.0)

    def takes(self, piece: Piece) -> bool:
        """Whether a piece may go here: a vector also in a column of a matrix, a sign also in the place of a symbol."""
        return self.kind == piece.kind or (self.kind, piece.kind) in (("matrix", "vector"), ("symbol", "sign"))


Widths = dict[str, int]


def slot(piece: Piece, widths: Widths) -> Slot:
    """The slot of a piece alone. widths: the columns of each matrix as it stands, by name."""
    return Slot(piece.kind, widths[piece.name] if piece.kind in ("matrix", "grid") else 1)


def shared(chains: Iterable[Chain], widths: Widths) -> list[Slot]:
    """The slots that take each of the chains."""
    found: list[Slot] = []
    for chain in sorted(dict.fromkeys(chains), key=lambda c: -sum(slot(p, widths).size for p in c)):
        found = _merged(found, chain, widths)
    return found


def _merged(slots: Sequence[Slot], chain: Chain, widths: Widths) -> list[Slot]:
    """The slots, with as few more as needed to take the chain too: a shortest common supersequence."""
    more = [slot(piece, widths) for piece in chain]

    @cache
    def best(i: int, j: int) -> tuple[float, list[Slot]]:
        """The room that they take, and the slots for the first i of them and the first j pieces."""
        ways = [(best(i - 1, j), slots[i - 1])] if i else []
        if j:
            ways.append((best(i, j - 1), more[j - 1]))
        if i and j and slots[i - 1].takes(chain[j - 1]):
            wider = slots[i - 1]._replace(width=max(slots[i - 1].width, more[j - 1].width))
            ways.append((best(i - 1, j - 1), wider))
        every = ((room + last.size, [*others, last]) for (room, others), last in ways)
        return min(every, key=itemgetter(0), default=(0.0, []))

    return best(len(slots), len(chain))[1]


def slots_of_chains(slots: Sequence[Slot], chains: Sequence[Chain], widths: Widths) -> list[list[int]] | None:
    """The slots of each piece of chains next to each other, each as close together as the others allow.

    None if they do not fit. The space left free between two chains is that of `GAP`.
    """

    @cache
    def placed(n: int, start: int) -> list[list[int]] | None:
        """The chains from the n-th on, in the slots from `start` on."""
        if n == len(chains):
            return []
        ways = [at for first in range(start, len(slots)) if (at := _from(slots, chains[n], first, widths))]
        for at in sorted(ways, key=lambda at: at[-1] - at[0]):
            if (rest := placed(n + 1, at[-1] + 1 + len(GAP))) is not None:
                return [at, *rest]
        return None

    return placed(0, 0)


def _from(slots: Sequence[Slot], chain: Chain, first: int, widths: Widths) -> list[int] | None:
    at: list[int] = []
    for piece in chain:
        needed, begin = slot(piece, widths).width, at[-1] + 1 if at else first
        here = next((k for k in range(begin, len(slots)) if slots[k].takes(piece) and slots[k].width >= needed), None)
        if here is None or (not at and here > first):  # the next first slot is tried by itself
            return None
        at.append(here)
    return at


def packed(slots: Sequence[Slot], chains: Sequence[Chain], widths: Widths) -> tuple[tuple[Chain, ...], ...]:
    """The chains in rows: as many next to each other as the slots take."""
    rows: list[tuple[Chain, ...]] = []
    for chain in chains:
        if rows and slots_of_chains(slots, [*rows[-1], chain], widths) is not None:
            rows[-1] = (*rows[-1], chain)
        else:
            rows.append((chain,))
    return tuple(rows)


#: The keys of what belongs to no layer: the input, and the mask of valid steps.
SHARED = ""


class Band(NamedTuple):
    """Some chains of one stage, in rows.

    title: a key of `texts.toml`, or a text. edge: whether it appears only at the step where the direction begins.
    """

    grid: StepGrid
    title: str
    rows: tuple[tuple[Chain, ...], ...]
    edge: bool = False


class BandPlan(NamedTuple):
    """The bands of each stage, and the slots of the columns of the first step and of every other step next to it."""

    stages: tuple[tuple[StepGrid | None, tuple[Band, ...]], ...]
    first: tuple[Slot, ...]
    others: tuple[Slot, ...]
    widths: Widths


def plan(book: Book) -> BandPlan:
    """The bands of a trace that is laid out."""
    widths: Widths = {}
    loose: list[tuple[StepGrid | None, list[Band]]] = []
    if entries := list(_entries(book)):
        loose.append((None, entries))
    for grid in (g for g in book.grids.values() if not g.stage.is_adjoint):
        for line in grid.stage.cell.lines:
            if line.product and line.product[0] in book.weights(grid):
                name, *_ = line.product  # layers have matrices of the same name and several sizes
                columns = book.weights(grid)[name].values.shape[1 if line.op == "matvec" else 0]
                widths[name] = max(columns, widths.get(name, 0))
        weights = ((table.name, table.matrix.shape[1]) for table in book.weights(grid).values())
        for name, across in (*weights, *((block.name, block.across or 1) for block in grid.blocks.values())):
            if name in grid.stage.cell.matrices:
                widths[name] = max(across, widths.get(name, 0))
        loose.append((grid, list(_of(book, grid))))
    first = shared((chain for _, bands in loose for band in bands for (chain,) in band.rows), widths)
    stages = tuple(
        (grid, tuple(b._replace(rows=packed(first, [chain for (chain,) in b.rows], widths)) for b in bands))
        for grid, bands in loose
    )
    rows = [row for _, bands in stages for band in bands for row in band.rows]
    return BandPlan(stages, tuple(first), tuple(shared([again(in_a_row(row)) for row in rows], widths)), widths)


def again(chain: Chain) -> Chain:
    """A chain at another step next to the first: its matrices are the same, and are written there as symbols."""
    found: list[Piece] = []
    for piece in chain:
        if piece.kind == "sign" and found and found[-1].kind == "symbol":
            continue  # the sign stays with the symbol
        found.append(piece._replace(kind="symbol") if piece.kind == "matrix" else piece)
    return tuple(found)


def in_a_row(row: tuple[Chain, ...]) -> Chain:
    """Chains next to each other as one, with gaps between them."""
    return tuple(piece for chain in row for piece in (*GAP, *chain))[len(GAP) :]


def _entries(book: Book) -> Iterator[Band]:
    """The input and the mask of valid steps, by the names that the first stage that reads them uses."""
    found: dict[str, tuple[StepGrid, str]] = {}
    for grid in (g for g in book.grids.values() if not g.stage.is_adjoint):
        for name in grid.blocks:
            found.setdefault(grid.stage.sources.get(name, ""), (grid, name))
    for source, title in ((X, "input"), (VALID, "valid")):
        if source in found and (source == X or book.padded):
            grid, name = found[source]
            yield Band(grid, title, _vectors(grid.stage, [name]))


def _vectors(stage: Stage, names: Iterable[str]) -> tuple[tuple[Chain, ...], ...]:
    """Values that are not computed here, each in a row of its own."""
    return tuple((gridded(stage, (Piece("vector", name, fresh=True),)),) for name in names)


def _of(book: Book, grid: StepGrid) -> Iterator[Band]:
    """The bands of one stage, each chain in a row of its own."""
    stage, known = grid.stage, names(book.trace)
    if starts := [start.state for start in book.starts if start.scope == stage.scope]:
        yield Band(grid, "initial", _vectors(stage, starts), edge=True)
    if given := [name for name in grid.blocks if stage.sources.get(name) == GIVEN]:
        yield Band(grid, "given", _vectors(stage, given))
    there = {block.name for block in grid.blocks.values() if block.kind == "line"}
    alone = frozenset(there - {block.name for block in grid.lines})
    asked = {address.line for address in book.trace.asked()}
    titled = (line.name for line in stage.lines if line.name in asked or known.title(line.name))
    for group in groups(stage, frozenset(titled)):
        if lines := [line for line in group.lines if line.name in there]:
            named = known.title(group.leader.name) if group.leader else known.words.word("line.carried")
            yield Band(grid, named, tuple((chain,) for chain in chains(stage, lines, alone)))
