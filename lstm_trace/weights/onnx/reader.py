"""ONNX files: every LSTM node, in the model's graph and in the bodies of If, Loop and Scan.

The equations are those of the operator's text, computed as onnxruntime computes them where the two differ: the clip
bounds the inputs of the gates and of the candidate, not the cell state before its squash; with input_forget every
weight of the forget gate is ignored; constants that are missing for Affine, ScaledTanh and ThresholdedRelu are 0.
Sources: onnx/defs/rnn/defs.cc and old.cc; onnxruntime/core/providers/cpu/rnn.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import FileError, LstmTraceError
from ..found import Defaults, Found
from ..layouts import LAYOUTS
from .file import load, opset
from .fold import NotConstant
from .graph import Graphs, attributes
from .inputs import initial, lengths, read_arrays, weights
from .node import ATTRIBUTES, INPUTS, Reading, Refused, facts_of
from .options import options
from .origin import Origin, described, origin
from .scope import Scope, standard
from .stack import Node, stacked

_OTHERS = {"GRU": "a GRU", "RNN": "a plain RNN"}


def read(path: str | Path) -> list[Found]:
    """The LSTMs of an ONNX file; those that cannot be traced are given as refused.

    Layers of one stack (nodes of which each reads nothing but the one before) are one LSTM. Raises MissingError
    without onnx, FileError for what is no ONNX model, for truncated files and for unsafe external data.
    """
    path = Path(path)
    model, tensors = load(path)
    graphs = Graphs(model, tensors)
    number = opset(model)
    version = max((v for v in ATTRIBUTES if v <= max(number, 1)), default=1)
    places = [
        (scope, node)
        for scope, node in graphs.nodes()
        if "LSTM" in node.op_type or (standard(node) and node.op_type in _OTHERS)
    ]
    if not places:
        raise FileError(f"{path}: no LSTM node was found; {_instead({node.op_type for _, node in graphs.nodes()})}")
    found: list[Found | Node] = [
        _one(name, scope, node, graphs, version) if standard(node) and node.op_type == "LSTM" else _other(name, node)
        for name, (scope, node) in zip(_names(places), places, strict=True)
    ]
    made = " ".join(part for part in (model.producer_name, model.producer_version) if part)
    common = {"opset": f"{number} (LSTM of version {version})", **({"made by": made} if made else {})}
    return [f if f.refused else replace(f, facts={**f.facts, **common}) for f in stacked(found, graphs)]


def _names(places: list[tuple[Scope, Any]]) -> list[str]:
    """Names of nodes: their own where no other has it, else with the graph that they stand in, or a number."""
    own = [str(node.name or next((o for o in node.output if o), "LSTM")) for _, node in places]
    full = [n if own.count(n) == 1 else scope.path + n for n, (scope, _) in zip(own, places, strict=True)]
    return [n if full.count(n) == 1 else f"{n}#{full[:at].count(n)}" for at, n in enumerate(full)]


def _instead(kinds: set[str]) -> str:
    """What a model without an LSTM node has, and what to do where it is one that was written out."""
    shown = ", ".join(sorted(kinds)[:12]) or "none"
    said = f"its operators are {shown}{', …' if len(kinds) > 12 else ''}"
    if {"Sigmoid", "Tanh"} <= kinds and kinds & {"Gemm", "MatMul"}:
        said += "; an LSTM that the exporter wrote out in Gemm, Sigmoid and Tanh is not recognised: give its arrays as "
        said += ".npz with --layout"
    return said


def _other(name: str, node: Any) -> Found:
    """A node that is no plain LSTM, refused by name."""
    kind = f"ONNX {node.op_type}"
    if node.op_type in _OTHERS:
        said = f"these are the weights of {_OTHERS[node.op_type]}, not of an LSTM; only LSTMs are read"
    elif "quant" in node.op_type.lower() or node.op_type.startswith("Q"):
        domain = f" of {node.domain}" if node.domain else ""
        said = f"a quantised LSTM ({node.op_type}{domain}), which is not read; use the model before quantisation"
    else:
        said = f"an operator {node.domain}.{node.op_type} that is not ONNX's own LSTM; its equations are not known"
    return Found(name, kind, refused=said)


def _one(name: str, scope: Scope, node: Any, graphs: Graphs, version: int) -> Found | Node:
    """One LSTM node in our names."""
    try:
        reading = Reading(scope, node, facts_of(node, version), graphs, version)
        return _read(name, reading)
    except (Refused, NotConstant) as reason:
        return Found(name, "ONNX LSTM", refused=str(reason))
    except FileError:
        raise  # the file itself is at fault: truncated, or unsafe
    except LstmTraceError as error:
        return Found(name, "ONNX LSTM", refused="; ".join(error.problems))


def _read(name: str, reading: Reading) -> Node:
    """The weights, options and defaults of a node. Raises Refused, NotConstant, ShapeError, FileError."""
    if len(reading.node.input) > len(INPUTS):
        raise Refused(f"it has {len(reading.node.input)} inputs; an LSTM has at most {len(INPUTS)}")
    if {name for name in reading.node.input if name} & set(reading.node.output):
        raise Refused("it reads what it gives out itself")
    arrays = read_arrays(reading)
    chosen = options(reading)
    stored = weights(reading, arrays)
    chosen |= {**reading.options, "padding": "zero"}
    if len(reading.directions) == 2:
        chosen["merge"] = "concat"
        reading.said.append("Y keeps the directions apart, (T, D, B, H); the output here joins them, (T, B, D·H)")
    source = origin(reading.scope, reading.input("X"))
    major = _major(reading, source)
    facts = {"layout": "onnx", "input": described(source)}
    if reading.scope.parent is not None:
        facts["inside"] = reading.scope.path.rstrip("/")
    defaults = Defaults(initial=initial(reading, facts), lengths=lengths(reading, facts), batch_first=major)
    if reading.facts.get("output_sequence", 1) == 0 and reading.version == 1:
        facts["returns"] = "the last step only (output_sequence=0); the trace has every step"
    elif not any(reading.node.output[:1]):
        facts["returns"] = "the last step only (Y is not used); the trace has every step"
    said, layout = tuple(reading.said), LAYOUTS["onnx"]
    found = Found(name, "ONNX LSTM", stored, chosen, defaults, said, facts=facts, stored=layout)
    return Node(found, reading.scope, reading.node, reading.directions, reading.facts.get("layout", 0), source)


def _major(reading: Reading, source: Origin) -> bool:
    """Whether x is batch first: by the attribute layout, or since the model turns its own input so before the LSTM."""
    if reading.facts.get("layout"):
        reading.said.append("layout 1: x is (B, T, I)")
        return True
    turns = [move for move in source.moves if move.op_type not in ("Identity", "Cast", "Dropout")]
    outer = source.node is None and source.scope.parent is None and source.name in source.scope.inputs
    if outer and len(turns) == 1 and turns[0].op_type == "Transpose" and attributes(turns[0]).get("perm") == [1, 0, 2]:
        reading.said.append("x is (B, T, I), as the model takes it: it turns its input before the LSTM")
        return True
    return False
