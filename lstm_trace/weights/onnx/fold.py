"""Small folding: what an ONNX operator makes of constants, with numpy.

Only operators that move, join, cut or scale numbers are here: what exporters put between stored weights and an LSTM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Inputs = Sequence[Any]  # arrays; None for an input that is left out
Attributes = Mapping[str, Any]
Fold = Callable[[Inputs, Attributes, int], Sequence[Any]]


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


def _axes(inputs: Inputs, attributes: Attributes, at: int = 1) -> list[int] | None:
    """Axes from the second input (newer operators) or the attribute (older ones)."""
    given = inputs[at] if len(inputs) > at and inputs[at] is not None else attributes.get("axes")
    return None if given is None else [int(a) for a in np.ravel(given)]


def _unsqueeze(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    return [np.expand_dims(inputs[0], tuple(_axes(inputs, attributes) or ()))]


def _squeeze(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    axes = _axes(inputs, attributes)
    return [np.squeeze(inputs[0], None if axes is None else tuple(axes))]


def _reshape(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    given = inputs[1] if len(inputs) > 1 else attributes["shape"]
    shape = [int(n) for n in np.ravel(given)]
    if not attributes.get("allowzero"):
        shape = [inputs[0].shape[at] if n == 0 else n for at, n in enumerate(shape)]
    return [np.reshape(inputs[0], shape)]


def _transpose(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    return [np.transpose(inputs[0], attributes.get("perm"))]


def _slice(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    data = inputs[0]
    if len(inputs) > 1:
        rest = [None if v is None else np.ravel(v).tolist() for v in (*inputs[1:], None, None)]
        starts, ends, axes, steps = rest[0] or [], rest[1] or [], rest[2], rest[3] if len(rest) > 3 else None
    else:
        starts, ends, axes, steps = attributes["starts"], attributes["ends"], attributes.get("axes"), None
    index = [slice(None)] * data.ndim
    for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = int(axes[at]) if axes is not None else at
        step = int(steps[at]) if steps is not None else 1
        size = data.shape[axis]
        # ends may be far out of range, on either side: that means all of the axis, also for a negative step
        stop = None if (step > 0 and end >= size) or (step < 0 and end < -size) else int(end)
        index[axis] = slice(int(start), stop, step)
    return [data[tuple(index)]]


def _concat(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    return [np.concatenate(list(inputs), axis=int(attributes.get("axis", 1)))]


def _split(inputs: Inputs, attributes: Attributes, outputs: int) -> Sequence[Any]:
    axis = int(attributes.get("axis", 0))
    size = inputs[0].shape[axis]
    given = inputs[1] if len(inputs) > 1 and inputs[1] is not None else attributes.get("split")
    each = -(-size // outputs)
    sizes = [min(each, size - each * k) for k in range(outputs)] if given is None else np.ravel(given).tolist()
    if sum(sizes) != size or len(sizes) != outputs or min(sizes) < 0:
        raise ValueError(f"a Split of {size} into {sizes}")
    return list(np.split(inputs[0], np.cumsum(sizes)[:-1].astype(int), axis=axis))


def _gather(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    return [np.take(inputs[0], inputs[1].astype(np.int64), axis=int(attributes.get("axis", 0)))]


def _expand(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    shape = tuple(int(n) for n in np.ravel(inputs[1]))
    return [np.broadcast_to(inputs[0], np.broadcast_shapes(inputs[0].shape, shape))]


def _constant_of_shape(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    value = attributes.get("value", np.zeros(1, np.float32))
    return [np.broadcast_to(np.reshape(value, ()), tuple(int(n) for n in np.ravel(inputs[0])))]


def _cast(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    import onnx

    return [inputs[0].astype(onnx.helper.tensor_dtype_to_np_dtype(int(attributes["to"])))]


def _dequantize(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    data, scale = inputs[0], inputs[1]
    zero = inputs[2] if len(inputs) > 2 and inputs[2] is not None else np.zeros_like(scale)
    if scale.ndim == 1 and scale.size > 1:
        along = [1] * data.ndim
        along[int(attributes.get("axis", 1))] = scale.size
        scale, zero = scale.reshape(along), zero.reshape(along)
    elif scale.ndim > 1:
        raise NotConstant("weights that are quantised in blocks are not read")
    return [(data.astype(scale.dtype) - zero.astype(scale.dtype)) * scale]


def _flatten(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    axis = int(attributes.get("axis", 1)) % (inputs[0].ndim + 1)
    return [inputs[0].reshape(int(np.prod(inputs[0].shape[:axis])), -1)]


def _shape(inputs: Inputs, attributes: Attributes, _: int) -> Sequence[Any]:
    shape = inputs[0].shape[slice(attributes.get("start"), attributes.get("end"))]
    return [np.array(shape, np.int64)]


def _binary(function: Callable[[Any, Any], Any]) -> Fold:
    return lambda inputs, _, __: [np.asarray(function(inputs[0], inputs[1])).astype(inputs[0].dtype)]


#: What each operator makes of constants.
FOLDS: dict[str, Fold] = {
    "Identity": lambda inputs, _, __: [inputs[0]],
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Slice": _slice,
    "Concat": _concat,
    "Split": _split,
    "Gather": _gather,
    "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
    "Shape": _shape,
    "Cast": _cast,
    "DequantizeLinear": _dequantize,
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Neg": lambda inputs, _, __: [np.negative(inputs[0])],
}
#: Operators whose result holds nothing but numbers of their first input, so that a Fill stays one.
MOVES = frozenset(
    (
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
    )
)
