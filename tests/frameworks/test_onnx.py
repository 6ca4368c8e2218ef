"""ONNX files: made with onnx.helper or exported by PyTorch, read by us, traced, and equal to onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, MissingError
from lstm_trace.weights.read import read_model

from .measure import assert_agrees

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper, numpy_helper  # noqa: E402

from .onnx_models import FLOAT, OUTPUTS, arrays, by_runtime, joined, model, node, saved, through, value  # noqa: E402

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
    check(path, by_runtime(path, {"X": X}))
    options = one(path).options
    assert (options["gate_activation"], options["reverse"]) == (
        "hard_sigmoid(0.3, 0.4)",
        {"gate_activation": "hard_sigmoid(0.2, 0.4)"},
    )


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
    assert facts["h0"] == "the model's input initial_h (1, B, 4); zeros if it is not given"
    assert facts["lengths"] == "the model's input sequence_lens (B); all of T if not given"


# -- where weights come from -----------------------------------------------------------------------------------------


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
    inputs = [value("X", ["T", "B", 3], helper.np_dtype_to_tensor_dtype(half))]  # of one type with the weights
    path = saved(model([node(stored, hidden_size=4)], stored, inputs, opset=22), tmp_path / "m.onnx")
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
    assert one(path).facts["h0"] == "the input of loop/body, initial_h; zeros if it is not given"


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
    assert found.facts["lengths"] == "the model's input lengths (2), through Cast; all of T if not given"
    trace = lt.run(path, x.numpy(), lengths=[4, 2])
    with torch.no_grad():
        np.testing.assert_allclose(trace.output, module(x, lengths).numpy(), atol=1e-6)


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
