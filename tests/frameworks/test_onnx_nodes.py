"""Random LSTM nodes: whole ones agree with onnxruntime, each direction with activations of its own; of those that were
damaged, we refuse what onnxruntime refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.weights.read import read_model

from .measure import assert_agrees

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402

from .onnx_models import by_runtime, joined, model, node, saved, value  # noqa: E402

#: Functions and how many constants each takes; those that grow without bound stand nowhere but before the output.
GATES = {"Sigmoid": 0, "HardSigmoid": 2, "sigmoid": 0}
CANDIDATES = {"Tanh": 0, "Softsign": 0, "ScaledTanh": 2, "HardSigmoid": 2, "TANH": 0}
SQUASHES = {**CANDIDATES, "Relu": 0, "Elu": 1, "LeakyRelu": 1, "Affine": 2, "ThresholdedRelu": 1, "Softplus": 0}


class Drawn(NamedTuple):
    """A node's attributes and stored inputs, and an x (T, B, I)."""

    attributes: dict[str, Any]
    stored: dict[str, np.ndarray]
    x: np.ndarray

    def saved(self, path: Path, x_shape: list[Any] | None = None) -> Path:
        """The node as a model file; x_shape: what the file notes of X."""
        inputs = [value("X", x_shape or ["T", "B", self.x.shape[2]])]
        return saved(model([node(list(self.stored), **self.attributes)], self.stored, inputs), path)


def drawn(seed: int, directions: int = 0, whole: bool = False) -> Drawn:
    """A random node. directions: 1 or 2, drawn if 0. whole: with every input that a node can have."""
    rng = np.random.default_rng(seed)
    hidden, wide, steps, rows = (int(n) for n in rng.integers((2, 1, 3, 2), (7, 6, 8, 5)))
    count = directions or int(rng.integers(1, 3))
    names, alpha, beta = [], [], []
    for _ in range(count):
        for kinds in (GATES, CANDIDATES, SQUASHES):
            names.append(str(rng.choice(list(kinds))))
            alpha += [float(rng.uniform(0.2, 0.9))] * (kinds[names[-1]] > 0)
            beta += [float(rng.uniform(0.2, 0.9))] * (kinds[names[-1]] > 1)
    attributes: dict[str, Any] = {"hidden_size": hidden, "activations": names}
    attributes |= {"activation_alpha": alpha} if alpha else {}
    attributes |= {"activation_beta": beta} if beta else {}
    attributes["direction"] = "bidirectional" if count == 2 else rng.choice(["forward", "reverse"]).item()
    attributes |= {"clip": float(rng.uniform(0.2, 2))} if rng.integers(2) else {}
    attributes |= {"input_forget": 1} if rng.integers(4) == 0 else {}
    shapes: dict[str, tuple[int, ...]] = {"W": (count, 4 * hidden, wide), "R": (count, 4 * hidden, hidden)}
    more = {"B": (count, 8 * hidden), "initial_h": (count, rows, hidden), "initial_c": (count, rows, hidden)}
    more["P"] = (count, 3 * hidden)
    shapes |= {name: shape for name, shape in more.items() if whole or rng.integers(2)}
    stored = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    if whole or rng.integers(2):
        stored["sequence_lens"] = rng.integers(1, steps + 1, rows).astype(np.int32)
    return Drawn(attributes, stored, rng.normal(size=(steps, rows, wide)).astype(np.float32))


@pytest.mark.parametrize("seed", range(60))
def test_random_nodes(seed: int, tmp_path: Path) -> None:
    """Y, Y_h and Y_c; every second node has two directions, each with activations and constants of its own."""
    case = drawn(seed, 2 if seed % 2 else 0)
    path = case.saved(tmp_path / "m.onnx")
    y, y_h, y_c = by_runtime(path, {"X": case.x})
    trace, exact = lt.run(path, case.x), lt.run(path, case.x, dtype="float64")
    assert_agrees(trace.output, joined(y), exact.output, "Y")
    assert_agrees(trace.h_n, y_h, exact.h_n, "Y_h")
    assert_agrees(trace.c_n, y_c, exact.c_n, "Y_c")
    turned = {n: a.swapaxes(0, 1).copy() if n.startswith("initial") else a for n, a in case.stored.items()}
    first = Drawn({**case.attributes, "layout": 1}, turned, case.x)  # onnxruntime computes no layout 1
    batch_first = lt.run(first.saved(tmp_path / "b.onnx"), case.x.swapaxes(0, 1))
    np.testing.assert_array_equal(batch_first.output, trace.output.swapaxes(0, 1))


@pytest.mark.parametrize("alpha", [[0.2], [0.2, 0.3], [0.3], [0.3, 0.2], []], ids=str)
def test_constants_that_run_out_in_the_second_direction(alpha: list[float], tmp_path: Path) -> None:
    """Where they are those that a function takes by default, the directions have the same cell."""
    case = drawn(13, 2)
    attributes: dict[str, Any] = {"hidden_size": case.attributes["hidden_size"], "direction": "bidirectional"}
    attributes |= {"activations": ["HardSigmoid", "Tanh", "Tanh"] * 2} | ({"activation_alpha": alpha} if alpha else {})
    path = case._replace(attributes=attributes).saved(tmp_path / "m.onnx")
    assert ("reverse" in read_model(path)[0].options) == (alpha in ([0.2, 0.3], [0.3], [0.3, 0.2]))
    trace, exact = lt.run(path, case.x), lt.run(path, case.x, dtype="float64")
    assert_agrees(trace.output, joined(by_runtime(path, {"X": case.x})[0]), exact.output, "Y")


def test_a_trace_of_directions_that_differ_is_whole(tmp_path: Path) -> None:
    """Inspected, saved, loaded, verified, reported and compared as any other."""
    case = drawn(7, 2)
    names = ["Sigmoid", "Tanh", "Tanh", "HardSigmoid", "Tanh", "LeakyRelu"]
    attributes = {**case.attributes, "activations": names, "activation_alpha": [0.25, 0.5], "activation_beta": [0.75]}
    path = case._replace(attributes=attributes).saved(tmp_path / "m.onnx")
    other = {"gate_activation": "hard_sigmoid(0.25, 0.75)", "output_activation": "leaky_relu(0.5)"}
    (found,) = read_model(path)
    assert found.options["reverse"] == other
    trace = lt.run(path, case.x)
    assert trace.header.options["reverse"] == other
    for name in ("t.json", "t.safetensors"):
        trace.save(tmp_path / name)
        again = lt.load(tmp_path / name)
        assert again.header.options["reverse"] == other
        assert lt.verify(again).verdict == "verified"
        assert lt.diff(trace, again).same
    assert "Further equations of layer 0, reverse" in trace.report(detail="vector")


@pytest.mark.parametrize("seed", range(16))
def test_identify_reads_a_node_with_its_own_options(seed: int, tmp_path: Path) -> None:
    """Read rightly by what the runtime computes; a port that lost the clip is reported, where it was reached."""
    case = drawn(2 * seed, 1)
    case = case._replace(stored={n: a for n, a in case.stored.items() if n != "sequence_lens"})
    path = case.saved(tmp_path / "m.onnx")
    y = joined(by_runtime(path, {"X": case.x})[0])
    assert lt.identify(path, case.x, y).right
    np.save(tmp_path / "x.npy", case.x)
    np.save(tmp_path / "y.npy", y)
    words = ["identify", str(path), f"--input={tmp_path / 'x.npy'}", f"--expected={tmp_path / 'y.npy'}"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "the weights are read correctly" in " ".join(done.output.split())
    if "clip" in case.attributes:
        lost = {name: value for name, value in case.attributes.items() if name != "clip"}
        port = case._replace(attributes=lost).saved(tmp_path / "port.onnx")
        np.save(tmp_path / "y.npy", joined(by_runtime(port, {"X": case.x})[0]))
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 1
        assert "the port does not clip z_i in i_t, and likewise in " in " ".join(done.output.split())


def test_identify_searches_a_node_that_fixes_its_lengths(tmp_path: Path) -> None:
    case = drawn(3, 1, whole=True)
    path = case.saved(tmp_path / "m.onnx")
    assert lt.identify(path, case.x, joined(by_runtime(path, {"X": case.x})[0])).right


# -- damaged nodes ---------------------------------------------------------------------------------------------------

WHOLE = drawn(13, 2, whole=True)
D, (T, B, WIDE), H = 2, WHOLE.x.shape, WHOLE.attributes["hidden_size"]
assert len({D, T, B, WIDE, H}) == 5, "sizes that differ: each fault shows"


def changed(name: str, *shape: int) -> Drawn:
    """The whole node with zeros of another shape for one of its inputs."""
    return WHOLE._replace(stored={**WHOLE.stored, name: np.zeros(shape, WHOLE.stored[name].dtype)})


def typed(name: str, kind: type) -> Drawn:
    return WHOLE._replace(stored={**WHOLE.stored, name: WHOLE.stored[name].astype(kind)})


def lasting(*lengths: int) -> Drawn:
    return WHOLE._replace(stored={**WHOLE.stored, "sequence_lens": np.array(lengths, np.int32)})


DAMAGED: list[tuple[str, Drawn, str]] = [
    ("W of another H", changed("W", D, 4 * H + 4, WIDE), f"its W has shape {(D, 4 * H + 4, WIDE)}; expected"),
    ("W of one direction", changed("W", 1, 4 * H, WIDE), f"expected (D, 4H, I) with D = {D}, H = {H}, I = {WIDE}"),
    ("W flat", changed("W", D * 4 * H, WIDE), "its W has shape"),
    ("R of another H", changed("R", D, 4 * H, H + 1), f"hidden_size is {H}, and its R of shape"),
    ("R turned", changed("R", D, H, 4 * H), "hidden_size is"),
    ("R of three gates", changed("R", D, 3 * H, H), "these are the weights of a GRU (3H by H), not of an LSTM"),
    ("R of one direction", changed("R", 1, 4 * H, H), f"its R has shape {(1, 4 * H, H)}; expected (D, 4H, H) with"),
    ("half of B", changed("B", D, 4 * H), f"its B has shape {(D, 4 * H)}; expected (D, 8H) with D = {D}, H = {H}"),
    ("B of one direction", changed("B", 1, 8 * H), "its B has shape"),
    ("P of another H", changed("P", D, 3 * H + 3), f"its P has shape {(D, 3 * H + 3)}; expected (D, 3H) with"),
    ("P of four gates", changed("P", D, 4 * H), "its P has shape"),
    ("h wider", changed("initial_h", D, B, H + 2), f"its initial_h has shape {(D, B, H + 2)}; expected (D, B, H) with"),
    ("c wider", changed("initial_c", D, B, 2 * H), "for an nn.LSTM with proj_size and leaves the projection out"),
    ("h narrower", changed("initial_h", D, B, H - 1), "its initial_h has shape"),
    ("c of one direction", changed("initial_c", 1, B, H), "its initial_c has shape"),
    ("h of another batch", changed("initial_h", D, B + 1, H), f"with D = {D}, B = {B}, H = {H}"),
    ("c of one row", changed("initial_c", D, 1, H), "its initial_c has shape"),
    ("h of no row", changed("initial_h", D, 0, H), f"its initial_h has shape {(D, 0, H)}; expected at least one row"),
    ("h flat", changed("initial_h", D * B, H), "its initial_h has shape"),
    ("lengths of another batch", lasting(*[2] * (B + 1)), f"its sequence_lens has shape ({B + 1},); expected (B) with"),
    ("a negative length", lasting(*[2] * (B - 1), -1), "its sequence_lens holds -1"),
    ("a length beyond T", lasting(*[2] * (B - 1), T + 1), f"its sequence_lens holds {T + 1}; x has T = {T} steps"),
    ("lengths of another type", typed("sequence_lens", np.int64), "its sequence_lens is int64; expected a vector"),
    ("B of another type", typed("B", np.float64), "its inputs are of different types (W float32, R float32, B float64"),
    ("h of another type", typed("initial_h", np.float64), "initial_h float64"),
    ("another hidden_size", WHOLE._replace(attributes={**WHOLE.attributes, "hidden_size": H + 1}), "hidden_size is"),
]  # fmt: skip


def accepted(run: Callable[[], Any]) -> bool:
    try:
        run()
    except Exception:  # onnxruntime has errors of many kinds
        return False
    return True


@pytest.mark.parametrize(("case", "said"), [row[1:] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
@pytest.mark.parametrize("zeros", [False, True])
def test_damaged_nodes_are_refused_as_onnxruntime_refuses_them(
    case: Drawn, said: str, zeros: bool, tmp_path: Path
) -> None:
    """Zero states too, whose values would change nothing."""
    if zeros:
        kept = {n: 0 * a if n.startswith("initial") else a for n, a in case.stored.items()}
        case = case._replace(stored=kept)
    path = case.saved(tmp_path / "m.onnx", [T, B, WIDE])
    assert not accepted(lambda: by_runtime(path, {"X": case.x}))
    with pytest.raises(FileError) as error:
        lt.prepare(path)
    assert said in str(error.value)


@pytest.mark.parametrize("shape", [[T, B, WIDE + 1], [T, B + 1, WIDE], [T, WIDE]], ids=str)
def test_an_x_that_does_not_fit_is_refused(shape: list[int], tmp_path: Path) -> None:
    path = WHOLE.saved(tmp_path / "m.onnx", shape)
    assert not accepted(lambda: by_runtime(path, {"X": np.zeros(shape, np.float32)}))
    with pytest.raises(FileError, match="; expected "):
        lt.prepare(path)


def test_the_whole_node_is_read(tmp_path: Path) -> None:
    path = WHOLE.saved(tmp_path / "m.onnx", [T, B, WIDE])
    assert_agrees(lt.run(path, WHOLE.x).output, joined(by_runtime(path, {"X": WHOLE.x})[0]),
                  lt.run(path, WHOLE.x, dtype="float64").output, "Y")  # fmt: skip


@pytest.mark.parametrize("seed", range(80))
def test_random_damage_is_refused_where_onnxruntime_refuses_it(seed: int, tmp_path: Path) -> None:
    """One size of one input is another, or an axis is gone or added; x is noted or not."""
    rng = np.random.default_rng(1000 + seed)
    case = drawn(seed)
    name = str(rng.choice(list(case.stored)))
    shape = list(case.stored[name].shape)
    axis = int(rng.integers(len(shape)))
    kind = rng.integers(5)
    if kind == 0:
        shape.insert(axis, 1)
    elif kind == 1 and len(shape) > 1:
        del shape[axis]
    else:
        shape[axis] = max(1, shape[axis] + int(rng.choice([-2, -1, 1, 2])))
    stored = {**case.stored, name: np.zeros(shape, case.stored[name].dtype)}
    path = case._replace(stored=stored).saved(tmp_path / "m.onnx", list(case.x.shape) if seed % 2 else None)
    theirs = accepted(lambda: by_runtime(path, {"X": case.x}))
    try:
        lt.run(path, case.x)
        ours = True
    except LstmTraceError:
        ours = False
    assert ours == theirs, (name, case.stored[name].shape, shape)


@pytest.mark.parametrize("op", ["ConstantOfShape", "Expand"])
@pytest.mark.parametrize("wrong", [None, "H", "D"])
def test_zero_states_of_the_size_of_the_batch(op: str, wrong: str | None, tmp_path: Path) -> None:
    """Their batch is known when the model runs, their directions and width are in the file: PyTorch's older form."""
    kept = {name: WHOLE.stored[name] for name in "WRB"}
    kept |= {"at": np.array([1], np.int64), "zero": np.zeros((), np.float32)}
    kept |= {"d": np.array([D + (wrong == "D")], np.int64), "h": np.array([H + (wrong == "H")], np.int64)}
    make = helper.make_node
    nodes = [
        make("Shape", ["X"], ["shape"]),
        make("Gather", ["shape", "at"], ["batch"], axis=0),
        make("Concat", ["d", "batch", "h"], ["size"], axis=0),
        make(op, ["zero", "size"] if op == "Expand" else ["size"], ["initial_c"]),
        node([*"WRB", "initial_c"], hidden_size=H, direction="bidirectional"),
    ]
    path = saved(model(nodes, kept, [value("X", ["T", "B", WIDE])]), tmp_path / "m.onnx")
    assert accepted(lambda: by_runtime(path, {"X": WHOLE.x})) == (wrong is None)
    if wrong is None:
        lt.run(path, WHOLE.x)
        return
    with pytest.raises(
        FileError, match=r"its initial_c has shape \(\d, \?, \d\); expected \(D, B, H\) with D = 2, H = "
    ):
        lt.prepare(path)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("kind", [{}, {"bidirectional": True, "num_layers": 2}], ids=str)
@pytest.mark.filterwarnings("ignore")
def test_the_projection_that_pytorchs_exporter_loses_is_missed(
    tmp_path: Path, kind: dict[str, Any], dynamic: bool
) -> None:
    """The file's own weights make an LSTM of 3 units; nothing but the zero states, of width 6, shows what was lost."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    module, x, path = torch.nn.LSTM(4, 6, proj_size=3, **kind).eval(), torch.randn(5, 2, 4), tmp_path / "m.onnx"
    more = {"dynamic_shapes": ({0: torch.export.Dim("T"), 1: torch.export.Dim("B")},)} if dynamic else {}
    torch.onnx.export(module, (x,), str(path), dynamo=True, verbose=False, **more)
    assert not accepted(lambda: by_runtime(path, {onnx.load(path).graph.input[0].name: x.numpy()}))
    with pytest.raises(FileError, match=r"PyTorch's exporter .* with proj_size and leaves the projection out"):
        lt.prepare(path)


def test_a_state_of_no_row_is_refused_where_x_is_not_noted(tmp_path: Path) -> None:
    """It has no number that is not zero, and is no state of zeros."""
    path = changed("initial_h", D, 0, H).saved(tmp_path / "m.onnx")
    assert not accepted(lambda: by_runtime(path, {"X": WHOLE.x}))
    with pytest.raises(FileError, match=r"its initial_h has shape .*; expected at least one row"):
        lt.prepare(path)


def test_layers_of_other_widths_with_states_that_the_file_fixes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    steps, rows, wide, widths = 5, 2, 3, (2, 4)
    kept: dict[str, np.ndarray] = {"axis": np.array([1])}
    nodes = []
    for k, hidden in enumerate(widths):
        below = (wide, *widths)[k]
        shapes = {"W": (4 * hidden, below), "R": (4 * hidden, hidden), "h": (rows, hidden), "c": (rows, hidden)}
        kept |= {f"{n}{k}": rng.normal(size=(1, *shape)).astype(np.float32) for n, shape in shapes.items()}
        inputs = ["x1" if k else "X", f"W{k}", f"R{k}", "", "", f"h{k}", f"c{k}"]
        nodes.append(helper.make_node("LSTM", inputs, [f"Y{k}", f"Y_h{k}"], name=f"l{k}", hidden_size=hidden))
        if not k:
            nodes.append(helper.make_node("Squeeze", ["Y0", "axis"], ["x1"]))
    outputs = [value(name) for name in ("Y1", "Y_h0", "Y_h1")]
    path = saved(model(nodes, kept, [value("X", ["T", "B", wide])], outputs), tmp_path / "m.onnx")
    x = rng.normal(size=(steps, rows, wide)).astype(np.float32)
    y, *last = by_runtime(path, {"X": x})
    (found,) = read_model(path)
    assert found.layers == 2
    trace, exact = lt.run(path, x), lt.run(path, x, dtype="float64")
    assert_agrees(trace.output, joined(y), exact.output, "Y")
    for k, theirs in enumerate(last):
        assert_agrees(trace.at(layer=k).h_n, theirs, exact.at(layer=k).h_n, f"Y_h of layer {k}")


@pytest.mark.parametrize(
    ("said", "attributes", "x"),
    [
        ("the attribute clip holds 'much'; expected a number", {"clip": "much"}, {}),
        ("the attribute hidden_size holds 2.0; expected a whole number", {"hidden_size": 2.0}, {}),
        ("the attribute clip holds a value of the type 4; expected a number", {"clip": onnx.TensorProto()}, {}),
        ("HardSigmoid has the constants nan, 0.5; expected finite ones",
         {"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_alpha": [np.nan]}, {}),
        ("its inputs are of different types (W float32, R float32, X float64)", {}, {"kind": onnx.TensorProto.DOUBLE}),
        ("its W has shape (1, 8, 0); expected at least one input", {}, {"wide": 0}),
        ("it reads its own output", {}, {"name": "Y"}),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_with_a_node_is_told(
    said: str, attributes: dict[str, Any], x: dict[str, Any], tmp_path: Path
) -> None:
    """By inspect and by run in the same words, with the file's name."""
    wide = x.get("wide", 3)
    stored = {"W": np.ones((1, 8, wide), np.float32), "R": np.ones((1, 8, 2), np.float32)}
    made = helper.make_node("LSTM", [x.get("name", "X"), "W", "R"], ["Y", "Y_h", "Y_c"], name="lstm", **attributes)
    path = saved(model([made], stored, [value("X", ["T", "B", wide], x.get("kind", 1))]), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((4, 2, 3), np.float32))
    for words in (
        ["inspect", str(path)],
        ["run", str(path), f"--input={tmp_path / 'x.npy'}", "-o", f"{tmp_path}/t.json"],
    ):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 2
        assert f"{path}: lstm: " in done.output
        assert said in done.output
    assert not (tmp_path / "t.json").exists()
