"""Constants of an ONNX model: tensors of the file, and what operators make of them, with numpy.

External data is read from the model's own folder only.

Only operators that move, join, cut or scale numbers are here: what exporters put between stored weights and an LSTM.
onnx's own evaluator (onnx.reference) is an oracle of the tests and is not used here: it is made for trusted models. It
sets attributes on its objects under the names that the file gives them, opens external data of attributes relative to
the current folder, and bounds nothing (Expand, ConstantOfShape, num_outputs, block_size). It lacks DequantizeLinear
before operator set 19 and Reshape before 5, drops the rest of a value whose Split does not add up, and takes the axes
of Unsqueeze-11 in the order in which they stand.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np

from ...base.extras import missing
from ...errors import FileError, MissingError, reason
from ..guards import ARRAYS, Lazy, afford, checked_shape, entries, told


class Tensors:
    """Turns the tensors of one model file into arrays; external data is opened when an array is asked for."""

    def __init__(self, path: Path, stored: int) -> None:
        self.path = path
        self.folder = path.resolve().parent
        #: Bytes of the model file and of the data files that were opened: what sizes are compared with.
        self.stored = stored
        self._seen: set[Path] = set()

    def array(self, tensor: Any) -> Any:
        """The numbers of a tensor. Raises FileError for wrong sizes and unsafe external data, NotConstant for texts."""
        import onnx

        if not isinstance(tensor, onnx.TensorProto):
            raise NotConstant(f"a constant of the kind {type(tensor).__name__} is not read")
        what = f"{self.path}: the tensor {tensor.name or '(no name)'}"
        shape = checked_shape(tensor.dims, what)
        if tensor.HasField("segment"):
            raise NotConstant(f"the tensor {tensor.name} is cut into segments, which is not read")
        dtype = data_type(tensor.data_type)
        if dtype is None:
            raise NotConstant(f"the tensor {tensor.name} has the data type {tensor.data_type}, not known")
        if dtype.kind not in "fiub" and dtype.name != "bfloat16":
            raise NotConstant(f"the tensor {tensor.name} holds {dtype.name}; expected plain numbers")
        size = entries(shape) * dtype.itemsize
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            content = self._external(tensor, size, what)
            return np.frombuffer(content, dtype.newbyteorder("<") if dtype.kind in "fiu" else dtype).reshape(shape)
        afford(size, self.stored, what)
        with told(what, ValueError, TypeError, RuntimeError):
            array = np.asarray(onnx.numpy_helper.to_array(tensor))
        if array.shape != shape:
            raise FileError(f"{what} claims the shape {shape} and holds {array.shape}")
        return array

    def lazy(self, tensor: Any) -> Lazy:
        """A tensor that is read when its numbers are asked for; FileError then for what is no array of numbers."""

        def read() -> Any:
            try:
                return self.array(tensor)
            except NotConstant as reason:
                raise FileError(f"{self.path}: {reason}") from None

        return Lazy(tuple(tensor.dims), "", read)

    def _external(self, tensor: Any, size: int, what: str) -> bytes:
        """The bytes of a tensor that are kept in another file of the folder."""
        facts = {e.key: e.value for e in tensor.external_data if isinstance(e.value, str)}
        place = self._inside(facts.get("location", ""), what)
        try:
            offset, length = int(facts.get("offset") or 0), int(facts.get("length") or size)
        except ValueError:
            raise FileError(f"{what}: its external data begins or ends at no number") from None
        if offset < 0 or length != size:
            raise FileError(f"{what} needs {size:,} bytes; its external data claims {length:,} from {offset:,} on")
        try:
            with open(place, "rb", opener=_at_once) as file:
                there = os.fstat(file.fileno())
                if not stat.S_ISREG(there.st_mode):
                    raise FileError(f"{what}: its external data {facts['location']!r} is no file")
                if offset + length > there.st_size:
                    raise FileError(
                        f"{what}: its external data {facts['location']!r} is cut off: {there.st_size:,} bytes, "
                        f"needed are {offset + length:,}"
                    )
                if place not in self._seen:
                    self._seen.add(place)
                    self.stored += there.st_size
                afford(size, self.stored, what)
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise FileError(f"{what}: its external data {facts['location']!r}: {reason(error)}") from None

    def _inside(self, location: str, what: str) -> Path:
        """The path of external data. Raises FileError where it would leave the model's folder."""
        posix, windows = PurePosixPath(location), PureWindowsPath(location)
        parts = {*posix.parts, *windows.parts}
        unsafe = posix.is_absolute() or windows.is_absolute() or windows.drive or windows.root or ".." in parts
        if not location or "\0" in location or unsafe:
            raise FileError(f"{what}: its external data {location!r} leaves the model's folder; it is not opened")
        try:
            place = (self.folder / location).resolve()
        except (OSError, RuntimeError):
            raise FileError(f"{what}: its external data {location!r} is a link to itself") from None
        if not place.is_relative_to(self.folder):
            raise FileError(
                f"{what}: its external data {location!r} is a link that leaves the model's folder; it is not opened"
            )
        return place


def _at_once(path: str, flags: int) -> int:
    """Opens a file, and a pipe without waiting for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def load(path: Path) -> tuple[Any, Tensors]:
    """The model of a file, without its external data, and its tensors.

    Raises MissingError without onnx, FileError for what is no ONNX model, or a part of one.
    """
    try:
        import onnx
    except ImportError:
        raise MissingError(missing(str(path), "onnx", ARRAYS)) from None
    from google.protobuf.message import DecodeError  # what onnx is written with

    stored = path.stat().st_size
    afford(2 * stored, stored, str(path))
    try:
        with told(path):
            model = onnx.load(path, format="protobuf", load_external_data=False)
    except (DecodeError, ValueError, TypeError, RecursionError) as error:
        raise FileError(f"{path}: not an ONNX model, or cut off ({type(error).__name__})") from None
    if not model.HasField("graph") or not (model.graph.node or model.graph.initializer):
        raise FileError(f"{path}: not an ONNX model, or cut off (it has no graph)")
    if not model.opset_import:
        raise FileError(f"{path}: the ONNX model says no operator set; it is cut off, or from before ONNX 1.0")
    model = _inlined(model, path)
    if not all(isinstance(text, str) for text in _texts(model)):
        raise FileError(f"{path}: the ONNX model has names that are not UTF-8: it is damaged")
    return model, Tensors(path, stored)


@contextmanager
def arrays(path: Path) -> Iterator[dict[str, Lazy]]:
    """The initializers of an ONNX file by name. Raises MissingError, FileError."""
    model, stored = load(path)
    yield {tensor.name: stored.lazy(tensor) for tensor in model.graph.initializer}


def opset(model: Any) -> int:
    """The version of the standard operators."""
    return max((int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)


def _inlined(model: Any, path: Path) -> Any:
    """The model with the functions of its own that hold an LSTM written out where they are called."""
    if not any("LSTM" in node.op_type for function in model.functions for node in _nodes(function.node)):
        return model
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the inliner is C++ and throws what it likes
        raise FileError(f"{path}: its functions cannot be written out: {str(error).splitlines()[0][:200]}") from None


def _texts(model: Any) -> Iterator[Any]:
    """Every text of a model that is read; protobuf gives those that are not UTF-8 as bytes."""
    yield from (model.producer_name, model.producer_version, *(o.domain for o in model.opset_import))
    pending = [model.graph]
    while pending:
        here = pending.pop()
        for tensor in (*here.initializer, *(sparse.values for sparse in here.sparse_initializer)):
            yield from (tensor.name, *(text for e in tensor.external_data for text in (e.key, e.value)))
        for value in (*here.input, *here.output, *here.value_info):
            yield from (value.name, *(d.dim_param for d in value.type.tensor_type.shape.dim))
        for node in here.node:
            yield from (node.op_type, node.domain, node.name, *node.input, *node.output)
            yield from (attribute.name for attribute in node.attribute)
            pending.extend(graph for _, graph in inner_graphs(node))


def inner_graphs(node: Any) -> Iterator[tuple[str, Any]]:
    """The graphs that a node holds, a branch or a body, each with its place: its attribute, and its number there."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield f"{attribute.name}/", attribute.g
        yield from ((f"{attribute.name}/{at}/", graph) for at, graph in enumerate(attribute.graphs))


def _nodes(nodes: Any) -> Iterator[Any]:
    """Nodes, with those of the graphs that they hold."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        for _, graph in inner_graphs(node):
            pending.extend(graph.node)


#: Axes, sizes of axes, or pieces of a Split, at most: an array has 64 axes, and a Split an output for each piece.
MANY = 10_000
#: What a ConstantOfShape holds where it does not say.
ZERO = np.zeros(1, np.float32)


class Fill(NamedTuple):
    """A constant of unknown size, the same number everywhere: zeros for each row of a batch, for example."""

    value: float


class NotConstant(Exception):  # noqa: N818 - an answer, not a fault
    """Why a value cannot be known without running the model."""


def fill_of(values: Any) -> Fill | None:
    """The number that an array holds everywhere, if it is one."""
    if isinstance(values, Fill):
        return values
    if values.size and (values == values.flat[0]).all():
        return Fill(float(values.flat[0]))
    return None


def _whole(values: Any) -> list[int]:
    """Axes or sizes, from an input (newer operators) or an attribute (older ones)."""
    if np.size(values) > MANY:
        raise ValueError(f"{np.size(values):,} axes or sizes; expected at most {MANY:,}")
    return [int(n) for n in np.ravel(values)]


def data_type(number: int) -> Any:
    """The dtype of a data type of ONNX; None where it has none."""
    import onnx

    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(int(number)))
    except (KeyError, TypeError, ValueError):
        return None


def _numeric(number: int) -> Any:
    """The dtype of a data type of numbers. Raises NotConstant for texts, KeyError for one that is not known."""
    dtype = data_type(number)
    if dtype is None:
        raise KeyError(number)
    if dtype.hasobject:
        raise NotConstant("numbers are turned into texts")
    return dtype


# Each function has the operator's inputs and attributes for parameters; what was an attribute in older versions of the
# operator and is an input in newer ones (axes, starts, split) is one parameter. An attribute that is none is a
# TypeError: nothing is ignored.


def _reshape(data: Any, shape: Any, allowzero: int = 0) -> Any:
    sizes = _whole(shape)
    return np.reshape(data, sizes if allowzero else [n or data.shape[at] for at, n in enumerate(sizes)])


def _flatten(data: Any, axis: int = 1) -> Any:
    if not -data.ndim <= axis <= data.ndim:
        raise ValueError(f"axis {axis} of {data.ndim}")
    return np.reshape(data, (prod(data.shape[:axis]), prod(data.shape[axis:])))


def _slice(data: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    begin, end = _whole(starts), _whole(ends)
    along = range(len(begin)) if axes is None else _whole(axes)
    index = [slice(None)] * data.ndim
    for axis, *bounds in zip(along, begin, end, [1] * len(begin) if steps is None else _whole(steps), strict=True):
        index[axis] = slice(*bounds)
    return data[tuple(index)]


def _split(data: Any, split: Any = None, axis: int = 0, num_outputs: int = 1) -> Any:
    size = data.shape[axis]
    each = -(-size // num_outputs)
    sizes = [min(each, size - each * k) for k in range(num_outputs)] if split is None else _whole(split)
    if sum(sizes) != size or len(sizes) != num_outputs or min(sizes) < 0:
        raise ValueError(f"a Split of {size} into {sizes}")
    return np.split(data, np.cumsum(sizes)[:-1].astype(int), axis=axis)


def _dequantize(
    data: Any, scale: Any, zero: Any = None, axis: int = 1, block_size: int = 0, output_dtype: int = 0
) -> Any:
    zero = np.zeros_like(scale) if zero is None else zero
    if block_size or scale.ndim > 1:
        raise NotConstant("weights that are quantised in blocks are not read")
    along = [1] * data.ndim
    if scale.size > 1:
        along[axis] = data.shape[axis]
    kind = scale.dtype
    found = (data.astype(kind) - zero.astype(kind).reshape(along)) * scale.reshape(along)
    return found.astype(_numeric(output_dtype)) if output_dtype else found


def _binary(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """broadcast: up to version 6, whose other attribute, axis, says that shapes are not aligned at their ends."""
    return lambda a, b, broadcast=1: np.asarray(function(a, b)).astype(a.dtype, copy=False)


#: What each operator makes of constants: one array, or a list of them.
FOLDS: dict[str, Callable[..., Any]] = {
    "Identity": lambda data: data,
    "Unsqueeze": lambda data, axes: np.expand_dims(data, tuple(_whole(axes))),
    "Squeeze": lambda data, axes=None: np.squeeze(data, None if axes is None else tuple(_whole(axes))),
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": lambda data, perm=None: np.transpose(data, perm),
    "Slice": _slice,
    "Concat": lambda *parts, axis=1: np.concatenate(parts, axis),
    "Split": _split,
    "Gather": lambda data, at, axis=0: np.take(data, at.astype(np.int64), axis),
    "Expand": lambda data, shape: np.broadcast_to(data, np.broadcast_shapes(data.shape, tuple(_whole(shape)))),
    "ConstantOfShape": lambda shape, value=ZERO: np.broadcast_to(np.reshape(value, ()), _whole(shape)),
    "Shape": lambda data, start=None, end=None: np.array(data.shape[start:end], np.int64),
    "Cast": lambda data, to, saturate=1, round_mode="up": data.astype(_numeric(to)),
    "DequantizeLinear": _dequantize,
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Neg": lambda data: np.negative(data),  # as such it would write into a second input
}
#: Operators whose result holds nothing but numbers of their first input, so that a Fill stays one.
MOVES = frozenset((
    "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose", "Slice", "Split", "Gather", "Expand", "Cast",
))  # fmt: skip


def claimed(op: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> int:
    """How many bytes an operator will take for its result; 0 where that is a view of its input, or small."""
    data, dtype = inputs[0], inputs[0].dtype
    numbers = data.size
    if op in ("Add", "Sub", "Mul"):
        numbers, dtype = prod(np.broadcast_shapes(*(array.shape for array in inputs))), np.result_type(*inputs)
    elif op == "Concat":
        numbers, dtype = sum(array.size for array in inputs), np.result_type(*{array.dtype for array in inputs})
    elif op == "Gather":
        numbers = inputs[1].size * data.size // max(data.shape[attributes.get("axis", 0)], 1)
    elif op == "Cast":
        dtype = _numeric(attributes["to"])
    elif op == "DequantizeLinear":
        dtype = inputs[1].dtype
    elif op != "Neg" and (op not in ("Reshape", "Flatten") or data.flags.c_contiguous):
        return 0
    return int(numbers * dtype.itemsize)
