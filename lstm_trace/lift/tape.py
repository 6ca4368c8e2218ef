"""The tape: every number that a function computed, and the operation and numbers that it came from.

Numbers are recorded one by one and named by integers. An array of the user's code is then an array of integers, and
whatever only moves numbers (a slice, a transpose, a concatenation, an assignment into a view) is done to the integers
by the array library itself, which knows best. Only arithmetic makes new numbers.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import LstmTraceError
from ..cell.ops import OPS

Ids = np.ndarray[Any, np.dtype[np.int64]]
#: The time of a number that no input or state went into, and of an initial state; inputs have that of their step.
FIXED, INITIAL = -2, -1
_OURS = str(Path(__file__).parent)


class LiftError(LstmTraceError):
    """Code that cannot be written as equations; the message names the line."""


class Place(NamedTuple):
    """A line of the user's code."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.text}"


class Node(NamedTuple):
    """One operation on arrays. start: the first of its numbers; operands: integers, in the shape of its value.

    The operands of `dot` are matrices (m, k) and (k, n); those of a reduction have the reduced numbers on a last axis.
    """

    op: str
    operands: tuple[Ids, ...]
    constants: tuple[float, ...]
    start: int
    shape: tuple[int, ...]
    place: Place | None


class Tape:
    """Everything that was computed."""

    def __init__(self, libraries: Sequence[str] = ()) -> None:
        self.nodes: list[Node] = []
        self.starts: list[int] = []
        self.values = np.zeros(1 << 12)
        self.times = np.zeros(1 << 12, np.int32)
        self.size = 0
        self.known: dict[float, Ids] = {}
        self.names: dict[bytes, str] = {}  # the integers of a vector to the local variable that held it last
        self.skipped = (_OURS, *libraries)

    # -- new numbers --

    def source(self, op: str, values: Any, time: int = FIXED, name: str = "") -> Ids:
        """Numbers that are given: op is `x`, `state`, `weight` or `constant`."""
        array = np.asarray(values, np.float64)
        return self._add(op, (), (), array, np.full(array.shape, time, np.int32), name)

    def number(self, value: float) -> Ids:
        """A number as an array without axes."""
        if value not in self.known:
            self.known[value] = self.source("constant", value)
        return self.known[value]

    def elementwise(self, op: str, *operands: Ids, constants: tuple[float, ...] = ()) -> Ids:
        """An operation of the operation table, with broadcasting."""
        each = np.broadcast_arrays(*operands)
        flat = [one.reshape(-1) for one in each]
        values = OPS[op].array([self.values[one] for one in flat], constants).reshape(each[0].shape)
        times = np.maximum.reduce([self.times[one] for one in each])
        return self._add(op, tuple(np.array(one) for one in each), constants, values, times)

    def reduced(self, op: str, operand: Ids) -> Ids:
        """`sum`, `mean` or `max` over the last axis."""
        values = OPS[op].array([self.values[operand]], ())[..., 0]
        return self._add(op, (operand.copy(),), (), values, self.times[operand].max(-1))

    def dot(self, left: Ids, right: Ids) -> Ids:
        """(m, k) times (k, n)."""
        values = self.values[left] @ self.values[right]
        times = np.maximum(self.times[left].max(1)[:, None], self.times[right].max(0)[None, :])
        return self._add("dot", (left.copy(), right.copy()), (), values, times)

    def _add(self, op: str, operands: tuple[Ids, ...], constants: tuple[float, ...], values: Any, times: Any, name: str = "") -> Ids:
        start, size = self.size, int(np.size(values))
        while start + size > len(self.values):
            self.values = np.concatenate([self.values, np.zeros_like(self.values)])
            self.times = np.concatenate([self.times, np.zeros_like(self.times)])
        self.values[start : start + size] = np.ravel(values)
        self.times[start : start + size] = np.ravel(times)
        self.size += size
        self.nodes.append(Node(op, operands, constants, start, np.shape(values), self.place()))
        self.starts.append(start)
        ids = np.arange(start, start + size, dtype=np.int64).reshape(np.shape(values))
        if name:
            self.names[ids.tobytes()] = name
        return ids

    # -- where --

    def owner(self, ids: Ids) -> Ids:
        """The positions of the nodes that the numbers belong to."""
        return np.searchsorted(np.asarray(self.starts), ids, "right") - 1

    def place(self) -> Place | None:
        """The line of the user's code that is being run."""
        frame = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            if not file.startswith(self.skipped) and not file.startswith("<frozen"):
                return Place(file, frame.f_lineno, linecache.getline(file, frame.f_lineno).strip())
            frame = frame.f_back
        return None

    def refuse(self, what: str, node: Node | None = None) -> LiftError:
        """The error for something that no equation can say, at the line being run or that of a node."""
        place = self.place() if node is None else node.place
        where = f"{Path(place.file).name}, line {place.number}: `{place.text}`: " if place else ""
        return LiftError(f"{where}{what}")
