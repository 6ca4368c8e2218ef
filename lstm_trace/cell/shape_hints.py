"""What may be wrong with arrays that do not fit, in a beginner's words: transposed, decimal commas, a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np

from ..errors import counted, some
from .lines import Line

Shapes = Mapping[str, tuple[int, ...]]
DECIMAL = "are there decimal commas? Write 0.5, not 0,5"


def causes(shapes: Shapes, matrices: Sequence[str]) -> Iterator[tuple[str, dict[str, tuple[int, ...]], bool]]:
    """One mistake that may have been made in all arrays: a sentence, the shapes without it, and whether it is decimal
    commas, which are then in inputs and states as well.
    """
    oblong = [name for name in matrices if len(shapes[name]) == 2 and len({*shapes[name]}) > 1]
    for shape in (None, *dict.fromkeys(shapes[name] for name in oblong)):  # all of them, or those of one shape
        turned = [name for name in oblong if shape in (None, shapes[name])]
        if not turned or len(turned) == len(oblong) * (shape is not None):
            continue
        first = turned[0]
        said = f"{some(turned, 4)} look transposed: {first} is {by(shapes[first])}, and {by(shapes[first][::-1])} fits"
        every = "all matrices" if len(turned) == len(oblong) else "these matrices"
        yield f"{said}; transpose {every}", dict(shapes) | {n: shapes[n][::-1] for n in turned}, False
    for wide in (True, False):
        doubled = {n: (*shape[:-1], shape[-1] // 2) for n, shape in shapes.items() if wide or n in matrices}
        if doubled and all(shapes[name][-1] % 2 == 0 for name in doubled):
            said = f"{some([*doubled], 4)}: each row has twice the numbers that fit; {DECIMAL}"
            yield said, dict(shapes) | doubled, wide


def by(shape: Sequence[int]) -> str:
    """A shape in words: '3 by 2', '3 numbers'."""
    return " by ".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} number{'s' * (shape[0] != 1)}"


def misfit(shape: Sequence[int], needed: Sequence[int], others: Sequence[str], votes: Sequence[tuple[int, str]]) -> str:
    """What may be wrong with one array.

    others: those of the same kind that have the needed shape. votes: what arrays imply for its last axis, and which.
    """
    said = f" Others like it {'are' if len(needed) > 1 else 'have'} {by(needed)}: {some(others, 3)}." if others else ""
    if shape == needed[::-1]:
        return f" It looks transposed.{said}"
    against = [source for size, source in votes if size == needed[-1] != shape[-1]]
    if against == ["from x"] and [size for size, _ in votes].count(shape[-1]) == 1:
        said += " Or is x wrong?"
    # in several rows, one comma would make the list ragged
    comma = shape[:-1] == needed[:-1] and (prod(shape) == shape[-1] or shape[-1] == 2 * needed[-1])
    return (too_many(shape[-1], needed[-1]) if comma else "") + said


def too_many(size: int, needed: int) -> str:
    """What may be wrong with a row that has twice the needed numbers, or one more; empty for any other row."""
    if needed > 1 and size == 2 * needed:
        return f" Twice the numbers: {DECIMAL}."
    return " One number too many; is there a decimal comma? 0,5 is two numbers." * (needed > 1 and size == needed + 1)


def of_steps(steps: int, width: int, needed: int) -> str:
    """How x is written if it has `steps` rows of `width` numbers, and a step has `needed`; empty if neither helps.

    >>> of_steps(2, 1, 2)
    ' It has 2 rows of 1 number: 1 step of 2 numbers would be [[1, 2]].'
    >>> of_steps(1, 6, 2)
    ' It has 1 row of 6 numbers: 3 steps of 2 numbers would be [[1, 2], [3, 4], [5, 6]].'
    """
    count, rest = divmod(steps * width, max(needed, 1))
    one_axis = steps == needed or 1 in (steps, width)
    if rest or not count or not one_axis or steps * width > 12 or (count, needed) == (steps, width):
        return ""
    written = np.arange(1, count * needed + 1).reshape(count, needed).tolist()
    found = f"{steps} row{'s' * (steps != 1)} of {by((width,))}"
    return f" It has {found}: {counted(count, 'step')} of {by((needed,))} would be {written}."


def column(shape: Sequence[int]) -> str:
    """How a column of numbers is written, as the end of a message; empty if the shape is not one of a column or row."""
    size = prod(shape)
    if len(shape) < 2 or size != max(shape):
        return ""
    numbers = ", ".join(map(str, range(1, min(size, 4) + 1))) + ", …" * (size > 4)
    return f"; write its {by((size,))} in one list: [{numbers}]"


def beyond_the_end(line: Line, width: int) -> str:
    """What is wrong with a slice of a vector of `width` units; empty if the vector has them all."""
    begin, end = map(int, line.constants)
    if end <= width:
        return ""
    units = "unit [0] only" if width == 1 else f"units [0] to [{width - 1}]"
    many = f"units {begin} to {end - 1}" if end - begin > 1 else f"unit {begin}"
    advice = f"write a part within [0:{width}], or make {line.operands[0]} wider"
    return f"line `{line.name}` reads {many} of {line.operands[0]}, which has width {width}: {units}; {advice}"
