"""Programs that `torch.export` wrote, without a layer or cell of PyTorch: the recurrences that their graphs compute.

A graph is run on the tape by the operations of `aten.py`, and read as an ONNX graph is.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import PurePath
from typing import Any

import numpy as np

from ...errors import LiftError
from ...printable import message
from ...weights.formats.exported import ExportedProgram
from ...weights.read import Found
from ..arrays import Recorded
from ..aten import MADE, called
from .onnx_graph import GraphInput, GraphReader, cells
from .onnx_run import Floats, GraphNode, GraphRun, Indices, Value

#: Operations on sizes.
_SIZES = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv}
#: Operations that multiply matrices; some of them add the product to their first argument.
_ADDED = ("addmm", "addmv", "baddbmm")
_PRODUCTS = ("mm", "mv", "bmm", "matmul", "linear", *_ADDED)
#: What an argument by keyword is noted as.
_KEYWORD = 2


def read(program: ExportedProgram) -> list[Found]:
    """The cells that the graph of a program computes. Raises LiftError, FileError."""
    if program.changed:
        raise LiftError(f"it changes {program.changed[0]}, so that a state is kept outside of what it is given")
    return cells(ProgramReader(program))


class ProgramReader(GraphReader):
    """The graph of a program, and what it is given."""

    kind = "exported program"

    def __init__(self, program: ExportedProgram) -> None:
        self.graph, self.program, self.names = program.graph, program, program.outputs
        self.inputs = [_input(program, name) for name in program.given]
        self.operators = Counter(_name(node["target"]) for node in self.graph["nodes"])

    def _run(self) -> GraphRun:
        return ProgramRun(self.program)


def _input(program: ExportedProgram, name: str) -> GraphInput:
    return GraphInput(name, program.sizes(name), program.is_whole(name))


def _name(target: str) -> str:
    """The operation of a node, without its library and overload."""
    return target.removeprefix("torch.ops.").removeprefix("aten.").partition(".")[0]


class ProgramRun(GraphRun):
    """One run of an exported program. Its values are recording arrays, arrays of whole numbers, sizes, and lists."""

    def __init__(self, program: ExportedProgram) -> None:
        super().__init__(program, len(program.graph["nodes"]))  # type: ignore[arg-type]
        self.program = program
        #: The parameters, buffers and constants, by the names of the inputs that they are.
        self.weights: dict[str, Any] = {}
        for name, (target, stored) in program.weights.items():
            array = np.asarray(stored)
            self._count(8 * array.size, target)
            self.weights[name] = self._weight(array, target)

    def graph(self, graph: Any, outer: Any, given: Mapping[str, Value]) -> list[Value]:
        """The outputs of the program. given: its inputs."""
        known = dict(self.weights)
        for name, one in given.items():
            known[name] = Recorded(one.ids, self.math) if isinstance(one, Floats) else one
        for node in graph["nodes"]:
            self.tape.node = _code(node)
            self._step(node, known)
        outputs = [known[name] for name in self.program.outputs]
        return [Floats(one.ids) if isinstance(one, Recorded) else one for one in outputs]

    def _weight(self, array: Any, name: str) -> Any:
        """A stored array: one number is a number of the equations, and whole numbers are no weights."""
        if array.dtype.kind != "f":
            return array
        if not array.ndim:
            return Recorded(self.math.plain(array.astype(np.float64)), self.math)
        return Recorded(self.tape.source("weight", array, name=name.replace(".", "_")), self.math)

    def _step(self, node: Mapping[str, Any], known: dict[str, Any]) -> None:
        """Compute a node."""
        args = [self._value(one["arg"], known) for one in node["inputs"] if one.get("kind") != _KEYWORD]
        named = {one["name"]: self._value(one["arg"], known) for one in node["inputs"] if one.get("kind") == _KEYWORD}
        library, _, rest = node["target"].removeprefix("torch.ops.").partition(".")
        name, _, overload = rest.partition(".")
        if library == "_operator" and name in _SIZES:
            found = _SIZES[name](*args)
        elif library != "aten":
            raise self.tape.refusal(f"{message(node['target'])} is no operation of a cell")
        elif name.startswith("_assert") or name == "sym_constrain_range_for_size":
            return
        elif name == "sym_size":
            found = args[0].shape[args[1]]
        elif name == "embedding" and isinstance(args[1], Indices):
            found = Recorded(self._looked_up(Floats(args[0].ids), args[1]).ids, self.math)
        else:
            self._count(8 * self._claimed(name, args), message(name))
            indices = isinstance(args[0], Indices) if args else False
            args = [args[0].times, *args[1:]] if indices else args
            found = called(name, overload, args, named, self.tape.refusal)
            found = Indices(found) if indices and isinstance(found, np.ndarray) else found
        self._keep(node["outputs"], found, known)

    def _keep(self, outputs: Sequence[Mapping[str, Any]], found: Any, known: dict[str, Any]) -> None:
        """Note what a node computed by the names of its outputs."""
        each = found if len(outputs) > 1 and isinstance(found, (list, tuple)) else [found]
        for output, one in zip(outputs, each, strict=False):
            ((kind, value),) = output.items()
            if kind == "as_tensors":
                known |= {part["name"]: self._recorded(own) for part, own in zip(value, one, strict=True)}
            elif kind == "as_tensor":
                known[value["name"]] = self._recorded(one)
            elif kind.startswith("as_sym"):
                known[value["as_name"]] = one

    def _recorded(self, value: Any) -> Any:
        """An array that a node made: of floating point numbers a recording one, to be written into."""
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            value = Recorded(np.array(self.math.plain(value)), self.math)
        if isinstance(value, (Recorded, np.ndarray)):
            self._count(8 * prod(value.shape))
        return value

    def _value(self, argument: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
        """An argument of a node."""
        ((kind, value),) = argument.items()
        match kind.removeprefix("as_"):
            case "tensor":
                return known[value["name"]]
            case "tensors":
                return [known[one["name"]] for one in value]
            case "optional_tensor":
                return self._value(value, known)
            case "optional_tensors" | "sym_ints" | "sym_floats":
                return [self._value(one, known) for one in value]
            case "sym_int" | "sym_float" | "sym_bool":
                return self._value(value, known)
            case "name":
                return known[value]
            case "float":
                return float(value)
            case "int" | "ints" | "floats" | "bool" | "bools" | "string":
                return value
            case "scalar_type":
                return _dtype(value)
            case "none" | "device" | "layout" | "memory_format":
                return None
        raise self.tape.refusal(f"an argument of the kind {message(kind)} is not read")

    def _claimed(self, name: str, args: Sequence[Any]) -> int:
        """The most numbers that an operation may make."""
        shapes: list[tuple[int, ...]] = [one.shape for one in _flat(args) if isinstance(one, (Recorded, np.ndarray))]
        numbers = prod(max(1, abs(int(one))) for one in _flat(args) if isinstance(one, (int, float)))
        total = sum(map(prod, shapes))
        if name in MADE or name == "arange":
            return numbers + total
        if name == "repeat":
            return prod(shapes[0]) * numbers
        if name in ("index", "index_select", "index_put"):
            return total + prod(shapes[0]) * prod(shapes[1] if len(shapes) > 1 else ())
        if name == "einsum":
            terms, _, out = args[0].replace(" ", "").partition("->")
            sizes = {key: n for term, shape in zip(terms.split(","), shapes, strict=True)
                     for key, n in zip(term, shape, strict=True)}  # fmt: skip
            return prod(sizes[key] for key in out)
        if name in _PRODUCTS:
            a, b = shapes[1:] if name in _ADDED else shapes[:2]
            batch = a[0] if name in ("bmm", "baddbmm") else 1
            return prod(a) * prod(b) // max(1, a[-1] ** 2 * batch)
        try:
            return prod(np.broadcast_shapes(*shapes))
        except ValueError:  # they are joined, or chosen from
            return total


def _flat(value: Any) -> list[Any]:
    return [one for part in value for one in _flat(part)] if isinstance(value, (list, tuple)) else [value]


def _dtype(number: int) -> Any:
    """A dtype as numpy's: floating point numbers are those of the tape."""
    return {1: np.uint8, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 12: np.bool_}.get(number, np.float64)


def _code(node: Mapping[str, Any]) -> GraphNode:
    """What a message calls a node: the line of code that it was made from, as the file has it."""
    lines = [
        *re.finditer(r'File "([^"\n]*)", line (\d+), in [^\n]*\n([^\n]*)', node["metadata"].get("stack_trace", ""))
    ]
    own = [one for one in lines if "/torch/nn/" not in one[1].replace("\\", "/")]
    if not own:
        return GraphNode(f"the operation {message(_name(node['target']))}", 0)
    file, number, text = own[-1].groups()
    return GraphNode(message(f"{PurePath(file).name}, line {number}: `{text.strip()}`"), 0)
