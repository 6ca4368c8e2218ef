"""Model files with bits turned or pieces missing, and an oracle for the weights that are read all the same.

Archives (.npz, .pt, .keras) have checksums: what is read of a damaged one equals what was stored. The other formats
have none, so a bit of a number that is turned is read as it stands: the oracle says which number that makes.
"""

from __future__ import annotations

import io
import logging
import os
import random
import struct
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save as save_safetensors

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError

from .damage import flipped, torn

Arrays = dict[str, Any]
UNITS, WIDE = 3, 5


class Made(NamedTuple):
    """A model file. weights: what is read of it, by our names; spans: where in the file which of them lie bare."""

    content: bytes
    weights: Arrays
    spans: tuple[tuple[int, int], ...] = ()


def check(rng: random.Random, folder: Path) -> str:
    """Refused, or read with the weights that the oracle says."""
    kind = rng.choice(_kinds())
    made = _made(kind)
    content = (flipped if rng.random() < 0.8 else torn)(rng, made.content)
    path = folder / f"m.{kind}"
    path.write_bytes(content)
    try:
        found = lt.inspect(path)
        read = next(f for f in found if not f.refused).weights
        lt.run(path, np.ones((3, WIDE)))
    except (LstmTraceError, StopIteration):
        return f"{kind} refused"
    wrong = {key for key, stored in made.weights.items() if key not in read or not _equal(read[key], stored)}
    if not wrong:
        return f"{kind} equal"
    assert made.spans, f"{kind} has checksums, and {sorted(wrong)} are read otherwise than they were stored"
    if kind == "onnx":
        return _by_onnx(content, made, read)
    if len(content) != len(made.content) or _without(made.spans, content) != _without(made.spans, made.content):
        assert kind == "h5", f"{sorted(wrong)} differ, though not only numbers were changed"
        return f"{kind} changed where nothing can tell"  # names, types and attributes have no checksum either
    bits = _bits_apart(np.frombuffer(content, np.uint8), np.frombuffer(made.content, np.uint8))
    apart = sum(_bits_apart(np.asarray(read[key], np.float32), made.weights[key]) for key in wrong)
    assert apart == bits, f"{apart} bits of the weights differ, of {bits} in the file"
    return f"{kind} read as it stands"


def _equal(one: Any, other: Any) -> bool:
    return one.shape == other.shape and np.asarray(one, np.float32).tobytes() == np.asarray(other, np.float32).tobytes()


def _bits_apart(one: Any, other: Any) -> int:
    pair = (np.ascontiguousarray(array).view(np.uint8) for array in (one, other))
    return int(np.bitwise_count(np.bitwise_xor(*pair)).sum())


def _without(spans: tuple[tuple[int, int], ...], content: bytes) -> bytes:
    """The bytes with zeros in the spans."""
    found = bytearray(content)
    for a, b in spans:
        found[a:b] = bytes(b - a)
    return bytes(found)


def _by_onnx(content: bytes, made: Made, read: Any) -> str:
    """What onnx's own reader finds, split by hand, is what we read."""
    import onnx

    graph = onnx.load_from_string(content).graph
    stored = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    same = [list(node.input) for node in graph.node] == [["x", "W", "R", "B"]]
    shapes = {"W": (1, 4 * UNITS, WIDE), "R": (1, 4 * UNITS, UNITS), "B": (1, 8 * UNITS)}
    if not same or any(np.shape(stored.get(name)) != shape for name, shape in shapes.items()):
        return "onnx another model"
    for key, values in _split(stored["W"][0], stored["R"][0], *np.split(stored["B"][0], 2), "iofc").items():
        assert key in read, f"{key} was not read"
        assert _equal(read[key], values), f"{key} differs from what onnx reads"
    return "onnx read as it stands"


def _split(ih: Any, hh: Any, bias_ih: Any, bias_hh: Any, order: str) -> Arrays:
    found = {}
    for gate, *parts in zip(order, *(np.split(a, 4) for a in (ih, hh, bias_ih, bias_hh)), strict=True):
        names = (f"W_x{gate}", f"W_h{gate}", f"b_x{gate}", f"b_h{gate}")
        found |= {f"0/forward/{name}": part for name, part in zip(names, parts, strict=True)}
    return found


@cache
def _kinds() -> tuple[str, ...]:
    needs = {"npz": "numpy", "safetensors": "numpy", "pt": "torch", "onnx": "onnx"}
    found = [kind for kind, package in needs.items() if find_spec(package)]
    backend = {"torch": "torch", "jax": "jax"}.get(os.environ.get("KERAS_BACKEND", ""), "tensorflow")
    return (*found, *(("keras", "h5") if find_spec("keras") and find_spec(backend) else ()))


@cache
def _made(kind: str) -> Made:
    rng = np.random.default_rng(3)
    shapes = ((4 * UNITS, WIDE), (4 * UNITS, UNITS), (4 * UNITS,), (4 * UNITS,))
    stacked = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    weights = _split(*stacked, "ifco")
    named = dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), stacked, strict=True))
    if kind == "npz":
        file = io.BytesIO()
        np.savez(file, **named)
        return Made(file.getvalue(), weights)
    if kind == "safetensors":
        content = save_safetensors(named)
        (size,) = struct.unpack("<Q", content[:8])
        return Made(content, weights, ((8 + size, len(content)),))
    if kind == "pt":
        import torch

        file = io.BytesIO()
        torch.save({name: torch.from_numpy(array) for name, array in named.items()}, file)
        return Made(file.getvalue(), weights)
    if kind == "onnx":
        return _onnx(weights)
    return _keras(kind, stacked)


def _onnx(weights: Arrays) -> Made:
    from onnx import TensorProto, helper, numpy_helper

    rows = lambda name: np.concatenate([weights[f"0/forward/{name}{gate}"] for gate in "iofc"])[None]  # noqa: E731
    arrays = {"W": rows("W_x"), "R": rows("W_h"), "B": np.concatenate([rows("b_x"), rows("b_h")], axis=1)}
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["x", *arrays], ["y"], hidden_size=UNITS)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("t", "b", WIDE))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Made(model.SerializeToString(), weights, ((0, 1),))


def _keras(kind: str, stacked: list[Any]) -> Made:
    import h5py
    import keras

    ih, hh, bias, _ = stacked
    named = {"W_x": ih, "W_h": hh, "b_": bias}
    weights = {
        f"0/forward/{name}{gate}": part
        for name, array in named.items()
        for gate, part in zip("ifco", np.split(array, 4), strict=True)
    }
    logging.getLogger("absl").setLevel(logging.ERROR)  # Keras would rather have its newer format
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own
        layer = keras.layers.LSTM(UNITS, return_sequences=True)
        model = keras.Sequential([keras.Input((None, WIDE)), layer])
        layer.set_weights([ih.T, hh.T, bias])
        path = Path(folder) / f"m.{kind}"
        model.save(path)
        spans: list[tuple[int, int]] = []
        if kind == "h5":
            with h5py.File(path) as file:
                spans = [span for span in _spans(file) if span[1] - span[0] > 8]
        return Made(path.read_bytes(), weights, tuple(spans))


def _spans(group: Any) -> list[tuple[int, int]]:
    """Where the numbers of each dataset lie."""
    found: list[tuple[int, int]] = []
    for value in group.values():
        if hasattr(value, "values"):
            found += _spans(value)
        elif (begin := value.id.get_offset()) is not None:
            found.append((begin, begin + value.id.get_storage_size()))
    return found
