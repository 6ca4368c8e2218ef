"""The text of a lifted cell: its equations in the grammar of cells, and the weights that they read."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..cell.lines import Line, ending, expression, number
from ..cell.ops import FUNCTIONS
from ..errors import LiftError
from .expressions import Expr
from .naming import CellNaming
from .reading import Reader

#: Operations of names and numbers that are written out wherever they are read.
_SHORT = ("add", "neg", "mul", "matvec")
_LET_THROUGH = ("c_prev", "h_prev", "c_tilde", "h_tilde", "c_t", "h_t")


@dataclass
class EquationWriter:
    """Equations that are being written. A value that has a name, or that two others read, has a row of its own.

    naming: names that recognition gave. reader: of the values. label: what the code calls a weight. aliases: a line's
    name to what the code calls it.
    """

    naming: CellNaming
    reader: Reader
    label: Callable[[Expr], str]
    rows: list[str] = field(default_factory=list)
    weights: dict[str, Expr] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names: dict[Expr, str] = {}
        self._inline = False  # while a pre-activation is written that differs from the named cell's
        self.called = self.reader.called
        self._taken = {*self.reader.named, *FUNCTIONS, *self.naming.lines.values(), *self.naming.weights.values()}
        self._readers: Counter[Expr] = Counter()
        # a variable that becomes a line's value step by step is that line alone
        self._known = {self.called(one) for one in self.naming.lines}

    def write(self, roots: Mapping[str, Expr]) -> dict[str, str]:
        """Write the rows of some values, with the wanted names where recognition gave none. Returns their names."""
        for one in dict.fromkeys(one for root in roots.values() for one in root.inside()):
            self._readers.update({*one.args})
        called = {self.called(one) for one in self._readers}
        self._unnamed = next(stem for stem in ("v", "u", "s", "value") if stem not in called)
        for name, expr in roots.items():
            if expr not in self._names:
                self._row(self.naming.lines.get(expr) or self._new(name), expr)
        return {name: self._names[expr] for name, expr in roots.items()}

    def _new(self, wanted: str) -> str:
        """A name that is free."""
        stem = re.sub(r"\W+", "_", wanted).strip("_") or "v"
        stem = f"{stem.removesuffix('_prev')}_old" if stem.endswith("_prev") else stem
        stem = f"v_{stem}" if stem[0].isdigit() or keyword.iskeyword(stem) else stem
        name = stem + ending([stem], self._taken)
        self._taken.add(name)
        return name

    def _row(self, name: str, expr: Expr) -> None:
        """The equation of one value; in the words of the named cell where it agrees."""
        if before := self.naming.bare.get(name, ""):
            self._row(before, expr)
            right = before
        elif name in self.naming.same:
            self._prepare(expr)
            self.rows += [f"{inner} = {text}" for inner, text in self.naming.within[name].items()]
            right = self.naming.same[name]
        elif expr.args:
            self._inline = name in self.naming.unlike and name.startswith("z_")
            right = self._right(self._ordered(name, expr))
            self._inline = False
        else:
            right = self._text(expr)
        self._names[expr] = name
        if (called := self.called(expr)) and called != name:
            self.aliases[name] = called
        self.rows.append(f"{name} = {right}")

    def _prepare(self, expr: Expr) -> None:
        """Write the rows, and keep the weights, that the named cell's equation of a value reads."""
        for one in expr.args:
            if one in self.naming.lines or one.op == "parameter":
                self._text(one)
            else:
                self._prepare(one)

    def _ordered(self, name: str, expr: Expr) -> Expr:
        """A value that differs from the named cell's, with terms and factors in the order of that one's equation."""
        words = re.findall(r"\w+", self.naming.unlike.get(name, ""))

        def called(one: Expr) -> str:
            return self.naming.lines.get(one) or self.naming.weights.get(one) or str(one.leaf)

        def last(term: Expr) -> int:
            inner = term.args if term.op in ("mul", "matvec", "neg") and term not in self.naming.lines else (term,)
            return max((words.index(called(one)) for one in inner if called(one) in words), default=len(words))

        if expr.op == "mul" and words:  # a gate stands before what it lets through
            return replace(expr, args=tuple(sorted(expr.args, key=lambda one: called(one) in _LET_THROUGH)))
        if expr.op != "add" or not words:
            return expr
        terms = [
            (self._ordered(name, one) if one.op == "mul" and not self._named(one) else one, sign)
            for one, sign in self._flat(expr)
        ]
        terms.sort(key=lambda pair: last(pair[0]))
        first, (args, signs) = terms[0], zip(*terms, strict=True)
        return replace(expr, args=args, constants=signs) if first[1] > 0 else expr

    def _flat(self, expr: Expr) -> Iterator[tuple[Expr, float]]:
        """The terms of a sum, and of sums in it that have no names."""
        for one, sign in zip(expr.args, expr.constants, strict=True):
            if one.op == "add" and one not in self.naming.lines and not self._named(one):
                yield from ((inner, sign * other) for inner, other in self._flat(one))
            else:
                yield one, sign

    def _right(self, expr: Expr) -> str:
        """The right side of a value's own equation."""
        return expression(Line("", expr.op, tuple(map(self._text, expr.args)), expr.constants))

    def _text(self, expr: Expr) -> str:
        """A value within an equation."""
        if expr.op == "name":
            return str(expr.leaf)
        if expr in self._names:
            return self._names[expr]
        if expr.op == "number":
            return number(expr.leaf)
        if expr.op == "ones":
            return f"ones({self._of_width(expr.width)})"
        if expr.op == "parameter":
            name = self.naming.weights.get(expr) or self._new(self.label(expr) or "k")
            self._names[expr], self.weights[name] = name, expr
            return name
        if expr in self.naming.lines or self._named(expr) or expr.op in ("div", "copy") or self._shared(expr):
            self._row(self.naming.lines.get(expr) or self._new(self.called(expr) or self._unnamed), expr)
            return self._names[expr]
        return self._right(expr)

    def _of_width(self, width: int) -> str:
        """A vector of some width: the input or a state, or one that is written already, or the first that is read."""
        for name, ids in self.reader.named.items():
            if ids.ndim == 1 and ids.size == width:
                return name
        for one in (*self._names, *self._readers):
            vector = not one.grid and (one.op != "parameter" or one.leaf.ndim == 1)
            if vector and one.width == width and all(inner.op != "ones" for inner in one.inside()):
                return self._text(one)
        raise LiftError(f"a matrix has a side of {width} units, and no vector of its equations has as many")

    def _named(self, expr: Expr) -> bool:
        """Whether the code has a variable for it, other than one that becomes a line's value step by step."""
        called = self.called(expr)
        return bool(called) and called not in self._known and not self._inline

    def _shared(self, expr: Expr) -> bool:
        """Whether several values read it, and it is more than an operation of names and numbers, such as 1 - u_t."""
        short = expr.op in _SHORT and all(not one.args or one in self._names for one in expr.args)
        return self._readers[expr] > 1 and not short
