"""Keras's GRU and SimpleRNN: from every kind of file, live and captured, against Keras and against scalar loops."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError
from lstm_trace.weights.read import read_model

from .measure import assert_agrees
from .test_keras import exact, grown, result, saved, written

keras = pytest.importorskip("keras")
pytest.importorskip("h5py")
layers = keras.layers

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]
T, I, H = 6, 5, 4  # noqa: E741
X = np.random.default_rng(8).normal(size=(3, T, I)).astype(np.float32)
HARD = {"activation": "relu", "recurrent_activation": "hard_sigmoid"}
#: A layer, its cell, and what a file of weights does not say of it.
KINDS: dict[str, tuple[Callable[[], Any], str, dict[str, Any]]] = {
    "after": (lambda: layers.GRU(H, return_sequences=True), "gru", {}),
    "before": (lambda: layers.GRU(H, return_sequences=True, reset_after=False), "gru", {}),
    "after, no bias": (lambda: layers.GRU(H, return_sequences=True, use_bias=False), "gru", {}),
    "before, no bias": (
        lambda: layers.GRU(H, return_sequences=True, use_bias=False, reset_after=False), "gru", {"reset_after": False}
    ),
    "activations": (
        lambda: layers.GRU(H, return_sequences=True, **HARD), "gru",
        {"candidate_activation": "relu", "gate_activation": "hard_sigmoid_keras"},
    ),
    "both": (lambda: layers.Bidirectional(layers.GRU(H, return_sequences=True), merge_mode="ave"), "gru",
             {"merge": "mean"}),
    "stack": (
        lambda: layers.RNN(layers.StackedRNNCells([layers.GRUCell(H), layers.GRUCell(3)]), return_sequences=True),
        "gru", {},
    ),
    "plain": (lambda: layers.SimpleRNN(H, return_sequences=True), "rnn", {}),
    "plain, relu": (
        lambda: layers.SimpleRNN(H, return_sequences=True, activation="relu", use_bias=False), "rnn",
        {"activation": "relu"},
    ),
    "plain, both": (lambda: layers.Bidirectional(layers.SimpleRNN(H, return_sequences=True)), "rnn", {}),
    "plain, cell": (lambda: layers.RNN(layers.SimpleRNNCell(H), return_sequences=True), "rnn", {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_files_layers_and_calls(tmp_path: Path, kind: str) -> None:
    make, cell, unsaid = KINDS[kind]
    model = grown(keras.Sequential([keras.Input((T, I)), make()]))
    right = exact(make, model.get_weights(), X)
    for suffix in ("keras", "h5", "weights.h5"):
        path = saved(model, tmp_path / f"model.{suffix}")
        trace = lt.run(path, X, options=unsaid if suffix == "weights.h5" else None)
        assert trace.header.kind == cell
        assert_agrees(trace.output, result(model, X), right, suffix)
    live = lt.run(model.layers[-1], X)
    np.testing.assert_array_equal(live.output, trace.output)
    with lt.capture(model) as traces:
        model(X)
    assert traces[0].header.agreement[0].startswith("agrees with what the Keras layer returned: h differ")


def sigmoid(z: float) -> float:
    return 1 / (1 + float(np.exp(-z)))


@pytest.mark.parametrize(("after", "bias"), [*product((True, False), (True, False))])
def test_gate_by_gate(after: bool, bias: bool) -> None:
    """Keras's equations unit by unit; z, r, h beside each other; the bias in two rows with reset_after."""
    layer = layers.GRU(H, return_sequences=True, reset_after=after, use_bias=bias, dtype="float64")
    layer.build(X.shape)
    grown(layer)
    trace = lt.run(layer, X.astype(np.float64))
    kernel, recurrent, *biases = (np.asarray(w) for w in layer.get_weights())
    given = biases[0] if biases else np.zeros((2, 3 * H))
    first, second = given if given.ndim == 2 else (given, np.zeros(3 * H))
    state = [0.0] * H
    for t in range(T):
        x = X[0, t].astype(np.float64).tolist()

        def inputs(k: int, x: list[float] = x) -> float:
            return sum(x[i] * float(kernel[i, k]) for i in range(I)) + float(first[k])

        def product_with(k: int, h: list[float]) -> float:
            return sum(h[j] * float(recurrent[j, k]) for j in range(H))

        z = [sigmoid(inputs(k) + product_with(k, state) + float(second[k])) for k in range(H)]
        r = [sigmoid(inputs(H + k) + product_with(H + k, state) + float(second[H + k])) for k in range(H)]
        reset = [a * b for a, b in zip(r, state, strict=True)]
        inner = [
            r[k] * (product_with(2 * H + k, state) + float(second[2 * H + k])) if after
            else product_with(2 * H + k, reset)
            for k in range(H)
        ]  # fmt: skip
        new = [float(np.tanh(inputs(2 * H + k) + inner[k])) for k in range(H)]
        state = [z[k] * state[k] + (1 - z[k]) * new[k] for k in range(H)]
        for name, values in (("u_t", z), ("r_t", r), ("h_tilde", new), ("h_t", state)):
            np.testing.assert_allclose(trace[name][t, 0], values, rtol=1e-11, atol=1e-14, err_msg=name)
    # of reset_after=False Keras rounds something to float32, whatever its dtype
    np.testing.assert_allclose(result(layer, X.astype(np.float64))[0, -1], state, rtol=1e-11 if after else 1e-5)


@pytest.mark.parametrize("suffix", ["keras", "weights.h5"])
def test_every_wrong_gate_order_fails(tmp_path: Path, suffix: str) -> None:
    model = grown(keras.Sequential([keras.Input((T, I)), layers.GRU(H, return_sequences=True)]))
    path, theirs = saved(model, tmp_path / f"m.{suffix}"), result(model, X)
    for order in map("".join, permutations("zrh")):
        ours = lt.run(path, X, layout={"name": "keras", "order": order}).output
        assert np.allclose(ours, theirs, atol=1e-5) == (order == "zrh"), order


@pytest.mark.parametrize("kind", ["gru", "rnn"])
@pytest.mark.parametrize("both", [False, True])
def test_masks_states_and_last_steps(kind: str, both: bool) -> None:
    """Padding in front, at the end and in between; states given and returned; only the last step returned."""
    make = {"gru": layers.GRU, "rnn": layers.SimpleRNN}[kind]
    half = make(H, return_state=True)
    layer = layers.Bidirectional(half) if both else half
    layer.build(X.shape)
    grown(layer)
    mask = np.array([[1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1]], bool)
    states = [np.random.default_rng(k).normal(size=(3, H)).astype(np.float32) for k in range(1 + both)]
    with lt.capture(layer) as traces:
        layer(X, mask=mask, initial_state=states if both else states[0])
    (trace,) = traces
    assert trace.header.kind == kind
    assert trace.header.agreement[0].startswith("agrees with what the Keras layer returned: last h and h_n differ")


def test_files_of_older_kerases(tmp_path: Path) -> None:
    """Keras 1 has nine arrays, Keras 2 a hard sigmoid, CuDNNGRU one long bias and each gate's block flattened."""
    draw = np.random.default_rng(2)
    w = {f"W_{s}{g}": draw.normal(size=(H, I if s == "x" else H)) for s in "xh" for g in "ruh"}
    b = {f"{s}{g}": draw.normal(size=H) for s in "xh" for g in "ruh"}
    ours = {"z": "u", "r": "r", "h": "h"}
    old = {f"gru_1/gru_1_W_{g}": w[f"W_x{o}"].T for g, o in ours.items()}
    old |= {f"gru_1/gru_1_U_{g}": w[f"W_h{o}"].T for g, o in ours.items()}
    old |= {f"gru_1/gru_1_b_{g}": b[f"x{o}"] for g, o in ours.items()}
    x = X.astype(np.float64)
    one = lt.run(written(tmp_path / "one.h5", old, keras_version="1.2.2"), x)
    plain = w | {f"b_{g}": b[f"x{g}"] for g in "ruh"}
    expected = lt.run(plain, x, batch_first=True, cell={"kind": "gru", "gate_activation": "hard_sigmoid"})
    np.testing.assert_allclose(one.output, expected.output, rtol=1e-4, atol=1e-6)
    blocks = {
        "kernel": np.concatenate([w[f"W_x{o}"].reshape(I, H) for o in ours.values()], axis=1),
        "recurrent_kernel": np.concatenate([w[f"W_h{o}"] for o in ours.values()], axis=1),
        "bias": np.concatenate([b[f"{s}{o}"] for s in "xh" for o in ours.values()]),
    }
    two = lt.run(written(tmp_path / "two.h5", {f"gru/{name}:0": a for name, a in blocks.items()}), x)
    plain = w | {f"b_{name}": a for name, a in b.items()}
    expected = lt.run(plain, x, batch_first=True, cell={"kind": "gru", "reset_after": True})
    np.testing.assert_allclose(two.output, expected.output, rtol=1e-4, atol=1e-6)


def test_a_model_with_several_kinds(tmp_path: Path) -> None:
    model = keras.Sequential([
        keras.Input((T, I)), layers.LSTM(H, return_sequences=True, name="encoder"),
        layers.GRU(3, return_sequences=True, reset_after=False, name="decoder"), layers.SimpleRNN(2, name="top"),
    ])  # fmt: skip
    for suffix in ("keras", "weights.h5"):
        path = saved(model, tmp_path / f"m.{suffix}")
        assert sorted(one.cell for one in read_model(path)) == ["gru", "lstm", "rnn"]
        with pytest.raises(LstmTraceError, match=r"1 LSTM, 1 GRU and 1 RNN: .*choose one by name"):
            lt.prepare(path)
    inspected = lt.inspect(tmp_path / "m.keras")
    assert "reset gate: before the product: W_hh @ (r_t * h_prev)" in " ".join(str(inspected).split())
    with lt.capture(model) as traces:
        model(X)
    assert [(trace.header.title, trace.header.kind) for trace in traces] == [
        ("encoder", "lstm"), ("decoder", "gru"), ("top", "rnn"),
    ]  # fmt: skip


def test_the_port_of_a_gru_is_the_same_model(tmp_path: Path) -> None:
    """PyTorch's r, z, n as Keras's z, r, h with two biases: one cell, and diff says so."""
    torch = pytest.importorskip("torch")
    module = torch.nn.GRU(I, H, batch_first=True)
    layer = layers.GRU(H, return_sequences=True)
    layer.build(X.shape)
    stacked = {name: value.detach().numpy() for name, value in module.named_parameters()}
    turned = {name: np.concatenate([a[H : 2 * H], a[:H], a[2 * H :]]) for name, a in stacked.items()}
    biases = np.stack([turned["bias_ih_l0"], turned["bias_hh_l0"]])
    layer.set_weights([turned["weight_ih_l0"].T, turned["weight_hh_l0"].T, biases])
    torch.save(module.state_dict(), tmp_path / "m.pt")
    a, b = lt.run(tmp_path / "m.pt", X, batch_first=True), lt.run(layer, X)
    assert lt.diff(a, b).verdict == "same"


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    layer = layers.GRU(H, name="rec")
    layer.build(X.shape)
    layer.cell.reset_after = False  # the bias has two rows
    with pytest.raises(LstmTraceError, match="its configuration says reset_after=False, and its bias has two rows"):
        lt.prepare(layer)
    cells = layers.RNN(layers.StackedRNNCells([layers.GRUCell(3), layers.GRUCell(3, reset_after=False)]))
    cells.build(X.shape)
    with pytest.raises(LstmTraceError, match="its cells differ in reset_after"):
        lt.prepare(cells)
    mixed = keras.Sequential([
        keras.Input((T, I)), layers.RNN(layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(3)]), name="mix"),
    ])  # fmt: skip
    with pytest.raises(LstmTraceError, match=r"its cells are of several kinds \(LSTMCell, GRUCell\)"):
        lt.prepare(saved(mixed, tmp_path / "m.keras"))
    with pytest.raises(LstmTraceError, match=r"an LSTM \(4H by H\), not of a GRU"):
        lt.prepare(saved(mixed, tmp_path / "m.weights.h5"))
    unlike = keras.Sequential([keras.Input((T, I)), cells])
    with pytest.raises(LstmTraceError, match="layer 1, forward, has reset_after=False, by its bias, and another has"):
        lt.prepare(saved(unlike, tmp_path / "n.weights.h5"))
    both = layers.Bidirectional(layers.GRU(4), backward_layer=layers.SimpleRNN(4, go_backwards=True))
    both.build((None, T, I))
    with pytest.raises(LstmTraceError, match=r"its directions are of several kinds \(GRU, SimpleRNN\)"):
        lt.prepare(both)
    with pytest.raises(LstmTraceError, match="the cell carries no state c0; it carries h0"):
        lt.run(grown(keras.Sequential([keras.Input((T, I)), layers.GRU(H)])).layers[0], X, c0=np.zeros((1, 3, H)))


@pytest.mark.parametrize("kind", [layers.GRU, layers.LSTM])
def test_a_backward_layer_of_its_own(tmp_path: Path, kind: Any) -> None:
    """The old .h5 stores it under its own name, without a mark of the direction."""

    def model(**changed: Any) -> Any:
        behind = kind(H, return_sequences=True, go_backwards=True, **changed)
        both = layers.Bidirectional(kind(H, return_sequences=True), backward_layer=behind)
        return grown(keras.Sequential([keras.Input((T, I)), both]))

    for suffix in ("h5", "keras"):
        same = model()
        trace = lt.run(saved(same, tmp_path / f"same.{suffix}"), X)
        np.testing.assert_allclose(trace.output, result(same, X), rtol=1e-5, atol=1e-6)
        with pytest.raises(LstmTraceError, match="its directions differ in activation"):
            lt.run(saved(model(activation="relu"), tmp_path / f"unlike.{suffix}"), X)
