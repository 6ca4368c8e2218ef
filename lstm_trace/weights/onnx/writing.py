"""ONNX models with one node, and tensors: written without the onnx package, byte by byte the same everywhere.

An ONNX file is a protobuf message (onnx.proto of the ONNX repository): fields with a number, each a whole number, or
bytes with their length before them. Only the fields that these files need are known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .node import OPERATORS, ROLES

#: TensorProto.DataType, by our dtypes.
_TYPES = {np.dtype("float32"): 1, np.dtype("int32"): 6}
#: Of an attribute: its kind (AttributeProto.AttributeType), and the field of one value; lists have 5 more.
_KINDS = {float: (1, 2), int: (2, 3), str: (3, 4)}


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


def _message(*fields: tuple[int, Any]) -> bytes:
    """A message of numbers, texts and messages, each with the number of its field; floats take four bytes."""
    found = b""
    for number, value in fields:
        if isinstance(value, float):
            found += _varint(number << 3 | 5) + np.float32(value).tobytes()
        elif isinstance(value, int):
            found += _varint(number << 3) + _varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            found += _varint(number << 3 | 2) + _varint(len(content)) + content
    return found


def tensor(name: str, array: Any) -> bytes:
    """A TensorProto."""
    raw = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return _message(*((1, size) for size in array.shape), (2, _TYPES[array.dtype]), (8, name), (9, raw))


def data_set(folder: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, bytes]:
    """The inputs and outputs of a model as ONNX's backend tests have them: the tensors by their paths."""
    both = (("input", inputs), ("output", outputs))
    return {f"{folder}/{kind}_{k}.pb": tensor(*v) for kind, found in both for k, v in enumerate(found.items())}


def _values(field: int, arrays: Mapping[str, Any]) -> Iterable[tuple[int, bytes]]:
    """For each array a ValueInfoProto: the name, type and shape of an input or output."""
    for name, array in arrays.items():
        shape = _message(*((1, _message((1, size))) for size in array.shape))
        yield field, _message((1, name), (2, _message((1, _message((1, _TYPES[array.dtype]), (2, shape))))))


def _attribute(name: str, value: Any) -> bytes:
    """An AttributeProto: one value, or a list of numbers or texts."""
    several = isinstance(value, list | tuple)
    each = value if several else [value]
    kind, field = _KINDS[type(each[0])]
    return _message((1, name), *((field + 5 * several, one) for one in each), (20, kind + 5 * several))


def node_model(
    cell: str, name: str, attributes: Mapping[str, Any], inputs: Mapping[str, Any], results: Mapping[str, Any],
    opset: int,
) -> bytes:  # fmt: skip
    """A ModelProto of one node.

    inputs: of the node; weights are stored, the others are inputs of the model. results: arrays like its outputs.
    """
    names = [one if one in inputs else "" for one in OPERATORS[cell].inputs]
    while not names[-1]:
        names.pop()
    every = ("Y", "Y_h", "Y_c")[: 1 + len(OPERATORS[cell].states)]
    node = _message(
        *((1, one) for one in names), *((2, one if one in results else "") for one in every),
        (3, "node"), (4, OPERATORS[cell].kind), *((5, _attribute(*one)) for one in attributes.items()),
    )  # fmt: skip
    graph = _message(
        (1, node), (2, name), *((5, tensor(*one)) for one in inputs.items() if one[0] in ROLES),
        *_values(11, {key: array for key, array in inputs.items() if key not in ROLES}), *_values(12, results),
    )  # fmt: skip
    version = 8 if opset < 19 else 10  # of the format, which a set of operators requires
    return _message((1, version), (2, "lstm-trace"), (7, graph), (8, _message((1, ""), (2, opset))))
