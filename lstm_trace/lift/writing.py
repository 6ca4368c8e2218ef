"""From numbers on a tape to equations: what was asked of whole arrays is asked of each part that is used by itself.

A vector is a row of integers. If all of them belong to one elementwise operation, the vector is that operation of the
same parts of its operands; so a slice of a stack of gates becomes an equation of that gate, and its weights the rows
that the slice takes. A product with a concatenation becomes a sum of products.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..cell.lines import number
from ..cell.ops import FUNCTIONS, OPS
from .tape import FIXED, Ids, Node, Tape


@dataclass(frozen=True, eq=False)
class Expr:
    """A value of an equation: an operation of others, or a leaf. key: equal for equal values; width: its units.

    op: of the operation table, or `name` (an input, a state, a part of one), `parameter`, `number`.
    """

    op: str
    args: tuple[Expr, ...] = ()
    constants: tuple[float, ...] = ()
    leaf: Any = None
    width: int = 1
    key: Any = None
    node: Node | None = None
    local: str = ""

    def same(self, other: Expr) -> bool:
        return self is other or self.key == other.key


@dataclass
class Parameter:
    """Numbers of the user's weights, in the order in which an equation needs them."""

    ids: Ids
    names: list[str] = field(default_factory=list)


def _number(value: float) -> Expr:
    return Expr("number", leaf=float(value), key=("number", float(value)))


class Reader:
    """Reads a tape."""

    def __init__(self, tape: Tape, roles: dict[int, str]) -> None:
        """roles: the start of a source node to its name in equations: `x_t`, `h_prev`."""
        self.tape, self.roles = tape, roles
        self.known: dict[bytes, Expr] = {}
        #: The time that is read; None reads back to the beginning. Vectors of earlier numbers are states.
        self.now: int | None = None
        self.states: list[bytes] = []
        self.parameters: dict[bytes, Expr] = {}
        self.local: dict[bytes, str] = tape.names

    # -- making expressions --

    def make(self, op: str, args: tuple[Expr, ...], constants: tuple[float, ...] = (), node: Node | None = None) -> Expr:
        """An operation, simplified where that is exact, and with its own name where functions are written out."""
        if op == "add":
            args, constants = _flat(args, constants)
            if len(args) == 1 and constants[0] > 0:
                return args[0]
            if len(args) == 1:
                op, constants = "neg", ()
        if op == "mul":
            for k in (0, 1):
                if args[k].op == "number" and args[k].leaf == 1:
                    return args[1 - k]
                if args[k].op == "number" and args[k].leaf == -1:
                    return self.make("neg", (args[1 - k],), (), node)
        if op == "div" and args[1].op == "number" and args[1].leaf == 1:
            return args[0]
        if op == "neg" and args[0].op == "neg":
            return args[0].args[0]
        if all(one.op == "number" for one in args) and op in OPS and not OPS[op].reduces:
            value = OPS[op].array([np.float64(one.leaf) for one in args], constants)
            return _number(float(value))
        if op == "where" and args[1].same(args[2]):
            return args[1]
        width = 1 if OPS[op].reduces else max((one.width for one in args), default=1)
        made = Expr(op, args, constants, width=width, key=(op, tuple(one.key for one in args), constants), node=node)
        for pattern in (_sigmoid, _tanh):
            if (inner := pattern(made)) is not None:
                name = pattern.__name__[1:]
                return Expr(name, (inner,), width=inner.width, key=(name, (inner.key,), ()), node=node)
        return made

    def vector(self, ids: Ids) -> Expr:
        """The value of a row of numbers."""
        ids = np.ascontiguousarray(ids).reshape(-1)
        key = ids.tobytes()
        if key not in self.known:
            if len(ids) > 1 and (ids == ids[0]).all():
                return self.vector(ids[:1])
            made = self._vector(ids)
            if key in self.local and not made.local and made.op not in ("name", "parameter", "number"):
                made = _with_local(made, self.local[key])
            self.known[key] = made
        return self.known[key]

    def _vector(self, ids: Ids) -> Expr:
        if self.now is not None:
            times = self.tape.times[ids]
            if (times < self.now).all() and (times > FIXED).all() and not self._through(ids):
                key = ids.tobytes()
                if key not in self.states:
                    self.states.append(key)
                name = f"state_{self.states.index(key)}"
                return Expr("name", leaf=name, width=len(ids), key=("name", name))
        if (self.tape.times[ids] == FIXED).all():
            owners = set(self.tape.owner(ids))
            if not all(self.tape.nodes[k].op in ("add", "mul", "neg") for k in owners) or len(owners) > 1:
                return self._parameter(ids)
        runs = self._runs(ids)
        if len(runs) > 1:
            if len(runs) > 64:
                raise self.tape.refuse("its numbers are put together from too many places", self.tape.nodes[self.tape.owner(ids[:1])[0]])
            parts = tuple(self.vector(run) for run in runs)
            widths = sum(len(run) for run in runs)
            return Expr("concat", parts, width=widths, key=("concat", tuple(p.key for p in parts), ()))
        node = self.tape.nodes[self.tape.owner(ids[:1])[0]]
        local = ids - node.start
        if node.op in ("x", "state"):
            size = int(np.prod(node.shape, dtype=int))
            name = self.roles[node.start]
            begin, end = int(local[0]), int(local[-1]) + 1
            text = name if (begin, end) == (0, size) else f"{name}[{begin}:{end}]" if end - begin > 1 else f"{name}[{begin}]"
            return Expr("name", leaf=text, width=len(ids), key=("name", text), node=node)
        if node.op == "dot":
            return self._product(node, local)
        if OPS[node.op].reduces:
            if len(local) > 1:
                parts = tuple(self.vector(ids[k : k + 1]) for k in range(len(ids)))
                return Expr("concat", parts, width=len(ids), key=("concat", tuple(p.key for p in parts), ()))
            operand = node.operands[0].reshape(-1, node.operands[0].shape[-1])[local[0]]
            return self.make(node.op, (self.vector(operand),), node.constants, node)
        args = tuple(self.vector(one.reshape(-1)[local]) for one in node.operands)
        made = self.make(node.op, args, node.constants, node)
        if made.width != len(ids) and len(ids) > 1 and made.width > 1:
            raise self.tape.refuse("its operands have widths that no equation can have", node)
        return made

    def _through(self, ids: Ids) -> bool:
        """Whether earlier numbers are products with weights of one earlier vector: then that vector is the state."""
        while True:
            owners = self.tape.owner(ids)
            node = self.tape.nodes[owners[0]]
            if (owners != owners[0]).any() or not node.operands:
                return False
            local = ids - node.start
            if node.op == "dot":
                return True
            parts = {one.reshape(-1)[local].tobytes() for one in node.operands if (self.tape.times[one.reshape(-1)[local]] > FIXED).any()}
            if len(parts) != 1 or OPS[node.op].reduces:
                return False
            ids = np.frombuffer(parts.pop(), np.int64)

    def _runs(self, ids: Ids) -> list[Ids]:
        """Parts that belong to one operation; of inputs and states, parts in sequence."""
        owners = self.tape.owner(ids)
        fixed = self.tape.times[ids] == FIXED
        sources = np.array([self.tape.nodes[k].op in ("x", "state") for k in owners])
        cut = (owners[1:] != owners[:-1]) & ~(fixed[1:] & fixed[:-1])
        if self.now is not None:
            old = (self.tape.times[ids] < self.now) & ~fixed
            cut = np.where(old[1:] & old[:-1], np.diff(ids) != 1, cut | (old[1:] != old[:-1]))
        cut |= sources[1:] & sources[:-1] & (np.diff(ids) != 1)
        return np.split(ids, np.flatnonzero(cut) + 1)

    def _parameter(self, ids: Ids) -> Expr:
        """A bias, or numbers that the code has."""
        values, ops = self.tape.values[ids], {self.tape.nodes[k].op for k in set(np.ravel(self.tape.owner(ids)))}
        if ids.ndim == 1 and ops == {"constant"} and (values == values[0]).all():
            return _number(values[0])
        key = (np.asarray(ids.shape).tobytes(), ids.tobytes())
        return self.parameters.setdefault(key, Expr("parameter", leaf=Parameter(ids), width=ids.shape[0], key=("parameter", *key)))

    def _product(self, node: Node, local: Ids) -> Expr:
        """Some numbers of a matrix product, as products of weight matrices and vectors."""
        left, right = node.operands
        rows, columns = np.divmod(local, right.shape[1])
        a, b = left[rows], right.T[columns]  # (n, k) each: what is multiplied and summed for every number
        fixed = [(self.tape.times[one] == FIXED).all() for one in (a, b)]
        for matrix, vector, known in ((b, a, fixed[1]), (a, b, fixed[0])):
            if known and (vector == vector[:1]).all():
                return self._terms(matrix, vector[0], node)
        if all(fixed):
            return self._parameter(local + node.start)
        if len(local) > 1 and any(fixed):
            cut = np.flatnonzero((rows[1:] != rows[:-1]) if fixed[1] else (columns[1:] != columns[:-1])) + 1
            parts = tuple(self.vector(run) for run in np.split(local + node.start, cut))
            return Expr("concat", parts, width=len(local), key=("concat", tuple(p.key for p in parts), ()))
        if len(local) == 1:
            both = self.make("mul", (self.vector(a[0]), self.vector(b[0])), (), node)
            return self.make("sum", (both,), (), node)
        raise self.tape.refuse("two computed matrices are multiplied; an equation multiplies a weight matrix and a vector", node)

    def _terms(self, matrix: Ids, vector: Ids, node: Node) -> Expr:
        terms = []
        begin = 0
        for run in self._runs(vector):
            part = matrix[:, begin : begin + len(run)]
            begin += len(run)
            operand = self.vector(run)
            if operand.op == "number" and len(run) == 1:
                column = self._parameter(np.ascontiguousarray(part[:, 0]))
                terms.append(self.make("mul", (operand, column), (), node))
                continue
            if operand.op in ("number", "parameter") or operand.width != len(run):
                raise self.tape.refuse("weights are multiplied by numbers that no input or state is part of", node)
            weight = self._parameter(np.ascontiguousarray(part))
            terms.append(Expr("matvec", (weight, operand), width=len(matrix), key=("matvec", (weight.key, operand.key), ()), node=node))
        return terms[0] if len(terms) == 1 else self.make("add", tuple(terms), (1.0,) * len(terms), node)


def _with_local(expr: Expr, local: str) -> Expr:
    return Expr(expr.op, expr.args, expr.constants, expr.leaf, expr.width, expr.key, expr.node, local)


def _flat(args: tuple[Expr, ...], signs: tuple[float, ...]) -> tuple[tuple[Expr, ...], tuple[float, ...]]:
    """Signed terms; a sum at the start of a sum is part of it, zeros are left out."""
    terms: list[tuple[Expr, float]] = []
    for k, (one, sign) in enumerate(zip(args, signs, strict=True)):
        if one.op == "number" and one.leaf == 0:
            continue
        if one.op == "neg":
            one, sign = one.args[0], -sign
        if one.op == "add" and not terms and sign > 0 and not one.local:
            terms += zip(one.args, one.constants, strict=True)
        elif one.op == "number" and one.leaf < 0:
            terms.append((_number(-one.leaf), -sign))
        else:
            terms.append((one, sign))
        del k
    if not terms:
        return (_number(0.0),), (1.0,)
    return tuple(t for t, _ in terms), tuple(s for _, s in terms)


# -- functions that are written out ----------------------------------------------------------------------------------


def _is(expr: Expr, value: float) -> bool:
    return expr.op == "number" and expr.leaf == value


def _scaled(expr: Expr) -> tuple[float, Expr]:
    """A value as a number times another value."""
    if expr.op == "neg":
        factor, inner = _scaled(expr.args[0])
        return -factor, inner
    if expr.op == "mul":
        for k in (0, 1):
            if expr.args[k].op == "number":
                factor, inner = _scaled(expr.args[1 - k])
                return expr.args[k].leaf * factor, inner
    if expr.op == "div" and expr.args[1].op == "number" and expr.args[1].leaf:
        factor, inner = _scaled(expr.args[0])
        return factor / expr.args[1].leaf, inner
    return 1.0, expr


def _terms_of(expr: Expr) -> tuple[float, list[tuple[float, Expr]]]:
    """A sum as its number and its other terms with their factors."""
    pairs = list(zip(expr.args, expr.constants, strict=True)) if expr.op == "add" else [(expr, 1.0)]
    constant, terms = 0.0, []
    for one, sign in pairs:
        if one.op == "number":
            constant += sign * one.leaf
        else:
            factor, inner = _scaled(one)
            terms.append((sign * factor, inner))
    return constant, terms


def _unclipped(expr: Expr) -> Expr:
    """What is clipped far out, where sigmoid and tanh are 0 or 1 to 8 digits, so that exp does not overflow."""
    while expr.op == "clip" and expr.constants[0] <= -18 and expr.constants[1] >= 18:
        expr = expr.args[0]
    return expr


def _exponent(factor: float, expr: Expr) -> tuple[float, Expr] | None:
    """The k and z of exp(k z)."""
    if factor != 1 or expr.op != "exp":
        return None
    k, inner = _scaled(expr.args[0])
    k2, inner = _scaled(_unclipped(inner))
    return k * k2, inner


def _sigmoid(expr: Expr) -> Expr | None:
    """The z of 1 / (1 + exp(-z)), exp(z) / (1 + exp(z)), (1 + tanh(z / 2)) / 2."""
    if expr.op == "sigmoid":
        inner = _unclipped(expr.args[0])
        return None if inner is expr.args[0] else inner
    if expr.op == "div":
        constant, terms = _terms_of(expr.args[1])
        if constant == 1 and len(terms) == 1 and (found := _exponent(*terms[0])):
            k, z = found
            if _is(expr.args[0], 1) and k == -1:
                return z
            if expr.args[0].same(terms[0][1]) and k == 1:
                return z
    factor, inner = _scaled(expr)
    constant, terms = _terms_of(inner)
    if inner.op == "add" and len(terms) == 1:
        constant, (scale, t) = constant * factor, (terms[0][0] * factor, terms[0][1])
        if constant == scale == 0.5 and t.op == "tanh":
            k, z = _scaled(t.args[0])
            if k == 0.5:
                return z
    return None


def _tanh(expr: Expr) -> Expr | None:
    """The z of (exp(z) - exp(-z)) / (exp(z) + exp(-z)), 2 σ(2 z) - 1 and their like."""
    if expr.op == "div":
        (ca, above), (cb, below) = _terms_of(expr.args[0]), _terms_of(expr.args[1])
        a = sorted(((_exponent(abs(f), e), f) for f, e in above), key=str)
        b = sorted(((_exponent(abs(f), e), f) for f, e in below), key=str)
        if all(e for e, _ in (*a, *b)) and len(a) == len(b):
            if not ca and not cb and len(a) == 2:
                plus = [e for e, f in a if e and f > 0]
                minus = [e for e, f in a if e and f < 0]
                if len(plus) == len(minus) == 1 and plus[0][0] == 1 and minus[0][0] == -1 and plus[0][1].same(minus[0][1]) and all(f > 0 for _, f in b) and sorted(e[0] for e, _ in b) == [-1, 1]:
                    return plus[0][1]
            if len(a) == 1 and a[0][0][1].same(b[0][0][1]) and a[0][0][0] == b[0][0][0] and cb == 1 and b[0][1] == 1:
                k = a[0][0][0]
                if (ca, a[0][1], k) in ((1, -1, -2), (-1, 1, 2)):
                    return a[0][0][1]
    if expr.op == "add":
        constant, terms = _terms_of(expr)
        if constant == -1 and len(terms) == 1 and terms[0][0] == 2 and terms[0][1].op == "sigmoid":
            k, z = _scaled(terms[0][1].args[0])
            if k == 2:
                return z
    return None


# -- text ------------------------------------------------------------------------------------------------------------


class Writer:
    """Equations in the grammar of cells. A value that has a name or is used twice gets an equation of its own."""

    def __init__(self, reserved: set[str]) -> None:
        self.rows: list[str] = []
        self.names: dict[Any, str] = {}  # key of a value to its name
        self.aliases: dict[str, str] = {}  # name in the equations to that in the code
        self.taken = set(reserved) | set(FUNCTIONS)
        self.parameters: dict[str, Parameter] = {}
        self.users: dict[Any, list[str]] = {}

    def fresh(self, wanted: str) -> str:
        wanted = re.sub(r"\W", "_", wanted) or "v"
        if wanted.endswith("_prev"):
            wanted = wanted.removesuffix("_prev") + "_old"
        name, k = wanted, 2
        while name in self.taken:
            name, k = f"{wanted}_{k}", k + 1
        self.taken.add(name)
        return name

    def assign(self, name: str, expr: Expr) -> None:
        """An equation with a name that is given."""
        self.rows.append(f"{name} = {self.right(expr)}")
        self.names[expr.key] = name

    planned: dict[Any, str] = {}
    equal: dict[str, str] = {}
    exact: dict[Any, str] = {}
    exprs: dict[Any, Expr] = {}

    def line(self, name: str, expr: Expr) -> None:
        """The equation of a line of a named cell: in its words where it is the same."""
        if expr.key in self.names:
            return
        right = self.right(expr)  # registers what it reads
        if name in self.equal:
            right = self.equal[name]
        if expr.local and expr.local != name:
            self.aliases[name] = expr.local
        self.rows.append(f"{name} = {right}")
        self.names[expr.key] = name

    def text(self, expr: Expr, level: int = 0) -> str:
        """A value within an equation. level: 0 sum, 1 product, 2 anything tighter."""
        if expr.key in self.planned and expr.key not in self.names:
            self.line(self.planned[expr.key], expr)
        if expr.key in self.names:
            return self.names[expr.key]
        if expr.op == "name":
            return str(expr.leaf)
        if expr.op == "number":
            return number(expr.leaf) if expr.leaf >= 0 or level == 0 else f"({number(expr.leaf)})"
        if expr.op == "parameter":
            return self._parameter(expr)
        if expr.local or expr.op == "div" or self.count.get(expr.key, 0) > 1:
            name = self.fresh(expr.local or "v")
            self.assign(name, expr)
            if expr.local:
                self.aliases[name] = expr.local
            return name
        text, own = self._operation(expr)
        return text if own >= level else f"({text})"

    def right(self, expr: Expr) -> str:
        """The right side of a value's own equation."""
        return self._operation(expr)[0] if expr.op not in ("name", "number", "parameter") else self.text(expr)

    def _operation(self, expr: Expr) -> tuple[str, int]:
        a = expr.args
        if expr.op == "add":
            parts = []
            for k, (one, sign) in enumerate(zip(a, expr.constants, strict=True)):
                text = self.text(one, 1 if k or sign < 0 else 0)
                parts.append((f"-{text}" if sign < 0 else text) if not k else f"{'-' if sign < 0 else '+'} {text}")
            return " ".join(parts), 0
        if expr.op in ("mul", "div"):
            sign = "*" if expr.op == "mul" else "/"
            return f"{self.text(a[0], 1)} {sign} {self.text(a[1], 2)}", 1
        if expr.op == "matvec":
            return f"{self.text(a[0], 2)} @ {self.text(a[1], 2)}", 1
        if expr.op == "neg":
            return f"-{self.text(a[0], 2)}", 1
        if expr.op == "greater":
            return f"({self.text(a[0], 1)} > {self.text(a[1], 1)})", 2
        op = OPS[expr.op]
        inside = [*(self.text(one) for one in a), *(number(c) for c in expr.constants)]
        return f"{op.function}({', '.join(inside)})", 2

    def _parameter(self, expr: Expr) -> str:
        name = self.exact.get(expr.key) or self.fresh(self.wanted(expr))
        self.names[expr.key] = name
        self.parameters[name] = expr.leaf
        return name

    count: dict[Any, int] = {}
    wanted: Any = None


def uses(roots: list[Expr]) -> dict[Any, int]:
    """How often each value that is an operation is an operand."""
    count: dict[Any, int] = {}
    seen: set[Any] = set()
    todo = list(roots)
    while todo:
        one = todo.pop()
        count[one.key] = count.get(one.key, 0) + 1
        if one.key not in seen:
            seen.add(one.key)
            todo += one.args
    return count
