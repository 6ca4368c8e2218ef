"""ONNX models with one node, and tensors: written without the onnx package, byte by byte the same everywhere.

An ONNX file is a protobuf message (onnx.proto of the ONNX repository): fields with a number, each a whole number, or
bytes with their length before them. Only the fields that these files need are known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...weights.onnx.node import OPERATORS
from .cases import WEIGHTS, Case

#: TensorProto.DataType, by our dtypes.
_TYPES = {np.dtype("float32"): 1, np.dtype("int32"): 6}


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


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


def tensor(name: str, array: Array) -> bytes:
    """A TensorProto."""
    dims = [(1, size) for size in array.shape]
    raw = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return _message(*dims, (2, _TYPES[array.dtype]), (8, name), (9, raw))


def _value(name: str, array: Array) -> bytes:
    """A ValueInfoProto: the name, type and shape of an input or output."""
    shape = _message(*((1, _message((1, size))) for size in array.shape))
    return _message((1, name), (2, _message((1, _message((1, _TYPES[array.dtype]), (2, shape))))))


def _attribute(name: str, value: Any) -> bytes:
    """An AttributeProto: one value, or a list of numbers or texts."""
    each = value if isinstance(value, list | tuple) else [value]
    field, kind = {float: (2, 1), int: (3, 2), str: (4, 3)}[type(each[0])]
    if each is value:
        field, kind = {2: (7, 6), 3: (8, 7), 4: (9, 8)}[field]
    return _message((1, name), *((field, one) for one in each), (20, kind))


def model(case: Case, expected: Mapping[str, Array], opset: int) -> bytes:
    """A ModelProto whose weights are stored, and whose other inputs are inputs of the model."""
    names = [name if name in case.inputs else "" for name in OPERATORS[case.cell].axes]
    while not names[-1]:
        names.pop()
    every = ("Y", "Y_h", "Y_c")[: 1 + len(OPERATORS[case.cell].states)]
    attributes = {"hidden_size": case.sizes["H"], **case.attributes}
    node = _message(
        *((1, name) for name in names), *((2, name if name in case.outputs else "") for name in every),
        (3, "node"), (4, OPERATORS[case.cell].kind), *((5, _attribute(*one)) for one in attributes.items()),
    )  # fmt: skip
    graph = _message(
        (1, node), (2, case.name), *((5, tensor(name, case.inputs[name])) for name in WEIGHTS if name in names),
        *((11, _value(name, array)) for name, array in case.fed().items()),
        *((12, _value(name, array)) for name, array in expected.items()),
    )  # fmt: skip
    version = 8 if opset < 19 else 10  # of the format, which a set of operators requires
    return _message((1, version), (2, "lstm-trace"), (7, graph), (8, _message((1, ""), (2, opset))))
