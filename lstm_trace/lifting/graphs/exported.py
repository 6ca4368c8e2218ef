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

from ...base.packaged import packaged
from ...errors import LiftError
from ...printable import message
from ...weights.formats.exported import ExportedProgram
from ...weights.read import Found
from ..arrays import Recorded
from ..aten import MADE, called
from ..tape import CodeLine
from .onnx_graph import GraphInput, GraphReader, cells
from .onnx_run import GraphRun, Indices, Value, flat

#: Operations on sizes.
_SIZES = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv}
#: Operations that multiply matrices.
_PRODUCTS = frozenset(packaged("lifting/tables.toml")["products"])
#: Dtypes by their numbers; all others are of floating point numbers, which are those of the tape.
_DTYPES = {1: np.uint8, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 12: np.bool_}
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
        self.inputs = [GraphInput(name, program.sizes(name), program.is_whole(name)) for name in program.given]
        self.operators = Counter(_name(node["target"]) for node in self.graph["nodes"])

    def _run(self) -> GraphRun:
        return ProgramRun(self.program)


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
            self.weights[name] = self.plain(array, target.replace(".", "_") if array.ndim else "")

    def graph(self, graph: Any, outer: Any, given: Mapping[str, Value]) -> list[Value]:
        """The outputs of the program. given: its inputs."""
        known = self.weights | {**given}
        for node in graph["nodes"]:
            self.tape.node = _code(node)
            self._step(node, known)
        return [known[name] for name in self.program.outputs]

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
            found = self.looked_up(*args[:2])
        else:
            self._claimed(name, args)
            args = [self.recorded(one) for one in args] if name in _PRODUCTS else args
            chosen, moved = [any(isinstance(one, Indices) for one in flat(each)) for each in (args[1:], args[:1])]
            found = None if chosen else called(name, overload, args, named, self.tape.refusal)
            whole = isinstance(found, np.ndarray) and found.dtype.kind in "iu"
            if chosen or (moved and not (whole or isinstance(found, list))):
                raise self.tape.refusal("it computes with the indices that the model is given")
            found = found.view(Indices) if moved and found is not None and whole else found
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
        self.counted(value)
        return value

    def _value(self, argument: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
        """An argument of a node."""
        ((kind, value),) = argument.items()
        match kind.removeprefix("as_"):
            case "tensor":
                return known[value["name"]]
            case "tensors":
                return [known[one["name"]] for one in value]
            case "optional_tensors" | "sym_ints" | "sym_floats":
                return [self._value(one, known) for one in value]
            case "optional_tensor" | "sym_int" | "sym_float" | "sym_bool":
                return self._value(value, known)
            case "name":
                return known[value]
            case "float":
                return float(value)
            case "int" | "ints" | "floats" | "bool" | "bools" | "string":
                return value
            case "scalar_type":
                return _DTYPES.get(value, np.float64)
            case "none" | "device" | "layout" | "memory_format":
                return None
        raise self.tape.refusal(f"an argument of the kind {message(kind)} is not read")

    def _claimed(self, name: str, args: Sequence[Any]) -> None:
        """Raise FileError if an operation may make more numbers than the size of the file justifies."""
        arrays = [one for one in flat(args) if isinstance(one, (Recorded, np.ndarray))]
        more = 0
        if name in MADE or name in ("arange", "repeat"):
            more = prod(max(1, abs(int(one))) for one in flat(args) if isinstance(one, (int, float)))
            more *= arrays[0].size if name == "repeat" else 1
        elif name in ("index", "index_select", "index_put"):
            more = prod(one.size for one in arrays[:2])
        self.claim(arrays, more)


def _code(node: Mapping[str, Any]) -> CodeLine:
    """What a message calls a node: the line of code that it was made from, as the file has it."""
    lines = re.findall(r'File "([^"\n]*)", line (\d+), in [^\n]*\n([^\n]*)', node["metadata"].get("stack_trace", ""))
    if not (own := [one for one in lines if "/torch/nn/" not in one[0].replace("\\", "/")]):
        return CodeLine(f"the operation {message(_name(node['target']))}", 0)
    file, number, text = own[-1]
    return CodeLine(message(f"{PurePath(file).name}, line {number}: `{text.strip()}`"), 0)
