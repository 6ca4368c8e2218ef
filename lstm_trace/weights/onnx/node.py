"""One LSTM, GRU or RNN node of an ONNX file: its attributes, options and inputs, each checked against the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...base.packaged import packaged
from ...errors import nearest
from .constants import Fill, NotConstant
from .graph import Graphs, Scope, Shape, attributes, described, origin

#: The newest version of the operators: of a newer one, not every attribute is known here.
NEWEST = 22


def _axes(gates: int) -> dict[str, tuple[str, ...]]:
    """The inputs of an operator that stacks so many gates."""
    stack, both = f"{gates}H".removeprefix("1"), f"{2 * gates}H"
    return {
        "X": ("T", "B", "I"), "W": ("D", stack, "I"), "R": ("D", stack, "H"), "B": ("D", both), "sequence_lens": ("B",),
        "initial_h": ("D", "B", "H"),
    }  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """An operator of ONNX: its inputs, in order, with the axes of each.

    axes: D directions, T steps, B sequences, I inputs, H units. activations: the options that its activations set, in
    order, with the activations that are meant if a node names none.
    """

    kind: str
    axes: Mapping[str, tuple[str, ...]]
    activations: Mapping[str, str]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its inputs."""
        return tuple(self.axes)

    @property
    def states(self) -> list[str]:
        """The inputs that are initial states."""
        return [name for name in _STATES if name in self.axes]

    def schema(self, opset: int) -> Any:
        """What ONNX defines of it in a set of operators: its version, and its attributes with their types."""
        import onnx

        return onnx.defs.get_schema(self.kind, max(opset, 1))


#: The operators by our name of the cell.
OPERATORS = {
    "lstm": Operator(
        "LSTM", _axes(4) | {"initial_c": ("D", "B", "H"), "P": ("D", "3H")},
        {"gate_activation": "sigmoid", "candidate_activation": "tanh", "output_activation": "tanh"},
    ),
    "gru": Operator("GRU", _axes(3), {"gate_activation": "sigmoid", "candidate_activation": "tanh"}),
    "rnn": Operator("RNN", _axes(1), {"activation": "tanh"}),
}  # fmt: skip
_KINDS: dict[str, str] = packaged("weights/words.toml")["attributes"]
_DIRECTIONS = {"forward": ("forward",), "reverse": ("reverse",), "bidirectional": ("forward", "reverse")}


class Refused(Exception):  # noqa: N818 - becomes the record's `refused`
    """Why a node cannot be traced."""


@dataclass
class NodeReading:
    """One node while it is being read: the findings so far.

    as_text: whether clip and missing constants are as ONNX's text has them, where onnxruntime differs.
    """

    scope: Scope
    node: Any
    facts: dict[str, Any]
    graphs: Graphs
    cell: str
    said: list[str] = field(default_factory=list)
    as_text: bool = False

    @property
    def operator(self) -> Operator:
        """What the node computes."""
        return OPERATORS[self.cell]

    def input(self, name: str) -> str:
        """The value connected to an input of the operator; empty if it is omitted, or the operator has none."""
        if name not in self.operator.axes:
            return ""
        at = self.operator.inputs.index(name)
        return str(self.node.input[at]) if len(self.node.input) > at else ""

    def constant(self, name: str) -> Any:
        """The array of an input, a Fill if its size is unknown, the reason why it is not constant, or None if
        omitted.
        """
        value = self.input(name)
        try:
            return self.graphs.constant(self.scope, value) if value else None
        except NotConstant as reason:
            return reason

    def source(self, name: str) -> str:
        """Where an input comes from, in words."""
        return described(origin(self.scope, self.input(name)))

    def shape(self, name: str) -> Shape:
        """The shape of an input, as far as the file determines it."""
        given = self.input(name)
        return self.graphs.shape(self.scope, given, len(self.operator.axes[name])) if given else None

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions in which the node runs. Raises Refused."""
        if (said := self.facts.get("direction", "forward")) not in _DIRECTIONS:
            raise Refused(f"its direction is {said!r}; expected {', '.join(_DIRECTIONS)}")
        return _DIRECTIONS[said]


def facts_of(node: Any, operator: Operator, opset: int) -> dict[str, Any]:
    """The node's attributes, each known and of the correct type. Raises Refused."""
    schema = operator.schema(opset)
    known, version = schema.attributes, schema.since_version
    if version > NEWEST:
        raise Refused(f"it is of version {version}; the newest that is read is {operator.kind}-{NEWEST}")
    facts = attributes(node)
    for attribute in node.attribute:
        if (name := attribute.name) not in known:
            other = next((v for v in (7, 14, 1) if name in operator.schema(v).attributes), None)
            hint = f"; {operator.kind}-{other} has it" if other else nearest(name, known)
            raise Refused(f"the attribute {name!r} is none of {operator.kind}-{version}{hint}")
        if attribute.type != known[name].type.value:
            plain = isinstance(facts[name], int | float | str | list)
            held = repr(facts[name]) if plain else f"a value of the type {attribute.type}"
            raise Refused(f"the attribute {name} holds {held}; expected {_KINDS[known[name].type.name]}")
    for name in ("layout", "input_forget", "output_sequence", "linear_before_reset"):
        if facts.get(name, 0) not in (0, 1):
            raise Refused(f"the attribute {name} is {facts[name]}; expected 0 or 1")
    return facts


#: Activations by the operator's names, in lower case: ours, and onnxruntime's default constants.
ACTIVATIONS = {name: (ours, tuple(more)) for name, (ours, *more) in packaged("weights/words.toml")["onnx"].items()}
#: Those for which onnxruntime takes missing constants as 0, unlike our defaults.
_ZERO = frozenset(ours for ours, constants in ACTIVATIONS.values() if constants and not any(constants))


def options_of(reading: NodeReading) -> dict[str, Any]:
    """The options given by the attributes; `reverse` has those in which the reverse direction differs.

    Raises Refused.
    """
    texts, plain = _activations(reading), reading.operator.activations
    count = len(plain)
    each = [dict(zip(plain, texts[at : at + count], strict=True)) for at in range(0, len(texts), count)]
    found, other = (
        {option: text for option, text in texts.items() if text != usual[option]}
        for texts, usual in ((each[0], plain), (each[-1], each[0]))
    )
    options: dict[str, Any] = found | ({"reverse": other} if other else {})
    if (clip := reading.facts.get("clip")) is not None:
        if not (clip > 0 and np.isfinite(clip)):
            raise Refused(f"the attribute clip is {clip:g}; expected a positive number")
        said = f"clip {clip:g} bounds the inputs of gates and candidate, as in onnxruntime; the ONNX text bounds the"
        options["clip"] = _shortest(clip)
        if reading.cell == "lstm" and reading.as_text:
            options["output_clip"] = options["clip"]
        elif reading.cell == "lstm":
            reading.said.append(f"{said} cell state before its squash as well: option output_clip")
    if reading.cell == "gru":
        options["reset_after"] = bool(reading.facts.get("linear_before_reset"))
    if reading.facts.get("input_forget"):
        options["coupled"] = True
        reading.said.append("input_forget: f = 1 - i; the forget gate's weights are not used, as in onnxruntime")
    return options


def _activations(reading: NodeReading) -> list[str]:
    """The activations of each direction, as many as the operator has, under our names. Raises Refused."""
    count, plain = len(reading.directions), reading.operator.activations
    given = reading.facts.get("activations") or [name.title() for name in plain.values()] * count
    if reading.cell == "rnn" and len(given) == 2 and count == 1:
        given = given[:1]  # the operator's own default names two
    if len(given) != len(plain) * count:
        each = {1: "one", 2: "two", 3: "three"}[len(plain)]
        raise Refused(f"it has {len(given)} activations; expected {len(plain) * count}, {each} for each direction")
    spare = {name: list(reading.facts.get(f"activation_{name}", [])) for name in ("alpha", "beta")}
    texts = []
    for said in given:
        if said.lower() not in ACTIVATIONS:
            raise Refused(f"its activation {said!r} is none of the operator's{nearest(said.lower(), ACTIVATIONS)}")
        ours, defaults = ACTIVATIONS[said.lower()]
        numbers = [_shortest(spare[c].pop(0)) if spare[c] else None for c, _ in zip(spare, defaults, strict=False)]
        if None in numbers and ours in _ZERO:
            reading.said.append(f"{said} without its constants: 0, as in onnxruntime")
        constants = tuple(default if n is None else n for n, default in zip(numbers, defaults, strict=True))
        if reading.as_text:  # our own defaults are those of the text
            constants = tuple(n for n in numbers if n is not None)
        if not np.isfinite(constants).all():
            held = ", ".join(map(str, constants))
            raise Refused(f"its activation {said} has the constants {held}; expected finite ones")
        # one text per function, for comparing directions
        bare = not constants or (constants == defaults and ours not in _ZERO)
        texts.append(ours if bare else f"{ours}({', '.join(map(repr, constants))})")
    if left := [f"activation_{name}" for name, values in spare.items() if values]:
        reading.said.append(f"{' and '.join(left)} have more numbers than the activations take: not used")
    return texts


def _shortest(value: float) -> float:
    """A float32 attribute as its author wrote it: 0.1 rather than 0.10000000149."""
    return float(str(np.float32(value)))


_STATES = {"initial_h": ("h_prev", "h0"), "initial_c": ("c_prev", "c0")}
ROLES = {"W": "input", "R": "recurrent", "B": "bias", "P": "peephole"}
_PROJECTED = (
    "; PyTorch's exporter (dynamo=True) writes such a node for an nn.LSTM with proj_size and leaves the projection "
    "out, so that the file does not hold the whole model: save the module's state_dict() as .pt and trace that"
)


def read_arrays(reading: NodeReading) -> dict[str, Any]:
    """The stored arrays of a node, W, R, B and P, after checking every input against the others.

    Raises Refused with every fault: an input whose shape or type does not fit the others.
    """
    arrays: dict[str, Any] = {}
    for name in (name for name in ROLES if name in reading.operator.axes):
        array = reading.constant(name)
        if isinstance(array, NotConstant):
            raise Refused(f"its {name} is not stored in the file: {array}{_projected(reading)}")
        if isinstance(array, Fill):
            raise Refused(f"its {name} is {array.value:g} everywhere, of a size that is known only when the model runs")
        arrays |= {} if array is None else {name: array}
    if not {"W", "R"} <= set(arrays):
        raise Refused("it has no weights (inputs W and R)")
    for name, array in arrays.items():
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            raise Refused(f"its {name} holds {array.dtype.name}; expected floating point numbers")
    fixed = arrays | {name: reading.constant(name) for name in reading.operator.states}
    noted = {name: reading.graphs.kind(reading.scope, reading.input(name)) for name in ("X", *reading.operator.states)}
    kinds = {name: array.dtype.name for name, array in fixed.items() if isinstance(array, np.ndarray)}
    kinds |= {name: kind for name, kind in noted.items() if kind and name not in kinds}
    if len(set(kinds.values())) > 1:
        said = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise Refused(f"its inputs are of different types ({said}); expected one")
    shapes = {
        name: arrays[name].shape if name in arrays else reading.shape(name)
        for name in (*arrays, *reading.operator.inputs)
    }
    if faults := _misfits(reading, {name: shape for name, shape in shapes.items() if shape is not None}):
        raise Refused("; ".join(faults) + _projected(reading))
    return arrays


def _projected(reading: NodeReading) -> str:
    """An addition to the message about a state that is wider than the node's h: the remains of a projection."""
    hidden = reading.facts.get("hidden_size", np.inf)
    shapes = map(reading.shape, reading.operator.states if reading.cell == "lstm" else ())
    return _PROJECTED if any(shape and (shape[-1] or 0) > hidden for shape in shapes) else ""


def _misfits(reading: NodeReading, shapes: Mapping[str, Any]) -> list[str]:
    """Contradictions between the shapes of a node's inputs (None: unknown size) and its attributes."""
    axes = {name: _turned(name, reading) for name in shapes}
    problems = []
    sizes: dict[str, int] = {"D": len(reading.directions)}
    for name in ("R", "W", "X", *shapes):  # the first one that determines a size is the reference for the others
        if len(shapes.get(name, ())) == len(reading.operator.axes[name]):
            for axis, size in zip(axes[name], shapes[name], strict=True):
                if size is not None and axis in ("H", "I", "T", "B"):
                    sizes.setdefault(axis, size)
    hidden, given = sizes.get("H"), reading.facts.get("hidden_size")
    if given is not None and hidden is not None and given != hidden:
        problems.append(f"hidden_size is {given}, and its R of shape {shapes['R']} says {hidden}")
    states = ((name, "row", 0 in shapes.get(name, ())) for name in reading.operator.states)  # any batch but none
    for name, what, none in (*states, ("R", "unit", hidden == 0), ("W", "input", sizes.get("I") == 0)):
        if none:
            problems.append(f"its {name} has shape {_shown(shapes[name])}; expected at least one {what}")
    for name, shape in shapes.items():
        expected = [sizes[axis[-1]] * int(axis[:-1] or 1) if axis[-1] in sizes else None for axis in axes[name]]
        fits = len(shape) == len(expected) and all(
            size is None or right is None or size == right for size, right in zip(shape, expected, strict=True)
        )
        # as many rows as a GRU or a simple RNN has: reported when W and R are split
        other = reading.cell == "lstm" and name in ("W", "R") and len(shape) == 3 and shape[0] == sizes["D"]
        if fits or (other and shape[1] in (3 * sizes.get("H", 0), hidden)):
            continue
        known = ", ".join(f"{axis} = {sizes[axis]}" for axis in dict.fromkeys("".join(axes[name])) if axis in sizes)
        known = known and f" with {known}"
        problems.append(f"its {name} has shape {_shown(shape)}; expected ({', '.join(axes[name])}){known}")
    return problems


def _turned(name: str, reading: NodeReading) -> tuple[str, ...]:
    """The axes of an input; with layout 1 those of x and of the states begin with the batch."""
    axes = reading.operator.axes[name]
    first = reading.facts.get("layout") and name in ("X", *_STATES)
    return ("B", *(axis for axis in axes if axis != "B")) if first else axes


def _shown(shape: tuple[int | None, ...]) -> str:
    shown = ["?" if size is None else str(size) for size in shape]
    return f"({', '.join(shown)}{',' if len(shown) == 1 else ''})"


def initial(reading: NodeReading, facts: dict[str, str]) -> dict[str, Any]:
    """Initial states fixed by the file, (D, B, H); zeros are the default anyway. Raises Refused."""
    found: dict[str, Any] = {}
    for name in reading.operator.states:
        (state, short), array = _STATES[name], reading.constant(name)
        if isinstance(array, NotConstant):
            facts[short] = f"{reading.source(name)}; zeros if it is not given"
        elif isinstance(array, Fill):
            if array.value:
                raise Refused(f"its {name} is {array.value:g} everywhere, in each row of a batch of any size")
        elif array is not None and np.any(array):
            array = np.swapaxes(array, 0, 1) if reading.facts.get("layout") else array
            found[state] = array.astype(np.float32) if array.dtype.itemsize == 2 else array
            facts[short] = f"fixed by the file, {array.shape}"
    return found


def lengths(reading: NodeReading, facts: dict[str, str]) -> Any:
    """Lengths fixed by the file. Raises Refused."""
    if (array := reading.constant("sequence_lens")) is None:
        return None
    if isinstance(array, NotConstant):
        facts["lengths"] = f"{reading.source('sequence_lens')}; all of T if not given"
        return None
    if isinstance(array, Fill) or array.dtype != np.int32:
        kind = "a vector of unknown size" if isinstance(array, Fill) else array.dtype.name
        raise Refused(f"its sequence_lens is {kind}; expected a vector of int32")
    least, most = array.min(initial=0), array.max(initial=0)
    if least < 0:
        raise Refused(f"its sequence_lens holds {least}; expected lengths of at least 0")
    steps = dict(zip(_turned("X", reading), reading.shape("X") or (), strict=False)).get("T")
    if steps and most > steps:
        raise Refused(f"its sequence_lens holds {most}; x has T = {steps} steps")
    facts["lengths"] = "fixed by the file"
    return array.astype(np.int64)
