"""Small folding: what an ONNX operator makes of constants, with numpy.

Only operators that move, join, cut or scale numbers are here: what exporters put between stored weights and an LSTM.
onnx's own evaluator (onnx.reference) is an oracle of the tests and is not used here: it is made for trusted models. It
sets attributes on its objects under the names that the file gives them, opens external data of attributes relative to
the current folder, and bounds nothing (Expand, ConstantOfShape, num_outputs, block_size). It lacks DequantizeLinear
before operator set 19 and Reshape before 5, drops the rest of a value whose Split does not add up, and takes the axes
of Unsqueeze-11 in the order in which they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

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


def _type(number: int) -> Any:
    """The data type of a number of ONNX. Raises NotConstant for texts."""
    import onnx

    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(int(number)))
    if dtype.hasobject:
        raise NotConstant("numbers are turned into texts")
    return dtype


# Each function has the operator's inputs and attributes for parameters; what was an attribute in older versions of the
# operator and is an input in newer ones (axes, starts, split) is one parameter. An attribute that is none is a
# TypeError: nothing is ignored.


def _unsqueeze(data: Any, axes: Any) -> Any:
    return np.expand_dims(data, tuple(_whole(axes)))


def _squeeze(data: Any, axes: Any = None) -> Any:
    return np.squeeze(data, None if axes is None else tuple(_whole(axes)))


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


def _constant_of_shape(shape: Any, value: Any = ZERO) -> Any:
    return np.broadcast_to(np.reshape(value, ()), _whole(shape))


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
    return found.astype(_type(output_dtype)) if output_dtype else found


def _binary(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """broadcast: up to version 6, whose other attribute, axis, says that shapes are not aligned at their ends."""
    return lambda a, b, broadcast=1: np.asarray(function(a, b)).astype(a.dtype, copy=False)


#: What each operator makes of constants: one array, or a list of them.
FOLDS: dict[str, Callable[..., Any]] = {
    "Identity": lambda data: data,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": lambda data, perm=None: np.transpose(data, perm),
    "Slice": _slice,
    "Concat": lambda *parts, axis=1: np.concatenate(parts, axis),
    "Split": _split,
    "Gather": lambda data, at, axis=0: np.take(data, at.astype(np.int64), axis),
    "Expand": lambda data, shape: np.broadcast_to(data, np.broadcast_shapes(data.shape, tuple(_whole(shape)))),
    "ConstantOfShape": _constant_of_shape,
    "Shape": lambda data, start=None, end=None: np.array(data.shape[start:end], np.int64),
    "Cast": lambda data, to, saturate=1, round_mode="up": data.astype(_type(to)),
    "DequantizeLinear": _dequantize,
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Neg": lambda data: np.negative(data),  # as such it would write into a second input
}
#: Operators whose result holds nothing but numbers of their first input, so that a Fill stays one.
MOVES = frozenset(
    {
        "Identity",
        "Unsqueeze",
        "Squeeze",
        "Reshape",
        "Flatten",
        "Transpose",
        "Slice",
        "Split",
        "Gather",
        "Expand",
        "Cast",
    }
)


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
        dtype = _type(attributes["to"])
    elif op == "DequantizeLinear":
        dtype = inputs[1].dtype
    elif op != "Neg" and (op not in ("Reshape", "Flatten") or data.flags.c_contiguous):
        return 0
    return int(numbers * dtype.itemsize)
