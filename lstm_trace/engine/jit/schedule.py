"""Which line is computed when: products before the loop, then in each step segments of lines of the same kind.

The rules look only at operations, operands and widths. A product of an input does not depend on the loop and leaves it.
The rest is scheduled as it becomes ready: all products of one vector together, then as many elementwise lines of the
same width as possible, so that a simple recurrent cell has two segments: its products, and one loop over its units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...cell.lines import Line
from ...cell.ops import OPS
from ..plan.plan import Pairs, shared_memory
from .functions import ELEMENTWISE

#: Operations over all units of an operand, concatenation, and slices.
ACROSS = ("sum", "mean", "max", "concat", "slice", "memvec", "vecmem")
PRODUCTS = ("matvec", "vecmat")


@dataclass(frozen=True)
class Task:
    """A stage to be computed, without values: everything on which its machine code depends.

    carry: (state, line it carries); sizes: the width of every line and of every state that is used; inputs: widths;
    parameters: shapes. part: number of rows of the batch computed by one call, since no row depends on another; 0 means
    all of them.
    """

    lines: tuple[Line, ...]
    carry: Pairs
    sizes: tuple[tuple[str, int], ...]
    inputs: tuple[tuple[str, int], ...]
    parameters: tuple[tuple[str, tuple[int, ...]], ...]
    batch: int
    dtype: str
    reverse: bool
    part: int = 0

    @cached_property
    def _hash(self) -> int:
        sizes = self.sizes, self.inputs, self.parameters, self.batch, self.part
        return hash((self.lines, self.carry, *sizes, self.dtype, self.reverse))

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameters by name."""
        return dict(self.parameters)

    @cached_property
    def widths(self) -> dict[str, int]:
        """The width of every value that is not a matrix."""
        vectors = {name: shape[0] for name, shape in self.parameters if len(shape) == 1}
        return {**vectors, **dict(self.inputs), **dict(self.sizes)}

    @cached_property
    def begins(self) -> tuple[int, ...]:
        """The first row of each part; the last part may overlap the previous one: both compute the same values."""
        part = self.part or self.batch
        return tuple(min(row, self.batch - part) for row in range(0, self.batch, part))

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The carried states that a line uses."""
        read = {name for line in self.lines for name in line.reads}
        return tuple(state for state, _ in self.carry if state in read)


@dataclass(frozen=True)
class Segment:
    """Lines of one step that are computed together.

    kind: `products` (of one vector), `elementwise` (of one width), `across` (one line). columns: those of the outer
    products; 0 if there is none.
    """

    kind: str
    lines: tuple[Line, ...]
    columns: int = 0

    @property
    def vector(self) -> str:
        """The vector that products multiply."""
        assert self.lines[0].product
        return self.lines[0].product[1]


@dataclass(frozen=True)
class Schedule:
    """before: products of one input each. loop: the work of a step, in order. after: products that no later step needs;
    again: lines that depend on them. carried: (state, line whose memory it shares); a state that is used but carries
    nothing (in a single step) is not listed."""

    before: tuple[Segment, ...]
    loop: tuple[Segment, ...]
    after: tuple[Segment, ...]
    again: tuple[Segment, ...]
    carried: Pairs
    hidden: tuple[Line, ...]


def declined(task: Task) -> str | None:
    """Why the lines cannot be compiled; None if they can."""
    if task.dtype not in ("float32", "float64"):
        return f"{task.dtype} is not compiled"
    if task.batch < 1 or any(width < 1 for _, width in (*task.sizes, *task.inputs)):
        return "there is a value without numbers"
    if any(size < 1 for _, shape in task.parameters for size in shape):
        return "there is a parameter without numbers"
    if not task.lines:
        return "there is no line to compute"
    for line in task.lines:
        if line.op not in (*ELEMENTWISE, *ACROSS, *PRODUCTS):
            return f"line `{line.name}`: {line.op} is not compiled"
        if not line.reads or (OPS[line.op].reduces and len(line.operands) != len(line.reads)):
            return f"line `{line.name}` reads a number only"
        if line.product and len(task.shapes.get(line.product[0], ())) != 2:
            return f"line `{line.name}`: the matrix is not a parameter"
    return None


def make_schedule(task: Task, later: bool) -> Schedule:
    """The segments of a task that is not declined. later: whether products that no later step needs leave the loop."""
    inputs = {name for name, _ in task.inputs}
    # a line that leaves the loop shares no memory with a state
    inside = {x.name for x in task.lines if not x.product or x.product[1] not in inputs}
    read = [(state, line) for state, line in task.carry if state in task.states]
    carried, hidden = shared_memory(read, inside, inputs | {x.name for x in task.lines})
    lines = (*task.lines, *hidden)
    before = [line for line in lines if line.product and line.product[1] in inputs]
    ready = inputs | set(task.shapes) | {state for state, _ in task.carry} | {line.name for line in before}
    rest = [line for line in lines if line not in before]
    after, again = _later(rest, {line for _, line in carried}) if later else ([], [])
    rest = [line for line in rest if line not in after and line not in again]
    widths = {**task.widths, **{x.name: task.widths[x.reads[0]] for x in hidden}}
    loop = tuple(_segments(rest, ready, widths))
    ready |= {line.name for line in (*rest, *after)}
    again_too = tuple(_segments(again, ready, widths))
    return Schedule(tuple(_by_vector(before)), loop, tuple(_by_vector(after)), again_too, carried, hidden)


def _later(lines: Sequence[Line], carried: set[str]) -> tuple[list[Line], list[Line]]:
    """Products that no carried line needs, and the lines that depend on them."""
    needed = set(carried)
    for line in reversed(lines):
        if line.name in needed:
            needed.update(line.reads)
    after: list[Line] = []
    again: list[Line] = []
    late: set[str] = set()
    for line in lines:
        if not late.isdisjoint(line.reads):
            again.append(line)
        elif line.product and line.name not in needed:
            after.append(line)
        else:
            continue
        late.add(line.name)
    return after, again


def _by_vector(lines: Sequence[Line]) -> Iterator[Segment]:
    """Products, grouped by vector."""
    by_vector = [(line.product[1], line) for line in lines if line.product]
    for vector in dict.fromkeys(vector for vector, _ in by_vector):
        yield Segment("products", tuple(line for read, line in by_vector if read == vector))


def _segments(rest: list[Line], known: set[str], widths: dict[str, int]) -> Iterator[Segment]:
    """The lines of a step in an order in which each one's operands are available."""
    ready = set(known)

    def is_ready(line: Line) -> bool:
        return all(name in ready for name in line.reads)

    while rest:
        products = [line for line in rest if line.product and is_ready(line)]
        yield from _by_vector(products)
        ready |= {line.name for line in products}
        across = [line for line in rest if line.op in ACROSS and is_ready(line)]
        yield from (Segment("across", (line,)) for line in across)
        ready |= {line.name for line in across}
        rest = [line for line in rest if line not in products and line not in across]
        if (first := next((x for x in rest if x.op in ELEMENTWISE and is_ready(x)), None)) is not None:
            group: list[Line] = []
            columns = 0
            for line in rest:
                if line.op in ELEMENTWISE and widths[line.name] == widths[first.name] and is_ready(line):
                    wide = widths[line.reads[1]] if line.op == "outer" else columns
                    if columns in (0, wide):  # one loop goes through matrices of one shape
                        columns = wide
                        group.append(line)
                        ready.add(line.name)
            yield Segment("elementwise", tuple(group), columns)
            rest = [line for line in rest if line not in group]
        elif not products and not across:
            raise AssertionError(f"the operands of {rest[0]} are nowhere")  # a cell is checked before it runs
