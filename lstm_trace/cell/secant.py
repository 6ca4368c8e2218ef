"""The secants of a cell: its adjoint by the rules of `rules.SECANT`, which splits a difference between two traces.

The cell that comes out reads each value twice, as it is in the trace (`c_t`) and in the baseline (`base_c_t`), and
multiplies by the means of the two traces' matrices (`mean_W_xi`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from .adjoint import MOST_CHARACTERS, Writer
from .lines import Cell, Line, Operand, number
from .rules import BETWEEN, DERIVATIVE, SECANT, Rule

Side = Literal["own", "base", "mean"]
#: Operations that are linear where an operand is a number, with the place of that operand (None: any): they have one
#: slope, whatever the traces.
_LINEAR = {"mul": None, "div": 1, "where": 0}
#: What the name of a value begins with on each side; in its own trace only where it has no name.
_PREFIX: dict[Side, str] = {"own": "at_", "base": "base_", "mean": "mean_"}


class Secants(NamedTuple):
    """The cell, and what its inputs and parameters are: of `own` trace, of `base` or the `mean`, and of which value."""

    cell: Cell
    reads: Mapping[str, tuple[Side, str]]


def secants(
    cell: Cell,
    seeds: Mapping[str, Iterable[str]] | None = None,
    widths: Mapping[str, int] | None = None,
    also: Iterable[str] = (),
) -> Secants:
    """The slopes of a weighted sum of the cell's lines between two traces, as a cell; arguments as those of `adjoint`.

    also: values of which the baseline's is an input whether or not a slope reads it.

    >>> from .parse import parse
    >>> print(secants(parse("y_t = x_t * x_t")).cell.text)
    middle(a, b) = 0.5 * (a + b)
    input: seed_y_t, x_t, base_x_t
    d_y_t = seed_y_t
    d_x_t = d_y_t * middle(x_t, base_x_t) + d_y_t * middle(x_t, base_x_t)
    gradient: d_y_t <- y_t, d_x_t <- x_t
    output: d_x_t
    <BLANKLINE>
    """
    if seeds is None:
        seeds = {cell.output: (f"seed_{cell.output}",)}
    told = tuple((name, tuple(inputs)) for name, inputs in seeds.items())
    return _written(cell, told, None if widths is None else tuple(widths.items()), tuple(also))


@lru_cache(maxsize=64)  # as those of `adjoint`
def _written(
    cell: Cell,
    seeds: tuple[tuple[str, tuple[str, ...]], ...],
    widths: tuple[tuple[str, int], ...] | None,
    also: tuple[str, ...],
) -> Secants:
    writer = _Writer(cell, dict(seeds), None if widths is None else dict(widths), table=SECANT, also=also)
    return Secants(writer.written(), {new: place for place, new in writer.pairs.items()})


@lru_cache(maxsize=64)
def names(cell: Cell) -> Mapping[tuple[Side, str], str]:
    """What each value of a cell is called in its secants, on each side.

    >>> from .parse import parse
    >>> found = names(parse("y_t = W @ tanh(x_t)"))
    >>> found["own", "x_t"], found["base", "x_t"], found["base", "tanh(x_t)"], found["mean", "W"]
    ('x_t', 'base_x_t', 'base_tanh_x_t', 'mean_W')
    """
    values = tuple(dict.fromkeys((*cell.by_name, *cell.inputs, *cell.states, *cell.parameters)))
    found: dict[tuple[Side, str], str] = {("own", name): name for name in values if name.isidentifier()}
    taken = set(found.values())
    for side, prefix in _PREFIX.items():
        for name in values:
            if (side, name) not in found:
                stem = prefix + (
                    name if name.isidentifier() else re.sub(r"\W+", "_", name).strip("_")[:MOST_CHARACTERS]
                )
                new, count = stem, 1
                while new in taken:
                    new, count = f"{stem}_{count + 1}", count + 1
                found[side, name] = new
                taken.add(new)
    return found


def read_by(cell: Cell, back: Cell) -> dict[str, tuple[Side, str]]:
    """What the secants `back` of a cell read of the baseline, or as a mean: empty where it is no secants."""
    there = {*back.inputs, *back.parameters}
    return {new: place for place, new in names(cell).items() if new in there and place[0] != "own"}


@dataclass
class _Writer(Writer):
    """pairs: of each side and value that the rows read the name that it has there. also: see `secants`."""

    pairs: dict[tuple[Side, str], str] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    def _functions(self) -> Iterable[str]:
        """Only what is called: the values of the cell are read by names, whatever functions made them."""
        called = set(re.findall(r"(\w+)\(", "\n".join(self.rows)))
        found = []
        for text in reversed(BETWEEN):  # those that others call stand before them
            if text.partition("(")[0] in called:
                found.append(text)
                called |= set(re.findall(r"(\w+)\(", text.partition("=")[2]))
        return reversed(found)

    def _fed(self) -> Iterable[str]:
        for name in self.also:
            self._pair("base", name)
        return (new for (_, name), new in self.pairs.items() if name not in self.cell.parameters)

    def _rules(self, line: Line) -> Rule:
        numbers = [not isinstance(operand, str) for operand in line.operands]
        if line.op in _LINEAR and (any(numbers) if (at := _LINEAR[line.op]) is None else numbers[at]):
            return DERIVATIVE[line.op]
        return tuple(super()._rules(line))

    def _vector(self, name: str) -> str:
        return f"middle({self._pair('own', name)}, {self._pair('base', name)})"

    def _word(self, word: str, line: Line, d: str) -> str:
        if word[0] not in "abc" or word.rstrip("0") not in "abc":
            return super()._word(word, line, d)
        operand = line.operands["abc".index(word[0])]
        if not isinstance(operand, str):
            return f"({number(operand)})"
        if line.product and operand == line.product[0]:
            return self._pair("mean", operand)
        return self._pair("base" if word.endswith("0") else "own", operand)

    def _read(self, operand: Operand) -> str:
        return self._pair("own", operand) if isinstance(operand, str) else super()._read(operand)

    def _pair(self, side: Side, name: str) -> str:
        return self.pairs.setdefault((side, name), names(self.cell)[side, name])
