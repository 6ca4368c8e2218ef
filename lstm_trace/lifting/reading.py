"""From numbers on a tape to values of equations: what was computed for whole arrays, for each part that is used.

A vector is a row of integers. If all of them come from one operation, the vector is that operation of the same parts of
its operands: so a slice of a stack of gates becomes the equation of one gate, with the rows of the weights that the
slice takes. A product with a concatenation becomes a sum of products.

So do rows and columns of integers become a matrix: a vector in all its columns is `outer(v, ones(u))`, a sum over one
axis a product with ones, and so on down to the states. Of these an array may have the transpose; since `C.T @ v` is
`v @ C`, it is written nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ..cell.ops import OPS
from ..errors import LiftError
from .expressions import Expr, Expressions
from .tape import FIXED, CodeLine, Ids, Tape, TapeNode

#: Most parts that a vector is put together from.
_PARTS = 64


@dataclass
class Reader:
    """Reads the values of one step.

    named: the numbers that have names in equations, such as the row `x_t` of an input; of a matrix in rows and columns.
    variables: what the code calls values, and how deep in calls.
    """

    tape: Tape
    named: dict[str, Ids]
    exprs: Expressions = field(default_factory=Expressions)
    variables: dict[Expr, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        #: What has been read, by its numbers.
        self.known: dict[bytes, Expr] = {}
        self._code: CodeLine | None = None  # where what is being read is used
        self._matrices: dict[tuple[int, ...], dict[bytes, Expr]] = {}
        self._names = [*self.named]
        x = self.named["x_t"]
        self._axes = 1 + (np.prod(self.tape.owner(x).shape) > x.size)  # of a vector of every sequence
        if odd := [f"{name} has {ids.ndim} axes" for name, ids in self.named.items() if ids.ndim > 2]:
            raise LiftError(f"{odd[0]}, and equations have vectors and matrices: lift one head, or one channel")
        # of every number the name that it belongs to, or -1, and its place there
        self._name, self._place = np.full(self.tape.size, -1, np.int32), np.zeros(self.tape.size, np.int32)
        for k, ids in enumerate(self.named.values()):
            self._name[ids], self._place[ids] = k, np.arange(ids.size).reshape(ids.shape)

    def called(self, expr: Expr) -> str:
        """What the code calls a value; empty if no variable holds it."""
        return self.variables.get(expr, (0, ""))[1]

    def value(self, ids: Ids) -> Expr:
        """The value of numbers in a row, or in rows and columns."""
        found = self.matrix(ids) if ids.ndim == 2 else self.vector(ids)
        found = self.exprs.exchanged(found.args[0]) if found.op == "transpose" else found
        if found.op == "transpose":
            reason = "a matrix is returned with its rows and columns exchanged, and equations have no transpose"
            raise self.tape.refusal(reason, self.tape.owner(ids))
        return found

    def vector(self, ids: Ids) -> Expr:
        """The value of a row of numbers."""
        if len(ids := np.ascontiguousarray(ids).reshape(-1)) > 1 and (ids == ids[0]).all():
            ids = ids[:1]
        return self._once(self.known, ids, self._vector)

    def _once(self, known: dict[bytes, Expr], ids: Ids, read: Callable[[Ids], Expr]) -> Expr:
        """What is known of some numbers, or is read now, with a note of what the code calls it."""
        if (key := ids.tobytes()) not in known:
            code = self._code
            known[key] = made = read(ids)
            self._code = code
            if made.args and key in self.tape.variables:
                self.variables[made] = min(self.variables.get(made, (99, "")), self.tape.variables[key])
        return known[key]

    def _vector(self, ids: Ids) -> Expr:
        owners = self.tape.owners(ids)
        node = self.tape.nodes[owners[0]]
        # a part of a matrix is used by what reads it
        if self._code is None or sum(size > 1 for size in node.shape) <= self._axes:
            self._code = node.code or self._code
        if self.tape.fixed(ids) and not (node.op in ("add", "neg") and (owners == owners[0]).all()):
            return self._weights(ids, owners)
        if len(runs := self._runs(ids)) > 1:
            if (merged := self._merged(ids, owners, runs)) is not None:
                return merged
            if len(runs) > _PARTS:
                raise self.tape.refusal(f"a vector is put together from more than {_PARTS} places", node)
            return self.exprs.make("concat", map(self.vector, runs), (), node)
        if node.op in ("x", "state") or self._name[ids[0]] >= 0:
            return self._part(ids, node)
        local = ids - node.start
        if node.op == "dot":
            return self._product(node, local)
        if OPS[node.op].reduces:
            (operand,) = node.read(local)
            if len(ids) == 1:
                with suppress(LiftError):  # of a matrix
                    return self.exprs.make(node.op, (self.vector(operand[0]),), node.constants, node)
                return self.exprs.make(node.op, (self.value(self.tape.grid(operand[0])),), node.constants, node)
            with suppress(LiftError):  # of parts of a vector
                if node.op != "max":
                    share = self.tape.number(1.0 if node.op == "sum" else 1 / operand.shape[1])
                    return self._read_out(operand, np.broadcast_to(share, operand.shape[1:]), node)
            return self.exprs.make("concat", (self.vector(one) for one in ids[:, None]), (), node)
        operands = [self.vector(one.reshape(-1)[local]) for one in node.operands]
        made = self.exprs.make(node.op, operands, node.constants, node)
        if made.width not in (1, len(ids)):
            raise self.tape.refusal("its operands have widths that no equation can have", node)
        return made

    def _merged(self, ids: Ids, owners: Ids, runs: list[Ids]) -> Expr | None:
        """Numbers that a loop computed unit by unit, as one operation on vectors."""
        node = self.tape.nodes[owners[0]]
        computed = node.op == "dot" or (node.op in OPS and not OPS[node.op].reduces)
        if not computed or len(runs) < len(ids) or (operands := self._gathered(ids, owners)) is None:
            return None
        if node.op == "dot":
            with suppress(LiftError):
                return self._multiplied(operands[0], operands[1], node)
            return None
        return self.exprs.make(node.op, map(self.vector, operands), node.constants, node)

    def _gathered(self, ids: Ids, owners: Ids) -> list[Ids] | None:
        """What numbers are computed from that one operation has made, at once or part by part."""
        nodes = {k: self.tape.nodes[k] for k in np.unique(owners)}
        if len({(node.op, node.constants) for node in nodes.values()}) > 1:
            return None
        each = [node.read(ids[owners == k] - node.start) for k, node in nodes.items()]
        if len({tuple(one.shape[1:] for one in parts) for parts in each}) > 1:
            return None
        found = [np.empty(ids.shape + one.shape[1:], np.int64) for one in each[0]]
        for k, parts in zip(nodes, each, strict=True):
            for whole, one in zip(found, parts, strict=True):
                whole[owners == k] = one
        return found

    def _runs(self, ids: Ids) -> list[Ids]:
        """Parts that come from one operation; of inputs and states, parts that stand there in a row."""
        owners = self.tape.owners(ids)
        named = self._name[ids] >= 0
        given = named | np.array([self.tape.nodes[k].op in ("x", "state") for k in owners])
        weights = self.tape.times[ids] == FIXED
        cut = (owners[1:] != owners[:-1]) & ~(weights[1:] & weights[:-1]) & ~(named[1:] & named[:-1])
        cut |= named[1:] != named[:-1]
        cut |= given[1:] & given[:-1] & ((np.diff(self._place[ids]) != 1) | (np.diff(self._name[ids]) != 0))
        return np.split(ids, np.flatnonzero(cut) + 1)

    # -- leaves --

    def _part(self, ids: Ids, node: TapeNode) -> Expr:
        """An input or a state, or a part of one."""
        reader = node._replace(code=self._code)
        if (self._name[ids] < 0).any():
            raise self.tape.refusal("one sequence of the batch, or one step, reads another", reader)
        name = self._names[self._name[ids[0]]]
        if self.named[name].ndim > 1:
            reason = "a part of a matrix is read, and an equation has the whole one: no row, no entry, no max of a row"
            if len(ids) == self.named[name].size:
                reason = "a matrix is read or returned as one vector, and an equation has it in rows and columns"
            raise self.tape.refusal(reason, reader)
        begin, end = int(self._place[ids[0]]), int(self._place[ids[-1]]) + 1
        whole = (begin, end) == (0, len(self.named[name]))
        part = "" if whole else f"[{begin}]" if end - begin == 1 else f"[{begin}:{end}]"
        return self.exprs.leaf("name", name + part, len(ids))

    def _weights(self, ids: Ids, owners: Ids) -> Expr:
        """Numbers that neither input nor state went into: weights, or a number of the code."""
        values = self.tape.values[ids]
        if (values == values.flat[0]).all() and {self.tape.nodes[k].op for k in {*owners.flat}} == {"constant"}:
            return self.exprs.number(values.flat[0])
        return self.exprs.parameter(ids, ids.shape if ids.ndim == 2 else ())

    # -- matrices --

    def matrix(self, ids: Ids) -> Expr:
        """The value of numbers in rows and columns; of the transpose of a state, an operation `transpose`."""
        return self._once(self._matrices.setdefault(ids.shape, {}), ids, self._matrix)

    def _matrix(self, ids: Ids) -> Expr:
        for rows, side in ((ids, 1), (ids.T, -1)):  # all rows, or all columns, are the same
            if (rows == rows[:1]).all():
                pair = self.exprs.leaf("ones", len(rows), len(rows)), self.vector(rows[0])
                return self.exprs.make("outer", pair[::side]) if pair[1].width > 1 else pair[1]
        owners = self.tape.owners(ids)
        node = self.tape.nodes[owners[0, 0]]
        self._code = node.code or self._code
        outer = node.op == "dot" and node.operands[0].shape[1] == 1
        computed = outer or (node.op in OPS and OPS[node.op].keeps)
        operands = self._gathered(ids, owners) if computed else None
        if self.tape.fixed(ids) and operands is None:
            return self._weights(ids, owners)
        if abs(ids[1, 0] - ids[0, 0]) < abs(ids[0, 1] - ids[0, 0]):
            return self.exprs.turned(self.matrix(ids.T))
        name = self._names[self._name[ids[0, 0]]] if self._name[ids[0, 0]] >= 0 else ""
        if name and np.array_equal(ids, self.named[name]):
            return self.exprs.leaf("name", name, ids.size, ids.shape)
        if name or operands is None:
            if node.op == "dot" and 1 not in node.shape:
                raise self._product_refusal(node)
            reason = "a matrix is a vector in another shape, or a part of another matrix, or several: no equation is so"
            raise self.tape.refusal(reason, node._replace(code=self._code))
        each = [self.matrix(one[..., 0] if outer else one) for one in operands]
        return self.exprs.make("mul" if outer else node.op, each, node.constants, node)

    def _read_out(self, matrix: Ids, vector: Ids, node: TapeNode) -> Expr:
        """The product of a computed matrix and a vector."""
        if len(vector) == 1:
            return self.exprs.make("mul", (self.vector(matrix[:, 0]), self.vector(vector)), (), node)
        left, right = self.matrix(matrix), self.vector(vector)
        if not left.grid:
            raise self.tape.refusal("a number that is repeated is multiplied as a matrix", node)
        if right.width < len(vector):
            right = self.exprs.make("mul", (right, self.exprs.leaf("ones", len(vector), len(vector))), (), node)
        elif right.op == "parameter":  # beside @ it would be the matrix
            right = self.exprs.make("copy", (right,), (), node)
        return self.exprs.make("memvec", (left, right), (), node)

    # -- products --

    def _product(self, node: TapeNode, local: Ids) -> Expr:
        """Some numbers of a matrix product, as products of weight matrices and vectors."""
        a, b = node.read(local)
        if (found := self._multiplied(a, b, node)) is not None:
            return found
        if len(local) == 1:
            both = self.exprs.make("mul", (self.vector(a[0]), self.vector(b[0])), (), node)
            return self.exprs.make("sum", (both,), (), node)
        rows, columns = np.divmod(local, node.shape[1])
        for matrix, at in ((b, rows), (a, columns)):
            if self.tape.fixed(matrix) and len(parts := np.split(local, np.flatnonzero(np.diff(at)) + 1)) > 1:
                return self.exprs.make("concat", (self.vector(one + node.start) for one in parts), (), node)
        raise self._product_refusal(node)

    def _product_refusal(self, node: TapeNode) -> LiftError:
        both = "a weight and a computed matrix" if any(map(self.tape.fixed, node.operands)) else "two computed matrices"
        return self.tape.refusal(f"{both} are multiplied, and an equation multiplies weights and a vector", node)

    def _multiplied(self, a: Ids, b: Ids, node: TapeNode) -> Expr | None:
        """A product of weights, or of a computed matrix, with one vector, if that is what is multiplied and summed."""
        pairs = [(matrix, vector[0]) for matrix, vector in ((b, a), (a, b)) if (vector == vector[:1]).all()]
        for matrix, vector in pairs:
            if self.tape.fixed(matrix):
                return self._terms(matrix, vector, node)
        return self._read_out(*pairs[0], node) if pairs and len(a) > 1 else None

    def _terms(self, matrix: Ids, vector: Ids, node: TapeNode) -> Expr:
        """A product of weights with a vector that is put together from others: a sum of products."""
        terms, begin = [], 0
        for run in self._runs(vector):
            part = matrix[:, begin : begin + len(run)]
            begin += len(run)
            if not self.tape.fixed(run):
                if (operand := self.vector(run)).width != len(run):
                    raise self.tape.refusal("weights are multiplied by one number that is repeated", node)
                terms.append(self.exprs.make("matvec", (self.exprs.parameter(part), operand), (), node))
            elif len(run) == 1:  # of a vector that ends in a 1, so that the matrix has the bias in its last column
                column = self._weights(part[:, 0], self.tape.owners(part[:, 0]))
                terms.append(self.exprs.make("mul", (self.vector(run), column), (), node))
            else:
                raise self.tape.refusal("weights are multiplied by weights and by a vector in one product", node)
        return self.exprs.make("add", terms, (1.0,) * len(terms), node)
