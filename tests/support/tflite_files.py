"""TensorFlow Lite files of one operator or more, built table by table with Google's own writer of FlatBuffers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

flatbuffers = pytest.importorskip("flatbuffers")

#: The numbers of the schema.
TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int16": 7, "int8": 9}
CODES = {
    "DEQUANTIZE": 6, "LSTM": 16, "RNN": 24, "UNIDIRECTIONAL_SEQUENCE_RNN": 35, "UNIDIRECTIONAL_SEQUENCE_LSTM": 44,
    "BIDIRECTIONAL_SEQUENCE_RNN": 46, "BIDIRECTIONAL_SEQUENCE_LSTM": 52, "REVERSE_V2": 105, "WHILE": 119,
    "FULLY_CONNECTED": 9, "LOGISTIC": 14, "TANH": 28,
}  # fmt: skip
#: The type of an operator's options, and their fields: form and default.
OPTIONS: dict[str, tuple[int, tuple[tuple[str, str, Any], ...]]] = {
    "LSTM": (14, (("activation", "Int8", 0), ("cell_clip", "Float32", 0.0), ("proj_clip", "Float32", 0.0),
                  ("kernel", "Int8", 0))),
    "RNN": (7, (("activation", "Int8", 0),)),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (31, (("time_major", "Bool", False), ("activation", "Int8", 0))),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (71, (("activation", "Int8", 0), ("cell_clip", "Float32", 0.0),
                                          ("proj_clip", "Float32", 0.0), ("time_major", "Bool", False))),
    "BIDIRECTIONAL_SEQUENCE_RNN": (70, (("time_major", "Bool", False), ("activation", "Int8", 0),
                                        ("merge", "Bool", False))),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (69, (("activation", "Int8", 0), ("cell_clip", "Float32", 0.0),
                                         ("proj_clip", "Float32", 0.0), ("merge", "Bool", False),
                                         ("time_major", "Bool", True))),
}  # fmt: skip


@dataclass
class Tensor:
    """A tensor. data: its numbers; None for one that is computed. scales, zeros, axis: of quantised numbers."""

    name: str
    shape: tuple[int, ...]
    data: Any = None
    dtype: str = "float32"
    scales: tuple[float, ...] = ()
    zeros: tuple[int, ...] = ()
    axis: int = 0
    variable: bool = False
    sparse: bool = False


@dataclass
class File:
    """A file with one graph, to which tensors and operators are added."""

    tensors: list[Tensor] = field(default_factory=list)
    operators: list[tuple[str, list[int], list[int], dict[str, Any], int]] = field(default_factory=list)

    def tensor(self, name: str, data: Any = None, **more: Any) -> int:
        """Add a tensor; -1 for a constant that is None. Returns its number."""
        if data is not None:
            data = np.asarray(data)
            more = {"shape": data.shape, "dtype": data.dtype.name, **more}
        self.tensors.append(Tensor(name, data=data, **more))
        return len(self.tensors) - 1

    def operator(self, name: str, inputs: list[int], outputs: list[int], version: int = 1, **options: Any) -> None:
        """Add an operator."""
        self.operators.append((name, inputs, outputs, options, version))

    def content(self, inputs: list[int], outputs: list[int]) -> bytes:
        """The bytes of the file. inputs, outputs: tensors of the model."""
        b = flatbuffers.Builder(1024)
        buffers = [_table(b, 1, {})]
        tensors = []
        for tensor in self.tensors:
            at = 0
            if tensor.data is not None:
                at = len(buffers)
                buffers.append(_table(b, 1, {0: b.CreateNumpyVector(np.frombuffer(tensor.data.tobytes(), "u1"))}))
            scaled = {}
            if tensor.scales:
                zeros = np.array(tensor.zeros or [0] * len(tensor.scales), "i8")
                scaled = {2: b.CreateNumpyVector(np.array(tensor.scales, "f4")), 3: b.CreateNumpyVector(zeros)}
                scaled = {4: _table(b, 7, scaled, {6: ("Int32", tensor.axis, 0)})}
            offsets = {0: b.CreateNumpyVector(np.array(tensor.shape, "i4")), 3: b.CreateString(tensor.name), **scaled}
            offsets |= {6: _table(b, 3, {})} if tensor.sparse else {}
            kind = {
                1: ("Int8", TYPES.get(tensor.dtype, 5), 0),
                2: ("Uint32", at, 0),
                5: ("Bool", tensor.variable, False),
            }
            tensors.append(_table(b, 10, offsets, kind))
        operators, codes = [], []
        for name, read, made, given, version in self.operators:
            code = CODES[name]
            codes.append(
                _table(b, 4, {}, {0: ("Int8", min(code, 127), 0), 2: ("Int32", version, 1), 3: ("Int32", code, 0)})
            )
            offsets = {1: b.CreateNumpyVector(np.array(read, "i4")), 2: b.CreateNumpyVector(np.array(made, "i4"))}
            number = 0
            if name in OPTIONS:
                number, fields = OPTIONS[name]
                assert not given.keys() - {key for key, *_ in fields}, given
                plain = {n: (form, given.get(key, usual), usual) for n, (key, form, usual) in enumerate(fields)}
                offsets[4] = _table(b, len(fields), {}, plain)
            plain = {0: ("Uint32", len(operators), 0), 3: ("Uint8", number, 0)}
            operators.append(_table(b, 14, offsets, plain))
        graph = {
            0: _vector(b, tensors), 1: b.CreateNumpyVector(np.array(inputs, "i4")),
            2: b.CreateNumpyVector(np.array(outputs, "i4")), 3: _vector(b, operators), 4: b.CreateString("main"),
        }  # fmt: skip
        graphs = _vector(b, [_table(b, 6, graph)])
        offsets = {1: _vector(b, codes), 2: graphs, 3: b.CreateString("made here"), 4: _vector(b, buffers)}
        b.Finish(_table(b, 8, offsets, {0: ("Uint32", 3, 0)}), file_identifier=b"TFL3")
        return bytes(b.Output())


def _table(b: Any, size: int, offsets: dict[int, int], plain: dict[int, tuple[str, Any, Any]] | None = None) -> int:
    """A table. offsets: fields that are elsewhere; plain: form, value and default of those within."""
    b.StartObject(size)
    for slot, offset in offsets.items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, (form, value, usual) in (plain or {}).items():
        getattr(b, f"Prepend{form}Slot")(slot, value, usual)
    made: int = b.EndObject()
    return made


def _vector(b: Any, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    made: int = b.EndVector()
    return made
