"""GRU and RNN nodes: random ones agree with onnxruntime, damaged ones are refused, exported modules are themselves."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.weights.read import read_model

from .measure import assert_agrees

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402

from .onnx_models import by_runtime, joined, model, saved, value  # noqa: E402

INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h")
STACKED = {"GRU": 3, "RNN": 1}
#: Functions and how many constants each takes.
GATES = {"Sigmoid": 0, "HardSigmoid": 2}
SQUASHES = {
    "Tanh": 0, "Softsign": 0, "ScaledTanh": 2, "HardSigmoid": 2, "Relu": 0, "Elu": 1, "LeakyRelu": 1, "Affine": 2,
    "ThresholdedRelu": 1, "Softplus": 0,
}  # fmt: skip


class Drawn(NamedTuple):
    """A node's operator, attributes and stored inputs, and an x (T, B, I)."""

    op: str
    attributes: dict[str, Any]
    stored: dict[str, np.ndarray]
    x: np.ndarray

    def saved(self, path: Path, opset: int = 14) -> Path:
        """The node as a model file."""
        node = named(self.op, list(self.stored), **self.attributes)
        outputs = [value("Y"), value("Y_h")]
        return saved(model([node], self.stored, [value("X", ["T", "B", self.x.shape[2]])], outputs, opset), path)


def named(op: str, have: list[str], **attributes: Any) -> Any:
    """A node whose inputs that are not in `have` are left out."""
    inputs = [name if name == "X" or name in have else "" for name in INPUTS]
    while not inputs[-1]:
        inputs.pop()
    return helper.make_node(op, inputs, ["Y", "Y_h"], name="rec", **attributes)


def drawn(seed: int, op: str, directions: int = 0, whole: bool = False) -> Drawn:
    """A random node. directions: 1 or 2, drawn if 0. whole: with every input, and plain activations."""
    rng = np.random.default_rng(seed)
    hidden, wide, steps, rows = (int(n) for n in rng.integers((2, 1, 3, 2), (7, 6, 8, 5)))
    count = directions or int(rng.integers(1, 3))
    names, alpha, beta = [], [], []
    for _ in range(0 if whole else count):
        for kinds in (GATES, SQUASHES)[op == "RNN" :]:
            names.append(str(rng.choice(list(kinds))))
            alpha += [float(rng.uniform(0.2, 0.9))] * (kinds[names[-1]] > 0)
            beta += [float(rng.uniform(0.2, 0.9))] * (kinds[names[-1]] > 1)
    given = {"activations": names, "activation_alpha": alpha, "activation_beta": beta}
    attributes: dict[str, Any] = {"hidden_size": hidden, **{name: held for name, held in given.items() if held}}
    attributes["direction"] = "bidirectional" if count == 2 else rng.choice(["forward", "reverse"]).item()
    attributes |= {"clip": float(rng.uniform(0.2, 2))} if rng.integers(2) else {}
    attributes |= {"linear_before_reset": int(rng.integers(2))} if op == "GRU" else {}
    gates = STACKED[op]
    shapes: dict[str, tuple[int, ...]] = {"W": (count, gates * hidden, wide), "R": (count, gates * hidden, hidden)}
    more = {"B": (count, 2 * gates * hidden), "initial_h": (count, rows, hidden)}
    shapes |= {name: shape for name, shape in more.items() if whole or rng.integers(2)}
    scale = 0.5 if op == "RNN" else 1.0  # some activations of a plain RNN have no bound
    stored = {name: (scale * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}
    if whole or rng.integers(2):
        stored["sequence_lens"] = rng.integers(1, steps + 1, rows).astype(np.int32)
    return Drawn(op, attributes, stored, rng.normal(size=(steps, rows, wide)).astype(np.float32))


@pytest.mark.few(20)
@pytest.mark.parametrize("seed", range(300))
def test_random_nodes(seed: int, tmp_path: Path) -> None:
    """Y and Y_h; activations of each direction, clip, lengths, states, both rules of the reset gate, two layouts."""
    case = drawn(seed, "RNN" if seed % 3 == 0 else "GRU", 1 + seed % 2)
    path = case.saved(tmp_path / "m.onnx")
    y, y_h = by_runtime(path, {"X": case.x})
    trace, exact = lt.run(path, case.x), lt.run(path, case.x, dtype="float64")
    assert trace.header.kind == case.op.lower()
    assert_agrees(trace.output, joined(y), exact.output, "Y")
    assert_agrees(trace.h_n, y_h, exact.h_n, "Y_h")
    turned = {n: a.swapaxes(0, 1).copy() if n.startswith("initial") else a for n, a in case.stored.items()}
    first = case._replace(attributes={**case.attributes, "layout": 1}, stored=turned)  # not computed by onnxruntime
    batch_first = lt.run(first.saved(tmp_path / "b.onnx"), case.x.swapaxes(0, 1))
    np.testing.assert_array_equal(batch_first.output, trace.output.swapaxes(0, 1))


@pytest.mark.parametrize("after", [0, 1])
def test_gate_by_gate(after: int, tmp_path: Path) -> None:
    """The equations of onnx/defs/rnn/defs.cc, unit by unit, in the order z, r, h."""
    case = drawn(5, "GRU", 1, whole=True)
    hidden, wide = case.attributes["hidden_size"], case.x.shape[2]
    stored = {name: case.stored[name] for name in ("W", "R", "B", "initial_h")}
    attributes = {"hidden_size": hidden, "linear_before_reset": after}
    trace = lt.run(case._replace(attributes=attributes, stored=stored).saved(tmp_path / "m.onnx"), case.x)
    w, r, b, state = (stored[name][0].astype(float) for name in stored)
    h = state[1].tolist()
    for t, x in enumerate(case.x[:, 1].astype(float).tolist()):

        def left(k: int, x: list[float] = x) -> float:
            return sum(w[k, i] * x[i] for i in range(wide)) + b[k]

        def right(k: int, h: list[float]) -> float:
            return sum(r[k, j] * h[j] for j in range(hidden))

        def gate(first: int, h: list[float] = h) -> list[float]:
            ks = range(first, first + hidden)
            return [1 / (1 + np.exp(-(left(k) + right(k, h) + b[3 * hidden + k]))) for k in ks]

        zt, rt = gate(0), gate(hidden)
        new = []
        for j in range(hidden):
            k = 2 * hidden + j
            if after:
                inner = rt[j] * (right(k, h) + b[3 * hidden + k])
            else:
                inner = right(k, [a * c for a, c in zip(rt, h, strict=True)]) + b[3 * hidden + k]
            new.append(float(np.tanh(left(k) + inner)))
        h = [zt[j] * h[j] + (1 - zt[j]) * new[j] for j in range(hidden)]
        for name, values in (("u_t", zt), ("r_t", rt), ("h_tilde", new), ("h_t", h)):
            np.testing.assert_allclose(trace[name][t, 1], values, rtol=1e-4, atol=1e-6, err_msg=name)


def test_every_wrong_gate_order_fails(tmp_path: Path) -> None:
    case = drawn(8, "GRU", 1, whole=True)
    case = case._replace(stored={name: case.stored[name] for name in "WRB"})
    y = joined(by_runtime(case.saved(tmp_path / "m.onnx"), {"X": case.x})[0])
    given = {key: case.attributes[key] for key in ("clip", "direction") if key in case.attributes}
    given["reset_after"] = bool(case.attributes["linear_before_reset"])
    for order in map("".join, permutations("zrh")):
        ours = lt.run(case.stored, case.x, layout=f"onnx,order={order}", options=given).output
        assert np.allclose(ours, y, atol=1e-5) == (order == "zrh"), order


@pytest.mark.parametrize(("op", "shown"), [("GRU", "3H"), ("RNN", "H")])
def test_damaged_nodes_are_refused_as_onnxruntime_refuses_them(op: str, shown: str, tmp_path: Path) -> None:
    case = drawn(13, op, 2, whole=True)
    hidden, (steps, rows, wide), gates = case.attributes["hidden_size"], case.x.shape, STACKED[op]
    wrong: list[tuple[str, tuple[int, ...], str]] = [
        (
            "W",
            (2, gates * hidden + 1, wide),
            f"its W has shape {(2, gates * hidden + 1, wide)}; expected (D, {shown}, I)",
        ),
        ("W", (1, gates * hidden, wide), "its W has shape"),
        ("R", (2, gates * hidden, hidden + 1), "hidden_size is" if op == "GRU" else "its R has shape"),
        ("B", (2, gates * hidden), f"expected (D, {2 * gates}H) with"),
        ("initial_h", (2, rows, hidden + 1), "its initial_h has shape"),
    ]
    for name, shape, said in wrong:
        stored = {**case.stored, name: np.zeros(shape, np.float32)}
        path = case._replace(stored=stored).saved(tmp_path / "m.onnx")
        with pytest.raises(FileError) as error:
            lt.prepare(path)
        assert said in str(error.value)
        with pytest.raises(Exception, match=r"."):  # onnxruntime has errors of many kinds
            by_runtime(path, {"X": np.zeros((steps, rows, wide), np.float32)})


ATTRIBUTES: list[tuple[str, int, dict[str, Any], str]] = [
    ("GRU", 1, {"linear_before_reset": 1}, "the attribute 'linear_before_reset' is none of GRU-1; GRU-7 has it"),
    ("GRU", 7, {"layout": 1}, "the attribute 'layout' is none of GRU-7; GRU-14 has it"),
    ("GRU", 14, {"input_forget": 1}, "the attribute 'input_forget' is none of GRU-14"),
    ("RNN", 14, {"linear_before_reset": 1}, "the attribute 'linear_before_reset' is none of RNN-14"),
    ("GRU", 14, {"linear_before_reset": 2}, "the attribute linear_before_reset is 2; expected 0 or 1"),
    ("GRU", 14, {"activations": ["Sigmoid"] * 3}, "it has 3 activations; expected 2, two for each direction"),
    ("RNN", 14, {"activations": ["Tanh"] * 3}, "it has 3 activations; expected 1, one for each direction"),
    ("RNN", 14, {"clip": -1.0}, "the attribute clip is -1; expected a positive number"),
]


@pytest.mark.parametrize(("op", "opset", "attributes", "said"), ATTRIBUTES, ids=[row[3][:60] for row in ATTRIBUTES])
def test_attributes_that_do_not_fit(op: str, opset: int, attributes: dict[str, Any], said: str, tmp_path: Path) -> None:
    case = drawn(3, op, 1, whole=True)
    case = case._replace(attributes={"hidden_size": case.attributes["hidden_size"], **attributes})
    with pytest.raises(FileError) as error:
        lt.prepare(case.saved(tmp_path / "m.onnx", opset))
    assert said in str(error.value)


@pytest.mark.parametrize(("op", "opset"), [("GRU", 1), ("GRU", 3), ("GRU", 7), ("GRU", 22), ("RNN", 1), ("RNN", 22)])
def test_every_version(op: str, opset: int, tmp_path: Path) -> None:
    case = drawn(4, op, 1, whole=True)
    attributes = {key: held for key, held in case.attributes.items() if opset > 1 or key != "linear_before_reset"}
    path = case._replace(attributes=attributes).saved(tmp_path / "m.onnx", opset)
    assert read_model(path)[0].facts["opset"] == f"{opset} ({op} of version {opset})"
    usual = case._replace(attributes=attributes).saved(tmp_path / "u.onnx")
    np.testing.assert_array_equal(lt.run(path, case.x).output, lt.run(usual, case.x).output)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_an_exported_module_is_the_same_model(kind: str, tmp_path: Path) -> None:
    """Layers exported one by one are one stack; diff of the .pt and the .onnx says `same`."""
    torch = pytest.importorskip("torch")
    module = getattr(torch.nn, kind)(4, 3, num_layers=2, bidirectional=True).eval()
    x = torch.randn(5, 2, 4)
    torch.onnx.export(module, (x,), str(tmp_path / "m.onnx"), dynamo=False)
    torch.save(module.state_dict(), tmp_path / "m.pt")
    (found,) = read_model(tmp_path / "m.onnx")
    assert (found.cell, found.layers, found.directions) == (kind.lower(), 2, ("forward", "reverse"))
    assert f"2 {kind} nodes, each of which reads the one before, are the layers of one stack" in found.imported
    a, b = (lt.run(tmp_path / name, x) for name in ("m.pt", "m.onnx"))
    assert lt.diff(a, b).verdict == "same"
    np.testing.assert_allclose(b.output, module(x)[0].detach(), rtol=1e-5, atol=1e-6)


def test_the_rule_of_the_reset_gate_is_inspected_and_compared(tmp_path: Path) -> None:
    case = drawn(2, "GRU", 1, whole=True)
    traces = []
    for after, said in (
        (0, "before the product: W_hh @ (r_t * h_prev)"),
        (1, "after the product: r_t * (W_hh @ h_prev)"),
    ):
        attributes = {**case.attributes, "linear_before_reset": after}
        path = case._replace(attributes=attributes).saved(tmp_path / f"{after}.onnx")
        assert f"reset gate: {said}" in " ".join(str(lt.inspect(path)).split())
        traces.append(lt.run(path, case.x))
    said = " ".join(str(lt.diff(*traces)).split())
    assert "r_t * (W_hh @ h_prev + b_hh)" in said


def test_several_kinds_of_nodes_need_a_name(tmp_path: Path) -> None:
    gru, rnn = drawn(2, "GRU", 1, whole=True), drawn(2, "RNN", 1, whole=True)
    stored = {f"g{name}": a for name, a in gru.stored.items()} | {f"r{name}": a for name, a in rnn.stored.items()}
    nodes = [
        helper.make_node(op, ["X", f"{mark}W", f"{mark}R"], [f"{mark}Y"], name=op.lower(), **case.attributes)
        for op, mark, case in (("GRU", "g", gru), ("RNN", "r", rnn))
    ]
    wide = gru.x.shape[2]
    path = saved(model(nodes, stored, [value("X", ["T", "B", wide])], [value("gY"), value("rY")]), tmp_path / "m.onnx")
    with pytest.raises(LstmTraceError, match=r"there are 1 GRU and 1 RNN: gru \(GRU\), rnn \(RNN\)"):
        lt.prepare(path)
    assert lt.prepare(path, name="rnn").header.kind == "rnn"
