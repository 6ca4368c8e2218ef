"""ONNX models with LSTM nodes, made with onnx.helper, and onnxruntime's results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
OUTPUTS = ("Y", "Y_h", "Y_c")
NAMES = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")

onnxruntime.set_default_logger_severity(4)


def arrays(seed: int, directions: int = 1, hidden: int = 4, wide: int = 3, **more: bool) -> dict[str, np.ndarray]:
    """Random W, R, B and, where asked for, P of a node."""
    rng = np.random.default_rng(seed)
    shapes = {"W": (4 * hidden, wide), "R": (4 * hidden, hidden), "B": (8 * hidden,), "P": (3 * hidden,)}
    asked = {"W": True, "R": True, "B": True, "P": False, **more}
    return {n: rng.normal(size=(directions, *s)).astype(np.float32) for n, s in shapes.items() if asked[n]}


def node(have: Sequence[str], name: str = "lstm", **attributes: Any) -> Any:
    """An LSTM node whose inputs that are not in `have` are left out."""
    inputs = [n if n == "X" or n in have else "" for n in NAMES]
    while inputs[-1] == "":
        inputs.pop()
    return helper.make_node("LSTM", inputs, list(OUTPUTS), name=name, **attributes)


def value(name: str, shape: Any = None, kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Sequence[Any],
    stored: dict[str, np.ndarray] | None = None,
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    opset: int = 14,
    functions: Sequence[Any] = (),
    domains: Sequence[Any] = (),
) -> Any:
    """A model with the input X (T, B, I) and the three outputs of an LSTM, where no others are given."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        list(inputs) or [value("X", ["T", "B", 3])],
        list(outputs) or [value(n) for n in OUTPUTS],
        [numpy_helper.from_array(a, n) for n, a in (stored or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *domains]
    return helper.make_model(
        graph, opset_imports=imports, ir_version=8, functions=list(functions), producer_name="tests"
    )


def saved(made: Any, path: Path, **external: Any) -> Path:
    onnx.save(made, path, **external)
    return path


def by_runtime(source: Any, feeds: dict[str, Any]) -> list[np.ndarray]:
    """onnxruntime's outputs, of a file or of a model in memory."""
    content = str(source) if isinstance(source, Path) else source.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, feeds)
    return found


def joined(y: np.ndarray) -> np.ndarray:
    """Y (T, D, B, H) as our output (T, B, D·H)."""
    steps, _, batch, _ = y.shape
    return y.transpose(0, 2, 1, 3).reshape(steps, batch, -1)


def through(stored: dict[str, np.ndarray], opset: int) -> tuple[list[Any], dict[str, np.ndarray]]:
    """W, R, B and P made by operators on constants, as exporters write them, from PyTorch's order of gates."""
    order = {"W": "iofc", "R": "iofc"}
    nodes: list[Any] = []
    kept: dict[str, np.ndarray] = {}

    def axes(name: str, data: str, out: str, value: list[int]) -> Any:
        if opset < 13:
            return helper.make_node(name, [data], [out], axes=value)
        kept[f"{out}_axes"] = np.array(value, np.int64)
        return helper.make_node(name, [data, f"{out}_axes"], [out])

    for name, gates in order.items():  # Slice each gate, Concat in the other order, Unsqueeze the direction
        parts = dict(zip(gates, np.split(stored[name][0], 4), strict=True))
        kept[f"{name}_torch"] = np.concatenate([parts[g] for g in "ifco"])
        for at, (begin, end) in enumerate(((0, 1), (3, 4), (1, 3))):
            out = f"{name}_{at}"
            if opset < 10:
                nodes.append(helper.make_node("Slice", [f"{name}_torch"], [out], axes=[0], starts=[4 * begin],
                                              ends=[4 * end]))  # fmt: skip
            else:
                far = 2**62 if end == 4 else 4 * end
                kept |= {f"{out}_{k}": np.array([v], np.int64) for k, v in (("s", 4 * begin), ("e", far), ("a", 0))}
                nodes.append(helper.make_node("Slice", [f"{name}_torch", *(f"{out}_{k}" for k in "sea")], [out]))
        nodes.append(helper.make_node("Concat", [f"{name}_{at}" for at in range(3)], [f"{name}_onnx"], axis=0))
        nodes.append(axes("Unsqueeze", f"{name}_onnx", name, [0]))
    # B: two halves split from one vector, cast from double, joined, reshaped
    kept["B_double"] = stored["B"][0].astype(np.float64)
    halves = {"num_outputs": 2} if opset >= 18 else {}
    nodes.append(helper.make_node("Split", ["B_double"], ["B_x", "B_h"], axis=0, **halves))
    nodes.append(helper.make_node("Concat", ["B_x", "B_h"], ["B_both"], axis=0))
    nodes.append(helper.make_node("Cast", ["B_both"], ["B_float"], to=FLOAT))
    kept["B_shape"] = np.array([1, -1], np.int64)
    nodes.append(helper.make_node("Reshape", ["B_float", "B_shape"], ["B_same"]))
    nodes.append(helper.make_node("Identity", ["B_same"], ["B"]))
    # P: in a Constant node, turned, with an axis too many
    literal = numpy_helper.from_array(stored["P"].T[:, :, None].copy())
    nodes.append(helper.make_node("Constant", [], ["P_turned"], value=literal))
    nodes.append(axes("Squeeze", "P_turned", "P_flat", [2]))
    nodes.append(helper.make_node("Transpose", ["P_flat"], ["P"], perm=[1, 0]))
    return nodes, kept
