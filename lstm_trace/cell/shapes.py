"""Sizes of a cell's values, inferred from its equations and the arrays that are given.

Sizes that the equations force to be equal form a class (union-find). Each given array is evidence for its classes;
the majority wins, so that one wrong array among many is named rather than the right ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..base.arrays import Array
from ..errors import ShapeError, raise_all
from .lines import Cell, Line

Key = tuple[str, int]  # (name, axis); values and vectors have axis 0 only, a matrix 0 (rows) and 1 (columns)


@dataclass(frozen=True)
class Sizes:
    """What inference found: the width of every computed line and state, the shape that each parameter must have."""

    widths: dict[str, int]
    shapes: dict[str, tuple[int, ...]]


@dataclass
class _Classes:
    parent: dict[Key, Key] = field(default_factory=dict)

    def find(self, key: Key) -> Key:
        self.parent.setdefault(key, key)
        while self.parent[key] != key:
            self.parent[key] = key = self.parent[self.parent[key]]
        return key

    def join(self, a: Key, b: Key) -> None:
        self.parent[self.find(a)] = self.find(b)


def infer(
    cell: Cell,
    computed: Iterable[str],
    parameters: Mapping[str, tuple[int, ...]],
    widths: Mapping[str, tuple[int, str]],
    bound: str = "",
    advice: str = "",
) -> Sizes:
    """Infer the width of every line in `computed`.

    parameters: shapes of the parameters; one that is missing is no evidence. widths: inputs and states whose width is
    known, with the words that say from where. bound: sizes known elsewhere ('T=50 B=1'), for messages; advice: a last
    sentence. Lines that are not computed still say which sizes are equal, so that H is one size for an asked gate too.
    Raises ShapeError with one message for each array that does not fit.
    """
    names = set(computed)
    raise_all(ShapeError, _ranks(cell, parameters, names))
    kinds = _kinds(cell, parameters, {n: w for n, (w, _) in widths.items()}, names)
    classes = _unify(cell, kinds)
    evidence = _evidence(classes, kinds, parameters, widths)
    least = _read_by_slices(cell, classes)
    sizes = {key: _majority([size for size, _ in found], least.get(key, 0)) for key, found in evidence.items()}
    sizes |= {classes.find((name, 0)): 1 for name in cell.by_name if kinds[name] is True}  # no array says otherwise
    _concats(cell, classes, sizes)

    def size(name: str, axis: int = 0) -> int:
        return sizes.get(classes.find((name, axis)), 1)

    shapes = {name: tuple(size(name, axis) for axis in range(len(shape))) for name, shape in parameters.items()}
    wrong = {name: shape for name, shape in parameters.items() if shapes[name] != shape}
    odd = {name: (width, source) for name, (width, source) in widths.items() if size(name) != width}
    if wrong or odd:
        symbols = _symbols(cell, classes)
        known = _known(bound, symbols, sizes, evidence) + advice

        def symbol(name: str, axis: int = 0) -> str:
            return symbols.get(classes.find((name, axis)), str(size(name, axis)))

        problems = [
            _misfit(name, shape, shapes[name], [symbol(name, axis) for axis in range(len(shape))],
                    _reader(cell, name, names), known)
            for name, shape in wrong.items()
        ]  # fmt: skip
        for name, (width, source) in odd.items():
            what = source.removeprefix("from ") if source.startswith("from ") else name
            wants = f"{symbol(name)} = {size(name)}".removeprefix(f"{size(name)} = ")
            problems.append(f"{what} has width {width}; line `{_reader(cell, name, names)}` needs {wants}. {known}")
        raise_all(ShapeError, (problem.rstrip() for problem in problems))
    found = {line: size(line) for line in cell.by_name if line in names} | {state: size(state) for state in cell.states}
    raise_all(ShapeError, _contradictions(cell, names, found, shapes, widths))
    return Sizes(found, shapes)


def _reader(cell: Cell, name: str, computed: set[str]) -> str:
    """The line that a message on `name` points to: the first computed one that reads it."""
    readers = [line.name for line in cell.readers.get(name, ())]
    return next((line for line in readers if line in computed), readers[0] if readers else name)


def _ranks(cell: Cell, parameters: Mapping[str, tuple[int, ...]], computed: set[str]) -> Iterator[str]:
    matrices = {line.product[0] for line in cell.lines if line.product}
    for name, shape in parameters.items():
        if len(shape) != (2 if name in matrices else 1):
            kind = "a matrix (rows, columns)" if name in matrices else "a vector"
            yield f"{name} has shape {shape}; line `{_reader(cell, name, computed)}` needs {kind}"


def _kinds(
    cell: Cell, parameters: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], computed: set[str]
) -> dict[str, bool | None]:
    """For each name whether it broadcasts (True: its width is 1, False: it is wider, None: that is not known).

    Wide operands of one line have one width, and the line has it too; a name of width 1 ties nothing. A state
    broadcasts where its line does though the state is taken to: so that H = 1 is no special case.
    """
    narrow = {
        state for state, line in cell.carry if widths.get(state) == 1 or (state not in widths and line in computed)
    }
    wide = {state for state in cell.states if widths.get(state, 1) > 1}
    while True:
        states = {s: False if s in wide else True if s in narrow else None for s in cell.states}
        found = _pass(cell, parameters, widths, states)
        more = {state for state, line in cell.carry if found[line] is False} - wide
        if not more:
            return found
        wide |= more


def _pass(
    cell: Cell,
    parameters: Mapping[str, tuple[int, ...]],
    widths: Mapping[str, int],
    states: Mapping[str, bool | None],
) -> dict[str, bool | None]:
    kinds: dict[str, bool | None] = {n: parameters[n] == (1,) if n in parameters else None for n in cell.parameters}
    kinds |= {n: widths[n] == 1 if n in widths else None for n in cell.inputs} | dict(states)
    for line in cell.lines:
        reads = [kinds.get(name) for name in line.reads]
        if line.product:
            size = parameters.get(line.product[0], (0, 0))[line.op == "vecmat"]
            kinds[line.name] = size == 1 if size else None
        elif line.op == "slice":
            kinds[line.name] = line.constants[1] - line.constants[0] == 1
        elif line.op in _REDUCTIONS:
            kinds[line.name] = True
        elif line.op == "concat":
            kinds[line.name] = False if len(line.operands) > 1 or False in reads else reads[0] if reads else True
        else:
            if line.op == "add" and any(kinds[p] is False for p in _products(cell, line)):
                # products added to wider products do not broadcast: a matrix of one row there is a mistake
                kinds |= dict.fromkeys(_products(cell, line), False)
                reads = [kinds.get(name) for name in line.reads]
            kinds[line.name] = False if False in reads else None if None in reads else True
    return kinds


_REDUCTIONS = ("max", "sum", "mean")


def _products(cell: Cell, line: Line) -> list[str]:
    return [name for name in line.reads if name in cell.by_name and cell.by_name[name].product]


def _unify(cell: Cell, kinds: Mapping[str, bool | None]) -> _Classes:
    """Classes of sizes that the equations force to be equal."""
    classes = _Classes()
    for line in cell.lines:
        if line.product:
            matrix, vector = line.product
            own = int(line.op == "vecmat")  # the axis of the matrix that the result has
            classes.join((matrix, 1 - own), (vector, 0))
            classes.join((line.name, 0), (matrix, own))
        elif line.op not in (*_REDUCTIONS, "concat", "slice"):
            for name in line.reads:
                if kinds.get(name) is False or kinds[line.name] is True:
                    classes.join((line.name, 0), (name, 0))
    for state, target in cell.carry:
        if kinds[state] == kinds[target]:
            classes.join((state, 0), (target, 0))
    return classes


def _evidence(
    classes: _Classes,
    kinds: Mapping[str, bool | None],
    parameters: Mapping[str, tuple[int, ...]],
    widths: Mapping[str, tuple[int, str]],
) -> dict[Key, list[tuple[int, str]]]:
    """Sizes that the arrays give to each class: the input's first, the states' last, where votes are equal."""
    found: list[tuple[Key, int, str]] = []
    early = [name for name, (_, source) in widths.items() if source == "from x" or "/" in source]
    found += [((name, 0), *widths[name]) for name in early]
    found += [((n, axis), size, f"from {n}") for n, shape in parameters.items() for axis, size in enumerate(shape)]
    found += [((name, 0), *widths[name]) for name in widths if name not in early]
    found += [((name, 0), 1, f"`{name}` is one number") for name, kind in kinds.items() if kind is True]
    evidence: dict[Key, list[tuple[int, str]]] = {}
    for key, size, source in found:
        evidence.setdefault(classes.find(key), []).append((size, source))
    return evidence


def _read_by_slices(cell: Cell, classes: _Classes) -> dict[Key, int]:
    """How many units a vector must have so that all its slices are parts of it."""
    least: dict[Key, int] = {}
    for line in cell.lines:
        if line.op == "slice":
            key = classes.find((str(line.operands[0]), 0))
            least[key] = max(least.get(key, 0), int(line.constants[1]))
    return least


def _majority(sizes: list[int], least: int) -> int:
    """The size that most arrays give, among those that are large enough where there are such."""
    return Counter([size for size in sizes if size >= least] or sizes).most_common(1)[0][0]


def _concats(cell: Cell, classes: _Classes, sizes: dict[Key, int]) -> None:
    """Give every slice its width, and every concatenation the sum of its operands' widths."""
    for line in cell.lines:
        if line.op == "slice":
            sizes[classes.find((line.name, 0))] = int(line.constants[1] - line.constants[0])
        if line.op == "concat":
            parts = [sizes.get(classes.find((o, 0)), 0) if isinstance(o, str) else 1 for o in line.operands]
            if all(parts):
                sizes[classes.find((line.name, 0))] = sum(parts)


def beyond_the_end(line: Line, width: int) -> str:
    """What is wrong with a slice of a vector of `width` units; nothing where it has them all."""
    begin, end = map(int, line.constants)
    if end <= width:
        return ""
    units = "unit [0] only" if width == 1 else f"units [0] to [{width - 1}]"
    many = f"units {begin} to {end - 1}" if end - begin > 1 else f"unit {begin}"
    return (
        f"line `{line.name}` reads {many} of {line.operands[0]}, which has width {width}: {units}; write a part within "
        f"[0:{width}], or make {line.operands[0]} wider"
    )


def _contradictions(
    cell: Cell,
    computed: set[str],
    found: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    widths: Mapping[str, tuple[int, str]],
) -> Iterator[str]:
    """Lines whose operands do not fit each other, found by going through them: what classes cannot say."""
    wide = {name: shape[0] for name, shape in shapes.items()}
    wide |= {name: width for name, (width, _) in widths.items()} | {state: found[state] for state in cell.states}
    for line in cell.lines:
        if line.name not in computed:
            continue
        reads = [wide[o] if isinstance(o, str) else 1 for o in line.operands if not isinstance(o, str) or o in wide]
        if len(reads) == len(line.operands):  # else an operand is missing, which is reported elsewhere
            if line.product:
                rows, columns = shapes[line.product[0]]
                width, inner = (rows, columns) if line.op == "matvec" else (columns, rows)
                fits = inner == wide[line.product[1]]
            elif line.op == "slice":
                wide[line.name] = int(line.constants[1] - line.constants[0])
                if fault := beyond_the_end(line, reads[0]):
                    yield fault
                continue
            elif line.op in _REDUCTIONS:
                width, fits = 1, True
            elif line.op == "concat":
                width, fits = sum(reads), True
            else:
                width, fits = max(reads), set(reads) <= {1, max(reads)}
            if not fits or width != found[line.name]:
                parts = ", ".join(f"{name}: {wide[name]}" for name in dict.fromkeys(line.reads))
                yield f"line `{line.name}`: the widths of its operands do not fit ({parts})"
        wide[line.name] = found[line.name]
    for state, target in cell.carry:
        if target in computed and found[target] != found[state]:
            yield (
                f"line `{target}` has width {found[target]}, and is carried as {state}, which has width {found[state]}"
            )


def _symbols(cell: Cell, classes: _Classes) -> dict[Key, str]:
    """The field's symbols for the classes that have one: I inputs, H units, P projected units."""
    wide = _unify(cell, dict.fromkeys((*cell.by_name, *cell.states, *cell.inputs, *cell.parameters), False))
    projected = "c_prev" in cell.states and wide.find(("c_prev", 0)) != wide.find(("h_prev", 0))
    symbols: dict[Key, str] = {}
    if "c_prev" in cell.states:
        symbols[classes.find(("c_prev", 0))] = "H"
    if "h_prev" in cell.states:
        symbols.setdefault(classes.find(("h_prev", 0)), "P" if projected else "H")
    symbols.setdefault(classes.find(("x_t", 0)), "I")
    return symbols


def _known(
    bound: str, symbols: dict[Key, str], sizes: dict[Key, int], evidence: dict[Key, list[tuple[int, str]]]
) -> str:
    """'Known sizes: T=50 B=1, I=16 (from x), H=64 (from b_i). '"""
    parts = {"": bound} if bound else {}
    for key, symbol in sorted(symbols.items(), key=lambda item: item[1] != "I"):
        source = next((s for n, s in evidence.get(key, []) if n == sizes.get(key)), None)
        if source:
            parts.setdefault(symbol, f"{symbol}={sizes[key]} ({source})")
    return f"Known sizes: {', '.join(parts.values())}. " if parts else ""


def _misfit(
    name: str, shape: tuple[int, ...], needed: tuple[int, ...], symbolic: list[str], line: str, known: str
) -> str:
    numbers = str(needed)
    symbols = f"({', '.join(symbolic)}{',' if len(symbolic) == 1 else ''})"
    wants = f"{symbols} = {numbers}" if symbols != numbers else numbers
    turned = "It looks transposed. " if shape == needed[::-1] else ""
    return f"{name} has shape {shape}; line `{line}` needs {wants}. {turned}{known}"


def input_width(cell: Cell, weights: Mapping[str, Mapping[str, Array]]) -> int | None:
    """I, where a matrix that multiplies x_t says so; None otherwise. weights: arrays by scope and name."""
    for line in cell.lines:
        if line.product and line.product[1] == "x_t":
            matrix = line.product[0]
            first = next((here for here in weights.values() if matrix in here), {})
            shape: tuple[int, ...] = np.shape(first.get(matrix, 0.0))
            if len(shape) == 2:
                return shape[line.op == "matvec"]
    return None
