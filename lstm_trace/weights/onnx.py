"""ONNX files: every LSTM node, in the model's graph and in the bodies of If, Loop and Scan.

The equations are those of the operator's text, computed as onnxruntime computes them where the two differ: the clip
bounds the inputs of the gates and of the candidate, not the cell state before its squash; with input_forget every
weight of the forget gate is ignored; constants that are missing for Affine, ScaledTanh and ThresholdedRelu are 0.
Sources: onnx/defs/rnn/defs.cc and old.cc; onnxruntime/core/providers/cpu/rnn.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, LstmTraceError, nearest
from ..model import Defaults
from .arrays import unpack
from .found import Found
from .keys import Array
from .layouts import LAYOUTS
from .onnx_file import load, opset
from .onnx_fold import Fill, NotConstant
from .onnx_graph import Graphs, Origin, Scope, attributes, described, standard
from .onnx_stack import Node, stacked

INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
_COMMON = {
    "activation_alpha": list, "activation_beta": list, "activations": list, "clip": float, "direction": str,
    "hidden_size": int, "input_forget": int,
}  # fmt: skip
#: Attributes of each version of the operator, with what they hold.
ATTRIBUTES: dict[int, dict[str, type]] = {
    1: {**_COMMON, "output_sequence": int},
    7: _COMMON,
    14: {**_COMMON, "layout": int},
    22: {**_COMMON, "layout": int},
}
#: Activations by the operator's names, in small letters: ours, and the constants that onnxruntime takes by default.
ACTIVATIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "relu": ("relu", ()),
    "tanh": ("tanh", ()),
    "sigmoid": ("sigmoid", ()),
    "affine": ("affine", (0.0, 0.0)),
    "leakyrelu": ("leaky_relu", (0.01,)),
    "thresholdedrelu": ("thresholded_relu", (0.0,)),
    "scaledtanh": ("scaled_tanh", (0.0, 0.0)),
    "hardsigmoid": ("hard_sigmoid", (0.2, 0.5)),
    "elu": ("elu", (1.0,)),
    "softsign": ("softsign", ()),
    "softplus": ("softplus", ()),
}
#: Those whose constants onnxruntime takes as 0, which is not our default.
_ZERO = frozenset(ours for ours, constants in ACTIVATIONS.values() if constants and not any(constants))
_DIRECTIONS = {"forward": ("forward",), "reverse": ("reverse",), "bidirectional": ("forward", "reverse")}
_OTHERS = {"GRU": "a GRU", "RNN": "a plain RNN"}


class Refused(Exception):  # noqa: N818 - becomes the record's `refused`
    """Why an LSTM node cannot be traced."""


@dataclass
class _Reading:
    """One node as it is being read: what was found so far."""

    scope: Scope
    node: Any
    facts: dict[str, Any]
    graphs: Graphs
    version: int
    said: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def input(self, name: str) -> str:
        """The value that is connected to an input of the operator; empty where it is left out."""
        at = INPUTS.index(name)
        return str(self.node.input[at]) if len(self.node.input) > at else ""

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions that the node runs in. Raises Refused."""
        said = self.facts.get("direction", "forward")
        if said not in _DIRECTIONS:
            raise Refused(f"its direction is {said!r}; expected {', '.join(_DIRECTIONS)}")
        return _DIRECTIONS[said]


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
        reading = _Reading(scope, node, _facts(node, version), graphs, version)
        return _read(name, reading)
    except (Refused, NotConstant) as reason:
        return Found(name, "ONNX LSTM", refused=str(reason))
    except FileError:
        raise  # the file itself is at fault: truncated, or unsafe
    except LstmTraceError as error:
        return Found(name, "ONNX LSTM", refused="; ".join(error.problems))


def _read(name: str, reading: _Reading) -> Node:
    """The weights, options and defaults of a node. Raises Refused, NotConstant, ShapeError, FileError."""
    if len(reading.node.input) > len(INPUTS):
        raise Refused(f"it has {len(reading.node.input)} inputs; an LSTM has at most {len(INPUTS)}")
    _activations(reading)
    weights = _weights(reading)
    _clip(reading)
    options = {**reading.options, "padding": "zero"}
    if len(reading.directions) == 2:
        options["merge"] = "concat"
        reading.said.append("Y keeps the directions apart, (T, D, B, H); the output here joins them, (T, B, D·H)")
    origin = reading.graphs.origin(reading.scope, reading.input("X"))
    major = _major(reading, origin)
    facts = {"layout": "onnx", "input": described(origin)}
    if reading.scope.parent is not None:
        facts["inside"] = reading.scope.path.rstrip("/")
    initial = _initial(reading, facts, len(reading.directions))
    lengths = _lengths(reading, facts)
    if reading.facts.get("output_sequence", 1) == 0 and reading.version == 1:
        facts["returns"] = "the last step only (output_sequence=0); the trace has every step"
    elif not any(reading.node.output[:1]):
        facts["returns"] = "the last step only (Y is not used); the trace has every step"
    defaults = Defaults(initial=initial, lengths=lengths, batch_first=major)
    found = Found(name, "ONNX LSTM", weights, options, defaults, tuple(reading.said), facts)
    return Node(found, reading.scope, reading.node, reading.directions, reading.facts.get("layout", 0), origin)


def _facts(node: Any, version: int) -> dict[str, Any]:
    """The node's attributes, each known and of its type. Raises Refused."""
    known = ATTRIBUTES[version]
    facts = attributes(node)
    for attribute in node.attribute:
        name = attribute.name
        if name not in known:
            later = next((v for v, names in ATTRIBUTES.items() if name in names), None)
            hint = f"; LSTM-{later} has it" if later else nearest(name, known)
            raise Refused(f"the attribute {name!r} is none of LSTM-{version}{hint}")
        value, kind = facts.get(name), known[name]
        if not isinstance(value, kind) or (kind is list and not _plain(name, value)):
            raise Refused(f"the attribute {name} holds {value!r}")
    for name, allowed in (("layout", (0, 1)), ("input_forget", (0, 1)), ("output_sequence", (0, 1))):
        if facts.get(name, 0) not in allowed:
            raise Refused(f"the attribute {name} is {facts[name]}; expected 0 or 1")
    return facts


def _plain(name: str, values: Any) -> bool:
    return all(isinstance(v, str) if name == "activations" else isinstance(v, float) for v in values)


# -- options ---------------------------------------------------------------------------------------------------------


def _activations(reading: _Reading) -> None:
    """The three activations, one of each for both directions. Raises Refused."""
    count = len(reading.directions)
    given = reading.facts.get("activations") or ["Sigmoid", "Tanh", "Tanh"] * count
    if len(given) != 3 * count:
        raise Refused(f"it has {len(given)} activations; expected {3 * count}, three for each direction")
    spare = {name: list(reading.facts.get(f"activation_{name}", [])) for name in ("alpha", "beta")}
    texts = []
    for said in given:
        if said.lower() not in ACTIVATIONS:
            raise Refused(f"its activation {said!r} is none of the operator's{nearest(said.lower(), ACTIVATIONS)}")
        ours, defaults = ACTIVATIONS[said.lower()]
        numbers = [_shortest(spare[c].pop(0)) if spare[c] else None for c, _ in zip(spare, defaults, strict=False)]
        if None in numbers and ours in _ZERO:
            reading.said.append(f"{said} without its constants: 0, as onnxruntime has it")
        constants = [default if n is None else n for n, default in zip(numbers, defaults, strict=True)]
        bare = all(n is None for n in numbers) and ours not in _ZERO
        texts.append(ours if bare else f"{ours}({', '.join(map(repr, constants))})")
    left = [f"activation_{name}" for name, values in spare.items() if values]
    if left:
        reading.said.append(f"{' and '.join(left)} have more numbers than the activations take: not used")
    if texts[:3] != texts[-3:]:
        raise Refused(f"its directions have different activations, {texts[:3]} and {texts[-3:]}; a layer here has one")
    plain = ("sigmoid", "tanh", "tanh")
    for role, text, usual in zip(("gate", "candidate", "output"), texts, plain, strict=False):
        if text != usual:
            reading.options[f"{role}_activation"] = text


def _shortest(value: float) -> float:
    """A float32 attribute as its author wrote it: 0.1 rather than 0.10000000149."""
    return float(str(np.float32(value)))


def _clip(reading: _Reading) -> None:
    clip = reading.facts.get("clip")
    if clip is None:
        return
    if not (clip > 0 and np.isfinite(clip)):
        raise Refused(f"the attribute clip is {clip:g}; expected a positive number")
    reading.options["clip"] = _shortest(clip)
    reading.said.append(
        f"clip {clip:g} bounds the inputs of gates and candidate, as onnxruntime has it; the ONNX text bounds the cell "
        f"state before its squash as well: option output_clip"
    )


# -- arrays ----------------------------------------------------------------------------------------------------------


def _array(reading: _Reading, name: str) -> Any:
    """The array of an input that must be constant, None where it is left out. Raises Refused."""
    value = reading.input(name)
    if not value:
        return None
    try:
        found = reading.graphs.constant(reading.scope, value)
    except NotConstant as reason:
        raise Refused(f"its {name} is not stored in the file: {reason}") from None
    if isinstance(found, Fill):
        raise Refused(f"its {name} is {found.value:g} everywhere, of a size that is known only when the model runs")
    return found


def _weights(reading: _Reading) -> dict[str, Any]:
    """Weights by full addresses. Raises Refused, ShapeError."""
    arrays = {name: _array(reading, name) for name in ("W", "R", "B", "P")}
    if arrays["W"] is None or arrays["R"] is None:
        raise Refused("it has no weights (inputs W and R)")
    count = len(reading.directions)
    for name, array in arrays.items():
        if array is not None and array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            raise Refused(f"its {name} holds {array.dtype.name}; expected floating point numbers")
        if array is not None and (array.ndim != (3 if name in "WR" else 2) or array.shape[0] != count):
            form = {"W": "(D, 4H, I)", "R": "(D, 4H, H)", "B": "(D, 8H)", "P": "(D, 3H)"}[name]
            raise Refused(f"its {name} has shape {array.shape}; expected {form} with D = {count}")
    hidden = arrays["R"].shape[2]
    if reading.facts.get("hidden_size", hidden) != hidden:
        raise Refused(
            f"hidden_size is {reading.facts['hidden_size']}, and its R of shape {arrays['R'].shape} says {hidden}"
        )
    roles = {"W": "input", "R": "recurrent", "B": "bias", "P": "peephole"}
    layout = LAYOUTS["onnx"]
    weights: dict[str, Any] = {}
    for at, direction in enumerate(reading.directions):
        parts = {(roles[n], ""): Array(n, a[at]) for n, a in arrays.items() if a is not None}
        own, options = unpack(layout, parts)
        reading.options |= options
        if reading.facts.get("input_forget"):
            own = {key: values for key, values in own.items() if not key.endswith("f")}
        weights |= {f"0/{direction}/{key}": values for key, values in own.items()}
    reading.said.append(f"read in the layout onnx: {layout.describe(arrays['B'] is not None)}")
    halves = {a.dtype.name for a in arrays.values() if a is not None} & {"float16", "bfloat16"}
    reading.said += [f"{half} weights widened to float32" for half in sorted(halves)]
    if reading.facts.get("input_forget"):
        reading.options["coupled"] = True
        reading.said.append("input_forget: f = 1 - i; the forget gate's weights are not used, as onnxruntime has it")
    return weights


def _major(reading: _Reading, origin: Origin) -> bool:
    """Whether x is batch first: by the attribute layout, or since the model turns its own input so before the LSTM."""
    if reading.facts.get("layout"):
        reading.said.append("layout 1: x is (B, T, I)")
        return True
    turns = [move for move in origin.moves if move.op_type not in ("Identity", "Cast", "Dropout")]
    outer = origin.node is None and origin.scope.parent is None and origin.name in origin.scope.inputs
    if outer and len(turns) == 1 and turns[0].op_type == "Transpose" and attributes(turns[0]).get("perm") == [1, 0, 2]:
        reading.said.append("x is (B, T, I), as the model takes it: it turns its input before the LSTM")
        return True
    return False


def _initial(reading: _Reading, facts: dict[str, str], count: int) -> dict[str, Any]:
    """Initial states that the file fixes, (D, B, H); zeros are what is taken anyway. Raises Refused."""
    found: dict[str, Any] = {}
    for name, state, short in (("initial_h", "h_prev", "h0"), ("initial_c", "c_prev", "c0")):
        value = reading.input(name)
        if not value:
            continue
        try:
            array = reading.graphs.constant(reading.scope, value)
        except NotConstant:
            facts[short] = f"{described(reading.graphs.origin(reading.scope, value))}; zeros where it is not given"
            continue
        if isinstance(array, Fill):
            if array.value:
                raise Refused(f"its {name} is {array.value:g} everywhere, in each row of a batch of any size")
            continue
        if array.ndim != 3 or array.shape[1 if reading.facts.get("layout") else 0] != count:
            raise Refused(f"its {name} has shape {array.shape}; expected (D, B, H) with D = {count}")
        array = np.swapaxes(array, 0, 1) if reading.facts.get("layout") else array
        if np.any(array):
            found[state] = array.astype(np.float32) if array.dtype.itemsize == 2 else array
            facts[short] = f"fixed by the file, {array.shape}"
    return found


def _lengths(reading: _Reading, facts: dict[str, str]) -> Any:
    """Lengths that the file fixes. Raises Refused."""
    value = reading.input("sequence_lens")
    if not value:
        return None
    try:
        array = reading.graphs.constant(reading.scope, value)
    except NotConstant:
        facts["lengths"] = f"{described(reading.graphs.origin(reading.scope, value))}; all of T where not given"
        return None
    if isinstance(array, Fill) or array.ndim != 1 or array.dtype.kind not in "iu":
        raise Refused("its sequence_lens is no vector of whole numbers")
    facts["lengths"] = "fixed by the file"
    return array.astype(np.int64)
