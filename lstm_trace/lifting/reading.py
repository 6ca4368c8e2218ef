"""From numbers on a tape to values of equations: what was computed for whole arrays, for each part that is used.

A vector is a row of integers. If all of them come from one operation, the vector is that operation of the same parts of
its operands: so a slice of a stack of gates becomes the equation of one gate, with the rows of the weights that the
slice takes. A product with a concatenation becomes a sum of products.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..cell.ops import OPS
from .expressions import Expr, Expressions
from .tape import FIXED, CodeLine, Ids, Tape, TapeNode

#: Most parts that a vector is put together from.
_PARTS = 64


@dataclass
class Reader:
    """Reads the values of one step.

    named: the numbers that have names in equations, such as the row `x_t` of an input. variables: what the code calls
    values, and how deep in calls.
    """

    tape: Tape
    named: Mapping[str, Ids]
    exprs: Expressions = field(default_factory=Expressions)
    variables: dict[Expr, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        #: What has been read, by its numbers.
        self.known: dict[bytes, Expr] = {}
        self._code: CodeLine | None = None  # where what is being read is used
        self._names = [*self.named]
        # of every number the name that it belongs to, or -1, and its place there
        self._name, self._place = np.full(self.tape.size, -1, np.int32), np.zeros(self.tape.size, np.int32)
        for k, ids in enumerate(self.named.values()):
            self._name[ids], self._place[ids] = k, np.arange(len(ids))

    def called(self, expr: Expr) -> str:
        """What the code calls a value; empty if no variable holds it."""
        return self.variables.get(expr, (0, ""))[1]

    def vector(self, ids: Ids) -> Expr:
        """The value of a row of numbers."""
        ids = np.ascontiguousarray(ids).reshape(-1)
        if len(ids) > 1 and (ids == ids[0]).all():
            ids = ids[:1]
        key = ids.tobytes()
        if key not in self.known:
            code = self._code
            self.known[key] = made = self._vector(ids)
            self._code = code
            if made.args and key in self.tape.variables:
                self.variables[made] = min(self.variables.get(made, (99, "")), self.tape.variables[key])
        return self.known[key]

    def _vector(self, ids: Ids) -> Expr:
        owners = self.tape.owners(ids)
        node = self.tape.nodes[owners[0]]
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
            if len(ids) > 1:
                return self.exprs.make("concat", (self.vector(one) for one in ids[:, None]), (), node)
            operand = node.operands[0].reshape(-1, node.operands[0].shape[-1])[local[0]]
            return self.exprs.make(node.op, (self.vector(operand),), node.constants, node)
        operands = [self.vector(one.reshape(-1)[local]) for one in node.operands]
        made = self.exprs.make(node.op, operands, node.constants, node)
        if made.width not in (1, len(ids)):
            raise self.tape.refusal("its operands have widths that no equation can have", node)
        return made

    def _merged(self, ids: Ids, owners: Ids, runs: list[Ids]) -> Expr | None:
        """Numbers that a loop computed unit by unit, as one operation on vectors."""
        first, *others = nodes = [self.tape.nodes[k] for k in owners]
        computed = first.op == "dot" or (first.op in OPS and not OPS[first.op].reduces)
        if not computed or len(runs) < len(ids):
            return None
        if any((one.op, one.constants) != (first.op, first.constants) for one in others):
            return None
        local = [one - node.start for one, node in zip(ids, nodes, strict=True)]
        if first.op != "dot":
            pairs = [[one.flat[k] for one in node.operands] for node, k in zip(nodes, local, strict=True)]
            operands = [self.vector(np.array(one)) for one in zip(*pairs, strict=True)]
            return self.exprs.make(first.op, operands, first.constants, first)
        factors = [self._factors(node, np.array([k])) for node, k in zip(nodes, local, strict=True)]
        if len({a.shape for a, _ in factors}) > 1:
            return None
        a, b = (np.concatenate(one) for one in zip(*factors, strict=True))
        return self._weighted(a, b, first)

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
        if (self._name[ids] < 0).any():
            reader = node._replace(code=self._code)
            raise self.tape.refusal("one sequence of the batch, or one step, reads another", reader)
        name = self._names[self._name[ids[0]]]
        begin, end = int(self._place[ids[0]]), int(self._place[ids[-1]]) + 1
        whole = (begin, end) == (0, len(self.named[name]))
        part = "" if whole else f"[{begin}]" if end - begin == 1 else f"[{begin}:{end}]"
        return self.exprs.leaf("name", name + part, len(ids))

    def _weights(self, ids: Ids, owners: Ids) -> Expr:
        """Numbers that neither input nor state went into: weights, or a number of the code."""
        values = self.tape.values[ids]
        if (values == values[0]).all() and {self.tape.nodes[k].op for k in {*owners}} == {"constant"}:
            return self.exprs.number(values[0])
        return self.exprs.parameter(ids)

    # -- products --

    def _product(self, node: TapeNode, local: Ids) -> Expr:
        """Some numbers of a matrix product, as products of weight matrices and vectors."""
        a, b = self._factors(node, local)
        if (found := self._weighted(a, b, node)) is not None:
            return found
        if len(local) == 1:
            both = self.exprs.make("mul", (self.vector(a[0]), self.vector(b[0])), (), node)
            return self.exprs.make("sum", (both,), (), node)
        rows, columns = np.divmod(local, node.shape[1])
        for matrix, at in ((b, rows), (a, columns)):
            if self.tape.fixed(matrix) and len(parts := np.split(local, np.flatnonzero(np.diff(at)) + 1)) > 1:
                return self.exprs.make("concat", (self.vector(one + node.start) for one in parts), (), node)
        reason = "two computed matrices are multiplied, and an equation multiplies weights and a vector"
        raise self.tape.refusal(reason, node)

    def _factors(self, node: TapeNode, local: Ids) -> tuple[Ids, Ids]:
        """What is multiplied and summed for each of some numbers of a product, (n, k) twice."""
        left, right = node.operands
        rows, columns = np.divmod(local, right.shape[1])
        return _rows(left, rows), _rows(right.T, columns)

    def _weighted(self, a: Ids, b: Ids, node: TapeNode) -> Expr | None:
        """A product of weights with one vector, if that is what is multiplied and summed."""
        for matrix, vector in ((b, a), (a, b)):
            if self.tape.fixed(matrix) and (vector == vector[:1]).all():
                return self._terms(matrix, vector[0], node)
        return None

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


def _rows(array: Ids, places: Ids) -> Ids:
    """Some rows of an array, which may be large: without a copy if they follow one another, or are one."""
    if (np.diff(places) == 1).all():
        return array[places[0] : places[-1] + 1]
    if (places == places[0]).all():
        return np.broadcast_to(array[places[0]], (len(places), array.shape[1]))
    return array[places]
