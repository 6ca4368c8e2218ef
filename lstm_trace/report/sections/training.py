"""Training by hand: the updated weights after each backward pass, and at the end the loss that they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ...backpropagation.training import Training, loss
from ...base.arrays import Array
from ...cell.lines import Cell, Line
from ...cell.network import layer_and_direction
from ...documents.blocks import Block, Derivation, Heading, Para, Row, Table, Text
from ...formulas.tex import Tex
from ...formulas.tree import Dots, Gradient, Mat, MatVec, Node, Num, Prod, Sym, Vec, formula, kept
from ...formulas.values import Values
from ...languages.strings import capital
from ...trace.trace import Trace
from ...view.view import UNITS, View
from ..content.backward import Backward
from ..content.value_blocks import changed, matrix, parts_of
from .backward import backward_pass, gradients
from .solution import solution

#: How the constants and lines of the update rules are printed, where the author has no symbol of that name.
RULES = {
    **{"rate": r"\eta", "momentum": r"\mu", "beta_1": r"\beta_1", "beta_2": r"\beta_2", "epsilon": r"\epsilon"},
    **{"m_hat": r"\hat{m}_t", "v_hat": r"\hat{v}_t"},
}


def symbols(training: Training, own: Mapping[str, Any]) -> dict[str, Any]:
    """The author's symbols with those of the parameters after each update, `W_xi^1`, and of the rule's constants."""
    printer = Tex(own)
    names = dict.fromkeys(address.rpartition("/")[2] for address in training.updates)
    after = {_after(name, k): f"{printer(Sym(name))}^{{({k})}}" for name in names for k in range(len(training.traces))}
    return {**RULES, **own, **after}


def training(shown: View) -> Iterator[Block]:
    """The weights after the first update; every further update; the forward pass and the loss after the last."""
    if shown.course is None:
        return
    done, views = shown.course
    yield Heading(2, shown.said("train.weights"))
    yield from _rule(shown, done)
    yield from _updated(shown, done, 1)
    for k, view in enumerate(views[1:-1], 2):
        yield Heading(2, shown.said("train.update", n=k))
        yield from map(_lower, solution(view))
        if isinstance(view.back, Backward):
            yield from map(_lower, backward_pass(view.back))
            yield from map(_lower, gradients(view.back))
        yield Heading(3, shown.said("train.weights"))
        yield from _updated(view, done, k)
    yield Heading(2, shown.said("train.after"))
    yield from map(_lower, solution(views[-1]))
    yield from _losses(shown, done)


def _lower(block: Block) -> Block:
    """A heading one level further down."""
    return replace(block, level=min(block.level + 1, 4)) if isinstance(block, Heading) else block


def _rule(shown: View, done: Training) -> Iterator[Block]:
    """The rule in symbols, and its constants."""
    cell = done.optimizer.cell
    names = _names(cell, Sym("w_prev"), Sym("w_t"))
    yield Para(shown.said("train.rule"))
    rows = [(Row((Sym(x.name),), (("=", _mapped(formula(x, cell), names)),)),) for x in cell.lines if x.assigned]
    yield Derivation(tuple(rows))
    constants: list[Text] = [(Sym(k), " = ", shown.num(v, given=True)) for k, v in done.optimizer.constants.items()]
    yield Para(shown.words.text("train.constants", constants=shown.words.listed(constants)))


def _updated(shown: View, done: Training, k: int) -> Iterator[Block]:
    """The parameters after update `k`, each as a line of matrices."""
    scopes = dict.fromkeys(address.rpartition("/")[0] for address in done.updates)
    for scope in scopes:
        if len(scopes) > 1:
            layer, direction = layer_and_direction(scope)
            there = [s for s in shown.trace.stages if (s.layer, s.direction) == (layer, direction)]
            yield Heading(4, capital((shown.place(*there),)))
        rows = []
        for address, trace in done.updates.items():
            at, _, name = address.rpartition("/")
            if at == scope:
                rows.append(tuple(_Updated(shown, trace, name, k, done).rows()))
        yield Derivation(tuple(rows))


class _Updated:
    """One parameter at update `k`: the lines of the rule with matrices for their numbers."""

    def __init__(self, shown: View, trace: Trace, name: str, k: int, done: Training) -> None:
        self.shown, self.name, self.k = shown, name, k
        self.values = Values(trace, shown.values.digits)
        self.stage = trace.stages[0]
        self.shape: tuple[int, ...] = next(
            here[name].shape for here in done.traces[0].parameters.values() if name in here
        )

    def rows(self) -> Iterator[Row]:
        """The rule's lines with a name, the parameter itself last."""
        cell = self.stage.cell
        for line in cell.lines:
            if line.assigned:
                yield self._row(line)

    def _row(self, line: Line) -> Row:
        cell = self.stage.cell
        before, after = Sym(_after(self.name, self.k - 1)), Sym(_after(self.name, self.k))
        names = _names(cell, before, after)
        left = names.get(line.name, Sym(line.name))
        tree = formula(line, cell)
        parts = [("=", _mapped(tree, names))]
        if self.shown.detail != "summary":
            read = {name for name in self.stage.through(line) if name.isidentifier()}
            put_in = _mapped(tree, {name: self._node(name) for name in read})
            parts.append(("=", put_in))
        return Row((left,), (*parts, (self._sign(line), self._node(line.name))), under=line.name != cell.lines[0].name)

    def _array(self, name: str) -> Array:
        found = self.values.array(self.stage.scope, name)
        assert found is not None
        return found

    def _node(self, name: str) -> Node:
        """A value as a number, a vector or a matrix."""
        values = self._array(name)
        if values.ndim == 1:  # a constant of the rule
            return self.shown.num(values[0], given=True)
        if values.shape[-1] == 1 and self.shape[-1] != 1:
            return self._num(name, 0, 0)
        most = None if self.shown.everything else UNITS
        if len(self.shape) == 1:
            return Vec(tuple(Dots("down") if j is None else self._num(name, 0, j) for j in kept(self.shape[0], most)))
        rows, columns = (kept(n, most) for n in self.shape)
        return matrix(rows, columns, partial(self._num, name))

    def _num(self, name: str, i: int, j: int) -> Num:
        return self.values.num(self.stage.scope, name, self.k - 1, i, (j,))

    def _sign(self, line: Line) -> str:
        """`=` where every number that is shown is exactly what was computed."""
        rows, width = (1, *self.shape)[-2:]
        most = None if self.shown.everything else UNITS
        signs = {
            self.values.scalar(self.stage, line, self.k - 1, i, j, whole=True).relation
            for i in kept(rows, most) for j in kept(width, most) if i is not None and j is not None
            and j < self._array(line.name).shape[-1]
        }  # fmt: skip
        return "=" if signs == {"="} else "≈"


def _names(cell: Cell, before: Node, after: Node) -> dict[str, Node]:
    """What the values of a rule are called where a parameter is `before` and becomes `after`; not its constants."""
    own: dict[str, Node] = {name: Sym(name) for name in (*cell.by_name, *cell.states) if name.isidentifier()}
    return own | {"w_prev": before, "g_t": Gradient(before), cell.output: after}


def _after(name: str, k: int) -> str:
    """The name that a parameter has in a report after update `k`."""
    return f"{name}^{k}"


def _mapped(node: Any, names: Mapping[str, Node]) -> Any:
    """A tree with other nodes in place of some symbols; before what a number multiplies stands no sign."""
    if isinstance(node, Sym):
        return names.get(node.name, node)
    if isinstance(node, Prod):
        left, right = _mapped(node.left, names), _mapped(node.right, names)
        wide = [any(isinstance(part, Mat | Vec) for part in parts_of(side)) for side in (left, right)]
        named = any(isinstance(part, Sym) and part.name in names for part in parts_of(node.left))
        constant = not named or wide == [False, True]
        return MatVec(left, right) if constant and not isinstance(left, Num) else Prod(left, right)
    return changed(node, lambda part: _mapped(part, names))


def _losses(shown: View, done: Training) -> Iterator[Block]:
    """The loss before each update and after the last, and how far each update brought it."""
    yield Heading(2, shown.said("train.loss"))
    values = [loss(trace, done.of) for trace in done.traces]
    rows: list[tuple[Text, ...]] = [
        ((str(k),), (shown.num(value),), (shown.num(value - values[k - 1]) if k else "",))
        for k, value in enumerate(values)
    ]
    head = tuple(shown.words.text(f"train.column.{name}") for name in ("updates", "loss", "change"))
    yield Table(head, tuple(rows))
