"""Weights packed by hand, as each framework stores them, row by row of layouts.md; shares nothing with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

H, WIDE, P, STEPS = 3, 5, 2, 4
Arrays = dict[str, Any]
RNG = np.random.default_rng(7)


def weights(bias: str = "one", state: int = H, peephole: bool = False, projection: bool = False) -> Arrays:
    """Random weights by our names."""
    found: Arrays = {}
    for gate in "ifco":
        found[f"W_x{gate}"] = RNG.normal(size=(H, WIDE))
        found[f"W_h{gate}"] = RNG.normal(size=(H, P if projection else state))
        names = {"one": [f"b_{gate}"], "two": [f"b_x{gate}", f"b_h{gate}"], "none": []}[bias]
        found |= {name: RNG.normal(size=H) for name in names}
        if peephole and gate != "c":
            found[f"w_c{gate}"] = RNG.normal(size=H)
    if projection:
        found["W_hr"] = RNG.normal(size=(P, H))
    return found


def rows(w: Arrays, name: str, order: str) -> Any:
    """(4H, n) or (4H,): gates below each other."""
    return np.concatenate([w[name.format(gate)] for gate in order])


def columns(w: Arrays, name: str, order: str) -> Any:
    """(n, 4H): gates beside each other, each transposed."""
    return np.concatenate([w[name.format(gate)].T for gate in order], axis=1)


def joined(w: Arrays, order: str) -> Any:
    """(I + H, 4H): what multiplies [x; h] from the right."""
    return np.concatenate([columns(w, "W_x{}", order), columns(w, "W_h{}", order)])


def two_rows(prefix: str, suffix: str = "") -> Callable[[Arrays, str], Arrays]:
    """PyTorch and its kin: weight_ih, weight_hh and two biases."""
    return lambda w, order: {
        f"{prefix}weight_ih{suffix}": rows(w, "W_x{}", order),
        f"{prefix}weight_hh{suffix}": rows(w, "W_h{}", order),
        f"{prefix}bias_ih{suffix}": rows(w, "b_x{}", order),
        f"{prefix}bias_hh{suffix}": rows(w, "b_h{}", order),
    }


def keras(w: Arrays, order: str) -> Arrays:
    return {
        "kernel": columns(w, "W_x{}", order),
        "recurrent_kernel": columns(w, "W_h{}", order),
        "bias": rows(w, "b_{}", order),
    }


def keras1(w: Arrays, _: str) -> Arrays:
    found = {}
    for gate in "icfo":
        found |= {f"W_{gate}": w[f"W_x{gate}"].T, f"U_{gate}": w[f"W_h{gate}"].T, f"b_{gate}": w[f"b_{gate}"]}
    return found


def cudnn(w: Arrays, order: str) -> Arrays:
    """Keras 2's loader: k.T.reshape(k.shape, order='F') and r.T give the plain blocks; undone here."""
    plain = {gate: w[f"W_x{gate}"].T for gate in order}  # (I, H), what the loader must arrive at
    kernel = [k.reshape(-1, order="F").reshape(k.shape) for k in plain.values()]
    for block, k in zip(kernel, plain.values(), strict=True):
        assert np.array_equal(block.T.reshape(block.shape, order="F"), k)
    return {
        "kernel": np.concatenate(kernel, axis=1),
        "recurrent_kernel": np.concatenate([w[f"W_h{gate}"] for gate in order], axis=1),
        "bias": np.concatenate([rows(w, "b_x{}", order), rows(w, "b_h{}", order)]),
    }


def onnx(w: Arrays, order: str) -> Arrays:
    return {
        "W": rows(w, "W_x{}", order)[None],
        "R": rows(w, "W_h{}", order)[None],
        "B": np.concatenate([rows(w, "b_x{}", order), rows(w, "b_h{}", order)])[None],
        "P": np.concatenate([w["w_ci"], w["w_co"], w["w_cf"]])[None],
    }


def tf1(w: Arrays, order: str) -> Arrays:
    return {
        "rnn/lstm_cell/kernel:0": joined(w, order),
        "rnn/lstm_cell/bias:0": rows(w, "b_{}", order),
        "rnn/lstm_cell/projection/kernel:0": w["W_hr"].T,
        **{f"rnn/lstm_cell/w_{gate}_diag:0": w[f"w_c{gate}"] for gate in "ifo"},
    }


def block(w: Arrays, order: str) -> Arrays:
    peepholes = {f"wc{gate}": w[f"w_c{gate}"] for gate in "ifo" if f"w_c{gate}" in w}
    return {"w": joined(w, order), "b": rows(w, "b_{}", order), **peepholes}


def tflite(w: Arrays, _: str) -> Arrays:
    word = {"i": "input", "f": "forget", "c": "cell", "o": "output"}
    found = {"projection_weights": w["W_hr"]}
    for gate, name in word.items():
        found[f"input_to_{name}_weights"] = w[f"W_x{gate}"]
        found[f"recurrent_to_{name}_weights"] = w[f"W_h{gate}"]
        found[f"{name}_gate_bias" if gate != "c" else "cell_bias"] = w[f"b_{gate}"]
        if gate != "c":
            found[f"cell_to_{name}_weights"] = w[f"w_c{gate}"]
    return found


def flax(w: Arrays, _: str, suffix: str = "") -> Arrays:
    found = {}
    for gate, letter in zip("ifco", "ifgo", strict=True):
        mark = suffix if letter == "f" else ""
        found[f"params/LSTMCell_0/i{letter}{mark}/kernel"] = w[f"W_x{gate}"].T
        found[f"params/LSTMCell_0/h{letter}/kernel"] = w[f"W_h{gate}"].T
        found[f"params/LSTMCell_0/h{letter}/bias"] = w[f"b_{gate}"]
    return found


def dense(w: Arrays, order: str) -> Arrays:
    return {
        "cell.dense_i.kernel": columns(w, "W_x{}", order),
        "cell.dense_h.kernel": columns(w, "W_h{}", order),
        "cell.dense_h.bias": rows(w, "b_{}", order),
    }


def plain_rows(names: tuple[str, str, str], axis: bool = False) -> Callable[[Arrays, str], Arrays]:
    """Input, recurrent and one bias, gates below each other; axis: with a first axis for the directions."""

    def pack(w: Arrays, order: str) -> Arrays:
        parts = (rows(w, "W_x{}", order), rows(w, "W_h{}", order), rows(w, "b_{}", order))
        return {name: part[None] if axis else part for name, part in zip(names, parts, strict=True)}

    return pack


def webnn(w: Arrays, order: str) -> Arrays:
    return {
        "weight": rows(w, "W_x{}", order)[None],
        "recurrentWeight": rows(w, "W_h{}", order)[None],
        "bias": rows(w, "b_x{}", order)[None],
        "recurrentBias": rows(w, "b_h{}", order)[None],
        "peepholeWeight": np.concatenate([w["w_ci"], w["w_co"], w["w_cf"]])[None],
    }


def by_hand(w: Arrays, _: str) -> Arrays:
    return {f"W_{gate}": np.column_stack([w[f"W_x{gate}"], w[f"W_h{gate}"], w[f"b_{gate}"]]) for gate in "fcio"}


def projected(pack: Callable[[Arrays, str], Arrays], name: str, turned: bool) -> Callable[[Arrays, str], Arrays]:
    return lambda w, order: {**pack(w, order), name: w["W_hr"].T if turned else w["W_hr"]}


#: Layout: gates as the framework stacks them, how to pack them, which weights, and the options that must come.
CASES: dict[str, tuple[str, Callable[[Arrays, str], Arrays], Arrays, Mapping[str, Any]]] = {
    "gates": ("", lambda w, _: dict(w), {}, {}),
    "pytorch": ("ifco", projected(two_rows("", "_l0"), "weight_hr_l0", False), {"bias": "two", "projection": True},
                {"projection": True}),
    "keras": ("ifco", keras, {}, {}),
    "keras2": ("ifco", keras, {}, {"gate_activation": "hard_sigmoid"}),
    "keras1": ("", keras1, {}, {"gate_activation": "hard_sigmoid"}),
    "cudnn": ("ifco", cudnn, {"bias": "two"}, {}),
    "onnx": ("iofc", onnx, {"bias": "two", "peephole": True}, {"peephole": True}),
    "tf1": ("icfo", tf1, {"peephole": True, "projection": True},
            {"peephole": True, "projection": True, "forget_bias": 1.0}),
    "tf-block": ("icfo", block, {"peephole": True}, {"peephole": True, "forget_bias": 1.0, "cell_clip": 3.0}),
    "tf-block-v2": ("ifco", block, {}, {}),
    "tflite": ("", tflite, {"peephole": True, "projection": True}, {"peephole": True, "projection": True}),
    "flax": ("", flax, {}, {}),
    "flax-nnx-optimized": ("ifco", dense, {}, {}),
    "haiku": ("icfo", lambda w, o: {"lstm/linear/w": joined(w, o), "lstm/linear/b": rows(w, "b_{}", o)}, {},
              {"forget_bias": 1.0}),
    "equinox": ("ifco", plain_rows(("weight_ih", "weight_hh", "bias")), {}, {}),
    "mxnet": ("ifco", lambda w, o: {
        "lstm0_l0_i2h_weight": rows(w, "W_x{}", o), "lstm0_l0_h2h_weight": rows(w, "W_h{}", o),
        "lstm0_l0_i2h_bias": rows(w, "b_x{}", o), "lstm0_l0_h2h_bias": rows(w, "b_h{}", o)}, {"bias": "two"}, {}),
    "caffe": ("ifoc", plain_rows(("W_xc", "W_hc", "b_c")), {}, {}),
    "coreml": ("ifoc", lambda w, o: {
        **plain_rows(("weight_ih", "weight_hh", "bias"))(w, o),
        "peephole": np.concatenate([w["w_ci"], w["w_cf"], w["w_co"]])}, {"peephole": True}, {"peephole": True}),
    "openvino": ("fico", plain_rows(("W", "R", "B"), axis=True), {}, {}),
    "ncnn": ("ifoc", plain_rows(("weight_xc", "weight_hc", "bias_c"), axis=True), {}, {}),
    "webnn": ("iofc", webnn, {"bias": "two", "peephole": True}, {"peephole": True}),
    "webnn-ifgo": ("ifco", webnn, {"bias": "two", "peephole": True}, {"peephole": True}),
    "paddle": ("ifco", projected(two_rows("", "_l0"), "weight_ho_l0", True), {"bias": "two", "projection": True},
               {"projection": True}),
    "mlx": ("ifco", plain_rows(("Wx", "Wh", "bias")), {}, {}),
    "mlx-old": ("ifco", lambda w, o: dict(zip(("Wx", "Wh", "bias"), keras(w, o).values(), strict=True)), {}, {}),
    "arras": ("icfo", lambda w, o: {
        "Wxh_Left": rows(w, "W_x{}", o), "Whh_Left": rows(w, "W_h{}", o),
        "bxh_Left": rows(w, "b_x{}", o), "bhh_Left": rows(w, "b_h{}", o)}, {"bias": "two"}, {}),
    "ai-by-hand": ("", by_hand, {}, {}),
}  # fmt: skip
