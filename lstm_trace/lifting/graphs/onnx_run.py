"""The run of an ONNX graph on a tape: every floating point number is recorded, sizes and indices are computed.

Floating point numbers are recording arrays, so that numpy's functions record what they compute. Nothing is allocated
and no body is repeated beyond what the size of the file justifies.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from math import prod
from typing import Any

import numpy as np

from ...base.packaged import packaged
from ...errors import LiftError, LstmTraceError
from ...weights.guards import afford
from ...weights.onnx.constants import FOLDS, MOVES, ZERO, NotConstant, Tensors, claimed, data_type
from ...weights.onnx.graph import attributes, standard
from ..arrays import Recorded, RecordedMath, ids_of
from ..aten import ATEN, relu, sigmoid, softplus
from ..tape import CodeLine, Ids, Tape

#: So many nodes and operations are run, or a few times as many as the file has: bodies are repeated.
MOST_NODES, MOST_REPEATS = 50_000, 16
#: Bodies within bodies.
DEEPEST = 8


class OutOfRangeError(LiftError):
    """A node reads beyond the end of an array, as does a graph that was written for more steps."""


class GraphTape(Tape):
    """A tape whose numbers are computed by the nodes of a graph. spend: counts numbers before they are computed."""

    node: CodeLine | None = None

    def __init__(self, spend: Callable[[int], None]) -> None:
        super().__init__()
        self.spend = spend

    def code(self) -> CodeLine | None:
        """The node that is being run."""
        return self.node

    def elementwise(self, op: str, *operands: Ids, constants: tuple[float, ...] = ()) -> Ids:
        self.spend(prod(np.broadcast_shapes(*(one.shape for one in operands))))
        return super().elementwise(op, *operands, constants=constants)

    def dot(self, left: Ids, right: Ids) -> Ids:
        self.spend(len(left) * right.shape[1])
        return super().dot(left, right)


class Indices(np.ndarray[Any, Any]):
    """Indices that the model is given, such as tokens: for each of them the time of its step."""

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        raise ValueError("it computes with the indices that the model is given")


Value = Any  # Recorded, Indices, an array of whole numbers or truth values, or a list of them (a sequence)


class GraphRun:
    """One run of the graphs of a file. stored: the bytes of the file, with which what is made is compared."""

    def __init__(self, tensors: Tensors, nodes: int) -> None:
        self.tensors, self.tape = tensors, GraphTape(self._spend)
        self.math = RecordedMath(self.tape)
        self.random = np.random.default_rng(0)
        self._left = max(MOST_NODES, MOST_REPEATS * nodes)
        self._made, self._depth = 0, 0
        self._stored: dict[int, tuple[Any, Value]] = {}

    # -- values --

    def given(self, op: str, shape: Sequence[int], time: Any, name: str = "") -> Recorded:
        """Random numbers that the model is given."""
        self._count(prod(shape), name)
        return Recorded(self.tape.source(op, self.random.normal(size=shape), time, name), self.math)

    def stored(self, tensor: Any) -> Value:
        """A stored tensor: one number is a number of the equations, an array of numbers are weights.

        NotConstant stands for what is no array of numbers, such as texts, which a recurrence may not need.
        """
        if id(tensor) not in self._stored:
            try:
                array = self.tensors.array(tensor)
                value = self.plain(array, tensor.name if array.ndim else "")
            except NotConstant as reason:
                value = reason
            self._stored[id(tensor)] = tensor, value
        return self._stored[id(tensor)][1]

    def plain(self, array: Any, name: str = "") -> Value:
        """An array of the file: floating point numbers are recorded. name: of weights."""
        self.counted(array)
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            return array
        if name:
            return Recorded(self.tape.source("weight", array, name=name), self.math)
        same = array.size and array.itemsize < 8 and (array == array.flat[0]).all()  # as its author wrote it: 0.1
        numbers = np.full(array.shape, float(str(array.flat[0]))) if same else array.astype(np.float64)
        return Recorded(self.math.plain(numbers), self.math)

    def recorded(self, value: Value) -> Value:
        """A value whose numbers are recorded."""
        return Recorded(ids_of(self.math, value), self.math) if isinstance(value, np.ndarray) else value

    def whole(self, value: Value) -> Any:
        """Sizes, conditions or indices, which must be known."""
        if isinstance(value, Recorded) and self.tape.fixed(value.ids):
            return self.tape.values[value.ids]
        if isinstance(value, (Recorded, Indices)) or not isinstance(value, np.ndarray):
            raise self.tape.refusal("a size, a condition or an index is computed from numbers that the model is given")
        return value

    # -- graphs --

    def graph(self, graph: Any, outer: ChainMap[str, Value], given: Any) -> list[Value]:
        """The outputs of a graph. outer: the values of the graphs around it; given: its inputs, by name or in order."""
        self._depth += 1
        self._tick()
        if self._depth > DEEPEST:
            raise self.tape.refusal(f"more than {DEEPEST} graphs stand within one another")
        known = outer.new_child({tensor.name: self.stored(tensor) for tensor in graph.initializer})
        inputs = [one.name for one in graph.input]
        known.update(given if isinstance(given, Mapping) else zip(inputs, given, strict=True))
        for node in graph.node:
            self._run(node, known)
        self._depth -= 1
        return [self._known(known, value.name) for value in graph.output]

    def _known(self, known: ChainMap[str, Value], name: str) -> Value:
        if name not in known:
            raise self.tape.refusal(f"{name!r} is not computed before it is read")
        if isinstance(known[name], NotConstant):
            raise self.tape.refusal(str(known[name]))
        return known[name]

    def _run(self, node: Any, known: ChainMap[str, Value]) -> None:
        name = node.name or next((one for one in node.output if one), "")
        kind = node.op_type if standard(node) else f"{node.domain}.{node.op_type}"
        self.tape.node = here = CodeLine(f"the {kind} {name}", 0)
        self._tick()
        if not standard(node) or node.op_type not in OPERATORS:
            raise self.tape.refusal("this operator is not known here")
        inputs = [self._known(known, one) if one else None for one in node.input]
        while inputs and inputs[-1] is None:
            inputs.pop()
        try:
            facts = attributes(node)
            if node.op_type == "Split":
                facts["num_outputs"] = len(node.output)
            if node.op_type in ("If", "Loop", "Scan"):
                facts["outer"] = known
            found = self._found(node.op_type, inputs, facts)
        except LstmTraceError:
            raise
        except (NotConstant, ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError) as error:
            kind = OutOfRangeError if isinstance(error, IndexError) else LiftError
            raise kind(f"{here}: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
        self.tape.node = here
        for output, value in zip(node.output, found, strict=False):
            self.counted(value)
            known[output] = value

    def _found(self, op: str, inputs: list[Value], facts: Mapping[str, Any]) -> Sequence[Value]:
        """The outputs of a node."""
        self.claim(inputs, claimed(op, inputs, facts) // 8 if op == "Gather" else 0)
        given = [isinstance(one, Indices) for one in inputs]
        if op == "Gather" and given == [False, True] and not facts.get("axis"):
            return [self.looked_up(*inputs)]
        if any(given) and (any(given[1:]) or op not in MOVES | {"Shape", "Size"}):
            raise self.tape.refusal("it computes with the indices that the model is given")
        if op in ("MatMul", "Gemm", "Einsum"):
            inputs = [self.recorded(one) for one in inputs]
            if op == "MatMul" and inputs[0].shape[-1:] != inputs[1].shape[-2:][:1]:
                raise self.tape.refusal(f"shapes {inputs[0].shape} and {inputs[1].shape} do not fit")
        function = OPERATORS[op]
        found = function(self, *inputs, **facts) if op in _RUN else function(*inputs, **facts)
        each = found if isinstance(found, tuple) or op == "Split" else [found]
        moved = any(given) and op in MOVES
        return [one.view(Indices) if moved else np.asarray(one) if isinstance(one, np.generic) else one for one in each]

    # -- bounds --

    def claim(self, values: Sequence[Value], more: int = 0) -> None:
        """Raise FileError if a node claims too much memory: the numbers of all its operands, or as they broadcast."""
        shapes: list[tuple[int, ...]] = [one.shape for one in values if isinstance(one, (Recorded, np.ndarray))]
        try:
            size = prod(np.broadcast_shapes(*shapes))
        except ValueError:  # they are joined, multiplied or chosen from
            size = 0
        size = max(size, sum(map(prod, shapes)), more)
        self._afford(size)

    def counted(self, value: Value) -> None:
        """Count a result; a view that repeats numbers counts in its full size, and an empty one by its longest axis."""
        if isinstance(value, (Recorded, np.ndarray)):
            self._count(max(value.size, *value.shape, 0, 0))

    def _afford(self, numbers: int, name: str = "") -> None:
        afford(self._made + 8 * numbers, self.tensors.stored, f"{self.tensors.path}: {name or self.tape.node}")

    def _tick(self) -> None:
        """Count what is done one by one."""
        self._left -= 1
        if self._left < 0:
            raise self.tape.refusal("it is repeated more often than the size of the file justifies")

    def _count(self, numbers: int, name: str = "") -> None:
        self._afford(numbers, name)
        self._made += 8 * numbers

    def _spend(self, numbers: int) -> None:
        self._tick()
        self._count(numbers)

    # -- operators --

    def looked_up(self, table: Value, indices: Indices) -> Recorded:
        """Rows of a table for indices that the model is given: they are its input."""
        if not self.tape.fixed(self.recorded(table).ids):
            raise self.tape.refusal("what the indices of the model choose is no stored table")
        times = np.asarray(indices).reshape(indices.shape + (1,) * (table.ndim - 1))
        return self.given("x", (*indices.shape, *table.shape[1:]), times)

    def cast(self, a: Value, to: int, **_: Any) -> Value:
        dtype = data_type(to)
        if isinstance(a, Indices):
            return a
        if isinstance(a, Recorded):
            if dtype is not None and (dtype.kind in "fb" or dtype.name == "bfloat16"):
                return a
            a = self.whole(a)
        return self.plain(a.astype(dtype))

    def constant(self, **facts: Any) -> Value:
        ((name, value),) = facts.items()
        if name == "value":
            return self.plain(self.tensors.array(value))
        if name.rstrip("s") not in ("value_float", "value_int"):
            raise self.tape.refusal(f"a Constant of {name}")
        return self.plain(np.array(value, np.float64 if "float" in name else np.int64))

    def filled(self, shape: Value, value: Any = None) -> Value:
        return self.plain(FOLDS["ConstantOfShape"](shape, ZERO if value is None else self.tensors.array(value)))

    def range(self, start: Value, limit: Value, step: Value) -> Any:
        begin, end, by = (np.ravel(self.whole(one))[0] for one in (start, limit, step))
        self.claim([], int((end - begin) / by))
        return self.plain(np.arange(begin, end, by))

    def tile(self, a: Value, repeats: Value) -> Value:
        self.claim([], a.size * prod(repeats.tolist()))
        return np.tile(a, repeats.tolist())

    # -- bodies --

    def branch(self, condition: Value, then_branch: Any, else_branch: Any, outer: Any) -> tuple[Value, ...]:
        return tuple(self.graph(then_branch if self._holds(condition) else else_branch, outer, []))

    def _holds(self, condition: Value) -> bool:
        return bool(np.ravel(self.whole(condition))[0])

    def loop(self, most: Value, going: Value = None, *carried: Value, body: Any, outer: Any) -> tuple[Value, ...]:
        count = None if most is None else int(np.ravel(self.whole(most))[0])
        states, scanned, at = [*carried], list[list[Value]](), 0
        while (count is None or at < count) and (going is None or self._holds(going)):
            going = np.array(True) if going is None else going
            going, *rest = self.graph(body, outer, [np.array(at), going, *states])
            states = rest[: len(states)]
            scanned.append(rest[len(states) :])
            at += 1
        return *states, *(self.joined(each, 0, 1) for each in zip(*scanned, strict=True))

    def scan(
        self, *inputs: Value, body: Any, num_scan_inputs: int, outer: Any,
        scan_input_directions: Sequence[int] = (), scan_output_directions: Sequence[int] = (),
    ) -> tuple[Value, ...]:  # fmt: skip
        count = len(inputs) - num_scan_inputs
        states, outputs = [*inputs[:count]], list[list[Value]]()
        for each in zip(*_turned(inputs[count:], scan_input_directions), strict=True):
            rest = self.graph(body, outer, [*states, *each])
            states = rest[:count]
            outputs.append(rest[count:])
        made = [self.joined(each, 0, 1) for each in zip(*outputs, strict=True)]
        return *states, *_turned(made, scan_output_directions)

    def joined(self, sequence: Sequence[Value], axis: int, new_axis: int = 0) -> Value:
        self.claim(sequence)
        return np.stack([*sequence], axis) if new_axis else np.concatenate([*sequence], axis)


def _turned(values: Sequence[Value], directions: Sequence[int]) -> list[Value]:
    """The values, those of direction 1 from their end on."""
    return [one[::-1] if back else one for one, back in zip(values, directions or [0] * len(values), strict=True)]


def _pieces(a: Value, split: Value = None, axis: int = 0, keepdims: int = 1) -> list[Value]:
    if split is not None and np.any(split != 1):
        raise ValueError("pieces of more than one step")
    each = [*np.moveaxis(a, axis, 0)]
    return each if split is None and not keepdims else [np.expand_dims(one, axis) for one in each]


def flat(value: Value) -> list[Value]:
    """The values in lists within one another."""
    return [one for part in value for one in flat(part)] if isinstance(value, (list, tuple)) else [value]


def _inserted(sequence: list[Value], value: Value, place: Value = None) -> list[Value]:
    at = len(sequence) if place is None else int(np.ravel(place)[0])
    return [*sequence[:at], value, *sequence[at:]]


def _scattered(data: Value, indices: Value, updates: Value, reduction: str = "none") -> Value:
    """Rows that are written into an array, as an assignment does."""
    if reduction != "none":
        raise ValueError(f"reduction {reduction!r}")
    return ATEN["index_put"](data, np.moveaxis(indices, -1, 0), updates)


def _gemm(
    a: Value, b: Value, c: Value = None, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0,
    broadcast: int = 1,
) -> Value:  # fmt: skip
    return ATEN["addmm"](0.0 if c is None else c, a.T if transA else a, b.T if transB else b, beta, alpha)


def _divided(a: Value, b: Value) -> Value:
    return a / b if isinstance(a, Recorded) or isinstance(b, Recorded) else (a / b).astype(a.dtype)


def _reduced(function: Any, a: Value, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Value:
    along = None if axes is None or not np.size(axes) else tuple(int(n) for n in np.ravel(axes))
    return a if along is None and noop_with_empty_axes else function(a, axis=along, keepdims=bool(keepdims))


_RUN: Mapping[str, Callable[..., Any]] = {
    "Cast": GraphRun.cast, "ConcatFromSequence": GraphRun.joined, "Constant": GraphRun.constant,
    "ConstantOfShape": GraphRun.filled, "If": GraphRun.branch, "Loop": GraphRun.loop, "Range": GraphRun.range,
    "Scan": GraphRun.scan, "Tile": GraphRun.tile,
}  # fmt: skip
#: The operators that are known, by their names, as functions of the inputs and the attributes; some also of the run.
OPERATORS: Mapping[str, Callable[..., Any]] = {
    **{op: FOLDS[op] for op in (*MOVES - {"Cast"}, "Concat", "Shape")},
    **_RUN,
    **{op: getattr(np, name) for op, name in packaged("lifting/tables.toml")["onnx"].items()},
    "Sigmoid": sigmoid, "Relu": relu, "Softplus": softplus, "Ceil": lambda a: -np.floor(-a), "Div": _divided,
    "Mod": lambda a, b, fmod=0: np.mod(a, b),
    "Softsign": lambda a: a / (np.abs(a) + 1.0),
    "Elu": lambda a, alpha=1.0: ATEN["elu"](a, alpha),
    "LeakyRelu": lambda a, alpha=0.01: ATEN["leaky_relu"](a, alpha),
    "HardSigmoid": lambda a, alpha=0.2, beta=0.5: np.clip(a * alpha + beta, 0.0, 1.0),
    "Max": lambda *inputs: reduce(np.maximum, inputs),
    "Min": lambda *inputs: reduce(np.minimum, inputs),
    "Sum": lambda *inputs: reduce(np.add, inputs),
    "Clip": lambda a, low=None, high=None, min=None, max=None: np.clip(
        a, min if low is None else low, max if high is None else high
    ),
    "Gemm": _gemm,
    "Einsum": lambda *inputs, equation: np.einsum(equation, *inputs),
    "Softmax": lambda a, axis=-1: ATEN["softmax"](a, axis),
    "LayerNormalization": lambda a, scale, shift=None, axis=-1, epsilon=1e-5, **_: ATEN["layer_norm"](
        a, a.shape[axis:], scale, shift, epsilon
    ),
    **{f"Reduce{name}": partial(_reduced, function) for name, function in (
        ("Sum", np.sum), ("Mean", np.mean), ("Max", np.max), ("Min", np.min)
    )},
    "Dropout": lambda a, *_, **facts: a,
    "CastLike": lambda a, like, **_: a if isinstance(like, Recorded) else a.astype(like.dtype),
    "Size": lambda a: np.array(a.size),
    "ScatterND": _scattered,
    "SequenceEmpty": lambda dtype=1: [],
    "SequenceConstruct": lambda *inputs: [*inputs],
    "SequenceInsert": _inserted,
    "SequenceAt": lambda sequence, place: sequence[int(np.ravel(place)[0])],
    "SplitToSequence": _pieces,
    "SequenceLength": lambda sequence: np.array(len(sequence)),
}  # fmt: skip
