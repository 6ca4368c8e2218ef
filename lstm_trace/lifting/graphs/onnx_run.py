"""The run of an ONNX graph on a tape: every floating point number is recorded, sizes and indices are computed.

What moves numbers is done by the operators of `weights.onnx.constants` to the integers of the tape. Nothing is
allocated and no body is repeated beyond what the size of the file justifies.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...errors import LiftError, LstmTraceError
from ...weights.guards import afford
from ...weights.onnx.constants import FOLDS, MOVES, ZERO, NotConstant, Tensors, claimed, data_type
from ...weights.onnx.graph import attributes, standard
from ..arithmetic import ELEMENTWISE, REDUCTIONS, RecordedMath
from ..tape import CodeLine, Ids, Tape

#: So many nodes are run, or a few times as many as the file has: bodies are repeated.
MOST_NODES, MOST_REPEATS = 20_000, 8
#: Bodies within bodies.
DEEPEST = 8


class OutOfRangeError(LiftError):
    """A node reads beyond the end of an array, as does a graph that was written for more steps."""


class GraphNode(CodeLine):
    """A node of a graph, in place of a line of code."""

    def __str__(self) -> str:
        return self.file


class GraphTape(Tape):
    """A tape whose numbers are computed by the nodes of a graph."""

    node: GraphNode | None = None

    def code(self) -> CodeLine | None:
        """The node that is being run."""
        return self.node


@dataclass(frozen=True, eq=False)
class Floats:
    """A recorded array of floating point numbers, or of truth values that are computed from them."""

    ids: Ids


@dataclass(frozen=True, eq=False)
class Indices:
    """Indices that the model is given, such as tokens: for each of them the time of its step."""

    times: Any


Value = Any  # Floats, Indices, an array of whole numbers or truth values, or a list of them (a sequence)


class GraphRun:
    """One run of the graphs of a file. stored: the bytes of the file, with which what is made is compared."""

    def __init__(self, tensors: Tensors, nodes: int) -> None:
        self.tensors, self.tape = tensors, GraphTape()
        self.math = RecordedMath(self.tape)
        self.random = np.random.default_rng(0)
        self._left = max(MOST_NODES, MOST_REPEATS * nodes)
        self._made, self._depth = 0, 0
        self._stored: dict[int, tuple[Any, Value]] = {}

    # -- values --

    def given(self, op: str, shape: Sequence[int], time: int, name: str) -> Ids:
        """Random numbers that the model is given."""
        self._count(8 * prod(shape), name)
        return self.tape.source(op, self.random.normal(size=shape), time, name)

    def stored(self, tensor: Any) -> Value:
        """A stored tensor: one number is a number of the equations, an array of numbers are weights.

        NotConstant stands for what is no array of numbers, such as texts, which a recurrence may not need.
        """
        if id(tensor) not in self._stored:
            try:
                array = self.tensors.array(tensor)
            except NotConstant as reason:
                self._stored[id(tensor)] = tensor, reason
                return reason
            self._count(array.size * 8, tensor.name)
            self._stored[id(tensor)] = tensor, self.plain(array, tensor.name if array.ndim else "")
        return self._stored[id(tensor)][1]

    def plain(self, array: Any, name: str = "") -> Value:
        """An array of the file: floating point numbers are recorded. name: of weights."""
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            return array
        if name:
            return Floats(self.tape.source("weight", array, name=name))
        same = array.size and array.itemsize < 8 and (array == array.flat[0]).all()  # as its author wrote it: 0.1
        numbers = np.full(array.shape, float(str(array.flat[0]))) if same else array.astype(np.float64)
        return Floats(self.math.plain(numbers))

    def floats(self, value: Value) -> Ids:
        """The numbers of a value, as recorded ones."""
        if isinstance(value, Floats):
            return value.ids
        if not isinstance(value, np.ndarray):
            raise self.tape.refusal(f"an operand is no array of numbers but {_kind(value)}")
        return self.math.plain(value.astype(np.float64))

    def whole(self, value: Value) -> Any:
        """Sizes, axes or indices, which must be known."""
        if isinstance(value, Floats) and self.tape.fixed(value.ids):
            return self.tape.values[value.ids]
        if not isinstance(value, np.ndarray):
            raise self.tape.refusal(f"a size or an index is computed from {_kind(value)} of the model")
        return value

    # -- graphs --

    def graph(self, graph: Any, outer: ChainMap[str, Value], given: Mapping[str, Value]) -> list[Value]:
        """The outputs of a graph. outer: the values of the graphs around it; given: its inputs."""
        self._depth += 1
        self._tick()
        if self._depth > DEEPEST:
            raise self.tape.refusal(f"more than {DEEPEST} graphs stand within one another")
        known = outer.new_child({tensor.name: self.stored(tensor) for tensor in graph.initializer})
        known.update(given)
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
        self.tape.node = here = GraphNode(f"the {kind} {name}", 0)
        self._tick()
        function = OPERATORS.get(node.op_type) if standard(node) else None
        if function is None:
            raise self.tape.refusal("this operator is not known here")
        inputs = [self._known(known, one) if one else None for one in node.input]
        while inputs and inputs[-1] is None:
            inputs.pop()
        try:
            facts = attributes(node)
            if node.op_type == "Split":
                facts["num_outputs"] = len(node.output)
            if node.op_type in _BODIES:
                facts["outer"] = known
            found = function(self, *inputs, **facts)
        except LstmTraceError:
            raise
        except (NotConstant, ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError) as error:
            kind = OutOfRangeError if isinstance(error, IndexError) else LiftError
            raise kind(f"{here}: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
        self.tape.node = here
        found = found if isinstance(found, tuple) else (found,)
        for output, value in zip(node.output, found, strict=False):
            known[output] = self._counted(value)

    def _counted(self, value: Value) -> Value:
        """A result; a view that repeats numbers counts in its full size."""
        array = value.ids if isinstance(value, Floats) else value
        if isinstance(array, np.ndarray):
            self._count(array.nbytes)
        return value

    def _tick(self, count: int = 1) -> None:
        """Count what is done one by one."""
        self._left -= count
        if self._left < 0:
            raise self.tape.refusal("it is repeated more often than the size of the file justifies")

    def _count(self, size: int, name: str = "") -> None:
        self._made += size
        afford(self._made, self.tensors.stored, f"{self.tensors.path}: {name or self.tape.node}")

    # -- operators --

    def move(self, op: str, *inputs: Value, **facts: Any) -> Value:
        """An operator that only moves numbers, or works on known whole numbers."""
        first, *others = inputs
        if op == "Gather" and isinstance(others[0], Indices):
            return self._looked_up(first, others[0], **facts)
        if op == "Concat" and any(isinstance(one, Floats) for one in inputs):
            inputs = tuple(Floats(self.floats(one)) for one in inputs)
            first, *others = inputs
        rest = others if op == "Concat" else [None if one is None else self.whole(one) for one in others]
        kind = type(first) if isinstance(first, (Floats, Indices)) else None
        arrays = [_array(one) for one in (first, *rest)]
        if not all(one is None or isinstance(one, np.ndarray) for one in arrays):
            raise self.tape.refusal(f"an operand is no array but {_kind(first)}")
        afford(self._made + claimed(op, arrays, facts), self.tensors.stored, f"{self.tensors.path}: {self.tape.node}")
        found = FOLDS[op](*arrays, **facts)
        made = [np.asarray(one) if kind is None else kind(one) for one in (found if op == "Split" else [found])]
        return tuple(made)

    def _looked_up(self, table: Value, indices: Indices, axis: int = 0) -> Floats:
        """Rows of a table for indices that the model is given: they are its input."""
        ids = self.floats(table)
        if axis != 0 or not self.tape.fixed(ids):
            raise self.tape.refusal("what the indices of the model choose is no stored table")
        shape = (*indices.times.shape, *ids.shape[1:])
        self._count(8 * prod(shape))
        times = indices.times.reshape(indices.times.shape + (1,) * (ids.ndim - 1))
        return Floats(self.tape.source("x", self.random.normal(size=shape), times))

    def each(self, name: str, *inputs: Value, **facts: Any) -> Floats:
        """An operator on each number, by its name among those of the array libraries."""
        ids = [self.floats(one) for one in inputs]
        self._count(8 * prod(np.broadcast_shapes(*(one.shape for one in ids))))
        return Floats(ELEMENTWISE[name](self.math, *ids, **facts))

    def repeated(self, name: str, *inputs: Value) -> Value:
        """Sum, Max and their like, of any number of operands."""
        found = inputs[0]
        for one in inputs[1:]:
            found = self.each(name, found, one)
        return found

    def matmul(self, a: Value, b: Value) -> Floats:
        left, right = self.floats(a), self.floats(b)
        if not left.ndim or not right.ndim or left.shape[-1] != right.shape[-2 if right.ndim > 1 else -1]:
            raise self.tape.refusal(f"shapes {left.shape} and {right.shape} do not fit")
        lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        self._tick(prod(lead))
        self._count(8 * prod((*lead, left.shape[-2] if left.ndim > 1 else 1, right.shape[-1])))
        return Floats(self.math.matmul(left, right))

    def reduce(self, name: str, a: Value, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Value:
        along = None if axes is None or not np.size(axes) else tuple(int(n) for n in np.ravel(self.known(axes)))
        if along is None and noop_with_empty_axes:
            return a
        return Floats(REDUCTIONS[name](self.math, self.floats(a), axis=along, keepdims=bool(keepdims)))

    def known(self, value: Any) -> Any:
        """Axes, from an input or an attribute."""
        return self.whole(value) if isinstance(value, (np.ndarray, Floats, Indices)) else np.array(value)

    def clip(self, a: Value, low: Any = None, high: Any = None, **facts: float) -> Floats:
        ends = [facts.get("min") if low is None else low, facts.get("max") if high is None else high]
        ids = [None if one is None else self._number(one) for one in ends]
        return Floats(self.math.clip(self.floats(a), *ids))

    def _number(self, value: Any) -> Ids:
        return self.tape.number(float(value)) if isinstance(value, float) else self.floats(value)

    def gemm(
        self, a: Value, b: Value, c: Value = None, alpha: float = 1.0, beta: float = 1.0, transA: int = 0,
        transB: int = 0, broadcast: int = 1,
    ) -> Floats:  # fmt: skip
        left, right = (
            Floats(ids.T if turned else ids) for ids, turned in ((self.floats(a), transA), (self.floats(b), transB))
        )
        found = self._scaled(self.matmul(left, right), alpha)
        return found if c is None else self.each("add", found, self._scaled(c, beta))

    def einsum(self, *inputs: Value, equation: str) -> Floats:
        ids = [self.floats(one) for one in inputs]
        terms = equation.replace(" ", "").partition("->")[0].split(",")
        size = {c: n for term, one in zip(terms, ids, strict=True) for c, n in zip(term, one.shape, strict=True)}
        self._count(8 * prod(size[c] for c in equation.partition("->")[2].strip()))
        self._tick(prod(size[c] for c in {*terms[0]}.intersection(*terms[1:])))
        return Floats(self.math.einsum(equation, *ids))

    def _scaled(self, value: Value, factor: float) -> Value:
        return value if factor == 1 else self.each("multiply", value, np.array(factor))

    def cast(self, a: Value, to: int, **_: Any) -> Value:
        dtype = data_type(to)
        if isinstance(a, Indices):
            return a
        if isinstance(a, Floats):
            if dtype is not None and (dtype.kind in "fb" or dtype.name == "bfloat16"):
                return a
            a = self.whole(a)
        return self.plain(a.astype(dtype))

    def layer_norm(
        self, a: Value, scale: Value, shift: Value = None, axis: int = -1, epsilon: float = 1e-5, **_: Any
    ) -> Floats:
        ids = self.floats(a)
        axes = tuple(range(axis % ids.ndim, ids.ndim))
        found = self.math.layer_norm(
            ids, axes, self.floats(scale), None if shift is None else self.floats(shift), epsilon
        )
        return Floats(found)

    def constant(self, **facts: Any) -> Value:
        ((name, value),) = facts.items()
        if name == "value":
            return self.plain(self.tensors.array(value))
        if name.rstrip("s") not in ("value_float", "value_int"):
            raise self.tape.refusal(f"a Constant of {name}")
        return self.plain(np.array(value, np.float64 if "float" in name else np.int64))

    def filled(self, shape: Value, value: Any = None) -> Value:
        number = ZERO if value is None else self.tensors.array(value)
        found = FOLDS["ConstantOfShape"](self.whole(shape), number)
        self._count(8 * prod(found.shape))
        return self.plain(found)

    def shape(self, a: Value, start: int | None = None, end: int | None = None) -> Any:
        array = _array(a)
        return np.array(array.shape[start:end], np.int64)

    def numbers(self, function: Callable[..., Any], name: str, *inputs: Value, **facts: Any) -> Value:
        """An operator on known whole numbers, or on recorded ones."""
        if name and any(isinstance(one, Floats) for one in inputs):
            return self.each(name, *inputs)
        arrays = [self.whole(one) for one in inputs]
        self._count(8 * prod(np.broadcast_shapes(*(one.shape for one in arrays))))
        return np.asarray(function(*arrays, **facts))

    def range(self, start: Value, limit: Value, step: Value) -> Any:
        begin, end, by = (np.ravel(self.whole(one))[0] for one in (start, limit, step))
        self._count(8 * max(0, int((end - begin) / by)))
        return self.plain(np.arange(begin, end, by))

    def tile(self, a: Value, repeats: Value) -> Value:
        times = self.whole(repeats).tolist()
        array = _array(a)
        self._count(array.nbytes * max(0, prod(times)))
        found = np.tile(array, times)
        return type(a)(found) if isinstance(a, (Floats, Indices)) else found

    def scatter(self, data: Value, indices: Value, updates: Value, reduction: str = "none") -> Value:
        """Rows that are written into an array, as an assignment does."""
        if reduction != "none":
            raise self.tape.refusal(f"reduction {reduction!r}")
        found = self.floats(data).copy()
        found[tuple(np.moveaxis(self.whole(indices), -1, 0))] = self.floats(updates)
        return Floats(found)

    # -- bodies --

    def branch(self, condition: Value, then_branch: Any, else_branch: Any, outer: Any) -> tuple[Value, ...]:
        chosen = bool(np.ravel(self.whole(condition))[0])
        return tuple(self.graph(then_branch if chosen else else_branch, outer, {}))

    def loop(self, most: Value, going: Value = None, *carried: Value, body: Any, outer: Any) -> tuple[Value, ...]:
        count = None if most is None else int(np.ravel(self.whole(most))[0])
        names, states, scanned, at = [one.name for one in body.input], [*carried], list[list[Value]](), 0
        while (count is None or at < count) and (going is None or bool(np.ravel(self.whole(going))[0])):
            given = [np.array(at), np.array(True) if going is None else going, *states]
            going, *rest = self.graph(body, outer, dict(zip(names, given, strict=True)))
            states = rest[: len(states)]
            scanned.append(rest[len(states) :])
            at += 1
        return *states, *(self._stacked(each, 0) for each in zip(*scanned, strict=True))

    def scan(self, *inputs: Value, body: Any, num_scan_inputs: int, outer: Any, **facts: Any) -> tuple[Value, ...]:
        count = len(inputs) - num_scan_inputs
        states, scanned = [*inputs[:count]], [Floats(self.floats(one)) for one in inputs[count:]]
        axes = facts.get("scan_input_axes", [0] * len(scanned))
        back = facts.get("scan_input_directions", [0] * len(scanned))
        names, outputs = [one.name for one in body.input], list[list[Value]]()
        steps = {one.ids.shape[axis] for one, axis in zip(scanned, axes, strict=True)}
        if len(steps) != 1:
            raise self.tape.refusal(f"its inputs have {sorted(steps)} steps")
        total = steps.pop()
        for t in range(total):
            each = [
                Floats(np.take(one.ids, total - 1 - t if turned else t, axis))
                for one, axis, turned in zip(scanned, axes, back, strict=True)
            ]
            rest = self.graph(body, outer, dict(zip(names, [*states, *each], strict=True)))
            states = rest[:count]
            outputs.append(rest[count:])
        made = [*zip(*outputs, strict=True)]
        turned = facts.get("scan_output_directions", [0] * len(made))
        out = facts.get("scan_output_axes", [0] * len(made))
        return *states, *(
            self._stacked(each[::-1] if back else each, axis)
            for each, back, axis in zip(made, turned, out, strict=True)
        )

    def _stacked(self, each: Sequence[Value], axis: int) -> Value:
        if any(isinstance(one, Floats) for one in each):
            return Floats(np.stack([self.floats(one) for one in each], axis))
        return np.stack([self.whole(one) for one in each], axis)

    def joined(self, sequence: list[Value], axis: int, new_axis: int = 0) -> Value:
        if new_axis:
            return self._stacked(sequence, axis)
        return self.move("Concat", *sequence, axis=axis)

    def inserted(self, sequence: list[Value], value: Value, place: Value = None) -> list[Value]:
        at = len(sequence) if place is None else int(np.ravel(self.whole(place))[0])
        return [*sequence[:at], value, *sequence[at:]]

    def pieces(self, a: Value, split: Value = None, axis: int = 0, keepdims: int = 1) -> list[Value]:
        ids = self.floats(a)
        if split is not None and np.any(self.whole(split) != 1):
            raise self.tape.refusal("pieces of more than one step")
        self._tick(ids.shape[axis])
        return [Floats(ids.take([k] if keepdims or split is not None else k, axis)) for k in range(ids.shape[axis])]


def _array(value: Value) -> Any:
    """What an operator that moves numbers works on."""
    return value.ids if isinstance(value, Floats) else value.times if isinstance(value, Indices) else value


def _kind(value: Any) -> str:
    return {Floats: "computed numbers", Indices: "indices", list: "a sequence"}.get(type(value), "nothing")


def _each(name: str) -> Callable[..., Any]:
    return lambda run, *inputs: run.each(name, *inputs)


def _number(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    return lambda run, *inputs, **facts: run.numbers(function, name, *inputs, **facts)


def _move(op: str) -> Callable[..., Any]:
    return lambda run, *inputs, **facts: run.move(op, *inputs, **facts)


def _reduced(name: str) -> Callable[..., Any]:
    return lambda run, *inputs, **facts: run.reduce(name, *inputs, **facts)


_BODIES = ("If", "Loop", "Scan")
#: The operators that are known, by their names, as functions of a run, the inputs and the attributes.
OPERATORS: Mapping[str, Callable[..., Any]] = {
    **{op: _move(op) for op in (*MOVES - {"Cast"}, "Concat")},
    **{op: _each(op.lower()) for op in ("Tanh", "Sigmoid", "Exp", "Log", "Relu", "Reciprocal", "Sqrt")},
    "Softplus": lambda run, a: Floats(run.math.softplus(run.floats(a))),
    "Softsign": lambda run, a: run.each("div", a, run.each("add", run.each("abs", a), np.array(1.0))),
    "Elu": lambda run, a, alpha=1.0: Floats(run.math.elu(run.floats(a), alpha)),
    "LeakyRelu": lambda run, a, alpha=0.01: Floats(run.math.leaky_relu(run.floats(a), alpha)),
    "HardSigmoid": lambda run, a, alpha=0.2, beta=0.5: run.clip(
        run.each("add", run.each("mul", a, np.array(alpha)), np.array(beta)), 0.0, 1.0
    ),
    **{op: _number(function, name) for op, function, name in (
        ("Add", np.add, "add"), ("Sub", np.subtract, "sub"), ("Mul", np.multiply, "mul"),
        ("Neg", np.negative, "neg"), ("Abs", np.abs, "abs"), ("Greater", np.greater, "greater"),
        ("Less", np.less, "less"), ("GreaterOrEqual", np.greater_equal, "greater_equal"),
        ("LessOrEqual", np.less_equal, "less_equal"), ("Where", np.where, "where"), ("Equal", np.equal, ""),
        ("And", np.logical_and, ""), ("Or", np.logical_or, ""), ("Mod", lambda a, b, fmod=0: np.mod(a, b), ""),
        ("Floor", np.floor, ""), ("Ceil", np.ceil, ""), ("Pow", np.power, "power"),
    )},
    "Not": lambda run, a: run.each("sub", np.array(1.0), a) if isinstance(a, Floats) else np.logical_not(run.whole(a)),
    "Div": lambda run, a, b: run.each("div", a, b) if isinstance(a, Floats) else np.asarray(
        (run.whole(a) / run.whole(b)).astype(run.whole(a).dtype)
    ),
    "Max": lambda run, *inputs: run.repeated("maximum", *inputs),
    "Min": lambda run, *inputs: run.repeated("minimum", *inputs),
    "Sum": lambda run, *inputs: run.repeated("add", *inputs),
    "Clip": GraphRun.clip,
    "MatMul": GraphRun.matmul,
    "Gemm": GraphRun.gemm,
    "Einsum": GraphRun.einsum,
    "Softmax": lambda run, a, axis=-1: Floats(run.math.softmax(run.floats(a), axis)),
    "LayerNormalization": GraphRun.layer_norm,
    "ReduceSum": _reduced("sum"),
    "ReduceMean": _reduced("mean"),
    "ReduceMax": _reduced("max"),
    "ReduceMin": _reduced("min"),
    "Dropout": lambda run, a, *_, **facts: a,
    "Cast": GraphRun.cast,
    "CastLike": lambda run, a, like, **_: a if isinstance(like, Floats) else run.whole(a).astype(run.whole(like).dtype),
    "Constant": GraphRun.constant,
    "ConstantOfShape": GraphRun.filled,
    "Shape": GraphRun.shape,
    "Size": lambda run, a: np.array(prod(run.shape(a).tolist())),
    "Range": GraphRun.range,
    "Tile": GraphRun.tile,
    "ScatterND": GraphRun.scatter,
    "If": GraphRun.branch,
    "Loop": GraphRun.loop,
    "Scan": GraphRun.scan,
    "SequenceEmpty": lambda run, dtype=1: [],
    "SequenceConstruct": lambda run, *inputs: [*inputs],
    "SequenceInsert": GraphRun.inserted,
    "SequenceAt": lambda run, sequence, place: sequence[int(np.ravel(run.whole(place))[0])],
    "SequenceLength": lambda run, sequence: np.array(len(sequence)),
    "ConcatFromSequence": GraphRun.joined,
    "SplitToSequence": GraphRun.pieces,
}  # fmt: skip
