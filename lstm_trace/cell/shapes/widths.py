"""How wide a line is by what it reads, and whether that fits: a row for each width rule of the operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..lines import Line
from ..ops import OPS

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
