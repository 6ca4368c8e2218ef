"""LSTM nodes of which each reads nothing but the one before are the layers of one stack: exporters write them so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..found import Defaults, Found
from .fold import NotConstant
from .graph import Graphs
from .origin import Origin
from .scope import Scope


@dataclass(frozen=True)
class Node:
    """An LSTM node that was read. origin: where its X comes from."""

    found: Found
    scope: Scope
    node: Any
    directions: tuple[str, ...]
    layout: int
    origin: Origin


def stacked(found: Sequence[Found | Node], graphs: Graphs) -> list[Found]:
    """The LSTMs in order, with the nodes of each stack joined to one."""
    nodes = [one for one in found if isinstance(one, Node)]
    by_output = {(id(n.scope), n.node.output[0]): n for n in nodes if n.node.output and n.node.output[0]}
    below: dict[int, Node] = {}
    for node in nodes:
        under = by_output.get((id(node.origin.scope), node.origin.name))
        if under is not None and under is not node and _fits(under, node, graphs):
            below[id(node)] = under
    above: dict[int, list[Node]] = {}
    for node in nodes:
        if id(node) in below:
            above.setdefault(id(below[id(node)]), []).append(node)
    chains = []
    for node in nodes:
        if id(node) in below and len(above[id(below[id(node)])]) == 1:
            continue
        chain = [node]
        while len(above.get(id(chain[-1]), [])) == 1 and len(chain) <= len(nodes):
            chain.append(above[id(chain[-1])][0])
        chains.append(chain)
    first = {id(chain[0]): chain for chain in chains}
    joined: list[Found] = []
    for one in found:
        if isinstance(one, Found):
            joined.append(one)
        elif id(one) in first:
            joined.append(_join(first[id(one)]))
    return _compared(joined)


def _compared(found: list[Found]) -> list[Found]:
    """The same; where one has the weights of another, as the branches of an If often have, it is said."""
    told: list[Found] = []
    for one in found:
        twin = next((f for f in told if not one.refused and _same(f.weights, one.weights)), None)
        told.append(replace(one, facts={**one.facts, "weights": f"those of {twin.name}"}) if twin else one)
    return told


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def _fits(under: Node, node: Node, graphs: Graphs) -> bool:
    """Whether `node` is the layer above `under`: same cell, same lengths, states of one kind, and Y joined to its X."""
    same = (
        under.directions == node.directions
        and under.layout == node.layout == 0
        and under.found.options == node.found.options
        and _value(under, 4) == _value(node, 4)
        and set(under.found.defaults.initial) == set(node.found.defaults.initial)
        and _rows(under) == _rows(node)
        and _kinds(under) == _kinds(node)
    )
    return same and _width(under) == node.found.sizes()["I"] and _joins(node, len(node.directions), graphs)


def _value(node: Node, at: int) -> str:
    return node.node.input[at] if len(node.node.input) > at else ""


def _rows(node: Node) -> set[int]:
    return {array.shape[1] for array in node.found.defaults.initial.values()}


def _kinds(node: Node) -> set[str]:
    return {key.split("/", 1)[1] for key in node.found.weights}


def _width(node: Node) -> int:
    return node.found.sizes()["H"] * len(node.directions)


def _joins(node: Node, count: int, graphs: Graphs) -> bool:
    """Whether Y (T, D, B, H) is turned into (T, B, D·H) on its way to X, and nothing else happens to it.

    X has three axes and its width agrees; so where the sizes of a Reshape are not known, they can be no others.
    """
    moves = [m for m in reversed(node.origin.moves) if m.op_type not in ("Identity", "Dropout", "Cast")]
    kinds = [m.op_type for m in moves]
    if kinds == ["Squeeze"]:
        return count == 1
    if kinds != ["Transpose", "Reshape"] or _perm(moves[0]) != [0, 2, 1, 3]:
        return False
    try:
        shape = np.ravel(graphs.constant(node.scope, moves[1].input[1])).tolist()
    except NotConstant:
        return True
    sizes = node.origin.scope.shapes.get(node.origin.name, (None,) * 4)  # of Y, where the file notes them
    if len(shape) != 3 or len(sizes) != 4:
        return False
    return all(
        given == 0 or given == size or (given > 0 and not size) for given, size in zip(shape, sizes[::2], strict=False)
    )


def _perm(node: Any) -> list[int]:
    return next((list(a.ints) for a in node.attribute if a.name == "perm"), [])


def _together(names: list[str]) -> str:
    """`/encoder/lstm` for `/encoder/lstm/LSTM` and `/encoder/lstm/LSTM_1`; names with + between where that fails."""
    folders = {name.rpartition("/")[0] for name in names}
    return folders.pop() if len(folders) == 1 and "" not in folders else "+".join(names)


def _states(chain: list[Node], state: str) -> Any:
    """The initial states of all layers, (L·D, B, H); a list with (B, H) for each where layers differ in width."""
    each = [node.found.defaults.initial[state] for node in chain]
    if len({array.shape[2] for array in each}) == 1:
        return np.concatenate(each)
    return [row for array in each for row in array]


def _join(chain: list[Node]) -> Found:
    """One LSTM of as many layers as the chain has nodes."""
    bottom = chain[0].found
    if len(chain) == 1:
        return bottom
    names = [node.found.name for node in chain]
    weights = {
        f"{layer}/{key.split('/', 1)[1]}": values
        for layer, node in enumerate(chain)
        for key, values in node.found.weights.items()
    }
    initial = {state: _states(chain, state) for state in bottom.defaults.initial}
    facts = {**bottom.facts, "nodes": ", ".join(names)}
    said = f"{len(chain)} LSTM nodes, each of which reads the one before, are the layers of one stack"
    return replace(
        bottom,
        name=_together(names),
        weights=weights,
        defaults=Defaults(initial=initial, lengths=bottom.defaults.lengths, batch_first=bottom.defaults.batch_first),
        imported=(*bottom.imported, said),
        facts=facts,
    )
