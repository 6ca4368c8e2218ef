"""The sizes of a cell's values, inferred from its equations and the given arrays.

Sizes that must be equal form a class (union-find). Each given array is evidence for its classes; the majority wins, so
that one wrong array among many is reported rather than the correct ones.
A matrix that the cell computes has three sizes: rows, columns, and the width of the row of numbers in which it is
stored. Any two imply the third.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..base.arrays import by_key
from ..errors import ShapeError, counted, raise_all
from . import shape_hints
from .lines import Cell, Line, pointed
from .ops import OPS

Width = int | None  # None: not known
WIDEST = 2**53 - 1  # every JSON reader holds integers up to this exactly
WeightShapes = Mapping[str, tuple[int, ...]]
#: By name, whether a value broadcasts: True if its width is 1, False if it is larger, None if it is unknown. A matrix
#: never does; whether it has one row, or one column, is kept by its name and axis.
Broadcasts = dict[str | tuple[str, int], bool | None]
#: Known widths, with their source in words ('from x').
KnownSizes = Mapping[str, tuple[int, str]]
#: From a line, the widths of its operands and the shape of its matrix to its own width, and whether these fit.
Rule = Callable[[Line, Sequence[Width], Sequence[Width]], tuple[Width, bool]]


def fitted(line: Line, reads: Sequence[Width], shapes: Mapping[str, Sequence[int]]) -> tuple[Width, bool]:
    """The width of a line, and whether its operands fit each other; unknown sizes fit.

    Args:
        line: the line.
        reads: the width of each operand, 1 for a number, arbitrary for a matrix.
        shapes: of the known matrices.
    Raises ShapeError if the line is wider than anything can be.

    >>> fitted(Line("z_t", "matvec", ("W", "x_t")), [None, 3], {"W": (4, 2)})
    (4, False)
    """
    matrix = shapes.get(line.product[0]) if line.product else None
    width, fits = RULES[OPS[line.op].width](line, reads, matrix or (None, None))
    if width is not None and width > WIDEST:
        raise ShapeError(f"line `{line.name}` would have more than {WIDEST:,} units; concatenate or multiply less")
    return width, fits


def _agree(one: Width, two: Width) -> bool:
    return None in (one, two) or one == two


def _same(_: Line, reads: Sequence[Width], __: Sequence[Width]) -> tuple[Width, bool]:
    known = [width for width in reads if width is not None]
    most = max(known, default=1)
    return most if len(known) == len(reads) or most > 1 else None, set(known) <= {1, most}


def _divided(matrix: Width, vector: Width) -> tuple[Width, bool]:
    """The rows of a matrix with a number of columns, or the reverse."""
    return (None, True) if matrix is None or vector is None else (matrix // vector, matrix % vector == 0)


RULES: dict[str, Rule] = {
    "matvec": lambda _, reads, matrix: (matrix[0], _agree(matrix[1], reads[1])),
    "vecmat": lambda _, reads, matrix: (matrix[1], _agree(matrix[0], reads[0])),
    "outer": lambda _, reads, __: (None if None in reads else math.prod(width or 0 for width in reads), True),
    "memvec": lambda _, reads, __: _divided(*reads),
    "vecmem": lambda _, reads, __: _divided(*reversed(reads)),
    "same": _same,
    "one": lambda _, __, ___: (1, True),
    "concat": lambda _, reads, __: (None if None in reads else sum(width or 0 for width in reads), True),
    "slice": lambda line, _, __: (int(line.constants[1] - line.constants[0]), True),
}


Key = tuple[str, int]  # (name, axis); values and vectors have axis 0 only, a matrix 0 (rows) and 1 (columns)
FLAT = -1  # the axis of the width of a matrix that is a value


@dataclass
class Classes:
    """Keys whose sizes are equal (union-find)."""

    parent: dict[Key, Key] = field(default_factory=dict)

    def find(self, key: Key) -> Key:
        """The key that represents its class."""
        self.parent.setdefault(key, key)
        while self.parent[key] != key:
            self.parent[key] = key = self.parent[self.parent[key]]
        return key

    def join(self, a: Key, b: Key) -> None:
        """Merge two classes."""
        self.parent[self.find(a)] = self.find(b)


def kinds_of(cell: Cell, parameters: WeightShapes, widths: Mapping[str, int], computed: set[str]) -> Broadcasts:
    """For each name, whether it broadcasts.

    Wide operands of one line have the same width, and so has the line; a name of width 1 implies nothing. A state
    broadcasts if its line does on the assumption that the state does: so H = 1 is not a special case. Of a matrix, a
    vector that it is multiplied by also counts, and what reads a product with it.
    """
    narrow: set[str | Key] = {s for s, x in cell.carry if widths.get(s) == 1 or (s not in widths and x in computed)}
    wide: set[str | Key] = {state for state in cell.states if state in cell.matrices or widths.get(state, 1) > 1}
    carry: list[tuple[str | Key, str | Key]] = [*cell.carry]
    for axis in (0, 1):
        carry += [((state, axis), (line, axis)) for state, line in cell.carry if state in cell.matrices]
        narrow |= {(state, axis) for state in cell.matrices if state in narrow}
    while True:
        states: Broadcasts = {s: False if s in wide else True if s in narrow else None for s, _ in carry}
        found = _pass(cell, parameters, widths, states)
        more = {state for state, line in carry if found.get(line) is False} - wide
        # rows of a matrix that is an input, for one, are unknown here
        open_states = {state for state, line in carry if cell.matrices and found.get(line) is None} & narrow
        if cell.matrices and not more and not open_states:
            # axes that are those of a wide vector or weight; the other assumptions must be consistent first
            classes, apart = unified(cell, found), cell.matrices.union(cell.parameters)
            sure = (name for name, kind in found.items() if kind is False and name not in apart)
            met = {classes.find(name if isinstance(name, tuple) else (name, 0)) for name in sure}
            more = {axis for axis in narrow - wide if isinstance(axis, tuple) and classes.find(axis) in met}
        if not more and not open_states:
            return found
        wide |= more
        narrow -= open_states


def _pass(cell: Cell, parameters: WeightShapes, widths: Mapping[str, int], states: Broadcasts) -> Broadcasts:
    kinds: Broadcasts = {n: parameters[n] == (1,) if n in parameters else None for n in cell.parameters}
    kinds |= {n: widths[n] == 1 if n in widths else None for n in cell.inputs}
    kinds |= states
    kinds |= dict.fromkeys(cell.declared, False)
    for name, shape in parameters.items():
        kinds |= {(name, axis): size == 1 for axis, size in enumerate(shape)}
    for line in cell.lines:
        reads = [kinds.get(name) for name in line.reads]
        if line.name in cell.certain:
            kinds[line.name] = False
            for axis in (0, 1):
                of = [kinds.get((name, axis)) for name in line.reads if name in cell.certain]
                kinds[line.name, axis] = reads[axis] if line.op == "outer" else _all(of)
        elif pair := line.product or line.memory:
            kinds[line.name] = kinds.get((pair[0], 1 - line.summed))
        elif line.op == "slice":
            kinds[line.name] = line.constants[1] - line.constants[0] == 1
        elif OPS[line.op].reduces:
            kinds[line.name] = True
        elif line.op == "concat":
            kinds[line.name] = len(line.operands) == 1 and _all(reads)
        else:
            products = [name for name in line.reads if name in cell.by_name and cell.by_name[name].product]
            if line.op == "add" and any(kinds[name] is False for name in products):
                # products added to wider products do not broadcast: a matrix of one row there is a mistake
                kinds |= dict.fromkeys(products, False)
                reads = [kinds.get(name) for name in line.reads]
            kinds[line.name] = _all(reads)
    return kinds


def _all(kinds: Sequence[bool | None]) -> bool | None:
    return False if False in kinds else None if None in kinds else True


def unified(cell: Cell, kinds: Broadcasts) -> Classes:
    """Classes of sizes that the equations force to be equal."""
    classes = Classes()

    def equal(one: str, two: str) -> None:
        """Join the sizes of two values, if both are matrices or both are vectors."""
        if (one in cell.matrices) == (two in cell.matrices):
            for axis in (0, 1, FLAT) if one in cell.matrices else (0,):
                classes.join((one, axis), (two, axis))

    for line in cell.lines:
        if pair := line.product or line.memory:
            matrix, vector = pair
            own = 1 - line.summed  # the axis of the matrix that the result has
            classes.join((matrix, 1 - own), (vector, 0))
            classes.join((line.name, 0), (matrix, own))
        elif line.op == "outer":
            for axis, name in enumerate(line.reads):
                classes.join((line.name, axis), (name, 0))
        elif OPS[line.op].keeps:
            for name in line.reads:
                if kinds.get(name) is False or kinds[line.name] is True:
                    equal(line.name, name)
    for state, target in cell.carry:
        if kinds[state] == kinds.get(target):
            equal(state, target)
    return classes


def reader(cell: Cell, name: str, computed: set[str]) -> str:
    """The line that a message about `name` points to: the first computed one that uses it."""
    readers = [line.name for line in cell.readers.get(name, ())]
    return next((line for line in readers if line in computed), readers[0] if readers else name)


def ranks(cell: Cell, parameters: Mapping[str, tuple[int, ...]], computed: set[str]) -> Iterator[str]:
    """Messages about matrices that are used as vectors, and vectors that are used as matrices."""
    matrices = {line.product[0] for line in cell.lines if line.product} | {*cell.declared}
    either = cell.matrices - matrices
    declare = "; if it is a matrix, declare `matrix: {}`" if cell.matrices else ""
    products: dict[int, list[tuple[str, str]]] = {}  # by equation: matrices that are multiplied without @
    for name, shape in parameters.items():
        if len(shape) == (2 if name in matrices else 1) or (len(shape) == 2 and name in either):
            continue
        line = reader(cell, name, computed)
        found = cell.by_name.get(line)
        if len(shape) == 2 and found and found.memory:
            other, made = found.memory[0], "outer({} @ a, b)" if found.op == "vecmem" else "outer(a, b @ {})"
            told = f"{name} has shape {shape}, and @ does not multiply it by the matrix {other}; multiply the vectors "
            yield pointed(f"{told}that {other} is made of: {made.format(name)}", cell.places, line, name)
            continue
        if len(shape) == 2 and found and found.op == "mul" and line in cell.places:
            products.setdefault(cell.places[line].number, []).append((name, line))
            continue
        advice = declare.format(name) if found and found.op not in ("outer", "slice", "concat") else ""
        kind = "a matrix (rows, columns)" if name in matrices else f"a vector{shape_hints.column(shape)}{advice}"
        yield pointed(f"{name} has shape {shape}; line `{line}` needs {kind}", cell.places, line, name)
    for group in products.values():
        others = [next((str(o) for o in cell.by_name[line].operands if o != name), name) for name, line in group]
        factors = [other if other.isidentifier() else f"({other})" for other in others]
        written = [f"`{name} @ {factor}`" for (name, _), factor in zip(group, factors, strict=True)]
        named = ", ".join(f"{name} has shape {parameters[name]}" for name, _ in group)
        told = f"{named}: * multiplies unit by unit; a matrix times a vector is written {', '.join(written)}"
        told += declare.format(group[0][0])
        yield pointed(told, cell.places, group[0][1], group[0][0])


def beside(cell: Cell, parameters: WeightShapes, widths: Mapping[str, int], computed: set[str]) -> Iterator[str]:
    """Messages about matrices that differ in rows or columns from another one in their line, or have a vector beside
    them.

    They are found with the sizes that the arrays imply one by one: by votes, one array would be blamed for the line.
    """
    if not cell.matrices:
        return
    shapes: dict[str, tuple[int, ...]] = {**parameters, **{name: (width,) for name, width in widths.items()}}
    for last in (False, True):  # states follow from lines
        for line in cell.lines:
            reads = [shapes.get(o, ()) if isinstance(o, str) else (1,) for o in line.operands]
            if pair := line.product or line.memory:
                (shape, vector), own = (shapes.get(name, ()) for name in pair), 1 - line.summed
                shapes[line.name] = shape[own : own + 1] if len(shape) == 2 else ()
                wrong = line.memory and len(shape) == 2 and vector not in ((), shape[1 - own : 2 - own])
                if last and wrong and line.name in computed:
                    fault = f"line `{line.name}`: {pair[0]} has {_grid(shape)}, and {pair[1]} has width {vector[0]}"
                    if vector[0] == shape[own]:
                        fault += f"; {' @ '.join(map(str, reversed(line.operands)))} would fit"
                    yield pointed(fault, cell.places, line.name, pair[1])
            elif line.op == "outer":
                shapes[line.name] = reads[0] + reads[1] if all(reads) else ()
            elif line.name in cell.certain:
                shapes[line.name] = next((shape for shape in reads if len(shape) == 2), ())
                if last and line.name in computed and (faults := [*_unlike(cell, line, shapes)]):
                    yield from faults
                    shapes[line.name] = ()
            else:
                width, _ = fitted(line, [math.prod(shape) if shape else None for shape in reads], {})
                shapes[line.name] = (width,) if width else ()
        shapes |= {state: shapes[line] for state, line in cell.carry if state not in widths and line in shapes}


def _unlike(cell: Cell, line: Line, shapes: WeightShapes) -> Iterator[str]:
    """What is wrong with the operands of a line whose value is a matrix."""
    first = next((name for name in line.reads if len(shapes.get(name, ())) == 2), "")
    grid = shapes.get(first, ())
    for name in line.reads:
        shape, fault = shapes.get(name, ()), ""
        flat = name in cell.matrices and name in cell.inputs and (not grid or shape == (math.prod(grid),))
        if len(shape) == 2 and shape != grid:
            fault = f"line `{line.name}`: {first} has {_grid(grid)}, {name} has {_grid(shape)}"
        elif name not in cell.certain and not flat and shape not in ((), (1,), grid):
            fault = f"line `{line.name}` has a vector beside a matrix: write outer({name}, ones(u)), where u has a "
            fault += f"unit for each column, or outer(ones(u), {name}), where it has one for each row"
        if fault:
            yield pointed(fault, cell.places, line.name, name)


def _grid(shape: Sequence[int]) -> str:
    return " and ".join(counted(size, word) for size, word in zip(shape, ("row", "column"), strict=True))


class _Sizes:
    """The size of each class: the one that most arrays imply, among those that are large enough if there are any."""

    def __init__(
        self, cell: Cell, shapes: WeightShapes, widths: KnownSizes, names: set[str], whole: Collection[str] = ()
    ) -> None:
        self.cell, self.given, self.widths, self.names = cell, shapes, widths, names
        # a weight of any size, other than 1, does not broadcast
        wide = {name: (2,) * len(shape) if name in whole else shape for name, shape in shapes.items()}
        kinds = kinds_of(cell, wide, {n: w for n, (w, _) in widths.items()}, names)
        self.classes = unified(cell, kinds)
        #: The axis of each value's width.
        self.flat = {name: FLAT for name in cell.matrices if kinds.get(name) is not True}
        # the input's first, the states' last, if votes are equal
        early = {name: said for name, said in widths.items() if said[1] == "from x" or "/" in said[1]}
        found = [(self.key(name), said) for name, said in early.items()]
        found += [(self.key(n, k), (size, f"from {n}")) for n, shape in shapes.items() for k, size in enumerate(shape)]
        found += [(self.key(name), said) for name, said in widths.items() if name not in early]
        one = [name for name, kind in kinds.items() if kind is True and isinstance(name, str)]
        self.evidence = by_key([*found, *((self.key(name), (1, f"`{name}` is one number")) for name in one)])
        least: dict[Key, int] = {}  # so that all its slices are parts of a vector
        for line in (line for line in cell.lines if line.op == "slice"):
            key = self.key(str(line.operands[0]))
            least[key] = max(least.get(key, 0), int(line.constants[1]))
        self.sizes: dict[Key, int] = {}
        for key, votes in self.evidence.items():
            enough = [size for size, _ in votes if size >= least.get(key, 0)]
            self.sizes[key] = Counter(enough or [size for size, _ in votes]).most_common(1)[0][0]
        self.sizes |= {self.key(n): 1 for n in cell.by_name if kinds[n] is True}  # no array contradicts this
        before = -1
        while len(self.sizes) > before:
            before = len(self.sizes)
            for line in cell.lines:
                unknown = self.flat and line.name not in self.flat and self.key(line.name) not in self.sizes
                if line.op in ("slice", "concat") or unknown:
                    reads = [self.sizes.get(self.key(o)) if isinstance(o, str) else 1 for o in line.operands]
                    width, fits = fitted(line, reads, shapes)
                    if width and fits:
                        self.sizes[self.key(line.name)] = width
            for name in self.flat:
                self._grid(name)
        for name in self.flat:  # where no array implies rows or columns, there is one
            self.sizes.setdefault(self.key(name), self.size(name, 0) * self.size(name, 1))

    def _grid(self, name: str) -> None:
        """Rows, columns and width of a matrix, as far as two of them imply the third."""
        keys = [self.key(name, axis) for axis in (0, 1, FLAT)]
        rows, columns, width = map(self.sizes.get, keys)
        if rows and columns:
            self.sizes[keys[2]] = rows * columns
        elif width and keys[0] == keys[1]:
            self.sizes[keys[0]] = math.isqrt(width)
        elif width and (one := rows or columns) and width % one == 0:
            self.sizes[keys[1 if rows else 0]] = width // one

    def key(self, name: str, axis: int | None = None) -> Key:
        """The class of a size; without an axis, that of the width."""
        return self.classes.find((name, self.flat.get(name, 0) if axis is None else axis))

    def size(self, name: str, axis: int | None = None) -> int:
        """The size; 1 if no array implies it."""
        return self.sizes.get(self.key(name, axis), 1)

    def symbols(self) -> dict[Key, str]:
        """The usual symbols for the classes that have one: I inputs, H units, P projected units."""
        cell = self.cell
        wide = unified(cell, dict.fromkeys((*cell.by_name, *cell.states, *cell.inputs, *cell.parameters), False))
        projected = "c_prev" in cell.states and wide.find(("c_prev", 0)) != wide.find(("h_prev", 0))
        symbols: dict[Key, str] = {}
        for name, symbol in (("c_prev", "H"), ("h_prev", "P" if projected else "H"), ("x_t", "I")):
            if name in cell.states or name == "x_t":
                symbols.setdefault(self.key(name), symbol)
        return symbols

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape that each parameter must have."""
        return {name: tuple(self.size(name, k) for k in range(len(shape))) for name, shape in self.given.items()}

    def misfits(self, bound: str = "", steps: int = 0) -> Iterator[str]:
        """Messages about arrays, inputs and states that do not have the size that their line needs. See `infer`."""
        wrong = {name: shape for name, shape in self.given.items() if shape != self.shapes[name]}
        odd = {name: said for name, said in self.widths.items() if said[0] != self.size(name)}
        if not wrong and not odd:
            return
        lines = {name: reader(self.cell, name, self.names) for name in (*wrong, *odd)}
        symbols, faults = self.symbols(), {}
        for name, shape in wrong.items():
            needed = self.shapes[name]
            symbolic = [symbols.get(self.key(name, axis), str(size)) for axis, size in enumerate(needed)]
            wants = f"({', '.join(symbolic)}{',' if len(symbolic) == 1 else ''})"
            wants = f"{wants} = {needed}" if wants != str(needed) else wants
            axes = range(len(shape))
            same = (n for n, other in self.given.items() if other == needed)
            others = [n for n in same if all(self.key(n, k) == self.key(name, k) for k in axes)]
            hint = shape_hints.misfit(shape, needed, others, self.evidence[self.key(name, axes[-1])])
            faults[name] = f"{name} has shape {shape}; line `{lines[name]}` needs {wants}.{hint}"
        for name, (width, source) in odd.items():
            what = source.removeprefix("from ") if source.startswith("from ") else name
            symbol = symbols.get(self.key(name))
            symbol = f"({self.size(name, 0)}, {self.size(name, 1)})" if name in self.flat else symbol
            wants = f"{symbol} = {self.size(name)}" if symbol else str(self.size(name))
            hint = shape_hints.of_steps(steps, width, self.size(name)) if source == "from x" else ""
            hint += shape_hints.too_many(width, self.size(name))
            hint += f" {what} is {name} at the first step." if what in ("h0", "c0") else ""
            faults[name] = f"{what} has width {width}; line `{lines[name]}` needs {wants}.{hint}"
        known = {"": bound} if bound else {}
        for key, symbol in sorted(symbols.items(), key=lambda item: item[1] != "I"):
            source = next((s for n, s in self.evidence.get(key, []) if n == self.sizes.get(key)), "")
            if source:
                known.setdefault(symbol, f"{symbol}={self.sizes[key]} ({source})")
        end = f" Known sizes: {', '.join(known.values())}." if known else ""
        for name, fault in faults.items():
            yield pointed(f"{fault}{end}", self.cell.places, lines[name], name)

    def contradictions(self) -> Iterator[str]:
        """Lines whose operands do not fit each other, found by walking through them: classes cannot detect this."""
        cell, names = self.cell, self.names
        wide = {n: math.prod(shape) if n in self.flat else shape[0] for n, shape in self.shapes.items()}
        wide |= {name: width for name, (width, _) in self.widths.items()}
        wide |= {state: self.size(state) for state in cell.states}
        for line in (line for line in cell.lines if line.name in names):
            reads = [wide[o] if isinstance(o, str) else 1 for o in line.operands if not isinstance(o, str) or o in wide]
            wide[line.name] = self.size(line.name)
            if len(reads) == len(line.operands):  # otherwise an operand is missing, which is reported elsewhere
                width, fits = fitted(line, reads, self.shapes)
                if line.op == "slice" and width:
                    wide[line.name] = width
                    if fault := shape_hints.beyond_the_end(line, reads[0]):
                        yield pointed(fault, cell.places, line.name)
                elif not fits or width != self.size(line.name):
                    parts = ", ".join(f"{name}: {wide[name]}" for name in dict.fromkeys(line.reads))
                    fault = f"line `{line.name}`: the widths of its operands do not fit ({parts})"
                    several = [name for name in line.reads if wide[name] != 1 and not line.product]
                    odd = next((name for name in several if wide[name] != wide[several[0]]), "")
                    yield pointed(fault, cell.places, line.name, odd)
        for state, target in cell.carry:
            here, there = self.size(target), self.size(state)
            if (target in names or target in self.widths) and here != there:  # computed, or supplied
                fault = f"line `{target}` has width {here}, and is carried as {state}, which has width {there}"
                yield pointed(fault, cell.places, state)


def infer(
    cell: Cell, computed: Iterable[str], parameters: WeightShapes, widths: KnownSizes, bound: str = "",
    steps: int = 0, whole: Collection[str] = (),
) -> dict[str, int]:  # fmt: skip
    """Infer the width of every line in `computed`.

    Lines that are not computed still imply which sizes are equal, so that H is one size even if only a gate is
    requested.

    Args:
        cell: the cell.
        computed: the names of the lines that are computed.
        parameters: shapes of the parameters; a missing one is no evidence.
        widths: inputs and states whose width is known, with its source in words ('from x').
        bound: sizes known elsewhere ('T=50 B=1'), for messages.
        steps: the rows of x, if it is one sequence; for messages.
        whole: the weights that have an entry for each unit and never one for all of them: those of a named cell.

    Returns:
        The width of every computed line and every state.

    Raises:
        ShapeError: with one message per array or line that does not fit.
    """
    names, one = set(computed), {name: (1, 1) for name in cell.declared if parameters.get(name) == (1,)}
    parameters = {**parameters, **one}  # one row and one column
    raise_all(ShapeError, ranks(cell, parameters, names))
    raise_all(ShapeError, beside(cell, parameters, {name: width for name, (width, _) in widths.items()}, names))
    sizes = _Sizes(cell, parameters, widths, names, whole)
    problems = [*sizes.misfits(bound, steps)]
    if len(problems) > 1:
        _one_cause(cell, parameters, widths, names, whole)
    raise_all(ShapeError, problems)
    if all(name in parameters for name, lines in cell.parameters.items() if any(x.name in names for x in lines)):
        raise_all(ShapeError, sizes.contradictions())  # a missing weight is reported elsewhere, and implies no size
    return {name: sizes.size(name) for name in (*cell.by_name, *cell.states) if name in names.union(cell.states)}


def _one_cause(
    cell: Cell, parameters: WeightShapes, widths: KnownSizes, names: set[str], whole: Collection[str]
) -> None:
    """Raise ShapeError if one mistake, made in all arrays, explains that they do not fit."""
    matrices = [line.product[0] for line in cell.lines if line.product and line.product[0] in parameters]
    for said, shapes, everywhere in shape_hints.causes(parameters, [*dict.fromkeys(matrices)]):
        known = {n: (width // 2, source) for n, (width, source) in widths.items()} if everywhere else widths
        sizes = _Sizes(cell, shapes, known, names, whole)
        if not [*sizes.misfits(), *sizes.contradictions()]:
            raise ShapeError(said)


def grids(cell: Cell, parameters: WeightShapes, widths: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """The rows and columns of every value that is a matrix.

    Args:
        cell: the cell.
        parameters: shapes of the parameters.
        widths: the known widths of inputs, states and lines.

    Returns:
        (rows, columns) by name. A matrix whose width alone is known, since it meets no vector, has one column.
    """
    if not cell.matrices:
        return {}
    sizes = _Sizes(cell, parameters, {name: (width, "") for name, width in widths.items()}, {*cell.by_name})
    found = {name: (sizes.size(name, 0), sizes.size(name, 1)) for name in sizes.flat}
    return {n: grid if math.prod(grid) == sizes.size(n) else (sizes.size(n), 1) for n, grid in found.items()}
