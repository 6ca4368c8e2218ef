"""Constants of ONNX files folded: equal to onnx's own evaluator, and nothing is made before its size is bounded."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_trace.errors import FileError
from lstm_trace.weights.guards import SMALL
from lstm_trace.weights.onnx.constants import FOLDS, NotConstant, Tensors, load
from lstm_trace.weights.onnx.graph import Graphs

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
ml_dtypes = pytest.importorskip("ml_dtypes")

from onnx import helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from .onnx_models import by_runtime, model, saved, value  # noqa: E402

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(2, 3, 4)).astype(np.float32)
LINE = np.arange(10, dtype=np.float32)
SMALLEST = -(1 << 63)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def chain(nodes: list[Any], stored: dict[str, np.ndarray], opset: int = 22) -> Any:
    outputs = [value(name, None, onnx.TensorProto.UNDEFINED) for name in nodes[-1].output]
    for output in outputs:
        output.ClearField("type")
    return model(nodes, stored, outputs=outputs, opset=opset)


def single(op: str, inputs: list[Any], opset: int, outputs: int = 1, **attributes: Any) -> Any:
    """A model of one node whose inputs are stored; None: left out."""
    names = ["" if array is None else f"i{k}" for k, array in enumerate(inputs)]
    made = helper.make_node(op, names, [f"o{k}" for k in range(outputs)], name="it", **attributes)
    return chain([made], {f"i{k}": array for k, array in enumerate(inputs) if array is not None}, opset)


def ours(made: Any, folder: Path) -> list[Any]:
    """What we make of the outputs of the last node."""
    read, tensors = load(saved(made, folder / "m.onnx"))
    graphs = Graphs(read, tensors)
    scope = next(scope for scope, _ in graphs.nodes())
    return [graphs.constant(scope, name) for name in made.graph.node[-1].output]


def theirs(made: Any) -> list[Any]:
    return list(ReferenceEvaluator(made).run(None, {"X": np.zeros((1, 1, 3), np.float32)}))


def same(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
        assert mine.tobytes() == other.tobytes()


CASES: list[tuple[str, list[Any], list[int], dict[str, Any]]] = [
    ("Identity", [DATA], [1, 13, 22], {}),
    ("Unsqueeze", [DATA], [1, 11], {"axes": [0, 3]}),
    ("Unsqueeze", [DATA], [11], {"axes": [-1]}),
    ("Unsqueeze", [DATA, whole(-1, 0)], [13, 22], {}),
    ("Squeeze", [DATA[:1, :, None]], [1, 11], {"axes": [0, 2]}),
    ("Squeeze", [DATA[:1, :, None]], [1, 11], {}),
    ("Squeeze", [DATA[:1, :, None], whole(2, 0)], [13, 22], {}),
    ("Squeeze", [DATA[:1, :, None]], [13, 22], {}),
    ("Reshape", [DATA, whole(0, -1)], [5, 13, 14, 22], {}),
    ("Reshape", [np.zeros((0, 3), np.float32), whole(3, 0)], [14, 22], {"allowzero": 1}),
    ("Flatten", [DATA], [1, 9], {}),
    ("Flatten", [DATA], [9, 13], {"axis": 0}),
    ("Flatten", [DATA], [11, 22], {"axis": 3}),
    ("Flatten", [DATA], [11, 22], {"axis": -1}),
    ("Transpose", [DATA], [1, 13], {"perm": [2, 0, 1]}),
    ("Transpose", [DATA], [1, 13], {}),
    ("Slice", [LINE], [1], {"starts": [2], "ends": [1000]}),
    ("Slice", [DATA], [1], {"starts": [-2, 1], "ends": [-1, 9], "axes": [2, 0]}),
    ("Slice", [DATA, whole(1, 0), whole(2, 2)], [10, 13], {}),
    ("Slice", [DATA, whole(3), whole(SMALLEST), whole(-1), whole(-2)], [10, 13, 22], {}),
    ("Slice", [LINE, whole(1), whole((1 << 63) - 1), None, whole(3)], [10, 13], {}),
    ("Slice", [LINE, np.array([8], np.int32), np.array([-9], np.int32), None, np.array([-2], np.int32)], [13], {}),
    ("Concat", [DATA, DATA], [4, 13], {"axis": 1}),
    ("Concat", [DATA, DATA[:1]], [11, 13], {"axis": -3}),
    ("Gather", [DATA, whole(2, 0)], [1, 13], {"axis": 1}),
    ("Gather", [DATA, np.array([[-1, 0]], np.int32)], [11, 13], {}),
    ("Gather", [DATA, np.array(1)], [11, 13], {"axis": 2}),
    ("Expand", [DATA[:, :1], whole(5, 2, 3, 1)], [8, 13], {}),
    ("Expand", [np.array([True, False]), whole(2, 2)], [8, 13], {}),
    ("ConstantOfShape", [whole(2, 3)], [9, 20], {}),
    ("ConstantOfShape", [whole()], [9], {"value": numpy_helper.from_array(np.array([3]))}),
    ("Shape", [DATA], [1, 13, 15], {}),
    ("Shape", [DATA], [15, 22], {"start": 1}),
    ("Shape", [DATA], [15, 22], {"start": -2, "end": -1}),
    ("Cast", [DATA], [6, 13, 19, 25], {"to": onnx.TensorProto.DOUBLE}),
    ("Cast", [DATA * 9], [6, 13, 19, 22], {"to": onnx.TensorProto.INT32}),
    ("Cast", [DATA], [13, 22], {"to": onnx.TensorProto.BFLOAT16}),
    ("Cast", [DATA], [13, 22], {"to": onnx.TensorProto.FLOAT16}),
    ("Cast", [DATA.astype(ml_dtypes.bfloat16)], [13, 22], {"to": onnx.TensorProto.FLOAT}),
    ("Neg", [DATA], [6, 13], {}),
    *((op, [DATA, DATA[0, :, :1]], [7, 13, 14], {}) for op in ("Add", "Sub", "Mul")),
    *((op, [whole(7, -3), whole(2)], [7, 13, 14], {}) for op in ("Add", "Sub", "Mul")),
]


@pytest.mark.parametrize(
    ("op", "inputs", "opset", "attributes"),
    [(op, inputs, opset, attributes) for op, inputs, opsets, attributes in CASES for opset in opsets],
)
def test_folds_as_the_evaluator_of_onnx(
    op: str, inputs: list[Any], opset: int, attributes: dict[str, Any], tmp_path: Path
) -> None:
    made = single(op, inputs, opset, **attributes)
    same(ours(made, tmp_path), theirs(made))


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize(
    ("op", "rest", "attributes"),
    [("Transpose", [], {}), ("Concat", [None], {"axis": 0}), ("Expand", [whole(2, 2, 3, 4)], {}),
     ("Reshape", [whole(-1)], {}), ("Mul", [None], {}), ("Add", [None], {}), ("Neg", [], {}),
     ("Gather", [whole(1)], {})],
)  # fmt: skip
def test_half_types_keep_their_type(
    op: str, rest: list[Any], attributes: dict[str, Any], kind: Any, tmp_path: Path
) -> None:
    half = DATA.astype(kind)
    made = single(op, [half, *(half if array is None else array for array in rest)], 13, **attributes)
    same(ours(made, tmp_path), theirs(made))


@pytest.mark.parametrize(
    ("opset", "outputs", "sizes", "attributes"),
    [(2, 2, None, {}), (2, 3, None, {"split": [1, 2, 7]}), (13, 3, whole(1, 2, 7), {}),
     (18, 4, None, {"num_outputs": 4}), (22, 3, None, {"num_outputs": 3}), (22, 3, whole(5, 0, 5), {})],
)  # fmt: skip
def test_splits_as_the_evaluator_of_onnx(
    opset: int, outputs: int, sizes: Any, attributes: dict[str, Any], tmp_path: Path
) -> None:
    made = single("Split", [LINE] if sizes is None else [LINE, sizes], opset, outputs, **attributes)
    same(ours(made, tmp_path), theirs(made))


@pytest.mark.parametrize("scale", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("axis", [None, 1, -1])
def test_dequantised_as_by_the_evaluator_of_onnx(scale: Any, axis: int | None, tmp_path: Path) -> None:
    data = RNG.integers(-128, 128, (3, 5)).astype(np.int8)
    size = () if axis is None else (5,)
    inputs = [data, RNG.uniform(0.01, 0.1, size).astype(scale), RNG.integers(-9, 9, size).astype(np.int8)]
    for given in (inputs, inputs[:2]):
        made = single("DequantizeLinear", given, 21, **({} if axis is None else {"axis": axis}))
        same(ours(made, tmp_path), theirs(made))


def test_of_a_type_of_its_own_dequantised(tmp_path: Path) -> None:
    inputs = [np.array([[100, -7]], np.int8), np.array(0.3, np.float32)]
    made = single("DequantizeLinear", inputs, 23, output_dtype=onnx.TensorProto.FLOAT16)
    same(ours(made, tmp_path), theirs(made))


# -- what the evaluator of onnx does not have, or does in another way than the operator's text -------------------------


@pytest.mark.parametrize("opset", [10, 13])
def test_early_dequantize_is_the_runtimes(opset: int, tmp_path: Path) -> None:
    inputs = [RNG.integers(-128, 128, (3, 5)).astype(np.int8), np.array(0.25, np.float32), np.array(-3, np.int8)]
    made = single("DequantizeLinear", inputs, opset)
    made.graph.output[0].CopyFrom(value("o0"))
    same(ours(made, tmp_path), by_runtime(made, {"X": np.zeros((1, 1, 3), np.float32)}))


def test_reshape_of_operator_set_1_has_its_shape_in_an_attribute(tmp_path: Path) -> None:
    (found,) = ours(single("Reshape", [DATA], 1, shape=[0, -1], consumed_inputs=[0]), tmp_path)
    assert found.tobytes() == DATA.tobytes()
    assert found.shape == (2, 12)


def test_axes_stand_in_any_order(tmp_path: Path) -> None:
    """Unsqueeze-11: "The order of values in `axes` does not matter"."""
    assert ours(single("Unsqueeze", [LINE], 11, axes=[1, 0]), tmp_path)[0].shape == (1, 1, 10)
    assert ours(single("Squeeze", [LINE.reshape(1, 10, 1)], 11, axes=[2, 0]), tmp_path)[0].shape == (10,)


@pytest.mark.parametrize(
    ("op", "inputs", "outputs", "attributes"),
    [
        ("Split", [LINE, whole(2, 2)], 2, {}),  # the rest would be lost
        ("Split", [LINE, whole(12, -2)], 2, {}),
        ("Slice", [DATA, whole(0, 1), whole(2)], 1, {}),
        ("Slice", [LINE, whole(0), whole(2)], 1, {"starts": [3]}),
        ("Flatten", [DATA], 1, {"axis": 4}),
        ("Add", [DATA, DATA[0, 0]], 1, {"axis": 0}),  # of version 6: aligned at its own axis
        ("Transpose", [DATA], 1, {"perm": [0, 1]}),
        ("Cast", [DATA], 1, {"to": onnx.TensorProto.STRING}),
        ("Identity", [DATA], 1, {"own": 3}),
        ("Neg", [DATA, DATA], 1, {}),
        ("Concat", [DATA, DATA], 1, {"axis": 3}),
        ("DequantizeLinear", [np.ones((3, 5), np.int8), np.ones((3, 5), np.float32)], 1, {"block_size": 1}),
        ("DequantizeLinear", [np.ones((3, 5), np.int8), np.ones(3, np.float32)], 1, {"axis": 1}),
    ],
)
def test_what_does_not_fit_is_no_constant(
    op: str, inputs: list[Any], outputs: int, attributes: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(NotConstant, match=f"the {op} it of constants fails|in blocks|turned into texts"):
        ours(single(op, inputs, 13, outputs, **attributes), tmp_path)


def test_attributes_are_never_set_on_anything(tmp_path: Path) -> None:
    for name in ("data", "out", "_run", "__class__", "self"):
        with pytest.raises(NotConstant, match="of constants fails"):
            ours(single("Neg", [DATA], 13, **{name: 1}), tmp_path)


def test_external_data_of_a_value_stays_in_the_folder_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluator of onnx would open `secret`, in the current folder."""
    (tmp_path / "here").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "here" / "secret").write_bytes(np.float32(7).tobytes())
    monkeypatch.chdir(tmp_path / "here")
    tensor = onnx.TensorProto(data_type=onnx.TensorProto.FLOAT, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="secret")
    made = single("ConstantOfShape", [whole(2)], 13, value=tensor)
    with pytest.raises(FileError, match="'secret': no such file"):
        ours(made, tmp_path / "model")


# -- sizes -----------------------------------------------------------------------------------------------------------

WIDE = 1 << 20
GROWING: dict[str, tuple[list[Any], dict[str, np.ndarray]]] = {
    "Add": ([helper.make_node("Add", ["row", "column"], ["o"])], {}),
    "Sub": ([helper.make_node("Sub", ["row", "column"], ["o"])], {}),
    "Mul": ([helper.make_node("Mul", ["column", "row"], ["o"])], {}),
    "Gather": ([helper.make_node("Gather", ["row", "again"], ["o"])], {"again": np.zeros(WIDE, np.int8)}),
    "Concat": ([helper.make_node("Concat", ["row"] * 5000, ["o"], axis=0)], {}),
    "Expand": ([helper.make_node("Expand", ["row", "big"], ["o"])], {"big": whole(1 << 30, 1)}),
    "ConstantOfShape": ([helper.make_node("ConstantOfShape", ["big"], ["o"])], {"big": whole(1 << 20, 1 << 20)}),
    "Cast": (
        [helper.make_node("Expand", ["bit", "big"], ["wide"]), helper.make_node("Cast", ["wide"], ["o"], to=11)],
        {"bit": np.zeros(1, np.int8), "big": whole(SMALL)},
    ),
    "DequantizeLinear": (
        [helper.make_node("Expand", ["bit", "big"], ["wide"]),
         helper.make_node("DequantizeLinear", ["wide", "s"], ["o"])],
        {"bit": np.zeros(1, np.int8), "big": whole(SMALL), "s": np.array(1.0)},
    ),
    "Reshape": (
        [helper.make_node("ConstantOfShape", ["big"], ["wide"])]
        + [helper.make_node("Reshape", ["wide", "flat"], [f"r{k}"]) for k in range(40)]
        + [helper.make_node("Concat", [f"r{k}" for k in range(40)], ["o"], axis=0)],
        {"big": whole(1 << 21, 1), "flat": whole(-1)},
    ),
    "Neg": (
        [helper.make_node("ConstantOfShape", ["big"], ["wide"])]
        + [helper.make_node("Neg", ["wide"], [f"r{k}"]) for k in range(40)]
        + [helper.make_node("Concat", [f"r{k}" for k in range(40)], ["o"], axis=0)],
        {"big": whole(1 << 21, 1)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("op", GROWING)
def test_no_operator_makes_more_than_the_file_can_hold(op: str, tmp_path: Path) -> None:
    """Refused before it is made; also where each of many results is small, and their sum is not."""
    nodes, more = GROWING[op]
    row = np.broadcast_to(np.float32(0), (1, 1 << 10))
    stored = {"row": row, "column": row.T} | more
    made = chain(nodes, {name: np.ascontiguousarray(array) for name, array in stored.items()}, 13)
    if op in ("Add", "Sub", "Mul"):  # both by a view, so that the file stays small
        for name, shape in (("row", whole(1, WIDE)), ("column", whole(WIDE, 1))):
            made.graph.initializer.remove(next(t for t in made.graph.initializer if t.name == name))
            made.graph.initializer.append(numpy_helper.from_array(shape, f"{name}_size"))
            made.graph.node.insert(0, helper.make_node("ConstantOfShape", [f"{name}_size"], [name]))
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match="not a file of weights; refused"):
            ours(made, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 3 * SMALL
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("op", ["Reshape", "Expand", "ConstantOfShape"])
def test_so_many_axes_have_no_array(op: str, tmp_path: Path) -> None:
    """A shape of millions of sizes is not even listed."""
    inputs = ["many"] if op == "ConstantOfShape" else ["row", "many"]
    nodes = [helper.make_node("Expand", ["one", "size"], ["many"]), helper.make_node(op, inputs, ["o"])]
    stored = {"row": LINE, "one": whole(1), "size": whole(1 << 20)}
    with pytest.raises(NotConstant, match="1,048,576 axes or sizes; expected at most 10,000"):
        ours(chain(nodes, stored, 13), tmp_path)


def test_an_input_that_is_named_often_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    array = Tensors.array

    def counted(self: Tensors, tensor: Any) -> Any:
        read.append(tensor.name)
        return array(self, tensor)

    monkeypatch.setattr(Tensors, "array", counted)
    (found,) = ours(chain([helper.make_node("Concat", ["row"] * 50, ["o"], axis=0)], {"row": LINE}, 13), tmp_path)
    assert found.tobytes() == np.tile(LINE, 50).tobytes()
    assert read == ["row"]


def test_every_operator_is_compared() -> None:
    assert set(FOLDS) == {op for op, *_ in CASES} | {"Split", "DequantizeLinear"}
