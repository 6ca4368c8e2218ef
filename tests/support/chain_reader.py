"""Reads a compact report back: each chain with its formulas, signs and value, computed from the printed numbers alone.

A vector is printed as `[0.5; -1]`, a matrix as `[1 0; 0 1]`. Shares no code with the package.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

#: A number exactly, or as a float where a function made it; a vector or matrix as rows of them.
Rows = list[list[Any]]

_TOKEN = re.compile(r"\[[^\[\]]*\]|\d+(?:\.\d+)?(?:e-?\d+)?|[^\W\d]\w*|[-+⊙/()²,√]|\s+|.")
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "σ": lambda z: 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z)),
    "tanh": math.tanh,
    "exp": math.exp,
    "sin": math.sin,
    "cos": math.cos,
    "softplus": lambda z: math.log1p(math.exp(-abs(z))) + max(z, 0),
    "ReLU": lambda z: max(z, 0),
    "SiLU": lambda z: z / (1 + math.exp(-z)),
}


class Stage(NamedTuple):
    """A formula of a chain with the sign before it."""

    sign: str
    text: str


class Printed(NamedTuple):
    """A chain: the heading of its step, its name, its symbol, its formulas, the last its value."""

    step: str
    name: str
    symbol: str
    stages: list[Stage]


def chains(report: str) -> Iterator[Printed]:
    """The chains of the solution of a text report, in order."""
    body = re.split(r"\n(?:Answers|In words)\n─", report.partition("\nSolution\n")[2])[0]
    step = name = ""
    found: list[Printed] = []
    for row in body.splitlines():
        if head := re.fullmatch(r"── (.*) ──", row):
            step = head[1]
        elif start := re.fullmatch(r"  (\S.*?) ([=≈]) (.*)", row):
            found.append(Printed(step, name, start[1], []))
            found[-1].stages.extend(_stages(f"{start[2]} {start[3]}"))
        elif row.startswith("   ") and found:
            rest = row.strip()
            if rest[0] not in "=≈":  # a formula goes on
                last = found[-1].stages.pop()
                rest = f"{last.sign} {last.text} {rest}"
            found[-1].stages.extend(_stages(rest))
        elif row and not row.startswith(" "):
            name = row
    yield from found


def _stages(text: str) -> Iterator[Stage]:
    parts = re.split(r"(?:^| )([=≈]) ", text)
    for sign, formula in zip(parts[1::2], parts[2::2], strict=True):
        yield Stage(sign, formula.strip())


def value(text: str) -> Rows:
    """What a formula of printed numbers comes to. Raises ValueError where it is not of these alone."""
    reader = _Reader([token for token in _TOKEN.findall(text) if token.strip()])
    found = reader.sum()
    if reader.tokens:
        raise ValueError(f"{text!r}: unread {reader.tokens}")
    return found


@dataclass
class _Reader:
    """Reads tokens from the front: sums of products of factors."""

    tokens: list[str] = field(default_factory=list)

    def at(self, *tokens: str) -> bool:
        return bool(self.tokens) and self.tokens[0] in tokens

    def sum(self) -> Rows:
        sign = self.tokens.pop(0) if self.at("-", "+") else "+"
        total = self.product()
        total = total if sign == "+" else _each(lambda a: -a, total)
        while self.at("+", "-"):
            sign = self.tokens.pop(0)
            term = self.product()
            total = _pairs(lambda a, b: a + b, total, term) if sign == "+" else _pairs(lambda a, b: a - b, total, term)
        return total

    def product(self) -> Rows:
        found = self.factor()
        while self.tokens and not self.at("+", "-", ")", ","):
            if self.at("⊙"):
                self.tokens.pop(0)
                found = _pairs(lambda a, b: a * b, found, self.factor())
            elif self.at("/"):
                self.tokens.pop(0)
                found = _pairs(lambda a, b: a / b, found, self.factor())
            else:
                found = _times(found, self.factor())
        return found

    def factor(self) -> Rows:
        part = self.tokens.pop(0)
        if part.startswith("["):
            rows = [row.split() for row in part[1:-1].split(";")]
            found = [[Fraction(entry) for entry in row] for row in rows]
        elif part == "(":
            found = self.sum()
            self.tokens.pop(0)
        elif part[0].isdigit():
            found = [[Fraction(part)]]
        elif part == "√":
            found = _each(math.sqrt, self.arguments()[0])
        elif self.at("("):
            found = self.call(part, self.arguments())
        else:
            raise ValueError(part)
        while self.at("²"):
            self.tokens.pop(0)
            found = _each(lambda a: a * a, found)
        return found

    def arguments(self) -> list[Rows]:
        found = []
        while self.tokens.pop(0) != ")":  # the opening parenthesis, a comma
            found.append(self.sum())
            if self.at(")"):
                self.tokens.pop(0)
                return found
        return found

    def call(self, name: str, args: list[Rows]) -> Rows:
        if name == "max" and all(len(arg) == 1 for arg in args):
            return [[max(arg[0][0] for arg in args)]]
        if name == "max" and len(args) == 2:
            return _pairs(max, *args)
        if name == "softmax":
            powers = [math.exp(row[0] - max(r[0] for r in args[0])) for row in args[0]]
            return [[power / sum(powers)] for power in powers]
        if name not in FUNCTIONS or len(args) != 1:
            raise ValueError(name)
        return _each(lambda a: FUNCTIONS[name](float(a)), args[0])


def _each(function: Callable[[Any], Any], rows: Rows) -> Rows:
    return [[function(entry) for entry in row] for row in rows]


def _pairs(function: Callable[[Any, Any], Any], left: Rows, right: Rows) -> Rows:
    """Entry by entry; one number goes with each entry."""
    if len(left) == len(left[0]) == 1:
        left = [left[0] * len(right[0])] * len(right)
    if len(right) == len(right[0]) == 1:
        right = [right[0] * len(left[0])] * len(left)
    return [[function(a, b) for a, b in zip(x, y, strict=True)] for x, y in zip(left, right, strict=True)]


def _times(left: Rows, right: Rows) -> Rows:
    """A matrix times a vector; a number times anything."""
    if len(left) == len(left[0]) == 1:
        return _pairs(lambda a, b: a * b, left, right)
    columns = list(zip(*right, strict=True))
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in left]
