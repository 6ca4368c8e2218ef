"""TensorFlow Lite files: the operators that are an LSTM or an RNN, with the constants that are their weights.

The numbers of tables' fields, operators, types and activations are those of the schema, which never change.
Sources: tensorflow/lite/schema/schema.fbs; lite/kernels/lstm_shared.h, bidirectional_sequence_lstm.cc, basic_rnn.cc.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...base.packaged import packaged
from ...errors import FileError, LstmTraceError, within
from ..find import one_cell
from ..guards import Lazy, afford, checked_shape, numbers, told
from ..layouts import ANY, LAYOUTS, Layout
from ..names import Array, Group, distinct
from ..read import Defaults, Found, stack, stated
from .flatbuffer import FlatTable, read_number

#: The types of tensors whose numbers are read; integers are quantised numbers.
TYPES = {int(number): name for number, name in packaged("weights/words.toml")["tflite"].items()}
#: With none of them (0) an LSTM's kernel does not compute its output.
_ACTIVATIONS = {0: "linear", 1: "relu", 2: "hard_tanh", 3: "relu6", 4: "tanh"}
_DEQUANTIZE, _REVERSE, _WHILE = 6, 105, 119
#: FULLY_CONNECTED, LOGISTIC, TANH.
_WRITTEN_OUT = {9, 14, 28}
_INSTEAD = (
    "give the Keras model itself (.keras, .h5), or convert it with tf_keras (Keras 2) and a fixed batch size, which "
    "writes an LSTM as one operator"
)

_GATES = ("input", "forget", "cell", "output")
_Places = dict[tuple[str, str], tuple[int, str]]
#: Inputs of an operator by role and gate: their numbers, and names.
_FULL: _Places = {
    **{("input", word[0]): (1 + n, f"input_to_{word}_weights") for n, word in enumerate(_GATES)},
    **{("recurrent", word[0]): (5 + n, f"recurrent_to_{word}_weights") for n, word in enumerate(_GATES)},
    **{("bias", word[0]): (12 + n, f"{word}_gate_bias") for n, word in enumerate(_GATES)},
    **{("peephole_gate", w[0]): (9 + n, f"cell_to_{w}_weights") for n, w in enumerate(("input", "forget", "output"))},
    ("projection", ""): (16, "projection_weights"), ("projection_bias", ""): (17, "projection_bias"),
}  # fmt: skip
_PLAIN: _Places = {
    ("input", ""): (1, "weights"),
    ("recurrent", ""): (2, "recurrent_weights"),
    ("bias", ""): (3, "bias"),
}


class OperatorKind(NamedTuple):
    """An operator. facts: its options, field, form and default. step: how many inputs a direction has; 0 if one.

    beyond: the first input that is not read, and what it is.
    """

    name: str
    layout: Layout
    places: _Places
    facts: Mapping[str, tuple[int, str, Any]]
    step: int = 0
    beyond: tuple[int, str] = (1 << 10, "")


_CLIPS: dict[str, tuple[int, str, Any]] = {
    "activation": (0, "b", 0), "cell_clip": (1, "f", 0.0), "projection_clip": (2, "f", 0.0),
}  # fmt: skip
_MAJOR: dict[str, tuple[int, str, Any]] = {"time_major": (0, "?", False), "activation": (1, "b", 0)}
_NORM, _AUX = (20, "layer normalisation"), "an auxiliary input"
_ONE = Layout("tflite", "h", title="TensorFlow Lite RNN", source="lite/kernels/basic_rnn.cc; compared")
#: The operators by their number in the schema.
KINDS = {
    16: OperatorKind("LSTM", LAYOUTS["tflite"], _FULL, {**_CLIPS, "basic": (3, "b", 0)}, beyond=_NORM),
    24: OperatorKind("RNN", _ONE, _PLAIN, {"activation": (0, "b", 0)}),
    35: OperatorKind("UNIDIRECTIONAL_SEQUENCE_RNN", _ONE, _PLAIN, _MAJOR),
    44: OperatorKind(
        "UNIDIRECTIONAL_SEQUENCE_LSTM", LAYOUTS["tflite"], _FULL,
        {**_CLIPS, "time_major": (3, "?", False)}, beyond=_NORM,
    ),
    46: OperatorKind("BIDIRECTIONAL_SEQUENCE_RNN", _ONE, _PLAIN, {**_MAJOR, "merge": (2, "?", False)}, 4, (9, _AUX)),
    52: OperatorKind(
        "BIDIRECTIONAL_SEQUENCE_LSTM", LAYOUTS["tflite"], _FULL,
        {**_CLIPS, "merge": (3, "?", False), "time_major": (4, "?", True)}, 17, (39, _AUX),
    ),
}  # fmt: skip


class GraphOperator(NamedTuple):
    """One operator of a graph, with the numbers of its tensors."""

    code: int
    inputs: list[int]
    outputs: list[int]
    options: FlatTable | None


@dataclass(frozen=True)
class Graph:
    """A graph: its tensors and operators, and the buffers of its file. made: the operator that computes a tensor."""

    tensors: list[FlatTable]
    operators: list[GraphOperator]
    buffers: list[FlatTable]
    made: dict[int, GraphOperator]

    def tensor(self, number: int) -> FlatTable:
        """A tensor by its number. Raises FileError if there is none."""
        if not 0 <= number < len(self.tensors):
            raise FileError(f"an operator has the tensor {number}, and there are {len(self.tensors)}; is it damaged?")
        return self.tensors[number]

    def stored(self, number: int, what: str) -> Any:
        """The numbers of a tensor as they are stored. Raises FileError."""
        tensor = self.tensor(number)
        kind, shape = tensor.number(1, "b"), checked_shape(tensor.vector(0, "<i4").tolist(), what)
        if tensor.table(6) is not None:
            raise FileError(f"{what} is sparse; expected all its numbers: convert the model without sparsity")
        if kind not in TYPES:
            raise FileError(f"{what} has numbers of the type {kind} of the schema, which is not read")
        if (place := tensor.number(2, "I")) >= len(self.buffers):
            raise FileError(f"{what} is in the buffer {place}, and there are {len(self.buffers)}; is it damaged?")
        content = self.buffers[place].vector(0, "u1")
        if not content.size:
            raise FileError(f"{what} is not stored in the file: it is computed, or an input of the model")
        return numbers(content, TYPES[kind], shape, what)

    def constant(self, number: int) -> int:
        """The tensor whose numbers are those of another: float16 weights are widened by an operator of their own."""
        source = self.made.get(number)
        return source.inputs[0] if source is not None and source.code == _DEQUANTIZE and source.inputs else number

    def weights(self, number: int, what: str) -> Any:
        """A tensor's numbers, multiplied by their scales if they are quantised. Raises FileError."""
        values, quantisation = self.stored(number, what), self.tensor(number).table(4)
        if values.dtype.kind == "f":
            return values
        scale = np.empty(0) if quantisation is None else quantisation.vector(2, "<f4")
        if quantisation is None or not scale.size or not np.isfinite(scale).all():
            raise FileError(f"{what} holds {values.dtype.name} without a scale; expected quantised or real numbers")
        zero, axis = quantisation.vector(3, "<i8"), quantisation.number(6, "i")
        zero = zero if zero.size else np.zeros_like(scale, np.int64)
        if scale.size > 1:
            if not 0 <= axis < values.ndim or not scale.size == zero.size == values.shape[axis]:
                raise FileError(f"{what} of shape {values.shape} has {scale.size} scales on the axis {axis}")
            wide = [-1 if one == axis else 1 for one in range(values.ndim)]
            scale, zero = scale.reshape(wide), zero.reshape(wide)
        return ((values.astype(np.int64) - zero) * scale.astype(np.float64)).astype(np.float32)


@contextmanager
def _opened(path: Path) -> Iterator[list[Graph]]:
    """The graphs of a file; errors within have its name. Raises FileError for a foreign or damaged file."""
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise FileError(f"{path}: not a TensorFlow Lite file; expected TFL3 in its bytes 4 to 7, found {data[4:8]!r}")
    with told(path, struct.error, ValueError, IndexError, OverflowError), within(str(path)):
        model = FlatTable(data, read_number(data, "I", 0))
        codes = [max(one.number(0, "b"), one.number(3, "i")) for one in model.tables(1)]
        buffers, found, counts = model.tables(4), [], Counter[str]()
        for graph in model.tables(2):
            tensors, operators = graph.tables(0), []
            _count(counts, len(tensors), data)
            for one in graph.tables(3):
                numbers = [one.vector(field, "<i4") for field in (1, 2)]
                _count(counts, 1 + sum(map(len, numbers)), data)
                inputs, outputs = (vector.tolist() for vector in numbers)
                operators.append(GraphOperator(codes[one.number(0, "I")], inputs, outputs, one.table(4)))
            found.append(Graph(tensors, operators, buffers, {made: one for one in operators for made in one.outputs}))
        yield found


def _count(counts: Counter[str], more: int, data: bytes) -> None:
    """Count entries of vectors. Raises FileError if there are more than a file can have that has each only once."""
    counts["entries"] += more
    if counts["entries"] > len(data):
        raise FileError("its vectors overlap: they have more entries than the file has bytes")


@contextmanager
def arrays(path: Path) -> Iterator[dict[str, Lazy]]:
    """Every stored tensor by its name; quantised ones are multiplied by their scales. Raises FileError."""
    with _opened(path) as every:
        yield {
            tensor.text(3): Lazy(
                tuple(tensor.vector(0, "<i4").tolist()), None, partial(graph.weights, at, tensor.text(3))
            )
            for graph in every
            for at, tensor in enumerate(graph.tensors)
            if tensor.number(2, "I") < len(graph.buffers) and graph.buffers[tensor.number(2, "I")].vector(0, "u1").size
        }


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs and RNNs of a TensorFlow Lite file; those that cannot be traced are returned as refused.

    layout: must be None, since an operator defines how its weights are stored (`read_model` rejects others). Raises
    FileError.
    """
    found: list[Found] = []
    held = 0
    with _opened(path) as every:
        for graph in every:
            cells = []
            for operator in graph.operators:
                if operator.code in KINDS or operator.code == _WHILE:
                    cells.append(_one(graph, operator))
                    held += sum(array.nbytes for array in cells[-1][0].weights.values())
                    afford(held, path.stat().st_size, "the file")
            found += _stacked(cells, graph)
    if not found:
        codes = {operator.code for graph in every for operator in graph.operators}
        said = f"no operator of an {ANY} was found; there is no operator of a GRU"
        if codes >= _WRITTEN_OUT:
            said = f"no {ANY} was found; one that is written out in FULLY_CONNECTED, LOGISTIC and TANH is not read"
        raise FileError(f"{path}: {said}: {_INSTEAD}")
    return [replace(one, name=name) for one, name in zip(found, distinct([f.name for f in found]), strict=True)]


def _one(graph: Graph, operator: GraphOperator) -> tuple[Found, GraphOperator]:
    """One operator under canonical names, with the tensor of the model's x as its first input."""
    name = graph.tensor(operator.outputs[0]).text(3) if operator.outputs else ""
    if operator.code == _WHILE:
        said = f"a loop over single operators, as Keras 3 exports a recurrent layer, is not read: {_INSTEAD}"
        return Found(name, "TensorFlow Lite WHILE", refused=said), operator
    kind, options = KINDS[operator.code], operator.options
    facts = {
        key: default if options is None else options.number(field, form, default)
        for key, (field, form, default) in kind.facts.items()
    }
    try:
        if facts.get("basic"):
            raise FileError(f"its kernel is the basic one, with one matrix for x and h, which is not read: {_INSTEAD}")
        return _read(graph, operator, kind, facts, name)
    except LstmTraceError as error:
        refused = "; ".join(error.problems)
        return Found(name, f"TensorFlow Lite {kind.name}", cell=kind.layout.cell, refused=refused), operator


def _read(
    graph: Graph, operator: GraphOperator, kind: OperatorKind, facts: dict[str, Any], name: str
) -> tuple[Found, GraphOperator]:  # fmt: skip
    """The weights and options of an operator. Raises FileError, ShapeError, MissingError."""
    beyond, what = kind.beyond
    if any(number >= 0 for number in operator.inputs[beyond:]):
        raise FileError(f"it has {what}; that is not read")
    x, back = _turned(graph, operator, facts)
    said = ["its x is reversed (REVERSE_V2): it runs in the reverse direction"] if back else []
    group, stored = Group("", layout=kind.layout), set()
    for direction, shift in (("reverse" if back else "forward", 0), ("reverse", kind.step))[: 2 if kind.step else 1]:
        roles = group.parts.setdefault((0, direction), {})
        for place, (number, key) in kind.places.items():
            at = operator.inputs[number + shift] if number + shift < len(operator.inputs) else -1
            if at >= 0:
                at = graph.constant(at)
                key = f"{'bw_' if shift else 'fw_' if kind.step else ''}{key}"
                roles[place] = Array(key, graph.weights(at, key))
                stored.add(TYPES[graph.tensor(at).number(1, "b")])
    cell = one_cell(name, group, kind.layout, f"TensorFlow Lite {kind.name}")
    options = _options(facts, cell)
    if kind.step:
        options["merge"] = "concat"
        said += [] if facts["merge"] else ["its directions are two outputs; here they are joined, (T, B, D·H)"]
    said += _quantised(stored, graph.tensor(x).number(1, "b"))
    if "time_major" not in facts:
        said.append("the operator computes one step in each call; a trace runs it over a sequence")
    known, defaults = {"input": graph.tensor(x).text(3)}, Defaults(batch_first=not facts.get("time_major", True))
    found = replace(stated(cell, options, *said), facts={**cell.facts, **known}, defaults=defaults)
    return found, operator._replace(inputs=[x, *operator.inputs[1:]])


def _turned(graph: Graph, operator: GraphOperator, facts: Mapping[str, Any]) -> tuple[int, bool]:
    """The tensor that is x, and whether the operator reads it from its end. Raises FileError."""
    x = operator.inputs[0]
    source = graph.made.get(x)
    if source is not None and source.code == _REVERSE and "time_major" in facts and "merge" not in facts:
        axis = 0 if facts["time_major"] else 1
        if graph.stored(source.inputs[1], "the axis of REVERSE_V2").ravel().tolist() in ([axis], [axis - 3]):
            return source.inputs[0], True
    return x, False


def _options(facts: Mapping[str, Any], cell: Found) -> dict[str, Any]:
    """The cell's options by those of its operator. Raises FileError."""
    activation, options = _ACTIVATIONS.get(facts["activation"]), dict[str, Any]()
    if activation is None or (activation == "linear" and cell.cell == "lstm"):
        known = [str(number) for number in _ACTIVATIONS if number or cell.cell != "lstm"]
        said = f"its activation has the number {facts['activation']} of the schema"
        raise FileError(f"{said}; expected one of {', '.join(known)}")
    if cell.cell == "rnn":
        return {"activation": activation}
    if activation != "tanh":
        options = {"candidate_activation": activation, "output_activation": activation}
    for key in ("cell_clip", "projection_clip"):
        if not ((bound := facts.get(key, 0.0)) >= 0 and np.isfinite(bound)):
            raise FileError(f"its {key} is {bound:g}; expected a positive number, or 0 for none")
        if bound and (key == "cell_clip" or "projection" in cell.options):
            options[key] = float(str(np.float32(bound)))
    return options


def _quantised(stored: set[str], x: int) -> list[str]:
    """What is said of weights that are stored as integers. stored: their types; x: the type of the input."""
    if not (kinds := sorted(kind for kind in stored if "int" in kind)):
        return []
    said = [f"{' and '.join(kinds)} weights, multiplied by their scales"]
    kind = TYPES.get(x, f"numbers of the type {x} of the schema")
    rounded = "rounds the operands of each product to 8 bits" if x == 0 else f"computes in integers, x as {kind}"
    return [*said, f"TensorFlow Lite {rounded}, and a trace in float32: they differ by that rounding"]


def _stacked(cells: list[tuple[Found, GraphOperator]], graph: Graph) -> list[Found]:
    """The cells, with those that each read only the one before as the layers of one stack."""
    readers = Counter(number for operator in graph.operators for number in set(operator.inputs))
    stacks: list[list[Found]] = []
    top: dict[int, list[Found]] = {}  # the stacks by the tensor that their top layer returns
    for found, operator in cells:
        under = top.get(operator.inputs[0], []) if readers[operator.inputs[0]] == 1 else []
        fits = under and not found.refused and under[0].form == found.form and found.directions != ("reverse",)
        if not fits or under[0].defaults.batch_first != found.defaults.batch_first:
            under = []
            stacks.append(under)
        under.append(found)
        if len(operator.outputs) == 1:
            top[operator.outputs[0]] = under
    return [
        stack(layers, "+".join(one.name for one in layers), *(
            f"layer {n} is {one.name}, which reads the one before" for n, one in enumerate(layers) if n))
        for layers in stacks
    ]  # fmt: skip
