"""The sizes of a cell's values, inferred from its equations and the arrays that are given.

Sizes that must be equal form a class (union-find). Each given array is evidence for its classes; the majority wins, so
that one wrong array among many is named rather than the right ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..base.arrays import Array
from ..errors import ShapeError, raise_all
from .lines import Cell, Line, pointed
from .ops import OPS

Width = int | None  # None: not known
#: From a line, the widths of its operands and the shape of its matrix to its own width, and whether these fit.
Rule = Callable[[Line, Sequence[Width], Sequence[Width]], tuple[Width, bool]]


def fitted(line: Line, reads: Sequence[Width], shapes: Mapping[str, Sequence[int]]) -> tuple[Width, bool]:
    """How wide a line is, and whether its operands fit each other; what is not known fits.

    Args:
        line: the line.
        reads: the width of each operand, 1 of a number, anything of a matrix.
        shapes: of the matrices that are known.

    >>> fitted(Line("z_t", "matvec", ("W", "x_t")), [None, 3], {"W": (4, 2)})
    (4, False)
    """
    matrix = shapes.get(line.product[0]) if line.product else None
    return RULES[OPS[line.op].width](line, reads, matrix or (None, None))


def _agree(one: Width, two: Width) -> bool:
    return None in (one, two) or one == two


def _same(_: Line, reads: Sequence[Width], __: Sequence[Width]) -> tuple[Width, bool]:
    known = [width for width in reads if width is not None]
    most = max(known, default=1)
    return most if len(known) == len(reads) or most > 1 else None, set(known) <= {1, most}


RULES: dict[str, Rule] = {
    "matvec": lambda _, reads, matrix: (matrix[0], _agree(matrix[1], reads[1])),
    "vecmat": lambda _, reads, matrix: (matrix[1], _agree(matrix[0], reads[0])),
    "same": _same,
    "one": lambda _, __, ___: (1, True),
    "concat": lambda _, reads, __: (None if None in reads else sum(width or 0 for width in reads), True),
    "slice": lambda line, _, __: (int(line.constants[1] - line.constants[0]), True),
}


Key = tuple[str, int]  # (name, axis); values and vectors have axis 0 only, a matrix 0 (rows) and 1 (columns)


@dataclass
class Classes:
    """Keys whose sizes are equal (union-find)."""

    parent: dict[Key, Key] = field(default_factory=dict)

    def find(self, key: Key) -> Key:
        """The key that stands for all of its class."""
        self.parent.setdefault(key, key)
        while self.parent[key] != key:
            self.parent[key] = key = self.parent[self.parent[key]]
        return key

    def join(self, a: Key, b: Key) -> None:
        """Make two classes one."""
        self.parent[self.find(a)] = self.find(b)


def kinds_of(
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
    cell: Cell, parameters: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], states: Mapping[str, bool | None]
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
        elif OPS[line.op].reduces:
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


def _products(cell: Cell, line: Line) -> list[str]:
    return [name for name in line.reads if name in cell.by_name and cell.by_name[name].product]


def unified(cell: Cell, kinds: Mapping[str, bool | None]) -> Classes:
    """Classes of sizes that the equations force to be equal."""
    classes = Classes()
    for line in cell.lines:
        if line.product:
            matrix, vector = line.product
            own = int(line.op == "vecmat")  # the axis of the matrix that the result has
            classes.join((matrix, 1 - own), (vector, 0))
            classes.join((line.name, 0), (matrix, own))
        elif OPS[line.op].width == "same":
            for name in line.reads:
                if kinds.get(name) is False or kinds[line.name] is True:
                    classes.join((line.name, 0), (name, 0))
    for state, target in cell.carry:
        if kinds[state] == kinds[target]:
            classes.join((state, 0), (target, 0))
    return classes


def evidence_of(
    classes: Classes,
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


def read_by_slices(cell: Cell, classes: Classes) -> dict[Key, int]:
    """How many units a vector must have so that all its slices are parts of it."""
    least: dict[Key, int] = {}
    for line in cell.lines:
        if line.op == "slice":
            key = classes.find((str(line.operands[0]), 0))
            least[key] = max(least.get(key, 0), int(line.constants[1]))
    return least


def majority(sizes: list[int], least: int) -> int:
    """The size that most arrays give, among those that are large enough where there are such."""
    return Counter([size for size in sizes if size >= least] or sizes).most_common(1)[0][0]


def add_concats(cell: Cell, classes: Classes, sizes: dict[Key, int]) -> None:
    """Give every slice its width, and every concatenation the sum of its operands' widths."""
    for line in cell.lines:
        if line.op == "slice":
            sizes[classes.find((line.name, 0))] = int(line.constants[1] - line.constants[0])
        if line.op == "concat":
            parts = [sizes.get(classes.find((o, 0)), 0) if isinstance(o, str) else 1 for o in line.operands]
            if all(parts):
                sizes[classes.find((line.name, 0))] = sum(parts)


def reader(cell: Cell, name: str, computed: set[str]) -> str:
    """The line that a message on `name` points to: the first computed one that reads it."""
    readers = [line.name for line in cell.readers.get(name, ())]
    return next((line for line in readers if line in computed), readers[0] if readers else name)


def ranks(cell: Cell, parameters: Mapping[str, tuple[int, ...]], computed: set[str]) -> Iterator[str]:
    """What is said of matrices that are read as vectors, and of vectors that are read as matrices."""
    matrices = {line.product[0] for line in cell.lines if line.product}
    products: dict[int, list[tuple[str, str]]] = {}  # by equation: matrices that are multiplied without @
    for name, shape in parameters.items():
        if len(shape) == (2 if name in matrices else 1):
            continue
        line = reader(cell, name, computed)
        found = cell.by_name.get(line)
        if len(shape) == 2 and found and found.op == "mul" and line in cell.places:
            products.setdefault(cell.places[line].number, []).append((name, line))
            continue
        kind = "a matrix (rows, columns)" if name in matrices else "a vector"
        yield pointed(f"{name} has shape {shape}; line `{line}` needs {kind}", cell.places, line, name)
    for group in products.values():
        written = [f"`{name} @ {_other(cell.by_name[line], name)}`" for name, line in group]
        named = ", ".join(f"{name} has shape {parameters[name]}" for name, _ in group)
        told = f"{named}: * multiplies unit by unit; a matrix times a vector is written {', '.join(written)}"
        yield pointed(told, cell.places, group[0][1], group[0][0])


def _other(line: Line, name: str) -> str:
    """The factor of a product beside `name`."""
    other = next((str(one) for one in line.operands if one != name), name)
    return other if other.isidentifier() else f"({other})"


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


def contradictions(
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
            width, fits = fitted(line, reads, shapes)
            assert width is not None  # for all that it reads is known
            if line.op == "slice":
                wide[line.name] = width
                if fault := beyond_the_end(line, reads[0]):
                    yield pointed(fault, cell.places, line.name)
                continue
            if not fits or width != found[line.name]:
                parts = ", ".join(f"{name}: {wide[name]}" for name in dict.fromkeys(line.reads))
                fault = f"line `{line.name}`: the widths of its operands do not fit ({parts})"
                several = [name for name in line.reads if wide[name] != 1 and not line.product]
                odd = next((name for name in several if wide[name] != wide[several[0]]), "")
                yield pointed(fault, cell.places, line.name, odd)
        wide[line.name] = found[line.name]
    for state, target in cell.carry:
        if target in computed and found[target] != found[state]:
            fault = (
                f"line `{target}` has width {found[target]}, and is carried as {state}, which has width {found[state]}"
            )
            yield pointed(fault, cell.places, state)


def symbols_of(cell: Cell, classes: Classes) -> dict[Key, str]:
    """The field's symbols for the classes that have one: I inputs, H units, P projected units."""
    wide = unified(cell, dict.fromkeys((*cell.by_name, *cell.states, *cell.inputs, *cell.parameters), False))
    projected = "c_prev" in cell.states and wide.find(("c_prev", 0)) != wide.find(("h_prev", 0))
    symbols: dict[Key, str] = {}
    if "c_prev" in cell.states:
        symbols[classes.find(("c_prev", 0))] = "H"
    if "h_prev" in cell.states:
        symbols.setdefault(classes.find(("h_prev", 0)), "P" if projected else "H")
    symbols.setdefault(classes.find(("x_t", 0)), "I")
    return symbols


def known_sizes(
    bound: str, symbols: dict[Key, str], sizes: dict[Key, int], evidence: dict[Key, list[tuple[int, str]]]
) -> str:
    """'Known sizes: T=50 B=1, I=16 (from x), H=64 (from b_i). '"""
    parts = {"": bound} if bound else {}
    for key, symbol in sorted(symbols.items(), key=lambda item: item[1] != "I"):
        source = next((s for n, s in evidence.get(key, []) if n == sizes.get(key)), None)
        if source:
            parts.setdefault(symbol, f"{symbol}={sizes[key]} ({source})")
    return f"Known sizes: {', '.join(parts.values())}. " if parts else ""


def misfit(name: str, shape: tuple[int, ...], needed: tuple[int, ...], symbolic: list[str], line: str) -> str:
    """What is said of an array that does not have the shape that its line needs."""
    numbers = str(needed)
    symbols = f"({', '.join(symbolic)}{',' if len(symbolic) == 1 else ''})"
    wants = f"{symbols} = {numbers}" if symbols != numbers else numbers
    turned = " It looks transposed." if shape == needed[::-1] else ""
    return f"{name} has shape {shape}; line `{line}` needs {wants}.{turned}"


@dataclass(frozen=True)
class InferredSizes:
    """What inference found: the width of every computed line and state, the shape that each parameter must have."""

    widths: dict[str, int]
    shapes: dict[str, tuple[int, ...]]


def infer(
    cell: Cell,
    computed: Iterable[str],
    parameters: Mapping[str, tuple[int, ...]],
    widths: Mapping[str, tuple[int, str]],
    bound: str = "",
    advice: str = "",
) -> InferredSizes:
    """Infer the width of every line in `computed`.

    Lines that are not computed still say which sizes are equal, so that H is one size for an asked gate too.

    Args:
        cell: the cell.
        computed: the names of the lines that are computed.
        parameters: shapes of the parameters; one that is missing is no evidence.
        widths: inputs and states whose width is known, with the words that say from where ('from x').
        bound: sizes known elsewhere ('T=50 B=1'), for messages.
        advice: a last sentence of the messages.

    Returns:
        The width of every computed line and every state, and the shape of every given parameter.

    Raises:
        ShapeError: with one message for each array, or line, that does not fit.
    """
    names = set(computed)
    raise_all(ShapeError, ranks(cell, parameters, names))
    kinds = kinds_of(cell, parameters, {n: w for n, (w, _) in widths.items()}, names)
    classes = unified(cell, kinds)
    evidence = evidence_of(classes, kinds, parameters, widths)
    least = read_by_slices(cell, classes)
    sizes = {key: majority([size for size, _ in found], least.get(key, 0)) for key, found in evidence.items()}
    sizes |= {classes.find((name, 0)): 1 for name in cell.by_name if kinds[name] is True}  # no array says otherwise
    add_concats(cell, classes, sizes)

    def size(name: str, axis: int = 0) -> int:
        return sizes.get(classes.find((name, axis)), 1)

    shapes = {name: tuple(size(name, axis) for axis in range(len(shape))) for name, shape in parameters.items()}
    wrong = {name: shape for name, shape in parameters.items() if shapes[name] != shape}
    odd = {name: (width, source) for name, (width, source) in widths.items() if size(name) != width}
    if wrong or odd:
        symbols = symbols_of(cell, classes)
        known = known_sizes(bound, symbols, sizes, evidence) + advice

        def symbol(name: str, axis: int = 0) -> str:
            return symbols.get(classes.find((name, axis)), str(size(name, axis)))

        lines = {name: reader(cell, name, names) for name in (*wrong, *odd)}
        said: dict[str, str] = {}
        for name, shape in wrong.items():
            symbolic = [symbol(name, axis) for axis in range(len(shape))]
            said[name] = misfit(name, shape, shapes[name], symbolic, lines[name])
        for name, (width, source) in odd.items():
            what = source.removeprefix("from ") if source.startswith("from ") else name
            wants = f"{symbol(name)} = {size(name)}".removeprefix(f"{size(name)} = ")
            said[name] = f"{what} has width {width}; line `{lines[name]}` needs {wants}."
        problems = ((f"{fault} {known}".rstrip(), cell.places, lines[name], name) for name, fault in said.items())
        raise_all(ShapeError, (pointed(*problem) for problem in problems))
    found = {line: size(line) for line in cell.by_name if line in names} | {state: size(state) for state in cell.states}
    raise_all(ShapeError, contradictions(cell, names, found, shapes, widths))
    return InferredSizes(found, shapes)


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
