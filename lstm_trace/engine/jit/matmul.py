"""Matrix times vectors: out[b, rows] = W[rows, :] @ x[b, :], by tiles whose sums stay in registers.

A vector times a matrix, x @ W, is the same with the transposed matrix, because the weights are copied in any case.
A tile is some rows of W times some sequences b. The weights of a tile are contiguous, (k, rows), so that they are read
once from front to back; each sum is taken over k in order, whatever the tile. There is one function per shape of tile;
tiles of the same shape form a loop, because unrolled calls take LLVM seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple, TypeVar

from .llvm import LlvmModule, Vector

#: Maximum number of products and sums for which a tile is unrolled completely.
SMALL = 64

Item = TypeVar("Item")


@dataclass(frozen=True)
class Tiling:
    """Limits of the CPU: lanes of a vector, and how many vectors a tile may hold in registers."""

    lanes: int
    sums: int
    rows: int

    @classmethod
    def of(cls, lanes: int, registers: int) -> Tiling:
        """Tiles for `registers` vector registers: up to 24 sums with 32, or 12 with 16."""
        return cls(lanes, 24, 8) if registers >= 32 else cls(lanes, 12, 4)

    def wide(self, rows: int) -> int:
        """The number of weight vectors in a tile for `rows` rows of the batch."""
        if rows == 1:
            return 16 if self.sums == 24 else 8
        return max(1, self.sums // rows)


def pieces(rows: int, lanes: int) -> list[tuple[int, int]]:
    """(first row, number of rows) of vectors: full ones, then powers of two.

    >>> pieces(21, 8)
    [(0, 8), (8, 8), (16, 4), (20, 1)]
    """
    widths = [lanes] * (rows // lanes)
    widths += [1 << k for k in reversed(range(lanes.bit_length())) if rows % lanes & 1 << k]
    return [*zip(accumulate(widths, initial=0), widths, strict=False)]


def shares(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    """Split into runs of at most `most` neighbours, as equal as possible."""
    count = -(-len(items) // most)
    size, more = divmod(len(items), count)
    ends = accumulate((size + (k < more) for k in range(count)), initial=0)
    return [items[begin:end] for begin, end in pairwise(ends)]


class Strides(NamedTuple):
    """terms: of each sum. x, out: numbers between rows of the vectors and of the results; for several steps at once,
    between steps. row: numbers in a row of results; all distances between results are multiples of it.
    """

    terms: int
    x: int
    out: int
    row: int


def tile(code: LlvmModule, lanes: int, widths: tuple[int, ...], rows: int, strides: Strides) -> str:
    """The name of the function of a tile. widths: lanes of each vector of weights; rows: of the batch."""
    key = widths, rows, strides
    return code.function("tile", key, lambda: _Tile(code, lanes, *key).write())


class _Tile:
    def __init__(self, code: LlvmModule, lanes: int, widths: tuple[int, ...], rows: int, strides: Strides) -> None:
        self.code, self.widths, self.rows, self.terms, self.strides = code, widths, rows, strides.terms, strides
        self.vectors = {w: Vector(code, w) for w in widths}
        self.total, self.columns = sum(widths), [*zip(widths, accumulate(widths, initial=0), strict=False)]
        self.even = all(w == widths[0] for w in widths)
        self.align = widths[0] * code.size if self.even else code.size
        # not by `out`: two sequences over several steps are two rows of 140, and the second begins in the middle of a
        # vector
        self.out_align = self.align if strides.row % lanes == 0 else code.size

    def write(self) -> None:
        code, many = self.code, len(self.widths) * self.rows
        if self.terms * many <= SMALL:
            sums: list[list[str]] = [["" for _ in self.widths] for _ in range(self.rows)]
            for k in range(self.terms):
                sums = self._term(code.address("%w", k * self.total), code.address("%x", k), sums)
        else:
            sums = self._loop(4 if many < 16 else 2)
        for b in range(self.rows):
            for (width, at), total in zip(self.columns, sums[b], strict=True):
                self.vectors[width].store(total, code.address("%o", b * self.strides.out + at), self.out_align)

    def _loop(self, unrolled: int) -> list[list[str]]:
        """The terms by a loop over `unrolled` at a time, followed by the rest."""
        code, size = self.code, self.code.size
        whole = self.terms // unrolled * unrolled
        start = [[f"%z{b}_{k}" for k in range(len(self.widths))] for b in range(self.rows)]
        code.emit("  br label %loop\nloop:\n  %k = phi i64 [0, %entry], [%kn, %loop]")
        code.emit("  %wp = phi ptr [%w, %entry], [%wn, %loop]\n  %xp = phi ptr [%x, %entry], [%xn, %loop]")
        mark, sums = len(code.lines), start
        for u in range(unrolled):
            sums = self._term(code.address("%wp", u * self.total), code.address("%xp", u), sums)
        code.lines[mark:mark] = [
            f"  {start[b][k]} = phi {self.vectors[w].type} [zeroinitializer, %entry], [{sums[b][k]}, %loop]"
            for b in range(self.rows)
            for k, w in enumerate(self.widths)
        ]
        code.emit(
            f"  %kn = add i64 %k, {unrolled}\n"
            f"  %wn = getelementptr i8, ptr %wp, i64 {unrolled * self.total * size}\n"
            f"  %xn = getelementptr i8, ptr %xp, i64 {unrolled * size}\n"
            f"  %more = icmp slt i64 %kn, {whole}\n  br i1 %more, label %loop, label %tail\ntail:"
        )
        for k in range(self.terms - whole):
            sums = self._term(code.address("%wn", k * self.total), code.address("%xn", k), sums)
        return sums

    def _term(self, weights: str, x: str, sums: list[list[str]]) -> list[list[str]]:
        """Add one more term to every sum; an empty sum begins with it."""
        code = self.code
        loaded = [self.vectors[width].load(code.address(weights, at), self.align) for width, at in self.columns]
        found = []
        for b in range(self.rows):
            scalar = next(iter(self.vectors.values())).scalar
            one = code.value(f"load {scalar}, ptr {code.address(x, b * self.strides.x)}, align {code.size}")
            spread = {w: v.every(one) for w, v in self.vectors.items()}
            row = []
            for k, width in enumerate(self.widths):
                v = self.vectors[width]
                factors = loaded[k], spread[width]
                row.append(v.fma(*factors, sums[b][k]) if sums[b][k] else v.mul(*factors))
            found.append(row)
        return found


@dataclass(frozen=True)
class Pack:
    """A copy of weights, made once for each model, starting at number `at` of the parameters' memory.

    starts: the first rows of tiles of `rows` rows of the stacked matrices `names`; empty for one vector. left: those
    to the right of their vector, which are transposed first.
    """

    names: tuple[str, ...]
    at: int = 0
    starts: tuple[int, ...] = ()
    rows: int = 0
    left: tuple[bool, ...] = ()


Call = Callable[[tuple[int, ...], str, str], None]


def tiles_of(code: LlvmModule, rows: int, terms: int, tiling: Tiling, wide: int,
             put: Callable[[tuple[int, ...], int], int], out: str, body: Call) -> None:  # fmt: skip
    """Loop over the tiles of a matrix with `rows` rows and `terms` columns.

    put: receives the first rows and the height of tiles of one shape; returns the position of their weights. body:
    receives the widths of a tile, the position of its weights, and the start of the results of its rows, `out` being
    that of row 0.
    """
    tiles = shares(pieces(rows, tiling.lanes), wide)
    for widths, alike in groupby(tiles, key=lambda tile: tuple(width for _, width in tile)):
        starts = tuple(tile[0][0] for tile in alike)
        at = put(starts, sum(widths))

        def one(index: str, widths: tuple[int, ...] = widths, at: int = at, first: int = starts[0]) -> None:
            height = sum(widths)
            body(widths, code.address("%par", at, (index, terms * height)), code.address(out, first, (index, height)))

        code.loop(len(starts), 1, one)
