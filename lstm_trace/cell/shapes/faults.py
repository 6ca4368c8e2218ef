"""What is said of arrays and lines whose sizes do not fit, with the equation and a caret where a person wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..lines import Cell, Line
from ..syntax import pointed
from .classes import Classes, Key, unified
from .widths import fitted


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
                yield pointed(fault, cell.places, line.name, _odd(line, wide))
        wide[line.name] = found[line.name]
    for state, target in cell.carry:
        if target in computed and found[target] != found[state]:
            fault = (
                f"line `{target}` has width {found[target]}, and is carried as {state}, which has width {found[state]}"
            )
            yield pointed(fault, cell.places, state)


def _odd(line: Line, wide: Mapping[str, int]) -> str:
    """The first operand of a line that does not fit those before it; none of a product, whose two are as guilty."""
    found = [name for name in line.reads if wide[name] != 1 and not line.product]
    return next((name for name in found if wide[name] != wide[found[0]]), "")


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
