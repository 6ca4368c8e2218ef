"""Layouts of frameworks that are not installed here: the steps of their documentation, on arrays as they store them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError

T, I, H = 4, 5, 3  # noqa: E741
Arrays = dict[str, Any]
DRAW = np.random.default_rng(31)


def drawn(**shapes: tuple[int, ...]) -> Arrays:
    return {name.replace("__", "/"): DRAW.normal(size=shape) for name, shape in shapes.items()}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def haiku(a: Arrays, x: Any, h: Any) -> Any:
    """haiku/_src/recurrent.py: the gates are z and r, and z is the share that is written."""
    zr = sigmoid(x @ a["w_i"][:, : 2 * H] + h @ a["w_h"][:, : 2 * H] + a["b"][: 2 * H])
    z, r = zr[:H], zr[H:]
    new = np.tanh(x @ a["w_i"][:, 2 * H :] + (r * h) @ a["w_h"][:, 2 * H :] + a["b"][2 * H :])
    return (1 - z) * h + z * new


def haiku_rnn(a: Arrays, x: Any, h: Any) -> Any:
    """haiku/_src/recurrent.py, VanillaRNN: two linear layers."""
    return np.maximum(x @ a["linear/w"] + a["linear/b"] + h @ a["linear_1/w"] + a["linear_1/b"], 0)


def tf1(a: Arrays, x: Any, h: Any) -> Any:
    """rnn_cell_impl.py: r, u from the kernel of the gates, the candidate from [x, r * h]."""
    gates = sigmoid(np.concatenate([x, h]) @ a["gates/kernel"] + a["gates/bias"])
    r, u = gates[:H], gates[H:]
    return u * h + (1 - u) * np.tanh(np.concatenate([x, r * h]) @ a["candidate/kernel"] + a["candidate/bias"])


def block(a: Arrays, x: Any, h: Any) -> Any:
    """gru_ops.py, GRUBlockCell: the same with names of its own."""
    return tf1({f"{n}/{k}": a[f"{k[0].replace('k', 'w')}_{s}"]
                for n, s in (("gates", "ru"), ("candidate", "c")) for k in ("kernel", "bias")}, x, h)  # fmt: skip


def coreml(a: Arrays, x: Any, h: Any) -> Any:
    """coremltools, test_recurrent.py: stacked as r, o, z; the reset gate multiplies the state."""
    at = {gate: slice(k * H, k * H + H) for k, gate in enumerate("roz")}
    before = {gate: a["weight_ih"][at[gate]] @ x + a["bias"][at[gate]] for gate in "roz"}
    z, r = (sigmoid(before[gate] + a["weight_hh"][at[gate]] @ h) for gate in "zr")
    return (1 - z) * np.tanh(before["o"] + a["weight_hh"][at["o"]] @ (h * r)) + z * h


def onnx_like(
    order: str, W: str, R: str, biases: Callable[[Arrays], tuple[Any, Any]], after: bool
) -> Callable[..., Any]:
    """OpenVINO, WebNN: ONNX's formulas. biases: those of the input and of the recurrent product, (3H,)."""

    def step(a: Arrays, x: Any, h: Any) -> Any:
        at = {gate: slice(order.index(gate) * H, order.index(gate) * H + H) for gate in order}
        b_x, b_h = biases(a)
        of_x, of_h = a[W][0] @ x + b_x, a[R][0] @ h + b_h
        z, r = (sigmoid(of_x[at[gate]] + of_h[at[gate]]) for gate in "zr")
        product = r * of_h[at["n"]] if after else a[R][0][at["n"]] @ (r * h) + b_h[at["n"]]
        return (1 - z) * np.tanh(of_x[at["n"]] + product) + z * h

    return step


def with_candidate(a: Arrays, name: str) -> tuple[Any, Any]:
    """A bias of 4H: two gates, the candidate's of the input, and its recurrent one."""
    b = a[name].reshape(-1)
    return b[: 3 * H], np.concatenate([np.zeros(2 * H), b[3 * H :]])


OPENVINO = {"W": (1, 3 * H, I), "R": (1, 3 * H, H)}
WEBNN = {"weight": (1, 3 * H, I), "recurrentWeight": (1, 3 * H, H), "bias": (1, 3 * H), "recurrentBias": (1, 3 * H)}
NCNN = {"weight_xc": (1, 3 * H, I), "weight_hc": (1, 3 * H, H), "bias_c": (1, 4, H)}
TF1 = {
    "gates__kernel": (I + H, 2 * H),
    "gates__bias": (2 * H,),
    "candidate__kernel": (I + H, H),
    "candidate__bias": (H,),
}


def lstm(a: Arrays, x: Any, state: Any) -> Any:
    """ncnn, src/layer/lstm.cpp: rows of the gates I, F, O, G."""
    h, c = state[:H], state[H:]
    i, f, o, g = (a["weight_xc"][0] @ x + a["weight_hc"][0] @ h).reshape(4, H) + a["bias_c"][0]
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return np.concatenate([sigmoid(o) * np.tanh(c), c])


def simple(W: str, R: str, b: str) -> Callable[..., Any]:
    return lambda a, x, h: np.tanh(a[W].reshape(H, I) @ x + a[R].reshape(H, H) @ h + a[b].reshape(-1))


#: Layout, shapes of the arrays, the step, and the cell.
CASES: list[tuple[str, dict[str, tuple[int, ...]], Callable[..., Any], str]] = [
    ("haiku", {"w_i": (I, 3 * H), "w_h": (H, 3 * H), "b": (3 * H,)}, haiku, "gru"),
    ("haiku", {"linear__w": (I, H), "linear__b": (H,), "linear_1__w": (H, H), "linear_1__b": (H,)}, haiku_rnn, "rnn"),
    ("tf1", TF1, tf1, "gru"),
    ("tf1", {"w_ru": (I + H, 2 * H), "b_ru": (2 * H,), "w_c": (I + H, H), "b_c": (H,)}, block, "gru"),
    ("coreml", {"weight_ih": (3 * H, I), "weight_hh": (3 * H, H), "bias": (3 * H,)}, coreml, "gru"),
    ("coreml", {"weight_ih": (H, I), "weight_hh": (H, H), "bias": (H,)}, simple("weight_ih", "weight_hh", "bias"),
     "rnn"),
    ("openvino", OPENVINO | {"B": (1, 3 * H)}, onnx_like("zrn", "W", "R", lambda a: (a["B"][0], 0 * a["B"][0]), False),
     "gru"),
    ("openvino", OPENVINO | {"B": (1, 4 * H)}, onnx_like("zrn", "W", "R", lambda a: with_candidate(a, "B"), True),
     "gru"),
    ("openvino", {"W": (1, H, I), "R": (1, H, H), "B": (1, H)}, simple("W", "R", "B"), "rnn"),
    *((f"webnn{fact}", WEBNN, onnx_like(order, "weight", "recurrentWeight",
       lambda a: (a["bias"][0], a["recurrentBias"][0]), True), "gru")
      for fact, order in (("", "zrn"), (",order=rzn", "rzn"))),
    ("ncnn", NCNN, onnx_like("rzn", "weight_xc", "weight_hc", lambda a: with_candidate(a, "bias_c"), True), "gru"),
    ("ncnn", {"weight_xc": (1, H, I), "weight_hc": (1, H, H), "bias_c": (1, 1, H)},
     simple("weight_xc", "weight_hc", "bias_c"), "rnn"),
    ("ncnn", {"weight_xc": (1, 4 * H, I), "weight_hc": (1, 4 * H, H), "bias_c": (1, 4, H)}, lstm, "lstm"),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "shapes", "step", "cell"), CASES)
def test_a_run_is_the_documented_step(layout: str, shapes: Any, step: Callable[..., Any], cell: str) -> None:
    arrays, x = drawn(**shapes), DRAW.normal(size=(T, I))
    trace = lt.run(arrays, x, layout=layout)
    assert trace.header.kind == cell
    state = np.zeros(2 * H if cell == "lstm" else H)
    for t in range(T):
        state = step(arrays, x[t], state)
        np.testing.assert_allclose(trace["h_t"][t, 0], state[:H], rtol=1e-12, atol=1e-14)


def test_what_the_arrays_of_two_gates_lack(tmp_path: Path) -> None:
    arrays = drawn(**TF1)
    np.savez(tmp_path / "a.npz", **{name: a for name, a in arrays.items() if name != "candidate/kernel"})
    with pytest.raises(LstmTraceError, match=r"candidate/kernel is missing; of this GRU the file has gates/kernel"):
        lt.prepare(tmp_path / "a.npz", layout="tf1")
    with pytest.raises(LstmTraceError, match=r"gates/kernel has shape \(8, 5\); expected a matrix of the gates r, u"):
        lt.prepare({**arrays, "gates/kernel": np.ones((8, 5))}, layout="tf1")


def test_two_cells_of_tensorflow_side_by_side() -> None:
    """The kernels of a GRU are not taken for those of LSTMs."""
    gru = {f"rnn/gru_cell/{name}:0": values for name, values in drawn(**TF1).items()}
    lstm = {f"rnn/lstm_cell/{name}": values for name, values in drawn(kernel=(I + H, 4 * H), bias=(4 * H,)).items()}
    with pytest.raises(LstmTraceError, match=r"1 LSTM and 1 GRU: rnn/lstm_cell \(LSTM\), rnn/gru_cell \(GRU\)"):
        lt.prepare({**gru, **lstm}, layout="tf1")
    assert [lt.prepare({**gru, **lstm}, layout="tf1", name=name).header.kind for name in ("gru", "lstm")] == [
        "gru",
        "lstm",
    ]


def test_a_bias_without_the_candidates() -> None:
    """Equinox has both or none; these may be CoreML's, in another order."""
    arrays = drawn(weight_ih=(3 * H, I), weight_hh=(3 * H, H), bias=(3 * H,))
    with pytest.raises(LstmTraceError, match="bias_n is missing; of this GRU the file has weight_ih, weight_hh, bias"):
        lt.prepare(arrays)
    assert lt.prepare(arrays, layout="coreml").header.options["reset_after"] is False


def test_a_gru_of_ncnn_without_its_bias() -> None:
    arrays = drawn(**{name: shape for name, shape in NCNN.items() if name != "bias_c"})
    assert lt.prepare(arrays, layout="ncnn").header.options["reset_after"] is True
