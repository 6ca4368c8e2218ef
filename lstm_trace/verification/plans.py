"""Whether each plan computes, on this machine, what the operations define; every operation with every kind of operand.

The cases are made from the operation table, so a new row there is covered automatically. They are tried as kernels at
every stride: in a plan's memory a step is one row, so a value has a stride of all columns; numpy has separate loops for
strided and for contiguous numbers, and for some strides special ones: 2.1 to 2.4.6 negate wrongly at 64 bytes.
They are also tried in one cell, before the loop, in it and after it, with each plan. `lstm-trace doctor` prints
`examine`.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import accumulate, product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import __version__
from ..base.arrays import Array
from ..base.resources import blas
from ..cell.lines import Line, Operand, expression
from ..cell.ops import OPS, Op
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..engine.jit import installed
from ..engine.jit.machine import VARIABLE, cache_directory, host
from ..engine.plan.kernels import KERNELS, Outside
from ..engine.plan_choice import Choice
from ..errors import counted
from ..languages.strings import Words
from ..model.build import build
from ..trace.trace import Trace
from .rounding import bound

#: Operands as wide as the value, one of one unit, a parameter, a number; a matrix for each kind of product, which may
#: be a value with rows as wide as the others, beside a vector with a number for each row.
WIDE, ONE, VECTOR, NUMBER, SHORT, GRID = ("a", "b", "c"), "n", "v", 0.5, "p", "g"
MOVING = (*WIDE, ONE, SHORT, GRID)
MATRICES = {"matvec": ("M", WIDE[0]), "vecmat": (WIDE[0], "K"), "memvec": (GRID, WIDE[0]), "vecmem": (SHORT, GRID)}
#: Rows of M and of the value, columns of K.
MATRIX_ROWS = 3
DTYPES = ("float64", "float32")
#: Signs of the terms of the sums that are tried: all plus, and with a leading minus.
_SIGNS = (1.0, -1.0, 1.0), (-1.0, 1.0, -1.0)


def cases(width: int) -> Iterator[Line]:
    """Lines of every operation on values of `width` units, with different combinations of broadcast operands.

    >>> [line.operands for line in cases(2) if line.op == "div"]
    [('a', 'b'), ('n', 'b'), ('a', 'n'), ('v', 'b'), ('a', 'v'), (0.5, 'b'), ('a', 0.5)]
    """
    for op in OPS.values():
        for constants in _constants(op, width):
            for operands in _operands(op, width):
                yield Line("", op.name, operands, constants)


def _constants(op: Op, width: int) -> Sequence[tuple[float, ...]]:
    if op.name == "add":
        return _SIGNS
    if op.width == "slice":
        return [(width // 3, width), (0, 1)]
    return [tuple(float(k) if c is None else c for k, (_, c) in enumerate(op.constants))]


def _operands(op: Op, width: int) -> Iterator[tuple[Operand, ...]]:
    wide: tuple[Operand, ...] = WIDE[: len(WIDE) if op.arity is None else op.arity]
    yield MATRICES.get(op.name, wide)
    if len(wide) > 1 and op.name not in MATRICES:
        others = (ONE, VECTOR, NUMBER) if width > 1 else (NUMBER,)
        for other in others[:-1] if op.width == "outer" else others:  # that of a number is refused
            yield from ((*wide[:at], other, *wide[at + 1 :]) for at in range(len(wide)))


def wrong_values(
    line: Line, operands: Sequence[Array], found: Array, expected: Array, ulps: bool, signs: bool
) -> Array:
    """Where a value differs from its definition; NaN equals NaN.

    ulps: whether a named function may deviate by the ulp in the operation table: numpy before 2 gives other last digits
    for strided arrays. Sums and products may deviate by their rounding bound. signs: whether zeros of different sign
    are
    distinguished: on some processors the larger of two zeros has either sign.
    """
    same = (found == expected) & ((np.signbit(found) == np.signbit(expected)) | (not signs))
    same |= np.isnan(found) & np.isnan(expected)
    ulp = OPS[line.op].ulp
    if same.all() or ulp == 0 or not (ulps or ulp is None):
        return ~same
    with np.errstate(all="ignore"):
        return ~same & ~(np.abs(found - expected) <= bound(line, operands, expected))


class Fault(NamedTuple):
    """A value that differs from its operation's definition. plan: its plan; where: the sizes; at: the value's index."""

    plan: str
    line: Line
    dtype: str
    where: str
    at: tuple[int, ...]
    found: float
    expected: float

    def __str__(self) -> str:
        operands = ", ".join(map(str, self.line.operands))
        return (
            f"plan {self.plan}, {self.dtype}, {self.where}: {self.line.op} of {operands} "
            f"is {self.found!r} at {list(self.at)}; by its definition {self.expected!r}"
        )


def first_wrong(plan: str, line: Line, where: str, wrong: Array, found: Array, expected: Array) -> Iterator[Fault]:
    """The first wrong value, if there is one."""
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        yield Fault(plan, line, str(found.dtype), where, at, float(found[at]), float(expected[at]))


WIDTHS, COLUMNS = range(1, 17), range(1, 71)
#: Number of steps: more than a loop computes at once (two vectors of 16, or 8 numbers one by one), plus a remainder.
STEPS = 37
#: Numbers at which a function changes its behaviour, with zeros of both signs.
_SPECIAL = (0.0, -0.0, 1.0, -1.0, 30.0, -30.0, 800.0, -800.0, np.inf, -np.inf, np.nan, 1e-310)
#: Contents of memory that has not been written.
_UNTOUCHED = 7.5
#: Locations of operands and result, in turn: each in its own memory (strided, or contiguous), or all in one.
PLACES = (("strided", "strided"), ("strided", "whole"), ("whole", "strided"), ("shared", "shared"))


def check_kernels(
    widths: Sequence[int] = WIDTHS, columns: Sequence[int] = COLUMNS, ulps: bool = True, signs: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Fault]:  # fmt: skip
    """Faults of kernels and array functions, the first value of each call that is wrong.

    widths: units of a value. columns: of the memory; a value lies in those that hold it. ulps, signs: see
    `wrong_values`.
    progress: called with the number of finished sizes, and the total.
    """
    sizes = [(dtype, width) for dtype in DTYPES for width in widths]
    for done, (dtype, width) in enumerate(sizes, 1):
        values = _values(width, dtype)
        with np.errstate(all="ignore"):
            tried = [_LineCase(line, values) for line in cases(width)]
            for count in (count for count in columns if count >= width):
                fit = [case for case in tried if case.columns <= count]
                yield from _at_stride(fit, values, count, ulps=ulps, signs=signs)
        if progress is not None:
            progress(done, len(sizes))


class _LineCase:
    """A line with its result for contiguous operands."""

    def __init__(self, line: Line, values: dict[str, Array]) -> None:
        self.line, dtype = line, values[ONE].dtype
        self.operands = [values[o] if isinstance(o, str) else np.array(o, dtype) for o in line.operands]
        self.moving = [o for o in line.operands if o in MOVING]
        self.expected = np.array(OPS[line.op].array(self.operands, line.constants))
        self.columns = max(self.expected.shape[1], *(values[o].shape[1] for o in self.moving))
        self.bits = _bits(self.expected)
        # broadcast operands are used as usual, or not at all
        self.places = PLACES if all(o in WIDE for o in self.moving) else PLACES[:1]


def _values(width: int, dtype: str) -> dict[str, Array]:
    """Operands by name: (steps, ·), (width,) and two matrices."""
    rng = np.random.default_rng(width)
    found = {name: rng.normal(0, 2, (STEPS, width)).astype(dtype) for name in WIDE}
    for k, name in enumerate(WIDE):
        found[name][rng.permutation(STEPS)[: len(_SPECIAL)], k % width] = np.array(_SPECIAL).astype(dtype)
    found[ONE] = found[WIDE[0]][:, :1].copy()
    shapes = {SHORT: (STEPS, MATRIX_ROWS), GRID: (STEPS, MATRIX_ROWS * width), **_fixed(width)}
    return found | {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def _fixed(width: int) -> dict[str, tuple[int, ...]]:
    """The shapes of operands that are the same at each step."""
    matrix, other = MATRICES["matvec"][0], MATRICES["vecmat"][1]
    return {VECTOR: (width,), matrix: (MATRIX_ROWS, width), other: (width, MATRIX_ROWS)}


def _at_stride(tried: Sequence[_LineCase], values: dict[str, Array], columns: int, **exact: bool) -> Iterator[Fault]:
    dtype, wide = values[ONE].dtype, values[WIDE[0]].shape[1]

    def memory() -> Array:
        return np.full((STEPS, columns), _UNTOUCHED, dtype)

    fit = {name: width for name in MOVING if (width := values[name].shape[1]) <= columns}
    apart = {name: memory()[:, :width] for name, width in fit.items()}
    shared, result, untouched = memory(), memory(), memory()
    room = columns // wide - 1  # number of operands that fit into the shared memory next to a result
    beside = {name: shared[:, k * wide : (k + 1) * wide] for k, name in enumerate(WIDE[:room])}
    for name, array in (*apart.items(), *beside.items()):
        array[...] = values[name]
    where = f"width {wide} of {columns} columns"
    for case in tried:
        line, width = case.line, case.expected.shape[1]
        for read, written in case.places:
            known = {"strided": apart, "whole": values, "shared": beside}[read]
            if read == "shared" and (width > wide or not all(name in known for name in case.moving)):
                continue
            whole = {"strided": result, "whole": np.empty((STEPS, width), dtype), "shared": shared}[written]
            found = whole[:, whole.shape[1] - width :]
            found.fill(_UNTOUCHED)
            pairs = zip(line.operands, case.operands, strict=True)
            operands = [known.get(o, values[o]) if isinstance(o, str) else given for o, given in pairs]
            bench = Outside(dtype)  # like a call before or after the loop: many steps at once
            bench.started(found.shape)
            for function, arguments in KERNELS[line.op](bench, found, operands, line.constants):
                function(*arguments)
            computed = [("planned", found)]
            if read == written == "strided":
                computed.append(("lines", np.asarray(OPS[line.op].array(operands, line.constants))))
            for plan, value in computed:
                if not (_bits(value) == case.bits).all():
                    wrong = wrong_values(line, case.operands, value, case.expected, **exact)
                    yield from first_wrong(plan, line, where, wrong, value, case.expected)
            if written == "strided":
                found.fill(_UNTOUCHED)
                yield from first_wrong("planned", line, f"next to {where}", result != _UNTOUCHED, result, untouched)
                result.fill(_UNTOUCHED)


def _bits(array: Array) -> Array:
    return array.view(f"i{array.itemsize}")


PLANS: tuple[Choice, ...] = ("lines", "planned", "compiled")
_STEPS = 6
#: The source of the operands: inputs, or a state that the next step uses.
_OF_ALL = "\nn = a[0:1]\np = M @ b\ng = outer(p, c)"
_OF_INPUTS = f"a = x_t\nb = x_t * v\nc = a - b{_OF_ALL}"
_OF_STATE = f"a = x_t + s_prev\nb = s_prev - x_t\nc = a * v{_OF_ALL}\ns = tanh(a + U @ s_prev)"
AREAS = ("before", "loop", "after")


class Size(NamedTuple):
    """Units, batch size, and where the operations are computed."""

    width: int
    batch: int
    dtype: str
    area: str

    def __str__(self) -> str:
        rows = "1 row" if self.batch == 1 else f"{self.batch} rows"
        return f"width {self.width}, {rows}, {self.area} the loop".replace("loop the", "in the")


def sizes(widths: Sequence[int] = WIDTHS) -> list[Size]:
    """Batches of one and three for each width and dtype; where they are computed alternates."""
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
    q2 = outer(a, b)
    ...
    carry: s_prev <- s
    output: q0
    """
    values = [f"q{k} = {expression(line)}" for k, line in enumerate(cases(width))]
    rows, carried = [_OF_INPUTS if area == "before" else _OF_STATE, *values], "carry: s_prev <- s"
    if area == "loop":  # the next step uses them all
        parts = (f"sum(q{k})" if line.op == "outer" else f"q{k}" for k, line in enumerate(cases(width)))
        rows.append(f"z = concat({', '.join(parts)})\nr = z_prev")
        carried += ", z_prev <- z"
    return "\n".join([*rows, *([carried] if area != "before" else []), "output: q0"])


def traced(size: Size, plan: Choice) -> Trace:
    """A run of such a cell."""
    width, batch, dtype, area = size
    rng = np.random.default_rng(width)
    shapes = {**_fixed(width), **({"U": (width, width)} if area != "before" else {})}
    weights = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    x = rng.normal(0, 2, (_STEPS, batch, width)).astype(dtype)
    x[0, 0, 0], x[1, 0, 0], x[2, 0, 0] = 0.0, -0.0, 0.5
    return build(weights, {"equations": equations(width, area)}, dtype=dtype).run(x, plan=plan)


def check_plans(
    plans: Sequence[Choice] = PLANS, chosen: Sequence[Size] | None = None, signs: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Fault]:  # fmt: skip
    """The first value of each line that differs from its operation on the recorded operands.

    chosen: the sizes; all if None. signs: see `wrong_values`. progress: called with the number of finished runs, and
    the total.
    """
    chosen = sizes() if chosen is None else chosen
    for done, (plan, size) in enumerate(product(plans, chosen), 1):
        yield from wrong_lines(traced(size, plan), plan, str(size), signs)
        if progress is not None:
            progress(done, len(plans) * len(chosen))


def wrong_lines(trace: Trace, plan: str, where: str, signs: bool) -> Iterator[Fault]:
    """The first value of each line of a trace that differs from its operation on the recorded operands."""
    for stage in trace.stages:
        for line in stage.lines:
            found = trace.lines[stage.scope][line.name]
            recorded = (trace.operand(stage.scope, o) for o in line.operands)  # all recorded: the whole run is
            operands = [operand for operand in recorded if operand is not None]
            with np.errstate(all="ignore"):
                expected = np.asarray(OPS[line.op].array(operands, line.constants), found.dtype)
            expected = np.broadcast_to(expected, found.shape)
            wrong = wrong_values(line, operands, found, expected, ulps=True, signs=signs)
            yield from first_wrong(plan, line, where, wrong, found, expected)


#: One in this many sizes is compiled: each takes a tenth of a second or more if it is not in the cache.
_COMPILED = 3
#: Maximum number of faulty operations shown per plan.
_SHOWN = 3


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Finding):
    """machine: the software and hardware, by name. checks: the finding for each plan. faults: some for each plan.
    right:
    the plans that agree with the operations."""

    machine: tuple[tuple[str, str], ...]
    checks: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]
    right: tuple[str, ...]

    def title(self, words: Words) -> str:
        """What was examined."""
        return words.word("doctor.title")

    def sentences(self, words: Words) -> Iterator[str]:
        """The verdict; of wrong values the operation, the place and what to do."""
        if not self.faults:
            yield words.word("doctor.right")
            return
        yield from map(str, self.faults)
        yield words.word("doctor.wrong")
        if self.right:
            yield words.word("doctor.instead", plan=self.right[0])

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """The machine, and the finding for each plan."""
        checks = [(plan, plan in self.right, result) for plan, result in self.checks]
        return (
            LongTable(("name", "value"), self.machine, words.word("doctor.machine")),
            LongTable(("plan", "agrees", "result"), checks, words.word("doctor.plans"), shown=("plan", "result")),
        )

    def terminal(self, words: Words, columns: int, colours: bool) -> str:
        """Both tables as lines that can be searched, then the verdict."""
        parts = ["".join(f"{name:13}  {text}\n" for name, text in rows) for rows in (self.machine, self.checks)]
        return "\n".join([*parts, "".join(f"{one}\n" for one in self.sentences(words))])


def examine(
    widths: Sequence[int] = WIDTHS, columns: Sequence[int] = COLUMNS, progress: Callable[[int, int], None] | None = None
) -> Diagnosis:
    """Inspect the machine, and compare every plan with the operations.

    Args:
        widths: widths of the values, in units.
        columns: numbers of columns of the memory that contains them.
        progress: called with the number of finished runs, and the total.
    """
    chosen = {plan: sizes(widths)[:: _COMPILED if plan == "compiled" else 1] for plan in PLANS}
    if not installed():
        del chosen["compiled"]
    parts = [len(DTYPES) * len(widths), *map(len, chosen.values())]

    def told(before: int, done: int, _: int) -> None:
        if progress is not None:
            progress(before + done, sum(parts))

    strided = list(check_kernels(widths, columns, progress=partial(told, 0)))
    checks: list[tuple[str, str]] = []
    right: list[str] = []
    faults: list[Fault] = []
    for (plan, here), before in zip(chosen.items(), accumulate(parts), strict=False):
        found = [fault for fault in strided if fault.plan == plan]
        found += check_plans([plan], here, progress=partial(told, before))
        tried = f"every operation, {counted(len(here), 'cell')} of {min(widths)} to {max(widths)} units"
        if plan != "compiled":
            tried += f", memory of {min(columns)} to {max(columns)} columns"
        verdict = f"WRONG in {counted(len(found), 'call')}" if found else "agrees"
        checks.append((plan, f"{verdict}: {tried}"))
        faults += list({fault.line.op: fault for fault in reversed(found)}.values())[-_SHOWN:]
        right += [] if found else [plan]
    return Diagnosis(tuple(_machine()), tuple(checks), tuple(faults), tuple(right))


def _machine() -> Iterator[tuple[str, str]]:
    found = np.show_config("dicts")["SIMD Extensions"].get("found", [])
    libraries = [f"{b.internal_api} {b.version or ''}, {counted(b.num_threads, 'thread')}"
                 for b in blas().lib_controllers]  # fmt: skip
    names: list[str] = []
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or "unknown"
    yield "lstm-trace", __version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()}, {sys.platform})"
    yield "numpy", f"{np.__version__}, with {', '.join(found) or 'no instructions beyond the least'}"
    yield "CPU", f"{processor}, {platform.machine()}, {counted(os.cpu_count() or 1, 'core')}"
    yield "BLAS", "; ".join(libraries) or "none that threadpoolctl knows"
    there = (
        f"llvmlite {version('llvmlite')}, for {host().cpu} with vectors of {host().vector} bytes" if installed() else ""
    )
    yield "compiled plan", there or "not available: llvmlite is not installed"
    yield "its cache", _cache()


def _cache() -> str:
    """The cache folder of machine code, and its contents."""
    if os.environ.get(VARIABLE) == "":
        return f"turned off by {VARIABLE}"
    place = cache_directory()
    if place is None:
        return "none: there is no folder that is yours alone, so every process compiles anew"
    entries = [path.stat().st_size for path in Path(place).glob("*.o")]
    return f"{place}: {counted(len(entries), 'file')}, {sum(entries) / 1e6:.1f} MB"
