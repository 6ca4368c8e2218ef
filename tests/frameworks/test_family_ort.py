"""onnxruntime agrees with us on peepholes, coupled gates, clip, activations, lengths, directions and states.

Each case is one LSTM node made with onnx.helper from weights by our names; nothing of the package's reader takes part.
Exact is the scalar oracle in float64; the measure is that of ARCHITECTURE.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import lstm_trace as lt

from ..support.family_oracle import ACTIVATIONS, Reading, sequence
from .measure import assert_agrees

helper = pytest.importorskip("onnx.helper")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

GATES, PEEPHOLES = "iofc", "iof"  # ONNX's order of gates and of peepholes
ONNX_NAMES = {
    "sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "affine": "Affine", "leaky_relu": "LeakyRelu",
    "thresholded_relu": "ThresholdedRelu", "scaled_tanh": "ScaledTanh", "hard_sigmoid": "HardSigmoid", "elu": "Elu",
    "softsign": "Softsign", "softplus": "Softplus",
}  # fmt: skip
#: Names of the constants, in the order in which the node's lists are consumed: every function takes one of each.
CONSTANTS = {"affine": 2, "leaky_relu": 1, "thresholded_relu": 1, "scaled_tanh": 2, "hard_sigmoid": 2, "elu": 1}


class Case(NamedTuple):
    """Weights of each direction by our names, an input, and the options in our words."""

    weights: dict[str, dict[str, np.ndarray]]
    x: np.ndarray
    h0: np.ndarray
    c0: np.ndarray
    lengths: list[int] | None
    options: dict[str, Any]
    activations: list[tuple[str, list[float]]]  # f, g, h


def drawn(seed: int, **fixed: Any) -> Case:
    """A random node; `fixed` decides options that would be drawn (options, activations, lengths, directions)."""
    rng = np.random.default_rng(seed)
    hidden, wide, steps, batch = (int(n) for n in rng.integers((2, 1, 3, 1), (17, 9, 12, 6)))
    options = fixed.get("options")
    if options is None:
        options = {
            "bias": rng.choice(["none", "two"]).item(),
            "peephole": bool(rng.integers(2)),
            "coupled": bool(rng.integers(2)),
            "clip": [None, 0.5, 2.0][rng.integers(3)],
        }
    directions = fixed.get("directions") or (("forward",), ("reverse",), ("forward", "reverse"))[rng.integers(3)]
    activations = fixed.get("activations")
    if activations is None:
        # unbounded functions as gates would let errors grow without bound over the steps
        names = [
            rng.choice(["sigmoid", "hard_sigmoid"]).item(),
            rng.choice(["tanh", "softsign", "scaled_tanh", "hard_sigmoid"]).item(),
            rng.choice(["tanh", "softsign", "relu", "elu", "leaky_relu", "affine"]).item(),
        ]
        activations = [(n, np.float32(rng.uniform(0.1, 1, CONSTANTS.get(n, 0))).tolist()) for n in names]
    options = options | {
        f"{role}_activation": name + (f"({', '.join(map(repr, numbers))})" if numbers else "")
        for role, (name, numbers) in zip(("gate", "candidate", "output"), activations, strict=True)
    }
    weights = {}
    for direction in directions:
        w = weights[direction] = {}
        for g in "ifco":
            w[f"W_x{g}"] = rng.normal(size=(hidden, wide)).astype(np.float32)
            w[f"W_h{g}"] = rng.normal(size=(hidden, hidden), scale=1 / np.sqrt(hidden)).astype(np.float32)
            if options.get("bias") == "two":
                w[f"b_x{g}"], w[f"b_h{g}"] = rng.normal(size=(2, hidden)).astype(np.float32)
            if options.get("peephole") and g != "c":
                w[f"w_c{g}"] = rng.normal(size=hidden).astype(np.float32)
    lengths = fixed.get("lengths", "draw")
    if lengths == "draw":
        lengths = rng.integers(1, steps + 1, batch).tolist() if rng.integers(2) else None
    if lengths is not None:
        batch = len(lengths)
    x = rng.normal(size=(steps, batch, wide)).astype(np.float32)
    h0, c0 = rng.normal(size=(2, len(directions), batch, hidden)).astype(np.float32)
    return Case(weights, x, h0, c0, lengths, options, activations)


def by_runtime(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y (T, D, B, H), Y_h and Y_c (D, B, H) of onnxruntime."""
    ways = list(case.weights.values())
    hidden = ways[0]["W_xi"].shape[0]
    arrays = {
        "W": np.stack([np.concatenate([w[f"W_x{g}"] for g in GATES]) for w in ways]),
        "R": np.stack([np.concatenate([w[f"W_h{g}"] for g in GATES]) for w in ways]),
        "h0": case.h0,
        "c0": case.c0,
    }
    if "b_xi" in ways[0]:
        arrays["B"] = np.stack([np.concatenate([w[f"b_{s}{g}"] for s in "xh" for g in GATES]) for w in ways])
    if "w_ci" in ways[0]:
        arrays["P"] = np.stack([np.concatenate([w[f"w_c{g}"] for g in PEEPHOLES]) for w in ways])
    if case.lengths is not None:
        arrays["lengths"] = np.array(case.lengths, np.int32)
    wanted = ["X", "W", "R", "B", "lengths", "h0", "c0", "P"]
    attributes: dict[str, Any] = {
        "hidden_size": hidden,
        "direction": "bidirectional" if len(ways) == 2 else next(iter(case.weights)),
        "activations": [ONNX_NAMES[name] for name, _ in case.activations] * len(ways),
        "input_forget": int(bool(case.options.get("coupled"))),
    }
    numbers = [constants for _, constants in case.activations] * len(ways)
    attributes["activation_alpha"] = [c[0] for c in numbers if c]
    attributes["activation_beta"] = [c[1] for c in numbers if len(c) > 1]
    if case.options.get("clip"):
        attributes["clip"] = case.options["clip"]
    attributes = {name: value for name, value in attributes.items() if value != []}
    names = [name if name == "X" or name in arrays else "" for name in wanted]
    node = helper.make_node("LSTM", names, ["Y", "Y_h", "Y_c"], **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, [None, None, None])],
        [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in ("Y", "Y_h", "Y_c")],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y, h_n, c_n = session.run(None, {"X": case.x})
    return y, h_n, c_n


def by_oracle(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same by scalar loops in float64."""
    reading = Reading(**{name: value for name, value in case.options.items() if name != "bias"})
    hidden = case.h0.shape[2]
    y, h_n, c_n = [], [], []
    for d, (direction, w) in enumerate(case.weights.items()):
        lists = {name: array.astype(np.float64).tolist() for name, array in w.items()}
        for b in range(case.x.shape[1]):
            rows, h, c = sequence(
                lists, case.x[:, b].astype(float).tolist(), case.h0[d, b].astype(float).tolist(),
                case.c0[d, b].astype(float).tolist(), reading, reverse=direction == "reverse",
                length=None if case.lengths is None else case.lengths[b],
            )  # fmt: skip
            y.append([[0.0] * hidden if row is None else row for row in rows])
            h_n.append(h)
            c_n.append(c)
    lead = len(case.weights), case.x.shape[1]
    return (
        np.array(y).reshape(*lead, len(case.x), hidden).transpose(2, 0, 1, 3),
        np.array(h_n).reshape(*lead, hidden),
        np.array(c_n).reshape(*lead, hidden),
    )


def by_us(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flat = {
        f"0/{d}/{name}": array
        for d, w in case.weights.items()
        for name, array in w.items()
        if not (case.options.get("coupled") and name.endswith("f"))  # input_forget: the runtime ignores them
    }
    trace = lt.run(flat, case.x, h0=case.h0, c0=case.c0, lengths=case.lengths, options=case.options)
    steps, batch, _ = trace.output.shape
    y = trace.output.reshape(steps, batch, len(case.weights), -1).swapaxes(1, 2)
    return y, trace.h_n, trace.c_n


def check(case: Case) -> None:
    rows = zip(by_us(case), by_runtime(case), by_oracle(case), ("Y", "Y_h", "Y_c"), strict=True)
    for ours, theirs, exact, what in rows:
        assert ours.dtype == np.float32
        assert_agrees(ours, theirs, exact, what)


@pytest.mark.parametrize("seed", range(120))
def test_random_nodes(seed: int) -> None:
    check(drawn(seed))


PLAIN: list[tuple[str, list[float]]] = [("sigmoid", []), ("tanh", []), ("tanh", [])]


@pytest.mark.parametrize("directions", [("forward",), ("reverse",), ("forward", "reverse")], ids="+".join)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": "two"},
        {"peephole": True},
        {"coupled": True},
        {"coupled": True, "peephole": True, "bias": "two"},
        {"clip": 0.3},
        {"clip": 0.3, "peephole": True, "bias": "two", "coupled": True},
    ],
    ids=str,
)
def test_each_option_in_each_direction(options: dict[str, Any], directions: tuple[str, ...]) -> None:
    check(drawn(5, options=options, directions=directions, activations=PLAIN))


@pytest.mark.parametrize("name", sorted(ONNX_NAMES))
@pytest.mark.parametrize("role", [0, 1, 2])
def test_each_activation_in_each_role(name: str, role: int) -> None:
    for numbers in ([], [0.75, 0.125][: CONSTANTS.get(name, 0)]):
        if not numbers and name in ("affine", "thresholded_relu", "scaled_tanh"):
            continue  # without numbers the runtime takes 0 where the ONNX text has 1: the reader's affair
        activations = [*PLAIN]
        activations[role] = (name, numbers)
        check(drawn(9, options={"bias": "two"}, directions=("forward",), activations=activations, lengths=None))


def test_a_sequence_of_length_zero_is_where_the_runtime_differs() -> None:
    """Its last states are zeros; ours, PyTorch's and Keras's rule is that a state that is never updated is kept."""
    case = drawn(3, options={"bias": "two"}, directions=("forward",), activations=PLAIN, lengths=[0, 3, 2])
    y, h_n, c_n = by_us(case)
    y_r, h_r, c_r = by_runtime(case)
    np.testing.assert_array_equal(y[:, :, 0], y_r[:, :, 0])
    np.testing.assert_array_equal(h_r[:, 0], 0)
    np.testing.assert_array_equal(c_r[:, 0], 0)
    np.testing.assert_array_equal(h_n[:, 0], case.h0[:, 0])
    np.testing.assert_array_equal(c_n[:, 0], case.c0[:, 0])
    np.testing.assert_allclose(h_n[:, 1:], h_r[:, 1:], atol=1e-5)


def test_the_runtime_does_not_clip_before_the_output_squash() -> None:
    """The ONNX text does. Here |c| is far over the clip, so the two can be told apart (layouts.md had no such case)."""
    case = drawn(11, options={"clip": 0.5, "bias": "two"}, directions=("forward",), activations=PLAIN, lengths=None)
    case = case._replace(c0=4 * case.c0)
    by_text = case._replace(options=case.options | {"output_clip": 0.5})
    y = by_runtime(case)[0]
    assert np.abs(by_us(case)[0] - y).max() < 1e-5
    assert np.abs(by_us(by_text)[0] - y).max() > 1e-2


def test_a_wrong_gate_order_fails() -> None:
    case = drawn(2, options={"bias": "two"}, directions=("forward",), activations=PLAIN)
    w = case.weights["forward"]
    swapped = {n[:-1] + {"o": "f", "f": "o"}.get(n[-1], n[-1]): a for n, a in w.items()}
    with pytest.raises(AssertionError, match="off by"):
        assert_agrees(
            by_us(case._replace(weights={"forward": swapped}))[0], by_runtime(case)[0], by_oracle(case)[0], "Y"
        )


def test_every_activation_of_the_node_is_one_of_ours() -> None:
    assert set(ONNX_NAMES) <= set(ACTIVATIONS)
