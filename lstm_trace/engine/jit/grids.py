"""A matrix that is a value times a vector, from either side; the matrix is read once, from front to back.

There is one function for each shape. Its sums are variables on the stack, which LLVM moves to registers: a loop of
`llvm` has no others.
"""

from __future__ import annotations

from functools import partial

from .llvm import LlvmModule, Vector
from .matmul import pieces, shares

#: Sums that are taken at once, so that a product need not wait for the one before it.
AT_ONCE = 8


class Grids:
    """Writes the functions that multiply, each shape once."""

    def __init__(self, code: LlvmModule, lanes: int) -> None:
        self.code, self.lanes = code, lanes

    def function(self, op: str, rows: int, columns: int) -> str:
        """The name of the function for a matrix of this shape. op: `memvec` or `vecmem`."""
        write = self._by_rows if op == "memvec" else self._by_columns
        return self.code.function(op, (rows, columns), partial(write, rows, columns))

    def _zero(self, v: Vector) -> str:
        """A variable that begins with 0; returns its address."""
        name = f"%sum{self.code.fresh()}"
        self.code.variables.append(f"  {name} = alloca {v.type}")
        v.store("zeroinitializer", name, self.code.size)
        return name

    def _add(self, v: Vector, total: str, a: str, b: str) -> None:
        v.store(v.fma(a, b, v.load(total, self.code.size)), total, self.code.size)

    def _by_rows(self, rows: int, columns: int) -> None:
        """One sum for each row, some rows at once."""
        code = self.code
        for count, first, times in ((AT_ONCE, 0, rows // AT_ONCE), (rows % AT_ONCE, rows // AT_ONCE * AT_ONCE, 1)):
            if count and times:

                def some(i: str, count: int = count, first: int = first) -> None:
                    matrix = code.address("%w", first * columns, (i, count * columns))
                    self._dots(count, matrix, columns, code.address("%o", first, (i, count)))

                code.loop(times, 1, some)

    def _dots(self, count: int, matrix: str, columns: int, out: str) -> None:
        """The sums of `count` rows: by vectors of each width, whose lanes are added at the end."""
        code, one = self.code, Vector(self.code, 1)
        totals = ["" for _ in range(count)]
        whole = columns // self.lanes * self.lanes
        parts = [(0, self.lanes, whole)] if whole else []
        for first, lanes, many in (*parts, *((at, n, n) for at, n in pieces(columns, self.lanes) if n < self.lanes)):
            v = Vector(code, lanes)
            sums = [self._zero(v) for _ in totals]

            def terms(k: str, v: Vector = v, first: int = first, sums: list[str] = sums) -> None:
                x = v.load(code.address("%x", first, (k, 1)), code.size)
                for row, total in enumerate(sums):
                    self._add(v, total, v.load(code.address(matrix, first + row * columns, (k, 1)), code.size), x)

            code.loop(many, lanes, terms)
            for row, total in enumerate(sums):
                here = v.folded(v.load(total, code.size), Vector.add)
                totals[row] = one.add(totals[row], here) if totals[row] else here
        for row, total in enumerate(totals):
            one.store(total, code.address(out, row), code.size)

    def _by_columns(self, rows: int, columns: int) -> None:
        """The sums of some columns at once, row by row."""
        code = self.code
        for some in shares(pieces(columns, self.lanes), AT_ONCE):
            sums = [(v := Vector(code, lanes), first, self._zero(v)) for first, lanes in some]

            def terms(i: str, sums: list[tuple[Vector, int, str]] = sums) -> None:
                for v, first, total in sums:
                    factor = v.spread(code.address("%x", 0, (i, 1)))
                    self._add(v, total, factor, v.load(code.address("%w", first, (i, columns)), code.size))

            code.loop(rows, 1, terms)
            for v, first, total in sums:
                v.store(v.load(total, code.size), code.address("%o", first), code.size)
