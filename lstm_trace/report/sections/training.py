"""Training by hand: the updated weights after each backward pass, and finally the loss that they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, pairwise
from typing import Any, cast

from ...backpropagation.training import Training, loss
from ...base.arrays import Array
from ...cell.lines import Cell, Line
from ...cell.network import scope_and_name
from ...documents.blocks import Block, Derivation, Heading, Para, Row, Table, Text
from ...formulas.tex import Tex
from ...formulas.tree import Gradient, Mat, MatVec, Node, Num, Prod, Sym, Vec, formula, kept, matrix, parts_of
from ...formulas.values import Values
from ...languages.strings import capital
from ...trace.trace import Trace
from ...view.view import UNITS, View
from ..content.backward import Backward
from ..content.value_blocks import column
from .backward import backward_pass, gradients
from .solution import solution

#: How the constants and lines of the update rules are printed, unless the author has a symbol of that name.
RULES = {
    **{"rate": r"\eta", "momentum": r"\mu", "beta_1": r"\beta_1", "beta_2": r"\beta_2", "epsilon": r"\epsilon"},
    **{"m_hat": r"\hat{m}_t", "v_hat": r"\hat{v}_t"},
}


def symbols(training: Training, own: Mapping[str, Any]) -> dict[str, Any]:
    """The author's symbols with those of the parameters after each update, `W_xi^1`, and of the rule's constants."""
    printer = Tex(own)
    names = dict.fromkeys(scope_and_name(address)[1] for address in training.updates)
    after = {_after(name, k): f"{printer(Sym(name))}^{{({k})}}" for name in names for k in range(len(training.traces))}
    return {**RULES, **own, **after}


def training(course: tuple[Training, tuple[View, ...]]) -> Iterator[Block]:
    """The weights after the first update; every further update; the forward pass and the loss after the last.

    course: the updates, with a view of each of their traces.
    """
    done, views = course
    shown = views[0]
    yield Heading(2, shown.said("train.weights"))
    cell = done.optimizer.cell
    names = _names(cell, Sym("w_prev"), Sym("w_t"))
    yield Para(shown.said("train.rule"))
    rows = [(Row((Sym(x.name),), (("=", _mapped(formula(x, cell), names)),)),) for x in cell.lines if x.assigned]
    yield Derivation(tuple(rows))
    constants: list[Text] = [(Sym(k), " = ", shown.num(v, given=True)) for k, v in done.optimizer.constants.items()]
    yield Para(shown.words.text("train.constants", constants=shown.words.listed(constants)))
    yield from _updated(shown, done, 1)
    for k, view in enumerate(views[1:-1], 2):
        yield Heading(2, shown.said("train.update", n=k))
        yield from map(_lower, solution(view))
        if isinstance(view.back, Backward):
            yield from map(_lower, chain(backward_pass(view.back), gradients(view.back)))
        yield Heading(3, shown.said("train.weights"))
        yield from _updated(view, done, k)
    yield Heading(2, shown.said("train.after"))
    yield from map(_lower, solution(views[-1]))
    yield Heading(2, shown.said("train.loss"))
    losses = [loss(trace, done.of) for trace in done.traces]
    changes: list[str | Num] = ["", *(shown.num(b - a) for a, b in pairwise(losses))]
    head = tuple(shown.words.text(f"train.column.{name}") for name in ("updates", "loss", "change"))
    each = enumerate(zip(losses, changes, strict=True))
    yield Table(head, tuple(((str(k),), (shown.num(value),), (change,)) for k, (value, change) in each))


def _lower(block: Block) -> Block:
    """A heading one level further down."""
    return replace(block, level=min(block.level + 1, 4)) if isinstance(block, Heading) else block


def _updated(shown: View, done: Training, k: int) -> Iterator[Block]:
    """The parameters after update `k`, each as a line of matrices."""
    found: dict[str, list[tuple[Row, ...]]] = {}
    for address, trace in done.updates.items():
        scope, name = scope_and_name(address)
        shape = done.traces[0].parameters[scope][name].shape
        found.setdefault(scope, []).append(tuple(_rows(shown, trace, shape, name, k)))
    for scope, rows in found.items():
        if len(found) > 1:
            yield Heading(4, capital((shown.place(shown.trace.stage(scope)),)))
        yield Derivation(tuple(rows))


def _rows(shown: View, trace: Trace, shape: tuple[int, ...], name: str, k: int) -> Iterator[Row]:
    """A parameter at update `k`: the lines of the rule, the parameter's own last, with matrices for their numbers."""
    stage, most = trace.stages[0], None if shown.everything else UNITS
    values, cell = Values(trace, shown.values.digits), stage.cell
    array = cast(Callable[[str], Array], partial(values.array, stage.scope))

    def num(line: str, i: int, j: int) -> Num:
        return values.num(stage.scope, line, k - 1, i, (j,))

    def node(line: str) -> Node:
        """A value as a number, a vector or a matrix."""
        there, entry = array(line), partial(num, line)
        if there.ndim == 1:  # a constant of the rule
            return shown.num(there[0], given=True)
        if there.shape[-1] == 1 and shape[-1] != 1:
            return entry(0, 0)
        if len(shape) == 1:
            return column(kept(shape[0], most), partial(entry, 0))
        rows, columns = (kept(n, most) for n in shape)
        return matrix(rows, columns, entry)

    def is_exact(line: Line) -> bool:
        """Whether every number that is shown is exactly what was computed."""
        rows, units = (kept(n, most) for n in (1, *shape)[-2:])
        there = [j for j in units if j is not None and j < array(line.name).shape[-1]]
        places = ((i, j) for i in rows for j in there if i is not None)
        return all(values.scalar(stage, line, k - 1, i, j, whole=True).relation == "=" for i, j in places)

    names = _names(cell, Sym(_after(name, k - 1)), Sym(_after(name, k)))
    for line in cell.lines:
        if line.assigned:
            tree = formula(line, cell)
            parts = [("=", _mapped(tree, names))]
            if shown.detail != "summary":
                read = {name: node(name) for name in stage.through(line) if name.isidentifier()}
                parts.append(("=", _mapped(tree, read)))
            parts.append(("=" if is_exact(line) else "≈", node(line.name)))
            yield Row((names.get(line.name, Sym(line.name)),), tuple(parts), under=line.name != cell.lines[0].name)


def _names(cell: Cell, before: Node, after: Node) -> dict[str, Node]:
    """The names of the values of a rule in which a parameter is `before` and becomes `after`; not its constants."""
    own: dict[str, Node] = {name: Sym(name) for name in (*cell.by_name, *cell.states) if name.isidentifier()}
    return own | {"w_prev": before, "g_t": Gradient(before), cell.output: after}


def _after(name: str, k: int) -> str:
    """The name that a parameter has in a report after update `k`."""
    return f"{name}^{k}"


def _mapped(node: Node, names: Mapping[str, Node]) -> Node:
    """A tree with other nodes in place of some symbols; what a number multiplies has no sign before it."""
    if isinstance(node, Sym):
        return names.get(node.name, node)
    if isinstance(node, Prod):
        left, right = _mapped(node.left, names), _mapped(node.right, names)
        wide = [any(isinstance(part, Mat | Vec) for part in parts_of(side)) for side in (left, right)]
        named = any(isinstance(part, Sym) and part.name in names for part in parts_of(node.left))
        constant = not named or wide == [False, True]
        return MatVec(left, right) if constant and not isinstance(left, Num) else Prod(left, right)
    return node.remade(partial(_mapped, names=names))
