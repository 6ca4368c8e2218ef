"""Values of equations, and what makes them simple: equal values are one object, and functions have their own names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..cell.lines import Line
from ..cell.ops import OPS
from ..cell.shapes import RULES
from ..errors import LiftError
from .tape import Ids, TapeNode

Constants = tuple[float, ...]
#: So far out a sigmoid or tanh is 0 or 1 to 8 digits: arguments are clipped there so that exp does not overflow.
FAR = 18.0
#: So many levels of an expression are searched for choices between two values.
_DEEP = 12
#: a + b f(k z), by a, b, f and k: the function of z that it is.
_FORMS = {
    (0.5, 0.5, "tanh", 0.5): "sigmoid", (1.0, -1.0, "sigmoid", -1.0): "sigmoid",
    (-1.0, 2.0, "sigmoid", 2.0): "tanh", (1.0, -2.0, "sigmoid", -2.0): "tanh",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Expr:
    """A value: an operation of others, or a leaf.

    op: of the operation table, or `name` (an input, a state, a part of one), `parameter`, `number`, `ones` (a vector),
    or `transpose`, which is written nowhere. leaf: the name, the number, or the integers of the parameter. width: its
    units. grid: the rows and columns of a matrix. node: the operation that it comes from. choices: the conditions of
    `where` in it.
    """

    op: str
    args: tuple[Expr, ...] = ()
    constants: Constants = ()
    leaf: Any = None
    width: int = 1
    grid: tuple[int, ...] = ()
    node: TapeNode | None = None
    choices: frozenset[Expr] = frozenset()

    def inside(self, until: Callable[[Expr], bool] = lambda _: False) -> Iterator[Expr]:
        """Every value that it is computed from, itself included, each once, operands first.

        until: of which values no operands are wanted.
        """
        seen: set[Expr] = set()

        def walk(expr: Expr) -> Iterator[Expr]:
            if expr not in seen:
                seen.add(expr)
                for one in () if until(expr) else expr.args:
                    yield from walk(one)
                yield expr

        return walk(self)


@dataclass
class Expressions:
    """All values of a cell, each once: what is computed in two places from the same values is the same object."""

    _known: dict[Any, Expr] = field(default_factory=dict)

    def leaf(self, op: str, leaf: Any, width: int = 1, grid: tuple[int, ...] = ()) -> Expr:
        """A name, a number or a parameter. grid: its rows and columns if it is a matrix, but no factor of a product."""
        key = (op, leaf) if op != "parameter" else (op, leaf.shape, leaf.tobytes(), grid)
        return self._known.setdefault(key, Expr(op, leaf=leaf, width=width, grid=grid))

    def number(self, value: float) -> Expr:
        """A number of the text."""
        return self.leaf("number", float(value))

    def parameter(self, ids: Ids, grid: tuple[int, ...] = ()) -> Expr:
        """Weights, in the order in which an equation needs them. grid: as of `leaf`."""
        return self.leaf("parameter", np.ascontiguousarray(ids), ids.size if grid else len(ids), grid)

    def make(self, op: str, args: Iterable[Expr], constants: Constants = (), node: TapeNode | None = None) -> Expr:
        """An operation, simplified where that is exact, with its own name where a function is written out."""
        args = tuple(args)
        if any(one.op == "transpose" for one in args) and OPS[op].keeps:
            inner = [self.exchanged(one.args[0]) if one.op == "transpose" else one for one in args]
            if all(one.op != "transpose" for one in inner):
                return self.make(op, inner, constants, node)
            args = tuple(map(self.exchanged, args))
            if any(one.op == "transpose" for one in args):
                where = f"{node.code}: " if node and node.code else ""
                raise LiftError(f"{where}a matrix meets its transpose, and equations have none of a computed matrix")
            return self.turned(self.make(op, args, constants, node))
        if op == "add":
            args, constants = self._terms(args, constants)
            if not args:
                return self.number(0.0)
            if len(args) == 1 and constants[0] > 0:
                return args[0]
            if max(constants) < 0:
                return self.make("neg", (self.make("add", args, (1.0,) * len(args), node),), (), node)
        if (simple := self._simple(op, args, constants, node)) is not None:
            return simple
        key = op, args, constants
        if key not in self._known:
            made = self._new(op, args, constants, node)
            if (known := _written_out(made)) is not None:
                made = self.make(known[0], (known[1],), (), node)
            for condition in made.choices if op != "where" else ():
                on, off = self._chosen(made, condition, True), self._chosen(made, condition, False)
                made = on if on is off else made
            self._known[key] = made
        return self._known[key]

    def multiplied(self, values: Iterable[Expr], by_weight: Callable[[Expr], bool]) -> dict[Expr, Expr]:
        """All that some values are computed from, with weights of one unit as matrices where they multiply others.

        by_weight: whether a value is multiplied by a matrix.
        """
        found: dict[Expr, Expr] = {}
        for one in dict.fromkeys(inner for value in values for inner in value.inside()):
            op, args = one.op, [found[part] for part in one.args]
            weight, *others = sorted(args, key=lambda part: part.op != "parameter") or [one]
            if (op, one.width) == ("mul", 1) and weight.op == "parameter" and by_weight(others[0]):
                op, args = "matvec", [self.parameter(weight.leaf.reshape(1, 1)), *others]
            found[one] = self.make(op, args, one.constants, one.node) if args else one
        return found

    def turned(self, expr: Expr) -> Expr:
        """A matrix with rows and columns exchanged: an operation that `make` takes outwards, where `@` absorbs it."""
        if expr.op == "transpose":
            return expr.args[0]
        made = Expr("transpose", (expr,), width=expr.width, grid=expr.grid[::-1], node=expr.node, choices=expr.choices)
        return self._known.setdefault(("transpose", (expr,), ()), made)

    def exchanged(self, expr: Expr) -> Expr:
        """The same, exchanged within: of all but states, whose transpose remains."""
        if expr.op == "parameter" and expr.grid:
            return self.parameter(expr.leaf.T, expr.grid[::-1])
        if expr.op == "outer":
            return self.make("outer", expr.args[::-1], (), expr.node)
        if expr.op in ("name", "transpose") or not expr.grid:
            return self.turned(expr) if expr.grid else expr
        return self.make(expr.op, map(self.exchanged, expr.args), expr.constants, expr.node)

    def _new(self, op: str, args: tuple[Expr, ...], constants: Constants, node: TapeNode | None) -> Expr:
        widths, grids = [one.width for one in args], [one.grid for one in args if one.grid]
        grid = tuple(widths) if op == "outer" else grids[0] if grids and OPS[op].keeps else ()
        width, _ = RULES[OPS[op].width](Line("", op, (), constants), widths, (widths[0], None))
        choices = frozenset().union(*(one.choices for one in args), args[:1] if op == "where" else ())
        return Expr(op, args, constants, width=width or 1, grid=grid, node=node, choices=choices)

    def _terms(self, args: Iterable[Expr], signs: Iterable[float]) -> tuple[tuple[Expr, ...], Constants]:
        """Signed terms: zeros are left out, and `a + -b` is `a - b`."""
        terms: list[tuple[Expr, float]] = []
        for one, sign in zip(args, signs, strict=True):
            if one.op == "neg":
                terms.append((one.args[0], -sign))
            elif one.op == "number" and one.leaf < 0:
                terms.append((self.number(-one.leaf), -sign))
            elif not _is(one, 0):
                terms.append((one, sign))
        return tuple(one for one, _ in terms), tuple(sign for _, sign in terms)

    def _simple(self, op: str, args: tuple[Expr, ...], constants: Constants, node: TapeNode | None) -> Expr | None:
        """A simpler form with the same value, if there is one."""
        a, *rest = args
        if op == "memvec" and a.op == "transpose":
            return self.make("vecmem", (*rest, a.args[0]), (), node)
        if op in ("memvec", "vecmem"):
            side = -1 if op == "vecmem" else 1
            matrix, vector = args[::side]
            for one, other in (matrix.args, matrix.args[::-1]) if (matrix.op, vector.op) == ("mul", "ones") else ():
                if one.op == "outer" and one.args[::side][0].op == "ones" and other.grid:  # (C * a row).sum(1)
                    row = one.args[::side][1]
                    if other.op == "parameter":
                        weights = self.parameter(other.leaf if side > 0 else other.leaf.T)
                        return self.make("matvec", (weights, row), (), node)
                    return self.make(op, (other, row)[::side], (), node)
        if op == "mul" and a.op == rest[0].op == "outer" and "ones" in {one.op for one in (*a.args, *rest[0].args)}:
            pairs = zip(a.args, rest[0].args, strict=True)
            return self.make("outer", [self.make("mul", pair, (), node) for pair in pairs], (), node)
        if op == "mul":
            for factor, other in (args, args[::-1]):
                if _is(factor, 1) or (factor.op == "ones" and other.width == factor.width):
                    return other
                if _is(factor, -1):
                    return self.make("neg", (other,), (), node)
        if op == "div" and _is(rest[0], 1):
            return a
        if op == "div" and (found := _logistic(a, rest[0])):
            shift, times, k, z = found
            inner = self.make("sigmoid", (self.make("mul", (self.number(k), z), (), node),), (), node)
            parts = self.number(shift), self.make("mul", (self.number(times), inner), (), node)
            return self.make("add", parts, (1.0, 1.0), node)
        if op == "maximum" and any(_is(one, 0) for one in args):
            return self.make("relu", (rest[0] if _is(a, 0) else a,), (), node)
        if op == "neg" and a.op == "neg":
            return a.args[0]
        if op == "where":
            if rest[0] is rest[1]:
                return rest[0]
            if a.op == "add" and a.constants == (1.0, -1.0) and _is(a.args[0], 1) and a.args[1].op == "greater":
                return self.make("where", (a.args[1], rest[1], rest[0]), (), node)  # of the contrary
            sides = [self._chosen(one, a, side) for one, side in zip(rest, (True, False), strict=True)]
            if sides != rest:
                return self.make("where", (a, *sides), (), node)
        if op in OPS and not OPS[op].reduces and op != "concat" and all(one.op == "number" for one in args):
            with np.errstate(all="ignore"):
                return self.number(float(OPS[op].array([np.float64(one.leaf) for one in args], constants)))
        return None

    def _chosen(self, expr: Expr, condition: Expr, side: bool, deep: int = _DEEP) -> Expr:
        """A value where a condition holds, or where it does not."""
        if condition not in expr.choices or not deep:
            return expr
        if expr.op == "where" and expr.args[0] is condition:
            return self._chosen(expr.args[1 if side else 2], condition, side, deep - 1)
        args = [self._chosen(one, condition, side, deep - 1) for one in expr.args]
        return self.make(expr.op, args, expr.constants, expr.node)


def _is(expr: Expr, value: float) -> bool:
    return expr.op == "number" and expr.leaf == value


# -- functions that are written out ------------------------------------------------------------------------------------


def scaled(expr: Expr) -> tuple[float, Expr]:
    """k and z of k z."""
    if expr.op == "neg":
        factor, inner = scaled(expr.args[0])
        return -factor, inner
    if expr.op in ("mul", "div"):
        for one, other in (expr.args, expr.args[::-1]) if expr.op == "mul" else (expr.args[::-1],):
            if one.op == "number" and one.leaf:
                factor, inner = scaled(other)
                return factor * (one.leaf if expr.op == "mul" else 1 / one.leaf), inner
    return 1.0, expr


def summed(expr: Expr) -> tuple[float, list[tuple[float, Expr]]]:
    """The number of a sum, and its other terms with their factors."""
    constant, terms = 0.0, list[tuple[float, Expr]]()
    for one, sign in zip(expr.args, expr.constants, strict=True) if expr.op == "add" else ((expr, 1.0),):
        factor, inner = scaled(one)
        if inner.op == "number":
            constant += sign * factor * inner.leaf
        elif inner.op == "add":
            more, parts = summed(inner)
            constant += sign * factor * more
            terms += [(sign * factor * k, part) for k, part in parts]
        else:
            terms.append((sign * factor, inner))
    return constant, terms


def _unclipped(expr: Expr) -> Expr:
    """What is clipped only far out."""
    while expr.op == "clip" and expr.constants[0] <= -FAR and expr.constants[1] >= FAR:
        expr = expr.args[0]
    return expr


def _written_out(expr: Expr) -> tuple[str, Expr] | None:
    """The function that a value is, and its argument: written in others, or of an argument that is clipped far out."""
    if expr.op in ("sigmoid", "tanh") and (inner := _unclipped(expr.args[0])) is not expr.args[0]:
        return expr.op, inner
    constant, terms = summed(expr)
    if len(terms) == 1 and terms[0][1].op in ("sigmoid", "tanh"):
        k, z = scaled(terms[0][1].args[0])
        return None if (name := _FORMS.get((constant, terms[0][0], terms[0][1].op, k))) is None else (name, z)
    if expr.op != "log" or not (found := _exponentials(expr.args[0])):
        return None
    inside = next((one for _, one in found if one is not None), None)  # of log(1 + exp(z))
    return ("softplus", inside) if inside is not None and found == {(0.0, None): 1.0, (1.0, inside): 1.0} else None


def _logistic(above: Expr, below: Expr) -> tuple[float, float, float, Expr] | None:
    """a, b, k and z of a + b sigmoid(k z), if a quotient of sums of exponentials is such a value."""
    up, down = _exponentials(above), _exponentials(below)
    if not up or not down or [*down.values()] != [1.0, 1.0]:
        return None
    zs = [*{z for _, z in (*up, *down)} - {None}]
    factors = {k: factor for (k, _), factor in up.items()}
    first, second = (k for k, _ in down)
    if zs[1:] or zs[0] is None or factors.keys() - {first, second}:
        return None
    last = factors.get(second, 0.0)
    return last, factors.get(first, 0.0) - last, first - second, zs[0]


def _exponentials(expr: Expr) -> dict[tuple[float, Expr | None], float] | None:
    """A sum of exponentials: the factor of each exp(k z), by k and z; a number is that of k = 0."""
    constant, terms = summed(expr)
    found: dict[tuple[float, Expr | None], float] = {(0.0, None): constant} if constant else {}
    for factor, one in terms:
        if one.op != "exp":
            return None
        k, inner = scaled(_unclipped(one.args[0]))
        again, z = scaled(_unclipped(inner))
        found[k * again, z] = factor
    return found
