"""Every operation in one cell, run by each plan: before the loop, in it and after it, for one row and for several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...cell.lines import expression
from ...cell.ops import OPS
from ...engine.plan_choice import Choice
from ...model.build import build
from ...trace.trace import Trace
from .cases import DTYPES, MATRICES, ROWS, Fault, cases, first, off

PLANS: tuple[Choice, ...] = ("lines", "planned", "compiled")
WIDTHS = range(1, 17)
_STEPS = 6
#: What the operands are made of: of inputs, or of a state that the next step reads.
_OF_INPUTS = "a = x_t\nb = x_t * v\nc = a - b\nn = a[0:1]"
_OF_STATE = "a = x_t + s_prev\nb = s_prev - x_t\nc = a * v\nn = a[0:1]\ns = tanh(a + U @ s_prev)"
AREAS = ("before", "loop", "after")


class Size(NamedTuple):
    """Units, rows of the batch, and where the operations are computed."""

    width: int
    batch: int
    dtype: str
    area: str

    def __str__(self) -> str:
        rows = "1 row" if self.batch == 1 else f"{self.batch} rows"
        return f"width {self.width}, {rows}, {self.area} the loop".replace("loop the", "in the")


def sizes(widths: Sequence[int] = WIDTHS) -> list[Size]:
    """One row and three of each width and dtype; where they are computed takes turns."""
    return [
        Size(width, batch, dtype, AREAS[(width + k) % len(AREAS)])
        for width in widths
        for k, (batch, dtype) in enumerate((batch, dtype) for batch in (1, 3) for dtype in DTYPES)
    ]


def equations(width: int, area: str) -> str:
    """A cell with all of `cases`, computed `before` the loop, in it (`loop`) or `after` it.

    >>> print(equations(1, "after"))
    a = x_t + s_prev
    ...
    q0 = M @ a
    q1 = a @ K
    q2 = a - b + c
    ...
    carry: s_prev <- s
    output: q0
    """
    rows = [_OF_INPUTS if area == "before" else _OF_STATE]
    values = [f"q{k} = {expression(line)}" for k, line in enumerate(cases(width))]
    carried = ["s_prev <- s"] if area != "before" else []
    if area == "loop":  # the next step reads them all
        values.append(f"z = concat({', '.join(f'q{k}' for k in range(len(values)))})\nr = z_prev")
        carried.append("z_prev <- z")
    rows += values
    rows += [f"carry: {', '.join(carried)}"] if carried else []
    return "\n".join([*rows, "output: q0"])


def traced(size: Size, plan: Choice) -> Trace:
    """A run of such a cell."""
    width, batch, dtype, area = size
    rng = np.random.default_rng(width)
    shapes = {"v": (width,), "U": (width, width), MATRICES["matvec"][0]: (ROWS, width),
              MATRICES["vecmat"][1]: (width, ROWS)}  # fmt: skip
    weights = {n: rng.normal(size=s).astype(dtype) for n, s in shapes.items() if n != "U" or area != "before"}
    x = rng.normal(0, 2, (_STEPS, batch, width)).astype(dtype)
    x[0, 0, 0], x[1, 0, 0], x[2, 0, 0] = 0.0, -0.0, 0.5
    return build(weights, {"equations": equations(width, area)}, dtype=dtype).run(x, plan=plan)


def check_plans(
    plans: Sequence[Choice] = PLANS,
    chosen: Sequence[Size] | None = None,
    signs: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Fault]:
    """The first value of each line that is not what its operation gives on the recorded operands.

    chosen: the sizes; all if None. signs: see `cases.off`. progress: told how many of the runs are done, and how
    many there are.
    """
    chosen = sizes() if chosen is None else chosen
    for done, (plan, size) in enumerate((plan, size) for plan in plans for size in chosen):
        yield from wrong_lines(traced(size, plan), plan, str(size), signs)
        if progress is not None:
            progress(done + 1, len(plans) * len(chosen))


def wrong_lines(trace: Trace, plan: str, where: str, signs: bool) -> Iterator[Fault]:
    """The first value of each line of a trace that is not what its operation gives on the recorded operands."""
    for stage in trace.stages:
        for line in stage.lines:
            found = trace.lines[stage.scope][line.name]
            recorded = (trace.operand(stage.scope, o) for o in line.operands)  # all are: the whole run is
            operands = [operand for operand in recorded if operand is not None]
            with np.errstate(all="ignore"):
                expected = np.asarray(OPS[line.op].array(operands, line.constants), found.dtype)
            expected = np.broadcast_to(expected, found.shape)
            wrong = off(line, operands, found, expected, ulps=True, signs=signs)
            if wrong.any():
                yield first(plan, line, where, wrong, found, expected)
