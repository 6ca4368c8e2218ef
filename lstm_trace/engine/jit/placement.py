"""Where every value of a stage's compiled lines lies: the rows of a step, groups of products, packed parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .llvm import Code
from .matmul import Pack, Tiles, Tiling
from .schedule import Schedule, Segment, Task, make_schedule

#: Every block of a row begins at a multiple of so many bytes.
ALIGN = 64
#: Lines of so many bytes are set one `ALIGN` apart: equal low bits of addresses cost cache.
LONG = 1024


class Spot(NamedTuple):
    """Where a value lies: at `start` numbers after `base`, its rows of the batch `stride` numbers apart.

    base: `cur` (this step's row), `prev` (the state's row), `par` (parameters), `run0`… or `in0`….
    """

    base: str
    start: int
    stride: int


@dataclass
class Program:
    """The text of a task's function `kernel`, and what its memory must be.

    row: numbers in a row; runs: numbers in one step of each group of products outside the loop; whole: of each input
    whether its steps must follow each other without a gap, or each step alone must have none; packs and parameters:
    how parameters are laid out, and their numbers in all; scratch: numbers of working memory; work: multiplications of
    one step.
    """

    task: Task
    text: str = ""
    row: int = 0
    runs: list[int] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    spots: dict[str, Spot] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    carried: tuple[tuple[str, str], ...] = ()
    packs: list[Pack] = field(default_factory=list)
    parameters: int = 0
    scratch: int = 0
    work: int = 0

    def fits(self, other: Program) -> bool:
        """Whether both work in the same memory; they may compute other parts of the batch."""
        return (self.row, self.runs, self.spots) == (other.row, other.runs, other.spots)


class Placement:
    """Gives every value of a task its place."""

    def __init__(self, task: Task, tiling: Tiling) -> None:
        self.task, self.tiling, self.batch = task, tiling, task.batch
        self.part = task.part or task.batch
        self.code = Code(np.dtype(task.dtype))
        self.size = self.code.size
        self.unit = ALIGN // self.size
        self.program = Program(task)
        self.schedule: Schedule = make_schedule(task, later=task.batch < tiling.rows)
        self.program.carried = self.schedule.carried
        self.widths = self.program.widths
        self.widths.update(task.widths)
        self.widths.update({x.name: self.widths[x.reads[0]] for x in self.schedule.hidden})
        self.spots = self.program.spots
        self.tiles = Tiles(self.code, tiling.lanes)
        self.walk = ""  # what the names of the walk that is being written end in: see `loops`

    def _block(self, numbers: int) -> int:
        """Room in a row."""
        at = self.program.row
        self.program.row += -(-numbers // self.unit) * self.unit
        if numbers * self.size >= LONG:
            self.program.row += self.unit
        return at

    def _side_by_side(self, segment: Segment, base: str, start: int) -> int:
        """Place products side by side in rows that hold all of them; gives the width of such a row."""
        total = sum(self.widths[line.name] for line in segment.lines)
        at = start
        for line in segment.lines:
            self.spots[line.name] = Spot(base, at, total)
            at += self.widths[line.name]
        return total

    def _place(self) -> None:
        vectors = {segment.vector for segment in self.schedule.before}
        for k, (name, width) in enumerate(self.task.inputs):
            self.spots[name] = Spot(f"in{k}", 0, width)
            self.program.whole.append(name in vectors)
        for k, segment in enumerate((*self.schedule.before, *self.schedule.after)):
            self.program.runs.append(self.batch * self._side_by_side(segment, f"run{k}", 0))
        for segment in (*self.schedule.loop, *self.schedule.again):
            if segment.kind == "products":
                total = sum(self.widths[line.name] for line in segment.lines)
                self._side_by_side(segment, "cur", self._block(self.batch * total))
                continue
            for line in segment.lines:
                width = self.widths[line.name]
                self.spots[line.name] = Spot("cur", self._block(self.batch * width), width)
        carried = dict(self.schedule.carried)
        for state in self.task.states:
            if state in carried:
                self.spots[state] = self.spots[carried[state]]._replace(base="prev")
            else:
                width = self.widths[state]
                self.spots[state] = Spot("prev", self._block(self.batch * width), width)
        for name, shape in self.task.parameters:
            if len(shape) == 1:
                self.spots[name] = Spot("par", self._put((name,), shape[0]), 0)

    def _put(
        self, names: tuple[str, ...], numbers: int,
        starts: tuple[int, ...] = (), rows: int = 0, left: tuple[bool, ...] = (),
    ) -> int:  # fmt: skip
        """Room for parameters."""
        at = self.program.parameters
        self.program.packs.append(Pack(names, at, starts, rows, left))
        self.program.parameters += -(-numbers // self.unit) * self.unit
        return at

    def _at(self, name: str, *terms: tuple[str, int], ahead: int = 0) -> str:
        """The address of a value's first number, `ahead` numbers on, at the rows that this call computes."""
        spot = self.spots[name]
        pointer = f"%{spot.base}" + ("" if spot.base == "par" else self.walk)
        return self._begun(pointer, spot.start + ahead, spot.stride, *terms)

    def _block_of(self, spot: Spot) -> str:
        """Where the first step in memory of a block has what `spot.start` counts from."""
        if spot.base in ("cur", "prev"):  # a step's row is the one after the state's row, or before it
            return "%next_row" if (spot.base == "cur") != self.task.reverse else "%low_row"
        return "%par" if spot.base == "par" else f"%block_{spot.base}"

    def _between_steps(self, spot: Spot) -> int:
        """Numbers from a value at one step to the same at the next."""
        if spot.base.startswith("run"):
            return self.program.runs[int(spot.base.removeprefix("run"))]
        return 0 if spot.base == "par" else self.program.row

    def _begun(self, pointer: str, at: int, stride: int, *terms: tuple[str, int]) -> str:
        """An address in the first row of the batch that this call computes; stride: between rows."""
        begin = () if self.part == self.batch else (("%begin", stride),)
        return self.code.address(pointer, at, *begin, *terms)
