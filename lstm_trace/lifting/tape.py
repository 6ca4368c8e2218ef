"""The tape: every number that a function computed, with the operation and the numbers that it came from.

Numbers are recorded one by one and named by integers. An array of the user's code is an array of such integers, and
whatever only moves numbers (a slice, a transpose, a concatenation, an assignment into a view) is done to the integers
by the array library itself. Only arithmetic makes new numbers.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..cell.ops import OPS
from ..errors import LiftError

Ids = np.ndarray[Any, np.dtype[np.int64]]
#: The time of a number that neither input nor state went into, and of an initial state; an input has that of its step.
FIXED, INITIAL = -2, -1
_OURS = str(Path(__file__).parents[1])


class CodeLine(NamedTuple):
    """A line of the user's code; or a node of a graph, by its name, with the number 0."""

    file: str
    number: int

    def __str__(self) -> str:
        if not self.number:
            return self.file
        text = linecache.getline(self.file, self.number).strip()
        return f"{Path(self.file).name}, line {self.number}{f': `{text}`' if text else ''}"


def _rows(array: Ids, places: Ids) -> Ids:
    """Some rows of an array, which may be large: without a copy if they follow one another, or are one."""
    if (np.diff(places) == 1).all():
        return array[places[0] : places[-1] + 1]
    if (places == places[0]).all():
        return np.broadcast_to(array[places[0]], (len(places), array.shape[1]))
    return array[places]


class TapeNode(NamedTuple):
    """One operation on arrays.

    op: of the operation table; `dot`; or where numbers are given: `x`, `state`, `weight`, `constant`. operands: in the
    shape of the value; those of `dot` are matrices (m, k) and (k, n), and that of a reduction has the numbers it
    reduces on one more axis, the last. start: the first of its own numbers. code: the line that computed it.
    """

    op: str
    operands: tuple[Ids, ...]
    constants: tuple[float, ...]
    start: int
    shape: tuple[int, ...]
    code: CodeLine | None

    @property
    def numbers(self) -> slice:
        """Its own numbers."""
        return slice(self.start, self.start + int(np.prod(self.shape, dtype=int)))

    def read(self, local: Ids) -> list[Ids]:
        """What some of its numbers are computed from: of products and reductions, several numbers on one more axis."""
        if self.op == "dot":
            left, right = self.operands
            rows, columns = np.divmod(local, right.shape[1])
            return [_rows(left, rows), _rows(right.T, columns)]
        return [one.reshape(-1, *one.shape[len(self.shape) :])[local] for one in self.operands]


def is_of_weight(ids: Ids) -> bool:
    """Whether integers are those of a weight, or a part of them: they are never written."""
    while isinstance(ids.base, np.ndarray):
        ids = ids.base
    return not ids.flags.writeable


def numbers_of(array: Any, ids: Ids) -> Any:
    """What an array over all numbers of a tape has for some; of a weight, which may be large, as a view."""
    if not ids.size or not is_of_weight(ids):
        return array[ids]
    return as_strided(array[int(ids.flat[0]) :], ids.shape, [one // 8 * array.itemsize for one in ids.strides])


class Tape:
    """The numbers of one run. libraries: folders whose code is not the user's."""

    def __init__(self, libraries: Sequence[str] = ()) -> None:
        self.nodes: list[TapeNode] = []
        self.values = np.zeros(1 << 12)
        self.times = np.zeros(1 << 12, np.int32)
        self.size = 0
        #: The integers of an array, in order, to how deep in calls a variable held it, and that variable's name.
        self.variables: dict[bytes, tuple[int, str]] = {}
        #: The start of given numbers to what the code calls them.
        self.given: dict[int, str] = {}
        #: What the code calls arrays that it only keeps, such as a list that it appends to.
        self.kept: set[str] = set()
        #: What was refused, in case the code catches it.
        self.refused: list[LiftError] = []
        self._skipped = (*(f"{folder}{os.sep}" for folder in (_OURS, *libraries)), "<frozen")
        self._numbers: dict[float, Ids] = {}
        self._fixed: dict[tuple[Any, ...], Ids] = {}
        self._starts = np.zeros(0, np.int64)

    # -- new numbers --

    def source(self, op: str, values: Any, time: int = FIXED, name: str = "") -> Ids:
        """Numbers that are given to the function, or that it has: `x`, `state`, `weight` or `constant`."""
        array = np.asarray(values, np.float64)
        self.given[self.size] = name
        return self._add(op, (), (), array, np.full(array.shape, time, np.int32))

    def number(self, value: float) -> Ids:
        """One number, as an array without axes."""
        if value not in self._numbers:
            self._numbers[value] = self.source("constant", value)
        return self._numbers[value]

    def computed(self, key: tuple[Any, ...], values: Any, operands: Sequence[Ids]) -> Ids:
        """Numbers that a library computed from weights alone: constants, the same ones for the same key."""
        if key not in self._fixed:
            self._fixed[key] = self.source("constant", values)
            self.nodes[-1] = self.nodes[-1]._replace(operands=(*operands,))
        return self._fixed[key].copy()

    def elementwise(self, op: str, *operands: Ids, constants: tuple[float, ...] = ()) -> Ids:
        """An operation on each number, with broadcasting."""
        each = [np.array(one) for one in np.broadcast_arrays(*operands)]
        with np.errstate(all="ignore"):
            values = OPS[op].array([self.values[one.reshape(-1)] for one in each], constants).reshape(each[0].shape)
        return self._add(op, tuple(each), constants, values, np.maximum.reduce([self.times[one] for one in each]))

    def reduced(self, op: str, operand: Ids) -> Ids:
        """`sum`, `mean` or `max` over the last axis."""
        values = OPS[op].array([self.values[operand]], ())[..., 0]
        return self._add(op, (operand.copy(),), (), values, self.times[operand].max(-1))

    def dot(self, left: Ids, right: Ids) -> Ids:
        """(m, k) times (k, n)."""
        times = [FIXED if is_of_weight(one) else self.times[one].max(axis) for one, axis in ((left, 1), (right, 0))]
        with np.errstate(all="ignore"):
            values = numbers_of(self.values, left) @ numbers_of(self.values, right)
        operands = tuple(one if is_of_weight(one) else one.copy() for one in (left, right))
        latest = np.maximum(np.reshape(times[0], (-1, 1)), np.reshape(times[1], (1, -1)))
        return self._add("dot", operands, (), values, np.broadcast_to(latest, values.shape))

    def _add(self, op: str, operands: tuple[Ids, ...], constants: tuple[float, ...], values: Any, times: Any) -> Ids:
        start, shape = self.size, np.shape(values)
        fixed = None
        if operands and np.max(times, initial=FIXED) == FIXED:  # of weights alone: the same number at every step
            fixed = op, constants, *((one.shape, one.tobytes()) for one in operands)
            if fixed in self._fixed:
                return self._fixed[fixed].copy()
        self.size += int(np.size(values))
        if self.size > len(self.values):
            for name in ("values", "times"):
                grown = np.zeros(max(self.size, 2 * start), getattr(self, name).dtype)
                grown[:start] = getattr(self, name)[:start]
                setattr(self, name, grown)
        self.values[start : self.size] = np.ravel(values)
        self.times[start : self.size] = np.ravel(times)
        self.nodes.append(TapeNode(op, operands, constants, start, shape, self.code() if operands else None))
        ids = np.arange(start, self.size, dtype=np.int64)
        ids.flags.writeable = op != "weight"
        if fixed is not None:
            self._fixed[fixed] = ids.reshape(shape).copy()
        return ids.reshape(shape)

    # -- reading --

    def owners(self, ids: Ids) -> Ids:
        """The positions of the nodes that the numbers belong to."""
        if len(self._starts) != len(self.nodes):
            self._starts = np.array([node.start for node in self.nodes])
        return np.searchsorted(self._starts, ids, "right") - 1

    def grid(self, ids: Ids) -> Ids:
        """A row of numbers as rows and columns, if it is all of an array that has them."""
        shape = [size for size in self.owner(ids).shape if size > 1][-2:]
        whole = len(shape) == 2 and np.array_equal(ids, np.arange(ids[0], ids[0] + int(np.prod(shape))))
        return ids.reshape(shape) if whole else ids

    def owner(self, ids: Ids) -> TapeNode:
        """The operation that the first of some numbers comes from."""
        return self.nodes[int(self.owners(ids.reshape(-1)[:1])[0])]

    def label(self, ids: Ids) -> str:
        """What the code calls the array that given numbers are of, or are cut from; empty if they were computed."""
        return self.given.get(self.owner(ids).start, "")

    def behind(self, values: Iterable[Ids]) -> Any:
        """For every number, whether some values are computed from it."""
        used = np.zeros(self.size, bool)
        for ids in values:
            used[ids] = True
        for node in reversed(self.nodes):  # operands are older
            mine = used[node.numbers].reshape(node.shape)
            parts: Sequence[Any] = (mine,) * len(node.operands)
            if node.op == "dot":
                parts = np.s_[mine.any(1)], np.s_[:, mine.any(0)]
            elif node.op == "constant":
                parts = (...,) * len(node.operands)
            for ids, part in zip(node.operands, parts, strict=True) if mine.any() else ():
                if is_of_weight(ids):
                    numbers_of(used, ids)[part] = True
                else:
                    used[ids[part]] = True
        return used

    def fixed(self, ids: Ids) -> bool:
        """Whether no input and no state goes into any of the numbers."""
        return is_of_weight(ids) or bool((self.times[ids] == FIXED).all())

    def variable(self, ids: Ids) -> str:
        """The variable of the user's code that held the numbers; empty if none did."""
        return self.variables.get(np.ascontiguousarray(ids).tobytes(), (0, ""))[1]

    # -- where --

    def is_user_code(self, file: str) -> bool:
        """Whether code is the user's, and not a library's or ours."""
        return not file.startswith(self._skipped)

    def code(self) -> CodeLine | None:
        """The line of the user's code that is being run."""
        frame = sys._getframe(1)
        while frame is not None and not self.is_user_code(frame.f_code.co_filename):
            frame = frame.f_back  # type: ignore[assignment]
        return None if frame is None else CodeLine(frame.f_code.co_filename, frame.f_lineno)

    def refusal(self, reason: str, node: TapeNode | None = None) -> LiftError:
        """The error for what no equation can express: at the line being run, or at that of a node."""
        code = self.code() if node is None else node.code
        error = LiftError(f"{code}: {reason}" if code else reason)
        if node is None:
            self.refused.append(error)
        return error
