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

from .adjoint import Writer
from .lines import Cell, Line, Operand, number
from .rules import BETWEEN, DERIVATIVE, SECANT, Rule

Side = Literal["own", "base", "mean"]
#: Operations that are linear where an operand is a number, with the place of that operand (None: any): they have one
#: slope, whatever the traces.
_LINEAR = {"mul": None, "div": 1, "where": 0}


class Secants(NamedTuple):
    """The cell, and what its inputs and parameters are: of `own` trace, of `base` or the `mean`, and of which value."""

    cell: Cell
    reads: Mapping[str, tuple[Side, str]]


def secants(
    cell: Cell, seeds: Mapping[str, Iterable[str]] | None = None, widths: Mapping[str, int] | None = None
) -> Secants:
    """The slopes of a weighted sum of the cell's lines between two traces, as a cell; arguments as those of `adjoint`.

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
    return _written(cell, told, None if widths is None else tuple(widths.items()))


@lru_cache(maxsize=64)  # as those of `adjoint`
def _written(
    cell: Cell, seeds: tuple[tuple[str, tuple[str, ...]], ...], widths: tuple[tuple[str, int], ...] | None
) -> Secants:
    writer = _Writer(cell, dict(seeds), None if widths is None else dict(widths), table=SECANT)
    return Secants(writer.written(), {new: place for place, new in writer.pairs.items()})


@dataclass
class _Writer(Writer):
    """pairs: of each side and value that the rows read the name that it has there."""

    pairs: dict[tuple[Side, str], str] = field(default_factory=dict)

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
        if (side, name) not in self.pairs:
            new = name if side == "own" else f"{side}_{name}"
            if not new.isidentifier() or (new in self.taken and new != name):
                new = self._new(name, "at_" if side == "own" else f"{side}_")
            self.pairs[side, name] = new
            self.taken.add(new)
        return self.pairs[side, name]
