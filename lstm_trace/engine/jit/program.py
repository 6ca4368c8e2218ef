"""A stage's lines as one function: the position of every value, and the function's text.

Memory of a run: `rows`, one more than there are steps, in which each value of the loop is a (B, width) block at a
constant position; a state is what its line wrote one row earlier (later, for the reverse direction), and the first row
holds the initial states. `runs`, (T, B, width) for each group of products outside the loop. They are computed for some
hundred rows at a time, inside the function, so that they are still in the cache when the loop reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, groupby
from typing import NamedTuple

import numpy as np

from ...cell.lines import Line, Operand
from .functions import ELEMENTWISE
from .grids import Grids
from .llvm import AGAIN, LlvmModule, Vector, module_text
from .matmul import Call, Pack, Strides, Tiling, shares, tile, tiles_of
from .schedule import Schedule, Segment, Task, make_schedule

#: Every block of a row begins at a multiple of this many bytes.
ALIGN = 64
#: Lines of this many bytes are spaced one `ALIGN` apart: equal low address bits cause cache conflicts.
LONG = 1024


class MemoryLocation(NamedTuple):
    """The position of a value: `start` numbers after `base`, with its rows of the batch `stride` numbers apart.

    base: `cur` (this step's row), `prev` (the state's row), `par` (parameters), `run0`… or `in0`….
    """

    base: str
    start: int
    stride: int


@dataclass
class Program:
    """The text of a task's function `kernel`, and its memory requirements.

    row: numbers in a row; runs: numbers in one step of each group of products outside the loop; whole: for each input,
    whether its steps must be contiguous with each other, or only each step in itself; packs and parameters: how
    parameters are laid out, and their total size; scratch: numbers of working memory; work: multiplications per step.
    """

    task: Task
    text: str = ""
    row: int = 0
    runs: list[int] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    spots: dict[str, MemoryLocation] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    carried: tuple[tuple[str, str], ...] = ()
    packs: list[Pack] = field(default_factory=list)
    parameters: int = 0
    scratch: int = 0
    work: int = 0

    def fits(self, other: Program) -> bool:
        """Whether both work in the same memory; they may compute other parts of the batch."""
        return (self.row, self.runs, self.spots) == (other.row, other.runs, other.spots)


#: Rows (steps times batch) of products computed at once, and the bytes that they may have beyond that.
LEAST_ROWS = 256
MOST_BYTES = 512 * 1024
#: Bytes of the rows of a block whose products are computed after its steps; at least the rows of one tile.
AFTER_BYTES = 1024 * 1024


class ProgramWriter:
    """Assigns a position to every value of a task, and writes the program."""

    def __init__(self, task: Task, tiling: Tiling) -> None:
        self.task, self.tiling, self.batch = task, tiling, task.batch
        self.part = task.part or task.batch
        self.code = LlvmModule(np.dtype(task.dtype))
        self.size = self.code.size
        self.unit = ALIGN // self.size
        self.program = Program(task)
        self.schedule: Schedule = make_schedule(task, later=task.batch < tiling.rows)
        self.program.carried = self.schedule.carried
        self.widths = self.program.widths
        self.widths.update(task.widths)
        self.widths.update({x.name: self.widths[x.reads[0]] for x in self.schedule.hidden})
        self.spots = self.program.spots
        self.grids = Grids(self.code, tiling.lanes)
        self.walk = ""  # suffix of names in the pass that is being written: see `llvm.AGAIN`

    def _block(self, numbers: int) -> int:
        """Allocate space in a row."""
        at = self.program.row
        self.program.row += -(-numbers // self.unit) * self.unit
        if numbers * self.size >= LONG:
            self.program.row += self.unit
        return at

    def _own(self, name: str, base: str) -> None:
        """Place a value in a block of its own."""
        width = self.widths[name]
        self.spots[name] = MemoryLocation(base, self._block(self.batch * width), width)

    def _side_by_side(self, segment: Segment, base: str, start: int) -> int:
        """Place products side by side in rows that hold all of them; return the width of such a row."""
        widths = [self.widths[line.name] for line in segment.lines]
        for line, at in zip(segment.lines, accumulate(widths, initial=start), strict=False):
            self.spots[line.name] = MemoryLocation(base, at, sum(widths))
        return sum(widths)

    def _place(self) -> None:
        vectors = {segment.vector for segment in self.schedule.before}
        for k, (name, width) in enumerate(self.task.inputs):
            self.spots[name] = MemoryLocation(f"in{k}", 0, width)
            self.program.whole.append(name in vectors)
        for k, segment in enumerate((*self.schedule.before, *self.schedule.after)):
            self.program.runs.append(self.batch * self._side_by_side(segment, f"run{k}", 0))
        for segment in (*self.schedule.loop, *self.schedule.again):
            if segment.kind == "products":
                total = sum(self.widths[line.name] for line in segment.lines)
                self._side_by_side(segment, "cur", self._block(self.batch * total))
                continue
            for line in segment.lines:
                self._own(line.name, "cur")
        carried = dict(self.schedule.carried)
        for state in self.task.states:
            if state in carried:
                self.spots[state] = self.spots[carried[state]]._replace(base="prev")
            else:
                self._own(state, "prev")
        for name, shape in self.task.parameters:
            if len(shape) == 1:
                self.spots[name] = MemoryLocation("par", self._put(shape[0], Pack((name,))), 0)

    def _put(self, numbers: int, pack: Pack) -> int:
        """Allocate space for parameters."""
        at = self.program.parameters
        self.program.packs.append(replace(pack, at=at))
        self.program.parameters += -(-numbers // self.unit) * self.unit
        return at

    def _at(self, name: str, *terms: tuple[str, int], ahead: int = 0) -> str:
        """The address of a value's number `ahead`, in the rows that this call computes."""
        spot = self.spots[name]
        pointer = f"%{spot.base}" + ("" if spot.base == "par" else self.walk)
        return self._begun(pointer, spot.start + ahead, spot.stride, *terms)

    def _begun(self, pointer: str, at: int, stride: int, *terms: tuple[str, int]) -> str:
        """An address in the first row of the batch that this call computes; stride: between rows."""
        begin = () if self.part == self.batch else (("%begin", stride),)
        return self.code.address(pointer, at, *begin, *terms)

    def write(self) -> Program:
        """The whole program."""
        self._place()
        plan = self.schedule
        before, steps = self._text(self._before, plan.before), self._text(self._step, plan.loop)
        after, self.walk = self._text(self._after, plan.after), AGAIN
        parts = before, steps, after, self._text(self._step, plan.again)
        inputs = [f"in{k}" for k in range(len(self.task.inputs))]
        runs = {f"run{k}": numbers for k, numbers in enumerate(self.program.runs)}
        bytes_of_row = max(1, sum(self.program.runs) // self.batch) * self.size
        block = max(1, max(LEAST_ROWS, MOST_BYTES // bytes_of_row) // self.batch)
        if plan.after:  # the results of the steps should still be in the cache
            bytes_of_step = max(1, self.program.row) * self.size  # a loop of products alone may have no columns
            tiles = AFTER_BYTES // bytes_of_step // self.tiling.rows
            block = min(block, max(1, tiles) * self.tiling.rows)
        self.program.text = module_text(self.code, inputs, runs, self.program.row, block, self.task.reverse, parts)
        return self.program

    def _text(self, write: Callable[[Segment], None], segments: Sequence[Segment]) -> str:
        self.code.lines = []
        for segment in segments:
            write(segment)
        return "\n".join(self.code.lines)

    # -- products ------------------------------------------------------------------------------------------------

    def _tiled(self, segment: Segment, wide: int, out: str, columns: Call) -> None:
        """The products of a segment, by tiles of their stacked matrices."""
        names = tuple(line.product[0] for line in segment.lines if line.product)
        left = tuple(line.op == "vecmat" for line in segment.lines)
        rows, terms = sum(self.widths[line.name] for line in segment.lines), self.widths[segment.vector]
        self.program.work += rows * terms * self.part

        def put(starts: tuple[int, ...], height: int) -> int:
            return self._put(len(starts) * height * terms, Pack(names, 0, starts, height, left))

        tiles_of(self.code, rows, terms, self.tiling, wide, put, out, columns)

    def _before(self, segment: Segment) -> None:
        """Products of an input for a block of steps.

        For the whole batch, the rows of all steps are equivalent. A part of the batch has its tiles in each step.
        """
        code, batch = self.code, self.batch
        many = min(self.tiling.rows, self.part)
        run, terms = self.spots[segment.lines[0].name], self.widths[segment.vector]
        x = self._begun(f"%block_{self.spots[segment.vector].base}", 0, terms)
        strides = Strides(terms, terms, run.stride, run.stride)

        def columns(widths: tuple[int, ...], weights: str, out: str) -> None:
            out = self._begun(out, 0, run.stride)

            def step(t: str) -> None:
                at = code.address(x, 0, (t, batch * terms)), code.address(out, 0, (t, batch * run.stride))
                self._rows(widths, weights, *at, many, strides)

            if self.part < batch:
                code.loop("%n", 1, step)
            else:
                self._many(widths, weights, x, out, code.value(f"mul i64 %n, {batch}"), strides)

        wide = self.tiling.wide(many if self.part < batch else self.tiling.rows)
        self._tiled(segment, wide, f"%block_{run.base}", columns)

    def _after(self, segment: Segment) -> None:
        """Products that no later step needs: for one sequence at a time, over a block of steps."""
        code = self.code
        run, spot = self.spots[segment.lines[0].name], self.spots[segment.vector]
        # position of the vector in the first step (in memory) of a block, and numbers between two steps
        block, between = f"%block_{spot.base}", 0
        if spot.base in ("cur", "prev"):  # a step's row is the one after the state's row, or before it
            block = "%next_row" if (spot.base == "cur") != self.task.reverse else "%low_row"
            between = self.program.row
        elif spot.base.startswith("run"):
            between = self.program.runs[int(spot.base.removeprefix("run"))]
        elif spot.base == "par":
            block = "%par"
        x = self._begun(block, spot.start, spot.stride)
        strides = Strides(self.widths[segment.vector], between, self.batch * run.stride, run.stride)

        def columns(widths: tuple[int, ...], weights: str, out: str) -> None:
            out = self._begun(out, 0, run.stride)

            def row(b: str) -> None:
                at = code.address(x, 0, (b, spot.stride)), code.address(out, 0, (b, run.stride))
                self._many(widths, weights, *at, "%n", strides)

            code.loop(self.part, 1, row)

        self._tiled(segment, self.tiling.wide(self.tiling.rows), f"%block_{run.base}", columns)

    def _many(self, widths: tuple[int, ...], weights: str, x: str, out: str, count: str, strides: Strides) -> None:
        """The products of one tile of weights with `count` rows: full tiles first, then one row each."""
        code, most = self.code, self.tiling.rows
        tiles = code.value(f"udiv i64 {count}, {most}")
        tiled = code.value(f"mul i64 {tiles}, {most}")
        rest = code.value(f"sub i64 {count}, {tiled}")
        for rows, number, first in ((most, tiles, "0"), (1, rest, tiled)):
            at = code.address(x, 0, (first, strides.x)), code.address(out, 0, (first, strides.out))
            self._calls(widths, weights, *at, rows, number, strides)

    def _rows(self, widths: tuple[int, ...], weights: str, x: str, out: str, most: int, strides: Strides) -> None:
        """The products of one tile of weights with all rows that this call computes, at most a tile's height at a
        time.
        """
        for rows, alike in groupby(shares(range(self.part), most), key=len):
            firsts = [share[0] for share in alike]
            xs = self.code.address(x, firsts[0] * strides.x)
            outs = self.code.address(out, firsts[0] * strides.out)
            self._calls(widths, weights, xs, outs, rows, len(firsts), strides)

    def _calls(
        self, widths: tuple[int, ...], weights: str, x: str, out: str, rows: int, count: int | str, by: Strides
    ) -> None:
        """`count` calls of a tile's function for `rows` rows each."""
        code, name = self.code, tile(self.code, self.tiling.lanes, widths, rows, by)

        def call(j: str) -> None:
            at = code.address(x, 0, (j, rows * by.x)), code.address(out, 0, (j, rows * by.out))
            code.emit(f"  call void {name}(ptr {weights}, ptr {at[0]}, ptr {at[1]})")

        code.loop(count, 1, call)

    def _products(self, segment: Segment) -> None:
        """Products of one vector in a step: tiles of rows of the batch."""
        vector, total = segment.vector, self.spots[segment.lines[0].name].stride
        x, stride, terms = self._at(vector), self.spots[vector].stride, self.widths[vector]
        if self.batch > 1 and terms * self.size % 2048 == 0 and stride:
            x, stride = self._spread_out(vector, terms), terms + self.unit
        most = min(self.part, self.tiling.rows)

        def columns(widths: tuple[int, ...], weights: str, results: str) -> None:
            self._rows(widths, weights, x, results, most, Strides(terms, stride, total, total))

        self._tiled(segment, self.tiling.wide(most), self._at(segment.lines[0].name), columns)

    def _spread_out(self, name: str, terms: int) -> str:
        """A copy of a (B, terms) value with gaps between its rows: rows a power of two apart share cache lines."""
        code, v, stride = self.code, Vector(self.code, self.tiling.lanes), terms + self.unit
        self.program.scratch = max(self.program.scratch, self.part * stride)

        def copy(b: str, k: str) -> None:
            value = v.load(self._at(name, (b, self.spots[name].stride), (k, 1)), self.size)
            v.store(value, code.address("%scratch", 0, (b, stride), (k, 1)), self.size)

        code.loop(self.part, 1, lambda b: code.loop(terms, self.tiling.lanes, lambda k: copy(b, k)))
        return "%scratch"

    # -- elementwise lines ---------------------------------------------------------------------------------------

    def _step(self, segment: Segment) -> None:
        {"products": self._products, "elementwise": self._elementwise, "across": self._across}[segment.kind](segment)

    def _units(self, width: int, body: Callable[[Vector, str, str, str, str], None], columns: int = 0) -> None:
        """body(vector, b, j, row, column) for every row b of the batch and every unit j at which a vector begins.

        The last vector may overlap the previous one: its values are computed twice, with equal results. columns: those
        of a matrix, whose units are gone through row by row; a vector is one row.
        """
        lanes, columns, code = self.tiling.lanes, columns or width, self.code
        while lanes > columns:
            lanes //= 2
        v = Vector(code, lanes)

        def sequence(b: str) -> None:
            def row(i: str) -> None:
                def at(j: str) -> None:
                    if columns % lanes and j != "0":
                        fits = code.value(f"icmp slt i64 {j}, {columns - lanes}")
                        j = code.value(f"select i1 {fits}, i64 {j}, i64 {columns - lanes}")
                    begin = "" if i == "0" else code.value(f"mul i64 {i}, {columns}")
                    body(v, b, code.value(f"add i64 {begin}, {j}") if begin else j, i, j)

                code.loop(-(-columns // lanes) * lanes, lanes, at)

            if columns == width:  # the text of a cell of vectors stays as it was, and so does its entry in the cache
                row("0")
            else:
                code.loop(width // columns, 1, row)

        code.loop(self.part, 1, sequence)

    def _read(self, v: Vector, name: Operand, width: int, b: str, j: str, begin: int | None = None) -> str:
        """The units of an operand starting at j, for row b; begin: start of a slice, or of a row of a matrix (0)."""
        if not isinstance(name, str):
            return v.number(name)
        if self.widths[name] == 1 and width > 1:
            return v.spread(self._unit(name, b))
        # a slice has another width than its operand: the last vector of units 0 to 2 of 12 begins at unit 1
        aligned = self._aligned(v, name) if begin is None else self.size
        return v.load(self._unit(name, b, j, begin or 0), aligned)

    def _unit(self, name: str, b: str, j: str = "0", ahead: int = 0) -> str:
        """The address of unit j + ahead of a value, for row b."""
        return self._at(name, (b, self.spots[name].stride), (j, 1), ahead=ahead)

    def _aligned(self, v: Vector, name: str) -> int:
        spot, width = self.spots[name], self.widths[name]
        inside = spot.base in ("cur", "prev", "par")
        whole = all(n % v.lanes == 0 for n in (spot.start, spot.stride, width))
        return v.lanes * self.size if inside and whole else self.size

    def _store(self, v: Vector, value: str, name: str, b: str, j: str, begin: int | None = None) -> None:
        v.store(value, self._unit(name, b, j), self._aligned(v, name) if begin is None else self.size)

    def _elementwise(self, segment: Segment) -> None:
        """One loop over the units: values that were read or computed stay in registers; every line is stored."""
        width = self.widths[segment.lines[0].name]
        columns = segment.columns or width

        def body(v: Vector, b: str, j: str, row: str, column: str) -> None:
            values: dict[Operand, str] = {}
            begin = 0 if columns % v.lanes else None
            for line in segment.lines:
                if line.op == "outer":
                    left, right = line.reads
                    read = [v.spread(self._unit(left, b, row)), self._read(v, right, columns, b, column, begin)]
                else:
                    for name in line.operands:
                        if name not in values:
                            values[name] = self._read(v, name, width, b, j, begin)
                    read = [values[name] for name in line.operands]
                values[line.name] = ELEMENTWISE[line.op](v, read, line.constants)
                self._store(v, values[line.name], line.name, b, j, begin)

        self._units(width, body, columns)

    # -- operations across the units -----------------------------------------------------------------------------

    def _across(self, segment: Segment) -> None:
        line = segment.lines[0]
        if line.op == "slice":
            self._copied(line, line.operands[0], self.widths[line.name], begin=int(line.constants[0]))
        elif line.op == "concat":
            widths = [self.widths[operand] if isinstance(operand, str) else 1 for operand in line.operands]
            for operand, width, at in zip(line.operands, widths, accumulate(widths, initial=0), strict=False):
                self._copied(line, operand, width, at=at)
        elif line.memory:
            self._read_memory(line, *line.memory)
        else:
            self.code.loop(self.part, 1, lambda b: self._reduced(line, b))

    def _read_memory(self, line: Line, matrix: str, vector: str) -> None:
        """The product of a matrix that is a value with a vector."""
        rows, columns = self.widths[line.name], self.widths[vector]
        self.program.work += rows * columns * self.part
        name = self.grids.function(line.op, *((rows, columns) if line.op == "memvec" else (columns, rows)))

        def call(b: str) -> None:
            at = ", ".join(f"ptr {self._unit(value, b)}" for value in (matrix, vector, line.name))
            self.code.emit(f"  call void {name}({at})")

        self.code.loop(self.part, 1, call)

    def _copied(self, line: Line, operand: Operand, width: int, at: int = 0, begin: int = 0) -> None:
        """Copy `width` units of an operand, starting at `begin`, to those of the line, starting at `at`."""

        def body(v: Vector, b: str, j: str, *_: str) -> None:
            v.store(self._read(v, operand, width, b, j, begin), self._unit(line.name, b, j, at), self.size)

        self._units(width, body)

    def _reduced(self, line: Line, b: str) -> None:
        """Sum, mean or maximum of one row's units: by vectors, then their lanes in halves, then the remainder."""
        name = line.reads[0]
        width, lanes = self.widths[name], self.tiling.lanes
        while lanes > width:
            lanes //= 2
        v, one, code = Vector(self.code, lanes), Vector(self.code, 1), self.code

        def join(v: Vector, a: str, b: str) -> str:
            return v.larger(a, b) if line.op == "max" else v.add(a, b)

        cell = code.address("%scratch", 0)  # the total so far, in memory, because a loop has no other variable here
        self.program.scratch = max(self.program.scratch, lanes)
        v.store(self._read(v, name, width, b, "0"), cell, self.size)

        def more(j: str) -> None:
            following = code.value(f"add i64 {j}, {lanes}")
            v.store(join(v, v.load(cell, self.size), self._read(v, name, width, b, following)), cell, self.size)

        if (count := width // lanes) > 2:
            code.loop((count - 1) * lanes, lanes, more)
        elif count == 2:
            more("0")
        total = v.folded(v.load(cell, self.size), join)
        for k in range(count * lanes, width):
            total = join(one, total, self._read(one, name, width, b, str(k)))
        if line.op == "mean":
            total = one.div(total, one.number(width))
        self._store(one, total, line.name, b, "0")


def make_program(task: Task, lanes: int, registers: int) -> Program:
    """The program of a task that is not declined, for vectors of `lanes` numbers and this many registers."""
    return ProgramWriter(task, Tiling.of(lanes, registers)).write()
