"""What stands on the sheet from top to bottom: inputs, initial states, a band for each gate and state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ....cell.network import GIVEN, VALID, Stage, X
from ....view.line_groups import LineGroup, groups
from ..sheets import Book, Grid
from .chains import GAP, Chain, Piece, chains
from .columns import Slot, Widths, packed, shared
from .names import Names, names

#: The keys of what belongs to no layer: the input and what says which steps are valid.
SHARED = ""


class Band(NamedTuple):
    """Some chains of one stage, in rows.

    title: a key of `texts.toml`, or a text. edge: whether it stands at the step where the direction begins alone.
    """

    grid: Grid
    title: str
    rows: tuple[tuple[Chain, ...], ...]
    edge: bool = False


class Plan(NamedTuple):
    """The bands of each stage, and the slots of the columns of the first step and of every other beside it."""

    stages: tuple[tuple[Grid | None, tuple[Band, ...]], ...]
    first: tuple[Slot, ...]
    others: tuple[Slot, ...]
    widths: Widths


def plan(book: Book) -> Plan:
    """The bands of a trace that is laid out."""
    widths: Widths = {}
    loose: list[tuple[Grid | None, list[tuple[Grid, str, list[Chain], bool]]]] = []
    entries = list(_entries(book))
    if entries:
        loose.append((None, entries))
    for grid in (g for g in book.grids.values() if not g.stage.is_adjoint):
        for name, columns in _widths(book, grid).items():  # layers have matrices of one name and several sizes
            widths[name] = max(columns, widths.get(name, 0))
        loose.append((grid, list(_of(book, grid))))
    every = [chain for _, bands in loose for _, _, found, _ in bands for chain in found]
    first = shared(every, widths)
    stages = tuple(
        (
            grid,
            tuple(
                Band(owner, title, tuple(map(tuple, packed(first, found, widths))), edge)
                for owner, title, found, edge in bands
            ),
        )
        for grid, bands in loose
    )
    rows = [row for _, bands in stages for band in bands for row in band.rows]
    others = shared([again(in_a_row(row)) for row in rows], widths)
    return Plan(stages, tuple(first), tuple(others), widths)


def again(chain: Chain) -> Chain:
    """A chain at another step beside the first: its matrices are the same, and stand there as symbols."""
    found: list[Piece] = []
    for piece in chain:
        if piece.kind == "sign" and found and found[-1].kind == "symbol":
            continue  # the sign stands with the symbol
        found.append(piece._replace(kind="symbol") if piece.kind == "matrix" else piece)
    return tuple(found)


def in_a_row(row: tuple[Chain, ...]) -> Chain:
    """Chains beside each other as one, with gaps between them."""
    pieces: list[Piece] = []
    for chain in row:
        pieces += [*(GAP if pieces else ()), *chain]
    return tuple(pieces)


def _widths(book: Book, grid: Grid) -> Widths:
    """The columns of each matrix as it stands."""
    found: Widths = {}
    for line in grid.stage.cell.lines:
        if line.product and line.product[0] in book.weights(grid):
            values = book.weights(grid)[line.product[0]].values
            columns = values.shape[1 if line.op == "matvec" else 0]
            found[line.product[0]] = max(columns, found.get(line.product[0], 0))
    return found


def _entries(book: Book) -> Iterator[tuple[Grid, str, list[Chain], bool]]:
    """The input, and what says which steps are valid, as the first stage that reads them calls them."""
    found: dict[str, tuple[Grid, str]] = {}
    for grid in book.grids.values():
        for block in grid.blocks.values():
            source = grid.stage.sources.get(block.name)
            if source in (X, VALID) and not grid.stage.is_adjoint:
                found.setdefault(source, (grid, block.name))
    if X in found:
        grid, name = found[X]
        yield grid, "input", [(Piece("vector", name, fresh=True),)], False
    if VALID in found and book.padded:
        grid, name = found[VALID]
        yield grid, "valid", [(Piece("vector", name, fresh=True),)], False


def _of(book: Book, grid: Grid) -> Iterator[tuple[Grid, str, list[Chain], bool]]:
    """The bands of one stage."""
    starts = [start for start in book.starts if start.scope == grid.stage.scope]
    if starts:
        yield grid, "initial", [(Piece("vector", s.state, fresh=True),) for s in starts], True
    given = [name for name in grid.blocks if grid.stage.sources.get(name) == GIVEN]
    if given:
        yield grid, "given", [(Piece("vector", name, fresh=True),) for name in given], False
    there = {block.name for block in grid.blocks.values() if block.kind == "line"}
    alone = frozenset(there - {block.name for block in grid.lines})
    known = names(book.trace)
    for group in _groups(book, grid.stage, known):
        lines = [line for line in group.lines if line.name in there]
        if lines:
            named = known.title(group.leader.name) if group.leader else known.words.word("line.carried")
            yield grid, named, chains(grid.stage, lines, alone), False


def _groups(book: Book, stage: Stage, known: Names) -> list[LineGroup]:
    asked = {address.line for address in book.trace.asked()}
    titled = (line.name for line in stage.lines if line.name in asked or known.title(line.name))
    return groups(stage, frozenset(titled))
