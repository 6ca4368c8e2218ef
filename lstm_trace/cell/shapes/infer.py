"""Sizes of a cell's values, inferred from its equations and the arrays that are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ...base.arrays import Array
from ...errors import ShapeError, raise_all
from ..lines import Cell
from ..syntax import pointed
from .classes import add_concats, evidence_of, kinds_of, majority, read_by_slices, unified
from .faults import contradictions, known_sizes, misfit, ranks, reader, symbols_of


@dataclass(frozen=True)
class Sizes:
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
) -> Sizes:
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
    return Sizes(found, shapes)


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
