"""Sizes of a cell's values, inferred from its equations and the arrays that are given.

Sizes that the equations force to be equal form a class (union-find). Each given array is evidence for its classes;
the majority wins, so that one wrong array among many is named rather than the right ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .errors import ShapeError, raise_all
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

    parameters: shape of each parameter that the lines need. widths: inputs and states whose width is known, with the
    words that say from where. bound: sizes known elsewhere ('T=50 B=1'), for messages; advice: a last sentence.
    Raises ShapeError with one message for each array that does not fit.
    """
    names = set(computed)
    lines = [line for line in cell.lines if line.name in names]
    classes, narrow, matrices = _unify(cell, lines, parameters, {n: w for n, (w, _) in widths.items()})
    evidence: dict[Key, list[tuple[int, str]]] = {}
    for name, (width, source) in widths.items():
        evidence.setdefault(classes.find((name, 0)), []).append((width, source))
    problems = []
    for name, shape in parameters.items():
        rank = 2 if name in matrices else 1
        if len(shape) != rank:
            line = cell.parameters[name][0]
            kind = "a matrix (rows, columns)" if rank == 2 else "a vector"
            problems.append(f"{name} has shape {shape}; line `{line.name}` needs {kind}")
        elif name not in narrow:
            for axis, size in enumerate(shape):
                evidence.setdefault(classes.find((name, axis)), []).append((size, f"from {name}"))
    raise_all(ShapeError, problems)
    sizes = {key: Counter(size for size, _ in found).most_common(1)[0][0] for key, found in evidence.items()}
    _concats(lines, classes, narrow, sizes)

    def size(name: str, axis: int = 0) -> int:
        return 1 if name in narrow else sizes.get(classes.find((name, axis)), 1)

    shapes = {n: tuple(size(n, axis) for axis in range(len(s))) for n, s in parameters.items()}
    symbols = _symbols(cell, classes)
    known = _known(bound, symbols, sizes, evidence)
    for name, shape in parameters.items():
        if shapes[name] != shape:
            symbolic = [symbols.get(classes.find((name, axis)), str(n)) for axis, n in enumerate(shapes[name])]
            problems.append(_misfit(name, shape, shapes[name], symbolic, cell.parameters[name][0], known, advice))
    for name, (width, source) in widths.items():
        if size(name) != width:
            reader = next((line.name for line in lines if name in line.reads), name)
            symbol = symbols.get(classes.find((name, 0)), "width")
            problems.append(
                f"{name} has width {width} ({source}); line `{reader}` needs {symbol} = {size(name)}. {known}{advice}"
            )
    raise_all(ShapeError, problems)
    return Sizes({**{line.name: size(line.name) for line in lines}, **{s: size(s) for s in cell.states}}, shapes)


def _unify(
    cell: Cell, lines: list[Line], parameters: Mapping[str, tuple[int, ...]], widths: Mapping[str, int]
) -> tuple[_Classes, set[str], set[str]]:
    """Classes of equal sizes; names whose width is 1 and broadcasts; names that are matrices."""
    classes = _Classes()
    matrices = {str(line.operands[0]) for line in lines if line.op == "matvec"}
    narrow = {n for n, shape in parameters.items() if n not in matrices and shape == (1,)}
    narrow |= {n for n, width in widths.items() if width == 1}
    for line in lines:
        if line.op == "matvec":
            matrix, vector = line.reads
            classes.join((matrix, 1), (vector, 0))
            classes.join((line.name, 0), (matrix, 0))
            if vector in narrow and parameters.get(matrix, (0, 0))[1:] == (1,):
                classes.parent[(matrix, 1)] = (matrix, 1)
            if parameters.get(matrix, (0,))[0] == 1:
                narrow.add(line.name)
        elif line.op in ("max", "sum", "mean"):
            narrow.add(line.name)
        elif line.op != "concat":
            wide = [name for name in line.reads if name not in narrow]
            if line.op == "add" and any(cell.by_name[n].op == "matvec" for n in wide if n in cell.by_name):
                # products added to wider products do not broadcast: a matrix of one row there is a mistake
                products = [n for n in line.reads if n in cell.by_name and cell.by_name[n].op == "matvec"]
                narrow.difference_update(products)
                wide = [name for name in line.reads if name not in narrow]
            for name in wide:
                classes.join((line.name, 0), (name, 0))
            if not wide:
                narrow.add(line.name)
    for state, target in cell.carry:
        if state in narrow or target in narrow:
            continue
        classes.join((state, 0), (target, 0))
    return classes, narrow, matrices


def _concats(lines: list[Line], classes: _Classes, narrow: set[str], sizes: dict[Key, int]) -> None:
    """Give every concatenation the sum of its operands' widths."""
    for line in lines:
        if line.op == "concat":
            total = sum(1 if n in narrow else sizes.get(classes.find((n, 0)), 1) for n in line.reads)
            sizes[classes.find((line.name, 0))] = total


def _symbols(cell: Cell, classes: _Classes) -> dict[Key, str]:
    """The field's symbols for the classes that have one: I inputs, H units, P projected units."""
    symbols: dict[Key, str] = {}
    if "c_prev" in cell.states:
        symbols[classes.find(("c_prev", 0))] = "H"
    if "h_prev" in cell.states:
        symbols.setdefault(classes.find(("h_prev", 0)), "P" if "H" in symbols.values() else "H")
    symbols.setdefault(classes.find(("x_t", 0)), "I")
    return symbols


def _known(
    bound: str, symbols: dict[Key, str], sizes: dict[Key, int], evidence: dict[Key, list[tuple[int, str]]]
) -> str:
    """'Bound so far: T=50 B=1 I=16 (from x), H=64 (from b_i).'"""
    parts = [bound] if bound else []
    for key, symbol in sorted(symbols.items(), key=lambda item: item[1] != "I"):
        source = next((s for n, s in evidence.get(key, []) if n == sizes.get(key)), None)
        if source:
            parts.append(f"{symbol}={sizes[key]} ({source})")
    return f"Bound so far: {' '.join(parts)}. " if parts else ""


def _misfit(
    name: str,
    shape: tuple[int, ...],
    needed: tuple[int, ...],
    symbolic: list[str],
    line: Line,
    known: str,
    advice: str,
) -> str:
    numbers = str(needed)
    symbols = f"({', '.join(symbolic)}{',' if len(symbolic) == 1 else ''})"
    wants = f"{symbols} = {numbers}" if symbols != numbers else numbers
    message = f"{name} has shape {shape}; line `{line.name}` needs {wants}. "
    if shape == needed[::-1]:
        message += "It looks transposed. "
    return f"{message}{known}{advice}".rstrip()
