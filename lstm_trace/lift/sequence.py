"""A function over a whole sequence: what each step reads of the steps before is its state.

The function is run on six steps. Of the numbers of each step, those that the next one reads are the states; the
equations of one step are read with these as leaves, and must be the same at two steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .tape import Ids, LiftError, Tape
from .writing import Expr, Reader

STEPS = 6


def step_of(tape: Tape, roles: dict[int, str], outputs: list[Ids]) -> tuple[list[Expr], list[Expr], list[int]]:
    """The equations of one step of a recorded sequence: its outputs, its states, and which output each state is."""
    # the rows of the outputs by time
    rows: dict[int, list[Ids]] = {t: [] for t in range(STEPS)}
    for ids in outputs:
        flat = ids.reshape(-1)
        for t in range(STEPS):
            own = flat[tape.times[flat] == t]
            if len(own):
                rows[t].append(own)
    last_only = not rows[STEPS - 2]
    if last_only:
        # reading the last step gives what it reads of the one before, which is read in its turn
        roots = {STEPS - 1: rows[STEPS - 1]}
        for t in range(STEPS - 1, 1, -1):
            reader = _read(tape, roles, t, roots[t])
            roots[t - 1] = reader.leaves
        a, b = _read(tape, roles, 3, roots[3]), _read(tape, roles, 2, roots[2])
        raise LiftError("last output only: not yet")
    roots = dict(rows)
    width = -1
    for _ in range(4):
        found = {t: _read(tape, roles, t, roots[t]) for t in range(1, STEPS) if t in roots}
        counts = {t: len(one.leaves) for t, one in found.items()}
        top = max(found)
        roots = {t: [*rows[t], *found[t + 1].leaves] for t in range(1, top)}
        if counts[2] == width:
            break
        width = counts[2]
    n = len(rows[2])
    a, b = _read(tape, roles, 1, roots[1]), _read(tape, roles, 2, roots[2])
    if [e.key for e in a.exprs] != [e.key for e in b.exprs]:
        raise LiftError("step 2 does something else than step 1, so that they are not one cell")
    if len(a.leaves) != len(roots[1]) - n:
        raise LiftError("the states do not close")
    return a.exprs[:n], a.exprs[n:], []


class _Read:
    def __init__(self, exprs: list[Expr], leaves: list[Ids]) -> None:
        self.exprs, self.leaves = exprs, leaves


def _read(tape: Tape, roles: dict[int, str], now: int, roots: list[Ids]) -> Any:
    reader = Reader(tape, roles)
    reader.now = now
    exprs = [reader.vector(ids) for ids in roots]
    return _Read(exprs, [np.frombuffer(key, np.int64) for key in reader.states])
