"""Constants of an ONNX model: tensors in the file, and the results of operators on them, computed with numpy.

External data is read from the model's own folder only.

Only operators that move, join, cut or scale numbers are supported: those that exporters put between stored weights and
an LSTM. onnx's own evaluator (onnx.reference) serves as an oracle in the tests and is not used here: it is made for
trusted models. It sets attributes on its objects under names given by the file, opens external data of attributes
relative to the current folder, and bounds nothing (Expand, ConstantOfShape, num_outputs, block_size). It lacks
DequantizeLinear before operator set 19 and Reshape before 5, drops the remainder of a value whose Split does not add
up, and takes the axes of Unsqueeze-11 in the order given.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np

from ...base.packaged import packaged
from ...errors import FileError, reason
from ..guards import Lazy, afford, checked_shape, entries, package, told


class Tensors:
    """Turns the tensors of one model file into arrays; external data is opened when an array is requested."""

    def __init__(self, path: Path, stored: int) -> None:
        self.path = path
        #: Total bytes of the model file and of the opened data files, with which claimed sizes are compared.
        self.stored = stored
        self._seen: set[Path] = set()

    def array(self, tensor: Any) -> Any:
        """The numbers of a tensor. Raises FileError for wrong sizes and unsafe external data, NotConstant for texts."""
        import onnx

        if not isinstance(tensor, onnx.TensorProto):
            raise NotConstant(f"a constant of the kind {type(tensor).__name__} is not read")
        what = f"{self.path}: the tensor {tensor.name or '(no name)'}"
        shape = checked_shape(tensor.dims, what)
        if (dtype := data_type(tensor.data_type)) is None or (dtype.kind not in "fiub" and dtype.name != "bfloat16"):
            held = f"the data type {tensor.data_type}" if dtype is None else dtype.name
            raise NotConstant(f"the tensor {tensor.name} holds {held}; expected plain numbers")
        size = entries(shape) * dtype.itemsize
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            content = self._external(tensor, size, what)
            return np.frombuffer(content, dtype.newbyteorder("<") if dtype.kind in "fiu" else dtype).reshape(shape)
        afford(size, self.stored, what)
        with told(what, ValueError, TypeError, RuntimeError):
            return np.asarray(onnx.numpy_helper.to_array(tensor))

    def _external(self, tensor: Any, size: int, what: str) -> bytes:
        """The bytes of a tensor that are stored in another file of the model's folder, which no path may leave."""
        facts = {e.key: e.value for e in tensor.external_data if isinstance(e.value, str)}
        location, folder = facts.get("location", ""), self.path.resolve().parent
        what = f"{what}: its external data"
        where = f"{what} {location!r}"
        parts = PureWindowsPath(location)  # understands both kinds of slashes
        if not location or "\0" in location or parts.anchor or ".." in parts.parts:
            raise FileError(f"{where} leaves the model's folder; it is not opened")
        try:
            offset, length = int(facts.get("offset") or 0), int(facts.get("length") or size)
        except ValueError:
            raise FileError(f"{what} begins or ends at no number") from None
        if offset < 0 or length != size:
            raise FileError(f"{what} claims {length:,} bytes from {offset:,} on; needed are {size:,}")
        try:
            place = (folder / location).resolve()
            if not place.is_relative_to(folder):
                raise FileError(f"{where} is a link that leaves the model's folder; it is not opened")
            there = place.stat()
            if not stat.S_ISREG(there.st_mode):  # a pipe would wait for its writer
                raise FileError(f"{where} is not a file")
            if (needed := offset + length) > there.st_size:
                raise FileError(f"{where} is cut off: {there.st_size:,} bytes, needed are {needed:,}")
            self.stored += 0 if place in self._seen else there.st_size
            self._seen.add(place)
            afford(size, self.stored, what)
            with place.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except RuntimeError:
            raise FileError(f"{where} is a link to itself") from None
        except OSError as error:
            raise FileError(f"{where}: {reason(error)}") from None


def load(path: Path) -> tuple[Any, Tensors]:
    """The model in a file, without its external data, and its tensors.

    Raises MissingError without onnx, FileError if the file is not an ONNX model, or incomplete.
    """
    onnx = package("onnx", path)
    from google.protobuf.message import DecodeError  # the serialization that onnx uses

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
    if not all(isinstance(text, str) for text in _texts(model)):
        raise FileError(f"{path}: the ONNX model has names that are not UTF-8: it is damaged")
    if model.functions:
        from onnx.inliner import inline_local_functions  # expands calls of the model's own functions

        try:
            model = inline_local_functions(model)
        except Exception as error:  # it is C++ and may throw anything
            said = str(error).splitlines()[0][:200]
            raise FileError(f"{path}: its functions cannot be written out: {said}") from None
    return model, Tensors(path, stored)


@contextmanager
def arrays(path: Path) -> Iterator[dict[str, Lazy]]:
    """The initializers of an ONNX file by name. Raises MissingError, FileError."""
    model, stored = load(path)

    def read(tensor: Any) -> Any:
        try:
            return stored.array(tensor)
        except NotConstant as reason:
            raise FileError(f"{path}: {reason}") from None

    yield {tensor.name: Lazy(tuple(tensor.dims), "", partial(read, tensor)) for tensor in model.graph.initializer}


def stored_tensor(path: Path) -> Any:
    """The numbers of a TensorProto in a file of its own, as in ONNX's backend tests. Raises MissingError, FileError."""
    onnx = package("onnx", path)
    try:
        return Tensors(path, path.stat().st_size).array(onnx.TensorProto.FromString(path.read_bytes()))
    except FileError:
        raise
    except Exception as error:  # protobuf and numpy raise many kinds
        raise FileError(f"{path.name}: not a tensor of ONNX ({type(error).__name__})") from None


def _texts(message: Any) -> Iterator[Any]:
    """Every text in a protobuf message; texts that are not UTF-8 are returned as bytes."""
    for field, value in message.ListFields():
        if field.type in (field.TYPE_STRING, field.TYPE_MESSAGE):
            each = [value] if isinstance(value, str | bytes) or hasattr(value, "ListFields") else value
            yield from each if field.type == field.TYPE_STRING else (text for one in each for text in _texts(one))


def inner_graphs(node: Any) -> Iterator[tuple[str, Any]]:
    """The graphs in a node (a branch or a body), each with its location: its attribute, and its number there."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield f"{attribute.name}/", attribute.g
        yield from ((f"{attribute.name}/{at}/", graph) for at, graph in enumerate(attribute.graphs))


#: Maximum number of axes, sizes of axes, or pieces of a Split: an array has 64 axes, and a Split an output per piece.
MANY = 10_000
#: The default value of a ConstantOfShape.
ZERO = np.zeros(1, np.float32)


class Fill(NamedTuple):
    """A constant of unknown size, the same number everywhere: for example zeros for each sequence of a batch."""

    value: float


class NotConstant(Exception):  # noqa: N818 - an answer, not a fault
    """Why a value cannot be known without running the model."""


def fill_of(values: Any) -> Fill | None:
    """The number that an array contains everywhere, if there is one; None also for unknown values (NotConstant
    itself).
    """
    if isinstance(values, Fill):
        return values
    if values is not NotConstant and values.size and (values == values.flat[0]).all():
        return Fill(float(values.flat[0]))
    return None


def _whole(values: Any) -> list[int]:
    """Axes or sizes, from an input (newer operators) or an attribute (older ones)."""
    if np.size(values) > MANY:
        raise ValueError(f"{np.size(values):,} axes or sizes; expected at most {MANY:,}")
    return [int(n) for n in np.ravel(values)]


def data_type(number: int) -> Any:
    """The dtype of an ONNX data type; None if there is none."""
    import onnx

    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(int(number)))
    except (KeyError, TypeError, ValueError):
        return None


def _numeric(number: int) -> Any:
    """The dtype of a numeric data type. Raises NotConstant for texts, and for unknown types."""
    if (dtype := data_type(number)) is None or dtype.hasobject:
        raise NotConstant("numbers are turned into texts, or into a data type that is not known")
    return dtype


# Each function has the operator's inputs and attributes as parameters; an attribute of older versions of the operator
# that has become an input (axes, starts, split) is one parameter. An unknown attribute raises TypeError: nothing is
# ignored.


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
    """broadcast: up to version 6; its other attribute, axis, would align shapes differently and is not supported."""
    return lambda a, b, broadcast=1: np.asarray(function(a, b)).astype(a.dtype, copy=False)


#: The result of each operator on constants: one array, or a list of them.
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
    "Neg": lambda data: np.negative(data),  # the function itself would accept a second input as its output
}
#: Operators whose result contains only numbers of their first input, so that a Fill stays a Fill.
MOVES = frozenset(packaged("weights/words.toml")["moving"])


def claimed(op: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> int:
    """How many bytes an operator will allocate for its result; 0 if that is a view of its input, or small."""
    data, dtype = inputs[0], inputs[0].dtype
    numbers = data.size
    if op in ("Add", "Sub", "Mul"):
        numbers, dtype = prod(np.broadcast_shapes(*map(np.shape, inputs))), np.result_type(*inputs)
    elif op == "Concat":
        numbers, dtype = sum(map(np.size, inputs)), np.result_type(*{array.dtype for array in inputs})
    elif op == "Gather":
        numbers = inputs[1].size * data.size // max(data.shape[attributes.get("axis", 0)], 1)
    elif op == "Cast":
        dtype = _numeric(attributes["to"])
    elif op == "DequantizeLinear":
        dtype = inputs[1].dtype
    elif op != "Neg" and (op not in ("Reshape", "Flatten") or data.flags.c_contiguous):
        return 0
    return int(numbers * dtype.itemsize)
