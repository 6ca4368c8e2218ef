"""ONNX files: every LSTM, GRU and RNN node, in the model's graph and in the bodies of If, Loop and Scan.

The equations are those of the operator's specification, computed as in onnxruntime where the two differ: the clip
bounds the inputs of the gates and of the candidate, not the cell state before its squash; with input_forget every
weight of the forget gate is ignored; missing constants of Affine, ScaledTanh and ThresholdedRelu are 0.
Sources: onnx/defs/rnn/defs.cc and old.cc; onnxruntime/core/providers/cpu/rnn.
Nodes that each read only the previous one are the layers of one stack: exporters write them this way. A file without
such a node is read by `lifting.graphs.onnx_graph`, which takes the recurrence from the graph itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...base.conveniences import Convenience
from ...errors import FileError, LstmTraceError, some
from ..find import one_cell
from ..guards import check_file
from ..layouts import ANY, LAYOUTS, OTHERS, Layout
from ..names import Array, Group, distinct
from ..read import Defaults, Found, Wiring, stack, stated
from .constants import NotConstant, arrays as arrays, load  # arrays: the initializers, by name
from .graph import Graphs, Origin, Scope, attributes, described, origin, readouts, standard
from .node import OPERATORS, ROLES, NodeReading, Refused, facts_of, initial, lengths, options_of, read_arrays


class Node(NamedTuple):
    """A node that was read. origin: where its X comes from."""

    found: Found
    reading: NodeReading
    origin: Origin


def stacked(found: Sequence[Found | Node], graphs: Graphs) -> list[Found]:
    """The cells in order, with the nodes of each stack joined into one."""
    nodes = [one for one in found if isinstance(one, Node)]
    by_output = {(n.reading.scope, *n.reading.node.output[:1]): n for n in nodes if any(n.reading.node.output[:1])}
    above: dict[int, list[Node]] = {}  # the layers that may follow a node; only one of them can
    for node in nodes:
        under = by_output.get((node.origin.scope, node.origin.name))
        if under is not None and under is not node and _fits(under, node, graphs):
            above.setdefault(id(under), []).append(node)
    upper = {id(layers[0]) for layers in above.values() if len(layers) == 1}
    joined: list[Found] = []
    for one in found:
        if isinstance(one, Found):
            joined.append(one)
        elif id(one) not in upper:
            chain = [one]
            while len(layers := above.get(id(chain[-1]), [])) == 1 and len(chain) <= len(nodes):
                chain += layers
            joined.append(_join(chain))
    return _compared(joined)


def _compared(found: list[Found]) -> list[Found]:
    """The same, with a note if one has the weights of another, as the branches of an If often have."""

    def same(a: Found, b: Found) -> bool:
        return a.weights.keys() == b.weights.keys() and all(map(np.array_equal, a.weights.values(), b.weights.values()))

    told: list[Found] = []
    for one in found:
        twin = None if one.refused else next((other.name for other in told if same(one, other)), None)
        told.append(one if twin is None else replace(one, facts={**one.facts, "weights": f"those of {twin}"}))
    return told


def _fits(under: Node, node: Node, graphs: Graphs) -> bool:
    """Whether `node` is the layer above `under`: same cell, same lengths, states of one kind, and Y joined to its X."""
    pair = (under, node)
    alike = (
        [one.found.form for one in pair],
        [one.reading.input("sequence_lens") for one in pair],
        [under.found.sizes()["H"] * len(under.reading.directions), node.found.sizes()["I"]],
    )
    return (
        all(first == second for first, second in alike)
        and not any(one.reading.facts.get("layout") for one in pair)
        and len({array.shape[1] for one in pair for array in one.found.defaults.initial.values()}) < 2
        and _joins(node, len(node.reading.directions), graphs)
    )


def _joins(node: Node, count: int, graphs: Graphs) -> bool:
    """Whether Y (T, D, B, H) is converted to (T, B, D·H) on its way to X, and nothing else happens to it.

    X has three axes and its width agrees; so if the sizes of a Reshape are unknown, they can have no other values.
    """
    moves = [m for m in reversed(node.origin.moves) if m.op_type not in ("Identity", "Dropout", "Cast")]
    if (kinds := [m.op_type for m in moves]) == ["Squeeze"]:
        return count == 1
    if kinds != ["Transpose", "Reshape"]:
        return False
    if [list(a.ints) for a in moves[0].attribute if a.name == "perm"] != [[0, 2, 1, 3]]:
        return False
    try:
        shape = np.ravel(graphs.constant(node.reading.scope, moves[1].input[1])).tolist()
    except NotConstant:
        return True
    sizes = node.origin.scope.shapes.get(node.origin.name, (None,) * 4)  # of Y, if noted in the file
    if len(shape) != 3 or len(sizes) != 4:
        return False
    return all(given in (0, size) or (given > 0 and not size) for given, size in zip(shape, sizes[::2], strict=False))


def _join(chain: list[Node]) -> Found:
    """One cell with as many layers as the chain has nodes."""
    bottom = chain[0].found
    if len(chain) == 1:
        return bottom
    names = [node.found.name for node in chain]
    folder, *others = {name.rpartition("/")[0] for name in names}  # `/enc` for `/enc/LSTM` and `/enc/LSTM_1`
    initial: dict[str, Any] = {}  # (L·D, B, H); a list of (B, H) if layers differ in width
    for state in bottom.defaults.initial:
        each = [node.found.defaults.initial[state] for node in chain]
        alike = len({array.shape[2] for array in each}) == 1
        initial[state] = np.concatenate(each) if alike else [row for array in each for row in array]
    said = f"{len(chain)} {bottom.noun} nodes, each of which reads the one before, are the layers of one stack"
    whole = stack([node.found for node in chain], "+".join(names) if others or not folder else folder, said)
    facts = {**bottom.facts, "nodes": ", ".join(names)}
    first, last = (node.found.defaults.wiring for node in (chain[0], chain[-1]))
    wiring = first and last and replace(first, heads=last.heads)
    return replace(whole, defaults=replace(bottom.defaults, initial=initial, wiring=wiring), facts=facts)


_CELLS = {operator.kind: cell for cell, operator in OPERATORS.items()}


def read(path: str | Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs, GRUs and RNNs of an ONNX file; those that cannot be traced are returned as refused.

    Layers of one stack (nodes that each read only the previous one) are one cell. layout: must be None, since the
    operator defines how its weights are stored (`read_model` rejects others). Raises MissingError without onnx,
    FileError if the file is not an ONNX model, is truncated, or refers to unsafe external data.
    """
    model, tensors = load(Path(path))
    graphs = Graphs(model, tensors)
    number = opset_of(model)
    nodes = [*graphs.nodes()]
    places = [(s, n) for s, n in nodes if any(kind in n.op_type for kind in ("LSTM", "GRU")) or _is_known(n)]
    made = " ".join(filter(None, (model.producer_name, model.producer_version)))
    by = {"made by": made} if made else {}
    if not places:
        try:
            written = Convenience[list[Found]]("onnx.graph")(model, tensors)
        except FileError:
            raise
        except LstmTraceError as reason:
            kinds = some(sorted({node.op_type for _, node in nodes}), 12) or "none"
            said = f"no {ANY} node was found (its operators are {kinds}), and its graph is not read as a cell"
            raise FileError(f"{path}: {said}: {reason}") from None
        return [replace(f, facts={**f.facts, "opset": str(number), **by}) for f in written]
    found: list[Found | Node] = [
        _one(name, scope, node, graphs, number) if _is_known(node) else _other(name, node)
        for name, (scope, node) in zip(_names(places), places, strict=True)
    ]
    return [f if f.refused else replace(f, facts=_made(f, number) | by) for f in stacked(found, graphs)]


def _is_known(node: Any) -> bool:
    return standard(node) and node.op_type in _CELLS


def _made(found: Found, opset: int) -> dict[str, str]:
    """The facts of a cell, with the version of its operator."""
    schema = OPERATORS[found.cell].schema(opset)
    return {**found.facts, "opset": f"{opset} ({schema.name} of version {schema.since_version})"}


def _names(places: list[tuple[Scope, Any]]) -> list[str]:
    """Names of nodes: their own if unique, otherwise with the graph that contains them, or a number."""
    own = [str(node.name or next((o for o in node.output if o), node.op_type)) for _, node in places]
    return distinct([n if own.count(n) == 1 else scope.path + n for n, (scope, _) in zip(own, places, strict=True)])


def _other(name: str, node: Any) -> Found:
    """A node of another operator, refused by name."""
    kind, own = f"ONNX {node.op_type}", "LSTM" if "LSTM" in node.op_type else "GRU"
    if "quant" in node.op_type.lower() or node.op_type.startswith("Q"):
        domain = f" of {node.domain}" if node.domain else ""
        said = f"a quantised {own} ({node.op_type}{domain}), which is not read; use the model before quantisation"
    else:
        said = f"an operator {node.domain}.{node.op_type} that is not ONNX's own {own}; its equations are not known"
    return Found(name, kind, refused=said)


def _one(name: str, scope: Scope, node: Any, graphs: Graphs, opset: int) -> Found | Node:
    """One node under canonical names."""
    cell = _CELLS[node.op_type]
    try:
        return _read(name, NodeReading(scope, node, facts_of(node, OPERATORS[cell], opset), graphs, cell))
    except FileError:
        raise  # the file itself is at fault: truncated, or unsafe
    except (Refused, NotConstant, LstmTraceError) as reason:
        return Found(name, f"ONNX {node.op_type}", cell=cell, refused="; ".join(str(reason).splitlines()))


def _read(name: str, reading: NodeReading) -> Node:
    """The weights, options and defaults of a node. Raises Refused, NotConstant, ShapeError, FileError."""
    kind, most = reading.operator.kind, len(reading.operator.inputs)
    if len(reading.node.input) > most:
        raise Refused(f"it has {len(reading.node.input)} inputs; the operator {kind} has at most {most}")
    if {name for name in reading.node.input if name} & set(reading.node.output):
        raise Refused("it reads its own output")
    cell = node_cell(name, reading, read_arrays(reading))
    if len(reading.directions) == 2:
        reading.said.append("Y keeps the directions apart, (T, D, B, H); the output here joins them, (T, B, D·H)")
    source = origin(reading.scope, reading.input("X"))
    major = _major(reading, source)
    facts = {"layout": "onnx", "input": described(source)}
    if reading.scope.parent is not None:
        facts["inside"] = reading.scope.path.rstrip("/")
    outputs = {*filter(None, reading.node.output[:2])}
    read = [(names, rows) for at, names, rows in readouts(reading.scope) if at.name in outputs]
    wiring = Wiring(facts["input"], "" if source.node is not None else source.table, tuple(dict.fromkeys(read)))
    starts, ends = initial(reading, facts), lengths(reading, facts)
    defaults = Defaults(initial=starts, lengths=ends, batch_first=major, wiring=wiring)
    last = "" if reading.facts.get("output_sequence", 1) else "output_sequence=0"
    if last or not any(reading.node.output[:1]):
        facts["returns"] = f"the last step only ({last or 'Y is not used'}); the trace has every step"
    return Node(replace(stated(cell, {}, *reading.said), defaults=defaults, facts=facts), reading, source)


def node_cell(name: str, reading: NodeReading, arrays: Mapping[str, Any]) -> Found:
    """The cell of a node with its options, and its weights under canonical names. Raises Refused.

    arrays: W, R, B and P, as far as there are; others are not read.
    """
    options = {**options_of(reading), "padding": "zero"}
    options |= {"merge": "concat"} if len(reading.directions) == 2 else {}
    roles = {(role, ""): Array(key, arrays[key]) for key, role in ROLES.items() if key in arrays}
    group = Group("", {(0, reading.directions[0]): roles})
    cell = one_cell(name, group, OTHERS.get(reading.cell, LAYOUTS)["onnx"], f"ONNX {reading.operator.kind}")
    coupled = "coupled" in options  # then the forget gate's weights are not used
    weights = {key: values for key, values in cell.weights.items() if not (coupled and key.endswith("f"))}
    return replace(stated(cell, options), weights=weights)


def node_readings(path: Path) -> list[NodeReading]:
    """The LSTM, GRU and RNN nodes of a file, with their attributes.

    Raises MissingError without onnx, FileError if the file is not an ONNX model, or a node has a wrong attribute.
    """
    check_file(path)
    model, tensors = load(path)
    graphs, opset = Graphs(model, tensors), opset_of(model)
    found = []
    for scope, node in graphs.nodes():
        if _is_known(node):
            cell = _CELLS[node.op_type]
            try:
                found.append(NodeReading(scope, node, facts_of(node, OPERATORS[cell], opset), graphs, cell))
                options_of(found[-1])  # an attribute may have a wrong value
            except Refused as reason:
                raise FileError(f"{path}: the {node.op_type} {node.name or node.output[0]}: {reason}") from None
    return found


def opset_of(model: Any) -> int:
    """The set of ONNX's own operators that a model uses; 0 for none."""
    return max((int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)


def _major(reading: NodeReading, source: Origin) -> bool:
    """Whether x is batch first: by the attribute layout, or because the model transposes its own input."""
    if reading.facts.get("layout"):
        reading.said.append("layout 1: x is (B, T, I)")
        return True
    turns = [move for move in source.moves if move.op_type not in ("Identity", "Cast", "Dropout")]
    outer = source.node is None and source.scope.parent is None and source.name in source.scope.inputs
    if outer and len(turns) == 1 and turns[0].op_type == "Transpose" and attributes(turns[0]).get("perm") == [1, 0, 2]:
        own = reading.operator.kind
        reading.said.append(f"x is (B, T, I), as the model takes it: it transposes its input before the {own}")
        return True
    return False
