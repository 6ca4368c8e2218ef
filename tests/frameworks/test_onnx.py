"""ONNX files: made with onnx.helper or exported by PyTorch, read by us, traced, and equal to onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError, MissingError
from lstm_trace.weights import onnx as reader
from lstm_trace.weights import read_model

from .measure import assert_agrees

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper, numpy_helper  # noqa: E402

from .onnx_models import FLOAT, OUTPUTS, arrays, by_runtime, joined, model, node, saved, value  # noqa: E402

X = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
INT = onnx.TensorProto.INT64


def check(path: Path, theirs: Any, x: np.ndarray = X, name: str | None = None, **arguments: Any) -> lt.Trace:
    """Our trace of the file agrees with the runtime's Y, Y_h and Y_c; exact is our own run in float64."""
    trace = lt.run(path, x, name=name or "", **arguments)
    exact = lt.run(path, x, name=name or "", dtype="float64", **arguments)
    assert trace.header.dtype == "float32"
    assert_agrees(trace.output, joined(theirs[0]), exact.output, "Y")
    assert_agrees(trace.h_n, theirs[1], exact.h_n, "Y_h")
    assert_agrees(trace.c_n, theirs[2], exact.c_n, "Y_c")
    return trace


def one(path: Path) -> Any:
    """The only LSTM of a file."""
    found = read_model(path)
    assert len(found) == 1
    return found[0]


# -- attributes and inputs -------------------------------------------------------------------------------------------

ATTRIBUTES: list[dict[str, Any]] = [
    {},
    {"direction": "reverse"},
    {"clip": 0.25},
    {"input_forget": 1},
    {"activations": ["HardSigmoid", "Softsign", "Relu"]},
    {"activations": ["hardsigmoid", "LEAKYRELU", "Elu"], "activation_alpha": [0.3], "activation_beta": [0.4]},
    {"activations": ["Sigmoid", "ScaledTanh", "Affine"], "activation_alpha": [1.5, 0.5], "activation_beta": [0.7, 0.1]},
    {"activations": ["Sigmoid", "ThresholdedRelu", "Softplus"], "activation_alpha": [0.2]},
    {"activations": ["Sigmoid", "ThresholdedRelu", "Tanh"]},
    {"activations": ["Sigmoid", "Affine", "Tanh"], "activation_alpha": [0.5]},
]


@pytest.mark.parametrize("opset", [7, 14, 22])
@pytest.mark.parametrize("attributes", ATTRIBUTES, ids=str)
def test_attributes(tmp_path: Path, attributes: dict[str, Any], opset: int) -> None:
    stored = arrays(1, P=True)
    path = saved(model([node(stored, hidden_size=4, **attributes)], stored, opset=opset), tmp_path / "m.onnx")
    check(path, by_runtime(path, {"X": X}))


@pytest.mark.parametrize("kept", [{"B": False}, {"P": True}, {"B": False, "P": True}], ids=str)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_optional_inputs_and_directions(tmp_path: Path, kept: dict[str, bool], direction: str) -> None:
    count = 2 if direction == "bidirectional" else 1
    stored = arrays(2, count, **kept)
    path = saved(model([node(stored, hidden_size=4, direction=direction)], stored), tmp_path / "m.onnx")
    check(path, by_runtime(path, {"X": X}))
    found = one(path)
    assert found.directions == {"bidirectional": ("forward", "reverse")}.get(direction, (direction,))


def test_activations_of_both_directions_consume_the_constants_in_order(tmp_path: Path) -> None:
    stored = arrays(3, 2)
    attributes = {
        "direction": "bidirectional",
        "activations": ["HardSigmoid", "LeakyRelu", "Tanh"] * 2,
        "activation_alpha": [0.3, 0.1, 0.3, 0.1],
        "activation_beta": [0.4, 0.4],
    }
    path = saved(model([node(stored, hidden_size=4, **attributes)], stored), tmp_path / "m.onnx")
    check(path, by_runtime(path, {"X": X}))
    options = one(path).options
    assert (options["gate_activation"], options["candidate_activation"]) == (
        "hard_sigmoid(0.3, 0.4)",
        "leaky_relu(0.1)",
    )
    other = attributes | {"activation_alpha": [0.3, 0.1, 0.2, 0.1]}
    path = saved(model([node(stored, hidden_size=4, **other)], stored), tmp_path / "other.onnx")
    with pytest.raises(FileError, match="its directions have different activations"):
        lt.prepare(path)


def test_every_wrong_gate_order_fails(tmp_path: Path) -> None:
    stored = arrays(4)
    path = saved(model([node(stored, hidden_size=4)], stored), tmp_path / "m.onnx")
    theirs = joined(by_runtime(path, {"X": X})[0])
    assert np.abs(lt.run(path, X).output - theirs).max() < 1e-6
    for order in ("ifgo", "ifog", "figo", "igfo", "iogf"):
        ours = lt.run({n: stored[n] for n in "WRB"}, X, layout={"name": "onnx", "order": order}).output
        assert np.abs(ours - theirs).max() > 1e-3, order


def test_opset_1_has_its_own_attributes(tmp_path: Path) -> None:
    """No runtime computes LSTM-1 any more; its equations are those of LSTM-7."""
    stored = arrays(5)
    new = saved(model([node(stored, hidden_size=4)], stored, opset=7), tmp_path / "new.onnx")
    old = saved(model([node(stored, hidden_size=4, output_sequence=0)], stored, opset=1), tmp_path / "old.onnx")
    check(old, by_runtime(new, {"X": X}))
    assert one(old).facts["opset"] == "1 (LSTM of version 1)"
    assert one(old).facts["returns"] == "the last step only (output_sequence=0); the trace has every step"
    path = saved(model([node(stored, hidden_size=4, output_sequence=1)], stored, opset=7), tmp_path / "bad.onnx")
    with pytest.raises(FileError, match="the attribute 'output_sequence' is none of LSTM-7; LSTM-1 has it"):
        lt.prepare(path)


def test_layout_1_is_batch_first(tmp_path: Path) -> None:
    """onnxruntime refuses layout 1: the same node with layout 0 says what is right."""
    stored = arrays(6, 2)
    rng = np.random.default_rng(7)
    states = {n: rng.normal(size=(2, 2, 4)).astype(np.float32) for n in ("initial_h", "initial_c")}
    attributes = {"hidden_size": 4, "direction": "bidirectional"}
    plain = saved(model([node([*stored, *states], **attributes)], stored | states), tmp_path / "plain.onnx")
    turned = stored | {n: a.swapaxes(0, 1).copy() for n, a in states.items()}
    path = saved(model([node(turned, layout=1, **attributes)], turned), tmp_path / "m.onnx")
    y, y_h, _ = by_runtime(plain, {"X": X})
    trace = lt.run(path, X.swapaxes(0, 1))
    np.testing.assert_allclose(trace.output, joined(y).swapaxes(0, 1), atol=1e-6)
    np.testing.assert_allclose(trace.h_n, y_h, atol=1e-6)


def test_states_and_lengths_of_the_file_apply_unless_an_argument_says_otherwise(tmp_path: Path) -> None:
    stored = arrays(8)
    rng = np.random.default_rng(9)
    fixed = {n: rng.normal(size=(1, 2, 4)).astype(np.float32) for n in ("initial_h", "initial_c")}
    fixed["sequence_lens"] = np.array([5, 3], np.int32)
    path = saved(model([node([*stored, *fixed], hidden_size=4)], stored | fixed), tmp_path / "m.onnx")
    theirs = by_runtime(path, {"X": X})
    trace = check(path, theirs)
    assert trace.lengths.tolist() == [5, 3]
    np.testing.assert_array_equal(trace.output[3:, 1], 0)
    other = {n: a + 1 for n, a in fixed.items() if n != "sequence_lens"}
    whole = stored | other | {"sequence_lens": np.array([5, 5], np.int32)}
    theirs = by_runtime(model([node(whole, hidden_size=4)], whole), {"X": X})
    check(path, theirs, h0=other["initial_h"], c0=other["initial_c"], lengths=[5, 5])
    facts = one(path).facts
    assert (facts["h0"], facts["lengths"]) == ("fixed by the file, (1, 2, 4)", "fixed by the file")


def test_states_and_lengths_that_are_inputs_are_said(tmp_path: Path) -> None:
    stored = arrays(10)
    inputs = [value("X", ["T", "B", 3]), value("initial_h", [1, "B", 4]), value("sequence_lens", ["B"], 6)]
    have = [*stored, "initial_h", "sequence_lens"]
    path = saved(model([node(have, hidden_size=4)], stored, inputs), tmp_path / "m.onnx")
    h0, lengths = np.random.default_rng(1).normal(size=(1, 2, 4)).astype(np.float32), np.array([2, 5], np.int32)
    theirs = by_runtime(path, {"X": X, "initial_h": h0, "sequence_lens": lengths})
    check(path, theirs, h0=h0, lengths=lengths)
    facts = one(path).facts
    assert facts["input"] == "the model's input X (T, B, 3)"
    assert facts["h0"] == "the model's input initial_h (1, B, 4); zeros where it is not given"
    assert facts["lengths"] == "the model's input sequence_lens (B); all of T where not given"


# -- where weights come from -----------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("opset", [7, 11, 14, 22])
def test_weights_through_operators_on_constants(tmp_path: Path, opset: int) -> None:
    stored = arrays(11, P=True)
    nodes, kept = through(stored, opset)
    path = saved(model([*nodes, node("WRBP", hidden_size=4)], kept, opset=opset), tmp_path / "m.onnx")
    check(path, by_runtime(path, {"X": X}))


def test_weights_quantised_and_dequantised_beside_the_node(tmp_path: Path) -> None:
    """QDQ form: the node computes in float32, from weights that are stored as int8."""
    rng = np.random.default_rng(12)
    kept = {
        "W8": rng.integers(-128, 128, (1, 16, 3)).astype(np.int8),
        "R8": rng.integers(-128, 128, (1, 16, 4)).astype(np.int8),
        "s": np.array(0.01, np.float32),
        "z": np.array(3, np.int8),
        "s16": rng.uniform(0.001, 0.02, 16).astype(np.float32),
        "z16": np.zeros(16, np.int8),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["W8", "s", "z"], ["W"]),
        helper.make_node("DequantizeLinear", ["R8", "s16", "z16"], ["R"], axis=1),
        node("WR", hidden_size=4),
    ]
    path = saved(model(nodes, kept), tmp_path / "m.onnx")
    check(path, by_runtime(path, {"X": X}))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_types(tmp_path: Path, kind: str) -> None:
    """The runtime has no half LSTM: the same weights, widened, in a float32 node say what is right."""
    import ml_dtypes

    half = np.dtype(np.float16 if kind == "float16" else ml_dtypes.bfloat16)
    stored = {n: a.astype(half) for n, a in arrays(13).items()}
    path = saved(model([node(stored, hidden_size=4)], stored, opset=22), tmp_path / "m.onnx")
    wide = {n: a.astype(np.float32) for n, a in stored.items()}
    check(path, by_runtime(model([node(wide, hidden_size=4)], wide), {"X": X}))
    assert f"{kind} weights widened to float32" in one(path).imported
    cast = [helper.make_node("Cast", [f"{n}_half"], [n], to=FLOAT) for n in stored]
    kept = {f"{n}_half": a for n, a in stored.items()}
    path = saved(model([*cast, node(stored, hidden_size=4)], kept), tmp_path / "cast.onnx")
    check(path, by_runtime(path, {"X": X}))


def test_zero_states_of_the_size_of_the_batch_are_zeros(tmp_path: Path) -> None:
    """What PyTorch's exporter writes for states that are not given."""
    stored = arrays(14)
    kept = stored | {"one": np.array([1], np.int64), "four": np.array([4], np.int64), "at": np.array([1], np.int64)}
    nodes = [
        helper.make_node("Shape", ["X"], ["shape"]),
        helper.make_node("Gather", ["shape", "at"], ["batch"], axis=0),
        helper.make_node("Concat", ["one", "batch", "four"], ["size"], axis=0),
        helper.make_node("ConstantOfShape", ["size"], ["initial_h"]),
        node([*stored, "initial_h"], hidden_size=4),
    ]
    path = saved(model(nodes, kept), tmp_path / "m.onnx")
    check(path, by_runtime(path, {"X": X}))
    nodes[3] = helper.make_node("ConstantOfShape", ["size"], ["initial_h"],
                                value=numpy_helper.from_array(np.array([0.5], np.float32)))  # fmt: skip
    path = saved(model(nodes, kept), tmp_path / "half.onnx")
    with pytest.raises(FileError, match=r"its initial_h is 0\.5 everywhere"):
        lt.prepare(path)


# -- graphs ----------------------------------------------------------------------------------------------------------


def test_nodes_in_the_branches_of_an_if_see_the_constants_around_them(tmp_path: Path) -> None:
    stored = arrays(15)
    branch = {
        name: helper.make_graph([node("WRB", name=f"{name}_lstm", hidden_size=4, direction=direction)], name, [],
                                [value(n) for n in OUTPUTS])
        for name, direction in (("then", "forward"), ("else", "reverse"))
    }  # fmt: skip
    choose = helper.make_node(
        "If", ["flag"], list(OUTPUTS), name="choice", then_branch=branch["then"], else_branch=branch["else"]
    )
    inputs = [value("X", ["T", "B", 3]), value("flag", [], onnx.TensorProto.BOOL)]
    path = saved(model([choose], stored, inputs), tmp_path / "m.onnx")
    for flag, name in ((True, "then_lstm"), (False, "else_lstm")):
        theirs = by_runtime(path, {"X": X, "flag": np.array(flag)})
        check(path, theirs, name=name)
    found = read_model(path)
    assert {f.facts["inside"] for f in found} == {"choice/else_branch", "choice/then_branch"}
    with pytest.raises(MissingError, match="there are 2 LSTMs: "):
        lt.prepare(path)


def test_nodes_of_one_name_get_the_graph_they_stand_in(tmp_path: Path) -> None:
    stored = arrays(15)
    branch = helper.make_graph([node("WRB", hidden_size=4)], "b", [], [value(n) for n in OUTPUTS])
    choose = helper.make_node("If", ["flag"], list(OUTPUTS), name="if", then_branch=branch, else_branch=branch)
    inputs = [value("X", ["T", "B", 3]), value("flag", [], onnx.TensorProto.BOOL)]
    found = read_model(saved(model([choose], stored, inputs), tmp_path / "m.onnx"))
    assert sorted(f.name for f in found) == ["if/else_branch/lstm", "if/then_branch/lstm"]
    assert found[1].facts["weights"] == f"those of {found[0].name}"


def test_a_node_in_the_body_of_a_loop(tmp_path: Path) -> None:
    stored = arrays(16)
    rename = node([*stored, "initial_h", "initial_c"], hidden_size=4)
    body = helper.make_graph(
        [rename, helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [value("n", [], INT), value("go", [], onnx.TensorProto.BOOL), value("initial_h"), value("initial_c")],
        [value("go_on", [], onnx.TensorProto.BOOL), value("Y_h"), value("Y_c"), value("Y")],
    )
    kept = stored | {"rounds": np.array(2, np.int64), "yes": np.array(True), "start": np.ones((1, 2, 4), np.float32)}
    loop = helper.make_node("Loop", ["rounds", "yes", "start", "start"], ["h", "c", "all"], name="loop", body=body)
    made = model([loop], kept, outputs=[value("h"), value("c"), value("all")])
    path = saved(made, tmp_path / "m.onnx")
    h, c, every = by_runtime(path, {"X": X})
    start = kept["start"]
    first = lt.run(path, X, h0=start, c0=start)
    second = lt.run(path, X, h0=first.h_n, c0=first.c_n)
    np.testing.assert_allclose(first.output, joined(every[0]), atol=1e-6)
    np.testing.assert_allclose(second.h_n, h, atol=1e-6)
    np.testing.assert_allclose(second.c_n, c, atol=1e-6)
    assert one(path).facts["h0"] == "the input of loop/body, initial_h; zeros where it is not given"


def test_a_node_in_a_function_of_the_model(tmp_path: Path) -> None:
    stored = arrays(17)
    function = helper.make_function(
        "own", "Recurrent", ["x", "w", "r", "b"], ["y"],
        [helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], name="inner", hidden_size=4)],
        [helper.make_opsetid("", 14)],
    )  # fmt: skip
    call = helper.make_node("Recurrent", ["X", "W", "R", "B"], ["Y"], domain="own", name="call")
    made = model([call], stored, outputs=[value("Y")], functions=[function], domains=[helper.make_opsetid("own", 1)])
    path = saved(made, tmp_path / "m.onnx")
    y = by_runtime(path, {"X": X})[0]
    np.testing.assert_allclose(lt.run(path, X).output, joined(y), atol=1e-6)


def test_old_models_that_list_stored_tensors_among_their_inputs(tmp_path: Path) -> None:
    stored = arrays(18)
    inputs = [value("X", ["T", "B", 3]), *(value(n, list(a.shape)) for n, a in stored.items())]
    path = saved(model([node(stored, hidden_size=4)], stored, inputs), tmp_path / "m.onnx")
    check(path, by_runtime(path, {"X": X}))


def layered(tmp_path: Path, directions: int, name: str = "stack.onnx", **upper: Any) -> Path:
    """Two LSTM nodes, Y of the first joined to X of the second as exporters do it."""
    low, high = arrays(19, directions), arrays(20, directions, wide=4 * directions)
    way = {"direction": "bidirectional"} if directions == 2 else {}
    kept = {f"{n}1": a for n, a in low.items()} | {f"{n}2": a for n, a in high.items()}
    nodes = [helper.make_node("LSTM", ["X", "W1", "R1", "B1"], ["Y1"], name="/rnn/LSTM", hidden_size=4, **way)]
    if directions == 1:
        kept["one"] = np.array([1], np.int64)
        nodes.append(helper.make_node("Squeeze", ["Y1", "one"], ["X2"]))
    else:
        kept["flat"] = np.array([0, 0, -1], np.int64)
        nodes.append(helper.make_node("Transpose", ["Y1"], ["turned"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", ["turned", "flat"], ["X2"]))
    inner = {"name": "/rnn/LSTM_1", "hidden_size": 4, **way, **upper}
    nodes.append(helper.make_node("LSTM", ["X2", "W2", "R2", "B2"], ["Y", "Y_h", "Y_c"], **inner))
    return saved(model(nodes, kept, outputs=[value("Y"), value("X2")]), tmp_path / name)


@pytest.mark.parametrize("directions", [1, 2])
def test_nodes_that_read_one_another_are_a_stack(tmp_path: Path, directions: int) -> None:
    path = layered(tmp_path, directions)
    y, between = by_runtime(path, {"X": X})
    trace = lt.run(path, X)
    np.testing.assert_allclose(trace.output, joined(y), atol=1e-6)
    first = trace.at(layer=0, direction="joined" if directions == 2 else "forward")
    np.testing.assert_allclose(first.output, between, atol=1e-6)
    found = one(path)
    assert (found.name, found.layers, found.facts["nodes"]) == ("/rnn", 2, "/rnn/LSTM, /rnn/LSTM_1")


def test_nodes_with_other_options_are_no_stack(tmp_path: Path) -> None:
    path = layered(tmp_path, 1, clip=3.0)
    assert [f.name for f in read_model(path)] == ["/rnn/LSTM", "/rnn/LSTM_1"]
    assert read_model(path)[1].facts["input"] == "the output of /rnn/LSTM (LSTM), through Squeeze"


def test_a_wrong_joint_is_no_stack(tmp_path: Path) -> None:
    """Y reshaped without being turned mixes rows and directions: each node for itself."""
    path = layered(tmp_path, 2)
    made = onnx.load(path)
    turn = next(n for n in made.graph.node if n.op_type == "Transpose")
    turn.attribute[0].ints[:] = [0, 1, 2, 3]
    assert len(read_model(saved(made, tmp_path / "m.onnx"))) == 2


# -- PyTorch's exporters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize(
    "kind",
    [{}, {"num_layers": 3}, {"bidirectional": True, "num_layers": 2, "batch_first": True}, {"bias": False}],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_exported_by_pytorch(tmp_path: Path, kind: dict[str, Any], dynamo: bool) -> None:
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    torch.manual_seed(3)

    class Model(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(3, 4, **kind)

        def forward(self, x: Any) -> Any:
            y, (h, c) = self.lstm(x)
            return y, h, c

    path, module = tmp_path / "m.onnx", Model().eval()
    x = torch.randn(2, 5, 3)
    dynamic = {} if dynamo else {"dynamic_axes": {"x": [0, 1]}, "input_names": ["x"]}
    torch.onnx.export(module, (x,), str(path), dynamo=dynamo, verbose=False, **dynamic)
    y, h, c = by_runtime(path, {(onnx.load(path).graph.input[0].name): x.numpy()})
    trace, exact = lt.run(path, x.numpy()), lt.run(path, x.numpy(), dtype="float64")
    assert trace.header.batch_first == bool(kind.get("batch_first"))
    for ours, theirs, right in zip(
        (trace.output, trace.h_n, trace.c_n), (y, h, c), (exact.output, exact.h_n, exact.c_n), strict=True
    ):
        assert_agrees(ours, theirs, right)
    with torch.no_grad():
        np.testing.assert_allclose(trace.output, module(x)[0].numpy(), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_exported_with_packed_lengths(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    rnn = torch.nn.utils.rnn

    class Model(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(3, 4, bidirectional=True, num_layers=2)

        def forward(self, x: Any, lengths: Any) -> Any:
            packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=True)
            return rnn.pad_packed_sequence(self.lstm(packed)[0], total_length=5)[0]

    torch.manual_seed(4)
    path, module = tmp_path / "m.onnx", Model().eval()
    x, lengths = torch.randn(5, 2, 3), torch.tensor([4, 2])
    torch.onnx.export(module, (x, lengths), str(path), dynamo=False, input_names=["x", "lengths"])
    found = one(path)
    assert found.layers == 2
    assert found.facts["lengths"] == "the model's input lengths (2), through Cast; all of T where not given"
    trace = lt.run(path, x.numpy(), lengths=[4, 2])
    with torch.no_grad():
        np.testing.assert_allclose(trace.output, module(x, lengths).numpy(), atol=1e-6)


# -- external data ---------------------------------------------------------------------------------------------------


def outside(path: Path, location: str = "weights.bin", size: int = 0) -> Path:
    """A model whose tensors are kept in another file."""
    stored = arrays(21)
    made = model([node(stored, hidden_size=4)], stored)
    return saved(made, path, save_as_external_data=True, location=location, size_threshold=size)


def test_external_data(tmp_path: Path) -> None:
    path = outside(tmp_path / "m.onnx")
    assert (tmp_path / "weights.bin").is_file()
    check(path, by_runtime(path, {"X": X}))


def test_external_data_in_a_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = outside(tmp_path / "m.onnx")
    (tmp_path / "data").mkdir()
    (tmp_path / "weights.bin").rename(tmp_path / "data" / "w.bin")
    relocate(path, "data/w.bin")
    check(path, by_runtime(path, {"X": X}))
    monkeypatch.chdir(tmp_path)
    lt.prepare("m.onnx")


def relocate(path: Path, location: str, **facts: str) -> None:
    """Change where external data is said to be, without touching it."""
    made = onnx.load(path, load_external_data=False)
    for tensor in made.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else facts.get(entry.key, entry.value)
    path.write_bytes(made.SerializeToString())


@pytest.mark.parametrize(
    "location",
    [
        "../secret.bin",
        "data/../../secret.bin",
        "/etc/hostname",
        "C:\\secret.bin",
        "..\\secret.bin",
        "\\\\host\\share",
        "",
    ],
)
def test_external_data_that_leaves_the_folder_is_not_opened(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = outside(folder / "m.onnx")
    (folder / "weights.bin").rename(tmp_path / "secret.bin")
    relocate(path, location)
    with pytest.raises(FileError, match="leaves the model's folder; it is not opened"):
        lt.prepare(path)


def test_links_that_leave_the_folder_are_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = outside(folder / "m.onnx")
    (folder / "weights.bin").rename(tmp_path / "secret.bin")
    (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(FileError, match="is a link that leaves the model's folder"):
        lt.prepare(path)
    (folder / "weights.bin").unlink()
    (folder / "up").symlink_to(tmp_path)
    relocate(path, "up/secret.bin")
    with pytest.raises(FileError, match="is a link that leaves the model's folder"):
        lt.prepare(path)
    (folder / "weights.bin").symlink_to(folder / "weights.bin")
    relocate(path, "weights.bin")
    with pytest.raises(FileError, match="external data"):
        lt.prepare(path)


def test_links_within_the_folder_and_to_the_model_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = outside(folder / "m.onnx")
    (folder / "weights.bin").rename(folder / "real.bin")
    (folder / "weights.bin").symlink_to(folder / "real.bin")
    (tmp_path / "link.onnx").symlink_to(path)
    right = lt.run(path, X).output
    np.testing.assert_array_equal(lt.run(tmp_path / "link.onnx", X).output, right)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: os.truncate(f, 100), "is cut off: 100 bytes, needed are"),
        (lambda f: f.unlink(), "no such file or directory"),
        (lambda f: (f.unlink(), f.mkdir()), "is a directory|is no file"),
    ],
)
def test_external_data_that_is_not_whole(tmp_path: Path, change: Callable[[Path], Any], message: str) -> None:
    path = outside(tmp_path / "m.onnx")
    change(tmp_path / "weights.bin")
    with pytest.raises(FileError, match=message):
        lt.prepare(path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"length": "99999999999"}, "its external data claims 99,999,999,999"),
        ({"offset": "-4"}, "from -4 on"),
        ({"offset": "x"}, "begins or ends at no number"),
        ({"offset": "99999999999"}, "is cut off"),
    ],
)
def test_external_data_that_claims_the_impossible(tmp_path: Path, facts: dict[str, str], message: str) -> None:
    path = outside(tmp_path / "m.onnx")
    relocate(path, "weights.bin", **facts)
    with pytest.raises(FileError, match=message):
        lt.prepare(path)


def test_a_pipe_is_no_external_data(tmp_path: Path) -> None:
    path = outside(tmp_path / "m.onnx")
    (tmp_path / "weights.bin").unlink()
    (tmp_path / "weights.bin").symlink_to("/dev/zero")
    with pytest.raises(FileError, match="leaves the model's folder"):
        lt.prepare(path)


# -- what is refused -------------------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(FileError) as error:
        lt.prepare(path)
    assert str(error.value).startswith(str(path))
    return str(error.value)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("unknown attribute", {"peephole": 1}, "the attribute 'peephole' is none of LSTM-14"),
    ("attribute of the wrong type", {"hidden_size": 4.5}, "the attribute hidden_size holds 4.5"),
    ("activations that are no texts", {"activations": [1, 2, 3]}, "the attribute activations holds [1, 2, 3]"),
    (
        "unknown activation",
        {"activations": ["Sigmoid", "Tanh", "Gelu"]},
        "its activation 'Gelu' is none of the operator's",
    ),
    ("too few activations", {"activations": ["Sigmoid", "Tanh"]}, "it has 2 activations; expected 3"),
    ("unknown direction", {"direction": "backward"}, "its direction is 'backward'; expected forward, reverse"),
    ("clip of zero", {"clip": 0.0}, "the attribute clip is 0; expected a positive number"),
    ("negative clip", {"clip": -3.0}, "the attribute clip is -3; expected a positive number"),
    ("another hidden size", {"hidden_size": 5}, "hidden_size is 5, and its R of shape (1, 16, 4) says 4"),
    ("unknown layout", {"layout": 2}, "the attribute layout is 2; expected 0 or 1"),
    ("two directions, weights of one", {"direction": "bidirectional"}, "expected (D, 4H, I) with D = 2"),
]


@pytest.mark.parametrize(("attributes", "message"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_bad_nodes_get_their_own_message(tmp_path: Path, attributes: dict[str, Any], message: str) -> None:
    stored = arrays(22)
    attributes = {"hidden_size": 4, **attributes}
    said = refused(saved(model([node(stored, **attributes)], stored), tmp_path / "m.onnx"))
    assert message in said


@pytest.mark.parametrize(
    ("op", "domain", "message"),
    [
        ("GRU", "", "these are the weights of a GRU, not of an LSTM"),
        ("RNN", "", "these are the weights of a plain RNN, not of an LSTM"),
        ("DynamicQuantizeLSTM", "com.microsoft", "a quantised LSTM (DynamicQuantizeLSTM of com.microsoft)"),
        ("QLSTM", "com.microsoft", "a quantised LSTM (QLSTM of com.microsoft)"),
        ("PeepholeLSTM", "own", "an operator own.PeepholeLSTM that is not ONNX's own LSTM"),
        ("LSTM", "own", "an operator own.LSTM that is not ONNX's own LSTM"),
    ],
)
def test_other_operators_are_refused_by_name(tmp_path: Path, op: str, domain: str, message: str) -> None:
    stored = arrays(23)
    other = helper.make_node(op, ["X", "W", "R"], ["Y"], name="other", domain=domain, hidden_size=4)
    assert message in refused(saved(model([other], stored), tmp_path / "m.onnx"))
    both = saved(model([other, node(stored, hidden_size=4)], stored), tmp_path / "both.onnx")
    assert [bool(f.refused) for f in read_model(both)] == [True, False]
    lt.prepare(both)  # the one that can be traced


def test_weights_that_are_computed_are_refused(tmp_path: Path) -> None:
    stored = arrays(24)
    inputs = [value("X", ["T", "B", 3]), value("W", [1, 16, 3])]
    said = refused(
        saved(model([node(stored, hidden_size=4)], {n: stored[n] for n in "RB"}, inputs), tmp_path / "m.onnx")
    )
    assert "its W is not stored in the file: it comes from the model's input W (1, 16, 3)" in said
    made = helper.make_node("Relu", ["raw"], ["W"], name="made")
    said = refused(saved(model([made, node(stored, hidden_size=4)], {"raw": stored["W"], "R": stored["R"]}),
                         tmp_path / "r.onnx"))  # fmt: skip
    assert "it comes from the output of made (Relu)" in said


def test_weights_of_a_gru_in_an_lstm_node(tmp_path: Path) -> None:
    stored = arrays(25)
    stored = {"W": stored["W"][:, :12], "R": stored["R"][:, :12]}
    said = refused(saved(model([node(stored, hidden_size=4)], stored), tmp_path / "m.onnx"))
    assert "these are the weights of a GRU" in said


def test_integers_are_no_weights(tmp_path: Path) -> None:
    stored = {n: a.astype(np.int8) for n, a in arrays(26).items()}
    assert "its W holds int8" in refused(saved(model([node(stored, hidden_size=4)], stored), tmp_path / "m.onnx"))


def test_a_model_without_an_lstm_says_what_it_has(tmp_path: Path) -> None:
    nodes = [helper.make_node(op, ["X"], [op]) for op in ("Sigmoid", "Tanh")] + [
        helper.make_node("MatMul", ["X", "X"], ["Z"])
    ]
    said = refused(saved(model(nodes, outputs=[value("Z")]), tmp_path / "m.onnx"))
    assert (
        "no LSTM node was found; its operators are MatMul, Sigmoid, Tanh; an LSTM that the exporter wrote out" in said
    )


def test_constants_that_grow_are_bounded(tmp_path: Path) -> None:
    """A few bytes that claim 4 GiB by Expand and Concat are refused before they are made."""
    stored = arrays(27)
    kept = {n: stored[n] for n in "RB"} | {"small": np.ones((1, 1, 1), np.float32), "size": np.array([1, 16, 1 << 26])}
    nodes = [helper.make_node("Expand", ["small", "size"], ["W"]), node("WRB", hidden_size=4)]
    assert "not a file of weights; refused" in refused(saved(model(nodes, kept), tmp_path / "m.onnx"))
    doubled = [helper.make_node("Concat", [f"c{k}", f"c{k}"], [f"c{k + 1}"], axis=2) for k in range(40)]
    kept = {n: stored[n] for n in "RB"} | {"c0": np.ones((1, 16, 1), np.float32)}
    nodes = [*doubled, helper.make_node("Identity", ["c40"], ["W"]), node("WRB", hidden_size=4)]
    assert "not a file of weights; refused" in refused(saved(model(nodes, kept), tmp_path / "d.onnx"))


def test_constants_in_circles_and_long_chains_end(tmp_path: Path) -> None:
    stored = arrays(28)
    kept = {n: stored[n] for n in "RB"}
    circle = [helper.make_node("Add", ["a", "a"], ["b"]), helper.make_node("Add", ["b", "b"], ["a"]),
              helper.make_node("Identity", ["a"], ["W"])]  # fmt: skip
    said = refused(saved(model([*circle, node("WRB", hidden_size=4)], kept), tmp_path / "m.onnx"))
    assert "is made of itself" in said
    chain = [helper.make_node("Add", [f"c{k}", f"c{k}"], [f"c{k + 1}"]) for k in range(3000)]
    chain.append(helper.make_node("Identity", ["c3000"], ["W"]))
    kept["c0"] = stored["W"]
    said = refused(saved(model([*chain, node("WRB", hidden_size=4)], kept), tmp_path / "c.onnx"))
    assert "more than 100 operators" in said


def test_no_part_of_a_file_is_taken_for_the_whole(tmp_path: Path) -> None:
    stored = arrays(29, P=True)
    whole = saved(model([node(stored, hidden_size=4, clip=2.0)], stored), tmp_path / "m.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    for size in [0, 1, 2, 10, *range(20, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(FileError):
            read_model(path)


def test_damaged_files_never_fail_in_another_way(tmp_path: Path) -> None:
    stored = arrays(30, P=True)
    nodes, kept = through(stored, 14)
    whole = bytearray(saved(model([*nodes, node("WRBP", hidden_size=4)], kept), tmp_path / "m.onnx").read_bytes())
    rng = np.random.default_rng(31)
    path = tmp_path / "damaged.onnx"
    outcomes = set()
    for _ in range(1500):
        content = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 6)):
            content[at] = rng.integers(256)
        path.write_bytes(content)
        try:
            outcomes.add(bool(read_model(path)))
        except LstmTraceError:
            outcomes.add(False)
    assert outcomes == {True, False}


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"PK\x03\x04 not a model", b"hello", os.urandom(2000)])
def test_foreign_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert "ONNX" in refused(path)


def test_layouts_and_activations_are_not_asked_for(tmp_path: Path) -> None:
    stored = arrays(32)
    path = saved(model([node(stored, hidden_size=4)], stored), tmp_path / "m.onnx")
    with pytest.raises(LstmTraceError, match="an ONNX file says how its weights are stored"):
        lt.prepare(path, layout="onnx")


def test_every_attribute_of_every_version_is_known() -> None:
    for version, known in reader.ATTRIBUTES.items():
        schema = onnx.defs.get_schema("LSTM", version, "")
        assert schema.since_version == version
        assert set(schema.attributes) == set(known)
        assert [i.name for i in schema.inputs] == list(reader.INPUTS)
    assert onnx.defs.get_schema("LSTM", onnx.defs.onnx_opset_version(), "").since_version == max(reader.ATTRIBUTES)


def test_the_lstm_inside_of_a_model_that_nobody_here_trained(tmp_path: Path) -> None:
    """silero-vad's ONNX file for sequences: the LSTM's own input is made an output, so that the runtime tells it."""
    silero = pytest.importorskip("silero_vad")
    path = Path(silero.__file__).parent / "data" / "silero_vad_16k_sequence.onnx"
    if not path.is_file():
        pytest.skip("this version of silero-vad has no such file")
    made = onnx.load(path)
    lstm = next(n for n in made.graph.node if n.op_type == "LSTM")
    shown = [lstm.input[0], *lstm.output[:1]]
    made.graph.output.extend(value(n) for n in shown)
    rng = np.random.default_rng(3)
    feeds = {}
    for wanted in made.graph.input:
        sizes = [d.dim_value if d.dim_value > 0 else 6 for d in wanted.type.tensor_type.shape.dim]
        feeds[wanted.name] = rng.normal(size=sizes, scale=0.3).astype(np.float32)
    x, y = by_runtime(made, feeds)[-2:]
    arguments = {"h0": feeds[lstm.input[5]], "c0": feeds[lstm.input[6]]}
    trace, exact = (lt.run(path, x, dtype=kind, **arguments) for kind in ("float32", "float64"))
    assert_agrees(trace.output, joined(y), exact.output, "Y")
    assert np.abs(trace.output).max() > 0.1
