"""The graphs of an ONNX model: what each name in them refers to, the origin of a value, and constant folding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...errors import FileError
from ..guards import afford
from .constants import FOLDS, MOVES, ZERO, Fill, NotConstant, Tensors, claimed, data_type, fill_of, inner_graphs

#: The sizes of a value's axes, None for unknown ones; None if nothing is known.
Shape = tuple[int | None, ...] | None


class Scope:
    """One graph: the model's own, or the body of an If, Loop or Scan, which sees the names of enclosing graphs.

    path: its location in the model. parent: the enclosing graph. tensors, inputs, producers: what its names refer to.
    shapes: of values, as noted in the file.
    """

    def __init__(self, graph: Any, path: str, parent: Scope | None) -> None:
        self.path, self.parent = path, parent
        self.tensors: dict[str, Any] = {tensor.name: tensor for tensor in graph.initializer}
        self.tensors |= {sparse.values.name: sparse for sparse in graph.sparse_initializer}
        # up to IR version 3, stored tensors are also listed as inputs: they are default values
        self.inputs: dict[str, Any] = {value.name: value for value in graph.input if value.name not in self.tensors}
        self.producers: dict[str, Any] = {output: node for node in graph.node for output in node.output if output}
        noted = (v for v in (*graph.value_info, *graph.input, *graph.output) if v.type.tensor_type.HasField("shape"))
        self.shapes: dict[str, tuple[int | None, ...]] = {
            v.name: tuple(d.dim_value or None for d in v.type.tensor_type.shape.dim) for v in noted
        }

    def home(self, name: str) -> Scope | None:
        """The innermost scope that has `name`."""
        if name in self.producers or name in self.tensors or name in self.inputs:
            return self
        return None if self.parent is None else self.parent.home(name)


def standard(node: Any) -> bool:
    """Whether a node's operator is one of ONNX's own."""
    return node.domain in ("", "ai.onnx")


#: Maximum chain of operators between stored numbers and a folded value, or between a value and its origin.
DEEPEST = 100


class Origin(NamedTuple):
    """Where a value comes from: the operators that only move its numbers, last first, and their source.

    node: the node that computed it, None for an input of a graph or a stored tensor. name: the value's name there.
    moved: the operators in words. table: the stored table of a look-up, which is traced to its indices.
    """

    moves: tuple[Any, ...]
    scope: Scope
    node: Any
    name: str
    moved: tuple[str, ...] = ()
    table: str = ""


def origin(scope: Scope, name: str) -> Origin:
    """Where a value comes from, skipping the operators that only move its numbers."""
    moves: list[Any] = []
    moved: list[str] = []
    rows = ""
    home = scope.home(name) or scope
    while (node := home.producers.get(name)) and len(moves) < DEEPEST:
        passes = node.op_type in MOVES or (node.op_type == "Dropout" and len(node.input) < 3)  # not in training
        if not standard(node) or not passes:
            break
        table, *indices = node.input or [""]
        looked_up = node.op_type == "Gather" and indices and _stored(home, [table]) and not _stored(home, indices)
        said = node.op_type
        if looked_up:  # the table's own name, if it is only moved, and its shape
            at = origin(home, table)
            own = at.scope.tensors.get(at.name)
            said = f"Gather of {table if own is None else at.name + sizes(own.dims)}"
            rows = rows or at.name
        moves.append(node)
        moved.append(said)
        name = indices[0] if looked_up else table
        home = home.home(name) or home
    return Origin(tuple(moves), home, home.producers.get(name), name, tuple(moved), rows)


@lru_cache(maxsize=1)
def readouts(scope: Scope) -> list[tuple[Origin, tuple[str, ...], bool]]:
    """Each product of a value and a stored matrix: the value's origin, the matrix and its bias, and whether the matrix
    is stored with a row for each number of the value. One whose result is computed with further is no readout.
    """
    nodes = {id(node): node for node in scope.producers.values()}.values()
    reads: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            reads.setdefault(name, []).append(node)
    found = []
    for node in nodes:
        scaled = any(a.f != 1 for a in node.attribute if a.name in ("alpha", "beta"))
        if not standard(node) or node.op_type not in ("MatMul", "Gemm") or len(node.input) < 2 or scaled:
            continue
        value, matrix, *bias = node.input
        after = reads.get(node.output[0], [])
        if node.op_type == "MatMul" and [one.op_type for one in after] == ["Add"]:
            bias = [name for name in after[0].input if name != node.output[0]]
            after = reads.get(after[0].output[0], [])
        if not {one.op_type for one in after} <= MOVES | {"Softmax", "LogSoftmax", "Sigmoid", "ArgMax", "Shape"}:
            continue
        stored = [at for name in (matrix, *bias) if (at := origin(scope, name)).name in at.scope.tensors]
        if len(stored) == 1 + len(bias):
            turned = sum(move.op_type == "Transpose" for move in stored[0].moves)
            turned += sum(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            found.append((origin(scope, value), tuple(at.name for at in stored), turned % 2 == 0))
    return found


def _stored(scope: Scope, names: Sequence[str]) -> bool:
    """Whether the numbers of values are stored in the file, and at most moved, joined or scaled."""
    pending = [(scope, name) for name in names]
    seen: set[tuple[Scope, str]] = set()
    while pending:
        scope, name = pending.pop()
        if (home := scope.home(name)) is None or name in home.inputs or len(seen) > DEEPEST:
            return False
        if (home, name) in seen or name in home.tensors:
            continue
        seen.add((home, name))
        node = home.producers[name]
        if not standard(node) or node.op_type not in {"Constant", *FOLDS}:
            return False
        sized = node.op_type in MOVES - {"Gather"}  # its other inputs are axes and sizes
        pending += [(home, name) for name in (node.input[:1] if sized else node.input) if name]
    return True


def described(origin: Origin) -> str:
    """The origin of a value, in words: 'the model's input x (B, T, 40), through Transpose'."""
    through = ", ".join(dict.fromkeys(reversed(origin.moved)))
    through = f", through {through}" if through else ""
    if origin.node is not None:
        kind = origin.node.op_type if standard(origin.node) else f"{origin.node.domain}.{origin.node.op_type}"
        called = origin.node.name or repr(origin.name)
        return f"the output of {called} ({kind}){through}"
    if (stored := origin.scope.tensors.get(origin.name)) is not None:
        return f"the stored {origin.name}{sizes(stored.dims)}{through}"
    if (value := origin.scope.inputs.get(origin.name)) is None:
        return f"{origin.name!r}, which is nowhere in the file{through}"
    owner = "the model's input" if origin.scope.parent is None else f"the input of {origin.scope.path.rstrip('/')},"
    noted = value.type.tensor_type  # empty for other types
    shape = [d.dim_param or (str(d.dim_value) if d.HasField("dim_value") else "?") for d in noted.shape.dim]
    return f"{owner} {origin.name}{sizes(shape) if noted.HasField('shape') else ''}{through}"


def sizes(dims: Iterable[Any]) -> str:
    """The sizes of axes, in brackets after a name."""
    return f" ({', '.join(map(str, dims))})"


class Graphs:
    """Every graph of a model."""

    def __init__(self, model: Any, tensors: Tensors) -> None:
        self._model, self._tensors = model, tensors
        self._known: dict[tuple[Scope, str], Any] = {}
        self._made = 0  # total bytes of all results, which are kept

    def nodes(self) -> Iterator[tuple[Scope, Any]]:
        """Every node with its scope; inner graphs follow the node that contains them."""
        pending: list[tuple[Any, str, Scope | None]] = [(self._model.graph, "", None)]
        while pending:
            graph, path, parent = pending.pop(0)
            scope = Scope(graph, path, parent)
            inner: list[tuple[Any, str, Scope | None]] = []
            for node in graph.node:
                yield scope, node
                name = f"{path}{node.name or (node.output or ['node'])[0]}/"
                inner += [(held, name + place, scope) for place, held in inner_graphs(node)]
            pending = inner + pending

    def constant(self, scope: Scope, name: str, depth: int = 0) -> Any:
        """The constant array called `name`, or a Fill if its size is unknown. Raises NotConstant, FileError."""
        if (home := scope.home(name)) is None:
            raise NotConstant(f"{name!r} is nowhere in the file")
        if name in home.tensors:
            return self._tensors.array(home.tensors[name])
        if name not in home.producers:
            raise NotConstant(f"it comes from {described(Origin((), home, None, name))}")
        if (home, name) not in self._known:
            if depth > DEEPEST:
                raise NotConstant(f"more than {DEEPEST} operators make {name!r}")
            node = home.producers[name]
            self._known[home, name] = NotConstant(f"{name!r} is made of itself")  # until it is known
            try:
                found: list[Any] = self._folded(home, node, depth)
                if len(found) != (count := len(node.output)):
                    raise NotConstant(f"a {node.op_type} has {len(found)} outputs; {name!r} is one of {count}")
            except NotConstant as reason:  # also a result, which is cached
                found = [reason] * len(node.output)
            self._known |= {(home, output): values for output, values in zip(node.output, found, strict=True)}
        known = self._known[home, name]
        if isinstance(known, NotConstant):
            raise known
        return known

    def shape(self, scope: Scope, name: str, axes: int) -> Shape:
        """The shape of a value, as far as the file determines it: stored, noted, or given as the sizes of a constant.

        axes: the number of axes, for sizes of which one is known only when the model runs.
        """
        if (home := scope.home(name)) is None:
            return None
        if name in home.tensors:
            return tuple(int(size) for size in home.tensors[name].dims)
        try:
            found = self.constant(scope, name)
        except NotConstant:
            return home.shapes.get(name)
        if not isinstance(found, Fill):
            return tuple(found.shape)
        node = home.producers[name]
        made = node.op_type == "ConstantOfShape"
        if node.op_type == "Expand":  # of a single number
            expanded = self.constant(home, node.input[0])
            made = not isinstance(expanded, Fill) and expanded.size == 1
        return home.shapes.get(name) or (self._sizes(home, node.input[-1], axes) if made else None)

    def kind(self, scope: Scope, name: str) -> str:
        """The data type of a graph's input, as noted in the file; empty for other values and unknown types."""
        home = scope.home(name)
        dtype = data_type(home.inputs[name].type.tensor_type.elem_type) if home and name in home.inputs else None
        return "" if dtype is None else str(dtype.name)

    def _sizes(self, scope: Scope, name: str, axes: int) -> Shape:
        """Sizes concatenated from constants and one part that is known only when the model runs."""
        home = scope.home(name) or scope
        if (node := home.producers.get(name)) is None or node.op_type != "Concat":
            return None
        parts: list[list[int | None]] = []
        unknown: list[int | None] = []
        for part in node.input:
            try:
                values = self.constant(home, part)
            except NotConstant:
                values = Fill(0)
            parts.append(unknown if isinstance(values, Fill) else np.ravel(values).tolist())
        unknown += [None] * (axes - sum(map(len, parts)))
        known = sum(part is unknown for part in parts) == 1 and sum(map(len, parts)) == axes
        return tuple(size for part in parts for size in part) if known else None

    def _folded(self, scope: Scope, node: Any, depth: int) -> list[Any]:
        """The results of a node, computed from constants."""
        facts = attributes(node)
        if node.op_type == "Constant" and standard(node):
            for name, value in facts.items():
                if name == "value":
                    return [self._tensors.array(value)]
                if name.rstrip("s") in ("value_float", "value_int"):
                    return [np.array(value, np.float32 if "float" in name else np.int64)]
            raise NotConstant(f"the Constant {node.output[0]} holds {', '.join(facts) or 'nothing'}")
        if node.op_type not in FOLDS or not standard(node):
            raise NotConstant(f"it comes from {described(Origin((), scope, node, node.output[0]))}")
        known: dict[str, Any] = {"": None}  # an input that occurs several times is read once
        for name in dict.fromkeys(node.input):
            try:
                known[name] = self.constant(scope, name, depth + 1) if name else None
            except NotConstant:
                if name == node.input[0] and node.op_type != "ConstantOfShape":
                    raise
                known[name] = NotConstant  # a size: a value that is the same everywhere stays so
        inputs = [known[name] for name in node.input]
        facts.pop("consumed_inputs", None)  # in versions before 6: memory that may be reused
        if "value" in facts:
            facts["value"] = self._tensors.array(facts["value"])
        if node.op_type == "Split":
            facts["num_outputs"] = len(node.output)
        if (filled := _filled(node.op_type, inputs, facts)) is not None:
            return [filled] * len(node.output)
        where = f"{self._tensors.path}: the {node.op_type} {node.name or node.output[0]}"
        try:
            self._made += claimed(node.op_type, inputs, facts)
            afford(self._made, self._tensors.stored, where)
            with np.errstate(all="ignore"):  # infinities are reported when the weights are checked
                found = FOLDS[node.op_type](*inputs, **facts)
        except FileError:  # of `afford`
            raise
        except (ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError, MemoryError) as error:
            raise NotConstant(f"the {node.op_type} {node.name or node.output[0]} of constants fails: {error}") from None
        found = [np.asarray(values) for values in (found if isinstance(found, list) else [found])]
        for values in found:  # counts views that repeat numbers at their full size
            afford(values.nbytes, self._tensors.stored, where)
        return found


def _filled(op: str, inputs: list[Any], facts: dict[str, Any]) -> Fill | None:
    """The Fill that a node returns, if it does. Raises NotConstant if a size is required and unknown."""
    if not any(v is NotConstant or isinstance(v, Fill) for v in inputs):
        return None
    if op == "ConstantOfShape":
        return fill_of(facts.get("value", ZERO))
    fills = {fill_of(v) for v in (inputs[:1] if op in MOVES else inputs if op == "Concat" else [])}
    if len(fills) == 1 and (found := fills.pop()):
        return found
    raise NotConstant(f"its size is known only when the model runs ({op})")


def attributes(node: Any) -> dict[str, Any]:
    """A node's attributes by name; texts as str. Raises NotConstant for a duplicate, and for one without a value."""
    import onnx

    found: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.name in found:
            raise NotConstant(f"duplicate attribute {attribute.name}")
        try:
            value = onnx.helper.get_attribute_value(attribute)
        except ValueError:
            raise NotConstant(f"the attribute {attribute.name} has no value that can be read") from None
        several = isinstance(value, list)
        each = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in (value if several else [value])]
        found[attribute.name] = each if several else each[0]
    return found
